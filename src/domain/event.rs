//! Events: facts about a build, as protocol/events.md lists them.
//!
//! The envelope holds what every event has; [`EventKind`] what is special to one.
//! What this version does not know (types, keys, statuses) is carried along.

use std::fmt;

use crate::edn::Map;

use super::{BuildStatus, Job, JobId, JobStatus, Millis, PullProgress, Resources, Seq, Sid};

/// One fact about a build.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Place in the journal; 0 before the journal has numbered it.
    pub seq: Seq,
    /// When it happened; the journal fills in the time of arrival when it is missing.
    pub time: Option<Millis>,
    /// The build it belongs to. A sid that has not three parts is kept in `extra`.
    pub sid: Option<Sid>,
    /// Who says so (events.md §1).
    pub src: Option<Src>,
    /// The job it is about.
    pub job_id: Option<JobId>,
    /// A remark for people.
    pub message: Option<String>,
    /// What happened.
    pub kind: EventKind,
    /// Keys that this version does not know, as they came.
    pub extra: Map,
}

/// Who an event comes from: `:src` (events.md §1). Used only against loops.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Src {
    /// The script process.
    Script,
    /// This program's engine.
    Engine,
    /// A runner of MonkeyCI, or one this version does not know, as it was spelled.
    Other(Box<str>),
}

impl Src {
    /// The name without the colon.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Script => "script",
            Self::Engine => "engine",
            Self::Other(name) => name,
        }
    }

    /// Reads a name; an unknown one is kept.
    pub fn parse(name: &str) -> Self {
        match name {
            "script" => Self::Script,
            "engine" => Self::Engine,
            other => Self::Other(other.into()),
        }
    }
}

/// What happened (events.md §2).
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "the names are the protocol's; fields are described where they say more"
)]
pub enum EventKind {
    BuildTriggered {
        build: Map,
    },
    BuildPending {
        build: Map,
    },
    BuildQueued {
        build: Map,
    },
    BuildInitializing {
        build: Map,
    },
    BuildStart,
    BuildEnd {
        status: Option<BuildStatus>,
        build: Option<Map>,
    },
    BuildCanceled,
    /// What a server knows of a build as a whole (public-api.md §8); `build` is without its jobs.
    BuildUpdated {
        build: Map,
        jobs: Vec<JobUpdate>,
    },

    ScriptInitializing {
        script_dir: Option<String>,
    },
    ScriptStart {
        jobs: Vec<Job>,
    },
    ScriptEnd {
        status: Option<BuildStatus>,
    },

    JobPending {
        job: Option<Box<Job>>,
    },
    JobQueued {
        job: Option<Box<Job>>,
    },
    JobBlocked,
    JobUnblocked,
    JobSkipped,
    /// `local_dir`: where it works; `agent`: `{:address … :ports {host container}}`.
    JobInitializing {
        local_dir: Option<String>,
        agent: Option<Map>,
    },
    JobStart,
    JobExecuted {
        status: Option<JobStatus>,
        result: Map,
    },
    JobEnd {
        status: Option<JobStatus>,
        result: Map,
    },

    /// `job`: the final definition; `dek`: the encrypted build key, on servers.
    ContainerJobQueued {
        job: Option<Box<Job>>,
        dek: Option<String>,
    },
    ContainerPending,
    ContainerInitializing,
    ContainerStart,
    ContainerEnd {
        status: Option<JobStatus>,
        result: Map,
    },
    ContainerScriptEnd {
        result: Map,
        done: bool,
        step: Option<String>,
    },

    /// `command`: the index of the script line, as text.
    CommandStart {
        command: String,
        stdout: Option<String>,
        stderr: Option<String>,
    },
    CommandEnd {
        command: String,
        exit: Option<i64>,
        stdout: Option<String>,
        stderr: Option<String>,
    },

    SidecarStart,
    SidecarEnd {
        result: Map,
    },

    /// A fact of this program's own, `:tui/…`; never sent to a script.
    Tui(TuiEvent),

    /// A type this version does not know, without the colon. All its keys are in `extra`.
    Other(Box<str>),
}

/// What a server knows of a job (public-api.md §10.2).
#[derive(Debug, Clone, PartialEq)]
pub struct JobUpdate {
    /// Its definition.
    pub job: Job,
    /// Where it stands; a server may know of none.
    pub status: Option<JobStatus>,
    /// When it began.
    pub start_time: Option<Millis>,
    /// When it ended.
    pub end_time: Option<Millis>,
    /// Where its ports are reached: `{:address … :ports {host container}}`.
    pub agent: Option<Map>,
    /// What came of it.
    pub result: Map,
}

