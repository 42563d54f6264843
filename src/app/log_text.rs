//! A styled line cut to the columns of a pane: sideways, or wrapped as a terminal wraps.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::logs::{Style, StyledLine};

/// Text of one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// What its program asked for.
    pub style: Style,
    /// It is what was searched for.
    pub hit: bool,
}

/// Takes a line apart; `hits` are ranges of bytes of its text, in order.
pub fn pieces(line: &StyledLine, hits: &[Range<usize>]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for span in &line.spans {
        let end = start + span.text.len();
        let mut at = start;
        for hit in hits.iter().filter(|hit| hit.start < end && hit.end > start) {
            let from = hit.start.max(start);
            let to = hit.end.min(end);
            for (range, is_hit) in [(at..from, false), (from..to, true)] {
                // A range that cuts a character apart marks nothing.
                if let Some(text) = span.text.get(range.start - start..range.end - start) {
                    push(&mut pieces, text.to_owned(), span.style, is_hit);
                }
            }
            at = to;
        }
        push(
            &mut pieces,
            span.text[at - start..].to_owned(),
            span.style,
            false,
        );
        start = end;
    }
    pieces
}

/// Returns what is seen of a line from a column on, at most `columns` wide. A wide character that
/// is cut in half is left out.
pub fn cut(line: &[Piece], from: usize, columns: usize) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut at = 0;
    for piece in line {
        let mut text = String::new();
        for grapheme in piece.text.graphemes(true) {
            let wide = grapheme.width();
            if at + wide > from + columns {
                push(&mut out, text, piece.style, piece.hit);
                return out;
            }
            if at >= from {
                text.push_str(grapheme);
            } else if at + wide > from {
                // The right half of a wide character: its column stays empty.
                text.push_str(&" ".repeat(at + wide - from));
            }
            at += wide;
        }
        push(&mut out, text, piece.style, piece.hit);
    }
    out
}

/// Returns a row of a wrapped line, counted from 0.
pub fn wrapped(line: &[Piece], row: usize, columns: usize) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut walk = Walk::new(columns);
    for piece in line {
        let mut text = String::new();
        for grapheme in piece.text.graphemes(true) {
            walk.step(grapheme.width());
            if walk.row > row {
                push(&mut out, text, piece.style, piece.hit);
                return out;
            }
            if walk.row == row {
                text.push_str(grapheme);
            }
        }
        push(&mut out, text, piece.style, piece.hit);
    }
    out
}

/// Returns how many rows a line takes when it is wrapped; at least one.
pub fn rows(line: &StyledLine, columns: usize) -> usize {
    let mut walk = Walk::new(columns);
    for span in &line.spans {
        if span.text.is_ascii() {
            // The common case without a look at every character.
            walk.many(span.text.len());
            continue;
        }
        for grapheme in span.text.graphemes(true) {
            walk.step(grapheme.width());
        }
    }
    walk.row + 1
}

fn push(pieces: &mut Vec<Piece>, text: String, style: Style, hit: bool) {
    if !text.is_empty() {
        pieces.push(Piece { text, style, hit });
    }
}

/// Where the next character of a wrapped line goes.
struct Walk {
    columns: usize,
    row: usize,
    used: usize,
}

impl Walk {
    fn new(columns: usize) -> Self {
        Self {
            columns: columns.max(2),
            row: 0,
            used: 0,
        }
    }

    fn step(&mut self, wide: usize) {
        if self.used + wide > self.columns {
            self.row += 1;
            self.used = 0;
        }
        self.used += wide;
    }

    fn many(&mut self, count: usize) {
        let all = self.used + count;
        if count > 0 && all > self.columns {
            self.row += (all - 1) / self.columns;
            self.used = (all - 1) % self.columns + 1;
        } else {
            self.used = all;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::Span;
    use proptest::prelude::*;

    fn line(parts: &[&str]) -> StyledLine {
        StyledLine {
            spans: parts
                .iter()
                .map(|text| Span {
                    text: (*text).to_owned(),
                    ..Span::default()
                })
                .collect(),
            cut: false,
        }
    }

    fn text(pieces: &[Piece]) -> String {
        pieces.iter().map(|piece| piece.text.as_str()).collect()
    }

    #[test]
    fn a_line_is_cut_by_columns_not_by_characters() {
        let line = pieces(&line(&["ab日", "本cd"]), &[]);
        assert_eq!(text(&cut(&line, 0, 4)), "ab日");
        assert_eq!(text(&cut(&line, 0, 5)), "ab日");
        assert_eq!(text(&cut(&line, 3, 4)), " 本c");
        assert_eq!(text(&cut(&line, 90, 4)), "");
    }

    #[test]
    fn hits_are_marked_across_spans_and_nothing_is_lost() {
        let line = line(&["one t", "wo three"]);
        let marked = pieces(&line, &[4..7, 8..9]);
        assert_eq!(text(&marked), "one two three");
        let hits: Vec<&str> = marked
            .iter()
            .filter(|piece| piece.hit)
            .map(|piece| piece.text.as_str())
            .collect();
        assert_eq!(hits, ["t", "wo", "t"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn wrapped_rows_together_are_the_line(parts in prop::collection::vec("[a-c日 é]{0,12}", 0..4), columns in 2usize..9) {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let line = line(&parts);
            let count = rows(&line, columns);
            let whole = line.text();
            let line = pieces(&line, &[]);
            let all: Vec<String> = (0..count).map(|row| text(&wrapped(&line, row, columns))).collect();
            prop_assert_eq!(all.concat(), whole);
            for row in &all {
                prop_assert!(row.width() <= columns);
            }
            prop_assert_eq!(text(&wrapped(&line, count, columns)), "");
        }
    }
}
