//! The logs of two builds, job by job.

use crate::domain::compare::{Finding, Kind, Part, Told, aligned};
use crate::domain::{JobId, JobState, LogId};
use crate::executors::scratch_name;
use crate::logs::likeness::{self, LogDiff, Masks, SectionDiff, Side};
use crate::logs::{LogPaths, LogReader, NO_COMMAND};
use crate::store::Home;

use super::super::error::UserError;
use super::super::local;
use super::{Recorded, of_job};

/// The logs of one job, and what differs.
#[derive(Debug)]
pub(super) struct JobLogs {
    pub(super) job: JobId,
    pub(super) before: LogReader,
    pub(super) after: LogReader,
    pub(super) diff: LogDiff,
    /// The lines of the later build's script.
    script: Vec<String>,
    old_script: Vec<String>,
}

/// Compares the logs of the jobs of both.
pub(super) async fn compare(
    home: &Home,
    before: &Recorded,
    after: &Recorded,
    wanted: Option<&JobId>,
) -> Result<(Vec<JobLogs>, Vec<Finding>), UserError> {
    let masks = [masks(home, before), masks(home, after)];
    let (mut all, mut findings) = (Vec::new(), Vec::new());
    for job in after.build.jobs() {
        let id = job.id();
        let Some(old) = before.build.job(id) else {
            continue;
        };
        if wanted.is_some_and(|wanted| wanted != id) {
            continue;
        }
        let logs = [log(before, id)?, log(after, id)?];
        let [old_lines, new_lines] = [&logs[0], &logs[1]].map(|log| log.line_count() as u64);
        if old_lines == 0 || new_lines == 0 {
            let lines = |count: u64| (count > 0).then_some(Told::Lines(count));
            let found = Finding::of(Part::Logs, "log", lines(old_lines), lines(new_lines));
            findings.extend(found.map(|found| found.of_job(id)));
            continue;
        }
        let logs = one(id, [old, job], logs, masks.clone()).await?;
        findings.extend(of_job(id, logs.findings()));
        all.push(logs);
    }
    Ok((all, findings))
}

async fn one(
    id: &JobId,
    [old, new]: [&JobState; 2],
    [before, after]: [LogReader; 2],
    masks: [Masks; 2],
) -> Result<JobLogs, UserError> {
    let mut logs = JobLogs {
        job: id.clone(),
        before,
        after,
        diff: LogDiff::default(),
        script: new.job.script.clone(),
        old_script: old.job.script.clone(),
    };
    let read = tokio::task::spawn_blocking(move || {
        let index = |at: Option<usize>| at.and_then(|at| u32::try_from(at).ok());
        let pairs: Vec<_> = aligned(&logs.old_script, &logs.script)
            .into_iter()
            .map(|(old, new)| (index(old), index(new)))
            .collect();
        let side = |log, at: usize| Side {
            log,
            masks: &masks[at],
        };
        let diff = likeness::compare(side(&logs.before, 0), side(&logs.after, 1), &pairs)?;
        logs.diff = diff;
        Ok::<_, std::io::Error>(logs)
    });
    let logs = read
        .await
        .map_err(|error| UserError::new(error.to_string()))?;
    logs.map_err(|error| UserError::new(format!("the log of {id} cannot be read: {error}")))
}

impl JobLogs {
    fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self
            .diff
            .sections
            .iter()
            .map(|section| {
                let lines = |lines: &[usize]| Some(Told::Lines(lines.len() as u64));
                Finding::new(Part::Logs, Kind::Changed, self.name(section))
                    .from_to(lines(&section.removed), lines(&section.added))
            })
            .collect();
        if self.diff.cut {
            let most = likeness::MOST_LINES;
            let cut = Finding::new(Part::Logs, Kind::Changed, "log");
            findings.push(cut.noted(format!("only its first {most} lines are compared")));
        }
        findings
    }

    /// What has written the lines: `$ cargo test`, `log` for what no command has.
    pub(super) fn name(&self, section: &SectionDiff) -> String {
        let line = |script: &[String], command: Option<u32>| {
            let command = command.filter(|command| *command != NO_COMMAND)?;
            let line = script.get(command as usize);
            Some(line.map_or_else(
                || format!("command {}", u64::from(command) + 1),
                |line| format!("$ {}", line.lines().next().unwrap_or_default()),
            ))
        };
        line(&self.script, section.after)
            .or_else(|| line(&self.old_script, section.before))
            .unwrap_or_else(|| "log".to_owned())
    }
}

fn log(recorded: &Recorded, id: &JobId) -> Result<LogReader, UserError> {
    let paths = LogPaths::new(&recorded.folder.logs, &LogId::Job(id.clone()).stem());
    LogReader::open(paths).map_err(|error| UserError::of(&error))
}

/// What stands for a build in its own logs: its id, and the folders it worked in.
fn masks(home: &Home, recorded: &Recorded) -> Masks {
    let (sid, build) = (&recorded.sid, &recorded.build);
    let scratch = scratch_name(sid);
    let mut own = vec![
        local::scratch(home).join(&scratch).display().to_string(),
        local::checkout_dir(home, sid).display().to_string(),
        scratch,
        sid.to_string(),
        sid.build.clone(),
    ];
    own.extend(build.checkout_dir.clone());
    Masks::new(own.iter().map(String::as_str))
}
