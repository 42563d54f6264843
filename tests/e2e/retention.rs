//! What of the recorded builds is kept: `gc`, `pin`, and what goes by itself.

use std::path::{Path, PathBuf};

use crate::harness::{Project, json_lines};

const YAML: &str = "- id: a\n  image: i\n  script: ['test ! -e fail', 'echo out >out', 'mkdir -p kept; echo x >kept/x']\n\
                    \x20 saveArtifacts: [{id: out, path: out}]\n\
                    \x20 caches: [{id: kept, path: kept}]\n";

/// The ids of the builds that are kept, newest first.
fn builds(project: &Project) -> Vec<String> {
    let list = project
        .run(&["list", "--json", "--all", "-n", "99"])
        .exits(0);
    let lines = json_lines(&list.out).into_iter();
    let id = |line: serde_json::Value| {
        line["sid"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned()
    };
    lines.map(id).collect()
}

/// All files below a folder of the data folder.
fn files(project: &Project, folder: &str) -> Vec<PathBuf> {
    fn collect(dir: &Path, all: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                collect(&entry.path(), all);
            } else {
                all.push(entry.path());
            }
        }
    }
    let mut all = Vec::new();
    collect(&project.home().join("data").join(folder), &mut all);
    all
}

/// A project whose first builds have succeeded and whose last ones fail.
fn built(good: usize, bad: usize) -> Project {
    let project = Project::yaml(YAML);
    for _ in 0..good {
        project.build(&[]).exits(0);
    }
    let project = project.file("fail", "");
    for _ in 0..bad {
        project.build(&[]).exits(1);
    }
    project
}

#[test]
fn what_is_asked_for_goes_and_nothing_else() {
    let project = built(3, 2);
    let all = builds(&project);
    assert_eq!(all.len(), 5);
    project
        .run(&["gc"])
        .exits(2)
        .complains("nothing says which builds may go")
        .complains("--keep N");
    project
        .run(&["gc", "--max-size", "5"])
        .exits(2)
        .complains("500MB");
    project
        .run(&["pin", &all[4], "--why", "the first"])
        .exits(0)
        .says("is kept until it is unpinned");

    let dry = project.run(&["gc", "--keep", "1", "--dry-run"]).exits(0);
    let dry = dry
        .says("would remove 2 builds")
        .says("kept 1: pinned")
        .says("kept 1: the last of a branch");
    assert_eq!(builds(&project), all);
    let gone = project.run(&["gc", "--keep", "1"]).exits(0);
    assert_eq!(gone.out, dry.out.replace("would remove", "removed"));
    // The newest, the last that succeeded, and the one that is pinned.
    assert_eq!(
        builds(&project),
        [&all[0], &all[2], &all[4]].map(String::clone)
    );
    assert_eq!(files(&project, "blobs/artifacts").len(), 2);
    assert_eq!(files(&project, "blobs/caches").len(), 1);
    project
        .run(&["show", &all[3]])
        .exits(2)
        .complains("no recorded build is called");

    // The index is made of what the folders say: the pin too.
    project.run(&["reindex"]).exits(0);
    project.run(&["list"]).exits(0).says("· pinned");
    project
        .run(&["show", &all[4]])
        .exits(0)
        .says("pinned: the first");
    project
        .run(&["unpin", &all[4]])
        .exits(0)
        .says("not pinned any more");
    project
        .run(&["gc", "--keep", "0", "--last-green"])
        .exits(0)
        .says("removed 3 builds");
    assert_eq!(builds(&project), Vec::<String>::new());
    assert_eq!(files(&project, "blobs/artifacts"), Vec::<PathBuf>::new());
    assert_eq!(files(&project, "builds"), Vec::<PathBuf>::new());
    project
        .run(&["gc", "--caches"])
        .exits(0)
        .says("removed the caches of local/");
    assert_eq!(files(&project, "blobs"), Vec::<PathBuf>::new());
    project
        .run(&["gc", "--keep", "0"])
        .exits(0)
        .says("nothing to remove");
}

