//! Which job may run when (protocol/events.md §5 and §7).
//!
//! Events in, events out; no clock, no network. Whoever drives it posts what it gives
//! back, in order, and hands in what the runner says.
//!
//! ```text
//! start ─► script/start, job/queued … ─► on(job/executed) ─► job/end, job/queued …
//!                                         on(job/end of the runner)  ─► job/queued …
//!                                         on(build/canceled)         ─► job/skipped …
//!                                      ─► job/skipped …, script/end  (nothing is left to do)
//! ```
//!
//! Two things differ from the script library, both so that nothing is lost: skipped jobs
//! are announced *before* `script/end`, and after a cancel the jobs that still run are
//! waited for. A blocked job is announced once, not after every other job's end.

use std::collections::{HashMap, HashSet};

use crate::domain::{
    BuildStatus, Event, EventKind, Job, JobGraph, JobId, JobKind, JobStatus, Sid, Src,
};

/// What `script/end` says when no job can ever run (events.md §5.8).
pub const NO_JOBS: &str = "No jobs to run";

/// The state of a script's jobs.
#[derive(Debug)]
pub struct Scheduler {
    sid: Option<Sid>,
    entries: Vec<Entry>,
    by_id: HashMap<JobId, usize>,
    /// Jobs that were queued and have not ended.
    active: usize,
    /// Jobs that only wait for approval.
    held: usize,
    started: bool,
    canceled: bool,
    failed: bool,
    finished: Option<BuildStatus>,
}

#[derive(Debug)]
struct Entry {
    job: Job,
    state: State,
    approved: bool,
    /// Dependencies that have not succeeded yet. One that does not exist never does.
    waits_for: usize,
    needed_by: Vec<usize>,
}

/// ```text
/// Pending ─► Held (announced as blocked) ─► Active ─► Ended
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Pending,
    Held,
    Active,
    Ended,
}

impl Scheduler {
    /// A scheduler of these jobs; with a filter, of those it names and all they need.
    /// Of two jobs with one id the last counts.
    pub fn new(jobs: Vec<Job>, filter: &[JobId]) -> Self {
        let wanted: Option<HashSet<JobId>> =
            (!filter.is_empty()).then(|| JobGraph::new(&jobs).with_dependencies(filter));
        let mut entries: Vec<Entry> = Vec::with_capacity(jobs.len());
        let mut by_id: HashMap<JobId, usize> = HashMap::with_capacity(jobs.len());
        for job in jobs {
            if wanted.as_ref().is_some_and(|ids| !ids.contains(&job.id)) {
                continue;
            }
            if let Some(&place) = by_id.get(&job.id) {
                entries[place].job = job;
                continue;
            }
            by_id.insert(job.id.clone(), entries.len());
            entries.push(Entry {
                job,
                state: State::Pending,
                approved: false,
                waits_for: 0,
                needed_by: Vec::new(),
            });
        }
        for place in 0..entries.len() {
            let needs: HashSet<JobId> = entries[place].job.dependencies.iter().cloned().collect();
            entries[place].waits_for = needs.len();
            for other in needs.iter().filter_map(|id| by_id.get(id)) {
                entries[*other].needed_by.push(place);
            }
        }
        Self {
            sid: None,
            entries,
            by_id,
            active: 0,
            held: 0,
            started: false,
            canceled: false,
            failed: false,
            finished: None,
        }
    }

    /// Only cancels of this build count.
    #[must_use]
    pub fn for_build(mut self, sid: Sid) -> Self {
        self.sid = Some(sid);
        self
    }

