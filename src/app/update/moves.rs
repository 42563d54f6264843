//! What moves a selection or a screen.

use crate::app::build_view::Selected;
use crate::app::layout::{Pane, content, track};
use crate::app::msg::LogRows;
use crate::app::outline::Owner;
use crate::app::page::Page;
use crate::app::results;
use crate::app::state::{Dialog, MainView, State, Tab, has_heading};

use super::{doc_rows, help_height, with_log};

/// Columns of one step sideways.
const SIDEWAYS: usize = 8;
/// Rows of one notch of the wheel.
const NOTCH: isize = 3;

/// How far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Rows(isize),
    HalfPages(isize),
    Pages(isize),
    ToTop,
    ToBottom,
}

impl By {
    /// The distance in rows of a pane.
    fn rows(self, height: usize) -> isize {
        let height = height.max(1) as isize;
        match self {
            Self::Rows(rows) => rows,
            Self::HalfPages(count) => count * (height / 2).max(1),
            // Two rows of the page before stay in sight.
            Self::Pages(count) => count * (height - 2).max(1),
            Self::ToTop => isize::MIN / 2,
            Self::ToBottom => isize::MAX / 2,
        }
    }
}

/// Moves what has the focus up or down.
pub(super) fn vertically(state: &mut State, by: By) {
    if let Some(Dialog::Help(top)) = state.dialog {
        let rows = by.rows(help_height(state));
        state.dialog = Some(Dialog::Help(top.saturating_add_signed(rows)));
        return;
    }
    match state.focus {
        Pane::Jobs => {
            let rows = by.rows(state.rows_of(Pane::Jobs));
            let view = state.view();
            let place = moved(view.place(), rows, view.rows());
            select(state, place);
        }
        Pane::Builds => {
            let rows = by.rows(state.rows_of(Pane::Builds));
            let builds = state.build_rows();
            let here = builds.iter().position(|row| row.sid == state.builds_cursor);
            let place = moved(here.unwrap_or_default(), rows, builds.len());
            if let Some(row) = builds.into_iter().nth(place) {
                state.builds_cursor = row.sid;
            }
        }
        Pane::Main => main_vertically(state, by),
    }
}

fn main_vertically(state: &mut State, by: By) {
    let geometry = state.geometry();
    let rows = by.rows(geometry.height);
    match state.main_view() {
        MainView::Log => {
            state.view_mut().auto = false;
            with_log(state, |log| match by {
                By::ToTop => log.to_top(geometry),
                By::ToBottom => log.resume(geometry),
                _ => log.scroll(rows, geometry),
            });
        }
        MainView::Artifacts => {
            let blobs = state.blobs();
            let place = moved(blob_place(state), rows, blobs.len());
            let chosen = blobs
                .get(place)
                .map(|(job, blob)| ((*job).clone(), blob.kind, blob.id.clone()));
            state.view_mut().blob = chosen;
        }
        MainView::Results => {
            let rows = by.rows(state.result_rows());
            let view = state.view_mut();
            let count = results::rows(view).len();
            view.results.cursor = moved(view.results.selected(count), rows, count);
        }
        MainView::Result => {
            let columns = state.text_columns();
            if let Some(page) = page(state) {
                page.scroll(rows, columns, geometry.height);
            }
        }
        MainView::Events => {
            let height = state.event_rows();
            let rows = by.rows(height);
            let view = state.view_mut();
            let (events, of) = (&mut view.events, &view.selected);
            if by == By::ToBottom {
                events.resume();
            } else {
                let row = moved(events.selected(of), rows, events.len(of));
                events.select(of, row, height);
            }
        }
        MainView::Event => {
            let columns = state.text_columns();
            if let Some(open) = &mut state.view_mut().events.open {
                open.page.scroll(rows, columns, geometry.height);
            }
        }
        MainView::Comparison => {
            if let Some(compared) = &mut state.view_mut().compared {
                compared.step(rows);
            }
        }
        MainView::Doc => {
            let most = doc_rows(state).saturating_sub(geometry.height);
            state.doc_top = state.doc_top.saturating_add_signed(rows).min(most);
        }
    }
}

fn moved(place: usize, by: isize, count: usize) -> usize {
    place.saturating_add_signed(by).min(count.saturating_sub(1))
}

/// Selects a row of the list of jobs.
pub(super) fn select(state: &mut State, place: usize) {
    let view = state.view_mut();
    let selected = view.at(place).unwrap_or(Selected::Build);
    view.auto = false;
    if view.selected != selected {
        view.selected = selected;
        view.blob = None;
        view.events.open = None;
        view.results.open = false;
        view.results.cursor = 0;
        state.doc_top = 0;
    }
}

