//! The projects of `tests/scripts`: each is built, and compared with what its `expect.edn` says
//! (`tests/scripts/README.md`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use monkeyci_tui::{edn, wire};
use serde_json::Value;

use crate::counted::not_run;
use crate::harness::{Project, Ran, Running, json_lines};
use crate::hosts::clojure_is_here;

#[test]
fn every_clojure_script_comes_to_what_it_promises() {
    if clojure_is_here("every_clojure_script_comes_to_what_it_promises") {
        check_all("clj", 20);
    }
}

#[test]
fn every_declared_build_comes_to_what_it_promises() {
    check_all("embedded", 10);
}

/// Those of one host: all in one home, one behind the other, so that Clojure is prepared once.
fn check_all(host: &str, at_least: usize) {
    let home = tempfile::tempdir().unwrap();
    let scripts: Vec<_> = scripts()
        .into_iter()
        .filter(|(_, expected)| runner(expected) == host)
        .collect();
    assert!(scripts.len() >= at_least, "{scripts:?}");
    let wrong: Vec<String> = scripts
        .iter()
        .flat_map(|(script, expected)| {
            let name = script.file_name().unwrap().to_string_lossy().into_owned();
            let wrong = check(script, expected, home.path());
            wrong.into_iter().map(move |what| format!("{name}: {what}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Which host runs it.
fn runner(expected: &Value) -> &str {
    expected["runner"].as_str().unwrap_or("clj")
}

/// The folders, and what is expected of each.
fn scripts() -> Vec<(PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| {
            let text = std::fs::read_to_string(path.join("expect.edn")).unwrap();
            let expected = edn::read_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
            (path, wire::to_json(&expected))
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

/// Builds a script as often as it says, and tells what is not as it should be.
fn check(script: &Path, expected: &Value, home: &Path) -> Vec<String> {
    if let Some(unknown) =
        (expected.as_object().unwrap().keys()).find(|key| !KEYS.contains(&key.as_str()))
    {
        return vec![format!("the key {unknown} is not understood")];
    }
    let project = Project::empty();
    copy(script, &project.dir());
    std::fs::remove_file(project.dir().join("expect.edn")).unwrap();
    if let Some(branch) = expected["git"]["branch"].as_str()
        && !make_repository(&project.dir(), branch)
    {
        let name = script.file_name().unwrap().to_string_lossy();
        not_run(
            &format!("fixtures::{name}"),
            "there is no git; on Debian: apt-get install git",
        );
        return Vec::new();
    }
    let runs = expected["runs"].as_u64().unwrap_or(1);
    (0..runs)
        .flat_map(|run| {
            let mut expected = expected.clone();
            if run == 0
                && let Some(first) = expected["first"].as_object().cloned()
            {
                expected.as_object_mut().unwrap().extend(first);
            }
            let (ran, events) = build(&project, home, &expected);
            let mut wrong = compare(&expected, &ran, &events);
            wrong.extend(out_of_order(&events));
            let shown = if wrong.is_empty() {
                String::new()
            } else {
                format!("\n{}{}", ran.out, ran.err)
            };
            wrong
                .into_iter()
                .map(move |what| format!("build {}: {what}{shown}", run + 1))
        })
        .collect()
}

const KEYS: [&str; 18] = [
    "runner",
    "status",
    "exit",
    "jobs",
    "options",
    "params",
    "git",
    "runs",
    "first",
    "results",
    "queued",
    "sequence",
    "order",
    "events",
    "absent",
    "absent-types",
    "says",
    "hides",
];

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, target).unwrap();
        }
    }
}

fn make_repository(dir: &Path, branch: &str) -> bool {
    let git = |args: &[&str]| {
        let git = Command::new("git").args(args).current_dir(dir).output();
        git.is_ok_and(|ended| ended.status.success())
    };
    let as_somebody = ["-c", "user.name=Somebody", "-c", "user.email=some@body"];
    git(&["init", "-q"])
        && git(&["checkout", "-q", "-b", branch])
        && git(&["add", "-A"])
        && git(&[&as_somebody[..], &["commit", "-q", "-m", "All of it"]].concat())
}

/// What a build printed, and its journal.
fn build(project: &Project, home: &Path, expected: &Value) -> (Ran, Vec<Value>) {
    let run = |args: &[&str]| {
        let mut command = project.command(args);
        command.env("MONKEYCI_TUI_HOME", home);
        Running::start(command).wait()
    };
    let mut args = vec!["build", "--plain", "--executor", "host", "--runner"];
    args.push(runner(expected));
    args.extend(texts(&expected["options"]));
    let params = project.dir().join("../params.json");
    if !expected["params"].is_null() {
        std::fs::write(&params, expected["params"].to_string()).unwrap();
        args.extend(["--params-file", params.to_str().unwrap()]);
    }
    let ran = run(&args);
    // One that never began is not the last one.
    let announced = ran.out.lines().find_map(|line| line.split_once("build · "));
    let sid = announced
        .and_then(|(_, rest)| rest.split(" · ").next())
        .unwrap_or("last");
    let events = json_lines(&run(&["show", sid, "--json"]).out);
    (ran, events)
}

fn texts(list: &Value) -> Vec<&str> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).collect()
}

fn kind(event: &Value) -> &str {
    event["type"].as_str().unwrap_or_default()
}

fn compare(expected: &Value, ran: &Ran, events: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut differs = |what: &str, wanted: &Value, found: &Value| {
        if wanted != found {
            wrong.push(format!("{what} is {found}, not {wanted}"));
        }
    };
    let of = |id: &str| -> Vec<&Value> {
        events
            .iter()
            .filter(|event| event["job-id"] == *id)
            .collect()
    };
    let end = events.iter().rfind(|event| kind(event) == "build/end");
    differs(
        "the status",
        &expected["status"],
        &end.map_or(Value::Null, |end| end["status"].clone()),
    );
    differs("the exit status", &expected["exit"], &ran.code.into());
    let mut jobs = BTreeMap::new();
    for event in events {
        let ended = match kind(event) {
            "job/end" => event["status"].clone(),
            "job/skipped" => "skipped".into(),
            _ if event["job-id"].is_string() => Value::Null,
            _ => continue,
        };
        let id = event["job-id"].as_str().unwrap_or_default().to_owned();
        let known = jobs.entry(id).or_insert(Value::Null);
        if !ended.is_null() {
            *known = ended;
        }
    }
    let wanted: BTreeMap<String, Value> = serde_json::from_value(expected["jobs"].clone()).unwrap();
    differs(
        "how the jobs ended",
        &serde_json::json!(wanted),
        &serde_json::json!(jobs),
    );
    for (id, types) in entries(&expected["sequence"]) {
        let mut found: Vec<&str> = Vec::new();
        for kind in of(id).iter().map(|event| kind(event)) {
            let counts = kind.starts_with("job/") || kind == "container/job-queued";
            if counts && !found.contains(&kind) {
                found.push(kind);
            }
        }
        // The two may be swapped.
        if let Some(at) = found
            .windows(2)
            .position(|pair| pair == ["job/start", "job/initializing"])
        {
            found.swap(at, at + 1);
        }
        differs(
            &format!("the sequence of {id}"),
            types,
            &serde_json::json!(found),
        );
    }
    for (id, keys) in entries(&expected["results"]) {
        let end = of(id)
            .into_iter()
            .rfind(|event| kind(event) == "job/end")
            .cloned();
        let found = end.map_or(Value::Null, |end| end["result"].clone());
        if !has(&found, keys) {
            wrong.push(format!("the result of {id} is {found}, without {keys}"));
        }
    }
    for (id, keys) in entries(&expected["queued"]) {
        let queued = ["job/queued", "container/job-queued"];
        let of_job = of(id);
        let last =
            (of_job.iter()).rfind(|event| queued.contains(&kind(event)) && !event["job"].is_null());
        let found = last.map_or(Value::Null, |event| event["job"].clone());
        if !has(&found, keys) {
            wrong.push(format!("{id} was queued as {found}, without {keys}"));
        }
    }
    let place = |id: &str, wanted: &str, last: bool| {
        let is_it = |event: &Value| event["job-id"] == *id && kind(event) == wanted;
        if last {
            events.iter().rposition(is_it)
        } else {
            events.iter().position(is_it)
        }
    };
    for pair in expected["order"].as_array().into_iter().flatten() {
        let pair = texts(pair);
        let (end, start) = (
            place(pair[0], "job/end", false),
            place(pair[1], "job/start", true),
        );
        if !matches!((end, start), (Some(end), Some(start)) if end < start) {
            wrong.push(format!(
                "{} does not end before {} starts",
                pair[0], pair[1]
            ));
        }
    }
    let mut types = events.iter().map(kind);
    for wanted in texts(&expected["events"]) {
        if !types.any(|kind| kind == wanted) {
            wrong.push(format!("{wanted} is not in its place among the events"));
        }
    }
    for (id, types) in entries(&expected["absent"]) {
        let there: BTreeSet<&str> = of(id).iter().map(|event| kind(event)).collect();
        for absent in texts(types)
            .into_iter()
            .filter(|absent| there.contains(absent))
        {
            wrong.push(format!("{id} has a {absent}"));
        }
    }
    for absent in texts(&expected["absent-types"]) {
        if events.iter().any(|event| kind(event) == absent) {
            wrong.push(format!("there is a {absent}"));
        }
    }
    let said = format!("{}\n{}", ran.out, ran.err);
    for text in texts(&expected["says"]) {
        if !said.contains(text) {
            wrong.push(format!("it does not say {text:?}"));
        }
    }
    let journal = serde_json::json!(events).to_string();
    for text in texts(&expected["hides"]) {
        if said.contains(text) || journal.contains(text) {
            wrong.push(format!("it shows {text:?}"));
        }
    }
    wrong
}

/// What stands in the wrong place in any journal, whatever its script is (events.md §5).
fn out_of_order(events: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let frame = [
        "build/pending",
        "build/initializing",
        "build/start",
        "script/initializing",
        "script/start",
        "script/end",
        "build/end",
    ];
    let places: Vec<usize> = frame
        .iter()
        .filter_map(|wanted| events.iter().position(|event| kind(event) == *wanted))
        .collect();
    if !places.is_sorted() {
        wrong.push(format!("the frame of the build is in disorder: {places:?}"));
    }
    for once in frame {
        let count = events.iter().filter(|event| kind(event) == once).count();
        if count > 1 {
            wrong.push(format!("there are {count} {once}"));
        }
    }
    if events.last().map(kind) != Some("build/end") {
        wrong.push("build/end is not the last event".to_owned());
    }
    let numbers: Vec<u64> = (events.iter().filter_map(|event| event["seq"].as_u64())).collect();
    if numbers != (1..=events.len() as u64).collect::<Vec<_>>() {
        wrong.push(format!("the events are not numbered from 1: {numbers:?}"));
    }
    let sid = &events.first().map_or(&Value::Null, |event| &event["sid"]);
    if let Some(event) = events.iter().find(|event| {
        let has_sid = event["sid"].as_array().zip(sid.as_array());
        !has_sid.is_some_and(|(its, sid)| its.starts_with(sid))
    }) {
        wrong.push(format!("an event is not of this build: {event}"));
    }
    let mut jobs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in events {
        if let Some(id) = event["job-id"].as_str() {
            jobs.entry(id).or_default().push(kind(event));
        }
    }
    for (id, types) in jobs {
        let first = |wanted: &str| types.iter().position(|kind| *kind == wanted);
        let (skipped, ended) = (first("job/skipped"), first("job/end"));
        if skipped.is_none() && ended.is_none() {
            wrong.push(format!("{id} is left open: {types:?}"));
        }
        let course = [
            "job/unblocked",
            "job/queued",
            "container/job-queued",
            "job/start",
            "container/start",
            "command/start",
            "command/end",
            "container/end",
            "job/executed",
        ];
        let places: Vec<usize> = course.into_iter().filter_map(first).collect();
        // Of an action that throws, `job/end` comes first (events.md §5.4).
        if !places.is_sorted() {
            wrong.push(format!(
                "{id} goes through its events in disorder: {types:?}"
            ));
        }
        if ended.is_some() && first("job/queued").is_none() {
            wrong.push(format!("{id} ends without being queued: {types:?}"));
        }
    }
    wrong
}

fn entries(map: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let entries = map.as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.as_str(), value))
}

/// True when all of `wanted` is there: in maps, and in lists of maps, there may be more.
fn has(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| found.get(key).is_some_and(|found| has(found, wanted))),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(f, w)| has(f, w))
        }
        _ => found == wanted,
    }
}
