//! The logs of one build on their way to disk: one writer a log, masks before anything is
//! written, a notice after.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::{JobId, file_name};
use crate::logs::{LogPaths, LogWriter, NO_COMMAND, Stream};
use crate::ports::{Clock, LogStream, chain};

use super::handle::GrowthHub;
use super::masks::{MaskedStream, Masks};

/// The log of the script child itself. No job's file can have this name: `%` is always
/// followed by two digits in those.
pub const SCRIPT_LOG: &str = "%script";

/// All logs of one build.
#[derive(Debug, Clone)]
pub(super) struct Logbook {
    dir: PathBuf,
    masks: Masks,
    growth: GrowthHub,
    clock: Arc<dyn Clock>,
    /// By the names of their files: a job may well be called as the script's log is.
    open: Arc<Mutex<HashMap<String, Arc<JobLog>>>>,
}

/// One log. Shared by the two streams of its job, hence the lock.
#[derive(Debug)]
pub(super) struct JobLog {
    job: JobId,
    masks: Masks,
    growth: GrowthHub,
    clock: Arc<dyn Clock>,
    state: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    /// `None` once writing has failed.
    writer: Option<LogWriter>,
    command: u32,
    held: [MaskedStream; 3],
}

impl Logbook {
    pub(super) fn new(
        dir: PathBuf,
        masks: Masks,
        growth: GrowthHub,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            dir,
            masks,
            growth,
            clock,
            open: Arc::default(),
        }
    }

    /// The log of a job, opened at first use.
    pub(super) fn of_job(&self, job: &JobId) -> io::Result<Arc<JobLog>> {
        self.open_log(job, &file_name(job.as_str()))
    }

    /// The log of the script child.
    pub(super) fn of_script(&self) -> io::Result<Arc<JobLog>> {
        self.open_log(&JobId::new(SCRIPT_LOG), SCRIPT_LOG)
    }

    fn open_log(&self, job: &JobId, stem: &str) -> io::Result<Arc<JobLog>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = open.get(stem) {
            return Ok(Arc::clone(log));
        }
        let writer =
            LogWriter::open_append(LogPaths::new(&self.dir, stem)).map_err(io::Error::other)?;
        let log = Arc::new(JobLog {
            job: job.clone(),
            masks: self.masks.clone(),
            growth: self.growth.clone(),
            clock: Arc::clone(&self.clock),
            state: Mutex::new(Open {
                writer: Some(writer),
                command: NO_COMMAND,
                held: Default::default(),
            }),
        });
        open.insert(stem.to_owned(), Arc::clone(&log));
        Ok(log)
    }

    /// Nothing more will come for the log of a job.
    pub(super) fn close(&self, job: &JobId) -> io::Result<()> {
        self.close_log(&file_name(job.as_str()))
    }

    /// Nothing more will come for the log of the script child.
    pub(super) fn close_script(&self) -> io::Result<()> {
        self.close_log(SCRIPT_LOG)
    }

    fn close_log(&self, stem: &str) -> io::Result<()> {
        let log = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(stem);
        match log {
            Some(log) => log.close(),
            None => Ok(()),
        }
    }
}

impl JobLog {
    /// Appends bytes. A failure is returned once; after it the log stays as it is.
    pub(super) fn write(
        &self,
        stream: LogStream,
        command: Option<usize>,
        bytes: &[u8],
    ) -> io::Result<()> {
        let ms = self.clock.now();
        let command = command
            .and_then(|index| u32::try_from(index).ok())
            .unwrap_or(NO_COMMAND);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.command != command {
            state.release(&self.masks, ms)?;
            state.command = command;
        }
        let Open { writer, held, .. } = &mut *state;
        let Some(open) = writer else {
            return Ok(());
        };
        let (place, kind) = place_of(stream);
        let mut written = Ok(());
        held[place].write(&self.masks, bytes, |masked| {
            if written.is_ok() {
                written = open.append(ms, kind, command, masked);
            }
        });
        if written.is_err() {
            *writer = None;
        }
        drop(state);
        self.growth.grew(&self.job);
        written
    }

    /// Writes what the masks held back: the command is over.
    pub(super) fn end_command(&self) -> io::Result<()> {
        let ms = self.clock.now();
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .release(&self.masks, ms)
    }

    fn close(&self) -> io::Result<()> {
        let ended = self.end_command();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = state.writer.take() {
            // All that is left to write is the index, which can always be made again.
            let _ = writer.finish();
        }
        drop(state);
        self.growth.grew(&self.job);
        ended
    }
}

impl Open {
    fn release(&mut self, masks: &Masks, ms: i64) -> io::Result<()> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let command = self.command;
        let mut outcome = Ok(());
        for stream in [LogStream::Out, LogStream::Err, LogStream::System] {
            let (place, kind) = place_of(stream);
            self.held[place].finish(masks, |bytes| {
                if outcome.is_ok() {
                    outcome = writer.append(ms, kind, command, bytes);
                }
            });
        }
        if outcome.is_err() {
            self.writer = None;
        }
        outcome
    }
}

/// Why a build ends when one of its logs cannot be written: `whose` as in `job x`.
pub(super) fn unwritten(whose: &str, error: &io::Error) -> String {
    format!("the log of {whose} cannot be written: {}", chain(error))
}

fn place_of(stream: LogStream) -> (usize, Stream) {
    match stream {
        LogStream::Out => (0, Stream::Out),
        LogStream::Err => (1, Stream::Err),
        LogStream::System => (2, Stream::System),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SystemClock;

    fn logbook(dir: &std::path::Path) -> Logbook {
        Logbook::new(
            dir.to_owned(),
            Masks::default(),
            GrowthHub::default(),
            Arc::new(SystemClock),
        )
    }

    #[test]
    fn a_job_that_is_called_as_the_scripts_log_has_a_log_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let book = logbook(dir.path());
        let job = JobId::new(SCRIPT_LOG);
        let script = book.of_script().unwrap();
        let of_job = book.of_job(&job).unwrap();
        script.write(LogStream::Out, None, b"script\n").unwrap();
        of_job.write(LogStream::Out, Some(0), b"job\n").unwrap();
        book.close(&job).unwrap();
        script.write(LogStream::Out, None, b"more\n").unwrap();
        book.close_script().unwrap();
        let text = |stem: &str| std::fs::read_to_string(dir.path().join(format!("{stem}.log")));
        assert_eq!(text(SCRIPT_LOG).unwrap(), "script\nmore\n");
        assert_eq!(text(&file_name(SCRIPT_LOG)).unwrap(), "job\n");
    }
}
