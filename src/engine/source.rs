//! A build of this very program, as a source.

use std::path::PathBuf;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::domain::Sid;
use crate::journal::Cursor;
use crate::ports::{BuildSource, Control, Offers, SourceItem};

use super::handle::{EngineHandle, LogGrowth};

/// Watches a build that runs in this program.
#[derive(Debug)]
pub struct LocalSource {
    handle: EngineHandle,
    cursor: Cursor,
    growth: LogGrowth,
    /// Names of logs that grew, not yet told.
    grown: Vec<crate::domain::LogId>,
    caught_up: bool,
}

impl LocalSource {
    /// Watches from the build's first event on.
    pub fn new(handle: EngineHandle) -> Self {
        Self {
            cursor: handle.journal().cursor(0),
            growth: handle.log_growth(),
            handle,
            grown: Vec::new(),
            caught_up: false,
        }
    }
}

impl BuildSource for LocalSource {
    fn sid(&self) -> &Sid {
        self.handle.sid()
    }

    fn offers(&self) -> Offers {
        Offers {
            cancel: true,
            unblock: true,
            owned: true,
            copy: false,
        }
    }

    fn logs_dir(&self) -> PathBuf {
        self.handle.logs_dir().to_owned()
    }

    fn next(&mut self) -> BoxFuture<'_, Option<SourceItem>> {
        async move {
            if let Some(log) = self.grown.pop() {
                return Some(SourceItem::LogGrew(log));
            }
            if !self.caught_up {
                if let Some(events) = self.cursor.try_next() {
                    return Some(SourceItem::Events(events));
                }
                self.caught_up = true;
                return Some(SourceItem::CaughtUp);
            }
            tokio::select! {
                // Events first, so that the end of a journal is not missed behind notices.
                biased;
                events = self.cursor.next() => events.map(SourceItem::Events),
                logs = self.growth.next() => {
                    self.grown = logs;
                    self.grown.pop().map(SourceItem::LogGrew)
                }
            }
        }
        .boxed()
    }

    fn control(&self, control: Control) -> BoxFuture<'static, Result<(), String>> {
        let handle = self.handle.clone();
        async move { handle.control(control).await }.boxed()
    }
}
