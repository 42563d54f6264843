//! What a script left open when its process was gone: how those jobs have ended.
//!
//! A job that was executed has ended as that says, whether its `job/end` was heard or not; this
//! is all that a job in a job ever says. MonkeyCI's own library exits while it is still posting
//! (protocol/README, trap 4), so more may be lost of it: it exits with 0 only once nothing could
//! run and nothing failed (events.md §7), from which follows what became of its actions.

use std::collections::HashSet;

use crate::domain::{Build, JobId, JobKind, JobState, JobStatus, Phase};

/// How a job ends that the script left open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Closing {
    /// It was never queued.
    Skipped,
    /// As far as was heard, or must be true.
    Ended(JobStatus),
    /// It was at work, and nobody knows.
    Cut,
}

impl Closing {
    /// True when a script that has this cannot have ended well.
    pub(super) fn spoils(&self) -> bool {
        match self {
            Self::Skipped => false,
            Self::Ended(status) => status.is_failed(),
            Self::Cut => true,
        }
    }
}

/// How the open jobs have ended. `well` is true of a script that exits with 0 while it is still
/// posting, and does so only if all that could run has ended well.
pub(super) fn of(build: &Build, well: bool) -> Vec<(JobId, Closing)> {
    let mut closings: Vec<(&JobState, Closing)> = (build.jobs().iter())
        .filter(|job| !job.is_over())
        .map(|job| (job, of_job(job, well)))
        .collect();
    if well {
        close_unheard(build, &mut closings);
    }
    (closings.into_iter())
        .map(|(job, closing)| (job.job.id.clone(), closing))
        .collect()
}

/// What was queued behind the last word that was heard has ended well, too.
fn close_unheard(build: &Build, closings: &mut [(&JobState, Closing)]) {
    let well = Closing::Ended(JobStatus::Success);
    let over = (build.jobs().iter()).filter(|job| job.status == JobStatus::Success);
    let closed = (closings.iter()).filter_map(|(job, closing)| (*closing == well).then_some(*job));
    let mut ran: HashSet<&JobId> = over.chain(closed).map(|job| &job.job.id).collect();
    loop {
        let before = ran.len();
        for (job, closing) in &mut *closings {
            if *closing == Closing::Skipped
                && job.phase == Phase::Defined
                && is_action(job)
                && job.job.dependencies.iter().all(|id| ran.contains(id))
            {
                *closing = well.clone();
                ran.insert(&job.job.id);
            }
        }
        if ran.len() == before {
            return;
        }
    }
}

fn of_job(job: &JobState, well: bool) -> Closing {
    match &job.executed {
        // A job that was stopped was at work.
        Some(status) if *status != JobStatus::Canceled => Closing::Ended(status.clone()),
        _ if matches!(job.phase, Phase::Defined | Phase::Blocked) => Closing::Skipped,
        _ if well && is_action(job) => Closing::Ended(JobStatus::Success),
        _ => Closing::Cut,
    }
}

/// True for a job that runs in the script. One that was never defined is a job in an action.
fn is_action(job: &JobState) -> bool {
    job.job.kind == JobKind::Action || (job.queued_time.is_none() && job.phase > Phase::Blocked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, EventKind, Job};
    use crate::edn::Map;

    fn job(id: &str, kind: JobKind, needs: &[&str]) -> Job {
        let mut job = Job::new(id);
        job.kind = kind;
        job.dependencies = needs.iter().map(JobId::new).collect();
        job
    }

    fn build(events: Vec<(&str, EventKind)>) -> Build {
        let jobs = vec![
            job("a", JobKind::Action, &[]),
            job("b", JobKind::Action, &["a"]),
            job("box", JobKind::Container, &["a"]),
            job("behind", JobKind::Action, &["box"]),
        ];
        let mut build = Build::default();
        build.apply(&Event::new(EventKind::ScriptStart { jobs }));
        for (id, kind) in events {
            let mut event = Event::of_job(&id.into(), kind);
            event.time = Some(1);
            build.apply(&event);
        }
        build
    }

    fn executed(status: Option<JobStatus>) -> EventKind {
        let result = Map::new();
        EventKind::JobExecuted { status, result }
    }

    fn closed(build: &Build, well: bool) -> Vec<Closing> {
        of(build, well)
            .into_iter()
            .map(|(_, closing)| closing)
            .collect()
    }

    #[test]
    fn what_was_executed_counts_and_what_was_not_is_cut() {
        use Closing::{Cut, Ended, Skipped};
        let queued = || EventKind::JobQueued { job: None };
        let heard = build(vec![("a", queued()), ("a", EventKind::JobStart)]);
        assert_eq!(closed(&heard, false), [Cut, Skipped, Skipped, Skipped]);
        for (status, end) in [
            (None, Ended(JobStatus::Success)),
            (Some(JobStatus::Failure), Ended(JobStatus::Failure)),
            (Some(JobStatus::Canceled), Cut),
        ] {
            let heard = build(vec![("a", queued()), ("a", executed(status))]);
            assert_eq!(closed(&heard, false), [end, Skipped, Skipped, Skipped]);
        }
    }

    #[test]
    fn of_a_script_that_ended_well_all_actions_have_run_that_could() {
        use Closing::{Cut, Ended, Skipped};
        let success = || Ended(JobStatus::Success);
        // Without the engine no container ran.
        assert_eq!(
            closed(&build(vec![]), true),
            [success(), success(), Skipped, Skipped]
        );
        let skipped = build(vec![("a", EventKind::JobSkipped)]);
        assert_eq!(closed(&skipped, true), [Skipped, Skipped, Skipped]);
        let queued = EventKind::JobQueued { job: None };
        let cut = build(vec![("a", executed(None)), ("box", queued)]);
        assert_eq!(closed(&cut, true), [success(), success(), Cut, Skipped]);
        assert!(Cut.spoils() && !Skipped.spoils() && !success().spoils());
        assert!(Ended(JobStatus::Error).spoils());
        // Nobody approved it.
        let blocked = build(vec![("a", EventKind::JobBlocked)]);
        assert_eq!(closed(&blocked, true), vec![Skipped; 4]);
        let inner = build(vec![("inner", EventKind::JobStart)]);
        assert_eq!(closed(&inner, true)[4], success());
    }
}
