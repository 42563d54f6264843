//! All that is known, as plain data.

use std::collections::HashMap;

use crate::domain::{
    BlobKind, BuildStatus, GitInfo, Job, JobId, JobState, LogId, Millis, Phase, Sid, StoredBlob,
};

use super::action::Context;
use super::build_view::{BuildView, Selected};
use super::doc::{self, DocLine};
use super::keys::Bindings;
use super::layout::{Areas, Pane, Wants, content};
use super::log_view::{Geometry, LogView};
use super::msg::{BuildRequest, HistoryItem, Needle, Notice};
use super::shell::ShellView;

/// All that is known. Made by [`State::new`], changed by [`update`](super::update) only.
#[derive(Debug, Clone)]
pub struct State {
    /// The time of the message that was handled last.
    pub now: Millis,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Seconds east of UTC, for clocks.
    pub utc_offset: i32,
    /// What this program was started in.
    pub project: Project,
    /// The jobs of the script, as a build of which nothing has happened.
    pub plan: BuildView,
    /// The builds of the project, newest first.
    pub history: Vec<HistoryItem>,
    /// The builds that were opened.
    pub builds: HashMap<Sid, BuildView>,
    /// The build that is shown; `None`: the script.
    pub shown: Option<Sid>,
    /// The repository on a server whose builds are listed too: `acme/app`.
    pub listed: Option<String>,
    /// What servers were asked to build, as it was typed, oldest first.
    pub triggered: Vec<String>,
    /// The pane with the focus.
    pub focus: Pane,
    /// That pane has the whole screen.
    pub full: bool,
    /// What the main pane shows of a job.
    pub tab: Tab,
    /// The row of the list of builds; `None`: the script.
    pub builds_cursor: Option<Sid>,
    /// First row of the list of builds on the screen.
    pub builds_top: usize,
    /// How logs are shown.
    pub show: Show,
    /// What was searched for last.
    pub search: Option<SearchState>,
    /// The shell that is open.
    pub shell: Option<ShellView>,
    /// What waits for an answer.
    pub dialog: Option<Dialog>,
    /// What is said at the bottom.
    pub notice: Option<Notice>,
    /// The keys in force.
    pub bindings: Bindings,
    /// The mouse is ours.
    pub mouse: bool,
    /// Leaves when the builds that were canceled for it are over.
    pub leaving: bool,
    /// A build was asked for and has not been opened yet.
    pub starting: bool,
    /// Reruns build the commit that was built, not the tree as it is.
    pub same_commit: bool,
    /// Something on the screen has changed since it was drawn.
    pub dirty: bool,
    /// First row of the text in the main pane, where it shows text of our own.
    pub doc_top: usize,
    /// Counts requests.
    pub(super) generation: u64,
    /// The line that is being looked for.
    pub(super) seeking: Option<Seek>,
}

/// What a [`State`] begins with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The time, in milliseconds since the epoch.
    pub now: Millis,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Seconds east of UTC, for clocks.
    pub utc_offset: i32,
    /// What this program was started in.
    pub project: Project,
    /// The builds known at the start; more may come with a message.
    pub history: Vec<HistoryItem>,
    /// The keys in force.
    pub bindings: Bindings,
    /// The mouse is ours from the start.
    pub mouse: bool,
    /// A repository on a server whose builds are listed too.
    pub listed: Option<String>,
}

/// What this program was started in.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// The name of the repository.
    pub name: String,
    /// The folder, as people write it: `~/src/calc`.
    pub dir: String,
    /// What version control says of it.
    pub git: GitInfo,
    /// The build script.
    pub script: Script,
}

/// The build script of a project.
#[derive(Debug, Clone, PartialEq)]
pub enum Script {
    /// Not looked at yet.
    Loading,
    /// There is no `.monkeyci`.
    Missing,
    /// It was read.
    Loaded {
        /// The jobs it defines.
        jobs: Vec<Job>,
        /// There is a `build.clj`, which may add others once it runs.
        clojure: bool,
        /// What it should be told, a sentence each.
        warnings: Vec<String>,
    },
    /// It cannot be read or run: the text says why, over several lines.
    Broken(String),
}

/// What the main pane shows of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Tab {
    Log,
    Artifacts,
    Results,
    Events,
    Details,
    Compare,
}

/// How logs are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Show {
    /// Long lines are wrapped.
    pub wrap: bool,
    /// The times of lines.
    pub times: Times,
}

/// The times of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Times {
    /// Not shown.
    #[default]
    Off,
    /// The time of day.
    Clock,
    /// Since the job began.
    SinceStart,
}

