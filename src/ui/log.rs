//! The log of a job.
//!
//! ```text
//! ▌test  running 3s ──────────────── 12 new ▼  1 log  5 artifacts
//!  ▸ $ make test                                        ✓ exit 0  2.1s
//!    text of the program, in its own colours
//! ▶▏text of the standard error, at the line that a search led to
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::build_view::Selected;
use crate::app::layout::{Pane, content};
use crate::app::state::{Tab, Times};
use crate::app::{Geometry, Heading, Item, LogView, Row, State, text, why};
use crate::app::{log_text, results, usage};
use crate::domain::{CommandState, JobState, JobStatus};
use crate::logs::{Search, Stream};

use super::jobs::selected_name;
use super::{Ui, line};

impl Ui {
    pub(super) fn log(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        let Some(log) = state.log() else {
            self.main_title(state, Vec::new(), area, buffer);
            return;
        };
        let job = state.job();
        let geometry = state.geometry();
        self.main_title(state, self.position(state, log, geometry), area, buffer);
        let mut rows = content(area);
        for text in state.above_log(rows.width.into()) {
            let mut place = line(rows, 0);
            place.x += 1;
            place.width = place.width.saturating_sub(1);
            self.doc_line(state, &text, place, buffer);
            rows = below(rows);
        }
        if let Some(reason) = &log.unreadable {
            self.row(buffer, line(rows, 0))
                .put(&format!(" {reason}"), self.styles.bad);
            return;
        }
        if log.outline.is_empty() {
            let said = if !log.known {
                "reading …"
            } else if job.map_or(state.view().build.is_over(), JobState::is_over) {
                "it wrote nothing"
            } else {
                "nothing written yet"
            };
            self.row(buffer, line(rows, 0))
                .put(&format!("  {said}"), self.styles.dim);
            return;
        }
        let search = state
            .search
            .as_ref()
            .map(|search| Search::new(&search.text));
        for (at, row) in log.rows(geometry).into_iter().enumerate() {
            let place = line(rows, at);
            match row.item {
                Item::Heading(heading, _) => {
                    if let Some(job) = job {
                        self.heading(state, job, heading, place, buffer);
                    }
                }
                Item::Remark(number) => {
                    let status = job.map(|job| job.status.clone());
                    let status = status.unwrap_or_else(|| why::script_status(&state.view().build));
                    self.remark(&status, log, number, place, buffer);
                }
                Item::Line(number) => {
                    self.log_line(state, log, (row, number), search.as_ref(), place, buffer);
                }
            }
        }
    }

    /// The title of the main pane: what is selected, what may be shown of it, and `extra`.
    pub(super) fn main_title(
        &self,
        state: &State,
        extra: Vec<Vec<(String, Style)>>,
        area: Rect,
        buffer: &mut Buffer,
    ) {
        let styles = &self.styles;
        let focused = state.focus == Pane::Main;
        let view = state.view();
        let mut left = vec![(selected_name(state), self.name_style(focused))];
        if let Some(job) = state.job()
            && state.shows_build()
        {
            let turn = self.turn(state, job.start_time);
            let glyph = self.glyphs.job(&job.status, turn);
            left.push((format!("  {glyph} {}", job.status), styles.job(&job.status)));
            if let Some(ms) = job.elapsed(view.until(state.now)) {
                let time = if job.is_over() {
                    text::duration(ms)
                } else {
                    text::elapsed(ms)
                };
                left.push((format!(" {time}"), styles.dim));
            }
        }
        if view.selected == Selected::Script {
            let status = why::script_status(&view.build);
            let turn = self.turn(state, view.build.script_start);
            let glyph = self.glyphs.job(&status, turn);
            left.push((format!("  {glyph} {status}"), styles.job(&status)));
        }
        let mut right = Vec::new();
        if state.shows_build() {
            let used: usize = left.iter().map(|part| text::width(&part.0)).sum();
            let room = usize::from(area.width).saturating_sub(used + 8);
            let usage = state.job().and_then(usage::now).unwrap_or_default();
            // What a job uses needs room more than names of tabs do, but not more than their keys.
            let narrow = wide(&self.tabs(state, 0)) + text::width(&usage) + 2;
            let room = if !usage.is_empty() && narrow <= room {
                let taken = text::width(&usage) + 2;
                left.push((format!("  {usage}"), styles.dim));
                room - taken
            } else {
                room
            };
            right.push(self.tabs(state, room));
        }
        right.extend(extra);
        self.title(area, focused, &left, &right, buffer);
    }

