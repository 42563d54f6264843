//! Takes over what an earlier build has, instead of running a job once more.
//!
//! It stands before another executor. A job is taken over when it succeeded there, nobody asks for it, all
//! jobs it depends on were taken over too, it is defined as it was, and the files that are built are the same;
//! then its artifacts become this build's, and it has succeeded. Any other job runs as ever. Since it is the
//! executor that decides, any script library may have queued the job.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::domain::{BlobKind, Job, JobId, JobStatus, Sid};
use crate::ports::{
    BlobError, BlobKey, BlobReader, Checkout, Executor, JobOrder, JobOutcome, JobPorts, JobReport,
    LogStream, StopToken, Transfer, chain,
};

/// What an earlier build has.
pub struct Earlier {
    /// The build.
    pub sid: Sid,
    /// The fingerprint of the files that were built; without one nothing is taken over.
    pub workspace: Option<String>,
    /// The jobs that succeeded, as its journal has them.
    pub succeeded: HashMap<JobId, Job>,
    /// Jobs that run whatever it has.
    pub wanted: HashSet<JobId>,
    /// The definition of a job as a journal has it: without secrets.
    pub masked: Box<dyn Fn(&Job) -> Job + Send + Sync>,
}

impl fmt::Debug for Earlier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Earlier")
            .field("sid", &self.sid)
            .field("workspace", &self.workspace)
            .finish_non_exhaustive()
    }
}

/// Takes over what it can, and gives the rest to another executor.
#[derive(Debug)]
pub struct ReusingExecutor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    executor: Arc<dyn Executor>,
    earlier: Earlier,
    checkout: Arc<dyn Checkout>,
    /// The jobs that were taken over.
    reused: Mutex<HashSet<JobId>>,
}

impl ReusingExecutor {
    /// Stands before an executor; `checkout` is what is built.
    pub fn new(executor: Arc<dyn Executor>, earlier: Earlier, checkout: Arc<dyn Checkout>) -> Self {
        Self(Arc::new(Inner {
            executor,
            earlier,
            checkout,
            reused: Mutex::default(),
        }))
    }
}

impl Inner {
    /// Whether a job may be taken over, as far as can be told without looking for its artifacts.
    fn fits(&self, job: &Job) -> bool {
        let earlier = &self.earlier;
        let same_files = earlier.workspace.is_some() && earlier.workspace == self.checkout.digest();
        let reused = self.reused.lock().unwrap_or_else(PoisonError::into_inner);
        same_files
            && !earlier.wanted.contains(&job.id)
            && job.dependencies.iter().all(|id| reused.contains(id))
            && earlier
                .succeeded
                .get(&job.id)
                .is_some_and(|then| *then == (earlier.masked)(job))
    }

    /// Takes the artifacts of a job over; the error is a sentence about the one that is missing.
    async fn take_over(&self, order: &JobOrder, ports: &dyn JobPorts) -> Result<(), String> {
        let artifacts = || {
            let saves = order.save.iter();
            saves.filter(|transfer| transfer.kind == BlobKind::Artifact)
        };
        // All of them are looked for before the first is copied.
        let mut found: Vec<(&Transfer, BlobReader)> = Vec::new();
        for transfer in artifacts() {
            let then = BlobKey::artifact(&self.earlier.sid, &transfer.id);
            let gone = |why: &str| format!("artifact \"{}\" {why}", transfer.id);
            match ports.blobs().get(&then).await {
                Ok(Some(reader)) => found.push((transfer, reader)),
                Ok(None) => return Err(gone("is not kept any more")),
                Err(error) => return Err(gone(&chain(&error))),
            }
        }
        let mut stored = Vec::new();
        for (transfer, reader) in found {
            let put = ports.blobs().put(&transfer.key, reader).await;
            let size = put.map_err(|error: BlobError| chain(&error))?;
            stored.push((transfer.clone(), size));
        }
        ports.report(JobReport::Reused(self.earlier.sid.clone()));
        for (transfer, size) in stored {
            ports.report(JobReport::Saved { transfer, size });
        }
        Ok(())
    }

