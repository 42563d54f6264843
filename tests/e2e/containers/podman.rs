//! The same with Podman, whose service has the engine's API: a service, images and containers of its
//! own for each test.

use std::path::Path;
use std::process::Child;

use super::registry::{self, Registry};
use super::*;
use crate::harness::running;

/// What a machine without many rights needs. Its API swaps the two numbers of a limit.
const SETTINGS: &str =
    "[containers]\ndefault_ulimits = [\"nofile=4096:4096\", \"nproc=8192:8192\"]\n";

/// `podman system service`, as a user has it in `XDG_RUNTIME_DIR`.
struct Podman {
    folder: tempfile::TempDir,
    service: Option<Child>,
}

impl Podman {
    /// Starts one with the images of the tests; if it cannot be had, the test is counted as not run.
    fn start(test: &str) -> Option<Self> {
        Self::with(test, "")
    }

    fn with(test: &str, registries: &str) -> Option<Self> {
        if !engine_is_here(test) {
            return None;
        }
        let name = format!("containers::{test}");
        if !is_installed("podman") {
            not_run(&name, "there is no podman");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("containers.conf"), SETTINGS).unwrap();
        std::fs::write(folder.path().join("registries.conf"), registries).unwrap();
        std::fs::create_dir(folder.path().join("podman")).unwrap();
        let mut podman = Self {
            folder,
            service: None,
        };
        for image in [IMAGE, BARE] {
            let file = podman.folder.path().join("image.tar");
            docker(&["save", "-o", file.to_str().unwrap(), image]);
            let mut load = podman.command(&["load", "-q", "-i", file.to_str().unwrap()]);
            let loaded = load.output().unwrap();
            if !loaded.status.success() {
                let why = String::from_utf8_lossy(&loaded.stderr);
                let why = why.trim().lines().last().unwrap_or_default().to_owned();
                not_run(&name, &format!("podman keeps no images here: {why}"));
                return None;
            }
            // What its API makes of a short name.
            podman.does(&[
                "tag",
                &format!("localhost/{image}"),
                &format!("docker.io/library/{image}"),
            ]);
        }
        podman.serve();
        Some(podman)
    }

