//! What comes in ([`Msg`]) and what the app asks of the outside ([`Effect`]).
//!
//! Each effect says which message answers it. Effects are asked for, never awaited: whoever performs
//! them sends the answer when it is there, in any order, and answers that came too late are dropped
//! by their generation or by the name of what they are about.

use std::ops::Range;
use std::path::PathBuf;

use crate::domain::compare::Comparison;
use crate::domain::{Again, BlobKind, BuildStatus, JobId, LogId, Millis, Sid};
use crate::logs::{Section, Stream, StyledLine};
use crate::ports::{Control, Offers, SourceItem};

use super::action::Action;
use super::doc::DocLine;
use super::keys::Key;
use super::playback::Replay;
use super::shell::ShellScreen;
use super::state::Project;
use super::trigger::Trigger;

/// What the app is told.
#[derive(Debug, Clone)]
pub enum Msg {
    /// The time, in milliseconds since the epoch. The loop sends it before everything else it has.
    Tick(Millis),
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// A key or a click that means an action.
    Action(Action),
    /// Something typed into a line of text.
    Edit(Edit),
    /// The left mouse button was pressed at this column and row.
    Click(u16, u16),
    /// The wheel was turned at this column and row, up (negative) or down, by notches.
    Wheel(u16, u16, i16),
    /// The program was asked to end (SIGTERM, SIGHUP).
    Terminate,

    /// The project as it is now; answers [`Effect::ReloadProject`].
    Project(Box<Project>),
    /// The builds of the project, in any order; answers [`Effect::RefreshHistory`].
    History(Vec<HistoryItem>),
    /// A build has a source and is shown from now on; answers [`Effect::StartBuild`] and
    /// [`Effect::OpenBuild`]. Its events follow as [`Msg::Source`].
    BuildOpened(Box<BuildInfo>),
    /// A build's source has something to tell.
    Source(Sid, SourceItem),
    /// A build's source has nothing more to tell.
    SourceEnded(Sid),

    /// A part of a log; answers [`Effect::ReadLog`].
    LogRows(Box<LogRows>),
    /// A log cannot be read; answers [`Effect::ReadLog`]. A sentence.
    LogUnreadable(u64, String),
    /// The last lines of a job's log, without styles; answers [`Effect::ReadTail`].
    LogTail(Sid, JobId, Vec<String>),
    /// What [`Effect::Find`] found: a line, or `None` when there is none to the log's end in that
    /// direction.
    Found(u64, Option<usize>),
    /// How many lines of the log match so far, and whether all were looked at; may follow
    /// [`Msg::Found`] of a text, again and again.
    Counted(u64, usize, bool),
    /// The lines of a result's value, or a sentence why there are none; answers
    /// [`Effect::ReadResult`].
    ResultRead(u64, Vec<DocLine>),
    /// What differs between two builds, or a sentence why that is not known; answers [`Effect::Compare`].
    Compared(u64, Result<Box<Comparison>, String>),
    /// The text of a whole log; answers [`Effect::CopyLog`].
    LogText(String),

    /// A key for the shell.
    ShellKey(Key),
    /// A text that was pasted into the shell.
    ShellPaste(String),
    /// What the shell shows now; follows [`Effect::OpenShell`], again and again.
    ShellScreen(u64, Box<ShellScreen>),
    /// A shell has ended, with its exit status if that is known, or could not be opened: a sentence why
    /// not. Answers [`Effect::OpenShell`].
    ShellEnded(u64, Result<Option<i64>, String>),

    /// Something to say at the bottom of the screen; answers effects that may fail and those that
    /// have nothing else to answer.
    Notice(Notice),
    /// A build would not have it that it is controlled, and why; answers [`Effect::Control`].
    NotControlled(Sid, String),
    /// A build was not started, since nothing was found to run its container jobs but this machine's
    /// own shell; and what was looked for, in a sentence.
    NoEngine(BuildRequest, String),
}

/// Something to say at the bottom of the screen, until the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// It is about something that went wrong.
    pub bad: bool,
    /// One sentence or less.
    pub text: String,
}

impl Notice {
    /// Something that went as wanted.
    pub fn good(text: impl Into<String>) -> Self {
        Self {
            bad: false,
            text: text.into(),
        }
    }

