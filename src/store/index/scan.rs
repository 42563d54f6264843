//! Which builds there are: what the folders say, kept beside when they said it.
//!
//! A folder's time of modification changes when something is made or removed in it. So a folder of
//! a repository is read only when its time is another one than the last time: looking for new
//! builds costs one look a repository, however many builds there are.
//!
//! Two things make that safe:
//!
//! - Times are coarse. What changes within the same tick as the reading would not show, so a time
//!   is only believed when it is a while ago.
//! - Time, names and their comparison are one transaction. Who writes later has also looked later.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::journal::JournalError;

use super::write::forget;

/// A folder that was changed this recently may be changed again without a trace, in ns: the
/// coarsest file systems count in steps of two seconds.
const SETTLES: i64 = 3_000_000_000;

/// The builds that are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Scope {
    /// All.
    Everything,
    /// Those of one repository, by the names of its folders.
    Repo([String; 2]),
}

/// The folders that all recordings are in, as `org/repo/build`.
#[derive(Debug, Clone)]
pub(in crate::store) struct Trees {
    /// Those of this machine, and of servers that were watched from here.
    pub own: PathBuf,
    /// Those that were recorded elsewhere.
    pub imported: PathBuf,
}

impl Trees {
    fn of(&self, imported: bool) -> &Path {
        if imported { &self.imported } else { &self.own }
    }

    /// True when there is something to look into.
    pub(in crate::store) fn exist(&self) -> bool {
        self.own.is_dir() || self.imported.is_dir()
    }

    /// In which tree a recording's folder is, and the names of its folders.
    pub(super) fn place_of<'a>(&self, dir: &'a Path) -> Option<(bool, [&'a [u8]; 3])> {
        [false, true].into_iter().find_map(|imported| {
            let inside = dir.strip_prefix(self.of(imported)).ok()?;
            let names: Vec<&[u8]> = inside.iter().map(OsStr::as_bytes).collect();
            Some((imported, names.try_into().ok()?))
        })
    }

    /// The path of an entry's folder from what the index has of it.
    pub(super) fn path(&self, imported: bool, names: [&[u8]; 3]) -> PathBuf {
        let names = names.map(OsStr::from_bytes);
        let tree = self.of(imported);
        tree.join(names[0]).join(names[1]).join(names[2])
    }
}

/// The folder of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RepoFolder {
    imported: bool,
    org: OsString,
    repo: OsString,
}

impl RepoFolder {
    fn within(&self, trees: &Trees) -> PathBuf {
        trees.of(self.imported).join(&self.org).join(&self.repo)
    }
}

/// Brings the entries up to date with the folders. Folders that cannot be read are told, and what
/// is known of them stays.
pub(super) fn scan(
    db: &mut Connection,
    trees: &Trees,
    scope: &Scope,
    problems: &mut Vec<JournalError>,
) -> rusqlite::Result<()> {
    let mut complain = |dir: &Path, source| {
        problems.push(JournalError::Io {
            action: "look for",
            path: dir.join("*"),
            source,
        });
    };
    let repos = match scope {
        Scope::Repo([org, repo]) => [false, true]
            .map(|imported| RepoFolder {
                imported,
                org: org.into(),
                repo: repo.into(),
            })
            .into(),
        Scope::Everything => match repos(trees) {
            Ok(found) => {
                forget_all_but(db, trees, &found)?;
                found
            }
            Err((dir, source)) => {
                complain(&dir, source);
                return Ok(());
            }
        },
    };
    for repo in repos {
        let dir = repo.within(trees);
        let is_news = match (look_at(&dir), known(db, &repo)?) {
            (Ok(Look::Gone), Known::Not) => false,
            (Ok(Look::At(time)), Known::AsOf(known)) => known != time,
            _ => true,
        };
        if is_news && let Err(error) = scan_repo(db, &repo, &dir)? {
            complain(&dir, error);
        }
    }
    Ok(())
}

/// The folders of all repositories.
fn repos(trees: &Trees) -> Result<Vec<RepoFolder>, (PathBuf, io::Error)> {
    let inside = |dir: &Path| subfolders(dir).map_err(|error| (dir.to_owned(), error));
    let mut repos = Vec::new();
    for imported in [false, true] {
        let tree = trees.of(imported);
        for (org, _) in inside(tree)? {
            for (repo, _) in inside(&tree.join(&org))? {
                let org = org.clone();
                repos.push(RepoFolder {
                    imported,
                    org,
                    repo,
                });
            }
        }
    }
    Ok(repos)
}

/// The folders in a folder, with their inodes; none when there is no such folder.
pub(in crate::store) fn subfolders(dir: &Path) -> io::Result<Vec<(OsString, i64)>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let folders = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        // No id makes such a name: something is being written there.
        .filter(|entry| !entry.file_name().as_bytes().starts_with(b"."))
        .map(|entry| (entry.file_name(), entry.ino().cast_signed()));
    Ok(folders.collect())
}

