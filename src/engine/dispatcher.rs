//! The dispatcher: the one task that speaks for a build.
//!
//! It waits for messages, gives them to the [`Core`], and carries out what the core wants:
//! events into the journal, jobs to the executor, signals to the script child. Nobody else
//! appends to the journal, starts or stops anything.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::domain::{Event, EventKind, JobId, Millis, Sid, TuiEvent};
use crate::edn::Map;
use crate::journal::{Journal, JournalError};
use crate::ports::{
    BlobKey, BlobStore, Checkout, Clock, Executor, JobReport, JobTokens, LogStream, ParamSource,
    Surroundings, chain,
};

use super::child::{ChildCommand, ScriptChild};
use super::core::Core;
use super::handle::{EngineHandle, GrowthHub, Inner, JobsAtWork, Message, NotTaken, Reply};
use super::logbook::{Logbook, unwritten};
use super::masks::Masks;
use super::orders::{Approvals, BuildSummary, GraphRule, Input, Limits, Output};
use super::units::{Unit, Units};

/// How many messages are handled before their events are written: one write for a burst,
/// and still soon.
const BURST: usize = 256;

/// Everything that was decided about a build before it begins.
#[derive(Debug)]
pub struct BuildPlan {
    /// The build.
    pub sid: Sid,
    /// `:git`, `:source` and the like, for `build/pending` and `GET /build` (events.md §3).
    pub build_map: Map,
    /// Where the journal is written; `None` keeps it in memory.
    pub journal: Option<PathBuf>,
    /// Where the logs are written.
    pub logs_dir: PathBuf,
    /// The code.
    pub checkout: Arc<dyn Checkout>,
    /// What runs container jobs.
    pub executor: Arc<dyn Executor>,
    /// Where blobs are kept.
    pub blobs: Arc<dyn BlobStore>,
    /// The build's parameters.
    pub params: Arc<dyn ParamSource>,
    /// What the script may ask for beyond its build.
    pub surroundings: Surroundings,
    /// How container jobs reach the script API, if they may.
    pub job_tokens: Option<Arc<dyn JobTokens>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What the runner adds to the environment of every job.
    pub job_env: Vec<(String, String)>,
    /// What to do about dependencies that cannot be right.
    pub graph: GraphRule,
    /// Times and numbers.
    pub limits: Limits,
    /// What to do about blocked jobs.
    pub approvals: Approvals,
    /// For a script that cannot be told so: run only these jobs and what they need, all when
    /// it is empty.
    pub only: Vec<JobId>,
    /// The script exits while it is still posting, as with MonkeyCI's own library.
    pub hasty: bool,
    /// Time between TERM and KILL for a job that is to stop.
    pub job_grace: Duration,
    /// What must never be written.
    pub masks: Masks,
    /// Said in the journal before anything else, for people.
    pub remarks: Vec<String>,
    /// Why this build cannot run: it is announced, and ends at once with this reason.
    pub refusal: Option<String>,
}

/// Why a build could not even begin.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal cannot be created.
    #[error("cannot record the build")]
    Journal(#[from] JournalError),
}

/// A build that is about to run.
#[derive(Debug)]
pub struct Engine {
    plan: BuildPlan,
    core: Core,
    journal: Journal,
    logbook: Logbook,
    inbox: mpsc::UnboundedReceiver<Message>,
    handle: EngineHandle,
    /// Something was written that has to reach the disk.
    flush_due: Arc<Notify>,
}

impl Engine {
    /// Creates the journal and announces the build. The handle works from now on; messages
    /// wait until [`Engine::run`].
    pub fn new(plan: BuildPlan) -> Result<(Self, EngineHandle), EngineError> {
        let journal = match &plan.journal {
            Some(path) => Journal::create(path, &plan.sid)?,
            None => Journal::in_memory(plan.sid.clone()),
        };
        let (to_dispatcher, inbox) = mpsc::unbounded_channel();
        let growth = GrowthHub::default();
        let logbook = Logbook::new(
            plan.logs_dir.clone(),
            plan.masks.clone(),
            growth.clone(),
            Arc::clone(&plan.clock),
        );
        let handle = EngineHandle {
            inner: Arc::new(Inner {
                sid: plan.sid.clone(),
                journal: journal.clone(),
                to_dispatcher,
                growth,
                checkout_dir: plan.checkout.dir().to_owned(),
                logs_dir: plan.logs_dir.clone(),
                blobs: Arc::clone(&plan.blobs),
                params: Arc::clone(&plan.params),
                surroundings: plan.surroundings.clone(),
                at_work: JobsAtWork::default(),
                build_info: plan.build_map.clone(),
                masks: plan.masks.clone(),
            }),
        };
        let mut core = Core::new(
            plan.sid.clone(),
            plan.limits.clone(),
            plan.approvals.clone(),
        )
        .only(plan.only.clone())
        .hasty(plan.hasty)
        .graph(plan.graph);
        let now = plan.clock.now();
        let begun = core.begin(now, plan.build_map.clone());
        let mut engine = Self {
            plan,
            core,
            journal,
            logbook,
            inbox,
            handle: handle.clone(),
            flush_due: Arc::default(),
        };
        let events = begun.into_iter().filter_map(|output| match output {
            Output::Append(event) => Some(event),
            _ => None,
        });
        engine.record(now, events.collect())?;
        Ok((engine, handle))
    }

