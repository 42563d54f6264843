//! What a user does.

use std::path::PathBuf;

use crate::app::action::Action;
use crate::app::build_view::Selected;
use crate::app::comparison::Compared;
use crate::app::doc::DocLine;
use crate::app::layout::Pane;
use crate::app::msg::{BuildRequest, Effect, Origin, QuitManner};
use crate::app::playback::Speed;
use crate::app::results::{self, ResultRow};
use crate::app::state::{Dialog, Input, MainView, Saving, Script, State, Tab, Times};
use crate::app::trigger::Trigger;
use crate::app::{text, why};
use crate::domain::{Again, JobId, LogId, Sid, file_name};
use crate::ports::Control;
use crate::wire;

use super::moves::{self, By};
use super::{find, playback, refuse, say, shell, source, with_log};

/// Does what a user wants.
pub(super) fn act(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    if refused_by_dialog(state, action) {
        return;
    }
    let of_now = matches!(action, Action::Unblock | Action::Shell | Action::Keep);
    if of_now && state.view().playback.is_some() {
        return refuse(
            state,
            "this is the past of the build: P goes back to the present",
        );
    }
    match action {
        Action::Up => moves::vertically(state, By::Rows(-1)),
        Action::Down => moves::vertically(state, By::Rows(1)),
        Action::HalfPageUp => moves::vertically(state, By::HalfPages(-1)),
        Action::HalfPageDown => moves::vertically(state, By::HalfPages(1)),
        Action::PageUp => moves::vertically(state, By::Pages(-1)),
        Action::PageDown => moves::vertically(state, By::Pages(1)),
        Action::Top => moves::vertically(state, By::ToTop),
        Action::Bottom => moves::vertically(state, By::ToBottom),
        Action::Left => moves::left(state),
        Action::Right => moves::right(state),
        Action::NextPane => moves::pane(state, false),
        Action::PreviousPane => moves::pane(state, true),
        Action::ShowLog => show_tab(state, Tab::Log),
        Action::ShowArtifacts => show_tab(state, Tab::Artifacts),
        Action::ShowResults => {
            state.view_mut().results.open = false;
            show_tab(state, Tab::Results);
        }
        Action::ShowEvents => {
            state.view_mut().events.open = None;
            show_tab(state, Tab::Events);
        }
        Action::ShowDetails => {
            state.doc_top = 0;
            show_tab(state, Tab::Details);
        }
        Action::Compare => compare(state, effects),
        Action::Builds => {
            state.focus = match state.focus {
                Pane::Builds => Pane::Jobs,
                _ => Pane::Builds,
            };
        }
        Action::Enter => enter(state, effects),
        Action::Back => moves::back(state),
        Action::FullScreen => state.full = !state.full,
        Action::NextFailedJob => failed(state, false),
        Action::PreviousFailedJob => failed(state, true),
        Action::Search => {
            if find::in_rows(state) || has_log(state) {
                state.dialog = Some(Dialog::Search(Input::default()));
            }
        }
        Action::NextMatch => find::again(state, false, effects),
        Action::PreviousMatch => find::again(state, true, effects),
        Action::NextError => find::error(state, false, effects),
        Action::PreviousError => find::error(state, true, effects),
        Action::NextCommand => command(state, false),
        Action::PreviousCommand => command(state, true),
        Action::Follow => follow(state),
        Action::Wrap => {
            state.show.wrap = !state.show.wrap;
            say(
                state,
                if state.show.wrap {
                    "long lines are wrapped"
                } else {
                    "long lines are cut"
                },
            );
        }
        Action::Times => {
            let (times, told) = match state.show.times {
                Times::Off => (Times::Clock, "times: clock"),
                Times::Clock => (Times::SinceStart, "times: since the job's start"),
                Times::SinceStart => (Times::Off, "times: off"),
            };
            state.show.times = times;
            say(state, told);
        }
        Action::CopyLine => copy_line(state, effects),
        Action::CopyLog => {
            if let Some((sid, log)) = log_of(state) {
                effects.push(Effect::CopyLog(sid, log));
            }
        }
        Action::CopyAddress => copy_address(state, effects),
        Action::Save => ask_where(state),
        Action::StartBuild => {
            let origin = match state.project.script {
                Script::Missing => Origin::Demo,
                _ => Origin::Project,
            };
            start(state, BuildRequest::new(origin), effects);
        }
        Action::Rerun => {
            let again = match marked(state) {
                Some(jobs) => Again::Jobs(jobs),
                None => match &state.view().selected {
                    Selected::Job(id) => Again::Jobs(vec![id.clone()]),
                    Selected::Build | Selected::Script => Again::All,
                },
            };
            rerun(state, again, 1, effects);
        }
        Action::RerunFailed => {
            if state.view().present().failed_jobs().is_empty() {
                refuse(state, "nothing has failed");
            } else {
                rerun(state, Again::Failed, 1, effects);
            }
        }
        Action::RerunFrom => {
            let from = marked(state).or_else(|| match &state.view().selected {
                Selected::Job(id) => Some(vec![id.clone()]),
                Selected::Build | Selected::Script => None,
            });
            match from {
                Some(jobs) => rerun(state, Again::From(jobs), 1, effects),
                None => refuse(
                    state,
                    "select a job: it and all that depends on it run again",
                ),
            }
        }
        Action::Repeat => match &state.view().selected {
            Selected::Job(id) => {
                state.dialog = Some(Dialog::Repeat(Input::default(), id.clone()));
            }
            Selected::Build | Selected::Script => {
                refuse(state, "select a job: it is run many times");
            }
        },
        Action::MarkJob => mark(state),
        Action::SameCommit => {
            state.same_commit = !state.same_commit;
            let told = if state.same_commit {
                "reruns build the commit that was built"
            } else {
                "reruns build the tree as it is"
            };
            say(state, told);
        }
        Action::Cancel => {
            let view = state.view();
            if !view.runs() {
                refuse(state, "no build runs here to cancel");
            } else if view.info.offers.cancel {
                state.dialog = Some(Dialog::Cancel(view.info.sid.clone()));
            } else {
                refuse(state, "this build cannot be canceled from here");
            }
        }
        Action::Trigger => ask_what_to_build(state),
        Action::RunHere => run_here(state, effects),
        Action::Detach => source::detach(state, effects),
        Action::Unblock => unblock(state, effects),
        Action::Shell => shell::open(state, effects),
        Action::Keep => shell::keep(state, effects),
        Action::LeaveShell => shell::leave(state, effects),
        Action::Play => playback::play(state),
        Action::StepBack => playback::step(state, true),
        Action::StepForward => playback::step(state, false),
        Action::PreviousMark => playback::mark(state, true),
        Action::NextMark => playback::mark(state, false),
        Action::SeekBack => playback::seek(state, true),
        Action::SeekForward => playback::seek(state, false),
        Action::Slower => playback::speed(state, Speed::slower),
        Action::Faster => playback::speed(state, Speed::faster),
        Action::SkipSilence => playback::skip(state),
        Action::GoTo => playback::ask(state),
        Action::GoHere => playback::here(state),
        Action::Present => playback::present(state),
        Action::Help => {
            state.dialog = match state.dialog {
                Some(Dialog::Help(_)) => None,
                _ => Some(Dialog::Help(0)),
            };
        }
        Action::Mouse => {
            state.mouse = !state.mouse;
            say(
                state,
                if state.mouse {
                    "the mouse is ours"
                } else {
                    "the mouse is the terminal's"
                },
            );
            effects.push(Effect::Mouse(state.mouse));
        }
        Action::Redraw => effects.push(Effect::Redraw),
        Action::Suspend => effects.push(Effect::Suspend),
        Action::Quit => quit(state, effects),
        Action::Interrupt => interrupt(state, effects),
        Action::Yes => yes(state, effects),
        Action::No => state.dialog = None,
    }
}

