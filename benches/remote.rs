//! What attaching to a build on a server costs: from nothing to all that the screen shows at first, on loopback,
//! where the repository has 1,000 builds and the one that is looked at 50 jobs. Goal: 150 ms.
//!
//! `cargo bench --bench remote` prints the figures of `benches/RESULTS.md`.

#![expect(clippy::unwrap_used, reason = "what cannot go on has no figure")]
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::StreamExt;
use tokio::net::TcpListener;

use monkeyci_tui::domain::Sid;
use monkeyci_tui::journal::Journal;
use monkeyci_tui::ports::{BuildSource, SourceItem, SystemClock};
use monkeyci_tui::remote::follow::{OnServer, Pace, Recorded, RemoteSource};
use monkeyci_tui::remote::{BaseUrl, Client, ClientOptions, Credential};

const BUILDS: usize = 1000;
const JOBS: usize = 50;
const RUNS: usize = 50;

fn main() {
    // `cargo test` runs benches too; a figure of an unoptimised program says nothing.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(attach());
}

/// One of a list has no jobs (public-api.md §10.1).
fn build(number: usize, jobs: usize) -> String {
    let mut text = format!(
        "{{:org-id \"o\" :repo-id \"r\" :build-id \"build-{number}\" :idx {number} :source :api \
          :status :running :start-time {} :git {{:url \"https://example.invalid/app.git\" \
          :ref \"refs/heads/main\" :commit-id \"3f2a1bc9d0e4f5a6b7c8d9e0f1a2b3c4d5e6f708\" \
          :message \"Change {number}\"}} :script {{:script-dir \".monkeyci\"",
        1_795_457_000_000_usize + number * 60_000,
    );
    if jobs > 0 {
        text.push_str(" :jobs (");
        for job in 0..jobs {
            write!(
                text,
                "{{:id \"job-{job}\" :type :container :image \"docker.io/alpine:3.20\" \
                 :script [\"make\" \"make test\"] :status :success :start-time 1 :end-time 2 \
                 :result {{:message \"fine\"}}}}"
            )
            .unwrap();
        }
        text.push(')');
    }
    text.push_str("}}");
    text
}

async fn serve() -> std::net::SocketAddr {
    let edn = |text: String| {
        let text = Arc::new(text);
        move || async move {
            ([(header::CONTENT_TYPE, "application/edn")], (*text).clone()).into_response()
        }
    };
    let all: Vec<String> = (1..=BUILDS).map(|number| build(number, 0)).collect();
    let app = Router::new()
        .route(
            "/org/o/repo/r/builds",
            get(edn(format!("({})", all.join(" ")))),
        )
        .route(
            "/org/o/repo/r/builds/build-1000",
            get(edn(build(BUILDS, JOBS))),
        )
        .route(
            "/org/o/events",
            get(|| async {
                let ping = futures_util::stream::iter([Ok::<_, std::io::Error>(
                    "data: {:type :ping}\n\n",
                )]);
                Response::builder()
                    .header(header::CONTENT_TYPE, "text/event-stream")
                    .body(Body::from_stream(
                        ping.chain(futures_util::stream::pending()),
                    ))
                    .unwrap()
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn attach() {
    let base = BaseUrl::parse(&format!("http://{}", serve().await)).unwrap();
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let dir = tempfile::tempdir().unwrap();
        let began = Instant::now();
        let client = Client::new(ClientOptions::new(base.clone(), Credential::None)).unwrap();
        let here = Sid::new("o@ci", "r", "build-1000");
        let mut source = RemoteSource::open(
            OnServer::new(client.clone(), Sid::new("o", "r", "build-1000")),
            "ci",
            Recorded {
                journal: Journal::create(&dir.path().join("events.edn"), &here).unwrap(),
                logs: dir.path().to_owned(),
            },
            Arc::new(SystemClock),
            Pace::default(),
        );
        let known = async { while !matches!(source.next().await, Some(SourceItem::CaughtUp)) {} };
        let (builds, ()) = tokio::join!(client.builds("o", "r"), known);
        assert_eq!(builds.unwrap().len(), BUILDS);
        times.push(began.elapsed());
    }
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "attach, {BUILDS} builds listed, {JOBS} jobs: median {}, slowest {}",
        ms(at(0.5)),
        ms(at(1.0))
    );
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
