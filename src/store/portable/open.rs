//! Looking into an exported recording without taking it in.
//!
//! It is unpacked into the cache under the checksum of the file, so that it is unpacked once however often it is
//! looked at. Whoever looks at one holds a lock on its folder to the end of the process; folders that nobody
//! looks at go, those that were not used for the longest time first, when all together have grown too large.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::domain::Sid;
use crate::journal;
use crate::store::{BuildFolder, Draft, create_private, remove_stale_drafts};

use super::error::PortableError;
use super::import::sum_of;
use super::origin::Origin;
use super::unpack::{Quota, unpack};

/// How zstd begins (RFC 8878, §3.1.1).
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// Recordings that nobody looks at are kept up to so many bytes.
const MOST_KEPT: u64 = 2 << 30;

/// The locks of what this process looks at.
static LOOKED_AT: Mutex<BTreeMap<PathBuf, File>> = Mutex::new(BTreeMap::new());

/// True for a file that may be an exported recording, and is nothing else that this program reads.
pub fn is_exported(path: &Path) -> bool {
    // A pipe would wait for its writer.
    if !fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return false;
    }
    let mut start = [0; MAGIC.len()];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok() && start == MAGIC)
}

/// Unpacks a recording below a folder, or finds it there.
pub(in crate::store) fn open(
    cache: &Path,
    path: &Path,
) -> Result<(Sid, BuildFolder), PortableError> {
    let read = PortableError::io;
    let mut file = File::open(path).map_err(read("read", path))?;
    let sum = sum_of(&mut file).map_err(read("read", path))?;
    file.rewind().map_err(read("read", path))?;
    create_private(cache)?;
    remove_stale_drafts(cache);
    let folder = BuildFolder::at(&cache.join(&sum));
    if let Some(lock) = hold(&folder.dir) {
        // That it was used is no more than a wish.
        let _ = lock.set_modified(SystemTime::now());
        keep(&folder.dir, lock);
        let (sid, _) = journal::peek(&folder.journal)?;
        return Ok((sid, folder));
    }
    let draft = Draft::create(cache).map_err(read("make", cache))?;
    let dir = draft.path().join("recording");
    create_private(&dir)?;
    let unpacked = unpack(file, path, &dir, Quota::default())?;
    if unpacked.sha256 != sum {
        return Err(PortableError::Changed(path.to_owned()));
    }
    BuildFolder::at(&dir).create()?;
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Origin::new(&path, &unpacked, None).write(&unpacked.manifest, &dir)?;
    let lock = File::open(&dir).and_then(|lock| lock.lock_shared().map(|()| lock));
    let lock = lock.map_err(read("read", &dir))?;
    match fs::rename(&dir, &folder.dir) {
        Ok(()) => keep(&folder.dir, lock),
        // Somebody else was faster.
        Err(error) => match hold(&folder.dir) {
            Some(lock) => keep(&folder.dir, lock),
            None => return Err(read("write", &folder.dir)(error)),
        },
    }
    prune(cache, MOST_KEPT);
    Ok((unpacked.manifest.sid(), folder))
}

/// Keeps others from removing a folder; nothing, if it is not there.
fn hold(dir: &Path) -> Option<File> {
    let lock = File::open(dir).ok()?;
    // Whoever removes it has it for a moment only, and then it is gone.
    lock.lock_shared().ok()?;
    dir.exists().then_some(lock)
}

fn keep(dir: &Path, lock: File) {
    let mut looked_at = LOOKED_AT.lock().unwrap_or_else(PoisonError::into_inner);
    looked_at.entry(dir.to_owned()).or_insert(lock);
}

/// As if this process had ended.
#[cfg(test)]
pub(super) fn let_go(dir: &Path) {
    let mut looked_at = LOOKED_AT.lock().unwrap_or_else(PoisonError::into_inner);
    looked_at.remove(dir);
}

/// Removes what nobody looks at, until no more than `most` bytes are left of that.
pub(super) fn prune(cache: &Path, most: u64) {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten();
    let mut unused: Vec<(SystemTime, File, PathBuf)> = entries
        .filter_map(|entry| {
            // Drafts are the business of those who write them.
            let is_draft = entry.file_name().as_encoded_bytes().starts_with(b".");
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_draft || !is_folder {
                return None;
            }
            let lock = File::open(entry.path()).ok()?;
            lock.try_lock().ok()?;
            let used = lock.metadata().and_then(|found| found.modified()).ok()?;
            Some((used, lock, entry.path()))
        })
        .collect();
    unused.sort_by_key(|(used, ..)| std::cmp::Reverse(*used));
    let mut total = 0_u64;
    for (_, _lock, path) in unused {
        total = total.saturating_add(size_of(&path).unwrap_or(u64::MAX));
        // It goes all at once, with its draft; what cannot go now is tried again.
        if total > most
            && let Ok(draft) = Draft::create(cache)
        {
            let _ = fs::rename(&path, draft.path().join("unused"));
        }
    }
}

fn size_of(dir: &Path) -> io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        size += if entry.file_type()?.is_dir() {
            size_of(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(size)
}
