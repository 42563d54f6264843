//! The builds before one, for scripts that compare themselves with them.

use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::domain::{Build, BuildStatus, Sid};
use crate::journal;
use crate::ports::{Past, PastBuild, PastBuilds, chain};

use super::{History, HistoryItem, Home};

/// How far back is looked, in builds.
const FARTHEST: usize = 1000;

/// The recorded builds before one of the same repository.
#[derive(Debug, Clone)]
pub struct RecordedPast(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    history: History,
    sid: Sid,
    branch: Option<String>,
    /// What was found; the past does not change.
    found: OnceLock<Result<Found, String>>,
}

#[derive(Debug, Clone, Default)]
struct Found {
    previous: Option<PastBuild>,
    last_success: Option<PastBuild>,
}

impl RecordedPast {
    /// The past of a build: of its branch, if it is on one that was built before, else of
    /// its repository.
    pub fn new(home: &Home, sid: &Sid, branch: Option<&str>) -> Self {
        Self(Arc::new(Inner {
            history: History::new(home)
                .of_this_machine()
                .of_repo(&sid.org, &sid.repo),
            sid: sid.clone(),
            branch: branch.map(str::to_owned),
            found: OnceLock::new(),
        }))
    }
}

impl Inner {
    /// Looks for both among the newest builds. Blocks.
    fn look(&self) -> Result<Found, String> {
        // The build itself is among them, and whatever began after it.
        let listing = self.history.list(FARTHEST);
        let own = |item: &HistoryItem| item.sid == self.sid;
        // What is newer than this build has nothing to do with it.
        let older = match listing.items.iter().position(own) {
            Some(place) => &listing.items[place + 1..],
            None => &listing.items[..],
        };
        // On the branch, and on any.
        let mut on_branch = [None, None];
        let mut anywhere = [None, None];
        for item in older.iter().filter(|item| item.status.is_final()) {
            let mut slots = vec![&mut anywhere];
            if self.branch.is_some() && item.branch == self.branch {
                slots.push(&mut on_branch);
            }
            let green = item.status == BuildStatus::Success;
            for [previous, last_success] in slots {
                previous.get_or_insert(item);
                if green {
                    last_success.get_or_insert(item);
                }
            }
        }
        let [previous, last_success] = match on_branch {
            [None, None] => anywhere,
            found => found,
        };
        let read = |item: Option<&HistoryItem>| item.map(with_results).transpose();
        Ok(Found {
            previous: read(previous)?,
            last_success: read(last_success)?,
        })
    }
}

/// A list shows no results: the whole journal is read for them.
fn with_results(item: &HistoryItem) -> Result<PastBuild, String> {
    let mut build = Build::default();
    journal::read_lines(&item.folder.journal, |line| {
        if let Ok(event) = line.event() {
            build.apply(&event);
        }
    })
    .map_err(|error| chain(&error))?;
    Ok(PastBuild {
        sid: item.sid.clone(),
        status: item.status.clone(),
        commit_id: item.commit.clone(),
        start_time: item.start,
        end_time: item.end,
        results: build.results,
    })
}

impl PastBuilds for RecordedPast {
    fn find(&self, which: Past) -> BoxFuture<'_, Result<Option<PastBuild>, String>> {
        let inner = Arc::clone(&self.0);
        async move {
            let found = tokio::task::spawn_blocking(move || {
                inner.found.get_or_init(|| inner.look()).clone()
            })
            .await
            .map_err(|error| error.to_string())??;
            Ok(match which {
                Past::Previous => found.previous,
                Past::LastSuccess => found.last_success,
            })
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, EventKind, TuiEvent};
    use crate::edn::{Map, Value};
    use crate::journal::Journal;

    fn record(home: &Home, at: i64, branch: &str, status: Option<BuildStatus>) -> Sid {
        record_with(home, at, branch, [EventKind::BuildStart], status)
    }

    fn record_with(
        home: &Home,
        at: i64,
        branch: &str,
        more: impl IntoIterator<Item = EventKind>,
        status: Option<BuildStatus>,
    ) -> Sid {
        let (sid, folder) = home.new_build("local", "app", at).unwrap();
        let git = Value::map([("branch", branch.into())]);
        let build = Map::from_iter([(Value::kw("git"), git)]);
        let result = TuiEvent::ResultSaved {
            name: format!("of {at}"),
            media_type: "application/edn".to_owned(),
            size: 1,
        };
        let mut events = vec![
            Event::new(EventKind::BuildPending { build }),
            Event::new(EventKind::Tui(result)),
        ];
        events.extend(more.into_iter().map(Event::new));
        events.extend(status.map(|status| {
            Event::new(EventKind::BuildEnd {
                status: Some(status),
                build: None,
            })
        }));
        let journal = Journal::create(&folder.journal, &sid).unwrap();
        journal.append(at, events).unwrap();
        sid
    }

    async fn found(home: &Home, sid: &Sid, branch: Option<&str>) -> [Option<String>; 2] {
        let past = RecordedPast::new(home, sid, branch);
        let mut names = Vec::new();
        for which in [Past::Previous, Past::LastSuccess] {
            let found = past.find(which).await.unwrap();
            names.push(found.map(|build| build.results[0].name.clone()));
        }
        names.try_into().unwrap()
    }

    #[tokio::test]
    async fn the_past_is_that_of_the_branch_and_else_of_the_repository() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::under(dir.path());
        let (good, bad) = (Some(BuildStatus::Success), Some(BuildStatus::Error));
        record(&home, 10, "main", good.clone());
        record(&home, 20, "main", bad.clone());
        record(&home, 30, "work", bad);
        // Never began.
        record_with(&home, 35, "main", [], Some(BuildStatus::Error));
        // Still runs, or was cut off.
        record(&home, 40, "main", None);
        let own = record(&home, 50, "main", None);
        record(&home, 60, "main", good);
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(
            found(&home, &own, Some("main")).await,
            [some("of 20"), some("of 10")]
        );
        assert_eq!(
            found(&home, &own, Some("work")).await,
            [some("of 30"), None]
        );
        let anywhere = [some("of 30"), some("of 10")];
        assert_eq!(found(&home, &own, Some("new")).await, anywhere);
        assert_eq!(found(&home, &own, None).await, anywhere);
    }

    #[tokio::test]
    async fn the_first_build_has_no_past() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::under(dir.path());
        let own = record(&home, 50, "main", None);
        assert_eq!(found(&home, &own, Some("main")).await, [None, None]);
    }
}
