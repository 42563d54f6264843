//! Container jobs in a real engine.
//!
//! - `properties.rs`: each property of scripts.md §3.3, and what is wrong with it.
//! - `transfers.rs`: what goes into a container and comes out of it.
//! - `enter.rs`: keeping containers, and shells in them.
//! - `ends.rs`: how jobs end, and what they leave.
//! - `faults.rs`: what goes wrong around them.
//! - `usage.rs`: what containers use is counted.
//! - `registry.rs`: where images come from.
//! - `engines.rs`: engines elsewhere: by TCP, with TLS, over ssh.
//! - `podman.rs`: the same with Podman.
//!
//! `relay.rs` passes connections on, and holds them when a test wants it.

mod ends;
mod engines;
mod enter;
mod faults;
mod podman;
mod properties;
mod registry;
pub mod relay;
mod transfers;
mod usage;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::counted::not_run;
use crate::harness::{Project, Ran, Running, eventually};

/// A shell and its tools.
const IMAGE: &str = "monkeyci-test:busybox";
/// One program and nothing else.
const BARE: &str = "monkeyci-test:bare";

/// One that does not run as root.
const USER: &str = "monkeyci-test:user";

/// Whether the engine of `tests/engine.sh` is there; if not, the test is counted as not run.
fn engine_is_here(test: &str) -> bool {
    let images = [IMAGE, BARE, USER];
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

/// The images that were made for a project's builds.
fn images_of(project: &Project) -> Vec<String> {
    let repo = project.events()[0]["sid"][1].as_str().unwrap().to_owned();
    let label = "dev.monkeyci-tui.build";
    let all = docker(&["images", "-aq", "--filter", &format!("label={label}")]);
    let format = format!("{{{{index .Config.Labels \"{label}\"}}}}");
    let is_of = |id: &&str| {
        let build = docker(&["image", "inspect", "--format", &format, id]);
        build.contains(&format!("/{repo}/"))
    };
    all.lines().filter(is_of).map(str::to_owned).collect()
}

/// Writes a file `large` that cannot be packed well.
fn write_noise(project: &Project, size: u32) {
    let noise = |at: u32| (at.wrapping_mul(2_654_435_761) >> 13) as u8;
    let large: Vec<u8> = (0..size).map(noise).collect();
    std::fs::write(project.dir().join("large"), large).unwrap();
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
    Project::yaml(
        &jobs
            .concat()
            .replace("IMAGE", IMAGE)
            .replace("BARE", BARE)
            .replace("USERS", USER),
    )
}

/// Whether a program can be called.
fn is_installed(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(program).is_file())
}

/// A port that nobody listens on, for now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
