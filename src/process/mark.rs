//! Finding processes by a mark in their environment, which is inherited through `setsid` and double forks.
//!
//! A mark says who its owner is, so a later start can tell an orphan from the child of another run that is still going:
//!
//! ```text
//! 4026531836-812-93021-7f3c…   .17        /4026531836-840-…
//! namespace · pid · start time  child no.  a run inside that child
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The variable that holds a process's mark.
pub const MARK_VARIABLE: &str = "MONKEYCI_TUI_MARK";

/// Names a run of this program, or one child of a run and all its descendants.
#[derive(Debug, Clone)]
pub struct Mark {
    value: Arc<str>,
    children: Arc<AtomicU64>,
}

impl Mark {
    /// Makes the mark of this run. Within a child of another run it extends that one's mark, so that stopping the
    /// outer run finds the inner one's children too.
    pub fn new_run() -> Self {
        use std::hash::{BuildHasher as _, RandomState};

        let owner = owner::this_process();
        let random = RandomState::new().hash_one(std::process::id());
        let own = format!(
            "{}-{}-{}-{random:016x}",
            owner.namespace, owner.pid, owner.start
        );
        Self::from_value(match inherited() {
            Some(outer) => format!("{outer}/{own}"),
            None => own,
        })
    }

    /// Makes a mark for one child, found by this mark too.
    #[must_use]
    pub fn child(&self) -> Self {
        let number = self.children.fetch_add(1, Ordering::Relaxed);
        Self::from_value(format!("{}.{number}", self.value))
    }

    /// Returns the value that a marked process has in its environment.
    pub fn as_str(&self) -> &str {
        &self.value
    }

    fn from_value(value: String) -> Self {
        Self {
            value: value.into(),
            children: Arc::default(),
        }
    }

    fn covers(&self, value: &str) -> bool {
        is_within(value, &self.value)
    }
}

/// A process found by its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedProcess {
    /// Its process id, when it was found.
    pub pid: u32,
    /// The value of its mark.
    pub mark: String,
}

/// Lists the living processes that carry this mark or one made from it; never ourselves.
///
/// Costs one look at every process of the system (milliseconds). Always empty on systems other than Linux.
pub fn find_marked(mark: &Mark) -> Vec<MarkedProcess> {
    scan::marked(|value| mark.covers(value))
}

/// Kills all processes that [`find_marked`] finds, until none is found or two seconds have passed; returns their ids.
///
/// Blocks; call it off the event loop.
pub fn kill_marked(mark: &Mark) -> Vec<u32> {
    scan::kill_all(|value| mark.covers(value))
}

/// Lists processes whose run is gone: what a `kill -9` of this program leaves behind.
///
/// Leaves out our own ancestors, and everything inside the child of another run that we ourselves are in.
pub fn find_abandoned() -> Vec<MarkedProcess> {
    let is_abandoned = abandoned_test();
    scan::marked(is_abandoned)
}

/// Kills all processes that [`find_abandoned`] finds; returns their ids. Blocks; call it off the event loop.
pub fn kill_abandoned() -> Vec<u32> {
    let is_abandoned = abandoned_test();
    scan::kill_all(is_abandoned)
}

fn abandoned_test() -> impl Fn(&str) -> bool {
    let inherited = inherited();
    move |value| {
        let around_us = inherited
            .as_deref()
            .is_some_and(|outer| is_within(value, outer) || is_within(outer, value));
        !around_us && value.split('/').any(owner::is_gone)
    }
}

fn inherited() -> Option<String> {
    std::env::var(MARK_VARIABLE)
        .ok()
        .filter(|value| !value.is_empty())
}

/// Tells whether `value` is `outer` or was made from it.
fn is_within(value: &str, outer: &str) -> bool {
    value
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '/']))
}

mod owner {
    //! Who made a mark, and whether it still lives.

