//! One job, from its order to its outcome.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::domain::JobStatus;
use crate::executors::blobs;
use crate::executors::outcome::{canceled, error, unless_stopped};
use crate::executors::plan::{self, Commands};
use crate::ports::{JobOrder, JobOutcome, JobPorts, JobReport, LogStream, StopToken};
use crate::process::{Signal, pump};

use super::Shared;
use super::ignored;

use super::processes::{JobProcesses, Started};
use super::scratch::JobScratch;
use super::transfer;

/// Longer lines are given to the shell as a file: Linux takes arguments of up to 128 KiB.
const LONGEST_ARGUMENT: usize = 100 * 1024;

/// How long the output of a command that has ended is waited for while something it left
/// behind keeps it open; what comes later is logged all the same.
const TAIL: Duration = Duration::from_millis(50);

/// How long output is read on when all processes of the job that can be found are dead.
const LAST_OUTPUT: Duration = Duration::from_millis(500);

/// How often it is looked whether the last of a stopped job has gone.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Runs a job to its end; what goes wrong is how it ends.
pub(super) async fn run(
    shared: Arc<Shared>,
    order: JobOrder,
    ports: Arc<dyn JobPorts>,
    stop: StopToken,
) -> JobOutcome {
    match perform(&shared, order, ports, &stop).await {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

/// The error is the outcome of a job that came to an early end.
async fn perform(
    shared: &Shared,
    order: JobOrder,
    ports: Arc<dyn JobPorts>,
    stop: &StopToken,
) -> Result<JobOutcome, JobOutcome> {
    let (commands, work_dir) = plan::of(&order.job).map_err(error)?;
    let wanted_dir = order.job.work_dir.as_deref().unwrap_or_default();
    blobs::check_paths(&order, &work_dir).map_err(error)?;
    say_what_is_ignored(&order, &*ports);

    let build = shared.build(&order.sid);
    let folder = build
        .job(order.job.id.as_str(), order.attempt)
        .map_err(|reason| error(format!("cannot make the job's folder: {reason}")))?;
    let folder = Arc::new(folder);
    // Whatever is on its way into or out of the folder when this ends is for nobody.
    let _over = folder.over.clone().drop_guard();
    let filled = unless_stopped(stop, async {
        let workspace = build.workspace(&ports, &order.workspace).await?;
        folder.fill(workspace).await
    });
    filled
        .await?
        .map_err(|reason| error(format!("cannot copy the workspace: {reason}")))?;
    unless_stopped(stop, blobs::restore(&order, &work_dir, &folder, &*ports))
        .await?
        .map_err(error)?;
    let cwd = transfer::directory(&folder.work(), &work_dir)
        .map_err(|reason| error(format!("work-dir {wanted_dir:?} {reason}")))?;

    if let Some(api) = &order.api {
        folder
            .write_token(api.token.expose_secret())
            .map_err(|reason| error(format!("cannot write the job's token: {reason}")))?;
    }

    ports.report(JobReport::Started);
    let outcome = {
        let mut commands = CommandRun {
            env: environment(shared, &order, &folder, &cwd, &*ports),
            commands: &commands,
            order: &order,
            folder: &folder,
            cwd: &cwd,
            processes: JobProcesses::new(shared.mark.child()),
            readers: JoinSet::new(),
            deadline: Instant::now() + order.timeout,
            ports: &ports,
            stop,
        };
        let outcome = commands.run().await;
        commands.end().await;
        outcome
    };
    if order.api.is_some() {
        // It is good for nothing any more; folders that are kept shall not have it either.
        let _ = std::fs::remove_file(folder.token_file());
    }
    Ok(blobs::save(&order, &work_dir, &folder, &*ports, outcome, stop).await)
}

/// Nearly every job names an image, so that alone is a line in the log and no warning.
fn say_what_is_ignored(order: &JobOrder, ports: &dyn JobPorts) {
    let ignored = ignored(&order.job);
    let image = order
        .job
        .image
        .as_ref()
        .map(|image| format!("image {}", plan::short(image)));
    let all: Vec<&str> = image
        .iter()
        .map(String::as_str)
        .chain(ignored.clone())
        .collect();
    if all.is_empty() {
        return;
    }
    let line = format!("the host executor ignores {}\n", plan::list(&all));
    ports.log(LogStream::System, None, line.as_bytes());
    if !ignored.is_empty() {
        ports.report(JobReport::Warning(format!(
            "the host executor ignores {}",
            plan::list(&ignored)
        )));
    }
}

/// The environment of a job's commands: ours, then the job's, then what is fixed
/// (containers.md §2.2).
fn environment(
    shared: &Shared,
    order: &JobOrder,
    folder: &JobScratch,
    cwd: &Path,
    ports: &dyn JobPorts,
) -> Vec<(OsString, OsString)> {
    let mut env = shared.env.clone();
    for (name, value) in &order.env {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            ports.report(JobReport::Warning(format!(
                "the variable {name:?} is left out: no program could read it"
            )));
        } else {
            env.push((name.into(), value.into()));
        }
    }
    let script_dir = folder.script_dir();
    env.extend(
        [
            ("MONKEYCI_WORK_DIR", cwd.to_owned()),
            ("MONKEYCI_LOG_DIR", folder.log_dir()),
            ("MONKEYCI_START_FILE", script_dir.join("start")),
            ("MONKEYCI_ABORT_FILE", script_dir.join("abort")),
            ("MONKEYCI_EVENT_FILE", script_dir.join("events.edn")),
            ("MONKEYCI_SCRIPT_DIR", script_dir),
        ]
        .map(|(name, path)| (name.into(), path.into())),
    );
    if let Some(api) = &order.api {
        let url = api.url.as_ref().map(|url| ("MONKEYCI_API_URL", url.into()));
        env.extend(
            [
                ("MONKEYCI_API_SOCKET", OsString::from(&api.socket)),
                ("MONKEYCI_API_TOKEN_FILE", folder.token_file().into()),
            ]
            .into_iter()
            .chain(url)
            .map(|(name, value)| (name.into(), value)),
        );
    }
    env
}

/// Why a job that runs is made to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Stopped,
    TimedOut,
}

