//! HTTP for the event stream: eventsource-client brings none of its own.

use bytes::Bytes;
use futures_util::TryStreamExt;
use launchdarkly_sdk_transport::{ByteStream, HttpTransport, ResponseFuture, TransportError};
use sync_wrapper::{SyncFuture, SyncStream};

/// Hands the requests of an event stream to reqwest, which knows the socket.
#[derive(Debug, Clone)]
pub(super) struct Transport(pub(super) reqwest::Client);

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
            let body: ByteStream = Box::pin(SyncStream::new(
                response.bytes_stream().map_err(TransportError::new),
            ));
            answer.body(body).map_err(TransportError::new)
        }))
    }
}
