//! Starting a build of this machine: from checked options to a running engine with its
//! script API served and its script child about to start.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::{BuildArgs, RunArgs};
use crate::config;
use crate::domain::{GitInfo, JobId, Sid, TuiEvent, stable_hash};
use crate::edn::{Map, Value};
use crate::engine::{
    Approvals, BuildPlan, BuildSummary, Engine, EngineHandle, GraphRule, Limits, masks::Masks,
};
use crate::executors::scratch_name;
use crate::hosts::{Host, HostChild};
use crate::ports::{BlobKey, BlobStore, Checkout, Clock, SystemClock, chain};
use crate::script;
use crate::script_api::{self, Api, JobTokenMaker, Keys, Listeners, Scope, Settings};
use crate::store::{BuildFolder, History, Home, LOCAL_ORG, create_private};
use crate::vcs::{self, FolderCheckout, Revision};

use super::again;
use super::error::UserError;
use super::executor::{self, Choice};
use super::gc;
use super::host::{self, HostOrders, Prepared};
use super::params::{FixedParams, Layered};
use super::reproduce::{self, COPY_ORG};
use super::rerun::Rerun;
use super::storage;
use super::surroundings::{self, FixedSecrets, warn_of_readers};
use super::upstream;

/// How long a job that is to stop may take to do so.
const JOB_GRACE: Duration = Duration::from_secs(10);
/// Tokens outlive any build: 6 hours for the longest job, and some more.
const TOKEN_LIFETIME: Duration = Duration::from_hours(24);
/// How long the end of a build waits until the index has it. The next list does it else.
const NOTING: Duration = Duration::from_secs(1);

/// What a user wants built; options are checked, nothing has been touched yet.
#[derive(Debug, Clone)]
pub(super) struct BuildRequest {
    /// The project: the folder with `.monkeyci` in it.
    pub(super) dir: PathBuf,
    /// The tree to build; `None` for the working tree as it is.
    pub(super) revision: Option<Revision>,
    /// Runner, executor, parameters, limits as typed.
    pub(super) run: RunArgs,
    /// Somebody watches who can approve blocked jobs.
    pub(super) attended: bool,
    /// What started it (events.md §3, `:source`).
    pub(super) source: &'static str,
    /// What whoever looks at it should know from the beginning.
    pub(super) remarks: Vec<String>,
    /// What a server has been asked for, when it is the server that builds.
    pub(super) ordered: Option<Box<Ordered>>,
    /// The recorded build that is run again.
    pub(super) rerun: Option<Rerun>,
}

/// What a server knows of a build before it is started.
#[derive(Debug, Clone)]
pub(super) struct Ordered {
    /// How the build is called.
    pub(super) sid: Sid,
    /// What started it.
    pub(super) source: String,
    /// What is said of the commit (events.md §3, `:git`); it wins over what git says.
    pub(super) git: Map,
    /// What is said of changed files, if anything is.
    pub(super) changes: Option<Value>,
    /// Parameters, which win over those of the options.
    pub(super) params: Vec<(String, SecretString)>,
    /// The webhook that asked for it.
    pub(super) webhook: Option<String>,
}

impl BuildRequest {
    /// The project in this folder, with nothing special about it but what the environment says.
    pub(super) fn here() -> Self {
        Self {
            dir: PathBuf::from("."),
            revision: None,
            run: RunArgs::untyped(),
            attended: true,
            source: "cli",
            remarks: Vec::new(),
            ordered: None,
            rerun: None,
        }
    }

    pub(super) fn of(args: &BuildArgs, attended: bool) -> Self {
        Self {
            dir: args.dir.clone(),
            revision: (args.commit.clone().map(Revision::Commit))
                .or_else(|| args.tag.clone().map(Revision::Tag))
                .or_else(|| args.branch.clone().map(Revision::Branch)),
            run: args.run.clone(),
            attended,
            source: "cli",
            remarks: Vec::new(),
            ordered: None,
            rerun: None,
        }
    }
}

