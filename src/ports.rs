//! The traits at the edges. The engine and the app speak to the outside only through
//! these; which technology stands behind one is decided in `wiring`.
//!
//! No local path and no library type crosses [`Executor`]: the workspace, artifacts and
//! caches travel as archives through a [`BlobStore`], log bytes and progress through
//! [`JobPorts`], so that an executor may run on another machine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio::io::AsyncRead;
use tokio_util::sync::CancellationToken;

use crate::domain::{
    BlobKind, BuildStatus, Event, Job, JobId, JobStatus, LogId, Millis, PullProgress, Resources,
    Sid, StoredResult,
};

/// An error and what caused it, in one line: what goes wrong at an edge travels on as a sentence.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

// ---------------------------------------------------------------- blobs

/// The bytes of a blob, as a stream.
pub type BlobReader = Pin<Box<dyn AsyncRead + Send>>;

/// The name of a blob in a store: `org/repo/build/id.tgz` and the like
/// (script-api.md §5, "Blob keys"). Every part is safe as a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobKey(String);

impl BlobKey {
    /// The workspace of a build.
    pub fn workspace(sid: &Sid) -> Self {
        Self::of("workspaces", &[&sid.org, &sid.repo, &sid.build])
    }

    /// An artifact of a build.
    pub fn artifact(sid: &Sid, id: &str) -> Self {
        Self::of("artifacts", &[&sid.org, &sid.repo, &sid.build, id])
    }

    /// A cache of a repository: shared by all its builds, the last writer wins.
    pub fn cache(sid: &Sid, id: &str) -> Self {
        Self::of("caches", &[&sid.org, &sid.repo, id])
    }

    /// A named result of a build: a line with its media type, then its bytes.
    pub fn result(sid: &Sid, name: &str) -> Self {
        Self::with_ending(
            "results",
            &[&sid.org, &sid.repo, &sid.build, name],
            ".result",
        )
    }

    fn of(kind: &str, parts: &[&str]) -> Self {
        Self::with_ending(kind, parts, ".tgz")
    }

    fn with_ending(kind: &str, parts: &[&str], ending: &str) -> Self {
        let mut key = kind.to_owned();
        for part in parts {
            key.push('/');
            key.push_str(&crate::domain::file_name(part));
        }
        key.push_str(ending);
        Self(key)
    }

    /// The key as a relative path with `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for caches: what they hold can be made again.
    pub fn is_cache(&self) -> bool {
        self.0.starts_with("caches/")
    }

    /// True for workspaces: they are gone when their build is over.
    pub fn is_workspace(&self) -> bool {
        self.0.starts_with("workspaces/")
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a blob could not be stored or fetched.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The store said no.
    #[error("the store cannot {action} {key}")]
    Store {
        /// "read", "write" or "remove".
        action: &'static str,
        /// What was asked for.
        key: BlobKey,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The blob is larger than the quota allows.
    #[error("{key} is larger than the {limit} bytes a blob may have")]
    TooLarge {
        /// What was asked for.
        key: BlobKey,
        /// The quota in bytes.
        limit: u64,
    },
    /// A bucket said no, or nothing.
    #[error("cannot {action} {key} in {bucket}: {reason}")]
    Bucket {
        /// "read", "write" or "remove".
        action: &'static str,
        /// What was asked for.
        key: BlobKey,
        /// Which bucket, and where.
        bucket: String,
        /// The reason.
        reason: String,
    },
    /// What came back is not what was stored.
    #[error("{key} is damaged: {why}")]
    Damaged {
        /// What was asked for.
        key: BlobKey,
        /// How that shows.
        why: String,
    },
}

/// Where artifacts, caches and workspaces are kept. A blob is replaced as a whole: a
/// reader sees the old one or the new one, never half of one.
///
/// A damaged blob is an error: [`BlobError::Damaged`], of [`BlobStore::get`] for a cache, else in
/// place of the end of what it has returned, as the inside of an [`std::io::Error`].
pub trait BlobStore: Send + Sync + fmt::Debug {
    /// Stores a blob and returns its size in bytes.
    fn put<'a>(
        &'a self,
        key: &'a BlobKey,
        body: BlobReader,
    ) -> BoxFuture<'a, Result<u64, BlobError>>;

    /// Forgets a blob; one that is not there is fine.
    fn remove<'a>(&'a self, key: &'a BlobKey) -> BoxFuture<'a, Result<(), BlobError>>;

    /// Opens a blob; `None` when there is none.
    fn get<'a>(&'a self, key: &'a BlobKey) -> BoxFuture<'a, Result<Option<BlobReader>, BlobError>>;
}

// ---------------------------------------------------------------- executor

/// Everything an executor needs to know to run one container job once.
#[derive(Debug, Clone)]
pub struct JobOrder {
    /// The build.
    pub sid: Sid,
    /// The final definition.
    pub job: Job,
    /// Which run of the job this is, from 1.
    pub attempt: u32,
    /// Where the workspace archive is kept.
    pub workspace: BlobKey,
    /// Environment of every command: the job's own, then what the runner adds.
    pub env: Vec<(String, String)>,
    /// Archives to unpack before the first command, in order: caches, then artifacts.
    pub restore: Vec<Transfer>,
    /// Archives to make after the last command, also after a failure: artifacts, then caches.
    pub save: Vec<Transfer>,
    /// The job is stopped after this time.
    pub timeout: Duration,
    /// Time between asking a job to stop (TERM) and stopping it (KILL).
    pub grace: Duration,
    /// How the job reaches the script API, when its definition asks for that.
    pub api: Option<JobApi>,
}

/// How a container job reaches the script API. The job finds it in its environment:
/// `MONKEYCI_API_URL`, `MONKEYCI_API_SOCKET`, and the token in a file that
/// `MONKEYCI_API_TOKEN_FILE` names.
#[derive(Debug, Clone)]
pub struct JobApi {
    /// On loopback TCP; an executor on another machine has to forward it.
    pub url: Option<String>,
    /// The Unix socket's path on this machine.
    pub socket: String,
    /// Good for this job only, and while it runs.
    pub token: SecretString,
}

/// Makes tokens for container jobs that ask for the script API.
pub trait JobTokens: Send + Sync + fmt::Debug {
    /// The way to the API for a job; `None` for one that does not ask for it.
    fn for_job(&self, job: &Job) -> Option<JobApi>;
}

/// An artifact or cache on its way from or to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Artifact or cache.
    pub kind: BlobKind,
    /// Its id.
    pub id: String,
    /// File or directory, relative to where the job works.
    pub path: String,
    /// Where it is kept.
    pub key: BlobKey,
}

