//! The URL of a repository, as git understands it, taken apart.

use std::path::PathBuf;

use reqwest::Url;
use secrecy::SecretString;

use crate::vcs::url::without_credentials;

/// Longer ones are no URL of a repository.
const LONGEST: usize = 4096;

/// Where a repository is.
#[derive(Debug, Clone)]
pub(super) struct RemoteUrl {
    /// Without credentials: what may be shown, kept and compared.
    pub shown: String,
    pub place: Place,
}

#[derive(Debug, Clone)]
pub(super) enum Place {
    /// Over HTTP; the URL has no credentials in it, those are beside it.
    Web { url: Url, login: Option<Login> },
    /// Over the user's `ssh`.
    Ssh(SshPlace),
    /// In a folder of this machine.
    Folder(PathBuf),
}

/// What a server asks for.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub user: String,
    pub password: SecretString,
}

/// None of it can become an option of ssh or a command of a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SshPlace {
    pub user: Option<String>,
    pub host: String,
    pub port: Option<u16>,
    /// As the git program over there gets it.
    pub path: String,
}

impl RemoteUrl {
    /// Takes a URL apart. The error says what is wrong with it without repeating it: there may be a password in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("there is none".to_owned());
        }
        if text.len() > LONGEST {
            return Err(format!("it is longer than {LONGEST} bytes"));
        }
        // Also those beyond ASCII, and what turns the direction of text.
        if text.chars().any(is_odd) {
            return Err("it has control characters in it".to_owned());
        }
        if text.starts_with('-') {
            return Err("it starts with `-`".to_owned());
        }
        let place = match text.split_once("://") {
            Some((scheme, rest)) => with_scheme(scheme, rest, text)?,
            None => without_scheme(text)?,
        };
        let shown = match &place {
            Place::Web { url, .. } => url.as_str().trim_end_matches('/').to_owned(),
            Place::Ssh(_) => without_credentials(text),
            Place::Folder(path) => path.display().to_string(),
        };
        Ok(Self { shown, place })
    }
}

fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn with_scheme(scheme: &str, rest: &str, text: &str) -> Result<Place, String> {
    // A scheme like `ext::sh -c …` hands the rest to another program.
    if scheme.contains(':') {
        return Err("it names a helper program, which is never started".to_owned());
    }
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => web(text),
        "ssh" | "git+ssh" | "ssh+git" => ssh(rest),
        "file" => file(rest),
        "git" => Err(
            "the protocol `git` is neither encrypted nor does it say who answers; use https or ssh"
                .to_owned(),
        ),
        _ => Err("its protocol is none of https, http, ssh and file".to_owned()),
    }
}

fn without_scheme(text: &str) -> Result<Place, String> {
    let is_helper = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        !name.is_empty() && name.chars().all(plain)
    };
    if text
        .split_once("::")
        .is_some_and(|(name, _)| is_helper(name))
    {
        return Err("it names a helper program, which is never started".to_owned());
    }
    // `[user@][::1]:path` has colons before the one that counts.
    let from = text.find(']').unwrap_or(0);
    let colon = text[from..].find(':').map(|at| from + at);
    let slash = text.find('/').unwrap_or(text.len());
    match colon {
        Some(colon) if colon < slash => {
            let (user, host, port) = authority(&text[..colon])?;
            if port.is_some() {
                return Err("its host is none".to_owned());
            }
            let path = ssh_path(&text[colon + 1..])?;
            Ok(Place::Ssh(SshPlace {
                user,
                host,
                port,
                path,
            }))
        }
        // So that it means the same tomorrow, and somewhere else.
        _ => std::path::absolute(text)
            .map(Place::Folder)
            .map_err(|error| error.to_string()),
    }
}

fn web(text: &str) -> Result<Place, String> {
    let mut url = Url::parse(text).map_err(|error| error.to_string())?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err("it names no host".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it has a query or a fragment".to_owned());
    }
    let login = login_in(&url)?;
    strip_login(&mut url);
    Ok(Place::Web { url, login })
}

/// The credentials in a URL; of a user alone only the name is known.
fn login_in(url: &Url) -> Result<Option<Login>, String> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let user = decoded(url.username())?;
    let password = decoded(url.password().unwrap_or_default())?;
    Ok(Some(Login {
        user,
        password: password.into(),
    }))
}

pub(super) fn strip_login(url: &mut Url) {
    // Both fail only for URLs that cannot have any.
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

fn file(rest: &str) -> Result<Place, String> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err("its host is not this machine".to_owned());
    }
    Ok(Place::Folder(PathBuf::from(decoded(path)?)))
}

fn ssh(rest: &str) -> Result<Place, String> {
    let (place, path) = rest
        .split_once('/')
        .ok_or_else(|| "it names no repository".to_owned())?;
    let (user, host, port) = authority(place)?;
    let path = format!("/{}", decoded(path)?);
    // `/~ada/x` is relative to a home, whose name a shell would have to see at the beginning.
    let path = path
        .strip_prefix('/')
        .filter(|path| path.starts_with('~'))
        .map_or_else(|| path.clone(), str::to_owned);
    let path = ssh_path(&path)?;
    Ok(Place::Ssh(SshPlace {
        user,
        host,
        port,
        path,
    }))
}

