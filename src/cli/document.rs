//! A build as one JSON document, for programs that want to know what became of it and not how
//! (`assets/docs/recordings.md` has the shape). Keys and words are those of the journal.

use serde_json::{Value as Json, json};

use crate::domain::{BlobKind, Build, Chosen, CommandState, GitInfo, JobId, JobKind, JobState};
use crate::wire;

/// The version of the shape; keys may be added to it.
const VERSION: u32 = 1;

/// What became of a build.
pub fn document(build: &Build) -> Json {
    let sid = build.sid.as_ref();
    json!({
        "type": "monkeyci-tui/build",
        "version": VERSION,
        "sid": sid.map(ToString::to_string),
        "org": sid.map(|sid| &sid.org),
        "repo": sid.map(|sid| &sid.repo),
        "build": sid.map(|sid| &sid.build),
        "status": build.status.as_str(),
        "message": build.message,
        "interrupted": build.interrupted,
        "source": build.source,
        "created": build.created,
        "start-time": build.start_time,
        "end-time": build.end_time,
        "git": git(&build.git),
        "host": build.host.as_ref().map(chosen),
        "executor": build.executor.as_ref().map(chosen),
        "load-error": build.load_error,
        "warnings": build.warnings.iter().map(|warning| json!({
            "job-id": warning.job_id.as_ref().map(JobId::as_str),
            "message": warning.message,
        })).collect::<Vec<_>>(),
        "jobs": build.jobs().iter().map(job).collect::<Vec<_>>(),
        "results": build.results.iter().map(|result| json!({
            "name": result.name,
            "media-type": result.media_type,
            "size": result.size,
            "job-id": result.job_id.as_ref().map(JobId::as_str),
            "time": result.time,
        })).collect::<Vec<_>>(),
    })
}

fn git(git: &GitInfo) -> Json {
    json!({
        "url": git.url,
        "ref": git.r#ref,
        "branch": git.branch,
        "tag": git.tag,
        "commit-id": git.commit_id,
        "message": git.message,
        "author": git.author,
        "dirty": git.dirty,
    })
}

fn chosen(chosen: &Chosen) -> Json {
    json!({"name": chosen.name, "reason": chosen.reason})
}

fn job(job: &JobState) -> Json {
    let definition = &job.job;
    let blobs = |kind: BlobKind| -> Vec<Json> {
        let of_kind = job.blobs.iter().filter(|blob| blob.kind == kind);
        of_kind
            .map(|blob| json!({"id": blob.id, "path": blob.path, "size": blob.size}))
            .collect()
    };
    json!({
        "id": definition.id.as_str(),
        "type": match definition.kind {
            JobKind::Container => "container",
            JobKind::Action => "action",
        },
        "status": job.status.as_str(),
        "message": job.reason(),
        "at": job.place(),
        "dependencies": definition.dependencies.iter().map(JobId::as_str).collect::<Vec<_>>(),
        "blocked": definition.blocked,
        "image": definition.image,
        "attempt": job.attempt,
        "queued-time": job.queued_time,
        "start-time": job.start_time,
        "end-time": job.end_time,
        "commands": job.commands.iter().map(|it| command(job, it)).collect::<Vec<_>>(),
        "tests": job.tests().map(|tests| json!({
            "tests": tests.tests,
            "failures": tests.failures,
            "errors": tests.errors,
        })),
        "test-suites": job.result.get_kw("monkey.ci/tests").map(wire::to_json),
        "artifacts": blobs(BlobKind::Artifact),
        "caches": blobs(BlobKind::Cache),
    })
}

fn command(job: &JobState, command: &CommandState) -> Json {
    json!({
        "index": command.index,
        "command": job.job.script.get(command.index),
        "start-time": command.start_time,
        "end-time": command.end_time,
        "exit": command.exit,
    })
}
