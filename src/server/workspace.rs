//! A working tree that somebody sends: built once, as it is. A MonkeyCI server has no such thing.
//!
//! `POST R/builds/workspace` takes a gzip tar, as the workspace of a local build is one, with its `.git`. It is
//! kept until its build has begun.

use std::path::PathBuf;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};

use crate::edn::Value;

use super::order::{Order, Wanted};
use super::reply::Format;
use super::trigger::{New, check, git};
use super::{Server, body, private};

/// Most bytes of an archive. What it unpacks to has limits of its own.
const LARGEST: u64 = 4 << 30;

/// What the tree was made from, for those who look at the build.
#[derive(Debug, Deserialize)]
pub(super) struct From {
    branch: Option<String>,
    #[serde(rename = "commit-id")]
    commit: Option<String>,
}

/// `POST R/builds/workspace`
pub(super) async fn build(
    State(server): State<Server>,
    Path((_, repo)): Path<(String, String)>,
    Query(from): Query<From>,
    format: Format,
    request: Request<Body>,
) -> Response {
    let Some(repo) = server.repo(&repo) else {
        return format.error(StatusCode::NOT_FOUND, "Repository does not exist");
    };
    let Ok(name) = private::random_hex::<16>() else {
        return format.broken("the system has no random numbers");
    };
    let wanted = Wanted {
        branch: from.branch,
        commit: from.commit,
        workspace: Some(name.clone()),
        ..Wanted::default()
    };
    if let Err(why) = check(&wanted) {
        return format.error(StatusCode::BAD_REQUEST, &why);
    }
    // Before gigabytes come for nothing.
    if let Err(refusal) = server.refuses() {
        return refusal.answer(format);
    }
    if let Err(answer) = keep(&server, &name, request, format).await {
        forget(&server, &name).await;
        return answer;
    }
    let mut git = git(repo, &wanted);
    git.insert_kw("dirty", Value::Bool(true));
    let new = New {
        source: "cli".to_owned(),
        wanted,
        git,
        ..New::default()
    };
    let answer = server.order(repo, new, format).await;
    if answer.status() != StatusCode::ACCEPTED {
        forget(&server, &name).await;
    }
    answer
}

/// Writes the archive; else there is the answer.
async fn keep(
    server: &Server,
    name: &str,
    request: Request<Body>,
    format: Format,
) -> Result<(), Response> {
    let path = server.uploads().join(name);
    let unwritten =
        |error: std::io::Error| format.broken(&format!("the tree cannot be kept: {error}"));
    let made = private::folder(&server.uploads()).and_then(|()| private::new_file(&path));
    let mut file = File::from_std(made.map_err(unwritten)?);
    let mut chunks = request.into_body().into_data_stream();
    let time = server.settings().body_time;
    let (mut size, mut counted) = (0_u64, 0);
    let mut due = Instant::now() + time;
    loop {
        let Ok(next) = timeout_at(due, chunks.next()).await else {
            let why = "the body took too long to come";
            return Err(format.error(StatusCode::REQUEST_TIMEOUT, why));
        };
        let Some(chunk) = next else { break };
        let Ok(chunk) = chunk else {
            return Err(format.error(StatusCode::BAD_REQUEST, "the body is cut off"));
        };
        size += chunk.len() as u64;
        if size > LARGEST {
            let why = format!("a tree may have {} MB, packed", LARGEST >> 20);
            return Err(format.error(StatusCode::PAYLOAD_TOO_LARGE, &why));
        }
        if size - counted >= body::LEAST {
            (counted, due) = (size, Instant::now() + time);
        }
        file.write_all(&chunk).await.map_err(unwritten)?;
    }
    file.sync_all().await.map_err(unwritten)
}

async fn forget(server: &Server, name: &str) {
    // What stays takes up room, and is nobody's.
    let _ = tokio::fs::remove_file(server.uploads().join(name)).await;
}

/// Whether this may be the name of an archive: one that was made here.
pub(super) fn is_name(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Server {
    /// Where trees are that were sent and not built yet.
    pub(super) fn uploads(&self) -> PathBuf {
        self.settings().folder.join("uploads")
    }

    /// The tree of a build is needed no more.
    pub(super) async fn forget_workspace(&self, order: &Order) {
        if let Some(name) = &order.wanted.workspace {
            forget(self, name).await;
        }
    }
}
