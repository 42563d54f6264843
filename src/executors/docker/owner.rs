//! Who removes what a run of this program has left in an engine: the next run that finds its
//! file without a lock.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// This run, as long as it is kept.
#[derive(Debug)]
pub(super) struct Owner {
    /// On the labels of all that is made.
    pub(super) id: String,
    file: PathBuf,
    /// Locked; the system unlocks it when this program ends, however it ends.
    _lock: File,
}

impl Owner {
    /// Registers a run in a folder of its home.
    pub(super) fn register(folder: &Path, id: String) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = folder.join(&id);
        let lock = File::create_new(&file)?;
        lock.lock()?;
        Ok(Self {
            id,
            file,
            _lock: lock,
        })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // A file that stays is looked at by the next run, which finds nothing to remove.
        let _ = std::fs::remove_file(&self.file);
    }
}

/// The runs of this home that are over and have not tidied up.
pub(super) fn dead(folder: &Path) -> Vec<String> {
    let all = std::fs::read_dir(folder).into_iter().flatten().flatten();
    all.filter(|entry| {
        // Its owner locks it in the moment after it is made.
        let old = entry.metadata().and_then(|meta| meta.modified());
        let old = old.is_ok_and(|at| at.elapsed().is_ok_and(|age| age.as_secs() >= 1));
        let lock = File::open(entry.path()).map(|file| file.try_lock());
        old && !matches!(lock, Err(_) | Ok(Err(TryLockError::WouldBlock)))
    })
    .filter_map(|entry| entry.file_name().into_string().ok())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_runs_that_are_over_are_dead() {
        let folder = tempfile::tempdir().unwrap();
        let alive = Owner::register(folder.path(), "alive".into()).unwrap();
        let killed = File::create(folder.path().join("killed")).unwrap();
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_mins(1);
        killed.set_modified(long_ago).unwrap();
        File::options()
            .write(true)
            .open(&alive.file)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        assert_eq!(dead(folder.path()), ["killed"]);
        drop(alive);
        assert!(!folder.path().join("alive").exists());
    }
}
