//! The states a build and a job can be in (protocol/events.md §6).

use std::fmt;

/// The status of a build (events.md §6.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum BuildStatus {
    /// Triggered; nothing has been prepared yet.
    #[default]
    Pending,
    /// Waits for a runner.
    Queued,
    /// A runner prepares it: checkout, workspace, script child.
    Initializing,
    /// The script runs.
    Running,
    /// Over, and nothing failed.
    Success,
    /// Over, and something failed.
    Error,
    /// Stopped by a user.
    Canceled,
    /// A status this version does not know, as it was spelled.
    Other(Box<str>),
}

impl BuildStatus {
    /// The name as MonkeyCI spells it, without the colon.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Queued => "queued",
            Self::Initializing => "initializing",
            Self::Running => "running",
            Self::Success => "success",
            Self::Error => "error",
            Self::Canceled => "canceled",
            Self::Other(name) => name,
        }
    }

    /// Reads a status name; an unknown one is kept.
    pub fn parse(name: &str) -> Self {
        match name {
            "pending" => Self::Pending,
            "queued" => Self::Queued,
            "initializing" => Self::Initializing,
            "running" => Self::Running,
            "success" => Self::Success,
            "error" | "failure" => Self::Error,
            "canceled" | "cancelled" => Self::Canceled,
            other => Self::Other(other.into()),
        }
    }

    /// True when the build is over.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Success | Self::Error | Self::Canceled)
    }
}

impl fmt::Display for BuildStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The status of a job (events.md §6.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum JobStatus {
    /// Waits for its dependencies.
    #[default]
    Pending,
    /// May run; waits for a runner or for its turn.
    Queued,
    /// Waits for a user's approval.
    Blocked,
    /// The runner prepares it.
    Initializing,
    /// Its commands or its action run.
    Running,
    /// Ended well.
    Success,
    /// Ended badly: a command or an action failed.
    Failure,
    /// Could not be run.
    Error,
    /// Never ran, or said of itself that it had nothing to do.
    Skipped,
    /// Was stopped with its build.
    Canceled,
    /// A status this version does not know (scripts may invent some), as it was spelled.
    Other(Box<str>),
}

impl JobStatus {
    /// The name as MonkeyCI spells it, without the colon.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Queued => "queued",
            Self::Blocked => "blocked",
            Self::Initializing => "initializing",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Skipped => "skipped",
            Self::Canceled => "canceled",
            Self::Other(name) => name,
        }
    }

    /// Reads a status name; an unknown one is kept.
    pub fn parse(name: &str) -> Self {
        match name {
            "pending" => Self::Pending,
            "queued" => Self::Queued,
            "blocked" => Self::Blocked,
            "initializing" => Self::Initializing,
            "running" => Self::Running,
            "success" => Self::Success,
            "failure" => Self::Failure,
            "error" => Self::Error,
            "skipped" => Self::Skipped,
            "canceled" | "cancelled" => Self::Canceled,
            other => Self::Other(other.into()),
        }
    }

    /// True for a status that spoils the build (events.md §7.4).
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failure | Self::Error)
    }

    /// True while a runner or the script works on the job (events.md §7.3).
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Queued | Self::Initializing | Self::Running)
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
