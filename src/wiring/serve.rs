//! `serve`: the engine as a small server. What was typed becomes settings; a runner starts what is
//! ordered as `build` would.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::archive::{Limits, Temporary};
use crate::cli::{RoleChoice, RunArgs, ServeArgs, ServeCommand, TokenArgs, clean};
use crate::domain::{Millis, Sid};
use crate::ports::{Clock, SystemClock, chain};
use crate::server::{
    self, Fetch, Holder, Order, Recording, Repo, Role, Runner, Server, Settings, Started, Wanted,
};
use crate::store::Home;
use crate::vcs::fetch::{self, Allowed, FetchRequest, RefName, UserGit};
use crate::vcs::{self, Revision};

use super::error::{Exit, UserError};
use super::local::{self, BuildRequest, Ordered};
use super::operator::Stderr;
use super::{executor, storage};

/// How long a JSON web token is good when nobody says.
const DAY: Duration = Duration::from_hours(24);

/// `serve` and what it has below it.
pub(super) fn command(home: Home, args: Box<ServeArgs>) -> Result<Exit, UserError> {
    match &args.command {
        None => super::wait(serve(home, args)),
        Some(ServeCommand::Token(token)) => make_token(&home, token),
        Some(ServeCommand::Webhook { repo }) => make_webhook(&home, repo),
    }
}

/// Makes a webhook for a repository, by its id, or as `serve --repo` has it.
fn make_webhook(home: &Home, typed: &str) -> Result<Exit, UserError> {
    let folder = folder(home);
    let served = server::served(&folder);
    let id = if served.iter().any(|id| id == typed) {
        typed.to_owned()
    } else if is_url(typed) {
        by_url(typed)?.id
    } else if Path::new(typed).is_dir() {
        by_folder(Path::new(typed))?.0.id
    } else {
        let unknown = UserError::new(format!("no server here has served \"{}\"", clean(typed)));
        return Err(unknown.hint(match &served[..] {
            [] => {
                "--repo DIR or --repo URL, as `serve` has it, or start the server first".to_owned()
            }
            ids => format!(
                "served: {}; or --repo DIR, --repo URL as `serve` has it",
                clean(&ids.join(", "))
            ),
        }));
    };
    if !served.contains(&id) {
        complain!("monkeyci-tui: it works once a server serves {}", clean(&id));
    }
    let made = server::make_webhook(&folder, &id, SystemClock.now()).map_err(UserError::new)?;
    let (hook, secret) = made;
    super::pages::print(format!(
        "webhook of {}; at GitHub, with content type application/json:\n\
         path    /webhook/github/{hook}\n\
         secret  {}\n",
        clean(&id),
        secret.expose_secret()
    ))
}

/// Where a server keeps its keys, tokens and orders.
fn folder(home: &Home) -> PathBuf {
    home.data().join("server")
}

fn make_token(home: &Home, args: &TokenArgs) -> Result<Exit, UserError> {
    let now = SystemClock.now();
    let until = |time: Duration| {
        now.saturating_add(Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX))
    };
    let role = match args.role {
        RoleChoice::Read => Role::Read,
        RoleChoice::Run => Role::Run,
        RoleChoice::Admin => Role::Admin,
        RoleChoice::Build => {
            let build = args.build.as_deref().unwrap_or_default();
            let sid = Sid::parse(build).map_err(|error| UserError::of(&error))?;
            return print_jwt(home, &Holder::Build(sid), until(args.valid.unwrap_or(DAY)));
        }
    };
    if args.build.is_some() {
        let message = "--build is for tokens of the role build";
        return Err(UserError::new(message).hint("see `monkeyci-tui serve token --help`"));
    }
    if args.jwt {
        let until = until(args.valid.unwrap_or(DAY));
        return print_jwt(home, &Holder::Person(role), until);
    }
    let description = args.description.as_deref();
    let valid = args.valid.map(until);
    let token = server::make_token(&folder(home), role, description, now, valid);
    let token = token.map_err(UserError::new)?;
    super::pages::print(format!("{}\n", token.expose_secret()))
}

fn print_jwt(home: &Home, holder: &Holder, until: Millis) -> Result<Exit, UserError> {
    let token = server::make_jwt(&folder(home), holder, until).map_err(UserError::new)?;
    super::pages::print(format!("{}\n", token.expose_secret()))
}

