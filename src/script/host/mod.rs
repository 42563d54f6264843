//! The script host inside this program: the child process that runs declarative scripts.
//!
//! It is started like the hosts of Clojure scripts and can do no more than they can: all
//! it reaches of the engine is the script API, with the token it is given. A line on its
//! standard input ([`HostConfig`]) says where that is and what to load; nothing secret is
//! in its arguments or its environment.
//!
//! ```text
//! subscribe ─► script/initializing ─► load ─► script/start, job/queued …
//!                                      │            │
//!                                      │            ▼   events of the runner
//!                                      │      [ Scheduler ] ◄──────── GET /events
//!                                      │            │
//!                                      ▼            ▼   one poster, in order
//!                                  script/end     POST /events
//! ```
//!
//! Start reading at [`main`], then `run_script`.

mod config;
mod poster;
mod scratch;
mod test_results;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinSet;

use crate::api_client::{ApiClient, ApiError, StreamItem};
use crate::domain::{BuildStatus, Event, EventKind, JobId, Src};

use super::error::LoadError;
use super::junit::JunitConfig;
use super::load::{Script, load};
use super::scheduler::{Scheduler, load_failed, said};

pub use config::{ConfigError, HostConfig};
use poster::Poster;

/// How long the engine may be away before the host gives up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Events that are posted at once because of what was heard, about.
const BATCH: usize = 256;

/// Why the script did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The files are wrong.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The files are right, but cannot be run as asked.
    #[error("{0}")]
    Script(String),
    /// The engine cannot be reached any more.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Something went wrong in the host itself.
    #[error("the script host failed: {0}")]
    Internal(String),
}

impl HostError {
    /// The message with its causes.
    fn full_text(&self) -> String {
        match self {
            Self::Load(error) => error.full_text(),
            error => error.to_string(),
        }
    }
}

/// How a script host leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostExit {
    /// The script ended well, or was canceled.
    Done,
    /// The script failed, or could not run.
    Failed,
}

impl From<HostExit> for ExitCode {
    fn from(exit: HostExit) -> Self {
        match exit {
            HostExit::Done => Self::SUCCESS,
            HostExit::Failed => Self::FAILURE,
        }
    }
}

/// The whole of `monkeyci-tui script-host`: reads the configuration from standard input
/// and runs the script. Errors go to standard error.
pub async fn main() -> HostExit {
    // Nothing else runs yet, so reading may block.
    match HostConfig::read(std::io::stdin().lock()) {
        Ok(config) => run(&config).await,
        Err(error) => {
            say(&error.to_string());
            HostExit::Failed
        }
    }
}

/// Runs a script to its end, and writes to standard error why it could not. A script that
/// was canceled is no failure (script-api.md §8.4).
pub async fn run(config: &HostConfig) -> HostExit {
    match run_script(config, PATIENCE).await {
        Ok(BuildStatus::Error) => HostExit::Failed,
        Ok(_) => HostExit::Done,
        Err(error) => {
            say(&error.full_text());
            HostExit::Failed
        }
    }
}

