//! Engines elsewhere: by TCP, with TLS, over ssh. The engine of this machine plays them, behind a
//! port or a stand-in: it sees no path of ours all the same, because nobody tells it one.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::relay::{Relay, To};
use super::*;
use crate::counted::stand_in;
use crate::harness::{family, runs_somewhere};

const SOCKET: &str = "/var/run/docker.sock";

/// Builds with the engine that `DOCKER_HOST` names.
fn at(project: &Project, host: &str) -> Command {
    let mut command = command(project, &[]);
    command
        .env("DOCKER_HOST", host)
        .env_remove("DOCKER_TLS_VERIFY")
        .env_remove("DOCKER_CERT_PATH")
        .env_remove("SSH_ASKPASS");
    command
}

/// What a job's container is to the engine.
fn inspect(project: &Project, format: &str) -> String {
    let ids = containers_of(project);
    docker(&["inspect", "--format", format, &ids[0]])
}

/// A build whose jobs take all that passes between us and an engine: the workspace, artifacts,
/// caches, output, exit statuses, and the script API's token.
fn all_that_passes() -> Project {
    jobs(&[
        (
            "makes",
            r#"image: "IMAGE", script: ["cat file", "mkdir out; echo data >out/x"], saveArtifacts: [{id: out, path: out}], caches: [{id: c, path: .cache}]"#,
        ),
        (
            "takes",
            r#"image: "IMAGE", dependencies: [makes], restoreArtifacts: [{id: out, path: in}], script: ["cat in/x; echo wrong >&2", "exit 7"]"#,
        ),
        (
            "mounts",
            r#"image: "IMAGE", container/mounts: [[sub, /mounted]], script: ["true"]"#,
        ),
    ])
    .file("file", "of the checkout\n")
    .file("sub/file", "")
}

#[track_caller]
fn all_has_passed(project: &Project, place: &str) {
    assert_eq!(log(project, "makes"), "of the checkout\n");
    says(project, "takes", "data\n");
    says(project, "takes", "wrong\n");
    let ends = ends(project);
    assert_eq!(
        (&*ends["takes"].0, &ends["takes"].1["exit"]),
        ("failure", &7.into())
    );
    assert_eq!(
        ends["mounts"].1["message"],
        "mounts: the engine runs on another machine"
    );
    let executor = project
        .events()
        .into_iter()
        .find(|event| event["type"] == "tui/executor")
        .unwrap();
    let reason = executor["message"].as_str().unwrap();
    assert!(reason.contains(place), "{reason}");
    assert!(containers_of(project).is_empty());
}

#[test]
fn a_whole_build_needs_nothing_but_the_engines_api() {
    if !engine_is_here("engines::a_whole_build_needs_nothing_but_the_engines_api") {
        return;
    }
    let relay = Relay::start(To::Socket(SOCKET.into()));
    let host = format!("tcp://127.0.0.1:{}", relay.port);
    let project = all_that_passes();
    Running::start(at(&project, &host)).wait().exits(1);
    all_has_passed(&project, &format!("{host}, DOCKER_HOST"));
}

