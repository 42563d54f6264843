//! What git knows: about a folder, and about a repository elsewhere.
//!
//! Owns reading a repository (commit, branch, tag, author, what was changed since), choosing the files of a
//! workspace, writing out the tree of a commit, and fetching a repository from elsewhere. Leaves to others where a
//! workspace is kept and what a build calls these facts. Everything here blocks: call it off the event loop. Start
//! reading at [`describe`], [`snapshot_files`] and [`fetch`](mod@fetch), which alone starts programs.

mod changes;
mod checkout;
mod describe;
mod export;
pub mod fetch;
mod git_folder;
mod snapshot;
mod url;

use std::path::{Path, PathBuf};

use git2::{ErrorCode, Repository};

pub use changes::{ChangedFiles, MOST_CHANGES, changed_files};
pub use checkout::FolderCheckout;
pub use describe::{Author, Changes, CommitInfo, GitInfo, describe, repo_id};
pub use export::{Export, Revision, export_tree};
pub use snapshot::{Snapshot, snapshot_files, write_snapshot};
pub use url::{name_in, same_repository, without_credentials};

/// Why git, or a workspace, could not be read.
#[derive(Debug, thiserror::Error)]
pub enum VcsError {
    /// The repository belongs to another user, whose hooks and settings git does not trust.
    #[error(
        "the repository of `{}` belongs to another user; if you trust it, run: git config --global --add safe.directory '{}'",
        path.display(), path.display()
    )]
    OtherOwner { path: PathBuf },
    /// A revision was asked for where there is no repository.
    #[error("there is no git repository at `{}`", path.display())]
    NoRepository { path: PathBuf },
    /// The revision does not exist here.
    #[error("there is no {revision} in the repository of `{}`", path.display())]
    NoSuchRevision { revision: Revision, path: PathBuf },
    /// The tree of a revision could not be written out.
    #[error("cannot check out {revision} to `{}`", target.display())]
    Export {
        revision: Revision,
        target: PathBuf,
        #[source]
        source: git2::Error,
    },
    /// The repository is there but cannot be read.
    #[error("cannot read the git repository of `{}`", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: git2::Error,
    },
    /// The folder itself cannot be read.
    #[error("cannot read the folder `{}`", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The workspace could not be packed.
    #[error("cannot pack the workspace")]
    Pack(#[from] crate::archive::PackError),
}

/// Opens the repository that `dir` is in, if it is in one.
fn open(dir: &Path) -> Result<Option<Repository>, VcsError> {
    match Repository::discover(dir) {
        Ok(repository) => Ok(Some(repository)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(unreadable(dir)(error)),
    }
}

fn unreadable(dir: &Path) -> impl Fn(git2::Error) -> VcsError + use<> {
    let path = dir.to_owned();
    move |source| match source.code() {
        ErrorCode::Owner => VcsError::OtherOwner { path: path.clone() },
        _ => VcsError::Unreadable {
            path: path.clone(),
            source,
        },
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
