//! What a job, or the whole build, has left behind.
//!
//! ```text
//!   kind      id          size   job     path
//! ▌ artifact  binary    12 kB    link    build/calc
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::layout::{Pane, content};
use crate::app::{State, text};
use crate::domain::BlobKind;

use super::{Ui, line};

impl Ui {
    pub(super) fn artifacts(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        self.main_title(state, Vec::new(), area, buffer);
        let styles = &self.styles;
        let rows = content(area);
        let view = state.view();
        let blobs = state.blobs();
        if blobs.is_empty() {
            let said = if view.build.is_over() {
                "nothing was left behind"
            } else {
                "nothing was left behind yet"
            };
            self.row(buffer, line(rows, 0))
                .put(&format!("  {said}"), styles.dim);
            return;
        }
        let room = usize::from(rows.width).saturating_sub(2);
        let ids = blobs.iter().map(|(_, blob)| text::width(&blob.id)).max();
        let ids = ids.unwrap_or_default().clamp(4, (room / 3).max(4));
        let jobs = blobs
            .iter()
            .map(|(job, _)| text::width(&job.to_string()))
            .max();
        let jobs = jobs.unwrap_or_default().clamp(3, (room / 5).max(3));
        let mut head = self.row(buffer, line(rows, 0));
        head.skip(2);
        for (name, columns) in [("kind", 10), ("id", ids + 2)] {
            head.column(name, columns, styles.dim);
        }
        head.column(&format!("{:>8}", "size"), 10, styles.dim);
        head.column("job", jobs + 2, styles.dim);
        head.put("path", styles.dim);

        let focused = state.focus == Pane::Main;
        let chosen = view.blob.as_ref();
        let place = chosen.and_then(|(job, kind, id)| {
            blobs
                .iter()
                .position(|(of, blob)| *of == job && blob.kind == *kind && blob.id == *id)
        });
        let place = place.unwrap_or_default();
        for at in 1..usize::from(rows.height) {
            let number = view.blob_top + at - 1;
            let Some((job, blob)) = blobs.get(number) else {
                break;
            };
            let area = line(rows, at);
            let selected = number == place;
            if selected {
                let style = if focused {
                    styles.selected
                } else {
                    styles.selected_elsewhere
                };
                buffer.set_style(area, style);
            }
            let mut row = self.row(buffer, area);
            let mark = if selected { self.glyphs.mark } else { " " };
            row.put(mark, styles.selection_mark).skip(1);
            let kind = match blob.kind {
                BlobKind::Artifact => "artifact",
                BlobKind::Cache => "cache",
            };
            row.column(kind, 10, styles.dim);
            row.column(&blob.id, ids, styles.strong).skip(2);
            let size = match blob.size {
                0 => "?".to_owned(),
                size => text::bytes(size),
            };
            row.column(&format!("{size:>8}"), 10, styles.text);
            row.column(&job.to_string(), jobs, styles.text).skip(2);
            row.put(&blob.path, styles.dim);
        }
    }
}
