//! Looking at the past of a build: what the keys of a replay do, and how time goes on in one.

use crate::app::build_view::{BuildView, Selected};
use crate::app::layout::Pane;
use crate::app::moment::{self, Moment, Scale};
use crate::app::msg::Notice;
use crate::app::playback::{Playback, Replay, Speed};
use crate::app::state::{Dialog, Input, MainView, State};
use crate::domain::{JobState, Millis};

use super::{refuse, say};

/// How far a key goes, in milliseconds.
const STEP: Millis = 10_000;

impl BuildView {
    /// Holds the present: from now on the past can be gone to, and nothing that comes is shown. `now`
    /// counts for a build that goes on.
    fn hold(&mut self, now: Millis) -> &mut Playback {
        if self.playback.is_none() {
            let end = self.until(now);
            let first = self.events.gone();
            let playback = Playback::new(
                first,
                self.events.base().clone(),
                self.events.kept().map(|event| event.time),
                self.build.clone(),
                end,
            );
            self.events.show_until(Some(playback.last()));
            self.playback = Some(Box::new(playback));
        }
        self.playback.as_mut().expect("it was just put there")
    }

    /// Shows the present again.
    pub(super) fn release(&mut self) {
        if let Some(playback) = self.playback.take() {
            self.build = playback.present;
            self.events.show_until(None);
            self.order.clear();
            self.sort();
        }
    }

    /// Folds what is shown to a place in the journal; returns whether that was another one.
    fn fold_to(&mut self, to: usize) -> bool {
        let Some(playback) = &mut self.playback else {
            return false;
        };
        let from = std::mem::replace(&mut playback.place, to);
        if from == to {
            return false;
        }
        let events = &self.events;
        if from < to {
            let event = |place| events.at(place);
            playback.snapshots.play(&mut self.build, from, to, event);
        } else {
            self.build = playback.snapshots.seek(to, |place| events.at(place));
            self.order.clear();
            if self.build.failed_jobs().is_empty() {
                // It fails once more, and the eye goes there once more.
                self.cause = None;
            }
        }
        self.events.show_until(Some(to));
        self.sort();
        true
    }

    /// Shows a moment.
    fn go_to(&mut self, moment: Moment) {
        let Some(playback) = &mut self.playback else {
            return;
        };
        let place = match moment {
            Moment::At(at) => playback.go_to(at),
            Moment::Event(seq) => {
                // Numbers count from 1, places from 0: the place after the event is its number.
                let place = usize::try_from(seq).unwrap_or(usize::MAX);
                playback.go_to_event(place)
            }
        };
        self.fold_to(place);
    }

    /// Logs are followed as they were while the build ran.
    fn follow_all(&mut self) {
        for log in self.logs.values_mut() {
            log.follow = true;
            log.paused_at = None;
        }
    }
}

/// The build whose past is wanted; says so when none is shown.
fn hold(state: &mut State) -> Option<&mut BuildView> {
    if !state.shows_build() || state.view().events.kept().next().is_none() {
        refuse(state, "no build is shown: there is no past to go to");
        return None;
    }
    let now = state.now;
    let view = state.view_mut();
    view.hold(now);
    Some(view)
}

/// Plays, or stands still. A build that is over begins anew, one that goes on stops where it is.
pub(super) fn play(state: &mut State) {
    let now = state.now;
    let began = state.view().playback.is_none();
    let Some(view) = hold(state) else { return };
    let live = view.runs();
    let Some(playback) = &mut view.playback else {
        return;
    };
    if playback.plays() {
        playback.pause();
    } else if began && live {
        say(state, "held: the build goes on, P goes back to it");
    } else {
        if playback.at_end() {
            view.go_to(Moment::At(Millis::MIN));
            view.follow_all();
        }
        if let Some(playback) = &mut view.playback {
            playback.play(now);
        }
    }
}

/// Begins to play a build that was opened for that; all that it has to tell was told.
pub(super) fn begin(state: &mut State, replay: &Replay) {
    let Some(view) = hold(state) else { return };
    view.go_to(Moment::At(Millis::MIN));
    view.follow_all();
    if let Some(from) = &replay.from {
        go_to(state, from);
    }
    let now = state.now;
    if let Some(playback) = &mut state.view_mut().playback {
        playback.speed = replay.speed;
        playback.skip = replay.skip;
        if replay.playing {
            playback.play(now);
        }
    }
}

/// One event on, or back.
pub(super) fn step(state: &mut State, backwards: bool) {
    let Some(view) = hold(state) else { return };
    let Some(playback) = &mut view.playback else {
        return;
    };
    playback.pause();
    let place = if backwards {
        playback.place.saturating_sub(1).max(playback.first())
    } else {
        playback.place + 1
    };
    let place = playback.go_to_event(place);
    view.fold_to(place);
    if let Some(event) = place
        .checked_sub(1)
        .and_then(|before| view.events.at(before))
    {
        let job = event.job_id.as_ref().map_or("", |id| id.as_str());
        let told = format!("event {}: {} {job}", event.seq, event.type_name());
        say(state, crate::app::text::clean(told.trim_end()).into_owned());
    }
}

