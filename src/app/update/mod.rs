//! What a message does to the state. Pure: no clock, no disk, no environment, nothing awaited.
//!
//! `mod.rs` decides who handles a message and, afterwards, puts right what follows from it: where
//! the eye goes, what has to be read, whether the program may leave. `moves` has what moves a
//! selection or a screen, `acts` what a user does to builds, `find` the searches, `shell` the shells in
//! containers, `playback` the past of a build, `source` what builds tell.

mod acts;
mod find;
mod moves;
mod playback;
mod shell;
mod source;

use crate::domain::{JobStatus, LogId, Phase};

use super::build_view::{BuildView, Selected};
use super::layout::Pane;
use super::log_view::LogView;
use super::msg::{Edit, Effect, Msg, Notice, QuitManner};
use super::outline::Owner;
use super::results::{self, ResultRow};
use super::state::{Dialog, Input, State};
use super::{doc, help};

/// Handles a message; returns what is asked of the outside. `state.dirty` is set when something on
/// the screen has changed.
#[must_use = "effects have to be carried out"]
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    let mut effects = Vec::new();
    let shown_changed = match msg {
        Msg::Tick(now) => {
            tick(state, now);
            playback::tick(state)
        }
        Msg::Resize(width, height) => {
            state.size = (width, height);
            shell::resized(state, &mut effects);
            true
        }
        Msg::Action(action) => {
            state.notice = None;
            acts::act(state, action, &mut effects);
            true
        }
        Msg::Edit(edit) => {
            self::edit(state, edit, &mut effects);
            true
        }
        Msg::Click(..) | Msg::Wheel(..) if state.shell.is_some() => false,
        Msg::Click(column, row) => {
            moves::click(state, (column, row));
            true
        }
        Msg::Wheel(column, row, notches) => {
            moves::wheel(state, (column, row), notches);
            true
        }
        Msg::Terminate => {
            effects.push(Effect::Quit(QuitManner::Terminate));
            false
        }
        Msg::Project(project) => {
            let selected = state.plan.selected.clone();
            state.plan = BuildView::of_project(&project);
            state.plan.selected = selected;
            state.project = *project;
            true
        }
        Msg::History(history) => {
            state.set_history(history);
            true
        }
        Msg::BuildOpened(info) => {
            source::opened(state, *info, &mut effects);
            true
        }
        Msg::Source(sid, item) => source::tells(state, &sid, item, &mut effects),
        Msg::SourceEnded(sid) => source::ended(state, &sid, &mut effects),
        Msg::LogRows(rows) => moves::log_rows(state, *rows),
        Msg::LogUnreadable(generation, reason) => {
            with_log(state, |log| log.refuse(generation, reason)).unwrap_or_default()
        }
        Msg::LogTail(sid, job, lines) => {
            if let Some(view) = state.builds.get_mut(&sid) {
                view.tails.insert(job, lines);
            }
            true
        }
        Msg::Found(generation, line) => find::found(state, generation, line, &mut effects),
        Msg::Counted(generation, lines, all) => find::counted(state, generation, lines, all),
        Msg::ResultRead(generation, lines) => state.view_mut().results.take(generation, lines),
        Msg::Compared(generation, found) => {
            let mut views = state.builds.values_mut();
            views.any(|view| {
                let compared = view.compared.as_mut();
                compared.is_some_and(|compared| compared.take(generation, &found))
            })
        }
        Msg::LogText(text) => {
            acts::copy(state, text, &mut effects);
            true
        }
        Msg::ShellKey(key) => shell::typed(state, |screen| screen.typed(key), &mut effects),
        Msg::ShellPaste(text) => shell::typed(state, |screen| screen.pasted(&text), &mut effects),
        Msg::ShellScreen(generation, screen) => shell::shows(state, generation, *screen),
        Msg::ShellEnded(generation, end) => shell::ended(state, generation, end),
        Msg::NoEngine(request, reason) => {
            state.starting = false;
            if !state.leaving {
                state.dialog = Some(Dialog::Host(request, reason));
            }
            true
        }
        Msg::NotControlled(sid, why) => {
            if let Some(view) = state.builds.get_mut(&sid) {
                view.canceling = false;
            }
            refuse(state, why);
            true
        }
        Msg::Notice(notice) => {
            state.starting &= !notice.bad;
            state.notice = Some(notice);
            true
        }
    };
    if shown_changed {
        state.dirty = true;
        settle(state, &mut effects);
    }
    if effects
        .iter()
        .any(|effect| matches!(effect, Effect::Quit(_)))
    {
        // What is left in the scrollback is how things are, not how they were.
        state.builds.values_mut().for_each(BuildView::release);
    }
    effects
}

/// Time goes on; what shows whole seconds changes with them.
fn tick(state: &mut State, now: i64) {
    let before = state.now;
    state.now = now;
    let shown = state.needs_time();
    // Elapsed times are counted from moments of their own, so any of them may turn over.
    if shown && before / 1000 != now / 1000 {
        state.dirty = true;
    }
}

