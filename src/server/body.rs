//! Request bodies: how large and how slow they may be, and what they hold.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::edn::{self, Map, Value};
use crate::wire;

use super::reply::Format;

/// Largest body of a command, in bytes.
pub(super) const COMMAND: usize = 1 << 20;

/// A body that is sent on and on has to bring so many bytes within its time, again and again.
pub(super) const LEAST: u64 = 64 << 10;

/// The answer to a body that is packed, or in codings that would have to be undone. Whoever stands in
/// between may take another end of it for the right one, so the connection ends with it.
pub(super) fn refuse_codings(headers: &HeaderMap) -> Option<Response> {
    let mut packed = headers.get_all(header::CONTENT_ENCODING).iter();
    if packed.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let accepted = [(header::ACCEPT_ENCODING, "identity")];
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Some((status, accepted, "send the body as it is, not packed").into_response());
    }
    // What else does not end with chunks, hyper refuses.
    let codings: Vec<_> = headers.get_all(header::TRANSFER_ENCODING).iter().collect();
    let is_plain = match codings[..] {
        [] => true,
        [coding] => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    };
    (!is_plain).then(|| {
        let close = [(header::CONNECTION, "close")];
        let why = "of codings of a transfer only chunked is understood";
        (StatusCode::NOT_IMPLEMENTED, close, why).into_response()
    })
}

/// Reads a whole body; else there is the answer.
pub(super) async fn whole(
    request: Request<Body>,
    limit: usize,
    time: Duration,
    format: Format,
) -> Result<Bytes, Response> {
    let too_large = || {
        let why = format!("the body is larger than {limit} bytes");
        format.error(StatusCode::PAYLOAD_TOO_LARGE, &why)
    };
    let body = request.into_body();
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let gather = async {
        let mut chunks = body.into_data_stream();
        let mut gathered = BytesMut::new();
        while let Some(chunk) = chunks.next().await {
            let Ok(chunk) = chunk else {
                return Err(format.error(StatusCode::BAD_REQUEST, "the body is cut off"));
            };
            if gathered.len() + chunk.len() > limit {
                return Err(too_large());
            }
            gathered.extend_from_slice(&chunk);
        }
        Ok(gathered.freeze())
    };
    let gathered = tokio::time::timeout(time, gather).await;
    match gathered {
        Ok(gathered) => gathered,
        Err(_) => {
            let why = "the body took too long to come";
            Err(format.error(StatusCode::REQUEST_TIMEOUT, why))
        }
    }
}

/// The kind of a body, as it is announced.
fn media_type(headers: &HeaderMap) -> String {
    let announced = headers.get(header::CONTENT_TYPE);
    let announced = announced.and_then(|value| value.to_str().ok());
    let kind = announced.and_then(|value| value.split(';').next());
    kind.unwrap_or_default().trim().to_ascii_lowercase()
}

/// True when the body is announced as JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers) == "application/json"
}

/// A body that is a map. Nothing where there is none: not announced as EDN or JSON, or not
/// readable as that. Names in JSON stay as they are: those of parameters are made of any letters.
pub(super) fn map(headers: &HeaderMap, body: &[u8]) -> Option<Map> {
    let value = match media_type(headers).as_str() {
        "application/edn" => edn::read_str(std::str::from_utf8(body).ok()?).ok()?,
        "application/json" => wire::from_json(serde_json::from_slice(body).ok()?, &Value::Str),
        _ => return None,
    };
    match value {
        Value::Map(map) => Some(map),
        _ => None,
    }
}
