//! The fold: one event into one build.
//!
//! It accepts any interleaving that keeps each source's own order, plus the swaps and
//! duplicates of the real MonkeyCI (events.md §1, decisions.md). What makes that work:
//!
//! - a job's [`Phase`] only ever advances, so a late `job/initializing` cannot undo a
//!   `job/start`; what a late event *tells* (times, folders) is still kept;
//! - every event may come twice: facts are set, never counted;
//! - `canceled` is remembered, because the end of the dying script would hide it;
//! - only `tui/anew` leads back, to a build of which nothing is known yet.

use crate::edn::{Map, Value};

use super::{
    Build, BuildStatus, Chosen, CommandState, Event, EventKind, GitInfo, Job, JobId, JobState,
    JobStatus, JobUpdate, Millis, OpenJob, Phase, ReadBy, StoredBlob, StoredResult, TuiEvent,
    Warning, build::BlobKind,
};

impl Build {
    /// The build that a whole journal tells of.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut build = Self::default();
        for event in events {
            build.apply(event);
        }
        build
    }

    /// Folds one event in.
    pub fn apply(&mut self, event: &Event) {
        self.last_seq = self.last_seq.max(event.seq);
        self.last_time = self.last_time.max(event.time);
        if self.sid.is_none() {
            self.sid.clone_from(&event.sid);
        }
        let at = event.time;
        match &event.kind {
            EventKind::BuildTriggered { build } | EventKind::BuildPending { build } => {
                earliest(&mut self.created, at);
                self.learn(build);
            }
            EventKind::BuildQueued { build } => {
                earliest(&mut self.created, at);
                self.learn(build);
                self.advance(BuildStatus::Queued);
            }
            EventKind::BuildInitializing { build } => {
                earliest(&mut self.created, at);
                self.learn(build);
                self.advance(BuildStatus::Initializing);
            }
            EventKind::BuildUpdated { build, jobs } => self.update_from(build, jobs),
            EventKind::BuildStart => {
                earliest(&mut self.start_time, at);
                self.advance(BuildStatus::Running);
            }
            EventKind::BuildCanceled => {
                self.canceled = true;
                if self.status.is_final() {
                    self.status = BuildStatus::Canceled;
                }
            }
            EventKind::BuildEnd { status, build } => {
                if let Some(build) = build {
                    self.learn(build);
                }
                if event.message.is_some() {
                    self.message.clone_from(&event.message);
                }
                self.end(status.as_ref(), at);
            }
            EventKind::ScriptInitializing { script_dir } => {
                earliest(&mut self.script_start, at);
                if script_dir.is_some() {
                    self.script_dir.clone_from(script_dir);
                }
            }
            EventKind::ScriptStart { jobs } => {
                earliest(&mut self.script_start, at);
                self.script_loaded = true;
                self.define(jobs);
            }
            EventKind::ScriptEnd { status } => {
                self.script_status.clone_from(status);
                self.script_end = self.script_end.or(at);
                if !self.script_loaded {
                    self.load_error.clone_from(&event.message);
                }
                if let (Some(message), None) = (&event.message, &self.message) {
                    self.message = Some(message.clone());
                }
            }
            EventKind::Tui(TuiEvent::Interrupted) => self.interrupted = true,
            EventKind::Tui(TuiEvent::Anew) => {
                *self = Self {
                    sid: self.sid.take(),
                    last_seq: self.last_seq,
                    last_time: self.last_time,
                    ..Self::default()
                };
            }
            EventKind::Tui(TuiEvent::Warning) => self.warn(event),
            EventKind::Tui(TuiEvent::Request { args }) => self.request.clone_from(args),
            EventKind::Tui(TuiEvent::Workspace { digest }) => {
                self.workspace = Some(digest.clone());
            }
            EventKind::Tui(TuiEvent::Executor { name }) => {
                self.executor = Some(Chosen {
                    name: name.clone(),
                    reason: event.message.clone().unwrap_or_default(),
                });
            }
            EventKind::Tui(TuiEvent::Host { name }) => {
                self.host = Some(Chosen {
                    name: name.clone(),
                    reason: event.message.clone().unwrap_or_default(),
                });
            }
            EventKind::Tui(TuiEvent::ResultSaved {
                name,
                media_type,
                size,
            }) => self.stored_result(StoredResult {
                name: name.clone(),
                media_type: media_type.clone(),
                size: *size,
                job_id: event.job_id.clone(),
                time: at,
            }),
            EventKind::Tui(TuiEvent::Read(access)) => self.was_read(ReadBy {
                access: access.clone(),
                job_id: event.job_id.clone(),
                time: at,
            }),
            _ => {
                if let Some(id) = &event.job_id {
                    let place = self.place_of(id);
                    self.jobs[place].apply(event);
                }
            }
        }
    }

    /// Moves the status on, never back, and never past an end.
    fn advance(&mut self, status: BuildStatus) {
        if rank(&status) > rank(&self.status) {
            self.status = status;
        }
    }

    /// Closes the build and, by the rules of events.md §5.3 and decisions.md, what it left open.
    fn end(&mut self, status: Option<&BuildStatus>, at: Option<Millis>) {
        self.end_time = self.end_time.or(at);
        self.canceled |= status == Some(&BuildStatus::Canceled);
        self.status = if self.canceled {
            BuildStatus::Canceled
        } else {
            match status {
                Some(BuildStatus::Success) => BuildStatus::Success,
                _ => BuildStatus::Error,
            }
        };
        let canceled = self.canceled;
        for job in &mut self.jobs {
            let end = match job.phase {
                Phase::Ended => continue,
                Phase::Defined | Phase::Blocked => JobStatus::Skipped,
                _ if canceled => JobStatus::Canceled,
                _ => JobStatus::Error,
            };
            job.end(end, at);
        }
    }

    /// The status with which a job that was left open is closed.
    pub fn closing_status(&self, open: OpenJob) -> JobStatus {
        match open {
            OpenJob::NeverQueued => JobStatus::Skipped,
            OpenJob::Active if self.canceled => JobStatus::Canceled,
            OpenJob::Active => JobStatus::Error,
        }
    }

    /// Takes the script's list of jobs; of two with one id the last counts (events.md §7.6).
    fn define(&mut self, jobs: &[Job]) {
        for job in jobs {
            match self.by_id.get(&job.id) {
                Some(&place) if self.jobs[place].phase == Phase::Defined => {
                    self.jobs[place].job = job.clone();
                }
                Some(_) => {}
                None => {
                    self.by_id.insert(job.id.clone(), self.jobs.len());
                    self.jobs.push(JobState::new(job.clone()));
                }
            }
        }
    }

    /// The place of a job; one that nobody has announced is taken in.
    fn place_of(&mut self, id: &JobId) -> usize {
        if let Some(&place) = self.by_id.get(id) {
            return place;
        }
        let place = self.jobs.len();
        self.by_id.insert(id.clone(), place);
        self.jobs.push(JobState::new(Job::new(id.clone())));
        place
    }

    fn warn(&mut self, event: &Event) {
        let warning = Warning {
            job_id: event.job_id.clone(),
            message: event.message.clone().unwrap_or_default(),
        };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn stored_result(&mut self, result: StoredResult) {
        match self
            .results
            .iter_mut()
            .find(|known| known.name == result.name)
        {
            Some(known) => *known = result,
            None => self.results.push(result),
        }
    }

    fn was_read(&mut self, read: ReadBy) {
        let known = |known: &ReadBy| known.access == read.access && known.job_id == read.job_id;
        if !self.reads.iter().any(known) {
            self.reads.push(read);
        }
    }

    /// Learns from a build map (events.md §3); absent and nil keys teach nothing.
    fn learn(&mut self, build: &Map) {
        set(&mut self.source, name(build.get_kw("source")));
        set(&mut self.checkout_dir, text(build.get_kw("checkout-dir")));
        set(&mut self.message, text(build.get_kw("message")));
        if let Some(git) = build.get_kw("git").and_then(Value::as_map) {
            self.git.learn(git);
        }
    }

    /// Takes the state a server sends as a whole (`build/updated`, public-api.md §8).
    ///
    /// What it says of jobs comes first: the end of a build closes those it says nothing final of, until
    /// it does.
    fn update_from(&mut self, build: &Map, jobs: &[JobUpdate]) {
        self.learn(build);
        for update in jobs {
            self.script_loaded = true;
            let place = self.place_of(&update.job.id);
            self.jobs[place].update_from(update);
        }
        if let Some(script) = build.get_kw("script") {
            set(
                &mut self.script_dir,
                script
                    .get("script-dir")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            );
        }
        if let Some(status) = name(build.get_kw("status")).map(|s| BuildStatus::parse(&s)) {
            if status.is_final() {
                let at = build.get_kw("end-time").and_then(Value::as_i64);
                self.end(Some(&status), at);
            } else {
                self.advance(status);
            }
        }
        if let Some(ms) = build.get_kw("start-time").and_then(Value::as_i64) {
            earliest(&mut self.created, Some(ms));
            // Before it runs, that is when it was triggered.
            if rank(&self.status) >= rank(&BuildStatus::Running) {
                self.start_time = Some(ms);
            }
        }
    }
}

