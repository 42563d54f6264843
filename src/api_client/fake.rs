//! A small script API for tests: a journal, a stream that can be cut, and a runner.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path as UrlPath, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::domain::{Event, Seq};
use crate::wire;

pub(crate) const TOKEN: &str = "let-me-in";

type Runner = dyn FnMut(&Event) -> Vec<Event> + Send;
type Restore = dyn Fn(&str, &str, &Path) -> bool + Send + Sync;

/// Serves until it is dropped.
pub(crate) struct FakeApi {
    dir: tempfile::TempDir,
    pub(crate) state: Arc<FakeState>,
    server: JoinHandle<()>,
}

pub(crate) struct FakeState {
    events: Mutex<Vec<Event>>,
    length: watch::Sender<usize>,
    /// The stream ends after the last event.
    pub(crate) closed: AtomicBool,
    /// Connections in turn are cut after so many events; without an entry they are not.
    pub(crate) cuts: Mutex<VecDeque<Cut>>,
    /// Streams are refused with this status, if it is not 0.
    pub(crate) refuse: AtomicU16,
    pub(crate) connections: AtomicUsize,
    pub(crate) posts: Mutex<Vec<Vec<Event>>>,
    pub(crate) controls: Mutex<Vec<String>>,
    runner: Mutex<Box<Runner>>,
    restore: Box<Restore>,
}

/// How a stream is cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) after: usize,
    pub(crate) how: How,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    /// The connection breaks between two frames.
    Broken,
    /// The connection breaks in the middle of the next frame.
    MidFrame,
    /// The server ends the stream properly.
    Ended,
}

impl FakeApi {
    pub(crate) fn start(
        runner: impl FnMut(&Event) -> Vec<Event> + Send + 'static,
        restore: impl Fn(&str, &str, &Path) -> bool + Send + Sync + 'static,
    ) -> Self {
        let state = Arc::new(FakeState {
            events: Mutex::default(),
            length: watch::Sender::new(0),
            closed: AtomicBool::new(false),
            cuts: Mutex::default(),
            refuse: AtomicU16::new(0),
            connections: AtomicUsize::new(0),
            posts: Mutex::default(),
            controls: Mutex::default(),
            runner: Mutex::new(Box::new(runner)),
            restore: Box::new(restore),
        });
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("api.sock")).unwrap();
        let app = Router::new()
            .route("/events", get(stream).post(accept))
            .route("/artifact/{job}/{id}", get(restore_blob))
            .route("/build", get(async || "{:org-id \"o\" #_x, :odd #foo [1]}"))
            .route("/empty", get(async || StatusCode::NO_CONTENT))
            .route("/cancel", post(control))
            .route("/unblock", post(control))
            .route("/unblock/{job}", post(control))
            .layer(middleware::from_fn(check_token))
            .with_state(state.clone());
        let server = tokio::spawn(async move {
            axum::serve(listener, app).await.unwrap();
        });
        Self { dir, state, server }
    }

    /// An API where nobody runs anything.
    pub(crate) fn idle() -> Self {
        Self::start(|_| Vec::new(), |_, _, _| false)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("api.sock")
    }

    pub(crate) fn client(&self) -> super::ApiClient {
        super::ApiClient::new(&self.socket(), TOKEN.into()).unwrap()
    }

    /// All events so far, numbered.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.state.events.lock().unwrap().clone()
    }

    /// The server goes away, with its socket.
    pub(crate) fn die(&self) {
        std::fs::remove_file(self.socket()).unwrap();
        self.server.abort();
        self.state.cut_all();
    }
}

impl Drop for FakeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FakeState {
    pub(crate) fn append(&self, events: impl IntoIterator<Item = Event>) {
        let mut journal = self.events.lock().unwrap();
        for mut event in events {
            event.seq = journal.len() as Seq + 1;
            journal.push(event);
        }
        self.length.send_replace(journal.len());
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.length.send_modify(|_| {});
    }

    /// Open streams break now.
    fn cut_all(&self) {
        self.refuse.store(u16::MAX, Ordering::SeqCst);
        self.length.send_modify(|_| {});
    }
}

