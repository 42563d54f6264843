//! HTTP for the event stream: eventsource-client brings none of its own, and has no bound on what
//! it holds of one line.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use launchdarkly_sdk_transport::{ByteStream, HttpTransport, ResponseFuture, TransportError};
use sync_wrapper::{SyncFuture, SyncStream};

/// Longest event that is taken, in bytes: it holds a whole build with all its jobs.
const LONGEST_EVENT: usize = 16 << 20;

/// Hands the requests of an event stream to reqwest.
#[derive(Debug, Clone)]
pub(super) struct Transport(pub(super) reqwest::Client);

#[derive(Debug, thiserror::Error)]
#[error("an event has more than {} MB", LONGEST_EVENT >> 20)]
struct TooLong;

impl HttpTransport for Transport {
    fn request(&self, request: http::Request<Option<Bytes>>) -> ResponseFuture {
        let (parts, body) = request.into_parts();
        let mut builder = self
            .0
            .request(parts.method, parts.uri.to_string())
            .headers(parts.headers);
        if let Some(body) = body {
            builder = builder.body(body);
        }
        // The trait asks for `Sync`, which nothing async is; it is never shared.
        Box::pin(SyncFuture::new(async move {
            let response = builder.send().await.map_err(TransportError::new)?;
            let mut answer = http::Response::builder().status(response.status());
            if let Some(headers) = answer.headers_mut() {
                *headers = response.headers().clone();
            }
            let mut line = Line::default();
            let bytes = response
                .bytes_stream()
                .map_err(TransportError::new)
                .map(move |chunk| chunk.and_then(|chunk| line.take(chunk)));
            let body: ByteStream = Box::pin(SyncStream::new(bytes));
            answer.body(body).map_err(TransportError::new)
        }))
    }
}

/// How much of an event has come: what ends with an empty line.
#[derive(Debug, Default)]
struct Line {
    length: usize,
    /// The last byte that came ended a line.
    at_start: bool,
}

impl Line {
    fn take(&mut self, chunk: Bytes) -> Result<Bytes, TransportError> {
        for byte in &chunk {
            match byte {
                b'\r' => {}
                b'\n' if self.at_start => self.length = 0,
                b'\n' => self.at_start = true,
                _ => {
                    self.at_start = false;
                    self.length += 1;
                }
            }
            if self.length > LONGEST_EVENT {
                return Err(TransportError::new(TooLong));
            }
        }
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_without_an_end_is_not_collected_for_ever() {
        let mut line = Line::default();
        let megabyte = Bytes::from(vec![b'x'; 1 << 20]);
        for _ in 0..16 {
            line.take(megabyte.clone()).unwrap();
        }
        assert!(line.take(Bytes::from_static(b"x")).is_err());

        let mut lines = Line::default();
        for _ in 0..100 {
            lines.take(megabyte.clone()).unwrap();
            lines.take(Bytes::from_static(b"\r\n\r\n")).unwrap();
        }
    }
}
