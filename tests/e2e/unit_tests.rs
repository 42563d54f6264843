//! Unit tests of build scripts, as the manual's page says: its files and its very lines.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::counted::stand_in;
use crate::harness::{Project, Ran, Running};
use crate::hosts::{clojure_is_here, status, with_stand_in};

const PAGE: &str = include_str!("../../assets/docs/testing.md");

/// The blocks of code of the page in one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let begin = format!("```{language}\n");
    PAGE.split("\n```\n")
        .filter_map(|part| Some(part.rsplit_once(begin.as_str())?.1))
        .collect()
}

/// A project with the files of the page: those blocks that begin with a file's name.
fn project() -> Project {
    let mut names = Vec::new();
    let project = blocks("clojure")
        .into_iter()
        .fold(Project::empty(), |project, text| {
            let first = text.lines().next().unwrap();
            let Some(name) = first.strip_prefix(";; .monkeyci/") else {
                return project;
            };
            names.push(name);
            project.file(&format!(".monkeyci/{name}"), text)
        });
    assert_eq!(names, ["build.clj", "test/build_test.clj"]);
    project
}

/// The line of the page for a program; there is one.
fn line_for(beginning: &str) -> &'static str {
    let lines: Vec<&str> = blocks("sh")
        .into_iter()
        .filter(|line| line.starts_with(beginning))
        .collect();
    assert_eq!(lines.len(), 1, "{beginning}: {lines:?}");
    lines[0]
}

