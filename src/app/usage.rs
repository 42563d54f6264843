//! How much of the machine a job uses, in words.

use crate::domain::{JobState, Resources};

use super::text;

/// Returns what a job uses now, in a few columns: `98% cpu  52.4 MB`; of one that is over, nothing.
pub fn now(job: &JobState) -> Option<String> {
    let used = job.resources.filter(|_| !job.is_over())?;
    let cpu = format!("{}% cpu", used.cpu_percent);
    let parts = [Some(cpu), amount(used.memory, "")];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join("  "))
}

/// Returns all that is known of it, a part each, without what the engine does not count: `3.1s of
/// processor time`, `60.0 MB of memory at most`. Of a job that runs, what it uses now is among it.
pub fn parts(job: &JobState) -> Vec<String> {
    let Some(used) = job.resources else {
        return Vec::new();
    };
    let runs = !job.is_over();
    [
        processors(&used, runs),
        memory(&used, runs),
        amount(used.received, " received"),
        amount(used.sent, " sent"),
        (runs && used.processes > 0).then(|| format!("{} processes", used.processes)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn processors(used: &Resources, runs: bool) -> Option<String> {
    let ms = i64::try_from(used.cpu_ms).unwrap_or(i64::MAX);
    let time = format!("{} of processor time", text::duration(ms));
    if runs {
        Some(format!("{time} ({}% now)", used.cpu_percent))
    } else {
        (ms > 0).then_some(time)
    }
}

fn memory(used: &Resources, runs: bool) -> Option<String> {
    let limit = amount(used.memory_limit, "").map(|limit| format!(" of {limit}"));
    let most = amount(used.memory_peak, "")?;
    let now = amount(used.memory, " now").filter(|_| runs);
    let now = now.map(|now| format!(" ({now})"));
    Some(format!(
        "{most}{} of memory at most{}",
        limit.unwrap_or_default(),
        now.unwrap_or_default()
    ))
}

/// Nothing of what is not counted.
fn amount(bytes: u64, behind: &str) -> Option<String> {
    (bytes > 0).then(|| format!("{}{behind}", text::bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Job, Phase};

    fn job(resources: Option<Resources>, phase: Phase) -> JobState {
        JobState {
            phase,
            resources,
            ..JobState::new(Job::new("a"))
        }
    }

    #[test]
    fn a_job_that_runs_says_what_it_uses_now_and_one_that_is_over_what_it_has_used() {
        let used = Resources {
            cpu_ms: 3100,
            cpu_percent: 98,
            memory: 52_400_000,
            memory_peak: 60_000_000,
            memory_limit: 2_147_483_648,
            received: 1200,
            sent: 0,
            processes: 4,
        };
        let runs = job(Some(used), Phase::Running);
        assert_eq!(now(&runs).as_deref(), Some("98% cpu  52.4 MB"));
        assert_eq!(
            parts(&runs),
            [
                "3.1s of processor time (98% now)",
                "60.0 MB of 2.1 GB of memory at most (52.4 MB now)",
                "1.2 kB received",
                "4 processes",
            ]
        );
        let over = job(Some(used), Phase::Ended);
        assert_eq!(now(&over), None);
        assert_eq!(
            parts(&over),
            [
                "3.1s of processor time",
                "60.0 MB of 2.1 GB of memory at most",
                "1.2 kB received",
            ]
        );
    }

    #[test]
    fn what_no_engine_counts_is_not_spoken_of() {
        assert_eq!(parts(&job(None, Phase::Running)), [""; 0]);
        assert_eq!(
            parts(&job(Some(Resources::default()), Phase::Ended)),
            [""; 0]
        );
        let most = Resources {
            cpu_ms: u64::MAX,
            memory_peak: u64::MAX,
            ..Resources::default()
        };
        assert_eq!(parts(&job(Some(most), Phase::Ended)).len(), 2);
    }
}
