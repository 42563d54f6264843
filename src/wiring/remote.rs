//! Builds on servers: opened as sources and recorded here, listed, run again.
//!
//! Here a build of a server is called `ORG@SERVER/REPO/BUILD`: two servers may have an org of one name,
//! and recordings of both lie side by side.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::app::HistoryItem;
use crate::app::trigger::Trigger;
use crate::domain::Sid;
use crate::executors::scratch_name;
use crate::journal::{Journal, JournalError, ends_with_build_end, is_in_use};
use crate::ports::SystemClock;
use crate::remote::follow::{OnServer, Pace, Recorded, RemoteSource};
use crate::remote::{BuildInfo, Client, Downloaded, Start};
use crate::store::{BuildFolder, Home};

use super::credentials;
use super::error::UserError;
use super::local;
use super::servers::{self, Resolved, Servers};
use super::target::BuildName;

/// Builds of a server that a list shows at most.
const LISTED: usize = 100;

/// A build on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteSid {
    /// The server's name in the user's configuration.
    pub(super) server: String,
    /// What the server calls the build.
    pub(super) sid: Sid,
}

/// The builds of a repository on a server, as a list shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteRepo {
    pub(super) server: String,
    pub(super) org: String,
    pub(super) repo: String,
}

impl RemoteSid {
    /// Its repository.
    pub(super) fn repo(&self) -> RemoteRepo {
        RemoteRepo {
            server: self.server.clone(),
            org: self.sid.org.clone(),
            repo: self.sid.repo.clone(),
        }
    }

    /// What a build of a server is called here.
    pub(super) fn here(&self) -> Sid {
        Sid {
            org: format!("{}@{}", self.sid.org, self.server),
            ..self.sid.clone()
        }
    }

    /// The build of a server that is called so here.
    pub(super) fn of(here: &Sid) -> Option<Self> {
        let (org, server) = here.org.rsplit_once('@')?;
        (!org.is_empty() && !server.is_empty()).then(|| Self {
            server: server.to_owned(),
            sid: Sid {
                org: org.to_owned(),
                ..here.clone()
            },
        })
    }

    /// True when all of it is recorded here: the server need not be asked.
    pub(super) fn is_recorded(&self, home: &Home) -> bool {
        ends_with_build_end(&home.build(&self.here()).journal)
    }

    /// Follows the build, and records it.
    fn open(&self, client: Client, home: &Home) -> Result<RemoteSource, UserError> {
        Ok(RemoteSource::open(
            OnServer::new(client, self.sid.clone()),
            &self.server,
            self.place(home)?,
            Arc::new(SystemClock),
            Pace::default(),
        ))
    }

    /// Where it is recorded: with all other builds, or, where another process does that already, in
    /// memory and a folder that nobody keeps.
    fn place(&self, home: &Home) -> Result<Recorded, UserError> {
        let here = self.here();
        let folder = home.build(&here);
        folder.create().map_err(|error| UserError::of(&error))?;
        let journal = if folder.journal.exists() {
            Journal::open(&folder.journal).map(|(journal, _)| journal)
        } else {
            Journal::create(&folder.journal, &here)
        };
        match journal {
            Ok(journal) => Ok(Recorded {
                journal,
                logs: folder.logs,
            }),
            Err(JournalError::InUse(_)) => Ok(Recorded {
                journal: Journal::in_memory(here.clone()),
                logs: unkept(home, &here)?,
            }),
            Err(error) => Err(UserError::of(&error)),
        }
    }
}

/// Whether a build on a server was watched here, is watched no more, and not to its end.
pub(super) fn is_left(home: &Home, here: &Sid, folder: &BuildFolder) -> bool {
    // What was imported is whatever it is.
    let is_ours = folder.journal == home.build(here).journal;
    RemoteSid::of(here).is_some()
        && is_ours
        && !ends_with_build_end(&folder.journal)
        && !is_in_use(&folder.journal)
}

/// A folder that nobody keeps.
pub(super) fn unkept(home: &Home, here: &Sid) -> Result<PathBuf, UserError> {
    let name = format!("{}-watched-{}", scratch_name(here), std::process::id());
    let dir = local::scratch(home).join(name);
    crate::store::create_private(&dir).map_err(|error| UserError::of(&error))?;
    Ok(dir)
}

