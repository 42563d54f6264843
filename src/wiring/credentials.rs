//! What lets a user in at a server, and the client that sends it.
//!
//! It is looked for in the keyring, then in `MONKEYCI_TUI_TOKEN`, then in the file of those who
//! asked for one. The one of the environment belongs to the server that is meant where none is
//! named: no target that somebody sent gets it sent to him.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::config::{self, Server};
use crate::remote::{BaseUrl, Client, ClientOptions, Credential, Jwt, OnRefresh};
use crate::secrets::{Kept, Keyring, Place, SecretsError, Vault};
use crate::store::Home;

use super::error::UserError;
use super::servers::{OF_ENVIRONMENT, Resolved};

/// A credential for the server that is meant where none is named.
pub(super) const TOKEN_VARIABLE: &str = "MONKEYCI_TUI_TOKEN";

/// Where a credential was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Keyring,
    Environment,
    File,
    Nowhere,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Keyring => "keyring",
            Self::Environment => "environment",
            Self::File => "file",
            Self::Nowhere => "no credential",
        })
    }
}

/// What lets a user in.
#[derive(Debug)]
pub(super) struct Found {
    pub credential: Credential,
    pub source: Source,
    /// Why there may be one that was not found.
    pub trouble: Option<SecretsError>,
}

/// Looks for the credential of a server. May block: a keyring may ask its user.
pub(super) fn credential(home: &Home, resolved: &Resolved) -> Result<Found, UserError> {
    let vault = Vault::of_user(home.config());
    let token = std::env::var(TOKEN_VARIABLE).ok();
    let token = token.filter(|token| !token.trim().is_empty());
    find_credential(&vault, resolved, token.map(SecretString::from))
}

fn find_credential<K: Keyring>(
    vault: &Vault<K>,
    resolved: &Resolved,
    token: Option<SecretString>,
) -> Result<Found, UserError> {
    let server = &resolved.server;
    let address = origin(server)?;
    let found = |kept: Kept, source: Source| Found {
        credential: credential_of(kept),
        source,
        trouble: None,
    };
    // What nobody has logged in to has nothing kept.
    let is_known = config::is_server_name(&server.name) && server.name != OF_ENVIRONMENT;
    let mut trouble = None;
    if is_known {
        match vault.in_keyring(&server.name, &address) {
            Ok(Some(kept)) => return Ok(found(kept, Source::Keyring)),
            Ok(None) => {}
            Err(error @ SecretsError::Keyring { .. }) => trouble = Some(error),
            Err(error) => return Err(UserError::of(&error)),
        }
    }
    if let Some(token) = token.filter(|_| resolved.is_default) {
        return Ok(found(
            kept_of(token.expose_secret(), None),
            Source::Environment,
        ));
    }
    if is_known
        && let Some(kept) = vault
            .in_file(&server.name, &address)
            .map_err(|error| UserError::of(&error))?
    {
        return Ok(found(kept, Source::File));
    }
    Ok(Found {
        credential: Credential::None,
        source: Source::Nowhere,
        trouble,
    })
}

/// A credential as somebody typed it: a login has two dots in it, a token has none.
pub(super) fn kept_of(text: &str, refresh: Option<&str>) -> Kept {
    let text = text.trim();
    if text.starts_with("eyJ") && text.matches('.').count() == 2 {
        Kept::Login {
            jwt: text.into(),
            refresh: refresh.map(Into::into),
        }
    } else {
        Kept::Token(text.into())
    }
}

pub(super) fn credential_of(kept: Kept) -> Credential {
    match kept {
        Kept::Token(token) => Credential::Token(token),
        Kept::Login { jwt, refresh } => Credential::Jwt(Jwt { jwt, refresh }),
    }
}

/// What a credential is kept for: scheme, host and port.
pub(super) fn origin(server: &Server) -> Result<String, UserError> {
    let base = BaseUrl::parse(&server.url).map_err(|error| UserError::of(&error))?;
    Ok(base.origin())
}

/// How a server is talked to, without a credential yet. Reads its CA file.
pub(super) fn options(server: &Server) -> Result<ClientOptions, UserError> {
    let parse = |url: &str| BaseUrl::parse(url).map_err(|error| UserError::of(&error));
    let ca_pem = match &server.ca_file {
        None => None,
        Some(file) => Some(std::fs::read(file).map_err(|error| {
            UserError::new(format!(
                "the CA file {} of server {:?} cannot be read: {error}",
                file.display(),
                server.name
            ))
        })?),
    };
    Ok(ClientOptions {
        events: server.events.as_deref().map(parse).transpose()?,
        ca_pem,
        proxy: server.proxy.clone(),
        timeout: server.timeout,
        allow_http: server.allow_http,
        ..ClientOptions::new(parse(&server.url)?, Credential::None)
    })
}

