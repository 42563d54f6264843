//! Every recorded exchange of the real script library, sent again over both transports, byte for
//! byte but for the token, the checkout and the lengths.
//!
//! The replay waits where the library had to: a request that followed an event of the runner is
//! sent when that event is here. Compared are, for each recording of `tests/transcripts`:
//!
//! | what | with |
//! | --- | --- |
//! | the status of each answer | the recorded one; a class that the library accepts |
//! | bodies: `POST /events` none, `GET /params` a list, saving `{:path :id}` | script-api.md §4, §10 |
//! | the stream: headers at once, lines, plain EDN on one line, `:src`, `:sid` | protocol/README, script-api.md §6 |
//! | what the runner said of each container job: type, command, exit status, status | the recorded stream |
//! | what came back of the script's own events: type, job, status, time | what was posted; the recorded stream |
//! | how jobs and the build ended | the recorded `job/end`s and events.md §7.4 |
//!
//! Where we differ on purpose stands in `differences.rs`, with the reason; a difference
//! that no recording shows any more fails the test, as one that is not listed does.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use monkeyci_tui::domain::{Build, JobStatus};
use monkeyci_tui::edn::{self, Value};
use monkeyci_tui::ports::{JobOutcome, JobReport};
use monkeyci_tui::script_api::Scope;

use crate::counted::not_run;
use crate::differences::{ANSWERS, EVENTS};
use crate::http::{Answer, Wire};
use crate::recording::{self, Exchange, Recording};
use crate::rig::{Rig, Setup, clojure};
use crate::wire::{Heard, Transport, jdk, not_plain_edn, text, word};

/// Statuses that the library takes for success; anything else throws (script-api.md §2).
fn is_accepted(status: u16) -> bool {
    matches!(status, 200..=207 | 300..=304 | 307)
}

#[tokio::test]
async fn recorded_builds_over_tcp() {
    let lines = replay_all(Transport::Tcp).await;
    plain_clojure_reads(&lines);
}

#[tokio::test]
async fn recorded_builds_over_the_unix_socket() {
    replay_all(Transport::Unix).await;
}

/// Replays all, prints what was compared, and gives back the lines of the streams.
async fn replay_all(transport: Transport) -> Vec<String> {
    let recordings = recording::all();
    assert_eq!(recordings.len(), 25, "the recordings are found");
    let (mut lines, mut used) = (Vec::new(), BTreeSet::new());
    for recording in &recordings {
        let mut replay = Replay::start(recording, transport).await;
        replay.run().await;
        let compared = replay.finish(&mut used).await;
        println!("{:22} {compared}", recording.name);
        lines.extend(compared.lines);
    }
    for (place, row) in ANSWERS.iter().enumerate() {
        let is_used = used.contains(&format!("answer {place}"));
        assert!(is_used, "seen nowhere: {row:?}");
    }
    for (place, row) in EVENTS.iter().enumerate() {
        let is_used = used.contains(&format!("event {place}"));
        assert!(is_used, "seen nowhere: {row:?}");
    }
    lines
}

/// What was compared in one recording.
struct Compared {
    answers: usize,
    runner: usize,
    echoes: usize,
    lines: Vec<String>,
    end: String,
}

impl std::fmt::Display for Compared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:3} answers, {:3} events of the runner, {:3} echoes, {:3} lines of EDN, ends as {}",
            self.answers,
            self.runner,
            self.echoes,
            self.lines.len(),
            self.end
        )
    }
}

/// One event of the runner about one job, as far as it is compared.
fn essence(event: &Value) -> Option<String> {
    let job = text(event, "job-id")?;
    let kind = word(event, "type")?;
    let mut essence = format!("{} {job}", &kind[1..]);
    if let Some(command) = text(event, "command") {
        essence.push_str(&format!(" {command}"));
    }
    if let Some(exit) = event.get("exit") {
        essence.push_str(&format!(" {}", edn::write(exit)));
    }
    if let Some(status) = word(event, "status") {
        essence.push_str(&format!(" {}", &status[1..]));
    }
    Some(essence)
}

/// One event of the script: what it says, whatever the order of its keys.
fn echo(event: &Value) -> [Option<String>; 4] {
    ["type", "job-id", "status", "time"].map(|key| word(event, key))
}

struct Replay<'a> {
    recording: &'a Recording,
    transport: Transport,
    rig: Rig,
    wires: HashMap<u64, Wire>,
    heard: Option<Heard>,
    answers: Vec<(&'a Exchange, Answer)>,
    /// What was posted in the end, recorded or not.
    posted: Vec<Value>,
}

