use std::path::PathBuf;

use crate::domain::{Build, Event, EventKind, Resources, TuiEvent};
use crate::edn;

use super::*;

/// What real builds have told, by name.
pub(crate) fn transcripts() -> Vec<(String, Vec<Event>)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap().flatten() {
        let Ok(text) = std::fs::read_to_string(entry.path().join("events.edn")) else {
            continue;
        };
        let events = edn::read_all_lenient(&text)
            .unwrap()
            .into_iter()
            .map(|form| event_from(form).unwrap())
            .collect();
        found.push((entry.file_name().into_string().unwrap(), events));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(found.len() > 20);
    found
}

/// Transcript, status of the build, status of each job: what events.md §5–6 says.
const FINAL_STATES: &[(&str, &str, &str)] = &[
    ("action-artifacts", "error", "create=error use=skipped"),
    ("bad-yaml", "error", ""),
    ("bash-fail", "error", "bash-fail=failure"),
    (
        "blocked",
        "running",
        "first=success blocked-job=blocked after=pending",
    ),
    (
        "blocked-then-unblocked",
        "success",
        "first=success blocked-job=success after=success",
    ),
    ("compile-error", "error", ""),
    (
        "container-files",
        "error",
        "producer=success consumer=failure consumer-elsewhere=success",
    ),
    ("cycle", "error", "a=skipped b=skipped"),
    ("decrypt", "error", "decrypt=failure"),
    ("duplicate-ids", "success", "dup=success"),
    ("edn-container", "success", "edn-job=success job-2=success"),
    ("ext-keys", "running", ""),
    (
        "ext-registered",
        "success",
        "ext-container=success ext-action=success",
    ),
    (
        "fail-chain-action",
        "error",
        "fails=failure throws=failure dep-on-fail=skipped dep-on-throws=skipped dep-both=skipped ok=success skipped=skipped dep-on-skipped=skipped",
    ),
    (
        "fail-chain-container",
        "error",
        "ok=success fails=failure dep-on-fail=skipped dep-on-dep=skipped independent=success",
    ),
    (
        "init",
        "running",
        "with-init=success init-nil-skips=skipped",
    ),
    ("json-container", "success", "json-job=success"),
    ("long-output", "success", "long=success long-cont=success"),
    ("missing-dep", "success", "a=success b=skipped"),
    (
        "mixed",
        "success",
        "yaml-cont=success act=success cont-after-act=success act-after-cont=success",
    ),
    (
        "parallel-containers",
        "success",
        "c-0=success c-1=success c-2=success c-3=success c-4=success c-5=success",
    ),
    ("params", "success", "params=success"),
    (
        "results",
        "error",
        "error-status=error message=success bash-fail=failure child-fn=success map-without-status=success extra-keys=success child-job=success bash-ok=success number-result=success custom-status=weird stdout-overrides-output=success warnings=success nil-result=success string-result=success inner=success",
    ),
    ("throws-only", "error", "throws=failure"),
    ("yaml-chain", "error", "first=success second=failure"),
];

#[test]
fn every_transcript_folds_to_the_final_states_of_the_protocol() {
    let folded: Vec<(String, String, String)> = transcripts()
        .into_iter()
        .map(|(name, events)| {
            let build = Build::fold(&events);
            let jobs: Vec<String> = build
                .jobs()
                .iter()
                .map(|job| format!("{}={}", job.id(), job.status))
                .collect();
            (name, build.status.to_string(), jobs.join(" "))
        })
        .collect();
    let expected: Vec<(String, String, String)> = FINAL_STATES
        .iter()
        .map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned()))
        .collect();
    assert_eq!(folded, expected);
}

#[test]
fn every_event_of_the_transcripts_survives_being_written_and_read() {
    for (name, events) in transcripts() {
        for event in events {
            let line = write_event(&event);
            assert!(!line.contains('\n'), "{name}: one event is one line");
            // Strict: what the script library's reader takes (protocol/README).
            let back = event_from(edn::read_str(&line).unwrap()).unwrap();
            assert_eq!(back, event, "{name}");
        }
    }
}

#[test]
fn transcripts_fold_the_same_with_every_event_twice() {
    for (name, events) in transcripts() {
        let twice: Vec<&Event> = events.iter().flat_map(|event| [event, event]).collect();
        assert_eq!(Build::fold(twice), Build::fold(&events), "{name}");
    }
}

#[test]
fn what_has_no_place_in_the_domain_is_carried() {
    let text =
        "{:type :job/end, :job-id \"a\", :status [12], :result {}, :my/key #{1}, :time \"soon\"}";
    let event = event_from(edn::read_str(text).unwrap()).unwrap();
    let written = edn::read_str(&write_event(&event)).unwrap();
    for key in ["status", "my/key", "time"] {
        assert_eq!(
            written.get(key),
            edn::read_str(text).unwrap().get(key),
            "{key}"
        );
    }
    let unknown = event_from(edn::read_str("{:type :future/thing, :x 1}").unwrap()).unwrap();
    assert_eq!(unknown.type_name(), "future/thing");
    assert_eq!(write_event(&unknown), "{:type :future/thing, :x 1}");
}

#[test]
fn a_body_may_be_a_vector_a_list_or_one_map_and_odd_things_in_it_are_counted() {
    for (body, found, odd) in [
        ("[{:type :job/start} {:type :job/end}]", 2, 0),
        ("({:type :job/start})", 1, 0),
        ("{:type :job/start}", 1, 0),
        ("[12 {:type :job/start} {:no-type 1}]", 1, 2),
        ("nil", 0, 0),
        ("", 0, 0),
    ] {
        let (events, left) = events_from_body(body.as_bytes()).unwrap();
        assert_eq!((events.len(), left), (found, odd), "{body}");
    }
    assert!(events_from_body(b"[{:type").is_err());
    assert!(events_from_body(&[0xff, 0xfe]).is_err());
}

