//! From a push to the screen: a bare repository, a signed webhook, a server behind TLS with a build of its
//! own, and the whole program in a terminal, attached to it. And that what is recorded of a build on a server is
//! what the server has recorded.

use std::path::{Path, PathBuf};

use monkeyci_tui::domain::{Build, Event, file_name};
use monkeyci_tui::journal::Journal;

use crate::counted::not_run;
use crate::harness::{Project, Ran, Running, json_lines};
use crate::remote_tls::make_certificates;
use crate::screen::Screen;
use crate::serve::{SCRIPT, Server, commit, repository, sign, token, word_of};

/// The program in a terminal of somebody who knows the server.
fn screen(me: &Project, token: &str, args: &[&str]) -> Screen {
    let mut command = Screen::command(me, args);
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/bus");
    command.env("MONKEYCI_TUI_TOKEN", token.rsplit(' ').next().unwrap());
    Screen::run(command, (120, 30))
}

/// Who knows the server by its address and its authority, if it has one.
fn somebody(server: &Server<'_>, authority: Option<&Path>) -> Project {
    let me = Project::empty();
    let config = me.home().join("config");
    std::fs::create_dir_all(&config).unwrap();
    let url = &server.url;
    let mut text = format!("[servers.ci]\nurl = \"{url}\"\norg = \"local\"\n");
    if let Some(authority) = authority {
        text.push_str(&format!("ca-file = \"{}\"\n", authority.display()));
    }
    std::fs::write(config.join("config.toml"), text).unwrap();
    me
}

/// A command of somebody who knows the server.
fn start(me: &Project, token: &str, args: &[&str]) -> Running {
    let mut command = me.command(args);
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/bus");
    command.env("MONKEYCI_TUI_TOKEN", token.rsplit(' ').next().unwrap());
    Running::start(command)
}

fn run(me: &Project, token: &str, args: &[&str]) -> Ran {
    start(me, token, args).wait()
}

/// Where a build is recorded.
fn recording(home: &Path, org: &str, repo: &str, build: &str) -> PathBuf {
    let mut path = home.join("data/builds");
    path.extend([org, repo, build].map(file_name));
    path
}

/// What a recording comes to: the build, and each job with its commands and its result.
fn comes_to(recording: &Path) -> Vec<String> {
    let events = Journal::read(&recording.join("events.edn"))
        .unwrap()
        .events();
    let build = Build::fold(events.iter().map(|event| -> &Event { event }));
    let mut told = vec![format!(
        "{} {:?} {:?} {:?} {:?} {:?}",
        build.status, build.start_time, build.end_time, build.message, build.git, build.warnings
    )];
    told.extend(build.jobs().iter().map(|job| {
        format!(
            "{} {} {:?}-{:?} {:?} {:?} {:?} {:?}",
            job.id(),
            job.status,
            job.start_time,
            job.end_time,
            job.result,
            job.commands,
            job.blobs,
            job.attempt
        )
    }));
    told
}

#[test]
fn a_push_is_watched_approved_kept_and_built_again_over_tls() {
    const TEST: &str = "attached::a_push_is_watched_approved_kept_and_built_again_over_tls";
    let project = repository(SCRIPT);
    let made = project.home();
    std::fs::create_dir_all(&made).unwrap();
    if !make_certificates(&made) {
        return not_run(TEST, "there is no openssl program");
    }
    let bare = made.join("app.git");
    git2::build::RepoBuilder::new()
        .bare(true)
        .clone(project.dir().to_str().unwrap(), &bare)
        .unwrap();
    let head = git2::Repository::open(&bare).unwrap();
    let head = head.head().unwrap().target().unwrap().to_string();
    let at = |name: &str| made.join(name).to_str().unwrap().to_owned();
    let (cert, key) = (at("cert.pem"), at("key.pem"));
    let run = token(&project, &["--role", "run"]);
    let mut server = Server::of(
        &project,
        bare.to_str().unwrap(),
        &["--tls-cert", &cert, "--tls-key", &key],
    );
    let authority = std::fs::read(made.join("ca.pem")).unwrap();
    server.client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&authority).unwrap()])
        .build()
        .unwrap();

    // Somebody pushes.
    let hook = project
        .run(&["serve", "webhook", "--repo", &server.repo])
        .exits(0);
    let word = |name: &str| word_of(&hook.out, name);
    let push = serde_json::json!({
        "ref": "refs/heads/main", "deleted": false,
        "head_commit": {"id": head, "message": "Push it", "url": "https://example.invalid/c",
            "author": {"name": "N", "email": "e@x", "username": "u"}},
        "repository": {"id": 1, "clone_url": "https://example.invalid/app.git",
            "ssh_url": "git@example.invalid:app.git", "private": false, "master_branch": "main"},
        "commits": [],
    })
    .to_string();
    let request = (server
        .client
        .post(format!("{}{}", server.url, word("path"))))
    .header("content-type", "application/json")
    .header("x-github-event", "push")
    .header("x-github-delivery", "1")
    .header("x-hub-signature-256", sign(&word("secret"), &push))
    .body(push);
    let answer = server.send(request);
    assert_eq!(answer.status, 202, "{}", answer.body);

    // Somebody else looks.
    let me = somebody(&server, Some(&made.join("ca.pem")));
    let repo = format!("local/{}", server.repo);
    let mut screen = screen(&me, &run, &["attach", &repo]);
    screen
        .until("server ci")
        .until("press A to approve it")
        .keys("A")
        .until("SUCCESS");
    // What a job has saved.
    screen.keys("kkkk").keys("jj").keys("5").until("report");
    screen.keys("\x13").until("save report to");
    screen.keys("\r").until("saved to");
    let saved = std::fs::read_dir(me.dir()).unwrap().flatten();
    let mut saved = saved.filter(|file| file.file_name().to_string_lossy().contains("report"));
    let archive = std::fs::read(saved.next().expect("it is here").path()).unwrap();
    assert_eq!(archive[..2], [0x1f, 0x8b]);
    // Once more, from the keyboard.
    screen.keys("1").keys("kkkk").keys("r").until("build-2");
    screen
        .until("press A to approve it")
        .keys("x")
        .keys("y")
        .until("CANCELED");
    screen.keys("q");
    screen.ends(0);
    // It is kept here too.
    me.run(&["list"]).exits(0).says("build-1").says("build-2");
    let first = format!("local@ci/{}/build-1", server.repo);
    let log = me.run(&["logs", &first, "test", "--strip"]).exits(0);
    assert_eq!(log.out, "out of main\nto err\n");
    server.end();
}

