//! `/result`: what a build has to show, by name: test reports, coverage, any value or file; also that
//! of the build before and of the last one that succeeded.
//!
//! A result is a blob: a line about it ([`ResultHead`]), then its bytes. A value is kept as it came,
//! as EDN or JSON, and given out as the reader wishes; a file is given out as it is.

use std::io;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio_util::io::ReaderStream;

use crate::domain::{self, Sid, TuiEvent};
use crate::edn;
use crate::ports::{BlobError, BlobKey, BlobReader, Past, chain};
use crate::wire::{LONGEST_HEAD, ResultHead, SHOWN};

use super::Api;
use super::asker::Asker;
use super::body::{self, Kind};
use super::extract::{InPath, InQuery};
use super::openapi;
use super::operation::Operation;
use super::reply::{Format, OCTETS};
use super::shapes::{Anything, StoredResult, StoredResults};

/// Longest media type that is kept; a longer one says nothing.
const LONGEST_MEDIA_TYPE: usize = 200;

/// Longest name of a result, in bytes.
const LONGEST_NAME: usize = 1024;

/// Whose results are meant.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Of {
    #[default]
    This,
    Previous,
    LastSuccess,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    of: Of,
}

/// The words for `of`, as they are typed.
const WHOSE: [&str; 3] = ["this", "previous", "last-success"];

impl Which {
    fn past(&self) -> Option<Past> {
        match self.of {
            Of::This => None,
            Of::Previous => Some(Past::Previous),
            Of::LastSuccess => Some(Past::LastSuccess),
        }
    }
}

