//! The store as a whole: what was written is what is read, however it was cut and interrupted.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use tempfile::TempDir;

use super::ansi::strip;
use super::errors::first_error;
use super::search::{Budget, Count, Direction, Search, Step};
use super::{LogError, LogPaths, LogReader, LogWriter, NO_COMMAND, Stream};

type Append = (Stream, u32, Vec<u8>);

fn place() -> (TempDir, LogPaths) {
    let dir = tempfile::tempdir().unwrap();
    let paths = LogPaths::new(dir.path(), "job");
    (dir, paths)
}

/// Appends 7 ms apart, starting at `ms`.
fn write(writer: &mut LogWriter, appends: &[Append], mut ms: i64) {
    for (stream, command, bytes) in appends {
        writer.append(ms, *stream, *command, bytes).unwrap();
        ms += 7;
    }
}

fn lines(reader: &LogReader) -> Vec<(Stream, Vec<u8>, bool)> {
    (0..reader.line_count())
        .map(|n| {
            let meta = reader.line(n).unwrap();
            let bytes = reader.read_line(n, usize::MAX).unwrap();
            (meta.stream, bytes, meta.complete)
        })
        .collect()
}

/// The same lines, found the simple way: each line's first byte decides its place.
fn expected(appends: &[Append]) -> Vec<(Stream, Vec<u8>, bool)> {
    let mut lines: Vec<(Stream, Vec<u8>, bool)> = Vec::new();
    let mut open = [None; 3];
    for (stream, _, bytes) in appends {
        for byte in bytes {
            let open = &mut open[stream.number()];
            let at = *open.get_or_insert_with(|| {
                lines.push((*stream, Vec::new(), false));
                lines.len() - 1
            });
            if *byte == b'\n' {
                lines[at].2 = true;
                *open = None;
            } else {
                lines[at].1.push(*byte);
            }
        }
    }
    lines
}

fn text(lines: &str) -> Append {
    (Stream::Out, 0, lines.as_bytes().to_vec())
}

fn any_append() -> impl Strategy<Value = Append> {
    let stream = prop::sample::select(Stream::ALL.to_vec());
    let bytes = prop_oneof![
        4 => "[ab\n]{0,8}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..5),
        // Enough for several checkpoints, by lines and by bytes.
        1 => (0..700_usize).prop_map(|n| b"x\n".repeat(n)),
        1 => (0..300_000_usize).prop_map(|n| vec![b'y'; n]),
    ];
    (stream, 0..3_u32, bytes)
}

#[test]
fn lines_are_split_per_stream_and_placed_where_they_began() {
    let (_dir, paths) = place();
    let mut writer = LogWriter::create(paths.clone()).unwrap();
    writer.append(1000, Stream::Out, 0, b"ab").unwrap();
    writer.append(2000, Stream::Err, 0, b"E\n").unwrap();
    writer.append(3000, Stream::Out, 0, b"c\n").unwrap();
    let reader = LogReader::open(paths.clone()).unwrap();
    assert_eq!(
        lines(&reader),
        [
            (Stream::Out, b"abc".to_vec(), true),
            (Stream::Err, b"E".to_vec(), true)
        ]
    );
    assert_eq!(reader.pieces(0).unwrap(), [0..2, 4..5]);
    assert_eq!(reader.line(0).unwrap().ms, Some(1000));
    assert_eq!(reader.line(1).unwrap().ms, Some(2000));
    assert_eq!(fs::read(&paths.log).unwrap(), b"abE\nc\n");
}

#[test]
fn an_unfinished_line_is_a_line_and_grows() {
    let (_dir, paths) = place();
    let mut writer = LogWriter::create(paths.clone()).unwrap();
    let mut reader = LogReader::open(paths).unwrap();
    write(&mut writer, &[text("done\nhal")], 0);
    assert!(reader.refresh().unwrap());
    assert!(!reader.line(1).unwrap().complete);
    assert_eq!(reader.read_line(1, 100).unwrap(), b"hal");
    write(&mut writer, &[text("f\n")], 0);
    assert!(reader.refresh().unwrap());
    assert!(reader.line(1).unwrap().complete);
    assert_eq!(reader.read_line(1, 100).unwrap(), b"half");
    assert!(!reader.refresh().unwrap(), "nothing new");
}

