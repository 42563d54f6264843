//! `--job` for a script that cannot be told which jobs are wanted: MonkeyCI's own library
//! ignores its filter (protocol/script-api.md §8.2), so the engine answers for the others.
//!
//! Container jobs that are not wanted are said to be skipped. An action job runs in the script,
//! where nobody can keep it from running: then the build is refused.

use std::collections::HashSet;

use crate::domain::{Job, JobId, JobKind};

/// Which jobs are wanted, and which of the script's are not.
#[derive(Debug, Default)]
pub(super) struct Filter {
    wanted: Vec<JobId>,
    outside: HashSet<JobId>,
}

impl Filter {
    /// Wants these jobs and what they need; all when there is none.
    pub(super) fn new(wanted: Vec<JobId>) -> Self {
        Self {
            wanted,
            outside: HashSet::new(),
        }
    }

    /// Learns the jobs of the script. The error is why it cannot be run like this.
    pub(super) fn learn(&mut self, jobs: &[Job]) -> Result<(), String> {
        if self.wanted.is_empty() {
            return Ok(());
        }
        let mut inside: HashSet<&JobId> = HashSet::new();
        let mut open: Vec<&JobId> = self.wanted.iter().collect();
        while let Some(id) = open.pop() {
            if inside.insert(id) {
                let needed = jobs.iter().filter(|job| job.id == *id);
                open.extend(needed.flat_map(|job| &job.dependencies));
            }
        }
        if let Some(lost) = (self.wanted.iter()).find(|id| !jobs.iter().any(|job| job.id == **id)) {
            let known: Vec<String> = jobs.iter().map(|job| job.id.to_string()).collect();
            return Err(format!(
                "there is no job \"{lost}\"; the script has: {}",
                known.join(", ")
            ));
        }
        let outside = || jobs.iter().filter(|job| !inside.contains(&job.id));
        if let Some(action) = outside().find(|job| job.kind == JobKind::Action) {
            return Err(format!(
                "--job leaves out the action job \"{}\", which MonkeyCI's own library runs all \
                 the same: leave out --lib-version, or name the job too",
                action.id
            ));
        }
        self.outside = outside().map(|job| job.id.clone()).collect();
        Ok(())
    }

    /// True for a job of the script that nobody wants.
    pub(super) fn leaves_out(&self, id: &JobId) -> bool {
        self.outside.contains(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str, needs: &[&str], kind: JobKind) -> Job {
        let mut job = Job::new(id);
        job.kind = kind;
        job.dependencies = needs.iter().map(JobId::new).collect();
        job
    }

    fn learn(wanted: &[&str], jobs: &[Job]) -> Result<Vec<String>, String> {
        let mut filter = Filter::new(wanted.iter().map(JobId::new).collect());
        filter.learn(jobs)?;
        Ok((jobs.iter().filter(|job| filter.leaves_out(&job.id)))
            .map(|job| job.id.to_string())
            .collect())
    }

    #[test]
    fn what_is_wanted_brings_what_it_needs() {
        use JobKind::{Action, Container};
        let jobs = [
            job("a", &[], Action),
            job("b", &["a"], Container),
            job("c", &["b", "c"], Container),
            job("d", &["a"], Container),
            job("e", &["d"], Container),
        ];
        assert_eq!(learn(&[], &jobs).unwrap(), Vec::<String>::new());
        assert_eq!(learn(&["c"], &jobs).unwrap(), ["d", "e"]);
        assert_eq!(learn(&["a", "d"], &jobs).unwrap(), ["b", "c", "e"]);
        let said = learn(&["x"], &jobs).unwrap_err();
        assert!(
            said.contains("no job \"x\"") && said.contains("a, b, c"),
            "{said}"
        );
    }

    #[test]
    fn an_action_that_would_run_all_the_same_is_named() {
        let jobs = [
            job("a", &[], JobKind::Action),
            job("b", &[], JobKind::Container),
        ];
        let said = learn(&["b"], &jobs).unwrap_err();
        assert!(said.contains("action job \"a\""), "{said}");
    }
}
