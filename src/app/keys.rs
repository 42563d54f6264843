//! Keys as people write them, and which action each one means where.
//!
//! A [`Key`] has one spelling that it prints and parses. [`Bindings`] is the table that is in force:
//! the defaults come from [`ACTIONS`], and the footer, the help and
//! the key list of the README are made from it. Which key a terminal event is, is decided in `tui`.

use std::fmt;
use std::str::FromStr;

use super::action::{ACTIONS, Action, Context};

/// A key, perhaps with `Ctrl` or `Alt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// Which one.
    pub code: KeyCode,
    /// With `Ctrl` held.
    pub ctrl: bool,
    /// With `Alt` held.
    pub alt: bool,
}

/// A key without its modifiers. A character is what was typed: `G` is its own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are on the keyboard")]
pub enum KeyCode {
    Char(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    F(u8),
}

/// The text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no key; keys are written like a, G, ctrl-d, tab, pgdn or f5")]
pub struct KeyError(String);

const NAMES: [(KeyCode, &str, &str); 15] = [
    (KeyCode::Enter, "enter", "Enter"),
    (KeyCode::Esc, "esc", "Esc"),
    (KeyCode::Tab, "tab", "Tab"),
    (KeyCode::BackTab, "shift-tab", "Shift-Tab"),
    (KeyCode::Backspace, "backspace", "Backspace"),
    (KeyCode::Delete, "delete", "Delete"),
    (KeyCode::Up, "up", "Up"),
    (KeyCode::Down, "down", "Down"),
    (KeyCode::Left, "left", "Left"),
    (KeyCode::Right, "right", "Right"),
    (KeyCode::Home, "home", "Home"),
    (KeyCode::End, "end", "End"),
    (KeyCode::PageUp, "pgup", "PgUp"),
    (KeyCode::PageDown, "pgdn", "PgDn"),
    (KeyCode::Char(' '), "space", "Space"),
];

impl Key {
    /// A key without modifiers.
    pub fn plain(code: KeyCode) -> Self {
        Self {
            code,
            ctrl: false,
            alt: false,
        }
    }

    /// A character with `Ctrl`.
    pub fn ctrl(c: char) -> Self {
        Self {
            code: KeyCode::Char(c),
            ctrl: true,
            alt: false,
        }
    }

    /// The name as the help shows it: `Ctrl-d`, `PgDn`.
    pub fn label(&self) -> String {
        let mut label = String::new();
        if self.ctrl {
            label.push_str("Ctrl-");
        }
        if self.alt {
            label.push_str("Alt-");
        }
        match self.code {
            KeyCode::F(number) => label = format!("{label}F{number}"),
            code => match NAMES.iter().find(|name| name.0 == code) {
                Some(name) => label.push_str(name.2),
                None => {
                    if let KeyCode::Char(c) = code {
                        label.push(c);
                    }
                }
            },
        }
        label
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("ctrl-")?;
        }
        if self.alt {
            f.write_str("alt-")?;
        }
        match self.code {
            KeyCode::F(number) => write!(f, "f{number}"),
            code => match NAMES.iter().find(|name| name.0 == code) {
                Some(name) => f.write_str(name.1),
                None => match code {
                    KeyCode::Char(c) => write!(f, "{c}"),
                    _ => Ok(()),
                },
            },
        }
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut key = Self::plain(KeyCode::Esc);
        let mut rest = text;
        loop {
            if let Some(after) = rest.strip_prefix("ctrl-").filter(|after| !after.is_empty()) {
                key.ctrl = true;
                rest = after;
            } else if let Some(after) = rest.strip_prefix("alt-").filter(|after| !after.is_empty())
            {
                key.alt = true;
                rest = after;
            } else {
                break;
            }
        }
        let mut characters = rest.chars();
        key.code = match (characters.next(), characters.next()) {
            (Some(c), None) if !c.is_control() && c != ' ' => KeyCode::Char(c),
            _ => {
                if let Some(name) = NAMES.iter().find(|name| name.1 == rest) {
                    name.0
                } else {
                    let number = rest
                        .strip_prefix('f')
                        .and_then(|number| number.parse().ok());
                    match number {
                        Some(number @ 1..=24) => KeyCode::F(number),
                        _ => return Err(KeyError(text.to_owned())),
                    }
                }
            }
        };
        Ok(key)
    }
}

/// Which key means which action, by context.
#[derive(Debug, Clone)]
pub struct Bindings {
    entries: Vec<(Context, Key, Action)>,
}

impl Default for Bindings {
    /// The keys of the table of actions.
    fn default() -> Self {
        let mut entries = Vec::new();
        for info in ACTIONS {
            for context in info.contexts {
                for key in info.keys {
                    let key = key.parse().expect("a test parses every key of the table");
                    entries.push((*context, key, info.action));
                }
            }
        }
        Self { entries }
    }
}

impl Bindings {
    /// Returns what a key means in a context.
    pub fn action(&self, context: Context, key: Key) -> Option<Action> {
        let find = |context| {
            self.entries
                .iter()
                .find(|entry| entry.0 == context && entry.1 == key)
                .map(|entry| entry.2)
        };
        let wider = context.wider().iter();
        find(context).or_else(|| wider.copied().find_map(find))
    }

    /// Returns the keys of an action, each once, in the order of the table.
    pub fn keys(&self, action: Action) -> Vec<Key> {
        let mut keys: Vec<Key> = Vec::new();
        for entry in &self.entries {
            if entry.2 == action && !keys.contains(&entry.1) {
                keys.push(entry.1);
            }
        }
        keys
    }

    /// Returns the first key of an action, as the footer names it.
    pub fn label(&self, action: Action) -> Option<String> {
        self.keys(action).first().map(Key::label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_prints_what_it_parses() {
        for info in ACTIONS {
            for text in info.keys {
                let key: Key = text.parse().unwrap();
                assert_eq!(key.to_string(), *text);
                assert!(!key.label().is_empty());
            }
        }
        for text in ["ctrl-alt-x", "f12", "-", "ctrl--", "ä", "alt-pgup"] {
            assert_eq!(text.parse::<Key>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_key_is_refused_by_name() {
        for text in ["", "ctrl-", "xx", "f0", "f25", "\u{1b}", " "] {
            let error = text.parse::<Key>().unwrap_err();
            assert!(error.to_string().contains("is no key"), "{text:?}");
        }
    }

    #[test]
    fn no_key_means_two_things_in_one_place() {
        let bindings = Bindings::default();
        for (place, one) in bindings.entries.iter().enumerate() {
            for other in &bindings.entries[place + 1..] {
                assert!(
                    one.0 != other.0 || one.1 != other.1,
                    "{} in {:?} means {:?} and {:?}",
                    one.1,
                    one.0,
                    one.2,
                    other.2
                );
            }
        }
    }
}