#[test]
fn a_remote_engine_is_given_no_path_and_its_ports_are_reached_by_its_name() {
    if !engine_is_here(
        "engines::a_remote_engine_is_given_no_path_and_its_ports_are_reached_by_its_name",
    ) {
        return;
    }
    let relay = Relay::start(To::Socket(SOCKET.into()));
    let project = jobs(&[(
        "job",
        r#"image: "IMAGE", api: true, expose: [8080], script: ["echo served >index.html; echo up; httpd -f -p 8080"]"#,
    )]);
    let mut build = Running::start(at(&project, &format!("tcp://127.0.0.1:{}", relay.port)));
    build.until("│ up");
    let mounted = inspect(&project, "{{json .HostConfig.Binds}} {{json .Mounts}}");
    assert!(["null []", "[] []"].contains(&&*mounted), "{mounted}");
    let agent = project
        .events()
        .into_iter()
        .find(|event| event["agent"].is_object())
        .expect("its address is told")["agent"]
        .clone();
    assert_eq!(agent["address"], "127.0.0.1");
    let port: u16 = agent["ports"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    eventually("its port is reached", || {
        let Ok(mut page) = std::net::TcpStream::connect(("127.0.0.1", port)) else {
            return false;
        };
        let mut text = String::new();
        page.write_all(b"GET / HTTP/1.0\r\n\r\n").is_ok()
            && page.read_to_string(&mut text).is_ok()
            && text.contains("served")
    });
    build.signal(Signal::TERM);
    build
        .wait()
        .exits(3)
        .says("api: the engine runs on another machine");
    assert!(containers_of(&project).is_empty());
}

#[test]
fn the_engine_is_asked_by_the_version_of_the_api_that_both_know() {
    if !engine_is_here("engines::the_engine_is_asked_by_the_version_of_the_api_that_both_know") {
        return;
    }
    let relay = Relay::start(To::Socket(SOCKET.into()));
    let project = jobs(&[("job", r#"image: "IMAGE", script: ["true"]"#)]);
    let host = format!("tcp://127.0.0.1:{}", relay.port);
    Running::start(at(&project, &host)).wait().exits(0);
    let theirs = docker(&["version", "--format", "{{.Server.APIVersion}}"]);
    let requests = relay.requests();
    assert_eq!(requests[0], "GET /version");
    assert!(requests.len() > 5, "{requests:?}");
    for request in &requests[1..] {
        assert!(request.contains(&format!(" /v{theirs}/")), "{request}");
    }
}

/// Something that answers every request in the same way; ends with the test.
fn answers(body: &'static str) -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut asked in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let length = body.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            // One that goes away is none of our business.
            let _ = asked.read(&mut request);
            let _ = asked.write_all(answer.as_bytes());
        }
    });
    port
}

#[test]
fn an_engine_that_cannot_be_used_is_named_with_the_reason() {
    let project = jobs(&[("job", r#"image: "IMAGE", script: ["true"]"#)]);
    let old = answers(r#"{"Version": "19.03", "ApiVersion": "1.40", "MinAPIVersion": "1.12"}"#);
    let new = answers(r#"{"Version": "99.0", "ApiVersion": "1.999", "MinAPIVersion": "1.998"}"#);
    for (host, reason) in [
        (
            format!("tcp://127.0.0.1:{old}"),
            "its API is 1.40, and this program needs 1.41 (Docker Engine 20.10) or newer",
        ),
        (
            format!("tcp://127.0.0.1:{new}"),
            "the oldest API it has is 1.998",
        ),
        (
            format!("tcp://127.0.0.1:{}", free_port()),
            "(DOCKER_HOST): Connection refused",
        ),
        ("unix:///no/engine.sock".to_owned(), "(DOCKER_HOST): "),
        (
            "ssh://-oProxyCommand=touch/x".to_owned(),
            "DOCKER_HOST names an engine over ssh, but its host is none",
        ),
        (
            "ssh://me:hunter2@far".to_owned(),
            "it has a password in it, which ssh does not take",
        ),
    ] {
        Running::start(at(&project, &host))
            .wait()
            .exits(2)
            .says(reason)
            .keeps_quiet_about("hunter2");
    }
}

// ---------------------------------------------------------------- TLS

/// An authority, and what it has signed, made by the openssl program.
struct Authority(tempfile::TempDir);

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let make = r#"
            set -e
            key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }
            signed() {
                key "$1-key.pem"
                openssl req -new -key "$1-key.pem" -subj "/CN=$1" -out "$1.csr"
                printf '%s\n' "subjectAltName=IP:127.0.0.1" "extendedKeyUsage=$2" >"$1.ext"
                openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile "$1.ext" -out "$1-cert.pem"
            }
            key ca-key.pem
            openssl req -x509 -key ca-key.pem -subj "/CN=$(basename "$PWD")" -days 2 -out ca.pem
            signed engine serverAuth
            signed client clientAuth
        "#;
        let made = Command::new("sh")
            .args(["-c", make])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        Self(folder)
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// What an engine is set up with that wants to see a certificate of this authority.
    fn server(&self) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.file("ca.pem")).unwrap())
            .unwrap();
        let clients = WebPkiClientVerifier::builder(roots.into()).build().unwrap();
        let certificate = CertificateDer::from_pem_file(self.file("engine-cert.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.file("engine-key.pem")).unwrap();
        ServerConfig::builder()
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![certificate], key)
            .unwrap()
    }

    /// A folder as `DOCKER_CERT_PATH` names one: `authority` is who is believed, this has signed us.
    fn client(&self, authority: &Self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (from, to) in [
            (authority.file("ca.pem"), "ca.pem"),
            (self.file("client-cert.pem"), "cert.pem"),
            (self.file("client-key.pem"), "key.pem"),
        ] {
            std::fs::copy(from, folder.path().join(to)).unwrap();
        }
        folder
    }
}

#[test]
fn with_tls_both_sides_show_a_certificate() {
    let test = "engines::with_tls_both_sides_show_a_certificate";
    if !engine_is_here(test) {
        return;
    }
    if !is_installed("openssl") {
        not_run(
            &format!("containers::{test}"),
            "there is no openssl program",
        );
        return;
    }
    let (ours, other) = (Authority::new(), Authority::new());
    let relay = Relay::with_tls(To::Socket(SOCKET.into()), ours.server());
    let host = format!("tcp://127.0.0.1:{}", relay.port);
    let run = |project: &Project, folder: &Path| {
        let mut command = at(project, &host);
        command
            .env("DOCKER_TLS_VERIFY", "1")
            .env("DOCKER_CERT_PATH", folder);
        Running::start(command).wait()
    };
    let project = all_that_passes();
    run(&project, ours.client(&ours).path()).exits(1);
    all_has_passed(&project, &format!("{host}, DOCKER_HOST"));

    let job = jobs(&[("job", r#"image: "IMAGE", script: ["true"]"#)]);
    // One that we do not believe, and one that does not believe us.
    run(&job, ours.client(&other).path())
        .exits(2)
        .says("invalid peer certificate: UnknownIssuer");
    run(&job, other.client(&ours).path())
        .exits(2)
        .says("received fatal alert: ");
    let nobody = tempfile::tempdir().unwrap();
    run(&job, nobody.path())
        .exits(2)
        .says("ca.pem: there is no such file");
    std::fs::copy(ours.file("ca.pem"), nobody.path().join("ca.pem")).unwrap();
    run(&job, nobody.path())
        .exits(2)
        .says("received fatal alert: CertificateRequired");
    // In clear text to a port that wants TLS.
    Running::start(at(&job, &host))
        .wait()
        .exits(2)
        .says("(DOCKER_HOST): ");

    // By a context, as `docker context create` keeps it.
    let config = tempfile::tempdir().unwrap();
    let meta = config.path().join("contexts/meta/0a");
    std::fs::create_dir_all(&meta).unwrap();
    let text = format!(r#"{{"Name": "far", "Endpoints": {{"docker": {{"Host": "{host}"}}}}}}"#);
    std::fs::write(meta.join("meta.json"), text).unwrap();
    let tls = config.path().join("contexts/tls/0a/docker");
    std::fs::create_dir_all(&tls).unwrap();
    for (from, to) in [
        ("ca.pem", "ca.pem"),
        ("client-cert.pem", "cert.pem"),
        ("client-key.pem", "key.pem"),
    ] {
        std::fs::copy(ours.file(from), tls.join(to)).unwrap();
    }
    let mut command = at(&job, "");
    command
        .env("DOCKER_CONFIG", config.path())
        .env("DOCKER_CONTEXT", "far");
    Running::start(command)
        .wait()
        .exits(0)
        .says(&format!("{host}, DOCKER_CONTEXT, far"));
}

// ---------------------------------------------------------------- ssh

/// A folder for `PATH` with a program in it that is called `ssh`.
fn ssh_that(script: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ssh");
    std::fs::write(
        &file,
        script.replace("FOLDER", folder.path().to_str().unwrap()),
    )
    .unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    (folder, path)
}

#[test]
fn over_ssh_the_engine_is_dockers_own_over_there() {
    let test = "engines::over_ssh_the_engine_is_dockers_own_over_there";
    if !engine_is_here(test) {
        return;
    }
    stand_in(
        &format!("containers::{test}"),
        "a script plays ssh and the other machine",
    );
    let (folder, path) = ssh_that(
        "#!/bin/sh\necho \"$*\" >>FOLDER/asked\n\
         while [ \"$1\" != docker ]; do shift; done\n\
         \"$@\"; status=$?; echo over >>FOLDER/over; exit $status\n",
    );
    let project = all_that_passes();
    let mut command = at(
        &project,
        "ssh://me@far.example.com:2222/var/run/docker.sock",
    );
    command.env("PATH", &path);
    Running::start(command).wait().exits(1);
    all_has_passed(
        &project,
        "ssh://me@far.example.com:2222/var/run/docker.sock, DOCKER_HOST",
    );
    let lines = |name: &str| {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let asked = lines("asked");
    for line in &asked {
        assert_eq!(
            line,
            "-o BatchMode=yes -o ConnectTimeout=30 -T -l me -p 2222 -- far.example.com \
             docker --host=unix:///var/run/docker.sock system dial-stdio"
        );
    }
    // Connections are used again: a request a connection would be some thirty.
    assert!((1..12).contains(&asked.len()), "{}", asked.len());
    eventually("none of them is left", || {
        !runs_somewhere(folder.path().to_str().unwrap())
    });
}

#[test]
fn what_ssh_says_is_said_when_there_is_no_connection() {
    let project = jobs(&[("job", r#"image: "IMAGE", script: ["true"]"#)]);
    stand_in(
        "containers::engines::what_ssh_says_is_said_when_there_is_no_connection",
        "a script plays ssh",
    );
    for (script, said) in [
        (
            "echo 'Warning: Permanently added far' >&2; echo 'me@far: Permission denied (publickey).' >&2; exit 255",
            "cannot reach the engine over ssh: me@far: Permission denied (publickey).",
        ),
        (
            "cat >/dev/null & echo 'sh: docker: not found' >&2; exit 127",
            "cannot reach the engine over ssh: sh: docker: not found",
        ),
        (
            "exit 3",
            "cannot reach the engine over ssh: ssh has ended with exit status: 3",
        ),
        (
            "yes 'a very long story' | head -c 10000000 >&2; printf '\\n\\033[31mno\\n' >&2; exit 1",
            "cannot reach the engine over ssh:  [31mno",
        ),
        // It ends well without a word.
        ("exit 0", "(DOCKER_HOST): "),
        ("echo 'Welcome to this machine!'", "(DOCKER_HOST): "),
    ] {
        let (_folder, path) = ssh_that(&format!("#!/bin/sh\n{script}\n"));
        let mut command = at(&project, "ssh://far");
        command.env("PATH", path);
        Running::start(command).wait().exits(2).says(said);
    }
    let nothing = tempfile::tempdir().unwrap();
    let mut command = at(&project, "ssh://far");
    command.env("PATH", nothing.path());
    let said = "cannot reach the engine over ssh: there is no program `ssh`";
    Running::start(command).wait().exits(2).says(said);
}

#[test]
fn no_ssh_outlives_the_program() {
    let test = "engines::no_ssh_outlives_the_program";
    if !engine_is_here(test) {
        return;
    }
    stand_in(
        &format!("containers::{test}"),
        "a script plays ssh and the other machine",
    );
    let project = jobs(&[
        ("job", r#"image: "IMAGE", script: ["echo up; sleep 600"]"#),
        ("other", r#"image: "IMAGE", script: ["true"]"#),
    ]);
    for signal in [Signal::TERM, Signal::KILL] {
        let (folder, path) = ssh_that(
            "#!/bin/sh\nunset DOCKER_HOST\nwhile [ \"$1\" != docker ]; do shift; done\n\"$@\"\n",
        );
        let mut command = at(&project, "ssh://far");
        command.env("PATH", path);
        let mut build = Running::start(command);
        build.until("│ up");
        let all = family(build.pid());
        assert!(all.len() > 1, "ssh runs");
        build.signal(signal);
        build.wait();
        if signal == Signal::KILL {
            // The next start removes the container, which is what the last one listens to.
            let mut next = super::command(&project, &["--job", "other"]);
            next.env_remove("DOCKER_HOST");
            Running::start(next).wait().exits(0);
        }
        eventually("all that it has started has ended", || {
            let is_there = |pid: &i32| Path::new(&format!("/proc/{pid}")).exists();
            !all.iter().any(is_there) && !runs_somewhere(folder.path().to_str().unwrap())
        });
        assert!(containers_of(&project).is_empty());
    }
}

/// A real sshd on a port of this machine, for this user, with keys of its own.
struct Sshd {
    port: u16,
    folder: tempfile::TempDir,
    process: Child,
}

impl Sshd {
    fn start(test: &str) -> Option<Self> {
        let sshd = Path::new("/usr/sbin/sshd");
        if !sshd.exists() || !is_installed("ssh") {
            not_run(&format!("containers::{test}"), "there is no openssh-server");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let port = free_port();
        let key = |name: &str| {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(folder.path().join(name))
                .output()
                .unwrap();
            assert!(made.status.success(), "{made:?}");
        };
        key("host");
        key("mine");
        key("other");
        std::fs::copy(
            folder.path().join("mine.pub"),
            folder.path().join("allowed"),
        )
        .unwrap();
        let public = std::fs::read_to_string(folder.path().join("host.pub")).unwrap();
        std::fs::write(
            folder.path().join("known"),
            format!("[127.0.0.1]:{port} {public}"),
        )
        .unwrap();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {path}/host\nPidFile none\n\
             AuthorizedKeysFile {path}/allowed\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
        );
        std::fs::write(folder.path().join("sshd_config"), config).unwrap();
        // Where it confines its own parts.
        let _ = std::fs::create_dir_all("/run/sshd");
        let process = Command::new(sshd)
            .args(["-D", "-e", "-f"])
            .arg(folder.path().join("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let server = Self {
            port,
            folder,
            process,
        };
        eventually("sshd listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Some(server)
    }

    /// The user's own ssh, with the configuration of a user that has this key and knows these hosts.
    fn client(&self, key: &str, known: &str) -> (tempfile::TempDir, String) {
        let path = self.folder.path().display();
        let config = self.folder.path().join("config");
        let text = format!(
            "Host far\n HostName 127.0.0.1\n Port {}\nHost *\n IdentityFile {path}/{key}\n \
             IdentitiesOnly yes\n IdentityAgent none\n UserKnownHostsFile {path}/{known}\n \
             GlobalKnownHostsFile none\n",
            self.port
        );
        std::fs::write(&config, text).unwrap();
        let real = Command::new("sh")
            .args(["-c", "command -v ssh"])
            .output()
            .unwrap();
        let real = String::from_utf8(real.stdout).unwrap();
        ssh_that(&format!(
            "#!/bin/sh\nexec {} -F {} \"$@\"\n",
            real.trim(),
            config.display()
        ))
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_real_sshd_leads_to_the_engine_or_says_why_not() {
    let test = "engines::a_real_sshd_leads_to_the_engine_or_says_why_not";
    if !engine_is_here(test) {
        return;
    }
    let Some(sshd) = Sshd::start(test) else {
        return;
    };
    let run = |project: &Project, host: &str, key: &str, known: &str| {
        let (_folder, path) = sshd.client(key, known);
        let mut command = at(project, host);
        command.env("PATH", path);
        Running::start(command).wait()
    };
    let project = all_that_passes();
    // `far` is a name in the user's configuration only.
    std::fs::write(sshd.folder.path().join("aliased"), {
        let public = std::fs::read_to_string(sshd.folder.path().join("host.pub")).unwrap();
        format!("[127.0.0.1]:{} {public}", sshd.port)
    })
    .unwrap();
    run(&project, "ssh://far", "mine", "aliased").exits(1);
    all_has_passed(&project, "ssh://far, DOCKER_HOST");

    let job = jobs(&[("job", r#"image: "IMAGE", script: ["true"]"#)]);
    let host = format!("ssh://127.0.0.1:{}", sshd.port);
    run(&job, &host, "mine", "known").exits(0);
    run(&job, &host, "other", "known")
        .exits(2)
        .says("cannot reach the engine over ssh: ")
        .says("Permission denied (publickey");
    run(&job, &host, "mine", "nobody")
        .exits(2)
        .says("cannot reach the engine over ssh: Host key verification failed.");
    run(
        &job,
        &format!("ssh://127.0.0.1:{}", free_port()),
        "mine",
        "known",
    )
    .exits(2)
    .says("Connection refused");
    run(&job, &format!("{host}/no/such.sock"), "mine", "known")
        .exits(2)
        .says("cannot reach the engine over ssh: ");
}
