//! The history of builds: lists and their filters, and the index behind them.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::harness::{Project, Ran, Running, json_lines};

const YAML: &str = "- id: unit-tests\n  image: i\n  script: ['true']\n\
                    - id: deploy\n  image: i\n  script: ['test ! -e fail']\n  dependencies: [unit-tests]\n";

/// A project of which one build succeeds and the next one fails.
fn two_builds() -> Project {
    let project = Project::yaml(YAML);
    project.build(&[]).exits(0);
    let project = project.file("fail", "");
    project.build(&[]).exits(1);
    project
}

/// The sids of a list, newest first.
fn sids(project: &Project, args: &[&str]) -> Vec<String> {
    let mut all = vec!["list", "--json"];
    all.extend(args);
    let list = project.run(&all).exits(0);
    assert_eq!(list.err, "");
    let lines = json_lines(&list.out);
    lines
        .iter()
        .map(|line| line["sid"].as_str().unwrap().to_owned())
        .collect()
}

fn index(project: &Project) -> PathBuf {
    project.home().join("data/index.db")
}

#[test]
fn a_list_has_what_is_asked_for() {
    let project = two_builds();
    let all = sids(&project, &[]);
    let [bad, good] = &all[..] else {
        panic!("{all:?}")
    };
    let expected: [(&[&str], &[&String]); 14] = [
        (&["--status", "success"], &[good]),
        (&["--status", "failed"], &[bad]),
        (&["--status", "running"], &[]),
        (&["--job", "deploy"], &[bad, good]),
        (&["--job", "deploy", "--status", "failed"], &[bad]),
        (&["--job", "unit-tests", "--status", "failed"], &[]),
        (&["--since", "1h"], &[bad, good]),
        (&["--until", "1h"], &[]),
        (&["--until", "2001-01-01"], &[]),
        (&["--since", "2001-01-01T10:00:00Z"], &[bad, good]),
        (&["--text", "UNIT dep"], &[bad, good]),
        (&["--text", "nowhere"], &[]),
        (&["--branch", "main"], &[]),
        (&["-n", "1"], &[bad]),
    ];
    for (args, wanted) in expected {
        assert_eq!(
            sids(&project, args).iter().collect::<Vec<_>>(),
            wanted,
            "{args:?}"
        );
    }
    project
        .run(&["list", "--status", "fine"])
        .exits(2)
        .complains("success, failure");
    project
        .run(&["list", "--since", "soon"])
        .exits(2)
        .complains("2026-11-03");
    project
        .run(&["list", "--text", "nowhere"])
        .exits(0)
        .complains("no build is like that");
}

#[test]
fn what_was_recorded_is_in_the_index_before_anybody_lists_it() {
    let project = two_builds();
    let db = index(&project);
    assert!(db.is_file());
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&db).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    project
        .run(&["reindex"])
        .exits(0)
        .says("2 builds are in the index");
    fs::remove_file(&db).unwrap();
    assert_eq!(sids(&project, &[]).len(), 2);
}

#[test]
fn a_list_comes_whatever_is_wrong_with_the_index() {
    let project = two_builds();
    let all = sids(&project, &[]);
    fs::write(index(&project), "these are not the builds").unwrap();
    assert_eq!(sids(&project, &[]), all);
    fs::remove_file(index(&project)).unwrap();
    fs::create_dir(index(&project)).unwrap();
    project
        .run(&["list"])
        .exits(0)
        .says("success")
        .complains("builds are read from their folders, which takes longer")
        .complains("index.db is not a file");
    project
        .run(&["show", "last-failed"])
        .exits(0)
        .says("failure");
    project.build(&[]).exits(1).keeps_quiet_about("index");
    project
        .run(&["reindex"])
        .exits(2)
        .complains("index.db is not a file");
}

/// Many recordings, made of one.
fn with_many(project: &Project, count: usize) {
    let repos = fs::read_dir(project.home().join("data/builds/local")).unwrap();
    let repo = repos.flatten().next().unwrap().path();
    let build = fs::read_dir(&repo).unwrap().flatten().next().unwrap();
    let name = build.file_name().into_string().unwrap();
    let journal = fs::read_to_string(build.path().join("events.edn")).unwrap();
    for number in 0..count {
        let copy = format!("local-build-{number}");
        fs::create_dir(repo.join(&copy)).unwrap();
        fs::write(
            repo.join(&copy).join("events.edn"),
            journal.replace(&name, &copy),
        )
        .unwrap();
    }
}

#[test]
fn a_killed_reindex_leaves_an_index() {
    let project = Project::yaml(YAML);
    project.build(&[]).exits(0);
    with_many(&project, 300);
    let all = sids(&project, &["-n", "999"]);
    assert_eq!(all.len(), 301);
    let draft = project.home().join("data/index.db.new");
    let grown = |bytes: u64| fs::metadata(&draft).is_ok_and(|found| found.len() >= bytes);
    let is_new = {
        let inode = || {
            fs::metadata(index(&project))
                .map(|it| std::os::unix::fs::MetadataExt::ino(&it))
                .ok()
        };
        let before = inode();
        move || inode() != before
    };
    let moments: [&dyn Fn() -> bool; 4] = [&|| true, &|| grown(1), &|| grown(100_000), &is_new];
    for killed_when in moments {
        for _ in 0..3 {
            let mut reindex = Running::start(project.command(&["reindex"]));
            while !killed_when() && !reindex.is_over() {
                std::thread::yield_now();
            }
            reindex.signal(Signal::KILL);
            let _: Ran = reindex.wait();
            assert_eq!(sids(&project, &["-n", "999"]), all);
        }
    }
    project.run(&["reindex"]).exits(0).says("301 builds");
    assert!(!draft.exists());
}

#[test]
fn whenever_a_build_is_killed_the_index_says_what_its_journal_says() {
    let project = Project::yaml(YAML);
    // Some never come: then it is killed at its end, or just after that.
    for lines in (0..10).chain(6..14) {
        let mut build = project.start(&[]);
        build.until_lines(lines);
        build.signal(Signal::KILL);
        let _: Ran = build.wait();
        let kept = project
            .run(&["list", "--json", "--all", "-n", "99"])
            .exits(0);
        project.run(&["reindex"]).exits(0);
        let made = project
            .run(&["list", "--json", "--all", "-n", "99"])
            .exits(0);
        assert_eq!(kept.out, made.out);
        for line in json_lines(&kept.out) {
            assert_ne!(line["status"], "running", "{line}");
        }
    }
}
