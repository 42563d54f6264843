//! `[servers.NAME]` in `config.toml`: the MonkeyCI servers that a user knows.
//!
//! ```toml
//! [servers.monkeyci]
//! url = "https://api.monkeyci.com"      # of the API
//! org = "my-org"                         # the org where none is named
//! default = true                         # the server where none is named
//! web = "https://app.monkeyci.com"       # default: the API's, with app. for api.
//! events = "https://events.example"      # default: the API's
//! ca-file = "ca.pem"                     # trusted besides the system's; beside this file
//! proxy = "http://proxy:3128"            # default: the environment's
//! timeout = 30                           # seconds in which it has to say something
//! allow-http = false                     # a credential may be sent without TLS
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

/// Longest name, in characters.
const LONGEST_NAME: usize = 64;

/// A server that a user knows, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The name a user gave it.
    pub name: String,
    /// The address of its API: `http(s)://host[:port][/path]`, without a slash at its end.
    pub url: String,
    /// The address of its event stream, if elsewhere.
    pub events: Option<String>,
    /// The address of its web app.
    pub web: Option<String>,
    /// The org that is meant where none is named.
    pub org: Option<String>,
    /// Certificates that are trusted besides the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// The proxy that leads there.
    pub proxy: Option<String>,
    /// It has to say something within this time.
    pub timeout: Duration,
    /// A credential may be sent without TLS.
    pub allow_http: bool,
    /// It is meant where none is named.
    pub default: bool,
}

impl Server {
    /// A server of which only the address is known.
    pub fn at(name: &str, url: &str) -> Self {
        Self {
            name: name.to_owned(),
            url: url.trim_end_matches('/').to_owned(),
            events: None,
            web: None,
            org: None,
            ca_file: None,
            proxy: None,
            timeout: Duration::from_secs(30),
            allow_http: false,
            default: false,
        }
    }

    /// The address of its web app: as it is set, else by the habit of `api.` and `app.`.
    pub fn web_url(&self) -> Option<String> {
        if let Some(web) = &self.web {
            return Some(web.clone());
        }
        let (scheme, rest) = self.url.split_once("://")?;
        let host = rest.split('/').next()?.strip_prefix("api.")?;
        Some(format!("{scheme}://app.{host}"))
    }
}

/// Whether a server can be called that: what may be a key of TOML as it is.
pub fn is_server_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// One table as typed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Typed {
    url: String,
    events: Option<String>,
    web: Option<String>,
    org: Option<String>,
    ca_file: Option<PathBuf>,
    proxy: Option<String>,
    timeout: Option<u64>,
    #[serde(default)]
    allow_http: bool,
    #[serde(default)]
    default: bool,
}

/// Checks all of them. The error is the key and the end of a sentence; it shows nothing of an
/// address, for there may be a password in it.
pub(super) fn check(
    typed: BTreeMap<String, Typed>,
    config_dir: &Path,
) -> Result<Vec<Server>, (String, String)> {
    let mut servers: Vec<Server> = Vec::new();
    for (name, typed) in typed {
        if !is_server_name(&name) {
            let why = "is no name for a server: letters, digits, - and _ are possible";
            return Err((format!("servers.{name:?}"), why.to_owned()));
        }
        let wrong = |key: &str, why: String| (format!("servers.{name}.{key}"), why);
        let url = address(&typed.url).map_err(|why| wrong("url", why))?;
        let optional = |key: &str, value: Option<String>| match value {
            None => Ok(None),
            Some(value) => address(&value).map(Some).map_err(|why| wrong(key, why)),
        };
        let events = optional("events", typed.events)?;
        let web = optional("web", typed.web)?;
        let proxy = optional("proxy", typed.proxy)?;
        if let Some(org) = &typed.org
            && (org.trim().is_empty() || org.contains('/') || org.chars().any(char::is_control))
        {
            return Err(wrong("org", "is no id of an org".to_owned()));
        }
        let timeout = typed.timeout.unwrap_or(30);
        if !(1..=3600).contains(&timeout) {
            let why = format!("is {timeout}: 1 to 3600 seconds are possible");
            return Err(wrong("timeout", why));
        }
        if typed.default
            && let Some(other) = servers.iter().find(|server| server.default)
        {
            let why = format!("is true, as it is for {:?}: one can be it", other.name);
            return Err(wrong("default", why));
        }
        servers.push(Server {
            url,
            events,
            web,
            org: typed.org,
            ca_file: typed.ca_file.map(|file| config_dir.join(file)),
            proxy,
            timeout: Duration::from_secs(timeout),
            allow_http: typed.allow_http,
            default: typed.default,
            name,
        });
    }
    Ok(servers)
}

