//! Commands that talk to a MonkeyCI server: the recorded answers of a real one, on loopback.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use super::harness::{Project, Ran, Running, json_lines};
use super::playback::{Answer, ORG, Playback, TOKEN};

/// A project, a home, and a server.
struct Rig {
    project: Project,
    server: Playback,
}

impl Rig {
    fn new() -> Self {
        Self {
            project: Project::empty(),
            server: Playback::start(),
        }
    }

    /// Logged in, with the credential in a file.
    fn logged_in() -> Self {
        let rig = Self::new();
        rig.login(&["--org", ORG], TOKEN).exits(0);
        rig
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = self.project.command(args);
        // The keyring of whoever runs these tests is none of their business.
        command
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/bus")
            .env_remove("MONKEYCI_TUI_SERVER")
            .env_remove("MONKEYCI_TUI_TOKEN")
            .env_remove("MONKEYCI_TUI_URL");
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Running::start(self.command(args)).wait()
    }

    /// `login` in the server, with a credential by stdin, into the file.
    fn login(&self, more: &[&str], stdin: &str) -> Ran {
        let url = self.server.url();
        let mut args = vec!["login", &url, "--token-stdin", "--store", "file"];
        args.extend(more);
        with_stdin(self.command(&args), stdin)
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.project.home().join("config").join(name)
    }

    fn builds_path() -> String {
        format!("/org/{ORG}/repo/demo-repo/builds")
    }
}

fn with_stdin(mut command: std::process::Command, text: &str) -> Ran {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // A program that does not ask may have ended.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    child.wait_with_output().unwrap().into()
}

#[test]
fn a_login_is_tried_and_kept_for_its_owner() {
    let rig = Rig::new();
    std::fs::create_dir_all(rig.file("")).unwrap();
    let mine = "# mine\n[storage]\nkind = \"folder\" # as ever\n";
    std::fs::write(rig.file("config.toml"), mine).unwrap();
    rig.login(&["--org", ORG], TOKEN)
        .exits(0)
        .says(&format!(
            "logged in to {} as server \"local\"",
            rig.server.url()
        ))
        .says("org: seed-org (Seed Org)")
        .complains("runs MonkeyCI 0.1.0-SNAPSHOT")
        .complains("not encrypted")
        .keeps_quiet_about(TOKEN);
    let config = std::fs::read_to_string(rig.file("config.toml")).unwrap();
    assert_eq!(
        config,
        format!(
            "{mine}\n[servers.local]\nurl = \"{}\"\norg = \"{ORG}\"\n",
            rig.server.url()
        )
    );
    let kept = std::fs::metadata(rig.file("credentials.edn")).unwrap();
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);

    rig.run(&["servers"])
        .exits(0)
        .says(&format!("* local            {}", rig.server.url()))
        .says("file")
        .keeps_quiet_about(TOKEN);
    rig.run(&["whoami"])
        .exits(0)
        .says("credential: API token (from the file)")
        .says("org: seed-org (Seed Org)")
        .keeps_quiet_about(TOKEN);

    rig.run(&["logout"]).exits(0).says("removed from the file");
    assert!(!rig.file("credentials.edn").exists());
    rig.run(&["whoami"])
        .exits(2)
        .complains("nobody is logged in");
    // The keyring cannot be asked, which is said as well.
    rig.run(&["logout"]).exits(2).complains("keyring");
}

#[test]
fn a_wrong_credential_is_not_kept() {
    let rig = Rig::new();
    rig.login(&["--org", ORG], "wrong\n")
        .exits(2)
        .complains("does not accept the credential")
        .keeps_quiet_about("Token wrong");
    rig.login(&[], TOKEN).exits(2).complains("--org");
    rig.login(&["--org", ORG], "")
        .exits(2)
        .complains("no credential was given");
    rig.login(&["--org", ORG, "--jwt"], TOKEN)
        .exits(2)
        .complains("no login token (JWT)");
    assert!(!rig.file("credentials.edn").exists());
    assert!(!rig.file("config.toml").exists());
    rig.run(&["servers"])
        .exits(0)
        .complains("no MonkeyCI server is known");
}

