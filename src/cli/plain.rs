//! A build as plain lines: for pipes, CI logs and terminals that cannot draw.
//!
//! ```text
//! 14:03:07 build      │ local/wrap/local-build-1 · main 3f2c1ab
//! 14:03:08 unit-tests ┆ ok 12 wraps at the margin
//! 14:03:09 unit-tests ✗ failure after 1.4 s: exit status 1
//! ```
//!
//! The reporter folds the same events as the panes and reads the same logs. It never
//! waits: whoever owns the source calls it.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::{
    Build, BuildStatus, Event, EventKind, JobId, JobState, JobStatus, JobUpdate, LogId, Millis,
    TuiEvent, file_name,
};
use crate::logs::{LogPaths, LogReader, NO_COMMAND};

use super::clean::{clean, clean_lines};

/// Longest job id that widens the column of names.
const WIDEST_NAME: usize = 24;
/// Lines longer than this are cut on screen; the log has them whole.
const LONGEST_LINE: usize = 64 * 1024;
/// Lines of a failed job's log that the summary repeats.
pub const LAST_LINES: usize = 12;

/// How to print.
#[derive(Debug, Clone)]
pub struct PlainOptions {
    /// Use colours, and let those of the logs through.
    pub color: bool,
    /// Keep to ASCII.
    pub ascii: bool,
    /// The zone of the timestamps.
    pub zone: TimeZone,
    /// Where the build's logs are.
    pub logs_dir: PathBuf,
}

/// Prints a build as it goes.
#[derive(Debug)]
pub struct PlainReporter<W> {
    out: W,
    options: PlainOptions,
    build: Build,
    logs: HashMap<LogId, Tail>,
    width: usize,
    last_time: Millis,
    twice: Twice,
}

/// What an action prints is in the script's log as it is printed, and in the log of its job at the job's
/// end: it is shown once, where it came first.
#[derive(Debug, Default)]
struct Twice {
    /// How often a line was shown of the script (positive) or of jobs (negative), and not yet of the other.
    shown: HashMap<u64, i32>,
}

impl Twice {
    /// Most lines that are remembered; whoever prints more sees some of them again.
    const MOST: usize = 100_000;

    /// Whether a line is to be shown.
    fn shows(&mut self, of_script: bool, text: &str) -> bool {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        let one = if of_script { 1 } else { -1 };
        if self.shown.len() > Self::MOST {
            self.shown.clear();
        }
        let line = BuildHasherDefault::<DefaultHasher>::default().hash_one(text);
        let count = self.shown.entry(line).or_default();
        let is_second = *count * one < 0;
        *count += one;
        if *count == 0 {
            self.shown.remove(&line);
        }
        !is_second
    }
}

/// How far a log is printed. The place is kept when the reader is not: news of a log may
/// come after its job has ended.
#[derive(Debug, Default)]
struct Tail {
    reader: Option<LogReader>,
    next: usize,
    /// Commands up to this one were announced: by an event, or by what they wrote if that came first.
    announced: Option<u32>,
}

impl<W: Write> PlainReporter<W> {
    /// A reporter that has printed nothing yet.
    pub fn new(out: W, options: PlainOptions) -> Self {
        Self {
            out,
            options,
            build: Build::default(),
            logs: HashMap::new(),
            width: "build".len(),
            last_time: 0,
            twice: Twice::default(),
        }
    }

    /// The build so far.
    pub fn build(&self) -> &Build {
        &self.build
    }

