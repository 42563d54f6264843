//! What a terminal would show of one line's bytes.
//!
//! Colours and attributes become styles; a carriage return, a backspace, tabs, erasing and moving
//! within the line do what they do in a terminal; titles, links, queries and movement to other lines
//! are swallowed. No control character ever comes out, nor one that turns the direction of text.
//! Bytes that are no UTF-8 come out as U+FFFD.
//!
//! Time grows linearly with the bytes whatever they say: moves that leave a hole and erasing to the
//! left draw on a budget, see `Machine::spend`.
//!
//! [`render`] and [`strip`] are the ways in, `Machine` the state machine.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

use super::sgr::Params;
use super::style::{Span, Style, StyledLine};

const TAB: usize = 8;
/// A move to the right stops here, or where the text ends if that is further: a line has no width
/// of its own to stop at.
const MAX_JUMP: usize = 1024;
const REPLACEMENT: char = '\u{fffd}';

/// What a terminal carries over from line to line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AnsiState {
    /// The style of the next character.
    pub style: Style,
}

/// Renders a line (without its newline), at most its first `max_cols` columns.
pub fn render(bytes: &[u8], max_cols: usize) -> StyledLine {
    render_from(bytes, max_cols, &mut AnsiState::default())
}

/// Renders a line that starts with what the one before left, and leaves the same for the next.
pub fn render_from(bytes: &[u8], max_cols: usize, state: &mut AnsiState) -> StyledLine {
    if is_printable_ascii(bytes) {
        let shown = &bytes[..bytes.len().min(max_cols)];
        let text = String::from_utf8_lossy(shown).into_owned();
        let style = state.style;
        return StyledLine {
            spans: if text.is_empty() {
                Vec::new()
            } else {
                vec![Span { text, style }]
            },
            cut: shown.len() < bytes.len(),
        };
    }
    let mut machine = Machine::new(max_cols, bytes.len(), state.style);
    machine.run(bytes);
    state.style = machine.style;
    machine.finish()
}

/// Returns what is seen of a line, without styles: what search looks at and `logs --strip` prints.
pub fn strip(bytes: &[u8]) -> String {
    strip_cow(bytes).into_owned()
}

/// As [`strip`], without a copy for the many lines that have nothing special.
pub fn strip_cow(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && (is_printable_ascii(bytes) || !text.chars().any(is_special))
    {
        return Cow::Borrowed(text);
    }
    let text = strip_colors(bytes).unwrap_or_else(|| strip_anything(bytes));
    Cow::Owned(text)
}

fn strip_anything(bytes: &[u8]) -> String {
    let mut machine = Machine::new(usize::MAX, bytes.len(), Style::default());
    machine.run(bytes);
    machine.text()
}

fn strip_colors(bytes: &[u8]) -> Option<String> {
    let mut text = Vec::with_capacity(bytes.len());
    strip_colors_into(bytes, &mut text)?;
    String::from_utf8(text).ok()
}

/// Strips a line that has colours and nothing else: most of those that are not plain, and
/// searching goes through all of them. `None` for any other line, of which some may have been
/// appended.
fn strip_colors_into(bytes: &[u8], text: &mut Vec<u8>) -> Option<()> {
    let mut rest = bytes;
    loop {
        let end = memchr::memchr(0x1b, rest).unwrap_or(rest.len());
        let (seen, sequence) = rest.split_at(end);
        if !is_printable_ascii(seen) {
            return None;
        }
        text.extend_from_slice(seen);
        if sequence.is_empty() {
            return Some(());
        }
        let params = sequence.strip_prefix(b"\x1b[")?;
        let last = params
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':'))?;
        rest = params[last..].strip_prefix(b"m")?;
    }
}

