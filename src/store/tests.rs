//! History, BUILD specs and recovery over real folders.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::*;
use crate::domain::{
    Build, BuildStatus, Event, EventKind, Job, JobId, JobStatus, Millis, Sid, TuiEvent,
};
use crate::edn::{Map, Value};
use crate::journal::Journal;

/// A home in a temporary folder.
struct Place {
    _dir: tempfile::TempDir,
    home: Home,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::under(dir.path());
    Place { _dir: dir, home }
}

impl Place {
    /// A build whose journal is open.
    fn begin(&self, repo: &str, build: &str, at: Millis) -> (Sid, Journal) {
        let sid = Sid::new("local", repo, build);
        let folder = self.home.build(&sid);
        folder.create().unwrap();
        let journal = Journal::create(&folder.journal, &sid).unwrap();
        let git = Value::map([
            ("branch", "main".into()),
            ("commit-id", "c0ffee".into()),
            ("message", "Fix it\n\nAll of it.".into()),
            ("dirty", Value::Bool(true)),
        ]);
        let map = |value| match value {
            Value::Map(map) => map,
            other => panic!("{other:?}"),
        };
        let build = map(Value::map([("git", git)]));
        let pending = Event {
            sid: Some(sid.clone()),
            ..Event::new(EventKind::BuildPending { build })
        };
        let jobs = ["build", "test", "deploy"].map(|id| Job::new(JobId::new(id)));
        let events = vec![
            pending,
            Event::new(EventKind::BuildStart),
            Event::new(EventKind::ScriptStart { jobs: jobs.into() }),
        ];
        journal.append(at, events).unwrap();
        (sid, journal)
    }

    /// A build that is over.
    fn record(&self, repo: &str, build: &str, at: Millis, status: BuildStatus) -> Sid {
        let (sid, journal) = self.begin(repo, build, at);
        let failed = status == BuildStatus::Error;
        let events = vec![
            of("build", EventKind::JobStart),
            of(
                "build",
                EventKind::CommandStart {
                    command: "0".into(),
                    stdout: None,
                    stderr: None,
                },
            ),
            ended(
                "build",
                if failed {
                    JobStatus::Failure
                } else {
                    JobStatus::Success
                },
            ),
            of("test", EventKind::JobSkipped),
            of("deploy", EventKind::JobSkipped),
            Event::new(EventKind::BuildEnd {
                status: Some(status),
                build: None,
            }),
        ];
        journal.append(at + 500, events).unwrap();
        sid
    }

    fn history(&self) -> History {
        History::new(&self.home)
    }

    fn found(&self, spec: &str) -> String {
        match self.history().find(&BuildSpec::parse(spec)) {
            Ok((sid, folder)) => {
                assert!(folder.journal.is_file());
                sid.to_string()
            }
            Err(error) => format!("! {error}"),
        }
    }
}

fn of(job: &str, kind: EventKind) -> Event {
    Event::of_job(&JobId::new(job), kind)
}

fn ended(job: &str, status: JobStatus) -> Event {
    of(
        job,
        EventKind::JobEnd {
            status: Some(status),
            result: Map::new(),
        },
    )
}

// ---------------------------------------------------------------- history

#[test]
fn without_a_build_the_history_is_empty() {
    let place = place();
    let listing = place.history().list(10);
    assert!(listing.items.is_empty() && listing.unreadable.is_empty());
    assert_eq!(place.found("last"), "! there is no recorded build yet");
    assert_eq!(
        place.found("last-failed"),
        "! there is no recorded build yet"
    );
    assert_eq!(place.found("x"), "! no recorded build is called \"x\"");
    assert!(recover_interrupted(&place.home, 1).closed.is_empty());
}