/// A search in a log, or in a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchState {
    /// What is looked for.
    pub text: String,
    /// Events were searched, not a log.
    pub in_events: bool,
    /// How many lines or events match, and whether all were looked at.
    pub count: Option<(usize, bool)>,
    /// The request that counts.
    pub(super) counting: u64,
}

/// A request for a line that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seek {
    pub generation: u64,
    pub sid: Sid,
    pub log: LogId,
    pub needle: Needle,
    pub backwards: bool,
    /// It went past the end of the log and on from the other side.
    pub wrapped: bool,
    /// Nobody asked for it: say nothing when nothing is found.
    pub quiet: bool,
}

/// What waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialog {
    /// Builds run here: stop them and quit, or stay?
    Quit,
    /// Cancel this build?
    Cancel(Sid),
    /// Run the jobs of this build in the shell of this machine? And why there is no engine.
    Host(BuildRequest, String),
    /// The keys; scrolled by rows.
    Help(usize),
    /// What to search for.
    Search(Input),
    /// Where to save what.
    Save(Input, Saving),
    /// What a server is to build, in the repository of this build or in the one that is listed; and which of
    /// the lines before is shown, counted from the newest.
    Trigger(Input, Option<Sid>, Option<usize>),
    /// Which moment to go to.
    GoTo(Input),
    /// How many times to run a job.
    Repeat(Input, JobId),
}

/// What is to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Saving {
    Blob(Sid, JobId, BlobKind, String),
    Log(Sid, LogId),
    Result(Sid, String),
}

/// A line of text that is being typed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Input {
    /// The text.
    pub text: String,
    /// Where the next character goes, in bytes.
    pub at: usize,
}

/// A row of the list of builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRow {
    /// Which build; `None`: the script as it is now.
    pub sid: Option<Sid>,
    /// Where it stands.
    pub status: BuildStatus,
    /// When it began.
    pub start: Option<Millis>,
    /// How long it took, or takes so far.
    pub duration: Option<Millis>,
    /// Branch, or the commit when there is none.
    pub what: String,
    /// It was canceled or goes on: more than the past.
    pub live: bool,
}

/// What the main pane shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MainView {
    /// The log of the selected job.
    Log,
    /// The artifacts and caches of what is selected.
    Artifacts,
    /// The named results of what is selected, and what was read.
    Results,
    /// The value of one of them.
    Result,
    /// The events of what is selected.
    Events,
    /// One of them.
    Event,
    /// What differs between the build and another one.
    Comparison,
    /// Text of our own: about the build or a job, when it is asked for or there is no log.
    Doc,
}

impl State {
    /// A state in which nothing has happened yet.
    pub fn new(setup: Setup) -> Self {
        let mut state = Self {
            now: setup.now,
            size: setup.size,
            utc_offset: setup.utc_offset,
            plan: BuildView::of_project(&setup.project),
            project: setup.project,
            history: Vec::new(),
            builds: HashMap::new(),
            shown: None,
            listed: setup.listed,
            triggered: Vec::new(),
            focus: Pane::Jobs,
            full: false,
            tab: Tab::Log,
            builds_cursor: None,
            builds_top: 0,
            show: Show::default(),
            search: None,
            shell: None,
            dialog: None,
            notice: None,
            bindings: setup.bindings,
            mouse: setup.mouse,
            leaving: false,
            starting: false,
            same_commit: false,
            dirty: true,
            doc_top: 0,
            generation: 0,
            seeking: None,
        };
        state.set_history(setup.history);
        state
    }

    pub(super) fn set_history(&mut self, mut history: Vec<HistoryItem>) {
        history.sort_by(|a, b| (b.start, &b.sid).cmp(&(a.start, &a.sid)));
        self.history = history;
    }

    /// What is shown: a build, or the script's plan.
    pub fn view(&self) -> &BuildView {
        let shown = self.shown.as_ref().and_then(|sid| self.builds.get(sid));
        shown.unwrap_or(&self.plan)
    }

    pub(super) fn view_mut(&mut self) -> &mut BuildView {
        let shown = self.shown.as_ref().and_then(|sid| self.builds.get_mut(sid));
        shown.unwrap_or(&mut self.plan)
    }

    /// True when a build is shown, not the script's plan.
    pub fn shows_build(&self) -> bool {
        self.shown
            .as_ref()
            .is_some_and(|sid| self.builds.contains_key(sid))
    }

    /// The job that is selected.
    pub fn job(&self) -> Option<&JobState> {
        let view = self.view();
        match &view.selected {
            Selected::Job(id) => view.build.job(id),
            Selected::Build | Selected::Script => None,
        }
    }