#[test]
fn a_working_tree_is_built_on_a_server_as_it_is() {
    const JOB: &str =
        "- id: job\n  image: none\n  script: ['cat committed new; exit $(cat status)']\n";
    let project = repository(JOB);
    let run = token(&project, &["--role", "run"]);
    let read = token(&project, &["--role", "read"]);
    let server = Server::of(&project, ".", &[]);
    let me = somebody(&server, None);
    // What somebody works on: a clone, with changes that are in no commit.
    let dir = me.dir().join("clone");
    git2::Repository::clone(project.dir().to_str().unwrap(), &dir).unwrap();
    for (name, text) in [
        ("committed", "changed\n"),
        ("new", "added\n"),
        ("status", "0\n"),
    ] {
        std::fs::write(dir.join(name), text).unwrap();
    }
    let target = format!("local/{}", server.repo);
    let build = |token: &str, target: &str| {
        let dir = dir.to_str().unwrap();
        self::run(&me, token, &["build", "-d", dir, "--plain", "--on", target])
    };
    build(&run, &target)
        .exits(0)
        .says("│ changed")
        .says("│ added");
    std::fs::write(dir.join("status"), "7\n").unwrap();
    build(&run, &target).exits(1).says("failed: job");
    let builds = server
        .get(&read, &format!("/org/local/repo/{}/builds", server.repo))
        .json();
    let first = builds
        .as_array()
        .unwrap()
        .iter()
        .find(|build| build["idx"] == 1)
        .unwrap();
    assert_eq!(
        (&first["source"], &first["status"]),
        (&"cli".into(), &"success".into())
    );
    assert_eq!(first["git"]["dirty"], true);
    // Of a tree that was sent nothing stays.
    let uploads = project.home().join("data/server/uploads");
    assert_eq!(std::fs::read_dir(uploads).unwrap().count(), 0);
    let again = format!("/org/local/repo/{}/builds/build-1/retry", server.repo);
    assert_eq!(server.post(&run, &again, "{}").status, 409);
    // By its number, and nothing of what is not there.
    let look = |args: &[&str]| self::run(&me, &read, args);
    let first = format!("local@ci/{}/1", server.repo);
    look(&["attach", &first, "--plain"])
        .exits(0)
        .says("build-1 ·")
        .says("│ changed");
    let missing = format!("local@ci/{}/99", server.repo);
    for args in [&["attach", &missing, "--plain"][..], &["show", &missing]] {
        look(args).exits(2).complains("found nothing");
    }
    assert!(!look(&["list"]).exits(0).out.contains("99"));
    for (filter, one, other) in [
        (["--status", "success"], true, false),
        (["--status", "failed"], false, true),
        (["--text", "build 1"], true, false),
        (["--since", "1h"], true, true),
        (["--until", "1h"], false, false),
    ] {
        for at in [&["--repo", &server.repo][..], &[]] {
            let args = [&["list", "--server", "ci"], at, &filter].concat();
            let listed = look(&args).exits(0);
            let has = |build: &str| listed.out.contains(build);
            assert_eq!((has("build-1"), has("build-2")), (one, other), "{args:?}");
        }
    }
    // What is recorded of another number is not meant.
    look(&["logs", &format!("local@ci/{}/build-", server.repo)]).exits(2);
    // Who may not, and what is none.
    build(&read, &target).exits(2).complains("does not allow");
    build(&run, "local/nowhere")
        .exits(2)
        .complains("local has no repo \"nowhere\"");
    let odd = server.client.post(format!(
        "{}/org/local/repo/{}/builds/workspace",
        server.url, server.repo
    ));
    let odd = odd.header("authorization", &run).body("no archive");
    assert_eq!(server.send(odd).status, 202);
    server.until(&run, "build-3", "error");
    server.end();
}