/// A client of what was resolved, with the credential that is kept for it. A login that is renewed
/// is kept where the old one was.
pub(super) fn client(home: &Home, resolved: &Resolved) -> Result<Client, UserError> {
    client_that_says(home, resolved, |said| complain!("monkeyci-tui: {said}"))
}

/// As [`client`]; what is odd, then or later, is said with `say`.
pub(super) fn client_that_says(
    home: &Home,
    resolved: &Resolved,
    say: impl Fn(String) + Send + Sync + 'static,
) -> Result<Client, UserError> {
    let found = credential(home, resolved)?;
    if let Some(trouble) = &found.trouble {
        say(format!("no credential is used: {}", UserError::of(trouble)));
    }
    let on_refresh = keeper(home, resolved, found.source, say)?;
    let options = ClientOptions {
        credential: found.credential,
        on_refresh,
        ..options(&resolved.server)?
    };
    Client::new(options).map_err(|error| UserError::of(&error))
}

/// Keeps a renewed login.
fn keeper(
    home: &Home,
    resolved: &Resolved,
    source: Source,
    say: impl Fn(String) + Send + Sync + 'static,
) -> Result<Option<OnRefresh>, UserError> {
    let place = match source {
        Source::Keyring => Place::Keyring,
        Source::File => Place::File,
        Source::Environment | Source::Nowhere => return Ok(None),
    };
    let vault = Vault::of_user(home.config());
    let (name, address) = (resolved.server.name.clone(), origin(&resolved.server)?);
    Ok(Some(OnRefresh(Arc::new(move |login: &Jwt| {
        let kept = Kept::Login {
            jwt: login.jwt.clone(),
            refresh: login.refresh.clone(),
        };
        if let Err(error) = vault.save(&name, &address, &kept, place) {
            say(format!(
                "the login was renewed and cannot be kept; log in again later: {}",
                UserError::of(&error)
            ));
        }
    }))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring::servers::{Servers, resolve};

    fn two() -> Servers {
        let mut one = Server::at("one", "https://api.one.example/v1");
        one.default = true;
        Servers::known(vec![one, Server::at("two", "http://127.0.0.1:3000")])
    }

    struct NoKeyring;

    impl Keyring for NoKeyring {
        fn check(&self) -> Result<(), SecretsError> {
            self.get("").map(drop)
        }
        fn get(&self, _: &str) -> Result<Option<SecretString>, SecretsError> {
            let reason = "there is none".to_owned();
            Err(SecretsError::Keyring { reason })
        }
        fn set(&self, server: &str, _: &SecretString) -> Result<(), SecretsError> {
            self.get(server).map(drop)
        }
        fn remove(&self, server: &str) -> Result<bool, SecretsError> {
            self.get(server).map(|_| false)
        }
    }

    #[test]
    fn the_credential_of_the_environment_goes_to_no_other_server() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::new(NoKeyring, folder.path());
        let servers = two();
        let found = |typed: &str| {
            let resolved = resolve(&servers, None, Some(typed)).unwrap();
            find_credential(&vault, &resolved, Some("hunter2".into())).unwrap()
        };
        assert_eq!(found("o/r").source, Source::Environment);
        assert_eq!(
            found("https://app.one.example/o/x").source,
            Source::Environment
        );
        for typed in [
            "two",
            "https://evil.example",
            "https://app.evil.example/o/x",
        ] {
            let found = found(typed);
            assert_eq!(found.source, Source::Nowhere, "{typed}");
            assert!(!found.credential.is_some());
        }
        // What is in the file counts after it.
        let token = Kept::Token("t".into());
        vault
            .save("one", "https://api.one.example", &token, Place::File)
            .unwrap();
        assert_eq!(found("o/r").source, Source::Environment);
        let resolved = resolve(&servers, None, Some("o/r")).unwrap();
        let kept = find_credential(&vault, &resolved, None).unwrap();
        assert_eq!(kept.source, Source::File);
    }

    #[test]
    fn a_login_is_told_from_a_token() {
        let is_login = |text: &str| matches!(kept_of(text, None), Kept::Login { .. });
        assert!(is_login(" eyJhbGciOi.eyJzdWIi.c2ln\n"));
        assert!(!is_login("0123456789abcdef"));
        assert!(!is_login("eyJhbGciOi"));
    }
}
