//! What many watchers cost a server: 1,000 event streams of one `serve`, half of them the numbered
//! stream of a build, half the org's. Goals: at 20 events a second none is lost, 99 of 100 arrive
//! within 250 ms and the server takes at most 300 MB; while nothing happens a watcher takes less
//! than 0.1 % of a core.
//!
//! `cargo bench --bench serve` prints the figures of `benches/RESULTS.md`. The build is real: 60 jobs,
//! two at a time, each of two commands, ten events a job. A delay is from the time an event bears to
//! the moment this program has read all of it, so it has the time of 1,000 readers in it, on the
//! same cores.

#![expect(clippy::unwrap_used, reason = "what cannot go on has no figure")]
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use memchr::memmem;
use reqwest::Client;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

use monkeyci_tui::ports::{Clock, SystemClock};

const PROGRAM: &str = env!("CARGO_BIN_EXE_monkeyci-tui");
const WATCHERS: usize = 1000;
const JOBS: usize = 60;
/// One of so many who watch the numbered stream hangs up once, in the middle, and comes back.
const HANGS_UP: usize = 10;
const IDLE: Duration = Duration::from_mins(1);
/// Nothing here should take longer.
const LIMIT: Duration = Duration::from_mins(3);

fn main() {
    // `cargo test` runs benches too; a figure of an unoptimised program says nothing.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    more_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(watch());
}

/// A watcher is a file here and one there.
fn more_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = WATCHERS as u64 * 4;
    if limit.current.is_some_and(|current| current < wanted) {
        let current = limit.maximum.map_or(wanted, |most| most.min(wanted));
        let limit = Rlimit {
            current: Some(current),
            ..limit
        };
        setrlimit(Resource::Nofile, limit).unwrap();
    }
}

/// A job that waits for an approval, and those that come after it.
fn script() -> String {
    let jobs = (1..=JOBS).map(|n| {
        format!(
            "- {{id: job-{n}, image: none, dependencies: [gate], script: [sleep 0.48, sleep 0.48]}}\n"
        )
    });
    let gate = "- {id: gate, image: none, blocked: true, script: \"true\"}\n".to_owned();
    std::iter::once(gate).chain(jobs).collect()
}

/// A repository of one commit.
fn repository(dir: &Path) {
    std::fs::create_dir(dir.join(".monkeyci")).unwrap();
    std::fs::write(dir.join(".monkeyci/build.yaml"), script()).unwrap();
    let mut options = git2::RepositoryInitOptions::new();
    options.initial_head("main");
    let repository = git2::Repository::init_opts(dir, &options).unwrap();
    let mut index = repository.index().unwrap();
    let all = git2::IndexAddOption::DEFAULT;
    index.add_all(["*"], all, None).unwrap();
    index.write().unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let somebody = git2::Signature::now("Somebody", "some@body").unwrap();
    let head = Some("HEAD");
    repository
        .commit(head, &somebody, &somebody, "All of it", &tree, &[])
        .unwrap();
}

/// The program as a server.
struct Server {
    process: Child,
    url: String,
    repo: String,
    authorization: String,
}

impl Server {
    fn start(project: &Path, home: &Path) -> Self {
        let command = |args: &[&str]| {
            let mut command = Command::new(PROGRAM);
            command.args(args).env("MONKEYCI_TUI_HOME", home);
            command
        };
        let token = command(&["serve", "token", "--role", "run"])
            .output()
            .unwrap();
        let token = String::from_utf8(token.stdout).unwrap();
        let mut process = command(&["serve", "--listen", "127.0.0.1:0", "--executor", "host"])
            .args(["-j", "2", "--repo"])
            .arg(project)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut line = || said.next().unwrap().unwrap();
        let url = line().split(" at ").nth(1).unwrap().to_owned();
        let repo = line().split_whitespace().next().unwrap().to_owned();
        Self {
            process,
            url,
            repo,
            authorization: format!("Token {}", token.trim()),
        }
    }

    fn org(&self, rest: &str) -> String {
        format!("{}/org/local/{rest}", self.url)
    }

