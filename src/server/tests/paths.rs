//! Names in paths and queries that lead elsewhere: every segment that has to do with a file.

use super::*;
use crate::domain::{BlobRef, BuildStatus, Event, EventKind, Job, JobId, LogId};
use crate::journal::Journal;
use crate::logs::{LogPaths, LogWriter, Stream};
use crate::ports::BlobKey;
use names::hostile_names;

const OUTSIDE: &str = "what is none of anybody's business";

/// A build whose jobs and artifacts are called as somebody would who means harm.
fn record(folder: &Path, names: &[String]) {
    let sid = Sid::new(ORG, REPO, "build-1");
    let order = Order {
        sid: sid.clone(),
        idx: 1,
        source: "api".to_owned(),
        triggered: 1,
        wanted: Wanted::default(),
        git: crate::edn::Map::new(),
        changes: None,
        params: Vec::new(),
        webhook: None,
        deliveries: Vec::new(),
        end: None,
    };
    order.save(&folder.join("server/orders")).unwrap();
    let recording = recording_in(folder, &sid);
    std::fs::create_dir_all(&recording.logs).unwrap();
    let jobs = names.iter().map(|name| {
        let mut job = Job::new(name.as_str());
        job.save_artifacts.push(BlobRef {
            id: name.clone(),
            path: name.clone(),
        });
        job
    });
    let events = vec![
        Event::new(EventKind::ScriptStart {
            jobs: jobs.collect(),
        }),
        Event::new(EventKind::BuildEnd {
            status: Some(BuildStatus::Success),
            build: None,
        }),
    ];
    let journal = Journal::create(&recording.journal, &sid).unwrap();
    journal.append(1, events).unwrap();
}

/// A segment as a browser would send it.
fn encoded(name: &str) -> String {
    let bytes: Vec<String> = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
    bytes.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_leads_out() {
    let folder = tempfile::tempdir().unwrap();
    let marker = format!("monkeyci-tui-traversal-{}", std::process::id());
    // As they are sent, and as they are meant: jobs and artifacts of a build may be called so.
    let sent = hostile_names(&marker);
    let meant = [
        "../outside/secret",
        "../../outside/secret",
        "..",
        ".",
        "/etc/passwd",
        "../server/tokens.edn",
        "../events.edn",
        "a/../../../outside/secret",
        "\u{0}",
        "-rf",
    ]
    .map(str::to_owned);
    record(folder.path(), &meant);
    // Where a name that is taken as a path would lead from logs and blobs.
    std::fs::create_dir(folder.path().join("outside")).unwrap();
    for (name, what) in [
        ("secret", OUTSIDE),
        ("secret.log", OUTSIDE),
        ("secret.tgz", OUTSIDE),
    ] {
        std::fs::write(folder.path().join("outside").join(name), what).unwrap();
    }
    let mut outside =
        LogWriter::create(LogPaths::new(&folder.path().join("outside"), "log")).unwrap();
    outside
        .append(1, Stream::Out, 0, OUTSIDE.as_bytes())
        .unwrap();
    outside.finish().unwrap();
    let rig = Rig::in_folder(folder, |_| {});
    let token = rig.token(Role::Run);
    let kept = |rig: &Rig| std::fs::read_to_string(rig.keys().join("tokens.edn")).unwrap();
    let before = kept(&rig);
    let names: Vec<String> = sent
        .into_iter()
        .chain(meant.iter().map(|name| encoded(name)))
        .chain([encoded("../../outside/log"), encoded("../events.edn")])
        .collect();
    let routes = [
        ("GET", "/org/{}"),
        ("GET", "/org/acme/repo/{}"),
        ("GET", "/org/acme/repo/{}/builds"),
        ("POST", "/org/acme/repo/{}/builds/trigger"),
        ("POST", "/org/acme/repo/{}/builds/workspace"),
        ("GET", "/org/acme/repo/app/builds/{}"),
        ("GET", "/org/acme/repo/app/builds/{}/events"),
        ("POST", "/org/acme/repo/app/builds/{}/retry"),
        ("GET", "/org/acme/repo/app/builds/build-1/job/{}"),
        (
            "GET",
            "/org/acme/repo/app/builds/build-1/job/{}/logs?file=0_out.log",
        ),
        ("POST", "/org/acme/repo/app/builds/build-1/job/{}/unblock"),
        (
            "GET",
            "/org/acme/repo/app/builds/build-1/job/x/logs?file={}",
        ),
        ("GET", "/org/acme/repo/app/builds/build-1/artifact/{}"),
        (
            "GET",
            "/org/acme/repo/app/builds/build-1/artifact/{}/download",
        ),
        ("POST", "/webhook/github/{}"),
        ("GET", "/org/{}/param"),
        ("GET", "/{}"),
    ];
    for (method, route) in routes {
        for name in &names {
            let path = route.replace("{}", name);
            let answer = rig
                .ask(&request(method, &path, &token, &[JSON], b"{}"))
                .await;
            assert!(
                answer.status < 500 || answer.status == 501,
                "{path}: {answer:?}"
            );
            assert_eq!(answer.header("set-cookie"), None, "{path}");
            let text = answer.text();
            for secret in [OUTSIDE, "root:", ":hash"] {
                assert!(!text.contains(secret), "{path}: {text}");
            }
        }
    }
    // What is called so is found under its name, below the folder that is meant for it.
    for name in &meant {
        let path = at(&format!("builds/build-1/artifact/{}", encoded(name)));
        let answer = rig.ask(&request("GET", &path, &token, &[], b"")).await;
        assert_eq!(answer.status, 200, "{name:?}: {answer:?}");
        let sid = Sid::new(ORG, REPO, "build-1");
        let logs = recording_in(rig.folder.path(), &sid).logs;
        let log = LogPaths::new(&logs, &LogId::Job(JobId::new(name)).stem());
        assert_eq!(log.log.parent(), Some(logs.as_path()), "{name:?}");
        let key = BlobKey::artifact(&sid, name);
        let path = Path::new(key.as_str());
        let plain =
            |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
        assert!(path.components().all(plain), "{name:?}: {path:?}");
    }
    assert_eq!(kept(&rig), before);
    assert!(!Path::new("/tmp").join(&marker).exists());
    rig.is_well().await;
    rig.stop().await;
}
