//! A job's log in the pieces that the public API has of it (public-api.md §7).
//!
//! There a log is a file for each command and stream: `0_out.log`, `0_err.log`. Here all of them
//! are in one log, which says of every chunk where it came from.

use std::io;

use bytes::Bytes;

use crate::domain::Millis;
use crate::edn::Value;
use crate::logs::{LogPaths, LogReader, Stream};

use super::reply::Format;

/// Most bytes of a log in one entry.
const ENTRY: usize = 32 << 10;

/// One of the files of a log, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogFile {
    command: u32,
    stream: Stream,
}

impl LogFile {
    /// Reads a name; no other is any file's.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (command, stream) = name.strip_suffix(".log")?.split_once('_')?;
        let stream = match stream {
            "out" => Stream::Out,
            "err" => Stream::Err,
            _ => return None,
        };
        let command: u32 = command.parse().ok()?;
        // The last number stands for no command.
        (command < u32::MAX).then_some(Self { command, stream })
    }
}

/// The text of an answer, piece by piece.
#[derive(Debug)]
pub(super) struct LogText {
    reader: LogReader,
    file: LogFile,
    format: Format,
    offset: u64,
    /// The beginning of a character whose end has not come.
    carry: Vec<u8>,
    /// Entries were written.
    begun: bool,
    ended: bool,
}

impl LogText {
    pub(super) fn open(paths: LogPaths, file: LogFile, format: Format) -> io::Result<Self> {
        Ok(Self {
            reader: LogReader::open(paths).map_err(io::Error::other)?,
            file,
            format,
            offset: 0,
            carry: Vec::new(),
            begun: false,
            ended: false,
        })
    }

    /// The next piece of the answer; `None` at its end, and at once when there is no such log.
    /// Blocks.
    pub(super) fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.ended {
            return Ok(None);
        }
        let Some((ms, contents)) = self.entry()? else {
            self.ended = true;
            return Ok(self.begun.then(|| Bytes::from_static(b"]}")));
        };
        let before = match (self.format, self.begun) {
            (Format::Edn, false) => "{:entries [",
            (Format::Json, false) => "{\"entries\":[",
            (Format::Edn, true) => " ",
            (Format::Json, true) => ",",
        };
        self.begun = true;
        let entry = Value::map([
            ("ts", Value::Int(ms.unwrap_or_default())),
            ("contents", contents.into()),
        ]);
        Ok(Some(
            format!("{before}{}", self.format.write(&entry)).into(),
        ))
    }

    fn entry(&mut self) -> io::Result<Option<(Option<Millis>, String)>> {
        while let Some(chunk) = self.reader.chunk_at(self.offset) {
            let len = (chunk.len as usize).min(ENTRY);
            let wanted = chunk.command == self.file.command && chunk.stream == self.file.stream;
            if !wanted {
                self.offset += u64::from(chunk.len.max(1));
                continue;
            }
            let bytes = self.reader.read_bytes(self.offset, len)?;
            if bytes.is_empty() {
                break;
            }
            self.offset += bytes.len() as u64;
            self.carry.extend_from_slice(&bytes);
            let whole = self.carry.len() - unfinished(&self.carry);
            let rest = self.carry.split_off(whole);
            let text = std::mem::replace(&mut self.carry, rest);
            if !text.is_empty() {
                return Ok(Some((
                    chunk.ms,
                    String::from_utf8_lossy(&text).into_owned(),
                )));
            }
        }
        let rest = std::mem::take(&mut self.carry);
        let text = String::from_utf8_lossy(&rest).into_owned();
        Ok((!text.is_empty()).then_some((None, text)))
    }
}

/// How many bytes at the end are the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    for (back, byte) in bytes.iter().rev().take(3).enumerate() {
        let needs = match byte {
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0..0xf8 => 4,
            0x80..0xc0 => continue,
            _ => 0,
        };
        return if needs > back + 1 { back + 1 } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::LogWriter;

    fn text(paths: &LogPaths, name: &str, format: Format) -> String {
        let file = LogFile::parse(name).unwrap();
        let mut log = LogText::open(paths.clone(), file, format).unwrap();
        let mut all = String::new();
        while let Some(piece) = log.next().unwrap() {
            all.push_str(std::str::from_utf8(&piece).unwrap());
        }
        all
    }

    #[test]
    fn a_log_is_taken_apart_by_command_and_stream_and_no_character_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let paths = LogPaths::new(dir.path(), "a");
        let mut writer = LogWriter::create(paths.clone()).unwrap();
        for (ms, stream, command, bytes) in [
            (1000, Stream::Out, 0, &b"a\xc3"[..]),
            (2000, Stream::Err, 0, b"e"),
            (3000, Stream::Out, 0, b"\xbcb\n"),
            (4000, Stream::Out, 1, b"c\xff"),
        ] {
            writer.append(ms, stream, command, bytes).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(
            text(&paths, "0_out.log", Format::Json),
            r#"{"entries":[{"ts":1000,"contents":"a"},{"ts":3000,"contents":"üb\n"}]}"#
        );
        assert_eq!(
            text(&paths, "0_err.log", Format::Edn),
            "{:entries [{:ts 2000, :contents \"e\"}]}"
        );
        assert!(text(&paths, "1_out.log", Format::Edn).contains('\u{FFFD}'));
        assert_eq!(text(&paths, "2_out.log", Format::Edn), "");
        for name in [
            "none",
            "0_out",
            "_out.log",
            "-1_out.log",
            "4294967295_out.log",
            "0_sys.log",
        ] {
            assert_eq!(LogFile::parse(name), None, "{name}");
        }
    }
}