    fn serve(&mut self) {
        let service = self
            .command(&["system", "service", "--time=0", &self.host()])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        self.service = Some(service);
        let socket = self.folder.path().join("podman/podman.sock");
        eventually("podman's service listens", || {
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
    }

    fn host(&self) -> String {
        format!("unix://{}/podman/podman.sock", self.folder.path().display())
    }

    fn command(&self, args: &[&str]) -> Command {
        let at = |name: &str| self.folder.path().join(name);
        let mut command = Command::new("podman");
        command
            .arg("--root")
            .arg(at("storage"))
            .arg("--runroot")
            .arg(at("run"))
            // Leaves no mounts.
            .args(["--storage-driver", "vfs"])
            .args(args)
            // What watches a container leaves files where it was started.
            .current_dir(self.folder.path())
            .env("CONTAINERS_CONF", at("containers.conf"))
            .env("CONTAINERS_REGISTRIES_CONF", at("registries.conf"))
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env_remove("DOCKER_HOST");
        command
    }

    fn says(&self, args: &[&str]) -> String {
        let ran = self.command(args).output().unwrap();
        String::from_utf8_lossy(&ran.stdout).trim().to_owned()
    }

    #[track_caller]
    fn does(&self, args: &[&str]) {
        let ran = self.command(args).output().unwrap();
        assert!(ran.status.success(), "podman {args:?}: {ran:?}");
    }

    /// The containers that are there, whatever they do.
    /// The containers that are there, whatever they do.
    fn containers(&self) -> String {
        self.says(&["ps", "-a", "--format", "{{.Names}} {{.Status}}"])
    }

    fn start_build(&self, project: &Project, args: &[&str]) -> Running {
        let mut command = super::command(project, args);
        command.env("DOCKER_HOST", self.host());
        command.env("XDG_RUNTIME_DIR", self.folder.path());
        Running::start(command)
    }

    fn build(&self, project: &Project, args: &[&str]) -> Ran {
        self.start_build(project, args).wait()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // Also of a test that has failed.
        self.says(&["rm", "-fa", "-t", "0"]);
        if let Some(mut service) = self.service.take() {
            let _ = service.kill();
            let _ = service.wait();
        }
        // What watches a command in a container stays for five minutes.
        for pid in running(self.folder.path().to_str().unwrap()) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
}

#[test]
fn podman_runs_what_docker_runs() {
    let Some(podman) = Podman::start("podman::podman_runs_what_docker_runs") else {
        return;
    };
    let project = jobs(&[
        ("fails", r#"image: "IMAGE", script: ["echo one; echo two >&2", "exit 7", "echo never"]"#),
        (
            "env",
            r#"image: "IMAGE", container/env: {GREETING: hello there}, script: ['echo "$GREETING $CI $MONKEYCI_JOB_ID"']"#,
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
        (
            "limits",
            r#"image: "IMAGE", memory: 1, script: ["cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || true"]"#,
        ),
        (
            "makes",
            r#"image: "IMAGE", script: ["mkdir -p out/deep; echo data >out/deep/x; ln -s deep/x out/link", "mkdir -p .cache; cat .cache/n 2>/dev/null || true; echo more >>.cache/n"], saveArtifacts: [{id: out, path: out}], caches: [{id: c, path: .cache}]"#,
        ),
        (
            "takes",
            r#"image: "IMAGE", dependencies: [makes], restoreArtifacts: [{id: out, path: in}], script: ["cat in/link"]"#,
        ),
        ("slow", r#"image: "IMAGE", timeout: 1000, script: ["echo before; sleep 60"]"#),
        (
            "hungry",
            r#"image: "IMAGE", memory: 0.05, script: ["tail /dev/zero"]"#,
        ),
        ("no-shell", r#"image: "BARE", script: ["true"]"#),
        ("not-there", r#"image: "monkeyci-test:nowhere", script: ["true"]"#),
        ("arch", r#"image: "IMAGE", arch: amd, script: ["true"]"#),
    ])
    .file("sub/file", "of the checkout\n");
    podman
        .build(&project, &[])
        .exits(1)
        .says("executor: docker (Podman ");
    says(&project, "env", "hello there true env");
    says(&project, "fails", "one\n");
    says(&project, "fails", "two\n");
    assert_eq!(log(&project, "entrypoint"), "a  b $HOME\n");
    assert_eq!(
        log(&project, "work-dir"),
        "/home/monkeyci/sub\nof the checkout\n"
    );
    assert_eq!(log(&project, "mounts"), "of the checkout\n");
    assert_eq!(log(&project, "limits").trim(), (1_u64 << 30).to_string());
    assert_eq!(log(&project, "takes"), "data\n");
    says(&project, "slow", "before");
    let ends = ends(&project);
    assert_eq!(
        (&*ends["fails"].0, &ends["fails"].1["exit"]),
        ("failure", &7.into())
    );
    let said = |job: &str| ends[job].1["message"].as_str().unwrap_or_default();
    assert_eq!(said("slow"), "timed out after 1 s");
    let no_shell = said("no-shell");
    assert!(
        no_shell.contains("has no /bin/sh, which a job with a script needs"),
        "{no_shell}"
    );
    assert!(said("not-there").starts_with("the engine has no image"));
    let failed: Vec<&String> = ends
        .iter()
        .filter(|(_, end)| end.0 != "success")
        .map(|(id, _)| id)
        .collect();
    assert_eq!(failed, ["fails", "hungry", "no-shell", "not-there", "slow"]);
    // Some of them tell, and of others it is a guess.
    assert!(
        said("hungry").contains("out of memory"),
        "{}",
        said("hungry")
    );
    assert_eq!(podman.containers(), "");

    podman.build(&project, &["--job", "makes"]).exits(0);
    assert_eq!(log(&project, "makes"), "more\n");
}

#[test]
fn podmans_containers_end_and_go_as_dockers_do() {
    let Some(podman) = Podman::start("podman::podmans_containers_end_and_go_as_dockers_do") else {
        return;
    };
    let project = jobs(&[
        (
            "polite",
            r#"image: "IMAGE", script: ["trap 'echo tidied; exit 0' TERM; echo up; while :; do sleep 0.1; done"]"#,
        ),
        (
            "deaf",
            r#"image: "IMAGE", script: ["trap '' TERM; echo up; while :; do sleep 0.1; done"]"#,
        ),
    ]);
    let mut build = podman.start_build(&project, &["-j", "2"]);
    build.until("polite │ up").until("deaf   │ up");
    build.signal(Signal::TERM);
    build.wait().exits(3);
    says(&project, "polite", "tidied");
    for (job, (status, _)) in ends(&project) {
        assert_eq!(status, "canceled", "{job}");
    }
    assert_eq!(podman.containers(), "");

    let mut killed = podman.start_build(&project, &["--job", "polite"]);
    killed.until("polite │ up");
    killed.signal(Signal::KILL);
    killed.wait();
    assert_eq!(podman.containers().lines().count(), 1);
    let next = jobs(&[("job", r#"image: "IMAGE", script: ["true"]"#)]);
    std::fs::copy(
        next.dir().join(".monkeyci/build.yaml"),
        project.dir().join(".monkeyci/build.yaml"),
    )
    .unwrap();
    podman.build(&project, &[]).exits(0);
    eventually("what was left is removed", || {
        podman.containers().is_empty()
    });
}

#[test]
fn podman_pulls_and_says_what_the_registry_says() {
    let test = "podman::podman_pulls_and_says_what_the_registry_says";
    let Some(registry) = Registry::that_asks(test) else {
        return;
    };
    let settings = format!(
        "[[registry]]\nlocation = \"127.0.0.1:{}\"\ninsecure = true\n",
        registry.port
    );
    let Some(podman) = Podman::with(test, &settings) else {
        return;
    };
    let tag = registry.put("app:1", "there");
    let pull = |project: &Project, config: &Path| {
        let mut command = registry::pull_command(project, "missing", config);
        command.env("DOCKER_HOST", podman.host());
        Running::start(command).wait()
    };
    let nobody = registry::config("{}");
    let known = registry::config(&registry::auths(registry.port, registry::PASSWORD));
    let project = registry::job_in(&tag.0);
    pull(&project, nobody.path()).exits(1);
    registry::fails_with(&project, "authentication required");
    pull(&project, known.path()).exits(0);
    says(&project, "job", ": Download complete\n");
    says(&project, "job", "there\n");
    let missing = registry::job_in(&registry.name("app:2"));
    pull(&missing, known.path()).exits(1);
    registry::fails_with(&missing, "manifest unknown");
}

#[test]
fn podman_tells_what_a_container_uses() {
    let Some(podman) = Podman::start("podman::podman_tells_what_a_container_uses") else {
        return;
    };
    // Its second sample comes after six seconds.
    let project = jobs(&[("busy", &usage::work(8))]);
    podman.build(&project, &[]).exits(0);
    let events = project.events();
    let told = events.iter().rfind(|it| it["type"] == "tui/resources");
    let used = told.expect("Podman counts, too");
    let number = |key: &str| used[key].as_u64().unwrap_or_default();
    assert!((500..16_000).contains(&number("cpu-ms")), "{used}");
    assert!(number("memory-peak-bytes") >= 50_000_000, "{used}");
}