    /// Identifies a process beyond the reuse of its id.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Owner {
        /// The inode of its process id namespace; the same id means another process in another one.
        pub namespace: u64,
        pub pid: u32,
        /// Clock ticks from boot to its start.
        pub start: u64,
    }

    pub(super) fn this_process() -> Owner {
        let pid = std::process::id();
        Owner {
            namespace: namespace().unwrap_or(0),
            pid,
            start: start_of(pid).unwrap_or(0),
        }
    }

    /// Tells whether one part of a mark names a process that does not run any more; what cannot be told is not gone.
    pub(super) fn is_gone(part: &str) -> bool {
        let Some(owner) = parse(part) else {
            return false;
        };
        namespace() == Some(owner.namespace) && start_of(owner.pid) != Some(owner.start)
    }

    fn parse(part: &str) -> Option<Owner> {
        let own = part.split('.').next()?;
        let mut fields = own.split('-');
        Some(Owner {
            namespace: fields.next()?.parse().ok()?,
            pid: fields.next()?.parse().ok()?,
            start: fields.next()?.parse().ok()?,
        })
    }

    fn namespace() -> Option<u64> {
        use std::os::unix::fs::MetadataExt as _;

        if cfg!(target_os = "linux") {
            let meta = std::fs::metadata("/proc/self/ns/pid").ok()?;
            return Some(meta.ino());
        }
        None
    }

    /// Field 22 of `/proc/<pid>/stat`, counted from behind the name, which may hold anything.
    pub(super) fn start_of(pid: u32) -> Option<u64> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        let behind_name = memchr::memrchr(b')', &stat)? + 2;
        let fields = std::str::from_utf8(&stat[behind_name..]).ok()?;
        fields.split(' ').nth(19)?.parse().ok()
    }
}

#[cfg(target_os = "linux")]
mod scan {
    //! Looking through `/proc`.

    use std::collections::BTreeSet;
    use std::fs::File;
    use std::io::Read as _;
    use std::sync::{Mutex, PoisonError};
    use std::time::{Duration, Instant};

    use memchr::memmem::Finder;
    use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

    use super::{MARK_VARIABLE, MarkedProcess};

    /// How long killed processes are waited for; one in an uninterruptible call may take for ever.
    const PATIENCE: Duration = Duration::from_secs(2);

    /// How long a process that shows no environment at all is looked at again: for a moment none can be
    /// read of one that is becoming another program.
    const BECOMING: Duration = Duration::from_millis(500);

    /// Processes that were looked at for so long and really have none: their ids and when they started.
    static BARE: Mutex<BTreeSet<(u32, u64)>> = Mutex::new(BTreeSet::new());

    /// Reads marks; keeps its buffer from process to process.
    struct MarkReader {
        name: Finder<'static>,
        environ: Vec<u8>,
    }

    impl MarkReader {
        fn new() -> Self {
            Self {
                name: Finder::new(MARK_VARIABLE.as_bytes()),
                environ: Vec::new(),
            }
        }

        /// Returns the mark of a process of ours; none for those that have ended (also when not reaped yet).
        fn read(&mut self, pid: u32) -> Option<&str> {
            self.environ.clear();
            let mut file = File::open(format!("/proc/{pid}/environ")).ok()?;
            file.read_to_end(&mut self.environ).ok()?;
            let environ = &self.environ;
            let value = self.name.find_iter(environ).find_map(|at| {
                let starts = at == 0 || environ[at - 1] == 0;
                let value = environ[at + MARK_VARIABLE.len()..].strip_prefix(b"=")?;
                starts.then_some(value)
            })?;
            let end = memchr::memchr(0, value).unwrap_or(value.len());
            std::str::from_utf8(&value[..end]).ok()
        }

        /// True when the last one that was read has shown nothing though it is a program: it may be
        /// about to become another one. Threads of the kernel have no memory, nor has what has ended.
        fn saw_nothing_of(&self, pid: u32) -> bool {
            self.environ.is_empty()
                && std::fs::read(format!("/proc/{pid}/statm"))
                    .is_ok_and(|pages| !pages.starts_with(b"0 "))
        }
    }

    fn pids() -> impl Iterator<Item = u32> {
        let us = std::process::id();
        std::fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(move |pid| *pid != us)
    }

