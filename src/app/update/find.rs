//! Searches: for a text, for errors, and for the cause of a failure.

use crate::app::events::{self, Tone};
use crate::app::log_view::LogView;
use crate::app::msg::{Effect, FindRequest, Needle};
use crate::app::outline::Item;
use crate::app::results;
use crate::app::state::{MainView, SearchState, Seek, State};
use crate::domain::{Event, JobState};
use crate::logs::Search;

use super::acts::has_log;
use super::{refuse, say, with_log};

/// Searches the log for a text, from the top of the screen on.
pub(super) fn search(state: &mut State, text: String, effects: &mut Vec<Effect>) {
    if text.is_empty() {
        state.search = None;
        return;
    }
    if in_results(state) {
        state.search = Some(SearchState {
            text,
            in_events: true,
            count: None,
            counting: 0,
        });
        next_result(state, false, true);
        return;
    }
    if in_events(state) {
        state.search = Some(SearchState {
            text,
            in_events: true,
            count: None,
            counting: 0,
        });
        count_events(state);
        next_event(state, false, true);
        return;
    }
    if !has_log(state) {
        return;
    }
    let geometry = state.geometry();
    let from = state
        .log()
        .map_or(0, |log| log.lines_in_sight(geometry).start);
    state.search = Some(SearchState {
        text: text.clone(),
        in_events: false,
        count: None,
        counting: state.generation + 1,
    });
    seek(state, Needle::Text(text), false, from, true, effects);
}

/// To the next match of the last search, or the one before.
pub(super) fn again(state: &mut State, backwards: bool, effects: &mut Vec<Effect>) {
    let Some(search) = &state.search else {
        refuse(state, "nothing to search for yet: / searches");
        return;
    };
    let needle = Needle::Text(search.text.clone());
    if in_results(state) {
        next_result(state, backwards, false);
    } else if in_events(state) {
        next_event(state, backwards, false);
    } else if has_log(state) {
        let from = from(state, backwards);
        seek(state, needle, backwards, from, false, effects);
    }
}

/// To the next line that looks like an error, or the one before.
pub(super) fn error(state: &mut State, backwards: bool, effects: &mut Vec<Effect>) {
    if in_events(state) {
        next_trouble(state, backwards);
    } else if has_log(state) {
        let from = from(state, backwards);
        seek(state, Needle::Error, backwards, from, false, effects);
    }
}

/// True when events are shown, a list of them or one.
pub(super) fn in_events(state: &State) -> bool {
    matches!(state.main_view(), MainView::Events | MainView::Event)
}

/// True when results are shown, a list of them or one.
pub(super) fn in_results(state: &State) -> bool {
    matches!(state.main_view(), MainView::Results | MainView::Result)
}

/// True when rows of our own are shown, not a log.
pub(super) fn in_rows(state: &State) -> bool {
    in_events(state) || in_results(state)
}

/// To the next result whose row matches, or to the next line of the value that is open. The first
/// time (`here`) what is selected counts too.
fn next_result(state: &mut State, backwards: bool, here: bool) {
    let Some(text) = state.search.as_ref().map(|search| search.text.clone()) else {
        return;
    };
    let search = Search::new(&text);
    let (columns, height) = (state.text_columns(), state.geometry().height);
    let found = if state.main_view() == MainView::Result {
        super::moves::page(state).is_some_and(|page| {
            let line = page.find(backwards, here, |line| search.is_match(&line.text()));
            line.inspect(|line| page.show(*line, columns, height))
                .is_some()
        })
    } else {
        let view = state.view_mut();
        let rows = results::rows(view);
        let count = rows.len();
        let selected = view.results.selected(count);
        let from = match (here, backwards) {
            (true, _) => selected,
            (_, true) => selected + count.saturating_sub(1),
            (_, false) => selected + 1,
        };
        let row =
            events::round(from, count, backwards).find(|row| search.is_match(&rows[*row].line()));
        if let Some(row) = row {
            view.results.cursor = row;
        }
        row.is_some()
    };
    if !found {
        refuse(state, format!("not found: {text}"));
    }
}

/// How many of the listed events match.
fn count_events(state: &mut State) {
    let view = state.view();
    let Some(search) = &state.search else { return };
    let search = Search::new(&search.text);
    let events = (0..view.events.len(&view.selected))
        .filter_map(|row| view.events.event(&view.selected, row));
    let count = events
        .filter(|event| events::matches(event, &search, state.utc_offset))
        .count();
    if let Some(search) = &mut state.search {
        search.count = Some((count, true));
    }
}

/// To the next event whose row matches, or to the next line of the one that is open. The first time
/// (`here`) what is selected counts too.
fn next_event(state: &mut State, backwards: bool, here: bool) {
    let Some(text) = state.search.as_ref().map(|search| search.text.clone()) else {
        return;
    };
    let search = Search::new(&text);
    if state.main_view() == MainView::Event {
        let (columns, height) = (state.text_columns(), state.geometry().height);
        let Some(open) = &mut state.view_mut().events.open else {
            return;
        };
        let page = &mut open.page;
        match page.find(backwards, here, |line| search.is_match(&line.text())) {
            Some(line) => page.show(line, columns, height),
            None => refuse(state, format!("not found: {text}")),
        }
        return;
    }
    let offset = state.utc_offset;
    let wanted = |event: &Event| events::matches(event, &search, offset);
    if !to_event(state, backwards, here, wanted) {
        refuse(state, format!("not found: {text}"));
    }
}

/// To the next event that tells of a failure or warns.
fn next_trouble(state: &mut State, backwards: bool) {
    let wanted = |event: &Event| matches!(events::tone(event), Tone::Bad | Tone::Warn);
    state.view_mut().events.open = None;
    if !to_event(state, backwards, false, wanted) {
        say(state, "no event tells of a failure or warns");
    }
}