/// Selects the next job that failed, or the one before.
pub(super) fn to_failed(state: &mut State, backwards: bool) -> bool {
    let view = state.view();
    let here = view.place();
    let failed: Vec<usize> = (0..view.order.len())
        .filter(|at| {
            let job = view.build.job(&view.order[*at]);
            job.is_some_and(|job| job.status.is_failed())
        })
        .map(|at| at + view.first_job())
        .collect();
    // Round and round, so that one key reaches them all.
    let next = if backwards {
        let before = failed.iter().rev().find(|place| **place < here);
        before.or(failed.last())
    } else {
        failed
            .iter()
            .find(|place| **place > here)
            .or(failed.first())
    };
    match next.copied() {
        Some(place) => {
            select(state, place);
            true
        }
        None => false,
    }
}

/// To the pane on the left, or a step to the left in a log.
pub(super) fn left(state: &mut State) {
    if state.focus == Pane::Main {
        let scrolled = state.main_view() == MainView::Log
            && !state.show.wrap
            && state.log().is_some_and(|log| log.column > 0);
        if scrolled {
            with_log(state, |log| {
                log.column = log.column.saturating_sub(SIDEWAYS);
            });
        } else if !state.full {
            state.focus = Pane::Jobs;
        }
    }
}

/// To the pane on the right, or a step to the right in a log.
pub(super) fn right(state: &mut State) {
    if state.focus != Pane::Main {
        if !state.full {
            state.focus = Pane::Main;
        }
    } else if state.main_view() == MainView::Log && !state.show.wrap {
        let geometry = state.geometry();
        with_log(state, |log| {
            // Only as far as a line in sight goes on.
            let more = log.lines_in_sight(geometry).any(|number| {
                log.line(number).is_some_and(|line| {
                    let wide: usize = line
                        .line
                        .spans
                        .iter()
                        .map(|span| crate::app::text::width(&span.text))
                        .sum();
                    line.line.cut || wide > log.column + geometry.columns
                })
            });
            if more {
                log.column += SIDEWAYS;
            }
        });
    }
}

/// To the next pane, or the one before.
pub(super) fn pane(state: &mut State, backwards: bool) {
    let panes = [Pane::Jobs, Pane::Builds, Pane::Main];
    let here = panes.iter().position(|pane| *pane == state.focus);
    let step = if backwards { panes.len() - 1 } else { 1 };
    let next = (here.unwrap_or_default() + step) % panes.len();
    state.focus = panes[next];
}

/// To the next command of a log, or the one before.
pub(super) fn command(state: &mut State, backwards: bool) -> bool {
    let geometry = state.geometry();
    state.view_mut().auto = false;
    with_log(state, |log| {
        let here = log.top_place();
        let place = {
            let mut headings = log.outline.headings();
            if backwards {
                headings.rfind(|place| *place < here)
            } else {
                headings.find(|place| *place > here)
            }
        };
        match place {
            Some(place) => log.put_on_top(place, geometry),
            None => return false,
        }
        true
    })
    .unwrap_or_default()
}

/// The row of the artifact that is selected.
pub(super) fn blob_place(state: &State) -> usize {
    let chosen = state.view().blob.as_ref();
    let blobs = state.blobs();
    let mut places = blobs.iter();
    let place = chosen.and_then(|(job, kind, id)| {
        places.position(|(of, blob)| *of == job && blob.kind == *kind && blob.id == *id)
    });
    place.unwrap_or_default()
}

/// Keeps the selected artifact in sight.
pub(super) fn keep_blob(state: &mut State) {
    if state.main_view() != MainView::Artifacts {
        return;
    }
    let place = blob_place(state);
    let count = state.blobs().len();
    // One row is taken by the heading of the table.
    let height = state.rows_of(Pane::Main).saturating_sub(1);
    let view = state.view_mut();
    view.blob_top = super::scrolled(view.blob_top, place, count, height);
}

/// Keeps the selected event in sight, and an open one inside the pane.
pub(super) fn keep_event(state: &mut State) {
    let rows = state.event_rows();
    let (columns, height) = (state.text_columns(), state.geometry().height);
    match state.main_view() {
        MainView::Events => {
            let view = state.view_mut();
            view.events.settle(&view.selected, rows);
        }
        MainView::Event => {
            if let Some(open) = &mut state.view_mut().events.open {
                open.page.scroll(0, columns, height);
            }
        }
        _ => {}
    }
}

/// Keeps the selected result in sight, and an open value inside the pane.
pub(super) fn keep_result(state: &mut State) {
    let (columns, height) = (state.text_columns(), state.geometry().height);
    let rows = state.result_rows();
    match state.main_view() {
        MainView::Results => {
            let view = state.view_mut();
            let count = results::rows(view).len();
            let place = view.results.selected(count);
            view.results.cursor = place;
            view.results.top = super::scrolled(view.results.top, place, count, rows);
        }
        MainView::Result => {
            if let Some(page) = page(state) {
                page.scroll(0, columns, height);
            }
        }
        _ => {}
    }
}