    /// Has the build end at once with this reason, unless it has one already. Before
    /// [`Engine::run`].
    pub fn refuse(&mut self, reason: String) {
        self.plan.refusal.get_or_insert(reason);
    }

    /// Runs the build to its end. When this returns, nothing of the build runs any more and
    /// the journal is closed.
    ///
    /// The outcome is never an error: what goes wrong is how the build ends.
    pub async fn run(mut self, child: ChildCommand) -> BuildSummary {
        let mut child = Some(child);
        let mut running: Option<ScriptChild> = None;
        let mut units = Units::default();
        let mut tasks = JoinSet::new();
        self.flush_beside(&mut tasks);
        for remark in std::mem::take(&mut self.plan.remarks) {
            self.handle.warn(None, remark);
        }
        match self.plan.refusal.take() {
            Some(reason) => self.handle.tell_soon(Input::Unprepared(reason)),
            None => self.prepare(&mut tasks),
        }
        loop {
            let message = self.next_message().await;
            let now = self.plan.clock.now();
            let mut burst = Burst::default();
            self.take(now, message, &mut burst);
            // What is already here shares one write with it.
            for _ in 1..BURST {
                match self.inbox.try_recv() {
                    Ok(message) => self.take(now, message, &mut burst),
                    Err(_) => break,
                }
            }
            let (events, orders) = burst.split();
            let recorded = self.record(now, events).map_err(|error| {
                self.handle
                    .tell_soon(Input::JournalFailed(unrecorded(&error)));
                NotTaken::Unrecorded
            });
            for reply in burst.replies {
                // The one who posted may be gone: its events are here all the same.
                let _ = reply.send(recorded);
            }
            for order in orders {
                match order {
                    Output::Append(_) => {}
                    Output::StartChild => {
                        if let Some(command) = child.take() {
                            running = self.start_child(command, &mut tasks);
                        }
                    }
                    Output::TerminateChild => running.iter().for_each(ScriptChild::terminate),
                    Output::KillChild => running.iter().for_each(ScriptChild::kill),
                    Output::StartJob(job, attempt) => {
                        let unit = self.unit(*job, attempt);
                        units.start(unit, &mut tasks);
                    }
                    Output::WriteLog(job, words) => self.write_log(&job, &words),
                    Output::StopJob(id) => units.stop(&id),
                    Output::KillJob(id) => units.kill(&id),
                    Output::Finish(summary) => return self.finish(summary, tasks).await,
                }
            }
        }
    }