#[test]
fn ids_may_be_keywords_and_lists_may_be_single_texts() {
    let text = "{:id :my-job, :type :container, :container/image \"i\", :script \"make\", \
                :dependencies (:a \"b\"), :container/env {:foo-bar \"1\", \"KEEP_me\" 2}}";
    let job = job_from(edn::read_str(text).unwrap().as_map().unwrap().clone());
    assert_eq!(job.id.as_str(), "my-job");
    assert_eq!(job.image.as_deref(), Some("i"));
    assert_eq!(job.script, ["make"]);
    assert_eq!(job.dependencies, ["a".into(), "b".into()]);
    assert_eq!(
        job.env,
        [
            ("FOO_BAR".to_owned(), "1".to_owned()),
            ("KEEP_me".to_owned(), "2".to_owned())
        ]
    );
    assert!(job.extra.is_empty());
}

#[test]
fn json_holds_what_json_can_and_texts_for_the_rest() {
    let value = edn::read_str(
        "{:type :job/end :n 9007199254740993 :r 2/3 :m 1.50M :b 7N :set #{1} :list (1 2) \
          :t #inst \"2026-11-23T12:00:00Z\" 12 :int-key :k nil :inf ##Inf :f 1.5 :c \\x}",
    )
    .unwrap();
    let json = to_json(&value);
    assert_eq!(json["type"], "job/end");
    assert_eq!(json["n"], "9007199254740993");
    assert_eq!(json["r"], "2/3");
    assert_eq!(json["set"], serde_json::json!([1]));
    assert_eq!(json["list"], serde_json::json!([1, 2]));
    assert_eq!(json["t"], "2026-11-23T12:00:00Z");
    assert_eq!(json["12"], "int-key");
    assert_eq!(json["k"], serde_json::Value::Null);
    assert_eq!(json["inf"], "##Inf");
    assert_eq!(json["f"], 1.5);
    assert_eq!(json["c"], "x");
}

#[test]
fn our_own_facts_survive_being_written_and_read() {
    let mut build = Build::default();
    for line in [
        r#"{:type :tui/anew, :message "it is another one"}"#,
        r#"{:type :tui/host, :host "clojure", :message "there is a build.clj"}"#,
        r#"{:type :tui/result-saved, :name "size", :media-type "application/edn", :size 12, :job-id "pack"}"#,
        r#"{:type :tui/read, :what :secret, :name "npm", :by "script", :job-id "publish"}"#,
        r#"{:type :tui/read, :what :params, :by "script"}"#,
        r#"{:type :tui/remote, :server "ci"}"#,
    ] {
        let event = event_from(edn::read_lenient(line).unwrap()).unwrap();
        let again = event_from(edn::read_lenient(&write_event(&event)).unwrap()).unwrap();
        assert_eq!(again, event, "{line}");
        // Facts are set, never counted.
        build.apply(&event);
        build.apply(&event);
    }
    assert!(build.jobs().is_empty(), "a name in passing is no job");
    assert_eq!(build.host.unwrap().reason, "there is a build.clj");
    assert_eq!(build.results.len(), 1);
    assert_eq!(build.results[0].media_type, "application/edn");
    assert_eq!(build.reads.len(), 2);
    assert_eq!(build.reads[0].access.name.as_deref(), Some("npm"));
}

#[test]
fn how_far_a_pull_is_survives_being_written_and_read() {
    for line in [
        r#"{:type :tui/pulling, :layers 5, :done 3, :bytes 12, :total 40, :job-id "pack"}"#,
        r#"{:type :tui/pulling, :layers 5, :done 3, :bytes 12, :total 40, :unpacking? true, :job-id "pack"}"#,
        r#"{:type :tui/pulling, :layers -1, :done 99999999999, :bytes -7, :job-id "pack"}"#,
        r#"{:type :tui/pulled, :job-id "pack"}"#,
    ] {
        let event = event_from(edn::read_lenient(line).unwrap()).unwrap();
        let again = event_from(edn::read_lenient(&write_event(&event)).unwrap()).unwrap();
        assert_eq!(again, event, "{line}");
    }
}

#[test]
fn what_a_container_uses_survives_being_written_and_read() {
    let mut build = Build::default();
    for line in [
        r#"{:type :tui/resources, :cpu-ms 3100, :cpu-percent 98, :memory-bytes 52428800, :memory-peak-bytes 60000000, :memory-limit-bytes 2147483648, :received-bytes 1200, :sent-bytes 600, :processes 4, :job-id "pack"}"#,
        r#"{:type :tui/resources, :job-id "pack"}"#,
        r#"{:type :tui/resources, :cpu-ms -1, :cpu-percent "98%", :memory-bytes 1.5, :processes 9223372036854775808, :job-id "pack"}"#,
    ] {
        let event = event_from(edn::read_lenient(line).unwrap()).unwrap();
        let again = event_from(edn::read_lenient(&write_event(&event)).unwrap()).unwrap();
        assert_eq!(again, event, "{line}");
        build.apply(&event);
        build.apply(&event);
        assert!(build.jobs()[0].resources.is_some(), "{line}");
    }
    assert_eq!(build.jobs()[0].resources, Some(Resources::default()));
    let most = Resources {
        cpu_ms: u64::MAX,
        ..Resources::default()
    };
    let line = write_event(&Event::new(EventKind::Tui(TuiEvent::Resources(most))));
    assert_eq!(line, "{:type :tui/resources, :cpu-ms 9223372036854775807}");
}
