//! `replay`, and the past of a build that runs, in a terminal.

use crate::harness::Project;
use crate::screen::Screen;

#[test]
fn a_build_that_is_over_is_played_and_any_moment_of_it_shown() {
    let project = Project::yaml(
        "
- id: first
  image: busybox
  script: [echo one, echo two]
- id: second
  image: busybox
  dependencies: [first]
  script: [echo three, exit 7]
",
    );
    project.build(&[]).exits(1);
    let mut screen = Screen::sized(
        &project,
        &["replay", "last", "--from", "first", "--paused"],
        (100, 30),
    );
    screen.until("‖ ×1");
    screen.until("waits for first");
    screen.keys("@+500s\r");
    screen.until("exit 7");
    screen.keys("@first\rj");
    screen.until("waits for first");
    screen.keys("))))p");
    // It plays to its end, and stands still there.
    screen.until("exit 7");
    screen.until("‖ ×25");
    screen.keys("P");
    screen.until_gone("‖");
    screen.keys("q");
    screen.ends(0);
    // Nobody draws: all of it is printed.
    project
        .run(&["replay", "last"])
        .exits(0)
        .says("first")
        .says("exit 7");
    project
        .run(&["replay", "--speed", "0"])
        .exits(2)
        .complains("0.1 to 1000");
}

#[test]
fn a_build_that_runs_is_held_rewound_and_caught_up() {
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let project = Project::yaml(&format!(
        "
- id: first
  image: busybox
  script: ['echo one; until [ -e {} ]; do sleep 0.05; done; echo two']
- id: second
  image: busybox
  dependencies: [first]
  script: [echo three, exit 7]
",
        go.display()
    ));
    let mut screen = Screen::sized(&project, &["build", "--executor", "host"], (100, 30));
    screen.until("one");
    screen.keys("p");
    screen.until("held");
    std::fs::write(go, "").unwrap();
    screen.keys("P");
    screen.until("exit 7");
    screen.keys("@first\r");
    screen.until("waits for first");
    screen.keys("P");
    screen.until("exit 7");
    screen.keys("q");
    screen.ends(1);
}
