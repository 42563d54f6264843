//! The logs of one build on their way to disk: one writer a log, masks before anything is
//! written, a notice after.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::{JobId, LogId};
use crate::logs::{LogPaths, LogWriter, NO_COMMAND, Stream};
use crate::ports::{Clock, LogStream, chain};

use super::handle::GrowthHub;
use super::masks::{MaskedStream, Masks};

/// All logs of one build.
#[derive(Debug, Clone)]
pub(super) struct Logbook {
    dir: PathBuf,
    masks: Masks,
    growth: GrowthHub,
    clock: Arc<dyn Clock>,
    open: Arc<Mutex<HashMap<LogId, Arc<JobLog>>>>,
}

/// One log. Shared by the two streams of its job, hence the lock.
#[derive(Debug)]
pub(super) struct JobLog {
    id: LogId,
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
        self.open_log(LogId::Job(job.clone()))
    }

    /// The log of the script child.
    pub(super) fn of_script(&self) -> io::Result<Arc<JobLog>> {
        self.open_log(LogId::Script)
    }

    fn open_log(&self, id: LogId) -> io::Result<Arc<JobLog>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = open.get(&id) {
            return Ok(Arc::clone(log));
        }
        let writer = LogWriter::open_append(LogPaths::new(&self.dir, &id.stem()))
            .map_err(io::Error::other)?;
        let log = Arc::new(JobLog {
            id: id.clone(),
            masks: self.masks.clone(),
            growth: self.growth.clone(),
            clock: Arc::clone(&self.clock),
            state: Mutex::new(Open {
                writer: Some(writer),
                command: NO_COMMAND,
                held: Default::default(),
            }),
        });
        open.insert(id, Arc::clone(&log));
        Ok(log)
    }

    /// Nothing more will come for the log of a job.
    pub(super) fn close(&self, job: &JobId) -> io::Result<()> {
        self.close_log(&LogId::Job(job.clone()))
    }

    /// Nothing more will come for the log of the script child.
    pub(super) fn close_script(&self) -> io::Result<()> {
        self.close_log(&LogId::Script)
    }

    fn close_log(&self, id: &LogId) -> io::Result<()> {
        let log = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
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
        self.growth.grew(&self.id);
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
        self.growth.grew(&self.id);
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
        let job = JobId::new(LogId::Script.stem());
        let script = book.of_script().unwrap();
        let of_job = book.of_job(&job).unwrap();
        script.write(LogStream::Out, None, b"script\n").unwrap();
        of_job.write(LogStream::Out, Some(0), b"job\n").unwrap();
        book.close(&job).unwrap();
        script.write(LogStream::Out, None, b"more\n").unwrap();
        book.close_script().unwrap();
        let text =
            |id: LogId| std::fs::read_to_string(dir.path().join(format!("{}.log", id.stem())));
        assert_eq!(text(LogId::Script).unwrap(), "script\nmore\n");
        assert_eq!(text(LogId::Job(job)).unwrap(), "job\n");
    }
}
