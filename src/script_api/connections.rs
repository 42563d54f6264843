//! Connections: how many there are at once, who has to leave when they are too many, and how long
//! the head of a request may take.
//!
//! ```text
//! waiting ── a byte ──► head ── the whole head ──► answering ── the answer is out ──► waiting
//! ```
//!
//! A client that waits is left alone: the script library keeps its connections for later and does
//! not try again when one breaks under a request (script-api.md §2). A head that does not come to
//! its end is given up; bodies have a limit of their own (`body.rs`). When all places are taken,
//! whoever waits longest leaves for who comes, those first that have never shown a good token: on
//! loopback TCP that may be any user of the machine.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, StatusCode};
use axum::serve::Listener;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

use crate::service;

use super::Settings;

/// Most bytes of a head, and of what is read or written ahead, for each connection.
const BUFFER: usize = 64 << 10;

/// So long a client that goes on writing may take to look at its answer.
const LINGER: Duration = Duration::from_secs(2);

/// Serves a listener until `shutdown` fires and the last request is done with. When `cut` fires,
/// connections break.
///
/// The cut is what ends half-sent requests and readers that do not read: a graceful
/// shutdown alone would wait for them for ever.
pub(super) async fn serve<L>(
    mut listener: L,
    app: Router,
    settings: &Settings,
    shutdown: &CancellationToken,
    cut: &CancellationToken,
) where
    L: Listener,
    L::Io: PeerCheck,
{
    let room = Arc::new(Room::new(places(settings.most_connections)));
    let at_work = TaskTracker::new();
    let serve = async {
        loop {
            let (io, _) = listener.accept().await;
            if io.is_ours() {
                let place = Room::take_place(&room, cut.child_token()).await;
                let line = Line::new(io, Arc::clone(&place.seat), settings.head_time);
                at_work.spawn(answer(line, app.clone(), place, shutdown.clone()));
            }
        }
    };
    tokio::select! {
        biased;
        () = shutdown.cancelled() => {}
        () = serve => {}
    }
    drop(listener);
    at_work.close();
    at_work.wait().await;
}

/// How many connections fit: files that the system lets us open are needed elsewhere, too.
fn places(most: usize) -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let share = files.and_then(|files| usize::try_from(files / 4).ok());
    most.min(share.unwrap_or(most)).max(1)
}

/// Answers the requests of one connection, one after the other.
async fn answer<S>(line: Line<S>, app: Router, place: Place, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(app);
    let seat = Arc::clone(&place.seat);
    let room = Arc::clone(&place.room);
    let service = service_fn(move |request: Request<Incoming>| {
        let (seat, room, router) = (Arc::clone(&seat), Arc::clone(&room), router.clone());
        seat.answering();
        Box::pin(async move {
            let (response, is_read) = service::answer(&router, request).await;
            let mut standing = seat.lock();
            standing.is_known |= response.status() != StatusCode::UNAUTHORIZED;
            standing.has_unread |= !is_read;
            drop(standing);
            Ok::<_, Infallible>(response.map(|body| Answer { body, seat, room }))
        })
    });
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER).header_read_timeout(None);
    let connection = builder.serve_connection(TokioIo::new(line), service);
    if let Some(mut line) = service::requests(connection, &shutdown).await {
        if place.seat.lock().has_unread {
            service::linger(line, LINGER).await;
        } else {
            let _ = line.shutdown().await;
        }
    }
}

/// The places for connections, and who has one.
#[derive(Debug)]
struct Room {
    free: Arc<Semaphore>,
    taken: Mutex<(u64, HashMap<u64, Arc<Seat>>)>,
    /// Somebody waits again, and could be asked to leave.
    waits: Notify,
}

impl Room {
    fn new(places: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(places)),
            taken: Mutex::default(),
            waits: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, HashMap<u64, Arc<Seat>>)> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more, as soon as there is one.
    async fn take_place(room: &Arc<Self>, cut: CancellationToken) -> Place {
        let free = || Arc::clone(&room.free);
        let permit = loop {
            if let Ok(permit) = free().try_acquire_owned() {
                break permit;
            }
            let left = room.ask_one_to_leave();
            tokio::select! {
                permit = free().acquire_owned() => {
                    break permit.expect("places are not taken away");
                }
                () = room.waits.notified(), if !left => {}
            }
        };
        let seat = Arc::new(Seat::new(cut));
        let mut taken = room.lock();
        taken.0 += 1;
        let number = taken.0;
        taken.1.insert(number, Arc::clone(&seat));
        Place {
            seat,
            number,
            room: Arc::clone(room),
            _permit: permit,
        }
    }

    /// Lets whoever can be spared most leave; false when everybody is being answered.
    fn ask_one_to_leave(&self) -> bool {
        let mut taken = self.lock();
        let longest = taken
            .1
            .iter()
            .filter_map(|(number, seat)| Some((seat.can_be_spared()?, *number)))
            .min();
        let seat = longest.and_then(|(_, number)| taken.1.remove(&number));
        if let Some(seat) = &seat {
            seat.cut.cancel();
        }
        seat.is_some()
    }
}