impl Ordered {
    /// Puts what was said of the commit in place of what git says of it; but for the URL, by which
    /// a server is asked for parameters: that is not for a push to say.
    fn tell(&self, git: &mut GitInfo) {
        for (key, place) in [
            ("ref", &mut git.r#ref),
            ("branch", &mut git.branch),
            ("tag", &mut git.tag),
            ("main-branch", &mut git.main_branch),
        ] {
            if let Some(text) = self.git.get_kw(key).and_then(Value::as_str) {
                *place = Some(text.to_owned());
            }
        }
        // A push names the branch in its ref only.
        let reference = git.r#ref.clone().unwrap_or_default();
        for (start, place) in [
            ("refs/heads/", &mut git.branch),
            ("refs/tags/", &mut git.tag),
        ] {
            if let Some(name) = reference.strip_prefix(start) {
                place.get_or_insert_with(|| name.to_owned());
            }
        }
    }

    /// Adds what only a server knows to a build map.
    fn add_to(&self, build: &mut Map) {
        if let Some(git) = build.get_kw_mut("git").and_then(Value::as_map_mut) {
            for (key, value) in &self.git {
                git.insert(key.clone(), value.clone());
            }
        }
        if let Some(webhook) = &self.webhook {
            build.insert_kw("webhook-id", webhook.as_str());
        }
    }
}

/// A build that runs in this program.
#[derive(Debug)]
pub(super) struct RunningBuild {
    pub(super) handle: EngineHandle,
    pub(super) folder: BuildFolder,
    pub(super) summary: JoinHandle<BuildSummary>,
    /// Removes older builds once this one has ended, where that is configured.
    pub(super) tidied: JoinHandle<()>,
}

/// Starts a build. An error means that there is no build at all; whatever can go wrong
/// later is how the build ends, and is in its journal.
pub(super) async fn start(home: &Home, request: BuildRequest) -> Result<RunningBuild, UserError> {
    let mut made = None;
    let outcome = set_up(home, request, &mut made).await;
    if outcome.is_err()
        && let Some((sid, folder)) = made
    {
        // Half a build would look like one whose program was killed. What cannot be removed
        // either is closed by the next start.
        let _ = std::fs::remove_dir_all(&folder.dir);
        let _ = home.runtime(&sid).map(|runtime| runtime.remove());
    }
    outcome
}

/// As [`start`]; `made` is what has to be removed when it fails.
async fn set_up(
    home: &Home,
    request: BuildRequest,
    made: &mut Option<(Sid, BuildFolder)>,
) -> Result<RunningBuild, UserError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let run = &request.run;
    let ordered = request.ordered.as_deref();
    // There will be a sid, and problems are how the build ends (decisions.md, `--json`).
    let mut refusal: Option<String> = None;
    let params = FixedParams::resolve(&run.params, run.params_file.as_deref(), |name| {
        std::env::var(name).ok()
    });
    let params = params.unwrap_or_else(|why| {
        refusal = Some(why);
        FixedParams::default()
    });
    let params = params.with(ordered.map_or(&[], |ordered| ordered.params.as_slice()));
    let mut remarks = request.remarks.clone();
    let secrets = FixedSecrets::resolve(&run.secrets, run.secrets_file.as_deref(), |name| {
        std::env::var(name).ok()
    });
    let secrets = secrets.unwrap_or_else(|why| {
        refusal.get_or_insert(why);
        FixedSecrets::default()
    });
    for name in run
        .env
        .iter()
        .filter(|name| std::env::var_os(name).is_none())
    {
        remarks.push(format!("--env {name}: there is no such variable"));
    }
    remarks.extend(run.secrets_file.as_deref().and_then(warn_of_readers));
    let granted = surroundings::granted(run).unwrap_or_else(|why| {
        refusal.get_or_insert(why);
        Vec::new()
    });
    let dir = match project_dir(&request.dir) {
        Ok(dir) => dir,
        Err(error) => {
            refusal.get_or_insert(error.message);
            std::path::absolute(&request.dir).unwrap_or_else(|_| request.dir.clone())
        }
    };
    // What lies below it holds copies of the project, and what jobs make of them.
    create_private(home.cache()).map_err(|error| UserError::of(&error))?;
    let is_copy = reproduce::is_copy(home, &dir);
    let created = match ordered {
        Some(Ordered { sid, .. }) => home.named_build(sid).map(|folder| (sid.clone(), folder)),
        None => {
            let org = if is_copy { COPY_ORG } else { LOCAL_ORG };
            home.new_build(org, &repo_id(&dir), clock.now())
        }
    };
    let (sid, folder) = created.map_err(|error| UserError::of(&error))?;
    *made = Some((sid.clone(), folder.clone()));

