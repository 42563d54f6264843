//! Printing logs that are files here, as far as they have come, and on from there.

use std::io::{self, Write};
use std::path::Path;

use crate::cli::plain;
use crate::cli::{LogsArgs, clean};
use crate::domain::{Build, JobId, LogId};
use crate::logs::{LogPaths, LogReader, NO_COMMAND, Stream, strip};

use super::error::UserError;
use super::history::quiet;

/// Opens the logs that are asked for and not open yet: of all jobs, or of one. Of a build that has just begun
/// the jobs may not be known yet, unless all is `over`. `timed`: it is known when lines were written.
pub(super) fn open_all(
    build: &Build,
    dir: &Path,
    timed: bool,
    args: &LogsArgs,
    over: bool,
    tails: &mut Vec<Tail>,
) -> Result<(), UserError> {
    let mut wanted: Vec<JobId> = build.jobs().iter().map(|job| job.id().clone()).collect();
    if let Some(id) = &args.job {
        let id = JobId::new(id);
        let is_there = wanted.contains(&id) || paths(dir, Some(&id)).log.exists();
        if !is_there && (over || !wanted.is_empty()) {
            let known: Vec<&str> = wanted.iter().map(JobId::as_str).collect();
            return Err(UserError::new(format!("this build has no job \"{id}\""))
                .hint(format!("its jobs: {}", known.join(", "))));
        }
        wanted = Vec::from_iter(is_there.then_some(id));
    }
    for job in wanted {
        if tails.iter().all(|tail| tail.job.as_ref() != Some(&job)) {
            tails.push(Tail {
                timed,
                ..Tail::open(dir, Some(job))?
            });
        }
    }
    Ok(())
}

/// Prints what is new in all of them; what has no line end yet only when all is `over`. False: nothing was.
pub(super) fn print_all(
    out: &mut impl Write,
    tails: &mut [Tail],
    args: &LogsArgs,
    over: bool,
) -> Result<bool, UserError> {
    let named = tails.len() > 1;
    let mut any = false;
    for tail in tails {
        any |= quiet(tail.print(out, args, named, over))?.unwrap_or_default();
    }
    quiet(out.flush())?;
    Ok(any)
}

/// The log of a job, or that of the script.
fn paths(dir: &Path, job: Option<&JobId>) -> LogPaths {
    let id = job.cloned().map_or(LogId::Script, LogId::Job);
    LogPaths::new(dir, &id.stem())
}

/// A log, and how far it was printed.
#[derive(Debug)]
pub(super) struct Tail {
    /// `None` for the script's own.
    job: Option<JobId>,
    reader: LogReader,
    /// It is known when its lines were written.
    timed: bool,
    line: usize,
    byte: u64,
}

impl Tail {
    pub(super) fn open(dir: &Path, job: Option<JobId>) -> Result<Self, UserError> {
        let reader =
            LogReader::open(paths(dir, job.as_ref())).map_err(|error| UserError::of(&error))?;
        Ok(Self {
            job,
            reader,
            timed: true,
            line: 0,
            byte: 0,
        })
    }

    fn print(
        &mut self,
        out: &mut impl Write,
        args: &LogsArgs,
        named: bool,
        all: bool,
    ) -> io::Result<bool> {
        self.reader.refresh()?;
        if args.raw {
            return self.print_bytes(out);
        }
        let mut any = false;
        while self.line < self.reader.line_count() {
            let meta = self.reader.line(self.line)?;
            if !meta.complete && !all {
                break;
            }
            let bytes = self.reader.read_line(self.line, usize::MAX)?;
            let bare = args.strip || !io::IsTerminal::is_terminal(&io::stdout());
            let text = if args.json || bare {
                strip(&bytes)
            } else {
                plain::colored(&bytes)
            };
            if args.json {
                let stream = match meta.stream {
                    Stream::Out => "out",
                    Stream::Err => "err",
                    Stream::System => "system",
                };
                let command = (meta.command != NO_COMMAND).then_some(meta.command);
                let line = serde_json::json!({
                    "job-id": self.job.as_ref().map(JobId::as_str),
                    "time": meta.ms.filter(|_| self.timed),
                    "stream": stream,
                    "command": command,
                    "text": text,
                });
                writeln!(out, "{line}")?;
            } else if let Some(job) = self.job.as_ref().filter(|_| named) {
                writeln!(out, "{} │ {text}", clean(job.as_str()))?;
            } else {
                writeln!(out, "{text}")?;
            }
            self.line += 1;
            any = true;
        }
        Ok(any)
    }

    fn print_bytes(&mut self, out: &mut impl Write) -> io::Result<bool> {
        let mut any = false;
        while self.byte < self.reader.len_bytes() {
            let bytes = self.reader.read_bytes(self.byte, 256 * 1024)?;
            if bytes.is_empty() {
                break;
            }
            out.write_all(&bytes)?;
            self.byte += bytes.len() as u64;
            any = true;
        }
        Ok(any)
    }
}
