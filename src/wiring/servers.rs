//! Which server is meant, and which org, repo and build there.
//!
//! [`resolve`] is the one place that answers this for every command. Where no server is named it is
//! the one that `MONKEYCI_TUI_SERVER` names, else that of `MONKEYCI_TUI_URL`, else the one that the
//! configuration calls the default, else the only one there is.
//!
//! What lets the user in there is found in `credentials.rs`.

use crate::config::{self, Server};
use crate::domain::Sid;
use crate::remote::{BaseUrl, Client, RemoteError};
use crate::store::Home;

use super::error::UserError;
use super::target::{At, BuildName, Target};

/// The name or the address of the server that is meant where none is named.
const SERVER_VARIABLE: &str = "MONKEYCI_TUI_SERVER";

/// The address of a server that is in no configuration.
pub(super) const URL_VARIABLE: &str = "MONKEYCI_TUI_URL";

/// What the server of [`URL_VARIABLE`] is called.
pub(super) const OF_ENVIRONMENT: &str = "environment";

/// The servers that are known.
#[derive(Debug)]
pub(super) struct Servers {
    /// In the order of their names.
    pub all: Vec<Server>,
    /// Sentences about the configuration.
    pub remarks: Vec<String>,
    of_environment: Option<Server>,
    named_by_environment: Option<String>,
}

/// What was typed, looked up.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    pub server: Server,
    /// As typed, else the server's default.
    pub org: Option<String>,
    pub repo: Option<String>,
    pub build: Option<BuildName>,
    pub job: Option<String>,
    /// It is meant where none is named.
    pub is_default: bool,
}

/// Looks up what was typed as a target, and as `--server`.
pub(super) fn resolve(
    servers: &Servers,
    named: Option<&str>,
    typed: Option<&str>,
) -> Result<Resolved, UserError> {
    let target = match typed {
        Some(typed) => Target::parse(typed).map_err(UserError::new)?,
        None => Target::default(),
    };
    let named = named.map(|named| servers.named(named)).transpose()?;
    let server = match (&target.at, named) {
        (None, Some(named)) => named,
        (None, None) => servers.meant()?,
        (Some(At::Name(name)), None) => servers.named(name)?,
        (Some(At::Name(name)), Some(named)) if *name == named.name => named,
        (Some(At::Name(name)), Some(_)) => {
            // A word behind --server can only be a repo of its org, which needs the org.
            let message = format!("{name:?} is no target on a server");
            return Err(UserError::new(message).hint("give ORG/REPO or ORG/REPO/BUILD"));
        }
        (Some(at), Some(named)) if is_at(&named, at) => named,
        (Some(_), Some(named)) => {
            let message = format!("this address is not that of server {:?}", named.name);
            return Err(UserError::new(message).hint("leave out --server"));
        }
        (Some(at), None) => servers.at(at)?,
    };
    let meant = servers.meant().ok();
    Ok(Resolved {
        is_default: meant.is_some_and(|meant| meant == server),
        org: target.org.or_else(|| server.org.clone()),
        server,
        repo: target.repo,
        build: target.build,
        job: target.job,
    })
}

impl Servers {
    /// Those of the configuration and the environment.
    pub fn of(home: &Home) -> Result<Self, UserError> {
        let (config, remarks) = config::read_user(home.config()).map_err(UserError::new)?;
        let typed = std::env::var(URL_VARIABLE).ok();
        let of_environment = match typed.filter(|url| !url.is_empty()) {
            None => None,
            Some(url) => {
                let base = BaseUrl::parse(&url)
                    .map_err(|error| UserError::new(format!("{URL_VARIABLE}: {error}")))?;
                Some(Server::at(OF_ENVIRONMENT, &base.to_string()))
            }
        };
        let named = std::env::var(SERVER_VARIABLE).ok();
        Ok(Self {
            all: config.servers,
            remarks,
            of_environment,
            named_by_environment: named.filter(|name| !name.is_empty()),
        })
    }

    /// These and no others.
    #[cfg(test)]
    pub fn known(all: Vec<Server>) -> Self {
        Self {
            all,
            remarks: Vec::new(),
            of_environment: None,
            named_by_environment: None,
        }
    }

    /// The server that is meant where none is named.
    pub fn meant(&self) -> Result<Server, UserError> {
        if let Some(name) = &self.named_by_environment {
            return self.named(name);
        }
        if let Some(server) = &self.of_environment {
            return Ok(server.clone());
        }
        if let Some(server) = self.all.iter().find(|server| server.default) {
            return Ok(server.clone());
        }
        match &self.all[..] {
            [] => Err(UserError::new("no MonkeyCI server is known here")
                .hint("`monkeyci-tui login` makes one known")),
            [one] => Ok(one.clone()),
            several => Err(
                UserError::new("several servers are known: name one with --server").hint(format!(
                    "known: {}; with `default = true` in config.toml one of them is meant without \
                     a word",
                    names(several)
                )),
            ),
        }
    }

