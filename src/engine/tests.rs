use proptest::prelude::*;

use crate::domain::*;
use crate::edn::{Map, Value};
use crate::ports::{Control, JobOutcome, JobReport, LogStream};

use super::core::Core;
use super::orders::{Approvals, BuildSummary, ChildExit, Input, Limits, Output};
use super::stop::StopReason;

/// A core with a clock of its own, and what came out of it so far.
struct Rig {
    core: Core,
    now: Millis,
    outputs: Vec<Output>,
}

impl Rig {
    fn new(limits: Limits, approvals: Approvals) -> Self {
        let mut core = Core::new(Sid::new("local", "demo", "b1"), limits, approvals);
        let outputs = core.begin(0, Map::new());
        Self {
            core,
            now: 0,
            outputs,
        }
    }

    /// A build whose script child runs.
    fn running() -> Self {
        Self::running_with(
            Limits {
                parallel: 2,
                ..Limits::default()
            },
            Approvals::default(),
        )
    }

    fn running_with(limits: Limits, approvals: Approvals) -> Self {
        let mut rig = Self::new(limits, approvals);
        rig.give(Input::Prepared);
        rig.give(Input::ChildStarted);
        rig
    }

    fn give(&mut self, input: Input) -> &mut Self {
        self.now += 1;
        let outputs = self.core.handle(self.now, input);
        self.outputs.extend(outputs);
        self
    }

    fn post(&mut self, kinds: Vec<(&str, EventKind)>) -> &mut Self {
        let events = kinds
            .into_iter()
            .map(|(job, kind)| match job {
                "" => Event::new(kind),
                id => Event::of_job(&id.into(), kind),
            })
            .collect();
        self.give(Input::Posted(events))
    }

    /// The script names these jobs and hands over those that are not blocked.
    fn start(&mut self, ids: &[&str]) -> &mut Self {
        let jobs = ids.iter().map(|id| job(id)).collect();
        let mut posts = vec![
            ("", EventKind::ScriptInitializing { script_dir: None }),
            ("", EventKind::ScriptStart { jobs }),
        ];
        for id in ids {
            posts.push((id, EventKind::JobQueued { job: None }));
            posts.push((
                id,
                EventKind::ContainerJobQueued {
                    job: Some(Box::new(job(id))),
                    dek: None,
                },
            ));
        }
        self.post(posts)
    }

    fn done(&mut self, id: &str, status: JobStatus) -> &mut Self {
        let outcome = JobOutcome {
            status,
            exit: Some(0),
            message: None,
        };
        self.give(Input::Done(id.into(), outcome))
    }

    fn exit(&mut self, code: i32) -> &mut Self {
        self.give(Input::ChildExited(ChildExit {
            code: Some(code),
            signal: None,
            last_words: String::new(),
        }))
    }

    /// Lets time pass until the core's own deadline.
    fn wait(&mut self) -> &mut Self {
        self.now = self
            .core
            .deadline()
            .expect("something is awaited")
            .max(self.now);
        let outputs = self.core.handle(self.now, Input::Tick);
        self.outputs.extend(outputs);
        self
    }

    fn events(&self) -> Vec<&Event> {
        self.outputs
            .iter()
            .filter_map(|output| match output {
                Output::Append(event) => Some(event),
                _ => None,
            })
            .collect()
    }

    fn types_of(&self, id: &str) -> Vec<&str> {
        self.events()
            .into_iter()
            .filter(|event| event.job_id.as_ref().is_some_and(|job| job.as_str() == id))
            .map(Event::type_name)
            .collect()
    }

    fn count(&self, wanted: &Output) -> usize {
        self.outputs
            .iter()
            .filter(|output| *output == wanted)
            .count()
    }

    fn started(&self) -> Vec<&str> {
        self.outputs
            .iter()
            .filter_map(|output| match output {
                Output::StartJob(job, _) => Some(job.id.as_str()),
                _ => None,
            })
            .collect()
    }

    fn summary(&self) -> Option<&BuildSummary> {
        self.outputs.iter().find_map(|output| match output {
            Output::Finish(summary) => Some(summary),
            _ => None,
        })
    }
}

fn job(id: &str) -> Job {
    let mut job = Job::new(id);
    job.script = vec!["true".into()];
    job
}

