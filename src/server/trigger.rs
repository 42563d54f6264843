//! Commands: trigger, retry, cancel, unblock (public-api.md §9).

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde::Deserialize;

use crate::domain::{BuildStatus, JobId, Sid};
use crate::edn::{Map, Value};
use crate::ports::Control;

use super::board::{Added, Stage, key_of};
use super::builds::no_build;
use super::order::{Order, Unbegun, Wanted};
use super::reply::{self, Format};
use super::{Repo, Server, beside, body, private};

/// What a trigger may say.
const SCHEMA: &str = r#"{(opt :branch) "java.lang.String", (opt :tag) "java.lang.String",
    (opt :commit-id) "java.lang.String", (opt :params) {Any "java.lang.String"}}"#;

/// Longest name of a branch or tag, in bytes.
const LONGEST_NAME: usize = 255;

/// When to come again who is turned away, in seconds.
const LATER: &str = "60";

/// The same three, from the query, where they win.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    branch: Option<String>,
    tag: Option<String>,
    #[serde(rename = "commit-id")]
    commit: Option<String>,
}

/// `POST R/builds/trigger`
pub(super) async fn trigger(
    State(server): State<Server>,
    Path((_, repo)): Path<(String, String)>,
    Query(named): Query<Named>,
    format: Format,
    request: Request<Body>,
) -> Response {
    let Some(repo) = server.repo(&repo) else {
        return format.error(StatusCode::NOT_FOUND, "Repository does not exist");
    };
    let headers = request.headers().clone();
    let time = server.settings().body_time;
    let bytes = match body::whole(request, body::COMMAND, time, format).await {
        Ok(bytes) => bytes,
        Err(answer) => return answer,
    };
    let Some(map) = body::map(&headers, &bytes) else {
        return format.malformed("body-params", "(not (map? nil))", SCHEMA);
    };
    let (mut wanted, params) = match read(&map) {
        Ok(read) => read,
        Err(why) => return format.malformed("body-params", &why, SCHEMA),
    };
    for (place, value) in [
        (&mut wanted.branch, named.branch),
        (&mut wanted.tag, named.tag),
        (&mut wanted.commit, named.commit),
    ] {
        if value.is_some() {
            *place = value;
        }
    }
    if let Err(why) = check(&wanted) {
        return format.malformed("body-params", &why, SCHEMA);
    }
    let git = git(repo, &wanted);
    let new = New {
        source: "api".to_owned(),
        wanted,
        git,
        params,
        ..New::default()
    };
    server.order(repo, new, format).await
}

/// Reads the body of a trigger. The error names the key and no value.
fn read(map: &Map) -> Result<(Wanted, Vec<(String, SecretString)>), String> {
    let mut wanted = Wanted::default();
    let mut params = Vec::new();
    for (key, value) in map {
        let name = match key {
            Value::Keyword(keyword) => keyword.as_str(),
            Value::Str(name) => name,
            _ => return Err("(not (keyword? key))".to_owned()),
        };
        let place = match name {
            "branch" => &mut wanted.branch,
            "tag" => &mut wanted.tag,
            "commit-id" | "commitId" | "commit_id" => &mut wanted.commit,
            "params" => {
                params = read_params(value)?;
                continue;
            }
            other => {
                let other: String = other.chars().take(100).collect();
                return Err(format!("{{{other:?} disallowed-key}}"));
            }
        };
        match value {
            Value::Str(text) => *place = Some(text.clone()),
            _ => return Err(format!("{{:{name} (not (string? value))}}")),
        }
    }
    Ok((wanted, params))
}

fn read_params(value: &Value) -> Result<Vec<(String, SecretString)>, String> {
    let map = value.as_map();
    let map = map.ok_or_else(|| "{:params (not (map? value))}".to_owned())?;
    let mut params = BTreeMap::new();
    for (name, value) in map {
        let name = match name {
            Value::Keyword(keyword) => keyword.as_str(),
            Value::Str(name) => name,
            _ => return Err("{:params (not (string? name))}".to_owned()),
        };
        let short: String = name.chars().take(100).collect();
        if name.is_empty() {
            return Err("{:params (not (not-empty name))}".to_owned());
        }
        let value = value.as_str();
        let value = value.ok_or_else(|| format!("{{:params {{{short:?} (not (string? value))}}}}"));
        params.insert(name.to_owned(), SecretString::from(value?));
    }
    Ok(params.into_iter().collect())
}