impl<'a> Replay<'a> {
    async fn start(recording: &'a Recording, transport: Transport) -> Self {
        let times = recording.posted();
        let now = times.iter().find_map(|event| event.get("time")?.as_i64());
        let rig = Rig::with(Setup {
            now: now.unwrap(),
            ..Setup::default()
        })
        .await;
        std::fs::write(rig.checkout().join("art.txt"), "an artifact").unwrap();
        // Container jobs report and end as the recorded ones did.
        let mut reports: HashMap<&str, Vec<JobReport>> = HashMap::new();
        for (_, event) in recording.runner() {
            let Some(job) = text(event, "job-id") else {
                continue;
            };
            let index = text(event, "command").map(|index| index.parse().unwrap());
            let exit = event.get("exit").and_then(Value::as_i64);
            match word(event, "type").as_deref() {
                Some(":command/start") => {
                    reports
                        .entry(job)
                        .or_default()
                        .push(JobReport::CommandStarted {
                            index: index.unwrap(),
                        });
                }
                Some(":command/end") => {
                    reports
                        .entry(job)
                        .or_default()
                        .push(JobReport::CommandEnded {
                            index: index.unwrap(),
                            exit: exit.unwrap(),
                        });
                }
                Some(":container/end") => {
                    let status = word(event, "status").unwrap();
                    rig.executor.ends(
                        job,
                        JobOutcome {
                            status: JobStatus::parse(&status[1..]),
                            exit: None,
                            message: None,
                        },
                    );
                }
                _ => {}
            }
        }
        for (job, reports) in reports {
            rig.executor.reports(job, reports);
        }
        Self {
            recording,
            transport,
            rig,
            wires: HashMap::new(),
            heard: None,
            answers: Vec::new(),
            posted: Vec::new(),
        }
    }

    /// Sends all requests, each when the library would.
    async fn run(&mut self) {
        let mut runner = self.recording.runner().peekable();
        for exchange in &self.recording.exchanges {
            while let Some((_, event)) = runner.next_if(|(at, _)| *at < exchange.at) {
                self.wait_for(event).await;
            }
            self.send(exchange).await;
        }
        for (_, event) in runner {
            self.wait_for(event).await;
        }
    }

    /// Waits for an event of the runner that the library acts upon; causes it, if a user did.
    async fn wait_for(&mut self, event: &Value) {
        let (kind, job) = (word(event, "type").unwrap(), text(event, "job-id"));
        if kind == ":job/unblocked" {
            self.control(&format!("/unblock/{}", job.unwrap())).await;
        } else if kind != ":job/executed" {
            return;
        }
        let there = |heard: &[Value]| {
            heard.iter().any(|here| {
                word(here, "type").as_ref() == Some(&kind) && text(here, "job-id") == job
            })
        };
        let what = format!("{}: {kind} {job:?}", self.recording.name);
        self.heard.as_mut().unwrap().until(&what, there).await;
    }

    /// What a user does in the terminal.
    async fn control(&self, path: &str) {
        let mut wire = Wire::open(&self.rig, Transport::Unix).await;
        let token = self.rig.token(Scope::watcher());
        let answer = wire.ask(&jdk("POST", path, &token, "")).await;
        assert!(is_accepted(answer.status), "{path}: {answer:?}");
    }

