//! API tokens: 32 random bytes as hexadecimal text, kept as SHA-256 of that text (security.md §1).

use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::domain::Millis;
use crate::edn::{self, Map, Value};

use super::private;

/// What a token lets its holder do; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// See builds, logs and artifacts.
    Read,
    /// Also start, cancel and approve.
    Run,
    /// Also whatever else there will be; nothing is, yet.
    Admin,
}

impl Role {
    /// The name in files and tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Run => "run",
            Self::Admin => "admin",
        }
    }

    /// The role of a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Read, Self::Run, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == name)
    }
}

/// One token, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    hash: String,
    role: Role,
    valid_until: Option<Millis>,
}

/// The tokens that are good here.
#[derive(Debug, Default)]
pub(super) struct Tokens(Vec<Kept>);

/// Where they are kept in the server's folder.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("tokens.edn")
}

/// Makes a token and adds its hash to the file. The text itself is kept nowhere.
pub(super) fn add(
    folder: &Path,
    role: Role,
    description: Option<&str>,
    now: Millis,
    valid_until: Option<Millis>,
) -> io::Result<SecretString> {
    let text = private::random_hex::<32>()?;
    let mut map = Map::new();
    map.insert_kw("hash", private::sha256(text.as_bytes()));
    map.insert_kw("role", Value::kw(role.as_str()));
    map.insert_kw("created", Value::Int(now));
    if let Some(until) = valid_until {
        map.insert_kw("valid-until", Value::Int(until));
    }
    if let Some(description) = description {
        map.insert_kw("description", description);
    }
    add_line(&file(folder), &Value::Map(map))?;
    Ok(text.into())
}

/// Adds a form to a file of forms, one a line.
pub(super) fn add_line(path: &Path, value: &Value) -> io::Result<()> {
    let mut text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    text.push_str(&edn::write(value));
    text.push('\n');
    private::write(path, text.as_bytes())
}

/// The forms of a file with secrets; none when there is no file. The error is a sentence.
pub(super) fn read_lines(path: &Path) -> Result<Vec<Value>, String> {
    private::check_mode(path)?;
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|error| format!("cannot read {}: {error}", path.display()))?,
    };
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            // What is wrong with it is not said: the line has secrets.
            edn::read_str(line).map_err(|_| format!("a line of {} is no EDN", path.display()))
        })
        .collect()
}

impl Tokens {
    /// Reads the file.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let kept = read_lines(path)?.into_iter().map(|value| {
            let text = |key: &str| value.get(key).and_then(Value::as_str);
            let role = value.get("role").and_then(Value::as_keyword)?;
            Some(Kept {
                hash: text("hash")?.to_owned(),
                role: Role::parse(role.as_str())?,
                valid_until: value.get("valid-until").and_then(Value::as_i64),
            })
        });
        let kept = kept.collect::<Option<Vec<_>>>();
        Ok(Self(kept.ok_or_else(|| {
            format!("a line of {} is no token", path.display())
        })?))
    }

    /// The role of a token, if it is one of ours and its time is not over.
    pub(super) fn role(&self, text: &str, now: Millis) -> Option<Role> {
        let hash = private::sha256(text.as_bytes());
        // All are looked at, so that the time it takes tells nothing of which fits.
        let mut found = None;
        for kept in &self.0 {
            let good = private::same(&kept.hash, &hash);
            if good && kept.valid_until.is_none_or(|until| now < until) {
                found = Some(kept.role);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_token_is_good_for_its_role_and_time_and_kept_as_a_hash() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path());
        assert_eq!(Tokens::read(&path).unwrap().role("", 0), None);
        let read = add(dir.path(), Role::Read, None, 0, None).unwrap();
        let run = add(dir.path(), Role::Run, Some("x"), 0, Some(10)).unwrap();
        let tokens = Tokens::read(&path).unwrap();
        let role = |token: &SecretString, now| tokens.role(token.expose_secret(), now);
        assert_eq!(role(&read, 99), Some(Role::Read));
        assert_eq!(role(&run, 9), Some(Role::Run));
        assert_eq!(role(&run, 10), None);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(read.expose_secret()), "{text}");
        // The hash itself opens nothing.
        let hash = private::sha256(read.expose_secret().as_bytes());
        assert_eq!(tokens.role(&hash, 0), None);
    }

    #[test]
    fn a_file_that_is_damaged_is_named_and_not_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path());
        private::write(&path, b"{:hash \"abc\" :role :king}\n").unwrap();
        let error = Tokens::read(&path).unwrap_err();
        assert!(error.contains("tokens.edn") && !error.contains("abc"));
    }
}
