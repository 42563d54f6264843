//! Comparing from the screen.

use super::Pane;
use super::build_view::Selected;
use super::comparison::lines;
use super::fixtures::{self, Stage};
use super::msg::{Effect, Msg};
use super::state::MainView;
use crate::domain::JobId;

fn text(stage: &Stage) -> Vec<String> {
    let compared = stage
        .state
        .view()
        .compared
        .as_ref()
        .expect("it was asked for");
    let page = compared.page.as_ref().expect("it was answered");
    page.lines.iter().map(super::doc::DocLine::text).collect()
}

#[test]
fn the_shown_build_is_compared_and_a_line_leads_to_its_job() {
    let mut stage = fixtures::failed((100, 30));
    stage.press("g =");
    assert_eq!(stage.state.main_view(), MainView::Comparison);
    assert_eq!(text(&stage).len(), lines(&fixtures::comparison()).len());
    // An answer to what was asked for before is none.
    stage.send(Msg::Compared(0, Err("late".to_owned())));
    assert!(text(&stage).iter().all(|line| !line.contains("late")));
    stage.press("enter");
    let id = JobId::new("unit-tests");
    assert_eq!(stage.state.view().selected, Selected::Job(id));
    assert_eq!(stage.state.main_view(), MainView::Log);
}

#[test]
fn every_line_can_be_reached_at_every_size() {
    for size in [(60, 15), (80, 24), (200, 60)] {
        let mut stage = fixtures::failed(size);
        stage.press("= g");
        let all = text(&stage).len();
        let (columns, height) = (stage.state.text_columns(), stage.state.geometry().height);
        for line in 0..all {
            let page = stage
                .state
                .view()
                .compared
                .as_ref()
                .unwrap()
                .page
                .as_ref()
                .unwrap();
            let rows = page.rows(columns, height);
            assert!(
                rows.iter().any(|(number, _)| *number == line),
                "{size:?}: {line}"
            );
            stage.press("j");
        }
    }
}

#[test]
fn among_the_builds_the_selected_one_is_meant_and_what_fails_is_told() {
    let mut stage = fixtures::failed((100, 30));
    stage.press("b G");
    assert_eq!(stage.state.focus, Pane::Builds);
    let with = stage
        .state
        .builds_cursor
        .clone()
        .expect("a build of the list");
    stage.press("=");
    let asked = stage.effects.iter().find_map(|effect| match effect {
        Effect::Compare(_, with, generation) => Some((with.clone(), *generation)),
        _ => None,
    });
    let (asked, generation) = asked.expect("it is asked for");
    assert_eq!(asked, Some(with));
    stage.send(Msg::Compared(
        generation,
        Err("it is gone\n  hint".to_owned()),
    ));
    assert_eq!(text(&stage), ["it is gone", "  hint"]);
    // Where no build is shown there is nothing to compare.
    let mut stage = Stage::new((100, 30));
    stage.press("=");
    assert!(stage.state.notice.as_ref().is_some_and(|notice| notice.bad));
}
