//! Which jobs of a build run again, and which need not: their inputs are those of the recording.
//!
//! A job is satisfied when it succeeded, nobody asks for it, and every job it depends on is satisfied
//! too. What is asked for, with all it needs, is what a rerun is about; of that, what is satisfied is taken
//! over from the recording and the rest runs.

use std::collections::HashSet;

use super::{Build, JobGraph, JobId, JobState, JobStatus};

/// What is to be run again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Again {
    /// All of it; nothing is taken over.
    #[default]
    All,
    /// The jobs that failed.
    Failed,
    /// These jobs.
    Jobs(Vec<JobId>),
    /// These jobs, and all that depends on them.
    From(Vec<JobId>),
}

/// What becomes of the jobs of a build that is run again. Jobs in neither list are not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RerunPlan {
    /// They are asked for: they run whatever the recording has. In the order of the build.
    pub wanted: Vec<JobId>,
    /// They run, in the order of the build: what is wanted, and what of their needs is not satisfied.
    pub run: Vec<JobId>,
    /// They are taken over from the recording.
    pub reuse: Vec<JobId>,
}

/// Why a build cannot be run again like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RerunError {
    /// It has no such job.
    #[error("the build has no job \"{0}\"")]
    NoSuchJob(JobId),
    /// Nothing has failed.
    #[error("nothing has failed")]
    NothingFailed,
}

impl Again {
    /// The jobs of a build that are asked for.
    fn wanted(&self, build: &Build, graph: &JobGraph) -> Result<HashSet<JobId>, RerunError> {
        let all = || build.jobs().iter().map(|job| job.id().clone());
        let known = |ids: &[JobId]| match ids.iter().find(|id| build.job(id).is_none()) {
            Some(lost) => Err(RerunError::NoSuchJob(lost.clone())),
            None => Ok(()),
        };
        Ok(match self {
            Self::All => all().collect(),
            Self::Failed => {
                let failed = build.failed_jobs();
                if failed.is_empty() {
                    return Err(RerunError::NothingFailed);
                }
                failed.iter().map(|job| job.id().clone()).collect()
            }
            Self::Jobs(ids) => {
                known(ids)?;
                ids.iter().cloned().collect()
            }
            Self::From(ids) => {
                known(ids)?;
                reached(ids.iter().cloned(), |id| {
                    graph.dependents(id).cloned().collect()
                })
            }
        })
    }
}

impl RerunPlan {
    /// What becomes of the jobs of a recorded build.
    pub fn new(build: &Build, again: &Again) -> Result<Self, RerunError> {
        let graph = JobGraph::new(build.jobs().iter().map(|job| &job.job));
        let wanted = again.wanted(build, &graph)?;
        let needs = |id: &JobId| build.job(id).map(|job| job.job.dependencies.clone());
        let scope = reached(wanted.iter().cloned(), |id| needs(id).unwrap_or_default());
        let mut plan = Self::default();
        let mut satisfied: HashSet<JobId> = HashSet::new();
        // Dependencies come before what waits for them.
        for (id, _) in graph.order() {
            let Some(job) = build.job(&id).filter(|_| scope.contains(&id)) else {
                continue;
            };
            let needs_nothing = job.job.dependencies.iter().all(|id| satisfied.contains(id));
            if needs_nothing && job.status == JobStatus::Success && !wanted.contains(&id) {
                satisfied.insert(id);
            }
        }
        for id in build.jobs().iter().map(JobState::id) {
            if wanted.contains(id) {
                plan.wanted.push(id.clone());
            }
            if satisfied.contains(id) {
                plan.reuse.push(id.clone());
            } else if scope.contains(id) {
                plan.run.push(id.clone());
            }
        }
        Ok(plan)
    }
}

