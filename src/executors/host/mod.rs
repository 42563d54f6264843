//! The host executor: container jobs without containers (decisions.md, "Host executor").
//!
//! ```text
//! order ─▶ plan ─▶ workspace ─▶ own copy ─▶ caches, artifacts ─▶ commands ─▶ all dead ─▶ artifacts, caches
//!          what      once a       a job's     what earlier jobs    one sh        group,     what it leaves
//!          to run    build        folder      left behind          a line        marks      behind
//! ```
//!
//! - `course.rs`: one job from its order to its outcome. Start reading there.
//! - `processes.rs`: the processes of one job; how none of them outlives it.
//! - `scratch.rs`: the folders on disk and their end.
//! - `transfer.rs`: artifacts, caches and the workspace on their way between folder and store.
//!
//! It protects a build's files from its jobs, and jobs from each other. It is no sandbox: a
//! job may do on this machine whatever its user may.

mod course;
mod processes;
pub(super) mod scratch;
#[cfg(test)]
mod tests;
pub(super) mod transfer;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::domain::{Job, Sid};
use crate::executors::plan::Commands;
use crate::ports::{Executor, JobOrder, JobOutcome, JobPorts, StopToken};
use crate::process::{Mark, scrubbed_env};

use scratch::BuildScratch;
pub use scratch::scratch_name;

/// What may be chosen about the host executor.
#[derive(Debug, Clone, Default)]
pub struct HostOptions {
    /// Leave the folders of jobs where they are (`--no-clean`).
    pub keep: bool,
    /// Names of variables of our environment that jobs get to see too (`--env`).
    pub env: Vec<String>,
}

/// Runs container jobs with the shell of this machine.
pub struct HostExecutor {
    shared: Arc<Shared>,
}

/// What all jobs of an executor have in common.
struct Shared {
    scratch: PathBuf,
    options: HostOptions,
    /// Found in the environment of every process of every job.
    mark: Mark,
    /// What jobs get to see of our own environment.
    env: Vec<(OsString, OsString)>,
    builds: Mutex<HashMap<Sid, Arc<BuildScratch>>>,
}

impl HostExecutor {
    /// An executor that works below `scratch`, which is made when the first job comes.
    pub fn new(scratch: impl Into<PathBuf>, options: HostOptions) -> Self {
        let env = scrubbed_env(&options.env);
        Self::with_env(scratch, options, env)
    }

    /// As [`HostExecutor::new`], with what jobs get to see of our environment.
    fn with_env(
        scratch: impl Into<PathBuf>,
        options: HostOptions,
        mut env: Vec<(OsString, OsString)>,
    ) -> Self {
        if !env.iter().any(|(name, _)| name == "PATH") {
            env.push(("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()));
        }
        Self {
            shared: Arc::new(Shared {
                scratch: scratch.into(),
                options,
                mark: Mark::new_run(),
                env,
                builds: Mutex::default(),
            }),
        }
    }
}

impl Shared {
    /// The folders of a build; those of its first job are those of all its jobs.
    fn build(&self, sid: &Sid) -> Arc<BuildScratch> {
        let mut builds = self.builds.lock().unwrap_or_else(PoisonError::into_inner);
        let build = builds.entry(sid.clone()).or_insert_with(|| {
            Arc::new(BuildScratch::new(
                self.scratch.clone(),
                sid,
                self.options.keep,
            ))
        });
        Arc::clone(build)
    }
}

/// Without the environment, which may hold secrets.
impl fmt::Debug for HostExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostExecutor")
            .field("scratch", &self.shared.scratch)
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl Executor for HostExecutor {
    fn name(&self) -> &'static str {
        "host"
    }

    fn run(
        &self,
        order: JobOrder,
        ports: Arc<dyn JobPorts>,
        stop: StopToken,
    ) -> BoxFuture<'static, JobOutcome> {
        course::run(Arc::clone(&self.shared), order, ports, stop).boxed()
    }

    fn build_ended<'a>(&'a self, sid: &'a Sid) -> BoxFuture<'a, ()> {
        async move {
            let build = self
                .shared
                .builds
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(sid);
            if let Some(build) = build {
                build.end().await;
            }
        }
        .boxed()
    }
}

/// Names the properties that mean nothing here, but for the image.
fn ignored(job: &Job) -> Vec<&'static str> {
    const KEYS: [(&str, &str); 10] = [
        ("arch", "arch"),
        ("size", "size"),
        ("cpus", "cpus"),
        ("memory", "memory"),
        ("shell", "shell"),
        ("container/mounts", "mounts"),
        ("mounts", "mounts"),
        ("container/platform", "platform"),
        ("container/args", "args"),
        ("expose", "expose"),
    ];
    let mut names = Vec::new();
    for (key, name) in KEYS {
        if job.extra(key).is_some() && !names.contains(&name) {
            names.push(name);
        }
    }
    if !job.entrypoint.is_empty() && matches!(Commands::of(job), Some(Commands::Lines(_))) {
        names.push("entrypoint");
    }
    names
}
