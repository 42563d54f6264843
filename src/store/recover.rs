//! Puts right what a killed program has left behind.
//!
//! A build whose program is gone has a journal without an end and without a lock. It is
//! never resumed; its journal gets the end that its program could not write (decisions.md,
//! "Journal, events, logs"):
//!
//! ```text
//! tui/interrupted
//! job/skipped or job/end        one for each job that was left open
//! build/end :error              "interrupted: …"
//! ```

use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::domain::{
    Build, BuildStatus, Event, EventKind, JobStatus, Millis, OpenJob, Sid, Src, TuiEvent,
};
use crate::edn::{Map, Value};
use crate::journal::{self, Journal, JournalError, Recovery};

use super::{BuildFolder, History, Home};

/// A build that was closed.
#[derive(Debug, Clone, PartialEq)]
pub struct Interrupted {
    /// The build.
    pub sid: Sid,
    /// Where it is recorded.
    pub folder: BuildFolder,
    /// How many jobs were closed with it.
    pub jobs: usize,
    /// What had to be put right in its journal.
    pub recovery: Recovery,
}

/// What a round through all builds came to.
#[derive(Debug, Default)]
pub struct Sweep {
    /// The builds that were closed.
    pub closed: Vec<Interrupted>,
    /// Builds that could not be; the errors name the files.
    pub problems: Vec<JournalError>,
}

/// Closes all builds whose program is gone, and removes their sockets and tokens. Safe
/// while other processes run builds: theirs are locked.
pub fn recover_interrupted(home: &Home, now: Millis) -> Sweep {
    // Builds that have their end need nothing, and are not looked at.
    let (folders, problems) = History::new(home).unsettled();
    let mut sweep = Sweep {
        // Of journals that cannot be read, closing them tells below.
        problems: problems.into_iter().filter(is_about_folders).collect(),
        ..Sweep::default()
    };
    for folder in folders {
        match close(&folder, now) {
            Ok(Some(closed)) => {
                if let Ok(runtime) = home.runtime(&closed.sid) {
                    // Nothing answers there any more; what cannot be removed does no harm.
                    let _ = runtime.remove();
                }
                sweep.closed.push(closed);
            }
            Ok(None) | Err(JournalError::Missing(_) | JournalError::InUse(_)) => {}
            Err(error) => sweep.problems.push(error),
        }
    }
    sweep
}

fn is_about_folders(error: &JournalError) -> bool {
    matches!(error, JournalError::Io { path, .. } if path.ends_with("*"))
}

/// Closes one build, if its program is gone and it has no end.
fn close(folder: &BuildFolder, now: Millis) -> Result<Option<Interrupted>, JournalError> {
    if journal::ends_with_build_end(&folder.journal) {
        return Ok(None);
    }
    // Before the journal is opened, which may change the file.
    let last_sign = last_sign_of_life(folder);
    let (journal, recovery) = Journal::open(&folder.journal)?;
    let events = journal.events();
    let build = Build::fold(events.iter().map(AsRef::as_ref));
    if build.is_over() || runs_elsewhere(&events) {
        return Ok(None);
    }
    // The end of the build is when it was cut off, not when that was found.
    let at = last_sign.max(build.last_time).unwrap_or(now).min(now);
    let at = at.max(build.last_time.unwrap_or(at));
    let closing = closing_events(journal.sid(), &build, &recovery);
    let jobs = closing.len() - 2;
    journal.append(at, closing)?;
    journal.sync()?;
    journal.close();
    Ok(Some(Interrupted {
        sid: journal.sid().clone(),
        folder: folder.clone(),
        jobs,
        recovery,
    }))
}

/// It is a server's: that nobody watches it any more is no end of it.
fn runs_elsewhere(events: &[Arc<Event>]) -> bool {
    let first = events.first().map(|event| &event.kind);
    matches!(first, Some(EventKind::Tui(TuiEvent::Remote { .. })))
}

/// What the program would have said, had it been able to.
fn closing_events(sid: &Sid, build: &Build, recovery: &Recovery) -> Vec<Event> {
    let said = |kind| Event {
        sid: Some(sid.clone()),
        src: Some(Src::Engine),
        ..Event::new(kind)
    };
    let interrupted = said(EventKind::Tui(TuiEvent::Interrupted));
    let mut events = vec![match recovery.sentence() {
        Some(sentence) => interrupted.with_message(sentence),
        None => interrupted,
    }];
    // A `job/end` asks the script for nothing any more, so the order is the jobs' own.
    for (id, open) in build.open_jobs() {
        let kind = match open {
            OpenJob::NeverQueued => EventKind::JobSkipped,
            OpenJob::Active => EventKind::JobEnd {
                status: Some(build.closing_status(open)),
                result: job_result(&build.closing_status(open)),
            },
        };
        events.push(Event {
            job_id: Some(id.clone()),
            ..said(kind)
        });
    }
    let end = said(EventKind::BuildEnd {
        status: Some(BuildStatus::Error),
        build: None,
    });
    events.push(end.with_message("interrupted: monkeyci-tui was killed while the build ran"));
    events
}

fn job_result(status: &JobStatus) -> Map {
    let mut result = Map::new();
    if *status == JobStatus::Error {
        let message = "interrupted: monkeyci-tui was killed while the job ran";
        result.insert(Value::kw("message"), message.into());
    }
    result
}

/// When something of the build was last written.
fn last_sign_of_life(folder: &BuildFolder) -> Option<Millis> {
    let logs = std::fs::read_dir(&folder.logs).ok();
    let logs = logs.into_iter().flatten().flatten().map(|log| log.path());
    logs.chain([folder.journal.clone()])
        .filter_map(|path| modified(&path))
        .max()
}

fn modified(path: &Path) -> Option<Millis> {
    let time = std::fs::metadata(path)
        .and_then(|known| known.modified())
        .ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Millis::try_from(since.as_millis()).ok()
}
