//! A shell in a job's container.
//!
//! ```text
//! ▌shell in test ───────────────────────────────── Ctrl-] leaves it
//! /home/monkeyci # make test
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;

use crate::app::layout::content;
use crate::app::{Action, ShellView, State, text};

use super::{Ui, line};

impl Ui {
    pub(super) fn shell(&self, state: &State, shell: &ShellView, area: Rect, buffer: &mut Buffer) {
        let name = text::clean(shell.job.as_str()).into_owned();
        let left = [
            ("shell in ".to_owned(), self.name_style(true)),
            (name, self.styles.strong),
        ];
        let key = state.bindings.label(Action::LeaveShell);
        let leave = vec![
            (key.unwrap_or_default(), self.styles.key),
            (" leaves it".to_owned(), self.styles.dim),
        ];
        self.title(area, true, &left, &[leave], buffer);
        let rows = content(area);
        let Some(screen) = &shell.screen else {
            self.row(buffer, line(rows, 0))
                .put("  opening …", self.styles.dim);
            return;
        };
        for (at, styled) in screen.rows.iter().take(rows.height.into()).enumerate() {
            let mut row = self.row(buffer, line(rows, at));
            for span in &styled.spans {
                row.put(&span.text, self.styles.of_log(span.style));
            }
        }
        if let Some((column, row)) = screen.cursor
            && column < rows.width
            && row < rows.height
        {
            let place = Position::new(rows.x + column, rows.y + row);
            if let Some(cell) = buffer.cell_mut(place) {
                cell.modifier.toggle(Modifier::REVERSED);
            }
        }
    }
}
