//! `config.toml`: what a user has chosen, for all projects: where artifacts and caches are kept, the
//! servers that are known (`servers.rs`), and how long builds are kept (`retention.rs`).
//!
//! ```toml
//! [storage]
//! kind = "s3"                            # or "folder", which is the default
//! bucket = "ci"
//! endpoint = "https://s3.example.org"    # default: Amazon's own
//! prefix = "monkeyci"                    # goes before every key
//! region = "eu-central-1"                # default: the environment's, the profile's, us-east-1
//! profile = "work"                       # of ~/.aws/credentials; default: the environment
//! path-style = true                      # default: true with an endpoint
//! allow-http = false
//! timeout = 60                           # seconds in which a server has to say something
//! ```
//!
//! Credentials are never in it: a file that is copied and shown around is no place for them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::retention::{self, Retention};
use super::servers::{self, Server};

/// The file's name in the config folder.
pub const USER_FILE: &str = "config.toml";

/// Largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// Keys that people know from elsewhere, and that have secrets as values.
const SECRET: &[&str] = &[
    "access-key",
    "access-key-id",
    "api-token",
    "authorization",
    "aws-access-key-id",
    "aws-secret-access-key",
    "aws-session-token",
    "jwt",
    "password",
    "refresh-token",
    "secret",
    "secret-access-key",
    "secret-key",
    "session-token",
    "token",
];

/// What a user has chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserConfig {
    /// Where artifacts and caches are kept.
    pub storage: Storage,
    /// The servers that are known, by name.
    pub servers: Vec<Server>,
    /// What is kept of recorded builds.
    pub retention: Retention,
}

/// `[storage]`, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Storage {
    /// In a folder of this machine.
    #[default]
    Folder,
    /// In a bucket.
    S3(Bucket),
}

/// A bucket, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// `http(s)://host[:port]`; `None` is Amazon's own.
    pub endpoint: Option<String>,
    /// The bucket's name.
    pub bucket: String,
    /// What goes before every key; may be empty.
    pub prefix: String,
    /// The region that requests are signed for.
    pub region: Option<String>,
    /// The profile whose keys are used.
    pub profile: Option<String>,
    /// The bucket is in the path of a URL, not in its host.
    pub path_style: bool,
    /// A server that says nothing for this long has gone.
    pub timeout: Duration,
}

#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    storage: Typed,
    #[serde(default)]
    servers: BTreeMap<String, servers::Typed>,
    #[serde(default)]
    retention: retention::Typed,
    #[serde(flatten)]
    rest: toml::Table,
}

/// `[storage]` as typed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
struct Typed {
    kind: Kind,
    endpoint: Option<String>,
    bucket: Option<String>,
    prefix: Option<String>,
    region: Option<String>,
    profile: Option<String>,
    path_style: Option<bool>,
    allow_http: Option<bool>,
    timeout: Option<u64>,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    #[default]
    Folder,
    S3,
}

/// Reads the file of a config folder, and says what in it means nothing. No file is an empty one.
/// The error is a sentence: what is wrong here would send files to where nobody looks for them.
pub fn read_user(config_dir: &Path) -> Result<(UserConfig, Vec<String>), String> {
    let path = config_dir.join(USER_FILE);
    let name = path.display().to_string();
    let text = match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Default::default()),
        // A pipe or a device would never end.
        Ok(found) if !found.is_file() => Err("it is no file".to_owned()),
        Ok(found) if found.len() > LARGEST => Err(format!("it has more than {LARGEST} bytes")),
        Ok(_) => std::fs::read_to_string(&path).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let text = text.map_err(|why| format!("{name} cannot be read: {why}"))?;
    parse_user(config_dir, &name, &text)
}

/// As [`read_user`], for a text that is not in the file yet. `name` stands for it in sentences.
pub fn parse_user(
    config_dir: &Path,
    name: &str,
    text: &str,
) -> Result<(UserConfig, Vec<String>), String> {
    refuse_secrets(name, text)?;
    let file: File = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        let why = error.message().lines().next().unwrap_or_default();
        match key_at(text, line) {
            Some(key) if !why.contains(&format!("`{key}`")) => {
                format!("{name}:{line}: {key}: {why}")
            }
            _ => format!("{name}:{line}: {why}"),
        }
    })?;
    let storage = (file.storage)
        .check()
        .map_err(|(key, why)| format!("{name}: storage.{key} {why}"))?;
    let servers = servers::check(file.servers, config_dir)
        .map_err(|(key, why)| format!("{name}: {key} {why}"))?;
    let retention = (file.retention)
        .check()
        .map_err(|(key, why)| format!("{name}: {key} {why}"))?;
    let unknown: Vec<&str> = file.rest.keys().map(String::as_str).collect();
    let mut remarks = Vec::new();
    if !unknown.is_empty() {
        let unknown = unknown.join(", ");
        remarks.push(format!("{name} has keys that mean nothing here: {unknown}"));
    }
    let config = UserConfig {
        storage,
        servers,
        retention,
    };
    Ok((config, remarks))
}

