//! The engine's own rules, without any waiting: what one message does to a build.
//!
//! [`Core::handle`] takes one [`Input`] at one moment and returns the [`Output`]s for the
//! dispatcher to carry out. It owns what is true about the build: every event passes
//! through it, as posted, before the masked copy goes into the journal.
//!
//! ```text
//!           prepared          child exited, no job left
//! Preparing ───────▶ Running ──────────────────────────▶ Over
//!     └───────────────── failed, or stopped ────────────────▲
//! ```
//!
//! The script decides what runs (events.md §7); the core answers its
//! `container/job-queued` with the events of containers.md §2, limits how many jobs run at
//! once, approves what was approved ahead, and closes what the script left open.
//!
//! `core/time.rs` has what happens when nothing happens, `core/verdict.rs` how a build ends.

mod time;
mod verdict;

use std::collections::{HashMap, HashSet, VecDeque};

use crate::domain::{
    BlobKind, Build, BuildStatus, Event, EventKind, Job, JobId, JobStatus, Millis, Phase, Sid, Src,
    TuiEvent,
};
use crate::edn::{Map, Value};
use crate::ports::{Control, JobOutcome, JobReport};

use super::closing::{self, Closing};
use super::filter::Filter;
use super::orders::{Approvals, BuildSummary, ChildExit, GraphRule, Input, Limits, Output};
use super::spoken::Spoken;
use super::stop::StopReason;

/// In milliseconds.
const WEEK: u64 = 7 * 24 * 60 * 60 * 1000;

/// So many kinds of events are warned of when they are dropped: a script makes up as many as
/// it likes.
const MOST_DROPPED_TYPES: usize = 50;

/// Longer names of events are cut in a warning, in characters.
const LONGEST_TYPE: usize = 100;

/// Longest id of a job, in bytes: it goes into every event about the job and into the
/// environment of its commands. A declarative script with a longer one is not loaded.
const LONGEST_ID: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Child {
    NotStarted,
    Runs,
    /// Asked to end, by TERM.
    Terminated,
    Killed,
    Gone,
}

/// The state of one build at its runner.
#[derive(Debug)]
pub struct Core {
    build: Build,
    sid: Sid,
    limits: Limits,
    approvals: Approvals,
    filter: Filter,
    /// The script exits while it is still posting.
    hasty: bool,
    graph: GraphRule,
    child: Child,
    exit: Option<ChildExit>,
    /// Container jobs whose turn has not come.
    waiting: VecDeque<Box<Job>>,
    /// Container jobs that run.
    running: HashSet<JobId>,
    /// Container jobs that were handed over, with the number of the attempt.
    handed: HashMap<JobId, u32>,
    stop: Option<StopReason>,
    /// A stop was asked for more than once.
    hurry: bool,
    failure: Option<String>,
    any_job_queued: bool,
    spoken: Spoken,
    dropped_types: HashSet<Box<str>>,
    long_ids_seen: bool,
    started: Option<Millis>,
    child_started: Option<Millis>,
    script_heard: bool,
    last_word: Millis,
    stopping_since: Option<Millis>,
    stuck_since: Option<Millis>,
    over: bool,
    out: Vec<Output>,
}

impl Core {
    /// A build that is about to be prepared.
    pub fn new(sid: Sid, limits: Limits, approvals: Approvals) -> Self {
        Self {
            build: Build::default(),
            sid,
            limits,
            approvals,
            filter: Filter::default(),
            hasty: false,
            graph: GraphRule::default(),
            child: Child::NotStarted,
            exit: None,
            waiting: VecDeque::new(),
            running: HashSet::new(),
            handed: HashMap::new(),
            stop: None,
            hurry: false,
            failure: None,
            any_job_queued: false,
            spoken: Spoken::default(),
            dropped_types: HashSet::new(),
            long_ids_seen: false,
            started: None,
            child_started: None,
            script_heard: false,
            last_word: 0,
            stopping_since: None,
            stuck_since: None,
            over: false,
            out: Vec::new(),
        }
    }

    /// Runs only these jobs and what they need, whatever the script queues; all when there is
    /// none.
    #[must_use]
    pub fn only(mut self, jobs: Vec<JobId>) -> Self {
        self.filter = Filter::new(jobs);
        self
    }

    /// The script exits while it is still posting, so the last that it says may be lost.
    #[must_use]
    pub fn hasty(mut self, hasty: bool) -> Self {
        self.hasty = hasty;
        self
    }

    /// What to do about dependencies that cannot be right.
    #[must_use]
    pub fn graph(mut self, rule: GraphRule) -> Self {
        self.graph = rule;
        self
    }

