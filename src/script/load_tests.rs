use std::fmt::Write as _;
use std::path::Path;

use super::*;
use crate::domain::{BlobRef, JobId};
use crate::edn::{self, Value};
use crate::wire;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn loaded(files: &[(&str, &str)]) -> Script {
    load(folder(files).path()).unwrap()
}

fn one(name: &str, text: &str) -> Job {
    let script = loaded(&[(name, text)]);
    assert_eq!(script.jobs.len(), 1, "{:?}", script.jobs);
    script.jobs.into_iter().next().unwrap()
}

fn refused(name: &str, text: &str) -> String {
    load(folder(&[(name, text)]).path())
        .unwrap_err()
        .full_text()
}

/// The same job in three languages.
const YAML: &str = r#"
id: test
type: action
image: 1.10
dependencies: [a, b]
blocked: true
script:
  - make
  - 7
workDir: sub
timeout: 5000
container/env: {FOO_BAR: "x", fooBar: 2, S3_URL: yes, EMPTY: "", NOTHING: }
container/cmd: run
container/entrypoint: [/bin/sh, -c]
saveArtifacts: [{id: out, path: a/b, note: n}]
restore_artifacts: [{id: in, path: c}]
caches: {id: m2, path: .m2}
unknownProp: {nestedKey: [1, 2.5, ~, {innerKey: v}]}
size: 2
"#;

const JSON: &str = r#"{
  "id": "test", "type": "action", "image": 1.10, "dependencies": ["a", "b"], "blocked": true,
  "script": ["make", 7], "workDir": "sub", "timeout": 5000,
  "container/env": {"FOO_BAR": "x", "fooBar": 2, "S3_URL": "yes", "EMPTY": "", "NOTHING": null},
  "container/cmd": "run", "container/entrypoint": ["/bin/sh", "-c"],
  "saveArtifacts": [{"id": "out", "path": "a/b", "note": "n"}],
  "restore_artifacts": [{"id": "in", "path": "c"}], "caches": {"id": "m2", "path": ".m2"},
  "unknownProp": {"nestedKey": [1, 2.5, null, {"innerKey": "v"}]}, "size": 2
}"#;

const EDN: &str = r#"
{:id :test :type :action :image 1.10 :dependencies [:a "b"] :blocked true
 :script ("make" 7) :work-dir "sub" :timeout 5000
 :container/env {"FOO_BAR" "x", "fooBar" 2, :s3-url "yes" "EMPTY" "" "NOTHING" nil}
 :container/cmd "run" :container/entrypoint ["/bin/sh" "-c"]
 :save-artifacts [{:id "out" :path "a/b" :note "n"}]
 :restore-artifacts [{:id "in" :path "c"}] :caches {:id "m2" :path ".m2"}
 :unknown-prop {:nested-key [1 2.5 nil {:inner-key "v"}]} :size 2}
"#;

#[test]
fn the_three_languages_say_the_same() {
    let job = one("build.yaml", YAML);
    assert_eq!(job.id.as_str(), "test");
    assert_eq!(job.kind, crate::domain::JobKind::Container);
    assert_eq!(job.image.as_deref(), Some("1.10"));
    assert_eq!(job.dependencies, [JobId::from("a"), "b".into()]);
    assert!(job.blocked);
    assert_eq!(job.script, ["make", "7"]);
    assert_eq!(job.work_dir.as_deref(), Some("sub"));
    assert_eq!(job.timeout, Some(5000));
    let env = [
        ("FOO_BAR", "x"),
        ("fooBar", "2"),
        ("S3_URL", "yes"),
        ("EMPTY", ""),
    ];
    assert_eq!(job.env, env.map(|(n, v)| (n.to_owned(), v.to_owned())));
    assert_eq!(job.cmd, ["run"]);
    assert_eq!(job.entrypoint, ["/bin/sh", "-c"]);
    let blob = |id: &str, path: &str| BlobRef {
        id: id.to_owned(),
        path: path.to_owned(),
    };
    assert_eq!(job.save_artifacts, [blob("out", "a/b")]);
    assert_eq!(job.restore_artifacts, [blob("in", "c")]);
    assert_eq!(job.caches, [blob("m2", ".m2")]);
    let extra =
        edn::read_str("{:unknown-prop {:nested-key [1 2.5 nil {:inner-key \"v\"}]} :size 2}");
    assert_eq!(Value::Map(job.extra.clone()), extra.unwrap());
    assert_eq!(one("build.json", JSON), job);
    assert_eq!(one("build.edn", EDN), job);
}

