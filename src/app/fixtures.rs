//! Sample states for tests, snapshots and pictures: fixed times, no disk.
//!
//! A [`Stage`] holds a state and plays the outside: it answers effects from logs in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::compare::{Comparison, Finding, Kind, Part, Side, Told};
use crate::domain::{
    Access, BlobRef, Build, BuildStatus, Event, EventKind, GitInfo, Job, JobId, JobStatus, LogId,
    Millis, PullProgress, Resources, Sid, Src, TuiEvent,
};
use crate::edn::{Map, Value};
use crate::logs::{self, NO_COMMAND, Search, Section, Stream};
use crate::ports::{Offers, SourceItem};

use super::{
    Bindings, BuildInfo, Effect, HistoryItem, LogLine, LogPlace, LogRequest, LogRows, Msg, Needle,
    Project, Script, Setup, State, update,
};

/// The moment at which all samples begin.
pub const T0: Millis = 1_760_000_000_000;

/// A line of a log in memory.
#[derive(Debug, Clone)]
pub struct Line {
    /// Index of the script line, or `NO_COMMAND`.
    pub command: u32,
    /// Who wrote it.
    pub stream: Stream,
    /// When.
    pub ms: Millis,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A state and what is outside of it.
#[derive(Debug)]
pub struct Stage {
    /// The state.
    pub state: State,
    /// The values of results: media type, bytes.
    pub results: HashMap<String, (String, Vec<u8>)>,
    /// All logs.
    pub logs: HashMap<LogId, Vec<Line>>,
    /// Effects that nobody here carries out.
    pub effects: Vec<Effect>,
    /// The time.
    pub now: Millis,
}

impl Stage {
    /// The sample project before anything was built.
    pub fn new(size: (u16, u16)) -> Self {
        Self::with_project(size, project())
    }

    /// Another project before anything was built.
    pub fn with_project(size: (u16, u16), project: Project) -> Self {
        let state = State::new(Setup {
            now: T0,
            size,
            utc_offset: 0,
            project,
            history: Vec::new(),
            bindings: Bindings::default(),
            mouse: false,
            listed: None,
        });
        Self {
            state,
            results: HashMap::new(),
            logs: HashMap::new(),
            effects: Vec::new(),
            now: T0,
        }
    }

    /// Handles a message, and the answers to what it asked for.
    pub fn send(&mut self, msg: Msg) {
        let mut todo = VecDeque::from([Msg::Tick(self.now), msg]);
        while let Some(msg) = todo.pop_front() {
            for effect in update(&mut self.state, msg) {
                match self.answer(&effect) {
                    Some(answers) => todo.extend(answers),
                    None => self.effects.push(effect),
                }
            }
        }
    }

    /// Presses keys, as they are spelled in the table of actions, with spaces between.
    pub fn press(&mut self, keys: &str) {
        for key in keys.split_whitespace() {
            let key = key.parse().expect("a key of a test");
            if let Some(action) = self.state.bindings.action(self.state.context(), key) {
                self.send(Msg::Action(action));
            }
        }
    }

    /// Lets time go on.
    pub fn wait(&mut self, ms: Millis) {
        self.now += ms;
        self.send(Msg::Tick(self.now));
    }

    /// The sample build's sid.
    pub fn sid(&self) -> Sid {
        sid()
    }

    /// A build is opened.
    pub fn open(&mut self, live: bool) {
        self.send(Msg::BuildOpened(Box::new(BuildInfo {
            sid: sid(),
            offers: Offers {
                cancel: live,
                unblock: live,
                owned: live,
                copy: false,
            },
            live,
            logs: Some("/home/ada/.local/share/monkeyci-tui/builds/calc/42".into()),
            again: Some("monkeyci-tui build -d ~/src/calc --executor host".to_owned()),
            place: Some("~/src/calc".to_owned()),
            replay: None,
        })));
        if let Some(view) = self.state.builds.get_mut(&sid()) {
            view.build.git = git();
        }
    }

