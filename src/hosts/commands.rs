//! The command lines of the hosts, and the private files that go with them
//! (protocol/script-api.md §8).

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::domain::{Job, Sid};
use crate::edn::{self, Map, Value};
use crate::engine::ChildCommand;

use super::config::{config, text};
use super::leftovers::Leftovers;
use super::merge::{Own, merge, read};
use super::tools::{PlainClojure, Tools};
use super::{Host, HostError, Launch};

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
    /// Where the host was found.
    pub tools: &'a Tools,
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
    /// What is to be removed once it has ended.
    pub leftovers: Leftovers,
}

impl From<ChildCommand> for HostChild {
    fn from(command: ChildCommand) -> Self {
        Self {
            command,
            remarks: Vec::new(),
            leftovers: Leftovers::default(),
        }
    }
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
        if self.lib_version.is_some() && self.url.is_none() {
            return Err(HostError::Refused(
                "--lib-version needs loopback TCP, and the script API cannot be served on it"
                    .to_owned(),
            ));
        }
        match host {
            Host::Plain(plain) => self.plain(plain),
            Host::OfficialCli(program) => self.official_cli(program),
            Host::Babashka(program) => self.babashka(program),
            Host::Embedded => Err(HostError::Refused(
                "the embedded host is started by its own orders".to_owned(),
            )),
        }
    }

    /// `monkeyci-tui launch-clojure …`, which becomes `java … clojure.main`.
    fn plain(&self, plain: &PlainClojure) -> Result<HostChild, HostError> {
        let deps = read(&self.script_dir.join("deps.edn"))?;
        let mut paths = vec![self.script_dir.to_owned()];
        paths.extend(
            (deps.map.get_kw("paths"))
                .and_then(Value::as_seq)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(|path| self.script_dir.join(path)),
        );
        if let Some(path) = paths
            .iter()
            .find(|path| path.to_string_lossy().contains(':'))
        {
            return Err(HostError::Refused(format!(
                "{} has a colon, which Java cannot have in its class path",
                path.display()
            )));
        }
        let launch = Launch {
            java: plain.java.program.clone(),
            java_version: plain.java.version.clone(),
            jars: plain.jars.clone(),
            library: self.library()?,
            // One that somebody works on changes too often.
            quick: self.tools.library.is_none(),
            paths,
            cache: self.cache.to_owned(),
        };
        let line = edn::write(&config(self)) + "\n";
        let command = self.command(self.own_program, launch.args(), line.into_bytes());
        Ok(HostChild {
            remarks: lost_dependencies(&deps.map).into_iter().collect(),
            ..command.into()
        })
    }

    /// `clojure -X:monkeyci/build`, with its orders in the user's configuration.
    fn official_cli(&self, program: &Path) -> Result<HostChild, HostError> {
        let folder = self.private.join("clojure");
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|error| HostError::file(folder.display().to_string(), error))?;
        let own = match self.tools.clojure_config() {
            Some(folder) => read(&folder.join("deps.edn"))?,
            None => Own::default(),
        };
        let dependency = match self.lib_version {
            Some(version) => Value::map([("mvn/version", version.into())]),
            None => Value::map([("local/root", text(&self.library()?))]),
        };
        let alias = Value::map([
            ("exec-fn", symbol("monkey.ci.script.core/run-clj-cli")),
            ("exec-args", config(self)),
            ("extra-paths", [Value::from(".")].into_iter().collect()),
            ("extra-deps", library_dependency(dependency).into()),
        ]);
        let mut deps = own.map;
        // One of this name is not the user's to change.
        if let Some(aliases) = deps.get_kw_mut("aliases").and_then(Value::as_map_mut) {
            aliases.remove_kw("monkeyci/build");
        }
        let aliases = Value::map([("monkeyci/build", alias)]);
        merge(&mut deps, &[(Value::kw("aliases"), aliases)].into());
        write_private(&folder.join("deps.edn"), deps)?;
        let mut command = self.command(program, vec!["-X:monkeyci/build".into()], Vec::new());
        let mut set = |name: &str, value: PathBuf| {
            command.env.retain(|(known, _)| known != name);
            command.env.push((name.into(), value.into()));
        };
        set("CLJ_CACHE", folder.join("cache"));
        set("CLJ_CONFIG", folder);
        Ok(HostChild {
            command,
            remarks: own.remark.into_iter().collect(),
            leftovers: Leftovers::of_class_paths(self.script_dir),
        })
    }

    /// `bb run script`, with its orders in a copy of the script's `bb.edn`.
    fn babashka(&self, program: &Path) -> Result<HostChild, HostError> {
        let own = read(&self.script_dir.join("bb.edn"))?;
        let mut args = Map::new();
        args.insert_kw("url", self.url);
        args.insert_kw("token", self.token);
        args.insert_kw("sid", self.sid.to_string());
        args.insert_kw("checkout-dir", text(self.checkout_dir));
        let mut paths = vec![Value::from(".")];
        let mut new = Map::new();
        if let Some(version) = self.lib_version {
            let in_version = |version: &str| Value::map([("mvn/version", version.into())]);
            let mut deps = library_dependency(in_version(version));
            // What it needs under babashka.
            deps.insert(symbol("meta-merge/meta-merge"), in_version("1.0.0"));
            new.insert_kw("deps", deps);
        } else {
            paths.push(text(&self.library()?.join("src")));
            args.insert_kw("socket", text(self.socket));
            args.insert_kw("script-dir", text(self.script_dir));
            if let Value::Map(config) = config(self) {
                merge(&mut args, &config);
            }
        }
        new.insert_kw("paths", paths);
        let entry = Value::List(vec![
            symbol("quote"),
            symbol("monkey.ci.script.core/run-bb-cli"),
        ]);
        let task = Value::map([
            ("task", Value::List(vec![symbol("exec"), entry])),
            ("exec-args", Value::Map(args)),
        ]);
        let tasks: Map = [(symbol("script"), task)].into_iter().collect();
        new.insert_kw("tasks", tasks);
        let mut whole = own.map;
        // One of this name is not the script's to change.
        if let Some(tasks) = whole.get_kw_mut("tasks").and_then(Value::as_map_mut) {
            tasks.remove(&symbol("script"));
        }
        merge(&mut whole, &new);
        let file = self.private.join("bb.edn");
        write_private(&file, whole)?;
        let args = vec![
            "--config".into(),
            file.into(),
            "--deps-root".into(),
            self.script_dir.into(),
            "run".into(),
            "script".into(),
        ];
        Ok(HostChild {
            remarks: own.remark.into_iter().collect(),
            ..self.command(program, args, Vec::new()).into()
        })
    }

    /// The folder of the script library.
    fn library(&self) -> Result<PathBuf, HostError> {
        self.tools.script_library(self.cache)
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

fn symbol(name: &str) -> Value {
    Value::Symbol(name.into())
}

fn library_dependency(coordinate: Value) -> Map {
    let entry = (symbol("com.monkeyci/script"), coordinate);
    [entry].into_iter().collect()
}

/// Says which dependencies of a `deps.edn` a plain Clojure does without.
fn lost_dependencies(deps: &Map) -> Option<String> {
    let names: Vec<String> = deps
        .get_kw("deps")
        .and_then(Value::as_map)
        .into_iter()
        .flat_map(Map::keys)
        .map(edn::write)
        // Both are there.
        .filter(|name| name != "org.clojure/clojure" && name != "com.monkeyci/script")
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "a plain Clojure cannot fetch the dependencies of deps.edn ({}): the official tool \
             does, from https://clojure.org/guides/install_clojure",
            names.join(", ")
        )
    })
}

/// Writes a new file that only this user can read: it holds the token.
fn write_private(path: &Path, map: Map) -> Result<(), HostError> {
    let text = edn::write(&Value::Map(map)) + "\n";
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| HostError::file(format!("{} cannot be written", path.display()), error))
}

#[cfg(test)]
#[path = "commands_tests.rs"]
mod tests;