    /// Waits for a message, or for the core's next deadline.
    async fn next_message(&mut self) -> Message {
        let deadline = self.core.deadline();
        let now = self.plan.clock.now();
        let tick = async {
            match deadline {
                Some(at) => {
                    let wait = u64::try_from(at - now).unwrap_or(0);
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // Messages first: a deadline that a waiting message makes void must not fire.
            biased;
            // The engine holds a handle itself, so the channel cannot be closed.
            message = self.inbox.recv() => message.unwrap_or(Message::Input(Input::Tick, None)),
            () = tick => Message::Input(Input::Tick, None),
        }
    }

    fn take(&mut self, now: Millis, message: Message, burst: &mut Burst) {
        match message {
            Message::Input(input, reply) => {
                let (job, written) = match &input {
                    Input::Report(job, JobReport::CommandEnded { .. }) => (
                        Some(job),
                        self.logbook.of_job(job).and_then(|log| log.end_command()),
                    ),
                    Input::Done(job, _) => (Some(job), self.logbook.close(job)),
                    _ => (None, Ok(())),
                };
                if let (Some(job), Err(error)) = (job, written) {
                    // Before the job's end, which may be the last thing the build waits for.
                    let failed = Input::JournalFailed(unwritten(&format!("job {job}"), &error));
                    burst.outputs.extend(self.core.handle(now, failed));
                }
                burst.outputs.extend(self.core.handle(now, input));
                burst.replies.extend(reply);
            }
            // One who asks and goes away needs no answer.
            Message::Snapshot(reply) => drop(reply.send(Arc::new(self.core.build().clone()))),
        }
    }

    /// Writes the masked copy of events into the journal, and to the disk where it matters
    /// (decisions.md: "flushed at every job/end and build/end").
    fn record(&mut self, now: Millis, events: Vec<Event>) -> Result<(), JournalError> {
        if events.is_empty() {
            return Ok(());
        }
        let ends = |name: &str| events.iter().any(|event| event.type_name() == name);
        let (job_ended, build_ended) = (ends("job/end"), ends("build/end"));
        for event in &events {
            self.learn_secrets(event);
        }
        let masked = events
            .into_iter()
            .map(|event| self.plan.masks.mask_event(event))
            .collect();
        self.journal.append(now, masked)?;
        if build_ended {
            self.journal.sync()?;
        } else if job_ended {
            self.flush_due.notify_one();
        }
        Ok(())
    }

    /// Flushes the journal whenever a job has ended. A disk takes milliseconds for it, and
    /// the next job need not wait for them; jobs that end meanwhile share the next flush,
    /// so that a slow disk does not gather a waiting thread for each of them.
    fn flush_beside(&self, tasks: &mut JoinSet<()>) {
        let (journal, handle) = (self.journal.clone(), self.handle.clone());
        let due = Arc::clone(&self.flush_due);
        tasks.spawn(async move {
            loop {
                due.notified().await;
                let journal = journal.clone();
                // Fails only when the runtime is going down, and this task with it.
                let flushed = tokio::task::spawn_blocking(move || journal.sync()).await;
                if let Ok(Err(error)) = flushed {
                    handle.tell_soon(Input::JournalFailed(unrecorded(&error)));
                }
            }
        });
    }

    /// Variables of jobs with secret-like names are secrets from now on, in the very event that
    /// defines them too.
    fn learn_secrets(&self, event: &Event) {
        let jobs = match &event.kind {
            EventKind::ScriptStart { jobs } => jobs.iter().collect(),
            EventKind::JobQueued { job } | EventKind::ContainerJobQueued { job, .. } => {
                job.iter().map(|job| &**job).collect()
            }
            _ => Vec::new(),
        };
        for job in jobs {
            let variables = job
                .env
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()));
            self.plan.masks.add_environment(variables);
        }
    }

    /// Stores the workspace (containers.md §4: once, before the script starts).
    fn prepare(&self, tasks: &mut JoinSet<()>) {
        let checkout = Arc::clone(&self.plan.checkout);
        let blobs = Arc::clone(&self.plan.blobs);
        let key = BlobKey::workspace(&self.plan.sid);
        let handle = self.handle.clone();
        tasks.spawn(async move {
            let input = match store_workspace(Arc::clone(&checkout), blobs, key).await {
                Ok(left_out) => {
                    for sentence in left_out {
                        handle.warn(None, sentence);
                    }
                    if let Some(digest) = checkout.digest() {
                        handle.note(None, TuiEvent::Workspace { digest }, None);
                    }
                    Input::Prepared
                }
                Err(reason) => Input::Unprepared(format!("cannot prepare the workspace: {reason}")),
            };
            handle.tell_soon(input);
        });
    }

    fn start_child(&self, command: ChildCommand, tasks: &mut JoinSet<()>) -> Option<ScriptChild> {
        let log = match self.logbook.of_script() {
            Ok(log) => log,
            Err(error) => {
                let reason = format!("cannot write the script's log: {}", chain(&error));
                self.handle.tell_soon(Input::Unprepared(reason));
                return None;
            }
        };
        match ScriptChild::start(command, self.plan.limits.grace) {
            Ok((child, watch)) => {
                self.handle.tell_soon(Input::ChildStarted);
                let handle = self.handle.clone();
                tasks.spawn(async move {
                    let (exit, logged) = watch.wait(&log).await;
                    if let Err(error) = logged.and_then(|()| log.end_command()) {
                        let failed = unwritten("the script", &error);
                        handle.tell_soon(Input::JournalFailed(failed));
                    }
                    handle.tell_soon(Input::ChildExited(exit));
                });
                Some(child)
            }
            Err(reason) => {
                self.handle.tell_soon(Input::Unprepared(reason));
                None
            }
        }
    }

