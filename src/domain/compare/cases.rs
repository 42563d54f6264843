//! Tests of two builds, one by one.

use std::collections::HashMap;

use super::super::{Build, JobState, TestCase, TestStatus};
use super::{Finding, Kind, Part, jobs, limited};

/// A test within its job. Names that stand several times are told apart by their number.
type Key = (String, usize);

/// What became of the tests of each job. A job that has none in one of the builds is told of as a whole.
pub(super) fn compare(before: &Build, after: &Build) -> Vec<Finding> {
    let mut found = Vec::new();
    for id in jobs::ids(before, after) {
        let cases = |build: &Build| build.job(id).map(JobState::test_cases).unwrap_or_default();
        let (old, new) = (cases(before), cases(after));
        let told = |cases: &[TestCase]| {
            let many = (!cases.is_empty()).then_some(cases.len());
            many.map(|many| format!("{many} tests"))
        };
        let of_job = if old.is_empty() || new.is_empty() {
            Finding::of(Part::Tests, "all tests", told(&old), told(&new))
                .into_iter()
                .collect()
        } else {
            limited(one_by_one(&old, &new), Part::Tests, "tests")
        };
        found.extend(of_job.into_iter().map(|finding| finding.of_job(id)));
    }
    found
}

fn one_by_one(before: &[TestCase], after: &[TestCase]) -> Vec<Finding> {
    let (old, new) = (keyed(before), keyed(after));
    let was: HashMap<&Key, &TestCase> = old.iter().map(|(key, case)| (key, *case)).collect();
    let is: HashMap<&Key, &TestCase> = new.iter().map(|(key, case)| (key, *case)).collect();
    let mut found: Vec<Finding> = new
        .iter()
        .filter_map(|(key, case)| change(key, was.get(key).copied(), Some(case)))
        .collect();
    let gone = old.iter().filter(|(key, _)| !is.contains_key(key));
    found.extend(gone.filter_map(|(key, case)| change(key, Some(case), None)));
    // What is limited is cut at the end.
    found.sort_by_key(|finding| finding.kind);
    found
}

fn change(key: &Key, before: Option<&TestCase>, after: Option<&TestCase>) -> Option<Finding> {
    let status = |case: Option<&TestCase>| case.map(|case| case.status);
    let (old, new) = (status(before), status(after));
    let bad = |status: Option<TestStatus>| status.is_some_and(TestStatus::is_failed);
    let kind = match (old, new) {
        (old, new) if old == new => return None,
        (None, _) => Kind::Added,
        (_, None) => Kind::Removed,
        (old, new) => match (bad(old), bad(new)) {
            (false, true) => Kind::Broke,
            (true, false) => Kind::Fixed,
            _ => Kind::Changed,
        },
    };
    let told = |status: Option<TestStatus>| status.map(|status| status.as_str().to_owned());
    let mut found = Finding::new(Part::Tests, kind, key.0.clone()).from_to(told(old), told(new));
    found.note = after.and_then(|case| case.message.clone());
    Some(found)
}

fn keyed(cases: &[TestCase]) -> Vec<(Key, &TestCase)> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    cases
        .iter()
        .map(|case| {
            let name = name(case);
            let number = seen.entry(name.clone()).or_default();
            *number += 1;
            ((name, *number), case)
        })
        .collect()
}

/// A test as people know it: its class and its name, or its suite where there is no class.
fn name(case: &TestCase) -> String {
    let place = if case.class.is_empty() {
        &case.suite
    } else {
        &case.class
    };
    if place.is_empty() {
        case.name.clone()
    } else {
        format!("{place} {}", case.name)
    }
}