    /// The build as posted: unmasked, for the engine's own use.
    pub fn build(&self) -> &Build {
        &self.build
    }

    /// Announces the build. The first thing to happen to a core.
    pub fn begin(&mut self, now: Millis, build: Map) -> Vec<Output> {
        self.started = Some(now);
        self.last_word = now;
        self.emit(now, Event::new(EventKind::BuildPending { build }));
        std::mem::take(&mut self.out)
    }

    /// Takes one message and says what follows from it.
    pub fn handle(&mut self, now: Millis, input: Input) -> Vec<Output> {
        if self.over {
            return Vec::new();
        }
        match input {
            Input::Prepared => self.prepared(now),
            Input::Unprepared(reason) => {
                self.failure.get_or_insert(reason);
                self.child = Child::Gone;
            }
            Input::ChildStarted => self.child_started(now),
            Input::ChildExited(exit) => self.child_exited(exit),
            Input::Posted(events) => self.posted(now, events),
            Input::Report(job, report) => self.report(now, &job, report),
            Input::Done(job, outcome) => self.done(now, &job, outcome),
            Input::Control(control) => self.control(now, control),
            Input::Stop(reason) => self.stop(now, reason),
            Input::JournalFailed(reason) => {
                self.failure.get_or_insert(reason);
                if self.stop.is_none() {
                    self.stop(now, StopReason::Broken);
                }
            }
            Input::Warn(job, message) => self.warn(now, job, message),
            Input::Note(job, fact, message) => self.note(now, job, fact, message),
            Input::Tick => {}
        }
        self.fill_slots(now);
        self.mind_the_time(now);
        self.finish_if_over(now);
        std::mem::take(&mut self.out)
    }

    // ------------------------------------------------------------ the life of the build

    fn prepared(&mut self, now: Millis) {
        if self.stop.is_some() {
            self.child = Child::Gone;
            return;
        }
        let mut build = Map::new();
        build.insert(Value::kw("status"), Value::kw("initializing"));
        self.emit(now, Event::new(EventKind::BuildInitializing { build }));
        self.out.push(Output::StartChild);
        self.child = Child::Runs;
        self.child_started = Some(now);
    }

    fn child_started(&mut self, now: Millis) {
        self.child_started = Some(now);
        self.last_word = now;
        self.emit(now, Event::new(EventKind::BuildStart));
    }

    fn child_exited(&mut self, exit: ChildExit) {
        self.child = Child::Gone;
        self.exit = Some(exit);
        self.waiting.clear();
        // Whoever started them is gone: nobody would hear how they end.
        self.stop_jobs();
    }

    fn finish_if_over(&mut self, now: Millis) {
        if self.child != Child::Gone || !self.running.is_empty() {
            return;
        }
        self.over = true;
        // What ended the build ended its jobs; the script's end is only the next link.
        let stopped = self.stop.is_some() || self.failure.is_some() || self.build.canceled;
        let exited = self.exit.as_ref().and_then(|exit| exit.code);
        let well = self.hasty && !stopped && exited == Some(0);
        let closings = closing::of(&self.build, well);
        let (status, message) = self.verdict(&closings);
        let cause = message
            .as_deref()
            .filter(|_| stopped)
            .unwrap_or("the script ended while this job was at work");
        for (id, closing) in closings {
            let at_work = if status == BuildStatus::Canceled {
                JobStatus::Canceled
            } else {
                JobStatus::Error
            };
            let (status, cause) = match closing {
                Closing::Skipped => (None, None),
                Closing::Ended(status) if !stopped => (Some(status), None),
                Closing::Ended(_) | Closing::Cut => (Some(at_work), Some(cause)),
            };
            let kind = match status {
                None => EventKind::JobSkipped,
                status => EventKind::JobEnd {
                    status,
                    result: result_of(None, cause),
                },
            };
            self.emit(now, Event::of_job(&id, kind));
        }
        let mut end = Event::new(EventKind::BuildEnd {
            status: Some(status.clone()),
            build: None,
        });
        end.message.clone_from(&message);
        self.emit(now, end);
        self.out.push(Output::Finish(BuildSummary {
            sid: self.sid.clone(),
            status,
            message,
            any_job_queued: self.any_job_queued,
            stopped: self.stop,
        }));
    }

    // ------------------------------------------------------------ the script

