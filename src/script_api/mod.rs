//! The HTTP service that a build script talks to (protocol/script-api.md), and that other
//! shells of the same user watch the build through.
//!
//! It owns routes, tokens, sockets, and what a tolerant server does for old clients
//! (script-api.md §10). It decides nothing about the build: what is posted goes to the
//! [`EngineHandle`], which also says what a script may post; what is streamed comes from the
//! journal; what is stored is in the blob store.
//!
//! Start reading at `routes.rs`, the table of everything that is served, and described:
//! `operation.rs` says what a route is, `shapes.rs` what values look like, `openapi.rs` makes the
//! OpenAPI document of both. `gate.rs` checks tokens, `stream.rs` is the event stream, `blobs.rs` artifacts and caches, `places.rs`
//! says which paths a script may name; `connections.rs` bears with clients that are slow or many.

mod asker;
mod blobs;
mod body;
mod connections;
mod events;
mod extract;
mod gate;
mod info;
mod job_tokens;
mod openapi;
mod operation;
mod places;
mod project;
mod reply;
mod results;
mod routes;
mod secrets;
mod shapes;
mod socket;
mod stream;
#[cfg(test)]
mod tests;
mod tokens;
mod transfer;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::domain::{Access, JobId, TuiEvent};
use crate::engine::EngineHandle;

use asker::Asker;

pub use job_tokens::JobTokenMaker;
pub use openapi::openapi;
pub use routes::served;
pub use socket::{ApiSocket, LONGEST_PATH, SOCKET_NAME, SocketError, TOKEN_NAME, bind, bind_tcp};
pub use tokens::{Grant, Keys, Scope, TokenError};

/// How the service treats its clients.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Longest silence on an event stream. MonkeyCI's own clients expect 30 s at most.
    pub ping_every: Duration,
    /// Largest EDN or JSON body in bytes; more is answered 413.
    pub body_limit: usize,
    /// Largest artifact or cache in bytes, packed; more is answered 413.
    pub blob_quota: u64,
    /// A request whose head takes longer from its first byte is given up.
    pub head_time: Duration,
    /// Most connections at once, for each listener; fewer where few files may be open. One more
    /// has to be waited for, or whoever is idle longest makes room.
    pub most_connections: usize,
    /// A request whose body stands still for so long is given up.
    pub body_idle: Duration,
    /// After shutdown, requests at work may finish for so long; then connections are cut.
    pub grace: Duration,
    /// Shortest time between two notices about growing logs on one stream.
    pub growth_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ping_every: Duration::from_secs(20),
            body_limit: 64 << 20,
            blob_quota: 8 << 30,
            head_time: Duration::from_secs(30),
            most_connections: 4096,
            body_idle: Duration::from_mins(1),
            grace: Duration::from_secs(2),
            growth_pause: Duration::from_millis(50),
        }
    }
}

/// What serves one build: its engine, its key, and the manners. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: EngineHandle,
    keys: Keys,
    settings: Settings,
    closed: AtomicBool,
    /// Remarks that were made, and about which job.
    told: Mutex<HashSet<(Option<JobId>, String)>>,
    /// What was noted as read, and for which job.
    noted: Mutex<Vec<(Option<JobId>, Access)>>,
    shutdown: CancellationToken,
}

/// Most remarks that a script can cause in the journal of its build.
const MOST_REMARKS: usize = 100;

impl Api {
    /// Prepares to serve a build.
    pub fn new(engine: EngineHandle, keys: Keys, settings: Settings) -> Self {
        Self(Arc::new(Inner {
            engine,
            keys,
            settings,
            closed: AtomicBool::new(false),
            told: Mutex::default(),
            noted: Mutex::default(),
            shutdown: CancellationToken::new(),
        }))
    }

    /// Says that the build is over; a closed journal says it, too. From now on tokens are
    /// refused. Open streams run to the end of the journal, and watchers may still come for
    /// what they have missed.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
    }

    fn is_over(&self) -> bool {
        self.0.closed.load(Ordering::Acquire) || self.engine().journal().is_closed()
    }

    fn engine(&self) -> &EngineHandle {
        &self.0.engine
    }

    fn keys(&self) -> &Keys {
        &self.0.keys
    }

    fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Fires when the service has to end.
    fn shutdown(&self) -> &CancellationToken {
        &self.0.shutdown
    }

    /// Leaves a remark for people in the journal; the same one only once, and no more than
    /// [`MOST_REMARKS`]: a client in a loop must not fill the journal.
    fn warn_once(&self, job: Option<&JobId>, message: impl Into<String>) {
        let message = message.into();
        let fresh = {
            let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.len() < MOST_REMARKS && told.insert((job.cloned(), message.clone()))
        };
        if fresh {
            self.engine().warn(job, message);
        }
    }
}

/// Most kinds of reading that are noted, for the same reason.
const MOST_NOTES: usize = 1000;

impl Api {
    /// Notes in the journal who has read what, each once.
    fn note_read(&self, asker: &Asker, what: &str, name: Option<&str>) {
        let access = Access {
            what: what.to_owned(),
            name: name.map(str::to_owned),
            by: asker.by().to_owned(),
        };
        let note = (asker.job.clone(), access.clone());
        let fresh = {
            let mut noted = self.0.noted.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = noted.len() < MOST_NOTES && !noted.contains(&note);
            if fresh {
                noted.push(note);
            }
            fresh
        };
        if fresh {
            self.engine()
                .note(asker.job.as_ref(), TuiEvent::Read(access), None);
        }
    }
}

/// Where a build is served.
#[derive(Debug)]
pub struct Listeners {
    /// The private socket.
    pub unix: ApiSocket,
    /// TCP, for clients that cannot open a Unix socket: on loopback, and on the network that
    /// containers share with this machine.
    pub tcp: Vec<TcpListener>,
}

/// Serves a build until `shutdown` fires; returns when the last request is done with and
/// removes the socket.
///
/// After `shutdown` streams tell what the journal has and end; whatever takes longer than
/// [`Settings::grace`] is cut. An [`Api`] is served once.
pub async fn serve(listeners: Listeners, api: Api, shutdown: CancellationToken) {
    let Listeners { mut unix, tcp } = listeners;
    let cut = CancellationToken::new();
    // Nothing is served any more once this future is gone, however it goes.
    let _guards = (
        cut.clone().drop_guard(),
        api.shutdown().clone().drop_guard(),
    );
    let app = routes::router(&api);

    let settings = api.settings();
    let over_unix =
        connections::serve(unix.take_listener(), app.clone(), settings, &shutdown, &cut);
    let over_tcp = tcp
        .into_iter()
        .map(|listener| connections::serve(listener, app.clone(), settings, &shutdown, &cut));
    let over_tcp = futures_util::future::join_all(over_tcp);
    let served = async { tokio::join!(over_unix, over_tcp) };
    let hurry = async {
        shutdown.cancelled().await;
        api.shutdown().cancel();
        tokio::time::sleep(api.settings().grace).await;
        cut.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = served => {}
        () = hurry => {}
    }
}

/// Does blocking or long work off the event loop.
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