/// Many lines as they are seen, at once; each but the last ends with its newline. Lines for which that
/// takes more are empty, and named by their place. What comes back is UTF-8.
pub(super) fn strip_lines(bytes: &[u8]) -> (Cow<'_, [u8]>, Vec<usize>) {
    if bytes.iter().all(|byte| matches!(byte, b'\n' | 0x20..=0x7e)) {
        return (Cow::Borrowed(bytes), Vec::new());
    }
    let mut text = Vec::with_capacity(bytes.len());
    let mut odd = Vec::new();
    let mut rest = bytes;
    for place in 0.. {
        let newline = memchr::memchr(b'\n', rest);
        let line = &rest[..newline.unwrap_or(rest.len())];
        let start = text.len();
        if strip_colors_into(line, &mut text).is_none() {
            text.truncate(start);
            match std::str::from_utf8(line) {
                Ok(seen) if !seen.chars().any(is_special) => text.extend_from_slice(line),
                _ => odd.push(place),
            }
        }
        match newline {
            Some(newline) => rest = &rest[newline + 1..],
            None => break,
        }
        text.push(b'\n');
    }
    (Cow::Owned(text), odd)
}

/// Whether the bytes are what is seen of them, one column each.
pub(super) fn is_printable_ascii(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, 0x20..=0x7e))
}

/// Whether a character does something other than appear.
fn is_special(c: char) -> bool {
    c.is_control() || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Characters that would change how their neighbours are laid out, and show nothing themselves.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

/// One column of the line.
#[derive(Debug, Clone)]
struct Cell {
    /// The character; in the second column of a wide one it is [`Cell::REST`].
    c: char,
    style: Style,
    /// Combining marks and other characters without a width of their own.
    #[expect(clippy::box_collection, reason = "rare, and it keeps a cell small")]
    marks: Option<Box<String>>,
}

impl Cell {
    /// The right half of a wide character; no text has it (it is a control character).
    const REST: char = '\0';

    fn blank(style: Style) -> Self {
        Self {
            c: ' ',
            style,
            marks: None,
        }
    }
}

/// Where in a control sequence the machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Text,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate: one more character.
    EscapeMore,
    /// In a control sequence, up to its final character.
    Csi,
    /// In a title, link, or device string, up to its terminator; only an OSC also ends at BEL.
    Swallow {
        osc: bool,
    },
}

#[derive(Debug)]
struct Machine {
    cells: Vec<Cell>,
    col: usize,
    max_cols: usize,
    cut: bool,
    style: Style,
    mode: Mode,
    params: Params,
    /// Cells that may still be filled or erased out of proportion to the bytes.
    budget: usize,
}

impl Machine {
    fn new(max_cols: usize, len: usize, style: Style) -> Self {
        Self {
            cells: Vec::new(),
            col: 0,
            max_cols,
            cut: false,
            style,
            mode: Mode::Text,
            params: Params::default(),
            budget: len.saturating_mul(16).saturating_add(64 * 1024),
        }
    }