#[test]
fn the_history_tells_of_each_build_newest_first() {
    let place = place();
    place.record("app", "local-build-2000", 2000, BuildStatus::Error);
    place.record("app", "local-build-3000", 3000, BuildStatus::Success);
    place.record("lib", "local-build-1000", 1000, BuildStatus::Success);
    let (running, _journal) = place.begin("lib", "local-build-900", 4000);

    let listing = place.history().list(10);
    assert!(listing.unreadable.is_empty(), "{:?}", listing.unreadable);
    let ids: Vec<&str> = listing
        .items
        .iter()
        .map(|item| item.sid.build.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "local-build-900",
            "local-build-3000",
            "local-build-2000",
            "local-build-1000"
        ]
    );
    let now: Vec<Sid> = place
        .history()
        .running()
        .into_iter()
        .map(|(sid, _)| sid)
        .collect();
    assert_eq!(now, std::slice::from_ref(&running));
    let [newest, good, bad, _] = &listing.items[..] else {
        panic!("four builds");
    };
    assert_eq!(newest.sid, running);
    assert!(newest.running && !newest.is_cut_off());
    assert_eq!(newest.status, BuildStatus::Running);
    assert_eq!(newest.end, None);

    assert_eq!(good.status, BuildStatus::Success);
    assert!(!good.running && !good.interrupted);
    assert_eq!(
        (good.created, good.start, good.end),
        (Some(3000), Some(3000), Some(3500))
    );
    assert_eq!((good.jobs_total, good.jobs_failed), (3, 0));
    assert_eq!(good.branch.as_deref(), Some("main"));
    assert_eq!(good.commit.as_deref(), Some("c0ffee"));
    assert_eq!(good.commit_message.as_deref(), Some("Fix it"));
    assert!(good.dirty);

    assert_eq!(bad.status, BuildStatus::Error);
    assert_eq!((bad.jobs_total, bad.jobs_failed), (3, 1));

    assert_eq!(place.history().list(2).items.len(), 2);
    let lib = place.history().of_repo("local", "lib").list(10);
    assert_eq!(lib.items.len(), 2);
    assert!(lib.items.iter().all(|item| item.sid.repo == "lib"));
}

#[test]
fn a_broken_journal_hides_no_other_build() {
    let place = place();
    place.record("app", "good", 1, BuildStatus::Success);
    let bad = place.home.build(&Sid::new("local", "app", "bad"));
    bad.create().unwrap();
    fs::write(&bad.journal, "hello\n").unwrap();
    // Being created, or killed while it was.
    place
        .home
        .build(&Sid::new("local", "app", "none"))
        .create()
        .unwrap();
    // Nothing of ours.
    fs::write(place.home.builds().join("notes.txt"), "").unwrap();

    let listing = place.history().list(10);
    assert_eq!(listing.items.len(), 1);
    let [error] = &listing.unreadable[..] else {
        panic!("{:?}", listing.unreadable);
    };
    assert!(error.to_string().contains("bad"), "{error}");
    assert_eq!(recover_interrupted(&place.home, 9).problems.len(), 1);
}

#[test]
fn a_folder_of_builds_that_cannot_be_read_is_said() {
    let place = place();
    fs::create_dir_all(place.home.data()).unwrap();
    fs::write(place.home.builds(), "a file where a folder should be").unwrap();
    let listing = place.history().list(10);
    assert_eq!(listing.unreadable.len(), 1);
    assert_eq!(recover_interrupted(&place.home, 1).problems.len(), 1);
    assert!(
        place.found("last").starts_with("! "),
        "{}",
        place.found("last")
    );
}

#[test]
fn an_attempt_that_never_began_is_no_build_to_go_back_to() {
    let place = place();
    let refuse = |build: &str, at| {
        let sid = Sid::new("local", "app", build);
        let folder = place.home.build(&sid);
        folder.create().unwrap();
        let journal = Journal::create(&folder.journal, &sid).unwrap();
        let build = Map::default();
        let end = EventKind::BuildEnd {
            status: Some(BuildStatus::Error),
            build: None,
        };
        let events = [
            Event::new(EventKind::BuildPending { build }),
            Event::new(EventKind::Tui(TuiEvent::Warning)).with_message("w"),
            Event::new(end),
        ];
        journal.append(at, events.into()).unwrap();
    };
    let listed = |history: History| history.list(9).items.len();
    refuse("first", 1);
    assert_eq!(place.found("last"), "local/app/first", "there is no other");
    place.record("app", "real", 2, BuildStatus::Error);
    refuse("wrong", 3);
    for spec in ["last", "last-failed"] {
        assert_eq!(place.found(spec), "local/app/real");
    }
    assert_eq!(place.found("wrong"), "local/app/wrong");
    assert_eq!(listed(place.history()), 1);
    assert_eq!(listed(place.history().with_refused(true)), 3);
}