    /// What may be shown of what is selected: by name where there is room, else by key.
    fn tabs(&self, state: &State, room: usize) -> Vec<(String, Style)> {
        let styles = &self.styles;
        let count = state.blobs().len();
        let artifacts = if count > 0 {
            format!("artifacts ({count})")
        } else {
            "artifacts".to_owned()
        };
        let results = match results::stored(state.view()).count() {
            0 => "results".to_owned(),
            count => format!("results ({count})"),
        };
        let tabs = [
            (Tab::Log, "1", "log"),
            (Tab::Artifacts, "5", artifacts.as_str()),
            (Tab::Results, "6", results.as_str()),
            (Tab::Events, "8", "events"),
            (Tab::Details, "9", "details"),
        ];
        // Details last, and without a name first: whoever looks for them reads a job's log.
        let all = |names: bool, details: bool| {
            let mut parts: Vec<(String, Style)> = Vec::new();
            for (tab, key, name) in tabs {
                if !parts.is_empty() {
                    parts.push((if names { "  " } else { " " }.to_owned(), styles.text));
                }
                let active = state.tab == tab;
                parts.push((key.to_owned(), styles.tab));
                if (names && (details || tab != Tab::Details)) || active {
                    let style = if active {
                        styles.tab_active
                    } else {
                        styles.tab
                    };
                    parts.push((format!(" {name}"), style));
                }
            }
            parts
        };
        let [named, most] = [all(true, true), all(true, false)];
        match room {
            _ if wide(&named) <= room => named,
            _ if wide(&most) <= room => most,
            _ => all(false, false),
        }
    }

    /// Where the screen is in the log.
    fn position(
        &self,
        state: &State,
        log: &LogView,
        geometry: Geometry,
    ) -> Vec<Vec<(String, Style)>> {
        let mut parts = Vec::new();
        if !log.follow {
            let since = log.since();
            if since > 0 {
                let told = format!("{since} new {}", self.glyphs.down);
                parts.push(vec![(told, self.styles.accent)]);
            }
            let most = log.outline.len().saturating_sub(geometry.height);
            // Nothing to say when all of it is in sight.
            if let Some(percent) = (log.top_place() * 100).checked_div(most) {
                let percent = percent.min(100);
                parts.push(vec![(format!("{percent}%"), self.styles.dim)]);
            }
        }
        if let Some(search) = &state.search {
            let told = match search.count {
                _ if search.in_events => format!("/{}", search.text),
                Some((lines, true)) => format!("/{} {}", search.text, text::count(lines, "line")),
                Some((lines, false)) => format!("/{} {lines}…", search.text),
                None => format!("/{}", search.text),
            };
            parts.push(vec![(
                text::fit(&told, 24, self.glyphs.ellipsis),
                self.styles.warn,
            )]);
        }
        parts
    }

    /// The heading of a command.
    fn heading(
        &self,
        state: &State,
        job: &JobState,
        heading: Heading,
        area: Rect,
        buffer: &mut Buffer,
    ) {
        let styles = &self.styles;
        let ground = Rect {
            width: area.width.saturating_sub(1),
            ..area
        };
        buffer.set_style(ground, styles.section);
        let mut row = self.row(buffer, ground);
        let command = job
            .commands
            .iter()
            .find(|command| command.index == heading.command);
        if !heading.again
            && let Some(command) = command
        {
            row.right(&self.outcome(state, job, command), 20);
        }
        row.put(" ", styles.text);
        row.put(self.glyphs.section, styles.accent);
        row.put(" $ ", styles.dim);
        let script = job.job.script.get(heading.command).map(String::as_str);
        let mut lines = script.unwrap_or_default().trim().lines();
        match lines.next() {
            Some(first) => row.put(first, styles.strong),
            None => row.put(&format!("command {}", heading.command + 1), styles.strong),
        };
        if lines.next().is_some() {
            row.put(&format!(" {}", self.glyphs.ellipsis), styles.dim);
        }
        if heading.again {
            row.put(" (goes on)", styles.dim);
        }
    }

    /// How a command ended, or how long it runs.
    fn outcome(
        &self,
        state: &State,
        job: &JobState,
        command: &CommandState,
    ) -> Vec<(String, Style)> {
        let styles = &self.styles;
        let view = state.view();
        let end = command
            .end_time
            .or(job.end_time)
            .unwrap_or(view.until(state.now));
        let took = command
            .start_time
            .map(|start| end.saturating_sub(start).max(0));
        let mut parts = vec![(" ".to_owned(), styles.text)];
        if command.ended {
            match command.exit {
                Some(0) | None => parts.push((format!("{} ", self.glyphs.success), styles.good)),
                Some(exit) => {
                    let told = format!("{} exit {exit} ", self.glyphs.failure);
                    parts.push((told, styles.bad));
                }
            }
            let took = took.map(text::duration).unwrap_or_default();
            parts.push((format!("{took} "), styles.dim));
        } else if !job.is_over() {
            let turn = self.turn(state, command.start_time);
            let glyph = self.glyphs.running[turn % self.glyphs.running.len()];
            let took = took.map(text::elapsed).unwrap_or_default();
            parts.push((format!("{glyph} "), styles.running));
            parts.push((format!("{took} "), styles.dim));
        }
        parts
    }