/// Everything that can be reached from some jobs, themselves included.
fn reached(
    from: impl IntoIterator<Item = JobId>,
    next: impl Fn(&JobId) -> Vec<JobId>,
) -> HashSet<JobId> {
    let mut seen = HashSet::new();
    let mut open: Vec<JobId> = from.into_iter().collect();
    while let Some(id) = open.pop() {
        if !seen.contains(&id) {
            open.extend(next(&id));
            seen.insert(id);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::domain::{Event, EventKind, Job};
    use crate::edn::Map;

    use super::*;

    /// A build whose jobs depend on earlier ones, and how each ended.
    fn build(needs: &[Vec<usize>], ends: &[Option<JobStatus>]) -> Build {
        let id = |place: usize| JobId::new(format!("j{place}"));
        let jobs = (0..needs.len()).map(|place| {
            let mut job = Job::new(id(place));
            job.dependencies = needs[place].iter().map(|need| id(*need)).collect();
            job
        });
        let mut events = vec![Event::new(EventKind::ScriptStart {
            jobs: jobs.collect(),
        })];
        for (place, end) in ends.iter().enumerate() {
            if let Some(status) = end {
                let end = EventKind::JobEnd {
                    status: Some(status.clone()),
                    result: Map::new(),
                };
                events.push(Event::of_job(&id(place), end));
            }
        }
        Build::fold(&events)
    }

    fn names(ids: &[JobId]) -> Vec<&str> {
        ids.iter().map(JobId::as_str).collect()
    }

    fn ids(places: &[usize]) -> Vec<JobId> {
        places.iter().map(|n| JobId::new(format!("j{n}"))).collect()
    }

    #[test]
    fn what_is_asked_for_runs_and_what_it_needs_is_taken_over() {
        use JobStatus::{Failure, Skipped, Success};
        // 0 ← 1 ← 2 ← 3, and 4 beside them.
        let needs = [vec![], vec![0], vec![1], vec![2], vec![]];
        let ends = [Success, Success, Failure, Skipped, Success].map(Some);
        let build = build(&needs, &ends);
        let plan = |again| RerunPlan::new(&build, &again).unwrap();
        let failed = plan(Again::Failed);
        assert_eq!(names(&failed.run), ["j2"]);
        assert_eq!(names(&failed.reuse), ["j0", "j1"]);
        let from = plan(Again::From(ids(&[1])));
        assert_eq!(names(&from.run), ["j1", "j2", "j3"]);
        assert_eq!(names(&from.reuse), ["j0"]);
        // What was skipped needs what failed.
        let one = plan(Again::Jobs(ids(&[3])));
        assert_eq!(names(&one.run), ["j2", "j3"]);
        assert_eq!(names(&plan(Again::All).run), ["j0", "j1", "j2", "j3", "j4"]);
        let lost = RerunPlan::new(&build, &Again::Jobs(vec!["x".into()]));
        assert_eq!(lost, Err(RerunError::NoSuchJob("x".into())));
    }

    /// What each job needs, how each ended, which are asked for, and how.
    type Sample = (Vec<Vec<usize>>, Vec<Option<JobStatus>>, Vec<usize>, u8);

    fn graphs() -> impl Strategy<Value = Sample> {
        (1..9_usize).prop_flat_map(|count| {
            let needs = (0..count)
                .map(|place| prop::collection::vec(0..place.max(1), 0..3))
                .collect::<Vec<_>>();
            let end = prop_oneof![
                4 => Just(Some(JobStatus::Success)),
                1 => Just(Some(JobStatus::Failure)),
                1 => Just(Some(JobStatus::Skipped)),
                1 => Just(None),
            ];
            (
                needs,
                prop::collection::vec(end, count),
                prop::collection::vec(0..count, 1..4),
                0..3_u8,
            )
        })
    }

    proptest! {
        #[test]
        fn nothing_satisfied_runs_and_nothing_else_is_taken_over((needs, ends, picks, kind) in graphs()) {
            // A job does not need itself.
            let needs: Vec<Vec<usize>> = needs
                .into_iter()
                .enumerate()
                .map(|(place, needs)| needs.into_iter().filter(|need| *need < place).collect())
                .collect();
            let build = build(&needs, &ends);
            let again = match kind {
                0 => Again::Jobs(ids(&picks)),
                1 => Again::From(ids(&picks)),
                _ => Again::All,
            };
            let plan = RerunPlan::new(&build, &again).unwrap();
            // Found the slow way, job by job, in the order in which they may run.
            let mut asked: HashSet<usize> = match kind {
                2 => (0..needs.len()).collect(),
                _ => picks.iter().copied().collect(),
            };
            if kind == 1 {
                for (place, needs) in needs.iter().enumerate() {
                    if needs.iter().any(|need| asked.contains(need)) {
                        asked.insert(place);
                    }
                }
            }
            let mut part = asked.clone();
            for place in (0..needs.len()).rev() {
                if part.contains(&place) {
                    part.extend(&needs[place]);
                }
            }
            let mut satisfied = HashSet::new();
            for place in 0..needs.len() {
                if ends[place] == Some(JobStatus::Success)
                    && !asked.contains(&place)
                    && needs[place].iter().all(|need| satisfied.contains(need))
                {
                    satisfied.insert(place);
                }
            }
            for place in 0..needs.len() {
                let id = JobId::new(format!("j{place}"));
                let here = part.contains(&place);
                prop_assert_eq!(plan.reuse.contains(&id), here && satisfied.contains(&place));
                prop_assert_eq!(plan.run.contains(&id), here && !satisfied.contains(&place));
                prop_assert_eq!(plan.wanted.contains(&id), asked.contains(&place));
            }
        }
    }
}
