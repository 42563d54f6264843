//! The history index: what is known of all recorded builds, in one SQLite file.
//!
//! The folders are the truth. The index is a cache of what their journals say, so that a list of
//! 100,000 builds does not read 100,000 journals. It may be deleted at any time, and whatever is
//! wrong with it (damage, another version, a read-only folder, a full disk) keeps nobody from his
//! list: the folders are read then, as if there were no index.
//!
//! # How it stays right
//!
//! Before anything is asked of it, it is brought up to date ([`Index::freshen`]), by work that does
//! not grow with the number of builds:
//!
//! ```text
//! folders of orgs and repos      their times tell where builds came or went      scan.rs
//!        │ changed: names and inodes are compared with the entries
//!        ▼
//! entries that are not settled   new ones, builds that run, journals that        mod.rs
//!        │                       cannot be read
//!        │ length, time and lock of the journal are not as they were
//!        ▼
//! the journal is read again      one fold, from events to rows                   read.rs, rows.rs
//!        ▼
//! its rows are replaced                                                          write.rs
//! ```
//!
//! An entry is *settled* when its journal has the end of the build and nobody holds its lock: then
//! nothing more will come, by any program of ours. A build on a server has `build/end` only when all
//! of it was fetched; one whose program was killed gets it from the next start. So both are looked at
//! each time until then.
//!
//! What somebody changes by hand in a settled recording is not looked for. It is noticed when the
//! build is listed, by the journal's length and time; or by `reindex`.
//!
//! Who records a build brings its repository up to date when the build begins and when it has ended,
//! beside everything else ([`History::note`](super::History::note)). That only saves the next list
//! the work: what is lost because a program was killed, or the index was locked, the next list does.
//!
//! Start reading here; `open.rs` has the file and what happens when several want it, `query.rs` the
//! questions.

mod error;
mod open;
mod query;
mod read;
mod rows;
mod scan;
mod schema;
mod stock;
#[cfg(test)]
mod tests;
mod write;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::domain::Sid;
use crate::journal::JournalError;

use super::filter::Filter;
use super::{BuildFolder, HistoryItem, Home};
use open::{Files, Opened};
use query::{Hit, Select};
use read::{Found, JournalState};

pub use error::IndexError;
pub(super) use query::Condition;
pub use read::size_of;
pub(super) use rows::{Folding, Rows, is_detail};
pub(super) use scan::{Scope, Trees, subfolders};
pub use stock::Stocked;

/// So many builds are written at once: others get their turn in between.
const BATCH: usize = 256;

/// The newest builds that are held against their journals when they are listed.
const CHECKED: usize = 1000;

/// Told how many journals have been read, of how many.
pub type Progress = fn(usize, usize);

/// Where an index is, and what it is of.
#[derive(Debug, Clone)]
pub(super) struct Place {
    files: Files,
    pub(super) trees: Trees,
}

/// An open index. Others may have it open at the same time.
#[derive(Debug)]
pub(super) struct Index<'a> {
    place: &'a Place,
    opened: Opened,
}

/// What is listed besides the builds of this machine that have begun.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Too {
    /// Those that ended before they began.
    pub refused: bool,
    /// Those that were imported.
    pub imported: bool,
}

/// Journals that could not be read, told by who brought the index up to date.
pub(super) type Problems = Vec<JournalError>;

impl Place {
    pub(super) fn of(home: &Home) -> Self {
        Self {
            files: Files::of(home.data().join("index.db")),
            trees: Trees {
                own: home.builds(),
                imported: home.imported(),
            },
        }
    }

    /// Asks something of the index, which is up to date for this scope. One that is not there is
    /// made, one that makes no sense is made anew.
    pub(super) fn ask<T>(
        &self,
        scope: &Scope,
        progress: Progress,
        question: impl Fn(&mut Index<'_>, Problems) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        let answer = |opened| {
            let mut index = Index {
                place: self,
                opened,
            };
            let problems = index.freshen(scope, progress)?;
            question(&mut index, problems)
        };
        if let Some(opened) = self.files.open()? {
            match answer(opened) {
                Err(error) if error.is_damage() => {}
                done => return done,
            }
        }
        self.make(scope, false, progress)?;
        let opened = self.files.open()?;
        answer(opened.ok_or_else(|| IndexError::InUse(self.files.path().to_owned()))?)
    }