#[test]
fn a_log_that_is_not_there_is_empty_and_may_appear() {
    let (_dir, paths) = place();
    let mut reader = LogReader::open(paths.clone()).unwrap();
    assert_eq!((reader.line_count(), reader.len_bytes()), (0, 0));
    assert!(!reader.refresh().unwrap());
    assert!(reader.line(0).is_err());
    assert!(reader.chunk_at(0).is_none());
    let mut writer = LogWriter::create(paths.clone()).unwrap();
    write(&mut writer, &[text("hello\n")], 0);
    assert!(reader.refresh().unwrap());
    assert_eq!(reader.line_count(), 1);
    assert!(LogWriter::create(paths).is_err(), "nothing is written over");
}

#[test]
fn sections_follow_the_commands() {
    let (_dir, paths) = place();
    let mut writer = LogWriter::create(paths.clone()).unwrap();
    writer
        .append(5, Stream::System, NO_COMMAND, b"pulled\n")
        .unwrap();
    writer.append(6, Stream::Out, 0, b"a\nb\n").unwrap();
    writer.append(7, Stream::Err, 0, b"c\n").unwrap();
    writer.append(90, Stream::Out, 1, b"d\n").unwrap();
    drop(writer);
    // Once from the bytes, once from the index.
    for _ in 0..2 {
        let reader = LogReader::open(paths.clone()).unwrap();
        let sections = reader.sections();
        let found: Vec<_> = sections
            .iter()
            .map(|s| (s.command, s.lines.clone(), s.ms))
            .collect();
        assert_eq!(
            found,
            [
                (NO_COMMAND, 0..1, Some(5)),
                (0, 1..4, Some(6)),
                (1, 4..5, Some(90))
            ]
        );
        fs::remove_file(&paths.idx).ok();
    }
}

