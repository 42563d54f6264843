//! Container jobs in a real engine: each property of scripts.md §3.3, and what may go wrong.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Project, Ran, Running, eventually, not_run};

/// A shell and its tools.
const IMAGE: &str = "monkeyci-test:busybox";
/// One program and nothing else.
const BARE: &str = "monkeyci-test:bare";

/// Whether the engine of `tests/engine.sh` is there; if not, the test is counted as not run.
fn engine_is_here(test: &str) -> bool {
    let images = [IMAGE, BARE];
    let is_there = images.iter().all(|image| {
        let seen = Command::new("docker")
            .args(["image", "inspect", image])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        seen.is_ok_and(|status| status.success())
    });
    if !is_there {
        not_run(
            &format!("containers::{test}"),
            "there is no container engine with the images of tests/engine.sh",
        );
    }
    is_there
}

fn docker(args: &[&str]) -> String {
    let ran = Command::new("docker").args(args).output().unwrap();
    String::from_utf8_lossy(&ran.stdout).trim().to_owned()
}

/// The containers of a project's builds, whatever they do.
fn containers_of(project: &Project) -> Vec<String> {
    let repo = project.events()[0]["sid"][1].as_str().unwrap().to_owned();
    containers_with(&format!("/{repo}/"))
}

/// The containers whose build has this in its name.
fn containers_with(text: &str) -> Vec<String> {
    let format = "{{.ID}} {{.Label \"dev.monkeyci-tui.build\"}}";
    docker(&["ps", "-a", "--format", format])
        .lines()
        .filter(|line| line.contains(text))
        .filter_map(|line| line.split_once(' '))
        .map(|(id, _)| id.to_owned())
        .collect()
}

fn command(project: &Project, args: &[&str]) -> Command {
    let all = [
        &[
            "build",
            "--plain",
            "--executor",
            "docker",
            "--pull",
            "never",
        ],
        args,
    ]
    .concat();
    let mut command = project.command(&all);
    command.env_remove("DOCKER_HOST");
    command
}

fn build(project: &Project, args: &[&str]) -> Ran {
    Running::start(command(project, args)).wait()
}

fn start(project: &Project, args: &[&str]) -> Running {
    Running::start(command(project, args))
}

/// How a job ended: its status and its result.
fn ends(project: &Project) -> BTreeMap<String, (String, Value)> {
    project
        .events()
        .into_iter()
        .filter(|event| event["type"] == "job/end")
        .map(|event| {
            let id = event["job-id"].as_str().unwrap().to_owned();
            let status = event["status"].as_str().unwrap().to_owned();
            (id, (status, event["result"].clone()))
        })
        .collect()
}

fn log(project: &Project, job: &str) -> String {
    project.run(&["logs", "last", job]).exits(0).out
}

#[track_caller]
fn says(project: &Project, job: &str, wanted: &str) {
    let log = log(project, job);
    assert!(log.contains(wanted), "{job}: {wanted:?} is not in {log}");
}

/// `(id, properties)` as a script.
fn jobs(jobs: &[(&str, &str)]) -> Project {
    let jobs: Vec<String> = jobs
        .iter()
        .map(|(id, properties)| format!("- {{id: {id}, {properties}}}\n"))
        .collect();
    Project::yaml(&jobs.concat().replace("IMAGE", IMAGE).replace("BARE", BARE))
}

