//! What a server knows of a build as a whole: in `build/updated` its jobs are a map, in the answer to
//! `GET` a list (protocol/public-api.md §8 and §10).

use crate::domain::{EventKind, Job, JobStatus, JobUpdate};
use crate::edn::{Map, Value};

use super::fields::Fields;
use super::{job_from, job_to_map};

/// Keys of a job's past events that a server leaves in its object (public-api.md §10.2).
const STRAY: [&str; 5] = ["src", "sid", "time", "job-id", "local-dir"];

/// Takes a server's build apart, whichever form its jobs have.
pub fn updated(mut build: Map) -> EventKind {
    let script = Value::kw("script");
    let mut jobs = Vec::new();
    if let Some(Value::Map(mut map)) = build.get(&script).cloned()
        && let Some(value) = map.remove_kw("jobs")
    {
        jobs = updates(value);
        build.insert(script, Value::Map(map));
    }
    EventKind::BuildUpdated { build, jobs }
}

/// The reverse of [`updated`], with its jobs as a map.
pub fn updated_map(build: &Map, jobs: &[JobUpdate]) -> Value {
    let mut build = build.clone();
    if !jobs.is_empty() {
        let key = Value::kw("script");
        let mut script = match build.get(&key) {
            Some(Value::Map(script)) => script.clone(),
            _ => Map::new(),
        };
        let jobs = jobs.iter().map(|update| {
            (
                Value::from(update.job.id.as_str()),
                Value::Map(job_map(update)),
            )
        });
        script.insert(Value::kw("jobs"), Value::Map(jobs.collect()));
        build.insert(key, Value::Map(script));
    }
    Value::Map(build)
}

fn updates(jobs: Value) -> Vec<JobUpdate> {
    match jobs {
        Value::Map(map) => map
            .into_iter()
            .filter_map(|(id, job)| match job {
                Value::Map(job) => {
                    let mut update = update(job);
                    if update.job.id.as_str().is_empty()
                        && let Some(id) = id.as_str()
                    {
                        update.job.id = id.into();
                    }
                    Some(update)
                }
                _ => None,
            })
            .collect(),
        Value::Vector(items) | Value::List(items) => items
            .into_iter()
            .filter_map(|item| match item {
                Value::Map(job) => Some(update(job)),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn update(map: Map) -> JobUpdate {
    let mut fields = Fields::new(map);
    let status = fields.text("status").map(|name| JobStatus::parse(&name));
    let start_time = fields.int("start-time");
    let end_time = fields.int("end-time");
    let agent = fields.map("agent");
    let result = fields.map("result").unwrap_or_default();
    let mut rest = fields.rest();
    for key in STRAY {
        rest.remove_kw(key);
    }
    let mut job: Job = job_from(rest);
    job.extra.remove_kw("result");
    JobUpdate {
        job,
        status,
        start_time,
        end_time,
        agent,
        result,
    }
}

fn job_map(update: &JobUpdate) -> Map {
    let mut map = job_to_map(&update.job);
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            map.insert(Value::kw(key), value);
        }
    };
    put(
        "status",
        update.status.as_ref().map(|it| Value::kw(it.as_str())),
    );
    put("start-time", update.start_time.map(Value::Int));
    put("end-time", update.end_time.map(Value::Int));
    put("agent", update.agent.clone().map(Value::Map));
    if !update.result.is_empty() {
        put("result", Some(Value::Map(update.result.clone())));
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Build, BuildStatus, Event, JobId};
    use crate::edn;

    fn exchanges() -> Vec<serde_json::Value> {
        include_str!("../../tests/transcripts/_server/http.jsonl")
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn answer(path: &str) -> Map {
        let exchanges = exchanges();
        let it = exchanges.iter().find(|it| {
            it["method"] == "GET"
                && it["path"] == path
                && it["headers"]["Accept"] == "application/edn"
        });
        let body = it.unwrap()["response"]["body"].as_str().unwrap();
        match edn::read_lenient(body).unwrap() {
            Value::Map(map) => map,
            other => panic!("{other:?}"),
        }
    }

    const BUILDS: &str = "/org/SeedOrgAAAAAAAAAAAAAAAAA/repo/demo-repo/builds";

    #[test]
    fn a_recorded_build_is_folded() {
        let kind = updated(answer(&format!("{BUILDS}/build-2")));
        let build = Build::fold(&[Event::new(kind)]);
        assert_eq!(build.status, BuildStatus::Error);
        assert_eq!(build.message.as_deref(), Some("Something failed"));
        assert_eq!(build.start_time, Some(1_795_458_911_061));
        assert_eq!(build.end_time, Some(1_795_458_911_563));
        assert_eq!(build.git.branch.as_deref(), Some("main"));
        assert_eq!(build.script_dir.as_deref(), Some("/checkout/.monkeyci"));
        let test = build.job(&JobId::new("test")).unwrap();
        assert_eq!(test.status, JobStatus::Failure);
        assert_eq!(test.reason(), Some("exit 1"));
        assert_eq!(test.elapsed(0), Some(63));
        assert!(
            test.job.extra.get_kw("sid").is_none(),
            "{:?}",
            test.job.extra
        );
        let publish = build.job(&JobId::new("publish")).unwrap();
        assert_eq!(publish.status, JobStatus::Skipped);
        assert_eq!(publish.job.dependencies, [JobId::new("test")]);
    }

    /// Trap 14: a list in the answer, a map in the event.
    #[test]
    fn a_list_and_a_map_of_jobs_are_the_same() {
        let listed = updated(answer(&format!("{BUILDS}/build-1")));
        let EventKind::BuildUpdated { build, jobs } = &listed else {
            panic!("{listed:?}");
        };
        assert_eq!(jobs.len(), 2);
        let Value::Map(mapped) = updated_map(build, jobs) else {
            panic!("a map");
        };
        assert!(
            mapped
                .get_kw("script")
                .unwrap()
                .get("jobs")
                .unwrap()
                .as_map()
                .is_some()
        );
        assert_eq!(updated(mapped), listed);
    }

    #[test]
    fn every_event_of_the_recorded_stream_is_read_and_written_back() {
        let streams: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/transcripts/_server/sse.json")).unwrap();
        let mut seen = 0;
        for line in streams
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|it| it["lines"].as_array().unwrap())
        {
            let Some(text) = line[1].as_str().unwrap().strip_prefix("data: ") else {
                continue;
            };
            let event = crate::wire::event_from(edn::read_lenient(text.trim()).unwrap()).unwrap();
            if !matches!(event.kind, EventKind::BuildUpdated { .. }) {
                continue;
            }
            seen += 1;
            let again = edn::read_str(&crate::wire::write_event(&event)).unwrap();
            assert_eq!(crate::wire::event_from(again).unwrap(), event);
        }
        assert!(seen > 0);
    }
}
