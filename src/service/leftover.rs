//! What of a request's body nobody has read when its answer is ready.
//!
//! A refusal is often ready before the body is here. A connection with half a body in it cannot
//! take another request; it would break under the next one, which the script library does
//! not send again (script-api.md §2), and a client that still writes would never see the answer. So a little
//! is read to its end, and for more the answer says that the connection closes; then what still
//! comes is thrown away for a while, so that the answer arrives.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// So many bytes are read for the sake of the next request.
const LITTLE: u64 = 256 << 10;

/// So long they may take.
const SHORT: Duration = Duration::from_millis(500);

/// A request's body, of which the rest can be had back.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Mutex<Incoming>>);

impl Shared {
    pub(super) fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is left when that is little; false when there is more.
    pub(super) async fn finish(mut self) -> bool {
        let mut read = 0;
        let rest = async {
            loop {
                // What is announced need not be waited for to be too much.
                if self.is_end_stream() {
                    return true;
                }
                if self.size_hint().lower() > LITTLE || read > LITTLE {
                    return false;
                }
                let frame = poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await;
                match frame {
                    None => return true,
                    Some(Err(_)) => return false,
                    Some(Ok(frame)) => {
                        read += frame.data_ref().map_or(0, |data| data.len() as u64);
                    }
                }
            }
        };
        timeout(SHORT, rest).await.unwrap_or(false)
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *self.lock()).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().size_hint()
    }
}

/// Ends a connection whose last answer is written: says so, and hears a client out that has not
/// noticed, for so long.
pub async fn linger<S>(mut connection: S, time: Duration)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut unread = vec![0; 64 << 10];
    let hear_out = async {
        connection.shutdown().await?;
        while connection.read(&mut unread).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Whoever takes longer, or is gone, does not want to know.
    let _ = timeout(time, hear_out).await;
}
