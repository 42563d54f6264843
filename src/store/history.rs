//! The builds that were recorded here, and the recordings that were imported.
//!
//! What was imported claims to be whatever build it likes to. It is listed and found by its name, after the builds of
//! this machine, and is nothing else: neither the newest build nor an earlier one of a repository, nor one that has
//! to be closed.
//!
//! The folders are the truth; nothing else is kept about them. To list a build its journal
//! is read, without the lines that cannot change what a list shows.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::domain::{Build, BuildStatus, Millis, Sid, file_name};
use crate::journal::{self, JournalError};

use super::{BuildFolder, Home};

/// The recorded builds of this user, or of one repository.
#[derive(Debug, Clone)]
pub struct History {
    builds: PathBuf,
    imported: PathBuf,
    /// Where exported recordings are unpacked to be looked at.
    pub(super) opened: PathBuf,
    /// Org and repo, as folder names.
    repo: Option<[String; 2]>,
    /// Builds that ended before they began are listed too.
    refused_too: bool,
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
}

/// What was found in the folders.
#[derive(Debug, Default)]
pub struct Listing {
    /// Newest first.
    pub items: Vec<HistoryItem>,
    /// Journals that cannot be read; the errors name the files.
    pub unreadable: Vec<JournalError>,
}

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
    /// All recorded builds.
    pub fn new(home: &Home) -> Self {
        Self {
            builds: home.builds(),
            imported: home.imported(),
            opened: home.recordings(),
            repo: None,
            refused_too: false,
        }
    }

    /// Only the builds of one repository.
    #[must_use]
    pub fn of_repo(mut self, org: &str, repo: &str) -> Self {
        self.repo = Some([file_name(org), file_name(repo)]);
        self
    }

    /// Lists those too that ended before they began: attempts rather than builds.
    #[must_use]
    pub fn with_refused(mut self, refused_too: bool) -> Self {
        self.refused_too = refused_too;
        self
    }

    /// The newest builds, at most `limit` of them.
    pub fn list(&self, limit: usize) -> Listing {
        let (entries, mut unreadable) = self.all_entries();
        let mut items = Vec::new();
        for entry in entries {
            if items.len() == limit {
                break;
            }
            if !self.refused_too && entry.never_began() {
                continue;
            }
            match HistoryItem::read(&entry.folder) {
                Ok(mut item) => {
                    item.imported = entry.imported;
                    items.push(item);
                }
                Err(error) => unreadable.push(error),
            }
        }
        Listing { items, unreadable }
    }

    /// The builds that some process works on right now, newest first. Cheaper than listing:
    /// no journal is read.
    pub fn running(&self) -> Vec<(Sid, BuildFolder)> {
        let (entries, _) = self.entries();
        entries
            .into_iter()
            .filter(|entry| {
                let path = &entry.folder.journal;
                journal::is_in_use(path) && !journal::ends_with_build_end(path)
            })
            .map(|entry| (entry.sid, entry.folder))
            .collect()
    }

    /// The builds of this machine, newest first; their journals are looked at only briefly. Folders
    /// without a journal are passed over: a build that is just being created has none yet.
    pub(super) fn entries(&self) -> (Vec<Entry>, Vec<JournalError>) {
        let mut found = Found::default();
        found.look(self.folders(), false);
        found.sorted()
    }

    /// As [`Self::entries`], with what was imported.
    pub(super) fn all_entries(&self) -> (Vec<Entry>, Vec<JournalError>) {
        let mut found = Found::default();
        found.look(self.folders(), false);
        let own: HashSet<Sid> = found
            .entries
            .iter()
            .map(|entry| entry.sid.clone())
            .collect();
        found.look(self.folders_below(&self.imported), true);
        // It was imported before the same build was followed here.
        let is_shown = |entry: &Entry| !entry.imported || !own.contains(&entry.sid);
        found.entries.retain(is_shown);
        found.sorted()
    }

    /// The folders that a build of this name may be in, the one of this machine first.
    pub(super) fn folders_of(&self, sid: &Sid) -> [BuildFolder; 2] {
        [&self.builds, &self.imported].map(|builds| BuildFolder::below(builds, sid))
    }

    /// The folders of all builds of this machine, in no order, and why not all can be told.
    pub(super) fn folders(&self) -> (Vec<BuildFolder>, Option<JournalError>) {
        self.folders_below(&self.builds)
    }

    fn folders_below(&self, builds: &Path) -> (Vec<BuildFolder>, Option<JournalError>) {
        let mut problem = None;
        let mut inside = |dir: &Path| {
            subfolders(dir).unwrap_or_else(|source| {
                problem.get_or_insert(JournalError::Io {
                    action: "look for",
                    path: dir.join("*"),
                    source,
                });
                Vec::new()
            })
        };
        let repos = match &self.repo {
            Some([org, repo]) => vec![builds.join(org).join(repo)],
            None => inside(builds).iter().flat_map(|org| inside(org)).collect(),
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
struct Found {
    entries: Vec<Entry>,
    unreadable: Vec<JournalError>,
}

impl Found {
    fn look(&mut self, folders: (Vec<BuildFolder>, Option<JournalError>), imported: bool) {
        self.unreadable.extend(folders.1);
        for folder in folders.0 {
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

    fn sorted(mut self) -> (Vec<Entry>, Vec<JournalError>) {
        let entries = &mut self.entries;
        entries.sort_by_cached_key(|entry| Reverse((entry.created, entry.sid.clone())));
        (self.entries, self.unreadable)
    }
}

impl HistoryItem {
    /// Reads what a list shows of a build.
    pub fn read(folder: &BuildFolder) -> Result<Self, JournalError> {
        // Asked before the journal is read: a build that ends in between is then shown as
        // running, with its end, not as one that broke off.
        let running = journal::is_in_use(&folder.journal);
        let mut build = Build::default();
        let mut first = None;
        let sid = journal::read_lines(&folder.journal, |line| {
            if line.type_name().is_some_and(is_detail) {
                return;
            }
            if let Ok(event) = line.event() {
                first = first.or(event.time);
                build.apply(&event);
            }
        })?;
        Ok(Self {
            sid,
            folder: folder.clone(),
            running: running && !build.is_over(),
            imported: false,
            interrupted: build.interrupted,
            created: build.created.or(first),
            start: build.start_time,
            end: build.end_time,
            jobs_total: build.jobs().len(),
            jobs_failed: build.failed_jobs().len(),
            branch: build.git.branch,
            commit: build.git.commit_id,
            commit_message: build.git.message.as_deref().map(first_line),
            dirty: build.git.dirty,
            message: build.message,
            status: build.status,
        })
    }

    /// Nobody works on it any more, and it has no end: its program was killed and no other
    /// has been started since.
    pub fn is_cut_off(&self) -> bool {
        !self.running && !self.status.is_final()
    }
}

/// Events that change nothing a list shows. They are most of a journal.
fn is_detail(type_name: &str) -> bool {
    match type_name.split_once('/') {
        Some(("command" | "sidecar", _)) => true,
        Some(("container", name)) => name != "job-queued",
        Some(("tui", name)) => name != "interrupted",
        _ => false,
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// The folders in a folder; none when there is no such folder.
fn subfolders(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let folders = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        // No id makes such a name: something is being written there.
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .map(|entry| entry.path());
    Ok(folders.collect())
}