    /// A server by its name or its address.
    pub fn named(&self, name: &str) -> Result<Server, UserError> {
        if name.contains("://") {
            let base = BaseUrl::parse(name).map_err(|error| UserError::of(&error))?;
            return self.at(&At::Address(base));
        }
        let known = self.all.iter().chain(&self.of_environment);
        if let Some(server) = known.into_iter().find(|server| server.name == name) {
            return Ok(server.clone());
        }
        let hint = if self.all.is_empty() {
            "`monkeyci-tui login` makes a server known".to_owned()
        } else {
            format!("known: {}", names(&self.all))
        };
        Err(UserError::new(format!("no server is called {name:?}")).hint(hint))
    }

    /// A server by an address: one that is known, else one of which nothing else is.
    fn at(&self, at: &At) -> Result<Server, UserError> {
        let known = self.of_environment.iter().chain(&self.all);
        let mut fitting: Vec<&Server> = known.filter(|server| is_at(server, at)).collect();
        if fitting.len() > 1 {
            let exact = |server: &&Server| is_exactly_at(server, at);
            match fitting.iter().copied().find(exact) {
                Some(server) => fitting = vec![server],
                None => fitting.retain(|server| server.default),
            }
        }
        match (&fitting[..], at) {
            ([server], _) => Ok((*server).clone()),
            ([], At::Api(base) | At::Address(base)) => {
                Ok(Server::at(&base.host(), &base.to_string()))
            }
            ([], At::Web(base)) => {
                let url = base.to_string();
                let Some(api) = url.split_once("://app.") else {
                    let message = format!("no server is known whose web app is at {url}");
                    return Err(UserError::new(message).hint(
                        "`monkeyci-tui login` with the address of its API makes it known; `web = \
                         \"…\"` in config.toml says where its web app is",
                    ));
                };
                let api = format!("{}://api.{}", api.0, api.1);
                let base = BaseUrl::parse(&api).map_err(|error| UserError::of(&error))?;
                Ok(Server::at(&base.host(), &base.with_path("").to_string()))
            }
            _ => Err(
                UserError::new("several servers have this address: name one with --server")
                    .hint(format!("known: {}", names(&self.all))),
            ),
        }
    }
}

/// Whether an address is one of this server. Its path does not matter: the API may be found with
/// and without `/v1`.
fn is_at(server: &Server, at: &At) -> bool {
    let api = BaseUrl::parse(&server.url).ok();
    let web = server.web_url().and_then(|web| BaseUrl::parse(&web).ok());
    let same = |known: Option<BaseUrl>, asked: &BaseUrl| {
        known.is_some_and(|known| known.origin() == asked.origin())
    };
    match at {
        At::Name(name) => *name == server.name,
        At::Api(base) => same(api, base),
        // A small server may have both at one address.
        At::Web(base) | At::Address(base) => same(web, base) || same(api, base),
    }
}

fn is_exactly_at(server: &Server, at: &At) -> bool {
    match at {
        At::Name(name) => *name == server.name,
        At::Api(base) | At::Address(base) => base.to_string() == server.url,
        At::Web(base) => server.web_url().is_some_and(|web| web == base.to_string()),
    }
}

fn names(servers: &[Server]) -> String {
    let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
    names.join(", ")
}

impl Resolved {
    /// Org and repo; the error says how to name them.
    pub fn org_and_repo(&self) -> Result<(&str, &str), UserError> {
        match (&self.org, &self.repo) {
            (Some(org), Some(repo)) => Ok((org, repo)),
            (Some(_), None) => Err(UserError::new("no repo is named")
                .hint("give ORG/REPO, or the URL of a repo in the web app")),
            (None, _) => Err(no_org()),
        }
    }

    /// The org; the error says how to name it.
    pub fn org(&self) -> Result<&str, UserError> {
        self.org.as_deref().ok_or_else(no_org)
    }

    /// Org, repo and build: a build that is not named, or only as the newest, is asked for.
    pub async fn sid(&self, client: &Client) -> Result<Sid, UserError> {
        let (org, repo) = self.org_and_repo()?;
        if let Some(BuildName::Id(build)) = &self.build {
            return Ok(Sid::new(org, repo, build));
        }
        let latest = match client.latest(org, repo).await {
            Ok(latest) => latest,
            Err(error) => return Err(no_repo(client, org, repo, &error).await),
        };
        match latest {
            Some(build) => Ok(Sid::new(org, repo, build.build_id)),
            None => Err(UserError::new(format!("{org}/{repo} has no builds yet"))
                .hint(format!("`monkeyci-tui trigger {org}/{repo}` starts one"))),
        }
    }
}