/// Keeps the selected line of a comparison in sight.
pub(super) fn keep_compared(state: &mut State) {
    let (columns, height) = (state.text_columns(), state.geometry().height);
    if let Some(compared) = &mut state.view_mut().compared {
        compared.keep(columns, height);
    }
}

/// The value that is looked at.
pub(super) fn page(state: &mut State) -> Option<&mut Page> {
    state.view_mut().results.value.as_mut()?.page.as_mut()
}

/// Takes a part of a log in.
pub(super) fn log_rows(state: &mut State, rows: LogRows) -> bool {
    let geometry = state.geometry();
    let view = state.view_mut();
    let Some(id) = view.selected.log() else {
        return false;
    };
    match (
        view.logs.get_mut(&id),
        Owner::new(&view.build, &id, geometry.columns),
    ) {
        (Some(log), Some(owner)) => log.take(rows, &owner, geometry),
        _ => false,
    }
}

/// A click focuses the pane below it and selects the row.
pub(super) fn click(state: &mut State, at: (u16, u16)) {
    if state.dialog.is_some() {
        return;
    }
    if let Some(scrubber) = state.areas().scrubber
        && scrubber.contains(at.into())
    {
        let track = track(scrubber);
        let along = f64::from(at.0.saturating_sub(track.x));
        let part = along / f64::from(track.width.max(2) - 1);
        return super::playback::part(state, part.min(1.0));
    }
    let Some((pane, row)) = below(state, at) else {
        return;
    };
    state.focus = pane;
    let Some(row) = row else {
        return;
    };
    match pane {
        Pane::Jobs => {
            let place = state.view().top + row;
            if place < state.view().rows() {
                select(state, place);
            }
        }
        Pane::Builds => {
            let rows = state.build_rows();
            if let Some(row) = rows.into_iter().nth(state.builds_top + row) {
                state.builds_cursor = row.sid;
            }
        }
        Pane::Main => {
            if state.main_view() == MainView::Artifacts && row > 0 {
                let place = state.view().blob_top + row - 1;
                let chosen = state
                    .blobs()
                    .get(place)
                    .map(|(job, blob)| ((*job).clone(), blob.kind, blob.id.clone()));
                if chosen.is_some() {
                    state.view_mut().blob = chosen;
                }
            }
            if state.main_view() == MainView::Results
                && let Some(row) = row.checked_sub(1)
                && row < state.result_rows()
            {
                let view = state.view_mut();
                view.results.cursor = view.results.top + row;
            }
            if state.main_view() == MainView::Events {
                let height = state.event_rows();
                let above = usize::from(has_heading(state.rows_of(Pane::Main)));
                let view = state.view_mut();
                let (events, of) = (&mut view.events, &view.selected);
                if let Some(row) = row.checked_sub(above)
                    && events.top(of, height) + row < events.len(of)
                {
                    let row = events.top(of, height) + row;
                    events.select(of, row, height);
                }
            }
        }
    }
}

/// The wheel scrolls the pane below it, whatever has the focus.
pub(super) fn wheel(state: &mut State, at: (u16, u16), notches: i16) {
    let by = By::Rows(isize::from(notches) * NOTCH);
    if state.dialog.is_some() {
        vertically(state, by);
        return;
    }
    if let Some((pane, _)) = below(state, at) {
        let focus = std::mem::replace(&mut state.focus, pane);
        if state.full {
            state.focus = focus;
        }
        vertically(state, by);
        state.focus = focus;
    }
}

/// The pane at a place of the screen, and its row below the title.
fn below(state: &State, (column, row): (u16, u16)) -> Option<(Pane, Option<usize>)> {
    let areas = state.areas();
    [Pane::Jobs, Pane::Builds, Pane::Main]
        .into_iter()
        .find_map(|pane| {
            let area = areas.of(pane)?;
            if !area.contains((column, row).into()) {
                return None;
            }
            let rows = content(area);
            Some((pane, row.checked_sub(rows.y).map(usize::from)))
        })
}

/// Out one level.
pub(super) fn back(state: &mut State) {
    if state.dialog.is_some() {
        state.dialog = None;
    } else if state.main_view() == MainView::Event && state.focus == Pane::Main {
        state.view_mut().events.open = None;
    } else if state.main_view() == MainView::Result && state.focus == Pane::Main {
        state.view_mut().results.open = false;
    } else if state.full {
        state.full = false;
    } else if state.search.is_some() {
        state.search = None;
    } else if state.tab != Tab::Log {
        state.tab = Tab::Log;
    } else if state.focus == Pane::Jobs {
        select(state, 0);
    } else {
        state.focus = Pane::Jobs;
    }
}