/// When a folder was changed last.
enum Look {
    /// It is not there.
    Gone,
    /// Only now: its time says nothing of what may still change.
    Now,
    /// Then, in ns since the epoch.
    At(i64),
}

fn look_at(dir: &Path) -> io::Result<Look> {
    let found = match fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Gone),
        other => other?,
    };
    let time = nanoseconds(&found);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_nanos() as i64);
    Ok(if time.saturating_add(SETTLES) < now {
        Look::At(time)
    } else {
        Look::Now
    })
}

/// When a file was changed last, in ns since the epoch.
pub(super) fn nanoseconds(found: &fs::Metadata) -> i64 {
    let seconds = found.mtime().saturating_mul(1_000_000_000);
    seconds.saturating_add(found.mtime_nsec())
}

/// What is known of a repository's folder.
enum Known {
    /// Nothing.
    Not,
    /// Something that may be out of date.
    Once,
    /// What it was when it had this time.
    AsOf(i64),
}

fn known(db: &Connection, repo: &RepoFolder) -> rusqlite::Result<Known> {
    let time = db
        .prepare_cached(
            "SELECT modified FROM repos WHERE imported = ?1 AND org = ?2 AND repo = ?3",
        )?
        .query_row(
            params![repo.imported, repo.org.as_bytes(), repo.repo.as_bytes()],
            |row| row.get::<_, Option<i64>>(0),
        )
        .optional()?;
    Ok(match time {
        None => Known::Not,
        Some(None) => Known::Once,
        Some(Some(time)) => Known::AsOf(time),
    })
}

/// Forgets the repositories that have no folder any more.
fn forget_all_but(
    db: &mut Connection,
    trees: &Trees,
    there: &[RepoFolder],
) -> rusqlite::Result<()> {
    let known: Vec<RepoFolder> = db
        .prepare_cached("SELECT imported, org, repo FROM repos")?
        .query_map([], |row| {
            Ok(RepoFolder {
                imported: row.get(0)?,
                org: OsString::from_vec(row.get(1)?),
                repo: OsString::from_vec(row.get(2)?),
            })
        })?
        .collect::<Result<_, _>>()?;
    for repo in known.iter().filter(|repo| !there.contains(repo)) {
        // It may be back by now: whatever is there is compared with what is known. One that is
        // there and cannot be read is told of by who looks into it.
        let _ = scan_repo(db, repo, &repo.within(trees))?;
    }
    Ok(())
}

/// Reads the folder of a repository and compares it with the entries.
fn scan_repo(
    db: &mut Connection,
    repo: &RepoFolder,
    dir: &Path,
) -> rusqlite::Result<io::Result<()>> {
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // The time first: what changes after it makes it another one.
    let found = look_at(dir).and_then(|look| Ok((look, subfolders(dir)?)));
    let (look, found) = match found {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    let id = id_of(&change, repo)?;
    let mut known = entries(&change, id)?;
    {
        let mut add =
            change.prepare_cached("INSERT INTO entries (repo, name, inode) VALUES (?1, ?2, ?3)")?;
        for (name, inode) in found {
            match known.remove(name.as_os_str()) {
                Some((_, known)) if known == inode => continue,
                // Another folder of the same name.
                Some((entry, _)) => forget(&change, entry)?,
                None => {}
            }
            add.execute(params![id, name.as_bytes(), inode])?;
        }
    }
    for (entry, _) in known.into_values() {
        forget(&change, entry)?;
    }
    match look {
        Look::Gone => change.execute("DELETE FROM repos WHERE id = ?1", [id])?,
        Look::Now => change.execute("UPDATE repos SET modified = NULL WHERE id = ?1", [id])?,
        Look::At(time) => {
            let set = "UPDATE repos SET modified = ?2 WHERE id = ?1";
            change.execute(set, params![id, time])?
        }
    };
    change.commit()?;
    Ok(Ok(()))
}

fn id_of(change: &Transaction<'_>, repo: &RepoFolder) -> rusqlite::Result<i64> {
    let names = params![repo.imported, repo.org.as_bytes(), repo.repo.as_bytes()];
    change
        .prepare_cached("INSERT OR IGNORE INTO repos (imported, org, repo) VALUES (?1, ?2, ?3)")?
        .execute(names)?;
    change
        .prepare_cached("SELECT id FROM repos WHERE imported = ?1 AND org = ?2 AND repo = ?3")?
        .query_row(names, |row| row.get(0))
}

/// Names, and the ids and inodes of what is known.
type Entries = HashMap<OsString, (i64, i64)>;

fn entries(change: &Transaction<'_>, repo: i64) -> rusqlite::Result<Entries> {
    let mut all = change.prepare_cached("SELECT name, id, inode FROM entries WHERE repo = ?1")?;
    let rows = all.query_map([repo], |row| {
        let name: Vec<u8> = row.get(0)?;
        Ok((OsString::from_vec(name), (row.get(1)?, row.get(2)?)))
    })?;
    rows.collect()
}
