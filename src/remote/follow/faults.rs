//! A build is followed through a proxy that does everything wrong, until it has done so 200 times: what is
//! known in the end is what the server knows. Both ways: of a server that has the build's own journal, and of
//! one that has not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::StreamExt;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_util::task::AbortOnDropHandle;

use crate::domain::{Build, BuildStatus, Event, JobId, JobStatus, LogId, Seq, Sid};
use crate::edn;
use crate::journal::Journal;
use crate::logs::{LogPaths, LogReader, Stream};
use crate::ports::{BuildSource, SourceItem, SystemClock};
use crate::remote::{BaseUrl, Client, ClientOptions, Credential, Retry};
use crate::wire::{self, sse};

use super::{OnServer, Pace, Recorded, RemoteSource};

const FAULTS: usize = 200;
const STEPS: usize = 40;
const LIMIT: Duration = Duration::from_mins(2);

/// A server on which a build goes on by steps.
#[derive(Debug)]
struct World {
    step: AtomicUsize,
    changed: broadcast::Sender<()>,
    requests: AtomicUsize,
    /// What it has of the build's own journal.
    journal: Option<Journal>,
}

impl World {
    /// The build goes on.
    fn goes_to(&self, due: usize) {
        for step in self.step() + 1..=due {
            // What was written is there before it is told.
            self.step.store(step, Ordering::SeqCst);
            if let Some(journal) = &self.journal {
                journal.append(0, told_at(step)).unwrap();
            }
        }
        if due == STEPS
            && let Some(journal) = &self.journal
        {
            journal.close();
        }
        // Nobody may be listening.
        let _ = self.changed.send(());
    }

    fn step(&self) -> usize {
        self.step.load(Ordering::SeqCst)
    }

    /// Two jobs, one behind the other; as a list, or in an event as a map.
    fn build(&self, listed: bool) -> String {
        let step = self.step();
        let half = STEPS / 2;
        let first = match step {
            0 => ":pending".to_owned(),
            step if step < half => ":running :start-time 1000".to_owned(),
            _ => ":success :start-time 1000 :end-time 2000".to_owned(),
        };
        let second = match step {
            step if step <= half => ":pending".to_owned(),
            step if step < STEPS => ":running :start-time 3000".to_owned(),
            _ => {
                r#":failure :start-time 3000 :end-time 4000 :result {:message "exit 1"}"#.to_owned()
            }
        };
        let status = if step < STEPS {
            ":running"
        } else {
            ":error :end-time 5000"
        };
        let job = |id: &str, more: &str, status: &str| {
            let job = format!(
                r#"{{:id "{id}" :type :container :image "i" :script ["one" "two"] {more} :status {status}}}"#
            );
            if listed {
                job
            } else {
                format!("\"{id}\" {job}")
            }
        };
        let jobs = format!(
            "{} {}",
            job("first", "", &first),
            job("second", r#":dependencies ["first"]"#, &second)
        );
        let jobs = if listed {
            format!("({jobs})")
        } else {
            format!("{{{jobs}}}")
        };
        format!(
            r#"{{:org-id "o" :repo-id "r" :build-id "build-7" :idx 7 :source :api :start-time 500
                :status {status} :script {{:jobs {jobs}}}}}"#
        )
        .replace('\n', " ")
    }

    fn log(&self, job: &str, file: &str) -> String {
        let step = self.step();
        let (from, to) = match job {
            "first" => (0, STEPS / 2),
            _ => (STEPS / 2, STEPS),
        };
        let lines = step.clamp(from, to) - from;
        let mut text = String::new();
        for line in 0..lines {
            let of = if line % 2 == 0 {
                "0_out.log"
            } else {
                "1_err.log"
            };
            if of == file {
                text.push_str(&format!(
                    "{job} line {line} of {file}, and some more of it\n"
                ));
            }
        }
        text
    }
}

