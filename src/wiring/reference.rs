//! Places in logs as they are typed: `BUILD:JOB:LINE`, as `search` and `export` print them.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use crate::cli::{LogsArgs, plain};
use crate::domain::{JobId, LogId};
use crate::logs::{LogPaths, LogReader, strip};
use crate::store::{BuildFolder, Home};

use super::error::{Exit, UserError};
use super::history::{self, quiet};

/// What stands for the log of the script itself. A job that is called so has to be looked at by its id.
pub(super) const SCRIPT: &str = "(script)";

/// Lines around a place, where nobody has said how many.
const CONTEXT: usize = 5;

/// A place in a log.
struct Place {
    folder: BuildFolder,
    log: LogId,
    /// Counted from 0.
    line: usize,
}

/// The name of a log in a place.
pub(super) fn name_of(log: &LogId) -> String {
    match log {
        LogId::Script => SCRIPT.to_owned(),
        LogId::Job(id) => id.to_string(),
    }
}

/// `logs` of a place; nothing, if something else was typed.
pub(super) fn logs(home: &Home, args: &LogsArgs) -> Option<Result<Exit, UserError>> {
    let is_one = args.job.is_none() && !args.script && !Path::new(&args.build).exists();
    match is_one.then(|| find(home, &args.build)).flatten() {
        Some(place) => Some(show(&place, args)),
        None if args.context.is_some() => Some(Err(UserError::new(
            "--context is for a place in a log, BUILD:JOB:LINE",
        ))),
        None => None,
    }
}

/// Jobs may have any id, and builds of a server too: whichever reading has a log is the one that is meant.
fn find(home: &Home, typed: &str) -> Option<Place> {
    let (rest, line) = typed.trim_end_matches(':').rsplit_once(':')?;
    let line = line.parse::<usize>().ok()?.checked_sub(1)?;
    rest.match_indices(':').find_map(|(at, _)| {
        let (_, folder) = history::find(home, &rest[..at]).ok()?;
        let log = match &rest[at + 1..] {
            SCRIPT => LogId::Script,
            job => LogId::Job(JobId::new(job)),
        };
        let is_there = LogPaths::new(&folder.logs, &log.stem()).log.exists();
        is_there.then_some(Place { folder, log, line })
    })
}

fn show(place: &Place, args: &LogsArgs) -> Result<Exit, UserError> {
    if args.raw || args.follow {
        return Err(UserError::new("--raw and --follow are for whole logs"));
    }
    let paths = LogPaths::new(&place.folder.logs, &place.log.stem());
    let reader = LogReader::open(paths).map_err(|error| UserError::of(&error))?;
    let count = reader.line_count();
    if place.line >= count {
        let log = &place.log;
        return Err(UserError::new(format!(
            "the log of {log} has {count} lines"
        )));
    }
    let context = args.context.unwrap_or(CONTEXT);
    let first = place.line.saturating_sub(context);
    let last = place.line.saturating_add(context).min(count - 1);
    let width = (last + 1).to_string().len();
    let mut out = io::BufWriter::new(io::stdout());
    let plain = args.strip || args.json || !io::stdout().is_terminal();
    for number in first..=last {
        let bytes = reader
            .read_line(number, usize::MAX)
            .map_err(|error| UserError::new(format!("cannot read the log: {error}")))?;
        let text = if plain {
            strip(&bytes)
        } else {
            plain::colored(&bytes)
        };
        let line = if args.json {
            serde_json::json!({
                "job-id": place.log.job().map(JobId::as_str),
                "line": number + 1,
                "text": text,
                "match": number == place.line,
            })
            .to_string()
        } else {
            let mark = if number == place.line { '>' } else { ' ' };
            format!("{mark} {:>width$} {text}", number + 1)
        };
        quiet(writeln!(out, "{line}"))?;
    }
    quiet(out.flush())?;
    Ok(Exit::Success)
}