    /// The jobs, each once, in the order of the file.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.entries.iter().map(|entry| &entry.job)
    }

    /// The definition of a job.
    pub fn job(&self, id: &JobId) -> Option<&Job> {
        self.by_id.get(id).map(|&place| &self.entries[place].job)
    }

    /// Whether the job was queued and has not ended.
    pub fn is_active(&self, id: &JobId) -> bool {
        self.by_id
            .get(id)
            .is_some_and(|&place| self.entries[place].state == State::Active)
    }

    /// How the script ended, once it has.
    pub fn finished(&self) -> Option<BuildStatus> {
        self.finished.clone()
    }

    /// The first events: the jobs, and what may run at once.
    pub fn start(&mut self) -> Vec<Event> {
        let mut out = Vec::new();
        if self.started {
            return out;
        }
        self.started = true;
        out.push(said(Event::new(EventKind::ScriptStart {
            jobs: self.jobs().cloned().collect(),
        })));
        for place in 0..self.entries.len() {
            self.offer(place, &mut out);
        }
        if self.active == 0 && self.held == 0 {
            self.finish(BuildStatus::Error, Some(NO_JOBS), &mut out);
        }
        out
    }

    /// What follows from an event of the runner. Events of scripts (which come back over
    /// the stream) mean nothing, nor does anything that was said before.
    pub fn on(&mut self, event: &Event) -> Vec<Event> {
        let mut out = Vec::new();
        if !self.started || self.finished.is_some() || event.src == Some(Src::Script) {
            return out;
        }
        let place = event
            .job_id
            .as_ref()
            .and_then(|id| self.by_id.get(id))
            .copied();
        match (&event.kind, place) {
            // Only who was asked to run may say how it went.
            (EventKind::JobExecuted { status, result }, Some(place))
                if self.entries[place].state == State::Active =>
            {
                // The script library reads no status as success.
                let status = status.clone().unwrap_or(JobStatus::Success);
                let end = EventKind::JobEnd {
                    status: Some(status.clone()),
                    result: result.clone(),
                };
                let mut end = said(Event::of_job(&self.entries[place].job.id, end));
                end.message.clone_from(&event.message);
                out.push(end);
                self.end_job(place, &status, &mut out);
            }
            (EventKind::JobEnd { status, .. }, Some(place)) => {
                let status = status.clone().unwrap_or(JobStatus::Error);
                self.end_job(place, &status, &mut out);
            }
            (EventKind::JobUnblocked, Some(place)) => self.approve(place, &mut out),
            (EventKind::BuildCanceled, _) => {
                let same = match (&self.sid, &event.sid) {
                    (Some(ours), Some(theirs)) => ours == theirs,
                    _ => true,
                };
                if same {
                    self.cancel(&mut out);
                }
            }
            _ => {}
        }
        out
    }

    fn end_job(&mut self, place: usize, status: &JobStatus, out: &mut Vec<Event>) {
        let entry = &mut self.entries[place];
        match entry.state {
            State::Ended => return,
            State::Active => self.active -= 1,
            State::Held => self.held -= 1,
            State::Pending => {}
        }
        entry.state = State::Ended;
        self.failed |= status.is_failed();
        if *status == JobStatus::Success {
            for other in std::mem::take(&mut self.entries[place].needed_by) {
                self.entries[other].waits_for -= 1;
                self.offer(other, out);
            }
        }
        self.finish_if_idle(out);
    }

    fn approve(&mut self, place: usize, out: &mut Vec<Event>) {
        self.entries[place].approved = true;
        if self.entries[place].state == State::Held {
            self.held -= 1;
            self.entries[place].state = State::Pending;
            self.offer(place, out);
        }
    }

    fn cancel(&mut self, out: &mut Vec<Event>) {
        if !self.canceled {
            self.canceled = true;
            self.skip_the_rest(out);
        }
        self.finish_if_idle(out);
    }

    /// Queues a job, or announces it as blocked, if nothing stands in its way.
    fn offer(&mut self, place: usize, out: &mut Vec<Event>) {
        let entry = &mut self.entries[place];
        if self.canceled || entry.state != State::Pending || entry.waits_for > 0 {
            return;
        }
        let id = &entry.job.id;
        if entry.job.blocked && !entry.approved {
            entry.state = State::Held;
            self.held += 1;
            out.push(said(Event::of_job(id, EventKind::JobBlocked)));
            return;
        }
        entry.state = State::Active;
        self.active += 1;
        let job = Some(Box::new(entry.job.clone()));
        out.push(said(Event::of_job(
            id,
            EventKind::JobQueued { job: job.clone() },
        )));
        if entry.job.kind == JobKind::Container {
            let kind = EventKind::ContainerJobQueued { job, dek: None };
            out.push(said(Event::of_job(id, kind)));
        }
    }

    fn finish_if_idle(&mut self, out: &mut Vec<Event>) {
        if self.active > 0 || self.held > 0 || self.finished.is_some() {
            return;
        }
        let status = if self.canceled {
            BuildStatus::Canceled
        } else if self.failed {
            BuildStatus::Error
        } else {
            BuildStatus::Success
        };
        self.finish(status, None, out);
    }

    fn finish(&mut self, status: BuildStatus, message: Option<&str>, out: &mut Vec<Event>) {
        self.skip_the_rest(out);
        let mut end = said(Event::new(EventKind::ScriptEnd {
            status: Some(status.clone()),
        }));
        end.message = message.map(str::to_owned);
        out.push(end);
        self.finished = Some(status);
    }

    /// Skips everything that was never queued.
    fn skip_the_rest(&mut self, out: &mut Vec<Event>) {
        for entry in &mut self.entries {
            if matches!(entry.state, State::Pending | State::Held) {
                entry.state = State::Ended;
                out.push(said(Event::of_job(&entry.job.id, EventKind::JobSkipped)));
            }
        }
        self.held = 0;
    }
}

/// The end of a script that could not be loaded (events.md §5.8).
pub(super) fn load_failed(message: String) -> Event {
    said(Event::new(EventKind::ScriptEnd {
        status: Some(BuildStatus::Error),
    }))
    .with_message(message)
}

/// An event as the script says it.
pub(super) fn said(mut event: Event) -> Event {
    event.src = Some(Src::Script);
    event
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