    async fn send(&mut self, exchange: &'a Exchange) {
        let token = self.rig.script_token();
        let checkout = self.rig.checkout().display().to_string();
        let body = exchange.body.replace("$CHECKOUT", &checkout);
        let mut request = format!("{} {} HTTP/1.1\r\n", exchange.method, exchange.path);
        for (name, value) in &exchange.headers {
            let value = if name.eq_ignore_ascii_case("content-length") {
                body.len().to_string()
            } else {
                value.replace("$TOKEN", &token)
            };
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(&body);
        if exchange.method == "GET" && exchange.path == "/events" {
            let wire = Wire::open(&self.rig, self.transport).await;
            self.heard = Some(Heard::open(wire, request.as_bytes()).await);
            return;
        }
        if !self.wires.contains_key(&exchange.conn) {
            let wire = Wire::open(&self.rig, self.transport).await;
            self.wires.insert(exchange.conn, wire);
        }
        let wire = self.wires.get_mut(&exchange.conn).unwrap();
        let answer = wire.ask(request.as_bytes()).await;
        self.posted.extend(exchange.posted());
        self.answers.push((exchange, answer));
    }

    /// Goes on where the recording was broken off, as the library would; ends the build.
    async fn finish(mut self, used: &mut BTreeSet<String>) -> Compared {
        let name = &self.recording.name;
        self.compare_answers(used);
        let statuses = self.go_on().await;
        let blocked = statuses.values().any(|status| status == "blocked");
        if blocked {
            // Nobody approved it: the recording was broken off after a minute.
            self.control("/cancel").await;
            let heard = self.heard.as_mut().unwrap();
            let canceled = |event: &Value| {
                word(event, "type").as_deref() == Some(":build/canceled")
                    && word(event, "sid").as_deref() == Some("[\"local\" \"demo\" \"build-1\"]")
            };
            heard
                .until("build/canceled", |heard| heard.iter().any(canceled))
                .await;
        }
        let exit = self.exit_status(&statuses);
        // What follows the script's exit closes what it left open, and reaches no script.
        let said = self.heard.as_ref().unwrap().foreign();
        let summary = self.rig.exit(exit).await;
        let mut heard = self.heard.take().unwrap();
        heard.end().await;
        let expected = match (blocked, exit) {
            (true, _) => "canceled",
            (false, 0) => "success",
            (false, _) => "error",
        };
        assert_eq!(summary.status.as_str(), expected, "{name}: {summary:?}");
        let mut build = Build::default();
        for event in self.rig.engine.journal().events() {
            build.apply(&event);
        }
        assert_eq!(build.status.as_str(), expected, "{name}");
        for (job, status) in &statuses {
            let state = build.job(&job.as_str().into()).unwrap();
            let wanted = match status.as_str() {
                "blocked" => "skipped",
                "" => "success",
                other => other,
            };
            assert_eq!(state.status.as_str(), wanted, "{name}: {job}");
        }
        assert_eq!(build.open_jobs().count(), 0, "{name}");
        let lines = self.compare_lines(&heard);
        let runner = self.compare_runner(&said, used);
        let echoes = self.compare_echoes(&heard);
        let answers = self.answers.len() + 1;
        self.rig.stop().await;
        Compared {
            answers,
            runner,
            echoes,
            lines,
            end: expected.to_owned(),
        }
    }

    fn compare_answers(&self, used: &mut BTreeSet<String>) {
        for (exchange, answer) in &self.answers {
            let what = format!(
                "{}: {} {}: {answer:?}",
                self.recording.name, exchange.method, exchange.path
            );
            assert!(is_accepted(answer.status), "{what}");
            if answer.status != exchange.status {
                let row = ANSWERS.iter().position(|(method, path, theirs, ours, _)| {
                    *method == exchange.method
                        && exchange.path.starts_with(path)
                        && (*theirs, *ours) == (exchange.status, answer.status)
                });
                let row = row.unwrap_or_else(|| panic!("was {}: {what}", exchange.status));
                used.insert(format!("answer {row}"));
            }
            assert_eq!(answer.header("content-encoding"), None, "{what}");
            let edn = || {
                assert_eq!(answer.header("content-type"), Some("application/edn"));
                // The line break after it is ours.
                assert_eq!(not_plain_edn(answer.text().trim_end()), None, "{what}");
                edn::read_str(&answer.text()).unwrap()
            };
            match exchange.path.as_str() {
                "/events" => assert_eq!(answer.text(), "", "{what}"),
                "/params" => {
                    // MonkeyCI says `nil` when there are none; both are empty to a script.
                    assert_eq!(exchange.answer, "nil");
                    assert_eq!(edn(), Value::List(Vec::new()), "{what}");
                }
                _ => {
                    let asked = edn::read_str(&exchange.body).unwrap();
                    assert_eq!(edn().get("path"), asked.get("path"), "{what}");
                    let id = exchange.path.rsplit('/').next();
                    assert_eq!(text(&edn(), "id"), id, "{what}");
                }
            }
        }
    }

    /// Posts what the library would have: a `job/end` for each executed job. Returns how each
    /// job ended, by the last word of the script.
    async fn go_on(&mut self) -> BTreeMap<String, String> {
        let handed: BTreeSet<String> = self
            .posted
            .iter()
            .filter(|event| word(event, "type").as_deref() == Some(":container/job-queued"))
            .map(|event| text(event, "job-id").unwrap().to_owned())
            .collect();
        for job in handed {
            let executed = |event: &Value| {
                word(event, "type").as_deref() == Some(":job/executed")
                    && text(event, "job-id") == Some(&job)
            };
            let what = format!("job/executed of {job}");
            let heard = self.heard.as_mut().unwrap();
            heard.until(&what, |heard| heard.iter().any(executed)).await;
        }
        let ended = |posted: &[Value], job: &str| {
            posted.iter().any(|event| {
                word(event, "type").as_deref() == Some(":job/end")
                    && text(event, "job-id") == Some(job)
            })
        };
        if self.recording.name == "init" {
            let released = |event: &Value| text(event, "job-id") == Some("init-nil-skips");
            let heard = self.heard.as_mut().unwrap();
            heard
                .until("the release", |heard| heard.iter().any(released))
                .await;
        }
        for event in self.heard.as_ref().unwrap().foreign() {
            let job = text(&event, "job-id").unwrap_or_default();
            let executed = word(&event, "type").as_deref() == Some(":job/executed");
            if executed && !ended(&self.posted, job) {
                let status = word(&event, "status").unwrap();
                let body =
                    format!("[{{:type :job/end :job-id {job:?} :status {status} :result {{}}}}]");
                let mut wire = Wire::open(&self.rig, self.transport).await;
                let token = self.rig.script_token();
                let answer = wire.ask(&jdk("POST", "/events", &token, &body)).await;
                assert_eq!(answer.status, 202);
                self.posted
                    .extend(edn::read_str(&body).unwrap().as_seq().unwrap().to_vec());
            }
        }
        let mut statuses = BTreeMap::new();
        for event in &self.posted {
            let Some(job) = text(event, "job-id") else {
                continue;
            };
            match word(event, "type").unwrap().as_str() {
                ":job/end" => {
                    let status = word(event, "status").unwrap_or_default();
                    let status = status.trim_start_matches(':').replace("nil", "");
                    statuses.insert(job.to_owned(), status);
                }
                ":job/blocked" => drop(statuses.insert(job.to_owned(), "blocked".to_owned())),
                _ => {}
            }
        }
        statuses
    }

    /// What the library exits with (script-api.md §8.4).
    fn exit_status(&self, statuses: &BTreeMap<String, String>) -> i32 {
        let is = |kind: &'static str| {
            self.posted
                .iter()
                .filter(move |event| word(event, "type").as_deref() == Some(kind))
        };
        let failed = statuses.values().any(|s| s == "failure" || s == "error");
        let said_so = is(":script/end").any(|e| word(e, "status").as_deref() == Some(":error"));
        let not_loaded = is(":script/start").count() == 0;
        i32::from(failed || said_so || not_loaded)
    }

