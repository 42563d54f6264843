//! What is meant by a TARGET on the command line (design.md, "Command line"): a server, an org, a
//! repo or a build.
//!
//! | typed | means |
//! | --- | --- |
//! | `https://app.example.org/o/ORG/r/REPO/b/BUILD/j/JOB` | what the web app shows there; it may end early |
//! | `https://api.example.org/v1/org/ORG/repo/REPO/builds/BUILD` | what the API answers there; it may end early |
//! | `https://api.example.org` | a server |
//! | `ORG/REPO`, `ORG/REPO/BUILD` | of the server that is chosen otherwise |
//! | `ORG@SERVER/REPO/BUILD` | of this server: what a build that was followed is called here |
//! | `NAME` | a server that is configured |
//!
//! A BUILD is `build-17`, `17`, or `latest`.

use reqwest::Url;

use crate::remote::BaseUrl;

/// What was typed, taken apart. Nothing has been looked up yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Target {
    /// The server, where it is part of what was typed.
    pub at: Option<At>,
    /// The org, by either of its ids.
    pub org: Option<String>,
    /// The repo.
    pub repo: Option<String>,
    /// The build.
    pub build: Option<BuildName>,
    /// The job that the web app shows.
    pub job: Option<String>,
}

/// Which server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At {
    /// By its name in the configuration.
    Name(String),
    /// By the address of its API.
    Api(BaseUrl),
    /// By the address of its web app.
    Web(BaseUrl),
    /// By an address that may be either.
    Address(BaseUrl),
}

/// Which build of a repo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BuildName {
    /// By its id.
    Id(String),
    /// The newest.
    Latest,
}

impl Target {
    /// Takes apart what was typed; the error is a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.contains("://") {
            return of_url(text);
        }
        if text.chars().any(char::is_control) {
            return Err("a target has no control characters in it".to_owned());
        }
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
            return Err(not_one(text));
        }
        let mut target = Self::default();
        let mut parts = parts;
        if parts.len() > 1
            && let Some((org, server)) = parts[0].rsplit_once('@')
            && !org.is_empty()
            && !server.is_empty()
        {
            target.at = Some(At::Name(server.to_owned()));
            parts[0] = org;
        }
        match parts[..] {
            [name] => target.at = Some(At::Name(name.to_owned())),
            [org, repo] => (target.org, target.repo) = (Some(org.into()), Some(repo.into())),
            [org, repo, build] => {
                (target.org, target.repo) = (Some(org.into()), Some(repo.into()));
                target.build = Some(BuildName::parse(build));
            }
            _ => return Err(not_one(text)),
        }
        Ok(target)
    }
}

impl BuildName {
    pub fn parse(text: &str) -> Self {
        let digits = text.strip_prefix('#').unwrap_or(text);
        if matches!(text, "latest" | "last") {
            Self::Latest
        } else if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            // Ids are made of these numbers (public-api.md §5), and nothing else is one.
            Self::Id(format!("build-{digits}"))
        } else {
            Self::Id(text.to_owned())
        }
    }
}

fn not_one(text: &str) -> String {
    format!(
        "{text:?} is no target: give the URL of a build, ORG/REPO, ORG/REPO/BUILD or the name of a \
         server"
    )
}

fn of_url(text: &str) -> Result<Target, String> {
    let url = Url::parse(text).map_err(|_| "this is no URL".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("there is a user name or a password in this URL".to_owned());
    }
    let segments: Vec<String> = url
        .path_segments()
        .into_iter()
        .flatten()
        .map(decoded)
        .collect();
    let names: Vec<&str> = segments
        .iter()
        .map(String::as_str)
        .filter(|segment| !segment.is_empty())
        .collect();
    // The web app is at the top of its host, or below a path of its own; so is the API.
    let web = named(&names, &["o", "r", "b", "j"]);
    let api = named(&names, &["org", "repo", "builds", "job"]);
    let (found, is_web) = match (web, api) {
        (Some(web), None) => (Some(web), true),
        (Some(web), Some(api)) if web.start < api.start => (Some(web), true),
        (_, api) => (api, false),
    };
    let Some(found) = found else {
        let base = base(&url, &names).map_err(|error| error.to_string())?;
        return Ok(Target {
            at: Some(At::Address(base)),
            ..Target::default()
        });
    };
    let base = base(&url, &names[..found.start]).map_err(|error| error.to_string())?;
    let [org, repo, build, job] = found.ids;
    if [&org, &repo, &build, &job]
        .into_iter()
        .flatten()
        .any(|id| matches!(id.as_str(), "." | "..") || id.chars().any(char::is_control))
    {
        return Err("the ids in this URL are none".to_owned());
    }
    Ok(Target {
        at: Some(if is_web { At::Web(base) } else { At::Api(base) }),
        org,
        repo,
        build: build.map(|build| BuildName::parse(&build)),
        job,
    })
}

/// Ids in a path.
struct Named {
    /// Where the first word is.
    start: usize,
    ids: [Option<String>; 4],
}