#[test]
fn ages_and_sizes_are_limits_too() {
    let project = built(0, 4);
    let all = builds(&project);
    project
        .run(&["gc", "--older-than", "1h"])
        .exits(0)
        .says("nothing to remove");
    project
        .run(&["gc", "--max-size", "1GB"])
        .exits(0)
        .says("nothing to remove");
    project
        .run(&["gc", "--max-size", "0KB", "--keep", "3"])
        .exits(0)
        .says("removed 1 build:");
    assert_eq!(builds(&project), all[..3]);
    project
        .run(&["gc", "--older-than", "0s", "--repo", "nobody"])
        .exits(0);
    assert_eq!(builds(&project), all[..3]);
    project.run(&["gc", "--older-than", "0s"]).exits(0);
    assert_eq!(builds(&project), Vec::<String>::new());
}

#[test]
fn a_build_that_runs_is_never_removed() {
    let project = Project::empty();
    let go = project.dir().join("go");
    let wait = format!("while [ ! -e \"{}\" ]; do sleep 0.05; done", go.display());
    let yaml = format!("- id: a\n  image: i\n  script: ['echo early', '{wait}', 'exit 4']\n");
    let project = project.file(".monkeyci/build.yaml", &yaml);
    let mut build = project.start(&[]);
    build.until("early");
    for _ in 0..2 {
        project
            .run(&["gc", "--keep", "0", "--last-green"])
            .exits(0)
            .says("nothing to remove")
            .says("kept 1: running");
    }
    std::fs::write(&go, "").unwrap();
    build.wait().exits(1).says("early");
    assert_eq!(builds(&project).len(), 1);
    project
        .run(&["logs", "last", "--strip"])
        .exits(0)
        .says("early");
    project
        .run(&["gc", "--keep", "0"])
        .exits(0)
        .says("removed 1 build:");
}

#[test]
fn older_builds_go_by_themselves_where_that_is_configured() {
    let project = built(1, 3);
    let all = builds(&project);
    let config = project.home().join("config");
    std::fs::create_dir_all(&config).unwrap();
    let write = |text: &str| std::fs::write(config.join("config.toml"), text).unwrap();
    write("[retention]\nkeep = 2\n");
    project.run(&["pin", &all[2]]).exits(0);
    project.build(&[]).exits(1);
    let kept = builds(&project);
    // Two of the newest, the one that is pinned, and the last that succeeded.
    assert_eq!(kept.len(), 4);
    assert_eq!(kept[1..], [&all[0], &all[2], &all[3]].map(String::clone));
    // As configured, by hand.
    write("[retention]\nkeep = 2\n[retention.repos.other]\nkeep-all = true\n");
    project.run(&["gc"]).exits(0).says("nothing to remove");
    write("[retention]\nkeep = 0\n");
    project.build(&[]).exits(2).says("retention.keep is 0");
    project
        .run(&["gc"])
        .exits(2)
        .complains("retention.keep is 0");
}

#[test]
fn gc_that_is_killed_leaves_builds_or_none() {
    use rustix::process::Signal;

    let project = built(0, 12);
    let mut gc = crate::harness::Running::start(project.command(&["gc", "--keep", "2"]));
    gc.until_lines(3).signal(Signal::KILL);
    gc.wait();
    let left = builds(&project);
    assert!((2..=9).contains(&left.len()), "{left:?}");
    for build in &left {
        project.run(&["show", build]).exits(0).says("failure");
    }
    project.run(&["gc", "--keep", "2"]).exits(0);
    assert_eq!(builds(&project), left[..2]);
    assert_eq!(
        files(&project, "builds")
            .iter()
            .filter(|file| file.ends_with("events.edn"))
            .count(),
        2
    );
    assert_eq!(files(&project, "builds/.incoming"), Vec::<PathBuf>::new());
}
