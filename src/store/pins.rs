//! Builds that are to be kept, whatever else is removed: a file `pinned` in the build's folder says
//! so, and its text why.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::BuildFolder;

/// Bytes of a reason that are read.
const LONGEST_REASON: u64 = 4096;

fn path(folder: &BuildFolder) -> PathBuf {
    folder.dir.join("pinned")
}

/// True when a build is to be kept.
pub(super) fn is_pinned(folder: &BuildFolder) -> bool {
    // Also a link that leads nowhere: in doubt it is kept.
    fs::symlink_metadata(path(folder)).is_ok()
}

/// Why a build is to be kept; `None` for one that is not. Not much of a text that somebody has put
/// there.
pub fn pinned(folder: &BuildFolder) -> Option<String> {
    if !is_pinned(folder) {
        return None;
    }
    let mut text = Vec::new();
    // What cannot be read gives no reason; a pipe would never end.
    if fs::metadata(path(folder)).is_ok_and(|found| found.is_file()) {
        let file = fs::File::open(path(folder)).ok()?;
        let _ = file.take(LONGEST_REASON).read_to_end(&mut text);
    }
    Some(String::from_utf8_lossy(&text).trim().to_owned())
}

/// Has a build kept; `why` is for people. Says whether it was not before.
pub fn pin(folder: &BuildFolder, why: &str) -> io::Result<bool> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path(folder));
    match file {
        Ok(mut file) => file.write_all(why.as_bytes()).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Lets a build go when others like it go. Says whether it was pinned before.
pub fn unpin(folder: &BuildFolder) -> io::Result<bool> {
    match fs::remove_file(path(folder)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
