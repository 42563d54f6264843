//! A job of a build on a server, run here: of the same commit, with the same image, and with the artifacts
//! that the server has of the jobs before it.
//!
//! A container job is run alone, by its definition as the server has it: what the script made of it when
//! it was queued counts, and the script need not run. An action job is code of the script, which runs, with
//! the jobs that it needs.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::cli::plain::spell_duration;
use crate::domain::{EventKind, Job, JobId, JobKind, JobUpdate, file_name};
use crate::edn::{self, Value};
use crate::remote::{BuildInfo, Client, Downloaded};
use crate::script::SCRIPT_DIR;
use crate::store::Home;
use crate::vcs::fetch::{self, Allowed, Control, FetchRequest, RefName, UserGit};
use crate::wire;

use super::error::UserError;
use super::local::BuildRequest;
use super::remote::{Connections, RemoteSid};

/// What builds of copies belong to: they are none of the repository, which may be built here, too, and is on
/// the server by the same name.
pub(super) const COPY_ORG: &str = "copy";

fn copies(home: &Home) -> PathBuf {
    home.cache().join("copies")
}

/// Whether a folder is one that was made for a copy.
pub(super) fn is_copy(home: &Home, dir: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize();
    matches!((whole(dir), whole(&copies(home))), (Ok(dir), Ok(copies)) if dir.starts_with(&copies))
}

/// Fetches what a job of a build on a server needs, into a folder of its own. Returns what a build of it
/// is started with.
pub(super) async fn prepare(
    home: &Home,
    connections: &Connections,
    build: &RemoteSid,
    id: &JobId,
    template: &BuildRequest,
) -> Result<BuildRequest, UserError> {
    let client = connections.to(&build.server).await?;
    let known = client.build(&build.sid).await;
    let known = known.map_err(|error| UserError::of(&error))?;
    let update = job_of(&known, id)?;
    let folder = copies(home).join(file_name(&format!("{}/{id}", build.here())));
    let (tree, artifacts) = (folder.join("tree"), folder.join("artifacts"));
    make_anew(&folder, &[&tree, &artifacts])?;
    let mut request = template.clone();
    request.remarks = vec![how_it_went(build, &update)];
    request
        .remarks
        .extend(fetch(home, &known, &tree, client.base().is_loopback()).await?);
    request.dir.clone_from(&tree);
    request.revision = None;
    request.run.jobs = vec![id.as_str().to_owned()];
    let job = update.job;
    if job.kind == JobKind::Container {
        for wanted in &job.restore_artifacts {
            let to = artifacts.join(file_name(&wanted.id));
            match download(&client, build, &wanted.id, &to).await {
                Ok(()) => request.run.artifacts.push((wanted.id.clone(), to)),
                Err(why) => request.remarks.push(why),
            }
        }
        write_script(&tree, job)?;
    }
    Ok(request)
}

/// What there is to compare with.
fn how_it_went(build: &RemoteSid, update: &JobUpdate) -> String {
    let mut text = format!("a copy of job {} of {}", update.job.id, build.here());
    if let Some(status) = &update.status {
        text.push_str(&format!(", {status} there"));
    }
    if let Some((start, end)) = update.start_time.zip(update.end_time) {
        text.push_str(&format!(
            " after {}",
            spell_duration(end.saturating_sub(start))
        ));
    }
    if let Some(why) = update.result.get_kw("message").and_then(Value::as_str) {
        text.push_str(&format!(": {why}"));
    }
    text
}

fn job_of(known: &BuildInfo, id: &JobId) -> Result<JobUpdate, UserError> {
    let EventKind::BuildUpdated { jobs, .. } = wire::updated(known.map.clone()) else {
        return Err(UserError::new("the server says nothing of the build"));
    };
    let of = |update: JobUpdate| (update.job.id == *id).then_some(update);
    jobs.into_iter()
        .find_map(of)
        .ok_or_else(|| UserError::new(format!("the server knows no job {id} of the build")))
}

/// What was there is of an earlier copy.
fn make_anew(folder: &Path, parts: &[&Path]) -> Result<(), UserError> {
    let failed = |error: &dyn std::fmt::Display| {
        UserError::new(format!(
            "cannot make the folder {}: {error}",
            folder.display()
        ))
    };
    if folder.exists() {
        crate::archive::remove_tree(folder).map_err(|error| failed(&error))?;
    }
    for part in parts {
        crate::store::create_private(part).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// Checks out the commit that was built. The error says why not.
async fn fetch(
    home: &Home,
    known: &BuildInfo,
    tree: &Path,
    is_here: bool,
) -> Result<Vec<String>, UserError> {
    let Some(url) = known.git.url.clone() else {
        return Err(UserError::new("the server does not say where its code is"));
    };
    let request = FetchRequest {
        reference: match &known.git.r#ref {
            Some(name) => RefName::Full(name.clone()),
            None => RefName::Default,
        },
        commit: known.git.commit_id.clone(),
        depth: NonZeroU32::new(1),
        // A server elsewhere must not have us read folders of this machine; hosts of an own network are
        // usual.
        allowed: Allowed {
            file: is_here,
            ..Allowed::EVERYTHING
        },
        ..FetchRequest::new(url)
    };
    let (cache, tree) = (home.cache().join("git"), tree.to_owned());
    let fetched = tokio::task::spawn_blocking(move || {
        let control = Control {
            cancel: &CancellationToken::new(),
            progress: &mut |_| {},
        };
        fetch::fetch(&cache, &request, &UserGit::read(), &tree, control)
    });
    let fetched = fetched
        .await
        .map_err(|error| UserError::new(format!("the fetch failed: {error}")))?
        .map_err(|error| UserError::of(&error))?;
    let mut remarks = fetched.remarks;
    if known.git.commit_id.is_none() {
        remarks.push(format!(
            "the server does not say which commit it built: this is {}",
            fetched.commit.id
        ));
    }
    Ok(remarks)
}

/// Downloads an artifact; the error is a remark.
async fn download(client: &Client, build: &RemoteSid, id: &str, to: &Path) -> Result<(), String> {
    match client.download(&build.sid, id, to).await {
        Ok(Downloaded::Saved(_)) => Ok(()),
        Ok(Downloaded::Nothing) => Err(format!("the server has no artifact {id:?}")),
        Err(error) => Err(format!(
            "artifact {id:?} is not there: {}",
            UserError::of(&error).message
        )),
    }
}

/// Puts a script with one job in the place of the project's own.
fn write_script(tree: &Path, job: Job) -> Result<(), UserError> {
    let job = Job {
        dependencies: Vec::new(),
        blocked: false,
        ..job
    };
    let mut map = wire::job_to_map(&job);
    // It has run its course, and a script's function cannot be sent.
    for key in ["type", "init"] {
        map.remove_kw(key);
    }
    let script = tree.join(SCRIPT_DIR);
    let written = if script.exists() {
        remove_scripts(&script)
    } else {
        std::fs::create_dir_all(&script)
    };
    let file = script.join("build.edn");
    written
        .and_then(|()| std::fs::write(&file, edn::write(&Value::Vector(vec![Value::Map(map)]))))
        .map_err(|error| UserError::new(format!("cannot write {}: {error}", file.display())))
}

/// What else lies in the folder may be what the job needs.
fn remove_scripts(dir: &Path) -> std::io::Result<()> {
    for name in [
        "build.clj",
        "build.edn",
        "build.json",
        "build.yaml",
        "build.yml",
    ] {
        match std::fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
