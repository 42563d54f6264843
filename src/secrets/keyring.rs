//! The platform's keyring: the Secret Service on Linux, the Keychain on macOS.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use keyring::{Entry, Error};
use secrecy::{ExposeSecret, SecretString};

use super::SecretsError;

/// What our entries are filed under.
const SERVICE: &str = "monkeyci-tui";

/// A locked keyring asks its user, who may have to look for the window.
const PATIENCE: Duration = Duration::from_mins(2);

/// A place for secrets by the name of a server.
pub trait Keyring {
    /// Whether it can be used at all.
    fn check(&self) -> Result<(), SecretsError>;
    /// What is under a name.
    fn get(&self, server: &str) -> Result<Option<SecretString>, SecretsError>;
    /// Puts something there.
    fn set(&self, server: &str, text: &SecretString) -> Result<(), SecretsError>;
    /// Takes it away; whether something was there.
    fn remove(&self, server: &str) -> Result<bool, SecretsError>;
}

/// The keyring of this system.
#[derive(Debug, Clone, Copy)]
pub struct PlatformKeyring;

impl Keyring for PlatformKeyring {
    fn check(&self) -> Result<(), SecretsError> {
        apart(|| open("").map(drop))
    }

    fn get(&self, server: &str) -> Result<Option<SecretString>, SecretsError> {
        let server = server.to_owned();
        apart(move || get(&open(&server)?))
    }

    fn set(&self, server: &str, text: &SecretString) -> Result<(), SecretsError> {
        let (server, text) = (server.to_owned(), text.clone());
        apart(move || set(&open(&server)?, &text))
    }

    fn remove(&self, server: &str) -> Result<bool, SecretsError> {
        let server = server.to_owned();
        apart(move || remove(&open(&server)?))
    }
}

/// Runs it on a thread of its own: its library has a runtime of its own, which must not meet ours,
/// and may wait for ever.
fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SecretsError> + Send + 'static,
) -> Result<T, SecretsError> {
    let failed = |reason: &str| SecretsError::Keyring {
        reason: reason.to_owned(),
    };
    let (sender, receiver) = channel();
    std::thread::Builder::new()
        .name("keyring".to_owned())
        .spawn(move || {
            // One that was given up is not listened to.
            let _ = sender.send(work());
        })
        .map_err(|error| failed(&error.to_string()))?;
    match receiver.recv_timeout(PATIENCE) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => Err(failed("it does not answer")),
        Err(RecvTimeoutError::Disconnected) => Err(failed("its library has failed")),
    }
}

fn open(server: &str) -> Result<Entry, SecretsError> {
    if let Err(error) = Entry::store_status() {
        return Err(trouble(error));
    }
    // An entry needs a name, also where only the keyring itself is asked for.
    let name = if server.is_empty() { "-" } else { server };
    Entry::new(SERVICE, name).map_err(|error| trouble(&error))
}

pub(super) fn get(entry: &Entry) -> Result<Option<SecretString>, SecretsError> {
    match entry.get_password() {
        Ok(text) => Ok(Some(text.into())),
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(trouble(&error)),
    }
}

pub(super) fn set(entry: &Entry, text: &SecretString) -> Result<(), SecretsError> {
    entry
        .set_password(text.expose_secret())
        .map_err(|error| trouble(&error))
}

pub(super) fn remove(entry: &Entry) -> Result<bool, SecretsError> {
    match entry.delete_credential() {
        Ok(()) => Ok(true),
        Err(Error::NoEntry) => Ok(false),
        Err(error) => Err(trouble(&error)),
    }
}

/// What went wrong, without the bytes that some of these errors carry.
fn trouble(error: &Error) -> SecretsError {
    let reason = match error {
        Error::BadEncoding(_) | Error::BadDataFormat(..) => {
            "what is in it was not written by this program".to_owned()
        }
        Error::Ambiguous(_) => "it has several entries for this server".to_owned(),
        Error::NoStorageAccess(why) => format!("it is locked or not allowed: {why}"),
        Error::PlatformFailure(why) => why.to_string(),
        Error::NoDefaultStore => "this system has none".to_owned(),
        other => other.to_string(),
    };
    SecretsError::Keyring { reason }
}
