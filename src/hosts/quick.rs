//! What lets a plain Clojure start fast: our script library compiled into a jar, and an
//! archive of the classes that Java has loaded and checked before.
//!
//! ```text
//! <cache>/clojure/<key>/library.jar     compiled once
//!                       classes.jsa     of a training run with that jar
//!                       classes.failed  why there is no archive
//! ```
//!
//! The key names the Java, Clojure's jars and our library, so nothing is ever stale under its
//! name. Files are made under other names and renamed; two builds may do so at once.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::domain::stable_hash;

use super::launch::{Launch, MAIN, class_path, flags};
use super::library::{self, NEW, fresh_beside, move_into_place};
use super::run::run;

/// How long compiling may take. Together with the training run, and with a start from sources
/// after both, it has to stay below the time in which a script has to say something.
const COMPILE_LIMIT: Duration = Duration::from_secs(45);
/// How long the training run may take.
const TRAIN_LIMIT: Duration = Duration::from_secs(30);
/// A failed archive is not tried again for so long.
const RETRY: Duration = Duration::from_hours(24);
/// What was not used for so long is removed.
const UNUSED: Duration = Duration::from_hours(24);

const JAR: &str = "library.jar";
const ARCHIVE: &str = "classes.jsa";
const FAILED: &str = "classes.failed";

/// Compiles and packs; runs in Clojure.
const PREPARE: &str = include_str!("prepare.clj");

/// What was prepared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Quick {
    /// The library, compiled.
    pub(super) jar: PathBuf,
    /// The archive of classes.
    pub(super) archive: Option<PathBuf>,
}

/// Makes what is missing, and says so with `say`. The error is a sentence: then the script
/// starts from sources.
pub(super) fn prepare(launch: &Launch, say: &mut dyn FnMut(&str)) -> Result<Quick, String> {
    let home = library::folder(&launch.cache);
    let folder = home.join(key(launch)?);
    let jar = folder.join(JAR);
    if !jar.is_file() {
        say("preparing Clojure for quick starts, once: compiling the script library");
        compile(launch, &folder)?;
    }
    let archive = folder.join(ARCHIVE);
    let mut outcome = Ok(Quick {
        jar: jar.clone(),
        archive: archive.is_file().then(|| archive.clone()),
    });
    if !archive.is_file() && !failed_lately(&folder) {
        say("preparing Clojure for quick starts, once: archiving its classes");
        match train(launch, &jar, &archive) {
            Ok(()) => {
                outcome = Ok(Quick {
                    jar,
                    archive: Some(archive),
                });
            }
            Err(why) => {
                // Where it cannot be noted, it is tried again.
                let _ = std::fs::write(folder.join(FAILED), &why);
                say(&format!("warning: starts stay slow: {why}"));
            }
        }
    }
    touch(&folder);
    touch(&launch.library);
    sweep(&home, &[&folder, &launch.library]);
    outcome
}

/// Names everything that the files depend on.
fn key(launch: &Launch) -> Result<String, String> {
    let mut facts = format!(
        "{:016x}\n{}\n{}\n{}\n",
        library::version(),
        launch
            .java
            .canonicalize()
            .unwrap_or(launch.java.clone())
            .display(),
        launch.java_version,
        flags().join(" "),
    );
    for jar in &launch.jars {
        let known = std::fs::metadata(jar)
            .map_err(|error| format!("cannot read {}: {error}", jar.display()))?;
        facts.push_str(&format!(
            "{} {} {}.{}\n",
            jar.display(),
            known.len(),
            known.mtime(),
            known.mtime_nsec()
        ));
    }
    Ok(format!("{:016x}", stable_hash(facts.as_bytes())))
}

