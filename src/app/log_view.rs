//! Where a user is in a log, and the part of it that is in memory.
//!
//! The position is kept as an [`Item`], so that neither growth nor a resize moves what is being
//! read. Only a window of the lines around the screen is held; when the screen leaves it, or the log
//! has grown, [`LogView::need`] says what to read. One request is under way at a time, and an
//! answer of an older generation is dropped.

use std::ops::Range;

use crate::domain::{LogId, Millis, Sid};
use crate::logs::Section;

use super::log_text;
use super::msg::{LogLine, LogPlace, LogRequest, LogRows};
use super::outline::{Item, Outline, Owner};

/// Wrapped lines are read this many screens wide, and no wider.
const WRAPPED_SCREENS: usize = 40;

/// The inside of a pane that shows a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Rows for items.
    pub height: usize,
    /// Columns for text, without the gutter.
    pub columns: usize,
    /// Long lines are wrapped.
    pub wrap: bool,
}

/// Where a user is in one log.
#[derive(Debug, Clone)]
pub struct LogView {
    /// The end stays in sight.
    pub follow: bool,
    /// The item in the top row.
    top: Item,
    /// How many rows of it are above the screen.
    sub: usize,
    /// How many columns are to the left of the screen.
    pub column: usize,
    /// How many lines the log has, as far as it was read.
    pub total: usize,
    /// How many bytes the log has, as far as it was read.
    pub bytes: u64,
    /// How many lines there were when following was paused.
    pub paused_at: Option<usize>,
    /// The line that a search or a jump led to.
    pub mark: Option<usize>,
    /// What is listed.
    pub outline: Outline,
    /// It was read at least once.
    pub known: bool,
    /// Why it cannot be read.
    pub unreadable: Option<String>,
    sections: Vec<Section>,
    window: Window,
    /// The generation of the request under way.
    asked: Option<u64>,
    /// It has grown since it was last read.
    stale: bool,
    /// Only what was written until this moment is shown.
    until: Option<Millis>,
    /// The moment that was asked for last, and when the log goes on after it.
    read_until: Option<Millis>,
    next: Option<Millis>,
}

/// The lines in memory.
#[derive(Debug, Clone, Default)]
struct Window {
    first: usize,
    lines: Vec<LogLine>,
    /// How many columns of each were asked for.
    columns: usize,
}

impl Default for LogView {
    fn default() -> Self {
        Self {
            follow: true,
            top: Item::Line(0),
            sub: 0,
            column: 0,
            total: 0,
            bytes: 0,
            paused_at: None,
            mark: None,
            outline: Outline::default(),
            known: false,
            unreadable: None,
            sections: Vec::new(),
            window: Window::default(),
            asked: None,
            stale: true,
            until: None,
            read_until: None,
            next: None,
        }
    }
}

/// A row of the pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// What it shows.
    pub item: Item,
    /// Which row of a wrapped line, from 0.
    pub sub: usize,
}

impl LogView {
    /// Returns a line that is in memory.
    pub fn line(&self, number: usize) -> Option<&LogLine> {
        self.window
            .lines
            .get(number.checked_sub(self.window.first)?)
    }

    /// Returns how many lines came since following was paused.
    pub fn since(&self) -> usize {
        match self.paused_at {
            Some(then) if !self.follow => self.total.saturating_sub(then),
            _ => 0,
        }
    }

    /// True when all that is known to be there was read.
    pub fn up_to_date(&self) -> bool {
        self.known && !self.stale && self.asked.is_none()
    }

    /// The log has grown, or may have.
    pub fn grew(&mut self) {
        self.stale = true;
    }

    /// Shows only what was written until a moment, or all of it.
    pub fn show_until(&mut self, until: Option<Millis>) {
        if self.until != until {
            self.until = until;
            self.stale |= self.asked.is_none() && !self.is_read_until(until);
        }
    }

    /// When the log goes on after the moment that is shown, as far as is known.
    pub fn next(&self) -> Option<Millis> {
        self.next.filter(|_| self.up_to_date())
    }

