//! The logs of a build on a server: asked for again and again, since that is all it offers
//! (public-api.md §7), and kept as ours.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::domain::{Build, JobId, JobKind, JobState, JobStatus, LogId, Millis};
use crate::edn::Value;
use crate::logs::{LogPaths, LogWriter, NO_COMMAND, Stream, set_aside, written};
use crate::ports::Clock;

use super::{BuildApi, Pace, Trouble};

/// While a job runs, that many commands are looked at behind the last one that has written: those
/// between may write nothing.
const LOOK_AHEAD: usize = 4;

/// A log is asked for again after that many times what asking took: the whole of it comes every time.
const REST: u32 = 5;

/// How often a log is read when its job has ended.
const ENDS: u8 = 2;

/// How long a server may take until the last of a log is there, in milliseconds.
const STILL_GROWS: Millis = 5_000;

/// Which log somebody looks at.
#[derive(Debug, Default)]
pub struct Interest {
    job: Mutex<Option<JobId>>,
    changed: Notify,
    all: AtomicBool,
}

impl Interest {
    /// From now on this one.
    pub fn set(&self, job: Option<JobId>) {
        let mut known = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != job {
            *known = job;
            self.changed.notify_one();
        }
    }

    /// All of them, as where they are printed.
    pub fn set_all(&self) {
        self.all.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn is(&self, job: &JobId) -> bool {
        let known = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        self.all.load(Ordering::Relaxed) || known.as_ref() == Some(job)
    }
}

/// The logs that are kept, and what is known of the server's.
#[derive(Debug)]
pub(super) struct RemoteLogs {
    dir: PathBuf,
    jobs: HashMap<JobId, JobLog>,
    /// The log of a job is whole when its end is told.
    whole_at_end: bool,
    /// The server tells when logs grow.
    tells_growth: bool,
}

/// The log of one job.
#[derive(Debug, Default)]
struct JobLog {
    writer: Option<LogWriter>,
    /// How much of each output was taken in.
    known: HashMap<(Stream, u32), u64>,
    /// The last command that has written.
    current: usize,
    /// When it was read, and how long that took.
    last: Option<(Instant, Duration)>,
    /// An action's output comes with its end.
    has_output: bool,
    /// How often it was read since its job has ended.
    ends: u8,
    /// It has not grown since it was read, as far as the server tells that.
    quiet: bool,
    /// How often in a row it could not be read.
    failures: u32,
    /// It cannot be written here, or its name is odd.
    broken: bool,
}

impl RemoteLogs {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            jobs: HashMap::new(),
            whole_at_end: false,
            tells_growth: false,
        }
    }

    /// A connection was made: what has grown meanwhile is not known. `numbered`: to the journal of a server
    /// of this program.
    pub(super) fn connected(&mut self, numbered: bool) {
        self.whole_at_end = numbered;
        self.tells_growth = false;
        for log in self.jobs.values_mut() {
            log.quiet = false;
        }
    }

    /// The server says that a log grew.
    pub(super) fn grew(&mut self, log: &LogId) {
        self.tells_growth = true;
        if let Some(log) = log.job().and_then(|job| self.jobs.get_mut(job)) {
            log.quiet = false;
        }
    }

    /// The server has another build than before: its logs begin again, and what is here of those of the
    /// jobs of the former is set aside.
    pub(super) fn begin_anew(&mut self, former: &Build) {
        self.jobs.clear();
        for job in former.jobs() {
            let stem = LogId::Job(job.id().clone()).stem();
            if set_aside(&self.dir, &stem).is_err() {
                // Nothing of the new one gets into the old one.
                let log = self.jobs.entry(job.id().clone()).or_default();
                log.broken = true;
            }
        }
    }

    /// Waits until the log of a running job is due, and says which.
    pub(super) fn due(
        &self,
        build: &Build,
        interest: &Interest,
        pace: &Pace,
    ) -> impl Future<Output = JobId> + Send + use<> {
        let next = build
            .jobs()
            .iter()
            .filter(|job| has_files(job) && job.start_time.is_some())
            .filter(|job| {
                let runs = job.status == JobStatus::Running && !self.is_quiet(job);
                runs || (job.is_over() && self.lacks_the_end(job))
            })
            .map(|job| {
                let log = self.jobs.get(job.id());
                let failures = log.map_or(0, |log| log.failures);
                let often = if job.is_over() {
                    // Once when it has ended, and once more when it may have become whole.
                    let again = log.is_some_and(|log| log.ends > 0);
                    if again { pace.last_log } else { Duration::ZERO }
                } else if !interest.is(job.id()) {
                    pace.other_log
                } else if self.tells_growth {
                    Duration::ZERO
                } else {
                    pace.watched_log
                };
                let often = often.max(pace.after_failures(failures));
                let last = log.and_then(|log| log.last);
                let at = last.map_or_else(Instant::now, |(at, took)| {
                    let rest = if job.is_over() { 0 } else { REST };
                    at + often.max(took.saturating_mul(rest))
                });
                (at, job.id().clone())
            })
            .min();
        async move {
            match next {
                Some((at, job)) => {
                    sleep_until(at).await;
                    job
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Whether the log of a job that has ended is still to be asked for.
    fn lacks_the_end(&self, job: &JobState) -> bool {
        self.jobs.get(job.id()).is_none_or(|log| log.ends < ENDS)
    }

    /// Whether the server would have told, had the log of a job grown.
    fn is_quiet(&self, job: &JobState) -> bool {
        self.tells_growth && self.jobs.get(job.id()).is_some_and(|log| log.quiet)
    }

    /// A job that has ended, whose log is still to be asked for.
    pub(super) fn lacking(&self, build: &Build) -> Option<JobId> {
        let mut jobs = build.jobs().iter();
        let lacks = |job: &&JobState| {
            has_files(job) && job.start_time.is_some() && job.is_over() && self.lacks_the_end(job)
        };
        jobs.find(lacks).map(|job| job.id().clone())
    }

    /// Whether a job has ended so shortly before that its log may not be all there.
    pub(super) fn may_still_grow(build: &Build, now: Millis) -> bool {
        build.jobs().iter().any(|job| {
            let ended = job.end_time.unwrap_or(now);
            has_files(job) && job.start_time.is_some() && now.saturating_sub(ended) < STILL_GROWS
        })
    }

    /// Takes in what the server has of a job's log; true when there was something new. All commands, or
    /// those that may be at work.
    pub(super) async fn read(
        &mut self,
        api: &dyn BuildApi,
        job: &JobState,
        all: bool,
        clock: &dyn Clock,
    ) -> Result<bool, Trouble> {
        if !has_files(job) || job.start_time.is_none() {
            return Ok(false);
        }
        let dir = self.dir.clone();
        let log = self.jobs.entry(job.id().clone()).or_default();
        let began = Instant::now();
        // What is told while it is read is read the next time.
        log.quiet = true;
        let read = log.read(api, job, all, &dir, clock).await;
        log.last = Some((Instant::now(), began.elapsed()));
        if read.is_err() {
            log.quiet = false;
            log.failures = log.failures.saturating_add(1);
            return read;
        }
        log.failures = 0;
        if job.is_over() {
            let is_long_ago =
                (job.end_time).is_some_and(|end| clock.now().saturating_sub(end) > STILL_GROWS);
            let is_whole = self.whole_at_end || is_long_ago;
            log.ends = if is_whole { ENDS } else { log.ends + 1 };
        }
        read
    }

    /// The outputs of action jobs that have ended come with their results. Returns the logs that grew.
    pub(super) fn take_outputs(&mut self, build: &Build) -> Vec<LogId> {
        let mut grew = Vec::new();
        for job in build.jobs() {
            if job.job.kind != JobKind::Action || !job.is_over() {
                continue;
            }
            let log = self.jobs.entry(job.id().clone()).or_default();
            if std::mem::replace(&mut log.has_output, true) {
                continue;
            }
            let at = job.end_time.unwrap_or_default();
            for (key, stream) in [("output", Stream::Out), ("error", Stream::Err)] {
                let text = job.result.get_kw(key).and_then(Value::as_str);
                let text = text.unwrap_or_default().as_bytes();
                if log.take(&self.dir, job.id(), (stream, NO_COMMAND), text, at) {
                    grew.push(LogId::Job(job.id().clone()));
                }
            }
        }
        grew.dedup();
        grew
    }
}

impl JobLog {
    /// Reads the files of all commands, or of those that may be at work.
    async fn read(
        &mut self,
        api: &dyn BuildApi,
        job: &JobState,
        all: bool,
        dir: &std::path::Path,
        clock: &dyn Clock,
    ) -> Result<bool, Trouble> {
        let mut grew = false;
        let lines = job.job.script.len();
        let (from, to) = if all {
            (0, lines)
        } else {
            (self.current, lines.min(self.current + LOOK_AHEAD))
        };
        for index in from..to {
            for (stream, name) in [(Stream::Out, "out"), (Stream::Err, "err")] {
                let file = format!("{index}_{name}.log");
                let Some(bytes) = api.log(job.id(), &file).await? else {
                    continue;
                };
                self.current = self.current.max(index);
                grew |= self.take(dir, job.id(), (stream, index as u32), &bytes, clock.now());
            }
        }
        Ok(grew)
    }

    /// Takes in what is new of an output of which the server has `bytes`.
    fn take(
        &mut self,
        dir: &std::path::Path,
        job: &JobId,
        output: (Stream, u32),
        bytes: &[u8],
        now: Millis,
    ) -> bool {
        if self.broken {
            return false;
        }
        if self.writer.is_none() {
            let paths = LogPaths::new(dir, &LogId::Job(job.clone()).stem());
            // Attached again: what was taken in then is known.
            let opened = written(&paths)
                .ok()
                .and_then(|known| Some((LogWriter::open_append(paths).ok()?, known)));
            let Some((writer, known)) = opened else {
                self.broken = true;
                return false;
            };
            self.writer = Some(writer);
            self.known = known;
        }
        let Some(writer) = &mut self.writer else {
            return false;
        };
        let known = self.known.entry(output).or_default();
        let len = bytes.len() as u64;
        let (stream, command) = output;
        let wrote = if len < *known {
            // Whether it is the beginning of what is known or something else, nothing is lost this way.
            let text = format!(
                "the server has cut this log: of {known} bytes it has {len}, which follow\n"
            );
            writer
                .append(now, Stream::System, command, text.as_bytes())
                .and_then(|()| writer.append(now, stream, command, bytes))
        } else {
            let new = &bytes[usize::try_from(*known).unwrap_or(bytes.len())..];
            if new.is_empty() {
                return false;
            }
            writer.append(now, stream, command, new)
        };
        *known = len;
        wrote.is_ok()
    }
}

/// Whether a job has logs on the server: those of its script's lines.
fn has_files(job: &JobState) -> bool {
    job.job.kind == JobKind::Container && !job.job.script.is_empty()
}
