//! Where the credentials of servers are kept: the platform's keyring, and a file for those who say
//! so.
//!
//! It owns keeping, finding and removing them. It leaves to others what they open and whether that
//! works (`remote`), and which server is meant (`wiring`).
//!
//! A credential is kept with the address it is for, and given out for that address only: who
//! changes a server's address in a file that others may write to must not get the credential sent
//! there.
//!
//! Start reading at [`Vault`].

mod file;
mod kept;
mod keyring;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use self::file::FILE;
pub use self::kept::Kept;
pub use self::keyring::{Keyring, PlatformKeyring};

use self::file::CredentialsFile;
use self::kept::Entry;

/// Why a credential cannot be kept or found. None of the sentences has one in it.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// There is no keyring, or it does not open.
    #[error("the keyring of this system cannot be used: {reason}")]
    Keyring {
        /// What the system says.
        reason: String,
    },
    /// The file cannot be used.
    #[error("{} {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, as the end of a sentence.
        reason: String,
    },
    /// It was kept for another address.
    #[error(
        "the credential of server \"{server}\" was kept for {kept}, and {asked} is not that; log in \
         again with `monkeyci-tui login {asked} --name {server}`"
    )]
    OtherAddress {
        /// The server's name.
        server: String,
        /// The address it was kept for.
        kept: String,
        /// The address it is asked for.
        asked: String,
    },
    /// What was kept is not what this program writes.
    #[error(
        "what is kept for server \"{server}\" cannot be read; log in again with `monkeyci-tui login`"
    )]
    Unreadable {
        /// The server's name.
        server: String,
    },
}

/// Where a credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The platform's keyring.
    Keyring,
    /// The file in the config folder.
    File,
}

/// All that is kept. Everything here may block: a keyring may ask its user.
#[derive(Debug)]
pub struct Vault<K = PlatformKeyring> {
    keyring: K,
    file: CredentialsFile,
}

impl Vault {
    /// The keyring of this system, and the file in the config folder.
    pub fn of_user(config_dir: &Path) -> Self {
        Self::new(PlatformKeyring, config_dir)
    }
}

impl<K: Keyring> Vault<K> {
    /// With a keyring of the caller's choice.
    pub fn new(keyring: K, config_dir: &Path) -> Self {
        Self {
            keyring,
            file: CredentialsFile::new(config_dir),
        }
    }

    /// What the keyring has for a server.
    pub fn in_keyring(&self, server: &str, address: &str) -> Result<Option<Kept>, SecretsError> {
        match self.keyring.get(server)? {
            Some(text) => Entry::parse(server, &text)?
                .for_address(server, address)
                .map(Some),
            None => Ok(None),
        }
    }

    /// What the file has for a server. One that others can read is refused.
    pub fn in_file(&self, server: &str, address: &str) -> Result<Option<Kept>, SecretsError> {
        match self.file.get(server)? {
            Some(entry) => entry.for_address(server, address).map(Some),
            None => Ok(None),
        }
    }

    /// Whether a credential could be put into the keyring.
    pub fn check_keyring(&self) -> Result<(), SecretsError> {
        self.keyring.check()
    }

    /// Keeps a credential in one place, and removes an older one from the other.
    pub fn save(
        &self,
        server: &str,
        address: &str,
        kept: &Kept,
        place: Place,
    ) -> Result<(), SecretsError> {
        let entry = Entry::new(address, kept.clone());
        match place {
            Place::Keyring => {
                self.keyring.set(server, &entry.write())?;
                self.file.remove(server).map(drop)
            }
            Place::File => {
                self.file.set(server, &entry)?;
                // Without a keyring nothing is in it.
                let _ = self.keyring.remove(server);
                Ok(())
            }
        }
    }

    /// Removes what is kept for a server; where it was. What cannot be asked is told, after the
    /// rest has been done.
    pub fn remove(&self, server: &str) -> (Vec<Place>, Option<SecretsError>) {
        let mut places = Vec::new();
        let mut trouble = None;
        match self.keyring.remove(server) {
            Ok(true) => places.push(Place::Keyring),
            Ok(false) => {}
            Err(error) => trouble = Some(error),
        }
        match self.file.remove(server) {
            Ok(true) => places.push(Place::File),
            Ok(false) => {}
            Err(error) => trouble = Some(error),
        }
        (places, trouble)
    }

    /// The file, for people.
    pub fn file(&self) -> &Path {
        self.file.path()
    }
}
