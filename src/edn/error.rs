//! What can go wrong, with its place.

use std::fmt;

use serde::{de, ser};

/// Why text could not be read, and where. The place is that of the form at fault (for one that is never closed: where it
/// was opened), not where the reader gave up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at line {line}, column {column}")]
pub struct ReadError {
    /// What is wrong.
    pub kind: ReadErrorKind,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Offset in bytes, from 0.
    pub offset: usize,
}

/// What is wrong with the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadErrorKind {
    /// Nothing but blanks and comments.
    #[error("nothing to read")]
    Empty,
    /// A collection or a string that the input ends in.
    #[error("this `{0}` is never closed")]
    Unclosed(char),
    /// The input ends where a form is due, after a tag for example.
    #[error("the input ends in the middle of a form")]
    Truncated,
    /// A closing delimiter that nothing opened.
    #[error("`{0}` closes nothing")]
    UnmatchedClose(char),
    /// A closing delimiter of the wrong kind.
    #[error("`{found}` where `{expected}` was expected")]
    WrongClose {
        /// What is there.
        found: char,
        /// What closes the collection.
        expected: char,
    },
    /// More after the one form.
    #[error("more text after the end of the form")]
    Trailing,
    /// Nested deeper than [`Limits::max_depth`](super::Limits::max_depth).
    #[error("nested more than {0} deep")]
    TooDeep(usize),
    /// More bytes than [`Limits::max_bytes`](super::Limits::max_bytes).
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    /// Bytes that are not UTF-8.
    #[error("not UTF-8 text")]
    NotUtf8,
    /// Not a symbol, a keyword, …
    #[error("unreadable token `{0}`")]
    Token(String),
    /// Starts as a number and is none.
    #[error("unreadable number `{0}`")]
    Number(String),
    /// No character has this name.
    #[error("unknown character `{0}`")]
    Char(String),
    /// A backslash with something unknown behind it in a string.
    #[error("unknown escape `{0}` in a string")]
    Escape(String),
    /// A form is due, and the collection ends.
    #[error("`{0}` with nothing after it")]
    Dangling(String),
    /// A key without a value.
    #[error("a map with a key and no value")]
    OddMap,
    /// A key that is there twice.
    #[error("duplicate key {0}")]
    DuplicateKey(String),
    /// A set's member that is there twice.
    #[error("duplicate set member {0}")]
    DuplicateMember(String),
    /// A tag other than `#inst` and `#uuid`.
    #[error("unknown tag `{0}`")]
    Tag(String),
    /// A date or a UUID that is none.
    #[error("not a valid #{0}")]
    Tagged(String),
    /// `^meta` that is no metadata, or before a value that takes none.
    #[error("misplaced metadata")]
    Meta,
    /// `#:ns` that is no namespace, or no map after it.
    #[error("not a namespaced map")]
    NamespacedMap,
}

impl ReadError {
    pub(super) fn at(text: &str, offset: usize, kind: ReadErrorKind) -> Self {
        let before = &text.as_bytes()[..offset];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let column = String::from_utf8_lossy(&before[line_start..])
            .chars()
            .count()
            + 1;
        Self {
            kind,
            line,
            column,
            offset,
        }
    }

    /// Whether the input ends too early: more input could have made it readable. So looks the torn tail of a file.
    pub fn is_incomplete(&self) -> bool {
        matches!(
            self.kind,
            ReadErrorKind::Unclosed(_) | ReadErrorKind::Truncated
        )
    }
}

/// Why a Rust value could not be made from EDN, or EDN from a Rust value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SerdeError {
    /// The text is not EDN.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The value has not the shape that is wanted.
    #[error("{}{message}", PathPrefix(.path))]
    Shape {
        /// Keys and positions from the outside in: `job`, `caches`, `0`.
        path: Vec<String>,
        /// What is wrong there.
        message: String,
    },
}

impl SerdeError {
    pub(super) fn inside(self, segment: impl FnOnce() -> String) -> Self {
        match self {
            Self::Shape { mut path, message } => {
                path.insert(0, segment());
                Self::Shape { path, message }
            }
            read @ Self::Read(_) => read,
        }
    }
}

struct PathPrefix<'a>(&'a [String]);

impl fmt::Display for PathPrefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, "{}: ", self.0.join(" "))
        }
    }
}

impl de::Error for SerdeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Shape {
            path: Vec::new(),
            message: message.to_string(),
        }
    }
}

impl ser::Error for SerdeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        <Self as de::Error>::custom(message)
    }
}
