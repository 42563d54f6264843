//! Test results from JUnit XML files (protocol/events.md §4).
//!
//! The files come from jobs and may hold anything: sizes, depth and counts are limited,
//! entities are never expanded, and a file that is no JUnit is named in a warning.

use std::path::{Path, PathBuf};

use quick_xml::Reader;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesStart, Event};

use crate::domain::Job;
use crate::edn::{Map, Value};

use super::pattern::Pattern;

/// No file may be larger, nor all of them together, in bytes.
const LARGEST_FILE: u64 = 32 * 1024 * 1024;
/// Files and folders that are looked at.
const MOST_FILES: usize = 10_000;
/// How deep folders and elements may be nested.
const DEEPEST: usize = 64;
/// Test cases that are kept.
const MOST_CASES: usize = 50_000;
/// Characters of one description that are kept.
const LONGEST_TEXT: usize = 16 * 1024;

/// What a job's `:junit` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JunitConfig {
    /// The artifact that holds the files.
    pub artifact: String,
    /// One file (or folder), relative to the artifact.
    pub path: Option<String>,
    /// Which files count, matched against their paths in the artifact.
    pub pattern: Option<String>,
}

impl JunitConfig {
    /// The settings of a job; `None` when it has none. The error is a sentence.
    pub fn of(job: &Job) -> Option<Result<Self, String>> {
        let value = job.extra("junit")?;
        let text = |key: &str| match value.get(key) {
            Some(Value::Str(text)) => Some(text.clone()),
            Some(Value::Keyword(keyword)) => Some(keyword.as_str().to_owned()),
            Some(Value::Tagged(_, inner)) => inner.as_str().map(str::to_owned),
            _ => None,
        };
        let Some(artifact) = text("artifact-id").or_else(|| text("id")) else {
            return Some(Err("junit needs an artifact-id".to_owned()));
        };
        Some(Ok(Self {
            artifact,
            path: text("path"),
            pattern: text("pattern"),
        }))
    }
}

/// Why there are no results.
#[derive(Debug, thiserror::Error)]
pub enum JunitError {
    /// No file is where one was expected.
    #[error("the artifact has no file {0}")]
    NoFile(String),
    /// The pattern uses what this version does not know.
    #[error("the pattern {0:?} is not understood")]
    Pattern(String),
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// What cannot be read.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is more than a result can carry.
    #[error("the test results are too large")]
    TooLarge,
    /// The text is no XML.
    #[error("no XML at byte {at}: {reason}")]
    Xml {
        /// Byte offset.
        at: u64,
        /// What is wrong.
        reason: String,
    },
    /// The XML is about something else.
    #[error("no JUnit results: the first element is <{0}>")]
    OtherXml(String),
    /// The XML has no element.
    #[error("the file holds no test results")]
    Nothing,
}

/// Reads the results in a folder into which the artifact was unpacked: the value of
/// `:monkey.ci/tests`.
pub fn collect(folder: &Path, config: &JunitConfig) -> Result<Value, JunitError> {
    let pattern = match &config.pattern {
        Some(text) => Some(Pattern::parse(text).ok_or_else(|| JunitError::Pattern(text.clone()))?),
        None => None,
    };
    let all = files(folder)?;
    let picked: Vec<&PathBuf> = match (&config.path, &pattern) {
        (Some(path), None) => at_path(folder, &all, path),
        (path, Some(pattern)) => {
            let inside: Vec<&PathBuf> = match path {
                Some(path) => at_path(folder, &all, path),
                None => all.iter().collect(),
            };
            inside
                .into_iter()
                .filter(|file| pattern.is_found_in(&relative(folder, file)))
                .collect()
        }
        (None, None) => all.iter().filter(|file| is_xml(file)).collect(),
    };
    if picked.is_empty() {
        let wanted = config.path.as_ref().or(config.pattern.as_ref());
        return Err(JunitError::NoFile(
            wanted.cloned().unwrap_or_else(|| "*.xml".to_owned()),
        ));
    }
    let mut left = LARGEST_FILE;
    let mut suites = Vec::new();
    for file in picked {
        let read = |source| JunitError::Read {
            path: PathBuf::from(relative(folder, file)),
            source,
        };
        let size = std::fs::metadata(file).map_err(read)?.len();
        left = left.checked_sub(size).ok_or(JunitError::TooLarge)?;
        let bytes = std::fs::read(file).map_err(read)?;
        suites.extend(parse(&bytes)?);
    }
    Ok(Value::Vector(suites))
}

