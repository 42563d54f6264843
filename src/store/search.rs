//! Looking for a text in the logs of many builds, on all cores.
//!
//! Logs are the units of work. They are handed out in their order, and what is found in them comes out in that order,
//! whoever is first: each has a channel of its own, and those who run ahead wait when theirs is full. So memory is
//! bounded by the number of workers, however much is found, and the unit whose turn it is never waits for another.
//!
//! ```text
//! builds ──▶ hand out ──▶ worker ─ channel of log 1 ─▶ told in the order of the logs
//!            (in order)   worker ─ channel of log 2 ─▶
//! ```
//!
//! No journal is read for a log in which nothing is found: whose log a file is its name says, but for very long ids.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::{Build, JobId, LogId, id_of_file_name};
use crate::journal::Journal;
use crate::logs::{Budget, LogPaths, LogReader, Search, strip};

use super::HistoryItem;

/// Of a longer line no more is told, in bytes.
const LONGEST_LINE: usize = 64 * 1024;
/// So many lines are told at once, or so many bytes.
const BATCH_LINES: usize = 256;
const BATCH_BYTES: usize = 256 * 1024;
/// So many batches of a log may wait for their turn.
const WAITING: usize = 4;
/// How much is searched before it is asked whether anybody still wants to know.
const STRETCH: Budget = Budget {
    lines: usize::MAX,
    bytes: 16 << 20,
};
/// A larger log gets a line index, if it has none: the next search need not read it twice.
const WORTH_AN_INDEX: u64 = 4 << 20;

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Query {
    /// The text.
    pub search: Search,
    /// Only in logs of this job.
    pub job: Option<JobId>,
    /// Lines that are told before and after each that matches.
    pub context: usize,
    /// Matching lines are counted and not told.
    pub count_only: bool,
}

/// A log of a build.
#[derive(Debug, Clone)]
pub struct SearchedLog {
    /// The build.
    pub build: Arc<HistoryItem>,
    /// Whose log it is.
    pub log: LogId,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The next lines, in their order.
    Lines(Vec<FoundLine>),
    /// So many lines match.
    Count(usize),
    /// The log cannot be read, or not to its end.
    Unreadable(String),
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLine {
    /// Its number, counted from 0.
    pub number: usize,
    /// What is seen of it.
    pub text: String,
    /// It matches; else it stands near one that does.
    pub matches: bool,
    /// Lines before it have been left out, since the last one of this log.
    pub after_gap: bool,
}

/// Looks through the logs of builds and tells what it finds, in the order of the builds and then of the names of
/// their logs, until it is told to stop.
pub fn search_logs(
    builds: impl Iterator<Item = HistoryItem> + Send,
    query: &Query,
    workers: usize,
    mut tell: impl FnMut(&SearchedLog, Found) -> ControlFlow<()>,
) {
    let (in_order, turns) = sync_channel(2 * workers);
    let handing_out = Mutex::new(HandingOut {
        builds,
        logs: VecDeque::new(),
        in_order: Some(in_order),
    });
    let stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..workers.max(1) {
            // Shared by threads, an expression is slower.
            let query = query.clone();
            let (handing_out, stopped) = (&handing_out, &stopped);
            scope.spawn(move || {
                while !stopped.load(Ordering::Relaxed)
                    && let Some(unit) = next(handing_out, &query)
                {
                    unit.search(&query, stopped);
                }
            });
        }
        tell_all(turns, &mut tell);
        // Those who wait to tell more have seen that nobody listens.
        stopped.store(true, Ordering::Relaxed);
    });
}

/// Tells what is found, log by log. What is left is let go of, which ends those who still search.
fn tell_all(
    turns: Receiver<Receiver<Told>>,
    tell: &mut impl FnMut(&SearchedLog, Found) -> ControlFlow<()>,
) {
    for turn in turns {
        let mut log = None;
        for told in turn {
            match (told, &log) {
                (Told::Log(told), _) => log = Some(told),
                (Told::Found(found), Some(log)) => {
                    if tell(log, found).is_break() {
                        return;
                    }
                }
                (Told::Found(_), None) => {}
            }
        }
    }
}

