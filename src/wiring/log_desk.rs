//! Reads logs for the panes, on a thread of its own: the screen never waits for a disk, and
//! a search through a long log never keeps a page from being shown.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use crate::app::{FindRequest, LogLine, LogPlace, LogRequest, LogRows, Msg, Needle, Notice};
use crate::domain::{JobId, LogId, Sid};
use crate::logs::{Budget, Direction, LogPaths, LogReader, Search, Step};

/// Bytes of one line that are read for the screen; the rest of a longer line is cut.
const LONGEST_LINE: usize = 256 * 1024;
/// Readers that stay open.
const KEPT: usize = 16;

/// What the thread is asked.
#[derive(Debug)]
pub(super) enum LogTask {
    Read(LogRequest, PathBuf),
    Tail(Sid, JobId, PathBuf, usize),
    Find(FindRequest, PathBuf),
    Text(LogId, PathBuf),
    Save(LogId, PathBuf, PathBuf),
}

/// Starts the thread; it ends when the sender is dropped.
pub(super) fn start(answer: impl Fn(Msg) + Send + 'static) -> mpsc::Sender<LogTask> {
    let (sender, tasks) = mpsc::channel();
    // Named for those who look at it with a debugger; a program that cannot start a thread
    // cannot do anything else either.
    std::thread::Builder::new()
        .name("logs".to_owned())
        .spawn(move || {
            Desk {
                answer,
                readers: HashMap::new(),
                order: Vec::new(),
            }
            .run(&tasks);
        })
        .expect("the system starts threads");
    sender
}

struct Desk<F> {
    answer: F,
    readers: HashMap<PathBuf, LogReader>,
    /// The readers' keys, the one used last at the end.
    order: Vec<PathBuf>,
}

/// A search under way.
struct Hunt {
    request: FindRequest,
    path: PathBuf,
    search: Option<Search>,
    /// The next line to look at, while the line is still looked for.
    next: Option<usize>,
    /// The next line to count at, and the count so far.
    count: Option<(usize, usize)>,
}

impl<F: Fn(Msg)> Desk<F> {
    fn run(mut self, tasks: &mpsc::Receiver<LogTask>) {
        let mut hunt: Option<Hunt> = None;
        loop {
            let task = if hunt.is_some() {
                match tasks.try_recv() {
                    Ok(task) => Some(task),
                    Err(mpsc::TryRecvError::Empty) => None,
                    Err(mpsc::TryRecvError::Disconnected) => return,
                }
            } else {
                match tasks.recv() {
                    Ok(task) => Some(task),
                    Err(mpsc::RecvError) => return,
                }
            };
            match task {
                Some(LogTask::Find(request, dir)) => {
                    let path = file_of(&dir, &request.log);
                    hunt = Some(Hunt::new(request, path));
                }
                Some(other) => self.perform(other),
                None => {}
            }
            if let Some(current) = &mut hunt
                && !self.hunt_on(current)
            {
                hunt = None;
            }
        }
    }

    fn perform(&mut self, task: LogTask) {
        match task {
            LogTask::Read(request, dir) => {
                let generation = request.generation;
                let msg = match self.rows(&request, &dir) {
                    Ok(rows) => Msg::LogRows(Box::new(rows)),
                    Err(error) => {
                        Msg::LogUnreadable(generation, format!("cannot read the log: {error}"))
                    }
                };
                (self.answer)(msg);
            }
            LogTask::Tail(sid, job, dir, count) => {
                let lines = self.tail(&job, &dir, count).unwrap_or_default();
                (self.answer)(Msg::LogTail(sid, job, lines));
            }
            LogTask::Text(log, dir) => {
                let msg = match self.text(&log, &dir) {
                    Ok(text) => Msg::LogText(text),
                    Err(error) => Msg::Notice(Notice::bad(format!("cannot read the log: {error}"))),
                };
                (self.answer)(msg);
            }
            LogTask::Save(log, dir, to) => {
                let notice = match self.save(&log, &dir, &to) {
                    Ok(()) => Notice::good(format!("saved to {}", to.display())),
                    Err(error) => Notice::bad(format!("cannot save to {}: {error}", to.display())),
                };
                (self.answer)(Msg::Notice(notice));
            }
            LogTask::Find(..) => {}
        }
    }

