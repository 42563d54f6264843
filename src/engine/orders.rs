//! What goes into the [`Core`](super::core::Core) and what comes out of it, and what it is told
//! once, at the beginning.

use std::collections::HashSet;
use std::time::Duration;

use crate::domain::{BuildStatus, Event, GraphFault, Job, JobGraph, JobId, Sid, TuiEvent};
use crate::ports::{Control, JobOutcome, JobReport, LogStream};

use super::stop::StopReason;

/// What the core is told.
#[derive(Debug)]
pub enum Input {
    /// The workspace is stored and the script child may be started.
    Prepared,
    /// The build cannot begin, and why.
    Unprepared(String),
    /// The script child runs.
    ChildStarted,
    /// The script child is gone.
    ChildExited(ChildExit),
    /// The script posted events.
    Posted(Vec<Event>),
    /// A running job tells of its progress.
    Report(JobId, JobReport),
    /// A job has ended, and nothing of it runs any more.
    Done(JobId, JobOutcome),
    /// Somebody wants something of the build.
    Control(Control),
    /// The build has to stop.
    Stop(StopReason),
    /// The journal or a log cannot be written any more, and why: a build that is not recorded
    /// in full must not look like one that is.
    JournalFailed(String),
    /// A remark for people, about a job or the build.
    Warn(Option<JobId>, String),
    /// A fact of this program's own, about a job or the build, and what to say of it.
    Note(Option<JobId>, TuiEvent, Option<String>),
    /// The time of [`Core::deadline`](super::core::Core::deadline) has come.
    Tick,
}

/// How the script child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildExit {
    /// Exit status; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The last thing it wrote to stderr, for people.
    pub last_words: String,
}

/// What the core wants done.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Append to the journal, in this order.
    Append(Event),
    /// Start the script child.
    StartChild,
    /// Ask the script child to end (TERM).
    TerminateChild,
    /// End the script child (KILL).
    KillChild,
    /// Run a container job.
    StartJob(Box<Job>, u32),
    /// Ask a running job to stop.
    StopJob(JobId),
    /// Stop a running job at once.
    KillJob(JobId),
    /// Write what an action has said as the log of its job.
    WriteLog(JobId, Vec<(LogStream, String)>),
    /// The build is over; nothing of it runs any more.
    Finish(BuildSummary),
}

/// How a build ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildSummary {
    /// The build.
    pub sid: Sid,
    /// Success, error or canceled.
    pub status: BuildStatus,
    /// Why, in one sentence.
    pub message: Option<String>,
    /// At least one job was queued (it decides between the exit statuses 1 and 2).
    pub any_job_queued: bool,
    /// Why it was stopped, if it was.
    pub stopped: Option<StopReason>,
}

/// What to do about blocked jobs.
#[derive(Debug, Clone, Default)]
pub struct Approvals {
    /// Approve these as soon as they block.
    pub ids: HashSet<JobId>,
    /// Approve everything.
    pub all: bool,
    /// Nobody watches: when only blocked jobs are left, cancel the build.
    pub cancel_when_stuck: bool,
}

/// What to do about the dependencies of a script that cannot be right (decisions.md, "Command
/// line").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GraphRule {
    /// Somebody has looked at them, who knows their places in the files.
    #[default]
    Known,
    /// Tell people, once each.
    Warn,
    /// Do not run such a script.
    Refuse,
}

/// More faults of one script are not told one by one.
const MOST_FAULTS: usize = 50;

impl GraphRule {
    /// What people are to be told, with the job that it is about.
    pub(super) fn faults(self, jobs: &[Job]) -> Vec<(Option<JobId>, String)> {
        if self != Self::Warn {
            return Vec::new();
        }
        let graph = JobGraph::new(jobs);
        let told = graph.faults().iter().take(MOST_FAULTS).map(|fault| {
            let job = match fault {
                GraphFault::Duplicate(job) | GraphFault::Missing { job, .. } => Some(job.clone()),
                GraphFault::Cycle(_) => None,
            };
            (job, fault.to_string())
        });
        told.collect()
    }

    /// The reason not to run it, if there is one.
    pub(super) fn refuse(self, jobs: &[Job]) -> Result<(), String> {
        if self != Self::Refuse {
            return Ok(());
        }
        let graph = JobGraph::new(jobs);
        let faults: Vec<String> = graph
            .faults()
            .iter()
            .take(MOST_FAULTS)
            .map(GraphFault::what)
            .collect();
        if faults.is_empty() {
            return Ok(());
        }
        Err(format!("refused with --strict: {}", faults.join("; ")))
    }
}

/// Times that the core lives by.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Jobs at once.
    pub parallel: usize,
    /// For the whole build.
    pub build: Option<Duration>,
    /// Until the script posts `script/initializing`.
    pub script_start: Duration,
    /// Without an active job and without a word from the script.
    pub silence: Duration,
    /// How long only blocked jobs have to be left until that counts: a script may still be
    /// about to post what it queues next.
    pub stuck: Duration,
    /// Between asking the script to end and TERM, and between TERM and KILL.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parallel: 1,
            build: None,
            script_start: Duration::from_mins(2),
            silence: Duration::from_mins(1),
            stuck: Duration::from_millis(500),
            grace: Duration::from_secs(10),
        }
    }
}