/// Says it before anything else is said of such a key: its line may be quoted there.
fn refuse_secrets(name: &str, text: &str) -> Result<(), String> {
    let Ok(table) = text.parse::<toml::Table>() else {
        return Ok(());
    };
    let is_secret =
        |key: &&String| SECRET.contains(&key.replace('_', "-").to_ascii_lowercase().as_str());
    let inner = |table: &toml::Table, key: &str| {
        let inner = table.get(key).and_then(toml::Value::as_table);
        inner.cloned().unwrap_or_default()
    };
    if let Some(key) = inner(&table, "storage").keys().find(is_secret) {
        return Err(format!(
            "{name}: storage.{key}: credentials are not taken from this file; set \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of \
             ~/.aws/credentials with storage.profile"
        ));
    }
    let servers = inner(&table, "servers");
    for server in servers.keys() {
        if let Some(key) = inner(&servers, server).keys().find(is_secret) {
            return Err(format!(
                "{name}: servers.{server}.{key}: credentials are not taken from this file; \
                 `monkeyci-tui login` keeps them where they belong"
            ));
        }
    }
    Ok(())
}

type Wrong = (&'static str, String);

impl Typed {
    fn check(self) -> Result<Storage, Wrong> {
        if self.kind == Kind::Folder {
            return match self.first_of_bucket() {
                None => Ok(Storage::Folder),
                Some(key) => Err((key, "means something only with kind = \"s3\"".to_owned())),
            };
        }
        let endpoint = match self.endpoint {
            None => None,
            Some(endpoint) => {
                let allow_http = self.allow_http == Some(true);
                Some(check_endpoint(&endpoint, allow_http).map_err(|why| ("endpoint", why))?)
            }
        };
        let bucket = self
            .bucket
            .ok_or_else(|| ("bucket", "is needed with kind = \"s3\"".to_owned()))?;
        if !is_bucket_name(&bucket) {
            let why = format!(
                "is {bucket:?}, which no bucket is called: 3 to 63 letters, digits, dots, \
                 dashes and underscores"
            );
            return Err(("bucket", why));
        }
        let prefix = self.prefix.unwrap_or_default();
        let prefix = prefix.trim_matches('/');
        if !is_prefix(prefix) {
            let why = format!("is {prefix:?}: parts between slashes may not be empty, . or ..");
            return Err(("prefix", why));
        }
        for (key, value) in [("region", &self.region), ("profile", &self.profile)] {
            if value
                .as_deref()
                .is_some_and(|value| value.trim().is_empty())
            {
                return Err((key, "is empty".to_owned()));
            }
        }
        let timeout = self.timeout.unwrap_or(60);
        if !(1..=3600).contains(&timeout) {
            let why = format!("is {timeout}: 1 to 3600 seconds are possible");
            return Err(("timeout", why));
        }
        Ok(Storage::S3(Bucket {
            path_style: self.path_style.unwrap_or(endpoint.is_some()),
            endpoint,
            bucket,
            prefix: prefix.to_owned(),
            region: self.region,
            profile: self.profile,
            timeout: Duration::from_secs(timeout),
        }))
    }

    /// A key that is set and that only a bucket has.
    fn first_of_bucket(&self) -> Option<&'static str> {
        [
            ("endpoint", self.endpoint.is_some()),
            ("bucket", self.bucket.is_some()),
            ("prefix", self.prefix.is_some()),
            ("region", self.region.is_some()),
            ("profile", self.profile.is_some()),
            ("path-style", self.path_style.is_some()),
            ("allow-http", self.allow_http.is_some()),
            ("timeout", self.timeout.is_some()),
        ]
        .into_iter()
        .find_map(|(key, is_set)| is_set.then_some(key))
    }
}

/// The endpoint without a slash at its end. The error is the end of a sentence, and shows nothing
/// of it: there may be a password in it.
fn check_endpoint(endpoint: &str, allow_http: bool) -> Result<String, String> {
    let not_one = || "is no URL like https://s3.example.org:9000".to_owned();
    let uri: http::Uri = endpoint.parse().map_err(|_| not_one())?;
    let authority = uri.authority().ok_or_else(not_one)?;
    if authority.as_str().contains('@') {
        return Err("has a user name in it: credentials are not taken from this file".to_owned());
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() || endpoint.contains('#') {
        return Err("has more than a host and a port in it: use storage.prefix".to_owned());
    }
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if allow_http => {}
        Some("http") => {
            return Err(
                "is http, where others can read and change what is sent: say allow-http = true \
                 if that is meant"
                    .to_owned(),
            );
        }
        _ => return Err(not_one()),
    }
    Ok(endpoint.trim_end_matches('/').to_owned())
}