fn address(text: &str) -> Result<String, String> {
    let not_one = || "is no URL like https://api.example.org".to_owned();
    let uri: http::Uri = text.parse().map_err(|_| not_one())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(not_one());
    }
    let authority = uri.authority().ok_or_else(not_one)?;
    if authority.as_str().contains('@') {
        return Err("has a user name in it: credentials are not taken from this file".to_owned());
    }
    if uri.query().is_some() || text.contains('#') {
        return Err("has a ? or a # in it".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_user;

    fn parse(text: &str) -> Result<Vec<Server>, String> {
        parse_user(Path::new("/config"), "f", text).map(|(config, _)| config.servers)
    }

    #[test]
    fn servers_are_read_with_their_defaults() {
        let text = "[servers.one]\nurl = \"https://api.one.example/v1/\"\n\n\
                    [servers.two]\nurl = \"http://127.0.0.1:3000\"\norg = \"o\"\n\
                    default = true\nca-file = \"ca.pem\"\nproxy = \"http://p:1\"\ntimeout = 5\n\
                    allow-http = true\nweb = \"https://w/\"\nevents = \"https://e\"\n";
        let servers = parse(text).unwrap();
        let mut one = Server::at("one", "https://api.one.example/v1");
        assert_eq!(servers[0], one);
        assert_eq!(one.web_url().as_deref(), Some("https://app.one.example"));
        one.web = Some("https://w".to_owned());
        assert_eq!(one.web_url().as_deref(), Some("https://w"));
        assert_eq!(Server::at("x", "https://x.api.example").web_url(), None);
        let two = &servers[1];
        assert!(two.default && two.allow_http);
        assert_eq!(two.ca_file.as_deref(), Some(Path::new("/config/ca.pem")));
        assert_eq!(two.timeout, Duration::from_secs(5));
        assert_eq!(two.web.as_deref(), Some("https://w"));
        assert_eq!(two.events.as_deref(), Some("https://e"));
    }

    #[test]
    fn what_is_wrong_with_a_server_is_told_with_its_key() {
        for (more, said) in [
            ("", "f:1: missing field `url`"),
            ("url = \"api.example\"\n", "f: servers.s.url is no URL"),
            ("url = \"ftp://h\"\n", "f: servers.s.url is no URL"),
            (
                "url = \"https://me:hunter2@h\"\n",
                "f: servers.s.url has a user name",
            ),
            (
                "url = \"https://h?token=hunter2\"\n",
                "f: servers.s.url has a ?",
            ),
            (
                "url = \"https://h\"\ntoken = \"hunter2\"\n",
                "f: servers.s.token: credentials",
            ),
            (
                "url = \"https://h\"\nJWT = \"hunter2\"\n",
                "f: servers.s.JWT: credentials",
            ),
            (
                "url = \"https://h\"\norg = \"a/b\"\n",
                "f: servers.s.org is no id",
            ),
            (
                "url = \"https://h\"\ntimeout = 0\n",
                "f: servers.s.timeout is 0",
            ),
            (
                "url = \"https://h\"\nurls = 1\n",
                "f:3: unknown field `urls`",
            ),
            ("url = 1\n", "f:2: url: invalid type"),
            (
                "url = \"https://h\"\ndefault = true\n[servers.t]\nurl = \"https://h\"\ndefault = true\n",
                "f: servers.t.default is true",
            ),
            (
                "url = \"https://h\"\n[servers.\"a b\"]\nurl = \"https://h\"\n",
                "f: servers.\"a b\" is no",
            ),
        ] {
            let error = parse(&format!("[servers.s]\n{more}")).unwrap_err();
            assert!(error.starts_with(said), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