    /// What became of the job.
    fn remark(
        &self,
        status: &JobStatus,
        log: &LogView,
        number: usize,
        area: Rect,
        buffer: &mut Buffer,
    ) {
        let Some(remark) = log.outline.remarks().get(number) else {
            return;
        };
        let style = self.styles.job(status);
        let mut row = self.row(buffer, area);
        if number == 0 {
            row.put(" ", self.styles.text);
            row.put(self.glyphs.job(status, 0), style);
            row.put(" ", self.styles.text);
        } else {
            row.put("   ", self.styles.text);
        }
        row.put(remark, style);
    }

    fn log_line(
        &self,
        state: &State,
        log: &LogView,
        (row, number): (Row, usize),
        search: Option<&Search>,
        area: Rect,
        buffer: &mut Buffer,
    ) {
        let styles = &self.styles;
        let geometry = state.geometry();
        let marked = log.mark == Some(number);
        if marked {
            buffer.set_style(area, styles.marked_line);
        }
        let mut out = self.row(buffer, area);
        let Some(line) = log.line(number) else {
            return;
        };
        let first = row.sub == 0;
        let time = match state.show.times {
            Times::Off => String::new(),
            Times::Clock => {
                let time = line
                    .ms
                    .filter(|_| first)
                    .map(|ms| text::clock(ms, state.utc_offset));
                format!("{:>8} ", time.unwrap_or_default())
            }
            Times::SinceStart => {
                let start = match state.job() {
                    Some(job) => job.start_time,
                    None => state.view().build.script_start,
                };
                let since = line
                    .ms
                    .filter(|_| first)
                    .zip(start)
                    .map(|(ms, start)| since(ms.saturating_sub(start)));
                format!("{:>7} ", since.unwrap_or_default())
            }
        };
        out.put(&time, styles.gutter);
        if marked && first {
            out.put(self.glyphs.line_mark, styles.accent);
        } else {
            out.put(" ", styles.text);
        }
        match line.stream {
            Stream::Err => out.put(self.glyphs.stderr, styles.stderr_mark),
            Stream::Out | Stream::System => out.put(" ", styles.text),
        };
        let hits = match search {
            Some(search) if !search.is_empty() => search.matches_in(&line.line.text()),
            _ => Vec::new(),
        };
        let pieces = log_text::pieces(&line.line, &hits);
        let shown = if geometry.wrap {
            log_text::wrapped(&pieces, row.sub, geometry.columns)
        } else {
            log_text::cut(&pieces, log.column, geometry.columns)
        };
        for piece in shown {
            let style = if piece.hit {
                styles.hit
            } else if line.stream == Stream::System {
                styles.system
            } else {
                styles.of_log(piece.style)
            };
            out.put(&piece.text, style);
        }
        let wide: usize = pieces.iter().map(|piece| text::width(&piece.text)).sum();
        let cut = !geometry.wrap && (line.line.cut || wide > log.column + geometry.columns);
        if cut {
            let end = Rect {
                x: area.right().saturating_sub(1),
                width: area.width.min(1),
                ..area
            };
            self.row(buffer, end).put(self.glyphs.ellipsis, styles.dim);
        }
    }
}

/// How many columns parts of a line take.
fn wide(parts: &[(String, Style)]) -> usize {
    parts.iter().map(|part| text::width(&part.0)).sum()
}

/// An area without its first row.
fn below(area: Rect) -> Rect {
    let taken = area.height.min(1);
    Rect {
        y: area.y + taken,
        height: area.height - taken,
        ..area
    }
}

/// A moment in the life of a job: `3.2s`, `1m02.3s`.
fn since(ms: i64) -> String {
    let ms = ms.max(0);
    let (minutes, seconds, tenths) = (ms / 60_000, ms / 1000 % 60, ms % 1000 / 100);
    if minutes == 0 {
        format!("{seconds}.{tenths}s")
    } else if minutes < 60 {
        format!("{minutes}m{seconds:02}s")
    } else {
        format!("{}h{:02}m", minutes / 60, minutes % 60)
    }
}
