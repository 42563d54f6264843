//! Round trips over generated recordings, and files that somebody has meddled with.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tokio::io::AsyncReadExt;

use super::manifest::{LONGEST, NAME, VERSION};
use super::unpack::unpack;
use super::*;
use crate::archive::ZstdTar;
use crate::domain::{Event, EventKind, Job, JobId, LogId, Sid};
use crate::journal::{Journal, JournalError};
use crate::logs::{LogPaths, LogReader, LogWriter, Stream};
use crate::ports::{BlobKey, BlobStore};
use crate::store::{BuildFolder, BuildSpec, FindError, History, Home, ObjectBlobs};

/// A home in a temporary folder, and a folder beside it.
struct Place {
    dir: tempfile::TempDir,
    home: Home,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::under(&dir.path().join("home"));
    Place { dir, home }
}

/// What a recording is made of.
#[derive(Debug, Clone)]
struct Recipe {
    sid: Sid,
    jobs: Vec<String>,
    /// Of each job: what it wrote, whether its times are there, and a tail that is torn.
    logs: Vec<(Vec<u8>, bool, Vec<u8>)>,
    torn_journal: Vec<u8>,
    artifacts: Vec<(String, Vec<u8>)>,
    results: Vec<(String, Vec<u8>)>,
}

impl Recipe {
    fn small() -> Self {
        Self {
            sid: Sid::new("local", "app", "local-build-1"),
            jobs: vec!["a".to_owned(), "b c".to_owned()],
            logs: vec![
                (b"one\ntwo\n".to_vec(), true, Vec::new()),
                (Vec::new(), false, Vec::new()),
            ],
            torn_journal: Vec::new(),
            artifacts: vec![("report".to_owned(), b"packed".to_vec())],
            results: vec![("coverage".to_owned(), b"text/plain\n82".to_vec())],
        }
    }

    fn record(&self, folder: &BuildFolder) {
        folder.create().unwrap();
        let journal = Journal::create(&folder.journal, &self.sid).unwrap();
        let jobs = self
            .jobs
            .iter()
            .map(|id| Job::new(JobId::new(id)))
            .collect();
        let events = vec![
            Event::new(EventKind::BuildStart),
            Event::new(EventKind::ScriptStart { jobs }),
            Event::new(EventKind::BuildEnd {
                status: Some(crate::domain::BuildStatus::Success),
                build: None,
            }),
        ];
        journal.append(7, events).unwrap();
        journal.close();
        append(&folder.journal, &self.torn_journal);
        for (id, (bytes, has_times, torn)) in self.jobs.iter().zip(&self.logs) {
            let paths = LogPaths::new(&folder.logs, &LogId::from(id.as_str()).stem());
            if paths.log.exists() {
                continue;
            }
            let mut writer = LogWriter::create(paths.clone()).unwrap();
            for (at, chunk) in bytes.chunks(5).enumerate() {
                let stream = [Stream::Out, Stream::Err, Stream::System][at % 3];
                writer.append(at as i64, stream, 0, chunk).unwrap();
            }
            drop(writer);
            append(&paths.meta, torn);
            if !has_times {
                fs::remove_file(&paths.meta).unwrap();
            }
        }
    }

    fn export(&self, folder: &BuildFolder, spool: &Path) -> Vec<u8> {
        let mut packing = Packing::of(folder).unwrap();
        for (id, bytes) in &self.artifacts {
            packing.add_artifact(id, &spooled(spool, bytes)).unwrap();
        }
        for (name, bytes) in &self.results {
            packing.add_result(name, &spooled(spool, bytes)).unwrap();
        }
        let mut out = Vec::new();
        packing.write(&mut out).unwrap();
        out
    }

    /// What is kept of artifacts and results with a recording.
    async fn kept(&self, folder: &BuildFolder) -> Self {
        let blobs = ObjectBlobs::in_folder(folder.blobs(), u64::MAX);
        let mut kept = self.clone();
        for (id, bytes) in &mut kept.artifacts {
            *bytes = read(&blobs, &BlobKey::artifact(&self.sid, id)).await;
        }
        for (name, bytes) in &mut kept.results {
            *bytes = read(&blobs, &BlobKey::result(&self.sid, name)).await;
        }
        kept
    }
}

