//! The builds that were recorded here, and the recordings that were imported.
//!
//! What was imported claims to be whatever build it likes to. It is listed and found by its name, after the builds of
//! this machine, and is nothing else: neither the newest build nor an earlier one of a repository, nor one that has
//! to be closed.
//!
//! The folders are the truth. Lists come from the [`index`](super::index), which is brought up to
//! date before it is asked; where it cannot be used they are read from the folders
//! (`by_folder.rs`).

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use crate::domain::{BuildStatus, Millis, Sid, file_name};
use crate::journal::{self, JournalError};

use super::filter::Filter;
use super::index::{
    Folding, IndexError, Place, Problems, Progress, Rows, Scope, Stocked, Too, is_detail,
};
use super::{BuildFolder, Home, pins};

/// The recorded builds of this user, or of one repository.
#[derive(Debug, Clone)]
pub struct History {
    pub(super) index: Place,
    /// Where exported recordings are unpacked to be looked at.
    pub(super) opened: PathBuf,
    pub(super) scope: Scope,
    pub(super) too: Too,
    pub(super) filter: Filter,
    progress: Progress,
}

/// What a list shows of a build.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryItem {
    /// The build.
    pub sid: Sid,
    /// Where it is recorded.
    pub folder: BuildFolder,
    /// Where it stands, or stood when its program was killed.
    pub status: BuildStatus,
    /// Some process works on it right now.
    pub running: bool,
    /// It was recorded elsewhere, and imported.
    pub imported: bool,
    /// Its program was killed.
    pub interrupted: bool,
    /// When it was first heard of.
    pub created: Option<Millis>,
    /// When it began to run.
    pub start: Option<Millis>,
    /// When it ended.
    pub end: Option<Millis>,
    /// Branch, if it was built from one.
    pub branch: Option<String>,
    /// Commit id.
    pub commit: Option<String>,
    /// The first line of the commit's message.
    pub commit_message: Option<String>,
    /// The working tree had changes.
    pub dirty: bool,
    /// Why it ended as it did, for people.
    pub message: Option<String>,
    /// How many jobs it has.
    pub jobs_total: usize,
    /// How many of them failed.
    pub jobs_failed: usize,
    /// It is to be kept, whatever else is removed.
    pub pinned: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Listing {
    /// Newest first.
    pub items: Vec<HistoryItem>,
    /// Journals that cannot be read; the errors name the files.
    pub unreadable: Vec<JournalError>,
    /// Why the folders were read instead of the index.
    pub without_index: Option<IndexError>,
}

impl History {
    /// All recorded builds.
    pub fn new(home: &Home) -> Self {
        Self {
            index: Place::of(home),
            opened: home.recordings(),
            scope: Scope::Everything,
            too: Too {
                refused: false,
                imported: true,
            },
            filter: Filter::default(),
            progress: |_, _| {},
        }
    }

    /// Only the builds of one repository.
    #[must_use]
    pub fn of_repo(mut self, org: &str, repo: &str) -> Self {
        self.scope = Scope::Repo([file_name(org), file_name(repo)]);
        self
    }

    /// Lists those too that ended before they began: attempts rather than builds.
    #[must_use]
    pub fn with_refused(mut self, refused_too: bool) -> Self {
        self.too.refused = refused_too;
        self
    }

    /// Leaves out what was imported.
    #[must_use]
    pub fn of_this_machine(mut self) -> Self {
        self.too.imported = false;
        self
    }

