//! The recorded builds, read from their folders: what the index is made of, and what there is
//! where it cannot be used.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::domain::{Millis, Sid};
use crate::journal::{self, JournalError};

use super::history::read_briefly;
use super::index::{Scope, subfolders};
use super::{BuildFolder, History, HistoryItem, Listing};

/// A build whose journal has been looked at only briefly.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) sid: Sid,
    pub(super) created: Option<Millis>,
    pub(super) folder: BuildFolder,
    /// It was recorded elsewhere.
    pub(super) imported: bool,
}

impl Entry {
    /// It is an attempt that came to nothing, and no build to go back to. One that cannot be read
    /// is taken for a build: reading it says why.
    pub(super) fn never_began(&self) -> bool {
        journal::never_began(&self.folder.journal).unwrap_or(false)
    }
}

impl History {
    /// As [`History::list`], without the index: the first lines of all journals are read, and as
    /// many whole ones as it takes.
    pub fn list_folders(&self, limit: usize) -> Listing {
        let (entries, mut unreadable) = if self.too.imported {
            self.all_entries()
        } else {
            self.entries()
        };
        let mut items = Vec::new();
        for entry in entries {
            if items.len() == limit {
                break;
            }
            if !self.too.refused && entry.never_began() {
                continue;
            }
            match read_briefly(&entry.folder) {
                Ok((running, rows)) => {
                    let jobs = rows.job_statuses();
                    if self.filter.matches(&rows.facts(&jobs)) {
                        items.push(HistoryItem::of(
                            &entry.folder,
                            running,
                            entry.imported,
                            rows,
                        ));
                    }
                }
                Err(error) => unreadable.push(error),
            }
        }
        Listing {
            items,
            unreadable,
            without_index: None,
        }
    }

    /// The builds of this machine, newest first; their journals are looked at only briefly. Folders
    /// without a journal are passed over: a build that is just being created has none yet.
    pub(super) fn entries(&self) -> (Vec<Entry>, Vec<JournalError>) {
        let mut found = Found::default();
        found.look_below(self, &self.index.trees.own, false);
        found.sorted()
    }

    /// As [`Self::entries`], with what was imported.
    pub(super) fn all_entries(&self) -> (Vec<Entry>, Vec<JournalError>) {
        let mut found = Found::default();
        found.look_below(self, &self.index.trees.own, false);
        let own = found.entries.iter().map(|entry| entry.sid.clone());
        let own: HashSet<Sid> = own.collect();
        found.look_below(self, &self.index.trees.imported, true);
        // It was imported before the same build was followed here.
        let is_shown = |entry: &Entry| !entry.imported || !own.contains(&entry.sid);
        found.entries.retain(is_shown);
        found.sorted()
    }

    /// The folders of all builds of this machine, in no order, and why not all can be told.
    pub(super) fn folders(&self) -> (Vec<BuildFolder>, Option<JournalError>) {
        self.folders_below(&self.index.trees.own)
    }

    fn folders_below(&self, builds: &Path) -> (Vec<BuildFolder>, Option<JournalError>) {
        let mut problem = None;
        let mut inside = |dir: &Path| -> Vec<PathBuf> {
            let found = subfolders(dir).unwrap_or_else(|source| {
                problem.get_or_insert(JournalError::Io {
                    action: "look for",
                    path: dir.join("*"),
                    source,
                });
                Vec::new()
            });
            found.into_iter().map(|(name, _)| dir.join(name)).collect()
        };
        let repos = match &self.scope {
            Scope::Repo([org, repo]) => vec![builds.join(org).join(repo)],
            Scope::Everything => inside(builds).iter().flat_map(|org| inside(org)).collect(),
        };
        let folders: Vec<BuildFolder> = repos
            .iter()
            .flat_map(|repo| inside(repo))
            .map(|build| BuildFolder::at(&build))
            .collect();
        (folders, problem)
    }
}

/// What was found in folders.
#[derive(Debug, Default)]
pub(super) struct Found {
    entries: Vec<Entry>,
    unreadable: Vec<JournalError>,
}

impl Found {
    fn look_below(&mut self, history: &History, builds: &Path, imported: bool) {
        let (folders, problem) = history.folders_below(builds);
        self.unreadable.extend(problem);
        self.look(folders, imported);
    }

    /// Looks briefly at the journals in these folders.
    pub(super) fn look(&mut self, folders: impl IntoIterator<Item = BuildFolder>, imported: bool) {
        for folder in folders {
            match journal::peek(&folder.journal) {
                Ok((sid, created)) => self.entries.push(Entry {
                    sid,
                    created,
                    folder,
                    imported,
                }),
                Err(JournalError::Missing(_)) => {}
                Err(error) => self.unreadable.push(error),
            }
        }
    }

    /// The builds, newest first, and the journals that cannot be read.
    pub(super) fn sorted(mut self) -> (Vec<Entry>, Vec<JournalError>) {
        let entries = &mut self.entries;
        entries.sort_by_cached_key(|entry| Reverse((entry.created, entry.sid.clone())));
        (self.entries, self.unreadable)
    }
}