    let masks = Masks::default();
    masks.add(params.secrets());
    masks.add(secrets.values());
    let variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    masks.add_environment(variables.iter().map(|(n, v)| (n.as_str(), v.as_str())));

    let mut storage = storage::open(home).unwrap_or_else(|error| {
        refusal.get_or_insert(error.message);
        storage::Opened::folder(home)
    });
    masks.add(storage.secrets.iter().map(ExposeSecret::expose_secret));
    remarks.append(&mut storage.remarks);
    if let Err(why) = seed(&*storage.blobs, &sid, &run.artifacts).await {
        refusal.get_or_insert(why);
    }

    let chosen_executor = match executor::choose(run.executor).await {
        Ok(choice) => Some(choice),
        Err(why) => {
            refusal.get_or_insert(why);
            None
        }
    };
    let (working_tree, problem) = FolderCheckout::working_tree(&dir);
    let mut checkout = working_tree;
    if let Some(revision) = &request.revision {
        let target = checkout_dir(home, &sid);
        match FolderCheckout::of_revision(&dir, revision, &target) {
            Ok(tree) => checkout = tree,
            Err(error) => drop(refusal.get_or_insert(UserError::of(&error).message)),
        }
    } else if let Some(error) = problem {
        remarks.push(format!(
            "git facts are missing: {}",
            UserError::of(&error).message
        ));
    }
    let prepared = match host::prepare(checkout.dir(), run) {
        Ok(mut prepared) => {
            remarks.append(&mut prepared.remarks);
            Some(prepared)
        }
        Err(why) => {
            refusal.get_or_insert(why);
            None
        }
    };
    let checkout = Arc::new(checkout);
    let mut git = checkout.describe();
    if let Some(ordered) = ordered {
        ordered.tell(git.get_or_insert_default());
    }
    if is_copy && let Some(git) = &mut git {
        // Of the commit it is but for the script, which is what the copy is for.
        git.dirty = false;
    }
    let reached_at = chosen_executor.as_ref().and_then(Choice::reached_at);
    let why_executor = chosen_executor
        .as_ref()
        .map(|choice| choice.reason(run.executor));
    let executor = chosen_executor.map(|choice| choice.executor(home, run, checkout.dir()));
    let executor = match executor {
        Some(Ok(executor)) => executor,
        // It is refused, and runs no job.
        none => {
            if let Some(Err(why)) = none {
                refusal.get_or_insert(why);
            }
            executor::host(home, run)
        }
    };
    let executor = match &request.rerun {
        Some(rerun) => rerun.before(executor, Arc::clone(&checkout) as Arc<dyn Checkout>, &masks),
        None => executor,
    };
    let executor_name = executor.name().to_owned();

    let keys = Keys::random()
        .map_err(|error| UserError::new(format!("the system has no random numbers: {error}")))?;
    let script_token = keys.mint(&sid, &granted, TOKEN_LIFETIME);
    let watch_token = keys.mint(&sid, Scope::watcher(), TOKEN_LIFETIME);
    masks.add([script_token.expose_secret(), watch_token.expose_secret()]);

    let (project, odd) = config::read_project(&checkout.dir().join(script::SCRIPT_DIR));
    remarks.extend(odd);
    let url = git.as_ref().and_then(|git| git.url.clone());
    let upstream = upstream::of_build(home, run, &project, url).await;
    let upstream = upstream.unwrap_or_else(|why| {
        refusal.get_or_insert(why);
        upstream::Chosen::default()
    });
    let of_server = upstream.remarks;
    let upstream = upstream.server;
    let surroundings =
        surroundings::gather(home, &sid, project, git.as_ref(), secrets, upstream.clone());
    let told = ordered.and_then(|ordered| ordered.changes.clone());
    let (changes, odd) = match told {
        Some(changes) => (Some(changes), None),
        None => surroundings::changes(&dir, request.revision.as_ref()),
    };
    remarks.extend(odd);
    let source = ordered.map_or(request.source, |ordered| ordered.source.as_str());
    let mut build_map = build_map(&sid, &dir, git.as_ref(), source);
    if let Some(ordered) = ordered {
        ordered.add_to(&mut build_map);
    }
    if let Some(changes) = changes {
        build_map.insert(Value::kw("changes"), changes);
    }

