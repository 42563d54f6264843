//! The reading side of a journal file: header, lines, and what a crash may have left.
//!
//! | what is found | what becomes of it |
//! | --- | --- |
//! | a last line without its newline | torn: not counted; cut off by who opens to append |
//! | a last line that cannot be read | the same |
//! | a line before the last that cannot be read | kept as an event [`UNREADABLE`] with its text |
//! | no file, an empty one, another first line, a newer version | an error that says so |

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use crate::domain::{Event, EventKind, Millis, Seq, Sid};
use crate::edn::{self, Map, Value};
use crate::wire;

use super::JournalError;

/// The version of the format that this program writes, and the newest it reads.
pub const VERSION: i64 = 1;

/// The type of the event that stands for a line that cannot be read; the line is under
/// `:text`, the reason in the message.
pub const UNREADABLE: &str = "tui/unreadable";

const HEADER_TYPE: &str = "tui/journal";

/// A first line longer than this is no journal's: do not read a disk image for it.
const LONGEST_HEADER: u64 = 64 * 1024;

/// What had to be put right, or passed over, in a journal file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Bytes of a last line that was never written to its end.
    pub torn_bytes: u64,
    /// Lines that cannot be read and were kept as events [`UNREADABLE`].
    pub unreadable: usize,
}

impl Recovery {
    /// A sentence for people; `None` when the file was as it should be.
    pub fn sentence(&self) -> Option<String> {
        let torn = (self.torn_bytes > 0).then(|| {
            let bytes = self.torn_bytes;
            format!("its last line was only half written ({bytes} bytes), it was cut off")
        });
        let unreadable = (self.unreadable > 0).then(|| match self.unreadable {
            1 => "one line cannot be read, it was kept as text".to_owned(),
            lines => format!("{lines} lines cannot be read, they were kept as text"),
        });
        let found: Vec<String> = torn.into_iter().chain(unreadable).collect();
        (!found.is_empty()).then(|| format!("the journal was repaired: {}", found.join("; ")))
    }
}

/// A journal file, read.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) sid: Sid,
    pub(super) events: Vec<Arc<Event>>,
    pub(super) recovery: Recovery,
    /// Length of the file up to the end of its last good line.
    pub(super) whole_len: u64,
}

/// One line of a journal, not parsed yet.
#[derive(Debug, Clone, Copy)]
pub struct JournalLine<'a> {
    /// The number of its event.
    pub seq: Seq,
    bytes: &'a [u8],
}

impl<'a> JournalLine<'a> {
    /// The event's type without the colon, if the line begins with it, as every line does
    /// that this program has written. Costs no parsing.
    pub fn type_name(&self) -> Option<&'a str> {
        let rest = self.bytes.strip_prefix(b"{:type :")?;
        let end = rest.iter().position(|byte| b", }".contains(byte))?;
        std::str::from_utf8(&rest[..end]).ok()
    }

    /// The line as it is in the file, without its line break.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The event, numbered; the error says why the line is none.
    pub fn event(&self) -> Result<Event, String> {
        let text = std::str::from_utf8(self.bytes).map_err(|error| error.to_string())?;
        let value = edn::read_lenient(text).map_err(|error| error.to_string())?;
        let mut event = wire::event_from(value).map_err(|error| error.to_string())?;
        event.seq = self.seq;
        Ok(event)
    }

    /// The event, or the one that stands for a line that is none.
    fn event_or_text(&self, time: Option<Millis>) -> (Event, bool) {
        match self.event() {
            Ok(event) => (event, true),
            Err(reason) => {
                let text = String::from_utf8_lossy(self.bytes).into_owned();
                let mut extra = Map::new();
                extra.insert(Value::kw("text"), Value::Str(text));
                let event = Event {
                    seq: self.seq,
                    time,
                    extra,
                    ..Event::new(EventKind::Other(UNREADABLE.into()))
                };
                let reason = format!("line {} cannot be read: {reason}", self.seq + 1);
                (event.with_message(reason), false)
            }
        }
    }
}