fn say(text: &str) {
    // Whoever started us reads standard error or does not; either way the build goes on.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Runs a script to its end.
pub(crate) async fn run_script(
    config: &HostConfig,
    patience: Duration,
) -> Result<BuildStatus, HostError> {
    let client = ApiClient::new(&config.socket, config.token.clone())?;
    // First subscribe, then speak: so no answer of the runner can be missed.
    let mut stream = client.events(None).persevere(patience);
    stream.connected().await?;
    let mut poster = Poster::start(client.clone(), config.sid.clone());
    poster.post(vec![said(Event::new(EventKind::ScriptInitializing {
        script_dir: Some(config.script_dir.display().to_string()),
    }))]);
    let script = match load_script(config).await {
        Ok(script) => script,
        Err(error) => {
            poster.post(vec![load_failed(error.full_text())]);
            // What is wrong with the script matters more than a lost connection.
            let _ = poster.finish().await;
            return Err(error);
        }
    };
    // Faults and warnings are told by whoever started us, which has loaded the same files.
    let mut scheduler = Scheduler::new(script.jobs, &config.filter).for_build(config.sid.clone());
    poster.post(scheduler.start());
    let mut reading = ResultReaders {
        client,
        tasks: JoinSet::new(),
        jobs: HashSet::new(),
    };
    while scheduler.finished().is_none() {
        let mut said = Vec::new();
        tokio::select! {
            item = stream.next() => {
                // What is there already goes into one request.
                let mut item = Some(item);
                while let Some(heard) = item {
                    if let Some(event) = news(heard)? && !reading.take(&event, &scheduler) {
                        said.extend(scheduler.on(&event));
                    }
                    let more = said.len() < BATCH && scheduler.finished().is_none();
                    item = if more { stream.next().now_or_never() } else { None };
                }
            }
            Some(event) = reading.next() => said = scheduler.on(&event),
            error = poster.failed() => return Err(error.into()),
        }
        poster.post(said);
    }
    poster.finish().await?;
    Ok(scheduler.finished().unwrap_or(BuildStatus::Error))
}

/// What the scheduler should hear of; an error when there will be no more.
fn news(item: StreamItem) -> Result<Option<Arc<Event>>, HostError> {
    match item {
        StreamItem::Event(event) => Ok(Some(event)),
        StreamItem::Failed(error) => Err(error.into()),
        StreamItem::End => Err(HostError::Internal(
            "the engine closed the build before the script had ended".to_owned(),
        )),
        StreamItem::Lost { .. }
        | StreamItem::Restored
        | StreamItem::Ping
        | StreamItem::LogGrew(_) => Ok(None),
    }
}

async fn load_script(config: &HostConfig) -> Result<Script, HostError> {
    let dir = config.script_dir.clone();
    let script = tokio::task::spawn_blocking(move || load(&dir))
        .await
        .map_err(|error| HostError::Internal(error.to_string()))??;
    if script.clojure {
        return Err(HostError::Script(
            "build.clj needs a Clojure or babashka host: this one runs declarative files"
                .to_owned(),
        ));
    }
    let known: HashSet<&JobId> = script.jobs.iter().map(|job| &job.id).collect();
    if let Some(id) = config.filter.iter().find(|id| !known.contains(id)) {
        return Err(HostError::Script(format!("there is no job \"{id}\"")));
    }
    Ok(script)
}

/// The jobs whose test results are being read: between `job/executed` and `job/end`.
struct ResultReaders {
    client: ApiClient,
    tasks: JoinSet<Event>,
    jobs: HashSet<JobId>,
}

impl ResultReaders {
    /// Takes a `job/executed` that has results to read; the event comes back from
    /// [`ResultReaders::next`] with them. True when there is nothing else to do with it.
    fn take(&mut self, event: &Event, scheduler: &Scheduler) -> bool {
        let (EventKind::JobExecuted { .. }, Some(id)) = (&event.kind, &event.job_id) else {
            return false;
        };
        if event.src == Some(Src::Script) || !scheduler.is_active(id) {
            return false;
        }
        if self.jobs.contains(id) {
            return true;
        }
        let Some(config) = scheduler.job(id).and_then(JunitConfig::of) else {
            return false;
        };
        self.jobs.insert(id.clone());
        let (client, event) = (self.client.clone(), event.clone());
        self.tasks
            .spawn(async move { test_results::with_tests(client, event, config).await });
        true
    }

    /// The next event that has its results; never, when none is being read.
    async fn next(&mut self) -> Option<Event> {
        match self.tasks.join_next().await {
            Some(Ok(event)) => Some(event),
            // What could panic runs in a task of its own, so a reader always answers.
            Some(Err(_)) | None => std::future::pending().await,
        }
    }
}
