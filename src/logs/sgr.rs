//! The numbers of a control sequence, and what they mean as "select graphic rendition".
//!
//! Both spellings of colours are read, `38;5;n` and `38:5:n`. The state machine is in `ansi`.

use super::style::{Color, Style};

/// Numbers kept of one control sequence.
const MAX_PARAMS: usize = 64;

/// The numbers of a control sequence: groups by `;`, within a group by `:`.
#[derive(Debug, Default)]
pub(super) struct Params {
    /// Each number, and whether a `:` joins it to the one before.
    numbers: Vec<(Option<u16>, bool)>,
    /// Whether it has a prefix or an intermediate, which makes it something we do not know.
    pub private: bool,
}

impl Params {
    pub fn take(&mut self, c: char) {
        if self.numbers.is_empty() {
            self.numbers.push((None, false));
        }
        match c {
            '0'..='9' => {
                let digit = c as u16 - '0' as u16;
                if let Some((number, _)) = self.numbers.last_mut() {
                    let sum = number.unwrap_or(0).saturating_mul(10).saturating_add(digit);
                    *number = Some(sum);
                }
            }
            ';' | ':' if self.numbers.len() < MAX_PARAMS => self.numbers.push((None, c == ':')),
            ';' | ':' => {}
            _ => self.private = true,
        }
    }

    pub fn first(&self) -> Option<u16> {
        self.numbers.first().and_then(|number| number.0)
    }

    /// Applies the sequence to a style.
    pub fn apply(&self, style: &mut Style) {
        if self.numbers.is_empty() {
            *style = Style::default();
        }
        let mut at = 0;
        while at < self.numbers.len() {
            let joined = self.numbers[at + 1..].iter().take_while(|number| number.1);
            let group_end = at + 1 + joined.count();
            let code = self.numbers[at].0.unwrap_or(0);
            let number = |n: usize| self.numbers.get(n).and_then(|number| number.0);
            let mut next = group_end;
            if let 38 | 48 | 58 = code {
                let color = if group_end > at + 1 {
                    joined_color(&self.numbers[at + 1..group_end])
                } else {
                    let (color, used) = spaced_color(|n| number(at + 1 + n));
                    next = at + 1 + used;
                    color
                };
                match (code, color) {
                    (38, Some(color)) => style.fg = color,
                    (48, Some(color)) => style.bg = color,
                    _ => {}
                }
            } else if code == 4 && group_end > at + 1 {
                style.underline = number(at + 1) != Some(0);
            } else {
                apply_code(code, style);
            }
            at = next;
        }
    }
}

/// `5:n` or `2:[space]:r:g:b`.
fn joined_color(numbers: &[(Option<u16>, bool)]) -> Option<Color> {
    let number = |n: usize| numbers.get(n).map(|number| byte(number.0));
    match numbers.first()?.0? {
        5 => Some(Color::Indexed(number(1)?)),
        2 => {
            let first = if numbers.len() > 4 { 2 } else { 1 };
            Some(Color::Rgb(
                number(first)?,
                number(first + 1)?,
                number(first + 2)?,
            ))
        }
        _ => None,
    }
}

/// `5;n` or `2;r;g;b`, and how many numbers that was.
fn spaced_color(number: impl Fn(usize) -> Option<u16>) -> (Option<Color>, usize) {
    match number(0) {
        Some(5) => (Some(Color::Indexed(byte(number(1)))), 2),
        Some(2) => {
            let [red, green, blue] = [1, 2, 3].map(|n| byte(number(n)));
            (Some(Color::Rgb(red, green, blue)), 4)
        }
        _ => (None, 1),
    }
}

fn byte(number: Option<u16>) -> u8 {
    u8::try_from(number.unwrap_or(0)).unwrap_or(u8::MAX)
}

fn apply_code(code: u16, style: &mut Style) {
    match code {
        0 => *style = Style::default(),
        1 => style.bold = true,
        2 => style.dim = true,
        3 => style.italic = true,
        4 | 21 => style.underline = true,
        5 | 6 => style.blink = true,
        7 => style.inverse = true,
        8 => style.hidden = true,
        9 => style.strikethrough = true,
        22 => (style.bold, style.dim) = (false, false),
        23 => style.italic = false,
        24 => style.underline = false,
        25 => style.blink = false,
        27 => style.inverse = false,
        28 => style.hidden = false,
        29 => style.strikethrough = false,
        30..=37 => style.fg = Color::Indexed((code - 30) as u8),
        39 => style.fg = Color::Default,
        40..=47 => style.bg = Color::Indexed((code - 40) as u8),
        49 => style.bg = Color::Default,
        90..=97 => style.fg = Color::Indexed((code - 90 + 8) as u8),
        100..=107 => style.bg = Color::Indexed((code - 100 + 8) as u8),
        _ => {}
    }
}
