//! The events of an org.

use super::*;
use crate::domain::BuildStatus;
use crate::remote::{OrgEvent, OrgEvents, RemoteError};

fn path() -> String {
    format!("{}/events", org_path())
}

/// A stream that ends.
pub(super) fn events(lines: &str) -> Answer {
    let kind = ("content-type", "text/event-stream".to_owned());
    Answer::Whole(200, vec![kind], lines.to_owned().into())
}

/// One that stays open.
pub(super) fn open(lines: &str) -> Answer {
    let kind = ("content-type", "text/event-stream".to_owned());
    Answer::Silent(vec![kind], lines.to_owned().into())
}

/// What a real server has sent to a token in a header.
pub(super) fn recorded() -> String {
    let file =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/_server/sse.json");
    let all: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let streams = all.as_array().unwrap();
    let longest = streams
        .iter()
        .filter(|stream| stream["status"] == 200)
        .max_by_key(|stream| stream["lines"].as_array().unwrap().len())
        .unwrap();
    longest["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line[1].as_str().unwrap())
        .collect()
}

async fn all(mut events: OrgEvents) -> Vec<OrgEvent> {
    let mut all = Vec::new();
    while let Some(event) = events.next().await {
        all.push(event);
    }
    all
}

#[tokio::test]
async fn a_recorded_stream_is_told_to_its_end() {
    let server = Playback::start();
    server.will("GET", &path(), events(&recorded()));
    let all = all(client(&server).events(ORG)).await;
    assert!(matches!(all[0], OrgEvent::Connected), "{all:?}");
    assert!(matches!(all[1], OrgEvent::Ping), "{all:?}");
    let builds: Vec<_> = all
        .iter()
        .filter_map(|event| match event {
            OrgEvent::Build(build) => Some(build),
            _ => None,
        })
        .collect();
    assert_eq!(builds.len(), 2);
    assert_eq!(builds[0].sid(), sid("build-3"));
    assert_eq!(builds[0].status, BuildStatus::Canceled);
    assert_eq!(builds[1].jobs()[2].status.as_str(), "queued");
    assert!(matches!(all.last(), Some(OrgEvent::Lost(_))), "{all:?}");
    let came = server.came();
    assert_eq!(came.len(), 1, "it does not connect again by itself");
    assert_eq!(came[0].path, path(), "no credential in the query");
    assert_eq!(came[0].headers["authorization"], format!("Token {TOKEN}"));
}

#[tokio::test]
async fn what_cannot_be_read_is_passed_over() {
    let server = Playback::start();
    let lines = "data: {:type\n\ndata: {:type :build/updated :build {}}\n\n: comment\n\n\
                 data: {:type :build/new}\n\n\
                 data: {:type :build/updated :sid [\"o\" \"r\" \"b\"] :build {:status :running}}\n\n";
    server.will("GET", &path(), events(lines));
    let all = all(client(&server).events(ORG)).await;
    let [
        OrgEvent::Connected,
        OrgEvent::Ping,
        OrgEvent::Build(build),
        OrgEvent::Lost(_),
    ] = &all[..]
    else {
        panic!("{all:?}");
    };
    assert_eq!(build.sid(), Sid::new("o", "r", "b"));
}

#[tokio::test]
async fn a_refusal_is_the_end_and_a_busy_server_is_not() {
    let server = Playback::start();
    for (status, ends) in [
        (401, true),
        (403, true),
        (404, true),
        (301, true),
        (302, true),
        (501, true),
        (429, false),
        (500, false),
        (503, false),
    ] {
        server.will(
            "GET",
            &path(),
            Answer::bare(status, Some(("location", "http://evil.example/"))),
        );
        let all = all(client(&server).events(ORG)).await;
        match &all[..] {
            [OrgEvent::Refused(error)] if ends => {
                assert!(status == 501 || !error.is_transient(), "{error}");
            }
            [OrgEvent::Lost(error)] if !ends => assert!(error.is_transient(), "{error}"),
            other => panic!("{status}: {other:?}"),
        }
    }
    assert_eq!(server.lines().len(), 9);
}

#[tokio::test]
async fn silence_is_a_break() {
    let server = Playback::start();
    let mut options = options(&server, Credential::Token(TOKEN.into()));
    options.stream_silence = Duration::from_millis(300);
    let client = Client::new(options).unwrap();
    server.will("GET", &path(), open("data: {:type :ping}\n\n"));
    let all = all(client.events(ORG)).await;
    let [OrgEvent::Connected, OrgEvent::Ping, OrgEvent::Lost(error)] = &all[..] else {
        panic!("{all:?}");
    };
    assert!(error.to_string().contains("says nothing"), "{error}");
}

#[tokio::test]
async fn a_wait_that_is_dropped_loses_nothing() {
    use futures_util::FutureExt;
    let server = Playback::start();
    server.will("GET", &path(), events(&recorded()));
    let mut events = client(&server).events(ORG);
    let mut seen = 0;
    loop {
        match events.next().now_or_never() {
            Some(Some(_)) => seen += 1,
            Some(None) => break,
            None => tokio::task::yield_now().await,
        }
    }
    assert_eq!(seen, 6);
}

#[tokio::test]
async fn a_server_that_is_away_is_lost_and_not_tried_for_ever() {
    let server = Playback::start();
    let client = client(&server);
    drop(server);
    let all = all(client.events(ORG)).await;
    let [OrgEvent::Lost(error)] = &all[..] else {
        panic!("{all:?}");
    };
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn an_event_without_an_end_is_a_break() {
    let server = Playback::start();
    server.will("GET", &path(), Answer::Endless);
    let all = all(client(&server).events(ORG)).await;
    let Some(OrgEvent::Lost(error)) = all.last() else {
        panic!("{all:?}");
    };
    assert!(error.to_string().contains("16 MB"), "{error}");
}
