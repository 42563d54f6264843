//! Builds from start to end on the host executor.

use crate::harness::{Project, Running, eventually, json_lines};

const CHAIN: &str = r#"
- id: compile
  image: docker.io/alpine:3.20
  script:
    - echo compiling
    - mkdir out && echo program > out/program
  saveArtifacts: [{id: program, path: out}]
- id: test
  image: docker.io/alpine:3.20
  script: ["cat restored/program"]
  dependencies: [compile]
  restoreArtifacts: [{id: program, path: restored}]
- id: lint
  image: docker.io/alpine:3.20
  script: ["echo tidy"]
"#;

fn ends(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect()
}

#[test]
fn a_chain_of_jobs_succeeds_and_hands_its_artifacts_on() {
    let project = Project::yaml(CHAIN);
    project
        .build(&[])
        .exits(0)
        .says("compiling")
        .says("test")
        .says("success");
    assert_eq!(
        project.jobs(),
        ends(&[
            ("compile", "success"),
            ("lint", "success"),
            ("test", "success")
        ])
    );
    project
        .run(&["logs", "last", "test"])
        .exits(0)
        .says("program\n");
}

#[test]
fn a_failing_command_fails_its_job_and_skips_what_depends_on_it() {
    let project = Project::yaml(
        "- id: a\n  image: i\n  script: ['echo before', 'exit 7', 'echo never']\n\
         - id: b\n  image: i\n  script: ['echo b']\n  dependencies: [a]\n\
         - id: c\n  image: i\n  script: ['echo c']\n",
    );
    project
        .build(&[])
        .exits(1)
        .says("exit status 7")
        .keeps_quiet_about("never\n");
    assert_eq!(
        project.jobs(),
        ends(&[("a", "failure"), ("b", "skipped"), ("c", "success")])
    );
}

#[test]
fn jobs_see_each_others_files_only_through_artifacts() {
    let project = Project::yaml(
        "- id: a\n  image: i\n  script: ['touch left-behind']\n\
         - id: b\n  image: i\n  script: ['test ! -e left-behind']\n  dependencies: [a]\n",
    );
    project.build(&[]).exits(0);
    assert!(!project.dir().join("left-behind").exists());
}

#[test]
fn every_job_finds_the_variables_of_the_runner_and_its_own() {
    let project = Project::yaml(
        "- id: env\n  image: i\n  container/env: {MY_VALUE: 'own one', CI: overridden}\n  script:\n\
         \x20   - 'echo \"[$MY_VALUE] [$CI] [$MONKEYCI_JOB_ID] [$MONKEYCI_BUILD_ID]\"'\n",
    );
    project
        .build(&[])
        .exits(0)
        .says("[own one] [true] [env] [local-build-");
}

#[test]
fn a_cache_survives_from_one_build_to_the_next() {
    let project = Project::yaml(
        "- id: a\n  image: i\n  caches: [{id: deps, path: deps}]\n  script:\n\
         \x20   - 'if [ -e deps/x ]; then echo cache hit; else echo cache miss; fi'\n\
         \x20   - 'mkdir -p deps && touch deps/x'\n",
    );
    project.build(&[]).exits(0).says("cache miss");
    project.build(&[]).exits(0).says("cache hit");
}

#[test]
fn artifacts_of_a_failed_job_are_kept() {
    let project = Project::yaml(
        "- id: a\n  image: i\n  saveArtifacts: [{id: report, path: report.xml}]\n\
         \x20 script: ['echo \"<x/>\" > report.xml', 'false']\n",
    );
    project.build(&[]).exits(1).says("artifact report saved");
}

#[test]
fn a_filter_runs_the_job_and_what_it_needs() {
    let project = Project::yaml(CHAIN);
    project.build(&["--job", "test"]).exits(0);
    assert_eq!(
        project.jobs(),
        ends(&[("compile", "success"), ("test", "success")])
    );
    project
        .build(&["--job", "nope"])
        .exits(2)
        .says("there is no job \"nope\"");
    project
        .build(&["--unblock", "nope"])
        .exits(2)
        .says("there is no job \"nope\"; the script has: compile, test, lint");
}

#[test]
fn json_is_the_journal_and_nothing_else() {
    let project = Project::yaml(CHAIN);
    let ran = project
        .run(&["build", "--executor", "host", "--json"])
        .exits(0);
    let events = json_lines(&ran.out);
    let types: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(types.first(), Some(&"build/pending"));
    assert_eq!(types.last(), Some(&"build/end"));
    for (place, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], place as u64 + 1);
        assert_eq!(event["sid"][0], "local");
        assert!(event["time"].is_i64());
    }
    assert_eq!(events.last().unwrap()["status"], "success");
    assert_eq!(
        events,
        project.events(),
        "what was printed is what was recorded"
    );
}

