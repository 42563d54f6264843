//! Commands over builds that are kept.

use crate::harness::{Project, json_lines};

const TWO: &str = "- id: a\n  image: i\n  script: ['echo one', 'printf \"\\033[31mred\\033[0m\\n\"', 'echo two >&2']\n\
                   - id: b\n  image: i\n  script: ['echo bee']\n";

#[test]
fn builds_are_listed_newest_first() {
    let project = Project::yaml(TWO);
    project.run(&["list"]).exits(0).complains("no builds yet");
    project.build(&[]).exits(0);
    project.build(&["--job", "b"]).exits(0);
    let list = project.run(&["list", "--json"]).exits(0);
    let builds = json_lines(&list.out);
    assert_eq!(builds.len(), 2);
    assert_eq!(builds[0]["jobs"], 1);
    assert_eq!(builds[1]["jobs"], 2);
    project
        .run(&["list"])
        .exits(0)
        .says("success")
        .says("local-build-");
}

#[test]
fn the_ways_to_name_a_build_agree() {
    let project = Project::yaml("- id: a\n  image: i\n  script: ['exit 3']\n");
    project.build(&[]).exits(1);
    let project = project.file(".monkeyci/build.yaml", TWO);
    project.build(&[]).exits(0);
    let list = json_lines(&project.run(&["list", "--json"]).out);
    let sid = list[0]["sid"].as_str().unwrap().to_owned();
    let id = sid.rsplit('/').next().unwrap().to_owned();
    for name in ["last", &id, &sid] {
        project
            .run(&["show", name])
            .exits(0)
            .says(&sid)
            .says("success");
    }
    project
        .run(&["show", "last-failed"])
        .exits(0)
        .says("failure")
        .says("exit status 3");
    project
        .run(&["show", "local-build-"])
        .exits(2)
        .complains("names 2 builds")
        .complains(&id);
    project.run(&["show", "nope"]).exits(2).complains("nope");
}

#[test]
fn a_log_is_printed_raw_stripped_or_as_json() {
    let project = Project::yaml(TWO);
    project.build(&[]).exits(0);
    let raw = project.run(&["logs", "last", "a", "--raw"]).exits(0);
    assert!(
        raw.out.contains("one\n\u{1b}[31mred\u{1b}[0m\ntwo\n"),
        "{:?}",
        raw.out
    );
    project
        .run(&["logs", "last", "a", "--strip"])
        .exits(0)
        .says("one\nred\ntwo\n");
    let json = json_lines(&project.run(&["logs", "last", "a", "--json"]).exits(0).out);
    let last = json.last().unwrap();
    assert_eq!(
        (&last["text"], &last["stream"], &last["command"]),
        (&"two".into(), &"err".into(), &2.into())
    );
    project
        .run(&["logs", "last"])
        .exits(0)
        .says("a │ one")
        .says("b │ bee");
    project
        .run(&["logs", "last", "zzz"])
        .exits(2)
        .complains("no job \"zzz\"")
        .complains("a, b");
}

#[test]
fn a_log_that_is_still_written_is_followed_to_its_end() {
    let project = Project::empty();
    let go = project.dir().join("go");
    let yaml = format!(
        "- id: a\n  image: i\n  script: ['echo early', 'while [ ! -e \"{}\" ]; do sleep 0.05; done', 'echo late']\n",
        go.display()
    );
    let project = project.file(".monkeyci/build.yaml", &yaml);
    let mut build = project.start(&[]);
    build.until("early");
    let mut logs =
        crate::harness::Running::start(project.command(&["logs", "last", "a", "--follow"]));
    logs.until("early");
    std::fs::write(&go, "").unwrap();
    build.wait().exits(0);
    logs.wait().exits(0).says("early\n").says("late\n");
}

#[test]
fn what_is_typed_wrongly_is_answered_with_the_usage() {
    let project = Project::empty();
    project
        .run(&["build", "--nope"])
        .exits(2)
        .complains("--nope");
    project.run(&["build", "--plain", "--json"]).exits(2);
    project.run(&["build", "-j", "0"]).exits(2);
    project
        .build(&["--timeout", "soon"])
        .exits(2)
        .complains("90s, 20m or 1h");
    project
        .build(&["--param", "UNSET_VARIABLE_OF_THIS_TEST"])
        .exits(2)
        .says("UNSET_VARIABLE_OF_THIS_TEST");
    project
        .run(&["--version"])
        .exits(0)
        .says(env!("CARGO_PKG_VERSION"));
    project.run(&["help"]).exits(0).says("exit-status");
    project.run(&["help", "exit-status"]).exits(0).says("130");
    project.run(&["help", "nope"]).exits(2).complains("no page");
    project.run(&["keys"]).exits(0).says("search");
}