/// How a command ended, and what made it end.
struct CommandEnd {
    exit: i64,
    why: Option<Why>,
}

/// The commands of one job while they run.
struct CommandRun<'a> {
    commands: &'a Commands,
    order: &'a JobOrder,
    folder: &'a JobScratch,
    cwd: &'a Path,
    env: Vec<(OsString, OsString)>,
    processes: JobProcesses,
    /// Readers of what is still written by processes that commands left behind.
    readers: JoinSet<()>,
    deadline: Instant,
    ports: &'a Arc<dyn JobPorts>,
    stop: &'a StopToken,
}

impl CommandRun<'_> {
    /// Runs one command after the other until one fails.
    async fn run(&mut self) -> JobOutcome {
        for index in 0..self.commands.len() {
            if self.stop.stop.is_cancelled() || self.stop.kill.is_cancelled() {
                return canceled(None);
            }
            self.ports.report(JobReport::CommandStarted { index });
            let end = match self.command(index).await {
                Ok(end) => end,
                Err(reason) => {
                    return error(format!(
                        "cannot run {}: {reason}",
                        self.commands.describe(index)
                    ));
                }
            };
            self.ports.report(JobReport::CommandEnded {
                index,
                exit: end.exit,
            });
            match end.why {
                Some(Why::Stopped) => return canceled(Some(end.exit)),
                Some(Why::TimedOut) => {
                    return JobOutcome {
                        status: JobStatus::Failure,
                        exit: Some(end.exit),
                        message: Some(format!(
                            "timed out after {}",
                            plan::duration(self.order.timeout)
                        )),
                    };
                }
                None if end.exit != 0 => {
                    return JobOutcome {
                        status: JobStatus::Failure,
                        exit: Some(end.exit),
                        message: Some(format!(
                            "exit status {} in {}",
                            end.exit,
                            self.commands.describe(index)
                        )),
                    };
                }
                None => {}
            }
        }
        JobOutcome {
            status: JobStatus::Success,
            exit: Some(0),
            message: None,
        }
    }

    /// Runs one command to its end. The error is why it could not be run.
    async fn command(&mut self, index: usize) -> Result<CommandEnd, String> {
        let mut command = self.build(index).await.map_err(|error| error.to_string())?;
        let Started { mut exit, out, err } = self
            .processes
            .start(&mut command)
            .map_err(|error| error.to_string())?;
        let mut reading = read(Arc::clone(self.ports), index, out, err);
        let mut read_all = false;
        let mut why = None;
        let mut killed = false;
        // The job's time limit first; then the end of the grace time.
        let mut timer = pin!(sleep_until(self.deadline));
        let exit = loop {
            tokio::select! {
                biased;
                () = self.stop.kill.cancelled(), if !killed => {
                    killed = true;
                    why.get_or_insert(Why::Stopped);
                    self.processes.signal(Signal::Kill);
                }
                () = self.stop.stop.cancelled(), if why.is_none() => {
                    why = Some(Why::Stopped);
                    self.ask_to_end(timer.as_mut());
                }
                () = &mut timer, if !killed => {
                    if why.is_none() {
                        why = Some(Why::TimedOut);
                        self.ask_to_end(timer.as_mut());
                    } else {
                        killed = true;
                        self.processes.signal(Signal::Kill);
                    }
                }
                () = &mut reading, if !read_all => read_all = true,
                exit = exit.wait() => break exit.map_err(|error| error.to_string())?,
            }
        };
        self.processes.command_exited();
        if why.is_some() && !killed {
            self.let_the_others_end(timer.as_mut()).await;
        }
        if !read_all && tokio::time::timeout(TAIL, &mut reading).await.is_err() {
            self.readers.spawn(reading);
        }
        Ok(CommandEnd { exit, why })
    }

    fn ask_to_end(&self, timer: Pin<&mut Sleep>) {
        timer.reset(Instant::now() + self.order.grace);
        self.processes.signal(Signal::Terminate);
    }

    /// The command has ended as asked; what it started has the rest of the grace time.
    async fn let_the_others_end(&self, grace: Pin<&mut Sleep>) {
        let others = async {
            while self.processes.any_alive().await {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::select! {
            () = others => {}
            () = grace => {}
            () = self.stop.kill.cancelled() => {}
        }
    }

    /// Sees to it that nothing of the job runs any more, and that all it wrote is logged.
    async fn end(&mut self) {
        self.processes.end().await;
        let rest = async { while self.readers.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_OUTPUT, rest).await.is_err() {
            self.readers.shutdown().await;
            self.ports.report(JobReport::Warning(
                "a process of this job hides from its end and may still run".to_owned(),
            ));
        }
    }

    /// The command as the system will get it.
    async fn build(&self, index: usize) -> std::io::Result<Command> {
        let mut command = match self.commands {
            Commands::Lines(lines) => {
                let line = &lines[index];
                let mut shell = Command::new("/bin/sh");
                if line.len() > LONGEST_ARGUMENT || line.contains('\0') {
                    let file = self.folder.script_dir().join(index.to_string());
                    tokio::fs::write(&file, line).await?;
                    shell.arg(file);
                } else {
                    // `--`, since a line may begin with a dash.
                    shell.args(["-c", "--", line]);
                }
                shell
            }
            Commands::Program(words) => {
                let mut command = Command::new(program(&words[0], self.cwd));
                command.args(&words[1..]);
                command
            }
        };
        command
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.cwd);
        Ok(command)
    }
}

/// A program named by a relative path is meant relative to where the job works.
fn program(name: &str, cwd: &Path) -> PathBuf {
    if name.contains('/') {
        cwd.join(name)
    } else {
        PathBuf::from(name)
    }
}

/// Logs what a command writes until the last process has closed its output.
fn read(
    ports: Arc<dyn JobPorts>,
    index: usize,
    out: tokio::net::unix::pipe::Receiver,
    err: tokio::net::unix::pipe::Receiver,
) -> BoxFuture<'static, ()> {
    async move {
        // Output that cannot be read any more has ended; the exit status still counts.
        let _ = tokio::join!(
            pump(out, |bytes| ports.log(LogStream::Out, Some(index), bytes)),
            pump(err, |bytes| ports.log(LogStream::Err, Some(index), bytes)),
        );
    }
    .boxed()
}
