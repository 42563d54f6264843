//! How long it takes to go to any moment of a build of an hour, with a million lines in its logs and
//! 100,000 events, and to see it. Goal: at most 100 ms.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use divan::Bencher;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use monkeyci_tui::app::{
    Action, Bindings, BuildInfo, Edit, Effect, LogLine, LogPlace, LogRequest, LogRows, Msg,
    Project, Script, Setup, State, update,
};
use monkeyci_tui::config::Look;
use monkeyci_tui::domain::{
    Build, BuildStatus, Event, EventKind, GitInfo, Job, JobId, JobStatus, LogId, Sid, Snapshots,
};
use monkeyci_tui::edn::Map;
use monkeyci_tui::logs::{LogPaths, LogReader, LogWriter, Stream, render};
use monkeyci_tui::ports::{Offers, SourceItem};
use monkeyci_tui::ui::Ui;

/// 200 jobs, four at a time, of 5,000 lines and 250 commands each: a million lines, 100,000 events.
const JOBS: i64 = 200;
const COMMANDS: i64 = 250;
const LINES: i64 = 5_000;
const HOUR: i64 = 3_600_000;
const BEGIN: i64 = 1_795_457_000_000;
const SIZE: (u16, u16) = (200, 60);

fn main() {
    divan::main();
}

fn id(job: i64) -> JobId {
    JobId::new(format!("job-{job}"))
}

/// When a job runs: four of them side by side.
fn time_of(job: i64) -> (i64, i64) {
    let length = HOUR / (JOBS / 4);
    let begin = BEGIN + job / 4 * length;
    (begin, begin + length - 1)
}

fn journal() -> Vec<Arc<Event>> {
    let mut events = vec![(BEGIN, Event::new(EventKind::BuildStart))];
    let jobs = (0..JOBS).map(|job| Job::new(id(job))).collect();
    events.push((BEGIN, Event::new(EventKind::ScriptStart { jobs })));
    for job in 0..JOBS {
        let (begin, end) = time_of(job);
        let mut tell = |at, kind| events.push((at, Event::of_job(&id(job), kind)));
        tell(begin, EventKind::JobQueued { job: None });
        tell(begin, EventKind::JobStart);
        for command in 0..COMMANDS {
            let at = begin + (end - begin) * command / COMMANDS;
            tell(
                at,
                EventKind::CommandStart {
                    command: command.to_string(),
                    stdout: None,
                    stderr: None,
                },
            );
            tell(
                at + 100,
                EventKind::CommandEnd {
                    command: command.to_string(),
                    exit: Some(0),
                    stdout: None,
                    stderr: None,
                },
            );
        }
        tell(
            end,
            EventKind::JobEnd {
                status: Some(JobStatus::Success),
                result: Map::new(),
            },
        );
    }
    events.sort_by_key(|event| event.0);
    let end = Event::new(EventKind::BuildEnd {
        status: Some(BuildStatus::Success),
        build: None,
    });
    events.push((BEGIN + HOUR, end));
    (1..)
        .zip(events)
        .map(|(seq, (at, event))| {
            Arc::new(Event {
                seq,
                time: Some(at),
                ..event
            })
        })
        .collect()
}

fn write_logs(dir: &Path) {
    for job in 0..JOBS {
        let paths = LogPaths::new(dir, &LogId::Job(id(job)).stem());
        let mut writer = LogWriter::create(paths).expect("a folder of our own");
        let (begin, end) = time_of(job);
        for line in 0..LINES {
            let at = begin + (end - begin) * line / LINES;
            let command = line * COMMANDS / LINES;
            let text = format!("\x1b[32mok\x1b[0m {line} - what this line says is of no concern\n");
            writer
                .append(at, Stream::Out, command as u32, text.as_bytes())
                .expect("a folder of our own");
        }
        writer.finish().expect("a folder of our own");
    }
}

