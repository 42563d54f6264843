//! `search`: a text in the logs of all builds that are kept here, newest build first.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::ops::ControlFlow;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::cli::{SearchArgs, clean};
use crate::domain::JobId;
use crate::logs::{LogPaths, Search};
use crate::ports::{Clock, SystemClock};
use crate::store::{Found, FoundLine, History, HistoryItem, Home, Query, SearchedLog, search_logs};

use super::Look;
use super::error::{Exit, UserError};
use super::history::quiet;
use super::list::{self, Asked};
use super::reference;

/// `search`. Nothing found is 1, as with `grep`.
pub(super) fn search(home: &Home, args: &SearchArgs, look: Look) -> Result<Exit, UserError> {
    let query = query(args)?;
    let mut history = History::new(home)
        .with_refused(true)
        .matching(
            Asked {
                branch: args.branch.as_deref(),
                status: args.status.as_deref(),
                since: args.since.as_ref(),
                until: args.until.as_ref(),
                job: args.job.as_deref(),
            }
            .filter(SystemClock.now())?,
        )
        .telling(list::progress);
    if let Some(repo) = &args.repo {
        let (org, name) = list::repo_named(home, repo);
        history = history.of_repo(&org, &name);
    }
    let listing = history.list(usize::MAX);
    for error in &listing.unreadable {
        complain!("monkeyci-tui: {}", UserError::of(error));
    }
    let names = Names::of(&listing.items);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    if args.first {
        return first(listing.items, &query, &names, workers, args.json);
    }
    let is_terminal = io::stdout().is_terminal();
    let mut printer = Printer {
        out: BufWriter::new(io::stdout().lock()),
        names,
        search: query.search.clone(),
        json: args.json,
        color: look.color && is_terminal,
        flush: is_terminal,
        context: query.context > 0,
        last: None,
        left: args.limit.unwrap_or(usize::MAX),
        counts: Counts::default(),
        failed: None,
    };
    if printer.left > 0 {
        search_logs(listing.items.into_iter(), &query, workers, |log, found| {
            printer.tell(log, found)
        });
    }
    printer.end(args.count)
}

fn query(args: &SearchArgs) -> Result<Query, UserError> {
    let search = match args.pattern.strip_prefix('~') {
        Some(pattern) if !args.regex => Search::regex(pattern),
        _ if args.regex => Search::regex(&args.pattern),
        _ => Ok(Search::new(&args.pattern)),
    };
    let search = search.map_err(|error| UserError::new(error.to_string()))?;
    if search.is_empty() {
        return Err(UserError::new("there is nothing to look for"));
    }
    Ok(Query {
        search,
        job: args.job.as_deref().map(JobId::new),
        context: args.context,
        count_only: args.count,
    })
}

/// How builds are called: by their id, if that says which one is meant.
struct Names(HashMap<String, usize>);

impl Names {
    fn of(builds: &[HistoryItem]) -> Self {
        let mut names = HashMap::new();
        for build in builds {
            *names.entry(build.sid.build.clone()).or_default() += 1;
        }
        Self(names)
    }

    fn build(&self, build: &HistoryItem) -> String {
        // Servers number the builds of each repository.
        let is_numbered = build.sid.build.starts_with("build-");
        if is_numbered || self.0.get(&build.sid.build).is_none_or(|count| *count > 1) {
            clean(&build.sid.to_string())
        } else {
            clean(&build.sid.build)
        }
    }

    fn log(&self, log: &SearchedLog) -> String {
        format!(
            "{}:{}",
            self.build(&log.build),
            reference::name_of(&log.log)
        )
    }
}

#[derive(Default)]
struct Counts {
    lines: usize,
    /// The last one in which something was found.
    build: Option<std::path::PathBuf>,
    builds: usize,
    by_job: BTreeMap<String, usize>,
    by_branch: BTreeMap<String, usize>,
    by_status: BTreeMap<String, usize>,
}

impl Counts {
    fn add(&mut self, log: &SearchedLog, lines: usize) {
        let build = &log.build;
        self.lines += lines;
        if self.build.as_ref() != Some(&build.folder.dir) {
            self.build = Some(build.folder.dir.clone());
            self.builds += 1;
        }
        let branch = build.branch.clone().unwrap_or_else(|| "(none)".to_owned());
        *self.by_job.entry(reference::name_of(&log.log)).or_default() += lines;
        *self.by_branch.entry(clean(&branch)).or_default() += lines;
        *self
            .by_status
            .entry(clean(build.status.as_str()))
            .or_default() += lines;
    }

