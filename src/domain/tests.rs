use proptest::prelude::*;

use crate::edn::{Map, Value};

use super::*;

fn job(id: &str, needs: &[&str]) -> Job {
    let mut job = Job::new(id);
    job.dependencies = needs.iter().map(|id| JobId::new(*id)).collect();
    job
}

fn at(time: Millis, job: &str, kind: EventKind) -> Event {
    Event {
        time: Some(time),
        ..Event::of_job(&JobId::new(job), kind)
    }
}

fn ended(status: JobStatus) -> EventKind {
    EventKind::JobEnd {
        status: Some(status),
        result: Map::new(),
    }
}

fn executed(status: JobStatus) -> EventKind {
    EventKind::JobExecuted {
        status: Some(status),
        result: Map::new(),
    }
}

fn build_end(status: BuildStatus) -> Event {
    Event::new(EventKind::BuildEnd {
        status: Some(status),
        build: None,
    })
}

/// What happens to one container job, in order; and which neighbours may swap
/// (events.md §1: seen in the transcripts).
fn life_of(id: &str, status: &JobStatus, start: Millis) -> Vec<Event> {
    vec![
        at(start, id, EventKind::JobQueued { job: None }),
        at(
            start + 1,
            id,
            EventKind::ContainerJobQueued {
                job: None,
                dek: None,
            },
        ),
        at(
            start + 2,
            id,
            EventKind::JobInitializing {
                local_dir: None,
                agent: None,
            },
        ),
        at(start + 3, id, EventKind::JobStart),
        at(
            start + 4,
            id,
            EventKind::CommandStart {
                command: "0".into(),
                stdout: None,
                stderr: None,
            },
        ),
        at(
            start + 5,
            id,
            EventKind::CommandEnd {
                command: "0".into(),
                exit: Some(0),
                stdout: None,
                stderr: None,
            },
        ),
        at(start + 6, id, executed(status.clone())),
        at(start + 7, id, ended(status.clone())),
    ]
}

/// Neighbours in [`life_of`] that were seen swapped.
const SWAPS: [(usize, usize); 2] = [(2, 3), (4, 5)];

fn final_status() -> impl Strategy<Value = JobStatus> {
    prop_oneof![
        Just(JobStatus::Success),
        Just(JobStatus::Failure),
        Just(JobStatus::Error),
        Just(JobStatus::Skipped),
        Just(JobStatus::Other("flaky".into())),
    ]
}

fn start_of(jobs: usize) -> Event {
    let jobs = (0..jobs).map(|n| job(&format!("job-{n}"), &[])).collect();
    Event::new(EventKind::ScriptStart { jobs })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_interleaving_of_jobs_folds_to_the_same_build(
        statuses in prop::collection::vec(final_status(), 1..6),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 64),
        swaps in prop::collection::vec(any::<bool>(), 12),
        twice in any::<bool>(),
    ) {
        let lives: Vec<Vec<Event>> = statuses
            .iter()
            .enumerate()
            .map(|(n, status)| life_of(&format!("job-{n}"), status, 100 * n as Millis))
            .collect();
        let mut plain = vec![start_of(lives.len())];
        plain.extend(lives.iter().flatten().cloned());

        let mut queues: Vec<std::collections::VecDeque<Event>> = lives
            .into_iter()
            .enumerate()
            .map(|(n, mut life)| {
                for (which, (a, b)) in SWAPS.iter().enumerate() {
                    if swaps[(n * SWAPS.len() + which) % swaps.len()] {
                        life.swap(*a, *b);
                    }
                }
                life.into()
            })
            .collect();
        let mut mixed = vec![start_of(queues.len())];
        for pick in picks.iter().cycle() {
            let open: Vec<usize> = (0..queues.len()).filter(|&n| !queues[n].is_empty()).collect();
            if open.is_empty() {
                break;
            }
            let event = queues[open[pick.index(open.len())]].pop_front().unwrap();
            if twice {
                mixed.push(event.clone());
            }
            mixed.push(event);
        }
        prop_assert_eq!(Build::fold(&mixed), Build::fold(&plain));
    }

    #[test]
    fn nothing_after_the_end_reopens_a_job(
        status in final_status(),
        late in prop::collection::vec(0usize..8, 0..8),
    ) {
        let life = life_of("a", &status, 0);
        let mut events = life.clone();
        events.extend(late.iter().map(|&n| life[n].clone()));
        let build = Build::fold(&events);
        prop_assert!(build.jobs()[0].is_over());
        prop_assert_eq!(&build.jobs()[0].status, &status);
    }

    #[test]
    fn the_order_puts_every_job_behind_what_it_needs(
        edges in prop::collection::vec((0usize..12, 0usize..12), 0..40),
    ) {
        // Only edges to earlier jobs: no cycles.
        let mut jobs: Vec<Job> = (0..12).map(|n| job(&format!("{n}"), &[])).collect();
        for (a, b) in edges {
            if b < a {
                jobs[a].dependencies.push(JobId::new(b.to_string()));
            }
        }
        let graph = JobGraph::new(&jobs);
        let order: Vec<JobId> = graph.order().into_iter().map(|(id, _)| id).collect();
        prop_assert_eq!(order.len(), jobs.len());
        for job in &jobs {
            let place = order.iter().position(|id| *id == job.id).unwrap();
            for need in &job.dependencies {
                prop_assert!(order.iter().position(|id| id == need).unwrap() < place);
            }
        }
        prop_assert!(graph.faults().is_empty());
    }

    #[test]
    fn different_ids_have_different_and_safe_file_names(a in "\\PC{0,150}", b in "\\PC{0,150}") {
        let (x, y) = (file_name(&a), file_name(&b));
        prop_assert_eq!(id_of_file_name(&x), (!x.contains('~')).then(|| a.clone()));
        prop_assert_eq!(a == b, x == y);
        prop_assert!(x.len() <= 100 && !x.is_empty());
        prop_assert!(!x.starts_with('.') && !x.contains('/'));
    }
}

