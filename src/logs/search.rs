//! Finding text in a log: what `logs --strip` would print, line by line.
//!
//! A search is done in steps with a [`Budget`], so that a frame, or a task that may be cancelled,
//! decides how long one takes; [`Step::Continue`] says where to go on. Steps neither remember
//! anything nor wrap around: the caller does.
//!
//! Smart case: a needle without capitals finds both cases. For a needle of ASCII only the ASCII
//! letters have two cases, otherwise each character's lower-case form is compared. A regular
//! expression is looked for in every line by itself; its capitals are those that stand for
//! themselves, so `\S` is none.

use std::borrow::Cow;
use std::io;
use std::ops::{ControlFlow, Range};

use memchr::{memchr, memchr_iter, memmem};
use regex::{Regex, RegexBuilder};

use super::ansi::{strip_cow, strip_lines};
use super::reader::{Block, LogReader};

/// Which way to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To higher line numbers.
    Forward,
    /// To lower line numbers.
    Backward,
}

/// How much one step may do; it ends after the line that uses it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Lines to look at.
    pub lines: usize,
    /// Bytes to look at.
    pub bytes: usize,
}

impl Budget {
    /// About a millisecond or two of work.
    pub const FRAME: Self = Self {
        lines: 20_000,
        bytes: 2 << 20,
    };
    /// No end but the log's.
    pub const ALL: Self = Self {
        lines: usize::MAX,
        bytes: usize::MAX,
    };

    fn take(&mut self, lines: usize, bytes: usize) {
        self.lines = self.lines.saturating_sub(lines);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn is_used_up(&self) -> bool {
        self.lines == 0 || self.bytes == 0
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// This line matches.
    Found(usize),
    /// No line does, to the end of the log in that direction.
    NotFound,
    /// Used up; go on from this line.
    Continue(usize),
}

/// How a step of counting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Matching lines seen in this step.
    pub lines: usize,
    /// Where to go on; nothing when all were seen.
    pub next: Option<usize>,
}

/// A text, or a regular expression, to look for.
#[derive(Debug, Clone)]
pub struct Search(Pattern);

#[derive(Debug, Clone)]
enum Pattern {
    Literal(Box<Literal>),
    Regex(Box<Expression>),
}

#[derive(Debug, Clone)]
struct Literal {
    needle: String,
    case: Case,
    finder: memmem::Finder<'static>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Exact,
    /// The needle is lower-case ASCII.
    FoldAscii,
    /// The needle is folded by [`fold`].
    FoldUnicode,
}

#[derive(Debug, Clone)]
struct Expression {
    /// For one line.
    line: Regex,
    /// For many lines at once; nothing, where that would not find the same.
    block: Option<regex::bytes::Regex>,
}

/// Why a regular expression is none, with the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl Search {
    /// Looks for a literal text, with smart case. An empty one matches nothing.
    pub fn new(needle: &str) -> Self {
        let (needle, case) = if needle.chars().any(char::is_uppercase) {
            (needle.to_owned(), Case::Exact)
        } else if needle.is_ascii() {
            (needle.to_owned(), Case::FoldAscii)
        } else {
            (fold(needle).0, Case::FoldUnicode)
        };
        Self(Pattern::Literal(Box::new(Literal {
            finder: memmem::Finder::new(needle.as_bytes()).into_owned(),
            needle,
            case,
        })))
    }

    /// Looks for a regular expression, with smart case. An empty one matches nothing.
    pub fn regex(pattern: &str) -> Result<Self, PatternError> {
        if pattern.is_empty() {
            return Ok(Self::new(""));
        }
        let any_case = !has_capitals(pattern);
        let failed = |error: regex::Error| PatternError(error.to_string());
        let line = RegexBuilder::new(pattern)
            .case_insensitive(any_case)
            .build()
            .map_err(failed)?;
        let block = is_of_lines(pattern).then(|| {
            regex::bytes::RegexBuilder::new(pattern)
                .case_insensitive(any_case)
                .multi_line(true)
                .build()
        });
        let block = block.transpose().map_err(failed)?;
        Ok(Self(Pattern::Regex(Box::new(Expression { line, block }))))
    }