#[test]
fn what_an_action_said_is_written_once_and_a_containers_words_are_not() {
    let mut rig = Rig::running();
    rig.start(&["in-container"]);
    let result = Map::from_iter([
        (Value::kw("output"), "so far".into()),
        (Value::kw("error"), Value::Str("Kaboom\n".into())),
    ]);
    for id in ["action", "in-container", "action"] {
        let kind = EventKind::JobEnd {
            status: Some(JobStatus::Failure),
            result: result.clone(),
        };
        rig.give(Input::Posted(vec![Event::of_job(&id.into(), kind)]));
    }
    let written: Vec<_> = rig
        .outputs
        .iter()
        .filter(|output| matches!(output, Output::WriteLog(..)))
        .collect();
    let words = vec![
        (LogStream::Out, "so far\n".to_owned()),
        (LogStream::Err, "Kaboom\n".to_owned()),
    ];
    assert_eq!(written, [&Output::WriteLog("action".into(), words)]);
}

#[test]
fn a_container_job_is_answered_in_the_order_of_the_protocol() {
    let mut rig = Rig::running();
    rig.start(&["a"]);
    rig.give(Input::Report("a".into(), JobReport::Started))
        .give(Input::Report(
            "a".into(),
            JobReport::CommandStarted { index: 0 },
        ))
        .give(Input::Report(
            "a".into(),
            JobReport::CommandEnded { index: 0, exit: 0 },
        ))
        .done("a", JobStatus::Success);
    assert_eq!(
        rig.types_of("a"),
        [
            "job/queued",
            "container/job-queued",
            "job/initializing",
            "job/start",
            "container/start",
            "command/start",
            "command/end",
            "container/end",
            "job/executed",
        ]
    );
    let executed = rig
        .events()
        .into_iter()
        .find(|e| e.type_name() == "job/executed")
        .unwrap();
    let EventKind::JobExecuted { status, result } = &executed.kind else {
        panic!()
    };
    assert_eq!(*status, Some(JobStatus::Success));
    assert_eq!(result.get_kw("exit"), Some(&Value::Int(0)));
}

#[test]
fn what_the_engine_says_never_looks_like_the_scripts_own_word() {
    let mut rig = Rig::running();
    rig.start(&["a"]).done("a", JobStatus::Failure).exit(1);
    for event in rig.events() {
        let posted = matches!(
            event.type_name(),
            "script/initializing" | "script/start" | "job/queued" | "container/job-queued"
        );
        assert_eq!(event.src == Some(Src::Script), posted, "{event:?}");
    }
}

#[test]
fn no_more_jobs_run_at_once_than_allowed() {
    let mut rig = Rig::running();
    rig.start(&["a", "b", "c", "d"]);
    assert_eq!(rig.started(), ["a", "b"]);
    rig.done("b", JobStatus::Success);
    assert_eq!(rig.started(), ["a", "b", "c"]);
    rig.done("a", JobStatus::Success)
        .done("c", JobStatus::Success);
    assert_eq!(rig.started(), ["a", "b", "c", "d"]);
}

#[test]
fn a_job_that_is_handed_over_twice_runs_once() {
    let mut rig = Rig::running();
    rig.start(&["a"]);
    rig.post(vec![(
        "a",
        EventKind::ContainerJobQueued {
            job: None,
            dek: None,
        },
    )]);
    assert_eq!(rig.started(), ["a"]);
}

#[test]
fn a_job_skipped_by_its_init_is_released() {
    let mut rig = Rig::running();
    rig.post(vec![
        (
            "",
            EventKind::ScriptStart {
                jobs: vec![job("a")],
            },
        ),
        ("a", EventKind::JobQueued { job: None }),
        ("a", EventKind::JobSkipped),
    ]);
    assert_eq!(
        rig.types_of("a"),
        ["job/queued", "job/skipped", "job/executed"]
    );
}

#[test]
fn a_job_skipped_at_the_end_of_the_script_is_not_answered() {
    let mut rig = Rig::running();
    rig.post(vec![
        (
            "",
            EventKind::ScriptStart {
                jobs: vec![job("a")],
            },
        ),
        (
            "",
            EventKind::ScriptEnd {
                status: Some(BuildStatus::Success),
            },
        ),
        ("a", EventKind::JobSkipped),
    ]);
    assert_eq!(rig.types_of("a"), ["job/skipped"]);
}

