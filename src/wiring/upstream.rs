//! The server that a build's repository is on, if one is set up for the build: by the user with
//! `--server`, else by the project, which may name one that the user knows.
//!
//! | who names | server | org and repo | counts |
//! | --- | --- | --- | --- |
//! | `--server NAME/ORG/REPO` | of the user's configuration | as typed | as it is |
//! | `--server NAME` | of the user's configuration | as the project says, else by the checkout's URL | with the checkout's URL only |
//! | `[remote]` of the project | of the user's configuration | the same | with the checkout's URL only |
//!
//! A project is hostile input: it could name a repository of the user's that it has nothing to do
//! with, and its script would get the parameters of that one.

use std::sync::{Arc, Mutex, PoisonError};

use crate::cli::RunArgs;
use crate::config::{ProjectConfig, is_server_name};
use crate::engine::EngineHandle;
use crate::ports::Upstream;
use crate::remote::forward::{Cached, OfServer, Whose};
use crate::store::Home;
use crate::vcs::same_repository;

use super::credentials;
use super::error::UserError;
use super::servers::{self, Servers};

/// Typed in place of a server's name: none.
const NONE: &str = "none";

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// The server, if there is one for this build.
    pub(super) server: Option<Arc<dyn Upstream>>,
    /// What is odd about it.
    pub(super) remarks: Remarks,
}

/// What is said before there is a build whose journal could have it, and after.
#[derive(Debug, Clone, Default)]
pub(super) struct Remarks(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    early: Vec<String>,
    build: Option<EngineHandle>,
}

impl Remarks {
    fn say(&self, remark: String) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &told.build {
            Some(build) => build.warn(None, remark),
            None => told.early.push(remark),
        }
    }

    /// From now on this build is told, and what has been said before.
    pub(super) fn tell(&self, build: &EngineHandle) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for remark in std::mem::take(&mut told.early) {
            build.warn(None, remark);
        }
        told.build = Some(build.clone());
    }
}

/// What was named.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    server: String,
    org: Option<String>,
    repo: Option<String>,
    /// By the user, org and repo included.
    typed: bool,
}

/// Finds the server of a build. Nothing is asked of it yet. The error is a sentence about what the
/// user has typed.
pub(super) async fn of_build(
    home: &Home,
    run: &RunArgs,
    project: &ProjectConfig,
    url: Option<String>,
) -> Result<Chosen, String> {
    let by_user = run.server.is_some();
    let Some(named) = named(run.server.as_deref(), project)? else {
        return Ok(Chosen::default());
    };
    let name = named.server.clone();
    let home = home.clone();
    // A keyring may ask its user.
    let remarks = Remarks::default();
    let said = remarks.clone();
    let connected = tokio::task::spawn_blocking(move || connect(&home, named, url, said)).await;
    let connected = connected.map_err(|error| error.to_string())?;
    let server = match connected {
        Ok(server) => Some(server),
        Err(error) if by_user => return Err(error.to_string()),
        Err(error) => {
            remarks.say(format!(
                ".monkeyci/tui.toml names the server {name:?}, of which nothing is asked: {error}"
            ));
            None
        }
    };
    Ok(Chosen { server, remarks })
}

/// What the user has named, else what the project names.
fn named(typed: Option<&str>, project: &ProjectConfig) -> Result<Option<Named>, String> {
    let by_project = || {
        let remote = &project.remote;
        let org = remote.org.clone().or_else(|| project.org.id.clone());
        (org, remote.repo.clone())
    };
    let of_project = |server: &str| {
        let (org, repo) = by_project();
        Named {
            server: server.to_owned(),
            org,
            repo,
            typed: false,
        }
    };
    let Some(typed) = typed else {
        // Not an address: where servers are is for the user to say.
        let server = project.remote.server.as_deref();
        return Ok(server.filter(|name| *name != NONE).map(of_project));
    };
    if typed == NONE {
        return Ok(None);
    }
    let parts: Vec<&str> = typed.split('/').collect();
    let named = match parts[..] {
        [server] => of_project(server),
        [server, org, repo] if !org.is_empty() && !repo.is_empty() => Named {
            server: server.to_owned(),
            org: Some(org.to_owned()),
            repo: Some(repo.to_owned()),
            typed: true,
        },
        _ => {
            return Err(format!(
                "--server {typed:?} is neither NAME nor NAME/ORG/REPO"
            ));
        }
    };
    Ok(Some(named))
}

/// The way to what was named. May block.
fn connect(
    home: &Home,
    named: Named,
    url: Option<String>,
    remarks: Remarks,
) -> Result<Arc<dyn Upstream>, UserError> {
    if !is_server_name(&named.server) {
        return Err(UserError::new("that is no name of a server"));
    }
    let servers = Servers::of(home)?;
    let resolved = servers::resolve(&servers, Some(&named.server), None)?;
    let server = &resolved.server;
    let org = named.org.or_else(|| server.org.clone()).ok_or_else(|| {
        UserError::new(format!(
            "it is not known which org is meant; `org` of [servers.{}] in config.toml says it, or \
             --server NAME/ORG/REPO",
            server.name
        ))
    })?;
    let client = credentials::client_that_says(home, &resolved, move |said| remarks.say(said))?;
    let whose = Whose {
        org,
        repo: named.repo,
        typed: named.typed,
        url,
    };
    let server = OfServer::new(client, whose, same_repository);
    Ok(Arc::new(Cached::new(Arc::new(server))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn project(text: &str) -> ProjectConfig {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(config::PROJECT_FILE), text).unwrap();
        config::read_project(folder.path()).0
    }

    fn of(server: &str, org: Option<&str>, repo: Option<&str>, typed: bool) -> Named {
        Named {
            server: server.to_owned(),
            org: org.map(str::to_owned),
            repo: repo.map(str::to_owned),
            typed,
        }
    }

    #[test]
    fn the_user_goes_before_the_project() {
        let says =
            project("[remote]\nserver = \"a\"\norg = \"o\"\nrepo = \"r\"\n[org]\nid = \"i\"\n");
        let quiet = project("[org]\nid = \"i\"\n");
        let named = |typed, project| named(typed, project).unwrap();
        assert_eq!(named(None, &quiet), None);
        assert_eq!(
            named(None, &says),
            Some(of("a", Some("o"), Some("r"), false))
        );
        assert_eq!(
            named(Some("b"), &says),
            Some(of("b", Some("o"), Some("r"), false))
        );
        assert_eq!(
            named(Some("b"), &quiet),
            Some(of("b", Some("i"), None, false))
        );
        assert_eq!(
            named(Some("b/x/y"), &says),
            Some(of("b", Some("x"), Some("y"), true))
        );
        assert_eq!(named(Some("none"), &says), None);
        let none = project("[remote]\nserver = \"none\"\n");
        assert_eq!(named(None, &none), None);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for typed in ["a/b", "a//c", "a/b/", "a/b/c/d", "https://h.org"] {
            let error = named(Some(typed), &ProjectConfig::default()).unwrap_err();
            assert!(error.contains("neither NAME nor NAME/ORG/REPO"), "{typed}");
        }
    }
}