/// All files, sorted, without following links.
fn files(folder: &Path) -> Result<Vec<PathBuf>, JunitError> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_path_buf(), 0)];
    let mut looked_at = 0;
    while let Some((folder, depth)) = folders.pop() {
        let read = |source| JunitError::Read {
            path: folder.clone(),
            source,
        };
        for entry in std::fs::read_dir(&folder).map_err(read)? {
            let entry = entry.map_err(read)?;
            looked_at += 1;
            if looked_at > MOST_FILES {
                return Err(JunitError::TooLarge);
            }
            let kind = entry.file_type().map_err(read)?;
            if kind.is_dir() && depth < DEEPEST {
                folders.push((entry.path(), depth + 1));
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The files a path means. An artifact that is one file is unpacked under its bare name,
/// one that is a folder with or without the folder itself, so what the path ends in decides.
fn at_path<'a>(folder: &Path, all: &'a [PathBuf], path: &str) -> Vec<&'a PathBuf> {
    let wanted: PathBuf = Path::new(path)
        .components()
        .filter(|part| matches!(part, std::path::Component::Normal(_)))
        .collect();
    if wanted.as_os_str().is_empty() {
        return all.iter().filter(|file| is_xml(file)).collect();
    }
    let inside: Vec<&PathBuf> = all
        .iter()
        .filter(|file| is_xml(file) && file.starts_with(folder.join(&wanted)))
        .collect();
    let exact = folder.join(&wanted);
    if let Some(file) = all.iter().find(|file| **file == exact) {
        return vec![file];
    }
    if !inside.is_empty() {
        return inside;
    }
    if let Some(file) = all.iter().find(|file| file.ends_with(&wanted)) {
        return vec![file];
    }
    let name = wanted.file_name();
    all.iter()
        .filter(|file| file.file_name() == name)
        .take(1)
        .collect()
}

fn relative(folder: &Path, file: &Path) -> String {
    file.strip_prefix(folder)
        .unwrap_or(file)
        .to_string_lossy()
        .into_owned()
}

fn is_xml(file: &Path) -> bool {
    file.extension()
        .is_some_and(|ext| ext.eq_ignore_ascii_case("xml"))
}

/// Reads one file: its test suites, each a map as events.md §4 has it.
pub fn parse(bytes: &[u8]) -> Result<Vec<Value>, JunitError> {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::from_str(text.trim_start_matches('\u{FEFF}'));
    reader.config_mut().expand_empty_elements = true;
    let mut parser = Parser::default();
    loop {
        let event = reader.read_event().map_err(|error| JunitError::Xml {
            at: reader.error_position(),
            reason: error.to_string(),
        })?;
        match event {
            Event::Start(start) => parser.open(&start)?,
            Event::End(_) => parser.close(),
            Event::Text(text) => parser.text(&text.decode().unwrap_or_default()),
            Event::CData(text) => parser.text(&text.decode().unwrap_or_default()),
            Event::GeneralRef(entity) => {
                let name = entity.decode().unwrap_or_default();
                match entity.resolve_char_ref() {
                    Ok(Some(c)) => parser.text(c.encode_utf8(&mut [0; 4])),
                    _ => match quick_xml::escape::resolve_predefined_entity(&name) {
                        Some(text) => parser.text(text),
                        None => parser.text(&format!("&{name};")),
                    },
                }
            }
            Event::Eof if parser.open.is_empty() => break,
            Event::Eof => {
                return Err(JunitError::Xml {
                    at: reader.buffer_position(),
                    reason: "the file ends in the middle".to_owned(),
                });
            }
            Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::Empty(_) => {}
        }
    }
    if parser.seen_root {
        Ok(parser.suites)
    } else {
        Err(JunitError::Nothing)
    }
}

#[derive(Debug, Default)]
struct Parser {
    open: Vec<Element>,
    suites: Vec<Value>,
    cases: usize,
    seen_root: bool,
}

#[derive(Debug)]
enum Element {
    Suite(Suite),
    Case(Map, Vec<Value>, Vec<Value>),
    /// What went wrong in a case: `true` for an error, `false` for a failure.
    Trouble {
        error: bool,
        map: Map,
        text: String,
    },
    Other,
}

#[derive(Debug, Default)]
struct Suite {
    attributes: Map,
    cases: Vec<Value>,
    failed: usize,
    broken: usize,
    has_suites: bool,
}

impl Parser {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), JunitError> {
        if self.open.len() >= DEEPEST {
            return Err(JunitError::TooLarge);
        }
        let local = start.local_name();
        let name = String::from_utf8_lossy(local.as_ref()).into_owned();
        if !self.seen_root && name != "testsuites" && name != "testsuite" {
            return Err(JunitError::OtherXml(name.chars().take(40).collect()));
        }
        self.seen_root = true;
        let parent = self.open.last_mut();
        let element = match (name.as_str(), parent) {
            ("testsuite", parent) => {
                if let Some(Element::Suite(suite)) = parent {
                    suite.has_suites = true;
                }
                Element::Suite(Suite {
                    attributes: suite_attributes(start.attributes()),
                    ..Suite::default()
                })
            }
            ("testcase", _) => {
                self.cases += 1;
                if self.cases > MOST_CASES {
                    return Err(JunitError::TooLarge);
                }
                Element::Case(case_attributes(start.attributes()), Vec::new(), Vec::new())
            }
            ("failure" | "error", Some(Element::Case(..))) => {
                let mut map = Map::new();
                for (name, value) in pairs(start.attributes()) {
                    if name == "message" || name == "type" {
                        map.insert(Value::kw(&name), Value::Str(value));
                    }
                }
                Element::Trouble {
                    error: name == "error",
                    map,
                    text: String::new(),
                }
            }
            ("skipped", Some(Element::Case(map, ..))) => {
                map.insert(Value::kw("skipped"), Value::Bool(true));
                Element::Other
            }
            _ => Element::Other,
        };
        self.open.push(element);
        Ok(())
    }

    fn text(&mut self, more: &str) {
        if let Some(Element::Trouble { text, .. }) = self.open.last_mut() {
            let room = LONGEST_TEXT.saturating_sub(text.len());
            text.extend(more.chars().take(room));
        }
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Element::Trouble {
                error,
                mut map,
                text,
            }) => {
                let text = text.trim();
                if !text.is_empty() {
                    map.insert(Value::kw("description"), text.into());
                }
                if let Some(Element::Case(_, failures, errors)) = self.open.last_mut() {
                    if error { errors } else { failures }.push(Value::Map(map));
                }
            }
            Some(Element::Case(mut map, failures, errors)) => {
                let (failed, broken) = (!failures.is_empty(), !errors.is_empty());
                for (key, list) in [("failures", failures), ("errors", errors)] {
                    if !list.is_empty() {
                        map.insert(Value::kw(key), Value::Vector(list));
                    }
                }
                let suite = self
                    .open
                    .iter_mut()
                    .rev()
                    .find_map(|element| match element {
                        Element::Suite(suite) => Some(suite),
                        _ => None,
                    });
                if let Some(suite) = suite {
                    suite.failed += usize::from(failed);
                    suite.broken += usize::from(broken && !failed);
                    suite.cases.push(Value::Map(map));
                }
            }
            Some(Element::Suite(suite)) => self.suites.extend(suite.finish()),
            Some(Element::Other) | None => {}
        }
    }
}

