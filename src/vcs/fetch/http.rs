//! Git's protocol over HTTP: one request for the references, one for each step of what follows.
//!
//! ```text
//! GET  <url>/info/refs?service=git-upload-pack      redirects are followed here, each checked like the first URL
//! POST <url>/git-upload-pack                        what libgit2 has written until it reads
//! ```
//!
//! A login goes only to a server that has asked for one (401).

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION, USER_AGENT};
use http::{HeaderMap, StatusCode};
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, Proxy, Response, Url};
use secrecy::ExposeSecret as _;

use super::address::Allowed;
use super::credentials;
use super::error::{FetchError, plain};
use super::remote_url::{Login, Place, strip_login};
use super::session::{Session, resolve};

const REFERENCES: &str = "info/refs?service=git-upload-pack";
const PACK: &str = "git-upload-pack";

/// Some servers answer only to what calls itself git.
const AGENT: &str = concat!("git/2.0 (monkeyci-tui ", env!("CARGO_PKG_VERSION"), ")");

/// As many as git's own.
const MOST_REDIRECTS: usize = 20;
/// What libgit2 may ask for in one step, in bytes.
const MOST_REQUEST: usize = 64 << 20;
/// How long a server may take to let us in.
const CONNECT: Duration = Duration::from_secs(30);
/// How long a server may say nothing; it may have to put a large answer together.
const SILENCE: Duration = Duration::from_mins(3);

/// One request and its answer.
pub(super) struct HttpStream {
    session: Arc<Session>,
    references: bool,
    body: Vec<u8>,
    answer: Option<Response>,
    chunk: Bytes,
}

impl HttpStream {
    pub fn new(session: Arc<Session>, references: bool) -> Self {
        Self {
            session,
            references,
            body: Vec::new(),
            answer: None,
            chunk: Bytes::new(),
        }
    }

    fn fill(&mut self) -> Result<(), FetchError> {
        let session = Arc::clone(&self.session);
        let answer = match &mut self.answer {
            Some(answer) => answer,
            None => {
                let body = Bytes::from(std::mem::take(&mut self.body));
                let asked = Asking {
                    session: &session,
                    references: self.references,
                    body,
                };
                let answer = session.wait(asked.ask())?;
                self.answer.insert(answer)
            }
        };
        let chunk = session.wait(async {
            let chunk = answer.chunk().await;
            chunk.map_err(|error| unreachable(&session, error))
        })?;
        self.chunk = chunk.unwrap_or_default();
        session.count(&self.chunk, self.references)
    }
}

impl Read for HttpStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty()
            && let Err(error) = self.fill()
        {
            return Err(self.session.fail(error));
        }
        let length = self.chunk.len().min(into.len());
        into[..length].copy_from_slice(&self.chunk.split_to(length));
        Ok(length)
    }
}

impl Write for HttpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.answer.is_some() || self.body.len() + bytes.len() > MOST_REQUEST {
            return Err(io::Error::other("nothing more can be asked"));
        }
        self.body.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One step, with the requests it takes.
struct Asking<'a> {
    session: &'a Session,
    references: bool,
    body: Bytes,
}