    /// Prints what an event tells.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        let was_over = event
            .job_id
            .as_ref()
            .and_then(|id| self.build.job(id))
            .is_some_and(JobState::is_over);
        if let EventKind::BuildUpdated { jobs, .. } = &event.kind {
            return self.updated(event, jobs);
        }
        let is_first = self.build.created.is_none();
        self.build.apply(event);
        self.last_time = event.at();
        match (&event.kind, &event.job_id) {
            (EventKind::BuildPending { .. }, _) if is_first => self.begin(event.at()),
            (EventKind::ScriptStart { jobs }, _) => {
                self.width = jobs
                    .iter()
                    .map(|job| job.id.as_str().chars().count())
                    .chain([self.width])
                    .max()
                    .unwrap_or_default()
                    .min(WIDEST_NAME);
                self.say_how_many(event.at(), jobs.len())
            }
            (EventKind::JobBlocked, Some(id)) => self.blocked(event.at(), id),
            (EventKind::JobUnblocked, Some(id)) => {
                self.say(event.at(), id.as_str(), Mark::Note, "approved")
            }
            (EventKind::JobStart, Some(id)) => {
                self.say(event.at(), id.as_str(), Mark::Runs, "started")
            }
            (EventKind::CommandStart { command, .. }, Some(id)) => {
                self.command(event.at(), id, command)
            }
            (EventKind::CommandEnd { .. } | EventKind::ContainerEnd { .. }, Some(id)) => {
                self.print_log(&LogId::Job(id.clone()), false)
            }
            (EventKind::JobEnd { .. } | EventKind::JobSkipped, Some(id)) if !was_over => {
                self.job_ended(event.at(), id)
            }
            (EventKind::Tui(TuiEvent::Warning), id) => {
                let name = id.as_ref().map_or("build", JobId::as_str).to_owned();
                let message = event.message.clone().unwrap_or_default();
                self.say(event.at(), &name, Mark::Warns, &message)
            }
            (
                EventKind::Tui(TuiEvent::ArtifactSaved {
                    id: artifact, size, ..
                }),
                Some(id),
            ) => {
                let text = match size {
                    0 => format!("artifact {artifact}"),
                    size => format!("artifact {artifact} saved ({})", spell_size(*size)),
                };
                self.say(event.at(), id.as_str(), Mark::Note, &text)
            }
            (EventKind::Tui(TuiEvent::Host { name }), _) => {
                let why = event.message.as_deref().unwrap_or_default();
                let text = format!("script host: {name} ({why})");
                self.say(event.at(), "build", Mark::Note, &text)
            }
            (EventKind::Tui(TuiEvent::Executor { name }), _) => {
                let why = event.message.as_deref().unwrap_or_default();
                let text = format!("executor: {name} ({why})");
                self.say(event.at(), "build", Mark::Note, &text)
            }
            (EventKind::Tui(TuiEvent::ResultSaved { name, size, .. }), id) => {
                let text = format!("result {name} saved ({})", spell_size(*size));
                let of = id.as_ref().map_or("build", JobId::as_str).to_owned();
                self.say(event.at(), &of, Mark::Note, &text)
            }
            (EventKind::Tui(TuiEvent::Remote { server }), _) => {
                let text = format!("on server {server}");
                self.say(event.at(), "build", Mark::Note, &text)
            }
            (EventKind::Tui(kind @ (TuiEvent::Gap | TuiEvent::Anew)), _) => {
                if *kind == TuiEvent::Anew {
                    // Its commands come once more.
                    for tail in self.logs.values_mut() {
                        tail.announced = None;
                    }
                }
                let message = event.message.clone().unwrap_or_default();
                self.say(event.at(), "build", Mark::Warns, &message)
            }
            (EventKind::BuildCanceled, _) => self.say(event.at(), "build", Mark::Warns, "stopping"),
            (EventKind::BuildEnd { .. }, _) => self.end(event.at()),
            _ => Ok(()),
        }
    }

    /// Prints what is new in what a server says of a build as a whole.
    fn updated(&mut self, event: &Event, jobs: &[JobUpdate]) -> io::Result<()> {
        let at = event.at();
        let is_first = self.build.created.is_none();
        let were_known = self.build.script_loaded;
        let before: Vec<Option<JobStatus>> = jobs
            .iter()
            .map(|update| self.build.job(&update.job.id).map(|job| job.status.clone()))
            .collect();
        self.build.apply(event);
        self.last_time = at;
        if is_first {
            self.begin(at)?;
        }
        if !were_known && !jobs.is_empty() {
            let names = jobs.iter().map(|it| it.job.id.as_str().chars().count());
            self.width = names
                .chain([self.width])
                .max()
                .unwrap_or_default()
                .min(WIDEST_NAME);
            self.say_how_many(at, jobs.len())?;
        }
        for (update, before) in jobs.iter().zip(before) {
            let id = &update.job.id;
            let Some(status) = self.build.job(id).map(|job| job.status.clone()) else {
                continue;
            };
            if before.as_ref() == Some(&status) {
                continue;
            }
            let had_begun = matches!(before, Some(JobStatus::Running));
            let began = self
                .build
                .job(id)
                .is_some_and(|job| job.start_time.is_some());
            if began && !had_begun {
                let at = update.start_time.unwrap_or(at);
                self.say(at, id.as_str(), Mark::Runs, "started")?;
            }
            match status {
                JobStatus::Blocked => self.blocked(at, id)?,
                _ if self.build.job(id).is_some_and(JobState::is_over) => {
                    self.job_ended(update.end_time.unwrap_or(at), id)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn say_how_many(&mut self, at: Millis, jobs: usize) -> io::Result<()> {
        let plural = if jobs == 1 { "job" } else { "jobs" };
        self.say(at, "build", Mark::Note, &format!("{jobs} {plural}"))
    }

    fn blocked(&mut self, at: Millis, id: &JobId) -> io::Result<()> {
        let of = match &self.build.sid {
            // One on a server has to be named.
            Some(sid) if sid.org.contains('@') => format!(" {sid}"),
            _ => String::new(),
        };
        let text = format!("blocked: approve it with `monkeyci-tui unblock {id}{of}`");
        self.say(at, id.as_str(), Mark::Waits, &text)
    }

    /// Prints what a log has that is new, but for an unfinished line.
    pub fn log_grew(&mut self, id: &LogId) -> io::Result<()> {
        self.print_log(id, false)
    }

    /// Hands on what is printed so far.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Says again what failed, with the last `lines` of its log: nothing to scroll for.
    pub fn finish(&mut self, lines: usize) -> io::Result<()> {
        let failed: Vec<JobId> = self
            .build
            .failed_jobs()
            .into_iter()
            .map(|job| job.id().clone())
            .collect();
        for id in failed {
            let paths = LogPaths::new(&self.options.logs_dir, &file_name(id.as_str()));
            let Ok(reader) = LogReader::open(paths) else {
                continue;
            };
            let reason = self.build.job(&id).and_then(why).unwrap_or_default();
            writeln!(
                self.out,
                "\n{} {}: {}",
                self.glyph(Mark::Bad),
                id,
                clean(&reason)
            )?;
            for line in reader.line_count().saturating_sub(lines)..reader.line_count() {
                let bytes = reader.read_line(line, LONGEST_LINE)?;
                writeln!(self.out, "  {}", crate::logs::strip(&bytes))?;
            }
        }
        self.out.flush()
    }

    fn glyph(&self, mark: Mark) -> char {
        if self.options.ascii {
            mark.ascii()
        } else {
            mark.glyph()
        }
    }

    fn begin(&mut self, at: Millis) -> io::Result<()> {
        let mut text = self
            .build
            .sid
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let git = &self.build.git;
        if let Some(branch) = git.branch.as_ref().or(git.tag.as_ref()) {
            text.push_str(&format!(" · {branch}"));
        }
        if let Some(commit) = &git.commit_id {
            text.push_str(&format!(" {}", commit.get(..7).unwrap_or(commit)));
        }
        if git.dirty {
            text.push_str(" (with uncommitted changes)");
        }
        self.say(at, "build", Mark::Note, &text)
    }

    fn command(&mut self, at: Millis, id: &JobId, index: &str) -> io::Result<()> {
        index
            .parse()
            .map_or(Ok(()), |index| self.announce(at, id, index))
    }

    /// Announces a command, once.
    fn announce(&mut self, at: Millis, id: &JobId, index: u32) -> io::Result<()> {
        let tail = self.logs.entry(LogId::Job(id.clone())).or_default();
        if tail.announced >= Some(index) {
            return Ok(());
        }
        tail.announced = Some(index);
        let job = self.build.job(id).map(|job| &job.job);
        let line = job
            .filter(|job| job.cmd.is_empty())
            .and_then(|job| job.script.get(usize::try_from(index).ok()?).cloned());
        match line {
            Some(line) => {
                let mut lines = line.lines();
                let first = lines.next().unwrap_or_default();
                let more = if lines.next().is_some() { " …" } else { "" };
                self.say(at, id.as_str(), Mark::Command, &format!("{first}{more}"))
            }
            None => Ok(()),
        }
    }

    fn job_ended(&mut self, at: Millis, id: &JobId) -> io::Result<()> {
        let log = LogId::Job(id.clone());
        self.print_log(&log, true)?;
        if let Some(tail) = self.logs.get_mut(&log) {
            tail.reader = None;
        }
        let Some(job) = self.build.job(id) else {
            return Ok(());
        };
        let mark = match &job.status {
            JobStatus::Success => Mark::Good,
            status if status.is_failed() => Mark::Bad,
            _ => Mark::Skips,
        };
        let mut text = job.status.to_string();
        if let Some(elapsed) = job.elapsed(at) {
            text.push_str(&format!(" after {}", spell_duration(elapsed)));
        }
        if let Some(why) = why(job) {
            text.push_str(&format!(": {why}"));
        }
        if let Some(tests) = job.tests() {
            text.push_str(&format!(" · {tests}"));
        }
        let name = id.as_str().to_owned();
        self.say(at, &name, mark, &text)
    }

    fn end(&mut self, at: Millis) -> io::Result<()> {
        self.print_log(&LogId::Script, true)?;
        let mark = match self.build.status {
            BuildStatus::Success => Mark::Good,
            BuildStatus::Canceled => Mark::Skips,
            _ => Mark::Bad,
        };
        let mut text = self.build.status.to_string();
        if let Some(elapsed) = self.build.elapsed(at) {
            text.push_str(&format!(" after {}", spell_duration(elapsed)));
        }
        let failed: Vec<String> = self
            .build
            .failed_jobs()
            .iter()
            .map(|job| job.id().to_string())
            .collect();
        if !failed.is_empty() {
            text.push_str(&format!(" · failed: {}", failed.join(", ")));
        }
        let message = self.build.message.clone().unwrap_or_default();
        let mut lines = message.lines();
        if let Some(first) = lines.next() {
            text.push_str(&format!(" · {first}"));
        }
        self.say(at, "build", mark, &text)?;
        // What the script said of itself was printed with its log.
        let told = self.build.load_error.as_ref() == Some(&message);
        // A place in a file comes with its line and a caret below it: as they stand.
        for line in lines.filter(|_| !told) {
            writeln!(self.out, "{}", clean_lines(line))?;
        }
        self.out.flush()
    }

    fn print_log(&mut self, log: &LogId, all: bool) -> io::Result<()> {
        let tail = self.logs.entry(log.clone()).or_default();
        let reader = match &mut tail.reader {
            Some(reader) => reader,
            closed => {
                let paths = LogPaths::new(&self.options.logs_dir, &log.stem());
                let Ok(reader) = LogReader::open(paths) else {
                    return Ok(());
                };
                closed.insert(reader)
            }
        };
        reader.refresh()?;
        let mut lines = Vec::new();
        while tail.next < reader.line_count() {
            let meta = reader.line(tail.next)?;
            if !meta.complete && !all {
                break;
            }
            let bytes = reader.read_line(tail.next, LONGEST_LINE)?;
            lines.push((meta.ms.unwrap_or(self.last_time), meta.command, bytes));
            tail.next += 1;
        }
        for (ms, command, bytes) in lines {
            if let (LogId::Job(id), true) = (log, command != NO_COMMAND) {
                self.announce(ms, id, command)?;
            }
            let text = if self.options.color {
                colored(&bytes)
            } else {
                crate::logs::strip(&bytes)
            };
            let is_action = log.job().is_some() && command == NO_COMMAND;
            if (log == &LogId::Script || is_action)
                && !self.twice.shows(log == &LogId::Script, &text)
            {
                continue;
            }
            self.say(
                ms,
                log.job().map_or("script", JobId::as_str),
                Mark::Line,
                &text,
            )?;
        }
        Ok(())
    }

    fn say(&mut self, at: Millis, name: &str, mark: Mark, text: &str) -> io::Result<()> {
        let time = Timestamp::from_millisecond(at)
            .unwrap_or_default()
            .to_zoned_datetime(self.options.zone.clone())
            .strftime("%H:%M:%S")
            .to_string();
        let name = clean(name);
        let width = self.width;
        let glyph = if self.options.ascii {
            mark.ascii()
        } else {
            mark.glyph()
        };
        let text = if mark == Mark::Line {
            text.to_owned()
        } else {
            clean(text)
        };
        if self.options.color {
            let color = mark.color();
            writeln!(
                self.out,
                "\x1b[2m{time}\x1b[0m {name:<width$} \x1b[{color}m{glyph}\x1b[0m {text}"
            )
        } else {
            writeln!(self.out, "{time} {name:<width$} {glyph} {text}")
        }
    }
}

/// Why a job ended as it did, in a few words.
pub fn why(job: &JobState) -> Option<String> {
    if let Some(reason) = job.reason() {
        let place = job.place().map(|place| format!(" ({place})"));
        return Some(format!("{reason}{}", place.unwrap_or_default()));
    }
    let exit = job.failed_command()?.exit?;
    Some(format!("exit status {exit}"))
}

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Note,
    Runs,
    Command,
    Line,
    Good,
    Bad,
    Skips,
    Waits,
    Warns,
}

impl Mark {
    fn glyph(self) -> char {
        match self {
            Self::Note => '·',
            Self::Runs => '▶',
            Self::Command => '$',
            Self::Line => '│',
            Self::Good => '✓',
            Self::Bad => '✗',
            Self::Skips => '○',
            Self::Waits => '⏸',
            Self::Warns => '!',
        }
    }

    fn ascii(self) -> char {
        match self {
            Self::Note => '-',
            Self::Runs => '>',
            Self::Command => '$',
            Self::Line => '|',
            Self::Good => '+',
            Self::Bad => 'x',
            Self::Skips => 'o',
            Self::Waits => '=',
            Self::Warns => '!',
        }
    }

    fn color(self) -> &'static str {
        match self {
            Self::Note | Self::Line | Self::Skips => "2",
            Self::Runs => "34",
            Self::Command => "36",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Waits | Self::Warns => "33",
        }
    }
}

/// A log line with its own colours, and no other control sequence in it.
pub fn colored(bytes: &[u8]) -> String {
    use crate::logs::Color;

    let mut text = String::new();
    for span in crate::logs::render(bytes, usize::MAX).spans {
        let style = span.style;
        let mut codes: Vec<String> = Vec::new();
        for (set, code) in [
            (style.bold, "1"),
            (style.dim, "2"),
            (style.italic, "3"),
            (style.underline, "4"),
            (style.inverse, "7"),
            (style.strikethrough, "9"),
        ] {
            if set {
                codes.push(code.to_owned());
            }
        }
        for (color, base) in [(style.fg, 38), (style.bg, 48)] {
            match color {
                Color::Default => {}
                Color::Indexed(index) => codes.push(format!("{base};5;{index}")),
                Color::Rgb(r, g, b) => codes.push(format!("{base};2;{r};{g};{b}")),
            }
        }
        if codes.is_empty() {
            text.push_str(&span.text);
        } else {
            text.push_str(&format!("\x1b[{}m{}\x1b[0m", codes.join(";"), span.text));
        }
    }
    text
}

/// A duration as people say it: `0.4 s`, `12 s`, `3 min 05 s`, `1 h 02 min`.
pub fn spell_duration(ms: Millis) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..10 => format!("{}.{} s", seconds, (ms % 1000) / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, (seconds % 3600) / 60),
    }
}

