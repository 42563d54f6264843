//! The row that says which moment of a build's past is shown:
//!
//! ```text
//!  ▶ ×10    1:02 / 4:10        ├━━━━━┼━━━━━━━●───✗─────┤
//! ```
//!
//! To the right is the time of the build, with marks where jobs began, ended and failed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::layout::track;
use crate::app::playback::{Mark, Playback, stopwatch};
use crate::app::state::State;

use super::Ui;

impl Ui {
    pub(super) fn scrubber(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        let Some(playback) = &state.view().playback else {
            return;
        };
        let styles = &self.styles;
        let total = playback.end().saturating_sub(playback.begin());
        let shown = playback.at().saturating_sub(playback.begin());
        let track = track(area);
        let text = Rect {
            width: track.x.saturating_sub(area.x),
            ..area
        };
        let mut row = self.row(buffer, text);
        row.put(" ", styles.text);
        if playback.plays() {
            row.put(self.glyphs.play, styles.running);
        } else {
            row.put(self.glyphs.held, styles.warn);
        }
        let speed = playback.speed.to_string().replace('×', self.glyphs.times);
        row.put(&format!(" {speed:6} "), styles.text);
        row.put(&stopwatch(shown, total), styles.strong);
        row.put(&format!(" / {}", stopwatch(total, total)), styles.dim);
        if playback.skip {
            row.put(" skip", styles.accent);
        }
        self.track(playback, track, buffer);
    }

    fn track(&self, playback: &Playback, area: Rect, buffer: &mut Buffer) {
        let width = usize::from(area.width);
        if width == 0 {
            return;
        }
        let (begin, end) = (playback.begin(), playback.end());
        let length = end.saturating_sub(begin).max(1) as f64;
        let column = |at: i64| {
            let part = at.saturating_sub(begin) as f64 / length;
            ((part.clamp(0.0, 1.0) * (width - 1) as f64).round() as usize).min(width - 1)
        };
        let knob = column(playback.at());
        // What there is to see in each column.
        let mut cells: Vec<Option<Mark>> = vec![None; width];
        let marks = playback.marks();
        let crowded = marks.len() > width / 2;
        for (at, mark) in marks {
            if crowded && mark != Mark::Failure {
                continue;
            }
            let cell = &mut cells[column(at)];
            *cell = (*cell).max(Some(mark));
        }
        let mut row = self.row(buffer, area);
        for (column, mark) in cells.into_iter().enumerate() {
            if column == knob {
                row.put(self.glyphs.knob, self.styles.accent);
                continue;
            }
            let past = column < knob;
            let style = if past {
                self.styles.accent
            } else {
                self.styles.rule
            };
            match mark {
                Some(Mark::Failure) => row.put(self.glyphs.failure, self.styles.bad),
                Some(Mark::Start) => row.put(self.glyphs.begins, style),
                Some(Mark::End) => row.put(self.glyphs.ends, style),
                None if past => row.put(self.glyphs.bar, style),
                None => row.put(self.glyphs.bar_empty, style),
            };
        }
    }
}
