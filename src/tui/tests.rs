//! The real loop, typed into.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crossterm::event::{Event as Term, KeyCode, KeyEvent, KeyModifiers};
use futures_util::stream;
use ratatui::backend::TestBackend;
use ratatui::{Frame, Terminal};
use tokio::sync::mpsc;

use super::*;
use crate::app::Action;
use crate::app::fixtures::{self, Stage};
use crate::config::Look;
use crate::domain::{Event, EventKind, Job, JobStatus, Millis};
use crate::edn::Map;
use crate::ports::SourceItem;

/// A screen that counts its frames.
struct Paper {
    terminal: Terminal<TestBackend>,
    frames: usize,
    copied: Vec<String>,
    suspended: usize,
    mouse: bool,
}

impl Paper {
    fn new() -> Self {
        Self {
            terminal: Terminal::new(TestBackend::new(80, 24)).unwrap(),
            frames: 0,
            copied: Vec::new(),
            suspended: 0,
            mouse: false,
        }
    }
}

impl Screen for Paper {
    fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.frames += 1;
        self.terminal.draw(draw).unwrap();
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.terminal.clear().unwrap();
        Ok(())
    }

    fn copy(&mut self, text: &str) -> io::Result<()> {
        self.copied.push(text.to_owned());
        Ok(())
    }

    fn mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        Ok(())
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.suspended += 1;
        Ok(())
    }

    fn retake(&mut self) -> io::Result<()> {
        self.clear()
    }

    fn size(&self) -> io::Result<(u16, u16)> {
        Ok((80, 24))
    }
}

/// The paused clock of the runtime, as a clock of ours.
#[derive(Debug)]
struct Paused {
    start: Instant,
    asked: AtomicI64,
}

impl Paused {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            asked: AtomicI64::new(0),
        }
    }
}

impl Clock for Paused {
    fn now(&self) -> Millis {
        self.asked.fetch_add(1, Ordering::Relaxed);
        fixtures::T0 + self.start.elapsed().as_millis() as i64
    }
}

/// What is typed, and when: after so many milliseconds.
type Typed = (u64, Input);