    /// Returns whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Pattern::Literal(literal) if literal.needle.is_empty())
    }

    /// Returns whether a text contains what is looked for.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.0 {
            _ if self.is_empty() => false,
            Pattern::Literal(literal) => literal.is_match(text),
            Pattern::Regex(expression) => expression.line.is_match(text),
        }
    }

    /// Returns the matches in a text, as byte ranges that do not overlap.
    pub fn matches_in(&self, text: &str) -> Vec<Range<usize>> {
        match &self.0 {
            _ if self.is_empty() => Vec::new(),
            Pattern::Literal(literal) => literal.matches_in(text),
            Pattern::Regex(expression) => expression
                .line
                .find_iter(text)
                .map(|found| found.range())
                .filter(|range| !range.is_empty())
                .collect(),
        }
    }

    /// Looks for the next matching line, `from` included.
    pub fn find_next(
        &self,
        reader: &LogReader,
        from: usize,
        direction: Direction,
        mut budget: Budget,
    ) -> io::Result<Step> {
        let count = reader.line_count();
        if self.is_empty() || count == 0 || (direction == Direction::Forward && from >= count) {
            return Ok(Step::NotFound);
        }
        let mut line = from.min(count - 1);
        let mut buffer = Vec::new();
        loop {
            let block = reader.block_with(line)?;
            let part = match direction {
                Direction::Forward => line..block.lines.end.min(count),
                Direction::Backward => block.lines.start..line + 1,
            };
            let candidates = self.candidates(&block, part.clone());
            // Only lines that were read one by one count in full; the others cost next to nothing.
            let step = match direction {
                Direction::Forward => {
                    self.first_of(reader, &block, candidates, &mut buffer, &mut budget)?
                }
                Direction::Backward => {
                    self.first_of(reader, &block, candidates.rev(), &mut buffer, &mut budget)?
                }
            };
            match step {
                Outcome::Found(line) => return Ok(Step::Found(line)),
                Outcome::Next => {}
                Outcome::UsedUpAt(at) => match following(at, direction, count) {
                    Some(next) => return Ok(Step::Continue(next)),
                    None => return Ok(Step::NotFound),
                },
            }
            let last = match direction {
                Direction::Forward => part.end - 1,
                Direction::Backward => part.start,
            };
            let Some(next) = following(last, direction, count) else {
                return Ok(Step::NotFound);
            };
            line = next;
            budget.take(0, block.raw.len() / 8);
            if budget.is_used_up() {
                return Ok(Step::Continue(line));
            }
        }
    }

    /// Counts matching lines from a line on.
    pub fn count(&self, reader: &LogReader, from: usize, budget: Budget) -> io::Result<Count> {
        let mut lines = 0;
        let next = self.visit(reader, from, budget, |_, _| {
            lines += 1;
            ControlFlow::Continue(())
        })?;
        Ok(Count { lines, next })
    }

    /// Visits the matching lines from a line on, with what is seen of each, for as long as it is
    /// wanted. Returns where to go on; nothing when there is nothing more to visit.
    pub fn visit(
        &self,
        reader: &LogReader,
        from: usize,
        mut budget: Budget,
        mut visit: impl FnMut(usize, &str) -> ControlFlow<()>,
    ) -> io::Result<Option<usize>> {
        let mut buffer = Vec::new();
        let mut line = from;
        if self.is_empty() {
            return Ok(None);
        }
        while line < reader.line_count() {
            if budget.is_used_up() {
                return Ok(Some(line));
            }
            let block = reader.block_with(line)?;
            for line in self.candidates(&block, line..block.lines.end) {
                let text = line_of(reader, &block, line, &mut buffer)?;
                if self.is_match(&text) && visit(line, &text).is_break() {
                    return Ok(None);
                }
                budget.take(1, buffer.len());
            }
            budget.take(0, block.raw.len() / 8);
            line = block.lines.end;
        }
        Ok(None)
    }

    fn first_of(
        &self,
        reader: &LogReader,
        block: &Block,
        lines: impl Iterator<Item = usize>,
        buffer: &mut Vec<u8>,
        budget: &mut Budget,
    ) -> io::Result<Outcome> {
        for line in lines {
            if self.is_match(&line_of(reader, block, line, buffer)?) {
                return Ok(Outcome::Found(line));
            }
            budget.take(1, buffer.len());
            if budget.is_used_up() {
                return Ok(Outcome::UsedUpAt(line));
            }
        }
        Ok(Outcome::Next)
    }

    /// Returns the lines of a block that may match. Where the bytes are what is seen, and each
    /// line is one piece, looking through all of them at once rules most out.
    fn candidates(&self, block: &Block, part: Range<usize>) -> Candidates {
        let first = part.start - block.lines.start;
        let last = part.end - 1 - block.lines.start;
        if !block.contiguous || block.starts.len() < block.lines.len() || last == first {
            return Candidates::All(part);
        }
        // The last line of the block may go on where other streams have written.
        let sure_end = (block.starts[last].0 - block.base) as usize;
        let bytes = &block.raw[(block.starts[first].0 - block.base) as usize..sure_end];
        let (text, mut lines) = strip_lines(bytes);
        self.0.each_line(&text, &mut |line| lines.push(line));
        if matches!(text, Cow::Owned(_)) {
            lines.sort_unstable();
        }
        for line in &mut lines {
            *line += part.start;
        }
        lines.push(part.end - 1);
        lines.dedup();
        Candidates::Some(lines.into_iter())
    }
}