    fn run(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                self.take(c);
            }
            if !chunk.invalid().is_empty() {
                self.take(REPLACEMENT);
            }
        }
    }

    fn take(&mut self, c: char) {
        match (self.mode, c) {
            // These three end whatever is going on. ESC also ends a string, of which the
            // terminator ESC \ is the polite case.
            (_, '\x18' | '\x1a') => self.mode = Mode::Text,
            (_, '\x1b') => self.mode = Mode::Escape,
            (Mode::Swallow { .. }, '\u{9c}') | (Mode::Swallow { osc: true }, '\x07') => {
                self.mode = Mode::Text;
            }
            (Mode::Swallow { .. }, _) => {}
            (_, '\u{80}'..='\u{9f}') => self.c1(c),
            (_, '\0'..='\x1f' | '\x7f') => self.control(c),
            (Mode::Text, _) => self.print(c),
            (Mode::Escape, '[') => self.begin_csi(),
            (Mode::Escape, ']') => self.mode = Mode::Swallow { osc: true },
            (Mode::Escape, 'P' | 'X' | '^' | '_') => self.mode = Mode::Swallow { osc: false },
            (Mode::Escape | Mode::EscapeMore, ' '..='/') => self.mode = Mode::EscapeMore,
            (Mode::Escape, 'c') => {
                self.style = Style::default();
                self.mode = Mode::Text;
            }
            (Mode::Escape | Mode::EscapeMore, '0'..='~') => self.mode = Mode::Text,
            (Mode::Csi, '@'..='~') => {
                self.mode = Mode::Text;
                self.csi(c);
            }
            (Mode::Csi, ' '..='?') => self.params.take(c),
            // No part of any sequence: better shown than lost.
            (Mode::Escape | Mode::EscapeMore | Mode::Csi, _) => {
                self.mode = Mode::Text;
                self.print(c);
            }
        }
    }

    /// The eight-bit spelling of ESC and a letter.
    fn c1(&mut self, c: char) {
        match c {
            '\u{9b}' => self.begin_csi(),
            '\u{9d}' => self.mode = Mode::Swallow { osc: true },
            '\u{90}' | '\u{98}' | '\u{9e}' | '\u{9f}' => self.mode = Mode::Swallow { osc: false },
            _ => self.mode = Mode::Text,
        }
    }

    fn control(&mut self, c: char) {
        match c {
            '\r' => self.col = 0,
            '\x08' => self.col = self.col.saturating_sub(1),
            '\t' => {
                let stop = (self.col / TAB + 1) * TAB;
                let shown = stop.min(self.max_cols);
                self.cut |= stop > self.max_cols;
                if self.cells.len() < shown && self.fill(self.col.min(shown)) {
                    self.cells.resize(shown, Cell::blank(self.style));
                }
                self.col = stop;
            }
            _ => {}
        }
    }

    fn begin_csi(&mut self) {
        self.params = Params::default();
        self.mode = Mode::Csi;
    }

    fn csi(&mut self, last: char) {
        if self.params.private {
            return;
        }
        let n = usize::from(self.params.first().unwrap_or(0));
        match last {
            'm' => self.params.apply(&mut self.style),
            'C' | 'a' => self.jump(self.col.saturating_add(n.max(1))),
            'D' => self.col = self.col.saturating_sub(n.max(1)),
            'G' | '`' => self.jump(n.max(1) - 1),
            // J erases the rest of the screen, here as far as this line is concerned. Its other forms
            // take nothing away: a log keeps what was said.
            'K' | 'J' if n == 0 => self.erase_right(),
            'K' if n == 1 => self.erase(0, self.col.saturating_add(1)),
            'K' if n == 2 => self.cells.clear(),
            'X' => self.erase(self.col, self.col.saturating_add(n.max(1))),
            _ => {}
        }
    }

    fn jump(&mut self, col: usize) {
        let furthest = self.cells.len().max(MAX_JUMP).max(self.col);
        self.col = col.min(furthest);
    }

    /// Takes work out of the budget; whether there was enough left. Honest output never meets its
    /// end; output made to be slow loses its blanks.
    fn spend(&mut self, cells: usize) -> bool {
        match self.budget.checked_sub(cells) {
            Some(left) => {
                self.budget = left;
                true
            }
            None => false,
        }
    }

    /// Makes the line at least `len` columns long.
    fn fill(&mut self, len: usize) -> bool {
        let missing = len.saturating_sub(self.cells.len());
        if missing > 0 {
            if !self.spend(missing) {
                return false;
            }
            self.cells.resize(len, Cell::blank(Style::default()));
        }
        true
    }

    fn erase_right(&mut self) {
        if self.col < self.cells.len() {
            self.split_wide(self.col);
            self.cells.truncate(self.col);
        }
    }

    fn erase(&mut self, from: usize, to: usize) {
        let to = to.min(self.cells.len());
        if from < to && self.spend(to - from) {
            self.split_wide(from);
            self.split_wide(to);
            self.cells[from..to].fill(Cell::blank(Style::default()));
        }
    }

    /// Replaces a wide character that lies across the left edge of a column by blanks.
    fn split_wide(&mut self, col: usize) {
        if self.cells.get(col).is_some_and(|cell| cell.c == Cell::REST) {
            for cell in &mut self.cells[col - 1..=col] {
                *cell = Cell::blank(cell.style);
            }
        }
    }

    fn print(&mut self, c: char) {
        if is_invisible(c) {
            return;
        }
        let c = if matches!(c, '\u{2028}' | '\u{2029}') {
            ' '
        } else {
            c
        };
        let width = c.width().unwrap_or(0);
        if width == 0 && self.col > 0 {
            self.add_mark(c);
            return;
        }
        let width = width.max(1);
        if self.col.saturating_add(width) > self.max_cols {
            self.cut = true;
            // So that the marks of this character find no one.
            self.col = self.col.saturating_add(width);
            return;
        }
        if !self.fill(self.col) {
            self.col = self.cells.len();
        }
        self.split_wide(self.col);
        self.split_wide(self.col + width);
        let cell = Cell {
            c,
            style: self.style,
            marks: None,
        };
        self.put(self.col, cell);
        if width == 2 {
            let mut rest = Cell::blank(self.style);
            rest.c = Cell::REST;
            self.put(self.col + 1, rest);
        }
        self.col += width;
    }

    fn put(&mut self, col: usize, cell: Cell) {
        match self.cells.get_mut(col) {
            Some(old) => *old = cell,
            None => self.cells.push(cell),
        }
    }

    fn add_mark(&mut self, c: char) {
        let mut col = self.col - 1;
        if self.cells.get(col).is_some_and(|cell| cell.c == Cell::REST) {
            col -= 1;
        }
        if let Some(cell) = self.cells.get_mut(col) {
            cell.marks.get_or_insert_default().push(c);
        }
    }

    fn text(self) -> String {
        let mut text = String::with_capacity(self.cells.len());
        for cell in &self.cells {
            cell.write(&mut text);
        }
        text
    }

    fn finish(self) -> StyledLine {
        let mut spans: Vec<Span> = Vec::new();
        for cell in &self.cells {
            match spans.last_mut() {
                Some(span) if span.style == cell.style => cell.write(&mut span.text),
                _ => {
                    let mut text = String::new();
                    cell.write(&mut text);
                    if !text.is_empty() {
                        spans.push(Span {
                            text,
                            style: cell.style,
                        });
                    }
                }
            }
        }
        StyledLine {
            spans,
            cut: self.cut,
        }
    }
}

