//! How many files may be open: each connection is one, and builds need theirs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many as a server with all its connections and its builds needs.
const WANTED: u64 = 4096;

/// Asks the system for more files, as far as it lets everybody have them: usually 1,024 may be open
/// at first. What is started from here has the same limit.
pub fn more_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Some(current) = raised(limit.current, limit.maximum) {
        let current = Some(current);
        // With fewer files there are fewer connections.
        let _ = setrlimit(Resource::Nofile, Rlimit { current, ..limit });
    }
}

/// What to ask for; `None` if what there is will do, or there is no more.
fn raised(current: Option<u64>, most: Option<u64>) -> Option<u64> {
    let wanted = most.map_or(WANTED, |most| most.min(WANTED));
    (current? < wanted).then_some(wanted)
}

/// How many connections fit: the other half of the files is for builds.
pub(super) fn places(most: usize) -> usize {
    fitting(most, getrlimit(Resource::Nofile).current)
}

fn fitting(most: usize, files: Option<u64>) -> usize {
    let half = files.and_then(|files| usize::try_from(files / 2).ok());
    half.map_or(most, |half| most.min(half).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes_and_never_lowered() {
        assert_eq!(raised(Some(1024), Some(524_288)), Some(WANTED));
        assert_eq!(raised(Some(1024), None), Some(WANTED));
        assert_eq!(raised(Some(256), Some(2000)), Some(2000));
        assert_eq!(raised(Some(1024), Some(1024)), None);
        assert_eq!(raised(Some(20_000), Some(20_000)), None);
        assert_eq!(raised(None, None), None);
    }

    #[test]
    fn connections_take_half_of_the_files_and_at_least_one() {
        assert_eq!(fitting(1024, Some(WANTED)), 1024);
        assert_eq!(fitting(1024, Some(256)), 128);
        assert_eq!(fitting(1024, Some(1)), 1);
        assert_eq!(fitting(1024, None), 1024);
    }
}