/// A job with commands that end in several ways, and one that waits for a file.
fn commands_and_waiting(file: &Path) -> String {
    let file = file.display();
    format!(
        "- id: test\n  image: none\n  script:\n    - echo first\n    - echo second >&2\n    - exit 3\n\
         - id: wait\n  image: none\n  script:\n    - echo begun\n    - while [ ! -e {file} ]; do sleep 0.1; done\n"
    )
}

#[test]
fn the_journal_that_is_recorded_here_is_the_servers() {
    let project = Project::empty();
    let file = project.home().join("go");
    let project = project.file(".monkeyci/build.yaml", &commands_and_waiting(&file));
    commit(&project.dir());
    let token = token(&project, &["--role", "run"]);
    let server = Server::of(&project, ".", &[]);
    let me = somebody(&server, None);
    let target = format!("local/{}", server.repo);
    let build = |number: u32| format!("{target}/build-{number}");
    let same = |number: u32| {
        let name = format!("build-{number}");
        let there = recording(&project.home(), "local", &server.repo, &name);
        let here = recording(&me.home(), "local@ci", &server.repo, &name);
        assert_eq!(comes_to(&here), comes_to(&there));
        assert!(comes_to(&here).len() > 2);
    };
    // Canceled while it is watched.
    assert_eq!(server.post(&token, "builds/trigger", "{}").status, 202);
    let mut watched = start(&me, &token, &["attach", &build(1), "--json"]);
    // The second command of the job that waits: its number, and that of the first one's end.
    watched.until(r#""command":"1","tui/server-seq""#);
    run(&me, &token, &["cancel", &build(1)]).exits(0);
    let watched = watched.wait().exits(0);
    let told = json_lines(&watched.out);
    let is_exit = |event: &&serde_json::Value| event["type"] == "command/end" && event["exit"] == 3;
    assert_eq!(told.iter().filter(is_exit).count(), 1);
    assert_eq!(told.last().unwrap()["type"], "build/end");
    assert_eq!(told.last().unwrap()["status"], "canceled");
    same(1);
    // Run again, and watched from its beginning to its end, then from its end alone.
    run(&me, &token, &["retry", &build(1)]).exits(0);
    let mut watched = start(&me, &token, &["attach", &build(2), "--plain"]);
    watched.until("$ while");
    std::fs::write(&file, "").unwrap();
    let watched = watched.wait().exits(0);
    watched
        .says("$ echo second >&2")
        .says("command 3: exit 3")
        .says("failed: test");
    same(2);
    let somebody_else = somebody(&server, None);
    run(&somebody_else, &token, &["attach", &build(2), "--plain"])
        .exits(0)
        .says("$ while");
    let here = recording(&somebody_else.home(), "local@ci", &server.repo, "build-2");
    let there = recording(&project.home(), "local", &server.repo, "build-2");
    assert_eq!(comes_to(&here), comes_to(&there));
    server.end();
}

#[test]
fn the_commands_of_a_build_on_a_server_are_seen_with_how_they_ended() {
    let project = Project::empty();
    let file = project.home().join("go");
    let project = project.file(".monkeyci/build.yaml", &commands_and_waiting(&file));
    commit(&project.dir());
    let token = token(&project, &["--role", "run"]);
    let server = Server::of(&project, ".", &[]);
    let me = somebody(&server, None);
    assert_eq!(server.post(&token, "builds/trigger", "{}").status, 202);
    let mut screen = screen(&me, &token, &["attach", &format!("local/{}", server.repo)]);
    screen.until("server ci").until("failure");
    // The failed job: its commands, what they said, and how they ended.
    screen
        .keys("kkkk")
        .keys("jj")
        .until("$ echo first")
        .until("second")
        .until("✗ exit 3");
    screen
        .keys("8")
        .until("command/end")
        .until("command 3 · exit 3");
    std::fs::write(&file, "").unwrap();
    screen.until("FAILED");
    screen.keys("q");
    screen.ends(0);
    server.end();
}
