//! EDN files as [`Node`]s. The codec says what is wrong with a text; of one that is right,
//! [`Scanner`] finds the places of collections, and the codec reads the leaves.

use crate::edn::{self, ReadErrorKind, Value};

use super::error::{LoadError, Source};
use super::node::{Kind, Node};

/// Reads the one form of a file; `None` when there is none.
pub(super) fn read(source: Source<'_>) -> Result<Option<Node>, LoadError> {
    match edn::read_str(source.text) {
        Ok(_) => {}
        Err(error) if error.kind == ReadErrorKind::Empty => return Ok(None),
        Err(error) => {
            let message = match error.kind {
                ReadErrorKind::Trailing => {
                    "expected one list of jobs, found a second form".to_owned()
                }
                kind => kind.to_string(),
            };
            return Err(source.fault(error.offset, message));
        }
    }
    let mut scanner = Scanner {
        text: source.text,
        at: 0,
    };
    Ok(scanner.form())
}

/// Walks over a text that is known to be EDN of limited depth. Were it not, places would
/// be wrong, but nothing would break.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    /// The next form; `None` at the end or before a closing bracket.
    fn form(&mut self) -> Option<Node> {
        self.blank();
        let at = self.at;
        let kind = match self.peek()? {
            b')' | b']' | b'}' => return None,
            b'(' | b'[' => Kind::List(self.forms()),
            b'{' => {
                let mut items = self.forms().into_iter();
                let mut pairs = Vec::new();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    pairs.push((key, value));
                }
                Kind::Map(pairs)
            }
            _ => {
                self.skip_form();
                let text = &self.text[at..self.at];
                kind_of(edn::read_str(text).unwrap_or(Value::Nil), at, text)
            }
        };
        Some(Node { at, kind })
    }

    /// The forms up to the bracket that closes the one here.
    fn forms(&mut self) -> Vec<Node> {
        self.step(1);
        let mut items = Vec::new();
        while let Some(item) = self.form() {
            items.push(item);
        }
        self.step(1);
        items
    }

    /// Skips one form of any kind.
    fn skip_form(&mut self) {
        match self.peek() {
            None => {}
            Some(b'"') => self.skip_string(),
            Some(b'(' | b'[' | b'{') => self.skip_forms(),
            Some(b'\\') => {
                self.step(1);
                let c = self.text[self.at..].chars().next();
                self.step(c.map_or(0, char::len_utf8));
                self.skip_token();
            }
            Some(b'^') => {
                // Metadata, and what it is about.
                self.step(1);
                self.blank();
                self.skip_form();
                self.blank();
                self.skip_form();
            }
            Some(b'#') => {
                self.step(1);
                match self.peek() {
                    Some(b'{') => self.skip_forms(),
                    Some(b'#') => self.skip_token(),
                    _ => {
                        // A tag, or the namespace of a map, and its form.
                        self.skip_token();
                        self.blank();
                        self.skip_form();
                    }
                }
            }
            Some(_) => self.skip_token(),
        }
    }

    fn skip_forms(&mut self) {
        self.step(1);
        loop {
            self.blank();
            match self.peek() {
                None => return,
                Some(b')' | b']' | b'}') => return self.step(1),
                Some(_) => {
                    let before = self.at;
                    self.skip_form();
                    if self.at == before {
                        return;
                    }
                }
            }
        }
    }

    fn skip_string(&mut self) {
        self.step(1);
        while let Some(byte) = self.peek() {
            match byte {
                // What is escaped is ASCII, or the codec would have refused it.
                b'\\' => self.step(2),
                b'"' => return self.step(1),
                _ => self.at += 1,
            }
        }
    }

    fn skip_token(&mut self) {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| {
            c.is_whitespace() || matches!(c, ',' | '"' | ';' | '(' | ')' | '[' | ']' | '{' | '}')
        });
        self.at += end.unwrap_or(rest.len());
    }

    /// White space, commas, comments and discarded forms.
    fn blank(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with(';') {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("#_") {
                self.step(2);
                self.blank();
                self.skip_form();
            } else {
                return;
            }
        }
    }

    fn step(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.text.len());
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// A value the codec has read; everything in it is at one place.
fn kind_of(value: Value, at: usize, text: &str) -> Kind {
    let node = |value| Node {
        at,
        kind: kind_of(value, at, text),
    };
    match value {
        Value::Nil => Kind::Null,
        Value::Str(text) => Kind::Str(text),
        Value::List(items) | Value::Vector(items) => {
            Kind::List(items.into_iter().map(node).collect())
        }
        Value::Map(map) => Kind::Map(
            map.iter()
                .map(|(key, value)| (node(key.clone()), node(value.clone())))
                .collect(),
        ),
        value => Kind::Scalar {
            text: text.to_owned(),
            value,
        },
    }
}
