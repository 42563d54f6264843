//! Draws the state, and changes nothing: selection and scrolling are in [`State`], areas are worked
//! out by `app::layout`, and what a job waits for or a build is called is said by `app`.
//!
//! Start reading at [`Ui::render`]. Each file draws one part of the screen; `styles` and `glyphs` say
//! what the parts look like, `svg` turns a drawn screen into a picture.

mod artifacts;
mod builds;
mod dialogs;
mod doc;
mod events;
mod footer;
mod glyphs;
mod header;
mod jobs;
mod log;
mod pane;
mod results;
mod row;
mod scrubber;
mod shell;
mod styles;
pub mod svg;
#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::layout::SMALLEST;
use crate::app::state::MainView;
use crate::app::{State, text};
use crate::config::Look;

pub use glyphs::Glyphs;
pub use styles::Styles;

use row::Row;

/// What drawing needs besides the state: worked out once.
#[derive(Debug, Clone)]
pub struct Ui {
    styles: Styles,
    glyphs: Glyphs,
    reduced_motion: bool,
}

impl Ui {
    /// Works out styles and glyphs.
    pub fn new(look: Look) -> Self {
        Self {
            styles: Styles::new(look),
            glyphs: Glyphs::new(look.glyphs),
            reduced_motion: look.reduced_motion,
        }
    }

    /// Draws the state on the whole frame, which has the size that the state knows of; one that
    /// has not (a resize is on its way) is drawn as far as it goes.
    pub fn render(&self, state: &State, frame: &mut Frame<'_>) {
        self.draw(state, frame.buffer_mut());
    }

    /// As [`Ui::render`], into a buffer: for pictures.
    pub fn draw(&self, state: &State, buffer: &mut Buffer) {
        let areas = state.areas();
        if areas.too_small {
            self.too_small(state, buffer);
            return;
        }
        self.header(state, areas.header, buffer);
        if let Some(rule) = areas.rule {
            self.rule(rule, areas.builds.map(|builds| builds.y), buffer);
        }
        if let Some(jobs) = areas.jobs {
            self.jobs(state, jobs, buffer);
        }
        if let Some(builds) = areas.builds {
            self.builds(state, builds, buffer);
        }
        if let (Some(main), Some(shell)) = (areas.main, &state.shell) {
            self.shell(state, shell, main, buffer);
        } else if let Some(main) = areas.main {
            match state.main_view() {
                MainView::Log => self.log(state, main, buffer),
                MainView::Artifacts => self.artifacts(state, main, buffer),
                MainView::Results => self.results(state, main, buffer),
                MainView::Result => self.result(state, main, buffer),
                MainView::Events => self.events(state, main, buffer),
                MainView::Event => self.event(state, main, buffer),
                MainView::Comparison => self.comparison(state, main, buffer),
                MainView::Doc => self.doc(state, main, buffer),
            }
        }
        if let Some(scrubber) = areas.scrubber {
            self.scrubber(state, scrubber, buffer);
        }
        self.footer(state, areas.footer, buffer);
        self.dialog(state, buffer);
    }

    /// Which picture of something that turns: one a second.
    fn turn(&self, state: &State, since: Option<i64>) -> usize {
        if self.reduced_motion {
            return 0;
        }
        let now = state.view().moment().unwrap_or(state.now);
        let seconds = now.saturating_sub(since.unwrap_or_default()).max(0) / 1000;
        usize::try_from(seconds).unwrap_or_default()
    }

    /// The line between the columns, joined to the titles beside it.
    fn rule(&self, area: Rect, title: Option<u16>, buffer: &mut Buffer) {
        for y in area.top()..area.bottom() {
            let sign = if y == area.y {
                self.glyphs.tee_down
            } else if Some(y) == title {
                self.glyphs.tee_left
            } else {
                self.glyphs.vertical
            };
            self.row(
                buffer,
                Rect {
                    y,
                    height: 1,
                    ..area
                },
            )
            .put(sign, self.styles.rule);
        }
    }

    fn too_small(&self, state: &State, buffer: &mut Buffer) {
        let (width, height) = state.size;
        let view = state.view();
        let mut lines = vec![format!("{}×{} is too small", width, height)];
        lines.push(format!("needs {}×{}", SMALLEST.0, SMALLEST.1));
        if state.shows_build() {
            lines.push(format!("build {}", view.build.status));
        }
        if width < 20 {
            lines.insert(0, "too small".to_owned());
        }
        let top = usize::from(height).saturating_sub(lines.len()) / 2;
        for (at, line) in lines.iter().enumerate().take(height.into()) {
            let columns = text::width(line);
            let left = usize::from(width).saturating_sub(columns) / 2;
            let area = Rect::new(left as u16, (top + at) as u16, width - left as u16, 1);
            let style = if at == 0 {
                self.styles.strong
            } else {
                self.styles.dim
            };
            self.row(buffer, area).put(line, style);
        }
    }

    fn row<'a>(&self, buffer: &'a mut Buffer, area: Rect) -> Row<'a> {
        Row::new(buffer, area, self.glyphs.ellipsis)
    }
}

/// A row of an area, counted from 0.
fn line(area: Rect, number: usize) -> Rect {
    let number = number.min(u16::MAX.into()) as u16;
    Rect {
        y: area.y.saturating_add(number),
        height: u16::from(number < area.height),
        ..area
    }
}
