//! What the recorded builds take up, and what there is of each.

use std::collections::HashMap;

use rusqlite::{Connection, Statement, params_from_iter};

use crate::domain::BuildStatus;
use crate::domain::retention::{Held, Protection};

use super::super::HistoryItem;
use super::query::Select;
use super::read::JournalState;
use super::{Index, IndexError, Scope, Trees};

/// A recorded build and what it takes up.
#[derive(Debug, Clone)]
pub struct Stocked {
    /// As a list shows it.
    pub item: HistoryItem,
    /// As it is decided about. Its size is that of the recording and of what its jobs have saved.
    pub held: Held,
    /// Ids of its artifacts.
    pub artifacts: Vec<String>,
    /// Names of its results.
    pub results: Vec<String>,
    /// It ran on a server, which has what it saved.
    pub remote: bool,
    state: JournalState,
}

impl Stocked {
    /// Its journal is not any more what was known when it was decided about.
    pub(in crate::store) fn has_changed(&self) -> bool {
        !self.state.is_that_of(&self.item.folder.journal)
    }
}

/// Names and bytes by build.
type Saved = HashMap<i64, (Vec<String>, u64)>;

impl Index<'_> {
    /// All builds of a scope, newest first; those too that were refused before they began.
    pub(in crate::store) fn stock(
        &mut self,
        scope: &Scope,
        imported_too: bool,
    ) -> Result<Vec<Stocked>, IndexError> {
        let db = &self.opened.db;
        let stock = stock(db, &self.place.trees, scope, imported_too);
        stock.map_err(self.place.files.failed())
    }
}

impl Index<'_> {
    /// The caches that builds of this machine have told of: org, repository, id.
    pub(in crate::store) fn caches(&mut self) -> Result<Vec<(String, String, String)>, IndexError> {
        let db = &self.opened.db;
        let caches = || -> rusqlite::Result<_> {
            let mut all = db.prepare(
                "SELECT DISTINCT b.org, b.repo, s.id FROM blobs s JOIN builds b ON b.id = s.build
                 WHERE s.kind = 1 AND NOT b.imported AND b.server IS NULL",
            )?;
            let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect::<Result<_, _>>()
        };
        caches().map_err(self.place.files.failed())
    }
}

fn stock(
    db: &Connection,
    trees: &Trees,
    scope: &Scope,
    imported_too: bool,
) -> rusqlite::Result<Vec<Stocked>> {
    let mut artifacts = saved(
        db,
        scope,
        "SELECT s.build, s.id, s.size FROM blobs s JOIN builds b ON b.id = s.build WHERE s.kind = 0",
    )?;
    let mut results = saved(
        db,
        scope,
        "SELECT s.build, s.name, s.size FROM results s JOIN builds b ON b.id = s.build WHERE 1",
    )?;
    let mut recordings: HashMap<i64, (u64, bool, bool)> = HashMap::new();
    let all = "SELECT b.id, b.bytes, b.refused, b.server IS NOT NULL FROM builds b WHERE 1";
    let (mut all, place) = within(db, scope, all)?;
    let mut rows = all.query(params_from_iter(place))?;
    while let Some(row) = rows.next()? {
        let bytes: i64 = row.get(1)?;
        let found = (bytes.cast_unsigned(), row.get(2)?, row.get(3)?);
        recordings.insert(row.get(0)?, found);
    }
    let select = Select::of(scope).imported_too(imported_too);
    let hits = select.newest(db, trees, usize::MAX)?.into_iter();
    let stock = hits.map(|hit| {
        let (bytes, refused, remote) = recordings.remove(&hit.entry).unwrap_or_default();
        let (artifacts, of_artifacts) = artifacts.remove(&hit.entry).unwrap_or_default();
        let (results, of_results) = results.remove(&hit.entry).unwrap_or_default();
        let item = hit.item;
        // What a server's jobs have saved is there, and what was imported has it in its folder.
        let is_here = !remote && !item.imported;
        let saved = if is_here {
            of_artifacts + of_results
        } else {
            0
        };
        let protected = if item.pinned {
            Some(Protection::Pinned)
        } else if hit.state.in_use {
            Some(Protection::Running)
        } else if !hit.settled && !remote && !item.imported {
            Some(Protection::Unfinished)
        } else {
            None
        };
        let held = Held {
            // The two trees know nothing of each other.
            repo: format!(
                "{}{}/{}",
                if item.imported { "/" } else { "" },
                item.sid.org,
                item.sid.repo
            ),
            branch: item.branch.clone(),
            created: item.created,
            green: item.status == BuildStatus::Success,
            refused,
            size: bytes.saturating_add(saved),
            protected,
        };
        Stocked {
            held,
            artifacts: if is_here { artifacts } else { Vec::new() },
            results: if is_here { results } else { Vec::new() },
            remote,
            state: hit.state,
            item,
        }
    });
    Ok(stock.collect())
}

/// Those of a scope, of all that a statement selects.
fn within<'a>(
    db: &'a Connection,
    scope: &Scope,
    all: &str,
) -> rusqlite::Result<(Statement<'a>, Option<Vec<u8>>)> {
    Ok(match scope {
        Scope::Everything => (db.prepare(all)?, None),
        Scope::Repo(names) => {
            let statement = db.prepare(&format!("{all} AND b.place = ?"))?;
            (statement, Some(names.join("/").into_bytes()))
        }
    })
}

fn saved(db: &Connection, scope: &Scope, all: &str) -> rusqlite::Result<Saved> {
    let (mut all, place) = within(db, scope, all)?;
    let mut rows = all.query(params_from_iter(place))?;
    let mut saved = Saved::new();
    while let Some(row) = rows.next()? {
        let size: i64 = row.get(2)?;
        let (names, bytes) = saved.entry(row.get(0)?).or_default();
        names.push(row.get(1)?);
        *bytes = bytes.saturating_add(size.cast_unsigned());
    }
    Ok(saved)
}
