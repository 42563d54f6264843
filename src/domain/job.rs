//! A job as the script defines it (protocol/scripts.md §3).

use crate::edn::{Map, Value};

use super::{JobId, Millis};

/// Where a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum JobKind {
    /// In a container (or on the host executor).
    #[default]
    Container,
    /// In the script process.
    Action,
}

/// An artifact or a cache as a job names it: `{:id … :path …}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobRef {
    /// Unique in the build (artifacts) or in the repository (caches).
    pub id: String,
    /// File or directory, relative to where the job works.
    pub path: String,
}

/// The definition of a job: what this program acts on is typed, the rest is kept in
/// [`extra`](Job::extra).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Unique in the build.
    pub id: JobId,
    /// Action or container job.
    pub kind: JobKind,
    /// Ids of the jobs that have to succeed first.
    pub dependencies: Vec<JobId>,
    /// Waits for a user's approval before it is queued.
    pub blocked: bool,
    /// Container image, from `:image` or `:container/image`.
    pub image: Option<String>,
    /// Lines of shell; each is a command of its own.
    pub script: Vec<String>,
    /// Environment of the job's commands (`:container/env`, for actions `:env`).
    pub env: Vec<(String, String)>,
    /// `:container/cmd`: replaces the script.
    pub cmd: Vec<String>,
    /// `:container/entrypoint`.
    pub entrypoint: Vec<String>,
    /// Relative to the checkout.
    pub work_dir: Option<String>,
    /// Milliseconds after which the job is stopped.
    pub timeout: Option<Millis>,
    /// Stored after the job, also when it failed.
    pub save_artifacts: Vec<BlobRef>,
    /// Fetched before the job.
    pub restore_artifacts: Vec<BlobRef>,
    /// Fetched before and stored after the job.
    pub caches: Vec<BlobRef>,
    /// Every other key as it came, extension data included.
    pub extra: Map,
}

/// A job's timeout when it names none: 20 minutes (scripts.md §3.1).
pub const DEFAULT_TIMEOUT: Millis = 20 * 60 * 1000;
/// No job may take longer: 6 hours (scripts.md §3.1).
pub const LONGEST_TIMEOUT: Millis = 6 * 60 * 60 * 1000;

impl Job {
    /// A container job with nothing but an id.
    pub fn new(id: impl Into<JobId>) -> Self {
        Self {
            id: id.into(),
            kind: JobKind::Container,
            dependencies: Vec::new(),
            blocked: false,
            image: None,
            script: Vec::new(),
            env: Vec::new(),
            cmd: Vec::new(),
            entrypoint: Vec::new(),
            work_dir: None,
            timeout: None,
            save_artifacts: Vec::new(),
            restore_artifacts: Vec::new(),
            caches: Vec::new(),
            extra: Map::new(),
        }
    }

    /// The timeout that holds, in milliseconds: the job's own within the cap, or the default.
    pub fn effective_timeout(&self) -> Millis {
        match self.timeout {
            Some(ms) if ms > 0 => ms.min(LONGEST_TIMEOUT),
            _ => DEFAULT_TIMEOUT,
        }
    }

    /// A key of the definition that this version does not act on.
    pub fn extra(&self, key: &str) -> Option<&Value> {
        self.extra.get_kw(key)
    }
}
