//! What of a job is restored before it and saved after it, in which order, and what it means
//! when that fails (containers.md §5). The same for every executor.

use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::domain::{BlobKind, JobStatus};
use crate::ports::{BlobKey, JobOrder, JobOutcome, JobPorts, JobReport, StopToken, Transfer};

use super::outcome::canceled;
use super::plan;

/// How long a job that was stopped may save what it has made.
const LAST_SAVES: Duration = Duration::from_secs(30);

/// Why something was not stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotSaved {
    /// There is nothing at the path.
    Missing,
    /// A sentence's end for people.
    Failed(String),
}

/// Where a job works. Paths are relative to its workspace, without `.` and `..`.
pub(super) trait Place: Sync {
    /// Puts a blob into a directory; false when there is no such blob. The error is the end of
    /// a sentence.
    fn restore<'a>(
        &'a self,
        ports: &'a dyn JobPorts,
        key: &'a BlobKey,
        path: &'a Path,
    ) -> BoxFuture<'a, Result<bool, String>>;

    /// Stores a file or a directory, and tells the size of its archive.
    fn save<'a>(
        &'a self,
        ports: &'a dyn JobPorts,
        key: &'a BlobKey,
        path: &'a Path,
    ) -> BoxFuture<'a, Result<u64, NotSaved>>;
}

/// What people call an artifact or a cache.
pub(super) fn name_of(transfer: &Transfer) -> String {
    let kind = match transfer.kind {
        BlobKind::Artifact => "artifact",
        BlobKind::Cache => "cache",
    };
    format!("{kind} {:?}", transfer.id)
}

/// Looks for artifacts whose paths lead out of the workspace. The error is a sentence.
pub(super) fn check_paths(order: &JobOrder, work_dir: &Path) -> Result<(), String> {
    for transfer in order.restore.iter().chain(&order.save) {
        if transfer.kind == BlobKind::Artifact && plan::inside(work_dir, &transfer.path).is_none() {
            return Err(format!(
                "{}: the path {:?} leads out of the workspace",
                name_of(transfer),
                transfer.path
            ));
        }
    }
    Ok(())
}

/// Restores in order. A cache is a favour: what goes wrong with it never fails a job. The
/// error is a sentence.
pub(super) async fn restore(
    order: &JobOrder,
    work_dir: &Path,
    place: &dyn Place,
    ports: &dyn JobPorts,
) -> Result<(), String> {
    for transfer in &order.restore {
        let restored = match plan::inside(work_dir, &transfer.path) {
            Some(path) => place.restore(ports, &transfer.key, &path).await,
            None => Err(format!("{:?} leads out of the workspace", transfer.path)),
        };
        let name = name_of(transfer);
        match (restored, transfer.kind) {
            (Ok(true), _) | (Ok(false), BlobKind::Cache) => {}
            (Ok(false), BlobKind::Artifact) => ports.report(JobReport::Warning(format!(
                "{name} cannot be restored: it was never saved"
            ))),
            (Err(reason), BlobKind::Cache) => ports.report(JobReport::Warning(format!(
                "{name} cannot be restored: {reason}"
            ))),
            (Err(reason), BlobKind::Artifact) => {
                return Err(format!("{name} cannot be restored: {reason}"));
            }
        }
    }
    Ok(())
}

/// Saves what a job has made, also when it has failed or was stopped: once stopped, before or
/// meanwhile, it has half a minute for that, and none when it is to be killed.
pub(super) async fn save(
    order: &JobOrder,
    work_dir: &Path,
    place: &dyn Place,
    ports: &dyn JobPorts,
    outcome: JobOutcome,
    stop: &StopToken,
) -> JobOutcome {
    let exit = outcome.exit;
    let patience = async {
        stop.stop.cancelled().await;
        tokio::time::sleep(LAST_SAVES).await;
    };
    let why = tokio::select! {
        // A stop counts also when the work is done by now.
        biased;
        () = stop.kill.cancelled() => "the job was to end at once".to_owned(),
        saved = save_all(order, work_dir, place, ports, outcome) => {
            return if stop.stop.is_cancelled() { canceled(exit) } else { saved };
        }
        () = patience => format!("the job was stopped, and it took more than {}", plan::duration(LAST_SAVES)),
    };
    if !order.save.is_empty() {
        ports.report(JobReport::Warning(format!("not all of it is saved: {why}")));
    }
    canceled(exit)
}

/// Saves in order, all that can be saved. An artifact that cannot be fails a job that was
/// successful; a failed job may well not have come as far as making it, and of one that was stopped
/// that is expected.
async fn save_all(
    order: &JobOrder,
    work_dir: &Path,
    place: &dyn Place,
    ports: &dyn JobPorts,
    mut outcome: JobOutcome,
) -> JobOutcome {
    let successful = outcome.status == JobStatus::Success;
    for transfer in &order.save {
        let saved = match plan::inside(work_dir, &transfer.path) {
            Some(path) => place.save(ports, &transfer.key, &path).await,
            None => Err(NotSaved::Failed(format!(
                "{:?} leads out of the workspace",
                transfer.path
            ))),
        };
        let name = name_of(transfer);
        let problem = match saved {
            Ok(size) => {
                ports.report(JobReport::Saved {
                    transfer: transfer.clone(),
                    size,
                });
                continue;
            }
            Err(NotSaved::Missing) if outcome.status == JobStatus::Canceled => continue,
            Err(NotSaved::Missing) => format!("{name}: nothing at path {}", transfer.path),
            Err(NotSaved::Failed(reason)) => format!("{name} cannot be saved: {reason}"),
        };
        let fails = successful && transfer.kind == BlobKind::Artifact;
        if fails && outcome.status == JobStatus::Success {
            outcome = JobOutcome {
                status: JobStatus::Failure,
                exit: None,
                message: Some(problem),
            };
        } else {
            ports.report(JobReport::Warning(problem));
        }
    }
    outcome
}