#[test]
fn what_a_script_says_survives_the_wire() {
    let job = one("build.yaml", YAML);
    let text = edn::write(&Value::Map(wire::job_to_map(&job)));
    let Value::Map(map) = edn::read_str(&text).unwrap() else {
        panic!("a map");
    };
    assert_eq!(wire::job_from(map), job);
}

#[test]
fn all_files_count_in_their_order() {
    let script = loaded(&[
        ("build.edn", "[{:id \"edn\"} {}]"),
        ("build.json", "[{}]"),
        ("build.yml", "- id: yml"),
        ("build.yaml", "- image: x\n- id: yaml"),
    ]);
    let ids: Vec<&str> = script.jobs.iter().map(|job| job.id.as_str()).collect();
    assert_eq!(ids, ["job-1", "yaml", "yml", "job-4", "edn", "job-6"]);
    assert_eq!(script.files.len(), 4);
    assert!(!script.clojure);
}

#[test]
fn a_clojure_script_is_noticed() {
    let script = loaded(&[("build.clj", "(+ 1 2)")]);
    assert!(script.clojure);
    assert!(script.jobs.is_empty());
    assert!(loaded(&[("build.clj", ""), ("build.yaml", "id: x")]).clojure);
}

#[test]
fn a_folder_without_a_script_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let text = load(dir.path()).unwrap_err().full_text();
    assert!(text.starts_with("no build script in "), "{text}");
    let text = load(&dir.path().join("gone")).unwrap_err().full_text();
    assert!(text.starts_with("there is no script folder "), "{text}");
}

#[test]
fn an_empty_file_is_named() {
    for (name, text) in [
        ("build.yaml", ""),
        ("build.yaml", "# nothing\n---\n"),
        ("build.yml", "null"),
        ("build.json", " \n"),
        ("build.json", "null"),
        ("build.edn", "; nothing\n#_{:id 1}"),
        ("build.edn", "nil"),
        ("build.yaml", "\u{FEFF}"),
    ] {
        assert_eq!(refused(name, text), format!("{name} is empty"), "{text:?}");
    }
}

#[test]
fn a_list_without_jobs_is_no_error_here() {
    assert!(loaded(&[("build.json", "[]")]).jobs.is_empty());
}

#[test]
fn one_text_is_a_list_of_one_and_nothing_is_nothing() {
    let job = one(
        "build.yaml",
        "id: a\nscript: make all\ndependencies: b\nimage:\nblocked: ~\ncaches:\nfoo:",
    );
    assert_eq!(job.script, ["make all"]);
    assert_eq!(job.dependencies, [JobId::from("b")]);
    assert_eq!(job.image, None);
    assert!(!job.blocked);
    assert!(job.extra.is_empty());
}

#[test]
fn values_keep_their_spelling_where_text_is_wanted() {
    let job = one(
        "build.yaml",
        "{id: 0x1F, image: 3.10, script: [true, 1e3, 007, 'x', yes]}",
    );
    assert_eq!(job.id.as_str(), "0x1F");
    assert_eq!(job.image.as_deref(), Some("3.10"));
    assert_eq!(job.script, ["true", "1e3", "007", "x", "yes"]);
    let job = one(
        "build.json",
        r#"{"image": 1.50, "script": ["\u00e9\"\ud83d\ude00", false]}"#,
    );
    assert_eq!(job.image.as_deref(), Some("1.50"));
    assert_eq!(job.script, ["é\"😀", "false"]);
    let job = one(
        "build.edn",
        "{:image 1.50M :script [#_ \"no\" \"a;b\" ; c\n 2N]}",
    );
    assert_eq!(job.image.as_deref(), Some("1.50M"));
    assert_eq!(job.script, ["a;b", "2N"]);
}

#[test]
fn yaml_anchors_merges_and_blocks_work() {
    let script = loaded(&[(
        "build.yaml",
        "- &base\n  id: a\n  image: &img alpine:3\n  script: |\n    one\n    two\n- <<: *base\n  id: b\n- {id: c, image: *img}\n",
    )]);
    assert_eq!(script.jobs[0].script, ["one\ntwo\n"]);
    assert_eq!(script.jobs[1].script, script.jobs[0].script);
    assert_eq!(script.jobs[1].id.as_str(), "b");
    assert_eq!(script.jobs[2].image.as_deref(), Some("alpine:3"));
}

