//! The programs and files that hosts need: where they are looked for, and what is said when
//! they are not there.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::run::run;
use super::{HostError, library};

/// Oldest Java that our script library runs on: its sockets came with 16, and 17 is the
/// first version after it that is kept up.
const OLDEST_JAVA: u32 = 17;
/// Oldest Clojure that our script library runs on.
const OLDEST_CLOJURE: [u32; 2] = [1, 11];
/// How long a program may take to say which version it is.
const PATIENCE: Duration = Duration::from_secs(10);
/// No more of a program is read to see what it is, in bytes.
const LONGEST_LOOK: u64 = 64 * 1024;

/// The variable that names the Clojure jars to use.
pub(super) const JAR_VARIABLE: &str = "MONKEYCI_TUI_CLOJURE_JAR";

/// The variable that names a script library instead of ours.
const LIBRARY_VARIABLE: &str = "MONKEYCI_TUI_CLOJURE_LIBRARY";

/// Where tools are looked for. Looking reads files and may ask a program: it blocks.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    /// The folders of the `PATH`.
    pub path: Vec<PathBuf>,
    /// `JAVA_HOME`.
    pub java_home: Option<PathBuf>,
    /// The user's home, for `~/.m2`.
    pub home: Option<PathBuf>,
    /// `MONKEYCI_TUI_CLOJURE_JAR`: jars, separated like a `PATH`.
    pub jars: Option<OsString>,
    /// The folder with the system's jars.
    pub system_jars: PathBuf,
    /// `CLJ_CONFIG`, else `XDG_CONFIG_HOME/clojure`: where the official tool looks first.
    pub config: Option<PathBuf>,
    /// `MONKEYCI_TUI_CLOJURE_LIBRARY`: a folder like `assets/clojure`, used as it is instead
    /// of the script library inside this program, for those who work on it.
    pub library: Option<PathBuf>,
}

/// A Java that is new enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Java {
    /// The program.
    pub program: PathBuf,
    /// Its version as it says it: `17.0.15`.
    pub version: String,
}

/// A Clojure without a command line tool: jars, and a Java that runs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainClojure {
    /// The Java.
    pub java: Java,
    /// Clojure and the two jars it needs.
    pub jars: Vec<PathBuf>,
    /// Its version, where the file's name has it.
    pub version: Option<String>,
}