impl Asking<'_> {
    async fn ask(&self) -> Result<Response, FetchError> {
        let Place::Web { url: first, login } = &self.session.url.place else {
            return Err(self.refused("it is not on the web".to_owned()));
        };
        let moved = self.session.state().moved.clone();
        let mut base = moved.unwrap_or_else(|| first.clone());
        let mut refused_login = false;
        for _ in 0..=MOST_REDIRECTS {
            let own = base.origin() == first.origin();
            let known = self.session.state().login.clone();
            let response = self.send(&base, known.as_ref()).await?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED {
                if refused_login || known.is_some() {
                    return Err(FetchError::Credentials {
                        url: self.session.url.shown.clone(),
                        hint: "those that are known for it are refused".to_owned(),
                    });
                }
                refused_login = true;
                let user = login.as_ref().filter(|_| own).map(|login| &*login.user);
                let found = credentials::login(self.session, &base, user, own).await;
                // A token may stand in the place of the user, with nothing behind it.
                let found = match (found, login) {
                    (Err(FetchError::Credentials { .. }), Some(login)) if own => login.clone(),
                    (found, _) => found?,
                };
                self.session.state().login = Some(found);
                continue;
            }
            if status.is_redirection() {
                let to = self.redirect(&base, &response)?;
                if to.origin() != base.origin() {
                    // What the one server accepts is not for the next.
                    self.session.state().login = None;
                    refused_login = false;
                }
                self.session.state().moved = Some(to.clone());
                base = to;
                continue;
            }
            return self.checked(status, response).await;
        }
        Err(self.refused(format!("it redirects more than {MOST_REDIRECTS} times")))
    }

    async fn send(&self, base: &Url, login: Option<&Login>) -> Result<Response, FetchError> {
        let client = client(self.session, base).await?;
        let url = below(base, if self.references { REFERENCES } else { PACK })
            .ok_or_else(|| self.refused("its URL has no path".to_owned()))?;
        let mut request = if self.references {
            client.get(url).header(ACCEPT, media_type(true))
        } else {
            client
                .post(url)
                .header(CONTENT_TYPE, "application/x-git-upload-pack-request")
                .header(ACCEPT, media_type(false))
                .body(self.body.clone())
        };
        if let Some(login) = login {
            request = request.basic_auth(&login.user, Some(login.password.expose_secret()));
        }
        let response = request.header(USER_AGENT, AGENT).send().await;
        response.map_err(|error| unreachable(self.session, error))
    }

    /// Where a redirect leads: the same for all of the repository, and to where a fetch may go.
    fn redirect(&self, base: &Url, response: &Response) -> Result<Url, FetchError> {
        if !self.references {
            return Err(self.refused("it redirects in the middle of a fetch".to_owned()));
        }
        let location = response.headers().get(LOCATION);
        let location = location.and_then(|to| to.to_str().ok());
        let asked = below(base, REFERENCES);
        let to = asked
            .zip(location)
            .and_then(|(asked, location)| asked.join(location).ok())
            .ok_or_else(|| self.refused("it redirects to what is no URL".to_owned()))?;
        if !matches!(to.scheme(), "http" | "https") {
            return Err(self.refused("it redirects to another protocol".to_owned()));
        }
        if base.scheme() == "https" && to.scheme() == "http" {
            return Err(self.refused("it redirects from https to http".to_owned()));
        }
        let mut whole = to
            .as_str()
            .strip_suffix(REFERENCES)
            .map(|text| text.trim_end_matches('/'))
            .and_then(|text| Url::parse(text).ok())
            .ok_or_else(|| self.refused("it redirects to what is no repository".to_owned()))?;
        strip_login(&mut whole);
        whole.set_fragment(None);
        Ok(whole)
    }

    async fn checked(
        &self,
        status: StatusCode,
        response: Response,
    ) -> Result<Response, FetchError> {
        let url = &self.session.url.shown;
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(FetchError::NoRepository {
                    url: url.clone(),
                    reason: status.to_string(),
                });
            }
            _ => {
                let said = reason(response).await;
                let said = if said.is_empty() {
                    said
                } else {
                    format!(": {said}")
                };
                return Err(self.refused(format!("the server answered {status}{said}")));
            }
        }
        let wanted = media_type(self.references);
        if header(response.headers(), CONTENT_TYPE).starts_with(wanted) {
            return Ok(response);
        }
        Err(self.refused(format!(
            "the server does not speak git's protocol there (it answered with {})",
            match header(response.headers(), CONTENT_TYPE) {
                "" => "something without a type".to_owned(),
                kind => plain(kind),
            }
        )))
    }

    fn refused(&self, reason: String) -> FetchError {
        FetchError::Refused {
            url: self.session.url.shown.clone(),
            reason,
        }
    }
}

fn media_type(references: bool) -> &'static str {
    if references {
        "application/x-git-upload-pack-advertisement"
    } else {
        "application/x-git-upload-pack-result"
    }
}

fn header(headers: &HeaderMap, name: http::HeaderName) -> &str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

/// The beginning of what a server says, if that is text for people.
async fn reason(mut response: Response) -> String {
    if !header(response.headers(), CONTENT_TYPE).starts_with("text/plain") {
        return String::new();
    }
    let first = response.chunk().await.ok().flatten().unwrap_or_default();
    plain(&String::from_utf8_lossy(&first[..first.len().min(1000)]))
}

fn below(base: &Url, path: &str) -> Option<Url> {
    let base = base.as_str().trim_end_matches('/');
    Url::parse(&format!("{base}/{path}")).ok()
}

fn unreachable(session: &Session, error: reqwest::Error) -> FetchError {
    // One of ours, from the look-up of the host.
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(Objection { host, what }) = inner.downcast_ref::<Objection>() {
            return FetchError::Forbidden {
                url: session.url.shown.clone(),
                host: host.clone(),
                what,
            };
        }
        cause = inner.source();
    }
    FetchError::Unreachable {
        url: session.url.shown.clone(),
        // The URL is told already, and may have more in it than should be.
        reason: plain(&crate::ports::chain(&error.without_url())),
    }
}

