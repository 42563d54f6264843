//! How jobs end, in the words that executors share.

use std::future::Future;

use crate::domain::JobStatus;
use crate::ports::{JobOutcome, StopToken};

/// A job that went well.
pub(super) fn success() -> JobOutcome {
    JobOutcome {
        status: JobStatus::Success,
        exit: Some(0),
        message: None,
    }
}

/// A job that could not be run, and why.
pub(super) fn error(message: String) -> JobOutcome {
    JobOutcome {
        status: JobStatus::Error,
        exit: None,
        message: Some(message),
    }
}

/// A job that was stopped, with its exit status if it had begun.
pub(super) fn canceled(exit: Option<i64>) -> JobOutcome {
    JobOutcome {
        status: JobStatus::Canceled,
        exit,
        message: None,
    }
}

/// Waits for something, unless the job is to stop.
pub(super) async fn unless_stopped<T>(
    stop: &StopToken,
    work: impl Future<Output = T>,
) -> Result<T, JobOutcome> {
    tokio::select! {
        // A stop counts also when the work is done by now.
        biased;
        () = stop.stop.cancelled() => Err(canceled(None)),
        () = stop.kill.cancelled() => Err(canceled(None)),
        done = work => Ok(done),
    }
}
