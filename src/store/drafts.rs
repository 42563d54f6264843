//! Folders for what is being written, one a writer: blobs, recordings that are brought in.
//!
//! ```text
//! blobs/.incoming/<process>-<number>/     locked by its writer
//! ```
//!
//! A process that is killed leaves its folders; their locks are free then, by which the next start
//! knows that nobody needs them any more.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::create_private;

/// No key has a part that begins with a dot, so none can meet it.
pub(super) const INCOMING: &str = ".incoming";

/// Removes what killed processes have left half written below a folder.
pub fn remove_stale_drafts(base: &Path) {
    let Ok(entries) = std::fs::read_dir(base.join(INCOMING)) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(draft) = File::open(&path) else {
            continue;
        };
        // Locked until it is gone, so that nobody begins to use it.
        if draft.try_lock().is_ok() {
            // If it cannot be removed now, the next start tries again. Earlier versions wrote
            // into files here.
            let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
        }
    }
}

/// A private folder for what one writer makes. It is removed with all that is in it when it is dropped,
/// so that what was abandoned leaves nothing behind.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    /// Locked as long as this is open.
    lock: File,
}

impl Draft {
    /// Makes a folder below `.incoming`. Blocks.
    pub fn create(base: &Path) -> io::Result<Self> {
        static DRAFTS: AtomicU64 = AtomicU64::new(0);
        let incoming = base.join(INCOMING);
        create_private(&incoming).map_err(io::Error::other)?;
        loop {
            let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
            let path = incoming.join(format!("{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {}
                // Left by a process that had our number; its turn comes at the next start.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
            // Between making and locking, another process that starts may take it for a stale one.
            let lock = match File::open(&path) {
                Ok(lock) => lock,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let draft = Self { path, lock };
            draft.lock.lock()?;
            if draft.lock.metadata()?.nlink() > 0 && draft.path.exists() {
                return Ok(draft);
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // The next start removes what cannot be removed now.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_removes_what_nobody_writes_any_more_and_only_that() {
        let dir = tempfile::tempdir().unwrap();
        let alive = Draft::create(dir.path()).unwrap();
        let incoming = dir.path().join(INCOMING);
        std::fs::write(incoming.join("1-0"), b"half").unwrap();
        std::fs::create_dir(incoming.join("1-1")).unwrap();
        std::fs::write(incoming.join("1-1/blob#1"), b"half").unwrap();
        remove_stale_drafts(dir.path());
        assert!(alive.path().exists());
        assert_eq!(std::fs::read_dir(&incoming).unwrap().count(), 1);
        drop(alive);
        assert_eq!(std::fs::read_dir(&incoming).unwrap().count(), 0);
    }
}