#[test]
fn edn_keys_stay_as_they_are() {
    let script = loaded(&[(
        "build.edn",
        "[{:id \"a\" :saveArtifacts [{:id \"x\" :path \"y\"}] :camelCase 1 \"str\" 2}]",
    )]);
    let job = &script.jobs[0];
    assert!(job.save_artifacts.is_empty());
    assert!(job.extra("saveArtifacts").is_some());
    assert!(job.extra("camelCase").is_some());
    assert_eq!(
        script.warnings,
        [
            "build.edn:1:11: :saveArtifacts of job \"a\" has no effect: in EDN the key is :save-artifacts"
        ]
    );
}

#[test]
fn odd_edn_forms_do_not_confuse_the_places() {
    let text = "; c\n[#_{:x [1 2]} {:id \"a\" :c \\] :d #{1 \"}\"} :e #inst \"2026-01-01T00:00:00Z\"\n  :f \"a\\\"b]\" :g ##Inf}\n {:id \"b\" :script {}}]";
    let message = refused("build.edn", text);
    assert!(
        message.starts_with(
            "build.edn:4:19: expected a list of strings for \"script\" of job \"b\", found a map"
        ),
        "{message}"
    );
}

#[test]
fn an_env_that_has_no_effect_is_named() {
    let script = loaded(&[("build.yaml", "- id: a\n  env: {MY_VAR: 1}\n")]);
    assert_eq!(script.warnings.len(), 1);
    assert!(script.warnings[0].starts_with("build.yaml:2:8: \"env\" of job \"a\" has no effect"));
    let env = script.jobs[0].extra("env").unwrap();
    assert_eq!(edn::write(env), "{\"MY_VAR\" \"1\"}");
}

#[test]
fn a_key_in_two_spellings_is_named_and_the_last_counts() {
    let script = loaded(&[("build.yaml", "id: a\nworkDir: x\nwork_dir: y\n")]);
    assert_eq!(script.jobs[0].work_dir.as_deref(), Some("y"));
    assert_eq!(
        script.warnings,
        ["build.yaml:3:1: \"work-dir\" of job \"a\" is there twice; the last one counts"]
    );
}

#[test]
fn the_plain_image_wins_in_any_order() {
    for text in [
        "{image: a, container/image: b}",
        "{container/image: b, image: a}",
    ] {
        assert_eq!(one("build.yaml", text).image.as_deref(), Some("a"));
    }
    assert_eq!(
        one("build.yaml", "container/image: b").image.as_deref(),
        Some("b")
    );
}

#[test]
fn faults_in_the_dependencies_have_places() {
    let script = loaded(&[(
        "build.yaml",
        "- id: a\n- id: a\n- {id: b, dependencies: [gone]}\n- {id: c, dependencies: [d]}\n- {id: d, dependencies: [c]}\n",
    )]);
    let told: Vec<String> = script.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "build.yaml:2:3: two jobs have the id \"a\" (the other one: build.yaml:1:3); the last one counts",
            "build.yaml:3:3: job \"b\" depends on \"gone\", which does not exist, so it never runs",
            "build.yaml:4:3: these jobs wait for each other: c → d → c, so none of them runs",
        ]
    );
}

