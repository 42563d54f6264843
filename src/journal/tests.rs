use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::file::{Disk, JournalFile};
use super::*;
use crate::domain::{BuildStatus, Event, EventKind, JobId, Millis, Seq, Sid, TuiEvent};
use crate::edn::{Map, Value};

fn sid() -> Sid {
    Sid::new("local", "app", "b \"1\"")
}

/// An event that can be told from all others.
fn event(number: usize) -> Event {
    Event::of_job(&JobId::new(format!("job {number}\né")), EventKind::JobStart)
        .with_message(format!("number {number}"))
}

fn events(numbers: std::ops::Range<usize>) -> Vec<Event> {
    numbers.map(event).collect()
}

fn messages(events: &[Arc<Event>]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event.message.as_deref().unwrap_or("-"))
        .collect()
}

/// A journal file with some events, closed.
fn recorded(count: usize) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.edn");
    let journal = Journal::create(&path, &sid()).unwrap();
    journal.append(5, events(0..count)).unwrap();
    journal.close();
    (dir, path)
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("it has to happen soon")
}

/// Reads to the end of a closed journal.
async fn drain(mut cursor: Cursor) -> Vec<Arc<Event>> {
    let mut seen = Vec::new();
    while let Some(batch) = soon(cursor.next()).await {
        assert!(!batch.is_empty() && batch.len() <= 1024);
        seen.extend(batch);
    }
    seen
}

#[test]
fn events_are_numbered_from_one_and_stamped_when_they_have_no_time() {
    let journal = Journal::in_memory(sid());
    let mut timed = event(0);
    timed.time = Some(3);
    let first = journal.append(9, vec![timed, event(1)]).unwrap();
    let second = journal.append(10, vec![event(2)]).unwrap();
    let seen: Vec<(Seq, Option<Millis>)> = first
        .iter()
        .chain(&second)
        .map(|event| (event.seq, event.time))
        .collect();
    assert_eq!(seen, [(1, Some(3)), (2, Some(9)), (3, Some(10))]);
    assert_eq!(journal.last_seq(), 3);
    assert_eq!(journal.events().len(), 3);
}

#[test]
fn what_was_appended_is_in_the_file_before_append_returns() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.edn");
    let journal = Journal::create(&path, &sid()).unwrap();
    for round in 0..5 {
        let appended = journal.append(round, events(0..7)).unwrap();
        let read = Journal::read(&path).unwrap();
        assert_eq!(read.sid(), &sid());
        assert_eq!(read.events().last(), appended.last());
        assert_eq!(read.events(), journal.events());
    }
    journal.sync().unwrap();
}

#[test]
fn a_journal_is_for_its_owner_only_and_leaves_no_draft() {
    let (dir, path) = recorded(1);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn the_file_begins_with_a_header_and_has_an_event_a_line_without_numbers() {
    let (_dir, path) = recorded(3);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("{:type :tui/journal"), "{text}");
    assert!(lines[0].contains(":version 1"), "{text}");
    assert!(lines[1].starts_with("{:type :job/start"), "{text}");
    assert!(!text.contains(":seq"), "{text}");
}

#[test]
fn a_journal_is_appended_to_where_it_ended() {
    let (_dir, path) = recorded(3);
    let (journal, recovery) = Journal::open(&path).unwrap();
    assert_eq!(recovery, Recovery::default());
    assert_eq!(recovery.sentence(), None);
    let more = journal.append(6, events(3..5)).unwrap();
    assert_eq!(more[0].seq, 4);
    let read = Journal::read(&path).unwrap();
    assert_eq!(read.events(), journal.events());
    assert_eq!(messages(&read.events())[4], "number 4");
}

#[test]
fn unknown_types_and_keys_come_back_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.edn");
    let journal = Journal::create(&path, &sid()).unwrap();
    let mut odd = Event::new(EventKind::Other("new/thing".into()));
    odd.extra.insert(
        Value::kw("a.b/c"),
        Value::Vector(vec![Value::Nil, "x".into()]),
    );
    let mut result = Map::new();
    result.insert("text".into(), Value::Float(1.5));
    let ended = Event::of_job(
        &"j".into(),
        EventKind::JobEnd {
            status: None,
            result,
        },
    );
    let gap = Event::new(EventKind::Tui(TuiEvent::Gap)).with_message("a\nb");
    journal.append(1, vec![odd, ended, gap]).unwrap();
    assert_eq!(Journal::read(&path).unwrap().events(), journal.events());
}

