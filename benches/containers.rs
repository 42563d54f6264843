//! Trivial container jobs through this program, side by side with `docker run --rm`.
//!
//! ```sh
//! tests/engine.sh && cargo bench --bench containers [-- JOBS]
//! ```
//!
//! Both run the same 50 containers of `monkeyci-test:busybox`, one after the other and two at a time,
//! in turns, so that what the machine does meanwhile meets both; the best of the rounds counts.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const IMAGE: &str = "monkeyci-test:busybox";
const ROUNDS: usize = 3;

fn main() {
    // `cargo bench` and `cargo test --benches` add words of their own.
    let number = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let jobs: usize = number.unwrap_or(50);
    if !is_here() {
        println!("not run: there is no container engine with {IMAGE}; see tests/engine.sh");
        return;
    }
    let project = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(project.path().join(".monkeyci")).expect("a folder");
    let script: Vec<String> = (0..jobs)
        .map(|at| format!("- {{id: j{at}, image: '{IMAGE}', script: ['true']}}\n"))
        .collect();
    let script = script.concat();
    std::fs::write(project.path().join(".monkeyci/build.yaml"), script).expect("a script");
    for at_once in [1, 2] {
        let mut ours = Duration::MAX;
        let mut theirs = Duration::MAX;
        for _ in 0..ROUNDS {
            ours = ours.min(time(&mut build(project.path(), at_once)));
            theirs = theirs.min(time(&mut docker(jobs, at_once)));
        }
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        println!(
            "{jobs} containers, {at_once} at a time: {:.2} s; docker run --rm: {:.2} s; ratio {ratio:.2}",
            ours.as_secs_f64(),
            theirs.as_secs_f64()
        );
    }
}

fn is_here() -> bool {
    let mut seen = Command::new("docker");
    seen.args(["image", "inspect", IMAGE])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    seen.status().is_ok_and(|status| status.success())
}

fn build(project: &Path, at_once: usize) -> Command {
    let mut build = Command::new(env!("CARGO_BIN_EXE_monkeyci-tui"));
    build
        .args(["build", "--plain", "--executor", "docker", "--pull"])
        .args(["never", "-j", &at_once.to_string()])
        .current_dir(project)
        .env("MONKEYCI_TUI_HOME", project.join("home"));
    build
}

fn docker(jobs: usize, at_once: usize) -> Command {
    let run = format!("docker run --rm {IMAGE} true");
    let line = match at_once {
        1 => format!("for i in $(seq {jobs}); do {run} || exit 1; done"),
        _ => format!("seq {jobs} | xargs -P{at_once} -I{{}} {run}"),
    };
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]);
    shell
}

fn time(command: &mut Command) -> Duration {
    let began = Instant::now();
    let status = command.stdout(Stdio::null()).status().expect("it starts");
    assert!(status.success(), "{command:?}: {status}");
    began.elapsed()
}
