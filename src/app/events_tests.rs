//! The view of events: following, searching, opening, copying.

use crate::domain::{Event, EventKind, JobStatus};
use crate::edn;

use super::fixtures::{self, Stage};
use super::state::MainView;
use super::{Edit, Effect, Msg, Pane, doc::DocLine};

const SIZE: (u16, u16) = (120, 30);

/// The events in sight, each as its type; the selected one in brackets.
fn in_sight(stage: &Stage) -> Vec<String> {
    let view = stage.state.view();
    let (events, of) = (&view.events, &view.selected);
    let top = events.top(of, stage.state.event_rows());
    (top..events.len(of).min(top + stage.state.event_rows()))
        .map(|row| {
            let event = events.event(of, row).expect("a row has an event");
            let name = format!("{} {}", event.seq, event.type_name());
            if row == events.selected(of) {
                format!("[{name}]")
            } else {
                name
            }
        })
        .collect()
}

fn selected(stage: &Stage) -> String {
    let sight = in_sight(stage);
    let selected = sight.iter().find(|row| row.starts_with('['));
    selected.expect("the selected event is in sight").clone()
}

fn type_text(stage: &mut Stage, text: &str) {
    stage.send(Msg::Edit(Edit::Insert(text.to_owned())));
    stage.send(Msg::Edit(Edit::Submit));
}

fn noise(stage: &mut Stage, count: usize) {
    for _ in 0..count {
        stage.command_begins("fuzz", 0);
    }
}

#[test]
fn the_last_event_stays_in_sight_until_someone_reads() {
    let mut stage = fixtures::running(SIZE);
    stage.press("g 8");
    assert_eq!(stage.state.focus, Pane::Main);
    noise(&mut stage, 40);
    let last = stage.state.view().build.last_seq;
    assert_eq!(selected(&stage), format!("[{last} command/start]"));
    stage.press("k k");
    let before = in_sight(&stage);
    noise(&mut stage, 7);
    assert_eq!(in_sight(&stage), before, "what is read stays where it is");
    let view = stage.state.view();
    assert_eq!(view.events.since(&view.selected), 7);
    stage.press("G");
    assert_eq!(selected(&stage), format!("[{} command/start]", last + 7));
    stage.press("F");
    let before = in_sight(&stage);
    noise(&mut stage, 3);
    assert_eq!(in_sight(&stage), before);
    stage.press("F");
    assert_eq!(selected(&stage), format!("[{} command/start]", last + 10));
}

#[test]
fn of_a_job_only_its_events_are_listed() {
    let mut stage = fixtures::failed(SIZE);
    stage.press("g j 8 g");
    assert!(in_sight(&stage).len() > 5);
    let view = stage.state.view();
    for row in 0..view.events.len(&view.selected) {
        let event = view.events.event(&view.selected, row).unwrap();
        assert_eq!(event.job_id, Some("configure".into()), "{event:?}");
    }
    assert_eq!(
        view.events.event(&view.selected, 0).unwrap().type_name(),
        "job/queued"
    );
}

#[test]
fn a_search_finds_what_the_rows_say_and_goes_round() {
    let mut stage = fixtures::failed(SIZE);
    stage.press("g 8 g /");
    type_text(&mut stage, "exit 1");
    assert!(
        selected(&stage).ends_with("command/end]"),
        "{:?}",
        in_sight(&stage)
    );
    let first = selected(&stage);
    stage.press("n");
    assert_eq!(selected(&stage), first, "there is one, so it goes round");
    stage.press("N");
    assert_eq!(selected(&stage), first);
    stage.press("/");
    type_text(&mut stage, "no such thing");
    let notice = stage.state.notice.as_ref().unwrap();
    assert!(notice.bad && notice.text.contains("no such thing"));
    stage.press("g e");
    assert_eq!(selected(&stage), first, "the first that tells of a failure");
}

#[test]
fn enter_takes_an_event_apart_and_esc_goes_back_to_it() {
    let mut stage = fixtures::failed((80, 24));
    stage.press("g 8 g");
    stage.press("j j");
    assert!(selected(&stage).contains("script/start"));
    stage.press("enter");
    assert_eq!(stage.state.main_view(), MainView::Event);
    let open = stage.state.view().events.open.as_ref().unwrap();
    let lines: Vec<String> = open.page.lines.iter().map(DocLine::text).collect();
    assert!(
        lines.contains(&"  :type :script/start".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains("make -j2 build/calc"))
    );
    stage.press("/");
    type_text(&mut stage, "release.sh");
    let open = stage.state.view().events.open.as_ref().unwrap();
    let mark = open.page.mark.expect("a line is found");
    assert!(lines[mark].contains("release.sh"));
    let geometry = stage.state.geometry();
    let rows = open.page.rows(stage.state.text_columns(), geometry.height);
    assert!(rows.iter().any(|row| row.0 == mark), "and it is in sight");
    stage.press("G");
    let open = stage.state.view().events.open.as_ref().unwrap();
    let rows = open.page.rows(stage.state.text_columns(), geometry.height);
    assert_eq!(rows.last().unwrap().1.text(), "}");
    stage.press("esc");
    assert_eq!(stage.state.main_view(), MainView::Events);
    assert!(selected(&stage).contains("script/start"));
    stage.press("esc esc");
    assert_eq!(stage.state.main_view(), MainView::Doc);
}

#[test]
fn an_event_is_copied_as_edn() {
    let mut stage = fixtures::failed(SIZE);
    stage.press("g 8");
    stage.effects.clear();
    stage.press("y");
    let [Effect::Copy(text)] = stage.effects.as_slice() else {
        panic!("{:?}", stage.effects);
    };
    let value = edn::read_str(text).unwrap();
    assert_eq!(value.get("type"), Some(&edn::Value::kw("build/end")));
    stage.press("ctrl-s");
    assert!(stage.state.dialog.is_none(), "there is nothing to save");
}

#[test]
fn a_hundred_thousand_events_are_no_trouble() {
    let mut stage = fixtures::running(SIZE);
    let events: Vec<std::sync::Arc<Event>> = (0..100_000_u64)
        .map(|number| {
            let mut event = Event::of_job(
                &"fuzz".into(),
                EventKind::JobEnd {
                    status: Some(JobStatus::Success),
                    result: edn::Map::new(),
                },
            );
            event.seq = 1_000 + number;
            event.into()
        })
        .collect();
    let item = crate::ports::SourceItem::Events(events);
    stage.send(Msg::Source(fixtures::sid(), item));
    stage.press("8 g");
    let begin = std::time::Instant::now();
    for _ in 0..1_000 {
        stage.press("j");
        assert!(!in_sight(&stage).is_empty());
    }
    // Rows are worked out for what is in sight only: a thousand steps cost what a few would.
    assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
}
