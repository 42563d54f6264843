//! The server: real processes, a real repository, builds on the host executor.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use aws_lc_rs::hmac;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::counted::not_run;
use crate::harness::{LIMIT, Project, Running, eventually};

/// A script with two jobs: one leaves something behind, one waits for an approval.
pub(crate) const SCRIPT: &str = r"
- id: test
  image: none
  script:
    - echo out of $MONKEYCI_BRANCH; mkdir -p made; echo made > made/file
    - echo to err >&2
  saveArtifacts:
    - id: report
      path: made
- id: gate
  image: none
  blocked: true
  dependencies: [test]
  script: echo opened
";

/// A job that waits until a file is there.
fn waiting(file: &Path) -> String {
    let file = file.display();
    format!("- id: wait\n  image: none\n  script: while [ ! -e {file} ]; do sleep 0.1; done\n")
}

/// A project that is a repository with one commit.
pub(crate) fn repository(script: &str) -> Project {
    let project = Project::yaml(script);
    commit(&project.dir());
    project
}

/// Commits all there is to `main`; returns the commit's id.
pub(crate) fn commit(dir: &Path) -> String {
    let repository = git2::Repository::open(dir).or_else(|_| {
        let mut options = git2::RepositoryInitOptions::new();
        options.initial_head("main");
        git2::Repository::init_opts(dir, &options)
    });
    let repository = repository.unwrap();
    let mut index = repository.index().unwrap();
    index
        .add_all(["*"], git2::IndexAddOption::DEFAULT, None)
        .unwrap();
    index.write().unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let somebody = git2::Signature::now("Somebody", "some@body").unwrap();
    let parent = repository
        .head()
        .ok()
        .map(|head| head.peel_to_commit().unwrap());
    let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
    let id = repository.commit(
        Some("HEAD"),
        &somebody,
        &somebody,
        "All of it",
        &tree,
        &parents,
    );
    id.unwrap().to_string()
}