/// What an executor tells while a job runs. The engine turns it into events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobReport {
    /// How far the pull of the job's image has come.
    Pulling(PullProgress),
    /// The image has been pulled.
    Pulled,
    /// Everything is in place; the commands come next.
    Started,
    /// Ports of the job can be reached.
    Exposed {
        /// Where: reachable from the script and from other jobs.
        address: String,
        /// The port there, and the job's own.
        ports: Vec<(u16, u16)>,
    },
    /// A command begins: index of the script line.
    CommandStarted {
        /// Index of the script line, from 0.
        index: usize,
    },
    /// A command is over.
    CommandEnded {
        /// Index of the script line, from 0.
        index: usize,
        /// Its exit status; 128 + n when signal n ended it.
        exit: i64,
    },
    /// Something was stored.
    Saved {
        /// What was stored.
        transfer: Transfer,
        /// Size of the archive in bytes.
        size: u64,
    },
    /// Something a user should know that is no failure.
    Warning(String),
    /// It begins once more: which run of it this is, from 1.
    Attempt(u32),
    /// It does not run: what it left behind in this build is taken over.
    Reused(Sid),
    /// What the job's container uses: now and then, and once more at its end.
    Resources(Resources),
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOutcome {
    /// `Success`, `Failure` (a command failed, or a time-out), `Error` (it could not be
    /// run), `Canceled` (it was stopped).
    pub status: JobStatus,
    /// Exit status of the command that decided it.
    pub exit: Option<i64>,
    /// Why, when the exit status does not say it all.
    pub message: Option<String>,
}

/// Which output a chunk of log belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogStream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// The runner's own remarks.
    System,
}

/// What an executor may use while it runs a job.
pub trait JobPorts: Send + Sync + fmt::Debug {
    /// Tells of progress. Never blocks, never fails.
    fn report(&self, report: JobReport);

    /// Appends to the job's log; `command` is the index of the script line. Returns when
    /// the bytes are with the operating system, which is what slows a flood down.
    fn log(&self, stream: LogStream, command: Option<usize>, bytes: &[u8]);

    /// The store for workspace, artifacts and caches.
    fn blobs(&self) -> &dyn BlobStore;
}

/// Asks a running job to stop. Asking is free; the second token is the hammer.
#[derive(Debug, Clone, Default)]
pub struct StopToken {
    /// Stop: TERM, then KILL after the grace time.
    pub stop: CancellationToken,
    /// Stop at once: KILL.
    pub kill: CancellationToken,
}

