//! Lines that say the same, lines that do not, and logs of which only what counts differs.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::logs::{LogPaths, LogWriter, NO_COMMAND, Stream};

fn skeleton(line: &str) -> String {
    Masks::default().skeleton(line)
}

#[test]
fn what_is_another_in_every_run_is_masked() {
    let same = [
        (
            "test result: ok. 3 passed; finished in 0.12s",
            "test result: ok. 3 passed; finished in 12.00s",
        ),
        ("Finished in 1m 02s", "Finished in 58.3s"),
        ("took 1.3 ms", "took 800 µs"),
        ("real\t0m1.234s", "real    0m0.9s"),
        (
            "2026-11-27T20:25:53.123Z start",
            "2025-01-02T03:04:05Z start",
        ),
        (
            "[2026-11-27 20:25:53,123] start",
            "[2026-11-28 00:00:00,000] start",
        ),
        (
            "Fri Nov 27 20:25:53 UTC 2026",
            "Sat Nov  7 00:25:53 UTC 2026",
        ),
        ("at 20:25:53", "at 9:00:01.5"),
        ("commit 1a2b3c4", "commit 890d0d6"),
        ("deps/app-0f1e2d3c4b5a6978)", "deps/app-1f1e2d3c4b5a6979)"),
        (
            "id 0d3f7d5e-9b1a-4c7e-8f00-aabbccddeeff",
            "id 11111111-2222-3333-4444-555555555555",
        ),
        ("sha256:9f86d081884c7d65 ok", "sha256:0123456789abcdef0 ok"),
        (
            "integrity sha512-abcDEF123+/abcDEF123==",
            "integrity sha512-xyzDEF123+/abcDEF124==",
        ),
        ("in /tmp/tmp.Ab12/out.txt", "in /tmp/x/out.txt"),
        (
            "rootdir: /tmp/pytest-of-root/pytest-1/a",
            "rootdir: /tmp/pytest-of-me/pytest-21/a",
        ),
        (
            "listening on 127.0.0.1:54321",
            "listening on 127.0.0.1:40000",
        ),
        ("pid 123 at 0x7ffdabcd", "pid 9 at 0x7ffd0000"),
        ("(node:123) Warning", "(node:4567) Warning"),
        ("1.2 MB/s done", "900 kB/s done"),
        ("[ 50%] PASSED a", "[100%] PASSED a"),
        ("[gw0] PASSED a", "[gw11] PASSED a"),
        (
            "===== 5 passed in 0.02s =====",
            "=== 5 passed in 10.02s ===",
        ),
        ("✓ adds (3 ms)", "✓ adds"),
        (
            "thread 'a' (123) panicked at src/a.rs:1:2:",
            "thread 'a' (77) panicked at src/a.rs:1:2:",
        ),
        (
            "build local-build-1764275153000 done",
            "build local-build-1764275999123 done",
        ),
        ("a    b", "a b"),
    ];
    for (one, other) in same {
        assert_eq!(skeleton(one), skeleton(other), "{one:?} {other:?}");
    }
}

#[test]
fn what_matters_is_left_alone() {
    let differ = [
        ("exit status 1", "exit status 2"),
        ("5 passed", "6 passed"),
        ("version 1.2.3", "version 1.2.4"),
        ("a.rs:12:5: error", "a.rs:12:6: error"),
        ("a.rs:10:20:30", "a.rs:10:20:31"),
        ("coverage 85%", "coverage 86%"),
        ("listening on localhost:8080", "listening on localhost:8081"),
        ("package size: 1.2 kB", "package size: 1.3 kB"),
        ("deadbee", "deadbed"),
        ("1234567 rows", "1234568 rows"),
        ("/tmp/x/out.txt", "/tmp/x/err.txt"),
        ("  indented", "indented"),
        ("test a ... ok", "test a ... FAILED"),
    ];
    for (one, other) in differ {
        assert_ne!(skeleton(one), skeleton(other), "{one:?} {other:?}");
    }
}

#[test]
fn what_is_a_builds_own_is_masked() {
    let one = Masks::new(["/home/me/one", "/home/me/one-more", "build-17"]);
    let other = Masks::new(["/srv/checkout/x", "build-18"]);
    assert_eq!(
        one.skeleton("cd /home/me/one-more/src of build-17"),
        other.skeleton("cd /srv/checkout/x/src of build-18")
    );
    // Nothing that short is anybody's own.
    assert_eq!(Masks::new(["a", ""]).skeleton("a b"), "a b");
}

