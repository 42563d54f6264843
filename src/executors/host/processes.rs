//! The processes of one job, and how none of them outlives it.
//!
//! ```text
//! command 1        command 2          the job's end
//! sh ──exit (kept as zombie: its id, which is the group's, stays ours)── reaped
//!  └─ server & ───────────────────────✗ group killed
//!      └─ setsid daemon ──────────────✗ found by the job's mark
//!                  sh ──exit, reaped
//! ```
//!
//! As in a container, what a command leaves in the background is there for the next one,
//! and all of it ends with the job. [`crate::process`] ends a group together with its
//! leader, so the group is kept here; marks, signals' meaning and pumps are its own.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, PidfdFlags, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::signal::unix::SignalKind;

use crate::process::{MARK_VARIABLE, Mark, Signal, kill_marked};

/// Up to this age, and this many processes later, the ids since the job's begin are looked
/// at one by one; looking at every process of the system costs milliseconds.
const YOUNG: Duration = Duration::from_secs(2);
const FEW: u32 = 512;

/// All processes of a job. Dropping it kills them.
#[derive(Debug)]
pub(super) struct JobProcesses {
    mark: Mark,
    begun: Instant,
    /// The newest process id of the system before the job's first.
    before: Option<u32>,
    /// Our own children that are not reaped: on Linux the first, which leads the group of
    /// all, and the command that runs; elsewhere all, each the leader of its group, since
    /// the group of a zombie cannot be joined everywhere.
    children: Vec<Child>,
}

/// A command that was started.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) exit: Exit,
    pub(super) out: pipe::Receiver,
    pub(super) err: pipe::Receiver,
}

impl JobProcesses {
    pub(super) fn new(mark: Mark) -> Self {
        Self {
            mark,
            begun: Instant::now(),
            before: newest_pid(),
            children: Vec::new(),
        }
    }

    /// Starts a command in the group of the job. Its stdin is empty.
    pub(super) fn start(&mut self, command: &mut Command) -> io::Result<Started> {
        let group = match self.children.first() {
            Some(leader) if cfg!(target_os = "linux") => leader.id().cast_signed(),
            _ => 0,
        };
        command
            .env(MARK_VARIABLE, self.mark.as_str())
            .process_group(group)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let pid = pid_of(&child);
        let pipes = (child.stdout.take(), child.stderr.take());
        // Ours to end from now on, whatever fails below.
        self.children.push(child);
        let (Some(out), Some(err)) = pipes else {
            return Err(io::Error::other("the command has no output"));
        };
        Ok(Started {
            exit: Exit::of(pid)?,
            out: pipe::Receiver::from_owned_fd(OwnedFd::from(out))?,
            err: pipe::Receiver::from_owned_fd(OwnedFd::from(err))?,
        })
    }

    /// The command that was started last has exited: forgets it, unless the group needs it.
    pub(super) fn command_exited(&mut self) {
        if cfg!(target_os = "linux")
            && self.children.len() > 1
            && let Some(mut child) = self.children.pop()
        {
            // It has exited, so this neither waits nor fails.
            let _ = child.wait();
        }
    }

    /// Sends a signal to every process in the job's group.
    pub(super) fn signal(&self, signal: Signal) {
        for child in &self.children {
            let pid = pid_of(child);
            // Fails when nobody is left, or for one that does not lead a group.
            let _ = kill_process_group(pid, signal.into());
            if signal != Signal::Kill {
                // A stopped process would not see the signal before somebody continues it.
                let _ = kill_process_group(pid, rustix::process::Signal::CONT);
            }
        }
    }

    /// True when a process of the job is alive, its own children aside. What cannot be
    /// told (no `/proc`) is not.
    pub(super) async fn any_alive(&self) -> bool {
        let mark = self.mark.clone();
        // Fails only when the runtime is going down.
        tokio::task::spawn_blocking(move || !crate::process::find_marked(&mark).is_empty())
            .await
            .unwrap_or(false)
    }

