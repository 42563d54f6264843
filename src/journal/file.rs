//! The writing side of a journal file: one writer, whole lines, and what to do when the
//! disk is full.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::domain::{Millis, Sid};

use super::JournalError;
use super::read::{self, Contents};

/// After a failed write the next try comes with the first append that is this much later:
/// on a full disk every try costs a write and a cut, and a flood of events must not turn
/// into a flood of those.
const RETRY_AFTER: Millis = 1_000;

/// What is asked of the file system; a seam for tests of full disks.
pub(super) trait Disk: Send + Sync + std::fmt::Debug {
    /// Writes some of the bytes at an offset and says how many.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Cuts the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Flushes the file to the disk.
    fn flush(&self) -> io::Result<()>;
    /// Lets others write the file.
    fn unlock(&self) {}
}

impl Disk for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn flush(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn unlock(&self) {
        unlock(self);
    }
}

/// A journal file that this handle alone writes: the file is locked as long as this is there.
#[derive(Debug)]
pub(super) struct JournalFile {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    /// Length of the whole lines in the file. What lies behind is the remains of a failed
    /// write, and the next one overwrites it.
    len: u64,
    /// Whole lines that could not be written yet.
    owed: Vec<u8>,
    /// The last failure and its time, while lines are owed.
    failed: Option<(Millis, String)>,
}

/// Flushes the file without keeping its writer waiting.
#[derive(Debug)]
pub(super) struct FlushHandle {
    path: PathBuf,
    disk: Arc<dyn Disk>,
}

impl FlushHandle {
    pub(super) fn flush(&self) -> Result<(), JournalError> {
        self.disk
            .flush()
            .map_err(JournalError::io("flush", &self.path))
    }
}

impl JournalFile {
    /// Creates the file with its header. It appears under its name whole and locked, so
    /// that nobody ever finds one that is neither running nor readable.
    pub(super) fn create(path: &Path, sid: &Sid) -> Result<Self, JournalError> {
        let draft = draft_path(path);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .map_err(JournalError::io("create", path))?;
        let header = read::header(sid);
        let made = lock(&file, path)
            .and_then(|()| {
                file.write_all_at(header.as_bytes(), 0)
                    .map_err(JournalError::io("create", path))
            })
            .and_then(|()| {
                // Unlike a rename, a link refuses to replace what is there.
                match fs::hard_link(&draft, path) {
                    Err(_) if path.exists() => Err(JournalError::Exists(path.to_owned())),
                    // A file system without links.
                    Err(_) => fs::rename(&draft, path).map_err(JournalError::io("create", path)),
                    Ok(()) => Ok(()),
                }
            });
        // The draft has served in any case; one that stays behind does no harm.
        let _ = fs::remove_file(&draft);
        made?;
        Ok(Self::new(path, Arc::new(file), header.len() as u64))
    }

    /// Opens the file, locks it, reads it and cuts a torn tail off.
    pub(super) fn open(path: &Path) -> Result<(Self, Contents), JournalError> {
        let file = read::open(path, OpenOptions::new().read(true).write(true))?;
        lock(&file, path)?;
        let contents = read::read_from(&file, path)?;
        if contents.recovery.torn_bytes > 0 {
            file.set_len(contents.whole_len)
                .map_err(JournalError::io("repair", path))?;
        }
        let journal = Self::new(path, Arc::new(file), contents.whole_len);
        Ok((journal, contents))
    }

    pub(super) fn new(path: &Path, disk: Arc<dyn Disk>, len: u64) -> Self {
        Self {
            path: path.to_owned(),
            disk,
            len,
            owed: Vec::new(),
            failed: None,
        }
    }

    /// Appends whole lines. Fails once for every time that the file begins to lag behind.
    pub(super) fn append(&mut self, now: Millis, lines: &[u8]) -> Result<(), JournalError> {
        if self.owed.is_empty() {
            let result = self.write(lines);
            if let Err(error) = &result {
                self.owed.extend_from_slice(lines);
                self.failed = Some((now, error.to_string()));
            }
            return result.map_err(JournalError::io("write", &self.path));
        }
        self.owed.extend_from_slice(lines);
        let waited = self
            .failed
            .as_ref()
            .is_none_or(|(last, _)| now.saturating_sub(*last) >= RETRY_AFTER);
        if waited && self.catch_up().is_err() {
            self.failed = self.failed.take().map(|(_, reason)| (now, reason));
        }
        Ok(())
    }

    /// Writes what is owed.
    pub(super) fn catch_up(&mut self) -> Result<(), JournalError> {
        if self.owed.is_empty() {
            return Ok(());
        }
        let owed = std::mem::take(&mut self.owed);
        match self.write(&owed) {
            Ok(()) => {
                self.failed = None;
                Ok(())
            }
            Err(error) => {
                self.owed = owed;
                let last = self.failed.as_ref().map_or(0, |(last, _)| *last);
                self.failed = Some((last, error.to_string()));
                Err(JournalError::io("write", &self.path)(error))
            }
        }
    }

    /// Why lines are owed.
    pub(super) fn fault(&self) -> Option<String> {
        self.failed.as_ref().map(|(_, reason)| reason.clone())
    }

    pub(super) fn flush_handle(&self) -> FlushHandle {
        FlushHandle {
            path: self.path.clone(),
            disk: Arc::clone(&self.disk),
        }
    }

    /// All of the bytes, or none: what was written of a failed write is cut off again.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut written = 0;
        while written < lines.len() {
            let offset = self.len + written as u64;
            let step = match self.disk.write_at(&lines[written..], offset) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other,
            };
            match step {
                Ok(bytes) => written += bytes,
                Err(error) => {
                    // If the cut fails too, readers ignore the half line, and the next
                    // write goes over it.
                    let _ = self.disk.set_len(self.len);
                    return Err(error);
                }
            }
        }
        self.len += lines.len() as u64;
        Ok(())
    }
}

impl Drop for JournalFile {
    fn drop(&mut self) {
        self.disk.unlock();
    }
}

/// True when some process appends to the journal right now.
pub fn is_in_use(path: &Path) -> bool {
    // A shared lock for a moment: it bothers nobody but one who opens to append just then.
    File::open(path).is_ok_and(|file| {
        let locked = file.try_lock_shared();
        unlock(&file);
        matches!(locked, Err(TryLockError::WouldBlock))
    })
}

/// A journal that nobody else appends to, until this is dropped.
#[derive(Debug)]
pub struct Claim(File);

/// Keeps everybody else from appending to a journal. The error says whether somebody does.
pub fn claim(path: &Path) -> Result<Claim, JournalError> {
    let file = read::open(path, OpenOptions::new().read(true))?;
    lock(&file, path)?;
    Ok(Claim(file))
}

impl Drop for Claim {
    fn drop(&mut self) {
        unlock(&self.0);
    }
}

/// Closing the file is not enough: a child that was started a moment ago shares it, and the
/// lock, until it runs its own program.
fn unlock(file: &File) {
    // Fails for a file that is gone; then there is no lock either.
    let _ = file.unlock();
}

fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(JournalError::io("lock", path)(source)),
    }
}

/// A name next to the journal that no other call uses.
fn draft_path(path: &Path) -> PathBuf {
    static DRAFTS: AtomicU32 = AtomicU32::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".draft-{}-{number}", std::process::id()));
    path.with_file_name(name)
}
