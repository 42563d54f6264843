//! JSON files as [`Node`]s. serde_json says what is wrong with a text; of one that is
//! right, [`Scanner`] finds the places, which serde_json does not tell.

use crate::edn::Value;

use super::error::{LoadError, Source};
use super::node::{Kind, Node};

/// Reads one value.
pub(super) fn read(source: Source<'_>) -> Result<Node, LoadError> {
    // A `Value` and not `IgnoredAny`: only then the depth is limited.
    if let Err(error) = serde_json::from_str::<serde_json::Value>(source.text) {
        let message = error.to_string();
        let message = match message.rfind(" at line ") {
            Some(at) => &message[..at],
            None => &message,
        };
        // serde_json counts columns in bytes, and the byte before the fault as 0.
        let line_start = source.offset(error.line(), 1);
        let mut offset = line_start + error.column().saturating_sub(1);
        while offset > 0 && !source.text.is_char_boundary(offset) {
            offset -= 1;
        }
        return Err(source.fault(offset, message));
    }
    let mut scanner = Scanner {
        text: source.text,
        at: 0,
    };
    Ok(scanner.value())
}

/// Walks over a text that is known to be JSON of limited depth.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn value(&mut self) -> Node {
        let first = self.peek();
        let at = self.at;
        let kind = match first {
            Some(b'{') => self.map(),
            Some(b'[') => self.list(),
            Some(b'"') => Kind::Str(self.string()),
            _ => self.scalar(),
        };
        Node { at, kind }
    }

    fn map(&mut self) -> Kind {
        self.at += 1;
        let mut pairs = Vec::new();
        while self.peek() == Some(b'"') {
            let at = self.at;
            let key = Node {
                at,
                kind: Kind::Str(self.string()),
            };
            self.skip(b':');
            pairs.push((key, self.value()));
            self.skip(b',');
        }
        self.skip(b'}');
        Kind::Map(pairs)
    }

    fn list(&mut self) -> Kind {
        self.at += 1;
        let mut items = Vec::new();
        while !matches!(self.peek(), Some(b']') | None) {
            items.push(self.value());
            self.skip(b',');
        }
        self.skip(b']');
        Kind::List(items)
    }

    fn string(&mut self) -> String {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at = (self.at + 1).min(bytes.len());
        serde_json::from_str(&self.text[start..self.at]).unwrap_or_default()
    }

    fn scalar(&mut self) -> Kind {
        let start = self.at;
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}') {
                break;
            }
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        let value = match text {
            "null" => return Kind::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => match text.parse() {
                Ok(int) => Value::Int(int),
                Err(_) => Value::Float(text.parse().unwrap_or(f64::NAN)),
            },
        };
        Kind::Scalar {
            text: text.to_owned(),
            value,
        }
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) {
        if self.peek() == Some(byte) {
            self.at += 1;
        }
    }
}