/// Runs a line in a shell that finds this program, after the folders of `path`.
fn run(project: &Project, line: &str, path: &str) -> Ran {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_monkeyci-tui"));
    let path = format!("{}:{path}", program.parent().unwrap().display());
    // Only for its environment and its pipes.
    let like = project.command(&[]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", line])
        .current_dir(project.dir())
        .envs(
            like.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("PATH", path)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    Running::start(shell).wait()
}

/// What the line says of the page's tests; and of one that fails.
#[track_caller]
fn runs_the_tests(project: Project, line: &str, path: &str) {
    run(&project, line, path)
        .exits(0)
        .says("Testing build-test")
        .says("0 failures, 0 errors.");
    let test = project.dir().join(".monkeyci/test/build_test.clj");
    let broken = std::fs::read_to_string(&test)
        .unwrap()
        .replace("published as me", "published as you");
    let project = project.file(".monkeyci/test/build_test.clj", &broken);
    run(&project, line, path)
        .exits(1)
        .says("1 failures, 0 errors.")
        .says("published as you");
}

fn path() -> String {
    std::env::var("PATH").unwrap()
}

#[test]
fn the_lines_for_debians_clojure_run_the_tests_of_the_page() {
    if !clojure_is_here("the_lines_for_debians_clojure_run_the_tests_of_the_page") {
        return;
    }
    for program in ["clojure -cp", "java -cp"] {
        runs_the_tests(project(), line_for(program), &path());
    }
}

#[test]
fn the_script_of_the_page_is_a_build() {
    if !clojure_is_here("the_script_of_the_page_is_a_build") {
        return;
    }
    let project = project()
        .file("app.js", "0123456789")
        .file("test.sh", "#!/bin/sh\necho tested\n");
    let program = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(project.dir().join("test.sh"), program).unwrap();
    let secrets = project.dir().join("../secrets.env");
    std::fs::write(&secrets, "npm-token=x\n").unwrap();
    let secrets = secrets.display().to_string();
    let args = ["--runner", "clj", "--param", "user=me", "--secrets-file"];
    project
        .build(&[&args[..], &[&secrets]].concat())
        .exits(0)
        .says("│ tested")
        .says("│ published as me");
    let ended = ["publish", "size", "test"].map(|id| status(id, "success"));
    assert_eq!(project.jobs(), ended);
}

#[test]
fn the_script_with_results_and_a_secret_is_a_build() {
    if !clojure_is_here("the_script_with_results_and_a_secret_is_a_build") {
        return;
    }
    let page = include_str!("../../assets/docs/scripts.md");
    let (_, section) = page.split_once("\n### Results and secrets\n").unwrap();
    let (_, begun) = section.split_once("```clojure\n").unwrap();
    let (script, _) = begun.split_once("\n```\n").unwrap();
    let project = Project::empty()
        .file(".monkeyci/build.clj", script)
        .file("app.js", "0123456789");
    let secrets = project.dir().join("../secrets.env");
    std::fs::write(&secrets, "npm-token=x\n").unwrap();
    let secrets = secrets.display().to_string();
    let args = ["--runner", "clj", "--secrets-file", &secrets];
    project
        .build(&args)
        .exits(0)
        .says("│ app.js: 10 bytes, before: never built")
        .says("│ published; stored so far: (size)");
    project
        .run(&["show", "last"])
        .exits(0)
        .says("result size (application/edn, 11 B, by size)");
    project
        .build(&args)
        .exits(0)
        .says("│ app.js: 10 bytes, before: 10");
}

/// As the official tool: the paths and local libraries of the alias and of `deps.edn`.
const TOOL: &str = r#"
[ "$1 $3" = "-Sdeps -M:script-test" ] || { echo "unexpected: $*"; exit 64; }
path=$(given=$2 java -cp "$jars" clojure.main -e "
  (let [given (clojure.edn/read-string (System/getenv \"given\"))
        alias (get-in given [:aliases :script-test])
        roots (map (comp :local/root val) (:extra-deps alias))]
    (println (apply str (interpose \":\"
      (concat (:extra-paths alias)
              (for [root roots
                    path (:paths (clojure.edn/read-string (slurp (str root \"/deps.edn\"))))]
                (str root \"/\" path)))))))")
exec java -cp "$jars:$path" clojure.main "$4" "$5"
"#;

#[test]
fn the_line_for_the_official_tool_names_a_library_that_it_can_use() {
    if !clojure_is_here("the_line_for_the_official_tool_names_a_library_that_it_can_use") {
        return;
    }
    stand_in(
        "the official Clojure tool, for unit tests of scripts",
        "its command line, run by Debian's Clojure",
    );
    let (project, _, path) = with_stand_in(project(), "clojure", TOOL);
    runs_the_tests(project, line_for("cd .monkeyci && clojure"), &path);
}

#[test]
fn the_line_for_babashka_names_a_class_path_that_it_can_use() {
    if !clojure_is_here("the_line_for_babashka_names_a_class_path_that_it_can_use") {
        return;
    }
    stand_in(
        "babashka, for unit tests of scripts",
        "its command line, run by Debian's Clojure",
    );
    let bb = r#"[ "$1" = -cp ] || { echo "unexpected: $*"; exit 64; }
exec java -cp "$jars:$2" clojure.main "$3" "$4""#;
    let (project, _, path) = with_stand_in(project(), "bb", bb);
    runs_the_tests(project, line_for("bb"), &path);
}

#[test]
fn the_library_is_written_where_it_is_said_to_be() {
    let project = Project::empty();
    let printed = |args: &[&str]| PathBuf::from(project.run(args).exits(0).out.trim_end());
    let root = printed(&["library", "root"]);
    let path = printed(&["library", "path"]);
    assert!(root.starts_with(project.home()), "{root:?}");
    assert_eq!(path, root.join("src"));
    assert_eq!(printed(&["library"]), path);
    assert!(path.join("monkey/ci/test.clj").is_file());
    assert!(root.join("deps.edn").is_file());
    // What somebody has removed is there again.
    std::fs::remove_dir_all(&root).unwrap();
    assert_eq!(printed(&["library", "path"]), path);
    assert!(path.join("monkey/ci/api.clj").is_file());
    project.run(&["library", "other"]).exits(2);
    let mut command = project.command(&["library", "path"]);
    command.env("MONKEYCI_TUI_HOME", project.home().join("a:b"));
    Running::start(command)
        .wait()
        .exits(2)
        .complains("has a colon");
}

#[test]
fn a_library_that_somebody_works_on_is_named_as_it_is() {
    let project = Project::empty();
    let mut command = project.command(&["library", "root"]);
    command.env("MONKEYCI_TUI_CLOJURE_LIBRARY", "own");
    let ran = Running::start(command).wait().exits(0);
    assert_eq!(
        PathBuf::from(ran.out.trim_end()),
        project.dir().canonicalize().unwrap().join("own")
    );
}