    fn build(&self, rest: &str) -> String {
        self.org(&format!("repo/{}/builds/{rest}", self.repo))
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.process.id())).unwrap()
    }

    /// What it has used of the processor, in seconds; not what its jobs have.
    fn cpu(&self) -> f64 {
        let stat = self.proc("stat");
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let fields = fields.split(' ').skip(11).take(2);
        let ticks: u64 = fields.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }

    /// The most memory it has had so far, in MB.
    fn memory(&self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<f64>().unwrap() * 1024.0 / 1e6
    }

    async fn post(&self, client: &Client, url: String) {
        let request = client
            .post(url)
            .header("authorization", &self.authorization);
        let answer = request
            .header("content-type", "application/json")
            .body("{}");
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 202);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.process.id()) {
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM);
        }
        let _ = self.process.wait();
    }
}

/// One event, as it came.
struct Frame {
    /// Its number, of a numbered stream.
    id: u64,
    time: i64,
    /// From that time until it was here.
    delay: i64,
    /// Nothing comes after it.
    last: bool,
}

impl Frame {
    fn read(frame: &[u8], now: i64) -> Option<Self> {
        let number = |after: &str| -> Option<i64> {
            let at = memmem::find(frame, after.as_bytes())? + after.len();
            let digits = frame[at..].iter().take_while(|byte| byte.is_ascii_digit());
            Some(digits.fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
        };
        let has = |text: &str| memmem::find(frame, text.as_bytes()).is_some();
        let updated = memmem::find(&frame[..frame.len().min(40)], b":build/updated").is_some();
        // The first status there is the build's.
        let ended = updated && {
            let status = memmem::find(frame, b":status :").unwrap();
            frame[status..].starts_with(b":status :success")
        };
        // Pings and notices about logs have no time.
        let time = number(":time ")?;
        Some(Self {
            id: if updated { 0 } else { number("id: ")? as u64 },
            time,
            delay: now - time,
            last: ended || (!updated && has(":type :build/end,")),
        })
    }
}

/// Whose stream.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Build,
    Org,
}

struct Watcher {
    client: Client,
    url: String,
    authorization: String,
    kind: Kind,
    /// Hangs up once, after the event with this number.
    hangs_up: Option<u64>,
}

impl Watcher {
    async fn open(&self, after: u64) -> reqwest::Response {
        let mut request = self.client.get(&self.url);
        request = request.header("authorization", &self.authorization);
        if self.kind == Kind::Build {
            request = request.header("last-event-id", after.to_string());
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        answer
    }

    /// Reads until the last event. `there` counts those who hear something.
    async fn read(mut self, there: Arc<AtomicUsize>) -> Vec<Frame> {
        let mut frames: Vec<Frame> = Vec::new();
        let mut first = true;
        loop {
            let after = frames.last().map_or(0, |frame| frame.id);
            let mut stream = self.open(after).await;
            let mut buffer = Vec::new();
            let mut looked_at = 0;
            'stream: while let Some(chunk) = stream.chunk().await.unwrap() {
                if std::mem::take(&mut first) {
                    there.fetch_add(1, Ordering::Relaxed);
                }
                buffer.extend_from_slice(&chunk);
                while let Some(end) = memmem::find(&buffer[looked_at..], b"\n\n") {
                    let end = looked_at + end + 2;
                    frames.extend(Frame::read(&buffer[..end], SystemClock.now()));
                    buffer.drain(..end);
                    looked_at = 0;
                    let Some(frame) = frames.last() else { continue };
                    if frame.last {
                        return frames;
                    }
                    if self.hangs_up.is_some_and(|after| frame.id >= after) {
                        self.hangs_up = None;
                        break 'stream;
                    }
                }
                looked_at = buffer.len().saturating_sub(1);
            }
        }
    }
}

