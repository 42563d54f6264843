//! Which lines are errors, so that a failed command opens where it failed.
//!
//! A table of words that tools say, each with where it must stand to count. It is meant to find the
//! first line worth reading rather than every bad one, and to leave alone lines such as `0 errors`.

use std::io;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::ansi::strip_cow;
use super::reader::LogReader;
use super::search::{Budget, Step};

/// Of a line longer than this only the first bytes are looked at.
const MAX_LINE: usize = 64 * 1024;

/// Where a word has to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Anywhere.
    Any,
    /// First thing in the line, after blanks and quotation marks of test runners (`E   `, `> `).
    Start,
    /// As a word: no letter, digit or `_` next to it, and no `0 ` or `no ` before it.
    Word,
    /// The end of a name such as `TypeError`, which begins the line or follows `Uncaught`, `by:`.
    NameEnd,
}

/// What tools say when something is wrong.
const TABLE: &[(&str, At)] = &[
    // Compilers and build tools.
    ("error:", At::Word),
    ("error[", At::Word),
    ("Error:", At::NameEnd),
    ("Exception:", At::NameEnd),
    ("error TS", At::Word),
    ("error CS", At::Word),
    ("fatal error", At::Word),
    ("undefined reference to", At::Any),
    ("cannot find symbol", At::Any),
    ("make: ***", At::Any),
    ("]: *** ", At::Any),
    ("ninja: build stopped", At::Any),
    ("BUILD FAILED", At::Any),
    ("BUILD FAILURE", At::Any),
    ("CMake Error", At::Any),
    ("* What went wrong:", At::Any),
    ("e: file:", At::Start),
    ("Unable to resolve symbol:", At::Any),
    ("No such var:", At::Any),
    ("Syntax error ", At::Start),
    // Test runners.
    ("FAILED", At::Word),
    ("FAIL", At::Start),
    ("--- FAIL", At::Any),
    ("not ok ", At::Start),
    ("AssertionError", At::Any),
    ("Assertion failed", At::Any),
    ("assertion failed", At::Any),
    // Programs that give up.
    ("panicked at", At::Any),
    ("panic:", At::Start),
    ("Traceback (most recent call last)", At::Any),
    ("Exception in thread", At::Any),
    ("Unhandled", At::Start),
    ("Segmentation fault", At::Any),
    ("core dumped", At::Any),
    ("stack overflow", At::Any),
    ("out of memory", At::Any),
    ("Out of memory", At::Any),
    // Shells and tools.
    ("fatal:", At::Start),
    ("FATAL", At::Word),
    ("ERROR", At::Word),
    ("npm ERR!", At::Any),
    ("npm error", At::Any),
    ("ERR_PNPM", At::Any),
    ("command not found", At::Any),
    ("No such file or directory", At::Any),
    ("Permission denied", At::Any),
    ("level=error", At::Any),
    ("level=fatal", At::Any),
];

static WORDS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::new(TABLE.iter().map(|(word, _)| word)).expect("the table is small and fixed")
});

/// Returns whether a line, as [`strip`](super::strip) shows it, reports an error.
pub fn is_error(text: &str) -> bool {
    WORDS.find_overlapping_iter(text).any(|found| {
        let before = &text[..found.start()];
        let after = &text[found.end()..];
        match TABLE[found.pattern().as_usize()].1 {
            At::Any => true,
            At::Start => is_start(before) && !continues_word(text, found.end()),
            At::Word => {
                !before.ends_with(is_word)
                    && !continues_word(text, found.end())
                    && !after.starts_with(": 0")
                    && !is_denied(before)
            }
            At::NameEnd => {
                let name = before.trim_end_matches(|c| is_word(c) || matches!(c, '.' | '$' | ':'));
                is_start(name) || name.ends_with("by: ") || name.ends_with("Uncaught ")
            }
        }
    })
}

/// Looks for the first line in a range that reports an error.
pub fn first_error(reader: &LogReader, lines: Range<usize>, budget: Budget) -> io::Result<Step> {
    let end = lines.end.min(reader.line_count());
    let mut bytes_left = budget.bytes;
    let mut bytes = Vec::new();
    for (seen, line) in (lines.start..end).enumerate() {
        if seen >= budget.lines || bytes_left == 0 {
            return Ok(Step::Continue(line));
        }
        bytes.clear();
        reader.read_line_into(line, MAX_LINE, &mut bytes)?;
        if is_error(&strip_cow(&bytes)) {
            return Ok(Step::Found(line));
        }
        bytes_left = bytes_left.saturating_sub(bytes.len().max(1));
    }
    Ok(Step::NotFound)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether the match ends inside a word.
fn continues_word(text: &str, end: usize) -> bool {
    let last = text[..end].chars().next_back();
    // `error TS` is followed by its number on purpose.
    let open = matches!(last, Some('A'..='Z' | 'a'..='z')) && !text[..end].ends_with("error TS");
    open && !text[..end].ends_with("error CS") && text[end..].starts_with(is_word)
}

fn is_start(before: &str) -> bool {
    let before = before.trim();
    // `E` and `>` are how pytest and others quote, `[` opens a level.
    matches!(before, "" | "E" | ">" | "[" | "|")
}

fn is_denied(before: &str) -> bool {
    let before = before.trim_end();
    ["no", "No", "without"]
        .iter()
        .any(|word| before.ends_with(word))
        || {
            let rest = before.trim_end_matches('0');
            rest.len() < before.len() && !rest.ends_with(|c: char| c.is_ascii_digit())
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_say_when_they_fail_is_an_error() {
        for line in [
            "error[E0308]: mismatched types",
            "error: could not compile `demo`",
            "src/main.c:12:5: error: expected ';' before '}' token",
            "src/a.ts(3,1): error TS2304: Cannot find name 'x'.",
            "/usr/bin/ld: main.o: undefined reference to `foo'",
            "thread 'main' (17) panicked at src/lib.rs:3:5:",
            "test parser::reads ... FAILED",
            "FAILED tests/test_x.py::test_y - assert 1 == 2",
            "--- FAIL: TestSum (0.00s)",
            " FAIL  src/sum.test.js",
            "not ok 3 - adds",
            "Traceback (most recent call last):",
            "E   AssertionError: assert 1 == 2",
            "TypeError: x is not a function",
            "java.lang.IllegalStateException: no",
            "Caused by: java.io.IOException: closed",
            "npm ERR! code ELIFECYCLE",
            "fatal: not a git repository",
            "make: *** [Makefile:3: all] Error 2",
            "[ERROR] Failed to execute goal",
            "build.clj:4:2: Unable to resolve symbol: actoin-job in this context",
            "Syntax error compiling at (build.clj:4:2).",
            "sh: 1: foo: command not found",
            "2024-01-01T00:00:00Z ERROR request failed",
            "test result: FAILED. 3 passed; 1 failed",
        ] {
            assert!(is_error(line), "{line}");
        }
    }

    #[test]
    fn lines_that_only_mention_errors_are_none() {
        for line in [
            "",
            "0 errors, 2 warnings",
            "warning: unused variable: `error`",
            "   Compiling thiserror v2.0.0",
            "test error_is_shown ... ok",
            "test result: ok. 12 passed; 0 failed",
            "Tests: 0 FAILED, 3 PASSED",
            "FAILED: 0",
            "FAILOVER enabled",
            "no error: all good",
            "see Error: handling in the manual",
        ] {
            assert!(!is_error(line), "{line}");
        }
    }
}
