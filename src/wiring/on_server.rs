//! Commands over builds that are on servers; `trigger.rs` has those that start one.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use crate::cli::plain::{spell_duration, spell_size};
use crate::cli::{ArtifactsArgs, ListArgs, ServerOption, ShowArgs, UnblockArgs, clean};
use crate::domain::{BuildStatus, JobId, JobStatus, Millis, Sid, file_name};
use crate::edn::{Map, Value};
use crate::ports::{Clock, SystemClock};
use crate::remote::{BuildInfo, Client, Downloaded};
use crate::store::{Facts, Filter, Home, LOCAL_ORG, words};
use crate::wire;

use super::credentials;
use super::error::{Exit, UserError};
use super::history::quiet;
use super::list;
use super::servers::{self, Resolved, Servers, said};
use super::target::Target;

/// Builds of an org among which those are looked for that are asked for, at least.
const MOST_SEARCHED: usize = 1000;

/// Whether what was typed can only mean a build on a server, whatever is recorded here.
pub(super) fn is_remote(typed: &str, server: Option<&str>) -> bool {
    server.is_some() || typed.contains("://")
}

/// Whether what was typed may mean a build on a server where none here is: also of an org that is called
/// as that of this machine, as servers of this program have it, and a repo whose build is not named.
pub(super) fn may_be_remote(home: &Home, typed: &str) -> bool {
    let is_known = || Servers::of(home).is_ok_and(|servers| servers.meant().is_ok());
    let Ok(target) = Target::parse(typed) else {
        return false;
    };
    let names_server = target.at.is_some();
    let is_local = target.org.as_deref() == Some(LOCAL_ORG);
    let has_build = target.build.is_some();
    // A path has slashes too; what is wrong with what it leads to is to be said.
    let is_path = std::path::Path::new(typed).exists();
    !is_path && target.repo.is_some() && (names_server || (has_build && !is_local) || is_known())
}

/// A client, and what was typed.
pub(super) struct Place {
    pub client: Client,
    pub resolved: Resolved,
}

impl Place {
    pub fn of(home: &Home, server: Option<&str>, typed: Option<&str>) -> Result<Self, UserError> {
        let known = Servers::of(home)?;
        for remark in &known.remarks {
            complain!("monkeyci-tui: {}", clean(remark));
        }
        let resolved = servers::resolve(&known, server, typed)?;
        let client = credentials::client(home, &resolved)?;
        Ok(Self { client, resolved })
    }

    pub fn with(home: &Home, option: &ServerOption, typed: &str) -> Result<Self, UserError> {
        Self::of(home, option.name.as_deref(), Some(typed))
    }

    /// The build that was typed: what does something to a build does it to none that was not named.
    async fn named_build(&self) -> Result<BuildInfo, UserError> {
        if self.resolved.build.is_some() {
            return self.build().await;
        }
        let (org, repo) = self.resolved.org_and_repo()?;
        let error = UserError::new(format!("which build of {org}/{repo}? None is named"));
        let builds = match self.client.builds(org, repo).await {
            Ok(builds) => builds,
            Err(error) => return Err(servers::no_repo(&self.client, org, repo, &error).await),
        };
        let going = builds.iter().filter(|build| !build.status.is_final());
        let going: Vec<String> = going
            .map(|build| format!("{} ({})", build.build_id, build.status))
            .collect();
        Err(error.hint(match &going[..] {
            [] => "none of its builds goes on".to_owned(),
            going => format!("give ORG/REPO/BUILD; these go on: {}", going.join(", ")),
        }))
    }

    /// The build that was typed, else the newest.
    pub async fn build(&self) -> Result<BuildInfo, UserError> {
        let sid = self.resolved.sid(&self.client).await?;
        self.client.build(&sid).await.map_err(|error| said(&error))
    }
}

/// Where the web app shows a build.
pub(super) fn page_of(resolved: &Resolved, sid: &Sid) -> Option<String> {
    let web = crate::remote::BaseUrl::parse(&resolved.server.web_url()?).ok()?;
    let url = web.join(&["o", &sid.org, "r", &sid.repo, "b", &sid.build]);
    url.ok().map(|url| url.to_string())
}