#[test]
fn skipping_details_changes_nothing_that_is_listed() {
    let place = place();
    let (sid, journal) = place.begin("app", "b", 10);
    let command = |index: &str| EventKind::CommandEnd {
        command: index.into(),
        exit: Some(1),
        stdout: None,
        stderr: None,
    };
    let kinds = vec![
        of(
            "late",
            EventKind::ContainerJobQueued {
                job: None,
                dek: None,
            },
        ),
        of(
            "late",
            EventKind::JobInitializing {
                local_dir: None,
                agent: None,
            },
        ),
        of("late", EventKind::ContainerPending),
        of("late", EventKind::JobStart),
        of("late", command("0")),
        of("late", EventKind::SidecarStart),
        Event::new(EventKind::Tui(TuiEvent::Warning)).with_message("w"),
        of("build", EventKind::JobStart),
        ended("build", JobStatus::Error),
        Event::new(EventKind::BuildEnd {
            status: None,
            build: None,
        })
        .with_message("why"),
    ];
    journal.append(20, kinds).unwrap();
    let item = HistoryItem::read(&place.home.build(&sid)).unwrap();
    let build = Build::fold(journal.events().iter().map(AsRef::as_ref));
    assert_eq!(item.status, build.status);
    assert_eq!(item.message, build.message);
    assert_eq!(item.jobs_total, build.jobs().len());
    assert_eq!(item.jobs_failed, build.failed_jobs().len());
    assert_eq!(
        (item.created, item.start, item.end),
        (build.created, build.start_time, build.end_time)
    );
    assert!(
        !item.running,
        "it has its end, whoever still holds the file"
    );
}

// ---------------------------------------------------------------- BUILD

#[test]
fn build_specs_name_builds() {
    let place = place();
    place.record("app", "local-build-1000", 1000, BuildStatus::Error);
    place.record("app", "local-build-1100", 1100, BuildStatus::Success);
    place.record("lib", "local-build-1100", 1101, BuildStatus::Canceled);
    place.record("lib", "local-build-2000", 1200, BuildStatus::Success);
    place.record("lib", "local-build-20001", 900, BuildStatus::Success);
    place.record("odd", "a/b", 100, BuildStatus::Success);

    let table = [
        ("last", "local/lib/local-build-2000"),
        ("last-failed", "local/app/local-build-1000"),
        ("local-build-1000", "local/app/local-build-1000"),
        ("local-build-10", "local/app/local-build-1000"),
        // Whole, though it is the beginning of another.
        ("local-build-2000", "local/lib/local-build-2000"),
        ("local-build-20001", "local/lib/local-build-20001"),
        ("local/app/local-build-1100", "local/app/local-build-1100"),
        ("local/app/local-build-11", "local/app/local-build-1100"),
        ("local/odd", "local/odd/a/b"),
        ("a/b", "local/odd/a/b"),
    ];
    for (spec, sid) in table {
        assert_eq!(place.found(spec), sid, "{spec}");
    }
    for unknown in [
        "",
        "local-build-3",
        "local/app/local-build-3",
        "nothing",
        "..",
        "LAST",
    ] {
        assert!(
            place.found(unknown).starts_with("! no recorded build"),
            "{unknown}"
        );
    }
    assert_eq!(
        place.found("local-build-1100"),
        "! \"local-build-1100\" names 2 builds:\n  local/lib/local-build-1100\n  local/app/local-build-1100"
    );
    assert!(place.found("local-build").contains("names 5 builds"));
    assert!(place.found("local/app/").contains("names 2 builds"));
    let app = place.history().of_repo("local", "app");
    let (sid, _) = app.find(&BuildSpec::parse("local-build-1100")).unwrap();
    assert_eq!(sid.repo, "app");
}

