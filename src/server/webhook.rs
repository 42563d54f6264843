//! Webhooks of GitHub (public-api.md §11): signed, each once.
//!
//! A webhook without a secret does not exist: MonkeyCI takes a signature made with an empty key
//! then (security.md §6). Only SHA-256 counts, whatever the header names. GitHub signs the body and
//! nothing else, so a replay is known by its body as well as by its delivery id.

use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use axum::body::Body;
use axum::extract::{Path as Params, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::Millis;
use crate::edn::{Map, Value};

use super::github::Push;
use super::reply::{self, Format};
use super::trigger::{self, New};
use super::{Server, body, private, tokens};

/// GitHub sends no larger bodies.
const LARGEST: usize = 25 << 20;

/// Longest id of a delivery that is remembered.
const LONGEST_ID: usize = 100;

/// One webhook.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    id: String,
    repo: String,
    secret: SecretString,
}

/// The webhooks that are taken here.
#[derive(Debug, Default)]
pub(super) struct Webhooks(Vec<Webhook>);

/// Where they are kept in the server's folder.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("webhooks.edn")
}

/// Makes a webhook and keeps it. Returns its id and its secret.
pub(super) fn add(folder: &Path, repo: &str, now: Millis) -> io::Result<(String, SecretString)> {
    let id = private::random_hex::<12>()?;
    let secret = private::random_hex::<32>()?;
    let mut map = Map::new();
    map.insert_kw("id", id.as_str());
    map.insert_kw("repo-id", repo);
    map.insert_kw("secret-key", secret.as_str());
    map.insert_kw("creation-time", Value::Int(now));
    tokens::add_line(&file(folder), &Value::Map(map))?;
    Ok((id, secret.into()))
}

impl Webhooks {
    /// Reads the file. One without a secret is refused.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let hooks = tokens::read_lines(path)?.into_iter().map(|value| {
            let text = |key: &str| Some(value.get(key)?.as_str()?.to_owned());
            Some(Webhook {
                id: text("id")?,
                repo: text("repo-id")?,
                secret: text("secret-key")
                    .filter(|secret| !secret.is_empty())?
                    .into(),
            })
        });
        let hooks = hooks.collect::<Option<Vec<_>>>();
        Ok(Self(hooks.ok_or_else(|| {
            format!("a line of {} is no webhook with a secret", path.display())
        })?))
    }

    fn get(&self, id: &str) -> Option<&Webhook> {
        self.0.iter().find(|hook| hook.id == id)
    }
}

impl Webhook {
    /// Whether a body is signed with the secret: `sha256=<hex>`, compared in constant time.
    fn signs(&self, header: &str, body: &[u8]) -> bool {
        let signature = header.strip_prefix("sha256=").and_then(private::from_hex);
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose_secret().as_bytes());
        signature.is_some_and(|signature| hmac::verify(&key, body, &signature).is_ok())
    }
}

/// `POST /webhook/github/ID`
pub(super) async fn github(
    State(server): State<Server>,
    Params(id): Params<String>,
    format: Format,
    request: Request<Body>,
) -> Response {
    let (extensions, path) = (
        request.extensions().clone(),
        request.uri().path().to_owned(),
    );
    match take(&server, &id, format, request).await {
        Ok(answer) => answer,
        Err((answer, why)) => {
            server.tell_refused_delivery(&extensions, &path, why);
            answer
        }
    }
}

/// An answer, and for the operator why it is none of those that were hoped for.
type Refusal = (Response, String);