    /// Where the user is in the log that is shown.
    pub fn log(&self) -> Option<&LogView> {
        let view = self.view();
        view.logs.get(&view.selected.log()?)
    }

    /// What the main pane shows.
    pub fn main_view(&self) -> MainView {
        if self.tab == Tab::Artifacts && self.shows_build() {
            return MainView::Artifacts;
        }
        if self.tab == Tab::Results && self.shows_build() {
            return if self.view().results.open {
                MainView::Result
            } else {
                MainView::Results
            };
        }
        if self.tab == Tab::Events && self.shows_build() {
            return match self.view().events.open {
                Some(_) => MainView::Event,
                None => MainView::Events,
            };
        }
        if self.tab == Tab::Compare && self.shows_build() && self.view().compared.is_some() {
            return MainView::Comparison;
        }
        if self.tab == Tab::Details && self.shows_build() {
            return MainView::Doc;
        }
        if self.view().selected == Selected::Script && self.shows_build() {
            return MainView::Log;
        }
        match self.job() {
            Some(job) if self.shows_build() => {
                let has_log = self.log().is_some_and(|log| log.total > 0);
                if job.start_time.is_some() || has_log {
                    MainView::Log
                } else {
                    MainView::Doc
                }
            }
            _ => MainView::Doc,
        }
    }

    /// The text in the main pane, where it shows text of our own.
    pub fn doc(&self, columns: usize) -> Vec<DocLine> {
        doc::wrap(doc::main(self), columns)
    }

    /// Where everything is on the screen.
    pub fn areas(&self) -> Areas {
        Areas::new(
            self.size,
            &Wants {
                focus: match self.shell {
                    Some(_) => Pane::Main,
                    None => self.focus,
                },
                full: self.full || self.shell.is_some(),
                scrubber: self.view().playback.is_some(),
                jobs: self.view().rows(),
                builds: self.build_count() + 1,
            },
        )
    }

    /// Columns and rows for a shell.
    pub(super) fn shell_size(&self) -> (u16, u16) {
        let area = self.areas().main.map(content).unwrap_or_default();
        (area.width, area.height)
    }

    /// The inside of the main pane.
    pub fn geometry(&self) -> Geometry {
        let area = self.areas().main.map(content).unwrap_or_default();
        // The last column stays free, so that text does not touch the edge.
        let columns = usize::from(area.width).saturating_sub(self.gutter() + 1);
        Geometry {
            height: usize::from(area.height).saturating_sub(self.rows_above_log()),
            columns,
            wrap: self.show.wrap,
        }
    }

    /// What stands above a log and stays there: above the script's, what runs it and why; above
    /// that of a job that runs, where its ports are reached. A low pane has no room for it.
    pub fn above_log(&self, columns: usize) -> Vec<DocLine> {
        if self.rows_of(Pane::Main) < 6 || self.main_view() != MainView::Log {
            return Vec::new();
        }
        let view = self.view();
        let lines = match (&view.selected, self.job(), &view.build.host) {
            (Selected::Script, _, Some(host)) => doc::host(host),
            (_, Some(job), _) if job.phase == Phase::Running => doc::exposed(job),
            _ => return Vec::new(),
        };
        let mut lines = doc::wrap(lines, columns.saturating_sub(3));
        lines.truncate(3);
        lines
    }

    /// How many rows that takes.
    pub fn rows_above_log(&self) -> usize {
        let area = self.areas().main.map(content).unwrap_or_default();
        self.above_log(area.width.into()).len()
    }

    /// Rows for results in the main pane, below their heading; the value below has the others.
    pub fn result_rows(&self) -> usize {
        let rows = self.rows_of(Pane::Main).saturating_sub(1);
        let count = super::results::rows(self.view()).len();
        count.min((rows / 2).max(1))
    }

    /// Rows for events in the main pane; a low one has no heading above them.
    pub fn event_rows(&self) -> usize {
        let rows = self.rows_of(Pane::Main);
        rows - usize::from(has_heading(rows))
    }

    /// Columns for text of our own in the main pane.
    pub fn text_columns(&self) -> usize {
        self.geometry().columns + self.gutter() - 1
    }

    /// Columns to the left of a log's text.
    pub fn gutter(&self) -> usize {
        match self.show.times {
            Times::Off => 2,
            Times::Clock => 11,
            Times::SinceStart => 10,
        }
    }

    /// Rows of a pane below its title.
    pub fn rows_of(&self, pane: Pane) -> usize {
        let area = self.areas().of(pane).map(content);
        area.unwrap_or_default().height.into()
    }

