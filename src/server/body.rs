//! Request bodies: how large and how slow they may be, and what they hold.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::edn::{self, Map, Value};
use crate::wire;

use super::reply::Format;

/// Largest body of a command, in bytes.
pub(super) const COMMAND: usize = 1 << 20;

/// Of what is too large, so much is read and thrown away, in bytes.
const DISCARDED: usize = 8 << 20;

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
    let is_announced = body.size_hint().lower() > limit as u64;
    let mut chunks = body.into_data_stream();
    let gather = async {
        if is_announced {
            discard(&mut chunks).await;
            return Err(too_large());
        }
        let mut gathered = BytesMut::new();
        while let Some(chunk) = chunks.next().await {
            let Ok(chunk) = chunk else {
                return Err(format.error(StatusCode::BAD_REQUEST, "the body is cut off"));
            };
            if gathered.len() + chunk.len() > limit {
                discard(&mut chunks).await;
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

/// Reads on, up to some bytes: who still sends when a connection is closed may not hear the answer.
async fn discard(chunks: &mut BodyDataStream) {
    let mut left = DISCARDED;
    while let Some(Ok(chunk)) = chunks.next().await {
        left = left.saturating_sub(chunk.len());
        if left == 0 {
            return;
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