#[test]
fn a_canceled_build_stays_canceled_when_its_script_ends_well() {
    let build = Build::fold(&[
        Event::new(EventKind::BuildStart),
        Event::new(EventKind::BuildCanceled),
        build_end(BuildStatus::Success),
    ]);
    assert_eq!(build.status, BuildStatus::Canceled);
}

#[test]
fn a_blocked_job_that_was_approved_is_not_blocked_again() {
    let mut events = vec![
        at(1, "a", EventKind::JobBlocked),
        at(2, "a", EventKind::JobUnblocked),
        at(3, "a", EventKind::JobBlocked),
    ];
    assert_eq!(Build::fold(&events).jobs()[0].status, JobStatus::Queued);
    events.push(at(4, "a", EventKind::JobQueued { job: None }));
    events.push(at(5, "a", EventKind::JobStart));
    events.push(at(6, "a", EventKind::JobBlocked));
    assert_eq!(Build::fold(&events).jobs()[0].status, JobStatus::Running);
}

#[test]
fn the_second_end_of_a_job_that_threw_adds_its_error() {
    let with_error: Map = [(Value::kw("error"), Value::from("boom"))]
        .into_iter()
        .collect();
    let build = Build::fold(&[
        at(1, "a", ended(JobStatus::Failure)),
        at(2, "a", executed(JobStatus::Failure)),
        at(
            3,
            "a",
            EventKind::JobEnd {
                status: Some(JobStatus::Failure),
                result: with_error,
            },
        ),
    ]);
    let state = &build.jobs()[0];
    assert_eq!(state.status, JobStatus::Failure);
    assert_eq!(state.end_time, Some(1));
    assert_eq!(
        state.result.get_kw("error").and_then(Value::as_str),
        Some("boom")
    );
}

#[test]
fn the_end_of_a_build_closes_what_was_left_open() {
    let jobs = vec![
        job("done", &[]),
        job("active", &[]),
        job("never", &["active"]),
    ];
    let mut events = vec![
        Event::new(EventKind::ScriptStart { jobs }),
        at(1, "done", ended(JobStatus::Success)),
        at(2, "active", EventKind::JobQueued { job: None }),
        at(3, "active", EventKind::JobStart),
    ];
    events.push(build_end(BuildStatus::Error));
    let build = Build::fold(&events);
    let status = |id: &str| build.job(&id.into()).unwrap().status.clone();
    assert_eq!(status("done"), JobStatus::Success);
    assert_eq!(status("active"), JobStatus::Error);
    assert_eq!(status("never"), JobStatus::Skipped);

    events.insert(4, Event::new(EventKind::BuildCanceled));
    let build = Build::fold(&events);
    assert_eq!(
        build.job(&"active".into()).unwrap().status,
        JobStatus::Canceled
    );
}

#[test]
fn of_two_jobs_with_one_id_the_last_counts() {
    let mut second = job("a", &[]);
    second.script = vec!["second".into()];
    let build = Build::fold(&[Event::new(EventKind::ScriptStart {
        jobs: vec![job("a", &[]), second.clone()],
    })]);
    assert_eq!(build.jobs().len(), 1);
    assert_eq!(build.jobs()[0].job, second);
    let graph = JobGraph::new(&[job("a", &[]), second]);
    assert_eq!(graph.faults(), [GraphFault::Duplicate("a".into())]);
}