#[test]
fn a_torn_tail_is_cut_wherever_it_was_torn() {
    let (_dir, path) = recorded(4);
    let whole = fs::read(&path).unwrap();
    let end = |lines: usize| {
        let mut ends = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        ends.nth(lines).unwrap().0 + 1
    };
    let (third, fourth) = (end(3), end(4));
    assert_eq!(fourth, whole.len());
    for cut in third..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let read = Journal::read(&path).unwrap();
        assert_eq!(read.len(), 3, "cut at {cut}");
        assert_eq!(
            fs::read(&path).unwrap().len(),
            cut,
            "reading changes nothing"
        );

        let (journal, recovery) = Journal::open(&path).unwrap();
        assert_eq!(journal.len(), 3, "cut at {cut}");
        assert_eq!(recovery.torn_bytes, (cut - third) as u64);
        assert_eq!(recovery.sentence().is_some(), cut > third);
        let again = journal.append(5, vec![event(3)]).unwrap();
        assert_eq!(again[0].seq, 4);
        journal.close();
        assert_eq!(fs::read(&path).unwrap(), whole, "cut at {cut}");
    }
}

#[test]
fn a_last_line_of_rubbish_is_cut_too() {
    for rubbish in [
        "{:type :job/end, :job-id \"a\n",
        "\0\0\0\0\n",
        "\n",
        "hello\n",
        "{}\n",
        "\u{FFFD}",
    ] {
        let (_dir, path) = recorded(2);
        let whole = fs::read(&path).unwrap();
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(rubbish.as_bytes()).unwrap();
        let (journal, recovery) = Journal::open(&path).unwrap();
        assert_eq!(journal.len(), 2, "{rubbish:?}");
        assert_eq!(recovery.torn_bytes, rubbish.len() as u64, "{rubbish:?}");
        assert_eq!(fs::read(&path).unwrap(), whole, "{rubbish:?}");
    }
}

#[test]
fn an_unreadable_line_in_the_middle_is_kept_as_text() {
    let (_dir, path) = recorded(2);
    let good = fs::read(&path).unwrap();
    let last_line = good[..good.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;
    let mut bad = good[..last_line].to_vec();
    bad.extend_from_slice(b"{:type :job/en \xFF\n");
    bad.extend_from_slice(&good[last_line..]);
    fs::write(&path, &bad).unwrap();

    let (journal, recovery) = Journal::open(&path).unwrap();
    assert_eq!(
        recovery,
        Recovery {
            torn_bytes: 0,
            unreadable: 1
        }
    );
    assert!(recovery.sentence().unwrap().contains("kept"));
    let events = journal.events();
    assert_eq!(
        messages(&[events[0].clone(), events[2].clone()]),
        ["number 0", "number 1"]
    );
    assert_eq!(events[1].type_name(), UNREADABLE);
    assert_eq!((events[1].seq, events[1].time), (2, Some(5)));
    let text = events[1]
        .extra
        .get_kw("text")
        .and_then(Value::as_str)
        .unwrap();
    assert!(text.starts_with("{:type :job/en"), "{text}");
    assert!(events[1].message.as_ref().unwrap().starts_with("line 3 "));
    assert_eq!(fs::read(&path).unwrap(), bad, "the file keeps it as it is");
}

#[test]
fn what_is_no_journal_is_refused_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.edn");
    let header = "{:type :tui/journal, :version 1, :sid [\"a\" \"b\" \"c\"]}\n";
    let newer = header.replace(":version 1", ":version 2");
    let cases: [(&[u8], &str); 9] = [
        (b"", "is empty"),
        (&header.as_bytes()[..20], "its first line has no end"),
        (b"hello\n", "does not begin with a journal's header"),
        (b"\xFF\xFE\n", "does not begin with a journal's header"),
        (
            b"{:type :job/end}\n",
            "does not begin with a journal's header",
        ),
        (b"{:type :tui/journal}\n", "has no version"),
        (b"{:type :tui/journal, :version 0}\n", "has no version"),
        (
            b"{:type :tui/journal, :version 1, :sid [\"a\"]}\n",
            "names no build",
        ),
        (newer.as_bytes(), "written in version 2"),
    ];
    for (content, said) in cases {
        fs::write(&path, content).unwrap();
        let errors = [
            Journal::open(&path).unwrap_err(),
            Journal::read(&path).unwrap_err(),
            peek(&path).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains(said), "{said}: {error}");
        }
        assert_eq!(fs::read(&path).unwrap(), content, "nothing is touched");
    }
    let missing = Journal::read(&dir.path().join("nothing")).unwrap_err();
    assert!(matches!(missing, JournalError::Missing(_)), "{missing}");
    let folder = Journal::read(dir.path()).unwrap_err();
    assert!(folder.to_string().contains("it is no file"), "{folder}");
    let device = Journal::read(Path::new("/dev/zero")).unwrap_err();
    assert!(device.to_string().contains("it is no file"), "{device}");
}

