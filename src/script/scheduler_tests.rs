use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::edn::Map;

fn job(id: &str, dependencies: &[&str]) -> Job {
    Job {
        dependencies: dependencies.iter().map(|id| JobId::from(*id)).collect(),
        ..Job::new(id)
    }
}

fn blocked(id: &str, dependencies: &[&str]) -> Job {
    Job {
        blocked: true,
        ..job(id, dependencies)
    }
}

fn executed(id: &str, status: JobStatus) -> Event {
    Event::of_job(
        &id.into(),
        EventKind::JobExecuted {
            status: Some(status),
            result: Map::new(),
        },
    )
}

fn ended(id: &str, status: Option<JobStatus>) -> Event {
    let mut event = Event::of_job(
        &id.into(),
        EventKind::JobEnd {
            status,
            result: Map::new(),
        },
    );
    event.src = Some(Src::Engine);
    event
}

fn unblocked(id: &str) -> Event {
    Event::of_job(&id.into(), EventKind::JobUnblocked)
}

fn canceled() -> Event {
    Event::new(EventKind::BuildCanceled)
}

/// `job/queued a, script/end success` and the like; container/job-queued left out.
fn told(events: &[Event]) -> String {
    let parts: Vec<String> = events
        .iter()
        .filter(|event| !matches!(event.kind, EventKind::ContainerJobQueued { .. }))
        .map(|event| {
            let mut text = event.type_name().to_owned();
            if let Some(id) = &event.job_id {
                write!(text, " {id}").unwrap();
            }
            match &event.kind {
                EventKind::ScriptEnd {
                    status: Some(status),
                } => write!(text, " {status}").unwrap(),
                EventKind::JobEnd {
                    status: Some(status),
                    ..
                } => write!(text, " {status}").unwrap(),
                EventKind::ScriptStart { jobs } => {
                    for job in jobs {
                        write!(text, " {}", job.id).unwrap();
                    }
                }
                _ => {}
            }
            text
        })
        .collect();
    parts.join(", ")
}

fn started(jobs: Vec<Job>) -> Scheduler {
    let mut scheduler = Scheduler::new(jobs, &[]);
    scheduler.start();
    scheduler
}

#[test]
fn all_jobs_without_dependencies_are_queued_at_once() {
    let mut scheduler = Scheduler::new(vec![job("a", &[]), job("b", &["a"]), job("c", &[])], &[]);
    let events = scheduler.start();
    assert_eq!(
        told(&events),
        "script/start a b c, job/queued a, job/queued c"
    );
    assert!(events.iter().all(|event| event.src == Some(Src::Script)));
}

#[test]
fn a_queued_container_job_is_handed_to_the_runner_next() {
    let events = Scheduler::new(vec![job("a", &[])], &[]).start();
    let names: Vec<&str> = events.iter().map(Event::type_name).collect();
    assert_eq!(
        names,
        ["script/start", "job/queued", "container/job-queued"]
    );
    let EventKind::ContainerJobQueued { job: Some(job), .. } = &events[2].kind else {
        panic!("the definition goes with it");
    };
    assert_eq!(job.id.as_str(), "a");
}

#[test]
fn executed_jobs_end_and_free_those_that_waited() {
    let mut scheduler = started(vec![job("a", &[]), job("b", &["a"])]);
    assert_eq!(
        told(&scheduler.on(&executed("a", JobStatus::Success))),
        "job/end a success, job/queued b"
    );
    assert_eq!(
        told(&scheduler.on(&executed("b", JobStatus::Success))),
        "job/end b success, script/end success"
    );
    assert_eq!(scheduler.finished(), Some(BuildStatus::Success));
}

#[test]
fn executed_without_status_is_success_and_ended_without_status_is_error() {
    let mut scheduler = started(vec![job("a", &[]), job("b", &[])]);
    let mut event = executed("a", JobStatus::Success);
    event.kind = EventKind::JobExecuted {
        status: None,
        result: Map::new(),
    };
    assert_eq!(told(&scheduler.on(&event)), "job/end a success");
    assert_eq!(told(&scheduler.on(&ended("b", None))), "script/end error");
}

#[test]
fn dependants_of_a_failed_job_are_skipped_before_the_script_ends() {
    let mut scheduler = started(vec![job("a", &[]), job("b", &["a"]), job("c", &["b"])]);
    assert_eq!(
        told(&scheduler.on(&executed("a", JobStatus::Failure))),
        "job/end a failure, job/skipped b, job/skipped c, script/end error"
    );
}

