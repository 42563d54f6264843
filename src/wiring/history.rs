//! Commands over builds that are kept here, and over builds that run in other terminals.

use std::io::{self, Write};
use std::path::Path;

use crate::api_client::{ApiClient, ApiError};
use crate::app::usage;
use crate::cli::plain::{self, spell_duration, spell_size};
use crate::cli::{LogsArgs, ShowArgs, UnblockArgs, clean, clean_lines};
use crate::domain::{BlobKind, Build, JobId, JobState, Millis, Sid};
use crate::edn::{self, Value};
use crate::journal::Journal;
use crate::ports::{Clock, SystemClock};
use crate::store::{BuildFolder, BuildSpec, History, HistoryItem, Home};
use crate::wire;

use super::error::{Exit, UserError};
use super::import;
use super::list::ago;
use super::local;
use super::tail::{self, Tail};

/// `show`.
pub(super) fn show(home: &Home, args: &ShowArgs) -> Result<Exit, UserError> {
    let (_, folder) = find(home, &args.build)?;
    let journal = Journal::read(&folder.journal).map_err(|error| UserError::of(&error))?;
    let mut out = io::BufWriter::new(io::stdout());
    if args.json {
        for event in journal.events() {
            quiet(writeln!(out, "{}", wire::json_event(&event)))?;
        }
    } else {
        let build = Build::fold(journal.events().iter().map(|event| &**event));
        quiet(write_build(&mut out, &build, &folder))?;
        let item = HistoryItem::read(&folder).map_err(|error| UserError::of(&error))?;
        if let Some(at) = item.last_seen() {
            let (at, sid) = (ago(at, SystemClock.now()), clean(&item.sid.to_string()));
            quiet(writeln!(
                out,
                "last seen {at}; it may have ended since: `monkeyci-tui attach {sid}` looks"
            ))?;
        }
    }
    quiet(out.flush())?;
    Ok(Exit::Success)
}

fn write_build(out: &mut impl Write, build: &Build, folder: &BuildFolder) -> io::Result<()> {
    let now = SystemClock.now();
    if let Some(sid) = &build.sid {
        writeln!(out, "{}: {}", clean(&sid.to_string()), build.status)?;
    }
    if let Some(origin) = import::origin(folder) {
        writeln!(out, "  {origin}")?;
    }
    let git = &build.git;
    if let Some(commit) = &git.commit_id {
        let dirty = if git.dirty {
            " (with uncommitted changes)"
        } else {
            ""
        };
        let branch = git.branch.as_deref().unwrap_or("detached");
        writeln!(
            out,
            "  {} {}{dirty}",
            clean(branch),
            clean(commit.get(..10).unwrap_or(commit))
        )?;
    }
    if let Some(why) = crate::store::pinned(folder) {
        let colon = if why.is_empty() { "" } else { ": " };
        writeln!(out, "  pinned{colon}{}", clean(&why))?;
    }
    if let Some(elapsed) = build.elapsed(now) {
        writeln!(out, "  took {}", spell_duration(elapsed))?;
    }
    if let Some(host) = &build.host {
        let (name, why) = (clean(&host.name), clean(&host.reason));
        writeln!(out, "  script host {name}: {why}")?;
    }
    if let Some(executor) = &build.executor {
        let (name, why) = (clean(&executor.name), clean(&executor.reason));
        writeln!(out, "  executor {name}: {why}")?;
    }
    if let Some(message) = &build.message {
        writeln!(out, "  {}", clean_lines(message))?;
    }
    for warning in &build.warnings {
        let job = warning
            .job_id
            .as_ref()
            .map(|id| format!("{id}: "))
            .unwrap_or_default();
        let warning = format!("{job}{}", warning.message);
        writeln!(out, "  warning: {}", clean_lines(&warning))?;
    }
    writeln!(out)?;
    for job in build.jobs() {
        write_job(out, job, now)?;
    }
    for result in &build.results {
        let (name, kind) = (clean(&result.name), clean(&result.media_type));
        let size = spell_size(result.size);
        let by = result.job_id.as_ref().map(|id| format!(", by {id}"));
        let by = clean(&by.unwrap_or_default());
        writeln!(out, "result {name} ({kind}, {size}{by})")?;
    }
    writeln!(out, "\nlogs: {}", clean(&folder.logs.display().to_string()))
}

fn write_job(out: &mut impl Write, job: &JobState, now: Millis) -> io::Result<()> {
    let took = job.elapsed(now).map(spell_duration).unwrap_or_default();
    let why = plain::why(job)
        .filter(|_| job.status.is_failed())
        .unwrap_or_default();
    writeln!(
        out,
        "{:<24} {:<12} {took:>10}  {}",
        clean(job.id().as_str()),
        clean(&job.status.to_string()),
        clean(&why)
    )?;
    if let Some(tests) = job.tests() {
        writeln!(out, "  {}", clean(&tests.to_string()))?;
    }
    let used = usage::parts(job);
    if !used.is_empty() {
        writeln!(out, "  used {}", used.join(", "))?;
    }
    for blob in &job.blobs {
        let kind = match blob.kind {
            BlobKind::Artifact => "artifact",
            BlobKind::Cache => "cache",
        };
        let path = match blob.path.as_str() {
            "" => String::new(),
            path => format!("{}, ", clean(path)),
        };
        let size = match blob.size {
            0 => "size not known".to_owned(),
            size => spell_size(size),
        };
        let id = clean(&blob.id);
        writeln!(out, "  {kind} {id} ({path}{size})")?;
    }
    Ok(())
}

