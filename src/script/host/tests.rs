use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::*;
use crate::api_client::FakeApi;
use crate::api_client::fake::{Cut, How, TOKEN};
use crate::domain::{Build, JobStatus, Sid};
use crate::edn::{Map, Value};

/// Long enough for a busy machine, short enough for a test that fails.
const LIMIT: Duration = Duration::from_secs(20);

const CHAIN: &str = "
- id: first
  image: alpine
  script: [echo 1]
- id: second
  dependencies: [first]
- id: third
  dependencies: [second]
- id: aside
";

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn config(api: &FakeApi, dir: &Path) -> HostConfig {
    HostConfig {
        socket: api.socket(),
        token: TOKEN.into(),
        sid: Sid::new("local", "demo", "b1"),
        script_dir: dir.to_owned(),
        checkout_dir: dir.to_owned(),
        filter: Vec::new(),
    }
}

fn from_engine(mut event: Event) -> Event {
    event.src = Some(Src::Engine);
    event
}

fn executed(id: &JobId, status: JobStatus) -> Event {
    from_engine(Event::of_job(
        id,
        EventKind::JobExecuted {
            status: Some(status),
            result: Map::new(),
        },
    ))
}

/// Runs every container job at once; those named fail, everything is said twice.
fn runner(failing: &'static [&'static str]) -> impl FnMut(&Event) -> Vec<Event> + Send {
    move |event| match (&event.kind, &event.job_id) {
        (EventKind::ContainerJobQueued { job, .. }, Some(id)) => {
            assert_eq!(job.as_ref().unwrap().id, *id);
            let status = if failing.contains(&id.as_str()) {
                JobStatus::Failure
            } else {
                JobStatus::Success
            };
            let local_dir = Some("/somewhere".to_owned());
            let agent = None;
            vec![
                from_engine(Event::of_job(
                    id,
                    EventKind::JobInitializing { local_dir, agent },
                )),
                from_engine(Event::of_job(id, EventKind::JobStart)),
                executed(id, status.clone()),
                executed(id, status),
            ]
        }
        _ => Vec::new(),
    }
}

struct Outcome {
    result: Result<BuildStatus, HostError>,
    events: Vec<Event>,
}

impl Outcome {
    fn types(&self) -> Vec<&str> {
        self.events.iter().map(Event::type_name).collect()
    }

    fn statuses(&self) -> HashMap<String, JobStatus> {
        let build = Build::fold(&self.events);
        build
            .jobs()
            .iter()
            .map(|state| (state.job.id.to_string(), state.status.clone()))
            .collect()
    }

    fn count(&self, type_name: &str) -> usize {
        self.types()
            .iter()
            .filter(|name| **name == type_name)
            .count()
    }
}

async fn run_on(api: &FakeApi, config: &HostConfig) -> Outcome {
    let patience = Duration::from_millis(500);
    let result = tokio::time::timeout(LIMIT, run_script(config, patience))
        .await
        .expect("the script takes longer than the limit");
    Outcome {
        result,
        events: api.events(),
    }
}

async fn run_files(files: &[(&str, &str)], failing: &'static [&'static str]) -> Outcome {
    let dir = project(files);
    let api = FakeApi::start(runner(failing), |_, _, _| false);
    run_on(&api, &config(&api, dir.path())).await
}

#[tokio::test]
async fn a_script_runs_to_its_end() {
    let outcome = run_files(&[("build.yaml", CHAIN)], &[]).await;
    assert_eq!(outcome.result.as_ref().unwrap(), &BuildStatus::Success);
    assert_eq!(
        outcome.types()[..4],
        [
            "script/initializing",
            "script/start",
            "job/queued",
            "container/job-queued"
        ]
    );
    assert_eq!(outcome.types().last(), Some(&"script/end"));
    assert_eq!(outcome.count("job/end"), 4, "one end a job");
    for event in outcome
        .events
        .iter()
        .filter(|event| event.src == Some(Src::Script))
    {
        assert!(event.time.is_some());
        assert_eq!(event.sid, Some(Sid::new("local", "demo", "b1")));
    }
}

#[tokio::test]
async fn a_failure_skips_what_depends_on_it() {
    let outcome = run_files(&[("build.yaml", CHAIN)], &["second"]).await;
    assert_eq!(outcome.result.as_ref().unwrap(), &BuildStatus::Error);
    let statuses = outcome.statuses();
    assert_eq!(statuses["first"], JobStatus::Success);
    assert_eq!(statuses["second"], JobStatus::Failure);
    assert_eq!(statuses["third"], JobStatus::Skipped);
    assert_eq!(statuses["aside"], JobStatus::Success);
}

