//! Reading a log, also while another task or process writes it.
//!
//! A reader is a snapshot: what it answers changes only with [`LogReader::refresh`], so a frame or
//! a search sees one state. Lines are found again from the sparse index by reading the block they
//! are in; the last few blocks are kept.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use memchr::{memchr, memchr_iter};

use super::format::{Chunk, LogError, LogPaths, Stream, read_up_to};
use super::index::{Index, Section};
use super::scan::Scan;

/// How many blocks are kept; a screen touches two, a search on another thread one more.
const KEPT_BLOCKS: usize = 4;
/// How many bytes a block is read by, and a long line.
const STEP: usize = 64 * 1024;

/// What is known about a line without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineMeta {
    /// Its number, counted from 0.
    pub number: usize,
    /// Place of its first byte in the `.log`.
    pub offset: u64,
    /// Which stream it belongs to.
    pub stream: Stream,
    /// Index of the script line that wrote its first byte, or [`super::NO_COMMAND`].
    pub command: u32,
    /// When its first byte arrived (within 10 ms), in milliseconds since the epoch; `None` where a
    /// crash lost it.
    pub ms: Option<i64>,
    /// Whether its newline has been seen; if not, it may still grow.
    pub complete: bool,
}

/// Reads one job's log.
#[derive(Debug)]
pub struct LogReader {
    scan: Scan,
    /// What came later is not shown.
    cut: Option<Cut>,
    /// The blocks used last, the latest at the end.
    blocks: Mutex<Vec<Arc<Block>>>,
}

/// Where a log stood at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    /// How many bytes it had.
    end: u64,
    /// How many lines had begun.
    lines: usize,
}

/// The lines between two checkpoints.
#[derive(Debug)]
pub(super) struct Block {
    number: usize,
    pub lines: Range<usize>,
    /// Where each line starts in the `.log`, and the entry there.
    pub starts: Vec<(u64, usize)>,
    /// Where `raw` starts in the `.log`.
    pub base: u64,
    /// The bytes that were read to find the starts; they may go on behind the block.
    pub raw: Vec<u8>,
    /// Whether each line but the last is exactly the bytes up to the next one's start.
    pub contiguous: bool,
}

impl Clone for LogReader {
    /// Makes a second snapshot of the same state, for a search on another thread.
    fn clone(&self) -> Self {
        Self {
            scan: self.scan.clone(),
            cut: self.cut,
            blocks: Mutex::default(),
        }
    }
}

impl LogReader {
    /// Opens a log and reads what is there. Missing files are an empty log, which a later
    /// [`refresh`](Self::refresh) may find written.
    pub fn open(paths: LogPaths) -> Result<Self, LogError> {
        Ok(Self {
            scan: Scan::open(paths)?,
            cut: None,
            blocks: Mutex::default(),
        })
    }

    /// Picks up what was written since, reading only that. Returns whether there was anything.
    pub fn refresh(&mut self) -> io::Result<bool> {
        let grew = self.scan.refresh()?;
        if grew {
            // The last block has grown, and after a cut all are stale.
            self.blocks
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
        }
        Ok(grew)
    }

    /// Shows the log as it was at a moment (milliseconds since the epoch, exact within 10), or all of it
    /// with `None`. A moment holds for what is known now: it is to be set again after a refresh. Returns
    /// when the next byte after it arrived, if there is one.
    pub fn show_until(&mut self, moment: Option<i64>) -> io::Result<Option<i64>> {
        self.cut = None;
        let Some(moment) = moment else {
            return Ok(None);
        };
        let index = self.index();
        let Some(entry) = index.entry_after(moment) else {
            return Ok(None);
        };
        let (end, next) = (index.entry(entry).offset, index.entry(entry).tag.ms);
        let lines = match index.block_at(end) {
            Some(number) => {
                let block = self.block_with(self.index().block_lines(number).start)?;
                block.lines.start + block.starts.partition_point(|start| start.0 < end)
            }
            None => 0,
        };
        self.cut = Some(Cut { end, lines });
        Ok(next)
    }

    /// Saves the line index, so that the next open need not scan the bytes.
    pub fn save_index(&self) -> io::Result<()> {
        self.scan.save_index()
    }

    /// Returns how many bytes the log has.
    pub fn len_bytes(&self) -> u64 {
        self.cut.map_or(self.index().end(), |cut| cut.end)
    }

    /// Returns how many lines the log has, unfinished ones included.
    pub fn line_count(&self) -> usize {
        self.cut.map_or(self.index().line_count(), |cut| cut.lines)
    }

