//! From the files of a log to its index: at open from the `.idx` where it matches, else from the
//! bytes, and later by reading only what is new.
//!
//! The order of the two questions matters and is explained in `format`: first the length of the
//! `.log`, then the records of the `.meta`.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::sync::Arc;

use super::format::{
    Chunk, HEADER_LEN, Header, LogError, LogPaths, META_MAGIC, RECORD_LEN, open_if_there,
    read_header, read_up_to,
};
use super::index::{Index, MetaMark, Saved, Tag};

/// How many bytes are read at once.
const STEP: usize = 256 * 1024;

/// Records are read this many bytes at once.
const META_STEP: usize = RECORD_LEN * 2048;

/// The files and what is known of them so far.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    pub paths: LogPaths,
    pub log: Option<Arc<File>>,
    meta: Option<Arc<File>>,
    /// How far the `.meta` has been used.
    pub mark: MetaMark,
    /// Records that describe bytes not yet taken in.
    pending: VecDeque<Chunk>,
    pub index: Index,
}

impl Scan {
    /// Opens the files and reads what is there. Missing files are an empty log.
    pub fn open(paths: LogPaths) -> Result<Self, LogError> {
        let mut scan = Self {
            paths,
            log: None,
            meta: None,
            mark: MetaMark::default(),
            pending: VecDeque::new(),
            index: Index::default(),
        };
        let log_len = scan.log_len().map_err(LogError::io(&scan.paths.log))?;
        if let Some(log_len) = log_len {
            scan.check_version()?;
            if !scan
                .use_saved(log_len)
                .map_err(LogError::io(&scan.paths.meta))?
            {
                scan.reset();
            }
        }
        scan.refresh().map_err(LogError::io(&scan.paths.log))?;
        Ok(scan)
    }

    /// Takes in what was written since. Returns whether there was anything.
    pub fn refresh(&mut self) -> io::Result<bool> {
        let Some(log_len) = self.log_len()? else {
            return Ok(false);
        };
        let cut = log_len < self.index.end();
        if cut {
            // Somebody emptied or replaced the bytes: what was known is about another log.
            self.reset();
        } else if log_len == self.index.end() {
            return Ok(false);
        }
        self.read_records(u64::MAX)?;
        let grew = self.read_bytes(log_len)?;
        Ok(grew || cut)
    }

    fn reset(&mut self) {
        self.meta = None;
        self.mark = MetaMark::default();
        self.pending.clear();
        self.index = Index::default();
    }

    fn log_len(&mut self) -> io::Result<Option<u64>> {
        if self.log.is_none() {
            self.log = open_if_there(&self.paths.log)?.map(Arc::new);
        }
        match &self.log {
            Some(file) => Ok(Some(file.metadata()?.len())),
            None => Ok(None),
        }
    }

    fn check_version(&mut self) -> Result<(), LogError> {
        let path = self.paths.meta.clone();
        match self.meta_header().map_err(LogError::io(&path))? {
            Some(Header::Version(found)) => Err(LogError::Version { path, found }),
            _ => Ok(()),
        }
    }

    /// Opens the `.meta` if need be and says what its header is; `None` without a file.
    pub fn meta_header(&mut self) -> io::Result<Option<Header>> {
        if self.meta.is_none() {
            self.meta = open_if_there(&self.paths.meta)?.map(Arc::new);
        }
        let Some(meta) = &self.meta else {
            return Ok(None);
        };
        let mut start = [0; HEADER_LEN];
        let len = read_up_to(meta, &mut start, 0)?;
        Ok(Some(read_header(&start[..len], META_MAGIC)))
    }

    /// Takes over the `.idx` if it was made for these files.
    fn use_saved(&mut self, log_len: u64) -> io::Result<bool> {
        let Some(saved) = fs::read(&self.paths.idx)
            .ok()
            .and_then(|bytes| Saved::read(&bytes))
        else {
            return Ok(false);
        };
        if saved.end > log_len {
            return Ok(false);
        }
        self.read_records(saved.meta.seen)?;
        if self.mark != saved.meta {
            return Ok(false);
        }
        while self.index.end() < saved.end {
            let (tag, to) = self.next_region(saved.end);
            self.index.skip(tag, to - self.index.end());
        }
        self.index.restore(saved);
        Ok(true)
    }

