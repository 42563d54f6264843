//! Copying and removing trees.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};

use super::pack::{Item, Skipped, Source};

/// What stopped the copying or removing of a tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The system refused something.
    #[error("cannot {doing} `{}`", path.display())]
    Refused {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The copy would contain itself.
    #[error("cannot copy `{}` into itself", path.display())]
    IntoItself { path: PathBuf },
    /// The target of a copy is there and holds something.
    #[error("cannot copy to `{}`, which is not empty", path.display())]
    NotEmpty { path: PathBuf },
}

fn refused(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TreeError + use<> {
    let path = path.to_owned();
    move |source| TreeError::Refused {
        doing,
        path,
        source,
    }
}

/// Copies a folder with all it holds to `dst`, which must be missing or empty.
///
/// Permissions, modification times and symbolic links (as they are) are kept. Where the file system can share blocks
/// between files, it does. Sockets, pipes and devices are left out.
pub fn copy_tree(src: &Path, dst: &Path) -> Result<(), TreeError> {
    make_empty(dst)?;
    let whole = |path: &Path| path.canonicalize().map_err(refused("find", path));
    if whole(dst)?.starts_with(whole(src)?) {
        return Err(TreeError::IntoItself {
            path: src.to_owned(),
        });
    }
    copy_contents(src, dst)?;
    let meta = fs::metadata(src).map_err(refused("read", src))?;
    finish_folder(dst, &meta)
}

/// Copies the given items to `dst`, which must be missing or empty; folders before what is in them.
///
/// What cannot be read is left out and returned.
pub fn copy_items(items: &[Item], dst: &Path) -> Result<Vec<Skipped>, TreeError> {
    make_empty(dst)?;
    let mut skipped = Vec::new();
    let mut folders = Vec::new();
    for item in items {
        let to = dst.join(&item.name);
        let from = match &item.source {
            Source::Path(from) => from,
            Source::Bytes(bytes) => {
                fs::write(&to, bytes).map_err(refused("write", &to))?;
                continue;
            }
        };
        let copied = fs::symlink_metadata(from)
            .map_err(refused("read", from))
            .and_then(|meta| {
                if meta.is_dir() {
                    make_folder(&to)?;
                    folders.push((to.clone(), meta));
                    return Ok(());
                }
                copy_one(from, &to, &meta)
            });
        match copied {
            Ok(()) => {}
            // An own file that cannot be read is the user's business, a full disk is not.
            Err(TreeError::Refused { path, source, .. }) if path == *from => {
                skipped.push(Skipped {
                    path,
                    reason: source.to_string(),
                });
            }
            Err(error) => return Err(error),
        }
    }
    for (folder, meta) in folders.iter().rev() {
        finish_folder(folder, meta)?;
    }
    Ok(skipped)
}

/// A folder that goes when nobody needs it any more, with all that is in it.
#[derive(Debug)]
pub struct Temporary(pub PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // It is for folders in which what cannot be removed does no harm.
        let _ = remove_tree(&self.0);
    }
}

/// Removes a file, a link or a folder with all it holds, folders without write permission too. Nothing there is fine.
pub fn remove_tree(path: &Path) -> Result<(), TreeError> {
    let remove = || match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    match gone(remove()) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_folders(path);
            gone(remove()).map_err(refused("remove", path))
        }
        result => result.map_err(refused("remove", path)),
    }
}

/// Makes all folders of a tree writable, as far as we may; what stays closed is reported by the removal.
fn open_folders(path: &Path) {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return;
    };
    if !meta.is_dir() {
        return;
    }
    let mode = meta.permissions().mode();
    if mode & 0o700 != 0o700 {
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o700));
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_folders(&entry.path());
        }
    }
}

fn copy_contents(src: &Path, dst: &Path) -> Result<(), TreeError> {
    for entry in fs::read_dir(src).map_err(refused("read", src))? {
        let entry = entry.map_err(refused("read", src))?;
        let (from, to) = (entry.path(), dst.join(entry.file_name()));
        let meta = entry.metadata().map_err(refused("read", &from))?;
        if meta.is_dir() {
            make_folder(&to)?;
            copy_contents(&from, &to)?;
            finish_folder(&to, &meta)?;
        } else {
            copy_one(&from, &to, &meta)?;
        }
    }
    Ok(())
}

/// Copies a file or a link; the error names `from` if reading it failed as far as that can be told.
fn copy_one(from: &Path, to: &Path, meta: &Metadata) -> Result<(), TreeError> {
    if meta.is_symlink() {
        let target = fs::read_link(from).map_err(refused("read", from))?;
        symlink(target, to).map_err(refused("write", to))?;
    } else if meta.is_file() {
        fs::copy(from, to).map_err(|source| {
            let unreadable = fs::File::open(from).is_err();
            if unreadable {
                refused("read", from)(source)
            } else {
                refused("write", to)(source)
            }
        })?;
    } else {
        return Ok(());
    }
    copy_mtime(to, meta)
}

/// Writable for now, whatever the original is.
fn make_folder(path: &Path) -> Result<(), TreeError> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(refused("make", path))
}

fn finish_folder(path: &Path, meta: &Metadata) -> Result<(), TreeError> {
    copy_mtime(path, meta)?;
    fs::set_permissions(path, meta.permissions()).map_err(refused("write", path))
}

fn make_empty(dst: &Path) -> Result<(), TreeError> {
    match fs::create_dir(dst) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut entries = fs::read_dir(dst).map_err(refused("read", dst))?;
            if entries.next().is_some() {
                return Err(TreeError::NotEmpty {
                    path: dst.to_owned(),
                });
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(dst).map_err(refused("make", dst))
        }
        result => result.map_err(refused("make", dst)),
    }
}

fn copy_mtime(path: &Path, meta: &Metadata) -> Result<(), TreeError> {
    let seconds = u64::try_from(meta.mtime()).unwrap_or(0);
    set_mtime(path, seconds, meta.mtime_nsec()).map_err(refused("write", path))
}

/// Sets when something was changed last, of a link itself.
pub(super) fn set_mtime(path: &Path, seconds: u64, nanoseconds: i64) -> io::Result<()> {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX),
            tv_nsec: nanoseconds,
        },
    };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
