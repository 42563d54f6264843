//! Whole builds with MonkeyCI's own script library (`--lib-version`), for which a stand-in behaves
//! towards the runner as recordings of it do, faults included (tests/standin). However it
//! behaves: no build hangs, none ends with a wrong status, no job is left open.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::counted::stand_in;
use crate::harness::{Project, Ran, Running, at_work_in, json_lines, wait_for_file};
use crate::hosts::{clojure_is_here, with_stand_in};

/// The official tool: what it fetches by this version is the stand-in.
const TOOL: &str = r#"
case $1 in -Sdescribe) echo '{:version "0"}'; exit ;; esac
file=$CLJ_CONFIG/deps.edn
grep -q 'com.monkeyci/script {:mvn/version "0.27.0"}' "$file" || exit 9
export @ENV@
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$jars:@STANDIN@/src:." clojure.main -e "
  (let [alias (get-in (clojure.edn/read-string (slurp \"$file\")) [:aliases :monkeyci/build])]
    ((requiring-resolve (:exec-fn alias)) (:exec-args alias)))"
"#;

/// A project whose script runs with the library.
struct Library {
    project: Project,
    path: String,
}

impl Library {
    /// With this `build.clj`, and with these variables for the library.
    fn new(script: &str, env: &str) -> Self {
        stand_in(
            "the real script library",
            "whole builds with what behaves towards the runner as its recordings",
        );
        let script = format!("(ns build (:require [monkey.ci.api :as m]))\n{script}");
        let project = Project::empty().file(".monkeyci/build.clj", &script);
        let env = if env.is_empty() { "STANDIN_LAG=0" } else { env };
        let tool = TOOL.replace("@ENV@", env).replace(
            "@STANDIN@",
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/standin"),
        );
        let (project, _, path) = with_stand_in(project, "clojure", &tool);
        Self { project, path }
    }

    fn start(&self, args: &[&str]) -> Running {
        let mut all = vec!["build", "-e", "host", "--json", "--runner", "clj"];
        all.extend(["--lib-version", "0.27.0"]);
        all.extend(args);
        let mut command = self.project.command(&all);
        command.env("PATH", &self.path);
        Running::start(command)
    }

    /// Builds, and expects the program's exit status, the build's and how all jobs have ended.
    #[track_caller]
    fn builds(&self, args: &[&str], code: i32, status: &str, jobs: &[(&str, &str)]) -> Vec<Value> {
        self.ended(self.start(args).wait(), code, status, jobs)
    }

    /// What is true of a build that has ended, whatever the library did.
    #[track_caller]
    fn ended(&self, ran: Ran, code: i32, status: &str, jobs: &[(&str, &str)]) -> Vec<Value> {
        let ran = ran
            .exits(code)
            .keeps_quiet_about("The event stream is dead");
        let events = json_lines(&ran.out);
        let last = events.last().unwrap();
        assert_eq!(
            (&last["type"], &last["status"]),
            (&"build/end".into(), &status.into())
        );
        let (ends, open) = ends_of(&events);
        let expected: BTreeMap<_, _> = jobs
            .iter()
            .map(|(id, end)| ((*id).to_owned(), (*end).to_owned()))
            .collect();
        assert_eq!((ends, open), (expected, Vec::new()), "\n{}", ran.out);
        assert_eq!(
            events,
            self.project.events(),
            "what was printed is the journal"
        );
        assert_eq!(
            at_work_in(&self.project.dir()),
            Vec::<std::path::PathBuf>::new()
        );
        events
    }
}

/// How the jobs of a build have ended, and those that were announced and have not.
fn ends_of(events: &[Value]) -> (BTreeMap<String, String>, Vec<String>) {
    let mut ends = BTreeMap::new();
    let mut open = Vec::new();
    for event in events {
        let kind = event["type"].as_str().unwrap();
        let id = event["job-id"].as_str().unwrap_or_default().to_owned();
        match kind {
            "script/start" => open.extend(
                (event["jobs"].as_array().unwrap().iter())
                    .map(|job| job["id"].as_str().unwrap().to_owned()),
            ),
            "job/end" => {
                ends.insert(id.clone(), event["status"].as_str().unwrap().to_owned());
            }
            "job/skipped" => {
                ends.entry(id.clone())
                    .or_insert_with(|| "skipped".to_owned());
            }
            _ => {}
        }
        if ["job/end", "job/skipped"].contains(&kind) {
            open.retain(|job| *job != id);
        }
    }
    (ends, open)
}

/// The last event of a type, about a job if there is one.
#[track_caller]
fn last_of<'e>(events: &'e [Value], kind: &str, job: &str) -> &'e Value {
    let found = (events.iter().rev())
        .find(|event| event["type"] == kind && event["job-id"].as_str().unwrap_or_default() == job);
    found.unwrap_or_else(|| panic!("no {kind} of {job:?} in {events:#?}"))
}

fn count(events: &[Value], kind: &str, job: &str) -> usize {
    let of_it = |event: &&Value| event["type"] == kind && event["job-id"] == job;
    events.iter().filter(of_it).count()
}

/// The function of an action that says it is there and then waits for a file.
fn waiting(file: &Path) -> String {
    format!(
        "(fn [_] (spit \"{0}.up\" \"\")
           (while (not (.exists (java.io.File. \"{0}\"))) (Thread/sleep 5)))",
        file.display()
    )
}

/// Two actions, of which the second needs the first.
const CHAIN: &str = r#"
[(m/action-job "one" (fn [_] (println "one ran")))
 (-> (m/action-job "two" (fn [_] m/success)) (m/depends-on "one"))]"#;

#[test]
fn a_chain_of_actions_succeeds() {
    if !clojure_is_here("real_library: a_chain_of_actions_succeeds") {
        return;
    }
    let library = Library::new(CHAIN, "");
    let ends = [("one", "success"), ("two", "success")];
    let events = library.builds(&[], 0, "success", &ends);
    assert_eq!(
        last_of(&events, "job/end", "one")["result"]["output"],
        "one ran\n"
    );
}

#[test]
fn a_rerun_takes_over_what_the_library_queues() {
    if !clojure_is_here("real_library: a_rerun_takes_over_what_the_library_queues") {
        return;
    }
    let notes = tempfile::tempdir().unwrap();
    let script = r#"
[(-> (m/container-job "made" {:image "i" :script ["echo made >> NOTES/ran" "mkdir out" "echo x > out/x"]})
     (m/save-artifacts (m/artifact "out" "out")))
 (-> (m/container-job "check" {:image "i" :script ["echo check >> NOTES/ran" "grep x out/x" "test -e NOTES/fixed"]})
     (m/depends-on "made") (m/restore-artifacts (m/artifact "out" "out")))]"#;
    let script = script.replace("NOTES", &notes.path().display().to_string());
    let library = Library::new(&script, "");
    let ends = [("made", "success"), ("check", "failure")];
    library.builds(&[], 1, "error", &ends);
    std::fs::write(notes.path().join("fixed"), "").unwrap();
    let mut again = library.project.command(&["rerun", "--failed", "--json"]);
    again.env("PATH", &library.path);
    let ran = Running::start(again).wait();
    let ends = [("made", "success"), ("check", "success")];
    let events = library.ended(ran, 0, "success", &ends);
    assert_eq!(count(&events, "tui/reused", "made"), 1);
    let ran = std::fs::read_to_string(notes.path().join("ran")).unwrap();
    assert_eq!(ran, "made\ncheck\ncheck\n");
}

#[test]
fn the_end_of_what_it_posts_is_lost_and_the_exit_status_counts() {
    if !clojure_is_here("real_library: the_end_of_what_it_posts_is_lost") {
        return;
    }
    for lost in [2, 3, 7] {
        let library = Library::new(CHAIN, &format!("STANDIN_LAG={lost}"));
        let ends = [("one", "success"), ("two", "success")];
        let events = library.builds(&[], 0, "success", &ends);
        assert_eq!(count(&events, "job/end", "two"), 1, "the engine's");
    }
    let failing = r#"
[(m/action-job "one" (fn [_] (m/with-message m/failure "no luck")))
 (-> (m/action-job "two" (fn [_] m/success)) (m/depends-on "one"))]"#;
    for (lost, end) in [(2, "failure"), (3, "error")] {
        let library = Library::new(failing, &format!("STANDIN_LAG={lost}"));
        library.builds(&[], 1, "error", &[("one", end), ("two", "skipped")]);
    }
}

#[test]
fn a_post_that_is_cut_off_does_no_harm() {
    if !clojure_is_here("real_library: a_post_that_is_cut_off_does_no_harm") {
        return;
    }
    for (cut, ends) in [
        ("script/end", [("one", "success"), ("two", "success")]),
        // Then nothing of the second is heard.
        ("job/end", [("one", "success"), ("two", "success")]),
    ] {
        let library = Library::new(CHAIN, &format!("STANDIN_CUT={cut}"));
        library.builds(&[], 0, "success", &ends);
    }
}

#[test]
fn an_action_that_fails_and_one_that_throws_fail_the_build() {
    if !clojure_is_here("real_library: an_action_that_fails_and_one_that_throws") {
        return;
    }
    let library = Library::new(
        r#"
[(m/action-job "fails" (fn [_] (m/with-message m/failure "no luck")))
 (m/action-job "throws" (fn [_] (throw (ex-info "Kaboom" {:at #inst "2026-01-01" :f inc}))))
 (-> (m/action-job "later" (fn [_] nil)) (m/depends-on "throws"))
 ;; Ends behind them, so that nothing of theirs is lost.
 (-> (m/container-job "other" {:image "i" :script ["true"]}) (m/depends-on "first"))
 (m/action-job "first" (fn [_] (Thread/sleep 100)))]"#,
        "",
    );
    let events = library.builds(
        &[],
        1,
        "error",
        &[
            ("fails", "failure"),
            ("throws", "failure"),
            ("later", "skipped"),
            ("first", "success"),
            ("other", "success"),
        ],
    );
    assert_eq!(
        last_of(&events, "job/end", "fails")["result"]["message"],
        "no luck"
    );
    let thrown = &last_of(&events, "job/end", "throws")["result"];
    assert_eq!(thrown["message"], "Kaboom");
    assert!(thrown["error"].to_string().contains("Kaboom"), "{thrown}");
}

#[test]
fn an_action_that_throws_alone_ends_before_all_is_said() {
    if !clojure_is_here("real_library: an_action_that_throws_alone") {
        return;
    }
    let script = r#"[(m/action-job "throws" (fn [_] (throw (Exception. "Kaboom"))))]"#;
    for lost in [0, 1] {
        let library = Library::new(script, &format!("STANDIN_LAG={lost}"));
        library.builds(&[], 1, "error", &[("throws", "failure")]);
    }
}

#[test]
fn container_jobs_run_between_actions() {
    if !clojure_is_here("real_library: container_jobs_run_between_actions") {
        return;
    }
    let library = Library::new(
        r#"
[(m/action-job "a" (fn [_] m/success))
 (-> (m/container-job "b") (m/image "i") (m/script ["echo b ran"]) (m/depends-on "a"))
 (-> (m/action-job "c" (fn [_] nil)) (m/depends-on "b"))
 (-> (m/container-job "d") (m/image "i") (m/script ["exit 3"]) (m/depends-on "c"))
 (-> (m/container-job "e") (m/image "i") (m/script ["echo never"]) (m/depends-on "d"))]"#,
        "",
    );
    let ends = [
        ("a", "success"),
        ("b", "success"),
        ("c", "success"),
        ("d", "failure"),
        ("e", "skipped"),
    ];
    library.builds(&[], 1, "error", &ends);
}

/// Saves two files in an action, has them in a container, and back in an action.
const FILES: &str = r#"
[(-> (m/action-job "make" (fn [ctx]
                            (.mkdirs (java.io.File. (m/in-work ctx "out")))
                            (spit (m/in-work ctx "out/a") "made")
                            (spit (m/in-work ctx "one file") "single")))
     (m/save-artifacts (m/artifact "dir" "out") [(m/artifact "file" "one file")])
     (m/caches (m/cache "deps" "kept")))
 (-> (m/container-job "change" {:image "i" :script ["grep made in/a" "mkdir new" "echo more >new/b"]})
     (m/depends-on "make")
     (m/restore-artifacts (m/artifact "dir" "in"))
     (m/save-artifacts (m/artifact "new" "new")))
 (-> (m/action-job "look" (fn [ctx]
                            (let [at-run-time (m/get-artifact ctx (m/artifact "file" "again"))]
                              (println (slurp (m/in-work ctx "back/b")) at-run-time
                                       (slurp (m/in-work ctx "again/one file"))
                                       (pr-str (m/get-artifact ctx (m/artifact "none" "x")))))))
     (m/depends-on "change")
     (m/restore-artifacts (m/artifact "new" "back") (m/artifact "nowhere" "y"))
     (m/save-artifacts (m/artifact "lost" "not/there")))]"#;

#[test]
fn artifacts_and_caches_are_posted_or_put_and_may_be_missing() {
    if !clojure_is_here("real_library: artifacts_and_caches_are_posted_or_put") {
        return;
    }
    for method in ["POST", "PUT"] {
        let library = Library::new(FILES, &format!("STANDIN_SAVE={method}"));
        let ends = [
            ("make", "success"),
            ("change", "success"),
            ("look", "success"),
        ];
        let events = library.builds(&[], 0, "success", &ends);
        let said = &last_of(&events, "job/end", "look")["result"]["output"];
        assert_eq!(said, "more\n again single nil\n");
    }
}

#[test]
fn a_cache_is_there_in_the_next_build() {
    if !clojure_is_here("real_library: a_cache_is_there_in_the_next_build") {
        return;
    }
    let library = Library::new(
        r#"
[(-> (m/action-job "a" (fn [ctx]
                         (let [file (java.io.File. (m/in-work ctx "kept/x"))]
                           (println (if (.exists file) (slurp file) "nothing"))
                           (.mkdirs (.getParentFile file))
                           (spit file "kept"))))
     (m/caches (m/cache "c" "kept")))]"#,
        "",
    );
    for said in ["nothing\n", "kept\n"] {
        let events = library.builds(&[], 0, "success", &[("a", "success")]);
        assert_eq!(
            last_of(&events, "job/executed", "a")["result"]["output"],
            said
        );
        std::fs::remove_dir_all(library.project.dir().join("kept")).unwrap();
    }
}

#[test]
fn what_is_refused_fails_the_job_that_asked_and_the_token_is_not_told() {
    if !clojure_is_here("real_library: what_is_refused_fails_the_job_that_asked") {
        return;
    }
    let library = Library::new(
        r#"
[(-> (m/action-job "outside" (fn [_] nil)) (m/save-artifacts (m/artifact "a" "../../up")))
 (-> (m/action-job "odd id" (fn [_] nil)) (m/save-artifacts (m/artifact "a" "x")))
 (m/action-job "secrets" (fn [ctx] (m/build-params ctx)))
 (-> (m/action-job "wait" (fn [_] (Thread/sleep 100))))
 (-> (m/container-job "last" {:image "i" :script ["true"]}) (m/depends-on "wait"))]"#,
        "",
    );
    let ran = library.start(&["--deny", "params:read"]).wait();
    let ran = ran.keeps_quiet_about("eyJ");
    let ends = [
        ("outside", "failure"),
        ("odd id", "failure"),
        ("secrets", "failure"),
        ("wait", "success"),
        ("last", "success"),
    ];
    library.ended(ran, 1, "error", &ends);
}

#[test]
fn parameters_are_asked_for_once() {
    if !clojure_is_here("real_library: parameters_are_asked_for_once") {
        return;
    }
    let library = Library::new(
        r#"
[(m/action-job "a" (fn [ctx] (assert (= "\"me\" {:a" (get (m/build-params ctx) "who"))) (println (get (m/build-params ctx) "who"))))
 (-> (m/action-job "b" (fn [ctx] (println (count (m/build-params ctx))))) (m/depends-on "a"))]"#,
        "",
    );
    let ends = [("a", "success"), ("b", "success")];
    let events = library.builds(&["--param", "who=\"me\" {:a"], 0, "success", &ends);
    let said = |job| &last_of(&events, "job/executed", job)["result"]["output"];
    // Its value is nothing for the journal.
    assert_eq!(said("a"), "***\n");
    assert_eq!(said("b"), "1\n");
    let reads = events.iter().filter(|event| event["type"] == "tui/read");
    assert_eq!(reads.count(), 1);
}

#[test]
fn a_blocked_job_is_announced_again_and_again_and_runs_once() {
    if !clojure_is_here("real_library: a_blocked_job_is_announced_again_and_again") {
        return;
    }
    let library = Library::new("", "");
    let files = ["side", "gate"].map(|name| library.project.dir().join(name));
    let script = format!(
        r#"(ns build (:require [monkey.ci.api :as m]))
[(m/action-job "first" (fn [_] nil))
 (m/action-job "side" {side})
 (-> (m/action-job "gate" {gate}) m/blocked (m/depends-on "first"))
 (-> (m/container-job "gated" {{:image "i" :script ["true"]}}) m/blocked (m/depends-on "gate"))]"#,
        side = waiting(&files[0]),
        gate = waiting(&files[1]),
    );
    std::fs::write(library.project.dir().join(".monkeyci/build.clj"), script).unwrap();
    let mut build = library.start(&["--wait-blocked"]);
    build.until("job/blocked");
    library.project.run(&["unblock", "gate"]).exits(0);
    wait_for_file(&files[1].with_extension("up"));
    // It is announced as blocked while it runs, because another job ends.
    wait_for_file(&files[0].with_extension("up"));
    std::fs::write(&files[0], "").unwrap();
    build.until(r#""job-id":"side","status":"success""#);
    std::fs::write(&files[1], "").unwrap();
    build.until(r#""job-id":"gated""#);
    crate::harness::eventually("it is to be approved", || {
        library.project.run(&["unblock", "gated"]).code == Some(0)
    });
    let ends = ["first", "side", "gate", "gated"].map(|id| (id, "success"));
    let events = library.ended(build.wait(), 0, "success", &ends);
    for job in ["gate", "gated"] {
        assert_eq!(count(&events, "job/start", job), 1);
        assert_eq!(count(&events, "job/unblocked", job), 1);
    }
}

#[test]
fn a_job_that_stays_blocked_is_skipped() {
    if !clojure_is_here("real_library: a_job_that_stays_blocked_is_skipped") {
        return;
    }
    let script = r#"
[(m/action-job "a" (fn [_] nil))
 (-> (m/action-job "gate" (fn [_] nil)) m/blocked (m/depends-on "a"))]"#;
    let library = Library::new(script, "");
    let ends = [("a", "success"), ("gate", "skipped")];
    library.builds(&[], 3, "canceled", &ends);
    let ends = [("a", "success"), ("gate", "success")];
    library.builds(&["--unblock", "gate"], 0, "success", &ends);
}

#[test]
fn a_canceled_build_is_canceled_though_its_script_exits_with_0() {
    if !clojure_is_here("real_library: a_canceled_build_is_canceled") {
        return;
    }
    let library = Library::new("", "");
    let go = library.project.dir().join("go");
    let script = format!(
        r#"(ns build (:require [monkey.ci.api :as m]))
[(m/action-job "slow" {slow})
 (m/container-job "long" {{:image "i" :script ["sleep 86397"]}})
 (-> (m/action-job "after" (fn [_] nil)) (m/depends-on "slow"))
 (m/blocked (m/action-job "gate" (fn [_] nil)))]"#,
        slow = waiting(&go),
    );
    std::fs::write(library.project.dir().join(".monkeyci/build.clj"), script).unwrap();
    let mut build = library.start(&["--wait-blocked"]);
    wait_for_file(&go.with_extension("up"));
    build.until(r#""command/start""#);
    library.project.run(&["cancel"]).exits(0);
    let ends = [
        ("slow", "canceled"),
        ("long", "canceled"),
        ("after", "skipped"),
        ("gate", "skipped"),
    ];
    library.ended(build.wait(), 3, "canceled", &ends);
    assert!(!crate::harness::runs_somewhere("sleep\x0086397"));
}

#[test]
fn a_script_of_which_an_action_never_ends_is_canceled_all_the_same() {
    if !clojure_is_here("real_library: a_script_of_which_an_action_never_ends") {
        return;
    }
    let library = Library::new("", "");
    let go = library.project.dir().join("go");
    let script = format!(
        "(ns build (:require [monkey.ci.api :as m]))\n[(m/action-job \"slow\" {})]",
        waiting(&go)
    );
    std::fs::write(library.project.dir().join(".monkeyci/build.clj"), script).unwrap();
    let build = library.start(&[]);
    wait_for_file(&go.with_extension("up"));
    library.project.run(&["cancel"]).exits(0);
    library.ended(build.wait(), 3, "canceled", &[("slow", "canceled")]);
}

#[test]
fn an_init_that_returns_nil_skips_its_job_and_nothing_waits_for_it() {
    if !clojure_is_here("real_library: an_init_that_returns_nil_skips_its_job") {
        return;
    }
    let library = Library::new(
        r#"
[(-> (m/container-job "kept" {:image "i" :script ["echo $A $B"] :container/env {"A" "1"}})
     (m/init (fn [_] {:container/env {"B" "2"} :script ["test $B = 2"]})))
 (-> (m/container-job "left out" {:image "i" :script ["echo never"]}) (m/init (constantly nil)))
 (-> (m/container-job "behind" {:image "i" :script ["echo never"]}) (m/depends-on "left out"))]"#,
        "",
    );
    let ends = [
        ("kept", "success"),
        ("left out", "skipped"),
        ("behind", "skipped"),
    ];
    library.builds(&[], 0, "success", &ends);
}

#[test]
fn odd_values_reach_the_journal_and_the_stream_goes_on() {
    if !clojure_is_here("real_library: odd_values_reach_the_journal") {
        return;
    }
    let library = Library::new(
        r#"
(defrecord Point [x y])
(defn odd [id value]
  (m/action-job id (fn [_] (assoc m/success :value value))))
(def odd-values
  [#inst "2026-01-02T03:04:05.678-00:00" #uuid "0f0e0d0c-0000-4000-8000-000000000001" #"a\"\d+" inc
   (ex-info "outer" {:f inc :re #"x"} (Exception. "two\nlines")) (->Point 1 2) #'odd (atom 1)
   (Object.) Double/NaN Double/POSITIVE_INFINITY 100M 7N 2/3 \c \newline {:a/b {:a/c 1}}
   #{1 nil [#{}]} (map inc [1 2]) (java.io.File. "x") (class "") (delay 1) 'sym (int-array 2)])
(vec
 (concat
  (map-indexed (fn [i value] (odd (str "odd-" i) value)) odd-values)
  [(m/action-job "number" (fn [_] 42))
   (m/action-job "string" (fn [_] "just a string"))
   (m/action-job "function" (fn [_] (fn [_] nil)))
   (m/action-job "map" (fn [_] {:foo :bar}))
   (m/action-job "weird" (fn [_] {:status :weird}))
   (m/action-job "child" (fn [_] (m/action-job "inner" (fn [_] (println "inner ran")))))
   (assoc (m/action-job "with keys" (fn [_] nil)) :plugin {:f inc :re #"x" 1 [2 3]})
   (-> (m/container-job "last" {:image "i" :script ["true"] :plugin {:f inc :re #"x" :at #inst "2026"}})
       (m/depends-on (map #(str "odd-" %) (range (count odd-values))) "number"))]))"#,
        "",
    );
    let ran = library.start(&[]).wait();
    let odd: Vec<String> = (0..24).map(|at| format!("odd-{at}")).collect();
    let mut ends: Vec<(&str, &str)> = odd.iter().map(|id| (id.as_str(), "success")).collect();
    ends.extend(
        [
            "number",
            "string",
            "function",
            "map",
            "child",
            "inner",
            "with keys",
            "last",
        ]
        .map(|id| (id, "success")),
    );
    ends.push(("weird", "weird"));
    let events = library.ended(ran, 0, "success", &ends);
    let value = |at: usize| last_of(&events, "job/end", &odd[at])["result"]["value"].to_string();
    assert!(value(0).contains("2026-01-02T03:04:05.678"), "{}", value(0));
    assert!(value(4).contains("outer"), "{}", value(4));
}

#[test]
fn long_output_comes_whole() {
    if !clojure_is_here("real_library: long_output_comes_whole") {
        return;
    }
    let library = Library::new(
        r#"
[(m/action-job "a" (fn [_] (dotimes [i 40000] (println "line" i "\u20ac \"quoted\" \\"))))
 (-> (m/container-job "b" {:image "i" :script ["seq 20000"]}) (m/depends-on "a"))
 (-> (m/action-job "c" (fn [_] nil)) (m/depends-on "b"))]"#,
        "",
    );
    let ends = ["a", "b", "c"].map(|id| (id, "success"));
    let events = library.builds(&[], 0, "success", &ends);
    let output = last_of(&events, "job/executed", "a")["result"]["output"].to_string();
    assert!(
        output.len() > 1_000_000 && output.contains("line 39999"),
        "{}",
        output.len()
    );
}

#[test]
fn a_script_that_does_not_load_or_has_nothing_to_run_is_an_error() {
    if !clojure_is_here("real_library: a_script_that_does_not_load") {
        return;
    }
    for (script, lost) in [
        ("(throw (Exception. \"no such luck\"))", 0),
        ("(list 1 2)", 1),
        ("[]", 0),
        (
            "[(-> (m/action-job \"a\" (fn [_] nil)) (m/depends-on \"a\"))]",
            1,
        ),
    ] {
        let library = Library::new(script, &format!("STANDIN_LAG={lost}"));
        let ends: &[(&str, &str)] = if script.contains("action-job") {
            &[("a", "skipped")]
        } else {
            &[]
        };
        library.builds(&[], 2, "error", ends);
    }
}
