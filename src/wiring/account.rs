//! Who a user is at a server: `whoami`, `servers`, `logout`.

use std::io::Write;

use crate::cli::plain::spell_duration;
use crate::cli::{LogoutArgs, WhoamiArgs, clean};
use crate::config::is_server_name;
use crate::domain::Millis;
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
    /// What it may do there.
    role: Option<String>,
}

impl Me {
    /// Asks in a way that only a valid credential gets an answer to (public-api.md §2.3): who a user
    /// is, anybody may ask.
    pub async fn ask(client: &Client, org: Option<&str>) -> Result<Self, UserError> {
        let mut me = Self {
            user: None,
            orgs: Vec::new(),
            role: None,
        };
        // A server of this program has roles, and no users.
        if let Some(holder) = client.holder().await {
            let org = org.unwrap_or(&holder.org);
            me.orgs.push(client.org(org).await.map_err(|e| said(&e))?);
            me.role = Some(match holder.role.as_str() {
                "read" => "read: see builds, logs and artifacts".to_owned(),
                "run" => "run: also start, cancel and approve builds".to_owned(),
                other => other.to_owned(),
            });
            return Ok(me);
        }
        me.role = match client.credential() {
            Credential::Jwt(login) => login.role(),
            _ => Some("reads and writes in its org, as every API token of MonkeyCI".to_owned()),
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
        lines.extend(self.role.iter().map(|role| format!("role: {role}")));
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
        // Of a server that nobody knows it does not matter that the keyring could not be asked.
        let unknown = known.named(&name).err();
        let nothing = || UserError::new(format!("nothing is kept for server \"{name}\""));
        let of_environment = known.all.iter().all(|server| server.name != name);
        return Err(match (unknown, trouble) {
            (Some(unknown), _) => unknown,
            (None, Some(trouble)) => trouble,
            (None, None) if of_environment => {
                nothing().hint(format!("unset {TOKEN_VARIABLE} to be a stranger there"))
            }
            (None, None) => nothing(),
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
        "the server still takes it: the web app withdraws API tokens; one of `serve token` goes with its line \
         in the server's tokens.edn"
            .to_owned(),
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
                Some(at) if at > now => {
                    format!("login, valid for {}", spell_duration(at - now))
                }
                _ => "login".to_owned(),
            }
        }
        _ => "API token".to_owned(),
    };
    lines.push(format!("credential: {kind} (from the {})", found.source));
    lines.extend(me.lines());
    if let Some(org) = resolved.org.clone().or_else(|| me.only_org()) {
        lines.extend(spent(&client, &org).await);
    }
    print_lines(&lines)
}

/// What an org has used and has left, where the server counts it and tells.
async fn spent(client: &Client, org: &str) -> Option<String> {
    let (stats, credits) = tokio::join!(client.stats(org, None), client.credits(org));
    let mut parts = Vec::new();
    if let Ok(stats) = stats {
        let sum = |days: &[(Millis, f64)]| days.iter().map(|(_, amount)| amount).sum::<f64>();
        let seconds = sum(&stats.elapsed_seconds);
        parts.push(format!(
            "{} and {} credits in 31 days",
            spell_duration((seconds * 1000.0) as Millis),
            amount(sum(&stats.consumed_credits)),
        ));
    }
    if let Ok(credits) = credits {
        parts.push(format!("{} credits left", amount(credits.available)));
    }
    (!parts.is_empty()).then(|| format!("usage of {org}: {}", parts.join(", ")))
}

/// With decimals only where there are any.
fn amount(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Prints lines that others may have written.
pub(super) fn print_lines(lines: &[String]) -> Result<Exit, UserError> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        quiet(writeln!(out, "{}", clean(line).trim_end()))?;
    }
    Ok(Exit::Success)
}