    let runtime = home.runtime(&sid).map_err(|error| UserError::of(&error))?;
    runtime.create().map_err(|error| UserError::of(&error))?;
    let unix = script_api::bind(&runtime.dir)
        .await
        .map_err(|error| UserError::of(&error))?;
    unix.write_watch_token(&watch_token).map_err(|error| {
        UserError::new(format!("cannot write a token for other shells: {error}"))
    })?;
    let mut tcp = Vec::new();
    let url = match listen_at(Ipv4Addr::LOCALHOST.into()).await {
        Ok((listener, url)) => {
            tcp.push(listener);
            Some(url)
        }
        Err(error) => {
            // Our own script library does without.
            remarks.push(format!(
                "the script API cannot be served on loopback TCP: {error}"
            ));
            None
        }
    };
    let jobs_url = match reached_at {
        Some(at) if at.is_loopback() => url.clone(),
        Some(at) => match listen_at(at).await {
            Ok((listener, url)) => {
                tcp.push(listener);
                Some(url)
            }
            // Jobs that ask for it have the socket.
            Err(_) => None,
        },
        None => None,
    };
    let socket = unix.path().to_owned();
    let job_tokens = JobTokenMaker {
        sid: sid.clone(),
        keys: keys.clone(),
        granted,
        url: jobs_url,
        socket: socket.to_string_lossy().into_owned(),
        masks: masks.clone(),
    };

    let plan = BuildPlan {
        build_map: build_map.clone(),
        journal: Some(folder.journal.clone()),
        logs_dir: folder.logs.clone(),
        checkout: Arc::clone(&checkout) as Arc<dyn Checkout>,
        executor,
        blobs: storage.blobs,
        params: Arc::new(Layered {
            fixed: params,
            upstream,
        }),
        surroundings,
        job_tokens: Some(Arc::new(job_tokens)),
        clock,
        job_env: job_env(&sid, git.as_ref()),
        graph: graph_rule(prepared.as_ref(), run),
        limits: Limits {
            parallel: run.parallel.map_or_else(cores, usize::from),
            build: run.timeout,
            ..Limits::default()
        },
        approvals: approvals(run, request.attended),
        // Our own library filters by itself.
        only: match run.lib_version {
            Some(_) => run.jobs.iter().map(JobId::new).collect(),
            None => Vec::new(),
        },
        hasty: run.lib_version.is_some(),
        job_grace: JOB_GRACE,
        masks,
        remarks,
        refusal,
        sid: sid.clone(),
    };
    let (mut engine, handle) = Engine::new(plan).map_err(|error| UserError::of(&error))?;
    of_server.tell(&handle);
    if let Some(Prepared { chosen, .. }) = &prepared {
        let name = chosen.host.name().to_owned();
        handle.note(None, TuiEvent::Host { name }, Some(chosen.reason.clone()));
    }

    if why_executor.is_some() {
        let name = executor_name;
        handle.note(None, TuiEvent::Executor { name }, why_executor);
    }
    if ordered.is_none() {
        let mut asked = match &request.rerun {
            Some(rerun) => rerun.whole(&request),
            None => request.clone(),
        };
        // By a path that means the same in every folder.
        asked.dir.clone_from(&dir);
        let args = again::args(&asked);
        handle.note(None, TuiEvent::Request { args }, None);
    }

    let shutdown = CancellationToken::new();
    let api = Api::new(handle.clone(), keys, Settings::default());
    let serving = tokio::spawn(script_api::serve(
        Listeners { unix, tcp },
        api.clone(),
        shutdown.clone(),
    ));