async fn take(
    server: &Server,
    id: &str,
    format: Format,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    // One answer for all that is not good: who sends it need not know what is missing.
    let forged = |why: &str| {
        let answer = reply::text(StatusCode::UNAUTHORIZED, "Invalid signature header");
        (answer, why.to_owned())
    };
    let refused = |status, why: &str| (format.error(status, why), why.to_owned());
    let headers = request.headers().clone();
    // Before a large body is read.
    let hooks = server.0.webhooks.now();
    let hooks = hooks.map_err(|why| forged(&why))?;
    let hook = hooks.get(id).cloned();
    let hook = hook.ok_or_else(|| forged("there is no such webhook"))?;
    let signature = text(&headers, "x-hub-signature-256");
    let signature = signature.ok_or_else(|| forged("it has no SHA-256 signature"))?;
    let time = server.settings().body_time;
    let bytes = match body::whole(request, LARGEST, time, format).await {
        Ok(bytes) => bytes,
        Err(answer) => {
            let why = format!("its body did not come as a whole ({})", answer.status());
            return Err((answer, why));
        }
    };
    if !hook.signs(&signature, &bytes) {
        return Err(forged("it is not signed with the secret of this webhook"));
    }
    if text(&headers, "x-github-event").as_deref() != Some("push") {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    if !body::is_json(&headers) {
        let why = "set the content type of the webhook to application/json";
        return Err(refused(StatusCode::BAD_REQUEST, why));
    }
    let push = Push::read(&bytes).map_err(|why| refused(StatusCode::BAD_REQUEST, &why))?;
    let wanted = match push.wanted() {
        Some(wanted) if !push.is_deletion() => wanted,
        _ => return Ok(StatusCode::NO_CONTENT.into_response()),
    };
    trigger::check(&wanted).map_err(|why| refused(StatusCode::BAD_REQUEST, &why))?;
    let Some(repo) = server.repo(&hook.repo) else {
        let why = "the repository of this webhook is not served any more";
        return Err(refused(StatusCode::NOT_FOUND, why));
    };
    let new = New {
        source: "github-webhook".to_owned(),
        wanted,
        git: push.git(),
        changes: Some(push.changes()),
        deliveries: deliveries(&headers, &bytes),
        webhook: Some(hook.id),
        params: Vec::new(),
    };
    match server.take(repo, new).await {
        Ok(id) => Ok(trigger::accepted(&id, format)),
        Err(refusal) => Err((refusal.answer(format), refusal.why())),
    }
}

/// What tells a delivery from every other.
fn deliveries(headers: &HeaderMap, body: &[u8]) -> Vec<String> {
    let id = text(headers, "x-github-delivery").filter(|id| id.len() <= LONGEST_ID);
    let body = format!("sha256:{}", private::sha256(body));
    id.into_iter().chain([body]).collect()
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_of_the_webhook_signs_and_only_with_sha256() {
        let hook = |secret: &str| Webhook {
            id: "w".to_owned(),
            repo: "r".to_owned(),
            secret: secret.into(),
        };
        let sign = |key: &str| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
            private::hex(hmac::sign(&key, b"body").as_ref())
        };
        let good = sign("s");
        assert!(hook("s").signs(&format!("sha256={good}"), b"body"));
        for (header, body) in [
            (format!("sha256={good}"), &b"bodY"[..]),
            (format!("sha256={}", sign("")), b"body"),
            (format!("sha256={}", &good[..62]), b"body"),
            (format!("sha1={good}"), b"body"),
            (good, b"body"),
            ("sha256=".to_owned(), b"body"),
            (String::new(), b"body"),
        ] {
            assert!(!hook("s").signs(&header, body), "{header}");
        }
    }

    #[test]
    fn a_webhook_without_a_secret_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path());
        let (id, secret) = add(dir.path(), "r", 0).unwrap();
        let hooks = Webhooks::read(&path).unwrap();
        assert_eq!(
            hooks.get(&id).unwrap().secret.expose_secret(),
            secret.expose_secret()
        );
        assert!(!format!("{hooks:?}").contains(secret.expose_secret()));
        for line in [
            "{:id \"x\" :repo-id \"r\" :secret-key \"\"}",
            "{:id \"x\" :repo-id \"r\"}",
        ] {
            private::write(&path, line.as_bytes()).unwrap();
            assert!(Webhooks::read(&path).is_err(), "{line}");
        }
    }
}