#[test]
fn a_long_line_is_read_from_either_end() {
    let (_dir, paths) = place();
    let mut writer = LogWriter::create(paths.clone()).unwrap();
    let long: Vec<u8> = (0..3_000_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
    writer.append(0, Stream::Out, 0, b"first\n").unwrap();
    for (n, part) in long.chunks(100_000).enumerate() {
        writer.append(n as i64 * 50, Stream::Out, 0, part).unwrap();
        writer
            .append(n as i64 * 50, Stream::Err, 0, b"e\n")
            .unwrap();
    }
    writer.append(9, Stream::Out, 0, b"\nlast\n").unwrap();
    let reader = LogReader::open(paths).unwrap();
    let mut head = Vec::new();
    assert!(
        reader.read_line_into(1, 10, &mut head).unwrap(),
        "there is more"
    );
    assert_eq!(head, long[..10]);
    assert_eq!(
        reader.read_line_tail(1, 10).unwrap(),
        long[long.len() - 10..]
    );
    assert!(reader.read_line(1, usize::MAX).unwrap() == long);
    assert!(
        !reader.read_line_into(0, 5, &mut head).unwrap(),
        "exactly fits"
    );
    let last = reader.line_count() - 1;
    assert_eq!(reader.read_line(last, 99).unwrap(), b"last");
}

#[test]
fn bytes_by_arrival_say_who_wrote_them() {
    let (_dir, paths) = place();
    let mut writer = LogWriter::create(paths.clone()).unwrap();
    write(
        &mut writer,
        &[text("ab\n"), (Stream::Err, 1, b"cd".to_vec())],
        40,
    );
    let reader = LogReader::open(paths).unwrap();
    let chunk = reader.chunk_at(1).unwrap();
    assert_eq!((chunk.offset, chunk.len, chunk.stream), (1, 2, Stream::Out));
    let chunk = reader.chunk_at(3).unwrap();
    assert_eq!(
        (chunk.len, chunk.stream, chunk.command, chunk.ms),
        (2, Stream::Err, 1, Some(47))
    );
    assert_eq!(reader.read_bytes(3, 100).unwrap(), b"cd");
    assert_eq!(reader.read_bytes(99, 100).unwrap(), b"");
}

#[test]
fn a_meta_torn_at_any_byte_loses_no_byte_and_keeps_what_is_whole() {
    let (_dir, paths) = place();
    let appends = [
        (Stream::Err, 0, b"one\n".to_vec()),
        (Stream::Out, 1, b"two\n".to_vec()),
        (Stream::Err, 2, b"three\n".to_vec()),
    ];
    let mut writer = LogWriter::create(paths.clone()).unwrap();
    write(&mut writer, &appends, 1000);
    drop(writer);
    let meta = fs::read(&paths.meta).unwrap();
    let log = fs::read(&paths.log).unwrap();
    for cut in 0..=meta.len() {
        for zeros in [false, true] {
            let mut torn = meta[..cut].to_vec();
            if zeros {
                // What a power cut leaves of pages that were never written.
                torn.resize(meta.len() + 100, 0);
            }
            fs::write(&paths.meta, &torn).unwrap();
            fs::remove_file(&paths.idx).ok();
            let whole = cut.saturating_sub(16) / 32;
            let check = |reader: &LogReader| {
                let texts: Vec<_> = lines(reader).into_iter().map(|line| line.1).collect();
                assert_eq!(texts, [&b"one"[..], b"two", b"three"], "cut at {cut}");
                for (n, append) in appends.iter().enumerate() {
                    let line = reader.line(n).unwrap();
                    if n < whole {
                        assert_eq!((line.command, line.stream), (n as u32, append.0));
                        assert_eq!(line.ms, Some(1000 + 7 * n as i64));
                    } else {
                        let lost = (line.command, line.stream, line.ms);
                        assert_eq!(lost, (NO_COMMAND, Stream::Out, None));
                    }
                }
            };
            check(&LogReader::open(paths.clone()).unwrap());
            let mut writer = LogWriter::open_append(paths.clone()).unwrap();
            writer.append(5000, Stream::Err, 9, b"four\n").unwrap();
            drop(writer);
            for _ in 0..2 {
                let reader = LogReader::open(paths.clone()).unwrap();
                assert_eq!(reader.line_count(), 4);
                assert_eq!(reader.read_line(3, 99).unwrap(), b"four");
                let four = reader.line(3).unwrap();
                assert_eq!(
                    (four.stream, four.command, four.ms),
                    (Stream::Err, 9, Some(5000))
                );
                fs::remove_file(&paths.idx).ok();
            }
            fs::write(&paths.log, &log).unwrap();
        }
    }
}

#[test]
fn a_log_shorter_than_its_meta_says_is_cut_and_goes_on() {
    let (_dir, paths) = place();
    let mut writer = LogWriter::create(paths.clone()).unwrap();
    write(
        &mut writer,
        &[text("one\n"), (Stream::Err, 1, b"two and more\n".to_vec())],
        0,
    );
    drop(writer);
    let log = fs::read(&paths.log).unwrap();
    for cut in 0..log.len() {
        fs::write(&paths.log, &log[..cut]).unwrap();
        let meta = fs::read(&paths.meta).unwrap();
        let reader = LogReader::open(paths.clone()).unwrap();
        assert_eq!(reader.len_bytes(), cut as u64);
        let mut writer = LogWriter::open_append(paths.clone()).unwrap();
        writer
            .append(99, Stream::System, NO_COMMAND, b"S\n")
            .unwrap();
        drop(writer);
        fs::remove_file(&paths.idx).ok();
        let reader = LogReader::open(paths.clone()).unwrap();
        let last = reader.line(reader.line_count() - 1).unwrap();
        assert_eq!(last.stream, Stream::System, "cut at {cut}");
        assert_eq!(reader.read_line(last.number, 99).unwrap(), b"S");
        fs::write(&paths.meta, &meta).unwrap();
        fs::remove_file(&paths.idx).ok();
    }
}

#[test]
fn a_log_that_was_emptied_is_read_anew() {
    let (_dir, paths) = place();
    let mut writer = LogWriter::create(paths.clone()).unwrap();
    write(&mut writer, &[text("a long first log\nof two lines\n")], 0);
    drop(writer);
    let mut reader = LogReader::open(paths.clone()).unwrap();
    fs::remove_file(&paths.meta).unwrap();
    fs::write(&paths.log, b"new\n").unwrap();
    assert!(reader.refresh().unwrap());
    assert_eq!(lines(&reader), [(Stream::Out, b"new".to_vec(), true)]);
}

#[test]
fn a_log_of_a_newer_program_is_refused_and_left_alone() {
    let (_dir, paths) = place();
    drop(LogWriter::create(paths.clone()).unwrap());
    let mut meta = fs::read(&paths.meta).unwrap();
    meta[8] = 9;
    fs::write(&paths.meta, &meta).unwrap();
    let refused = LogReader::open(paths.clone());
    assert!(matches!(refused, Err(LogError::Version { found: 9, .. })));
    assert!(LogWriter::open_append(paths.clone()).is_err());
    assert_eq!(fs::read(&paths.meta).unwrap(), meta);
}

#[test]
fn an_index_that_is_damaged_or_of_another_log_is_not_used() {
    let (_dir, paths) = place();
    let (_other_dir, other_paths) = place();
    let mut writer = LogWriter::create(paths.clone()).unwrap();
    write(&mut writer, &[text("a\nb\n"), text("c\n")], 100);
    writer.finish().unwrap();
    let mut other = LogWriter::create(other_paths.clone()).unwrap();
    write(&mut other, &[text("abcde\n")], 0);
    other.finish().unwrap();
    let good = fs::read(&paths.idx).unwrap();
    let before = lines(&LogReader::open(paths.clone()).unwrap());
    let mut bad: Vec<Vec<u8>> = (0..good.len())
        .map(|at| {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            bad
        })
        .collect();
    bad.extend((0..good.len()).map(|len| good[..len].to_vec()));
    bad.push(fs::read(&other_paths.idx).unwrap());
    for idx in bad {
        fs::write(&paths.idx, idx).unwrap();
        assert_eq!(lines(&LogReader::open(paths.clone()).unwrap()), before);
    }
}

#[test]
fn an_index_is_used_and_continued() {
    let (_dir, paths) = place();
    let mut writer = LogWriter::create(paths.clone()).unwrap();
    write(&mut writer, &[text("a\nb\nhal")], 0);
    writer.finish().unwrap();
    // Bytes changed behind the index's back show that it was believed: the newline is not seen.
    fs::write(&paths.log, b"a\n\n\nhal").unwrap();
    assert_eq!(LogReader::open(paths.clone()).unwrap().line_count(), 3);
    fs::write(&paths.log, b"a\nb\nhal").unwrap();
    let mut writer = LogWriter::open_append(paths.clone()).unwrap();
    assert_eq!((writer.len(), writer.line_count()), (7, 3));
    write(&mut writer, &[text("f\nd\n")], 500);
    let reader = LogReader::open(paths).unwrap();
    let texts: Vec<_> = lines(&reader).into_iter().map(|line| line.1).collect();
    assert_eq!(texts, [&b"a"[..], b"b", b"half", b"d"]);
}

#[test]
fn a_reader_beside_a_writer_sees_only_true_states() {
    let (_dir, paths) = place();
    let mut writer = LogWriter::create(paths.clone()).unwrap();
    let done = AtomicBool::new(false);
    let total = 3000_u32;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..total {
                let (stream, command) = if n % 3 == 0 {
                    (Stream::Err, 1)
                } else {
                    (Stream::Out, 0)
                };
                let line = format!("{} {n} {}\n", stream.number(), "x".repeat(n as usize % 90));
                // Half lines too, so that the reader meets unfinished ones.
                let (head, tail) = line.as_bytes().split_at(line.len() / 2);
                writer.append(i64::from(n), stream, command, head).unwrap();
                writer.append(i64::from(n), stream, command, tail).unwrap();
            }
            done.store(true, Ordering::Release);
        });
        let mut reader = LogReader::open(paths.clone()).unwrap();
        let mut checked = 0;
        loop {
            let was_done = done.load(Ordering::Acquire);
            reader.refresh().unwrap();
            let count = reader.line_count();
            for n in checked..count {
                let line = reader.line(n).unwrap();
                let stream = if n % 3 == 0 { Stream::Err } else { Stream::Out };
                assert_eq!(line.stream, stream, "line {n}");
                if line.complete {
                    let text = String::from_utf8(reader.read_line(n, 999).unwrap()).unwrap();
                    let start = format!("{} {n} ", stream.number());
                    assert!(text.starts_with(&start), "{text}");
                    assert_eq!(text.len(), start.len() + n % 90);
                }
            }
            checked = count.saturating_sub(1);
            if was_done {
                break;
            }
        }
        assert_eq!(reader.line_count(), total as usize);
    });
}