async fn read(blobs: &ObjectBlobs, key: &BlobKey) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = blobs.get(key).await.unwrap().expect("it is kept");
    reader.read_to_end(&mut bytes).await.unwrap();
    bytes
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

fn spooled(dir: &Path, bytes: &[u8]) -> PathBuf {
    let path = dir.join(format!("spooled-{}", fs::read_dir(dir).unwrap().count()));
    fs::write(&path, bytes).unwrap();
    path
}

/// Every file of a recording but the line indexes and what says where it comes from.
fn contents(folder: &BuildFolder) -> BTreeMap<PathBuf, Vec<u8>> {
    fn add(dir: &Path, base: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(base).unwrap().to_owned();
            if path.is_dir() {
                add(&path, base, all);
            } else if path.extension().is_none_or(|ending| ending != "idx")
                && ![NAME, "origin.json"]
                    .iter()
                    .any(|own| name == Path::new(own))
            {
                all.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    add(&folder.dir, &folder.dir, &mut all);
    all
}

fn take_in(home: &Home, file: &[u8]) -> Result<Imported, PortableError> {
    import(
        home,
        file,
        Path::new("x.mcirec"),
        Quota::default(),
        false,
        9,
    )
}

fn recipes() -> impl Strategy<Value = Recipe> {
    let name = prop_oneof![
        "[a-z]{1,6}",
        "[a-zäß/.%~ \u{1b}]{0,8}",
        Just("..".to_owned()),
        Just("x".repeat(300)),
        Just("%script".to_owned()),
    ];
    let bytes = || prop::collection::vec(any::<u8>(), 0..200);
    let log = (
        bytes(),
        any::<bool>(),
        prop::collection::vec(any::<u8>(), 0..40),
    );
    let part = "[a-zé][a-z@. ]{0,8}";
    (
        (part, part, part),
        prop::collection::vec((name.clone(), log), 0..6),
        prop_oneof![Just(Vec::new()), prop::collection::vec(any::<u8>(), 0..40)],
        prop::collection::btree_map(name.clone(), bytes(), 0..3),
        prop::collection::btree_map(name, bytes(), 0..3),
    )
        .prop_map(
            |((org, repo, build), jobs, torn_journal, artifacts, results)| {
                let (jobs, logs) = jobs.into_iter().unzip();
                Recipe {
                    sid: Sid::new(org, repo, build),
                    jobs,
                    logs,
                    torn_journal,
                    artifacts: artifacts.into_iter().collect(),
                    results: results.into_iter().collect(),
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_was_imported_is_exported_as_the_same_bytes(recipe in recipes()) {
        let place = place();
        let (there, here) = (place.dir.path().join("there"), &place.home);
        let made = BuildFolder::at(&there.join("build"));
        recipe.record(&made);
        let file = recipe.export(&made, &there);
        prop_assert_eq!(&recipe.export(&made, &there), &file);

        let imported = take_in(here, &file).unwrap();
        prop_assert_eq!(&imported.sid, &recipe.sid);
        prop_assert_eq!(imported.outcome, Outcome::New);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let kept = runtime.block_on(recipe.kept(&imported.folder));
        prop_assert_eq!(&kept.artifacts, &recipe.artifacts);
        prop_assert_eq!(&kept.results, &recipe.results);
        prop_assert_eq!(&kept.export(&imported.folder, &there), &file);

        let again = take_in(here, &file).unwrap();
        prop_assert_eq!(again.outcome, Outcome::AlreadyHere);
        let (found, folder) = History::new(here).find(&BuildSpec::Named(recipe.sid.to_string())).unwrap();
        prop_assert_eq!(&found, &recipe.sid);
        prop_assert_eq!(folder, imported.folder);
    }
}

#[test]
fn an_imported_log_is_read_as_it_was() {
    let place = place();
    let recipe = Recipe::small();
    let made = BuildFolder::at(&place.dir.path().join("build"));
    recipe.record(&made);
    let file = recipe.export(&made, place.dir.path());
    let imported = take_in(&place.home, &file).unwrap();
    let [before, after] = [&made, &imported.folder].map(|folder| {
        let reader = LogReader::open(LogPaths::new(&folder.logs, "a")).unwrap();
        let lines = 0..reader.line_count();
        lines
            .map(|line| {
                (
                    reader.line(line).unwrap(),
                    reader.read_line(line, 100).unwrap(),
                )
            })
            .collect::<Vec<_>>()
    });
    assert_eq!(before, after);
    assert!(!before.is_empty());
    let origin = Origin::of(&imported.folder).unwrap();
    assert_eq!(
        (origin.file.as_str(), origin.imported),
        ("x.mcirec", Some(9))
    );
    assert_eq!(origin.program, super::manifest::this_program());
    assert_eq!(Origin::of(&made), None);
}

// ---------------------------------------------------------------- names

#[test]
fn an_import_takes_no_other_builds_place() {
    let place = place();
    let recipe = Recipe::small();
    let own = place.home.build(&recipe.sid);
    recipe.record(&own);
    let file = recipe.export(&own, place.dir.path());
    // The same build, from here.
    let imported = take_in(&place.home, &file).unwrap();
    assert_eq!(
        (imported.outcome, imported.folder),
        (Outcome::Own, own.clone())
    );
    assert!(!place.home.imported_build(&recipe.sid).dir.exists());
    // Another one of the same name.
    let mut other = recipe.clone();
    other.logs[0].0 = b"changed\n".to_vec();
    let made = BuildFolder::at(&place.dir.path().join("other"));
    other.record(&made);
    let changed = other.export(&made, place.dir.path());
    let refused = take_in(&place.home, &changed).unwrap_err();
    assert!(matches!(refused, PortableError::OwnBuild(_)), "{refused}");
    let before = contents(&own);
    let forced = import(
        &place.home,
        &*changed,
        Path::new("x"),
        Quota::default(),
        true,
        9,
    );
    assert!(forced.is_err());
    assert_eq!(contents(&own), before);

    // Of two recordings the first stays, unless it is to be replaced.
    fs::remove_dir_all(&own.dir).unwrap();
    assert_eq!(take_in(&place.home, &file).unwrap().outcome, Outcome::New);
    let refused = take_in(&place.home, &changed).unwrap_err();
    assert!(
        matches!(refused, PortableError::OtherRecording(_)),
        "{refused}"
    );
    let replaced = import(
        &place.home,
        &*changed,
        Path::new("x"),
        Quota::default(),
        true,
        9,
    );
    let replaced = replaced.unwrap();
    assert_eq!(replaced.outcome, Outcome::Replaced);
    assert_eq!(
        fs::read(replaced.folder.logs.join("a.log")).unwrap(),
        b"changed\n"
    );
    assert_eq!(left_over(&place.home), 0);
}

/// How many drafts are left.
fn left_over(home: &Home) -> usize {
    let drafts = home.imported().join(".incoming");
    fs::read_dir(drafts).map_or(0, Iterator::count)
}

#[test]
fn what_was_imported_is_neither_the_newest_build_nor_one_of_the_past() {
    let place = place();
    let mut recipe = Recipe::small();
    let made = BuildFolder::at(&place.dir.path().join("made"));
    recipe.record(&made);
    let file = recipe.export(&made, place.dir.path());
    take_in(&place.home, &file).unwrap();
    let history = History::new(&place.home);
    let named = |spec: &str| {
        let found = history.find(&BuildSpec::parse(spec));
        found.map(|(sid, _)| sid.build)
    };
    // Better than nothing.
    assert_eq!(named("last").unwrap(), "local-build-1");
    recipe.sid.build = "local-build-0".to_owned();
    recipe.record(&place.home.build(&recipe.sid));
    assert_eq!(named("last").unwrap(), "local-build-0");
    assert_eq!(named("local-build-1").unwrap(), "local-build-1");
    let listed = history.list(9).items;
    let listed: Vec<_> = listed
        .iter()
        .map(|item| (item.sid.build.as_str(), item.imported))
        .collect();
    assert_eq!(listed, [("local-build-1", true), ("local-build-0", false)]);
    let listed = History::new(&place.home)
        .of_repo("local", "app")
        .list(9)
        .items;
    assert_eq!(listed.len(), 2);
    let (folders, _) = history.folders();
    assert_eq!(folders.len(), 1);
}

#[test]
fn a_build_that_was_cut_off_elsewhere_stays_as_it_was() {
    let place = place();
    let sid = Sid::new("local", "app", "local-build-1");
    let made = BuildFolder::at(&place.dir.path().join("made"));
    made.create().unwrap();
    let journal = Journal::create(&made.journal, &sid).unwrap();
    journal
        .append(7, vec![Event::new(EventKind::BuildStart)])
        .unwrap();
    let text = fs::read(&made.journal).unwrap();
    // A line is being written.
    append(&made.journal, b"{:type :build/e");
    let packing = Packing::of(&made).unwrap();
    assert!(packing.running);
    let mut file = Vec::new();
    packing.write(&mut file).unwrap();
    let imported = take_in(&place.home, &file).unwrap();
    let swept = crate::store::recover_interrupted(&place.home, 99);
    assert!(
        swept.closed.is_empty() && swept.problems.is_empty(),
        "{swept:?}"
    );
    assert_eq!(fs::read(&imported.folder.journal).unwrap(), text);
}

// ---------------------------------------------------------------- hostile files

/// Unpacks into a new folder.
fn unpacked(file: &[u8]) -> Result<(tempfile::TempDir, super::unpack::Unpacked), String> {
    let dir = tempfile::tempdir().unwrap();
    match unpack(file, Path::new("x.mcirec"), dir.path(), Quota::new(1 << 20)) {
        Ok(unpacked) => Ok((dir, unpacked)),
        Err(error) => Err(crate::ports::chain(&error)),
    }
}

fn small() -> (Recipe, BTreeMap<PathBuf, Vec<u8>>, Vec<u8>) {
    let place = place();
    let recipe = Recipe::small();
    let made = BuildFolder::at(&place.dir.path().join("made"));
    recipe.record(&made);
    let file = recipe.export(&made, place.dir.path());
    let (dir, _) = unpacked(&file).unwrap();
    let all = contents(&BuildFolder::at(dir.path()));
    for (name, bytes) in contents(&made) {
        assert_eq!(all.get(&name), Some(&bytes), "{}", name.display());
    }
    (recipe, all, file)
}

#[test]
fn a_file_that_was_cut_or_changed_anywhere_is_refused_or_the_same() {
    let (recipe, all, file) = small();
    for end in 0..file.len() {
        assert!(
            unpacked(&file[..end]).is_err(),
            "cut at {end} of {}",
            file.len()
        );
    }
    let mut more = file.clone();
    more.push(0);
    assert!(unpacked(&more).unwrap_err().contains("follows its end"));
    let mut accepted = 0;
    for at in 0..file.len() {
        for flip in [1, 0x10, 0x80, 0xff] {
            let mut changed = file.clone();
            changed[at] ^= flip;
            if let Ok((dir, unpacked)) = unpacked(&changed) {
                accepted += 1;
                assert_eq!(unpacked.manifest.sid(), recipe.sid);
                assert_eq!(
                    contents(&BuildFolder::at(dir.path())),
                    all,
                    "{flip} at {at}"
                );
            }
        }
    }
    // How much memory unpacking may take stands in a byte of its own.
    assert!(accepted < 20, "{accepted}");
}

#[test]
fn a_tar_that_was_changed_anywhere_is_refused_or_the_same() {
    let (recipe, all, file) = small();
    let tar = zstd::decode_all(&*file).unwrap();
    // Most of a small one is padding.
    let places = (0..tar.len()).filter(|at| (tar[*at] != 0 && at % 3 == 0) || at % 41 == 0);
    for at in places {
        let mut changed = tar.clone();
        changed[at] ^= 1 << (at % 8);
        let packed = zstd::encode_all(&*changed, 1).unwrap();
        if let Ok((dir, unpacked)) = unpacked(&packed) {
            assert_eq!(unpacked.manifest.sid(), recipe.sid);
            assert_eq!(contents(&BuildFolder::at(dir.path())), all, "at {at}");
        }
    }
}

/// An archive with a manifest of its own.
struct Made {
    manifest: serde_json::Value,
    entries: Vec<(String, Vec<u8>)>,
}

const JOURNAL: &[u8] = b"{:type :tui/journal, :version 1, :sid [\"local\" \"app\" \"b\"]}\n";

fn made(entries: &[(&str, &[u8])]) -> Made {
    let journal = [("events.edn", JOURNAL)];
    let entries: Vec<(&str, &[u8])> = journal.iter().chain(entries).copied().collect();
    let files: Vec<_> = entries
        .iter()
        .map(|(name, bytes)| {
            let sum = hex(&aws_lc_rs::digest::digest(
                &aws_lc_rs::digest::SHA256,
                bytes,
            ));
            serde_json::json!({"name": name, "size": bytes.len(), "sha256": sum})
        })
        .collect();
    Made {
        manifest: serde_json::json!({
            "type": "monkeyci-tui/recording", "version": 1, "program": "monkeyci-tui 9.9.9",
            "sid": ["local", "app", "b"], "files": files,
        }),
        entries: entries
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()))
            .collect(),
    }
}

impl Made {
    fn set(mut self, key: &str, value: serde_json::Value) -> Self {
        self.manifest[key] = value;
        self
    }

    fn entry(mut self, name: &str, bytes: &[u8]) -> Self {
        self.entries.push((name.to_owned(), bytes.to_vec()));
        self
    }

    fn file(&self) -> Vec<u8> {
        let manifest = serde_json::to_vec(&self.manifest).unwrap();
        let mut tar = ZstdTar::new(Vec::new()).unwrap();
        tar.add(NAME, manifest.len() as u64, &*manifest).unwrap();
        for (name, bytes) in &self.entries {
            tar.add(name, bytes.len() as u64, &**bytes).unwrap();
        }
        tar.finish().unwrap()
    }

    #[track_caller]
    fn refused(&self, why: &str) {
        let error = unpacked(&self.file()).unwrap_err();
        assert!(error.contains(why), "{error}");
        assert!(!error.chars().any(char::is_control), "{error}");
    }
}

#[test]
fn what_the_manifest_says_is_held_against_it() {
    let (_, unpacked) = unpacked(&made(&[("logs/a.log", b"x\n")]).file()).unwrap();
    assert!(unpacked.skipped.is_empty());
    let log = || made(&[("logs/a.log", b"x\n")]);
    log()
        .set("sid", serde_json::json!(["local", "app", "c"]))
        .refused("another build");
    for odd in ["", "a/b", "\u{1b}[2J"] {
        log()
            .set("sid", serde_json::json!(["local", "app", odd]))
            .refused("no build is called");
    }
    log()
        .set("sid", serde_json::json!(["local", "app"]))
        .refused("not understood");
    log().set("type", "x".into()).refused("something else");
    log().set("version", 0.into()).refused("no version");
    log()
        .set("files", serde_json::json!([]))
        .refused("no journal");
    let mut wrong = log();
    wrong.entries[1].1 = b"y\n".to_vec();
    wrong.refused("logs/a.log is not what the manifest says");
    for bytes in [&b"x\ny"[..], b"x"] {
        wrong.entries[1].1 = bytes.to_vec();
        wrong.refused("logs/a.log is not what the manifest says");
    }
    log()
        .entry("logs/b.log", b"")
        .refused("\"logs/b.log\" is in no manifest");
    let mut wrong = log();
    wrong.entries.swap(0, 1);
    wrong.refused("is where events.edn should be");
    wrong.entries.pop();
    wrong.refused("is where events.edn should be");
    let mut wrong = log();
    wrong.entries.pop();
    wrong.refused("logs/a.log is missing");
    made(&[("logs/a.log", b""), ("logs/a.log", b"")]).refused("twice");
}

#[test]
fn a_newer_version_names_the_program_that_knows_it() {
    let ours = env!("CARGO_PKG_VERSION");
    let newer = made(&[]).set("version", (VERSION + 1).into());
    newer.refused("get monkeyci-tui 9.9.9 or a newer one");
    newer.refused(ours);
    // Whatever else such a version has in its manifest.
    newer
        .set("files", "elsewhere".into())
        .set("sid", 7.into())
        .refused("get monkeyci-tui 9.9.9");
    let odd = made(&[])
        .set("version", 2.into())
        .set("program", "\u{1b}[2J".into());
    odd.refused("a program with an odd name");
    let journal = b"{:type :tui/journal, :version 2, :sid [\"local\" \"app\" \"b\"]}\n";
    let mut newer = made(&[]);
    newer.entries[0].1 = journal.to_vec();
    let sum = hex(&aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA256,
        journal,
    ));
    newer.manifest["files"][0]["sha256"] = sum.into();
    newer.refused("get monkeyci-tui 9.9.9");
    let meta = *b"mktuimet\x02\0\0\0\0\0\0\0";
    made(&[("logs/a.meta", &meta)]).refused("get monkeyci-tui 9.9.9");
}

#[test]
fn names_cannot_lead_anywhere_else() {
    let long = format!("logs/{}.log", "x".repeat(150));
    for name in [
        "../x.log",
        "/etc/x",
        "logs/../../x.log",
        "logs/./x.log",
        "logs//x.log",
        ".hidden",
        "logs/.x.log",
        "logs/a b.log",
        "logs/\u{1b}[2J.log",
        "logs/ä.log",
        "",
        "a/b/c/d/e",
        "manifest.json",
        &long,
    ] {
        made(&[(name, b"")])
            .manifest_only()
            .refused("no file in it may be called");
    }
    // What nobody knows is left out.
    let odd = [
        "notes.txt",
        "logs/a.idx",
        "logs/.log",
        "artifacts/a.zip",
        "artifacts/a/b.tgz",
        "logs",
    ];
    for name in &odd[..2] {
        let (dir, unpacked) = unpacked(&made(&[(name, b"x")]).file()).unwrap();
        assert_eq!(unpacked.skipped, [*name]);
        let all = contents(&BuildFolder::at(dir.path()));
        assert_eq!(
            all.into_keys().collect::<Vec<_>>(),
            [Path::new("events.edn")]
        );
    }
}

impl Made {
    /// Without the files, whose names a tar may refuse.
    fn manifest_only(mut self) -> Self {
        self.entries.clear();
        self
    }
}

#[test]
fn only_plain_files_are_taken() {
    let kinds = [
        tar::EntryType::Symlink,
        tar::EntryType::Link,
        tar::EntryType::Directory,
        tar::EntryType::Fifo,
        tar::EntryType::Char,
    ];
    for kind in kinds {
        let wanted = made(&[("logs/a.log", b"")]);
        let manifest = serde_json::to_vec(&wanted.manifest).unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in [(NAME, &manifest[..]), ("events.edn", JOURNAL)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, bytes).unwrap();
        }
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        tar.append_link(&mut header, "logs/a.log", "/etc/passwd")
            .unwrap();
        let file = zstd::encode_all(&*tar.into_inner().unwrap(), 1).unwrap();
        let error = unpacked(&file).unwrap_err();
        assert!(error.contains("logs/a.log is no file"), "{kind:?}: {error}");
    }
}

#[test]
fn an_archive_unpacks_to_no_more_than_the_quota() {
    // Declared.
    let mut bomb = made(&[("logs/a.log", b"x\n")]);
    bomb.manifest["files"][1]["size"] = (1_u64 << 40).into();
    bomb.refused("are allowed");
    bomb.manifest["files"][1]["size"] = u64::MAX.into();
    bomb.refused("are allowed");
    // Not declared: four gigabytes of zeros are a small file.
    let mut bomb = made(&[("logs/a.log", b"x\n")]);
    bomb.entries[1].1 = vec![0; 64 << 20];
    let file = bomb.file();
    assert!(file.len() < 1 << 20);
    let error = unpacked(&file).unwrap_err();
    assert!(error.contains("not what the manifest says"), "{error}");
    // What is read as a whole has to be smaller.
    let meta = vec![0; 100_000];
    made(&[("logs/a.meta", &meta)]).refused("65536 are allowed");
    // The manifest too.
    let mut tar = ZstdTar::new(Vec::new()).unwrap();
    let long = vec![b' '; LONGEST as usize + 1];
    tar.add(NAME, long.len() as u64, &*long).unwrap();
    assert!(unpacked(&tar.finish().unwrap()).is_err());
}

#[test]
fn what_is_something_else_is_said_to_be() {
    let other = zstd::encode_all(&[b'x'; 2000][..], 1).unwrap();
    for file in [&b"{:type"[..], &other] {
        let error = unpacked(file).unwrap_err();
        assert!(error.contains("no exported recording"), "{error}");
    }
    for file in [&b""[..], b"\x28\xb5\x2f\xfd"] {
        let error = unpacked(file).unwrap_err();
        assert!(error.contains("its end is missing"), "{error}");
    }
    let mut tar = ZstdTar::new(Vec::new()).unwrap();
    tar.add("\u{1b}[2J", 0, &b""[..]).unwrap();
    let error = unpacked(&tar.finish().unwrap()).unwrap_err();
    assert!(error.contains("it begins with \"\\u{1b}[2J\""), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_manifest_can_be_read(text in "[ -~]{0,60}", cut in 0_usize..400, at in 0_usize..400) {
        let quota = Quota::default();
        let _ = Manifest::read(text.as_bytes(), quota);
        let mut manifest = serde_json::to_vec(&made(&[("logs/a.log", b"")]).manifest).unwrap();
        manifest.truncate(cut);
        let _ = Manifest::read(&manifest, quota);
        let mut manifest = serde_json::to_vec(&made(&[("logs/a.log", b"")]).manifest).unwrap();
        let at = at % manifest.len();
        manifest.splice(at..at, text.bytes());
        let _ = Manifest::read(&manifest, quota);
    }
}

// ---------------------------------------------------------------- opening

#[test]
fn an_exported_recording_is_looked_at_where_it_lies() {
    let place = place();
    let (recipe, _, bytes) = small();
    let file = place.dir.path().join("some file");
    fs::write(&file, &bytes).unwrap();
    assert!(is_exported(&file));
    let history = History::new(&place.home);
    let spec = BuildSpec::parse(file.to_str().unwrap());
    let (sid, folder) = history.find(&spec).unwrap();
    assert_eq!(sid, recipe.sid);
    assert_eq!(fs::read(folder.logs.join("a.log")).unwrap(), b"one\ntwo\n");
    assert_eq!(Origin::of(&folder).unwrap().imported, None);
    assert!(history.list(9).items.is_empty());
    assert!(matches!(
        history.find(&BuildSpec::Last),
        Err(FindError::NoBuilds)
    ));
    // A second time nothing is unpacked.
    fs::write(folder.logs.join("mark"), "").unwrap();
    let (_, again) = history.find(&spec).unwrap();
    assert_eq!(again, folder);
    assert!(folder.logs.join("mark").exists());
    // It is exported as it was.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let kept = runtime.block_on(recipe.kept(&folder));
    fs::remove_file(folder.logs.join("mark")).unwrap();
    assert_eq!(kept.export(&folder, place.dir.path()), bytes);

    fs::write(&file, &bytes[..bytes.len() - 9]).unwrap();
    let error = history.find(&spec).unwrap_err();
    assert!(matches!(error, FindError::Portable(_)), "{error}");
    let opened: Vec<_> = fs::read_dir(place.home.recordings()).unwrap().collect();
    // It, and the folder of drafts.
    assert_eq!(opened.len(), 2, "{opened:?}");
    fs::write(&file, "text").unwrap();
    let error = history.find(&spec).unwrap_err();
    assert!(
        matches!(error, FindError::Journal(JournalError::NotAJournal { .. })),
        "{error}"
    );
}

#[test]
fn what_was_looked_at_goes_when_there_is_too_much_of_it() {
    let place = place();
    let cache = place.home.recordings();
    let mut opened = Vec::new();
    for build in ["a", "b", "c"] {
        let mut recipe = Recipe::small();
        recipe.sid.build = build.to_owned();
        let made = BuildFolder::at(&place.dir.path().join(build));
        recipe.record(&made);
        let file = place.dir.path().join(format!("{build}.mcirec"));
        fs::write(&file, recipe.export(&made, place.dir.path())).unwrap();
        let (_, folder) = super::open(&cache, &file).unwrap();
        opened.push(folder.dir);
    }
    // All are in use by this process.
    super::open::prune(&cache, 0);
    assert!(opened.iter().all(|dir| dir.exists()));
    super::open::let_go(&opened[0]);
    super::open::let_go(&opened[1]);
    super::open::prune(&cache, u64::MAX);
    assert!(opened.iter().all(|dir| dir.exists()));
    super::open::prune(&cache, 0);
    assert_eq!(
        opened.iter().map(|dir| dir.exists()).collect::<Vec<_>>(),
        [false, false, true]
    );
}
