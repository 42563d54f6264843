//! From a push to the screen: a bare repository, a signed webhook, a server behind TLS with a build of its
//! own, and the whole program in a terminal, attached to it.

use crate::counted::not_run;
use crate::harness::{Project, Running};
use crate::remote_tls::make_certificates;
use crate::screen::Screen;
use crate::serve::{SCRIPT, Server, repository, sign, token};

/// The program in a terminal of somebody who knows the server.
fn screen(me: &Project, token: &str, args: &[&str]) -> Screen {
    let mut command = Screen::command(me, args);
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/bus");
    command.env("MONKEYCI_TUI_TOKEN", token.rsplit(' ').next().unwrap());
    Screen::run(command, (120, 30))
}

/// Who knows the server by its address and its authority.
fn somebody(server: &Server<'_>, authority: &std::path::Path) -> Project {
    let me = Project::empty();
    let config = me.home().join("config");
    std::fs::create_dir_all(&config).unwrap();
    let text = format!(
        "[servers.ci]\nurl = \"{}\"\norg = \"local\"\nca-file = \"{}\"\n",
        server.url,
        authority.display()
    );
    std::fs::write(config.join("config.toml"), text).unwrap();
    me
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
    let word = |name: &str| {
        let mut lines = hook.out.lines();
        let line = lines.find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
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
    let me = somebody(&server, &made.join("ca.pem"));
    let repo = format!("local/{}", server.repo);
    let mut screen = screen(&me, &run, &["attach", &repo]);
    screen
        .until("server ci")
        .until("press A to approve it")
        .keys("A")
        .until("SUCCESS");
    // What a job has saved.
    screen.keys("kkk").keys("j").keys("5").until("report");
    screen.keys("\x13").until("save report to");
    screen.keys("\r").until("saved to");
    let saved = std::fs::read_dir(me.dir()).unwrap().flatten();
    let mut saved = saved.filter(|file| file.file_name().to_string_lossy().contains("report"));
    let archive = std::fs::read(saved.next().expect("it is here").path()).unwrap();
    assert_eq!(archive[..2], [0x1f, 0x8b]);
    // Once more, from the keyboard.
    screen.keys("1").keys("kkk").keys("r").until("build-2");
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
    let me = somebody(&server, std::path::Path::new("ca.pem"));
    let config = me.home().join("config/config.toml");
    let text = format!("[servers.ci]\nurl = \"{}\"\norg = \"local\"\n", server.url);
    std::fs::write(config, text).unwrap();
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
        let mut command = me.command(&["build", "-d", dir, "--plain", "--on", target]);
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/bus");
        command.env("MONKEYCI_TUI_TOKEN", token.rsplit(' ').next().unwrap());
        Running::start(command).wait()
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
    let look = |args: &[&str]| {
        let mut command = me.command(args);
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/bus");
        command.env("MONKEYCI_TUI_TOKEN", read.rsplit(' ').next().unwrap());
        Running::start(command).wait()
    };
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
        .complains("found nothing");
    let odd = server.client.post(format!(
        "{}/org/local/repo/{}/builds/workspace",
        server.url, server.repo
    ));
    let odd = odd.header("authorization", &run).body("no archive");
    assert_eq!(server.send(odd).status, 202);
    server.until(&run, "build-3", "error");
    server.end();
}
