//! One job's log: bytes on disk, who wrote them when, and where the lines are.
//!
//! A log is three files (see [`mod@format`]): `<job>.log` has the bytes as they came, `<job>.meta` says
//! in records of fixed size which stream, command and moment each run of bytes belongs to, and
//! `<job>.idx` holds a sparse line index that saves a scan and can always be made again.
//!
//! Lines are split per stream, and a line's place is where its first byte arrived: when `out` writes
//! `ab`, then `err` writes `E\n`, then `out` writes `c\n`, there are two lines, `abc` and `E`.
//!
//! The module also turns the bytes of a line into what a terminal would show ([`ansi`]), searches
//! ([`search`]), finds errors ([`errors`]), what looks like a secret ([`suspects`]) and what differs between two logs
//! ([`likeness`]). It leaves masking to those who write (bytes are masked
//! before they come here), drawing to the panes, and waiting for growth to its callers: nothing here
//! is asynchronous, and nothing knows what a build is.
//!
//! Start reading at [`LogWriter`] and [`LogReader`]; `scan` is where the files become an index.

pub mod ansi;
mod aside;
pub mod errors;
pub mod format;
mod index;
pub mod likeness;
mod reader;
mod scan;
pub mod search;
mod sgr;
mod style;
pub mod suspects;
mod writer;
mod written;

#[cfg(test)]
mod store_tests;

pub use ansi::{AnsiState, render, strip};
pub use aside::set_aside;
pub use errors::{first_error, is_error};
pub use format::{Chunk, LogError, LogPaths, NO_COMMAND, Stream, newer_version};
pub use index::Section;
pub use reader::{LineMeta, LogReader};
pub use search::{Budget, Count, Direction, PatternError, Search, Step};
pub use style::{Color, Span, Style, StyledLine};
pub use writer::LogWriter;
pub use written::written;
