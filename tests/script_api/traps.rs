//! The traps of MonkeyCI's protocol (the README of the protocol, "The traps, in one list"), and the
//! tests that keep us out of them.
//!
//! | trap | what it is | tests |
//! | --- | --- | --- |
//! | 1 | the library saves with POST, the command line's server takes PUT | `src/script_api/tests/blobs.rs::saves_and_restores_go_by_post_and_put_and_for_caches_too`, `tests/script_api/conformance.rs::recorded_builds_over_tcp` |
//! | 2 | an error status fails the job, also for a cache that is not there yet | `src/script_api/tests/blobs.rs::what_is_missing_is_no_error_for_the_library`, `tests/script_api/traps.rs::trap_2_nothing_that_is_missing_is_an_error_status` |
//! | 3 | the library drops what has `:src :script` | `tests/script_api/traps.rs::trap_3_what_a_script_shall_act_upon_has_another_source`, `src/engine/tests.rs::what_the_engine_says_never_looks_like_the_scripts_own_word` |
//! | 4 | `script/end` is often lost; the exit status is the truth | `tests/script_api/traps.rs::trap_4_a_lost_end_of_the_script_changes_nothing`, `src/engine/tests.rs::the_exit_status_of_the_child_decides_even_when_script_end_is_lost`, `tests/e2e/hosts.rs::the_exit_status_of_a_script_is_the_truth` |
//! | 5 | a job that throws ends twice, with an `#error` of many lines | `tests/script_api/traps.rs::trap_5_a_job_that_throws_ends_twice_and_is_told_in_lines`, `src/domain/tests.rs::the_second_end_of_a_job_that_threw_adds_its_error` |
//! | 6 | a canceled script exits with 0 | `tests/script_api/conformance.rs::a_recorded_cancel`, `src/engine/tests.rs::a_cancel_stops_what_runs_and_ends_with_the_script` |
//! | 7 | a container job whose `init` gives nil hangs the build | `src/engine/tests.rs::a_job_skipped_by_its_init_is_released`, `tests/script_api/conformance.rs::recorded_builds_over_tcp` |
//! | 8 | a blocked job is announced again after every end of a job | `tests/script_api/traps.rs::trap_8_a_job_that_is_announced_as_blocked_again_stays_approved`, `src/engine/tests.rs::a_blocked_job_is_approved_by_a_user_or_ahead`, `src/domain/tests.rs::a_blocked_job_that_was_approved_is_not_blocked_again` |
//! | 9 | events come in any order | `tests/script_api/traps.rs::trap_9_a_job_that_starts_before_it_is_prepared_is_running`, `src/domain/tests.rs::any_interleaving_of_jobs_folds_to_the_same_build` |
//! | 10 | all keys of YAML and JSON become kebab-case, names of variables too | `tests/e2e/fixtures.rs::every_declared_build_comes_to_what_it_promises` (`tests/scripts/declared-names`), `src/script/keys.rs::every_row_of_the_conversion_table_holds` |
//! | 11 | opaque tokens go by `Token`, signed ones by `Bearer` | comes with the remote source |
//! | 12 | the server's tokens count milliseconds | of ours, which count seconds: `src/script_api/tokens.rs::a_tokens_time_is_in_seconds`; of the server's: comes with the remote source |
//! | 13 | the id that a trigger answers is of no use | comes with the remote source |
//! | 14 | jobs are a list here and a map there | comes with the remote source |
//! | 15 | JSON of the server loses namespaces | comes with the remote source |
//! | 16 | what is called AES-256-GCM is AES-128-CBC with an HMAC | nothing is encrypted here, a key is its own clear text: `src/script_api/tests/info.rs::a_key_is_its_own_clear_text_in_the_form_the_client_reads`; of the server's: comes with the remote source |
//! | 17 | a failing call prints the token into the job's result | `tests/script_api/traps.rs::trap_17_a_printed_token_goes_nowhere`, `src/engine/masks.rs::printed_headers_lose_their_token` |

