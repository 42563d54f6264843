//! An executor for tests: no process, no folder, no time of its own.
//!
//! Every job succeeds at once unless the test said otherwise. A job that is [held](FakeExecutor::hold)
//! runs until the test [releases](FakeExecutor::release) it, stops it or kills it, so a test
//! decides what happens in which order without ever sleeping.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::domain::{JobId, JobStatus, Sid};
use crate::ports::{Executor, JobOrder, JobOutcome, JobPorts, JobReport, LogStream, StopToken};

/// A scripted executor. Clones are the same executor.
#[derive(Debug, Clone)]
pub struct FakeExecutor {
    state: Arc<Mutex<State>>,
    /// Counts the changes, for those who wait for one.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    scripts: HashMap<JobId, Script>,
    hold_all: bool,
    released: HashSet<JobId>,
    orders: Vec<JobOrder>,
    running: HashSet<JobId>,
    finished: Vec<JobId>,
    most_at_once: usize,
    ended: Vec<Sid>,
}

/// What one job does.
#[derive(Debug, Clone, Default)]
struct Script {
    outcome: Option<JobOutcome>,
    held: bool,
    deaf: bool,
    panics: bool,
    reports: Vec<JobReport>,
    output: Vec<(LogStream, Option<usize>, Vec<u8>)>,
}