    fn posted(&mut self, now: Millis, events: Vec<Event>) {
        self.last_word = now;
        for mut event in events {
            if self.stop == Some(StopReason::Refused) {
                // Nothing of it may look as if it had run.
                return;
            }
            if let EventKind::ScriptStart { jobs } = &mut event.kind {
                let named = jobs.len();
                jobs.retain(|job| !is_too_long(&job.id));
                if jobs.len() < named {
                    self.warn_of_long_ids(now);
                }
            }
            if event.job_id.as_ref().is_some_and(is_too_long) {
                self.warn_of_long_ids(now);
                continue;
            }
            if !may_post(&event.kind) {
                self.drop_event(now, &event);
                continue;
            }
            event.seq = 0;
            event.src = Some(Src::Script);
            // An odd value of these stands among the unknown keys; they are not the script's.
            for key in ["sid", "src", "time", "seq"] {
                event.extra.remove_kw(key);
            }
            // A clock that is a week off tells nothing: the time of arrival does.
            event.time = event.time.filter(|time| time.abs_diff(now) < WEEK);
            let canceled = self.build.canceled;
            let phase_before = event
                .job_id
                .as_ref()
                .and_then(|id| self.build.job(id))
                .map(|job| job.phase);
            let kind = self.posted_kind(&event);
            let (learned, faults) = match &event.kind {
                EventKind::ScriptStart { jobs } => (
                    self.filter.learn(jobs).and(self.graph.refuse(jobs)),
                    self.graph.faults(jobs),
                ),
                _ => (Ok(()), Vec::new()),
            };
            let spoken = self.spoken.of(&event, |job| self.handed.contains_key(job));
            let warned = event.job_id.clone();
            let warnings = self.spoken.warnings(&event);
            self.append(now, event);
            for warning in warnings {
                self.warn(now, warned.clone(), warning);
            }
            if let Some((job, words)) = spoken {
                self.out.push(Output::WriteLog(job, words));
            }
            for (job, fault) in faults {
                self.warn(now, job, fault);
            }
            if let Err(why) = learned {
                self.failure.get_or_insert(why);
                if self.stop.is_none() {
                    self.stop(now, StopReason::Refused);
                }
            }
            match kind {
                Posted::Initializing => self.script_heard = true,
                Posted::Queued => self.any_job_queued = true,
                Posted::Container(job) => {
                    self.any_job_queued = true;
                    self.hand_over(now, job);
                }
                Posted::Blocked(id) => self.approve_if_asked(now, &id),
                // The script queued the job, its `init` gave nothing, and now it waits for
                // ever unless somebody says that it was executed (events.md §5.7).
                Posted::Skipped(id)
                    if phase_before == Some(Phase::Queued)
                        && !self.handed.contains_key(&id)
                        && !canceled
                        && self.build.script_status.is_none() =>
                {
                    self.emit(
                        now,
                        Event::of_job(
                            &id,
                            EventKind::JobExecuted {
                                status: Some(JobStatus::Skipped),
                                result: Map::new(),
                            },
                        ),
                    );
                }
                Posted::Skipped(_) | Posted::Other => {}
            }
        }
    }

    fn posted_kind(&self, event: &Event) -> Posted {
        match (&event.kind, &event.job_id) {
            (EventKind::ScriptInitializing { .. } | EventKind::ScriptStart { .. }, _) => {
                Posted::Initializing
            }
            (EventKind::JobQueued { .. }, _) => Posted::Queued,
            (EventKind::JobBlocked, Some(id)) => Posted::Blocked(id.clone()),
            (EventKind::JobSkipped, Some(id)) => Posted::Skipped(id.clone()),
            (EventKind::ContainerJobQueued { job, .. }, Some(id)) => {
                let mut job = job
                    .clone()
                    .or_else(|| self.build.job(id).map(|state| Box::new(state.job.clone())))
                    .unwrap_or_else(|| Box::new(Job::new(id.clone())));
                job.id = id.clone();
                Posted::Container(job)
            }
            _ => Posted::Other,
        }
    }

    fn drop_event(&mut self, now: Millis, event: &Event) {
        let whole = event.type_name();
        let name: Box<str> = match whole.char_indices().nth(LONGEST_TYPE) {
            Some((end, _)) => format!("{}…", &whole[..end]).into(),
            None => whole.into(),
        };
        let known = self.dropped_types.len();
        if known > MOST_DROPPED_TYPES || !self.dropped_types.insert(name.clone()) {
            return;
        }
        let message = if known < MOST_DROPPED_TYPES {
            format!("the script may not post {name}: the event was dropped")
        } else {
            "the script posts ever more events that it may not: they are dropped".to_owned()
        };
        self.warn(now, event.job_id.clone(), message);
    }

