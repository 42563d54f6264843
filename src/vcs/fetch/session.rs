//! One fetch under way: what its transports share.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::Url;
use tokio::runtime::{Builder, EnterGuard, Runtime};
use tokio_util::sync::CancellationToken;

use super::address::Allowed;
use super::advertised::Advertised;
use super::credentials::Credentials;
use super::error::FetchError;
use super::remote_url::{Login, Place, RemoteUrl};
use super::user_git::UserGit;

/// What a server says of its references at most, in bytes.
const MOST_REFERENCES: usize = 64 << 20;

/// What all parts of one fetch know.
#[derive(Debug)]
pub(super) struct Session {
    pub url: RemoteUrl,
    pub allowed: Allowed,
    pub git: UserGit,
    pub credentials: Credentials,
    pub ca_file: Option<PathBuf>,
    /// What may come from the server, in bytes.
    pub most_bytes: u64,
    pub cancel: CancellationToken,
    /// There until the session is dropped.
    runtime: Option<Runtime>,
    state: Mutex<State>,
}

/// What is found out on the way.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Where the repository really is, once a redirect has said so.
    pub moved: Option<Url>,
    /// What the server at the URL accepts.
    pub login: Option<Login>,
    /// The client for the hosts of the URL.
    pub client: Option<(String, reqwest::Client)>,
    error: Option<FetchError>,
    received: u64,
    references: Vec<u8>,
}

impl Session {
    pub fn new(
        url: RemoteUrl,
        request: &super::FetchRequest,
        git: &UserGit,
        cancel: &CancellationToken,
    ) -> Result<Self, FetchError> {
        // Of its own, so that a fetch works on any thread that may block, and leaves nothing behind.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| FetchError::Start {
                what: "the network".to_owned(),
                source,
            })?;
        let login = match &url.place {
            // A user without a password is an answer only together with what a helper knows.
            Place::Web { login, .. } => login.clone().filter(Login::is_whole),
            Place::Ssh(_) | Place::Folder(_) => None,
        };
        let credentials = match (login, &request.credentials) {
            (Some(login), _) => Credentials::Given {
                user: login.user,
                password: login.password,
            },
            (None, credentials) => credentials.clone(),
        };
        Ok(Self {
            url,
            allowed: request.allowed,
            git: git.clone(),
            credentials,
            ca_file: request.ca_file.clone(),
            most_bytes: request.most_bytes,
            cancel: cancel.clone(),
            runtime: Some(runtime),
            state: Mutex::default(),
        })
    }

    /// The state; never held while something waits.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something, or until the fetch is canceled.
    pub fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, FetchError>>,
    ) -> Result<T, FetchError> {
        self.runtime().block_on(async {
            tokio::select! {
                // What is there already still counts; then a cancel.
                biased;
                () = self.cancel.cancelled() => Err(FetchError::Canceled),
                done = work => done,
            }
        })
    }

    /// For what must be made inside of a runtime.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.runtime().enter()
    }

    fn runtime(&self) -> &Runtime {
        self.runtime
            .as_ref()
            .expect("the runtime is there until the session is dropped")
    }

    /// Keeps why the fetch fails; libgit2 would only keep a text.
    pub fn fail(&self, error: FetchError) -> io::Error {
        self.state().error.get_or_insert(error);
        io::Error::other("the connection failed")
    }

    pub fn take_error(&self) -> Option<FetchError> {
        self.state().error.take()
    }

    /// Counts what has come from the server.
    pub fn count(&self, bytes: &[u8], references: bool) -> Result<(), FetchError> {
        let mut state = self.state();
        state.received += bytes.len() as u64;
        if state.received > self.most_bytes {
            return Err(FetchError::TooLarge {
                url: self.url.shown.clone(),
                limit: self.most_bytes,
            });
        }
        if references {
            state.references.extend_from_slice(bytes);
            if state.references.len() > MOST_REFERENCES {
                return Err(FetchError::TooLarge {
                    url: self.url.shown.clone(),
                    limit: MOST_REFERENCES as u64,
                });
            }
        }
        Ok(())
    }

    /// Makes ready for another try.
    pub fn forget(&self) {
        let mut state = self.state();
        state.error = None;
        state.references.clear();
    }

    /// What the server has said of its references.
    pub fn advertised(&self) -> Advertised {
        let bytes = std::mem::take(&mut self.state().references);
        Advertised::parse(&bytes)
    }

    /// Looks a host up; every address is one that may be connected to.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, FetchError> {
        resolve(host, port, self.allowed, &self.url.shown).await
    }

    /// Refuses a host that is an address which may not be connected to.
    pub fn check_literal(&self, host: &str) -> Result<(), FetchError> {
        match literal(host) {
            Some(address) => check(address, host, self.allowed, &self.url.shown),
            None => Ok(()),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A look-up of a name that hangs is nothing to wait for.
            runtime.shutdown_background();
        }
    }
}

/// The address that a host is, perhaps in brackets or with a zone.
fn literal(host: &str) -> Option<IpAddr> {
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    host.split('%').next()?.parse().ok()
}

fn check(address: IpAddr, host: &str, allowed: Allowed, url: &str) -> Result<(), FetchError> {
    match allowed.objection(address) {
        None => Ok(()),
        Some(what) => Err(FetchError::Forbidden {
            url: url.to_owned(),
            host: host.to_owned(),
            what,
        }),
    }
}

/// Looks a host up. One address that may not be connected to is enough to refuse it.
pub(super) async fn resolve(
    host: &str,
    port: u16,
    allowed: Allowed,
    url: &str,
) -> Result<Vec<SocketAddr>, FetchError> {
    let plain = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let found = tokio::net::lookup_host((plain.unwrap_or(host), port))
        .await
        .map_err(|error| FetchError::Unreachable {
            url: url.to_owned(),
            reason: format!("there is no host {host}: {error}"),
        })?;
    let found: Vec<_> = found.collect();
    for address in &found {
        check(address.ip(), host, allowed, url)?;
    }
    Ok(found)
}