    /// True when what was read last is the log at this moment too.
    fn is_read_until(&self, until: Option<Millis>) -> bool {
        match (self.read_until, until) {
            (Some(read), Some(until)) => read <= until && self.next.is_none_or(|next| until < next),
            (read, until) => read == until,
        }
    }

    /// Forgets the lines, keeps the position: another log is looked at.
    pub fn leave(&mut self) {
        self.window = Window::default();
        self.asked = None;
        self.stale = true;
    }

    /// Works out again what is listed.
    pub fn refresh(&mut self, owner: &Owner<'_>, geometry: Geometry) {
        self.outline = Outline::new(&self.sections, self.total, owner);
        self.settle(geometry);
    }

    /// Takes an answer in; returns whether it was the one waited for.
    pub fn take(&mut self, rows: LogRows, owner: &Owner<'_>, geometry: Geometry) -> bool {
        if self.asked != Some(rows.generation) {
            return false;
        }
        self.asked = None;
        self.known = true;
        self.unreadable = None;
        self.total = rows.total;
        self.bytes = rows.bytes;
        self.sections = rows.sections;
        self.window.first = rows.first;
        self.window.lines = rows.lines;
        self.next = rows.next;
        // Time has gone on meanwhile.
        self.stale |= !self.is_read_until(self.until);
        self.refresh(owner, geometry);
        true
    }

    /// Takes in that the log cannot be read; returns whether that was waited for.
    pub fn refuse(&mut self, generation: u64, reason: String) -> bool {
        if self.asked != Some(generation) {
            return false;
        }
        self.asked = None;
        self.unreadable = Some(reason);
        true
    }

    /// Returns what has to be read now, if anything.
    pub fn need(
        &mut self,
        sid: &Sid,
        log: &LogId,
        generation: &mut u64,
        geometry: Geometry,
    ) -> Option<LogRequest> {
        if self.asked.is_some() || geometry.height == 0 {
            return None;
        }
        let columns = if geometry.wrap {
            geometry.columns * WRAPPED_SCREENS
        } else {
            // A screen ahead, so that the next step to the right shows something.
            (self.column + 2 * geometry.columns).max(256)
        };
        let here = self.outline.place(self.top);
        let around = here.saturating_sub(geometry.height)..here + 2 * geometry.height;
        let seen = here..here + geometry.height;
        let covered = {
            let lines = self.outline.lines_in(seen);
            let window = self.window.first..self.window.first + self.window.lines.len();
            lines.is_empty() || (window.start <= lines.start && lines.end <= window.end)
        };
        let wide_enough = self.window.columns >= columns || !self.cut_in_sight(here, geometry);
        if covered && wide_enough && !self.stale {
            return None;
        }
        let (place, count) = if self.follow {
            (LogPlace::End, 3 * geometry.height)
        } else {
            let lines = self.outline.lines_in(around);
            (
                LogPlace::Line(lines.start),
                lines.len().max(geometry.height),
            )
        };
        *generation += 1;
        self.asked = Some(*generation);
        self.stale = false;
        self.read_until = self.until;
        self.window.columns = columns;
        Some(LogRequest {
            generation: *generation,
            sid: sid.clone(),
            log: log.clone(),
            place,
            count,
            columns,
            until: self.until,
        })
    }

    fn cut_in_sight(&self, here: usize, geometry: Geometry) -> bool {
        let lines = self.outline.lines_in(here..here + geometry.height);
        lines
            .into_iter()
            .any(|number| self.line(number).is_some_and(|line| line.line.cut))
    }

    /// Returns how many rows an item takes.
    fn rows_of(&self, item: Item, geometry: Geometry) -> usize {
        match item {
            Item::Line(number) if geometry.wrap => self
                .line(number)
                .map_or(1, |line| log_text::rows(&line.line, geometry.columns)),
            _ => 1,
        }
    }

    /// Returns the place and row at which the end is at the bottom of the screen.
    fn last_top(&self, geometry: Geometry) -> (usize, usize) {
        let mut left = geometry.height;
        let mut place = self.outline.len();
        while place > 0 {
            let Some(item) = self.outline.item(place - 1) else {
                break;
            };
            let rows = self.rows_of(item, geometry);
            if rows >= left {
                return (place - 1, rows - left);
            }
            left -= rows;
            place -= 1;
        }
        (0, 0)
    }