impl Pattern {
    /// Tells the places of lines that may match, in order, some more than once. The text is UTF-8.
    fn each_line(&self, text: &[u8], tell: &mut dyn FnMut(usize)) {
        match self {
            Self::Literal(literal) => {
                let folded;
                let text = match literal.case {
                    Case::Exact => text,
                    Case::FoldAscii => {
                        folded = text.to_ascii_lowercase();
                        &folded
                    }
                    Case::FoldUnicode => {
                        folded = fold(&String::from_utf8_lossy(text)).0.into_bytes();
                        &folded
                    }
                };
                let mut lines = Newlines::new(text);
                for found in literal.finder.find_iter(text) {
                    tell(lines.before(found));
                }
            }
            Self::Regex(expression) => {
                let mut lines = Newlines::new(text);
                let Some(block) = &expression.block else {
                    (0..=lines.before(text.len())).for_each(tell);
                    return;
                };
                let mut from = 0;
                while let Some(found) = block.find_at(text, from) {
                    tell(lines.before(found.start()));
                    // A match may reach into lines that match by themselves.
                    match memchr(b'\n', &text[found.start()..]) {
                        Some(newline) => from = found.start() + newline + 1,
                        None => break,
                    }
                }
            }
        }
    }
}

/// Counts lines on the way through a text.
struct Newlines<'a> {
    text: &'a [u8],
    at: usize,
    count: usize,
}

impl<'a> Newlines<'a> {
    fn new(text: &'a [u8]) -> Self {
        let (at, count) = (0, 0);
        Self { text, at, count }
    }

    /// How many lines end before a place, which is none before the last that was asked for.
    fn before(&mut self, at: usize) -> usize {
        self.count += memchr_iter(b'\n', &self.text[self.at..at]).count();
        self.at = at;
        self.count
    }
}

impl Literal {
    fn is_match(&self, text: &str) -> bool {
        match self.case {
            Case::Exact => self.finder.find(text.as_bytes()).is_some(),
            Case::FoldAscii => {
                let folded = text.to_ascii_lowercase();
                self.finder.find(folded.as_bytes()).is_some()
            }
            Case::FoldUnicode => self.finder.find(fold(text).0.as_bytes()).is_some(),
        }
    }

    fn matches_in(&self, text: &str) -> Vec<Range<usize>> {
        let find = |folded: &str| -> Vec<Range<usize>> {
            let starts = self.finder.find_iter(folded.as_bytes());
            starts.map(|at| at..at + self.needle.len()).collect()
        };
        match self.case {
            Case::Exact => find(text),
            Case::FoldAscii => find(&text.to_ascii_lowercase()),
            Case::FoldUnicode => {
                let (folded, from) = fold(text);
                let mut ranges = Vec::new();
                for found in find(&folded) {
                    // A match may end inside what one character became; it has the whole of it.
                    let end = from[found.end..]
                        .iter()
                        .find(|at| **at > from[found.end - 1]);
                    ranges.push(from[found.start]..end.copied().unwrap_or(text.len()));
                }
                ranges
            }
        }
    }
}

