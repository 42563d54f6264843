//! Who removes what a run of this program has left in an engine: the next start that finds its
//! file without a lock.
//!
//! The file is there as long as the run, or anything that it has made. It says which engine that is
//! in, by the engine's own id: another one, which a later run may use, knows nothing of it.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// This run, as long as it is kept.
#[derive(Debug)]
pub(super) struct Owner {
    /// On the labels of all that is made.
    pub(super) id: String,
    /// How many containers there may be of this run.
    made: AtomicUsize,
    file: PathBuf,
    /// Locked; the system unlocks it when this program ends, however it ends.
    _lock: File,
}

impl Owner {
    /// Registers a run in a folder of its home. `engine` is the identity of where it makes things.
    pub(super) fn register(folder: &Path, id: String, engine: &str) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = folder.join(&id);
        // It gets its name once it is locked: nobody takes it for one of a run that is over.
        let unnamed = folder.join(format!(".{id}"));
        let mut lock = File::create_new(&unnamed)?;
        lock.lock()?;
        lock.write_all(engine.as_bytes())?;
        std::fs::rename(&unnamed, &file)?;
        Ok(Self {
            id,
            made: AtomicUsize::new(0),
            file,
            _lock: lock,
        })
    }

    /// A container is about to be made.
    pub(super) fn makes(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }

    /// Something that was made, and could not be removed, may still be there.
    pub(super) fn leaves(&self) {
        self.makes();
    }

    /// The engine has no such container, or has none any more.
    pub(super) fn has_removed(&self) {
        self.made.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Of what may be left the next start has to know.
        if *self.made.get_mut() == 0 {
            // A file that stays is looked at by the next run, which finds nothing to remove.
            let _ = std::fs::remove_file(&self.file);
        }
    }
}

/// A run that is over and has not tidied up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dead {
    /// On the labels of all that it has made.
    pub(super) id: String,
    file: PathBuf,
    /// Where it has made things; empty when it did not say.
    engine: String,
}

impl Dead {
    /// Whether an engine of this identity may have something of it.
    pub(super) fn was_in(&self, engine: &str) -> bool {
        self.engine.is_empty() || self.engine == engine
    }

    /// Nothing is left of it.
    pub(super) fn forget(self) {
        // A file that stays is looked at once more.
        let _ = std::fs::remove_file(self.file);
    }
}

/// The runs of this home that are over and have not tidied up.
pub(super) fn dead(folder: &Path) -> Vec<Dead> {
    let all = std::fs::read_dir(folder).into_iter().flatten().flatten();
    all.filter_map(|entry| {
        let file = entry.path();
        let id = entry.file_name().into_string().ok()?;
        let lock = File::open(&file).map(|file| file.try_lock());
        let is_over = !matches!(lock, Err(_) | Ok(Err(TryLockError::WouldBlock)));
        (is_over && !id.starts_with('.')).then(|| Dead {
            id,
            engine: std::fs::read_to_string(&file).unwrap_or_default(),
            file,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "JF2K:WOPU";

    fn ids(folder: &Path) -> Vec<String> {
        dead(folder).into_iter().map(|dead| dead.id).collect()
    }

    #[test]
    fn only_runs_that_are_over_are_dead() {
        let folder = tempfile::tempdir().unwrap();
        let alive = Owner::register(folder.path(), "alive".into(), HERE).unwrap();
        File::create(folder.path().join("killed")).unwrap();
        File::create(folder.path().join(".begins")).unwrap();
        assert_eq!(ids(folder.path()), ["killed"]);
        drop(alive);
        assert!(!folder.path().join("alive").exists());
    }

    #[test]
    fn a_run_that_may_have_left_something_is_found_and_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let owner = Owner::register(folder.path(), "left".into(), HERE).unwrap();
        owner.makes();
        owner.makes();
        owner.has_removed();
        assert_eq!(ids(folder.path()), [""; 0]);
        drop(owner);
        let [left] = &dead(folder.path())[..] else {
            panic!("{:?}", dead(folder.path()));
        };
        assert!(left.was_in(HERE) && !left.was_in("X5LQ:7HKA"));
        for dead in dead(folder.path()) {
            dead.forget();
        }
        assert_eq!(ids(folder.path()), [""; 0]);
    }
}