    /// Reads new records, none that ends beyond `limit`. Damaged ones at the end of the file are
    /// left for next time (they may be half written), others are skipped.
    fn read_records(&mut self, limit: u64) -> io::Result<()> {
        if self.mark.seen == 0 {
            if self.meta_header()? != Some(Header::Good) {
                return Ok(());
            }
            self.mark.seen = HEADER_LEN as u64;
        }
        let Some(meta) = self.meta.clone() else {
            return Ok(());
        };
        let mut buffer = vec![0; META_STEP];
        let mut at = self.mark.seen;
        loop {
            let len = read_up_to(&meta, &mut buffer, at)?;
            for record in buffer[..len].chunks_exact(RECORD_LEN) {
                at += RECORD_LEN as u64;
                if at > limit {
                    return Ok(());
                }
                if let Some(chunk) = Chunk::decode(record) {
                    self.mark.seen = at;
                    self.mark.sum.add(record);
                    self.await_bytes(chunk);
                }
            }
            if len < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Notes what is coming. A later record is right about its bytes: an earlier one that reaches
    /// into them promised what never came.
    fn await_bytes(&mut self, chunk: Chunk) {
        while let Some(before) = self.pending.back_mut() {
            if before.offset < chunk.offset {
                let room = chunk.offset - before.offset;
                before.len = u32::try_from(room).map_or(before.len, |room| room.min(before.len));
                break;
            }
            self.pending.pop_back();
        }
        self.pending.push_back(chunk);
    }

    fn read_bytes(&mut self, log_len: u64) -> io::Result<bool> {
        let Some(log) = self.log.clone() else {
            return Ok(false);
        };
        let before = self.index.end();
        let todo = usize::try_from(log_len - before).unwrap_or(STEP);
        let mut buffer = vec![0; todo.min(STEP)];
        while self.index.end() < log_len {
            let from = self.index.end();
            let want = usize::try_from(log_len - from).map_or(STEP, |left| left.min(STEP));
            let len = read_up_to(&log, &mut buffer[..want], from)?;
            if len == 0 {
                break;
            }
            let read_end = from + len as u64;
            while self.index.end() < read_end {
                let at = self.index.end();
                let (tag, to) = self.next_region(read_end);
                let bytes = (at - from) as usize..(to - from) as usize;
                self.index.push(tag, &buffer[bytes]);
            }
        }
        Ok(self.index.end() > before)
    }

    /// Returns the label of the next bytes and how far (at most to `limit`, and at least one byte)
    /// it reaches.
    fn next_region(&mut self, limit: u64) -> (Tag, u64) {
        let at = self.index.end();
        while let Some(chunk) = self.pending.front() {
            let end = chunk.end();
            if end <= at {
                self.pending.pop_front();
            } else if chunk.offset > at {
                return (Tag::LOST, chunk.offset.min(limit));
            } else {
                let tag = Tag {
                    ms: chunk.ms,
                    stream: chunk.stream,
                    command: chunk.command,
                };
                return (tag, end.min(limit));
            }
        }
        (Tag::LOST, limit)
    }

    /// Writes the `.idx`, whole or not at all.
    pub fn save_index(&self) -> io::Result<()> {
        save_index(&self.paths, &self.index, self.mark)
    }
}

/// Writes the `.idx`, whole or not at all.
pub(super) fn save_index(paths: &LogPaths, index: &Index, mark: MetaMark) -> io::Result<()> {
    let mut part = paths.idx.clone().into_os_string();
    // Two programs may save the index of one log at the same time.
    part.push(format!(".{}.part", std::process::id()));
    fs::write(&part, index.save(mark))?;
    fs::rename(&part, &paths.idx)
}
