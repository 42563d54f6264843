//! What goes into a container and comes out of it.

use super::*;

#[test]
fn artifacts_and_caches_go_from_job_to_job_and_from_build_to_build() {
    if !engine_is_here("artifacts_and_caches_go_from_job_to_job_and_from_build_to_build") {
        return;
    }
    let project = jobs(&[
        (
            "makes",
            r#"image: "IMAGE", script: ["mkdir -p out/deep; echo data >out/deep/x; ln -s deep/x out/link; chmod 750 out/deep/x", "mkdir -p .cache; cat .cache/n 2>/dev/null || true; echo more >>.cache/n"], saveArtifacts: [{id: out, path: out}, {id: one, path: out/deep/x}], caches: [{id: c, path: .cache}]"#,
        ),
        (
            "takes",
            r#"image: "IMAGE", dependencies: [makes], restoreArtifacts: [{id: out, path: in}], script: ["cat in/link; ls -l in/deep/x | cut -c1-10; ls out 2>&1 || true"]"#,
        ),
        (
            "breaks",
            r#"image: "IMAGE", dependencies: [makes], script: ["echo left >left", "false"], saveArtifacts: [{id: left, path: left}]"#,
        ),
        (
            "lacks",
            r#"image: "IMAGE", script: ["true"], saveArtifacts: [{id: gone, path: gone}]"#,
        ),
    ]);
    build(&project, &[]).exits(1);
    assert_eq!(
        log(&project, "takes"),
        "data\n-rwxr-x---\nls: out: No such file or directory\n"
    );
    let ends = ends(&project);
    assert_eq!(ends["breaks"].1["exit"], 1);
    assert_eq!(ends["lacks"].0, "failure");
    assert!(
        ends["lacks"].1["message"]
            .to_string()
            .contains("nothing at path gone")
    );
    let saved: Vec<Value> = project
        .events()
        .into_iter()
        .filter(|event| event["type"] == "tui/artifact-saved")
        .map(|event| event["artifact-id"].clone())
        .collect();
    assert_eq!(saved.len(), 3, "also of a job that failed: {saved:?}");
    build(&project, &["--job", "makes"]).exits(0);
    assert_eq!(log(&project, "makes"), "more\n");
}

#[test]
fn a_job_that_asks_reaches_the_script_api() {
    if !engine_is_here("a_job_that_asks_reaches_the_script_api") {
        return;
    }
    let ask = r#"wget -q -O - --header "Authorization: Bearer $(cat $MONKEYCI_API_TOKEN_FILE)" $MONKEYCI_API_URL"#;
    let project = Project::yaml(&format!(
        "- id: asks\n  image: {IMAGE}\n  api: true\n  script: ['{ask}/build']\n\
         - id: wants\n  image: {IMAGE}\n  api: true\n  script: ['{ask}/params']\n\
         - id: none\n  image: {IMAGE}\n  script: ['env | grep API; test -z \"$MONKEYCI_API_URL\"']\n"
    ));
    build(&project, &[]).exits(1);
    says(&project, "asks", ":build-id \"local-build-");
    says(&project, "wants", "403");
    assert_eq!(ends(&project)["none"].0, "success");
}
