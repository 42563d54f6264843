//! What can go wrong with a journal.

use std::io;
use std::path::{Path, PathBuf};

use crate::domain::Sid;

use super::read::VERSION;

/// Why a journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum JournalError {
    /// The system said no.
    #[error("cannot {action} the journal {}", path.display())]
    Io {
        /// What was tried: "create", "open", "lock", "read", "write", "flush" or "repair".
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("there is no journal {}", .0.display())]
    Missing(PathBuf),
    #[error("there is already a journal {}", .0.display())]
    Exists(PathBuf),
    /// Nothing was ever written to it.
    #[error("the journal {} is empty", .0.display())]
    Empty(PathBuf),
    /// Its first line is not the one every journal starts with.
    #[error("{} is no journal: {reason}", path.display())]
    NotAJournal { path: PathBuf, reason: String },
    #[error(
        "the journal {} is written in version {found}, this program knows versions up to {VERSION}",
        path.display()
    )]
    NewerVersion { path: PathBuf, found: i64 },
    /// Another process (or another handle of this one) appends to it.
    #[error("the journal {} is in use by a running build", .0.display())]
    InUse(PathBuf),
    /// It was closed, or opened for reading only.
    #[error("the journal of {0} is closed")]
    Closed(Sid),
}

impl JournalError {
    /// Names the file and what was tried with it.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
