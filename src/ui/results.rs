//! The named results of a build, what was read through the script API, and the value that is selected.
//!
//! ```text
//!   kind    name             size  type             by
//! ▌ result  coverage         12 B  application/edn  unit-tests
//!   read    secret npm-token                        the script
//!  coverage ────────────────────────────────────────────────────
//!   {:lines 80}
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::build_view::Selected;
use crate::app::layout::{Pane, content};
use crate::app::page::Page;
use crate::app::results::{self, ResultRow};
use crate::app::{State, text};

use super::{Ui, line};

impl Ui {
    pub(super) fn results(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        let styles = &self.styles;
        let view = state.view();
        let all = results::rows(view);
        self.main_title(state, Vec::new(), area, buffer);
        let rows = content(area);
        if all.is_empty() {
            let said = match (&view.selected, view.build.is_over()) {
                (Selected::Job(_), _) => {
                    "this job has neither stored a result nor read a secret; those of others: the build's row"
                }
                (Selected::Script, _) => {
                    "the script itself has neither stored a result nor read a secret; its jobs' are on the build's row"
                }
                (_, true) => "nothing was stored by name, and nothing was read",
                (_, false) => "nothing was stored by name or read yet",
            };
            self.row(buffer, line(rows, 0))
                .put(&format!("  {said}"), styles.dim);
            return;
        }
        let room = usize::from(rows.width);
        let names = all.iter().map(|row| text::width(&row.name())).max();
        let names = names.unwrap_or_default().clamp(4, (room / 3).max(4));
        let types = if room >= 72 { 18 } else { 0 };
        let mut head = self.row(buffer, line(rows, 0));
        head.skip(2);
        head.column("kind", 8, styles.dim);
        head.column("name", names + 2, styles.dim);
        head.column(&format!("{:>8}", "size"), 10, styles.dim);
        if types > 0 {
            head.column("type", types + 2, styles.dim);
        }
        head.put("by", styles.dim);
        let selected = view.results.selected(all.len());
        let shown = state.result_rows();
        for (number, what) in all.iter().enumerate().skip(view.results.top).take(shown) {
            let place = line(rows, 1 + number - view.results.top);
            if number == selected {
                let style = if state.focus == Pane::Main {
                    styles.selected
                } else {
                    styles.selected_elsewhere
                };
                buffer.set_style(place, style);
            }
            let mut row = self.row(buffer, place);
            let mark = if number == selected {
                self.glyphs.mark
            } else {
                " "
            };
            row.put(mark, styles.selection_mark).skip(1);
            let (kind, size, media_type) = match what {
                ResultRow::Stored(result) => (
                    "result",
                    text::bytes(result.size),
                    result.media_type.as_str(),
                ),
                ResultRow::Read(_) => ("read", String::new(), ""),
            };
            row.column(kind, 8, styles.dim);
            row.column(&what.name(), names, styles.strong).skip(2);
            row.column(&format!("{size:>8}"), 10, styles.text);
            if types > 0 {
                row.column(media_type, types, styles.dim).skip(2);
            }
            row.put(&what.by(), styles.text);
        }
        let below = Rect {
            y: rows.y + (1 + shown) as u16,
            height: rows.height.saturating_sub((1 + shown) as u16),
            ..rows
        };
        let Some(what) = all.get(selected).filter(|_| below.height > 1) else {
            return;
        };
        let name = vec![(what.name(), styles.title)];
        self.title(below, false, &name, &[], buffer);
        let inside = content(below);
        match what {
            ResultRow::Stored(_) => self.value(state, inside, buffer),
            ResultRow::Read(read) => {
                let at = read.time.map(|at| text::clock(at, state.utc_offset));
                let told = format!(
                    "read by {}, first at {}; what it says is not kept",
                    what.by(),
                    at.unwrap_or_default()
                );
                self.row(buffer, line(inside, 0))
                    .put(&format!("  {told}"), styles.dim);
            }
        }
    }

    /// The value of a result, on the whole pane.
    pub(super) fn result(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        let focused = state.focus == Pane::Main;
        let name = state.view().results.value.as_ref();
        let name = name.map_or_else(String::new, |value| value.name.clone());
        let left = vec![(format!("result {name}"), self.name_style(focused))];
        self.title(area, focused, &left, &[], buffer);
        self.value(state, content(area), buffer);
    }

    /// What differs between the build and another one.
    pub(super) fn comparison(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        let focused = state.focus == Pane::Main;
        let left = vec![("compare".to_owned(), self.name_style(focused))];
        self.title(area, focused, &left, &[], buffer);
        let rows = content(area);
        let compared = state.view().compared.as_ref();
        match compared.and_then(|compared| compared.page.as_ref()) {
            Some(page) => self.page(state, page, rows, buffer),
            None => {
                self.row(buffer, line(rows, 0))
                    .put("  comparing …", self.styles.dim);
            }
        }
    }

    fn value(&self, state: &State, rows: Rect, buffer: &mut Buffer) {
        let value = state.view().results.value.as_ref();
        let Some(page) = value.and_then(|value| value.page.as_ref()) else {
            self.row(buffer, line(rows, 0))
                .put("  reading …", self.styles.dim);
            return;
        };
        self.page(state, page, rows, buffer);
    }

    /// The lines of a page.
    pub(super) fn page(&self, state: &State, page: &Page, rows: Rect, buffer: &mut Buffer) {
        let shown = page.rows(state.text_columns(), rows.height.into());
        for (at, (number, text)) in shown.iter().enumerate() {
            let place = line(rows, at);
            if page.mark == Some(*number) {
                buffer.set_style(place, self.styles.marked_line);
            }
            self.doc_line(state, text, place, buffer);
        }
    }
}
