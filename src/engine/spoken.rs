//! What an action has said, for its log.
//!
//! An action runs inside the script's process: what it prints as it runs is in the script's log, among
//! all else. Its result has it once more, by itself, and with what it threw (events.md §4): that becomes
//! the log of its job, so that a job's log is where people look for it.

use std::collections::HashSet;

use crate::domain::{Event, EventKind, JobId, JobStatus};
use crate::edn::{Map, Value};
use crate::ports::LogStream;

/// Longest text of one job that is written, in bytes; the journal has all of it.
const MOST: usize = 16 * 1024 * 1024;

/// Most warnings of one result that are told.
const MOST_WARNINGS: usize = 10;

/// Whose words are written already: a result comes twice, in `job/executed` and `job/end`.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    written: HashSet<JobId>,
    warned: HashSet<JobId>,
}

impl Spoken {
    /// What is to be written for an event of the script: the job and its words. Nothing for jobs
    /// that an executor runs; their logs have been written all along.
    pub(super) fn of(
        &mut self,
        event: &Event,
        is_handed: impl Fn(&JobId) -> bool,
    ) -> Option<(JobId, Vec<(LogStream, String)>)> {
        let (_, result) = result_of(event)?;
        let job = event.job_id.as_ref()?;
        if is_handed(job) || self.written.contains(job) {
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
        self.written.insert(job.clone());
        Some((job.clone(), words))
    }

    /// What an action's result warns of, and what is odd about it.
    pub(super) fn warnings(&mut self, event: &Event) -> Vec<String> {
        let (Some((status, result)), Some(job)) = (result_of(event), &event.job_id) else {
            return Vec::new();
        };
        let warnings = result.get_kw("warnings").and_then(Value::as_seq);
        let messages = warnings.unwrap_or_default().iter().filter_map(|warning| {
            let text = warning.as_map()?.get_kw("message")?.as_str()?;
            Some(text.to_owned())
        });
        let mut told: Vec<String> = messages.take(MOST_WARNINGS).collect();
        if let Some(JobStatus::Other(name)) = status {
            told.push(format!(
                "it ended with the status :{name}, which nobody knows: it counts neither as a success \
                 nor as a failure"
            ));
        }
        if told.is_empty() || !self.warned.insert(job.clone()) {
            return Vec::new();
        }
        told
    }
}

fn result_of(event: &Event) -> Option<(Option<&JobStatus>, &Map)> {
    match &event.kind {
        EventKind::JobExecuted { status, result } | EventKind::JobEnd { status, result } => {
            Some((status.as_ref(), result))
        }
        _ => None,
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
