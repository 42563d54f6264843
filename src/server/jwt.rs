//! JSON web tokens: RS256 with a key of this server (public-api.md §2.1).
//!
//! Which algorithm checks a token is not the token's choice: there is one key, and it checks
//! RS256. A token that names another algorithm is refused, however it is signed.

use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{self, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::domain::{Millis, Sid};

use super::private;
use super::tokens::Role;

/// The name of the key, as MonkeyCI has it.
const KEY_ID: &str = "master";

/// A number of seconds larger than this is one of milliseconds (decisions.md, "Builds").
const LATEST_SECONDS: u64 = 100_000_000_000;

/// Who shows a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Somebody who may do what their role allows.
    Person(Role),
    /// A build, which may see itself.
    Build(Sid),
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    role: String,
    sub: String,
    /// Of a `user`: what they may do. Ours; without it, reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access: Option<String>,
    exp: u64,
}

/// The key that tokens are made and checked with.
pub struct Signer {
    pair: KeyPair,
    check: DecodingKey,
    public: (Vec<u8>, Vec<u8>),
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

/// Where the key is kept in the server's folder: PKCS#8, DER.
fn file(folder: &Path) -> PathBuf {
    folder.join("jwt-key.der")
}

impl Signer {
    /// The key of a server's folder, made when there is none yet. The error is a sentence.
    pub(super) fn open(folder: &Path) -> Result<Self, String> {
        let path = file(folder);
        private::check_mode(&path)?;
        let unusable = |why: &dyn std::fmt::Display| {
            let path = path.display();
            format!("the key in {path} cannot be used ({why}); without that file a new one is made")
        };
        let pair = match std::fs::read(&path) {
            Ok(der) => KeyPair::from_pkcs8(&der).map_err(|why| unusable(&why))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let none = |_| "the system has no random numbers for a key".to_owned();
                let pair = KeyPair::generate(KeySize::Rsa2048).map_err(none)?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(none)?;
                private::write(&path, der.as_ref())
                    .map_err(|why| format!("cannot write {}: {why}", path.display()))?;
                pair
            }
            Err(error) => return Err(unusable(&error)),
        };
        let key = pair.public_key();
        let public = (
            key.modulus().big_endian_without_leading_zero().to_vec(),
            key.exponent().big_endian_without_leading_zero().to_vec(),
        );
        let check = DecodingKey::from_rsa_raw_components(&public.0, &public.1);
        Ok(Self {
            pair,
            check,
            public,
        })
    }

    /// The public key, as `GET /auth/jwks` tells it.
    pub(super) fn jwks(&self) -> String {
        let (n, e) = (BASE64.encode(&self.public.0), BASE64.encode(&self.public.1));
        serde_json::json!({"keys": [{
            "kty": "RSA", "e": e, "n": n, "kid": KEY_ID, "alg": "RS256", "use": "sig",
        }]})
        .to_string()
    }

    /// Makes a token that is good until a time.
    pub(super) fn sign(&self, holder: &Holder, until: Millis) -> io::Result<SecretString> {
        let (role, sub, access) = match holder {
            Holder::Build(sid) => ("build", sid.to_string(), None),
            Holder::Person(Role::Admin) => ("sysadmin", "sysadmin/local".to_owned(), None),
            Holder::Person(role) => ("user", "local/token".to_owned(), Some(role.as_str())),
        };
        let claims = Claims {
            role: role.to_owned(),
            sub,
            access: access.map(str::to_owned),
            // Ours count seconds, as JWT has it.
            exp: u64::try_from(until / 1000).unwrap_or_default(),
        };
        let claims = serde_json::to_vec(&claims).map_err(io::Error::other)?;
        let head = format!(r#"{{"typ":"JWT","alg":"RS256","kid":"{KEY_ID}"}}"#);
        let text = format!("{}.{}", BASE64.encode(head), BASE64.encode(claims));
        let mut signed = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &signature::RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signed,
            )
            .map_err(|_| io::Error::other("the key cannot sign"))?;
        Ok(format!("{text}.{}", BASE64.encode(signed)).into())
    }