    /// The build tells an event, now.
    pub fn tell(&mut self, mut event: Event) {
        event.time = Some(self.now);
        event.sid = Some(sid());
        let by_script = event.type_name().starts_with("script/");
        event
            .src
            .get_or_insert(if by_script { Src::Script } else { Src::Engine });
        event.seq = 1 + self
            .state
            .builds
            .get(&sid())
            .map_or(0, |view| view.present().last_seq);
        let item = SourceItem::Events(vec![Arc::new(event)]);
        self.send(Msg::Source(sid(), item));
    }

    /// The build tells something about a job, now.
    pub fn job(&mut self, id: &str, kind: EventKind) {
        self.tell(Event::of_job(&id.into(), kind));
    }

    /// A job is queued and begins.
    pub fn begin(&mut self, id: &str) {
        self.job(id, EventKind::JobQueued { job: None });
        self.job(
            id,
            EventKind::JobInitializing {
                local_dir: None,
                agent: None,
            },
        );
        self.job(id, EventKind::JobStart);
    }

    /// A command begins, writes, and ends after a time.
    pub fn command(&mut self, id: &str, index: u32, lines: &[&str], took: Millis, exit: i64) {
        self.command_begins(id, index);
        let step = took / (lines.len() as Millis + 1);
        for line in lines {
            self.now += step;
            self.write(id, index, line);
        }
        self.now += took - step * lines.len() as Millis;
        self.job(
            id,
            EventKind::CommandEnd {
                command: index.to_string(),
                exit: Some(exit),
                stdout: None,
                stderr: None,
            },
        );
    }

    /// A command begins.
    pub fn command_begins(&mut self, id: &str, index: u32) {
        self.job(
            id,
            EventKind::CommandStart {
                command: index.to_string(),
                stdout: None,
                stderr: None,
            },
        );
    }

    /// A job writes a line; one that begins with `!` goes to the standard error.
    pub fn write(&mut self, id: &str, command: u32, line: &str) {
        let (stream, text) = match line.strip_prefix('!') {
            Some(text) => (Stream::Err, text),
            None => (Stream::Out, line),
        };
        let id = JobId::new(id);
        self.logs
            .entry(LogId::Job(id.clone()))
            .or_default()
            .push(Line {
                command,
                stream,
                ms: self.now,
                bytes: text.as_bytes().to_vec(),
            });
        self.send(Msg::Source(sid(), SourceItem::LogGrew(LogId::Job(id))));
    }

    /// The script writes a line; one that begins with `!` goes to the standard error.
    pub fn script_writes(&mut self, line: &str) {
        let (stream, text) = match line.strip_prefix('!') {
            Some(text) => (Stream::Err, text),
            None => (Stream::Out, line),
        };
        self.logs.entry(LogId::Script).or_default().push(Line {
            command: NO_COMMAND,
            stream,
            ms: self.now,
            bytes: text.as_bytes().to_vec(),
        });
        self.send(Msg::Source(sid(), SourceItem::LogGrew(LogId::Script)));
    }

    /// A job ends.
    pub fn end(&mut self, id: &str, status: JobStatus) {
        self.job(
            id,
            EventKind::JobEnd {
                status: Some(status),
                result: Map::new(),
            },
        );
    }

    /// A job has stored an artifact.
    pub fn stored(&mut self, job: &str, id: &str, path: &str, size: u64) {
        let event = TuiEvent::ArtifactSaved {
            id: id.to_owned(),
            path: path.to_owned(),
            size,
        };
        self.job(job, EventKind::Tui(event));
    }

    /// The connection is gone.
    pub fn lose(&mut self, reason: &str, retry_in: Duration) {
        let reason = reason.to_owned();
        self.send(Msg::Source(sid(), SourceItem::Lost { reason, retry_in }));
    }

    /// The build is over.
    pub fn end_build(&mut self, status: BuildStatus) {
        self.tell(Event::new(EventKind::BuildEnd {
            status: Some(status),
            build: None,
        }));
        self.send(Msg::SourceEnded(sid()));
    }