async fn serve(home: Home, args: Box<ServeArgs>) -> Result<Exit, UserError> {
    check(&args.run)?;
    server::more_files();
    // Before anything is begun: a signal from now on ends it in order.
    let mut signals = Signals::new()?;
    let fetch: Arc<dyn Fetch> = Arc::new(Fetcher {
        cache: home.cache().to_owned(),
    });
    let places = places(&args.repos, &fetch)?;
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            Some(server::tls(certificate, key).map_err(UserError::new)?)
        }
        _ => None,
    };
    super::sweep(&home);
    let leftovers = executor::remove_leftovers(&home);
    let opened = storage::open(&home)?;
    let repos: Vec<Repo> = places.iter().map(|(repo, _)| repo.clone()).collect();
    let runner = LocalRunner {
        uploads: folder(&home).join("uploads"),
        home: home.clone(),
        run: args.run.clone(),
        places: (places.into_iter())
            .map(|(repo, place)| (repo.id, place))
            .collect(),
    };
    let mut settings = Settings::new(folder(&home), &args.org, repos.clone());
    settings.builds = args.builds.into();
    settings.queue = args.queue.into();
    let operator = Arc::new(Stderr::new(args.quiet));
    settings.operator = Arc::clone(&operator) as Arc<dyn server::Operator>;
    let (server, remarks) = Server::open(
        settings,
        Arc::new(runner),
        opened.blobs,
        Arc::new(SystemClock),
    )
    .map_err(UserError::new)?;
    for remark in opened.remarks.iter().chain(&remarks) {
        complain!("monkeyci-tui: {}", clean(remark));
    }
    let address = args.listen;
    let (listener, bound) = server::bind(address)
        .map_err(|error| UserError::new(format!("cannot listen at {address}: {error}")))?;
    if tls.is_none() && !bound.ip().is_loopback() {
        complain!(
            "monkeyci-tui: without --tls-cert, tokens and secrets travel to {bound} for all to read"
        );
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    let mut said = format!("serving {} at {scheme}://{bound}\n", args.org);
    for repo in &repos {
        said.push_str(&format!("  {}  {}\n", clean(&repo.id), clean(&repo.url)));
    }
    super::pages::print(said)?;

    let stop = CancellationToken::new();
    let mut serving = tokio::spawn(server::serve(listener, tls, server.clone(), stop.clone()));
    let working = {
        let server = server.clone();
        tokio::spawn(async move { server.work().await })
    };
    tokio::select! {
        () = signals.next() => {}
        _ = &mut serving => return Err(UserError::new("the server has failed and cannot go on")),
    }
    let (waiting, running) = server.load();
    complain!(
        "monkeyci-tui: taking no more builds; waiting for {running} that run, {waiting} stay queued"
    );
    server.drain(args.grace, signals.next()).await;
    stop.cancel();
    // Both end by themselves now; one that failed has nothing left to serve.
    let _ = tokio::join!(serving, working);
    let _ = tokio::task::spawn_blocking(move || operator.finish()).await;
    let _ = tokio::time::timeout(super::LEFTOVERS, leftovers).await;
    Ok(Exit::Success)
}

/// Options of a build that mean nothing for a server are an error rather than silently nothing.
fn check(run: &RunArgs) -> Result<(), UserError> {
    for (given, name) in [
        (run.plain, "--plain"),
        (run.json, "--json"),
        (run.wait_blocked, "--wait-blocked"),
        (!run.jobs.is_empty(), "--job"),
        (!run.artifacts.is_empty(), "--artifact"),
    ] {
        if given {
            return Err(UserError::new(format!(
                "{name} is for one build, not for a server"
            )));
        }
    }
    Ok(())
}

/// The signals that end a server.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> Result<Self, UserError> {
        let all = || -> std::io::Result<_> {
            Ok([
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
                signal(SignalKind::hangup())?,
            ])
        };
        let all = all();
        all.map(Self)
            .map_err(|error| UserError::new(format!("signals cannot be received: {error}")))
    }

    async fn next(&mut self) {
        let [term, int, hup] = &mut self.0;
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            _ = hup.recv() => {}
        }
    }
}

/// Where a repository is.
#[derive(Debug, Clone)]
enum Place {
    /// A clone on this machine.
    Folder(PathBuf),
    /// Elsewhere.
    Url(String, Arc<dyn Fetch>),
}