/// The header line, with its newline.
pub(super) fn header(sid: &Sid) -> String {
    let parts = [&sid.org, &sid.repo, &sid.build].map(|part| Value::from(part.as_str()));
    let mut map = Map::new();
    map.insert(Value::kw("type"), Value::kw(HEADER_TYPE));
    map.insert(Value::kw("version"), Value::Int(VERSION));
    map.insert(Value::kw("sid"), Value::Vector(parts.into()));
    let mut line = edn::write(&Value::Map(map));
    line.push('\n');
    line
}

/// Opens an ordinary file; a pipe or a device would never end.
pub(super) fn open(path: &Path, how: &OpenOptions) -> Result<File, JournalError> {
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => JournalError::Missing(path.to_owned()),
        _ => JournalError::io("open", path)(error),
    };
    let metadata = std::fs::metadata(path).map_err(missing)?;
    if !metadata.is_file() {
        return Err(not_a_journal(path, "it is no file"));
    }
    how.open(path).map_err(missing)
}

/// Reads and parses the whole file as it is now.
pub(super) fn read_all(path: &Path) -> Result<Contents, JournalError> {
    let file = open(path, OpenOptions::new().read(true))?;
    read_from(&file, path)
}

pub(super) fn read_from(file: &File, path: &Path) -> Result<Contents, JournalError> {
    let text = Text::read(file, path)?;
    let mut events: Vec<Arc<Event>> = Vec::new();
    let mut recovery = Recovery::default();
    let mut whole_len = text.bytes.len() - text.partial();
    let mut time = None;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (event, readable) = line.event_or_text(time);
        if !readable {
            if lines.peek().is_none() && text.partial() == 0 {
                // The newline that ends it counts too.
                whole_len -= line.bytes.len() + 1;
                break;
            }
            recovery.unreadable += 1;
        }
        time = event.time.or(time);
        events.push(Arc::new(event));
    }
    drop(lines);
    recovery.torn_bytes = (text.bytes.len() - whole_len) as u64;
    Ok(Contents {
        sid: text.sid,
        events,
        recovery,
        whole_len: whole_len as u64,
    })
}

/// Reads a journal file line by line, without parsing what the caller has no use for.
/// Torn and unreadable lines are for the caller to see; a line without newline is left out.
pub fn read_lines(path: &Path, mut each: impl FnMut(JournalLine<'_>)) -> Result<Sid, JournalError> {
    let file = open(path, OpenOptions::new().read(true))?;
    let text = Text::read(&file, path)?;
    text.lines().for_each(&mut each);
    Ok(text.sid)
}

/// Reads whose journal a file is and the time of its first event, and no further.
pub fn peek(path: &Path) -> Result<(Sid, Option<Millis>), JournalError> {
    let file = open(path, OpenOptions::new().read(true))?;
    let mut reader = BufReader::with_capacity(4096, &file);
    let (sid, _) = read_header(&mut reader, path)?;
    let mut bytes = Vec::new();
    reader
        .read_until(b'\n', &mut bytes)
        .map_err(JournalError::io("read", path))?;
    let first = JournalLine {
        seq: 1,
        bytes: bytes.strip_suffix(b"\n").unwrap_or_default(),
    };
    Ok((sid, first.event().ok().and_then(|event| event.time)))
}

/// True when a build has ended without having begun: it was refused for its options, or its script
/// cannot be read. No more is looked at than is needed to know.
pub fn never_began(path: &Path) -> Result<bool, JournalError> {
    let file = open(path, OpenOptions::new().read(true))?;
    let mut reader = BufReader::with_capacity(4096, &file);
    read_header(&mut reader, path)?;
    let mut bytes = Vec::new();
    for seq in 1.. {
        bytes.clear();
        reader
            .read_until(b'\n', &mut bytes)
            .map_err(JournalError::io("read", path))?;
        let Some(bytes) = bytes.strip_suffix(b"\n") else {
            break;
        };
        match (JournalLine { seq, bytes }).type_name() {
            Some("build/end") => return Ok(true),
            Some(name) if name == "build/pending" || name.starts_with("tui/") => {}
            _ => break,
        }
    }
    Ok(false)
}

/// True when `build/end` is among the last events. Looks at the end of the file only: a
/// false answer is to be checked by reading it all.
pub fn ends_with_build_end(path: &Path) -> bool {
    /// Long enough for what may follow a build's end.
    const LOOKED_AT: u64 = 16 * 1024;
    let tail = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        file.seek(io::SeekFrom::Start(len.saturating_sub(LOOKED_AT)))?;
        let mut tail = Vec::new();
        file.take(LOOKED_AT).read_to_end(&mut tail)?;
        Ok(tail)
    };
    let tail = tail().unwrap_or_default();
    // What comes before the first newline may be the end of a longer line, what comes
    // after the last one may be torn.
    let mut lines = tail
        .split(|byte| *byte == b'\n')
        .skip(1)
        .collect::<Vec<_>>();
    lines.pop();
    let mut lines = lines.into_iter().map(|bytes| JournalLine { seq: 0, bytes });
    lines.any(|line| line.type_name() == Some("build/end") && line.event().is_ok())
}