    /// Who shows a token, if it is one of ours and its time is not over.
    pub(super) fn holder(&self, token: &str, now: Millis) -> Option<Holder> {
        let mut rules = Validation::new(Algorithm::RS256);
        // Seconds or milliseconds: compared here.
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.set_required_spec_claims(&["exp", "sub"]);
        let claims = jsonwebtoken::decode::<Claims>(token, &self.check, &rules)
            .ok()?
            .claims;
        let until = if claims.exp > LATEST_SECONDS {
            claims.exp
        } else {
            claims.exp * 1000
        };
        if u64::try_from(now).ok()? >= until {
            return None;
        }
        match claims.role.as_str() {
            "sysadmin" => Some(Holder::Person(Role::Admin)),
            "build" => Sid::parse(&claims.sub).ok().map(Holder::Build),
            "user" => match claims.access {
                None => Some(Holder::Person(Role::Read)),
                Some(name) => Role::parse(&name).map(Holder::Person),
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use secrecy::ExposeSecret;

    use super::*;

    fn signer() -> (tempfile::TempDir, Signer) {
        let dir = tempfile::tempdir().unwrap();
        let signer = Signer::open(dir.path()).unwrap();
        (dir, signer)
    }

    #[test]
    fn a_token_is_good_until_its_time_also_after_a_restart() {
        let (dir, signer) = signer();
        let again = Signer::open(dir.path()).unwrap();
        for holder in [
            Holder::Person(Role::Read),
            Holder::Person(Role::Run),
            Holder::Person(Role::Admin),
            Holder::Build(Sid::new("o", "r", "build-1")),
        ] {
            let token = signer.sign(&holder, 10_000).unwrap();
            let shown = |now| again.holder(token.expose_secret(), now);
            assert_eq!(shown(9_999), Some(holder));
            assert_eq!(shown(10_000), None);
        }
        let other = Signer::open(tempfile::tempdir().unwrap().path()).unwrap();
        let token = other
            .sign(&Holder::Person(Role::Admin), Millis::MAX)
            .unwrap();
        assert_eq!(signer.holder(token.expose_secret(), 0), None);
    }

    #[test]
    fn a_time_in_milliseconds_is_no_time_in_the_far_future() {
        let (_dir, signer) = signer();
        // As MonkeyCI's own tokens have it.
        let claims = br#"{"role":"sysadmin","sub":"sysadmin/x","exp":1795458909932}"#;
        let text = format!(
            "{}.{}",
            BASE64.encode(br#"{"alg":"RS256"}"#),
            BASE64.encode(claims)
        );
        let mut signed = vec![0; signer.pair.public_modulus_len()];
        let random = SystemRandom::new();
        let scheme = &signature::RSA_PKCS1_SHA256;
        signer
            .pair
            .sign(scheme, &random, text.as_bytes(), &mut signed)
            .unwrap();
        let token = format!("{text}.{}", BASE64.encode(signed));
        assert!(signer.holder(&token, 1_795_458_909_931).is_some());
        assert_eq!(signer.holder(&token, 1_795_458_909_932), None);
    }

    #[test]
    fn another_algorithm_is_refused() {
        let (_dir, signer) = signer();
        let claims = Claims {
            role: "sysadmin".to_owned(),
            sub: "sysadmin/x".to_owned(),
            access: None,
            exp: 99_999_999_999,
        };
        // Signed with what everybody knows: the public key, as if it were a secret.
        let jwks: serde_json::Value = serde_json::from_str(&signer.jwks()).unwrap();
        let n = jwks["keys"][0]["n"].as_str().unwrap();
        for secret in [signer.public.0.as_slice(), n.as_bytes()] {
            let key = EncodingKey::from_secret(secret);
            let forged =
                jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
            assert_eq!(signer.holder(&forged, 0), None);
        }
        let good = signer.sign(&Holder::Person(Role::Admin), 10_000).unwrap();
        let parts: Vec<&str> = good.expose_secret().split('.').collect();
        for head in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"RS512"}"#,
            r#"{"alg":"PS256"}"#,
        ] {
            let head = BASE64.encode(head);
            for end in ["", parts[2]] {
                let forged = format!("{head}.{}.{end}", parts[1]);
                assert_eq!(signer.holder(&forged, 0), None, "{head}");
            }
        }
    }
}
