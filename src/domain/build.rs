//! What is known of one build: the outcome of the fold.

use std::collections::HashMap;

use crate::edn::{Map, Value};

use super::{
    Access, BuildStatus, Job, JobId, JobStatus, Millis, PullProgress, Resources, Seq, Sid,
    TestCase, TestTotals,
};

/// A build as its journal tells it so far. Made by [`Build::apply`](super::Build::apply) only.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Build {
    /// Known from the first event that names it.
    pub sid: Option<Sid>,
    /// Where the build stands. A canceled build stays canceled, whatever its end says.
    pub status: BuildStatus,
    /// A cancel was seen, so that the end of the dying script cannot hide it.
    pub canceled: bool,
    /// The program that ran it was killed.
    pub interrupted: bool,
    /// When the build was first heard of.
    pub created: Option<Millis>,
    /// When it began to run.
    pub start_time: Option<Millis>,
    /// When it ended.
    pub end_time: Option<Millis>,
    /// Why it ended as it did, for people.
    pub message: Option<String>,
    /// Commit, branch, author: from the build map of its first events.
    pub git: GitInfo,
    /// What started it: `api`, `cli`, `github-webhook` ….
    pub source: Option<String>,
    /// Checkout folder, for builds of this machine.
    pub checkout_dir: Option<String>,
    /// The script's folder.
    pub script_dir: Option<String>,
    /// When the script was started.
    pub script_start: Option<Millis>,
    /// When it ended.
    pub script_end: Option<Millis>,
    /// The script said which jobs it has.
    pub script_loaded: bool,
    /// What a script that could not be loaded said of it, on as many lines as it took.
    pub load_error: Option<String>,
    /// What the script said of its own end.
    pub script_status: Option<BuildStatus>,
    /// What a user should know that is no failure.
    pub warnings: Vec<Warning>,
    /// What runs the script, and why it was chosen.
    pub host: Option<Chosen>,
    /// What runs container jobs, and why it was chosen.
    pub executor: Option<Chosen>,
    /// The command line that asked for it, where it is known.
    pub request: Vec<String>,
    /// A fingerprint of the files that were built, where it is known.
    pub workspace: Option<String>,
    /// Named results that the script or a job has stored; the last one of a name counts.
    pub results: Vec<StoredResult>,
    /// What was read through the script API, each once.
    pub reads: Vec<ReadBy>,
    /// Number of the last event that was folded in.
    pub last_seq: Seq,
    /// Time of the last event that was folded in.
    pub last_time: Option<Millis>,
    pub(super) jobs: Vec<JobState>,
    pub(super) by_id: HashMap<JobId, usize>,
}

/// What version control says of the code (events.md §3, `:git`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub struct GitInfo {
    pub url: Option<String>,
    pub r#ref: Option<String>,
    pub branch: Option<String>,
    pub tag: Option<String>,
    pub main_branch: Option<String>,
    pub commit_id: Option<String>,
    pub message: Option<String>,
    pub author: Option<String>,
    /// The working tree had changes that are in no commit.
    pub dirty: bool,
}

/// What was chosen to run something, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Of a script's host `embedded`, `clojure`, `babashka`; of an executor `docker`, `host`.
    pub name: String,
    /// Why this one, for people.
    pub reason: String,
}

/// A named result of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResult {
    /// Its name, unique in the build.
    pub name: String,
    /// What it is: `application/edn`, `text/html` ….
    pub media_type: String,
    /// Size in bytes, as stored.
    pub size: u64,
    /// The job that stored it, if it was one.
    pub job_id: Option<JobId>,
    /// When it was stored.
    pub time: Option<Millis>,
}

/// Something that was read through the script API, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadBy {
    /// What was read.
    pub access: Access,
    /// The job it was read for, if it is known.
    pub job_id: Option<JobId>,
    /// When it was read first.
    pub time: Option<Millis>,
}

/// Something a user should know that is no failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The job it is about, if it is about one.
    pub job_id: Option<JobId>,
    /// One sentence.
    pub message: String,
}

