//! What can go wrong with an exported recording.

use std::io;
use std::path::{Path, PathBuf};

use crate::domain::Sid;
use crate::journal::JournalError;
use crate::store::FolderError;

use super::manifest::VERSION;

/// Why a recording was not exported, imported or opened.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PortableError {
    /// The file is not what it should be.
    #[error("cannot use {}", path.display())]
    Unusable {
        path: PathBuf,
        #[source]
        source: Fault,
    },
    /// The system said no.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// "read", "write", "make", "remove".
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// What is written to refused it.
    #[error("cannot write the recording")]
    Out(#[source] io::Error),
    #[error("{} was changed while it was exported: try again", .0.display())]
    Changed(PathBuf),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A build of this machine has that name.
    #[error("there is a build {0} of this machine, and it is another one")]
    OwnBuild(Sid),
    /// Another recording has that name.
    #[error("another recording of {0} was imported before")]
    OtherRecording(Sid),
}

impl PortableError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Fault {
    #[error("it is no exported recording: {0}")]
    NotOne(String),
    #[error(
        "{program} wrote it, in version {found} of the format; this is {}, which knows versions up \
         to {VERSION}: get {program} or a newer one",
        super::manifest::this_program()
    )]
    Newer { program: String, found: u64 },
    #[error("it is refused: {0}")]
    Refused(String),
    /// More than the quota, in bytes.
    #[error("it holds {size} bytes of {what}, and {most} are allowed")]
    TooLarge {
        what: &'static str,
        size: u64,
        most: u64,
    },
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("it cannot be read")]
    Read(#[source] io::Error),
}