/// What comes through the channel of a log: first, and only when there is more, which one it is.
enum Told {
    Log(SearchedLog),
    Found(Found),
}

struct HandingOut<I> {
    builds: I,
    /// Those of the last build.
    logs: VecDeque<(Arc<HistoryItem>, String)>,
    /// The channels, in the order of the logs; nothing once all have been handed out.
    in_order: Option<SyncSender<Receiver<Told>>>,
}

/// A log that is to be searched.
struct Unit {
    build: Arc<HistoryItem>,
    stem: String,
    out: SyncSender<Told>,
}

fn lock<I>(handing_out: &Mutex<HandingOut<I>>) -> std::sync::MutexGuard<'_, HandingOut<I>> {
    handing_out.lock().unwrap_or_else(PoisonError::into_inner)
}

fn next<I: Iterator<Item = HistoryItem>>(
    handing_out: &Mutex<HandingOut<I>>,
    query: &Query,
) -> Option<Unit> {
    let mut handing_out = lock(handing_out);
    while handing_out.logs.is_empty() {
        let Some(build) = handing_out.builds.next() else {
            handing_out.in_order = None;
            return None;
        };
        let build = Arc::new(build);
        let stems = match &query.job {
            Some(job) => vec![LogId::Job(job.clone()).stem()],
            None => stems(&build),
        };
        let logs = stems.into_iter().map(|stem| (Arc::clone(&build), stem));
        handing_out.logs.extend(logs);
    }
    let (build, stem) = handing_out.logs.pop_front()?;
    let (out, turn) = sync_channel(WAITING);
    // Whoever listens to nothing any more has been told enough.
    handing_out.in_order.as_ref()?.send(turn).ok()?;
    Some(Unit { build, stem, out })
}

/// The names of a build's logs without their ending, sorted. A folder that cannot be read has none: its build
/// would have been told as unreadable before.
fn stems(build: &HistoryItem) -> Vec<String> {
    let entries = std::fs::read_dir(&build.folder.logs);
    let mut stems: Vec<String> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(".log").map(str::to_owned)
        })
        .collect();
    stems.sort_unstable();
    stems
}

impl Unit {
    fn search(self, query: &Query, stopped: &AtomicBool) {
        let paths = LogPaths::new(&self.build.folder.logs, &self.stem);
        let has_index = paths.idx.exists();
        let mut told = Telling {
            unit: &self,
            named: false,
            batch: Vec::new(),
            bytes: 0,
        };
        let searched = LogReader::open(paths)
            .map_err(io::Error::from)
            .and_then(|reader| {
                if !has_index && reader.len_bytes() >= WORTH_AN_INDEX && !self.build.running {
                    // It is no more than help for later.
                    let _ = reader.save_index();
                }
                told.all(&reader, query, stopped)
            });
        let failed = match searched {
            Ok(ControlFlow::Continue(())) => None,
            Ok(ControlFlow::Break(())) => return,
            Err(error) => Some(Found::Unreadable(error.to_string())),
        };
        if told.flush().is_continue()
            && let Some(failed) = failed
        {
            // Whoever is gone needs no answer.
            let _ = told.tell(failed);
        }
    }

    /// Whose log it is.
    fn log(&self) -> LogId {
        if self.stem == LogId::Script.stem() {
            return LogId::Script;
        }
        if let Some(id) = id_of_file_name(&self.stem) {
            return LogId::Job(JobId::new(id));
        }
        let of_long_id = || {
            let journal = Journal::read(&self.build.folder.journal).ok()?;
            let build = Build::fold(journal.events().iter().map(|event| &**event));
            let mut jobs = build.jobs().iter().map(|job| LogId::Job(job.id().clone()));
            jobs.find(|log| log.stem() == self.stem)
        };
        of_long_id().unwrap_or_else(|| LogId::from(self.stem.as_str()))
    }
}

