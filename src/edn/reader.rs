//! The parser: one walk over the text for both readers.
//!
//! `Reader::next_form` reads one form; it is recursive, and the depth limit keeps the recursion shallow. Where the lenient
//! reader meets what is no EDN it goes back to the start of that form, has `opaque.rs` find its end without building
//! anything, and keeps the source text.

use std::iter::FusedIterator;
use std::mem;

use super::chars::{self, class};
use super::collections::Opened;
use super::{ReadError, ReadErrorKind as Kind, Value};

/// How much a reader takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Levels of nesting; tags, metadata and `#_` count as one each. Never more than [`Limits::DEEPEST`].
    pub max_depth: usize,
    /// Size of the whole input in bytes.
    pub max_bytes: usize,
}

impl Limits {
    /// Where the stack of a small thread is still far away.
    pub const DEEPEST: usize = 256;
}

impl Default for Limits {
    /// 128 levels, 64 MiB.
    fn default() -> Self {
        Self {
            max_depth: 128,
            max_bytes: 64 << 20,
        }
    }
}

/// Reads exactly one form of strict EDN.
pub fn read_str(text: &str) -> Result<Value> {
    Reader::strict(text).read_one()
}

/// Reads exactly one form of strict EDN from bytes.
pub fn read_bytes(bytes: &[u8]) -> Result<Value> {
    match std::str::from_utf8(bytes) {
        Ok(text) => read_str(text),
        Err(error) => {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            Err(ReadError::at(&good, good.len(), Kind::NotUtf8))
        }
    }
}

/// Reads exactly one form of whatever Clojure prints.
pub fn read_lenient(text: &str) -> Result<Value> {
    Reader::lenient(text).read_one()
}

/// Reads exactly one form of whatever Clojure prints. Bytes that are not UTF-8 become U+FFFD.
pub fn read_lenient_bytes(bytes: &[u8]) -> Result<Value> {
    if bytes.len() > Limits::default().max_bytes {
        return Err(ReadError::at(
            "",
            0,
            Kind::TooLarge(Limits::default().max_bytes),
        ));
    }
    read_lenient(&String::from_utf8_lossy(bytes))
}

/// Reads all forms, leniently.
pub fn read_all_lenient(text: &str) -> Result<Vec<Value>> {
    forms(text)
        .map(|form| form.map(|form| form.value))
        .collect()
}

/// Reads form by form, leniently. After an error there is nothing more; what came before it stands.
pub fn forms(text: &str) -> Reader<'_> {
    Reader::lenient(text)
}

/// One form of several, and where it stands in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// What it says.
    pub value: Value,
    /// Offset of its first byte.
    pub start: usize,
    /// Offset behind its last byte.
    pub end: usize,
}

/// Reads one form after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) lenient: bool,
    limits: Limits,
    done: bool,
}

pub(super) type Result<T> = std::result::Result<T, ReadError>;

/// What comes next on one level of nesting.
pub(super) enum Next {
    Form(Value),
    /// A closing delimiter, still unread.
    Close(u8),
    End,
}

impl<'a> Reader<'a> {
    /// Takes what `clojure.edn` takes.
    pub fn strict(text: &'a str) -> Self {
        Self::new(text, false)
    }

    /// Takes whatever Clojure prints.
    pub fn lenient(text: &'a str) -> Self {
        Self::new(text, true)
    }

    fn new(text: &'a str, lenient: bool) -> Self {
        let at = if text.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        Self {
            text,
            at,
            lenient,
            limits: Limits::default(),
            done: false,
        }
    }