/// Runs container jobs.
pub trait Executor: Send + Sync + fmt::Debug {
    /// The name users know it by: `docker`, `host`.
    fn name(&self) -> &'static str;

    /// Runs one job to its end. When the future is done, nothing of the job runs any
    /// more. Dropping the future stops the job too, without grace.
    fn run(
        &self,
        order: JobOrder,
        ports: Arc<dyn JobPorts>,
        stop: StopToken,
    ) -> BoxFuture<'static, JobOutcome>;

    /// A build is over: forget what was kept for its jobs.
    fn build_ended<'a>(&'a self, sid: &'a Sid) -> BoxFuture<'a, ()>;
}

// ---------------------------------------------------------------- checkout

/// Gives a build its code.
pub trait Checkout: Send + Sync + fmt::Debug {
    /// The folder that is checked out: where action jobs work and `.monkeyci` is found.
    fn dir(&self) -> &Path;

    /// What version control says of it; `None` when it is under none.
    fn describe(&self) -> Option<crate::domain::GitInfo>;

    /// Writes the workspace archive (gzip tar) and returns what had to be left out, a
    /// sentence each. Blocking.
    fn snapshot(&self, to: &mut dyn std::io::Write) -> std::io::Result<Vec<String>>;

    /// A fingerprint of the files in the last snapshot, but for those of version control: names, modes
    /// and contents. `None` before there is one, or where it is not known.
    fn digest(&self) -> Option<String> {
        None
    }
}

// ---------------------------------------------------------------- parameters

/// A build parameter.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: SecretString,
    /// Declared plain in the config: shown, and not masked in logs.
    pub plain: bool,
}

/// Where build parameters come from.
pub trait ParamSource: Send + Sync + fmt::Debug {
    /// All parameters of the build's repository. The error is a sentence for the script's author.
    fn params(&self) -> BoxFuture<'_, Result<Vec<Param>, String>>;
}

// ---------------------------------------------------------------- what stands behind a build

/// Named credentials that a script may ask for, one at a time.
pub trait SecretStore: Send + Sync + fmt::Debug {
    /// The secret of a name; `None` when there is none. The error is a sentence without any value.
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<SecretString>, String>>;
}

/// Which earlier build is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Past {
    /// The one before this.
    Previous,
    /// The last one that succeeded.
    LastSuccess,
}

/// An earlier build of the same repository.
#[derive(Debug, Clone, PartialEq)]
pub struct PastBuild {
    /// The build.
    pub sid: Sid,
    /// How it ended.
    pub status: BuildStatus,
    /// What was built.
    pub commit_id: Option<String>,
    /// When it began to run.
    pub start_time: Option<Millis>,
    /// When it ended.
    pub end_time: Option<Millis>,
    /// Its named results.
    pub results: Vec<StoredResult>,
}

/// The builds before this one.
pub trait PastBuilds: Send + Sync + fmt::Debug {
    /// Looks for one of the same branch, or else of the repository. The error is a sentence.
    fn find(&self, which: Past) -> BoxFuture<'_, Result<Option<PastBuild>, String>>;
}

/// What is known of the repository; what nobody knows is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepoInfo {
    /// Its name, for people.
    pub name: Option<String>,
    /// Where it is cloned from, without credentials.
    pub url: Option<String>,
    /// The branch that others grow from.
    pub main_branch: Option<String>,
    /// Names and values, in the order of their names.
    pub labels: Option<Vec<(String, String)>>,
}

/// What is known of the organisation; what nobody knows is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrgInfo {
    /// Its id, when it is not the one that builds are kept under.
    pub id: Option<String>,
    /// Its name, for people.
    pub name: Option<String>,
}

/// Why a server did not answer what was asked of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct UpstreamError {
    /// A sentence for the script's author; no credential is in it.
    pub reason: String,
    /// How long the server wants to be left alone.
    pub again_in: Option<Duration>,
}

impl UpstreamError {
    /// A reason, after which the server may be asked again.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            again_in: None,
        }
    }
}

/// The MonkeyCI server that a build's repository is on, asked with the runner's own credential.
/// The script sees what it answers, and never the credential (security.md §3).
pub trait Upstream: Send + Sync + fmt::Debug {
    /// The parameters that the server gives builds of the repository.
    fn params(&self) -> BoxFuture<'_, Result<Vec<Param>, UpstreamError>>;

    /// The repository, as the server knows it.
    fn repo(&self) -> BoxFuture<'_, Result<RepoInfo, UpstreamError>>;

    /// The organisation, as the server knows it.
    fn org(&self) -> BoxFuture<'_, Result<OrgInfo, UpstreamError>>;

