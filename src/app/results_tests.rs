//! The results of a build: what is listed, looked at and saved.

use crate::wire::SHOWN;

use super::doc::DocLine;
use super::fixtures::{self, Stage};
use super::msg::{Edit, Effect, Msg};
use super::results::{self, lines, rows};
use super::state::{Dialog, MainView};

const SIZE: (u16, u16) = (100, 30);

fn text(lines: &[DocLine]) -> Vec<String> {
    lines.iter().map(DocLine::text).collect()
}

fn value(stage: &Stage) -> Vec<String> {
    let value = stage.state.view().results.value.as_ref();
    let page = value.and_then(|value| value.page.as_ref());
    text(&page.expect("a value is looked at").lines)
}

fn proposed(stage: &Stage) -> String {
    match &stage.state.dialog {
        Some(Dialog::Save(input, _)) => input.text.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn results_and_reads_are_listed_and_the_selected_value_is_shown() {
    let mut stage = fixtures::with_results(SIZE);
    stage.press("g 6");
    assert_eq!(stage.state.main_view(), MainView::Results);
    let names: Vec<String> = rows(stage.state.view())
        .iter()
        .map(results::ResultRow::name)
        .collect();
    assert_eq!(
        names,
        [
            "coverage",
            "notes",
            "build/a.out",
            "params",
            "secret npm-token"
        ]
    );
    assert!(
        value(&stage)
            .iter()
            .any(|line| line.contains(":lines 93.5"))
    );
    stage.press("j");
    assert_eq!(value(&stage)[0], "some words");
    stage.press("/");
    stage.send(Msg::Edit(Edit::Insert("npm".to_owned())));
    stage.send(Msg::Edit(Edit::Submit));
    assert_eq!(stage.state.view().results.selected(5), 4);
    stage.press("ctrl-s");
    assert_eq!(stage.state.dialog, None, "what was read is not kept");
}

#[test]
fn a_result_is_copied_as_it_is_shown() {
    let mut stage = fixtures::with_results(SIZE);
    stage.press("g 6 j y");
    let copied = stage.effects.pop();
    let Some(Effect::Copy(text)) = copied else {
        panic!("{copied:?}");
    };
    assert!(
        text.starts_with("some words\n") && !text.contains('\x1b'),
        "{text}"
    );
    stage.press("j j y");
    assert!(!matches!(stage.effects.pop(), Some(Effect::Copy(_))));
}

#[test]
fn a_job_lists_its_own_only() {
    let mut stage = fixtures::with_results(SIZE);
    stage.press("G 6");
    let by: Vec<String> = rows(stage.state.view())
        .iter()
        .map(results::ResultRow::name)
        .collect();
    assert_eq!(by, ["secret npm-token"]);
}

#[test]
fn a_value_opens_on_the_whole_pane_and_esc_goes_back() {
    let mut stage = fixtures::with_results(SIZE);
    stage.press("g 6 enter");
    assert_eq!(stage.state.main_view(), MainView::Result);
    stage.press("/");
    stage.send(Msg::Edit(Edit::Insert("eval".to_owned())));
    stage.send(Msg::Edit(Edit::Submit));
    let page = stage
        .state
        .view()
        .results
        .value
        .as_ref()
        .unwrap()
        .page
        .as_ref();
    let mark = page.unwrap().mark.expect("a line is found");
    assert!(value(&stage)[mark].contains("src/eval.c"));
    stage.press("esc");
    assert_eq!(stage.state.main_view(), MainView::Results);
}

#[test]
fn a_hostile_name_is_a_file_in_this_folder() {
    let mut stage = fixtures::with_results(SIZE);
    stage.press("g 6 ctrl-s");
    assert_eq!(proposed(&stage), "coverage.edn");
    stage.press("esc");
    stage.send(Msg::Edit(Edit::Abort));
    stage.press("j j ctrl-s");
    let name = proposed(&stage);
    assert!(!name.contains('/') && !name.starts_with('.'), "{name}");
    stage.send(Msg::Edit(Edit::Submit));
    let saved = stage.effects.pop();
    let Some(Effect::SaveResult(_, result, to)) = saved else {
        panic!("{saved:?}");
    };
    assert_eq!(
        (result.as_str(), to.as_os_str()),
        ("build/a.out", name.as_ref())
    );
}

#[test]
fn a_value_of_another_time_is_read_again() {
    let mut stage = fixtures::with_results(SIZE);
    stage.press("g 6");
    stage.results.insert(
        "coverage".to_owned(),
        ("application/edn".to_owned(), b"{:lines 1}".to_vec()),
    );
    stage.wait(50);
    let saved = crate::domain::TuiEvent::ResultSaved {
        name: "coverage".to_owned(),
        media_type: "application/edn".to_owned(),
        size: 10,
    };
    stage.job("unit-tests", crate::domain::EventKind::Tui(saved));
    assert_eq!(value(&stage), ["{:lines 1}"]);
}

#[test]
fn values_are_shown_as_what_they_are() {
    let shown = |kind: &str, bytes: &[u8], size: usize| text(&lines(kind, bytes, size as u64));
    let json = br#"{"a":[1,2],"b":"x"}"#;
    assert_eq!(shown("application/json", json, json.len())[1], "  \"a\": [");
    assert_eq!(
        shown("application/edn", b"{:a", 3),
        ["{:a"],
        "what is no EDN is text"
    );
    assert_eq!(shown("text/plain", b"", 0), ["it is empty"]);
    let binary = shown("image/png", &[0x89, b'P', 0, 1], 4);
    assert_eq!(binary.len(), 1);
    assert!(binary[0].contains("4 B of image/png"), "{binary:?}");
    let hostile = shown("text/plain", b"a\x1b[2Jb\x07", 7).concat();
    assert!(!hostile.chars().any(char::is_control), "{hostile:?}");
}

#[test]
fn what_is_large_is_cut_with_a_sentence_and_between_characters() {
    let mut bytes = "ä".repeat(SHOWN / 2).into_bytes();
    bytes.pop();
    let shown = text(&lines("application/edn", &bytes, 3_000_000));
    assert!(shown[0].contains("3.0 MB"), "{}", shown[0]);
    assert!(shown.iter().skip(1).all(|line| line.chars().count() <= 400));
    assert_eq!(shown[1..].concat().chars().count(), SHOWN / 2 - 1);
}