    async fn run(
        self: Arc<Self>,
        order: JobOrder,
        ports: Arc<dyn JobPorts>,
        stop: StopToken,
    ) -> JobOutcome {
        let id = order.job.id.clone();
        if self.fits(&order.job) {
            match self.take_over(&order, &*ports).await {
                Ok(()) => {
                    self.reused
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(id);
                    let told = format!("reused: it succeeded in {}\n", self.earlier.sid);
                    ports.log(LogStream::System, None, told.as_bytes());
                    return JobOutcome {
                        status: JobStatus::Success,
                        exit: None,
                        message: None,
                    };
                }
                Err(why) => {
                    ports.report(JobReport::Warning(format!("{id} runs again: {why}")));
                }
            }
        }
        self.executor.run(order, ports, stop).await
    }
}

impl Executor for ReusingExecutor {
    fn name(&self) -> &'static str {
        self.0.executor.name()
    }

    fn run(
        &self,
        order: JobOrder,
        ports: Arc<dyn JobPorts>,
        stop: StopToken,
    ) -> BoxFuture<'static, JobOutcome> {
        Arc::clone(&self.0).run(order, ports, stop).boxed()
    }

    fn build_ended<'a>(&'a self, sid: &'a Sid) -> BoxFuture<'a, ()> {
        self.0.executor.build_ended(sid)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use crate::domain::{BlobRef, GitInfo};
    use crate::executors::FakeExecutor;
    use crate::ports::BlobStore;
    use crate::store::ObjectBlobs;

    use super::*;

    /// What is built, by its fingerprint.
    #[derive(Debug)]
    struct Files(&'static str);

    impl Checkout for Files {
        fn dir(&self) -> &Path {
            Path::new("/nowhere")
        }

        fn describe(&self) -> Option<GitInfo> {
            None
        }

        fn snapshot(&self, _: &mut dyn std::io::Write) -> std::io::Result<Vec<String>> {
            Ok(Vec::new())
        }

        fn digest(&self) -> Option<String> {
            Some(self.0.to_owned())
        }
    }

    #[derive(Debug)]
    struct Ports {
        blobs: ObjectBlobs,
        reports: Mutex<Vec<JobReport>>,
    }

    impl JobPorts for Ports {
        fn report(&self, report: JobReport) {
            self.reports.lock().unwrap().push(report);
        }

        fn log(&self, _: LogStream, _: Option<usize>, _: &[u8]) {}

        fn blobs(&self) -> &dyn BlobStore {
            &self.blobs
        }
    }

    fn then() -> Sid {
        Sid::new("local", "app", "then")
    }

    fn now() -> Sid {
        Sid::new("local", "app", "now")
    }

    fn job(id: &str, needs: &[&str]) -> Job {
        let mut job = Job::new(id);
        job.script = vec!["make".to_owned()];
        job.dependencies = needs.iter().map(|id| JobId::new(*id)).collect();
        job
    }

    struct Stage {
        fake: FakeExecutor,
        executor: ReusingExecutor,
        ports: Arc<Ports>,
        _dir: tempfile::TempDir,
    }

    impl Stage {
        fn new(files: &'static str, wanted: &[&str]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let fake = FakeExecutor::new();
            let jobs = [job("a", &[]), job("b", &["a"]), job("c", &["b"])];
            let earlier = Earlier {
                sid: then(),
                workspace: Some("as it was".to_owned()),
                succeeded: jobs.into_iter().map(|job| (job.id.clone(), job)).collect(),
                wanted: wanted.iter().map(|id| JobId::new(*id)).collect(),
                masked: Box::new(Job::clone),
            };
            Self {
                executor: ReusingExecutor::new(
                    Arc::new(fake.clone()),
                    earlier,
                    Arc::new(Files(files)),
                ),
                fake,
                ports: Arc::new(Ports {
                    blobs: ObjectBlobs::in_folder(PathBuf::from(dir.path()), u64::MAX),
                    reports: Mutex::default(),
                }),
                _dir: dir,
            }
        }

        async fn run(&self, job: Job, artifacts: &[&str]) -> JobOutcome {
            let save = artifacts.iter().map(|id| Transfer {
                kind: BlobKind::Artifact,
                id: (*id).to_owned(),
                path: "out".to_owned(),
                key: BlobKey::artifact(&now(), id),
            });
            let order = JobOrder {
                sid: now(),
                workspace: BlobKey::workspace(&now()),
                job,
                attempt: 1,
                env: Vec::new(),
                restore: Vec::new(),
                save: save.collect(),
                timeout: Duration::MAX,
                grace: Duration::MAX,
                api: None,
            };
            let ports = Arc::clone(&self.ports) as Arc<dyn JobPorts>;
            self.executor.run(order, ports, StopToken::default()).await
        }

        fn ran(&self) -> Vec<String> {
            let ids = self.fake.started_ids();
            ids.iter().map(ToString::to_string).collect()
        }
    }

    #[tokio::test]
    async fn what_is_as_it_was_is_taken_over_with_its_artifacts() {
        let stage = Stage::new("as it was", &["c"]);
        let key = BlobKey::artifact(&then(), "bin");
        stage
            .ports
            .blobs
            .put(&key, Box::pin(&b"bytes"[..]))
            .await
            .unwrap();
        let outcome = stage.run(job("a", &[]), &["bin"]).await;
        assert_eq!(outcome.status, JobStatus::Success);
        stage.run(job("b", &["a"]), &[]).await;
        stage.run(job("c", &["b"]), &[]).await;
        assert_eq!(stage.ran(), ["c"]);
        let taken = BlobKey::artifact(&now(), "bin");
        let mut reader = stage.ports.blobs.get(&taken).await.unwrap().unwrap();
        let mut bytes = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut bytes)
            .await
            .unwrap();
        assert_eq!(bytes, b"bytes");
        let reports = stage.ports.reports.lock().unwrap();
        assert_eq!(reports[0], JobReport::Reused(then()));
        assert!(matches!(reports[1], JobReport::Saved { size: 5, .. }));
    }

    #[tokio::test]
    async fn what_depends_on_what_runs_again_runs_again() {
        let stage = Stage::new("as it was", &["a"]);
        for (id, needs) in [("a", &[][..]), ("b", &["a"]), ("c", &["b"])] {
            stage.run(job(id, needs), &[]).await;
        }
        assert_eq!(stage.ran(), ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn other_files_and_other_definitions_run_again() {
        let stage = Stage::new("edited", &[]);
        stage.run(job("a", &[]), &[]).await;
        assert_eq!(stage.ran(), ["a"]);
        let stage = Stage::new("as it was", &[]);
        let mut changed = job("a", &[]);
        changed.script.push("make check".to_owned());
        stage.run(changed, &[]).await;
        // One that was not there is new.
        stage.run(job("d", &[]), &[]).await;
        let mut keeps = job("a", &[]);
        keeps.save_artifacts = vec![BlobRef {
            id: "bin".to_owned(),
            path: "bin".to_owned(),
        }];
        stage.run(keeps, &["bin"]).await;
        assert_eq!(stage.ran(), ["a", "d", "a"]);
    }

    #[tokio::test]
    async fn without_its_artifacts_a_job_runs_again_and_says_why() {
        let stage = Stage::new("as it was", &[]);
        stage.run(job("a", &[]), &["bin"]).await;
        stage.run(job("b", &["a"]), &[]).await;
        assert_eq!(stage.ran(), ["a", "b"]);
        let reports = stage.ports.reports.lock().unwrap();
        let JobReport::Warning(why) = &reports[0] else {
            panic!("{reports:?}")
        };
        assert!(why.contains("\"bin\" is not kept"), "{why}");
    }
}