#[test]
fn without_a_keyring_a_login_says_what_else_there_is() {
    let rig = Rig::new();
    let url = rig.server.url();
    let args = ["login", &url, "--token-stdin", "--org", ORG];
    with_stdin(rig.command(&args), TOKEN)
        .exits(2)
        .complains("the keyring of this system cannot be used")
        .complains("--store file");
    assert!(rig.server.came().is_empty(), "said before anything else");
    // Where nobody can be asked, that is said.
    rig.run(&["login", &url, "--org", ORG, "--store", "file"])
        .exits(2)
        .complains("--token-stdin");
}

#[test]
fn a_login_of_the_web_app_is_tried_with_its_user_and_org() {
    let rig = Rig::new();
    // {"alg":"RS256"}.{"sub":"github/1234","exp":4102444800000}
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJnaXRodWIvMTIzNCIsImV4cCI6NDEwMjQ0NDgwMDAwMH0.c2ln";
    let answers = [
        (
            "/user/github/1234",
            "{:id \"u1\" :type \"github\" :email \"a@b.c\" :orgs [\"o1\"]}",
        ),
        (
            "/user/u1/orgs",
            "({:id \"o1\" :name \"One\" :display-id \"one\"})",
        ),
        (
            "/org/o1",
            "{:id \"o1\" :name \"One\" :display-id \"one\" :repos ()}",
        ),
    ];
    for (path, answer) in answers {
        rig.server.will("GET", path, Answer::edn(200, answer));
    }
    rig.login(&["--jwt", "--name", "work"], &format!("{jwt}\nrefresh-1\n"))
        .exits(0)
        .says("user: a@b.c (github)")
        .says("org where none is named: one");
    let tried = rig.server.came().pop().unwrap();
    assert_eq!(tried.path, "/org/o1");
    assert_eq!(tried.headers["authorization"], format!("Bearer {jwt}"));

    // It has run out; the new pair is kept where the old one was.
    let path = "/org/one";
    for answer in [
        Answer::edn(401, "{:error \"Unauthenticated\"}"),
        Answer::edn(200, "{:id \"o1\" :name \"One\" :repos ()}"),
    ] {
        rig.server.will("GET", path, answer);
    }
    for (path, answer) in &answers[..2] {
        rig.server.will("GET", path, Answer::edn(200, answer));
    }
    let renewed = jwt.replace("c2ln", "bmV3");
    let pair = format!("{{:token \"{renewed}\" :refresh-token \"refresh-2\"}}");
    rig.server
        .will("POST", "/github/refresh", Answer::edn(200, &pair));
    rig.run(&["whoami"])
        .exits(0)
        .says("credential: login, valid for")
        .keeps_quiet_about("refresh-");
    let kept = std::fs::read_to_string(rig.file("credentials.edn")).unwrap();
    assert!(
        kept.contains("refresh-2") && kept.contains(&renewed),
        "{kept}"
    );
    assert!(!kept.contains("refresh-1"));
}

#[test]
fn a_credential_is_not_sent_to_another_address() {
    let rig = Rig::logged_in();
    let other = Playback::start();
    let config = std::fs::read_to_string(rig.file("config.toml")).unwrap();
    let changed = config.replace(&rig.server.url(), &other.url());
    std::fs::write(rig.file("config.toml"), changed).unwrap();
    rig.run(&["whoami"]).exits(2).complains("was kept for");
    let target = format!("{}/org/{ORG}/repo/demo-repo", rig.server.url());
    // An address that nobody has logged in to gets nothing, whatever the environment has.
    let mut command = rig.command(&["trigger", &target]);
    command.env("MONKEYCI_TUI_TOKEN", "hunter2");
    Running::start(command).wait().exits(2).complains("log in");
    assert!(other.came().is_empty());
    for came in rig.server.came().iter().skip(3) {
        assert!(!came.headers.contains_key("authorization"), "{came:?}");
    }
}

#[test]
fn the_environment_alone_is_enough() {
    let rig = Rig::new();
    let run = |args: &[&str]| {
        let mut command = rig.command(args);
        command
            .env("MONKEYCI_TUI_URL", rig.server.url())
            .env("MONKEYCI_TUI_TOKEN", TOKEN);
        Running::start(command).wait()
    };
    run(&["servers"]).exits(0).says("* environment");
    let repo = format!("{ORG}/demo-repo");
    run(&["list", "--server", "environment", "--repo", &repo])
        .exits(0)
        .says("build-3")
        .says("running");
    run(&["show", &format!("{repo}/1")])
        .exits(0)
        .says("success");
    run(&["trigger", &repo]).exits(0).says("build-4");
}