/// A log with lines of some commands.
fn log(dir: &Path, name: &str, lines: &[(u32, String)]) -> LogReader {
    let paths = LogPaths::new(dir, name);
    let mut writer = LogWriter::create(paths.clone()).unwrap();
    for (command, line) in lines {
        let line = format!("{line}\n");
        writer
            .append(0, Stream::Out, *command, line.as_bytes())
            .unwrap();
    }
    drop(writer);
    LogReader::open(paths).unwrap()
}

fn diff(
    old: &[(u32, String)],
    new: &[(u32, String)],
    pairs: &[(Option<u32>, Option<u32>)],
) -> LogDiff {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (log(dir.path(), "old", old), log(dir.path(), "new", new));
    let masks = Masks::default();
    let side = |log| Side { log, masks: &masks };
    compare(side(&old), side(&new), pairs).unwrap()
}

/// The lines of a log as one command's.
pub(super) fn lines_of(text: &str) -> Vec<(u32, String)> {
    text.lines().map(|line| (0, line.to_owned())).collect()
}

/// As [`diff`], with the masks of two builds.
pub(super) fn diff_with(
    old: &[(u32, String)],
    new: &[(u32, String)],
    masks: &[Masks; 2],
) -> LogDiff {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (log(dir.path(), "old", old), log(dir.path(), "new", new));
    let side = |log, at: usize| Side {
        log,
        masks: &masks[at],
    };
    compare(side(&old, 0), side(&new, 1), &[]).unwrap()
}

fn of_one(lines: &[&str]) -> Vec<(u32, String)> {
    lines.iter().map(|line| (0, (*line).to_owned())).collect()
}

#[test]
fn lines_that_moved_are_no_difference() {
    let old = of_one(&[
        "Compiling a",
        "Compiling b",
        "Compiling c",
        "Finished in 1s",
    ]);
    let new = of_one(&[
        "Compiling c",
        "Compiling a",
        "Compiling b",
        "",
        "Finished in 2s",
    ]);
    let found = diff(&old, &new, &[]);
    assert_eq!((found.lines(), found.moved), (0, 1));
    let new = of_one(&[
        "Compiling c",
        "Compiling x",
        "Compiling b",
        "Finished in 2s",
    ]);
    let found = diff(&old, &new, &[]);
    assert_eq!(found.lines(), 1);
    assert_eq!(
        (&*found.sections[0].removed, &*found.sections[0].added),
        (&[0][..], &[1][..])
    );
}

#[test]
fn commands_are_compared_with_their_own() {
    let line = |command, text: &str| (command, text.to_owned());
    let old = [
        line(NO_COMMAND, "begins"),
        line(0, "a"),
        line(1, "b"),
        line(2, "c"),
    ];
    // A command came in between.
    let new = [
        line(NO_COMMAND, "begins"),
        line(0, "a"),
        line(1, "new"),
        line(2, "b"),
        line(3, "c"),
    ];
    let pairs = [
        (Some(0), Some(0)),
        (None, Some(1)),
        (Some(1), Some(2)),
        (Some(2), Some(3)),
    ];
    let found = diff(&old, &new, &pairs);
    assert_eq!(found.lines(), 1);
    assert_eq!(
        (found.sections[0].before, found.sections[0].after),
        (None, Some(1))
    );
    // By the index alone it is more.
    assert_eq!(diff(&old, &new, &[]).lines(), 3);
}

#[test]
fn a_difference_is_told_with_the_lines_around_it() {
    let numbers = |changed: &[usize]| -> Vec<(u32, String)> {
        (0..40)
            .map(|at| {
                let mark = if changed.contains(&at) {
                    "changed"
                } else {
                    "line"
                };
                (0, format!("{mark} no {at}"))
            })
            .collect()
    };
    let found = diff(&numbers(&[]), &numbers(&[0, 10, 14, 39]), &[]);
    let hunks = &found.sections[0].hunks;
    let shape: Vec<String> = hunks
        .iter()
        .map(|hunk| {
            hunk.iter()
                .map(|row| match row {
                    Row::Same(..) => ' ',
                    Row::Removed(_) => '-',
                    Row::Added(_) => '+',
                    Row::Moved(_) => '~',
                })
                .collect()
        })
        .collect();
    assert_eq!(shape, ["-+   ", "   -+   -+   ", "   -+"]);
    assert_eq!(found.lines(), 4);
}

