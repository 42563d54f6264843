//! Credentials in a file that only its owner can read: for machines without a keyring, and only for
//! users who ask for it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::edn::{self, Map, Value};

use super::SecretsError;
use super::kept::Entry;

/// The file's name in the config folder.
pub const FILE: &str = "credentials.edn";

/// Largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// The file, and what is done with it. Writers take turns.
#[derive(Debug)]
pub(super) struct CredentialsFile {
    path: PathBuf,
}

impl CredentialsFile {
    pub fn new(config_dir: &Path) -> Self {
        Self {
            path: config_dir.join(FILE),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn get(&self, server: &str) -> Result<Option<Entry>, SecretsError> {
        let all = self.read()?;
        match all.get(&Value::from(server)) {
            Some(value) => Entry::of(server, value).map(Some),
            None => Ok(None),
        }
    }

    pub fn set(&self, server: &str, entry: &Entry) -> Result<(), SecretsError> {
        let _turn = self.turn()?;
        let mut all = self.read()?;
        all.insert(Value::from(server), entry.value());
        self.write(&all)
    }

    /// Whether there was one.
    pub fn remove(&self, server: &str) -> Result<bool, SecretsError> {
        if !self.path.exists() {
            return Ok(false);
        }
        let _turn = self.turn()?;
        let mut all = self.read()?;
        if all.remove(&Value::from(server)).is_none() {
            return Ok(false);
        }
        if all.is_empty() {
            std::fs::remove_file(&self.path).map_err(|error| self.cannot("be removed", &error))?;
        } else {
            self.write(&all)?;
        }
        Ok(true)
    }

    fn read(&self) -> Result<Map, SecretsError> {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(no_follow())
            .open(&self.path);
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
            Err(error) => return Err(self.cannot("be read", &error)),
        };
        let found = file
            .metadata()
            .map_err(|error| self.cannot("be read", &error))?;
        if !found.is_file() || found.len() > LARGEST {
            return Err(self.is("is not a file of credentials"));
        }
        if found.uid() != rustix::process::getuid().as_raw() {
            return Err(self.is("belongs to somebody else and is not used"));
        }
        if found.mode() & 0o077 != 0 {
            return Err(self.is(
                "can be read by other users and is not used; make new tokens, log in again, and keep \
                 others out with `chmod 600`",
            ));
        }
        let mut text = String::new();
        file.read_to_string(&mut text)
            .map_err(|error| self.cannot("be read", &error))?;
        // A parse error may quote what is there.
        match edn::read_str(&text) {
            Ok(Value::Map(all)) => Ok(all),
            _ => Err(self.is("is no map of EDN; remove it and log in again")),
        }
    }

    /// Written beside its place, for its owner only from the first byte on, and renamed.
    fn write(&self, all: &Map) -> Result<(), SecretsError> {
        let fails = |error: std::io::Error| self.cannot("be written", &error);
        let draft = self.path.with_extension("edn.new");
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fails(error)),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .map_err(fails)?;
        let text = edn::write(&Value::Map(all.clone()));
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&draft, &self.path));
        written.map_err(|error| {
            // Half a file of secrets helps nobody.
            let _ = std::fs::remove_file(&draft);
            fails(error)
        })
    }

    /// Held while the file is read and written.
    fn turn(&self) -> Result<File, SecretsError> {
        let fails = |error: std::io::Error| self.cannot("be written", &error);
        if let Some(folder) = self.path.parent() {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(fails)?;
        }
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(no_follow())
            .open(self.path.with_extension("lock"))
            .map_err(fails)?;
        lock.lock().map_err(fails)?;
        Ok(lock)
    }

    fn cannot(&self, what: &str, error: &std::io::Error) -> SecretsError {
        self.is(&format!("cannot {what}: {error}"))
    }

    fn is(&self, reason: &str) -> SecretsError {
        SecretsError::File {
            path: self.path.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// A link could lead to a file of somebody else's choice.
fn no_follow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
}
