//! Taking an exported recording in for good.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};

use crate::domain::{Millis, Sid};
use crate::store::{BuildFolder, Draft, Home, create_private, remove_stale_drafts};

use super::error::PortableError;
use super::hex;
use super::manifest::{FileEntry, Part, part_of};
use super::origin::{Origin, manifest_of};
use super::unpack::{Quota, Unpacked, unpack};

/// What an import came to.
#[derive(Debug)]
pub struct Imported {
    /// The build.
    pub sid: Sid,
    /// Where it is recorded.
    pub folder: BuildFolder,
    /// What became of it.
    pub outcome: Outcome,
    /// Files in it that this version has no use for.
    pub skipped: Vec<String>,
}

/// What became of a recording that was to be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is here now.
    New,
    /// In place of another one.
    Replaced,
    /// It was imported before.
    AlreadyHere,
    /// It is a build of this machine.
    Own,
}

/// Takes a recording in: all of it, or nothing. `name` is what `file` is called. It never takes the place of a build
/// of this machine, and only with `replace` that of another recording.
pub fn import(
    home: &Home,
    file: impl Read,
    name: &Path,
    quota: Quota,
    replace: bool,
    now: Millis,
) -> Result<Imported, PortableError> {
    let base = home.imported();
    remove_stale_drafts(&base);
    let draft = Draft::create(&base).map_err(PortableError::io("make", &base))?;
    let dir = draft.path().join("recording");
    create_private(&dir)?;
    let unpacked = unpack(file, name, &dir, quota)?;
    let sid = unpacked.manifest.sid();
    let done = |folder, outcome| {
        Ok(Imported {
            sid: sid.clone(),
            folder,
            outcome,
            skipped: unpacked.skipped.clone(),
        })
    };
    let own = home.build(&sid);
    if own.journal.exists() {
        return if is_recorded_in(&unpacked, &own) {
            done(own, Outcome::Own)
        } else {
            Err(PortableError::OwnBuild(sid.clone()))
        };
    }
    BuildFolder::at(&dir).create()?;
    Origin::new(name, &unpacked, Some(now)).write(&unpacked.manifest, &dir)?;
    // What has its name is on the disk.
    flush(&dir).map_err(PortableError::io("write", &dir))?;
    let folder = home.imported_build(&sid);
    if let Some(parent) = folder.dir.parent() {
        create_private(parent)?;
    }
    let outcome = match fs::rename(&dir, &folder.dir) {
        Ok(()) => Outcome::New,
        Err(_) if folder.journal.exists() => {
            let known = manifest_of(&folder);
            if known.is_some_and(|known| known.files == unpacked.manifest.files) {
                Outcome::AlreadyHere
            } else if replace {
                // The draft goes, and with it what was here before.
                exchange(&dir, &folder.dir).map_err(PortableError::io("write", &folder.dir))?;
                Outcome::Replaced
            } else {
                return Err(PortableError::OtherRecording(sid.clone()));
            }
        }
        Err(error) => return Err(PortableError::io("write", &folder.dir)(error)),
    };
    if let Some(parent) = folder.dir.parent() {
        // The build is there; should the power go now, it may not be.
        let _ = File::open(parent).and_then(|parent| parent.sync_all());
    }
    done(folder, outcome)
}

/// Whether a build has the journal and the logs that were unpacked.
fn is_recorded_in(unpacked: &Unpacked, folder: &BuildFolder) -> bool {
    unpacked.manifest.files.iter().all(|file| {
        let path = match part_of(&file.name) {
            Part::Journal => folder.journal.clone(),
            Part::Log(name) | Part::Meta(name) => folder.logs.join(name),
            Part::Blob(..) | Part::Unknown => return true,
        };
        is_file(&path, file).unwrap_or(false)
    })
}

fn is_file(path: &Path, entry: &FileEntry) -> io::Result<bool> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() != entry.size {
        return Ok(false);
    }
    Ok(sum_of(&mut file)? == entry.sha256)
}

/// The SHA-256 of what a file still has.
pub(super) fn sum_of(file: &mut File) -> io::Result<String> {
    let mut sum = Context::new(&SHA256);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(&sum.finish())),
            Ok(read) => sum.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Flushes a folder and all that is in it to the disk.
fn flush(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            flush(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(dir)?.sync_all()
}

/// Lets two folders change places, where the system can do that at once.
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
            Err(
                rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP,
            ) => {}
            exchanged => return Ok(exchanged?),
        }
    }
    let aside = new.with_file_name("replaced");
    fs::rename(old, &aside)?;
    fs::rename(new, old)
}
