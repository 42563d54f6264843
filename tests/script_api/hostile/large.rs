//! Bodies of a gigabyte, with a length and without one, on every operation that takes a body.

use monkeyci_tui::script_api::Settings;

use super::*;
use crate::document::operations;

const GIGABYTE: u64 = 1 << 30;
const CHUNK: usize = 1 << 20;

/// Nothing that a body is kept in may grow beyond this, in MiB: the largest body that is
/// kept at all, twice while its buffer grows, and room for what else these tests do at once.
const ROOM: u64 = 400;

/// Most memory that this process has ever had, in MiB.
pub fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024
}

/// Sends a gigabyte until the service has had enough; gives the answer.
async fn send_gigabyte(
    rig: &Rig,
    token: &str,
    method: &str,
    path: &str,
    media: &str,
    has_length: bool,
) -> Answer {
    let wire = Wire::open(rig, Transport::Tcp).await;
    let (mut reader, mut writer) = wire.split();
    let length = if has_length {
        format!("content-length: {GIGABYTE}")
    } else {
        "transfer-encoding: chunked".to_owned()
    };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         content-type: {media}\r\n{length}\r\n\r\n"
    );
    let sending = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let mut piece = vec![b'['; CHUNK];
        piece[..2].copy_from_slice(&[0x1f, 0x8b]);
        let mut chunk = format!("{CHUNK:x}\r\n").into_bytes();
        chunk.extend_from_slice(&piece);
        chunk.extend_from_slice(b"\r\n");
        let piece = if has_length { piece } else { chunk };
        writer.write_all(head.as_bytes()).await?;
        for _ in 0..GIGABYTE / CHUNK as u64 {
            writer.write_all(&piece).await?;
        }
        if !has_length {
            writer.write_all(b"0\r\n\r\n").await?;
        }
        writer.flush().await
    });
    let answer = soon("an answer to a gigabyte", reader.answer())
        .await
        .unwrap();
    sending.abort();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gigabyte_is_refused_in_bounded_memory_and_leaves_nothing() {
    let mut rig = rig(Setup {
        settings: Settings {
            blob_quota: 32 << 20,
            ..Settings::default()
        },
        ..Setup::default()
    })
    .await;
    let scopes: Vec<Scope> = (Scope::ALL.into_iter())
        .filter(|scope| *scope != Scope::BuildControl)
        .collect();
    let token = rig.token(&scopes);
    let before = most_memory();
    for operation in operations() {
        if operation.method == "GET" {
            continue;
        }
        let path = operation.filled("some-name");
        for media in ["application/edn", "application/octet-stream"] {
            for has_length in [true, false] {
                let answer =
                    send_gigabyte(&rig, &token, &operation.method, &path, media, has_length).await;
                assert!(
                    operation.statuses.contains(&answer.status),
                    "{operation:?}: {answer:?}"
                );
                let takes_none = operation.scopes == ["build:control"];
                if !takes_none {
                    assert_eq!(
                        answer.status, 413,
                        "{operation:?} {media} {has_length}: {answer:?}"
                    );
                }
            }
        }
        is_well(&rig).await;
    }
    let grown = most_memory() - before;
    println!("memory grew by {grown} MiB");
    assert!(grown < ROOM, "memory grew by {grown} MiB");
    let blobs = rig.checkout().parent().unwrap().join("blobs");
    let mut left = paths::tree(&blobs);
    left.retain(|path, _| !path.contains("/workspaces/"));
    let left: Vec<_> = (left.iter().map(|(path, bytes)| (path, bytes.len()))).collect();
    assert!(left.is_empty(), "refused blobs leave nothing: {left:?}");
    rig.exit(0).await;
    rig.stop().await;
}