    /// Kills everything and waits until it is gone. The commands must have exited.
    pub(super) async fn end(&mut self) {
        self.signal(Signal::Kill);
        if self.may_have_left_something() {
            let mark = self.mark.clone();
            // Fails only when the runtime is going down.
            let _ = tokio::task::spawn_blocking(move || kill_marked(&mark)).await;
        }
        self.reap();
    }

    /// Looks whether a marked process may be alive; sure of it only when it says no.
    fn may_have_left_something(&self) -> bool {
        if !cfg!(target_os = "linux") || self.children.is_empty() {
            return false;
        }
        let (Some(before), Some(newest)) = (self.before, newest_pid()) else {
            return true;
        };
        // Ids are handed out in a circle: smaller means that it has been round.
        if self.begun.elapsed() > YOUNG || newest < before || newest - before > FEW {
            return true;
        }
        let mark = format!("{MARK_VARIABLE}={}", self.mark.as_str());
        (before + 1..=newest)
            .filter(|pid| self.children.iter().all(|child| child.id() != *pid))
            .any(|pid| carries(pid, mark.as_bytes()))
    }

    fn reap(&mut self) {
        for mut child in self.children.drain(..) {
            if !matches!(child.try_wait(), Ok(Some(_))) {
                // Killed, and dead any moment; but one in an uninterruptible call may not be.
                std::thread::spawn(move || child.wait());
            }
        }
    }
}

impl Drop for JobProcesses {
    fn drop(&mut self) {
        if self.children.is_empty() {
            return;
        }
        self.signal(Signal::Kill);
        // Here and now, since the program may be about to end.
        kill_marked(&self.mark);
        self.reap();
    }
}

/// The newest process id of our namespace: the last field of `/proc/loadavg`.
fn newest_pid() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_ascii_whitespace().last()?.parse().ok()
}

/// Tells whether the environment of a living process has the mark, or one made from it, or cannot be
/// told: for a moment there is none to be read of one that is becoming another program.
fn carries(pid: u32, mark: &[u8]) -> bool {
    std::fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environ| environ.is_empty() || memchr::memmem::find(&environ, mark).is_some())
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed()).expect("no child has the id zero")
}

/// Waits for the exit of a child and leaves it to be reaped.
#[derive(Debug)]
pub(super) struct Exit {
    pid: Pid,
    notice: Notice,
}

#[derive(Debug)]
enum Notice {
    Pidfd(AsyncFd<OwnedFd>),
    /// Where there are no pidfds: any child's end is a reason to look.
    Signal(tokio::signal::unix::Signal),
}

impl Exit {
    fn of(pid: Pid) -> io::Result<Self> {
        let notice = match pidfd_open_if_any(pid) {
            Some(fd) => Notice::Pidfd(watch(fd)?),
            None => Notice::Signal(tokio::signal::unix::signal(SignalKind::child())?),
        };
        Ok(Self { pid, notice })
    }

    /// Waits for the exit and returns its status; 128 + n when signal n ended it. May be
    /// dropped and called again.
    pub(super) async fn wait(&mut self) -> io::Result<i64> {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        loop {
            if let Some(status) = waitid(WaitId::Pid(self.pid), look)? {
                let signal = status.terminating_signal().map(|signal| 128 + signal);
                return Ok(status.exit_status().or(signal).map_or(-1, i64::from));
            }
            match &mut self.notice {
                Notice::Pidfd(fd) => fd.readable().await?.retain_ready(),
                Notice::Signal(signal) => drop(signal.recv().await),
            }
        }
    }
}

#[expect(
    unsafe_code,
    reason = "the runtime cannot see that the descriptor stays the same"
)]
fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open, and the same, for as long as it lives.
    unsafe { Ok(AsyncFd::register_with_interest(fd, Interest::READABLE)?) }
}

#[cfg(target_os = "linux")]
fn pidfd_open_if_any(pid: Pid) -> Option<OwnedFd> {
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn pidfd_open_if_any(_pid: Pid) -> Option<OwnedFd> {
    None
}
