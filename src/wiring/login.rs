//! `login`: a server is tried, a credential is tried there, and both are kept.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use crate::cli::{LoginArgs, StoreChoice, clean};
use crate::config::{self, Server, ServerEntry, USER_FILE, is_server_name};

use crate::remote::{BaseUrl, Client, ClientOptions, Credential};
use crate::secrets::{Kept, Place, Vault};
use crate::store::Home;

use super::ask::{self, Asked};
use super::error::{Exit, UserError};

use super::account::{Me, print_lines};
use super::credentials::{self, TOKEN_VARIABLE};
use super::servers::{Servers, said};

/// MonkeyCI's own server.
const MONKEYCI: &str = "https://api.monkeyci.com";

/// `login`.
pub(super) async fn login(home: &Home, args: &LoginArgs) -> Result<Exit, UserError> {
    let known = Servers::of(home)?;
    let (mut server, typed) = server_of(&known, args)?;
    let vault = Vault::of_user(home.config());
    if args.store == StoreChoice::Keyring {
        // Said before somebody has typed a credential.
        vault.check_keyring().map_err(|error| {
            UserError::of(&error).hint(format!(
                "`--store file` keeps the credential in {}, which only you can read; {TOKEN_VARIABLE} \
                 works without keeping it",
                vault.file().display()
            ))
        })?;
    }
    let options = credentials::options(&Server {
        url: typed.to_string(),
        ..server.clone()
    })?;
    let probe = Client::probe(options.clone())
        .await
        .map_err(|error| said(&error))?;
    server.url = probe.base.to_string();
    complain!(
        "{} runs MonkeyCI {}",
        clean(&server.url),
        clean(&probe.version)
    );

    let kept = match credential(args).await? {
        Asked::Answer(kept) => kept,
        Asked::Refused => return Ok(Exit::Interrupted),
    };
    let client = Client::new(ClientOptions {
        base: probe.base,
        credential: credentials::credential_of(kept.clone()),
        ..options
    })
    .map_err(|error| said(&error))?;
    let org = args.org.clone().or_else(|| server.org.clone());
    let is_asked = ask::is_somebody_there() && !args.token_stdin;
    let org = match (&kept, org) {
        (Kept::Token(_), None) if is_asked && client.holder().await.is_none() => {
            match ask::ask("org of the token").await? {
                Asked::Answer(org) => org,
                Asked::Refused => return Ok(Exit::Interrupted),
            }
        }
        (_, org) => org,
    };
    let me = Me::ask(&client, org.as_deref()).await?;
    let org = org.or_else(|| me.only_org());
    // It may have been renewed while it was tried.
    let kept = match client.credential() {
        Credential::Jwt(login) => Kept::Login {
            jwt: login.jwt,
            refresh: login.refresh,
        },
        _ => kept,
    };

    // The configuration first: a server without a credential says so, a credential without a server
    // is found by nobody.
    let entry = ServerEntry {
        name: &server.name,
        url: &server.url,
        org: org.as_deref(),
    };
    write_server(home.config(), entry)?;
    let place = match args.store {
        StoreChoice::Keyring => Place::Keyring,
        StoreChoice::File => Place::File,
    };
    vault
        .save(&server.name, &credentials::origin(&server)?, &kept, place)
        .map_err(|error| UserError::of(&error))?;
    if place == Place::File {
        complain!(
            "warning: the credential is in {}, not encrypted: whoever reads that file, or a backup \
             of it, has it",
            vault.file().display()
        );
    }
    let mut lines = vec![format!(
        "logged in to {} as server \"{}\"",
        server.url, server.name
    )];
    lines.extend(me.lines());
    match &org {
        Some(org) => lines.push(format!("org where none is named: {org}")),
        None => lines.push(
            "no org is set: `--org` with this command does that, or ORG/REPO names one".to_owned(),
        ),
    }
    print_lines(&lines)
}

