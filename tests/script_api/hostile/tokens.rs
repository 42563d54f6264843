//! Tokens that are wrong, expired, another build's, too narrow, or outlive their build, on every
//! operation of the document.

use monkeyci_tui::domain::Sid;
use monkeyci_tui::script_api::{Keys, Scope, TokenError};
use secrecy::{ExposeSecret, SecretString};

use super::*;
use crate::document::{Operation, operations};

const MINUTE: std::time::Duration = std::time::Duration::from_mins(1);

async fn answer_of(client: &mut Client<'_>, operation: &Operation, token: &str) -> Answer {
    let path = operation.filled("some-name");
    let request = request(&operation.method, &path, token, &[], b"{:path \"x\"}");
    client.ask(&request).await
}

/// The token with its payload or signature changed by one character.
fn tampered(token: &str, part: usize) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let first = parts[part].remove(0);
    parts[part].insert(0, if first == 'A' { 'B' } else { 'A' });
    parts.join(".")
}

#[tokio::test]
async fn no_operation_is_open_to_a_bad_token() {
    let rig = rig(Setup::default()).await;
    // Good for the rest of this second.
    let expired = rig
        .keys
        .mint(&Rig::sid(), &Scope::ALL, std::time::Duration::ZERO);
    let good = rig.token(&Scope::ALL);
    let stranger = Keys::random().unwrap();
    let mint = |keys: &Keys, sid: &Sid| keys.mint(sid, &Scope::ALL, MINUTE);
    let secret = |text: &str| SecretString::from(text.to_owned());
    let tokens = [
        ("none", secret("")),
        ("nonsense", secret("nonsense")),
        ("one of MonkeyCI's own", secret(&("A".repeat(54) + "=="))),
        ("a stranger's", mint(&stranger, &Rig::sid())),
        (
            "another build's",
            mint(&rig.keys, &Sid::new("local", "demo", "build-2")),
        ),
        (
            "another project's",
            mint(&rig.keys, &Sid::new("local", "other", "build-1")),
        ),
        ("one with another head", secret(&tampered(&good, 0))),
        ("one with other claims", secret(&tampered(&good, 1))),
        ("one with another signature", secret(&tampered(&good, 2))),
        (
            "one without a signature",
            secret(good.rsplit_once('.').unwrap().0),
        ),
        ("half of a good one", secret(&good[..good.len() / 2])),
        ("a very long one", secret(&good.repeat(100))),
        ("an expired one", expired.clone()),
    ];
    let is_over = async {
        let mut often = tokio::time::interval(std::time::Duration::from_millis(20));
        while rig.keys.verify(&Rig::sid(), &expired) != Err(TokenError::Expired) {
            often.tick().await;
        }
    };
    soon("the end of the second", is_over).await;
    for transport in [Transport::Tcp, Transport::Unix] {
        for (what, token) in &tokens {
            let token = token.expose_secret();
            let mut client = Client::new(&rig, transport);
            client.secrets.push(good.clone());
            if token.len() > 20 {
                client.secrets.push(token.to_owned());
            }
            for operation in operations() {
                let answer = answer_of(&mut client, &operation, token).await;
                assert_eq!(answer.status, 401, "{what}: {operation:?}: {answer:?}");
            }
        }
    }
    // Nothing was done either, but for what people are told of it.
    let events = rig.engine.journal().events();
    for kind in [
        "build/canceled",
        "job/unblocked",
        "tui/result-saved",
        "tui/read",
    ] {
        assert!(
            events.iter().all(|event| event.type_name() != kind),
            "{kind}"
        );
    }
    assert!(
        events
            .iter()
            .any(|event| event.type_name() == "tui/warning")
    );
    is_well(&rig).await;
}

#[tokio::test]
async fn a_token_is_good_for_what_the_document_says_and_nothing_else() {
    let rig = rig(Setup::default()).await;
    for operation in operations() {
        let [needed] = &operation.scopes[..] else {
            assert!(operation.scopes.is_empty(), "{operation:?}");
            continue;
        };
        let needed = Scope::parse(needed).unwrap();
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|s| *s != needed).collect();
        let token = rig.token(&others);
        let mut client = Client::with(&rig, Transport::Tcp, &token);
        let answer = answer_of(&mut client, &operation, &token).await;
        assert_eq!(answer.status, 403, "{operation:?}: {answer:?}");
        assert!(answer.text().contains(needed.as_str()), "{answer:?}");
    }
    is_well(&rig).await;
}

#[tokio::test]
async fn after_the_build_its_tokens_are_good_for_nothing() {
    let mut rig = rig(Setup::default()).await;
    let watchers = rig.token(&Scope::ALL);
    let scripts = rig.script_token();
    rig.exit(0).await;
    for transport in [Transport::Tcp, Transport::Unix] {
        for operation in operations() {
            for token in [&watchers, &scripts] {
                let listens = operation.path == "/events" && operation.method == "GET";
                if listens && *token == watchers {
                    // People who were cut off come back for the last events.
                    let wire = Wire::open(&rig, transport).await;
                    let listen = jdk("GET", "/events", token, "");
                    Heard::open(wire, &listen).await.end().await;
                    continue;
                }
                let mut client = Client::with(&rig, transport, token);
                let answer = answer_of(&mut client, &operation, token).await;
                assert_eq!(answer.status, 401, "{operation:?}: {answer:?}");
            }
        }
    }
}
