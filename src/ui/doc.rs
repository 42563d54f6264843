//! Text of our own in the main pane.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::State;
use crate::app::doc::{DocLine, Part};
use crate::app::layout::content;

use super::{Ui, line};

impl Ui {
    pub(super) fn doc(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        self.main_title(state, Vec::new(), area, buffer);
        let rows = content(area);
        let lines = state.doc(state.text_columns());
        let shown = lines.iter().skip(state.doc_top).take(rows.height.into());
        for (at, text) in shown.enumerate() {
            self.doc_line(state, text, line(rows, at), buffer);
        }
    }

    /// One line of such a text.
    pub(super) fn doc_line(&self, state: &State, text: &DocLine, area: Rect, buffer: &mut Buffer) {
        let mut row = self.row(buffer, area);
        row.skip(1 + text.indent);
        for part in &text.parts {
            match part {
                Part::Text(role, words) => row.put(words, self.styles.role(*role)),
                Part::Arrow => row.put(self.glyphs.arrow, self.styles.dim),
                Part::Job(status) => {
                    let turn = self.turn(state, None);
                    row.put(self.glyphs.job(status, turn), self.styles.job(status))
                }
                Part::Build(status) => {
                    let turn = self.turn(state, state.view().build.start_time);
                    row.put(self.glyphs.build(status, turn), self.styles.build(status))
                }
            };
        }
    }
}