    fn sentence(&self) -> String {
        let count = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        format!(
            "{} in {}",
            count(self.lines, "line"),
            count(self.builds, "build")
        )
    }
}

/// Prints what is found.
struct Printer<'a> {
    out: BufWriter<StdoutLock<'a>>,
    names: Names,
    search: Search,
    json: bool,
    color: bool,
    /// Somebody watches.
    flush: bool,
    context: bool,
    /// The log that the last line was of.
    last: Option<String>,
    /// How many lines may still be.
    left: usize,
    counts: Counts,
    failed: Option<io::Error>,
}

impl Printer<'_> {
    fn tell(&mut self, log: &SearchedLog, found: Found) -> ControlFlow<()> {
        let told = match found {
            Found::Lines(lines) => self.lines(log, &lines),
            Found::Count(count) => {
                self.counts.add(log, count);
                self.count(log, count)
            }
            Found::Unreadable(why) => {
                complain!("monkeyci-tui: {}: {}", self.names.log(log), clean(&why));
                Ok(())
            }
        };
        match told {
            Ok(()) if self.left > 0 => ControlFlow::Continue(()),
            Ok(()) => ControlFlow::Break(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn lines(&mut self, log: &SearchedLog, lines: &[FoundLine]) -> io::Result<()> {
        let name = self.names.log(log);
        for line in lines {
            if self.left == 0 {
                break;
            }
            let is_another = self.last.as_ref() != Some(&name);
            if self.json {
                self.json_line(log, line)?;
            } else {
                let goes_on = self.last.is_none() || !(line.after_gap || is_another);
                if self.context && !goes_on {
                    writeln!(self.out, "--")?;
                }
                self.line(&name, line)?;
            }
            if is_another {
                self.last = Some(name.clone());
            }
            if line.matches {
                self.left -= 1;
                self.counts.add(log, 1);
            }
        }
        if self.flush {
            self.out.flush()?;
        }
        Ok(())
    }

    fn line(&mut self, name: &str, line: &FoundLine) -> io::Result<()> {
        let number = line.number + 1;
        let mark = if line.matches { ':' } else { '-' };
        if !self.color {
            return writeln!(self.out, "{name}{mark}{number}{mark} {}", line.text);
        }
        write!(
            self.out,
            "\x1b[35m{name}\x1b[0m{mark}\x1b[32m{number}\x1b[0m{mark} "
        )?;
        let mut done = 0;
        if line.matches {
            for found in self.search.matches_in(&line.text) {
                let (before, inside) = (&line.text[done..found.start], &line.text[found.clone()]);
                write!(self.out, "{before}\x1b[1;31m{inside}\x1b[0m")?;
                done = found.end;
            }
        }
        writeln!(self.out, "{}", &line.text[done..])
    }

    fn json_line(&mut self, log: &SearchedLog, line: &FoundLine) -> io::Result<()> {
        let line = json!({
            "type": "line",
            "sid": log.build.sid.to_string(),
            "job-id": log.log.job().map(JobId::as_str),
            "line": line.number + 1,
            "match": line.matches,
            "text": line.text,
        });
        writeln!(self.out, "{line}")
    }

    fn count(&mut self, log: &SearchedLog, count: usize) -> io::Result<()> {
        if self.json {
            let line = json!({
                "type": "count",
                "sid": log.build.sid.to_string(),
                "job-id": log.log.job().map(JobId::as_str),
                "lines": count,
            });
            return writeln!(self.out, "{line}");
        }
        let name = self.names.log(log);
        writeln!(self.out, "{name}: {count}")
    }

    fn end(mut self, with_counts: bool) -> Result<Exit, UserError> {
        let counts = &self.counts;
        let written = match self.failed.take() {
            Some(error) => Err(error),
            None if self.json => {
                let line = json!({
                    "type": "counts",
                    "lines": counts.lines,
                    "builds": counts.builds,
                    "by-job": counts.by_job,
                    "by-branch": counts.by_branch,
                    "by-status": counts.by_status,
                });
                writeln!(self.out, "{line}")
            }
            None if with_counts => write_counts(&mut self.out, counts),
            None => Ok(()),
        };
        quiet(written.and_then(|()| self.out.flush()))?;
        if self.flush && !self.json {
            complain!("{}", self.counts.sentence());
        }
        Ok(if self.counts.lines > 0 {
            Exit::Success
        } else {
            Exit::Failed
        })
    }
}

fn write_counts(out: &mut impl Write, counts: &Counts) -> io::Result<()> {
    let kinds = [
        ("job", &counts.by_job),
        ("branch", &counts.by_branch),
        ("status", &counts.by_status),
    ];
    for (kind, numbers) in kinds {
        let mut numbers: Vec<_> = numbers.iter().collect();
        numbers.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (name, count) in numbers {
            writeln!(out, "{kind} {name}: {count}")?;
        }
    }
    writeln!(out, "{}", counts.sentence())
}

/// The oldest build in which something is found, and the one before it.
fn first(
    mut builds: Vec<HistoryItem>,
    query: &Query,
    names: &Names,
    workers: usize,
    json: bool,
) -> Result<Exit, UserError> {
    builds.reverse();
    let mut first = None;
    search_logs(
        builds.iter().cloned(),
        query,
        workers,
        |log, found| match found {
            Found::Lines(mut lines) if !lines.is_empty() => {
                first = Some((log.clone(), lines.swap_remove(0)));
                ControlFlow::Break(())
            }
            Found::Unreadable(why) => {
                complain!("monkeyci-tui: {}: {}", names.log(log), clean(&why));
                ControlFlow::Continue(())
            }
            Found::Lines(_) | Found::Count(_) => ControlFlow::Continue(()),
        },
    );
    let before = first.as_ref().and_then(|(log, _)| before(&builds, log));
    let mut out = BufWriter::new(io::stdout().lock());
    let written = if json {
        let first = first.as_ref().map(|(log, line)| {
            let mut value = json_build(&log.build);
            value["job-id"] = json!(log.log.job().map(JobId::as_str));
            value["line"] = json!(line.number + 1);
            value["text"] = json!(line.text);
            value
        });
        let value = json!({"first": first, "before": before.map(json_build)});
        writeln!(out, "{value}")
    } else {
        write_first(&mut out, names, first.as_ref(), before)
    };
    quiet(written.and_then(|()| out.flush()))?;
    Ok(if first.is_some() {
        Exit::Success
    } else {
        Exit::Failed
    })
}

/// The last build of the same repository before one in which the same job has a log, or else any.
fn before<'a>(oldest_first: &'a [HistoryItem], log: &SearchedLog) -> Option<&'a HistoryItem> {
    let is_same = |build: &HistoryItem| build.folder == log.build.folder;
    let of_repo = |build: &&HistoryItem| {
        (&build.sid.org, &build.sid.repo) == (&log.build.sid.org, &log.build.sid.repo)
    };
    let older = oldest_first.iter().take_while(|build| !is_same(build));
    let older: Vec<&HistoryItem> = older.filter(of_repo).collect();
    let stem = log.log.stem();
    let has_log = |build: &&&HistoryItem| LogPaths::new(&build.folder.logs, &stem).log.exists();
    let with_log = older.iter().rev().find(has_log);
    with_log.or(older.last()).copied()
}

