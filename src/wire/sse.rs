//! Framing of server-sent events (protocol/script-api.md §6).
//!
//! The script library reads only lines that start with exactly `data: `; `id:` lines and
//! comments are for our own clients, which resume by them.

use std::fmt::Write;

use crate::domain::{Event, LogId, Seq};
use crate::edn::{self, Keyword, Value};

use super::event::{WireError, event_from};

/// The heartbeat of the protocol.
pub const PING: &str = "data: {:type :ping}\n\n";

/// The type of the heartbeat, without the colon.
const PING_TYPE: &str = "ping";

/// Tells a watcher that the log of the job with this `:job-id` grew, or the script's own when there
/// is none; never numbered, never in a journal.
const LOG_GREW_TYPE: &str = "tui/log-grew";

/// What is in a frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// A heartbeat.
    Ping,
    /// A log grew.
    LogGrew(LogId),
    /// Something has happened.
    Event(Box<Event>),
}

/// Appends one frame: the number, if there is one, and one line of EDN.
pub fn frame(out: &mut String, seq: Option<Seq>, line: &str) {
    debug_assert!(!line.contains(['\n', '\r']), "a frame is one line");
    if let Some(seq) = seq {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "id: {seq}");
    }
    let _ = write!(out, "data: {line}\n\n");
}

/// Appends the frame that tells watchers of a log that grew.
pub fn log_grew(out: &mut String, log: &LogId) {
    let job = log.job().map(|job| ("job-id", job.as_str().into()));
    let kind = ("type", Value::kw(LOG_GREW_TYPE));
    let map = Value::map([kind].into_iter().chain(job));
    frame(out, None, &edn::write(&map));
}

/// Reads what is in a frame.
pub fn read(data: &str) -> Result<Told, WireError> {
    let value = edn::read_lenient(data)?;
    let kind = value.get("type").and_then(Value::as_keyword);
    Ok(match kind.map(Keyword::as_str) {
        Some(PING_TYPE) => Told::Ping,
        Some(LOG_GREW_TYPE) => {
            let job = value.get("job-id").and_then(Value::as_str);
            Told::LogGrew(job.map_or(LogId::Script, LogId::from))
        }
        _ => Told::Event(Box::new(event_from(value)?)),
    })
}