/// Makes the folder with the jar.
fn compile(launch: &Launch, folder: &Path) -> Result<(), String> {
    let cannot = |what: &Path| {
        let what = what.display().to_string();
        move |error: std::io::Error| format!("cannot write {what}: {error}")
    };
    let fresh = fresh_beside(folder).map_err(cannot(folder))?;
    let made = compile_into(launch, &fresh).and_then(|()| {
        move_into_place(&fresh, folder, |there| there.join(JAR).is_file()).map_err(cannot(folder))
    });
    if made.is_err() {
        // What cannot be removed lies in a folder that may be deleted at any time.
        let _ = std::fs::remove_dir_all(&fresh);
    }
    made
}

fn compile_into(launch: &Launch, fresh: &Path) -> Result<(), String> {
    let (classes, script) = (fresh.join("classes"), fresh.join("prepare.clj"));
    let (sources, jar) = (launch.library.join("src"), fresh.join(JAR));
    std::fs::create_dir(&classes)
        .and_then(|()| std::fs::write(&script, PREPARE))
        .map_err(|error| format!("cannot write {}: {error}", fresh.display()))?;
    let path = (launch.jars.iter().map(PathBuf::as_path)).chain([&*sources, &*classes]);
    let mut command = Command::new(&launch.java);
    command
        .args(flags())
        .arg("-cp")
        .arg(class_path(path))
        .arg("clojure.main")
        .args([&script, &classes, &jar])
        .args(library::namespaces());
    run_java(
        &mut command,
        COMPILE_LIMIT,
        "the script library cannot be compiled",
    )?;
    let tidied = std::fs::remove_dir_all(&classes).and_then(|()| std::fs::remove_file(&script));
    tidied.map_err(|error| format!("cannot tidy {}: {error}", fresh.display()))?;
    if jar.is_file() {
        Ok(())
    } else {
        Err("compiling the script library made no jar".to_owned())
    }
}

/// Makes the archive, from a run that loads what scripts need.
fn train(launch: &Launch, jar: &Path, archive: &Path) -> Result<(), String> {
    let home = library::folder(&launch.cache);
    let fresh = home.join(format!("{NEW}{}.jsa", std::process::id()));
    let mut option = std::ffi::OsString::from("-XX:ArchiveClassesAtExit=");
    option.push(&fresh);
    let path = (launch.jars.iter().map(PathBuf::as_path)).chain([jar]);
    let mut command = Command::new(&launch.java);
    command
        .arg(option)
        .args(flags())
        .arg("-cp")
        .arg(class_path(path))
        .args(["clojure.main", "-m", MAIN, "--warm-up"]);
    let made = run_java(&mut command, TRAIN_LIMIT, "the training run failed").and_then(|()| {
        std::fs::rename(&fresh, archive).map_err(|error| format!("Java made no archive: {error}"))
    });
    if made.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    made
}

fn run_java(command: &mut Command, limit: Duration, what: &str) -> Result<(), String> {
    let ended = run(command, limit)?;
    if ended.status.success() {
        return Ok(());
    }
    let said = format!("{}\n{}", ended.out, ended.err);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    Err(format!(
        "{what} ({}): {}",
        ended.status,
        last.unwrap_or("it said nothing")
    ))
}

fn failed_lately(folder: &Path) -> bool {
    age(&folder.join(FAILED)).is_some_and(|age| age < RETRY)
}

fn age(path: &Path) -> Option<Duration> {
    let changed = std::fs::symlink_metadata(path).ok()?.modified().ok()?;
    // A time that is still to come is no age at all.
    Some(
        SystemTime::now()
            .duration_since(changed)
            .unwrap_or_default(),
    )
}

/// Notes that a folder was used.
fn touch(folder: &Path) {
    // One that is not noted is made again one day.
    let _ = File::open(folder).and_then(|folder| folder.set_modified(SystemTime::now()));
}

/// Removes what other versions, and programs that were killed, have left behind.
fn sweep(home: &Path, kept: &[&Path]) {
    let Ok(entries) = std::fs::read_dir(home) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if !kept.contains(&path.as_path()) && age(&path).is_some_and(|age| age > UNUSED) {
            // Another process may be at the same.
            let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
        }
    }
}

#[cfg(test)]
#[path = "quick_tests.rs"]
mod tests;
