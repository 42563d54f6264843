//! What GitHub sends about a push, as far as it is read (public-api.md §11). All of it is what
//! somebody wrote: names are checked before git sees them, lists have an end.

use serde::Deserialize;

use crate::edn::{Map, Value};

use super::order::Wanted;

/// Most changed files that a build is told of.
const MOST_CHANGES: usize = 3000;

#[derive(Debug, Deserialize)]
pub(super) struct Push {
    #[serde(rename = "ref")]
    reference: String,
    #[serde(default)]
    deleted: bool,
    head_commit: Option<Commit>,
    #[serde(default)]
    repository: Repository,
    #[serde(default)]
    commits: Vec<Files>,
}

#[derive(Debug, Deserialize)]
struct Commit {
    id: Option<String>,
    message: Option<String>,
    author: Option<Author>,
    url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Author {
    name: Option<String>,
    email: Option<String>,
    username: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Repository {
    clone_url: Option<String>,
    ssh_url: Option<String>,
    #[serde(default)]
    private: bool,
    master_branch: Option<String>,
    default_branch: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Files {
    #[serde(default)]
    added: Vec<String>,
    #[serde(default)]
    modified: Vec<String>,
    #[serde(default)]
    removed: Vec<String>,
}

impl Push {
    /// Reads a body. The error says where it is not as it should be.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("the body is no push of GitHub, at line {line}, column {column}")
        })
    }

    /// A branch or tag is gone: there is nothing to build.
    pub(super) fn is_deletion(&self) -> bool {
        self.deleted
    }

    /// What to check out; nothing for what is neither branch nor tag.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let branch = self.reference.strip_prefix("refs/heads/");
        let tag = self.reference.strip_prefix("refs/tags/");
        branch.or(tag)?;
        let commit = self.head_commit.as_ref().and_then(|head| head.id.clone());
        Some(Wanted {
            branch: branch.map(str::to_owned),
            tag: tag.map(str::to_owned),
            commit,
            workspace: None,
        })
    }

    /// What the build says of its commit (events.md §3, `:git`).
    pub(super) fn git(&self) -> Map {
        let repo = &self.repository;
        let url = if repo.private {
            &repo.ssh_url
        } else {
            &repo.clone_url
        };
        let main = repo.master_branch.as_ref().or(repo.default_branch.as_ref());
        let head = self.head_commit.as_ref();
        let mut git = Map::new();
        for (key, text) in [
            ("url", url.as_ref()),
            ("ref", Some(&self.reference)),
            ("main-branch", main),
            ("commit-id", head.and_then(|head| head.id.as_ref())),
            ("commit-url", head.and_then(|head| head.url.as_ref())),
            ("message", head.and_then(|head| head.message.as_ref())),
        ] {
            if let Some(text) = text {
                git.insert_kw(key, text.as_str());
            }
        }
        if let Some(author) = head.and_then(|head| head.author.as_ref()) {
            let mut map = Map::new();
            for (key, text) in [
                ("name", &author.name),
                ("email", &author.email),
                ("username", &author.username),
            ] {
                if let Some(text) = text {
                    map.insert_kw(key, text.as_str());
                }
            }
            git.insert_kw("author", Value::Map(map));
        }
        git
    }

    /// The files that were changed, as sets.
    pub(super) fn changes(&self) -> Value {
        let files = |of: fn(&Files) -> &Vec<String>| {
            let names = self.commits.iter().flat_map(of);
            let names: std::collections::BTreeSet<&String> = names.take(MOST_CHANGES).collect();
            Value::Set(names.into_iter().map(|name| name.as_str().into()).collect())
        };
        Value::map([
            ("added", files(|commit| &commit.added)),
            ("modified", files(|commit| &commit.modified)),
            ("removed", files(|commit| &commit.removed)),
        ])
    }
}