#[test]
fn a_script_cannot_say_what_is_the_runners_to_say() {
    let mut rig = Rig::running();
    rig.post(vec![
        (
            "",
            EventKind::BuildEnd {
                status: Some(BuildStatus::Success),
                build: None,
            },
        ),
        ("", EventKind::BuildCanceled),
        (
            "a",
            EventKind::ContainerEnd {
                status: None,
                result: Map::new(),
            },
        ),
        ("", EventKind::BuildCanceled),
    ]);
    let types: Vec<&str> = rig.events().iter().map(|e| e.type_name()).collect();
    assert_eq!(types.iter().filter(|t| **t == "tui/warning").count(), 3);
    assert!(!types.contains(&"build/end"));
    assert!(!types.contains(&"build/canceled"));
}

#[test]
fn the_sid_of_a_posted_event_is_the_builds_own() {
    let mut rig = Rig::running();
    let mut event = Event::of_job(&"a".into(), EventKind::JobStart);
    event.sid = Some(Sid::new("evil", "evil", "evil"));
    event.src = Some(Src::Engine);
    rig.give(Input::Posted(vec![event]));
    let posted = rig
        .events()
        .into_iter()
        .find(|e| e.type_name() == "job/start")
        .unwrap();
    assert_eq!(posted.sid, Some(Sid::new("local", "demo", "b1")));
    assert_eq!(posted.src, Some(Src::Script));
}

#[test]
fn what_a_script_writes_beside_the_envelope_does_not_stand_for_it() {
    let mut rig = Rig::running();
    let text = "{:type :job/start, :job-id \"a\", :sid [\"evil\"], :src [1], :time \"x\", :seq 9}";
    let event = crate::wire::event_from(crate::edn::read_str(text).unwrap()).unwrap();
    rig.give(Input::Posted(vec![event]));
    let mut late = Event::of_job(&"a".into(), EventKind::JobStart);
    late.time = Some(Millis::MIN);
    rig.give(Input::Posted(vec![late]));
    for event in rig
        .events()
        .into_iter()
        .filter(|e| e.type_name() == "job/start")
    {
        assert_eq!(event.sid, Some(Sid::new("local", "demo", "b1")));
        assert!(event.extra.is_empty(), "{event:?}");
        assert!(event.at() > 0);
    }
}

#[test]
fn the_exit_status_of_the_child_decides_even_when_script_end_is_lost() {
    for (code, status) in [(0, BuildStatus::Success), (1, BuildStatus::Error)] {
        let mut rig = Rig::running();
        rig.start(&["a"]).done("a", JobStatus::Success);
        rig.post(vec![(
            "a",
            EventKind::JobEnd {
                status: Some(JobStatus::Success),
                result: Map::new(),
            },
        )]);
        rig.exit(code);
        assert_eq!(rig.summary().unwrap().status, status);
    }
}

#[test]
fn a_script_that_leaves_jobs_at_work_has_not_succeeded() {
    let mut rig = Rig::running();
    rig.start(&["a"]);
    rig.exit(0);
    assert!(rig.summary().is_none(), "the job still runs");
    rig.done("a", JobStatus::Canceled);
    assert_eq!(rig.summary().unwrap().status, BuildStatus::Error);
}

#[test]
fn what_the_script_left_open_is_closed_before_the_build_ends() {
    let mut rig = Rig::running();
    rig.post(vec![
        (
            "",
            EventKind::ScriptStart {
                jobs: vec![job("a"), job("b")],
            },
        ),
        ("a", EventKind::JobQueued { job: None }),
        ("a", EventKind::JobStart),
    ]);
    rig.exit(137);
    let last: Vec<(&str, Option<&str>)> = rig
        .events()
        .into_iter()
        .rev()
        .take(3)
        .map(|e| (e.type_name(), e.job_id.as_ref().map(JobId::as_str)))
        .collect();
    assert_eq!(last[0], ("build/end", None));
    assert!(last[1..].contains(&("job/end", Some("a"))));
    assert!(last[1..].contains(&("job/skipped", Some("b"))));
    let message = rig.summary().unwrap().message.clone().unwrap();
    assert_eq!(message, "the script ended with exit status 137");
}

