//! The small routes: parameters, the build itself, its workspace and its controls.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use tokio_util::io::ReaderStream;

use crate::domain::{JobId, Phase};
use crate::edn::{self, Value};
use crate::ports::{BlobKey, Control};

use super::Api;
use super::body;
use super::reply::{self, Format};

/// `GET /test`.
pub(super) async fn test(format: Format) -> Response {
    format.ok(&Value::map([("result", "ok".into())]))
}

/// `GET /params`: a list of `{:name "…" :value "…"}`, as it is given to scripts: not masked.
pub(super) async fn params(State(api): State<Api>, format: Format) -> Response {
    match api.engine().params().params().await {
        Ok(params) => {
            let params = params.iter().map(|param| {
                Value::map([
                    ("name", param.name.as_str().into()),
                    ("value", param.value.expose_secret().into()),
                ])
            });
            format.ok(&Value::List(params.collect()))
        }
        Err(reason) => {
            api.warn_once(None, format!("the parameters could not be had: {reason}"));
            format.error(StatusCode::INTERNAL_SERVER_ERROR, reason)
        }
    }
}

/// `GET /build`: what a script may know of its build.
pub(super) async fn build(State(api): State<Api>, format: Format) -> Response {
    format.ok(api.engine().build_info())
}

/// `POST /decrypt-key`. A build that runs here has no data key, so that nothing is
/// encrypted and a key is its own clear text. Library `script` sends no content type and
/// gets an EDN string; flavour B announces one and expects the bare text.
pub(super) async fn decrypt_key(
    State(api): State<Api>,
    format: Format,
    request: Request,
) -> Response {
    let typed = request.headers().contains_key(header::CONTENT_TYPE);
    let body = match body::whole(request, api.settings()).await {
        Ok(body) => body,
        Err(error) => return error.reply(format),
    };
    let Ok(text) = std::str::from_utf8(&body) else {
        return format.error(StatusCode::BAD_REQUEST, "a key is text");
    };
    match edn::read_lenient(text) {
        Ok(key @ Value::Str(_)) if !typed => format.ok(&key),
        Ok(Value::Str(key)) => reply::text(StatusCode::OK, key),
        _ => reply::text(StatusCode::OK, text),
    }
}

/// `GET /workspace`: the archive of what was checked out, or 204.
pub(super) async fn workspace(State(api): State<Api>, format: Format) -> Response {
    let key = BlobKey::workspace(api.engine().sid());
    match api.engine().blobs().get(&key).await {
        Ok(Some(reader)) => reply::octets(Body::from_stream(ReaderStream::new(reader))),
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => format.error(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// `POST /cancel`.
pub(super) async fn cancel(State(api): State<Api>, format: Format) -> Response {
    control(&api, format, Control::Cancel).await
}

/// `POST /unblock`: approves all that is blocked, now and later.
pub(super) async fn unblock_all(State(api): State<Api>, format: Format) -> Response {
    control(&api, format, Control::UnblockAll).await
}

/// `POST /unblock/{job}`: approves one job, also ahead of its being blocked; 409 for one that
/// may run or has run, to which it would mean nothing.
pub(super) async fn unblock(
    State(api): State<Api>,
    format: Format,
    Path(job): Path<String>,
) -> Response {
    let job = JobId::from(job.as_str());
    let build = match api.engine().build().await {
        Ok(build) => build,
        Err(gone) => return format.error(StatusCode::GONE, gone.to_string()),
    };
    match build.job(&job) {
        // Before the script has named its jobs, any name may turn out to be right.
        None if build.jobs().is_empty() => {}
        None => {
            return format.error(StatusCode::NOT_FOUND, format!("the build has no job {job}"));
        }
        Some(state) if state.phase > Phase::Blocked => {
            return format.error(StatusCode::CONFLICT, format!("job {job} is not blocked"));
        }
        Some(_) => {}
    }
    control(&api, format, Control::Unblock(job)).await
}

async fn control(api: &Api, format: Format, control: Control) -> Response {
    match api.engine().control(control).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(reason) => format.error(StatusCode::GONE, reason),
    }
}
