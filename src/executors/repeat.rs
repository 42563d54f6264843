//! Runs one job many times over, to see whether it is flaky.
//!
//! It stands before another executor. All runs are in the job's log, each with a line above it; the job has
//! succeeded when all of them have, and says how many did.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::domain::{JobId, JobStatus, Sid};
use crate::ports::{Executor, JobOrder, JobOutcome, JobPorts, JobReport, LogStream, StopToken};

/// Failed runs that are named.
const MOST_NAMED: usize = 10;

/// Runs one job many times, all others once.
#[derive(Debug)]
pub struct RepeatingExecutor {
    executor: Arc<dyn Executor>,
    job: JobId,
    times: u32,
}

impl RepeatingExecutor {
    /// Stands before an executor; `job` is run so many times.
    pub fn new(executor: Arc<dyn Executor>, job: JobId, times: u32) -> Self {
        Self {
            executor,
            job,
            times,
        }
    }
}

async fn repeat(
    executor: Arc<dyn Executor>,
    times: u32,
    order: JobOrder,
    ports: Arc<dyn JobPorts>,
    stop: StopToken,
) -> JobOutcome {
    let mut failed: Vec<(u32, JobOutcome)> = Vec::new();
    for attempt in 1..=times {
        ports.report(JobReport::Attempt(attempt));
        let told = format!("run {attempt} of {times}\n");
        ports.log(LogStream::System, None, told.as_bytes());
        let order = JobOrder {
            attempt,
            ..order.clone()
        };
        let outcome = executor.run(order, Arc::clone(&ports), stop.clone()).await;
        match outcome.status {
            JobStatus::Success => {}
            // It could not be run, or was stopped: that says nothing about the job.
            JobStatus::Failure => failed.push((attempt, outcome)),
            _ => return outcome,
        }
        if stop.stop.is_cancelled() {
            return JobOutcome {
                status: JobStatus::Canceled,
                exit: None,
                message: Some(format!("stopped after {attempt} of {times} runs")),
            };
        }
    }
    verdict(times, &failed)
}

/// What so many runs say of a job.
fn verdict(times: u32, failed: &[(u32, JobOutcome)]) -> JobOutcome {
    let Some((_, first)) = failed.first() else {
        return JobOutcome {
            status: JobStatus::Success,
            exit: Some(0),
            message: Some(format!("all {times} runs succeeded")),
        };
    };
    let count = failed.len();
    let message = if count == times as usize {
        format!("all {times} runs failed: it is broken, not flaky")
    } else {
        let named = failed.iter().take(MOST_NAMED);
        let mut runs: Vec<String> = named.map(|(run, _)| run.to_string()).collect();
        if count > MOST_NAMED {
            runs.push("…".to_owned());
        }
        format!(
            "flaky: {count} of {times} runs failed (run {})",
            runs.join(", ")
        )
    };
    JobOutcome {
        status: JobStatus::Failure,
        exit: first.exit,
        message: Some(message),
    }
}

impl Executor for RepeatingExecutor {
    fn name(&self) -> &'static str {
        self.executor.name()
    }

    fn run(
        &self,
        order: JobOrder,
        ports: Arc<dyn JobPorts>,
        stop: StopToken,
    ) -> BoxFuture<'static, JobOutcome> {
        if order.job.id == self.job {
            repeat(Arc::clone(&self.executor), self.times, order, ports, stop).boxed()
        } else {
            self.executor.run(order, ports, stop)
        }
    }

    fn build_ended<'a>(&'a self, sid: &'a Sid) -> BoxFuture<'a, ()> {
        self.executor.build_ended(sid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: JobStatus) -> JobOutcome {
        JobOutcome {
            status,
            exit: Some(1),
            message: None,
        }
    }

    #[test]
    fn some_failures_are_flaky_and_all_are_not() {
        let failed = |runs: &[u32]| -> Vec<(u32, JobOutcome)> {
            runs.iter()
                .map(|run| (*run, outcome(JobStatus::Failure)))
                .collect()
        };
        let of = |runs: &[u32]| {
            let verdict = verdict(20, &failed(runs));
            (verdict.status, verdict.message.unwrap())
        };
        assert_eq!(
            of(&[]),
            (JobStatus::Success, "all 20 runs succeeded".to_owned())
        );
        let flaky = "flaky: 2 of 20 runs failed (run 4, 17)".to_owned();
        assert_eq!(of(&[4, 17]), (JobStatus::Failure, flaky));
        let all: Vec<u32> = (1..=20).collect();
        assert!(of(&all).1.contains("all 20 runs failed"));
        assert!(
            of(&all[1..]).1.ends_with("10, 11, …)"),
            "{}",
            of(&all[1..]).1
        );
    }
}
