//! The folder a build works from: the checkout as it is, or the tree of a revision in a
//! temporary folder, or one fetched from elsewhere.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::archive;
use crate::domain;
use crate::ports::Checkout;

use super::fetch::{Control, FetchError, FetchRequest, Fetched, UserGit, fetch};
use super::{GitInfo, Revision, VcsError, describe, export_tree, write_snapshot};

/// A [`Checkout`] in a folder of this machine.
#[derive(Debug)]
pub struct FolderCheckout {
    dir: PathBuf,
    git: Option<domain::GitInfo>,
    /// Removed when the build is done with it.
    temporary: Option<PathBuf>,
    /// Of the files in the last snapshot.
    digest: Mutex<Option<String>>,
}

impl FolderCheckout {
    /// The working tree as it is, changes and all. What git knows of it is told as far as it
    /// can be read; why it cannot is no reason not to build.
    pub fn working_tree(dir: &Path) -> (Self, Option<VcsError>) {
        let (git, problem) = match describe(dir) {
            Ok(git) => (git.map(domain::GitInfo::from), None),
            Err(error) => (None, Some(error)),
        };
        let checkout = Self {
            dir: dir.to_owned(),
            git,
            temporary: None,
            digest: Mutex::default(),
        };
        (checkout, problem)
    }

    /// The tree of a revision, written into a new folder `target`. When `dir` lies below the
    /// root of its repository, so does the checkout's folder below `target`.
    pub fn of_revision(dir: &Path, revision: &Revision, target: &Path) -> Result<Self, VcsError> {
        let folder_error = |source| VcsError::Folder {
            path: target.to_owned(),
            source,
        };
        std::fs::create_dir_all(target).map_err(folder_error)?;
        // Removes the folder also when the rest fails.
        let mut checkout = Self {
            dir: target.to_owned(),
            git: None,
            temporary: Some(target.to_owned()),
            digest: Mutex::default(),
        };
        let known = describe(dir)?;
        let export = export_tree(dir, revision, target)?;
        let root = known.as_ref().and_then(|git| git.workdir.clone());
        let below = root
            .and_then(|root| root.canonicalize().ok())
            .and_then(|root| Some(dir.canonicalize().ok()?.strip_prefix(root).ok()?.to_owned()));
        if let Some(below) = below {
            checkout.dir.push(below);
        }
        checkout.git = Some(domain::GitInfo {
            url: known.as_ref().and_then(|git| git.url.clone()),
            main_branch: known.and_then(|git| git.main_branch),
            r#ref: export.reference,
            branch: export.branch,
            tag: export.tag,
            commit_id: Some(export.commit.id),
            message: Some(export.commit.message),
            author: Some(export.commit.author.name),
            dirty: false,
        });
        Ok(checkout)
    }
}

impl FolderCheckout {
    /// What a repository elsewhere has, fetched into a folder `target` that is empty or not there yet. The folder is
    /// removed with this; also when fetching fails.
    pub fn of_fetched(
        cache: &Path,
        request: &FetchRequest,
        user: &UserGit,
        target: &Path,
        control: Control<'_>,
    ) -> Result<(Self, Fetched), FetchError> {
        let mut checkout = Self {
            dir: target.to_owned(),
            git: None,
            temporary: None,
            digest: Mutex::default(),
        };
        // What is in there already is not ours to remove.
        if fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some()) {
            let path = target.to_owned();
            return Err(FetchError::Occupied { path });
        }
        checkout.temporary = Some(target.to_owned());
        let fetched = fetch(cache, request, user, target, control)?;
        let git = describe(target).ok().flatten();
        checkout.git = git.map(|git| domain::GitInfo {
            r#ref: fetched.reference.clone(),
            main_branch: fetched.main_branch.clone(),
            ..domain::GitInfo::from(git)
        });
        Ok((checkout, fetched))
    }
}

impl Drop for FolderCheckout {
    fn drop(&mut self) {
        if let Some(folder) = &self.temporary {
            // What cannot be removed lies in a folder that may be deleted at any time.
            let _ = archive::remove_tree(folder);
        }
    }
}

impl Checkout for FolderCheckout {
    fn dir(&self) -> &Path {
        &self.dir
    }

    fn describe(&self) -> Option<domain::GitInfo> {
        self.git.clone()
    }

    fn snapshot(&self, to: &mut dyn io::Write) -> io::Result<Vec<String>> {
        let summary = write_snapshot(&self.dir, to).map_err(io::Error::other)?;
        let digest = Some(summary.digest);
        *self.digest.lock().unwrap_or_else(PoisonError::into_inner) = digest;
        Ok(summary
            .skipped
            .iter()
            .map(|skipped| {
                let path = skipped.path.display();
                format!("{path} is left out of the workspace: {}", skipped.reason)
            })
            .collect())
    }

    fn digest(&self) -> Option<String> {
        let digest = self.digest.lock();
        digest.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl From<GitInfo> for domain::GitInfo {
    fn from(git: GitInfo) -> Self {
        let dirty = git.is_dirty();
        let (commit_id, message, author) = match git.commit {
            Some(commit) => (
                Some(commit.id),
                Some(commit.message),
                Some(commit.author.name),
            ),
            None => (None, None, None),
        };
        Self {
            url: git.url,
            r#ref: git.reference,
            branch: git.branch,
            tag: git.tag,
            main_branch: git.main_branch,
            commit_id,
            message,
            author,
            dirty,
        }
    }
}
