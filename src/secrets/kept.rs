//! A credential in the form in which it is kept.

use secrecy::{ExposeSecret, SecretString};

use crate::edn::{self, Value};

use super::SecretsError;

/// A credential. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub enum Kept {
    /// An API token.
    Token(SecretString),
    /// A login that expires.
    Login {
        /// The JSON web token.
        jwt: SecretString,
        /// What renews it.
        refresh: Option<SecretString>,
    },
}

/// A credential and the address it is for.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    address: String,
    kept: Kept,
}

impl Entry {
    pub fn new(address: &str, kept: Kept) -> Self {
        Self {
            address: address.to_owned(),
            kept,
        }
    }

    /// The credential, if it was kept for this address.
    pub fn for_address(self, server: &str, asked: &str) -> Result<Kept, SecretsError> {
        if self.address == asked {
            return Ok(self.kept);
        }
        Err(SecretsError::OtherAddress {
            server: server.to_owned(),
            kept: self.address,
            asked: asked.to_owned(),
        })
    }

    /// As a map of EDN.
    pub fn value(&self) -> Value {
        let mut pairs = vec![("for", Value::from(self.address.as_str()))];
        let secret = |secret: &SecretString| Value::from(secret.expose_secret());
        match &self.kept {
            Kept::Token(token) => pairs.push(("token", secret(token))),
            Kept::Login { jwt, refresh } => {
                pairs.push(("jwt", secret(jwt)));
                if let Some(refresh) = refresh {
                    pairs.push(("refresh-token", secret(refresh)));
                }
            }
        }
        Value::map(pairs)
    }

    pub fn of(server: &str, value: &Value) -> Result<Self, SecretsError> {
        let secret = |key: &str| {
            let text = value.get(key)?.as_str()?;
            Some(SecretString::from(text))
        };
        let kept = match (secret("token"), secret("jwt")) {
            (Some(token), _) => Some(Kept::Token(token)),
            (None, Some(jwt)) => Some(Kept::Login {
                jwt,
                refresh: secret("refresh-token"),
            }),
            (None, None) => None,
        };
        let address = value.get("for").and_then(Value::as_str);
        match (address, kept) {
            (Some(address), Some(kept)) => Ok(Self::new(address, kept)),
            _ => Err(SecretsError::Unreadable {
                server: server.to_owned(),
            }),
        }
    }

    pub fn write(&self) -> SecretString {
        edn::write(&self.value()).into()
    }

    pub fn parse(server: &str, text: &SecretString) -> Result<Self, SecretsError> {
        let value = edn::read_str(text.expose_secret()).map_err(|_| SecretsError::Unreadable {
            server: server.to_owned(),
        })?;
        Self::of(server, &value)
    }
}