/// What the journal has of a step.
fn told_at(step: usize) -> Vec<Event> {
    let half = STEPS / 2;
    let job = if step <= half { "first" } else { "second" };
    let at = |kind: &str, more: &str| {
        let sid = r#":sid ["o" "r" "build-7"]"#;
        let text = format!("{{:type :{kind} :time {} {sid} {more}}}", 1000 * step);
        wire::event_from(edn::read_str(&text).unwrap()).unwrap()
    };
    let of_job = |kind: &str, more: &str| at(kind, &format!(":job-id {job:?} {more}"));
    let mut events = Vec::new();
    if step == 1 {
        let job = |id: &str, more: &str| {
            format!(r#"{{:id "{id}" :type :container :image "i" :script ["one" "two"] {more}}}"#)
        };
        let jobs = [
            job("first", ""),
            job("second", r#":dependencies ["first"]"#),
        ]
        .concat();
        events.push(at("build/pending", ":build {:source :api}"));
        events.push(at("build/start", ""));
        events.push(at("script/start", &format!(":jobs [{jobs}]")));
    }
    if step == 1 || step == half + 1 {
        events.push(of_job("job/start", ""));
    }
    let command = format!(":command \"{}\"", step % half);
    events.push(of_job("command/start", &command));
    events.push(of_job(
        "command/end",
        &format!("{command} :exit {}", step % 3),
    ));
    if step == half {
        events.push(of_job("job/end", ":status :success :result {:exit 0}"));
    }
    if step == STEPS {
        let result = r#":status :failure :result {:exit 1 :message "exit 1"}"#;
        events.push(of_job("job/end", result));
        events.push(at("build/end", ":status :error"));
    }
    events
}

/// The stream of the journal, as a server of ours has it.
async fn journal(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    world.requests.fetch_add(1, Ordering::SeqCst);
    let Some(journal) = &world.journal else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let after = headers.get("last-event-id");
    let after = after.map_or(0, |id| id.to_str().unwrap().parse::<Seq>().unwrap());
    let state = (journal.cursor(after), 0);
    let body = futures_util::stream::unfold(state, |(mut cursor, pings)| async move {
        let events = match pings {
            0 => None,
            1 => cursor.try_next(),
            _ => Some(cursor.next().await?),
        };
        let Some(events) = events else {
            return Some((sse::PING.to_owned(), (cursor, pings + 1)));
        };
        let mut frames = String::new();
        for event in events {
            sse::frame(&mut frames, Some(event.seq), &wire::write_event(&event));
        }
        Some((frames, (cursor, pings)))
    });
    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream")
        .body(Body::from_stream(body.map(Ok::<_, std::io::Error>)))
        .unwrap()
}

async fn serve(world: Arc<World>) -> std::net::SocketAddr {
    let edn = |text: String| ([(header::CONTENT_TYPE, "application/edn")], text).into_response();
    let build = move |State(world): State<Arc<World>>| async move {
        world.requests.fetch_add(1, Ordering::SeqCst);
        edn(world.build(true))
    };
    let logs = |State(world): State<Arc<World>>,
                Path(job): Path<String>,
                Query(query): Query<std::collections::HashMap<String, String>>| async move {
        world.requests.fetch_add(1, Ordering::SeqCst);
        let text = world.log(&job, &query["file"]);
        if text.is_empty() {
            return StatusCode::NO_CONTENT.into_response();
        }
        let entries = format!("{{:entries [{{:ts 1 :contents {text:?}}}]}}");
        ([(header::CONTENT_TYPE, "application/edn")], entries).into_response()
    };
    let events = |State(world): State<Arc<World>>| async move {
        world.requests.fetch_add(1, Ordering::SeqCst);
        let changes = world.changed.subscribe();
        let pings = futures_util::stream::iter(["data: {:type :ping}\n\n".to_owned()]);
        let updates = futures_util::stream::unfold(
            (changes, world),
            |(mut changes, world)| async {
                changes.recv().await.ok()?;
                let build = world.build(false);
                let event = format!(
                    "data: {{:type :build/updated :sid [\"o\" \"r\" \"build-7\"] :build {build}}}\n\n"
                );
                Some((event, (changes, world)))
            },
        );
        let body = pings.chain(updates).map(Ok::<_, std::io::Error>);
        Response::builder()
            .header(header::CONTENT_TYPE, "text/event-stream")
            .body(Body::from_stream(body))
            .unwrap()
    };
    let app = Router::new()
        .route("/org/o/repo/r/builds/build-7", get(build))
        .route("/org/o/repo/r/builds/build-7/job/{job}/logs", get(logs))
        .route("/org/o/repo/r/builds/build-7/events", get(journal))
        .route("/org/o/events", get(events))
        .with_state(world);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Passes connections on, each with a fault of its own until there were enough.
#[derive(Debug)]
struct Proxy {
    to: std::net::SocketAddr,
    faults: AtomicUsize,
    connections: AtomicUsize,
    chance: Mutex<u64>,
}

impl Proxy {
    /// Always the same, so that a failure can be looked into.
    fn chance(&self, below: usize) -> usize {
        let mut state = self.chance.lock().unwrap();
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        usize::try_from(*state % below as u64).unwrap()
    }

    async fn pass(self: Arc<Self>, mut client: TcpStream) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        if self.faults.load(Ordering::SeqCst) >= FAULTS {
            let mut server = TcpStream::connect(self.to).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            return;
        }
        let fault = self.chance(12);
        let said = match fault {
            0 => Some("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"),
            1 => Some("HTTP/1.1 429 Slow\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n"),
            2 => {
                Some("HTTP/1.1 302 Go\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n")
            }
            3 => Some("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n"),
            4 => Some(
                "HTTP/1.1 200 OK\r\ncontent-type: application/edn\r\ncontent-length: 9\r\n\r\n{:status ",
            ),
            5 => Some("\u{7}\u{7}no HTTP at all\r\n\r\n"),
            6 => Some(""),
            _ => None,
        };
        if let Some(said) = said {
            let mut request = [0; 4096];
            let _ = client.read(&mut request).await;
            let _ = client.write_all(said.as_bytes()).await;
            self.faults.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let Ok(server) = TcpStream::connect(self.to).await else {
            return;
        };
        let (mut from_server, mut to_server) = server.into_split();
        let (mut from_client, mut to_client) = client.into_split();
        let _asking = AbortOnDropHandle::new(tokio::spawn(async move {
            let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        }));
        // However much it is, a connection ends.
        let mut left = 200 + self.chance(6000);
        let mut kept: Option<Vec<u8>> = None;
        let mut chunk = vec![0; 512];
        while let Ok(read @ 1..) = from_server.read(&mut chunk).await {
            let bytes = chunk[..read.min(left)].to_vec();
            left -= bytes.len();
            let sent = match (fault, kept.take()) {
                // Twice.
                (7, _) if left < 1000 => [bytes.clone(), bytes].concat(),
                // The later one first.
                (8, None) if left < 3000 => {
                    kept = Some(bytes);
                    continue;
                }
                (8, Some(before)) => [bytes, before].concat(),
                _ => bytes,
            };
            if fault == 9 {
                tokio::task::yield_now().await;
            }
            if to_client.write_all(&sent).await.is_err() || left == 0 {
                break;
            }
        }
        self.faults.fetch_add(1, Ordering::SeqCst);
    }
}

fn output_of(reader: &LogReader, stream: Stream) -> String {
    let mut text = String::new();
    for line in 0..reader.line_count() {
        if reader.line(line).unwrap().stream == stream {
            let bytes = reader.read_line(line, usize::MAX).unwrap();
            text.push_str(&String::from_utf8_lossy(&bytes));
            text.push('\n');
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_network_does_the_end_is_the_servers() {
    follow(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_network_does_the_journal_is_the_servers() {
    let there = Journal::in_memory(Sid::new("o", "r", "build-7"));
    let recorded = follow(Some(there.clone())).await;
    let of = |events: &[Arc<Event>], numbered: bool| -> Vec<String> {
        let mut lines = Vec::new();
        for event in events {
            let mut event = Event::clone(event);
            event.sid = None;
            let number = event.extra.remove_kw("tui/server-seq");
            if number.is_some() == numbered {
                assert!(number.is_none_or(|it| it == edn::Value::Int(lines.len() as i64 + 1)));
                lines.push(wire::write_event(&event));
            }
        }
        lines
    };
    assert_eq!(of(&recorded, true), of(&there.events(), false));
    // What stands between is where it runs, and how it has ended while there were logs to come.
    let ours: Vec<&str> = (recorded.iter())
        .filter(|event| !event.extra.contains_kw("tui/server-seq"))
        .map(|event| event.type_name())
        .collect();
    assert!(
        matches!(ours[..], ["tui/remote"] | ["tui/remote", "build/updated"]),
        "{ours:?}"
    );
}

/// Follows a build to its end; returns what was recorded.
async fn follow(journal: Option<Journal>) -> Vec<Arc<Event>> {
    let world = Arc::new(World {
        step: AtomicUsize::new(0),
        changed: broadcast::channel(64).0,
        requests: AtomicUsize::new(0),
        journal,
    });
    let to = serve(Arc::clone(&world)).await;
    let proxy = Arc::new(Proxy {
        to,
        faults: AtomicUsize::new(0),
        connections: AtomicUsize::new(0),
        chance: Mutex::new(0x9e37_79b9_7f4a_7c15),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = Arc::clone(&proxy);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(Arc::clone(&accepting).pass(client));
        }
    });
    let base = BaseUrl::parse(&format!("http://{address}")).unwrap();
    let token = Credential::Token(SecretString::from("0".repeat(64)));
    let mut options = ClientOptions::new(base, token);
    options.retry = Retry {
        tries: 2,
        first: Duration::from_millis(5),
        longest: Duration::from_millis(10),
    };
    // What is held back is never sent.
    options.timeout = Duration::from_millis(200);
    options.stream_silence = Duration::from_millis(200);
    let client = Client::new(options).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let here = Sid::new("o@ci", "r", "build-7");
    let mut source = RemoteSource::open(
        OnServer::new(client, Sid::new("o", "r", "build-7")),
        "ci",
        Recorded {
            journal: Journal::create(&dir.path().join("events.edn"), &here).unwrap(),
            logs: dir.path().to_owned(),
        },
        Arc::new(SystemClock),
        Pace {
            back_off: (Duration::from_millis(10), Duration::from_millis(20)),
            poll: Duration::from_millis(20),
            watched_log: Duration::from_millis(10),
            other_log: Duration::from_millis(20),
            last_log: Duration::from_millis(10),
        },
    );
    // The build goes on as the faults do, and ends when there were enough of them.
    let mut build = Build::default();
    let all = async {
        loop {
            let due = (proxy.faults.load(Ordering::SeqCst) * STEPS / FAULTS).min(STEPS);
            if due > world.step() {
                world.goes_to(due);
            }
            let next = tokio::time::timeout(Duration::from_millis(5), source.next()).await;
            match next {
                Ok(Some(SourceItem::Events(events))) => {
                    for event in events {
                        build.apply(&event);
                    }
                }
                Ok(Some(_)) | Err(_) => {}
                Ok(None) => return,
            }
        }
    };
    let done = tokio::time::timeout(LIMIT, all).await;
    assert!(
        done.is_ok(),
        "at step {}, {proxy:?}, {build:#?}",
        world.step()
    );
    assert!(proxy.faults.load(Ordering::SeqCst) >= FAULTS);
    assert_eq!(build.status, BuildStatus::Error);
    for (job, status) in [
        ("first", JobStatus::Success),
        ("second", JobStatus::Failure),
    ] {
        assert_eq!(build.job(&JobId::new(job)).unwrap().status, status);
        let paths = LogPaths::new(dir.path(), &LogId::Job(JobId::new(job)).stem());
        let log = LogReader::open(paths).unwrap();
        assert_eq!(output_of(&log, Stream::Out), world.log(job, "0_out.log"));
        assert_eq!(output_of(&log, Stream::Err), world.log(job, "1_err.log"));
        assert_eq!(output_of(&log, Stream::System), "");
    }
    // Each connection was worth a few questions, and each fault brought few connections.
    let connections = proxy.connections.load(Ordering::SeqCst);
    let requests = world.requests.load(Ordering::SeqCst);
    assert!(
        connections < 8 * FAULTS && requests < 20 * FAULTS,
        "{connections} {requests}"
    );
    let path = dir.path().join("events.edn");
    Journal::read(&path).unwrap().events()
}
