//! A line without what is another in every run.
//!
//! What is masked stands in one table ([`TABLE`]), what is left alone in the tests: exit codes, counts, versions,
//! lines and columns.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use regex_automata::meta::Regex;

/// What stands in place of what is masked. No rule looks at it, so a skeleton is its own.
const MASK: char = '•';

/// Shortest text of the build's own that is masked wherever it stands.
const SHORTEST_OWN: usize = 6;

/// Ports from here on are given out as they come.
const FIRST_EPHEMERAL: u32 = 32_768;

/// Longer words are digests when they have this many digits.
const DIGEST_DIGITS: usize = 5;

/// What else must hold for a text that fits, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// Nothing else.
    Any,
    /// It does not go on after a colon, as `main.rs:10:20:30` does.
    Time,
    /// It has both digits and letters.
    Hex,
    /// It has small and capital letters, and many digits.
    Digest,
    /// It ends with a port that is given out as it comes.
    Port,
    /// It tells how far something is.
    Progress,
    /// It is left out.
    Gone,
}

/// What is another in every run; of those that begin at one place the first counts. `\b` is a boundary of ASCII
/// words, `\d` and `\w` are ASCII too.
const TABLE: &[(Check, &str)] = &[
    // 2026-11-27T20:25:53.123Z, also as in file names.
    (
        Check::Any,
        r"\b\d{4}[-/]\d\d[-/]\d\d(?:[T_ ]\d\d[:_-]\d\d(?:[:_-]\d\d(?:[.,:_]\d+)?)?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?)?\b",
    ),
    // 27/Nov/2026:20:25:53 +0100
    (
        Check::Any,
        r"\b\d\d/MONTH/\d{4}(?::\d\d:\d\d:\d\d(?: [+-]\d{4})?)?\b",
    ),
    // Fri Nov 27 20:25:53 UTC 2026; Fri, 27 Nov 2026 20:25:53 GMT; Nov 27 20:25:53
    (
        Check::Any,
        r"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )?(?:MONTH[a-z]* \d{1,2}|\d{1,2} MONTH[a-z]*)(?:,? \d{4}(?: \d\d:\d\d:\d\d)?| \d\d:\d\d:\d\d)(?:[.,]\d+)?(?: [AP]M)?(?: (?:UTC|GMT|[A-Z]{2,4}T|[+-]\d{4}))?(?: \d{4})?\b",
    ),
    // 20:25:53.123
    (
        Check::Time,
        r"\b\d{1,3}:\d\d:\d\d(?:[.,]\d+)?(?: ?[AP]M)?\b",
    ),
    // Seconds since 1970, and milliseconds: also in ids of builds.
    (Check::Any, r"\b1\d{9}(?:\d{3})?(?:\.\d+)?\b"),
    // (5 ms) behind a line, which some leave out when it is short.
    (Check::Gone, r" ?\(\d+(?:\.\d+)? ?m?s\)$"),
    // 0.12s, 1m02s, 1.3 ms, 2 minutes 5 seconds
    (
        Check::Any,
        r"\b(?:\d+ ?(?:days?|d|hours?|hrs?|h|minutes?|mins?|m)(?:,? (?:and )?)?)*\d+(?:\.\d+)?(?:e-?\d+)? ?(?:nanoseconds?|ns|microseconds?|µs|μs|us|milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h)\b",
    ),
    // duration_ms 1.23, time="0.001"
    (
        Check::Any,
        r#"\b(?:duration_ms|duration|elapsed|time|took)["']? ?[=:]? ?["']?\d+(?:\.\d+)?(?: ?(?:ns|µs|us|ms|s))?\b"#,
    ),
    // 1.2 MB/s, 30 it/s
    (
        Check::Progress,
        r"\b\d+(?:\.\d+)? ?(?:[kKMGT]i?)?(?:B|b|bytes|bits?|it|ops|req|pages|tests)/s(?:ec)?\b",
    ),
    // How far something is, and which worker says it.
    (Check::Progress, r"\[ ?\d{1,3}%\]"),
    (Check::Any, r"\bgw\d+\b"),
    // UUIDs, digests that say what they are, addresses in memory, symbols.
    (
        Check::Any,
        r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b",
    ),
    (
        Check::Any,
        r"\b(?:sha1|sha256|sha384|sha512|md5)[:-][A-Za-z0-9+/=_-]{16,}",
    ),
    (Check::Any, r"\b0x[0-9a-fA-F]{6,}\b"),
    (Check::Any, r"17h[0-9a-f]{16}E"),
    // Other digests, by what they are made of.
    (Check::Hex, r"\b[0-9a-fA-F]{7,}\b"),
    (Check::Digest, r"\b[A-Za-z0-9][A-Za-z0-9+_-]{39,}={0,2}"),
    // Temporary folders.
    (Check::Any, r"/tmp/pytest-of-\w+/pytest-\d+"),
    (
        Check::Any,
        r#"(?:/private)?/(?:var/folders/\w+/\w+/T|var/tmp|tmp|dev/shm|run/user/\d+)/[^/\s'"():,;<>|\[\]•]+"#,
    ),
    (Check::Any, r"\btmp[a-z0-9_]{8}\b"),
    // Processes and threads.
    (Check::Any, r"\b(?:pid|PID|process id)[ =:#]{1,2}\d+\b"),
    (Check::Any, r"\(node:\d+\)"),
    (Check::Any, r"' \(\d+\) panicked\b"),
    (Check::Any, r"==\d+=="),
    // Where something listens: ports as they come, and addresses of containers.
    (
        Check::Port,
        r"\b(?:localhost|127(?:\.\d{1,3}){3}|0\.0\.0\.0|port)[ :=]{1,2}\d{4,5}\b",
    ),
    (Check::Port, r"\[[0-9a-f:]+\]:\d{4,5}\b"),
    (
        Check::Any,
        r"\b(?:10|172|192)\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d{1,5})?\b",
    ),
    // Lines across the screen, as long as what they frame is short.
    (
        Check::Any,
        r"={3,}|-{3,}|_{3,}|\*{3,}|#{3,}|~{3,}|─{3,}|━{3,}|═{3,}",
    ),
];

