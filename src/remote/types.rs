//! What a server answers, as plain types (public-api.md §10). Reading is lenient: what is not there
//! is `None`, and what has no place here is in the map that every type with open ends keeps.

use crate::domain::{BuildStatus, GitInfo, JobId, JobStatus, Millis, Sid};
use crate::edn::{Map, Value};

/// A build: of a list (without its jobs, perhaps) or in detail.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildInfo {
    /// The org's id, as the server has it: never its display id.
    pub org: String,
    /// The repo's id.
    pub repo: String,
    /// `build-17`.
    pub build_id: String,
    /// Its number in the repo.
    pub idx: Option<i64>,
    /// Where it stands.
    pub status: BuildStatus,
    /// When it was triggered, or began to run once it did.
    pub start: Option<Millis>,
    /// When it ended.
    pub end: Option<Millis>,
    /// What started it: `api`, `github-webhook` ….
    pub source: Option<String>,
    /// Branch, commit, author.
    pub git: GitInfo,
    /// Why it failed, for people.
    pub message: Option<String>,
    /// What it has cost; 0 until it has ended.
    pub credits: Option<i64>,
    /// All that the server said, for the fold.
    pub map: Map,
}

impl BuildInfo {
    /// Reads a build map; `None` where it does not say which build it is.
    pub fn read(map: &Map) -> Option<Self> {
        Some(Self {
            org: text(map, "org-id")?,
            repo: text(map, "repo-id")?,
            build_id: text(map, "build-id")?,
            idx: int(map, "idx"),
            status: text(map, "status")
                .map_or(BuildStatus::Pending, |name| BuildStatus::parse(&name)),
            start: int(map, "start-time"),
            end: int(map, "end-time"),
            source: text(map, "source"),
            git: map
                .get_kw("git")
                .and_then(Value::as_map)
                .map(git)
                .unwrap_or_default(),
            message: text(map, "message"),
            credits: int(map, "credits"),
            map: map.clone(),
        })
    }

    /// Org, repo and build.
    pub fn sid(&self) -> Sid {
        Sid::new(&self.org, &self.repo, &self.build_id)
    }

    /// Its jobs, where the answer has them. They are a list in details and a map by id in events.
    pub fn jobs(&self) -> Vec<JobInfo> {
        let script = self.map.get_kw("script").and_then(Value::as_map);
        let Some(jobs) = script.and_then(|script| script.get_kw("jobs")) else {
            return Vec::new();
        };
        match jobs {
            Value::Map(by_id) => by_id
                .iter()
                .filter_map(|(id, job)| {
                    let id = value_text(id)?;
                    Some(JobInfo::read(&id, job.as_map()?))
                })
                .collect(),
            list => list
                .as_seq()
                .unwrap_or_default()
                .iter()
                .filter_map(|job| JobInfo::of(job.as_map()?))
                .collect(),
        }
    }
}

/// A job of a build.
#[derive(Debug, Clone, PartialEq)]
pub struct JobInfo {
    /// As the script wrote it.
    pub id: JobId,
    /// Where it stands.
    pub status: JobStatus,
    /// When it began to run.
    pub start: Option<Millis>,
    /// When it ended.
    pub end: Option<Millis>,
    /// How many lines its script has: each has a log of its own for either stream.
    pub commands: usize,
    /// All that the server said.
    pub map: Map,
}

impl JobInfo {
    pub(super) fn of(map: &Map) -> Option<Self> {
        let id = text(map, "id").or_else(|| text(map, "job-id"))?;
        Some(Self::read(&id, map))
    }

    fn read(id: &str, map: &Map) -> Self {
        let lines = match map.get_kw("script") {
            Some(Value::Str(_)) => 1,
            Some(list) => list.as_seq().map_or(0, <[Value]>::len),
            None => 0,
        };
        Self {
            id: JobId::new(id),
            status: text(map, "status").map_or(JobStatus::Pending, |name| JobStatus::parse(&name)),
            start: int(map, "start-time"),
            end: int(map, "end-time"),
            commands: lines,
            map: map.clone(),
        }
    }

    /// What its result says to people.
    pub fn message(&self) -> Option<String> {
        let result = self.map.get_kw("result").and_then(Value::as_map)?;
        text(result, "message")
    }
}

/// An org, with its repos where the answer has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgInfo {
    /// The id that events and builds carry.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The id that people type.
    pub display_id: Option<String>,
    /// Its repos, in the order of the answer.
    pub repos: Vec<RepoInfo>,
}

impl OrgInfo {
    pub(super) fn read(map: &Map) -> Option<Self> {
        let id = text(map, "id")?;
        let repos = match map.get_kw("repos") {
            Some(Value::Map(by_id)) => by_id.values().filter_map(Value::as_map).collect(),
            Some(list) => list
                .as_seq()
                .unwrap_or_default()
                .iter()
                .filter_map(Value::as_map)
                .collect(),
            None => Vec::new(),
        };
        let repos = repos
            .into_iter()
            .filter_map(|repo| RepoInfo::read(repo, &id));
        Some(Self {
            name: text(map, "name").unwrap_or_else(|| id.clone()),
            display_id: text(map, "display-id"),
            repos: repos.collect(),
            id,
        })
    }
}

