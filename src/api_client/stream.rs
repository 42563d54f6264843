//! The event stream of a build, with exact resume.
//!
//! ```text
//!             ┌──────── Lost (back-off) ◄────────┐
//!             ▼                                  │ broken, silent, 5xx
//! Idle ─► connecting ─► open ─► Event, Ping … ───┤
//!             │                                  │ ended by the server:
//!             │ 4xx                              │  after build/end, or twice with
//!             ▼                                  ▼  nothing new
//!          Failed ──────────────────────────►  End
//! ```
//!
//! Every event carries its number; a reconnect asks for what comes after the last one
//! seen, and an event that comes again is dropped. So across any number of cuts each
//! event is told once, in order.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use eventsource_client::{BoxStream, Error as StreamError, SSE};
use futures_util::StreamExt;
use tokio::time::Instant;

use crate::domain::{Event, EventKind, LogId, Seq};
use crate::wire::sse::{self, Told};

use super::client::ApiClient;
use super::error::{ApiError, innermost};

/// The first wait before trying again; it doubles up to the longest.
const SHORTEST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// How long to keep trying when nothing else is asked for.
const PERSEVERANCE: Duration = Duration::from_secs(10);

/// What an [`EventStream`] has to tell.
#[derive(Debug)]
pub enum StreamItem {
    /// The next event, with its number.
    Event(Arc<Event>),
    /// A log grew.
    LogGrew(LogId),
    /// A heartbeat.
    Ping,
    /// The connection is gone; it is tried again after the time given.
    Lost {
        /// Why, for people.
        reason: String,
        /// Time until the next try.
        retry_in: Duration,
    },
    /// The connection is back.
    Restored,
    /// There will be no more: the server refuses, or is gone for good. [`StreamItem::End`] follows.
    Failed(ApiError),
    /// The journal is closed and has been told to its end.
    End,
}

/// The events of a build, one connection after the other.
pub struct EventStream {
    client: ApiClient,
    state: State,
    /// The last number seen.
    last: Option<Seq>,
    /// Tries since a connection was worth something.
    tries: u32,
    connected_at: Option<Instant>,
    /// Since when there is no connection.
    offline_since: Option<Instant>,
    perseverance: Duration,
    /// Connections in a row that the server ended with nothing new.
    empty_ends: u32,
    /// Something new came over this connection.
    fresh: bool,
    /// `build/end` was seen: the end of the stream is no accident.
    build_ended: bool,
}

enum State {
    Idle,
    Waiting(Instant),
    Connecting(BoxStream<eventsource_client::Result<SSE>>),
    Open(BoxStream<eventsource_client::Result<SSE>>),
    Over,
}

impl EventStream {
    pub(super) fn new(client: ApiClient, after: Option<Seq>) -> Self {
        Self {
            client,
            state: State::Idle,
            last: after,
            tries: 0,
            connected_at: None,
            offline_since: None,
            perseverance: PERSEVERANCE,
            empty_ends: 0,
            fresh: false,
            build_ended: false,
        }
    }

    /// How long to try to get a lost connection back.
    #[must_use]
    pub fn persevere(mut self, time: Duration) -> Self {
        self.perseverance = time;
        self
    }

    /// The number of the last event told.
    pub fn last_seq(&self) -> Option<Seq> {
        self.last
    }

    /// Waits until the server has accepted the subscription: from then on nothing is missed.
    pub async fn connected(&mut self) -> Result<(), ApiError> {
        loop {
            if matches!(self.state, State::Open(_)) {
                return Ok(());
            }
            match self.advance().await {
                Some(StreamItem::Failed(error)) => return Err(error),
                Some(StreamItem::End) => {
                    return Err(ApiError::Gone {
                        reason: "the build is over".to_owned(),
                    });
                }
                _ => {}
            }
        }
    }

    /// The next item; [`StreamItem::End`] for ever once it is over. Cancel safe.
    pub async fn next(&mut self) -> StreamItem {
        loop {
            if let Some(item) = self.advance().await {
                return item;
            }
        }
    }

