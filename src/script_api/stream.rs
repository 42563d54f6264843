//! The event stream: a cursor into the journal, framed.
//!
//! ```text
//! ping · what the journal has · ping · what happens from now on, pings in silence
//! ```
//!
//! A slow reader stands further back in the journal: nothing is queued for it and nothing
//! is dropped. The second ping tells a watcher that it has caught up. Events that were taken
//! from the journal stay shared with it until they are written, some [`CHUNK`] bytes at a
//! time, so that a reader that stands still costs no more than that however large they are.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::domain::{Event, EventKind, Seq};
use crate::engine::LogGrowth;
use crate::journal::Cursor;
use crate::wire::{self, sse};

use super::{Api, Grant};

/// No event is added to a chunk of the stream that is this long already.
const CHUNK: usize = 64 << 10;

/// Where a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was sent yet; the client waits for the headers.
    Opened,
    /// What the journal already has is being sent.
    Backlog,
    /// What happens is sent as it happens.
    Live,
    /// The service ends: what the journal has by now is still sent.
    Ending,
}

#[derive(Debug)]
struct Feed {
    stage: Stage,
    cursor: Cursor,
    /// Taken from the journal, not yet written.
    taken: VecDeque<Arc<Event>>,
    /// Only for those who watch for people.
    growth: Option<LogGrowth>,
    growth_pause: Duration,
    /// Growing logs are not told before this time.
    next_growth: Instant,
    ping_every: Duration,
    next_ping: Instant,
    shutdown: CancellationToken,
}

/// The body of `GET /events`, after the event with the number `after`. It ends when the
/// journal is closed and told to its end, or with the service.
pub(super) fn body(api: &Api, grant: &Grant, after: Seq) -> Body {
    let now = Instant::now();
    let feed = Feed {
        stage: Stage::Opened,
        cursor: api.engine().journal().cursor(after),
        taken: VecDeque::new(),
        growth: grant.is_watcher().then(|| api.engine().log_growth()),
        growth_pause: api.settings().growth_pause,
        next_growth: now,
        ping_every: api.settings().ping_every,
        next_ping: now + api.settings().ping_every,
        shutdown: api.shutdown().clone(),
    };
    let frames = stream::unfold(feed, |mut feed| async move {
        let frames = feed.next().await?;
        Some((Ok::<_, Infallible>(frames), feed))
    });
    Body::from_stream(frames)
}

impl Feed {
    /// The next frames, never empty; `None` at the end of the journal.
    async fn next(&mut self) -> Option<Bytes> {
        let mut frames = String::new();
        while frames.is_empty() {
            if !self.taken.is_empty() {
                self.write_taken(&mut frames);
                continue;
            }
            match self.stage {
                Stage::Opened => {
                    self.stage = Stage::Backlog;
                    frames.push_str(sse::PING);
                }
                Stage::Backlog => {
                    if let Some(events) = self.cursor.try_next() {
                        self.taken = events.into();
                    } else {
                        self.stage = Stage::Live;
                        frames.push_str(sse::PING);
                    }
                }
                Stage::Live => self.wait(&mut frames).await?,
                Stage::Ending => self.taken = self.cursor.try_next()?.into(),
            }
        }
        self.next_ping = Instant::now() + self.ping_every;
        Some(frames.into())
    }

    async fn wait(&mut self, frames: &mut String) -> Option<()> {
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
            events = self.cursor.next() => self.taken = events?.into(),
            () = self.shutdown.cancelled() => self.stage = Stage::Ending,
            logs = grown => {
                self.next_growth = Instant::now() + self.growth_pause;
                for log in logs {
                    sse::log_grew(frames, &log);
                }
            }
            () = sleep_until(self.next_ping) => frames.push_str(sse::PING),
        }
        Some(())
    }

    /// Writes what was taken, until the chunk is long enough.
    fn write_taken(&mut self, frames: &mut String) {
        let for_people = self.growth.is_some();
        while frames.len() < CHUNK {
            let Some(event) = self.taken.pop_front() else {
                break;
            };
            if for_people || !is_for_people(&event) {
                sse::frame(frames, Some(event.seq), &wire::write_event(&event));
            }
        }
    }
}

/// Facts of our own are never sent to a script (decisions.md, "Journal, events, logs").
fn is_for_people(event: &Event) -> bool {
    match &event.kind {
        EventKind::Tui(_) => true,
        EventKind::Other(name) => name.starts_with("tui/"),
        _ => false,
    }
}