#[test]
fn a_skipped_job_frees_nobody_and_spoils_nothing() {
    let mut scheduler = started(vec![job("a", &[]), job("b", &["a"])]);
    assert_eq!(
        told(&scheduler.on(&executed("a", JobStatus::Skipped))),
        "job/end a skipped, job/skipped b, script/end success"
    );
}

#[test]
fn an_end_that_the_runner_tells_is_not_repeated() {
    let mut scheduler = started(vec![job("a", &[]), job("b", &["a"])]);
    assert_eq!(
        told(&scheduler.on(&ended("a", Some(JobStatus::Success)))),
        "job/queued b"
    );
    assert_eq!(
        told(&scheduler.on(&ended("a", Some(JobStatus::Failure)))),
        ""
    );
    assert_eq!(
        told(&scheduler.on(&ended("b", Some(JobStatus::Success)))),
        "script/end success"
    );
}

#[test]
fn the_scripts_own_events_mean_nothing() {
    let mut scheduler = started(vec![job("a", &[])]);
    let mut echo = ended("a", Some(JobStatus::Success));
    echo.src = Some(Src::Script);
    assert_eq!(told(&scheduler.on(&echo)), "");
    assert!(scheduler.is_active(&"a".into()));
}

#[test]
fn a_job_that_was_never_queued_cannot_have_been_executed() {
    let mut scheduler = started(vec![job("a", &[]), job("b", &["a"])]);
    assert_eq!(told(&scheduler.on(&executed("b", JobStatus::Success))), "");
    assert_eq!(
        told(&scheduler.on(&executed("unheard-of", JobStatus::Success))),
        ""
    );
}

#[test]
fn a_blocked_job_waits_for_approval_and_is_announced_once() {
    let mut scheduler = Scheduler::new(vec![job("a", &[]), blocked("b", &[])], &[]);
    assert_eq!(
        told(&scheduler.start()),
        "script/start a b, job/queued a, job/blocked b"
    );
    assert_eq!(
        told(&scheduler.on(&executed("a", JobStatus::Success))),
        "job/end a success"
    );
    assert_eq!(scheduler.finished(), None);
    assert_eq!(told(&scheduler.on(&unblocked("b"))), "job/queued b");
    assert_eq!(told(&scheduler.on(&unblocked("b"))), "");
    assert_eq!(
        told(&scheduler.on(&executed("b", JobStatus::Success))),
        "job/end b success, script/end success"
    );
}

#[test]
fn approval_may_come_before_it_is_needed() {
    let mut scheduler = started(vec![job("a", &[]), blocked("b", &["a"])]);
    assert_eq!(told(&scheduler.on(&unblocked("b"))), "");
    assert_eq!(
        told(&scheduler.on(&executed("a", JobStatus::Success))),
        "job/end a success, job/queued b"
    );
}

#[test]
fn cancel_skips_what_waits_and_waits_for_what_runs() {
    let mut scheduler = started(vec![
        job("a", &[]),
        job("b", &[]),
        job("c", &["a"]),
        blocked("d", &[]),
    ]);
    assert_eq!(
        told(&scheduler.on(&canceled())),
        "job/skipped c, job/skipped d"
    );
    assert_eq!(told(&scheduler.on(&canceled())), "");
    assert_eq!(
        told(&scheduler.on(&executed("a", JobStatus::Success))),
        "job/end a success"
    );
    assert_eq!(
        told(&scheduler.on(&executed("b", JobStatus::Canceled))),
        "job/end b canceled, script/end canceled"
    );
}

#[test]
fn cancel_ends_a_script_that_only_waits_for_approval() {
    let mut scheduler = started(vec![blocked("a", &[])]);
    assert_eq!(
        told(&scheduler.on(&canceled())),
        "job/skipped a, script/end canceled"
    );
}

#[test]
fn the_cancel_of_another_build_means_nothing() {
    let mut scheduler = Scheduler::new(vec![job("a", &[]), job("b", &["a"])], &[])
        .for_build(Sid::new("o", "r", "1"));
    scheduler.start();
    let mut other = canceled();
    other.sid = Some(Sid::new("o", "r", "2"));
    assert_eq!(told(&scheduler.on(&other)), "");
    other.sid = Some(Sid::new("o", "r", "1"));
    assert_eq!(told(&scheduler.on(&other)), "job/skipped b");
}

