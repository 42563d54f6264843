//! What a user can do: one table, from which the keys, the footer, the help and the README's key
//! list are made.

use std::fmt;
use std::str::FromStr;

/// Something a user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the table describes each one")]
pub enum Action {
    Up,
    Down,
    Left,
    Right,
    Top,
    Bottom,
    HalfPageUp,
    HalfPageDown,
    PageUp,
    PageDown,
    NextPane,
    PreviousPane,
    ShowLog,
    ShowArtifacts,
    ShowResults,
    ShowEvents,
    ShowDetails,
    Compare,
    Builds,
    Enter,
    Back,
    FullScreen,
    Search,
    NextMatch,
    PreviousMatch,
    Follow,
    Wrap,
    Times,
    NextError,
    PreviousError,
    NextCommand,
    PreviousCommand,
    NextFailedJob,
    PreviousFailedJob,
    CopyLine,
    CopyLog,
    CopyAddress,
    Save,
    StartBuild,
    Rerun,
    RerunFailed,
    RerunFrom,
    Repeat,
    SameCommit,
    MarkJob,
    Cancel,
    Detach,
    RunHere,
    Trigger,
    Unblock,
    Shell,
    Keep,
    LeaveShell,
    Play,
    StepBack,
    StepForward,
    PreviousMark,
    NextMark,
    SeekBack,
    SeekForward,
    Slower,
    Faster,
    SkipSilence,
    GoTo,
    GoHere,
    Present,
    Help,
    Mouse,
    Redraw,
    Suspend,
    Quit,
    Interrupt,
    Yes,
    No,
}

/// Where a key is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Context {
    /// In every pane.
    Global,
    /// In the list of jobs.
    Jobs,
    /// In the list of builds.
    Builds,
    /// In a log.
    Log,
    /// In the list of artifacts.
    Artifacts,
    /// Among the results.
    Results,
    /// Among the events.
    Events,
    /// While the help is open.
    Help,
    /// While a question waits for its answer.
    Question,
    /// While text is typed: only what no text contains.
    Typing,
    /// In a shell, which gets all other keys.
    Shell,
    /// Even while a question waits or text is typed.
    Always,
}

impl Context {
    /// Returns the contexts whose keys hold here too, nearest first.
    pub fn wider(self) -> &'static [Self] {
        match self {
            Self::Always | Self::Shell => &[],
            Self::Question | Self::Help | Self::Typing | Self::Global => &[Self::Always],
            Self::Jobs
            | Self::Builds
            | Self::Log
            | Self::Artifacts
            | Self::Results
            | Self::Events => &[Self::Global, Self::Always],
        }
    }
}

/// How the help groups the actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the titles say it")]
pub enum Group {
    Move,
    Go,
    Find,
    Show,
    TakeOut,
    Act,
    Replay,
    Program,
}

impl Group {
    /// All of them, in the order of the help.
    pub const ALL: [Self; 8] = [
        Self::Act,
        Self::Go,
        Self::Find,
        Self::Show,
        Self::TakeOut,
        Self::Replay,
        Self::Move,
        Self::Program,
    ];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Move => "Move",
            Self::Go => "Go",
            Self::Find => "Find",
            Self::Show => "Show",
            Self::TakeOut => "Take out",
            Self::Act => "Act",
            Self::Replay => "The past of a build",
            Self::Program => "Program",
        }
    }
}

/// All there is to say about an action.
#[derive(Debug, Clone, Copy)]
pub struct ActionInfo {
    /// Which one.
    pub action: Action,
    /// The spelling that parses and prints.
    pub name: &'static str,
    /// One or two words for the footer.
    pub short: &'static str,
    /// What it does, for the help.
    pub about: &'static str,
    /// The default keys.
    pub keys: &'static [&'static str],
    /// Where they hold.
    pub contexts: &'static [Context],
    /// Where the help lists it.
    pub group: Group,
}