/// A server that runs.
pub(crate) struct Server<'p> {
    project: &'p Project,
    process: Running,
    pub(crate) url: String,
    pub(crate) repo: String,
    pub(crate) client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl<'p> Server<'p> {
    /// Starts a server for the project's repository.
    #[track_caller]
    fn start(project: &'p Project, more: &[&str]) -> Self {
        Self::of(project, ".", more)
    }

    /// Starts a server for a repository, by folder or URL.
    #[track_caller]
    pub(crate) fn of(project: &'p Project, repo: &str, more: &[&str]) -> Self {
        Self::started(project, &[env!("CARGO_BIN_EXE_monkeyci-tui")], repo, more)
    }

    /// The same, by the words that start the program.
    #[track_caller]
    fn started(project: &'p Project, words: &[&str], repo: &str, more: &[&str]) -> Self {
        let mut args = words[1..].to_vec();
        args.extend(["serve", "--listen", "127.0.0.1:0", "--repo", repo]);
        args.extend(["--executor", "host"]);
        args.extend(more);
        let mut process = Running::start(project.command_of(words[0], &args));
        process.until_lines(2);
        let said = process.seen().to_owned();
        let url = said
            .lines()
            .next()
            .and_then(|line| line.split(" at ").nth(1));
        let repo = said
            .lines()
            .nth(1)
            .and_then(|line| line.split_whitespace().next());
        let client = reqwest::Client::builder()
            .timeout(LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_only(std::iter::empty())
            .build();
        Self {
            url: url
                .unwrap_or_else(|| panic!("no address in {said}"))
                .to_owned(),
            repo: repo.unwrap().to_owned(),
            project,
            process,
            client: client.unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    pub(crate) fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let body = String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned();
            Answer { status, body }
        })
    }

    /// The path below a repository, or as it is when it begins with a slash.
    fn path(&self, path: &str) -> String {
        if path.starts_with('/') {
            return format!("{}{path}", self.url);
        }
        format!("{}/org/local/repo/{}/{path}", self.url, self.repo)
    }

    pub(crate) fn get(&self, credential: &str, path: &str) -> Answer {
        let request = self.client.get(self.path(path));
        self.send(request.header("authorization", credential))
    }

    pub(crate) fn post(&self, credential: &str, path: &str, body: &str) -> Answer {
        let request = self.client.post(self.path(path));
        let request = request.header("authorization", credential);
        self.send(
            request
                .header("content-type", "application/json")
                .body(body.to_owned()),
        )
    }

    /// Waits until a build has a status.
    #[track_caller]
    pub(crate) fn until(&self, credential: &str, build: &str, status: &str) -> Value {
        let mut last = Value::Null;
        let path = format!("builds/{build}");
        eventually(&format!("{build} is {status}"), || {
            last = self.get(credential, &path).json();
            let now = last["status"].as_str().unwrap();
            assert!(
                now == status || !["success", "error", "canceled"].contains(&now),
                "{build} ended otherwise: {last}"
            );
            now == status
        });
        last
    }

    /// Everything that is told of a build and around it.
    fn everything(&self, credential: &str) -> BTreeMap<String, Answer> {
        let mut all = BTreeMap::new();
        for path in [
            "/version",
            "/org/local",
            "/org/local/builds/recent?since=0",
            "/org/local/builds/latest",
            "/metrics",
            "/auth/jwks",
            "builds",
            "builds/latest",
        ] {
            all.insert(path.to_owned(), self.get(credential, path));
        }
        for build in all["builds"].clone().json().as_array().unwrap() {
            let base = format!("builds/{}", build["buildId"].as_str().unwrap());
            for rest in [
                "",
                "/job/test",
                "/job/test/logs?file=0_out.log",
                "/job/test/logs?file=1_err.log",
                "/artifact",
                "/artifact/report",
                "/artifact/report/download",
                "/events",
            ] {
                let path = format!("{base}{rest}");
                if rest == "/events"
                    && !["success", "error"].contains(&build["status"].as_str().unwrap())
                {
                    // It does not end before the build does.
                    continue;
                }
                all.insert(path.clone(), self.get(credential, &path));
            }
        }
        all
    }

    /// Reads a stream until a text comes.
    #[track_caller]
    fn stream_until(&self, credential: &str, path: &str, last: Option<&str>, text: &str) -> String {
        let mut request = self.client.get(self.path(path));
        request = request.header("authorization", credential);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        self.runtime.block_on(async {
            let mut response = request.send().await.unwrap();
            assert_eq!(response.status().as_u16(), 200);
            assert_eq!(response.headers()["content-type"], "text/event-stream");
            let mut all = String::new();
            while !all.contains(text) {
                let chunk = response.chunk().await.unwrap();
                let chunk = chunk.unwrap_or_else(|| panic!("no {text:?} in {all}"));
                all.push_str(&String::from_utf8_lossy(&chunk));
            }
            all
        })
    }

    /// Ends it in order.
    #[track_caller]
    pub(crate) fn end(mut self) -> crate::harness::Ran {
        self.process.signal(Signal::TERM);
        self.process.wait().exits(0)
    }
}

/// A token, as it is sent.
pub(crate) fn token(project: &Project, args: &[&str]) -> String {
    let mut all = vec!["serve", "token"];
    all.extend(args);
    let made = project.run(&all).exits(0);
    let text = made.out.trim();
    let scheme = if text.contains('.') {
        "Bearer"
    } else {
        "Token"
    };
    format!("{scheme} {text}")
}