#[test]
fn without_a_job_that_can_run_the_script_ends_in_error() {
    for jobs in [
        vec![],
        vec![job("a", &["b"]), job("b", &["a"])],
        vec![job("a", &["missing"])],
        vec![job("a", &["a"])],
    ] {
        let mut scheduler = Scheduler::new(jobs, &[]);
        let events = scheduler.start();
        let end = events.last().unwrap();
        assert_eq!(end.message.as_deref(), Some("No jobs to run"));
        assert!(
            told(&events).ends_with("script/end error"),
            "{}",
            told(&events)
        );
        assert_eq!(scheduler.finished(), Some(BuildStatus::Error));
    }
}

#[test]
fn members_of_a_cycle_are_skipped() {
    let mut scheduler = started(vec![job("a", &[]), job("b", &["c"]), job("c", &["b"])]);
    assert_eq!(
        told(&scheduler.on(&executed("a", JobStatus::Success))),
        "job/end a success, job/skipped b, job/skipped c, script/end success"
    );
}

#[test]
fn of_two_jobs_with_one_id_the_last_counts() {
    let mut scheduler = Scheduler::new(
        vec![job("a", &["gone"]), job("b", &[]), job("a", &["b"])],
        &[],
    );
    assert_eq!(told(&scheduler.start()), "script/start a b, job/queued b");
    assert_eq!(
        told(&scheduler.on(&executed("b", JobStatus::Success))),
        "job/end b success, job/queued a"
    );
}

#[test]
fn a_dependency_that_is_named_twice_counts_once() {
    let mut scheduler = started(vec![job("a", &[]), job("b", &["a", "a"])]);
    assert_eq!(
        told(&scheduler.on(&executed("a", JobStatus::Success))),
        "job/end a success, job/queued b"
    );
}

#[test]
fn a_filter_keeps_the_jobs_it_names_and_all_they_need() {
    let jobs = vec![
        job("a", &[]),
        job("b", &["a"]),
        job("c", &["b"]),
        job("d", &["a"]),
    ];
    let mut scheduler = Scheduler::new(jobs, &["c".into()]);
    assert_eq!(told(&scheduler.start()), "script/start a b c, job/queued a");
}

#[test]
fn ten_thousand_jobs_take_no_time_to_speak_of() {
    let names: Vec<String> = (0..10_000).map(|n| format!("j{n}")).collect();
    let chain: Vec<Job> = names
        .iter()
        .enumerate()
        .map(|(n, name)| match n.checked_sub(1) {
            Some(before) => job(name, &[&names[before]]),
            None => job(name, &[]),
        })
        .collect();
    let mut wide: Vec<Job> = names.iter().map(|name| job(name, &[])).collect();
    wide.push(Job {
        dependencies: names.iter().map(JobId::new).collect(),
        ..Job::new("last")
    });
    for jobs in [chain, wide] {
        let begin = Instant::now();
        let last = jobs.last().unwrap().id.clone();
        let mut scheduler = started(jobs);
        for name in &names {
            scheduler.on(&executed(name, JobStatus::Success));
        }
        scheduler.on(&executed(last.as_str(), JobStatus::Success));
        assert_eq!(scheduler.finished(), Some(BuildStatus::Success));
        assert!(
            begin.elapsed() < Duration::from_secs(3),
            "{:?}",
            begin.elapsed()
        );
    }
}

/// What a run of the whole script told, driven by a runner that picks jobs as `choices` say.
#[derive(Debug)]
struct Told {
    events: Vec<Event>,
    scheduler: Scheduler,
}

