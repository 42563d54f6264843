//! Tokens of the script API: JSON web tokens that name one build and what their holder
//! may do (security.md §3; decisions.md, "Builds").
//!
//! HS256 with a random key per run: no token outlives the program that made it, and none
//! is worth anything to another build.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::domain::{JobId, Sid};

/// One thing that a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is named as it is spelled in a token")]
pub enum Scope {
    EventsRead,
    EventsWrite,
    ParamsRead,
    ArtifactsRead,
    ArtifactsWrite,
    CachesRead,
    CachesWrite,
    BuildRead,
    RepoRead,
    ResultsRead,
    ResultsWrite,
    SecretsRead,
    WorkspaceRead,
    KeysDecrypt,
    /// Hear which logs grow, and see what is for people only (`:tui/…` events).
    LogsRead,
    /// Cancel the build, approve blocked jobs.
    BuildControl,
}

impl Scope {
    /// Every scope there is.
    pub const ALL: [Self; 16] = [
        Self::EventsRead,
        Self::EventsWrite,
        Self::ParamsRead,
        Self::ArtifactsRead,
        Self::ArtifactsWrite,
        Self::CachesRead,
        Self::CachesWrite,
        Self::BuildRead,
        Self::RepoRead,
        Self::ResultsRead,
        Self::ResultsWrite,
        Self::SecretsRead,
        Self::WorkspaceRead,
        Self::KeysDecrypt,
        Self::LogsRead,
        Self::BuildControl,
    ];

    /// What a build script gets when nothing is denied to it.
    pub fn script_default() -> &'static [Self] {
        &[
            Self::EventsRead,
            Self::EventsWrite,
            Self::ParamsRead,
            Self::ArtifactsRead,
            Self::ArtifactsWrite,
            Self::CachesRead,
            Self::CachesWrite,
            Self::BuildRead,
            Self::RepoRead,
            Self::ResultsRead,
            Self::ResultsWrite,
            Self::SecretsRead,
            Self::WorkspaceRead,
            Self::KeysDecrypt,
        ]
    }

    /// What a container job gets that asks for the API and does not say what for.
    pub fn job_default() -> &'static [Self] {
        &[
            Self::BuildRead,
            Self::RepoRead,
            Self::ArtifactsRead,
            Self::ArtifactsWrite,
            Self::ResultsRead,
            Self::ResultsWrite,
        ]
    }

    /// What a container job may get: it is no script, so it says nothing in its name.
    pub fn job_most() -> impl Iterator<Item = Self> {
        Self::script_default()
            .iter()
            .copied()
            .filter(|scope| !matches!(scope, Self::EventsWrite | Self::KeysDecrypt))
    }

    /// What another shell of the same user gets: to watch, to cancel and to approve.
    pub fn watcher() -> &'static [Self] {
        &[Self::EventsRead, Self::LogsRead, Self::BuildControl]
    }

    /// The name in a token: `events:read`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventsRead => "events:read",
            Self::EventsWrite => "events:write",
            Self::ParamsRead => "params:read",
            Self::ArtifactsRead => "artifacts:read",
            Self::ArtifactsWrite => "artifacts:write",
            Self::CachesRead => "caches:read",
            Self::CachesWrite => "caches:write",
            Self::BuildRead => "build:read",
            Self::RepoRead => "repo:read",
            Self::ResultsRead => "results:read",
            Self::ResultsWrite => "results:write",
            Self::SecretsRead => "secrets:read",
            Self::WorkspaceRead => "workspace:read",
            Self::KeysDecrypt => "keys:decrypt",
            Self::LogsRead => "logs:read",
            Self::BuildControl => "build:control",
        }
    }

    /// What it lets its holder do, in words for the API's description.
    pub fn allows(self) -> &'static str {
        match self {
            Self::EventsRead => "follow what happens in the build",
            Self::EventsWrite => "post events of the script and its jobs",
            Self::ParamsRead => "read the build's parameters, with their values",
            Self::ArtifactsRead => "restore artifacts",
            Self::ArtifactsWrite => "save artifacts",
            Self::CachesRead => "restore caches",
            Self::CachesWrite => "save caches",
            Self::BuildRead => "read what is known of the build",
            Self::RepoRead => "read what is known of the repository and its organisation",
            Self::ResultsRead => "read named results of this and of earlier builds",
            Self::ResultsWrite => "store named results",
            Self::SecretsRead => "read named credentials, one at a time",
            Self::WorkspaceRead => "get the archive of the checkout",
            Self::KeysDecrypt => "decrypt keys of the build",
            Self::LogsRead => "hear which logs grow, and see what is for people only",
            Self::BuildControl => "cancel the build, approve blocked jobs",
        }
    }

    /// The scope of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is inside a token. Times are in seconds, as RFC 7519 has them.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims {
    sub: String,
    /// The container job that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    /// Names that this version does not know are no reason to refuse the others.
    scope: Vec<String>,
    iat: u64,
    exp: u64,
}

