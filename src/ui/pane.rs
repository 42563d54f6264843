//! The title of a pane.
//!
//! ```text
//! ▌Jobs ───────────────────────── 5 of 9
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Ui, line};

impl Ui {
    /// Draws a title: parts from the left, a line, and from the right as many of `right` as fit.
    pub(super) fn title(
        &self,
        area: Rect,
        focused: bool,
        left: &[(String, Style)],
        right: &[Vec<(String, Style)>],
        buffer: &mut Buffer,
    ) {
        let needed: usize = left
            .first()
            .map_or(0, |part| crate::app::text::width(&part.0))
            + 4;
        let mut row = self.row(buffer, line(area, 0));
        row.right(&[(self.glyphs.horizontal.to_owned(), self.styles.rule)], 0);
        for parts in right {
            let mut spaced = vec![(" ".to_owned(), self.styles.text)];
            spaced.extend(parts.iter().cloned());
            spaced.push((" ".to_owned(), self.styles.text));
            row.right(&spaced, needed);
        }
        if focused {
            row.put(self.glyphs.mark, self.styles.selection_mark);
        } else {
            row.put(" ", self.styles.text);
        }
        for (words, style) in left {
            row.put(words, *style);
        }
        row.put(" ", self.styles.text);
        row.fill(self.glyphs.horizontal, self.styles.rule);
    }

    /// The style of a pane's name.
    pub(super) fn name_style(&self, focused: bool) -> Style {
        if focused {
            self.styles.title_focused
        } else {
            self.styles.title
        }
    }
}
