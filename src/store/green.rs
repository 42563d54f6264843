//! The last build before one that succeeded: what a build is compared with when nothing else is said.

use crate::domain::{Build, BuildStatus, Sid};

use super::{History, HistoryItem, Home};

/// How far back is looked, in builds.
const FARTHEST: usize = 1000;

/// A build that succeeded, and whether it is of the branch that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Green {
    /// The build.
    pub item: HistoryItem,
    /// It is of the same branch; else of any branch of the repository.
    pub same_branch: bool,
}

impl Green {
    /// Finds the last build that succeeded before a build: of its branch, else of its repository. Blocks.
    pub fn before(home: &Home, sid: &Sid, build: &Build) -> Option<Self> {
        let began = build.created.or(build.start_time);
        let listing = History::new(home)
            .of_this_machine()
            .of_repo(&sid.org, &sid.repo)
            .list(FARTHEST);
        let own = listing.items.iter().position(|item| item.sid == *sid);
        // One that came from elsewhere is not among them.
        let is_older = |place: usize, item: &HistoryItem| match own {
            Some(own) => place > own,
            None => began.is_none() || item.created < began,
        };
        let green: Vec<&HistoryItem> = listing
            .items
            .iter()
            .enumerate()
            .filter(|(place, item)| {
                item.status == BuildStatus::Success && item.sid != *sid && is_older(*place, item)
            })
            .map(|(_, item)| item)
            .collect();
        let branch = &build.git.branch;
        let same = green
            .iter()
            .find(|item| branch.is_some() && item.branch == *branch);
        let item = same.or(green.first())?;
        Some(Self {
            same_branch: same.is_some(),
            item: (*item).clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, EventKind};
    use crate::edn::{Map, Value};
    use crate::journal::Journal;

    fn record(home: &Home, at: i64, branch: &str, status: BuildStatus) -> (Sid, Build) {
        let (sid, folder) = home.new_build("local", "app", at).unwrap();
        let git = Value::map([("branch", branch.into())]);
        let events = vec![
            Event::new(EventKind::BuildPending {
                build: Map::from_iter([(Value::kw("git"), git)]),
            }),
            Event::new(EventKind::BuildStart),
            Event::new(EventKind::BuildEnd {
                status: Some(status),
                build: None,
            }),
        ];
        let journal = Journal::create(&folder.journal, &sid).unwrap();
        journal.append(at, events).unwrap();
        let build = Build::fold(journal.events().iter().map(|event| &**event));
        (sid, build)
    }

    #[test]
    fn it_is_of_the_branch_and_else_of_the_repository() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::under(dir.path());
        let (first, _) = record(&home, 10, "main", BuildStatus::Success);
        let (other, _) = record(&home, 20, "work", BuildStatus::Success);
        record(&home, 30, "main", BuildStatus::Error);
        let (own, build) = record(&home, 40, "main", BuildStatus::Success);
        let (_, new_branch) = record(&home, 50, "new", BuildStatus::Error);
        let found = |sid: &Sid, build: &Build| {
            let green = Green::before(&home, sid, build)?;
            Some((green.item.sid, green.same_branch))
        };
        assert_eq!(found(&own, &build), Some((first.clone(), true)));
        // Recorded elsewhere, at the same time.
        let elsewhere = Sid {
            build: "elsewhere".to_owned(),
            ..own.clone()
        };
        assert_eq!(found(&elsewhere, &build), Some((first.clone(), true)));
        assert_eq!(found(&elsewhere, &new_branch), Some((own, false)));
        // Before the first there is none.
        let (_, begun) = record(&home, 5, "main", BuildStatus::Error);
        assert_eq!(found(&first, &begun), None);
        assert_ne!(first, other);
    }
}
