//! From a script folder to its jobs (protocol/scripts.md §2).

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::domain::{GraphFault, Job, JobGraph};

use super::definition::{self, Defined};
use super::error::{LoadError, Place, Source, file_name, line_starts};
use super::node::{Format, Kind, Node};
use super::{edn_file, json, yaml};

/// The files that define jobs, in the order in which they are loaded; all that exist count.
const FILES: [(&str, Format); 4] = [
    ("build.yaml", Format::Yaml),
    ("build.yml", Format::Yaml),
    ("build.json", Format::Json),
    ("build.edn", Format::Edn),
];

/// The file that only a Clojure or babashka host can load; it comes after the others.
const CLOJURE_FILE: &str = "build.clj";

/// No script file may be larger, in bytes.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// What the declarative files of a script folder say.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// The jobs of all files, in order, as they are written: duplicates are still there.
    pub jobs: Vec<Job>,
    /// Where each of the jobs is defined.
    pub places: Vec<Place>,
    /// What is wrong with the dependencies; the build runs all the same (events.md §7).
    pub faults: Vec<ScriptFault>,
    /// What the author should know: a sentence each, with its place.
    pub warnings: Vec<String>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
    /// There is a `build.clj` too, which needs a host of its own.
    pub clojure: bool,
}

/// A fault in the dependencies and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptFault {
    /// The definition of the (first) job it is about.
    pub place: Place,
    /// The definition before it, of two that have one id.
    pub before: Option<Place>,
    /// What is wrong.
    pub fault: GraphFault,
}

impl ScriptFault {
    /// What is wrong and where, without what comes of it.
    pub fn what(&self) -> String {
        let before = self.before.as_ref();
        let before = before.map(|place| format!(" (the other one: {place})"));
        let before = before.unwrap_or_default();
        format!("{}: {}{before}", self.place, self.fault.what())
    }
}

impl fmt::Display for ScriptFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.fault.to_string();
        let so = whole.strip_prefix(&self.fault.what()).unwrap_or_default();
        write!(f, "{}{so}", self.what())
    }
}

/// Loads the declarative files of a script folder. Reads files, so it may block.
pub fn load(dir: &Path) -> Result<Script, LoadError> {
    if !dir.is_dir() {
        return Err(LoadError::NoFolder { dir: dir.into() });
    }
    let mut script = Script {
        clojure: dir.join(CLOJURE_FILE).exists(),
        ..Script::default()
    };
    for (name, format) in FILES {
        let path = dir.join(name);
        let Some(text) = read(&path)? else {
            continue;
        };
        let loaded = script.jobs.len();
        for Defined { job, place } in parse(&path, format, &text, loaded, &mut script.warnings)? {
            script.jobs.push(job);
            script.places.push(place);
        }
        script.files.push(path);
    }
    if script.files.is_empty() && !script.clojure {
        return Err(LoadError::NoFiles { dir: dir.into() });
    }
    script.faults = faults(&script);
    Ok(script)
}

fn parse(
    path: &Path,
    format: Format,
    text: &str,
    loaded: usize,
    warnings: &mut Vec<String>,
) -> Result<Vec<Defined>, LoadError> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let starts = line_starts(text);
    let source = Source::new(path, text, &starts);
    let nothing = || Node {
        at: 0,
        kind: Kind::Null,
    };
    let root = match format {
        _ if text.trim().is_empty() => nothing(),
        Format::Yaml => yaml::read(source)?,
        Format::Json => json::read(source)?,
        Format::Edn => edn_file::read(source)?.unwrap_or_else(nothing),
    };
    definition::jobs(source, format, root, loaded, warnings)
}

/// The text of a file; `None` when there is no such file.
fn read(path: &Path) -> Result<Option<String>, LoadError> {
    let unreadable = |source| LoadError::Read {
        path: path.into(),
        source,
    };
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if !meta.is_file() {
        // Opening a pipe would wait for its writer.
        return Err(unreadable(std::io::Error::other("this is not a file")));
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(LoadError::TooLarge {
            file: file_name(path).to_owned(),
            limit: LARGEST_FILE,
        });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(error) => {
            let upto = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            Err(Source::new(path, &text, &line_starts(&text)).fault(upto, "this is not UTF-8"))
        }
    }
}

fn faults(script: &Script) -> Vec<ScriptFault> {
    let place_of = |fault: &GraphFault| {
        let id = match fault {
            GraphFault::Duplicate(id) | GraphFault::Missing { job: id, .. } => Some(id),
            GraphFault::Cycle(ids) => ids.first(),
        };
        // The last definition is the one that counts.
        script.jobs.iter().rposition(|job| Some(&job.id) == id)
    };
    JobGraph::new(&script.jobs)
        .faults()
        .iter()
        .filter_map(|fault| {
            let at = place_of(fault)?;
            let before = match fault {
                GraphFault::Duplicate(id) => {
                    script.jobs[..at].iter().rposition(|job| job.id == *id)
                }
                _ => None,
            };
            Some(ScriptFault {
                place: script.places.get(at)?.clone(),
                before: before.and_then(|at| script.places.get(at).cloned()),
                fault: fault.clone(),
            })
        })
        .collect()
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