/// To where a job begins or ends next, or did before.
pub(super) fn mark(state: &mut State, backwards: bool) {
    let Some(view) = hold(state) else { return };
    let beside = view
        .playback
        .as_ref()
        .and_then(|playback| playback.mark_beside(backwards));
    match beside {
        Some(at) => view.go_to(Moment::At(at)),
        None if backwards => view.go_to(Moment::At(Millis::MIN)),
        None => view.go_to(Moment::At(Millis::MAX)),
    }
}

/// Some seconds on, or back.
pub(super) fn seek(state: &mut State, backwards: bool) {
    let Some(view) = hold(state) else { return };
    if let Some(at) = view.moment() {
        let by = if backwards { -STEP } else { STEP };
        view.go_to(Moment::At(at.saturating_add(by)));
    }
}

/// To a part of the whole, from 0 to 1.
pub(super) fn part(state: &mut State, part: f64) {
    let Some(view) = hold(state) else { return };
    if let Some(playback) = &view.playback {
        let length = playback.end().saturating_sub(playback.begin()) as f64;
        let at = playback.begin().saturating_add((length * part) as Millis);
        view.go_to(Moment::At(at));
    }
}

/// Faster, or slower.
pub(super) fn speed(state: &mut State, change: impl Fn(Speed) -> Speed) {
    let now = state.now;
    let Some(view) = hold(state) else { return };
    if let Some(playback) = &mut view.playback {
        playback.set_speed(change(playback.speed), now);
    }
}

/// Skips silences, or no longer.
pub(super) fn skip(state: &mut State) {
    let Some(view) = hold(state) else { return };
    let Some(playback) = &mut view.playback else {
        return;
    };
    playback.skip = !playback.skip;
    let told = if playback.skip {
        "silences are skipped while it plays"
    } else {
        "silences take as long as they took"
    };
    say(state, told);
}

/// Asks for a moment.
pub(super) fn ask(state: &mut State) {
    if hold(state).is_some() {
        state.dialog = Some(Dialog::GoTo(Input::default()));
    }
}

/// To a moment that was typed.
pub(super) fn go_to(state: &mut State, text: &str) {
    let utc_offset = state.utc_offset;
    let Some(view) = hold(state) else { return };
    let Some(playback) = &view.playback else {
        return;
    };
    let scale = Scale {
        begin: playback.begin(),
        end: playback.end(),
        now: playback.at(),
        utc_offset,
        build: &playback.present,
    };
    match moment::read(text, &scale) {
        Ok(moment) => view.go_to(moment),
        Err(why) => refuse(state, why),
    }
}

/// To the moment of what is selected: where a job began, a line was written, an event came.
pub(super) fn here(state: &mut State) {
    let geometry = state.geometry();
    let main = (state.focus == Pane::Main).then(|| state.main_view());
    let view = state.view();
    let event = matches!(main, Some(MainView::Events | MainView::Event))
        .then(|| {
            let events = &view.events;
            let event = events.event(&view.selected, events.selected(&view.selected));
            event.map(|event| Moment::Event(event.seq))
        })
        .flatten();
    let line = (main == Some(MainView::Log))
        .then(|| {
            let log = state.log()?;
            let in_sight = log.lines_in_sight(geometry);
            let mark = log.mark.filter(|mark| in_sight.contains(mark));
            log.line(mark.unwrap_or(in_sight.start))?.ms.map(Moment::At)
        })
        .flatten();
    let began = |job: &JobState| job.start_time.or(job.queued_time).or(job.end_time);
    let row = match &view.selected {
        Selected::Build => view.present().start_time,
        Selected::Script => view.present().script_start,
        Selected::Job(id) => view.present().job(id).and_then(began),
    };
    let moment = event.or(line).or(row.map(Moment::At));
    let Some(view) = hold(state) else { return };
    match moment {
        Some(moment) => view.go_to(moment),
        None => refuse(state, "what is selected never began"),
    }
}

/// Back to the present.
pub(super) fn present(state: &mut State) {
    if state.view().playback.is_none() {
        return say(state, "this is the present");
    }
    state.view_mut().release();
}

/// Lets time go on in the recording that is shown; returns whether the screen has changed.
pub(super) fn tick(state: &mut State) -> bool {
    let now = state.now;
    if !state.shows_build() {
        return false;
    }
    let next = state.log().and_then(super::LogView::next);
    let view = state.view_mut();
    let live = view.runs();
    let Some(playback) = &mut view.playback else {
        return false;
    };
    if live {
        playback.grows_until(now);
    }
    let before = playback.at();
    let Some(place) = playback.tick(now, next) else {
        return false;
    };
    let at = playback.at();
    let folded = view.fold_to(place);
    let at_end = view.playback.as_ref().is_some_and(|it| it.at_end());
    if at_end && live {
        view.release();
        state.notice = Some(Notice::good("caught up: this is the present"));
        return true;
    }
    if at_end && let Some(playback) = &mut view.playback {
        playback.pause();
    }
    let log_goes_on = next.is_some_and(|next| before < next && next <= at);
    folded || at_end || log_goes_on || before.div_euclid(1000) != at.div_euclid(1000)
}