#[test]
fn a_trigger_becomes_a_build_that_is_told_also_after_a_restart() {
    let project = repository(SCRIPT);
    let run = token(&project, &["--role", "run"]);
    let server = Server::start(&project, &[]);
    assert_eq!(server.get(&run, "builds/latest").status, 204);
    let answer = server.post(
        &run,
        "builds/trigger",
        r#"{"params":{"P":"a-secret-value"}}"#,
    );
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json()["id"].as_str().unwrap().len(), 24);
    let idle = |build: &Value| build["script"]["jobs"][1]["status"] == json!("blocked");
    eventually("gate is blocked", || {
        idle(&server.get(&run, "builds/build-1").json())
    });
    let refused = server.post(&run, "builds/build-1/job/nope/unblock", "");
    assert_eq!((refused.status, refused.body.as_str()), (404, ""));
    let approved = server.post(&run, "builds/build-1/job/gate/unblock", "");
    assert_eq!((approved.status, approved.body.as_str()), (202, ""));
    let build = server.until(&run, "build-1", "success");
    assert_eq!(build["idx"], json!(1));
    assert_eq!(build["source"], json!("api"));
    assert_eq!(build["git"]["ref"], json!("refs/heads/main"));
    assert_eq!(build["script"]["jobs"][0]["status"], json!("success"));
    let log = server
        .get(&run, "builds/build-1/job/test/logs?file=0_out.log")
        .json();
    assert_eq!(log["entries"][0]["contents"], json!("out of main\n"));
    let log = server
        .get(&run, "builds/build-1/job/test/logs?file=1_err.log")
        .json();
    assert_eq!(log["entries"][0]["contents"], json!("to err\n"));
    let none = server.get(&run, "builds/build-1/job/test/logs?file=1_out.log");
    assert_eq!((none.status, none.body.as_str()), (204, ""));
    let artifacts = server.get(&run, "builds/build-1/artifact").json();
    assert_eq!(artifacts, json!([{"id": "report", "path": "made"}]));
    let path = server.path("builds/build-1/artifact/report/download");
    let request = server.client.get(path).header("authorization", &run);
    let archive = server
        .runtime
        .block_on(async { request.send().await.unwrap().bytes().await.unwrap() });
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive.as_ref()));
    let entries = archive.entries().unwrap();
    let names: Vec<_> = entries
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert!(names.iter().any(|name| name == "file"), "{names:?}");

    // A second one of the same commit, and one that fails because there is no such branch.
    assert_eq!(server.post(&run, "builds/build-1/retry", "").status, 202);
    eventually("gate is blocked", || {
        idle(&server.get(&run, "builds/build-2").json())
    });
    assert_eq!(server.post(&run, "builds/build-2/cancel", "").status, 202);
    let second = server.until(&run, "build-2", "canceled");
    assert_eq!(second["git"]["commitId"], build["git"]["commitId"]);
    let wrong = server.post(&run, "builds/trigger?branch=nowhere", "{}");
    assert_eq!(wrong.status, 202);
    let third = server.until(&run, "build-3", "error");
    assert!(
        third["message"].as_str().unwrap().contains("nowhere"),
        "{third}"
    );

    eventually("nothing runs", || {
        server
            .get(&run, "/metrics")
            .body
            .contains("monkeyci_builds_running 0")
    });
    let before = server.everything(&run);
    for (path, answer) in &before {
        assert!(!answer.body.contains("a-secret-value"), "{path}");
    }
    server.end();
    let server = Server::start(&project, &[]);
    let after = server.everything(&run);
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>()
    );
    for (path, answer) in &before {
        assert_eq!(answer, &after[path], "{path}");
    }
    assert_eq!(server.post(&run, "builds/trigger", "{}").status, 202);
    assert_eq!(server.get(&run, "builds/latest").json()["idx"], json!(4));
    server.post(&run, "builds/build-4/cancel", "");
    server.end();
}

#[test]
fn what_is_queued_waits_for_a_place_and_through_a_restart() {
    let project = Project::empty();
    let file = project.home().join("go");
    let project = project.file(".monkeyci/build.yaml", &waiting(&file));
    commit(&project.dir());
    let run = token(&project, &["--role", "run"]);
    let server = Server::start(&project, &[]);
    for _ in 0..3 {
        assert_eq!(server.post(&run, "builds/trigger", "{}").status, 202);
    }
    server.until(&run, "build-1", "running");
    server.post(&run, "builds/build-2/cancel", "");
    server.until(&run, "build-2", "canceled");
    assert!(
        server
            .get(&run, "/metrics")
            .body
            .contains("monkeyci_builds_queued 1\n")
    );
    // Killed: what ran is closed, what was queued goes on.
    let Server { mut process, .. } = server;
    process.signal(Signal::KILL);
    drop(process);
    let server = Server::start(&project, &[]);
    let first = server.get(&run, "builds/build-1").json();
    assert_eq!(first["status"], json!("error"));
    assert!(
        first["message"].as_str().unwrap().contains("interrupted"),
        "{first}"
    );
    server.until(&run, "build-3", "running");
    std::fs::write(&file, "").unwrap();
    server.until(&run, "build-3", "success");
    assert_eq!(
        server.get(&run, "builds/build-2").json()["status"],
        json!("canceled")
    );
    server.end();
}

#[test]
fn a_server_that_ends_takes_no_more_builds_and_stops_those_that_take_too_long() {
    let project = Project::empty();
    let file = project.home().join("never");
    let project = project.file(".monkeyci/build.yaml", &waiting(&file));
    commit(&project.dir());
    let run = token(&project, &["--role", "run"]);
    let mut server = Server::start(&project, &["--grace", "1h"]);
    server.post(&run, "builds/trigger", "{}");
    server.until(&run, "build-1", "running");
    server.process.signal(Signal::TERM);
    eventually("it takes no more", || {
        server.post(&run, "builds/trigger", "{}").status == 503
    });
    assert_eq!(
        server.get(&run, "builds/build-1").json()["status"],
        json!("running")
    );
    // The second signal cuts the hour short.
    server.end().complains("taking no more builds");
    // What was asked for just before it took no more is started now, and stopped in turn.
    let server = Server::start(&project, &["--grace", "1s"]);
    assert_eq!(
        server.get(&run, "builds/build-1").json()["status"],
        json!("canceled")
    );
    server.end();
}

