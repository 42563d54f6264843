//! The list of builds: the script as it is now, then what was built, newest first.
//!
//! ```text
//!  Builds ──────────────────
//! ▌▸ the script
//!  ✓ main    success  2m ago
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::layout::{Pane, content};
use crate::app::state::BuildRow;
use crate::app::{State, text};

use super::{Ui, line};

impl Ui {
    pub(super) fn builds(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        let focused = state.focus == Pane::Builds;
        let name = vec![("Builds".to_owned(), self.name_style(focused))];
        self.title(area, focused, &name, &[], buffer);
        let rows = content(area);
        let builds = state.build_rows();
        for at in 0..usize::from(rows.height) {
            let Some(build) = builds.get(state.builds_top + at) else {
                break;
            };
            let selected = build.sid == state.builds_cursor;
            let row_area = line(rows, at);
            if selected {
                let style = if focused {
                    self.styles.selected
                } else {
                    self.styles.selected_elsewhere
                };
                buffer.set_style(row_area, style);
            }
            self.one_build(state, build, selected, row_area, buffer);
        }
        if builds.len() == 1 && rows.height > 1 {
            self.row(buffer, line(rows, 1))
                .put("   nothing was built yet", self.styles.dim);
        }
    }

    fn one_build(
        &self,
        state: &State,
        build: &BuildRow,
        selected: bool,
        area: Rect,
        buffer: &mut Buffer,
    ) {
        let styles = &self.styles;
        let mut row = self.row(buffer, area);
        let mark = if selected { self.glyphs.mark } else { " " };
        row.put(mark, styles.selection_mark);
        if build.sid.is_none() {
            row.put(self.glyphs.section, styles.accent);
            row.put(" the script", styles.text);
            return;
        }
        let style = styles.build(&build.status);
        let turn = self.turn(state, build.start);
        row.put(self.glyphs.build(&build.status, turn), style);
        row.put(" ", styles.text);
        row.right(&[(" ".to_owned(), styles.text)], 8);
        if let Some(start) = build.start
            && !build.live
        {
            let ago = text::ago(start, state.now);
            row.right(&[(format!("{ago:>8}"), styles.dim)], 10);
        }
        if let Some(ms) = build.duration {
            let took = if build.live {
                text::elapsed(ms)
            } else {
                text::duration(ms)
            };
            row.right(&[(format!("{took:>7}"), styles.text)], 8);
        }
        let word = match &build.status {
            crate::domain::BuildStatus::Error => "failed",
            status => status.as_str(),
        };
        if row.left() >= 17 {
            row.column(word, 9, style);
        }
        // Without a branch or a commit, the time tells builds apart.
        let what = match build.start {
            Some(start) if build.what.is_empty() => text::clock(start, state.utc_offset),
            _ => build.what.clone(),
        };
        let shown = state.shown == build.sid;
        row.put(&what, if shown { styles.strong } else { styles.text });
    }
}
