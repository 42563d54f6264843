//! The composition root: turns what was typed into checked options, builds the edges, and
//! lets them meet.
//!
//! [`run`] is the program. `local.rs` starts a build, `host.rs` its script's host, `screen.rs` shows it, `report.rs`
//! prints it, `desk.rs` carries out what the app asks for, `serve.rs` is the server and `operator.rs` what it says,
//! `list.rs`, `history.rs` and `gc.rs` have the commands over recorded builds, `storage.rs` opens where artifacts are kept,
//! `servers.rs` knows which MonkeyCI server is meant,
//! `on_server.rs` has the commands over its builds, `server_logs.rs` their logs, `error.rs` decides exit statuses.

/// Says something on stderr. One that has gone away (a closed window) hears nothing, which is
/// no reason to panic as `eprintln!` does.
macro_rules! complain {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod account;
mod again;
mod artifacts;
mod ask;
mod beside;
mod compare;
mod credentials;
mod demo;
mod desk;
mod detach;
mod elsewhere;
mod error;
mod executor;
mod export;
mod follow;
mod gc;
mod history;
mod host;
mod import;
mod list;
mod local;
mod log_desk;
mod login;
mod on_server;
mod opener;
mod operator;
mod pages;
mod params;
mod reference;
mod remote;
mod report;
mod reproduce;
mod rerun;
mod results;
mod screen;
mod screenshots;
mod search;
mod serve;
mod server_logs;
mod servers;
mod shell_desk;
mod storage;
mod surroundings;
mod suspects;
mod tail;
mod target;
mod trigger;
mod upstream;

use std::future::Future;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::api_client::WatchSource;
use crate::app::playback::Replay;
use crate::cli::{Args, AttachArgs, Command, LogsArgs, Output, ReplayArgs, ShowArgs, clean};
use crate::domain::Sid;
use crate::executors::scratch_name;
use crate::ports::{BlobKey, Clock, SystemClock};
use crate::script;
use crate::store::{
    BuildFolder, Home, Sweep, is_exported, recover_interrupted, remove_stale_drafts,
};

pub use error::{Exit, UserError};

use local::BuildRequest;
use remote::Connections;
use report::Printing;
use servers::Servers;

/// How long the end of a build waits until what killed runs have left in an engine is removed.
const LEFTOVERS: Duration = Duration::from_secs(5);

/// Runs the program to its end and says with which status it ends.
pub fn run(args: Args) -> ExitCode {
    match dispatch(args) {
        Ok(exit) => exit.into(),
        Err(error) => {
            complain!("monkeyci-tui: {error}");
            Exit::NotRun.into()
        }
    }
}

fn dispatch(args: Args) -> Result<Exit, UserError> {
    let look = Look {
        color: !args.no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        ascii: args.ascii,
    };
    let home = || Home::from_env().map_err(|error| UserError::of(&error));
    match args.command {
        None => {
            let home = home()?;
            let template = BuildRequest {
                dir: args.dir.clone(),
                revision: None,
                run: args.run,
                attended: true,
                source: "cli",
                remarks: Vec::new(),
                ordered: None,
                rerun: None,
            };
            wait(screen::project(home, template, look))
        }
        Some(Command::Build(build)) if build.on.is_some() => {
            let home = home()?;
            wait(elsewhere::build(home, build, look))
        }
        Some(Command::Build(build)) if build.detach => detach::start(&home()?, &build),
        Some(Command::Build(build)) if build.detached => {
            let home = home()?;
            wait(detach::run(home, BuildRequest::of(&build, true)))
        }
        Some(Command::Build(build)) => {
            let home = home()?;
            let output = build.run.output();
            show(home, look, output, move |_, attended| {
                Ok(BuildRequest::of(&build, attended))
            })
        }
        Some(Command::Rerun(args)) => {
            let home = recovered(home()?);
            let output = args.output();
            show(home, look, output, move |home, attended| {
                rerun::request(home, &args, attended)
            })
        }
        Some(Command::Demo(demo)) => {
            let home = home()?;
            let output = demo.run.output();
            show(home, look, output, move |home, attended| {
                let template = BuildRequest {
                    dir: std::path::PathBuf::new(),
                    revision: None,
                    run: demo.run.clone(),
                    attended,
                    source: "cli",
                    remarks: Vec::new(),
                    ordered: None,
                    rerun: None,
                };
                desk::demo_request(home, &template, demo.failing)
            })
        }
        Some(Command::Attach(attach)) => {
            let home = home()?;
            wait(self::attach(home, attach, look))
        }
        Some(Command::Replay(args)) => {
            let home = recovered(home()?);
            wait(replay(home, args, look))
        }
        Some(Command::List(list)) => {
            let home = home()?;
            match list.server.clone() {
                Some(server) => wait(async move { on_server::list(&home, &server, &list).await }),
                None => list::list(&recovered(home), &list),
            }
        }
        Some(Command::Pin(pin)) => gc::pin(&recovered(home()?), &pin),
        Some(Command::Unpin(unpin)) => gc::unpin(&recovered(home()?), &unpin),
        Some(Command::Gc(gc)) => {
            let home = recovered(home()?);
            wait(async move { gc::gc(&home, &gc).await })
        }
        Some(Command::Reindex) => list::reindex(&home()?),
        Some(Command::Show(show)) => {
            let home = home()?;
            if on_server::is_remote(&show.build, show.server.as_deref()) {
                return wait(async move { on_server::show(&home, &show).await });
            }
            self::show_one(recovered(home), show)
        }
        Some(Command::Compare(compare)) => {
            let home = recovered(home()?);
            wait(async move { compare::command(&home, &compare, look).await })
        }
        Some(Command::Search(search)) => search::search(&recovered(home()?), &search, look),
        Some(Command::Logs(logs)) => {
            let home = home()?;
            if on_server::is_remote(&logs.build, logs.server.as_deref()) {
                return wait(async move { server_logs::print(&home, &logs, &logs.build).await });
            }
            let home = recovered(home);
            if let Some(shown) = reference::logs(&home, &logs) {
                return shown;
            }
            wait(async move { self::logs(&home, &logs).await })
        }
        Some(Command::Export(export)) => {
            let home = recovered(home()?);
            wait(async move { ask::until_stopped(export::export(&home, &export)).await })
        }
        Some(Command::Import(import)) => Ok(import::import(&home()?, &import)),
        Some(Command::Artifacts(args)) => {
            let home = home()?;
            let is_remote = on_server::is_remote(&args.target, args.server.name.as_deref());
            let here = (!is_remote).then(|| artifacts::recorded_here(&home, &args));
            match here.flatten() {
                Some(folder) => {
                    wait(async move { artifacts::artifacts(&home, &folder, &args).await })
                }
                None => wait(async move { on_server::artifacts(&home, &args).await }),
            }
        }
        Some(Command::Trigger(args)) => {
            let home = home()?;
            wait(async move { trigger::trigger(&home, &args).await })
        }
        Some(Command::Retry(retry)) => {
            let home = home()?;
            wait(async move { trigger::retry(&home, &retry).await })
        }
        Some(Command::Cancel(cancel)) => {
            let home = home()?;
            let server = cancel.server.as_deref();
            if is_elsewhere(&home, &cancel.build, server) {
                wait(async move {
                    on_server::cancel(&home, cancel.server.as_deref(), &cancel.build).await
                })
            } else {
                wait(async move { history::cancel(&home, &cancel.build).await })
            }
        }
        Some(Command::Unblock(unblock)) => {
            let home = home()?;
            if is_elsewhere(&home, &unblock.build, unblock.server.as_deref()) {
                wait(async move { on_server::unblock(&home, &unblock).await })
            } else {
                wait(async move { history::unblock(&home, &unblock).await })
            }
        }
        Some(Command::Login(login)) => {
            let home = home()?;
            wait(async move { ask::until_stopped(login::login(&home, &login)).await })
        }
        Some(Command::Logout(logout)) => account::logout(&home()?, &logout),
        Some(Command::Servers) => account::list(&home()?),
        Some(Command::Whoami(whoami)) => {
            let home = home()?;
            wait(async move { account::whoami(&home, &whoami).await })
        }
        Some(Command::Serve(serve)) => {
            let home = home()?;
            serve::command(home, serve)
        }
        Some(Command::Keys) => pages::keys(),
        Some(Command::Help { topic }) => pages::help(topic.as_deref()),
        Some(Command::Openapi { api }) => pages::openapi(api),
        Some(Command::Library { part }) => pages::library(&home()?, part),
        Some(Command::ScriptHost) => Ok(script_host()),
        Some(Command::LaunchClojure(args)) => Ok(host::launch(args)),
        Some(Command::Screenshots { from, dir }) => screenshots::draw(&from, &dir),
    }
}

/// `show` of a build that is here; else, or where it is here only in part, of one on a server.
fn show_one(home: Home, show: ShowArgs) -> Result<Exit, UserError> {
    let found = history::find(&home, &show.build);
    let left = match &found {
        Err(_) if on_server::may_be_remote(&home, &show.build) => {
            return wait(async move { on_server::show(&home, &show).await });
        }
        // The journal is only here.
        Ok((sid, folder)) if !show.json => remote::is_left(&home, sid, folder).then_some(sid),
        _ => None,
    };
    if let Some(sid) = left {
        let asked = ShowArgs {
            build: sid.to_string(),
            ..show.clone()
        };
        let of_server = home.clone();
        match wait(async move { on_server::show(&of_server, &asked).await }) {
            Err(error) => complain!("monkeyci-tui: {error}"),
            shown => return shown,
        }
    }
    history::show(&home, &show)
}

/// `logs` of a build that is here; else, or where it is here only in part, of one on a server.
async fn logs(home: &Home, args: &LogsArgs) -> Result<Exit, UserError> {
    match history::find(home, &args.build) {
        Err(_) if on_server::may_be_remote(home, &args.build) => {
            server_logs::print(home, args, &args.build).await
        }
        Ok((sid, folder)) if remote::is_left(home, &sid, &folder) => {
            match server_logs::print(home, args, &sid.to_string()).await {
                Err(error) => {
                    complain!("monkeyci-tui: {error}");
                    complain!("monkeyci-tui: these are as far as the build was watched here");
                    history::logs(home, args).await
                }
                printed => printed,
            }
        }
        _ => history::logs(home, args).await,
    }
}

/// Whether a running build that is meant is one on a server, and none of this machine.
fn is_elsewhere(home: &Home, typed: &str, server: Option<&str>) -> bool {
    on_server::is_remote(typed, server)
        || (on_server::may_be_remote(home, typed) && history::live(home, typed).is_err())
}

/// How things look, wherever they are shown.
#[derive(Debug, Clone, Copy)]
struct Look {
    color: bool,
    ascii: bool,
}

impl Look {
    fn printing(self, json: bool) -> Printing {
        Printing {
            json,
            color: self.color,
            ascii: self.ascii,
        }
    }
}

/// Runs a build and shows it the way that was asked for.
fn show(
    home: Home,
    look: Look,
    output: Output,
    request: impl FnOnce(&Home, bool) -> Result<BuildRequest, UserError>,
) -> Result<Exit, UserError> {
    let draws =
        output == Output::Auto && std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let request = request(&home, draws)?;
    wait(async move {
        if draws {
            return screen::build(home, request, look).await;
        }
        sweep(&home);
        let leftovers = executor::remove_leftovers(&home);
        let ended = match local::start(&home, request).await {
            Ok(running) => report::run(running, look.printing(output == Output::Json)).await,
            Err(error) => Err(error),
        };
        // What is left after that, too, is for the next start.
        let _ = tokio::time::timeout(LEFTOVERS, leftovers).await;
        ended
    })
}

/// `attach`: a build that runs in another process, a recorded one, or one on a server.
async fn attach(home: Home, args: AttachArgs, look: Look) -> Result<Exit, UserError> {
    let draws = !args.plain && !args.json && std::io::stdout().is_terminal();
    let target = match args.target.as_str() {
        "local" => "last",
        target => target,
    };
    if args.server.is_some() || target.contains("://") || target.contains('@') {
        return attach_to_server(home, &args, target, draws, look).await;
    }
    match history::live(&home, target) {
        Ok((sid, client)) => {
            if draws {
                return screen::watch(home, sid, look).await;
            }
            let logs = home.build(&sid).logs;
            let source = WatchSource::new(client, sid, logs);
            report::watch(Box::new(source), look.printing(args.json)).await
        }
        Err(none_runs) => {
            // What is over can still be looked at, by the same words.
            let (sid, folder) = match history::find(&home, target) {
                Ok(found) => found,
                Err(error) if is_exported(Path::new(target)) => return Err(error),
                Err(_) if target.contains('/') && Servers::of(&home)?.meant().is_ok() => {
                    return attach_to_server(home, &args, target, draws, look).await;
                }
                Err(_) => return Err(none_runs),
            };
            if draws {
                return screen::recorded(home, (sid, folder), None, look).await;
            }
            print_recording(sid, folder, look.printing(args.json)).await
        }
    }
}

/// `replay`: a build that is over, as it was at any moment.
async fn replay(home: Home, args: ReplayArgs, look: Look) -> Result<Exit, UserError> {
    let speed = args
        .speed
        .parse()
        .map_err(|error| UserError::new(format!("--speed {}: {error}", clean(&args.speed))))?;
    let (sid, folder) = history::find(&home, &args.build)?;
    if args.plain || args.json || !std::io::stdout().is_terminal() {
        return print_recording(sid, folder, look.printing(args.json)).await;
    }
    let replay = Replay {
        speed,
        from: args.from,
        playing: !args.paused,
        skip: args.skip_silence,
    };
    screen::recorded(home, (sid, folder), Some(replay), look).await
}

async fn print_recording(
    sid: Sid,
    folder: BuildFolder,
    printing: Printing,
) -> Result<Exit, UserError> {
    let (source, _) = opener::open_recording(sid, folder)?;
    report::watch(source, printing).await
}

/// A build on a server, or the builds of a repository there.
async fn attach_to_server(
    home: Home,
    args: &AttachArgs,
    target: &str,
    draws: bool,
    look: Look,
) -> Result<Exit, UserError> {
    let connections = Connections::new(home.clone());
    let meant = connections.resolve(args.server.as_deref(), target).await?;
    if draws {
        return screen::remote(home, meant, connections, look).await;
    }
    let repo = format!("{}/{}", meant.repo.org, meant.repo.repo);
    let Some(build) = meant.build else {
        return Err(UserError::new(format!(
            "{} has no builds yet",
            clean(&repo)
        )));
    };
    let source = connections.follow(&build).await?;
    source.interest().set_all();
    report::watch(Box::new(source), look.printing(args.json)).await
}

/// The child of a build: its orders come through stdin.
fn script_host() -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        complain!("monkeyci-tui: the system starts no more threads");
        return Exit::Failed;
    };
    match runtime.block_on(script::host::main()) {
        script::host::HostExit::Done => Exit::Success,
        script::host::HostExit::Failed => Exit::Failed,
    }
}