const fn row(
    action: Action,
    name: &'static str,
    short: &'static str,
    about: &'static str,
    keys: &'static [&'static str],
    contexts: &'static [Context],
    group: Group,
) -> ActionInfo {
    ActionInfo {
        action,
        name,
        short,
        about,
        keys,
        contexts,
        group,
    }
}

const ANY: &[Context] = &[Context::Global, Context::Help];
const JOBS: &[Context] = &[Context::Jobs];
const GLOBAL: &[Context] = &[Context::Global];
const LOG: &[Context] = &[Context::Log];
const READ: &[Context] = &[Context::Log, Context::Jobs];
const FIND: &[Context] = &[
    Context::Log,
    Context::Jobs,
    Context::Results,
    Context::Events,
];
const COPY: &[Context] = &[Context::Log, Context::Events, Context::Results];
const ALWAYS: &[Context] = &[Context::Always];
const SHELL: &[Context] = &[Context::Shell];
const QUESTION: &[Context] = &[Context::Question];

/// Every action.
#[rustfmt::skip]
pub const ACTIONS: &[ActionInfo] = &[
    row(Action::Up, "up", "up", "one row up", &["k", "up"], ANY, Group::Move),
    row(Action::Down, "down", "down", "one row down", &["j", "down"], ANY, Group::Move),
    row(Action::Left, "left", "left", "to the pane on the left; in a log to the left", &["h", "left"], GLOBAL, Group::Move),
    row(Action::Right, "right", "right", "to the pane on the right; in a log to the right", &["l", "right"], GLOBAL, Group::Move),
    row(Action::Top, "top", "top", "to the first row", &["g", "home"], ANY, Group::Move),
    row(Action::Bottom, "bottom", "end", "to the last row; in a log follow it again", &["G", "end"], ANY, Group::Move),
    row(Action::HalfPageUp, "half-page-up", "½ up", "half a page up", &["ctrl-u"], ANY, Group::Move),
    row(Action::HalfPageDown, "half-page-down", "½ down", "half a page down", &["ctrl-d"], ANY, Group::Move),
    row(Action::PageUp, "page-up", "page up", "a page up", &["ctrl-b", "pgup"], ANY, Group::Move),
    row(Action::PageDown, "page-down", "page down", "a page down", &["ctrl-f", "pgdn", "space"], ANY, Group::Move),

    row(Action::NextPane, "next-pane", "pane", "to the next pane", &["tab"], GLOBAL, Group::Go),
    row(Action::PreviousPane, "previous-pane", "pane", "to the pane before", &["shift-tab"], GLOBAL, Group::Go),
    row(Action::ShowLog, "show-log", "log", "show the log", &["1"], GLOBAL, Group::Go),
    row(Action::ShowArtifacts, "show-artifacts", "artifacts", "show artifacts and caches", &["5"], GLOBAL, Group::Go),
    row(Action::ShowResults, "show-results", "results", "show named results, and who read what", &["6"], GLOBAL, Group::Go),
    row(Action::ShowEvents, "show-events", "events", "show the events of the build or the job", &["8"], GLOBAL, Group::Go),
    row(Action::ShowDetails, "show-details", "details", "show the details of the build or the job", &["9"], GLOBAL, Group::Go),
    row(Action::Compare, "compare", "compare", "compare with the last success, or the listed build", &["="], GLOBAL, Group::Go),
    row(Action::Builds, "builds", "builds", "to the list of builds, and back", &["b"], GLOBAL, Group::Go),
    row(Action::Enter, "enter", "open", "open what is selected", &["enter"], GLOBAL, Group::Go),
    row(Action::Back, "back", "back", "out one level", &["esc"], ANY, Group::Go),
    row(Action::FullScreen, "full-screen", "full", "this pane on the whole screen, and back", &["f"], GLOBAL, Group::Go),
    row(Action::NextFailedJob, "next-failed-job", "next failed", "to the next failed job", &["}"], GLOBAL, Group::Go),
    row(Action::PreviousFailedJob, "previous-failed-job", "last failed", "to the failed job before", &["{"], GLOBAL, Group::Go),

    row(Action::Search, "search", "search", "search the log, the results or the events", &["/"], FIND, Group::Find),
    row(Action::NextMatch, "next-match", "next", "to the next match", &["n"], FIND, Group::Find),
    row(Action::PreviousMatch, "previous-match", "previous", "to the match before", &["N"], FIND, Group::Find),
    row(Action::NextError, "next-error", "next error", "to the next line that looks like an error", &["e"], FIND, Group::Find),
    row(Action::PreviousError, "previous-error", "last error", "to the error before", &["E"], FIND, Group::Find),
    row(Action::NextCommand, "next-command", "next cmd", "to the next command", &["]"], READ, Group::Find),
    row(Action::PreviousCommand, "previous-command", "last cmd", "to the command before", &["["], READ, Group::Find),

    row(Action::Follow, "follow", "follow", "follow the log (among the jobs: what runs), or stop", &["F"], FIND, Group::Show),
    row(Action::Wrap, "wrap", "wrap", "wrap long lines, or cut them", &["w"], READ, Group::Show),
    row(Action::Times, "times", "times", "times of lines: off, clock, since the job's start", &["t"], READ, Group::Show),

    row(Action::CopyLine, "copy-line", "copy", "copy the marked line or the screen, an event, a result", &["y"], COPY, Group::TakeOut),
    row(Action::CopyLog, "copy-log", "copy all", "copy the whole log", &["Y"], LOG, Group::TakeOut),
    row(Action::CopyAddress, "copy-address", "copy address", "copy the address where the job's ports are reached", &["a"], GLOBAL, Group::TakeOut),
    row(Action::Save, "save", "save", "save the artifact, the result or the log to a file", &["ctrl-s"], GLOBAL, Group::TakeOut),

    row(Action::StartBuild, "start-build", "build", "start a build of this project; without one, the demo", &["B"], GLOBAL, Group::Act),
    row(Action::Rerun, "rerun", "rerun", "run the job again, the marked ones, or the build", &["r"], GLOBAL, Group::Act),
    row(Action::RerunFailed, "rerun-failed", "rerun failed", "run again what failed", &["R"], GLOBAL, Group::Act),
    row(Action::RerunFrom, "rerun-from", "rerun from", "run the job again, and all that depends on it", &["ctrl-r"], GLOBAL, Group::Act),
    row(Action::Repeat, "repeat", "repeat", "run the job many times: is it flaky?", &["X"], GLOBAL, Group::Act),
    row(Action::MarkJob, "mark-job", "mark", "mark the job for a rerun, or no longer", &["space"], JOBS, Group::Act),
    row(Action::SameCommit, "same-commit", "same commit", "reruns build the same commit, or the tree as it is", &["c"], GLOBAL, Group::Act),
    row(Action::Unblock, "unblock", "approve", "approve the blocked job", &["A"], GLOBAL, Group::Act),
    row(Action::Cancel, "cancel", "cancel", "cancel the build; asks first", &["x"], GLOBAL, Group::Act),
    row(Action::Trigger, "trigger", "trigger", "have the server build: a branch, tag:v1, NAME=VALUE", &["T"], GLOBAL, Group::Act),
    row(Action::RunHere, "run-here", "run here", "run a job of a server here: its commit, its artifacts", &["L"], GLOBAL, Group::Act),
    row(Action::Detach, "detach", "detach", "watch this build no more; it goes on where it runs", &["D"], GLOBAL, Group::Act),

    row(Action::Shell, "shell", "shell", "a shell in the job's container", &["s"], GLOBAL, Group::Act),
    row(Action::Keep, "keep", "keep", "keep the container if the job fails, or no longer", &["K"], GLOBAL, Group::Act),
    row(Action::LeaveShell, "leave-shell", "leave", "leave the shell in a container", &["ctrl-]", "ctrl-5"], SHELL, Group::Act),

    row(Action::Play, "play", "play", "play a build from its start; hold one, and go on", &["p"], GLOBAL, Group::Replay),
    row(Action::StepBack, "step-back", "step", "one event back", &[","], GLOBAL, Group::Replay),
    row(Action::StepForward, "step-forward", "step", "one event on", &["."], GLOBAL, Group::Replay),
    row(Action::PreviousMark, "previous-mark", "back", "back to where a job began or ended", &["<"], GLOBAL, Group::Replay),
    row(Action::NextMark, "next-mark", "on", "on to where a job begins or ends", &[">"], GLOBAL, Group::Replay),
    row(Action::SeekBack, "seek-back", "10 s back", "10 seconds back", &["ctrl-left"], GLOBAL, Group::Replay),
    row(Action::SeekForward, "seek-forward", "10 s on", "10 seconds on", &["ctrl-right"], GLOBAL, Group::Replay),
    row(Action::Slower, "slower", "slower", "play slower, down to ×0.1", &["("], GLOBAL, Group::Replay),
    row(Action::Faster, "faster", "faster", "play faster, up to ×1000", &[")"], GLOBAL, Group::Replay),
    row(Action::SkipSilence, "skip-silence", "skip", "skip silences while it plays, or do not", &["Z"], GLOBAL, Group::Replay),
    row(Action::GoTo, "go-to", "go to", "to a moment: 1:23, +10s, 50%, at 14:03, #17, a job", &["@"], GLOBAL, Group::Replay),
    row(Action::GoHere, "go-here", "here", "to the moment of the job, line or event selected", &["H"], GLOBAL, Group::Replay),
    row(Action::Present, "present", "present", "back to the present", &["P"], GLOBAL, Group::Replay),

    row(Action::Help, "help", "keys", "all keys", &["?"], ANY, Group::Program),
    row(Action::Mouse, "mouse", "mouse", "take the mouse, or leave it to the terminal", &["M"], GLOBAL, Group::Program),
    row(Action::Redraw, "redraw", "redraw", "draw everything anew", &["ctrl-l"], ALWAYS, Group::Program),
    row(Action::Suspend, "suspend", "suspend", "to the shell; fg comes back", &["ctrl-z"], ALWAYS, Group::Program),
    row(Action::Quit, "quit", "quit", "quit; asks while a build runs", &["q"], ANY, Group::Program),
    row(Action::Interrupt, "interrupt", "stop", "quit; a second time at once", &["ctrl-c"], ALWAYS, Group::Program),
    row(Action::Yes, "yes", "yes", "do what was asked", &["y", "s"], QUESTION, Group::Program),
    row(Action::No, "no", "no", "do not", &["esc", "n", "q"], QUESTION, Group::Program),
];