    /// The form of the stream; returns its EDN.
    fn compare_lines(&self, heard: &Heard) -> Vec<String> {
        let name = &self.recording.name;
        let mut data = Vec::new();
        for line in heard.lines() {
            if let Some(edn) = line.strip_prefix("data: ") {
                assert_eq!(not_plain_edn(edn), None, "{name}: {line}");
                data.push(edn.to_owned());
            } else {
                // What the library passes over.
                let id = line.strip_prefix("id: ").map(str::parse::<u64>);
                assert!(
                    line.is_empty() || matches!(id, Some(Ok(_))),
                    "{name}: {line}"
                );
            }
        }
        assert_eq!(data[0], "{:type :ping}", "{name}");
        for event in heard.data() {
            if word(&event, "type").as_deref() == Some(":ping") {
                continue;
            }
            let sid = word(&event, "sid");
            let wanted = "[\"local\" \"demo\" \"build-1\"]";
            assert_eq!(sid.as_deref(), Some(wanted), "{name}: {event:?}");
            assert!(event.get("time").is_some(), "{name}: {event:?}");
        }
        data
    }

    /// What the runner said of each container job.
    fn compare_runner(&self, said: &[Value], used: &mut BTreeSet<String>) -> usize {
        let name = self.recording.name.as_str();
        let theirs: Vec<String> = self
            .recording
            .runner()
            .filter_map(|(_, event)| essence(event))
            .collect();
        let ours: Vec<String> = said.iter().filter_map(essence).collect();
        let count = |all: &[String], one: &str| all.iter().filter(|it| *it == one).count();
        let mut all: Vec<&String> = theirs.iter().chain(&ours).collect();
        all.sort();
        all.dedup();
        for essence in all {
            let (there, here) = (count(&theirs, essence), count(&ours, essence));
            let word = match there.cmp(&here) {
                std::cmp::Ordering::Equal => continue,
                std::cmp::Ordering::Less => "more",
                std::cmp::Ordering::Greater => "less",
            };
            let difference = format!("{word}: {essence}");
            let row = EVENTS.iter().position(|(recording, what, _)| {
                let (direction, words) = what.split_once(": ").unwrap();
                (*recording == "*" || *recording == name)
                    && difference.starts_with(direction)
                    && essence.contains(words)
            });
            let row = row.unwrap_or_else(|| panic!("{name}: {difference} ({there}, {here})"));
            used.insert(format!("event {row}"));
        }
        ours.len()
    }

