//! Request bodies: limits, and what they are made of.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use tokio_util::io::StreamReader;

use crate::edn::{self, Value};
use crate::ports::BlobReader;
use crate::wire;

use super::reply::Format;
use super::{Settings, beside};

/// The first bytes of every gzip file.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why a body is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the body stood still for too long")]
    TooSlow,
    /// The client went away; nobody will read the answer.
    #[error("the body is cut off")]
    CutOff,
    #[error("the body is not readable as {format}: {reason}")]
    Unreadable {
        format: &'static str,
        reason: String,
    },
}

impl BodyError {
    pub(super) fn reply(&self, format: Format) -> Response {
        let status = match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::CutOff | Self::Unreadable { .. } => StatusCode::BAD_REQUEST,
        };
        format.error(status, self.to_string())
    }
}

/// What kind of body a request announces. Nothing, or nothing known, means EDN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Edn,
    Json,
    Octets,
}

impl Kind {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let announced = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(|value| value.trim().to_ascii_lowercase());
        match announced.as_deref() {
            Some("application/json") => Self::Json,
            Some("application/octet-stream" | "application/gzip" | "application/x-gzip") => {
                Self::Octets
            }
            _ => Self::Edn,
        }
    }
}

/// The chunks of a body, none of them longer in coming than `idle`.
type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

fn chunks(body: Body, idle: Duration) -> Chunks {
    let body = body.into_data_stream();
    let chunks = stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        match tokio::time::timeout(idle, body.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(body))),
            Ok(Some(Err(_))) => Some((Err(BodyError::CutOff), None)),
            Err(_) => Some((Err(BodyError::TooSlow), None)),
        }
    });
    // Read on by those who look whether there is more.
    Box::pin(chunks.fuse())
}

/// Refuses a body that announces more than the limit before anything of it is read. One that
/// announces nothing is measured as it comes.
fn announced_within(announced: u64, limit: u64) -> Result<(), BodyError> {
    if announced > limit {
        return Err(BodyError::TooLarge(limit));
    }
    Ok(())
}

/// How many bytes come at least: those of `content-length`, if there is one.
fn announced(request: &Request) -> u64 {
    request.body().size_hint().lower()
}

/// Reads a whole body.
pub(super) async fn whole(request: Request, settings: &Settings) -> Result<Bytes, BodyError> {
    announced_within(announced(&request), settings.body_limit as u64)?;
    gather(
        chunks(request.into_body(), settings.body_idle),
        settings.body_limit,
    )
    .await
}

async fn gather(mut chunks: Chunks, limit: usize) -> Result<Bytes, BodyError> {
    let mut gathered = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if gathered.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge(limit as u64));
        }
        gathered.extend_from_slice(&chunk);
    }
    Ok(gathered.freeze())
}

/// What a client sends to save something.
pub(super) enum Upload {
    /// Flavour A: a value that names a path.
    Value(Value),
    /// Flavour B: an archive.
    Archive(ArchiveBody),
    /// Nothing at all.
    Empty,
}

/// Finds out what a client sends: gzip by its first bytes or its announced type, else a value.
pub(super) async fn upload(request: Request, settings: &Settings) -> Result<Upload, BodyError> {
    let kind = Kind::of(request.headers());
    let announced = announced(&request);
    if kind == Kind::Octets {
        announced_within(announced, settings.blob_quota)?;
    }
    let mut chunks = chunks(request.into_body(), settings.body_idle);
    let mut start = BytesMut::new();
    while start.len() < GZIP_MAGIC.len() {
        match chunks.next().await {
            Some(chunk) => start.extend_from_slice(&chunk?),
            None => break,
        }
    }
    if start.is_empty() {
        return Ok(Upload::Empty);
    }
    let is_archive = kind == Kind::Octets || start.starts_with(&GZIP_MAGIC);
    let all = stream::once(async move { Ok(start.freeze()) }).chain(chunks);
    if is_archive {
        announced_within(announced, settings.blob_quota)?;
        return Ok(Upload::Archive(ArchiveBody::new(all, settings.blob_quota)));
    }
    announced_within(announced, settings.body_limit as u64)?;
    let body = gather(Box::pin(all), settings.body_limit).await?;
    value(kind, body).await.map(Upload::Value)
}