/// While a question or a line of text is open, only what belongs to it is done.
fn refused_by_dialog(state: &State, action: Action) -> bool {
    let always = matches!(action, Action::Redraw | Action::Suspend | Action::Interrupt);
    match &state.dialog {
        None => matches!(action, Action::Yes | Action::No),
        Some(Dialog::Quit | Dialog::Cancel(_) | Dialog::Host(..)) => {
            !always && !matches!(action, Action::Yes | Action::No)
        }
        Some(Dialog::Help(_)) => {
            let moves = matches!(
                action,
                Action::Up
                    | Action::Down
                    | Action::Top
                    | Action::Bottom
                    | Action::HalfPageUp
                    | Action::HalfPageDown
                    | Action::PageUp
                    | Action::PageDown
            );
            let closes = matches!(action, Action::Help | Action::Back | Action::Quit);
            !always && !moves && !closes
        }
        Some(
            Dialog::Search(_)
            | Dialog::Save(..)
            | Dialog::Trigger(..)
            | Dialog::GoTo(_)
            | Dialog::Repeat(..),
        ) => !always,
    }
}

fn show_tab(state: &mut State, tab: Tab) {
    state.tab = tab;
    state.focus = Pane::Main;
}

/// Compares the build that is shown: among the builds with the selected one, else with the last one before it
/// that succeeded.
fn compare(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(sid) = state.shown.clone().filter(|_| state.shows_build()) else {
        return refuse(
            state,
            "no build is shown that could be compared: b lists them",
        );
    };
    let with = match state.focus {
        Pane::Builds => state.builds_cursor.clone().filter(|with| *with != sid),
        Pane::Jobs | Pane::Main => None,
    };
    state.generation += 1;
    let generation = state.generation;
    state.view_mut().compared = Some(Compared::new(generation));
    effects.push(Effect::Compare(sid, with, generation));
    show_tab(state, Tab::Compare);
}

