//! Keeping and finding, with a keyring of the library's own for tests.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use keyring_core::{CredentialStore, mock};
use secrecy::{ExposeSecret, SecretString};

use super::*;

/// A keyring in memory.
struct Mock(Arc<CredentialStore>);

impl Mock {
    fn new() -> Self {
        Self(mock::Store::new().unwrap())
    }

    fn entry(&self, server: &str) -> ::keyring::Entry {
        let inner = keyring_core::Entry::new_in_store(&self.0, "monkeyci-tui", server).unwrap();
        ::keyring::Entry { inner }
    }

    /// The next thing asked of an entry fails.
    fn fail(&self, server: &str, error: keyring_core::Error) {
        let entry = self.entry(server).inner;
        entry
            .as_any()
            .downcast_ref::<mock::Cred>()
            .unwrap()
            .set_error(error);
    }
}

impl Keyring for Mock {
    fn check(&self) -> Result<(), SecretsError> {
        Ok(())
    }

    fn get(&self, server: &str) -> Result<Option<SecretString>, SecretsError> {
        super::keyring::get(&self.entry(server))
    }

    fn set(&self, server: &str, text: &SecretString) -> Result<(), SecretsError> {
        super::keyring::set(&self.entry(server), text)
    }

    fn remove(&self, server: &str) -> Result<bool, SecretsError> {
        super::keyring::remove(&self.entry(server))
    }
}

const ADDRESS: &str = "https://api.example";

fn token(text: &str) -> Kept {
    Kept::Token(text.into())
}

fn vault() -> (tempfile::TempDir, Vault<Mock>) {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::new(Mock::new(), &folder.path().join("config"));
    (folder, vault)
}

fn text_of(kept: Option<Kept>) -> Option<String> {
    kept.map(|kept| match kept {
        Kept::Token(token) => token.expose_secret().to_owned(),
        Kept::Login { jwt, refresh } => {
            let refresh = refresh.map(|refresh| refresh.expose_secret().to_owned());
            format!("{} {refresh:?}", jwt.expose_secret())
        }
    })
}

#[test]
fn what_is_kept_is_found_again_and_removed() {
    let (_folder, vault) = vault();
    for place in [Place::Keyring, Place::File] {
        let find = |server: &str| match place {
            Place::Keyring => vault.in_keyring(server, ADDRESS).map(text_of),
            Place::File => vault.in_file(server, ADDRESS).map(text_of),
        };
        assert_eq!(find("one").unwrap(), None);
        vault.save("one", ADDRESS, &token("t\"1\n"), place).unwrap();
        let login = Kept::Login {
            jwt: "a.b.c".into(),
            refresh: Some("r".into()),
        };
        vault.save("two", ADDRESS, &login, place).unwrap();
        assert_eq!(find("one").unwrap().as_deref(), Some("t\"1\n"));
        assert_eq!(find("two").unwrap().as_deref(), Some("a.b.c Some(\"r\")"));
        let (places, trouble) = vault.remove("one");
        assert_eq!(places, [place]);
        assert!(trouble.is_none());
        assert_eq!(find("one").unwrap(), None);
        assert!(find("two").unwrap().is_some());
        vault.remove("two");
        assert!(vault.remove("two").0.is_empty());
    }
    assert!(!vault.file().exists());
}

#[test]
fn a_credential_is_in_one_place_only() {
    let (_folder, vault) = vault();
    vault.save("s", ADDRESS, &token("1"), Place::File).unwrap();
    vault
        .save("s", ADDRESS, &token("2"), Place::Keyring)
        .unwrap();
    assert_eq!(text_of(vault.in_file("s", ADDRESS).unwrap()), None);
    vault.save("s", ADDRESS, &token("3"), Place::File).unwrap();
    assert_eq!(text_of(vault.in_keyring("s", ADDRESS).unwrap()), None);
}

