//! Writing a log: the only place that appends to its files.
//!
//! One writer per log at a time; the engine sees to that. Bytes go to the files at once, so readers
//! see them without being told, and a process that is killed has lost nothing it had appended.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

use super::format::{Chunk, HEADER_LEN, Header, LogError, LogPaths, META_MAGIC, Stream, header};
use super::index::{Index, MetaMark, Tag};
use super::scan::{Scan, save_index};

/// Appends to one job's log.
#[derive(Debug)]
pub struct LogWriter {
    paths: LogPaths,
    log: File,
    meta: File,
    len: u64,
    meta_len: u64,
    mark: MetaMark,
    index: Index,
    index_saved: bool,
}

impl LogWriter {
    /// Starts a log that does not exist yet.
    pub fn create(paths: LogPaths) -> Result<Self, LogError> {
        // The .meta first: a reader that finds the .log also finds its description.
        let meta = new_file(&paths.meta)?;
        meta.write_all_at(&header(META_MAGIC), 0)
            .map_err(LogError::io(&paths.meta))?;
        let log = new_file(&paths.log)?;
        Ok(Self {
            paths,
            log,
            meta,
            len: 0,
            meta_len: HEADER_LEN as u64,
            mark: MetaMark {
                seen: HEADER_LEN as u64,
                ..MetaMark::default()
            },
            index: Index::default(),
            index_saved: false,
        })
    }

    /// Goes on with a log, after a crash too: a torn tail of the `.meta` is cut, and bytes without a
    /// description get one. A log that is not there is started.
    pub fn open_append(paths: LogPaths) -> Result<Self, LogError> {
        if !paths.log.exists() && !paths.meta.exists() {
            return Self::create(paths);
        }
        let mut scan = Scan::open(paths.clone())?;
        let meta = open_file(&paths.meta)?;
        let log = open_file(&paths.log)?;
        let header_found = scan.meta_header().map_err(LogError::io(&paths.meta))?;
        if let Some(Header::Version(found)) = header_found {
            return Err(LogError::Version {
                path: paths.meta,
                found,
            });
        }
        if scan.mark.seen == 0 {
            meta.set_len(0)
                .and_then(|()| meta.write_all_at(&header(META_MAGIC), 0))
                .map_err(LogError::io(&paths.meta))?;
            scan.mark.seen = HEADER_LEN as u64;
        }
        meta.set_len(scan.mark.seen)
            .map_err(LogError::io(&paths.meta))?;
        // Nothing else is needed for bytes without a record: the next record's offset shows the
        // gap, and readers label it.
        Ok(Self {
            len: scan.index.end(),
            meta_len: scan.mark.seen,
            mark: scan.mark,
            index: scan.index,
            index_saved: false,
            paths,
            log,
            meta,
        })
    }

    /// Appends bytes that arrived together at `ms` (milliseconds since the epoch).
    ///
    /// Bytes may be cut anywhere, also inside a character or an escape sequence. After an error
    /// the log is still sound and holds as much of the bytes as could be written.
    pub fn append(
        &mut self,
        ms: i64,
        stream: Stream,
        command: u32,
        bytes: &[u8],
    ) -> io::Result<()> {
        let tag = Tag {
            ms: Some(ms),
            stream,
            command,
        };
        // A record counts in 32 bits.
        for bytes in bytes.chunks(1 << 30) {
            self.append_chunk(tag, bytes)?;
        }
        Ok(())
    }

    fn append_chunk(&mut self, tag: Tag, bytes: &[u8]) -> io::Result<()> {
        let record = Chunk {
            offset: self.len,
            len: bytes.len() as u32,
            ms: tag.ms,
            stream: tag.stream,
            command: tag.command,
        }
        .encode();
        self.index_saved = false;
        // At a fixed place, so that what a failed attempt left of a record is written over.
        self.meta.write_all_at(&record, self.meta_len)?;
        self.meta_len += record.len() as u64;
        self.mark.seen = self.meta_len;
        self.mark.sum.add(&record);
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.log.write_at(rest, self.len) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.index.push(tag, &rest[..n]);
                    self.len += n as u64;
                    rest = &rest[n..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns how many bytes the log has.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many lines the log has, an unfinished one included.
    pub fn line_count(&self) -> usize {
        self.index.line_count()
    }

    /// Waits until the bytes are on the disk; to survive a power cut, not needed for a crash.
    pub fn sync(&mut self) -> io::Result<()> {
        self.log.sync_data()?;
        self.meta.sync_data()
    }

    /// Saves the line index. Dropping the writer does this too, but swallows the error: the index
    /// can be made again.
    pub fn finish(mut self) -> io::Result<()> {
        self.index_saved = true;
        save_index(&self.paths, &self.index, self.mark)
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        if !self.index_saved {
            // Only the speed of the next open is lost, and there is nobody to tell.
            let _ = save_index(&self.paths, &self.index, self.mark);
        }
    }
}

fn new_file(path: &std::path::Path) -> Result<File, LogError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(LogError::io(path))
}

fn open_file(path: &std::path::Path) -> Result<File, LogError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(LogError::io(path))
}
