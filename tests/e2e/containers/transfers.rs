//! What goes into a container and comes out of it.

use std::os::unix::fs::PermissionsExt;

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

#[test]
fn an_image_with_a_user_of_its_own_works_with_its_files() {
    if !engine_is_here("an_image_with_a_user_of_its_own_works_with_its_files") {
        return;
    }
    let own = "id -u; id -g; cat secret; echo more >>secret; mkdir -p sub/new out; echo x >out/q; \
               mkdir -p .cache; echo y >>.cache/n; cat .cache/n; echo $MONKEYCI_API_SOCKET; \
               test -n \\\"$MONKEYCI_API_URL\\\"";
    let project = jobs(&[
        (
            "first",
            &format!(
                r#"image: "USERS", api: true, script: ["{own}"], saveArtifacts: [{{id: out, path: out}}], caches: [{{id: c, path: .cache}}]"#
            ),
        ),
        (
            "then",
            r#"image: "USERS", dependencies: [first], restoreArtifacts: [{id: out, path: in}], caches: [{id: c, path: .cache}], script: ["cat in/q; echo z >>in/q; echo z >>.cache/n; cat .cache/n"]"#,
        ),
    ])
    .file("secret", "kept\n")
    .file("sub/file", "x");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(project.dir().join("secret"), private).unwrap();
    build(&project, &[]).exits(0);
    assert_eq!(log(&project, "first"), "1000\n1001\nkept\ny\n\n");
    assert_eq!(log(&project, "then"), "x\ny\nz\n");
    // Too large to go along with the job's equipment.
    write_noise(&project, 4_000_000);
    build(&project, &[]).exits(0);
    assert_eq!(log(&project, "first"), "1000\n1001\nkept\ny\nz\ny\n\n");
}

#[test]
fn variables_that_are_named_reach_every_job() {
    if !engine_is_here("variables_that_are_named_reach_every_job") {
        return;
    }
    let project = jobs(&[
        ("plain", r#"image: "IMAGE", script: ["echo $GIVEN"]"#),
        (
            "own",
            r#"image: "IMAGE", container/env: {GIVEN: own}, script: ["echo $GIVEN"]"#,
        ),
    ]);
    let mut command = command(&project, &["--env", "GIVEN", "--env", "MISSING"]);
    command.env("GIVEN", "given").env_remove("MISSING");
    Running::start(command)
        .wait()
        .exits(0)
        .says("--env MISSING: there is no such variable");
    assert_eq!(log(&project, "plain"), "given\n");
    assert_eq!(log(&project, "own"), "own\n");
}

#[test]
fn a_large_workspace_is_copied_once_and_shared_by_the_jobs_of_an_image() {
    if !engine_is_here("a_large_workspace_is_copied_once_and_shared_by_the_jobs_of_an_image") {
        return;
    }
    let project = jobs(&[
        (
            "first",
            r#"image: "IMAGE", script: ["echo first >>large; wc -c <large"]"#,
        ),
        (
            "long",
            r#"image: "IMAGE", dependencies: [first], script: ["wc -c <large; echo up; sleep 600"]"#,
        ),
    ]);
    write_noise(&project, 20_000_000);
    let mut build = start(&project, &[]);
    build.until("long  │ up");
    let ids = containers_of(&project);
    let size = docker(&["inspect", "--size", "--format", "{{.SizeRw}}", &ids[0]]);
    let size: u64 = size.parse().unwrap();
    assert!(size < 1_000_000, "it has {size} bytes of its own");
    build.signal(Signal::TERM);
    build.wait().exits(3);
    // What one job writes, another does not see.
    assert_eq!(log(&project, "first"), "20000006\n");
    says(&project, "long", "20000000\nup\n");
    assert_eq!(images_of(&project), Vec::<String>::new());
    assert!(containers_of(&project).is_empty());
}

#[test]
fn many_jobs_of_an_image_share_a_small_workspace_and_get_their_lines_as_they_are() {
    let test = "many_jobs_of_an_image_share_a_small_workspace_and_get_their_lines_as_they_are";
    if !engine_is_here(test) {
        return;
    }
    let script = r#"[
      "cat file; echo \"it's $((1 + 1)) `echo x` \\\\ %s é\"",
      "",
      "for i in 1 2\ndo echo $i\ndone",
      "env | grep -c TUI_LINE; ls $MONKEYCI_SCRIPT_DIR | wc -l; ls; echo own >own"
    ]"#
    .replace('\n', " ");
    let all: Vec<(String, String)> = (0..6)
        .map(|at| {
            let image = if at % 2 == 0 { "IMAGE" } else { "USERS" };
            let properties = format!(r#"image: "{image}", script: {script}"#);
            (format!("j{at}"), properties)
        })
        .chain((0..6).map(|at| {
            let properties = r#"image: "BARE", container/entrypoint: [/echo, it runs]"#;
            (format!("b{at}"), properties.to_owned())
        }))
        .collect();
    let all: Vec<(&str, &str)> = all.iter().map(|(id, it)| (&**id, &**it)).collect();
    let project = jobs(&all).file("file", "of the checkout\n");
    build(&project, &["-j", "3"]).exits(0);
    for at in 0..6 {
        let wanted = "of the checkout\nit's 2 x \\ %s é\n1\n2\n0\n4\nfile\n";
        assert_eq!(log(&project, &format!("j{at}")), wanted, "j{at}");
        assert_eq!(log(&project, &format!("b{at}")), "it runs\n");
    }
    assert!(images_of(&project).is_empty());
}