/// The client for the host of a URL, once it is sure that it may be connected to.
async fn client(session: &Session, url: &Url) -> Result<Client, FetchError> {
    let origin = url.origin().ascii_serialization();
    if let Some((known, client)) = &session.state().client
        && *known == origin
    {
        return Ok(client.clone());
    }
    let host = url.host_str().unwrap_or_default();
    session.check_literal(host)?;
    let mut builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        // Ours, below, or none.
        .no_proxy();
    let proxy = proxy(session, url)?;
    if let Some(proxy) = proxy {
        // The proxy makes the connection. What it may reach is for it to say, but what is known here to be forbidden
        // is not asked of it.
        if !session.allowed.any_host() {
            let port = url.port_or_known_default().unwrap_or(443);
            match session.resolve(host, port).await {
                Ok(_) | Err(FetchError::Unreachable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        builder = builder.proxy(proxy);
    } else {
        builder = builder.dns_resolver(Arc::new(Checked(session.allowed)));
    }
    let builder = trusting(session, url, builder)?;
    let client = builder.build().map_err(|error| FetchError::Start {
        what: "a connection over HTTP".to_owned(),
        source: io::Error::other(error.without_url()),
    })?;
    session.state().client = Some((origin, client.clone()));
    Ok(client)
}

/// Whom the client trusts.
fn trusting(
    session: &Session,
    url: &Url,
    builder: reqwest::ClientBuilder,
) -> Result<reqwest::ClientBuilder, FetchError> {
    if url.scheme() == "http" {
        // There is no TLS; looking up whom the system trusts takes time.
        return Ok(builder.tls_certs_only(std::iter::empty()));
    }
    let file = session.ca_file.clone();
    let Some(file) = file.or_else(|| session.git.ca_file(url)) else {
        return Ok(builder);
    };
    let start = |source| FetchError::Start {
        what: format!("a connection that trusts what `{}` names", file.display()),
        source,
    };
    let text = std::fs::read(&file).map_err(start)?;
    let found = Certificate::from_pem_bundle(&text).map_err(io::Error::other);
    let found = found.map_err(start)?;
    if found.is_empty() {
        return Err(start(io::Error::other("there is no certificate in it")));
    }
    Ok(builder.tls_certs_only(found))
}

/// The proxy that stands before a host.
fn proxy(session: &Session, url: &Url) -> Result<Option<Proxy>, FetchError> {
    let Some(setting) = session.git.proxy(url).filter(|proxy| !proxy.is_empty()) else {
        return Ok(None);
    };
    let wrong = || FetchError::Refused {
        url: session.url.shown.clone(),
        reason: "the proxy that is set for it is none that can be used (http:// or https://)"
            .to_owned(),
    };
    let matcher = Matcher::builder()
        .all(setting.as_str())
        .no(session.git.no_proxy())
        .build();
    let uri: http::Uri = url.as_str().parse().map_err(|_| wrong())?;
    let Some(found) = matcher.intercept(&uri) else {
        // Either the host is one of those without a proxy, or the setting makes no sense.
        let readable = Matcher::builder().all(setting.as_str()).build();
        return readable
            .intercept(&uri)
            .map_or_else(|| Err(wrong()), |_| Ok(None));
    };
    if !matches!(found.uri().scheme_str(), Some("http" | "https")) {
        return Err(wrong());
    }
    let mut proxy = Proxy::all(found.uri().to_string()).map_err(|_| wrong())?;
    if let Some(login) = found.basic_auth() {
        proxy = proxy.custom_http_auth(login.clone());
    }
    Ok(Some(proxy))
}

/// Looks hosts up and checks what is found; connections go to what it returns.
struct Checked(Allowed);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.0;
        Box::pin(async move {
            match resolve(name.as_str(), 0, allowed, "").await {
                Ok(found) => Ok(Box::new(found.into_iter()) as Addrs),
                Err(FetchError::Forbidden { host, what, .. }) => {
                    Err(Objection { host, what }.into())
                }
                Err(FetchError::Unreachable { reason, .. }) => Err(reason.into()),
                Err(other) => Err(other.into()),
            }
        })
    }
}

/// What travels through the client when a host may not be connected to.
#[derive(Debug, thiserror::Error)]
#[error("{host} is {what}")]
struct Objection {
    host: String,
    what: &'static str,
}
