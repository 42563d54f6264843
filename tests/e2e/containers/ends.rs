//! How jobs in containers end, and what they leave.

use super::*;

#[test]
fn a_stopped_job_may_end_by_itself_and_is_killed_if_it_does_not() {
    if !engine_is_here("a_stopped_job_may_end_by_itself_and_is_killed_if_it_does_not") {
        return;
    }
    let project = jobs(&[
        (
            "polite",
            r#"image: "IMAGE", script: ["trap 'echo tidied; exit 0' TERM; echo up; while :; do sleep 0.1; done", "echo never"], saveArtifacts: []"#,
        ),
        (
            "deaf",
            r#"image: "IMAGE", script: ["trap '' TERM; echo up; while :; do sleep 0.1; done"]"#,
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

#[test]
fn after_a_kill_the_next_start_removes_what_is_left_and_nothing_else() {
    if !engine_is_here("after_a_kill_the_next_start_removes_what_is_left_and_nothing_else") {
        return;
    }
    let project = jobs(&[("job", r#"image: "IMAGE", script: ["echo up; sleep 600"]"#)]);
    let other = jobs(&[("job", r#"image: "IMAGE", script: ["echo up; sleep 600"]"#)]);
    let mut killed = start(&project, &[]);
    killed.until("│ up");
    let mut lives = start(&other, &[]);
    lives.until("│ up");
    let left = containers_of(&project);
    assert_eq!(left.len(), 1);
    killed.signal(Signal::KILL);
    assert_eq!(killed.wait().code, None);
    assert_eq!(containers_of(&project), left);
    let next = project.file(
        ".monkeyci/build.yaml",
        &format!("- {{id: job, image: \"{IMAGE}\", script: [\"true\"]}}\n"),
    );
    build(&next, &[]).exits(0);
    eventually("what was left is removed", || {
        !docker(&["ps", "-aq", "--no-trunc"]).contains(&left[0])
    });
    assert_eq!(
        containers_of(&other).len(),
        1,
        "that of another program runs on"
    );
    lives.signal(Signal::TERM);
    lives.wait().exits(3);
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