/// Whether names are names: what goes to git must not be an option of it, or an expression.
pub(super) fn check(wanted: &Wanted) -> Result<(), String> {
    for (key, name) in [("branch", &wanted.branch), ("tag", &wanted.tag)] {
        let odd = |name: &String| {
            name.is_empty()
                || name.len() > LONGEST_NAME
                || name.starts_with('-')
                || name.contains(|c: char| c.is_control() || " ~^:?*[\\".contains(c))
                || name.contains("..")
        };
        if name.as_ref().is_some_and(odd) {
            return Err(format!("{{:{key} (not (git-name? value))}}"));
        }
    }
    let is_id = |id: &String| {
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if wanted.commit.as_ref().is_some_and(|id| !is_id(id)) {
        return Err("{:commit-id (not (hexadecimal? value))}".to_owned());
    }
    Ok(())
}

/// What a trigger says of the commit (public-api.md §9.1, "ref").
pub(super) fn git(repo: &Repo, wanted: &Wanted) -> Map {
    let mut git = Map::new();
    git.insert_kw("url", repo.url.as_str());
    let reference = match (&wanted.branch, &wanted.tag, &repo.main_branch) {
        (Some(branch), _, _) => Some(format!("refs/heads/{branch}")),
        (None, Some(tag), _) => Some(format!("refs/tags/{tag}")),
        (None, None, Some(main)) => Some(format!("refs/heads/{main}")),
        (None, None, None) => None,
    };
    for (key, text) in [
        ("ref", &reference),
        ("branch", &wanted.branch),
        ("tag", &wanted.tag),
        ("main-branch", &repo.main_branch),
        ("commit-id", &wanted.commit),
    ] {
        if let Some(text) = text {
            git.insert_kw(key, text.as_str());
        }
    }
    git
}

/// `POST B/retry`: parameters and changes are lost, as there.
pub(super) async fn retry(
    State(server): State<Server>,
    Path((_, repo_id, build)): Path<(String, String, String)>,
    format: Format,
) -> Response {
    let (entry, build) = match server.found(&repo_id, &build, format).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let Some(repo) = server.repo(&repo_id) else {
        return no_build(format);
    };
    let mut wanted = entry.order.wanted.clone();
    if wanted.workspace.is_some() {
        let why = "the tree that it was built of is not kept: send it again";
        return format.error(StatusCode::CONFLICT, why);
    }
    if build.git.commit_id.is_some() {
        wanted.commit = build.git.commit_id;
    }
    let new = New {
        source: entry.order.source.clone(),
        wanted,
        git: entry.order.git.clone(),
        ..New::default()
    };
    server.order(repo, new, format).await
}

/// `POST B/cancel`: 202 also when it is over; then nothing happens.
pub(super) async fn cancel(
    State(server): State<Server>,
    Path((_, repo, build)): Path<(String, String, String)>,
    format: Format,
) -> Response {
    let Some(entry) = server.entry(&repo, &build) else {
        return no_build(format);
    };
    let end = Unbegun {
        status: BuildStatus::Canceled,
        message: Some("canceled while it was queued".to_owned()),
        time: server.now(),
    };
    if let Some(order) = server.board().cancel_early(&key_of(&entry.order), end) {
        server.keep(&order).await;
        server.forget_workspace(&order).await;
        server.tell_unbegun(&order);
    }
    server.control(&repo, &build, Control::Cancel).await;
    StatusCode::ACCEPTED.into_response()
}

/// `POST B/job/JOB/unblock`: 202 also when it is not blocked; then nothing happens.
pub(super) async fn unblock(
    State(server): State<Server>,
    Path((_, repo, build_id, job)): Path<(String, String, String, String)>,
    format: Format,
) -> Response {
    let (_, build) = match server.found(&repo, &build_id, format).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let job = JobId::new(job);
    let Some(state) = build.job(&job) else {
        return reply::absent();
    };
    if !state.is_over() {
        server
            .control(&repo, &build_id, Control::Unblock(job))
            .await;
    }
    StatusCode::ACCEPTED.into_response()
}

/// A build to be ordered.
#[derive(Debug, Default)]
pub(super) struct New {
    pub(super) source: String,
    pub(super) wanted: Wanted,
    pub(super) git: Map,
    pub(super) changes: Option<Value>,
    pub(super) params: Vec<(String, SecretString)>,
    pub(super) webhook: Option<String>,
    pub(super) deliveries: Vec<String>,
}

/// The answer to what was taken.
pub(super) fn accepted(id: &str, format: Format) -> Response {
    format.reply(StatusCode::ACCEPTED, &Value::map([("id", id.into())]))
}

/// Why a build is not taken into the queue.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// The server is about to end.
    Ending,
    /// So many wait already.
    Full(usize),
    /// The same delivery has been taken before.
    Again,
    /// It is the server's fault.
    Broken(String),
}

