//! The reducer: each action, each kind of news, and a long random walk.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::config::Look;
use crate::domain::{
    Again, BlobKind, BuildStatus, Event, EventKind, Job, JobId, JobStatus, Sid, TuiEvent,
};
use crate::edn::Map;
use crate::ports::Control;
use crate::ui::Ui;

use super::build_view::Selected;
use super::fixtures::{self, Stage};
use super::state::{Dialog, MainView, Tab, Times};
use super::*;

const SIZE: (u16, u16) = (100, 30);

fn selected(stage: &Stage) -> String {
    match &stage.state.view().selected {
        Selected::Build => "the build".to_owned(),
        Selected::Script => "the script".to_owned(),
        Selected::Job(id) => id.to_string(),
    }
}

fn notice(stage: &Stage) -> String {
    stage
        .state
        .notice
        .as_ref()
        .map(|notice| notice.text.clone())
        .unwrap_or_default()
}

/// The effects that nobody on stage carried out, and none any more.
fn effects(stage: &mut Stage) -> Vec<Effect> {
    std::mem::take(&mut stage.effects)
}

fn in_sight(stage: &Stage) -> Vec<String> {
    let geometry = stage.state.geometry();
    let log = stage.state.log().expect("a log is shown");
    log.rows(geometry)
        .into_iter()
        .map(|row| match row.item {
            Item::Line(number) => log
                .line(number)
                .map_or("?".to_owned(), |line| line.line.text()),
            Item::Heading(heading, _) => format!("${}", heading.command),
            Item::Remark(_) => "=".to_owned(),
        })
        .collect()
}

/// A running job with a long log, selected, its pane focused.
fn reading(lines: usize) -> Stage {
    let mut stage = fixtures::running(SIZE);
    for number in 0..lines {
        stage.write("fuzz", 0, &format!("line {number}"));
    }
    stage.press("G k k k enter");
    assert_eq!(selected(&stage), "fuzz");
    assert_eq!(stage.state.focus, Pane::Main);
    effects(&mut stage);
    stage
}

// ---------------------------------------------------------------- moving

#[test]
fn the_selection_moves_through_all_rows_and_stops_at_the_ends() {
    let mut stage = Stage::new(SIZE);
    assert_eq!(selected(&stage), "the build");
    stage.press("j");
    assert_eq!(selected(&stage), "configure");
    stage.press("G");
    assert_eq!(selected(&stage), "release");
    stage.press("j ctrl-d pgdn down");
    assert_eq!(selected(&stage), "release");
    stage.press("g k up ctrl-u pgup");
    assert_eq!(selected(&stage), "the build");
}

#[test]
fn tab_goes_round_the_panes_and_enter_and_esc_go_in_and_out() {
    let mut stage = fixtures::running(SIZE);
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(stage.state.focus);
        stage.press("tab");
    }
    assert_eq!(seen, [Pane::Jobs, Pane::Builds, Pane::Main]);
    assert_eq!(stage.state.focus, Pane::Jobs);
    stage.press("enter");
    assert_eq!(stage.state.focus, Pane::Main);
    stage.press("esc");
    assert_eq!(stage.state.focus, Pane::Jobs);
    stage.press("l");
    assert_eq!(stage.state.focus, Pane::Main);
    stage.press("h");
    assert_eq!(stage.state.focus, Pane::Jobs);
    assert!(
        effects(&mut stage).is_empty(),
        "going about asks for nothing"
    );
}

#[test]
fn esc_never_quits() {
    let mut stage = fixtures::failed(SIZE);
    stage.press("enter f / esc esc esc esc esc esc esc");
    assert!(
        !effects(&mut stage)
            .iter()
            .any(|effect| matches!(effect, Effect::Quit(_)))
    );
}

#[test]
fn numbers_choose_what_the_main_pane_shows() {
    let mut stage = fixtures::failed(SIZE);
    stage.press("5");
    assert_eq!(stage.state.main_view(), MainView::Artifacts);
    assert_eq!(stage.state.tab, Tab::Artifacts);
    assert_eq!(stage.state.blobs().len(), 1);
    stage.press("1");
    assert_eq!(stage.state.main_view(), MainView::Log);
}

#[test]
fn a_pane_fills_the_screen_and_goes_back() {
    let mut stage = fixtures::running(SIZE);
    stage.press("enter f");
    assert_eq!(stage.state.areas().jobs, None);
    assert!(stage.state.geometry().columns > 90);
    stage.press("q");
    assert!(
        stage.state.areas().jobs.is_some(),
        "q goes back before it quits"
    );
    assert!(effects(&mut stage).is_empty());
}

#[test]
fn braces_go_from_failed_job_to_failed_job() {
    let mut stage = fixtures::running(SIZE);
    stage.end("lint", JobStatus::Failure);
    stage.end("docs", JobStatus::Error);
    stage.press("g }");
    let first = selected(&stage);
    stage.press("}");
    let second = selected(&stage);
    stage.press("}");
    assert_eq!(selected(&stage), first, "round and round");
    stage.press("{");
    assert_eq!(selected(&stage), second);
    assert_ne!(first, second);
}

