//! `[retention]` of `config.toml`: what of the recorded builds is removed by itself.
//!
//! ```toml
//! [retention]
//! keep = 200                     # builds of each repository
//! older-than = "90d"
//! max-size = "20GB"              # of all builds together
//!
//! [retention.repos."app"]        # or ORG/NAME: its own
//! keep = 20
//! max-size = "2GB"               # of its builds
//!
//! [retention.repos."acme@ci/lib"]
//! keep-all = true
//! ```
//!
//! What it means is the business of [`domain::retention`](crate::domain::retention). Without a word
//! everything is kept.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::Millis;
use crate::domain::retention::Policy;

use super::amounts::{parse_age, parse_size};

/// What is kept of recorded builds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// For all repositories that have none of their own. Its size is that of all builds together.
    pub all: Policy,
    /// For some, by NAME or ORG/NAME.
    pub repos: BTreeMap<String, Policy>,
}

/// As typed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub(super) struct Typed {
    keep: Option<usize>,
    older_than: Option<String>,
    max_size: Option<String>,
    repos: BTreeMap<String, TypedRepo>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
struct TypedRepo {
    keep_all: bool,
    keep: Option<usize>,
    older_than: Option<String>,
    max_size: Option<String>,
}

impl Retention {
    /// True when nothing is ever removed.
    pub fn keeps_all(&self) -> bool {
        self.all.keeps_all() && self.repos.values().all(Policy::keeps_all)
    }

    /// The policy of a repository; without the limit of all builds together.
    pub fn of_repo(&self, org: &str, repo: &str) -> Policy {
        let is_it = |name: &str| match name.split_once('/') {
            Some((of, name)) => of == org && is_called(repo, name),
            None => org == "local" && is_called(repo, name),
        };
        let own = self.repos.iter().find(|(name, _)| is_it(name));
        own.map_or(
            Policy {
                max_size: None,
                ..self.all
            },
            |(_, policy)| *policy,
        )
    }
}

/// A repository without a remote is called NAME and eight digits, which nobody types.
fn is_called(repo: &str, name: &str) -> bool {
    let hash = repo.strip_prefix(name);
    hash.is_some_and(|hash| match hash.strip_prefix('-') {
        Some(digits) => digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => hash.is_empty(),
    })
}

type Wrong = (String, String);

impl Typed {
    /// Checks what was typed. The error is a key, and what is wrong with it as the end of a sentence.
    pub(super) fn check(self) -> Result<Retention, Wrong> {
        let all = policy(
            "retention",
            self.keep,
            self.older_than.as_deref(),
            self.max_size.as_deref(),
        )?;
        let mut repos = BTreeMap::new();
        for (name, typed) in self.repos {
            let place = format!("retention.repos.{name:?}");
            let own = policy(
                &place,
                typed.keep,
                typed.older_than.as_deref(),
                typed.max_size.as_deref(),
            )?;
            if typed.keep_all && !own.keeps_all() {
                let why = "keeps everything: the other keys mean nothing".to_owned();
                return Err((format!("{place}.keep-all"), why));
            }
            if !typed.keep_all && own.keeps_all() {
                let why = "says nothing: keep-all = true keeps everything".to_owned();
                return Err((place, why));
            }
            repos.insert(name, own);
        }
        Ok(Retention { all, repos })
    }
}

fn policy(
    place: &str,
    keep: Option<usize>,
    older_than: Option<&str>,
    max_size: Option<&str>,
) -> Result<Policy, Wrong> {
    let wrong = |key: &str| {
        let key = format!("{place}.{key}");
        move |why: String| (key, why)
    };
    if keep == Some(0) {
        let why = "is 0: builds would be gone as soon as they end".to_owned();
        return Err(wrong("keep")(why));
    }
    let age = older_than.map(parse_age).transpose();
    let age = age.map_err(|why| wrong("older-than")(format!("is no time: {why}")))?;
    if age.is_some_and(|age| age.as_secs() < 60) {
        let why = "is less than a minute: builds would be gone as soon as they end".to_owned();
        return Err(wrong("older-than")(why));
    }
    let size = max_size.map(parse_size).transpose();
    let size = size.map_err(|why| wrong("max-size")(format!("is no size: {why}")))?;
    Ok(Policy {
        keep,
        older_than: age.map(|age| Millis::try_from(age.as_millis()).unwrap_or(Millis::MAX)),
        max_size: size,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Retention, String> {
        let typed: Typed = toml::from_str(text).map_err(|error| error.to_string())?;
        typed.check().map_err(|(key, why)| format!("{key} {why}"))
    }

    #[test]
    fn a_repository_may_have_its_own() {
        assert!(read("").unwrap().keeps_all());
        let found = read(
            "keep = 200\nolder-than = \"90d\"\nmax-size = \"20GB\"\n\
             [repos.app]\nkeep = 20\n[repos.\"acme@ci/lib\"]\nkeep-all = true\n",
        );
        let found = found.unwrap();
        assert_eq!(found.all.max_size, Some(20_000_000_000));
        let keep = |org: &str, repo: &str| found.of_repo(org, repo).keep;
        assert_eq!(keep("local", "app"), Some(20));
        assert_eq!(keep("local", "app-0123abcd"), Some(20));
        assert_eq!(keep("local", "app-2"), Some(200));
        assert_eq!(keep("local", "application"), Some(200));
        assert_eq!(keep("acme@ci", "app"), Some(200));
        assert!(found.of_repo("acme@ci", "lib").keeps_all());
        let other = found.of_repo("local", "other");
        assert_eq!(
            (other.keep, other.older_than),
            (Some(200), Some(90 * 24 * 3_600_000))
        );
        assert_eq!(other.max_size, None, "that is the size of all together");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_key() {
        for (text, said) in [
            ("keep = 0", "retention.keep is 0"),
            (
                "older-than = \"soon\"",
                "retention.older-than is no time: write a time",
            ),
            ("older-than = \"1s\"", "retention.older-than is less than"),
            (
                "max-size = \"5\"",
                "retention.max-size is no size: write a size",
            ),
            (
                "[repos.a]\nmax-size = \"x\"",
                "retention.repos.\"a\".max-size is no size",
            ),
            ("[repos.a]", "retention.repos.\"a\" says nothing"),
            (
                "[repos.a]\nkeep = 1\nkeep-all = true",
                "retention.repos.\"a\".keep-all keeps",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
        assert!(read("kep = 1").unwrap_err().contains("unknown field"));
    }
}
