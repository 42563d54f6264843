//! Builds, as lists and one by one.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::domain::{Build, Millis};
use crate::edn::Value;
use crate::wire::{self, Jobs};

use super::Server;
use super::board::{Entry, Short, known};
use super::reply::{self, Format};

/// What is recent, when nobody says.
const RECENT: Millis = 24 * 60 * 60 * 1000;

/// `GET R/builds`
pub(super) async fn list(
    State(server): State<Server>,
    Path((_, repo)): Path<(String, String)>,
    format: Format,
) -> Response {
    if server.repo(&repo).is_none() {
        return reply::absent();
    }
    match server.shorts(server.board().list(Some(&repo))).await {
        Ok(shorts) => format.ok(&values(&shorts)),
        Err(why) => format.broken(&why),
    }
}

/// `GET R/builds/latest`
pub(super) async fn latest(
    State(server): State<Server>,
    Path((_, repo)): Path<(String, String)>,
    format: Format,
) -> Response {
    if server.repo(&repo).is_none() {
        return reply::absent();
    }
    match server.board().list(Some(&repo)).last() {
        Some(entry) => server.tell_whole(entry, format).await,
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

/// `GET B`
pub(super) async fn one(
    State(server): State<Server>,
    Path((_, repo, build)): Path<(String, String, String)>,
    format: Format,
) -> Response {
    match server.entry(&repo, &build) {
        Some(entry) => server.tell_whole(&entry, format).await,
        None => no_build(format),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Since {
    since: Option<String>,
    n: Option<String>,
}

/// `GET /org/ORG/builds/recent`
pub(super) async fn recent(
    State(server): State<Server>,
    Query(asked): Query<Since>,
    format: Format,
) -> Response {
    let number = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => text.parse::<Millis>().map(Some),
    };
    let (Ok(since), Ok(n)) = (number(&asked.since), number(&asked.n)) else {
        let schema = r#"{(opt :since) "Int", (opt :n) "Int"}"#;
        return format.malformed("query-params", "a number is needed", schema);
    };
    let since = since.unwrap_or_else(|| server.now().saturating_sub(RECENT));
    let mut shorts = match server.shorts(server.entries()).await {
        Ok(shorts) => shorts,
        Err(why) => return format.broken(&why),
    };
    shorts.sort_by_key(|short| short.start);
    let last = usize::try_from(n.unwrap_or(0)).unwrap_or(0);
    let from = shorts.len().saturating_sub(last);
    let kept = shorts.into_iter().enumerate();
    let kept = kept.filter(|(place, short)| *place >= from || short.start >= since);
    let kept: Vec<_> = kept.map(|(_, short)| short).collect();
    format.ok(&values(&kept))
}

/// `GET /org/ORG/builds/latest`
pub(super) async fn latest_of_all(State(server): State<Server>, format: Format) -> Response {
    let mut seen = HashSet::new();
    let mut latest = server.entries();
    latest.reverse();
    latest.retain(|entry| seen.insert(entry.order.sid.repo.clone()));
    latest.reverse();
    match server.shorts(latest).await {
        Ok(shorts) => format.ok(&values(&shorts)),
        Err(why) => format.broken(&why),
    }
}

fn values(shorts: &[Arc<Short>]) -> Value {
    Value::List(shorts.iter().map(|short| short.value.clone()).collect())
}

/// The answer for a build that is not there.
pub(super) fn no_build(format: Format) -> Response {
    format.error(StatusCode::NOT_FOUND, "Build not found")
}

impl Server {
    /// The builds of all repositories that are served.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut entries = self.board().list(None);
        entries.retain(|entry| self.repo(&entry.order.sid.repo).is_some());
        entries
    }

    /// A build by its name in a path.
    pub(super) fn entry(&self, repo: &str, build: &str) -> Option<Entry> {
        let idx: u64 = build.strip_prefix("build-")?.parse().ok()?;
        self.repo(repo)?;
        let entry = self.board().get(&(repo.to_owned(), idx))?;
        // `build-007` is no name of the seventh.
        (entry.order.sid.build == build).then_some(entry)
    }

    pub(super) async fn shorts(&self, entries: Vec<Entry>) -> Result<Vec<Arc<Short>>, String> {
        let mut shorts = Vec::with_capacity(entries.len());
        for entry in &entries {
            shorts.push(self.short(entry).await?);
        }
        Ok(shorts)
    }

    async fn tell_whole(&self, entry: &Entry, format: Format) -> Response {
        match self.state(entry).await {
            Ok(build) => format.ok(&whole(entry, &build)),
            Err(why) => format.broken(&why),
        }
    }
}

fn whole(entry: &Entry, build: &Build) -> Value {
    wire::public_build(&known(&entry.order), build, Jobs::List)
}