use monkeyci_tui::domain::{Build, JobStatus};
use monkeyci_tui::edn::Value;
use monkeyci_tui::ports::JobOutcome;
use monkeyci_tui::script_api::Scope;

use crate::http::{Answer, Wire};
use crate::rig::Rig;
use crate::wire::{Heard, Transport, jdk, not_plain_edn, word};

/// A script that hears what the library would.
struct Script {
    rig: Rig,
    heard: Heard,
    wire: Wire,
}

impl Script {
    async fn start() -> Self {
        let rig = Rig::start().await;
        let wire = Wire::open(&rig, Transport::Tcp).await;
        let request = jdk("GET", "/events", &rig.script_token(), "");
        let heard = Heard::open(wire, &request).await;
        let wire = Wire::open(&rig, Transport::Tcp).await;
        Self { rig, heard, wire }
    }

    async fn ask(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let request = jdk(method, path, &self.rig.script_token(), body);
        self.wire.ask(&request).await
    }

    async fn post(&mut self, events: &str) {
        let answer = self.ask("POST", "/events", &format!("[{events}]")).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }

    /// What a user does.
    async fn control(&self, path: &str) {
        let mut wire = Wire::open(&self.rig, Transport::Unix).await;
        let token = self.rig.token(Scope::watcher());
        let answer = wire.ask(&jdk("POST", path, &token, "")).await;
        assert_eq!(answer.status / 100, 2, "{path}: {answer:?}");
    }

    async fn until(&mut self, kind: &str) {
        let is_there = |heard: &[Value]| heard.iter().any(|event| is(event, kind));
        self.heard.until(kind, is_there).await;
    }

    async fn until_any(&mut self, kind: &str) {
        let is_there = |heard: &[Value]| heard.iter().any(|event| is(event, kind));
        self.heard.until_any(kind, is_there).await;
    }

    fn build(&self) -> Build {
        let mut build = Build::default();
        for event in self.rig.engine.journal().events() {
            build.apply(&event);
        }
        build
    }

    fn status_of(&self, job: &str) -> String {
        let build = self.build();
        build.job(&job.into()).unwrap().status.as_str().to_owned()
    }
}

fn is(event: &Value, kind: &str) -> bool {
    word(event, "type").as_deref() == Some(kind)
}

/// A container job that is handed over to the runner.
fn handed(job: &str) -> String {
    let start = format!(
        "{{:type :script/start :jobs [{{:id {job:?} :type :container :image \"i\" \
         :script [\"true\"]}}]}}"
    );
    let queued = format!(
        "{{:type :container/job-queued :job-id {job:?} :job {{:id {job:?} :type :container \
         :image \"i\" :script [\"true\"]}}}}"
    );
    format!("{start} {{:type :job/queued :job-id {job:?}}} {queued}")
}