fn is_bucket_name(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}

fn is_prefix(prefix: &str) -> bool {
    prefix.is_empty()
        || prefix
            .split('/')
            .all(|part| !matches!(part, "" | "." | "..") && !part.chars().any(char::is_control))
}

/// The key that a line sets.
fn key_at(text: &str, line: usize) -> Option<&str> {
    let (key, _) = text.lines().nth(line.checked_sub(1)?)?.split_once('=')?;
    let key = key.trim();
    (!key.is_empty()).then_some(key)
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, text: &str) -> Result<(UserConfig, Vec<String>), String> {
        parse_user(Path::new("/config"), name, text)
    }

    fn bucket(more: &str) -> Result<Bucket, String> {
        let text = format!("[storage]\nkind = \"s3\"\nbucket = \"ci-1\"\n{more}");
        match parse("f", &text)? {
            (
                UserConfig {
                    storage: Storage::S3(bucket),
                    ..
                },
                _,
            ) => Ok(bucket),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_a_word_everything_is_in_a_folder() {
        for text in ["", "[storage]\n", "[storage]\nkind = \"folder\"\n"] {
            assert_eq!(parse("f", text).unwrap().0.storage, Storage::Folder);
        }
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_user(dir.path()), Ok(Default::default()));
        std::fs::create_dir(dir.path().join(USER_FILE)).unwrap();
        assert!(
            read_user(dir.path())
                .unwrap_err()
                .ends_with("it is no file")
        );
    }

    #[test]
    fn a_bucket_has_sensible_defaults() {
        let found = bucket("").unwrap();
        assert_eq!(found.endpoint, None);
        assert!(!found.path_style);
        assert_eq!(found.timeout, Duration::from_mins(1));
        let found = bucket(
            "endpoint = \"https://s3.example.org:9000/\"\nprefix = \"/a/b/\"\nregion = \"r\"\n\
             profile = \"p\"\ntimeout = 5\n",
        )
        .unwrap();
        assert_eq!(
            found.endpoint.as_deref(),
            Some("https://s3.example.org:9000")
        );
        assert!(found.path_style);
        assert_eq!(found.prefix, "a/b");
        assert_eq!(found.timeout, Duration::from_secs(5));
        let found =
            bucket("endpoint = \"http://[::1]:9000\"\nallow-http = true\npath-style = false\n");
        assert!(!found.unwrap().path_style);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_key() {
        for (more, said) in [
            ("endpoint = \"http://h\"\n", "f: storage.endpoint is http"),
            ("endpoint = \"h:1\"\n", "f: storage.endpoint is no URL"),
            ("endpoint = \"ftp://h\"\n", "f: storage.endpoint is no URL"),
            (
                "endpoint = \"https://h/x\"\n",
                "f: storage.endpoint has more than",
            ),
            ("prefix = \"a//b\"\n", "f: storage.prefix is"),
            ("prefix = \"../b\"\n", "f: storage.prefix is"),
            ("region = \"\"\n", "f: storage.region is empty"),
            ("timeout = 0\n", "f: storage.timeout is 0"),
            ("timeout = \"5s\"\n", "f:4: timeout: invalid type"),
            ("path-style = 1\n", "f:4: path-style: invalid type"),
            ("buket = \"x\"\n", "f:4: unknown field `buket`"),
        ] {
            let error = bucket(more).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
        for (text, said) in [
            ("[storage]\nkind = \"s3\"\n", "f: storage.bucket is needed"),
            (
                "[storage]\nkind = \"s3\"\nbucket = \"a/b\"\n",
                "f: storage.bucket is",
            ),
            (
                "[storage]\nbucket = \"abc\"\n",
                "f: storage.bucket means something only",
            ),
            (
                "[storage]\nkind = \"nfs\"\n",
                "f:2: kind: unknown variant `nfs`",
            ),
            ("storage = 1\n", "f:1: storage: invalid type"),
        ] {
            let error = parse("f", text).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
    }

    #[test]
    fn secrets_are_refused_and_not_repeated() {
        for more in [
            "secret-access-key = \"hunter2\"\n",
            "aws_secret_access_key = \"hunter2\"\n",
            "access-key-id = \"hunter2\"\n",
            "endpoint = \"https://me:hunter2@h\"\n",
        ] {
            let error = bucket(more).unwrap_err();
            assert!(
                error.contains("credentials are not taken from this file"),
                "{error}"
            );
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_is_for_others_is_passed_over_and_told() {
        let (_, said) = parse("f", "[keys]\nx = 1\n").unwrap();
        assert_eq!(said, ["f has keys that mean nothing here: keys"]);
    }
}
