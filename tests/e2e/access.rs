//! Who may talk to a running build, and what nobody can overhear.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::harness::{LIMIT, Project, Running, eventually, family, wait_for_file};
use crate::screen::find;

/// A build whose only job waits for a file, the file, and the build's folder with the socket.
fn waiting() -> (Project, Running, PathBuf, PathBuf) {
    let project = Project::empty();
    let file = project.dir().join("go");
    let yaml = format!(
        "- id: a\n  image: i\n  script: ['env; echo up', 'while [ ! -e {} ]; do sleep 0.02; done', 'echo went on']\n",
        file.display()
    );
    let project = project.file(".monkeyci/build.yaml", &yaml);
    let mut build = project.start(&[]);
    build.until("│ up");
    let runtime = std::fs::read_dir(project.home().join("runtime"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("api.sock").exists())
        .expect("a running build has a socket");
    (project, build, file, runtime)
}

/// Sends bytes to a socket and returns the status of the answer, 0 for none.
fn status(runtime: &Path, request: &[u8]) -> u16 {
    let mut stream = UnixStream::connect(runtime.join("api.sock")).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    // Whoever has heard enough closes the line, and the rest cannot be sent.
    let _ = stream.write_all(request);
    if find(request, b"connection: close\r\n").is_none() {
        // Nothing more comes; a whole request asks for the line to be closed behind the answer.
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .unwrap_or(0)
}

fn request(method: &str, path: &str, token: Option<&str>, body: &str) -> Vec<u8> {
    let authorization = token
        .map(|token| format!("authorization: Bearer {token}\r\n"))
        .unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: build\r\nconnection: close\r\n{authorization}\
         content-type: application/edn\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[test]
fn only_who_has_a_token_is_let_in_and_only_as_far_as_it_goes() {
    let (project, build, file, runtime) = waiting();
    let token = std::fs::read_to_string(runtime.join("watch.token")).unwrap();
    let token = token.trim();
    let end =
        r#"[{:type :build/end :status :success} {:type :job/end :job-id "a" :status :success}]"#;
    assert_eq!(status(&runtime, &request("GET", "/test", None, "")), 401);
    assert_eq!(
        status(&runtime, &request("POST", "/events", None, end)),
        401
    );
    for wrong in [
        "",
        "x",
        "eyJhbGciOiJub25lIn0.e30.",
        &token[..token.len() - 2],
    ] {
        let wrong = request("POST", "/events", Some(wrong), end);
        assert_eq!(status(&runtime, &wrong), 401);
    }
    assert_eq!(
        status(&runtime, &request("GET", "/test", Some(token), "")),
        200
    );
    for (method, path) in [
        ("POST", "/events"),
        ("GET", "/params"),
        ("GET", "/workspace"),
        ("PUT", "/artifact/x"),
        ("GET", "/artifact/x"),
        ("PUT", "/cache/x"),
    ] {
        let asked = request(method, path, Some(token), end);
        assert_eq!(status(&runtime, &asked), 403, "{method} {path}");
    }
    assert_eq!(
        status(&runtime, &request("GET", "/nowhere", Some(token), "")),
        404
    );
    std::fs::write(file, "").unwrap();
    build
        .wait()
        .exits(0)
        .says("went on")
        .says("refused POST /events")
        .keeps_quiet_about(token);
    assert_eq!(project.jobs(), [("a".to_owned(), "success".to_owned())]);
}

#[test]
fn garbage_on_the_socket_does_not_disturb_the_build() {
    let (_project, build, file, runtime) = waiting();
    let long = vec![b'a'; 1 << 20];
    for garbage in [
        &b""[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /events HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &long,
        b"POST /events HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"POST /events HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzzz\r\n",
    ] {
        let answered = status(&runtime, garbage);
        assert!(!(200..300).contains(&answered), "{answered}");
    }
    // Lines that stay open without a word, and one that is half a request.
    let mut open: Vec<UnixStream> = (0..200)
        .map(|_| UnixStream::connect(runtime.join("api.sock")).unwrap())
        .collect();
    open[0].write_all(b"POST /events HTTP/1.1\r\nho").unwrap();
    assert_eq!(status(&runtime, &request("GET", "/test", None, "")), 401);
    std::fs::write(file, "").unwrap();
    build.wait().exits(0).says("went on");
}

#[test]
fn no_process_of_a_build_shows_a_token() {
    let (project, build, file, runtime) = waiting();
    let token = std::fs::read_to_string(runtime.join("watch.token")).unwrap();
    let processes = family(build.pid());
    // The program, the script's host, the job's shell.
    assert!(processes.len() >= 3, "{processes:?}");
    for pid in processes {
        for name in ["cmdline", "environ"] {
            let text = std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(!text.contains("eyJ"), "{name} of {pid}: {text:?}");
            assert!(!text.contains(token.trim()), "{name} of {pid}");
        }
    }
    std::fs::write(file, "").unwrap();
    build.wait().exits(0).keeps_quiet_about("eyJ");
    let log = project.run(&["logs", "last", "a", "--raw"]).exits(0);
    log.keeps_quiet_about("eyJ");
}

#[test]
fn others_can_neither_reach_the_socket_nor_read_the_recording() {
    let (project, build, file, runtime) = waiting();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&runtime), 0o700);
    assert_eq!(mode(&runtime.join("api.sock")), 0o600);
    assert_eq!(mode(&runtime.join("watch.token")), 0o600);
    let builds = project.home().join("data").join("builds");
    assert_eq!(mode(&builds) & 0o077, 0);
    std::fs::write(file, "").unwrap();
    build.wait().exits(0);
    assert!(!runtime.exists(), "the socket's folder goes with the build");
}

/// A build whose job `asks` may use the script API and waits, and what that job was given.
pub struct Asking {
    pub project: Project,
    pub build: Running,
    token: String,
    /// `127.0.0.1:PORT`.
    address: String,
    /// The folder by which the jobs are told to go on: `asks`, then `behind`.
    doors: PathBuf,
}

fn ask(address: &str, token: &str, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let request = request(method, path, Some(token), body);
    stream.write_all(&request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

impl Asking {
    pub fn start(api: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_in(Project::empty(), api, arguments, environment)
    }

    /// In a project that has no script yet.
    pub fn start_in(
        project: Project,
        api: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let doors = project.dir().join("../doors");
        std::fs::create_dir(&doors).unwrap();
        let wait = |name: &str| {
            format!(
                "while [ ! -e {0}/{name} ]; do sleep 0.02; done",
                doors.display()
            )
        };
        let yaml = format!(
            "- id: asks\n  image: i\n  api: {api}\n  script:\n\
             \x20 - 'stat -c %a \"$MONKEYCI_API_TOKEN_FILE\"; test -S \"$MONKEYCI_API_SOCKET\"'\n\
             \x20 - 'cd {doors}; cp \"$MONKEYCI_API_TOKEN_FILE\" token; echo \"$MONKEYCI_API_URL\" >url.new; mv url.new url'\n\
             \x20 - '{asks}'\n\
             - id: behind\n  image: i\n  dependencies: [asks]\n  script:\n\
             \x20 - 'env | grep MONKEYCI_API || echo nothing was given'\n\
             \x20 - 'touch {doors}/behind-waits; {behind}'\n",
            doors = doors.display(),
            asks = wait("asks"),
            behind = wait("behind"),
        );
        let project = project.file(".monkeyci/build.yaml", &yaml);
        let mut command = project.command(&["build", "--plain", "--executor", "host"]);
        command.args(arguments).envs(environment.iter().copied());
        let build = Running::start(command);
        wait_for_file(&doors.join("url"));
        let read = |name: &str| std::fs::read_to_string(doors.join(name)).unwrap();
        let url = read("url");
        let address = url.trim().strip_prefix("http://").unwrap();
        Self {
            address: address.trim_end_matches('/').to_owned(),
            token: read("token").trim().to_owned(),
            project,
            build,
            doors,
        }
    }

    /// The whole answer to a request with the job's token.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> String {
        ask(&self.address, &self.token, method, path, body)
    }

    /// The answers to requests that all wait at once.
    pub fn ask_at_once(&self, count: usize, method: &str, path: &str) -> Vec<String> {
        let (address, token) = (&self.address, &self.token);
        std::thread::scope(|scope| {
            let asking: Vec<_> = (0..count)
                .map(|_| scope.spawn(|| ask(address, token, method, path, "")))
                .collect();
            asking.into_iter().map(|one| one.join().unwrap()).collect()
        })
    }

    #[track_caller]
    pub fn answers(&self, method: &str, path: &str, body: &str, status: u16) -> String {
        let answer = self.ask(method, path, body);
        let wanted = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&wanted), "{method} {path}: {answer}");
        answer
    }

    pub fn go_on(&self, job: &str) {
        std::fs::write(self.doors.join(job), "").unwrap();
    }
}

#[test]
fn a_job_that_asks_gets_a_token_that_goes_no_further_and_ends_with_the_job() {
    let asking = Asking::start("true", &["--param", "word=swordfish"], &[]);
    assert!(
        asking
            .answers("GET", "/build", "", 200)
            .contains(":build-id")
    );
    asking.answers("GET", "/repo", "", 200);
    asking.answers("PUT", "/result/coverage", "{:lines 80}", 200);
    assert!(
        asking
            .answers("GET", "/result/coverage", "", 200)
            .contains("{:lines 80}")
    );
    for (method, path, body) in [
        (
            "POST",
            "/events",
            "[{:type :job/end :job-id \"asks\" :status :failure}]",
        ),
        ("GET", "/params", ""),
        ("GET", "/secret/npm", ""),
        ("PUT", "/cache/x", ""),
        ("GET", "/workspace", ""),
        // The form in which the runner itself would read and write in the checkout.
        ("PUT", "/artifact/asks/x", "{:path \"/etc/passwd\"}"),
    ] {
        let refused = asking.answers(method, path, body, 403);
        assert!(!refused.contains("swordfish"), "{refused}");
    }
    asking.go_on("asks");
    wait_for_file(&asking.doors.join("behind-waits"));
    asking.answers("GET", "/build", "", 401);
    asking.go_on("behind");
    let (project, token) = (asking.project, asking.token);
    asking
        .build
        .wait()
        .exits(0)
        .says("│ 600")
        .says("│ nothing was given")
        .says("refused POST /events")
        .keeps_quiet_about(&token)
        .keeps_quiet_about("eyJ");
    let journal = serde_json::json!(project.events()).to_string();
    assert!(!journal.contains("eyJ"), "{journal}");
    assert!(journal.contains("coverage"), "{journal}");
}

#[test]
fn what_is_denied_to_the_script_no_job_of_it_gets() {
    let asking = Asking::start(
        "{scopes: [params:read, results:write, build:read]}",
        &[
            "--param",
            "word=swordfish",
            "--deny",
            "params:read",
            "--deny",
            "results:write",
        ],
        &[],
    );
    asking.answers("GET", "/build", "", 200);
    asking.answers("GET", "/params", "", 403);
    asking.answers("PUT", "/result/coverage", "{:lines 80}", 403);
    asking.go_on("asks");
    asking.go_on("behind");
    asking.build.wait().exits(0).keeps_quiet_about("swordfish");
}

#[test]
fn a_credential_is_given_by_name_and_its_reading_is_recorded_without_it() {
    let value = "hunter2-and-more";
    let asking = Asking::start(
        "{scopes: [secrets:read, params:read]}",
        &["--secret", "npm=NPM_WORD"],
        &[("NPM_WORD", value)],
    );
    // A credential is no parameter.
    assert!(!asking.answers("GET", "/params", "", 200).contains(value));
    assert!(
        asking
            .answers("GET", "/secret/npm", "", 200)
            .contains(value)
    );
    asking.answers("GET", "/secret/other", "", 404);
    let program = asking.build.pid();
    let shows = |name: &str, pid: &i32| {
        let text = std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        String::from_utf8_lossy(&text).contains(value)
    };
    let shown = family(program)
        .into_iter()
        .find(|pid| shows("cmdline", pid));
    assert_eq!(shown, None);
    // In the program's own environment the test put it, and there a child sees it until it has become
    // what it is to run.
    eventually("no environment shows the credential", || {
        let mut others = family(program).into_iter().skip(1);
        others.all(|pid| !shows("environ", &pid))
    });
    asking.go_on("asks");
    asking.go_on("behind");
    let project = asking.project;
    asking.build.wait().exits(0).keeps_quiet_about(value);
    let events = project.events();
    let journal = serde_json::json!(events).to_string();
    assert!(!journal.contains(value), "{journal}");
    let read: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "tui/read" && event["what"] == "secret")
        .collect();
    assert_eq!(read.len(), 1, "{journal}");
    assert_eq!(read[0]["name"], "npm");
    assert_eq!(read[0]["job-id"], "asks");
}
