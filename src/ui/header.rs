//! The header: what is built, where, of which commit, how it stands.
//!
//! ```text
//!  ✓ SUCCESS  calc  local-build-17…                         12s   9/9 jobs
//!  main 3f2a1bc* Add the parser                     2 running · 1 blocked
//! ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━──────────────────────
//! ```
//!
//! In a low window it is the first row alone. The line is the jobs in their order, each a stretch of
//! it in the colour of its status.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::build_view::BuildView;
use crate::app::state::Script;
use crate::app::{State, text};
use crate::domain::{BuildStatus, JobStatus};

use super::{Ui, line};

impl Ui {
    pub(super) fn header(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        self.what(state, line(area, 0), buffer);
        if area.height >= 3 {
            self.of_which_commit(state, line(area, 1), buffer);
            self.bar(state.view(), state, line(area, 2), buffer);
        }
    }

    fn what(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        let styles = &self.styles;
        let view = state.view();
        let build = &view.build;
        let mut row = self.row(buffer, area);
        let (badge, style) = self.badge(state);
        row.put(&badge, styles.badge(style));
        row.put(" ", styles.text);

        let total = build.jobs().len();
        if total > 0 {
            let jobs = if state.shows_build() {
                format!("{}/{} ", build.jobs_done(), text::count(total, "job"))
            } else {
                format!("{} ", text::count(total, "job"))
            };
            row.right(&[(jobs, styles.dim)], 16);
        }
        if state.shows_build()
            && let Some(ms) = build.elapsed(view.until(state.now))
        {
            let elapsed = if build.is_over() {
                text::duration(ms)
            } else {
                text::elapsed(ms)
            };
            row.right(&[(format!(" {elapsed}  "), styles.strong)], 12);
        }
        if area.height > 0 && state.size.1 < 20 {
            let commit = commit(view);
            row.right(&[(format!("{commit}  "), styles.dim)], 24);
        }
        let name = if state.shows_build() {
            &view.info.sid.repo
        } else {
            &state.project.name
        };
        row.put(" ", styles.text);
        row.put(name, styles.strong);
        let detail = if state.shows_build() {
            view.info.sid.build.clone()
        } else {
            state.project.dir.clone()
        };
        row.put("  ", styles.text);
        row.put(&detail, styles.dim);
        if state.shows_build()
            && let Some(place) = &view.info.place
        {
            // A part of a folder's name helps nobody.
            if text::width(place) + 3 <= row.left() {
                row.put(&format!("  {place}"), styles.dim);
            }
        }
    }

    /// Status as sign and word, and its colour.
    fn badge(&self, state: &State) -> (String, Style) {
        let view = state.view();
        let build = &view.build;
        if !state.shows_build() {
            let (word, style) = match &state.project.script {
                _ if state.starting => ("starting", self.styles.running),
                Script::Loading => ("loading", self.styles.waiting),
                Script::Missing => ("no script", self.styles.warn),
                Script::Loaded { .. } => ("ready", self.styles.accent),
                Script::Broken(_) => ("broken script", self.styles.bad),
            };
            return (format!(" {} ", word.to_uppercase()), style);
        }
        let turn = self.turn(state, build.start_time);
        let glyph = self.glyphs.build(&build.status, turn);
        let style = self.styles.build(&build.status);
        let word = match &build.status {
            _ if build.interrupted => "cut off".to_owned(),
            status if status.is_final() => match status {
                BuildStatus::Error => "failed".to_owned(),
                status => status.to_string(),
            },
            _ if view.lost.is_some() => return (" CONNECTION LOST ".to_owned(), self.styles.warn),
            _ if view.canceling => "stopping".to_owned(),
            _ if !view.goes_on() => return (" BROKEN OFF ".to_owned(), self.styles.warn),
            status => {
                let active = build.jobs().iter().any(|job| job.status.is_active());
                if !active && !view.blocked().is_empty() {
                    let style = self.styles.blocked;
                    return (format!(" {} BLOCKED ", self.glyphs.blocked), style);
                }
                if build.failed_jobs().is_empty() {
                    status.to_string()
                } else {
                    return (format!(" {glyph} FAILING "), self.styles.bad);
                }
            }
        };
        (
            format!(" {glyph} {} ", text::clean(&word).to_uppercase()),
            style,
        )
    }

