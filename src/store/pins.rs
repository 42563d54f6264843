//! Builds that are to be kept, whatever else is removed: a file `pinned` in the build's folder says
//! so, and its text why.

use std::fs;
use std::path::PathBuf;

use super::BuildFolder;

fn path(folder: &BuildFolder) -> PathBuf {
    folder.dir.join("pinned")
}

/// True when a build is to be kept.
pub(super) fn is_pinned(folder: &BuildFolder) -> bool {
    // Also a link that leads nowhere: in doubt it is kept.
    fs::symlink_metadata(path(folder)).is_ok()
}
