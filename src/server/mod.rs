//! The engine as a small MonkeyCI server (protocol/public-api.md): triggers, webhooks, a queue,
//! and what became of the builds, in the server's own words.
//!
//! It owns routes, credentials, orders and the queue. It decides nothing about a running build:
//! that is told through its [`EngineHandle`], and read from its journal. How a build is started is
//! behind [`Runner`], how a repository that is elsewhere gets here is that one's business too.
//!
//! Start reading at `routes.rs`, the table of everything that is served. `gate.rs` checks
//! credentials (`tokens.rs`, `jwt.rs`), `order.rs` is what is kept of a trigger, `board.rs` what is
//! known of all builds, `work.rs` runs the queue, `stream.rs` has the event streams, `frames.rs` what they all send, `webhook.rs`
//! what GitHub sends, `news.rs` what the operator is told, `listen.rs` connections and TLS, `files.rs` how many there may be.

mod board;
mod body;
mod builds;
mod files;
mod frames;
mod gate;
mod github;
mod jobs;
mod jwt;
mod listen;
mod logs;
mod metrics;
mod news;
mod order;
mod orgs;
mod private;
mod reply;
mod routes;
mod stream;
#[cfg(test)]
mod tests;
mod tokens;
mod trigger;
mod webhook;
mod work;
mod workspace;

use std::fmt;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::domain::{Millis, Sid};
use crate::edn::{self, Value};
use crate::engine::EngineHandle;
use crate::ports::{BlobStore, Clock};

use board::Board;
use private::Kept;
use tokens::Tokens;
use webhook::Webhooks;

pub use files::more_files;
pub use jwt::Holder;
pub use listen::{Tls, bind, serve, tls};
pub use news::{News, Operator, Refused};
pub use order::{Order, Unbegun, Wanted};
pub use tokens::Role;

/// A repository that is built here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repo {
    /// As in paths.
    pub id: String,
    /// For people.
    pub name: String,
    /// Where it is, without credentials.
    pub url: String,
    /// What is built when nothing is named.
    pub main_branch: Option<String>,
}

/// Where the recording of a build lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The journal's file.
    pub journal: PathBuf,
    /// The folder of the logs.
    pub logs: PathBuf,
}

/// A build that was started.
pub struct Started {
    /// Its engine.
    pub handle: EngineHandle,
    /// Done when nothing of it is at work any more.
    pub ended: BoxFuture<'static, ()>,
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

/// What makes a build of an order.
pub trait Runner: Send + Sync + fmt::Debug {
    /// Checks out what is wanted and starts the engine. The error is a sentence: there is no
    /// build then, and nothing is left of the attempt. `cancel` is for what takes long before
    /// there is an engine.
    fn start(
        &self,
        order: Order,
        cancel: CancellationToken,
    ) -> BoxFuture<'static, Result<Started, String>>;

    /// Where the recording of a build is, or will be.
    fn recording(&self, sid: &Sid) -> Recording;
}

/// Gets a repository that is elsewhere onto this machine.
pub trait Fetch: Send + Sync + fmt::Debug {
    /// Checks out a commit, or else the tip of `reference` (`refs/heads/x`), or else that of the
    /// main branch, into a folder that is not there yet. The error is a sentence; what is in the
    /// folder then is of no use.
    fn fetch(
        &self,
        url: &str,
        reference: Option<&str>,
        commit: Option<&str>,
        target: PathBuf,
        cancel: CancellationToken,
    ) -> BoxFuture<'static, Result<(), String>>;
}

/// How a server serves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder for keys, tokens and orders.
    pub folder: PathBuf,
    /// The org that everything belongs to.
    pub org: String,
    /// What is built.
    pub repos: Vec<Repo>,
    /// How many builds may run at once.
    pub builds: usize,
    /// How many more may wait.
    pub queue: usize,
    /// Hears what there is to say.
    pub operator: Arc<dyn Operator>,
    /// Longest silence on an event stream.
    pub ping_every: Duration,
    /// A request whose head takes longer is given up; so is a connection that says nothing.
    pub head_time: Duration,
    /// A body that takes longer is given up; so is a tree of which next to nothing comes in that time.
    pub body_time: Duration,
    /// A connection that takes nothing of its answer for so long is given up.
    pub answer_time: Duration,
    /// Most connections at once; one more has to wait. They are fewer where the system lets us open
    /// few files.
    pub most_connections: usize,
}

impl Settings {
    /// For a folder, an org and its repositories, with usual manners.
    pub fn new(folder: PathBuf, org: impl Into<String>, repos: Vec<Repo>) -> Self {
        Self {
            folder,
            org: org.into(),
            repos,
            builds: 1,
            queue: 100,
            operator: Arc::new(news::Nobody),
            ping_every: Duration::from_secs(30),
            head_time: Duration::from_secs(30),
            body_time: Duration::from_mins(1),
            answer_time: Duration::from_mins(2),
            most_connections: 1024,
        }
    }
}