#[test]
fn a_long_first_line_is_not_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    // Sparse: it has this length without taking the space.
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let error = Journal::read(&path).unwrap_err();
    assert!(matches!(error, JournalError::NotAJournal { .. }), "{error}");
}

#[test]
fn a_journal_has_one_writer() {
    let (_dir, path) = recorded(2);
    assert!(!is_in_use(&path));
    let (journal, _) = Journal::open(&path).unwrap();
    assert!(is_in_use(&path));
    let second = Journal::open(&path).unwrap_err();
    assert!(matches!(second, JournalError::InUse(_)), "{second}");
    let created = Journal::create(&path, &sid()).unwrap_err();
    assert!(matches!(created, JournalError::Exists(_)), "{created}");
    assert_eq!(
        Journal::read(&path).unwrap().len(),
        2,
        "readers do not mind"
    );

    let clone = journal.clone();
    drop(journal);
    assert!(Journal::open(&path).is_err(), "a clone still writes");
    clone.close();
    assert!(!is_in_use(&path));
    Journal::open(&path).unwrap();
}

#[test]
fn a_journal_that_is_being_created_is_never_seen_unlocked_or_without_header() {
    let dir = tempfile::tempdir().unwrap();
    let (done, dir) = (&AtomicU64::new(0), dir.path());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..200 {
                let journal = Journal::create(&dir.join(format!("{number}")), &sid()).unwrap();
                done.store(number, Ordering::Release);
                drop(journal);
            }
            done.store(u64::MAX, Ordering::Release);
        });
        let mut at = 0;
        while done.load(Ordering::Acquire) != u64::MAX || at < 200 {
            let path = dir.join(format!("{at}"));
            match Journal::open(&path) {
                Err(JournalError::Missing(_)) => {}
                Err(JournalError::InUse(_)) | Ok(_) => at += 1,
                Err(other) => panic!("{other}"),
            }
        }
    });
}

#[test]
fn a_reader_beside_a_writer_sees_whole_events_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.edn");
    let journal = Journal::create(&path, &sid()).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..300 {
                journal.append(1, events(round * 3..round * 3 + 3)).unwrap();
            }
        });
        let mut last = 0;
        while !writer.is_finished() {
            let read = Journal::read(&path).unwrap();
            assert!(read.len() >= last);
            last = read.len();
            for (place, event) in read.events().iter().enumerate() {
                assert_eq!(event.message, Some(format!("number {place}")));
            }
        }
    });
    assert_eq!(Journal::read(&path).unwrap().len(), 900);
}

#[test]
fn a_closed_journal_takes_no_more() {
    let (_dir, path) = recorded(1);
    let closed = Journal::open(&path).unwrap().0;
    closed.close();
    closed.close();
    let read = Journal::read(&path).unwrap();
    for journal in [closed, read] {
        assert!(journal.is_closed());
        assert_eq!(journal.len(), 1);
        let error = journal.append(1, vec![event(1)]).unwrap_err();
        assert!(matches!(error, JournalError::Closed(_)), "{error}");
        journal.sync().unwrap();
    }
    assert_eq!(Journal::read(&path).unwrap().len(), 1);
}

