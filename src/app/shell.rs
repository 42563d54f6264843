//! A shell in a job's container: its screen as plain data, and what keys mean to it.
//!
//! While it is open, the shell has the whole screen but header and footer, and every key but the one
//! that leaves it. What it draws is worked out by a terminal of its own (`wiring`): nothing that it
//! writes reaches the user's terminal.

use crate::domain::{JobId, Sid};
use crate::logs::StyledLine;

use super::keys::{Key, KeyCode};

/// A shell that is open, or about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellView {
    /// The request that counts.
    pub(super) generation: u64,
    /// The build.
    pub sid: Sid,
    /// The job.
    pub job: JobId,
    /// Columns and rows that it was told last.
    pub(super) size: (u16, u16),
    /// What it shows; `None` until it is there.
    pub screen: Option<ShellScreen>,
}

/// What the terminal of a shell shows, and how it wants to be typed to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShellScreen {
    /// Its rows, from the top.
    pub rows: Vec<StyledLine>,
    /// Column and row of the cursor, if it is seen.
    pub cursor: Option<(u16, u16)>,
    /// Arrows are sent as applications want them.
    pub application_cursor: bool,
    /// Pastes are sent in brackets.
    pub bracketed_paste: bool,
}

impl ShellScreen {
    /// What a terminal sends for a key.
    pub fn typed(&self, key: Key) -> Vec<u8> {
        let mut bytes = Vec::new();
        if key.alt {
            bytes.push(0x1b);
        }
        let arrow = |letter: u8| match (key.ctrl, self.application_cursor) {
            (true, _) => vec![0x1b, b'[', b'1', b';', b'5', letter],
            (false, true) => vec![0x1b, b'O', letter],
            (false, false) => vec![0x1b, b'[', letter],
        };
        match key.code {
            KeyCode::Char(c) if key.ctrl => bytes.extend(control(c)),
            KeyCode::Char(c) => bytes.extend(c.to_string().bytes()),
            KeyCode::Enter => bytes.push(b'\r'),
            KeyCode::Esc => bytes.push(0x1b),
            KeyCode::Tab => bytes.push(b'\t'),
            KeyCode::BackTab => bytes.extend(b"\x1b[Z"),
            KeyCode::Backspace => bytes.push(0x7f),
            KeyCode::Delete => bytes.extend(b"\x1b[3~"),
            KeyCode::Up => bytes.extend(arrow(b'A')),
            KeyCode::Down => bytes.extend(arrow(b'B')),
            KeyCode::Right => bytes.extend(arrow(b'C')),
            KeyCode::Left => bytes.extend(arrow(b'D')),
            KeyCode::Home => bytes.extend(arrow(b'H')),
            KeyCode::End => bytes.extend(arrow(b'F')),
            KeyCode::PageUp => bytes.extend(b"\x1b[5~"),
            KeyCode::PageDown => bytes.extend(b"\x1b[6~"),
            KeyCode::F(number) => bytes.extend(function(number)),
        }
        bytes
    }

    /// What a terminal sends for a text that is pasted.
    pub fn pasted(&self, text: &str) -> Vec<u8> {
        // What would end the brackets, or be typed as a command of the terminal, is no text.
        let text: String = text
            .chars()
            .map(|c| if c == '\n' { '\r' } else { c })
            .filter(|c| !c.is_control() || matches!(c, '\r' | '\t'))
            .collect();
        if self.bracketed_paste {
            format!("\x1b[200~{text}\x1b[201~").into_bytes()
        } else {
            text.into_bytes()
        }
    }
}

/// A character with `Ctrl`. Terminals report the codes above that of `Esc` as digits.
fn control(c: char) -> Option<u8> {
    match c {
        ' ' | '@' | '2' => Some(0),
        'a'..='z' => Some(c as u8 - b'a' + 1),
        '[' | '3' => Some(0x1b),
        '\\' | '4' => Some(0x1c),
        ']' | '5' => Some(0x1d),
        '^' | '6' => Some(0x1e),
        '_' | '/' | '7' => Some(0x1f),
        _ => None,
    }
}

/// As xterm has it.
fn function(number: u8) -> Vec<u8> {
    match number {
        1..=4 => vec![0x1b, b'O', b'P' + number - 1],
        5..=12 => {
            let code = [15, 17, 18, 19, 20, 21, 23, 24][usize::from(number) - 5];
            format!("\x1b[{code}~").into_bytes()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(spelled: &str, application_cursor: bool) -> String {
        let screen = ShellScreen {
            application_cursor,
            ..ShellScreen::default()
        };
        let bytes = screen.typed(spelled.parse().unwrap());
        String::from_utf8(bytes).unwrap().escape_debug().to_string()
    }

    #[test]
    fn keys_are_sent_as_terminals_send_them() {
        for (key, sent) in [
            ("a", "a"),
            ("G", "G"),
            ("é", "é"),
            ("enter", r"\r"),
            ("ctrl-c", r"\u{3}"),
            ("ctrl-z", r"\u{1a}"),
            ("ctrl-4", r"\u{1c}"),
            ("alt-b", r"\u{1b}b"),
            ("backspace", r"\u{7f}"),
            ("shift-tab", r"\u{1b}[Z"),
            ("up", r"\u{1b}[A"),
            ("ctrl-left", r"\u{1b}[1;5D"),
            ("f1", r"\u{1b}OP"),
            ("f5", r"\u{1b}[15~"),
            ("f12", r"\u{1b}[24~"),
            ("pgdn", r"\u{1b}[6~"),
        ] {
            assert_eq!(typed(key, false), sent, "{key}");
        }
        assert_eq!(typed("up", true), r"\u{1b}OA");
        assert_eq!(typed("home", true), r"\u{1b}OH");
    }

    #[test]
    fn a_paste_cannot_leave_its_brackets() {
        let plain = ShellScreen::default();
        assert_eq!(plain.pasted("a\nb\u{1b}[201~"), b"a\rb[201~");
        let bracketed = ShellScreen {
            bracketed_paste: true,
            ..ShellScreen::default()
        };
        assert_eq!(
            bracketed.pasted("x\u{1b}[201~y\tz"),
            b"\x1b[200~x[201~y\tz\x1b[201~"
        );
    }
}
