//! Lines that look as if there was a secret in them, for those who are about to show a log to others.
//!
//! What this program knows to be secret it has taken out before anything was written. Here the shape of a text is
//! all there is to go by: tokens that begin as those of a well-known service do, keys, and what stands behind a name
//! such as `password`. A text that is merely random is no sign, since logs are full of commit ids and checksums.
//! Nothing here hands on what it has found: only where, and of which kind.

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use super::reader::LogReader;
use super::search::{Budget, Search};

/// What a text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Suspect {
    AwsKey,
    GithubToken,
    GitlabToken,
    SlackToken,
    GoogleKey,
    StripeKey,
    PackageToken,
    AiKey,
    Jwt,
    PrivateKey,
    AddressPassword,
    Authorization,
    Password,
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AwsKey => "an access key of AWS",
            Self::GithubToken => "a token of GitHub",
            Self::GitlabToken => "a token of GitLab",
            Self::SlackToken => "a token of Slack",
            Self::GoogleKey => "an API key of Google",
            Self::StripeKey => "a key of Stripe",
            Self::PackageToken => "a token of a package registry",
            Self::AiKey => "an API key",
            Self::Jwt => "a JSON web token",
            Self::PrivateKey => "a private key",
            Self::AddressPassword => "a password in an address",
            Self::Authorization => "a credential in a header",
            Self::Password => "a password or a key behind its name",
        })
    }
}

const SHAPES: [(Suspect, &str); 13] = [
    (Suspect::AwsKey, r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    (
        Suspect::GithubToken,
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22})",
    ),
    (Suspect::GitlabToken, r"\bglpat-[A-Za-z0-9_-]{20}"),
    (Suspect::SlackToken, r"\bxox[abeoprs]-[A-Za-z0-9-]{10}"),
    (Suspect::GoogleKey, r"\bAIza[A-Za-z0-9_-]{35}"),
    (Suspect::StripeKey, r"\b[sr]k_live_[A-Za-z0-9]{20}"),
    (
        Suspect::PackageToken,
        r"\b(?:npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{40}|CLOJARS_[a-f0-9]{50})",
    ),
    (Suspect::AiKey, r"\bsk-[A-Za-z0-9_-]{32}"),
    (
        Suspect::Jwt,
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.",
    ),
    (
        Suspect::PrivateKey,
        r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY",
    ),
    (
        Suspect::AddressPassword,
        r"\b[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/@*]{3,}@",
    ),
    (
        Suspect::Authorization,
        r"(?i:\bauthorization\b)\W{1,6}(?i:basic|bearer|token)\s+[A-Za-z0-9._~+/=-]{12}",
    ),
    (Suspect::Password, NAMED),
];

/// A name, then `=`, `:` or a space and a quote, then something. In journals quotes are escaped.
const NAMED: &str = r#"(?i:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)\\*["']?(?:\s*[:=]>?\s*\\*["']?|\s+\\*["'])([^\s"'\\,;&<>(){}\[\]$*/][^\s"'\\,;&<>(){}\[\]$*]{5,})"#;

struct Shapes {
    any: Search,
    each: RegexSet,
    named: Regex,
}

static SHAPES_READY: LazyLock<Shapes> = LazyLock::new(|| {
    let any: Vec<&str> = SHAPES.iter().map(|(_, shape)| *shape).collect();
    Shapes {
        any: Search::regex(&any.join("|")).expect("the shapes are expressions"),
        each: RegexSet::new(any).expect("the shapes are expressions"),
        named: Regex::new(NAMED).expect("the shape is an expression"),
    }
});

/// What a text looks like, if it looks like a secret.
pub fn suspect(text: &str) -> Option<Suspect> {
    let shapes = &*SHAPES_READY;
    let found = shapes.each.matches(text);
    let kinds = found.iter().map(|place| SHAPES[place].0);
    let mut kinds =
        kinds.filter(|kind| *kind != Suspect::Password || has_value(&shapes.named, text));
    kinds.next()
}

/// Whether behind a name there is what may be a secret: prose, numbers and names of variables are none.
fn has_value(named: &Regex, text: &str) -> bool {
    named.captures_iter(text).any(|found| {
        let Some(value) = found.get(1) else {
            return false;
        };
        let has = |is: fn(&u8) -> bool| value.as_str().bytes().any(|byte| is(&byte));
        let is_called = text[value.end()..].starts_with(['(', '[', '$']);
        !is_called && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
    })
}