// ---------------------------------------------------------------- logs

#[test]
fn a_followed_log_keeps_its_end_in_sight() {
    let mut stage = reading(200);
    assert_eq!(in_sight(&stage).last().unwrap(), "line 199");
    stage.write("fuzz", 0, "the latest");
    assert_eq!(in_sight(&stage).last().unwrap(), "the latest");
}

#[test]
fn scrolling_up_pauses_and_new_lines_move_nothing() {
    let mut stage = reading(200);
    stage.press("k k k");
    let before = in_sight(&stage);
    for number in 0..50 {
        stage.write("fuzz", 0, &format!("new {number}"));
    }
    assert_eq!(in_sight(&stage), before);
    assert_eq!(stage.state.log().unwrap().since(), 50);
    stage.press("G");
    assert_eq!(in_sight(&stage).last().unwrap(), "new 49");
    assert_eq!(stage.state.log().unwrap().since(), 0);
}

#[test]
fn a_resize_keeps_the_top_line() {
    let mut stage = reading(500);
    stage.press("pgup pgup pgup");
    let top = in_sight(&stage)[0].clone();
    for size in [(61, 15), (200, 60), (80, 24), (100, 40)] {
        stage.send(Msg::Resize(size.0, size.1));
        assert_eq!(in_sight(&stage)[0], top, "{size:?}");
    }
}

#[test]
fn wrapping_keeps_the_line_and_shows_all_of_it() {
    let mut stage = reading(100);
    let long = "x".repeat(500) + " end";
    stage.write("fuzz", 0, &long);
    stage.press("w");
    let geometry = stage.state.geometry();
    let log = stage.state.log().unwrap();
    let rows = log.rows(geometry);
    assert_eq!(rows.len(), geometry.height);
    let of_long = rows
        .iter()
        .filter(|row| row.item == Item::Line(100))
        .count();
    assert_eq!(of_long, 504_usize.div_ceil(geometry.columns));
    stage.press("k k w");
    assert!(
        stage
            .state
            .log()
            .unwrap()
            .rows(stage.state.geometry())
            .len()
            == geometry.height
    );
}

#[test]
fn sideways_goes_only_as_far_as_a_line_does() {
    let mut stage = reading(10);
    stage.press("l l l");
    assert_eq!(stage.state.log().unwrap().column, 0, "nothing is cut");
    stage.write("fuzz", 0, &"wide ".repeat(400));
    for _ in 0..400 {
        stage.press("l");
    }
    let column = stage.state.log().unwrap().column;
    assert!(column > 1800 && column < 2000, "{column}");
    for _ in 0..400 {
        stage.press("h");
    }
    assert_eq!(
        stage.state.focus,
        Pane::Jobs,
        "and at the left edge to the list"
    );
}

#[test]
fn only_what_is_near_the_screen_is_in_memory() {
    let mut stage = reading(5000);
    stage.press("g");
    assert_eq!(in_sight(&stage)[1], "line 0");
    let log = stage.state.log().unwrap();
    assert!(log.line(1000).is_none());
    for _ in 0..50 {
        stage.press("pgdn");
        assert!(!in_sight(&stage).contains(&"?".to_owned()));
    }
}

#[test]
fn brackets_go_from_command_to_command() {
    let mut stage = fixtures::failed((100, 15));
    for number in 0..30 {
        stage.write("unit-tests", 1, &format!("more {number}"));
    }
    stage.press("enter [ [");
    assert_eq!(in_sight(&stage)[0], "$0");
    stage.press("]");
    assert_eq!(in_sight(&stage)[0], "$1");
    stage.press("]");
    assert_eq!(notice(&stage), "no command after this one");
}

#[test]
fn a_stale_answer_changes_nothing() {
    let mut stage = reading(50);
    let before = in_sight(&stage);
    stage.send(Msg::LogRows(Box::new(LogRows {
        generation: 1,
        total: 7,
        ..LogRows::default()
    })));
    stage.send(Msg::Found(1, Some(3)));
    stage.send(Msg::LogUnreadable(1, "no".to_owned()));
    assert_eq!(in_sight(&stage), before);
}

#[test]
fn a_log_that_cannot_be_read_says_why() {
    let mut state = fixtures::running(SIZE).state;
    let sid = fixtures::sid();
    let grew = crate::ports::SourceItem::LogGrew("docs".into());
    let asked = update(&mut state, Msg::Source(sid, grew));
    let [Effect::ReadLog(request)] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    let _ = update(
        &mut state,
        Msg::LogUnreadable(request.generation, "no such disk".into()),
    );
    assert_eq!(
        state.log().unwrap().unreadable.as_deref(),
        Some("no such disk")
    );
}

