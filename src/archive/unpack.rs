//! Unpacking archives that nobody vouches for.
//!
//! Every entry is written below folders that have been seen to be folders, with names that cannot climb, into files
//! that did not exist a moment before. So a link can be unpacked without ever being followed. What this does not guard
//! against is another process that changes the target meanwhile.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write as _};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use super::entries::{
    Content, EntryInfo, Kind, Limits, Links, Refusal, UnpackError, Visit, for_each, for_each_plain,
    refused,
};
use super::tree::set_mtime;

/// What was unpacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of entries.
    pub entries: u64,
    /// The bytes of all files.
    pub bytes: u64,
}

/// Unpacks a gzip tar into a folder, which is made if need be.
///
/// Files and links that exist are replaced, folders are merged. Permissions and times are kept, owners and set-id bits
/// are not. After an error what came before it stays unpacked.
pub fn unpack(reader: impl Read, target: &Path, limits: &Limits) -> Result<Summary, UnpackError> {
    unpack_entries(target, limits, |visit| for_each(reader, limits, visit))
}

/// As [`unpack`], a tar that is not packed with gzip.
pub fn unpack_plain(
    reader: impl Read,
    target: &Path,
    limits: &Limits,
) -> Result<Summary, UnpackError> {
    unpack_entries(target, limits, |visit| {
        for_each_plain(reader, limits, visit)
    })
}

