//! A reader's place in a journal.

use std::sync::Arc;

use tokio::sync::watch;

use crate::domain::{Event, Seq};

use super::handle::{Events, Tail};

/// Most events handed out at once, so that a reader that starts late stays responsive.
const BATCH: usize = 1024;

/// A reader's place in a journal. It owns nothing but a number: however slow its reader
/// is, nothing is lost and nobody waits for it.
#[derive(Debug, Clone)]
pub struct Cursor {
    events: Arc<Events>,
    tail: watch::Receiver<Tail>,
    /// The number of the last event handed out.
    at: Seq,
}

impl Cursor {
    pub(super) fn new(events: Arc<Events>, tail: watch::Receiver<Tail>, after: Seq) -> Self {
        Self {
            events,
            tail,
            at: after,
        }
    }

    /// Waits for the next events, at most 1,024 of them; `None` after the last one of a
    /// journal that is closed, or that nobody can append to any more. Cancel safe: a
    /// future that is dropped has taken nothing.
    pub async fn next(&mut self) -> Option<Vec<Arc<Event>>> {
        loop {
            // The mark is taken before the events are looked at, and the journal announces
            // after it has stored them: whatever is appended from here on ends the wait.
            let closed = self.tail.borrow_and_update().closed;
            if let Some(events) = self.try_next() {
                return Some(events);
            }
            if closed {
                return None;
            }
            if self.tail.changed().await.is_err() {
                // The last handle is gone; it may have appended before it went.
                return self.try_next();
            }
        }
    }

    /// The next events, if there are any now; at most 1,024 of them.
    pub fn try_next(&mut self) -> Option<Vec<Arc<Event>>> {
        let events = self.events.after(self.at, BATCH);
        self.at = events.last()?.seq;
        Some(events)
    }

    /// The number of the last event handed out.
    pub fn position(&self) -> Seq {
        self.at
    }
}