/// A place in a [`Room`], given back when it is dropped.
#[derive(Debug)]
struct Place {
    seat: Arc<Seat>,
    number: u64,
    room: Arc<Room>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.lock().1.remove(&self.number);
    }
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Head,
    Answering,
}

#[derive(Debug)]
struct Standing {
    stage: Stage,
    since: Instant,
    /// It has shown a good token.
    is_known: bool,
    /// Its last request was answered before all of it was here.
    has_unread: bool,
}

/// What is known of one connection.
#[derive(Debug)]
struct Seat {
    standing: Mutex<Standing>,
    cut: CancellationToken,
}

impl Seat {
    fn new(cut: CancellationToken) -> Self {
        let standing = Standing {
            stage: Stage::Waiting,
            since: Instant::now(),
            is_known: false,
            has_unread: false,
        };
        Self {
            standing: Mutex::new(standing),
            cut,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes have come in.
    fn heard(&self) {
        let mut standing = self.lock();
        if standing.stage == Stage::Waiting {
            standing.stage = Stage::Head;
            standing.since = Instant::now();
        }
    }

    fn answering(&self) {
        self.lock().stage = Stage::Answering;
    }

    fn answered(&self) {
        let mut standing = self.lock();
        standing.stage = Stage::Waiting;
        standing.since = Instant::now();
    }

    /// Since when a head is on its way.
    fn head_since(&self) -> Option<Instant> {
        let standing = self.lock();
        (standing.stage == Stage::Head).then_some(standing.since)
    }

    /// Who is not being answered can be; the least is spared most.
    fn can_be_spared(&self) -> Option<(bool, Instant)> {
        let standing = self.lock();
        (standing.stage != Stage::Answering).then_some((standing.is_known, standing.since))
    }
}

/// The body of an answer, which says when it is out.
#[derive(Debug)]
struct Answer {
    body: Body,
    seat: Arc<Seat>,
    room: Arc<Room>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.seat.answered();
        self.room.waits.notify_one();
    }
}

/// Connections whose other end can be trusted to be this user, or cannot be known (TCP).
pub(super) trait PeerCheck {
    fn is_ours(&self) -> bool;
}

impl PeerCheck for UnixStream {
    fn is_ours(&self) -> bool {
        self.peer_cred()
            .is_ok_and(|peer| may_connect(peer.uid(), rustix::process::geteuid().as_raw()))
    }
}

impl PeerCheck for TcpStream {
    fn is_ours(&self) -> bool {
        true
    }
}

/// Nobody but the same user, not even root: a token is no passport for another account.
fn may_connect(peer: u32, ours: u32) -> bool {
    peer == ours
}

/// The bytes of a connection. It breaks when it is cut and when a head takes too long.
#[derive(Debug)]
struct Line<S> {
    inner: S,
    seat: Arc<Seat>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    head_time: Duration,
    late: Option<Pin<Box<Sleep>>>,
}

impl<S: Unpin> Line<S> {
    fn new(inner: S, seat: Arc<Seat>, head_time: Duration) -> Self {
        let cut = Box::pin(seat.cut.clone().cancelled_owned());
        Self {
            inner,
            seat,
            cut,
            head_time,
            late: None,
        }
    }

    fn poll_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }

    /// Nothing more is here for now: is a head late?
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(since) = self.seat.head_since() else {
            self.late = None;
            return Poll::Pending;
        };
        let deadline = since + self.head_time;
        let late = self
            .late
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if late.deadline() != deadline {
            late.as_mut().reset(deadline);
        }
        late.as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        let before = buf.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Pending => self.poll_late(cx),
            read @ Poll::Ready(_) => {
                if buf.filled().len() > before {
                    self.seat.heard();
                }
                read
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_user_may_connect() {
        assert!(may_connect(1000, 1000));
        assert!(!may_connect(1001, 1000));
        assert!(!may_connect(0, 1000));
    }

    #[tokio::test]
    async fn strangers_leave_first_then_who_waits_longest_and_nobody_at_work() {
        let room = Arc::new(Room::new(4));
        let mut places = Vec::new();
        for _ in 0..4 {
            places.push(Room::take_place(&room, CancellationToken::new()).await);
        }
        places[0].seat.lock().is_known = true;
        places[1].seat.answering();
        places[3].seat.heard();
        let gone = || -> Vec<bool> {
            let cut = places.iter().map(|place| place.seat.cut.is_cancelled());
            cut.collect()
        };
        assert!(room.ask_one_to_leave());
        assert_eq!(gone(), [false, false, true, false]);
        assert!(room.ask_one_to_leave());
        assert_eq!(gone(), [false, false, true, true]);
        assert!(room.ask_one_to_leave());
        assert_eq!(gone(), [true, false, true, true]);
        assert!(!room.ask_one_to_leave());
    }
}