#[test]
fn one_request_is_under_way_at_a_time() {
    let mut state = fixtures::running(SIZE).state;
    let grew = || crate::ports::SourceItem::LogGrew("docs".into());
    assert_eq!(
        update(&mut state, Msg::Source(fixtures::sid(), grew())).len(),
        1
    );
    for _ in 0..10 {
        assert!(update(&mut state, Msg::Source(fixtures::sid(), grew())).is_empty());
    }
}

#[test]
fn times_go_from_off_to_clock_to_since_start() {
    let mut stage = reading(3);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(stage.state.show.times);
        stage.press("t");
    }
    assert_eq!(
        seen,
        [Times::Off, Times::Clock, Times::SinceStart, Times::Off]
    );
}

// ---------------------------------------------------------------- searching

fn type_text(stage: &mut Stage, text: &str) {
    stage.send(Msg::Edit(Edit::Insert(text.to_owned())));
}

#[test]
fn a_search_goes_to_the_match_and_n_goes_on_and_round() {
    let mut stage = reading(300);
    stage.press("g /");
    assert_eq!(stage.state.context(), Context::Typing);
    type_text(&mut stage, "line 15");
    stage.send(Msg::Edit(Edit::Submit));
    let marks = |stage: &Stage| stage.state.log().unwrap().mark;
    assert_eq!(marks(&stage), Some(15));
    assert_eq!(stage.state.search.as_ref().unwrap().count, Some((11, true)));
    stage.press("n");
    assert_eq!(marks(&stage), Some(150));
    assert!(in_sight(&stage).contains(&"line 150".to_owned()));
    stage.press("N");
    assert_eq!(marks(&stage), Some(15));
    stage.press("N");
    assert_eq!(marks(&stage), Some(159), "went on from the end");
    assert_eq!(notice(&stage), "went on from the end");
    stage.press("esc");
    assert_eq!(stage.state.search, None);
}

#[test]
fn what_is_not_there_is_said() {
    let mut stage = reading(30);
    stage.press("/");
    type_text(&mut stage, "no such text");
    stage.send(Msg::Edit(Edit::Submit));
    assert_eq!(notice(&stage), "not found: no such text");
    stage.press("e");
    assert_eq!(notice(&stage), "no line looks like an error");
}

#[test]
fn a_line_of_text_is_edited_as_in_a_shell() {
    let mut stage = reading(3);
    stage.press("/");
    let edits = [
        Edit::Insert("one two\n\u{1b}three".into()),
        Edit::DeleteWord,
        Edit::Insert("日本".into()),
        Edit::Left,
        Edit::Backspace,
        Edit::Home,
        Edit::Delete,
        Edit::End,
        Edit::Insert("!".into()),
    ];
    for edit in edits {
        stage.send(Msg::Edit(edit));
    }
    let Some(Dialog::Search(input)) = &stage.state.dialog else {
        panic!("still typing")
    };
    assert_eq!(input.text, "ne 本!");
    stage.send(Msg::Edit(Edit::Clear));
    stage.send(Msg::Edit(Edit::Submit));
    assert_eq!(stage.state.dialog, None);
    assert_eq!(stage.state.search, None);
}

// ---------------------------------------------------------------- the eye

#[test]
fn until_a_user_moves_it_the_selection_goes_to_what_runs() {
    let mut stage = fixtures::running(SIZE);
    assert_eq!(selected(&stage), "docs");
    stage.end("docs", JobStatus::Success);
    assert_eq!(selected(&stage), "unit-tests");
    stage.press("k j");
    stage.end("unit-tests", JobStatus::Success);
    assert_eq!(selected(&stage), "unit-tests", "now it is the user's");
    stage.press("F");
    assert_eq!(selected(&stage), "fuzz");
}

#[test]
fn the_eye_goes_to_the_first_error_of_the_command_that_failed() {
    let stage = fixtures::failed((80, 24));
    assert_eq!(selected(&stage), "unit-tests");
    let mark = stage.state.log().unwrap().mark.expect("a line is marked");
    let log = stage.state.log().unwrap();
    assert!(
        log.line(mark).unwrap().line.text().contains("not ok"),
        "{mark}"
    );
    assert!(log.lines_in_sight(stage.state.geometry()).contains(&mark));
}

#[test]
fn a_failure_does_not_take_the_screen_from_someone_who_reads() {
    let mut stage = reading(50);
    stage.press("k");
    let before = in_sight(&stage);
    stage.end("unit-tests", JobStatus::Failure);
    assert_eq!(selected(&stage), "fuzz");
    assert_eq!(in_sight(&stage), before);
}

// ---------------------------------------------------------------- acting

#[test]
fn builds_are_started_of_the_project_or_the_demo() {
    let mut stage = Stage::new(SIZE);
    stage.press("B");
    let request = BuildRequest::new(Origin::Project);
    assert_eq!(effects(&mut stage), [Effect::StartBuild(request)]);
    stage.press("B");
    assert_eq!(notice(&stage), "a build is being started already");
    stage.send(Msg::Notice(Notice::bad("no shell")));
    assert_eq!(notice(&stage), "no shell");
    stage.press("B");
    assert_eq!(
        effects(&mut stage).len(),
        1,
        "after a failure it may be tried again"
    );

    let mut stage = Stage::with_project(
        SIZE,
        Project {
            script: Script::Missing,
            ..fixtures::project()
        },
    );
    stage.press("B");
    let request = BuildRequest::new(Origin::Demo);
    assert_eq!(effects(&mut stage), [Effect::StartBuild(request)]);
}