    /// Writes the whole log of a job that no executor runs.
    fn write_log(&self, job: &JobId, words: &[(LogStream, String)]) {
        let written = self.logbook.of_job(job).and_then(|log| {
            words
                .iter()
                .try_for_each(|(stream, text)| log.write(*stream, None, text.as_bytes()))
        });
        if let Err(error) = written.and_then(|()| self.logbook.close(job)) {
            let failed = unwritten(&format!("job {job}"), &error);
            self.handle.tell_soon(Input::JournalFailed(failed));
        }
    }

    fn unit(&self, job: crate::domain::Job, attempt: u32) -> Unit {
        Unit {
            sid: self.plan.sid.clone(),
            job,
            attempt,
            job_env: self.plan.job_env.clone(),
            grace: self.plan.job_grace,
            tokens: self.plan.job_tokens.clone(),
            executor: Arc::clone(&self.plan.executor),
            handle: self.handle.clone(),
            logbook: self.logbook.clone(),
        }
    }

    async fn finish(self, summary: BuildSummary, mut tasks: JoinSet<()>) -> BuildSummary {
        // All that ran has reported its end; what is left has nothing to say.
        tasks.abort_all();
        while tasks.join_next().await.is_some() {}
        self.plan.executor.build_ended(&self.plan.sid).await;
        // A rerun takes the tree anew; what cannot be removed only takes up room.
        let workspace = BlobKey::workspace(&self.plan.sid);
        let _ = self.plan.blobs.remove(&workspace).await;
        // All of it is written; only the index, which can always be made again, may fail.
        let _ = self.logbook.close_script();
        self.journal.close();
        let message = summary
            .message
            .map(|text| self.plan.masks.mask(&text).unwrap_or(text));
        BuildSummary { message, ..summary }
    }
}

/// What one round of messages came to.
#[derive(Debug, Default)]
struct Burst {
    outputs: Vec<Output>,
    replies: Vec<Reply>,
}

impl Burst {
    /// The events to write first, then the orders to carry out.
    fn split(&mut self) -> (Vec<Event>, Vec<Output>) {
        let mut events = Vec::new();
        let mut orders = Vec::new();
        for output in self.outputs.drain(..) {
            match output {
                Output::Append(event) => events.push(event),
                order => orders.push(order),
            }
        }
        (events, orders)
    }
}

