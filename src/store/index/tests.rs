//! The index beside the folders it is of: kept while they change, made anew, damaged, wanted by many.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use rusqlite::types::Value as Sql;

use super::*;
use crate::domain::{
    BuildStatus, Event, EventKind, Job, JobId, JobStatus, Millis, Resources, TuiEvent,
};
use crate::edn::{self, Map, Value};
use crate::journal::Journal;
use crate::store::{History, Listing, Wanted};

const JOBS: [&str; 3] = ["lint", "test-all", "Ünit tests"];

/// A home in a temporary folder, and a clock for its folders.
struct Stage {
    dir: tempfile::TempDir,
    home: Home,
    ticks: u64,
    open: HashMap<Sid, Journal>,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            home: Home::under(dir.path()),
            dir,
            ticks: 0,
            open: HashMap::new(),
        }
    }

    /// Where a build is. Some were imported: they call themselves as one that is here, or as none.
    fn folder(&self, sid: &Sid) -> BuildFolder {
        match sid.build.strip_prefix("imported-") {
            Some(build) => {
                let claimed = Sid::new(&*sid.org, &*sid.repo, build);
                self.home.imported_build(&claimed)
            }
            None => self.home.build(sid),
        }
    }

    fn sid(repo: u8, build: u8) -> Sid {
        if let Some(build @ 1..) = build.checked_sub(3) {
            let build = format!("imported-build-x{}", build * 2);
            return Sid::new("local", format!("repo {repo}"), build);
        }
        Self::own(repo, build)
    }

    fn own(repo: u8, build: u8) -> Sid {
        Sid::new("local", format!("repo {repo}"), format!("build-x{build}"))
    }

    /// Appends to a build's journal, which is there from then on.
    fn append(&mut self, sid: &Sid, at: Millis, mut events: Vec<Event>) {
        let folder = self.folder(sid);
        let journal = self.open.entry(sid.clone()).or_insert_with(|| {
            folder.create().unwrap();
            if folder.journal.exists() {
                Journal::open(&folder.journal).unwrap().0
            } else {
                let build = sid.build.trim_start_matches("imported-");
                let sid = Sid::new(&*sid.org, &*sid.repo, build);
                Journal::create(&folder.journal, &sid).unwrap()
            }
        });
        // Some are refused before they begin. The others name their jobs before these do anything.
        if sid.build.ends_with('3') {
            events.retain(|event| event.job_id.is_none());
        } else if journal.is_empty() {
            events.insert(0, jobs_named());
        }
        journal.append(at, events).unwrap();
        self.tick();
    }

    fn close(&mut self, sid: &Sid) {
        self.open.remove(sid);
    }

    fn remove(&mut self, sid: &Sid) {
        self.open.remove(sid);
        let _ = fs::remove_dir_all(self.folder(sid).dir);
        self.tick();
    }

    /// Time goes on, long ago: the folders that were touched now were so then, each later than what
    /// was touched before.
    fn tick(&mut self) {
        self.ticks += 1;
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + self.ticks);
        let now = SystemTime::now() - Duration::from_hours(24 * 365);
        let trees = [self.home.builds(), self.home.imported()];
        let repos = trees.map(|tree| fs::read_dir(tree.join("local")));
        for repo in repos.into_iter().flatten().flatten().flatten() {
            if repo.metadata().unwrap().modified().unwrap() > now {
                File::open(repo.path()).unwrap().set_modified(then).unwrap();
            }
        }
    }

    fn history(&self) -> History {
        History::new(&self.home)
    }

    fn db(&self) -> PathBuf {
        self.home.data().join("index.db")
    }

    /// What the index has, with names in place of its own numbers.
    fn dump(&self) -> BTreeMap<String, Vec<String>> {
        let db = Connection::open(self.db()).unwrap();
        db.execute_batch(
            "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, words, instance)",
        )
        .unwrap();
        let all = |sql: &str| -> Vec<Vec<Sql>> {
            let mut statement = db.prepare(sql).unwrap();
            let columns = statement.column_count();
            let rows = statement.query_map([], |row| (0..columns).map(|i| row.get(i)).collect());
            rows.unwrap().map(Result::unwrap).collect()
        };
        let number = |value: &Sql| match value {
            Sql::Integer(number) => *number,
            other => panic!("{other:?}"),
        };
        let names: HashMap<i64, String> = all(
            "SELECT e.id, r.imported, r.repo, e.name FROM entries e JOIN repos r ON r.id = e.repo",
        )
        .into_iter()
        .map(|row| (number(&row[0]), format!("{:?}", &row[1..])))
        .collect();
        let mut dump = BTreeMap::new();
        for (table, build) in [
            ("SELECT id, settled, in_use FROM entries", 0),
            (
                "SELECT id, imported, place, org, repo, build, first, created, started, ended, status, interrupted, refused, branch, commit_id, commit_message, dirty, server, source, reason, jobs, failed, bytes, pinned FROM builds",
                0,
            ),
            ("SELECT * FROM jobs", 0),
            ("SELECT * FROM commands", 0),
            (
                "SELECT t.build, t.job, t.place, n.suite, n.class, n.name, t.status, t.duration, t.message FROM tests t JOIN test_names n ON n.id = t.test",
                0,
            ),
            ("SELECT * FROM blobs", 0),
            ("SELECT * FROM results", 0),
            ("SELECT doc, term FROM vocabulary", 0),
        ] {
            let mut rows: Vec<String> = all(table)
                .into_iter()
                .map(|row| format!("{} {:?}", names[&number(&row[build])], &row[1..]))
                .collect();
            rows.sort();
            dump.insert(table.to_owned(), rows);
        }
        dump
    }
}