fn enter(state: &mut State, effects: &mut Vec<Effect>) {
    match state.focus {
        Pane::Jobs => state.focus = Pane::Main,
        Pane::Builds => {
            match state.builds_cursor.clone() {
                None => {
                    state.shown = None;
                    effects.push(Effect::ReloadProject);
                }
                Some(sid) if state.builds.contains_key(&sid) => state.shown = Some(sid),
                Some(sid) => effects.push(Effect::OpenBuild(sid)),
            }
            state.doc_top = 0;
            state.focus = Pane::Jobs;
            state.full = false;
        }
        Pane::Main => match state.main_view() {
            MainView::Artifacts => ask_where(state),
            MainView::Results => {
                let view = state.view_mut();
                let rows = results::rows(view);
                let selected = rows.get(view.results.selected(rows.len()));
                view.results.open = matches!(selected, Some(ResultRow::Stored(_)));
            }
            MainView::Events => {
                let rows = state.event_rows();
                let view = state.view_mut();
                // What is read does not go on by itself.
                view.events.pause(&view.selected, rows);
                view.events.enter(&view.selected);
            }
            MainView::Comparison => {
                let compared = state.view().compared.as_ref();
                let job = compared.and_then(Compared::job).cloned();
                let view = state.view();
                let is_meant = |row: &usize| match (view.at(*row), &job) {
                    (Some(Selected::Job(id)), Some(job)) => id == *job,
                    _ => false,
                };
                if let Some(row) = (0..view.rows()).find(is_meant) {
                    moves::select(state, row);
                    state.tab = Tab::Log;
                }
            }
            _ => {}
        },
    }
}

fn failed(state: &mut State, backwards: bool) {
    if !moves::to_failed(state, backwards) {
        say(state, "no job has failed");
    }
}

