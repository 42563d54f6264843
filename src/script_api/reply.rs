//! Answers: EDN unless the client asks for JSON, and how errors look.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::edn::{self, Value};
use crate::wire;

/// How a client wants values to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Format {
    /// Also for `*/*` and no wish at all: the script library parses EDN, whatever it asks for.
    #[default]
    Edn,
    Json,
}

impl Format {
    /// Reads `Accept`: the known type with the highest `q`, the first of equals.
    pub(super) fn wished(headers: &HeaderMap) -> Self {
        let mut best = (0.0, Self::Edn);
        for value in headers.get_all(header::ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                let mut parts = range.split(';').map(str::trim);
                let format = match parts.next().map(str::to_ascii_lowercase).as_deref() {
                    Some("application/edn") => Self::Edn,
                    Some("application/json") => Self::Json,
                    _ => continue,
                };
                let q = parts
                    .find_map(|part| part.strip_prefix("q="))
                    .map_or(1.0, |q| q.parse().unwrap_or(0.0));
                if q > best.0 {
                    best = (q, format);
                }
            }
        }
        best.1
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Edn => "application/edn",
            Self::Json => "application/json",
        })
    }

    fn write(self, value: &Value) -> String {
        match self {
            Self::Edn => edn::write(value),
            Self::Json => wire::to_json(value).to_string(),
        }
    }

    /// An answer with a value.
    pub(super) fn reply(self, status: StatusCode, value: &Value) -> Response {
        let body = self.write(value);
        (status, [(header::CONTENT_TYPE, self.content_type())], body).into_response()
    }

    /// An answer that all is well.
    pub(super) fn ok(self, value: &Value) -> Response {
        self.reply(StatusCode::OK, value)
    }

    /// An answer that it cannot be done, with the reason: `{:message "…"}`.
    pub(super) fn error(self, status: StatusCode, message: impl Into<String>) -> Response {
        self.reply(
            status,
            &Value::map([("message", Value::Str(message.into()))]),
        )
    }
}

impl<S: Sync> FromRequestParts<S> for Format {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::wished(&parts.headers))
    }
}

/// A plain answer.
pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Response {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    (status, [(header::CONTENT_TYPE, plain)], text.into()).into_response()
}

/// An archive on its way out.
pub(super) fn octets(body: Body) -> Response {
    let octets = HeaderValue::from_static("application/octet-stream");
    ([(header::CONTENT_TYPE, octets)], body).into_response()
}

/// The answer for what is not in the table.
pub(super) async fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "not found\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wished(accept: &[&str]) -> Format {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, value.parse().unwrap());
        }
        Format::wished(&headers)
    }

    #[test]
    fn edn_unless_json_is_asked_for_by_name() {
        for accept in [
            &[][..],
            &["*/*"],
            &["text/html, */*"],
            &["application/edn"],
            &[""],
        ] {
            assert_eq!(wished(accept), Format::Edn, "{accept:?}");
        }
        for accept in [
            &["application/json"][..],
            &["text/html, application/json;q=0.5"],
            &["application/edn;q=0.1, Application/JSON"],
            &["text/plain", "application/json"],
        ] {
            assert_eq!(wished(accept), Format::Json, "{accept:?}");
        }
        assert_eq!(wished(&["application/json;q=0"]), Format::Edn);
    }
}
