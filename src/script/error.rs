//! What can be wrong with script files, and how it is shown: file, line, column, the
//! line itself and a caret under the place.

use std::fmt;
use std::path::{Path, PathBuf};

/// A place in a script file. Line and column count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name without its folder.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Why a script could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such folder.
    #[error("there is no script folder {}", dir.display())]
    NoFolder {
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// The folder has none of the files that define jobs.
    #[error(
        "no build script in {}: expected build.yaml, build.yml, build.json, build.edn or build.clj",
        dir.display()
    )]
    NoFiles {
        /// Where they were looked for.
        dir: PathBuf,
    },
    /// A file that is there defines nothing.
    #[error("{file} is empty")]
    Empty {
        /// The file's name.
        file: String,
    },
    /// A file is larger than a script may be.
    #[error("{file} is larger than the {limit} bytes a script file may have")]
    TooLarge {
        /// The file's name.
        file: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file or the folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// What cannot be read.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What a file says is wrong, or no text of its format.
    #[error("{0}")]
    Content(Box<ContentError>),
}

/// A fault in a file, with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ContentError {
    /// Where.
    pub place: Place,
    /// What was expected, and of which job.
    pub message: String,
    /// The line itself, shortened around the place.
    pub excerpt: String,
    /// The column of the place in the excerpt, from 0.
    pub caret: usize,
}

impl fmt::Display for ContentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.place.line.to_string();
        let margin = " ".repeat(number.len());
        write!(f, "{}: {}", self.place, self.message)?;
        if self.excerpt.trim().is_empty() {
            return Ok(());
        }
        write!(f, "\n {margin} |\n {number} | {}", self.excerpt)?;
        write!(f, "\n {margin} | {}^", " ".repeat(self.caret))
    }
}

impl LoadError {
    /// The name of the file it is about, if it is about one.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::Empty { file } | Self::TooLarge { file, .. } => Some(file),
            Self::Content(fault) => Some(&fault.place.file),
            Self::Read { path, .. } => path.file_name().and_then(|name| name.to_str()),
            Self::NoFolder { .. } | Self::NoFiles { .. } => None,
        }
    }

    /// The message and its causes in one text.
    pub fn full_text(&self) -> String {
        use std::error::Error as _;
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

/// How much of a long line is shown before and after the place.
const BEFORE: usize = 50;
const AFTER: usize = 50;

/// A script file's text, for turning byte offsets into places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    /// Where each line begins: places are asked for once a job, of files with 10,000.
    starts: &'a [usize],
}

/// Where the lines of a text begin.
pub(super) fn line_starts(text: &str) -> Vec<usize> {
    let newlines = memchr::memchr_iter(b'\n', text.as_bytes());
    std::iter::once(0)
        .chain(newlines.map(|at| at + 1))
        .collect()
}

/// The name that messages use for a file.
pub(super) fn file_name(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str());
    name.unwrap_or("the script")
}

impl<'a> Source<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str, starts: &'a [usize]) -> Self {
        Self {
            file: file_name(path),
            text,
            starts,
        }
    }

    /// The place of a byte offset; an offset outside the text is its end.
    pub(super) fn place(&self, offset: usize) -> Place {
        let before = self.before(offset);
        let line = self.starts.partition_point(|start| *start <= before.len());
        let start = self.starts.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        Place {
            file: self.file.to_owned(),
            line,
            column: before[start..].chars().count() + 1,
        }
    }

    /// The offset of a line and column, both from 1.
    pub(super) fn offset(&self, line: usize, column: usize) -> usize {
        let Some(&start) = self.starts.get(line.saturating_sub(1)) else {
            return self.text.len();
        };
        let rest = &self.text[start..];
        rest.char_indices()
            .nth(column.saturating_sub(1))
            .map_or(self.text.len(), |(at, _)| start + at)
    }

    /// A fault at a byte offset.
    pub(super) fn fault(&self, offset: usize, message: impl Into<String>) -> LoadError {
        let place = self.place(offset);
        let start = self.offset(place.line, 1);
        let line = self.text[start..].lines().next().unwrap_or("");
        let column = place.column - 1;
        let from = column.saturating_sub(BEFORE);
        let length = line.chars().count();
        let mut excerpt = String::new();
        if from > 0 {
            excerpt.push('…');
        }
        excerpt.extend(
            line.chars()
                .skip(from)
                .take(BEFORE + AFTER)
                .map(|c| match c {
                    '\t' => ' ',
                    c if c.is_control() => '\u{FFFD}',
                    c => c,
                }),
        );
        if length > from + BEFORE + AFTER {
            excerpt.push('…');
        }
        LoadError::Content(Box::new(ContentError {
            place,
            message: message.into(),
            caret: column - from + usize::from(from > 0),
            excerpt,
        }))
    }

    fn before(&self, offset: usize) -> &'a str {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        &self.text[..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "- id: é\n  image: 7\n\n\tx";

    fn source() -> Source<'static> {
        Source {
            file: "build.yaml",
            text: TEXT,
            starts: &[0, 9, 20, 21],
        }
    }

    #[test]
    fn lines_begin_behind_newlines() {
        assert_eq!(line_starts(TEXT), source().starts);
        assert_eq!(line_starts(""), [0]);
    }

    #[test]
    fn a_fault_shows_place_line_and_caret() {
        let at = TEXT.find('7').unwrap();
        assert_eq!(
            source().fault(at, "expected more").to_string(),
            "build.yaml:2:10: expected more\n   |\n 2 |   image: 7\n   |          ^"
        );
    }

    #[test]
    fn offsets_and_places_are_each_others_inverse() {
        for (offset, _) in TEXT.char_indices() {
            let place = source().place(offset);
            assert_eq!(source().offset(place.line, place.column), offset, "{place}");
        }
    }

    #[test]
    fn an_offset_outside_the_text_is_its_end() {
        assert_eq!(source().place(9999).line, 4);
        assert!(
            source()
                .fault(9999, "x")
                .to_string()
                .starts_with("build.yaml:4:3: x")
        );
        assert_eq!(source().offset(99, 99), TEXT.len());
    }

    #[test]
    fn a_long_line_is_shortened_around_the_place() {
        let text = format!("{}!{}", "a".repeat(500), "b".repeat(500));
        let source = Source {
            file: "build.json",
            text: &text,
            starts: &[0],
        };
        let LoadError::Content(fault) = source.fault(500, "here") else {
            panic!("a fault with a place");
        };
        assert!(fault.excerpt.chars().count() <= 102);
        assert_eq!(fault.excerpt.chars().nth(fault.caret), Some('!'));
    }
}
