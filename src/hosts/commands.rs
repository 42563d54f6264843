//! The command lines of the hosts, and the private files that go with them
//! (protocol/script-api.md §8).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::domain::{Job, Sid};
use crate::edn::{Map, write};
use crate::engine::ChildCommand;

use super::config::config;
use super::tools::PlainClojure;
use super::{Host, HostError, Launch, library};

/// What a Clojure host has to do, and where.
#[derive(Clone)]
pub struct Orders<'a> {
    /// The build.
    pub sid: &'a Sid,
    /// What the script may know of it (events.md §3).
    pub build: &'a Map,
    /// The script API's socket.
    pub socket: &'a Path,
    /// The script API on loopback TCP.
    pub url: Option<&'a str>,
    /// The token for it.
    pub token: &'a str,
    /// The code.
    pub checkout_dir: &'a Path,
    /// The folder with the script.
    pub script_dir: &'a Path,
    /// Run only these jobs and what they need; empty means all.
    pub filter: &'a [String],
    /// The jobs of the declarative files.
    pub declared: &'a [Job],
    /// MonkeyCI's own library in this version, instead of ours.
    pub lib_version: Option<&'a str>,
    /// The child's environment.
    pub env: Vec<(OsString, OsString)>,
    /// A folder that only this user can look into, and that goes with the build.
    pub private: &'a Path,
    /// What may be deleted at any time.
    pub cache: &'a Path,
    /// This program's own file.
    pub own_program: &'a Path,
    /// A script library to use instead of the one inside this program.
    pub library: Option<&'a Path>,
}

/// Without the token.
impl std::fmt::Debug for Orders<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Orders")
            .field("sid", self.sid)
            .field("script_dir", &self.script_dir)
            .field("private", &self.private)
            .finish_non_exhaustive()
    }
}

/// A host that is ready to be started.
#[derive(Debug)]
pub struct HostChild {
    /// How it is started.
    pub command: ChildCommand,
    /// What a user should know of it.
    pub remarks: Vec<String>,
}

impl Orders<'_> {
    /// The command that starts a host; writes the files it needs. Blocks. The embedded host
    /// has orders of its own (`script::host`).
    pub fn child(&self, host: &Host) -> Result<HostChild, HostError> {
        for dir in [self.checkout_dir, self.script_dir] {
            if dir.to_str().is_none() {
                return Err(HostError::Refused(format!(
                    "{} is no UTF-8, which a Clojure host needs of the project's path",
                    dir.display()
                )));
            }
        }
        match host {
            Host::Plain(plain) => self.plain(plain),
            Host::Embedded | Host::OfficialCli(_) | Host::Babashka(_) => Err(HostError::Refused(
                format!("{} cannot be started this way", host.name()),
            )),
        }
    }

    /// `monkeyci-tui launch-clojure …`, which becomes `java … clojure.main`.
    fn plain(&self, plain: &PlainClojure) -> Result<HostChild, HostError> {
        if self.script_dir.to_string_lossy().contains(':') {
            return Err(HostError::Refused(format!(
                "{} has a colon, which Java cannot have in its class path",
                self.script_dir.display()
            )));
        }
        let launch = Launch {
            java: plain.java.program.clone(),
            java_version: plain.java.version.clone(),
            jars: plain.jars.clone(),
            library: self.library()?,
            // One that somebody works on changes too often.
            quick: self.library.is_none(),
            paths: vec![self.script_dir.to_owned()],
            cache: self.cache.to_owned(),
        };
        let line = write(&config(self)) + "\n";
        let command = self.command(self.own_program, launch.args(), line.into_bytes());
        Ok(HostChild {
            command,
            remarks: Vec::new(),
        })
    }

    /// The folder of the script library.
    fn library(&self) -> Result<PathBuf, HostError> {
        match self.library {
            Some(folder) => Ok(folder.to_owned()),
            None => library::extract(self.cache),
        }
    }

    fn command(
        &self,
        program: impl Into<PathBuf>,
        args: Vec<OsString>,
        stdin: Vec<u8>,
    ) -> ChildCommand {
        ChildCommand {
            program: program.into(),
            args,
            env: self.env.clone(),
            cwd: self.script_dir.to_owned(),
            stdin,
        }
    }
}