    fn answer(&self, effect: &Effect) -> Option<Vec<Msg>> {
        Some(match effect {
            Effect::ReadLog(request) => vec![Msg::LogRows(Box::new(self.rows(request)))],
            Effect::ReadTail(sid, job, count) => {
                let lines = self.lines(&LogId::Job(job.clone()));
                let tail = &lines[lines.len().saturating_sub(*count)..];
                let tail = tail.iter().map(|line| logs::strip(&line.bytes)).collect();
                vec![Msg::LogTail(sid.clone(), job.clone(), tail)]
            }
            Effect::Find(request) => {
                let lines = self.lines(&request.log);
                let matches = |line: &Line| {
                    let text = logs::strip(&line.bytes);
                    match &request.needle {
                        Needle::Text(needle) => Search::new(needle).is_match(&text),
                        Needle::Error => logs::is_error(&text),
                    }
                };
                let end = request.lines.end.min(lines.len());
                let start = request.lines.start.min(end);
                let mut range = start..end;
                let found = if request.backwards {
                    range.rfind(|number| matches(&lines[*number]))
                } else {
                    range.find(|number| matches(&lines[*number]))
                };
                let mut answers = vec![Msg::Found(request.generation, found)];
                if request.count {
                    let count = lines.iter().filter(|line| matches(line)).count();
                    answers.push(Msg::Counted(request.generation, count, true));
                }
                answers
            }
            Effect::ReloadProject => Vec::new(),
            Effect::ReadResult(_, name, generation) => {
                let (media_type, bytes) = self.results.get(name).cloned().unwrap_or_default();
                let size = bytes.len() as u64;
                let lines = super::results::lines(&media_type, &bytes, size);
                vec![Msg::ResultRead(*generation, lines)]
            }
            Effect::Compare(_, None, generation) => {
                vec![Msg::Compared(*generation, Ok(Box::new(comparison())))]
            }
            Effect::CopyLog(_, log) => {
                let lines = self.lines(log).iter();
                let lines: Vec<String> = lines.map(|line| logs::strip(&line.bytes)).collect();
                vec![Msg::LogText(lines.join("\n"))]
            }
            _ => return None,
        })
    }

    fn lines(&self, log: &LogId) -> &[Line] {
        self.logs.get(log).map_or(&[], Vec::as_slice)
    }