    /// The clear text of a key that is encrypted with the organisation's.
    fn decrypt_key<'a>(
        &'a self,
        encrypted: &'a str,
    ) -> BoxFuture<'a, Result<SecretString, UpstreamError>>;
}

/// What a script may ask for beyond its own build.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Its credentials.
    pub secrets: Arc<dyn SecretStore>,
    /// The builds before it.
    pub past: Arc<dyn PastBuilds>,
    /// Its repository.
    pub repo: RepoInfo,
    /// Its organisation.
    pub org: OrgInfo,
    /// Who knows more of all that.
    pub upstream: Option<Arc<dyn Upstream>>,
}

impl Surroundings {
    /// The repository: what is known here, and the rest from the server.
    pub async fn whole_repo(&self) -> Result<RepoInfo, UpstreamError> {
        let known = self.repo.clone();
        match &self.upstream {
            Some(upstream) if !known.is_whole() => Ok(known.or(upstream.repo().await?)),
            _ => Ok(known),
        }
    }

    /// The organisation: what is known here, and the rest from the server.
    pub async fn whole_org(&self) -> Result<OrgInfo, UpstreamError> {
        let known = self.org.clone();
        match &self.upstream {
            Some(upstream) if !known.is_whole() => Ok(known.or(upstream.org().await?)),
            _ => Ok(known),
        }
    }
}

impl RepoInfo {
    fn is_whole(&self) -> bool {
        self.name.is_some()
            && self.url.is_some()
            && self.main_branch.is_some()
            && self.labels.is_some()
    }

    fn or(self, other: Self) -> Self {
        Self {
            name: self.name.or(other.name),
            url: self.url.or(other.url),
            main_branch: self.main_branch.or(other.main_branch),
            labels: self.labels.or(other.labels),
        }
    }
}

impl OrgInfo {
    fn is_whole(&self) -> bool {
        self.id.is_some() && self.name.is_some()
    }

    fn or(self, other: Self) -> Self {
        Self {
            id: self.id.or(other.id),
            name: self.name.or(other.name),
        }
    }
}

/// Nothing is known.
impl Default for Surroundings {
    fn default() -> Self {
        Self {
            secrets: Arc::new(Nothing),
            past: Arc::new(Nothing),
            repo: RepoInfo::default(),
            org: OrgInfo::default(),
            upstream: None,
        }
    }
}

/// Has nothing to tell.
#[derive(Debug)]
struct Nothing;

impl SecretStore for Nothing {
    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<SecretString>, String>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

impl PastBuilds for Nothing {
    fn find(&self, _: Past) -> BoxFuture<'_, Result<Option<PastBuild>, String>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

// ---------------------------------------------------------------- sources and controls

/// What a user may do to a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Stop the build.
    Cancel,
    /// Approve a blocked job.
    Unblock(JobId),
    /// Approve all that is blocked, now and later.
    UnblockAll,
}

/// The controls a source offers; a pane asks this, never where a build comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "one flag a control, named after it")]
pub struct Offers {
    pub cancel: bool,
    pub unblock: bool,
    /// The build runs inside this program and ends with it.
    pub owned: bool,
    /// A job of it can be run here.
    pub copy: bool,
}

/// What a source has to tell.
#[derive(Debug, Clone)]
pub enum SourceItem {
    /// The next events of the journal, in order, without a gap.
    Events(Vec<Arc<Event>>),
    /// A log grew. Coalesced: look up how far.
    LogGrew(LogId),
    /// All that was there when the source was opened has been told.
    CaughtUp,
    /// The connection is gone; it is tried again at the time given.
    Lost {
        /// Why, for people.
        reason: String,
        /// Time until the next try.
        retry_in: Duration,
    },
    /// The connection is back.
    Restored,
}

/// Where a build's journal comes from: the engine, another process, a recording.
pub trait BuildSource: Send + fmt::Debug {
    /// The build.
    fn sid(&self) -> &Sid;

    /// What can be done to it.
    fn offers(&self) -> Offers;

    /// The folder with the build's logs, by the names of `logs::LogPaths`.
    fn logs_dir(&self) -> PathBuf;

    /// Waits for the next item; `None` when the journal is closed. Cancel safe.
    fn next(&mut self) -> BoxFuture<'_, Option<SourceItem>>;

    /// Does something to the build. The error is a sentence.
    fn control(&self, control: Control) -> BoxFuture<'static, Result<(), String>>;
}

/// The current time; a seam for tests.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Milliseconds since the Unix epoch.
    fn now(&self) -> Millis;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        jiff::Timestamp::now().as_millisecond()
    }
}