impl NotTaken {
    /// A sentence.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Ending => "the server is about to stop and takes no more builds".to_owned(),
            Self::Full(most) => format!("as many builds wait as may: {most}"),
            Self::Again => "this delivery has been taken before".to_owned(),
            Self::Broken(why) => why.clone(),
        }
    }

    pub(super) fn answer(&self, format: Format) -> Response {
        let status = match self {
            Self::Ending | Self::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Again => StatusCode::CONFLICT,
            Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut answer = format.error(status, &self.why());
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let later = HeaderValue::from_static(LATER);
            answer.headers_mut().insert(header::RETRY_AFTER, later);
        }
        answer
    }
}

impl Server {
    /// Why nothing can be taken into the queue now, if it cannot.
    pub(super) fn refuses(&self) -> Result<(), NotTaken> {
        let most = self.settings().queue;
        if self.is_draining() {
            Err(NotTaken::Ending)
        } else if self.load().0 >= most {
            Err(NotTaken::Full(most))
        } else {
            Ok(())
        }
    }

    /// Takes a build into the queue, and answers.
    pub(super) async fn order(&self, repo: &Repo, new: New, format: Format) -> Response {
        match self.take(repo, new).await {
            Ok(id) => accepted(&id, format),
            Err(refusal) => refusal.answer(format),
        }
    }

    /// Takes a build into the queue; it is on disk when this returns. The id is kept nowhere, as
    /// there: the build is found by its number.
    pub(super) async fn take(&self, repo: &Repo, new: New) -> Result<String, NotTaken> {
        if self.is_draining() {
            return Err(NotTaken::Ending);
        }
        let id = private::random_hex::<12>();
        let id = id.map_err(|why| NotTaken::Broken(why.to_string()))?;
        let most = self.settings().queue;
        let (server, repo) = (self.clone(), repo.id.clone());
        let added = beside(move || {
            let make = |idx| Order {
                sid: Sid::new(&server.settings().org, &repo, format!("build-{idx}")),
                idx,
                source: new.source,
                triggered: server.now(),
                wanted: new.wanted,
                git: new.git,
                changes: new.changes,
                params: new.params,
                webhook: new.webhook,
                deliveries: new.deliveries,
                end: None,
            };
            let folder = server.orders();
            let save = |order: &Order| {
                order.save(&folder)?;
                // Before anybody begins it.
                server.tell_queued(order);
                Ok::<_, std::io::Error>(())
            };
            server.board().add(&repo, most, make, save)
        });
        match added.await {
            Ok(Added::Queued) => Ok(id),
            Ok(Added::Seen) => Err(NotTaken::Again),
            Ok(Added::Full) => Err(NotTaken::Full(most)),
            Err(error) => {
                let why = format!("the build cannot be kept: {error}");
                self.trouble(why.clone());
                Err(NotTaken::Broken(why))
            }
        }
    }

    /// Tells a running build something; one that is over does not listen.
    async fn control(&self, repo: &str, build: &str, control: Control) {
        if let Some(entry) = self.entry(repo, build)
            && let Stage::Running(live) = entry.stage
        {
            // It ended in between.
            let _ = live.handle.control(control).await;
        }
    }

    fn tell_unbegun(&self, order: &Order) {
        let build = super::work::unbegun(order);
        self.tell_ended(order, build.status.clone(), build.message.clone());
        self.board().tell(order, &build, self.now(), false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edn;

    fn read_text(text: &str) -> Result<(Wanted, Vec<(String, SecretString)>), String> {
        read(edn::read_str(text).unwrap().as_map().unwrap())
    }

    #[test]
    fn a_trigger_says_what_it_may_and_nothing_else() {
        let text = "{:branch \"b\" \"commitId\" \"abc\" :params {\"FOO_bar\" \"1\" :kw \"2\"}}";
        let (wanted, params) = read_text(text).unwrap();
        assert_eq!(wanted.branch.as_deref(), Some("b"));
        assert_eq!(wanted.commit.as_deref(), Some("abc"));
        let names: Vec<&str> = params.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["FOO_bar", "kw"]);
        for odd in [
            "{:brunch \"b\"}",
            "{:branch 1}",
            "{:params {:a 1}}",
            "{:params [\"s3cret\"]}",
        ] {
            assert!(!read_text(odd).unwrap_err().contains("s3cret"), "{odd}");
        }
    }

    #[test]
    fn names_that_git_would_take_for_more_are_refused() {
        for branch in ["--upload-pack=x", "a b", "a..b", "a\nb", "HEAD^", "", "a:b"] {
            let wanted = Wanted {
                branch: Some(branch.to_owned()),
                ..Wanted::default()
            };
            assert!(check(&wanted).is_err(), "{branch}");
        }
        for (commit, good) in [
            ("abc", true),
            ("", false),
            ("HEAD~1", false),
            (":/x", false),
        ] {
            let wanted = Wanted {
                commit: Some(commit.to_owned()),
                ..Wanted::default()
            };
            assert_eq!(check(&wanted).is_ok(), good, "{commit}");
        }
    }
}