/// Facts of our own (decisions.md, "Journal, events, logs").
#[derive(Debug, Clone, PartialEq)]
pub enum TuiEvent {
    /// `:tui/warning`: something a user should know; the text is the event's message.
    Warning,
    /// `:tui/interrupted`: the program was killed; found at the next start.
    Interrupted,
    /// `:tui/remote`: the build runs on a server, so its journal has no end of its own until it was seen.
    Remote { server: String },
    /// `:tui/pulling`: how far the pull of the job's image has come.
    Pulling(PullProgress),
    /// `:tui/pulled`: the image is there.
    Pulled,
    /// `:tui/artifact-saved`: stored, with its size in bytes; 0 where a server does not tell.
    ArtifactSaved { id: String, path: String, size: u64 },
    /// `:tui/cache-saved`: stored, with its size in bytes.
    CacheSaved { id: String, path: String, size: u64 },
    /// `:tui/attempt`: the job is run again, with the number of the attempt.
    Attempt { attempt: u32 },
    /// `:tui/request`: the command line that asks for the build, without the program's own name and without
    /// values of parameters.
    Request { args: Vec<String> },
    /// `:tui/workspace`: a fingerprint of the files that were built, but for those of version control.
    Workspace { digest: String },
    /// `:tui/reused`: the job did not run; what it left behind in this build was taken over.
    Reused { build: String },
    /// `:tui/gap`: what the source could not know; the text is the event's message.
    Gap,
    /// `:tui/anew`: the server's journal of the build is another one than before. What was told until here
    /// is no longer so; what follows is that journal, from its beginning.
    Anew,
    /// `:tui/executor`: what runs container jobs; why it was chosen is the event's message.
    Executor { name: String },
    /// `:tui/host`: what runs the script; why it was chosen is the event's message.
    Host { name: String },
    /// `:tui/result-saved`: a named result was stored, with its size in bytes.
    ResultSaved {
        name: String,
        media_type: String,
        size: u64,
    },
    /// `:tui/read`: who has read what through the script API; never a value.
    Read(Access),
    /// `:tui/resources`: what the job's container uses, now and then, and once more at its end.
    Resources(Resources),
}

/// Something that was read through the script API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The kind of thing: `params`, `secret`, `result`.
    pub what: String,
    /// Which one, where there are several.
    pub name: Option<String>,
    /// Whose token it was: `script` or `job`.
    pub by: String,
}

impl Event {
    /// An event with nothing but its kind.
    pub fn new(kind: EventKind) -> Self {
        Self {
            seq: 0,
            time: None,
            sid: None,
            src: None,
            job_id: None,
            message: None,
            kind,
            extra: Map::new(),
        }
    }

    /// An event about a job.
    pub fn of_job(job_id: &JobId, kind: EventKind) -> Self {
        Self {
            job_id: Some(job_id.clone()),
            ..Self::new(kind)
        }
    }

    /// Adds a remark for people.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// The time, or the epoch for an event that no journal has stamped yet.
    pub fn at(&self) -> Millis {
        self.time.unwrap_or_default()
    }

    /// The type as MonkeyCI spells it, without the colon: `job/end`.
    pub fn type_name(&self) -> &str {
        self.kind.type_name()
    }
}

impl EventKind {
    /// The type as MonkeyCI spells it, without the colon: `job/end`.
    pub fn type_name(&self) -> &str {
        match self {
            Self::BuildTriggered { .. } => "build/triggered",
            Self::BuildPending { .. } => "build/pending",
            Self::BuildQueued { .. } => "build/queued",
            Self::BuildInitializing { .. } => "build/initializing",
            Self::BuildStart => "build/start",
            Self::BuildEnd { .. } => "build/end",
            Self::BuildCanceled => "build/canceled",
            Self::BuildUpdated { .. } => "build/updated",
            Self::ScriptInitializing { .. } => "script/initializing",
            Self::ScriptStart { .. } => "script/start",
            Self::ScriptEnd { .. } => "script/end",
            Self::JobPending { .. } => "job/pending",
            Self::JobQueued { .. } => "job/queued",
            Self::JobBlocked => "job/blocked",
            Self::JobUnblocked => "job/unblocked",
            Self::JobSkipped => "job/skipped",
            Self::JobInitializing { .. } => "job/initializing",
            Self::JobStart => "job/start",
            Self::JobExecuted { .. } => "job/executed",
            Self::JobEnd { .. } => "job/end",
            Self::ContainerJobQueued { .. } => "container/job-queued",
            Self::ContainerPending => "container/pending",
            Self::ContainerInitializing => "container/initializing",
            Self::ContainerStart => "container/start",
            Self::ContainerEnd { .. } => "container/end",
            Self::ContainerScriptEnd { .. } => "container/script-end",
            Self::CommandStart { .. } => "command/start",
            Self::CommandEnd { .. } => "command/end",
            Self::SidecarStart => "sidecar/start",
            Self::SidecarEnd { .. } => "sidecar/end",
            Self::Tui(event) => event.type_name(),
            Self::Other(name) => name,
        }
    }
}

impl TuiEvent {
    /// The type, without the colon.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Warning => "tui/warning",
            Self::Interrupted => "tui/interrupted",
            Self::Remote { .. } => "tui/remote",
            Self::Pulling(_) => "tui/pulling",
            Self::Pulled => "tui/pulled",
            Self::ArtifactSaved { .. } => "tui/artifact-saved",
            Self::CacheSaved { .. } => "tui/cache-saved",
            Self::Attempt { .. } => "tui/attempt",
            Self::Request { .. } => "tui/request",
            Self::Workspace { .. } => "tui/workspace",
            Self::Reused { .. } => "tui/reused",
            Self::Gap => "tui/gap",
            Self::Anew => "tui/anew",
            Self::Executor { .. } => "tui/executor",
            Self::Host { .. } => "tui/host",
            Self::ResultSaved { .. } => "tui/result-saved",
            Self::Read(_) => "tui/read",
            Self::Resources(_) => "tui/resources",
        }
    }
}

impl fmt::Display for Src {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
