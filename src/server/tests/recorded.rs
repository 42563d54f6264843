//! The requests that were put to a real server, put to ours: what is answered has to have the same
//! status, the same kind and the same shape (`tests/transcripts/_server/http.jsonl`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::super::*;
use super::recording_in;
use crate::domain::{BlobRef, BuildStatus, Event, EventKind, Job, JobId, JobKind, JobStatus};
use crate::edn;
use crate::journal::Journal;
use crate::logs::{LogPaths, LogWriter, Stream};
use crate::ports::{BlobKey, SystemClock};
use crate::store::ObjectBlobs;
use crate::wire;

const ORG: &str = "SeedOrgAAAAAAAAAAAAAAAAA";

/// What our answers need not have, though the real ones do: what the page says is never returned,
/// or strays in from events (public-api.md §10), since these were recorded with another storage.
const STRAY: [&str; 8] = [
    "id in a build",
    "creditMultiplier",
    "jobId",
    "sid",
    "time",
    "jobs in a list",
    "status in a script",
    "labels",
];

/// Numbers of exchanges, and why they are answered otherwise.
const ON_PURPOSE: &[(&[usize], &str)] = &[
    (&[2], "there are metrics"),
    (&[9, 33, 37, 41], "no repository is public"),
    (&[27, 28, 29], "a build sees itself and nothing else"),
    (&[43], "an org has one id"),
    (&[49, 50], "repositories are not told to everybody"),
    (&[65, 66], "a skipped job has a time"),
    (
        &[89, 90],
        "recorded without a log service; the page has entries",
    ),
    (&[93, 94, 148], "the report does not repeat what was sent"),
    (&[140], "no CORS"),
    (&[149], "what cannot be read is no fault of the server"),
    (&[154], "a queued build has no script"),
    (&[161], "the engine of this test never ends"),
    (&[175], "a token that was made there"),
    (&[181], "nobody makes an org without a credential"),
];

#[derive(Debug)]
struct FakeRunner {
    folder: PathBuf,
    handle: EngineHandle,
}

impl Runner for FakeRunner {
    fn start(&self, _: Order, _: CancellationToken) -> BoxFuture<'static, Result<Started, String>> {
        let started = Started {
            handle: self.handle.clone(),
            ended: std::future::pending().boxed(),
        };
        std::future::ready(Ok(started)).boxed()
    }

    fn recording(&self, sid: &Sid) -> Recording {
        recording_in(&self.folder, sid)
    }
}

fn order(idx: u64) -> Order {
    let git = edn::read_str(
        "{:url \"https://example.invalid/demo.git\" :ref \"refs/heads/main\" :main-branch \"main\"}",
    );
    Order {
        sid: Sid::new(ORG, "demo-repo", format!("build-{idx}")),
        idx,
        source: "api".to_owned(),
        triggered: SystemClock.now(),
        wanted: Wanted::default(),
        git: git.unwrap().as_map().unwrap().clone(),
        changes: None,
        params: Vec::new(),
        webhook: None,
        deliveries: Vec::new(),
        end: None,
    }
}

fn job(id: &str, kind: JobKind, script: &str) -> Job {
    let mut job = Job::new(id);
    job.kind = kind;
    if kind == JobKind::Container {
        job.image = Some("docker.io/alpine:latest".to_owned());
        job.script = vec![script.to_owned()];
    }
    job
}

fn begin(jobs: Vec<Job>) -> Vec<Event> {
    let dir = Some("/checkout/.monkeyci".to_owned());
    [
        EventKind::BuildStart,
        EventKind::ScriptInitializing { script_dir: dir },
        EventKind::ScriptStart { jobs },
    ]
    .map(Event::new)
    .into()
}

fn ran(id: &str, status: JobStatus, result: &str) -> [Event; 2] {
    let result = edn::read_str(result).unwrap().as_map().unwrap().clone();
    let end = EventKind::JobEnd {
        status: Some(status),
        result,
    };
    [EventKind::JobStart, end].map(|kind| Event::of_job(&JobId::new(id), kind))
}

fn end(status: BuildStatus, message: Option<&str>) -> Event {
    let end = Event::new(EventKind::BuildEnd {
        status: Some(status),
        build: None,
    });
    match message {
        Some(message) => end.with_message(message),
        None => end,
    }
}

/// The builds that the real server was asked about.
fn record(runner: &FakeRunner, idx: u64, events: Vec<Event>) {
    let order = order(idx);
    let recording = runner.recording(&order.sid);
    std::fs::create_dir_all(&recording.logs).unwrap();
    let journal = Journal::create(&recording.journal, &order.sid).unwrap();
    journal.append(SystemClock.now(), events).unwrap();
    order.save(&runner.folder.join("server/orders")).unwrap();
}