#[test]
fn a_triggered_build_is_found_by_its_number_and_branch() {
    let rig = Rig::logged_in();
    let repo = format!("{ORG}/demo-repo");
    // Parameters come from the environment too; none of their values is shown.
    let mut command = rig.command(&[
        "trigger", &repo, "--branch", "dev", "--param", "KEY_One", "--param", "b=c",
    ]);
    command.env("KEY_One", "hunter2");
    Running::start(command)
        .wait()
        .exits(0)
        .says(&format!("{ORG}/demo-repo/build-5\n"))
        .keeps_quiet_about("hunter2");
    let came = rig.server.came();
    let order = came.iter().find(|came| came.method == "POST").unwrap();
    assert_eq!(order.headers["content-type"], "application/edn");
    assert!(
        order.body.contains(r#""KEY_One" "hunter2""#),
        "{}",
        order.body
    );

    rig.run(&["trigger", &format!("{ORG}/nope")])
        .exits(2)
        .complains("its repos: demo-repo, public-repo");
    rig.run(&["trigger", "x"])
        .exits(2)
        .complains("no server is called \"x\"");
}

#[test]
fn a_build_is_followed_to_its_end() {
    for (status, jobs, code) in [
        ("success", r#"({:id "test" :status :success})"#, 0),
        (
            "error",
            r#"({:id "test" :status :failure :result {:message "exit 1"}})"#,
            1,
        ),
        ("error", "()", 2),
        ("canceled", r#"({:id "test" :status :canceled})"#, 3),
    ] {
        let rig = Rig::logged_in();
        let path = format!("{}/build-4", Rig::builds_path());
        let build = |status: &str, jobs: &str| {
            format!(
                "{{:org-id \"{ORG}\" :repo-id \"demo-repo\" :build-id \"build-4\" :idx 4 \
                 :status :{status} :script {{:jobs {jobs}}}}}"
            )
        };
        // First it runs; an event says more, and at the end it is asked for once.
        let running = build("running", r#"({:id "test" :status :running})"#);
        rig.server.will("GET", &path, Answer::edn(200, &running));
        rig.server
            .will("GET", &path, Answer::edn(200, &build(status, jobs)));
        let event = format!(
            "data: {{:type :ping}}\n\ndata: {{:type :build/updated :build {}}}\n\n",
            build(status, jobs)
        );
        let stream = vec![("content-type", "text/event-stream".to_owned())];
        let events = format!("/org/{ORG}/events");
        rig.server
            .will("GET", &events, Answer::Silent(stream, event.into()));
        let ran = rig
            .run(&["trigger", &format!("{ORG}/demo-repo"), "--follow"])
            .exits(code)
            .says(&format!("{ORG}/demo-repo/build-4\n"))
            .says(&format!("build-4 {status}"));
        if code == 1 {
            ran.says("  test failure: exit 1");
        }
    }
}

#[test]
fn a_build_is_followed_without_a_stream_too() {
    let rig = Rig::logged_in();
    let path = format!("{}/build-4", Rig::builds_path());
    let events = format!("/org/{ORG}/events");
    rig.server.will("GET", &events, Answer::bare(404, None));
    let build = format!(
        "{{:org-id \"{ORG}\" :repo-id \"demo-repo\" :build-id \"build-4\" :status :success}}"
    );
    rig.server.will("GET", &path, Answer::bare(500, None));
    rig.server.will("GET", &path, Answer::edn(200, &build));
    rig.run(&["trigger", &format!("{ORG}/demo-repo"), "--follow"])
        .exits(0)
        .says("build-4 success")
        .complains("it is tried again");
}

#[test]
fn builds_on_a_server_are_stopped_and_approved_after_a_look() {
    let rig = Rig::logged_in();
    let running = format!("{ORG}/demo-repo/build-3");
    let over = format!("{ORG}/demo-repo/1");
    rig.run(&["cancel", &running]).exits(0).says("asked");
    rig.run(&["cancel", &over])
        .exits(2)
        .complains("is over (success)");
    rig.run(&["unblock", "gate", &over])
        .exits(2)
        .complains("is over");
    rig.run(&["unblock", "gate", &running])
        .exits(2)
        .complains("job \"gate\" is pending, not blocked");
    let blocked = "{:org-id \"o\" :repo-id \"r\" :build-id \"build-1\" :status :running :script {:jobs \
                   ({:id \"gate\" :status :blocked} {:id \"b c\" :status :blocked})}}";
    let path = "/org/o/repo/r/builds/build-1";
    for job in ["gate", "all"] {
        rig.server.will("GET", path, Answer::edn(200, blocked));
        for name in ["gate", "gate", "b%20c"] {
            let path = format!("{path}/job/{name}/unblock");
            rig.server.will("POST", &path, Answer::bare(202, None));
        }
        rig.run(&["unblock", job, "o/r/1"])
            .exits(0)
            .says("approved gate of o/r/build-1");
    }
    let orders: Vec<String> = rig
        .server
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("POST"))
        .collect();
    assert_eq!(orders.len(), 4, "{orders:?}");
    assert!(orders[3].ends_with("/job/b%20c/unblock"), "{orders:?}");
    // What is said without an org is of this machine.
    rig.run(&["cancel", "build-3"])
        .exits(2)
        .complains("no build is running");
}

#[test]
fn a_build_on_a_server_is_shown_and_its_artifacts_are_listed() {
    let rig = Rig::logged_in();
    let build = format!("{ORG}/demo-repo/build-1");
    rig.run(&["show", &build])
        .exits(0)
        .says("refs/heads/main")
        .says("test                     success");
    let shown = rig.run(&["show", "--json", &build]).exits(0);
    assert_eq!(json_lines(&shown.out)[0]["status"], "success");
    rig.run(&["artifacts", &build])
        .exits(0)
        .says("report                   report.txt");
    rig.run(&["artifacts", &build, "nope"])
        .exits(2)
        .complains("its artifacts: report");
    let latest = rig
        .run(&["show", &format!("{ORG}/demo-repo/latest")])
        .exits(0);
    latest.says("build-3 running");

    // A real archive; the recording has only its description.
    let mut archive = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    archive.write_all(b"content").unwrap();
    let archive = archive.finish().unwrap();
    let path = format!("{}/build-1/artifact/report/download", Rig::builds_path());
    let answer = Answer::Whole(200, Vec::new(), archive.clone().into());
    rig.server.will("GET", &path, answer);
    rig.run(&["artifacts", &build, "report"])
        .exits(0)
        .says("saved report.tgz");
    let saved = rig.project.dir().join("report.tgz");
    assert_eq!(std::fs::read(&saved).unwrap(), archive);
    rig.run(&["artifacts", &build, "report"])
        .exits(2)
        .complains("is there already");
    // Damaged: what was there stays.
    rig.run(&["artifacts", &build, "report", "-o", "report.tgz"])
        .exits(2)
        .complains("no whole gzip archive");
    assert_eq!(std::fs::read(&saved).unwrap(), archive);
}

#[test]
fn a_retried_build_is_found() {
    let rig = Rig::logged_in();
    let path = Rig::builds_path();
    let build = |idx: u32| {
        format!(
            "{{:org-id \"{ORG}\" :repo-id \"demo-repo\" :build-id \"build-{idx}\" :idx {idx} \
             :status :pending :source :api :git {{:ref \"refs/heads/main\"}}}}"
        )
    };
    rig.server
        .will("GET", &path, Answer::edn(200, &format!("({})", build(1))));
    // It takes a moment until it is there.
    rig.server
        .will("GET", &path, Answer::edn(200, &format!("({})", build(1))));
    let both = format!("({} {})", build(1), build(2));
    rig.server.will("GET", &path, Answer::edn(200, &both));
    rig.run(&["retry", &format!("{ORG}/demo-repo/build-1")])
        .exits(0)
        .says(&format!("{ORG}/demo-repo/build-2"));
}

#[test]
fn what_a_server_says_does_not_steer_the_terminal() {
    let rig = Rig::logged_in();
    let evil = "{:org-id \"o\" :repo-id \"r\\u001b[2J\" :build-id \"build-1\" :status :error :message \
                \"a\\u001b]0;x\\u0007b\" :script {:jobs ({:id \"\\u001b[31mj\" :status :failure \
                :result {:message \"\\u009b1m\"}})}}";
    rig.server.will(
        "GET",
        "/org/o/repo/r/builds/build-1",
        Answer::edn(200, evil),
    );
    let ran = rig.run(&["show", "o/r/1"]).exits(0);
    assert!(
        !ran.out.contains(['\u{1b}', '\u{7}', '\u{9b}']),
        "{:?}",
        ran.out
    );
}
