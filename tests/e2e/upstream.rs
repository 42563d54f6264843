//! Builds whose repository is on a MonkeyCI server: what their scripts get from there, and what not.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::access::Asking;
use crate::harness::{Project, family};

const TOKEN: &str = "0123456789abcdef-of-the-runner";
const ONLY: &str = "only-the-server-has-it";
const URL: &str = "https://git.example.com/me/app.git";
const SCOPES: &str = "{scopes: [params:read, repo:read]}";

/// A server that knows two repos and lets in who has [`TOKEN`].
struct Server {
    port: u16,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    /// What is answered instead, once: a status line and headers.
    instead: Arc<Mutex<Vec<&'static str>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<BTreeMap<String, usize>>>::default();
        let instead = Arc::<Mutex<Vec<&'static str>>>::default();
        let (log, wrong) = (Arc::clone(&asked), Arc::clone(&instead));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream);
                let Some((line, token)) = read(&mut reader) else {
                    continue;
                };
                *log.lock().unwrap().entry(line.clone()).or_default() += 1;
                let (status, answer) = match wrong.lock().unwrap().pop() {
                    Some(status) => (status, String::new()),
                    None if token.as_deref() != Some(&format!("Token {TOKEN}")) => {
                        ("401 Unauthorized", String::new())
                    }
                    None => answer(&line),
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/edn\r\nConnection: close\r\n\
                     Content-Length: {}\r\n\r\n{answer}",
                    answer.len()
                );
                // Who asked may have gone.
                let _ = reader.get_mut().write_all(answer.as_bytes());
            }
        });
        Self {
            port,
            asked,
            instead,
        }
    }

    fn asked(&self) -> Vec<(String, usize)> {
        let asked = self.asked.lock().unwrap().clone();
        asked.into_iter().collect()
    }

    /// A project that was cloned from [`URL`], of a user who knows this server.
    fn project(&self, of_project: &str) -> Project {
        let project = Project::empty().file(".monkeyci/tui.toml", of_project);
        for args in [&["init", "-q"][..], &["remote", "add", "origin", URL]] {
            let git = Command::new("git")
                .args(args)
                .current_dir(project.dir())
                .status();
            assert!(git.unwrap().success());
        }
        let config = project.home().join("config");
        std::fs::create_dir_all(&config).unwrap();
        let text = format!("[servers.work]\nurl = \"http://127.0.0.1:{}\"\n", self.port);
        std::fs::write(config.join("config.toml"), text).unwrap();
        project
    }

    fn build(&self, of_project: &str, arguments: &[&str]) -> Asking {
        let environment = [("MONKEYCI_TUI_TOKEN", TOKEN)];
        Asking::start_in(self.project(of_project), SCOPES, arguments, &environment)
    }
}

/// Method and path, and the credential.
fn read(reader: &mut impl BufRead) -> Option<(String, Option<String>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let line = line.strip_suffix(" HTTP/1.1\r\n")?.to_owned();
    let mut token = None;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        if name.eq_ignore_ascii_case("authorization") {
            token = Some(value.to_owned());
        }
    }
    Some((line, token))
}

fn answer(line: &str) -> (&'static str, String) {
    let app = format!(
        "{{:id \"app\" :org-id \"acme\" :name \"The app\" :url \"{URL}\" :main-branch \"trunk\" \
         :labels [{{:name \"team\" :value \"core\"}}]}}"
    );
    let other = "{:id \"other\" :name \"Other\" :url \"https://git.example.com/them/other\"}";
    let text = match line {
        "GET /org/acme" => format!("{{:id \"acme\" :name \"Acme\" :repos [{app} {other}]}}"),
        "GET /org/acme/repo/app" => app,
        "GET /org/acme/repo/app/param" | "GET /org/acme/repo/other/param" => {
            format!(
                "[{{:name \"word\" :value \"of-the-server\"}} {{:name \"only\" :value \"{ONLY}\"}}]"
            )
        }
        _ => return ("404 Not Found", String::new()),
    };
    ("200 OK", text)
}

fn once(paths: &[&str]) -> Vec<(String, usize)> {
    paths.iter().map(|path| ((*path).to_owned(), 1)).collect()
}

