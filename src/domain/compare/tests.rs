//! What holds for all comparisons, and what some of them say.

use proptest::prelude::*;

use crate::domain::{Build, BuildStatus, Event, EventKind, Job, JobId, JobStatus, TuiEvent};
use crate::edn::{self, Map, Value};

use super::*;

/// What may be different about a build.
#[derive(Debug, Clone)]
struct Sample {
    commit: u8,
    files: Option<u8>,
    options: Vec<u8>,
    status: bool,
    jobs: Vec<SampleJob>,
    results: Vec<u8>,
}

#[derive(Debug, Clone)]
struct SampleJob {
    id: u8,
    image: Option<u8>,
    script: Vec<u8>,
    env: Vec<(u8, u8)>,
    needs: Vec<u8>,
    status: u8,
    took: i64,
    tests: Vec<(u8, u8)>,
    artifacts: Vec<(u8, u64)>,
}

fn sample_job() -> impl Strategy<Value = SampleJob> {
    let few = || prop::collection::vec(0..4_u8, 0..4);
    (
        (0..4_u8, prop::option::of(0..2_u8), few()),
        (
            prop::collection::vec((0..3_u8, 0..2_u8), 0..3),
            few(),
            0..4_u8,
        ),
        (0..4000_i64, prop::collection::vec((0..4_u8, 0..4_u8), 0..5)),
        prop::collection::vec((0..2_u8, 0..3_u64), 0..3),
    )
        .prop_map(
            |((id, image, script), (env, needs, status), (took, tests), artifacts)| SampleJob {
                id,
                image,
                script,
                env,
                needs,
                status,
                took,
                tests,
                artifacts,
            },
        )
}

fn sample() -> impl Strategy<Value = Sample> {
    (
        0..2_u8,
        prop::option::of(0..2_u8),
        prop::collection::vec(0..3_u8, 0..3),
        any::<bool>(),
        prop::collection::vec(sample_job(), 0..4),
        prop::collection::vec(0..3_u8, 0..3),
    )
        .prop_map(|(commit, files, options, status, jobs, results)| Sample {
            commit,
            files,
            options,
            status,
            jobs,
            results,
        })
}

fn tests_of(tests: &[(u8, u8)]) -> Value {
    let cases = tests.iter().map(|(name, status)| {
        let trouble = match status {
            0 => "",
            1 => ":failures [{:message \"no\"}]",
            2 => ":errors [{}]",
            _ => ":skipped true",
        };
        format!("{{:test-case \"t{name}\" {trouble}}}")
    });
    let cases: Vec<String> = cases.collect();
    edn::read_str(&format!(
        "[{{:name \"s\" :test-cases [{}]}}]",
        cases.join(" ")
    ))
    .unwrap()
}

fn fold(sample: &Sample) -> Build {
    let git = Value::map([("commit-id", format!("c{}", sample.commit).into())]);
    let pending = EventKind::BuildPending {
        build: Map::from_iter([(Value::kw("git"), git)]),
    };
    let id = |id: u8| JobId::new(format!("j{id}"));
    let jobs = sample.jobs.iter().map(|it| {
        let mut job = Job::new(id(it.id));
        job.image = it.image.map(|image| format!("i{image}"));
        job.script = it.script.iter().map(|line| format!("run {line}")).collect();
        job.env = it
            .env
            .iter()
            .map(|(name, value)| (format!("E{name}"), value.to_string()))
            .collect();
        job.dependencies = it.needs.iter().map(|need| id(*need)).collect();
        job
    });
    let args = sample.options.iter().map(|it| format!("--o{it}"));
    let mut events = vec![
        Event::new(pending),
        Event::new(EventKind::Tui(TuiEvent::Request {
            args: std::iter::once("build".to_owned()).chain(args).collect(),
        })),
        Event::new(EventKind::ScriptStart {
            jobs: jobs.collect(),
        }),
    ];
    if let Some(files) = sample.files {
        let digest = files.to_string();
        events.push(Event::new(EventKind::Tui(TuiEvent::Workspace { digest })));
    }
    for it in &sample.jobs {
        let job = id(it.id);
        let mut start = Event::of_job(&job, EventKind::JobStart);
        start.time = Some(0);
        events.push(start);
        for (name, size) in &it.artifacts {
            let saved = TuiEvent::ArtifactSaved {
                id: format!("a{name}"),
                path: String::new(),
                size: *size,
            };
            events.push(Event::of_job(&job, EventKind::Tui(saved)));
        }
        let status = [
            JobStatus::Success,
            JobStatus::Failure,
            JobStatus::Error,
            JobStatus::Skipped,
        ][usize::from(it.status)]
        .clone();
        let tests = (Value::kw("monkey.ci/tests"), tests_of(&it.tests));
        let mut end = Event::of_job(
            &job,
            EventKind::JobEnd {
                status: Some(status),
                result: Map::from_iter([tests]),
            },
        );
        end.time = Some(it.took);
        events.push(end);
    }
    for result in &sample.results {
        events.push(Event::new(EventKind::Tui(TuiEvent::ResultSaved {
            name: format!("r{result}"),
            media_type: "text/plain".to_owned(),
            size: 1,
        })));
    }
    let status = if sample.status {
        BuildStatus::Success
    } else {
        BuildStatus::Error
    };
    events.push(Event::new(EventKind::BuildEnd {
        status: Some(status),
        build: None,
    }));
    Build::fold(&events)
}