    /// One step. Everything that must survive being dropped at an await is in `self`.
    async fn advance(&mut self) -> Option<StreamItem> {
        match &mut self.state {
            State::Idle => {
                match self.client.open_stream(self.last) {
                    Ok(stream) => self.state = State::Connecting(stream),
                    Err(error) => return Some(self.fail(error)),
                }
                None
            }
            State::Waiting(until) => {
                tokio::time::sleep_until(*until).await;
                self.state = State::Idle;
                None
            }
            State::Connecting(stream) | State::Open(stream) => {
                let heard = stream.next().await;
                self.hear(heard)
            }
            State::Over => Some(StreamItem::End),
        }
    }

    fn hear(&mut self, heard: Option<eventsource_client::Result<SSE>>) -> Option<StreamItem> {
        match heard {
            Some(Ok(SSE::Connected(_))) => {
                self.fresh = false;
                self.connected_at = Some(Instant::now());
                if let State::Connecting(stream) = std::mem::replace(&mut self.state, State::Idle) {
                    self.state = State::Open(stream);
                }
                self.offline_since.take().map(|_| StreamItem::Restored)
            }
            Some(Ok(SSE::Comment(_))) => Some(StreamItem::Ping),
            Some(Ok(SSE::Event(frame))) => self.frame(frame.id.as_deref(), &frame.data),
            Some(Err(StreamError::UnexpectedResponse(response, _))) => {
                let status = response.status();
                if status >= 500 {
                    return Some(self.lose(format!("the server answers {status}")));
                }
                Some(self.fail(ApiError::Refused {
                    what: "GET /events".to_owned(),
                    status,
                    message: String::new(),
                }))
            }
            Some(Err(StreamError::Eof)) => {
                self.empty_ends = if self.fresh { 0 } else { self.empty_ends + 1 };
                if self.build_ended || self.empty_ends >= 2 {
                    self.state = State::Over;
                    return Some(StreamItem::End);
                }
                Some(self.lose("the server ended the stream".to_owned()))
            }
            Some(Err(error)) => Some(self.lose(innermost(&error))),
            None => Some(self.lose("the stream ended".to_owned())),
        }
    }

    fn frame(&mut self, id: Option<&str>, data: &str) -> Option<StreamItem> {
        // Only a broken server sends what cannot be read; the next frame may be fine.
        let mut event = match sse::read(data).ok()? {
            Told::Ping => return Some(StreamItem::Ping),
            Told::LogGrew(log) => return Some(StreamItem::LogGrew(log)),
            Told::Event(event) => *event,
        };
        if let Some(seq) = id.and_then(|id| id.parse().ok()) {
            if self.last.is_some_and(|last| seq <= last) {
                return None;
            }
            self.last = Some(seq);
            event.seq = seq;
        }
        self.fresh = true;
        self.build_ended |= matches!(event.kind, EventKind::BuildEnd { .. });
        Some(StreamItem::Event(Arc::new(event)))
    }

    fn lose(&mut self, reason: String) -> StreamItem {
        let now = Instant::now();
        let since = *self.offline_since.get_or_insert(now);
        if now.duration_since(since) >= self.perseverance {
            return self.fail(ApiError::Gone { reason });
        }
        // A server that accepts and hangs up at once must not be asked without pause.
        let lasted = self.connected_at.take().map(|at| now.duration_since(at));
        if std::mem::take(&mut self.fresh) || lasted.is_some_and(|time| time >= LONGEST_WAIT) {
            self.tries = 0;
        }
        let retry_in = SHORTEST_WAIT
            .saturating_mul(2_u32.saturating_pow(self.tries))
            .min(LONGEST_WAIT);
        self.tries = self.tries.saturating_add(1);
        self.state = State::Waiting(now + retry_in);
        StreamItem::Lost { reason, retry_in }
    }

    fn fail(&mut self, error: ApiError) -> StreamItem {
        self.state = State::Over;
        StreamItem::Failed(error)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Idle => "idle",
            State::Waiting(_) => "waiting",
            State::Connecting(_) => "connecting",
            State::Open(_) => "open",
            State::Over => "over",
        };
        f.debug_struct("EventStream")
            .field("state", &state)
            .field("last", &self.last)
            .field("tries", &self.tries)
            .finish_non_exhaustive()
    }
}
