//! Logs of real tools, each recorded twice: `tests/logs/README.md` says how.

use super::tests::{diff_with, lines_of};
use super::*;

/// A log of the first build and of the second.
const PAIRS: [[&str; 2]; 3] = [
    [
        include_str!("../../../tests/logs/cargo-1.log"),
        include_str!("../../../tests/logs/cargo-2.log"),
    ],
    [
        include_str!("../../../tests/logs/npm-1.log"),
        include_str!("../../../tests/logs/npm-2.log"),
    ],
    [
        include_str!("../../../tests/logs/pytest-1.log"),
        include_str!("../../../tests/logs/pytest-2.log"),
    ],
];

/// The folders that the builds worked in.
fn masks() -> [Masks; 2] {
    [
        "/home/me/cache/scratch/local-build-1795812658543-c203bad9",
        "/home/me/cache/scratch/local-build-1795812666724-63277dfb",
    ]
    .map(|own| Masks::new([own]))
}

#[test]
fn two_runs_of_a_commit_have_no_line_that_differs() {
    for [one, other] in PAIRS {
        assert_ne!(one, other);
        let found = diff_with(&lines_of(one), &lines_of(other), &masks());
        assert_eq!(found.sections, []);
    }
}

#[test]
fn a_line_that_is_changed_is_the_only_one_that_differs() {
    for [one, other] in PAIRS {
        let (one, other) = (lines_of(one), lines_of(other));
        for at in 0..other.len() {
            let mut changed = other.clone();
            changed[at].1.push_str(" or not");
            if other[at].1.is_empty() {
                // Where nothing stood something stands now.
                continue;
            }
            let found = diff_with(&one, &changed, &masks());
            assert_eq!(found.lines(), 1, "line {at}: {:?}", other[at].1);
            assert_eq!(found.sections[0].added, [at]);
            let mut gone = other.clone();
            gone.remove(at);
            assert_eq!(
                diff_with(&one, &gone, &masks()).lines(),
                1,
                "without line {at}"
            );
        }
    }
}