    /// The reader of a log, refreshed.
    fn reader(&mut self, path: &Path) -> io::Result<&mut LogReader> {
        self.order.retain(|known| known != path);
        self.order.push(path.to_owned());
        if self.order.len() > KEPT {
            let oldest = self.order.remove(0);
            self.readers.remove(&oldest);
        }
        if !self.readers.contains_key(path) {
            let (dir, stem) = split(path);
            let reader = LogReader::open(LogPaths::new(dir, stem)).map_err(io::Error::from)?;
            self.readers.insert(path.to_owned(), reader);
        }
        let reader = self.readers.get_mut(path).ok_or(io::ErrorKind::NotFound)?;
        reader.refresh()?;
        reader.show_until(None)?;
        Ok(reader)
    }

    fn rows(&mut self, request: &LogRequest, dir: &Path) -> io::Result<LogRows> {
        let reader = self.reader(&file_of(dir, &request.log))?;
        let next = reader.show_until(request.until)?;
        let total = reader.line_count();
        let first = match request.place {
            LogPlace::End => total.saturating_sub(request.count),
            LogPlace::Line(line) => line.min(total),
        };
        let last = total.min(first.saturating_add(request.count));
        let mut lines = Vec::with_capacity(last - first);
        for number in first..last {
            let meta = reader.line(number)?;
            let bytes = reader.read_line(number, LONGEST_LINE)?;
            lines.push(LogLine {
                line: crate::logs::render(&bytes, request.columns),
                stream: meta.stream,
                ms: meta.ms,
            });
        }
        Ok(LogRows {
            generation: request.generation,
            total,
            bytes: reader.len_bytes(),
            sections: reader.sections(),
            first,
            lines,
            next,
        })
    }

    fn tail(&mut self, job: &JobId, dir: &Path, count: usize) -> io::Result<Vec<String>> {
        let reader = self.reader(&file_of(dir, &LogId::Job(job.clone())))?;
        let total = reader.line_count();
        (total.saturating_sub(count)..total)
            .map(|line| Ok(crate::logs::strip(&reader.read_line(line, LONGEST_LINE)?)))
            .collect()
    }

    fn text(&mut self, log: &LogId, dir: &Path) -> io::Result<String> {
        let reader = self.reader(&file_of(dir, log))?;
        let mut text = String::new();
        for line in 0..reader.line_count() {
            text.push_str(&crate::logs::strip(&reader.read_line(line, usize::MAX)?));
            text.push('\n');
        }
        Ok(text)
    }

    fn save(&mut self, log: &LogId, dir: &Path, to: &Path) -> io::Result<()> {
        let reader = self.reader(&file_of(dir, log))?;
        let mut file = new_file(to)?;
        let mut offset = 0;
        while offset < reader.len_bytes() {
            let bytes = reader.read_bytes(offset, 1 << 20)?;
            if bytes.is_empty() {
                break;
            }
            file.write_all(&bytes)?;
            offset += bytes.len() as u64;
        }
        Ok(())
    }

    /// One step of a search; false when it is done.
    fn hunt_on(&mut self, hunt: &mut Hunt) -> bool {
        let generation = hunt.request.generation;
        let path = hunt.path.clone();
        let Ok(reader) = self.reader(&path) else {
            (self.answer)(Msg::Found(generation, None));
            return false;
        };
        let shown = reader.show_until(hunt.request.until);
        let step = shown.and_then(|_| hunt.step(reader));
        match step {
            Ok(messages) => {
                let more = hunt.next.is_some() || hunt.count.is_some();
                for message in messages {
                    (self.answer)(message);
                }
                more
            }
            Err(_) => {
                (self.answer)(Msg::Found(generation, None));
                false
            }
        }
    }
}

