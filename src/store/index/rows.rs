//! What the index knows of a build, made from its journal and from nothing else.
//!
//! [`Folding`] takes the events in order; [`Folding::rows`] says what is known after any of them.
//! So an index that was kept while builds ran and one that is made anew are the same.

use std::collections::BTreeSet;

use crate::domain::{
    Build, BuildStatus, CommandState, Event, EventKind, JobId, JobState, JobStatus, Millis, Sid,
    StoredBlob, StoredResult, TestCase, TuiEvent,
};

use super::super::filter::{Facts, words};

/// Characters of a text for people that are kept.
const LONGEST_TEXT: usize = 4000;

/// A build on its way from events to rows.
#[derive(Debug, Default)]
pub(in crate::store) struct Folding {
    build: Build,
    /// When the first event of all was.
    first: Option<Millis>,
    /// When the first was that a list heeds.
    heard: Option<Millis>,
    beginning: Beginning,
    has_end: bool,
    server: Option<String>,
}

/// Whether a build has begun, or was refused before it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Beginning {
    #[default]
    NotYet,
    Begun,
    Refused,
}

/// All that is kept of a build.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) struct Rows {
    pub sid: Sid,
    /// When its first event was.
    pub first: Option<Millis>,
    /// When it was first heard of.
    pub created: Option<Millis>,
    pub start: Option<Millis>,
    pub end: Option<Millis>,
    pub status: BuildStatus,
    pub interrupted: bool,
    /// It ended before it began.
    pub refused: bool,
    /// Its journal has the end of the build.
    pub has_end: bool,
    pub branch: Option<String>,
    pub commit: Option<String>,
    /// The whole message of the commit.
    pub commit_message: Option<String>,
    pub dirty: bool,
    /// The server it ran on; `None` for this machine.
    pub server: Option<String>,
    /// What started it.
    pub source: Option<String>,
    /// Why it ended as it did.
    pub reason: Option<String>,
    pub failed: usize,
    pub jobs: Vec<JobRow>,
    pub results: Vec<StoredResult>,
    /// What a search finds it by.
    pub words: BTreeSet<String>,
}

/// What is kept of a job.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) struct JobRow {
    pub id: JobId,
    pub status: JobStatus,
    pub start: Option<Millis>,
    pub end: Option<Millis>,
    pub attempts: u32,
    /// The build that it was taken over from, if it did not run.
    pub reused: Option<String>,
    pub exit: Option<i64>,
    /// The most memory that was seen, in bytes; 0 where nobody counts.
    pub memory_peak: u64,
    /// Processor time in milliseconds; 0 where nobody counts.
    pub cpu_ms: u64,
    pub commands: Vec<CommandRow>,
    pub blobs: Vec<StoredBlob>,
    pub tests: Vec<TestCase>,
}

/// What is kept of a command.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) struct CommandRow {
    pub line: String,
    pub state: CommandState,
}

impl Folding {
    /// Takes the next event.
    pub(in crate::store) fn apply(&mut self, event: &Event) {
        let name = event.type_name();
        if event.seq == 1 {
            self.first = event.time;
        }
        if !is_detail(name) {
            self.heard = self.heard.or(event.time);
        }
        self.begins(Some(name));
        match &event.kind {
            EventKind::BuildEnd { .. } => self.has_end = true,
            EventKind::Tui(TuiEvent::Anew) => {
                self.has_end = false;
                self.heard = event.time;
            }
            EventKind::Tui(TuiEvent::Remote { server }) => self.server = Some(server.clone()),
            _ => {}
        }
        self.build.apply(event);
    }

    /// Takes a line of which nobody knows what it said.
    pub(in crate::store) fn pass_over(&mut self) {
        self.begins(None);
    }

    fn begins(&mut self, type_name: Option<&str>) {
        if self.beginning == Beginning::NotYet {
            self.beginning = match type_name {
                Some("build/end") => Beginning::Refused,
                Some("build/pending") => Beginning::NotYet,
                Some(name) if name.starts_with("tui/") => Beginning::NotYet,
                _ => Beginning::Begun,
            };
        }
    }

    /// What is known so far of the build of this name.
    pub(in crate::store) fn rows(&self, sid: &Sid) -> Rows {
        let build = &self.build;
        let jobs: Vec<JobRow> = build.jobs().iter().map(JobRow::of).collect();
        Rows {
            sid: sid.clone(),
            first: self.first,
            created: build.created.or(self.heard),
            start: build.start_time,
            end: build.end_time,
            status: build.status.clone(),
            interrupted: build.interrupted,
            refused: self.beginning == Beginning::Refused,
            has_end: self.has_end,
            branch: build.git.branch.clone(),
            commit: build.git.commit_id.clone(),
            commit_message: build.git.message.as_deref().map(cut),
            dirty: build.git.dirty,
            server: self.server.clone(),
            source: build.source.clone(),
            reason: build.message.as_deref().map(cut),
            failed: build.failed_jobs().len(),
            words: self.words(sid, &jobs),
            results: build.results.clone(),
            jobs,
        }
    }

    fn words(&self, sid: &Sid, jobs: &[JobRow]) -> BTreeSet<String> {
        let git = &self.build.git;
        let texts = [
            &git.message,
            &git.branch,
            &git.commit_id,
            &self.build.message,
        ];
        let texts = texts.into_iter().flatten().chain([&sid.build]);
        let mut all: BTreeSet<String> = texts.flat_map(|text| words(text)).collect();
        for job in jobs {
            all.extend(words(job.id.as_str()));
            for test in &job.tests {
                let names = [&test.suite, &test.class, &test.name];
                all.extend(names.into_iter().flat_map(|name| words(name)));
            }
        }
        all
    }
}

impl Rows {
    /// All ids of jobs and how they stand.
    pub(in crate::store) fn job_statuses(&self) -> Vec<(JobId, JobStatus)> {
        let status = |job: &JobRow| (job.id.clone(), job.status.clone());
        self.jobs.iter().map(status).collect()
    }

    /// What a filter may ask of the build of this name.
    pub(in crate::store) fn facts<'a>(&'a self, jobs: &'a [(JobId, JobStatus)]) -> Facts<'a> {
        Facts {
            status: &self.status,
            branch: self.branch.as_deref(),
            created: self.created,
            jobs,
            words: &self.words,
        }
    }
}

impl JobRow {
    fn of(job: &JobState) -> Self {
        let exit = job
            .result
            .get_kw("exit")
            .and_then(crate::edn::Value::as_i64);
        let used = job.resources.unwrap_or_default();
        let line = |command: &CommandState| CommandRow {
            line: cut(job.job.script.get(command.index).map_or("", |it| it)),
            state: command.clone(),
        };
        Self {
            id: job.id().clone(),
            status: job.status.clone(),
            start: job.start_time,
            end: job.end_time,
            attempts: job.attempt,
            reused: job.reused.clone(),
            exit,
            memory_peak: used.memory_peak,
            cpu_ms: used.cpu_ms,
            commands: job.commands.iter().map(line).collect(),
            blobs: job.blobs.clone(),
            tests: job.test_cases(),
        }
    }
}

/// Events that change nothing a list shows. They are most of a journal.
pub(in crate::store) fn is_detail(type_name: &str) -> bool {
    match type_name.split_once('/') {
        Some(("command" | "sidecar", _)) => true,
        Some(("container", name)) => name != "job-queued",
        Some(("tui", name)) => !matches!(name, "interrupted" | "anew"),
        _ => false,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}