    let orders = HostOrders {
        socket,
        url,
        token: script_token.expose_secret(),
        sid: &sid,
        build: &build_map,
        checkout_dir: checkout.dir(),
        run,
        private: &runtime.dir,
        cache: home.cache(),
    };
    let own_program = std::env::current_exe()
        .map_err(|error| UserError::new(format!("cannot find this program's own file: {error}")))?;
    let child = match &prepared {
        Some(prepared) => orders.child(&own_program, prepared),
        // It is refused, and never starts what this describes.
        None => Ok(orders.embedded(&own_program)),
    };
    let HostChild {
        command,
        remarks,
        leftovers,
    } = child.unwrap_or_else(|why| {
        engine.refuse(why);
        orders.embedded(&own_program)
    });
    for remark in remarks {
        handle.warn(None, remark);
    }
    // Nobody waits for it.
    drop(note(home, &sid));
    let (ended, has_ended) = tokio::sync::oneshot::channel();
    let (of_home, of_sid) = (home.clone(), sid.clone());
    let tidied = tokio::spawn(async move {
        // Not after a build whose engine has failed.
        if has_ended.await.is_ok() {
            gc::after_build(&of_home, &of_sid).await;
        }
    });
    let home = home.clone();
    let summary = tokio::spawn(async move {
        // Keeps the checkout's temporary worktree until nothing works in it any more.
        let _checkout = checkout;
        let summary = engine.run(command).await;
        let noted = note(&home, &sid);
        leftovers.remove();
        api.close();
        shutdown.cancel();
        // A service that failed has nothing left to serve.
        let _ = serving.await;
        // What cannot be removed does no harm: nothing answers there any more.
        let _ = runtime.remove();
        // Likewise of what is late.
        let _ = tokio::time::timeout(NOTING, noted).await;
        // Nobody may wait for it.
        let _ = ended.send(());
        summary
    });
    Ok(RunningBuild {
        handle,
        folder,
        summary,
        tidied,
    })
}

/// Has the index of builds take note of one, beside everything else.
fn note(home: &Home, sid: &Sid) -> JoinHandle<()> {
    let (home, sid) = (home.clone(), sid.clone());
    tokio::task::spawn_blocking(move || History::note(&home, &sid))
}

/// Puts artifacts of an earlier build where jobs of this one look for them. The error is a sentence.
async fn seed(
    blobs: &dyn BlobStore,
    sid: &Sid,
    artifacts: &[(String, PathBuf)],
) -> Result<(), String> {
    for (id, archive) in artifacts {
        let put = async {
            let file = tokio::fs::File::open(archive).await;
            let file = file.map_err(|error| error.to_string())?;
            let key = BlobKey::artifact(sid, id);
            let put = blobs.put(&key, Box::pin(file)).await;
            put.map_err(|error| chain(&error))
        };
        put.await
            .map_err(|why| format!("artifact {id:?} cannot be taken over: {why}"))?;
    }
    Ok(())
}

