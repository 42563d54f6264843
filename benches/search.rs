//! What it costs to look for a text in all recorded logs, beside ripgrep on the same files (`rg`, if it is installed;
//! without its ignore files and with one pattern, as fast as it is).
//!
//! The recordings are made once, in `target/search-bench`: 3,000 builds with five logs of some 24 kB each, half of
//! their lines in colours, and one build with a log of 400 MB. Run with the release program:
//! `cargo bench --bench search`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use divan::Bencher;
use monkeyci_tui::domain::{BuildStatus, Event, EventKind, Job, JobId, Sid};
use monkeyci_tui::journal::Journal;
use monkeyci_tui::logs::{LogPaths, LogWriter, Stream};
use monkeyci_tui::store::{History, Home};

const PROGRAM: &str = env!("CARGO_BIN_EXE_monkeyci-tui");
const BUILDS: usize = 3000;
const JOBS: [&str; 5] = ["checkout", "lint", "unit-tests", "package", "publish"];
const LINES: usize = 300;
const LARGE_LINES: usize = 5_000_000;

fn main() {
    let home = home();
    make(&home);
    // So that the index is there.
    let listed = Home::under(&home);
    assert_eq!(History::new(&listed).list(20).items.len(), 20);
    divan::main();
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("..")
        .join("search-bench")
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
    for number in 0..BUILDS {
        let logs = JOBS.map(|job| (job, text(number, LINES)));
        record(&home, "app", number, &logs);
    }
    record(&home, "large", BUILDS, &[("large", text(0, LARGE_LINES))]);
    fs::write(done, "").expect("a file is written");
}

fn record(home: &Home, repo: &str, number: usize, logs: &[(&str, Vec<u8>)]) {
    let at = 1_700_000_000_000 + number as i64 * 60_000;
    let sid = Sid::new("local", repo, format!("local-build-{at}"));
    let folder = home.build(&sid);
    folder.create().expect("a folder is made");
    let journal = Journal::create(&folder.journal, &sid).expect("a journal is made");
    let jobs = logs
        .iter()
        .map(|(job, _)| Job::new(JobId::new(job)))
        .collect();
    let end = EventKind::BuildEnd {
        status: Some(BuildStatus::Success),
        build: None,
    };
    let events = vec![
        Event::new(EventKind::BuildStart),
        Event::new(EventKind::ScriptStart { jobs }),
        Event::new(end),
    ];
    journal.append(at, events).expect("events are written");
    for (job, text) in logs {
        let mut writer =
            LogWriter::create(LogPaths::new(&folder.logs, job)).expect("a log is made");
        for chunk in text.chunks(32 * 1024) {
            writer
                .append(at, Stream::Out, 0, chunk)
                .expect("a log is written");
        }
        writer.finish().expect("its index is written");
    }
}

/// What a compiler prints. In one build of a hundred a line has a needle.
fn text(number: usize, lines: usize) -> Vec<u8> {
    let mut text = Vec::new();
    for line in 0..lines {
        let unit = number * 31 + line;
        let line = match line % 2 {
            0 => format!(
                "\x1b[32m   Compiling\x1b[0m unit-{unit} v0.{}.{} (target/debug)\n",
                unit % 17,
                unit % 5
            ),
            _ if line == lines / 2 + 1 && number.is_multiple_of(100) => {
                "warning: a needle was found in the haystack of things to do\n".to_owned()
            }
            _ => format!(
                "   Running `target/debug/deps/unit_{unit}-3f2c1ab9d8e7f6a5` with some arguments\n"
            ),
        };
        text.extend_from_slice(line.as_bytes());
    }
    text
}

/// Runs a program to its end, and says how many lines it has printed.
fn lines_of(command: &mut Command) -> usize {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    memchr::memchr_iter(b'\n', &output.stdout).count()
}

fn ours(args: &[&str]) -> usize {
    lines_of(
        Command::new(PROGRAM)
            .arg("search")
            .args(args)
            .env("MONKEYCI_TUI_HOME", home()),
    )
}

fn ripgrep(repo: &str, args: &[&str]) -> usize {
    let logs = home().join("data/builds/local").join(repo);
    let mut command = Command::new("rg");
    command
        .args(["--no-config", "--no-ignore", "-n", "-g", "*.log"])
        .args(args)
        .arg(logs);
    lines_of(&mut command)
}

fn has_ripgrep() -> bool {
    let found = Command::new("rg")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

/// What is looked for: a name, arguments of ours, and of ripgrep.
const RARE: [&[&str]; 2] = [&["needle was found"], &["-i", "needle was found"]];
const EXACT: [&[&str]; 2] = [&["Needle was found"], &["Needle was found"]];
const REGEX: [&[&str]; 2] = [&[r"~needle\s+was \w+ in"], &["-i", r"needle\s+was \w+ in"]];
const COMMON: [&[&str]; 2] = [&["unit-7"], &["-i", "unit-7"]];

macro_rules! side_by_side {
    ($($ours:ident $theirs:ident $repo:literal $what:ident,)*) => {$(
        #[divan::bench(sample_count = 5, sample_size = 1)]
        fn $ours(bencher: Bencher) {
            let args = [$what[0], &["--repo", $repo]].concat();
            bencher.bench_local(|| ours(&args));
        }

        #[divan::bench(sample_count = 5, sample_size = 1)]
        fn $theirs(bencher: Bencher) {
            if has_ripgrep() {
                bencher.bench_local(|| ripgrep($repo, $what[1]));
            }
        }
    )*};
}

side_by_side! {
    many_rare many_rare_rg "app" RARE,
    many_exact many_exact_rg "app" EXACT,
    many_regex many_regex_rg "app" REGEX,
    many_common many_common_rg "app" COMMON,
    large_rare large_rare_rg "large" RARE,
    large_regex large_regex_rg "large" REGEX,
    large_common large_common_rg "large" COMMON,
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn many_first(bencher: Bencher) {
    bencher.bench_local(|| ours(&["needle was found", "--first", "--repo", "app"]));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn many_count(bencher: Bencher) {
    bencher.bench_local(|| ours(&["unit-7", "--count", "--repo", "app"]));
}