    /// Returns runs of lines by the command that wrote them, in the order of the lines.
    pub fn sections(&self) -> Vec<Section> {
        let mut sections = self.index().sections();
        if let Some(cut) = self.cut {
            sections.truncate(sections.partition_point(|section| section.lines.start < cut.lines));
            if let Some(last) = sections.last_mut() {
                last.lines.end = last.lines.end.min(cut.lines);
            }
        }
        sections
    }

    /// Returns what is known about a line. A number beyond the last line is an error.
    pub fn line(&self, number: usize) -> io::Result<LineMeta> {
        let block = self.block_with(number)?;
        let (offset, entry) = block.start(number)?;
        let tag = self.index().entry(entry).tag;
        Ok(LineMeta {
            number,
            offset,
            stream: tag.stream,
            command: tag.command,
            ms: tag.ms,
            complete: match self.cut {
                // What was open then is not told from what was not; the last line may have been.
                Some(cut) => number + 1 < cut.lines && self.index().is_complete(number),
                None => self.index().is_complete(number),
            },
        })
    }

    /// Returns the bytes of a line without its newline, at most the first `max_bytes`.
    pub fn read_line(&self, number: usize, max_bytes: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_line_into(number, max_bytes, &mut bytes)?;
        Ok(bytes)
    }

    /// Appends the bytes of a line to `out` as [`read_line`](Self::read_line) does; returns whether
    /// the line is longer.
    pub fn read_line_into(
        &self,
        number: usize,
        max_bytes: usize,
        out: &mut Vec<u8>,
    ) -> io::Result<bool> {
        let block = self.block_with(number)?;
        self.visit_line(&block, number, max_bytes, |_, bytes| {
            out.extend_from_slice(bytes);
        })
    }

    /// Returns the last `max_bytes` of a line: what a long progress bar shows now.
    pub fn read_line_tail(&self, number: usize, max_bytes: usize) -> io::Result<Vec<u8>> {
        let block = self.block_with(number)?;
        let mut tail = Vec::new();
        self.visit_line(&block, number, usize::MAX, |_, bytes| {
            tail.extend_from_slice(bytes);
            if tail.len() > max_bytes.saturating_add(STEP).saturating_mul(2) {
                tail.drain(..tail.len() - max_bytes);
            }
        })?;
        tail.drain(..tail.len().saturating_sub(max_bytes));
        Ok(tail)
    }

    /// Returns where the bytes of a line are in the `.log`, without its newline: one range, more
    /// when other streams wrote in between.
    pub fn pieces(&self, number: usize) -> io::Result<Vec<Range<u64>>> {
        let block = self.block_with(number)?;
        let mut pieces: Vec<Range<u64>> = Vec::new();
        self.visit_line(&block, number, usize::MAX, |offset, bytes| {
            let end = offset + bytes.len() as u64;
            match pieces.last_mut() {
                Some(last) if last.end == offset => last.end = end,
                _ => pieces.push(offset..end),
            }
        })?;
        Ok(pieces)
    }

    /// Returns the bytes of the `.log` from `offset` on, at most `max_bytes`; empty at the end.
    pub fn read_bytes(&self, offset: u64, max_bytes: usize) -> io::Result<Vec<u8>> {
        let left = self.len_bytes().saturating_sub(offset);
        let mut bytes = vec![0; usize::try_from(left).map_or(max_bytes, |n| n.min(max_bytes))];
        let len = self.read_at(offset, &mut bytes)?;
        bytes.truncate(len);
        Ok(bytes)
    }

    /// Returns the chunk that a byte belongs to, from that byte on, for those who follow the log by
    /// arrival; chunks within 10 ms of each other may be one. Nothing at the end.
    pub fn chunk_at(&self, offset: u64) -> Option<Chunk> {
        if offset >= self.len_bytes() {
            return None;
        }
        let number = self.index().entry_at(offset);
        let tag = self.index().entry(number).tag;
        let len = self.index().entry_end(number) - offset;
        Some(Chunk {
            offset,
            len: u32::try_from(len).unwrap_or(u32::MAX),
            ms: tag.ms,
            stream: tag.stream,
            command: tag.command,
        })
    }

    pub(super) fn index(&self) -> &Index {
        &self.scan.index
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.scan.log {
            Some(log) => read_up_to(log, buffer, offset),
            None => Ok(0),
        }
    }

