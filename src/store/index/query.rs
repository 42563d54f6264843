//! What is asked of the tables.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row, params_from_iter};

use crate::domain::{BuildStatus, Sid};

use super::super::filter::Filter;
use super::super::history::first_line;
use super::super::{BuildFolder, HistoryItem};
use super::read::JournalState;
use super::scan::{Scope, Trees};

/// Newest first, as [`super::super::history`] has it.
const ORDER: &str = "b.first DESC, b.org DESC, b.repo DESC, b.build DESC";

/// Which builds are looked for, and how many.
#[derive(Debug, Clone)]
pub(in crate::store) struct Condition {
    text: String,
    values: Vec<String>,
    begun: bool,
    imported_too: bool,
    limit: usize,
}

impl Condition {
    /// All that are so, in the words of SQL; `b` is the build, and the values stand where its
    /// question marks are.
    pub(in crate::store) fn new<'a>(text: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            text: text.to_owned(),
            values: values.into_iter().map(str::to_owned).collect(),
            begun: false,
            imported_too: false,
            limit: usize::MAX,
        }
    }

    /// Only those that have begun, or also those that were refused.
    pub(in crate::store) fn begun(self, begun: bool) -> Self {
        Self { begun, ..self }
    }

    /// Also those that were imported.
    pub(in crate::store) fn imported_too(self) -> Self {
        Self {
            imported_too: true,
            ..self
        }
    }

    /// So many of the newest.
    pub(in crate::store) fn newest(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }
}

/// Conditions, and what their question marks stand for.
#[derive(Debug)]
pub(super) struct Select {
    conditions: Vec<String>,
    values: Vec<Sql>,
}

/// A build that was found, and how its journal was when it was read.
#[derive(Debug)]
pub(super) struct Hit {
    pub(super) entry: i64,
    pub(super) item: HistoryItem,
    pub(super) state: JournalState,
    pub(super) settled: bool,
}

impl Select {
    /// Those of a scope.
    pub(super) fn of(scope: &Scope) -> Self {
        let mut select = Self {
            conditions: Vec::new(),
            values: Vec::new(),
        };
        if let Scope::Repo(names) = scope {
            select.only("b.place = ?", [Sql::Blob(names.join("/").into_bytes())]);
        }
        select
    }

    /// Those of this machine only, or also what was imported and is none of those.
    pub(super) fn imported_too(mut self, imported_too: bool) -> Self {
        let condition = if imported_too {
            "NOT b.imported OR NOT EXISTS (SELECT 1 FROM builds o WHERE NOT o.imported
                 AND o.build = b.build AND o.repo = b.repo AND o.org = b.org)"
        } else {
            "NOT b.imported"
        };
        self.only(condition, []);
        self
    }

    /// Adds a condition.
    fn only(&mut self, condition: &str, values: impl IntoIterator<Item = Sql>) {
        self.conditions.push(condition.to_owned());
        self.values.extend(values);
    }

    /// Those that are so as well.
    pub(super) fn with(mut self, condition: &Condition) -> Self {
        let values = condition.values.iter().cloned().map(Sql::from);
        self.only(&condition.text, values);
        let select = self.imported_too(condition.imported_too);
        if condition.begun {
            select.begun()
        } else {
            select
        }
    }

    /// Leaves out those that ended before they began.
    pub(super) fn begun(mut self) -> Self {
        self.only("NOT b.refused", []);
        self
    }

    /// Those that a filter lets through.
    pub(super) fn matching(mut self, filter: &Filter) -> Self {
        let Filter {
            branch,
            status,
            since,
            until,
            job,
            words,
        } = filter;
        if let Some(branch) = branch {
            self.only("b.branch = ?", [branch.clone().into()]);
        }
        if let Some(since) = since {
            self.only("b.created >= ?", [(*since).into()]);
        }
        if let Some(until) = until {
            self.only("b.created < ?", [(*until).into()]);
        }
        let names: Vec<Sql> = (status.iter())
            .flat_map(|wanted| wanted.names())
            .map(|name| name.to_owned().into())
            .collect();
        let one_of = match names.len() {
            0 => String::new(),
            count => format!("status IN ({})", vec!["?"; count].join(", ")),
        };
        match job {
            Some(job) => {
                let mut inside = "b.id IN (SELECT build FROM jobs WHERE job = ?".to_owned();
                if !one_of.is_empty() {
                    inside.push_str(&format!(" AND {one_of}"));
                }
                let job = Sql::from(job.as_str().to_owned());
                self.only(&format!("{inside})"), [job].into_iter().chain(names));
            }
            None if !one_of.is_empty() => self.only(&format!("b.{one_of}"), names),
            None => {}
        }
        if !words.is_empty() {
            // Each is letters and digits only: nothing in it is a query's.
            let all: Vec<String> = words.iter().map(|word| format!("\"{word}\"*")).collect();
            self.only(
                "b.id IN (SELECT rowid FROM words WHERE words MATCH ?)",
                [all.join(" AND ").into()],
            );
        }
        self
    }

    /// The newest of these builds, at most `limit`.
    pub(super) fn newest(
        self,
        db: &Connection,
        trees: &Trees,
        limit: usize,
    ) -> rusqlite::Result<Vec<Hit>> {
        let Self {
            conditions,
            mut values,
        } = self;
        let conditions = match conditions.len() {
            0 => "1".to_owned(),
            _ => format!("({})", conditions.join(") AND (")),
        };
        let sql = format!(
            "SELECT b.id, r.org, r.repo, e.name, b.org, b.repo, b.build, b.status, e.in_use,
                    b.interrupted, b.created, b.started, b.ended, b.branch, b.commit_id,
                    b.commit_message, b.dirty, b.reason, b.jobs, b.failed, b.pinned, e.length,
                    e.modified, e.settled, b.imported
             FROM builds b JOIN entries e ON e.id = b.id JOIN repos r ON r.id = e.repo
             WHERE {conditions} ORDER BY {ORDER} LIMIT ?"
        );
        values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let mut statement = db.prepare(&sql)?;
        let rows = statement.query_map(params_from_iter(values), |row| Hit::read(row, trees))?;
        rows.collect()
    }
}

impl Hit {
    fn read(row: &Row<'_>, trees: &Trees) -> rusqlite::Result<Self> {
        let blob = |place: usize| row.get_ref(place)?.as_blob().map_err(rusqlite::Error::from);
        let imported = row.get(24)?;
        let dir = trees.path(imported, [blob(1)?, blob(2)?, blob(3)?]);
        let status = BuildStatus::parse(row.get_ref(7)?.as_str()?);
        let in_use: bool = row.get(8)?;
        let message: Option<String> = row.get(15)?;
        let count = |place: usize| row.get::<_, i64>(place).map(|count| count as usize);
        Ok(Self {
            entry: row.get(0)?,
            state: JournalState {
                length: row.get(21)?,
                modified: row.get(22)?,
                in_use,
            },
            settled: row.get(23)?,
            item: HistoryItem {
                sid: Sid {
                    org: row.get(4)?,
                    repo: row.get(5)?,
                    build: row.get(6)?,
                },
                folder: BuildFolder::at(&dir),
                running: in_use && !status.is_final(),
                imported,
                status,
                interrupted: row.get(9)?,
                created: row.get(10)?,
                start: row.get(11)?,
                end: row.get(12)?,
                branch: row.get(13)?,
                commit: row.get(14)?,
                commit_message: message.as_deref().map(first_line),
                dirty: row.get(16)?,
                message: row.get(17)?,
                jobs_total: count(18)?,
                jobs_failed: count(19)?,
                pinned: row.get(20)?,
            },
        })
    }
}
