//! What both HTTP services need of a connection: every request read to its end or the connection with it, and
//! answers that arrive, with clients that take them.
//!
//! It owns no routes and no limits on how many there are: those are each service's own. Start reading at
//! [`answer`] and [`requests`], between which a service has its own look at what goes by.

mod leftover;
mod stall;

use std::future::poll_fn;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1::Connection;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use leftover::Shared;

pub use leftover::linger;
pub use stall::Reading;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Answers a request. False: not all of its body is read, so that the connection ends with the answer, and
/// its other end has to be heard out ([`linger`]).
pub async fn answer(
    router: &TowerToHyperService<Router>,
    request: Request<Incoming>,
) -> (Response<Body>, bool) {
    let (head, body) = request.into_parts();
    let body = Shared::new(body);
    let answering = router.call(Request::from_parts(head, body.clone()));
    let mut response = match answering.await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let is_read = body.finish().await;
    if !is_read {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    (response, is_read)
}

/// Answers the requests of a connection, one after the other; no more once `stop` fires. Gives the connection
/// back to be closed, unless it has broken.
pub async fn requests<S, A, B>(
    mut connection: Connection<TokioIo<S>, A>,
    stop: &CancellationToken,
) -> Option<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Service<Request<Incoming>, Response = Response<B>> + Unpin,
    A::Error: Into<BoxError>,
    A::Future: Unpin,
    B: HttpBody + 'static,
    B::Error: Into<BoxError>,
{
    let mut closing = false;
    let answered = loop {
        tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            () = stop.cancelled(), if !closing => {
                closing = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    // A connection that has broken has nobody left to be told.
    answered
        .is_ok()
        .then(|| connection.into_parts().io.into_inner())
}
