//! Tests against the real service on a real socket.

mod access;
mod blobs;
mod described;
mod events;
mod info;
mod low_level;
mod recorded;
mod results;
mod schema;
mod stream;
mod upstream;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::{Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncReadExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Api, Keys, Listeners, Scope, Settings, bind, bind_tcp, serve};
use crate::domain::{BuildStatus, Event, EventKind, Sid, StoredResult, TuiEvent};
use crate::edn::{self, Value};
use crate::engine::EngineHandle;
use crate::ports::{
    BlobError, BlobKey, BlobReader, BlobStore, OrgInfo, Param, ParamSource, Past, PastBuild,
    PastBuilds, RepoInfo, SecretStore, Surroundings,
};

/// Nothing here takes long; what does is broken.
const LIMIT: Duration = Duration::from_secs(20);

async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work)
        .await
        .unwrap_or_else(|_| panic!("{what} takes too long"))
}

/// Blobs in memory. A failed upload leaves what was there.
#[derive(Debug, Default)]
struct MemoryBlobs(Mutex<HashMap<String, Vec<u8>>>);

impl BlobStore for MemoryBlobs {
    fn put<'a>(
        &'a self,
        key: &'a BlobKey,
        mut body: BlobReader,
    ) -> BoxFuture<'a, Result<u64, BlobError>> {
        async move {
            let mut bytes = Vec::new();
            body.read_to_end(&mut bytes)
                .await
                .map_err(|source| BlobError::Store {
                    action: "write",
                    key: key.clone(),
                    source,
                })?;
            let size = bytes.len() as u64;
            self.0.lock().unwrap().insert(key.to_string(), bytes);
            Ok(size)
        }
        .boxed()
    }

    fn remove<'a>(&'a self, key: &'a BlobKey) -> BoxFuture<'a, Result<(), BlobError>> {
        self.0.lock().unwrap().remove(key.as_str());
        std::future::ready(Ok(())).boxed()
    }

    fn get<'a>(&'a self, key: &'a BlobKey) -> BoxFuture<'a, Result<Option<BlobReader>, BlobError>> {
        let found = self.0.lock().unwrap().get(key.as_str()).cloned();
        let reader = found.map(|bytes| Box::pin(std::io::Cursor::new(bytes)) as BlobReader);
        async move { Ok(reader) }.boxed()
    }
}

#[derive(Debug)]
struct OneParam;

impl ParamSource for OneParam {
    fn params(&self) -> BoxFuture<'_, Result<Vec<Param>, String>> {
        let param = Param {
            name: "user".to_owned(),
            value: "a \"quoted\" secret".into(),
            plain: false,
        };
        async move { Ok(vec![param]) }.boxed()
    }
}

/// One secret, and one build before.
#[derive(Debug)]
struct OneOfEach;

impl SecretStore for OneOfEach {
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<SecretString>, String>> {
        let found = (name == "npm-token").then(|| "s3cr3t-value".into());
        std::future::ready(Ok(found)).boxed()
    }
}

impl PastBuilds for OneOfEach {
    fn find(&self, which: Past) -> BoxFuture<'_, Result<Option<PastBuild>, String>> {
        let previous = || PastBuild {
            sid: Sid::new("local", "repo", "build-0"),
            status: BuildStatus::Success,
            commit_id: None,
            start_time: Some(1),
            end_time: None,
            results: vec![StoredResult {
                name: "old".to_owned(),
                media_type: "application/edn".to_owned(),
                size: 2,
                job_id: None,
                time: None,
            }],
        };
        std::future::ready(Ok((which == Past::Previous).then(previous))).boxed()
    }
}

fn surroundings() -> Surroundings {
    Surroundings {
        secrets: Arc::new(OneOfEach),
        past: Arc::new(OneOfEach),
        repo: RepoInfo {
            name: Some("App".to_owned()),
            labels: Some(vec![("team".to_owned(), "core".to_owned())]),
            ..RepoInfo::default()
        },
        org: OrgInfo::default(),
        upstream: None,
    }
}

/// A build being served.
struct Service {
    home: tempfile::TempDir,
    engine: EngineHandle,
    blobs: Arc<MemoryBlobs>,
    keys: Keys,
    api: Api,
    /// Where the TCP listener is.
    tcp: String,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

fn sid() -> Sid {
    Sid::new("local", "repo", "build-1")
}

impl Service {
    async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        Self::within(settings, surroundings()).await
    }

