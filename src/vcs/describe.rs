//! Commit, branch, tag, author and changes of a checkout.

use std::path::{Path, PathBuf};

use git2::{BranchType, Commit, ErrorCode, ObjectType, Oid, Repository, Status, StatusOptions};

use super::url::{name_in, without_credentials};
use super::{VcsError, open, text, unreadable};

/// What git knows about a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitInfo {
    /// The root of the checkout; none in a bare repository.
    pub workdir: Option<PathBuf>,
    /// The folder with the repository's own data; of a linked worktree, its part of it.
    pub git_dir: PathBuf,
    /// The URL of `origin`, or else of the first remote, without credentials.
    pub url: Option<String>,
    /// What is checked out: `refs/heads/x`, or `refs/tags/x` when a tagged commit is checked out by itself.
    pub reference: Option<String>,
    /// The branch, also when it has no commit yet; none when a commit is checked out by itself.
    pub branch: Option<String>,
    /// A tag that points to the commit: annotated ones first, the highest version of several.
    pub tag: Option<String>,
    /// The branch that others grow from, if it can be told.
    pub main_branch: Option<String>,
    /// The commit; none in a repository without one.
    pub commit: Option<CommitInfo>,
    /// What differs from the commit.
    pub changes: Changes,
}

impl GitInfo {
    /// Tells whether the checkout differs from the commit.
    pub fn is_dirty(&self) -> bool {
        self.changes != Changes::default()
    }
}

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// The full id, in hexadecimal.
    pub id: String,
    /// The first paragraph of the message, on one line.
    pub summary: String,
    /// The whole message.
    pub message: String,
    /// Who wrote it.
    pub author: Author,
    /// When it was committed, in seconds since 1970.
    pub time: i64,
}

/// Who wrote a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// As in the commit.
    pub name: String,
    /// As in the commit.
    pub email: String,
}

/// How many files differ from the commit; a file may be counted under several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Files whose change is in the index.
    pub staged: usize,
    /// Files changed or deleted since they were put in the index.
    pub modified: usize,
    /// Files and folders that git does not know and does not ignore; a folder counts once.
    pub untracked: usize,
    /// Files with a conflict.
    pub conflicted: usize,
}

/// Reads what git knows about a folder; nothing if it is in no repository.
pub fn describe(dir: &Path) -> Result<Option<GitInfo>, VcsError> {
    let Some(repository) = open(dir)? else {
        return Ok(None);
    };
    read(&repository).map(Some).map_err(unreadable(dir))
}

/// Returns the name by which builds of a folder are kept: that in the remote's URL, or else the name of the checkout's
/// root (without a repository, of the folder) with a short hash of its path.
pub fn repo_id(dir: &Path) -> Result<String, VcsError> {
    let repository = open(dir)?;
    let url = repository.as_ref().and_then(remote_url);
    if let Some(name) = url.as_deref().and_then(name_in) {
        return Ok(name.to_owned());
    }
    let root = repository.as_ref().and_then(Repository::workdir);
    let root = root.unwrap_or(dir);
    let root = root.canonicalize().map_err(|source| VcsError::Folder {
        path: root.to_owned(),
        source,
    })?;
    let path = root.as_os_str().as_encoded_bytes();
    let hash = Oid::hash_object(ObjectType::Blob, path)
        .map_err(unreadable(dir))?
        .to_string();
    let name = root.file_name().map(|name| text(name.as_encoded_bytes()));
    let name = name.as_deref().unwrap_or("root");
    Ok(format!("{name}-{}", &hash[..8]))
}

fn read(repository: &Repository) -> Result<GitInfo, git2::Error> {
    let head = match repository.head() {
        Ok(head) => Some(head),
        // No commit yet, or a HEAD that names a branch that is gone.
        Err(error) if [ErrorCode::UnbornBranch, ErrorCode::NotFound].contains(&error.code()) => {
            None
        }
        Err(error) => return Err(error),
    };
    let commit = head.as_ref().map(git2::Reference::peel_to_commit);
    let commit = commit.transpose()?;
    let tag = match &commit {
        Some(commit) => tag_at(repository, commit.id())?,
        None => None,
    };
    let on_branch = match &head {
        Some(head) if head.is_branch() => Some(text(head.name_bytes())),
        Some(_) => None,
        None => unborn_branch(repository),
    };
    let branch = on_branch
        .as_deref()
        .map(|name| name.strip_prefix("refs/heads/").unwrap_or(name).to_owned());
    let reference = on_branch.or_else(|| tag.as_deref().map(|tag| format!("refs/tags/{tag}")));
    Ok(GitInfo {
        workdir: repository.workdir().map(Path::to_owned),
        git_dir: repository.path().to_owned(),
        url: remote_url(repository).as_deref().map(without_credentials),
        reference,
        branch,
        tag,
        main_branch: main_branch(repository),
        commit: commit.as_ref().map(commit_info),
        changes: changes(repository)?,
    })
}

