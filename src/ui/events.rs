//! The events of a build or of a job: one row an event, and one event taken apart.
//!
//! ```text
//!     #  time          source  type         job      what
//!    17  14:03:59.120  script  job/queued   compile
//! ▌✗ 31  14:04:02.418  engine  job/end      compile  failure · exit 2
//!  ! 32  14:04:02.419  engine  tui/warning           no free space is left
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::app::build_view::Selected;
use crate::app::events::{self, Events, Tone};
use crate::app::layout::{Pane, content};
use crate::app::state::{State, has_heading};
use crate::app::text;
use crate::domain::Event;

use super::{Ui, line};

/// Columns for a type: `container/job-queued`.
const TYPE: usize = 20;

/// How many columns each part of a row has; a narrow pane leaves some parts out.
struct Columns {
    seq: usize,
    time: usize,
    source: usize,
    kind: usize,
    job: usize,
}

impl Columns {
    fn new(width: usize, last: u64, of: &Selected) -> Self {
        let (time, source, kind, job) = match width {
            0..56 => (8, 0, 15, 0),
            56..72 => (8, 0, 18, 0),
            72..100 => (8, 6, 18, 10),
            _ => (12, 6, TYPE, 16),
        };
        Self {
            seq: last.to_string().len().max(3),
            time,
            source,
            kind,
            job: if *of == Selected::Build { job } else { 0 },
        }
    }
}

impl Ui {
    pub(super) fn events(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        let view = state.view();
        let (events, of) = (&view.events, &view.selected);
        let rows = content(area);
        let height = state.event_rows();
        let count = events.len(of);
        let top = events.top(of, height);
        self.main_title(
            state,
            self.place_in(state, events, top, height),
            area,
            buffer,
        );
        if count == 0 {
            let said = if view.build.is_over() {
                "no event tells of it"
            } else {
                "no event tells of it yet"
            };
            self.row(buffer, line(rows, 0))
                .put(&format!("  {said}"), self.styles.dim);
            return;
        }
        let last = events.event(of, count - 1).map_or(0, |event| event.seq);
        let columns = Columns::new(rows.width.into(), last, of);
        let mut at = 0;
        if has_heading(rows.height.into()) {
            self.event_heading(&columns, line(rows, 0), buffer);
            at = 1;
        }
        let selected = events.selected(of);
        for row in top..count.min(top + height) {
            let Some(event) = events.event(of, row) else {
                break;
            };
            let place = line(rows, at);
            if row == selected {
                let style = if state.focus == Pane::Main {
                    self.styles.selected
                } else {
                    self.styles.selected_elsewhere
                };
                buffer.set_style(place, style);
            }
            self.event_row(state, event, &columns, row == selected, place, buffer);
            at += 1;
        }
    }

    /// Where the screen is among the events.
    fn place_in(
        &self,
        state: &State,
        events: &Events,
        top: usize,
        height: usize,
    ) -> Vec<Vec<(String, Style)>> {
        let of = &state.view().selected;
        let count = events.len(of);
        let mut parts = Vec::new();
        let since = events.since(of);
        if since > 0 {
            let told = format!("{since} new {}", self.glyphs.down);
            parts.push(vec![(told, self.styles.accent)]);
        }
        if let Some(search) = &state.search {
            let told = match search.count {
                Some((found, _)) if search.in_events => {
                    format!("/{} {}", search.text, text::count(found, "event"))
                }
                _ => format!("/{}", search.text),
            };
            let told = text::fit(&told, 24, self.glyphs.ellipsis);
            parts.push(vec![(told, self.styles.warn)]);
        }
        if count > height && !events.follow {
            let told = format!("{}-{} of {count}", top + 1, count.min(top + height));
            parts.push(vec![(told, self.styles.dim)]);
        } else {
            let told = text::count(count, "event");
            parts.push(vec![(told, self.styles.dim)]);
        }
        if events.gone() > 0 && *of == Selected::Build {
            let told = format!("{} older ones in the journal's file only", events.gone());
            parts.push(vec![(told, self.styles.warn)]);
        }
        parts
    }

    fn event_heading(&self, columns: &Columns, area: Rect, buffer: &mut Buffer) {
        let dim = self.styles.dim;
        let mut row = self.row(buffer, area);
        row.skip(2);
        row.put(&format!("{:>1$} ", "#", columns.seq), dim);
        row.column("time", columns.time + 1, dim);
        if columns.source > 0 {
            row.column("source", columns.source + 1, dim);
        }
        row.column("type", columns.kind + 1, dim);
        if columns.job > 0 {
            row.column("job", columns.job + 1, dim);
        }
    }

    fn event_row(
        &self,
        state: &State,
        event: &Event,
        columns: &Columns,
        selected: bool,
        area: Rect,
        buffer: &mut Buffer,
    ) {
        let styles = &self.styles;
        let (sign, style) = self.tone(events::tone(event));
        let mut row = self.row(buffer, area);
        let mark = if selected { self.glyphs.mark } else { " " };
        row.put(mark, styles.selection_mark);
        row.put(sign, style);
        row.put(&format!("{:>1$} ", event.seq, columns.seq), styles.dim);
        let mut time = events::clock(event.at(), state.utc_offset);
        time.truncate(columns.time);
        row.column(&time, columns.time, styles.dim).skip(1);
        if columns.source > 0 {
            row.column(events::source(event), columns.source, styles.dim)
                .skip(1);
        }
        row.column(event.type_name(), columns.kind, style).skip(1);
        let job = event.job_id.as_ref().map(ToString::to_string);
        if columns.job > 0 {
            row.column(&job.unwrap_or_default(), columns.job, styles.text)
                .skip(1);
        } else if state.view().selected == Selected::Build
            && let Some(job) = job
        {
            row.put(&format!("{job} "), styles.text);
        }
        row.put(&events::what(event, self.glyphs.dot), style_of_text(style));
    }

    /// The sign and the style of an event: what matters is not told by its colour alone.
    fn tone(&self, tone: Tone) -> (&'static str, Style) {
        let styles = &self.styles;
        match tone {
            Tone::Plain => (" ", styles.text),
            Tone::Good => (self.glyphs.success, styles.good),
            Tone::Warn => (
                self.glyphs.warning,
                styles.warn.add_modifier(Modifier::BOLD),
            ),
            Tone::Bad => (self.glyphs.failure, styles.bad.add_modifier(Modifier::BOLD)),
        }
    }

    /// One event, taken apart.
    pub(super) fn event(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        let Some(open) = &state.view().events.open else {
            return;
        };
        let event = &open.event;
        let (sign, style) = self.tone(events::tone(event));
        let focused = state.focus == Pane::Main;
        let mut left = vec![
            (format!("event {}", event.seq), self.name_style(focused)),
            (format!("  {sign} {}", event.type_name()), style),
        ];
        if let Some(job) = &event.job_id {
            left.push((format!("  {job}"), self.styles.text));
        }
        self.title(area, focused, &left, &[], buffer);
        self.page(state, &open.page, content(area), buffer);
    }
}

/// The words beside a type are read, so they are not bold.
fn style_of_text(style: Style) -> Style {
    style.remove_modifier(Modifier::BOLD)
}
