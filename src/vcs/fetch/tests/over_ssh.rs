//! The user's own ssh: a stand-in that writes down how it was called, and a real one.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

use super::*;

/// A program that stands for ssh: it runs the command here, and knows one host.
fn stand_in(desk: &Desk, text: &str) -> UserGit {
    let program = desk.dir().join("ssh-stand-in");
    std::fs::write(&program, format!("#!/bin/sh\n{text}")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    desk.user(&[("GIT_SSH_COMMAND", program.to_str().unwrap())])
}

/// Writes its arguments down, a line each, and runs the last one.
const RUNS: &str = r#"
printf '%s\n' "$@" >>"$(dirname "$0")/called"
for last; do :; done
exec sh -c "$last"
"#;

fn called(desk: &Desk) -> String {
    std::fs::read_to_string(desk.dir().join("called")).unwrap_or_default()
}

#[test]
fn ssh_is_called_with_what_the_url_says() {
    let desk = Desk::new();
    let user = stand_in(&desk, RUNS);
    let path = desk.root().join("repo.git");
    let url = format!("ssh://git@h.invalid:2222{}", path.display());
    let fetched = desk.fetch_as(&request(&url), &user, "url").unwrap();
    assert_eq!(fetched.commit.id, desk.id("trunk"));
    assert_eq!(desk.history("url"), 1);
    assert_eq!(
        called(&desk),
        format!(
            "-o\nBatchMode=yes\n-o\nConnectTimeout=30\n-T\n-l\ngit\n-p\n2222\n--\nh.invalid\n\
             git-upload-pack '{}'\n",
            path.display()
        )
    );
    let short = format!("git@h.invalid:{}", path.display());
    desk.fetch_as(&of(&short, branch("a/b"), None), &user, "short")
        .unwrap();
    let git = describe(&desk.target("short")).unwrap().unwrap();
    assert_eq!(git.url.as_deref(), Some(short.as_str()));
    assert_eq!(git.branch.as_deref(), Some("a/b"));
}

#[test]
fn ssh_in_the_path_is_used_when_nothing_else_is_named() {
    let desk = Desk::new();
    stand_in(&desk, RUNS);
    std::fs::rename(desk.dir().join("ssh-stand-in"), desk.dir().join("ssh")).unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", desk.dir().display());
    let user = desk.user(&[("PATH", &path)]);
    let url = format!("h.invalid:{}", desk.root().join("repo.git").display());
    desk.fetch_as(&request(&url), &user, "x").unwrap();
    let user = desk.user(&[("PATH", "/nowhere")]);
    let error = desk.fetch_as(&request(&url), &user, "y").unwrap_err();
    assert!(
        matches!(&error, FetchError::Start { what, .. } if what.contains("ssh")),
        "{error:?}"
    );
}

#[test]
fn what_ssh_says_becomes_the_reason() {
    let desk = Desk::new();
    for (text, wanted) in [
        (
            "echo 'ada@h: \u{1b}[31mPermission denied (publickey).' >&2; exit 255",
            "cannot be reached: ada@h: [31mPermission denied (publickey).",
        ),
        ("exit 255", "cannot be reached: the connection was lost"),
        (
            "echo \"fatal: '/x' does not appear to be a git repository\" >&2; exit 128",
            "there is no repository at",
        ),
        (
            "echo 'This account is locked' >&2; exit 1",
            "was not fetched: This account is locked",
        ),
    ] {
        let user = stand_in(&desk, text);
        let error = desk
            .fetch_as(&request("ssh://h.invalid/x"), &user, "x")
            .unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
}

#[test]
fn a_canceled_fetch_ends_ssh_and_all_it_has_started() {
    let desk = Desk::new();
    let user = stand_in(
        &desk,
        "mkfifo \"$(dirname \"$0\")/fifo\" 2>/dev/null; echo $$ >\"$(dirname \"$0\")/pid\"; cat \"$(dirname \"$0\")/fifo\"",
    );
    let pid = desk.dir().join("pid");
    std::thread::scope(|scope| {
        let fetch = scope.spawn(|| desk.fetch_as(&request("ssh://h.invalid/x"), &user, "x"));
        let pid = loop {
            match std::fs::read_to_string(&pid) {
                Ok(text) if text.ends_with('\n') => break text.trim().to_owned(),
                _ => std::thread::yield_now(),
            }
        };
        desk.cancel.cancel();
        let error = fetch.join().unwrap().unwrap_err();
        assert!(matches!(error, FetchError::Canceled), "{error:?}");
        // Killed, which takes a moment to be seen; then gone, or waiting for somebody to ask for its status.
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z") || stat.contains(") X") {
                break;
            }
            assert!(std::time::Instant::now() < patience, "{stat}");
            std::thread::yield_now();
        }
    });
}