/// `cancel`, of a build on a server.
pub(super) async fn cancel(
    home: &Home,
    server: Option<&str>,
    typed: &str,
) -> Result<Exit, UserError> {
    let place = Place::of(home, server, Some(typed))?;
    let build = place.named_build().await?;
    refuse_if_over(&build, "stop")?;
    let sid = build.sid();
    place
        .client
        .cancel(&sid)
        .await
        .map_err(|error| said(&error))?;
    println!("asked {} to stop", clean(&sid.to_string()));
    Ok(Exit::Success)
}

/// `unblock`, of a build on a server.
pub(super) async fn unblock(home: &Home, args: &UnblockArgs) -> Result<Exit, UserError> {
    let place = Place::of(home, args.server.as_deref(), Some(&args.build))?;
    let build = place.named_build().await?;
    // The server takes it for any job, and one that does not wait is harmed by it (§9.4).
    refuse_if_over(&build, "approve")?;
    let sid = build.sid();
    let jobs = build.jobs();
    let blocked: Vec<&JobId> = jobs
        .iter()
        .filter(|job| job.status == JobStatus::Blocked)
        .map(|job| &job.id)
        .collect();
    let approved: Vec<&JobId> = if args.job == "all" {
        blocked.clone()
    } else {
        let is_it = |id: &&&JobId| id.as_str() == args.job;
        blocked.iter().filter(is_it).copied().collect()
    };
    if approved.is_empty() {
        let waiting: Vec<&str> = blocked.iter().map(|id| id.as_str()).collect();
        let message = match jobs.iter().find(|job| job.id.as_str() == args.job) {
            Some(job) => format!("job \"{}\" is {}, not blocked", job.id, job.status),
            None if args.job == "all" => format!("no job of {sid} is blocked"),
            None => format!("{sid} has no job \"{}\"", args.job),
        };
        let error = UserError::new(message);
        return Err(if waiting.is_empty() {
            error
        } else {
            error.hint(format!("blocked: {}", waiting.join(", ")))
        });
    }
    for job in approved {
        place
            .client
            .unblock(&sid, job)
            .await
            .map_err(|error| said(&error))?;
        println!(
            "approved {} of {}",
            clean(job.as_str()),
            clean(&sid.to_string())
        );
    }
    Ok(Exit::Success)
}

fn refuse_if_over(build: &BuildInfo, what: &str) -> Result<(), UserError> {
    if build.status.is_final() {
        let sid = build.sid();
        let message = format!(
            "{sid} is over ({}): there is nothing to {what}",
            build.status
        );
        return Err(UserError::new(message));
    }
    Ok(())
}

/// `list --server`.
pub(super) async fn list(home: &Home, server: &str, args: &ListArgs) -> Result<Exit, UserError> {
    let place = Place::of(home, Some(server), None)?;
    let client = &place.client;
    let now = SystemClock.now();
    let filter = list::filter(args, now)?;
    let builds = match &args.repo {
        Some(repo) => {
            let (org, repo) = match repo.split_once('/') {
                Some((org, repo)) => (org, repo),
                None => (place.resolved.org()?, repo.as_str()),
            };
            match client.builds(org, repo).await {
                Ok(builds) => builds,
                Err(error) => return Err(servers::no_repo(client, org, repo, &error).await),
            }
        }
        None => {
            // What is filtered out here must not take the place of what is looked for.
            let count = if list::is_filtered(args) {
                args.limit.max(MOST_SEARCHED)
            } else {
                args.limit
            };
            let count = u32::try_from(count).ok();
            let org = place.resolved.org()?;
            let recent = client.recent(org, filter.since, count).await;
            recent.map_err(|error| said(&error))?
        }
    };
    let any = !builds.is_empty();
    let builds = builds.into_iter().filter(|build| is_wanted(build, &filter));
    let builds: Vec<BuildInfo> = builds.take(args.limit).collect();
    let mut out = BufWriter::new(std::io::stdout());
    for build in &builds {
        let line = if args.json {
            json_line(build)
        } else {
            list_line(build, now)
        };
        quiet(writeln!(out, "{line}"))?;
    }
    quiet(out.flush())?;
    if builds.is_empty() && !args.json {
        complain!(
            "{}",
            if any {
                "no build is like that"
            } else {
                "there are no builds yet"
            }
        );
    }
    Ok(Exit::Success)
}

