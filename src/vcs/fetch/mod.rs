//! Fetching a repository from elsewhere, and checking it out for a build.
//!
//! ```text
//! URL ─▶ checked ─▶ mirror in the cache folder ─▶ a repository of its own for the build ─▶ its working tree
//!        address.rs  mirror.rs, through            place.rs
//!        remote_url  transport.rs: http.rs, ssh.rs
//! ```
//!
//! No program is started but the user's own `ssh`, and `git credential` when a server asks for a login. Submodules and
//! files kept by Git LFS are left out, and said to be. Start reading at [`fetch`].

mod address;
mod advertised;
mod credentials;
mod error;
mod http;
mod mirror;
mod place;
mod remote_url;
mod session;
mod ssh;
mod transport;
mod user_git;

use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use address::Allowed;
pub use credentials::Credentials;
pub use error::FetchError;
pub use user_git::UserGit;

use super::describe::{CommitInfo, commit_info};
use super::text;
use mirror::{Found, Mirror};
use remote_url::{Place, RemoteUrl};
use session::Session;

/// What may come from a server by default, in bytes.
pub const MOST_BYTES: u64 = 8 << 30;

/// What to fetch, and from where.
#[derive(Debug, Clone)]
pub struct FetchRequest {
    /// `https://…`, `http://…`, `ssh://…`, `user@host:path`, and folders where they are allowed.
    pub url: String,
    /// By which name.
    pub reference: RefName,
    /// The commit's id, or at least four digits of it; without it, that of the name. With both, the name is only what
    /// the checkout is called.
    pub commit: Option<String>,
    /// How many commits of the history, where the server can do that; without it, all.
    pub depth: Option<NonZeroU32>,
    /// Where it may come from.
    pub allowed: Allowed,
    /// Where a login comes from; one in the URL comes first.
    pub credentials: Credentials,
    /// Certificates (PEM) of those who are trusted, in place of those that the user's git names.
    pub ca_file: Option<PathBuf>,
    /// What may come from the server, in bytes.
    pub most_bytes: u64,
}

impl FetchRequest {
    /// The newest commit of the main branch, from a public host.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            reference: RefName::Default,
            commit: None,
            depth: NonZeroU32::new(1),
            allowed: Allowed::default(),
            credentials: Credentials::default(),
            ca_file: None,
            most_bytes: MOST_BYTES,
        }
    }
}

/// What a revision is called on the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RefName {
    /// What the server leads with.
    #[default]
    Default,
    /// A branch.
    Branch(String),
    /// A tag.
    Tag(String),
    /// A full name, `refs/…`.
    Full(String),
}

impl RefName {
    /// The full name; none of the default.
    fn full(&self) -> Option<String> {
        match self {
            Self::Default => None,
            Self::Branch(name) => Some(format!("refs/heads/{name}")),
            Self::Tag(name) => Some(format!("refs/tags/{name}")),
            Self::Full(name) => Some(name.clone()),
        }
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("commit to start from (the repository is empty)"),
            Self::Branch(name) => write!(f, "branch `{name}`"),
            Self::Tag(name) => write!(f, "tag `{name}`"),
            Self::Full(name) => write!(f, "reference `{name}`"),
        }
    }
}

/// How far a fetch has come, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Another fetch of the same repository is under way.
    Waiting,
    /// The server is asked what it has.
    Connecting,
    /// What the server says while it works; of one line, without control characters.
    Server(String),
    /// Objects arrive.
    Receiving {
        /// How many are there.
        objects: usize,
        /// Of how many.
        total: usize,
        /// Their size, in bytes.
        bytes: u64,
    },
    /// What has arrived is put together.
    Resolving {
        /// How many deltas are done.
        deltas: usize,
        /// Of how many.
        total: usize,
    },
    /// The working tree is written.
    Writing {
        /// How many files are there.
        done: usize,
        /// Of how many.
        total: usize,
    },
}

/// How a fetch is watched and stopped.
pub struct Control<'a> {
    /// Stops the fetch; it ends soon, with [`FetchError::Canceled`].
    pub cancel: &'a CancellationToken,
    /// Is told how far it has come; often, so it should be quick.
    pub progress: &'a mut dyn FnMut(Progress),
}

