//! A process group whose leader is our child.

use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::pin;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use rustix::process::{Pid, kill_process_group};
use tokio::process::Child;

/// The signals that we send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// `SIGINT`, as `Ctrl-c` would send.
    Interrupt,
    /// `SIGTERM`: please end.
    Terminate,
    /// `SIGKILL`: cannot be refused.
    Kill,
}

impl From<Signal> for rustix::process::Signal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Interrupt => Self::INT,
            Signal::Terminate => Self::TERM,
            Signal::Kill => Self::KILL,
        }
    }
}

/// Returns the exit status as shells tell it: the exit code, or 128 and the number of the signal that ended it.
pub fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(-1)
}

/// Whether the group's id is still ours to signal.
///
/// While the leader has not been reaped the system cannot give its id to another process. Reaping and this state change
/// under one lock, so no signal can reach a stranger.
#[derive(Debug)]
struct Leader {
    reaped: bool,
}

/// Stops a group from elsewhere; cheap to clone, harmless once the group has ended.
#[derive(Debug, Clone)]
pub struct Killer {
    pid: Pid,
    leader: Arc<Mutex<Leader>>,
}

impl Killer {
    /// Sends a signal to every member of the group; tells whether the leader had not been reaped yet.
    pub fn signal(&self, signal: Signal) -> bool {
        let leader = self.lock();
        if leader.reaped {
            return false;
        }
        self.send(signal);
        true
    }

    /// Kills every member of the group.
    pub fn kill(&self) -> bool {
        self.signal(Signal::Kill)
    }

    fn lock(&self) -> MutexGuard<'_, Leader> {
        self.leader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Errors only say that nobody is left (Linux: no such process; macOS: not permitted, for a zombie).
    fn send(&self, signal: Signal) {
        let _ = kill_process_group(self.pid, signal.into());
        if signal != Signal::Kill {
            // A stopped process would not see the signal before somebody continues it.
            let _ = kill_process_group(self.pid, rustix::process::Signal::CONT);
        }
    }
}

/// Owns a process group whose leader is our child; dropping it kills the group.
#[derive(Debug)]
pub struct Group {
    child: Child,
    killer: Killer,
    status: Option<ExitStatus>,
}

impl Group {
    /// The child must have been started as the leader of a group of its own.
    pub(super) fn new(child: Child) -> Self {
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        let pid = pid
            .and_then(Pid::from_raw)
            .expect("a child that nobody waited for has a process id");
        Self {
            child,
            killer: Killer {
                pid,
                leader: Arc::new(Mutex::new(Leader { reaped: false })),
            },
            status: None,
        }
    }

    /// Returns the process id of the leader, which is also the id of the group.
    pub fn pid(&self) -> u32 {
        self.killer.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Returns a handle that can stop the group from elsewhere.
    pub fn killer(&self) -> Killer {
        self.killer.clone()
    }

    /// Sends a signal to every member of the group.
    pub fn signal(&self, signal: Signal) {
        self.killer.signal(signal);
    }

    /// Kills every member of the group; [`Group::wait`] then reaps the leader.
    pub fn kill(&self) {
        self.killer.kill();
    }

    /// Waits for the leader to exit, then kills what is left of its group.
    ///
    /// May be dropped and called again, and keeps answering once the leader has exited.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        let killer = &self.killer;
        let mut wait = pin!(self.child.wait());
        let status = std::future::poll_fn(|context| {
            let mut leader = killer.lock();
            let Poll::Ready(status) = wait.as_mut().poll(context) else {
                return Poll::Pending;
            };
            if status.is_ok() {
                leader.reaped = true;
            }
            // The leader's id stays taken as long as a member of its group lives, and ids are handed out in a circle:
            // nobody else can have got it within this poll.
            killer.send(Signal::Kill);
            Poll::Ready(status)
        })
        .await?;
        self.status = Some(status);
        Ok(status)
    }

    /// Asks every member to end (`SIGTERM`), kills the group after `grace`, and waits for the leader.
    pub async fn terminate(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        self.signal(Signal::Terminate);
        if let Ok(status) = tokio::time::timeout(grace, self.wait()).await {
            return status;
        }
        self.kill();
        self.wait().await
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Reaping is left to tokio's queue of orphans.
        self.killer.kill();
    }
}
