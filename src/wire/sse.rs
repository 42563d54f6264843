//! Framing of server-sent events (protocol/script-api.md §6).
//!
//! The script library reads only lines that start with exactly `data: `; `id:` lines and
//! comments are for our own clients, which resume by them.

use std::fmt::Write;

use crate::domain::Seq;

/// The heartbeat of the protocol.
pub const PING: &str = "data: {:type :ping}\n\n";

/// The type of the heartbeat, without the colon.
pub const PING_TYPE: &str = "ping";

/// Tells a watcher that the log of the job with this `:job-id` grew, or the script's own when there
/// is none; never numbered, never in a journal.
pub const LOG_GREW_TYPE: &str = "tui/log-grew";

/// Appends one frame: the number, if there is one, and one line of EDN.
pub fn frame(out: &mut String, seq: Option<Seq>, line: &str) {
    debug_assert!(!line.contains(['\n', '\r']), "a frame is one line");
    if let Some(seq) = seq {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "id: {seq}");
    }
    let _ = write!(out, "data: {line}\n\n");
}