#[test]
fn a_build_that_could_not_be_prepared_says_why_and_ran_nothing() {
    let mut rig = Rig::new(Limits::default(), Approvals::default());
    rig.give(Input::Unprepared("no space left".into()));
    let summary = rig.summary().unwrap();
    assert_eq!(summary.status, BuildStatus::Error);
    assert_eq!(summary.message.as_deref(), Some("no space left"));
    assert!(!summary.any_job_queued);
}

#[test]
fn a_cancel_stops_what_runs_and_ends_with_the_script() {
    let mut rig = Rig::running();
    rig.start(&["a", "b", "c"]);
    rig.give(Input::Control(Control::Cancel));
    assert_eq!(rig.count(&Output::StopJob("a".into())), 1);
    assert_eq!(rig.count(&Output::StopJob("b".into())), 1);
    rig.done("a", JobStatus::Canceled)
        .done("b", JobStatus::Canceled);
    assert_eq!(rig.started(), ["a", "b"], "no new job starts");
    rig.exit(0);
    let summary = rig.summary().unwrap();
    assert_eq!(summary.status, BuildStatus::Canceled);
    assert_eq!(summary.stopped, Some(StopReason::Canceled));
}

#[test]
fn a_job_that_waits_for_its_turn_is_answered_when_the_build_is_stopped() {
    let mut rig = Rig::running();
    rig.start(&["a", "b", "c"]);
    rig.give(Input::Control(Control::Cancel));
    assert_eq!(rig.types_of("c").last(), Some(&"job/executed"));
}

#[test]
fn a_script_that_ignores_a_cancel_is_ended_by_force() {
    let mut rig = Rig::running();
    rig.start(&[]);
    rig.give(Input::Control(Control::Cancel));
    assert_eq!(rig.count(&Output::TerminateChild), 0, "it is asked first");
    rig.wait();
    assert_eq!(rig.count(&Output::TerminateChild), 1);
    rig.wait();
    assert_eq!(rig.count(&Output::KillChild), 1);
    rig.exit(137);
    assert_eq!(rig.summary().unwrap().status, BuildStatus::Canceled);
}

#[test]
fn a_job_that_is_handed_over_while_the_build_stops_is_answered_not_run() {
    let mut rig = Rig::running();
    rig.start(&[]);
    rig.give(Input::Control(Control::Cancel));
    rig.post(vec![(
        "late",
        EventKind::ContainerJobQueued {
            job: Some(Box::new(job("late"))),
            dek: None,
        },
    )]);
    assert!(rig.started().is_empty());
    assert_eq!(
        rig.types_of("late"),
        ["container/job-queued", "job/executed"]
    );
}

#[test]
fn a_silent_script_is_stopped_and_the_reason_is_named() {
    let mut rig = Rig::running();
    rig.wait();
    assert_eq!(rig.now, 120_000 + 2);
    assert_eq!(rig.count(&Output::TerminateChild), 1);
    rig.exit(143);
    let summary = rig.summary().unwrap();
    assert_eq!(summary.status, BuildStatus::Error);
    assert!(
        summary
            .message
            .as_ref()
            .unwrap()
            .contains("said nothing for 2 min")
    );
}

#[test]
fn a_script_that_stops_talking_after_its_start_is_stopped_unless_a_job_works_or_waits() {
    let mut rig = Rig::running();
    rig.start(&["a"]);
    assert_eq!(rig.core.deadline(), None, "a job is at work");
    rig.done("a", JobStatus::Success);
    rig.post(vec![(
        "a",
        EventKind::JobEnd {
            status: Some(JobStatus::Success),
            result: Map::new(),
        },
    )]);
    assert_eq!(rig.core.deadline(), Some(rig.now + 60_000));
    rig.post(vec![("b", EventKind::JobBlocked)]);
    assert_eq!(rig.core.deadline(), None, "a user may take all day");
}

#[test]
fn a_build_that_takes_too_long_is_an_error_not_a_cancel() {
    let limits = Limits {
        build: Some(std::time::Duration::from_secs(90)),
        ..Limits::default()
    };
    let mut rig = Rig::running_with(limits, Approvals::default());
    rig.start(&["a"]);
    rig.wait();
    assert_eq!(rig.count(&Output::StopJob("a".into())), 1);
    rig.done("a", JobStatus::Canceled).exit(143);
    let summary = rig.summary().unwrap();
    assert_eq!(summary.status, BuildStatus::Error);
    assert_eq!(
        summary.message.as_deref(),
        Some("the build took longer than 90 s")
    );
}

