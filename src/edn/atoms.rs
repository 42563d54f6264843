//! Reading what has no parts: names, numbers, characters, strings.

use std::borrow::Cow;

use super::chars;
use super::reader::{Reader, Result};
use super::{Keyword, ReadErrorKind as Kind, Value, number};

impl Reader<'_> {
    pub(super) fn symbol(&mut self) -> Result<Value> {
        let start = self.at;
        let value = match self.token() {
            "nil" => Value::Nil,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            name if chars::is_symbol(name) => Value::Symbol(name.into()),
            _ => return self.odd_token(start, Kind::Token),
        };
        Ok(value)
    }

    pub(super) fn keyword(&mut self) -> Result<Value> {
        let start = self.at;
        self.at += 1;
        let name = self.token();
        if chars::is_keyword(name) {
            Ok(Value::Keyword(Keyword::new(name)))
        } else {
            self.odd_token(start, Kind::Token)
        }
    }

    pub(super) fn number(&mut self) -> Result<Value> {
        let start = self.at;
        self.pass_atom();
        match number::parse(&self.text[start..self.at]) {
            Some(number) => Ok(number),
            None => self.odd_token(start, Kind::Number),
        }
    }

    pub(super) fn character(&mut self) -> Result<Value> {
        let start = self.at;
        let Some(letter) = self.text[start + 1..].chars().next() else {
            return Err(self.error(start, Kind::Truncated));
        };
        self.at = start + 1 + letter.len_utf8();
        self.pass_token();
        match chars::char_named(&self.text[start + 1..self.at]) {
            Some(letter) => Ok(Value::Char(letter)),
            None => self.odd_token(start, Kind::Char),
        }
    }

    // Strings.

    pub(super) fn string(&mut self) -> Result<Value> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut text = Cow::Borrowed("");
        let mut from = start + 1;
        loop {
            let Some(length) = memchr::memchr2(b'"', b'\\', &bytes[from..]) else {
                return Err(self.error(start, Kind::Unclosed('"')));
            };
            let plain = &self.text[from..from + length];
            if text.is_empty() {
                text = Cow::Borrowed(plain);
            } else {
                text.to_mut().push_str(plain);
            }
            self.at = from + length;
            if bytes[self.at] == b'"' {
                self.at += 1;
                return Ok(Value::Str(text.into_owned()));
            }
            if self.at + 1 == bytes.len() {
                return Err(self.error(start, Kind::Unclosed('"')));
            }
            self.escape(text.to_mut())?;
            from = self.at;
        }
    }

    /// Reads one escape. The lenient reader keeps an unknown one as it stands.
    fn escape(&mut self, text: &mut String) -> Result<()> {
        let start = self.at;
        let plain = match self.byte(start + 1) {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            _ => {
                if let Some((letter, length)) = coded(&self.text[start + 1..]) {
                    let letter = letter.or_else(|| self.lenient.then_some('\u{fffd}'));
                    if let Some(letter) = letter {
                        text.push(letter);
                        self.at = start + 1 + length;
                        return Ok(());
                    }
                }
                if self.lenient {
                    text.push('\\');
                    self.at += 1;
                    return Ok(());
                }
                let shown = self.text[start..].chars().take(2).collect();
                return Err(self.error(start, Kind::Escape(shown)));
            }
        };
        text.push(plain);
        self.at += 2;
        Ok(())
    }
}

/// Reads `uXXXX` (two of them where they are surrogates) or up to three octal digits: the character, which may be none
/// that Rust has, and the length.
fn coded(text: &str) -> Option<(Option<char>, usize)> {
    let unit = |text: &str| -> Option<u32> {
        let digits = text.strip_prefix('u')?.get(..4)?;
        if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            u32::from_str_radix(digits, 16).ok()
        } else {
            None
        }
    };
    if let Some(first) = unit(text) {
        if let (0xd800..0xdc00, Some(second @ 0xdc00..0xe000)) =
            (first, text[5..].strip_prefix('\\').and_then(unit))
        {
            return Some((
                char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)),
                11,
            ));
        }
        return Some((char::from_u32(first), 5));
    }
    let octal: String = text
        .chars()
        .take(3)
        .take_while(|digit| digit.is_digit(8))
        .collect();
    let code = u32::from_str_radix(&octal, 8)
        .ok()
        .filter(|code| *code <= 0o377)?;
    Some((char::from_u32(code), octal.len()))
}