/// Puts right what follows from a change.
fn settle(state: &mut State, effects: &mut Vec<Effect>) {
    autopilot(state.view_mut());
    valid(state);
    read_log(state, effects);
    read_result(state, effects);
    find::look_for_the_cause(state, effects);
    if state.leaving && !state.starting && state.running_here().is_empty() {
        effects.push(Effect::Quit(QuitManner::Stopped));
    }
}

/// Sends the selection where something happens, until a user has moved it: to the first job that
/// failed, to the script when it ended before any job ran, else to what has run longest, else to
/// what waits for the user.
fn autopilot(view: &mut BuildView) {
    if !view.auto {
        return;
    }
    let failed = view.build.failed_jobs();
    let cause = match failed.first() {
        Some(job) => Some(LogId::Job(job.id().clone())),
        None => view.script_failed().then_some(LogId::Script),
    };
    if let Some(id) = cause {
        view.selected = id.clone().into();
        if view.cause.as_ref() != Some(&id) {
            view.cause = Some(id);
            view.cause_shown = false;
        }
        return;
    }
    if view.build.jobs().is_empty() {
        return;
    }
    if !view.goes_on() {
        return;
    }
    let runs = |job: &crate::domain::JobState| {
        job.status == JobStatus::Running && job.phase < Phase::Ended
    };
    if let Selected::Job(id) = &view.selected
        && view.build.job(id).is_some_and(runs)
    {
        return;
    }
    let jobs = view.order.iter().filter_map(|id| view.build.job(id));
    if let Some(job) = jobs
        .filter(|job| runs(job))
        .min_by_key(|job| job.start_time)
    {
        view.selected = Selected::Job(job.id().clone());
    } else if let Some(blocked) = view.blocked().first().map(|id| (*id).clone()) {
        // Nothing runs until a user approves something: show what.
        if !view.build.jobs().iter().any(|job| job.status.is_active()) {
            view.selected = Selected::Job(blocked);
        }
    }
}

/// Keeps selections and positions on what is there.
fn valid(state: &mut State) {
    let builds_there = state.areas().of(Pane::Builds).is_some() || state.focus == Pane::Builds;
    debug_assert!(builds_there || state.focus != Pane::Builds);
    let rows = state.rows_of(Pane::Jobs);
    let view = state.view_mut();
    if let Selected::Job(id) = &view.selected
        && view.build.job(id).is_none()
    {
        view.selected = Selected::Build;
    }
    if view.selected == Selected::Script && !view.has_script() {
        view.selected = Selected::Build;
    }
    let place = view.place();
    view.top = scrolled(view.top, place, view.rows(), rows);

    let rows = state.build_rows();
    if !rows.iter().any(|row| row.sid == state.builds_cursor) {
        state.builds_cursor.clone_from(&state.shown);
    }
    let place = rows
        .iter()
        .position(|row| row.sid == state.builds_cursor)
        .unwrap_or_default();
    let height = state.rows_of(Pane::Builds);
    state.builds_top = scrolled(state.builds_top, place, rows.len(), height);

    moves::keep_blob(state);
    moves::keep_event(state);
    moves::keep_result(state);
    moves::keep_compared(state);
    let geometry = state.geometry();
    let text = state.text_columns();
    let lines = if state.main_view() == super::state::MainView::Doc {
        state.doc(text).len()
    } else {
        0
    };
    state.doc_top = state.doc_top.min(lines.saturating_sub(geometry.height));
    if let Some(Dialog::Help(top)) = state.dialog {
        let most = help_rows(state).saturating_sub(help_height(state));
        state.dialog = Some(Dialog::Help(top.min(most)));
    }
}

/// Returns how many rows the help has in the pane it was opened for.
pub(super) fn help_rows(state: &State) -> usize {
    help::rows(&state.bindings, state.pane_context()).len()
}

/// Returns how many of them are on the screen.
pub(super) fn help_height(state: &State) -> usize {
    usize::from(state.size.1).saturating_sub(6).max(1)
}

/// Returns the first row of a list such that `place` is in sight and no row is given away.
pub(super) fn scrolled(top: usize, place: usize, count: usize, height: usize) -> usize {
    if height == 0 {
        return 0;
    }
    let top = top.min(place).max((place + 1).saturating_sub(height));
    top.min(count.saturating_sub(height))
}

/// Asks for the part of the log that is in sight.
fn read_log(state: &mut State, effects: &mut Vec<Effect>) {
    if !state.shows_build() {
        return;
    }
    let geometry = state.geometry();
    let mut generation = state.generation;
    let view = state.view_mut();
    let Some(id) = view.selected.log() else {
        leave_others(view, None);
        return;
    };
    let until = view.moment();
    leave_others(view, Some(&id));
    let Some(owner) = Owner::new(&view.build, &id, geometry.columns) else {
        return;
    };
    let log = view.logs.entry(id.clone()).or_default();
    log.show_until(until);
    log.refresh(&owner, geometry);
    let request = log.need(&view.info.sid, &id, &mut generation, geometry);
    state.generation = generation;
    effects.extend(request.map(Effect::ReadLog));
}

