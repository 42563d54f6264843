//! How fast logs are written, opened and searched.

use std::path::Path;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use monkeyci_tui::logs::{
    Budget, Direction, LogPaths, LogReader, LogWriter, Search, Step, Stream, strip,
};
use tempfile::TempDir;

/// Lines of the log, and the bytes that arrive together.
const LINES: usize = 1_000_000;
const CHUNK: usize = 64 * 1024;

fn main() {
    divan::main();
}

/// What a compiler with colours prints, a million lines of it; the last one is a find.
fn text() -> Vec<u8> {
    let mut text = Vec::new();
    for n in 0..LINES - 1 {
        let line = format!(
            "\x1b[32m   Compiling\x1b[0m unit-{n} v0.{}.{} (target/debug/unit-{n})\n",
            n % 17,
            n % 5
        );
        text.extend_from_slice(line.as_bytes());
    }
    text.extend_from_slice(b"\x1b[31merror\x1b[0m: the needle\n");
    text
}

fn write(folder: &Path, text: &[u8]) -> LogPaths {
    let paths = LogPaths::new(folder, "job");
    let mut writer = LogWriter::create(paths.clone()).expect("a log can be created");
    for (place, chunk) in text.chunks(CHUNK).enumerate() {
        let ms = 1_795_457_000_000 + i64::try_from(place).unwrap_or_default();
        writer
            .append(ms, Stream::Out, 0, chunk)
            .expect("a log can be written");
    }
    writer.finish().expect("the index can be saved");
    paths
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is a temp folder")
}

#[divan::bench(sample_count = 10)]
fn ingest_a_million_lines(bencher: Bencher) {
    let text = text();
    bencher
        .counter(BytesCount::new(text.len()))
        .with_inputs(folder)
        .bench_local_values(|folder| {
            write(folder.path(), &text);
            folder
        });
}

#[divan::bench(sample_count = 10)]
fn open_with_its_index(bencher: Bencher) {
    let (folder, text) = (folder(), text());
    let paths = write(folder.path(), &text);
    bencher
        .counter(BytesCount::new(text.len()))
        .bench_local(|| LogReader::open(black_box(paths.clone())).expect("the log opens"));
}

#[divan::bench(sample_count = 10)]
fn open_without_index(bencher: Bencher) {
    let (folder, text) = (folder(), text());
    let paths = write(folder.path(), &text);
    bencher
        .counter(BytesCount::new(text.len()))
        .with_inputs(|| {
            // Gone already when an earlier round could not save it.
            let _ = std::fs::remove_file(&paths.idx);
        })
        .bench_local_values(|()| LogReader::open(paths.clone()).expect("the log opens"));
}

/// The only match is in the last line.
#[divan::bench(sample_count = 10)]
fn search_a_million_lines(bencher: Bencher) {
    let (folder, text) = (folder(), text());
    let reader = LogReader::open(write(folder.path(), &text)).expect("the log opens");
    let search = Search::new("error: the needle");
    bencher
        .counter(BytesCount::new(text.len()))
        .bench_local(|| {
            let step = search
                .find_next(&reader, 0, Direction::Forward, Budget::ALL)
                .expect("the log can be read");
            assert_eq!(step, Step::Found(LINES - 1));
            step
        });
}

#[divan::bench]
fn read_a_screen(bencher: Bencher) {
    let (folder, text) = (folder(), text());
    let reader = LogReader::open(write(folder.path(), &text)).expect("the log opens");
    bencher.bench_local(|| {
        let mut line = Vec::new();
        for number in LINES / 2..LINES / 2 + 50 {
            line = reader
                .read_line(black_box(number), CHUNK)
                .expect("the line can be read");
            black_box(strip(&line));
        }
        line
    });
}
