//! The questions, as calls of the public API.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio::sync::OnceCell;

use crate::ports::{OrgInfo, Param, RepoInfo, Upstream, UpstreamError};
use crate::remote::{self, Client, RemoteError};

/// Which repository is meant, and how far that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose {
    /// The org, by either of its ids.
    pub org: String,
    /// The repo; without it, that of the org which has the checkout's URL.
    pub repo: Option<String>,
    /// The user has named org and repo. What a project says of itself could be the name of somebody else's repo, and
    /// the script would get what is that one's: it counts only if the server has the checkout's URL for it.
    pub typed: bool,
    /// Where the checkout was cloned from.
    pub url: Option<String>,
}

/// One repository of a server.
pub struct OfServer {
    client: Client,
    whose: Whose,
    /// Whether two URLs lead to one repository.
    same: fn(&str, &str) -> bool,
    /// Found out with the first question.
    found: OnceCell<Found>,
}

impl std::fmt::Debug for OfServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OfServer")
            .field("whose", &self.whose)
            .finish_non_exhaustive()
    }
}

/// What the server knows.
#[derive(Debug, Clone)]
struct Found {
    org: remote::OrgInfo,
    repo: remote::RepoInfo,
}

impl OfServer {
    /// A repository of the server that `client` reaches. `same` tells whether two URLs lead to one repository.
    pub fn new(client: Client, whose: Whose, same: fn(&str, &str) -> bool) -> Self {
        Self {
            client,
            whose,
            same,
            found: OnceCell::new(),
        }
    }

    /// The repository, once it is sure that it is this one.
    async fn found(&self) -> Result<&Found, UpstreamError> {
        let find = || async {
            let org = self
                .client
                .org(&self.whose.org)
                .await
                .map_err(|error| failed(&error))?;
            let repo = self.choose(&org)?;
            Ok(Found { org, repo })
        };
        self.found.get_or_try_init(find).await
    }

    fn choose(&self, org: &remote::OrgInfo) -> Result<remote::RepoInfo, UpstreamError> {
        let Whose {
            repo, typed, url, ..
        } = &self.whose;
        let has_url = |found: &remote::RepoInfo| {
            let both = url.as_deref().zip(found.url.as_deref());
            both.is_some_and(|(ours, theirs)| (self.same)(ours, theirs))
        };
        let org_name = &self.whose.org;
        let Some(wanted) = repo else {
            let mut fitting = org.repos.iter().filter(|repo| has_url(repo));
            return match (fitting.next(), fitting.next()) {
                (Some(found), None) => Ok(found.clone()),
                (None, _) => Err(UpstreamError::new(format!(
                    "no repo of the org {org_name:?} on the server has the URL that this checkout \
                     was cloned from; name one: --server NAME/ORG/REPO"
                ))),
                (Some(_), Some(_)) => Err(UpstreamError::new(format!(
                    "several repos of the org {org_name:?} on the server have the URL that this \
                     checkout was cloned from; name one: --server NAME/ORG/REPO"
                ))),
            };
        };
        let found = org.repos.iter().find(|found| found.id == *wanted);
        let found = found.ok_or_else(|| {
            UpstreamError::new(format!(
                "the org {org_name:?} on the server has no repo {wanted:?}"
            ))
        })?;
        if *typed || has_url(found) {
            return Ok(found.clone());
        }
        Err(UpstreamError::new(format!(
            "the project says that it is {org_name}/{wanted}, but the server has another URL for \
             that than this checkout was cloned from, so nothing of it is given to the script; if it \
             is right: --server NAME/{org_name}/{wanted}"
        )))
    }
}

impl Upstream for OfServer {
    fn params(&self) -> BoxFuture<'_, Result<Vec<Param>, UpstreamError>> {
        async {
            let Found { org, repo } = self.found().await?;
            self.client
                .params(&org.id, &repo.id)
                .await
                .map_err(|error| failed(&error))
        }
        .boxed()
    }

    fn repo(&self) -> BoxFuture<'_, Result<RepoInfo, UpstreamError>> {
        async {
            let Found { org, repo } = self.found().await?;
            // The list of an org does not tell all of a repo.
            let repo = self
                .client
                .repo(&org.id, &repo.id)
                .await
                .map_err(|error| failed(&error))?;
            Ok(RepoInfo {
                name: Some(repo.name),
                url: repo.url,
                main_branch: repo.main_branch,
                labels: Some(repo.labels),
            })
        }
        .boxed()
    }

    fn org(&self) -> BoxFuture<'_, Result<OrgInfo, UpstreamError>> {
        async {
            let Found { org, .. } = self.found().await?;
            Ok(OrgInfo {
                id: Some(org.id.clone()),
                name: Some(org.name.clone()),
            })
        }
        .boxed()
    }

    fn decrypt_key<'a>(
        &'a self,
        encrypted: &'a str,
    ) -> BoxFuture<'a, Result<SecretString, UpstreamError>> {
        async move {
            let Found { org, .. } = self.found().await?;
            let key = self.client.decrypt_key(&org.id, encrypted).await;
            key.map_err(|error| failed(&error))
        }
        .boxed()
    }
}

fn failed(error: &RemoteError) -> UpstreamError {
    let again_in = match error {
        RemoteError::Busy { retry_after, .. } => *retry_after,
        _ => None,
    };
    UpstreamError {
        reason: error.to_string(),
        again_in,
    }
}