    pub(super) fn marked(wanted: impl Fn(&str) -> bool) -> Vec<MarkedProcess> {
        let mut reader = MarkReader::new();
        let mut found = Vec::new();
        let mut unclear: Vec<u32> = pids().collect();
        let deadline = Instant::now() + BECOMING;
        loop {
            unclear.retain(|pid| match reader.read(*pid).map(str::to_owned) {
                Some(mark) => {
                    if wanted(&mark) {
                        found.push(MarkedProcess { pid: *pid, mark });
                    }
                    false
                }
                None => reader.saw_nothing_of(*pid) && is_younger_than_us(*pid) && !is_bare(*pid),
            });
            if unclear.is_empty() {
                return found;
            }
            if Instant::now() > deadline {
                let mut bare = BARE.lock().unwrap_or_else(PoisonError::into_inner);
                // Of those that have ended nobody has to know.
                bare.retain(|(pid, start)| super::owner::start_of(*pid) == Some(*start));
                bare.extend(
                    (unclear.iter()).filter_map(|pid| Some((*pid, super::owner::start_of(*pid)?))),
                );
                return found;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What was there before this program is none of its children.
    fn is_younger_than_us(pid: u32) -> bool {
        super::owner::start_of(pid) >= super::owner::start_of(std::process::id())
    }

    fn is_bare(pid: u32) -> bool {
        let bare = BARE.lock().unwrap_or_else(PoisonError::into_inner);
        let known = bare.range((pid, 0)..=(pid, u64::MAX)).next();
        known.is_some_and(|(_, start)| super::owner::start_of(pid) == Some(*start))
    }

    /// One look is not enough: a process may fork between being listed and being killed.
    pub(super) fn kill_all(wanted: impl Fn(&str) -> bool) -> Vec<u32> {
        let deadline = Instant::now() + PATIENCE;
        let mut killed = Vec::new();
        loop {
            let found = marked(&wanted);
            if found.is_empty() || Instant::now() > deadline {
                return killed;
            }
            for process in found {
                if kill(process.pid, &wanted) && !killed.contains(&process.pid) {
                    killed.push(process.pid);
                }
            }
            // The killed ones are listed until the system has taken their memory away.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Holds on to the process before looking at it again, so that its id cannot mean another one.
    fn kill(pid: u32, wanted: &impl Fn(&str) -> bool) -> bool {
        let Some(id) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
            return false;
        };
        let handle = pidfd_open(id, PidfdFlags::empty());
        if !MarkReader::new().read(pid).is_some_and(wanted) {
            return false;
        }
        match handle {
            Ok(handle) => pidfd_send_signal(handle, Signal::KILL).is_ok(),
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {
                kill_process(id, Signal::KILL).is_ok()
            }
            Err(_) => false,
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod scan {
    //! Elsewhere the environment of a process cannot be read without unsafe code.

    use super::MarkedProcess;

    pub(super) fn marked(_wanted: impl Fn(&str) -> bool) -> Vec<MarkedProcess> {
        Vec::new()
    }

    pub(super) fn kill_all(_wanted: impl Fn(&str) -> bool) -> Vec<u32> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_covers_its_children_and_runs_inside_them_but_no_longer_numbers() {
        let run = Mark::new_run();
        let first = run.child();
        assert!(run.covers(first.as_str()));
        assert!(first.covers(&format!("{}/1-2-3-4.0", first.as_str())));
        assert!(!first.covers(&format!("{}7", first.as_str())));
        assert!(!first.covers(run.child().as_str()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_owner_that_lives_is_not_gone_and_one_that_started_at_another_time_is() {
        let us = owner::this_process();
        let part = |pid, start| format!("{}-{pid}-{start}-ff.12", us.namespace);
        assert!(!owner::is_gone(&part(us.pid, us.start)));
        assert!(owner::is_gone(&part(us.pid, us.start + 1)));
        assert!(!owner::is_gone(&format!(
            "{}-{}-1-ff",
            us.namespace + 1,
            us.pid
        )));
        assert!(!owner::is_gone("garbage"));
        assert!(!owner::is_gone(""));
    }
}