fn write_first(
    out: &mut impl Write,
    names: &Names,
    first: Option<&(SearchedLog, FoundLine)>,
    before: Option<&HistoryItem>,
) -> io::Result<()> {
    let Some((log, line)) = first else {
        return Ok(());
    };
    writeln!(out, "{}:{}: {}", names.log(log), line.number + 1, line.text)?;
    writeln!(out, "  first   {}", described(names, &log.build))?;
    match before {
        Some(build) => writeln!(out, "  before  {}, without it", described(names, build)),
        None => writeln!(
            out,
            "  it is the oldest build of its repository that was searched"
        ),
    }
}

fn described(names: &Names, build: &HistoryItem) -> String {
    let mut parts = vec![names.build(build)];
    let at = build.start.or(build.created);
    let at = at.and_then(|at| Timestamp::from_millisecond(at).ok());
    if let Some(at) = at {
        let at = at.to_zoned_datetime(TimeZone::system());
        parts.push(at.strftime("%Y-%m-%d %H:%M").to_string());
    }
    parts.extend(build.branch.as_deref().map(clean));
    parts.extend(
        build
            .commit
            .as_deref()
            .map(|commit| clean(commit.get(..10).unwrap_or(commit))),
    );
    parts.push(clean(build.status.as_str()));
    parts.join(" · ")
}

fn json_build(build: &HistoryItem) -> serde_json::Value {
    json!({
        "sid": build.sid.to_string(),
        "status": build.status.as_str(),
        "start-time": build.start.or(build.created),
        "branch": build.branch,
        "commit-id": build.commit,
    })
}