#[test]
fn tests_are_summed_over_suites_whether_numbers_or_texts() {
    let suite = |tests: Value, failures: Value| {
        Value::map([
            ("tests", tests),
            ("failures", failures),
            ("errors", "0".into()),
        ])
    };
    let totals = TestTotals::read(&Value::Vector(vec![
        suite("3".into(), "1".into()),
        suite(Value::Int(4), Value::Int(0)),
        suite("many".into(), Value::Int(-2)),
    ]));
    assert_eq!(totals.to_string(), "7 tests, 1 failed");
    assert_eq!(
        TestTotals::read(&suite("1".into(), "0".into())).to_string(),
        "1 test"
    );
}

#[test]
fn cycles_and_missing_dependencies_are_named_with_their_place() {
    let jobs = [
        job("a", &["b"]),
        job("b", &["c"]),
        job("c", &["a"]),
        job("d", &["nowhere"]),
    ];
    let graph = JobGraph::new(&jobs);
    let said: Vec<String> = graph.faults().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "job \"d\" depends on \"nowhere\", which does not exist, so it never runs",
            "these jobs wait for each other: a → b → c → a, so none of them runs",
        ]
    );
}

#[test]
fn a_chain_of_a_hundred_thousand_jobs_is_ordered_without_deep_recursion() {
    let jobs: Vec<Job> = (0..100_000)
        .map(|n: u32| {
            let needs = n.checked_sub(1).map(|n| n.to_string());
            job(
                &n.to_string(),
                &needs.as_deref().into_iter().collect::<Vec<_>>(),
            )
        })
        .collect();
    let order = JobGraph::new(&jobs).order();
    assert_eq!(order.last(), Some(&("99999".into(), 99_999)));
}

#[test]
fn a_filter_keeps_what_the_wanted_jobs_need() {
    let jobs = [
        job("a", &[]),
        job("b", &["a"]),
        job("c", &["b"]),
        job("d", &[]),
    ];
    let mut kept: Vec<String> = JobGraph::new(&jobs)
        .with_dependencies(&["b".into()])
        .iter()
        .map(ToString::to_string)
        .collect();
    kept.sort();
    assert_eq!(kept, ["a", "b"]);
}

#[test]
fn file_names_never_leave_their_folder() {
    for (id, name) in [
        ("..", "%2E."),
        ("a/b", "a%2Fb"),
        (".hidden", "%2Ehidden"),
        ("", "%"),
        ("unit tests", "unit%20tests"),
        ("🎉", "%F0%9F%8E%89"),
    ] {
        assert_eq!(file_name(id), name);
        assert_eq!(id_of_file_name(name).as_deref(), Some(id));
    }
}

#[test]
fn ids_are_shown_without_control_characters() {
    assert_eq!(JobId::new("a\x1b[2Jb").to_string(), "a\u{FFFD}[2Jb");
}

#[test]
fn a_pull_is_told_until_the_job_runs() {
    let pull = PullProgress {
        layers: 5,
        done: 3,
        ..PullProgress::default()
    };
    let pulling = |time| at(time, "a", EventKind::Tui(TuiEvent::Pulling(pull)));
    let pulled = at(3, "a", EventKind::Tui(TuiEvent::Pulled));
    let start = at(4, "a", EventKind::JobStart);
    let job = |events: &[Event]| Build::fold(events).job(&"a".into()).unwrap().clone();
    assert_eq!(job(&[pulling(1)]).pull, Some(pull));
    assert_eq!(job(&[pulling(1), pulled]).pull, None);
    assert_eq!(job(&[pulling(1), start.clone()]).pull, None);
    assert_eq!(job(&[start, pulling(1)]).pull, None, "it runs already");
    assert_eq!(
        job(&[pulling(1), at(2, "a", ended(JobStatus::Error))]).pull,
        None
    );
    let canceled = [pulling(1), build_end(BuildStatus::Canceled)];
    assert_eq!(job(&canceled).pull, None);
}

#[test]
fn a_journal_that_begins_anew_leaves_nothing_of_the_former() {
    let mut events = life_of("a", &JobStatus::Failure, 10);
    events.push(build_end(BuildStatus::Error));
    let anew = Event {
        seq: 20,
        time: Some(90),
        sid: Some(Sid::new("o@ci", "r", "b")),
        ..Event::new(EventKind::Tui(TuiEvent::Anew))
    };
    events.push(anew);
    let mut build = Build::fold(&events);
    assert!(build.jobs().is_empty() && build.job(&"a".into()).is_none());
    assert_eq!(build.status, BuildStatus::Pending);
    assert_eq!((build.last_seq, build.last_time), (20, Some(90)));
    build.apply(&at(100, "b", EventKind::JobStart));
    assert_eq!(build.jobs().len(), 1);
    assert_eq!(build.status, BuildStatus::Pending);
}