    /// Something that went wrong.
    pub fn bad(text: impl Into<String>) -> Self {
        Self {
            bad: true,
            text: text.into(),
        }
    }
}

/// Typing in a line of text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Edit {
    Insert(String),
    Backspace,
    Delete,
    DeleteWord,
    Clear,
    Left,
    Right,
    Home,
    End,
    Submit,
    Abort,
    /// The line that was typed before, where there are some.
    Older,
    /// The one after it.
    Newer,
}

/// A build of the project that is over, or runs elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryItem {
    /// Which build.
    pub sid: Sid,
    /// Where it stands.
    pub status: BuildStatus,
    /// When it began.
    pub start: Option<Millis>,
    /// How long it took.
    pub duration: Option<Millis>,
    /// The branch that was built.
    pub branch: Option<String>,
    /// The commit that was built.
    pub commit: Option<String>,
    /// Why it ended as it did, or the commit's message.
    pub message: Option<String>,
}

/// What is known of a build besides its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildInfo {
    /// Which build.
    pub sid: Sid,
    /// What can be done to it.
    pub offers: Offers,
    /// Events are still to be expected: it runs, here or elsewhere.
    pub live: bool,
    /// Where its logs are, for people; the recording's folder when there is one.
    pub logs: Option<PathBuf>,
    /// The command line that runs it again, as one would type it.
    pub again: Option<String>,
    /// Where it runs, for people: a folder, a host.
    pub place: Option<String>,
    /// It is to be played.
    pub replay: Option<Replay>,
}

/// The build that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest {
    /// What to build.
    pub origin: Origin,
    /// Which jobs, and all that they need (scripts.md §2.3). What need not run again is taken over from
    /// the build that is run again.
    pub again: Again,
    /// The commit that was built, not the tree as it is.
    pub same_commit: bool,
    /// How many times the one job that is asked for is run.
    pub times: u32,
    /// A user has agreed to run container jobs in the shell of this machine.
    pub on_host: bool,
}

impl BuildRequest {
    /// All of it, once, of the tree as it is.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            again: Again::All,
            same_commit: false,
            times: 1,
            on_host: false,
        }
    }
}

/// What to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The project this program was started in.
    Project,
    /// The demo inside this program.
    Demo,
    /// The same as this build: its folder, script and parameters.
    Again(Sid),
}

/// A part of a log that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRequest {
    /// To be sent back with the answer.
    pub generation: u64,
    /// The build.
    pub sid: Sid,
    /// Which of its logs.
    pub log: LogId,
    /// Which lines.
    pub place: LogPlace,
    /// How many of them at most.
    pub count: usize,
    /// How many columns of each, from its beginning.
    pub columns: usize,
    /// The log as it was at this moment; `None`: all of it.
    pub until: Option<Millis>,
}

/// Which lines of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogPlace {
    /// The last ones.
    End,
    /// From this one on, counted from 0.
    Line(usize),
}

/// A part of a log, and how much there is of the whole. The log is refreshed before it is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogRows {
    /// From the request.
    pub generation: u64,
    /// How many lines the log has.
    pub total: usize,
    /// How many bytes the log has.
    pub bytes: u64,
    /// All its sections, in the order of the lines.
    pub sections: Vec<Section>,
    /// The number of the first line that follows.
    pub first: usize,
    /// The lines.
    pub lines: Vec<LogLine>,
    /// When the log went on after the moment that was asked for.
    pub next: Option<Millis>,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// What is seen, from the first column on.
    pub line: StyledLine,
    /// Who wrote it.
    pub stream: Stream,
    /// When it began.
    pub ms: Option<Millis>,
}

/// A line that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindRequest {
    /// To be sent back with the answer. A request takes the place of all with a lower number.
    pub generation: u64,
    /// The build.
    pub sid: Sid,
    /// Which of its logs.
    pub log: LogId,
    /// What to look for.
    pub needle: Needle,
    /// The lines to look at. The end may lie behind the log's.
    pub lines: Range<usize>,
    /// From the last of them to the first.
    pub backwards: bool,
    /// Count all the matches of the log too.
    pub count: bool,
    /// In the log as it was at this moment; `None`: in all of it.
    pub until: Option<Millis>,
}

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needle {
    /// A text, by the rules of `logs::Search`.
    Text(String),
    /// A line that looks like an error, by the rules of `logs::is_error`.
    Error,
}

