//! What the user's own git is told to do: proxies, certificates, `ssh`, other names of hosts.
//!
//! Only the configuration of the user and the system is read, never one in a repository.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use git2::Config;
use reqwest::Url;

/// The settings that matter for fetching.
#[derive(Debug, Clone)]
pub struct UserGit {
    /// Names and values, the names in lower case but for what stands between the first and the last dot.
    entries: Vec<(String, String)>,
    /// Of the programs that are started.
    env: Vec<(OsString, OsString)>,
}

impl UserGit {
    /// Reads the settings of the user that runs this program; what cannot be read is as if it were not there.
    pub fn read() -> Self {
        let config = Config::open_default();
        Self::from_parts(config.ok().as_ref(), std::env::vars_os().collect())
    }

    /// The settings in a configuration, with the environment that programs are started in.
    pub fn from_parts(config: Option<&Config>, env: Vec<(OsString, OsString)>) -> Self {
        let mut entries = Vec::new();
        if let Some(mut found) = config.and_then(|config| config.entries(None).ok()) {
            while let Some(Ok(entry)) = found.next() {
                let (name, value) = (entry.name_bytes(), entry.value_bytes());
                entries.push((super::text(name), super::text(value)));
            }
        }
        // A repository that this program happens to work for is none of a fetch's business.
        let env = env.into_iter().filter(|(name, _)| {
            !name.to_str().is_some_and(|name| {
                name == "GIT_DIR" || name == "GIT_WORK_TREE" || name == "GIT_INDEX_FILE"
            })
        });
        Self {
            entries,
            env: env.collect(),
        }
    }

    /// The environment of programs that are started.
    pub(super) fn env(&self) -> &[(OsString, OsString)] {
        &self.env
    }

    /// The URL with what `url.….insteadOf` says in place of its beginning; the longest match counts.
    pub(super) fn rewritten(&self, url: &str) -> String {
        let bases = self.entries.iter().filter_map(|(name, instead)| {
            let base = name.strip_prefix("url.")?.strip_suffix(".insteadof")?;
            Some((base, url.strip_prefix(instead.as_str())?))
        });
        bases
            .min_by_key(|(_, rest)| rest.len())
            .filter(|(_, rest)| rest.len() < url.len())
            .map_or_else(|| url.to_owned(), |(base, rest)| format!("{base}{rest}"))
    }

    /// The file with the certificates that are trusted, when it is not for the system to say.
    pub(super) fn ca_file(&self, url: &Url) -> Option<PathBuf> {
        let named = self.variable("GIT_SSL_CAINFO").map(PathBuf::from);
        let named = named.or_else(|| self.http("sslcainfo", url).map(PathBuf::from));
        let path = named.filter(|path| !path.as_os_str().is_empty())?;
        match path.strip_prefix("~") {
            Ok(below) => Some(PathBuf::from(self.variable("HOME")?).join(below)),
            Err(_) => Some(path),
        }
    }

    /// The proxy for a URL: git's own setting, else that of the environment. None is an empty text.
    pub(super) fn proxy(&self, url: &Url) -> Option<String> {
        self.http("proxy", url)
            .map(str::to_owned)
            .or_else(|| {
                let scheme = format!("{}_proxy", url.scheme());
                self.environment(&scheme)
            })
            .or_else(|| self.environment("all_proxy"))
    }

    /// Hosts that are reached without a proxy, as `NO_PROXY` has them.
    pub(super) fn no_proxy(&self) -> String {
        self.environment("no_proxy").unwrap_or_default()
    }

    /// A command line for the shell that stands for `ssh`.
    pub(super) fn ssh_command(&self) -> Option<OsString> {
        let named = self.variable("GIT_SSH_COMMAND").map(OsStr::to_owned);
        named
            .or_else(|| self.last("core.sshcommand").map(OsString::from))
            .filter(|command| !command.is_empty())
    }

    /// A setting of `http`, that for the URL before that for all.
    fn http(&self, key: &str, url: &Url) -> Option<&str> {
        let ending = format!(".{key}");
        let special = self.entries.iter().filter_map(|(name, value)| {
            let pattern = name.strip_prefix("http.")?.strip_suffix(&ending)?;
            let pattern = Url::parse(pattern).ok()?;
            let path = pattern.path().trim_end_matches('/');
            let below = url.path().strip_prefix(path)?;
            let fits =
                pattern.origin() == url.origin() && (below.is_empty() || below.starts_with('/'));
            fits.then_some((path.len(), value.as_str()))
        });
        special
            .max_by_key(|(length, _)| *length)
            .map(|(_, value)| value)
            .or_else(|| self.last(&format!("http.{key}")))
    }

    fn last(&self, name: &str) -> Option<&str> {
        let found = self.entries.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    fn variable(&self, name: &str) -> Option<&OsStr> {
        let found = self.env.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_os_str())
    }

    /// A variable that programs know in lower case, most of them in upper case too.
    fn environment(&self, name: &str) -> Option<String> {
        // Not `HTTP_PROXY`: a web server hands a caller's header `Proxy` on under that name.
        let upper = (name != "http_proxy").then(|| name.to_ascii_uppercase());
        let value = self
            .variable(name)
            .or_else(|| self.variable(upper.as_deref()?))?;
        Some(value.to_str()?.to_owned()).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(config: &str, env: &[(&str, &str)]) -> UserGit {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, config).unwrap();
        let config = Config::open(&file).unwrap();
        let env = env
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        UserGit::from_parts(Some(&config), env.collect())
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn the_longest_match_replaces_the_beginning_of_a_url() {
        let git = with(
            "[url \"git@Hub.org:\"]\n insteadOf = https://hub.org/\n\
             [url \"/srv/\"]\n insteadOf = https://hub.org/mine/\n",
            &[],
        );
        assert_eq!(git.rewritten("https://hub.org/a/b"), "git@Hub.org:a/b");
        assert_eq!(git.rewritten("https://hub.org/mine/b"), "/srv/b");
        assert_eq!(git.rewritten("https://other.org/b"), "https://other.org/b");
    }

    #[test]
    fn settings_of_a_url_come_before_those_of_all() {
        let git = with(
            "[http]\n proxy = http://all:1\n sslCAInfo = ~/ca.pem\n\
             [http \"https://hub.org/a\"]\n proxy = http://some:2\n\
             [http \"https://plain.org\"]\n proxy =\n",
            &[("HOME", "/home/ada"), ("https_proxy", "http://env:3")],
        );
        let proxy = |text: &str| git.proxy(&url(text)).unwrap();
        assert_eq!(proxy("https://hub.org/a/b"), "http://some:2");
        assert_eq!(proxy("https://hub.org/ab"), "http://all:1");
        assert_eq!(proxy("https://plain.org/ab"), "");
        assert_eq!(
            git.ca_file(&url("https://hub.org/a")),
            Some("/home/ada/ca.pem".into())
        );
    }

    #[test]
    fn the_environment_names_proxies_too() {
        let git = with(
            "",
            &[
                ("HTTPS_PROXY", "http://env:3"),
                ("HTTP_PROXY", "http://cgi:3"),
                ("NO_PROXY", "a.org"),
                ("GIT_DIR", "/x"),
            ],
        );
        assert_eq!(
            git.proxy(&url("https://hub.org/a")).unwrap(),
            "http://env:3"
        );
        assert_eq!(git.proxy(&url("http://hub.org/a")), None);
        assert_eq!(git.no_proxy(), "a.org");
        assert!(git.env().iter().all(|(name, _)| name != "GIT_DIR"));
    }
}
