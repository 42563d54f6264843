//! Answers: JSON unless EDN is asked for, and how errors look (public-api.md §3, §4).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::edn::{self, Value};
use crate::wire;

/// How a client wants values to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Format {
    Edn,
    /// Also for `*/*`, no wish at all, and types that are not written here.
    #[default]
    Json,
}

impl Format {
    /// Reads `Accept`: the known type with the highest `q`, the first of equals.
    pub(super) fn wished(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT).into_iter();
        let values = values.map(|value| value.to_str().unwrap_or_default());
        wire::wished(values, Self::Json, |name| match name {
            "application/edn" => Some(Self::Edn),
            "application/json" => Some(Self::Json),
            _ => None,
        })
    }

    /// The media type.
    pub(super) fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Edn => "application/edn; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        })
    }

    /// A value as text.
    pub(super) fn write(self, value: &Value) -> String {
        match self {
            Self::Edn => edn::write(value),
            Self::Json => wire::public_json(value).to_string(),
        }
    }

    /// An answer with a value.
    pub(super) fn reply(self, status: StatusCode, value: &Value) -> Response {
        let kind = [(header::CONTENT_TYPE, self.media_type())];
        (status, kind, self.write(value)).into_response()
    }

    /// An answer that all is well.
    pub(super) fn ok(self, value: &Value) -> Response {
        self.reply(StatusCode::OK, value)
    }

    /// An answer that it cannot be: `{:error "…"}`.
    pub(super) fn error(self, status: StatusCode, why: &str) -> Response {
        self.reply(status, &Value::map([("error", why.into())]))
    }

    /// What this server has no answer to, though a MonkeyCI server has.
    pub(super) fn unserved(self) -> Response {
        self.error(
            StatusCode::NOT_IMPLEMENTED,
            "this small server does not serve that; it has builds, their jobs, logs, artifacts and \
             events, and webhooks of GitHub",
        )
    }

    /// A request that is not as it has to be, in the words of the server's coercion report; the
    /// schema is EDN. The value is not repeated: it may be a secret.
    pub(super) fn malformed(self, place: &str, errors: &str, schema: &str) -> Response {
        let schema = edn::read_str(schema).unwrap_or_else(|_| schema.into());
        let report = Value::map([
            ("schema", schema),
            ("errors", errors.into()),
            ("type", Value::kw("reitit.coercion/request-coercion")),
            ("coercion", Value::kw("schema")),
            ("value", Value::Nil),
            (
                "in",
                Value::Vector(vec![Value::kw("request"), Value::kw(place)]),
            ),
        ]);
        self.reply(StatusCode::BAD_REQUEST, &report)
    }

    /// What went wrong here, and is no fault of who asks.
    pub(super) fn broken(self, why: &str) -> Response {
        self.error(StatusCode::INTERNAL_SERVER_ERROR, why)
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

/// Not there, and nothing to say about it.
pub(super) fn absent() -> Response {
    StatusCode::NOT_FOUND.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_unless_edn_is_asked_for() {
        let wished = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            Format::wished(&headers)
        };
        for accept in ["", "*/*", "application/xml", "application/edn;q=0"] {
            assert_eq!(wished(accept), Format::Json, "{accept}");
        }
        assert_eq!(wished("application/edn"), Format::Edn);
        assert_eq!(
            wished("application/json;q=0.5, Application/EDN"),
            Format::Edn
        );
        assert_eq!(Format::wished(&HeaderMap::new()), Format::Json);
    }
}
