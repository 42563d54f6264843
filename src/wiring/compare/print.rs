//! A comparison in a shell: for people, as JSON, and the differing lines of logs as a unified diff.

use std::io::{self, BufWriter, IsTerminal, Write};

use serde_json::json;

use crate::app::comparison;
use crate::app::doc::{DocLine, Part, Role};
use crate::cli::{CompareArgs, clean};
use crate::domain::JobId;
use crate::domain::compare::{Finding, Told};
use crate::logs::LogReader;
use crate::logs::likeness::Row;

use super::super::Look;
use super::super::error::UserError;
use super::super::history::quiet;
use super::Compared;
use super::lines::JobLogs;

/// Of a longer line only the beginning is printed.
const LONGEST_LINE: usize = 64 * 1024;

/// Writes to stdout.
pub(super) fn print(compared: &Compared, args: &CompareArgs, look: Look) -> Result<(), UserError> {
    let stdout = io::stdout();
    let color = look.color && stdout.is_terminal() && !args.json;
    let mut out = BufWriter::new(stdout);
    if args.json {
        quiet(as_json(&mut out, compared, args))?;
    } else {
        for line in comparison::lines(&compared.comparison) {
            quiet(writeln!(out, "{}", words(&line.line, look, color)))?;
        }
        if args.logs {
            for logs in &compared.logs {
                quiet(unified(&mut out, compared, logs, color))?;
            }
        }
    }
    quiet(out.flush())?;
    Ok(())
}

fn words(line: &DocLine, look: Look, color: bool) -> String {
    let mut words = " ".repeat(line.indent);
    for part in &line.parts {
        match part {
            // The word for it stands behind it.
            Part::Build(_) | Part::Job(_) => {}
            Part::Arrow => words.push_str(if look.ascii { "->" } else { "→" }),
            Part::Text(role, text) => words.push_str(&painted(*role, text, color)),
        }
    }
    let words = words.trim_end();
    // A status stood before it.
    words[usize::from(words.starts_with(' ') && line.indent == 0)..].to_owned()
}

fn painted(role: Role, text: &str, color: bool) -> String {
    let code = match role {
        _ if !color => return text.to_owned(),
        Role::Plain | Role::Code | Role::Key => return text.to_owned(),
        Role::Dim => "2",
        Role::Strong | Role::Heading => "1",
        Role::Good => "32",
        Role::Bad => "31",
        Role::Warn => "33",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

fn as_json(out: &mut impl Write, compared: &Compared, args: &CompareArgs) -> io::Result<()> {
    let comparison = &compared.comparison;
    let head = json!({
        "before": comparison.before.name,
        "after": comparison.after.name,
        "same": comparison.is_same(),
        "same-files": comparison.same_files,
        "remarks": comparison.remarks,
    });
    writeln!(out, "{head}")?;
    for finding in comparison.findings() {
        writeln!(out, "{}", json_of(finding))?;
    }
    if args.logs {
        for logs in &compared.logs {
            json_lines(out, logs)?;
        }
    }
    Ok(())
}

fn json_of(finding: &Finding) -> serde_json::Value {
    let told = |told: &Option<Told>| match told {
        None => serde_json::Value::Null,
        Some(Told::Text(text)) => json!(text),
        Some(Told::Millis(ms)) => json!({"ms": ms}),
        Some(Told::Bytes(size)) => json!({"bytes": size}),
        Some(Told::Lines(count)) => json!({"lines": count}),
    };
    json!({
        "part": finding.part.as_str(),
        "kind": finding.kind.as_str(),
        "job-id": finding.job.as_ref().map(JobId::as_str),
        "name": finding.name,
        "before": told(&finding.before),
        "after": told(&finding.after),
        "note": finding.note,
        "flaky": finding.flaky,
    })
}

/// The lines that differ, each by its number from 1.
fn json_lines(out: &mut impl Write, logs: &JobLogs) -> io::Result<()> {
    for section in &logs.diff.sections {
        let sides = [
            ("removed", &logs.before, &section.removed),
            ("added", &logs.after, &section.added),
        ];
        for (kind, log, lines) in sides {
            for line in lines {
                let text = text(log, *line)?;
                let line = json!({
                    "part": "log-line",
                    "kind": kind,
                    "job-id": logs.job.as_str(),
                    "name": logs.name(section),
                    "line": line + 1,
                    "text": text,
                });
                writeln!(out, "{line}")?;
            }
        }
    }
    Ok(())
}

/// The lines of a job that differ, with those around them; heads are `BUILD:JOB:LINE`.
fn unified(
    out: &mut impl Write,
    compared: &Compared,
    logs: &JobLogs,
    color: bool,
) -> io::Result<()> {
    let job = clean(logs.job.as_str());
    let names = [&compared.before, &compared.after].map(|it| clean(&it.sid.build));
    for section in &logs.diff.sections {
        let command = clean(&logs.name(section));
        for hunk in &section.hunks {
            let (old, new) = (Span::of(hunk, old_line), Span::of(hunk, new_line));
            writeln!(out)?;
            let heads = [("---", &names[0], &old), ("+++", &names[1], &new)];
            for (mark, name, span) in heads {
                let head = format!("{mark} {name}:{job}:{}", span.start);
                writeln!(out, "{}", painted(Role::Strong, &head, color))?;
            }
            let place = format!("@@ -{old} +{new} @@ {command}");
            writeln!(out, "{}", painted(Role::Dim, &place, color))?;
            for row in hunk {
                let (mark, log, line, role) = match row {
                    Row::Same(_, line) | Row::Moved(line) => (' ', &logs.after, line, Role::Plain),
                    Row::Removed(line) => ('-', &logs.before, line, Role::Bad),
                    Row::Added(line) => ('+', &logs.after, line, Role::Good),
                };
                let line = format!("{mark}{}", text(log, *line)?);
                writeln!(out, "{}", painted(role, &line, color))?;
            }
        }
    }
    Ok(())
}

fn old_line(row: &Row) -> Option<usize> {
    match row {
        Row::Same(line, _) | Row::Removed(line) => Some(*line),
        Row::Added(_) | Row::Moved(_) => None,
    }
}

fn new_line(row: &Row) -> Option<usize> {
    match row {
        Row::Same(_, line) | Row::Added(line) | Row::Moved(line) => Some(*line),
        Row::Removed(_) => None,
    }
}

/// The lines of a hunk in one of the logs, as a diff tells them.
#[derive(Debug)]
struct Span {
    /// From 1; 0 when there are none.
    start: usize,
    count: usize,
}

impl Span {
    fn of(hunk: &[Row], line: impl Fn(&Row) -> Option<usize>) -> Self {
        let mut lines = hunk.iter().filter_map(line);
        let start = lines.next().map_or(0, |line| line + 1);
        Self {
            start,
            count: lines.count() + usize::from(start > 0),
        }
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{},{}", self.start, self.count)
    }
}

fn text(log: &LogReader, line: usize) -> io::Result<String> {
    log.read_line(line, LONGEST_LINE)
        .map(|bytes| crate::logs::strip(&bytes))
}