    /// Makes the index anew, and says how many builds are in it.
    pub(super) fn make(
        &self,
        scope: &Scope,
        patient: bool,
        progress: Progress,
    ) -> Result<(usize, Problems), IndexError> {
        self.files.replace(patient, |db| {
            let problems = self.freshen(db, scope, progress)?;
            let count = db.query_row("SELECT count(*) FROM builds", [], |row| {
                row.get::<_, i64>(0)
            });
            Ok((count.map_err(self.files.failed())? as usize, problems))
        })
    }

    fn freshen(
        &self,
        db: &mut Connection,
        scope: &Scope,
        progress: Progress,
    ) -> Result<Problems, IndexError> {
        let mut problems = Problems::new();
        scan::scan(db, &self.trees, scope, &mut problems)
            .and_then(|()| due(db, &self.trees, scope))
            .and_then(|due| take_in(db, &due, progress, &mut problems))
            .map_err(self.files.failed())?;
        Ok(problems)
    }
}

impl Index<'_> {
    fn freshen(&mut self, scope: &Scope, progress: Progress) -> Result<Problems, IndexError> {
        self.place.freshen(&mut self.opened.db, scope, progress)
    }

    /// The newest builds that are wanted, at most `limit`.
    pub(super) fn list(
        &mut self,
        scope: &Scope,
        filter: &Filter,
        too: Too,
        limit: usize,
    ) -> Result<Vec<HistoryItem>, IndexError> {
        let select = || {
            let select = Select::of(scope)
                .imported_too(too.imported)
                .matching(filter);
            if too.refused { select } else { select.begun() }
        };
        let hits = self.newest(select, limit)?;
        Ok(hits.into_iter().map(|hit| hit.item).collect())
    }

    /// Builds of this machine whose journal has no end yet, or whose end nobody has seen; also
    /// folders without one that can be read.
    pub(super) fn unsettled(&mut self, scope: &Scope) -> Result<Vec<BuildFolder>, IndexError> {
        let all = unsettled(&self.opened.db, &self.place.trees, scope);
        let all = all.map_err(self.place.files.failed())?.into_iter();
        let own = all.filter(|(entry, _)| !entry.imported);
        Ok(own.map(|(entry, _)| entry.folder).collect())
    }

    /// Reads a build again, settled or not.
    pub(super) fn read_again(&mut self, folder: &BuildFolder) -> Result<(), IndexError> {
        let Place { files, trees } = self.place;
        let Some((imported, [org, repo, name])) = trees.place_of(&folder.dir) else {
            return Ok(());
        };
        let db = &mut self.opened.db;
        let entry = db.query_row(
            "SELECT e.id FROM entries e JOIN repos r ON r.id = e.repo
             WHERE r.imported = ?1 AND r.org = ?2 AND r.repo = ?3 AND e.name = ?4",
            params![imported, org, repo, name],
            |row| row.get(0),
        );
        entry
            .optional()
            .and_then(|entry| reread(db, trees, entry.as_slice()))
            .map_err(files.failed())
    }

    /// The builds that a condition lets through, newest first.
    pub(super) fn find(
        &mut self,
        scope: &Scope,
        condition: &Condition,
    ) -> Result<Vec<(Sid, BuildFolder)>, IndexError> {
        let hits = self.newest(|| Select::of(scope).with(condition), condition.limit())?;
        let found = hits.into_iter().map(|hit| (hit.item.sid, hit.item.folder));
        Ok(found.collect())
    }

    /// Asks for builds until those that are told of are as their journals say.
    fn newest(
        &mut self,
        select: impl Fn() -> Select,
        limit: usize,
    ) -> Result<Vec<Hit>, IndexError> {
        let Place { files, trees } = self.place;
        let mut newest = || {
            let db = &mut self.opened.db;
            let hits = select().newest(db, trees, limit)?;
            let changed: Vec<i64> = hits
                .iter()
                .take(CHECKED)
                .filter(|hit| hit.settled && !hit.state.is_that_of(&hit.item.folder.journal))
                .map(|hit| hit.entry)
                .collect();
            if changed.is_empty() {
                return Ok(hits);
            }
            reread(db, trees, &changed)?;
            select().newest(db, trees, limit)
        };
        newest().map_err(files.failed())
    }
}