impl Hunt {
    fn new(request: FindRequest, path: PathBuf) -> Self {
        let search = match &request.needle {
            Needle::Text(text) => Some(Search::new(text)),
            Needle::Error => None,
        };
        let empty = search.as_ref().is_some_and(Search::is_empty);
        let next = if request.backwards {
            request.lines.end.checked_sub(1)
        } else {
            Some(request.lines.start)
        };
        Self {
            count: (request.count && !empty && search.is_some()).then_some((0, 0)),
            next,
            search,
            request,
            path,
        }
    }

    fn step(&mut self, reader: &LogReader) -> io::Result<Vec<Msg>> {
        let generation = self.request.generation;
        if let Some(from) = self.next {
            let found = self.look(reader, from)?;
            return Ok(match found {
                Step::Continue(next) => {
                    self.next = Some(next);
                    Vec::new()
                }
                Step::Found(line) if self.request.lines.contains(&line) => {
                    self.next = None;
                    vec![Msg::Found(generation, Some(line))]
                }
                Step::Found(_) | Step::NotFound => {
                    self.next = None;
                    vec![Msg::Found(generation, None)]
                }
            });
        }
        if let (Some((from, so_far)), Some(search)) = (self.count, &self.search) {
            let counted = search.count(reader, from, Budget::FRAME)?;
            let total = so_far + counted.lines;
            self.count = counted.next.map(|next| (next, total));
            return Ok(vec![Msg::Counted(generation, total, self.count.is_none())]);
        }
        Ok(Vec::new())
    }

    fn look(&self, reader: &LogReader, from: usize) -> io::Result<Step> {
        let total = reader.line_count();
        let end = self.request.lines.end.min(total);
        if self.request.backwards {
            let Some(last) = total.checked_sub(1) else {
                return Ok(Step::NotFound);
            };
            let from = from.min(last);
            return match &self.search {
                Some(search) => search.find_next(reader, from, Direction::Backward, Budget::FRAME),
                None => error_before(reader, self.request.lines.start, from),
            };
        }
        if from >= end {
            return Ok(Step::NotFound);
        }
        match &self.search {
            Some(search) => search.find_next(reader, from, Direction::Forward, Budget::FRAME),
            None => crate::logs::first_error(reader, from..end, Budget::FRAME),
        }
    }
}

/// The last line up to `from` that looks like an error, looking at some lines only.
fn error_before(reader: &LogReader, start: usize, from: usize) -> io::Result<Step> {
    const LINES: usize = 2_000;
    for looked in 0..LINES {
        let Some(line) = from.checked_sub(looked).filter(|line| *line >= start) else {
            return Ok(Step::NotFound);
        };
        let text = crate::logs::strip(&reader.read_line(line, LONGEST_LINE)?);
        if crate::logs::is_error(&text) {
            return Ok(Step::Found(line));
        }
    }
    Ok(from
        .checked_sub(LINES)
        .map_or(Step::NotFound, Step::Continue))
}

/// A new file; one that is there is never replaced.
pub(super) fn new_file(path: &Path) -> io::Result<std::fs::File> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
}

fn file_of(dir: &Path, log: &LogId) -> PathBuf {
    dir.join(log.stem())
}

/// Writes what a reader gives to a new file, which is removed again when it does not become whole.
/// The error is a sentence.
pub(super) async fn save(
    reader: &mut (impl tokio::io::AsyncRead + Unpin + ?Sized),
    to: &Path,
) -> Result<(), String> {
    let file = new_file(to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => "there is such a file already".to_owned(),
        _ => error.to_string(),
    })?;
    let mut file = tokio::fs::File::from_std(file);
    let written = match tokio::io::copy(reader, &mut file).await {
        Ok(_) => tokio::io::AsyncWriteExt::flush(&mut file).await,
        Err(error) => Err(error),
    };
    if written.is_err() {
        // Whoever finds it would take it for what was asked for.
        let _ = tokio::fs::remove_file(to).await;
    }
    written.map_err(|error| error.to_string())
}

fn split(path: &Path) -> (&Path, &str) {
    let dir = path.parent().unwrap_or(Path::new("."));
    let stem = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    (dir, stem)
}
