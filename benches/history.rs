//! What a list of 100,000 builds costs. Goal: at most 50 ms for the whole of `monkeyci-tui list`.
//!
//! The recordings are made once, in `target/history-bench`: ten repositories of 10,000 builds, each with
//! five jobs, ten commands and the results of eight tests. Run with the release program:
//! `cargo bench --bench history`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use divan::Bencher;
use monkeyci_tui::domain::Sid;
use monkeyci_tui::store::{Filter, History, Home, Wanted, words};

const PROGRAM: &str = env!("CARGO_BIN_EXE_monkeyci-tui");
const REPOS: usize = 10;
const BUILDS: usize = 10_000;

fn main() {
    let home = home();
    make(&home);
    // So that the first of the measurements finds one.
    let listed = Home::under(&home);
    assert_eq!(History::new(&listed).list(20).items.len(), 20);
    divan::main();
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("..")
        .join("history-bench")
}

/// Makes the recordings, if they are not there.
fn make(root: &Path) {
    let done = root.join("made");
    if done.exists() {
        return;
    }
    // What a killed run has left.
    let _ = fs::remove_dir_all(root);
    let home = Home::under(root);
    let start = 1_700_000_000_000_i64;
    for repo in 0..REPOS {
        for build in 0..BUILDS {
            let number = build * REPOS + repo;
            let at = start + number as i64 * 60_000;
            let sid = Sid::new("local", format!("repo-{repo}"), format!("local-build-{at}"));
            let folder = home.build(&sid);
            folder.create().expect("a folder is made");
            fs::write(&folder.journal, journal(&sid, number, at)).expect("a journal is written");
            fs::write(folder.logs.join("test.log"), "all is well\n").expect("a log is written");
        }
    }
    fs::write(done, "").expect("a file is written");
}

const JOBS: [&str; 5] = ["checkout", "lint", "unit-tests", "package", "publish"];

fn journal(sid: &Sid, number: usize, at: i64) -> String {
    let parts = format!("[{:?} {:?} {:?}]", sid.org, sid.repo, sid.build);
    let branch = ["main", "work", "fix-the-parser"][number % 3];
    let (job_status, status) = if number.is_multiple_of(7) {
        (":failure", ":error")
    } else {
        (":success", ":success")
    };
    let mut lines = vec![
        format!("{{:type :tui/journal, :version 1, :sid {parts}}}"),
        format!(
            "{{:type :build/pending, :time {at}, :sid {parts}, :build {{:org-id {:?}, :repo-id {:?}, \
             :build-id {:?}, :source :cli, :git {{:branch {branch:?}, :commit-id \"{number:040x}\", \
             :message \"Change number {number} of the {branch} branch\"}}}}}}",
            sid.org, sid.repo, sid.build
        ),
        format!(
            "{{:type :build/initializing, :time {at}, :sid {parts}, :build {{:status :initializing}}}}"
        ),
        format!("{{:type :build/start, :time {at}, :sid {parts}}}"),
    ];
    let jobs: Vec<String> = (JOBS.iter())
        .map(|job| {
            format!("{{:id {job:?}, :type :container, :script [\"make {job}\" \"make check\"]}}")
        })
        .collect();
    let jobs = jobs.join(" ");
    lines.push(format!(
        "{{:type :script/start, :time {at}, :sid {parts}, :src :script, :jobs [{jobs}]}}"
    ));
    for (place, job) in JOBS.iter().enumerate() {
        let at = at + place as i64 * 1000;
        let end = at + 900 + (number % 100) as i64;
        let of = format!(":sid {parts}, :job-id {job:?}");
        for kind in [
            "job/queued",
            "container/job-queued",
            "job/initializing",
            "job/start",
        ] {
            lines.push(format!("{{:type :{kind}, :time {at}, {of}}}"));
        }
        for command in 0..2 {
            lines.push(format!(
                "{{:type :command/start, :time {at}, {of}, :command \"{command}\"}}"
            ));
            lines.push(format!(
                "{{:type :command/end, :time {end}, {of}, :command \"{command}\", :exit 0}}"
            ));
        }
        let tests: String = if *job == "unit-tests" {
            let cases: Vec<String> = (0..8)
                .map(|test| format!("{{:test-case \"test number {test} of the parser\", :class-name \"parser\", :time 0.0{test}}}"))
                .collect();
            format!(
                "{{:exit 0, :monkey.ci/tests [{{:name \"parser\", :tests \"8\", :test-cases [{}]}}]}}",
                cases.join(" ")
            )
        } else {
            "{:exit 0}".to_owned()
        };
        for kind in ["job/executed", "job/end"] {
            lines.push(format!(
                "{{:type :{kind}, :time {end}, {of}, :status {job_status}, :result {tests}}}"
            ));
        }
    }
    let end = at + 6000;
    lines.push(format!(
        "{{:type :build/end, :time {end}, :sid {parts}, :status {status}}}"
    ));
    lines.join("\n") + "\n"
}