/// How the program is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuitManner {
    /// Nothing of ours runs.
    Leave,
    /// The builds that ran here were canceled and are over.
    Stopped,
    /// At once (a second `Ctrl-c`): what runs is to be killed.
    Interrupt,
    /// The program was asked to end: what runs is to be canceled, after a short grace.
    Terminate,
}

/// What the app asks of the outside. The last five are the loop's own and never reach the performer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start a build. Answer: [`Msg::BuildOpened`], or a notice why not.
    StartBuild(BuildRequest),
    /// Do something to a build. Answer: a notice if it cannot be done; else its events tell.
    Control(Sid, Control),
    /// Find a build's source and open it. Answer: [`Msg::BuildOpened`], or a notice why not.
    OpenBuild(Sid),
    /// A build is no longer shown and not live: its source may be dropped. No answer.
    CloseBuild(Sid),
    /// Look again which builds there are. Answer: [`Msg::History`].
    RefreshHistory,
    /// Read the script again. Answer: [`Msg::Project`].
    ReloadProject,
    /// Read a part of a log. Answer: [`Msg::LogRows`] or [`Msg::LogUnreadable`].
    ReadLog(LogRequest),
    /// Read the last lines of a log. Answer: [`Msg::LogTail`].
    ReadTail(Sid, JobId, usize),
    /// Look for a line. Answer: [`Msg::Found`], then [`Msg::Counted`] when counting was asked for.
    Find(FindRequest),
    /// Read a whole log for the clipboard. Answer: [`Msg::LogText`], or a notice why not.
    CopyLog(Sid, LogId),
    /// Write a log to a file, relative to where the program was started. Answer: a notice.
    SaveLog(Sid, LogId, PathBuf),
    /// Read the value of a named result, for people. Answer: [`Msg::ResultRead`] with the number.
    ReadResult(Sid, String, u64),
    /// Compare a build with another one, or with the last one before it that succeeded. Answer:
    /// [`Msg::Compared`] with the number.
    Compare(Sid, Option<Sid>, u64),
    /// Write a named result to a file, relative to where the program was started. Answer: a notice.
    SaveResult(Sid, String, PathBuf),
    /// Write an artifact or cache to a file, relative to where the program was started: the
    /// archive as it is stored. Answer: a notice.
    SaveBlob {
        /// The build.
        sid: Sid,
        /// The job that left it.
        job: JobId,
        /// Artifact or cache.
        kind: BlobKind,
        /// Its id.
        id: String,
        /// Where to.
        to: PathBuf,
    },

    /// Run a job of a build on a server here. Answer: [`Msg::BuildOpened`], or a bad notice.
    RunHere(Sid, JobId),
    /// Have a server build this, in the repository of a build or in the one that is listed. Answer:
    /// [`Msg::BuildOpened`], or a bad notice.
    Trigger(Option<Sid>, Trigger),
    /// Keep the container of a job if it fails, or do not. Answer: a notice.
    KeepContainer(Sid, JobId),
    /// Open a shell in the container of a job. Answers: [`Msg::ShellScreen`] and [`Msg::ShellEnded`] with
    /// the number.
    OpenShell {
        /// To be sent back with the answers.
        generation: u64,
        /// The build.
        sid: Sid,
        /// The job.
        job: JobId,
        /// Columns and rows.
        size: (u16, u16),
    },
    /// Type these bytes into the shell. No answer.
    TypeIntoShell(Vec<u8>),
    /// The shell has this many columns and rows from now on. No answer.
    ResizeShell(u16, u16),
    /// Leave the shell: it ends. No answer.
    CloseShell,

    /// Put a text into the clipboard.
    Copy(String),
    /// Stop until the shell lets the program go on.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Take the mouse, or leave it to the terminal.
    Mouse(bool),
    /// End the loop.
    Quit(QuitManner),
}

impl Effect {
    /// True for what the loop does itself.
    pub fn is_of_the_loop(&self) -> bool {
        matches!(
            self,
            Self::Copy(_) | Self::Suspend | Self::Redraw | Self::Mouse(_) | Self::Quit(_)
        )
    }
}