#[test]
fn a_blocked_job_with_nobody_to_ask_cancels_the_build_and_says_how_to_approve() {
    let yaml = "- id: a\n  image: i\n  script: ['true']\n\
                - id: gate\n  image: i\n  blocked: true\n  script: ['echo published']\n  dependencies: [a]\n";
    let project = Project::yaml(yaml);
    project.build(&[]).exits(3).says("--unblock gate");
    assert_eq!(
        project.jobs(),
        ends(&[("a", "success"), ("gate", "skipped")])
    );
    project
        .build(&["--unblock", "gate"])
        .exits(0)
        .says("published");
    project
        .build(&["--unblock", "all"])
        .exits(0)
        .says("published");
}

#[test]
fn a_blocked_job_is_approved_from_another_shell() {
    let project =
        Project::yaml("- id: gate\n  image: i\n  blocked: true\n  script: ['echo published']\n");
    let mut build = project.start(&["--wait-blocked"]);
    build.until("blocked");
    let refused = project.run(&["unblock", "gatee"]).exits(2);
    assert_eq!(refused.err, "monkeyci-tui: the build has no job gatee\n");
    project
        .run(&["unblock", "gate"])
        .exits(0)
        .says("approved gate of local/project");
    build.wait().exits(0).says("published");
}

#[test]
fn a_build_in_the_background_is_watched_approved_and_canceled_like_any_other() {
    let project =
        Project::yaml("- id: gate\n  image: i\n  blocked: true\n  script: ['echo published']\n");
    let started = project.build(&["--detach"]).exits(0);
    started.says("runs in the background; `monkeyci-tui attach local-build-");
    let mut watched = Running::start(project.command(&["attach", "local", "--plain"]));
    watched.until("blocked");
    project.run(&["unblock", "gate"]).exits(0);
    watched.wait().exits(0).says("published");
    project.run(&["show"]).exits(0).says("success");

    let json = project
        .run(&["build", "--executor", "host", "--detach", "--json"])
        .exits(0);
    let sid = json_lines(&json.out)[0]["sid"].as_str().unwrap().to_owned();
    project.run(&["cancel", &sid]).exits(0);
    eventually("it is canceled", || {
        project.run(&["show", &sid]).out.contains("canceled")
    });
    // What does not start says why at once.
    let nowhere = project.build(&["--detach", "-d", "/nowhere"]).exits(2);
    nowhere.complains("/nowhere");
}

#[test]
fn a_build_is_canceled_from_another_shell_and_nothing_of_it_stays() {
    let project =
        Project::yaml("- id: a\n  image: i\n  script: ['echo ready; exec sleep 86399']\n");
    let mut build = project.start(&[]);
    build.until("│ ready");
    project
        .run(&["cancel"])
        .exits(0)
        .says("asked local/project");
    build.wait().exits(3);
    assert_eq!(project.jobs(), ends(&[("a", "canceled")]));
    assert!(!crate::harness::runs_somewhere("sleep\x0086399"));
}

#[test]
fn another_shell_watches_a_build_from_its_first_event_to_its_last() {
    let project = Project::yaml(
        "- id: a\n  image: i\n  script: ['echo ready', 'while [ ! -e \"$GO\" ]; do sleep 0.05; done']\n",
    );
    let go = project.dir().join("go");
    let yaml = format!(
        "- id: a\n  image: i\n  container/env: {{GO: '{}'}}\n  script: ['echo ready', 'while [ ! -e \"$GO\" ]; do sleep 0.05; done', 'echo done']\n",
        go.display()
    );
    let project = project.file(".monkeyci/build.yaml", &yaml);
    let mut build = project.start(&[]);
    build.until("│ ready");
    let mut json = crate::harness::Running::start(project.command(&["attach", "last", "--json"]));
    let mut plain = crate::harness::Running::start(project.command(&["attach", "last", "--plain"]));
    json.until("job/start");
    plain.until("│ ready");
    std::fs::write(&go, "").unwrap();
    build.wait().exits(0);
    let watched = json_lines(&json.wait().exits(0).out);
    assert_eq!(watched, project.events());
    plain.wait().exits(0).says("done").says("success");
}

