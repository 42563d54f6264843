//! The past of a build: that a moment is shown as it was, and what the keys of a replay do.

use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::config::Look;
use crate::domain::{BuildStatus, Event, EventKind, JobStatus, Millis};
use crate::edn::{Map, Value};
use crate::ports::SourceItem;
use crate::ui::Ui;

use super::fixtures::{self, Stage};
use super::playback::{Replay, Speed};
use super::*;

const SIZE: (u16, u16) = (100, 40);

/// The header, the jobs and the main pane, as text with the colours of each cell: what shows a moment.
fn shown(stage: &Stage) -> Vec<String> {
    let (width, height) = stage.state.size;
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    Ui::new(Look::default()).draw(&stage.state, &mut buffer);
    let areas = stage.state.areas();
    let mut rows = Vec::new();
    for area in [Some(areas.header), areas.jobs, areas.main]
        .into_iter()
        .flatten()
    {
        for y in area.top()..area.bottom() {
            let cells = (area.left()..area.right()).map(|x| &buffer[(x, y)]);
            let text: String = cells.clone().map(ratatui::buffer::Cell::symbol).collect();
            let styles: Vec<_> = cells
                .map(|cell| (cell.fg, cell.bg, cell.modifier))
                .collect();
            rows.push(format!("{}{styles:?}", text.trim_end()));
        }
    }
    rows
}

/// The text of the row that says which moment is shown.
fn scrubber(stage: &Stage) -> String {
    let (width, height) = stage.state.size;
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    Ui::new(Look::default()).draw(&stage.state, &mut buffer);
    let area = stage.state.areas().scrubber.expect("the past is shown");
    let cells = (area.left()..area.right()).map(|x| buffer[(x, area.y)].symbol());
    cells.collect::<String>().trim_end().to_owned()
}

fn notice(stage: &Stage) -> String {
    let notice = stage.state.notice.as_ref();
    notice.map(|notice| notice.text.clone()).unwrap_or_default()
}

/// A build that was over when it was opened.
fn recorded() -> Stage {
    let mut stage = fixtures::failed(SIZE);
    stage.wait(500_000);
    stage
}

fn shown_second(stage: &Stage) -> Millis {
    let view = stage.state.view();
    let playback = view.playback.as_ref().expect("the past is shown");
    (playback.at() - playback.begin()) / 1000
}

/// Something that happens in a build.
#[derive(Debug, Clone)]
enum Step {
    Begin(usize),
    CommandBegins(usize),
    Line(usize, String),
    CommandEnds(usize, i64),
    End(usize, JobStatus),
    Pause,
}

const JOBS: [&str; 4] = ["configure", "lint", "docs", "compile"];

fn step() -> impl Strategy<Value = Step> {
    let job = 0..JOBS.len();
    prop_oneof![
        2 => job.clone().prop_map(Step::Begin),
        2 => job.clone().prop_map(Step::CommandBegins),
        6 => (job.clone(), "!?[a-z ]{1,20}|error: [a-z]{3}").prop_map(|(job, line)| Step::Line(job, line)),
        2 => (job.clone(), 0..2_i64).prop_map(|(job, exit)| Step::CommandEnds(job, exit)),
        1 => (job, prop::sample::select(vec![JobStatus::Success, JobStatus::Failure]))
            .prop_map(|(job, status)| Step::End(job, status)),
        2 => Just(Step::Pause),
    ]
}

fn take(stage: &mut Stage, step: &Step) {
    match step {
        Step::Begin(job) => stage.begin(JOBS[*job]),
        Step::CommandBegins(job) => stage.command_begins(JOBS[*job], 0),
        Step::Line(job, line) => stage.write(JOBS[*job], 0, line),
        Step::CommandEnds(job, exit) => stage.job(
            JOBS[*job],
            EventKind::CommandEnd {
                command: "0".to_owned(),
                exit: Some(*exit),
                stdout: None,
                stderr: None,
            },
        ),
        Step::End(job, status) => stage.end(JOBS[*job], status.clone()),
        Step::Pause => stage.wait(1700),
    }
}