/// The interface with the build open, and what reads its logs.
struct Stage {
    state: State,
    ui: Ui,
    buffer: Buffer,
    readers: HashMap<LogId, LogReader>,
    dir: tempfile::TempDir,
    now: i64,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder of our own");
        write_logs(dir.path());
        let now = BEGIN + 2 * HOUR;
        let state = State::new(Setup {
            now,
            size: SIZE,
            utc_offset: 0,
            project: Project {
                name: "app".to_owned(),
                dir: "~/app".to_owned(),
                git: GitInfo::default(),
                script: Script::Missing,
            },
            history: Vec::new(),
            bindings: Bindings::default(),
            mouse: false,
            listed: None,
        });
        let mut stage = Self {
            state,
            ui: Ui::new(Look::default()),
            buffer: Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1)),
            readers: HashMap::new(),
            dir,
            now,
        };
        let sid = Sid::new("local", "app", "local-build-1");
        stage.send(Msg::BuildOpened(Box::new(BuildInfo {
            sid: sid.clone(),
            offers: Offers::default(),
            live: false,
            logs: None,
            again: None,
            place: None,
            replay: None,
        })));
        stage.send(Msg::Source(sid.clone(), SourceItem::Events(journal())));
        stage.send(Msg::SourceEnded(sid));
        stage
    }

    fn send(&mut self, msg: Msg) {
        let mut todo = vec![Msg::Tick(self.now), msg];
        while !todo.is_empty() {
            for msg in std::mem::take(&mut todo) {
                for effect in update(&mut self.state, msg) {
                    if let Effect::ReadLog(request) = effect {
                        todo.push(Msg::LogRows(Box::new(self.read(&request))));
                    }
                }
            }
        }
    }

    fn read(&mut self, request: &LogRequest) -> LogRows {
        let paths = LogPaths::new(self.dir.path(), &request.log.stem());
        let reader = self
            .readers
            .entry(request.log.clone())
            .or_insert_with(|| LogReader::open(paths).expect("a folder of our own"));
        let next = reader
            .show_until(request.until)
            .expect("a folder of our own");
        let total = reader.line_count();
        let first = match request.place {
            LogPlace::End => total.saturating_sub(request.count),
            LogPlace::Line(line) => line.min(total),
        };
        let lines = (first..total.min(first + request.count))
            .map(|number| {
                let meta = reader.line(number).expect("a folder of our own");
                let bytes = reader
                    .read_line(number, usize::MAX)
                    .expect("a folder of our own");
                LogLine {
                    line: render(&bytes, request.columns),
                    stream: meta.stream,
                    ms: meta.ms,
                }
            })
            .collect();
        LogRows {
            generation: request.generation,
            total,
            bytes: reader.len_bytes(),
            sections: reader.sections(),
            first,
            lines,
            next,
        }
    }

    fn go_to(&mut self, moment: String) {
        self.send(Msg::Action(Action::GoTo));
        self.send(Msg::Edit(Edit::Insert(moment)));
        self.send(Msg::Edit(Edit::Submit));
        self.ui.draw(&self.state, &mut self.buffer);
    }
}

/// Places that are far from each other, and never the same.
fn anywhere() -> impl FnMut() -> u64 {
    let mut at = 0_u64;
    move || {
        at = at
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (at >> 33) % 10_000
    }
}

/// A moment is typed; its jobs, its log (of the job that runs then) and the row below are drawn.
#[divan::bench(sample_count = 200, sample_size = 1)]
fn to_any_moment_and_draw_it(bencher: Bencher) {
    let mut stage = Stage::new();
    let mut next = anywhere();
    stage.go_to("start".to_owned());
    bencher.bench_local(|| {
        let at = next();
        stage.go_to(format!("{}.{:02}%", at / 100, at % 100));
    });
}

/// The same, and the log of a job that ran then is opened for the first time.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn to_any_job_and_draw_its_log(bencher: Bencher) {
    let mut stage = Stage::new();
    let mut next = anywhere();
    stage.go_to("start".to_owned());
    bencher.bench_local(|| {
        stage.readers.clear();
        let job = next().cast_signed() % JOBS;
        stage.go_to(format!("job-{job}"));
        stage.go_to("+30s".to_owned());
    });
}

/// The first look at the past: every event is folded once, copies are kept.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn fold_with_copies(bencher: Bencher) {
    let events = journal();
    bencher.bench_local(|| {
        let mut snapshots = Snapshots::new(0, Build::default());
        snapshots.seek(events.len(), |place| {
            events.get(place).map(|event| &**event)
        })
    });
}
