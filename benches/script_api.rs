//! What the script API costs, and how long a script's first job takes to begin. Goals: from a `POST`
//! through the journal to the event stream 20,000 events a second in batches, and at most 5 ms
//! for 99 of 100 single ones; from exec to the first `job/start` 60 ms for a YAML file of 40 jobs,
//! and 0.8 s for a `build.clj` of 40 lines on plain Clojure.
//!
//! `cargo bench --bench script_api` prints the figures of `benches/RESULTS.md`. What is measured is
//! a distribution, not the mean of a loop, so it is measured here and not by a harness.

#![expect(clippy::unwrap_used, reason = "what cannot go on has no figure")]
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

#[path = "../tests/shared/http.rs"]
mod http;
#[expect(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/script_api/rig.rs"]
mod rig;
#[expect(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/script_api/wire.rs"]
mod wire;

use http::Wire;
use rig::{Rig, clojure};
use wire::{Transport, jdk};

const PROGRAM: &str = env!("CARGO_BIN_EXE_monkeyci-tui");
const EVENTS: usize = 100_000;
const SINGLES: usize = 5_000;

fn main() {
    // `cargo test` runs benches too; a figure of an unoptimised program says nothing.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let runtime = Runtime::new().unwrap();
    for transport in [Transport::Unix, Transport::Tcp] {
        runtime.block_on(batches(transport));
        runtime.block_on(singles(transport));
    }
    yaml_to_first_job();
    clojure_to_first_job();
}

/// Some event of an action job.
fn event(job: usize, n: usize) -> String {
    let kind = ["initializing", "start", "executed", "end"][n % 4];
    format!(
        "{{:type :job/{kind} :job-id \"job-{job}\" :time {} :src :script :status :success \
         :sid [\"local\" \"demo\" \"build-1\" \"job-{job}\"]}}",
        1_795_457_000_000_usize + n,
    )
}

async fn announce(rig: &Rig, wire: &mut Wire, jobs: usize) {
    let jobs: Vec<String> = (0..jobs)
        .map(|n| format!("{{:id \"job-{n}\" :type :action :status :pending}}"))
        .collect();
    let start = format!(
        "[{{:type :script/start :src :script :jobs [{}]}}]",
        jobs.join(" ")
    );
    let answer = wire
        .ask(&jdk("POST", "/events", &rig.script_token(), &start))
        .await;
    assert_eq!(answer.status, 202);
}

/// Opens the event stream behind what has been said so far.
async fn stream(rig: &Rig, transport: Transport) -> Wire {
    let mut wire = Wire::open(rig, transport).await;
    wire.send(&jdk("GET", "/events", &rig.script_token(), ""))
        .await
        .unwrap();
    assert_eq!(wire.head().await.unwrap().status, 200);
    wire
}

fn count(chunk: &[u8], what: &str) -> usize {
    String::from_utf8_lossy(chunk).matches(what).count()
}

/// 100,000 events in batches of 200, until the last one is read from the stream.
async fn batches(transport: Transport) {
    let mut rig = Rig::start().await;
    let mut wire = Wire::open(&rig, transport).await;
    announce(&rig, &mut wire, 1_000).await;
    let mut stream = stream(&rig, transport).await;
    let token = rig.script_token();
    let requests: Vec<Vec<u8>> = (0..EVENTS / 200)
        .map(|batch| {
            let events: Vec<String> = (0..200)
                .map(|n| batch * 200 + n)
                .map(|n| event((n / 4) % 1_000, n))
                .collect();
            jdk(
                "POST",
                "/events",
                &token,
                &format!("[{}]", events.join(" ")),
            )
        })
        .collect();
    let began = Instant::now();
    let reading = tokio::spawn(async move {
        let mut heard = 0;
        while heard < EVENTS {
            let chunk = stream.chunk().await.unwrap().unwrap();
            heard += count(&chunk, ":src :script");
        }
    });
    for request in requests {
        wire.send(&request).await.unwrap();
        assert_eq!(wire.answer().await.unwrap().status, 202);
    }
    let posted = began.elapsed();
    reading.await.unwrap();
    let took = began.elapsed();
    println!(
        "{transport:?}: {EVENTS} events in batches of 200: {:.0} events/s to the stream ({posted:.2?} \
         posted, {took:.2?} heard)",
        EVENTS as f64 / took.as_secs_f64(),
    );
    rig.exit(0).await;
    rig.stop().await;
}