impl Cell {
    fn write(&self, text: &mut String) {
        if self.c != Self::REST {
            text.push(self.c);
            if let Some(marks) = &self.marks {
                text.push_str(marks);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    use super::super::style::Color;
    use super::*;

    fn shown(text: &str) -> String {
        let stripped = strip(text.as_bytes());
        let line = render(text.as_bytes(), usize::MAX);
        assert_eq!(line.text(), stripped, "both ways show the same");
        stripped
    }

    fn style_of(sgr: &str) -> Style {
        let line = render(format!("\x1b[{sgr}mx").as_bytes(), 10);
        line.spans[0].style
    }

    #[test]
    fn carriage_return_overwrites_and_leaves_what_is_longer() {
        assert_eq!(shown("hello\rHE"), "HEllo");
        assert_eq!(shown("windows line\r"), "windows line");
        assert_eq!(shown("50%\r\x1b[K100%"), "100%");
        assert_eq!(shown("long text\r\x1b[Jx"), "x");
    }

    #[test]
    fn progress_of_cargo_shows_its_last_state() {
        let states: Vec<String> = (0..50)
            .map(|n| format!("\r\x1b[K\x1b[1m    Building\x1b[0m [==> ] {n}/49: serde, tokio\r"))
            .collect();
        let mut bytes = states.concat();
        assert_eq!(shown(&bytes), "    Building [==> ] 49/49: serde, tokio");
        bytes += "\x1b[K\x1b[32m    Finished\x1b[0m";
        assert_eq!(shown(&bytes), "    Finished");
    }

    #[test]
    fn backspace_moves_erase_and_tabs_do_what_a_terminal_does() {
        assert_eq!(shown("ab\x08c"), "ac");
        assert_eq!(shown("|\x08/\x08-"), "-");
        assert_eq!(shown("a\tb"), "a       b");
        assert_eq!(shown("abcdef\x1b[3D\x1b[K"), "abc");
        assert_eq!(shown("abcdef\x1b[3GX"), "abXdef");
        assert_eq!(shown("a\x1b[3Cb"), "a   b");
        assert_eq!(shown("abc\x1b[2K\rx"), "x");
        assert_eq!(shown("abc\x1b[2D\x1b[1K"), "  c");
        assert_eq!(shown("abc\r\x1b[2X"), "  c");
    }

    #[test]
    fn titles_links_queries_and_other_movement_are_swallowed() {
        assert_eq!(shown("\x1b]0;title\x07text"), "text");
        assert_eq!(shown("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\!"), "link!");
        assert_eq!(shown("\x1bPq#0;2\x07;0\x1b\\x"), "x");
        assert_eq!(
            shown("\x1b[2J\x1b[10;20Ha\x1b[?25lb\x1b[6n\x1b(Bc\x1b=d\x1b[>4;2m"),
            "abcd"
        );
        assert_eq!(shown("\u{9b}31ma\u{9d}t\u{9c}b\x7f\x00\x0b"), "ab");
        assert_eq!(shown("a\u{202e}b\u{2066}c"), "abc");
    }

    #[test]
    fn a_sequence_cut_by_the_end_or_another_does_no_harm() {
        assert_eq!(shown("a\x1b"), "a");
        assert_eq!(shown("a\x1b[31"), "a");
        assert_eq!(shown("a\x1b[3\x1b[1mb"), "ab");
        assert_eq!(shown("a\x1b[3é"), "aé");
        assert_eq!(shown("a\x1b]0;never ends"), "a");
        assert_eq!(shown("a\x1b[99999999999999Cb").len(), MAX_JUMP + 1);
    }

    #[test]
    fn colours_of_16_256_and_true_colour_in_both_spellings() {
        assert_eq!(style_of("31").fg, Color::Indexed(1));
        assert_eq!(style_of("97;104").fg, Color::Indexed(15));
        assert_eq!(style_of("97;104").bg, Color::Indexed(12));
        assert_eq!(style_of("38;5;200").fg, Color::Indexed(200));
        assert_eq!(style_of("38:5:200").fg, Color::Indexed(200));
        assert_eq!(style_of("48;2;1;2;3").bg, Color::Rgb(1, 2, 3));
        assert_eq!(style_of("38:2::1:2:3").fg, Color::Rgb(1, 2, 3));
        assert_eq!(style_of("38:2:1:2:3").fg, Color::Rgb(1, 2, 3));
        assert_eq!(style_of("58;5;3;31").fg, Color::Indexed(1));
        assert!(style_of("38;5;3;1").bold);
        assert_eq!(style_of("31;0"), Style::default());
        assert_eq!(style_of("31;"), Style::default());
    }

    #[test]
    fn attributes_switch_on_and_off() {
        let all = style_of("1;2;3;4;5;7;8;9");
        assert!(all.bold && all.dim && all.italic && all.underline && all.blink);
        assert!(all.inverse && all.hidden && all.strikethrough);
        assert_eq!(
            style_of("1;2;3;4;5;7;8;9;22;23;24;25;27;28;29"),
            Style::default()
        );
        assert!(style_of("4:3").underline);
        assert!(!style_of("4;4:0").underline);
    }

    #[test]
    fn style_is_carried_to_the_next_line_only_when_asked() {
        let mut state = AnsiState::default();
        render_from(b"\x1b[31mred", 80, &mut state);
        let second = render_from(b"still", 80, &mut state);
        assert_eq!(second.spans[0].style.fg, Color::Indexed(1));
        assert_eq!(render(b"fresh", 80).spans[0].style, Style::default());
    }

    #[test]
    fn spans_join_what_looks_the_same() {
        let line = render(b"a\x1b[31mb\x1b[31mc\x1b[0md", 80);
        let texts: Vec<_> = line.spans.iter().map(|span| span.text.as_str()).collect();
        assert_eq!(texts, ["a", "bc", "d"]);
    }

    #[test]
    fn wide_and_combining_characters_keep_their_columns() {
        assert_eq!(shown("日本\rX"), "X 本");
        assert_eq!(shown("日本\x1b[2GX"), " X本");
        assert_eq!(shown("ab\r日"), "日");
        assert_eq!(shown("abc\x08\x08日"), "a日");
        assert_eq!(shown("e\u{301}x"), "e\u{301}x");
        assert_eq!(shown("日\u{301}x"), "日\u{301}x");
        let line = render("日本語".as_bytes(), 5);
        assert_eq!((line.text().as_str(), line.cut), ("日本", true));
    }

    #[test]
    fn bytes_that_are_no_text_show_as_replacement() {
        assert_eq!(strip(b"a\xffb\xe6\x97"), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn only_the_columns_asked_for_are_rendered() {
        let line = render(b"abcdef", 3);
        assert_eq!((line.text().as_str(), line.cut), ("abc", true));
        let line = render(b"\x1b[1mabcdef\rX", 3);
        assert_eq!((line.text().as_str(), line.cut), ("Xbc", true));
        assert!(!render(b"abc", 3).cut);
        assert_eq!(render(b"a\tb", 4).text(), "a   ");
    }

    #[test]
    fn megabytes_made_to_be_slow_are_not() {
        let sequences = [
            "x\x1b[500000G\x1b[1K\r",
            "\x1b[2K\x1b[1024Gx",
            "\x1b[1K",
            "x\u{301}\u{301}",
            "日\x08",
            "\t\r",
            "\x1b[1;1;1;1;1;1;1;1;1;1;1;1;1;1m",
        ];
        for sequence in sequences {
            let line = format!(
                "{}{}",
                "y".repeat(300_000),
                sequence.repeat(700_000 / sequence.len())
            );
            let start = Instant::now();
            strip(line.as_bytes());
            render(line.as_bytes(), 200);
            // About 1 s in a debug build at the worst; a quadratic machine needs hours.
            assert!(start.elapsed() < Duration::from_secs(20), "{sequence:?}");
        }
    }

    fn escapes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            "[a-z日é\u{301}\u{202e}\u{85}\u{9b}\u{fffd}]{1,3}".prop_map(String::into_bytes),
            "\x1b\\[[0-9;:?]{0,9}[@-~]".prop_map(String::into_bytes),
            "\x1b[\\]P_][0-9;a]{0,9}(\x07|\x1b\\\\)?".prop_map(String::into_bytes),
            prop::sample::select(vec![b"\r".to_vec(), b"\x08".to_vec(), b"\t".to_vec()]),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]

        #[test]
        fn a_line_of_text_and_colours_is_stripped_as_any_other(
            pieces in prop::collection::vec(
                prop_oneof![
                    3 => "[ -~]{0,6}",
                    3 => "\x1b\\[[0-9;:]{0,6}m",
                    1 => "\x1b\\[?[0-9?]{0,2}[a-zA-Z]?",
                    1 => "[\t\r\u{8}ä]",
                ],
                0..8,
            ),
        ) {
            let line = pieces.concat();
            let slow = strip_anything(line.as_bytes());
            prop_assert_eq!(strip(line.as_bytes()), slow.as_str());
            if let Some(fast) = strip_colors(line.as_bytes()) {
                prop_assert_eq!(fast, slow);
            }
        }

        #[test]
        fn no_bytes_panic_or_bring_out_a_control_character(bytes in escapes(), cols in 0..30_usize) {
            let whole = render(&bytes, usize::MAX);
            let stripped = strip(&bytes);
            prop_assert_eq!(whole.text(), stripped.clone());
            prop_assert!(!stripped.chars().any(is_special), "{:?}", stripped);
            let narrow = render(&bytes, cols);
            prop_assert!(!narrow.text().chars().any(is_special));
            let width: usize = narrow.text().chars().filter_map(UnicodeWidthChar::width).sum();
            prop_assert!(width <= cols, "{width} columns of {cols}");
            prop_assert!(whole.spans.iter().all(|span| !span.text.is_empty()));
        }

        #[test]
        fn text_without_anything_special_is_left_alone(text in "[ -~äöß日本🦀]{0,40}") {
            prop_assert_eq!(strip(text.as_bytes()), text);
        }
    }
}
