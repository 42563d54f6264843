//! Too much, too little, too odd: full disks, huge scripts, floods, strange paths, closed doors.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::counted::not_run;
use crate::harness::{Project, Ran, Running, json_lines};
use crate::screen::{Screen, find};

/// What a script file may take to be refused, on a slow machine and unoptimized.
const QUICKLY: Duration = Duration::from_secs(10);

/// The words before a shell script in which the program's home is a disk of this size; `None`
/// where nothing can be mounted.
pub fn on_a_small_disk(project: &Project, size: &str) -> Option<Vec<String>> {
    let tried = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "none", "/tmp"])
        .output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        return None;
    }
    std::fs::create_dir_all(project.home()).unwrap();
    let mount = format!("mount -t tmpfs -o size={size} none \"$MONKEYCI_TUI_HOME\" && eval \"$0\"");
    Some(
        ["unshare", "-m", "sh", "-c", &mount]
            .map(str::to_owned)
            .to_vec(),
    )
}

/// Runs a shell script after such words; `PROGRAM` in it is the program.
pub fn shell(project: &Project, words: &[String], script: &str) -> Ran {
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .arg(script.replace("PROGRAM", env!("CARGO_BIN_EXE_monkeyci-tui")))
        .current_dir(project.dir())
        .env("MONKEYCI_TUI_HOME", project.home())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    Running::start(command).wait()
}

const TALKATIVE: &str = "- id: a\n  image: i\n  script: ['head -c 20000000 /dev/zero | tr \"\\\\0\" x | fold -w 100']\n\
                         - id: b\n  image: i\n  script: ['echo b']\n  dependencies: [a]\n";

#[test]
fn a_full_disk_is_named_and_what_was_written_stays_readable() {
    for (size, code) in [("4m", 1), ("16k", 1), ("8k", 2)] {
        let project = Project::yaml(TALKATIVE);
        let Some(words) = on_a_small_disk(&project, size) else {
            return not_run("a full disk", "no disk can be mounted here");
        };
        let ran = shell(
            &project,
            &words,
            "PROGRAM build --executor host --plain | tail -n 20; \
             echo ==; PROGRAM list; PROGRAM show last --json >/dev/null && echo readable; \
             PROGRAM show last | head -3",
        );
        let ran = ran
            .exits(0)
            .says("No space left on device")
            .says("readable");
        let (_, after) = ran.out.split_once("==").unwrap();
        assert!(after.contains("error"), "{after}");
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        assert!(!ran.err.contains("was killed"), "{}", ran.err);
        let words = on_a_small_disk(&project, size).unwrap();
        let status = shell(
            &project,
            &words,
            "PROGRAM build --executor host --plain >/dev/null",
        );
        assert_eq!(status.code, Some(code), "{size}");
    }
}

#[test]
fn a_disk_without_room_for_a_build_leaves_no_half_of_one() {
    let project = Project::yaml(TALKATIVE);
    let Some(words) = on_a_small_disk(&project, "4k") else {
        return not_run("a disk without any room", "no disk can be mounted here");
    };
    let ran = shell(
        &project,
        &words,
        "PROGRAM build --executor host --plain; echo \"status $?\"; PROGRAM list",
    );
    ran.says("status 2")
        .complains("No space left on device")
        .complains("no builds yet");
}

#[test]
fn a_full_disk_leaves_the_terminal_intact() {
    let project = Project::yaml(TALKATIVE);
    let Some(words) = on_a_small_disk(&project, "2m") else {
        return not_run("a full disk in a terminal", "no disk can be mounted here");
    };
    let mut command = Screen::command(&project, &[]);
    let argv = command.get_argv_mut();
    argv.clear();
    argv.extend(words.into_iter().map(Into::into));
    argv.push(
        format!(
            "exec {} build --executor host",
            env!("CARGO_BIN_EXE_monkeyci-tui")
        )
        .into(),
    );
    let mut screen = Screen::run(command, (80, 24));
    screen.until("FAILED").keys("q");
    screen.ends(1).leaves("No space left on device");
}

