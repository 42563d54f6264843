//! What can be asked of a server (public-api.md §6 to §9).

use std::path::PathBuf;

use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::{JobId, Millis, Sid};
use crate::edn::{Map, Value};
use crate::ports::Param;

use super::client::Client;
use super::error::RemoteError;
use super::exchange::Body;
use super::types::{
    ArtifactInfo, BuildInfo, Credits, HolderInfo, JobInfo, OrgInfo, RepoInfo, Stats, UserInfo, text,
};

/// What is to be built. Without branch and tag: the repo's main branch.
#[derive(Debug, Clone, Default)]
pub struct Trigger {
    /// The tip of this branch.
    pub branch: Option<String>,
    /// This tag; a branch goes first.
    pub tag: Option<String>,
    /// This commit; the server does not check that it is on the branch.
    pub commit: Option<String>,
    /// Parameters, which win over the org's of the same name.
    pub params: Vec<(String, SecretString)>,
}

/// A working tree as it is.
#[derive(Debug, Clone)]
pub struct Tree {
    /// A gzip tar of it.
    pub archive: PathBuf,
    /// The branch it is on.
    pub branch: Option<String>,
    /// The commit it was made from.
    pub commit: Option<String>,
}

impl Client {
    /// The orgs whose name has this text in it. Needs no credential.
    pub async fn orgs_named(&self, part: &str) -> Result<Vec<OrgInfo>, RemoteError> {
        let mut url = self.url(&["org"])?;
        url.query_pairs_mut().append_pair("name", part);
        self.list(url, OrgInfo::read).await
    }

    /// The orgs of a user, by the user's id.
    pub async fn orgs_of(&self, user: &str) -> Result<Vec<OrgInfo>, RemoteError> {
        let url = self.url(&["user", user, "orgs"])?;
        self.list(url, OrgInfo::read).await
    }

    /// A user by what the provider calls him: `github`, `12345`.
    pub async fn user(&self, provider: &str, id: &str) -> Result<UserInfo, RemoteError> {
        let url = self.url(&["user", provider, id])?;
        self.one(url, UserInfo::read).await
    }

    /// What a server of this program takes the credential for; `None` of a MonkeyCI server, which has no
    /// such thing to say, and of one that does not say it.
    pub async fn holder(&self) -> Option<HolderInfo> {
        let url = self.url(&["whoami"]).ok()?;
        self.one(url, HolderInfo::read).await.ok()
    }

    /// An org with its repos, by its id or display id.
    pub async fn org(&self, org: &str) -> Result<OrgInfo, RemoteError> {
        let url = self.url(&["org", org])?;
        self.one(url, OrgInfo::read).await
    }

    /// A repo.
    pub async fn repo(&self, org: &str, repo: &str) -> Result<RepoInfo, RemoteError> {
        let url = self.url(&["org", org, "repo", repo])?;
        self.one(url, |map| RepoInfo::read(map, org)).await
    }

    /// All builds of a repo, newest first. The answer has every one there ever was.
    pub async fn builds(&self, org: &str, repo: &str) -> Result<Vec<BuildInfo>, RemoteError> {
        let url = self.url(&["org", org, "repo", repo, "builds"])?;
        let mut builds = self.list(url, BuildInfo::read).await?;
        builds.sort_by_key(|build| std::cmp::Reverse((build.idx, build.start)));
        Ok(builds)
    }

    /// The newest build of a repo, with its jobs.
    pub async fn latest(&self, org: &str, repo: &str) -> Result<Option<BuildInfo>, RemoteError> {
        let url = self.url(&["org", org, "repo", repo, "builds", "latest"])?;
        let answer = self.ask_edn(Method::GET, url, Body::None).await?;
        Ok(answer
            .as_ref()
            .and_then(Value::as_map)
            .and_then(BuildInfo::read))
    }

    /// The builds of an org that began since a time (default: a day ago), and the newest `count`.
    pub async fn recent(
        &self,
        org: &str,
        since: Option<Millis>,
        count: Option<u32>,
    ) -> Result<Vec<BuildInfo>, RemoteError> {
        let mut url = self.url(&["org", org, "builds", "recent"])?;
        if let Some(since) = since {
            url.query_pairs_mut()
                .append_pair("since", &since.to_string());
        }
        if let Some(count) = count {
            url.query_pairs_mut().append_pair("n", &count.to_string());
        }
        let mut builds = self.list(url, BuildInfo::read).await?;
        builds.sort_by_key(|build| std::cmp::Reverse(build.start));
        Ok(builds)
    }