/// A body that is a file, whatever it is.
pub(super) fn octets(request: Request, settings: &Settings) -> Result<ArchiveBody, BodyError> {
    announced_within(announced(&request), settings.blob_quota)?;
    Ok(ArchiveBody::new(
        chunks(request.into_body(), settings.body_idle),
        settings.blob_quota,
    ))
}

/// A parse of more bytes than this would keep other clients of the same thread waiting.
const LONG_PARSE: usize = 64 << 10;

/// Runs a parser, beside the event loop when the input is long.
pub(super) async fn parse<T: Send + 'static>(
    body: Bytes,
    parser: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> T {
    if body.len() <= LONG_PARSE {
        return parser(&body);
    }
    beside(move || parser(&body)).await
}

/// Reads a body as one value.
pub(super) async fn value(kind: Kind, body: Bytes) -> Result<Value, BodyError> {
    parse(body, move |body| match kind {
        Kind::Json => from_json_body(body),
        Kind::Edn | Kind::Octets => edn_value(body),
    })
    .await
}

fn edn_value(body: &[u8]) -> Result<Value, BodyError> {
    let unreadable = |reason: String| BodyError::Unreadable {
        format: "EDN",
        reason,
    };
    let text = std::str::from_utf8(body).map_err(|error| unreadable(error.to_string()))?;
    edn::read_lenient(text).map_err(|error| unreadable(error.to_string()))
}

/// Reads a JSON body as flavour B does: keys become kebab-case keywords (script-api.md §5).
pub(super) fn from_json_body(body: &[u8]) -> Result<Value, BodyError> {
    serde_json::from_slice(body)
        .map(|json| wire::from_json(json, &|key| json_key(&key)))
        .map_err(|error| BodyError::Unreadable {
            format: "JSON",
            reason: error.to_string(),
        })
}

/// `jobId` and `job_id` are `:job-id`. What cannot be a keyword stays text.
fn json_key(key: &str) -> Value {
    let plain = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/' | b'?'))
        && !key.ends_with('/')
        && key.bytes().filter(|b| *b == b'/').count() <= 1;
    if !plain {
        return Value::Str(key.to_owned());
    }
    let mut name = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        match c {
            '_' => name.push('-'),
            'A'..='Z' => {
                if !name.is_empty() && !name.ends_with(['-', '/', '.']) {
                    name.push('-');
                }
                name.push(c.to_ascii_lowercase());
            }
            c => name.push(c),
        }
    }
    Value::kw(&name)
}

/// Why an upload did not come to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct UploadFault(Arc<Mutex<Option<BodyError>>>);

impl UploadFault {
    pub(super) fn take(&self) -> Option<BodyError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// An archive as it comes in: a reader that fails beyond the quota, when the client goes
/// away and when it stands still, so that a store never keeps half of one.
pub(super) struct ArchiveBody {
    chunks: Chunks,
    fault: UploadFault,
}

impl ArchiveBody {
    fn new(
        chunks: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
        quota: u64,
    ) -> Self {
        let mut left = quota;
        let counted = chunks.map(move |chunk| {
            let chunk = chunk?;
            left = left
                .checked_sub(chunk.len() as u64)
                .ok_or(BodyError::TooLarge(quota))?;
            Ok(chunk)
        });
        Self {
            chunks: Box::pin(counted),
            fault: UploadFault::default(),
        }
    }

    /// The reader for a store, and where the reason is found if it fails.
    pub(super) fn into_reader(self) -> (BlobReader, UploadFault) {
        let (fault, found) = (self.fault.clone(), self.fault);
        let bytes = self.chunks.map(move |chunk| {
            chunk.map_err(|error| {
                let short = io::Error::other(error.to_string());
                *found.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                short
            })
        });
        (Box::pin(StreamReader::new(bytes)), fault)
    }
}

impl std::fmt::Debug for ArchiveBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ArchiveBody")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keys_become_kebab_case_keywords() {
        for (key, name) in [
            ("jobId", "job-id"),
            ("job_id", "job-id"),
            ("scriptDir", "script-dir"),
            ("monkey.ci/tests", "monkey.ci/tests"),
            ("done?", "done?"),
            ("Type", "type"),
        ] {
            assert_eq!(json_key(key), Value::kw(name));
        }
        for key in ["", "1", "a b", "ключ", "a/", "a/b/c", ":a"] {
            assert_eq!(json_key(key), Value::Str(key.to_owned()));
        }
    }
}