impl Suite {
    /// The suite as a value. One that only holds other suites is left out: its sums would
    /// count everything twice.
    fn finish(self) -> Option<Value> {
        if self.has_suites && self.cases.is_empty() {
            return None;
        }
        let mut map = self.attributes;
        let counts = [
            ("tests", self.cases.len()),
            ("failures", self.failed),
            ("errors", self.broken),
        ];
        for (key, count) in counts {
            // What the file says itself, or else what is in it; nested cases are not ours.
            if map.get_kw(key).is_none() || self.has_suites {
                map.insert(Value::kw(key), Value::Str(count.to_string()));
            }
        }
        map.insert(Value::kw("test-cases"), Value::Vector(self.cases));
        Some(Value::Map(map))
    }
}

fn suite_attributes(attributes: Attributes<'_>) -> Map {
    let mut map = Map::new();
    for (name, value) in pairs(attributes) {
        if !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        {
            continue;
        }
        let value = match (name.as_str(), seconds(&value)) {
            ("time", Some(seconds)) => Value::Float(seconds),
            ("time", None) => continue,
            _ => Value::Str(value),
        };
        map.insert(Value::kw(&name), value);
    }
    map
}

fn case_attributes(attributes: Attributes<'_>) -> Map {
    let mut map = Map::new();
    for (name, value) in pairs(attributes) {
        match name.as_str() {
            "name" => map.insert(Value::kw("test-case"), Value::Str(value)),
            "classname" => map.insert(Value::kw("class-name"), Value::Str(value)),
            "time" => seconds(&value)
                .and_then(|seconds| map.insert(Value::kw("time"), Value::Float(seconds))),
            "file" | "line" => map.insert(Value::kw(&name), Value::Str(value)),
            _ => None,
        };
    }
    map
}

/// Seconds; some write thousands with a comma.
fn seconds(text: &str) -> Option<f64> {
    let seconds: f64 = text.replace(',', "").trim().parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then_some(seconds)
}

/// Names and values; what is broken is left out, entities that are not predefined stay as
/// they are written.
fn pairs(mut attributes: Attributes<'_>) -> impl Iterator<Item = (String, String)> + '_ {
    attributes.with_checks(false);
    attributes.flatten().map(|attribute| {
        let name = String::from_utf8_lossy(attribute.key.local_name().as_ref()).into_owned();
        let value = match attribute.unescape_value() {
            Ok(value) => value.into_owned(),
            Err(_) => String::from_utf8_lossy(&attribute.value).into_owned(),
        };
        (name, value.chars().take(LONGEST_TEXT).collect())
    })
}

#[cfg(test)]
#[path = "junit_tests.rs"]
mod tests;