#[test]
fn ssh_goes_to_the_address_that_was_checked() {
    let desk = Desk::new();
    let path = desk.root().join("repo.git");
    let asks = |host: &str, more: &str| {
        format!(
            "case \" $* \" in *' -G '*) printf 'hostname {host}\\nport 2222\\n{more}'; exit;; esac\n{RUNS}"
        )
    };
    let url = format!("ssh://alias{}", path.display());
    let only = |allowed| FetchRequest {
        allowed,
        ..request(&url)
    };
    let loopback = Allowed {
        loopback: true,
        ..Allowed::default()
    };
    // What the alias stands for counts.
    let user = stand_in(&desk, &asks("127.0.0.1", ""));
    let error = desk
        .fetch_as(&only(Allowed::default()), &user, "x")
        .unwrap_err();
    assert!(matches!(error, FetchError::Forbidden { .. }), "{error:?}");
    assert_eq!(called(&desk), "");
    desk.fetch_as(&only(loopback), &user, "x").unwrap();
    assert!(
        called(&desk).contains("-o\nHostName=127.0.0.1\n-o\nHostKeyAlias=[127.0.0.1]:2222\n"),
        "{}",
        called(&desk)
    );
    let user = stand_in(&desk, &asks("169.254.169.254", ""));
    let error = desk.fetch_as(&only(loopback), &user, "y").unwrap_err();
    assert!(matches!(error, FetchError::Forbidden { .. }), "{error:?}");
    let user = stand_in(&desk, &asks("127.0.0.1", "proxyjump inner\\n"));
    let error = desk.fetch_as(&only(loopback), &user, "y").unwrap_err();
    assert!(
        error.to_string().contains("by way of another host"),
        "{error}"
    );
}

/// A real sshd on a port of this machine, for this user, with keys of its own.
struct Sshd {
    port: u16,
    folder: TempDir,
    process: Child,
}

impl Sshd {
    fn start() -> Option<Self> {
        if !Path::new("/usr/sbin/sshd").exists() {
            counted::not_run("vcs::fetch over ssh", "there is no openssh-server");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        for name in ["host", "mine", "other"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(folder.path().join(name))
                .output()
                .unwrap();
            assert!(made.status.success(), "{made:?}");
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("allowed", read("mine.pub"));
        write("known", format!("[127.0.0.1]:{port} {}", read("host.pub")));
        write("nobody", String::new());
        write(
            "sshd_config",
            format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {path}/host\nPidFile none\n\
                 AuthorizedKeysFile {path}/allowed\nStrictModes no\nUsePAM no\n\
                 PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
            ),
        );
        // Where it confines its own parts.
        let _ = std::fs::create_dir_all("/run/sshd");
        let process = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(folder.path().join("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            port,
            folder,
            process,
        };
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        Some(server)
    }

    /// A user with this key, who knows these hosts.
    fn user(&self, desk: &Desk, key: &str, known: &str) -> UserGit {
        let path = self.folder.path().display();
        let config = self.folder.path().join(format!("config-{key}-{known}"));
        std::fs::write(
            &config,
            format!(
                "Host *\n IdentityFile {path}/{key}\n IdentitiesOnly yes\n IdentityAgent none\n \
                 UserKnownHostsFile {path}/{known}\n GlobalKnownHostsFile none\n"
            ),
        )
        .unwrap();
        desk.user(&[("GIT_SSH_COMMAND", &format!("ssh -F {}", config.display()))])
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
fn a_real_sshd_serves_a_repository_or_says_why_not() {
    let Some(sshd) = Sshd::start() else {
        return;
    };
    let desk = Desk::new();
    let path = desk.root().join("repo.git");
    let url = format!("ssh://127.0.0.1:{}{}", sshd.port, path.display());
    let loopback = FetchRequest {
        allowed: Allowed {
            loopback: true,
            ..Allowed::default()
        },
        ..request(&url)
    };
    let user = sshd.user(&desk, "mine", "known");
    // With the address pinned, and without.
    desk.fetch_as(&loopback, &user, "pinned").unwrap();
    desk.fetch_as(&request(&url), &user, "free").unwrap();
    assert_eq!(desk.files("free"), ["1", "2", "3", "4"]);
    assert_eq!(desk.history("free"), 1);
    let missing = request(&format!("{url}-not"));
    let said = |request: &FetchRequest, key: &str, known: &str| {
        let user = sshd.user(&desk, key, known);
        desk.fetch_as(request, &user, "x").unwrap_err().to_string()
    };
    let text = said(&missing, "mine", "known");
    assert!(text.contains("there is no repository at"), "{text}");
    let text = said(&request(&url), "other", "known");
    assert!(text.contains("Permission denied (publickey"), "{text}");
    for request in [&request(&url), &loopback] {
        let text = said(request, "mine", "nobody");
        assert!(text.contains("Host key verification failed"), "{text}");
    }
}