#[test]
fn wrong_types_are_shown_with_place_and_job() {
    let table = [
        (
            "build.yaml",
            "- id: test\n  script: {a: b}",
            "build.yaml:2:11: expected a list of strings for \"script\" of job \"test\", found a map",
        ),
        (
            "build.yaml",
            "- id: test\n  script:\n    - echo\n    - [x]",
            "build.yaml:4:7: expected a list of strings for \"script\" of job \"test\", found a list",
        ),
        (
            "build.yaml",
            "- image: [x]",
            "build.yaml:1:10: expected a string for \"image\" of job \"job-1\", found a list",
        ),
        (
            "build.yaml",
            "id: a\nblocked: yes",
            "build.yaml:2:10: expected true or false for \"blocked\" of job \"a\", found a string",
        ),
        (
            "build.yaml",
            "id: a\ntimeout: 5m",
            "build.yaml:2:10: expected a whole number of milliseconds above 0 for \"timeout\" of job \"a\", found a string",
        ),
        (
            "build.yaml",
            "id: a\ntimeout: -5",
            "build.yaml:2:10: \"timeout\" of job \"a\" is in milliseconds, above 0, and not -5",
        ),
        (
            "build.yaml",
            "id: a\ncontainer/env: [A=b]",
            "build.yaml:2:16: expected a map of names and values for \"container/env\" of job \"a\", found a list",
        ),
        (
            "build.yaml",
            "id: a\ncontainer/env: {A: [b]}",
            "build.yaml:2:20: expected a string for \"container/env/A\" of job \"a\", found a list",
        ),
        (
            "build.yaml",
            "id: a\ncontainer/env: {\"A=B\": c}",
            "build.yaml:2:17: no name for an environment variable of job \"a\"",
        ),
        (
            "build.yaml",
            "id: a\ncaches: [m2]",
            "build.yaml:2:10: expected a list of {id, path} for \"caches\" of job \"a\", found a string",
        ),
        (
            "build.yaml",
            "id: a\ncaches:\n  - id: m2",
            "build.yaml:3:5: \"caches\" of job \"a\" needs the key \"path\"",
        ),
        (
            "build.yaml",
            "id: [a]",
            "build.yaml:1:5: expected a string for \"id\" of job 1, found a list",
        ),
        (
            "build.yaml",
            "id: ''",
            "build.yaml:1:5: job 1 has an empty id",
        ),
        (
            "build.yaml",
            "just text",
            "build.yaml:1:1: expected a job or a list of jobs, found a string",
        ),
        (
            "build.yaml",
            "- a\n- b",
            "build.yaml:1:3: expected a job, which is a map, found a string",
        ),
        (
            "build.yaml",
            "-\n- id: b",
            "build.yaml:1:2: expected a job, which is a map, found nothing",
        ),
        (
            "build.yaml",
            "? [1]\n: 2",
            "build.yaml:1:3: expected a name as key, found a list",
        ),
        (
            "build.json",
            "[\n  {\"id\": \"a\", \"script\": {}}]",
            "build.json:2:25: expected a list of strings for \"script\" of job \"a\", found a map",
        ),
        (
            "build.json",
            "7",
            "build.json:1:1: expected a job or a list of jobs, found a whole number",
        ),
        (
            "build.edn",
            "[{:id \"a\" :blocked \"no\"}]",
            "build.edn:1:20: expected true or false for \"blocked\" of job \"a\", found a string",
        ),
        (
            "build.edn",
            "#{{:id \"a\"}}",
            "build.edn:1:1: expected a job or a list of jobs, found a set",
        ),
        (
            "build.edn",
            "[{[1] 2}]",
            "build.edn:1:3: expected a keyword as key, found a list",
        ),
    ];
    for (name, text, expected) in table {
        let message = refused(name, text);
        assert!(message.starts_with(expected), "{text:?}\n{message}");
        assert!(message.contains('^'), "{message}");
    }
}

#[test]
fn broken_files_are_shown_with_place_and_line() {
    let table = [
        (
            "build.yaml",
            "- id: broken\n  image: [unclosed\n",
            "build.yaml:2:10: unclosed bracket '['\n   |\n 2 |   image: [unclosed\n   |          ^",
        ),
        (
            "build.yaml",
            "a: 1\na: 2",
            "build.yaml:2:1: duplicate mapping key: a\n",
        ),
        (
            "build.yaml",
            "a: b\n---\nc: d",
            "build.yaml:3:1: multiple YAML documents detected\n",
        ),
        ("build.yml", "id: \"x\n", "build.yml:1:5: unclosed quote"),
        (
            "build.json",
            "[{\"id\": \"é\",}]",
            "build.json:1:13: trailing comma\n",
        ),
        (
            "build.json",
            "{\"id\": ",
            "build.json:1:7: EOF while parsing a value\n",
        ),
        (
            "build.json",
            "{}\n{}",
            "build.json:2:1: trailing characters\n",
        ),
        ("build.edn", "[{:id \"a\"}", "build.edn:1:1: "),
        ("build.edn", "[{:id \"a\" :x}]", "build.edn:1:2: "),
        (
            "build.edn",
            "{:id \"a\"}\n{:id \"b\"}",
            "build.edn:2:1: expected one list of jobs, found a second form",
        ),
        (
            "build.edn",
            "[{:a 1 :a 2}]",
            "build.edn:1:2: duplicate key :a",
        ),
    ];
    for (name, text, expected) in table {
        let message = refused(name, text);
        assert!(message.starts_with(expected), "{text:?}\n{message}");
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("build.yaml")).unwrap();
    let text = load(dir.path()).unwrap_err().full_text();
    assert!(text.contains("build.yaml: this is not a file"), "{text}");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("build.yaml"), b"id: a\nimage: \xff\n").unwrap();
    let text = load(dir.path()).unwrap_err().full_text();
    assert!(
        text.starts_with("build.yaml:2:8: this is not UTF-8"),
        "{text}"
    );
    let file = std::fs::File::create(dir.path().join("build.yaml")).unwrap();
    file.set_len(LARGEST_FILE + 1).unwrap();
    let text = load(dir.path()).unwrap_err().full_text();
    assert!(text.starts_with("build.yaml is larger than"), "{text}");
}

