//! The pictures of the README: the interface itself, shown a recorded build at fixed times.
//!
//! Nothing is painted by hand: the recording's events and the logs as they were at a moment
//! go through the same reducer and the same drawing as in a terminal. The recording has no named
//! results; the picture of those is of the sample build that the tests of the interface use.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::fixtures::{self, Line, Stage};
use crate::app::{BuildInfo, Edit, HistoryItem, Msg, Project, Script};
use crate::config;
use crate::domain::{Build, BuildStatus, Event, EventKind, LogId, Millis, Sid};
use crate::journal::Journal;
use crate::logs::{LogPaths, LogReader, NO_COMMAND};
use crate::ports::{Offers, SourceItem};
use crate::store::BuildFolder;
use crate::ui::{Ui, svg};

use super::error::{Exit, UserError};

/// Columns and rows of the pictures.
const SIZE: (u16, u16) = (112, 32);
/// Time of the build between two frames of the animation.
const STEP: Millis = 250;
/// How long a frame is shown, in milliseconds.
const FRAME: u64 = 160;
/// How long the last frame is shown.
const LAST: u64 = 6_000;

/// Draws them all from a recorded build.
pub(super) fn draw(from: &Path, to: &Path) -> Result<Exit, UserError> {
    let recording = Recording::read(from)?;
    for (name, picture) in pictures(&recording) {
        let path = to.join(name);
        std::fs::write(&path, picture)
            .map_err(|error| UserError::new(format!("cannot write {}: {error}", path.display())))?;
        println!("{}", path.display());
    }
    Ok(Exit::Success)
}

/// File names and contents.
fn pictures(recording: &Recording) -> Vec<(&'static str, String)> {
    let still = |show: &dyn Fn(&mut Show)| {
        let mut screen = Show::new(recording);
        show(&mut screen);
        svg::svg(&screen.shot())
    };
    let all = recording.end();
    vec![
        ("demo.svg", animation(recording)),
        (
            "running.svg",
            still(&|show| show.play_until(recording.begin + 6_200)),
        ),
        ("failed.svg", still(&|show| show.play_until(all))),
        (
            "log-search.svg",
            still(&|show| {
                show.play_until(all);
                show.stage.press("/");
                show.types("assertion");
                show.stage.press("n n");
            }),
        ),
        (
            "artifacts.svg",
            still(&|show| {
                show.play_until(all);
                show.stage.press("g");
                show.stage.press("5");
            }),
        ),
        (
            "events.svg",
            still(&|show| {
                show.play_until(all);
                show.stage.press("g");
                show.stage.press("8");
            }),
        ),
        ("results.svg", {
            // The recording has none: the sample build of the interface's tests has.
            let mut stage = fixtures::with_results(SIZE);
            stage.press("g 6");
            svg::svg(&drawn(&stage))
        }),
        (
            "help.svg",
            still(&|show| {
                show.play_until(all);
                show.stage.press("?");
            }),
        ),
        (
            "replay.svg",
            still(&|show| {
                show.play_until(all);
                show.stage.press("@");
                show.types("44%");
                show.stage.press("p )");
            }),
        ),
        ("project.svg", still(&|_| {})),
    ]
}

/// A build from its start to its failure to the cause.
fn animation(recording: &Recording) -> String {
    let mut show = Show::new(recording);
    let mut frames = vec![(1_200, show.shot())];
    let mut at = recording.begin;
    while at < recording.end() {
        at += STEP;
        show.play_until(at);
        frames.push((FRAME, show.shot()));
    }
    if let Some(last) = frames.last_mut() {
        last.0 = LAST;
    }
    svg::animated_svg(&frames)
}

/// A recorded build, whole.
struct Recording {
    sid: Sid,
    events: Vec<Arc<Event>>,
    logs: HashMap<LogId, Vec<RecordedLine>>,
    begin: Millis,
}

/// A line and when each part of it came.
struct RecordedLine {
    line: Line,
    parts: Vec<(Millis, Vec<u8>)>,
}

impl Recording {
    fn read(from: &Path) -> Result<Self, UserError> {
        let folder = BuildFolder::of_path(from);
        let journal = Journal::read(&folder.journal).map_err(|error| UserError::of(&error))?;
        let events = journal.events();
        let build = Build::fold(events.iter().map(|event| &**event));
        let mut logs = HashMap::new();
        let jobs = build.jobs().iter().map(|job| job.id().clone().into());
        for id in jobs.chain([LogId::Script]) {
            let paths = LogPaths::new(&folder.logs, &id.stem());
            let reader = LogReader::open(paths).map_err(|error| UserError::of(&error))?;
            let lines = (0..reader.line_count())
                .map(|number| recorded_line(&reader, number))
                .collect::<std::io::Result<Vec<_>>>()
                .map_err(|error| UserError::new(format!("cannot read a log: {error}")))?;
            logs.insert(id, lines);
        }
        Ok(Self {
            sid: journal.sid().clone(),
            begin: build.created.unwrap_or_default(),
            events,
            logs,
        })
    }

    fn end(&self) -> Millis {
        self.events.last().map_or(self.begin, |event| event.at()) + 400
    }

    fn build(&self) -> Build {
        Build::fold(self.events.iter().map(|event| &**event))
    }

    /// The project as its script defines it, with its jobs in the order of the script.
    fn project(&self) -> Project {
        let build = self.build();
        let jobs = self
            .events
            .iter()
            .find_map(|event| match &event.kind {
                EventKind::ScriptStart { jobs } => Some(jobs.clone()),
                _ => None,
            })
            .unwrap_or_default();
        Project {
            name: self.sid.repo.clone(),
            dir: "~/src/reflow".to_owned(),
            git: build.git,
            script: Script::Loaded {
                jobs,
                clojure: false,
                warnings: Vec::new(),
            },
        }
    }

