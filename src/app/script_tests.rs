//! The script's own row and log.

use crate::domain::{BuildStatus, Event, EventKind, Job, JobStatus, LogId};
use crate::ports::SourceItem;

use super::build_view::Selected;
use super::fixtures::{self, Stage, sid};
use super::msg::{Effect, Msg};
use super::state::MainView;
use super::why;

const SIZE: (u16, u16) = (100, 30);

fn lines_in_sight(stage: &Stage) -> Vec<String> {
    let log = stage.state.log().expect("a log is shown");
    log.lines_in_sight(stage.state.geometry())
        .filter_map(|number| log.line(number))
        .map(|line| line.line.text())
        .collect()
}

#[test]
fn the_row_comes_with_the_host_and_the_selection_stays_on_its_job() {
    let mut stage = fixtures::running(SIZE);
    let before = stage.state.view().selected.clone();
    let (rows, place) = (stage.state.view().rows(), stage.state.view().place());
    stage.tell(fixtures::host("clojure", "there is a build.clj"));
    assert_eq!(stage.state.view().rows(), rows + 1);
    assert_eq!(stage.state.view().place(), place + 1);
    assert_eq!(stage.state.view().selected, before);
    stage.press("g j");
    assert_eq!(stage.state.view().selected, Selected::Script);
    stage.press("j");
    let first = stage.state.view().order[0].clone();
    assert_eq!(stage.state.view().selected, Selected::Job(first));
}

#[test]
fn the_log_is_shown_live_and_can_be_searched_and_saved() {
    let mut stage = fixtures::hosted(SIZE);
    stage.press("g j enter");
    assert_eq!(stage.state.main_view(), MainView::Log);
    assert_eq!(lines_in_sight(&stage).len(), 2);
    stage.script_writes("one more");
    assert_eq!(lines_in_sight(&stage)[2], "one more");
    stage.press("ctrl-s");
    stage.send(Msg::Edit(super::Edit::Submit));
    let saved = stage.effects.pop();
    let Some(Effect::SaveLog(_, log, to)) = saved else {
        panic!("{saved:?}");
    };
    assert_eq!((log, to.as_path()), (LogId::Script, "script.log".as_ref()));
}

#[test]
fn a_job_called_as_the_scripts_file_keeps_its_own_log() {
    let mut stage = fixtures::hosted(SIZE);
    let stem = LogId::Script.stem();
    stage.tell(Event::new(EventKind::ScriptStart {
        jobs: vec![Job::new(stem.as_str())],
    }));
    stage.begin(&stem);
    stage.write(&stem, 0, "of the job");
    stage.press("G");
    assert_eq!(
        stage.state.view().selected,
        Selected::Job(stem.as_str().into())
    );
    assert_eq!(lines_in_sight(&stage), ["of the job"]);
    stage.press("g j");
    assert!(!lines_in_sight(&stage).contains(&"of the job".to_owned()));
    // News of the one's log is no news of the other's.
    stage.send(Msg::Source(
        sid(),
        SourceItem::LogGrew(LogId::from(stem.as_str())),
    ));
    assert_eq!(lines_in_sight(&stage).len(), 2);
}

#[test]
fn a_load_error_selects_the_script_and_shows_where_it_is() {
    let stage = fixtures::load_error(SIZE);
    assert_eq!(stage.state.view().selected, Selected::Script);
    assert_eq!(stage.state.main_view(), MainView::Log);
    let shown = lines_in_sight(&stage);
    assert!(
        shown.iter().any(|line| line.starts_with("build.clj:5:2: ")),
        "{shown:?}"
    );
    let log = stage.state.log().unwrap();
    assert_eq!(log.outline.remarks().concat(), "", "it is in the log");
}

#[test]
fn a_script_that_was_read_has_done_its_part_however_its_jobs_end() {
    let mut stage = fixtures::failed(SIZE);
    let status = Some(BuildStatus::Error);
    stage.tell(Event::new(EventKind::ScriptEnd { status }));
    let build = &stage.state.view().build;
    assert_eq!(why::script_status(build), JobStatus::Success);
}

#[test]
fn a_job_that_fails_matters_more_than_the_script() {
    let mut stage = fixtures::failed(SIZE);
    let before = stage.state.view().selected.clone();
    stage.tell(fixtures::host("clojure", "there is a build.clj"));
    assert_eq!(stage.state.view().selected, before);
    assert_ne!(before, Selected::Script);
}

#[test]
fn a_rerun_of_the_script_is_one_of_the_build() {
    let mut stage = fixtures::load_error(SIZE);
    stage.press("r");
    let asked = stage.effects.iter().find_map(|effect| match effect {
        Effect::StartBuild(request) => Some(request.again.clone()),
        _ => None,
    });
    assert_eq!(asked, Some(crate::domain::Again::All));
}
