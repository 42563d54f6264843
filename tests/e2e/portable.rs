//! Recordings in one file: out of one home, into another.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::harness::{Project, Running, eventually, json_lines};
use crate::screen::Screen;

const SCRIPT: &str = "- id: good\n  image: i\n  script: ['echo one', 'echo two; echo report > report']\n  \
                      saveArtifacts: [{id: report, path: report}]\n\
                      - id: b/ad\n  image: i\n  script: ['echo bee; exit 3']\n";

/// A project with a build, and what it was exported to.
fn exported(args: &[&str]) -> (Project, PathBuf) {
    let project = Project::yaml(SCRIPT);
    project.build(&[]).exits(1);
    let file = project.dir().join("build.mcirec");
    let mut all = vec!["export", "last", file.to_str().unwrap()];
    all.extend(args);
    project
        .run(&all)
        .exits(0)
        .says("saved")
        .says("the journal, 3 logs");
    (project, file)
}

fn sid(project: &Project) -> String {
    let list = json_lines(&project.run(&["list", "--json"]).exits(0).out);
    list[0]["sid"].as_str().unwrap().to_owned()
}

#[test]
fn a_build_is_looked_at_elsewhere_and_taken_in_there() {
    let (there, file) = exported(&["--artifacts", "report"]);
    let here = Project::empty();
    let path = file.to_str().unwrap();
    let sid = sid(&there);
    // As it lies there.
    here.run(&["show", path])
        .exits(0)
        .says(&sid)
        .says("recorded elsewhere: ")
        .says("exit status 3");
    let log = there.run(&["logs", "last", "good"]).exits(0).out;
    assert_eq!(here.run(&["logs", path, "good"]).exits(0).out, log);
    let events = there.run(&["show", "last", "--json"]).exits(0).out;
    assert_eq!(here.run(&["attach", path, "--json"]).exits(0).out, events);
    here.run(&["list"]).exits(0).complains("no builds yet");
    here.run(&["artifacts", path]).exits(0).says("report ");
    here.run(&["artifacts", path, "nope"])
        .exits(2)
        .complains("its artifacts: report");
    here.run(&["artifacts", path, "report"])
        .exits(0)
        .says("saved report.tgz");
    there
        .run(&["artifacts", "last", "report", "-o", "own.tgz"])
        .exits(0);
    let saved = |project: &Project, name| fs::read(project.dir().join(name)).unwrap();
    assert_eq!(saved(&here, "report.tgz"), saved(&there, "own.tgz"));
    // For good.
    here.run(&["import", path])
        .exits(0)
        .says(&format!("imported {sid}"))
        .complains("nothing in it is run here");
    here.run(&["import", path]).exits(0).says("already here");
    here.run(&["list"]).exits(0).says("· imported");
    here.run(&["show", &sid])
        .exits(0)
        .says(&format!("imported from {path}"));
    assert_eq!(here.run(&["show", &sid, "--json"]).exits(0).out, events);
    there
        .run(&["import", path])
        .exits(0)
        .says("a build of this machine");
    // It goes on as it came.
    let again = here.dir().join("again");
    here.run(&[
        "export",
        &sid,
        again.to_str().unwrap(),
        "--artifacts",
        "all",
    ])
    .exits(0);
    assert_eq!(fs::read(&again).unwrap(), fs::read(&file).unwrap());
    here.run(&["export", path, again.to_str().unwrap()])
        .exits(2)
        .complains("is there already")
        .complains("--force");
    here.run(&["export", path, again.to_str().unwrap(), "--force"])
        .exits(0)
        .complains("left out: artifacts report");
    assert_ne!(fs::read(&again).unwrap(), fs::read(&file).unwrap());
}

#[test]
fn a_file_is_opened_in_the_terminal_with_what_came_with_it() {
    let (_there, file) = exported(&["--artifacts", "all"]);
    let here = Project::empty();
    let path = file.to_str().unwrap();
    let mut screen = Screen::sized(&here, &["replay", path, "--paused"], (120, 30));
    screen.until("the file build.mcirec");
    screen.keys("P");
    screen.until("good");
    screen.keys("gjj5");
    screen.until("report");
    screen.keys("\x13\r");
    screen.until("saved to ");
    screen.keys("q");
    screen.ends(0);
    assert!(here.dir().join("report.tgz").exists());
}