#[test]
fn a_recording_is_also_named_by_its_path() {
    let place = place();
    let sid = place.record("app", "b1", 1, BuildStatus::Success);
    let folder = place.home.build(&sid);
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("old.edn");
    fs::copy(&folder.journal, &copy).unwrap();
    for path in [&folder.dir, &folder.journal, &copy] {
        assert_eq!(place.found(path.to_str().unwrap()), "local/app/b1");
    }
    let (_, found) = place
        .history()
        .find(&BuildSpec::Named(copy.to_str().unwrap().to_owned()))
        .unwrap();
    assert_eq!(found.journal, copy);
    assert_eq!(found.logs, elsewhere.path().join("logs"));

    fs::write(&copy, "no journal\n").unwrap();
    assert!(
        place
            .found(copy.to_str().unwrap())
            .contains("is no journal")
    );
    assert!(place.found("/no/such/file").contains("there is no journal"));
    assert!(
        place
            .found("./no-such-file")
            .contains("there is no journal")
    );
    assert!(
        place
            .found(elsewhere.path().to_str().unwrap())
            .contains("there is no journal")
    );
}

#[test]
fn last_failed_wants_a_failure() {
    let place = place();
    place.record("app", "b1", 1, BuildStatus::Success);
    place.record("app", "b2", 2, BuildStatus::Canceled);
    assert_eq!(place.found("last-failed"), "! no recorded build has failed");
}

// ---------------------------------------------------------------- recovery

/// What a build that was killed has left: one job over, one at work, one not yet queued,
/// one blocked, and a half written line.
fn cut_off(place: &Place, canceled: bool) -> Sid {
    let (sid, journal) = place.begin("app", "cut", 1000);
    let mut events = vec![
        of("build", EventKind::JobStart),
        ended("build", JobStatus::Success),
        of("test", EventKind::JobQueued { job: None }),
        of("gate", EventKind::JobBlocked),
    ];
    if canceled {
        events.push(Event::new(EventKind::BuildCanceled));
    }
    journal.append(2000, events).unwrap();
    drop(journal);
    let folder = place.home.build(&sid);
    let mut text = fs::read_to_string(&folder.journal).unwrap();
    text.push_str("{:type :job/end, :job-id \"te");
    fs::write(&folder.journal, text).unwrap();
    touch(&folder.journal, 3000);
    fs::write(folder.logs.join("test.log"), "hello").unwrap();
    touch(&folder.logs.join("test.log"), 7000);
    sid
}

fn touch(path: &Path, at: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(at))
        .unwrap();
}

fn fold(place: &Place, sid: &Sid) -> Build {
    let journal = Journal::read(&place.home.build(sid).journal).unwrap();
    Build::fold(journal.events().iter().map(AsRef::as_ref))
}

#[test]
fn a_build_of_a_server_is_not_over_because_nobody_watches_it() {
    let place = place();
    let sid = Sid::new("acme@ci", "app", "build-7");
    let folder = place.home.build(&sid);
    fs::create_dir_all(&folder.dir).unwrap();
    let server = "ci".to_owned();
    let events = [
        EventKind::Tui(TuiEvent::Remote { server }),
        EventKind::BuildStart,
    ];
    Journal::create(&folder.journal, &sid)
        .unwrap()
        .append(7, events.map(Event::new).to_vec())
        .unwrap();
    let swept = recover_interrupted(&place.home, 90_000_000);
    assert!(swept.closed.is_empty() && swept.problems.is_empty());
    assert_eq!(fold(&place, &sid).status, BuildStatus::Running);
}

