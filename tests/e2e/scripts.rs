//! Scripts that cannot be run, or only with a remark: what users are told.

use crate::harness::Project;

#[test]
fn a_project_without_a_script_says_what_to_do() {
    Project::empty().build(&[]).exits(2).says(".monkeyci");
}

#[test]
fn a_folder_that_does_not_exist_is_named() {
    Project::empty()
        .build(&["-d", "no/such/folder"])
        .exits(2)
        .says("no/such/folder");
}

#[test]
fn a_broken_file_is_shown_with_its_place_and_line() {
    for (file, text, place, line) in [
        (
            "build.yaml",
            "- id: a\n  image: i\n  script: [unclosed\n",
            "build.yaml:",
            "script",
        ),
        (
            "build.json",
            "[{\"id\": \"a\",\n  \"image\" \"i\"}]",
            "build.json:2:",
            "\"image\" \"i\"",
        ),
        (
            "build.edn",
            "[{:id \"a\"\n  :image }]",
            "build.edn:1:2",
            ":id",
        ),
        (
            "build.yaml",
            "- id: a\n  image: i\n  script: {a: b}\n",
            "build.yaml:3:",
            "script: {a: b}",
        ),
        (
            "build.yml",
            "- id: a\n  image: i\n  dependencies: 7.5.x: 1\n",
            "build.yml:3:",
            "dependencies",
        ),
    ] {
        Project::empty()
            .file(&format!(".monkeyci/{file}"), text)
            .build(&[])
            .exits(2)
            .says(place)
            .says(line);
    }
}

#[test]
fn an_empty_script_is_said_to_be_empty() {
    for (file, text) in [
        ("build.yaml", ""),
        ("build.json", ""),
        ("build.edn", ""),
        ("build.yaml", "[]\n"),
    ] {
        Project::empty()
            .file(&format!(".monkeyci/{file}"), text)
            .build(&[])
            .exits(2);
    }
}

#[test]
fn a_clojure_script_is_refused_by_the_embedded_host_with_a_sentence() {
    Project::empty()
        .file(".monkeyci/build.clj", "(ns build)\n[]")
        .build(&["--runner", "embedded"])
        .exits(2)
        .says("build.clj needs a Clojure or babashka host");
}

#[test]
fn without_an_executor_for_containers_the_option_is_named() {
    let project = Project::yaml("- id: a\n  image: i\n  script: ['true']\n");
    project
        .run(&["build", "--plain"])
        .exits(2)
        .says("--executor host")
        .says("no container engine answers: unix:///no/engine.sock (DOCKER_HOST)");
    project
        .run(&["build", "--plain", "--executor", "docker"])
        .exits(2)
        .says("no container engine answers");
}

#[test]
fn jobs_that_can_never_run_are_named_and_skipped() {
    let project = Project::yaml(
        "- id: ok\n  image: i\n  script: ['true']\n\
         - id: lost\n  image: i\n  script: ['true']\n  dependencies: [nowhere]\n\
         - id: x\n  image: i\n  script: ['true']\n  dependencies: [y]\n\
         - id: y\n  image: i\n  script: ['true']\n  dependencies: [x]\n",
    );
    project
        .build(&[])
        .exits(0)
        .says("job \"lost\" depends on \"nowhere\", which does not exist")
        .says("wait for each other");
    let jobs = project.jobs();
    let status = |id: &str| jobs.iter().find(|(job, _)| job == id).unwrap().1.clone();
    assert_eq!(status("ok"), "success");
    for never in ["lost", "x", "y"] {
        assert_eq!(status(never), "skipped");
    }
    project
        .build(&["--strict"])
        .exits(2)
        .says("refused with --strict");
}

#[test]
fn a_script_in_which_nothing_can_run_ends_with_2() {
    Project::yaml("- id: x\n  image: i\n  script: ['true']\n  dependencies: [x]\n")
        .build(&[])
        .exits(2);
}

#[test]
fn of_two_jobs_with_one_id_the_last_runs_and_the_first_is_named() {
    let project = Project::yaml(
        "- id: a\n  image: i\n  script: ['echo first']\n- id: a\n  image: i\n  script: ['echo second']\n",
    );
    project
        .build(&[])
        .exits(0)
        .says("two jobs have the id \"a\"")
        .says("│ second");
}

#[test]
fn odd_ids_stay_inside_their_folders_and_run() {
    let yaml: String = [
        "unit tests",
        "a/b",
        "🎉",
        "..",
        ".hidden",
        "../../up",
        "semi;colon",
    ]
    .iter()
    .map(|id| format!("- id: '{id}'\n  image: i\n  script: ['echo ran']\n"))
    .collect();
    let project = Project::yaml(&yaml);
    project.build(&[]).exits(0);
    assert!(project.jobs().iter().all(|(_, status)| status == "success"));
    assert_eq!(project.jobs().len(), 7);
    project
        .run(&["logs", "last", "../../up"])
        .exits(0)
        .says("ran");
    project.run(&["logs", "last", "🎉"]).exits(0).says("ran");
}

#[test]
fn a_job_with_nothing_to_run_says_so() {
    Project::yaml("- id: a\n  image: i\n")
        .build(&[])
        .exits(1)
        .says("nothing to run");
}

#[test]
fn a_work_dir_outside_the_project_is_refused() {
    Project::yaml("- id: a\n  image: i\n  workDir: ../..\n  script: ['pwd']\n")
        .build(&[])
        .exits(1)
        .says("../..");
}

#[test]
fn the_declarative_files_are_read_one_behind_the_other() {
    let project = Project::yaml("- id: y\n  image: i\n  script: ['true']\n")
        .file(
            ".monkeyci/build.json",
            r#"{"id": "j", "image": "i", "script": "true"}"#,
        )
        .file(
            ".monkeyci/build.edn",
            r#"[{:id "e" :image "i" :script ["true"]} {:image "i" :script ["true"]}]"#,
        );
    project.build(&[]).exits(0);
    let ids: Vec<String> = project.jobs().into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["e", "j", "job-4", "y"]);
}