    /// Returns the block that holds a line.
    pub(super) fn block_with(&self, line: usize) -> io::Result<Arc<Block>> {
        let shown = (line < self.line_count() || self.cut.is_none())
            .then(|| self.index().block_of(line))
            .flatten();
        let number = shown.ok_or_else(|| {
            let count = self.line_count();
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("line {line} of a log with {count} lines"),
            )
        })?;
        let kept = || self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut kept = kept();
            if let Some(at) = kept.iter().position(|block| block.number == number) {
                let block = kept.remove(at);
                kept.push(Arc::clone(&block));
                return Ok(block);
            }
        }
        let block = Arc::new(self.decode(number)?);
        let mut kept = kept();
        if kept.len() == KEPT_BLOCKS {
            kept.remove(0);
        }
        kept.push(Arc::clone(&block));
        Ok(block)
    }

    /// Finds the lines of a block again.
    fn decode(&self, number: usize) -> io::Result<Block> {
        let index = self.index();
        let checkpoint = index.checkpoints()[number];
        let lines = index.block_lines(number);
        let mut block = Block {
            number,
            starts: Vec::with_capacity(lines.len()),
            base: checkpoint.offset,
            raw: Vec::new(),
            contiguous: checkpoint.open == [false; 3],
            lines,
        };
        let want = block.lines.len();
        let mut open = checkpoint.open;
        let mut entry = index.entry_at(checkpoint.offset);
        let first_stream = index.entry(entry).tag.stream;
        let mut at = checkpoint.offset;
        while block.starts.len() < want && at < index.end() {
            if !self.extend(&mut block.raw, checkpoint.offset)? {
                break;
            }
            let read_end = checkpoint.offset + block.raw.len() as u64;
            while at < read_end && block.starts.len() < want {
                let to = index.entry_end(entry).min(read_end);
                let tag = index.entry(entry).tag;
                block.contiguous &= tag.stream == first_stream;
                let bytes = &block.raw[(at - block.base) as usize..(to - block.base) as usize];
                let open = &mut open[tag.stream.number()];
                if !*open {
                    block.starts.push((at, entry));
                }
                for newline in memchr_iter(b'\n', bytes) {
                    if newline + 1 < bytes.len() {
                        block.starts.push((at + newline as u64 + 1, entry));
                    }
                }
                *open = bytes.last() != Some(&b'\n');
                at = to;
                if at == index.entry_end(entry) {
                    entry += 1;
                }
            }
        }
        block.starts.truncate(want);
        Ok(block)
    }

    /// Reads one more step of a block; returns whether there was more.
    fn extend(&self, raw: &mut Vec<u8>, base: u64) -> io::Result<bool> {
        let had = raw.len();
        // Blocks are kept, whatever is shown of them.
        let left = self.index().end() - base - had as u64;
        raw.resize(had + usize::try_from(left).map_or(STEP, |n| n.min(STEP)), 0);
        let len = self.read_at(base + had as u64, &mut raw[had..])?;
        raw.truncate(had + len);
        Ok(len > 0)
    }

    /// Shows the bytes of a line, piece by piece with their offsets, up to `max` bytes. Returns
    /// whether there are more.
    pub(super) fn visit_line(
        &self,
        block: &Block,
        number: usize,
        max: usize,
        mut visit: impl FnMut(u64, &[u8]),
    ) -> io::Result<bool> {
        let index = self.index();
        let shown = self.len_bytes();
        let (mut at, start_entry) = block.start(number)?;
        let mut entry = Some(start_entry);
        let mut left = max;
        let mut buffer = Vec::new();
        while let Some(current) = entry {
            let end = index.entry_end(current).min(shown);
            while at < end {
                let in_block = block.bytes(at, end);
                let bytes = if in_block.is_empty() {
                    buffer.resize(usize::try_from(end - at).map_or(STEP, |n| n.min(STEP)), 0);
                    let len = self.read_at(at, &mut buffer)?;
                    &buffer[..len]
                } else {
                    in_block
                };
                if bytes.is_empty() {
                    // The file was cut under the reader; the next refresh finds out.
                    return Ok(false);
                }
                let newline = memchr(b'\n', bytes);
                let text = &bytes[..newline.unwrap_or(bytes.len())];
                if text.len() > left {
                    visit(at, &text[..left]);
                    return Ok(true);
                }
                if !text.is_empty() {
                    visit(at, text);
                }
                if newline.is_some() {
                    return Ok(false);
                }
                left -= text.len();
                at += text.len() as u64;
            }
            entry = index
                .next_of_stream(current)
                .filter(|next| index.entry(*next).offset < shown);
            if let Some(next) = entry {
                at = index.entry(next).offset;
            }
        }
        Ok(false)
    }
}

impl Block {
    /// Returns where a line of this block starts, and the entry there.
    fn start(&self, line: usize) -> io::Result<(u64, usize)> {
        let start = self.starts.get(line - self.lines.start);
        start.copied().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "the bytes of the log do not match its index",
            )
        })
    }

    /// Returns what `raw` has of these offsets, from the first on.
    fn bytes(&self, from: u64, to: u64) -> &[u8] {
        if from < self.base {
            return &[];
        }
        let len = self.raw.len() as u64;
        let start = (from - self.base).min(len) as usize;
        let end = (to - self.base).min(len) as usize;
        &self.raw[start..end]
    }
}
