//! What is left in the scrollback when the program ends: plain text, nothing drawn.

use crate::domain::{BuildStatus, JobStatus};

use super::build_view::BuildView;
use super::state::State;
use super::{doc, text, why};

/// Log lines of each failed job that the summary shows.
pub const TAIL: usize = 10;
/// Skipped jobs that are named; the others are counted.
const SKIPPED: usize = 8;

/// Returns the summary of the builds that ran while the program did: empty when there were none.
/// The last line ends with a line break.
pub fn summary(state: &State) -> String {
    let mut views: Vec<&BuildView> = state.builds.values().filter(|view| view.watched).collect();
    views.sort_by_key(|view| {
        (
            view.present().start_time.or(view.present().created),
            view.info.sid.clone(),
        )
    });
    let mut all: Vec<String> = views.iter().map(|view| of_build(view, state)).collect();
    if all.is_empty() {
        return String::new();
    }
    // The last one ends with a line break too.
    all.push(String::new());
    all.join("\n").trim_end().to_owned() + "\n"
}

fn of_build(view: &BuildView, state: &State) -> String {
    let build = &view.build;
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(text::clean(&text).trim_end());
        out.push('\n');
    };
    line(format!(
        "{} {}",
        view.info.sid,
        doc::sentence(view, state.now)
    ));
    let git = &build.git;
    let commit: Vec<String> = [
        git.branch.clone(),
        git.commit_id.as_deref().map(text::short_commit),
        git.message
            .as_deref()
            .map(|message| text::first_line(message).into_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !commit.is_empty() {
        line(format!("  {}", commit.join(" ")));
    }
    if let Some(message) = &build.message {
        for text in message.lines() {
            line(format!("  {text}"));
        }
    }
    for job in build.failed_jobs() {
        line(String::new());
        let took = job.elapsed(view.until(state.now));
        let took = took
            .map(|ms| format!(" after {}", text::duration(ms)))
            .unwrap_or_default();
        let ending = why::ending(job)
            .map(|ending| format!(": {ending}"))
            .unwrap_or_default();
        line(format!("  {} {}{took}{ending}", job.id(), job.status));
        for text in view.tails.get(job.id()).into_iter().flatten() {
            line(format!("    | {text}"));
        }
    }
    let skipped: Vec<String> = view
        .order
        .iter()
        .filter_map(|id| build.job(id))
        .filter(|job| job.status == JobStatus::Skipped)
        .filter_map(|job| {
            why::why(build, job).map(|why| format!("  {} {}", job.id(), why.sentence(build)))
        })
        .collect();
    if !skipped.is_empty() && build.status != BuildStatus::Success {
        line(String::new());
        for text in skipped.iter().take(SKIPPED) {
            line(text.clone());
        }
        if skipped.len() > SKIPPED {
            line(format!("  and {} more", skipped.len() - SKIPPED));
        }
    }
    let warnings = build.warnings.len();
    if warnings > 0 {
        line(String::new());
        for warning in build.warnings.iter().take(SKIPPED) {
            let job = warning
                .job_id
                .as_ref()
                .map(|id| format!("{id}: "))
                .unwrap_or_default();
            line(format!("  warning: {job}{}", warning.message));
        }
    }
    line(String::new());
    if let Some(logs) = &view.info.logs {
        line(format!("  logs   {}", logs.to_string_lossy()));
    }
    if let Some(again) = &view.info.again {
        line(format!("  again  {again}"));
    }
    out
}