#[test]
fn controls_without_a_running_build_say_so() {
    let project = Project::yaml(TWO);
    for args in [&["cancel"][..], &["unblock", "a"], &["attach", "--plain"]] {
        project
            .run(args)
            .exits(2)
            .complains("no running build matches \"last\"");
    }
}

#[test]
fn a_recorded_build_is_watched_again_by_the_same_words() {
    let project = Project::yaml(TWO);
    project.build(&[]).exits(0);
    project
        .run(&["attach", "last", "--plain"])
        .exits(0)
        .says("bee")
        .says("success");
    let json = project.run(&["attach", "last", "--json"]).exits(0);
    assert_eq!(json_lines(&json.out), project.events());
}

#[test]
fn nothing_of_a_script_steers_the_terminal() {
    let project = Project::yaml(
        "- id: \"a\\e[2Jb\"\n  image: i\n  script: ['touch f', 'exit 4']\n  saveArtifacts: [{id: \"r\\e[2J\", path: f}]\n\
         - id: quiet\n  image: i\n  script: ['true']\n  dependencies: [\"no\\e[2Jsuch\"]\n",
    );
    let built = project.build(&[]);
    let shown = [
        project
            .run(&["show"])
            .exits(0)
            .says("a\u{FFFD}[2Jb")
            .says("artifact r\u{FFFD}[2J"),
        project
            .run(&["cancel", "y\u{1b}[2J"])
            .exits(2)
            .complains("y\u{FFFD}[2J"),
        project
            .run(&[
                "build",
                "--executor",
                "host",
                "--json",
                "--job",
                "z\u{1b}[2J",
            ])
            .exits(2)
            .complains("z\u{FFFD}[2J"),
        project.run(&["list"]).exits(0),
        project.run(&["logs"]),
        project
            .run(&["logs", "last", "x\u{1b}[2J"])
            .exits(2)
            .complains("x\u{FFFD}[2J"),
        project.build(&["--strict"]).exits(2),
        project
            .run(&["build", "--executor", "host", "--json", "--strict"])
            .exits(2)
            .complains("no\u{FFFD}[2Jsuch"),
        built,
    ];
    for ran in shown {
        ran.keeps_quiet_about("\u{1b}");
    }
}

#[test]
fn the_output_of_the_script_itself_is_printed_on_request() {
    let project = Project::yaml(TWO);
    project.build(&[]).exits(0);
    let logs = project.home().join("data");
    let mut found = Vec::new();
    find(&logs, "%script.log", &mut found);
    assert_eq!(found.len(), 1, "{found:?}");
    std::fs::write(&found[0], "said by the script\n").unwrap();
    for args in [
        &["logs", "last", "--script"][..],
        &["logs", "last", "--script", "--raw"],
        &["logs", "last", "--script", "--follow"],
    ] {
        let ran = project.run(args).exits(0);
        assert_eq!(ran.out, "said by the script\n", "{args:?}");
    }
    project
        .run(&["logs", "last", "a", "--script"])
        .exits(2)
        .complains("--script");
}

fn find(folder: &std::path::Path, name: &str, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            find(&entry.path(), name, found);
        } else if entry.file_name() == name {
            found.push(entry.path());
        }
    }
}

#[test]
fn logs_are_followed_from_before_the_script_has_named_its_jobs() {
    let project = Project::yaml(TWO);
    for _ in 0..20 {
        let mut build = project.start(&["--job", "b"]);
        build.until("build").signal(rustix::process::Signal::STOP);
        let known = project.events();
        let mut follow = [
            &["logs", "last", "--follow"][..],
            &["logs", "last", "b", "-f"],
        ]
        .map(|args| crate::harness::Running::start(project.command(args)));
        let is_early = known.iter().all(|event| event["type"] != "script/start");
        if is_early {
            for logs in &follow {
                // It looks five times a second, and is woken for that.
                let pid = logs.pid();
                let first = times_woken(pid);
                crate::harness::eventually("it has looked more than once", || {
                    times_woken(pid) > first + 5
                });
            }
        }
        build.signal(rustix::process::Signal::CONT);
        for logs in &mut follow {
            logs.until("bee");
        }
        build.wait().exits(0);
        for logs in follow {
            logs.wait().exits(0);
        }
        if is_early {
            return;
        }
    }
    panic!("the script was always faster");
}

fn times_woken(pid: rustix::process::Pid) -> u64 {
    let path = format!("/proc/{}/status", pid.as_raw_nonzero());
    let status = std::fs::read_to_string(path).unwrap();
    status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
        .and_then(|count| count.trim().parse().ok())
        .unwrap()
}

#[test]
fn the_script_api_is_described_without_a_build() {
    let project = Project::empty();
    let printed = project.run(&["openapi"]).exits(0);
    let document: serde_json::Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(
        document["paths"]["/params"]["get"]["operationId"],
        "get-params"
    );
    assert_eq!(
        project.run(&["openapi", "script"]).exits(0).out,
        printed.out
    );
    project.run(&["openapi", "other"]).exits(2);
}
