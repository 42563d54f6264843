//! The client itself: its options, how it finds a server, what it holds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Certificate;

use super::address::BaseUrl;
use super::credential::{Credential, Jwt, OnRefresh};
use super::error::{RemoteError, innermost};
use super::exchange::Body;
use super::retry::Retry;

/// A stream that is silent for longer is broken: the server pings every 30 s.
const SILENCE: Duration = Duration::from_secs(75);

/// Longest version that is believed to be one, in characters.
const LONGEST_VERSION: usize = 100;

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Where the API is.
    pub base: BaseUrl,
    /// Where the event stream is, if elsewhere.
    pub events: Option<BaseUrl>,
    /// What lets the user in.
    pub credential: Credential,
    /// Certificates that are trusted besides the system's, in PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// `http://host:port` of a proxy; without one the environment's (`HTTPS_PROXY` …).
    pub proxy: Option<String>,
    /// A server that says nothing for this long has gone.
    pub timeout: Duration,
    /// How often a request that changes nothing is repeated.
    pub retry: Retry,
    /// A credential may travel by http to another machine.
    pub allow_http: bool,
    /// Told of a renewed login.
    pub on_refresh: Option<OnRefresh>,
    /// How long the event stream may be silent.
    pub stream_silence: Duration,
}

impl ClientOptions {
    /// A client for an address, with what is usual for the rest.
    pub fn new(base: BaseUrl, credential: Credential) -> Self {
        Self {
            base,
            events: None,
            credential,
            ca_pem: None,
            proxy: None,
            timeout: Duration::from_secs(30),
            retry: Retry::default(),
            allow_http: false,
            on_refresh: None,
            stream_silence: SILENCE,
        }
    }
}

/// A client of one server. Cheap to clone; clones share the credential.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub base: BaseUrl,
    pub events: BaseUrl,
    pub requests: reqwest::Client,
    pub streams: reqwest::Client,
    pub retry: Retry,
    pub on_refresh: Option<OnRefresh>,
    credential: Mutex<Credential>,
    /// Held while a login is renewed: its refresh token is good for one use.
    pub renewing: tokio::sync::Mutex<()>,
}

/// Where a server was found, and what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The address that answered.
    pub base: BaseUrl,
    /// The server's version.
    pub version: String,
}

impl Client {
    /// A client. Connects only when asked something.
    pub fn new(options: ClientOptions) -> Result<Self, RemoteError> {
        let ClientOptions {
            base,
            events,
            credential,
            ca_pem,
            proxy,
            timeout,
            retry,
            allow_http,
            on_refresh,
            stream_silence,
        } = options;
        let events = events.unwrap_or_else(|| base.clone());
        if credential.is_some() && !allow_http {
            for address in [&base, &events] {
                if address.is_clear() {
                    let host = address.host();
                    return Err(RemoteError::Clear { host });
                }
            }
        }
        let setup = |error: reqwest::Error| RemoteError::Setup(innermost(&error));
        let build = |silence: Duration, compared: &BaseUrl| {
            let mut builder = reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("monkeyci-tui/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(timeout)
                .read_timeout(silence);
            if let Some(pem) = &ca_pem {
                let certificates = Certificate::from_pem_bundle(pem).map_err(|error| {
                    RemoteError::Setup(format!(
                        "the CA file is no certificate in PEM: {}",
                        innermost(&error)
                    ))
                })?;
                builder = builder.tls_certs_merge(certificates);
            } else if !base.is_tls() && !events.is_tls() {
                // Looking up whom the system trusts takes time.
                builder = builder.tls_certs_only(std::iter::empty());
            }
            builder = match &proxy {
                Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy).map_err(|_| {
                    RemoteError::Setup("the proxy is no URL like http://host:3128".to_owned())
                })?),
                // No proxy reaches what listens on this machine only.
                None if compared.is_loopback() => builder.no_proxy(),
                None => builder,
            };
            builder.build().map_err(setup)
        };
        let requests = build(timeout, &base)?;
        let streams = build(stream_silence, &events)?;
        let inner = Inner {
            requests,
            streams,
            base,
            events,
            retry,
            on_refresh,
            credential: Mutex::new(credential),
            renewing: tokio::sync::Mutex::new(()),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Finds the API at an address as typed: at its path, else with `/v1`, else without. Sends no
    /// credential.
    pub async fn probe(options: ClientOptions) -> Result<Probe, RemoteError> {
        let typed = options.base.clone();
        let mut candidates = vec![typed.clone()];
        match typed.path().strip_suffix("/v1") {
            Some(without) => candidates.push(typed.with_path(without)),
            None => candidates.push(typed.with_path(&format!("{}/v1", typed.path()))),
        }
        let mut reason = None;
        for base in candidates {
            let client = Self::new(ClientOptions {
                base: base.clone(),
                events: None,
                credential: Credential::None,
                ..options.clone()
            })?;
            match client.version().await {
                Ok(version) => return Ok(Probe { base, version }),
                // A server that is away is not elsewhere.
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    reason.get_or_insert(error);
                }
            }
        }
        let reason = match reason {
            Some(RemoteError::NotFound { .. }) | None => "it has no /version".to_owned(),
            Some(RemoteError::Redirected { to, .. }) => format!("it sends /version on to {to}"),
            Some(RemoteError::Answer { reason, .. }) => reason,
            Some(other) => other.to_string(),
        };
        Err(RemoteError::NoServer {
            host: typed.host(),
            reason,
        })
    }

    /// The server's version.
    pub async fn version(&self) -> Result<String, RemoteError> {
        let url = self.inner.base.join(&["version"])?;
        let answer = self.get_answer(url).await?;
        let version = answer.text.trim();
        // A web app answers any path with a page.
        let is_one = !version.is_empty()
            && version.chars().count() <= LONGEST_VERSION
            && version
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+'));
        if is_one {
            Ok(version.to_owned())
        } else {
            Err(self.unreadable(&answer.what, "no version is in it".to_owned()))
        }
    }

    /// Where the API is.
    pub fn base(&self) -> &BaseUrl {
        &self.inner.base
    }

    /// What lets the user in, as it is now: a login may have been renewed.
    pub fn credential(&self) -> Credential {
        self.inner.lock().clone()
    }

    pub(super) fn set_login(&self, login: Jwt) {
        *self.inner.lock() = Credential::Jwt(login);
    }

    pub(super) fn unreadable(&self, what: &str, reason: String) -> RemoteError {
        RemoteError::Answer {
            what: what.to_owned(),
            host: self.inner.base.host(),
            reason,
        }
    }

    async fn get_answer(&self, url: reqwest::Url) -> Result<super::exchange::Answer, RemoteError> {
        self.ask(reqwest::Method::GET, url, Body::None).await
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, Credential> {
        // A credential is replaced as a whole: a panic elsewhere leaves none half written.
        self.credential
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
