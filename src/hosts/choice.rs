//! Which host runs a script, and why.

use std::path::{Path, PathBuf};

use super::HostError;
use super::tools::{JavaFrom, PlainClojure, Tools};

/// What a user wants to have the script run by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Runner {
    /// What fits.
    #[default]
    Auto,
    /// This program.
    Embedded,
    /// Babashka.
    Babashka,
    /// Clojure on the JVM.
    Clojure,
}

/// What is in the script's folder, as far as the choice depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScriptFiles {
    /// There is a `build.clj`.
    pub clojure: bool,
    /// There is a `deps.edn`.
    pub deps: bool,
}

impl ScriptFiles {
    /// Looks into a script folder.
    pub fn of(dir: &Path) -> Self {
        Self {
            clojure: dir.join("build.clj").exists(),
            deps: dir.join("deps.edn").exists(),
        }
    }
}

/// What the choice depends on.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// What was asked for.
    pub runner: Runner,
    /// The script's files.
    pub files: ScriptFiles,
    /// MonkeyCI's own script library is wanted, in this version.
    pub lib_version: Option<String>,
}

/// What runs a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// This program.
    Embedded,
    /// A plain Clojure jar.
    Plain(PlainClojure),
    /// The official command line tool.
    OfficialCli(PathBuf),
    /// Babashka.
    Babashka(PathBuf),
}

impl Host {
    /// The name that the journal has for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Plain(_) => "clojure",
            Self::OfficialCli(_) => "clojure-cli",
            Self::Babashka(_) => "babashka",
        }
    }
}

/// A host and why it was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The host.
    pub host: Host,
    /// Why it, in a sentence without a full stop.
    pub reason: String,
}

/// Chooses a host: what was asked for; else this program where there are only declarative
/// files, Clojure where there is a `deps.edn`, babashka if it is there, and Clojure.
///
/// Looks at files and may ask a program which one it is: it blocks.
pub fn choose(wish: &Wish, tools: &Tools) -> Result<Chosen, HostError> {
    let real = wish.lib_version.is_some();
    match wish.runner {
        Runner::Embedded if wish.files.clojure => Err(HostError::Refused(
            "build.clj needs a Clojure or babashka host: --runner embedded runs build.yaml, \
             build.yml, build.json and build.edn"
                .to_owned(),
        )),
        Runner::Embedded if real => Err(HostError::Refused(
            "--lib-version is for --runner clj and bb: --runner embedded has no library".to_owned(),
        )),
        Runner::Embedded => Ok(chosen(Host::Embedded, "asked for with --runner embedded")),
        Runner::Babashka => match tools.babashka() {
            Some(program) => Ok(chosen(
                Host::Babashka(program),
                "asked for with --runner bb",
            )),
            None => Err(HostError::Missing(
                "--runner bb needs babashka, and there is no `bb` on the PATH; install it from \
                 https://babashka.org, or use --runner clj"
                    .to_owned(),
            )),
        },
        Runner::Clojure => clojure(wish, tools, "asked for with --runner clj"),
        Runner::Auto if !wish.files.clojure && !real => Ok(chosen(
            Host::Embedded,
            "the script has only declarative files",
        )),
        Runner::Auto if wish.files.deps => clojure(wish, tools, "there is a deps.edn"),
        Runner::Auto => match tools.babashka() {
            Some(program) => Ok(chosen(
                Host::Babashka(program),
                "there is no deps.edn, and babashka is on the PATH",
            )),
            None => clojure(
                wish,
                tools,
                "there is no deps.edn, and no babashka on the PATH",
            ),
        },
    }
}

/// Clojure on the JVM, by the tool or by its jar.
fn clojure(wish: &Wish, tools: &Tools, reason: &str) -> Result<Chosen, HostError> {
    let real = wish.lib_version.is_some();
    // Who names a jar wants it.
    if (tools.jars.is_none() || real)
        && let Some(program) = tools.official_cli()
    {
        let java = tools.java(JavaFrom::Path);
        if !real {
            java?;
        }
        let reason = format!("{reason}; the Clojure tool is {}", program.display());
        return Ok(chosen(Host::OfficialCli(program), reason));
    }
    if real {
        let other = if tools.has_other_clojure() {
            "the `clojure` on the PATH is another program"
        } else {
            "there is no `clojure` on the PATH"
        };
        return Err(HostError::Missing(format!(
            "--lib-version needs the official Clojure tool or babashka, which fetch libraries, \
             and {other}; install it from https://clojure.org/guides/install_clojure, or \
             babashka from https://babashka.org, or leave --lib-version out"
        )));
    }
    let plain = tools.plain_clojure()?;
    let reason = format!(
        "{reason}; Clojure {}is {}, on Java {}",
        plain
            .version
            .as_ref()
            .map(|version| format!("{version} "))
            .unwrap_or_default(),
        plain
            .jars
            .first()
            .map_or("?".into(), |jar| jar.to_string_lossy()),
        plain.java.version,
    );
    Ok(chosen(Host::Plain(plain), reason))
}

fn chosen(host: Host, reason: impl Into<String>) -> Chosen {
    Chosen {
        host,
        reason: reason.into(),
    }
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;