/// A repo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoInfo {
    /// The id that is part of paths.
    pub id: String,
    /// The org's id.
    pub org: String,
    /// Its name.
    pub name: String,
    /// Where its code is.
    pub url: Option<String>,
    /// The branch that is built when none is named.
    pub main_branch: Option<String>,
    /// Everybody may look at its builds.
    pub public: bool,
    /// Names and values, in the order of the answer.
    pub labels: Vec<(String, String)>,
}

impl RepoInfo {
    /// Entries of an org say no org: it is the one given.
    pub(super) fn read(map: &Map, org: &str) -> Option<Self> {
        let id = text(map, "id")?;
        Some(Self {
            org: text(map, "org-id").unwrap_or_else(|| org.to_owned()),
            name: text(map, "name").unwrap_or_else(|| id.clone()),
            url: text(map, "url"),
            main_branch: text(map, "main-branch"),
            public: map.get_kw("public").and_then(Value::as_bool) == Some(true),
            labels: map
                .get_kw("labels")
                .and_then(Value::as_seq)
                .unwrap_or_default()
                .iter()
                .filter_map(Value::as_map)
                .filter_map(|label| Some((text(label, "name")?, text(label, "value")?)))
                .collect(),
            id,
        })
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    /// The server's id of the user.
    pub id: String,
    /// Where the user logs in: `github` ….
    pub provider: Option<String>,
    /// The address, where the provider tells it.
    pub email: Option<String>,
    /// Ids of the user's orgs.
    pub orgs: Vec<String>,
}

impl UserInfo {
    pub(super) fn read(map: &Map) -> Option<Self> {
        Some(Self {
            id: text(map, "id")?,
            provider: text(map, "type"),
            email: text(map, "email"),
            orgs: map
                .get_kw("orgs")
                .and_then(Value::as_seq)
                .unwrap_or_default()
                .iter()
                .filter_map(value_text)
                .collect(),
        })
    }
}

/// An artifact that a job means to save. It is listed even when saving failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactInfo {
    /// Its id.
    pub id: String,
    /// The path in the job's work folder.
    pub path: Option<String>,
}

impl ArtifactInfo {
    pub(super) fn read(map: &Map) -> Option<Self> {
        Some(Self {
            id: text(map, "id")?,
            path: text(map, "path"),
        })
    }
}

/// What a server of this program takes a credential for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderInfo {
    /// The only org there is.
    pub org: String,
    /// `read`, `run`, `admin`.
    pub role: String,
}

impl HolderInfo {
    pub(super) fn read(map: &Map) -> Option<Self> {
        Some(Self {
            org: text(map, "org-id")?,
            role: text(map, "role")?,
        })
    }
}

/// What an org may still spend.
#[derive(Debug, Clone, PartialEq)]
pub struct Credits {
    /// As the server writes it; decimals are possible.
    pub available: f64,
}

/// Time and credits that an org has used, a day each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stats {
    /// From when to when.
    pub period: (Option<Millis>, Option<Millis>),
    /// Start of a day, seconds that builds ran in it.
    pub elapsed_seconds: Vec<(Millis, f64)>,
    /// Start of a day, credits that were used in it.
    pub consumed_credits: Vec<(Millis, f64)>,
}

impl Stats {
    pub(super) fn read(map: &Map) -> Self {
        let inner = |name: &str| map.get_kw(name).and_then(Value::as_map);
        let days = |name: &str, of: &str| {
            inner("stats")
                .and_then(|stats| stats.get_kw(name))
                .and_then(Value::as_seq)
                .unwrap_or_default()
                .iter()
                .filter_map(|day| Some((day.get("date")?.as_i64()?, day.get(of)?.as_f64()?)))
                .collect()
        };
        let at = |name: &str| inner("period").and_then(|period| int(period, name));
        Self {
            period: (at("start"), at("end")),
            elapsed_seconds: days("elapsed-seconds", "seconds"),
            consumed_credits: days("consumed-credits", "credits"),
        }
    }
}

fn git(map: &Map) -> GitInfo {
    let author = map.get_kw("author").and_then(|author| match author {
        Value::Map(author) => text(author, "name").or_else(|| text(author, "username")),
        other => value_text(other),
    });
    let named = text(map, "ref");
    let of = |prefix: &str| {
        let named = named.as_deref()?;
        named.strip_prefix(prefix).map(str::to_owned)
    };
    GitInfo {
        url: text(map, "url"),
        branch: text(map, "branch").or_else(|| of("refs/heads/")),
        tag: text(map, "tag").or_else(|| of("refs/tags/")),
        r#ref: named.clone(),
        main_branch: text(map, "main-branch"),
        commit_id: text(map, "commit-id"),
        message: text(map, "message"),
        author,
        dirty: false,
    }
}

pub(super) fn text(map: &Map, key: &str) -> Option<String> {
    map.get_kw(key).and_then(value_text)
}

/// A string, or the name of a keyword or symbol, or a number as it is written.
pub(super) fn value_text(value: &Value) -> Option<String> {
    match value {
        Value::Str(text) => Some(text.clone()),
        Value::Keyword(keyword) => Some(keyword.as_str().to_owned()),
        Value::Symbol(name) => Some(name.to_string()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

fn int(map: &Map, key: &str) -> Option<i64> {
    map.get_kw(key).and_then(Value::as_i64)
}