pub(super) fn commit_info(commit: &Commit<'_>) -> CommitInfo {
    let author = commit.author();
    CommitInfo {
        id: commit.id().to_string(),
        summary: commit.summary_bytes().map(text).unwrap_or_default(),
        message: text(commit.message_bytes()),
        author: Author {
            name: text(author.name_bytes()),
            email: text(author.email_bytes()),
        },
        time: commit.time().seconds(),
    }
}

fn remote_url(repository: &Repository) -> Option<String> {
    let first = || {
        let remotes = repository.remotes().ok()?;
        let first = remotes.iter().find_map(|name| name.ok().flatten())?;
        repository.find_remote(first).ok()
    };
    let remote = repository.find_remote("origin").ok().or_else(first)?;
    let url = text(remote.url_bytes());
    (!url.is_empty()).then_some(url)
}

fn unborn_branch(repository: &Repository) -> Option<String> {
    let head = repository.find_reference("HEAD").ok()?;
    head.symbolic_target_bytes().map(text)
}

pub(super) fn tag_at(repository: &Repository, commit: Oid) -> Result<Option<String>, git2::Error> {
    let mut found = Vec::new();
    repository.tag_foreach(|id, name| {
        let annotated = id != commit;
        let here = !annotated
            || repository
                .find_tag(id)
                .and_then(|tag| tag.peel())
                .is_ok_and(|object| object.id() == commit);
        if here {
            let name = text(name.strip_prefix(b"refs/tags/").unwrap_or(name));
            found.push((annotated, version_key(&name), name));
        }
        true
    })?;
    Ok(found.into_iter().max().map(|(_, _, name)| name))
}

/// Orders numbers in names by their value, so that `v10` comes after `v9`.
fn version_key(name: &str) -> Vec<(u64, String)> {
    let mut key = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let words = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(words);
        let digits = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        let (number, after) = after.split_at(digits);
        key.push((number.parse().unwrap_or(u64::MAX), word.to_owned()));
        rest = after;
    }
    key
}

pub(super) fn main_branch(repository: &Repository) -> Option<String> {
    const REMOTE: &[u8] = b"refs/remotes/origin/";
    if let Ok(head) = repository.find_reference("refs/remotes/origin/HEAD")
        && let Some(target) = head.symbolic_target_bytes()
        && let Some(name) = target.strip_prefix(REMOTE)
    {
        return Some(text(name));
    }
    let exists = |name: &str| {
        let remote = format!("origin/{name}");
        repository.find_branch(&remote, BranchType::Remote).is_ok()
            || repository.find_branch(name, BranchType::Local).is_ok()
    };
    let usual = ["main", "master"].into_iter().find(|name| exists(name));
    usual.map(str::to_owned)
}

fn changes(repository: &Repository) -> Result<Changes, git2::Error> {
    let mut changes = Changes::default();
    if repository.is_bare() {
        return Ok(changes);
    }
    let mut options = StatusOptions::new();
    options
        .include_untracked(true)
        .include_ignored(false)
        // A submodule's own changes are not this repository's, and looking for them is slow.
        .exclude_submodules(true);
    let staged = Status::INDEX_NEW
        | Status::INDEX_MODIFIED
        | Status::INDEX_DELETED
        | Status::INDEX_RENAMED
        | Status::INDEX_TYPECHANGE;
    let modified =
        Status::WT_MODIFIED | Status::WT_DELETED | Status::WT_RENAMED | Status::WT_TYPECHANGE;
    for entry in repository.statuses(Some(&mut options))?.iter() {
        let status = entry.status();
        changes.staged += usize::from(status.intersects(staged));
        changes.modified += usize::from(status.intersects(modified));
        changes.untracked += usize::from(status.contains(Status::WT_NEW));
        changes.conflicted += usize::from(status.is_conflicted());
    }
    Ok(changes)
}