// ---------------------------------------------------------------- full disks

/// A file on a disk with room for so many bytes.
#[derive(Debug)]
struct SmallDisk {
    file: fs::File,
    room: AtomicU64,
    writes: AtomicU64,
}

impl Disk for SmallDisk {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let room = self.room.load(Ordering::Relaxed).saturating_sub(offset);
        let fits = bytes.len().min(usize::try_from(room).unwrap());
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Disk::write_at(&self.file, &bytes[..fits], offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

fn small_disk(path: &Path, room: u64) -> (JournalFile, Arc<SmallDisk>, u64) {
    let header = read::header(&sid());
    fs::write(path, &header).unwrap();
    let len = header.len() as u64;
    let disk = Arc::new(SmallDisk {
        file: fs::OpenOptions::new().write(true).open(path).unwrap(),
        room: AtomicU64::new(len + room),
        writes: AtomicU64::new(0),
    });
    (
        JournalFile::new(path, Arc::clone(&disk) as Arc<dyn Disk>, len),
        disk,
        len,
    )
}

/// A journal for which there is no room.
pub(crate) fn on_a_full_disk(path: &Path) -> Journal {
    Journal::with_file(sid(), small_disk(path, 0).0)
}

#[test]
fn on_a_full_disk_the_file_keeps_whole_lines_and_catches_up_later() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.edn");
    for room in 0..120 {
        let (file, disk, len) = small_disk(&path, room);
        let journal = Journal::with_file(sid(), file);
        let mut cursor = journal.cursor(0);

        let mut failures = 0;
        for round in 0..10 {
            failures += u64::from(journal.append(round, events(0..1)).is_err());
            let whole = fs::read(&path).unwrap();
            assert_eq!(whole.last(), Some(&b'\n'), "never half a line");
        }
        assert_eq!(failures, 1, "said once");
        assert!(journal.fault().is_some());
        assert!(
            journal.sync().is_err(),
            "what is not written cannot be flushed"
        );
        assert_eq!(
            cursor.try_next().unwrap().len(),
            10,
            "watchers miss nothing"
        );
        let written = Journal::read(&path).unwrap();
        assert!(written.len() < 2, "{}", written.len());

        // Somebody makes room; the next append after a while goes through.
        disk.room.store(len + 1_000_000, Ordering::Relaxed);
        journal.append(5_000, events(1..2)).unwrap();
        assert_eq!(journal.fault(), None);
        journal.sync().unwrap();
        assert_eq!(Journal::read(&path).unwrap().events(), journal.events());
    }
}

#[test]
fn a_flood_of_events_does_not_hammer_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.edn");
    let (file, disk, _) = small_disk(&path, 0);
    let journal = Journal::with_file(sid(), file);
    for now in 0..3_000 {
        let _ = journal.append(now, events(0..1));
    }
    assert!(disk.writes.load(Ordering::Relaxed) < 10);
    assert_eq!(journal.len(), 3_000);
    // The last chance is taken when the journal is closed.
    disk.room.store(u64::MAX, Ordering::Relaxed);
    journal.close();
    assert_eq!(Journal::read(&path).unwrap().len(), 3_000);
}

#[test]
fn a_disk_that_was_full_says_so_again_when_it_is_full_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.edn");
    let (file, disk, len) = small_disk(&path, 0);
    let journal = Journal::with_file(sid(), file);
    assert!(journal.append(0, events(0..1)).is_err());
    disk.room.store(len + 10_000, Ordering::Relaxed);
    journal.sync().unwrap();
    disk.room.store(0, Ordering::Relaxed);
    let error = journal.append(0, events(1..2)).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot write the journal"),
        "{error}"
    );
}

// ---------------------------------------------------------------- cursors

