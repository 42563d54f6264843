//! Builds that are compared.

use crate::harness::{Project, json_lines};

const SCRIPT: &str = "
- id: make
  image: busybox
  script: ['mkdir -p out', 'cp input out/made', 'date +%s%N > out/when.log && rm out/when.log', 'echo made in $PWD']
  save-artifacts: [{id: made, path: out}]
- id: check
  image: busybox
  dependencies: [make]
  script: ['echo checking', 'grep good input', 'cp junit.xml report.xml']
  junit: {artifact-id: report, path: report.xml}
  save-artifacts: [{id: report, path: report.xml}]
";

fn junit(failure: &str) -> String {
    format!(
        "<testsuite name=\"s\" tests=\"2\"><testcase name=\"one\" classname=\"c\"/>\
         <testcase name=\"two\" classname=\"c\">{failure}</testcase></testsuite>"
    )
}

fn project() -> Project {
    Project::yaml(SCRIPT)
        .file("input", "good\n")
        .file("junit.xml", &junit(""))
}

#[test]
fn two_builds_of_one_tree_are_the_same() {
    let project = project();
    project.build(&[]).exits(0);
    project
        .run(&["compare"])
        .exits(2)
        .complains("no recorded build before")
        .complains("monkeyci-tui compare BUILD WITH");
    project.build(&[]).exits(0);
    project
        .run(&["compare", "--logs"])
        .exits(0)
        .says("the same files were built")
        .says("nothing differs");
}

#[test]
fn what_broke_since_the_last_build_that_succeeded_is_told() {
    let project = project();
    project.build(&[]).exits(0);
    let first = project.run(&["list", "--json"]).exits(0);
    let first = json_lines(&first.out)[0]["sid"]
        .as_str()
        .unwrap()
        .to_owned();
    std::fs::write(project.dir().join("input"), "bad\n").unwrap();
    project.build(&[]).exits(1);

    let compared = project.run(&["compare", "--logs"]).exits(1);
    for line in [
        "other files were built",
        "broke   build  success → error",
        "broke   check  success → failure",
        "broke   check  $ grep good input  exit 0 → exit 1",
        "changed make  made made  5 B → 4 B",
        "removed check  report",
        "+++ ",
        ":check:",
        "-good",
    ] {
        assert!(compared.out.contains(line), "{line}\n{}", compared.out);
    }
    // The one that broke is between: what is compared with is what succeeded.
    project.build(&[]).exits(1);
    let found = json_lines(&project.run(&["compare", "--json"]).exits(1).out);
    assert_eq!(found[0]["before"], first);
    assert_eq!(found[0]["same"], false);
    let broke = |line: &&serde_json::Value| line["kind"] == "broke";
    assert_eq!(found.iter().filter(broke).count(), 3, "{found:?}");

    // The other way round it is mended; of one job only what is its own is told.
    let back = project
        .run(&["compare", &first, "last", "--job", "check"])
        .exits(1);
    assert!(
        back.out.contains("fixed   check  failure → success"),
        "{}",
        back.out
    );
    assert!(!back.out.contains(" make "), "{}", back.out);
    project
        .run(&["compare", &first, "last", "--job", "none"])
        .exits(2)
        .complains("jobs: make, check");
    project.run(&["compare", &first, &first]).exits(0);
}

#[test]
fn tests_are_told_one_by_one_and_recordings_by_their_path() {
    let project = project();
    project.build(&[]).exits(0);
    std::fs::write(
        project.dir().join("junit.xml"),
        junit("<failure message=\"3 is not 4\"/>"),
    )
    .unwrap();
    project.build(&[]).exits(0);
    let compared = project.run(&["compare"]).exits(1);
    assert!(
        compared
            .out
            .contains("broke   check  c two  passed → failed  3 is not 4"),
        "{}",
        compared.out
    );
    let listed = json_lines(&project.run(&["list", "--json"]).exits(0).out);
    let sid = listed[1]["sid"].as_str().unwrap();
    let folder = project.home().join("data/builds").join(sid);
    let copy = project.dir().join("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(folder.join("events.edn"), copy.join("events.edn")).unwrap();
    project
        .run(&["compare", "last", "./copy"])
        .exits(1)
        .says("broke   check  c two  passed → failed");
}