    fn warn_of_long_ids(&mut self, now: Millis) {
        if !self.long_ids_seen {
            self.long_ids_seen = true;
            let message = format!(
                "the script names a job with an id of more than {LONGEST_ID} bytes: what it says \
                 about the job is dropped"
            );
            self.warn(now, None, message);
        }
    }

    // ------------------------------------------------------------ container jobs

    fn hand_over(&mut self, now: Millis, job: Box<Job>) {
        if self.filter.leaves_out(&job.id) {
            let why = result_of(None, Some("left out by --job"));
            self.executed(now, &job.id, JobStatus::Skipped, why);
            return;
        }
        if self.stop.is_some() || self.build.canceled {
            self.executed(now, &job.id, JobStatus::Canceled, Map::new());
            return;
        }
        if self.handed.contains_key(&job.id) {
            // Asked twice: the first answer counts.
            return;
        }
        self.handed.insert(job.id.clone(), 1);
        self.waiting.push_back(job);
    }

    fn fill_slots(&mut self, now: Millis) {
        while self.running.len() < self.limits.parallel {
            let Some(job) = self.waiting.pop_front() else {
                return;
            };
            let id = job.id.clone();
            self.running.insert(id.clone());
            self.emit(
                now,
                Event::of_job(
                    &id,
                    EventKind::JobInitializing {
                        local_dir: None,
                        agent: None,
                    },
                ),
            );
            self.out.push(Output::StartJob(job, 1));
        }
    }

    fn report(&mut self, now: Millis, id: &JobId, report: JobReport) {
        let kind = match report {
            JobReport::Pulling(pull) => EventKind::Tui(TuiEvent::Pulling(pull)),
            JobReport::Pulled => EventKind::Tui(TuiEvent::Pulled),
            JobReport::Started => {
                self.emit(now, Event::of_job(id, EventKind::JobStart));
                EventKind::ContainerStart
            }
            JobReport::Exposed { address, ports } => EventKind::JobInitializing {
                local_dir: None,
                agent: Some(agent(&address, &ports)),
            },
            JobReport::CommandStarted { index } => EventKind::CommandStart {
                command: index.to_string(),
                stdout: None,
                stderr: None,
            },
            JobReport::CommandEnded { index, exit } => EventKind::CommandEnd {
                command: index.to_string(),
                exit: Some(exit),
                stdout: None,
                stderr: None,
            },
            JobReport::Saved { transfer, size } => EventKind::Tui(match transfer.kind {
                BlobKind::Artifact => TuiEvent::ArtifactSaved {
                    id: transfer.id,
                    path: transfer.path,
                    size,
                },
                BlobKind::Cache => TuiEvent::CacheSaved {
                    id: transfer.id,
                    path: transfer.path,
                    size,
                },
            }),
            JobReport::Warning(message) => {
                self.warn(now, Some(id.clone()), message);
                return;
            }
            JobReport::Attempt(attempt) => EventKind::Tui(TuiEvent::Attempt { attempt }),
            JobReport::Reused(sid) => EventKind::Tui(TuiEvent::Reused {
                build: sid.to_string(),
            }),
            JobReport::Resources(used) => EventKind::Tui(TuiEvent::Resources(used)),
        };
        self.emit(now, Event::of_job(id, kind));
    }

    fn done(&mut self, now: Millis, id: &JobId, outcome: JobOutcome) {
        if !self.running.remove(id) {
            return;
        }
        let result = result_of(outcome.exit, outcome.message.as_deref());
        self.emit(
            now,
            Event::of_job(
                id,
                EventKind::ContainerEnd {
                    status: Some(outcome.status.clone()),
                    result: result.clone(),
                },
            ),
        );
        self.executed(now, id, outcome.status, result);
        self.last_word = now;
    }

    fn executed(&mut self, now: Millis, id: &JobId, status: JobStatus, result: Map) {
        self.emit(
            now,
            Event::of_job(
                id,
                EventKind::JobExecuted {
                    status: Some(status),
                    result,
                },
            ),
        );
    }

    // ------------------------------------------------------------ controls

    fn control(&mut self, now: Millis, control: Control) {
        match control {
            Control::Cancel => self.stop(now, StopReason::Canceled),
            Control::Unblock(id) => {
                self.approvals.ids.insert(id.clone());
                self.approve_if_asked(now, &id);
            }
            Control::UnblockAll => {
                self.approvals.all = true;
                let blocked: Vec<JobId> = self.blocked().cloned().collect();
                for id in blocked {
                    self.approve_if_asked(now, &id);
                }
            }
        }
    }