fn ssh_path(path: &str) -> Result<String, String> {
    match path {
        "" | "/" => Err("it names no repository".to_owned()),
        _ if path.starts_with('-') => Err("its path starts with `-`".to_owned()),
        _ if path.chars().any(is_odd) => Err("it has control characters in it".to_owned()),
        _ => Ok(path.to_owned()),
    }
}

/// `[user[:password]@]host[:port]`, the host perhaps in brackets.
fn authority(text: &str) -> Result<(Option<String>, String, Option<u16>), String> {
    let (user, place) = match text.rsplit_once('@') {
        Some((user, place)) => (Some(decoded(user)?), place),
        None => (None, text),
    };
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or("its host is none")?,
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    let port = match port.strip_prefix(':') {
        Some("") => None,
        Some(port) => Some(port.parse().map_err(|_| "its port is none")?),
        None if port.is_empty() => None,
        None => return Err("its host is none".to_owned()),
    };
    if user.as_ref().is_some_and(|user| user.contains(':')) {
        return Err("it has a password in it, which ssh does not take".to_owned());
    }
    let is_user = |user: &String| {
        !user.is_empty()
            && !user.starts_with('-')
            && user
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-+@\\".contains(c))
    };
    if user.as_ref().is_some_and(|user| !is_user(user)) {
        return Err("its user is none".to_owned());
    }
    let is_host = !host.is_empty()
        && !host.starts_with('-')
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-:%".contains(c));
    if !is_host {
        return Err("its host is none".to_owned());
    }
    Ok((user, host.to_owned(), port))
}

/// With `%41` and the like replaced by what they stand for.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let code = rest
            .get(..2)
            .and_then(|code| std::str::from_utf8(code).ok());
        let code = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(byte.ok_or("it has a `%` without two digits after it")?);
        rest = &rest[2..];
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    if text.chars().any(is_odd) {
        return Err("it has control characters in it".to_owned());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn ssh_of(text: &str) -> (Option<String>, String, Option<u16>, String) {
        match RemoteUrl::parse(text).unwrap().place {
            Place::Ssh(place) => (place.user, place.host, place.port, place.path),
            other => panic!("{text} is {other:?}"),
        }
    }

    #[test]
    fn urls_are_taken_apart() {
        let git = Some("git".to_owned());
        let of = |path: &str| (git.clone(), "h.org".to_owned(), None, path.to_owned());
        assert_eq!(ssh_of("git@h.org:a/b.git"), of("a/b.git"));
        assert_eq!(ssh_of("ssh://git@h.org/a/b.git"), of("/a/b.git"));
        assert_eq!(ssh_of("ssh://git@h.org/~ada/b"), of("~ada/b"));
        assert_eq!(ssh_of("ssh://git@h.org/a%20b"), of("/a b"));
        assert_eq!(
            ssh_of("ssh://[::1]:2222/a"),
            (None, "::1".to_owned(), Some(2222), "/a".to_owned())
        );
        assert_eq!(
            ssh_of("[::1]:a"),
            (None, "::1".to_owned(), None, "a".to_owned())
        );
        let here = std::env::current_dir().unwrap().join("a:b");
        let here = here.display().to_string();
        for (text, path) in [
            ("/srv/a.git", "/srv/a.git"),
            ("./a:b", &here),
            ("file:///srv/a%20b", "/srv/a b"),
            ("file://localhost/srv/a", "/srv/a"),
        ] {
            let Place::Folder(folder) = RemoteUrl::parse(text).unwrap().place else {
                panic!("{text} is no folder");
            };
            assert_eq!(folder, PathBuf::from(path));
        }
    }

    #[test]
    fn credentials_are_kept_apart_and_do_not_show() {
        let url = RemoteUrl::parse("https://ada:s%40cret@h.org/a.git").unwrap();
        assert_eq!(url.shown, "https://h.org/a.git");
        let debug = format!("{url:?}");
        assert!(!debug.contains("s@") && !debug.contains("s%40"), "{debug}");
        let Place::Web { login, .. } = url.place else {
            panic!("not on the web");
        };
        let login = login.unwrap();
        assert_eq!(login.user, "ada");
        assert_eq!(login.password.expose_secret(), "s@cret");
    }

    #[test]
    fn what_could_start_a_program_or_deceive_is_refused() {
        for text in [
            "",
            "ext::sh -c touch% /tmp/x",
            "ext::sh://x/y",
            "fd::17",
            "ext::[x]",
            "transport::https://h.org/x",
            "-oProxyCommand=x",
            "ssh://-oProxyCommand=x/y",
            "ssh://-l@h.org/y",
            "ssh://h.org/%0aProxyCommand",
            "-oProxyCommand=x:y",
            "git@-oProxyCommand=x:y",
            "git@h.org:-x",
            "git@h.org:",
            "ssh://h.org",
            "ssh://u:p@h.org/x",
            "ssh://h org/x",
            "ssh://h.org:x/y",
            "git://h.org/x",
            "ftp://h.org/x",
            "file://elsewhere/x",
            "https://",
            "https://h.org/x?y",
            "https://h.org/a\nb",
            "https://h.org/a\u{202e}b",
            "https://h%0a.org/a",
            "https://u%0a:x@h.org/a",
        ] {
            let parsed = RemoteUrl::parse(text);
            assert!(parsed.is_err(), "{text:?} is {parsed:?}");
        }
    }
}