fn begun() -> Stage {
    let mut stage = Stage::new(SIZE);
    stage.open(true);
    let git = Value::map([
        ("branch", "main".into()),
        ("message", "Add the parser".into()),
    ]);
    let build = Map::from_iter([(Value::kw("git"), git)]);
    stage.tell(Event::new(EventKind::BuildPending { build }));
    stage.tell(Event::new(EventKind::BuildStart));
    let jobs = fixtures::jobs();
    stage.tell(Event::new(EventKind::ScriptStart { jobs }));
    // What the fixture says besides the events.
    let view = stage.state.view_mut();
    view.build = crate::domain::Build::fold(view.events.kept());
    stage
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_moment_is_shown_as_it_was(
        steps in prop::collection::vec(step(), 1..60),
        down in 1..6_usize,
        view in prop::sample::select(vec!["1", "8", "9", "5"]),
        wrap in any::<bool>(),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..50),
    ) {
        let mut stage = begun();
        let keys = format!("{} {view} {}", "j ".repeat(down), if wrap { "w" } else { "" });
        stage.press(&keys);
        let mut live = Vec::new();
        for step in &steps {
            take(&mut stage, step);
            live.push((stage.now, shown(&stage)));
            stage.wait(3);
        }
        stage.end_build(BuildStatus::Error);
        stage.wait(100_000);
        // The row that says which moment is shown is one more.
        stage.send(Msg::Resize(SIZE.0, SIZE.1 + 1));
        stage.press("p p");
        for pick in picks {
            let (at, live) = &live[pick.index(live.len())];
            go_to(&mut stage, *at);
            let replayed = shown(&stage);
            for (replayed, live) in replayed.iter().zip(live) {
                prop_assert_eq!(replayed, live);
            }
        }
        // And the present is still what it was.
        stage.press("P");
        prop_assert!(stage.state.view().playback.is_none());
        let view = stage.state.view();
        prop_assert_eq!(&view.build, &crate::domain::Build::fold(view.events.kept()));
    }
}

/// To a time, which no key spells in milliseconds.
fn go_to(stage: &mut Stage, at: Millis) {
    let playback = stage.state.view().playback.as_ref().unwrap();
    let (begin, end) = (playback.begin(), playback.end());
    let percent = (at - begin) as f64 * 100.0 / (end - begin).max(1) as f64;
    // A hair more, so that it is not cut to the millisecond before.
    let percent = (percent + 1e-9).min(100.0);
    type_moment(stage, &format!("{percent:.12}%"));
    let shown = stage.state.view().moment().unwrap();
    assert_eq!(shown, at);
}

fn type_moment(stage: &mut Stage, text: &str) {
    stage.press("@");
    stage.send(Msg::Edit(Edit::Insert(text.to_owned())));
    stage.send(Msg::Edit(Edit::Submit));
}

#[test]
fn p_plays_a_recording_from_its_start_and_holds_it() {
    let mut stage = recorded();
    stage.press("p");
    assert!(
        scrubber(&stage).starts_with(" ▶ ×1     0:00 / 0:08"),
        "{}",
        scrubber(&stage)
    );
    let due = stage.state.wakes_in(stage.now).expect("it plays");
    assert!(due <= 1001, "{due}");
    stage.wait(2000);
    assert_eq!(shown_second(&stage), 2);
    let running = stage.state.view().build.jobs_done();
    assert!(running < 9);
    stage.press("p");
    assert!(scrubber(&stage).starts_with(" ‖ ×1     0:02"));
    assert_eq!(stage.state.wakes_in(stage.now), None, "nothing moves");
    stage.wait(5000);
    assert_eq!(shown_second(&stage), 2);
    stage.press(") ) p");
    stage.wait(600);
    assert_eq!(shown_second(&stage), 5);
    stage.wait(60_000);
    assert_eq!(shown_second(&stage), 8);
    assert!(scrubber(&stage).starts_with(" ‖ ×5     0:08"));
    assert_eq!(stage.state.wakes_in(stage.now), None, "it is over");
    // From its end it begins anew.
    stage.press("p");
    assert_eq!(shown_second(&stage), 0);
    stage.press("P");
    assert!(stage.state.areas().scrubber.is_none());
}

