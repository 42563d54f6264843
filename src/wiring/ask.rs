//! Asking a user at the terminal, without an echo where the answer is a secret.

use std::io::{IsTerminal, Read, Write};

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, read};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use secrecy::SecretString;

use super::error::UserError;

/// Longest credential that is taken, in bytes.
const LONGEST: usize = 64 * 1024;

/// What became of a question.
#[derive(Debug)]
pub(super) enum Asked<T> {
    Answer(T),
    /// `Ctrl-c` or `Ctrl-d`.
    Refused,
}

/// Whether there is somebody to ask.
pub(super) fn is_somebody_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a line that may be seen. An empty one is `None`.
pub(super) fn ask(question: &str) -> Result<Option<String>, UserError> {
    say(&format!("{question}: "));
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| UserError::new(format!("cannot read the answer: {error}")))?;
    let line = line.trim();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

/// Asks for a secret: nothing of it is shown, not even its length. It may be empty.
pub(super) fn ask_secret(question: &str) -> Result<Asked<SecretString>, UserError> {
    let failed = |error: std::io::Error| UserError::new(format!("cannot read the answer: {error}"));
    say(&format!("{question} (it is not shown): "));
    let raw = Raw::on().map_err(failed)?;
    let mut typed = String::new();
    let answer = loop {
        let Event::Key(key) = read().map_err(failed)? else {
            continue;
        };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match (key.code, key.modifiers) {
            (KeyCode::Enter, _) => break Asked::Answer(SecretString::from(typed)),
            (KeyCode::Char('c' | 'd'), KeyModifiers::CONTROL) => break Asked::Refused,
            (KeyCode::Char('u'), KeyModifiers::CONTROL) => typed.clear(),
            // What the terminal sends for Enter inside a paste.
            (KeyCode::Char('j' | 'm'), KeyModifiers::CONTROL) => {
                break Asked::Answer(SecretString::from(typed));
            }
            (KeyCode::Char(letter), modifiers)
                if !modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
                    && typed.len() < LONGEST =>
            {
                typed.push(letter);
            }
            (KeyCode::Backspace, _) => {
                typed.pop();
            }
            _ => {}
        }
    };
    drop(raw);
    say("\n");
    Ok(answer)
}

/// The lines of stdin, up to two: a credential, and what renews it.
pub(super) fn read_secrets() -> Result<Vec<SecretString>, UserError> {
    let mut text = String::new();
    std::io::stdin()
        .take(LONGEST as u64)
        .read_to_string(&mut text)
        .map_err(|_| UserError::new("what stdin has is no text"))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.take(2).map(SecretString::from).collect())
}

fn say(text: &str) {
    let mut out = std::io::stderr();
    // A terminal that has gone away is noticed when it is read.
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// The terminal without echo; as before once dropped.
struct Raw;

impl Raw {
    fn on() -> std::io::Result<Self> {
        enable_raw_mode()?;
        Ok(Self)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Whoever took the terminal away has it.
        let _ = disable_raw_mode();
    }
}
