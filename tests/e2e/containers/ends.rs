//! How jobs in containers end, and what they leave.

use std::collections::HashSet;

use super::*;
use crate::screen::Screen;

#[test]
fn a_stopped_job_may_end_by_itself_and_is_killed_if_it_does_not_and_both_are_saved() {
    if !engine_is_here(
        "a_stopped_job_may_end_by_itself_and_is_killed_if_it_does_not_and_both_are_saved",
    ) {
        return;
    }
    let project = jobs(&[
        (
            "polite",
            r#"image: "IMAGE", script: ["trap 'echo tidied | tee made; exit 0' TERM; echo up; while :; do sleep 0.1; done", "echo never"], saveArtifacts: [{id: tidied, path: made}, {id: none, path: nothing}]"#,
        ),
        (
            "deaf",
            r#"image: "IMAGE", script: ["echo half >half; trap '' TERM; echo up; while :; do sleep 0.1; done"], caches: [{id: half, path: half}]"#,
        ),
    ]);
    let mut build = start(&project, &["-j", "2"]);
    build.until("polite │ up").until("deaf   │ up");
    build.signal(Signal::TERM);
    build.wait().exits(3);
    says(&project, "polite", "tidied");
    assert!(!log(&project, "polite").contains("never"));
    for (job, (status, _)) in ends(&project) {
        assert_eq!(status, "canceled", "{job}");
    }
    let events = project.events();
    let saved: HashSet<&str> = events
        .iter()
        .filter(|event| event["type"] == "tui/artifact-saved" || event["type"] == "tui/cache-saved")
        .filter_map(|event| event["artifact-id"].as_str())
        .collect();
    assert_eq!(saved, ["tidied", "half"].into());
    assert!(containers_of(&project).is_empty());
}

#[test]
fn time_and_memory_have_an_end_that_is_named() {
    if !engine_is_here("time_and_memory_have_an_end_that_is_named") {
        return;
    }
    let project = jobs(&[
        (
            "slow",
            r#"image: "IMAGE", timeout: 1000, script: ["echo before; sleep 60"], saveArtifacts: []"#,
        ),
        (
            "hungry",
            r#"image: "IMAGE", memory: 0.05, script: ["tail /dev/zero"]"#,
        ),
    ]);
    build(&project, &[]).exits(1);
    let ends = ends(&project);
    let said = |job: &str| ends[job].1["message"].as_str().unwrap().to_owned();
    assert_eq!(
        (ends["slow"].0.as_str(), said("slow").as_str()),
        ("failure", "timed out after 1 s")
    );
    says(&project, "slow", "before");
    assert!(
        said("hungry").starts_with("out of memory: "),
        "{}",
        said("hungry")
    );
}

#[test]
fn a_container_that_is_ended_from_outside_has_failed() {
    if !engine_is_here("a_container_that_is_ended_from_outside_has_failed") {
        return;
    }
    let project = jobs(&[("job", r#"image: "IMAGE", script: ["echo up; sleep 60"]"#)]);
    let mut build = start(&project, &[]);
    build.until("│ up");
    let ids = containers_of(&project);
    docker(&["kill", &ids[0]]);
    build.wait().exits(1);
    let (status, result) = &ends(&project)["job"];
    assert_eq!((status.as_str(), &result["exit"]), ("failure", &137.into()));
    let wanted = "the container was ended from outside with exit status 137, during command ";
    let said = result["message"].as_str().unwrap();
    assert!(said.starts_with(wanted), "{said}");
}

/// Two containers of a build whose program was killed.
fn left_by_a_killed_build() -> (Project, Vec<String>) {
    let project = jobs(&[
        ("a", r#"image: "IMAGE", script: ["echo up; sleep 600"]"#),
        ("b", r#"image: "IMAGE", script: ["echo up; sleep 600"]"#),
    ]);
    // So large that the engine has an image of it.
    write_noise(&project, 4_000_000);
    let mut killed = start(&project, &["-j", "2"]);
    killed.until("a     │ up").until("b     │ up");
    let left = containers_of(&project);
    assert_eq!(left.len(), 2);
    killed.signal(Signal::KILL);
    assert_eq!(killed.wait().code, None);
    assert_eq!(containers_of(&project), left);
    (project, left)
}

fn is_there(id: &str) -> bool {
    docker(&["ps", "-aq"]).contains(id)
}

#[test]
fn after_a_kill_the_next_start_removes_what_is_left_and_nothing_else() {
    if !engine_is_here("after_a_kill_the_next_start_removes_what_is_left_and_nothing_else") {
        return;
    }
    let other = jobs(&[("job", r#"image: "IMAGE", script: ["echo up; sleep 600"]"#)]);
    let mut lives = start(&other, &[]);
    lives.until("│ up");
    let (project, left) = left_by_a_killed_build();
    let name = format!("monkeyci-kept-{}", left[1]);
    docker(&["rename", &left[1], &name]);
    // It needs no engine itself.
    let next = project.file(
        ".monkeyci/build.yaml",
        "- {id: job, image: i, script: [\"true\"]}\n",
    );
    let mut command = next.command(&["build", "--plain", "--executor", "host"]);
    command.env_remove("DOCKER_HOST");
    Running::start(command).wait().exits(0);
    eventually("what was left is removed", || !is_there(&left[0]));
    assert!(is_there(&left[1]), "what is kept is the user's");
    docker(&["rm", "-f", &left[1]]);
    let lives_on = containers_of(&other);
    assert_eq!(lives_on.len(), 1, "that of another program runs on");
    lives.signal(Signal::TERM);
    lives.wait().exits(3);
}

#[test]
fn after_a_kill_the_next_screen_removes_what_is_left() {
    if !engine_is_here("after_a_kill_the_next_screen_removes_what_is_left") {
        return;
    }
    let (project, left) = left_by_a_killed_build();
    let mut command = Screen::command(&project, &[]);
    command.env_remove("DOCKER_HOST");
    let mut screen = Screen::run(command, (80, 24));
    screen.until("the script");
    eventually("what was left is removed", || {
        left.iter().all(|id| !is_there(id)) && images_of(&project).is_empty()
    });
    screen.keys("q");
    screen.ends(0);
}

#[test]
fn a_flood_without_a_line_break_passes_through() {
    if !engine_is_here("a_flood_without_a_line_break_passes_through") {
        return;
    }
    let project = jobs(&[(
        "flood",
        r#"image: "IMAGE", script: ["head -c 50000000 /dev/zero | tr '\\0' x", "echo; echo behind"]"#,
    )]);
    let mut command = command(&project, &["--json"]);
    command.args(std::iter::empty::<&str>());
    let mut args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    args.retain(|arg| arg != "--plain");
    let mut quiet = Command::new(command.get_program());
    quiet
        .args(args)
        .current_dir(project.dir())
        .env("MONKEYCI_TUI_HOME", project.home())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Running::start(quiet).wait().exits(0);
    let repo = project.events()[0]["sid"][1].as_str().unwrap().to_owned();
    let build = project.events()[0]["sid"][2].as_str().unwrap().to_owned();
    let file = project
        .home()
        .join("data/builds/local")
        .join(repo)
        .join(build)
        .join("logs/flood.log");
    let bytes = std::fs::read(file).unwrap();
    assert_eq!(bytes.len(), 50_000_000 + "\nbehind\n".len());
    assert!(bytes.ends_with(b"x\nbehind\n"));
}
