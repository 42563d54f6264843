//! The ways of dying: each ends in a named state, with nothing left behind and nothing lost.

use rustix::process::Signal;

use crate::harness::{
    Project, Running, at_work_in, child_of, eventually, json_lines, runs_somewhere,
};

/// A job that says `ready` and then runs for ever, marked so that it can be found.
fn endless(mark: &str) -> Project {
    Project::yaml(&format!(
        "- id: long\n  image: i\n  script: ['echo ready; exec sleep {mark}']\n\
         - id: after\n  image: i\n  script: ['true']\n  dependencies: [long]\n"
    ))
}

#[test]
fn ctrl_c_ends_with_130_and_leaves_nothing_running() {
    let project = endless("71001");
    let mut build = project.start(&[]);
    build.until("│ ready").signal(Signal::INT);
    build.wait().exits(130).says("canceled");
    assert!(!runs_somewhere("sleep\x0071001"));
    let jobs = project.jobs();
    assert_eq!(jobs[0].1, "skipped");
    assert_eq!(jobs[1].1, "canceled");
}

#[test]
fn sigterm_ends_with_3_and_leaves_nothing_running() {
    for signal in [Signal::TERM, Signal::HUP] {
        let project = endless("71002");
        let mut build = project.start(&[]);
        build.until("│ ready").signal(signal);
        build.wait().exits(3);
        assert!(!runs_somewhere("sleep\x0071002"));
    }
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_a_job_that_ignores_the_first() {
    let project = Project::yaml(
        "- id: stubborn\n  image: i\n  script: [\"trap '' TERM INT; echo ready; while :; do sleep 71003; done\"]\n",
    );
    let mut build = project.start(&[]);
    build.until("│ ready").signal(Signal::INT);
    build.until("stopping").signal(Signal::INT);
    build.wait().exits(130);
    eventually("no process of the job is left", || {
        !runs_somewhere("sleep\x0071003")
    });
}

#[test]
fn a_job_that_escapes_its_group_is_found_and_ended() {
    let project = Project::yaml(
        "- id: a\n  image: i\n  script: ['setsid sleep 71004 >/dev/null 2>&1 & echo started']\n",
    );
    project.build(&[]).exits(0);
    eventually("the escaped process is gone", || {
        !runs_somewhere("sleep\x0071004")
    });
}

#[test]
fn a_killed_program_is_put_right_by_the_next_start() {
    let project = endless("71005");
    let mut build = project.start(&[]);
    build.until("│ ready").signal(Signal::KILL);
    assert_eq!(build.wait().code, None);
    let list = project
        .run(&["list", "--json"])
        .exits(0)
        .complains("was interrupted");
    assert_eq!(json_lines(&list.out)[0]["status"], "error");
    eventually("what it had started is gone", || {
        !runs_somewhere("sleep\x0071005")
    });
    let events = project.events();
    let types: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(types.first(), Some(&"build/pending"));
    assert_eq!(types.last(), Some(&"build/end"));
    assert!(types.contains(&"tui/interrupted"));
    project
        .run(&["logs", "last", "long"])
        .exits(0)
        .says("ready");
    // And only once.
    let again = project.run(&["list"]).exits(0);
    assert!(!again.err.contains("interrupted"), "{}", again.err);
}

#[test]
fn a_program_that_is_killed_again_and_again_never_spoils_a_journal() {
    let project = Project::yaml(
        "- id: noisy\n  image: i\n  script: ['i=0; while [ $i -lt 100000 ]; do echo \"line $i\"; i=$((i+1)); done']\n",
    );
    for kill_at in [
        "started",
        "line 3\n",
        "line 40\n",
        "line 500\n",
        "line 2000\n",
    ] {
        let mut build = project.start(&[]);
        build.until(kill_at).signal(Signal::KILL);
        build.wait();
        let events = project.events();
        assert_eq!(events.last().unwrap()["type"], "build/end");
        let log = project
            .run(&["logs", "last", "noisy", "--strip"])
            .exits(0)
            .out;
        for (number, line) in log.lines().filter(|l| l.starts_with("line")).enumerate() {
            // The last line may have been cut by the kill itself.
            assert!(
                format!("line {number}").starts_with(line),
                "line {number} is {line:?}"
            );
        }
    }
    eventually("nothing is left", || !runs_somewhere("line $i"));
}

#[test]
fn a_script_child_that_dies_is_named_and_its_jobs_are_closed() {
    let project = endless("71006");
    let mut build = project.start(&[]);
    build.until("│ ready");
    let child = child_of(build.pid(), "script-host");
    rustix::process::kill_process(child, Signal::KILL).unwrap();
    build
        .wait()
        .exits(1)
        .says("the script was ended by signal 9");
    assert!(!runs_somewhere("sleep\x0071006"));
    let jobs = project.jobs();
    assert_eq!(
        (jobs[0].1.as_str(), jobs[1].1.as_str()),
        ("skipped", "error")
    );
}

#[test]
fn a_hanging_job_is_stopped_by_its_own_timeout() {
    Project::yaml("- id: a\n  image: i\n  timeout: 300\n  script: ['exec sleep 71007']\n")
        .build(&[])
        .exits(1)
        .says("timed out");
    assert!(!runs_somewhere("sleep\x0071007"));
}

#[test]
fn a_build_that_takes_too_long_is_stopped_with_the_reason() {
    endless("71008")
        .build(&["--timeout", "1s"])
        .exits(1)
        .says("the build took longer than 1 s");
    assert!(!runs_somewhere("sleep\x0071008"));
}

#[test]
fn a_flood_of_output_neither_hangs_nor_is_lost() {
    let project = Project::yaml(
        "- id: a\n  image: i\n  script: ['head -c 30000000 /dev/zero | tr \"\\\\0\" X', 'echo; echo the end']\n",
    );
    project
        .run(&["build", "--executor", "host", "--json"])
        .exits(0);
    let log = project.run(&["logs", "last", "a", "--raw"]).exits(0).out;
    assert_eq!(log.bytes().filter(|b| *b == b'X').count(), 30_000_000);
    assert!(log.ends_with("the end\n"));
}

#[test]
fn a_reader_that_goes_away_ends_the_build_quietly() {
    let project = endless("71009");
    let mut command = project.command(&["build", "--executor", "host", "--plain"]);
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    child.wait().unwrap();
    eventually("nothing is left", || !runs_somewhere("sleep\x0071009"));
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut stderr).unwrap();
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn without_a_home_the_program_says_what_to_set_or_finds_it_in_the_list_of_users() {
    let project = Project::yaml("- id: a\n  image: i\n  script: ['true']\n");
    let mut command = project.command(&["list"]);
    command.env_clear();
    let ran = Running::start(command).wait();
    match ran.code {
        Some(0) => {}
        _ => drop(ran.exits(2).complains("HOME")),
    }
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let project = Project::yaml("- id: a\n  image: i\n  script: ['true']\n");
    std::fs::create_dir_all(project.home()).unwrap();
    std::fs::write(project.home().join("data"), "a file is in the way").unwrap();
    project.build(&[]).exits(2).complains("data");
}

#[test]
fn an_unreadable_file_is_left_out_of_the_workspace_with_a_remark_or_read_by_root() {
    use std::os::unix::fs::PermissionsExt;
    let project = Project::yaml("- id: a\n  image: i\n  script: ['ls']\n").file("secret/key", "x");
    let closed = project.dir().join("secret");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    project.build(&[]).exits(0);
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_script_host_that_does_not_answer_cannot_keep_the_build_from_ending() {
    let project = endless("71010");
    let mut build = project.start(&[]);
    build.until("│ ready");
    let host = child_of(build.pid(), "script-host");
    rustix::process::kill_process(host, Signal::STOP).unwrap();
    build.signal(Signal::INT).until("stopping");
    build.signal(Signal::INT);
    build.wait().exits(130);
    assert!(!runs_somewhere("sleep\x0071010"));
    let gone = || rustix::process::test_kill_process(host).is_err();
    eventually("the script host is gone", gone);
}

/// Numbers between 0 and a limit that differ from run to run.
fn random(limit: u64) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(limit) % limit
}

#[test]
fn whatever_the_moment_of_a_kill_the_recording_can_be_read_and_nothing_stays() {
    let branch = "for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; sleep 0.01; done; mkdir -p out && echo x > out/x";
    let quick: String = (0..6)
        .map(|number| {
            format!(
                "- id: job{number}\n  image: i\n  script: ['{branch}']\n\
                 \x20 saveArtifacts: [{{id: out{number}, path: out}}]\n\
                 \x20 caches: [{{id: kept{number}, path: out}}]\n  dependencies: [{}]\n",
                if number < 2 {
                    String::new()
                } else {
                    format!("job{}", number - 2)
                }
            )
        })
        .collect();
    let project = Project::yaml(&quick);
    for round in 0..10 {
        // The demo is what users kill; the other build gets further in the same time.
        let (mut build, lines) = if round % 3 == 0 {
            let demo = project.command(&["demo", "--plain", "--unblock", "all"]);
            (Running::start(demo), random(60))
        } else {
            (project.start(&["-j", "2"]), random(90))
        };
        build.until_lines(lines as usize).signal(Signal::KILL);
        build.wait();
        project.run(&["list"]).exits(0);
        if !json_lines(&project.run(&["list", "--json"]).out).is_empty() {
            project.run(&["show", "last"]).exits(0);
            project.run(&["logs", "last"]).exits(0);
            let events = project.events();
            assert_eq!(events.last().unwrap()["type"], "build/end");
        }
    }
    project.run(&["list"]).exits(0);
    eventually("nothing is at work any more", || {
        at_work_in(project.dir().parent().unwrap()).is_empty()
    });
    let left = |folder: &str| -> Vec<_> {
        std::fs::read_dir(project.home().join(folder))
            .map(|entries| entries.map(|entry| entry.unwrap().file_name()).collect())
            .unwrap_or_default()
    };
    assert_eq!(left("runtime"), Vec::<std::ffi::OsString>::new());
    assert_eq!(left("cache/scratch"), Vec::<std::ffi::OsString>::new());
    project.build(&["--unblock", "all"]).exits(0);
}