fn command(state: &mut State, backwards: bool) {
    if has_log(state) && !moves::command(state, backwards) {
        say(
            state,
            if backwards {
                "no command before this one"
            } else {
                "no command after this one"
            },
        );
    }
}

/// True when a log is shown; says so when none is.
pub(super) fn has_log(state: &mut State) -> bool {
    if state.main_view() == MainView::Log {
        return true;
    }
    refuse(state, "no log is shown: select a job that has run");
    false
}

fn follow(state: &mut State) {
    if state.focus == Pane::Jobs {
        let view = state.view_mut();
        view.auto = !view.auto;
        let told = if view.auto {
            "the selection follows what runs"
        } else {
            "the selection stays"
        };
        say(state, told);
    } else if state.main_view() == MainView::Events {
        let rows = state.event_rows();
        let view = state.view_mut();
        if view.events.follow {
            view.events.pause(&view.selected, rows);
        } else {
            view.events.resume();
        }
    } else if has_log(state) {
        let geometry = state.geometry();
        with_log(state, |log| {
            if log.follow {
                log.pause();
            } else {
                log.resume(geometry);
            }
        });
    }
}

fn log_of(state: &mut State) -> Option<(Sid, LogId)> {
    if !has_log(state) {
        return None;
    }
    let view = state.view();
    Some((view.info.sid.clone(), view.selected.log()?))
}

fn copy_line(state: &mut State, effects: &mut Vec<Effect>) {
    if find::in_events(state) {
        copy_event(state, effects);
        return;
    }
    if find::in_results(state) {
        copy_result(state, effects);
        return;
    }
    if !has_log(state) {
        return;
    }
    let geometry = state.geometry();
    let Some(log) = state.log() else { return };
    let in_sight = log.lines_in_sight(geometry);
    let lines = match log.mark {
        Some(line) if in_sight.contains(&line) => line..line + 1,
        _ => in_sight,
    };
    let lines: Vec<String> = lines
        .filter_map(|number| log.line(number))
        .map(|line| line.line.text())
        .collect();
    copy(state, lines.join("\n"), effects);
}

/// Copies the event that is selected, or open, as it is in the journal.
fn copy_event(state: &mut State, effects: &mut Vec<Effect>) {
    let view = state.view();
    let events = &view.events;
    let event = match &events.open {
        Some(open) => Some(&open.event),
        None => events.event(&view.selected, events.selected(&view.selected)),
    };
    let Some(event) = event else {
        refuse(state, "there is nothing to copy");
        return;
    };
    let (seq, line) = (event.seq, wire::write_event(event));
    say(state, format!("event {seq} sent to the clipboard, as EDN"));
    effects.push(Effect::Copy(line));
}

/// Copies the result that is looked at, as it is shown.
fn copy_result(state: &mut State, effects: &mut Vec<Effect>) {
    let view = state.view();
    let rows = results::rows(view);
    let selected = rows.get(view.results.selected(rows.len()));
    // What was read is not kept: of it there is nothing to copy.
    let value = view.results.value.as_ref();
    let value = value.filter(|value| match selected {
        Some(ResultRow::Stored(result)) => result.name == value.name,
        _ => false,
    });
    let lines = value.and_then(|value| value.page.as_ref());
    let lines = lines.map(|page| page.lines.iter().map(DocLine::text).collect());
    let lines: Vec<String> = lines.unwrap_or_default();
    copy(state, lines.join("\n"), effects);
}

/// Copies where the job's ports are reached, a line each.
fn copy_address(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(job) = state.job().filter(|_| state.shows_build()) else {
        refuse(state, "select the job whose address is wanted");
        return;
    };
    let lines: Vec<String> = job
        .exposed()
        .iter()
        .map(|exposed| text::clean(&exposed.to_string()).into_owned())
        .collect();
    match (lines.as_slice(), job.is_over()) {
        ([], false) => refuse(state, "this job exposes no port, or not yet"),
        ([], true) => refuse(state, "this job exposed no port"),
        (_, true) => refuse(state, "the job is over: nobody answers at its address"),
        ([one], false) => {
            say(state, format!("{one} sent to the clipboard"));
            effects.push(Effect::Copy(one.clone()));
        }
        _ => copy(state, lines.join("\n"), effects),
    }
}

