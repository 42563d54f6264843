//! Trees that are sent to a server and mean harm, and repositories that would have it ask elsewhere.

use std::net::TcpListener;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tar::{EntryType, Header};

use crate::harness::{Project, eventually};
use crate::serve::{SCRIPT, Server, commit, repository, sign, token, word_of};

/// One entry of an archive.
struct Entry<'a>(&'a str, EntryType, &'a str, Vec<u8>);

fn file(name: &str, content: impl Into<Vec<u8>>) -> Entry<'_> {
    Entry(name, EntryType::Regular, "", content.into())
}

fn link<'a>(name: &'a str, target: &'a str) -> Entry<'a> {
    Entry(name, EntryType::Symlink, target, Vec::new())
}

/// An archive with these names as they stand, which the library would not write.
fn packed(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for Entry(name, kind, target, content) in entries {
        let mut header = Header::new_gnu();
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        let field = &mut header.as_old_mut().linkname;
        field[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_cksum();
        archive.append(&header, &content[..]).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

#[test]
fn a_tree_that_means_harm_becomes_no_build_and_leaves_nothing() {
    let project = repository(SCRIPT);
    let run = token(&project, &["--role", "run"]);
    let server = Server::of(&project, ".", &[]);
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("escaped");
    let [target, folder] = [target.as_path(), outside.path()].map(|path| path.to_str().unwrap());
    let up = format!("{}{}", "../".repeat(20), target.trim_start_matches('/'));
    let script = || file(".monkeyci/build.yaml", SCRIPT);
    let bomb = packed(&[script(), file("zeros", vec![0; 128 << 20])]);
    assert!(bomb.len() < 1 << 20);
    let whole = packed(&[script()]);
    let trees = [
        Vec::new(),
        b"no archive".to_vec(),
        whole[..whole.len() / 2].to_vec(),
        packed(&[]),
        packed(&[script(), file(&up, "x")]),
        packed(&[script(), file(target, "x")]),
        packed(&[script(), link("out", folder), file("out/escaped", "x")]),
        packed(&[script(), link("out", "..")]),
        packed(&[
            script(),
            Entry("hard", EntryType::Link, "/etc/passwd", Vec::new()),
        ]),
        packed(&[script(), Entry("pipe", EntryType::Fifo, "", Vec::new())]),
        packed(&[script(), Entry("disk", EntryType::Block, "", Vec::new())]),
        packed(&[link(".monkeyci", folder)]),
        packed(&[link(".monkeyci/build.yaml", "/etc/passwd")]),
        bomb,
    ];
    let send = |tree: Vec<u8>| {
        let url = format!(
            "{}/org/local/repo/{}/builds/workspace",
            server.url, server.repo
        );
        let request = server.client.post(url).header("authorization", &run);
        server.send(request.body(tree)).status
    };
    for tree in &trees {
        assert_eq!(send(tree.clone()), 202);
    }
    for n in 1..=trees.len() {
        let build = server.until(&run, &format!("build-{n}"), "error");
        let why = build["message"].as_str().unwrap_or_default();
        assert!(!why.is_empty() && !why.contains("root:"), "{build}");
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    // A good one is built.
    assert_eq!(send(whole), 202);
    let good = format!("build-{}", trees.len() + 1);
    eventually("gate is blocked", || {
        let build = server.get(&run, &format!("builds/{good}")).json();
        build["script"]["jobs"][1]["status"] == json!("blocked")
    });
    server.post(&run, &format!("builds/{good}/cancel"), "");
    server.until(&run, &good, "canceled");
    server.end();
    let left = |path: &str| {
        let entries = std::fs::read_dir(project.home().join(path));
        entries.map_or(0, Iterator::count)
    };
    assert_eq!(
        (left("data/server/uploads"), left("cache/checkouts")),
        (0, 0)
    );
}

/// Whatever a push, a trigger, or the repository itself says of where code is, the server asks nobody there.
#[test]
fn nobody_else_is_asked_for_code() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let url = format!("http://{}/x.git", elsewhere.local_addr().unwrap());
    let project = Project::yaml("- {id: one, image: none, script: 'true'}\n").file(
        ".gitmodules",
        &format!("[submodule \"x\"]\n\tpath = x\n\turl = {url}\n"),
    );
    let head = commit(&project.dir());
    let run = token(&project, &["--role", "run"]);
    for place in [".", &format!("file://{}", project.dir().display())] {
        let server = Server::of(&project, place, &[]);
        let hook = project
            .run(&["serve", "webhook", "--repo", &server.repo])
            .exits(0);
        let (path, secret) = (word_of(&hook.out, "path"), word_of(&hook.out, "secret"));
        let push = json!({
            "ref": "refs/heads/main",
            "head_commit": {"id": head, "message": place, "url": url},
            "repository": {"clone_url": url, "ssh_url": url, "git_url": url, "html_url": url},
        });
        let push = push.to_string();
        let request = server.client.post(format!("{}{path}", server.url));
        let request = request.header("content-type", "application/json");
        let request = request.header("x-github-event", "push");
        let request = request.header("x-hub-signature-256", sign(&secret, &push));
        assert_eq!(server.send(request.body(push)).status, 202);
        server.until(&run, "build-1", "success");
        for body in [json!({"url": url}), json!({"git": {"url": url}})] {
            assert_eq!(
                server
                    .post(&run, "builds/trigger", &body.to_string())
                    .status,
                400
            );
        }
        let query = format!("builds/trigger?url={url}&repo={url}");
        assert_eq!(server.post(&run, &query, "{}").status, 202);
        server.until(&run, "build-2", "success");
        server.end();
    }
    let asked = elsewhere.accept().map(|(_, from)| from);
    assert!(asked.is_err(), "somebody was asked: {asked:?}");
}
