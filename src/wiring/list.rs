//! `list` and `reindex`: the builds that are kept here, by their index.

use std::io::{self, IsTerminal, Write};

use jiff::tz::TimeZone;

use crate::cli::plain::spell_duration;
use crate::cli::{ListArgs, Moment, clean};
use crate::domain::{JobId, Millis, Sid, file_name};
use crate::ports::{Clock, SystemClock};
use crate::store::{Filter, History, HistoryItem, Home, LOCAL_ORG, Wanted, words};

use super::error::{Exit, UserError};
use super::history::quiet;

/// So many journals are read before anybody is told that it takes a while.
const A_WHILE: usize = 1000;

/// `list`.
pub(super) fn list(home: &Home, args: &ListArgs) -> Result<Exit, UserError> {
    let now = SystemClock.now();
    let mut history = History::new(home)
        .with_refused(args.all)
        .matching(filter(args, now)?)
        .telling(progress);
    if let Some(repo) = &args.repo {
        let (org, name) = repo_named(home, repo);
        history = history.of_repo(&org, &name);
    }
    let listing = history.list(args.limit);
    for error in &listing.unreadable {
        complain!("monkeyci-tui: {}", UserError::of(error));
    }
    if let Some(error) = &listing.without_index {
        complain!(
            "monkeyci-tui: builds are read from their folders, which takes longer: {}",
            UserError::of(error)
        );
    }
    let mut out = io::BufWriter::new(io::stdout());
    for item in &listing.items {
        let line = if args.json {
            json_line(item)
        } else {
            line(item, now)
        };
        quiet(writeln!(out, "{line}"))?;
    }
    quiet(out.flush())?;
    if listing.items.is_empty() && !args.json {
        match &args.repo {
            _ if is_filtered(args) => complain!("no build is like that"),
            Some(repo) => complain!("no builds of {} yet", clean(repo)),
            None => complain!("no builds yet: `monkeyci-tui build` makes one"),
        }
    }
    Ok(Exit::Success)
}

/// What was asked for, checked.
pub(super) fn filter(args: &ListArgs, now: Millis) -> Result<Filter, UserError> {
    let text = args.text.as_deref();
    Ok(Filter {
        words: text.map(|text| words(text).collect()).unwrap_or_default(),
        ..Asked {
            branch: args.branch.as_deref(),
            status: args.status.as_deref(),
            since: args.since.as_ref(),
            until: args.until.as_ref(),
            job: args.job.as_deref(),
        }
        .filter(now)?
    })
}

/// What several commands may ask for, as typed.
pub(super) struct Asked<'a> {
    pub(super) branch: Option<&'a str>,
    pub(super) status: Option<&'a str>,
    pub(super) since: Option<&'a Moment>,
    pub(super) until: Option<&'a Moment>,
    pub(super) job: Option<&'a str>,
}

impl Asked<'_> {
    /// The same, checked.
    pub(super) fn filter(&self, now: Millis) -> Result<Filter, UserError> {
        let zone = TimeZone::system();
        let status = self.status.map(|name| {
            Wanted::parse(name).ok_or_else(|| {
                let known = Wanted::NAMES.join(", ");
                UserError::new(format!("there is no status \"{name}\""))
                    .hint(format!("there are {known}"))
            })
        });
        Ok(Filter {
            branch: self.branch.map(str::to_owned),
            status: status.transpose()?,
            since: self.since.map(|since| since.begin(now, &zone)),
            until: self.until.map(|until| until.end(now, &zone)),
            job: self.job.map(JobId::new),
            words: Vec::new(),
        })
    }
}

/// Whether there may be builds that are only not asked for.
pub(super) fn is_filtered(args: &ListArgs) -> bool {
    let ListArgs {
        branch,
        status,
        since,
        until,
        job,
        text,
        ..
    } = args;
    [branch, status, job, text].iter().any(|it| it.is_some()) || since.is_some() || until.is_some()
}