#[tokio::test]
async fn a_cursor_waits_for_events_and_ends_with_the_journal() {
    let journal = Journal::in_memory(sid());
    let mut cursor = journal.cursor(0);
    assert_eq!(cursor.try_next(), None);
    let waiting = tokio::spawn(async move {
        let first = cursor.next().await;
        let second = cursor.next().await;
        (first, second)
    });
    tokio::task::yield_now().await;
    let appended = journal.append(1, events(0..3)).unwrap();
    // Lets the first wait end, so that the second one is a wait as well.
    while !waiting.is_finished() && !journal.is_closed() {
        tokio::task::yield_now().await;
        journal.close();
    }
    let (first, second) = soon(waiting).await.unwrap();
    assert_eq!(first, Some(appended));
    assert_eq!(second, None);
}

#[tokio::test]
async fn a_cursor_does_not_wait_for_a_journal_that_nobody_holds() {
    let journal = Journal::in_memory(sid());
    let mut cursor = journal.cursor(0);
    let idle = journal.cursor(0);
    journal.append(1, events(0..1)).unwrap();
    let waiting = tokio::spawn(async move {
        let mut seen = 0;
        while let Some(events) = cursor.next().await {
            seen += events.len();
        }
        seen
    });
    tokio::task::yield_now().await;
    journal.append(1, events(1..2)).unwrap();
    drop(journal);
    assert_eq!(soon(waiting).await.unwrap(), 2);
    assert_eq!(drain(idle).await.len(), 2);
}

#[tokio::test]
async fn a_late_cursor_gets_all_in_batches() {
    let journal = Journal::in_memory(sid());
    journal.append(1, events(0..2500)).unwrap();
    journal.close();
    assert_eq!(drain(journal.cursor(0)).await, journal.events());
    assert_eq!(drain(journal.cursor(2499)).await.len(), 1);
    assert_eq!(drain(journal.cursor(2500)).await.len(), 0);
    assert_eq!(drain(journal.cursor(u64::MAX)).await.len(), 0);
}