#[test]
fn no_more_jobs_run_at_once_than_j_allows() {
    let yaml: String = (0..4)
        .map(|n| {
            format!(
                "- id: j{n}\n  image: i\n  container/env: {{LOCK: '$LOCK'}}\n  script: ['mkdir \"$HOME/one-at-a-time\" && sleep 0.1 && rmdir \"$HOME/one-at-a-time\"']\n"
            )
        })
        .collect();
    let project = Project::yaml(&yaml);
    let mut command = project.command(&["build", "--executor", "host", "--plain", "-j", "1"]);
    command.env("HOME", project.dir());
    crate::harness::Running::start(command).wait().exits(0);
}

#[test]
fn parameters_never_reach_disk_or_screen() {
    let project = Project::yaml(
        "- id: a\n  image: i\n  container/env: {PW: 'hunter2-hunter2'}\n  script: ['echo \"$PW\"', 'echo \"$PW\" >&2; false']\n",
    );
    let ran = project
        .build(&["--param", "password=hunter2-hunter2"])
        .exits(1)
        .says("***");
    ran.keeps_quiet_about("hunter2");
    let mut found = Vec::new();
    search(&project.home().join("data"), b"hunter2-hunter2", &mut found);
    found.retain(|path| !path.to_string_lossy().contains("blobs"));
    assert!(found.is_empty(), "{found:?}");
}

fn search(folder: &std::path::Path, text: &[u8], found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            search(&path, text, found);
        } else if std::fs::read(&path)
            .is_ok_and(|bytes| text.is_empty() || bytes.windows(text.len()).any(|w| w == text))
        {
            found.push(path);
        }
    }
}

#[test]
fn a_build_is_announced_and_refused_when_its_parameters_are_not_there() {
    let project = Project::yaml(CHAIN);
    for args in [
        &["--params-file", "/nowhere/params.toml"][..],
        &["--param", "UNSET_VARIABLE_OF_THIS_TEST"],
        &["--param", "=value"],
    ] {
        let mut all = vec!["build", "--executor", "host", "--json"];
        all.extend(args);
        let events = json_lines(&project.run(&all).exits(2).out);
        assert_eq!(events.first().unwrap()["type"], "build/pending", "{args:?}");
        let end = events.last().unwrap();
        assert_eq!(
            (&end["type"], &end["status"]),
            (&"build/end".into(), &"error".into())
        );
        assert!(end["message"].as_str().unwrap().contains("param"), "{end}");
    }
}

#[test]
fn a_fault_of_the_script_is_told_once() {
    let project = Project::yaml(
        "- id: a\n  image: i\n  script: ['true']\n\
         - id: b\n  image: i\n  script: ['true']\n  dependencies: [missing]\n",
    );
    let ran = project.build(&[]);
    assert_eq!(ran.out.matches("\"missing\"").count(), 1, "{}", ran.out);
}

#[test]
fn what_acts_on_the_last_build_means_that_of_the_project_one_is_in() {
    let yaml =
        |mark: &str| format!("- id: a\n  image: i\n  script: ['echo ready; exec sleep {mark}']\n");
    let project =
        Project::yaml(&yaml("86311")).file("../other/.monkeyci/build.yaml", &yaml("86312"));
    let other = project.dir().join("../other");
    let mut own = project.start(&[]);
    own.until("│ ready");
    let mut command = project.command(&["build", "--executor", "host", "--plain"]);
    command.current_dir(&other);
    let mut newer = crate::harness::Running::start(command);
    newer.until("│ ready");
    project
        .run(&["cancel"])
        .exits(0)
        .says("asked local/project");
    own.wait().exits(3);
    // None of this project runs any more: then the newest of all.
    project.run(&["cancel"]).exits(0).says("asked local/other");
    newer.wait().exits(3);
}

#[test]
fn the_folders_of_a_killed_build_are_removed_by_the_next_start() {
    let project =
        Project::yaml("- id: a\n  image: i\n  script: ['echo ready; exec sleep 86313']\n");
    let mut build = project.start(&[]);
    build.until("│ ready").signal(rustix::process::Signal::KILL);
    build.wait();
    let mut kept = Vec::new();
    search(
        &project.home().join("data/blobs/workspaces"),
        b"",
        &mut kept,
    );
    assert_eq!(kept.len(), 1, "{kept:?}");
    let scratch = project.home().join("cache/scratch");
    let worked_in = || std::fs::read_dir(&scratch).unwrap().count();
    assert_eq!(worked_in(), 1);
    project.run(&["list"]).exits(0).complains("interrupted");
    assert!(!kept[0].exists());
    assert_eq!(worked_in(), 0);
}