#[test]
fn a_job_that_a_stop_left_open_names_what_stopped_the_build() {
    let said = |rig: &Rig| {
        let mut ends = rig.events().into_iter().rev();
        ends.find_map(|event| match &event.kind {
            EventKind::JobEnd { result, .. } => result.get_kw("message").cloned(),
            _ => None,
        })
    };
    let limits = Limits {
        build: Some(std::time::Duration::from_secs(1)),
        ..Limits::default()
    };
    let mut rig = Rig::running_with(limits, Approvals::default());
    rig.start(&["a"]).wait();
    rig.done("a", JobStatus::Canceled).exit(143);
    assert_eq!(said(&rig), Some("the build took longer than 1 s".into()));

    let mut rig = Rig::running();
    rig.start(&["a"]);
    rig.give(Input::Stop(StopReason::Interrupted))
        .give(Input::Stop(StopReason::Interrupted));
    rig.done("a", JobStatus::Canceled).exit(137);
    assert_eq!(said(&rig), Some("canceled with Ctrl-c".into()));

    let mut rig = Rig::running();
    rig.post(vec![("a", EventKind::JobStart)]).exit(1);
    assert_eq!(
        said(&rig),
        Some("the script ended while this job was at work".into())
    );
}

#[test]
fn a_job_whose_end_was_not_heard_has_ended_as_it_was_executed() {
    for (code, status, verdict) in [
        (0, JobStatus::Success, BuildStatus::Success),
        (1, JobStatus::Success, BuildStatus::Error),
        (1, JobStatus::Failure, BuildStatus::Error),
    ] {
        let mut rig = Rig::running();
        rig.start(&["a"]).done("a", status.clone()).exit(code);
        assert_eq!(rig.core.build().job(&"a".into()).unwrap().status, status);
        assert_eq!(rig.core.build().status, verdict);
    }
}

#[test]
fn what_a_script_leaves_unsaid_that_exits_while_it_posts_has_ended_well_or_not() {
    let action = |id: &str| {
        let mut job = job(id);
        job.kind = JobKind::Action;
        job
    };
    let statuses = |hasty: bool, code: i32| {
        let mut rig = Rig::running();
        rig.core = rig.core.hasty(hasty);
        let jobs = vec![action("a"), action("b")];
        rig.post(vec![
            ("", EventKind::ScriptStart { jobs }),
            ("a", EventKind::JobQueued { job: None }),
            ("a", EventKind::JobStart),
        ]);
        rig.exit(code);
        let build = rig.core.build();
        ["a", "b"].map(|id| build.job(&id.into()).unwrap().status.clone())
    };
    assert_eq!(statuses(true, 0), [JobStatus::Success, JobStatus::Success]);
    assert_eq!(statuses(true, 1), [JobStatus::Error, JobStatus::Skipped]);
    assert_eq!(statuses(false, 0), [JobStatus::Error, JobStatus::Skipped]);
}

#[test]
fn a_blocked_job_is_approved_by_a_user_or_ahead() {
    let mut rig = Rig::running();
    rig.post(vec![("a", EventKind::JobBlocked)]);
    rig.give(Input::Control(Control::Unblock("a".into())));
    assert_eq!(rig.types_of("a"), ["job/blocked", "job/unblocked"]);
    // Announced again after every job's end (protocol/README, trap 8).
    rig.post(vec![("a", EventKind::JobBlocked)]);
    assert_eq!(
        rig.types_of("a")
            .iter()
            .filter(|t| **t == "job/unblocked")
            .count(),
        1
    );

    let ahead = Approvals {
        all: true,
        ..Approvals::default()
    };
    let mut rig = Rig::running_with(Limits::default(), ahead);
    rig.post(vec![("a", EventKind::JobBlocked)]);
    assert_eq!(rig.types_of("a"), ["job/blocked", "job/unblocked"]);
}

#[test]
fn a_script_does_not_approve_its_own_jobs() {
    let mut rig = Rig::running();
    rig.post(vec![("a", EventKind::JobUnblocked)]);
    rig.post(vec![("a", EventKind::JobBlocked)]);
    assert_eq!(rig.types_of("a"), ["tui/warning", "job/blocked"]);
    rig.give(Input::Control(Control::Unblock("a".into())));
    assert_eq!(rig.types_of("a").last(), Some(&"job/unblocked"));
}