#[test]
fn steps_go_through_the_events_one_by_one() {
    let mut stage = recorded();
    let all = stage.state.view().build.clone();
    let count = stage.state.view().events.kept().count();
    for number in (1..count).rev() {
        stage.press(",");
        let view = stage.state.view();
        assert_eq!(view.build.last_seq, number as u64);
        assert!(
            notice(&stage).starts_with(&format!("event {number}: ")),
            "{}",
            notice(&stage)
        );
    }
    stage.press(", , , ,");
    assert!(stage.state.view().build.jobs().is_empty());
    for _ in 0..count {
        stage.press(".");
    }
    let view = stage.state.view();
    assert_eq!(view.build.jobs(), all.jobs());
}

#[test]
fn marks_are_where_jobs_begin_and_end() {
    let mut stage = recorded();
    type_moment(&mut stage, "start");
    let mut seen = vec![stage.state.view().moment().unwrap()];
    loop {
        stage.press(">");
        let at = stage.state.view().moment().unwrap();
        if seen.contains(&at) {
            break;
        }
        seen.push(at);
    }
    let present = stage.state.view().present();
    for job in present.jobs().iter().filter(|job| job.start_time.is_some()) {
        for time in [job.start_time, job.end_time].into_iter().flatten() {
            assert!(seen.contains(&time), "{}", job.id());
        }
    }
    for at in seen.iter().rev().skip(1) {
        stage.press("<");
        assert_eq!(stage.state.view().moment().unwrap(), *at);
    }
}

#[test]
fn what_is_selected_leads_to_its_moment() {
    let mut stage = recorded();
    // The first failed job is selected, at its error.
    stage.press("1 H");
    let line = "not ok 5 - divides";
    let screen = shown(&stage).join("\n");
    assert!(
        screen.contains(line) && !screen.contains("assertion failed"),
        "{screen}"
    );
    // A job, among the jobs.
    stage.press("P esc H");
    let view = stage.state.view();
    assert_eq!(
        view.moment(),
        view.present().job(&"unit-tests".into()).unwrap().start_time
    );
    // An event, among the events.
    stage.press("P 8 g j j j H");
    assert_eq!(stage.state.view().build.last_seq, stage_event(&stage));
}

fn stage_event(stage: &Stage) -> u64 {
    let view = stage.state.view();
    let row = view.events.selected(&view.selected);
    view.events.event(&view.selected, row).unwrap().seq
}

#[test]
fn a_search_finds_only_what_was_written_until_then() {
    let mut stage = recorded();
    type_moment(&mut stage, "failure");
    stage.press("1 ,");
    for _ in 0..12 {
        stage.press(",");
    }
    stage.press("/");
    stage.send(Msg::Edit(Edit::Insert("divides".to_owned())));
    stage.send(Msg::Edit(Edit::Submit));
    let asked = stage.state.view().moment();
    assert!(asked.is_some());
    assert_eq!(stage.state.log().unwrap().mark, None);
}

#[test]
fn a_moment_that_is_none_says_so() {
    let mut stage = recorded();
    type_moment(&mut stage, "yesterday");
    assert!(
        notice(&stage).contains("is no moment"),
        "{}",
        notice(&stage)
    );
    type_moment(&mut stage, "unit");
    let view = stage.state.view();
    assert_eq!(
        view.moment(),
        view.present().job(&"unit-tests".into()).unwrap().start_time
    );
    // Where there is no build there is no past.
    let mut stage = Stage::new(SIZE);
    stage.press("p");
    assert!(notice(&stage).contains("no build is shown"));
}