/// `PUT /result/{name}`.
pub(super) async fn put(
    State(api): State<Api>,
    asker: Asker,
    format: Format,
    InPath(name): InPath<String>,
    request: Request,
) -> Response {
    if name.len() > LONGEST_NAME {
        let message = format!("a result's name has at most {LONGEST_NAME} bytes");
        return format.error(StatusCode::BAD_REQUEST, message);
    }
    let media_type = media_type(&request);
    let (content, fault) = match Kind::of(request.headers()) {
        kind if is_value(&media_type) => match value_text(kind, request, &api).await {
            Ok(text) => (Box::pin(std::io::Cursor::new(text)) as BlobReader, None),
            Err(error) => return error.reply(format),
        },
        _ => match body::octets(request, api.settings()) {
            Ok(body) => {
                let (reader, fault) = body.into_reader();
                (reader, Some(fault))
            }
            Err(error) => return error.reply(format),
        },
    };
    let key = BlobKey::result(api.engine().sid(), &name);
    let stored = match with_head(&api, &media_type, content).await {
        Ok((head_size, whole)) => {
            let stored = api.engine().blobs().put(&key, whole).await;
            stored.map(|size| size.saturating_sub(head_size))
        }
        Err(source) => Err(BlobError::Store {
            action: "write",
            key,
            source,
        }),
    };
    match stored {
        Ok(size) => {
            let fact = TuiEvent::ResultSaved {
                name: name.clone(),
                media_type: media_type.clone(),
                size,
            };
            api.engine().note(asker.job.as_ref(), fact, None);
            format.ok(&StoredResult {
                name,
                media_type,
                size,
                job_id: asker.job.map(|job| job.as_str().to_owned()),
            })
        }
        Err(error) => match fault.and_then(|fault| fault.take()) {
            Some(fault) => fault.reply(format),
            None if matches!(error, BlobError::TooLarge { .. }) => {
                format.error(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
            }
            None => failed(&api, format, &chain(&error)),
        },
    }
}

pub(super) fn put_operation() -> Operation {
    Operation::new("put-result", "Stores a named result")
        .describe(
            "A value (EDN, or JSON if `Content-Type` says so) or a file (any other content type). \
             An earlier one of the name is replaced. It outlives the build.",
        )
        .path("name", "The result's name.", "coverage")
        .asker()
        .takes("Any value,", &Anything(serde_json::json!({"lines": 93.5})))
        .takes_file("or the bytes of a file.")
        .answers(
            200,
            "It is stored.",
            &StoredResult {
                name: "coverage".to_owned(),
                media_type: Format::Edn.media_type().to_owned(),
                size: 14,
                job_id: Some("unit-tests".to_owned()),
            },
        )
        .error(500, "The store has failed.")
}

/// `GET /result/{name}`.
pub(super) async fn get(
    State(api): State<Api>,
    asker: Asker,
    format: Format,
    InPath(name): InPath<String>,
    InQuery(which): InQuery<Which>,
) -> Response {
    let sid = match sid_of(&api, &which).await {
        Ok(Some(sid)) => sid,
        Ok(None) => return StatusCode::NO_CONTENT.into_response(),
        Err(reason) => return failed(&api, format, &reason),
    };
    let reader = match api
        .engine()
        .blobs()
        .get(&BlobKey::result(&sid, &name))
        .await
    {
        Ok(Some(reader)) => reader,
        Ok(None) => return StatusCode::NO_CONTENT.into_response(),
        Err(error) => return failed(&api, format, &chain(&error)),
    };
    if which.past().is_some() {
        let shown: String = format!("{name} of {}", sid.build)
            .chars()
            .take(200)
            .collect();
        api.note_read(&asker, "result", Some(&shown));
    }
    match answer(format, reader).await {
        Ok(response) => response,
        Err(reason) => failed(&api, format, &reason),
    }
}

pub(super) fn get_operation() -> Operation {
    Operation::new("get-result", "A named result")
        .describe(
            "A value is written as EDN or, if `Accept` names it, as JSON. A file comes with the \
             content type that it was stored with.",
        )
        .path("name", "The result's name.", "coverage")
        .choice("of", &WHOSE, "Whose result: this build's, that of the build before, or that of the last one that succeeded.")
        .asker()
        .answers(200, "The value,", &Anything(serde_json::json!({"lines": 93.5})))
        .file(200, "or the file, with its own content type.")
        .empty(204, "There is none of that name.")
        .error(400, "The query cannot be read.")
        .error(500, "The store has failed.")
}

/// `GET /result`.
pub(super) async fn list(
    State(api): State<Api>,
    format: Format,
    InQuery(which): InQuery<Which>,
) -> Response {
    let results = match which.past() {
        None => match api.engine().build().await {
            Ok(build) => build.results.clone(),
            Err(_) => Vec::new(),
        },
        Some(past) => match api.engine().surroundings().past.find(past).await {
            Ok(found) => found.map(|build| build.results).unwrap_or_default(),
            Err(reason) => return failed(&api, format, &reason),
        },
    };
    let shape = |result: domain::StoredResult| StoredResult {
        name: result.name,
        media_type: result.media_type,
        size: result.size,
        job_id: result.job_id.map(|job| job.as_str().to_owned()),
    };
    format.ok(&StoredResults(results.into_iter().map(shape).collect()))
}

pub(super) fn list_operation() -> Operation {
    let one = StoredResult {
        name: "coverage".to_owned(),
        media_type: Format::Edn.media_type().to_owned(),
        size: 14,
        job_id: None,
    };
    Operation::new("list-results", "What named results there are")
        .choice("of", &WHOSE, "Whose results.")
        .answers(200, "The results.", &StoredResults(vec![one]))
        .error(400, "The query cannot be read.")
        .error(500, "The builds before this one cannot be read.")
}

/// The build that is meant; `None` when there is no such one.
async fn sid_of(api: &Api, which: &Which) -> Result<Option<Sid>, String> {
    match which.past() {
        None => Ok(Some(api.engine().sid().clone())),
        Some(past) => {
            let found = api.engine().surroundings().past.find(past).await?;
            Ok(found.map(|build| build.sid))
        }
    }
}

fn failed(api: &Api, format: Format, reason: &str) -> Response {
    api.warn_once(None, format!("results cannot be had: {reason}"));
    format.error(StatusCode::INTERNAL_SERVER_ERROR, reason)
}

/// What a client says that it sends, without parameters; EDN when it says nothing.
fn media_type(request: &Request) -> String {
    let announced = request
        .headers()
        .get(header::CONTENT_TYPE)
        .map(HeaderValue::to_str);
    match announced {
        None => Format::Edn.media_type().to_owned(),
        Some(Ok(text)) => {
            let plain = text.split(';').next().unwrap_or_default().trim();
            let usable = plain.contains('/') && plain.len() <= LONGEST_MEDIA_TYPE;
            let plain = if usable { plain } else { OCTETS };
            plain.to_ascii_lowercase()
        }
        Some(Err(_)) => OCTETS.to_owned(),
    }
}

fn is_value(media_type: &str) -> bool {
    [Format::Edn, Format::Json]
        .iter()
        .any(|format| format.media_type() == media_type)
}

/// A result as it is kept, and the size of what stands before it. Its beginning is searched for
/// secrets: that is what people will look at.
async fn with_head(
    api: &Api,
    media_type: &str,
    mut content: BlobReader,
) -> io::Result<(u64, BlobReader)> {
    let mut first = Vec::new();
    let limit = SHOWN as u64;
    (&mut content).take(limit).read_to_end(&mut first).await?;
    let head = ResultHead::new(media_type, api.engine().masks().places(&first)).line();
    let size = head.len() as u64;
    let begun = std::io::Cursor::new(head).chain(std::io::Cursor::new(first));
    Ok((size, Box::pin(begun.chain(content))))
}

/// A value as it is kept: strict EDN, or JSON as it came.
async fn value_text(kind: Kind, request: Request, api: &Api) -> Result<String, body::BodyError> {
    let bytes = body::whole(request, api.settings()).await?;
    if kind == Kind::Json {
        return body::parse(bytes, |bytes| {
            serde_json::from_slice::<serde_json::Value>(bytes)
                .map(|json| json.to_string())
                .map_err(|error| body::BodyError::Unreadable {
                    format: "JSON",
                    reason: error.to_string(),
                })
        })
        .await;
    }
    Ok(edn::write(&body::value(kind, bytes).await?))
}

async fn answer(format: Format, reader: BlobReader) -> Result<Response, String> {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    (&mut reader)
        .take(LONGEST_HEAD)
        .read_until(b'\n', &mut line)
        .await
        .map_err(|error| error.to_string())?;
    let media_type = ResultHead::read(&line).media_type;
    if !is_value(&media_type) {
        let kind =
            HeaderValue::from_str(&media_type).unwrap_or_else(|_| HeaderValue::from_static(OCTETS));
        let body = Body::from_stream(ReaderStream::new(reader));
        // Nobody shall take a script's file for a page of ours.
        let headers = [
            (header::CONTENT_TYPE, kind),
            (
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            ),
        ];
        return Ok((headers, body).into_response());
    }
    let mut text = String::new();
    reader
        .read_to_string(&mut text)
        .await
        .map_err(|error| error.to_string())?;
    let value = if media_type == Format::Json.media_type() {
        if format == Format::Json {
            let kind = [(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )];
            return Ok((kind, text).into_response());
        }
        let json = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        openapi::verbatim(json)
    } else {
        edn::read_lenient(&text).map_err(|error| error.to_string())?
    };
    Ok(format.value(&value))
}