/// `logs`.
pub(super) async fn logs(home: &Home, args: &LogsArgs) -> Result<Exit, UserError> {
    let (_, folder) = find(home, &args.build)?;
    let mut out = io::BufWriter::new(io::stdout());
    let mut tails: Vec<Tail> = Vec::new();
    if args.script {
        tails.push(Tail::open(&folder.logs, None)?);
    }
    let mut known = None;
    loop {
        // Whether it is over is asked before reading: what is written last is read too.
        let over = !args.follow || is_over(&folder);
        let journal = std::fs::metadata(&folder.journal).map(|file| file.len());
        let journal = journal.unwrap_or_default();
        // A build that has just begun does not know its jobs yet.
        if !args.script && known != Some(journal) {
            known = Some(journal);
            let journal = Journal::read(&folder.journal).map_err(|error| UserError::of(&error))?;
            let build = Build::fold(journal.events().iter().map(|event| &**event));
            tail::open_all(&build, &folder.logs, true, args, over, &mut tails)?;
        }
        let any = tail::print_all(&mut out, &mut tails, args, over)?;
        if over {
            return Ok(Exit::Success);
        }
        if !any {
            // Another process writes: there is nothing to wait on but time.
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
}

/// Asked again and again: looks at the journal's end and lock only.
fn is_over(folder: &BuildFolder) -> bool {
    crate::journal::ends_with_build_end(&folder.journal)
        || !crate::journal::is_in_use(&folder.journal)
}

/// `cancel`.
pub(super) async fn cancel(home: &Home, build: &str) -> Result<Exit, UserError> {
    let (sid, client) = live_here(home, build)?;
    client.cancel().await.map_err(|error| refused(&error))?;
    println!("asked {} to stop", clean(&sid.to_string()));
    Ok(Exit::Success)
}

/// `unblock`.
pub(super) async fn unblock(home: &Home, args: &UnblockArgs) -> Result<Exit, UserError> {
    let (sid, client) = live_here(home, &args.build)?;
    let job = (args.job != "all").then(|| JobId::new(&args.job));
    client
        .unblock(job.as_ref())
        .await
        .map_err(|error| refused(&error))?;
    let sid = clean(&sid.to_string());
    match job {
        Some(job) => println!("approved {} of {sid}", clean(job.as_str())),
        None => println!("approved all blocked jobs of {sid}"),
    }
    Ok(Exit::Success)
}

/// What a build answered: its sentence, where there is one.
fn refused(error: &ApiError) -> UserError {
    let ApiError::Refused { message, .. } = error else {
        return UserError::of(error);
    };
    let answer = edn::read_str(message).ok();
    let sentence = answer.as_ref().and_then(|answer| answer.get("message"));
    match sentence.and_then(Value::as_str) {
        Some(sentence) => UserError::new(sentence),
        None => UserError::of(error),
    }
}

/// The script API of a build that runs in another process of this user.
pub(super) fn live(home: &Home, build: &str) -> Result<(Sid, ApiClient), UserError> {
    live_of(home, build, None)
}

/// As [`live`], but `last` means one of the project in this folder, if any of those runs:
/// what acts on a build should not reach for somebody else's.
fn live_here(home: &Home, build: &str) -> Result<(Sid, ApiClient), UserError> {
    let repo = local::project_dir(Path::new("."))
        .ok()
        .map(|dir| local::repo_id(&dir));
    live_of(home, build, repo.as_deref())
}

fn live_of(
    home: &Home,
    build: &str,
    preferred: Option<&str>,
) -> Result<(Sid, ApiClient), UserError> {
    let running: Vec<Sid> = History::new(home)
        .running()
        .into_iter()
        .map(|(sid, _)| sid)
        .collect();
    let mut matching: Vec<&Sid> = running
        .iter()
        .filter(|sid| build == "last" || sid.build.starts_with(build) || sid.to_string() == build)
        .collect();
    let is_preferred = |sid: &&Sid| Some(sid.repo.as_str()) == preferred;
    if build == "last" && matching.iter().any(is_preferred) {
        matching.retain(is_preferred);
    }
    let sid = match matching.as_slice() {
        [] => {
            let ids: Vec<&str> = running.iter().map(|sid| sid.build.as_str()).collect();
            let hint = if ids.is_empty() {
                "no build is running; `monkeyci-tui list` shows those that are over".to_owned()
            } else {
                format!("running: {}", ids.join(", "))
            };
            return Err(UserError::new(format!("no running build matches \"{build}\"")).hint(hint));
        }
        [one] => *one,
        // The list begins with the newest.
        [newest, ..] if build == "last" => *newest,
        many => {
            let ids: Vec<String> = many.iter().map(ToString::to_string).collect();
            let message = format!("\"{build}\" may be any of several running builds");
            return Err(UserError::new(message).hint(ids.join("\n  ")));
        }
    };
    let runtime = home.runtime(sid).map_err(|error| UserError::of(&error))?;
    let token = std::fs::read_to_string(runtime.watch_token())
        .map_err(|error| UserError::new(format!("cannot read the token of {sid}: {error}")))?;
    let client = ApiClient::new(&runtime.socket(), token.trim().to_owned().into())
        .map_err(|error| UserError::of(&error))?;
    Ok((sid.clone(), client))
}

/// The folder of a build by its BUILD spec (decisions.md).
pub(super) fn find(home: &Home, build: &str) -> Result<(Sid, BuildFolder), UserError> {
    History::new(home)
        .find(&BuildSpec::parse(build))
        .map_err(|error| UserError::of(&error))
}

/// A reader that went away (`| head`) is no error.
pub(super) fn quiet<T>(outcome: io::Result<T>) -> Result<Option<T>, UserError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(UserError::new(format!("cannot print: {error}"))),
    }
}