#[tokio::test]
async fn skipped_jobs_arrive_with_the_end_of_the_script() {
    let dir = project(&[("build.yaml", CHAIN)]);
    let api = FakeApi::start(runner(&["first", "aside"]), |_, _, _| false);
    run_on(&api, &config(&api, dir.path())).await;
    let posts = api.state.posts.lock().unwrap();
    let last: Vec<&str> = posts.last().unwrap().iter().map(Event::type_name).collect();
    assert!(
        last.ends_with(&["job/skipped", "job/skipped", "script/end"]),
        "{last:?}"
    );
}

#[tokio::test]
async fn cuts_of_the_stream_change_nothing() {
    let whole = run_files(&[("build.yaml", CHAIN)], &["second"]).await;
    let mut connections = 0;
    for after in 0..whole.events.len() {
        let dir = project(&[("build.yaml", CHAIN)]);
        let api = FakeApi::start(runner(&["second"]), |_, _, _| false);
        let how = [How::Broken, How::MidFrame, How::Ended][after % 3];
        *api.state.cuts.lock().unwrap() =
            VecDeque::from([Cut { after, how }, Cut { after: 1, how }]);
        let outcome = run_on(&api, &config(&api, dir.path())).await;
        assert_eq!(
            outcome.result.as_ref().unwrap(),
            &BuildStatus::Error,
            "cut after {after}"
        );
        assert_eq!(outcome.statuses(), whole.statuses(), "cut after {after}");
        assert_eq!(
            outcome.count("job/end"),
            whole.count("job/end"),
            "cut after {after}"
        );
        assert_eq!(outcome.count("script/end"), 1);
        connections += api.state.connections.load(Ordering::SeqCst);
    }
    assert!(connections > whole.events.len(), "nothing was cut");
}

#[tokio::test]
async fn a_file_that_is_wrong_ends_the_script_with_the_reason() {
    let outcome = run_files(&[("build.yaml", "- id: a\n  script: {x: 1}\n")], &[]).await;
    assert_eq!(outcome.types(), ["script/initializing", "script/end"]);
    let message = outcome.events[1].message.clone().unwrap();
    assert!(
        message.starts_with("build.yaml:2:11: expected a list of strings"),
        "{message}"
    );
    assert!(message.contains("script: {x: 1}"), "{message}");
    assert_eq!(outcome.result.unwrap_err().to_string(), message);
}

#[tokio::test]
async fn a_clojure_script_is_refused() {
    let outcome = run_files(&[("build.clj", "[]"), ("build.yaml", CHAIN)], &[]).await;
    let error = outcome.result.unwrap_err().to_string();
    assert!(error.contains("Clojure"), "{error}");
}

#[tokio::test]
async fn without_jobs_the_script_ends_in_error() {
    let outcome = run_files(&[("build.json", "[]")], &[]).await;
    assert_eq!(outcome.result.as_ref().unwrap(), &BuildStatus::Error);
    assert_eq!(
        outcome.types(),
        ["script/initializing", "script/start", "script/end"]
    );
    assert_eq!(outcome.events[2].message.as_deref(), Some("No jobs to run"));
}

#[tokio::test]
async fn a_filter_runs_what_it_names_and_what_that_needs() {
    let dir = project(&[("build.yaml", CHAIN)]);
    let api = FakeApi::start(runner(&[]), |_, _, _| false);
    let mut config = config(&api, dir.path());
    config.filter = vec!["second".into()];
    let outcome = run_on(&api, &config).await;
    assert_eq!(outcome.result.as_ref().unwrap(), &BuildStatus::Success);
    let mut jobs: Vec<String> = outcome.statuses().into_keys().collect();
    jobs.sort();
    assert_eq!(jobs, ["first", "second"]);
    config.filter = vec!["nobody".into()];
    let outcome = run_on(&api, &config).await;
    assert_eq!(
        outcome.result.unwrap_err().to_string(),
        "there is no job \"nobody\""
    );
}

#[tokio::test]
async fn cancel_ends_the_script_after_the_jobs_that_run() {
    let dir = project(&[(
        "build.yaml",
        "- {id: a}\n- {id: b, dependencies: [a]}\n- {id: c, blocked: true}",
    )]);
    let api = FakeApi::start(
        |event| match (&event.kind, &event.job_id) {
            (EventKind::ContainerJobQueued { .. }, Some(id)) => vec![
                from_engine(Event::new(EventKind::BuildCanceled)),
                executed(id, JobStatus::Canceled),
            ],
            _ => Vec::new(),
        },
        |_, _, _| false,
    );
    let outcome = run_on(&api, &config(&api, dir.path())).await;
    assert_eq!(outcome.result.as_ref().unwrap(), &BuildStatus::Canceled);
    let statuses = outcome.statuses();
    assert_eq!(statuses["a"], JobStatus::Canceled);
    assert_eq!(statuses["b"], JobStatus::Skipped);
    assert_eq!(statuses["c"], JobStatus::Skipped);
}

