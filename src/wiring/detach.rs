//! Builds in the background: a process of their own, which `attach`, `cancel` and `unblock` find like
//! any other.
//!
//! ```text
//! build --detach ──starts──▶ build --detached      a session of its own, no terminal
//!       ◀── which build it is, on a pipe ──┘         and not a word after that
//! ```

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use crate::cli::{BuildArgs, Output, clean, clean_lines};
use crate::domain::EventKind;
use crate::engine::LocalSource;
use crate::ports::{BuildSource, SourceItem};
use crate::store::Home;

use super::error::{Exit, UserError};
use super::executor;
use super::local::{self, BuildRequest};
use super::report;

/// More is not read of what a process says that does not start.
const LONGEST_REASON: u64 = 64 * 1024;

/// Starts the background, and says which build it is once its jobs are known: a script that cannot be
/// loaded is told here.
pub(super) fn start(home: &Home, build: &BuildArgs) -> Result<Exit, UserError> {
    super::sweep(home);
    let failed = |error: std::io::Error| UserError::new(format!("cannot start the build: {error}"));
    let mut child = Command::new(std::env::current_exe().map_err(failed)?)
        .args(std::env::args_os().skip(1).map(|arg| {
            if arg == "--detach" {
                "--detached".into()
            } else {
                arg
            }
        }))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut sid = String::new();
    if let Some(stdout) = child.stdout.take() {
        // Nothing is how one ends that does not start.
        let _ = BufReader::new(stdout).read_line(&mut sid);
    }
    let sid = sid.trim();
    if sid.is_empty() {
        let mut reason = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            // What cannot be read is not told.
            let _ = stderr.take(LONGEST_REASON).read_to_end(&mut reason);
        }
        let ended = child.wait().map_err(failed)?;
        // What it said is for whoever asked for it.
        let _ = std::io::stderr().write_all(&reason);
        return Ok(match ended.code() {
            Some(1) => Exit::Failed,
            _ => Exit::NotRun,
        });
    }
    let id = sid.rsplit('/').next().unwrap_or(sid);
    let line = if build.run.output() == Output::Json {
        serde_json::json!({ "sid": sid }).to_string()
    } else {
        format!(
            "{} runs in the background; `monkeyci-tui attach {}` watches it",
            clean(sid),
            clean(id)
        )
    };
    // The build runs, whoever reads that.
    let _ = writeln!(std::io::stdout(), "{line}");
    Ok(Exit::Success)
}

/// The background itself: blocked jobs wait for somebody who attaches, or for `unblock`.
pub(super) async fn run(home: Home, request: BuildRequest) -> Result<Exit, UserError> {
    // Already the leader of a session is fine too.
    let _ = rustix::process::setsid();
    let leftovers = executor::remove_leftovers(&home);
    let running = local::start(&home, request).await?;
    let sid = running.handle.sid().to_string();
    let stopper = tokio::spawn(report::stop_on_signals(running.handle.clone()));
    let mut source = LocalSource::new(running.handle.clone());
    let mut told = false;
    while let Some(item) = source.next().await {
        if !told && begins(&item) {
            told = true;
            tell(&sid);
        }
    }
    let summary = running
        .summary
        .await
        .map_err(|error| UserError::new(format!("the engine failed: {error}")))?;
    let exit = Exit::of(&summary);
    match (&summary.message, exit) {
        _ if told => {}
        (Some(message), Exit::NotRun) => complain!("monkeyci-tui: {}", clean_lines(message)),
        _ => tell(&sid),
    }
    stopper.abort();
    // What is left after that, too, is for the next start.
    let _ = tokio::time::timeout(super::LEFTOVERS, leftovers).await;
    let _ = tokio::time::timeout(super::LEFTOVERS, running.tidied).await;
    Ok(exit)
}

/// Its jobs are known: what is wrong with it from now on is for those who watch it.
fn begins(item: &SourceItem) -> bool {
    let SourceItem::Events(events) = item else {
        return false;
    };
    events
        .iter()
        .any(|event| matches!(event.kind, EventKind::ScriptStart { .. }))
}

fn tell(sid: &str) {
    let mut stdout = std::io::stdout();
    // Whoever asked may be gone; the build goes on.
    let _ = writeln!(stdout, "{sid}").and_then(|()| stdout.flush());
}