fn jobs_named() -> Event {
    let jobs = JOBS.map(Job::new).into();
    event(None, EventKind::ScriptStart { jobs })
}

fn event(job: Option<&str>, kind: EventKind) -> Event {
    Event {
        job_id: job.map(JobId::new),
        ..Event::new(kind)
    }
}

fn map(text: &str) -> Map {
    match edn::read_str(text).unwrap() {
        Value::Map(map) => map,
        other => panic!("{other:?}"),
    }
}

fn ended(status: BuildStatus) -> Event {
    event(
        None,
        EventKind::BuildEnd {
            status: Some(status),
            build: None,
        },
    )
}

fn pending(branch: &str, message: &str) -> Event {
    let build = format!(
        r#"{{:git {{:branch "{branch}" :message "{message}" :commit-id "c0ffee{branch}"}}}}"#
    );
    event(None, EventKind::BuildPending { build: map(&build) })
}

/// Any event that means something to a list, and some that do not.
fn any_event() -> impl Strategy<Value = Event> {
    let job = prop::sample::select(JOBS.to_vec());
    let word = prop::sample::select(vec!["main", "fix-parser", "it's"]);
    let status = prop::sample::select(vec![
        JobStatus::Success,
        JobStatus::Failure,
        JobStatus::Error,
        JobStatus::Skipped,
    ]);
    let end = prop::sample::select(vec![
        BuildStatus::Success,
        BuildStatus::Error,
        BuildStatus::Canceled,
    ]);
    (0..19_u8, job, word, status, end, 0..3_u8).prop_map(|(kind, job, word, status, end, n)| {
        let size = u64::from(n) * 1000;
        let tests = format!(
            r#"{{:exit {n} :monkey.ci/tests [{{:name "s" :test-cases
                [{{:test-case "adds {word}" :time 0.{n}}} {{:test-case "fails" :failures [{{:message "m{n}"}}]}}]}}]}}"#
        );
        match kind {
            0 => pending(word, "Fix the parser\\n\\nfor good"),
            1 => event(None, EventKind::BuildStart),
            2 => event(
                None,
                EventKind::ScriptStart {
                    jobs: vec![Job {
                        script: vec![format!("echo {word}"), "true".to_owned()],
                        ..Job::new(job)
                    }],
                },
            ),
            3 => event(Some(job), EventKind::JobQueued { job: None }),
            4 => event(Some(job), EventKind::JobStart),
            5 => event(
                Some(job),
                EventKind::CommandStart {
                    command: n.to_string(),
                    stdout: None,
                    stderr: None,
                },
            ),
            6 => event(
                Some(job),
                EventKind::CommandEnd {
                    command: n.to_string(),
                    exit: Some(i64::from(n)),
                    stdout: None,
                    stderr: None,
                },
            ),
            7 => event(
                Some(job),
                EventKind::JobEnd {
                    status: Some(status),
                    result: map(&tests),
                },
            ),
            8 => event(Some(job), EventKind::JobSkipped),
            9 => ended(end).with_message(format!("because of {word}")),
            10 => event(None, EventKind::BuildCanceled),
            11 => event(None, EventKind::Tui(TuiEvent::Interrupted)),
            12 => event(
                Some(job),
                EventKind::Tui(TuiEvent::ArtifactSaved {
                    id: word.to_owned(),
                    path: "out".to_owned(),
                    size,
                }),
            ),
            13 => event(
                Some(job),
                EventKind::Tui(TuiEvent::Resources(Resources {
                    memory_peak: size,
                    cpu_ms: size,
                    ..Resources::default()
                })),
            ),
            14 => event(
                None,
                EventKind::Tui(TuiEvent::ResultSaved {
                    name: word.to_owned(),
                    media_type: "text/plain".to_owned(),
                    size,
                }),
            ),
            15 => event(
                None,
                EventKind::Tui(TuiEvent::Remote {
                    server: word.to_owned(),
                }),
            ),
            16 => event(Some(job), EventKind::Tui(TuiEvent::Attempt { attempt: 2 })),
            17 => event(None, EventKind::Tui(TuiEvent::Anew)),
            _ => event(
                Some(job),
                EventKind::Tui(TuiEvent::Reused {
                    build: word.to_owned(),
                }),
            ),
        }
    })
}

