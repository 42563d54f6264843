//! What a server tells of an org's builds as it happens (public-api.md §8).
//!
//! One connection: it is never made again from inside. The server replays nothing, so whoever
//! connects again has to load what is on screen again too, and that is the caller's decision.

use std::fmt;

use eventsource_client::{
    BoxStream, Client as _, ClientBuilder, Error as StreamError, ReconnectOptions, SSE,
};
use futures_util::StreamExt;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;

use crate::domain::{Millis, Sid};
use crate::edn::{self, Value};

use super::client::Client;
use super::credential::Jwt;
use super::error::{RemoteError, innermost};
use super::exchange::what;
use super::refusal::{self, Asked};
use super::transport::Transport;
use super::types::BuildInfo;

/// What [`OrgEvents`] has to tell.
#[derive(Debug)]
pub enum OrgEvent {
    /// The server has accepted: from now on builds that change are told. What was before has to be
    /// asked for.
    Connected,
    /// A build as it is now; its jobs are a map by id.
    Build(Box<BuildInfo>),
    /// A heartbeat.
    Ping,
    /// The connection is gone; a new one may be opened after a pause.
    Lost(RemoteError),
    /// The server refuses: the credential, or there is no such org. Trying again helps nobody.
    Refused(RemoteError),
}

/// The builds of an org as they change, over one connection. After [`OrgEvent::Lost`] or
/// [`OrgEvent::Refused`] there is nothing more.
pub struct OrgEvents {
    client: Client,
    org: String,
    state: State,
}

enum State {
    Idle,
    Open(BoxStream<eventsource_client::Result<SSE>>),
    Over,
}

impl Client {
    /// The events of an org. Connects when the first one is waited for.
    pub fn events(&self, org: &str) -> OrgEvents {
        OrgEvents {
            client: self.clone(),
            org: org.to_owned(),
            state: State::Idle,
        }
    }
}

impl OrgEvents {
    /// Waits for the next one; `None` once the connection is over. What is waited for may be
    /// dropped at any time, nothing is lost by it.
    pub async fn next(&mut self) -> Option<OrgEvent> {
        loop {
            let heard = match &mut self.state {
                State::Over => return None,
                State::Idle => {
                    match self.open() {
                        Ok(stream) => self.state = State::Open(stream),
                        Err(error) => return Some(self.end(OrgEvent::Refused(error))),
                    }
                    continue;
                }
                State::Open(stream) => stream.next().await,
            };
            match heard {
                Some(Ok(SSE::Connected(_))) => return Some(OrgEvent::Connected),
                Some(Ok(SSE::Comment(_))) => return Some(OrgEvent::Ping),
                Some(Ok(SSE::Event(frame))) => {
                    // Only a broken server sends what cannot be read; the next frame may be fine.
                    if let Some(event) = read(&frame.data) {
                        return Some(event);
                    }
                }
                Some(Err(StreamError::UnexpectedResponse(response, _))) => {
                    let error = self.refusal(response.status());
                    let event = match response.status() {
                        300..500 if response.status() != 429 => OrgEvent::Refused(error),
                        _ => OrgEvent::Lost(error),
                    };
                    return Some(self.end(event));
                }
                Some(Err(StreamError::Eof | StreamError::UnexpectedEof)) | None => {
                    let error = self.lost("the server ended the stream".to_owned());
                    return Some(self.end(OrgEvent::Lost(error)));
                }
                Some(Err(error)) => {
                    let error = match &error {
                        StreamError::TimedOut => self.lost("it says nothing".to_owned()),
                        StreamError::Transport(inner) => self.lost(reason(inner)),
                        StreamError::HttpStream(inner) => self.lost(innermost(&**inner)),
                        other => self.lost(innermost(other)),
                    };
                    return Some(self.end(OrgEvent::Lost(error)));
                }
            }
        }
    }

    /// The org whose builds are told.
    pub fn org(&self) -> &str {
        &self.org
    }

    fn open(&self) -> Result<BoxStream<eventsource_client::Result<SSE>>, RemoteError> {
        let setup = |error: StreamError| RemoteError::Setup(error.to_string());
        let inner = &self.client.inner;
        let url = inner.events.join(&["org", &self.org, "events"])?;
        let reconnect = ReconnectOptions::reconnect(false)
            .retry_initial(false)
            .build();
        let mut builder = ClientBuilder::for_url(url.as_str())
            .map_err(setup)?
            .reconnect(reconnect)
            .redirect_limit(0);
        if let Some(header) = self.client.credential().header() {
            builder = builder
                .header("Authorization", header.expose_secret())
                // The library's own words may quote the header.
                .map_err(|_| RemoteError::Setup("the credential fits no header".to_owned()))?;
        }
        let client = builder.build_with_transport(Transport(inner.streams.clone()));
        Ok(client.stream())
    }

    fn refusal(&self, status: u16) -> RemoteError {
        let what = self.what();
        let credential = self.client.credential();
        let now = jiff::Timestamp::now().as_millisecond();
        let expires: Option<Millis> = credential.jwt().and_then(Jwt::expires_at);
        if (300..400).contains(&status) {
            let to = "another address".to_owned();
            return RemoteError::Redirected { what, to };
        }
        let asked = Asked {
            what: &what,
            with_credential: credential.is_some(),
            expired: expires.is_some_and(|at| at <= now),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        refusal::of(asked, status, "", None)
    }

    fn lost(&self, reason: String) -> RemoteError {
        RemoteError::Unreachable {
            what: self.what(),
            host: self.client.inner.events.host(),
            reason,
        }
    }

    fn what(&self) -> String {
        match self.client.inner.events.join(&["org", &self.org, "events"]) {
            Ok(url) => what(&Method::GET, &url),
            Err(_) => "GET the events".to_owned(),
        }
    }

    fn end(&mut self, event: OrgEvent) -> OrgEvent {
        self.state = State::Over;
        event
    }
}

/// Why a connection broke, for people.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error
            .downcast_ref::<reqwest::Error>()
            .is_some_and(reqwest::Error::is_timeout)
        {
            return "it says nothing".to_owned();
        }
        cause = error.source();
    }
    innermost(error)
}

fn read(data: &str) -> Option<OrgEvent> {
    let value = edn::read_lenient(data).ok()?;
    match value.get("type")? {
        Value::Keyword(keyword) if keyword.as_str() == "ping" => Some(OrgEvent::Ping),
        Value::Keyword(keyword) if keyword.as_str() == "build/updated" => {
            let mut map = value.get("build")?.as_map()?.clone();
            // The event names its build also where the build does not.
            if let Some(sid) = sid_of(&value) {
                for (key, id) in [
                    ("org-id", sid.org),
                    ("repo-id", sid.repo),
                    ("build-id", sid.build),
                ] {
                    if !map.contains_kw(key) {
                        map.insert_kw(key, id);
                    }
                }
            }
            BuildInfo::read(&map).map(|build| OrgEvent::Build(Box::new(build)))
        }
        _ => None,
    }
}

fn sid_of(event: &Value) -> Option<Sid> {
    match event.get("sid")?.as_seq()? {
        [org, repo, build] => Some(Sid::new(org.as_str()?, repo.as_str()?, build.as_str()?)),
        _ => None,
    }
}

impl fmt::Debug for OrgEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Idle => "idle",
            State::Open(_) => "open",
            State::Over => "over",
        };
        f.debug_struct("OrgEvents")
            .field("org", &self.org)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
