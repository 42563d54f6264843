//! A build, or a project, on the screen: what the loop needs before it starts, and what is
//! left when it has ended.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::app::playback::Replay;
use crate::app::{self, Bindings, Effect, Msg, Notice, Project, QuitManner, Script, Setup, State};
use crate::config;
use crate::domain::{Again, Event, GitInfo, JobId, Sid};
use crate::engine::StopReason;
use crate::ports::{Clock, SourceItem, SystemClock};
use crate::store::{BuildFolder, Home};
use crate::tui::{self, Screen, Tty};
use crate::ui::Ui;

use super::Look;
use super::again;
use super::desk::Desk;
use super::error::{Exit, UserError};
use super::local::{self, BuildRequest};
use super::opener::{open_recording, start_and_open};
use super::remote::{Connections, Meant, RemoteRepo};

/// What is opened first.
enum First {
    /// The project: its jobs and its builds.
    Nothing,
    /// A build that is started now; the program's exit status is its own.
    Start(Box<BuildRequest>),
    /// A build that runs elsewhere, or is over.
    Watch(Sid),
    /// A recording, wherever it is kept, and how it is to be played.
    Play(Sid, BuildFolder, Option<Replay>),
}

/// The bare program: this project.
pub(super) async fn project(
    home: Home,
    template: BuildRequest,
    look: Look,
) -> Result<Exit, UserError> {
    use std::io::IsTerminal;
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(UserError::new("the terminal UI needs a terminal")
            .hint("`monkeyci-tui build --plain` prints, `monkeyci-tui list` lists"));
    }
    show(home, template, First::Nothing, look).await
}

/// `build` and `demo`.
pub(super) async fn build(
    home: Home,
    request: BuildRequest,
    look: Look,
) -> Result<Exit, UserError> {
    let first = First::Start(Box::new(request.clone()));
    show(home, request, first, look).await
}

/// `attach`.
pub(super) async fn watch(home: Home, sid: Sid, look: Look) -> Result<Exit, UserError> {
    let template = BuildRequest::here();
    show(home, template, First::Watch(sid), look).await
}

/// A build that is over: `replay`, and `attach` to one by its path.
pub(super) async fn recorded(
    home: Home,
    (sid, folder): (Sid, BuildFolder),
    replay: Option<Replay>,
    look: Look,
) -> Result<Exit, UserError> {
    let template = BuildRequest::here();
    show(home, template, First::Play(sid, folder, replay), look).await
}

/// `attach` to a server: a build there, among those of its repository.
pub(super) async fn remote(
    home: Home,
    meant: Meant,
    connections: Connections,
    look: Look,
) -> Result<Exit, UserError> {
    let first = match meant.build {
        Some(build) => First::Watch(build.here()),
        None => First::Nothing,
    };
    let template = BuildRequest::here();
    show_with(home, template, first, look, Some((meant.repo, connections))).await
}

async fn show(
    home: Home,
    template: BuildRequest,
    first: First,
    look: Look,
) -> Result<Exit, UserError> {
    show_with(home, template, first, look, None).await
}

async fn show_with(
    home: Home,
    mut template: BuildRequest,
    first: First,
    look: Look,
    remote: Option<(RemoteRepo, Connections)>,
) -> Result<Exit, UserError> {
    let dir = local::project_dir(&template.dir)?;
    template.dir.clone_from(&dir);
    let first = match first {
        // By a path that means the same in every folder: it is shown, and part of a command.
        First::Start(mut request) => {
            request.dir.clone_from(&dir);
            First::Start(request)
        }
        other => other,
    };
    let (to_app, msgs) = mpsc::unbounded_channel();
    let runtime = Handle::current();
    let mut desk = Desk::new(
        home.clone(),
        template,
        dir.clone(),
        to_app.clone(),
        runtime.clone(),
    );
    let listed = remote
        .as_ref()
        .map(|(repo, _)| format!("{}/{}", repo.org, repo.repo));
    if let Some((repo, connections)) = remote {
        desk = desk.with_remote(Some(repo), connections);
    }

    // The first frame waits for nothing: what takes time comes as a message.
    let now = SystemClock.now();
    let mut tty = Tty::take(false)
        .map_err(|error| UserError::new(format!("the terminal cannot be used: {error}")))?;
    // The reader of the keys hears of another size only once it is there: it comes before the
    // question, so that a window that grows while the program starts is not missed.
    crossterm::event::poll(std::time::Duration::ZERO)
        .map_err(|error| UserError::new(format!("the terminal cannot be read: {error}")))?;
    let size = tty
        .size()
        .map_err(|error| UserError::new(format!("the terminal does not tell its size: {error}")))?;
    let mut state = State::new(Setup {
        now,
        size,
        utc_offset: utc_offset(now),
        project: Project {
            name: local::repo_id(&dir),
            dir: again::shown_dir(&dir),
            git: GitInfo::default(),
            script: Script::Loading,
        },
        history: Vec::new(),
        bindings: Bindings::default(),
        mouse: false,
        listed,
    });
    state.starting = matches!(first, First::Start(_));
    let wants_build = state.starting;
    let failed: Arc<Mutex<Option<UserError>>> = Arc::default();
    begin(first, &desk, &home, &to_app, &runtime, &failed);

    let input = tui::terminal_input()
        .map_err(|error| UserError::new(format!("signals cannot be received: {error}")))?;
    let ui = Ui::new(look.on_screen());
    // The state of the interface is large.
    let ended = Box::pin(tui::run(
        state,
        &ui,
        &mut tty,
        input,
        msgs,
        &SystemClock,
        |effect| {
            desk.perform(effect);
        },
    ))
    .await;
    // Before anything is printed, and also when the loop failed.
    tty.give_back();
    let (reason, times) = match ended.as_ref().map(|ended| ended.manner) {
        Ok(QuitManner::Interrupt) => (StopReason::Interrupted, 2),
        Ok(QuitManner::Terminate) => (StopReason::Terminated, 1),
        Ok(QuitManner::Leave | QuitManner::Stopped) => (StopReason::Canceled, 1),
        Err(_) => (StopReason::Terminated, 1),
    };
    let summaries = desk.stop_all(reason, times).await;
    let mut ended = ended.map_err(|error| UserError::of(&error))?;
    for (summary, events) in &summaries {
        tell_the_end(&mut ended.state, &summary.sid, events);
    }
    let failed = failed.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(error) = failed {
        return Err(error);
    }
    let text = app::summary(&ended.state);
    let mut stdout = std::io::stdout();
    // A terminal that has gone away reads no summary.
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    // `build` is worth what its build was; whoever opened a project comes and goes as he likes.
    let started = desk
        .first_started()
        .filter(|_| wants_build)
        .and_then(|sid| {
            let mut all = summaries.iter().map(|(summary, _)| summary);
            all.find(|summary| summary.sid == sid)
        });
    Ok(match (started, ended.manner) {
        (Some(summary), _) => Exit::of(summary),
        (None, QuitManner::Leave) if wants_build => Exit::NotRun,
        (None, QuitManner::Interrupt) => Exit::Interrupted,
        (None, QuitManner::Terminate) => Exit::Canceled,
        (None, _) => Exit::Success,
    })
}