#[derive(Debug, Clone)]
enum Step {
    Append(u8, u8, Vec<Event>),
    Close(u8, u8),
    Remove(u8, u8),
    List,
    /// As by who records a build.
    Note(u8, u8),
}

fn any_step() -> impl Strategy<Value = Step> {
    let events = prop::collection::vec(any_event(), 1..8).prop_map(|events| {
        let named = |event: Event| {
            let is_anew = event.type_name() == "tui/anew";
            [Some(event), is_anew.then(jobs_named)]
        };
        events.into_iter().flat_map(named).flatten().collect()
    });
    prop_oneof![
        5 => (0..2_u8, 0..6_u8, events).prop_map(|(r, b, e)| Step::Append(r, b, e)),
        3 => (0..2_u8, 0..6_u8).prop_map(|(r, b)| Step::Close(r, b)),
        1 => (0..2_u8, 0..6_u8).prop_map(|(r, b)| Step::Remove(r, b)),
        3 => Just(Step::List),
        1 => (0..2_u8, 0..6_u8).prop_map(|(r, b)| Step::Note(r, b)),
    ]
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let maybe = |all: Vec<&'static str>| prop::option::of(prop::sample::select(all));
    (
        maybe(vec!["main", "it's", "none"]),
        maybe(vec![
            "success", "failed", "error", "running", "skipped", "failure",
        ]),
        prop::option::of(0..60_i64),
        prop::option::of(0..60_i64),
        maybe(vec!["lint", "test-all", "nope"]),
        maybe(vec![
            "pars",
            "fix",
            "c0ffee",
            "unit",
            "ünit",
            "tests fails",
            "build x1",
            "because",
        ]),
    )
        .prop_map(|(branch, status, since, until, job, text)| Filter {
            branch: branch.map(str::to_owned),
            status: status.and_then(Wanted::parse),
            since,
            until,
            job: job.map(JobId::new),
            words: text
                .map(|text| crate::store::words(text).collect())
                .unwrap_or_default(),
        })
}

/// What a list comes to, but for who reads the journal how far.
fn told(listing: Listing) -> Vec<HistoryItem> {
    assert!(listing.unreadable.is_empty(), "{:?}", listing.unreadable);
    assert!(
        listing.without_index.is_none(),
        "{:?}",
        listing.without_index
    );
    listing.items
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// However builds came, grew, ended and went: what was kept is what is made anew, and what the
    /// folders say.
    #[test]
    fn an_index_that_was_kept_is_one_that_is_made_anew(
        steps in prop::collection::vec(any_step(), 1..25),
        filters in prop::collection::vec(any_filter(), 1..6),
    ) {
        let mut stage = Stage::new();
        for (at, step) in (1..).zip(&steps) {
            match step {
                Step::Append(repo, build, events) => {
                    stage.append(&Stage::sid(*repo, *build), at, events.clone());
                }
                Step::Close(repo, build) => stage.close(&Stage::sid(*repo, *build)),
                Step::Remove(repo, build) => stage.remove(&Stage::sid(*repo, *build)),
                Step::List => drop(stage.history().list(3)),
                Step::Note(repo, build) => History::note(&stage.home, &Stage::sid(*repo, *build)),
            }
        }
        for filter in filters.into_iter().chain([Filter::default()]) {
            for refused_too in [false, true] {
                for history in [stage.history(), stage.history().of_repo("local", "repo 1")] {
                    let history = history.matching(filter.clone()).with_refused(refused_too);
                    prop_assert_eq!(told(history.list(5)), told(history.list_folders(5)));
                }
            }
        }
        if stage.home.builds().exists() || stage.home.imported().exists() {
            told(stage.history().list(1));
            let kept = stage.dump();
            stage.history().reindex().unwrap();
            let made = stage.dump();
            for (table, rows) in kept {
                prop_assert_eq!(&rows, &made[&table], "{}", table);
            }
        }
    }
}