impl RemoteRepo {
    /// A build of it.
    pub(super) fn build(&self, id: &str) -> RemoteSid {
        RemoteSid {
            server: self.server.clone(),
            sid: Sid::new(&*self.org, &*self.repo, id),
        }
    }

    /// What a list shows of a build of it.
    pub(super) fn item(&self, build: BuildInfo) -> HistoryItem {
        HistoryItem {
            sid: self.build(&build.build_id).here(),
            duration: build
                .end
                .zip(build.start)
                .map(|(end, start)| end.saturating_sub(start)),
            status: build.status,
            start: build.start,
            branch: build.git.branch,
            commit: build.git.commit_id,
            message: build.message.or(build.git.message),
        }
    }
}

/// The servers that this program talks to. Cheap to clone; clones share the connections.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    home: Home,
    open: Arc<Mutex<HashMap<String, Client>>>,
}

/// What somebody wants to look at on a server.
#[derive(Debug)]
pub(super) struct Meant {
    /// The repository, whose builds are listed.
    pub(super) repo: RemoteRepo,
    /// The build; the newest where none was named. `None`: there is none yet.
    pub(super) build: Option<RemoteSid>,
}

impl Connections {
    pub(super) fn new(home: Home) -> Self {
        Self {
            home,
            open: Arc::default(),
        }
    }

    /// A connection to a server by the name that it has here.
    pub(super) async fn to(&self, server: &str) -> Result<Client, UserError> {
        if let Some(client) = self.lock().get(server) {
            return Ok(client.clone());
        }
        let resolved = servers::resolve(&Servers::of(&self.home)?, Some(server), None)?;
        self.open(server, resolved).await
    }

