//! The script child: the process that runs a build's script (scripts.md §1).
//!
//! Starts it in a process group of its own, feeds its orders to its stdin, writes what it
//! prints into the script's log, and knows when it is gone. What the script means is the
//! core's business, when the child has to end the dispatcher's.
//!
//! [`ScriptChild`] is for those who may stop it, [`ChildWatch`] for the one task that waits.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use crate::logs;
use crate::ports::LogStream;
use crate::process::{Killer, Mark, Running, Spawn, SpawnError, Stream, kill_marked};

use super::logbook::JobLog;
use super::orders::ChildExit;

/// How the script child is started.
#[derive(Clone)]
pub struct ChildCommand {
    /// The program: a path, or a name for the `PATH` in `env`.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its whole environment: nothing of our own is added but a mark.
    pub env: Vec<(OsString, OsString)>,
    /// Where it works.
    pub cwd: PathBuf,
    /// What it reads, up to the end of its input. Holds secrets.
    pub stdin: Vec<u8>,
}

/// Without values and input, which hold secrets.
impl fmt::Debug for ChildCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("ChildCommand")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("env", &names)
            .field("cwd", &self.cwd)
            .finish_non_exhaustive()
    }
}

/// A started script child, for those who may stop it. Does nothing once it is gone.
#[derive(Debug)]
pub(super) struct ScriptChild {
    asked: CancellationToken,
    killer: Killer,
}

/// The same child, for the one who waits for its end. Dropping it ends the child.
pub(super) struct ChildWatch {
    running: Running,
    stdin: Vec<u8>,
    asked: CancellationToken,
    grace: Duration,
    strays: Strays,
}

/// Without the input, which holds secrets.
impl fmt::Debug for ChildWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildWatch")
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

impl ScriptChild {
    /// Starts the child. `grace` is the time between asking it to end and ending it. The
    /// error is a sentence for people.
    pub(super) fn start(
        command: ChildCommand,
        grace: Duration,
    ) -> Result<(Self, ChildWatch), String> {
        let mark = Mark::new_run();
        let running = Spawn::new(command.program)
            .args(command.args)
            .envs(command.env)
            .cwd(command.cwd)
            .mark(&mark)
            .piped_stdin()
            .start()
            .map_err(|error| explain(&error))?;
        let child = Self {
            asked: CancellationToken::new(),
            killer: running.killer(),
        };
        let watch = ChildWatch {
            running,
            stdin: command.stdin,
            asked: child.asked.clone(),
            grace,
            strays: Strays(mark),
        };
        Ok((child, watch))
    }

    /// Asks the child and its group to end, and ends them after the grace time.
    pub(super) fn terminate(&self) {
        self.asked.cancel();
    }

    /// Ends the child and its group at once.
    pub(super) fn kill(&self) {
        self.killer.kill();
    }
}

impl ChildWatch {
    /// Logs what the child prints until it is gone, and all that it started with it. Says how
    /// it ended, and whether its log could be written.
    pub(super) async fn wait(mut self, log: &Arc<JobLog>) -> (ChildExit, io::Result<()>) {
        let stdin = self.running.stdin.take();
        let mut feeding = pin!(async move {
            if let Some(mut stdin) = stdin {
                // A child that does not want its orders will say so itself.
                let _ = stdin.write_all(&self.stdin).await;
            }
        });
        let mut words = LastWords::default();
        let mut logged = Ok(());
        let sink = |stream, bytes: &[u8]| {
            let stream = match stream {
                Stream::Stdout => LogStream::Out,
                Stream::Stderr => {
                    words.hear(bytes);
                    LogStream::Err
                }
            };
            // A log that cannot be written stays as it is; the child goes on.
            if let Err(error) = log.write(stream, None, bytes) {
                logged = Err(error);
            }
        };
        let finished = {
            let finished = self
                .running
                .finish(sink, self.asked.cancelled(), self.grace);
            let mut finished = pin!(finished);
            let mut fed = false;
            loop {
                tokio::select! {
                    // Whoever holds the other end of the input, the child's end is what counts.
                    biased;
                    finished = &mut finished => break finished,
                    () = &mut feeding, if !fed => fed = true,
                }
            }
        };
        let strays = self.strays;
        // Fails only when the runtime is going down; then they are dropped, which is the same.
        let _ = tokio::task::spawn_blocking(move || drop(strays)).await;
        let exit = match finished {
            Ok(finished) => ChildExit {
                code: finished.status.code(),
                signal: finished.status.signal(),
                last_words: words.said(),
            },
            Err(error) => ChildExit {
                code: None,
                signal: None,
                last_words: format!("it cannot be waited for: {error}"),
            },
        };
        (exit, logged)
    }
}

/// What the child has started outside its group. Dropping it ends them.
#[derive(Debug)]
struct Strays(Mark);

impl Drop for Strays {
    fn drop(&mut self) {
        kill_marked(&self.0);
    }
}

/// Says what is wrong, and what to do.
fn explain(error: &SpawnError) -> String {
    match error {
        SpawnError::ProgramNotFound { .. } => {
            format!("cannot run the script: {error}; install it, or put it on the PATH")
        }
        SpawnError::NoSuchFolder { .. } => {
            format!("cannot run the script: {error}; was it moved or deleted?")
        }
        SpawnError::Refused { source, .. } => {
            format!("cannot run the script: {error}: {source}; may this user run it?")
        }
    }
}

/// The end of what the child wrote to its stderr.
#[derive(Debug, Default)]
struct LastWords {
    tail: Vec<u8>,
    cut: bool,
}

impl LastWords {
    /// Enough for [`Self::LONGEST`] characters with all their colours.
    const KEPT: usize = 8 * 1024;
    const LONGEST: usize = 500;

    fn hear(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        // Only now and then, so that a flood is not moved about byte by byte.
        if self.tail.len() > 16 * Self::KEPT {
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        let surplus = self.tail.len().saturating_sub(Self::KEPT);
        self.cut |= surplus > 0;
        self.tail.drain(..surplus);
    }

    /// The last lines that are not empty, as one line of text.
    fn said(mut self) -> String {
        self.shorten();
        let mut lines: Vec<String> = self
            .tail
            .split(|byte| *byte == b'\n')
            .map(|line| {
                let text = logs::strip(line);
                let text = text.trim();
                text.replace(char::is_control, " ")
            })
            .collect();
        if self.cut && lines.len() > 1 {
            // Only half of it is here.
            lines.remove(0);
        }
        let mut room = Self::LONGEST;
        let mut said: Vec<String> = Vec::new();
        for line in lines.into_iter().rev().filter(|line| !line.is_empty()) {
            let length = line.chars().count();
            if length <= room {
                room -= length;
                said.push(line);
                continue;
            }
            if said.is_empty() {
                let end = line.chars().skip(length - Self::LONGEST);
                said.push(std::iter::once('…').chain(end).collect());
            }
            break;
        }
        said.reverse();
        said.join(" / ")
    }
}

#[cfg(test)]
mod tests;
