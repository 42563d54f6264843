//! The tree of a commit, written into a folder.

use std::fmt;
use std::path::Path;

use git2::build::CheckoutBuilder;
use git2::{Commit, Repository};

use super::describe::{CommitInfo, commit_info, tag_at};
use super::{VcsError, open, unreadable};

/// A revision as a user asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revision {
    /// Whatever git understands: an id, part of one, `HEAD~2`, a name.
    Commit(String),
    /// A local branch, or else one of `origin`.
    Branch(String),
    /// A tag.
    Tag(String),
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(name) => write!(f, "commit `{name}`"),
            Self::Branch(name) => write!(f, "branch `{name}`"),
            Self::Tag(name) => write!(f, "tag `{name}`"),
        }
    }
}

/// What was written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The commit whose tree it is.
    pub commit: CommitInfo,
    /// The branch, when one was asked for.
    pub branch: Option<String>,
    /// The tag asked for, or one that points to the commit.
    pub tag: Option<String>,
    /// `refs/heads/x` or `refs/tags/x`, when a branch or tag was asked for.
    pub reference: Option<String>,
}

/// Writes the tree of a revision into an empty folder; neither the checkout nor the index of the repository changes.
///
/// There is no `.git` in it. Submodules are empty folders, and files kept elsewhere (LFS) stay the pointers they are in
/// the repository, since no program is started.
pub fn export_tree(dir: &Path, revision: &Revision, target: &Path) -> Result<Export, VcsError> {
    let repository = open(dir)?.ok_or_else(|| VcsError::NoRepository {
        path: dir.to_owned(),
    })?;
    let commit = find(&repository, revision).ok_or_else(|| VcsError::NoSuchRevision {
        revision: revision.clone(),
        path: dir.to_owned(),
    })?;
    let mut checkout = CheckoutBuilder::new();
    checkout
        .force()
        .recreate_missing(true)
        .update_index(false)
        .target_dir(target);
    repository
        .checkout_tree(commit.as_object(), Some(&mut checkout))
        .map_err(|source| VcsError::Export {
            revision: revision.clone(),
            target: target.to_owned(),
            source,
        })?;
    let (branch, tag, reference) = match revision {
        Revision::Commit(_) => (None, None, None),
        Revision::Branch(name) => (Some(name.clone()), None, Some(format!("refs/heads/{name}"))),
        Revision::Tag(name) => (None, Some(name.clone()), Some(format!("refs/tags/{name}"))),
    };
    let tag = match tag {
        Some(tag) => Some(tag),
        None => tag_at(&repository, commit.id()).map_err(unreadable(dir))?,
    };
    Ok(Export {
        commit: commit_info(&commit),
        branch,
        tag,
        reference,
    })
}

pub(super) fn find<'r>(repository: &'r Repository, revision: &Revision) -> Option<Commit<'r>> {
    let named = |name: String| {
        let reference = repository.find_reference(&name).ok()?;
        reference.peel_to_commit().ok()
    };
    match revision {
        Revision::Commit(name) => repository.revparse_single(name).ok()?.peel_to_commit().ok(),
        Revision::Branch(name) => named(format!("refs/heads/{name}"))
            .or_else(|| named(format!("refs/remotes/origin/{name}"))),
        Revision::Tag(name) => named(format!("refs/tags/{name}")),
    }
}