#[test]
fn a_flood_of_events_that_a_script_may_not_post_is_warned_of_briefly() {
    let mut rig = Rig::running();
    for number in 0..500 {
        let name = format!("{number}/{}", "x".repeat(10_000));
        let kind = EventKind::Other(name.into());
        rig.post(vec![("", kind)]);
    }
    let warnings: Vec<&str> = rig
        .events()
        .into_iter()
        .filter(|event| event.type_name() == "tui/warning")
        .filter_map(|event| event.message.as_deref())
        .collect();
    assert_eq!(warnings.len(), 51);
    assert!(warnings.iter().all(|warning| warning.len() < 200));
    assert!(warnings[50].contains("ever more"));
}

#[test]
fn what_is_said_about_a_job_with_an_endless_id_is_dropped_with_one_warning() {
    let long = "x".repeat(1025);
    let longest = "y".repeat(1024);
    let mut rig = Rig::running();
    rig.post(vec![
        (
            "",
            EventKind::ScriptStart {
                jobs: vec![job(&long), job(&longest)],
            },
        ),
        (&long, EventKind::JobQueued { job: None }),
        (
            &long,
            EventKind::ContainerJobQueued {
                job: None,
                dek: None,
            },
        ),
        (&longest, EventKind::JobQueued { job: None }),
    ]);
    assert!(rig.types_of(&long).is_empty());
    assert!(rig.started().is_empty());
    assert_eq!(rig.types_of(&longest), ["job/queued"]);
    let build = rig.core.build();
    assert!(build.job(&long.as_str().into()).is_none());
    assert!(build.job(&longest.as_str().into()).is_some());
    let warnings = rig.events().into_iter();
    let warnings = warnings.filter(|event| event.type_name() == "tui/warning");
    assert_eq!(warnings.count(), 1);
}

#[test]
fn with_nobody_to_ask_a_build_with_only_blocked_jobs_left_is_canceled() {
    let alone = Approvals {
        cancel_when_stuck: true,
        ..Approvals::default()
    };
    let mut rig = Rig::running_with(Limits::default(), alone);
    rig.start(&["a"]);
    let mut blocked = job("b");
    blocked.blocked = true;
    rig.post(vec![
        ("b", EventKind::JobQueued { job: None }),
        ("", EventKind::ScriptStart { jobs: vec![] }),
    ]);
    rig.post(vec![("gate", EventKind::JobBlocked)]);
    assert_eq!(rig.core.deadline(), None, "a job is at work");
    rig.done("a", JobStatus::Success);
    rig.post(vec![
        (
            "a",
            EventKind::JobEnd {
                status: Some(JobStatus::Success),
                result: Map::new(),
            },
        ),
        (
            "b",
            EventKind::JobEnd {
                status: Some(JobStatus::Success),
                result: Map::new(),
            },
        ),
    ]);
    rig.wait();
    rig.exit(0);
    let summary = rig.summary().unwrap();
    assert_eq!(summary.status, BuildStatus::Canceled);
    assert_eq!(summary.stopped, Some(StopReason::Blocked));
}

#[test]
fn a_failure_counts_also_when_only_blocked_jobs_are_left() {
    let alone = Approvals {
        cancel_when_stuck: true,
        ..Approvals::default()
    };
    let mut rig = Rig::running_with(Limits::default(), alone);
    rig.start(&["a"]);
    rig.post(vec![("gate", EventKind::JobBlocked)]);
    rig.done("a", JobStatus::Failure);
    rig.post(vec![(
        "a",
        EventKind::JobEnd {
            status: Some(JobStatus::Failure),
            result: Map::new(),
        },
    )]);
    rig.wait();
    rig.exit(1);
    let summary = rig.summary().unwrap();
    assert_eq!(summary.status, BuildStatus::Error);
}

#[test]
fn a_journal_that_cannot_be_written_ends_the_build_with_the_reason() {
    let mut rig = Rig::running();
    rig.start(&["a"]);
    rig.give(Input::JournalFailed("the disk is full".into()));
    rig.done("a", JobStatus::Canceled).exit(143);
    let summary = rig.summary().unwrap();
    assert_eq!(summary.status, BuildStatus::Error);
    assert_eq!(summary.message.as_deref(), Some("the disk is full"));
}

/// The moments at which a stop may come.
#[derive(Debug, Clone, Copy)]
enum Moment {
    Preparing,
    ScriptLoads,
    JobRuns,
    JobExecuted,
    ChildGone,
}