/// Runs something that waits.
fn wait<F>(work: F) -> Result<Exit, UserError>
where
    F: Future<Output = Result<Exit, UserError>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // Two for what waits, and blocking work on threads of its own as needed.
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| UserError::new(format!("cannot start threads: {error}")))?;
    let outcome = runtime.block_on(work);
    // A thread that still reads a disk must not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// Puts right what a killed program left behind: its processes, its builds' journals, their
/// folders.
fn put_right(home: &Home) -> Sweep {
    crate::process::kill_abandoned();
    let swept = recover_interrupted(home, SystemClock.now());
    for dir in [
        home.blobs(),
        home.builds(),
        home.imported(),
        home.recordings(),
    ] {
        remove_stale_drafts(&dir);
    }
    let scratch = local::scratch(home);
    for closed in &swept.closed {
        for folder in [
            scratch.join(scratch_name(&closed.sid)),
            local::checkout_dir(home, &closed.sid),
        ] {
            // What cannot be removed lies in a folder that may be deleted at any time.
            let _ = crate::archive::remove_tree(&folder);
        }
        // Only its engine would have used it again; what cannot be removed takes up room.
        let workspace = BlobKey::workspace(&closed.sid);
        let _ = std::fs::remove_file(home.blobs().join(workspace.as_str()));
    }
    swept
}

/// As [`put_right`], and says what was found.
fn sweep(home: &Home) {
    let swept = put_right(home);
    for closed in swept.closed {
        complain!(
            "monkeyci-tui: {} was interrupted: its program was killed; it is recorded as far as it came",
            clean(&closed.sid.to_string())
        );
    }
    for problem in swept.problems {
        complain!("monkeyci-tui: {}", UserError::of(&problem));
    }
}

fn recovered(home: Home) -> Home {
    sweep(&home);
    home
}