fn search_all(
    search: &Search,
    reader: &LogReader,
    direction: Direction,
    budget: Budget,
) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = match direction {
        Direction::Forward => 0,
        Direction::Backward => reader.line_count(),
    };
    loop {
        match search.find_next(reader, at, direction, budget).unwrap() {
            Step::NotFound => return found,
            Step::Continue(next) => at = next,
            Step::Found(line) => {
                found.push(line);
                match direction {
                    Direction::Forward => at = line + 1,
                    Direction::Backward if line == 0 => return found,
                    Direction::Backward => at = line - 1,
                }
            }
        }
    }
}

#[test]
fn search_sees_a_line_that_another_stream_interrupted_as_one() {
    let (_dir, paths) = place();
    let mut writer = LogWriter::create(paths.clone()).unwrap();
    let err = |bytes: &[u8]| (Stream::Err, 0, bytes.to_vec());
    let appends = [
        text("nee"),
        err(b"plain\n"),
        text("dle\nplain\n"),
        err(b"haystack with no ne"),
        text("edle in it\n"),
    ];
    write(&mut writer, &appends, 0);
    let reader = LogReader::open(paths).unwrap();
    for needle in ["needle", "Needle"] {
        let expected: &[usize] = if needle == "needle" { &[0] } else { &[] };
        for direction in [Direction::Forward, Direction::Backward] {
            let found = search_all(&Search::new(needle), &reader, direction, Budget::ALL);
            assert_eq!(found, expected, "{needle} {direction:?}");
        }
    }
}