#[test]
fn hostile_depth_and_size_are_refused() {
    let deep = |open: &str| open.repeat(100_000);
    let bomb = {
        let mut text = "a: &a0 [x]\n".to_owned();
        for n in 1..30 {
            writeln!(text, "b{n}: &a{n} [*a{0}, *a{0}, *a{0}]", n - 1).unwrap();
        }
        text
    };
    for (name, text) in [
        ("build.yaml", deep("[")),
        ("build.yaml", deep("{a: ")),
        ("build.yaml", bomb),
        ("build.json", deep("[")),
        ("build.json", deep("{\"a\":")),
        ("build.edn", deep("[")),
        ("build.edn", deep("#_")),
        ("build.edn", deep("#a ")),
    ] {
        let message = refused(name, &text);
        assert!(message.starts_with(name), "{message}");
        assert!(message.len() < 2000);
    }
}

#[test]
fn ten_thousand_jobs_load_in_no_time_to_speak_of() {
    let yaml = (0..10_000).fold(String::new(), |file, n: usize| {
        let before = n.saturating_sub(1);
        file + &format!(
            "- id: j{n}\n  image: alpine\n  script: [a, b]\n  dependencies: [j{before}]\n"
        )
    });
    let begin = std::time::Instant::now();
    let script = loaded(&[("build.yaml", &yaml)]);
    assert_eq!(script.jobs.len(), 10_000);
    assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
}

/// Recordings of the real MonkeyCI whose jobs all come from declarative files.
#[test]
fn recorded_projects_load_to_the_jobs_the_real_script_announced() {
    let transcripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut compared = 0;
    for folder in std::fs::read_dir(&transcripts).unwrap() {
        let folder = folder.unwrap().path();
        let dir = folder.join("project/.monkeyci");
        let Ok(events) = std::fs::read_to_string(folder.join("events.edn")) else {
            continue;
        };
        let Ok(script) = load(&dir) else {
            continue;
        };
        if script.clojure {
            continue;
        }
        let announced = edn::read_all_lenient(&events)
            .unwrap()
            .into_iter()
            .filter_map(|value| wire::event_from(value).ok())
            .find_map(|event| match event.kind {
                crate::domain::EventKind::ScriptStart { jobs } => Some(jobs),
                _ => None,
            });
        let Some(announced) = announced else {
            continue;
        };
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(script.jobs.len(), announced.len(), "{name}");
        for (ours, mut theirs) in script.jobs.into_iter().zip(announced) {
            theirs.extra.remove_kw("status");
            // Names of variables are spoiled by the real one; ours are as written.
            let names = |job: &Job| -> Vec<(String, String)> {
                let kebab = |name: &str| super::super::kebab_case(name);
                job.env.iter().map(|(n, v)| (kebab(n), v.clone())).collect()
            };
            assert_eq!(names(&ours), names(&theirs), "{name}");
            theirs.env.clone_from(&ours.env);
            assert_eq!(ours, theirs, "{name}");
        }
        compared += 1;
    }
    assert!(compared >= 5, "only {compared} recordings were compared");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_loads_or_is_refused_with_its_place(text in "[\\[\\]{}\":,#a-z0-9é \n\t&*!|>'%-]{0,60}") {
        for name in ["build.yaml", "build.json", "build.edn"] {
            match load(folder(&[(name, &text)]).path()) {
                Ok(_) => {}
                Err(error) => proptest::prop_assert!(error.to_string().starts_with(name)),
            }
        }
    }
}

#[test]
fn an_id_has_an_end_and_a_longer_one_is_refused_with_its_place() {
    let yaml = |length| format!("- script: make\n  id: {}\n", "x".repeat(length));
    assert_eq!(one("build.yaml", &yaml(1024)).id.as_str().len(), 1024);
    let said = refused("build.yaml", &yaml(1025));
    assert!(said.contains("build.yaml:2:"), "{said}");
    assert!(said.contains("longer than 1024 bytes"), "{said}");
}

#[test]
fn a_key_that_is_mistyped_is_told_with_the_one_that_is_meant() {
    let script = loaded(&[(
        "build.yaml",
        "id: a\nscripts: [x]\nenviroment: {A: b}\nimgae: i\ndependancies: []\nmine/scripts: 1\nteam: core\nowner: me\n",
    )]);
    let told: Vec<_> = script
        .warnings
        .iter()
        .map(|warning| warning.rsplit("job \"a\" has no effect: ").next().unwrap())
        .collect();
    assert_eq!(
        told,
        [
            "did you mean \"script\"?",
            "did you mean \"container/env\"?",
            "did you mean \"image\"?",
            "did you mean \"dependencies\"?",
        ]
    );
}
