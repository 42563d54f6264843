//! A server that gives the recorded answers of a real one (`tests/transcripts/_server`), and what
//! else a test tells it to.
//!
//! A request is answered by the recording with the same method, path, query and credential. A
//! recorded POST moves the time: what is asked after it gets what was recorded after it.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;

/// The org that was recorded.
pub const ORG: &str = "SeedOrgAAAAAAAAAAAAAAAAA";

/// What stands for `$USER_TOKEN` in the recording.
pub const TOKEN: &str = "0123456789abcdef-the-token-of-a-test";

/// A request that came.
#[derive(Debug, Clone)]
pub struct Came {
    pub method: String,
    /// With its query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

/// What to answer instead of a recording.
#[derive(Debug, Clone)]
#[allow(dead_code, reason = "not every test binary needs every fault")]
pub enum Answer {
    /// An ordinary answer.
    Whole(u16, Vec<(&'static str, String)>, Bytes),
    /// A body that never ends.
    Endless,
    /// A connection that breaks after these bytes.
    Cut(Vec<(&'static str, String)>, Bytes),
    /// These bytes, and then nothing, over an open connection.
    Silent(Vec<(&'static str, String)>, Bytes),
    /// Nothing at all.
    Mute,
}

impl Answer {
    /// An answer in EDN.
    pub fn edn(status: u16, body: &str) -> Self {
        let kind = ("content-type", "application/edn; charset=utf-8".to_owned());
        Self::Whole(status, vec![kind], Bytes::copy_from_slice(body.as_bytes()))
    }

    /// A status alone, with a header.
    pub fn bare(status: u16, header: Option<(&'static str, &str)>) -> Self {
        let headers = header.map(|(name, value)| (name, value.to_owned()));
        Self::Whole(status, headers.into_iter().collect(), Bytes::new())
    }
}

#[derive(Debug)]
struct Exchange {
    method: String,
    path: String,
    authorization: Option<String>,
    is_edn: bool,
    has_body: bool,
    status: u16,
    kind: Option<String>,
    location: Option<String>,
    body: String,
}

#[derive(Debug, Default)]
struct Told {
    scripted: HashMap<(String, String), VecDeque<Answer>>,
    came: Vec<Came>,
    /// The place of the last recorded POST.
    time: usize,
}

#[derive(Debug)]
struct Shared {
    exchanges: Vec<Exchange>,
    told: Mutex<Told>,
}

/// The server; it ends with the test.
#[derive(Debug)]
pub struct Playback {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Playback {
    /// Listens on a port of its own.
    pub fn start() -> Self {
        let shared = Arc::new(Shared {
            exchanges: recorded(),
            told: Mutex::default(),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, router) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next answer to a request, before the recorded ones; more of them come in order.
    pub fn will(&self, method: &str, path: &str, answer: Answer) -> &Self {
        let key = (method.to_owned(), path.to_owned());
        let mut told = self.shared.told.lock().unwrap();
        told.scripted.entry(key).or_default().push_back(answer);
        self
    }

    /// What came so far.
    pub fn came(&self) -> Vec<Came> {
        self.shared.told.lock().unwrap().came.clone()
    }

    /// `METHOD PATH` of what came so far.
    pub fn lines(&self) -> Vec<String> {
        let came = self.came();
        came.iter()
            .map(|came| format!("{} {}", came.method, came.path))
            .collect()
    }
}

impl Drop for Playback {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have failed already, which its thread tells.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn recorded() -> Vec<Exchange> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/_server/http.jsonl");
    let text = std::fs::read_to_string(file).unwrap();
    let header = |headers: &serde_json::Value, name: &str| {
        let text = headers[name].as_str()?;
        Some(text.replace("$USER_TOKEN", TOKEN))
    };
    let answered = |headers: &serde_json::Value, name: &str| {
        let pairs = headers.as_array()?;
        let pair = pairs.iter().find(|pair| {
            pair[0]
                .as_str()
                .is_some_and(|key| key.eq_ignore_ascii_case(name))
        })?;
        pair[1].as_str().map(str::to_owned)
    };
    text.lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let response = &line["response"];
            Exchange {
                method: line["method"].as_str().unwrap().to_owned(),
                path: line["path"].as_str().unwrap().to_owned(),
                authorization: header(&line["headers"], "Authorization"),
                is_edn: header(&line["headers"], "Accept").as_deref() == Some("application/edn"),
                has_body: line["body"].is_string(),
                status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
                kind: answered(&response["headers"], "content-type"),
                location: answered(&response["headers"], "location"),
                body: response["body"].as_str().unwrap_or_default().to_owned(),
            }
        })
        .collect()
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let came = Came {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let answer = {
        let mut told = shared.told.lock().unwrap();
        told.came.push(came.clone());
        let key = (came.method.clone(), came.path.clone());
        match told.scripted.get_mut(&key).and_then(VecDeque::pop_front) {
            Some(answer) => answer,
            None => shared.play(&came, &mut told.time),
        }
    };
    render(answer).await
}

impl Shared {
    fn play(&self, came: &Came, time: &mut usize) -> Answer {
        let authorization = came.headers.get("authorization");
        let authorization = authorization.map(|header| header.to_str().unwrap());
        let fits = |(at, exchange): (usize, &Exchange)| {
            let fits = exchange.method == came.method
                && exchange.path == came.path
                && (exchange.authorization.as_deref() == authorization
                    // Answers whoever asks.
                    || exchange.path == "/version")
                && exchange.has_body != came.body.is_empty();
            fits.then_some(at)
        };
        let all: Vec<usize> = self.exchanges.iter().enumerate().filter_map(fits).collect();
        let in_edn: Vec<usize> = all
            .iter()
            .copied()
            .filter(|at| self.exchanges[*at].is_edn)
            .collect();
        let fitting = if in_edn.is_empty() { all } else { in_edn };
        let later = fitting.iter().find(|at| **at > *time);
        let Some(at) = later.or(fitting.last()).copied() else {
            let text = format!("not recorded: {} {}", came.method, came.path);
            let text = Bytes::from(text);
            return Answer::Whole(418, vec![("content-type", "text/plain".to_owned())], text);
        };
        if came.method != "GET" {
            *time = at;
        }
        let exchange = &self.exchanges[at];
        let headers = [
            ("content-type", &exchange.kind),
            ("location", &exchange.location),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .collect();
        Answer::Whole(exchange.status, headers, Bytes::from(exchange.body.clone()))
    }
}

async fn render(answer: Answer) -> Response {
    let response = |status: u16, headers: Vec<(&'static str, String)>, body: Body| {
        let mut builder = Response::builder().status(StatusCode::from_u16(status).unwrap());
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        builder.body(body).unwrap()
    };
    let first = |bytes: Bytes| futures_util::stream::once(async move { Ok(bytes) });
    match answer {
        Answer::Whole(status, headers, body) => response(status, headers, Body::from(body)),
        Answer::Endless => {
            let chunk = Bytes::from(vec![b'x'; 1 << 16]);
            let chunks = futures_util::stream::repeat(Ok::<_, Infallible>(chunk));
            response(200, Vec::new(), Body::from_stream(chunks))
        }
        Answer::Cut(headers, bytes) => {
            let broken = std::io::Error::other("the test breaks the connection");
            let end = futures_util::stream::once(async move {
                // What came before is sent while this waits.
                tokio::task::yield_now().await;
                Err(broken)
            });
            let status = if headers.iter().any(|(name, _)| *name == "content-range") {
                206
            } else {
                200
            };
            response(status, headers, Body::from_stream(first(bytes).chain(end)))
        }
        Answer::Silent(headers, bytes) => {
            let rest = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
            response(200, headers, Body::from_stream(first(bytes).chain(rest)))
        }
        Answer::Mute => std::future::pending().await,
    }
}