fn key(code: KeyCode) -> Input {
    Input::Terminal(Term::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn ctrl(c: char) -> Input {
    let modifiers = KeyModifiers::CONTROL;
    Input::Terminal(Term::Key(KeyEvent::new(KeyCode::Char(c), modifiers)))
}

fn char(c: char) -> Input {
    key(KeyCode::Char(c))
}

/// Runs the loop on a state with keys, and messages that are there from the beginning.
async fn run_on(
    state: State,
    typed: Vec<Typed>,
    msgs: Vec<Msg>,
) -> (Result<Ended, TuiError>, Paper, Vec<Effect>) {
    let mut paper = Paper::new();
    let clock = Paused::new();
    let typed: VecDeque<Typed> = typed.into();
    let keys = Box::pin(stream::unfold(typed, |mut typed| async {
        let Some((after, input)) = typed.pop_front() else {
            // The terminal stays open and silent.
            return std::future::pending().await;
        };
        sleep(Duration::from_millis(after)).await;
        Some((Ok(input), typed))
    }));
    let (sender, receiver) = mpsc::unbounded_channel();
    for msg in msgs {
        sender.send(msg).unwrap();
    }
    let ui = Ui::new(Look::default());
    let mut performed = Vec::new();
    let ended = run(state, &ui, &mut paper, keys, receiver, &clock, |effect| {
        performed.push(effect);
    })
    .await;
    drop(sender);
    (ended, paper, performed)
}

#[tokio::test(start_paused = true)]
async fn keys_reach_the_app_and_effects_the_performer() {
    let state = Stage::new((80, 24)).state;
    // Nobody answers the start of the build, so leaving asks, and asks only once.
    let typed = vec![
        (100, char('j')),
        (100, char('B')),
        (100, ctrl('c')),
        (100, ctrl('c')),
    ];
    let (ended, paper, performed) = run_on(state, typed, vec![]).await;
    assert_eq!(ended.unwrap().manner, QuitManner::Interrupt);
    assert!(paper.frames >= 4);
    assert!(matches!(performed.as_slice(), [Effect::StartBuild(_)]));
}

#[tokio::test(start_paused = true)]
async fn the_state_comes_back_with_the_manner_of_leaving() {
    let state = fixtures::failed((80, 24)).state;
    let (ended, _, performed) = run_on(state, vec![(50, char('q'))], vec![]).await;
    let ended = ended.unwrap();
    assert_eq!(ended.manner, QuitManner::Leave);
    assert!(crate::app::summary(&ended.state).contains("unit-tests failure"));
    assert!(
        performed.is_empty(),
        "the loop's own effects are not handed out"
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_loop_draws_once_and_never_looks_at_the_clock() {
    let state = fixtures::failed((80, 24)).state;
    let hours = 10 * 3_600_000;
    let (ended, paper, _) = run_on(state, vec![(hours, char('q'))], vec![]).await;
    assert!(ended.is_ok());
    assert_eq!(paper.frames, 1);
}

#[tokio::test(start_paused = true)]
async fn while_something_runs_a_frame_a_second_is_drawn() {
    let state = fixtures::running((80, 24)).state;
    let typed = vec![(60_000, ctrl('c')), (10, ctrl('c'))];
    let (ended, paper, _) = run_on(state, typed, vec![]).await;
    assert_eq!(ended.unwrap().manner, QuitManner::Interrupt);
    assert!((55..=66).contains(&paper.frames), "{}", paper.frames);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_news_is_drawn_in_a_few_frames_and_keys_still_work() {
    let stage = fixtures::running((80, 24));
    let sid = stage.sid();
    let news: Vec<Msg> = (0..20_000)
        .map(|_| Msg::Source(sid.clone(), SourceItem::LogGrew("docs".into())))
        .collect();
    let (ended, paper, performed) =
        run_on(stage.state, vec![(1, ctrl('c')), (1, ctrl('c'))], news).await;
    assert_eq!(ended.unwrap().manner, QuitManner::Interrupt);
    assert!(paper.frames < 5, "{}", paper.frames);
    assert_eq!(
        performed.len(),
        1,
        "one request for the log is under way at a time"
    );
}

#[tokio::test(start_paused = true)]
async fn events_that_come_one_by_one_are_looked_at_together() {
    let jobs: Vec<Job> = (0..1000)
        .map(|number| Job::new(format!("job-{number}").as_str()))
        .collect();
    let ids: Vec<_> = jobs.iter().map(|job| job.id.clone()).collect();
    let mut stage = Stage::new((80, 24));
    stage.open(true);
    let start = Event::new(EventKind::ScriptStart { jobs });
    let events = std::iter::once(start).chain(ids.iter().flat_map(|id| {
        [
            Event::of_job(id, EventKind::JobQueued { job: None }),
            Event::of_job(id, EventKind::JobStart),
            Event::of_job(
                id,
                EventKind::JobEnd {
                    status: Some(JobStatus::Success),
                    result: Map::new(),
                },
            ),
        ]
    }));
    let sid = stage.sid();
    let news: Vec<Msg> = events
        .map(|event| Msg::Source(sid.clone(), SourceItem::Events(vec![Arc::new(event)])))
        .collect();
    let started = std::time::Instant::now();
    let typed = vec![(50, ctrl('c')), (50, ctrl('c'))];
    let (ended, ..) = run_on(stage.state, typed, news).await;
    let state = ended.unwrap().state;
    assert_eq!(state.view().build.jobs_done(), 1000);
    // One by one it takes many times as long, also where this is slow.
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_loop_does_itself_is_done() {
    let stage = fixtures::failed((80, 24));
    let enter = key(KeyCode::Enter);
    let typed = vec![
        (10, enter),
        (10, char('y')),
        (10, ctrl('z')),
        (10, char('M')),
        (10, ctrl('l')),
        (10, Input::Continued),
        (10, char('q')),
    ];
    let (ended, paper, _) = run_on(stage.state, typed, vec![]).await;
    assert!(ended.is_ok());
    assert_eq!(paper.copied.len(), 1);
    assert_eq!(paper.suspended, 1);
    assert!(paper.mouse);
}

#[tokio::test(start_paused = true)]
async fn signals_and_a_terminal_that_has_gone_end_the_loop() {
    let state = fixtures::running((80, 24)).state;
    let (ended, ..) = run_on(state, vec![(5, Input::Terminate)], vec![]).await;
    assert_eq!(ended.unwrap().manner, QuitManner::Terminate);

    let state = fixtures::running((80, 24)).state;
    let typed = vec![(5, Input::Interrupt), (5, Input::Interrupt)];
    let (ended, ..) = run_on(state, typed, vec![]).await;
    assert_eq!(ended.unwrap().manner, QuitManner::Interrupt);

    let state = fixtures::running((80, 24)).state;
    let (_sender, receiver) = mpsc::unbounded_channel();
    let gone = stream::iter(Vec::<io::Result<Input>>::new());
    let ui = Ui::new(Look::default());
    let ended = run(
        state,
        &ui,
        &mut Paper::new(),
        gone,
        receiver,
        &Paused::new(),
        drop,
    )
    .await;
    assert_eq!(ended.unwrap().manner, QuitManner::Terminate);
}

#[tokio::test(start_paused = true)]
async fn typing_goes_into_the_line_and_pasting_too() {
    let stage = fixtures::failed((80, 24));
    let paste = Input::Terminal(Term::Paste("ok\nq".to_owned()));
    let typed = vec![
        (10, char('/')),
        (10, char('q')),
        (10, key(KeyCode::Backspace)),
        (10, paste),
        (10, key(KeyCode::Enter)),
        (10, char('q')),
    ];
    let (ended, _, performed) = run_on(stage.state, typed, vec![]).await;
    assert_eq!(ended.unwrap().state.search.unwrap().text, "okq");
    assert!(
        performed
            .iter()
            .any(|effect| matches!(effect, Effect::Find(_)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_resize_is_drawn_at_the_new_size() {
    let state = fixtures::failed((80, 24)).state;
    let resize = Input::Terminal(Term::Resize(100, 40));
    let (ended, ..) = run_on(state, vec![(5, resize), (50, char('q'))], vec![]).await;
    assert_eq!(ended.unwrap().state.size, (100, 40));
}

#[test]
fn every_action_of_the_table_can_be_typed() {
    for info in crate::app::ACTIONS {
        assert!(
            !info.keys.is_empty() && !info.contexts.is_empty(),
            "{}",
            info.name
        );
    }
    assert_eq!("quit".parse(), Ok(Action::Quit));
}