impl GitInfo {
    fn learn(&mut self, git: &Map) {
        set(&mut self.url, text(git.get_kw("url")));
        set(&mut self.r#ref, text(git.get_kw("ref")));
        set(&mut self.branch, text(git.get_kw("branch")));
        set(&mut self.tag, text(git.get_kw("tag")));
        set(&mut self.main_branch, text(git.get_kw("main-branch")));
        set(&mut self.commit_id, text(git.get_kw("commit-id")));
        set(&mut self.message, text(git.get_kw("message")));
        if let Some(author) = git.get_kw("author") {
            set(
                &mut self.author,
                text(author.get("name")).or_else(|| text(Some(author))),
            );
        }
        if let Some(dirty) = git.get_kw("dirty").and_then(Value::as_bool) {
            self.dirty = dirty;
        }
        if let Some(name) = &self.r#ref {
            if self.branch.is_none() {
                self.branch = name.strip_prefix("refs/heads/").map(str::to_owned);
            }
            if self.tag.is_none() {
                self.tag = name.strip_prefix("refs/tags/").map(str::to_owned);
            }
        }
    }
}

impl JobState {
    /// Takes the state a server sends as a whole. It may be a moment old, so it never leads back; but
    /// how a job has ended is the server's to say.
    fn update_from(&mut self, update: &JobUpdate) {
        self.job = update.job.clone();
        for (slot, at) in [
            (&mut self.start_time, update.start_time),
            (&mut self.end_time, update.end_time),
        ] {
            if at.is_some() {
                *slot = at;
            }
        }
        if update.agent.is_some() {
            self.agent.clone_from(&update.agent);
        }
        for (key, value) in &update.result {
            self.result.insert(key.clone(), value.clone());
        }
        match update.status.clone() {
            None | Some(JobStatus::Pending) => {}
            Some(JobStatus::Blocked) if self.unblocked => {}
            Some(JobStatus::Blocked) => self.advance(Phase::Blocked),
            Some(JobStatus::Queued) => {
                self.unblocked = true;
                self.advance(Phase::Queued);
            }
            Some(JobStatus::Initializing) => self.advance(Phase::Initializing),
            Some(JobStatus::Running | JobStatus::Other(_)) => self.advance(Phase::Running),
            Some(status) => self.end(status, update.end_time),
        }
    }

