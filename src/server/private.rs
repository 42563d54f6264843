//! Files that only this user reads, random texts, and comparing secrets.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};

/// Writes a file as a whole, mode 0600: a reader sees the old one or the new one, never half of
/// one. The folder is made for this user only.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    folder(path.parent().unwrap_or(Path::new(".")))?;
    let draft = path.with_extension(format!("{}.new", random_hex::<8>()?));
    let written = new_file(&draft)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&draft, path));
    if written.is_err() {
        // What is left is a draft that nobody reads.
        let _ = std::fs::remove_file(&draft);
    }
    written
}

/// Makes a folder for this user only.
pub(super) fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a file that is not there yet, mode 0600.
pub(super) fn new_file(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Refuses a file with secrets that others may read.
pub(super) fn check_mode(path: &Path) -> Result<(), String> {
    let Ok(metadata) = std::fs::metadata(path) else {
        return Ok(());
    };
    if metadata.mode() & 0o077 != 0 {
        let path = path.display();
        return Err(format!(
            "{path} can be read by others: run chmod 600 {path}, and make what is in it anew"
        ));
    }
    Ok(())
}

/// `N` random bytes as lower-case hexadecimal text.
pub(super) fn random_hex<const N: usize>() -> io::Result<String> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
    Ok(hex(&bytes))
}

/// Bytes as lower-case hexadecimal text.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.map(digit).collect()
}

/// The bytes of a hexadecimal text.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digits = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    // `from_str_radix` takes a sign.
    (!text.contains(['+', '-']))
        .then(|| (0..text.len()).step_by(2).map(digits).collect())
        .flatten()
}

/// SHA-256 as lower-case hexadecimal text.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// Compares in a time that tells nothing of where two texts differ.
pub(super) fn same(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

/// What tells one state of a file from another.
type Mark = Option<(i64, i64, u64, u64)>;

/// What is in a file, read again when the file has become another: the commands that write such
/// files run beside the server.
#[derive(Debug)]
pub(super) struct Kept<T> {
    path: PathBuf,
    read: fn(&Path) -> Result<T, String>,
    known: Mutex<Option<(Mark, Arc<T>)>>,
}

impl<T> Kept<T> {
    pub(super) fn new(path: PathBuf, read: fn(&Path) -> Result<T, String>) -> Self {
        Self {
            path,
            read,
            known: Mutex::default(),
        }
    }

    /// What is in the file now. One that cannot be read is as good as empty for who asks; the
    /// error is for the operator.
    pub(super) fn now(&self) -> Result<Arc<T>, String> {
        let mark: Mark = std::fs::metadata(&self.path)
            .ok()
            .map(|m| (m.mtime(), m.mtime_nsec(), m.len(), m.ino()));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, value)) = &*known
            && *seen == mark
        {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new((self.read)(&self.path)?);
        *known = Some((mark, Arc::clone(&value)));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_for_this_user_only_and_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a/b");
        write(&file, b"one").unwrap();
        write(&file, b"two").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path().join("a")).unwrap().count(), 1);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().unwrap()), 0o700);
        assert_eq!(check_mode(&file), Ok(()));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(check_mode(&file).unwrap_err().contains("chmod 600"));
    }

    #[test]
    fn hexadecimal_texts_are_read_strictly() {
        assert_eq!(from_hex("00ffA0"), Some(vec![0, 255, 160]));
        for odd in ["0", "0g", "+1", "é"] {
            assert_eq!(from_hex(odd), None, "{odd}");
        }
        assert_eq!(random_hex::<32>().unwrap().len(), 64);
        assert_ne!(random_hex::<32>().unwrap(), random_hex::<32>().unwrap());
    }

    #[test]
    fn a_file_that_was_replaced_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        let kept = Kept::new(file.clone(), |path| {
            Ok(std::fs::read_to_string(path).unwrap_or_default())
        });
        assert_eq!(*kept.now().unwrap(), "");
        write(&file, b"x").unwrap();
        assert_eq!(*kept.now().unwrap(), "x");
        write(&file, b"y").unwrap();
        assert_eq!(*kept.now().unwrap(), "y");
    }
}
