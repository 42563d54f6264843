//! Builds, jobs and events as the public API of a MonkeyCI server writes them
//! (protocol/public-api.md §3, §8, §10). Written only: a server of ours answers with these.
//!
//! What is not known is left out, as there. `:credits` is always 0: nobody pays here.

use serde_json::{Number, Value as Json};

use crate::domain::{BlobRef, Build, BuildStatus, GitInfo, JobState, Millis, Sid};
use crate::edn::{self, Map, Value};

use super::job_to_map;

/// What a server knows of a build beyond its journal.
#[derive(Debug, Clone, Copy)]
pub struct PublicBuild<'a> {
    /// The build.
    pub sid: &'a Sid,
    /// Its number in its repository.
    pub idx: u64,
    /// What started it: `api`, `github-webhook`.
    pub source: &'a str,
    /// When it was triggered: its start time until it starts.
    pub triggered: Millis,
    /// What its trigger said of the commit (events.md §3, `:git`); it wins over the journal.
    pub git: &'a Map,
}

/// How the jobs of a build are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jobs {
    /// Not at all: lists of builds.
    Left,
    /// As a list: `GET` of a build.
    List,
    /// By their ids: `build/updated`.
    ById,
}

/// A build (public-api.md §10.1).
pub fn public_build(known: &PublicBuild<'_>, build: &Build, jobs: Jobs) -> Value {
    let mut map = Map::new();
    map.insert_kw("org-id", known.sid.org.as_str());
    map.insert_kw("repo-id", known.sid.repo.as_str());
    map.insert_kw("build-id", known.sid.build.as_str());
    map.insert_kw("idx", count(known.idx));
    map.insert_kw("status", Value::kw(public_status(&build.status)));
    let start = build.start_time.unwrap_or(known.triggered);
    map.insert_kw("start-time", Value::Int(start));
    if let Some(end) = build.end_time {
        map.insert_kw("end-time", Value::Int(end));
    }
    map.insert_kw("source", Value::kw(known.source));
    map.insert_kw("git", Value::Map(git(known.git, &build.git)));
    map.insert_kw("credits", Value::Int(0));
    if let Some(message) = &build.message {
        map.insert_kw("message", message.as_str());
    }
    if let Some(script) = script(build, jobs) {
        map.insert_kw("script", script);
    }
    Value::Map(map)
}

fn script(build: &Build, jobs: Jobs) -> Option<Value> {
    let mut script = Map::new();
    if let Some(dir) = &build.script_dir {
        script.insert_kw("script-dir", dir.as_str());
    }
    if !build.jobs().is_empty() {
        match jobs {
            Jobs::Left => {}
            Jobs::List => {
                let jobs = build.jobs().iter().map(public_job);
                script.insert_kw("jobs", Value::List(jobs.collect()));
            }
            Jobs::ById => {
                let jobs = build.jobs().iter();
                let jobs = jobs.map(|job| (Value::from(job.id().as_str()), public_job(job)));
                script.insert_kw("jobs", Value::Map(jobs.collect()));
            }
        }
    }
    (!script.is_empty()).then_some(Value::Map(script))
}

/// There is no `queued` build there: it is still `pending` (events.md §6.1).
pub fn public_status(status: &BuildStatus) -> &str {
    match status {
        BuildStatus::Queued => BuildStatus::Pending.as_str(),
        other => other.as_str(),
    }
}

