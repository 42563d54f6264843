//! Starting a build and finding it: what a server answers to that leads nowhere (public-api.md §9.1).

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::domain::Sid;

use super::calls::Trigger;
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
}

impl Client {
    /// Starts a build of a repo, and finds it: it is the one with a higher number than any before, of the
    /// same source and ref. Somebody else's that began at the same moment may be taken for it.
    pub async fn start(
        &self,
        org: &str,
        repo: &str,
        start: Start<'_>,
    ) -> Result<BuildInfo, RemoteError> {
        let before = self.builds(org, repo).await?;
        let last = before.iter().filter_map(|build| build.idx).max();
        match start {
            Start::Trigger(trigger) => self.trigger(org, repo, trigger).await?,
            Start::Retry(build) => self.retry(&Sid::new(org, repo, build)).await?,
        }
        let model = match start {
            Start::Trigger(_) => None,
            Start::Retry(id) => before.into_iter().find(|build| build.build_id == id),
        };
        let is_it = |build: &BuildInfo| {
            let is_new = build.idx > last;
            is_new
                && match (start, &model) {
                    (Start::Trigger(trigger), _) => is_triggered(build, trigger),
                    (Start::Retry(_), Some(model)) => build.git.r#ref == model.git.r#ref,
                    (Start::Retry(_), None) => true,
                }
        };
        let end = Instant::now() + PATIENCE;
        let (mut wait, longest) = LOOKS;
        loop {
            // The list is newest first.
            let builds = self.builds(org, repo).await?;
            if let Some(build) = builds.into_iter().rev().find(|build| is_it(build)) {
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

fn is_triggered(build: &BuildInfo, trigger: &Trigger) -> bool {
    let wanted = match (&trigger.branch, &trigger.tag) {
        (Some(branch), _) => Some(format!("refs/heads/{branch}")),
        (None, Some(tag)) => Some(format!("refs/tags/{tag}")),
        (None, None) => None,
    };
    build.source.as_deref().is_none_or(|source| source == "api")
        && wanted.is_none_or(|wanted| build.git.r#ref.as_ref() == Some(&wanted))
}