#[test]
fn an_export_goes_through_a_pipe_and_names_what_it_leaves_out() {
    let project = Project::yaml(SCRIPT);
    project.build(&[]).exits(1);
    let mut export = project.command(&["export", "last", "-"]);
    let piped = export.output().unwrap();
    assert!(piped.status.success());
    let mut import = Project::empty().command(&["import", "-"]);
    let here = Project::empty();
    import
        .env("MONKEYCI_TUI_HOME", here.home())
        .current_dir(here.dir());
    let mut child = import.stdin(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&piped.stdout)
        .unwrap();
    let imported = child.wait_with_output().unwrap();
    assert!(imported.status.success(), "{imported:?}");
    here.run(&["show"]).exits(0).says("imported from stdin");

    project
        .run(&["export", "last", "x", "--artifacts", "nope"])
        .exits(2)
        .complains("no artifact \"nope\"")
        .complains("report");
    assert!(!project.dir().join("x").exists());
    let mut screen = Screen::start(&project, &["export", "last", "-"]);
    screen.until("nothing for a terminal");
    screen.ends(2);
    // Nobody listens any more.
    let mut export = project.command(&["export", "last", "-"]);
    let mut child = export.spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_looks_like_a_secret_is_named_by_its_place_only() {
    let yaml =
        "- id: a\n  image: i\n  script: ['echo one; echo API_KEY=abc123xyz; echo $MY_TOKEN']\n";
    let project = Project::yaml(yaml);
    let build = |project: &Project| {
        let mut command = project.command(&[
            "build",
            "--executor",
            "host",
            "--plain",
            "--env",
            "MY_TOKEN",
        ]);
        command.env("MY_TOKEN", "hunter2hunter2");
        Running::start(command).wait()
    };
    build(&project).exits(0);
    let ran = project.run(&["export"]).exits(0);
    ran.complains(":a:3: a password or a key behind its name")
        .complains("*** stands 1 times in it")
        .keeps_quiet_about("abc123xyz")
        .keeps_quiet_about("hunter2");
}

#[test]
fn a_build_is_exported_for_other_programs() {
    let (project, _) = exported(&[]);
    project
        .run(&["export", "--format", "junit"])
        .exits(0)
        .says("tests=\"2\" failures=\"1\"")
        .says("<testcase name=\"b/ad\"");
    let json = project.run(&["export", "--format", "json"]).exits(0).out;
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["status"], "error");
    assert_eq!(document["jobs"][1]["commands"][0]["exit"], 3);
    assert_eq!(document["jobs"][0]["artifacts"][0]["id"], "report");
    project
        .run(&["export", "last", "events", "--format", "journal"])
        .exits(0);
    let journal = fs::read_to_string(project.dir().join("events")).unwrap();
    assert_eq!(json_lines(&journal), project.events());
}

#[test]
fn a_damaged_file_is_refused_with_a_sentence() {
    let (project, file) = exported(&[]);
    let bytes = fs::read(&file).unwrap();
    let here = Project::empty();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let path = file.to_str().unwrap();
    let good = project.dir().join("good.mcirec");
    fs::write(&good, &bytes).unwrap();
    for command in ["show", "import", "logs", "attach", "replay"] {
        here.run(&[command, path])
            .exits(2)
            .complains(path)
            .complains("it is damaged");
    }
    here.run(&["import", path, good.to_str().unwrap(), "no such file"])
        .exits(2)
        .says("imported")
        .complains("no such file");
    here.run(&["import", good.to_str().unwrap(), "--max-size", "1K"])
        .exits(2)
        .complains("are allowed")
        .complains("--max-size");
    let text = project.dir().join("text");
    fs::write(&text, "text").unwrap();
    here.run(&["import", text.to_str().unwrap()])
        .exits(2)
        .complains("no exported recording");
}

#[test]
fn an_import_that_is_killed_leaves_nothing_half_in_the_history() {
    let random = "- id: a\n  image: i\n  script: ['head -c 3000000 /dev/urandom']\n";
    let there = Project::yaml(random);
    there.build(&[]).exits(0);
    let file = there.dir().join("build.mcirec");
    there
        .run(&["export", "last", file.to_str().unwrap()])
        .exits(0);
    let bytes = fs::read(&file).unwrap();
    let here = Project::empty();
    let pipe = here.dir().join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let mut import = Running::start(here.command(&["import", pipe.to_str().unwrap()]));
    let mut writer = fs::File::options().write(true).open(&pipe).unwrap();
    writer.write_all(&bytes[..bytes.len() / 2]).unwrap();
    let drafts = here.home().join("data/imported/.incoming");
    let has = |name: &str| {
        let all = fs::read_dir(&drafts).into_iter().flatten().flatten();
        all.map(|draft| draft.path().join("recording").join(name))
            .any(|path| path.exists())
    };
    eventually("the log is being written", || {
        has("events.edn") && has("logs/a.log")
    });
    import.signal(rustix::process::Signal::KILL);
    import.wait();
    assert!(has("events.edn"));
    here.run(&["list", "--all"])
        .exits(0)
        .complains("no builds yet");
    assert!(!has("events.edn"), "the next start tidies up");
    here.run(&["import", file.to_str().unwrap()]).exits(0);
    let log = |project: &Project| fs::read(log_of(&project.home().join("data"))).unwrap();
    assert!(log(&here) == log(&there));
}

fn log_of(folder: &Path) -> PathBuf {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut found = entries.filter_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return Some(log_of(&path)).filter(|found| found.exists());
        }
        path.ends_with("a.log").then_some(path)
    });
    found.next().unwrap_or_default()
}
