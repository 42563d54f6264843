//! Against real processes: `sh` and what it starts.

use std::future::pending;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;

const LONG: Duration = Duration::from_secs(20);

fn sh(script: &str) -> Spawn {
    Spawn::new("sh")
        .args(["-c", script])
        .envs(scrubbed_env::<&str>(&[]))
}

async fn output_of(running: Running) -> (Finished, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let sink = |stream, bytes: &[u8]| match stream {
        Stream::Stdout => out.extend_from_slice(bytes),
        Stream::Stderr => err.extend_from_slice(bytes),
    };
    let finished = running.finish(sink, pending(), LONG).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (finished, text(out), text(err))
}

/// Waits until the condition holds, with a limit.
async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The pid that a script has written into a file, line and all.
fn pid_in(file: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(file).ok()?;
    text.strip_suffix('\n')?.parse().ok()
}

/// A process that nobody has reaped yet does not live.
fn is_alive(pid: u32) -> bool {
    use std::process::Command;
    let stat = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .unwrap();
    let stat = String::from_utf8(stat.stdout).unwrap();
    !stat.trim().is_empty() && !stat.trim().starts_with('Z')
}

#[tokio::test]
async fn output_and_exit_code_of_a_child_arrive() {
    let child = sh("echo out; echo err >&2; exit 7").start().unwrap();
    let (finished, out, err) = output_of(child).await;
    assert_eq!(exit_code(finished.status), 7);
    assert_eq!((out.as_str(), err.as_str()), ("out\n", "err\n"));
    assert!(!finished.stopped && !finished.output_cut);
}

#[tokio::test]
async fn a_signal_counts_as_128_and_its_number() {
    let (finished, _, _) = output_of(sh("kill -15 $$").start().unwrap()).await;
    assert_eq!(exit_code(finished.status), 143);
}

#[tokio::test]
async fn a_child_sees_only_the_environment_given() {
    let child = Spawn::new("/usr/bin/env")
        .env("A", "1")
        .env("A", "2")
        .start();
    let (_, out, _) = output_of(child.unwrap()).await;
    assert_eq!(out, "A=2\n");
}

#[tokio::test]
async fn a_child_works_in_the_folder_given_and_has_no_input() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().canonicalize().unwrap();
    let child = sh("pwd -P; cat").cwd(&here).start().unwrap();
    let (_, out, _) = output_of(child).await;
    assert_eq!(out.trim_end(), here.to_str().unwrap());
}

#[tokio::test]
async fn megabytes_on_both_outputs_arrive_whole() {
    let child = sh("head -c 3000000 /dev/zero & head -c 2000000 /dev/zero >&2; wait");
    let (_, out, err) = output_of(child.start().unwrap()).await;
    assert_eq!((out.len(), err.len()), (3_000_000, 2_000_000));
}

#[tokio::test]
async fn what_cannot_be_started_is_named() {
    let error = Spawn::new("no-such-program").start().unwrap_err();
    assert_eq!(error.to_string(), "there is no program `no-such-program`");
    let error = Spawn::new("/no/such/program").start().unwrap_err();
    assert_eq!(error.to_string(), "there is no program `/no/such/program`");
    let error = sh("true").cwd("/no/such/folder").start().unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot start `sh` in `/no/such/folder`, which is no folder"
    );
    let error = Spawn::new("/etc/passwd").start().unwrap_err();
    assert_eq!(error.to_string(), "cannot start `/etc/passwd`");
}

#[tokio::test]
async fn a_child_that_ends_when_asked_is_not_killed() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let script = format!(
        "trap 'echo bye; exit 3' TERM; echo $$ > {}; while :; do sleep 0.01; done",
        ready.display()
    );
    let mut out = Vec::new();
    let finished = sh(&script)
        .start()
        .unwrap()
        .finish(
            |stream, bytes| {
                // The shell tells on stderr that its `sleep` was terminated.
                if stream == Stream::Stdout {
                    out.extend_from_slice(bytes);
                }
            },
            async {
                until(|| pid_in(&ready)).await;
            },
            LONG,
        )
        .await
        .unwrap();
    assert!(finished.stopped);
    assert_eq!(exit_code(finished.status), 3);
    assert_eq!(out, b"bye\n");
}

#[tokio::test]
async fn a_child_that_ignores_the_request_is_killed_after_the_grace() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let script = format!(
        "trap '' TERM; echo $$ > {}; while :; do sleep 0.01; done",
        ready.display()
    );
    let mut child = sh(&script).start().unwrap();
    until(|| pid_in(&ready)).await;
    let status = child
        .group
        .terminate(Duration::from_millis(50))
        .await
        .unwrap();
    assert_eq!(exit_code(status), 137);
    assert!(!is_alive(child.pid()));
}