    /// Where a key that is pressed now is pressed.
    pub fn context(&self) -> Context {
        match &self.dialog {
            Some(Dialog::Quit | Dialog::Cancel(_) | Dialog::Host(..)) => Context::Question,
            Some(Dialog::Help(_)) => Context::Help,
            Some(
                Dialog::Search(_)
                | Dialog::Save(..)
                | Dialog::Trigger(..)
                | Dialog::GoTo(_)
                | Dialog::Repeat(..),
            ) => Context::Typing,
            None if self.shell.is_some() => Context::Shell,
            None => self.pane_context(),
        }
    }

    /// The pane with the focus, as a place for keys.
    pub fn pane_context(&self) -> Context {
        match self.focus {
            Pane::Jobs => Context::Jobs,
            Pane::Builds => Context::Builds,
            Pane::Main => match self.main_view() {
                MainView::Artifacts => Context::Artifacts,
                MainView::Results | MainView::Result => Context::Results,
                MainView::Events | MainView::Event => Context::Events,
                MainView::Log | MainView::Comparison | MainView::Doc => Context::Log,
            },
        }
    }

    /// The builds that run inside this program and end with it.
    pub fn running_here(&self) -> Vec<&BuildView> {
        let mut running: Vec<&BuildView> = self
            .builds
            .values()
            .filter(|view| view.runs() && view.info.offers.owned)
            .collect();
        running.sort_by(|a, b| a.info.sid.cmp(&b.info.sid));
        running
    }

    /// True while the time alone changes the screen.
    pub(super) fn needs_time(&self) -> bool {
        self.starting
            || self
                .builds
                .values()
                .any(|view| view.runs() || view.lost.is_some())
    }

    /// In how many milliseconds from `now` the time alone changes the screen, so that the loop has to tell
    /// it: when the clock's seconds turn over, or as a recording plays.
    pub fn wakes_in(&self, now: Millis) -> Option<Millis> {
        let next = self.log().and_then(LogView::next);
        let playback = self.view().playback.as_ref();
        let plays = playback.and_then(|playback| playback.due_in(now, next));
        let second = self.needs_time().then(|| 1000 - now.rem_euclid(1000));
        plays.into_iter().chain(second).min()
    }

    /// The rows of the list of builds: the script, then the builds, newest first.
    pub fn build_rows(&self) -> Vec<BuildRow> {
        let mut rows = vec![BuildRow {
            sid: None,
            status: BuildStatus::Pending,
            start: None,
            duration: None,
            what: String::new(),
            live: false,
        }];
        let opened = |sid: &Sid| self.builds.get(sid);
        let mut builds: Vec<BuildRow> = self
            .builds
            .values()
            .filter(|view| !self.history.iter().any(|item| item.sid == view.info.sid))
            .map(|view| view.row(self.now))
            .collect();
        builds.extend(self.history.iter().map(|item| match opened(&item.sid) {
            Some(view) if view.build.last_seq > 0 => view.row(self.now),
            _ => BuildRow {
                sid: Some(item.sid.clone()),
                status: item.status.clone(),
                start: item.start,
                duration: item.duration,
                what: what(item.branch.as_deref(), item.commit.as_deref()),
                live: false,
            },
        }));
        builds.sort_by(|a, b| (b.start, &b.sid).cmp(&(a.start, &a.sid)));
        rows.extend(builds);
        rows
    }

    /// How many builds are known.
    fn build_count(&self) -> usize {
        let unlisted = |sid: &&Sid| !self.history.iter().any(|item| item.sid == **sid);
        self.history.len() + self.builds.keys().filter(unlisted).count()
    }

    /// The artifacts and caches of what is selected: of a job, or of the whole build.
    pub fn blobs(&self) -> Vec<(&JobId, &StoredBlob)> {
        let view = self.view();
        let of = |id: &JobId| match &view.selected {
            Selected::Build => true,
            Selected::Script => false,
            Selected::Job(selected) => selected == id,
        };
        view.order
            .iter()
            .filter(|id| of(id))
            .filter_map(|id| view.build.job(id))
            .flat_map(|job| job.blobs.iter().map(move |blob| (job.id(), blob)))
            .collect()
    }
}

/// True for a list that can spare a row for the names of its columns.
pub fn has_heading(rows: usize) -> bool {
    rows >= 8
}

pub(super) fn what(branch: Option<&str>, commit: Option<&str>) -> String {
    match (branch, commit) {
        (Some(branch), _) => branch.to_owned(),
        (None, Some(commit)) => super::text::short_commit(commit),
        (None, None) => String::new(),
    }
}

impl Input {
    /// A text with the cursor at its end.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            at: text.len(),
            text,
        }
    }
}
