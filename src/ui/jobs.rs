//! The list of jobs: the build in the first row, then the jobs, dependencies first.
//!
//! ```text
//! ▌Jobs ────────────────────
//!   calc                5/9
//! ▌✓ compile  success  0.4s
//!  ◐ test     running    3s
//!  ○ deploy   waits for test
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::build_view::Selected;
use crate::app::layout::{Pane, content};
use crate::app::state::State;
use crate::app::{text, why};
use crate::domain::{JobState, JobStatus};

use super::{Ui, line};

/// Columns for a time.
const TIME: usize = 6;
/// Columns for a status' word: `canceled`, `running` and a space.
const WORD: usize = 9;

impl Ui {
    pub(super) fn jobs(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        let focused = state.focus == Pane::Jobs;
        let view = state.view();
        let auto = if view.auto && view.goes_on() {
            vec![vec![("auto".to_owned(), self.styles.dim)]]
        } else {
            Vec::new()
        };
        let name = vec![("Jobs".to_owned(), self.name_style(focused))];
        self.title(area, focused, &name, &auto, buffer);

        let rows = content(area);
        let names = view.order.iter().map(|id| text::width(&id.to_string()));
        let longest = names.max().unwrap_or_default();
        for at in 0..usize::from(rows.height) {
            let place = view.top + at;
            let selected = place == view.place();
            let row_area = line(rows, at);
            let Some(what) = view.at(place) else {
                break;
            };
            let style = match (selected, focused) {
                (true, true) => self.styles.selected,
                (true, false) => self.styles.selected_elsewhere,
                (false, _) => self.styles.text,
            };
            buffer.set_style(row_area, style);
            match what {
                Selected::Build => self.build_row(state, selected, row_area, buffer),
                Selected::Script => self.script_row(state, selected, longest, row_area, buffer),
                Selected::Job(id) => {
                    if let Some(job) = view.build.job(&id) {
                        self.job_row(state, job, selected, longest, row_area, buffer);
                    }
                }
            }
        }
    }

    fn selection_mark(&self, selected: bool) -> &'static str {
        if selected { self.glyphs.mark } else { " " }
    }

    /// The build as a whole.
    fn build_row(&self, state: &State, selected: bool, area: Rect, buffer: &mut Buffer) {
        let view = state.view();
        let mut row = self.row(buffer, area);
        let jobs = view.build.jobs();
        if state.shows_build() && !jobs.is_empty() {
            let done = format!("{}/{} ", view.build.jobs_done(), jobs.len());
            row.right(&[(done, self.styles.dim)], 12);
        }
        row.put(self.selection_mark(selected), self.styles.selection_mark);
        if state.shows_build() {
            let turn = self.turn(state, view.build.start_time);
            let status = &view.build.status;
            row.put(self.glyphs.build(status, turn), self.styles.build(status));
            row.put(" the build", self.styles.strong);
        } else {
            row.put(self.glyphs.section, self.styles.accent);
            row.put(" the script", self.styles.strong);
        }
    }

    /// What runs the script: `script clojure`, where it stands, its time.
    fn script_row(
        &self,
        state: &State,
        selected: bool,
        longest: usize,
        area: Rect,
        buffer: &mut Buffer,
    ) {
        let styles = &self.styles;
        let view = state.view();
        let status = why::script_status(&view.build);
        let style = styles.job(&status);
        let mut row = self.row(buffer, area);
        row.right(&[(" ".to_owned(), styles.text)], 8);
        row.put(self.selection_mark(selected), styles.selection_mark);
        let turn = self.turn(state, view.build.script_start);
        row.put(self.glyphs.job(&status, turn), style);
        row.put(" ", styles.text);
        let time = why::script_elapsed(&view.build, view.until(state.now));
        let time = match time {
            Some(ms) if view.build.script_end.is_some() || view.build.is_over() => {
                text::duration(ms)
            }
            Some(ms) => text::elapsed(ms),
            None => String::new(),
        };
        row.right(&[(format!("{time:>TIME$}"), styles.dim)], 8);
        let host = view.build.host.as_ref().map_or("", |host| &host.name);
        let name = format!("script {host}");
        // As wide as the names of the jobs, so that the words stand below each other.
        let columns = longest.max(text::width(&name)).min(row.left());
        let with_word = row.left() > columns + WORD;
        let before = row.left();
        row.put("script ", styles.text);
        row.put(host, styles.dim);
        if with_word {
            row.skip((columns + 1).saturating_sub(before - row.left()));
            row.put(status.as_str(), style);
        }
    }

    fn job_row(
        &self,
        state: &State,
        job: &JobState,
        selected: bool,
        longest: usize,
        area: Rect,
        buffer: &mut Buffer,
    ) {
        let styles = &self.styles;
        let view = state.view();
        let planned = !state.shows_build();
        let status = &job.status;
        let style = if planned {
            styles.waiting
        } else {
            styles.job(status)
        };
        let mut row = self.row(buffer, area);
        row.right(&[(" ".to_owned(), styles.text)], 8);
        row.put(self.selection_mark(selected), styles.selection_mark);
        let glyph = if planned && job.job.blocked {
            self.glyphs.blocked
        } else {
            self.glyphs.job(status, self.turn(state, job.start_time))
        };
        row.put(glyph, style);
        if view.marked.contains(job.id()) {
            row.put(self.glyphs.marked, styles.accent);
        } else {
            row.put(" ", styles.text);
        }
        let name_style = match status {
            JobStatus::Pending | JobStatus::Skipped if !planned => styles.dim,
            status if status.is_failed() => styles.strong,
            _ => styles.text,
        };
        let room = row.left();
        let told = if planned {
            None
        } else {
            why::why(&view.build, job)
        };
        let name = job.id().to_string();
        if let Some(why) = told {
            // A reason needs room more than a long name does.
            let columns = longest.min((room * 3 / 5).max(8));
            row.column(&name, columns, name_style);
            row.skip(1);
            row.put(&why.within(row.left()), style);
        } else if planned {
            let columns = longest.min((room * 3 / 5).max(8));
            row.column(&name, columns, name_style);
            if !job.job.dependencies.is_empty() {
                row.skip(1);
                let needs = why::names(&job.job.dependencies);
                row.put(&format!("after {needs}"), styles.dim);
            }
        } else {
            let elapsed = job.elapsed(view.until(state.now));
            let time = match elapsed {
                Some(ms) if job.is_over() => text::duration(ms),
                Some(ms) => text::elapsed(ms),
                None => String::new(),
            };
            row.right(&[(format!("{time:>TIME$}"), styles.dim)], 8);
            let with_word = row.left() >= longest.min(10) + 1 + WORD;
            let columns = if with_word {
                longest.min(row.left() - 1 - WORD)
            } else {
                row.left()
            };
            row.column(&name, columns, name_style);
            if with_word {
                row.skip(1);
                let word = match job.reused {
                    Some(_) => "reused",
                    None => status.as_str(),
                };
                row.put(word, style);
            }
        }
    }
}

/// The name of what is selected, for the title of the main pane.
pub(super) fn selected_name(state: &State) -> String {
    match &state.view().selected {
        Selected::Job(id) => id.to_string(),
        Selected::Build if state.shows_build() => "the build".to_owned(),
        Selected::Build | Selected::Script => "the script".to_owned(),
    }
}
