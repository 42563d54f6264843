use super::*;
use crate::domain::Job;

const REPORT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE x [ <!ENTITY bomb "boom"> ]>
<testsuites tests="9" time="2">
  <testsuite name="my.ns" tests="3" failures="1" errors="0" time="1,001.25" hostname="h">
    <properties><property name="a" value="b"/></properties>
    <testcase name="adds" classname="my.ns" time="0.01"/>
    <testcase name="fails &lt;here&gt;" time="0.02">
      <failure message="m &amp; n" type="t">expected &lt;1&gt; &#33; &bomb;
<![CDATA[<raw>]]></failure>
    </testcase>
    <testcase name="later"><skipped message="not now"/></testcase>
    <system-out>noise</system-out>
  </testsuite>
  <testsuite name="outer">
    <testsuite name="inner"><testcase name="x"><error message="e"/></testcase></testsuite>
  </testsuite>
</testsuites>"#;

fn case(suite: &Value, place: usize) -> &Value {
    &suite.get("test-cases").unwrap().as_seq().unwrap()[place]
}

fn str_of<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

#[test]
fn suites_and_cases_have_the_shape_of_the_protocol() {
    let suites = parse(REPORT.as_bytes()).unwrap();
    assert_eq!(suites.len(), 2);
    let suite = &suites[0];
    assert_eq!(str_of(suite, "name"), Some("my.ns"));
    assert_eq!(str_of(suite, "tests"), Some("3"));
    assert_eq!(str_of(suite, "failures"), Some("1"));
    assert_eq!(suite.get("time"), Some(&Value::Float(1001.25)));
    let passed = case(suite, 0);
    assert_eq!(str_of(passed, "test-case"), Some("adds"));
    assert_eq!(str_of(passed, "class-name"), Some("my.ns"));
    assert_eq!(passed.get("time"), Some(&Value::Float(0.01)));
    assert_eq!(passed.get("failures"), None);
    let failed = case(suite, 1);
    assert_eq!(str_of(failed, "test-case"), Some("fails <here>"));
    let failure = &failed.get("failures").unwrap().as_seq().unwrap()[0];
    assert_eq!(str_of(failure, "message"), Some("m & n"));
    assert_eq!(str_of(failure, "type"), Some("t"));
    assert_eq!(case(suite, 2).get("skipped"), Some(&Value::Bool(true)));
}

#[test]
fn entities_are_never_expanded() {
    let suites = parse(REPORT.as_bytes()).unwrap();
    let failure = &case(&suites[0], 1)
        .get("failures")
        .unwrap()
        .as_seq()
        .unwrap()[0];
    assert_eq!(
        str_of(failure, "description"),
        Some("expected <1> ! &bomb;\n<raw>")
    );
}

#[test]
fn a_suite_without_counts_gets_them_and_nested_ones_are_not_counted_twice() {
    let suites = parse(REPORT.as_bytes()).unwrap();
    assert_eq!(str_of(&suites[1], "name"), Some("inner"));
    assert_eq!(str_of(&suites[1], "tests"), Some("1"));
    assert_eq!(str_of(&suites[1], "errors"), Some("1"));
    assert_eq!(str_of(&suites[1], "failures"), Some("0"));
}

#[test]
fn one_suite_may_be_the_root() {
    let suites = parse(b"<testsuite name='s'><testcase name='c'/></testsuite>").unwrap();
    assert_eq!(suites.len(), 1);
}