fn json_line(item: &HistoryItem) -> String {
    serde_json::json!({
        "sid": item.sid.to_string(),
        "status": item.status.as_str(),
        "start-time": item.start,
        "end-time": item.end,
        "last-seen": item.last_seen(),
        "branch": item.branch,
        "commit-id": item.commit,
        "jobs": item.jobs_total,
        "failed": item.jobs_failed,
        "message": item.message,
        "imported": item.imported,
        "pinned": item.pinned,
    })
    .to_string()
}

fn line(item: &HistoryItem, now: Millis) -> String {
    let took = match (item.start.or(item.created), item.end) {
        (Some(start), Some(end)) => spell_duration(end - start),
        _ => "-".to_owned(),
    };
    let began = item.created;
    let began = began.map_or_else(|| "-".to_owned(), |at| ago(at, now));
    let branch = item.branch.as_ref().map(|branch| format!(" · {branch}"));
    // Nobody knows what has become of it.
    let (doubt, seen) = match item.last_seen() {
        Some(at) => ("?", format!(" · last seen {}", ago(at, now))),
        None => ("", String::new()),
    };
    clean(&format!(
        "{:<30} {:<12} {began:>12} {took:>10}  {}{}{}{}{seen}",
        item.sid.build,
        format!("{}{doubt}", item.status),
        repo_shown(&item.sid),
        branch.unwrap_or_default(),
        if item.imported { " · imported" } else { "" },
        if item.pinned { " · pinned" } else { "" },
    ))
}

pub(super) fn ago(at: Millis, now: Millis) -> String {
    format!("{} ago", spell_duration(now.saturating_sub(at)))
}

/// A repository as a list shows it: of another org, or of a server, with that.
fn repo_shown(sid: &Sid) -> String {
    if sid.org == LOCAL_ORG {
        sid.repo.clone()
    } else {
        format!("{}/{}", sid.org, sid.repo)
    }
}

/// The repository that is meant: one of that name, or else one without a remote, whose name has a hash
/// behind it. Of another org, ORG/NAME.
pub(super) fn repo_named(home: &Home, typed: &str) -> (String, String) {
    let (org, name) = match typed.split_once('/') {
        Some((org, name)) => (org, name),
        None => (LOCAL_ORG, typed),
    };
    let builds = home.builds().join(file_name(org));
    let as_typed = || (org.to_owned(), name.to_owned());
    if builds.join(file_name(name)).is_dir() {
        return as_typed();
    }
    let known = std::fs::read_dir(&builds).into_iter().flatten().flatten();
    let mut names = known.filter_map(|entry| entry.file_name().into_string().ok());
    let is_meant = |known: &String| {
        let hash = known.strip_prefix(name).and_then(|it| it.strip_prefix('-'));
        hash.is_some_and(|it| it.len() == 8 && it.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let found = names.find(is_meant);
    found.map_or_else(as_typed, |found| (org.to_owned(), found))
}

/// `reindex`.
pub(super) fn reindex(home: &Home) -> Result<Exit, UserError> {
    let made = History::new(home).telling(progress).reindex();
    let (count, unreadable) = made.map_err(|error| UserError::of(&error))?;
    for error in &unreadable {
        complain!("monkeyci-tui: {}", UserError::of(error));
    }
    let plural = if count == 1 { "build is" } else { "builds are" };
    super::pages::print(format!("{count} {plural} in the index\n"))
}

/// Says how far the reading of journals is, where it takes a while and somebody watches.
pub(super) fn progress(done: usize, all: usize) {
    let is_last = done == all;
    if all < A_WHILE || !(is_last || done.is_multiple_of(100)) || !io::stderr().is_terminal() {
        return;
    }
    let mut stderr = io::stderr();
    // Who does not see it misses nothing.
    let _ = if is_last {
        write!(stderr, "\r\x1b[K")
    } else {
        write!(stderr, "\rindexing builds: {done} of {all}")
    };
}