impl fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let canceled = self.cancel.is_cancelled();
        f.debug_struct("Control")
            .field("canceled", &canceled)
            .finish_non_exhaustive()
    }
}

/// What was checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The commit.
    pub commit: CommitInfo,
    /// The full name that was asked for: `refs/heads/x`; none of a commit alone.
    pub reference: Option<String>,
    /// The branch that the server leads with.
    pub main_branch: Option<String>,
    /// The URL without credentials.
    pub url: String,
    /// What a user should know, a sentence each.
    pub remarks: Vec<String>,
}

/// Fetches a repository by way of its mirror in `cache`, and checks it out into `target`, a folder that is empty or not
/// there yet. [`super::describe`] then says of that folder what was asked for. On failure the target may hold a part.
///
/// Blocks, for minutes when the repository is large, and so is for a thread that may (`spawn_blocking`); it panics on
/// one that drives asynchronous tasks.
pub fn fetch(
    cache: &Path,
    request: &FetchRequest,
    git: &UserGit,
    target: &Path,
    mut control: Control<'_>,
) -> Result<Fetched, FetchError> {
    check_names(request)?;
    let url =
        RemoteUrl::parse(&git.rewritten(&request.url)).map_err(|why| FetchError::Url { why })?;
    if matches!(url.place, Place::Folder(_)) && !request.allowed.file {
        return Err(FetchError::Folder);
    }
    let mirror = Mirror::lock(cache, &url, &mut control)?;
    let shown = url.shown.clone();
    let session = Arc::new(Session::new(url, request, git, control.cancel)?);
    let (found, repository) = match bring(&mirror, &session, request, target, &mut control) {
        // Nothing of it is needed: it may be the mirror that is damaged.
        Err(FetchError::Git { .. }) if mirror.exists() && is_free(target) => {
            mirror.discard()?;
            bring(&mirror, &session, request, target, &mut control)
        }
        result => result,
    }?;
    // Others may use the mirror while the working tree is written.
    drop(mirror);
    let remarks = place::check_out(&repository, found.commit, &shown, &mut control)?;
    let commit = repository.find_commit(found.commit);
    let commit = commit.map_err(|error| FetchError::Git {
        url: shown.clone(),
        reason: error::plain(error.message()),
    })?;
    let head = found.head.as_ref();
    let main_branch = head.and_then(|(name, _)| name.strip_prefix("refs/heads/"));
    Ok(Fetched {
        commit: commit_info(&commit),
        main_branch: main_branch.map(str::to_owned),
        reference: found.reference,
        url: shown,
        remarks,
    })
}

fn bring(
    mirror: &Mirror,
    session: &Arc<Session>,
    request: &FetchRequest,
    target: &Path,
    control: &mut Control<'_>,
) -> Result<(Found, git2::Repository), FetchError> {
    let found = mirror.update(session, request, control)?;
    let repository = place::link(&mirror.path, target, &found, &session.url.shown)?;
    Ok((found, repository))
}

fn is_free(target: &Path) -> bool {
    std::fs::read_dir(target).map_or(true, |mut entries| entries.next().is_none())
}

/// Names are put into messages, requests and files, so they have to be names.
fn check_names(request: &FetchRequest) -> Result<(), FetchError> {
    if let Some(name) = request.reference.full()
        && !(name.starts_with("refs/") && git2::Reference::is_valid_name(&name))
    {
        let kind = match request.reference {
            RefName::Branch(_) => "a branch",
            RefName::Tag(_) => "a tag",
            RefName::Full(_) | RefName::Default => "a reference (`refs/…`)",
        };
        return Err(FetchError::Name {
            what: format!("{:?}", error::plain(&name)),
            kind,
        });
    }
    if let Some(commit) = &request.commit
        && !((4..=40).contains(&commit.len())
            && commit.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        return Err(FetchError::Name {
            what: format!("{:?}", error::plain(commit)),
            kind: "a commit (4 to 40 hexadecimal digits)",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