impl Tools {
    /// The places that the environment names.
    pub fn from_env() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let path = set("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        Self {
            path: std::env::split_paths(&path).collect(),
            java_home: set("JAVA_HOME").map(PathBuf::from),
            home: set("HOME").map(PathBuf::from),
            jars: set(JAR_VARIABLE),
            system_jars: "/usr/share/java".into(),
            config: set("CLJ_CONFIG")
                .map(PathBuf::from)
                .or_else(|| set("XDG_CONFIG_HOME").map(|dir| PathBuf::from(dir).join("clojure"))),
            library: set(LIBRARY_VARIABLE).map(|dir| {
                let dir = PathBuf::from(dir);
                std::path::absolute(&dir).unwrap_or(dir)
            }),
        }
    }

    /// The folder with the user's own `deps.edn`, as the official tool finds it.
    pub(super) fn clojure_config(&self) -> Option<PathBuf> {
        let own = || Some(self.home.as_ref()?.join(".clojure"));
        self.config.clone().or_else(own)
    }

    /// The folder of the script library: the one that is named, else ours, which is written to
    /// the cache if it has to be. Its sources are in `src`.
    pub fn script_library(&self, cache: &Path) -> Result<PathBuf, HostError> {
        match &self.library {
            Some(folder) => Ok(folder.clone()),
            None => library::extract(cache),
        }
    }

    /// A program on the `PATH`.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        self.path
            .iter()
            // As when a child is started: a relative part would mean the child's own folder.
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .find(|file| is_program(file))
    }

    /// Babashka.
    pub(super) fn babashka(&self) -> Option<PathBuf> {
        self.find("bb")
    }

    /// The official command line tool; Debian's program of the same name is another one.
    pub(super) fn official_cli(&self) -> Option<PathBuf> {
        self.find("clojure").filter(|program| is_official(program))
    }

    /// True when there is a program `clojure` that is not the official tool.
    pub(super) fn has_other_clojure(&self) -> bool {
        self.find("clojure").is_some()
    }

    /// A Java that is new enough; `first` is where the host itself would look first.
    pub(super) fn java(&self, first: JavaFrom) -> Result<Java, HostError> {
        let home = self
            .java_home
            .iter()
            .map(|home| home.join("bin").join("java"))
            .find(|file| is_program(file));
        let path = self.find("java");
        let found = match first {
            JavaFrom::Home => home.or(path),
            JavaFrom::Path => path.or(home),
        };
        let Some(program) = found else {
            let home = match &self.java_home {
                Some(home) => format!("not in JAVA_HOME ({})", home.display()),
                None => "JAVA_HOME is not set".to_owned(),
            };
            return Err(HostError::Missing(format!(
                "Clojure needs Java {OLDEST_JAVA} or newer, and there is no `java` on the PATH \
                 ({home}); on Debian: apt-get install default-jre-headless"
            )));
        };
        let Some(version) = java_version(&program) else {
            return Err(HostError::Missing(format!(
                "Clojure needs Java {OLDEST_JAVA} or newer, and {} does not say which version it \
                 is",
                program.display()
            )));
        };
        if major(&version).is_none_or(|number| number < OLDEST_JAVA) {
            return Err(HostError::Missing(format!(
                "Clojure needs Java {OLDEST_JAVA} or newer here, and {} is {version}; on Debian: \
                 apt-get install default-jre-headless, or set JAVA_HOME to a newer one",
                program.display()
            )));
        }
        Ok(Java { program, version })
    }

    /// A Clojure that can be run without a command line tool.
    pub(super) fn plain_clojure(&self) -> Result<PlainClojure, HostError> {
        let jars = self.clojure_jars()?;
        let java = self.java(JavaFrom::Home)?;
        let version = jars.first().and_then(|jar| version_in_name(jar, "clojure"));
        if let Some(version) = &version
            && numbers(version) < OLDEST_CLOJURE.to_vec()
        {
            return Err(HostError::Missing(format!(
                "build.clj needs Clojure {}.{} or newer, and {} is older",
                OLDEST_CLOJURE[0],
                OLDEST_CLOJURE[1],
                jars[0].display()
            )));
        }
        Ok(PlainClojure {
            java,
            jars,
            version,
        })
    }

    fn clojure_jars(&self) -> Result<Vec<PathBuf>, HostError> {
        if let Some(named) = &self.jars {
            return named_jars(named);
        }
        let parts = ["clojure", "spec.alpha", "core.specs.alpha"];
        let system: Option<Vec<_>> = parts
            .iter()
            .map(|name| newest_jar(&self.system_jars, name))
            .collect();
        if let Some(jars) = system {
            return Ok(jars);
        }
        let maven = self
            .home
            .as_ref()
            .map(|home| home.join(".m2/repository/org/clojure"));
        let own: Option<Vec<_>> = maven.as_ref().and_then(|folder| {
            parts
                .iter()
                .map(|name| newest_release(&folder.join(name), name))
                .collect()
        });
        own.ok_or_else(|| {
            HostError::Missing(format!(
                "build.clj needs Clojure or babashka, and none is here: no `bb` and no Clojure \
                 tool on the PATH, no Clojure jar in {}{} or {JAR_VARIABLE}; on Debian: apt-get \
                 install clojure; or install babashka (https://babashka.org) or the Clojure tool \
                 (https://clojure.org/guides/install_clojure)",
                self.system_jars.display(),
                maven
                    .map(|folder| format!(", {}", folder.display()))
                    .unwrap_or_default(),
            ))
        })
    }
}

/// Which of two places for a Java comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JavaFrom {
    /// `JAVA_HOME`, as we do.
    Home,
    /// The `PATH`, as the official tool does.
    Path,
}