#[test]
fn a_script_file_that_is_too_much_is_refused_quickly() {
    let huge = "- id: a\n  image: i\n  script: ['true']\n".repeat(1_300_000);
    let deep = format!("- id: a\n  image: i\n  script: {}", "[".repeat(200_000));
    let deep_json = "[".repeat(5_000_000);
    let deep_edn = "{:a ".repeat(2_000_000);
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let before = format!("*a{}", level - 1);
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            [before.as_str(); 10].join(", ")
        ));
    }
    for (file, text) in [
        ("build.yaml", &huge),
        ("build.yaml", &deep),
        ("build.json", &deep_json),
        ("build.edn", &deep_edn),
        ("build.yaml", &bomb),
    ] {
        let project = Project::empty().file(&format!(".monkeyci/{file}"), text);
        let began = Instant::now();
        let ran = project.build(&[]).exits(2).says(file);
        assert!(began.elapsed() < QUICKLY, "{file}: {:?}", began.elapsed());
        assert!(ran.out.len() < 10_000, "what is said is short");
    }
}

#[test]
fn thousands_of_jobs_run_and_are_shown() {
    let mut yaml = String::new();
    for number in 0..2000 {
        yaml.push_str(&format!(
            "- id: job-{number}\n  image: i\n  script: ['exit 1']\n"
        ));
        // A few that run, and all others behind them.
        if number >= 20 {
            yaml.push_str(&format!("  dependencies: [job-{}]\n", number % 20));
        }
    }
    let project = Project::yaml(&yaml);
    let mut screen = Screen::start(&project, &["build", "--executor", "host"]);
    screen.until("FAILED").until("2000/2000 jobs").keys("G");
    screen.until("job-1999").keys("q");
    screen.ends(1).leaves("job-0 failure").leaves("and 19");
    let jobs = project.jobs();
    let skipped = jobs.iter().filter(|(_, status)| status == "skipped");
    assert_eq!((jobs.len(), skipped.count()), (2000, 1980));
}

#[test]
fn a_line_of_a_megabyte_and_bytes_that_are_no_text_are_kept_as_they_are() {
    let project = Project::yaml(
        "- id: long\n  image: i\n  script: ['head -c 1048576 /dev/zero | tr \"\\\\0\" X']\n\
         - id: odd\n  image: i\n  script: ['printf \"a\\377\\376b\\303(\\000c\\n\"; printf \"no end\"']\n",
    );
    project.build(&[]).exits(0).says("no end");
    let raw = project
        .command(&["logs", "last", "odd", "--raw"])
        .output()
        .unwrap();
    let text = b"a\xff\xfeb\xc3(\0c\nno end";
    assert!(
        find(&raw.stdout, text).is_some(),
        "{:?}",
        String::from_utf8_lossy(&raw.stdout)
    );
    for args in [
        &["logs", "last", "odd", "--json"][..],
        &["show", "last", "--json"],
    ] {
        json_lines(&project.run(args).exits(0).out);
    }
    let long = project
        .run(&["logs", "last", "long", "--strip"])
        .exits(0)
        .out;
    assert!(long.lines().any(|line| line.len() == 1 << 20));
    let mut screen = Screen::start(&project, &["attach", "last"]);
    screen.until("SUCCESS").keys("jj").until("XXXX").keys("www");
    screen.keys("j").until("no end").keys("q");
    screen.ends(0);
}

#[test]
fn a_path_with_spaces_quotes_and_more_is_a_path() {
    for name in [
        "with 'quotes' and \"more\"",
        "$HOME `id` ; &",
        "-d",
        "日本 🎉",
        "new\nline",
    ] {
        let path = format!("{name}/.monkeyci/build.yaml");
        let project = Project::empty().file(
            &path,
            "- id: a\n  image: i\n  script: ['echo fine > x', 'cat x']\n  saveArtifacts: [{id: x, path: x}]\n",
        );
        let mut command = project.command(&["build", "--executor", "host", "--plain"]);
        command.current_dir(project.dir().join(name));
        Running::start(command).wait().exits(0).says("│ fine");
        project.run(&["list"]).exits(0).says("success");
        project.run(&["show"]).exits(0).says("success");
    }
}