fn no_org() -> UserError {
    UserError::new("no org is named")
        .hint("give ORG/REPO, or set `org` of the server in config.toml")
}

/// So many repos are named to who has named none of them.
const NAMED: usize = 20;

/// What a refusal is to a user who may have named a repo that is not there: then those are named that are.
pub(super) async fn no_repo(
    client: &Client,
    org: &str,
    repo: &str,
    error: &RemoteError,
) -> UserError {
    if !error.is_not_found() {
        return said(error);
    }
    let Ok(known) = client.org(org).await else {
        return said(error);
    };
    let mut ids: Vec<&str> = known.repos.iter().map(|repo| repo.id.as_str()).collect();
    if ids.contains(&repo) {
        return said(error);
    }
    let more = ids.len().saturating_sub(NAMED);
    ids.truncate(NAMED);
    let unknown = UserError::new(format!("{org} has no repo \"{repo}\" that you may see"));
    match (&ids[..], more) {
        ([], _) => unknown.hint(format!("{org} has no repos at all")),
        (ids, 0) => unknown.hint(format!("its repos: {}", ids.join(", "))),
        (ids, more) => unknown.hint(format!("its repos: {} and {more} more", ids.join(", "))),
    }
}

/// What a server's refusal is to a user.
pub(super) fn said(error: &RemoteError) -> UserError {
    UserError::of(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str, url: &str) -> Server {
        Server::at(name, url)
    }

    fn servers(all: &[Server]) -> Servers {
        Servers::known(all.to_vec())
    }

    fn two() -> Servers {
        let mut one = server("one", "https://api.one.example/v1");
        one.org = Some("mine".to_owned());
        servers(&[one, server("two", "http://127.0.0.1:3000")])
    }

    fn name_of(servers: &Servers, named: Option<&str>, typed: &str) -> Result<String, String> {
        resolve(servers, named, Some(typed))
            .map(|resolved| format!("{} {}", resolved.server.name, resolved.server.url))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_server_is_the_one_that_is_named_in_whatever_way() {
        let servers = two();
        let one = "one https://api.one.example/v1";
        for (named, typed) in [
            (None, "one"),
            (Some("one"), "o/r"),
            (Some("one"), "one"),
            (None, "https://app.one.example/o/x/r/y/b/build-1"),
            (None, "https://api.one.example/org/x/repo/y"),
            (None, "https://api.one.example"),
            (Some("https://app.one.example"), "o/r"),
            (Some("one"), "https://app.one.example/o/x"),
        ] {
            assert_eq!(
                name_of(&servers, named, typed).as_deref(),
                Ok(one),
                "{typed}"
            );
        }
        let other = name_of(&servers, None, "https://app.other.example/o/x").unwrap();
        assert_eq!(other, "api.other.example https://api.other.example");
        let local = name_of(&servers, None, "http://127.0.0.1:3000/o/x").unwrap();
        assert_eq!(local, "two http://127.0.0.1:3000");
        for (named, typed, said) in [
            (None, "o/r", "several servers are known"),
            (None, "three", "no server is called \"three\""),
            (Some("three"), "o/r", "known: one, two"),
            (
                Some("one"),
                "https://app.other.example/o/x",
                "not that of server",
            ),
            (
                None,
                "https://ci.example/o/x",
                "no server is known whose web app",
            ),
        ] {
            let error = name_of(&servers, named, typed).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn where_none_is_named_it_is_the_default_or_the_only_one() {
        let mut servers = two();
        servers.all[1].default = true;
        assert!(name_of(&servers, None, "o/r").unwrap().starts_with("two "));
        servers.all.remove(1);
        assert!(name_of(&servers, None, "o/r").unwrap().starts_with("one "));
        servers.of_environment = Some(server(OF_ENVIRONMENT, "https://e.example"));
        assert!(
            name_of(&servers, None, "o/r")
                .unwrap()
                .starts_with(OF_ENVIRONMENT)
        );
        servers.named_by_environment = Some("one".to_owned());
        assert!(name_of(&servers, None, "o/r").unwrap().starts_with("one "));
        servers.named_by_environment = Some("three".to_owned());
        assert!(name_of(&servers, None, "o/r").is_err());
        let none = self::servers(&[]);
        let error = name_of(&none, None, "o/r").unwrap_err();
        assert!(error.contains("monkeyci-tui login"), "{error}");
    }

    #[test]
    fn the_org_is_the_one_that_is_named_or_the_servers() {
        let servers = two();
        let org = |typed: Option<&str>| resolve(&servers, Some("one"), typed).unwrap().org;
        assert_eq!(org(None).as_deref(), Some("mine"));
        assert_eq!(org(Some("o/r")).as_deref(), Some("o"));
        let two = resolve(&servers, Some("two"), None).unwrap();
        assert!(two.org().is_err());
    }
}
