//! How fast a build is made from its journal. Goal: 100,000 events in at most 100 ms.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use monkeyci_tui::domain::{Build, Event, EventKind, Job, JobId, JobStatus};
use monkeyci_tui::edn::{self, Map};
use monkeyci_tui::wire;

/// Jobs of the build, and commands of each: 2,000 × (6 + 2 × 22) = 100,000 events, and a few.
const JOBS: usize = 2_000;
const COMMANDS: usize = 22;

fn main() {
    divan::main();
}

/// A journal of 100,000 events in which the jobs run all at once, each a step at a time.
fn journal() -> Vec<Event> {
    let ids: Vec<JobId> = (0..JOBS).map(|n| JobId::new(format!("job-{n}"))).collect();
    let jobs: Vec<Job> = ids.iter().cloned().map(Job::new).collect();
    let mut kinds = vec![
        (None, EventKind::BuildPending { build: Map::new() }),
        (None, EventKind::BuildStart),
        (None, EventKind::ScriptStart { jobs: jobs.clone() }),
    ];
    let mut every_job = |kind: &dyn Fn(usize) -> EventKind| {
        for (place, id) in ids.iter().enumerate() {
            kinds.push((Some(id.clone()), kind(place)));
        }
    };
    let job = |place: usize| Some(Box::new(jobs[place].clone()));
    every_job(&|place| EventKind::JobQueued { job: job(place) });
    every_job(&|place| EventKind::ContainerJobQueued {
        job: job(place),
        dek: None,
    });
    every_job(&|_| EventKind::JobInitializing {
        local_dir: None,
        agent: None,
    });
    every_job(&|_| EventKind::JobStart);
    for command in 0..COMMANDS {
        every_job(&|_| EventKind::CommandStart {
            command: command.to_string(),
            stdout: None,
            stderr: None,
        });
        every_job(&|_| EventKind::CommandEnd {
            command: command.to_string(),
            exit: Some(0),
            stdout: None,
            stderr: None,
        });
    }
    every_job(&|_| EventKind::JobExecuted {
        status: Some(JobStatus::Success),
        result: Map::new(),
    });
    every_job(&|_| EventKind::JobEnd {
        status: Some(JobStatus::Success),
        result: Map::new(),
    });
    (1..)
        .zip(kinds)
        .map(|(seq, (job_id, kind))| Event {
            seq,
            time: Some(1_795_457_000_000 + seq.cast_signed()),
            job_id,
            ..Event::new(kind)
        })
        .collect()
}

#[divan::bench]
fn fold_100_000_events(bencher: Bencher) {
    let events = journal();
    assert!(events.len() >= 100_000);
    bencher
        .counter(ItemsCount::new(events.len()))
        .bench_local(|| Build::fold(black_box(&events)));
}

/// What opening a recording of this size costs, but for reading the file.
#[divan::bench(sample_count = 10)]
fn read_and_fold_100_000_lines(bencher: Bencher) {
    let lines: Vec<String> = journal().iter().map(wire::write_event).collect();
    bencher
        .counter(ItemsCount::new(lines.len()))
        .bench_local(|| {
            let mut build = Build::default();
            for line in black_box(&lines) {
                let value = edn::read_lenient(line).expect("our own lines read");
                build.apply(&wire::event_from(value).expect("our own events read"));
            }
            build
        });
}
