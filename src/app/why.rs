//! Why a job stands where it stands: what it waits for, what stopped it, how it ended.

use crate::domain::{Build, BuildStatus, JobId, JobState, JobStatus, Millis, Phase, PullProgress};

use super::text;

/// Why a job does not run, or does not run yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// These have to succeed first.
    WaitsFor(Vec<JobId>),
    /// It needs a job that does not exist.
    Missing(JobId),
    /// A user has to approve it.
    Blocked,
    /// It may run when another job ends.
    Queued,
    /// The runner prepares it.
    Prepared,
    /// Its image is on its way.
    Pulled(PullProgress),
    /// It never ran because of this job.
    Because(JobId),
    /// It never ran, and no job is to blame.
    NotRun,
}

/// Returns why a job does not run; `None` when it does, or did.
pub fn why(build: &Build, job: &JobState) -> Option<Why> {
    Some(match job.status {
        JobStatus::Pending => {
            if let Some(missing) = missing(build, job) {
                return Some(Why::Missing(missing));
            }
            let open: Vec<JobId> = job
                .job
                .dependencies
                .iter()
                .filter(|id| {
                    build
                        .job(id)
                        .is_some_and(|other| other.status != JobStatus::Success)
                })
                .cloned()
                .collect();
            if open.is_empty() {
                Why::Queued
            } else {
                Why::WaitsFor(open)
            }
        }
        JobStatus::Blocked => Why::Blocked,
        JobStatus::Queued => Why::Queued,
        JobStatus::Initializing => job.pull.map_or(Why::Prepared, Why::Pulled),
        JobStatus::Skipped if job.start_time.is_none() => blame(build, job).unwrap_or(Why::NotRun),
        _ => return None,
    })
}

fn missing(build: &Build, job: &JobState) -> Option<JobId> {
    let mut dependencies = job.job.dependencies.iter();
    dependencies.find(|id| build.job(id).is_none()).cloned()
}

/// What a job was skipped for: the nearest failed or canceled one among what it needs, or one that
/// does not exist, or one that never ran either.
fn blame(build: &Build, job: &JobState) -> Option<Why> {
    let mut todo: Vec<&JobId> = job.job.dependencies.iter().collect();
    let mut at = 0;
    while let Some(&id) = todo.get(at) {
        at += 1;
        let Some(other) = build.job(id) else {
            continue;
        };
        if other.status.is_failed() || other.status == JobStatus::Canceled {
            return Some(Why::Because(id.clone()));
        }
        if other.status == JobStatus::Skipped {
            for next in &other.job.dependencies {
                if !todo.contains(&next) {
                    todo.push(next);
                }
            }
        }
    }
    if let Some(missing) = missing(build, job) {
        return Some(Why::Missing(missing));
    }
    let never_ran = |id: &&JobId| {
        (build.job(id))
            .is_some_and(|other| other.status == JobStatus::Skipped && other.start_time.is_none())
    };
    let mut dependencies = job.job.dependencies.iter();
    let other = dependencies.find(never_ran).filter(|_| !build.canceled)?;
    Some(Why::Because(other.clone()))
}

impl Why {
    /// The reason in a few words, for a list: `waits for compile, lint`.
    pub fn short(&self) -> String {
        match self {
            Self::WaitsFor(ids) => format!("waits for {}", names(ids)),
            Self::Missing(id) => format!("needs {id}, which does not exist"),
            Self::Blocked => "blocked: A approves".to_owned(),
            Self::Queued => "waits for a slot".to_owned(),
            Self::Prepared => "preparing".to_owned(),
            Self::Pulled(pull) => pull.to_string(),
            Self::Because(id) => format!("skipped: {id}"),
            Self::NotRun => "skipped".to_owned(),
        }
    }

    /// The reason in as many columns, if there are words that short.
    pub fn within(&self, columns: usize) -> String {
        match self {
            Self::Pulled(pull) => pull.within(columns),
            why => why.short(),
        }
    }