const MOMENTS: [Moment; 5] = [
    Moment::Preparing,
    Moment::ScriptLoads,
    Moment::JobRuns,
    Moment::JobExecuted,
    Moment::ChildGone,
];

fn at_moment(moment: Moment) -> Rig {
    let mut rig = Rig::new(
        Limits {
            parallel: 2,
            ..Limits::default()
        },
        Approvals::default(),
    );
    if matches!(moment, Moment::Preparing) {
        return rig;
    }
    rig.give(Input::Prepared).give(Input::ChildStarted);
    if matches!(moment, Moment::ScriptLoads) {
        return rig;
    }
    rig.start(&["a"]);
    match moment {
        Moment::JobExecuted => drop(rig.done("a", JobStatus::Success)),
        Moment::ChildGone => drop(rig.exit(1)),
        _ => {}
    }
    rig
}

/// Plays the world: does what the core orders, until nothing is left to do.
fn obey(rig: &mut Rig) {
    let mut seen = 0;
    let mut jobs: Vec<JobId> = Vec::new();
    let mut child = false;
    loop {
        let new: Vec<String> = rig.outputs[seen..]
            .iter()
            .map(|o| format!("{o:?}"))
            .collect();
        for output in &rig.outputs[seen..] {
            match output {
                Output::StartChild => child = true,
                Output::StartJob(job, _) => jobs.push(job.id.clone()),
                _ => {}
            }
        }
        seen = rig.outputs.len();
        if rig.summary().is_some() {
            return;
        }
        let stops = rig
            .outputs
            .iter()
            .any(|o| matches!(o, Output::StopJob(_) | Output::KillJob(_)));
        if stops && let Some(id) = jobs.pop() {
            rig.done(id.as_str(), JobStatus::Canceled);
            continue;
        }
        let ends = rig
            .outputs
            .iter()
            .any(|o| matches!(o, Output::TerminateChild | Output::KillChild));
        if child && ends {
            child = false;
            rig.exit(143);
            continue;
        }
        if !child && !rig.outputs.iter().any(|o| matches!(o, Output::StartChild)) {
            rig.give(Input::Prepared);
            continue;
        }
        assert!(rig.core.deadline().is_some(), "stuck after {new:?}");
        rig.wait();
    }
}

#[test]
fn every_ordered_pair_of_stop_requests_at_every_moment_ends_the_build() {
    for moment in MOMENTS {
        for first in StopReason::ALL {
            for second in StopReason::ALL {
                let mut rig = at_moment(moment);
                rig.give(Input::Stop(first));
                let asked = rig.outputs.len();
                rig.give(Input::Stop(second));
                // Twice is: at once.
                let child_runs = matches!(
                    moment,
                    Moment::ScriptLoads | Moment::JobRuns | Moment::JobExecuted
                );
                if rig.summary().is_none() && child_runs {
                    assert_eq!(
                        rig.count(&Output::KillChild),
                        1,
                        "{moment:?} {first:?} {second:?}"
                    );
                }
                if matches!(moment, Moment::JobRuns) {
                    assert!(rig.outputs[asked..].contains(&Output::KillJob("a".into())));
                }
                obey(&mut rig);
                let summary = rig.summary().unwrap();
                assert_eq!(summary.stopped, Some(first.then(second)));
                assert_eq!(
                    summary.status,
                    first.status(),
                    "{moment:?} {first:?} {second:?}"
                );
                assert!(rig.core.build().open_jobs().next().is_none());
                assert_eq!(rig.core.build().status, summary.status);
            }
        }
    }
}

#[test]
fn a_users_stop_takes_over_from_one_the_engine_decided_on() {
    assert_eq!(
        StopReason::Blocked.then(StopReason::Interrupted),
        StopReason::Interrupted
    );
    assert_eq!(
        StopReason::Interrupted.then(StopReason::Terminated),
        StopReason::Interrupted
    );
    assert_eq!(
        StopReason::Broken.then(StopReason::Canceled),
        StopReason::Broken
    );
}