/// Listens on a port of this address that is free, and says where.
async fn listen_at(address: IpAddr) -> std::io::Result<(TcpListener, String)> {
    let listener = script_api::bind_tcp(address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

/// Where jobs work, a folder a build.
pub(super) fn scratch(home: &Home) -> PathBuf {
    home.cache().join("scratch")
}

/// Where the tree of a revision is written. It is named like the folder
/// its jobs work in: builds of two repositories may have one id.
pub(super) fn checkout_dir(home: &Home, sid: &Sid) -> PathBuf {
    home.cache().join("checkouts").join(scratch_name(sid))
}

/// The project a folder belongs to: itself, or the nearest folder above it that has a
/// `.monkeyci`, but not beyond its repository.
pub(super) fn project_dir(dir: &Path) -> Result<PathBuf, UserError> {
    let dir = dir.canonicalize().map_err(|error| {
        UserError::new(format!(
            "cannot open the project {}: {error}",
            dir.display()
        ))
    })?;
    for folder in dir.ancestors() {
        if folder.join(script::SCRIPT_DIR).is_dir() {
            return Ok(folder.to_owned());
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    Ok(dir)
}

/// The name under which builds of a project are kept. A repository that cannot be read is
/// named like a folder that is in none.
pub(super) fn repo_id(dir: &Path) -> String {
    vcs::repo_id(dir).unwrap_or_else(|_| {
        let name = dir
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let hash = stable_hash(dir.as_os_str().as_encoded_bytes());
        // As there, eight digits tell two folders of one name apart.
        format!("{}-{:08x}", name.as_deref().unwrap_or("root"), hash >> 32)
    })
}

/// The embedded host's script has been read, and its faults are told with their places.
fn graph_rule(prepared: Option<&Prepared>, run: &RunArgs) -> GraphRule {
    match prepared {
        Some(prepared) if prepared.chosen.host != Host::Embedded && run.strict => GraphRule::Refuse,
        Some(prepared) if prepared.chosen.host != Host::Embedded => GraphRule::Warn,
        _ => GraphRule::Known,
    }
}

fn approvals(run: &RunArgs, attended: bool) -> Approvals {
    Approvals {
        ids: run.unblock.iter().map(JobId::new).collect(),
        all: run.unblock.iter().any(|id| id == "all"),
        cancel_when_stuck: !attended && !run.wait_blocked,
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// The build map of `build/pending` (events.md §3).
fn build_map(sid: &Sid, dir: &Path, git: Option<&GitInfo>, source: &str) -> Map {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| drop(map.insert(Value::kw(key), value));
    put("org-id", sid.org.as_str().into());
    put("repo-id", sid.repo.as_str().into());
    put("build-id", sid.build.as_str().into());
    put("source", Value::kw(source));
    put("checkout-dir", dir.to_string_lossy().as_ref().into());
    if let Some(git) = git {
        put("git", git_map(git));
    }
    map
}

fn git_map(git: &GitInfo) -> Value {
    let mut map = Map::new();
    for (key, value) in [
        ("url", &git.url),
        ("ref", &git.r#ref),
        ("branch", &git.branch),
        ("tag", &git.tag),
        ("main-branch", &git.main_branch),
        ("commit-id", &git.commit_id),
        ("message", &git.message),
    ] {
        if let Some(text) = value {
            map.insert(Value::kw(key), text.as_str().into());
        }
    }
    if let Some(author) = &git.author {
        let author = Value::map([("name", author.as_str().into())]);
        map.insert(Value::kw("author"), author);
    }
    if git.dirty {
        map.insert(Value::kw("dirty"), Value::Bool(true));
    }
    Value::Map(map)
}

/// What every job finds in its environment (decisions.md, "Host executor").
fn job_env(sid: &Sid, git: Option<&GitInfo>) -> Vec<(String, String)> {
    let mut env = vec![
        ("CI".to_owned(), "true".to_owned()),
        ("MONKEYCI_BUILD_ID".to_owned(), sid.build.clone()),
    ];
    if let Some(git) = git {
        for (name, value) in [
            ("MONKEYCI_BRANCH", &git.branch),
            ("MONKEYCI_COMMIT", &git.commit_id),
        ] {
            if let Some(value) = value {
                env.push((name.to_owned(), value.clone()));
            }
        }
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_repositories_of_one_name_are_kept_apart() {
        let folder = tempfile::tempdir().unwrap();
        let ids = ["one", "two"].map(|parent| {
            let dir = folder.path().join(parent).join("project");
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join(".git"), "nonsense").unwrap();
            assert!(vcs::repo_id(&dir).is_err(), "it can be read after all");
            assert_eq!(repo_id(&dir), repo_id(&dir));
            repo_id(&dir)
        });
        assert!(ids[0].starts_with("project-"), "{ids:?}");
        assert_ne!(ids[0], ids[1]);
    }

    #[test]
    fn builds_of_one_id_have_checkouts_of_their_own() {
        let home = Home::under(Path::new("/home/of/nobody"));
        let dirs = ["one", "two"].map(|repo| {
            let sid = Sid {
                org: "local".to_owned(),
                repo: repo.to_owned(),
                build: "local-build-1".to_owned(),
            };
            checkout_dir(&home, &sid)
        });
        assert_ne!(dirs[0], dirs[1]);
        assert_eq!(dirs[0].parent(), dirs[1].parent());
    }
}
