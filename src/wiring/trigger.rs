//! `trigger` and `retry`: a build on a server is begun, found and, if that is wanted, followed.

use std::io::Write;

use crate::cli::{RetryArgs, TriggerArgs, clean};
use crate::domain::Sid;
use crate::ports::ParamSource;
use crate::remote::{BuildInfo, Start, Trigger};
use crate::store::Home;

use super::error::{Exit, UserError};
use super::follow;
use super::history::quiet;
use super::on_server::{Place, page_of};
use super::params::FixedParams;
use super::servers::{self, said};

/// `trigger`.
pub(super) async fn trigger(home: &Home, args: &TriggerArgs) -> Result<Exit, UserError> {
    let variable = |name: &str| std::env::var(name).ok();
    let params = FixedParams::resolve(&args.params, args.params_file.as_deref(), variable)
        .map_err(UserError::new)?;
    let params = params.params().await.map_err(UserError::new)?;
    let place = Place::with(home, &args.server, &args.target)?;
    let (org, repo) = place.resolved.org_and_repo()?;
    let client = &place.client;
    let trigger = Trigger {
        branch: args.branch.clone(),
        tag: args.tag.clone(),
        commit: args.commit.clone(),
        params: params
            .into_iter()
            .map(|param| (param.name, param.value))
            .collect(),
    };
    match client.start(org, repo, Start::Trigger(&trigger)).await {
        Ok(build) => begun(&place, &build, args.follow).await,
        Err(error) => Err(servers::no_repo(client, org, repo, &error).await),
    }
}

/// `retry`.
pub(super) async fn retry(home: &Home, args: &RetryArgs) -> Result<Exit, UserError> {
    let place = Place::with(home, &args.server, &args.target)?;
    let build = place.build().await?;
    let (org, repo) = place.resolved.org_and_repo()?;
    let client = &place.client;
    let again = client.start(org, repo, Start::Retry(&build.build_id)).await;
    let again = again.map_err(|error| said(&error))?;
    if build.map.contains_kw("params") {
        complain!("the new build has no parameters of its own: the server does not keep them");
    }
    begun(&place, &again, args.follow).await
}

/// Says which build has begun, and follows it where that is wanted.
async fn begun(place: &Place, build: &BuildInfo, follow: bool) -> Result<Exit, UserError> {
    let (org, repo) = place.resolved.org_and_repo()?;
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