/// The whole program.
fn list(bencher: Bencher, args: &[&str]) {
    bencher.bench_local(|| {
        let status = Command::new(PROGRAM)
            .arg("list")
            .args(args)
            .env("MONKEYCI_TUI_HOME", home())
            .stdout(Stdio::null())
            .status()
            .expect("the program starts");
        assert!(status.success());
    });
}

#[divan::bench]
fn list_the_newest(bencher: Bencher) {
    list(bencher, &[]);
}

#[divan::bench]
fn list_the_newest_of_a_repository(bencher: Bencher) {
    list(bencher, &["--repo", "repo-3"]);
}

#[divan::bench(sample_count = 20)]
fn list_all(bencher: Bencher) {
    list(bencher, &["-n", "1000000"]);
}

fn matching(bencher: Bencher, filter: &Filter) {
    let history = History::new(&Home::under(&home())).matching(filter.clone());
    bencher.bench_local(|| history.list(20));
}

#[divan::bench]
fn those_of_a_branch_that_failed(bencher: Bencher) {
    let filter = Filter {
        branch: Some("work".to_owned()),
        status: Wanted::parse("failed"),
        ..Filter::default()
    };
    matching(bencher, &filter);
}

#[divan::bench]
fn those_with_a_job_that_no_build_has(bencher: Bencher) {
    let filter = Filter {
        job: Some("deploy".into()),
        ..Filter::default()
    };
    matching(bencher, &filter);
}

#[divan::bench]
fn those_with_words_that_all_have(bencher: Bencher) {
    let filter = Filter {
        words: words("change parser").collect(),
        ..Filter::default()
    };
    matching(bencher, &filter);
}

#[divan::bench]
fn those_with_a_word_that_one_has(bencher: Bencher) {
    let filter = Filter {
        words: words("77777").collect(),
        ..Filter::default()
    };
    matching(bencher, &filter);
}

/// As it was before there was an index, and as it is where there can be none.
#[divan::bench(sample_count = 3)]
fn the_newest_from_the_folders(bencher: Bencher) {
    let history = History::new(&Home::under(&home()));
    bencher.bench_local(|| history.list_folders(20));
}

#[divan::bench(sample_count = 3)]
fn a_build_that_is_new(bencher: Bencher) {
    let home = Home::under(&home());
    let sid = Sid::new("local", "repo-0", "local-build-1");
    let folder = home.build(&sid);
    bencher
        .with_inputs(|| {
            let _ = fs::remove_dir_all(&folder.dir);
            History::note(&home, &sid);
            folder.create().expect("a folder is made");
            fs::write(&folder.journal, journal(&sid, 1, 1)).expect("a journal is written");
        })
        .bench_local_values(|()| History::new(&home).list(20));
    let _ = fs::remove_dir_all(&folder.dir);
    History::note(&home, &sid);
}

#[divan::bench(sample_count = 1)]
fn reindex(bencher: Bencher) {
    let home = Home::under(&home());
    bencher.bench_local(|| History::new(&home).reindex().expect("an index is made"));
}
