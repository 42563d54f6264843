//! What builds tell.

use crate::app::build_view::{BuildView, Lost};
use crate::app::msg::{BuildInfo, Effect, Notice};
use crate::app::state::{Dialog, State};
use crate::app::summary::TAIL;
use crate::app::{doc, text};
use crate::domain::{EventKind, LogId, Sid, TuiEvent};
use crate::ports::SourceItem;

use super::{refuse, say};

/// A build has a source and is shown from now on.
pub(super) fn opened(state: &mut State, info: BuildInfo, effects: &mut Vec<Effect>) {
    let sid = info.sid.clone();
    let is_ours = info.offers.owned;
    if info.live {
        state.starting = false;
    }
    state.notice = None;
    match state.builds.get_mut(&sid) {
        // Opened once more: what was known stays.
        Some(view) => view.info = info,
        None => {
            state.builds.insert(sid.clone(), BuildView::new(info));
        }
    }
    forget(state, &sid, effects);
    if state.leaving && is_ours {
        // It was on its way when the user decided to go.
        super::acts::cancel(state, &sid, effects);
    }
    state.shown = Some(sid.clone());
    state.builds_cursor = Some(sid);
    state.doc_top = 0;
    state.full = false;
}

/// Recordings that are no longer shown are read again when they are wanted again.
fn forget(state: &mut State, keep: &Sid, effects: &mut Vec<Effect>) {
    let gone: Vec<Sid> = state
        .builds
        .values()
        .filter(|view| !view.watched && !view.info.live && view.info.sid != *keep)
        .map(|view| view.info.sid.clone())
        .collect();
    for sid in gone {
        state.builds.remove(&sid);
        effects.push(Effect::CloseBuild(sid));
    }
}

/// A build's source tells something; returns whether what is on the screen has changed.
pub(super) fn tells(
    state: &mut State,
    sid: &Sid,
    item: SourceItem,
    effects: &mut Vec<Effect>,
) -> bool {
    let shown = state.shown.as_ref() == Some(sid);
    let now = state.now;
    let Some(view) = state.builds.get_mut(sid) else {
        return false;
    };
    match item {
        SourceItem::Events(events) => {
            let over_before = view.present().is_over();
            let mut of_build = false;
            for event in &events {
                match &mut view.playback {
                    Some(playback) => {
                        playback.present.apply(event);
                        playback.heard(event.time);
                    }
                    None => view.build.apply(event),
                }
                view.events.push(event);
                match &event.kind {
                    EventKind::JobEnd { .. } => {
                        if let Some(log) = event
                            .job_id
                            .clone()
                            .and_then(|id| view.logs.get_mut(&LogId::Job(id)))
                        {
                            log.grew();
                        }
                    }
                    EventKind::ScriptEnd { .. } => {
                        if let Some(log) = view.logs.get_mut(&LogId::Script) {
                            log.grew();
                        }
                    }
                    // The jobs may be as many as before, and others.
                    EventKind::Tui(TuiEvent::Anew) => {
                        view.order.clear();
                        view.asked_tails.clear();
                        of_build = true;
                    }
                    EventKind::BuildStart
                    | EventKind::BuildEnd { .. }
                    | EventKind::BuildUpdated { .. }
                    | EventKind::BuildPending { .. }
                    | EventKind::BuildCanceled => of_build = true,
                    _ => {}
                }
            }
            view.sort();
            if view.watched {
                ask_for_tails(view, effects);
            }
            if view.present().is_over() && !over_before {
                if view.info.live {
                    effects.push(Effect::RefreshHistory);
                    if !shown {
                        let told = format!("{} {}", sid.build, doc::sentence(view, now));
                        state.notice = Some(Notice::good(text::clean(&told)));
                    }
                }
                return true;
            }
            shown || of_build
        }
        SourceItem::LogGrew(id) => {
            if let Some(log) = view.logs.get_mut(&id) {
                log.grew();
            }
            let wanted = shown && view.selected == id.into();
            if wanted {
                // The screen changes when the lines have been read, not before.
                super::read_log(state, effects);
            }
            false
        }
        SourceItem::CaughtUp => {
            let replay = view.info.replay.take();
            if let Some(replay) = replay.filter(|_| shown) {
                super::playback::begin(state, &replay);
            }
            shown
        }
        SourceItem::Lost { reason, retry_in } => {
            let wait = i64::try_from(retry_in.as_millis()).unwrap_or(i64::MAX);
            view.lost = Some(Lost {
                reason,
                retry_at: now.saturating_add(wait),
                since: view.lost.as_ref().map_or(now, |lost| lost.since),
            });
            shown
        }
        SourceItem::Restored => {
            view.lost = None;
            shown
        }
    }
}

fn ask_for_tails(view: &mut BuildView, effects: &mut Vec<Effect>) {
    let playback = view.playback.as_ref();
    let present = playback.map_or(&view.build, |playback| &playback.present);
    for job in present.jobs() {
        if job.is_over() && job.status.is_failed() && view.asked_tails.insert(job.id().clone()) {
            effects.push(Effect::ReadTail(
                view.info.sid.clone(),
                job.id().clone(),
                TAIL,
            ));
        }
    }
}

/// A build's source has nothing more to tell.
pub(super) fn ended(state: &mut State, sid: &Sid, effects: &mut Vec<Effect>) -> bool {
    let Some(view) = state.builds.get_mut(sid) else {
        return false;
    };
    if view.info.live {
        effects.push(Effect::RefreshHistory);
    }
    view.info.live = false;
    view.lost = None;
    for log in view.logs.values_mut() {
        log.grew();
    }
    forget_question(state, sid);
    true
}

/// Watches the build that is shown no more. One that runs inside this program would end with it.
pub(super) fn detach(state: &mut State, effects: &mut Vec<Effect>) {
    let view = state.view();
    if !state.shows_build() || !view.info.live {
        return refuse(state, "no build is watched: D lets go of one that runs");
    }
    if view.info.offers.owned {
        return refuse(
            state,
            "this build runs inside this program and would end with it",
        );
    }
    let sid = view.info.sid.clone();
    state.builds.remove(&sid);
    state.shown = None;
    say(
        state,
        format!(
            "{} goes on; enter in the list of builds watches it again",
            text::clean(&sid.build)
        ),
    );
    effects.push(Effect::CloseBuild(sid));
    effects.push(Effect::RefreshHistory);
}

/// A question about a build that has ended meanwhile is no question any more.
fn forget_question(state: &mut State, sid: &Sid) {
    let settled = match &state.dialog {
        Some(Dialog::Cancel(asked)) => asked == sid,
        Some(Dialog::Quit) => state.running_here().is_empty() && !state.starting,
        _ => false,
    };
    if settled {
        state.dialog = None;
        say(state, "the build has ended");
    }
}