    /// The reason as a sentence; `of` is the build, to say how the job to blame ended.
    pub fn sentence(&self, of: &Build) -> String {
        match self {
            Self::WaitsFor(ids) => format!("waits for {}", names(ids)),
            Self::Missing(id) => format!("never runs: it needs {id}, which does not exist"),
            Self::Blocked => "blocked: press A to approve it".to_owned(),
            Self::Queued => "waits for a free slot".to_owned(),
            Self::Prepared => "is being prepared".to_owned(),
            Self::Pulled(pull) => format!("is being prepared: {pull}"),
            Self::Because(id) => match of.job(id).map(|job| &job.status) {
                Some(JobStatus::Canceled) => format!("skipped: {id} was canceled"),
                Some(JobStatus::Skipped) => format!("skipped: {id} never ran"),
                Some(_) => format!("skipped: {id} failed"),
                None => format!("skipped: {id} does not exist"),
            },
            Self::NotRun if of.canceled => "skipped: the build was canceled".to_owned(),
            Self::NotRun => "skipped".to_owned(),
        }
    }
}

/// Where the script stands, in the words of jobs. One that has said which jobs it has, and told its
/// end, has done its part, however the jobs ended. Of one that did not tell its end the build does.
pub fn script_status(build: &Build) -> JobStatus {
    match build.script_status.as_ref().unwrap_or(&build.status) {
        _ if build.is_over() && build.canceled => JobStatus::Canceled,
        BuildStatus::Error if build.script_loaded && build.script_status.is_some() => {
            JobStatus::Success
        }
        BuildStatus::Success => JobStatus::Success,
        BuildStatus::Error => JobStatus::Error,
        BuildStatus::Canceled => JobStatus::Canceled,
        _ if !build.jobs().is_empty() => JobStatus::Running,
        _ if build.script_start.is_some() => JobStatus::Initializing,
        _ => JobStatus::Pending,
    }
}

/// When the script was started, and how long it took, or takes until `until`.
pub fn script_elapsed(build: &Build, until: Millis) -> Option<Millis> {
    let end = build.script_end.or(build.end_time).unwrap_or(until);
    Some(end.saturating_sub(build.script_start?).max(0))
}

/// What stands below the script's log: why it failed, when that is not in its log already.
pub fn script_remarks(build: &Build) -> Vec<String> {
    if script_status(build) != JobStatus::Error {
        return Vec::new();
    }
    let message = build.message.as_deref().unwrap_or("the script failed");
    if build.load_error.as_deref() == Some(message) {
        return Vec::new();
    }
    message
        .lines()
        .map(|line| text::clean(line).into_owned())
        .collect()
}

/// Lists ids for people: `a, b`.
pub fn names<'a>(ids: impl IntoIterator<Item = &'a JobId>) -> String {
    let ids: Vec<String> = ids.into_iter().map(ToString::to_string).collect();
    ids.join(", ")
}

/// Says how a job that did not succeed ended: `command 2 exited with 1`; `None` while it runs and
/// when all is well.
pub fn ending(job: &JobState) -> Option<String> {
    if job.phase != Phase::Ended {
        return None;
    }
    let reason = job
        .reason()
        .map(|reason| text::first_line(reason).into_owned())
        .map(|reason| match job.place() {
            Some(place) => format!("{reason} ({})", text::clean(place)),
            None => reason,
        });
    let command = job.failed_command();
    match &job.status {
        JobStatus::Success => None,
        status if status.is_failed() => Some(match (command, reason) {
            (Some(command), _) => {
                let number = command.index + 1;
                let exit = command.exit.unwrap_or_default();
                match killed_by(exit) {
                    Some(signal) => format!("command {number} was ended by {signal}"),
                    None => format!("command {number} exited with {exit}"),
                }
            }
            (None, Some(reason)) => reason,
            (None, None) => format!("ended with {}", text::clean(status.as_str())),
        }),
        _ => reason,
    }
}

/// Names the signal behind an exit status of 128 + n.
fn killed_by(exit: i64) -> Option<&'static str> {
    Some(match exit {
        129 => "SIGHUP",
        130 => "SIGINT",
        131 => "SIGQUIT",
        134 => "SIGABRT",
        136 => "SIGFPE",
        137 => "SIGKILL",
        139 => "SIGSEGV",
        141 => "SIGPIPE",
        143 => "SIGTERM",
        _ => return None,
    })
}

