//! What every request goes through: the credential's header, trying again, renewing a login, the
//! one redirect that is followed, and the bound on what an answer may be.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION, RANGE, RETRY_AFTER,
};
use reqwest::{Method, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};

use crate::edn::{self, Value};

use super::address::host_of;
use super::client::Client;
use super::credential::{Credential, Jwt};
use super::error::{RemoteError, innermost};
use super::refusal::{self, Asked};
use super::retry;
use super::types::text;

/// Largest answer that is read, in bytes: a repo's list of builds has all of them.
const LARGEST: u64 = 64 << 20;

/// Of a refusal only a sentence is wanted.
const LARGEST_REFUSAL: u64 = 64 << 10;

/// How long an answer may take as a whole, however it drips in.
const OVERALL: Duration = Duration::from_mins(5);

const EDN: HeaderValue = HeaderValue::from_static("application/edn");

/// What is sent along.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// Nothing.
    None,
    /// A map, as EDN: JSON would rename keys (public-api.md §3).
    Edn(Value),
    /// A file, as it is.
    File(PathBuf),
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    /// Method and path.
    pub what: String,
    /// The HTTP status.
    pub status: StatusCode,
    /// The content is said to be EDN.
    pub is_edn: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The same as text; odd bytes are replaced.
    pub text: String,
}

