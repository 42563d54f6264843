//! The journal of a build, where a server has it, and the real one, which has not.

use std::sync::Arc;

use super::stream::{events, open, recorded};
use super::*;
use crate::domain::{Build, BuildStatus, EventKind, JobId, JobStatus};
use crate::journal::Journal;
use crate::ports::{BuildSource, SourceItem, SystemClock};
use crate::remote::follow::{OnServer, Pace, Recorded, RemoteSource};
use crate::remote::{BuildEvent, BuildEvents};

fn path(build: &str) -> String {
    format!("{}/repo/demo-repo/builds/{build}", org_path())
}

async fn all(mut events: BuildEvents) -> Vec<BuildEvent> {
    let mut all = Vec::new();
    while let Some(event) = events.next().await {
        all.push(event);
    }
    all
}

#[tokio::test]
async fn events_come_with_their_numbers_and_what_is_odd_is_said_to_be() {
    let server = Playback::start();
    let lines = "data: {:type :ping}\n\n: kept alive\n\n\
                 id: 7\ndata: {:type :build/start, :time 1}\n\n\
                 data: {:type :tui/log-grew, :job-id \"test\"}\n\n\
                 id: 8\ndata: {:type :build/\n\n\
                 id: 9\ndata: {:type :job/start\ndata: }\n\n\
                 id: 0\ndata: {:type :job/start}\n\n\
                 id: 9223372036854775807\ndata: {:type :job/start}\n\n\
                 id: -1\ndata: {}\n\n";
    server.will("GET", &format!("{}/events", path("build-3")), events(lines));
    let all = all(client(&server).build_events(&sid("build-3"), 6)).await;
    let [
        BuildEvent::Connected,
        BuildEvent::Ping,
        BuildEvent::Event(7, event),
        BuildEvent::LogGrew(log),
        BuildEvent::Odd(Some(8), _),
        BuildEvent::Odd(Some(9), _),
        BuildEvent::Odd(None, _),
        BuildEvent::Odd(None, _),
        BuildEvent::Odd(None, _),
        BuildEvent::Ended(_),
    ] = &all[..]
    else {
        panic!("{all:?}");
    };
    assert_eq!(event.kind, EventKind::BuildStart);
    assert_eq!(log.job(), Some(&JobId::new("test")));
    let came = server.came();
    assert_eq!(came[0].headers["last-event-id"], "6");
    assert_eq!(came[0].headers["authorization"], format!("Token {TOKEN}"));
    // From the beginning there is nothing to go on behind.
    server.will("GET", &format!("{}/events", path("build-3")), events(""));
    drop(self::all(client(&server).build_events(&sid("build-3"), 0)).await);
    assert!(!server.came()[1].headers.contains_key("last-event-id"));
}

#[tokio::test]
async fn only_a_server_that_knows_of_no_such_stream_has_none() {
    let server = Playback::start();
    let path = format!("{}/events", path("build-3"));
    for (status, expected) in [
        (404, "Absent"),
        (405, "Absent"),
        (406, "Absent"),
        (410, "Absent"),
        (501, "Absent"),
        (301, "Refused"),
        (401, "Refused"),
        (403, "Refused"),
        (429, "Lost"),
        (500, "Lost"),
        (503, "Lost"),
    ] {
        server.will("GET", &path, Answer::bare(status, None));
        let all = all(client(&server).build_events(&sid("build-3"), 0)).await;
        assert_eq!(all.len(), 1, "{status}");
        assert!(
            format!("{all:?}").starts_with(&format!("[{expected}")),
            "{status} {all:?}"
        );
    }
    // A page, and another kind of stream.
    let page = vec![("content-type", "text/html".to_owned())];
    server.will("GET", &path, Answer::Whole(200, page, "<html>".into()));
    let html = all(client(&server).build_events(&sid("build-3"), 0)).await;
    assert!(matches!(&html[..], [BuildEvent::Odd(None, _)]), "{html:?}");
    server.will("GET", &path, events(&recorded()));
    let other = all(client(&server).build_events(&sid("build-3"), 0)).await;
    assert!(matches!(other[2], BuildEvent::Odd(None, _)), "{other:?}");
}

/// The recorded server, whose streams of single builds are as they are told to be.
async fn followed(streams: &[Answer]) -> (Build, Vec<String>) {
    let server = Playback::start();
    for stream in streams {
        let path = format!("{}/events", path("build-3"));
        server.will("GET", &path, stream.clone());
    }
    server.will("GET", &format!("{}/events", org_path()), open(&recorded()));
    let dir = tempfile::tempdir().unwrap();
    let here = Sid::new(format!("{ORG}@ci"), "demo-repo", "build-3");
    let mut source = RemoteSource::open(
        OnServer::new(client(&server), sid("build-3")),
        "ci",
        Recorded {
            journal: Journal::create(&dir.path().join("events.edn"), &here).unwrap(),
            logs: dir.path().to_owned(),
        },
        Arc::new(SystemClock),
        Pace {
            back_off: (Duration::from_millis(1), Duration::from_millis(5)),
            ..Pace::default()
        },
    );
    let mut build = Build::default();
    let all = async {
        while let Some(item) = source.next().await {
            if let SourceItem::Events(events) = item {
                for event in &events {
                    build.apply(event);
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), all)
        .await
        .unwrap();
    (build, server.lines())
}

#[tokio::test]
async fn a_real_server_is_asked_once_for_what_it_has_not_got_and_looked_at_then() {
    let page = || {
        let kind = vec![("content-type", "text/html".to_owned())];
        Answer::Whole(200, kind, "<html>".into())
    };
    let ways = [
        vec![Answer::bare(404, None)],
        vec![Answer::bare(501, None)],
        // A gateway that lets through what it knows.
        vec![Answer::bare(403, None)],
        vec![page(), page(), page()],
        // A stream of another kind.
        vec![
            events(&recorded()),
            events(&recorded()),
            events(&recorded()),
        ],
    ];
    for way in ways {
        let (build, lines) = followed(&way).await;
        assert_eq!(build.status, BuildStatus::Canceled, "{way:?}");
        let action = build.job(&JobId::new("action")).unwrap();
        assert_eq!(action.status, JobStatus::Success);
        let asked = lines
            .iter()
            .filter(|line| line.ends_with("/build-3/events"));
        assert_eq!(asked.count(), way.len(), "{lines:?}");
        let org = lines
            .iter()
            .filter(|line| line.ends_with(&format!("{ORG}/events")));
        assert_eq!(org.count(), 1, "{lines:?}");
    }
}