    /// What comes back of what the script posted.
    fn compare_echoes(&self, heard: &Heard) -> usize {
        let name = &self.recording.name;
        let own = Value::kw("script");
        let echoes: Vec<_> = heard
            .data()
            .iter()
            .filter(|event| event.get("src") == Some(&own))
            .map(echo)
            .collect();
        let may_post = |event: &&Value| {
            // Approval is for users: protocol/security.md §3.
            word(event, "type").as_deref() != Some(":job/unblocked")
        };
        let posted: Vec<_> = self.posted.iter().filter(may_post).collect();
        assert_eq!(echoes.len(), posted.len(), "{name}");
        for event in posted {
            let mut wanted = echo(event);
            if wanted[3].is_none() {
                continue;
            }
            // A missing status is none, however it is written.
            wanted[2] = wanted[2].take().filter(|status| status != "nil");
            assert!(echoes.contains(&wanted), "{name}: {wanted:?}");
        }
        for (_, event) in &self.recording.streamed {
            if event.get("src") == Some(&own) {
                let mut wanted = echo(event);
                wanted[2] = wanted[2].take().filter(|status| status != "nil");
                assert!(echoes.contains(&wanted), "{name}: {wanted:?}");
            }
        }
        echoes.len()
    }
}

#[tokio::test]
async fn a_recorded_cancel() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let recorded =
        std::fs::read_to_string(root.join("tests/transcripts/lib-canceled/sse.txt")).unwrap();
    for transport in [Transport::Tcp, Transport::Unix] {
        let mut rig = Rig::start().await;
        let token = rig.script_token();
        let wire = Wire::open(&rig, transport).await;
        let mut heard = Heard::open(wire, &jdk("GET", "/events", &token, "")).await;
        let mut poster = Wire::open(&rig, transport).await;
        for line in recorded.lines() {
            let Some(event) = line.strip_prefix("data: ") else {
                continue;
            };
            if event.contains(":build/canceled") {
                let mut user = Wire::open(&rig, Transport::Unix).await;
                let token = rig.token(Scope::watcher());
                let answer = user.ask(&jdk("POST", "/cancel", &token, "")).await;
                assert!(is_accepted(answer.status));
                let canceled =
                    |event: &Value| word(event, "type").as_deref() == Some(":build/canceled");
                heard
                    .until("build/canceled", |heard| heard.iter().any(canceled))
                    .await;
            } else if !event.contains(":ping") {
                let body = format!("[{event}]");
                let answer = poster.ask(&jdk("POST", "/events", &token, &body)).await;
                assert_eq!(answer.status, 202, "{event}: {answer:?}");
            }
        }
        // A canceled script exits with 0 (script-api.md §8.4).
        let summary = rig.exit(0).await;
        assert_eq!(summary.status.as_str(), "canceled");
        heard.end().await;
        let mut build = Build::default();
        for event in rig.engine.journal().events() {
            build.apply(&event);
        }
        let ends = ["slow", "after", "gate"].map(|job| {
            let state = build.job(&job.into()).unwrap();
            state.status.as_str().to_owned()
        });
        assert_eq!(ends, ["success", "skipped", "skipped"]);
        rig.stop().await;
    }
}

/// Gives lines to `clojure.edn` itself.
fn plain_clojure_reads(lines: &[String]) {
    let Some(mut clojure) = clojure() else {
        return not_run("clojure.edn reads the streams", "there is no clojure.jar");
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let form = "(with-open [in (clojure.java.io/reader (System/getenv \"LINES\"))] \
                (doseq [line (line-seq in)] \
                  (try (when-not (:type (clojure.edn/read-string line)) (println \"no event\" line)) \
                       (catch Exception e (println (ex-message e) line)))) \
                (println \"done\"))";
    let ran = clojure
        .args(["-e", "(require 'clojure.edn 'clojure.java.io)", "-e", form])
        .env("LINES", &file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let end = said.lines().last();
    assert_eq!(
        end,
        Some("done"),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let odd: Vec<&str> = said.lines().filter(|line| line.contains(':')).collect();
    assert!(odd.is_empty(), "{odd:#?}");
    assert!(lines.len() > 500, "{}", lines.len());
}
