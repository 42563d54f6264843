//! What an action has said, for its log.
//!
//! An action runs inside the script's process: what it prints as it runs is in the script's log, among
//! all else. Its result has it once more, by itself, and with what it threw (events.md §4): that becomes
//! the log of its job, so that a job's log is where people look for it.

use std::collections::HashSet;

use crate::domain::{Event, EventKind, JobId};
use crate::ports::LogStream;

/// Longest text of one job that is written, in bytes; the journal has all of it.
const MOST: usize = 16 * 1024 * 1024;

/// Whose words are written already: a result comes twice, in `job/executed` and `job/end`.
#[derive(Debug, Default)]
pub(super) struct Spoken(HashSet<JobId>);

impl Spoken {
    /// What is to be written for an event of the script: the job and its words. Nothing for jobs
    /// that an executor runs; their logs have been written all along.
    pub(super) fn of(
        &mut self,
        event: &Event,
        is_handed: impl Fn(&JobId) -> bool,
    ) -> Option<(JobId, Vec<(LogStream, String)>)> {
        let (EventKind::JobExecuted { result, .. } | EventKind::JobEnd { result, .. }) =
            &event.kind
        else {
            return None;
        };
        let job = event.job_id.as_ref()?;
        if is_handed(job) || self.0.contains(job) {
            return None;
        }
        let words: Vec<_> = [("output", LogStream::Out), ("error", LogStream::Err)]
            .into_iter()
            .filter_map(|(key, stream)| {
                let text = result.get_kw(key)?.as_str()?;
                (!text.is_empty()).then(|| (stream, lines(text)))
            })
            .collect();
        if words.is_empty() {
            return None;
        }
        self.0.insert(job.clone());
        Some((job.clone(), words))
    }
}

/// The text with a line break at its end, and no longer than is good.
fn lines(text: &str) -> String {
    let mut end = text.len().min(MOST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut lines = text[..end].to_owned();
    if !lines.ends_with('\n') {
        lines.push('\n');
    }
    lines
}