#[test]
fn of_a_journal_that_begins_anew_only_the_new_build_is_listed() {
    let mut stage = Stage::new();
    let sid = Stage::sid(0, 1);
    let of_job = |kind| event(Some("lint"), kind);
    let end = EventKind::JobEnd {
        status: Some(JobStatus::Failure),
        result: map("{}"),
    };
    stage.append(&sid, 1, vec![of_job(EventKind::JobStart), of_job(end)]);
    let listed = || told(stage.history().list(9)).remove(0);
    assert_eq!(listed().jobs_failed, 1);
    let jobs = vec![Job::new("other")];
    let anew = [
        EventKind::Tui(TuiEvent::Anew),
        EventKind::BuildStart,
        EventKind::ScriptStart { jobs },
    ];
    stage.append(&sid, 2, anew.map(|kind| event(None, kind)).into());
    let listed = told(stage.history().list(9));
    assert_eq!((listed[0].jobs_total, listed[0].jobs_failed), (1, 0));
    assert_eq!(listed, told(stage.history().list_folders(9)));
}

#[test]
fn only_what_changed_is_read() {
    let mut stage = Stage::new();
    let [one, two] = [1, 2].map(|build| Stage::sid(0, build));
    for sid in [&one, &two] {
        stage.append(
            sid,
            1,
            vec![pending("main", "m"), event(None, EventKind::BuildStart)],
        );
    }
    stage.append(&one, 2, vec![ended(BuildStatus::Success)]);
    stage.close(&one);
    assert_eq!(told(stage.history().list(9)).len(), 2);

    // Whoever looks into one of these folders now finds something else.
    let statuses = || {
        let items = told(stage.history().list(9)).into_iter();
        items.map(|item| item.status).collect::<Vec<_>>()
    };
    // Behind the back of the index: of the same length and time.
    let journal = stage.home.build(&one).journal;
    let time = fs::metadata(&journal).unwrap().modified().unwrap();
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replace(":success", ":error  ")).unwrap();
    File::options()
        .write(true)
        .open(&journal)
        .unwrap()
        .set_modified(time)
        .unwrap();
    assert_eq!(statuses(), [BuildStatus::Running, BuildStatus::Success]);
    // One that shows is read again when it is listed.
    fs::write(&journal, text.replace(":success", ":error")).unwrap();
    assert_eq!(statuses(), [BuildStatus::Running, BuildStatus::Error]);
}

#[test]
fn a_folder_of_the_same_name_is_another_build() {
    let mut stage = Stage::new();
    let sid = Stage::sid(0, 1);
    stage.append(
        &sid,
        1,
        vec![pending("old", "m"), ended(BuildStatus::Success)],
    );
    stage.close(&sid);
    assert_eq!(
        told(stage.history().list(9))[0].branch.as_deref(),
        Some("old")
    );
    let folder = stage.home.build(&sid).dir;
    // Another inode for sure: the old one is still there.
    fs::rename(&folder, stage.dir.path().join("elsewhere")).unwrap();
    stage.append(
        &sid,
        5,
        vec![pending("new", "m"), ended(BuildStatus::Success)],
    );
    stage.close(&sid);
    assert_eq!(
        told(stage.history().list(9))[0].branch.as_deref(),
        Some("new")
    );
    fs::remove_dir_all(stage.home.builds().join("local")).unwrap();
    assert_eq!(told(stage.history().list(9)), []);
}

/// A home with a build, and its index.
fn indexed() -> Stage {
    let mut stage = Stage::new();
    for build in 0..50 {
        let sid = Stage::own(build % 3, build);
        let begun = [
            pending("main", &format!("message {build}")),
            event(None, EventKind::BuildStart),
            ended(BuildStatus::Success),
        ];
        stage.append(&sid, build.into(), begun.into());
        stage.close(&sid);
    }
    assert_eq!(told(stage.history().list(99)).len(), 50);
    assert!(stage.db().is_file());
    stage
}

