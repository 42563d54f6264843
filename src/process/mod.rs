//! Child processes that leave nothing behind.
//!
//! Owns starting a child in a process group of its own, reading what it prints, stopping it, reaping it, and finding
//! whatever got away from its group. Leaves to others what to run, what to do with the output, and when to stop.
//! Start reading at [`Spawn`] (how a child is started) and [`Running::finish`] (how it is seen to its end).
//!
//! # How nothing stays behind
//!
//! | what | how it ends |
//! | --- | --- |
//! | members of the group | when the leader has exited the whole group gets `SIGKILL`, at once ([`Group::wait`]) |
//! | a descendant that called `setsid` | it still carries the [`Mark`] in its environment: [`kill_marked`] (Linux) |
//! | our own future is dropped | the group is killed when [`Group`] is dropped |
//! | we were killed with `kill -9` | the next start calls [`kill_abandoned`] (Linux): marks whose owner is gone |
//!
//! The mark is a plain environment variable, for which no `pre_exec` is needed, so children keep the standard library's
//! `posix_spawn` path. Two things escape it on purpose or by nature: a process that calls `setsid` *and* clears its
//! environment, and one that overwrites the memory of its environment to change its title. A child subreaper would
//! see those, but would make us the parent of processes that nobody waits for. On macOS another process's environment
//! cannot be read without unsafe code, so there the group is all.

mod environment;
mod group;
mod mark;
mod output;
mod spawn;

pub use environment::{scrubbed_env, scrubbed_env_from};
pub use group::{Group, Killer, Signal, exit_code};
pub use mark::{
    MARK_VARIABLE, Mark, MarkedProcess, find_abandoned, find_marked, kill_abandoned, kill_marked,
};
pub use output::{Finished, Stream, pump};
pub use spawn::{Running, Spawn, SpawnError};

#[cfg(test)]
mod tests;
