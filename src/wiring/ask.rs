//! Asking a user at the terminal, without an echo where the answer is a secret.
//!
//! Keys are read one by one, so the terminal is in raw mode while a question stands: whoever ends
//! it, a key, a signal or an error, the guard gives it back. [`until_stopped`] is what turns a
//! signal into such an end.

use std::io::{IsTerminal, Read, Write};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, poll, read};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use secrecy::SecretString;
use tokio::signal::unix::{SignalKind, signal};

use super::error::{Exit, UserError};

/// Longest credential that is taken, in bytes.
const LONGEST: usize = 64 * 1024;

/// How often the terminal is looked at while nobody types. A thread that waits for keys would go
/// on doing so after the question, and take those of the next one.
const LOOK: Duration = Duration::from_millis(20);

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

/// Runs something that asks. A signal ends it where it stands, with what it has on its stack
/// undone.
pub(super) async fn until_stopped(
    work: impl Future<Output = Result<Exit, UserError>>,
) -> Result<Exit, UserError> {
    let listen = |kind| {
        signal(kind).map_err(|error| UserError::new(format!("cannot listen to signals: {error}")))
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    tokio::select! {
        outcome = work => outcome,
        _ = interrupt.recv() => Ok(Exit::Interrupted),
        _ = terminate.recv() => Ok(Exit::Canceled),
        _ = hangup.recv() => Ok(Exit::Canceled),
    }
}

/// Asks for a line that may be seen. An empty one is `None`.
pub(super) async fn ask(question: &str) -> Result<Asked<Option<String>>, UserError> {
    Ok(match line(&format!("{question}: "), true).await? {
        Asked::Answer(line) => {
            let line = line.trim();
            Asked::Answer((!line.is_empty()).then(|| line.to_owned()))
        }
        Asked::Refused => Asked::Refused,
    })
}

/// Asks for a secret: nothing of it is shown, not even its length. It may be empty.
pub(super) async fn ask_secret(question: &str) -> Result<Asked<SecretString>, UserError> {
    let question = format!("{question} (it is not shown): ");
    Ok(match line(&question, false).await? {
        Asked::Answer(line) => Asked::Answer(SecretString::from(line)),
        Asked::Refused => Asked::Refused,
    })
}

async fn line(question: &str, shown: bool) -> Result<Asked<String>, UserError> {
    let failed = |error: std::io::Error| UserError::new(format!("cannot read the answer: {error}"));
    // The echo is off before anybody is asked to type.
    let raw = Raw::on().map_err(failed)?;
    say(question);
    let mut typed = String::new();
    let answer = loop {
        if !poll(Duration::ZERO).map_err(failed)? {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let Event::Key(key) = read().map_err(failed)? else {
            continue;
        };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        let erase = |count: usize| {
            if shown {
                say(&"\u{8} \u{8}".repeat(count));
            }
        };
        match (key.code, key.modifiers) {
            (KeyCode::Enter, _) => break Asked::Answer(typed),
            // What a terminal sends for the end of a line inside a paste.
            (KeyCode::Char('j' | 'm'), KeyModifiers::CONTROL) => break Asked::Answer(typed),
            (KeyCode::Char('c' | 'd'), KeyModifiers::CONTROL) => break Asked::Refused,
            (KeyCode::Char('u'), KeyModifiers::CONTROL) => {
                erase(typed.chars().count());
                typed.clear();
            }
            (KeyCode::Char(letter), modifiers)
                if !modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
                    && typed.len() < LONGEST =>
            {
                typed.push(letter);
                if shown {
                    say(letter.encode_utf8(&mut [0; 4]));
                }
            }
            (KeyCode::Backspace, _) if typed.pop().is_some() => erase(1),
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
