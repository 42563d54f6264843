//! The recordings of the real MonkeyCI.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::edn::{forms, read_lenient, read_lenient_bytes, read_str, write};

/// Every file of events, with its text.
fn recordings() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        for name in ["events.edn", "broker-events.edn"] {
            let path = entry.as_ref().unwrap().path().join(name);
            if let Ok(text) = fs::read_to_string(&path) {
                files.push((path, text));
            }
        }
    }
    assert!(files.len() >= 26, "only {} recordings", files.len());
    files
}

/// What scripts posted, with all that the runner's own reader refused.
fn posted() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut bodies = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let Ok(text) = fs::read_to_string(entry.unwrap().path().join("http.jsonl")) else {
            continue;
        };
        for line in text.lines() {
            let exchange: serde_json::Value = serde_json::from_str(line).unwrap();
            if let ("POST", "/events", Some(body)) = (
                exchange["method"].as_str().unwrap_or_default(),
                exchange["path"].as_str().unwrap_or_default(),
                exchange["body"].as_str(),
            ) {
                bodies.push(body.to_owned());
            }
        }
    }
    bodies
}

#[test]
fn every_recorded_event_reads_and_is_written_as_one_strict_line() {
    for (path, text) in recordings() {
        let mut count = 0;
        for form in forms(&text) {
            let event = form
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
                .value;
            assert!(
                event
                    .get("type")
                    .is_some_and(|kind| kind.as_keyword().is_some()),
                "{}: {event}",
                path.display()
            );
            let line = write(&event);
            assert_eq!(line.lines().count(), 1);
            assert_eq!(read_str(&line), Ok(event), "{}", path.display());
            count += 1;
        }
        assert_eq!(count, text.lines().count(), "{}", path.display());
    }
}

#[test]
fn everything_posted_reads_and_exceptions_are_kept_as_text() {
    let posted = posted();
    assert!(posted.len() > 100, "{}", posted.len());
    let mut exceptions = 0;
    for body in posted {
        let events = read_lenient(&body).unwrap_or_else(|error| panic!("{body}: {error}"));
        assert!(
            events
                .as_seq()
                .is_some_and(|events| events.iter().all(|event| event.get("type").is_some())),
            "{body}"
        );
        let line = write(&events);
        if body.contains("#error") {
            exceptions += 1;
            assert!(line.contains("\"#error {\\n"), "{line}");
        }
        assert_eq!(read_str(&line), Ok(events));
    }
    assert!(exceptions >= 4, "{exceptions}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_damaged_recording_never_panics(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_usize), 1..8),
    ) {
        let recordings = recordings();
        let text = &which.get(&recordings).1;
        let mut bytes: Vec<u8> = text.bytes().take(20_000).collect();
        for (place, byte, how) in damage {
            if bytes.is_empty() {
                break;
            }
            let place = place.index(bytes.len());
            match how {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, br##""#\[]{}()'^~@:;,/"##[usize::from(byte) % 17]),
                2 => { bytes.remove(place); }
                _ => bytes.truncate(place + 1),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        for form in forms(&text).map_while(Result::ok) {
            prop_assert_eq!(read_str(&write(&form.value)), Ok(form.value));
        }
        for line in bytes.split(|byte| *byte == b'\n') {
            let _ = read_lenient_bytes(line);
        }
    }
}