/// Puts a text into the clipboard and says so.
pub(super) fn copy(state: &mut State, text: String, effects: &mut Vec<Effect>) {
    if text.is_empty() {
        refuse(state, "there is nothing to copy");
        return;
    }
    let told = text::count(text.lines().count(), "line");
    say(state, format!("{told} sent to the clipboard"));
    effects.push(Effect::Copy(text));
}

fn ask_where(state: &mut State) {
    if state.main_view() == MainView::Artifacts {
        let blobs = state.blobs();
        let Some((job, blob)) = blobs.get(moves::blob_place(state)) else {
            refuse(state, "there is nothing to save");
            return;
        };
        let sid = state.view().info.sid.clone();
        let name = format!("{}.tgz", file_name(&blob.id));
        let saving = Saving::Blob(sid, (*job).clone(), blob.kind, blob.id.clone());
        state.dialog = Some(Dialog::Save(Input::new(name), saving));
    } else if find::in_results(state) {
        ask_where_result(state);
    } else if find::in_events(state) {
        refuse(
            state,
            "y copies the event; the journal is a file beside the logs",
        );
    } else if let Some((sid, log)) = log_of(state) {
        let name = match &log {
            LogId::Script => "script.log".to_owned(),
            LogId::Job(_) => format!("{}.log", log.stem()),
        };
        state.dialog = Some(Dialog::Save(Input::new(name), Saving::Log(sid, log)));
    }
}

fn ask_where_result(state: &mut State) {
    let view = state.view();
    let rows = results::rows(view);
    let Some(ResultRow::Stored(result)) = rows.get(view.results.selected(rows.len())) else {
        refuse(state, "nothing to save: what was read is told, not kept");
        return;
    };
    let ending = match result.media_type.as_str() {
        "application/edn" => ".edn",
        "application/json" => ".json",
        "text/plain" => ".txt",
        "text/html" => ".html",
        "application/xml" | "text/xml" => ".xml",
        _ => "",
    };
    // A name from a script: it stays in this folder, whatever it is.
    let mut name = file_name(&result.name);
    if !name.ends_with(ending) {
        name.push_str(ending);
    }
    let saving = Saving::Result(view.info.sid.clone(), result.name.clone());
    state.dialog = Some(Dialog::Save(Input::new(name), saving));
}

/// Saves what was asked for.
pub(super) fn save(state: &mut State, to: &str, saving: Saving, effects: &mut Vec<Effect>) {
    let to = to.trim();
    if to.is_empty() {
        refuse(state, "nothing was saved: a file needs a name");
        return;
    }
    let to = PathBuf::from(to);
    effects.push(match saving {
        Saving::Result(sid, name) => Effect::SaveResult(sid, name, to),
        Saving::Log(sid, log) => Effect::SaveLog(sid, log, to),
        Saving::Blob(sid, job, kind, id) => Effect::SaveBlob {
            sid,
            job,
            kind,
            id,
            to,
        },
    });
}

/// What a rerun builds: the build that is shown, or the project.
fn origin(state: &State) -> Origin {
    match &state.shown {
        Some(sid) if state.shows_build() => Origin::Again(sid.clone()),
        _ if state.project.script == Script::Missing => Origin::Demo,
        _ => Origin::Project,
    }
}

/// Runs jobs of the build that is shown again, or of the project.
fn rerun(state: &mut State, again: Again, times: u32, effects: &mut Vec<Effect>) {
    let request = BuildRequest {
        again,
        times,
        same_commit: state.same_commit,
        ..BuildRequest::new(origin(state))
    };
    start(state, request, effects);
}

