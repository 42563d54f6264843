//! Starting a build and finding it: what a server answers to that leads nowhere (public-api.md §9.1).

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::domain::Sid;

use super::calls::{Tree, Trigger};
use super::client::Client;
use super::error::RemoteError;
use super::types::BuildInfo;

/// How long a new build is looked for. A server lists it before it begins.
const PATIENCE: Duration = Duration::from_mins(1);

/// The first wait between two looks; it grows to the second.
const LOOKS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What is asked of a server.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// A build of this.
    Trigger(&'a Trigger),
    /// One as this was, by its id.
    Retry(&'a str),
    /// One of this tree.
    Tree(&'a Tree),
}

impl Client {
    /// Starts a build of a repo, and finds it: it is the first with a higher number than any before, of
    /// the same source, ref and commit. Somebody else's that began at the same moment may be taken for
    /// it.
    pub async fn start(
        &self,
        org: &str,
        repo: &str,
        start: Start<'_>,
    ) -> Result<BuildInfo, RemoteError> {
        // Asked first: of a repo that is not there some servers list no builds, and take orders.
        let main = match start {
            Start::Trigger(_) => self.repo(org, repo).await?.main_branch,
            Start::Retry(_) | Start::Tree(_) => None,
        };
        let before = self.builds(org, repo).await?;
        let after = before.iter().filter_map(|build| build.idx).max();
        let wanted = match start {
            Start::Trigger(trigger) => {
                self.trigger(org, repo, trigger).await?;
                Wanted::triggered(trigger, main, after)
            }
            Start::Retry(id) => {
                self.retry(&Sid::new(org, repo, id)).await?;
                let model = before.iter().find(|build| build.build_id == id);
                Wanted::again(model, after)
            }
            Start::Tree(tree) => {
                self.send_tree(org, repo, tree).await?;
                Wanted::of_tree(tree, after)
            }
        };
        let end = Instant::now() + PATIENCE;
        let (mut wait, longest) = LOOKS;
        loop {
            let builds = self.builds(org, repo).await?;
            if let Some(build) = wanted.among(builds) {
                return Ok(build);
            }
            if Instant::now() > end {
                return Err(RemoteError::Unseen {
                    repo: format!("{org}/{repo}"),
                });
            }
            sleep(wait).await;
            wait = (wait * 2).min(longest);
        }
    }
}

/// What a new build is known by. What is `None` may be anything.
#[derive(Debug)]
struct Wanted {
    after: Option<i64>,
    source: Option<String>,
    r#ref: Option<String>,
    commit: Option<String>,
}

impl Wanted {
    fn triggered(trigger: &Trigger, main: Option<String>, after: Option<i64>) -> Self {
        let named = match (&trigger.branch, &trigger.tag) {
            (Some(branch), _) => Some(format!("refs/heads/{branch}")),
            (None, Some(tag)) => Some(format!("refs/tags/{tag}")),
            (None, None) => main.map(|main| format!("refs/heads/{main}")),
        };
        Self {
            after,
            source: Some("api".to_owned()),
            r#ref: named,
            commit: trigger.commit.clone(),
        }
    }

    fn again(model: Option<&BuildInfo>, after: Option<i64>) -> Self {
        Self {
            after,
            source: model.and_then(|model| model.source.clone()),
            r#ref: model.and_then(|model| model.git.r#ref.clone()),
            commit: model.and_then(|model| model.git.commit_id.clone()),
        }
    }

    fn of_tree(tree: &Tree, after: Option<i64>) -> Self {
        Self {
            after,
            source: Some("cli".to_owned()),
            r#ref: None,
            commit: tree.commit.clone(),
        }
    }

    fn among(&self, builds: Vec<BuildInfo>) -> Option<BuildInfo> {
        let same = |wanted: &Option<String>, is: &Option<String>| wanted.is_none() || wanted == is;
        builds
            .into_iter()
            .filter(|build| build.idx > self.after)
            .filter(|build| same(&self.source, &build.source))
            .filter(|build| same(&self.r#ref, &build.git.r#ref))
            .filter(|build| same(&self.commit, &build.git.commit_id))
            .min_by_key(|build| build.idx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edn::{self, Value};

    fn builds() -> Vec<BuildInfo> {
        [
            (7, "api", "dev"),
            (3, "api", "dev"),
            (5, "github-webhook", "dev"),
            (6, "api", "main"),
            (8, "api", "dev"),
        ]
        .iter()
        .map(|(idx, source, branch)| {
            let text = format!(
                "{{:org-id \"o\" :repo-id \"r\" :build-id \"build-{idx}\" :idx {idx} \
                 :source :{source} :git {{:ref \"refs/heads/{branch}\"}}}}"
            );
            let value = edn::read_str(&text).unwrap();
            value.as_map().and_then(BuildInfo::read).unwrap()
        })
        .collect()
    }

    #[test]
    fn a_new_build_is_known_by_its_number_source_ref_and_commit() {
        let found = |branch: Option<&str>, main: Option<&str>, after: i64| {
            let trigger = Trigger {
                branch: branch.map(str::to_owned),
                ..Trigger::default()
            };
            let wanted = Wanted::triggered(&trigger, main.map(str::to_owned), Some(after));
            wanted.among(builds()).and_then(|build| build.idx)
        };
        assert_eq!(found(Some("dev"), None, 3), Some(7));
        assert_eq!(found(Some("dev"), Some("main"), 7), Some(8));
        assert_eq!(found(None, Some("main"), 3), Some(6));
        assert_eq!(found(None, None, 3), Some(6));
        assert_eq!(found(Some("dev"), None, 8), None);
        let commit = Trigger {
            commit: Some("abc".to_owned()),
            ..Trigger::default()
        };
        assert!(
            Wanted::triggered(&commit, None, None)
                .among(builds())
                .is_none()
        );
    }

    #[test]
    fn a_build_that_is_run_again_is_like_the_first() {
        let model = builds().remove(0);
        let again = Wanted::again(Some(&model), Some(7)).among(builds());
        assert_eq!(again.and_then(|build| build.idx), Some(8));
        let other = Wanted::again(builds().get(2), Some(5)).among(builds());
        assert_eq!(other, None);
        assert_eq!(model.map.get_kw("idx"), Some(&Value::Int(7)));
    }
}