    /// Folds in an event about this job.
    fn apply(&mut self, event: &Event) {
        let at = event.time;
        match &event.kind {
            EventKind::JobPending { job } => self.define(job.as_deref()),
            EventKind::JobQueued { job } => {
                self.define(job.as_deref());
                self.unblocked = true;
                earliest(&mut self.queued_time, at);
                self.advance(Phase::Queued);
            }
            EventKind::ContainerJobQueued { job, .. } => {
                self.define(job.as_deref());
                self.unblocked = true;
                earliest(&mut self.queued_time, at);
                self.advance(Phase::Queued);
            }
            EventKind::JobBlocked if !self.unblocked => self.advance(Phase::Blocked),
            EventKind::JobUnblocked => {
                self.unblocked = true;
                self.advance(Phase::Queued);
            }
            EventKind::JobSkipped if self.phase != Phase::Ended => {
                self.end(JobStatus::Skipped, at);
            }
            EventKind::JobInitializing { agent, .. } => {
                if agent.is_some() {
                    self.agent.clone_from(agent);
                }
                self.advance(Phase::Initializing);
            }
            EventKind::JobStart => {
                earliest(&mut self.start_time, at);
                self.advance(Phase::Running);
            }
            EventKind::JobExecuted { status, result } => {
                // A job can end before it is executed (events.md §5.4): what the result
                // adds is kept, the status is the end's business.
                self.tell(event, result);
                // A nil status is a success here (events.md §2.3).
                self.executed = Some(status.clone().unwrap_or(JobStatus::Success));
                if self.phase < Phase::Executed {
                    self.phase = Phase::Executed;
                    if let Some(status) = status {
                        self.status = running_or(status);
                    }
                }
            }
            EventKind::JobEnd { status, result } => {
                self.tell(event, result);
                // A nil status is stored as an error (events.md §6.2).
                self.end(status.clone().unwrap_or(JobStatus::Error), at);
            }
            EventKind::ContainerEnd { result, .. } | EventKind::SidecarEnd { result } => {
                self.tell(event, result);
            }
            EventKind::CommandStart { command, .. } => {
                if let Some(state) = self.command(command) {
                    earliest(&mut state.start_time, at);
                }
            }
            EventKind::CommandEnd { command, exit, .. } => {
                if let Some(state) = self.command(command) {
                    earliest(&mut state.end_time, at);
                    state.ended = true;
                    state.exit = exit.or(state.exit);
                }
            }
            EventKind::Tui(TuiEvent::Pulling(pull)) if self.phase < Phase::Running => {
                self.pull = Some(*pull);
            }
            EventKind::Tui(TuiEvent::Pulled) => self.pull = None,
            EventKind::Tui(TuiEvent::ArtifactSaved { id, path, size }) => {
                self.stored(BlobKind::Artifact, id, path, *size);
            }
            EventKind::Tui(TuiEvent::CacheSaved { id, path, size }) => {
                self.stored(BlobKind::Cache, id, path, *size);
            }
            EventKind::Tui(TuiEvent::Attempt { attempt }) => {
                if *attempt > self.attempt {
                    // Its commands run once more.
                    self.commands.clear();
                }
                self.attempt = *attempt;
            }
            EventKind::Tui(TuiEvent::Reused { build }) => self.reused = Some(build.clone()),
            EventKind::Tui(TuiEvent::Resources(resources)) => self.resources = Some(*resources),
            _ => {}
        }
    }

