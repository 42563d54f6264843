//! `search`, over builds of several shapes.

use std::io::Read;
use std::process::Stdio;

use crate::harness::{Project, Running, json_lines};

/// Three builds: the needle is in the last two, in the last one twice and in two jobs.
fn three() -> (Project, Vec<String>) {
    let build = |script: &str, code: i32, project: Project| {
        let project = project.file(".monkeyci/build.yaml", script);
        project.build(&[]).exits(code);
        project
    };
    let job = |id: &str, script: &str| format!("- id: {id}\n  image: i\n  script: ['{script}']\n");
    let project = build(&job("a", "echo no such thing"), 0, Project::empty());
    let once = "echo before; printf \"\\033[31mnee\\033[0mdle one\\n\"; echo after";
    let project = build(&job("a", once), 0, project);
    let both = job("a", once) + &job("b/c", "echo Needle two >&2; exit 3");
    let project = build(&both, 1, project);
    let list = json_lines(&project.run(&["list", "--json"]).exits(0).out);
    let id = |item: &serde_json::Value| {
        let sid = item["sid"].as_str().unwrap();
        sid.rsplit('/').next().unwrap().to_owned()
    };
    (project, list.iter().rev().map(id).collect())
}

#[test]
fn a_text_is_found_in_all_logs_newest_first_and_shown_where_it_is() {
    let (project, ids) = three();
    let found = project.run(&["search", "needle"]).exits(0).out;
    let places: Vec<&str> = found
        .lines()
        .map(|line| line.split_once(": ").unwrap().0)
        .collect();
    let expected = [
        format!("{}:a:3", ids[2]),
        format!("{}:b/c:2", ids[2]),
        format!("{}:a:3", ids[1]),
    ];
    assert_eq!(places, expected);
    project
        .run(&["logs", &expected[1]])
        .exits(0)
        .says("> 2 Needle two\n");
    let around = project.run(&["logs", &expected[0], "-C", "1"]).exits(0).out;
    assert_eq!(around, "  2 before\n> 3 needle one\n  4 after\n");
    project
        .run(&["logs", &format!("{}:a:99", ids[2])])
        .exits(2)
        .complains("has 4 lines");
    // Capitals count when there are any; an expression is one with a tilde.
    project
        .run(&["search", "Needle"])
        .exits(0)
        .says("b/c")
        .keeps_quiet_about(":a:");
    project
        .run(&["search", "~^n\\w+ (two|three)$"])
        .exits(0)
        .says("b/c")
        .keeps_quiet_about(":a:");
    project
        .run(&["search", "--regex", "needle one$", "-n", "1"])
        .exits(0)
        .keeps_quiet_about(&ids[1]);
    project
        .run(&["search", "~("])
        .exits(2)
        .complains("unclosed group");
    project.run(&["search", "haystack"]).exits(1);
    let near = project
        .run(&["search", "needle", "-C", "1", "-n", "2"])
        .exits(0)
        .out;
    let (new, job) = (&ids[2], "b/c");
    assert_eq!(
        near,
        format!(
            "{new}:a-2- before\n{new}:a:3: needle one\n{new}:a-4- after\n--\n\
             {new}:{job}-1- the host executor ignores image i\n{new}:{job}:2: Needle two\n"
        )
    );
}

#[test]
fn only_what_is_asked_for_is_searched() {
    let (project, ids) = three();
    let builds = |args: &[&str]| -> Vec<usize> {
        let args = [&["search", "needle", "--json"], args].concat();
        let lines = json_lines(&project.run(&args).out);
        let found = lines.iter().filter(|line| line["type"] == "line");
        found
            .map(|line| {
                let sid = line["sid"].as_str().unwrap();
                ids.iter()
                    .position(|id| sid.ends_with(id.as_str()))
                    .unwrap()
            })
            .collect()
    };
    assert_eq!(builds(&[]), [2, 2, 1]);
    assert_eq!(builds(&["--status", "failed"]), [2, 2]);
    assert_eq!(builds(&["--job", "a"]), [2, 1]);
    assert_eq!(builds(&["--job", "b/c", "--status", "success"]), [0; 0]);
    assert_eq!(builds(&["--since", "1h"]), [2, 2, 1]);
    assert_eq!(builds(&["--until", "1h"]), [0; 0]);
    assert_eq!(builds(&["--branch", "main"]), [0; 0]);
    assert_eq!(builds(&["--repo", "other"]), [0; 0]);
    assert_eq!(builds(&["--repo", "project"]), [2, 2, 1]);
    project
        .run(&["search", "x", "--status", "fine"])
        .exits(2)
        .complains("no status \"fine\"");
}

#[test]
fn what_is_found_is_counted_and_dated() {
    let (project, ids) = three();
    project
        .run(&["search", "needle", "--count"])
        .exits(0)
        .says(&format!("{}:b/c: 1\n", ids[2]))
        .says("job a: 2\njob b/c: 1\n")
        .says("status error: 2\nstatus success: 1\n")
        .says("3 lines in 2 builds\n");
    let json = json_lines(
        &project
            .run(&["search", "needle", "--json", "--count"])
            .exits(0)
            .out,
    );
    let counts = json.last().unwrap();
    assert_eq!(
        (&counts["lines"], &counts["builds"]),
        (&3.into(), &2.into())
    );
    assert_eq!(counts["by-job"]["b/c"], 1);
    project
        .run(&["search", "needle", "--first"])
        .exits(0)
        .says(&format!("{}:a:3: needle one\n", ids[1]))
        .says(&format!("first   {}", ids[1]))
        .says(&format!("before  {}", ids[0]));
    // In the build before, there was no such job.
    let json = project
        .run(&["search", "two", "--first", "--json"])
        .exits(0)
        .out;
    let first: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(first["first"]["sid"].as_str().unwrap().ends_with(&ids[2]));
    assert!(first["before"]["sid"].as_str().unwrap().ends_with(&ids[1]));
    project.run(&["search", "haystack", "--first"]).exits(1);
}

#[test]
fn a_search_ends_when_nobody_listens_and_when_it_is_interrupted() {
    let yaml = "- id: a\n  image: i\n  script: ['yes needle | head -n 300000']\n";
    let project = Project::yaml(yaml);
    project.build(&[]).exits(0);
    let mut child = project.command(&["search", "needle"]).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    // Nobody reads on: it waits, with most of it still to be told.
    let mut command = project.command(&["search", "needle"]);
    let (mut reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    reader.read_exact(&mut [0]).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(!child.wait().unwrap().success());
    drop(reader);
}

#[test]
fn what_was_imported_is_searched_too_and_nothing_steers_the_terminal() {
    let yaml = "- id: \"a\\e[2Jb\"\n  image: i\n  script: ['printf \"needle \\033[2J\\n\"']\n";
    let there = Project::yaml(yaml);
    there.build(&[]).exits(0);
    let file = there.dir().join("x.mcirec");
    there
        .run(&["export", "last", file.to_str().unwrap()])
        .exits(0);
    let here = Project::empty();
    here.run(&["search", "needle"]).exits(1);
    here.run(&["import", file.to_str().unwrap()]).exits(0);
    here.run(&["search", "needle"])
        .exits(0)
        .says(":a\u{FFFD}[2Jb:2: needle")
        .keeps_quiet_about("\u{1b}");
    let mut running = Running::start(here.command(&["search", "needle", "--count"]));
    running.until("1 line in 1 build");
    running.wait().exits(0).keeps_quiet_about("\u{1b}");
}
