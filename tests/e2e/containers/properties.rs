//! Each property of scripts.md §3.3, what is wrong with it, and what a line of a script is.

use super::*;

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
            r#"image: "IMAGE", container/env: {GREETING_TO_ALL: hello there}, script: ['echo "$GREETING_TO_ALL $CI $MONKEYCI_JOB_ID"']"#,
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
        (
            "cpus",
            r#"image: "IMAGE", cpus: 0.5, script: ["cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || true"]"#,
        ),
        ("platform", r#"image: "IMAGE", container/platform: linux/amd64, script: ["uname -m"]"#),
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
    assert!(log(&project, "cpus").starts_with("50000"));
    assert_eq!(log(&project, "platform"), "x86_64\n");
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
fn mounts_lead_out_of_the_checkout_only_where_the_user_says_so() {
    if !engine_is_here("mounts_lead_out_of_the_checkout_only_where_the_user_says_so") {
        return;
    }
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("file"), "from elsewhere\n").unwrap();
    let at = other.path().display().to_string();
    let properties = format!(
        r#"image: "IMAGE", container/mounts: [["{at}", /there]], script: ["cat /there/file"]"#
    );
    let project = jobs(&[("job", &properties)]);
    build(&project, &[]).exits(1);
    let (status, result) = &ends(&project)["job"];
    assert_eq!(status, "error");
    let said = result["message"].as_str().unwrap();
    assert!(said.contains("--allow-mount"), "{said}");
    build(&project, &["--allow-mount", &at]).exits(0);
    assert_eq!(log(&project, "job"), "from elsewhere\n");
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
            "platform",
            r#"image: "IMAGE", container/platform: none/such, script: ["true"]"#,
        ),
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
        ("platform", "none/such"),
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