/// Folds in what a build told after the loop had ended, for the summary in the scrollback.
fn tell_the_end(state: &mut State, sid: &Sid, events: &[Arc<Event>]) {
    let Some(view) = state.builds.get(sid) else {
        return;
    };
    let known = view.build.last_seq;
    let missed: Vec<Arc<Event>> = events
        .iter()
        .filter(|event| event.seq > known)
        .cloned()
        .collect();
    if !missed.is_empty() {
        // Nobody is left to carry effects out.
        drop(app::update(
            state,
            Msg::Source(sid.clone(), SourceItem::Events(missed)),
        ));
        drop(app::update(state, Msg::SourceEnded(sid.clone())));
    }
}

fn begin(
    first: First,
    desk: &Desk,
    home: &Home,
    to_app: &mpsc::UnboundedSender<Msg>,
    runtime: &Handle,
    failed: &Arc<Mutex<Option<UserError>>>,
) {
    desk.perform(Effect::ReloadProject);
    let home = home.clone();
    let swept = sweep(home.clone(), to_app.clone(), runtime);
    // Beside everything else: nobody waits for it.
    drop(super::executor::remove_leftovers(&home));
    match first {
        First::Nothing => {}
        First::Watch(sid) => desk.perform(Effect::OpenBuild(sid)),
        First::Play(sid, folder, replay) => {
            let opener = desk.opener();
            let failed = Arc::clone(failed);
            // Reads a journal: off the loop.
            runtime.spawn_blocking(move || match open_recording(sid, folder) {
                Ok((source, mut info)) => {
                    info.replay = replay;
                    opener.open(source, info, None, None, None, None);
                }
                Err(error) => {
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    opener.tell(Msg::Terminate);
                }
            });
        }
        First::Start(request) => {
            let opener = desk.opener();
            let failed = Arc::clone(failed);
            runtime.spawn(async move {
                let jobs: Vec<JobId> = request.run.jobs.iter().map(JobId::new).collect();
                let again = if jobs.is_empty() {
                    Again::All
                } else {
                    Again::Jobs(jobs)
                };
                let wanted = app::BuildRequest {
                    again,
                    ..app::BuildRequest::new(app::Origin::Project)
                };
                if let Err(error) = start_and_open(&home, *request, wanted, &opener).await {
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    // There is nothing to show: the reason is for the shell.
                    opener.tell(Msg::Terminate);
                }
            });
        }
    }
    // The list of builds is right once those that were cut off are closed.
    let refresh = desk.refresh();
    runtime.spawn(async move {
        // A sweep that failed leaves the list as it is.
        let _ = swept.await;
        refresh.await;
    });
}

/// Puts right what a killed program left behind, beside everything else.
fn sweep(
    home: Home,
    to_app: mpsc::UnboundedSender<Msg>,
    runtime: &Handle,
) -> tokio::task::JoinHandle<()> {
    runtime.spawn_blocking(move || {
        let swept = super::put_right(&home);
        if let Some(closed) = swept.closed.first() {
            let text = match swept.closed.len() {
                1 => format!("{} was interrupted: its program was killed", closed.sid),
                more => format!("{more} builds were interrupted: their program was killed"),
            };
            // An app that is gone needs no notice.
            let _ = to_app.send(Msg::Notice(Notice::bad(text)));
        }
    })
}

fn utc_offset(now: i64) -> i32 {
    let now = jiff::Timestamp::from_millisecond(now).unwrap_or_default();
    jiff::tz::TimeZone::system().to_offset(now).seconds()
}

impl Look {
    /// What the terminal can do, less what the user does not want.
    pub(super) fn on_screen(self) -> config::Look {
        let mut look = config::Look::detect(|name| std::env::var(name).ok());
        if !self.color {
            look.colors = config::ColorDepth::None;
        }
        if self.ascii {
            look.glyphs = config::GlyphSet::Ascii;
        }
        look
    }
}
