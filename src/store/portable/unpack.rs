//! Unpacking an exported recording, which nobody vouches for, into an empty folder.
//!
//! The manifest comes first and is held to its word: the files in the archive are those that it names, in its order,
//! with its sizes and its checksums, and nothing is written that it does not name. Names are made of the characters
//! that this program makes names of, and every file is a new one, so that nothing can be written elsewhere. All of
//! them together fit the quota before the first is written, which is what stops an archive that unpacks to more
//! than anybody has room for.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use crate::archive::{Content, EntryInfo, Kind, Limits, Links, UnpackError, for_each_zstd};
use crate::domain::{Sid, file_name};
use crate::journal::{self, JournalError};
use crate::logs;
use crate::store::BuildFolder;
use crate::store::blobs::SealedFile;

use super::error::{Fault, PortableError};
use super::hex;
use super::manifest::{self, FileEntry, Manifest, Part, part_of};

/// How much a recording may unpack to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota(u64);

impl Quota {
    /// All files together, in bytes. The times of a log, which are kept in memory while it is read, may have a
    /// sixteenth of that, and the journal, which becomes many times as large there, a sixty-fourth.
    pub fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    pub(super) fn total(self) -> u64 {
        self.0
    }

    pub(super) fn times(self) -> u64 {
        self.0 / 16
    }

    pub(super) fn journal(self) -> u64 {
        self.0 / 64
    }
}

/// 4 GiB.
impl Default for Quota {
    fn default() -> Self {
        Self(4 << 30)
    }
}

/// A recording that was unpacked and is what it says.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub manifest: Manifest,
    /// SHA-256 of the exported file.
    pub sha256: String,
    /// Files in it that this version has no use for.
    pub skipped: Vec<String>,
}

/// Unpacks a file that is called `name` into a folder that is there and empty.
pub(super) fn unpack(
    file: impl Read,
    name: &Path,
    into: &Path,
    quota: Quota,
) -> Result<Unpacked, PortableError> {
    let mut file = Summed {
        inner: file,
        sum: Context::new(&SHA256),
    };
    let mut unpacking = Unpacking {
        into: BuildFolder::at(into),
        name,
        quota,
        manifest: None,
        next: 0,
        skipped: Vec::new(),
        failed: None,
    };
    let limits = Limits {
        bytes: quota.total().saturating_add(manifest::LONGEST),
        entries: u64::MAX,
        // A log of equal lines packs very well; what is written is bounded by the manifest.
        ratio: u64::MAX,
        links: Links::Inside,
    };
    let read = for_each_zstd(&mut file, &limits, |info, content| {
        Ok(unpacking.entry(info, content))
    });
    let unusable = |source| PortableError::Unusable {
        path: name.to_owned(),
        source,
    };
    if let Some(error) = unpacking.failed {
        return Err(error);
    }
    read.map_err(|error| unusable(fault_of(error, unpacking.manifest.is_some())))?;
    let Some(manifest) = unpacking.manifest else {
        return Err(unusable(Fault::NotOne("it is empty".to_owned())));
    };
    if let Some(missing) = manifest.files.get(unpacking.next) {
        let reason = format!("{} is missing", missing.name);
        return Err(unusable(Fault::Damaged(reason)));
    }
    check_formats(&unpacking.into, &manifest).map_err(unusable)?;
    Ok(Unpacked {
        manifest,
        sha256: hex(&file.sum.finish()),
        skipped: unpacking.skipped,
    })
}

struct Unpacking<'a> {
    into: BuildFolder,
    name: &'a Path,
    quota: Quota,
    manifest: Option<Manifest>,
    /// Which of the manifest's files comes next.
    next: usize,
    skipped: Vec<String>,
    failed: Option<PortableError>,
}

