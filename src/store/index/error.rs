//! Why the index cannot be used.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why the index cannot be used. Whoever gets it reads the folders instead.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum IndexError {
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
    #[error("{} is the database of another program", .0.display())]
    Foreign(PathBuf),
    #[error("another process has locked {}", .0.display())]
    InUse(PathBuf),
    #[error("cannot {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot use {}", path.display())]
    Database {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
}

impl IndexError {
    /// True when what is in the file makes no sense, so that a new one would help.
    pub(super) fn is_damage(&self) -> bool {
        let Self::Database { source, .. } = self else {
            return false;
        };
        match source.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::SystemIoFailure
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::NoLargeFileSupport
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted,
            ) => false,
            // A table that is missing, a value of another type.
            _ => true,
        }
    }
}
