//! Images from a registry of our own: when they are pulled, with which credentials, what is told of
//! it, and what is said when it fails.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Child;

use super::relay::{Relay, To};
use super::*;
use crate::screen::Screen;

/// Who may read from the registry that asks.
const USER: &str = "builder";
pub(super) const PASSWORD: &str = "registry-pass";
/// `PASSWORD`, as a registry keeps it.
const HASHED: &str = "$2y$05$abcdefghijklmnopqrstuuPjvWZA9Te8qmmwSCy0c40HUw16Nv/I6";

/// Debian's `docker-registry` on a port of its own, with a storage of its own.
pub(super) struct Registry {
    pub(super) port: u16,
    process: Child,
    folder: tempfile::TempDir,
}

impl Registry {
    /// Starts one, if it can be had; if not, the test is counted as not run.
    fn start(test: &str) -> Option<Self> {
        Self::with(test, "")
    }

    /// Starts one that asks for [`USER`] and [`PASSWORD`].
    pub(super) fn that_asks(test: &str) -> Option<Self> {
        let asks = "auth: {htpasswd: {realm: test, path: FOLDER/users}}";
        Self::with(test, asks)
    }

    fn with(test: &str, more: &str) -> Option<Self> {
        if !engine_is_here(test) {
            return None;
        }
        if !is_installed("docker-registry") {
            not_run(
                &format!("containers::{test}"),
                "there is no docker-registry",
            );
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let path = folder.path().to_str().unwrap();
        std::fs::write(folder.path().join("users"), format!("{USER}:{HASHED}\n")).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {path}/images}}}}\n\
             http: {{addr: '127.0.0.1:{port}', relativeurls: true}}\n{}\n",
            more.replace("FOLDER", path)
        );
        std::fs::write(folder.path().join("config.yml"), config).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(folder.path().join("config.yml"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let registry = Self {
            port,
            process,
            folder,
        };
        eventually("the registry listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Some(registry)
    }

    /// The name of an image here.
    pub(super) fn name(&self, image: &str) -> String {
        format!("127.0.0.1:{}/{image}", self.port)
    }

    /// Puts an image into the registry, whose `/version` is a text, and forgets it here.
    pub(super) fn put(&self, image: &str, version: &str) -> Tag {
        let tag = Tag(self.name(image));
        let made = docker(&["create", IMAGE, "true"]);
        let file = self.folder.path().join("version");
        std::fs::write(&file, version).unwrap();
        let to = format!("{made}:/version");
        docker_does(&["cp", file.to_str().unwrap(), &to]);
        docker_does(&["commit", &made, &tag.0]);
        docker_does(&["rm", &made]);
        let own = config(&auths(self.port, PASSWORD));
        let own = own.path().to_str().unwrap();
        docker_does(&["--config", own, "push", "-q", &tag.0]);
        docker_does(&["rmi", &tag.0]);
        tag
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A name in the engine. It goes with this, and so does what had it before.
pub(super) struct Tag(pub(super) String);

impl Drop for Tag {
    fn drop(&mut self) {
        let name = self.0.rsplit_once(':').map_or(&*self.0, |(name, _)| name);
        let ids = docker(&["images", "-q", "--no-trunc", name]);
        for id in ids.lines() {
            // Only a name of it, when it has another one.
            docker(&["rmi", id]);
        }
        docker(&["rmi", &self.0]);
    }
}

#[track_caller]
fn docker_does(args: &[&str]) {
    let ran = Command::new("docker").args(args).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "docker {args:?}: {said}");
}

/// A folder with a `config.json` of Docker's client.
pub(super) fn config(json: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), json).unwrap();
    folder
}