/// Runs a job as many times as was typed.
pub(super) fn repeat(state: &mut State, text: &str, job: JobId, effects: &mut Vec<Effect>) {
    let text = if text.is_empty() { "20" } else { text };
    match text.trim().parse() {
        Ok(times @ 2..=1000) => rerun(state, Again::Jobs(vec![job]), times, effects),
        _ => refuse(state, "a number from 2 to 1000"),
    }
}

/// Marks the selected job for a rerun, or takes the mark away, and goes on to the next.
fn mark(state: &mut State) {
    let view = state.view_mut();
    let Selected::Job(id) = view.selected.clone() else {
        return moves::vertically(state, By::Rows(1));
    };
    if !view.marked.remove(&id) {
        view.marked.insert(id);
    }
    let count = view.marked.len();
    moves::vertically(state, By::Rows(1));
    let told = match count {
        0 => "no job is marked".to_owned(),
        count => format!("{} marked: r runs them again", text::count(count, "job")),
    };
    say(state, told);
}

/// The marked jobs, in the order of the list, when there are some.
fn marked(state: &State) -> Option<Vec<JobId>> {
    let view = state.view();
    let marked = view.order.iter().filter(|id| view.marked.contains(*id));
    let marked: Vec<JobId> = marked.cloned().collect();
    (!marked.is_empty()).then_some(marked)
}

fn start(state: &mut State, request: BuildRequest, effects: &mut Vec<Effect>) {
    if state.leaving {
        refuse(state, "no build is started while the program is leaving");
    } else if state.starting {
        refuse(state, "a build is being started already");
    } else {
        launch(state, request, effects);
    }
}

fn launch(state: &mut State, request: BuildRequest, effects: &mut Vec<Effect>) {
    state.starting = true;
    let told = match &request.again {
        Again::All => "starting a build …".to_owned(),
        Again::Failed => "starting a build of what failed …".to_owned(),
        Again::Jobs(jobs) if request.times > 1 => {
            format!("starting {} runs of {} …", request.times, why::names(jobs))
        }
        Again::Jobs(jobs) => format!("starting a build of {} …", why::names(jobs)),
        Again::From(jobs) => format!(
            "starting a build of {}, and all that depends on it …",
            why::names(jobs)
        ),
    };
    say(state, told);
    effects.push(Effect::StartBuild(request));
}

/// Asks what a server is to build.
fn ask_what_to_build(state: &mut State) {
    let view = state.view();
    let is_remote = state.shows_build() && view.info.offers.copy;
    if !is_remote && state.listed.is_none() {
        return refuse(
            state,
            "no server is meant: `monkeyci-tui attach ORG/REPO` names one",
        );
    }
    let sid = is_remote.then(|| view.info.sid.clone());
    let git = &view.build.git;
    let branch = git.branch.clone().or_else(|| git.main_branch.clone());
    let line = branch.filter(|_| is_remote).unwrap_or_default();
    state.dialog = Some(Dialog::Trigger(Input::new(line), sid, None));
}

/// Has a server build what was typed; what makes no sense may be typed again.
pub(super) fn trigger(
    state: &mut State,
    input: Input,
    sid: Option<Sid>,
    effects: &mut Vec<Effect>,
) {
    match Trigger::parse(&input.text) {
        _ if state.starting => refuse(state, "a build is being started already"),
        Ok(trigger) => {
            state.triggered.retain(|line| *line != input.text);
            state.triggered.push(input.text);
            state.starting = true;
            say(state, "asking the server for a build …");
            effects.push(Effect::Trigger(sid, trigger));
        }
        Err(why) => {
            refuse(state, why);
            state.dialog = Some(Dialog::Trigger(input, sid, None));
        }
    }
}

