//! The server as clients find it.
//!
//! - `recorded.rs`: what a real server was asked, asked of ours.
//! - the others: clients that mean harm, over real connections. `lengths.rs` has heads that hide a request in
//!   another one's body, `bodies.rs` bodies that are not what they should be, `slow.rs` those who take their
//!   time, `tokens.rs` and `hooks.rs` forged credentials and deliveries, `paths.rs` names that lead elsewhere,
//!   `queue.rs` more builds than may wait.
//!
//! Whatever they do is refused as the manual says, and the server is of use to others meanwhile and afterwards.

mod bodies;
mod hooks;
mod lengths;
mod paths;
mod queue;
mod recorded;
mod slow;
mod tokens;

#[path = "../../../tests/shared/http.rs"]
mod http;
#[path = "../../../tests/shared/names.rs"]
mod names;

use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::ports::SystemClock;
use crate::store::ObjectBlobs;
use http::{Answer, Wire, soon};

const ORG: &str = "acme";
const REPO: &str = "app";

/// Where a recording is in the tests here.
fn recording_in(folder: &Path, sid: &Sid) -> Recording {
    let dir = folder.join(&sid.build);
    Recording {
        journal: dir.join("events.edn"),
        logs: dir.join("logs"),
    }
}

/// Starts nothing: what is ordered stays in the queue.
#[derive(Debug)]
struct Idle(PathBuf);

impl Runner for Idle {
    fn start(&self, _: Order, _: CancellationToken) -> BoxFuture<'static, Result<Started, String>> {
        Box::pin(std::future::ready(Err("nothing is built here".to_owned())))
    }

    fn recording(&self, sid: &Sid) -> Recording {
        recording_in(&self.0, sid)
    }
}

/// Remembers what an operator is told.
#[derive(Debug, Default)]
struct Heard(std::sync::Mutex<Vec<News>>);

impl Operator for Heard {
    fn hear(&self, news: &News) {
        self.0.lock().unwrap().push(news.clone());
    }
}

/// A server that listens.
struct Rig {
    folder: TempDir,
    server: Server,
    address: String,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    heard: Arc<Heard>,
}

impl Rig {
    fn start() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), change)
    }

    fn in_folder(folder: TempDir, change: impl FnOnce(&mut Settings)) -> Self {
        let repo = Repo {
            id: REPO.to_owned(),
            name: "App".to_owned(),
            url: "https://example.invalid/app.git".to_owned(),
            main_branch: Some("main".to_owned()),
        };
        let mut settings = Settings::new(folder.path().join("server"), ORG, vec![repo]);
        let heard = Arc::new(Heard::default());
        settings.operator = Arc::clone(&heard) as Arc<dyn Operator>;
        change(&mut settings);
        let runner = Idle(folder.path().to_owned());
        let blobs = ObjectBlobs::in_folder(folder.path().join("blobs"), 1 << 20);
        let opened = Server::open(
            settings,
            Arc::new(runner),
            Arc::new(blobs),
            Arc::new(SystemClock),
        );
        let (server, remarks) = opened.unwrap();
        assert_eq!(remarks, Vec::<String>::new());
        let (listener, address) = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, None, server.clone(), stop.clone()));
        Self {
            folder,
            server,
            address: address.to_string(),
            stop,
            serving,
            heard,
        }
    }

    /// What the operator was told since the last time.
    fn news(&self) -> Vec<News> {
        std::mem::take(&mut self.heard.0.lock().unwrap())
    }

    /// The server's own folder.
    fn keys(&self) -> PathBuf {
        self.server.settings().folder.clone()
    }

    /// A credential, as it is sent.
    fn token(&self, role: Role) -> String {
        let token = make_token(&self.keys(), role, None, 0, None).unwrap();
        format!("Token {}", token.expose_secret())
    }

    async fn wire(&self) -> Wire {
        Wire::tcp(&self.address).await.unwrap()
    }

    /// Asks over a connection of its own.
    async fn ask(&self, request: &[u8]) -> Answer {
        let mut wire = self.wire().await;
        // It may be refused before all of it is sent.
        let _ = soon("a request", wire.send(request)).await;
        let answer = soon("an answer", wire.answer()).await;
        answer.unwrap_or_else(|error| {
            let head: String = String::from_utf8_lossy(request).chars().take(500).collect();
            panic!("no answer ({error}) to {head}")
        })
    }

    /// All that is answered to bytes, up to the end of the connection: the server ends it, if need be because
    /// nothing more comes ([`hasty`]).
    async fn all_to(&self, bytes: &[u8]) -> String {
        let mut wire = self.wire().await;
        soon("all answers", async {
            // The server may have closed already.
            let _ = wire.send(bytes).await;
            String::from_utf8_lossy(&wire.rest().await).into_owned()
        })
        .await
    }

    /// The branches that somebody has had built.
    fn ordered(&self) -> Vec<String> {
        let entries = self.server.board().list(None);
        let branches = entries
            .into_iter()
            .map(|entry| entry.order.wanted.branch.clone().unwrap_or_default());
        branches.collect()
    }

    /// It takes an order as it should.
    async fn is_well(&self) {
        let before = self.ordered().len();
        let token = self.token(Role::Run);
        let answer = self.ask(&trigger(&token, "well")).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(self.ordered().len(), before + 1);
    }

    /// Ends it; gives back what it knows.
    async fn stop(self) -> TempDir {
        self.stop.cancel();
        soon("the end of the service", self.serving).await.unwrap();
        self.folder
    }
}

/// Waits for what does not come only as long as it takes what is here to be read.
fn hasty(settings: &mut Settings) {
    settings.head_time = Duration::from_millis(300);
    settings.body_time = Duration::from_millis(300);
}

/// The statuses of answers, one behind the other; leave to go on is none.
fn statuses(answers: &str) -> Vec<u16> {
    let lines = answers.match_indices("HTTP/1.1 ");
    let found =
        lines.filter_map(|(at, found)| answers.get(at + found.len()..)?.get(..3)?.parse().ok());
    found.filter(|status| *status != 100).collect()
}

/// A request with nothing in it that is not named.
fn request(
    method: &str,
    path: &str,
    credential: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    if !credential.is_empty() {
        head.push_str(&format!("authorization: {credential}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    [head.as_bytes(), body].concat()
}

const JSON: (&str, &str) = ("content-type", "application/json");
const EDN: (&str, &str) = ("content-type", "application/edn");

/// A path below the repository.
fn at(path: &str) -> String {
    format!("/org/{ORG}/repo/{REPO}/{path}")
}

/// Has a branch built.
fn trigger(credential: &str, branch: &str) -> Vec<u8> {
    let path = at(&format!("builds/trigger?branch={branch}"));
    request("POST", &path, credential, &[JSON], b"{}")
}