/// The repositories that are served, as they were typed.
fn places(typed: &[String], fetch: &Arc<dyn Fetch>) -> Result<Vec<(Repo, Place)>, UserError> {
    let mut places: Vec<(Repo, Place)> = Vec::new();
    if typed.is_empty() {
        let message = "there is nothing to build: name a repository";
        return Err(
            UserError::new(message).hint("--repo DIR, a folder with a clone of it, or --repo URL")
        );
    }
    for name in typed {
        let (repo, place) = if is_url(name) {
            (by_url(name)?, Place::Url(name.clone(), Arc::clone(fetch)))
        } else {
            by_folder(Path::new(name))?
        };
        if let Some((known, _)) = places.iter().find(|(known, _)| known.id == repo.id) {
            let (id, one, other) = (clean(&repo.id), clean(&known.url), clean(&repo.url));
            return Err(UserError::new(format!(
                "{one} and {other} would both be called {id}"
            )));
        }
        places.push((repo, place));
    }
    Ok(places)
}

/// Whether a repository was typed by where it is on another machine.
fn is_url(typed: &str) -> bool {
    typed.contains("://")
        || (!Path::new(typed).exists() && typed.contains('@') && typed.contains(':'))
}

fn by_url(url: &str) -> Result<Repo, UserError> {
    let shown = vcs::without_credentials(url);
    let name = vcs::name_in(url).filter(|name| !name.starts_with('.'));
    let name = name.ok_or_else(|| {
        let message = format!("{} names no repository", clean(&shown));
        UserError::new(message).hint("--repo https://host/path/name.git, or ssh://…, or a folder")
    })?;
    Ok(Repo {
        id: name.to_owned(),
        name: name.to_owned(),
        url: shown,
        main_branch: None,
    })
}

fn by_folder(dir: &Path) -> Result<(Repo, Place), UserError> {
    let dir = local::project_dir(dir)?;
    let git = vcs::describe(&dir).map_err(|error| UserError::of(&error))?;
    let git = git.ok_or_else(|| {
        let message = format!("{} is in no git repository", dir.display());
        UserError::new(message).hint("a server builds commits, not folders: run git init there")
    })?;
    let name = dir.file_name().map(|name| name.to_string_lossy());
    let repo = Repo {
        id: local::repo_id(&dir),
        name: name.unwrap_or_default().into_owned(),
        url: (git.url).unwrap_or_else(|| format!("file://{}", dir.display())),
        main_branch: git.main_branch,
    };
    Ok((repo, Place::Folder(dir)))
}

/// Fetches as the user's git would, by way of mirrors in the cache folder.
#[derive(Debug)]
struct Fetcher {
    cache: PathBuf,
}

impl Fetch for Fetcher {
    fn fetch(
        &self,
        url: &str,
        reference: Option<&str>,
        commit: Option<&str>,
        target: PathBuf,
        cancel: CancellationToken,
    ) -> BoxFuture<'static, Result<(), String>> {
        let request = FetchRequest {
            reference: match reference {
                Some(name) => RefName::Full(name.to_owned()),
                None => RefName::Default,
            },
            commit: commit.map(str::to_owned),
            // With the history: which files a commit changes is asked of the one before it.
            depth: None,
            // The operator has typed it; what pushes and triggers say is fetched from nowhere.
            allowed: Allowed::EVERYTHING,
            ..FetchRequest::new(url)
        };
        let cache = self.cache.clone();
        let fetch = move || {
            let _ = crate::archive::remove_tree(&target);
            let control = fetch::Control {
                cancel: &cancel,
                progress: &mut |_| {},
            };
            let git = UserGit::read();
            let fetched = fetch::fetch(&cache, &request, &git, &target, control);
            fetched
                .map(|_| ())
                .map_err(|error| UserError::of(&error).message)
        };
        async move {
            let fetched = tokio::task::spawn_blocking(fetch).await;
            fetched.unwrap_or_else(|_| Err("the fetch has failed".to_owned()))
        }
        .boxed()
    }
}

/// Starts what is ordered in this program.
#[derive(Debug)]
struct LocalRunner {
    home: Home,
    /// Executor, runner, parameters, limits as typed.
    run: RunArgs,
    places: HashMap<String, Place>,
    /// Trees that were sent.
    uploads: PathBuf,
}