    async fn open(&self, name: &str, resolved: Resolved) -> Result<Client, UserError> {
        let home = self.home.clone();
        // A keyring may ask its user.
        let opening = tokio::task::spawn_blocking(move || credentials::client(&home, &resolved));
        let client = opening
            .await
            .map_err(|error| UserError::new(format!("the keyring failed: {error}")))??;
        self.lock().insert(name.to_owned(), client.clone());
        Ok(client)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Client>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a target on the command line means: a build or a repository of a server.
    pub(super) async fn resolve(
        &self,
        server: Option<&str>,
        target: &str,
    ) -> Result<Meant, UserError> {
        // As a list here shows it.
        if let Some(build) = Sid::parse(target).ok().and_then(|sid| RemoteSid::of(&sid)) {
            let repo = build.repo();
            let build = match BuildName::parse(&build.sid.build) {
                BuildName::Id(id) => Some(repo.build(&id)),
                BuildName::Latest => self.newest(&repo).await?,
            };
            return Ok(Meant { repo, build });
        }
        let resolved = servers::resolve(&Servers::of(&self.home)?, server, Some(target))?;
        let (org, repo) = resolved.org_and_repo()?;
        let repo = RemoteRepo {
            server: resolved.server.name.clone(),
            org: org.to_owned(),
            repo: repo.to_owned(),
        };
        let named = match &resolved.build {
            Some(BuildName::Id(id)) => Some(id.clone()),
            Some(BuildName::Latest) | None => None,
        };
        self.open(&repo.server, resolved).await?;
        let build = match named {
            Some(id) => Some(repo.build(&id)),
            None => self.newest(&repo).await?,
        };
        Ok(Meant { repo, build })
    }

    async fn newest(&self, repo: &RemoteRepo) -> Result<Option<RemoteSid>, UserError> {
        let client = self.to(&repo.server).await?;
        let newest = match client.latest(&repo.org, &repo.repo).await {
            Ok(newest) => newest,
            Err(error) => {
                return Err(servers::no_repo(&client, &repo.org, &repo.repo, &error).await);
            }
        };
        Ok(newest.map(|build| repo.build(&build.build_id)))
    }

    /// A repository on a server, by `ORG/REPO` or the server's name; then the repository is called as here.
    pub(super) async fn repo(&self, target: &str, here: &str) -> Result<RemoteRepo, UserError> {
        let resolved = servers::resolve(&Servers::of(&self.home)?, None, Some(target))?;
        let repo = resolved.repo.clone().unwrap_or_else(|| here.to_owned());
        let repo = RemoteRepo {
            server: resolved.server.name.clone(),
            org: resolved.org()?.to_owned(),
            repo,
        };
        self.open(&repo.server, resolved).await?;
        Ok(repo)
    }

    /// The builds of a repository, newest first.
    pub(super) async fn list(&self, repo: &RemoteRepo) -> Result<Vec<HistoryItem>, UserError> {
        let client = self.to(&repo.server).await?;
        let builds = client.builds(&repo.org, &repo.repo).await;
        let builds = builds.map_err(|error| UserError::of(&error))?;
        let builds = builds.into_iter().take(LISTED);
        Ok(builds.map(|build| repo.item(build)).collect())
    }

    /// Has a repository built, and finds the build.
    pub(super) async fn trigger(
        &self,
        repo: &RemoteRepo,
        wanted: Trigger,
    ) -> Result<RemoteSid, UserError> {
        let client = self.to(&repo.server).await?;
        let wanted = crate::remote::Trigger {
            branch: wanted.branch,
            tag: wanted.tag,
            commit: wanted.commit,
            params: (wanted.params.into_iter())
                .map(|(name, value)| (name, value.into()))
                .collect(),
        };
        let new = client.start(&repo.org, &repo.repo, Start::Trigger(&wanted));
        let new = new.await.map_err(|error| UserError::of(&error))?;
        Ok(repo.build(&new.build_id))
    }

    /// Has a build run again, and finds the new one: what a server answers to that leads nowhere
    /// (public-api.md §9).
    pub(super) async fn retry(&self, build: &RemoteSid) -> Result<RemoteSid, UserError> {
        let client = self.to(&build.server).await?;
        let Sid {
            org,
            repo,
            build: id,
        } = &build.sid;
        let new = client.start(org, repo, Start::Retry(id)).await;
        let new = new.map_err(|error| UserError::of(&error))?;
        Ok(RemoteSid {
            server: build.server.clone(),
            sid: Sid::new(org, repo, new.build_id),
        })
    }

    /// Saves an artifact as a file. The error is a sentence.
    pub(super) async fn download(
        &self,
        build: &RemoteSid,
        id: &str,
        to: &Path,
    ) -> Result<(), String> {
        if to.exists() {
            return Err("there is such a file already".to_owned());
        }
        let client = self
            .to(&build.server)
            .await
            .map_err(|error| error.message)?;
        match client.download(&build.sid, id, to).await {
            Ok(Downloaded::Saved(_)) => Ok(()),
            Ok(Downloaded::Nothing) => Err("the server has not got it".to_owned()),
            Err(error) => Err(UserError::of(&error).message),
        }
    }

    /// Follows a build, and records it.
    pub(super) async fn follow(&self, build: &RemoteSid) -> Result<RemoteSource, UserError> {
        let client = self.to(&build.server).await?;
        if !self.home.build(&build.here()).journal.exists() {
            // Of what is not there nothing is recorded, and nobody waits for it.
            let known = client.build(&build.sid).await;
            known.map_err(|error| UserError::of(&error))?;
        }
        build.open(client, &self.home)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_of_a_server_is_known_by_its_name_here() {
        let build = RemoteSid {
            server: "ci".to_owned(),
            sid: Sid::new("acme", "app", "build-7"),
        };
        assert_eq!(build.here().to_string(), "acme@ci/app/build-7");
        assert_eq!(RemoteSid::of(&build.here()), Some(build));
        // An org may be called like an address.
        let odd = RemoteSid::of(&Sid::new("a@b@ci", "app", "build-7")).unwrap();
        assert_eq!((&*odd.sid.org, &*odd.server), ("a@b", "ci"));
        assert_eq!(RemoteSid::of(&Sid::new("local", "app", "b")), None);
        assert_eq!(RemoteSid::of(&Sid::new("@ci", "app", "b")), None);
    }
}
