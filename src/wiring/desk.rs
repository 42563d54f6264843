//! Carries out what the app asks of the outside: starts builds, opens sources, stores files.
//!
//! Every effect is begun here and answered by a message; nothing here waits. `opener.rs` has what makes a
//! build known to the app.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::app::doc::DocLine;
use crate::app::trigger::Trigger;
use crate::app::{
    BuildRequest as Wanted, Effect, HistoryItem, Msg, Notice, Origin, Project, Script,
};
use crate::cli::ExecutorChoice;
use crate::domain::{Again, BlobKind, Event, JobId, LogId, Sid};
use crate::engine::{BuildSummary, EngineHandle, StopReason};
use crate::ports::{BlobKey, BlobStore, Control};
use crate::script;
use crate::store::{BuildFolder, History, Home, Origin as RecordedElsewhere};
use crate::vcs;

use super::again;
use super::compare;
use super::error::UserError;
use super::local::{self, BuildRequest};
use super::log_desk::{self, LogTask};
use super::opener::{Open, Opener, open_recorded, start_and_open};
use super::remote::{Connections, RemoteRepo, RemoteSid};
use super::reproduce;
use super::rerun::{self, Rerun};
use super::shell_desk::{self, Order};
use super::storage;

/// Builds that the history pane shows.
const HISTORY: usize = 100;

/// What performs effects.
#[derive(Debug)]
pub(super) struct Desk {
    home: Home,
    /// What a build of this project is started with.
    template: BuildRequest,
    /// The project that is shown.
    project: PathBuf,
    to_app: mpsc::UnboundedSender<Msg>,
    logs: std::sync::mpsc::Sender<LogTask>,
    runtime: Handle,
    open: Arc<Mutex<HashMap<Sid, Open>>>,
    /// The first build that was started here.
    first: Arc<Mutex<Option<Sid>>>,
    /// A user has agreed to run container jobs in the shell of this machine.
    host_agreed: AtomicBool,
    /// The shell that is open.
    shell: Mutex<Option<mpsc::UnboundedSender<Order>>>,
    /// A repository on a server, whose builds are listed with those of the project.
    remote: Option<RemoteRepo>,
    connections: Connections,
}

impl Desk {
    pub(super) fn new(
        home: Home,
        template: BuildRequest,
        project: PathBuf,
        to_app: mpsc::UnboundedSender<Msg>,
        runtime: Handle,
    ) -> Self {
        let connections = Connections::new(home.clone());
        let answers = to_app.clone();
        let logs = log_desk::start(move |msg| {
            // An app that is gone needs no answers.
            let _ = answers.send(msg);
        });
        Self {
            home,
            template,
            project,
            to_app,
            logs,
            runtime,
            open: Arc::default(),
            first: Arc::default(),
            host_agreed: AtomicBool::new(false),
            shell: Mutex::default(),
            remote: None,
            connections,
        }
    }

    /// Lists the builds of a repository on a server too.
    #[must_use]
    pub(super) fn with_remote(self, remote: Option<RemoteRepo>, connections: Connections) -> Self {
        Self {
            remote,
            connections,
            ..self
        }
    }