/// Credentials, as `docker login` keeps them where there is no helper.
pub(super) fn auths(port: u16, password: &str) -> String {
    use base64::Engine as _;
    let pair = format!("{USER}:{password}");
    let pair = base64::engine::general_purpose::STANDARD.encode(pair);
    format!(r#"{{"auths": {{"127.0.0.1:{port}": {{"auth": "{pair}"}}}}}}"#)
}

/// A project with a job in an image.
pub(super) fn job_in(image: &str) -> Project {
    jobs(&[(
        "job",
        &format!(r#"image: "{image}", script: ["cat /version; echo"]"#),
    )])
}

/// Builds, pulling `when`, with the `config.json` of a folder.
fn pull(project: &Project, when: &str, config: &std::path::Path) -> Running {
    Running::start(pull_command(project, when, config))
}

pub(super) fn pull_command(project: &Project, when: &str, config: &std::path::Path) -> Command {
    let args = ["build", "--plain", "--executor", "docker", "--pull", when];
    let mut command = project.command(&args);
    command
        .env_remove("DOCKER_HOST")
        .env("DOCKER_CONFIG", config);
    command
}

/// What the only job came to: its status and message.
fn end(project: &Project) -> (String, String) {
    let (status, result) = ends(project)["job"].clone();
    let message = result["message"].as_str().unwrap_or_default().to_owned();
    (status, message)
}

#[track_caller]
pub(super) fn fails_with(project: &Project, words: &str) {
    let (status, message) = end(project);
    assert!(
        status == "error" && message.contains(words),
        "{status}: {message:?} lacks {words:?}"
    );
}

#[test]
fn images_are_pulled_always_when_missing_or_never() {
    let test = "registry::images_are_pulled_always_when_missing_or_never";
    let Some(registry) = Registry::start(test) else {
        return;
    };
    let nobody = config("{}");
    let first = registry.put("team/app:1", "first");
    let project = job_in(&first.0);

    pull(&project, "never", nobody.path()).wait().exits(1);
    fails_with(
        &project,
        &format!("the engine has no image {}, and --pull is never", first.0),
    );
    pull(&project, "missing", nobody.path()).wait().exits(0);
    says(&project, "job", "first\n");
    says(&project, "job", &format!("pulling {}\n", first.0));
    says(&project, "job", ": Already exists\n");
    says(&project, "job", ": Pull complete\n");
    says(&project, "job", &format!("pulled {}\n", first.0));

    // The tag moves on in the registry; the engine has the old one.
    let kept = Tag(registry.name("kept:1"));
    docker_does(&["tag", &first.0, &kept.0]);
    std::mem::forget(registry.put("team/app:1", "second"));
    docker_does(&["tag", &kept.0, &first.0]);
    for (when, version) in [
        ("missing", "first"),
        ("never", "first"),
        ("always", "second"),
    ] {
        pull(&project, when, nobody.path()).wait().exits(0);
        says(&project, "job", &format!("{version}\n"));
        assert_eq!(
            log(&project, "job").contains("pulling"),
            when == "always",
            "{when}"
        );
    }
}

#[test]
fn a_registry_that_asks_gets_the_users_credentials() {
    let test = "registry::a_registry_that_asks_gets_the_users_credentials";
    let Some(registry) = Registry::that_asks(test) else {
        return;
    };
    let tag = registry.put("app:1", "secret sauce");
    let project = job_in(&tag.0);
    let helper = |name: &str, script: &str| {
        let path = registry
            .folder
            .path()
            .join(format!("docker-credential-{name}"));
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(script.as_bytes()).unwrap();
        file.set_permissions(PermissionsExt::from_mode(0o755))
            .unwrap();
    };
    let asked = registry.folder.path().join("asked");
    helper(
        "test",
        &format!(
            "#!/bin/sh\ntest \"$1\" = get || exit 1\ncat >{}\n\
             echo '{{\"ServerURL\": \"\", \"Username\": \"{USER}\", \"Secret\": \"{PASSWORD}\"}}'\n",
            asked.display()
        ),
    );
    helper(
        "empty",
        "#!/bin/sh\necho 'credentials not found in native keychain'; exit 1\n",
    );
    let path = format!(
        "{}:{}",
        registry.folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    let run = |json: &str| {
        let config = config(json);
        let mut command = pull_command(&project, "always", config.path());
        command.env("PATH", &path);
        let ran = Running::start(command).wait();
        for told in [
            project.run(&["show", "last", "--json"]).out,
            log(&project, "job"),
            ran.out.clone() + &ran.err,
        ] {
            assert!(!told.contains(PASSWORD), "{told}");
        }
        ran
    };
    let port = registry.port;

    // Nobody, and one who is refused: the registry's own words.
    run("{}").exits(1);
    fails_with(&project, "no basic auth credentials");
    run(&auths(port, "wrong")).exits(1);
    fails_with(&project, "unauthorized: authentication required");
    // A helper that knows none is like no helper.
    run(r#"{"credsStore": "empty"}"#).exits(1);
    fails_with(&project, "no basic auth credentials");
    run(r#"{"credsStore": "gone"}"#).exits(1);
    fails_with(&project, "the credential helper docker-credential-gone: ");

    run(&auths(port, PASSWORD)).exits(0);
    says(&project, "job", "secret sauce");
    for json in [
        format!(r#"{{"credHelpers": {{"127.0.0.1:{port}": "test"}}, "credsStore": "empty"}}"#),
        r#"{"credsStore": "test"}"#.to_owned(),
    ] {
        run(&json).exits(0);
        says(&project, "job", "secret sauce");
        let asked_for = std::fs::read_to_string(&asked).unwrap();
        assert_eq!(asked_for, format!("127.0.0.1:{port}"));
        std::fs::remove_file(&asked).unwrap();
    }
}

#[test]
fn what_a_registry_has_not_is_said_in_its_own_words() {
    let test = "registry::what_a_registry_has_not_is_said_in_its_own_words";
    let Some(registry) = Registry::start(test) else {
        return;
    };
    let nobody = config("{}");
    let _tag = registry.put("app:1", "there");
    for (image, words) in [
        (registry.name("app:2"), "manifest unknown"),
        (registry.name("nothing"), "not found"),
        // Nobody listens there.
        (
            format!("127.0.0.1:{}/app:1", free_port()),
            "connection refused",
        ),
        (
            format!("{}@sha256:{}", registry.name("app"), "0".repeat(64)),
            "manifest unknown",
        ),
    ] {
        let project = job_in(&image);
        pull(&project, "missing", nobody.path()).wait().exits(1);
        fails_with(&project, words);
        fails_with(&project, &format!("image {image} cannot be pulled: "));
    }
}

/// An image with a layer of some megabytes that the engine has not, behind a relay.
fn behind_a_relay(registry: &Registry) -> (Relay, Tag, Project) {
    let folder = registry.folder.path().join("large");
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    let busybox = String::from_utf8(
        Command::new("sh")
            .args(["-c", "command -v busybox"])
            .output()
            .unwrap()
            .stdout,
    )
    .unwrap();
    std::fs::copy(busybox.trim(), folder.join("bin/busybox")).unwrap();
    for name in ["sh", "cat", "echo"] {
        std::os::unix::fs::symlink("busybox", folder.join("bin").join(name)).unwrap();
    }
    std::fs::write(folder.join("version"), "large").unwrap();
    // What cannot be compressed.
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise.to_le_bytes()
    })
    .take(750_000)
    .flatten()
    .collect();
    std::fs::write(folder.join("noise"), bytes).unwrap();
    let pushed = Tag(registry.name("large:1"));
    let made = Command::new("sh")
        .args(["-c", "tar -C \"$0\" -c . | docker import - \"$1\""])
        .arg(&folder)
        .arg(&pushed.0)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    docker_does(&["push", "-q", &pushed.0]);
    drop(pushed);
    let relay = Relay::start(To::Port(registry.port));
    let tag = Tag(format!("127.0.0.1:{}/large:1", relay.port));
    let project = job_in(&tag.0);
    (relay, tag, project)
}

/// Lets some of an image come, and then no more; returns what is known of its pull by then.
fn half_pulled(relay: &Relay, project: &Project) -> Value {
    let mut pull = Value::Null;
    // Little by little from when it begins, since an engine tells of it a few times a second; and
    // never all of it.
    let mut steps = 0..100;
    eventually("some of the image has come", || {
        if pull.is_object() && steps.next().is_some() {
            relay.allow(50_000);
        }
        let events = project.run(&["show", "last", "--json"]).out;
        let mut events = crate::harness::json_lines(&events).into_iter();
        let found = events.rfind(|event| event["type"] == "tui/pulling");
        pull = found.unwrap_or_default();
        pull["bytes"].as_u64() > Some(1_000_000)
    });
    pull
}

#[test]
fn the_jobs_row_says_how_far_a_pull_is() {
    let test = "registry::the_jobs_row_says_how_far_a_pull_is";
    let Some(registry) = Registry::start(test) else {
        return;
    };
    let (relay, _tag, project) = behind_a_relay(&registry);
    let nobody = config("{}");
    relay.hold_after(0);
    let args = ["build", "--executor", "docker"];
    let mut command = Screen::command(&project, &args);
    command.env_remove("DOCKER_HOST");
    command.env("DOCKER_CONFIG", nobody.path());
    let mut screen = Screen::run(command, (120, 30));
    let pull = half_pulled(&relay, &project);
    let megabytes = |key: &str| pull[key].as_u64().unwrap() / 1_000_000;
    let (come, whole) = (megabytes("bytes"), megabytes("total") + 1);
    screen.until(&format!("pulling 0/1 layers {come}/{whole} MB"));
    relay.release();
    screen.until("SUCCESS");
    screen.keys("q");
    screen.ends(0);
    let events = project.events();
    let of = |name: &str| events.iter().filter(|event| event["type"] == name).count();
    assert!(
        (2..20).contains(&of("tui/pulling")),
        "{}",
        of("tui/pulling")
    );
    assert_eq!(of("tui/pulled"), 1);
}

#[test]
fn a_pull_that_stalls_can_be_canceled() {
    let test = "registry::a_pull_that_stalls_can_be_canceled";
    let Some(registry) = Registry::start(test) else {
        return;
    };
    let (relay, _tag, project) = behind_a_relay(&registry);
    let nobody = config("{}");
    relay.hold_after(0);
    let mut build = pull(&project, "missing", nobody.path());
    half_pulled(&relay, &project);
    build.signal(Signal::TERM);
    build.wait().exits(3);
    assert_eq!(end(&project).0, "canceled");
    assert!(containers_of(&project).is_empty());
}

#[test]
fn a_registry_that_goes_away_is_tried_again_by_the_engine_which_the_log_tells() {
    let test =
        "registry::a_registry_that_goes_away_is_tried_again_by_the_engine_which_the_log_tells";
    let Some(registry) = Registry::start(test) else {
        return;
    };
    let (relay, _tag, project) = behind_a_relay(&registry);
    let nobody = config("{}");
    relay.hold_after(0);
    let mut build = pull(&project, "missing", nobody.path());
    half_pulled(&relay, &project);
    drop(relay);
    build.until("Retrying in");
    // Docker Engine gives up after a minute or so.
    build.signal(Signal::TERM);
    build.wait().exits(3);
}