impl Claims {
    fn new(sid: &Sid, job: Option<&JobId>, scopes: &[Scope], lifetime: Duration) -> Self {
        let now = jsonwebtoken::get_current_timestamp();
        Self {
            sub: sid.to_string(),
            job: job.map(|job| job.as_str().to_owned()),
            scope: scopes
                .iter()
                .map(|scope| scope.as_str().to_owned())
                .collect(),
            iat: now,
            exp: now.saturating_add(lifetime.as_secs()),
        }
    }
}

/// What the holder of a good token may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    scopes: Vec<Scope>,
    job: Option<JobId>,
}

impl Grant {
    /// True when the token has this scope.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// The container job whose token it is.
    pub fn job(&self) -> Option<&JobId> {
        self.job.as_ref()
    }

    /// True for those who watch a build for people, as against the build's own script.
    pub fn is_watcher(&self) -> bool {
        self.has(Scope::LogsRead)
    }
}

/// Why a token is refused. The words are for the one who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenError {
    /// Not one of ours, or tampered with.
    #[error("the token is not valid here")]
    Invalid,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It is for another build.
    #[error("the token is for another build")]
    OtherBuild,
}

/// The key that tokens are made and checked with.
#[derive(Clone)]
pub struct Keys {
    sign: EncodingKey,
    check: DecodingKey,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// A key that nobody else has. Fails only where the system gives no random bytes.
    pub fn random() -> io::Result<Self> {
        let mut secret = [0_u8; 32];
        File::open("/dev/urandom")?.read_exact(&mut secret)?;
        Ok(Self {
            sign: EncodingKey::from_secret(&secret),
            check: DecodingKey::from_secret(&secret),
        })
    }

    /// Makes a token for a build, good from now on for `lifetime`.
    pub fn mint(&self, sid: &Sid, scopes: &[Scope], lifetime: Duration) -> SecretString {
        self.sign(&Claims::new(sid, None, scopes, lifetime))
    }

    /// Makes a token for a container job of a build, good from now on for `lifetime`, and
    /// only while the job is at work.
    pub fn mint_for_job(
        &self,
        sid: &Sid,
        job: &JobId,
        scopes: &[Scope],
        lifetime: Duration,
    ) -> SecretString {
        self.sign(&Claims::new(sid, Some(job), scopes, lifetime))
    }

    /// Checks a token: signature (in constant time), age and build.
    pub fn verify(&self, sid: &Sid, token: &SecretString) -> Result<Grant, TokenError> {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.leeway = 0;
        rules.set_required_spec_claims(&["exp", "sub"]);
        rules.sub = Some(sid.to_string());
        let claims = jsonwebtoken::decode::<Claims>(token.expose_secret(), &self.check, &rules)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => TokenError::Expired,
                ErrorKind::InvalidSubject => TokenError::OtherBuild,
                _ => TokenError::Invalid,
            })?
            .claims;
        Ok(Grant {
            scopes: claims
                .scope
                .iter()
                .filter_map(|name| Scope::parse(name))
                .collect(),
            job: claims.job.map(JobId::new),
        })
    }

    fn sign(&self, claims: &Claims) -> SecretString {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.sign)
            .expect("plain strings and numbers can be signed with an HMAC key")
            .into()
    }
}