async fn real_servers_builds(folder: &std::path::Path) -> (Router, BTreeMap<&'static str, String>) {
    let blobs: Arc<dyn BlobStore> = Arc::new(ObjectBlobs::in_folder(folder.join("blobs"), 1 << 20));
    let handle = EngineHandle::for_tests(
        order(3).sid,
        folder.to_owned(),
        Arc::clone(&blobs),
        Arc::new(NoParams),
    );
    let runner = FakeRunner {
        folder: folder.to_owned(),
        handle: handle.clone(),
    };
    let mut test = job("test", JobKind::Container, "echo hi");
    test.save_artifacts.push(BlobRef {
        id: "report".to_owned(),
        path: "report.txt".to_owned(),
    });
    let mut publish = job("publish", JobKind::Container, "echo hi");
    publish.dependencies.push(JobId::new("test"));
    let mut events = begin(vec![test, publish.clone()]);
    events.extend(ran("test", JobStatus::Success, "{:message \"all fine\"}"));
    events.extend(ran("publish", JobStatus::Success, "{}"));
    events.push(end(BuildStatus::Success, None));
    record(&runner, 1, events);
    let mut log = LogWriter::create(LogPaths::new(&folder.join("build-1/logs"), "test")).unwrap();
    log.append(1, Stream::Out, 0, b"hi\n").unwrap();
    log.finish().unwrap();
    let key = BlobKey::artifact(&order(1).sid, "report");
    blobs
        .put(&key, Box::pin(&b"\x1f\x8b..."[..]))
        .await
        .unwrap();

    let mut events = begin(vec![job("test", JobKind::Container, "exit 1"), publish]);
    events.extend(ran("test", JobStatus::Failure, "{:message \"exit 1\"}"));
    events.push(Event::of_job(&JobId::new("publish"), EventKind::JobSkipped));
    events.push(end(BuildStatus::Error, Some("Something failed")));
    record(&runner, 2, events);

    order(3).save(&folder.join("server/orders")).unwrap();
    let mut gate = job("gate", JobKind::Action, "");
    gate.blocked = true;
    gate.dependencies.push(JobId::new("slow"));
    let jobs = vec![
        job("action", JobKind::Action, ""),
        job("slow", JobKind::Container, "sleep 100"),
        gate,
    ];
    let repo = |id: &str, name: &str| Repo {
        id: id.to_owned(),
        name: name.to_owned(),
        url: format!("https://example.invalid/{id}.git"),
        main_branch: Some("main".to_owned()),
    };
    let repos = vec![
        repo("demo-repo", "Demo Repo"),
        repo("public-repo", "Public Repo"),
    ];
    let settings = Settings::new(folder.join("server"), ORG, repos);
    let (server, remarks) =
        Server::open(settings, Arc::new(runner), blobs, Arc::new(SystemClock)).unwrap();
    assert_eq!(remarks, Vec::<String>::new());
    let working = server.clone();
    tokio::spawn(async move { working.work().await });
    let mut changes = server.board().changes();
    while server.board().engines().is_empty() {
        changes.changed().await.unwrap();
    }
    let mut events = begin(jobs);
    let output = "{:output \"out\" :warnings [{:message \"careful\"}]}";
    events.extend(ran("action", JobStatus::Success, output));
    events.push(Event::of_job(&JobId::new("slow"), EventKind::JobStart));
    // As the engine has it in the journal; a script could not post all of these.
    handle.journal().append(SystemClock.now(), events).unwrap();
    let folded = || {
        let entry = server.board().get(&("demo-repo".to_owned(), 3)).unwrap();
        let board::Stage::Running(live) = entry.stage else {
            return 0;
        };
        live.build.lock().unwrap().jobs().len()
    };
    tokio::time::timeout(Duration::from_secs(30), async {
        while folded() < 3 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();

    let until = SystemClock.now() + 60_000;
    let folder = folder.join("server");
    let token = || make_token(&folder, Role::Admin, None, 0, None).unwrap();
    let jwt = |holder: &Holder| make_jwt(&folder, holder, until).unwrap();
    let admin = Holder::Person(Role::Admin);
    let tokens = [
        ("$USER_TOKEN", token()),
        ("$ORG_TOKEN", token()),
        ("$USER_JWT", jwt(&admin)),
        ("$SYSADMIN_JWT", jwt(&admin)),
        ("$BUILD_JWT", jwt(&Holder::Build(order(3).sid))),
    ];
    let tokens = tokens.map(|(name, token)| (name, token.expose_secret().to_owned()));
    (routes::router(&server), tokens.into())
}

#[derive(Debug)]
struct NoParams;

impl crate::ports::ParamSource for NoParams {
    fn params(&self) -> BoxFuture<'_, Result<Vec<crate::ports::Param>, String>> {
        std::future::ready(Ok(Vec::new())).boxed()
    }
}

/// A body as JSON, whatever it is written in; texts and bytes are texts.
fn read(kind: &str, body: &str) -> Json {
    match kind {
        "application/json" => serde_json::from_str(body).unwrap(),
        "application/edn" => wire::public_json(&edn::read_lenient(body).unwrap()),
        _ => Json::String(String::new()),
    }
}

/// Where two values differ in shape, if they do.
fn difference(real: &Json, ours: &Json, place: &str) -> Option<String> {
    match (real, ours) {
        (Json::Object(real), Json::Object(ours)) => {
            let strays = |key: &str| {
                STRAY.contains(&key)
                    || (key == "id" && real.contains_key("buildId"))
                    || (key == "jobs" && place.starts_with("[]"))
                    || (key == "status" && place.ends_with(".script"))
            };
            let missing = real
                .keys()
                .find(|key| !ours.contains_key(*key) && !strays(key));
            if let Some(key) = missing {
                return Some(format!("{place} has no {key}"));
            }
            ours.iter().find_map(|(key, ours)| match real.get(key) {
                Some(real) => difference(real, ours, &format!("{place}.{key}")),
                // A build of ours knows how often it was paid for from the beginning: never.
                None if key == "credits" => None,
                None => Some(format!("{place} has a {key}")),
            })
        }
        (Json::Array(real), Json::Array(ours)) => {
            if real.is_empty() != ours.is_empty() {
                return Some(format!("{place} has {} and not {}", ours.len(), real.len()));
            }
            real.iter()
                .zip(ours)
                .find_map(|(real, ours)| difference(real, ours, &format!("{place}[]")))
        }
        (Json::String(_), Json::String(_))
        | (Json::Number(_), Json::Number(_))
        | (Json::Bool(_), Json::Bool(_))
        | (Json::Null, Json::Null) => None,
        (real, ours) => Some(format!("{place} is {ours} and not {real}")),
    }
}

#[tokio::test]
async fn what_the_real_server_was_asked_is_answered_in_its_shapes() {
    let dir = tempfile::tempdir().unwrap();
    let (mut router, tokens) = real_servers_builds(dir.path()).await;
    let recorded = include_str!("../../../tests/transcripts/_server/http.jsonl");
    let (mut equal, mut unserved, mut different) = (0, 0, Vec::new());
    for (number, line) in recorded.lines().enumerate() {
        let exchange: Json = serde_json::from_str(line).unwrap();
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let mut request = Request::builder()
            .method(exchange["method"].as_str().unwrap())
            .uri(exchange["path"].as_str().unwrap());
        for (name, value) in exchange["headers"].as_object().unwrap() {
            let mut value = text(value);
            for (name, token) in &tokens {
                value = value.replace(name, token);
            }
            request = request.header(name, value);
        }
        let request = request.body(Body::from(text(&exchange["body"]))).unwrap();
        let response = router.call(request).await.unwrap();
        let status = response.status().as_u16();
        if status == 501 {
            unserved += 1;
            continue;
        }
        let kind = |value: &str| value.split(';').next().unwrap_or_default().to_owned();
        let ours = response.headers().get(header::CONTENT_TYPE);
        let ours = ours.map(|value| kind(value.to_str().unwrap()));
        let real = exchange["response"]["headers"].as_array().unwrap().iter();
        let real = real.filter(|pair| pair[0] == "Content-Type");
        let real = real.map(|pair| kind(pair[1].as_str().unwrap())).next();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        let real_status = exchange["response"]["status"].as_u64().unwrap();
        let what = if u64::from(status) != real_status {
            Some(format!("{status} and not {real_status}"))
        } else if ours != real {
            Some(format!("{ours:?} and not {real:?}"))
        } else {
            let kind = ours.unwrap_or_default();
            let real = read(&kind, &text(&exchange["response"]["body"]));
            difference(&real, &read(&kind, &body), "")
        };
        match what {
            None => equal += 1,
            Some(what) => different.push((number, what)),
        }
    }
    // What differs, differs on purpose (assets/docs/serve.md), or in what was recorded.
    let on_purpose: Vec<usize> = ON_PURPOSE
        .iter()
        .flat_map(|(numbers, _)| numbers.iter().copied())
        .collect();
    let odd: Vec<_> = different
        .iter()
        .filter(|(number, _)| !on_purpose.contains(number))
        .collect();
    assert!(odd.is_empty(), "{odd:#?}");
    let page = include_str!("../../../assets/docs/serve.md");
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = format!(
        "{equal} are answered equally, {unserved} with 501, {} differ",
        different.len()
    );
    assert!(page.contains(&said), "the page should say: {said}");
}