/// Runs the selected job of a build on a server here.
fn run_here(state: &mut State, effects: &mut Vec<Effect>) {
    let view = state.view();
    let refusal = match &view.selected {
        _ if !view.info.offers.copy => "this build is here already: r runs a job again",
        Selected::Build | Selected::Script => "select a job: L runs it here",
        Selected::Job(_) if state.starting => "a build is being started already",
        Selected::Job(job) => {
            let (sid, job) = (view.info.sid.clone(), job.clone());
            state.starting = true;
            say(
                state,
                format!("fetching what {} needs …", text::clean(job.as_str())),
            );
            effects.push(Effect::RunHere(sid, job));
            return;
        }
    };
    refuse(state, refusal);
}

fn unblock(state: &mut State, effects: &mut Vec<Effect>) {
    let view = state.view();
    let blocked = view.blocked();
    let selected_is_blocked = matches!(&view.selected, Selected::Job(id) if blocked.contains(&id));
    let control = match (&view.selected, blocked.as_slice()) {
        (_, []) => Err("no job waits for approval".to_owned()),
        _ if !view.runs() => Err("the build is over".to_owned()),
        _ if !view.info.offers.unblock => {
            Err("this build's jobs cannot be approved from here".to_owned())
        }
        (Selected::Job(id), _) if selected_is_blocked => Ok(Control::Unblock(id.clone())),
        (_, [id]) => Ok(Control::Unblock((*id).clone())),
        (Selected::Build | Selected::Script, _) => Ok(Control::UnblockAll),
        (Selected::Job(_), _) => Err(format!(
            "select the job to approve: {}",
            why::names(blocked.iter().copied())
        )),
    };
    match control {
        Ok(control) => {
            let told = match &control {
                Control::Unblock(id) => format!("{id} is approved"),
                _ => "all blocked jobs are approved".to_owned(),
            };
            effects.push(Effect::Control(view.info.sid.clone(), control));
            say(state, told);
        }
        Err(why) => refuse(state, why),
    }
}

fn quit(state: &mut State, effects: &mut Vec<Effect>) {
    if state.dialog.is_some() {
        state.dialog = None;
    } else if state.full {
        state.full = false;
    } else if state.leaving {
        say(state, "waiting for the build to stop; Ctrl-c stops at once");
    } else {
        leave(state, effects);
    }
}

fn interrupt(state: &mut State, effects: &mut Vec<Effect>) {
    if state.leaving || state.dialog == Some(Dialog::Quit) {
        effects.push(Effect::Quit(QuitManner::Interrupt));
    } else {
        state.dialog = None;
        leave(state, effects);
    }
}

fn leave(state: &mut State, effects: &mut Vec<Effect>) {
    if state.running_here().is_empty() && !state.starting {
        effects.push(Effect::Quit(QuitManner::Leave));
    } else {
        state.dialog = Some(Dialog::Quit);
    }
}

fn yes(state: &mut State, effects: &mut Vec<Effect>) {
    match state.dialog.take() {
        Some(Dialog::Quit) => {
            state.leaving = true;
            let running: Vec<Sid> = state
                .running_here()
                .iter()
                .map(|view| view.info.sid.clone())
                .collect();
            for sid in running {
                cancel(state, &sid, effects);
            }
            say(state, "stopping the build; Ctrl-c stops at once");
        }
        Some(Dialog::Cancel(sid)) => cancel(state, &sid, effects),
        Some(Dialog::Host(mut request, _)) => {
            request.on_host = true;
            launch(state, request, effects);
        }
        other => state.dialog = other,
    }
}

/// Asks for a build to be canceled, once.
pub(super) fn cancel(state: &mut State, sid: &Sid, effects: &mut Vec<Effect>) {
    if let Some(view) = state.builds.get_mut(sid)
        && view.runs()
        && !view.canceling
    {
        view.canceling = true;
        effects.push(Effect::Control(sid.clone(), Control::Cancel));
    }
}
