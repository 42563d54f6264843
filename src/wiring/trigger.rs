//! `trigger` and `retry`: a build on a server is begun, found and, if that is wanted, followed.

use std::io::Write;
use std::time::Duration;

use tokio::time::Instant;

use crate::cli::{RetryArgs, TriggerArgs, clean};
use crate::domain::Sid;
use crate::ports::ParamSource;
use crate::remote::{BuildInfo, Client, Trigger};
use crate::store::Home;

use super::error::{Exit, UserError};
use super::follow;
use super::history::quiet;
use super::on_server::{Place, page_of};
use super::params::FixedParams;
use super::servers::said;

/// How long a build that was triggered is looked for.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often the list is asked for meanwhile.
const PAUSE: Duration = Duration::from_secs(1);

/// `trigger`.
pub(super) async fn trigger(home: &Home, args: &TriggerArgs) -> Result<Exit, UserError> {
    let variable = |name: &str| std::env::var(name).ok();
    let params = FixedParams::resolve(&args.params, args.params_file.as_deref(), variable)
        .map_err(UserError::new)?;
    let params = params.params().await.map_err(UserError::new)?;
    let place = Place::with(home, &args.server, &args.target)?;
    let (org, repo) = place.resolved.org_and_repo()?;
    let client = &place.client;
    let found = client.repo(org, repo).await.map_err(|error| said(&error))?;
    let named = match (&args.branch, &args.tag) {
        (Some(branch), _) => Some(format!("refs/heads/{branch}")),
        (None, Some(tag)) => Some(format!("refs/tags/{tag}")),
        (None, None) => found.main_branch.map(|main| format!("refs/heads/{main}")),
    };
    let before = newest(client, org, repo).await?;
    let trigger = Trigger {
        branch: args.branch.clone(),
        tag: args.tag.clone(),
        commit: args.commit.clone(),
        params: params
            .into_iter()
            .map(|param| (param.name, param.value))
            .collect(),
    };
    client
        .trigger(org, repo, &trigger)
        .await
        .map_err(|error| said(&error))?;
    let wanted = Wanted {
        after: before,
        source: Some("api".to_owned()),
        r#ref: named,
        commit: args.commit.clone(),
    };
    begun(&place, &wanted, args.follow).await
}

/// `retry`.
pub(super) async fn retry(home: &Home, args: &RetryArgs) -> Result<Exit, UserError> {
    let place = Place::with(home, &args.server, &args.target)?;
    let build = place.build().await?;
    let (org, repo) = place.resolved.org_and_repo()?;
    let client = &place.client;
    let before = newest(client, org, repo).await?;
    client
        .retry(&build.sid())
        .await
        .map_err(|error| said(&error))?;
    if build.map.contains_kw("params") {
        complain!("the new build has no parameters of its own: the server does not keep them");
    }
    let wanted = Wanted {
        after: before,
        source: build.source,
        r#ref: build.git.r#ref,
        commit: build.git.commit_id,
    };
    begun(&place, &wanted, args.follow).await
}

/// What a new build is known by: the server's answer does not name it (public-api.md §9.1).
#[derive(Debug)]
struct Wanted {
    after: i64,
    source: Option<String>,
    r#ref: Option<String>,
    commit: Option<String>,
}

impl Wanted {
    /// The first of the new builds that is like it: somebody else's may be among them.
    fn among<'a>(&self, builds: &'a [BuildInfo]) -> Option<&'a BuildInfo> {
        let same = |wanted: &Option<String>, is: &Option<String>| wanted.is_none() || wanted == is;
        builds
            .iter()
            .filter(|build| build.idx.is_some_and(|idx| idx > self.after))
            .filter(|build| same(&self.source, &build.source))
            .filter(|build| same(&self.r#ref, &build.git.r#ref))
            .filter(|build| same(&self.commit, &build.git.commit_id))
            .min_by_key(|build| build.idx)
    }
}

/// The highest number of a repo's builds.
async fn newest(client: &Client, org: &str, repo: &str) -> Result<i64, UserError> {
    let builds = client.builds(org, repo).await.map_err(|e| said(&e))?;
    Ok(builds
        .iter()
        .filter_map(|build| build.idx)
        .max()
        .unwrap_or(0))
}

/// Finds the build that has begun, says which it is, and follows it where that is wanted.
async fn begun(place: &Place, wanted: &Wanted, follow: bool) -> Result<Exit, UserError> {
    let (org, repo) = place.resolved.org_and_repo()?;
    let until = Instant::now() + PATIENCE;
    let build = loop {
        let builds = place.client.builds(org, repo).await.map_err(|e| said(&e))?;
        if let Some(build) = wanted.among(&builds) {
            break build.clone();
        }
        if Instant::now() >= until {
            let name = &place.resolved.server.name;
            return Err(UserError::new(
                "the server has taken the order, and shows no new build yet",
            )
            .hint(format!(
                "`monkeyci-tui list --server {name} --repo {org}/{repo}` shows it once it is there"
            )));
        }
        tokio::time::sleep(PAUSE).await;
    };
    let sid = Sid::new(org, repo, &build.build_id);
    quiet(writeln!(std::io::stdout(), "{}", clean(&sid.to_string())))?;
    if let Some(url) = page_of(&place.resolved, &sid) {
        complain!("{url}");
    }
    if !follow {
        return Ok(Exit::Success);
    }
    follow::follow(&place.client, &build.sid()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edn;

    fn builds(text: &str) -> Vec<BuildInfo> {
        let value = edn::read_str(text).unwrap();
        let maps = value.as_seq().unwrap().iter();
        maps.map(|map| BuildInfo::read(map.as_map().unwrap()).unwrap())
            .collect()
    }

    #[test]
    fn a_new_build_is_known_by_its_number_source_and_ref() {
        let build = |idx: u32, source: &str, named: &str| {
            format!(
                "{{:org-id \"o\" :repo-id \"r\" :build-id \"build-{idx}\" :idx {idx} :source :{source} \
                 :git {{:ref \"refs/heads/{named}\"}}}}"
            )
        };
        let all = builds(&format!(
            "[{} {} {} {} {}]",
            build(7, "api", "dev"),
            build(3, "api", "dev"),
            build(5, "github-webhook", "dev"),
            build(6, "api", "main"),
            build(8, "api", "dev"),
        ));
        let wanted = |named: Option<&str>, after: i64| Wanted {
            after,
            source: Some("api".to_owned()),
            r#ref: named.map(|named| format!("refs/heads/{named}")),
            commit: None,
        };
        let found = |wanted: Wanted| wanted.among(&all).map(|build| build.idx.unwrap());
        assert_eq!(found(wanted(Some("dev"), 3)), Some(7));
        assert_eq!(found(wanted(Some("dev"), 7)), Some(8));
        assert_eq!(found(wanted(Some("main"), 3)), Some(6));
        assert_eq!(found(wanted(None, 3)), Some(6));
        assert_eq!(found(wanted(Some("dev"), 8)), None);
        let commit = Wanted {
            commit: Some("abc".to_owned()),
            ..wanted(None, 0)
        };
        assert_eq!(found(commit), None);
    }
}
