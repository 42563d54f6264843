//! Who a user is at a server: `whoami`, `servers`, `logout`.

use std::io::Write;

use crate::cli::{LogoutArgs, WhoamiArgs, clean};
use crate::config::is_server_name;
use crate::ports::{Clock, SystemClock};
use crate::remote::{Client, Credential, OrgInfo, UserInfo};
use crate::secrets::{Place, Vault};
use crate::store::Home;

use super::credentials::{self, Source, TOKEN_VARIABLE};
use super::error::{Exit, UserError};
use super::history::quiet;
use super::servers::{self, Servers, said};

/// Who a server takes a credential for.
pub(super) struct Me {
    user: Option<UserInfo>,
    orgs: Vec<OrgInfo>,
}

impl Me {
    /// Asks in a way that only a valid credential gets an answer to (public-api.md §2.3): who a user
    /// is, anybody may ask.
    pub async fn ask(client: &Client, org: Option<&str>) -> Result<Self, UserError> {
        let mut me = Self {
            user: None,
            orgs: Vec::new(),
        };
        if let Credential::Jwt(login) = client.credential() {
            let (provider, id) = login.subject().ok_or_else(|| {
                UserError::new("this login does not say whose it is")
                    .hint("copy all of the token, from eyJ to its end")
            })?;
            let user = client.user(&provider, &id).await.map_err(|e| said(&e))?;
            me.orgs = client.orgs_of(&user.id).await.map_err(|e| said(&e))?;
            me.user = Some(user);
        }
        let tried = match (org, me.orgs.first()) {
            (Some(org), _) => org.to_owned(),
            (None, Some(org)) => org.id.clone(),
            (None, None) if me.user.is_some() => {
                return Err(UserError::new("this user is in no org of the server")
                    .hint("make one in the web app, or ask to join one"));
            }
            (None, None) => {
                return Err(
                    UserError::new("an API token cannot be tried without its org")
                        .hint("give --org with the id that the web app shows in its address"),
                );
            }
        };
        let org = client.org(&tried).await.map_err(|e| said(&e))?;
        if me.orgs.iter().all(|known| known.id != org.id) {
            me.orgs.push(org);
        }
        Ok(me)
    }

    /// The org, if there is only one; by the id that people know.
    pub fn only_org(&self) -> Option<String> {
        match &self.orgs[..] {
            [org] => Some(org.display_id.clone().unwrap_or_else(|| org.id.clone())),
            _ => None,
        }
    }

    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(user) = &self.user {
            let provider = user.provider.as_deref().unwrap_or("unknown");
            let email = user.email.as_deref().unwrap_or("no address");
            lines.push(format!("user: {email} ({provider})"));
        }
        for org in &self.orgs {
            let id = org.display_id.as_deref().unwrap_or(&org.id);
            lines.push(format!("org: {id} ({})", org.name));
        }
        lines
    }
}

/// `logout`.
pub(super) fn logout(home: &Home, args: &LogoutArgs) -> Result<Exit, UserError> {
    let known = Servers::of(home)?;
    let name = match &args.name {
        // One that is no more in the configuration may still have a credential.
        Some(name) if is_server_name(name) => name.clone(),
        Some(name) => known.named(name)?.name,
        None => known.meant()?.name,
    };
    let vault = Vault::of_user(home.config());
    let (places, trouble) = vault.remove(&name);
    let trouble = trouble.map(|error| UserError::of(&error));
    if places.is_empty() {
        return Err(match trouble {
            Some(trouble) => trouble,
            None if known.all.iter().any(|server| server.name == name) => {
                UserError::new(format!("nothing is kept for server \"{name}\""))
            }
            None => known.named(&name).err().unwrap_or_else(|| {
                UserError::new(format!("nothing is kept for server \"{name}\""))
                    .hint(format!("unset {TOKEN_VARIABLE} to be a stranger there"))
            }),
        });
    }
    if let Some(trouble) = trouble {
        complain!("monkeyci-tui: {trouble}");
    }
    let places: Vec<&str> = places
        .iter()
        .map(|place| match place {
            Place::Keyring => "the keyring",
            Place::File => "the file",
        })
        .collect();
    print_lines(&[
        format!(
            "the credential of server \"{name}\" is removed from {}",
            places.join(" and ")
        ),
        "the server still takes it: the web app withdraws API tokens".to_owned(),
    ])
}

/// `servers`.
pub(super) fn list(home: &Home) -> Result<Exit, UserError> {
    let known = Servers::of(home)?;
    for remark in &known.remarks {
        complain!("monkeyci-tui: {}", clean(remark));
    }
    let meant = known.meant().ok();
    let mut lines = Vec::new();
    let mut trouble = None;
    for server in known.all.iter().chain(meant.iter().filter(|meant| {
        // The one of the environment.
        known.all.iter().all(|server| server.name != meant.name)
    })) {
        let resolved = servers::resolve(&known, Some(&server.name), None)?;
        let source = match credentials::credential(home, &resolved) {
            Ok(found) => {
                trouble = trouble.or(found.trouble);
                found.source.to_string()
            }
            Err(error) => {
                complain!("monkeyci-tui: {error}");
                Source::Nowhere.to_string()
            }
        };
        let mark = if meant.as_ref() == Some(server) {
            "*"
        } else {
            " "
        };
        lines.push(format!(
            "{mark} {:<16} {:<40} {:<20} {source}",
            server.name,
            server.url,
            server.org.as_deref().unwrap_or("-"),
        ));
    }
    if let Some(trouble) = trouble {
        complain!("monkeyci-tui: {}", UserError::of(&trouble));
    }
    if lines.is_empty() {
        complain!("no MonkeyCI server is known here: `monkeyci-tui login` makes one known");
    }
    print_lines(&lines)
}

/// `whoami`.
pub(super) async fn whoami(home: &Home, args: &WhoamiArgs) -> Result<Exit, UserError> {
    let known = Servers::of(home)?;
    let resolved = servers::resolve(&known, args.server.name.as_deref(), None)?;
    let found = credentials::credential(home, &resolved)?;
    if !found.credential.is_some() {
        let name = &resolved.server.name;
        let error = UserError::new(format!("nobody is logged in to server \"{name}\""));
        return Err(match &found.trouble {
            Some(trouble) => error.hint(UserError::of(trouble).message),
            None => error.hint(format!("`monkeyci-tui login --name {name}` does that")),
        });
    }
    let client = credentials::client(home, &resolved)?;
    let version = client.version().await.map_err(|error| said(&error))?;
    let me = Me::ask(&client, resolved.org.as_deref()).await?;
    let mut lines = vec![format!(
        "server: {} at {} (MonkeyCI {version})",
        resolved.server.name, resolved.server.url
    )];
    let kind = match client.credential() {
        Credential::Jwt(login) => {
            let now = SystemClock.now();
            match login.expires_at() {
                Some(at) if at > now => format!(
                    "login, valid for {}",
                    crate::cli::plain::spell_duration(at - now)
                ),
                _ => "login".to_owned(),
            }
        }
        _ => "API token".to_owned(),
    };
    lines.push(format!("credential: {kind} (from the {})", found.source));
    lines.extend(me.lines());
    print_lines(&lines)
}

/// Prints lines that others may have written.
pub(super) fn print_lines(lines: &[String]) -> Result<Exit, UserError> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        quiet(writeln!(out, "{}", clean(line).trim_end()))?;
    }
    Ok(Exit::Success)
}