/// The ids behind words in their order: `o ORG r REPO …`, as far as it goes.
fn named(names: &[&str], words: &[&str; 4]) -> Option<Named> {
    let start = names.iter().position(|name| *name == words[0])?;
    names.get(start + 1)?;
    let mut ids = [const { None }; 4];
    for (place, word) in words.iter().enumerate() {
        let at = start + 2 * place;
        match (names.get(at), names.get(at + 1)) {
            (Some(name), Some(id)) if name == word => ids[place] = Some((*id).to_owned()),
            _ => break,
        }
    }
    Some(Named { start, ids })
}

/// The address above what was found.
fn base(url: &Url, above: &[&str]) -> Result<BaseUrl, crate::remote::RemoteError> {
    let mut base = url.clone();
    base.set_query(None);
    base.set_fragment(None);
    base.set_path(&above.join("/"));
    BaseUrl::parse(base.as_str())
}

/// A segment without its percent signs; bytes that are no text are replaced.
fn decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |at: usize| char::from(*after.get(at)?).to_digit(16);
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> BaseUrl {
        BaseUrl::parse(text).unwrap()
    }

    fn target(at: Option<At>, ids: [&str; 4]) -> Target {
        let id = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let [org, repo, build, job] = ids;
        Target {
            at,
            org: id(org),
            repo: id(repo),
            build: id(build).map(BuildName::Id),
            job: id(job),
        }
    }

    #[test]
    fn an_address_of_the_web_app_says_all() {
        let web = || Some(At::Web(base("https://app.monkeyci.com")));
        for (path, ids) in [
            (
                "/o/org/r/repo/b/build-17/j/job",
                ["org", "repo", "build-17", "job"],
            ),
            ("/o/org/r/repo/b/build-17/", ["org", "repo", "build-17", ""]),
            (
                "/o/org/r/repo/b/build-17?tab=1#x",
                ["org", "repo", "build-17", ""],
            ),
            ("/o/org/r/repo", ["org", "repo", "", ""]),
            ("/o/org", ["org", "", "", ""]),
            ("/o/org/settings/x", ["org", "", "", ""]),
            ("/o/a%20b/r/c%2Fd/b/%C3%A9/j/o", ["a b", "c/d", "é", "o"]),
            ("/o/o/r/r/b/b/j/j", ["o", "r", "b", "j"]),
            (
                "/o/org/r/repo/b/build-1/j/org",
                ["org", "repo", "build-1", "org"],
            ),
        ] {
            let text = format!("https://app.monkeyci.com{path}");
            assert_eq!(Target::parse(&text), Ok(target(web(), ids)), "{text}");
        }
        let below = Target::parse("https://h:8443/ci/o/org").unwrap();
        assert_eq!(below.at, Some(At::Web(base("https://h:8443/ci"))));
    }

    #[test]
    fn an_address_of_the_api_says_all() {
        for (url, at, ids) in [
            (
                "https://api.monkeyci.com/v1/org/org/repo/repo/builds/build-17/job/j",
                "https://api.monkeyci.com/v1",
                ["org", "repo", "build-17", "j"],
            ),
            (
                "http://127.0.0.1:3000/org/o/repo/r",
                "http://127.0.0.1:3000",
                ["o", "r", "", ""],
            ),
            ("https://h/org/o", "https://h", ["o", "", "", ""]),
        ] {
            let at = Some(At::Api(base(at)));
            assert_eq!(Target::parse(url), Ok(target(at, ids)), "{url}");
        }
        for url in [
            "https://h",
            "https://h/v1/",
            "https://h/org",
            "https://h/o/",
        ] {
            let parsed = Target::parse(url).unwrap();
            assert!(
                matches!(parsed.at, Some(At::Address(_))),
                "{url}: {parsed:?}"
            );
            assert_eq!(parsed.org, None);
        }
    }

    #[test]
    fn a_name_with_slashes_is_a_repo_or_a_build() {
        assert_eq!(
            Target::parse("org/repo"),
            Ok(target(None, ["org", "repo", "", ""]))
        );
        for build in ["build-17", "17", "#17"] {
            assert_eq!(
                Target::parse(&format!(" org/repo/{build} ")),
                Ok(target(None, ["org", "repo", "build-17", ""]))
            );
        }
        let latest = Target::parse("org/repo/latest").unwrap();
        assert_eq!(latest.build, Some(BuildName::Latest));
        assert_eq!(
            Target::parse("work"),
            Ok(target(Some(At::Name("work".to_owned())), [""; 4]))
        );
    }

    #[test]
    fn a_build_that_was_followed_is_meant_by_its_name_here() {
        let at = || Some(At::Name("work".to_owned()));
        assert_eq!(
            Target::parse("a@b@work/repo/17"),
            Ok(target(at(), ["a@b", "repo", "build-17", ""]))
        );
        assert_eq!(
            Target::parse("org@work/repo"),
            Ok(target(at(), ["org", "repo", "", ""]))
        );
        let odd = Target::parse("@work/repo").unwrap();
        assert_eq!((odd.at, odd.org.as_deref()), (None, Some("@work")));
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for text in [
            "",
            "/",
            "a/",
            "/a/b",
            "a//b",
            "a/b/c/d",
            "../b",
            "a/..",
            "a/b/\u{1b}[31m",
            "ftp://h/o/org",
            "https://",
            "https://me:hunter2@h/o/org",
            "https://h/o/org/r/%1b",
        ] {
            let error = Target::parse(text).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