#[tokio::test]
async fn a_stopped_child_is_ended_too() {
    let mut child = sh("kill -STOP $$; sleep 1000").start().unwrap();
    let status = child.group.terminate(LONG).await.unwrap();
    assert_eq!(exit_code(status), 143);
}

#[tokio::test]
async fn a_child_in_the_background_dies_with_the_leader_and_holds_nobody_up() {
    let child = sh("sleep 1000 & echo $!").start().unwrap();
    let begun = Instant::now();
    let (finished, out, _) = output_of(child).await;
    let background: u32 = out.trim().parse().unwrap();
    assert!(!finished.output_cut);
    assert!(begun.elapsed() < LONG);
    until(|| (!is_alive(background)).then_some(())).await;
}

#[tokio::test]
async fn dropping_a_group_kills_it() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let script = format!("sleep 1000 & echo $! > {}; wait", ready.display());
    let child = sh(&script).start().unwrap();
    let background = until(|| pid_in(&ready)).await;
    let leader = child.pid();
    drop(child);
    until(|| (!is_alive(background) && !is_alive(leader)).then_some(())).await;
}

#[tokio::test]
async fn a_killer_does_nothing_once_the_leader_is_reaped() {
    let mut child = sh("true").start().unwrap();
    let killer = child.killer();
    child.group.wait().await.unwrap();
    assert!(!killer.kill());
    // The answer stays.
    assert!(child.group.wait().await.unwrap().success());
}

#[cfg(target_os = "linux")]
mod on_linux {
    use super::*;

    /// `setsid` of util-linux starts a new session; `exec` makes the pid it prints the one that stays.
    fn escape(ready: &Path, redirect: &str) -> String {
        format!(
            "setsid sh -c 'echo $$ > {}; exec sleep 1000' {redirect} & while [ ! -s {} ]; do :; done",
            ready.display(),
            ready.display()
        )
    }

    #[tokio::test]
    async fn a_grandchild_that_left_the_group_with_a_pipe_is_found_and_killed() {
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready");
        let mark = Mark::new_run();
        let child = sh(&escape(&ready, "")).mark(&mark).start().unwrap();
        let (finished, _, _) = output_of(child).await;
        let escaped = pid_in(&ready).unwrap();
        assert!(!finished.output_cut);
        assert!(!is_alive(escaped));
    }

    #[tokio::test]
    async fn without_a_mark_an_open_pipe_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready");
        let child = sh(&escape(&ready, "")).start().unwrap();
        let (finished, _, _) = output_of(child).await;
        assert!(finished.output_cut);
        let escaped = i32::try_from(pid_in(&ready).unwrap()).unwrap();
        let escaped = rustix::process::Pid::from_raw(escaped).unwrap();
        rustix::process::kill_process(escaped, rustix::process::Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn a_silent_grandchild_is_found_by_the_mark_of_its_run() {
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready");
        let run = Mark::new_run();
        let (job, other) = (run.child(), run.child());
        let script = escape(&ready, "> /dev/null 2>&1");
        let (finished, _, _) = output_of(sh(&script).mark(&job).start().unwrap()).await;
        assert!(finished.status.success());
        let escaped = pid_in(&ready).unwrap();
        assert!(is_alive(escaped));
        let found = find_marked(&run);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].pid, found[0].mark.as_str()),
            (escaped, job.as_str())
        );
        assert!(find_marked(&other).is_empty());
        assert_eq!(kill_marked(&run), [escaped]);
        assert!(!is_alive(escaped));
        assert!(find_marked(&run).is_empty());
    }

    #[tokio::test]
    async fn only_processes_of_a_run_that_is_gone_are_abandoned() {
        // The run is a shell that marks its child as ours would, and is then killed with `kill -9`.
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready");
        let script = format!(
            "ns=$(stat -Lc %i /proc/self/ns/pid); start=$(sed 's/.*) //' /proc/$$/stat | cut -d' ' -f20); \
             {MARK_VARIABLE}=$ns-$$-$start-ff.0 {}; wait",
            escape(&ready, "> /dev/null 2>&1")
        );
        let mut owner = sh(&script).start().unwrap();
        let left_behind = until(|| pid_in(&ready)).await;
        let is_listed = || {
            find_abandoned()
                .iter()
                .any(|found| found.pid == left_behind)
        };
        until(|| find_any(left_behind)).await;
        assert!(!is_listed());
        owner.group.kill();
        owner.group.wait().await.unwrap();
        assert!(is_alive(left_behind));
        assert!(is_listed());
        assert!(kill_abandoned().contains(&left_behind));
        assert!(!is_alive(left_behind));
    }

    /// The mark is in place once the environment shows it.
    fn find_any(pid: u32) -> Option<()> {
        let environ = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        String::from_utf8_lossy(&environ)
            .contains(MARK_VARIABLE)
            .then_some(())
    }
}
