//! The formats of a log's files, and nothing that reads or writes them as a whole.
//!
//! `<job>.log` is raw bytes without a header. `<job>.meta` is a header and records of 32 bytes, so a
//! record can be found by its number. All numbers are little-endian.
//!
//! ```text
//! header   magic [8]  version u32  reserved u32
//! record   offset u64  ms i64  len u32  command u32  stream u8  zero [3]  checksum u32
//! ```
//!
//! A record is written *before* the bytes it describes. A reader that asks for the length of the
//! `.log` first and reads the `.meta` second therefore has a description of every byte it saw, and a
//! process that dies between the two leaves a promise of bytes, never bytes without a description.
//! Where the two disagree all the same (a power cut, a damaged record):
//!
//! - a record that promises more bytes than there are, or than the next record's offset leaves room
//!   for, is cut;
//! - bytes that no record describes belong to [`Stream::Out`], to no command, and have no time.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The command of bytes that no line of the script wrote.
pub const NO_COMMAND: u32 = u32::MAX;

/// The version of the `.meta` and `.idx` formats this program writes.
pub const VERSION: u32 = 1;

pub(super) const HEADER_LEN: usize = 16;
pub(super) const RECORD_LEN: usize = 32;
pub(super) const META_MAGIC: [u8; 8] = *b"mktuimet";
pub(super) const IDX_MAGIC: [u8; 8] = *b"mktuiidx";

/// `ms` of bytes whose time nobody knows.
const NO_TIME: i64 = i64::MIN;

/// Where bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// The standard output of a command.
    Out,
    /// The standard error of a command.
    Err,
    /// Remarks of this program itself: which image was pulled, why a job was stopped.
    System,
}

impl Stream {
    pub(super) const ALL: [Self; 3] = [Self::Out, Self::Err, Self::System];

    pub(super) fn number(self) -> usize {
        match self {
            Self::Out => 0,
            Self::Err => 1,
            Self::System => 2,
        }
    }
}

/// A run of bytes that arrived together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Place of the first byte in the `.log`.
    pub offset: u64,
    /// How many bytes.
    pub len: u32,
    /// When they arrived, in milliseconds since the epoch; `None` where a crash lost it.
    pub ms: Option<i64>,
    /// Which stream they came from.
    pub stream: Stream,
    /// Index of the script line that wrote them, or [`NO_COMMAND`].
    pub command: u32,
}

impl Chunk {
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(u64::from(self.len))
    }

    pub(super) fn encode(&self) -> [u8; RECORD_LEN] {
        let mut record = [0; RECORD_LEN];
        record[0..8].copy_from_slice(&self.offset.to_le_bytes());
        record[8..16].copy_from_slice(&encode_ms(self.ms).to_le_bytes());
        record[16..20].copy_from_slice(&self.len.to_le_bytes());
        record[20..24].copy_from_slice(&self.command.to_le_bytes());
        record[24] = self.stream.number() as u8;
        let sum = checksum(&record[..28]);
        record[28..32].copy_from_slice(&sum.to_le_bytes());
        record
    }

    /// Returns the chunk of a record, or nothing for one that is damaged.
    pub(super) fn decode(record: &[u8]) -> Option<Self> {
        if record.len() != RECORD_LEN || u32_at(record, 28) != checksum(&record[..28]) {
            return None;
        }
        Some(Self {
            offset: u64_at(record, 0),
            ms: decode_ms(u64_at(record, 8).cast_signed()),
            len: u32_at(record, 16),
            command: u32_at(record, 20),
            stream: *Stream::ALL.get(usize::from(record[24]))?,
        })
    }
}

pub(super) fn encode_ms(ms: Option<i64>) -> i64 {
    ms.unwrap_or(NO_TIME)
}

pub(super) fn decode_ms(ms: i64) -> Option<i64> {
    (ms != NO_TIME).then_some(ms)
}

/// Reads a number at `at`; the caller knows that the slice is long enough.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

/// Reads a number at `at`; the caller knows that the slice is long enough.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

pub(super) fn header(magic: [u8; 8]) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..8].copy_from_slice(&magic);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header
}

/// What the first bytes of a `.meta` or `.idx` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// Ours, of this version.
    Good,
    /// Not all there (yet).
    Short,
    /// Ours, of a version this program does not know.
    Version(u32),
    /// Something else.
    Foreign,
}

pub(super) fn read_header(bytes: &[u8], magic: [u8; 8]) -> Header {
    if bytes.len() < HEADER_LEN {
        return Header::Short;
    }
    if bytes[..8] != magic[..] {
        return Header::Foreign;
    }
    match u32_at(bytes, 8) {
        VERSION => Header::Good,
        // Nobody's version, but what a torn header has.
        0 => Header::Foreign,
        other => Header::Version(other),
    }
}

/// The version of a `.meta`, if it is one that this program does not know.
pub fn newer_version(meta: &Path) -> io::Result<Option<u32>> {
    let mut start = [0; HEADER_LEN];
    let len = match open_if_there(meta)? {
        Some(file) => read_up_to(&file, &mut start, 0)?,
        None => 0,
    };
    Ok(match read_header(&start[..len], META_MAGIC) {
        Header::Version(found) => Some(found),
        Header::Good | Header::Short | Header::Foreign => None,
    })
}

/// FNV-1a; it guards against torn writes and zeroed pages, not against people.
fn checksum(bytes: &[u8]) -> u32 {
    let mut sum: u32 = 0x811c_9dc5;
    for byte in bytes {
        sum = (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    sum
}

/// A running sum over many bytes; the index uses it to see that it was made for this `.meta`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum(pub u64);

impl Default for Sum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Sum {
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Where the three files of a log are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPaths {
    /// The bytes.
    pub log: PathBuf,
    /// Their chunks.
    pub meta: PathBuf,
    /// The line index.
    pub idx: PathBuf,
}

impl LogPaths {
    /// Names the files of a log in a folder. The stem is already safe as a file's name.
    pub fn new(dir: &Path, file_stem: &str) -> Self {
        Self {
            log: dir.join(format!("{file_stem}.log")),
            meta: dir.join(format!("{file_stem}.meta")),
            idx: dir.join(format!("{file_stem}.idx")),
        }
    }
}

/// Why a log could not be opened.
#[derive(Debug, Error)]
pub enum LogError {
    /// A file could not be opened, read or written.
    #[error("cannot use log file {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A newer program wrote it.
    #[error("{} has format version {found}, and this program knows {VERSION}", path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// The version it has.
        found: u32,
    },
}

impl LogError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

impl From<LogError> for io::Error {
    fn from(error: LogError) -> Self {
        let kind = match &error {
            LogError::Io { source, .. } => source.kind(),
            LogError::Version { .. } => io::ErrorKind::Unsupported,
        };
        Self::new(kind, error)
    }
}

/// Opens a file to read; a missing one is `None`.
pub(super) fn open_if_there(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Fills as much of `buffer` as the file has from `offset` on; returns how much that was.
pub(super) fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    use std::os::unix::fs::FileExt;
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_a_flipped_bit_is_seen() {
        let chunk = Chunk {
            offset: 7,
            len: 9,
            ms: Some(-3),
            stream: Stream::System,
            command: NO_COMMAND,
        };
        let record = chunk.encode();
        assert_eq!(Chunk::decode(&record), Some(chunk));
        for bit in 0..RECORD_LEN * 8 {
            let mut bad = record;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Chunk::decode(&bad), None, "bit {bit}");
        }
        assert_eq!(Chunk::decode(&[0; RECORD_LEN]), None);
    }
}