/// What stands at the end of a job's log.
pub fn remarks(job: &JobState) -> Vec<String> {
    if job.phase != Phase::Ended {
        return Vec::new();
    }
    let mut remarks = Vec::new();
    let status = text::clean(job.status.as_str()).into_owned();
    let took = match (job.start_time, job.end_time) {
        (Some(start), Some(end)) => format!(
            " after {}",
            text::duration(end.saturating_sub(start).max(0))
        ),
        _ => String::new(),
    };
    remarks.push(match ending(job) {
        Some(ending) => format!("{status}{took}: {ending}"),
        None => format!("{status}{took}"),
    });
    // A message of several lines, or one that the exit status has displaced, is told in full.
    if let Some(reason) = job.reason() {
        let told = remarks[0].clone();
        let more = reason
            .lines()
            .map(text::clean)
            .filter(|line| !line.trim().is_empty());
        remarks.extend(
            more.map(std::borrow::Cow::into_owned)
                .filter(|line| !told.contains(line.as_str())),
        );
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BuildStatus, Event, EventKind, Job};
    use crate::edn::Map;

    fn job(id: &str, needs: &[&str]) -> Job {
        let mut job = Job::new(id);
        job.dependencies = needs.iter().map(JobId::new).collect();
        job
    }

    fn build(jobs: &[Job]) -> Build {
        Build::fold(&[Event::new(EventKind::ScriptStart {
            jobs: jobs.to_vec(),
        })])
    }

    fn end(build: &mut Build, id: &str, status: JobStatus) {
        build.apply(&Event::of_job(
            &id.into(),
            EventKind::JobEnd {
                status: Some(status),
                result: Map::new(),
            },
        ));
    }

    fn said(build: &Build, id: &str) -> String {
        let job = build.job(&id.into()).unwrap();
        why(build, job).map_or_else(String::new, |why| why.sentence(build))
    }

    #[test]
    fn a_job_names_what_it_waits_for_until_that_has_succeeded() {
        let mut build = build(&[job("a", &[]), job("b", &[]), job("c", &["a", "b"])]);
        assert_eq!(said(&build, "c"), "waits for a, b");
        end(&mut build, "a", JobStatus::Success);
        assert_eq!(said(&build, "c"), "waits for b");
        end(&mut build, "b", JobStatus::Success);
        assert_eq!(said(&build, "c"), "waits for a free slot");
    }

    #[test]
    fn a_skipped_job_names_the_one_that_failed_however_far_away() {
        let mut build = build(&[job("a", &[]), job("b", &["a"]), job("c", &["b"])]);
        end(&mut build, "a", JobStatus::Failure);
        for id in ["b", "c"] {
            end(&mut build, id, JobStatus::Skipped);
        }
        assert_eq!(said(&build, "c"), "skipped: a failed");
    }

    #[test]
    fn a_job_that_needs_what_does_not_exist_says_so() {
        let build = build(&[job("a", &["ghost"])]);
        assert_eq!(
            said(&build, "a"),
            "never runs: it needs ghost, which does not exist"
        );
    }

    #[test]
    fn skipped_by_a_cancel_blames_the_cancel() {
        let mut build = build(&[job("a", &[]), job("b", &[])]);
        build.apply(&Event::new(EventKind::BuildCanceled));
        build.apply(&Event::new(EventKind::BuildEnd {
            status: Some(BuildStatus::Error),
            build: None,
        }));
        assert_eq!(said(&build, "b"), "skipped: the build was canceled");
    }

    #[test]
    fn circles_of_skipped_jobs_end() {
        let mut build = build(&[job("a", &["b"]), job("b", &["a"])]);
        for id in ["a", "b"] {
            end(&mut build, id, JobStatus::Skipped);
        }
        assert_eq!(said(&build, "a"), "skipped: b never ran");
    }

    #[test]
    fn only_the_job_that_names_a_missing_one_says_so() {
        let mut build = build(&[job("a", &["b"]), job("b", &["nope"])]);
        for id in ["a", "b"] {
            end(&mut build, id, JobStatus::Skipped);
        }
        assert_eq!(said(&build, "a"), "skipped: b never ran");
        assert_eq!(
            said(&build, "b"),
            "never runs: it needs nope, which does not exist"
        );
    }
}
