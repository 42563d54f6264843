//! `launch-clojure`: the step between the engine and a plain Clojure.
//!
//! The engine's child is this program, which prepares what makes Clojure start fast and then
//! becomes Java (`exec`): same process, same pipes. The line with the script's orders lies in
//! stdin all the while; nothing here reads it.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::quick;

/// The namespace that runs a script.
pub(super) const MAIN: &str = "monkey.ci.script.main";

/// What a plain Clojure is started with. It travels in arguments: nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The Java.
    pub java: PathBuf,
    /// Its version.
    pub java_version: String,
    /// Clojure's jars.
    pub jars: Vec<PathBuf>,
    /// The folder of our script library.
    pub library: PathBuf,
    /// Make and use what lets it start fast.
    pub quick: bool,
    /// The class path of the script itself.
    pub paths: Vec<PathBuf>,
    /// What may be deleted at any time.
    pub cache: PathBuf,
}

impl Launch {
    /// The arguments of our own program (`cli::LaunchArgs` reads them).
    pub(super) fn args(&self) -> Vec<OsString> {
        let mut args = vec![OsString::from("launch-clojure")];
        let mut put = |name: &str, value: &std::ffi::OsStr| {
            args.push(name.into());
            args.push(value.to_owned());
        };
        put("--java", self.java.as_os_str());
        put("--java-version", self.java_version.as_ref());
        put("--library", self.library.as_os_str());
        put("--cache", self.cache.as_os_str());
        if self.quick {
            args.push("--quick".into());
        }
        let mut put = |name: &str, value: &std::ffi::OsStr| {
            args.push(name.into());
            args.push(value.to_owned());
        };
        for jar in &self.jars {
            put("--jar", jar.as_os_str());
        }
        for path in &self.paths {
            put("--path", path.as_os_str());
        }
        args
    }
}

/// The flags of every Java that is started here.
pub(super) fn flags() -> [&'static str; 10] {
    [
        // What the virtual machine itself has to say is no business of the script's log, but
        // for errors.
        "-Xlog:disable",
        "-Xlog:all=error:stderr",
        "-XX:+UseSerialGC",
        // Half the processor time at the start; long computations take half as long again.
        "-XX:TieredStopAtLevel=1",
        "-XX:-UsePerfData",
        "-Dfile.encoding=UTF-8",
        "-Dsun.stdout.encoding=UTF-8",
        "-Dsun.stderr.encoding=UTF-8",
        "-Djava.awt.headless=true",
        // The place of an error, without a file that nobody removes.
        "-Dclojure.main.report=none",
    ]
}

/// Becomes the script's Java; returns only when that fails, with a sentence.
pub fn launch(launch: &Launch) -> String {
    let quick = launch.quick.then(|| quick::prepare(launch, &mut say));
    let mut command = Command::new(&launch.java);
    command.args(flags());
    let library = match quick {
        Some(Ok(quick)) => {
            if let Some(archive) = quick.archive {
                let mut option = OsString::from("-XX:SharedArchiveFile=");
                option.push(archive);
                command.arg("-Xshare:auto").arg(option);
            }
            quick.jar
        }
        Some(Err(why)) => {
            say(&format!(
                "warning: {why}: the script library starts from its sources"
            ));
            launch.library.join("src")
        }
        None => launch.library.join("src"),
    };
    let parts = (launch.jars.iter().map(PathBuf::as_path))
        .chain([library.as_path()])
        .chain(launch.paths.iter().map(PathBuf::as_path));
    let error = command
        .arg("-cp")
        .arg(class_path(parts))
        .args(["clojure.main", "-m", MAIN])
        .exec();
    format!("cannot start {}: {error}", launch.java.display())
}

/// Says something in the script's log: not on stderr, whose last words are taken for the
/// reason when a script fails.
fn say(text: &str) {
    // Whoever reads the log has gone: so has the build.
    let _ = writeln!(std::io::stdout(), "monkeyci-tui: {text}");
}

/// Paths as Java wants them.
pub(super) fn class_path<'a>(paths: impl IntoIterator<Item = &'a Path>) -> OsString {
    let mut joined = OsString::new();
    for path in paths {
        if !joined.is_empty() {
            joined.push(":");
        }
        joined.push(path);
    }
    joined
}