#[test]
fn a_running_build_is_held_rewound_and_caught_up() {
    let mut stage = fixtures::running(SIZE);
    stage.press("p");
    assert!(notice(&stage).contains("held"), "{}", notice(&stage));
    let held = shown(&stage);
    stage.wait(5000);
    stage.write("docs", 0, "one page");
    stage.end("docs", JobStatus::Success);
    assert_eq!(shown(&stage), held, "nothing moves while it is held");
    // What concerns the present is not done to the past.
    stage.press("A");
    assert!(notice(&stage).contains("the past"), "{}", notice(&stage));
    assert!(stage.state.view().runs());
    type_moment(&mut stage, "start");
    assert!(stage.state.view().build.jobs().is_empty());
    // It plays faster than time goes, and meets the present.
    stage.press(") ) p");
    for _ in 0..100 {
        stage.wait(100);
    }
    assert!(stage.state.view().playback.is_none());
    assert!(notice(&stage).contains("caught up"));
    let docs = stage.state.view().build.job(&"docs".into()).unwrap();
    assert_eq!(docs.status, JobStatus::Success);
    // The end is not missed while the past is looked at.
    stage.press(", , ,");
    stage.end_build(BuildStatus::Success);
    assert!(!stage.state.view().runs());
    assert!(!stage.state.view().build.is_over());
    assert!(summary(&stage.state).contains("runs") || !summary(&stage.state).is_empty());
    stage.press("P");
    assert!(stage.state.view().build.is_over());
}

#[test]
fn the_program_is_left_in_the_present() {
    let mut stage = recorded();
    stage.state.view_mut().watched = true;
    let present = summary(&stage.state);
    type_moment(&mut stage, "start");
    stage.press("q");
    assert_eq!(summary(&stage.state), present);
}

#[test]
fn silences_are_skipped() {
    let mut stage = Stage::new(SIZE);
    stage.open(true);
    stage.tell(Event::new(EventKind::BuildStart));
    stage.tell(Event::new(EventKind::ScriptStart {
        jobs: fixtures::jobs(),
    }));
    stage.begin("configure");
    stage.wait(3_600_000);
    stage.end("configure", JobStatus::Success);
    stage.end_build(BuildStatus::Success);
    stage.press("p Z");
    assert!(
        scrubber(&stage).contains("0:00:00 / 1:00:00 skip"),
        "{}",
        scrubber(&stage)
    );
    stage.wait(50);
    assert_eq!(shown_second(&stage), 3599);
    stage.wait(400);
    assert!(stage.state.view().build.is_over());
}

#[test]
fn a_build_can_be_opened_to_be_played() {
    let played = recorded();
    let events: Vec<_> = {
        let view = played.state.view();
        view.events
            .kept()
            .map(|event| std::sync::Arc::new(event.clone()))
            .collect()
    };
    let mut stage = Stage::new(SIZE);
    let info = BuildInfo {
        live: false,
        replay: Some(Replay {
            speed: "10".parse::<Speed>().unwrap(),
            from: Some("compile".to_owned()),
            playing: true,
            skip: false,
        }),
        ..played.state.view().info.clone()
    };
    let sid = info.sid.clone();
    stage.send(Msg::BuildOpened(Box::new(info)));
    stage.send(Msg::Source(sid.clone(), SourceItem::Events(events)));
    stage.send(Msg::Source(sid.clone(), SourceItem::CaughtUp));
    stage.send(Msg::SourceEnded(sid));
    let began = stage
        .state
        .view()
        .present()
        .job(&"compile".into())
        .unwrap()
        .start_time;
    assert_eq!(stage.state.view().moment(), began);
    assert!(
        scrubber(&stage).starts_with(" ▶ ×10 "),
        "{}",
        scrubber(&stage)
    );
}

#[test]
fn a_click_on_the_scrubber_goes_there() {
    let mut stage = recorded();
    stage.press("p p");
    let area = layout::track(stage.state.areas().scrubber.unwrap());
    stage.send(Msg::Click(area.right() - 1, area.y));
    assert_eq!(shown_second(&stage), 8);
    stage.send(Msg::Click(area.x, area.y));
    assert_eq!(shown_second(&stage), 0);
    stage.send(Msg::Click(area.x + area.width / 2, area.y));
    assert_eq!(shown_second(&stage), 4);
}