    /// With other limits than the usual ones.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Limits {
            max_depth: limits.max_depth.min(Limits::DEEPEST),
            ..limits
        };
        self
    }

    /// Offset of the first byte that is not read yet.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Reads the one form that the text has; more than one is an error, none too.
    pub fn read_one(mut self) -> Result<Value> {
        let Some(form) = self.top_form()? else {
            return Err(self.error(self.at, Kind::Empty));
        };
        self.skip_blank();
        let rest = self.at;
        match self.next_form(0)? {
            Next::End => Ok(form.value),
            Next::Close(close) => Err(self.error(self.at, Kind::UnmatchedClose(close.into()))),
            Next::Form(_) => Err(self.error(rest, Kind::Trailing)),
        }
    }

    fn top_form(&mut self) -> Result<Option<Form>> {
        if self.text.len() > self.limits.max_bytes {
            return Err(self.error(0, Kind::TooLarge(self.limits.max_bytes)));
        }
        self.skip_blank();
        let start = self.at;
        match self.next_form(0)? {
            Next::Form(value) => Ok(Some(Form {
                value,
                start,
                end: self.at,
            })),
            Next::Close(close) => Err(self.error(self.at, Kind::UnmatchedClose(close.into()))),
            Next::End => Ok(None),
        }
    }

    pub(super) fn next_form(&mut self, depth: usize) -> Result<Next> {
        loop {
            self.skip_blank();
            let start = self.at;
            let Some(first) = self.byte(start) else {
                return Ok(Next::End);
            };
            let value = match first {
                b'"' => self.string()?,
                b':' => self.keyword()?,
                b'0'..=b'9' | b'+' | b'-' if self.at_number() => self.number()?,
                b'(' => self.collection(Opened::List, depth)?,
                b'[' => self.collection(Opened::Vector, depth)?,
                b'{' => self.map(start, depth)?,
                b')' | b']' | b'}' => return Ok(Next::Close(first)),
                b'\\' => self.character()?,
                b'#' => match self.dispatch(depth)? {
                    Some(value) => value,
                    None => continue,
                },
                b'^' => self.after_metadata(start, start + 1, depth)?,
                b'\'' | b'@' | b'`' | b'~' => {
                    self.pass_token();
                    self.odd(start, depth, |text| Kind::Token(text.into()))?
                }
                _ => self.symbol()?,
            };
            return Ok(Next::Form(value));
        }
    }

    // Blanks and tokens.

    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// Passes blanks, commas and comments.
    pub(super) fn skip_blank(&mut self) {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if chars::is(byte, class::BLANK) {
                self.at += 1;
            } else if byte == b';' {
                let comment = &bytes[self.at..];
                self.at += memchr::memchr2(b'\n', b'\r', comment).unwrap_or(comment.len());
            } else if let Some(length) = self.wide_blank(byte) {
                self.at += length;
            } else {
                return;
            }
        }
    }

    fn wide_blank(&self, byte: u8) -> Option<usize> {
        if !chars::is(byte, class::MAYBE_BLANK) {
            return None;
        }
        let letter = self.text[self.at..]
            .chars()
            .next()
            .filter(|letter| chars::is_wide_blank(*letter))?;
        Some(letter.len_utf8())
    }

    /// Passes everything up to the end of the token; may be nothing.
    pub(super) fn pass_token(&mut self) {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if chars::is(byte, class::ENDS_TOKEN | class::MAYBE_BLANK)
                && (chars::is(byte, class::ENDS_TOKEN) || self.wide_blank(byte).is_some())
            {
                return;
            }
            self.at += 1;
        }
    }

    /// Whether a token starts here that is a number or nothing.
    fn at_number(&self) -> bool {
        let is_digit = |at| self.byte(at).is_some_and(|byte| byte.is_ascii_digit());
        is_digit(self.at)
            || (matches!(self.byte(self.at), Some(b'+' | b'-')) && is_digit(self.at + 1))
    }

    /// Passes a symbol, keyword or number. Unlike in the others, `#` starts something new behind a number.
    pub(super) fn pass_atom(&mut self) {
        let start = self.at;
        let is_number = self.at_number();
        self.pass_token();
        if is_number
            && let Some(length) = memchr::memchr(b'#', &self.text.as_bytes()[start..self.at])
        {
            self.at = start + length;
        }
    }

    pub(super) fn token(&mut self) -> &'a str {
        let start = self.at;
        self.pass_token();
        &self.text[start..self.at]
    }

    pub(super) fn deeper(&self, start: usize, depth: usize) -> Result<usize> {
        if depth < self.limits.max_depth {
            Ok(depth + 1)
        } else {
            Err(self.too_deep(start))
        }
    }

    pub(super) fn too_deep(&self, start: usize) -> ReadError {
        self.error(start, Kind::TooDeep(self.limits.max_depth))
    }

    pub(super) fn max_depth(&self) -> usize {
        self.limits.max_depth
    }

    // What is no EDN.

    /// The token from `start` is unreadable.
    pub(super) fn odd_token(
        &self,
        start: usize,
        kind: impl FnOnce(String) -> Kind,
    ) -> Result<Value> {
        if self.lenient {
            return Ok(self.source_from(start));
        }
        Err(self.error(start, kind(excerpt(&self.text[start..self.at]))))
    }

    /// The form from `start` is no EDN: an error, or its text. The error may name what has been passed so far.
    pub(super) fn odd(
        &mut self,
        start: usize,
        depth: usize,
        kind: impl FnOnce(&str) -> Kind,
    ) -> Result<Value> {
        if !self.lenient {
            return Err(self.error(start, kind(&excerpt(&self.text[start..self.at]))));
        }
        self.at = start;
        self.pass_form(start, depth)?;
        Ok(self.source_from(start))
    }

    pub(super) fn source_from(&self, start: usize) -> Value {
        Value::Str(self.text[start..self.at].to_owned())
    }

    pub(super) fn error(&self, offset: usize, kind: Kind) -> ReadError {
        ReadError::at(self.text, offset, kind)
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Form>;

    fn next(&mut self) -> Option<Self::Item> {
        if mem::replace(&mut self.done, true) {
            return None;
        }
        let form = self.top_form();
        self.done = !matches!(form, Ok(Some(_)));
        form.transpose()
    }
}

impl FusedIterator for Reader<'_> {}

/// Enough of a text to recognise it in a message.
pub(super) fn excerpt(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}
