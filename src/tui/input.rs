//! From what a terminal sends to what the app is told.

use std::io;

use crossterm::event::{
    Event, EventStream, KeyCode as TermCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton,
    MouseEvent, MouseEventKind,
};
use futures_util::stream::{self, Stream, StreamExt};
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{Action, Context, Edit, Key, KeyCode, Msg, State};

/// What comes from the terminal and from those who send signals.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A key, a click, a paste, another size.
    Terminal(Event),
    /// SIGTERM or SIGHUP: the program has to end.
    Terminate,
    /// SIGINT from outside: as a `Ctrl-c`.
    Interrupt,
    /// SIGCONT: the shell lets the program go on.
    Continued,
}

/// Returns what comes from the real terminal, and the signals that matter to it.
pub fn terminal_input() -> io::Result<impl Stream<Item = io::Result<Input>> + Unpin> {
    let keys = EventStream::new().map(|event| event.map(Input::Terminal));
    let mut all = stream::select_all([keys.boxed()]);
    for (kind, input) in [
        (SignalKind::terminate(), Input::Terminate),
        (SignalKind::hangup(), Input::Terminate),
        (SignalKind::interrupt(), Input::Interrupt),
        (
            SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()),
            Input::Continued,
        ),
    ] {
        let received = stream::unfold((signal(kind)?, input), |(mut signal, input)| async {
            signal.recv().await?;
            Some((Ok(input.clone()), (signal, input)))
        });
        all.push(received.boxed());
    }
    Ok(all)
}

/// Returns what an event of the terminal means to the app, as it stands.
pub(super) fn message(state: &State, event: &Event) -> Option<Msg> {
    match event {
        Event::Key(event) if event.kind != KeyEventKind::Release => {
            let key = key(event)?;
            let context = state.context();
            if let Some(action) = state.bindings.action(context, key) {
                return Some(Msg::Action(action));
            }
            match context {
                Context::Typing => edit(key).map(Msg::Edit),
                Context::Shell => Some(Msg::ShellKey(key)),
                _ => None,
            }
        }
        Event::Paste(text) if state.context() == Context::Typing => {
            Some(Msg::Edit(Edit::Insert(text.clone())))
        }
        Event::Paste(text) if state.context() == Context::Shell => {
            Some(Msg::ShellPaste(text.clone()))
        }
        Event::Mouse(event) => mouse(*event),
        Event::Resize(width, height) => Some(Msg::Resize(*width, *height)),
        _ => None,
    }
}

fn mouse(event: MouseEvent) -> Option<Msg> {
    let (column, row) = (event.column, event.row);
    match event.kind {
        MouseEventKind::Down(MouseButton::Left) => Some(Msg::Click(column, row)),
        MouseEventKind::ScrollUp => Some(Msg::Wheel(column, row, -1)),
        MouseEventKind::ScrollDown => Some(Msg::Wheel(column, row, 1)),
        MouseEventKind::ScrollLeft => Some(Msg::Action(Action::Left)),
        MouseEventKind::ScrollRight => Some(Msg::Action(Action::Right)),
        _ => None,
    }
}

/// Returns the key of an event, if it is one of ours.
fn key(event: &KeyEvent) -> Option<Key> {
    let shift = event.modifiers.contains(KeyModifiers::SHIFT);
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    let code = match event.code {
        // With Ctrl, terminals differ in what Shift does to a letter.
        TermCode::Char(c) if ctrl => KeyCode::Char(c.to_ascii_lowercase()),
        TermCode::Char(c) => KeyCode::Char(c),
        TermCode::Enter => KeyCode::Enter,
        TermCode::Esc => KeyCode::Esc,
        TermCode::Tab if shift => KeyCode::BackTab,
        TermCode::Tab => KeyCode::Tab,
        TermCode::BackTab => KeyCode::BackTab,
        TermCode::Backspace => KeyCode::Backspace,
        TermCode::Delete => KeyCode::Delete,
        TermCode::Up => KeyCode::Up,
        TermCode::Down => KeyCode::Down,
        TermCode::Left => KeyCode::Left,
        TermCode::Right => KeyCode::Right,
        TermCode::Home => KeyCode::Home,
        TermCode::End => KeyCode::End,
        TermCode::PageUp => KeyCode::PageUp,
        TermCode::PageDown => KeyCode::PageDown,
        TermCode::F(number) => KeyCode::F(number),
        _ => return None,
    };
    Some(Key {
        code,
        ctrl,
        alt: event.modifiers.contains(KeyModifiers::ALT),
    })
}

/// Returns what a key does to a line of text.
fn edit(key: Key) -> Option<Edit> {
    let plain = !key.ctrl && !key.alt;
    Some(match key.code {
        KeyCode::Enter => Edit::Submit,
        KeyCode::Esc => Edit::Abort,
        KeyCode::Backspace if plain => Edit::Backspace,
        KeyCode::Backspace => Edit::DeleteWord,
        KeyCode::Delete => Edit::Delete,
        KeyCode::Left => Edit::Left,
        KeyCode::Right => Edit::Right,
        KeyCode::Home => Edit::Home,
        KeyCode::End => Edit::End,
        KeyCode::Up => Edit::Older,
        KeyCode::Down => Edit::Newer,
        KeyCode::Char(c) if plain => Edit::Insert(c.to_string()),
        KeyCode::Char(c) if key.ctrl => match c {
            'a' => Edit::Home,
            'e' => Edit::End,
            'b' => Edit::Left,
            'f' => Edit::Right,
            'd' => Edit::Delete,
            'h' => Edit::Backspace,
            'w' => Edit::DeleteWord,
            'u' => Edit::Clear,
            'j' | 'm' => Edit::Submit,
            'g' => Edit::Abort,
            'p' => Edit::Older,
            'n' => Edit::Newer,
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(code: TermCode, modifiers: KeyModifiers) -> Option<String> {
        key(&KeyEvent::new(code, modifiers)).map(|key| key.to_string())
    }

    #[test]
    fn keys_are_spelled_as_in_the_table() {
        let none = KeyModifiers::NONE;
        let shift = KeyModifiers::SHIFT;
        let ctrl = KeyModifiers::CONTROL;
        assert_eq!(pressed(TermCode::Char('G'), shift).as_deref(), Some("G"));
        assert_eq!(
            pressed(TermCode::Char('D'), ctrl).as_deref(),
            Some("ctrl-d")
        );
        assert_eq!(pressed(TermCode::Tab, shift).as_deref(), Some("shift-tab"));
        assert_eq!(pressed(TermCode::Char(' '), none).as_deref(), Some("space"));
        assert_eq!(pressed(TermCode::PageUp, none).as_deref(), Some("pgup"));
        assert_eq!(pressed(TermCode::CapsLock, none), None);
    }
}
