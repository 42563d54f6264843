//! What goes wrong around jobs in containers: engines that go away, full disks, images that are
//! removed, floods, orphans. Each has its status and a message that names the cause, and leaves
//! neither a container nor a journal that cannot be read.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::harness::runs_somewhere;
use crate::limits::{on_a_small_disk, shell};

const SLEEPS: &str = r#"image: "IMAGE", script: ["echo up; sleep 600"]"#;

/// A socket behind which the engine is, until it is cut off.
struct Relay {
    socket: PathBuf,
    passing: Arc<Mutex<Vec<UnixStream>>>,
    /// What comes is kept, and nothing is answered.
    held: Arc<AtomicBool>,
}

impl Relay {
    fn at(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let relay = Self {
            socket: socket.to_owned(),
            passing: Arc::default(),
            held: Arc::default(),
        };
        let (passing, held) = (Arc::clone(&relay.passing), Arc::clone(&relay.held));
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let far = UnixStream::connect("/var/run/docker.sock").unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let held = Arc::clone(&held);
                    std::thread::spawn(move || pass(from, to, &held));
                }
                passing.lock().unwrap().extend([near, far]);
            }
        });
        relay
    }

    fn command(&self, project: &Project) -> Command {
        let mut command = command(project, &[]);
        command.env("DOCKER_HOST", format!("unix://{}", self.socket.display()));
        command
    }

    /// As if the engine had been stopped: nobody listens, and what was open is closed.
    fn cut(&self) {
        std::fs::remove_file(&self.socket).unwrap();
        for stream in self.passing.lock().unwrap().drain(..) {
            // Its other end may have closed it.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass(mut from: UnixStream, mut to: UnixStream, held: &AtomicBool) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !held.load(Ordering::SeqCst) && to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // Likewise.
    let _ = to.shutdown(Shutdown::Write);
}

/// The journal is whole: it can be shown, and its last event is the end of the build.
#[track_caller]
fn is_whole(project: &Project) {
    project.run(&["show", "last"]).exits(0);
    let events = project.events();
    assert_eq!(events.last().unwrap()["type"], "build/end");
}

/// Status and message of a job.
fn ended(project: &Project, job: &str) -> (String, String) {
    let (status, result) = ends(project).remove(job).expect("it has ended");
    let message = result["message"].as_str().unwrap_or_default().to_owned();
    (status, message)
}

#[test]
fn an_engine_that_goes_away_ends_its_jobs_and_what_it_kept_is_removed_later() {
    let name = "an_engine_that_goes_away_ends_its_jobs_and_what_it_kept_is_removed_later";
    if !engine_is_here(name) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let project = jobs(&[
        ("job", SLEEPS),
        (
            "after",
            r#"image: "IMAGE", dependencies: [job], script: ["true"]"#,
        ),
    ]);
    let relay = Relay::at(&socket);
    let mut cut_off = Running::start(relay.command(&project));
    cut_off.until("│ up");
    let left = containers_of(&project);
    relay.cut();
    cut_off.wait().exits(1);
    let (status, message) = ended(&project, "job");
    assert_eq!(status, "error");
    let wanted = "the engine has lost the container: ";
    assert!(message.starts_with(wanted), "{message}");
    assert!(message.len() > wanted.len(), "{message}");
    assert_eq!(project.jobs()[0], ("after".into(), "skipped".into()));
    is_whole(&project);
    assert_eq!(containers_of(&project), left, "nobody could remove it");
    // It is the same engine, by whatever way it is reached.
    let next = project.file(
        ".monkeyci/build.yaml",
        &format!("- {{id: job, image: \"{IMAGE}\", script: [\"true\"]}}\n"),
    );
    build(&next, &[]).exits(0);
    eventually("what was left is removed", || !is_there(&left[0]));
}

fn is_there(id: &str) -> bool {
    docker(&["ps", "-aq"]).contains(id)
}

#[test]
fn an_engine_that_does_not_answer_keeps_nobody() {
    if !engine_is_here("an_engine_that_does_not_answer_keeps_nobody") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let project = jobs(&[("job", SLEEPS)]);
    let relay = Relay::at(&folder.path().join("engine.sock"));
    let mut build = Running::start(relay.command(&project));
    build.until("│ up");
    let left = containers_of(&project);
    relay.held.store(true, Ordering::SeqCst);
    build.signal(Signal::TERM).until("stopping");
    build.signal(Signal::TERM);
    build.wait().exits(3);
    assert_eq!(ended(&project, "job").0, "canceled");
    let wanted = "warning: job: the engine has lost the container: it does not answer";
    project.run(&["show", "last"]).exits(0).says(wanted);
    is_whole(&project);
    docker(&["rm", "-f", &left[0]]);
}

#[test]
fn a_full_disk_fails_the_job_whose_artifact_has_no_room() {
    if !engine_is_here("a_full_disk_fails_the_job_whose_artifact_has_no_room") {
        return;
    }
    let project = jobs(&[(
        "job",
        r#"image: "IMAGE", script: ["head -c 12000000 /dev/urandom >large; echo made"], saveArtifacts: [{id: large, path: large}]"#,
    )]);
    let Some(words) = on_a_small_disk(&project, "6m") else {
        return not_run(
            "containers::a full disk while an artifact is saved",
            "no disk can be mounted here",
        );
    };
    let ran = shell(
        &project,
        &words,
        "PROGRAM build --executor docker --pull never --plain; echo \"status $?\"; \
         echo ==; PROGRAM show last; PROGRAM logs last job",
    );
    let (during, after) = ran.out.split_once("==").unwrap();
    assert!(during.contains("status 1"), "{}", ran.out);
    let line = after.lines().find(|line| line.starts_with("job "));
    let line = line.unwrap_or_else(|| panic!("{}", ran.out));
    for wanted in [
        "failure",
        "artifact \"large\" cannot be saved: ",
        "No space left on device",
    ] {
        assert!(line.contains(wanted), "{wanted:?} is not in {line}");
    }
    assert!(after.contains("made\n"), "{after}");
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    let sid = after.trim_start().split(':').next().unwrap();
    assert!(containers_with(sid).is_empty());
}

/// A job that goes on when the file `sub/go` is there.
fn that_waits(image: &str, before: &str) -> String {
    format!(
        r#"image: "{image}", container/mounts: [[sub, /mounted]], script: ["{before}", "until [ -e /mounted/go ]; do sleep 0.02; done"]"#
    )
}

fn go(project: &Project) {
    std::fs::write(project.dir().join("sub/go"), "").unwrap();
}

#[test]
fn an_image_that_is_removed_meanwhile_is_missed_by_the_next_job_only() {
    if !engine_is_here("an_image_that_is_removed_meanwhile_is_missed_by_the_next_job_only") {
        return;
    }
    let image = format!("monkeyci-test:removed-{}", std::process::id());
    docker(&["tag", IMAGE, &image]);
    let project = jobs(&[
        ("first", &that_waits(&image, "echo up")),
        (
            "second",
            &format!(r#"image: "{image}", dependencies: [first], script: ["true"]"#),
        ),
    ])
    .file("sub/file", "");
    let mut build = start(&project, &[]);
    build.until("│ up");
    docker(&["rmi", &image]);
    go(&project);
    build.wait().exits(1);
    assert_eq!(ended(&project, "first").0, "success");
    let (status, message) = ended(&project, "second");
    assert_eq!(status, "error");
    let wanted = format!("has no image {image}, and --pull is never");
    assert!(message.contains(&wanted), "{message}");
    is_whole(&project);
    assert!(containers_of(&project).is_empty());
}

#[test]
fn a_line_of_hundreds_of_megabytes_takes_no_memory_of_ours() {
    if !engine_is_here("a_line_of_hundreds_of_megabytes_takes_no_memory_of_ours") {
        return;
    }
    // More than may be held; a gigabyte is no different, but takes this unoptimized program 35 s.
    let flood = r"head -c 300000000 /dev/zero | tr '\\0' x; echo; echo behind";
    let project = jobs(&[("job", &that_waits(IMAGE, flood))]).file("sub/file", "");
    let mut build = start(&project, &[]);
    build.until("│ behind");
    let status = std::fs::read_to_string(format!("/proc/{}/status", build.pid())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let most = most.unwrap().trim().trim_end_matches(" kB");
    let most: u64 = most.parse().unwrap();
    assert!(most < 150_000, "{most} kB");
    go(&project);
    build.wait().exits(0);
    assert_eq!(ended(&project, "job").0, "success");
    is_whole(&project);
    assert!(containers_of(&project).is_empty());
}

#[test]
fn orphans_of_a_job_end_with_it() {
    if !engine_is_here("orphans_of_a_job_end_with_it") {
        return;
    }
    let project = jobs(&[
        (
            "quick",
            r#"image: "IMAGE", script: ["(sleep 98761 &); setsid sleep 98762 & echo left"]"#,
        ),
        (
            "saves",
            r#"image: "IMAGE", script: ["(sleep 98763 &); setsid sleep 98764 & echo left >file"], saveArtifacts: [{id: file, path: file}]"#,
        ),
    ]);
    build(&project, &["-j", "2"]).exits(0);
    for job in ["quick", "saves"] {
        assert_eq!(ended(&project, job).0, "success", "{job}");
    }
    for orphan in 98761..=98764 {
        let line = format!("sleep\0{orphan}");
        assert!(!runs_somewhere(&line), "{orphan}");
    }
    is_whole(&project);
    assert!(containers_of(&project).is_empty());
}

#[test]
fn a_container_that_was_paused_from_outside_can_be_stopped() {
    if !engine_is_here("a_container_that_was_paused_from_outside_can_be_stopped") {
        return;
    }
    let project = jobs(&[("job", SLEEPS)]);
    let mut build = start(&project, &[]);
    build.until("│ up");
    docker(&["pause", &containers_of(&project)[0]]);
    build.signal(Signal::TERM).until("stopping");
    build.signal(Signal::TERM);
    build.wait().exits(3);
    assert_eq!(ended(&project, "job").0, "canceled");
    is_whole(&project);
    assert!(containers_of(&project).is_empty());
}
