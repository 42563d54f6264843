//! Jobs, their logs, and the artifacts of a build.

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::io::AsyncReadExt;

use crate::domain::{BlobRef, Build, JobId, LogId};
use crate::edn::Value;
use crate::logs::LogPaths;
use crate::ports::{BlobKey, chain};
use crate::wire;

use super::board::Entry;
use super::builds::no_build;
use super::logs::{LogFile, LogText};
use super::reply::{self, Format};
use super::{Server, beside};

/// A download is sent in pieces of this many bytes.
const PIECE: usize = 64 << 10;

/// `GET B/job/JOB`
pub(super) async fn one(
    State(server): State<Server>,
    Path((_, repo, build, job)): Path<(String, String, String, String)>,
    format: Format,
) -> Response {
    let (_, build) = match server.found(&repo, &build, format).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    match build.job(&JobId::new(job)) {
        Some(job) => format.ok(&wire::public_job(job)),
        None => reply::absent(),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Which {
    file: Option<String>,
}

/// `GET B/job/JOB/logs?file=0_out.log`
pub(super) async fn log(
    State(server): State<Server>,
    Path((_, repo, build, job)): Path<(String, String, String, String)>,
    Query(which): Query<Which>,
    format: Format,
) -> Response {
    let Some(file) = which.file else {
        let schema = "{:file \"java.lang.String\"}";
        return format.malformed("query-params", "{:file missing-required-key}", schema);
    };
    let Some(entry) = server.entry(&repo, &build) else {
        return no_build(format);
    };
    let Some(file) = LogFile::parse(&file) else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let logs = server.0.runner.recording(&entry.order.sid).logs;
    let paths = LogPaths::new(&logs, &LogId::Job(JobId::new(job)).stem());
    let opened = beside(move || -> std::io::Result<_> {
        let mut text = LogText::open(paths, file, format)?;
        Ok(text.next()?.map(|first| (text, first)))
    });
    let (text, first) = match opened.await {
        Ok(Some(opened)) => opened,
        Ok(None) => return StatusCode::NO_CONTENT.into_response(),
        Err(error) => return format.broken(&format!("the log cannot be read: {error}")),
    };
    // A piece is read when the one before it is on its way: no thread waits for a slow reader.
    let rest = stream::unfold(Some(text), |text| async {
        let mut text = text?;
        let (text, next) = beside(move || {
            let next = text.next();
            (text, next)
        })
        .await;
        match next {
            Ok(next) => next.map(|piece| (Ok(piece), Some(text))),
            Err(error) => Some((Err(error), None)),
        }
    });
    let all = futures_util::StreamExt::chain(stream::iter([Ok(first)]), rest);
    let kind = [(axum::http::header::CONTENT_TYPE, format.media_type())];
    (kind, Body::from_stream(all)).into_response()
}

/// `GET B/artifact`
pub(super) async fn artifacts(
    State(server): State<Server>,
    Path((_, repo, build)): Path<(String, String, String)>,
    format: Format,
) -> Response {
    let (_, build) = match server.found(&repo, &build, format).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let artifacts: Vec<Value> = saved(&build).map(wire::public_artifact).collect();
    if artifacts.is_empty() {
        return StatusCode::NO_CONTENT.into_response();
    }
    format.ok(&Value::List(artifacts))
}

/// `GET B/artifact/ID`
pub(super) async fn artifact(
    State(server): State<Server>,
    Path((_, repo, build, id)): Path<(String, String, String, String)>,
    format: Format,
) -> Response {
    let (_, build) = match server.found(&repo, &build, format).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    match saved(&build).find(|artifact| artifact.id == id) {
        Some(artifact) => format.ok(&wire::public_artifact(artifact)),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

/// `GET B/artifact/ID/download`: the bytes as they are stored.
pub(super) async fn download(
    State(server): State<Server>,
    Path((_, repo, build, id)): Path<(String, String, String, String)>,
    format: Format,
) -> Response {
    let (entry, build) = match server.found(&repo, &build, format).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    if !saved(&build).any(|artifact| artifact.id == id) {
        return StatusCode::NO_CONTENT.into_response();
    }
    let key = BlobKey::artifact(&entry.order.sid, &id);
    let reader = match server.0.blobs.get(&key).await {
        Ok(Some(reader)) => reader,
        Ok(None) => return StatusCode::NO_CONTENT.into_response(),
        Err(error) => return format.broken(&chain(&error)),
    };
    let pieces = stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        let mut piece = vec![0; PIECE];
        match reader.read(&mut piece).await {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                Some((Ok(piece), Some(reader)))
            }
            // The connection breaks, so that nobody takes half of it for all.
            Err(error) => Some((Err(error), None)),
        }
    });
    Body::from_stream(pieces).into_response()
}

/// What the jobs of a build save, also when that failed.
fn saved(build: &Build) -> impl Iterator<Item = &BlobRef> {
    build.jobs().iter().flat_map(|job| &job.job.save_artifacts)
}

impl Server {
    /// A build by its name in a path, and what is known of it; else there is the answer.
    pub(super) async fn found(
        &self,
        repo: &str,
        build: &str,
        format: Format,
    ) -> Result<(Entry, Build), Response> {
        let entry = self.entry(repo, build).ok_or_else(|| no_build(format))?;
        match self.state(&entry).await {
            Ok(build) => Ok((entry, build)),
            Err(why) => Err(format.broken(&why)),
        }
    }
}