/// Something that is done to the file of the index, and what it is called.
type Named = (&'static str, fn(&Path));

#[test]
fn what_makes_no_sense_is_made_anew() {
    let damages: [Named; 7] = [
        ("gone", |db| fs::remove_file(db).unwrap()),
        ("empty", |db| fs::write(db, "").unwrap()),
        ("text", |db| fs::write(db, "these are my notes").unwrap()),
        ("half", |db| {
            let file = File::options().write(true).open(db).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }),
        ("holes", |db| {
            let file = File::options().write(true).open(db).unwrap();
            for page in 1..file.metadata().unwrap().len() / 4096 {
                file.write_all_at(&[0xAB; 4096], page * 4096).unwrap();
            }
        }),
        ("of another version", |db| {
            Connection::open(db)
                .unwrap()
                .execute_batch("PRAGMA user_version = 999")
                .unwrap();
        }),
        ("without its tables", |db| {
            Connection::open(db)
                .unwrap()
                .execute_batch("DROP TABLE builds; DROP TABLE jobs")
                .unwrap();
        }),
    ];
    for (what, damage) in damages {
        let stage = indexed();
        damage(&stage.db());
        assert_eq!(told(stage.history().list(99)).len(), 50, "{what}");
        assert_eq!(
            told(stage.history().list(99)),
            told(stage.history().list_folders(99)),
            "{what}"
        );
    }
}

#[test]
fn where_there_can_be_no_index_the_folders_are_read() {
    let hindrances: [Named; 4] = [
        ("is not a file", |db| {
            fs::remove_file(db).unwrap();
            fs::create_dir(db).unwrap();
        }),
        ("is not a file", |db| {
            fs::remove_file(db).unwrap();
            rustix::fs::mkfifoat(rustix::fs::CWD, db, rustix::fs::Mode::RUSR).unwrap();
        }),
        ("the database of another program", |db| {
            let other = "PRAGMA application_id = 77; CREATE TABLE theirs (x)";
            Connection::open(db).unwrap().execute_batch(other).unwrap();
        }),
        ("cannot open", |db| {
            // As in a folder in which nothing can be created.
            let lock = db.with_extension("lock");
            fs::remove_file(&lock).unwrap();
            fs::create_dir(&lock).unwrap();
        }),
    ];
    for (why, hinder) in hindrances {
        let stage = indexed();
        hinder(&stage.db());
        let listing = stage.history().list(99);
        assert_eq!(listing.items.len(), 50, "{why}");
        let said = listing.without_index.expect(why).to_string();
        assert!(said.contains(why), "{said}");
        let spec = crate::store::BuildSpec::parse("last");
        let (last, _) = stage.history().find(&spec).unwrap();
        assert_eq!(last, Stage::own(49 % 3, 49));
        assert!(stage.history().reindex().is_err(), "{why}");
        assert!(stage.db().exists(), "{why}: it is not ours to remove");
    }
}

#[test]
fn who_reads_does_not_wait_for_who_writes() {
    let stage = indexed();
    let other = Connection::open(stage.db()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(told(stage.history().list(99)).len(), 50);
}

#[test]
fn many_may_list_while_builds_come_and_go() {
    let stage = indexed();
    let home = &stage.home;
    std::thread::scope(|scope| {
        for worker in 0..3_u8 {
            scope.spawn(move || {
                for number in 0..15 {
                    let sid = Sid::new("local", "repo 1", format!("of-{worker}-{number}"));
                    let folder = home.build(&sid);
                    folder.create().unwrap();
                    let journal = Journal::create(&folder.journal, &sid).unwrap();
                    journal
                        .append(
                            5,
                            vec![
                                pending("b", "m"),
                                event(None, EventKind::BuildStart),
                                ended(BuildStatus::Success),
                            ],
                        )
                        .unwrap();
                    journal.close();
                    if number % 3 == 0 {
                        fs::remove_dir_all(&folder.dir).unwrap();
                    }
                    History::note(home, &sid);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..5 {
                History::new(home).reindex().unwrap();
            }
        });
        for _ in 0..20 {
            let listing = History::new(home).list(10);
            assert_eq!(listing.items.len(), 10);
        }
    });
    assert_eq!(told(stage.history().list(999)).len(), 50 + 3 * 10);
    assert_eq!(
        told(stage.history().list(999)),
        told(stage.history().list_folders(999))
    );
}

#[test]
fn a_search_takes_words_and_nothing_else() {
    let stage = indexed();
    for text in [
        "\"",
        "AND",
        "message OR nope",
        "NEAR(a b)",
        "text:x",
        "*",
        "-",
        "'; DROP TABLE builds",
    ] {
        let filter = Filter {
            words: crate::store::words(text).collect(),
            ..Filter::default()
        };
        let history = stage.history().matching(filter);
        assert_eq!(
            told(history.list(99)),
            told(history.list_folders(99)),
            "{text}"
        );
    }
    assert_eq!(told(stage.history().list(99)).len(), 50);
}
