//! Who may talk to a running build, and what nobody can overhear.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use crate::harness::{LIMIT, Project, Running, family};
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
fn status(runtime: &std::path::Path, request: &[u8]) -> u16 {
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
    use std::os::unix::fs::PermissionsExt;
    let (project, build, file, runtime) = waiting();
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&runtime), 0o700);
    assert_eq!(mode(&runtime.join("api.sock")), 0o600);
    assert_eq!(mode(&runtime.join("watch.token")), 0o600);
    let builds = project.home().join("data").join("builds");
    assert_eq!(mode(&builds) & 0o077, 0);
    std::fs::write(file, "").unwrap();
    build.wait().exits(0);
    assert!(!runtime.exists(), "the socket's folder goes with the build");
}
