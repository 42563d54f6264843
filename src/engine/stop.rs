//! Why a build is stopped, and what a second request adds.
//!
//! ```text
//!            asked once                        asked again (any reason)
//! Blocked  │ build/canceled, wait, TERM, KILL  KILL at once
//! Canceled │ ″                                 ″
//! Terminated ″                                 ″
//! Interrupted″                                 ″
//! Stalled  │ TERM, KILL; the build is :error   ″
//! TimedOut │ ″                                 ″
//! Broken   │ ″                                 ″
//! Refused  │ ″                                 ″
//! ```
//!
//! The first reason decides how the build ends; later ones only make it end sooner, but
//! that a user's own stop takes over from one the engine decided on by itself.

use crate::domain::BuildStatus;

/// Why a build is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// Only blocked jobs are left and nobody will approve them.
    Blocked,
    /// A user canceled it.
    Canceled,
    /// The program was asked to end (SIGTERM, SIGHUP).
    Terminated,
    /// The user pressed `Ctrl-c`.
    Interrupted,
    /// The script neither works nor says anything.
    Stalled,
    /// The build took longer than `--timeout` allows.
    TimedOut,
    /// The engine cannot go on: the disk is full, the journal cannot be written.
    Broken,
    /// The script cannot do what the build was asked for.
    Refused,
}

impl StopReason {
    /// Every reason, for tests of every pair.
    pub const ALL: [Self; 8] = [
        Self::Blocked,
        Self::Canceled,
        Self::Terminated,
        Self::Interrupted,
        Self::Stalled,
        Self::TimedOut,
        Self::Broken,
        Self::Refused,
    ];

    /// True when the build ends as canceled; else it ends as an error.
    pub fn cancels(self) -> bool {
        !matches!(
            self,
            Self::Stalled | Self::TimedOut | Self::Broken | Self::Refused
        )
    }

    /// True when a person asked for it.
    pub fn is_users(self) -> bool {
        matches!(self, Self::Canceled | Self::Terminated | Self::Interrupted)
    }

    /// The status of a build that was stopped for this reason.
    pub fn status(self) -> BuildStatus {
        if self.cancels() {
            BuildStatus::Canceled
        } else {
            BuildStatus::Error
        }
    }

    /// The reason that counts when `next` comes while this one is being carried out.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        if next.is_users() && !self.is_users() && self.cancels() {
            next
        } else {
            self
        }
    }
}
