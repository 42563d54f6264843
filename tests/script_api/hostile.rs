//! Clients that mean harm, or have been broken: malformed, slow, large, far too many, without a
//! good token, and after files that are none of their business.
//!
//! Whatever they do is answered as it is described, nothing secret is in the answers, and the
//! service is of use to others meanwhile and afterwards.

mod bodies;
mod large;
mod paths;
mod slow;
mod streams;
mod tokens;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use monkeyci_tui::ports::{Param, SecretStore, Surroundings};
use monkeyci_tui::script_api::Scope;
use secrecy::SecretString;

use crate::http::{Answer, Wire, soon};
use crate::rig::{Rig, Setup};
use crate::wire::{Heard, Transport, jdk, text};

/// What no answer may have in it that was not asked for.
const PARAM: &str = "the-value-of-a-parameter";
const SECRET: &str = "the-value-of-a-credential";

#[derive(Debug)]
struct OneSecret;

impl SecretStore for OneSecret {
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<SecretString>, String>> {
        let found = (name == "npm-token").then(|| SECRET.into());
        std::future::ready(Ok(found)).boxed()
    }
}

/// A build that has secrets.
async fn rig(setup: Setup) -> Rig {
    Rig::with(with_secrets(setup)).await
}

fn with_secrets(setup: Setup) -> Setup {
    Setup {
        params: vec![Param {
            name: "user".to_owned(),
            value: PARAM.into(),
            plain: false,
        }],
        surroundings: Surroundings {
            secrets: Arc::new(OneSecret),
            ..Surroundings::default()
        },
        ..setup
    }
}

/// A request with nothing in it that is not named.
fn request(
    method: &str,
    path: &str,
    token: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    if !token.is_empty() {
        head.push_str(&format!("authorization: Bearer {token}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    [head.as_bytes(), body].concat()
}

/// A client that comes back when its connection was closed, and looks for secrets in all that it
/// is answered.
struct Client<'a> {
    rig: &'a Rig,
    transport: Transport,
    wire: Option<Wire>,
    secrets: Vec<String>,
}

impl<'a> Client<'a> {
    fn new(rig: &'a Rig, transport: Transport) -> Self {
        Self {
            rig,
            transport,
            wire: None,
            secrets: vec![PARAM.to_owned(), SECRET.to_owned()],
        }
    }

    /// The same, of which no answer may have this token in it.
    fn with(rig: &'a Rig, transport: Transport, token: &str) -> Self {
        let mut client = Self::new(rig, transport);
        client.secrets.push(token.to_owned());
        client
    }

    async fn ask(&mut self, request: &[u8]) -> Answer {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => Wire::open(self.rig, self.transport).await,
        };
        // It may have been refused before all of it was sent.
        let sent = soon("a request", wire.send(request)).await;
        let answer = soon("an answer", wire.answer()).await;
        let answer = answer.unwrap_or_else(|error| {
            let request = String::from_utf8_lossy(request);
            panic!("no answer ({error}, sent: {sent:?}) to {request}")
        });
        self.find_no_secret(&answer);
        if answer.header("connection") != Some("close") {
            self.wire = Some(wire);
        }
        answer
    }

    fn find_no_secret(&self, answer: &Answer) {
        let all = format!("{:?}{}", answer.headers, answer.text());
        for secret in &self.secrets {
            assert!(!all.contains(secret), "{secret} is in {all}");
        }
    }
}

/// The service is as it should be: it answers, takes an event, and tells of it.
async fn is_well(rig: &Rig) {
    for transport in [Transport::Tcp, Transport::Unix] {
        let token = rig.script_token();
        let mut client = Client::with(rig, transport, &token);
        let answer = client.ask(&jdk("GET", "/test", &token, "")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let last = rig.engine.journal().last_seq();
        let body = format!("[{{:type :job/start :job-id \"well\" :message \"{transport:?}\"}}]");
        let answer = client.ask(&jdk("POST", "/events", &token, &body)).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let wire = Wire::open(rig, transport).await;
        let token = rig.token(&[Scope::EventsRead]);
        let after = last.to_string();
        let listen = request("GET", "/events", &token, &[("last-event-id", &after)], b"");
        let mut heard = Heard::open(wire, &listen).await;
        let ours = |event: &monkeyci_tui::edn::Value| {
            text(event, "message") == Some(&format!("{transport:?}"))
        };
        heard
            .until_any("an event", |heard| heard.iter().any(ours))
            .await;
    }
}
