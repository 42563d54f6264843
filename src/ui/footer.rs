//! The last row: what is typed, what there is to say, or the keys that matter now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::build_view::Selected;
use crate::app::layout::Pane;
use crate::app::state::{Dialog, Input, MainView, Saving, State};
use crate::app::{Action, Context, text};
use crate::domain::{JobState, JobStatus};

use super::Ui;

impl Ui {
    pub(super) fn footer(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        let styles = &self.styles;
        match &state.dialog {
            Some(Dialog::Search(input)) => {
                let hint = match state.main_view() {
                    MainView::Events | MainView::Event => "search the events",
                    MainView::Results | MainView::Result => "search the results",
                    _ => "search the log",
                };
                self.prompt(hint, "/", input, area, buffer);
                return;
            }
            Some(Dialog::Save(input, saving)) => {
                let what = match saving {
                    Saving::Blob(_, _, _, id) => format!("save {id} to "),
                    Saving::Result(_, name) => format!("save {} to ", text::clean(name)),
                    Saving::Log(_, log) => format!("save the log of {log} to "),
                };
                self.prompt("", &what, input, area, buffer);
                return;
            }
            Some(Dialog::Trigger(input, sid, _)) => {
                let repo = match sid {
                    Some(sid) => text::clean(&sid.repo).into_owned(),
                    None => state.listed.clone().unwrap_or_default(),
                };
                let hint = "main branch; or: branch  tag:v1  commit:3f2a1bc  NAME=VALUE";
                self.prompt(hint, &format!("build {repo}: "), input, area, buffer);
                return;
            }
            Some(Dialog::GoTo(input)) => {
                let hint = "1:23  +10s  -1m  50%  at 14:03  #17  failure  or a job";
                self.prompt(hint, "go to ", input, area, buffer);
                return;
            }
            Some(Dialog::Repeat(input, job)) => {
                let label = format!("run {} how many times: ", text::clean(job.as_str()));
                self.prompt("20", &label, input, area, buffer);
                return;
            }
            _ => {}
        }
        let view = state.view();
        let mut row = self.row(buffer, area);
        row.put(" ", styles.text);
        if let Some(notice) = &state.notice {
            let (glyph, style) = if notice.bad {
                (self.glyphs.failure, styles.bad)
            } else {
                (self.glyphs.dot, styles.accent)
            };
            row.put(glyph, style);
            row.put(&format!(" {}", notice.text), styles.text);
            return;
        }
        if let Some(lost) = &view.lost {
            row.put(
                &crate::app::doc::lost_sentence(lost, state.now),
                styles.warn,
            );
            return;
        }
        if state.context() == Context::Question {
            return;
        }
        let keys = |action: Action| state.bindings.label(action);
        let in_shell = state.context() == Context::Shell;
        if let (Some(help), Some(quit), false) = (keys(Action::Help), keys(Action::Quit), in_shell)
        {
            let parts = [
                (help, styles.key),
                (" keys   ".to_owned(), styles.dim),
                (quit, styles.key),
                (" quit ".to_owned(), styles.dim),
            ];
            row.right(&parts, 10);
        }
        for action in matter_now(state) {
            let Some(key) = keys(action) else { continue };
            let short = short(state, action);
            let room = text::width(&key) + text::width(short) + 1;
            if room > row.left() {
                break;
            }
            row.put(&key, styles.key);
            row.put(&format!(" {short}"), styles.dim).skip(3);
        }
    }

    /// A line of text that is being typed, with its cursor.
    fn prompt(&self, hint: &str, label: &str, input: &Input, area: Rect, buffer: &mut Buffer) {
        let styles = &self.styles;
        let mut row = self.row(buffer, area);
        let keys = [
            ("Enter".to_owned(), styles.key),
            (" ok   ".to_owned(), styles.dim),
            ("Esc".to_owned(), styles.key),
            (" back ".to_owned(), styles.dim),
        ];
        row.right(&keys, 30);
        row.put(" ", styles.text);
        row.put(label, styles.key);
        if input.text.is_empty() && !hint.is_empty() {
            row.put(self.glyphs.cursor, styles.accent);
            row.put(hint, styles.dim);
            return;
        }
        // The cursor stays in sight: a long text loses its beginning.
        let room = row.left().saturating_sub(2);
        let before = &input.text[..input.at];
        let mut start = 0;
        while text::width(&before[start..]) > room {
            start += before[start..].chars().next().map_or(1, char::len_utf8);
        }
        row.put(&before[start..], styles.text);
        row.put(self.glyphs.cursor, styles.accent);
        row.put(&input.text[input.at..], styles.text);
    }
}