fn any_input() -> impl Strategy<Value = u8> {
    0u8..14
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever comes in whatever order: no panic, one end at most, nothing after it, and
    /// jobs are started once and only while the script runs.
    #[test]
    fn the_core_survives_any_sequence_of_messages(inputs in prop::collection::vec((any_input(), 0usize..3), 0..60)) {
        let ids = ["a", "b", "c"];
        let mut rig = Rig::new(Limits { parallel: 2, ..Limits::default() }, Approvals::default());
        for (kind, which) in inputs {
            let id = ids[which];
            match kind {
                0 => drop(rig.give(Input::Prepared)),
                1 => drop(rig.give(Input::ChildStarted)),
                2 => drop(rig.exit(i32::from(kind))),
                3 => drop(rig.start(&[id])),
                4 => drop(rig.done(id, JobStatus::Success)),
                5 => drop(rig.give(Input::Report(id.into(), JobReport::Started))),
                6 => drop(rig.post(vec![(id, EventKind::JobEnd { status: None, result: Map::new() })])),
                7 => drop(rig.post(vec![(id, EventKind::JobBlocked)])),
                8 => drop(rig.post(vec![(id, EventKind::JobSkipped)])),
                9 => drop(rig.give(Input::Control(Control::Unblock(id.into())))),
                10 => drop(rig.give(Input::Control(Control::Cancel))),
                11 => drop(rig.give(Input::Stop(StopReason::ALL[which]))),
                12 if rig.core.deadline().is_some() => drop(rig.wait()),
                _ => drop(rig.give(Input::Tick)),
            }
        }
        let ends = rig.outputs.iter().filter(|o| matches!(o, Output::Finish(_))).count();
        prop_assert!(ends <= 1);
        if ends == 1 {
            prop_assert!(matches!(rig.outputs.last(), Some(Output::Finish(_))));
            prop_assert!(rig.core.build().open_jobs().next().is_none());
        }
        for id in ids {
            prop_assert!(rig.started().iter().filter(|started| **started == id).count() <= 1);
        }
    }
}

/// A script that knows no filter names the jobs: `a` needs `b`, `c` and `d` nobody asked for.
fn start_filtered(wanted: &[&str], c_is: JobKind) -> Rig {
    let mut rig = Rig::running();
    let wanted = wanted.iter().map(JobId::new).collect();
    rig.core = rig.core.only(wanted);
    let mut jobs = ["a", "b", "c", "d"].map(job);
    jobs[0].dependencies = vec!["b".into()];
    jobs[2].kind = c_is;
    let queued = |id| {
        let job = Some(Box::new(job(id)));
        [
            (id, EventKind::JobQueued { job: None }),
            (id, EventKind::ContainerJobQueued { job, dek: None }),
        ]
    };
    let mut posts = vec![("", EventKind::ScriptStart { jobs: jobs.into() })];
    posts.extend(queued("b"));
    posts.extend(queued("c"));
    rig.post(posts);
    rig
}

#[test]
fn what_nobody_asked_for_is_answered_as_skipped() {
    let mut rig = start_filtered(&["a"], JobKind::Container);
    assert_eq!(rig.started(), ["b"]);
    let answer = rig
        .events()
        .into_iter()
        .find(|event| event.job_id == Some("c".into()) && event.type_name() == "job/executed");
    let EventKind::JobExecuted { status, .. } = &answer.unwrap().kind else {
        panic!("another event")
    };
    assert_eq!(status, &Some(JobStatus::Skipped));
    // Nobody would approve it, and the script would wait for it.
    rig.post(vec![("d", EventKind::JobBlocked)]);
    assert_eq!(rig.types_of("d"), ["job/blocked", "job/unblocked"]);
}

#[test]
fn a_filter_that_an_action_would_ignore_ends_the_build_before_anything_is_queued() {
    for (wanted, kind, word) in [
        (&["a"], JobKind::Action, "action job \"c\""),
        (&["x"], JobKind::Container, "no job \"x\""),
    ] {
        let mut rig = start_filtered(wanted, kind);
        assert_eq!(rig.count(&Output::TerminateChild), 1);
        assert!(rig.started().is_empty());
        rig.post(vec![("c", EventKind::JobQueued { job: None })]);
        rig.exit(143);
        let summary = rig.summary().unwrap();
        assert_eq!(summary.status, BuildStatus::Error);
        assert!(!summary.any_job_queued);
        let message = summary.message.as_ref().unwrap();
        assert!(message.contains(word), "{message}");
        assert_eq!(rig.types_of("c"), ["job/skipped"]);
    }
}
