//! Artifacts into files, over connections that break.

use std::io::Write;
use std::path::PathBuf;

use super::*;
use crate::remote::{Downloaded, RemoteError};

fn path() -> String {
    format!(
        "{}/repo/demo-repo/builds/build-1/artifact/report/download",
        org_path()
    )
}

/// Gzip of bytes that do not shrink.
fn archive() -> Vec<u8> {
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(50_000)
    .collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&noise).unwrap();
    encoder.finish().unwrap()
}

fn whole(bytes: &[u8]) -> Answer {
    Answer::Whole(200, Vec::new(), bytes.to_vec().into())
}

fn range(from: usize, all: usize) -> (&'static str, String) {
    ("content-range", format!("bytes {from}-{}/{all}", all - 1))
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("report.tgz")
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("report.tgz.part")
    }

    async fn download(&self, server: &Playback) -> Result<Downloaded, RemoteError> {
        client(server)
            .download(&sid("build-1"), "report", &self.file())
            .await
    }
}

#[tokio::test]
async fn an_artifact_is_put_in_place_when_it_is_whole() {
    let (server, place) = (Playback::start(), Place::new());
    let archive = archive();
    server.will("GET", &path(), whole(&archive));
    let saved = place.download(&server).await.unwrap();
    assert_eq!(saved, Downloaded::Saved(archive.len() as u64));
    assert_eq!(std::fs::read(place.file()).unwrap(), archive);
    assert!(!place.part().exists());
}

#[tokio::test]
async fn a_broken_connection_is_taken_up_where_it_broke() {
    let (server, place) = (Playback::start(), Place::new());
    let archive = archive();
    let half = archive.len() / 2;
    let bytes = |range: std::ops::Range<usize>| archive[range].to_vec().into();
    server
        .will("GET", &path(), Answer::Cut(Vec::new(), bytes(0..half)))
        .will(
            "GET",
            &path(),
            Answer::Whole(
                206,
                vec![range(half, archive.len())],
                bytes(half..archive.len()),
            ),
        );
    place.download(&server).await.unwrap();
    assert_eq!(std::fs::read(place.file()).unwrap(), archive);
    let came = server.came();
    assert!(!came[0].headers.contains_key("range"));
    let asked = came[1].headers["range"].to_str().unwrap();
    let from: usize = asked
        .strip_prefix("bytes=")
        .and_then(|range| range.strip_suffix('-'))
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(from, half);
}

#[tokio::test]
async fn what_an_earlier_try_left_is_gone_on_with_or_replaced() {
    let archive = archive();
    let (server, place) = (Playback::start(), Place::new());
    std::fs::write(place.part(), &archive[..1000]).unwrap();
    let rest = archive[1000..].to_vec().into();
    server.will(
        "GET",
        &path(),
        Answer::Whole(206, vec![range(1000, archive.len())], rest),
    );
    place.download(&server).await.unwrap();
    assert_eq!(std::fs::read(place.file()).unwrap(), archive);

    // A server that knows no parts sends all of it.
    let place = Place::new();
    std::fs::write(place.part(), b"something else, longer than nothing").unwrap();
    server.will("GET", &path(), whole(&archive));
    place.download(&server).await.unwrap();
    assert_eq!(std::fs::read(place.file()).unwrap(), archive);

    // It was whole already.
    let place = Place::new();
    std::fs::write(place.part(), &archive).unwrap();
    server.will("GET", &path(), Answer::bare(416, None));
    place.download(&server).await.unwrap();
    assert_eq!(std::fs::read(place.file()).unwrap(), archive);

    // The beginning is of another archive: the check finds it, and all of it is brought.
    let place = Place::new();
    std::fs::write(place.part(), vec![7; 1000]).unwrap();
    let rest = archive[1000..].to_vec().into();
    server
        .will(
            "GET",
            &path(),
            Answer::Whole(206, vec![range(1000, archive.len())], rest),
        )
        .will("GET", &path(), whole(&archive));
    place.download(&server).await.unwrap();
    assert_eq!(std::fs::read(place.file()).unwrap(), archive);
}

#[tokio::test]
async fn what_changed_meanwhile_is_brought_anew() {
    let (server, place) = (Playback::start(), Place::new());
    let archive = archive();
    let stamp = |text: &str| ("etag", format!("\"{text}\""));
    let part = |range: std::ops::Range<usize>| archive[range].to_vec().into();
    server
        .will(
            "GET",
            &path(),
            Answer::Cut(vec![stamp("old")], vec![1; 500].into()),
        )
        .will(
            "GET",
            &path(),
            Answer::Whole(
                206,
                vec![stamp("new"), range(500, archive.len())],
                part(500..archive.len()),
            ),
        )
        .will("GET", &path(), whole(&archive));
    place.download(&server).await.unwrap();
    assert_eq!(std::fs::read(place.file()).unwrap(), archive);
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn what_is_no_whole_archive_is_not_kept() {
    let archive = archive();
    let (server, place) = (Playback::start(), Place::new());
    std::fs::write(place.file(), "what was there").unwrap();
    // Without a length a body that is cut short looks whole.
    for body in [&archive[..archive.len() - 1], b"<html>", b"", &archive[..9]] {
        server.will("GET", &path(), whole(body));
        let error = place.download(&server).await.unwrap_err();
        assert!(matches!(error, RemoteError::Damaged { .. }), "{error}");
        assert_eq!(std::fs::read(place.file()).unwrap(), b"what was there");
        assert!(!place.part().exists());
    }
    // The recording has no bytes, only their description.
    let error = place.download(&server).await.unwrap_err();
    assert!(matches!(error, RemoteError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn an_artifact_that_was_never_stored_leaves_nothing_behind() {
    let (server, place) = (Playback::start(), Place::new());
    let client = client(&server);
    let outcome = client
        .download(&sid("build-1"), "nope", &place.file())
        .await;
    assert_eq!(outcome.unwrap(), Downloaded::Nothing);
    let error = stranger(&server)
        .download(&sid("build-1"), "report", &place.file())
        .await;
    assert!(error.is_err());
    assert_eq!(std::fs::read_dir(place.folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_connection_that_keeps_breaking_leaves_what_came() {
    let (server, place) = (Playback::start(), Place::new());
    for _ in 0..3 {
        server.will("GET", &path(), Answer::Cut(Vec::new(), vec![1; 100].into()));
    }
    let error = place.download(&server).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}");
    assert!(place.part().exists() && !place.file().exists());
}

#[tokio::test]
async fn a_link_in_the_way_is_not_followed() {
    let (server, place) = (Playback::start(), Place::new());
    let elsewhere = place.folder.path().join("elsewhere");
    std::fs::write(&elsewhere, "mine").unwrap();
    std::os::unix::fs::symlink(&elsewhere, place.part()).unwrap();
    server.will("GET", &path(), whole(&archive()));
    let error = place.download(&server).await.unwrap_err();
    assert!(matches!(error, RemoteError::File { .. }), "{error}");
    assert_eq!(std::fs::read(elsewhere).unwrap(), b"mine");
}