    fn of_which_commit(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        let styles = &self.styles;
        let view = state.view();
        let mut row = self.row(buffer, area);
        let counts = self.counts(view, state);
        row.right(&counts, 20);
        let git = if state.shows_build() {
            &view.build.git
        } else {
            &state.project.git
        };
        row.put(" ", styles.text);
        if let Some(branch) = git.branch.as_deref().or(git.tag.as_deref()) {
            row.put(branch, styles.accent);
            row.put(" ", styles.text);
        }
        if let Some(commit) = &git.commit_id {
            row.put(&text::short_commit(commit), styles.text);
            row.put(if git.dirty { "* " } else { " " }, styles.warn);
        }
        if let Some(message) = &git.message {
            row.put(&text::first_line(message), styles.dim);
        }
        if git.branch.is_none() && git.commit_id.is_none() {
            row.put("not under version control", styles.dim);
        }
    }

    /// How many jobs stand how, as far as it is worth saying.
    fn counts(&self, view: &BuildView, state: &State) -> Vec<(String, Style)> {
        let mut parts: Vec<(String, Style)> = Vec::new();
        if !state.shows_build() {
            return parts;
        }
        for (status, word) in [
            (JobStatus::Running, "running"),
            (JobStatus::Blocked, "blocked"),
            (JobStatus::Failure, "failed"),
            (JobStatus::Skipped, "skipped"),
            (JobStatus::Canceled, "canceled"),
        ] {
            let count = view
                .build
                .jobs()
                .iter()
                .filter(|job| match status {
                    JobStatus::Failure => job.status.is_failed(),
                    _ => job.status == status,
                })
                .count();
            if count > 0 {
                if !parts.is_empty() {
                    parts.push((format!(" {} ", self.glyphs.dot), self.styles.dim));
                }
                parts.push((format!("{count} {word}"), self.styles.job(&status)));
            }
        }
        let warnings = view.build.warnings.len();
        if warnings > 0 {
            if !parts.is_empty() {
                parts.push((format!(" {} ", self.glyphs.dot), self.styles.dim));
            }
            parts.push((text::count(warnings, "warning"), self.styles.warn));
        }
        if !parts.is_empty() {
            parts.push((" ".to_owned(), self.styles.text));
        }
        parts
    }

    /// The jobs as a line: what is done grows from the left.
    fn bar(&self, view: &BuildView, state: &State, area: Rect, buffer: &mut Buffer) {
        let width = usize::from(area.width);
        let mut row = self.row(buffer, area);
        if !state.shows_build() || view.order.is_empty() {
            row.fill(self.glyphs.bar_empty, self.styles.rule);
            return;
        }
        // By status, not by place: the line grows from the left while jobs end in any order.
        let mut statuses: Vec<(u8, &JobStatus)> = view
            .build
            .jobs()
            .iter()
            .map(|job| (rank(&job.status), &job.status))
            .collect();
        statuses.sort_by_key(|status| status.0);
        let total = statuses.len();
        for column in 0..width {
            let (rank, status) = statuses[column * total / width];
            if rank >= 5 {
                row.put(self.glyphs.bar_empty, self.styles.rule);
            } else {
                row.put(self.glyphs.bar, self.styles.job(status));
            }
        }
    }
}

/// The order along the line.
fn rank(status: &JobStatus) -> u8 {
    match status {
        JobStatus::Success => 0,
        JobStatus::Failure | JobStatus::Error => 1,
        JobStatus::Canceled | JobStatus::Other(_) => 2,
        JobStatus::Running | JobStatus::Initializing => 3,
        JobStatus::Blocked => 4,
        JobStatus::Skipped | JobStatus::Pending | JobStatus::Queued => 5,
    }
}

fn commit(view: &BuildView) -> String {
    let git = &view.build.git;
    let commit = git.commit_id.as_deref().map(text::short_commit);
    let dirty = if git.dirty { "*" } else { "" };
    match (git.branch.as_deref(), commit) {
        (Some(branch), Some(commit)) => format!("{} {commit}{dirty}", text::fit(branch, 16, "~")),
        (Some(branch), None) => text::fit(branch, 24, "~"),
        (None, Some(commit)) => format!("{commit}{dirty}"),
        (None, None) => String::new(),
    }
}
