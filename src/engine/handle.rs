//! What others may do with a running build: post events, read its journal, stop it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Notify, mpsc, oneshot};

use crate::domain::{Build, Event, JobId, LogId, Sid, TuiEvent};
use crate::edn::{Map, Value};
use crate::journal::Journal;
use crate::ports::{BlobStore, Control, JobReport, ParamSource, Surroundings, Transfer};

use super::masks::Masks;
use super::orders::Input;
use super::stop::StopReason;

/// Where the answer to a message goes.
pub(super) type Reply = oneshot::Sender<Result<(), NotTaken>>;

/// What reaches the dispatcher.
#[derive(Debug)]
pub(super) enum Message {
    /// Something for the core; the sender is told when its events are in the journal, or that
    /// they cannot be written.
    Input(Input, Option<Reply>),
    /// Somebody asks for the build as posted.
    Snapshot(oneshot::Sender<Arc<Build>>),
}

/// The build is over and its dispatcher gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the build is over")]
pub struct EngineGone;

/// Why a build did not take what it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// There is nobody to take it.
    #[error(transparent)]
    Gone(#[from] EngineGone),
    /// The journal cannot be written; the build ends for it.
    #[error("the build cannot be recorded")]
    Unrecorded,
}

/// A running build, for those who serve it to others. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) sid: Sid,
    pub(super) journal: Journal,
    pub(super) to_dispatcher: mpsc::UnboundedSender<Message>,
    pub(super) growth: GrowthHub,
    pub(super) checkout_dir: PathBuf,
    pub(super) logs_dir: PathBuf,
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) params: Arc<dyn ParamSource>,
    pub(super) surroundings: Surroundings,
    pub(super) at_work: JobsAtWork,
    pub(super) build_info: Map,
    pub(super) masks: Masks,
}

impl EngineHandle {
    /// The build.
    pub fn sid(&self) -> &Sid {
        &self.inner.sid
    }

    /// The masked journal, for everyone who watches.
    pub fn journal(&self) -> &Journal {
        &self.inner.journal
    }

    /// Where the build's logs are written.
    pub fn logs_dir(&self) -> &Path {
        &self.inner.logs_dir
    }

    /// Where action jobs work.
    pub fn checkout_dir(&self) -> &Path {
        &self.inner.checkout_dir
    }

    /// The store of artifacts, caches and workspaces.
    pub fn blobs(&self) -> &Arc<dyn BlobStore> {
        &self.inner.blobs
    }

    /// The parameters of the build.
    pub fn params(&self) -> &Arc<dyn ParamSource> {
        &self.inner.params
    }

    /// What the script may ask for beyond its build.
    pub fn surroundings(&self) -> &Surroundings {
        &self.inner.surroundings
    }

    /// Says that a container job is at work, for ever.
    #[doc(hidden)]
    pub fn begin_for_tests(&self, job: &JobId) {
        std::mem::forget(self.inner.at_work.begin(job));
    }

    /// True while a container job is at work: its token is good as long.
    pub fn is_at_work(&self, job: &JobId) -> bool {
        self.inner.at_work.has(job)
    }

    /// The build map as it was when the build began (events.md §3).
    pub fn build_info(&self) -> &Map {
        &self.inner.build_info
    }

    /// The secrets of this build; whatever is served or written goes through them.
    pub fn masks(&self) -> &Masks {
        &self.inner.masks
    }

    /// Hands in what the script posted. Returns once it is in the journal.
    pub async fn post(&self, events: Vec<Event>) -> Result<(), NotTaken> {
        self.tell(Input::Posted(events)).await
    }

    /// Does what a user wants of the build. The error is a sentence.
    pub async fn control(&self, control: Control) -> Result<(), String> {
        self.tell(Input::Control(control))
            .await
            .map_err(|error| error.to_string())
    }

    /// Stops the build; a second call stops it at once. Returns without waiting.
    pub fn stop(&self, reason: StopReason) {
        self.tell_soon(Input::Stop(reason));
    }

    /// Tells people something, in the journal.
    pub fn warn(&self, job: Option<&JobId>, message: impl Into<String>) {
        self.tell_soon(Input::Warn(job.cloned(), message.into()));
    }

    /// Puts a fact of this program's own into the journal, about a job or the build.
    pub fn note(&self, job: Option<&JobId>, fact: TuiEvent, message: Option<String>) {
        self.tell_soon(Input::Note(job.cloned(), fact, message));
    }

    /// Tells of an artifact or cache that was stored for a job, with its size in bytes.
    pub fn saved(&self, job: &JobId, transfer: Transfer, size: u64) {
        let report = JobReport::Saved { transfer, size };
        self.tell_soon(Input::Report(job.clone(), report));
    }

