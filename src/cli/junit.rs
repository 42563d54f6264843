//! A build as JUnit XML, for programs that collect test results.
//!
//! Suites are the jobs' own, named `JOB / SUITE`. A job without tests, or one that failed though all of its tests
//! passed, is a test of a suite of the build's name, and so is a build that failed without such a job: whoever looks
//! at nothing but failures still sees that it failed. What XML cannot hold of what a job says (control characters) is left out.

use std::io::{self, Write};

use jiff::Timestamp;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::domain::{Build, BuildStatus, JobState, JobStatus, Millis};
use crate::edn::Value;

use super::plain::why;

/// One suite of tests.
#[derive(Debug, Default)]
struct Suite {
    name: String,
    start: Option<Millis>,
    /// Seconds.
    time: f64,
    cases: Vec<Case>,
}

#[derive(Debug, Default)]
struct Case {
    name: String,
    class: String,
    time: f64,
    failures: Vec<Trouble>,
    errors: Vec<Trouble>,
    skipped: Option<String>,
}

#[derive(Debug, Default)]
struct Trouble {
    message: String,
    r#type: String,
    text: String,
}

/// Writes a build as JUnit XML.
pub fn write_junit(build: &Build, out: impl Write) -> io::Result<()> {
    let suites = suites(build);
    let mut xml = Writer::new_with_indent(out, b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let mut top = BytesStart::new("testsuites");
    let sid = build.sid.as_ref().map(ToString::to_string);
    top.push_attribute(("name", &*fit(sid.as_deref().unwrap_or_default())));
    let all = || suites.iter().flat_map(|suite| &suite.cases);
    push_counts(
        &mut top,
        all,
        seconds(build.elapsed(build.last_time.unwrap_or_default())),
    );
    xml.write_event(Event::Start(top))?;
    for suite in &suites {
        write_suite(&mut xml, suite)?;
    }
    xml.write_event(Event::End(BytesEnd::new("testsuites")))?;
    let mut out = xml.into_inner();
    out.write_all(b"\n")
}

fn suites(build: &Build) -> Vec<Suite> {
    let sid = build
        .sid
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut of_jobs = Suite {
        name: sid.clone(),
        start: build.start_time.or(build.created),
        ..Suite::default()
    };
    let mut suites = Vec::new();
    for job in build.jobs() {
        let own = suites_of(job);
        let is_told = own.iter().flat_map(|suite| &suite.cases).any(Case::is_bad);
        if own.iter().all(|suite| suite.cases.is_empty()) || (job.status.is_failed() && !is_told) {
            let case = case_of(job, &sid);
            of_jobs.time += case.time;
            of_jobs.cases.push(case);
        }
        suites.extend(own);
    }
    let is_told = suites
        .iter()
        .chain([&of_jobs])
        .any(|suite| suite.cases.iter().any(Case::is_bad));
    if build.status == BuildStatus::Error && !is_told {
        let message = build
            .message
            .clone()
            .unwrap_or_else(|| build.status.to_string());
        of_jobs.cases.push(Case {
            name: "build".to_owned(),
            class: sid,
            errors: vec![Trouble {
                message,
                r#type: build.status.to_string(),
                text: build.load_error.clone().unwrap_or_default(),
            }],
            ..Case::default()
        });
    }
    if !of_jobs.cases.is_empty() || suites.is_empty() {
        suites.insert(0, of_jobs);
    }
    suites
}

/// The job itself as a test.
fn case_of(job: &JobState, class: &str) -> Case {
    let why = || why(job).unwrap_or_else(|| job.status.to_string());
    let trouble = || {
        vec![Trouble {
            message: why(),
            r#type: job.status.to_string(),
            text: job.reason().unwrap_or_default().to_owned(),
        }]
    };
    let mut case = Case {
        name: job.id().as_str().to_owned(),
        class: class.to_owned(),
        time: seconds(job.elapsed(job.end_time.unwrap_or_default())),
        ..Case::default()
    };
    match &job.status {
        JobStatus::Success => {}
        JobStatus::Failure => case.failures = trouble(),
        JobStatus::Error => case.errors = trouble(),
        _ => case.skipped = Some(why()),
    }
    case
}

/// The suites of a job's test results (protocol/events.md §4).
fn suites_of(job: &JobState) -> Vec<Suite> {
    let Some(results) = job.result.get_kw("monkey.ci/tests") else {
        return Vec::new();
    };
    let suites = results.as_seq().unwrap_or(std::slice::from_ref(results));
    let suite = |suite: &Value| {
        let name = text(suite, "name");
        let cases = suite.get("test-cases").and_then(Value::as_seq);
        let cases: Vec<Case> = cases
            .unwrap_or_default()
            .iter()
            .map(|case| Case {
                name: text(case, "test-case"),
                class: match text(case, "class-name") {
                    class if class.is_empty() => name.clone(),
                    class => class,
                },
                time: number(case, "time"),
                failures: troubles(case, "failures"),
                errors: troubles(case, "errors"),
                skipped: match case.get("skipped") {
                    Some(Value::Bool(true)) => Some(String::new()),
                    _ => None,
                },
            })
            .collect();
        Suite {
            name: format!("{} / {name}", job.id().as_str()),
            start: job.start_time,
            time: number(suite, "time"),
            cases,
        }
    };
    suites
        .iter()
        .map(suite)
        .filter(|suite| !suite.cases.is_empty())
        .collect()
}

fn troubles(case: &Value, key: &str) -> Vec<Trouble> {
    let all = case.get(key).and_then(Value::as_seq).unwrap_or_default();
    all.iter()
        .map(|trouble| Trouble {
            message: text(trouble, "message"),
            r#type: text(trouble, "type"),
            text: text(trouble, "description"),
        })
        .collect()
}

fn text(map: &Value, key: &str) -> String {
    map.get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn number(map: &Value, key: &str) -> f64 {
    let number = match map.get(key) {
        Some(Value::Float(number)) => *number,
        Some(Value::Int(number)) => *number as f64,
        Some(Value::Str(digits)) => digits.trim().parse().unwrap_or_default(),
        _ => 0.0,
    };
    if number.is_finite() {
        number.max(0.0)
    } else {
        0.0
    }
}

fn seconds(ms: Option<Millis>) -> f64 {
    ms.unwrap_or_default() as f64 / 1000.0
}

impl Case {
    fn is_bad(&self) -> bool {
        !self.failures.is_empty() || !self.errors.is_empty()
    }
}

fn push_counts<'a, I: Iterator<Item = &'a Case>>(
    element: &mut BytesStart<'_>,
    cases: impl Fn() -> I,
    time: f64,
) {
    let count = |is: fn(&&Case) -> bool| cases().filter(is).count().to_string();
    // A test counts once, as the worst of what it is.
    let failed = |case: &&Case| !case.failures.is_empty();
    let broken = |case: &&Case| case.failures.is_empty() && !case.errors.is_empty();
    let skipped = |case: &&Case| !case.is_bad() && case.skipped.is_some();
    element.push_attribute(("tests", &*cases().count().to_string()));
    element.push_attribute(("failures", &*count(failed)));
    element.push_attribute(("errors", &*count(broken)));
    element.push_attribute(("skipped", &*count(skipped)));
    element.push_attribute(("time", &*format!("{time:.3}")));
}

fn write_suite<W: Write>(xml: &mut Writer<W>, suite: &Suite) -> io::Result<()> {
    let mut element = BytesStart::new("testsuite");
    element.push_attribute(("name", &*fit(&suite.name)));
    push_counts(&mut element, || suite.cases.iter(), suite.time);
    let start = suite
        .start
        .and_then(|start| Timestamp::from_millisecond(start).ok());
    if let Some(start) = start {
        element.push_attribute((
            "timestamp",
            &*start.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        ));
    }
    xml.write_event(Event::Start(element))?;
    for case in &suite.cases {
        write_case(xml, case)?;
    }
    xml.write_event(Event::End(BytesEnd::new("testsuite")))
}

fn write_case<W: Write>(xml: &mut Writer<W>, case: &Case) -> io::Result<()> {
    let mut element = BytesStart::new("testcase");
    element.push_attribute(("name", &*fit(&case.name)));
    element.push_attribute(("classname", &*fit(&case.class)));
    element.push_attribute(("time", &*format!("{:.3}", case.time)));
    if !case.is_bad() && case.skipped.is_none() {
        return xml.write_event(Event::Empty(element));
    }
    xml.write_event(Event::Start(element))?;
    let troubles = |name, all: &'_ [Trouble], xml: &mut Writer<W>| -> io::Result<()> {
        for trouble in all {
            let mut element = BytesStart::new(name);
            element.push_attribute(("message", &*fit(&trouble.message)));
            element.push_attribute(("type", &*fit(&trouble.r#type)));
            xml.write_event(Event::Start(element))?;
            xml.write_event(Event::Text(BytesText::new(&fit(&trouble.text))))?;
            xml.write_event(Event::End(BytesEnd::new(name)))?;
        }
        Ok(())
    };
    troubles("failure", &case.failures, xml)?;
    troubles("error", &case.errors, xml)?;
    if let (false, Some(why)) = (case.is_bad(), &case.skipped) {
        let mut element = BytesStart::new("skipped");
        if !why.is_empty() {
            element.push_attribute(("message", &*fit(why)));
        }
        xml.write_event(Event::Empty(element))?;
    }
    xml.write_event(Event::End(BytesEnd::new("testcase")))
}

/// Text as XML 1.0 can hold it.
fn fit(text: &str) -> String {
    let fits = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event as BuildEvent, EventKind, Job, JobId, Sid};
    use crate::edn;

    const FIRST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="local/app/b1" tests="4" failures="1" errors="1" skipped="1" time="0.000">
  <testsuite name="local/app/b1" tests="4" failures="1" errors="1" skipped="1" time="0.000" timestamp="2023-11-14T22:13:20">
    <testcase name="a" classname="local/app/b1" time="0.000"/>
    <testcase name="b[2J" classname="local/app/b1" time="0.000">
      <failure message="1 &lt; 2" type="failure">1 &lt; 2</failure>
    </testcase>
    <testcase name="c" classname="local/app/b1" time="0.000">
      <error message="error" type="error"></error>
    </testcase>
    <testcase name="d" classname="local/app/b1" time="0.000">
      <skipped message="skipped"/>
    </testcase>
  </testsuite>
</testsuites>
"#;

    const SECOND: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="local/app/b1" tests="7" failures="2" errors="0" skipped="1" time="0.000">
  <testsuite name="local/app/b1" tests="2" failures="1" errors="0" skipped="0" time="0.000" timestamp="2023-11-14T22:13:20">
    <testcase name="b[2J" classname="local/app/b1" time="0.000"/>
    <testcase name="c" classname="local/app/b1" time="0.000">
      <failure message="failure" type="failure"></failure>
    </testcase>
  </testsuite>
  <testsuite name="a / s" tests="3" failures="1" errors="0" skipped="1" time="1.250">
    <testcase name="adds" classname="c" time="0.010"/>
    <testcase name="fails" classname="s" time="0.000">
      <failure message="m" type="t">a
b</failure>
      <error message="e" type=""></error>
    </testcase>
    <testcase name="waits" classname="s" time="0.000">
      <skipped/>
    </testcase>
  </testsuite>
  <testsuite name="c / s" tests="1" failures="0" errors="0" skipped="0" time="0.000">
    <testcase name="adds" classname="s" time="0.000"/>
  </testsuite>
  <testsuite name="d / s" tests="1" failures="0" errors="0" skipped="0" time="0.000">
    <testcase name="adds" classname="s" time="0.000"/>
  </testsuite>
</testsuites>
"#;

    fn ended(id: &str, status: JobStatus, result: &str) -> BuildEvent {
        let result = edn::read_str(result).unwrap();
        BuildEvent::of_job(
            &JobId::new(id),
            EventKind::JobEnd {
                status: Some(status),
                result: result.as_map().unwrap().clone(),
            },
        )
    }

    fn written(events: &[BuildEvent]) -> String {
        let jobs = ["a", "b\u{1b}[2J", "c", "d"].map(|id| Job::new(JobId::new(id)));
        let mut all = vec![
            BuildEvent {
                sid: Some(Sid::new("local", "app", "b1")),
                time: Some(1_700_000_000_000),
                ..BuildEvent::new(EventKind::BuildStart)
            },
            BuildEvent::new(EventKind::ScriptStart { jobs: jobs.into() }),
        ];
        all.extend(events.iter().cloned());
        let build = Build::fold(&all);
        let mut out = Vec::new();
        write_junit(&build, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn jobs_without_tests_are_tests_themselves() {
        let xml = written(&[
            ended("a", JobStatus::Success, "{}"),
            ended("b\u{1b}[2J", JobStatus::Failure, "{:message \"1 < 2\"}"),
            ended("c", JobStatus::Error, "{}"),
            BuildEvent::of_job(&JobId::new("d"), EventKind::JobSkipped),
        ]);
        assert_eq!(xml, FIRST);
    }

    #[test]
    fn tests_are_those_of_the_jobs_and_no_failure_is_lost() {
        let tests = "{:monkey.ci/tests [{:name \"s\" :time 1.25 :test-cases [
            {:test-case \"adds\" :class-name \"c\" :time 0.01}
            {:test-case \"fails\" :failures [{:message \"m\" :type \"t\" :description \"a\nb\"}]
             :errors [{:message \"e\"}]}
            {:test-case \"waits\" :skipped true}]}]}";
        let fine = "{:monkey.ci/tests {:name \"s\" :test-cases [{:test-case \"adds\"}]}}";
        let xml = written(&[
            ended("a", JobStatus::Failure, tests),
            // The tests were fine, and what came after them was not.
            ended("c", JobStatus::Failure, fine),
            ended("d", JobStatus::Success, fine),
            ended("b\u{1b}[2J", JobStatus::Success, "{:monkey.ci/tests 7}"),
        ]);
        assert_eq!(xml, SECOND);
    }
    #[test]
    fn a_build_that_failed_before_its_jobs_is_a_failure() {
        let end = EventKind::BuildEnd {
            status: Some(BuildStatus::Error),
            build: None,
        };
        let build = Build::fold(&[BuildEvent::new(end).with_message("no such file")]);
        let mut out = Vec::new();
        write_junit(&build, &mut out).unwrap();
        let xml = String::from_utf8(out).unwrap();
        assert!(
            xml.contains("errors=\"1\"") && xml.contains("no such file"),
            "{xml}"
        );
    }
}