/// How far a job has come. Phases only ever advance, which is what makes the fold
/// independent of swaps and duplicates (events.md §1).
///
/// ```text
/// Defined → Blocked → Queued → Initializing → Running → Executed → Ended
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Phase {
    /// The script has named it.
    #[default]
    Defined,
    /// Waits for approval.
    Blocked,
    /// May run.
    Queued,
    /// Is being prepared.
    Initializing,
    /// Runs.
    Running,
    /// Ran; extensions may still act.
    Executed,
    /// Final.
    Ended,
}

/// A job and what has become of it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobState {
    /// The definition, in its latest form.
    pub job: Job,
    /// Where the job stands.
    pub status: JobStatus,
    /// How far it has come.
    pub phase: Phase,
    /// What it came to, once it was executed; its end may say otherwise.
    pub executed: Option<JobStatus>,
    /// It was approved (or queued), so later `job/blocked` events mean nothing (events.md §5.5).
    pub unblocked: bool,
    /// When it was queued.
    pub queued_time: Option<Millis>,
    /// When it began to run.
    pub start_time: Option<Millis>,
    /// When it ended.
    pub end_time: Option<Millis>,
    /// Everything the job's result says: `:message`, `:output`, `:exit`, test results ….
    pub result: Map,
    /// What the runner says, when the result has no message.
    pub message: Option<String>,
    /// Its commands, by index.
    pub commands: Vec<CommandState>,
    /// What it left behind.
    pub blobs: Vec<StoredBlob>,
    /// Where it can be reached, when it exposes ports: `{:address … :ports …}`.
    pub agent: Option<Map>,
    /// How far the pull of its image has come, while it is pulled.
    pub pull: Option<PullProgress>,
    /// Which run of the job this is, counted from 1.
    pub attempt: u32,
    /// It did not run: what it left behind in this build was taken over.
    pub reused: Option<String>,
    /// What its container uses, or has used: the last sample, at least a second after its start.
    pub resources: Option<Resources>,
}

/// Where a port of a job is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// Name or number of the machine, as its runner tells it.
    pub host: String,
    /// The port there.
    pub port: u16,
    /// The job's own port.
    pub inside: u16,
}

/// `172.17.0.1:32770`.
impl std::fmt::Display for Exposed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// One command of a container job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandState {
    /// Index of the script line, from 0.
    pub index: usize,
    /// When it was started.
    pub start_time: Option<Millis>,
    /// When it ended.
    pub end_time: Option<Millis>,
    /// It has ended.
    pub ended: bool,
    /// Its exit status.
    pub exit: Option<i64>,
}

/// Artifact or cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum BlobKind {
    Artifact,
    Cache,
}

/// Something a job has stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlob {
    /// Artifact or cache.
    pub kind: BlobKind,
    /// Its id.
    pub id: String,
    /// Where the job had it.
    pub path: String,
    /// Size of the archive in bytes; 0 where a server does not tell.
    pub size: u64,
}

/// A job that had no final status when the script process was gone
/// (decisions.md: "What is left open …").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenJob {
    /// Never queued: skipped.
    NeverQueued,
    /// Was being worked on.
    Active,
}

impl Build {
    /// The jobs in the order in which they became known.
    pub fn jobs(&self) -> &[JobState] {
        &self.jobs
    }

    /// One job.
    pub fn job(&self, id: &JobId) -> Option<&JobState> {
        self.by_id.get(id).map(|&place| &self.jobs[place])
    }

    /// The place of a job in [`Build::jobs`].
    pub fn place(&self, id: &JobId) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// True when the build is over.
    pub fn is_over(&self) -> bool {
        self.status.is_final()
    }

    /// Time since it began until its end, or until `now`.
    pub fn elapsed(&self, now: Millis) -> Option<Millis> {
        let start = self.start_time.or(self.created)?;
        Some(self.end_time.unwrap_or(now).saturating_sub(start).max(0))
    }

