//! A recording as a source of events.
//!
//! It tells all it has at once and is over. Playing it, and going to a moment of it, is the
//! business of `app::playback`, which does so with any build. Finding a recording is the business
//! of `store`, reading its file that of `journal`, and logs are read by whoever shows them.

use std::path::{Path, PathBuf};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::domain::Sid;
use crate::journal::{Journal, JournalError};
use crate::ports::{BuildSource, Control, Offers, SourceItem};

/// A build that is over, as it was recorded.
#[derive(Debug)]
pub struct Recording {
    journal: Journal,
    logs_dir: PathBuf,
    next: Next,
}

/// What a recording tells next.
#[derive(Debug, Clone, Copy)]
enum Next {
    Events,
    CaughtUp,
    End,
}

impl Recording {
    /// Opens the recording of a build: its journal file and the folder of its logs.
    pub fn open(journal: &Path, logs_dir: &Path) -> Result<Self, JournalError> {
        let journal = Journal::read(journal)?;
        let next = if journal.is_empty() {
            Next::CaughtUp
        } else {
            Next::Events
        };
        Ok(Self {
            journal,
            logs_dir: logs_dir.to_owned(),
            next,
        })
    }

    /// The journal, closed.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }
}

impl BuildSource for Recording {
    fn sid(&self) -> &Sid {
        self.journal.sid()
    }

    fn offers(&self) -> Offers {
        Offers::default()
    }

    fn logs_dir(&self) -> PathBuf {
        self.logs_dir.clone()
    }

    fn next(&mut self) -> BoxFuture<'_, Option<SourceItem>> {
        let (item, next) = match self.next {
            Next::Events => (
                Some(SourceItem::Events(self.journal.events())),
                Next::CaughtUp,
            ),
            Next::CaughtUp => (Some(SourceItem::CaughtUp), Next::End),
            Next::End => (None, Next::End),
        };
        self.next = next;
        std::future::ready(item).boxed()
    }

    fn control(&self, _control: Control) -> BoxFuture<'static, Result<(), String>> {
        std::future::ready(Err("the build is over".to_owned())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, EventKind};

    #[tokio::test]
    async fn a_recording_tells_all_then_that_it_is_all_then_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.edn");
        let sid = Sid::new("local", "app", "b1");
        let journal = Journal::create(&path, &sid).unwrap();
        journal
            .append(7, vec![Event::new(EventKind::BuildStart); 3000])
            .unwrap();

        let mut recording = Recording::open(&path, &dir.path().join("logs")).unwrap();
        assert_eq!(recording.sid(), &sid);
        assert_eq!(recording.offers(), Offers::default());
        assert_eq!(recording.logs_dir(), dir.path().join("logs"));
        let Some(SourceItem::Events(events)) = recording.next().await else {
            panic!("events come first");
        };
        assert_eq!(events.len(), 3000);
        assert!(matches!(recording.next().await, Some(SourceItem::CaughtUp)));
        assert!(recording.next().await.is_none());
        assert!(recording.next().await.is_none());
        assert!(recording.control(Control::Cancel).await.is_err());
    }

    #[tokio::test]
    async fn an_empty_recording_is_caught_up_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.edn");
        Journal::create(&path, &Sid::new("local", "app", "b1")).unwrap();
        let mut recording = Recording::open(&path, dir.path()).unwrap();
        assert!(matches!(recording.next().await, Some(SourceItem::CaughtUp)));
        assert!(recording.next().await.is_none());
    }
}