/// Whether an expression finds in many lines at once what it finds in each: not one that speaks of the beginning or
/// the end of all, or switches off that lines count.
fn is_of_lines(pattern: &str) -> bool {
    let mut groups = pattern.split("(?").skip(1);
    let switches_off = |group: &str| {
        let flags = group.find(|c: char| !c.is_ascii_alphabetic() && c != '-');
        group[..flags.unwrap_or(group.len())].contains('-')
    };
    !pattern.contains(r"\A") && !pattern.contains(r"\z") && !groups.any(switches_off)
}

/// Whether a regular expression has capitals that stand for themselves: not those of `\S`, `\p{Lu}`, `\x{1F}`.
fn has_capitals(pattern: &str) -> bool {
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if c == '\\' {
            let class = rest.next();
            if matches!(class, Some('p' | 'P' | 'x' | 'u' | 'U')) && rest.as_str().starts_with('{')
            {
                let _ = rest.by_ref().find(|c| *c == '}');
            }
        } else if c.is_uppercase() {
            return true;
        }
    }
    false
}

/// What is seen of a line.
fn line_of<'a>(
    reader: &LogReader,
    block: &Block,
    line: usize,
    buffer: &'a mut Vec<u8>,
) -> io::Result<Cow<'a, str>> {
    buffer.clear();
    reader.visit_line(block, line, usize::MAX, |_, bytes| {
        buffer.extend_from_slice(bytes);
    })?;
    Ok(strip_cow(buffer))
}

enum Outcome {
    Found(usize),
    UsedUpAt(usize),
    Next,
}

/// Lines to look at, in order; from either end.
enum Candidates {
    All(Range<usize>),
    Some(std::vec::IntoIter<usize>),
}

impl Iterator for Candidates {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Self::All(lines) => lines.next(),
            Self::Some(lines) => lines.next(),
        }
    }
}

impl DoubleEndedIterator for Candidates {
    fn next_back(&mut self) -> Option<usize> {
        match self {
            Self::All(lines) => lines.next_back(),
            Self::Some(lines) => lines.next_back(),
        }
    }
}

fn following(line: usize, direction: Direction, count: usize) -> Option<usize> {
    match direction {
        Direction::Forward => Some(line + 1).filter(|next| *next < count),
        Direction::Backward => line.checked_sub(1),
    }
}

/// Returns the lower-case form of a text, and for each of its bytes where it came from.
fn fold(text: &str) -> (String, Vec<usize>) {
    let mut folded = String::with_capacity(text.len());
    let mut from = Vec::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        for lower in c.to_lowercase() {
            folded.push(lower);
        }
        from.resize(folded.len(), at);
    }
    (folded, from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_in_the_needle_make_it_exact() {
        assert!(Search::new("error").is_match("An ERROR here"));
        assert!(!Search::new("Error").is_match("An ERROR here"));
        assert!(Search::new("größe").is_match("DIE GRÖßE"));
        assert!(!Search::new("").is_match("anything"));
    }

    #[test]
    fn matches_are_byte_ranges_of_the_text_as_it_is() {
        assert_eq!(Search::new("aa").matches_in("xAaaaA"), [1..3, 3..5]);
        assert_eq!(Search::new("é").matches_in("aÉé"), [1..3, 3..5]);
        // İ becomes two characters in lower case; a match on the first has both.
        for range in Search::new("ä i").matches_in("Ä İx") {
            assert_eq!(range, 0..5);
        }
        assert_eq!(
            Search::new("i\u{307}ä").matches_in("xİÄ").first(),
            Some(&(1..5))
        );
        assert!(Search::new("").matches_in("abc").is_empty());
    }

    #[test]
    fn capitals_of_an_expression_are_those_that_stand_for_themselves() {
        let finds = |pattern: &str, text: &str| Search::regex(pattern).unwrap().is_match(text);
        assert!(finds(r"err(or)?\s+\d", "ERROR 7"));
        assert!(!finds("Error", "ERROR"));
        assert!(finds(r"\S\W\p{Lu}\x{4C}?x", "a-Bx") && finds(r"\Ax", "X"));
        assert!(finds("größe", "GRÖßE"));
        assert!(!finds("", "anything"));
        assert_eq!(
            Search::regex("a*").unwrap().matches_in("baabca"),
            [1..3, 5..6]
        );
        let error = Search::regex("a(").unwrap_err().to_string();
        assert!(error.contains("unclosed group"), "{error}");
    }
}