impl Runner for LocalRunner {
    fn start(
        &self,
        order: Order,
        cancel: CancellationToken,
    ) -> BoxFuture<'static, Result<Started, String>> {
        let Some(place) = self.places.get(&order.sid.repo).cloned() else {
            let why = format!("the repository {} is not served any more", order.sid.repo);
            return std::future::ready(Err(why)).boxed();
        };
        let (home, run) = (self.home.clone(), self.run.clone());
        let sent = (order.wanted.workspace.as_ref()).map(|name| self.uploads.join(name));
        async move {
            // Of a clone that is ours alone the tree is there already.
            let (dir, revision, fetched) = match place {
                _ if sent.is_some() => {
                    let target = local::checkout_dir(&home, &order.sid);
                    let fetched = Temporary(target.clone());
                    unpack(sent.unwrap_or_default(), target.clone()).await?;
                    (target, None, Some(fetched))
                }
                Place::Folder(dir) => (dir, Some(revision(&order)), None),
                Place::Url(url, fetch) => {
                    let reference = order.git.get_kw("ref").and_then(|value| value.as_str());
                    let commit = order.wanted.commit.as_deref();
                    let target = local::checkout_dir(&home, &order.sid);
                    let fetched = Temporary(target.clone());
                    let done = fetch.fetch(&url, reference, commit, target.clone(), cancel);
                    done.await?;
                    (target, None, Some(fetched))
                }
            };
            let request = request(dir, revision, run, order);
            // Reading a repository and writing out a tree may take long: beside the requests.
            let runtime = Handle::current();
            let started =
                tokio::task::spawn_blocking(move || runtime.block_on(local::start(&home, request)));
            let running = match started.await {
                Ok(Ok(running)) => running,
                Ok(Err(error)) => return Err(error.message),
                Err(_) => return Err("the build could not be started".to_owned()),
            };
            let ended = async move {
                // How it ended is in its journal.
                let _ = running.summary.await;
                drop(fetched);
            };
            Ok(Started {
                handle: running.handle,
                ended: ended.boxed(),
            })
        }
        .boxed()
    }

    fn recording(&self, sid: &Sid) -> Recording {
        let folder = self.home.build(sid);
        Recording {
            journal: folder.journal,
            logs: folder.logs,
        }
    }
}

/// Unpacks a tree that was sent. The error is a sentence.
async fn unpack(archive: PathBuf, target: PathBuf) -> Result<(), String> {
    let unpacking = tokio::task::spawn_blocking(move || {
        // Of a start before this one.
        let _ = crate::archive::remove_tree(&target);
        crate::store::create_private(&target).map_err(|error| UserError::of(&error).message)?;
        let file = std::fs::File::open(&archive);
        let file = file.map_err(|error| format!("the tree that was sent is gone: {error}"))?;
        crate::archive::unpack(file, &target, &Limits::default())
            .map_err(|error| format!("the tree that was sent is none: {}", chain(&error)))
    });
    match unpacking.await {
        Ok(done) => done.map(drop),
        Err(_) => Err("the tree that was sent could not be unpacked".to_owned()),
    }
}

/// A build as `build --plain` would have it.
fn request(dir: PathBuf, revision: Option<Revision>, run: RunArgs, order: Order) -> BuildRequest {
    BuildRequest {
        rerun: None,
        revision,
        dir,
        run,
        // Who watches can approve, over HTTP.
        attended: true,
        source: "api",
        remarks: Vec::new(),
        ordered: Some(Box::new(Ordered {
            sid: order.sid,
            source: order.source,
            git: order.git,
            changes: order.changes,
            params: order.params,
            webhook: order.webhook,
        })),
    }
}

/// The commit wins, then the branch, then the tag; else it is the tip of the main branch, or of
/// what is checked out.
fn revision(order: &Order) -> Revision {
    let Wanted {
        branch,
        tag,
        commit,
        workspace: _,
    } = order.wanted.clone();
    let main = order.git.get_kw("main-branch");
    let main = main.and_then(|value| value.as_str()).map(str::to_owned);
    (commit.map(Revision::Commit))
        .or(branch.map(Revision::Branch))
        .or(tag.map(Revision::Tag))
        .or(main.map(Revision::Branch))
        .unwrap_or_else(|| Revision::Commit("HEAD".to_owned()))
}