    /// The logs as they were at a moment.
    fn logs_at(&self, at: Millis) -> HashMap<LogId, Vec<Line>> {
        self.logs
            .iter()
            .map(|(id, lines)| {
                let lines =
                    lines
                        .iter()
                        .filter(|recorded| recorded.line.ms <= at)
                        .map(|recorded| {
                            let bytes = recorded
                                .parts
                                .iter()
                                .filter(|(ms, _)| *ms <= at)
                                .flat_map(|(_, bytes)| bytes.iter().copied())
                                .collect();
                            Line {
                                bytes,
                                ..recorded.line.clone()
                            }
                        });
                (id.clone(), lines.collect())
            })
            .collect()
    }
}

fn recorded_line(reader: &LogReader, number: usize) -> std::io::Result<RecordedLine> {
    let meta = reader.line(number)?;
    let mut parts: Vec<(Millis, Vec<u8>)> = Vec::new();
    for piece in reader.pieces(number)? {
        let mut at = piece.start;
        while at < piece.end {
            let chunk = reader.chunk_at(at);
            let until = chunk.map_or(piece.end, |chunk| {
                (chunk.offset + u64::from(chunk.len))
                    .min(piece.end)
                    .max(at + 1)
            });
            let length = usize::try_from(until - at).unwrap_or(usize::MAX);
            let mut bytes = reader.read_bytes(at, length)?;
            bytes.retain(|byte| *byte != b'\n');
            let ms = chunk.and_then(|chunk| chunk.ms).or(meta.ms);
            parts.push((ms.unwrap_or_default(), bytes));
            at = until;
        }
    }
    Ok(RecordedLine {
        line: Line {
            command: if meta.command == NO_COMMAND {
                NO_COMMAND
            } else {
                meta.command
            },
            stream: meta.stream,
            ms: meta.ms.unwrap_or_default(),
            bytes: Vec::new(),
        },
        parts,
    })
}

/// The interface, shown a recording.
struct Show<'a> {
    recording: &'a Recording,
    stage: Stage,
    /// Events that were told.
    told: usize,
}

impl<'a> Show<'a> {
    /// The project, before the build is started.
    fn new(recording: &'a Recording) -> Self {
        let mut stage = Stage::with_project(SIZE, recording.project());
        stage.now = recording.begin - 1_000;
        let before = |number: i64, status, seconds: i64| HistoryItem {
            sid: Sid::new(
                "local",
                recording.sid.repo.clone(),
                format!("local-build-{}", recording.begin - number * 1_740_000),
            ),
            status,
            start: Some(recording.begin - number * 1_740_000),
            duration: Some(seconds * 1_000),
            branch: Some("main".to_owned()),
            commit: None,
            message: None,
        };
        stage.send(Msg::History(vec![
            before(1, BuildStatus::Success, 23),
            before(2, BuildStatus::Success, 22),
            before(5, BuildStatus::Canceled, 9),
            before(6, BuildStatus::Success, 24),
        ]));
        Self {
            recording,
            stage,
            told: 0,
        }
    }

    /// Types a line, and ends it.
    fn types(&mut self, text: &str) {
        for letter in text.chars() {
            self.stage.send(Msg::Edit(Edit::Insert(letter.to_string())));
        }
        self.stage.send(Msg::Edit(Edit::Submit));
    }

    /// Tells the build up to a moment.
    fn play_until(&mut self, at: Millis) {
        let sid = self.recording.sid.clone();
        if self.told == 0 {
            self.stage.now = self.recording.begin;
            self.stage.send(Msg::BuildOpened(Box::new(BuildInfo {
                sid: sid.clone(),
                offers: Offers {
                    cancel: true,
                    unblock: true,
                    owned: true,
                    copy: false,
                },
                live: true,
                logs: None,
                again: None,
                place: Some("~/src/reflow".to_owned()),
                replay: None,
            })));
        }
        let events = &self.recording.events;
        let mut moments: Vec<Millis> = events[self.told..].iter().map(|event| event.at()).collect();
        moments.retain(|moment| *moment <= at);
        moments.push(at);
        moments.dedup();
        // One by one, as they came: what is followed depends on it.
        for moment in moments {
            let until = events
                .partition_point(|event| event.at() <= moment)
                .max(self.told);
            self.stage.now = moment;
            self.stage.logs = self.recording.logs_at(moment);
            let batch = events[self.told..until].to_vec();
            self.told = until;
            if !batch.is_empty() {
                self.stage
                    .send(Msg::Source(sid.clone(), SourceItem::Events(batch)));
            }
        }
        let logs: Vec<LogId> = self.stage.logs.keys().cloned().collect();
        for log in logs {
            self.stage
                .send(Msg::Source(sid.clone(), SourceItem::LogGrew(log)));
        }
    }

    fn shot(&self) -> Buffer {
        drawn(&self.stage)
    }
}

fn drawn(stage: &Stage) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
    Ui::new(config::Look::default()).draw(&stage.state, &mut buffer);
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pictures_of_the_readme_are_what_the_program_shows() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let recording = Recording::read(&root.join("tests/recordings/demo-failing")).unwrap();
        for (name, picture) in pictures(&recording) {
            let there =
                std::fs::read_to_string(root.join("screenshots").join(name)).unwrap_or_default();
            assert!(
                there == picture,
                "{name} is not what the program draws now: monkeyci-tui screenshots --from \
                 tests/recordings/demo-failing screenshots"
            );
            assert!(
                picture.len() <= 2 << 20,
                "{name} has {} bytes",
                picture.len()
            );
        }
    }
}
