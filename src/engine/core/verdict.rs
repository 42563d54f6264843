//! How a build ends, and in which words.

use crate::domain::{BuildStatus, JobId};
use crate::engine::closing::Closing;
use crate::engine::stop::StopReason;

use super::Core;

impl Core {
    /// How the build ends. The child's exit status is the truth (script-api.md §10), but for
    /// what the child cannot know: that it was stopped, or that we failed.
    pub(super) fn verdict(&self, closings: &[(JobId, Closing)]) -> (BuildStatus, Option<String>) {
        let said = self.build.message.clone();
        if let Some(reason) = self.stop {
            let why = match reason {
                StopReason::Blocked => Some(self.say_stuck()),
                StopReason::Canceled => Some("canceled".to_owned()),
                StopReason::Terminated => Some("canceled: the program was asked to end".to_owned()),
                StopReason::Interrupted => Some("canceled with Ctrl-c".to_owned()),
                StopReason::Stalled
                | StopReason::TimedOut
                | StopReason::Broken
                | StopReason::Refused => None,
            };
            let failed = self.build.jobs().iter().any(|job| job.status.is_failed());
            let status = match reason {
                // Nobody has stopped it, and it would not have gone well with the approval either.
                StopReason::Blocked if failed => BuildStatus::Error,
                _ => reason.status(),
            };
            return (status, why.or_else(|| self.failure.clone()));
        }
        if let Some(failure) = &self.failure {
            return (BuildStatus::Error, Some(failure.clone()));
        }
        if self.build.canceled {
            return (BuildStatus::Canceled, Some("canceled".to_owned()));
        }
        let Some(exit) = &self.exit else {
            return (BuildStatus::Error, said);
        };
        let left = closings.iter().any(|(_, closing)| closing.spoils());
        match exit.code {
            Some(0) if left => (
                BuildStatus::Error,
                Some("the script ended while jobs were at work".to_owned()),
            ),
            Some(0) => (BuildStatus::Success, said),
            code => {
                let how = match (code, exit.signal) {
                    (Some(code), _) => format!("the script ended with exit status {code}"),
                    (None, Some(signal)) => format!("the script was ended by signal {signal}"),
                    (None, None) => "the script ended".to_owned(),
                };
                let failed = (self.build.jobs().iter()).any(|job| job.status.is_failed());
                let message = said.or_else(|| match (failed, exit.last_words.is_empty()) {
                    (true, _) => None,
                    (false, true) => Some(how),
                    (false, false) => Some(format!("{how}: {}", exit.last_words)),
                });
                (BuildStatus::Error, message)
            }
        }
    }

    fn say_stuck(&self) -> String {
        let ids: Vec<String> = self
            .build
            .jobs()
            .iter()
            .filter(|job| job.job.blocked && job.queued_time.is_none())
            .map(|job| job.id().to_string())
            .collect();
        let first = ids.first().map_or("ID", String::as_str);
        format!(
            "only blocked jobs are left ({}): approve ahead with --unblock {first} or --unblock all, \
             or wait for approval with --wait-blocked",
            ids.join(", ")
        )
    }
}
