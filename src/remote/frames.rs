//! One connection of an event stream of a server: its frames as they come, and why it ended.
//!
//! It is never made again from inside: what to do about a break is for those who know what they have
//! missed. What is in a frame is theirs too.

use std::fmt;

use eventsource_client::{
    BoxStream, Client as _, ClientBuilder, Error as StreamError, ReconnectOptions, SSE,
};
use futures_util::StreamExt;
use reqwest::{Method, StatusCode, Url};
use secrecy::ExposeSecret;

use crate::domain::{Millis, Seq};

use super::client::Client;
use super::credential::Jwt;
use super::error::{RemoteError, innermost};
use super::exchange::what;
use super::refusal::{self, Asked};
use super::transport::Transport;

/// What a connection has to tell.
#[derive(Debug)]
pub(super) enum Heard {
    /// The server has accepted; `is_stream`: with what it calls an event stream.
    Connected { is_stream: bool },
    /// A comment, which is a sign of life.
    Comment,
    /// A frame. One without an id has that of the one before.
    Frame { id: Option<String>, data: String },
    /// The server has ended the stream in order.
    Ended(RemoteError),
    /// The connection broke, or the server is busy: a new one may be opened after a pause.
    Lost(RemoteError),
    /// The server refuses, with this status or for another reason. Trying again helps nobody.
    Refused(Option<u16>, RemoteError),
}

/// One connection. After [`Heard::Ended`], [`Heard::Lost`] or [`Heard::Refused`] there is nothing more.
pub(super) struct Frames {
    client: Client,
    /// Below the address of the event streams.
    path: Vec<String>,
    after: Option<Seq>,
    state: State,
}

enum State {
    Idle,
    Open(BoxStream<eventsource_client::Result<SSE>>),
    Over,
}

impl Frames {
    /// The stream at a path; what comes after an event of that number. Connects when it is first waited
    /// for.
    pub(super) fn new(client: &Client, path: &[&str], after: Option<Seq>) -> Self {
        Self {
            client: client.clone(),
            path: path.iter().map(|part| (*part).to_owned()).collect(),
            after,
            state: State::Idle,
        }
    }

    /// Waits for the next one; `None` once the connection is over. What is waited for may be
    /// dropped at any time, nothing is lost by it.
    pub(super) async fn next(&mut self) -> Option<Heard> {
        let heard = loop {
            match &mut self.state {
                State::Over => return None,
                State::Open(stream) => break stream.next().await,
                State::Idle => match self.open() {
                    Ok(stream) => self.state = State::Open(stream),
                    Err(error) => return Some(self.end(Heard::Refused(None, error))),
                },
            }
        };
        Some(match heard {
            Some(Ok(SSE::Connected(details))) => {
                let kind = details.response().get_header_value("content-type");
                let kind = kind.ok().flatten().unwrap_or_default();
                let is_stream = kind.starts_with("text/event-stream");
                Heard::Connected { is_stream }
            }
            Some(Ok(SSE::Comment(_))) => Heard::Comment,
            Some(Ok(SSE::Event(frame))) => Heard::Frame {
                id: frame.id,
                data: frame.data,
            },
            Some(Err(StreamError::UnexpectedResponse(response, _))) => {
                let status = response.status();
                let error = self.refusal(status);
                self.end(match status {
                    429 => Heard::Lost(error),
                    300..=499 | 501 => Heard::Refused(Some(status), error),
                    _ => Heard::Lost(error),
                })
            }
            Some(Err(StreamError::MaxRedirectLimitReached(_))) => {
                let error = self.refusal(301);
                self.end(Heard::Refused(Some(301), error))
            }
            Some(Err(StreamError::Eof)) => {
                let error = self.lost("the server ended the stream".to_owned());
                self.end(Heard::Ended(error))
            }
            Some(Err(error)) => {
                let error = match &error {
                    StreamError::TimedOut => self.lost("it says nothing".to_owned()),
                    StreamError::Transport(inner) => self.lost(reason(inner)),
                    StreamError::HttpStream(inner) => self.lost(innermost(&**inner)),
                    StreamError::UnexpectedEof => {
                        self.lost("the server ended the stream".to_owned())
                    }
                    other => self.lost(innermost(other)),
                };
                self.end(Heard::Lost(error))
            }
            None => {
                let error = self.lost("the server ended the stream".to_owned());
                self.end(Heard::Lost(error))
            }
        })
    }

    fn url(&self) -> Result<Url, RemoteError> {
        let parts: Vec<&str> = self.path.iter().map(String::as_str).collect();
        self.client.inner.events.join(&parts)
    }

    fn open(&self) -> Result<BoxStream<eventsource_client::Result<SSE>>, RemoteError> {
        let setup = |error: StreamError| RemoteError::Setup(error.to_string());
        let url = self.url()?;
        let reconnect = ReconnectOptions::reconnect(false)
            .retry_initial(false)
            .build();
        let mut builder = ClientBuilder::for_url(url.as_str())
            .map_err(setup)?
            .reconnect(reconnect)
            .redirect_limit(0);
        if let Some(after) = self.after {
            builder = builder.last_event_id(after.to_string());
        }
        if let Some(header) = self.client.credential().header() {
            builder = builder
                .header("Authorization", header.expose_secret())
                // The library's own words may quote the header.
                .map_err(|_| RemoteError::Setup("the credential fits no header".to_owned()))?;
        }
        let streams = self.client.inner.streams.clone();
        Ok(builder.build_with_transport(Transport(streams)).stream())
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
        match self.url() {
            Ok(url) => what(&Method::GET, &url),
            Err(_) => "GET the events".to_owned(),
        }
    }

    fn end(&mut self, heard: Heard) -> Heard {
        self.state = State::Over;
        heard
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

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Idle => "idle",
            State::Open(_) => "open",
            State::Over => "over",
        };
        f.debug_struct("Frames")
            .field("path", &self.path)
            .field("after", &self.after)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