    async fn within(settings: Settings, surroundings: Surroundings) -> Self {
        let home = tempfile::tempdir().unwrap();
        let checkout = home.path().join("checkout");
        std::fs::create_dir(&checkout).unwrap();
        let blobs = Arc::new(MemoryBlobs::default());
        let engine = EngineHandle::for_tests_with(
            sid(),
            checkout,
            Arc::clone(&blobs) as Arc<dyn BlobStore>,
            Arc::new(OneParam),
            surroundings,
        );
        let keys = Keys::random().unwrap();
        let api = Api::new(engine.clone(), keys.clone(), settings);
        let unix = bind(&home.path().join("run")).await.unwrap();
        let tcp = bind_tcp(std::net::Ipv4Addr::LOCALHOST.into())
            .await
            .unwrap();
        let address = format!("http://{}", tcp.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(
            Listeners {
                unix,
                tcp: vec![tcp],
            },
            api.clone(),
            shutdown.clone(),
        ));
        Self {
            home,
            engine,
            blobs,
            keys,
            api,
            tcp: address,
            shutdown,
            serving,
        }
    }

    fn socket(&self) -> std::path::PathBuf {
        self.home.path().join("run").join(super::SOCKET_NAME)
    }

    fn checkout(&self) -> &Path {
        self.engine.checkout_dir()
    }

    fn token(&self, scopes: &[Scope]) -> SecretString {
        self.keys.mint(&sid(), scopes, Duration::from_mins(10))
    }

    fn caller(&self, token: Option<&SecretString>) -> Caller {
        Caller {
            client: reqwest::Client::builder()
                .unix_socket(self.socket())
                .build()
                .unwrap(),
            base: "http://build".to_owned(),
            token: token.map(|token| token.expose_secret().to_owned()),
        }
    }

    /// The build's script.
    fn script(&self) -> Caller {
        self.caller(Some(&self.token(Scope::script_default())))
    }

    /// Another shell of the same user.
    fn watcher(&self) -> Caller {
        self.caller(Some(&self.token(Scope::watcher())))
    }

    /// What the journal has by now, by type.
    fn types(&self) -> Vec<String> {
        self.engine
            .journal()
            .events()
            .iter()
            .map(|event| event.type_name().to_owned())
            .collect()
    }

    /// Waits for an event.
    async fn event(&self, what: &str, wanted: impl Fn(&Event) -> bool) -> Arc<Event> {
        let mut cursor = self.engine.journal().cursor(0);
        soon(what, async {
            loop {
                let events = cursor.next().await.expect("the journal stays open");
                if let Some(event) = events.into_iter().find(|event| wanted(event)) {
                    return event;
                }
            }
        })
        .await
    }

    /// Waits for a remark that has this text in it.
    async fn warning(&self, text: &str) -> Arc<Event> {
        self.event(&format!("a warning with {text:?}"), |event| {
            event.kind == EventKind::Tui(TuiEvent::Warning)
                && event.message.as_deref().is_some_and(|m| m.contains(text))
        })
        .await
    }

    /// Tells the journal's writer what a script would: that these jobs exist.
    async fn announce(&self, jobs: &str) {
        let body = format!("[{{:type :script/start :jobs [{jobs}]}}]");
        let answer = self.script().post("/events", body).await;
        assert_eq!(answer.status(), 202);
    }

    async fn stop(self) {
        self.shutdown.cancel();
        soon("stopping", self.serving).await.unwrap();
    }
}

/// A client with or without a token.
#[derive(Clone)]
struct Caller {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Caller {
    fn request(&self, method: &Method, path: &str) -> RequestBuilder {
        let request = self
            .client
            .request(method.clone(), format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn get(&self, path: &str) -> Response {
        send(self.request(&Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Response {
        send(self.request(&Method::POST, path).body(body)).await
    }

    async fn put(&self, path: &str, body: impl Into<reqwest::Body>) -> Response {
        send(self.request(&Method::PUT, path).body(body)).await
    }
}

/// Sends a request and holds the answer against the OpenAPI document.
async fn send(request: RequestBuilder) -> Response {
    let (client, request) = request.build_split();
    let request = request.unwrap();
    let (method, path) = (request.method().clone(), request.url().path().to_owned());
    let response = soon("an answer", client.execute(request)).await.unwrap();
    described::check(&method, &path, response).await
}

async fn value(response: Response) -> Value {
    assert_eq!(response.headers()["content-type"], "application/edn");
    edn::read_str(&soon("a body", response.text()).await.unwrap()).unwrap()
}

fn read(text: &str) -> Value {
    edn::read_str(text).unwrap()
}
