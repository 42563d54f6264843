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
        // It gets its name once it is locked: nobody takes it for one of a run that is over.
        let unnamed = folder.join(format!(".{id}"));
        let lock = File::create_new(&unnamed)?;
        lock.lock()?;
        std::fs::rename(&unnamed, &file)?;
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
        let lock = File::open(entry.path()).map(|file| file.try_lock());
        !matches!(lock, Err(_) | Ok(Err(TryLockError::WouldBlock)))
    })
    .filter_map(|entry| entry.file_name().into_string().ok())
    .filter(|name| !name.starts_with('.'))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_runs_that_are_over_are_dead() {
        let folder = tempfile::tempdir().unwrap();
        let alive = Owner::register(folder.path(), "alive".into()).unwrap();
        File::create(folder.path().join("killed")).unwrap();
        File::create(folder.path().join(".begins")).unwrap();
        assert_eq!(dead(folder.path()), ["killed"]);
        drop(alive);
        assert!(!folder.path().join("alive").exists());
    }
}
