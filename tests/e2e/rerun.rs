//! Builds that are run again: what runs, what is taken over.

use crate::harness::{Project, Ran, json_lines};
use crate::screen::Screen;

/// `flaky` fails at every third run; each job notes that it ran.
fn project() -> (tempfile::TempDir, Project) {
    let notes = tempfile::tempdir().unwrap();
    let yaml = "
- id: compile
  image: busybox
  script: ['echo compile >> NOTES/ran', 'mkdir out', 'echo built > out/bin']
  save-artifacts: [{id: binary, path: out}]
- id: lint
  image: busybox
  script: ['echo lint >> NOTES/ran']
- id: check
  image: busybox
  dependencies: [compile]
  restore-artifacts: [{id: binary, path: out}]
  script: ['echo check >> NOTES/ran', 'grep built out/bin', 'test -e NOTES/fixed']
- id: publish
  image: busybox
  dependencies: [check, lint]
  script: ['echo publish >> NOTES/ran']
- id: flaky
  image: busybox
  script: ['echo . >> NOTES/flaky', 'test $(( $(wc -l < NOTES/flaky) % 3 )) -ne 0']
";
    let project = Project::yaml(&yaml.replace("NOTES", &notes.path().display().to_string()));
    (notes, project)
}

fn ran(notes: &tempfile::TempDir) -> Vec<String> {
    let path = notes.path().join("ran");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    // What ran is told once.
    let _ = std::fs::remove_file(path);
    let mut ran: Vec<String> = text.lines().map(str::to_owned).collect();
    ran.sort();
    ran
}

fn rerun(project: &Project, args: &[&str]) -> Ran {
    let mut all = vec!["rerun"];
    all.extend(args);
    all.push("--plain");
    project.run(&all)
}

#[test]
fn what_failed_runs_again_and_what_it_needs_is_taken_over() {
    let (notes, project) = project();
    project.build(&["-j", "1"]).exits(1);
    assert_eq!(ran(&notes), ["check", "compile", "lint"]);
    let first = project.run(&["list", "--json"]).exits(0);
    let first = json_lines(&first.out)[0]["sid"]
        .as_str()
        .unwrap()
        .to_owned();

    // Nothing was mended: the same again, with the artifact of then.
    rerun(&project, &["--failed"]).exits(1).says("reused");
    assert_eq!(ran(&notes), ["check"]);

    // The artifact has come along, and comes along once more.
    std::fs::write(notes.path().join("fixed"), "").unwrap();
    rerun(&project, &["last", "--failed"]).exits(0);
    assert_eq!(ran(&notes), ["check"]);

    // From a job onward: what depends on it too.
    rerun(&project, &[&first, "--from", "check"]).exits(0);
    assert_eq!(ran(&notes), ["check", "publish"]);

    // Another tree: what was built of the one before is of no use.
    std::fs::write(project.dir().join("new-file"), "").unwrap();
    rerun(&project, &["last", "--job", "check"]).exits(0);
    assert_eq!(ran(&notes), ["check", "compile"]);

    // All of it is all of what was asked for in the beginning.
    rerun(&project, &["last"]).exits(0);
    assert_eq!(ran(&notes), ["check", "compile", "lint", "publish"]);
    rerun(&project, &["last", "--job", "nope"])
        .exits(2)
        .complains("no job \"nope\"");
    rerun(&project, &["last", "--failed"])
        .exits(2)
        .complains("nothing has failed");
}

#[test]
fn a_job_is_run_many_times_to_see_whether_it_is_flaky() {
    let (_notes, project) = project();
    project.build(&["--job", "flaky"]).exits(0);
    rerun(&project, &["--job", "flaky", "--times", "7"])
        .exits(1)
        .says("flaky: 2 of 7 runs failed (run 2, 5)");
    project
        .run(&["logs", "last", "flaky"])
        .exits(0)
        .says("run 1 of 7")
        .says("run 7 of 7");
    rerun(&project, &["--job", "lint", "--times", "2"])
        .exits(2)
        .complains("no job \"lint\"");
}

#[test]
fn the_commit_of_then_is_built_and_not_what_became_of_it() {
    let (notes, project) = project();
    let git = |args: &[&str]| {
        let mut command = project.command_of("git", args);
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_NAME", "a")
            .env("GIT_AUTHOR_EMAIL", "a@b")
            .env("GIT_COMMITTER_NAME", "a")
            .env("GIT_COMMITTER_EMAIL", "a@b");
        assert!(command.status().unwrap().success());
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "one"]);
    project.build(&["--job", "compile"]).exits(0);
    assert_eq!(ran(&notes), ["compile"]);
    std::fs::write(project.dir().join(".monkeyci/build.yaml"), "[]").unwrap();
    rerun(&project, &[]).exits(2);
    rerun(&project, &["--same-commit"]).exits(0);
    assert_eq!(ran(&notes), ["compile"]);
}

#[test]
fn a_recording_from_elsewhere_is_not_run() {
    let (_notes, project) = project();
    project.build(&["--job", "lint"]).exits(0);
    let sid = json_lines(&project.run(&["list", "--json"]).out);
    let sid = sid[0]["sid"].as_str().unwrap().to_owned();
    let recorded = project.home().join("data/builds").join(sid);
    let copy = project.home().join("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(recorded.join("events.edn"), copy.join("events.edn")).unwrap();
    let copy = copy.to_str().unwrap();
    rerun(&project, &[copy]).exits(2).complains("not made here");
}

#[test]
fn keys_run_again_what_was_recorded_before() {
    let (notes, project) = project();
    project.build(&["-j", "1"]).exits(1);
    assert_eq!(ran(&notes), ["check", "compile", "lint"]);
    std::fs::write(notes.path().join("fixed"), "").unwrap();
    let mut screen = Screen::sized(&project, &["attach", "last"], (110, 34));
    screen.until("FAILED");
    screen.until("check");
    screen.keys("R");
    screen.until("SUCCESS");
    screen.until("reused");
    assert_eq!(ran(&notes), ["check"]);
    screen.keys("q");
    screen.ends(0);
}
