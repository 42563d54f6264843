//! What results say and what archives hold, read from where builds have stored it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::io::SyncIoBridge;

use crate::archive::{self, Limits};
use crate::domain::compare::{self, Comparison, EntryFact, Finding, Kind, Part, Told};
use crate::domain::{BlobKind, Build, JobId, Sid};
use crate::edn::{self, Value};
use crate::ports::{BlobKey, BlobStore};
use crate::store::Home;
use crate::wire::{self, SHOWN};

use super::super::error::UserError;
use super::super::{results, storage};
use super::{Recorded, of_job};

/// More entries of an archive are not compared.
const MOST_ENTRIES: u64 = 200_000;

/// Adds what differs in the results and artifacts of both, and says what could not be read.
pub(super) async fn compare(
    home: &Home,
    before: &Recorded,
    after: &Recorded,
    job: Option<&JobId>,
    comparison: &mut Comparison,
) {
    let results = results_of_both(&before.build, &after.build, job);
    let artifacts = artifacts_of_both(&before.build, &after.build, job);
    if results.is_empty() && artifacts.is_empty() {
        return;
    }
    let opened = (Stored::of(home, before), Stored::of(home, after));
    let (before, after) = match opened {
        (Ok(before), Ok(after)) => (before, after),
        (Err(error), _) | (_, Err(error)) => {
            comparison.remarks.push(error.message);
            return;
        }
    };
    let mut missing = Vec::new();
    for (name, job) in results {
        match values(&before, &after, &name).await {
            Ok(findings) => {
                let findings = findings.into_iter().map(|mut finding| {
                    finding.job.clone_from(&job);
                    finding
                });
                comparison.add(findings);
            }
            Err(why) => missing.push(format!("result {name}: {why}")),
        }
    }
    for (job, id) in artifacts {
        match entries(&before, &after, &id).await {
            Ok(findings) => comparison.know_contents(&job, &id, of_job(&job, findings)),
            Err(why) => missing.push(format!("artifact {id}: {why}")),
        }
    }
    if !missing.is_empty() {
        let remark = format!("not compared: {}", missing.join("; "));
        comparison.remarks.push(remark);
    }
}

/// The results that both have, with the job that has stored them.
fn results_of_both(
    before: &Build,
    after: &Build,
    job: Option<&JobId>,
) -> Vec<(String, Option<JobId>)> {
    let known = |name: &str| before.results.iter().any(|result| result.name == name);
    let results = after.results.iter();
    results
        .filter(|result| known(&result.name) && (job.is_none() || result.job_id.as_ref() == job))
        .map(|result| (result.name.clone(), result.job_id.clone()))
        .collect()
}

/// The artifacts that a job has in both.
fn artifacts_of_both(
    before: &Build,
    after: &Build,
    wanted: Option<&JobId>,
) -> Vec<(JobId, String)> {
    let mut both = Vec::new();
    let jobs = after.jobs().iter();
    for job in jobs.filter(|job| wanted.is_none_or(|wanted| job.id() == wanted)) {
        let Some(old) = before.job(job.id()) else {
            continue;
        };
        let is_artifact = |kind| kind == BlobKind::Artifact;
        let saved = job.blobs.iter().filter(|blob| is_artifact(blob.kind));
        both.extend(
            saved
                .filter(|blob| {
                    let mut old = old.blobs.iter();
                    old.any(|old| is_artifact(old.kind) && old.id == blob.id)
                })
                .map(|blob| (job.id().clone(), blob.id.clone())),
        );
    }
    both
}

/// Where a build has stored what it has.
struct Stored<'a> {
    sid: &'a Sid,
    blobs: Arc<dyn BlobStore>,
}

impl<'a> Stored<'a> {
    fn of(home: &Home, recorded: &'a Recorded) -> Result<Self, UserError> {
        Ok(Self {
            sid: &recorded.sid,
            blobs: storage::of_build(home, &recorded.folder)?,
        })
    }
}

async fn values(
    before: &Stored<'_>,
    after: &Stored<'_>,
    name: &str,
) -> Result<Vec<Finding>, String> {
    let old = results::shown(&*before.blobs, &BlobKey::result(before.sid, name)).await?;
    let new = results::shown(&*after.blobs, &BlobKey::result(after.sid, name)).await?;
    if old == new {
        return Ok(Vec::new());
    }
    if old.size > SHOWN as u64 || new.size > SHOWN as u64 || old.media_type != new.media_type {
        let found = Finding::new(Part::Results, Kind::Changed, name);
        let size = |size| Some(Told::Bytes(size));
        let found = found.from_to(size(old.size), size(new.size));
        return Ok(vec![found.noted("too large to be taken apart")]);
    }
    let taken_apart = value(&old.media_type, &old.bytes).zip(value(&new.media_type, &new.bytes));
    if let Some((old, new)) = taken_apart {
        return Ok(compare::values(name, &old, &new));
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    if let (Some(old), Some(new)) = (text(&old.bytes), text(&new.bytes)) {
        return Ok(compare::texts(name, &old, &new));
    }
    let found = Finding::new(Part::Results, Kind::Changed, name);
    let size = |size| Some(Told::Bytes(size));
    Ok(vec![found.from_to(size(old.size), size(new.size))])
}

/// EDN and JSON, taken apart.
fn value(media_type: &str, bytes: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(bytes).ok()?;
    match media_type {
        "application/edn" => edn::read_lenient(text).ok(),
        "application/json" => {
            let json = serde_json::from_str(text).ok()?;
            Some(wire::from_json(json, &|key| Value::from(key)))
        }
        _ => None,
    }
}

async fn entries(
    before: &Stored<'_>,
    after: &Stored<'_>,
    id: &str,
) -> Result<Vec<Finding>, String> {
    let old = facts(&*before.blobs, &BlobKey::artifact(before.sid, id)).await?;
    let new = facts(&*after.blobs, &BlobKey::artifact(after.sid, id)).await?;
    Ok(compare::entries(id, &old, &new))
}

/// What is in an archive, by the names of its entries.
async fn facts(
    blobs: &dyn BlobStore,
    key: &BlobKey,
) -> Result<BTreeMap<String, EntryFact>, String> {
    let reader = blobs
        .get(key)
        .await
        .map_err(|error| UserError::of(&error).message)?
        .ok_or("it is not kept any more")?;
    let reader = SyncIoBridge::new(reader);
    let limits = Limits {
        entries: MOST_ENTRIES,
        ..Limits::default()
    };
    let read = tokio::task::spawn_blocking(move || archive::digests(reader, &limits)).await;
    let entries = read
        .map_err(|error| error.to_string())?
        .map_err(|error| UserError::of(&error).message)?;
    let facts = entries.into_iter().map(|(info, digest)| {
        let name = info.path.to_string_lossy();
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        let fact = EntryFact {
            size: info.size,
            digest,
        };
        (name, fact)
    });
    Ok(facts.collect())
}