async fn check_token(request: Request, next: Next) -> Response {
    let sent = request.headers().get("authorization");
    if sent.is_some_and(|sent| sent == &format!("Bearer {TOKEN}")) {
        next.run(request).await
    } else {
        (StatusCode::UNAUTHORIZED, "no such token").into_response()
    }
}

async fn accept(State(state): State<Arc<FakeState>>, body: Bytes) -> StatusCode {
    let (events, odd) = wire::events_from_body(&body).unwrap();
    assert_eq!(odd, 0, "{}", String::from_utf8_lossy(&body));
    state.posts.lock().unwrap().push(events.clone());
    for event in events {
        let answers = (state.runner.lock().unwrap())(&event);
        state.append([event]);
        state.append(answers);
    }
    StatusCode::ACCEPTED
}

async fn restore_blob(
    State(state): State<Arc<FakeState>>,
    UrlPath((job, id)): UrlPath<(String, String)>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    let path = &query[0].1;
    if (state.restore)(&job, &id, Path::new(path)) {
        format!("{{:path {path:?} :id {id:?}}}").into_response()
    } else {
        StatusCode::NO_CONTENT.into_response()
    }
}

async fn control(State(state): State<Arc<FakeState>>, request: Request) {
    state
        .controls
        .lock()
        .unwrap()
        .push(request.uri().path().to_owned());
}

struct Sending {
    state: Arc<FakeState>,
    length: watch::Receiver<usize>,
    next: usize,
    backlog: usize,
    sent: usize,
    cut: Option<Cut>,
    pings: u8,
    over: bool,
}

async fn stream(State(state): State<Arc<FakeState>>, headers: HeaderMap) -> Response {
    state.connections.fetch_add(1, Ordering::SeqCst);
    match state.refuse.load(Ordering::SeqCst) {
        0 | u16::MAX => {}
        status => return StatusCode::from_u16(status).unwrap().into_response(),
    }
    let after: usize = headers
        .get("last-event-id")
        .map_or(0, |id| id.to_str().unwrap().parse().unwrap());
    let backlog = state.events.lock().unwrap().len();
    let cut = state.cuts.lock().unwrap().pop_front();
    let sending = Sending {
        length: state.length.subscribe(),
        next: after,
        backlog,
        sent: 0,
        cut,
        pings: 0,
        over: false,
        state,
    };
    let body = futures_util::stream::unfold(sending, async |mut sending| {
        let chunk = sending.chunk().await?;
        Some((chunk, sending))
    });
    (
        [("content-type", "text/event-stream")],
        Body::from_stream(body),
    )
        .into_response()
}

impl Sending {
    async fn chunk(&mut self) -> Option<Result<String, std::io::Error>> {
        let broken = || Some(Err(std::io::Error::other("cut")));
        if self.over {
            return broken();
        }
        if self.pings == 0 {
            self.pings = 1;
            return Some(Ok(wire::sse::PING.to_owned()));
        }
        loop {
            if self.state.refuse.load(Ordering::SeqCst) == u16::MAX {
                return broken();
            }
            if let Some(cut) = self.cut
                && self.sent == cut.after
            {
                match cut.how {
                    How::Broken => return broken(),
                    How::Ended => return None,
                    How::MidFrame => {
                        self.over = true;
                        return Some(Ok("id: 9999\ndata: {:type :job/en".to_owned()));
                    }
                }
            }
            // Uncut streams send what is there at once, as a real server would.
            let most = if self.cut.is_some() { 1 } else { 256 };
            let events: Vec<Event> = {
                let journal = self.state.events.lock().unwrap();
                journal.iter().skip(self.next).take(most).cloned().collect()
            };
            if !events.is_empty() {
                self.next += events.len();
                self.sent += events.len();
                let mut frames = String::new();
                for event in &events {
                    wire::sse::frame(&mut frames, Some(event.seq), &wire::write_event(event));
                }
                return Some(Ok(frames));
            }
            if self.next >= self.backlog && self.pings == 1 {
                self.pings = 2;
                return Some(Ok(wire::sse::PING.to_owned()));
            }
            if self.state.closed.load(Ordering::SeqCst) {
                return None;
            }
            self.length.changed().await.ok()?;
        }
    }
}