impl Client {
    /// Sends a request and reads its answer, whatever it takes. An error is all but a success.
    pub(super) async fn ask(
        &self,
        method: Method,
        url: Url,
        body: Body,
    ) -> Result<Answer, RemoteError> {
        let what = what(&method, &url);
        let mut tried = 0;
        loop {
            tried += 1;
            let read = async {
                let response = self.send(&what, &method, &url, &body, None).await?;
                let status = response.status();
                let is_edn = is_edn(&response);
                let bytes = self.read(&what, response, LARGEST).await?;
                Ok((status, is_edn, bytes))
            };
            let outcome = match tokio::time::timeout(OVERALL, read).await {
                Ok(outcome) => outcome,
                Err(_) => Err(self.silent(&what)),
            };
            match outcome {
                Ok((status, is_edn, bytes)) => {
                    return Ok(Answer {
                        what,
                        status,
                        is_edn,
                        text: String::from_utf8_lossy(&bytes).into_owned(),
                        bytes,
                    });
                }
                Err(error) => match self.pause(&method, tried, &error) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(error),
                },
            }
        }
    }

    /// As [`ask`](Self::ask), for an answer in EDN; `None` for an empty one (204).
    pub(super) async fn ask_edn(
        &self,
        method: Method,
        url: Url,
        body: Body,
    ) -> Result<Option<Value>, RemoteError> {
        let answer = self.ask(method, url, body).await?;
        self.edn_of(&answer)
    }

    pub(super) fn edn_of(&self, answer: &Answer) -> Result<Option<Value>, RemoteError> {
        if answer.status == StatusCode::NO_CONTENT || answer.text.trim().is_empty() {
            return Ok(None);
        }
        if !answer.is_edn {
            let reason = "it is not EDN".to_owned();
            return Err(self.unreadable(&answer.what, reason));
        }
        edn::read_lenient(&answer.text)
            .map(Some)
            .map_err(|error| self.unreadable(&answer.what, error.to_string()))
    }

    /// Sends a file, however long that takes.
    pub(super) async fn upload(&self, url: &Url, file: PathBuf) -> Result<(), RemoteError> {
        let what = what(&Method::POST, url);
        let body = Body::File(file);
        let sent = self.send(&what, &Method::POST, url, &body, None).await;
        sent.map(drop)
    }

    /// The response to a GET that is streamed by the caller, from a byte on where it is possible.
    pub(super) async fn open(
        &self,
        url: &Url,
        from: u64,
    ) -> Result<(String, Response), RemoteError> {
        let what = what(&Method::GET, url);
        let mut tried = 0;
        loop {
            tried += 1;
            let from = (from > 0).then_some(from);
            match self.send(&what, &Method::GET, url, &Body::None, from).await {
                Ok(response) => return Ok((what, response)),
                Err(error) => match self.pause(&Method::GET, tried, &error) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(error),
                },
            }
        }
    }

    /// How long to wait before the same request is sent again, if it may be: only one that changes
    /// nothing, and only for what may have passed by then.
    pub(super) fn pause(
        &self,
        method: &Method,
        tried: u32,
        error: &RemoteError,
    ) -> Option<Duration> {
        if *method != Method::GET {
            return None;
        }
        let asked = match error {
            RemoteError::Busy { retry_after, .. } => *retry_after,
            RemoteError::Unreachable { .. } => None,
            _ => return None,
        };
        self.inner.retry.wait(tried, asked)
    }

    /// One request, with a renewed login if the old one is refused and can be renewed.
    async fn send(
        &self,
        what: &str,
        method: &Method,
        url: &Url,
        body: &Body,
        from: Option<u64>,
    ) -> Result<Response, RemoteError> {
        let credential = self.credential();
        let first = self
            .send_with(what, method, url, body, from, &credential)
            .await;
        let (Err(RemoteError::LoginRefused { .. }), Some(login)) = (&first, credential.jwt())
        else {
            return first;
        };
        if login.refresh.is_none() {
            return first;
        }
        let renewed = Credential::Jwt(self.renew(login).await?);
        self.send_with(what, method, url, body, from, &renewed)
            .await
    }

    async fn send_with(
        &self,
        what: &str,
        method: &Method,
        url: &Url,
        body: &Body,
        from: Option<u64>,
        credential: &Credential,
    ) -> Result<Response, RemoteError> {
        let mut url = url.clone();
        let mut followed = false;
        let response = loop {
            let mut request = self
                .inner
                .requests
                .request(method.clone(), url.clone())
                .header(ACCEPT, EDN);
            if let Some(header) = sensitive(credential.header())? {
                request = request.header(AUTHORIZATION, header);
            }
            match body {
                Body::None => {}
                Body::Edn(value) => {
                    request = request.header(CONTENT_TYPE, EDN).body(edn::write(value));
                }
                Body::File(path) => {
                    let unread = |error| RemoteError::Unread {
                        path: path.clone(),
                        reason: innermost(&error),
                    };
                    let file = tokio::fs::File::open(path).await.map_err(unread)?;
                    let length = file.metadata().await.map_err(unread)?.len();
                    let stream = tokio_util::io::ReaderStream::new(file);
                    request = request
                        .header(CONTENT_TYPE, "application/gzip")
                        .header(CONTENT_LENGTH, length)
                        .body(reqwest::Body::wrap_stream(stream));
                }
            }
            if let Some(from) = from {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            let response = request
                .send()
                .await
                .map_err(|error| self.broken(what, &error))?;
            if !response.status().is_redirection() {
                break response;
            }
            let location = response.headers().get(LOCATION);
            let to = location
                .and_then(|to| to.to_str().ok())
                .and_then(|to| url.join(to).ok());
            match to {
                Some(to) if !followed && differs_by_slash(&url, &to) => {
                    followed = true;
                    url = to;
                }
                to => return Err(redirected(what, &url, to.as_ref())),
            }
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|header| header.to_str().ok())
            .and_then(|header| retry::asked(header, Timestamp::now()));
        // A body that cannot be read changes nothing about the refusal.
        let body = self
            .read(what, response, LARGEST_REFUSAL)
            .await
            .unwrap_or_default();
        let expires = credential.jwt().and_then(Jwt::expires_at);
        let asked = Asked {
            what,
            with_credential: credential.is_some(),
            expired: expires.is_some_and(|at| at <= Timestamp::now().as_millisecond()),
        };
        Err(refusal::of(
            asked,
            status,
            &String::from_utf8_lossy(&body),
            retry_after,
        ))
    }

    /// Reads a body up to a bound.
    async fn read(
        &self,
        what: &str,
        mut response: Response,
        limit: u64,
    ) -> Result<Vec<u8>, RemoteError> {
        let too_large = || RemoteError::TooLarge {
            what: what.to_owned(),
            limit,
        };
        if response
            .content_length()
            .is_some_and(|length| length > limit)
        {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.broken(what, &error))?
        {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Buys a new login with the refresh token of an old one, once for all who found the old one
    /// refused (public-api.md §2.2).
    pub(super) async fn renew(&self, old: &Jwt) -> Result<Jwt, RemoteError> {
        let _alone = self.inner.renewing.lock().await;
        if let Credential::Jwt(now) = self.credential()
            && now.jwt.expose_secret() != old.jwt.expose_secret()
        {
            return Ok(now);
        }
        let failed = |reason: String| RemoteError::Renewal { reason };
        let refresh = (old.refresh.as_ref()).ok_or_else(|| failed("it cannot be".to_owned()))?;
        let (provider, _) = old
            .subject()
            .ok_or_else(|| failed("it does not say who issued it".to_owned()))?;
        let url = self.inner.base.join(&[&provider, "refresh"])?;
        let what = what(&Method::POST, &url);
        let body = Body::Edn(Value::map([(
            "refresh-token",
            refresh.expose_secret().into(),
        )]));
        let response = self
            .send_with(&what, &Method::POST, &url, &body, None, &Credential::None)
            .await
            .map_err(|error| match error {
                error if error.is_transient() => error,
                error => failed(error.to_string()),
            })?;
        let bytes = self.read(&what, response, LARGEST_REFUSAL).await?;
        let answer = edn::read_lenient(&String::from_utf8_lossy(&bytes)).ok();
        let answer = answer.as_ref().and_then(Value::as_map);
        let token = |key: &str| {
            answer
                .and_then(|answer| text(answer, key))
                .map(SecretString::from)
        };
        let jwt = token("token").ok_or_else(|| failed("the answer has no token".to_owned()))?;
        let login = Jwt {
            jwt,
            // A provider that gives no new one goes on with the old.
            refresh: token("refresh-token").or_else(|| old.refresh.clone()),
        };
        self.set_login(login.clone());
        if let Some(told) = &self.inner.on_refresh {
            (told.0)(&login);
        }
        Ok(login)
    }

    pub(super) fn broken(&self, what: &str, error: &reqwest::Error) -> RemoteError {
        if error.is_timeout() {
            return self.silent(what);
        }
        RemoteError::Unreachable {
            what: what.to_owned(),
            host: self.inner.base.host(),
            reason: innermost(error),
        }
    }

    fn silent(&self, what: &str) -> RemoteError {
        RemoteError::Silent {
            what: what.to_owned(),
            host: self.inner.base.host(),
        }
    }
}

/// Method and path. A query is left out: nothing in it says more.
pub(super) fn what(method: &Method, url: &Url) -> String {
    format!("{method} {}", url.path())
}

/// The header, marked so that no library shows it.
pub(super) fn sensitive(header: Option<SecretString>) -> Result<Option<HeaderValue>, RemoteError> {
    let Some(header) = header else {
        return Ok(None);
    };
    let mut value = HeaderValue::from_str(header.expose_secret()).map_err(|_| {
        RemoteError::Setup("the credential has characters in it that no header carries".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn is_edn(response: &Response) -> bool {
    response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/edn"))
}

/// The same place with or without a slash at its end: the only redirect a MonkeyCI server sends.
fn differs_by_slash(from: &Url, to: &Url) -> bool {
    from.origin() == to.origin()
        && from.path() != to.path()
        && from.path().trim_end_matches('/') == to.path().trim_end_matches('/')
        && to.username().is_empty()
        && to.password().is_none()
}

fn redirected(what: &str, from: &Url, to: Option<&Url>) -> RemoteError {
    let to = match to {
        Some(to) if to.origin() == from.origin() => to.path().to_owned(),
        Some(to) => format!("{}://{}", to.scheme(), host_of(to)),
        None => "nowhere".to_owned(),
    };
    RemoteError::Redirected {
        what: what.to_owned(),
        to,
    }
}