    fn define(&mut self, job: Option<&Job>) {
        if let Some(job) = job {
            // The latest definition is the fullest: `init` and extensions have acted on it.
            self.job = job.clone();
        }
    }

    fn advance(&mut self, phase: Phase) {
        if phase <= self.phase {
            return;
        }
        self.phase = phase;
        if phase >= Phase::Running {
            self.pull = None;
        }
        self.status = match phase {
            Phase::Defined => JobStatus::Pending,
            Phase::Blocked => JobStatus::Blocked,
            Phase::Queued => JobStatus::Queued,
            Phase::Initializing => JobStatus::Initializing,
            _ => JobStatus::Running,
        };
    }

    fn end(&mut self, status: JobStatus, at: Option<Millis>) {
        self.phase = Phase::Ended;
        self.pull = None;
        self.status = status;
        self.end_time = self.end_time.or(at);
    }

    /// Adds what a result says to what is known; later values win.
    fn tell(&mut self, event: &Event, result: &Map) {
        for (key, value) in result {
            self.result.insert(key.clone(), value.clone());
        }
        if event.message.is_some() {
            self.message.clone_from(&event.message);
        }
    }

    fn command(&mut self, index: &str) -> Option<&mut CommandState> {
        let index: usize = index.parse().ok()?;
        let place = match self.commands.binary_search_by_key(&index, |c| c.index) {
            Ok(place) => place,
            Err(place) => {
                self.commands.insert(
                    place,
                    CommandState {
                        index,
                        start_time: None,
                        end_time: None,
                        ended: false,
                        exit: None,
                    },
                );
                place
            }
        };
        Some(&mut self.commands[place])
    }

    fn stored(&mut self, kind: BlobKind, id: &str, path: &str, size: u64) {
        let blob = StoredBlob {
            kind,
            id: id.to_owned(),
            path: path.to_owned(),
            size,
        };
        match self
            .blobs
            .iter_mut()
            .find(|known| known.kind == kind && known.id == id)
        {
            Some(known) => *known = blob,
            None => self.blobs.push(blob),
        }
    }
}

/// Between `job/executed` and `job/end` a job still counts as running.
fn running_or(status: &JobStatus) -> JobStatus {
    match status {
        JobStatus::Failure | JobStatus::Error => status.clone(),
        _ => JobStatus::Running,
    }
}

fn rank(status: &BuildStatus) -> u8 {
    match status {
        BuildStatus::Pending => 0,
        BuildStatus::Queued => 1,
        BuildStatus::Initializing => 2,
        BuildStatus::Running | BuildStatus::Other(_) => 3,
        BuildStatus::Success | BuildStatus::Error | BuildStatus::Canceled => 4,
    }
}

fn earliest(slot: &mut Option<Millis>, at: Option<Millis>) {
    if let Some(at) = at {
        *slot = Some(slot.map_or(at, |known| known.min(at)));
    }
}

fn set(slot: &mut Option<String>, value: Option<String>) {
    if value.is_some() {
        *slot = value;
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}

/// A keyword's or a string's name.
fn name(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Keyword(keyword) => Some(keyword.as_str().to_owned()),
        other => text(Some(other)),
    }
}