#[tokio::test]
async fn a_wait_that_is_dropped_takes_nothing() {
    let journal = Journal::in_memory(sid());
    let mut cursor = journal.cursor(0);
    for number in 0..100 {
        // Polled once and dropped, before and after there is something.
        let nothing = futures_util::FutureExt::now_or_never(cursor.next());
        assert_eq!(nothing, None);
        journal.append(1, events(number..number + 1)).unwrap();
        let taken = cursor.next().await.unwrap();
        assert_eq!(messages(&taken), [format!("number {number}")]);
    }
    assert_eq!(cursor.position(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_cursors_see_the_same_whatever_their_pace() {
    let journal = Journal::in_memory(sid());
    let readers: Vec<_> = (0..12_u32)
        .map(|reader| {
            let mut cursor = journal.cursor(0);
            tokio::spawn(async move {
                let mut seen: Vec<Arc<Event>> = Vec::new();
                while let Some(batch) = cursor.next().await {
                    seen.extend(batch);
                    for _ in 0..reader * reader {
                        tokio::task::yield_now().await;
                    }
                    if reader == 11 {
                        std::thread::sleep(Duration::from_micros(50));
                    }
                }
                seen
            })
        })
        .collect();
    // Several producers at once: their events are numbered in one order.
    let producers: Vec<_> = (0..4_usize)
        .map(|producer| {
            let journal = journal.clone();
            tokio::spawn(async move {
                for round in 0..500 {
                    let first = producer * 10_000 + round * 2;
                    journal.append(1, events(first..first + 2)).unwrap();
                    if round % 7 == producer {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for producer in producers {
        soon(producer).await.unwrap();
    }
    journal.close();
    let all = journal.events();
    assert_eq!(all.len(), 4_000);
    assert!((1..).zip(&all).all(|(seq, event)| event.seq == seq));
    for reader in readers {
        assert!(soon(reader).await.unwrap() == all);
    }
}

#[test]
fn many_single_appends_are_all_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.edn");
    let journal = Journal::create(&path, &sid()).unwrap();
    for number in 0..5_000 {
        journal.append(1, vec![event(number)]).unwrap();
    }
    assert_eq!(Journal::read(&path).unwrap().events(), journal.events());
}

#[test]
fn syncs_that_come_together_share_the_work() {
    #[derive(Debug, Default)]
    struct SlowDisk {
        flushes: AtomicU64,
        busy: Mutex<()>,
    }
    impl Disk for SlowDisk {
        fn write_at(&self, bytes: &[u8], _: u64) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn set_len(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            self.flushes.fetch_add(1, Ordering::Relaxed);
            drop(self.busy.lock());
            Ok(())
        }
    }
    let disk = Arc::new(SlowDisk::default());
    let file = JournalFile::new(Path::new("none"), Arc::clone(&disk) as Arc<dyn Disk>, 0);
    let journal = Journal::with_file(sid(), file);
    journal.append(1, events(0..5)).unwrap();
    std::thread::scope(|scope| {
        let busy = disk.busy.lock();
        let threads: Vec<_> = (0..10).map(|_| scope.spawn(|| journal.sync())).collect();
        while disk.flushes.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        drop(busy);
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
    });
    assert_eq!(disk.flushes.load(Ordering::Relaxed), 1);
    journal.append(1, events(5..6)).unwrap();
    journal.sync().unwrap();
    journal.sync().unwrap();
    assert_eq!(disk.flushes.load(Ordering::Relaxed), 2);
}

#[test]
fn a_journal_is_peeked_at_without_reading_it() {
    let (_dir, path) = recorded(3);
    assert_eq!(peek(&path).unwrap(), (sid(), Some(5)));
    let (_dir, path) = recorded(0);
    assert_eq!(peek(&path).unwrap(), (sid(), None));
}

#[test]
fn a_build_end_among_the_last_events_is_found() {
    let (_dir, path) = recorded(300);
    assert!(!ends_with_build_end(&path));
    let (journal, _) = Journal::open(&path).unwrap();
    let named = event(1).with_message("{:type :build/end}\n{:type :build/end}");
    journal.append(1, vec![named]).unwrap();
    assert!(!ends_with_build_end(&path));
    let end = Event::new(EventKind::BuildEnd {
        status: Some(BuildStatus::Success),
        build: None,
    });
    journal.append(1, vec![end, event(2)]).unwrap();
    assert!(ends_with_build_end(&path));
    assert!(!ends_with_build_end(Path::new("no such file")));
}

#[test]
fn a_closed_journal_is_free_although_a_child_still_shares_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.edn");
    fs::write(&path, read::header(&sid())).unwrap();
    let file = fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    file.lock().unwrap();
    // What a child has between its fork and its exec.
    let shared = file.try_clone().unwrap();
    let file = JournalFile::new(&path, Arc::new(file), read::header(&sid()).len() as u64);
    let journal = Journal::with_file(sid(), file);
    assert!(is_in_use(&path));
    journal.close();
    assert!(!is_in_use(&path));
    Journal::open(&path).unwrap();
    drop(shared);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_cursor_from_anywhere_sees_exactly_what_follows(
        batches in proptest::collection::vec(0_usize..40, 0..60),
        after in 0_u64..2_000,
        ask in proptest::collection::vec(any::<bool>(), 60),
        reopen in 0_usize..60,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.edn");
        let mut journal = Journal::create(&path, &sid()).unwrap();
        let mut cursor = journal.cursor(after);
        let mut seen = Vec::new();
        let mut total = 0;
        for (round, batch) in batches.iter().enumerate() {
            journal.append(1, events(total..total + batch)).unwrap();
            total += batch;
            if ask[round] {
                while let Some(events) = cursor.try_next() {
                    seen.extend(events);
                }
            }
            if round == reopen {
                journal.close();
                while let Some(events) = cursor.try_next() {
                    seen.extend(events);
                }
                journal = Journal::open(&path).unwrap().0;
                cursor = journal.cursor(cursor.position());
            }
        }
        while let Some(events) = cursor.try_next() {
            seen.extend(events);
        }
        let start = usize::try_from(after).unwrap().min(total);
        let expected: Vec<String> = (start..total).map(|n| format!("number {n}")).collect();
        prop_assert_eq!(messages(&seen), expected);
        prop_assert_eq!(Journal::read(&path).unwrap().events(), journal.events());
    }
}