#[test]
fn every_property_does_what_it_is_for() {
    if !engine_is_here("every_property_does_what_it_is_for") {
        return;
    }
    let project = jobs(&[
        ("image", r#"image: "IMAGE", script: ["which busybox"]"#),
        ("other-key", r#"container/image: "IMAGE", script: ["which busybox"]"#),
        (
            "env",
            r#"image: "IMAGE", container/env: {GREETING: hello there}, script: ['echo "$GREETING $CI $MONKEYCI_JOB_ID"']"#,
        ),
        ("cmd", r#"image: "IMAGE", container/cmd: [echo, it is cmd], script: [echo never]"#),
        (
            "args",
            r#"image: "IMAGE", container/cmd: [echo, one], container/args: [two]"#,
        ),
        (
            "entrypoint",
            r#"image: "BARE", container/entrypoint: [/echo, "a  b"], container/cmd: ["$HOME"]"#,
        ),
        ("work-dir", r#"image: "IMAGE", workDir: sub, script: ["pwd; cat file"]"#),
        (
            "mounts",
            r#"image: "IMAGE", container/mounts: [[sub, /mounted]], script: ["cat /mounted/file"]"#,
        ),
        ("shell", r#"image: "IMAGE", shell: /bin/ash, script: ["echo $0"]"#),
        (
            "limits",
            r#"image: "IMAGE", cpus: 1, memory: 3, script: ["cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || true"]"#,
        ),
        (
            "size",
            r#"image: "IMAGE", size: 1, memory: 7, script: ["cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || true"]"#,
        ),
        ("expose", r#"image: "IMAGE", expose: [8080], script: ["sleep 2"]"#),
        ("arch", r#"image: "IMAGE", arch: amd, script: ["true"]"#),
        ("label", r#"image: "IMAGE", my/extension: {a: 1}, script: ["true"]"#),
    ])
    .file("sub/file", "of the checkout\n");
    build(&project, &[]).exits(0);
    says(&project, "image", "/bin/busybox");
    says(&project, "other-key", "/bin/busybox");
    says(&project, "env", "hello there true env");
    assert_eq!(log(&project, "cmd"), "it is cmd\n");
    assert_eq!(log(&project, "args"), "one two\n");
    assert_eq!(log(&project, "entrypoint"), "a  b $HOME\n");
    assert_eq!(
        log(&project, "work-dir"),
        "/home/monkeyci/sub\nof the checkout\n"
    );
    assert_eq!(log(&project, "mounts"), "of the checkout\n");
    says(&project, "shell", "/opt/monkeyci/script/0");
    assert_eq!(log(&project, "limits").trim(), (3_u64 << 30).to_string());
    assert_eq!(log(&project, "size").trim(), (2_u64 << 30).to_string());
    let agent = project
        .events()
        .into_iter()
        .find(|event| event["job-id"] == "expose" && event["agent"].is_object())
        .expect("its address is told")["agent"]
        .clone();
    let ports: Vec<(&String, &Value)> = agent["ports"].as_object().unwrap().iter().collect();
    assert_eq!((ports.len(), ports[0].1), (1, &Value::from(8080)));
    assert!(containers_of(&project).is_empty());
}

#[test]
fn what_cannot_be_is_named_and_the_others_go_on() {
    if !engine_is_here("what_cannot_be_is_named_and_the_others_go_on") {
        return;
    }
    let many: Vec<String> = (0..10_000).map(|at| format!("V{at}: x")).collect();
    let many = format!(
        r#"image: "IMAGE", container/env: {{{}}}, script: ["env | grep -c ^V"]"#,
        many.join(", ")
    );
    let project = jobs(&[
        ("fine", r#"image: "IMAGE", script: ["true"]"#),
        ("no-image", r#"script: ["true"]"#),
        ("odd-image", r#"image: "no image", script: ["true"]"#),
        (
            "not-there",
            r#"image: "monkeyci-test:nowhere", script: ["true"]"#,
        ),
        ("no-shell", r#"image: "BARE", script: ["true"]"#),
        ("arch", r#"image: "IMAGE", arch: riscv, script: ["true"]"#),
        (
            "port",
            r#"image: "IMAGE", expose: [65536], script: ["true"]"#,
        ),
        ("memory", r#"image: "IMAGE", memory: -1, script: ["true"]"#),
        (
            "outside",
            r#"image: "IMAGE", container/mounts: [["../..", /x]], script: ["true"]"#,
        ),
        (
            "above",
            r#"image: "IMAGE", workDir: "../..", script: ["true"]"#,
        ),
        (
            "nowhere",
            r#"image: "IMAGE", workDir: nowhere, script: ["true"]"#,
        ),
        ("nothing", r#"image: "IMAGE""#),
        ("many", &many),
        (
            "\"../o d/d\\u00e9 \\U0001f600\"",
            r#"image: "IMAGE", script: ["true"]"#,
        ),
    ]);
    build(&project, &["-j", "4"]).exits(1);
    let ends = ends(&project);
    let reason = |job: &str| {
        let (status, result) = &ends[job];
        assert_eq!(status, "error", "{job}: {result}");
        result["message"].as_str().unwrap().to_owned()
    };
    for (job, wanted) in [
        ("no-image", "names no image"),
        ("odd-image", "\"no image\" is no image's name"),
        (
            "not-there",
            "has no image monkeyci-test:nowhere, and --pull is never",
        ),
        ("no-shell", "has no /bin/sh"),
        ("arch", "arch: "),
        ("port", "expose: 65536 is no port"),
        ("memory", "memory: -1"),
        ("outside", "mounts: ../.. is not inside the checkout"),
        ("above", "work-dir \"../..\" leads out of the workspace"),
        ("nowhere", "work-dir \"nowhere\" does not exist"),
        ("nothing", "nothing to run"),
    ] {
        let said = reason(job);
        assert!(said.contains(wanted), "{job}: {said}");
    }
    for job in ["fine", "many", "../o d/d\u{e9} \u{1f600}"] {
        assert_eq!(ends[job].0, "success", "{job}: {}", ends[job].1);
    }
    assert_eq!(log(&project, "many"), "10000\n");
    assert!(containers_of(&project).is_empty());
}

#[test]
fn each_line_is_a_command_with_outputs_of_its_own() {
    if !engine_is_here("each_line_is_a_command_with_outputs_of_its_own") {
        return;
    }
    let project = Project::yaml(&format!(
        r#"
- id: job
  image: {IMAGE}
  script:
    - echo out; echo err >&2; cd /tmp; export GONE=1
    - |
      echo "still here: $GONE $PWD"
      printf 'no end\n'
    - (echo from behind; exit 3) & wait $!; exit 7
    - echo never
"#
    ));
    build(&project, &[]).exits(1);
    let events = project.events();
    let commands: Vec<(String, Value)> = events
        .iter()
        .filter(|event| event["type"] == "command/end")
        .map(|event| {
            (
                event["command"].as_str().unwrap().to_owned(),
                event["exit"].clone(),
            )
        })
        .collect();
    let wanted = [("0", 0), ("1", 0), ("2", 7)];
    assert_eq!(
        commands,
        wanted.map(|(command, exit)| (command.to_owned(), exit.into()))
    );
    let (status, result) = &ends(&project)["job"];
    assert_eq!((status.as_str(), &result["exit"]), ("failure", &7.into()));
    let lines = project.run(&["logs", "last", "job", "--json"]).exits(0).out;
    let lines: Vec<(String, String, Value)> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            (text("text"), text("stream"), line["command"].clone())
        })
        .collect();
    for (text, stream, command) in [
        ("out", "out", 0),
        ("err", "err", 0),
        ("still here:  /home/monkeyci", "out", 1),
        ("from behind", "out", 2),
    ] {
        let wanted = (text.to_owned(), stream.to_owned(), Value::from(command));
        assert!(lines.contains(&wanted), "{wanted:?} is not in {lines:?}");
    }
}

#[test]
fn artifacts_and_caches_go_from_job_to_job_and_from_build_to_build() {
    if !engine_is_here("artifacts_and_caches_go_from_job_to_job_and_from_build_to_build") {
        return;
    }
    let project = jobs(&[
        (
            "makes",
            r#"image: "IMAGE", script: ["mkdir -p out/deep; echo data >out/deep/x; ln -s deep/x out/link; chmod 750 out/deep/x", "mkdir -p .cache; cat .cache/n 2>/dev/null || true; echo more >>.cache/n"], saveArtifacts: [{id: out, path: out}, {id: one, path: out/deep/x}], caches: [{id: c, path: .cache}]"#,
        ),
        (
            "takes",
            r#"image: "IMAGE", dependencies: [makes], restoreArtifacts: [{id: out, path: in}], script: ["cat in/link; ls -l in/deep/x | cut -c1-10; ls out 2>&1 || true"]"#,
        ),
        (
            "breaks",
            r#"image: "IMAGE", dependencies: [makes], script: ["echo left >left", "false"], saveArtifacts: [{id: left, path: left}]"#,
        ),
        (
            "lacks",
            r#"image: "IMAGE", script: ["true"], saveArtifacts: [{id: gone, path: gone}]"#,
        ),
    ]);
    build(&project, &[]).exits(1);
    assert_eq!(
        log(&project, "takes"),
        "data\n-rwxr-x---\nls: out: No such file or directory\n"
    );
    let ends = ends(&project);
    assert_eq!(ends["breaks"].1["exit"], 1);
    assert_eq!(ends["lacks"].0, "failure");
    assert!(
        ends["lacks"].1["message"]
            .to_string()
            .contains("nothing at path gone")
    );
    let saved: Vec<Value> = project
        .events()
        .into_iter()
        .filter(|event| event["type"] == "tui/artifact-saved")
        .map(|event| event["artifact-id"].clone())
        .collect();
    assert_eq!(saved.len(), 3, "also of a job that failed: {saved:?}");
    build(&project, &["--job", "makes"]).exits(0);
    assert_eq!(log(&project, "makes"), "more\n");
}

#[test]
fn a_job_that_asks_reaches_the_script_api() {
    if !engine_is_here("a_job_that_asks_reaches_the_script_api") {
        return;
    }
    let ask = r#"wget -q -O - --header "Authorization: Bearer $(cat $MONKEYCI_API_TOKEN_FILE)" $MONKEYCI_API_URL"#;
    let project = Project::yaml(&format!(
        "- id: asks\n  image: {IMAGE}\n  api: true\n  script: ['{ask}/build']\n\
         - id: wants\n  image: {IMAGE}\n  api: true\n  script: ['{ask}/params']\n\
         - id: none\n  image: {IMAGE}\n  script: ['env | grep API; test -z \"$MONKEYCI_API_URL\"']\n"
    ));
    build(&project, &[]).exits(1);
    says(&project, "asks", ":build-id \"local-build-");
    says(&project, "wants", "403");
    assert_eq!(ends(&project)["none"].0, "success");
}

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