    /// The newest build of every repo of an org.
    pub async fn latest_of_org(&self, org: &str) -> Result<Vec<BuildInfo>, RemoteError> {
        let url = self.url(&["org", org, "builds", "latest"])?;
        self.list(url, BuildInfo::read).await
    }

    /// A build with its jobs.
    pub async fn build(&self, sid: &Sid) -> Result<BuildInfo, RemoteError> {
        let url = self.build_url(sid, &[])?;
        self.one(url, BuildInfo::read).await
    }

    /// A job of a build.
    pub async fn job(&self, sid: &Sid, job: &JobId) -> Result<JobInfo, RemoteError> {
        let url = self.build_url(sid, &["job", job.as_str()])?;
        self.one(url, JobInfo::of).await
    }

    /// Starts a build. The answer names no build: it is found by its number and source among the
    /// repo's (public-api.md §9.1).
    pub async fn trigger(
        &self,
        org: &str,
        repo: &str,
        trigger: &Trigger,
    ) -> Result<(), RemoteError> {
        let url = self.url(&["org", org, "repo", repo, "builds", "trigger"])?;
        let mut body = Map::new();
        for (key, value) in [
            ("branch", &trigger.branch),
            ("tag", &trigger.tag),
            ("commit-id", &trigger.commit),
        ] {
            if let Some(value) = value {
                body.insert_kw(key, value.as_str());
            }
        }
        if !trigger.params.is_empty() {
            let params = trigger.params.iter().map(|(name, value)| {
                let value = Value::from(value.expose_secret());
                (Value::from(name.as_str()), value)
            });
            body.insert_kw("params", Value::Map(params.collect()));
        }
        self.ask(Method::POST, url, Body::Edn(Value::Map(body)))
            .await
            .map(drop)
    }

