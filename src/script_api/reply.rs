//! Answers: EDN unless the client asks for JSON, and how errors look.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::edn::{self, Value};
use crate::wire;

use super::operation::Shape;
use super::shapes::Problem;

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
        Self::wished_or(headers, Self::Edn)
    }

    /// The same, with another answer for clients that name neither type.
    pub(super) fn wished_or(headers: &HeaderMap, otherwise: Self) -> Self {
        let values = headers.get_all(header::ACCEPT).into_iter();
        let values = values.map(|value| value.to_str().unwrap_or_default());
        wire::wished(values, otherwise, |name| match name {
            "application/edn" => Some(Self::Edn),
            "application/json" => Some(Self::Json),
            _ => None,
        })
    }

    /// The media type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Edn => "application/edn",
            Self::Json => "application/json",
        }
    }

    /// A value as text.
    pub(super) fn write(self, value: &Value) -> String {
        match self {
            Self::Edn => edn::write(value),
            Self::Json => wire::to_json(value).to_string(),
        }
    }

    /// An answer with a value that has a shape: the one the operation of the route names.
    pub(super) fn reply<T: Shape>(self, status: StatusCode, answer: &T) -> Response {
        match edn::to_value(answer) {
            Ok(value) => self.send(status, &value),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }

    /// An answer that all is well.
    pub(super) fn ok<T: Shape>(self, answer: &T) -> Response {
        self.reply(StatusCode::OK, answer)
    }

    /// An answer with a value that somebody else has made.
    pub(super) fn value(self, value: &Value) -> Response {
        self.send(StatusCode::OK, value)
    }

    /// An answer that it cannot be done, with the reason: `{:message "…"}`.
    pub(super) fn error(self, status: StatusCode, message: impl Into<String>) -> Response {
        self.reply(status, &Problem::new(message))
    }

    fn send(self, status: StatusCode, value: &Value) -> Response {
        let kind = HeaderValue::from_static(self.media_type());
        // A line, so that what comes next in a terminal or a log does not stand beside it.
        let line = format!("{}\n", self.write(value));
        (status, [(header::CONTENT_TYPE, kind)], line).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for Format {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::wished(&parts.headers))
    }
}

/// The media type of plain answers.
pub(super) const TEXT: &str = "text/plain";
/// The media type of archives.
pub(super) const OCTETS: &str = "application/octet-stream";

/// A plain answer.
pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Response {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    (status, [(header::CONTENT_TYPE, plain)], text.into()).into_response()
}

/// An archive on its way out.
pub(super) fn octets(body: Body) -> Response {
    let octets = HeaderValue::from_static(OCTETS);
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
