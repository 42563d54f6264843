//! A program that is killed at any moment, again and again: nothing that was told is lost.

use std::collections::HashSet;

use monkeyci_tui::domain::{Build, LogId, file_name};
use monkeyci_tui::journal::Journal;
use monkeyci_tui::logs::{LogPaths, LogReader, strip};
use rustix::process::Signal;

use crate::harness::{Project, json_lines};

const ROUNDS: usize = 200;

/// Numbers below a limit, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }
}

/// Jobs that write, store and hand on, for a fifth of a second or so.
fn project() -> Project {
    let job = |number: usize| {
        let needs = match number.checked_sub(2) {
            Some(before) => format!("[job{before}]"),
            None => "[]".to_owned(),
        };
        format!(
            "- id: job{number}\n  image: i\n  dependencies: {needs}\n  \
             script: ['seq -f \"job{number} line %g\" 20; sleep 0.01', 'mkdir -p out; seq 9 > out/x; echo job{number} more']\n  \
             save-artifacts: [{{id: out{number}, path: out}}]\n"
        )
    };
    Project::yaml(&(0..6).map(job).collect::<String>())
}

#[test]
fn killed_at_two_hundred_moments_the_recordings_hold_all_that_was_told() {
    let project = project();
    let mut numbers = Numbers(7);
    let mut seen_builds: HashSet<String> = HashSet::new();
    let mut last: Option<Build> = None;
    for round in 0..ROUNDS {
        let json = round % 2 == 0;
        let how = if json { "--json" } else { "--plain" };
        let args = ["build", "--executor", "host", "-j", "2", how];
        let mut build = crate::harness::Running::start(project.command(&args));
        let lines = numbers.below(if json { 75 } else { 170 });
        build.until_lines(lines);
        build.signal(Signal::KILL);
        let told = build.wait().out;

        // What was told is in the journal, or in the log.
        let newest = newest(&project, &seen_builds);
        let Some(sid) = newest else {
            assert!(
                !told.contains("started") && !told.contains("build/start"),
                "{told}"
            );
            continue;
        };
        seen_builds.insert(sid.clone());
        let folder = project.home().join("data/builds").join(&sid);
        let journal = Journal::read(&folder.join("events.edn")).unwrap();
        let events = journal.events();
        let killed = Build::fold(events.iter().map(|event| &**event));
        if json {
            for event in whole_lines(&told).flat_map(json_lines) {
                let seq = event["seq"].as_u64().unwrap();
                let kept = &events[usize::try_from(seq).unwrap() - 1];
                assert_eq!(event["type"], kept.type_name(), "event {seq} of {sid}");
            }
        } else {
            for line in whole_lines(&told) {
                let Some((head, text)) = line.split_once("│ ") else {
                    continue;
                };
                let job = head.split_whitespace().nth(1).unwrap();
                assert!(
                    log_of(&folder, job).iter().any(|kept| kept == text),
                    "{text:?} of {job} in {sid}"
                );
            }
        }
        // The build before was put right when this one began.
        if let Some(before) = last.replace(killed)
            && !before.is_over()
        {
            let sid = before.sid.as_ref().unwrap();
            let path = ["data/builds", &sid.org, &sid.repo, &sid.build]
                .iter()
                .collect::<std::path::PathBuf>();
            let journal = Journal::read(&project.home().join(path).join("events.edn")).unwrap();
            let closed = Build::fold(journal.events().iter().map(|event| &**event));
            assert!(
                closed.is_over() && closed.interrupted,
                "{sid} in round {round}"
            );
        }
    }
    // The history knows them all, and none goes on.
    let list = project
        .run(&["list", "--all", "--json", "-n", "1000"])
        .exits(0);
    let listed = json_lines(&list.out);
    let sids: HashSet<String> = listed
        .iter()
        .map(|item| item["sid"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(sids, seen_builds);
    for item in &listed {
        assert!(
            item["status"] == "error" || item["status"] == "success",
            "{item}"
        );
    }
    assert!(seen_builds.len() > ROUNDS / 2, "{}", seen_builds.len());
}

/// The build that was not there before.
fn newest(project: &Project, known: &HashSet<String>) -> Option<String> {
    let local = project.home().join("data/builds/local");
    let repo = std::fs::read_dir(local).ok()?.next()?.unwrap();
    let names = std::fs::read_dir(repo.path())
        .unwrap()
        .map(|entry| entry.unwrap());
    names
        .filter(|entry| entry.path().join("events.edn").is_file())
        .map(|entry| {
            format!(
                "local/{}/{}",
                repo.file_name().to_str().unwrap(),
                entry.file_name().to_str().unwrap()
            )
        })
        .find(|sid| !known.contains(sid))
}

/// The lines that were written to their ends.
fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    text[..whole].lines()
}

fn log_of(folder: &std::path::Path, job: &str) -> Vec<String> {
    let stem = LogId::Job(job.into()).stem();
    assert_eq!(stem, file_name(job));
    let reader = LogReader::open(LogPaths::new(&folder.join("logs"), &stem)).unwrap();
    (0..reader.line_count())
        .map(|line| strip(&reader.read_line(line, usize::MAX).unwrap()))
        .collect()
}