#[test]
fn a_rerun_is_of_the_job_that_is_selected_or_of_the_build() {
    let mut stage = fixtures::failed(SIZE);
    effects(&mut stage);
    stage.press("r");
    let jobs = |jobs: &[&str]| jobs.iter().map(JobId::new).collect::<Vec<_>>();
    let again = |again: Again| BuildRequest {
        again,
        ..BuildRequest::new(Origin::Again(fixtures::sid()))
    };
    let mut asked = |keys: &str, typed: &str| {
        stage.state.starting = false;
        stage.press(keys);
        if !typed.is_empty() {
            stage.send(Msg::Edit(Edit::Insert(typed.to_owned())));
            stage.send(Msg::Edit(Edit::Submit));
        }
        match effects(&mut stage).pop() {
            Some(Effect::StartBuild(request)) => request,
            other => panic!("{keys}: {other:?}, {}", notice(&stage)),
        }
    };
    let one = Again::Jobs(jobs(&["unit-tests"]));
    assert_eq!(asked("r", ""), again(one.clone()));
    assert_eq!(asked("R", ""), again(Again::Failed));
    assert_eq!(
        asked("ctrl-r", ""),
        again(Again::From(jobs(&["unit-tests"])))
    );
    let many = BuildRequest {
        times: 50,
        ..again(one.clone())
    };
    assert_eq!(asked("X", "50"), many);
    let same = BuildRequest {
        same_commit: true,
        ..again(one)
    };
    assert_eq!(asked("c r", ""), same);
    assert_eq!(asked("c g r", ""), again(Again::All));
    // Marked: the first job, then the second after it.
    assert_eq!(
        asked("g j space j space r", ""),
        again(Again::Jobs(jobs(&["configure", "compile"])))
    );
    stage.press("X");
    stage.send(Msg::Edit(Edit::Insert("1".to_owned())));
    stage.send(Msg::Edit(Edit::Submit));
    assert!(notice(&stage).contains("2 to 1000"));
}

#[test]
fn a_cancel_names_its_build_and_asks() {
    let mut stage = fixtures::running(SIZE);
    stage.press("x");
    assert_eq!(stage.state.dialog, Some(Dialog::Cancel(fixtures::sid())));
    stage.press("j r B esc");
    assert_eq!(stage.state.dialog, None);
    assert!(effects(&mut stage).is_empty());
    stage.press("x y");
    let cancel = Effect::Control(fixtures::sid(), Control::Cancel);
    assert_eq!(effects(&mut stage), [cancel]);
    assert!(stage.state.view().canceling);
}

#[test]
fn a_build_that_is_over_is_not_canceled() {
    let mut stage = fixtures::failed(SIZE);
    effects(&mut stage);
    stage.press("x y");
    assert!(effects(&mut stage).is_empty());
    assert_eq!(notice(&stage), "no build runs here to cancel");
}

#[test]
fn a_approves_the_blocked_job_wherever_the_selection_is() {
    let mut stage = fixtures::blocked(SIZE);
    effects(&mut stage);
    stage.press("g A");
    let approve = Effect::Control(fixtures::sid(), Control::Unblock("release".into()));
    assert_eq!(effects(&mut stage), [approve]);
    stage.job("release", EventKind::JobUnblocked);
    stage.press("A");
    assert_eq!(notice(&stage), "no job waits for approval");
}

#[test]
fn of_several_blocked_jobs_one_is_chosen_or_all_are_approved() {
    let mut stage = fixtures::blocked(SIZE);
    stage.job("another", EventKind::JobBlocked);
    effects(&mut stage);
    stage.press("g A");
    let all = Effect::Control(fixtures::sid(), Control::UnblockAll);
    assert_eq!(effects(&mut stage), [all]);
    stage.press("j A");
    assert!(notice(&stage).starts_with("select the job to approve: "));
    assert!(effects(&mut stage).is_empty());
}

#[test]
fn artifacts_are_saved_where_the_user_says() {
    let mut stage = fixtures::failed(SIZE);
    effects(&mut stage);
    stage.press("g 5 j enter");
    let Some(Dialog::Save(input, _)) = &stage.state.dialog else {
        panic!("asks where to")
    };
    assert_eq!(input.text, "test-report.tgz");
    stage.send(Msg::Edit(Edit::Clear));
    type_text(&mut stage, "/tmp/there.tgz");
    stage.send(Msg::Edit(Edit::Submit));
    let saved = Effect::SaveBlob {
        sid: fixtures::sid(),
        job: "unit-tests".into(),
        kind: BlobKind::Artifact,
        id: "test-report".to_owned(),
        to: "/tmp/there.tgz".into(),
    };
    assert_eq!(effects(&mut stage), [saved]);
    stage.press("1 esc g j ctrl-s");
    stage.send(Msg::Edit(Edit::Submit));
    let saved = Effect::SaveLog(fixtures::sid(), "configure".into(), "configure.log".into());
    assert_eq!(effects(&mut stage), [saved]);
}