#[tokio::test]
async fn trap_2_nothing_that_is_missing_is_an_error_status() {
    let mut script = Script::start().await;
    // All that the library restores; whoever moves archives knows what a 404 is.
    for path in [
        "/artifact/job/x?path=x",
        "/artifact/x?path=x",
        "/cache/job/x?path=x",
        "/cache/x?path=x",
        "/cache/x",
    ] {
        let answer = script.ask("GET", path, "").await;
        assert_eq!((answer.status, &*answer.text()), (204, ""), "{path}");
    }
    for method in ["POST", "PUT"] {
        for path in ["/artifact/job/x", "/cache/job/x"] {
            let answer = script.ask(method, path, "{:path \"missing\"}").await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
    }
    script.rig.exit(0).await;
    script.rig.stop().await;
}

/// What the script of trap 3 says itself.
const POSTED: [&str; 5] = [
    ":script/start",
    ":job/queued",
    ":container/job-queued",
    ":job/end",
    ":job/blocked",
];

#[tokio::test]
async fn trap_3_what_a_script_shall_act_upon_has_another_source() {
    let mut script = Script::start().await;
    script.post(&handed("a")).await;
    // The library would not see these if they were its own.
    script.until(":job/executed").await;
    script
        .post("{:type :job/end :job-id \"a\" :status :success} {:type :job/blocked :job-id \"b\"}")
        .await;
    script.until_any(":job/blocked").await;
    script.control("/unblock/b").await;
    script.until(":job/unblocked").await;
    script.control("/cancel").await;
    script.until(":build/canceled").await;
    for event in script.heard.data() {
        let own = POSTED.iter().any(|kind| is(&event, kind));
        let from_script = word(&event, "src").as_deref() == Some(":script");
        assert_eq!(from_script, own, "{event:?}");
    }
    script.rig.exit(0).await;
    script.rig.stop().await;
}

#[tokio::test]
async fn trap_4_a_lost_end_of_the_script_changes_nothing() {
    for (code, wanted) in [(0, "success"), (1, "error")] {
        let mut script = Script::start().await;
        script.post(&handed("a")).await;
        script.until(":job/executed").await;
        script
            .post("{:type :job/end :job-id \"a\" :status :success}")
            .await;
        let summary = script.rig.exit(code).await;
        assert_eq!(summary.status.as_str(), wanted, "{code}");
        script.heard.end().await;
        assert!(!script.heard.data().iter().any(|e| is(e, ":script/end")));
        script.rig.stop().await;
    }
    // What it says of itself does not count either.
    let mut script = Script::start().await;
    script
        .post("{:type :script/start :jobs []} {:type :script/end :status :success}")
        .await;
    let summary = script.rig.exit(3).await;
    assert_eq!(summary.status.as_str(), "error");
    script.rig.stop().await;
}

#[tokio::test]
async fn trap_5_a_job_that_throws_ends_twice_and_is_told_in_lines() {
    let mut script = Script::start().await;
    let error = "#error {\n :cause \"Kaboom\"\n :via\n [{:type java.lang.Exception\n   :message \
                 \"Kaboom\"}]\n :trace\n [[user$f invoke \"build.clj\" 1]]}";
    script
        .post(&format!(
            "{{:type :script/start :jobs [{{:id \"a\" :type :action}}]}} \
             {{:type :job/start :job-id \"a\"}} \
             {{:type :job/end :job-id \"a\" :status :failure :result {{:message \"Kaboom\"}}}} \
             {{:type :job/executed :job-id \"a\" :status :failure :result {{:exception {error}}}}} \
             {{:type :job/end :job-id \"a\" :status :failure :result {{:exception {error}}}}} \
             {{:type :script/end :status :error}}"
        ))
        .await;
    script.until_any(":script/end").await;
    let lines = script.heard.lines();
    let data: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    for line in &data {
        assert_eq!(not_plain_edn(line), None, "{line}");
    }
    let ends = script.heard.data();
    let ends: Vec<&Value> = ends.iter().filter(|e| is(e, ":job/end")).collect();
    assert_eq!(ends.len(), 2, "what the script says is told as it says it");
    assert!(data.iter().any(|line| line.contains("Kaboom")));
    assert_eq!(script.status_of("a"), "failure");
    assert_eq!(script.build().jobs().len(), 1);
    script.rig.exit(1).await;
    script.rig.stop().await;
}

#[tokio::test]
async fn trap_8_a_job_that_is_announced_as_blocked_again_stays_approved() {
    let mut script = Script::start().await;
    script.rig.executor.hold("a");
    let blocked = "{:type :job/blocked :job-id \"a\"}";
    script
        .post(&format!(
            "{{:type :script/start :jobs [{{:id \"a\" :type :container :image \"i\" :script \
             [\"true\"] :blocked true}} {{:id \"b\" :type :action}}]}} {blocked}"
        ))
        .await;
    script.until_any(":job/blocked").await;
    script.control("/unblock/a").await;
    script.until(":job/unblocked").await;
    script
        .post(
            "{:type :job/queued :job-id \"a\"} {:type :container/job-queued :job-id \"a\" :job \
             {:id \"a\" :type :container :image \"i\" :script [\"true\"] :blocked true}}",
        )
        .await;
    script.rig.executor.started("a").await;
    script.until_any(":job/start").await;
    // The library announces it behind every job that ends, though it is at work.
    for _ in 0..3 {
        script
            .post(&format!(
                "{{:type :job/end :job-id \"b\" :status :success}} {blocked}"
            ))
            .await;
    }
    assert_eq!(script.status_of("a"), "running");
    script.rig.executor.release("a");
    script.until(":job/executed").await;
    let heard = script.heard.foreign();
    let unblocked = heard.iter().filter(|e| is(e, ":job/unblocked")).count();
    assert_eq!(unblocked, 1);
    assert_eq!(script.rig.executor.started_ids().len(), 1);
    script.rig.exit(0).await;
    script.rig.stop().await;
}

#[tokio::test]
async fn trap_9_a_job_that_starts_before_it_is_prepared_is_running() {
    let mut script = Script::start().await;
    script
        .post(
            "{:type :job/start :job-id \"a\"} {:type :job/initializing :job-id \"a\"} \
             {:type :job/queued :job-id \"a\"} \
             {:type :script/start :jobs [{:id \"a\" :type :action}]}",
        )
        .await;
    assert_eq!(script.status_of("a"), "running");
    script
        .post(
            "{:type :job/end :job-id \"a\" :status :success} {:type :job/executed :job-id \"a\" \
             :status :success} {:type :job/start :job-id \"a\"}",
        )
        .await;
    assert_eq!(script.status_of("a"), "success");
    let summary = script.rig.exit(0).await;
    assert_eq!(summary.status.as_str(), "success");
    script.rig.stop().await;
}

#[tokio::test]
async fn trap_17_a_printed_token_goes_nowhere() {
    let mut script = Script::start().await;
    let token = script.rig.script_token();
    let opaque = "abcdefghijklmnopqrstuvwxyz0123456789";
    script.rig.executor.ends(
        "c",
        JobOutcome {
            status: JobStatus::Failure,
            exit: Some(1),
            message: Some(format!("401: authorization: Bearer {token}")),
        },
    );
    let request = format!(
        "{{:request {{:headers {{\"authorization\" \"Bearer {token}\"}}}} :text \"{{authorization \
         Token {opaque}}}\"}}"
    );
    script
        .post(&format!(
            "{} {{:type :job/end :job-id \"a\" :status :failure :message \"Bearer {token}\" \
             :result {{:exception #error {{:cause \"status 404\"\n :data {request}}}}}}}",
            handed("c")
        ))
        .await;
    script.until(":job/executed").await;
    script.until_any(":job/end").await;
    let journal = script.rig.checkout().parent().unwrap().join("events.edn");
    let (kept, told) = (
        std::fs::read_to_string(journal).unwrap(),
        script.heard.lines().join("\n"),
    );
    for all in [&kept, &told] {
        assert!(
            all.contains("Bearer ***") && all.contains("Token ***"),
            "{all}"
        );
        for secret in [token.as_str(), opaque] {
            assert!(!all.contains(secret), "{all}");
        }
    }
    script.rig.exit(1).await;
    script.rig.stop().await;
}

/// The rows of the table above: number, and what stands under "tests".
fn table() -> Vec<(usize, String)> {
    let rows = include_str!("traps.rs").lines();
    rows.filter_map(|line| {
        let mut cells = line.strip_prefix("//! |")?.split(" | ");
        let number = cells.next()?.trim().parse().ok()?;
        Some((number, cells.nth(1)?.trim_end_matches('|').to_owned()))
    })
    .collect()
}

#[test]
fn each_trap_has_a_test_that_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = table();
    let numbers: Vec<usize> = table.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=17).collect::<Vec<_>>());
    for (number, tests) in table {
        let named: Vec<&str> = tests.split('`').filter(|it| it.contains("::")).collect();
        let later = tests.contains("comes with the remote source");
        assert!(later || !named.is_empty(), "nothing covers trap {number}");
        for test in named {
            let (file, name) = test.split_once("::").unwrap();
            let source = std::fs::read_to_string(root.join(file));
            let source = source.unwrap_or_else(|error| panic!("trap {number}: {file}: {error}"));
            let is_there = source.contains(&format!("fn {name}("));
            assert!(is_there, "trap {number}: there is no {test}");
        }
    }
}