fn to_event(
    state: &mut State,
    backwards: bool,
    here: bool,
    wanted: impl Fn(&Event) -> bool,
) -> bool {
    let height = state.event_rows();
    let view = state.view_mut();
    let (events, of) = (&mut view.events, &view.selected);
    let count = events.len(of);
    if count == 0 {
        return false;
    }
    let selected = events.selected(of);
    let from = match (here, backwards) {
        (true, _) => selected,
        (_, true) => (selected + count - 1) % count,
        (_, false) => (selected + 1) % count,
    };
    match events.find(of, from, backwards, wanted) {
        Some(row) => {
            events.select(of, row, height);
            true
        }
        None => false,
    }
}

/// Where the next search begins: behind the line that is marked if it is in sight, else at the
/// edge of the screen. Backwards it is the first line that is no longer looked at.
fn from(state: &State, backwards: bool) -> usize {
    let in_sight = state
        .log()
        .map_or(0..0, |log| log.lines_in_sight(state.geometry()));
    let mark = state.log().and_then(|log| log.mark);
    match mark.filter(|mark| in_sight.contains(mark)) {
        Some(mark) if backwards => mark,
        Some(mark) => mark + 1,
        None if backwards => in_sight.end,
        None => in_sight.start,
    }
}

fn seek(
    state: &mut State,
    needle: Needle,
    backwards: bool,
    from: usize,
    count: bool,
    effects: &mut Vec<Effect>,
) {
    state.view_mut().auto = false;
    with_log(state, LogView::pause);
    let lines = if backwards { 0..from } else { from..usize::MAX };
    ask(
        state,
        needle,
        backwards,
        lines,
        count,
        (false, false),
        effects,
    );
}

/// Asks for a line; `(wrapped, quiet)` as in [`Seek`].
fn ask(
    state: &mut State,
    needle: Needle,
    backwards: bool,
    lines: std::ops::Range<usize>,
    count: bool,
    (wrapped, quiet): (bool, bool),
    effects: &mut Vec<Effect>,
) {
    let view = state.view();
    let Some(log) = view.selected.log() else {
        return;
    };
    let (sid, until) = (view.info.sid.clone(), view.moment());
    state.generation += 1;
    state.seeking = Some(Seek {
        generation: state.generation,
        sid: sid.clone(),
        log: log.clone(),
        needle: needle.clone(),
        backwards,
        wrapped,
        quiet,
    });
    effects.push(Effect::Find(FindRequest {
        generation: state.generation,
        sid,
        log,
        needle,
        lines,
        backwards,
        count,
        until,
    }));
}

/// Goes to the line that was found.
pub(super) fn found(
    state: &mut State,
    generation: u64,
    line: Option<usize>,
    effects: &mut Vec<Effect>,
) -> bool {
    let Some(seek) = state.seeking.take_if(|seek| seek.generation == generation) else {
        return false;
    };
    let view = state.view();
    if view.info.sid != seek.sid || view.selected.log().as_ref() != Some(&seek.log) {
        return false;
    }
    let geometry = state.geometry();
    if let Some(line) = line {
        if seek.wrapped {
            say(
                state,
                if seek.backwards {
                    "went on from the end"
                } else {
                    "went on from the beginning"
                },
            );
        }
        let command = state.job().and_then(|job| job.failed_command());
        let command = command.map(|command| command.index).filter(|_| seek.quiet);
        with_log(state, |log| {
            let place = log.outline.place(Item::Line(line));
            log.mark = Some(line);
            // The cause is read best below the command that failed, if what follows fits too.
            let heading = command.and_then(|command| log.outline.heading_of(command));
            match heading {
                Some(heading) if heading < place && place - heading <= geometry.height / 2 => {
                    log.put_on_top(heading, geometry);
                }
                _ => log.show(place, geometry.height / 3, geometry),
            }
        });
    } else if seek.quiet {
        // The failure says nothing that looks like an error: its end is the best there is.
    } else if seek.wrapped {
        match seek.needle {
            Needle::Text(text) => refuse(state, format!("not found: {text}")),
            Needle::Error => say(state, "no line looks like an error"),
        }
    } else {
        ask(
            state,
            seek.needle,
            seek.backwards,
            0..usize::MAX,
            false,
            (true, false),
            effects,
        );
    }
    true
}

/// Takes in how many lines match.
pub(super) fn counted(state: &mut State, generation: u64, lines: usize, all: bool) -> bool {
    match &mut state.search {
        Some(search) if search.counting == generation => {
            search.count = Some((lines, all));
            true
        }
        _ => false,
    }
}

/// When the autopilot has selected a job because it failed, and its log is there, looks for the
/// first error of the command that failed.
pub(super) fn look_for_the_cause(state: &mut State, effects: &mut Vec<Effect>) {
    let view = state.view();
    let Some(id) = view
        .cause
        .clone()
        .filter(|_| !view.cause_shown && view.auto)
    else {
        return;
    };
    let Some(log) = view.logs.get(&id) else {
        return;
    };
    let job = id.job().and_then(|id| view.build.job(id));
    let over = job.map_or(view.build.is_over(), JobState::is_over);
    if view.selected != id.into() || !over || !log.up_to_date() {
        return;
    }
    let command = job
        .and_then(JobState::failed_command)
        .map(|command| command.index);
    let lines = command.and_then(|command| log.outline.lines_of(command));
    state.view_mut().cause_shown = true;
    let lines = lines.unwrap_or(0..usize::MAX);
    if !lines.is_empty() {
        ask(
            state,
            Needle::Error,
            false,
            lines,
            false,
            (false, true),
            effects,
        );
    }
}