    /// The build as posted, unmasked: for decisions, not for showing.
    pub async fn build(&self) -> Result<Arc<Build>, EngineGone> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Snapshot(reply))?;
        answer.await.map_err(|_| EngineGone)
    }

    /// Notices about logs that grew, from now on.
    pub fn log_growth(&self) -> LogGrowth {
        self.inner.growth.subscribe()
    }

    async fn tell(&self, input: Input) -> Result<(), NotTaken> {
        let (reply, done) = oneshot::channel();
        self.send(Message::Input(input, Some(reply)))?;
        done.await.map_err(|_| EngineGone)?
    }

    pub(super) fn tell_soon(&self, input: Input) {
        // A build that is over needs no more telling.
        let _ = self.send(Message::Input(input, None));
    }

    fn send(&self, message: Message) -> Result<(), EngineGone> {
        self.inner
            .to_dispatcher
            .send(message)
            .map_err(|_| EngineGone)
    }

    /// A handle with no engine behind it, for tests of what stands on one: posts go straight
    /// into an in-memory journal, controls and warnings are kept in the journal as events.
    #[doc(hidden)]
    pub fn for_tests(
        sid: Sid,
        checkout_dir: PathBuf,
        blobs: Arc<dyn BlobStore>,
        params: Arc<dyn ParamSource>,
    ) -> Self {
        Self::for_tests_with(sid, checkout_dir, blobs, params, Surroundings::default())
    }

    /// The same, with something to ask for.
    #[doc(hidden)]
    pub fn for_tests_with(
        sid: Sid,
        checkout_dir: PathBuf,
        blobs: Arc<dyn BlobStore>,
        params: Arc<dyn ParamSource>,
        surroundings: Surroundings,
    ) -> Self {
        let (to_dispatcher, mut inbox) = mpsc::unbounded_channel();
        let journal = Journal::in_memory(sid.clone());
        let handle = Self {
            inner: Arc::new(Inner {
                sid: sid.clone(),
                journal: journal.clone(),
                to_dispatcher,
                growth: GrowthHub::default(),
                logs_dir: checkout_dir.join("logs"),
                checkout_dir,
                blobs,
                params,
                surroundings,
                at_work: JobsAtWork::default(),
                build_info: Map::from_iter([(
                    Value::kw("changes"),
                    Value::map([
                        ("added", Value::Set(vec!["new".into()])),
                        ("modified", Value::Set(Vec::new())),
                        ("removed", Value::Set(Vec::new())),
                    ]),
                )]),
                masks: Masks::default(),
            }),
        };
        tokio::spawn(async move {
            let mut core = super::core::Core::new(
                sid,
                super::orders::Limits::default(),
                super::orders::Approvals::default(),
            );
            core.begin(0, crate::edn::Map::new());
            while let Some(message) = inbox.recv().await {
                match message {
                    Message::Snapshot(reply) => drop(reply.send(Arc::new(core.build().clone()))),
                    Message::Input(input, reply) => {
                        let events: Vec<Event> = core
                            .handle(0, input)
                            .into_iter()
                            .filter_map(|output| match output {
                                super::orders::Output::Append(event) => Some(event),
                                _ => None,
                            })
                            .collect();
                        journal.append(0, events).expect("memory cannot fail");
                        if let Some(reply) = reply {
                            // The one who asked may have gone away meanwhile.
                            let _ = reply.send(Ok(()));
                        }
                    }
                }
            }
        });
        handle
    }
}

/// The container jobs that run right now, with the number of runs of each.
#[derive(Debug, Clone, Default)]
pub(super) struct JobsAtWork(Arc<Mutex<HashMap<JobId, usize>>>);

/// A job is at work until this is dropped.
#[derive(Debug)]
pub(super) struct AtWork(JobsAtWork, JobId);

impl JobsAtWork {
    pub(super) fn begin(&self, job: &JobId) -> AtWork {
        *self.lock().entry(job.clone()).or_default() += 1;
        AtWork(self.clone(), job.clone())
    }

    fn has(&self, job: &JobId) -> bool {
        self.lock().contains_key(job)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut jobs = self.0.lock();
        if let Some(runs) = jobs.get_mut(&self.1) {
            *runs -= 1;
            if *runs == 0 {
                jobs.remove(&self.1);
            }
        }
    }
}

/// Tells subscribers which logs grew, coalesced: a slow one finds each named once.
#[derive(Debug, Clone, Default)]
pub(super) struct GrowthHub(Arc<Mutex<Vec<Weak<Grown>>>>);

#[derive(Debug, Default)]
struct Grown {
    logs: Mutex<HashSet<LogId>>,
    notify: Notify,
}

/// Notices about logs that grew.
#[derive(Debug)]
pub struct LogGrowth(Arc<Grown>);

impl GrowthHub {
    fn subscribe(&self) -> LogGrowth {
        let grown = Arc::new(Grown::default());
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::downgrade(&grown));
        LogGrowth(grown)
    }

    pub(super) fn grew(&self, log: &LogId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|subscriber| {
                let Some(grown) = subscriber.upgrade() else {
                    return false;
                };
                let fresh = grown
                    .logs
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(log.clone());
                if fresh {
                    grown.notify.notify_one();
                }
                true
            });
    }
}

impl LogGrowth {
    /// Waits until logs have grown and says whose. Cancel safe.
    pub async fn next(&mut self) -> Vec<LogId> {
        loop {
            let logs: Vec<LogId> = self
                .0
                .logs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .drain()
                .collect();
            if !logs.is_empty() {
                return logs;
            }
            self.0.notify.notified().await;
        }
    }
}
