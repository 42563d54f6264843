//! Finding the end of a form that is no EDN, without building anything: tags nobody knows, `#"regex"`, `#object[…]`,
//! `#'var`, `@deref`, quotes, whatever a REPL prints.
//!
//! Inside such a form only delimiters, strings, characters and comments matter, so one loop with a stack of closing
//! delimiters does; nothing here is recursive and no text is passed twice.

use super::ReadErrorKind as Kind;
use super::chars::{self, class};
use super::reader::{Reader, Result};

impl Reader<'_> {
    /// Passes one form with all that stands before it (tags, quotes, metadata). Where a closing delimiter comes first,
    /// what there is of the form ends before it.
    pub(super) fn pass_form(&mut self, start: usize, depth: usize) -> Result<()> {
        // Forms that must still come, and tags and quotes passed: both are levels of nesting.
        let mut missing = 1;
        let mut signs = 0;
        while missing > 0 {
            let depth = depth + missing - 1 + signs;
            if depth > self.max_depth() {
                return Err(self.too_deep(start));
            }
            let end = self.at;
            self.skip_blank();
            let at = self.at;
            let Some(first) = self.byte(at) else {
                return Err(self.error(start, Kind::Truncated));
            };
            match first {
                b')' | b']' | b'}' => {
                    self.at = end;
                    return Ok(());
                }
                b'(' | b'[' | b'{' => {
                    self.pass_nested(start, depth)?;
                    missing -= 1;
                }
                b'"' => {
                    self.pass_string()?;
                    missing -= 1;
                }
                b'\\' => {
                    self.pass_character(start)?;
                    self.pass_token();
                    missing -= 1;
                }
                b'^' => {
                    self.at += 1;
                    missing += 1;
                }
                b'\'' | b'`' | b'~' | b'@' => {
                    self.at += 1;
                    signs += 1;
                    missing -= usize::from(self.at_gap());
                }
                b'#' => {
                    let before = missing;
                    missing = self.pass_dispatch(missing);
                    signs += usize::from(missing == before);
                }
                _ => {
                    self.pass_atom();
                    missing -= 1;
                }
            }
        }
        Ok(())
    }

    /// Passes `#` and what belongs to it, and returns how many forms are missing then.
    fn pass_dispatch(&mut self, missing: usize) -> usize {
        self.at += 1;
        if self.at_gap() {
            return missing - 1;
        }
        match self.byte(self.at) {
            // The form follows directly.
            Some(b'"' | b'(' | b'[' | b'{') => missing,
            Some(b'_' | b'^') => {
                self.at += 1;
                missing + 1
            }
            Some(b'#') => {
                self.at += 1;
                let alone = self.at;
                self.skip_blank();
                let (gap, name) = (self.at > alone, self.at);
                self.pass_token();
                if gap && !matches!(&self.text[name..self.at], "Inf" | "-Inf" | "NaN") {
                    self.at = alone;
                }
                missing - 1
            }
            Some(b'<') => {
                self.pass_angles();
                missing - 1
            }
            Some(b'\'' | b'=' | b'?' | b'@') => {
                self.at += 1;
                if self.byte(self.at) == Some(b'@') {
                    self.at += 1;
                }
                missing - usize::from(self.at_gap())
            }
            // A tag. What nothing can be made of (`#\a`) was a sign on its own.
            _ => {
                let tag = self.at;
                self.pass_token();
                if self.at > tag { missing } else { missing - 1 }
            }
        }
    }

    /// Whether the next thing does not belong to a sign directly before it.
    fn at_gap(&self) -> bool {
        match self.byte(self.at) {
            None | Some(b')' | b']' | b'}' | b';') => true,
            Some(byte) => chars::is(byte, class::BLANK),
        }
    }

    /// Passes `<…>` where it ends on the same line, else the token: old unreadable forms.
    fn pass_angles(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let line = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let mut open = 0_usize;
        for at in memchr::memchr2_iter(b'<', b'>', &rest[..line]) {
            open = if rest[at] == b'<' { open + 1 } else { open - 1 };
            if open == 0 {
                self.at += at + 1;
                return;
            }
        }
        self.pass_token();
    }

    /// Passes a collection whatever is in it.
    fn pass_nested(&mut self, start: usize, depth: usize) -> Result<()> {
        let bytes = self.text.as_bytes();
        let mut opened: Vec<(usize, u8)> = Vec::new();
        loop {
            let Some(length) = bytes[self.at..]
                .iter()
                .position(|byte| chars::is(*byte, class::NESTING))
            else {
                let (at, open) = opened.last().copied().unwrap_or((start, b'('));
                return Err(self.error(at, Kind::Unclosed(open.into())));
            };
            self.at += length;
            match bytes[self.at] {
                open @ (b'(' | b'[' | b'{') => {
                    if depth + opened.len() >= self.max_depth() {
                        return Err(self.too_deep(start));
                    }
                    opened.push((self.at, open));
                    self.at += 1;
                }
                found @ (b')' | b']' | b'}') => {
                    if let Some((_, open)) = opened.pop() {
                        self.close(open, found)?;
                    }
                    if opened.is_empty() {
                        return Ok(());
                    }
                }
                b'"' => self.pass_string()?,
                b'\\' => self.pass_character(self.at)?,
                _ => self.skip_blank(),
            }
        }
    }

    /// Passes the backslash and one character.
    fn pass_character(&mut self, start: usize) -> Result<()> {
        match self.text[self.at + 1..].chars().next() {
            Some(letter) => self.at += 1 + letter.len_utf8(),
            None => return Err(self.error(start, Kind::Truncated)),
        }
        Ok(())
    }

    fn pass_string(&mut self) -> Result<()> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        while let Some(length) = bytes
            .get(self.at..)
            .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
        {
            self.at += length;
            if bytes[self.at] == b'"' {
                self.at += 1;
                return Ok(());
            }
            self.at += 2;
        }
        self.at = bytes.len();
        Err(self.error(start, Kind::Unclosed('"')))
    }
}
