//! A file that is written beside its place and put there when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::UserError;

/// A file on its way to its place. What has not been [put there](Self::finish) is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Beside {
    to: PathBuf,
    part: PathBuf,
    over: bool,
}

impl Beside {
    /// Begins a file for this user only; `over` one that is there, if that is wanted.
    pub(super) fn create(to: &Path, over: bool) -> Result<(Self, File), UserError> {
        let shown = to.display();
        match fs::metadata(to) {
            Ok(found) if !found.is_file() => {
                return Err(UserError::new(format!(
                    "{shown} is there already, and is no file"
                )));
            }
            Ok(_) if !over => return Err(is_there(to)),
            _ => {}
        }
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = to.with_file_name(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .map_err(|error| UserError::new(format!("cannot write {shown}: {error}")))?;
        let to = to.to_owned();
        Ok((Self { to, part, over }, file))
    }

    /// Puts the file in its place.
    pub(super) fn finish(self) -> Result<(), UserError> {
        let failed = |error: io::Error| {
            UserError::new(format!("cannot write {}: {error}", self.to.display()))
        };
        File::open(&self.part)
            .and_then(|file| file.sync_all())
            .map_err(failed)?;
        if !self.over {
            // Unlike a rename, a link refuses to replace what has come there meanwhile.
            match fs::hard_link(&self.part, &self.to) {
                Ok(()) => return Ok(()),
                Err(_) if self.to.exists() => return Err(is_there(&self.to)),
                // A file system without links.
                Err(_) => {}
            }
        }
        fs::rename(&self.part, &self.to).map_err(failed)
    }
}

fn is_there(to: &Path) -> UserError {
    UserError::new(format!("{} is there already", to.display())).hint("--force writes over it")
}

impl Drop for Beside {
    fn drop(&mut self) {
        // After a rename it is not there.
        let _ = fs::remove_file(&self.part);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_is_whole_or_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("x");
        let there = || fs::read_dir(dir.path()).unwrap().count();
        let (beside, mut file) = Beside::create(&to, false).unwrap();
        file.write_all(b"half").unwrap();
        drop(beside);
        assert_eq!(there(), 0);
        let (beside, mut file) = Beside::create(&to, false).unwrap();
        file.write_all(b"whole").unwrap();
        // Somebody else was faster.
        fs::write(&to, "other").unwrap();
        assert!(beside.finish().unwrap_err().hint.is_some());
        assert_eq!(fs::read(&to).unwrap(), b"other");
        assert!(Beside::create(&to, false).is_err());
        let (beside, mut file) = Beside::create(&to, true).unwrap();
        file.write_all(b"whole").unwrap();
        beside.finish().unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"whole");
        assert_eq!(there(), 1);
        assert!(Beside::create(dir.path(), true).is_err());
    }
}