    fn approve_if_asked(&mut self, now: Millis, id: &JobId) {
        let blocked = self
            .build
            .job(id)
            .is_some_and(|job| job.phase == Phase::Blocked && !job.unblocked);
        // One that is left out has nothing to approve, and must not hold up the script.
        let approved =
            self.approvals.all || self.approvals.ids.contains(id) || self.filter.leaves_out(id);
        if blocked && approved {
            self.emit(now, Event::of_job(id, EventKind::JobUnblocked));
        }
    }

    fn blocked(&self) -> impl Iterator<Item = &JobId> {
        self.build
            .jobs()
            .iter()
            .filter(|job| job.phase == Phase::Blocked)
            .map(super::super::domain::JobState::id)
    }

    fn stop(&mut self, now: Millis, reason: StopReason) {
        if let Some(first) = self.stop {
            self.stop = Some(first.then(reason));
            self.hurry = true;
            let ids: Vec<JobId> = self.running.iter().cloned().collect();
            self.out.extend(ids.into_iter().map(Output::KillJob));
            self.kill_child();
            return;
        }
        self.stop = Some(reason);
        self.stopping_since = Some(now);
        let waiting = std::mem::take(&mut self.waiting);
        if reason.cancels() {
            self.emit(now, Event::new(EventKind::BuildCanceled));
            // The script counts them as active and would wait for their end.
            for job in waiting {
                self.executed(now, &job.id, JobStatus::Canceled, Map::new());
            }
        } else {
            self.terminate_child();
        }
        self.stop_jobs();
    }

    fn stop_jobs(&mut self) {
        let mut ids: Vec<JobId> = self.running.iter().cloned().collect();
        ids.sort();
        self.out.extend(ids.into_iter().map(Output::StopJob));
    }

    fn terminate_child(&mut self) {
        if self.child == Child::Runs {
            self.child = Child::Terminated;
            self.out.push(Output::TerminateChild);
        }
    }

    fn kill_child(&mut self) {
        if matches!(self.child, Child::Runs | Child::Terminated) {
            self.child = Child::Killed;
            self.out.push(Output::KillChild);
        }
    }

    // ------------------------------------------------------------ events

    fn warn(&mut self, now: Millis, job: Option<JobId>, message: String) {
        self.note(now, job, TuiEvent::Warning, Some(message));
    }

    fn note(&mut self, now: Millis, job: Option<JobId>, fact: TuiEvent, message: Option<String>) {
        let mut event = Event::new(EventKind::Tui(fact));
        event.job_id = job;
        event.message = message;
        self.emit(now, event);
    }

    /// Appends an event of the engine's own.
    fn emit(&mut self, now: Millis, mut event: Event) {
        // Never `:script`: the library drops those (protocol/README, trap 3).
        event.src = Some(Src::Engine);
        self.append(now, event);
    }

    fn append(&mut self, now: Millis, mut event: Event) {
        event.time = event.time.or(Some(now));
        event.sid = Some(self.sid.clone());
        self.build.apply(&event);
        self.out.push(Output::Append(event));
    }
}

/// What a posted event asks of the engine.
enum Posted {
    Initializing,
    Queued,
    Container(Box<Job>),
    Blocked(JobId),
    Skipped(JobId),
    Other,
}

/// What a script may say (security.md §3): its own state and that of its jobs, and that a
/// container job is ready. The rest is the runner's to say.
fn may_post(kind: &EventKind) -> bool {
    match kind {
        EventKind::ContainerJobQueued { .. } => true,
        // A job that counts as approved is not blocked again, so that nobody could approve it.
        EventKind::JobUnblocked => false,
        other => {
            let name = other.type_name();
            name.starts_with("script/") || name.starts_with("job/")
        }
    }
}

fn is_too_long(id: &JobId) -> bool {
    id.as_str().len() > LONGEST_ID
}

/// Where a job's ports are reached: `{:address "…" :ports {host container}}` (containers.md §6).
fn agent(address: &str, ports: &[(u16, u16)]) -> Map {
    let ports: Map = ports
        .iter()
        .map(|(host, own)| (Value::Int((*host).into()), Value::Int((*own).into())))
        .collect();
    Map::from_iter([
        (Value::kw("address"), address.into()),
        (Value::kw("ports"), Value::Map(ports)),
    ])
}

fn result_of(exit: Option<i64>, message: Option<&str>) -> Map {
    let mut result = Map::new();
    if let Some(exit) = exit {
        result.insert(Value::kw("exit"), Value::Int(exit));
    }
    if let Some(message) = message {
        result.insert(Value::kw("message"), message.into());
    }
    result
}
