//! Lines that are read from the top down: one event taken apart, the value of a result.

use super::doc::{self, DocLine};

/// Lines, and where the user is among them.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// All of them.
    pub lines: Vec<DocLine>,
    /// The first line on the screen.
    pub top: usize,
    /// The line that a search led to.
    pub mark: Option<usize>,
}

impl Page {
    pub(super) fn new(lines: Vec<DocLine>) -> Self {
        Self {
            lines,
            top: 0,
            mark: None,
        }
    }

    /// The lines from the first one on the screen on, each in as many rows as it needs.
    pub fn rows(&self, columns: usize, height: usize) -> Vec<(usize, DocLine)> {
        let mut rows = Vec::with_capacity(height);
        for (number, line) in self.lines.iter().enumerate().skip(self.top) {
            if rows.len() >= height {
                break;
            }
            let wrapped = doc::wrap(vec![line.clone()], columns);
            rows.extend(wrapped.into_iter().map(|row| (number, row)));
        }
        rows.truncate(height);
        rows
    }

    /// The first line at which the last one is still in sight.
    fn last_top(&self, columns: usize, height: usize) -> usize {
        let mut left = height;
        for (number, line) in self.lines.iter().enumerate().rev() {
            let rows = doc::wrap(vec![line.clone()], columns).len();
            if rows > left {
                return (number + 1).min(self.lines.len().saturating_sub(1));
            }
            left -= rows;
        }
        0
    }

    /// Scrolls by lines.
    pub(super) fn scroll(&mut self, by: isize, columns: usize, height: usize) {
        let most = self
            .last_top(columns, height)
            .max(if by < 0 { self.top } else { 0 });
        self.top = self.top.saturating_add_signed(by).min(most);
    }

    /// Goes to a line.
    pub(super) fn show(&mut self, line: usize, columns: usize, height: usize) {
        self.mark = Some(line);
        let in_sight = self.rows(columns, height).iter().any(|row| row.0 == line);
        if !in_sight {
            self.top = line.saturating_sub(height / 3);
            self.scroll(0, columns, height);
        }
    }

    /// The next line that is wanted, or the one before, round and round; the first time (`here`) the
    /// line that is marked counts too.
    pub(super) fn find(
        &self,
        backwards: bool,
        here: bool,
        wanted: impl Fn(&DocLine) -> bool,
    ) -> Option<usize> {
        let count = self.lines.len();
        let from = match self.mark {
            Some(mark) if backwards => (mark + count - 1) % count.max(1),
            Some(mark) => (mark + usize::from(!here)) % count.max(1),
            None => self.top,
        };
        super::events::round(from, count, backwards).find(|line| wanted(&self.lines[*line]))
    }
}