/// A folder that may have to be read.
#[derive(Debug)]
struct Entry {
    id: i64,
    imported: bool,
    folder: BuildFolder,
}

/// The entries that are not settled, and how their journals were when they were read.
fn unsettled(
    db: &Connection,
    trees: &Trees,
    scope: &Scope,
) -> rusqlite::Result<Vec<(Entry, Option<JournalState>)>> {
    let only = match scope {
        Scope::Everything => "",
        Scope::Repo(_) => "AND r.org = ?1 AND r.repo = ?2",
    };
    let names: Vec<&[u8]> = match scope {
        Scope::Everything => Vec::new(),
        Scope::Repo(names) => names.iter().map(String::as_bytes).collect(),
    };
    let mut all = db.prepare_cached(&format!(
        "SELECT e.id, r.org, r.repo, e.name, e.length, e.modified, e.in_use, r.imported
         FROM entries e JOIN repos r ON r.id = e.repo WHERE NOT e.settled {only}"
    ))?;
    let rows = all.query_map(rusqlite::params_from_iter(names), |row| {
        let blob = |place: usize| row.get_ref(place)?.as_blob().map_err(rusqlite::Error::from);
        let imported = row.get(7)?;
        let dir = trees.path(imported, [blob(1)?, blob(2)?, blob(3)?]);
        let entry = Entry {
            id: row.get(0)?,
            imported,
            folder: BuildFolder::at(&dir),
        };
        let length: Option<i64> = row.get(4)?;
        let state = match length {
            Some(length) => Some(JournalState {
                length,
                modified: row.get(5)?,
                in_use: row.get(6)?,
            }),
            None => None,
        };
        Ok((entry, state))
    })?;
    rows.collect()
}

/// The folders that have to be read.
fn due(db: &Connection, trees: &Trees, scope: &Scope) -> rusqlite::Result<Vec<(i64, BuildFolder)>> {
    let all = unsettled(db, trees, scope)?.into_iter();
    let due = all.filter(|(entry, known)| {
        known.is_none() || *known != JournalState::of(&entry.folder.journal)
    });
    Ok(due.map(|(entry, _)| (entry.id, entry.folder)).collect())
}

/// Reads folders and keeps what is in them.
fn take_in(
    db: &mut Connection,
    folders: &[(i64, BuildFolder)],
    progress: Progress,
    problems: &mut Problems,
) -> rusqlite::Result<()> {
    let mut done = 0;
    let mut batch = Vec::new();
    read::read_all(folders, |id, found| {
        done += 1;
        progress(done, folders.len());
        batch.push((id, found));
        if batch.len() < BATCH {
            return Ok(());
        }
        keep_all(db, &mut batch, problems)
    })?;
    keep_all(db, &mut batch, problems)
}

fn keep_all(
    db: &mut Connection,
    batch: &mut Vec<(i64, Found)>,
    problems: &mut Problems,
) -> rusqlite::Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (id, found) in batch.drain(..) {
        write::keep(&change, id, &found)?;
        if let Found::Unreadable(error) = found {
            problems.push(error);
        }
    }
    change.commit()
}

/// Reads entries again that were thought to be settled.
fn reread(db: &mut Connection, trees: &Trees, entries: &[i64]) -> rusqlite::Result<()> {
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for entry in entries {
        write::unread(&change, *entry)?;
    }
    change.commit()?;
    let due = due(db, trees, &Scope::Everything)?;
    take_in(db, &due, |_, _| {}, &mut Problems::new())
}