#[cfg(test)]
impl Keys {
    /// A token whose time is over.
    pub(super) fn mint_expired(&self, sid: &Sid, scopes: &[Scope]) -> SecretString {
        let now = jsonwebtoken::get_current_timestamp();
        self.sign(&Claims {
            iat: now - 100,
            exp: now - 1,
            ..Claims::new(sid, None, scopes, Duration::ZERO)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid() -> Sid {
        Sid::new("org", "repo", "build")
    }

    #[test]
    fn a_token_gives_what_it_was_made_for() {
        let keys = Keys::random().unwrap();
        let token = keys.mint(&sid(), Scope::watcher(), Duration::from_mins(1));
        let grant = keys.verify(&sid(), &token).unwrap();
        assert!(grant.has(Scope::EventsRead) && grant.is_watcher());
        assert!(!grant.has(Scope::EventsWrite));
    }

    #[test]
    fn expired_foreign_and_other_builds_tokens_are_told_apart() {
        let (keys, others) = (Keys::random().unwrap(), Keys::random().unwrap());
        let minute = Duration::from_mins(1);
        let check = |token: SecretString| keys.verify(&sid(), &token).unwrap_err();
        let elsewhere = Sid::new("org", "repo", "build-2");
        assert_eq!(check(keys.mint_expired(&sid(), &[])), TokenError::Expired);
        assert_eq!(
            check(keys.mint(&elsewhere, &[], minute)),
            TokenError::OtherBuild
        );
        assert_eq!(check(others.mint(&sid(), &[], minute)), TokenError::Invalid);
        assert_eq!(check("".into()), TokenError::Invalid);
        assert_eq!(check("a.b.c".into()), TokenError::Invalid);
    }

    #[test]
    fn a_tokens_time_is_in_seconds() {
        // As JWT has it. MonkeyCI's server counts milliseconds (protocol/README, trap 12): read as
        // seconds, its tokens would be good for ever.
        let keys = Keys::random().unwrap();
        let token = keys.mint(&sid(), &[], Duration::from_mins(1));
        let now = jsonwebtoken::get_current_timestamp();
        let rules = Validation::new(Algorithm::HS256);
        let claims =
            jsonwebtoken::decode::<Claims>(token.expose_secret(), &keys.check, &rules).unwrap();
        assert!((50..=60).contains(&(claims.claims.exp - now)));
        let begun = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        assert!(now.abs_diff(begun.as_secs()) <= 1);
    }

    #[test]
    fn a_token_without_a_signature_is_refused() {
        let keys = Keys::random().unwrap();
        let good = keys.mint(&sid(), &Scope::ALL, Duration::from_mins(1));
        let payload = good.expose_secret().split('.').nth(1).unwrap();
        // {"alg":"none"} and {"alg":"HS256"}, base64url.
        for header in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzI1NiJ9"] {
            let forged: SecretString = format!("{header}.{payload}.").into();
            assert_eq!(
                keys.verify(&sid(), &forged).unwrap_err(),
                TokenError::Invalid
            );
        }
    }

    #[test]
    fn a_changed_payload_is_refused() {
        let keys = Keys::random().unwrap();
        let minute = Duration::from_mins(1);
        let small = keys.mint(&sid(), &[], minute);
        let large = keys.mint(&sid(), &Scope::ALL, minute);
        let parts: Vec<&str> = small.expose_secret().split('.').collect();
        let payload = large.expose_secret().split('.').nth(1).unwrap();
        let forged: SecretString = format!("{}.{payload}.{}", parts[0], parts[2]).into();
        assert_eq!(
            keys.verify(&sid(), &forged).unwrap_err(),
            TokenError::Invalid
        );
    }

    #[test]
    fn scope_names_are_read_as_they_are_written() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
        assert_eq!(Scope::parse("everything"), None);
    }
}
