//! The readers find what they are there to find.

use super::table::Allowed;
use super::*;

const LIB: &str = "\
//! Docs.
//!
//! | module | owns | may import |
//! | --- | --- | --- |
//! | `lib`, `main` | arguments | `wiring` |
//! | `domain` | what is | nothing of ours |
//! | `logs` | lines | nothing of ours |
//! | `engine` | runs | leaves, `ports` (the traits) |
//! | `ports` | traits | `domain` |
//! | `ui` | draws | `domain` |
//! | `wiring` | all | everything |
//!
//! Leaves: `domain`, `logs`. And more words.

pub mod domain;
";

fn names(file: &str, text: &str) -> Vec<(usize, String)> {
    imports(&Source::new(file, text))
        .into_iter()
        .map(|import| (import.line, import.name))
        .collect()
}

fn found(file: &str, text: &str) -> Vec<String> {
    names(file, text)
        .into_iter()
        .map(|(_, name)| name)
        .collect()
}

fn offences_in(file: &str, text: &str) -> Vec<String> {
    let table = Table::parse(LIB).expect("the sample reads");
    offences(&Source::new(file, text), &table)
}

#[test]
fn a_forbidden_import_is_named_with_its_place_and_what_is_allowed() {
    let text = "use crate::domain::Build;\n\nuse crate::engine::Engine;\n";
    assert_eq!(
        offences_in("src/ui/jobs.rs", text),
        ["src/ui/jobs.rs:3: `ui` imports `engine`; it may import domain"]
    );
}

#[test]
fn a_forbidden_path_in_code_is_found_too() {
    let text = "fn f() -> u8 { let x: crate::ui::Pane = crate::logs::open(); 1 }";
    assert_eq!(
        offences_in("src/engine/core.rs", text),
        ["src/engine/core.rs:1: `engine` imports `ui`; it may import domain, logs, ports"]
    );
}

#[test]
fn what_the_table_allows_passes() {
    let text = "use crate::{domain::{Build, Job}, logs, ports::*, engine::own};";
    assert_eq!(offences_in("src/engine/mod.rs", text), [] as [&str; 0]);
    let text = "use crate::{domain, engine, logs, ports, ui};";
    assert_eq!(offences_in("src/wiring.rs", text), [] as [&str; 0]);
}

#[test]
fn a_module_without_a_row_is_an_offence() {
    assert_eq!(
        offences_in("src/extra.rs", ""),
        ["src/extra.rs: `extra` has no row in the table"]
    );
}

#[test]
fn the_program_is_held_to_its_row() {
    assert_eq!(
        offences_in("src/main.rs", "fn main() { monkeyci_tui::engine::go(); }"),
        ["src/main.rs:1: `main` imports `engine`; it may import wiring"]
    );
    assert_eq!(
        offences_in("src/lib.rs", "pub mod engine;\npub use engine::Engine;"),
        ["src/lib.rs:2: `lib` imports `engine`; it may import wiring"]
    );
}

#[test]
fn nested_groups_are_followed_to_the_modules() {
    let text = "use crate::{\n    a::{b::c, d},\n    e,\n    self,\n    f::g as h,\n};\n";
    let expected = [(2, "a"), (3, "e"), (5, "f")].map(|(n, s)| (n, s.to_owned()));
    assert_eq!(names("src/x.rs", text), expected);
    assert_eq!(
        found("src/x.rs", "use {std::fmt, crate::{a, b}};"),
        ["a", "b"]
    );
}

#[test]
fn a_glob_of_the_root_is_an_import_of_no_module() {
    assert_eq!(found("src/x.rs", "use crate::*;"), ["*"]);
    assert_eq!(offences_in("src/ui/a.rs", "use crate::*;").len(), 1);
}

#[test]
fn super_counts_only_where_it_reaches_the_root() {
    assert_eq!(found("src/a/b.rs", "use super::c::D;"), [] as [&str; 0]);
    assert_eq!(found("src/a/b.rs", "use super::super::c::D;"), ["c"]);
    assert_eq!(found("src/a/mod.rs", "use super::c::D;"), ["c"]);
    assert_eq!(found("src/a.rs", "use super::{c, super::d};"), ["c", "d"]);
    assert_eq!(found("src/a/b.rs", "use super::{c, super::d};"), ["d"]);
    let inline = "mod inner { use super::c; use super::super::d; } use super::e;";
    assert_eq!(found("src/a.rs", inline), ["d", "e"]);
}

#[test]
fn visibilities_are_no_imports() {
    assert_eq!(found("src/x.rs", "pub(crate) fn f() {}"), [] as [&str; 0]);
}

#[test]
fn comments_and_strings_are_not_code() {
    let text = r##"
        //! [`crate::a`]
        /// See crate::b::C.
        /* crate::c::x /* crate::d::x */ crate::e::x */
        const S: &str = "crate::f::x \" crate::g::x";
        const R: &str = r#"crate::h::x " crate::i::x"#;
        const B: &[u8] = b"crate::j::x";
        const Q: char = '"';
        const E: char = '\'';
        fn f<'a>(x: &'a str) -> crate::k::X<'a> {}
    "##;
    assert_eq!(names("src/x.rs", text), [(10, "k".to_owned())]);
}

#[test]
fn tests_are_free() {
    let text = "\
#[cfg(test)]
use crate::a::X;
#[cfg(test)]
mod tests {
use crate::b::Y;
fn f() { if true { } }
}
#[cfg(test)]
mod more_tests;
/* é */ #[cfg(test)]
#[path = \"x_tests.rs\"]
mod tests;
use crate::c::Z;
";
    assert_eq!(names("src/x.rs", text), [(13, "c".to_owned())]);
    let for_tests = |file: &str| -> Vec<String> {
        let modules = test_modules(&Source::new(file, text));
        modules.iter().map(|module| module.join("::")).collect()
    };
    assert_eq!(for_tests("src/a/x.rs"), ["a::x::more_tests", "a::x_tests"]);
    assert_eq!(for_tests("src/a/mod.rs"), ["a::more_tests", "a::x_tests"]);
}

#[test]
fn a_table_that_says_nothing_is_refused() {
    let silent = LIB.replace("| `domain` |\n//! | `wiring`", "| |\n//! | `wiring`");
    let fault = Table::parse(&silent).expect_err("ui may import nobody knows what");
    assert!(fault.contains("`ui`"), "{fault}");
    assert!(Table::parse("//! No table.\n").is_err());
}

#[test]
fn leaves_and_remarks_in_a_row_are_understood() {
    let table = Table::parse(LIB).expect("the sample reads");
    assert_eq!(table.rows["engine"].to_string(), "domain, logs, ports");
    assert_eq!(table.rows["domain"].to_string(), "nothing of ours");
    assert_eq!(table.rows["wiring"], Allowed::Everything);
}