async fn watch() {
    let (project, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    repository(project.path());
    let server = Server::start(project.path(), home.path());
    let client = Client::builder()
        .tls_certs_only(std::iter::empty())
        .build()
        .unwrap();
    server.post(&client, server.build("trigger")).await;
    let blocked = || async {
        let build = client.get(server.build("build-1"));
        let build = build.header("authorization", &server.authorization);
        let build = build.send().await.unwrap().text().await.unwrap();
        build.contains(r#""status":"blocked""#)
    };
    eventually(blocked).await;
    println!("memory without watchers: {:.1} MB", server.memory());

    let there = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let watchers: Vec<_> = (0..WATCHERS)
        .map(|n| {
            let kind = [Kind::Build, Kind::Org][n % 2];
            let watcher = Watcher {
                client: client.clone(),
                url: match kind {
                    Kind::Build => server.build("build-1/events"),
                    Kind::Org => server.org("events"),
                },
                authorization: server.authorization.clone(),
                kind,
                // Not all at once.
                hangs_up: (n % (2 * HANGS_UP) == 0).then_some(200 + n as u64 / 5),
            };
            tokio::spawn(watcher.read(Arc::clone(&there)))
        })
        .collect();
    eventually(|| async { there.load(Ordering::Relaxed) == WATCHERS }).await;
    println!(
        "{WATCHERS} watchers are there after {:.2?}",
        began.elapsed()
    );

    let cpu = server.cpu();
    tokio::time::sleep(IDLE).await;
    let share = (server.cpu() - cpu) / IDLE.as_secs_f64() * 100.0;
    println!(
        "idle for {IDLE:?}: {share:.2} % of a core for all, {:.5} % a watcher; {:.1} MB",
        share / WATCHERS as f64,
        server.memory(),
    );

    let (cpu, began, go) = (server.cpu(), Instant::now(), SystemClock.now());
    let gate = server.build("build-1/job/gate/unblock");
    server.post(&client, gate).await;
    let mut heard: [Vec<Vec<Frame>>; 2] = Default::default();
    for (n, watcher) in watchers.into_iter().enumerate() {
        let frames = tokio::time::timeout(LIMIT, watcher).await;
        heard[n % 2].push(frames.expect("the build ends in time").unwrap());
    }
    let took = began.elapsed().as_secs_f64();
    let cpu = server.cpu() - cpu;
    for (what, heard) in ["build's stream", "org's stream"].iter().zip(&heard) {
        report(what, heard, go, took);
    }
    println!(
        "meanwhile: {:.0} % of a core, {:.1} MB at most",
        cpu / took * 100.0,
        server.memory(),
    );
}

/// What the watchers of one stream have heard since `go`.
fn report(what: &str, heard: &[Vec<Frame>], go: i64, took: f64) {
    let all = heard.iter().max_by_key(|frames| frames.len()).unwrap();
    let key = |frame: &Frame| (frame.id, frame.time);
    // Numbers count up from one; the org's stream has none, and is compared with its longest.
    let gaps = (1..).zip(all).filter(|(n, frame)| frame.id != *n).count();
    let lost: usize = heard
        .iter()
        .map(|frames| {
            let same = frames.iter().zip(all).filter(|(a, b)| key(a) == key(b));
            all.len() - same.count()
        })
        .sum();
    if all[0].id > 0 {
        assert_eq!(gaps, 0, "the longest has gaps itself");
    }
    let fresh = |frame: &&Frame| frame.time >= go;
    let events = all.iter().filter(fresh).count();
    let fresh = heard.iter().flatten().filter(fresh);
    let mut delays: Vec<i64> = fresh.map(|frame| frame.delay).collect();
    delays.sort_unstable();
    let at = |share: usize| delays[(delays.len() - 1) * share / 1000];
    println!(
        "{what}, {} watchers: {events} events, {:.1}/s; {lost} lost of {}; delay: median {} ms, \
         p99 {} ms, p99.9 {} ms, slowest {} ms",
        heard.len(),
        events as f64 / took,
        delays.len(),
        at(500),
        at(990),
        at(999),
        at(1000),
    );
}

async fn eventually<F: Future<Output = bool>>(is_true: impl Fn() -> F) {
    let end = Instant::now() + LIMIT;
    while !is_true().await {
        assert!(Instant::now() < end, "not so within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
