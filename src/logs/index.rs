//! The line index: what is known about a log's bytes without holding them.
//!
//! Memory does not grow with the lines: of every [`LINES_PER_BLOCK`] lines or [`BYTES_PER_BLOCK`]
//! bytes only a checkpoint is kept, from which the lines behind it are found again by reading that
//! piece of the `.log`. Lengths are not kept either; a line ends at its stream's next newline.
//!
//! This file decides where lines start. It reads no files; `scan` feeds it, `reader` asks it.

use std::ops::Range;

use memchr::memchr_iter;

use super::format::{
    HEADER_LEN, Header, IDX_MAGIC, NO_COMMAND, Stream, Sum, decode_ms, encode_ms, header,
    read_header, u32_at, u64_at,
};

/// A checkpoint is kept at least every so many lines …
pub(super) const LINES_PER_BLOCK: usize = 256;
/// … or, counted from the last one, at the first line that starts this many bytes later.
pub(super) const BYTES_PER_BLOCK: u64 = 256 * 1024;

/// Chunks of one stream and command this close in time (ms) are kept as one. It bounds the table
/// for a program that writes a line at a time, and costs a line's time at most this much.
const MERGE_MS: i64 = 10;

const NO_ENTRY: u32 = u32::MAX;
const NO_LINE: u64 = u64::MAX;

/// What a run of bytes is labelled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub ms: Option<i64>,
    pub stream: Stream,
    pub command: u32,
}

impl Tag {
    /// The label of bytes that no record describes.
    pub const LOST: Self = Self {
        ms: None,
        stream: Stream::Out,
        command: NO_COMMAND,
    };
}

/// A run of bytes with one label; it ends where the next one starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub offset: u64,
    pub tag: Tag,
    /// The next entry of the same stream, so that reading on in a line skips the other streams.
    next: u32,
}

/// A place from which lines can be found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// Number of the line that starts here.
    pub line: usize,
    /// Where it starts.
    pub offset: u64,
    /// Per stream: whether it is in the middle of an earlier line here.
    pub open: [bool; 3],
}

/// Lines next to each other that one command wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Index of the script line, or [`NO_COMMAND`].
    pub command: u32,
    /// The lines; never empty.
    pub lines: Range<usize>,
    /// When the first of them started, in milliseconds since the epoch.
    pub ms: Option<i64>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    entries: Vec<Entry>,
    last_of_stream: [Option<u32>; 3],
    end: u64,
    lines: usize,
    /// Per stream: the line that has no newline yet.
    open: [Option<usize>; 3],
    checkpoints: Vec<Checkpoint>,
    /// Command, first line and its time.
    sections: Vec<(u32, usize, Option<i64>)>,
}

impl Index {
    /// How many bytes have been taken in.
    pub fn end(&self) -> u64 {
        self.end
    }

    pub fn line_count(&self) -> usize {
        self.lines
    }

    pub fn is_complete(&self, line: usize) -> bool {
        !self.open.contains(&Some(line))
    }

    pub fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    /// Returns the number of the block that a line belongs to.
    pub fn block_of(&self, line: usize) -> Option<usize> {
        if line >= self.lines {
            return None;
        }
        self.checkpoints
            .partition_point(|checkpoint| checkpoint.line <= line)
            .checked_sub(1)
    }

    /// Returns the lines of a block.
    pub fn block_lines(&self, block: usize) -> Range<usize> {
        let first = self.checkpoints[block].line;
        let next = self.checkpoints.get(block + 1);
        first..next.map_or(self.lines, |checkpoint| checkpoint.line)
    }

    /// Returns the number of the block that an offset lies in, or just behind.
    pub fn block_at(&self, offset: u64) -> Option<usize> {
        self.checkpoints
            .partition_point(|checkpoint| checkpoint.offset < offset)
            .checked_sub(1)
    }

    /// Returns the first entry that came after a moment. Entries whose time was lost count as having come
    /// with those before them.
    pub fn entry_after(&self, moment: i64) -> Option<usize> {
        // Times go on, but for a clock that was set back: then one of the right places is found.
        let at = self
            .entries
            .partition_point(|entry| entry.tag.ms.is_none_or(|ms| ms <= moment));
        (at < self.entries.len()).then_some(at)
    }

    /// Returns the entry that covers an offset below `end`.
    pub fn entry_at(&self, offset: u64) -> usize {
        self.entries
            .partition_point(|entry| entry.offset <= offset)
            .saturating_sub(1)
    }

    pub fn entry(&self, number: usize) -> Entry {
        self.entries[number]
    }

    pub fn entry_end(&self, number: usize) -> u64 {
        self.entries
            .get(number + 1)
            .map_or(self.end, |entry| entry.offset)
    }

    pub fn next_of_stream(&self, number: usize) -> Option<usize> {
        let next = self.entries[number].next;
        (next != NO_ENTRY).then_some(next as usize)
    }

    pub fn sections(&self) -> Vec<Section> {
        let ends = self.sections.iter().skip(1).map(|section| section.1);
        self.sections
            .iter()
            .zip(ends.chain([self.lines]))
            .map(|(&(command, first, ms), end)| Section {
                command,
                lines: first..end,
                ms,
            })
            .collect()
    }

    /// Takes in the next bytes of the log.
    pub fn push(&mut self, tag: Tag, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        let from = self.end;
        self.skip(tag, bytes.len() as u64);
        let stream = tag.stream.number();
        if self.open[stream].is_none() {
            self.start_line(tag, from);
        }
        let carried = self.open[stream].take();
        let mut current = carried.unwrap_or(self.lines - 1);
        for newline in memchr_iter(b'\n', bytes) {
            if newline + 1 < bytes.len() {
                current = self.lines;
                self.start_line(tag, from + newline as u64 + 1);
                self.open[stream] = None;
            }
        }
        self.open[stream] = (*last != b'\n').then_some(current);
    }