/// A server's lists say less of a build than what is recorded here: nothing of its jobs.
fn is_wanted(build: &BuildInfo, filter: &Filter) -> bool {
    let git = &build.git;
    let texts = [&git.message, &git.branch, &git.commit_id, &build.message];
    let texts = texts.into_iter().flatten().chain([&build.build_id]);
    filter.matches(&Facts {
        status: &build.status,
        branch: git.branch.as_deref(),
        created: build.start,
        jobs: &[],
        words: &texts.flat_map(|text| words(text)).collect(),
    })
}

fn json_line(build: &BuildInfo) -> String {
    let jobs = build.jobs();
    let failed = jobs.iter().filter(|job| job.status.is_failed()).count();
    serde_json::json!({
        "sid": build.sid().to_string(),
        "status": build.status.as_str(),
        "start-time": build.start,
        "end-time": build.end,
        "branch": build.git.branch,
        "commit-id": build.git.commit_id,
        // Lists may come without jobs.
        "jobs": (!jobs.is_empty()).then_some(jobs.len()),
        "failed": (!jobs.is_empty()).then_some(failed),
        "message": build.message,
    })
    .to_string()
}

fn list_line(build: &BuildInfo, now: Millis) -> String {
    let took = match (build.start, build.end) {
        (Some(start), Some(end)) => spell_duration(end - start),
        _ => "-".to_owned(),
    };
    let began = build.start.map_or_else(
        || "-".to_owned(),
        |at| format!("{} ago", spell_duration(now - at)),
    );
    let branch = build.git.branch.as_ref().or(build.git.tag.as_ref());
    clean(&format!(
        "{:<30} {:<12} {began:>12} {took:>10}  {}{}",
        build.build_id,
        build.status,
        build.repo,
        branch
            .map(|branch| format!(" · {branch}"))
            .unwrap_or_default(),
    ))
}

/// `show`, of a build on a server.
pub(super) async fn show(home: &Home, args: &ShowArgs) -> Result<Exit, UserError> {
    let place = Place::of(home, args.server.as_deref(), Some(&args.build))?;
    let build = place.build().await?;
    let mut out = BufWriter::new(std::io::stdout());
    if args.json {
        let json = wire::to_json(&without_secrets(&Value::Map(build.map)));
        quiet(writeln!(out, "{json}"))?;
    } else {
        for line in shown(&build, &place.resolved) {
            quiet(writeln!(out, "{}", clean(&line).trim_end()))?;
        }
    }
    quiet(out.flush())?;
    Ok(Exit::Success)
}

fn shown(build: &BuildInfo, resolved: &Resolved) -> Vec<String> {
    let sid = build.sid();
    let mut lines = vec![format!("{sid} {}", build.status)];
    let mut add = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("  {name} {value}")));
    };
    add("commit", build.git.commit_id.clone());
    add("ref", build.git.r#ref.clone());
    add("started by", build.source.clone());
    if let (Some(start), Some(end)) = (build.start, build.end) {
        add("took", Some(spell_duration(end - start)));
    }
    add("credits", build.credits.map(|credits| credits.to_string()));
    add("message", build.message.clone());
    add("page", page_of(resolved, &sid));
    lines.push(String::new());
    let named = resolved.job.as_deref();
    let is_meant = |id: &JobId| named.is_none_or(|named| id.as_str() == named);
    for job in build.jobs().iter().filter(|job| is_meant(&job.id)) {
        let took = match (job.start, job.end) {
            (Some(start), Some(end)) => spell_duration(end - start),
            _ => String::new(),
        };
        let why = job.message().filter(|_| job.status.is_failed());
        lines.push(format!(
            "{:<24} {:<12} {took:>10}  {}",
            job.id,
            job.status,
            why.unwrap_or_default()
        ));
    }
    if build.status == BuildStatus::Pending && build.jobs().is_empty() {
        lines.push("it waits for a runner".to_owned());
    }
    lines
}