/// The server that is meant, and the address that is tried.
fn server_of(known: &Servers, args: &LoginArgs) -> Result<(Server, BaseUrl), UserError> {
    let parse = |url: &str| BaseUrl::parse(url).map_err(|error| UserError::of(&error));
    let named = match &args.name {
        Some(name) if !is_server_name(name) => {
            let message = format!("{name:?} is no name for a server");
            return Err(UserError::new(message).hint("letters, digits, - and _ are possible"));
        }
        Some(name) => known.all.iter().find(|server| server.name == *name),
        None => None,
    };
    let Some(url) = &args.url else {
        let server = match named {
            Some(server) => server.clone(),
            None if args.name.is_none() && !known.all.is_empty() => known.meant()?,
            None => {
                let name = args.name.clone().unwrap_or_else(|| "monkeyci".to_owned());
                Server::at(&name, MONKEYCI)
            }
        };
        let base = parse(&server.url)?;
        return Ok((server, base));
    };
    let base = parse(&api_of(url, known))?;
    let same = |server: &&Server| parse(&server.url).is_ok_and(|url| url.origin() == base.origin());
    let server = match (named, &args.name) {
        (Some(server), _) if same(&server) => server.clone(),
        (Some(server), _) => {
            let message = format!("server \"{}\" is {}, not {base}", server.name, server.url);
            return Err(UserError::new(message)
                .hint("give another --name, or change the address in config.toml"));
        }
        (None, Some(name)) => Server::at(name, &base.to_string()),
        (None, None) => match known.all.iter().find(same) {
            Some(server) => server.clone(),
            None => Server::at(&free_name(&base, known), &base.to_string()),
        },
    };
    Ok((server, base))
}

/// The address of an API, also where that of its web app was typed.
fn api_of(url: &str, known: &Servers) -> String {
    let url = url.trim().trim_end_matches('/');
    let web = |server: &&Server| server.web_url().as_deref() == Some(url);
    if let Some(server) = known.all.iter().find(web) {
        return server.url.clone();
    }
    match url.split_once("://app.") {
        Some((scheme, rest)) if !rest.contains('/') => format!("{scheme}://api.{rest}"),
        // A host alone is one with TLS.
        None if !url.contains("://") => format!("https://{url}"),
        _ => url.to_owned(),
    }
}

/// A name made from an address: `monkeyci` of `https://api.monkeyci.com`.
fn free_name(base: &BaseUrl, known: &Servers) -> String {
    let host = base.host();
    let host = host.split(':').next().unwrap_or_default();
    let labels: Vec<&str> = host.split('.').collect();
    let is_number = labels
        .iter()
        .all(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    let name = match &labels[..] {
        _ if is_number || base.is_loopback() || host.starts_with('[') => "local",
        ["api" | "www" | "ci", name, ..] => name,
        [name, ..] => name,
        [] => "server",
    };
    let name = if is_server_name(name) { name } else { "server" };
    let is_free = |name: &str| known.all.iter().all(|server| server.name != name);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .find(|name| is_free(name))
        .unwrap_or_default()
}

/// The credential, from stdin or whoever sits there.
async fn credential(args: &LoginArgs) -> Result<Asked<Kept>, UserError> {
    let (first, second) = if args.token_stdin {
        let mut lines = ask::read_secrets()?.into_iter();
        (lines.next().unwrap_or_default(), lines.next())
    } else {
        if !ask::is_somebody_there() {
            return Err(
                UserError::new("there is no terminal to ask for the credential")
                    .hint("`--token-stdin` reads it from stdin"),
            );
        }
        let question = if args.jwt {
            "login token (JWT) of the web app"
        } else {
            "API token"
        };
        let first = match ask::ask_secret(question).await? {
            Asked::Answer(first) => first,
            Asked::Refused => return Ok(Asked::Refused),
        };
        let second = if args.jwt {
            match ask::ask_secret("refresh token, if there is one").await? {
                Asked::Answer(second) => Some(second),
                Asked::Refused => return Ok(Asked::Refused),
            }
        } else {
            None
        };
        (first, second)
    };
    let first = first.expose_secret().trim();
    if first.is_empty() {
        return Err(UserError::new("no credential was given").hint(
            "the web app makes API tokens: settings of the org, API tokens; for a server of this \
                 program `monkeyci-tui serve token --role run` does, where it runs",
        ));
    }
    if first.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(UserError::new(
            "this is no credential: there are spaces in it",
        ));
    }
    let second = second
        .as_ref()
        .map(|second: &SecretString| second.expose_secret().trim())
        .filter(|second| !second.is_empty());
    let kept = credentials::kept_of(first, second);
    match (&kept, args.jwt) {
        (Kept::Token(_), true) => Err(UserError::new("this is no login token (JWT)")
            .hint("the web app keeps it in the browser: local storage, login-tokens")),
        _ => Ok(Asked::Answer(kept)),
    }
}