    /// Takes in the label of bytes whose lines are already known.
    pub fn skip(&mut self, tag: Tag, len: u64) {
        if len == 0 {
            return;
        }
        let merges = self.entries.last().is_some_and(|last| {
            let near = match (last.tag.ms, tag.ms) {
                (Some(before), Some(now)) => (0..=MERGE_MS).contains(&now.saturating_sub(before)),
                (before, now) => before == now,
            };
            near && last.tag.stream == tag.stream && last.tag.command == tag.command
        });
        if !merges {
            let number = self.entries.len() as u32;
            self.entries.push(Entry {
                offset: self.end,
                tag,
                next: NO_ENTRY,
            });
            if let Some(before) = self.last_of_stream[tag.stream.number()].replace(number) {
                self.entries[before as usize].next = number;
            }
        }
        self.end += len;
    }

    /// Notes that a line starts; the stream must have no open line.
    fn start_line(&mut self, tag: Tag, offset: u64) {
        let due = self.checkpoints.last().is_none_or(|last| {
            self.lines - last.line >= LINES_PER_BLOCK || offset - last.offset >= BYTES_PER_BLOCK
        });
        if due {
            self.checkpoints.push(Checkpoint {
                line: self.lines,
                offset,
                open: self.open.map(|line| line.is_some()),
            });
        }
        if self
            .sections
            .last()
            .is_none_or(|last| last.0 != tag.command)
        {
            self.sections.push((tag.command, self.lines, tag.ms));
        }
        self.open[tag.stream.number()] = Some(self.lines);
        self.lines += 1;
    }

    /// Takes over what a saved index knows. The entries must have been fed by `skip`, up to the
    /// same end.
    pub fn restore(&mut self, saved: Saved) {
        debug_assert_eq!(self.end, saved.end);
        self.lines = saved.lines;
        self.open = saved.open;
        self.checkpoints = saved.checkpoints;
        self.sections = saved.sections;
    }

    /// Returns the bytes of an `.idx` file.
    pub fn save(&self, meta: MetaMark) -> Vec<u8> {
        let mut out = header(IDX_MAGIC).to_vec();
        let mut put = |number: u64| out.extend_from_slice(&number.to_le_bytes());
        put(meta.seen);
        put(meta.sum.0);
        put(self.end);
        put(self.lines as u64);
        for line in self.open {
            put(line.map_or(NO_LINE, |line| line as u64));
        }
        put(self.checkpoints.len() as u64);
        put(self.sections.len() as u64);
        for checkpoint in &self.checkpoints {
            put(checkpoint.line as u64);
            put(checkpoint.offset);
            put((0..3).fold(0, |bits, n| bits | u64::from(checkpoint.open[n]) << n));
        }
        for (command, line, ms) in &self.sections {
            put(u64::from(*command));
            put(*line as u64);
            put(encode_ms(*ms).cast_unsigned());
        }
        let mut sum = Sum::default();
        sum.add(&out);
        out.extend_from_slice(&sum.0.to_le_bytes());
        out
    }
}

/// How much of the `.meta` an index was made from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct MetaMark {
    /// Bytes, up to and with the last good record.
    pub seen: u64,
    /// Sum of the good records.
    pub sum: Sum,
}

/// What an `.idx` file says.
#[derive(Debug)]
pub(super) struct Saved {
    pub meta: MetaMark,
    pub end: u64,
    lines: usize,
    open: [Option<usize>; 3],
    checkpoints: Vec<Checkpoint>,
    sections: Vec<(u32, usize, Option<i64>)>,
}

impl Saved {
    /// Reads an `.idx`; one that is damaged or of another version is nothing.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        const FIXED: usize = 9 * 8;
        const ITEM: usize = 24;
        let body_end = bytes.len().checked_sub(8)?;
        if read_header(bytes, IDX_MAGIC) != Header::Good || body_end < HEADER_LEN + FIXED {
            return None;
        }
        let mut sum = Sum::default();
        sum.add(&bytes[..body_end]);
        if u64_at(bytes, body_end) != sum.0 {
            return None;
        }
        let body = &bytes[HEADER_LEN..body_end];
        let number = |n: usize| u64_at(body, n * 8);
        let counts = usize::try_from(number(7))
            .ok()
            .zip(usize::try_from(number(8)).ok());
        let (checkpoints, sections) = counts?;
        let items = body[FIXED..].chunks_exact(ITEM);
        if checkpoints.checked_add(sections)?.checked_mul(ITEM)? != body.len() - FIXED {
            return None;
        }
        Some(Self {
            meta: MetaMark {
                seen: number(0),
                sum: Sum(number(1)),
            },
            end: number(2),
            lines: usize::try_from(number(3)).ok()?,
            open: [4, 5, 6].map(|n| {
                Some(number(n))
                    .filter(|n| *n != NO_LINE)
                    .map(|n| n as usize)
            }),
            checkpoints: items
                .clone()
                .take(checkpoints)
                .map(|item| Checkpoint {
                    line: u64_at(item, 0) as usize,
                    offset: u64_at(item, 8),
                    open: [0, 1, 2].map(|n| item[16] & (1 << n) != 0),
                })
                .collect(),
            sections: items
                .skip(checkpoints)
                .map(|item| {
                    let ms = decode_ms(u64_at(item, 16).cast_signed());
                    (u32_at(item, 0), u64_at(item, 8) as usize, ms)
                })
                .collect(),
        })
    }
}
