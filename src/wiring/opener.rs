//! Opens builds for the app, wherever they come from, and forwards what their sources tell.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::api_client::WatchSource;
use crate::app::{BuildInfo, BuildRequest as Wanted, Msg};
use crate::cli::ExecutorChoice;
use crate::domain::Sid;
use crate::engine::{BuildSummary, EngineHandle, LocalSource};
use crate::ports::{BuildSource, Control, Offers};
use crate::remote::follow::Interest;
use crate::replay::Recording;
use crate::store::{BuildFolder, BuildSpec, History, Home};

use super::again;
use super::error::UserError;
use super::executor;
use super::history;
use super::import;
use super::local::{self, BuildRequest};
use super::remote::{Connections, RemoteSid};

/// A build with a source.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) logs_dir: PathBuf,
    pub(super) controls: mpsc::UnboundedSender<Control>,
    /// How to start it again, when it was started here.
    pub(super) request: Option<BuildRequest>,
    /// Its engine, when it runs here.
    pub(super) engine: Option<EngineHandle>,
    pub(super) summary: Option<JoinHandle<BuildSummary>>,
    /// Told which log is looked at, when it runs on a server.
    pub(super) interest: Option<Arc<Interest>>,
}

/// Makes a source known to the app and forwards what it tells.
#[derive(Debug, Clone)]
pub(super) struct Opener {
    pub(super) to_app: mpsc::UnboundedSender<Msg>,
    pub(super) open: Arc<Mutex<HashMap<Sid, Open>>>,
    pub(super) first: Arc<Mutex<Option<Sid>>>,
    pub(super) runtime: Handle,
}

impl Opener {
    pub(super) fn tell(&self, msg: Msg) {
        // An app that is gone needs no answers.
        let _ = self.to_app.send(msg);
    }

    /// Opens a build that runs here.
    pub(super) fn open_running(&self, running: local::RunningBuild, request: BuildRequest) {
        self.first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| running.handle.sid().clone());
        let source = LocalSource::new(running.handle.clone());
        let info = BuildInfo {
            sid: running.handle.sid().clone(),
            offers: source.offers(),
            live: true,
            logs: Some(running.folder.dir.clone()),
            again: Some(again::command_line(&request)),
            place: Some(again::shown_dir(&request.dir)),
            replay: None,
        };
        self.open(
            Box::new(source),
            info,
            Some(request),
            Some(running.handle),
            Some(running.summary),
            None,
        );
    }

    /// Follows a build on a server.
    pub(super) async fn open_remote(
        &self,
        home: &Home,
        connections: &Connections,
        remote: RemoteSid,
    ) -> Result<(), UserError> {
        let source = connections.follow(&remote).await?;
        let interest = source.interest();
        let here = remote.here();
        let info = BuildInfo {
            offers: source.offers(),
            live: true,
            logs: Some(home.build(&here).dir),
            again: Some(format!("monkeyci-tui retry {here}")),
            place: Some(format!("server {}", remote.server)),
            replay: None,
            sid: here,
        };
        self.open(Box::new(source), info, None, None, None, Some(interest));
        Ok(())
    }

    pub(super) fn open(
        &self,
        mut source: Box<dyn BuildSource>,
        info: BuildInfo,
        request: Option<BuildRequest>,
        engine: Option<EngineHandle>,
        summary: Option<JoinHandle<BuildSummary>>,
        interest: Option<Arc<Interest>>,
    ) {
        let (controls, mut wanted) = mpsc::unbounded_channel();
        let sid = info.sid.clone();
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(
                sid.clone(),
                Open {
                    logs_dir: source.logs_dir(),
                    controls,
                    request,
                    engine,
                    summary,
                    interest,
                },
            );
        self.tell(Msg::BuildOpened(Box::new(info)));
        let to_app = self.to_app.clone();
        self.runtime.spawn(async move {
            loop {
                let msg = tokio::select! {
                    item = source.next() => match item {
                        Some(item) => Msg::Source(sid.clone(), item),
                        None => break,
                    },
                    control = wanted.recv() => {
                        // It was let go of.
                        let Some(control) = control else { return };
                        match source.control(control).await {
                            Ok(()) => continue,
                            Err(why) => Msg::NotControlled(sid.clone(), why),
                        }
                    }
                };
                if to_app.send(msg).is_err() {
                    return;
                }
            }
            // Likewise.
            let _ = to_app.send(Msg::SourceEnded(sid));
        });
    }
}

/// Starts a build and shows it; or asks, when its container jobs could only run in this machine's
/// shell and nobody has said that they may.
pub(super) async fn start_and_open(
    home: &Home,
    request: BuildRequest,
    wanted: Wanted,
    opener: &Opener,
) -> Result<(), UserError> {
    if request.run.executor == ExecutorChoice::Auto
        && let Err(reason) = executor::choose(ExecutorChoice::Auto).await
    {
        opener.tell(Msg::NoEngine(wanted, reason));
        return Ok(());
    }
    let running = local::start(home, request.clone()).await?;
    opener.open_running(running, request);
    Ok(())
}

/// The source of a build that is not ours: another process's, or a recording.
pub(super) fn open_recorded(
    home: &Home,
    sid: &Sid,
) -> Result<(Box<dyn BuildSource>, BuildInfo), UserError> {
    if let Ok((sid, client)) = history::live(home, &sid.to_string()) {
        let source = WatchSource::new(client, sid.clone(), home.build(&sid).logs);
        let info = BuildInfo {
            offers: source.offers(),
            live: true,
            logs: Some(home.build(&sid).dir),
            again: None,
            place: Some("another terminal".to_owned()),
            replay: None,
            sid,
        };
        return Ok((Box::new(source), info));
    }
    let spec = BuildSpec::Named(sid.to_string());
    let (sid, folder) = History::new(home)
        .find(&spec)
        .map_err(|error| UserError::of(&error))?;
    open_recording(sid, folder)
}

/// The source of a build that is over, wherever it is kept.
pub(super) fn open_recording(
    sid: Sid,
    folder: BuildFolder,
) -> Result<(Box<dyn BuildSource>, BuildInfo), UserError> {
    let recording =
        Recording::open(&folder.journal, &folder.logs).map_err(|error| UserError::of(&error))?;
    let origin = import::short_origin(&folder);
    let offers = Offers {
        // Its server may know what is needed to run a job here. A recording from elsewhere only says
        // that it was there.
        copy: RemoteSid::of(&sid).is_some() && origin.is_none(),
        ..recording.offers()
    };
    let info = BuildInfo {
        sid,
        offers,
        live: false,
        logs: Some(folder.dir),
        again: None,
        place: Some(origin.unwrap_or_else(|| "recorded".to_owned())),
        replay: None,
    };
    Ok((Box::new(recording), info))
}
