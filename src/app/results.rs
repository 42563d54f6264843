//! What a build has stored by name, what was read through the script API, and one value of it.
//!
//! The rows are those of the build's fold; here is where the user is among them, and the value that is
//! looked at. What was read is told by its name and by who read it, never by its value.

use crate::domain::{JobId, Millis, ReadBy, StoredResult};
use crate::edn;

use super::build_view::{BuildView, Selected};
use super::doc::{DocLine, Part, Role};
use super::page::Page;
use super::{text, tree};

/// Lines longer than this many characters are broken, so that they can be scrolled.
const LONGEST_LINE: usize = 400;

/// Where the user is among the results.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// The row that is selected.
    pub(super) cursor: usize,
    /// The first row on the screen.
    pub top: usize,
    /// The selected value has the whole pane.
    pub open: bool,
    /// The value that is looked at.
    pub value: Option<Looked>,
}

/// A value, as far as it was read.
#[derive(Debug, Clone)]
pub struct Looked {
    /// Its name.
    pub name: String,
    /// When it was stored: a later one of its name is another value.
    time: Option<Millis>,
    /// The request that counts.
    pub(super) generation: u64,
    /// Its lines; `None` while they are read.
    pub page: Option<Page>,
}

/// A row of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultRow<'a> {
    /// Something that was stored.
    Stored(&'a StoredResult),
    /// Something that was read.
    Read(&'a ReadBy),
}

/// The results of what is selected.
pub fn stored(view: &BuildView) -> impl Iterator<Item = &StoredResult> {
    let results = view.build.results.iter();
    results.filter(|result| is_of(&view.selected, result.job_id.as_ref()))
}

/// The results of what is selected, then what was read for it.
pub fn rows(view: &BuildView) -> Vec<ResultRow<'_>> {
    let reads = view.build.reads.iter();
    let reads = reads.filter(|read| is_of(&view.selected, read.job_id.as_ref()));
    stored(view)
        .map(ResultRow::Stored)
        .chain(reads.map(ResultRow::Read))
        .collect()
}

fn is_of(selected: &Selected, job: Option<&JobId>) -> bool {
    match selected {
        Selected::Build => true,
        Selected::Script => job.is_none(),
        Selected::Job(id) => job == Some(id),
    }
}

impl ResultRow<'_> {
    /// What was stored or read: `coverage`, `secret npm-token`.
    pub fn name(&self) -> String {
        match self {
            Self::Stored(result) => result.name.clone(),
            Self::Read(read) => match &read.access.name {
                Some(name) => format!("{} {name}", read.access.what),
                None => read.access.what.clone(),
            },
        }
    }

    /// Who stored it, or read it.
    pub fn by(&self) -> String {
        match self {
            Self::Stored(result) => result
                .job_id
                .as_ref()
                .map_or_else(|| "the script".to_owned(), ToString::to_string),
            Self::Read(read) => match &read.job_id {
                Some(id) if read.access.by == "job" => id.to_string(),
                Some(id) => format!("the {} for {id}", read.access.by),
                None => format!("the {}", read.access.by),
            },
        }
    }

    /// The row as text: what a search looks at.
    pub(super) fn line(&self) -> String {
        let kind = match self {
            Self::Stored(result) => format!("result {}", result.media_type),
            Self::Read(_) => "read".to_owned(),
        };
        text::clean(&format!("{kind} {} {}", self.name(), self.by())).into_owned()
    }
}

impl Results {
    /// The row that is selected, of so many.
    pub fn selected(&self, count: usize) -> usize {
        self.cursor.min(count.saturating_sub(1))
    }

    /// Begins to look at a value; false when it is looked at already.
    pub(super) fn look(&mut self, result: &StoredResult, generation: u64) -> bool {
        let same = |value: &Looked| value.name == result.name && value.time == result.time;
        if self.value.as_ref().is_some_and(same) {
            return false;
        }
        self.value = Some(Looked {
            name: result.name.clone(),
            time: result.time,
            generation,
            page: None,
        });
        true
    }

    /// Takes in what was read; returns whether it was waited for.
    pub(super) fn take(&mut self, generation: u64, lines: Vec<DocLine>) -> bool {
        match &mut self.value {
            Some(value) if value.generation == generation => {
                value.page = Some(Page::new(lines));
                true
            }
            _ => false,
        }
    }
}

/// The lines of a value: EDN and JSON taken apart, other text as it stands, of anything else a
/// sentence. `bytes` are its first ones, `size` how many there are.
pub fn lines(media_type: &str, bytes: &[u8], size: u64) -> Vec<DocLine> {
    let cut = (bytes.len() as u64) < size;
    let Some(words) = readable(bytes, cut) else {
        return vec![DocLine::plain(&format!(
            "{} of {media_type}, which is no text: save it to a file to look at it",
            text::bytes(size)
        ))];
    };
    let mut lines = Vec::new();
    if cut {
        let told = format!(
            "the first {} of {} are shown; saved to a file it is whole",
            text::bytes(bytes.len() as u64),
            text::bytes(size)
        );
        lines.push(DocLine {
            indent: 0,
            parts: vec![Part::Text(Role::Warn, told)],
        });
    }
    let as_text = |words: &str| -> Vec<DocLine> {
        let lines = words.lines();
        lines
            .map(|line| DocLine::plain(&line.replace('\t', "    ")))
            .collect()
    };
    let taken_apart = match media_type {
        _ if cut => None,
        "application/edn" => edn::read_lenient(words).ok().map(|v| tree::lines(&v)),
        "application/json" => serde_json::from_str::<serde_json::Value>(words)
            .and_then(|json| serde_json::to_string_pretty(&json))
            .ok()
            .map(|pretty| as_text(&pretty)),
        _ => None,
    };
    let shown = taken_apart.unwrap_or_else(|| as_text(words));
    lines.extend(shown.into_iter().flat_map(broken));
    if lines.is_empty() {
        lines.push(DocLine::plain("it is empty"));
    }
    lines
}

/// The bytes as text, when they are text: of what was cut, up to the last whole character.
fn readable(bytes: &[u8], cut: bool) -> Option<&str> {
    let words = match std::str::from_utf8(bytes) {
        Ok(words) => words,
        Err(error) if cut && error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    (!words.contains('\0')).then_some(words)
}

/// A long line in pieces.
fn broken(line: DocLine) -> Vec<DocLine> {
    let words = line.text();
    if words.len() <= LONGEST_LINE {
        return vec![line];
    }
    let letters: Vec<char> = words.chars().collect();
    letters
        .chunks(LONGEST_LINE)
        .map(|piece| DocLine::plain(&piece.iter().collect::<String>()))
        .collect()
}
