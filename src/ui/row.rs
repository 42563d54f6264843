//! Writes into one row of the screen, from both ends, never beyond it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::text;

/// One row of the screen that is being written.
pub(super) struct Row<'a> {
    buffer: &'a mut Buffer,
    y: u16,
    x: u16,
    end: u16,
    ellipsis: &'static str,
}

impl<'a> Row<'a> {
    /// Begins with the first row of an area.
    pub(super) fn new(buffer: &'a mut Buffer, area: Rect, ellipsis: &'static str) -> Self {
        let area = area.intersection(buffer.area);
        let empty = area.height == 0;
        Self {
            buffer,
            y: area.y,
            x: area.x,
            end: if empty { area.x } else { area.right() },
            ellipsis,
        }
    }

    /// Columns that are left.
    pub(super) fn left(&self) -> usize {
        usize::from(self.end.saturating_sub(self.x))
    }

    /// Writes at the left; what does not fit is cut with an ellipsis.
    pub(super) fn put(&mut self, words: &str, style: Style) -> &mut Self {
        let room = self.left();
        if room > 0 {
            let words = text::fit(words, room, self.ellipsis);
            self.raw(&words, style);
        }
        self
    }

    /// Writes at the left in a number of columns, cut or filled.
    pub(super) fn column(&mut self, words: &str, columns: usize, style: Style) -> &mut Self {
        let columns = columns.min(self.left());
        if columns > 0 {
            let words = text::fill(words, columns, self.ellipsis);
            self.raw(&words, style);
        }
        self
    }

    /// Leaves columns as they are.
    pub(super) fn skip(&mut self, columns: usize) -> &mut Self {
        self.x += columns.min(self.left()) as u16;
        self
    }

    /// Repeats a sign to the end.
    pub(super) fn fill(&mut self, sign: &str, style: Style) {
        let line = sign.repeat(self.left());
        self.raw(&line, style);
    }

    /// Writes at the right end, if all of it fits and leaves `keep` columns; says whether it did.
    pub(super) fn right(&mut self, parts: &[(String, Style)], keep: usize) -> bool {
        let width: usize = parts.iter().map(|part| text::width(&part.0)).sum();
        if width + keep > self.left() || width == 0 {
            return false;
        }
        let mut x = self.end - width as u16;
        self.end = x;
        for (words, style) in parts {
            self.buffer
                .set_string(x, self.y, text::clean(words), *style);
            x += text::width(words) as u16;
        }
        true
    }

    fn raw(&mut self, words: &str, style: Style) {
        let room = self.left();
        let (x, _) = self.buffer.set_stringn(self.x, self.y, words, room, style);
        self.x = x;
    }
}