/// The actions that the footer names, most needed first.
fn matter_now(state: &State) -> Vec<Action> {
    let view = state.view();
    let mut actions = Vec::new();
    if state.context() == Context::Help {
        return vec![Action::Down, Action::Up, Action::Back];
    }
    if state.context() == Context::Shell {
        return vec![Action::LeaveShell];
    }
    if view.playback.is_some() {
        return vec![
            Action::Play,
            Action::StepForward,
            Action::NextMark,
            Action::Faster,
            Action::GoTo,
            Action::GoHere,
            Action::Present,
            Action::NextPane,
        ];
    }
    if view.runs() && view.info.offers.unblock && !view.blocked().is_empty() {
        actions.push(Action::Unblock);
    }
    match state.focus {
        Pane::Jobs => {
            if !state.shows_build() {
                actions.push(Action::StartBuild);
            }
            if !matches!(state.main_view(), MainView::Doc | MainView::Artifacts) {
                actions.push(Action::Enter);
            }
            if view.build.is_over() || matches!(view.selected, Selected::Job(_)) {
                actions.push(Action::Rerun);
            }
            if in_container(state) {
                actions.extend([Action::Shell, Action::Keep]);
            }
            if view.info.offers.copy {
                if matches!(view.selected, Selected::Job(_)) {
                    actions.push(Action::RunHere);
                }
                actions.push(Action::Trigger);
            }
        }
        Pane::Builds => actions.extend([Action::Enter, Action::StartBuild, Action::Back]),
        Pane::Main => match state.main_view() {
            MainView::Log => {
                let following = state.log().is_some_and(|log| log.follow);
                if !following {
                    actions.push(Action::Bottom);
                }
                actions.push(Action::Search);
                if state.search.is_some() {
                    actions.push(Action::NextMatch);
                }
                actions.extend([
                    Action::NextError,
                    Action::NextCommand,
                    Action::Wrap,
                    Action::FullScreen,
                ]);
            }
            MainView::Events => {
                if !view.events.follow {
                    actions.push(Action::Bottom);
                }
                actions.extend([Action::Enter, Action::Search]);
                if state.search.is_some() {
                    actions.push(Action::NextMatch);
                }
                actions.extend([
                    Action::NextError,
                    Action::CopyLine,
                    Action::ShowLog,
                    Action::FullScreen,
                ]);
            }
            MainView::Event => actions.extend([
                Action::Back,
                Action::CopyLine,
                Action::Search,
                Action::FullScreen,
            ]),
            MainView::Results => {
                actions.extend([Action::Enter, Action::Save, Action::Search, Action::ShowLog]);
            }
            MainView::Result => actions.extend([
                Action::Back,
                Action::Save,
                Action::Search,
                Action::FullScreen,
            ]),
            MainView::Artifacts => actions.extend([Action::Save, Action::ShowLog]),
            MainView::Comparison => actions.extend([Action::Enter, Action::Back]),
            MainView::Doc => actions.extend([Action::Back, Action::StartBuild]),
        },
    }
    if view.build.is_over() && !view.build.failed_jobs().is_empty() {
        actions.extend([Action::NextFailedJob, Action::RerunFailed]);
    }
    if view.runs() && view.info.offers.cancel {
        actions.push(Action::Cancel);
    }
    if state.focus == Pane::Jobs {
        if !matches!(state.main_view(), MainView::Doc) {
            actions.push(Action::Search);
        }
        if state.shows_build() {
            actions.extend([
                Action::ShowArtifacts,
                Action::ShowResults,
                Action::ShowEvents,
            ]);
        }
        actions.push(Action::Builds);
        if state.shows_build() {
            actions.push(Action::StartBuild);
        }
    }
    actions.push(Action::NextPane);
    actions
}

fn plays(state: &State) -> bool {
    let playback = state.view().playback.as_ref();
    playback.is_some_and(|playback| playback.plays())
}

/// Whether the selected job is in a container now.
fn in_container(state: &State) -> bool {
    let executor = state.view().build.executor.as_ref();
    let is_docker = executor.is_some_and(|executor| executor.name == "docker");
    let runs = |job: &JobState| job.status == JobStatus::Running && job.job.image.is_some();
    is_docker && state.shows_build() && state.job().is_some_and(runs)
}

/// What the footer calls an action.
fn short(state: &State, action: Action) -> &'static str {
    match action {
        Action::Bottom => "follow",
        Action::Play if plays(state) => "hold",
        Action::Enter if state.focus == Pane::Jobs => "read",
        Action::StartBuild if state.project.script == crate::app::Script::Missing => "demo",
        action => action.info().short,
    }
}