const MONTH: &str = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";

static RULES: LazyLock<Regex> = LazyLock::new(|| {
    let ascii: Vec<String> = TABLE
        .iter()
        .map(|(_, rule)| {
            // Unicode has more digits and words than any tool writes here.
            rule.replace(r"\d", "[0-9]")
                .replace(r"\w", "[0-9A-Za-z_]")
                .replace(r"\b", r"(?-u:\b)")
                .replace("MONTH", MONTH)
        })
        .collect();
    Regex::new_many(&ascii).expect("the table is fixed")
});

/// What is masked in the lines of one log: what every run has, and what one build has of its own.
#[derive(Debug, Clone, Default)]
pub struct Masks {
    own: Option<AhoCorasick>,
}

/// What is kept of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outline<'a> {
    pub(super) text: &'a str,
    /// It tells how far something is.
    pub(super) progress: bool,
}

/// Memory that is used again from line to line.
#[derive(Debug, Default)]
pub(super) struct Work(String);

impl Masks {
    /// The masks of a build, with what is only its own: its id, its folders.
    pub fn new<'a>(own: impl IntoIterator<Item = &'a str>) -> Self {
        let own: Vec<&str> = own
            .into_iter()
            .filter(|text| text.len() >= SHORTEST_OWN)
            .collect();
        if own.is_empty() {
            return Self::default();
        }
        let own = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(own);
        // Too much of it is not worth an error.
        Self { own: own.ok() }
    }

    /// The skeleton of a line as [`strip`](super::super::strip) shows it: equal for lines that say the same.
    pub fn skeleton(&self, line: &str) -> String {
        self.outline(line, &mut Work::default()).text.to_owned()
    }

    pub(super) fn outline<'w>(&self, line: &str, work: &'w mut Work) -> Outline<'w> {
        let line = spaced(line.trim_end());
        let line = self.without_own(&line);
        let out = &mut work.0;
        out.clear();
        let (mut at, mut progress) = (0, false);
        for found in RULES.find_iter(&*line) {
            let (before, text) = (&line[..found.start()], &line[found.range()]);
            let check = TABLE[found.pattern().as_usize()].0;
            if !check.holds(text, before) {
                continue;
            }
            progress |= check == Check::Progress;
            out.push_str(&line[at..found.start()]);
            if check != Check::Gone {
                out.push(MASK);
            }
            at = found.end();
        }
        out.push_str(&line[at..]);
        Outline {
            text: out.trim_end(),
            progress,
        }
    }

    fn without_own<'l>(&self, line: &'l str) -> Cow<'l, str> {
        let Some(own) = self.own.as_ref().filter(|own| own.is_match(line)) else {
            return Cow::Borrowed(line);
        };
        let mut out = String::with_capacity(line.len());
        own.replace_all_with(line, &mut out, |_, _, out| {
            out.push(MASK);
            true
        });
        Cow::Owned(out)
    }
}

/// A line with single spaces: columns are as wide as what stands in them. What is before it stays.
fn spaced(line: &str) -> Cow<'_, str> {
    let start = line.len() - line.trim_start_matches([' ', '\t']).len();
    let (indent, rest) = line.split_at(start);
    if !rest.contains("  ") && !rest.contains('\t') {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len());
    out.push_str(indent);
    let mut words = rest.split([' ', '\t']).filter(|word| !word.is_empty());
    out.extend(words.next());
    for word in words {
        out.push(' ');
        out.push_str(word);
    }
    Cow::Owned(out)
}

impl Check {
    fn holds(self, text: &str, before: &str) -> bool {
        let any = |of: fn(&u8) -> bool| text.as_bytes().iter().any(of);
        let digits = || text.bytes().filter(u8::is_ascii_digit).count();
        match self {
            Self::Any | Self::Progress | Self::Gone => true,
            Self::Time => !before.ends_with(':'),
            Self::Hex => any(u8::is_ascii_digit) && any(u8::is_ascii_alphabetic),
            Self::Digest => {
                any(u8::is_ascii_lowercase)
                    && any(u8::is_ascii_uppercase)
                    && digits() >= DIGEST_DIGITS
            }
            Self::Port => {
                let start = text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
                let port = text[start..].parse::<u32>();
                port.is_ok_and(|port| port >= FIRST_EPHEMERAL)
            }
        }
    }
}