#[test]
fn a_credential_goes_to_no_other_address() {
    let (_folder, vault) = vault();
    for place in [Place::Keyring, Place::File] {
        vault.save("s", ADDRESS, &token("hunter2"), place).unwrap();
        let error = match place {
            Place::Keyring => vault.in_keyring("s", "https://evil.example"),
            Place::File => vault.in_file("s", "https://evil.example"),
        }
        .unwrap_err();
        assert!(
            matches!(error, SecretsError::OtherAddress { .. }),
            "{error}"
        );
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[test]
fn the_file_is_for_its_owner_only() {
    let (folder, vault) = vault();
    vault
        .save("s", ADDRESS, &token("hunter2"), Place::File)
        .unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(vault.file()), 0o600);
    assert_eq!(mode(&folder.path().join("config")), 0o700);
    for wide in [0o640, 0o604, 0o660, 0o644] {
        std::fs::set_permissions(vault.file(), std::fs::Permissions::from_mode(wide)).unwrap();
        for error in [
            vault.in_file("s", ADDRESS).map(drop).unwrap_err(),
            // Nor is it written: what is in it should not be trusted any more.
            vault
                .save("x", ADDRESS, &token("1"), Place::File)
                .unwrap_err(),
        ] {
            assert!(error.to_string().contains("other users"), "{error}");
        }
    }
    std::fs::set_permissions(vault.file(), std::fs::Permissions::from_mode(0o400)).unwrap();
    assert!(vault.in_file("s", ADDRESS).unwrap().is_some());
}

#[test]
fn a_link_or_garbage_is_no_file_of_credentials() {
    let (folder, vault) = vault();
    vault
        .save("s", ADDRESS, &token("hunter2"), Place::File)
        .unwrap();
    let moved = folder.path().join("moved");
    std::fs::rename(vault.file(), &moved).unwrap();
    std::os::unix::fs::symlink(&moved, vault.file()).unwrap();
    assert!(vault.in_file("s", ADDRESS).is_err());
    std::fs::remove_file(vault.file()).unwrap();
    for text in ["hunter2", "{\"s\" {:token hunter2}}", "{\"s\" 1}", "{"] {
        std::fs::write(&moved, text).unwrap();
        std::fs::copy(&moved, vault.file()).unwrap();
        std::fs::set_permissions(vault.file(), std::fs::Permissions::from_mode(0o600)).unwrap();
        let error = vault.in_file("s", ADDRESS).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        assert!(error.contains("log in again"), "{error}");
    }
}

#[test]
fn a_keyring_that_fails_is_told_with_its_reason() {
    let (_folder, vault) = vault();
    let locked = || keyring_core::Error::NoStorageAccess("the collection is locked".into());
    vault.keyring.fail("s", locked());
    let error = vault.in_keyring("s", ADDRESS).unwrap_err().to_string();
    assert!(error.contains("the collection is locked"), "{error}");
    vault.keyring.fail("s", locked());
    let saved = vault.save("s", ADDRESS, &token("1"), Place::Keyring);
    assert!(saved.is_err());
    assert!(
        !vault.file().exists(),
        "it is not put elsewhere without a word"
    );
    // The file still is emptied.
    vault.save("s", ADDRESS, &token("1"), Place::File).unwrap();
    vault.keyring.fail("s", locked());
    let (places, trouble) = vault.remove("s");
    assert_eq!(places, [Place::File]);
    assert!(trouble.is_some());
    let hidden = keyring_core::Error::BadEncoding(b"hunter2".to_vec());
    vault.keyring.fail("s", hidden);
    let error = vault.in_keyring("s", ADDRESS).unwrap_err().to_string();
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn what_others_put_into_the_keyring_is_not_used() {
    let (_folder, vault) = vault();
    for text in ["hunter2", "{:token \"hunter2\"}", "{:for \"x\"}", ""] {
        vault.keyring.set("s", &text.into()).unwrap();
        let error = vault.in_keyring("s", ADDRESS).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
