//! A build on a server, as a source of its journal.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::domain::{Build, EventKind, Sid};
use crate::journal::Journal;
use crate::ports::{BuildSource, Clock, Control, Offers, SourceItem};

use super::follower::Follower;
use super::logs::{Interest, RemoteLogs};
use super::numbers::Numbers;
use super::{BuildApi, Pace};

/// Follows a build on a server. What it tells is recorded in the journal, and the build's logs beside
/// it: a recording of the build is made on the way, and completed when the build is attached to again.
pub struct RemoteSource {
    sid: Sid,
    logs_dir: PathBuf,
    api: Arc<dyn BuildApi>,
    interest: Arc<Interest>,
    items: mpsc::UnboundedReceiver<SourceItem>,
    /// Ends with this.
    _follower: AbortOnDropHandle<()>,
}

/// Where a build is recorded while it is followed.
#[derive(Debug)]
pub struct Recorded {
    /// Its journal, open to append to it: empty, or what was recorded before.
    pub journal: Journal,
    /// The folder with its logs, which exists.
    pub logs: PathBuf,
}

impl RemoteSource {
    /// Follows the build that `api` is about; `server` is its name for people. Needs a runtime.
    pub fn open(
        api: Arc<dyn BuildApi>,
        server: &str,
        recorded: Recorded,
        clock: Arc<dyn Clock>,
        pace: Pace,
    ) -> Self {
        let (to, items) = mpsc::unbounded_channel();
        let interest = Arc::<Interest>::default();
        let sid = recorded.journal.sid().clone();
        let events = recorded.journal.events();
        let mut told = HashMap::new();
        let mut told_build = None;
        for event in &events {
            if let EventKind::BuildUpdated { build, jobs } = &event.kind {
                told_build = Some(build.clone());
                told.extend(jobs.iter().map(|job| (job.job.id.clone(), job.clone())));
            }
        }
        let follower = Follower {
            sid: sid.clone(),
            server: server.to_owned(),
            api: Arc::clone(&api),
            logs: RemoteLogs::new(recorded.logs.clone()),
            interest: Arc::clone(&interest),
            clock,
            pace,
            to,
            build: Build::fold(events.iter().map(|event| &**event)),
            numbers: Numbers::of(&events),
            end: None,
            journal: recorded.journal,
            told,
            told_build,
        };
        Self {
            sid,
            logs_dir: recorded.logs,
            api,
            interest,
            items,
            _follower: AbortOnDropHandle::new(tokio::spawn(follower.run())),
        }
    }

    /// Which log is looked at: it is asked for more often.
    pub fn interest(&self) -> Arc<Interest> {
        Arc::clone(&self.interest)
    }
}

impl fmt::Debug for RemoteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteSource")
            .field("sid", &self.sid)
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

impl BuildSource for RemoteSource {
    fn sid(&self) -> &Sid {
        &self.sid
    }

    fn offers(&self) -> Offers {
        Offers {
            cancel: true,
            unblock: true,
            owned: false,
            copy: true,
        }
    }

    fn logs_dir(&self) -> PathBuf {
        self.logs_dir.clone()
    }

    fn next(&mut self) -> BoxFuture<'_, Option<SourceItem>> {
        Box::pin(self.items.recv())
    }

    fn control(&self, control: Control) -> BoxFuture<'static, Result<(), String>> {
        self.api.control(control)
    }
}
