//! Posting events, in order, by one task.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::api_client::{ApiClient, ApiError};
use crate::domain::{Event, Sid};
use crate::ports::{Clock, SystemClock};

/// Events in one request, at most: a few hundred kilobytes.
const BATCH: usize = 500;

/// Tries of one request, and the pause after the first, which doubles.
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Posts events in the order in which they are handed in. What comes while a request is
/// under way goes with the next one.
#[derive(Debug)]
pub(super) struct Poster {
    sid: Sid,
    queue: mpsc::UnboundedSender<Vec<Event>>,
    task: JoinHandle<Result<(), ApiError>>,
}

impl Poster {
    pub(super) fn start(client: ApiClient, sid: Sid) -> Self {
        // Unbounded, for what is queued is what the script said; it cannot be dropped.
        let (queue, inbox) = mpsc::unbounded_channel();
        Self {
            sid,
            queue,
            task: tokio::spawn(work(client, inbox)),
        }
    }

    /// Hands in events, which happen now.
    pub(super) fn post(&self, mut events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let now = SystemClock.now();
        for event in &mut events {
            event.time = Some(now);
            event.sid = Some(self.sid.clone());
        }
        // A task that has ended is noticed by `failed`.
        let _ = self.queue.send(events);
    }

    /// Waits for a failure of the task; as long as there is none it waits for ever. Cancel safe.
    pub(super) async fn failed(&mut self) -> ApiError {
        answer(&mut self.task).await.err().unwrap_or_else(gone)
    }

    /// Waits until everything has arrived.
    pub(super) async fn finish(self) -> Result<(), ApiError> {
        drop(self.queue);
        let mut task = self.task;
        answer(&mut task).await
    }
}

async fn answer(task: &mut JoinHandle<Result<(), ApiError>>) -> Result<(), ApiError> {
    task.await.unwrap_or_else(|_| Err(gone()))
}

fn gone() -> ApiError {
    ApiError::Gone {
        reason: "nobody posts events any more".to_owned(),
    }
}

async fn work(
    client: ApiClient,
    mut inbox: mpsc::UnboundedReceiver<Vec<Event>>,
) -> Result<(), ApiError> {
    let mut waiting = Vec::new();
    loop {
        if waiting.is_empty() {
            match inbox.recv().await {
                Some(events) => waiting = events,
                None => return Ok(()),
            }
        }
        while waiting.len() < BATCH {
            match inbox.try_recv() {
                Ok(events) => waiting.extend(events),
                Err(_) => break,
            }
        }
        post(&client, &waiting).await?;
        waiting.clear();
    }
}

/// Posts once more when the connection broke: the engine takes an event that it has seen
/// before for what it is.
async fn post(client: &ApiClient, events: &[Event]) -> Result<(), ApiError> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match client.post_events(events).await {
            Err(error) if error.is_transient() => tokio::time::sleep(pause).await,
            answer => return answer,
        }
        pause *= 2;
    }
    client.post_events(events).await
}
