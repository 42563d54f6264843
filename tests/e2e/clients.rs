//! Our own client at our own server: commands, and what they say when something is not there.

use crate::harness::{Project, Ran, Running, eventually};
use crate::screen::Screen;
use crate::serve::{SCRIPT, Server, repository, token};

/// Somebody who knows a server as `ci`, by the environment's credential.
struct Me {
    project: Project,
    token: String,
}

impl Me {
    fn of(server: &Server<'_>, token: &str) -> Self {
        let project = Project::empty();
        let config = project.home().join("config");
        std::fs::create_dir_all(&config).unwrap();
        let text = format!("[servers.ci]\nurl = \"{}\"\norg = \"local\"\n", server.url);
        std::fs::write(config.join("config.toml"), text).unwrap();
        Self {
            project,
            token: token.rsplit(' ').next().unwrap().to_owned(),
        }
    }

    fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.project.command(args);
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/bus");
        command.env("MONKEYCI_TUI_TOKEN", &self.token);
        Running::start(command).wait()
    }

    fn screen(&self, args: &[&str]) -> Screen {
        let mut command = Screen::command(&self.project, args);
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/bus");
        command.env("MONKEYCI_TUI_TOKEN", &self.token);
        Screen::run(command, (120, 30))
    }
}

fn is_blocked(server: &Server<'_>, credential: &str, build: &str) {
    eventually("gate is blocked", || {
        let build = server.get(credential, &format!("builds/{build}")).json();
        build["script"]["jobs"][1]["status"] == "blocked"
    });
}

#[test]
fn what_is_not_there_is_told_with_what_there_is() {
    let project = repository(SCRIPT);
    let run = token(&project, &["--role", "run"]);
    // Before any server has run, only a folder or a URL can be meant.
    project
        .run(&["serve", "webhook", "--repo", "app"])
        .exits(2)
        .complains("no server here has served \"app\"")
        .complains("--repo DIR");
    project
        .run(&["serve", "webhook", "--repo", "."])
        .exits(0)
        .says("path    /webhook/github/")
        .complains("works once a server serves project-");
    let server = Server::of(&project, ".", &[]);
    let repo = server.repo.as_str();
    project
        .run(&["serve", "webhook", "--repo", "nope"])
        .exits(2)
        .complains(&format!("served: {repo}"));
    let made = project.run(&["serve", "webhook", "--repo", "."]).exits(0);
    assert!(made.out.contains(repo) && made.err.is_empty(), "{made:?}");

    let me = Me::of(&server, &run);
    for args in [
        &["trigger", "local/nope"][..],
        &["list", "--server", "ci", "--repo", "nope"],
        &["attach", "local@ci/nope", "--plain"],
        &["cancel", "local@ci/nope"],
        &["show", "local/nope"],
    ] {
        me.run(args)
            .exits(2)
            .complains("local has no repo \"nope\"")
            .complains(&format!("its repos: {repo}"));
    }
    let target = format!("local@ci/{repo}");
    me.run(&["cancel", &target])
        .exits(2)
        .complains("which build of local/")
        .complains("none of its builds goes on");
    let started = me.run(&["trigger", &target]).exits(0);
    let sid = started.out.trim();
    is_blocked(&server, &run, "build-1");
    for args in [
        &["cancel", &target][..],
        &["unblock", "gate", &format!("local/{repo}")],
    ] {
        me.run(args)
            .exits(2)
            .complains("these go on: build-1 (running)");
    }
    me.run(&["unblock", "gate", sid]).exits(0);
    server.until(&run, "build-1", "success");
    me.run(&["logout", "nope"])
        .exits(2)
        .complains("no server is called \"nope\"")
        .complains("known: ci")
        .keeps_quiet_about("keyring");
    server.end();
}