    /// How many jobs have ended, in whatever way.
    pub fn jobs_done(&self) -> usize {
        self.jobs.iter().filter(|job| job.is_over()).count()
    }

    /// Jobs without a final status, and whether they were ever queued.
    pub fn open_jobs(&self) -> impl Iterator<Item = (&JobId, OpenJob)> {
        self.jobs.iter().filter(|job| !job.is_over()).map(|job| {
            let open = match job.phase {
                Phase::Defined | Phase::Blocked => OpenJob::NeverQueued,
                _ => OpenJob::Active,
            };
            (&job.job.id, open)
        })
    }

    /// The jobs that failed, earliest end first.
    pub fn failed_jobs(&self) -> Vec<&JobState> {
        let mut failed: Vec<&JobState> = self
            .jobs
            .iter()
            .filter(|job| job.status.is_failed())
            .collect();
        failed.sort_by_key(|job| job.end_time.unwrap_or(Millis::MAX));
        failed
    }
}

impl JobState {
    /// A job of which nothing has happened yet.
    pub fn new(job: Job) -> Self {
        Self {
            job,
            status: JobStatus::Pending,
            phase: Phase::Defined,
            executed: None,
            unblocked: false,
            queued_time: None,
            start_time: None,
            end_time: None,
            result: Map::new(),
            message: None,
            commands: Vec::new(),
            blobs: Vec::new(),
            agent: None,
            pull: None,
            attempt: 1,
            reused: None,
            resources: None,
        }
    }

    /// The job's id.
    pub fn id(&self) -> &JobId {
        &self.job.id
    }

    /// True when its status is final.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Time since it began until its end, or until `now`.
    pub fn elapsed(&self, now: Millis) -> Option<Millis> {
        Some(
            self.end_time
                .unwrap_or(now)
                .saturating_sub(self.start_time?)
                .max(0),
        )
    }

    /// Why it ended as it did, for people.
    pub fn reason(&self) -> Option<&str> {
        self.result
            .get_kw("message")
            .and_then(Value::as_str)
            .or(self.message.as_deref())
    }

    /// Where in the script it went wrong, when its script knows: `build.clj:12`.
    pub fn place(&self) -> Option<&str> {
        self.result.get_kw("at").and_then(Value::as_str)
    }

    /// Where its ports are reached while it runs, by its own ports; odd ones are left out.
    pub fn exposed(&self) -> Vec<Exposed> {
        let number = |value: &Value| match value {
            Value::Str(digits) => digits.parse::<u16>().ok(),
            Value::Keyword(digits) => digits.name().parse().ok(),
            other => u16::try_from(other.as_i64()?).ok(),
        };
        let part = |key: &str| self.agent.as_ref()?.get_kw(key);
        let (Some(host), Some(ports)) = (
            part("address").and_then(Value::as_str),
            part("ports").and_then(Value::as_map),
        ) else {
            return Vec::new();
        };
        let mut exposed: Vec<Exposed> = ports
            .iter()
            .filter_map(|(port, inside)| {
                Some(Exposed {
                    host: host.to_owned(),
                    port: number(port)?,
                    inside: number(inside)?,
                })
            })
            .collect();
        exposed.sort_by_key(|exposed| (exposed.inside, exposed.port));
        exposed
    }

    /// How its tests ended, when it has test results.
    pub fn tests(&self) -> Option<TestTotals> {
        self.result
            .get_kw("monkey.ci/tests")
            .map(TestTotals::read)
            .filter(|totals| *totals != TestTotals::default())
    }

    /// Its tests one by one, in the order of its results.
    pub fn test_cases(&self) -> Vec<TestCase> {
        self.result
            .get_kw("monkey.ci/tests")
            .map(TestCase::read_all)
            .unwrap_or_default()
    }

    /// The first command that failed.
    pub fn failed_command(&self) -> Option<&CommandState> {
        self.commands
            .iter()
            .find(|command| command.exit.is_some_and(|exit| exit != 0))
    }
}