/// Writes a server into `config.toml`; what else is there stays as it is.
fn write_server(config_dir: &Path, entry: ServerEntry<'_>) -> Result<(), UserError> {
    let path = config_dir.join(USER_FILE);
    let failed = |why: String| UserError::new(format!("cannot write {}: {why}", path.display()));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error.to_string())),
    };
    let by_hand = || {
        let org = entry.org.map(|org| format!("\n  org = {org:?}"));
        failed("it is written in a way that cannot be changed from here".to_owned()).hint(format!(
            "write this into it:\n  [servers.{}]\n  url = {:?}{}",
            entry.name,
            entry.url,
            org.unwrap_or_default()
        ))
    };
    let changed = config::with_server(&text, entry).ok_or_else(by_hand)?;
    if changed == text {
        return Ok(());
    }
    let name = path.display().to_string();
    config::parse_user(config_dir, &name, &changed).map_err(UserError::new)?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(config_dir)
        .map_err(|error| failed(error.to_string()))?;
    // A link is followed: people keep such files elsewhere. Renamed into place, with the mode it had.
    let place = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
    let mut draft = place.clone().into_os_string();
    draft.push(".new");
    let draft = std::path::PathBuf::from(draft);
    std::fs::write(&draft, changed)
        .and_then(|()| match std::fs::metadata(&place) {
            Ok(found) => std::fs::set_permissions(&draft, found.permissions()),
            Err(_) => Ok(()),
        })
        .and_then(|()| std::fs::rename(&draft, &place))
        .map_err(|error| {
            // The old file is as it was.
            let _ = std::fs::remove_file(&draft);
            failed(error.to_string())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(servers: &[(&str, &str)]) -> Servers {
        let all = servers.iter().map(|(name, url)| Server::at(name, url));
        Servers::known(all.collect())
    }

    fn args(url: Option<&str>, name: Option<&str>) -> LoginArgs {
        LoginArgs {
            url: url.map(str::to_owned),
            name: name.map(str::to_owned),
            org: None,
            token_stdin: false,
            jwt: false,
            store: StoreChoice::Keyring,
        }
    }

    fn meant(servers: &Servers, url: Option<&str>, name: Option<&str>) -> Result<String, String> {
        server_of(servers, &args(url, name))
            .map(|(server, base)| format!("{} {base}", server.name))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_server_gets_a_name_from_its_address() {
        let none = known(&[]);
        for (url, name) in [
            (None, "monkeyci https://api.monkeyci.com"),
            (
                Some("https://app.monkeyci.com/"),
                "monkeyci https://api.monkeyci.com",
            ),
            (Some("api.example.org"), "example https://api.example.org"),
            (
                Some("https://builds.example.org/v1"),
                "builds https://builds.example.org/v1",
            ),
            (Some("http://127.0.0.1:3000"), "local http://127.0.0.1:3000"),
            (Some("http://[::1]:3000"), "local http://[::1]:3000"),
            (Some("http://localhost"), "local http://localhost"),
        ] {
            assert_eq!(meant(&none, url, None).as_deref(), Ok(name));
        }
        let one = known(&[("local", "http://127.0.0.1:3000")]);
        let other = meant(&one, Some("http://127.0.0.1:4000"), None).unwrap();
        assert_eq!(other, "local-2 http://127.0.0.1:4000");
    }

    #[test]
    fn a_known_server_is_logged_in_to_again() {
        let servers = known(&[
            ("one", "https://api.one.example/v1"),
            ("two", "https://two.example"),
        ]);
        for (url, name, found) in [
            (None, Some("two"), "two https://two.example"),
            (
                Some("https://api.one.example"),
                None,
                "one https://api.one.example",
            ),
            (
                Some("https://app.one.example"),
                None,
                "one https://api.one.example/v1",
            ),
            (
                Some("https://two.example"),
                Some("two"),
                "two https://two.example",
            ),
            (None, Some("three"), "three https://api.monkeyci.com"),
        ] {
            assert_eq!(meant(&servers, url, name).as_deref(), Ok(found));
        }
        let error = meant(&servers, Some("https://three.example"), Some("two")).unwrap_err();
        assert!(error.contains("give another --name"), "{error}");
        assert!(meant(&servers, None, None).is_err());
        assert!(meant(&servers, None, Some("a b")).is_err());
    }

    #[test]
    fn the_configuration_is_written_or_said() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("config");
        let entry = ServerEntry {
            name: "s",
            url: "https://h",
            org: Some("o"),
        };
        write_server(&dir, entry).unwrap();
        let file = dir.join(USER_FILE);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("[servers.s]"));
        let odd = "servers = { s = { url = \"https://x\" } }\n";
        std::fs::write(&file, odd).unwrap();
        let error = write_server(&dir, entry).unwrap_err().to_string();
        assert!(
            error.contains("[servers.s]\n  url = \"https://h\"\n  org = \"o\""),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(&file).unwrap(), odd);
    }
}
