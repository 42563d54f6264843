//! How fast EDN is read and written: what the real MonkeyCI has posted, from the transcripts.

use std::fs;
use std::path::Path;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use monkeyci_tui::edn::{self, Value};
use monkeyci_tui::wire;

fn main() {
    divan::main();
}

/// Every event of every transcript, a text each.
fn transcripts() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).expect("the transcripts are there") {
        let path = entry
            .expect("the folder can be read")
            .path()
            .join("events.edn");
        if let Ok(text) = fs::read_to_string(path) {
            let values = edn::read_all_lenient(&text).expect("every transcript reads");
            texts.extend(values.iter().map(edn::write));
        }
    }
    assert!(!texts.is_empty(), "there are events in the transcripts");
    texts
}

fn bytes(texts: &[String]) -> BytesCount {
    BytesCount::new(texts.iter().map(String::len).sum::<usize>())
}

#[divan::bench]
fn read_transcripts(bencher: Bencher) {
    let texts = transcripts();
    bencher.counter(bytes(&texts)).bench_local(|| {
        for text in black_box(&texts) {
            black_box(edn::read_lenient(text).expect("every event reads"));
        }
    });
}

#[divan::bench]
fn write_transcripts(bencher: Bencher) {
    let texts = transcripts();
    let values: Vec<Value> = texts
        .iter()
        .map(|text| edn::read_lenient(text).expect("every event reads"))
        .collect();
    bencher.counter(bytes(&texts)).bench_local(|| {
        for value in black_box(&values) {
            black_box(edn::write(value));
        }
    });
}

/// What the script API does with what is posted: bytes to events.
#[divan::bench]
fn events_from_transcripts(bencher: Bencher) {
    let texts = transcripts();
    bencher.counter(bytes(&texts)).bench_local(|| {
        for text in black_box(&texts) {
            black_box(wire::events_from_body(text.as_bytes()).expect("every event reads"));
        }
    });
}