#[test]
fn the_address_of_a_running_job_is_copied_without_what_is_hostile() {
    let copied = |address: &str| {
        let mut stage = fixtures::reached(SIZE, address);
        effects(&mut stage);
        stage.press("a");
        match effects(&mut stage).as_slice() {
            [Effect::Copy(text)] => text.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(copied("172.17.0.1"), "172.17.0.1:32770\n172.17.0.1:32771");
    assert_eq!(copied("::1"), "[::1]:32770\n[::1]:32771");
    let hostile = copied("\u{1b}]0;x\u{7}\nrm -rf");
    let kept = hostile.chars().filter(|c| c.is_control()).count();
    assert_eq!(kept, 1, "the break between the lines: {hostile:?}");
}

#[test]
fn without_an_address_that_answers_nothing_is_copied() {
    let mut stage = fixtures::reached(SIZE, "172.17.0.1");
    stage.press("k j");
    stage.end("docs", JobStatus::Success);
    effects(&mut stage);
    for (keys, told) in [
        ("a", "the job is over: nobody answers at its address"),
        ("j a", "this job exposes no port, or not yet"),
        ("g a", "select the job whose address is wanted"),
        ("j a", "this job exposed no port"),
    ] {
        stage.press(keys);
        assert_eq!(notice(&stage), told, "{keys}");
    }
    assert!(effects(&mut stage).is_empty());
}

#[test]
fn copies_take_the_marked_line_the_screen_or_the_log() {
    let mut stage = reading(30);
    stage.press("y");
    let copied = |stage: &mut Stage| match effects(stage).as_slice() {
        [Effect::Copy(text)] => text.clone(),
        other => panic!("{other:?}"),
    };
    let text = copied(&mut stage);
    assert!(text.ends_with("line 28\nline 29"), "{text}");
    stage.press("/");
    type_text(&mut stage, "line 27");
    stage.send(Msg::Edit(Edit::Submit));
    stage.press("y");
    assert_eq!(copied(&mut stage), "line 27");
    stage.press("Y");
    assert_eq!(copied(&mut stage).lines().count(), 30);
}

#[test]
fn a_build_of_the_list_is_opened_and_the_script_is_read_again() {
    let mut stage = fixtures::running(SIZE);
    effects(&mut stage);
    stage.press("b g j j enter");
    let older = Sid::new("local", "calc", "local-build-1759999100000");
    assert_eq!(effects(&mut stage), [Effect::OpenBuild(older)]);
    stage.press("b g enter");
    assert!(!stage.state.shows_build());
    stage.press("b j enter");
    assert!(
        stage.state.shows_build(),
        "one that is open is shown at once"
    );
}

#[test]
fn the_mouse_focuses_selects_and_scrolls() {
    let mut stage = fixtures::running(SIZE);
    let areas = stage.state.areas();
    let jobs = areas.jobs.unwrap();
    stage.send(Msg::Click(jobs.x + 3, jobs.y + 2));
    assert_eq!(selected(&stage), "configure");
    let main = areas.main.unwrap();
    stage.send(Msg::Click(main.x + 3, main.y + 5));
    assert_eq!(stage.state.focus, Pane::Main);
    stage.send(Msg::Wheel(jobs.x + 3, jobs.y + 2, 1));
    assert_eq!(stage.state.focus, Pane::Main);
    assert_eq!(selected(&stage), "unit-tests");
    stage.press("M");
    assert_eq!(effects(&mut stage), [Effect::Mouse(true)]);
}

// ---------------------------------------------------------------- leaving

#[test]
fn nothing_runs_so_q_and_ctrl_c_leave_at_once() {
    for key in ["q", "ctrl-c"] {
        let mut stage = fixtures::failed(SIZE);
        effects(&mut stage);
        stage.press(key);
        assert_eq!(
            effects(&mut stage),
            [Effect::Quit(QuitManner::Leave)],
            "{key}"
        );
    }
}

#[test]
fn while_a_build_runs_leaving_asks_and_staying_is_possible() {
    for key in ["q", "ctrl-c"] {
        let mut stage = fixtures::running(SIZE);
        stage.press(key);
        assert_eq!(stage.state.dialog, Some(Dialog::Quit), "{key}");
        stage.press("esc");
        assert_eq!(stage.state.dialog, None);
        assert!(effects(&mut stage).is_empty());
    }
}

#[test]
fn stopping_cancels_and_leaves_when_the_build_is_over() {
    let mut stage = fixtures::running(SIZE);
    stage.press("q s");
    let cancel = Effect::Control(fixtures::sid(), Control::Cancel);
    assert_eq!(effects(&mut stage), [cancel]);
    stage.press("q");
    assert!(effects(&mut stage).is_empty());
    stage.tell(Event::new(EventKind::BuildCanceled));
    assert!(effects(&mut stage).is_empty());
    stage.tell(Event::new(EventKind::BuildEnd {
        status: Some(BuildStatus::Canceled),
        build: None,
    }));
    assert!(effects(&mut stage).contains(&Effect::Quit(QuitManner::Stopped)));
}

#[test]
fn the_second_ctrl_c_stops_at_once_in_every_state() {
    for keys in [
        "ctrl-c ctrl-c",
        "q ctrl-c",
        "q s ctrl-c",
        "x ctrl-c ctrl-c",
        "/ ctrl-c ctrl-c",
        "? ctrl-c ctrl-c",
    ] {
        let mut stage = fixtures::running(SIZE);
        stage.press(keys);
        let quit = Effect::Quit(QuitManner::Interrupt);
        assert_eq!(effects(&mut stage).last(), Some(&quit), "{keys}");
    }
}

#[test]
fn a_build_of_another_process_is_left_alone() {
    let mut stage = fixtures::running(SIZE);
    if let Some(view) = stage.state.builds.get_mut(&fixtures::sid()) {
        view.info.offers.owned = false;
    }
    stage.press("q");
    assert_eq!(effects(&mut stage), [Effect::Quit(QuitManner::Leave)]);
}

#[test]
fn a_build_that_begins_while_the_program_leaves_is_canceled() {
    let mut stage = Stage::new(SIZE);
    stage.press("B q s");
    assert_eq!(
        effects(&mut stage).len(),
        1,
        "waits for the build that is on its way"
    );
    stage.open(true);
    let cancel = Effect::Control(fixtures::sid(), Control::Cancel);
    assert_eq!(effects(&mut stage), [cancel]);
}

// ---------------------------------------------------------------- drawing only what changed

#[test]
fn what_changes_nothing_on_the_screen_draws_nothing() {
    let mut stage = fixtures::failed(SIZE);
    stage.state.dirty = false;
    stage.wait(60_000);
    assert!(!stage.state.dirty, "time alone, when nothing runs");
    stage.write("docs", 0, "a log that nobody sees");
    assert!(!stage.state.dirty);

    let mut stage = fixtures::running(SIZE);
    stage.now += 1000 - stage.now % 1000;
    stage.send(Msg::Tick(stage.now));
    stage.state.dirty = false;
    stage.wait(500);
    assert!(!stage.state.dirty, "within a second");
    stage.wait(600);
    assert!(stage.state.dirty, "seconds are shown while it runs");
}

#[test]
fn a_lost_connection_says_when_it_is_tried_again() {
    let mut stage = fixtures::running(SIZE);
    stage.lose("connection refused", Duration::from_secs(4));
    let lost = stage.state.view().lost.clone().unwrap();
    let said = doc::lost_sentence(&lost, stage.now);
    assert_eq!(
        said,
        "connection lost (connection refused); tried again in 4s"
    );
    // What is shown grows old, however often it is tried again.
    stage.wait(4000);
    stage.lose("connection refused", Duration::from_secs(8));
    stage.wait(2000);
    let lost = stage.state.view().lost.clone().unwrap();
    assert_eq!(
        doc::lost_sentence(&lost, stage.now),
        "connection lost 6s ago (connection refused); tried again in 6s"
    );
    stage.send(Msg::Source(
        fixtures::sid(),
        crate::ports::SourceItem::Restored,
    ));
    assert_eq!(stage.state.view().lost, None);
}

#[test]
fn a_build_that_begins_anew_on_its_server_shows_its_own_jobs() {
    let mut stage = fixtures::running(SIZE);
    stage.press("j");
    stage.press("j");
    let before = stage.state.view().order.clone();
    stage.tell(Event::new(EventKind::Tui(TuiEvent::Anew)));
    assert!(stage.state.view().order.is_empty());
    for key in ["k", "j"] {
        stage.press(key);
    }
    // As many as before, and others.
    let jobs = (0..before.len()).map(|place| Job::new(JobId::new(format!("other-{place}"))));
    stage.tell(Event::new(EventKind::ScriptStart {
        jobs: jobs.collect(),
    }));
    let order = &stage.state.view().order;
    assert_eq!(order.len(), before.len());
    assert!(order.iter().all(|id| id.as_str().starts_with("other-")));
    assert_eq!(stage.state.view().place(), 0);
    stage.begin("other-1");
    stage.press("j");
    assert_ne!(stage.state.view().place(), 0);
}

#[test]
fn a_job_of_a_build_on_a_server_is_run_here() {
    let mut stage = fixtures::running(SIZE);
    stage.effects.clear();
    stage.press("L");
    assert!(stage.effects.is_empty(), "it is here already");
    stage.state.view_mut().info.offers.copy = true;
    stage.state.view_mut().selected = Selected::Build;
    stage.press("L");
    assert!(
        stage.effects.is_empty(),
        "of a build, a job has to be named"
    );
    let job = JobId::new("unit-tests");
    stage.state.view_mut().selected = Selected::Job(job.clone());
    stage.press("L");
    assert_eq!(stage.effects, [Effect::RunHere(fixtures::sid(), job)]);
    // Once is enough.
    stage.effects.clear();
    stage.press("L");
    assert!(stage.effects.is_empty());
}

#[test]
fn a_server_is_asked_for_a_build_by_a_line_that_comes_back() {
    let mut stage = fixtures::running(SIZE);
    stage.effects.clear();
    stage.press("T");
    assert_eq!(stage.state.dialog, None, "no server is meant");
    stage.state.listed = Some("acme/app".to_owned());
    let typed = |stage: &mut Stage, text: &str, then: Edit| {
        stage.press("T");
        stage.send(Msg::Edit(Edit::Insert(text.to_owned())));
        stage.send(Msg::Edit(then));
    };
    typed(&mut stage, "main tag:v1", Edit::Submit);
    assert!(stage.effects.is_empty());
    let Some(Dialog::Trigger(input, None, None)) = &stage.state.dialog else {
        panic!("it may be mended: {:?}", stage.state.dialog);
    };
    assert_eq!(input.text, "main tag:v1");
    stage.send(Msg::Edit(Edit::Abort));
    typed(&mut stage, "main KEY=value", Edit::Submit);
    let wanted = trigger::Trigger::parse("main KEY=value").unwrap();
    assert_eq!(stage.effects, [Effect::Trigger(None, wanted)]);
    stage.send(Msg::Notice(Notice::bad("the server is away")));
    typed(&mut stage, "other", Edit::Submit);
    stage.send(Msg::Notice(Notice::bad("the server is away")));
    stage.press("T");
    let shown = |stage: &Stage| match &stage.state.dialog {
        Some(Dialog::Trigger(input, ..)) => input.text.clone(),
        other => panic!("{other:?}"),
    };
    for (edit, line) in [
        (Edit::Older, "other"),
        (Edit::Older, "main KEY=value"),
        (Edit::Older, "main KEY=value"),
        (Edit::Newer, "other"),
        (Edit::Newer, ""),
        (Edit::Newer, ""),
    ] {
        stage.send(Msg::Edit(edit));
        assert_eq!(shown(&stage), line);
    }
}

#[test]
fn a_build_that_runs_elsewhere_is_let_go_of() {
    let mut stage = fixtures::running(SIZE);
    stage.effects.clear();
    stage.press("D");
    assert!(stage.effects.is_empty(), "it would end with this program");
    assert!(stage.state.shows_build());
    stage.state.view_mut().info.offers.owned = false;
    stage.press("D");
    let gone = Effect::CloseBuild(fixtures::sid());
    assert_eq!(stage.effects, [gone, Effect::RefreshHistory]);
    assert!(!stage.state.shows_build());
    // Letting go of nothing is told.
    stage.effects.clear();
    stage.press("D");
    assert!(stage.effects.is_empty());
}

// ---------------------------------------------------------------- the summary

#[test]
fn the_summary_says_what_failed_why_and_how_to_run_it_again() {
    let summary = summary(&fixtures::failed(SIZE).state);
    insta::assert_snapshot!(summary);
    assert!(!summary.contains('\u{1b}'));
}

#[test]
fn nothing_ran_so_there_is_nothing_to_sum_up() {
    assert_eq!(summary(&Stage::new(SIZE).state), "");
    let mut stage = Stage::new(SIZE);
    stage.open(false);
    assert_eq!(
        summary(&stage.state),
        "",
        "a recording that was only looked at"
    );
}

// ---------------------------------------------------------------- hostile and large

#[test]
fn ten_thousand_jobs_are_no_trouble() {
    let jobs: Vec<Job> = (0..10_000)
        .map(|number| Job::new(format!("job-{number}").as_str()))
        .collect();
    let mut stage = Stage::new(SIZE);
    stage.open(true);
    stage.tell(Event::new(EventKind::ScriptStart { jobs }));
    stage.press("G");
    assert_eq!(selected(&stage), "job-9999");
    draw(&stage);
}

fn draw(stage: &Stage) {
    let (width, height) = stage.state.size;
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    Ui::new(Look::default()).draw(&stage.state, &mut buffer);
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

const HOSTILE: [&str; 6] = [
    "a\u{1b}[2Jb",
    "日本語/..",
    "",
    "👩‍👩‍👧",
    "\u{202e}desrever",
    "very-long-name-very-long-name-very-long-name-very-long-name",
];

fn any_kind(dice: &mut Dice) -> EventKind {
    let statuses = [
        JobStatus::Success,
        JobStatus::Failure,
        JobStatus::Skipped,
        JobStatus::Canceled,
        JobStatus::Other("odd\n".into()),
    ];
    let status = Some(statuses[dice.roll(5)].clone());
    let command = dice.roll(4).to_string();
    match dice.roll(9) {
        0 => EventKind::JobQueued { job: None },
        1 => EventKind::JobBlocked,
        2 => EventKind::JobUnblocked,
        3 | 4 => EventKind::JobStart,
        5 => EventKind::JobEnd {
            status,
            result: Map::new(),
        },
        6 => EventKind::CommandStart {
            command,
            stdout: None,
            stderr: None,
        },
        7 => EventKind::CommandEnd {
            command,
            exit: Some(dice.roll(3) as i64),
            stdout: None,
            stderr: None,
        },
        _ => EventKind::Tui(crate::domain::TuiEvent::ArtifactSaved {
            id: HOSTILE[dice.roll(6)].to_owned(),
            path: HOSTILE[dice.roll(6)].to_owned(),
            size: dice.roll(1 << 30) as u64,
        }),
    }
}

#[test]
fn a_long_random_walk_never_leaves_the_path() {
    let mut dice = Dice(7);
    let ids: Vec<String> = fixtures::jobs()
        .iter()
        .map(|job| job.id.as_str().to_owned())
        .chain(HOSTILE.map(str::to_owned))
        .collect();
    let mut stage = fixtures::running((80, 24));
    for step in 0..20_000 {
        let id = ids[dice.roll(ids.len())].clone();
        match dice.roll(20) {
            0 => {
                let size = (dice.roll(130) as u16, dice.roll(50) as u16);
                stage.send(Msg::Resize(size.0, size.1));
            }
            1 => stage.job(&id, any_kind(&mut dice)),
            2 => {
                let text = [
                    HOSTILE[dice.roll(6)],
                    "!error: it broke",
                    "\x1b[31mred\x1b[0m and 日本 and more of it",
                ][dice.roll(3)];
                let text = text.repeat(1 + dice.roll(20));
                stage.write(&id, dice.roll(4) as u32, &text);
            }
            3 => stage.wait(dice.roll(3000) as i64),
            4 => {
                let (column, row) = (dice.roll(140) as u16, dice.roll(60) as u16);
                stage.send(Msg::Click(column, row));
                stage.send(Msg::Wheel(column, row, dice.roll(7) as i16 - 3));
            }
            5 => type_text(&mut stage, HOSTILE[dice.roll(6)]),
            6 => {
                let edits = [
                    Edit::Submit,
                    Edit::Left,
                    Edit::Right,
                    Edit::Backspace,
                    Edit::DeleteWord,
                    Edit::Home,
                    Edit::End,
                    Edit::Delete,
                ];
                stage.send(Msg::Edit(edits[dice.roll(8)].clone()));
            }
            7 if dice.roll(40) == 0 => match dice.roll(3) {
                0 => stage.end_build(BuildStatus::Error),
                1 => stage = fixtures::running((80, 24)),
                _ => stage.lose("gone", Duration::from_secs(3)),
            },
            _ => {
                let info = &ACTIONS[dice.roll(ACTIONS.len())];
                stage.send(Msg::Action(info.action));
            }
        }
        // Nobody leaves here.
        stage.state.leaving = false;
        stage.effects.clear();
        check(&stage, step);
    }
}

fn check(stage: &Stage, step: usize) {
    let state = &stage.state;
    let view = state.view();
    if let Selected::Job(id) = &view.selected {
        assert!(
            view.build.job(id).is_some(),
            "step {step}: {id} is selected and unknown"
        );
    }
    let rows = state.rows_of(Pane::Jobs);
    if rows > 0 {
        let place = view.place();
        assert!(
            view.top <= place && place < view.top + rows,
            "step {step}: the selection is out of sight"
        );
    }
    if state.main_view() == MainView::Log && !state.areas().too_small {
        let geometry = state.geometry();
        let log = state.log().expect("a log that is shown is known");
        let shown = log.rows(geometry).len();
        assert!(
            shown == geometry.height.min(shown.max(log.outline.len()))
                || log.outline.len() < geometry.height,
            "step {step}: the log leaves rows empty"
        );
    }
    if step.is_multiple_of(10) {
        draw(stage);
    }
}

#[test]
fn without_an_engine_a_build_asks_before_it_uses_this_machines_shell() {
    let mut stage = Stage::new((100, 30));
    let ask = |stage: &mut Stage| {
        stage.press("B");
        let Some(Effect::StartBuild(request)) = stage.effects.pop() else {
            panic!("it is started");
        };
        assert!(!request.on_host && stage.state.starting);
        stage.send(Msg::NoEngine(request, "no engine answers".to_owned()));
        assert!(matches!(stage.state.dialog, Some(Dialog::Host(..))));
        assert!(!stage.state.starting);
    };
    ask(&mut stage);
    stage.press("n");
    assert_eq!(stage.state.dialog, None);
    assert!(stage.effects.is_empty());
    ask(&mut stage);
    stage.press("y");
    assert!(matches!(
        stage.effects.as_slice(),
        [Effect::StartBuild(BuildRequest { on_host: true, .. })]
    ));
}