/// Which lines near the last match have been told.
#[derive(Debug, Default)]
struct Near {
    /// The line after the last that was told.
    next: Option<usize>,
    /// Lines before this one are told whatever comes.
    until: usize,
}

/// Tells what is found in one log.
struct Telling<'a> {
    unit: &'a Unit,
    /// It has been told which log it is.
    named: bool,
    batch: Vec<FoundLine>,
    bytes: usize,
}

impl Telling<'_> {
    fn all(
        &mut self,
        reader: &LogReader,
        query: &Query,
        stopped: &AtomicBool,
    ) -> io::Result<ControlFlow<()>> {
        if query.count_only {
            return self.count(reader, query, stopped);
        }
        let mut next = Some(0);
        let mut failed = None;
        let mut near = Near::default();
        while let Some(from) = next {
            if stopped.load(Ordering::Relaxed) {
                return Ok(ControlFlow::Break(()));
            }
            let mut ended = false;
            next = query.search.visit(reader, from, STRETCH, |hit, text| {
                let told = self.hit(reader, query, &mut near, hit, text);
                let told = told.unwrap_or_else(|error| {
                    failed = Some(error);
                    ControlFlow::Break(())
                });
                ended = told.is_break();
                told
            })?;
            match failed {
                Some(error) => return Err(error),
                None if ended => return Ok(ControlFlow::Break(())),
                None => {}
            }
        }
        let rest = near.next.unwrap_or(near.until)..near.until;
        self.around(reader, rest, false)
    }

    /// Tells a line that matches, with what stands before it.
    fn hit(
        &mut self,
        reader: &LogReader,
        query: &Query,
        near: &mut Near,
        hit: usize,
        text: &str,
    ) -> io::Result<ControlFlow<()>> {
        let first = hit.saturating_sub(query.context);
        let (done, is_after_gap) = match near.next {
            None => (first, false),
            Some(next) => {
                let done = near.until.min(hit).max(next);
                if self.around(reader, next..done, false)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                (done.max(first), first > done)
            }
        };
        if self.around(reader, done..hit, is_after_gap)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        near.next = Some(hit + 1);
        near.until = (hit + 1 + query.context).min(reader.line_count());
        let after_gap = is_after_gap && done == hit;
        Ok(self.line(hit, text.to_owned(), true, after_gap))
    }

    /// Tells lines that stand near one that matches.
    fn around(
        &mut self,
        reader: &LogReader,
        lines: std::ops::Range<usize>,
        after_gap: bool,
    ) -> io::Result<ControlFlow<()>> {
        let first = lines.start;
        for number in lines {
            let text = strip(&reader.read_line(number, usize::MAX)?);
            let told = self.line(number, text, false, after_gap && number == first);
            if told.is_break() {
                return Ok(told);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn count(
        &mut self,
        reader: &LogReader,
        query: &Query,
        stopped: &AtomicBool,
    ) -> io::Result<ControlFlow<()>> {
        let mut lines = 0;
        let mut next = Some(0);
        while let Some(from) = next {
            if stopped.load(Ordering::Relaxed) {
                return Ok(ControlFlow::Break(()));
            }
            let step = query.search.count(reader, from, STRETCH)?;
            lines += step.lines;
            next = step.next;
        }
        Ok(match lines {
            0 => ControlFlow::Continue(()),
            lines => self.tell(Found::Count(lines)),
        })
    }

    fn line(
        &mut self,
        number: usize,
        mut text: String,
        matches: bool,
        after_gap: bool,
    ) -> ControlFlow<()> {
        text.truncate(text.floor_char_boundary(LONGEST_LINE));
        self.bytes += text.len();
        self.batch.push(FoundLine {
            number,
            text,
            matches,
            after_gap,
        });
        // The first is told at once: somebody waits for it.
        let is_due = self.batch.len() >= BATCH_LINES || self.bytes >= BATCH_BYTES;
        if is_due || !self.named {
            self.flush()
        } else {
            ControlFlow::Continue(())
        }
    }

    fn flush(&mut self) -> ControlFlow<()> {
        self.bytes = 0;
        match std::mem::take(&mut self.batch) {
            batch if batch.is_empty() => ControlFlow::Continue(()),
            batch => self.tell(Found::Lines(batch)),
        }
    }

    fn tell(&mut self, found: Found) -> ControlFlow<()> {
        let out = &self.unit.out;
        if !self.named {
            self.named = true;
            let log = SearchedLog {
                build: Arc::clone(&self.unit.build),
                log: self.unit.log(),
            };
            if out.send(Told::Log(log)).is_err() {
                return ControlFlow::Break(());
            }
        }
        match out.send(Told::Found(found)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{BuildStatus, Event, EventKind, Job, Sid};
    use crate::logs::{LogWriter, Stream};
    use crate::store::{History, Home};

    /// Builds with logs, of which each is a text; newest last.
    fn recorded(builds: &[BTreeMap<String, String>]) -> (tempfile::TempDir, Vec<HistoryItem>) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::under(dir.path());
        for (number, logs) in builds.iter().enumerate() {
            let sid = Sid::new("local", "app", format!("local-build-{number}"));
            let folder = home.build(&sid);
            folder.create().unwrap();
            let journal = Journal::create(&folder.journal, &sid).unwrap();
            let jobs = logs.keys().map(|id| Job::new(JobId::new(id))).collect();
            let end = EventKind::BuildEnd {
                status: Some(BuildStatus::Success),
                build: None,
            };
            let events = vec![
                Event::new(EventKind::BuildStart),
                Event::new(EventKind::ScriptStart { jobs }),
                Event::new(end),
            ];
            journal.append(number as i64, events).unwrap();
            for (id, text) in logs {
                let paths = LogPaths::new(&folder.logs, &LogId::from(id.as_str()).stem());
                let mut writer = LogWriter::create(paths).unwrap();
                writer.append(1, Stream::Out, 0, text.as_bytes()).unwrap();
            }
        }
        let items = History::new(&home).list(usize::MAX).items;
        (dir, items)
    }

    fn query(text: &str, context: usize) -> Query {
        Query {
            search: Search::new(text),
            job: None,
            context,
            count_only: false,
        }
    }

    /// Build, job, and lines as `grep -n` prints them.
    fn found(
        items: &[HistoryItem],
        query: &Query,
        workers: usize,
    ) -> Vec<(String, String, Vec<String>)> {
        let mut all: Vec<(String, String, Vec<String>)> = Vec::new();
        search_logs(items.iter().cloned(), query, workers, |log, found| {
            let key = (log.build.sid.build.clone(), log.log.to_string());
            if all
                .last()
                .is_none_or(|last| (&last.0, &last.1) != (&key.0, &key.1))
            {
                all.push((key.0, key.1, Vec::new()));
            }
            let lines = &mut all.last_mut().unwrap().2;
            match found {
                Found::Lines(more) => {
                    for line in more {
                        if line.after_gap {
                            lines.push("--".to_owned());
                        }
                        let mark = if line.matches { ':' } else { '-' };
                        lines.push(format!("{}{mark}{}", line.number + 1, line.text));
                    }
                }
                Found::Count(count) => lines.push(count.to_string()),
                Found::Unreadable(why) => lines.push(why),
            }
            ControlFlow::Continue(())
        });
        all
    }

    /// What `grep -n -C` would print, as far as it is known how.
    fn expected(text: &str, needle: &str, context: usize) -> Vec<String> {
        let lines: Vec<&str> = text.lines().collect();
        let hits: Vec<usize> = (0..lines.len())
            .filter(|at| lines[*at].contains(needle))
            .collect();
        let mut told = Vec::new();
        let mut last = None;
        for (at, line) in lines.iter().enumerate() {
            if hits.iter().any(|hit| hit.abs_diff(at) <= context) {
                if last.is_some_and(|last| last + 1 < at) {
                    told.push("--".to_owned());
                }
                let mark = if hits.contains(&at) { ':' } else { '-' };
                told.push(format!("{}{mark}{line}", at + 1));
                last = Some(at);
            }
        }
        told
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn what_is_found_is_told_in_order_whoever_is_first(
            builds in prop::collection::vec(
                prop::collection::btree_map("[a-c/ ]{1,3}", "([ab]{0,3}\n){0,12}", 0..4),
                0..6,
            ),
            context in 0..3_usize,
            workers in 1..5_usize,
        ) {
            let (_dir, items) = recorded(&builds);
            let mut all = Vec::new();
            for (number, logs) in builds.iter().enumerate().rev() {
                let mut logs: Vec<_> = logs.iter().collect();
                logs.sort_by_key(|(id, _)| LogId::from(id.as_str()).stem());
                for (id, text) in logs {
                    let lines = expected(text, "ab", context);
                    if !lines.is_empty() {
                        all.push((format!("local-build-{number}"), id.clone(), lines));
                    }
                }
            }
            prop_assert_eq!(&found(&items, &query("ab", context), workers), &all);
            let counted = Query { count_only: true, ..query("ab", 0) };
            let counts = all.iter().map(|(build, job, lines)| {
                let count = lines.iter().filter(|line| line.contains(':')).count();
                (build.clone(), job.clone(), vec![count.to_string()])
            });
            prop_assert_eq!(found(&items, &counted, workers), counts.collect::<Vec<_>>());
        }
    }

    #[test]
    fn whoever_has_heard_enough_is_told_no_more() {
        // Far more than may wait.
        let many = "needle\n".repeat(3000);
        let logs = BTreeMap::from([("a".to_owned(), many.clone()), ("b".to_owned(), many)]);
        let (_dir, items) = recorded(&vec![logs; 20]);
        for enough in [1, 2, 100, 1000] {
            let mut heard = 0;
            search_logs(items.iter().cloned(), &query("needle", 0), 4, |_, found| {
                let Found::Lines(lines) = found else {
                    panic!("{found:?}");
                };
                heard += lines.len();
                if heard >= enough {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            assert!((enough..enough + BATCH_LINES).contains(&heard), "{heard}");
        }
        let mut all = 0;
        search_logs(items.iter().cloned(), &query("needle", 0), 4, |_, found| {
            if let Found::Lines(lines) = found {
                all += lines.len();
            }
            ControlFlow::Continue(())
        });
        assert_eq!(all, 20 * 2 * 3000);
    }

    #[test]
    fn a_log_is_that_of_its_job_however_long_its_id() {
        let long = "x/".repeat(200);
        let logs = [(long.clone(), "needle\n"), ("b".to_owned(), "needle\n")];
        let logs = logs.map(|(id, text)| (id, text.to_owned())).into();
        let (_dir, items) = recorded(&[logs]);
        let script = items[0].folder.logs.join("%script.log");
        std::fs::write(script, "a needle\n").unwrap();
        let mut of = query("needle", 0);
        let jobs = |query: &Query| -> Vec<String> {
            found(&items, query, 2)
                .into_iter()
                .map(|(_, job, _)| job)
                .collect()
        };
        assert_eq!(jobs(&of), ["the script", "b", &long]);
        of.job = Some(JobId::new(&long));
        assert_eq!(jobs(&of), [&*long]);
        of.job = Some(JobId::new("%script"));
        assert!(jobs(&of).is_empty());
    }

    #[test]
    fn a_log_that_cannot_be_read_hides_no_other() {
        let logs = ["a", "b"]
            .map(|id| (id.to_owned(), "needle\n".to_owned()))
            .into();
        let (_dir, items) = recorded(&[logs]);
        let meta = items[0].folder.logs.join("a.meta");
        std::fs::write(meta, *b"mktuimet\x09\0\0\0\0\0\0\0").unwrap();
        let all = found(&items, &query("needle", 0), 2);
        assert!(all[0].2[0].contains("format version 9"), "{all:?}");
        assert_eq!(all[1].2, ["1:needle"]);
    }
}