    /// The first build that was started here.
    pub(super) fn first_started(&self) -> Option<Sid> {
        self.first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Begins one effect.
    pub(super) fn perform(&self, effect: Effect) {
        match effect {
            Effect::StartBuild(wanted) => self.start_build(&wanted),
            Effect::Control(sid, control) => self.control(&sid, control),
            Effect::OpenBuild(sid) => self.open_build(sid),
            Effect::CloseBuild(sid) => {
                let mut open = self.lock();
                if open.get(&sid).is_some_and(|build| build.summary.is_none()) {
                    open.remove(&sid);
                }
            }
            Effect::RefreshHistory => drop(self.runtime.spawn(self.refresh())),
            Effect::ReloadProject => self.reload_project(),
            Effect::ReadLog(request) => {
                self.is_looked_at(&request.sid, &request.log);
                let dir = self.logs_dir(&request.sid);
                self.ask_logs(LogTask::Read(request, dir));
            }
            Effect::ReadTail(sid, job, count) => {
                let dir = self.logs_dir(&sid);
                self.ask_logs(LogTask::Tail(sid, job, dir, count));
            }
            Effect::Find(request) => {
                let dir = self.logs_dir(&request.sid);
                self.ask_logs(LogTask::Find(request, dir));
            }
            Effect::CopyLog(sid, log) => self.ask_logs(LogTask::Text(log, self.logs_dir(&sid))),
            Effect::SaveLog(sid, log, to) => {
                self.ask_logs(LogTask::Save(log, self.logs_dir(&sid), to));
            }
            Effect::ReadResult(sid, name, generation) => self.read_result(&sid, &name, generation),
            Effect::Compare(sid, with, generation) => self.compare(sid, with, generation),
            Effect::SaveResult(sid, name, to) => self.save_result(&sid, &name, to),
            Effect::SaveBlob {
                sid,
                job: _,
                kind,
                id,
                to,
            } => self.save_blob(&sid, kind, &id, to),
            Effect::RunHere(sid, job) => self.run_here(&sid, job),
            Effect::Trigger(sid, trigger) => self.trigger(sid.as_ref(), trigger),
            Effect::KeepContainer(sid, job) => {
                let to_app = self.to_app.clone();
                self.runtime.spawn(async move {
                    let notice = shell_desk::keep(sid, job).await;
                    // An app that is gone needs no notice.
                    let _ = to_app.send(Msg::Notice(notice));
                });
            }
            Effect::OpenShell {
                generation,
                sid,
                job,
                size,
            } => self.open_shell(shell_desk::Wanted {
                generation,
                sid,
                job,
                size,
            }),
            Effect::TypeIntoShell(bytes) => self.order_shell(Order::Type(bytes)),
            Effect::ResizeShell(columns, rows) => self.order_shell(Order::Resize((columns, rows))),
            Effect::CloseShell => self.order_shell(Order::Close),
            // The loop's own; they do not come here.
            Effect::Copy(_)
            | Effect::Suspend
            | Effect::Redraw
            | Effect::Mouse(_)
            | Effect::Quit(_) => {}
        }
    }

    /// Stops everything that runs here and waits until nothing does.
    ///
    /// Returns how each build ended, and all its events: the app may have left before the last.
    pub(super) async fn stop_all(
        &self,
        reason: StopReason,
        times: usize,
    ) -> Vec<(BuildSummary, Vec<Arc<Event>>)> {
        let running: Vec<(EngineHandle, JoinHandle<BuildSummary>)> = self
            .lock()
            .values_mut()
            .filter_map(|build| Some((build.engine.clone()?, build.summary.take()?)))
            .collect();
        for (engine, summary) in &running {
            if !summary.is_finished() {
                for _ in 0..times {
                    engine.stop(reason);
                }
            }
        }
        let mut summaries = Vec::new();
        for (engine, summary) in running {
            let events = engine.journal().clone();
            summaries.extend(summary.await.map(|summary| (summary, events.events())));
        }
        summaries
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Sid, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn logs_dir(&self, sid: &Sid) -> PathBuf {
        self.lock()
            .get(sid)
            .map_or_else(|| self.home.build(sid).logs, |build| build.logs_dir.clone())
    }

    /// Where a build is recorded.
    fn folder(&self, sid: &Sid) -> BuildFolder {
        let logs = self.logs_dir(sid);
        BuildFolder::at(logs.parent().unwrap_or(&logs))
    }

    fn is_looked_at(&self, sid: &Sid, log: &LogId) {
        let open = self.lock();
        for (other, build) in &*open {
            if let Some(interest) = &build.interest {
                interest.set(match log {
                    LogId::Job(job) if other == sid => Some(job.clone()),
                    _ => None,
                });
            }
        }
    }

    fn ask_logs(&self, task: LogTask) {
        // The thread ends with this desk and not before.
        let _ = self.logs.send(task);
    }

    /// One shell is open at a time: the one before ends.
    fn open_shell(&self, wanted: shell_desk::Wanted) {
        let (orders, received) = mpsc::unbounded_channel();
        *self.shell.lock().unwrap_or_else(PoisonError::into_inner) = Some(orders);
        let to_app = self.to_app.clone();
        self.runtime
            .spawn(shell_desk::run(wanted, received, to_app));
    }

    fn order_shell(&self, order: Order) {
        let shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shell) = &*shell {
            // One that has ended says so itself.
            let _ = shell.send(order);
        }
    }

    fn start_build(&self, wanted: &Wanted) {
        let (known, sid) = match &wanted.origin {
            Origin::Project => (Some(self.template.clone()), None),
            Origin::Demo => match demo_request(&self.home, &self.template, false) {
                Ok(request) => (Some(request), None),
                Err(error) => return self.say_bad(&error),
            },
            Origin::Again(sid) if let Some(remote) = RemoteSid::of(sid) => {
                return self.retry(remote, wanted.again != Again::All);
            }
            Origin::Again(sid) => {
                let open = self.lock();
                let known = open.get(sid).and_then(|build| build.request.clone());
                (known, Some(sid.clone()))
            }
        };
        if wanted.on_host {
            self.host_agreed.store(true, Ordering::Relaxed);
        }
        let on_host = self.host_agreed.load(Ordering::Relaxed);
        let (home, template) = (self.home.clone(), self.template.clone());
        let opener = self.opener();
        let wanted = wanted.clone();
        self.runtime.spawn(async move {
            let started = async {
                let mut request = match (known, sid) {
                    (known, Some(sid)) => {
                        let (home, wanted) = (home.clone(), wanted.clone());
                        // Reads a journal: off the loop.
                        let request = tokio::task::spawn_blocking(move || {
                            again(&home, sid, known, template, &wanted)
                        });
                        request
                            .await
                            .map_err(|error| UserError::new(error.to_string()))??
                    }
                    (known, None) => known.unwrap_or(template),
                };
                if on_host {
                    request.run.executor = ExecutorChoice::Host;
                }
                if let (None, Again::Jobs(jobs)) = (&request.rerun, &wanted.again) {
                    request.run.jobs = jobs.iter().map(|id| id.as_str().to_owned()).collect();
                }
                start_and_open(&home, request, wanted, &opener).await
            };
            if let Err(error) = started.await {
                opener.tell(Msg::Notice(Notice::bad(error.to_string())));
            }
        });
    }

    /// Opens a build that was started before the app was: the one of `build`.
    pub(super) fn opener(&self) -> Opener {
        Opener {
            to_app: self.to_app.clone(),
            open: Arc::clone(&self.open),
            first: Arc::clone(&self.first),
            runtime: self.runtime.clone(),
        }
    }

    fn control(&self, sid: &Sid, control: Control) {
        let sent = self
            .lock()
            .get(sid)
            .is_some_and(|build| build.controls.send(control).is_ok());
        if !sent {
            let notice = Notice::bad(format!("{sid} is over: nothing can be done to it"));
            self.tell(Msg::Notice(notice));
        }
    }

    /// Has a server build something, and follows it.
    fn trigger(&self, sid: Option<&Sid>, trigger: Trigger) {
        let repo = match sid.and_then(RemoteSid::of) {
            Some(build) => Some(build.repo()),
            None => self.remote.clone(),
        };
        let Some(repo) = repo else {
            let notice = Notice::bad("no repository on a server is meant");
            return self.tell(Msg::Notice(notice));
        };
        let (home, connections) = (self.home.clone(), self.connections.clone());
        let opener = self.opener();
        self.runtime.spawn(async move {
            let opened = async {
                let build = connections.trigger(&repo, trigger).await?;
                opener.open_remote(&home, &connections, build).await
            };
            if let Err(error) = opened.await {
                opener.tell(Msg::Notice(Notice::bad(error.to_string())));
            }
        });
    }

    /// Runs a job of a build on a server here.
    fn run_here(&self, sid: &Sid, job: JobId) {
        let Some(remote) = RemoteSid::of(sid) else {
            let notice = Notice::bad("only a build on a server is not here");
            return self.tell(Msg::Notice(notice));
        };
        let (home, connections) = (self.home.clone(), self.connections.clone());
        let opener = self.opener();
        let mut template = self.template.clone();
        if self.host_agreed.load(Ordering::Relaxed) {
            template.run.executor = ExecutorChoice::Host;
        }
        self.runtime.spawn(async move {
            let started = async {
                let request =
                    reproduce::prepare(&home, &connections, &remote, &job, &template).await?;
                let running = local::start(&home, request.clone()).await?;
                opener.open_running(running, request);
                Ok::<_, UserError>(())
            };
            if let Err(error) = started.await {
                opener.tell(Msg::Notice(Notice::bad(error.to_string())));
            }
        });
    }

    /// Has a server run a build again, and follows the new one.
    fn retry(&self, remote: RemoteSid, only_some: bool) {
        let home = self.home.clone();
        let connections = self.connections.clone();
        let opener = self.opener();
        self.runtime.spawn(async move {
            if only_some {
                let text = "a server runs all jobs of a build again";
                opener.tell(Msg::Notice(Notice::good(text)));
            }
            let opened = async {
                let again = connections.retry(&remote).await?;
                opener.open_remote(&home, &connections, again).await
            };
            if let Err(error) = opened.await {
                opener.tell(Msg::Notice(Notice::bad(error.to_string())));
            }
        });
    }

    fn open_build(&self, sid: Sid) {
        let home = self.home.clone();
        let opener = self.opener();
        if let Some(remote) = RemoteSid::of(&sid).filter(|remote| !remote.is_recorded(&home)) {
            let connections = self.connections.clone();
            self.runtime.spawn(async move {
                if let Err(error) = opener.open_remote(&home, &connections, remote).await {
                    opener.tell(Msg::Notice(Notice::bad(error.to_string())));
                }
            });
            return;
        }
        // Reads a journal: off the loop.
        self.runtime
            .spawn_blocking(move || match open_recorded(&home, &sid) {
                Ok((source, info)) => opener.open(source, info, None, None, None, None),
                Err(error) => opener.tell(Msg::Notice(Notice::bad(error.to_string()))),
            });
    }

    /// Reads the list of builds and tells it to the app; those of a server as soon as it has answered.
    pub(super) fn refresh(&self) -> impl Future<Output = ()> + Send + use<> {
        let read = self.refresher();
        let remote = self.remote.clone();
        let connections = self.connections.clone();
        let to_app = self.to_app.clone();
        async move {
            let Ok(mut items) = tokio::task::spawn_blocking(read).await else {
                return;
            };
            let Some(remote) = remote else { return };
            match connections.list(&remote).await {
                Ok(builds) => {
                    let known: HashSet<Sid> = builds.iter().map(|item| item.sid.clone()).collect();
                    items.retain(|item| !known.contains(&item.sid));
                    items.extend(builds);
                    items.sort_by_key(|item| std::cmp::Reverse(item.start));
                    // An app that is gone needs no answer.
                    let _ = to_app.send(Msg::History(items));
                }
                Err(error) => {
                    // Likewise.
                    let _ = to_app.send(Msg::Notice(Notice::bad(error.to_string())));
                }
            }
        }
    }

    /// What reads the list of builds and tells it to the app. Blocking.
    fn refresher(&self) -> impl FnOnce() -> Vec<HistoryItem> + Send + use<> {
        let home = self.home.clone();
        let project = self.project.clone();
        let to_app = self.to_app.clone();
        let remote = self.remote.clone();
        move || {
            let mut items = History::new(&home)
                .of_repo("local", &local::repo_id(&project))
                .list(HISTORY)
                .items;
            if let Some(remote) = &remote {
                let org = format!("{}@{}", remote.org, remote.server);
                let recorded = History::new(&home).of_repo(&org, &remote.repo);
                items.extend(recorded.list(HISTORY).items);
                items.sort_by_key(|item| std::cmp::Reverse(item.start.or(item.created)));
            }
            let items: Vec<HistoryItem> = items
                .into_iter()
                .map(|item| HistoryItem {
                    sid: item.sid,
                    status: item.status,
                    duration: item
                        .end
                        .zip(item.start.or(item.created))
                        .map(|(end, start)| end.saturating_sub(start)),
                    start: item.start.or(item.created),
                    branch: item.branch,
                    commit: item.commit,
                    message: item.message.or(item.commit_message),
                })
                .collect();
            // An app that is gone needs no answer.
            let _ = to_app.send(Msg::History(items.clone()));
            items
        }
    }

    fn reload_project(&self) {
        let project = self.project.clone();
        let to_app = self.to_app.clone();
        self.runtime.spawn_blocking(move || {
            // Likewise.
            let _ = to_app.send(Msg::Project(Box::new(look_at(&project))));
        });
    }

    fn save_blob(&self, sid: &Sid, kind: BlobKind, id: &str, to: PathBuf) {
        let key = match kind {
            BlobKind::Artifact => BlobKey::artifact(sid, id),
            BlobKind::Cache => BlobKey::cache(sid, id),
        };
        let home = self.home.clone();
        let to_app = self.to_app.clone();
        let folder = self.folder(sid);
        // What a recording from elsewhere has came with it, whatever build it says it is.
        let remote = RemoteSid::of(sid).filter(|_| RecordedElsewhere::of(&folder).is_none());
        let remote = remote.map(|build| (build, id.to_owned()));
        let connections = self.connections.clone();
        self.runtime.spawn(async move {
            let saved = match remote {
                Some((build, id)) => connections.download(&build, &id, &to).await,
                None => save_blob(home, folder, &key, &to).await,
            };
            let notice = match saved {
                Ok(()) => Notice::good(format!("saved to {}", to.display())),
                Err(why) => Notice::bad(format!("cannot save to {}: {why}", to.display())),
            };
            // Likewise.
            let _ = to_app.send(Msg::Notice(notice));
        });
    }

    fn read_result(&self, sid: &Sid, name: &str, generation: u64) {
        let key = BlobKey::result(sid, name);
        let (home, folder) = (self.home.clone(), self.folder(sid));
        let to_app = self.to_app.clone();
        self.runtime.spawn(async move {
            let lines = read_result(home, folder, &key)
                .await
                .unwrap_or_else(|why| vec![DocLine::plain(&format!("it cannot be read: {why}"))]);
            // Likewise.
            let _ = to_app.send(Msg::ResultRead(generation, lines));
        });
    }

    fn compare(&self, sid: Sid, with: Option<Sid>, generation: u64) {
        let home = self.home.clone();
        let to_app = self.to_app.clone();
        self.runtime.spawn(async move {
            let found = compare::of_shown(&home, &sid, with.as_ref()).await;
            let found = found.map(Box::new).map_err(|error| error.to_string());
            // Likewise.
            let _ = to_app.send(Msg::Compared(generation, found));
        });
    }

    fn save_result(&self, sid: &Sid, name: &str, to: PathBuf) {
        let key = BlobKey::result(sid, name);
        let (home, folder) = (self.home.clone(), self.folder(sid));
        let to_app = self.to_app.clone();
        self.runtime.spawn(async move {
            let notice = match save_result(home, folder, &key, &to).await {
                Ok(()) => Notice::good(format!("saved to {}", to.display())),
                Err(why) => Notice::bad(format!("cannot save to {}: {why}", to.display())),
            };
            // Likewise.
            let _ = to_app.send(Msg::Notice(notice));
        });
    }

    fn tell(&self, msg: Msg) {
        // Likewise.
        let _ = self.to_app.send(msg);
    }

    fn say_bad(&self, error: &UserError) {
        self.tell(Msg::Notice(Notice::bad(error.to_string())));
    }
}

/// The demo, written to a folder that is kept: a second build finds its cache.
pub(super) fn demo_request(
    home: &Home,
    template: &BuildRequest,
    failing: bool,
) -> Result<BuildRequest, UserError> {
    let name = if failing { "demo-failing" } else { "demo" };
    let dir = home.cache().join(name);
    super::demo::write(&dir, failing).map_err(|error| {
        UserError::new(format!(
            "cannot write the demo to {}: {error}",
            dir.display()
        ))
    })?;
    let mut request = template.clone();
    request.dir = dir;
    request.revision = None;
    // The demo is this program's own, and asking for it is choosing where it runs; who asks
    // for something else is told that it is not there.
    if request.run.executor == ExecutorChoice::Auto {
        request.run.executor = ExecutorChoice::Host;
    }
    Ok(request)
}

/// What runs a recorded build again: as it was asked for, which for one that an older program recorded is as
/// this project is.
fn again(
    home: &Home,
    sid: Sid,
    known: Option<BuildRequest>,
    template: BuildRequest,
    wanted: &Wanted,
) -> Result<BuildRequest, UserError> {
    let folder = home.build(&sid);
    let recorded = rerun::recorded(&folder)?;
    let mut request = match known {
        Some(request) => request,
        None if recorded.request.is_empty() && is_of(&template, &sid) => template,
        None => rerun::asked_for(home, &folder, &recorded)?,
    };
    if wanted.same_commit {
        rerun::same_commit(&mut request, &recorded)?;
    }
    Rerun::new(sid, recorded, &wanted.again, wanted.times, false)?.ask(&mut request, &wanted.again);
    Ok(request)
}

/// True when a build is one of the project that a request is about.
fn is_of(request: &BuildRequest, sid: &Sid) -> bool {
    local::project_dir(&request.dir).is_ok_and(|dir| local::repo_id(&dir) == sid.repo)
}

/// The project as it is now.
pub(super) fn look_at(dir: &Path) -> Project {
    let script_dir = dir.join(script::SCRIPT_DIR);
    let script = if script_dir.is_dir() {
        match script::load(&script_dir) {
            Ok(script) => Script::Loaded {
                clojure: script.clojure,
                // What a build.clj adds may be what is missing.
                warnings: (script.faults.iter().filter(|_| !script.clojure))
                    .map(ToString::to_string)
                    .chain(script.warnings)
                    .collect(),
                jobs: script.jobs,
            },
            Err(error) => Script::Broken(error.to_string()),
        }
    } else {
        Script::Missing
    };
    Project {
        name: local::repo_id(dir),
        dir: again::shown_dir(dir),
        git: vcs::describe(dir)
            .ok()
            .flatten()
            .map(Into::into)
            .unwrap_or_default(),
        script,
    }
}

/// Opens the store of a build, which may be a bucket, away from the event loop.
async fn blobs(home: Home, folder: BuildFolder) -> Result<Arc<dyn BlobStore>, String> {
    let opened = tokio::task::spawn_blocking(move || storage::of_build(&home, &folder))
        .await
        .map_err(|error| error.to_string())?;
    opened.map_err(|error| error.message)
}

async fn read_result(
    home: Home,
    folder: BuildFolder,
    key: &BlobKey,
) -> Result<Vec<DocLine>, String> {
    super::results::read(&*blobs(home, folder).await?, key).await
}

async fn save_result(
    home: Home,
    folder: BuildFolder,
    key: &BlobKey,
    to: &Path,
) -> Result<(), String> {
    super::results::save(&*blobs(home, folder).await?, key, to).await
}

async fn save_blob(
    home: Home,
    folder: BuildFolder,
    key: &BlobKey,
    to: &Path,
) -> Result<(), String> {
    let mut reader = blobs(home, folder)
        .await?
        .get(key)
        .await
        .map_err(|error| UserError::of(&error).message)?
        .ok_or("it is not kept any more")?;
    log_desk::save(&mut reader, to).await
}
