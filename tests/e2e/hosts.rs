//! Scripts in Clojure: Debian's Clojure runs them here; for the official tool and for babashka,
//! which are no Debian packages, stand-ins on the `PATH` note how they are started and then run
//! the script with the same jars.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::counted::{not_run, stand_in};
use crate::harness::{Project, Running, eventually, family, runs_somewhere, wait_for_file};

/// Debian's Clojure and a Java, or a word about it for the summary.
pub fn clojure_is_here(test: &str) -> bool {
    let jars = ["clojure", "spec.alpha", "core.specs.alpha"];
    let jars = jars.map(|name| PathBuf::from(format!("/usr/share/java/{name}.jar")));
    let java = Command::new("java").arg("-version").output();
    if jars.iter().all(|jar| jar.exists()) && java.is_ok_and(|java| java.status.success()) {
        return true;
    }
    not_run(
        &format!("hosts::{test}"),
        "there is no Clojure; on Debian: apt-get install clojure default-jre-headless",
    );
    false
}

/// An action that waits for a file.
fn waiting_action(id: &str, file: &Path) -> String {
    format!(
        "{{:id \"{id}\" :type :action
           :action (fn [_]
                     (println \"up\") (flush)
                     (binding [*out* *err*] (println \"waiting\") (flush))
                     (spit \"{0}.up\" \"\")
                     (while (not (.exists (java.io.File. \"{0}\"))) (Thread/sleep 10)))}}",
        file.display()
    )
}

const TWO: &str = r#"
[{:id "one" :type :action :action (fn [_] nil)}
 {:id "two" :type :action :dependencies ["one"] :action (fn [_] {:status :success})}]"#;

pub fn status(id: &str, status: &str) -> (String, String) {
    (id.to_owned(), status.to_owned())
}

/// A project in which a stand-in runs the script, and where it notes how it was started.
pub fn with_stand_in(project: Project, program: &str, text: &str) -> (Project, PathBuf, String) {
    let bin = project.dir().join("../bin");
    let notes = project.dir().join("../notes");
    for folder in [&bin, &notes] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let text = STAND_IN.replace("@RUN@", text);
    let text = text.replace("@NOTES@", &notes.display().to_string());
    std::fs::write(bin.join(program), text).unwrap();
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(bin.join(program), executable).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    (project, notes.canonicalize().unwrap(), path)
}

/// Notes its arguments, environment, folder and input; then runs `monkey.ci.script.core` as the
/// real program would.
const STAND_IN: &str = r#"#!/bin/sh
notes=@NOTES@
printf '%s\n' "$@" >"$notes/argv"
env >"$notes/env"
pwd -P >"$notes/cwd"
cat >"$notes/stdin"
jars=/usr/share/java/clojure.jar:/usr/share/java/spec.alpha.jar:/usr/share/java/core.specs.alpha.jar
@RUN@
"#;

/// As the official tool: the alias of the user's configuration, in the class path that it names.
const TOOL: &str = r#"
case $1 in -Sdescribe) echo '{:version "0"}'; exit ;; esac
file=$CLJ_CONFIG/deps.edn
stat -c %a "$CLJ_CONFIG" "$file" >"$notes/modes"
cp "$file" "$notes/deps.edn"
[ -e deps.edn ] && mkdir -p .cpcache && cp "$file" .cpcache/1.basis
library=$(sed -n 's/.*:local\/root "\([^"]*\)".*/\1/p' "$file")
exec java -cp "$jars:${library:-@LIBRARY@}/src:." clojure.main -e "
  (let [alias (get-in (clojure.edn/read-string (slurp \"$file\")) [:aliases :monkeyci/build])]
    ((requiring-resolve (:exec-fn alias)) (:exec-args alias)))"
"#;

/// As babashka: the task `script` of the configuration, in the class path that it names.
const BB: &str = r#"
stat -c %a "$2" >"$notes/modes"
cp "$2" "$notes/bb.edn"
library=$(sed -n 's/.*:paths \[\([^]]*\)\].*/\1/p' "$2" | tr -d ',"' | sed 's/^\. *//')
exec java -cp "$jars:${library:-@LIBRARY@/src}:." clojure.main -e "
  (let [task (get-in (clojure.edn/read-string (slurp \"$2\")) [:tasks 'script])]
    ((requiring-resolve (second (second (:task task)))) (:exec-args task)))"
"#;

/// The folder of our script library, for stand-ins of what would fetch MonkeyCI's.
fn library() -> String {
    std::env::var("MONKEYCI_TUI_CLOJURE_LIBRARY")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/assets/clojure").to_owned())
}

/// The official tool on the `PATH` of a project.
fn with_tool(project: Project) -> (Project, PathBuf, String) {
    stand_in(
        "the official Clojure tool",
        "its command line and files, run by Debian's Clojure",
    );
    with_stand_in(project, "clojure", &TOOL.replace("@LIBRARY@", &library()))
}

/// Babashka on the `PATH` of a project.
fn with_bb(project: Project) -> (Project, PathBuf, String) {
    stand_in(
        "babashka",
        "its command line and files, run by Debian's Clojure",
    );
    with_stand_in(project, "bb", &BB.replace("@LIBRARY@", &library()))
}

fn start_on(project: &Project, path: &str, args: &[&str]) -> Running {
    let mut all = vec!["build", "--executor", "host", "--plain"];
    all.extend(args);
    let mut command = project.command(&all);
    command.env("PATH", path);
    Running::start(command)
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// Nothing that other users can read of a build's processes has its token.
#[track_caller]
fn shows_no_token(build: &Running, at_least: usize) {
    let processes = family(build.pid());
    assert!(processes.len() >= at_least, "{processes:?}");
    for pid in processes {
        for name in ["cmdline", "environ"] {
            let text = std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(!text.contains("eyJ"), "{name} of {pid}: {text:?}");
        }
    }
}

/// The folders of running builds.
fn runtimes(project: &Project) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project.home().join("runtime"));
    entries
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect()
}

#[test]
fn debians_clojure_runs_a_script_behind_the_declarative_files() {
    if !clojure_is_here("debians_clojure_runs_a_script_behind_the_declarative_files") {
        return;
    }
    let project = Project::yaml(
        "- image: i\n  container/env: {FOO_BAR: kept}\n  script: ['echo FOO_BAR is $FOO_BAR']\n",
    )
    .file(".monkeyci/build.clj", TWO);
    project
        .build(&["--runner", "clj"])
        .exits(0)
        .says("script host: clojure (asked for with --runner clj; Clojure 1.")
        .says("FOO_BAR is kept");
    let ended = ["job-1", "one", "two"].map(|id| status(id, "success"));
    assert_eq!(project.jobs(), ended);
    let events = project.events();
    assert_eq!(
        events[1]["type"], "tui/host",
        "before anything else of the build"
    );
    let start = events.iter().find(|event| event["type"] == "script/start");
    let jobs = start.unwrap()["jobs"].as_array().unwrap();
    assert_eq!(jobs[0]["id"], "job-1");
    assert!(runtimes(&project).is_empty());
}

#[test]
fn every_build_says_what_runs_its_script() {
    let project = Project::yaml("- id: a\n  image: i\n  script: ['true']\n");
    project
        .build(&[])
        .exits(0)
        .says("script host: embedded (the script has only declarative files)");
    assert_eq!(project.events()[1]["type"], "tui/host");
}

#[test]
fn what_a_script_prints_is_heard_while_it_runs_and_no_process_shows_its_token() {
    if !clojure_is_here(
        "what_a_script_prints_is_heard_while_it_runs_and_no_process_shows_its_token",
    ) {
        return;
    }
    let project = Project::empty();
    let go = project.dir().join("go");
    let script = format!(
        "(println \"loaded\") (binding [*out* *err*] (println \"with a warning\"))\n[{}]",
        waiting_action("a", &go)
    );
    let project = project.file(".monkeyci/build.clj", &script);
    let mut build = project.start(&["--runner", "clj"]);
    build.until("│ loaded").until("│ with a warning");
    wait_for_file(&go.with_extension("up"));
    // The program and the Java that our launcher has become.
    shows_no_token(&build, 2);
    std::fs::write(&go, "").unwrap();
    build.wait().exits(0).keeps_quiet_about("eyJ");
    let log = project.run(&["logs", "last", "--script", "--raw"]).exits(0);
    log.says("loaded")
        .says("with a warning")
        .keeps_quiet_about("eyJ");
}

#[test]
fn a_script_that_does_not_load_is_named_with_its_place() {
    if !clojure_is_here("a_script_that_does_not_load_is_named_with_its_place") {
        return;
    }
    for (text, words) in [
        (
            "(ns build)\n\n(no-such-function 1)\n",
            ["no-such-function", "build.clj:3"],
        ),
        ("(ns build)\n[{:id \"a\"\n", ["EOF", "build.clj:"]),
    ] {
        let project = Project::empty().file(".monkeyci/build.clj", text);
        let ran = project.build(&["--runner", "clj"]).exits(2);
        for word in words {
            assert!(ran.out.contains(word), "no {word:?} in {}", ran.out);
        }
        let end = project.events().pop().unwrap();
        assert_eq!(end["type"], "build/end");
        assert_eq!(end["status"], "error");
        let message = end["message"].as_str().unwrap();
        assert!(message.contains(words[0]), "{message}");
    }
}

#[test]
fn the_exit_status_of_a_script_is_the_truth() {
    if !clojure_is_here("the_exit_status_of_a_script_is_the_truth") {
        return;
    }
    let failing =
        r#"[{:id "a" :type :action :action (fn [_] {:status :failure :message "no luck"})}]"#;
    let project = Project::empty().file(".monkeyci/build.clj", failing);
    project.build(&["--runner", "clj"]).exits(1);
    assert_eq!(project.jobs(), [status("a", "failure")]);
    // Its `script/end` is never said (protocol/README, trap 4).
    let leaving = r#"[{:id "a" :type :action :action (fn [_] (System/exit 7))}]"#;
    let project = Project::empty().file(".monkeyci/build.clj", leaving);
    project.build(&["--runner", "clj"]).exits(1);
    assert_eq!(project.jobs(), [status("a", "error")]);
}

#[test]
fn a_canceled_script_is_canceled_and_nothing_of_it_runs_on() {
    if !clojure_is_here("a_canceled_script_is_canceled_and_nothing_of_it_runs_on") {
        return;
    }
    let project = Project::empty();
    let go = project.dir().join("go");
    let script = format!("[{}]", waiting_action("a", &go));
    let project = project.file(".monkeyci/build.clj", &script);
    let mut build = project.start(&["--runner", "clj"]);
    build.until("a     ▶ started");
    wait_for_file(&go.with_extension("up"));
    build.signal(Signal::TERM);
    build.wait().exits(3);
    assert!(!runs_somewhere(
        &project.dir().join(".monkeyci").display().to_string()
    ));
}

#[test]
fn the_first_build_makes_what_the_next_starts_fast_with() {
    if !clojure_is_here("the_first_build_makes_what_the_next_starts_fast_with") {
        return;
    }
    let project = Project::empty().file(".monkeyci/build.clj", TWO);
    let first = project.build(&["--runner", "clj"]).exits(0);
    if library() == concat!(env!("CARGO_MANIFEST_DIR"), "/assets/clojure") {
        first
            .says("compiling the script library")
            .says("archiving its classes");
    }
    let cache = project.home().join("cache/clojure");
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    if library() != concat!(env!("CARGO_MANIFEST_DIR"), "/assets/clojure") {
        return;
    }
    let key = names(&cache)
        .into_iter()
        .find(|name| !name.starts_with("library-"));
    let folder = cache.join(key.unwrap());
    assert_eq!(names(&folder), ["classes.jsa", "library.jar"]);
    project
        .build(&["--runner", "clj"])
        .exits(0)
        .keeps_quiet_about("preparing Clojure");
    // Without it the next start makes it again; broken, it is not used.
    std::fs::remove_file(folder.join("classes.jsa")).unwrap();
    project
        .build(&["--runner", "clj"])
        .exits(0)
        .says("archiving its classes");
    std::fs::remove_file(folder.join("classes.jsa")).unwrap();
    std::fs::write(folder.join("classes.jsa"), "nonsense").unwrap();
    project
        .build(&["--runner", "clj"])
        .exits(0)
        .keeps_quiet_about("warning")
        .keeps_quiet_about("archive");
    // What is in the way gives way.
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "a file").unwrap();
    project
        .build(&["--runner", "clj"])
        .exits(0)
        .says("archiving its classes");
    assert_eq!(names(&folder), ["classes.jsa", "library.jar"]);
}

#[test]
fn builds_that_start_together_do_not_disturb_each_other() {
    if !clojure_is_here("builds_that_start_together_do_not_disturb_each_other") {
        return;
    }
    let project = Project::empty().file(".monkeyci/build.clj", TWO);
    let builds: Vec<Running> = (0..3)
        .map(|_| project.start(&["--runner", "clj"]))
        .collect();
    for build in builds {
        build.wait().exits(0).keeps_quiet_about("warning");
    }
}

#[test]
fn the_official_tool_is_started_with_its_orders_in_private_files() {
    if !clojure_is_here("the_official_tool_is_started_with_its_orders_in_private_files") {
        return;
    }
    let project = Project::empty();
    let go = project.dir().join("go");
    let script = format!("[{}]", waiting_action("a", &go));
    let project = project
        .file(".monkeyci/build.clj", &script)
        .file(".monkeyci/deps.edn", "{}");
    let (project, notes, path) = with_tool(project);
    let mut build = start_on(&project, &path, &[]);
    build.until("script host: clojure-cli (there is a deps.edn");
    wait_for_file(&go.with_extension("up"));
    shows_no_token(&build, 2);
    assert_eq!(read(&notes, "argv"), "-X:monkeyci/build\n");
    assert_eq!(read(&notes, "stdin"), "");
    assert_eq!(read(&notes, "modes"), "700\n600\n");
    let script_dir = project.dir().join(".monkeyci").canonicalize().unwrap();
    assert_eq!(read(&notes, "cwd").trim_end(), script_dir.to_str().unwrap());
    assert!(read(&notes, "deps.edn").contains(":token \"eyJ"));
    let env = read(&notes, "env");
    assert!(!env.contains("eyJ"), "{env}");
    let config = env
        .lines()
        .find_map(|line| line.strip_prefix("CLJ_CONFIG="));
    let config = PathBuf::from(config.unwrap());
    assert!(
        runtimes(&project)
            .iter()
            .any(|runtime| config.starts_with(runtime))
    );
    // What it keeps beside the script, others cannot look into.
    let cache = script_dir.join(".cpcache");
    let mode = std::fs::metadata(&cache).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(cache.join("1.basis").exists());
    std::fs::write(&go, "").unwrap();
    build.wait().exits(0).keeps_quiet_about("eyJ");
    assert_eq!(project.jobs(), [status("a", "success")]);
    assert!(!config.exists() && !cache.exists());
}

#[test]
fn babashka_is_started_with_its_orders_in_a_private_file() {
    if !clojure_is_here("babashka_is_started_with_its_orders_in_a_private_file") {
        return;
    }
    let project = Project::empty();
    let go = project.dir().join("go");
    let script = format!("[{}]", waiting_action("a", &go));
    let (project, notes, path) = with_bb(project.file(".monkeyci/build.clj", &script));
    let mut build = start_on(&project, &path, &[]);
    build.until("script host: babashka (there is no deps.edn, and babashka is on the PATH");
    wait_for_file(&go.with_extension("up"));
    shows_no_token(&build, 2);
    let argv = read(&notes, "argv");
    let argv: Vec<&str> = argv.lines().collect();
    let script_dir = project.dir().join(".monkeyci").canonicalize().unwrap();
    assert_eq!(argv[0], "--config");
    assert_eq!(
        argv[2..],
        ["--deps-root", script_dir.to_str().unwrap(), "run", "script"]
    );
    assert_eq!(read(&notes, "modes"), "600\n");
    assert_eq!(read(&notes, "stdin"), "");
    assert_eq!(read(&notes, "cwd").trim_end(), script_dir.to_str().unwrap());
    assert!(read(&notes, "bb.edn").contains(":token \"eyJ"));
    assert!(!read(&notes, "env").contains("eyJ"));
    std::fs::write(&go, "").unwrap();
    build.wait().exits(0).keeps_quiet_about("eyJ");
    assert_eq!(project.jobs(), [status("a", "success")]);
    assert!(!Path::new(argv[1]).exists());
}

/// A project whose only job checks every function of the library, inside the build.
fn surface() -> Project {
    let checks = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/clojure/monkey/ci/surface_test.clj"
    );
    let checks = std::fs::read_to_string(checks).unwrap();
    Project::empty().file("checks.clj", &checks).file(
        ".monkeyci/build.clj",
        r#"(ns build (:require [clojure.test :as test] [monkey.ci.api :as m]))
[(m/action-job "surface"
   (fn [ctx]
     (load-file (str (m/checkout-dir ctx) "/checks.clj"))
     (let [{:keys [pass fail error]} (test/run-tests 'monkey.ci.surface-test)]
       (println pass "checks passed," (+ fail error) "did not")
       (if (zero? (+ fail error)) m/success m/failure))))]"#,
    )
}

/// What the job of [`surface`] has to come to.
#[track_caller]
fn has_passed(project: &Project) {
    let log = project.run(&["logs", "last", "--script"]);
    assert_eq!(
        project.jobs(),
        [status("surface", "success")],
        "{}",
        log.out
    );
    log.exits(0).says("checks passed, 0 did not");
}

#[test]
fn the_library_does_what_it_is_for_on_a_plain_jar() {
    if !clojure_is_here("the_library_does_what_it_is_for_on_a_plain_jar") {
        return;
    }
    let project = surface();
    project
        .build(&["--runner", "clj"])
        .says("script host: clojure (asked for");
    has_passed(&project);
}

#[test]
fn the_library_does_what_it_is_for_on_the_official_tool() {
    if !clojure_is_here("the_library_does_what_it_is_for_on_the_official_tool") {
        return;
    }
    let (project, _, path) = with_tool(surface().file(".monkeyci/deps.edn", "{}"));
    start_on(&project, &path, &[])
        .wait()
        .says("script host: clojure-cli");
    has_passed(&project);
}

#[test]
fn the_library_does_what_it_is_for_on_babashka() {
    if !clojure_is_here("the_library_does_what_it_is_for_on_babashka") {
        return;
    }
    let (project, _, path) = with_bb(surface());
    start_on(&project, &path, &[])
        .wait()
        .says("script host: babashka");
    has_passed(&project);
}

#[test]
fn after_a_kill_the_next_start_removes_what_held_the_token() {
    if !clojure_is_here("after_a_kill_the_next_start_removes_what_held_the_token") {
        return;
    }
    let project = Project::empty();
    let go = project.dir().join("go");
    let script = format!("[{}]", waiting_action("a", &go));
    let (project, _notes, path) = with_bb(project.file(".monkeyci/build.clj", &script));
    let mut build = start_on(&project, &path, &[]);
    wait_for_file(&go.with_extension("up"));
    assert!(runtimes(&project)[0].join("bb.edn").exists());
    build.signal(Signal::KILL);
    drop(build);
    project.run(&["list"]).exits(0);
    eventually("the folder is gone", || runtimes(&project).is_empty());
    let there = project.dir().join(".monkeyci").display().to_string();
    eventually("nothing runs", || !runs_somewhere(&there));
}

#[test]
fn the_real_library_needs_a_tool_that_fetches_it() {
    let project = Project::empty().file(".monkeyci/build.clj", TWO);
    let mut command = project.command(&["build", "--plain", "-e", "host", "--lib-version", "1"]);
    command.env("PATH", "/nowhere");
    Running::start(command)
        .wait()
        .exits(2)
        .says("--lib-version needs the official Clojure tool or babashka")
        .says("https://babashka.org");
}

#[test]
fn with_the_real_library_the_engine_keeps_to_the_filter() {
    if !clojure_is_here("with_the_real_library_the_engine_keeps_to_the_filter") {
        return;
    }
    let script = r#"
[{:id "one" :type :container :image "i" :script ["echo one ran"]}
 {:id "two" :type :container :image "i" :script ["echo two ran"]}]"#;
    let (project, notes, path) = with_tool(Project::empty().file(".monkeyci/build.clj", script));
    let args = ["--runner", "clj", "--lib-version", "0.27.0", "--job", "two"];
    let ran = start_on(&project, &path, &args).wait().exits(0);
    ran.says("two ran").keeps_quiet_about("one ran");
    assert_eq!(
        project.jobs(),
        [status("one", "skipped"), status("two", "success")]
    );
    let deps = read(&notes, "deps.edn");
    assert!(
        deps.contains(r#"com.monkeyci/script {:mvn/version "0.27.0"}"#),
        "{deps}"
    );
    assert!(!deps.contains("config/filter"), "{deps}");

    let script = r#"
[{:id "one" :type :action :action (fn [_] (println "one ran"))}
 {:id "two" :type :container :image "i" :script ["echo two ran"]}]"#;
    // The library runs its actions itself, so this one may have begun before it is refused.
    let (project, _, path) = with_tool(Project::empty().file(".monkeyci/build.clj", script));
    start_on(&project, &path, &args)
        .wait()
        .exits(2)
        .says("--job leaves out the action job \"one\"")
        .keeps_quiet_about("two ran");
}

#[test]
fn our_library_keeps_to_the_filter_by_itself() {
    if !clojure_is_here("our_library_keeps_to_the_filter_by_itself") {
        return;
    }
    let script = format!(
        "(def three {{:id \"three\" :type :action :action (fn [_] nil)}})\n(conj {TWO} three)"
    );
    let project = Project::empty().file(".monkeyci/build.clj", &script);
    project.build(&["--runner", "clj", "--job", "one"]).exits(0);
    assert_eq!(project.jobs(), [status("one", "success")]);
}

#[test]
fn without_any_clojure_the_build_says_what_to_install() {
    let project = Project::empty().file(".monkeyci/build.clj", TWO);
    let mut command = project.command(&["build", "--plain", "--executor", "host"]);
    let jar = project.dir().join("no.jar");
    command
        .env("PATH", "/nowhere")
        .env("MONKEYCI_TUI_CLOJURE_JAR", &jar);
    Running::start(command).wait().exits(2).says("no.jar");
    let mut command = project.command(&["build", "--plain", "--executor", "host"]);
    command.args(["--runner", "bb"]).env("PATH", "/nowhere");
    Running::start(command)
        .wait()
        .exits(2)
        .says("no `bb` on the PATH")
        .says("https://babashka.org");
    let mut command = project.command(&["build", "--json", "--executor", "host"]);
    command
        .args(["--runner", "clj"])
        .env("PATH", "/nowhere")
        .env_remove("JAVA_HOME");
    let ran = Running::start(command).wait().exits(2);
    assert!(ran.out.contains("build/pending") && ran.out.contains("build/end"));
    assert!(ran.out.contains("apt-get install"), "{}", ran.out);
}

#[test]
fn what_an_action_says_and_throws_is_in_the_log_of_its_job() {
    if !clojure_is_here("what_an_action_says_and_throws_is_in_the_log_of_its_job") {
        return;
    }
    let script = r#"(require '[monkey.ci.api :as m])

(defn divide [x]
  (println "divides by" x)
  (/ 1 x))

[(m/action-job "talks" (fn [_] (println "swordfish is said") nil))
 (m/action-job "breaks" (fn [_] (divide 0)))]
"#;
    let project = Project::empty().file(".monkeyci/build.clj", script);
    let word = ["--param", "word=swordfish"];
    let ran = project.build(&word).exits(1);
    ran.says("Divide by zero (build.clj:5)");
    let log = |job: &str| project.run(&["logs", "last", job]).exits(0).out;
    assert_eq!(log("talks"), "*** is said\n");
    let broken = log("breaks");
    assert!(broken.starts_with("divides by 0\n"), "{broken}");
    assert!(
        broken.contains("ArithmeticException: Divide by zero\n    at build.clj:5"),
        "{broken}"
    );
    project
        .run(&["show"])
        .exits(0)
        .says("Divide by zero (build.clj:5)");
}