#[test]
fn hostile_files_are_refused() {
    let deep = format!("<testsuites>{}", "<a>".repeat(100_000));
    let odd: [&[u8]; 7] = [
        b"",
        b"not xml",
        b"<html></html>",
        b"<testsuites><testsuite>",
        b"<testsuite></testcase>",
        b"\xff\xfe\x00",
        deep.as_bytes(),
    ];
    for bytes in odd {
        assert!(
            parse(bytes).is_err(),
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn a_long_description_is_cut() {
    let text = format!(
        "<testsuite><testcase><failure>{}</failure></testcase></testsuite>",
        "x".repeat(1_000_000)
    );
    let suites = parse(text.as_bytes()).unwrap();
    let failure = &case(&suites[0], 0)
        .get("failures")
        .unwrap()
        .as_seq()
        .unwrap()[0];
    assert_eq!(str_of(failure, "description").unwrap().len(), LONGEST_TEXT);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = parse(&bytes);
        let mut text = b"<testsuite><testcase name=\"".to_vec();
        text.extend(bytes);
        let _ = parse(&text);
    }
}

#[test]
fn the_settings_come_from_the_jobs_junit_key() {
    let with = |pairs: Vec<(&str, Value)>| {
        let mut job = Job::new("test");
        job.extra.insert(Value::kw("junit"), Value::map(pairs));
        JunitConfig::of(&job)
    };
    assert_eq!(JunitConfig::of(&Job::new("plain")), None);
    let config = with(vec![
        ("artifact-id", "report".into()),
        ("path", "junit.xml".into()),
    ]);
    assert_eq!(
        config,
        Some(Ok(JunitConfig {
            artifact: "report".to_owned(),
            path: Some("junit.xml".to_owned()),
            pattern: None,
        }))
    );
    assert!(with(vec![("id", "report".into())]).unwrap().is_ok());
    assert!(with(vec![("path", "x".into())]).unwrap().is_err());
}

fn folder(names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in names {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let xml = format!("<testsuite name='{name}'><testcase name='c'/></testsuite>");
        std::fs::write(path, xml).unwrap();
    }
    dir
}

fn names(dir: &Path, path: Option<&str>, pattern: Option<&str>) -> Vec<String> {
    let config = JunitConfig {
        artifact: "a".to_owned(),
        path: path.map(str::to_owned),
        pattern: pattern.map(str::to_owned),
    };
    match collect(dir, &config) {
        Ok(value) => value
            .as_seq()
            .unwrap()
            .iter()
            .map(|suite| str_of(suite, "name").unwrap().to_owned())
            .collect(),
        Err(error) => vec![error.to_string()],
    }
}

#[test]
fn files_are_found_wherever_the_artifact_was_unpacked() {
    let dir = folder(&["junit.xml", "out/a.xml", "out/b.xml", "out/c.txt"]);
    let dir = dir.path();
    assert_eq!(names(dir, Some("junit.xml"), None), ["junit.xml"]);
    assert_eq!(names(dir, Some("target/junit.xml"), None), ["junit.xml"]);
    assert_eq!(names(dir, Some("a.xml"), None), ["out/a.xml"]);
    assert_eq!(names(dir, Some("out"), None), ["out/a.xml", "out/b.xml"]);
    assert_eq!(names(dir, Some("../../junit.xml"), None), ["junit.xml"]);
    assert_eq!(
        names(dir, None, Some("[ab]\\.xml")),
        ["out/a.xml", "out/b.xml"]
    );
    assert_eq!(
        names(dir, None, None),
        ["junit.xml", "out/a.xml", "out/b.xml"]
    );
}

#[test]
fn what_is_missing_is_named() {
    let dir = folder(&["junit.xml"]);
    assert_eq!(
        names(dir.path(), Some("other.xml"), None),
        ["the artifact has no file other.xml"]
    );
    assert_eq!(
        names(dir.path(), None, Some("(")),
        ["the pattern \"(\" is not understood"]
    );
}

#[test]
fn links_are_not_followed() {
    let dir = folder(&["a/x.xml"]);
    std::os::unix::fs::symlink("/etc/hosts", dir.path().join("evil.xml")).unwrap();
    std::os::unix::fs::symlink(dir.path(), dir.path().join("a/loop")).unwrap();
    assert_eq!(names(dir.path(), None, None), ["a/x.xml"]);
}