/// The lines of a log that look like it, at most `most` of them, and whether there may be more.
pub fn suspects(reader: &LogReader, most: usize) -> io::Result<(Vec<(usize, Suspect)>, bool)> {
    let mut found = Vec::new();
    let mut more = false;
    SHAPES_READY
        .any
        .visit(reader, 0, Budget::ALL, |line, text| {
            let Some(kind) = suspect(text) else {
                return ControlFlow::Continue(());
            };
            more = found.len() == most;
            if more {
                return ControlFlow::Break(());
            }
            found.push((line, kind));
            ControlFlow::Continue(())
        })?;
    Ok((found, more))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{LogPaths, LogWriter, Stream};

    /// Put together here, so that nobody who looks for secrets in this repository finds one.
    fn of(start: &str, count: usize) -> String {
        format!("{start}{}", "A7b".repeat(count.div_ceil(3)))
    }

    #[test]
    fn what_looks_like_a_secret_is_told_by_its_kind() {
        let jwt = format!("{}.{}.x", of("eyJ", 12), of("eyJ", 12));
        for (text, kind) in [
            (format!("key {}IOSFODNN7EXAMPLE", "AKIA"), Suspect::AwsKey),
            (of("ghp_", 36), Suspect::GithubToken),
            (of("x github_pat_", 30), Suspect::GithubToken),
            (of("glpat-", 20), Suspect::GitlabToken),
            (of("xoxb-", 20), Suspect::SlackToken),
            (of("AIza", 36), Suspect::GoogleKey),
            (of("sk_live_", 24), Suspect::StripeKey),
            (of("npm_", 36), Suspect::PackageToken),
            (of("sk-ant-", 36), Suspect::AiKey),
            (jwt, Suspect::Jwt),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(),
                Suspect::PrivateKey,
            ),
            (
                "-----BEGIN PRIVATE KEY-----".to_owned(),
                Suspect::PrivateKey,
            ),
            (
                "git clone https://me:hunter2@host/x".to_owned(),
                Suspect::AddressPassword,
            ),
            (of("Authorization: Basic ", 12), Suspect::Authorization),
            ("DB_PASSWORD=hunter22".to_owned(), Suspect::Password),
            (
                "password: 'hunter 22'".replace(' ', "").replace(':', ": "),
                Suspect::Password,
            ),
            (r#"{:api-key "hunter22"}"#.to_owned(), Suspect::Password),
            (
                r#""{\"api_key\": \"hunter22\"}""#.to_owned(),
                Suspect::Password,
            ),
            ("client_secret => hunter22".to_owned(), Suspect::Password),
        ] {
            assert_eq!(suspect(&text), Some(kind), "{text}");
        }
    }

    #[test]
    fn what_logs_are_full_of_does_not() {
        for text in [
            "password: ***",
            "https://me:***@host/x",
            "https://host:8080/a@b",
            "token expired",
            "Token: required",
            "secret=$SECRET_1",
            "secret = read_secret1(name)",
            "token = tokens[0]",
            "password=${PASSWORD_1}",
            "--token-file=/run/secrets/token1",
            "secret: /run/secrets/db1",
            "tokens: 123456789",
            "token=1234567",
            "HEAD is now at 3f2c1ab9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
            "task-skipped-because-of-something-long-in-front",
        ] {
            assert_eq!(suspect(text), None, "{text}");
        }
    }

    #[test]
    fn a_log_is_gone_through_without_its_colours() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::create(LogPaths::new(dir.path(), "a")).unwrap();
        let lines = format!(
            "nothing\n\x1b[31mpass\x1b[0mword=hunter22\n{}password: ***\npassword=hunter33\nAPI_KEY=a1b2c3d4",
            "more\n".repeat(1000)
        );
        writer.append(1, Stream::Out, 0, lines.as_bytes()).unwrap();
        let reader = LogReader::open(LogPaths::new(dir.path(), "a")).unwrap();
        let kind = Suspect::Password;
        let all = vec![(1, kind), (1003, kind), (1004, kind)];
        assert_eq!(suspects(&reader, 9).unwrap(), (all.clone(), false));
        assert_eq!(suspects(&reader, 3).unwrap(), (all.clone(), false));
        assert_eq!(suspects(&reader, 2).unwrap(), (all[..2].to_vec(), true));
    }
}