fn git(trigger: &Map, found: &GitInfo) -> Map {
    let mut map = trigger.clone();
    for (key, value) in [
        ("url", &found.url),
        ("ref", &found.r#ref),
        ("branch", &found.branch),
        ("tag", &found.tag),
        ("main-branch", &found.main_branch),
        ("commit-id", &found.commit_id),
        ("message", &found.message),
    ] {
        if let (Some(text), false) = (value, map.contains_kw(key)) {
            map.insert_kw(key, text.as_str());
        }
    }
    if let (Some(author), false) = (&found.author, map.contains_kw("author")) {
        map.insert_kw("author", Value::map([("name", author.as_str().into())]));
    }
    map
}

/// A job: its definition, and what has become of it (public-api.md §10.2).
pub fn public_job(job: &JobState) -> Value {
    let mut map = job_to_map(&job.job);
    map.insert_kw("status", Value::kw(job.status.as_str()));
    for (key, time) in [("start-time", job.start_time), ("end-time", job.end_time)] {
        if let Some(time) = time {
            map.insert_kw(key, Value::Int(time));
        }
    }
    if let Some(agent) = &job.agent {
        map.insert_kw("agent", Value::Map(agent.clone()));
    }
    if job.is_over() || !job.result.is_empty() {
        let mut result = job.result.clone();
        if let (Some(message), false) = (&job.message, result.contains_kw("message")) {
            result.insert_kw("message", message.as_str());
        }
        map.insert_kw("result", Value::Map(result));
    }
    Value::Map(map)
}

/// An artifact, as a job names it.
pub fn public_artifact(artifact: &BlobRef) -> Value {
    Value::map([
        ("id", artifact.id.as_str().into()),
        ("path", artifact.path.as_str().into()),
    ])
}

/// The event that says what a build has become (public-api.md §8). After the end of the script it
/// says how that ended, and only then.
pub fn build_updated(sid: &Sid, time: Millis, mut build: Value, script: Option<&str>) -> Value {
    let place = build.as_map_mut().and_then(|map| map.get_kw_mut("script"));
    if let (Some(status), Some(map)) = (script, place.and_then(Value::as_map_mut)) {
        map.insert_kw("status", Value::kw(status));
    }
    let sid = [&sid.org, &sid.repo, &sid.build].map(|part| Value::from(part.as_str()));
    Value::map([
        ("type", Value::kw("build/updated")),
        ("time", Value::Int(time)),
        ("sid", Value::Vector(sid.into())),
        ("build", build),
    ])
}

fn count(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A value as JSON, as a MonkeyCI server writes it: keys in camel case, by the name of a keyword
/// without its namespace; the keys of what scripts and users named too (public-api.md §3).
pub fn public_json(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(number) => Json::from(*number),
        Value::BigInt(digits) | Value::BigDec(digits) => match digits.parse::<Number>() {
            Ok(number) => Json::Number(number),
            Err(_) => Json::String(digits.to_string()),
        },
        Value::Ratio(digits) => Json::String(digits.to_string()),
        Value::Float(number) => match Number::from_f64(*number) {
            Some(number) => Json::Number(number),
            None => Json::String(edn::write(value)),
        },
        Value::Char(c) => Json::String(c.to_string()),
        Value::Str(text) => Json::String(text.clone()),
        Value::Keyword(keyword) => Json::String(keyword.as_str().to_owned()),
        Value::Symbol(name) => Json::String(name.to_string()),
        Value::List(items) | Value::Vector(items) | Value::Set(items) => {
            Json::Array(items.iter().map(public_json).collect())
        }
        Value::Map(map) => Json::Object(
            map.iter()
                .map(|(key, value)| (json_key(key), public_json(value)))
                .collect(),
        ),
        Value::Tagged(_, inner) => match &**inner {
            Value::Str(text) => Json::String(text.clone()),
            other => Json::String(edn::write(other)),
        },
    }
}

fn json_key(key: &Value) -> String {
    match key {
        Value::Keyword(keyword) => camel_case(keyword.name()),
        Value::Str(text) => camel_case(text),
        other => edn::write(other),
    }
}

/// `script-dir` and `SCRIPT_DIR` are `scriptDir`; a name of one word in one case is itself in
/// lower case.
fn camel_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut camel = String::with_capacity(name.len());
    let mut begins_word = false;
    for (place, &c) in chars.iter().enumerate() {
        if matches!(c, '-' | '_' | ' ') {
            begins_word = !camel.is_empty();
            continue;
        }
        let before = place.checked_sub(1).map(|at| chars[at]);
        let after = chars.get(place + 1);
        // `scriptDir`, and the `D` of `HTTPDir`.
        let hump = c.is_uppercase()
            && (before.is_some_and(|b| b.is_lowercase() || b.is_ascii_digit())
                || (before.is_some_and(char::is_uppercase)
                    && after.is_some_and(|a| a.is_lowercase())));
        if begins_word || (hump && !camel.is_empty()) {
            camel.extend(c.to_uppercase());
        } else {
            camel.extend(c.to_lowercase());
        }
        begins_word = false;
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, EventKind, Job, JobId};

    #[test]
    fn json_names_are_those_of_the_server() {
        for (key, name) in [
            ("repo-id", "repoId"),
            ("container/image", "image"),
            ("monkey.ci/tests", "tests"),
            ("scriptDir", "scriptDir"),
        ] {
            assert_eq!(json_key(&Value::kw(key)), name);
        }
        for (key, name) in [
            ("FOO_BAR", "fooBar"),
            ("FOO", "foo"),
            ("HTTPDir", "httpDir"),
        ] {
            assert_eq!(json_key(&Value::from(key)), name);
        }
        let amount = edn::read_str("{:available 100M}").unwrap();
        assert_eq!(public_json(&amount).to_string(), r#"{"available":100}"#);
    }

    fn known(sid: &Sid, git: &Map) -> Value {
        let mut job = Job::new("a-job");
        job.save_artifacts.push(BlobRef {
            id: "x".to_owned(),
            path: "y".to_owned(),
        });
        let mut events = [
            EventKind::BuildStart,
            EventKind::ScriptInitializing {
                script_dir: Some("/s".to_owned()),
            },
            EventKind::ScriptStart { jobs: vec![job] },
        ]
        .map(Event::new)
        .to_vec();
        events.push(Event::of_job(
            &JobId::new("a-job"),
            EventKind::JobEnd {
                status: None,
                result: Map::new(),
            },
        ));
        for (time, event) in (5..).zip(&mut events) {
            event.time = Some(time);
        }
        let build = Build::fold(&events);
        let known = PublicBuild {
            sid,
            idx: 3,
            source: "api",
            triggered: 1,
            git,
        };
        public_build(&known, &build, Jobs::ById)
    }

    #[test]
    fn a_build_has_the_keys_of_the_server() {
        let sid = Sid::new("o", "r", "build-3");
        let git = Map::from_iter([(Value::kw("ref"), "refs/heads/x".into())]);
        let build = known(&sid, &git);
        assert_eq!(
            edn::write(&build_updated(&sid, 9, build, Some("error"))),
            "{:type :build/updated, :time 9, :sid [\"o\" \"r\" \"build-3\"], :build {:org-id \"o\", \
             :repo-id \"r\", :build-id \"build-3\", :idx 3, :status :running, :start-time 5, \
             :source :api, :git {:ref \"refs/heads/x\"}, :credits 0, :script {:script-dir \"/s\", \
             :jobs {\"a-job\" {:id \"a-job\", :type :container, :save-artifacts [{:id \"x\", \
             :path \"y\"}], :status :error, :end-time 8, :result {}}}, :status :error}}}"
        );
    }
}