#[tokio::test]
async fn a_blocked_job_runs_when_it_is_approved() {
    let dir = project(&[("build.edn", "[{:id :deploy :blocked true}]")]);
    let mut run = runner(&[]);
    let api = FakeApi::start(
        move |event| match (&event.kind, &event.job_id) {
            (EventKind::JobBlocked, Some(id)) => {
                vec![from_engine(Event::of_job(id, EventKind::JobUnblocked))]
            }
            _ => run(event),
        },
        |_, _, _| false,
    );
    let outcome = run_on(&api, &config(&api, dir.path())).await;
    assert_eq!(outcome.result.as_ref().unwrap(), &BuildStatus::Success);
    assert_eq!(outcome.statuses()["deploy"], JobStatus::Success);
}

const WITH_TESTS: &str = "
- id: unit tests
  saveArtifacts: [{id: report, path: out/junit.xml}]
  junit: {artifactId: report, path: out/junit.xml}
- id: no report
  junit: {artifactId: gone}
- id: after
  dependencies: [unit tests]
";

#[tokio::test]
async fn test_results_are_read_before_the_job_ends() {
    let dir = project(&[("build.yml", WITH_TESTS)]);
    let folders: Arc<Mutex<Vec<std::path::PathBuf>>> = Arc::default();
    let seen = folders.clone();
    let api = FakeApi::start(runner(&[]), move |job, id, path| {
        seen.lock().unwrap().push(path.to_owned());
        if id == "report" {
            assert_eq!(job, "unit tests");
            let xml = "<testsuite name='s' tests='1'><testcase name='t'/></testsuite>";
            std::fs::write(path.join("junit.xml"), xml).unwrap();
        }
        id == "report"
    });
    let outcome = run_on(&api, &config(&api, dir.path())).await;
    assert_eq!(outcome.result.as_ref().unwrap(), &BuildStatus::Success);
    let result_of = |name: &str| {
        outcome
            .events
            .iter()
            .find_map(|event| match &event.kind {
                EventKind::JobEnd { result, .. } if event.job_id == Some(name.into()) => {
                    Some(result)
                }
                _ => None,
            })
            .unwrap()
    };
    let tests = result_of("unit tests").get_kw("monkey.ci/tests").unwrap();
    let suite = &tests.as_seq().unwrap()[0];
    assert_eq!(suite.get("name").and_then(Value::as_str), Some("s"));
    let warnings = result_of("no report").get_kw("warnings").unwrap();
    assert_eq!(
        warnings.as_seq().unwrap()[0]
            .get("message")
            .and_then(Value::as_str),
        Some("no test results: there is no artifact \"gone\"")
    );
    assert_eq!(
        outcome.count("job/end"),
        3,
        "executed came twice, the end once"
    );
    for folder in folders.lock().unwrap().iter() {
        assert!(!folder.exists(), "the temporary folder is still there");
    }
}

#[tokio::test]
async fn a_host_whose_engine_is_gone_ends_with_an_error() {
    let dir = project(&[("build.yaml", CHAIN)]);
    let api = Arc::new(FakeApi::idle());
    let config = config(&api, dir.path());
    let host = {
        let api = api.clone();
        tokio::spawn(async move { run_on(&api, &config).await })
    };
    let started = async {
        while !api
            .events()
            .iter()
            .any(|e| matches!(e.kind, EventKind::ScriptStart { .. }))
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, started).await.unwrap();
    api.die();
    let outcome = host.await.unwrap();
    let error = outcome.result.unwrap_err().to_string();
    assert!(error.contains("the script API is gone"), "{error}");
}

#[tokio::test]
async fn a_host_without_an_engine_ends_with_an_error() {
    let dir = project(&[("build.yaml", CHAIN)]);
    let api = FakeApi::idle();
    let mut config = config(&api, dir.path());
    config.socket = dir.path().join("nobody.sock");
    assert!(run_on(&api, &config).await.result.is_err());
    config.socket = api.socket();
    config.token = "wrong".into();
    let error = run_on(&api, &config).await.result.unwrap_err().to_string();
    assert!(error.contains("401"), "{error}");
}

#[tokio::test]
async fn a_thousand_jobs_are_posted_in_few_requests() {
    let file: String = (0..1000).fold(String::new(), |file, n| file + &format!("- id: j{n}\n"));
    let dir = project(&[("build.yaml", &file)]);
    let api = FakeApi::start(runner(&[]), |_, _, _| false);
    let outcome = run_on(&api, &config(&api, dir.path())).await;
    assert_eq!(outcome.result.as_ref().unwrap(), &BuildStatus::Success);
    assert_eq!(outcome.count("job/end"), 1000);
    let posts = api.state.posts.lock().unwrap().len();
    assert!(posts < 200, "{posts} requests");
}
