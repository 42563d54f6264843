//! Text of our own in the main pane.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::State;
use crate::app::doc::Part;
use crate::app::layout::content;

use super::{Ui, line};

impl Ui {
    pub(super) fn doc(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        self.main_title(state, Vec::new(), area, buffer);
        let rows = content(area);
        let columns = state.geometry().columns + state.gutter() - 1;
        let lines = state.doc(columns);
        let shown = lines.iter().skip(state.doc_top).take(rows.height.into());
        for (at, text) in shown.enumerate() {
            let mut row = self.row(buffer, line(rows, at));
            row.skip(1 + text.indent);
            for part in &text.parts {
                match part {
                    Part::Text(role, words) => row.put(words, self.styles.role(*role)),
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
}