    /// Has a tree built that is in this archive, a gzip tar. Only servers of this program can do that:
    /// others find no such thing.
    pub async fn send_tree(&self, org: &str, repo: &str, tree: &Tree) -> Result<(), RemoteError> {
        let mut url = self.url(&["org", org, "repo", repo, "builds", "workspace"])?;
        for (key, value) in [("branch", &tree.branch), ("commit-id", &tree.commit)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(key, value);
            }
        }
        self.upload(&url, tree.archive.clone()).await
    }

    /// Builds the same commit once more, as a new build. Parameters are lost: the server does not
    /// keep them.
    pub async fn retry(&self, sid: &Sid) -> Result<(), RemoteError> {
        self.command(self.build_url(sid, &["retry"])?).await
    }

    /// Stops a build. The server says yes also when it is over, and then calls it canceled: look
    /// first.
    pub async fn cancel(&self, sid: &Sid) -> Result<(), RemoteError> {
        self.command(self.build_url(sid, &["cancel"])?).await
    }

    /// Approves a blocked job. The server says yes to any job, and one of a build that is over
    /// then stays queued for ever: look first.
    pub async fn unblock(&self, sid: &Sid, job: &JobId) -> Result<(), RemoteError> {
        self.command(self.build_url(sid, &["job", job.as_str(), "unblock"])?)
            .await
    }

    /// A log of a job as it is now: `0_out.log`, `0_err.log` of its first command. `None`: there
    /// is none (yet).
    pub async fn logs(
        &self,
        sid: &Sid,
        job: &JobId,
        file: &str,
    ) -> Result<Option<Vec<u8>>, RemoteError> {
        let mut url = self.build_url(sid, &["job", job.as_str(), "logs"])?;
        url.query_pairs_mut().append_pair("file", file);
        let answer = self.ask(Method::GET, url, Body::None).await?;
        if answer.status == reqwest::StatusCode::NO_CONTENT {
            return Ok(None);
        }
        if !answer.is_edn {
            // A server that keeps logs as files sends the file.
            return Ok(Some(answer.bytes));
        }
        let Some(value) = self.edn_of(&answer)? else {
            return Ok(None);
        };
        let entries = value
            .get("entries")
            .and_then(Value::as_seq)
            .ok_or_else(|| self.unreadable(&answer.what, "it has no entries".to_owned()))?;
        let mut bytes = Vec::new();
        for entry in entries {
            if let Some(Value::Str(contents)) = entry.get("contents") {
                bytes.extend_from_slice(contents.as_bytes());
            }
        }
        Ok(Some(bytes))
    }

    /// What the jobs of a build mean to save.
    pub async fn artifacts(&self, sid: &Sid) -> Result<Vec<ArtifactInfo>, RemoteError> {
        let url = self.build_url(sid, &["artifact"])?;
        self.list(url, ArtifactInfo::read).await
    }

    /// The names of the parameters that a repo's builds get.
    pub async fn param_names(&self, org: &str, repo: &str) -> Result<Vec<String>, RemoteError> {
        let url = self.url(&["org", org, "repo", repo, "param"])?;
        self.list(url, |map| text(map, "name")).await
    }

    /// The parameters themselves, in the clear: only where they are needed.
    pub async fn params(&self, org: &str, repo: &str) -> Result<Vec<Param>, RemoteError> {
        let url = self.url(&["org", org, "repo", repo, "param"])?;
        self.list(url, |map| {
            Some(Param {
                name: text(map, "name")?,
                value: text(map, "value")?.into(),
                plain: false,
            })
        })
        .await
    }

    /// The key of a build, from its encrypted form (security.md §5).
    pub async fn decrypt_key(&self, org: &str, enc: &str) -> Result<SecretString, RemoteError> {
        let url = self.url(&["org", org, "crypto", "decrypt-key"])?;
        let what = super::exchange::what(&Method::POST, &url);
        let body = Body::Edn(Value::map([("enc", enc.into())]));
        let answer = self.ask_edn(Method::POST, url, body).await?;
        answer
            .as_ref()
            .and_then(|answer| answer.get("key")?.as_str())
            .map(SecretString::from)
            .ok_or_else(|| self.unreadable(&what, "it has no key".to_owned()))
    }

    /// Time and credits that an org has used since a time (default: 31 days).
    pub async fn stats(&self, org: &str, since: Option<Millis>) -> Result<Stats, RemoteError> {
        let mut url = self.url(&["org", org, "stats"])?;
        if let Some(since) = since {
            url.query_pairs_mut()
                .append_pair("since", &since.to_string());
        }
        self.one(url, |map| Some(Stats::read(map))).await
    }

    /// What an org may still spend.
    pub async fn credits(&self, org: &str) -> Result<Credits, RemoteError> {
        let url = self.url(&["org", org, "credits"])?;
        self.one(url, |map| {
            let available = map.get_kw("available")?.as_f64()?;
            Some(Credits { available })
        })
        .await
    }

    pub(super) fn build_url(&self, sid: &Sid, more: &[&str]) -> Result<Url, RemoteError> {
        let mut segments = vec!["org", &sid.org, "repo", &sid.repo, "builds", &sid.build];
        segments.extend(more);
        self.url(&segments)
    }

    fn url(&self, segments: &[&str]) -> Result<Url, RemoteError> {
        self.inner.base.join(segments)
    }

    /// A request that changes something and says nothing of it.
    async fn command(&self, url: Url) -> Result<(), RemoteError> {
        self.ask(Method::POST, url, Body::None).await.map(drop)
    }

    /// An answer that is a map.
    async fn one<T>(&self, url: Url, read: impl Fn(&Map) -> Option<T>) -> Result<T, RemoteError> {
        let what = super::exchange::what(&Method::GET, &url);
        let answer = self.ask_edn(Method::GET, url, Body::None).await?;
        let Some(value) = answer else {
            // Some routes say 204 for what is not there.
            let message = String::new();
            return Err(RemoteError::NotFound { what, message });
        };
        value
            .as_map()
            .and_then(read)
            .ok_or_else(|| self.unreadable(&what, "it is not what was asked for".to_owned()))
    }

    /// An answer that is a list, also an empty one (204). What cannot be read in it is passed over:
    /// a repo without a build is nil in some lists.
    async fn list<T>(
        &self,
        url: Url,
        read: impl Fn(&Map) -> Option<T>,
    ) -> Result<Vec<T>, RemoteError> {
        let what = super::exchange::what(&Method::GET, &url);
        let Some(value) = self.ask_edn(Method::GET, url, Body::None).await? else {
            return Ok(Vec::new());
        };
        let items = value
            .as_seq()
            .ok_or_else(|| self.unreadable(&what, "it is no list".to_owned()))?;
        Ok(items
            .iter()
            .filter_map(|item| item.as_map().and_then(&read))
            .collect())
    }
}
