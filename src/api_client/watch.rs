//! A build that runs in another process, as a source of its journal.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::domain::{Event, Sid};
use crate::ports::{BuildSource, Control, Offers, SourceItem};

use super::client::ApiClient;
use super::stream::{EventStream, StreamItem};

/// Events that are handed over at once, at most.
const BATCH: usize = 1024;

/// Follows a build through its script API.
#[derive(Debug)]
pub struct WatchSource {
    sid: Sid,
    logs_dir: PathBuf,
    client: ApiClient,
    stream: EventStream,
    /// What was read while a batch was put together.
    next: VecDeque<StreamItem>,
    /// The server pings when it accepts and once more when the backlog has been told.
    pings: u8,
    caught_up: bool,
}

impl WatchSource {
    /// Follows a build from its first event; its logs are read from the folder where they are written.
    pub fn new(client: ApiClient, sid: Sid, logs_dir: PathBuf) -> Self {
        Self {
            stream: client.events(None),
            sid,
            logs_dir,
            client,
            next: VecDeque::new(),
            pings: 0,
            caught_up: false,
        }
    }

    /// The events that are there already, behind the first one.
    fn batch(&mut self, first: Arc<Event>) -> Vec<Arc<Event>> {
        let mut events = vec![first];
        while events.len() < BATCH {
            match self.stream.next().now_or_never() {
                Some(StreamItem::Event(event)) => events.push(event),
                Some(other) => {
                    self.next.push_back(other);
                    break;
                }
                None => break,
            }
        }
        events
    }

    async fn next_item(&mut self) -> Option<SourceItem> {
        loop {
            let item = match self.next.pop_front() {
                Some(item) => item,
                None => self.stream.next().await,
            };
            return Some(match item {
                StreamItem::Event(event) => SourceItem::Events(self.batch(event)),
                StreamItem::LogGrew(log) => SourceItem::LogGrew(log),
                StreamItem::Ping => {
                    self.pings = self.pings.saturating_add(1);
                    if self.caught_up || self.pings < 2 {
                        continue;
                    }
                    self.caught_up = true;
                    SourceItem::CaughtUp
                }
                StreamItem::Lost { reason, retry_in } => {
                    self.pings = 0;
                    SourceItem::Lost { reason, retry_in }
                }
                StreamItem::Restored => SourceItem::Restored,
                StreamItem::Failed(error) => SourceItem::Lost {
                    reason: error.to_string(),
                    retry_in: Duration::ZERO,
                },
                StreamItem::End => return None,
            });
        }
    }
}

impl BuildSource for WatchSource {
    fn sid(&self) -> &Sid {
        &self.sid
    }

    fn offers(&self) -> Offers {
        Offers {
            cancel: true,
            unblock: true,
            owned: false,
            copy: false,
        }
    }

    fn logs_dir(&self) -> PathBuf {
        self.logs_dir.clone()
    }

    fn next(&mut self) -> BoxFuture<'_, Option<SourceItem>> {
        Box::pin(self.next_item())
    }

    fn control(&self, control: Control) -> BoxFuture<'static, Result<(), String>> {
        let client = self.client.clone();
        Box::pin(async move {
            match &control {
                Control::Cancel => client.cancel().await,
                Control::Unblock(job) => client.unblock(Some(job)).await,
                Control::UnblockAll => client.unblock(None).await,
            }
            .map_err(|error| error.to_string())
        })
    }
}