#[test]
fn everybody_may_do_what_their_credential_allows_and_nobody_without_one_anything() {
    let project = repository(SCRIPT);
    let [read, run, admin] =
        ["read", "run", "admin"].map(|role| token(&project, &["--role", role]));
    let signed = token(&project, &["--role", "read", "--jwt"]);
    let server = Server::start(&project, &[]);
    let unauthenticated = json!({"error": "Unauthenticated"});
    for credential in ["", "Token ", "Token 0", "Bearer x", "Basic YTpi"] {
        let answer = server.get(credential, "/org/local");
        assert_eq!(answer.status, 401, "{credential}");
        assert_eq!(answer.json(), unauthenticated);
    }
    // An API token is no JSON web token, nor the other way round.
    let swapped = [
        read.replace("Token", "Bearer"),
        signed.replace("Bearer", "Token"),
    ];
    for credential in swapped.iter().map(String::as_str) {
        assert_eq!(server.get(credential, "/org/local").status, 401);
    }
    for credential in [&read, &run, &admin, &signed] {
        assert_eq!(server.get(credential, "/org/local").status, 200);
        assert_eq!(server.get(credential, "/org/other").status, 403);
    }
    let jwt = signed.trim_start_matches("Bearer ");
    let in_query = server
        .client
        .get(server.path(&format!("/org/local?authorization={jwt}")));
    assert_eq!(server.send(in_query).status, 200);
    for credential in [&read, &signed] {
        for path in [
            "builds/trigger",
            "builds/build-1/cancel",
            "builds/build-1/retry",
        ] {
            assert_eq!(server.post(credential, path, "{}").status, 403, "{path}");
        }
    }
    // A token that is made while the server runs is good at once.
    let late = token(&project, &["--role", "run"]);
    assert_eq!(server.post(&late, "builds/trigger", "{}").status, 202);
    assert_eq!(server.post(&admin, "builds/trigger", "{}").status, 202);

    let own = format!("local/{}/build-1", server.repo);
    let of_build = token(&project, &["--role", "build", "--build", &own]);
    for path in [
        "",
        "/artifact",
        "/artifact/report/download",
        "/job/test",
        "/events",
    ] {
        let own = server.path(&format!("builds/build-1{path}"));
        let request = server.client.get(own).header("authorization", &of_build);
        // Not read to its end: the build still runs.
        let status = server
            .runtime
            .block_on(async { request.send().await.unwrap().status() });
        assert!(
            [200, 204, 404].contains(&status.as_u16()),
            "{path}: {status}"
        );
        let other = server.get(&of_build, &format!("builds/build-2{path}"));
        assert_eq!(other.status, 403, "{path}");
    }
    for path in ["builds", "/org/local", "/org/local/events"] {
        assert_eq!(server.get(&of_build, path).status, 403, "{path}");
    }
    assert_eq!(
        server.post(&of_build, "builds/build-1/cancel", "").status,
        403
    );

    // The public key is no secret to sign with.
    let jwks = server.get("", "/auth/jwks").json();
    let key = &jwks["keys"][0];
    let claims = json!({"role": "sysadmin", "sub": "sysadmin/x", "exp": 99_999_999_999_u64});
    for secret in [key["n"].as_str().unwrap(), &jwks.to_string()] {
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        let secret = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
        let forged = jsonwebtoken::encode(&header, &claims, &secret).unwrap();
        let answer = server.get(&format!("Bearer {forged}"), "/org/local");
        assert_eq!(answer.status, 401);
    }
    for build in ["build-1", "build-2"] {
        server.post(&run, &format!("builds/{build}/cancel"), "");
    }
    server.end();
    let files = project.home().join("data/server");
    for name in ["tokens.edn", "jwt-key.der"] {
        let mode = std::fs::metadata(files.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let kept = std::fs::read_to_string(files.join("tokens.edn")).unwrap();
    assert!(!kept.contains(run.trim_start_matches("Token ")));
}

/// What stands behind a name at the beginning of a line.
pub(crate) fn word_of(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

/// What GitHub sends with a body.
pub(crate) fn sign(secret: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signed = hmac::sign(&key, body.as_bytes());
    let hex: Vec<String> = signed
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256={}", hex.concat())
}

#[test]
fn a_push_is_built_once_and_only_when_it_is_signed() {
    let project = repository(SCRIPT);
    let head = git2::Repository::open(project.dir()).unwrap();
    let head = head.head().unwrap().target().unwrap().to_string();
    let run = token(&project, &["--role", "run"]);
    let server = Server::start(&project, &[]);
    let made = project
        .run(&["serve", "webhook", "--repo", &server.repo])
        .exits(0);
    let (path, secret) = (word_of(&made.out, "path"), word_of(&made.out, "secret"));
    let push = json!({
        "ref": "refs/heads/main", "deleted": false,
        "head_commit": {"id": head, "message": "of the push", "url": "https://example.invalid/c",
            "author": {"name": "N", "email": "e@x", "username": "u"}},
        "repository": {"id": 1, "clone_url": "https://example.invalid/a.git",
            "ssh_url": "git@example.invalid:a.git", "private": true, "master_branch": "main"},
        "commits": [{"added": ["b"], "modified": ["m", "a"], "removed": []}],
    })
    .to_string();
    let deliver = |path: &str, event: &str, delivery: &str, signature: Option<&str>, body: &str| {
        let mut request = server.client.post(server.path(path));
        request = request.header("content-type", "application/json");
        request = request.header("x-github-event", event);
        request = request.header("x-github-delivery", delivery);
        if let Some(signature) = signature {
            request = request.header("x-hub-signature-256", signature);
        }
        server.send(request.body(body.to_owned()))
    };
    let good = sign(&secret, &push);
    let forged = [
        None,
        Some(sign("", &push)),
        Some(sign("other", &push)),
        Some(sign(&secret, "{}")),
        Some(good.replace("sha256=", "sha1=")),
    ];
    for signature in &forged {
        let answer = deliver(&path, "push", "1", signature.as_deref(), &push);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (401, "Invalid signature header")
        );
    }
    let unknown = deliver("/webhook/github/nobody", "push", "1", Some(&good), &push);
    assert_eq!(unknown.status, 401);
    assert_eq!(deliver(&path, "ping", "1", Some(&good), &push).status, 204);
    let deletion = push.replace("\"deleted\":false", "\"deleted\":true");
    let signed = sign(&secret, &deletion);
    assert_eq!(
        deliver(&path, "push", "1", Some(&signed), &deletion).status,
        204
    );
    assert_eq!(server.get(&run, "builds").json(), json!([]));

    let taken = deliver(&path, "push", "1", Some(&good), &push);
    assert_eq!(taken.status, 202, "{taken:?}");
    // The same body under another id, and another body under the same.
    assert_eq!(deliver(&path, "push", "2", Some(&good), &push).status, 409);
    let other = push.replace("of the push", "of another");
    assert_eq!(
        deliver(&path, "push", "1", Some(&sign(&secret, &other)), &other).status,
        409
    );
    eventually("gate is blocked", || {
        let build = server.get(&run, "builds/build-1").json();
        build["script"]["jobs"][1]["status"] == json!("blocked")
    });
    let build = server.get(&run, "builds/build-1").json();
    assert_eq!(build["source"], json!("github-webhook"));
    assert_eq!(build["git"]["url"], json!("git@example.invalid:a.git"));
    assert_eq!(build["git"]["commitId"], json!(head));
    assert_eq!(
        build["git"]["author"],
        json!({"name": "N", "email": "e@x", "username": "u"})
    );
    let log = server
        .get(&run, "builds/build-1/job/test/logs?file=0_out.log")
        .json();
    assert_eq!(log["entries"][0]["contents"], json!("out of main\n"));
    let events = server.stream_until(&run, "builds/build-1/events", None, "build/pending");
    assert!(
        events.contains(":changes {:added #{\"b\"}, :modified #{\"a\" \"m\"}"),
        "{events}"
    );
    server.post(&run, "builds/build-1/cancel", "");
    server.until(&run, "build-1", "canceled");
    server.end();
    // Also after a restart.
    let server = Server::start(&project, &[]);
    let mut again = server.client.post(server.path(&path));
    again = again.header("content-type", "application/json");
    again = again.header("x-github-event", "push");
    again = again.header("x-github-delivery", "3");
    again = again.header("x-hub-signature-256", &good);
    assert_eq!(server.send(again.body(push)).status, 409);
    server.end();
    let orders = project.home().join("data/server/webhooks.edn");
    assert_eq!(
        std::fs::metadata(orders).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn streams_tell_what_builds_become_and_go_on_where_a_client_was() {
    let project = repository(SCRIPT);
    let run = token(&project, &["--role", "run"]);
    let server = Server::start(&project, &[]);
    // The first ping comes before anything has happened.
    let ping = server.stream_until(&run, "/org/local/events", None, "\n\n");
    assert_eq!(ping, "data: {:type :ping}\n\n");
    let request = server.client.get(server.path("/org/local/events"));
    let request = request.header("authorization", &run);
    let mut org = server
        .runtime
        .block_on(async { request.send().await.unwrap() });
    assert_eq!(server.post(&run, "builds/trigger", "{}").status, 202);
    let told = server.stream_until(&run, "builds/build-1/events", None, ":type :job/blocked");
    server.post(&run, "builds/build-1/job/gate/unblock", "");
    let seen = told
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .next_back()
        .unwrap();
    let rest = server.stream_until(&run, "builds/build-1/events", Some(seen), "build/end");
    let first: u64 = rest
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(first, seen.parse::<u64>().unwrap() + 1);
    server.until(&run, "build-1", "success");
    // The whole of it, read from the recording: the two parts, one behind the other.
    let all = server.get(&run, "builds/build-1/events").body;
    // One heartbeat at once, and one behind what there is.
    let ping = "data: {:type :ping}\n\n";
    assert!(all.starts_with(ping), "{all}");
    assert_eq!(all.matches(ping).count(), 2);
    let numbered = |text: &str| -> Vec<String> {
        let frames = text.split("\n\n").filter(|frame| frame.starts_with("id: "));
        frames.map(str::to_owned).collect()
    };
    let mut parts = numbered(&told);
    let known = parts.len();
    assert_eq!(known.to_string(), seen);
    parts.extend(numbered(&rest));
    assert_eq!(parts, numbered(&all)[..parts.len()]);

    let updates = server.runtime.block_on(async {
        let mut text = String::new();
        while !text.contains(":status :success, :start-time") || !text.contains(":end-time") {
            text.push_str(&String::from_utf8_lossy(
                &org.chunk().await.unwrap().unwrap(),
            ));
        }
        text
    });
    let line = updates
        .lines()
        .rfind(|line| line.starts_with("data: {:type :build/updated"));
    let event = monkeyci_tui::edn::read_str(line.unwrap().trim_start_matches("data: ")).unwrap();
    let jobs = event
        .get("build")
        .and_then(|build| build.get("script")?.get("jobs"))
        .unwrap();
    let ids: Vec<&str> = jobs
        .as_map()
        .unwrap()
        .keys()
        .filter_map(|id| id.as_str())
        .collect();
    assert_eq!(ids, ["test", "gate"]);
    server.end();
}

#[test]
fn what_is_asked_wrongly_is_answered_in_the_words_of_the_server() {
    let project = repository(SCRIPT);
    let run = token(&project, &["--role", "run"]);
    let server = Server::start(&project, &[]);
    let status = |path: &str, body: &str| server.post(&run, path, body).status;
    for body in [
        "",
        "[]",
        "{bad",
        r#"{"brunch":"x"}"#,
        r#"{"branch":1}"#,
        r#"{"params":{"A":1}}"#,
    ] {
        assert_eq!(status("builds/trigger", body), 400, "{body}");
    }
    for query in [
        "?branch=--upload-pack%3Dx",
        "?commit-id=HEAD~1",
        "?tag=a%20b",
    ] {
        assert_eq!(
            status(&format!("builds/trigger{query}"), "{}"),
            400,
            "{query}"
        );
    }
    let large = format!(r#"{{"branch":"{}"}}"#, "x".repeat(2 << 20));
    assert_eq!(status("builds/trigger", &large), 413);
    assert_eq!(
        server
            .post(&run, "/org/local/repo/nope/builds/trigger", "{}")
            .json(),
        json!({"error": "Repository does not exist"})
    );
    for path in [
        "builds/build-9",
        "builds/build-9/artifact",
        "builds/latest-nonsense",
        "builds/build-01",
    ] {
        let answer = server.get(&run, path);
        assert_eq!(
            (answer.status, answer.json()),
            (404, json!({"error": "Build not found"}))
        );
    }
    let bare = server.get(&run, "/org/local/repo/nope");
    assert_eq!((bare.status, bare.body.as_str()), (404, ""));
    assert_eq!(server.get(&run, "/org/local/param").status, 501);
    assert_eq!(server.get("", "/org/local/param").status, 401);
    assert_eq!(server.get("", "/nope").status, 404);
    server.end();

    project.run(&["serve"]).exits(2).complains("--repo");
    project
        .run(&["serve", "--repo", ".", "--queue", "0"])
        .exits(2)
        .complains("--queue");
    project
        .run(&["serve", "--repo", ".", "--plain"])
        .exits(2)
        .complains("--plain");
}

#[test]
fn the_operator_reads_what_becomes_of_builds_and_who_is_refused() {
    let project = repository(SCRIPT);
    let run = token(&project, &["--role", "run"]);
    let server = Server::start(&project, &[]);
    assert_eq!(server.get("Token s3cret", "builds").status, 401);
    assert_eq!(server.post("", "/webhook/github/x", "{}").status, 401);
    server.post(&run, "builds/trigger?branch=nowhere", "{}");
    server.until(&run, "build-1", "error");
    server.post(&run, "builds/trigger", "{}");
    eventually("gate is blocked", || {
        let build = server.get(&run, "builds/build-2").json();
        build["script"]["jobs"][1]["status"] == json!("blocked")
    });
    server.post(&run, "builds/build-2/cancel", "");
    server.until(&run, "build-2", "canceled");
    let repo = format!("local/{}", server.repo);
    let said = server.end();
    let said = said
        .complains(&format!(
            "refused 127.0.0.1 at /org/{}/builds: the API token",
            repo.replace('/', "/repo/")
        ))
        .complains("refused a delivery of 127.0.0.1 to /webhook/github/x: there is no such webhook")
        .complains(&format!("{repo}/build-1 queued by api: branch nowhere"))
        .complains(&format!("{repo}/build-1 ended: error after"))
        .complains(&format!("{repo}/build-2 queued by api\n"))
        .complains(&format!("{repo}/build-2 started"))
        .complains(&format!("{repo}/build-2 ended: canceled after"))
        .keeps_quiet_about("s3cret");
    // Each begins with the time.
    let lines = said
        .err
        .lines()
        .filter(|line| !line.starts_with("monkeyci-tui: "));
    for line in lines {
        assert!(
            line.starts_with("20") && line[..20].ends_with('Z'),
            "{line}"
        );
    }
    let server = Server::start(&project, &["--quiet"]);
    assert_eq!(server.get("Token s3cret", "builds").status, 401);
    server.post(&run, "builds/trigger?branch=nowhere", "{}");
    server.until(&run, "build-3", "error");
    server
        .end()
        .keeps_quiet_about("build-3")
        .keeps_quiet_about("refused");
}

#[test]
fn one_folder_is_served_by_one_server() {
    let project = repository(SCRIPT);
    let server = Server::start(&project, &[]);
    let args = ["serve", "--listen", "127.0.0.1:0", "--repo", "."];
    project
        .run(&args)
        .exits(2)
        .complains("another server works in it");
    assert_eq!(server.project.dir(), project.dir());
    server.end();
}

#[test]
fn a_repository_that_is_elsewhere_is_fetched_for_every_build() {
    let project = repository(SCRIPT);
    let run = token(&project, &["--role", "run"]);
    let url = format!("file://{}", project.dir().display());
    let server = Server::of(&project, &url, &[]);
    assert_eq!(server.repo, "project");
    let blocked = |build: &str| {
        let path = format!("builds/{build}");
        eventually("gate is blocked", || {
            let build = server.get(&run, &path).json();
            assert_ne!(build["status"], json!("error"), "{build}");
            build["script"]["jobs"][1]["status"] == json!("blocked")
        });
        server.get(&run, &path).json()
    };
    server.post(&run, "builds/trigger", "{}");
    let first = blocked("build-1");
    server.post(&run, "builds/build-1/cancel", "");
    server.until(&run, "build-1", "canceled");
    // What is new there is built, and what was there before can still be.
    let newer = commit(&project.dir());
    server.post(&run, "builds/trigger?branch=main", "{}");
    assert_eq!(blocked("build-2")["git"]["commitId"], json!(newer));
    server.post(&run, "builds/build-2/cancel", "");
    let before = first["git"]["commitId"].as_str().unwrap();
    assert_ne!(before, newer);
    let old = format!("builds/trigger?branch=main&commit-id={before}");
    server.post(&run, &old, "{}");
    let third = blocked("build-3");
    assert_eq!(third["git"]["commitId"], first["git"]["commitId"]);
    assert_eq!(third["git"]["branch"], json!("main"));
    server.post(&run, "builds/build-3/cancel", "");
    server.until(&run, "build-3", "canceled");
    server.post(&run, "builds/trigger?branch=nowhere", "{}");
    let fourth = server.until(&run, "build-4", "error");
    let why = fourth["message"].as_str().unwrap();
    assert!(why.contains("nowhere"), "{fourth}");
    server.end();
    let left = std::fs::read_dir(project.home().join("cache/checkouts"));
    assert_eq!(left.map_or(0, Iterator::count), 0);
    let url = "https://user:hunter2@example.invalid/a.git";
    let said = Server::of(&project, url, &[]).end();
    said.says("https://example.invalid/a.git")
        .keeps_quiet_about("hunter2");
}

#[test]
fn a_server_with_a_certificate_is_reached_by_who_trusts_it() {
    let project = repository(SCRIPT);
    let read = token(&project, &["--role", "read"]);
    let made = std::process::Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=test",
        ])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .current_dir(project.home())
        .output();
    if !made.is_ok_and(|ended| ended.status.success()) {
        not_run(
            "a_server_with_a_certificate_is_reached_by_who_trusts_it",
            "there is no openssl; on Debian: apt-get install openssl",
        );
        return;
    }
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| project.home().join(name));
    let [cert, key] = [cert.to_str().unwrap(), key.to_str().unwrap()];
    let mut server = Server::start(&project, &["--tls-cert", cert, "--tls-key", key]);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let plain = server.url.replace("https", "http");
    let in_clear = server.client.get(format!("{plain}/version"));
    let answered = server
        .runtime
        .block_on(async { in_clear.send().await.is_ok_and(|r| r.status() == 200) });
    assert!(!answered);
    let trusted = reqwest::Certificate::from_pem(&std::fs::read(cert).unwrap()).unwrap();
    server.client = reqwest::Client::builder()
        .timeout(LIMIT)
        .tls_certs_only([trusted])
        .build()
        .unwrap();
    assert_eq!(server.get(&read, "/org/local").status, 200);
    server.end();
    let wrong = ["serve", "--repo", ".", "--tls-cert", key, "--tls-key", cert];
    project.run(&wrong).exits(2).complains("certificate");
}

#[test]
fn connections_leave_files_for_builds() {
    let folder = tempfile::tempdir().unwrap();
    let [gate, done] = ["gate", "done"].map(|name| folder.path().join(name));
    // Many at once, which all have to be able to run.
    let ids: Vec<String> = (0..16).map(|n| format!("after-{n}")).collect();
    let mut script = waiting(&gate);
    for id in &ids {
        script.push_str(&format!(
            "- {{id: {id}, image: none, dependencies: [wait], script: sleep 0.2}}\n"
        ));
    }
    script.push_str(&format!(
        "- {{id: last, image: none, dependencies: [{}], script: touch {}}}\n",
        ids.join(", "),
        done.display()
    ));
    let project = repository(&script);
    let run = token(&project, &["--role", "run"]);
    let program = env!("CARGO_BIN_EXE_monkeyci-tui");
    let few = ["sh", "-c", "ulimit -n 300; exec \"$@\"", "sh", program];
    let server = Server::started(&project, &few, ".", &["-j", "16"]);
    assert_eq!(server.post(&run, "builds/trigger", "{}").status, 202);
    server.until(&run, "build-1", "running");
    // Nearly as many as there are files; those without a place wait in the queue of the listener.
    let address = server.url.strip_prefix("http://").unwrap();
    let connections: Vec<TcpStream> = (0..270)
        .map(|_| {
            let mut connection = TcpStream::connect(address).unwrap();
            connection.set_nonblocking(true).unwrap();
            connection
                .write_all(b"GET /version HTTP/1.1\r\nhost: h\r\n\r\n")
                .unwrap();
            connection
        })
        .collect();
    let answered = |connection: &&TcpStream| connection.peek(&mut [0]).is_ok_and(|read| read > 0);
    // Some of the places are those of the client above.
    eventually("those who have a place are answered", || {
        connections.iter().filter(answered).count() >= 140
    });
    std::fs::write(&gate, "").unwrap();
    eventually("the last job has run", || done.exists());
    drop(connections);
    server.until(&run, "build-1", "success");
    server.end();
}
