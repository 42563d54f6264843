//! A build that is served: the real engine, journal, store and service, and a script child that
//! ends when the test says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use monkeyci_tui::domain::{GitInfo, Millis, Sid};
use monkeyci_tui::edn::Map;
use monkeyci_tui::engine::masks::Masks;
use monkeyci_tui::engine::{
    Approvals, BuildPlan, BuildSummary, ChildCommand, Engine, EngineHandle, GraphRule, Limits,
};
use monkeyci_tui::executors::FakeExecutor;
use monkeyci_tui::ports::{Checkout, Clock, Param, ParamSource, Surroundings};
use monkeyci_tui::script_api::{
    Api, Keys, Listeners, SOCKET_NAME, Scope, Settings, bind, bind_tcp, serve,
};
use monkeyci_tui::store::ObjectBlobs;
use secrecy::ExposeSecret;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::http::soon;

/// A clock that stood at some time when it was made.
#[derive(Debug)]
struct ClockFrom(Millis, Instant);

impl Clock for ClockFrom {
    fn now(&self) -> Millis {
        self.0 + Millis::try_from(self.1.elapsed().as_millis()).unwrap()
    }
}

/// A folder without a history, and a workspace with nothing in it.
#[derive(Debug)]
struct Folder(PathBuf);

impl Checkout for Folder {
    fn dir(&self) -> &Path {
        &self.0
    }

    fn describe(&self) -> Option<GitInfo> {
        None
    }

    fn snapshot(&self, _: &mut dyn std::io::Write) -> std::io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

#[derive(Debug)]
struct Params(Vec<Param>);

impl ParamSource for Params {
    fn params(&self) -> BoxFuture<'_, Result<Vec<Param>, String>> {
        std::future::ready(Ok(self.0.clone())).boxed()
    }
}

/// How a rig is set up.
pub struct Setup {
    pub settings: Settings,
    pub limits: Limits,
    pub approvals: Approvals,
    pub params: Vec<Param>,
    pub surroundings: Surroundings,
    /// What the clock shows at the beginning.
    pub now: Millis,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            limits: Limits {
                parallel: 4,
                ..Limits::default()
            },
            approvals: Approvals::default(),
            params: Vec::new(),
            surroundings: Surroundings::default(),
            now: 1_795_457_000_000,
        }
    }
}

/// A build being served.
pub struct Rig {
    home: tempfile::TempDir,
    pub engine: EngineHandle,
    pub executor: FakeExecutor,
    pub keys: Keys,
    /// `127.0.0.1:PORT`.
    pub tcp: String,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
    running: Option<JoinHandle<BuildSummary>>,
}

impl Rig {
    pub fn sid() -> Sid {
        Sid::new("local", "demo", "build-1")
    }

    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Self {
        let home = tempfile::tempdir().unwrap();
        let checkout = home.path().join("checkout");
        std::fs::create_dir_all(checkout.join(".monkeyci")).unwrap();
        std::fs::create_dir(home.path().join("logs")).unwrap();
        let executor = FakeExecutor::new();
        let plan = BuildPlan {
            sid: Self::sid(),
            build_map: Map::new(),
            journal: Some(home.path().join("events.edn")),
            logs_dir: home.path().join("logs"),
            checkout: Arc::new(Folder(checkout)),
            executor: Arc::new(executor.clone()),
            blobs: Arc::new(ObjectBlobs::in_folder(home.path().join("blobs"), 1 << 30)),
            params: Arc::new(Params(setup.params)),
            surroundings: setup.surroundings,
            job_tokens: None,
            clock: Arc::new(ClockFrom(setup.now, Instant::now())),
            job_env: Vec::new(),
            graph: GraphRule::default(),
            limits: setup.limits,
            approvals: setup.approvals,
            only: Vec::new(),
            hasty: false,
            job_grace: Duration::from_secs(1),
            masks: Masks::default(),
            remarks: Vec::new(),
            refusal: None,
        };
        let (build, engine) = Engine::new(plan).unwrap();
        let keys = Keys::random().unwrap();
        let api = Api::new(engine.clone(), keys.clone(), setup.settings);
        let unix = bind(&home.path().join("run")).await.unwrap();
        let tcp = bind_tcp(std::net::Ipv4Addr::LOCALHOST.into())
            .await
            .unwrap();
        let address = tcp.local_addr().unwrap().to_string();
        let shutdown = CancellationToken::new();
        let listeners = Listeners {
            unix,
            tcp: vec![tcp],
        };
        let serving = tokio::spawn(serve(listeners, api, shutdown.clone()));
        let mut rig = Self {
            home,
            engine,
            executor,
            keys,
            tcp: address,
            shutdown,
            serving,
            running: None,
        };
        let [knock, door] = ["knock", "door"].map(|name| {
            let path = rig.home.path().join(name);
            let (fifo, mode) = (rustix::fs::FileType::Fifo, 0o600.into());
            rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, mode, 0).unwrap();
            path
        });
        let child = Self::patient_child(&knock, &door, rig.checkout());
        rig.running = Some(tokio::spawn(build.run(child)));
        // A script has been started before it says anything.
        let started = tokio::task::spawn_blocking(move || std::fs::read(knock));
        soon("the script child", started).await.unwrap().unwrap();
        rig
    }

    /// A script child that says that it is there, and does nothing until it is told how to end.
    fn patient_child(knock: &Path, door: &Path, cwd: PathBuf) -> ChildCommand {
        let script = "echo here >\"$0\"; read code <\"$1\"; exit \"$code\"";
        ChildCommand {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into(), knock.into(), door.into()],
            env: Vec::new(),
            cwd,
            stdin: Vec::new(),
        }
    }

    pub fn checkout(&self) -> PathBuf {
        self.engine.checkout_dir().to_owned()
    }

    pub fn socket(&self) -> PathBuf {
        self.home.path().join("run").join(SOCKET_NAME)
    }

    pub fn token(&self, scopes: &[Scope]) -> String {
        let token = self
            .keys
            .mint(&Self::sid(), scopes, Duration::from_mins(10));
        token.expose_secret().to_owned()
    }

    /// The script's own token.
    pub fn script_token(&self) -> String {
        self.token(Scope::script_default())
    }

    /// Lets the script child end with an exit status, and waits for the build's end.
    pub async fn exit(&mut self, code: i32) -> BuildSummary {
        let door = self.home.path().join("door");
        let opened = tokio::task::spawn_blocking(move || std::fs::write(door, format!("{code}\n")));
        soon("the script child", opened).await.unwrap().unwrap();
        self.ended().await
    }

    /// Waits for the build's end.
    pub async fn ended(&mut self) -> BuildSummary {
        let running = self.running.take().expect("a build ends once");
        soon("the end of the build", running).await.unwrap()
    }

    /// Ends the service.
    pub async fn stop(self) {
        self.shutdown.cancel();
        soon("the end of the service", self.serving).await.unwrap();
    }
}

/// Debian's Clojure: `java … clojure.main`, ready for arguments.
pub fn clojure() -> Option<std::process::Command> {
    let jars = ["clojure", "spec.alpha", "core.specs.alpha"]
        .map(|name| format!("/usr/share/java/{name}.jar"));
    let java = std::process::Command::new("java").arg("-version").output();
    if !Path::new(&jars[0]).exists() || java.is_err() {
        return None;
    }
    let mut command = std::process::Command::new("java");
    command.args([
        "-XX:TieredStopAtLevel=1",
        "-cp",
        &jars.join(":"),
        "clojure.main",
    ]);
    Some(command)
}