/// A server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Server(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    board: Board,
    signer: jwt::Signer,
    tokens: Kept<Tokens>,
    webhooks: Kept<Webhooks>,
    refusals: news::Refusals,
    runner: Arc<dyn Runner>,
    blobs: Arc<dyn BlobStore>,
    clock: Arc<dyn Clock>,
    /// No more builds are started, or asked for.
    draining: AtomicBool,
    shutdown: CancellationToken,
    /// Held as long as the server lives: two of them would give builds the same numbers.
    _lock: File,
}

impl Server {
    /// Opens a server's folder: what it knew it knows again. The error is a sentence; the
    /// sentences that come with the server are for its operator. Blocks.
    pub fn open(
        settings: Settings,
        runner: Arc<dyn Runner>,
        blobs: Arc<dyn BlobStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Vec<String>), String> {
        let folder = settings.folder.clone();
        let lock = lock(&folder)?;
        let signer = jwt::Signer::open(&folder)?;
        let tokens = Kept::new(tokens::file(&folder), Tokens::read);
        tokens.now()?;
        let webhooks = Kept::new(webhook::file(&folder), Webhooks::read);
        webhooks.now()?;
        remember(&folder, &settings.repos)?;
        let board = Board::new();
        let (orders, mut remarks) = order::read_all(&folder.join("orders"));
        for order in orders {
            let known = settings.repos.iter().any(|repo| repo.id == order.sid.repo);
            let begun = runner.recording(&order.sid).journal.exists();
            let queued = order.end.is_none() && !begun;
            if queued && !known {
                remarks.push(format!(
                    "{} was queued, but its repository is not served any more",
                    order.sid
                ));
            }
            board.found(order, queued && known);
        }
        let server = Self(Arc::new(Inner {
            board,
            signer,
            tokens,
            webhooks,
            refusals: news::Refusals::default(),
            runner,
            blobs,
            clock,
            draining: AtomicBool::new(false),
            shutdown: CancellationToken::new(),
            _lock: lock,
            settings,
        }));
        Ok((server, remarks))
    }

    /// How many builds wait, and how many run.
    pub fn load(&self) -> (usize, usize) {
        self.board().load()
    }

    fn settings(&self) -> &Settings {
        &self.0.settings
    }

    fn board(&self) -> &Board {
        &self.0.board
    }

    fn repo(&self, id: &str) -> Option<&Repo> {
        self.settings().repos.iter().find(|repo| repo.id == id)
    }

    fn orders(&self) -> PathBuf {
        self.settings().folder.join("orders")
    }

    fn now(&self) -> Millis {
        self.0.clock.now()
    }

    fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Acquire)
    }

    /// Fires when the service has to end.
    fn shutdown(&self) -> &CancellationToken {
        &self.0.shutdown
    }
}

/// Where the ids of the repositories are kept that are served, for the commands beside the server.
const REPOS: &str = "repos.edn";

fn remember(folder: &Path, repos: &[Repo]) -> Result<(), String> {
    let ids = repos.iter().map(|repo| repo.id.as_str().into());
    let text = edn::write(&Value::Vector(ids.collect()));
    let path = folder.join(REPOS);
    private::write(&path, text.as_bytes())
        .map_err(|why| format!("cannot write {}: {why}", path.display()))
}

/// The ids of the repositories that the server of a folder serves, or served last; none when there was none.
pub fn served(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(REPOS)).unwrap_or_default();
    let known = edn::read_str(&text).ok();
    let ids = known.as_ref().and_then(Value::as_seq).unwrap_or_default();
    ids.iter()
        .filter_map(|id| id.as_str().map(str::to_owned))
        .collect()
}

/// Makes an API token for a server's folder. The text is told once, and kept nowhere.
pub fn make_token(
    folder: &Path,
    role: Role,
    description: Option<&str>,
    now: Millis,
    valid_until: Option<Millis>,
) -> Result<SecretString, String> {
    tokens::add(folder, role, description, now, valid_until)
        .map_err(|why| format!("the token cannot be kept: {why}"))
}

/// Makes a JSON web token, signed with the key of a server's folder.
pub fn make_jwt(folder: &Path, holder: &Holder, until: Millis) -> Result<SecretString, String> {
    let signer = jwt::Signer::open(folder)?;
    signer
        .sign(holder, until)
        .map_err(|why| format!("the token cannot be signed: {why}"))
}

/// A new webhook: its id, which is its path too, and its secret, which is told once.
pub fn make_webhook(
    folder: &Path,
    repo: &str,
    now: Millis,
) -> Result<(String, SecretString), String> {
    webhook::add(folder, repo, now).map_err(|why| format!("the webhook cannot be kept: {why}"))
}

fn lock(folder: &Path) -> Result<File, String> {
    let path = folder.join("lock");
    let open = || -> std::io::Result<File> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        File::create(&path)
    };
    let cannot =
        |why: &dyn fmt::Display| format!("cannot use the folder {}: {why}", folder.display());
    let file = open().map_err(|why| cannot(&why))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(cannot(&"another server works in it; stop that one first"))
        }
        Err(std::fs::TryLockError::Error(why)) => Err(cannot(&why)),
    }
}

/// Does blocking work off the event loop.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Given up because the runtime ends, and this request with it.
            Err(_) => std::future::pending().await,
        },
    }
}