/// Streams the snapshot into the store, without a file in between.
async fn store_workspace(
    checkout: Arc<dyn Checkout>,
    blobs: Arc<dyn BlobStore>,
    key: BlobKey,
) -> Result<Vec<String>, String> {
    let (writer, reader) = tokio::io::duplex(256 * 1024);
    let packing = tokio::task::spawn_blocking(move || {
        let mut writer = tokio_util::io::SyncIoBridge::new(writer);
        let left_out = checkout.snapshot(&mut writer)?;
        writer.shutdown()?;
        Ok::<_, std::io::Error>(left_out)
    });
    let stored = blobs.put(&key, Box::pin(reader)).await;
    // Of the two, the one that failed first has the reason: to the store a packer that gives up
    // is only the end, to the packer a store that does so is a broken pipe.
    let packed = packing.await.map_err(|error| error.to_string())?;
    match (packed, stored) {
        (Ok(left_out), Ok(_)) => Ok(left_out),
        (Err(error), Err(reason)) if is_broken_pipe(&error) => Err(chain(&reason)),
        (Err(error), _) => Err(chain(&error)),
        (Ok(_), Err(error)) => Err(chain(&error)),
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn unrecorded(error: &JournalError) -> String {
    format!("the build cannot be recorded: {}", chain(error))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    use crate::domain::{BuildStatus, EventKind, GitInfo};
    use crate::executors::FakeExecutor;
    use crate::ports::{BlobError, BlobReader, Param, SystemClock};

    use super::*;

    /// A project and a store with nothing in them.
    #[derive(Debug)]
    struct Nothing(PathBuf);

    impl Checkout for Nothing {
        fn dir(&self) -> &Path {
            &self.0
        }

        fn describe(&self) -> Option<GitInfo> {
            None
        }

        fn snapshot(&self, _: &mut dyn std::io::Write) -> std::io::Result<Vec<String>> {
            Ok(Vec::new())
        }
    }

    impl ParamSource for Nothing {
        fn params(&self) -> BoxFuture<'_, Result<Vec<Param>, String>> {
            std::future::ready(Ok(Vec::new())).boxed()
        }
    }

    impl BlobStore for Nothing {
        fn put<'a>(
            &'a self,
            _: &'a BlobKey,
            _: BlobReader,
        ) -> BoxFuture<'a, Result<u64, BlobError>> {
            std::future::ready(Ok(0)).boxed()
        }

        fn remove<'a>(&'a self, _: &'a BlobKey) -> BoxFuture<'a, Result<(), BlobError>> {
            std::future::ready(Ok(())).boxed()
        }

        fn get<'a>(
            &'a self,
            _: &'a BlobKey,
        ) -> BoxFuture<'a, Result<Option<BlobReader>, BlobError>> {
            std::future::ready(Ok(None)).boxed()
        }
    }

    fn plan(dir: &Path) -> BuildPlan {
        let nothing = Arc::new(Nothing(dir.to_owned()));
        BuildPlan {
            sid: Sid::new("local", "demo", "b1"),
            build_map: Map::new(),
            journal: None,
            logs_dir: dir.to_owned(),
            checkout: nothing.clone(),
            executor: Arc::new(FakeExecutor::new()),
            blobs: nothing.clone(),
            params: nothing,
            surroundings: Surroundings::default(),
            job_tokens: None,
            clock: Arc::new(SystemClock),
            job_env: Vec::new(),
            graph: GraphRule::default(),
            limits: Limits::default(),
            approvals: Approvals::default(),
            only: Vec::new(),
            hasty: false,
            job_grace: Duration::from_secs(10),
            masks: Masks::default(),
            remarks: Vec::new(),
            refusal: None,
        }
    }

    fn shell(dir: &Path, line: &str) -> ChildCommand {
        ChildCommand {
            program: "sh".into(),
            args: vec!["-c".into(), line.into()],
            env: Vec::new(),
            cwd: dir.to_owned(),
            stdin: Vec::new(),
        }
    }

    #[tokio::test]
    async fn what_cannot_be_recorded_is_not_said_to_be_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (engine, handle) = Engine::new(plan(dir.path())).unwrap();
        handle.journal().close();
        let posting = handle.post(vec![Event::of_job(&"a".into(), EventKind::JobStart)]);
        let (posted, summary) = tokio::join!(posting, engine.run(shell(dir.path(), "sleep 60")));
        assert_eq!(posted, Err(NotTaken::Unrecorded));
        assert_eq!(summary.status, BuildStatus::Error);
        assert!(summary.message.unwrap().contains("cannot be recorded"));
    }

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn a_build_whose_logs_cannot_be_written_is_an_error() {
        use crate::domain::{Job, JobId};

        let full = |dir: &Path, stem: &str| {
            std::os::unix::fs::symlink("/dev/full", dir.join(format!("{stem}.log"))).unwrap();
        };
        let dir = tempfile::tempdir().unwrap();
        full(dir.path(), "a");
        let id = JobId::new("a");
        let executor = Arc::new(FakeExecutor::new());
        executor.hold(id.clone());
        executor.writes(id.clone(), crate::ports::LogStream::Out, Some(0), b"text\n");
        let mut plan_a = plan(dir.path());
        plan_a.executor = executor;
        let (engine, handle) = Engine::new(plan_a).unwrap();
        let ready = EventKind::ContainerJobQueued {
            job: Some(Box::new(Job::new(id.clone()))),
            dek: None,
        };
        let posting = handle.post(vec![Event::of_job(&id, ready)]);
        let (posted, summary) = tokio::join!(posting, engine.run(shell(dir.path(), "sleep 60")));
        posted.unwrap();
        let message = summary.message.unwrap();
        assert!(
            message.starts_with("the log of job a cannot be written: No space left"),
            "{message}"
        );
        assert_eq!(summary.status, BuildStatus::Error);

        let dir = tempfile::tempdir().unwrap();
        full(dir.path(), &crate::domain::LogId::Script.stem());
        let (engine, _handle) = Engine::new(plan(dir.path())).unwrap();
        let summary = engine.run(shell(dir.path(), "echo text")).await;
        let message = summary.message.unwrap();
        assert!(
            message.starts_with("the log of the script cannot be written"),
            "{message}"
        );
        assert_eq!(summary.status, BuildStatus::Error);
    }
}
