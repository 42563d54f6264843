//! Running container jobs: each a task of its own that ends with one report.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::domain::{BlobKind, BlobRef, Job, JobId, JobStatus, Sid};
use crate::ports::{
    BlobKey, BlobStore, Executor, JobOrder, JobOutcome, JobPorts, JobReport, JobTokens, LogStream,
    StopToken, Transfer, chain,
};

use super::handle::EngineHandle;
use super::logbook::{JobLog, Logbook, unwritten};
use super::orders::Input;

/// A container job that is to be run.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) sid: Sid,
    pub(super) job: Job,
    pub(super) attempt: u32,
    pub(super) job_env: Vec<(String, String)>,
    pub(super) grace: Duration,
    pub(super) tokens: Option<Arc<dyn JobTokens>>,
    pub(super) executor: Arc<dyn Executor>,
    pub(super) handle: EngineHandle,
    pub(super) logbook: Logbook,
}

/// The jobs that run, and how to stop them.
#[derive(Debug, Default)]
pub(super) struct Units(HashMap<JobId, StopToken>);

impl Units {
    pub(super) fn start(&mut self, unit: Unit, tasks: &mut JoinSet<()>) {
        let stop = StopToken::default();
        self.0.insert(unit.job.id.clone(), stop.clone());
        tasks.spawn(unit.run(stop));
    }

    pub(super) fn stop(&self, id: &JobId) {
        if let Some(token) = self.0.get(id) {
            token.stop.cancel();
        }
    }

    pub(super) fn kill(&self, id: &JobId) {
        if let Some(token) = self.0.get(id) {
            token.stop.cancel();
            token.kill.cancel();
        }
    }
}

impl Unit {
    async fn run(self, stop: StopToken) {
        let id = self.job.id.clone();
        let handle = self.handle.clone();
        let outcome = match self.logbook.of_job(&id) {
            Ok(log) => {
                let ports = Arc::new(UnitPorts {
                    job: id.clone(),
                    handle: self.handle.clone(),
                    log,
                    log_failed: AtomicBool::new(false),
                });
                let executor = Arc::clone(&self.executor);
                // Its token is refused from the moment it is over.
                let _at_work = self.handle.inner.at_work.begin(&id);
                // In a task of its own, so that a panic in an executor is one job's failure.
                let running = tokio::spawn(executor.run(self.order(), ports, stop));
                let guard = AbortOnDrop(running.abort_handle());
                let outcome = running.await.unwrap_or_else(|error| JobOutcome {
                    status: JobStatus::Error,
                    exit: None,
                    message: Some(format!("the executor failed: {error}")),
                });
                drop(guard);
                outcome
            }
            Err(error) => JobOutcome {
                status: JobStatus::Error,
                exit: None,
                message: Some(format!("cannot write the job's log: {}", chain(&error))),
            },
        };
        handle.tell_soon(Input::Done(id, outcome));
    }

    /// Caches before artifacts when restoring, after them when saving (containers.md §5).
    fn order(self) -> JobOrder {
        let transfer = |kind: BlobKind, blob: &BlobRef| Transfer {
            kind,
            id: blob.id.clone(),
            path: blob.path.clone(),
            key: match kind {
                BlobKind::Artifact => BlobKey::artifact(&self.sid, &blob.id),
                BlobKind::Cache => BlobKey::cache(&self.sid, &blob.id),
            },
        };
        let caches: Vec<Transfer> = self
            .job
            .caches
            .iter()
            .map(|blob| transfer(BlobKind::Cache, blob))
            .collect();
        let artifacts = |blobs: &[BlobRef]| -> Vec<Transfer> {
            blobs
                .iter()
                .map(|blob| transfer(BlobKind::Artifact, blob))
                .collect()
        };
        let mut restore = caches.clone();
        restore.extend(artifacts(&self.job.restore_artifacts));
        let mut save = artifacts(&self.job.save_artifacts);
        save.extend(caches);
        let mut env = self.job.env.clone();
        // The fixed variables win over the job's own (containers.md §2.2).
        let fixed = self.job_env.iter().cloned().chain([(
            "MONKEYCI_JOB_ID".to_owned(),
            self.job.id.as_str().to_owned(),
        )]);
        for (name, value) in fixed {
            env.retain(|(known, _)| *known != name);
            env.push((name, value));
        }
        let api = self
            .tokens
            .as_ref()
            .and_then(|tokens| tokens.for_job(&self.job));
        let timeout = u64::try_from(self.job.effective_timeout()).unwrap_or_default();
        JobOrder {
            workspace: BlobKey::workspace(&self.sid),
            sid: self.sid,
            job: self.job,
            attempt: self.attempt,
            env,
            restore,
            save,
            timeout: Duration::from_millis(timeout),
            grace: self.grace,
            api,
        }
    }
}

/// Ends the executor's task when the unit's own is dropped.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug)]
struct UnitPorts {
    job: JobId,
    handle: EngineHandle,
    log: Arc<JobLog>,
    log_failed: AtomicBool,
}

impl JobPorts for UnitPorts {
    fn report(&self, report: JobReport) {
        self.handle
            .tell_soon(Input::Report(self.job.clone(), report));
    }

    fn log(&self, stream: LogStream, command: Option<usize>, bytes: &[u8]) {
        if let Err(error) = self.log.write(stream, command, bytes)
            && !self.log_failed.swap(true, Ordering::Relaxed)
        {
            let failed = unwritten(&format!("job {}", self.job), &error);
            self.handle.tell_soon(Input::JournalFailed(failed));
        }
    }

    fn blobs(&self) -> &dyn BlobStore {
        &**self.handle.blobs()
    }
}