#[test]
fn a_script_gets_what_the_server_knows_and_the_server_is_asked_once() {
    let server = Server::start();
    let of_project = "[remote]\nserver = \"work\"\norg = \"acme\"\n[repo]\nname = \"Here\"\n";
    let asking = server.build(of_project, &["--param", "word=of-the-command-line"]);
    // A build that asks for nothing needs no server.
    assert_eq!(server.asked(), []);
    for params in asking.ask_at_once(20, "GET", "/params") {
        assert!(params.contains(ONLY), "{params}");
        assert!(params.contains("of-the-command-line"), "{params}");
        assert!(!params.contains("of-the-server"), "{params}");
    }
    let repo = asking.answers("GET", "/repo", "", 200);
    assert!(
        repo.contains("\"Here\"") && repo.contains("\"trunk\""),
        "{repo}"
    );
    assert!(repo.contains("\"core\""), "{repo}");
    let org = asking.answers("GET", "/org", "", 200);
    assert!(org.contains("\"Acme\""), "{org}");
    // A key is for the script alone, and not for its jobs.
    asking.answers("POST", "/decrypt-key", "\"c2VhbGVk\"", 403);
    assert_eq!(
        server.asked(),
        once(&[
            "GET /org/acme",
            "GET /org/acme/repo/app",
            "GET /org/acme/repo/app/param",
        ])
    );
    // The runner's credential is nowhere but in the runner's own environment.
    let program = asking.build.pid().as_raw_nonzero().get();
    for pid in family(asking.build.pid()) {
        for file in ["environ", "cmdline"] {
            let text = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            assert!(pid == program || !text.contains(TOKEN), "{pid} {file}");
        }
    }
    asking.go_on("asks");
    asking.go_on("behind");
    let project = asking.project;
    asking
        .build
        .wait()
        .exits(0)
        .keeps_quiet_about(TOKEN)
        .keeps_quiet_about(ONLY);
    let journal = serde_json::json!(project.events()).to_string();
    for secret in [TOKEN, ONLY] {
        assert!(!journal.contains(secret), "{journal}");
    }
}

#[test]
fn a_project_gets_nothing_of_a_repo_that_it_was_not_cloned_from() {
    let server = Server::start();
    let of_project = "[remote]\nserver = \"work\"\norg = \"acme\"\nrepo = \"other\"\n";
    for arguments in [&[][..], &["--server", "work"]] {
        let asking = server.build(of_project, arguments);
        let refused = asking.answers("GET", "/params", "", 500);
        assert!(!refused.contains(ONLY), "{refused}");
        assert!(refused.contains("another URL"), "{refused}");
        asking.go_on("asks");
        asking.go_on("behind");
        asking.build.wait().exits(0);
    }
    assert!(
        server
            .asked()
            .iter()
            .all(|(path, _)| path == "GET /org/acme")
    );
    // The user may know better.
    let asking = server.build(of_project, &["--server", "work/acme/other"]);
    assert!(asking.answers("GET", "/params", "", 200).contains(ONLY));
    // … also that nothing is asked.
    let before = server.asked();
    let asking = server.build(of_project, &["--server", "none"]);
    assert!(!asking.answers("GET", "/params", "", 200).contains(ONLY));
    assert_eq!(server.asked(), before);
}

#[test]
fn why_the_server_does_not_answer_is_told_and_a_busy_one_is_asked_again() {
    let server = Server::start();
    let of_project = "[remote]\nserver = \"work\"\norg = \"acme\"\n";
    let asking = server.build(of_project, &[]);
    server
        .instead
        .lock()
        .unwrap()
        .extend(["403 Forbidden", "429 Too Many Requests\r\nRetry-After: 1"]);
    // One wait as the server asks for it, then its refusal.
    let refused = asking.answers("GET", "/params", "", 500);
    assert!(refused.contains("does not allow"), "{refused}");
    assert!(!refused.contains(TOKEN), "{refused}");
    let count = server.asked();
    assert_eq!(count, [("GET /org/acme".to_owned(), 2)]);
    // The same again, without asking.
    asking.answers("GET", "/params", "", 500);
    assert_eq!(server.asked(), count);
    // What it does not know is no fault of the first question.
    server
        .instead
        .lock()
        .unwrap()
        .push("429 Too Many Requests\r\nRetry-After: 3600");
    let busy = asking.answers("GET", "/org", "", 500);
    assert!(
        busy.contains("too busy") && busy.contains("3600 s"),
        "{busy}"
    );
    let count = server.asked();
    asking.answers("GET", "/repo", "", 500);
    assert_eq!(server.asked(), count);
    asking.go_on("asks");
    asking.go_on("behind");
    asking
        .build
        .wait()
        .exits(0)
        .says("the parameters could not be had")
        .keeps_quiet_about(TOKEN);
}

#[test]
fn a_server_is_known_to_the_user_or_it_is_none() {
    let server = Server::start();
    let project = server.project("").file(
        ".monkeyci/build.yaml",
        "- id: a\n  image: i\n  script: [\"true\"]\n",
    );
    for (arguments, why) in [
        (["--server", "play"], "no server is called \"play\""),
        (["--server", "http://h"], "neither NAME nor NAME/ORG/REPO"),
        (["--server", "work/acme"], "neither NAME nor NAME/ORG/REPO"),
        (["--server", "work"], "it is not known which org is meant"),
    ] {
        project.build(&arguments).exits(2).says(why);
    }
    for (named, why) in [
        ("play", "no server is called \"play\""),
        ("http://evil.example", "that is no name of a server"),
    ] {
        let text = format!(
            "[remote]\nserver = \"{named}\"\nurl = \"http://evil.example\"\ntoken = \"x\"\n"
        );
        let path = project.dir().join(".monkeyci/tui.toml");
        std::fs::write(path, text).unwrap();
        project
            .build(&[])
            .exits(0)
            .says("of which nothing is asked")
            .says(why)
            .says(
                "have keys that mean nothing here: remote.token, remote.url"
                    .trim_start_matches("have "),
            );
    }
    assert_eq!(server.asked(), []);
}