#[test]
fn progress_is_told_as_often_as_there_was_time() {
    let old = of_one(&["get 1 MB/s", "get 2 MB/s", "get 3 MB/s", "done"]);
    let new = of_one(&["get 7 MB/s", "done"]);
    assert_eq!(diff(&old, &new, &[]).lines(), 0);
    // What is said twice for no such reason is said twice.
    let (old, new) = (of_one(&["again", "again"]), of_one(&["again"]));
    assert_eq!(diff(&old, &new, &[]).lines(), 1);
}

/// What lines are made of where rules meet.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "2026-11-27",
            "T20:25:53",
            "12:30:05",
            ":",
            "5",
            "ms",
            "s",
            " ",
            "  ",
            "\t",
            "(5 ms)",
            "1.5s",
            "[ 50%]",
            "/tmp/",
            "a1b2c3d",
            "0x",
            "1234567890",
            "=====",
            "-",
            "pid ",
            "localhost:",
            "54321",
            "MB/s",
            "•",
            "m",
            "gw1",
            "sha256:",
            "x",
            "/",
            "Nov 27 ",
            "' (3) panicked",
            "1m",
            "time=",
            "'",
            "\"",
            "17h",
            "E",
            "tmp",
            "10.0.0.1",
        ])
        .prop_map(str::to_owned),
        "[a-f0-9]{1,12}",
        "\\PC{0,4}",
    ]
}

fn few_lines() -> impl Strategy<Value = Vec<(u32, String)>> {
    let line = prop::sample::select(vec!["a", "b", "c", "d 1s", "d 2s", "", "e"]);
    prop::collection::vec((0..3_u32, line.prop_map(str::to_owned)), 0..20)
}

proptest! {
    #[test]
    fn a_skeleton_is_its_own(pieces in prop::collection::vec(piece(), 0..8)) {
        let once = skeleton(&pieces.concat());
        prop_assert_eq!(skeleton(&once), once);
    }

    #[test]
    fn a_skeleton_of_anything_is_its_own(line in "\\PC{0,80}") {
        let once = skeleton(&line);
        prop_assert_eq!(skeleton(&once), once);
    }

    #[test]
    fn what_differs_is_what_one_has_more_often(old in few_lines(), new in few_lines()) {
        let there = diff(&old, &new, &[]);
        let back = diff(&new, &old, &[]);
        let ends = |diff: &LogDiff| {
            let all = |of: fn(&SectionDiff) -> usize| diff.sections.iter().map(of).sum::<usize>();
            (all(|it| it.removed.len()), all(|it| it.added.len()))
        };
        let (removed, added) = ends(&there);
        prop_assert_eq!((added, removed), ends(&back));
        prop_assert_eq!(there.lines(), back.lines());
        prop_assert!(removed <= old.len() && added <= new.len());
        // Counted the slow way.
        let count = |of: &[(u32, String)], line: &(u32, String)| of.iter().filter(|it| *it == line).count();
        let masked = |of: &[(u32, String)]| -> Vec<(u32, String)> {
            let lines = of.iter().filter(|it| !it.1.is_empty());
            lines.map(|(command, line)| (*command, skeleton(line))).collect()
        };
        let (old, new) = (masked(&old), masked(&new));
        let mut all: Vec<_> = old.clone();
        all.sort();
        all.dedup();
        let expected: usize = all.iter().map(|line| count(&old, line).saturating_sub(count(&new, line))).sum();
        prop_assert_eq!(removed, expected);
        prop_assert_eq!(diff(&old, &old, &[]).lines(), 0);
        // A hunk has every line that differs, once.
        for section in &there.sections {
            let rows = section.hunks.iter().flatten();
            let told: Vec<usize> = rows.filter_map(|row| match row {
                Row::Added(line) => Some(*line),
                _ => None,
            }).collect();
            prop_assert_eq!(&told, &section.added);
        }
    }
}
