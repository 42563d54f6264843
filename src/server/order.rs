//! What was asked to be built, on disk: one file a build, `orders/REPO/IDX.edn`.
//!
//! ```text
//! triggered ── order written ── queued ── its journal begins ── the journal tells the rest
//!                                  └── ended before it began: the order says how
//! ```
//!
//! Builds are queued that have an order and neither a journal nor an end in their order, so a
//! server that was killed goes on where it was. Numbers count on from the highest order, also when
//! recordings are deleted. Parameters stand in an order (mode 0600) until the build has begun.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::domain::{BuildStatus, Millis, Sid, file_name};
use crate::edn::{self, Map, Value};

use super::{private, workspace};

/// Which commit is to be built; without anything, the tip of the main branch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// A branch.
    pub branch: Option<String>,
    /// A tag.
    pub tag: Option<String>,
    /// A commit; branch or tag then only say where it is from.
    pub commit: Option<String>,
    /// The tree that was sent, by the name of its archive; the others then only say where it is from.
    pub workspace: Option<String>,
}

/// A build that was triggered.
#[derive(Debug, Clone)]
pub struct Order {
    /// The build.
    pub sid: Sid,
    /// Its number in its repository.
    pub idx: u64,
    /// What triggered it: `api`, `github-webhook`.
    pub source: String,
    /// When.
    pub triggered: Millis,
    /// What to check out.
    pub wanted: Wanted,
    /// What its trigger said of the commit (events.md §3, `:git`).
    pub git: Map,
    /// What its trigger said of changed files.
    pub changes: Option<Value>,
    /// Parameters of the trigger.
    pub params: Vec<(String, SecretString)>,
    /// The webhook that triggered it.
    pub webhook: Option<String>,
    /// What tells its delivery from every other.
    pub deliveries: Vec<String>,
    /// How it ended, when it has before it began.
    pub end: Option<Unbegun>,
}

/// How a build ended that never began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unbegun {
    /// Canceled, or an error.
    pub status: BuildStatus,
    /// Why, for people.
    pub message: Option<String>,
    /// When.
    pub time: Millis,
}

impl Order {
    /// Where it is kept.
    fn file(&self, folder: &Path) -> PathBuf {
        let name = format!("{}.edn", self.idx);
        folder.join(file_name(&self.sid.repo)).join(name)
    }

    /// Writes it.
    pub(super) fn save(&self, folder: &Path) -> io::Result<()> {
        private::write(&self.file(folder), edn::write(&self.to_value()).as_bytes())
    }

    fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert_kw("version", Value::Int(1));
        for (key, text) in [
            ("org-id", &self.sid.org),
            ("repo-id", &self.sid.repo),
            ("build-id", &self.sid.build),
        ] {
            map.insert_kw(key, text.as_str());
        }
        let idx = i64::try_from(self.idx).unwrap_or(i64::MAX);
        map.insert_kw("idx", Value::Int(idx));
        map.insert_kw("source", Value::kw(&self.source));
        map.insert_kw("time", Value::Int(self.triggered));
        for (key, text) in [
            ("branch", &self.wanted.branch),
            ("tag", &self.wanted.tag),
            ("commit-id", &self.wanted.commit),
            ("workspace", &self.wanted.workspace),
            ("webhook-id", &self.webhook),
        ] {
            if let Some(text) = text {
                map.insert_kw(key, text.as_str());
            }
        }
        map.insert_kw("git", Value::Map(self.git.clone()));
        if let Some(changes) = &self.changes {
            map.insert_kw("changes", changes.clone());
        }
        if !self.deliveries.is_empty() {
            let seen = self.deliveries.iter().map(|seen| seen.as_str().into());
            map.insert_kw("deliveries", Value::Vector(seen.collect()));
        }
        if !self.params.is_empty() {
            let params = self.params.iter();
            let params = params.map(|(k, v)| (Value::from(k.as_str()), v.expose_secret().into()));
            map.insert_kw("params", Value::Map(params.collect()));
        }
        if let Some(end) = &self.end {
            let mut ended = Map::new();
            ended.insert_kw("status", Value::kw(end.status.as_str()));
            ended.insert_kw("time", Value::Int(end.time));
            if let Some(message) = &end.message {
                ended.insert_kw("message", message.as_str());
            }
            map.insert_kw("end", Value::Map(ended));
        }
        Value::Map(map)
    }

    fn from_value(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let end = value.get("end").and_then(|end| {
            let status = end.get("status")?.as_keyword()?;
            Some(Unbegun {
                status: BuildStatus::parse(status.as_str()),
                message: end
                    .get("message")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
                time: end.get("time")?.as_i64()?,
            })
        });
        let params = value.get("params").and_then(Value::as_map);
        let params = params.into_iter().flat_map(Map::iter).filter_map(|(k, v)| {
            let value = SecretString::from(v.as_str()?);
            Some((k.as_str()?.to_owned(), value))
        });
        let deliveries = value.get("deliveries").and_then(Value::as_seq);
        Some(Self {
            sid: Sid::new(text("org-id")?, text("repo-id")?, text("build-id")?),
            idx: value.get("idx")?.as_i64()?.try_into().ok()?,
            source: value.get("source")?.as_keyword()?.as_str().to_owned(),
            triggered: value.get("time")?.as_i64()?,
            wanted: Wanted {
                branch: text("branch"),
                tag: text("tag"),
                commit: text("commit-id"),
                workspace: text("workspace").filter(|name| workspace::is_name(name)),
            },
            git: value.get("git").and_then(Value::as_map).cloned()?,
            changes: value.get("changes").cloned(),
            params: params.collect(),
            webhook: text("webhook-id"),
            deliveries: (deliveries.into_iter().flatten())
                .filter_map(|seen| seen.as_str().map(str::to_owned))
                .collect(),
            end,
        })
    }
}

/// The orders of a folder, and sentences about those that cannot be read.
pub(super) fn read_all(folder: &Path) -> (Vec<Order>, Vec<String>) {
    let (mut orders, mut problems) = (Vec::new(), Vec::new());
    let repos = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for repo in repos {
        let files = std::fs::read_dir(repo.path())
            .into_iter()
            .flatten()
            .flatten();
        for file in files {
            let path = file.path();
            // Anything else is a draft of a server that was killed.
            if path.extension().is_none_or(|ending| ending != "edn") {
                continue;
            }
            let text = std::fs::read_to_string(&path);
            let value = text.ok().and_then(|text| edn::read_str(&text).ok());
            match value.as_ref().and_then(Order::from_value) {
                Some(order) => orders.push(order),
                None => problems.push(format!(
                    "{} is no order of a build and is passed over",
                    path.display()
                )),
            }
        }
    }
    orders.sort_by_key(|order| (order.triggered, order.idx));
    (orders, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_written_and_shows_no_parameter() {
        let dir = tempfile::tempdir().unwrap();
        let order = Order {
            sid: Sid::new("o", "../r", "build-3"),
            idx: 3,
            source: "api".to_owned(),
            triggered: 7,
            wanted: Wanted {
                branch: Some("b".to_owned()),
                ..Wanted::default()
            },
            git: Map::from_iter([(Value::kw("ref"), "refs/heads/b".into())]),
            changes: Some(Value::map([("added", Value::Set(vec!["f".into()]))])),
            params: vec![("P".to_owned(), "hunter2".into())],
            webhook: Some("w".to_owned()),
            deliveries: vec!["d".to_owned()],
            end: Some(Unbegun {
                status: BuildStatus::Canceled,
                message: Some("m".to_owned()),
                time: 8,
            }),
        };
        assert!(!format!("{order:?}").contains("hunter2"));
        order.save(dir.path()).unwrap();
        std::fs::write(dir.path().join("%2E.%2Fr/4.edn"), "{:idx 4}").unwrap();
        let (read, problems) = read_all(dir.path());
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].to_value(), order.to_value());
        assert!(problems[0].contains("4.edn"), "{problems:?}");
    }
}