/// Findings in one order, without what is about one direction.
fn plain(findings: impl IntoIterator<Item = Finding>) -> Vec<String> {
    let mut all: Vec<String> = findings
        .into_iter()
        .map(|mut finding| {
            finding.note = None;
            format!("{finding:?}")
        })
        .collect();
    all.sort();
    all
}

proptest! {
    #[test]
    fn a_build_is_the_same_as_itself(sample in sample()) {
        let build = fold(&sample);
        let comparison = Comparison::new(&build, &build);
        prop_assert!(comparison.is_same());
        prop_assert_eq!(comparison.findings(), &[]);
    }

    #[test]
    fn the_other_way_round_everything_is_turned(one in sample(), other in sample()) {
        let (one, other) = (fold(&one), fold(&other));
        let there = Comparison::new(&one, &other);
        let back = Comparison::new(&other, &one);
        let turned = there.findings().iter().cloned().map(Finding::mirrored);
        prop_assert_eq!(plain(turned), plain(back.findings().to_vec()));
        prop_assert_eq!(there.same_files, back.same_files);
    }
}

fn base() -> Sample {
    Sample {
        commit: 0,
        files: Some(0),
        options: vec![0],
        status: true,
        jobs: vec![SampleJob {
            id: 0,
            image: Some(0),
            script: vec![0, 1, 2],
            env: vec![(0, 0)],
            needs: Vec::new(),
            status: 0,
            took: 10_000,
            tests: vec![(0, 0), (1, 1), (2, 0)],
            artifacts: vec![(0, 100)],
        }],
        results: vec![0],
    }
}

fn told(change: impl FnOnce(&mut Sample)) -> Vec<String> {
    let mut sample = base();
    change(&mut sample);
    let comparison = Comparison::new(&fold(&base()), &fold(&sample));
    comparison
        .findings()
        .iter()
        .map(|it| {
            let side = |side: &Option<Told>| match side {
                None => "-".to_owned(),
                Some(Told::Text(text)) => text.clone(),
                Some(Told::Bytes(size)) => format!("{size} B"),
                Some(other) => format!("{other:?}"),
            };
            let job = it
                .job
                .as_ref()
                .map(|id| format!("{id} "))
                .unwrap_or_default();
            let flaky = if it.flaky { " flaky" } else { "" };
            format!(
                "{} {} {job}{}: {} {}{flaky}",
                it.part.as_str(),
                it.kind.as_str(),
                it.name,
                side(&it.before),
                side(&it.after)
            )
        })
        .collect()
}

#[test]
fn what_broke_though_the_same_files_were_built_is_flaky() {
    let found = told(|sample| {
        sample.status = false;
        sample.jobs[0].status = 1;
        sample.jobs[0].tests = vec![(0, 1), (1, 0), (3, 0)];
    });
    assert_eq!(
        found,
        [
            "outcome broke build: success error flaky",
            "outcome broke j0 job: success failure flaky",
            "tests broke j0 s t0: passed failed flaky",
            "tests fixed j0 s t1: failed passed flaky",
            "tests added j0 s t3: - passed",
            "tests removed j0 s t2: passed -",
        ]
    );
}

#[test]
fn definitions_are_told_by_the_fields_that_changed() {
    let found = told(|sample| {
        sample.files = Some(1);
        let mut new = sample.jobs[0].clone();
        new.id = 1;
        sample.jobs[0].image = Some(1);
        sample.jobs[0].script = vec![0, 3, 2];
        sample.jobs[0].env = vec![(0, 1), (1, 0)];
        new.tests.clear();
        new.artifacts.clear();
        sample.jobs.push(new);
    });
    assert_eq!(
        found,
        [
            "source changed files: - -",
            "script changed j0 image: i0 i1",
            "script changed j0 command: run 1 run 3",
            "script changed j0 env E0: - -",
            "script added j0 env: - E1",
            "script added j1 job: - -",
        ]
    );
}

#[test]
fn a_job_without_tests_is_told_as_a_whole_and_times_beyond_chance_only() {
    let found = told(|sample| {
        sample.jobs[0].tests.clear();
        sample.jobs[0].took = 10_900;
        sample.jobs[0].artifacts = vec![(0, 110), (1, 5)];
        sample.results = vec![1];
        sample.options = vec![0, 1];
    });
    assert_eq!(
        found,
        [
            "tests removed j0 all tests: 3 tests -",
            "results added r1: - text/plain",
            "results removed r0: text/plain -",
            "artifacts changed j0 a0: 100 B 110 B",
            "artifacts added j0 a1: - 5 B",
            "source added option: - --o1",
        ]
    );
    let slower = told(|sample| sample.jobs[0].took = 15_000);
    assert_eq!(
        slower,
        ["durations slower j0 job: Millis(10000) Millis(15000)"]
    );
}