/// Runs the program as somebody who may read the project but not write it.
fn as_nobody(project: &Project, args: &[&str]) -> Option<Ran> {
    const NOBODY: u32 = 65534;
    let program = Path::new(env!("CARGO_BIN_EXE_monkeyci-tui"));
    let top = project.dir().parent().unwrap().to_owned();
    std::fs::set_permissions(&top, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir_all(project.home()).unwrap();
    std::os::unix::fs::chown(project.home(), Some(NOBODY), Some(NOBODY)).ok()?;
    let mut tried = Command::new(program);
    tried.arg("--version").uid(NOBODY).gid(NOBODY);
    if !tried.output().is_ok_and(|tried| tried.status.success()) {
        return None;
    }
    let mut command = project.command(args);
    command.uid(NOBODY).gid(NOBODY);
    Some(Running::start(command).wait())
}

#[test]
fn a_project_that_cannot_be_written_is_built_all_the_same() {
    let project = Project::yaml("- id: a\n  image: i\n  script: ['echo fine > x', 'cat x']\n");
    let Some(ran) = as_nobody(&project, &["build", "--executor", "host", "--plain"]) else {
        return not_run("a read-only project", "only root can become somebody else");
    };
    ran.exits(0).says("│ fine");
}

#[test]
fn a_script_that_may_not_be_read_is_named() {
    for closed in [".monkeyci", ".monkeyci/build.yaml"] {
        let project = Project::yaml("- id: a\n  image: i\n  script: ['true']\n");
        let mode = std::fs::Permissions::from_mode(0o000);
        std::fs::set_permissions(project.dir().join(closed), mode).unwrap();
        let ran = as_nobody(&project, &["build", "--executor", "host", "--plain"]);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(project.dir().join(closed), mode).unwrap();
        let Some(ran) = ran else {
            return not_run("an unreadable script", "only root can become somebody else");
        };
        ran.exits(2).says(closed).says("ermission denied");
    }
}

#[test]
fn what_is_no_script_folder_is_said_to_be_none() {
    let project = Project::empty().file(".monkeyci", "a file");
    project.build(&[]).exits(2).says(".monkeyci");
    let project = Project::empty();
    std::os::unix::fs::symlink(".monkeyci", project.dir().join(".monkeyci")).unwrap();
    project.build(&[]).exits(2).says(".monkeyci");
    let project = Project::empty();
    std::fs::create_dir_all(project.dir().join(".monkeyci/build.yaml")).unwrap();
    project.build(&[]).exits(2).says("build.yaml");
    let project = Project::empty().file(".monkeyci/build.yaml", "");
    std::fs::write(
        project.dir().join(".monkeyci/build.yaml"),
        b"- id: \xff\xfe\n",
    )
    .unwrap();
    project.build(&[]).exits(2).says("build.yaml");
}

#[test]
fn a_reader_that_wants_one_line_gets_it_and_nobody_complains() {
    let project = Project::yaml("- id: a\n  image: i\n  script: ['seq 100000']\n");
    for _ in 0..3 {
        project.build(&[]).exits(0);
    }
    for args in [
        "list",
        "list --json",
        "show last",
        "show last --json",
        "logs last",
        "logs last a --raw",
        "logs last --json",
        "attach last --plain",
        "attach last --json",
        "build --executor host --json",
        "build --executor host --plain",
        "help",
        "keys",
        "--help",
    ] {
        let words = ["sh", "-c", "eval \"$0\""].map(str::to_owned);
        let ran = shell(&project, &words, &format!("PROGRAM {args} | head -n 1"));
        assert_eq!(ran.out.lines().count(), 1, "{args}: {}", ran.out);
        // A build that is stopped for want of readers says so; nothing else complains.
        let said = ran.err.lines().filter(|line| !line.contains("canceled"));
        assert_eq!(said.count(), 0, "{args}: {}", ran.err);
    }
}
