//! Styled text, in words of our own: what the ANSI machine produces and a pane translates into its
//! toolkit's.

/// A colour as a program asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Color {
    /// What the terminal uses when nothing is said.
    #[default]
    Default,
    /// One of the 256: 0–7 normal, 8–15 bright, then the cube and the greys.
    Indexed(u8),
    /// Red, green, blue.
    Rgb(u8, u8, u8),
}

/// How text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Style {
    /// Colour of the text.
    pub fg: Color,
    /// Colour behind it.
    pub bg: Color,
    /// Bold.
    pub bold: bool,
    /// Dim.
    pub dim: bool,
    /// Italic.
    pub italic: bool,
    /// Underlined, in any of the ways.
    pub underline: bool,
    /// Blinking.
    pub blink: bool,
    /// Colours swapped.
    pub inverse: bool,
    /// Asked not to be seen.
    pub hidden: bool,
    /// Struck through.
    pub strikethrough: bool,
}

/// Text of one style.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Span {
    /// The text; no control characters.
    pub text: String,
    /// How it looks.
    pub style: Style,
}

/// A line as a terminal would show it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StyledLine {
    /// Neighbours differ in style; none is empty.
    pub spans: Vec<Span>,
    /// Whether there is more to the right than was asked for.
    pub cut: bool,
}

impl StyledLine {
    /// Returns the text without its styles.
    pub fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }
}
