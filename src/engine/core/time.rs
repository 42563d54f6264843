//! What happens when nothing happens: the moments at which a build, its script or its child has had its
//! time.

use std::time::Duration;

use crate::domain::{JobState, Millis, Phase};
use crate::engine::stop::StopReason;

use super::{Child, Core};

/// What a deadline brings.
enum Due {
    Stop(StopReason, Option<String>),
    TerminateChild,
    KillChild,
}

impl Core {
    /// When [`Input::Tick`](crate::engine::orders::Input::Tick) is due, if nothing else happens before.
    pub fn deadline(&self) -> Option<Millis> {
        if self.over {
            return None;
        }
        self.deadlines()
            .into_iter()
            .flatten()
            .map(|(at, _)| at)
            .min()
    }

    pub(super) fn mind_the_time(&mut self, now: Millis) {
        self.stuck_since = if self.is_stuck() {
            self.stuck_since.or(Some(now))
        } else {
            None
        };
        for (at, due) in self.deadlines().into_iter().flatten() {
            if at > now {
                continue;
            }
            match due {
                Due::Stop(reason, why) => {
                    if self.stop.is_none() {
                        self.failure = why;
                        self.stop(now, reason);
                    }
                }
                Due::TerminateChild => self.terminate_child(),
                Due::KillChild => self.kill_child(),
            }
        }
    }

    fn deadlines(&self) -> [Option<(Millis, Due)>; 5] {
        let later = |from: Option<Millis>, wait: Duration| {
            from.map(|at| at.saturating_add(wait.as_millis().try_into().unwrap_or(Millis::MAX)))
        };
        let runs = self.stop.is_none();
        let timeout = self.limits.build.filter(|_| runs).and_then(|limit| {
            let why = format!("the build took longer than {}", spell(limit));
            later(self.started, limit).map(|at| (at, Due::Stop(StopReason::TimedOut, Some(why))))
        });
        let child_runs = self.child == Child::Runs && runs;
        let start = (child_runs && !self.script_heard)
            .then(|| later(self.child_started, self.limits.script_start))
            .flatten()
            .map(|at| {
                let why = format!(
                    "the script said nothing for {}: it was stopped",
                    spell(self.limits.script_start)
                );
                (at, Due::Stop(StopReason::Stalled, Some(why)))
            });
        let silence = (child_runs && self.script_heard && self.is_silent())
            .then(|| later(Some(self.last_word), self.limits.silence))
            .flatten()
            .map(|at| {
                let why = format!(
                    "no job is at work and the script said nothing for {}: it was stopped",
                    spell(self.limits.silence)
                );
                (at, Due::Stop(StopReason::Stalled, Some(why)))
            });
        let stuck = later(self.stuck_since, self.limits.stuck)
            .filter(|_| runs)
            .map(|at| (at, Due::Stop(StopReason::Blocked, None)));
        let grace = match self.child {
            Child::Runs if !runs => {
                later(self.stopping_since, self.limits.grace).map(|at| (at, Due::TerminateChild))
            }
            Child::Terminated => {
                later(self.stopping_since, self.limits.grace * 2).map(|at| (at, Due::KillChild))
            }
            _ => None,
        };
        [timeout, start, silence, stuck, grace]
    }

    /// Nothing is at work and nothing waits for a user.
    fn is_silent(&self) -> bool {
        let is_quiet = |job: &JobState| job.phase != Phase::Blocked && !job.status.is_active();
        // Asked after every message: the few that run are looked at before all the others.
        let mut running = self.running.iter().filter_map(|id| self.build.job(id));
        running.all(is_quiet) && self.build.jobs().iter().all(is_quiet)
    }

    /// Only blocked jobs are left, and nobody will approve them.
    fn is_stuck(&self) -> bool {
        self.approvals.cancel_when_stuck
            && self.stop.is_none()
            && self.child == Child::Runs
            && self.waiting.is_empty()
            && self.running.is_empty()
            && self.blocked().next().is_some()
            && self.build.jobs().iter().all(|job| !job.status.is_active())
    }
}

/// A duration as people say it: `90 s`, `20 min`.
fn spell(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}
