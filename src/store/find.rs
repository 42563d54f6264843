//! Which build a user means by BUILD (decisions.md, "Command line").

use std::fmt;
use std::path::Path;

use crate::domain::{BuildStatus, Sid};
use crate::journal::{self, JournalError};

use super::by_folder::Entry;
use super::index::Condition;
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
    /// A build id, a unique prefix of one, `ORG/REPO/BUILD`, or a recording's path.
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
        let asked = self.ask(|index, problems| {
            let all = Condition::new("1", []).newest(1);
            // When there were attempts only, the newest of them is better than nothing; so is what
            // was imported, and what cannot be read.
            let mut found = index.find(&self.scope, &all.clone().begun(true))?;
            if found.is_empty() {
                found = index.find(&self.scope, &all)?;
            }
            if found.is_empty() && problems.is_empty() {
                found = index.find(&self.scope, &all.imported_too())?;
            }
            Ok((found.pop(), problems))
        });
        let (last, unreadable) = asked.ok().flatten().unwrap_or_else(|| {
            let (mut entries, unreadable) = self.entries();
            // Likewise.
            if entries.is_empty() && unreadable.is_empty() {
                entries = self.all_entries().0;
            }
            let begun = entries.iter().position(|entry| !entry.never_began());
            let last = entries.into_iter().nth(begun.unwrap_or(0));
            (last.map(Entry::found), unreadable)
        });
        match (last, unreadable.into_iter().next()) {
            (Some(found), _) => Ok(found),
            (None, Some(error)) => Err(error.into()),
            (None, None) => Err(FindError::NoBuilds),
        }
    }

    fn last_failed(&self) -> Result<(Sid, BuildFolder), FindError> {
        let asked = self.ask(|index, _| {
            let failed = Condition::new("b.status = 'error'", []).begun(true);
            let found = index.find(&self.scope, &failed.newest(1))?;
            let any = index.find(&self.scope, &Condition::new("1", []).newest(1))?;
            Ok((found.into_iter().next(), !any.is_empty()))
        });
        let (failed, any) = asked.ok().flatten().unwrap_or_else(|| {
            let (entries, _) = self.entries();
            let any = !entries.is_empty();
            let mut begun = entries.into_iter().filter(|entry| !entry.never_began());
            let failed = begun.find(|entry| {
                HistoryItem::read(&entry.folder).is_ok_and(|item| item.status == BuildStatus::Error)
            });
            (failed.map(Entry::found), any)
        });
        failed.ok_or(if any {
            FindError::NoneFailed
        } else {
            FindError::NoBuilds
        })
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
        for is_meant in [is_called, is_begun_by] {
            let mut found = self.candidates(name);
            found.retain(|(sid, _)| is_meant(sid, name));
            match found.len() {
                0 => {}
                1 => return Ok(found.remove(0)),
                _ => {
                    return Err(FindError::Ambiguous {
                        name: name.to_owned(),
                        candidates: found.into_iter().map(|(sid, _)| sid).collect(),
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

    /// At least the builds that a name may mean, newest first.
    fn candidates(&self, name: &str) -> Vec<(Sid, BuildFolder)> {
        let asked = self.ask(|index, _| {
            let end = format!("{name}{}", char::MAX);
            let (name, end) = (name, end.as_str());
            let begins = "b.build >= ? AND b.build <= ?";
            let condition = if name.contains('/') {
                let whole = "b.org || '/' || b.repo || '/' || b.build";
                let any = format!("{begins} OR {whole} >= ? AND {whole} <= ?");
                Condition::new(&any, [name, end, name, end])
            } else {
                Condition::new(begins, [name, end])
            };
            index.find(&self.scope, &condition.imported_too())
        });
        asked.ok().flatten().unwrap_or_else(|| {
            let (entries, _) = self.all_entries();
            entries.into_iter().map(Entry::found).collect()
        })
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

fn is_called(sid: &Sid, name: &str) -> bool {
    sid.build == name
}

fn is_begun_by(sid: &Sid, name: &str) -> bool {
    !name.is_empty()
        // Those of a server are numbered: 1 is not the beginning of 17.
        && !is_numbered(&sid.build)
        && (sid.build.starts_with(name)
            // `ORG/REPO/` and then the beginning of an id.
            || (name.contains('/') && sid.to_string().starts_with(name)))
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
