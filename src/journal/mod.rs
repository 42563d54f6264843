//! The journal of one build: its events in order, numbered, kept.
//!
//! It owns appending, numbering, waiting for more ([`Cursor`]), the file on disk and
//! putting that file right after a crash. What events mean is the business of `domain`,
//! how one is spelled that of `wire`, where the file lies that of `store`; masking is done
//! before events get here.
//!
//! The file is EDN, a map a line (decisions.md, "Journal, events, logs"):
//!
//! ```text
//! {:type :tui/journal, :version 1, :sid ["local" "app" "local-build-1"]}     the header
//! {:type :build/pending, :time 1, …}                                         event 1
//! {:type :build/initializing, :time 2, …}                                    event 2
//! ```
//!
//! An event's number is its place in the file and is written nowhere. Lines are only ever
//! added; a reader sees whole lines and may ignore what comes after the last newline.
//!
//! Start reading at [`Journal`]; `file` is the writing side of the disk, `read` the reading
//! side.

mod cursor;
mod error;
mod file;
mod handle;
mod read;
#[cfg(test)]
pub(crate) mod tests;

pub use cursor::Cursor;
pub use error::JournalError;
pub use file::{Claim, claim, is_in_use};
pub use handle::Journal;
pub use read::{
    JournalLine, Recovery, UNREADABLE, VERSION, ends_with_build_end, never_began, peek, read_lines,
};
