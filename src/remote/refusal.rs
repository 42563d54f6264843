//! What a refusal says: from status and body to a [`RemoteError`] (public-api.md §4).

use std::time::Duration;

use reqwest::StatusCode;

use crate::edn::{self, Value};

use super::error::{RemoteError, clean};

/// What is known of the request that was refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Method and path.
    pub what: &'a str,
    /// A credential was sent.
    pub with_credential: bool,
    /// It is known to have expired.
    pub expired: bool,
}

/// The error that a status other than success is.
pub(super) fn of(
    asked: Asked<'_>,
    status: StatusCode,
    body: &str,
    retry_after: Option<Duration>,
) -> RemoteError {
    let what = asked.what.to_owned();
    let message = said(body);
    match status.as_u16() {
        401 if asked.with_credential => RemoteError::LoginRefused {
            what,
            expired: asked.expired,
        },
        401 => RemoteError::LoginNeeded { what },
        403 => RemoteError::Forbidden { what, message },
        404 => RemoteError::NotFound { what, message },
        status @ (429 | 502 | 503 | 504) => RemoteError::Busy {
            what,
            status,
            message,
            retry_after,
        },
        status if status >= 500 => RemoteError::Failed {
            what,
            status,
            message,
        },
        status => RemoteError::Invalid {
            what,
            status,
            message,
        },
    }
}

/// What a body says, in EDN, JSON or plain text, as one line. Values that were sent are not in it:
/// a report on a bad request quotes them, and parameters are among them.
fn said(body: &str) -> String {
    let body = body.trim();
    if body.starts_with('<') {
        // A page of a gateway: its markup tells nobody anything.
        return String::new();
    }
    let value = if body.starts_with('{') {
        from_json(body).or_else(|| edn::read_lenient(body).ok())
    } else {
        None
    };
    let Some(value) = value else {
        return if body.starts_with(['{', '[', '(']) {
            String::new()
        } else {
            clean(body)
        };
    };
    for key in ["error", "message"] {
        if let Some(text) = value.get(key).and_then(Value::as_str) {
            return clean(text);
        }
    }
    if let Some(errors) = value.get("errors") {
        return clean(&errors_of(errors));
    }
    match value.get("class").and_then(Value::as_str) {
        Some(class) => clean(class),
        None => String::new(),
    }
}

/// Which keys of a request are wrong, and how where that is one word.
fn errors_of(errors: &Value) -> String {
    let Some(map) = errors.as_map() else {
        return "the body does not fit".to_owned();
    };
    let parts = map.iter().map(|(key, value)| {
        let key = match key {
            Value::Keyword(keyword) => keyword.as_str().to_owned(),
            Value::Str(text) => text.clone(),
            other => edn::write(other),
        };
        match value {
            Value::Symbol(word) => format!("{key}: {word}"),
            // JSON has the word as a string; what has more in it may quote a value.
            Value::Str(word) if word.chars().all(|c| c.is_ascii_lowercase() || c == '-') => {
                format!("{key}: {word}")
            }
            _ => format!("{key} does not fit"),
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// JSON with what matters here: texts under names.
fn from_json(body: &str) -> Option<Value> {
    fn value(json: serde_json::Value) -> Value {
        match json {
            serde_json::Value::Object(map) => Value::Map(
                map.into_iter()
                    .map(|(key, inner)| (Value::kw(&key), value(inner)))
                    .collect(),
            ),
            serde_json::Value::String(text) => Value::Str(text),
            _ => Value::Nil,
        }
    }
    serde_json::from_str(body).ok().map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_busy_is_quoted_where_it_says_why() {
        let asked = Asked {
            what: "POST /x",
            with_credential: true,
            expired: false,
        };
        let error = |body| {
            let wait = Some(Duration::from_mins(1));
            of(asked, StatusCode::SERVICE_UNAVAILABLE, body, wait).to_string()
        };
        assert_eq!(
            error(r#"{"error":"the server is about to stop"}"#),
            "the server does not take POST /x now (503): the server is about to stop; it asks to come back \
             in 60 s"
        );
        assert_eq!(
            error("<html>503</html>"),
            "the server is too busy for POST /x (503); it asks to come back in 60 s"
        );
    }

    #[test]
    fn every_form_of_a_refusal_is_understood() {
        for (body, text) in [
            (r#"{:error "Build not found"}"#, "Build not found"),
            (r#"{"error":"Unauthenticated"}"#, "Unauthenticated"),
            (
                r#"{:message "Query must be specified"}"#,
                "Query must be specified",
            ),
            ("Unauthenticated", "Unauthenticated"),
            ("Internal Server Error\n", "Internal Server Error"),
            ("", ""),
            ("<html><h1>502 Bad Gateway</h1></html>", ""),
            (
                "{:errors {:file missing-required-key} :type :reitit.coercion/request-coercion}",
                "file: missing-required-key",
            ),
            (
                r#"{"errors":{"file":"missing-required-key"},"type":"x"}"#,
                "file: missing-required-key",
            ),
            (r#"{"errors":"(not (map? nil))"}"#, "the body does not fit"),
            (
                r#"{:errors {:params {"KEY" (not (string? "hunter2"))}} :value {:params {"KEY" "hunter2"}}}"#,
                "params does not fit",
            ),
            (
                r#"{:type "exception" :class "java.lang.NullPointerException"}"#,
                "java.lang.NullPointerException",
            ),
            ("{:bad", ""),
            ("a\u{1b}[31mb\nc", "a[31mb c"),
        ] {
            assert_eq!(said(body), text, "{body}");
        }
        assert_eq!(said(&"x".repeat(5000)).len(), 300);
    }
}
