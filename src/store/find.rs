//! Which build a user means by BUILD (decisions.md, "Command line").

use std::fmt;
use std::path::Path;

use crate::domain::{BuildStatus, Sid};
use crate::journal::{self, JournalError};

use super::history::Entry;
use super::{BuildFolder, History, HistoryItem, PortableError, is_exported, portable};

/// Longest list of builds in an error.
const MOST_NAMED: usize = 20;

/// A build as a user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildSpec {
    /// `last`: the newest that has begun.
    Last,
    /// `last-failed`: the newest that ended in an error.
    LastFailed,
    /// A build id, a unique prefix of one, `ORG/REPO/BUILD`, or the path of a recording or of an
    /// exported one.
    Named(String),
}

impl BuildSpec {
    /// Reads BUILD as typed.
    pub fn parse(text: &str) -> Self {
        match text {
            "last" => Self::Last,
            "last-failed" => Self::LastFailed,
            other => Self::Named(other.to_owned()),
        }
    }
}

impl fmt::Display for BuildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Last => "last",
            Self::LastFailed => "last-failed",
            Self::Named(name) => name,
        })
    }
}

/// Why BUILD names no build.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// There is none at all.
    #[error("there is no recorded build yet")]
    NoBuilds,
    /// `last-failed`, and none has.
    #[error("no recorded build has failed")]
    NoneFailed,
    /// No build has that name.
    #[error("no recorded build is called {0:?}")]
    NotFound(String),
    /// More than one build has that name.
    #[error("{name:?} names {} builds:{}", candidates.len(), listed(candidates))]
    Ambiguous {
        /// What was typed.
        name: String,
        /// All builds it may mean, newest first.
        candidates: Vec<Sid>,
    },
    /// The build is there, its journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An exported recording cannot be opened.
    #[error(transparent)]
    Portable(#[from] PortableError),
}

fn listed(candidates: &[Sid]) -> String {
    let mut lines: Vec<String> = candidates
        .iter()
        .take(MOST_NAMED)
        .map(|sid| format!("\n  {sid}"))
        .collect();
    if candidates.len() > MOST_NAMED {
        lines.push(format!("\n  and {} more", candidates.len() - MOST_NAMED));
    }
    lines.concat()
}

impl History {
    /// Finds the build that a user means. In this order: `ORG/REPO/BUILD`, an id, the
    /// beginning of one, a path; what begins with `/`, `./` or `../` is always a path.
    pub fn find(&self, spec: &BuildSpec) -> Result<(Sid, BuildFolder), FindError> {
        match spec {
            BuildSpec::Last => self.last(),
            BuildSpec::LastFailed => self.last_failed(),
            BuildSpec::Named(name) => self.named(name),
        }
    }

    fn last(&self) -> Result<(Sid, BuildFolder), FindError> {
        let (mut entries, unreadable) = self.entries();
        if entries.is_empty() && unreadable.is_empty() {
            // Better than nothing.
            entries = self.all_entries().0;
        }
        // When there were attempts only, the newest of them is better than nothing.
        let begun = entries.iter().position(|entry| !entry.never_began());
        let last = entries.into_iter().nth(begun.unwrap_or(0));
        match (last, unreadable.into_iter().next()) {
            (Some(entry), _) => Ok(entry.found()),
            (None, Some(error)) => Err(error.into()),
            (None, None) => Err(FindError::NoBuilds),
        }
    }

    fn last_failed(&self) -> Result<(Sid, BuildFolder), FindError> {
        let (entries, _) = self.entries();
        if entries.is_empty() {
            return Err(FindError::NoBuilds);
        }
        entries
            .into_iter()
            .filter(|entry| !entry.never_began())
            .find(|entry| {
                HistoryItem::read(&entry.folder).is_ok_and(|item| item.status == BuildStatus::Error)
            })
            .map(Entry::found)
            .ok_or(FindError::NoneFailed)
    }

    fn named(&self, name: &str) -> Result<(Sid, BuildFolder), FindError> {
        if ["/", "./", "../"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            return self.at_path(Path::new(name));
        }
        if let Ok(sid) = Sid::parse(name) {
            for folder in self.folders_of(&sid) {
                match journal::peek(&folder.journal) {
                    Ok((found, _)) => return Ok((found, folder)),
                    Err(JournalError::Missing(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let (entries, _) = self.all_entries();
        let whole = |entry: &Entry| entry.sid.build == name;
        let beginning = |entry: &Entry| {
            !name.is_empty()
                // Those of a server are numbered: 1 is not the beginning of 17.
                && !is_numbered(&entry.sid.build)
                && (entry.sid.build.starts_with(name)
                    // `ORG/REPO/` and then the beginning of an id.
                    || (name.contains('/') && entry.sid.to_string().starts_with(name)))
        };
        let fits: [&dyn Fn(&Entry) -> bool; 2] = [&whole, &beginning];
        for fits in fits {
            let mut found: Vec<&Entry> = entries.iter().filter(|entry| fits(entry)).collect();
            match found.len() {
                0 => {}
                1 => return Ok(found.remove(0).clone().found()),
                _ => {
                    return Err(FindError::Ambiguous {
                        name: name.to_owned(),
                        candidates: found.iter().map(|entry| entry.sid.clone()).collect(),
                    });
                }
            }
        }
        match self.at_path(Path::new(name)) {
            // Whether it is there or a folder without a recording: no build was meant.
            Err(FindError::Journal(JournalError::Missing(_))) => {}
            found_or_not => return found_or_not,
        }
        Err(FindError::NotFound(name.to_owned()))
    }

    /// The recording that a path names: a folder with one, its journal, or one that was exported.
    fn at_path(&self, path: &Path) -> Result<(Sid, BuildFolder), FindError> {
        if is_exported(path) {
            return Ok(portable::open(&self.opened, path)?);
        }
        let folder = BuildFolder::of_path(path);
        let (sid, _) = journal::peek(&folder.journal)?;
        Ok((sid, folder))
    }
}

/// `build-17`, as servers call builds.
fn is_numbered(build: &str) -> bool {
    let number = build.strip_prefix("build-");
    number.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Entry {
    fn found(self) -> (Sid, BuildFolder) {
        (self.sid, self.folder)
    }
}
