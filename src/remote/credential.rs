//! What lets a user in (public-api.md §2).

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::domain::Millis;

/// A number beyond this is a time in milliseconds: as seconds it would be in the year 5138.
const LARGEST_SECONDS: i64 = 100_000_000_000;

/// What is sent with every request. Its `Debug` shows no secret.
#[derive(Debug, Clone, Default)]
pub enum Credential {
    /// Nothing: only what is public answers.
    #[default]
    None,
    /// An API token of an org or a user.
    Token(SecretString),
    /// A login, valid for a day.
    Jwt(Jwt),
}

/// A login: a JSON web token, and what renews it where the provider issues one.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// The token.
    pub jwt: SecretString,
    /// What a new one is bought with; good for one use.
    pub refresh: Option<SecretString>,
}

/// Told of a login that was renewed, so that it can be kept.
#[derive(Clone)]
pub struct OnRefresh(pub Arc<dyn Fn(&Jwt) + Send + Sync>);

impl fmt::Debug for OnRefresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnRefresh")
    }
}

impl Credential {
    /// The value of the `Authorization` header.
    pub(super) fn header(&self) -> Option<SecretString> {
        match self {
            Self::None => None,
            Self::Token(token) => Some(format!("Token {}", token.expose_secret()).into()),
            Self::Jwt(login) => Some(format!("Bearer {}", login.jwt.expose_secret()).into()),
        }
    }

    /// Whether there is one at all.
    pub fn is_some(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The login, if it is one.
    pub fn jwt(&self) -> Option<&Jwt> {
        match self {
            Self::Jwt(login) => Some(login),
            _ => None,
        }
    }
}

impl Jwt {
    /// The user it is for, `PROVIDER/ID`; `None` where it cannot be read. Nothing is trusted
    /// because of it: the server checks the token.
    pub fn subject(&self) -> Option<(String, String)> {
        let claims = self.claims()?;
        let (provider, id) = claims.get("sub")?.as_str()?.split_once('/')?;
        (!provider.is_empty() && !id.is_empty()).then(|| (provider.to_owned(), id.to_owned()))
    }

    /// What it says that its holder is: `user`, `sysadmin`. As little to be trusted.
    pub fn role(&self) -> Option<String> {
        Some(self.claims()?.get("role")?.as_str()?.to_owned())
    }

    /// When it stops being valid. MonkeyCI writes milliseconds where the standard has seconds.
    pub fn expires_at(&self) -> Option<Millis> {
        let expires = self.claims()?.get("exp")?.as_i64()?;
        if expires > LARGEST_SECONDS {
            Some(expires)
        } else {
            expires.checked_mul(1000)
        }
    }

    fn claims(&self) -> Option<serde_json::Value> {
        jsonwebtoken::dangerous::insecure_decode_claims(self.jwt.expose_secret()).ok()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    /// A token that nobody signed, with these claims.
    pub fn jwt(claims: &str) -> SecretString {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let head = part(r#"{"alg":"RS256","kid":"master"}"#);
        format!("{head}.{}.c2ln", part(claims)).into()
    }

    fn login(claims: &str) -> Jwt {
        Jwt {
            jwt: jwt(claims),
            refresh: None,
        }
    }

    #[test]
    fn a_login_expires_in_milliseconds_or_seconds() {
        for (exp, at) in [
            ("1795455257536", Some(1_795_455_257_536)),
            ("1795455257", Some(1_795_455_257_000)),
            ("100000000000", Some(100_000_000_000_000)),
            ("100000000001", Some(100_000_000_001)),
            ("\"soon\"", None),
        ] {
            assert_eq!(login(&format!(r#"{{"exp":{exp}}}"#)).expires_at(), at);
        }
        assert_eq!(login("{}").expires_at(), None);
    }

    #[test]
    fn a_login_tells_its_user() {
        let subject = |sub: &str| login(&format!(r#"{{"sub":"{sub}"}}"#)).subject();
        assert_eq!(
            subject("github/12345"),
            Some(("github".to_owned(), "12345".to_owned()))
        );
        for odd in ["", "github", "/1", "github/"] {
            assert_eq!(subject(odd), None, "{odd:?}");
        }
        let garbage = Jwt {
            jwt: "x.y".into(),
            refresh: None,
        };
        assert_eq!(garbage.subject(), None);
    }

    #[test]
    fn no_secret_is_in_what_debug_shows() {
        let login = Jwt {
            jwt: "hunter2".into(),
            refresh: Some("hunter3".into()),
        };
        let all = format!(
            "{:?} {:?}",
            Credential::Jwt(login),
            Credential::Token("hunter4".into())
        );
        assert!(!all.contains("hunter"), "{all}");
    }
}