/// Asks for the value that is looked at.
fn read_result(state: &mut State, effects: &mut Vec<Effect>) {
    if state.tab != super::state::Tab::Results || !state.shows_build() {
        return;
    }
    let view = state.view();
    let rows = results::rows(view);
    let Some(ResultRow::Stored(result)) = rows.get(view.results.selected(rows.len())) else {
        return;
    };
    let (result, sid) = ((*result).clone(), view.info.sid.clone());
    let generation = state.generation + 1;
    if state.view_mut().results.look(&result, generation) {
        state.generation = generation;
        effects.push(Effect::ReadResult(sid, result.name, generation));
    }
}

/// Only the log that is shown keeps its lines in memory.
fn leave_others(view: &mut BuildView, shown: Option<&LogId>) {
    for (id, log) in &mut view.logs {
        if Some(id) != shown {
            log.leave();
        }
    }
}

/// Changes the log that is shown, if one is.
fn with_log<T>(state: &mut State, change: impl FnOnce(&mut LogView) -> T) -> Option<T> {
    let view = state.view_mut();
    let id = view.selected.log()?;
    view.logs.get_mut(&id).map(change)
}

/// Typing in the line of text that is open.
fn edit(state: &mut State, edit: Edit, effects: &mut Vec<Effect>) {
    if let (Some(Dialog::Trigger(input, _, shown)), Edit::Older | Edit::Newer) =
        (&mut state.dialog, &edit)
    {
        let lines = state.triggered.len();
        let next = match (edit, *shown) {
            (Edit::Older, None) => Some(0),
            (Edit::Older, Some(at)) => Some(at + 1),
            (_, Some(0) | None) => None,
            (_, Some(at)) => Some(at - 1),
        };
        let next = next.map(|at| at.min(lines.saturating_sub(1)));
        let line = next.and_then(|at| state.triggered.iter().rev().nth(at));
        *input = Input::new(line.cloned().unwrap_or_default());
        *shown = line.and(next);
        return;
    }
    let Some(
        Dialog::Search(input)
        | Dialog::Save(input, _)
        | Dialog::Trigger(input, ..)
        | Dialog::GoTo(input)
        | Dialog::Repeat(input, _),
    ) = &mut state.dialog
    else {
        return;
    };
    match edit {
        Edit::Abort => state.dialog = None,
        Edit::Submit => match state.dialog.take() {
            Some(Dialog::Search(input)) => find::search(state, input.text, effects),
            Some(Dialog::Save(input, saving)) => acts::save(state, &input.text, saving, effects),
            Some(Dialog::Repeat(input, job)) => acts::repeat(state, &input.text, job, effects),
            Some(Dialog::GoTo(input)) => playback::go_to(state, &input.text),
            Some(Dialog::Trigger(input, sid, _)) => acts::trigger(state, input, sid, effects),
            other => state.dialog = other,
        },
        edit => input.edit(edit),
    }
}

impl Input {
    /// Changes the text or moves the cursor.
    fn edit(&mut self, edit: Edit) {
        use unicode_segmentation::UnicodeSegmentation;
        let before = &self.text[..self.at];
        let left = before
            .grapheme_indices(true)
            .next_back()
            .map_or(0, |(at, _)| at);
        let after = &self.text[self.at..];
        let right = self.at + after.graphemes(true).next().map_or(0, str::len);
        match edit {
            Edit::Insert(text) => {
                let text: String = text.chars().filter(|c| !c.is_control()).collect();
                self.text.insert_str(self.at, &text);
                self.at += text.len();
            }
            Edit::Backspace => {
                self.text.replace_range(left..self.at, "");
                self.at = left;
            }
            Edit::Delete => self.text.replace_range(self.at..right, ""),
            Edit::DeleteWord => {
                let word = before.trim_end();
                let start = word
                    .char_indices()
                    .rev()
                    .find(|(_, c)| c.is_whitespace() || *c == '/')
                    .map_or(0, |(at, c)| at + c.len_utf8());
                // A slash at the end belongs to the word that is deleted.
                let start = if start == self.at { left } else { start };
                self.text.replace_range(start..self.at, "");
                self.at = start;
            }
            Edit::Clear => *self = Self::default(),
            Edit::Left => self.at = left,
            Edit::Right => self.at = right,
            Edit::Home => self.at = 0,
            Edit::End => self.at = self.text.len(),
            Edit::Submit | Edit::Abort | Edit::Older | Edit::Newer => {}
        }
    }
}

/// Says something at the bottom.
fn say(state: &mut State, text: impl Into<String>) {
    state.notice = Some(Notice::good(text));
}

/// Says at the bottom that something is not possible.
fn refuse(state: &mut State, text: impl Into<String>) {
    state.notice = Some(Notice::bad(text));
}

/// The number of rows of the text in the main pane.
fn doc_rows(state: &State) -> usize {
    doc::wrap(doc::main(state), state.text_columns()).len()
}