impl Action {
    /// All there is to say about it.
    pub fn info(self) -> &'static ActionInfo {
        ACTIONS
            .iter()
            .find(|info| info.action == self)
            .expect("a test finds every action in the table")
    }
}

/// The text names no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no action {0:?}")]
pub struct ActionError(String);

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.info().name)
    }
}

impl FromStr for Action {
    type Err = ActionError;

    fn from_str(name: &str) -> Result<Self, ActionError> {
        ACTIONS
            .iter()
            .find(|info| info.name == name)
            .map(|info| info.action)
            .ok_or_else(|| ActionError(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_prints_what_it_parses_and_stands_once_in_the_table() {
        for info in ACTIONS {
            assert_eq!(info.action.to_string(), info.name);
            assert_eq!(info.name.parse::<Action>(), Ok(info.action));
        }
        for (place, info) in ACTIONS.iter().enumerate() {
            for other in &ACTIONS[place + 1..] {
                assert!(info.action != other.action && info.name != other.name);
            }
        }
        // The last of the enum: an action without a row would be missing from this count.
        assert_eq!(ACTIONS.len(), Action::No as usize + 1);
        assert!("no such thing".parse::<Action>().is_err());
    }

    #[test]
    fn what_actions_do_fits_into_the_help_of_a_small_screen() {
        for info in ACTIONS {
            assert!(info.about.chars().count() <= 54, "{}", info.about);
            assert!(info.short.chars().count() <= 12, "{}", info.short);
        }
    }
}