/// The values of variables and parameters, and the build's key, are nobody's business on a screen
/// (security.md §6).
fn without_secrets(value: &Value) -> Value {
    const HIDDEN: &str = "******";
    let hidden = |value: &Value| match value {
        Value::Map(map) => Value::Map(
            map.keys()
                .map(|key| (key.clone(), HIDDEN.into()))
                .collect::<Map>(),
        ),
        _ => HIDDEN.into(),
    };
    match value {
        Value::Map(map) => Value::Map(
            map.iter()
                .map(|(key, value)| {
                    let is_secret = key.as_keyword().is_some_and(|key| {
                        matches!(
                            key.as_str(),
                            "container/env" | "env" | "params" | "dek" | "ssh-keys"
                        )
                    });
                    let value = if is_secret {
                        hidden(value)
                    } else {
                        without_secrets(value)
                    };
                    (key.clone(), value)
                })
                .collect::<Map>(),
        ),
        Value::List(items) => Value::List(items.iter().map(without_secrets).collect()),
        Value::Vector(items) => Value::Vector(items.iter().map(without_secrets).collect()),
        Value::Set(items) => Value::Set(items.iter().map(without_secrets).collect()),
        other => other.clone(),
    }
}

/// `artifacts`.
pub(super) async fn artifacts(home: &Home, args: &ArtifactsArgs) -> Result<Exit, UserError> {
    let place = Place::with(home, &args.server, &args.target)?;
    let client = &place.client;
    let sid = place.resolved.sid(client).await?;
    let all = client.artifacts(&sid).await.map_err(|error| said(&error))?;
    let Some(id) = &args.id else {
        let mut out = BufWriter::new(std::io::stdout());
        for artifact in &all {
            let path = artifact.path.as_deref().unwrap_or_default();
            let line = clean(&format!("{:<24} {path}", artifact.id));
            quiet(writeln!(out, "{}", line.trim_end()))?;
        }
        quiet(out.flush())?;
        if all.is_empty() {
            complain!("the jobs of {} save nothing", clean(&sid.to_string()));
        }
        return Ok(Exit::Success);
    };
    if all.iter().all(|artifact| artifact.id != *id) {
        let known: Vec<&str> = all.iter().map(|artifact| artifact.id.as_str()).collect();
        let error = UserError::new(format!("{sid} has no artifact \"{id}\""));
        return Err(match known[..] {
            [] => error,
            _ => error.hint(format!("its artifacts: {}", known.join(", "))),
        });
    }
    let file = match &args.output {
        Some(file) => file.clone(),
        None => {
            let file = PathBuf::from(format!("{}.tgz", file_name(id)));
            if file.exists() {
                let message = format!("{} is there already", file.display());
                return Err(UserError::new(message).hint("name another file with --output"));
            }
            file
        }
    };
    let saved = client.download(&sid, id, &file).await;
    match saved.map_err(|error| said(&error))? {
        Downloaded::Saved(size) => {
            let (file, size) = (file.display().to_string(), spell_size(size));
            println!("saved {} ({size})", clean(&file));
            Ok(Exit::Success)
        }
        Downloaded::Nothing => Err(UserError::new(format!(
            "nothing is stored of artifact \"{id}\": its job has not saved it"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edn;

    #[test]
    fn no_value_of_a_variable_is_shown() {
        let value = edn::read_str(
            r#"{:dek "hunter2" :params {"a" "hunter2"} :script {:jobs [{:id "j"
                :container/env {"A" "hunter2"}} {:env {"B" "hunter2"}}]} :status :running}"#,
        )
        .unwrap();
        let shown = wire::to_json(&without_secrets(&value)).to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(
            shown.contains("\"A\":\"******\"") && shown.contains("running"),
            "{shown}"
        );
    }
}