    /// Lists only builds that a filter lets through.
    #[must_use]
    pub fn matching(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Tells how far it is when many journals have to be read.
    #[must_use]
    pub fn telling(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// The newest builds, at most `limit` of them.
    pub fn list(&self, limit: usize) -> Listing {
        let asked = self.ask(|index, unreadable| {
            let items = index.list(&self.scope, &self.filter, self.too, limit)?;
            Ok(Listing {
                items,
                unreadable,
                without_index: None,
            })
        });
        match asked {
            Ok(Some(listing)) => listing,
            Ok(None) => self.list_folders(limit),
            Err(error) => Listing {
                without_index: Some(error),
                ..self.list_folders(limit)
            },
        }
    }

    /// The builds that some process works on right now, newest first.
    pub fn running(&self) -> Vec<(Sid, BuildFolder)> {
        let (folders, _) = self.unsettled();
        let in_use = folders.into_iter().filter(|folder| {
            let path = &folder.journal;
            journal::is_in_use(path) && !journal::ends_with_build_end(path)
        });
        let mut found = super::by_folder::Found::default();
        found.look(in_use, false);
        let (entries, _) = found.sorted();
        let entries = entries.into_iter();
        entries.map(|entry| (entry.sid, entry.folder)).collect()
    }

    /// The folders of builds that have no end yet, or of which that is not known; in no order, and
    /// why not all can be told.
    pub(super) fn unsettled(&self) -> (Vec<BuildFolder>, Vec<JournalError>) {
        let asked = self.ask(|index, problems| Ok((index.unsettled(&self.scope)?, problems)));
        if let Ok(Some(found)) = asked {
            return found;
        }
        let (folders, problem) = self.folders();
        (folders, Vec::from_iter(problem))
    }

    /// Takes note of a build that has begun or ended, so that the next list need not. Blocks; what
    /// goes wrong is made good for by that list.
    pub fn note(home: &Home, sid: &Sid) {
        Self::note_folder(home, sid, &home.build(sid));
    }

    /// As [`Self::note`], of a build that may have been imported.
    pub fn note_folder(home: &Home, sid: &Sid, folder: &BuildFolder) {
        let history = Self::new(home).of_repo(&sid.org, &sid.repo);
        // As said.
        let _ = history.ask(|index, _| index.read_again(folder));
    }

    /// All builds, newest first, with what they take up and why they may have to stay.
    pub fn stock(&self) -> Result<Vec<Stocked>, IndexError> {
        let stock = self.ask(|index, _| index.stock(&self.scope, self.too.imported))?;
        Ok(stock.unwrap_or_default())
    }

    /// The caches that builds of this machine have told of: org, repository, id.
    pub fn caches(&self) -> Result<Vec<(String, String, String)>, IndexError> {
        let caches = self.ask(|index, _| index.caches())?;
        Ok(caches.unwrap_or_default())
    }

    /// Makes the index anew from the folders, and says how many builds are in it. The old one is
    /// there until then.
    pub fn reindex(&self) -> Result<(usize, Vec<JournalError>), IndexError> {
        if !self.index.trees.exist() {
            return Ok(Default::default());
        }
        self.index.make(&Scope::Everything, true, self.progress)
    }

    /// Asks the index. `None`: there is nothing it could be of.
    pub(super) fn ask<T>(
        &self,
        question: impl Fn(&mut super::index::Index<'_>, Problems) -> Result<T, IndexError>,
    ) -> Result<Option<T>, IndexError> {
        if !self.index.trees.exist() {
            return Ok(None);
        }
        self.index
            .ask(&self.scope, self.progress, question)
            .map(Some)
    }

    /// The folders that a build of this name may be in, the one of this machine first.
    pub(super) fn folders_of(&self, sid: &Sid) -> [BuildFolder; 2] {
        let trees = &self.index.trees;
        [&trees.own, &trees.imported].map(|builds| BuildFolder::below(builds, sid))
    }
}

impl HistoryItem {
    /// Reads what a list shows of a build.
    pub fn read(folder: &BuildFolder) -> Result<Self, JournalError> {
        let (running, rows) = read_briefly(folder)?;
        Ok(Self::of(folder, running, false, rows))
    }

    pub(super) fn of(folder: &BuildFolder, running: bool, imported: bool, rows: Rows) -> Self {
        Self {
            folder: folder.clone(),
            running: running && !rows.status.is_final(),
            imported,
            interrupted: rows.interrupted,
            created: rows.created,
            start: rows.start,
            end: rows.end,
            jobs_total: rows.jobs.len(),
            jobs_failed: rows.failed,
            branch: rows.branch,
            commit: rows.commit,
            commit_message: rows.commit_message.as_deref().map(first_line),
            dirty: rows.dirty,
            message: rows.reason,
            status: rows.status,
            pinned: pins::is_pinned(folder),
            sid: rows.sid,
        }
    }

    /// Nobody works on it any more, and it has no end: its program was killed and no other
    /// has been started since, or it runs on a server and nobody watches it.
    pub fn is_cut_off(&self) -> bool {
        !self.running && !self.status.is_final()
    }

    /// When something was last recorded of one that [is cut off](Self::is_cut_off): nobody knows what has
    /// become of it. Of one that was imported that says nothing.
    pub fn last_seen(&self) -> Option<Millis> {
        if self.imported || !self.is_cut_off() {
            return None;
        }
        let file = std::fs::metadata(&self.folder.journal).ok()?;
        let since = file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Millis::try_from(since.as_millis()).ok()
    }
}

/// Reads a journal without the lines that cannot change what a list shows, and whether some
/// process works on it.
pub(super) fn read_briefly(folder: &BuildFolder) -> Result<(bool, Rows), JournalError> {
    // Asked before the journal is read: a build that ends in between is then shown as
    // running, with its end, not as one that broke off.
    let running = journal::is_in_use(&folder.journal);
    let mut folding = Folding::default();
    let sid = journal::read_lines(&folder.journal, |line| {
        if line.type_name().is_some_and(is_detail) {
            return;
        }
        match line.event() {
            Ok(event) => folding.apply(&event),
            Err(_) => folding.pass_over(),
        }
    })?;
    Ok((running, folding.rows(&sid)))
}

pub(super) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
