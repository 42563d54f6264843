//! Test results as jobs carry them (protocol/events.md §4, `:monkey.ci/tests`): sums for a line,
//! cases for a list.
//!
//! They come from files that jobs write: what is odd is passed over, and nothing is trusted.

use crate::edn::Value;

use super::Millis;

/// Characters of a name or message that are kept.
const LONGEST_TEXT: usize = 1000;

/// How many tests a job ran, summed over its suites (events.md §4, `:monkey.ci/tests`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TestTotals {
    /// All test cases.
    pub tests: u64,
    /// Those with a failure.
    pub failures: u64,
    /// Those with an error.
    pub errors: u64,
}

impl TestTotals {
    /// Reads test results: a list of suites, or one suite. Numbers may be texts, as in XML.
    pub fn read(value: &Value) -> Self {
        let count = |key: &str| -> u64 {
            suites(value)
                .iter()
                .filter_map(|suite| match suite.get(key)? {
                    Value::Str(digits) => digits.trim().parse::<u64>().ok(),
                    other => u64::try_from(other.as_i64()?).ok(),
                })
                .fold(0, u64::saturating_add)
        };
        Self {
            tests: count("tests"),
            failures: count("failures"),
            errors: count("errors"),
        }
    }
}

impl std::fmt::Display for TestTotals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = if self.tests == 1 { "test" } else { "tests" };
        write!(f, "{} {plural}", self.tests)?;
        match self.failures.saturating_add(self.errors) {
            0 => Ok(()),
            failed => write!(f, ", {failed} failed"),
        }
    }
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TestStatus {
    /// As it should.
    Passed,
    /// An assertion did not hold.
    Failed,
    /// Something else went wrong in it.
    Error,
    /// It was not run.
    Skipped,
}

impl TestStatus {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }

    /// True when it spoils its suite.
    pub fn is_failed(self) -> bool {
        matches!(self, Self::Failed | Self::Error)
    }
}

/// One test of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCase {
    /// The suite's name; may be empty.
    pub suite: String,
    /// The class; may be empty.
    pub class: String,
    /// Its own name.
    pub name: String,
    /// How it ended.
    pub status: TestStatus,
    /// How long it took, in milliseconds, where that was measured.
    pub duration: Option<Millis>,
    /// The first line of what went wrong.
    pub message: Option<String>,
}

impl TestCase {
    /// Reads test results: a list of suites, or one suite. A case without a name is passed over.
    pub fn read_all(value: &Value) -> Vec<Self> {
        let mut cases = Vec::new();
        for suite in suites(value) {
            let name = text(suite, "name");
            let inside = suite.get("test-cases").and_then(Value::as_seq);
            cases.extend(
                inside
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|case| Self::read(&name, case)),
            );
        }
        cases
    }

    fn read(suite: &str, case: &Value) -> Option<Self> {
        let trouble = |key: &str| {
            let all = case.get(key).and_then(Value::as_seq).unwrap_or_default();
            all.first()
        };
        let (failure, error) = (trouble("failures"), trouble("errors"));
        let status = match (failure, error) {
            (Some(_), _) => TestStatus::Failed,
            (None, Some(_)) => TestStatus::Error,
            _ if case.get("skipped").and_then(Value::as_bool) == Some(true) => TestStatus::Skipped,
            _ => TestStatus::Passed,
        };
        let name = text(case, "test-case");
        (!name.is_empty()).then(|| Self {
            suite: suite.to_owned(),
            class: text(case, "class-name"),
            name,
            status,
            duration: case.get("time").and_then(milliseconds),
            message: failure.or(error).and_then(first_line),
        })
    }
}

/// The suites: a list of them, or one alone.
fn suites(value: &Value) -> &[Value] {
    value.as_seq().unwrap_or(std::slice::from_ref(value))
}

fn text(map: &Value, key: &str) -> String {
    let text = map.get(key).and_then(Value::as_str).unwrap_or_default();
    cut(text)
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

fn first_line(trouble: &Value) -> Option<String> {
    ["message", "description"].iter().find_map(|key| {
        let text = trouble.get(key)?.as_str()?;
        let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
        Some(cut(line))
    })
}

/// Seconds, as a number of either kind.
fn milliseconds(seconds: &Value) -> Option<Millis> {
    let seconds = match seconds {
        Value::Float(seconds) => *seconds,
        other => other.as_i64()? as f64,
    };
    let ms = (seconds * 1000.0).round();
    // Nothing takes a century; what says so was not measured.
    (0.0..3.2e12).contains(&ms).then_some(ms as Millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edn;

    fn read(text: &str) -> Vec<TestCase> {
        TestCase::read_all(&edn::read_str(text).unwrap())
    }

    #[test]
    fn cases_are_read_with_what_went_wrong() {
        let cases = read(
            r#"[{:name "s" :test-cases
                 [{:test-case "adds" :class-name "c" :time 0.0125}
                  {:test-case "fails" :time 2
                   :failures [{:message "\n  expected 1\nbut" :description "d"}]}
                  {:test-case "breaks" :errors [{:description "trace\nmore"}]}
                  {:test-case "waits" :skipped true}
                  {:time 1.0}]}
                {:name "empty"}]"#,
        );
        let told: Vec<_> = cases
            .iter()
            .map(|case| {
                let message = case.message.as_deref();
                (&*case.name, case.status, case.duration, message)
            })
            .collect();
        assert_eq!(
            told,
            [
                ("adds", TestStatus::Passed, Some(13), None),
                ("fails", TestStatus::Failed, Some(2000), Some("expected 1")),
                ("breaks", TestStatus::Error, None, Some("trace")),
                ("waits", TestStatus::Skipped, None, None),
            ]
        );
        assert_eq!((&*cases[0].suite, &*cases[0].class), ("s", "c"));
    }

    #[test]
    fn what_is_odd_is_passed_over() {
        let one = read(r#"{:name 3 :test-cases ({:test-case "t" :time ##Inf :failures "no"})}"#);
        assert_eq!(one.len(), 1);
        assert_eq!((one[0].status, one[0].duration), (TestStatus::Passed, None));
        for odd in ["nil", "3", "[nil 3 {:test-cases 4}]", "{:test-cases [nil]}"] {
            assert_eq!(read(odd), []);
        }
        let long = format!(r#"{{:test-cases [{{:test-case "{}"}}]}}"#, "x".repeat(5000));
        assert_eq!(read(&long)[0].name.len(), LONGEST_TEXT);
    }
}