/// The text of a journal, its header understood.
#[derive(Debug)]
struct Text {
    sid: Sid,
    bytes: Vec<u8>,
    /// Where the first event begins.
    first: usize,
}

impl Text {
    fn read(mut file: &File, path: &Path) -> Result<Self, JournalError> {
        // The header first: a wrong file is refused before it is read into memory.
        let (sid, first) = read_header(&mut BufReader::with_capacity(512, file), path)?;
        let mut bytes = Vec::new();
        file.rewind()
            .and_then(|()| file.read_to_end(&mut bytes))
            .map_err(JournalError::io("read", path))?;
        Ok(Self { sid, bytes, first })
    }

    /// Length of what follows the last newline.
    fn partial(&self) -> usize {
        let whole = memchr::memrchr(b'\n', &self.bytes).map_or(0, |at| at + 1);
        self.bytes.len() - whole
    }

    fn lines(&self) -> impl Iterator<Item = JournalLine<'_>> {
        let whole = self.bytes.len() - self.partial();
        let mut rest = self.bytes.get(self.first..whole).unwrap_or_default();
        let lines = std::iter::from_fn(move || {
            let end = memchr::memchr(b'\n', rest)?;
            let line = &rest[..end];
            rest = &rest[end + 1..];
            Some(line)
        });
        (1..)
            .zip(lines)
            .map(|(seq, bytes)| JournalLine { seq, bytes })
    }
}

/// Reads the header; also says where it ends.
fn read_header(reader: &mut impl BufRead, path: &Path) -> Result<(Sid, usize), JournalError> {
    let mut line = Vec::new();
    reader
        .take(LONGEST_HEADER)
        .read_until(b'\n', &mut line)
        .map_err(JournalError::io("read", path))?;
    if line.is_empty() {
        return Err(JournalError::Empty(path.to_owned()));
    }
    if line.last() != Some(&b'\n') {
        return Err(not_a_journal(path, "its first line has no end"));
    }
    let other = || not_a_journal(path, "it does not begin with a journal's header");
    let text = std::str::from_utf8(&line).map_err(|_| other())?;
    let value = edn::read_lenient(text).map_err(|_| other())?;
    let map = value.as_map().ok_or_else(other)?;
    if map.get_kw("type") != Some(&Value::kw(HEADER_TYPE)) {
        return Err(other());
    }
    match map.get_kw("version").and_then(Value::as_i64) {
        Some(found) if found > VERSION => {
            return Err(JournalError::NewerVersion {
                path: path.to_owned(),
                found,
            });
        }
        Some(1..) => {}
        _ => return Err(not_a_journal(path, "its header has no version")),
    }
    let sid = map
        .get_kw("sid")
        .and_then(Value::as_seq)
        .and_then(|parts| match parts {
            [org, repo, build] => Some(Sid::new(org.as_str()?, repo.as_str()?, build.as_str()?)),
            _ => None,
        })
        .ok_or_else(|| not_a_journal(path, "its header names no build"))?;
    Ok((sid, line.len()))
}

fn not_a_journal(path: &Path, reason: &str) -> JournalError {
    JournalError::NotAJournal {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}
