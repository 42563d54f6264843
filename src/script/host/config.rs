//! What a script host is told when it is started.

use std::ffi::OsString;
use std::io::BufRead;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::domain::{JobId, Sid};

/// Longest line that is read, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// What a script host needs to know. It travels as one line of JSON over standard input,
/// because arguments and environment can be read by other users.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// The Unix socket of the script API.
    pub socket: PathBuf,
    /// The token for it.
    pub token: SecretString,
    /// The build.
    pub sid: Sid,
    /// The folder with the script files.
    pub script_dir: PathBuf,
    /// The folder that is checked out.
    pub checkout_dir: PathBuf,
    /// Run only these jobs and what they need; empty means all.
    pub filter: Vec<JobId>,
}

/// The line is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Nothing came.
    #[error("a script host is started by a build, with its configuration on standard input")]
    Nothing,
    /// Standard input cannot be read.
    #[error("cannot read the configuration: {0}")]
    Read(#[from] std::io::Error),
    /// It is something else.
    #[error("the configuration is not understood: {0}")]
    Json(#[from] serde_json::Error),
    /// The build id has not three parts.
    #[error("the configuration is not understood: {0}")]
    Sid(#[from] crate::domain::SidError),
}

#[derive(Serialize, Deserialize)]
struct Line {
    socket: Place,
    token: String,
    sid: String,
    script_dir: Place,
    checkout_dir: Place,
    #[serde(default)]
    filter: Vec<String>,
}

/// A path, which need not be text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Place {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes(path.as_os_str().as_bytes().to_vec()),
        }
    }
}

impl From<Place> for PathBuf {
    fn from(place: Place) -> Self {
        match place {
            Place::Text(text) => text.into(),
            Place::Bytes(bytes) => OsString::from_vec(bytes).into(),
        }
    }
}

impl HostConfig {
    /// Reads the line from a script host's standard input.
    pub fn read(input: impl BufRead) -> Result<Self, ConfigError> {
        let mut line = String::new();
        input.take(LONGEST).read_line(&mut line)?;
        if line.trim().is_empty() {
            return Err(ConfigError::Nothing);
        }
        Self::from_line(&line)
    }

    /// Reads the line.
    pub fn from_line(line: &str) -> Result<Self, ConfigError> {
        let line: Line = serde_json::from_str(line)?;
        Ok(Self {
            socket: line.socket.into(),
            token: line.token.into(),
            sid: Sid::parse(&line.sid)?,
            script_dir: line.script_dir.into(),
            checkout_dir: line.checkout_dir.into(),
            filter: line.filter.iter().map(JobId::new).collect(),
        })
    }

    /// Writes the line, with its end. It holds the token: show it to nobody.
    pub fn to_line(&self) -> String {
        let line = Line {
            socket: self.socket.as_path().into(),
            token: self.token.expose_secret().to_owned(),
            sid: self.sid.to_string(),
            script_dir: self.script_dir.as_path().into(),
            checkout_dir: self.checkout_dir.as_path().into(),
            filter: self
                .filter
                .iter()
                .map(|id| id.as_str().to_owned())
                .collect(),
        };
        let json = serde_json::to_string(&line).expect("strings and numbers are always JSON");
        format!("{json}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> HostConfig {
        HostConfig {
            socket: "/run/api.sock".into(),
            token: "secret\"token".into(),
            sid: Sid::new("local", "demo", "b1"),
            script_dir: "/p/.monkeyci".into(),
            checkout_dir: OsString::from_vec(b"/p\xff".to_vec()).into(),
            filter: vec!["a b".into(), "ü\n".into()],
        }
    }

    #[test]
    fn the_line_carries_everything() {
        let line = config().to_line();
        assert_eq!(line.matches('\n').count(), 1);
        let read = HostConfig::read(format!("{line}more").as_bytes()).unwrap();
        assert_eq!(read.token.expose_secret(), "secret\"token");
        assert_eq!(read.sid, config().sid);
        assert_eq!(read.filter, config().filter);
        assert_eq!(read.socket, config().socket);
        assert_eq!(read.script_dir, config().script_dir);
        assert_eq!(read.checkout_dir, config().checkout_dir);
    }

    #[test]
    fn the_token_is_not_shown() {
        assert!(!format!("{:?}", config()).contains("secret"));
    }

    #[test]
    fn a_host_that_a_user_starts_says_what_it_is() {
        let error = HostConfig::read(&b""[..]).unwrap_err();
        assert!(error.to_string().contains("is started by a build"));
        assert!(HostConfig::read(&b"{}\n"[..]).is_err());
        assert!(HostConfig::read(&b"\xff\n"[..]).is_err());
    }
}
