//! Two recorded builds compared: the journals, and what only files know.
//!
//! What is compared is decided in `domain::compare` and `logs::likeness`; here the builds are found and read. `contents`
//! reads results and artifacts, `lines` the logs, `print` writes it all for a shell.

mod contents;
mod lines;
mod print;

use crate::cli::{CompareArgs, clean};
use crate::domain::compare::{Comparison, Finding};
use crate::domain::{Build, JobId, Sid};
use crate::journal::Journal;
use crate::store::{BuildFolder, Green, Home};

use super::Look;
use super::error::{Exit, UserError};
use super::history;

/// A build as it is recorded.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    sid: Sid,
    folder: BuildFolder,
    build: Build,
}

/// Two builds compared.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) comparison: Comparison,
    before: Recorded,
    after: Recorded,
    logs: Vec<lines::JobLogs>,
}

/// `compare`.
pub(super) async fn command(
    home: &Home,
    args: &CompareArgs,
    look: Look,
) -> Result<Exit, UserError> {
    let after = Recorded::find(home, &args.build)?;
    let (before, remark) = match &args.with {
        Some(with) => (Recorded::find(home, with)?, None),
        None => after.green_before(home)?,
    };
    let job = args.job.as_ref().map(JobId::new);
    if let Some(job) = &job {
        is_known(&before, &after, job)?;
    }
    let mut compared = compare(home, before, after, job.as_ref()).await?;
    compared.comparison.remarks.splice(0..0, remark);
    print::print(&compared, args, look)?;
    Ok(if compared.comparison.is_same() {
        Exit::Success
    } else {
        Exit::Failed
    })
}

/// Compares a build with the last one before it that succeeded, or with one that is named.
pub(super) async fn of_shown(
    home: &Home,
    sid: &Sid,
    with: Option<&Sid>,
) -> Result<Comparison, UserError> {
    let after = Recorded::find(home, &sid.to_string())?;
    let (before, remark) = match with {
        Some(with) => (Recorded::find(home, &with.to_string())?, None),
        None => after.green_before(home)?,
    };
    let mut comparison = compare(home, before, after, None).await?.comparison;
    comparison.remarks.splice(0..0, remark);
    Ok(comparison)
}

/// An error when neither build has the job.
fn is_known(before: &Recorded, after: &Recorded, job: &JobId) -> Result<(), UserError> {
    let has = |recorded: &Recorded| recorded.build.job(job).is_some();
    if has(before) || has(after) {
        return Ok(());
    }
    let known = after.build.jobs().iter().map(|job| job.id().as_str());
    let known: Vec<&str> = known.collect();
    Err(
        UserError::new(format!("neither of the builds has a job \"{job}\""))
            .hint(format!("jobs: {}", known.join(", "))),
    )
}

/// Compares two builds, or one job of them.
async fn compare(
    home: &Home,
    before: Recorded,
    after: Recorded,
    job: Option<&JobId>,
) -> Result<Compared, UserError> {
    let mut comparison = Comparison::new(&before.build, &after.build);
    for recorded in [&before, &after] {
        if !recorded.build.is_over() {
            let remark = format!("{} has no end yet", recorded.sid);
            comparison.remarks.push(remark);
        }
    }
    contents::compare(home, &before, &after, job, &mut comparison).await;
    let (logs, findings) = lines::compare(home, &before, &after, job).await?;
    comparison.add(findings);
    if let Some(job) = job {
        comparison.only_job(job);
    }
    Ok(Compared {
        comparison,
        before,
        after,
        logs,
    })
}

impl Recorded {
    fn find(home: &Home, name: &str) -> Result<Self, UserError> {
        let (sid, folder) = history::find(home, name)?;
        Self::read(sid, folder)
    }

    fn read(sid: Sid, folder: BuildFolder) -> Result<Self, UserError> {
        let journal = Journal::read(&folder.journal).map_err(|error| UserError::of(&error))?;
        let build = Build::fold(journal.events().iter().map(|event| &**event));
        Ok(Self { sid, folder, build })
    }

    /// The last build before it that succeeded, and what is to be said of that.
    fn green_before(&self, home: &Home) -> Result<(Self, Option<String>), UserError> {
        let Some(green) = Green::before(home, &self.sid, &self.build) else {
            let sid = clean(&self.sid.to_string());
            let message = format!("no recorded build before {sid} has succeeded");
            return Err(UserError::new(message).hint(
                "name a build to compare it with: `monkeyci-tui compare BUILD WITH`; \
                 `monkeyci-tui list` shows them",
            ));
        };
        let remark = (!green.same_branch && self.build.git.branch.is_some()).then(|| {
            let branch = self.build.git.branch.as_deref().unwrap_or_default();
            format!("no build of the branch {branch} before it has succeeded: this is the last one of another")
        });
        let before = Self::read(green.item.sid, green.item.folder)?;
        Ok((before, remark))
    }
}

/// The findings of a job, named after it.
fn of_job(job: &JobId, findings: Vec<Finding>) -> Vec<Finding> {
    findings
        .into_iter()
        .map(|finding| finding.of_job(job))
        .collect()
}