/// A size as people say it: `312 B`, `4.2 kB`, `1.3 MB`.
pub fn spell_size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return if unit == "B" {
                format!("{bytes} B")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{LogWriter, NO_COMMAND, Stream};

    fn write(dir: &std::path::Path, stem: &str, text: &str) {
        let mut log = LogWriter::open_append(LogPaths::new(dir, stem)).unwrap();
        log.append(1, Stream::Out, NO_COMMAND, text.as_bytes())
            .unwrap();
        log.finish().unwrap();
    }

    fn reporter(dir: &std::path::Path) -> PlainReporter<Vec<u8>> {
        let options = PlainOptions {
            color: false,
            ascii: true,
            zone: TimeZone::UTC,
            logs_dir: dir.to_owned(),
        };
        PlainReporter::new(Vec::new(), options)
    }

    fn ended(id: &str) -> Event {
        let mut event = Event::new(EventKind::JobSkipped);
        event.job_id = Some(JobId::new(id));
        event
    }

    fn printed(reporter: &PlainReporter<Vec<u8>>, text: &str) -> usize {
        String::from_utf8_lossy(&reporter.out).matches(text).count()
    }

    #[test]
    fn late_news_of_a_log_prints_only_what_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let mut reporter = reporter(dir.path());
        write(dir.path(), "a", "early\n");
        reporter.event(&ended("a")).unwrap();
        reporter.log_grew(&LogId::from("a")).unwrap();
        write(dir.path(), "a", "late\n");
        reporter.log_grew(&LogId::from("a")).unwrap();
        assert_eq!(printed(&reporter, "a     | early"), 1);
        assert_eq!(printed(&reporter, "a     | late"), 1);
    }

    #[test]
    fn what_an_action_prints_is_shown_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut reporter = reporter(dir.path());
        write(dir.path(), "%script", "same\nof the script\nsame\n");
        reporter.log_grew(&LogId::Script).unwrap();
        write(dir.path(), "a", "same\nonly here\nsame\nsame\n");
        reporter.event(&ended("a")).unwrap();
        write(dir.path(), "%script", "same\nonly here\nlast\n");
        reporter.log_grew(&LogId::Script).unwrap();
        assert_eq!(printed(&reporter, "| same"), 3);
        assert_eq!(printed(&reporter, "| only here"), 1);
        assert_eq!(printed(&reporter, "| of the script"), 1);
        assert_eq!(printed(&reporter, "| last"), 1);
    }

    #[test]
    fn a_job_that_is_called_like_the_log_of_the_script_has_a_log_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let mut reporter = reporter(dir.path());
        write(dir.path(), "%script", "of the script\n");
        write(dir.path(), "%25script", "of the job\n");
        reporter.log_grew(&LogId::Script).unwrap();
        reporter.log_grew(&LogId::from("%script")).unwrap();
        reporter.event(&ended("%script")).unwrap();
        assert_eq!(printed(&reporter, "script | of the script"), 1);
        assert_eq!(printed(&reporter, "%script | of the job"), 1);
    }
}