/// One event at a time: from before the `POST` until it is read from the stream.
async fn singles(transport: Transport) {
    let mut rig = Rig::start().await;
    let mut wire = Wire::open(&rig, transport).await;
    announce(&rig, &mut wire, 100).await;
    let mut stream = stream(&rig, transport).await;
    let token = rig.script_token();
    let (mut answered, mut heard) = (Vec::new(), Vec::new());
    for n in 0..SINGLES {
        let request = jdk("POST", "/events", &token, &event((n / 4) % 100, n));
        let began = Instant::now();
        wire.send(&request).await.unwrap();
        assert_eq!(wire.answer().await.unwrap().status, 202);
        answered.push(began.elapsed());
        let mut seen = 0;
        while seen == 0 {
            seen = count(&stream.chunk().await.unwrap().unwrap(), ":src :script");
        }
        heard.push(began.elapsed());
    }
    report(&format!("{transport:?}: one event to its answer"), answered);
    report(&format!("{transport:?}: one event to the stream"), heard);
    rig.exit(0).await;
    rig.stop().await;
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!(
        "{what}: median {:.2?}, p99 {:.2?}, fastest {:.2?}, slowest {:.2?} of {}",
        at(50),
        at(99),
        at(0),
        at(100),
        times.len(),
    );
}

/// A project with one script file.
fn project(name: &str, script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let scripts = folder.path().join(".monkeyci");
    std::fs::create_dir(&scripts).unwrap();
    std::fs::write(scripts.join(name), script).unwrap();
    folder
}

/// Runs a build and gives the time from exec to its first `job/start`, and to its end.
fn run(project: &Path, home: &Path) -> (Duration, Duration) {
    let began = Instant::now();
    let mut child = Command::new(PROGRAM)
        .args(["build", "--json", "--executor", "host", "-d"])
        .arg(project)
        .env("MONKEYCI_TUI_HOME", home)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = None;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if first.is_none() && line.starts_with(r#"{"type":"job/start""#) {
            first = Some(began.elapsed());
        }
    }
    assert!(child.wait().unwrap().success());
    (first.expect("a job starts"), began.elapsed())
}

fn yaml_to_first_job() {
    let jobs: Vec<String> = (1..=40)
        .map(|n| format!("- {{id: job-{n}, image: busybox, script: [\"true\"]}}\n"))
        .collect();
    let project = project("build.yaml", &jobs.concat());
    let home = tempfile::tempdir().unwrap();
    let times = (0..25)
        .map(|_| run(project.path(), home.path()).0)
        .collect();
    report("build.yaml of 40 jobs: exec to the first job/start", times);
}

fn clojure_to_first_job() {
    let Some(_) = clojure() else {
        println!("not run: there is no Clojure here");
        return;
    };
    let script = include_str!("build.clj");
    assert!(script.lines().count() >= 40);
    let (project, home) = (project("build.clj", script), tempfile::tempdir().unwrap());
    let (first, _) = run(project.path(), home.path());
    println!("build.clj of 40 lines: the first time of all: {first:.2?} to the first job/start");
    let (mut firsts, mut ends, mut bare, mut bare_flags) = (vec![], vec![], vec![], vec![]);
    // In turn, so that whatever else the machine does hits all of them.
    for _ in 0..15 {
        let (first, end) = run(project.path(), home.path());
        firsts.push(first);
        ends.push(end);
        for (times, mut command) in [
            (&mut bare, Command::new("clojure")),
            (&mut bare_flags, clojure().unwrap()),
        ] {
            let began = Instant::now();
            let status = command.args(["-e", "nil"]).stdout(Stdio::null()).status();
            assert!(status.unwrap().success());
            times.push(began.elapsed());
        }
    }
    report("build.clj: exec to the first job/start", firsts);
    report("build.clj: exec to the build's end", ends);
    report("beside it: `clojure -e nil`", bare);
    report(
        "beside it: java -XX:TieredStopAtLevel=1 … clojure.main -e nil",
        bare_flags,
    );
}
