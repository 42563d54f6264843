//! Event streams: what all builds become, for any client (public-api.md §8), and the whole journal
//! of one build, numbered, for ours.
//!
//! ```text
//! ping · what the journal has · ping · what happens from now on, pings in silence
//! ```
//!
//! The second ping of the numbered one tells a watcher that it has caught up.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep_until};

use crate::domain::{Event, Seq};
use crate::engine::LogGrowth;
use crate::journal::{Cursor, Journal};
use crate::ports::chain;
use crate::wire::sse;

use super::board::{Key, Stage, Told, key_of};
use super::builds::no_build;
use super::frames::Frames;
use super::reply::Format;
use super::{Server, beside, frames};

/// No event is added to a chunk of the stream that is this long already.
const CHUNK: usize = 64 << 10;

/// Shortest time between two notices about growing logs.
const GROWTH_PAUSE: Duration = Duration::from_millis(250);

/// `GET /org/ORG/events`
pub(super) async fn of_org(State(server): State<Server>) -> Response {
    let told = server.board().listen();
    let first = Some(Bytes::from_static(sse::PING.as_bytes()));
    let state = (server, told, first);
    answer(stream::unfold(state, |(server, mut told, first)| async {
        let frame = match first {
            Some(first) => first,
            None => next_told(&server, &mut told).await?,
        };
        Some((Ok::<_, Infallible>(frame), (server, told, None)))
    }))
}

async fn next_told(server: &Server, told: &mut broadcast::Receiver<Arc<Told>>) -> Option<Bytes> {
    let ping = Instant::now() + server.settings().ping_every;
    loop {
        tokio::select! {
            event = told.recv() => match event {
                Ok(event) if server.repo(&event.sid.repo).is_some() => {
                    return Some(event.frame.clone());
                }
                Ok(_) => {}
                // A slow reader loses the oldest, as there.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            },
            () = sleep_until(ping) => return Some(Bytes::from_static(sse::PING.as_bytes())),
            () = server.shutdown().cancelled() => return None,
        }
    }
}

/// `GET B/events`: the journal from its beginning, or from after `Last-Event-ID`.
pub(super) async fn of_build(
    State(server): State<Server>,
    Path((_, repo, build)): Path<(String, String, String)>,
    headers: HeaderMap,
    format: Format,
) -> Response {
    let Some(entry) = server.entry(&repo, &build) else {
        return no_build(format);
    };
    let after = headers.get("last-event-id");
    let after = after.and_then(|id| id.to_str().ok()?.trim().parse().ok());
    let mut feed = Feed {
        key: key_of(&entry.order),
        changes: server.board().changes(),
        server,
        after: after.unwrap_or(0),
        source: Source::None,
        behind: true,
        taken: VecDeque::new(),
        frames: None,
        growth: None,
        next_growth: Instant::now(),
    };
    // A journal that cannot be read is an answer of its own.
    if let Err(why) = feed.open().await {
        return format.broken(&why);
    }
    let state = (feed, Some(Bytes::from_static(sse::PING.as_bytes())));
    answer(stream::unfold(state, |(mut feed, first)| async {
        let frames = match first {
            Some(first) => first,
            None => feed.next().await?,
        };
        Some((Ok::<_, Infallible>(frames), (feed, None)))
    }))
}

fn answer(
    frames: impl futures_util::Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    let mut response = (headers, Body::from_stream(frames)).into_response();
    let unbuffered = HeaderValue::from_static("no");
    response
        .headers_mut()
        .insert("x-accel-buffering", unbuffered);
    response
}

/// Where the events of a build come from.
#[derive(Debug)]
enum Source {
    /// It waits in the queue.
    None,
    Journal(Cursor),
    /// All is told.
    End,
}

/// Where a stream of one build stands.
#[derive(Debug)]
struct Feed {
    server: Server,
    key: Key,
    changes: watch::Receiver<u64>,
    after: Seq,
    source: Source,
    /// It was not said yet that all there is has been told.
    behind: bool,
    /// Taken from the journal, not yet written.
    taken: VecDeque<Arc<Event>>,
    /// Shared with all who watch a build that runs.
    frames: Option<Arc<Frames>>,
    growth: Option<LogGrowth>,
    next_growth: Instant,
}

impl Feed {
    /// Opens the journal as soon as there is one.
    async fn open(&mut self) -> Result<(), String> {
        self.changes.borrow_and_update();
        let Some(entry) = self.server.board().get(&self.key) else {
            self.source = Source::End;
            return Ok(());
        };
        match entry.stage {
            Stage::Queued | Stage::Starting(_) => {}
            Stage::Running(live) => {
                self.source = Source::Journal(live.handle.journal().cursor(self.after));
                self.frames = Some(Arc::clone(&live.frames));
                self.growth = Some(live.handle.log_growth());
            }
            // It never began.
            Stage::Over if entry.order.end.is_some() => self.source = Source::End,
            Stage::Over => {
                let path = self.server.0.runner.recording(&entry.order.sid).journal;
                let journal = beside(move || Journal::read(&path)).await;
                let journal = journal.map_err(|error| chain(&error))?;
                self.source = Source::Journal(journal.cursor(self.after));
            }
        }
        Ok(())
    }

    /// The next frames, never empty; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        let ping = Instant::now() + self.server.settings().ping_every;
        loop {
            let mut chunk = BytesMut::new();
            while chunk.len() < CHUNK
                && let Some(event) = self.taken.pop_front()
            {
                let frame = match &self.frames {
                    Some(frames) => frames.of(&event),
                    None => frames::written(&event),
                };
                if self.taken.is_empty() && chunk.is_empty() {
                    return Some(frame);
                }
                chunk.extend_from_slice(&frame);
            }
            if !chunk.is_empty() {
                return Some(chunk.freeze());
            }
            if self.behind {
                let backlog = match &mut self.source {
                    Source::Journal(cursor) => cursor.try_next(),
                    Source::None | Source::End => None,
                };
                match backlog {
                    Some(events) => self.taken = events.into(),
                    None => {
                        self.behind = false;
                        return Some(Bytes::from_static(sse::PING.as_bytes()));
                    }
                }
                continue;
            }
            let mut notices = String::new();
            let cursor = match &mut self.source {
                Source::End => return None,
                Source::Journal(cursor) => cursor,
                Source::None => {
                    tokio::select! {
                        changed = self.changes.changed() => {
                            changed.ok()?;
                            self.open().await.ok()?;
                        }
                        () = sleep_until(ping) => return Some(Bytes::from_static(sse::PING.as_bytes())),
                        () = self.server.shutdown().cancelled() => return None,
                    }
                    continue;
                }
            };
            let (growth, not_before) = (&mut self.growth, self.next_growth);
            let grown = async {
                match growth {
                    Some(growth) => {
                        sleep_until(not_before).await;
                        growth.next().await
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Events first, so that the end of a journal is not missed behind notices.
                biased;
                events = cursor.next() => self.taken = events?.into(),
                logs = grown => {
                    self.next_growth = Instant::now() + GROWTH_PAUSE;
                    for log in logs {
                        sse::log_grew(&mut notices, &log);
                    }
                }
                () = sleep_until(ping) => notices.push_str(sse::PING),
                () = self.server.shutdown().cancelled() => return None,
            }
            if !notices.is_empty() {
                return Some(notices.into());
            }
        }
    }
}