fn drive(jobs: Vec<Job>, choices: &[(usize, u8)], cancel_at: Option<usize>) -> Told {
    let mut scheduler = Scheduler::new(jobs, &[]);
    let mut events = scheduler.start();
    let mut seen = 0;
    let mut running: Vec<JobId> = Vec::new();
    let mut held: Vec<JobId> = Vec::new();
    for step in 0.. {
        for event in &events[seen..] {
            match event.kind {
                EventKind::JobQueued { .. } => running.push(event.job_id.clone().unwrap()),
                EventKind::JobBlocked => held.push(event.job_id.clone().unwrap()),
                _ => {}
            }
        }
        seen = events.len();
        if scheduler.finished().is_some() {
            break;
        }
        let (pick, fate) = choices[step % choices.len()];
        let event = if cancel_at == Some(step) {
            held.clear();
            canceled()
        } else if !held.is_empty() && (running.is_empty() || fate == 7) {
            unblocked(held.remove(pick % held.len()).as_str())
        } else {
            assert!(
                !running.is_empty(),
                "nobody is left, but the script has not ended"
            );
            let id = running.remove(pick % running.len());
            match fate {
                0 => executed(id.as_str(), JobStatus::Failure),
                1 => ended(id.as_str(), Some(JobStatus::Error)),
                2 => executed(id.as_str(), JobStatus::Skipped),
                3 => ended(id.as_str(), Some(JobStatus::Success)),
                _ => executed(id.as_str(), JobStatus::Success),
            }
        };
        if matches!(event.kind, EventKind::JobEnd { .. }) {
            events.push(event.clone());
        }
        events.extend(scheduler.on(&event));
        // Everything may come twice.
        assert_eq!(told(&scheduler.on(&event)), "");
    }
    Told { events, scheduler }
}

prop_compose! {
    fn any_jobs()(
        edges in prop::collection::vec((prop::collection::vec(0usize..14, 0..4), prop::bool::weighted(0.15)), 0..12)
    ) -> Vec<Job> {
        edges
            .iter()
            .enumerate()
            .map(|(n, (needs, blocked))| Job {
                // Mostly backwards, so that jobs run; 12 and 13 never exist, some form cycles.
                dependencies: needs
                    .iter()
                    .map(|d| if *d < 10 { d % (n + 1) } else { *d })
                    .filter(|d| *d != n || n % 5 == 4)
                    .map(|d| JobId::new(format!("j{d}")))
                    .collect(),
                blocked: *blocked,
                ..Job::new(format!("j{n}").as_str())
            })
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_job_ends_once_and_runs_only_after_all_it_needs(
        jobs in any_jobs(),
        choices in prop::collection::vec((0usize..50, 0u8..14), 1..30),
        cancel_at in prop::option::weighted(0.3, 0usize..12),
    ) {
        let Told { events, scheduler } = drive(jobs.clone(), &choices, cancel_at);
        let mut succeeded: HashSet<JobId> = HashSet::new();
        let mut queued: HashSet<JobId> = HashSet::new();
        let mut ends: HashMap<JobId, JobStatus> = HashMap::new();
        for event in &events {
            let id = event.job_id.clone();
            match &event.kind {
                EventKind::JobQueued { .. } => {
                    let id = id.unwrap();
                    let job = jobs.iter().find(|job| job.id == id).unwrap();
                    prop_assert!(job.dependencies.iter().all(|d| succeeded.contains(d)));
                    prop_assert!(queued.insert(id), "queued twice");
                }
                EventKind::JobEnd { status, .. } => {
                    let status = status.clone().unwrap();
                    if status == JobStatus::Success {
                        succeeded.insert(id.clone().unwrap());
                    }
                    prop_assert!(ends.insert(id.unwrap(), status).is_none(), "ended twice");
                }
                EventKind::JobSkipped => {
                    let id = id.unwrap();
                    prop_assert!(!queued.contains(&id));
                    prop_assert!(ends.insert(id, JobStatus::Skipped).is_none(), "ended twice");
                }
                _ => {}
            }
        }
        prop_assert_eq!(ends.len(), jobs.len(), "every job reaches a final state");
        let last = events.last().unwrap();
        let EventKind::ScriptEnd { status: Some(status) } = &last.kind else {
            return Err(TestCaseError::fail("script/end comes last"));
        };
        prop_assert_eq!(Some(status.clone()), scheduler.finished());
        let canceled = cancel_at.is_some_and(|_| *status == BuildStatus::Canceled);
        let failed = ends.values().any(JobStatus::is_failed);
        let never_began = last.message.is_some();
        let expected = if canceled {
            BuildStatus::Canceled
        } else if failed || never_began {
            BuildStatus::Error
        } else {
            BuildStatus::Success
        };
        prop_assert_eq!(status, &expected);
        if !canceled && !never_began {
            // Nothing was left out that could have run.
            for job in &jobs {
                let could = job.dependencies.iter().all(|d| succeeded.contains(d));
                prop_assert_eq!(could, queued.contains(&job.id), "{}", job.id);
            }
        }
    }
}