/// The jars of the variable. One alone brings those beside it that Clojure needs.
fn named_jars(named: &OsStr) -> Result<Vec<PathBuf>, HostError> {
    let mut jars: Vec<PathBuf> = std::env::split_paths(named)
        .filter(|jar| !jar.as_os_str().is_empty())
        .map(|jar| std::path::absolute(&jar).unwrap_or(jar))
        .collect();
    if let Some(lost) = jars.iter().find(|jar| !jar.is_file()) {
        return Err(HostError::Missing(format!(
            "{JAR_VARIABLE} names {}, which is no file",
            lost.display()
        )));
    }
    if let [jar] = jars.as_slice() {
        let folder = jar.parent().unwrap_or(Path::new("/")).to_owned();
        let needed = ["spec.alpha", "core.specs.alpha"];
        jars.extend(needed.iter().filter_map(|name| newest_jar(&folder, name)));
    }
    Ok(jars)
}

/// The file `NAME-1.2.3.jar` with the highest version in a folder, else `NAME.jar`.
fn newest_jar(folder: &Path, name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir(folder).ok()?.flatten();
    let newest = versions
        .map(|entry| entry.path())
        .filter_map(|path| Some((numbers(&version_in_name(&path, name)?), path)))
        .filter(|(_, path)| path.is_file())
        .max()
        .map(|(_, path)| path);
    newest.or_else(|| Some(folder.join(format!("{name}.jar"))).filter(|path| path.is_file()))
}

/// The jar of the newest version in a folder of a Maven repository.
fn newest_release(folder: &Path, name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir(folder).ok()?.flatten();
    versions
        .filter_map(|entry| {
            let version = entry.file_name().into_string().ok()?;
            let jar = entry.path().join(format!("{name}-{version}.jar"));
            (is_release(&version) && jar.is_file()).then(|| (numbers(&version), jar))
        })
        .max()
        .map(|(_, jar)| jar)
}

/// `1.11.1` of `…/clojure-1.11.1.jar`.
fn version_in_name(path: &Path, name: &str) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let version = file.strip_prefix(name)?.strip_prefix('-')?;
    let version = version.strip_suffix(".jar")?;
    is_release(version).then(|| version.to_owned())
}

fn is_release(version: &str) -> bool {
    !version.is_empty()
        && (version.split('.'))
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The numbers of a version, for comparing.
fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map(|part| part.parse().unwrap_or(0))
        .collect()
}

fn is_program(file: &Path) -> bool {
    file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Tells the official tool from a script that starts `clojure.main`: by its text, else by
/// asking it.
fn is_official(program: &Path) -> bool {
    let mut text = Vec::new();
    let read = std::fs::File::open(program)
        .and_then(|file| file.take(LONGEST_LOOK).read_to_end(&mut text));
    let has = |word: &str| memchr::memmem::find(&text, word.as_bytes()).is_some();
    if read.is_ok() && text.starts_with(b"#!") {
        if has("-Sdescribe") {
            return true;
        }
        if has("clojure.main") {
            return false;
        }
    }
    run(Command::new(program).arg("-Sdescribe"), PATIENCE)
        .is_ok_and(|ended| ended.out.trim_start().starts_with("{:version"))
}

/// The version of a Java: from the file that comes with it, which costs nothing, else by
/// asking it.
fn java_version(program: &Path) -> Option<String> {
    let real = program.canonicalize().ok()?;
    let release = real.parent()?.parent()?.join("release");
    let noted = std::fs::read_to_string(release).ok().and_then(|text| {
        text.lines()
            .find_map(|line| line.strip_prefix("JAVA_VERSION="))
            .map(|value| value.trim_matches('"').to_owned())
    });
    noted.or_else(|| {
        // `openjdk version "17.0.15" 2025-04-15`, on stderr.
        let ended = run(Command::new(program).arg("-version"), PATIENCE).ok()?;
        ended.err.split('"').nth(1).map(str::to_owned)
    })
}

/// `17` of `17.0.15`, `8` of `1.8.0_392`.
fn major(version: &str) -> Option<u32> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    match parts.next()?.parse().ok()? {
        1 => parts.next()?.parse().ok(),
        number => Some(number),
    }
}
