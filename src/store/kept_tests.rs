//! Recordings of every version of the formats are readable (`tests/recordings/README.md`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tokio::io::AsyncReadExt;

use super::*;
use crate::domain::{Build, JobStatus, LogId};
use crate::journal::{self, Journal};
use crate::logs::{self, LogPaths, LogReader, Stream};
use crate::ports::{BlobKey, BlobStore};

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings")
}

/// What there is, by its path.
fn all() -> Vec<PathBuf> {
    let entries = fs::read_dir(kept())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.file_name().unwrap() != "README.md")
        .collect()
}

/// Opens one as a user does, who has a home of his own.
fn opened(path: &Path) -> (tempfile::TempDir, BuildFolder, Build) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::under(dir.path());
    let spec = BuildSpec::parse(path.to_str().unwrap());
    let (_, folder) = History::new(&home).find(&spec).unwrap();
    let journal = Journal::read(&folder.journal).unwrap();
    let events = journal.events();
    let readable = events
        .iter()
        .all(|event| event.type_name() != journal::UNREADABLE);
    assert!(readable && !events.is_empty(), "{}", path.display());
    let build = Build::fold(events.iter().map(|event| &**event));
    (dir, folder, build)
}

#[test]
fn a_recording_of_every_version_is_kept_and_can_be_read() {
    let (mut journals, mut metas, mut exported) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for path in all() {
        let (_dir, folder, build) = opened(&path);
        assert!(
            build.is_over() && !build.jobs().is_empty(),
            "{}",
            path.display()
        );
        let header = fs::read_to_string(&folder.journal).unwrap();
        let version = header
            .split_once(":version ")
            .and_then(|(_, rest)| rest.split_once(','));
        journals.insert(version.unwrap().0.parse::<i64>().unwrap());
        let mut bytes = 0;
        for job in build.jobs() {
            let paths = LogPaths::new(&folder.logs, &LogId::Job(job.id().clone()).stem());
            let reader = LogReader::open(paths.clone()).unwrap();
            bytes += reader.len_bytes();
            if let Ok(meta) = fs::read(&paths.meta) {
                metas.insert(u32::from_le_bytes(meta[8..12].try_into().unwrap()));
            }
        }
        assert!(bytes > 0, "{}", path.display());
        if let Ok(manifest) = fs::read(folder.dir.join("manifest.json")) {
            let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
            exported.insert(manifest["version"].as_u64().unwrap());
        }
    }
    assert_eq!(journals, (1..=journal::VERSION).collect());
    assert_eq!(metas, (1..=logs::format::VERSION).collect());
    assert_eq!(exported, (1..=portable::VERSION).collect());
}

#[tokio::test]
async fn version_1_says_what_it_said() {
    for name in ["version-1", "version-1.mcirec"] {
        let (_dir, folder, build) = opened(&kept().join(name));
        let jobs: Vec<_> = build
            .jobs()
            .iter()
            .map(|job| (job.id().as_str(), &job.status))
            .collect();
        assert_eq!(
            jobs,
            [
                ("compile", &JobStatus::Success),
                ("größe/%1", &JobStatus::Failure),
                ("never", &JobStatus::Skipped),
            ]
        );
        assert_eq!(build.jobs()[1].failed_command().unwrap().exit, Some(3));
        let stem = LogId::from("compile").stem();
        let reader = LogReader::open(LogPaths::new(&folder.logs, &stem)).unwrap();
        let lines: Vec<String> = (0..reader.line_count())
            .map(|line| logs::strip(&reader.read_line(line, usize::MAX).unwrap()))
            .collect();
        assert_eq!(
            lines,
            [
                "the host executor ignores image none",
                "100%n and 50%",
                "warning",
                "{:name \"size\", :media-type \"application/edn\", :size 1, :job-id \"compile\"}",
                "no newline",
            ]
        );
        let line = reader.line(2).unwrap();
        let ms = Some(1_795_809_312_281);
        assert_eq!((line.stream, line.command, line.ms), (Stream::Err, 0, ms));
    }
}

#[tokio::test]
async fn version_1_has_its_artifact_and_its_result() {
    let (_dir, folder, build) = opened(&kept().join("version-1.mcirec"));
    let sid = build.sid.as_ref().unwrap();
    let blobs = ObjectBlobs::in_folder(folder.blobs(), u64::MAX);
    let mut read = Vec::new();
    for key in [
        BlobKey::artifact(sid, "report"),
        BlobKey::result(sid, "size"),
    ] {
        let mut bytes = Vec::new();
        let mut reader = blobs.get(&key).await.unwrap().unwrap();
        reader.read_to_end(&mut bytes).await.unwrap();
        read.push(bytes);
    }
    let report = crate::archive::read_file(&*read[0], Path::new("report.txt"), 99).unwrap();
    assert_eq!(report.as_deref(), Some(&b"report\n"[..]));
    assert_eq!(read[1], b"application/edn\n4");
}