    fn rows(&self, request: &LogRequest) -> LogRows {
        let lines = self.lines(&request.log);
        let after = |ms: Millis| request.until.is_some_and(|until| ms > until);
        let then = lines.partition_point(|line| !after(line.ms));
        let next = lines.get(then).map(|line| line.ms);
        let lines = &lines[..then];
        let first = match request.place {
            LogPlace::End => lines.len().saturating_sub(request.count),
            LogPlace::Line(line) => line.min(lines.len()),
        };
        let last = lines.len().min(first + request.count);
        let mut sections: Vec<Section> = Vec::new();
        for (number, line) in lines.iter().enumerate() {
            match sections.last_mut() {
                Some(last) if last.command == line.command => last.lines.end = number + 1,
                _ => sections.push(Section {
                    command: line.command,
                    lines: number..number + 1,
                    ms: Some(line.ms),
                }),
            }
        }
        LogRows {
            generation: request.generation,
            total: lines.len(),
            bytes: lines.iter().map(|line| line.bytes.len() as u64 + 1).sum(),
            sections,
            first,
            lines: lines[first..last]
                .iter()
                .map(|line| LogLine {
                    line: logs::render(&line.bytes, request.columns),
                    stream: line.stream,
                    ms: Some(line.ms),
                })
                .collect(),
            next,
        }
    }
}

/// The build that it is compared with.
pub fn compared_with() -> Sid {
    Sid::parse("local/calc/local-build-1700000000000").expect("three parts")
}

/// What differs between the build of the fixtures and one that succeeded.
pub fn comparison() -> Comparison {
    let (test, compile) = (JobId::new("unit-tests"), JobId::new("compile"));
    let side = |sid: Sid, status, commit: &str| Side {
        name: sid.to_string(),
        status,
        created: None,
        git: GitInfo {
            commit_id: Some(commit.to_owned()),
            ..git()
        },
    };
    let new = Finding::new;
    let text = |text: &str| Some(text.to_owned());
    let lines = |count| Some(Told::Lines(count));
    let broke = new(Part::Tests, Kind::Broke, "calc.parser reads_brackets").of_job(&test);
    let nothing = Build::default();
    let mut comparison = Comparison::new(&nothing, &nothing);
    comparison.before = side(compared_with(), BuildStatus::Success, "890d0d6c0ffee");
    comparison.after = side(sid(), BuildStatus::Error, "1a2b3c4d5e6f7");
    comparison.same_files = Some(false);
    comparison.add([
        new(Part::Outcome, Kind::Broke, "build").from_to(text("success"), text("error")),
        new(Part::Outcome, Kind::Broke, "job")
            .of_job(&test)
            .from_to(text("success"), text("failure"))
            .noted("exit status 1"),
        broke
            .from_to(text("passed"), text("failed"))
            .noted("expected 7, but was 9"),
        new(Part::Tests, Kind::Added, "calc.parser reads_signs")
            .of_job(&test)
            .from_to(None, text("passed")),
        new(Part::Logs, Kind::Changed, "$ ./run-tests --all")
            .of_job(&test)
            .from_to(lines(2), lines(3)),
        new(Part::Results, Kind::Changed, "coverage lines")
            .from_to(text("95.0"), text("93.5"))
            .noted("-1.5"),
        new(Part::Artifacts, Kind::Changed, "binary calc")
            .of_job(&compile)
            .from_to(Some(Told::Bytes(16_840)), Some(Told::Bytes(17_120))),
        new(Part::Source, Kind::Changed, "commit")
            .from_to(text("890d0d6c0ffee"), text("1a2b3c4d5e6f7")),
        new(Part::Script, Kind::Changed, "image")
            .of_job(&compile)
            .from_to(text("gcc:13"), text("gcc:14")),
        new(Part::Durations, Kind::Slower, "job")
            .of_job(&compile)
            .from_to(Some(Told::Millis(4_000)), Some(Told::Millis(6_200)))
            .noted("+55 %"),
    ]);
    comparison
}

/// The sample build.
pub fn sid() -> Sid {
    Sid::new("local", "calc", "local-build-1760000000000")
}

/// The sample commit.
pub fn git() -> GitInfo {
    GitInfo {
        url: Some("https://example.com/ada/calc.git".to_owned()),
        branch: Some("main".to_owned()),
        commit_id: Some("3f2a1bc9d0e4f5a6b7c8d9e0f1a2b3c4d5e6f708".to_owned()),
        message: Some("Divide by the right side\n\nNot by the left.".to_owned()),
        author: Some("Ada".to_owned()),
        dirty: true,
        ..GitInfo::default()
    }
}

/// The sample project.
pub fn project() -> Project {
    Project {
        name: "calc".to_owned(),
        dir: "~/src/calc".to_owned(),
        git: git(),
        script: Script::Loaded {
            jobs: jobs(),
            clojure: false,
            warnings: Vec::new(),
        },
    }
}

/// The jobs of the sample project.
pub fn jobs() -> Vec<Job> {
    let job = |id: &str, needs: &[&str], script: &[&str]| {
        let mut job = Job::new(id);
        job.dependencies = needs.iter().map(JobId::new).collect();
        job.script = script.iter().map(|&line| line.to_owned()).collect();
        job.image = Some("docker.io/gcc:14".to_owned());
        job
    };
    let mut compile = job(
        "compile",
        &["configure"],
        &["make -j2 build/calc", "./build/calc --version"],
    );
    compile.save_artifacts = vec![BlobRef {
        id: "binary".to_owned(),
        path: "build/calc".to_owned(),
    }];
    compile.caches = vec![BlobRef {
        id: "objects".to_owned(),
        path: "build/obj".to_owned(),
    }];
    let mut release = job("release", &["package"], &["./release.sh"]);
    release.blocked = true;
    vec![
        job("configure", &[], &["./configure"]),
        job("lint", &[], &["cppcheck --quiet src"]),
        compile,
        job(
            "unit-tests",
            &["compile"],
            &["make -s test-binary", "./build/test --junit report.xml"],
        ),
        job("fuzz", &["compile"], &["./build/fuzz -max_total_time=5"]),
        job("docs", &["configure"], &["make docs"]),
        job("package", &["unit-tests", "lint", "docs"], &["make dist"]),
        release,
    ]
}

/// Builds of the sample project that are over.
pub fn history() -> Vec<HistoryItem> {
    let item = |build: &str, status, minutes: i64, seconds: i64, branch: &str| HistoryItem {
        sid: Sid::new("local", "calc", build),
        status,
        start: Some(T0 - minutes * 60_000),
        duration: Some(seconds * 1000 + 400),
        branch: Some(branch.to_owned()),
        commit: Some("9d0e4f5".to_owned()),
        message: None,
    };
    vec![
        item(
            "local-build-1759999100000",
            BuildStatus::Success,
            15,
            21,
            "main",
        ),
        item(
            "local-build-1759990000000",
            BuildStatus::Error,
            160,
            7,
            "faster-parser",
        ),
        item(
            "local-build-1759900000000",
            BuildStatus::Canceled,
            1700,
            3,
            "main",
        ),
    ]
}

/// A build has begun, and the images of its first jobs are on their way.
pub fn pulling(size: (u16, u16)) -> Stage {
    let mut stage = Stage::new(size);
    stage.send(Msg::History(history()));
    stage.open(true);
    stage.tell(Event::new(EventKind::BuildStart));
    stage.tell(Event::new(EventKind::ScriptStart { jobs: jobs() }));
    let pull = |done, bytes| PullProgress {
        layers: 5,
        done,
        bytes,
        total: 39_900_000,
        unpacking: bytes == 39_900_000,
    };
    for (id, pull) in [
        ("configure", PullProgress::default()),
        ("configure", pull(3, 12_345_678)),
        ("lint", pull(2, 39_900_000)),
    ] {
        let initializing = EventKind::JobInitializing {
            local_dir: None,
            agent: None,
        };
        stage.job(id, initializing);
        stage.wait(500);
        stage.job(id, EventKind::Tui(TuiEvent::Pulling(pull)));
    }
    stage
}

/// A build has begun: two jobs are done, three run, some wait.
pub fn running(size: (u16, u16)) -> Stage {
    let mut stage = Stage::new(size);
    stage.send(Msg::History(history()));
    start(&mut stage);
    stage.command_begins("unit-tests", 0);
    stage.wait(300);
    stage.write(
        "unit-tests",
        0,
        "cc -g -Isrc -c test/main.c -o build/obj/test.o",
    );
    stage.wait(600);
    stage.job(
        "unit-tests",
        EventKind::CommandEnd {
            command: "0".to_owned(),
            exit: Some(0),
            stdout: None,
            stderr: None,
        },
    );
    stage.command_begins("unit-tests", 1);
    for (number, name) in ["adds", "subtracts", "multiplies", "nests parentheses"]
        .iter()
        .enumerate()
    {
        stage.wait(250);
        let line = format!("\x1b[32mok\x1b[0m {} - {name}", number + 1);
        stage.write("unit-tests", 1, &line);
    }
    stage.wait(1200);
    stage
}

fn start(stage: &mut Stage) {
    stage.open(true);
    stage.tell(Event::new(EventKind::BuildInitializing {
        build: Map::new(),
    }));
    stage.wait(120);
    stage.tell(Event::new(EventKind::BuildStart));
    stage.tell(Event::new(EventKind::ScriptStart { jobs: jobs() }));
    stage.begin("configure");
    stage.begin("lint");
    stage.command(
        "configure",
        0,
        &[
            "checking for cc... cc",
            "checking for make... make",
            "\x1b[1mconfigured\x1b[0m for linux",
        ],
        700,
        0,
    );
    stage.end("configure", JobStatus::Success);
    stage.command_begins("lint", 0);
    stage.begin("docs");
    stage.begin("compile");
    stage.command(
        "compile",
        0,
        &[
            "cc -O2 -Wall -Isrc -c src/lexer.c -o build/obj/lexer.o",
            "cc -O2 -Wall -Isrc -c src/parser.c -o build/obj/parser.o",
            "!src/parser.c: In function 'term':",
            "!src/parser.c:88:13: \x1b[1;35mwarning:\x1b[0m unused variable 'depth' [-Wunused-variable]",
            "!   88 |         int depth = 0;",
            "!      |             ^~~~~",
            "cc -O2 -Wall -Isrc -c src/eval.c -o build/obj/eval.o",
            "cc -o build/calc build/obj/*.o",
        ],
        3100,
        0,
    );
    stage.command("compile", 1, &["calc 1.4.0"], 40, 0);
    stage.stored("compile", "binary", "build/calc", 48_300);
    stage.end("compile", JobStatus::Success);
    stage.write(
        "lint",
        0,
        "src/lexer.c:41: note: scope of 'c' can be reduced",
    );
    stage.end("lint", JobStatus::Success);
    stage.begin("unit-tests");
    stage.begin("fuzz");
    stage.command_begins("fuzz", 0);
    stage.command_begins("docs", 0);
}

/// The same build, one of its jobs measured.
pub fn measured(size: (u16, u16)) -> Stage {
    let mut stage = running(size);
    let used = Resources {
        cpu_ms: 2_410,
        cpu_percent: 98,
        memory: 52_400_000,
        memory_peak: 60_100_000,
        memory_limit: 2 << 30,
        received: 1_200,
        sent: 640,
        processes: 4,
    };
    stage.job("docs", EventKind::Tui(TuiEvent::Resources(used)));
    stage
}

/// The same build, one of its jobs reached at ports of this machine.
pub fn reached(size: (u16, u16), address: &str) -> Stage {
    let mut stage = running(size);
    let port = |number: i64| Value::Int(number);
    let mut ports = Map::new();
    ports.insert(port(32_771), port(9090));
    ports.insert(port(32_770), port(8080));
    let mut agent = Map::new();
    agent.insert(Value::kw("address"), address.into());
    agent.insert(Value::kw("ports"), Value::Map(ports));
    let told = EventKind::JobInitializing {
        local_dir: None,
        agent: Some(agent),
    };
    stage.job("docs", told);
    stage
}

/// The same build, failed: a test has found something.
pub fn failed(size: (u16, u16)) -> Stage {
    let mut stage = running(size);
    for line in [
        "\x1b[31mnot ok\x1b[0m 5 - divides",
        "!  test/eval.c:112: assertion failed: eval(\"8 / 2\") == 4",
        "!    expected: 4",
        "!    actual:   0.25",
        "1..5",
    ] {
        stage.wait(60);
        stage.write("unit-tests", 1, line);
    }
    stage.job(
        "unit-tests",
        EventKind::CommandEnd {
            command: "1".to_owned(),
            exit: Some(1),
            stdout: None,
            stderr: None,
        },
    );
    stage.stored("unit-tests", "test-report", "report.xml", 1_840);
    stage.end("unit-tests", JobStatus::Failure);
    stage.wait(900);
    stage.end("docs", JobStatus::Success);
    stage.write("fuzz", 0, "#131072 DONE cov: 412 ft: 1033");
    stage.end("fuzz", JobStatus::Success);
    stage.job("package", EventKind::JobSkipped);
    stage.job("release", EventKind::JobSkipped);
    stage.wait(100);
    stage.end_build(BuildStatus::Error);
    stage
}

/// The same build, held up: all that is left waits for approval.
pub fn blocked(size: (u16, u16)) -> Stage {
    let mut stage = running(size);
    for id in ["unit-tests", "fuzz", "docs"] {
        stage.end(id, JobStatus::Success);
    }
    stage.begin("package");
    stage.command(
        "package",
        0,
        &["tar czf dist/calc-1.4.0.tar.gz calc-1.4.0"],
        400,
        0,
    );
    stage.stored("package", "dist", "dist", 1_204_224);
    stage.end("package", JobStatus::Success);
    stage.job("release", EventKind::JobBlocked);
    stage.wait(2000);
    stage
}

/// What runs the script, and why.
pub fn host(name: &str, why: &str) -> Event {
    let name = name.to_owned();
    Event::new(EventKind::Tui(TuiEvent::Host { name })).with_message(why)
}

/// A running build whose script is Clojure and has written something.
pub fn hosted(size: (u16, u16)) -> Stage {
    let mut stage = running(size);
    stage.tell(host(
        "clojure",
        "there is a deps.edn; Clojure 1.11.1 is /usr/share/java/clojure-1.11.1.jar, without the official runner",
    ));
    stage.script_writes("reading the changes since v1.3");
    stage.script_writes("!WARNING: cat already refers to: #'clojure.core/cat in namespace: build");
    stage
}

/// A running build that has stored results, and has read things.
pub fn with_results(size: (u16, u16)) -> Stage {
    let mut stage = hosted(size);
    let results = [
        (
            "coverage",
            "application/edn",
            "{:lines 93.5, :branches 71.2, :files {\"src/parse.c\" 88.1, \"src/eval.c\" 97.0, \"src/main.c\" 64.9}}",
        ),
        ("notes", "text/plain", "some words\n\x1b[2Jand more"),
        ("build/a.out", "application/octet-stream", "\0\u{1}"),
    ];
    for (name, media_type, value) in results {
        stage
            .results
            .insert(name.to_owned(), (media_type.to_owned(), value.into()));
        let saved = TuiEvent::ResultSaved {
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            size: value.len() as u64,
        };
        stage.job("unit-tests", EventKind::Tui(saved));
    }
    let read = |what: &str, name: Option<&str>, by: &str| {
        EventKind::Tui(TuiEvent::Read(Access {
            what: what.to_owned(),
            name: name.map(str::to_owned),
            by: by.to_owned(),
        }))
    };
    stage.tell(Event::new(read("params", None, "script")));
    stage.job("release", read("secret", Some("npm-token"), "job"));
    stage
}

/// A build whose script could not be loaded.
pub fn load_error(size: (u16, u16)) -> Stage {
    let mut stage = Stage::new(size);
    stage.open(true);
    stage.tell(Event::new(EventKind::BuildInitializing {
        build: Map::new(),
    }));
    stage.tell(Event::new(EventKind::BuildStart));
    stage.tell(host("clojure", "there is a build.clj"));
    stage.tell(Event::new(EventKind::ScriptInitializing {
        script_dir: Some(".monkeyci".to_owned()),
    }));
    stage.wait(300);
    stage.script_writes("loading");
    let why = "build.clj:5:2: Unable to resolve symbol: actoin-job in this context\n   |\n \
               5 | (actoin-job \"test\" run-tests)\n   |  ^\ndid you mean action-job?";
    for line in why.lines() {
        stage.script_writes(&format!("!{line}"));
    }
    let status = Some(BuildStatus::Error);
    let told = EventKind::ScriptEnd {
        status: status.clone(),
    };
    stage.tell(Event::new(told).with_message(why));
    let build = None;
    stage.tell(Event::new(EventKind::BuildEnd { status, build }).with_message(why));
    stage
}

/// The failed build, with what the engine warned of.
pub fn warned(size: (u16, u16)) -> Stage {
    let mut stage = running(size);
    stage.tell(Event::new(EventKind::Tui(TuiEvent::Warning)).with_message(
        "refused: a token without the scope artifacts:write asked for PUT /artifact/dist (403)",
    ));
    stage
}

/// The runner's own remark in a log.
pub fn remark(stage: &mut Stage, id: &str, text: &str) {
    let id = JobId::new(id);
    stage
        .logs
        .entry(LogId::Job(id.clone()))
        .or_default()
        .push(Line {
            command: NO_COMMAND,
            stream: Stream::System,
            ms: stage.now,
            bytes: text.as_bytes().to_vec(),
        });
    stage.send(Msg::Source(sid(), SourceItem::LogGrew(LogId::Job(id))));
}
