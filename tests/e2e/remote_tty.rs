//! Logging in at a terminal, and following a build from one.

use super::harness::Project;
use super::playback::{Answer, ORG, Playback, TOKEN};
use super::screen::{Screen, find};

fn command(project: &Project, args: &[&str]) -> portable_pty::CommandBuilder {
    let mut command = Screen::command(project, args);
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/bus");
    for name in [
        "MONKEYCI_TUI_SERVER",
        "MONKEYCI_TUI_TOKEN",
        "MONKEYCI_TUI_URL",
    ] {
        command.env_remove(name);
    }
    command
}

fn login(project: &Project, server: &Playback, more: &[&str]) -> Screen {
    let url = server.url();
    let mut args = vec!["login", &url, "--store", "file"];
    args.extend(more);
    Screen::run(command(project, &args), (100, 24))
}

#[test]
fn a_credential_is_asked_for_and_never_shown() {
    let (project, server) = (Project::empty(), Playback::start());
    let mut screen = login(&project, &server, &[]);
    screen.until("API token (it is not shown): ");
    // Typed wrongly, taken back, and pasted.
    screen.keys("oops\u{7f}\u{15}").keys(TOKEN).keys("\r");
    screen.until("org of the token: ").keys(ORG).keys("\r");
    let left = screen.ends(0);
    left.leaves("logged in to")
        .leaves("org: seed-org (Seed Org)");
    assert_eq!(find(&left.raw, TOKEN.as_bytes()), None);
    assert_eq!(find(&left.raw, b"oops"), None);
    let came = server.came().pop().unwrap();
    assert_eq!(came.headers["authorization"], format!("Token {TOKEN}"));
}

#[test]
fn a_question_that_is_refused_gives_the_terminal_back() {
    let (project, server) = (Project::empty(), Playback::start());
    for key in ["\u{3}", "\u{4}"] {
        let mut screen = login(&project, &server, &["--org", ORG]);
        screen
            .until("(it is not shown): ")
            .keys("hunter2")
            .keys(key);
        let left = screen.ends(130);
        assert_eq!(find(&left.raw, b"hunter2"), None);
    }
    assert!(!project.home().join("config/credentials.edn").exists());
    // A signal, too.
    let mut screen = login(&project, &server, &["--org", ORG]);
    screen.until("(it is not shown): ");
    screen.signal(rustix::process::Signal::TERM);
    screen.ends(3);
}

#[test]
fn who_stops_watching_does_not_stop_the_build() {
    let (project, server) = (Project::empty(), Playback::start());
    let mut screen = login(&project, &server, &["--org", ORG]);
    screen.until("(it is not shown): ").keys(TOKEN).keys("\r");
    screen.ends(0);
    let path = format!("/org/{ORG}/repo/demo-repo/builds/build-4");
    let running = format!(
        "{{:org-id \"{ORG}\" :repo-id \"demo-repo\" :build-id \"build-4\" :status :running}}"
    );
    server.will("GET", &path, Answer::edn(200, &running));
    let stream = vec![("content-type", "text/event-stream".to_owned())];
    let ping = "data: {:type :ping}\n\n".into();
    server.will(
        "GET",
        &format!("/org/{ORG}/events"),
        Answer::Silent(stream, ping),
    );
    let target = format!("{ORG}/demo-repo");
    let command = command(&project, &["trigger", &target, "--follow"]);
    let mut screen = Screen::run(command, (100, 24));
    screen.until("build-4 running").keys("\u{3}");
    screen
        .ends(130)
        .leaves("build-4 goes on; `monkeyci-tui cancel");
    let orders = server.lines();
    assert!(
        orders.iter().all(|line| !line.ends_with("/cancel")),
        "{orders:?}"
    );
}

/// The keyring of a desktop, unlocked, for as long as a command runs; `None`, and said, without one.
fn with_a_keyring(project: &Project, test: &str, script: &str) -> Option<super::harness::Ran> {
    let has = |program: &str| {
        let found = std::process::Command::new("sh")
            .args(["-c", &format!("command -v {program} >/dev/null")])
            .status();
        found.is_ok_and(|status| status.success())
    };
    if !has("gnome-keyring-daemon") || !has("dbus-run-session") {
        let why = "no gnome-keyring-daemon or no dbus-run-session is installed";
        super::counted::not_run(test, why);
        return None;
    }
    // A home of its own: the user's keyring is none of a test's business.
    let home = project.dir().join("user");
    std::fs::create_dir_all(&home).unwrap();
    let all = format!(
        "printf x | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1\n{script}"
    );
    let mut command = project.command(&[]);
    let program = command.get_program().to_owned();
    command = std::process::Command::new("dbus-run-session");
    command
        .args(["--", "sh", "-c", &all])
        .current_dir(project.dir())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &home)
        .env("XDG_DATA_HOME", home.join("share"))
        .env("XDG_RUNTIME_DIR", &home)
        .env("MONKEYCI_TUI_HOME", project.home())
        .env("M", program)
        .stdin(std::process::Stdio::null());
    Some(command.output().unwrap().into())
}

#[test]
fn a_credential_is_kept_in_a_real_keyring() {
    let (project, server) = (Project::empty(), Playback::start());
    let url = server.url();
    let script = format!(
        "set -e\nprintf %s {TOKEN} | \"$M\" login {url} --org {ORG} --token-stdin\n\"$M\" servers\n\
         \"$M\" whoami\n\"$M\" logout\n\"$M\" whoami || echo \"[$?]\""
    );
    let test = "a_credential_is_kept_in_a_real_keyring";
    let Some(ran) = with_a_keyring(&project, test, &script) else {
        return;
    };
    ran.exits(0)
        .says("logged in to")
        .says("seed-org")
        .says("credential: API token (from the keyring)")
        .says("removed from the keyring")
        .says("[2]")
        .keeps_quiet_about(TOKEN);
    assert!(!project.home().join("config/credentials.edn").exists());
}
