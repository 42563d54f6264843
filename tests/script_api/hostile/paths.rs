//! Ids and paths that lead elsewhere, on every operation that has a name in its path, and in every
//! body that may name a path.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::*;
use crate::document::{Operation, operations};
use crate::names::hostile_names;

const OUTSIDE: &str = "what lies outside of the checkout";

/// All files below a folder and what is in them; links are not followed.
pub fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(tree(&entry.path()));
        } else {
            let bytes = if kind.is_file() {
                std::fs::read(entry.path()).unwrap()
            } else {
                Vec::new()
            };
            found.insert(entry.path().display().to_string(), bytes);
        }
    }
    found
}

fn unpacked(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    // Whatever of it can be read.
    let _ = flate2::read::GzDecoder::new(bytes).read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_and_no_path_leads_out() {
    let mut rig = rig(Setup::default()).await;
    let checkout = rig.checkout();
    let home = checkout.parent().unwrap().to_owned();
    let outside = home.join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret.txt"), OUTSIDE).unwrap();
    std::os::unix::fs::symlink(&outside, checkout.join("link")).unwrap();
    std::os::unix::fs::symlink(outside.join("secret.txt"), checkout.join("file-link")).unwrap();
    std::fs::write(checkout.join("inside.txt"), "inside").unwrap();
    let before = tree(&outside);
    let marker = format!("monkeyci-tui-traversal-{}", std::process::id());
    let names = hostile_names(&marker);
    let paths = [
        "../outside/secret.txt",
        "../outside",
        "..",
        "/",
        "/etc/passwd",
        "link",
        "link/secret.txt",
        "link/new.txt",
        "file-link",
        "inside.txt/../../outside/secret.txt",
        "./././../outside",
        "inside.txt\\u0000/../../outside",
        "~/x",
        "//etc//passwd",
        "../checkout-of-another",
    ];
    let token = rig.token(&Scope::ALL);
    let operations: Vec<_> = (operations().into_iter())
        .filter(Operation::has_names)
        .collect();
    let mut asked = 0;
    for transport in [Transport::Tcp, Transport::Unix] {
        let mut client = Client::with(&rig, transport, &token);
        for operation in &operations {
            let mut bodies = vec!["{:path \"inside.txt\"}".to_owned()];
            if operation.method != "GET" {
                bodies.extend(paths.iter().map(|path| format!("{{:path \"{path}\"}}")));
            }
            let plain = ["plain-name".to_owned()];
            let all = names.iter().chain(&plain);
            for (name, body) in all.flat_map(|name| bodies.iter().map(move |body| (name, body))) {
                // Each bad name once, each bad path with the good name.
                if name != "plain-name" && body != &bodies[0] {
                    continue;
                }
                let path = operation.filled(name);
                let bytes = request(&operation.method, &path, &token, &[], body.as_bytes());
                let answer = client.ask(&bytes).await;
                asked += 1;
                assert!(
                    answer.status < 500,
                    "{operation:?} {path} {body}: {answer:?}"
                );
                assert_eq!(answer.header("set-cookie"), None, "{path}");
                for text in [answer.text(), unpacked(&answer.body)] {
                    assert!(
                        !text.contains(OUTSIDE),
                        "{operation:?} {path} {body}: {text}"
                    );
                    assert!(
                        !text.contains("root:"),
                        "{operation:?} {path} {body}: {text}"
                    );
                }
            }
            // What was saved has nothing from outside either.
            for back in ["/artifact/plain-name", "/cache/plain-name"] {
                let answer = client.ask(&request("GET", back, &token, &[], b"")).await;
                let text = unpacked(&answer.body);
                assert!(
                    !text.contains(OUTSIDE),
                    "{back} after {operation:?}: {text}"
                );
                assert!(
                    !text.contains("root:"),
                    "{back} after {operation:?}: {text}"
                );
            }
        }
    }
    println!("{asked} requests with names and paths that lead elsewhere");
    assert_eq!(tree(&outside), before, "nothing was written outside");
    assert!(!Path::new("/tmp").join(&marker).exists());
    assert!(!home.parent().unwrap().join(&marker).exists());
    is_well(&rig).await;
    rig.exit(0).await;
    rig.stop().await;
}