#[test]
fn the_first_error_is_found_in_steps() {
    let (_dir, paths) = place();
    let mut writer = LogWriter::create(paths.clone()).unwrap();
    let mut log = "fine\n".repeat(1000);
    log += "\x1b[31merror\x1b[0m: broken\nerror: again\n";
    write(&mut writer, &[text(&log)], 0);
    let reader = LogReader::open(paths).unwrap();
    let small = Budget {
        lines: 300,
        bytes: usize::MAX,
    };
    let mut at = 0;
    let mut steps = 0;
    let found = loop {
        steps += 1;
        match first_error(&reader, at..usize::MAX, small).unwrap() {
            Step::Continue(next) => at = next,
            other => break other,
        }
    };
    assert_eq!((found, steps), (Step::Found(1000), 4));
    assert_eq!(
        first_error(&reader, 0..1000, Budget::ALL).unwrap(),
        Step::NotFound
    );
}

/// Some may match across lines, where many are looked at at once.
const EXPRESSIONS: [&str; 15] = [
    "(?-m)^b|(?i:É)",
    "a+b",
    "^b",
    "b$",
    r"a\s",
    "[^a]b",
    "^$",
    r"\bb",
    "(?i)A",
    r"\Ab",
    ".",
    "é|b b",
    r"b\z",
    r"\s+b",
    r"b\s*b",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_bytes_in_any_chunks_give_the_lines_of_the_whole(
        appends in prop::collection::vec(any_append(), 0..25),
        refresh_every in 1..6_usize,
        reopen_every in 1..9_usize,
    ) {
        let (_dir, paths) = place();
        let mut writer = LogWriter::create(paths.clone()).unwrap();
        let mut stepwise = LogReader::open(paths.clone()).unwrap();
        let mut ms = 0;
        for (n, append) in appends.iter().enumerate() {
            if n % reopen_every == reopen_every - 1 {
                drop(writer);
                writer = LogWriter::open_append(paths.clone()).unwrap();
            }
            write(&mut writer, std::slice::from_ref(append), ms);
            ms += 7;
            if n % refresh_every == 0 {
                stepwise.refresh().unwrap();
                let seen = stepwise.line_count();
                if seen > 0 {
                    stepwise.read_line(seen - 1, 10).unwrap();
                }
            }
        }
        stepwise.refresh().unwrap();
        let expected = expected(&appends);
        let whole: Vec<u8> = appends.iter().flat_map(|append| append.2.clone()).collect();
        prop_assert!(fs::read(&paths.log).unwrap() == whole);
        let by_bytes = LogReader::open(paths.clone()).unwrap();
        writer.finish().unwrap();
        let by_index = LogReader::open(paths.clone()).unwrap();
        for reader in [&stepwise, &by_bytes, &by_index, &by_index.clone()] {
            prop_assert!(lines(reader) == expected);
            prop_assert_eq!(reader.sections(), stepwise.sections());
        }
        for (n, line) in expected.iter().enumerate() {
            prop_assert_eq!(by_index.line(n).unwrap(), by_bytes.line(n).unwrap());
            let pieces = by_index.pieces(n).unwrap();
            let joined: Vec<u8> = pieces.iter().flat_map(|p| whole[p.start as usize..p.end as usize].to_vec()).collect();
            prop_assert!(joined == line.1);
        }
    }

    #[test]
    fn a_log_at_a_moment_is_the_log_that_was_written_until_then(
        appends in prop::collection::vec(any_append(), 0..25),
        moments in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
        needle in "[abxy]",
    ) {
        // Far enough apart that the index tells them.
        let time = |n: usize| 1000 + 20 * n as i64;
        let (_dir, paths) = place();
        let mut writer = LogWriter::create(paths.clone()).unwrap();
        for (n, (stream, command, bytes)) in appends.iter().enumerate() {
            writer.append(time(n), *stream, *command, bytes).unwrap();
        }
        let mut reader = LogReader::open(paths).unwrap();
        let search = Search::new(&needle);
        for moment in moments {
            // How many were written until then: none, some, all.
            let count = moment.index(appends.len() + 1);
            let (_dir, paths) = place();
            let mut writer = LogWriter::create(paths.clone()).unwrap();
            for (n, (stream, command, bytes)) in appends.iter().take(count).enumerate() {
                writer.append(time(n), *stream, *command, bytes).unwrap();
            }
            let then = LogReader::open(paths).unwrap();
            let next = reader.show_until(Some(time(count) - 1)).unwrap();
            let more = (count..appends.len()).find(|n| !appends[*n].2.is_empty());
            prop_assert_eq!(next, more.map(time));
            let of = |reader: &LogReader| -> Vec<_> {
                lines(reader).into_iter().map(|line| (line.0, line.1)).collect()
            };
            prop_assert!(of(&reader) == of(&then));
            prop_assert_eq!(reader.len_bytes(), then.len_bytes());
            prop_assert_eq!(reader.sections(), then.sections());
            prop_assert!(reader.line(then.line_count()).is_err());
            for direction in [Direction::Forward, Direction::Backward] {
                prop_assert_eq!(
                    search_all(&search, &reader, direction, Budget::ALL),
                    search_all(&search, &then, direction, Budget::ALL)
                );
            }
            prop_assert_eq!(
                search.count(&reader, 0, Budget::ALL).unwrap(),
                search.count(&then, 0, Budget::ALL).unwrap()
            );
        }
        reader.show_until(None).unwrap();
        prop_assert!(lines(&reader) == expected(&appends));
    }

    #[test]
    fn damaged_files_are_read_without_panic_and_no_byte_is_lost(
        appends in prop::collection::vec(any_append(), 1..8),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        keep_idx in any::<bool>(),
    ) {
        let (_dir, paths) = place();
        let mut writer = LogWriter::create(paths.clone()).unwrap();
        write(&mut writer, &appends, 0);
        drop(writer);
        let mut meta = fs::read(&paths.meta).unwrap();
        for (at, byte) in hits {
            let at = at.index(meta.len());
            // Versions are another story.
            if !(8..12).contains(&at) {
                meta[at] = byte;
            }
        }
        fs::write(&paths.meta, meta).unwrap();
        if !keep_idx {
            fs::remove_file(&paths.idx).unwrap();
        }
        let reader = LogReader::open(paths).unwrap();
        let total: usize = appends.iter().map(|append| append.2.len()).sum();
        prop_assert_eq!(reader.len_bytes(), total as u64);
        let newlines = lines(&reader).iter().filter(|line| line.2).count();
        let kept: usize = lines(&reader).iter().map(|line| line.1.len()).sum();
        prop_assert_eq!(kept + newlines, total);
    }

    #[test]
    fn search_finds_what_a_plain_look_at_the_stripped_lines_finds(
        pieces in prop::collection::vec(
            prop_oneof![
                6 => "[abA É\t\n]{0,6}",
                1 => Just("\x1b[31m".to_owned()),
                1 => Just("\r".to_owned()),
                1 => (0..400_usize).prop_map(|n| "b b\n".repeat(n)),
                1 => (0..400_usize).prop_map(|n| "é\n".repeat(n)),
            ],
            0..30,
        ),
        streams in prop::collection::vec(0..20_usize, 30),
        needle in "[abAÉé ]{1,3}",
        expression in prop::sample::select(&EXPRESSIONS[..]),
        budget_lines in 1..500_usize,
    ) {
        let (_dir, paths) = place();
        let mut writer = LogWriter::create(paths.clone()).unwrap();
        let appends: Vec<Append> = pieces
            .iter()
            .zip(&streams)
            .map(|(piece, stream)| {
                let stream = if *stream == 0 { Stream::Err } else { Stream::Out };
                (stream, 0, piece.clone().into_bytes())
            })
            .collect();
        write(&mut writer, &appends, 0);
        let reader = LogReader::open(paths).unwrap();
        let expression = Search::regex(expression).unwrap();
        let exact = needle.chars().any(char::is_uppercase);
        let is_there = |text: &str| {
            if exact {
                text.contains(&needle)
            } else {
                text.to_lowercase().contains(&needle.to_lowercase())
            }
        };
        let matches = |text: &str, expressions: bool| {
            if expressions { expression.is_match(text) } else { is_there(text) }
        };
        let budget = Budget { lines: budget_lines, bytes: 2000 };
        for (search, is_expression) in [(Search::new(&needle), false), (expression.clone(), true)] {
            let expected: Vec<usize> = expected(&appends)
                .iter()
                .enumerate()
                .filter(|(_, line)| matches(&strip(&line.1), is_expression))
                .map(|(n, _)| n)
                .collect();
            prop_assert_eq!(&search_all(&search, &reader, Direction::Forward, Budget::ALL), &expected);
            prop_assert_eq!(&search_all(&search, &reader, Direction::Forward, budget), &expected);
            let mut backward = search_all(&search, &reader, Direction::Backward, budget);
            backward.reverse();
            prop_assert_eq!(&backward, &expected);
            let mut count = Count { lines: 0, next: Some(0) };
            while let Some(from) = count.next {
                let step = search.count(&reader, from, budget).unwrap();
                count = Count { lines: count.lines + step.lines, next: step.next };
            }
            prop_assert_eq!(count.lines, expected.len());
            for line in expected {
                let text = strip(&reader.read_line(line, usize::MAX).unwrap());
                prop_assert!(search.is_match(&text));
                // An expression may match nothing at all, at some place.
                prop_assert!(text.is_empty() || !search.matches_in(&text).is_empty());
            }
        }
    }
}
