//! One place that decides what an error costs: its sentence, its hint, its exit status.

use std::fmt;
use std::process::ExitCode;

use crate::cli::clean_lines;
use crate::domain::BuildStatus;
use crate::engine::{BuildSummary, StopReason};

/// Something a user has to know and can act on.
#[derive(Debug)]
pub struct UserError {
    /// What happened, as a sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl UserError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An error of ours with all that caused it.
    pub(super) fn of(error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let said = error.to_string();
            if !message.contains(&said) {
                message.push_str(": ");
                message.push_str(&said);
            }
            cause = error.source();
        }
        Self::new(message)
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Messages quote what scripts, files and servers say.
        f.write_str(&clean_lines(&self.message))?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  {}", clean_lines(hint))?;
        }
        Ok(())
    }
}

/// The exit statuses of decisions.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The build succeeded, or there was nothing to fail.
    Success = 0,
    /// A job was queued, and the build ended as an error.
    Failed = 1,
    /// The build ended before any job was queued.
    NotRun = 2,
    /// Canceled by a control or a signal.
    Canceled = 3,
    /// `Ctrl-c`.
    Interrupted = 130,
}

impl Exit {
    /// What a build's end is worth.
    pub fn of(summary: &BuildSummary) -> Self {
        match (&summary.status, summary.stopped) {
            (BuildStatus::Success, _) => Self::Success,
            (BuildStatus::Canceled, Some(StopReason::Interrupted)) => Self::Interrupted,
            (BuildStatus::Canceled, _) => Self::Canceled,
            _ if summary.any_job_queued => Self::Failed,
            _ => Self::NotRun,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