    fn place(&self) -> (usize, usize) {
        (self.outline.place(self.top), self.sub)
    }

    fn set_place(&mut self, (place, sub): (usize, usize)) {
        if let Some(item) = self.outline.item(place) {
            self.top = item;
            self.sub = sub;
        }
    }

    /// Keeps the position inside the log, and at its end while it is followed.
    pub fn settle(&mut self, geometry: Geometry) {
        if self.outline.is_empty() {
            self.sub = 0;
            return;
        }
        let last = self.last_top(geometry);
        let mut here = self.place();
        if let Some(item) = self.outline.item(here.0) {
            here.1 = here.1.min(self.rows_of(item, geometry) - 1);
        }
        if self.follow || here > last {
            here = last;
        }
        self.set_place(here);
    }

    /// Returns the rows on the screen.
    pub fn rows(&self, geometry: Geometry) -> Vec<Row> {
        let (mut place, mut sub) = self.place();
        let mut rows = Vec::with_capacity(geometry.height);
        while rows.len() < geometry.height {
            let Some(item) = self.outline.item(place) else {
                break;
            };
            let count = self.rows_of(item, geometry);
            while sub < count && rows.len() < geometry.height {
                rows.push(Row { item, sub });
                sub += 1;
            }
            place += 1;
            sub = 0;
        }
        rows
    }

    /// Scrolls by rows; up pauses following, the end resumes nothing.
    pub fn scroll(&mut self, by: isize, geometry: Geometry) {
        if by < 0 {
            self.pause();
        }
        let (mut place, mut sub) = self.place();
        let mut left = by.unsigned_abs();
        while left > 0 {
            if by < 0 {
                if sub > 0 {
                    sub -= 1;
                } else if place > 0 {
                    place -= 1;
                    let item = self.outline.item(place);
                    sub = item.map_or(1, |item| self.rows_of(item, geometry)) - 1;
                } else {
                    break;
                }
            } else {
                let item = self.outline.item(place);
                let Some(item) = item else { break };
                if sub + 1 < self.rows_of(item, geometry) {
                    sub += 1;
                } else if place + 1 < self.outline.len() {
                    place += 1;
                    sub = 0;
                } else {
                    break;
                }
            }
            left -= 1;
        }
        self.set_place((place, sub));
        self.settle(geometry);
    }

    /// Stops following.
    pub fn pause(&mut self) {
        if self.follow {
            self.follow = false;
            self.paused_at = Some(self.total);
        }
    }

    /// Follows the log again.
    pub fn resume(&mut self, geometry: Geometry) {
        self.follow = true;
        self.paused_at = None;
        self.settle(geometry);
    }

    /// Goes to the first row.
    pub fn to_top(&mut self, geometry: Geometry) {
        self.pause();
        self.set_place((0, 0));
        self.settle(geometry);
    }

    /// Shows a place with some rows above it, and leaves the screen alone when it is in sight.
    pub fn show(&mut self, place: usize, above: usize, geometry: Geometry) {
        self.pause();
        let here = self.outline.place(self.top);
        let rows = self.rows(geometry);
        let in_sight = rows
            .iter()
            .skip(1)
            .rev()
            .skip(1)
            .any(|row| self.outline.place(row.item) == place);
        if !(in_sight && place > here) {
            self.set_place((place.saturating_sub(above), 0));
            self.settle(geometry);
        }
    }

    /// Puts a place into the top row.
    pub fn put_on_top(&mut self, place: usize, geometry: Geometry) {
        self.pause();
        self.set_place((place, 0));
        self.settle(geometry);
    }

    /// Returns the place of the top row.
    pub fn top_place(&self) -> usize {
        self.outline.place(self.top)
    }

    /// Returns the numbers of the lines on the screen.
    pub fn lines_in_sight(&self, geometry: Geometry) -> Range<usize> {
        let here = self.top_place();
        self.outline.lines_in(here..here + geometry.height)
    }
}