impl Default for FakeExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeExecutor {
    /// An executor whose jobs all succeed at once.
    pub fn new() -> Self {
        Self {
            state: Arc::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Says how a job ends.
    pub fn ends(&self, job: impl Into<JobId>, outcome: JobOutcome) {
        self.script(job, |script| script.outcome = Some(outcome));
    }

    /// Lets a job fail with an exit status.
    pub fn fails(&self, job: impl Into<JobId>, exit: i64) {
        self.ends(
            job,
            JobOutcome {
                status: JobStatus::Failure,
                exit: Some(exit),
                message: Some(format!("exit status {exit}")),
            },
        );
    }

    /// Keeps a job running until it is released, stopped or killed.
    pub fn hold(&self, job: impl Into<JobId>) {
        self.script(job, |script| script.held = true);
    }

    /// Keeps every job running until it is released, stopped or killed.
    pub fn hold_all(&self) {
        self.lock().hold_all = true;
    }

    /// Keeps a job running until it is released or killed: it does not hear when it is
    /// asked to stop.
    pub fn hold_deaf(&self, job: impl Into<JobId>) {
        self.script(job, |script| {
            script.held = true;
            script.deaf = true;
        });
    }

    /// Lets the executor panic when it runs the job.
    pub fn panics(&self, job: impl Into<JobId>) {
        self.script(job, |script| script.panics = true);
    }

    /// Says what the job reports once it has started, in order.
    pub fn reports(&self, job: impl Into<JobId>, reports: Vec<JobReport>) {
        self.script(job, |script| script.reports = reports);
    }

    /// Adds to what the job writes after its reports.
    pub fn writes(
        &self,
        job: impl Into<JobId>,
        stream: LogStream,
        command: Option<usize>,
        bytes: impl Into<Vec<u8>>,
    ) {
        let bytes = bytes.into();
        self.script(job, |script| script.output.push((stream, command, bytes)));
    }

    /// Lets a held job go on to its end; also ahead of its start.
    pub fn release(&self, job: impl Into<JobId>) {
        self.lock().released.insert(job.into());
        self.changed();
    }

    /// Waits until a job runs, or has run.
    pub async fn started(&self, job: impl Into<JobId>) {
        let job = job.into();
        self.wait_for(|state| state.orders.iter().any(|order| order.job.id == job))
            .await;
    }

    /// All orders so far, in the order of their arrival.
    pub fn orders(&self) -> Vec<JobOrder> {
        self.lock().orders.clone()
    }

    /// The jobs that were started, in order.
    pub fn started_ids(&self) -> Vec<JobId> {
        self.lock()
            .orders
            .iter()
            .map(|order| order.job.id.clone())
            .collect()
    }

    /// The jobs that are over, in order; those whose future was dropped included.
    pub fn finished(&self) -> Vec<JobId> {
        self.lock().finished.clone()
    }

    /// How many jobs run now.
    pub fn running(&self) -> usize {
        self.lock().running.len()
    }

    /// The most jobs that ever ran at once.
    pub fn most_at_once(&self) -> usize {
        self.lock().most_at_once
    }

    /// The builds that were reported as over.
    pub fn ended_builds(&self) -> Vec<Sid> {
        self.lock().ended.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn script(&self, job: impl Into<JobId>, change: impl FnOnce(&mut Script)) {
        change(self.lock().scripts.entry(job.into()).or_default());
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    async fn wait_for(&self, state_is: impl Fn(&State) -> bool) {
        let mut changes = self.changes.subscribe();
        while !state_is(&self.lock()) {
            // The sender lives in `self`, so it cannot be gone.
            let _ = changes.changed().await;
        }
    }

    async fn perform(
        self,
        order: JobOrder,
        ports: Arc<dyn JobPorts>,
        stop: StopToken,
    ) -> JobOutcome {
        let job = order.job.id.clone();
        let script = {
            let mut state = self.lock();
            state.orders.push(order);
            state.running.insert(job.clone());
            state.most_at_once = state.most_at_once.max(state.running.len());
            let mut script = state.scripts.get(&job).cloned().unwrap_or_default();
            script.held |= state.hold_all;
            script
        };
        let _running = Running {
            executor: self.clone(),
            job: job.clone(),
        };
        self.changed();
        assert!(!script.panics, "told to panic");
        ports.report(JobReport::Started);
        for report in script.reports {
            ports.report(report);
        }
        for (stream, command, bytes) in script.output {
            ports.log(stream, command, &bytes);
        }
        if script.held {
            let stopped = async {
                if script.deaf {
                    stop.kill.cancelled().await;
                } else {
                    tokio::select! {
                        () = stop.stop.cancelled() => {}
                        () = stop.kill.cancelled() => {}
                    }
                }
            };
            tokio::select! {
                // A stop that is there counts, whatever else happened meanwhile.
                biased;
                () = stopped => {
                    return JobOutcome {
                        status: JobStatus::Canceled,
                        exit: None,
                        message: None,
                    };
                }
                () = self.wait_for(|state| state.released.contains(&job)) => {}
            }
        }
        script.outcome.unwrap_or(JobOutcome {
            status: JobStatus::Success,
            exit: Some(0),
            message: None,
        })
    }
}

impl Executor for FakeExecutor {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn run(
        &self,
        order: JobOrder,
        ports: Arc<dyn JobPorts>,
        stop: StopToken,
    ) -> BoxFuture<'static, JobOutcome> {
        self.clone().perform(order, ports, stop).boxed()
    }

    fn build_ended<'a>(&'a self, sid: &'a Sid) -> BoxFuture<'a, ()> {
        self.lock().ended.push(sid.clone());
        self.changed();
        std::future::ready(()).boxed()
    }
}

/// Notes that a job is over, also when its future is dropped.
struct Running {
    executor: FakeExecutor,
    job: JobId,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.executor.lock();
        state.running.remove(&self.job);
        state.finished.push(self.job.clone());
        drop(state);
        self.executor.changed();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::domain::Job;
    use crate::ports::{BlobKey, BlobStore};

    use super::*;

    #[derive(Debug, Default)]
    struct Ports(Mutex<Vec<JobReport>>);

    impl JobPorts for Ports {
        fn report(&self, report: JobReport) {
            self.0.lock().unwrap().push(report);
        }

        fn log(&self, _: LogStream, _: Option<usize>, _: &[u8]) {}

        fn blobs(&self) -> &dyn BlobStore {
            unreachable!("the fake stores nothing")
        }
    }

    fn start(fake: &FakeExecutor, id: &str) -> (StopToken, tokio::task::JoinHandle<JobOutcome>) {
        let sid = Sid::new("local", "repo", "build");
        let order = JobOrder {
            workspace: BlobKey::workspace(&sid),
            sid,
            job: Job::new(id),
            attempt: 1,
            env: Vec::new(),
            restore: Vec::new(),
            save: Vec::new(),
            timeout: Duration::MAX,
            grace: Duration::MAX,
            api: None,
        };
        let stop = StopToken::default();
        let running = fake.run(order, Arc::new(Ports::default()), stop.clone());
        (stop, tokio::spawn(running))
    }

    #[tokio::test]
    async fn jobs_end_as_the_test_said() {
        let fake = FakeExecutor::new();
        fake.fails("bad", 3);
        assert_eq!(start(&fake, "bad").1.await.unwrap().exit, Some(3));
        let good = start(&fake, "good").1.await.unwrap();
        assert_eq!(good.status, JobStatus::Success);
        assert_eq!(fake.started_ids(), ["bad".into(), "good".into()]);
        assert_eq!(fake.most_at_once(), 1);
    }

    #[tokio::test]
    async fn a_held_job_waits_for_its_release() {
        let fake = FakeExecutor::new();
        fake.hold_all();
        let (_, one) = start(&fake, "one");
        let (_, two) = start(&fake, "two");
        fake.started("one").await;
        fake.started("two").await;
        assert_eq!((fake.running(), fake.most_at_once()), (2, 2));
        fake.release("two");
        assert_eq!(two.await.unwrap().status, JobStatus::Success);
        assert_eq!(fake.finished(), ["two".into()]);
        assert!(!one.is_finished());
        fake.release("one");
        one.await.unwrap();
    }

    #[tokio::test]
    async fn a_held_job_hears_a_stop_and_a_deaf_one_only_the_hammer() {
        let fake = FakeExecutor::new();
        fake.hold("hears");
        fake.hold_deaf("deaf");
        let (stop_hears, hears) = start(&fake, "hears");
        let (stop_deaf, deaf) = start(&fake, "deaf");
        fake.started("deaf").await;
        stop_deaf.stop.cancel();
        stop_hears.stop.cancel();
        assert_eq!(hears.await.unwrap().status, JobStatus::Canceled);
        assert!(!deaf.is_finished());
        stop_deaf.kill.cancel();
        assert_eq!(deaf.await.unwrap().status, JobStatus::Canceled);
    }
}