impl Unpacking<'_> {
    fn entry(&mut self, info: &EntryInfo, content: &mut Content<'_>) -> ControlFlow<()> {
        let taken = match &self.manifest {
            None => self.take_manifest(info, content),
            Some(manifest) => match manifest.files.get(self.next) {
                Some(entry) => {
                    let (entry, sid) = (entry.clone(), manifest.sid());
                    self.next += 1;
                    self.take_file(&sid, &entry, info, content)
                }
                None => Err(self.refused(format!("{} is in no manifest", shown(&info.path)))),
            },
        };
        match taken {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn take_manifest(
        &mut self,
        info: &EntryInfo,
        content: &mut Content<'_>,
    ) -> Result<(), PortableError> {
        if info.kind != Kind::File || info.path != Path::new(manifest::NAME) {
            let reason = format!("it begins with {}", shown(&info.path));
            return Err(self.unusable(Fault::NotOne(reason)));
        }
        let mut bytes = Vec::new();
        self.copy(content, manifest::LONGEST, |chunk| {
            bytes.extend_from_slice(chunk);
            Ok(())
        })?;
        let manifest = Manifest::read(&bytes, self.quota);
        self.manifest = Some(manifest.map_err(|fault| self.unusable(fault))?);
        Ok(())
    }

    fn take_file(
        &mut self,
        sid: &Sid,
        entry: &FileEntry,
        info: &EntryInfo,
        content: &mut Content<'_>,
    ) -> Result<(), PortableError> {
        if info.path != Path::new(&entry.name) {
            let reason = format!("{} is where {} should be", shown(&info.path), entry.name);
            return Err(self.refused(reason));
        }
        if info.kind != Kind::File {
            return Err(self.refused(format!("{} is no file", entry.name)));
        }
        let path = self.place_of(sid, &entry.name);
        let mut out = match &path {
            Some(path) => {
                let made = Out::create(path, &entry.name);
                Some((path, made.map_err(PortableError::io("write", path))?))
            }
            None => {
                self.skipped.push(entry.name.clone());
                None
            }
        };
        let mut sum = Context::new(&SHA256);
        let size = self.copy(content, entry.size, |chunk| {
            sum.update(chunk);
            match &mut out {
                Some((path, out)) => out.write(chunk).map_err(PortableError::io("write", path)),
                None => Ok(()),
            }
        })?;
        if size != entry.size || hex(&sum.finish()) != entry.sha256 {
            let reason = format!("{} is not what the manifest says", entry.name);
            return Err(self.unusable(Fault::Damaged(reason)));
        }
        match out {
            Some((path, out)) => out.finish().map_err(PortableError::io("write", path)),
            None => Ok(()),
        }
    }

    /// Hands over at most `most` bytes of an entry, and says how many it has; one more, if it has more.
    fn copy(
        &self,
        content: &mut Content<'_>,
        most: u64,
        mut sink: impl FnMut(&[u8]) -> Result<(), PortableError>,
    ) -> Result<u64, PortableError> {
        let mut size = 0;
        let mut failed = None;
        let copied = content.copy(|chunk| {
            size += chunk.len() as u64;
            if size <= most {
                match sink(chunk) {
                    Ok(()) => return Ok(ControlFlow::Continue(())),
                    Err(error) => failed = Some(error),
                }
            }
            Ok(ControlFlow::Break(()))
        });
        match failed {
            Some(error) => Err(error),
            None => copied
                .map(|()| size)
                .map_err(|error| self.unusable(fault_of(error, self.manifest.is_some()))),
        }
    }

    /// Where a file goes; nowhere, if nobody knows what it is.
    fn place_of(&self, sid: &Sid, name: &str) -> Option<PathBuf> {
        match part_of(name) {
            Part::Journal => Some(self.into.journal.clone()),
            Part::Log(file) | Part::Meta(file) => Some(self.into.logs.join(file)),
            // As the store names them.
            Part::Blob(kind, file) => {
                let build = [&sid.org, &sid.repo, &sid.build].map(|part| file_name(part));
                let folder = self.into.blobs().join(kind);
                Some(folder.join(build.iter().collect::<PathBuf>()).join(file))
            }
            Part::Unknown => None,
        }
    }

    fn unusable(&self, source: Fault) -> PortableError {
        PortableError::Unusable {
            path: self.name.to_owned(),
            source,
        }
    }

    fn refused(&self, reason: String) -> PortableError {
        self.unusable(Fault::Refused(reason))
    }
}

/// A file that is being written: new, and for this user only.
enum Out {
    Plain(File),
    Sealed(SealedFile),
}

impl Out {
    fn create(path: &Path, name: &str) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        Ok(match part_of(name) {
            Part::Blob(..) => Self::Sealed(SealedFile::create(path)?),
            _ => Self::Plain(
                OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(path)?,
            ),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(bytes),
            Self::Sealed(file) => file.write(bytes),
        }
    }

    fn finish(self) -> io::Result<()> {
        if let Self::Sealed(file) = self {
            file.finish()?;
        }
        Ok(())
    }
}

/// Looks whether what was unpacked can be read by this version, and belongs together.
fn check_formats(folder: &BuildFolder, manifest: &Manifest) -> Result<(), Fault> {
    let newer = |found: u64| Fault::Newer {
        program: manifest.shown_program(),
        found,
    };
    let (sid, _) = journal::peek(&folder.journal).map_err(|error| match error {
        JournalError::NewerVersion { found, .. } => newer(found.unsigned_abs()),
        JournalError::NotAJournal { reason, .. } => {
            Fault::Damaged(format!("its journal is none: {reason}"))
        }
        JournalError::Empty(_) => Fault::Damaged("its journal is empty".to_owned()),
        error => Fault::Damaged(crate::ports::chain(&error)),
    })?;
    if sid != manifest.sid() {
        let reason = "its journal is that of another build than it says".to_owned();
        return Err(Fault::Refused(reason));
    }
    for file in &manifest.files {
        if let Part::Meta(name) = part_of(&file.name)
            && let Some(found) =
                logs::newer_version(&folder.logs.join(name)).map_err(Fault::Read)?
        {
            return Err(newer(found.into()));
        }
    }
    Ok(())
}

fn fault_of(error: UnpackError, begun: bool) -> Fault {
    match error {
        UnpackError::Damaged(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
            Fault::Damaged("its end is missing".to_owned())
        }
        UnpackError::Damaged(source) if begun => Fault::Damaged(source.to_string()),
        UnpackError::Damaged(source) => Fault::NotOne(source.to_string()),
        other => Fault::Refused(other.to_string()),
    }
}

/// A name in an archive, as it may be shown.
fn shown(path: &Path) -> String {
    let name = path.to_string_lossy();
    let start: String = name.escape_debug().take(200).collect();
    format!("\"{start}\"")
}

/// Sums up what is read through it.
struct Summed<R> {
    inner: R,
    sum: Context,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.sum.update(&buf[..read]);
        Ok(read)
    }
}
