//! The first file in an exported recording: what it is, and what has to follow.

use serde::{Deserialize, Serialize};

use crate::domain::Sid;

use super::Quota;
use super::error::Fault;

/// The version of the format that this program writes, and the newest it reads.
pub(in crate::store) const VERSION: u64 = 1;
/// Its name in the archive.
pub(super) const NAME: &str = "manifest.json";
/// It has to fit, in bytes.
pub(super) const LONGEST: u64 = 16 << 20;
/// The journal's name.
pub(super) const JOURNAL: &str = "events.edn";

const TYPE: &str = "monkeyci-tui/recording";
/// Files in a recording.
const MOST_FILES: usize = 50_000;
/// Bytes of a file's name, of one part of it, and of a part of a sid.
const LONGEST_NAME: usize = 120;
const LONGEST_ID: usize = 1000;

/// What an exported recording says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    r#type: String,
    version: u64,
    /// The program that wrote it, and its version.
    pub program: String,
    sid: [String; 3],
    /// What follows, in its order.
    pub files: Vec<FileEntry>,
}

/// A file in an exported recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name in the archive.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

/// What a file is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Journal,
    /// File name of a `.log`.
    Log(&'a str),
    /// File name of a `.meta`.
    Meta(&'a str),
    /// Kind (`artifacts`, `results`) and file name.
    Blob(&'a str, &'a str),
    /// Nothing that this version knows.
    Unknown,
}

/// What programs of this version call themselves.
pub(super) fn this_program() -> String {
    concat!("monkeyci-tui ", env!("CARGO_PKG_VERSION")).to_owned()
}

impl Manifest {
    pub(super) fn new(sid: &Sid, files: Vec<FileEntry>) -> Self {
        Self {
            r#type: TYPE.to_owned(),
            version: VERSION,
            program: this_program(),
            sid: [sid.org.clone(), sid.repo.clone(), sid.build.clone()],
            files,
        }
    }

    /// The build.
    pub fn sid(&self) -> Sid {
        let [org, repo, build] = &self.sid;
        Sid::new(org, repo, build)
    }

    /// The names of artifacts (as files) that came with it.
    pub fn artifacts(&self) -> impl Iterator<Item = &FileEntry> {
        let is_artifact =
            |file: &&FileEntry| matches!(part_of(&file.name), Part::Blob("artifacts", _));
        self.files.iter().filter(is_artifact)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("text and numbers can be written");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a manifest that nobody vouches for.
    pub(super) fn read(bytes: &[u8], quota: Quota) -> Result<Self, Fault> {
        let not_one = |reason: &str| Fault::NotOne(reason.to_owned());
        let value: serde_json::Value = serde_json::from_slice(bytes)
            .map_err(|error| Fault::NotOne(format!("its manifest is no JSON: {error}")))?;
        if value.get("type").and_then(|it| it.as_str()) != Some(TYPE) {
            return Err(not_one("its manifest is that of something else"));
        }
        let program = value.get("program").and_then(|it| it.as_str());
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(found) if found > VERSION => {
                let program = shown_program(program.unwrap_or_default());
                return Err(Fault::Newer { program, found });
            }
            Some(1..) => {}
            _ => return Err(not_one("its manifest has no version")),
        }
        let manifest: Self = serde_json::from_value(value)
            .map_err(|error| Fault::NotOne(format!("its manifest is not understood: {error}")))?;
        manifest.check(quota)?;
        Ok(manifest)
    }

    fn check(&self, quota: Quota) -> Result<(), Fault> {
        for part in &self.sid {
            let is_odd = |c: char| c.is_control() || c == '/';
            if part.is_empty() || part.len() > LONGEST_ID || part.contains(is_odd) {
                let shown = part.escape_debug().take(LONGEST_ID).collect::<String>();
                return Err(Fault::Refused(format!("no build is called \"{shown}\"")));
            }
        }
        if self.files.len() > MOST_FILES {
            let reason = format!(
                "it has {} files, and {MOST_FILES} are allowed",
                self.files.len()
            );
            return Err(Fault::Refused(reason));
        }
        let mut total = 0_u64;
        let mut seen = std::collections::HashSet::new();
        for file in &self.files {
            if !is_safe(&file.name) {
                let shown: String = file.name.escape_debug().take(2 * LONGEST_NAME).collect();
                return Err(Fault::Refused(format!(
                    "no file in it may be called \"{shown}\""
                )));
            }
            if !seen.insert(file.name.as_str()) {
                return Err(Fault::Refused(format!("{} is in it twice", file.name)));
            }
            total = total.saturating_add(file.size);
            let (what, most) = match part_of(&file.name) {
                Part::Journal => ("journal", quota.journal()),
                Part::Meta(_) => ("times of a log", quota.times()),
                _ => continue,
            };
            let size = file.size;
            if size > most {
                return Err(Fault::TooLarge { what, size, most });
            }
        }
        let most = quota.total();
        if total > most {
            let (what, size) = ("files", total);
            return Err(Fault::TooLarge { what, size, most });
        }
        if self.files.iter().all(|file| file.name != JOURNAL) {
            return Err(Fault::Damaged("it has no journal".to_owned()));
        }
        Ok(())
    }

    /// The program as people may see it.
    pub(super) fn shown_program(&self) -> String {
        shown_program(&self.program)
    }
}

fn shown_program(program: &str) -> String {
    let is_plain = program.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    match program {
        "" => "another program".to_owned(),
        program if is_plain && program.len() <= LONGEST_NAME => program.to_owned(),
        _ => "a program with an odd name".to_owned(),
    }
}

/// True for `a/b/c` of parts as this program makes them of ids: nothing that means another folder, is hidden, or
/// steers a terminal.
fn is_safe(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~%-".contains(&byte);
    let is_part = |part: &str| {
        !part.is_empty()
            && part.len() <= LONGEST_NAME
            && !part.starts_with('.')
            && part.bytes().all(is_plain)
    };
    name != NAME && name.split('/').count() <= 4 && name.split('/').all(is_part)
}

/// What a file with a safe name is.
pub(super) fn part_of(name: &str) -> Part<'_> {
    let has_stem = |file: &str, ending| {
        file.strip_suffix(ending)
            .is_some_and(|stem| !stem.is_empty())
    };
    match name.split_once('/') {
        None if name == JOURNAL => Part::Journal,
        Some((_, file)) if file.contains('/') => Part::Unknown,
        Some(("logs", file)) if has_stem(file, ".log") => Part::Log(file),
        Some(("logs", file)) if has_stem(file, ".meta") => Part::Meta(file),
        Some((kind @ "artifacts", file)) if has_stem(file, ".tgz") => Part::Blob(kind, file),
        Some((kind @ "results", file)) if has_stem(file, ".result") => Part::Blob(kind, file),
        _ => Part::Unknown,
    }
}

/// Whether a file may be exported under this name.
pub(super) fn may_be_exported(name: &str) -> bool {
    is_safe(name) && part_of(name) != Part::Unknown
}