#[test]
fn a_server_of_ours_says_what_a_credential_may() {
    let project = repository(SCRIPT);
    let server = Server::of(&project, ".", &[]);
    let me = Project::empty();
    let login = |token: &str| {
        let text = token.rsplit(' ').next().unwrap().to_owned();
        let args = ["login", &server.url, "--store", "file", "--token-stdin"];
        let mut command = me.command(&args);
        command.stdin(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
        Ran::from(child.wait_with_output().unwrap())
    };
    // The org need not be named: there is only one.
    for (args, role) in [
        (&["--role", "read"][..], "role: read: see builds"),
        (&["--role", "run"], "role: run: also start"),
        (&["--role", "admin"], "role: admin"),
        (&["--role", "run", "--jwt"], "role: run: also start"),
    ] {
        let made = token(&project, args);
        login(&made)
            .exits(0)
            .says("org where none is named: local")
            .says(role);
        let said = me.run(&["whoami"]).exits(0);
        // It counts no credits.
        said.says("org: local (local)")
            .says(role)
            .keeps_quiet_about("usage");
    }
    me.run(&["logout"]).exits(0).says("serve token");
    login("")
        .exits(2)
        .complains("no credential was given")
        .complains("serve token --role run");
    server.end();
}

#[test]
fn logs_of_a_build_that_nobody_has_watched_are_fetched() {
    let project = repository(SCRIPT);
    let run = token(&project, &["--role", "run"]);
    let server = Server::of(&project, ".", &[]);
    let me = Me::of(&server, &run);
    let started = me
        .run(&["trigger", &format!("local/{}", server.repo)])
        .exits(0);
    let sid = started.out.trim().to_owned();
    is_blocked(&server, &run, "build-1");
    let here = sid.replacen("local/", "local@ci/", 1);
    let url = format!("{}/org/local/repo/{}/builds/1", server.url, server.repo);
    for target in [&sid, &here, &url] {
        let all = me.run(&["logs", target]).exits(0);
        assert_eq!(all.out, "test │ out of main\ntest │ to err\n");
    }
    let newest = format!("local/{}", server.repo);
    for args in [
        &["logs", &*newest, "test", "--strip"][..],
        &["logs", &sid, "test", "--raw"],
        &["logs", &sid, "test", "--server", "ci"],
        &["logs", &format!("{url}/job/test")],
    ] {
        assert_eq!(
            me.run(args).exits(0).out,
            "out of main\nto err\n",
            "{args:?}"
        );
    }
    let json = me.run(&["logs", &sid, "test", "--json"]).exits(0);
    let first: serde_json::Value = serde_json::from_str(json.out.lines().next().unwrap()).unwrap();
    assert_eq!(first["text"], "out of main");
    assert_eq!(
        (&first["stream"], &first["command"]),
        (&"out".into(), &0.into())
    );
    // When it was written is not known here.
    assert!(first["time"].is_null(), "{first}");
    me.run(&["logs", &sid, "nope"])
        .exits(2)
        .complains("its jobs: test, gate");
    me.run(&["logs", &sid, "--script"])
        .exits(2)
        .complains("no log of the script");
    // On to its end, with what comes meanwhile.
    let mut following = me.project.command(&["logs", &sid, "--follow"]);
    following.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/bus");
    following.env("MONKEYCI_TUI_TOKEN", &me.token);
    let mut following = Running::start(following);
    following.until("to err");
    me.run(&["unblock", "gate", &sid]).exits(0);
    following.wait().exits(0).says("gate │ opened");
    // Nothing of it was kept.
    assert_eq!(me.run(&["list"]).out, "");
    let left = std::fs::read_dir(me.project.home().join("cache/scratch"));
    assert_eq!(left.map_or(0, Iterator::count), 0);
    server.end();
}

#[test]
fn a_build_that_was_left_is_listed_as_it_was_seen() {
    let project = repository(SCRIPT);
    let run = token(&project, &["--role", "run"]);
    let server = Server::of(&project, ".", &[]);
    let me = Me::of(&server, &run);
    let target = format!("local@ci/{}", server.repo);
    me.run(&["trigger", &target]).exits(0);
    let mut screen = me.screen(&["attach", &target]);
    screen.until("press A to approve it").keys("q");
    screen.ends(0);
    let list = me.run(&["list"]).exits(0);
    let list = list.says("running?").says(&target).says("· last seen");
    assert_eq!(list.out.lines().count(), 1);
    let json = me.run(&["list", "--json", "--repo", &target]).exits(0);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["sid"], format!("{target}/build-1"));
    assert!(json["last-seen"].is_i64(), "{json}");
    // The server knows what has become of it, and is asked where more is wanted than a line.
    server.post(&run, "builds/build-1/job/gate/unblock", "");
    server.until(&run, "build-1", "success");
    me.run(&["show", "build-1"]).exits(0).says("success");
    me.run(&["logs", "build-1", "gate"]).exits(0).says("opened");
    server.end();
    // What is known here is told as such when it does not answer.
    me.run(&["show", "build-1"])
        .exits(0)
        .says("running")
        .says("last seen")
        .complains("cannot reach");
    me.run(&["logs", "build-1", "test"])
        .exits(0)
        .says("out of main")
        .complains("as far as the build was watched");
}

#[test]
fn a_copy_of_a_job_is_no_build_of_the_repository_and_runs_again() {
    const USES: &str = "- {id: make, image: none, script: 'mkdir made; echo made > made/it', \
                        saveArtifacts: [{id: made, path: made}]}\n\
                        - {id: use, image: none, dependencies: [make], script: cat made/it, \
                        restoreArtifacts: [{id: made, path: made}]}\n";
    let project = repository(USES);
    let run = token(&project, &["--role", "run"]);
    let server = Server::of(&project, ".", &[]);
    let me = Me::of(&server, &run);
    let target = format!("local/{}", server.repo);
    me.run(&["trigger", &target]).exits(0);
    server.until(&run, "build-1", "success");
    let mut command = Screen::command(&me.project, &["attach", &target]);
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/bus");
    command.env("MONKEYCI_TUI_TOKEN", &me.token);
    command.env("MONKEYCI_TUI_EXECUTOR", "host");
    // Wide enough for the command that runs it again.
    let mut screen = Screen::run(command, (400, 30));
    screen.until("server ci").until("use").keys("G");
    screen
        .keys("L")
        .until("local-build-")
        .until("1/1 job")
        .keys("q");
    let left = screen.ends(0).scrollback;
    assert!(left.contains("a copy of job use of local@ci/"), "{left}");
    let copied = me
        .run(&["list", "--json", "--repo", "copy/project"])
        .exits(0);
    let copied: serde_json::Value = serde_json::from_str(&copied.out).unwrap();
    assert_eq!(copied["status"], "success", "{copied}");
    // It says what runs it again, with what it was given.
    let mut again = left
        .lines()
        .filter_map(|line| line.trim().strip_prefix("again"));
    let again = again.next_back().expect("it is said").trim();
    let again = again.replacen("monkeyci-tui", env!("CARGO_BIN_EXE_monkeyci-tui"), 1);
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", &format!("{again} --plain")])
        .env("MONKEYCI_TUI_HOME", me.project.home())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    Running::start(shell).wait().exits(0).says("use   │ made");
    let shown = me.run(&["show", "last"]).exits(0).says("copy/project/");
    assert!(!shown.out.contains("uncommitted"), "{}", shown.out);
    // The name of the repository still means the one on the server.
    let attached = me.run(&["attach", &target, "--plain"]).exits(0);
    assert!(attached.out.contains("build-1 ·"), "{}", attached.out);
    me.run(&["build", "--artifact", "made", "--plain"])
        .exits(2)
        .complains("ID=FILE");
    server.end();
}
