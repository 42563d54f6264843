//! What a request names in its path and its query; where they cannot be read, the client is told
//! so as it is told everything else.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::DeserializeOwned;

use super::reply::Format;

/// The parts of the path that the table names.
#[derive(Debug)]
pub(super) struct InPath<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(found)) => Ok(Self(found)),
            Err(error) => Err(refuse(parts, error.body_text())),
        }
    }
}

/// The query's parameters.
#[derive(Debug)]
pub(super) struct InQuery<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for InQuery<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(found)) => Ok(Self(found)),
            Err(error) => Err(refuse(parts, error.body_text())),
        }
    }
}

fn refuse(parts: &Parts, message: String) -> Response {
    Format::wished(&parts.headers).error(StatusCode::BAD_REQUEST, message)
}