#[test]
fn an_interrupted_build_is_closed_with_all_that_was_open() {
    let place = place();
    let sid = cut_off(&place, false);
    let folder = place.home.build(&sid);
    let runtime = place.home.runtime(&sid).unwrap();
    runtime.create().unwrap();
    fs::write(runtime.watch_token(), "secret").unwrap();
    let before = HistoryItem::read(&folder).unwrap();
    assert!(before.is_cut_off());

    let swept = recover_interrupted(&place.home, 90_000_000);
    assert!(swept.problems.is_empty(), "{:?}", swept.problems);
    let [closed] = &swept.closed[..] else {
        panic!("{swept:?}");
    };
    assert_eq!((&closed.sid, closed.jobs), (&sid, 3));
    assert!(closed.recovery.torn_bytes > 0);
    assert!(!runtime.dir.exists(), "socket and token are gone");

    let build = fold(&place, &sid);
    assert_eq!(build.status, BuildStatus::Error);
    assert!(build.interrupted);
    assert!(build.message.as_ref().unwrap().starts_with("interrupted: "));
    assert_eq!(
        build.end_time,
        Some(7000),
        "when it was cut off, not when that was found"
    );
    let status = |id: &str| build.job(&JobId::new(id)).unwrap().status.clone();
    assert_eq!(status("build"), JobStatus::Success);
    assert_eq!(status("test"), JobStatus::Error);
    assert_eq!(status("deploy"), JobStatus::Skipped);
    assert_eq!(status("gate"), JobStatus::Skipped);
    let reason = build
        .job(&"test".into())
        .unwrap()
        .reason()
        .unwrap()
        .to_owned();
    assert!(reason.starts_with("interrupted: "), "{reason}");

    let journal = Journal::read(&folder.journal).unwrap();
    let closing = &journal.events()[7..];
    let types: Vec<&str> = closing.iter().map(|event| event.type_name()).collect();
    assert_eq!(
        types,
        [
            "tui/interrupted",
            "job/end",
            "job/skipped",
            "job/skipped",
            "build/end"
        ]
    );
    assert!(
        closing
            .iter()
            .all(|event| event.sid.as_ref() == Some(&sid) && event.src.is_some())
    );
    let item = HistoryItem::read(&folder).unwrap();
    assert!(item.interrupted && !item.is_cut_off());

    let again = recover_interrupted(&place.home, 90_000_001);
    assert!(again.closed.is_empty(), "once is enough");
    assert_eq!(
        Journal::read(&folder.journal).unwrap().events(),
        journal.events()
    );
}

#[test]
fn a_canceled_build_that_was_cut_off_is_canceled() {
    let place = place();
    let sid = cut_off(&place, true);
    recover_interrupted(&place.home, 90_000_000);
    let build = fold(&place, &sid);
    assert_eq!(build.status, BuildStatus::Canceled);
    assert_eq!(
        build.job(&"test".into()).unwrap().status,
        JobStatus::Canceled
    );
}

#[test]
fn recovery_leaves_running_and_finished_builds_alone() {
    let place = place();
    let over = place.record("app", "over", 1, BuildStatus::Success);
    let (sid, journal) = place.begin("app", "running", 2);
    let text = |sid: &Sid| fs::read_to_string(place.home.build(sid).journal).unwrap();
    let before = (text(&over), text(&sid));
    let swept = recover_interrupted(&place.home, 3);
    assert!(
        swept.closed.is_empty() && swept.problems.is_empty(),
        "{swept:?}"
    );
    assert_eq!((text(&over), text(&sid)), before);
    journal
        .append(4, vec![of("build", EventKind::JobStart)])
        .unwrap();
    drop(journal);
    assert_eq!(recover_interrupted(&place.home, 5).closed.len(), 1);
}

#[test]
fn two_recoveries_at_once_close_a_build_once() {
    let place = place();
    let sid = cut_off(&place, false);
    let closed: usize = std::thread::scope(|scope| {
        let sweeps: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| recover_interrupted(&place.home, 90_000_000).closed.len()))
            .collect();
        sweeps.into_iter().map(|sweep| sweep.join().unwrap()).sum()
    });
    assert_eq!(closed, 1);
    let journal = Journal::read(&place.home.build(&sid).journal).unwrap();
    let ends = journal
        .events()
        .iter()
        .filter(|event| event.type_name() == "build/end")
        .count();
    assert_eq!(ends, 1);
}

#[test]
fn a_journal_with_nothing_but_its_header_is_closed_too() {
    let place = place();
    let sid = Sid::new("local", "app", "early");
    let folder = place.home.build(&sid);
    folder.create().unwrap();
    drop(Journal::create(&folder.journal, &sid).unwrap());
    assert_eq!(recover_interrupted(&place.home, 5).closed.len(), 1);
    let build = fold(&place, &sid);
    assert_eq!(build.status, BuildStatus::Error);
    assert_eq!(build.sid, Some(sid));
}