fn unpack_entries(
    target: &Path,
    limits: &Limits,
    for_each: impl FnOnce(&mut Visit<'_>) -> Result<(), UnpackError>,
) -> Result<Summary, UnpackError> {
    let at_target = |source| UnpackError::Write {
        path: target.to_owned(),
        source,
    };
    fs::create_dir_all(target).map_err(at_target)?;
    let mut unpacker = Unpacker {
        root: target.canonicalize().map_err(at_target)?,
        links: limits.links,
        folders: HashSet::new(),
        finishing: BTreeMap::new(),
        summary: Summary::default(),
    };
    for_each(&mut |info, content| {
        unpacker.add(info, content)?;
        Ok(ControlFlow::Continue(()))
    })?;
    unpacker.finish()
}

struct Unpacker {
    root: PathBuf,
    links: Links,
    /// Folders below the root that are folders and no links, to look only once.
    folders: HashSet<PathBuf>,
    /// Folders whose permissions and times are set at the end, since writing into them needs and changes these.
    finishing: BTreeMap<PathBuf, EntryInfo>,
    summary: Summary,
}

impl Unpacker {
    fn add(&mut self, info: &EntryInfo, content: &mut Content<'_>) -> Result<(), UnpackError> {
        let refuse = |reason| Err(refused(&info.path, reason));
        let name = match safe_name(&info.path) {
            Ok(name) => name,
            Err(reason) => return refuse(reason),
        };
        self.summary.entries += 1;
        if name.as_os_str().is_empty() {
            // The target's own entry: it is the caller's folder, and stays as it is.
            return match info.kind {
                Kind::Folder => Ok(()),
                _ => refuse(Refusal::Nameless),
            };
        }
        let path = self.root.join(&name);
        if info.kind == Kind::Special {
            return refuse(Refusal::Special);
        }
        self.make_parents(info, &name)?;
        match info.kind {
            Kind::Folder => self.add_folder(info, name, path),
            Kind::File => self.add_file(info, &path, content),
            Kind::Symlink => {
                let target = info.target.as_deref().unwrap_or(Path::new(""));
                if target.as_os_str().is_empty()
                    || (self.links == Links::Inside && !stays_inside(&name, target))
                {
                    return refuse(Refusal::OutwardLink);
                }
                self.put(info, &path, || symlink(target, &path))?;
                // A link without its time is still the link.
                let _ = set_mtime(&path, info.mtime, 0);
                Ok(())
            }
            Kind::HardLink => self.add_hard_link(info, &path),
            Kind::Special => refuse(Refusal::Special),
        }
    }

    fn add_folder(
        &mut self,
        info: &EntryInfo,
        name: PathBuf,
        path: PathBuf,
    ) -> Result<(), UnpackError> {
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => {
                let mode = meta.permissions().mode();
                if mode & 0o700 != 0o700 {
                    let writable = fs::Permissions::from_mode(mode | 0o700);
                    fs::set_permissions(&path, writable).map_err(|source| at(&path, source))?;
                }
            }
            _ => self.put(info, &path, || DirBuilder::new().mode(0o700).create(&path))?,
        }
        self.folders.insert(name);
        self.finishing.insert(path, info.clone());
        Ok(())
    }

    fn add_file(
        &mut self,
        info: &EntryInfo,
        path: &Path,
        content: &mut Content<'_>,
    ) -> Result<(), UnpackError> {
        let mut file = self.put(info, path, || {
            // Fails where something is, a dangling link too.
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
        })?;
        let mut bytes = 0;
        content.copy(|chunk| {
            file.write_all(chunk).map_err(|source| at(path, source))?;
            bytes += chunk.len() as u64;
            Ok(ControlFlow::Continue(()))
        })?;
        self.summary.bytes += bytes;
        file.set_permissions(permissions(info))
            .and_then(|()| set_mtime(path, info.mtime, 0))
            .map_err(|source| at(path, source))
    }

    fn add_hard_link(&mut self, info: &EntryInfo, path: &Path) -> Result<(), UnpackError> {
        let refuse = |reason| Err(refused(&info.path, reason));
        let original = info.target.as_deref().unwrap_or(Path::new(""));
        let Ok(original) = safe_name(original) else {
            return refuse(Refusal::OutwardLink);
        };
        // Neither the original nor a folder on the way to it may be a link.
        for part in original.ancestors() {
            let is_whole = part == original;
            match fs::symlink_metadata(self.root.join(part)) {
                Ok(meta) if is_whole && meta.is_file() => {}
                Ok(meta) if !is_whole && meta.is_dir() => {}
                Ok(meta) if !is_whole && meta.is_symlink() => return refuse(Refusal::OutwardLink),
                _ => return refuse(Refusal::HardLinkToNothing),
            }
        }
        let original = self.root.join(original);
        if original == path {
            return Ok(());
        }
        self.put(info, path, || fs::hard_link(&original, path))
    }

    /// Makes something that must not exist yet; what is in its place goes, unless it is a folder with contents.
    fn put<T>(
        &mut self,
        info: &EntryInfo,
        path: &Path,
        make: impl Fn() -> io::Result<T>,
    ) -> Result<T, UnpackError> {
        match make() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map_err(|source| at(path, source)),
        }
        let meta = fs::symlink_metadata(path).map_err(|source| at(path, source))?;
        if meta.is_dir() {
            // All at once: where case does not count, the same folder is known under several names.
            self.folders.clear();
            fs::remove_dir(path).map_err(|_| refused(&info.path, Refusal::FolderInPlace))?;
        } else {
            fs::remove_file(path).map_err(|source| at(path, source))?;
        }
        make().map_err(|source| at(path, source))
    }

    /// Makes sure that all folders above an entry are folders, not links.
    fn make_parents(&mut self, info: &EntryInfo, name: &Path) -> Result<(), UnpackError> {
        let Some(parent) = name.parent() else {
            return Ok(());
        };
        if parent.as_os_str().is_empty() || self.folders.contains(parent) {
            return Ok(());
        }
        let mut so_far = PathBuf::new();
        for part in parent.components() {
            so_far.push(part);
            if self.folders.contains(&so_far) {
                continue;
            }
            let path = self.root.join(&so_far);
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_dir() => {}
                Ok(meta) if meta.is_symlink() => {
                    return Err(refused(&info.path, Refusal::ThroughLink));
                }
                Ok(_) => return Err(refused(&info.path, Refusal::FileInPlace)),
                Err(_) => fs::create_dir(&path).map_err(|source| at(&path, source))?,
            }
            self.folders.insert(so_far.clone());
        }
        Ok(())
    }

    /// Outer folders sort before inner ones, so from the back no folder is closed before what is in it.
    fn finish(self) -> Result<Summary, UnpackError> {
        for (path, info) in self.finishing.iter().rev() {
            // Setting permissions follows links, and an empty folder may have been replaced by one.
            let still_folder = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
            if still_folder {
                set_mtime(path, info.mtime, 0)
                    .and_then(|()| fs::set_permissions(path, permissions(info)))
                    .map_err(|source| at(path, source))?;
            }
        }
        Ok(self.summary)
    }
}

/// The permissions without set-id bits, which an archive has no business to give.
fn permissions(info: &EntryInfo) -> fs::Permissions {
    fs::Permissions::from_mode(info.mode & 0o777)
}

fn at(path: &Path, source: io::Error) -> UnpackError {
    UnpackError::Write {
        path: path.to_owned(),
        source,
    }
}

/// Returns the name without `.` parts; empty for the target itself.
fn safe_name(path: &Path) -> Result<PathBuf, Refusal> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.contains(&0) {
        return Err(Refusal::Nameless);
    }
    let mut name = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => name.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err(Refusal::ParentFolder),
            Component::RootDir | Component::Prefix(_) => return Err(Refusal::Absolute),
        }
    }
    Ok(name)
}

/// Tells whether a link stays in the target whatever else is a link.
///
/// `..` may only stand in front: there it climbs out of folders that have been seen to be folders. After a name it
/// would climb out of wherever that name leads, if it is a link. Names alone lead through links that stay inside too.
fn stays_inside(name: &Path, target: &Path) -> bool {
    let mut above = name.components().count() - 1;
    let mut named = false;
    for component in target.components() {
        match component {
            Component::Normal(_) => named = true,
            Component::CurDir => {}
            Component::ParentDir if named || above == 0 => return false,
            Component::ParentDir => above -= 1,
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}
