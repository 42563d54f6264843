//! Keeping containers of jobs that failed, and shells in containers: the whole program in a terminal.

use super::*;
use crate::screen::Screen;

/// The program in a terminal of 100 by 30, with the engine.
fn watched(project: &Project, args: &[&str]) -> Screen {
    let all = [&["build", "--executor", "docker", "--pull", "never"], args].concat();
    let mut command = Screen::command(project, &all);
    command.env_remove("DOCKER_HOST");
    Screen::run(command, (100, 30))
}

/// Whether these lines are shown, one below the other.
fn lines(wanted: &str) -> impl Fn(&vt100::Screen) -> bool {
    let wanted = format!("\n{wanted}\n");
    move |screen| {
        let contents = screen.contents();
        let shown: Vec<&str> = contents.lines().map(str::trim_end).collect();
        format!("\n{}\n", shown.join("\n")).contains(&wanted)
    }
}

/// Whether the shell waits for a line: what is typed before may be thrown away.
fn prompts(screen: &vt100::Screen) -> bool {
    let contents = screen.contents();
    let shown: Vec<&str> = contents.lines().map(str::trim_end).collect();
    let above_footer = shown.split_last().map_or(&[][..], |(_, above)| above);
    let last = above_footer.iter().rev().find(|line| !line.is_empty());
    last.is_some_and(|line| line.ends_with('#'))
}

/// The containers of a project's builds that are there, by name.
fn names_of(project: &Project) -> Vec<String> {
    let ids = containers_of(project);
    let format = "{{.Name}}";
    ids.iter()
        .map(|id| docker(&["inspect", "--format", format, id]))
        .collect()
}

fn remove_all(project: &Project) {
    for id in containers_of(project) {
        let format = "{{.Name}} {{.Image}}";
        let seen = docker(&["inspect", "--format", format, &id]);
        docker(&["rm", "-f", &id]);
        if let Some((name, image)) = seen.split_once(' ')
            && name.ends_with("-shell")
        {
            docker(&["rmi", image]);
        }
    }
}

#[test]
fn a_failed_job_is_entered_again_and_again_and_vi_and_top_work_in_it() {
    if !engine_is_here("a_failed_job_is_entered_again_and_again_and_vi_and_top_work_in_it") {
        return;
    }
    let project = jobs(&[(
        "fails",
        r#"image: "IMAGE", workDir: sub, container/env: {GREETING: hello}, script: ["echo one >made", "exit 3"]"#,
    )])
    .file("sub/file", "x");
    let mut screen = watched(&project, &["--keep-failed"]);
    screen.until("FAILED").keys("s").until("shell in fails");
    screen
        .until("/home/monkeyci/sub #")
        .when("the shell prompts", prompts)
        .keys("cat made; echo $GREETING; tty\r")
        .when("the lines are shown", lines("one\nhello\n/dev/pts/0"));
    screen
        .when("the shell prompts", prompts)
        .keys("stty size\r")
        .when("the lines are shown", lines("25 100"));
    screen
        .when("the shell prompts", prompts)
        .keys("vi made\r")
        .until("- made 1/1 100%");
    // The editor takes keys that follow Esc at once for one key.
    screen.keys("Go").until("I made");
    screen.keys("two").until("two");
    screen.keys("\x1b").until("- made [Modified] 2/2");
    screen.keys(":wq\r").until("/home/monkeyci/sub #");
    screen
        .when("the shell prompts", prompts)
        .keys("clear; cat made\r")
        .when("the lines are shown", lines("one\ntwo"));
    screen
        .when("the shell prompts", prompts)
        .keys("top\r")
        .until("PID  PPID")
        .keys("q");
    // What runs is interrupted, and not this program.
    screen
        .when("the shell prompts", prompts)
        .keys("clear; echo waits; sleep 1000\r")
        .when("the lines are shown", lines("waits"));
    screen
        .keys("\x03")
        .when("the shell prompts", prompts)
        .keys("echo $((40 + 2))\r")
        .when("the lines are shown", lines("42"));
    screen
        .when("the shell prompts", prompts)
        .keys("clear; until stty size | grep '31 120'; do sleep 0.1; done\r");
    screen
        .resize(120, 36)
        .when("the lines are shown", lines("31 120"));
    screen
        .when("the shell prompts", prompts)
        .keys("exit 7\r")
        .until("the shell has ended with exit status 7");
    // It is as it was left.
    screen.keys("s").until("shell in fails");
    screen
        .when("the shell prompts", prompts)
        .keys("clear; cat made\r")
        .when("the lines are shown", lines("one\ntwo"));
    screen.keys("\x1d").until_gone("shell in fails");
    let mut names = names_of(&project);
    names.sort();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0].starts_with("/monkeyci-kept-"), "{names:?}");
    assert_eq!(names[1], format!("{}-shell", names[0]));
    // Asked not to keep it, it goes with its shell.
    screen
        .keys("K")
        .until("the container kept of fails has been removed");
    assert!(containers_of(&project).is_empty());
    screen.keys("s").until("no container of fails is there");
    screen.keys("q");
    screen.ends(1);
}

#[test]
fn a_running_job_is_entered_and_kept_if_it_fails() {
    if !engine_is_here("a_running_job_is_entered_and_kept_if_it_fails") {
        return;
    }
    let project = jobs(&[(
        "long",
        r#"image: "IMAGE", script: ["echo begun; while [ ! -e go ]; do sleep 0.1; done; exit 4"]"#,
    )]);
    let mut screen = watched(&project, &[]);
    screen.until("begun").until("long running");
    screen
        .keys("K")
        .until("the container of long stays if the job fails")
        .keys("K")
        .until("the container of long will be removed")
        .keys("K")
        .until("the container of long stays if the job fails");
    screen.keys("s").until("/home/monkeyci #");
    // The end of the job ends its container, and the shell with it.
    screen.keys("ls; touch go\r").until("the shell has ended");
    screen.until("FAILED");
    let kept = names_of(&project);
    assert_eq!(kept.len(), 1, "{kept:?}");
    // The next start leaves it alone, though who made it is gone.
    screen.keys("q");
    screen.ends(1);
    let other = jobs(&[("job", r#"image: "IMAGE", script: ["true"]"#)]);
    build(&other, &[]).exits(0);
    assert_eq!(names_of(&project), kept);
    remove_all(&project);
}

#[test]
fn a_job_that_went_well_is_not_kept_and_an_image_without_a_shell_says_so() {
    if !engine_is_here("a_job_that_went_well_is_not_kept_and_an_image_without_a_shell_says_so") {
        return;
    }
    let project = jobs(&[
        ("well", r#"image: "IMAGE", script: ["true"]"#),
        (
            "bare",
            r#"image: "BARE", dependencies: [well], container/entrypoint: [/nothing]"#,
        ),
    ]);
    let mut screen = watched(&project, &["--keep-failed"]);
    screen.until("FAILED").keys("s");
    screen.until("the image of bare has no shell");
    screen.keys("q");
    screen.ends(1);
    let kept = names_of(&project);
    assert!(kept.iter().all(|name| name.contains("-bare-")), "{kept:?}");
    remove_all(&project);
}
