//! Deliveries that GitHub has not sent, or has sent before.

use aws_lc_rs::hmac;
use serde_json::json;

use super::*;

/// A webhook and what somebody who knows its secret would send.
struct Hook {
    path: String,
    secret: String,
}

impl Hook {
    fn of(rig: &Rig) -> Self {
        let (id, secret) = make_webhook(&rig.keys(), REPO, 0).unwrap();
        Self {
            path: format!("/webhook/github/{id}"),
            secret: secret.expose_secret().to_owned(),
        }
    }

    fn signature(&self, algorithm: hmac::Algorithm, body: &[u8]) -> String {
        let key = hmac::Key::new(algorithm, self.secret.as_bytes());
        private::hex(hmac::sign(&key, body).as_ref())
    }

    fn sha256(&self, body: &[u8]) -> String {
        format!("sha256={}", self.signature(hmac::HMAC_SHA256, body))
    }
}

/// The push of a branch as GitHub would send it.
pub(super) fn signed(id: &str, secret: &str, branch: &str) -> Vec<u8> {
    let hook = Hook {
        path: format!("/webhook/github/{id}"),
        secret: secret.to_owned(),
    };
    let body = push(branch);
    let signature = hook.sha256(&body);
    delivery(
        &hook.path,
        branch,
        &[("x-hub-signature-256", &signature)],
        &body,
    )
}

type Headers<'a> = Vec<(&'a str, String)>;

fn push(branch: &str) -> Vec<u8> {
    let push = json!({
        "ref": format!("refs/heads/{branch}"),
        "head_commit": {"id": "0123456789abcdef0123456789abcdef01234567", "message": "m"},
    });
    push.to_string().into_bytes()
}

/// A delivery with these headers besides the usual ones.
fn delivery(path: &str, id: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let usual = [JSON, ("x-github-event", "push"), ("x-github-delivery", id)];
    let headers: Vec<_> = usual.iter().chain(headers).copied().collect();
    request("POST", path, "", &headers, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_secret_of_the_webhook_makes_a_delivery() {
    let rig = Rig::start();
    let (hook, other) = (Hook::of(&rig), Hook::of(&rig));
    let body = push("b");
    let good = hook.sha256(&body);
    let hex = good.strip_prefix("sha256=").unwrap();
    let sha1 = hook.signature(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &body);
    let sha512 = hook.signature(hmac::HMAC_SHA512, &body);
    let name = "x-hub-signature-256";
    let mut changed = body.clone();
    changed[10] ^= 1;
    let forged: Vec<(Headers<'_>, &[u8])> = vec![
        (vec![], &body),
        (vec![(name, String::new())], &body),
        // Made with less, and what is read of it only where there is nothing better.
        (vec![("x-hub-signature", format!("sha1={sha1}"))], &body),
        (vec![("x-hub-signature", good.clone())], &body),
        (vec![(name, format!("sha1={sha1}"))], &body),
        (vec![(name, format!("sha256={sha1}"))], &body),
        (vec![(name, format!("sha512={sha512}"))], &body),
        (vec![(name, format!("sha256={sha512}"))], &body),
        // Nearly the name of the algorithm.
        (vec![(name, format!("SHA256={hex}"))], &body),
        (vec![(name, format!("sha-256={hex}"))], &body),
        (vec![(name, format!("sha256:{hex}"))], &body),
        (vec![(name, format!("none={hex}"))], &body),
        (vec![(name, hex.to_owned())], &body),
        (vec![(name, format!("sha256=sha256={hex}"))], &body),
        // Nearly the signature.
        (vec![(name, format!("sha256={}", &hex[..62]))], &body),
        (vec![(name, format!("sha256={hex}00"))], &body),
        (vec![(name, "sha256=".to_owned())], &body),
        (vec![(name, format!("sha256={}", "0".repeat(64)))], &body),
        (vec![(name, format!("{good},{good}"))], &body),
        (
            vec![
                (name, format!("sha256={}", "0".repeat(64))),
                (name, good.clone()),
            ],
            &body,
        ),
        // Of another body, another webhook, and with no secret at all.
        (vec![(name, hook.sha256(&push("old")))], &body),
        (vec![(name, good.clone())], &changed),
        (vec![(name, good.clone())], &body[..body.len() - 1]),
        (vec![(name, good.clone())], b""),
        (vec![(name, other.sha256(&body))], &body),
        (
            vec![(
                name,
                Hook {
                    path: String::new(),
                    secret: String::new(),
                }
                .sha256(&body),
            )],
            &body,
        ),
        (
            vec![(
                name,
                Hook {
                    path: String::new(),
                    secret: hook.path.clone(),
                }
                .sha256(&body),
            )],
            &body,
        ),
    ];
    for (headers, body) in &forged {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let answer = rig.ask(&delivery(&hook.path, "1", &headers, body)).await;
        assert_eq!(answer.status, 401, "{headers:?}: {answer:?}");
        assert_eq!(answer.text(), "Invalid signature header");
    }
    // To a webhook that is none, and to another one.
    for path in [
        "/webhook/github/x",
        "/webhook/github/%00",
        "/webhook/github/..%2f",
        &other.path,
    ] {
        let answer = rig.ask(&delivery(path, "1", &[(name, &good)], &body)).await;
        assert_eq!(answer.status, 401, "{path}");
    }
    assert_eq!(rig.ordered(), Vec::<String>::new());
    // The operator hears of the first of them, and why; never with what would be a secret.
    let told = rig.news();
    assert_eq!(told.len(), 20, "{told:?}");
    for news in &told {
        let News::DeliveryRefused { who, why } = news else {
            panic!("{news:?}");
        };
        assert!(
            who.from.is_some() && who.path.starts_with("/webhook/github/"),
            "{who:?}"
        );
        assert!(!why.is_empty());
        for secret in [&*hook.secret, &*other.secret, hex] {
            assert!(!format!("{news:?}").contains(secret), "{news:?}");
        }
    }
    // None of it has used up the delivery.
    let answer = rig
        .ask(&delivery(&hook.path, "1", &[(name, &good)], &body))
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(rig.ordered(), ["b"]);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_cut_off_is_no_delivery() {
    let rig = Rig::with(hasty);
    let hook = Hook::of(&rig);
    let whole = push("whole");
    // Half of it, signed as a whole and signed as the half that it is; the length says more.
    let half = &whole[..whole.len() / 2];
    for signature in [hook.sha256(&whole), hook.sha256(half)] {
        let bytes = delivery(
            &hook.path,
            "1",
            &[("x-hub-signature-256", &signature)],
            &whole,
        );
        let sent = &bytes[..bytes.len() - (whole.len() - half.len())];
        // Whether its sender waits, or goes.
        assert_eq!(statuses(&rig.all_to(sent).await), [408]);
        let mut wire = rig.wire().await;
        wire.send(sent).await.unwrap();
        wire.finish().await.unwrap();
        let said = soon("the end of a connection", wire.rest()).await;
        assert!(
            said.is_empty() || said.starts_with(b"HTTP/1.1 400"),
            "{said:?}"
        );
    }
    // The half as a whole is nothing that can be read.
    let signature = hook.sha256(half);
    let bytes = delivery(
        &hook.path,
        "1",
        &[("x-hub-signature-256", &signature)],
        half,
    );
    let answer = rig.ask(&bytes).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    // Nested, larger than GitHub's, and with names that git would take for more.
    let nested = "{\"a\":".repeat(100_000).into_bytes();
    let large = vec![b' '; (25 << 20) + 1];
    let odd = [
        push("--upload-pack=x"),
        push("a..b"),
        push("a b"),
        push(&"b".repeat(300)),
    ];
    let bodies = [(nested, 400), (large, 413)]
        .into_iter()
        .chain(odd.map(|body| (body, 400)));
    for (body, expected) in bodies {
        let signature = hook.sha256(&body);
        let bytes = delivery(
            &hook.path,
            "1",
            &[("x-hub-signature-256", &signature)],
            &body,
        );
        let answer = rig.ask(&bytes).await;
        assert_eq!(answer.status, expected, "{answer:?}");
    }
    assert_eq!(rig.ordered(), Vec::<String>::new());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_is_built_once_however_often_it_comes() {
    let rig = Rig::start();
    let (hook, other) = (Hook::of(&rig), Hook::of(&rig));
    let body = push("b");
    let send = async |rig: &Rig, hook: &Hook, id: &str, body: &[u8]| {
        let signature = hook.sha256(body);
        let bytes = delivery(&hook.path, id, &[("x-hub-signature-256", &signature)], body);
        rig.ask(&bytes).await.status
    };
    // Many at once, of which one is the first.
    let all = (0..16).map(|_| send(&rig, &hook, "id", &body));
    let mut all = futures_util::future::join_all(all).await;
    all.sort_unstable();
    assert_eq!(all, [vec![202], vec![409; 15]].concat());
    // Its id with another body, its body with another id, with none, and by another webhook.
    let longest = "i".repeat(200);
    for (hook, id, body) in [
        (&hook, "id", push("other")),
        (&hook, "another", body.clone()),
        (&hook, "", body.clone()),
        (&hook, &longest, body.clone()),
        (&other, "yet-another", body.clone()),
    ] {
        assert_eq!(send(&rig, hook, id, &body).await, 409, "{id}");
    }
    assert_eq!(rig.ordered(), ["b"]);
    // Also after a restart.
    let folder = rig.stop().await;
    let rig = Rig::in_folder(folder, |_| {});
    assert_eq!(send(&rig, &hook, "id", &body).await, 409);
    assert_eq!(send(&rig, &hook, "later", &body).await, 409);
    assert_eq!(send(&rig, &hook, "later", &push("c")).await, 202);
    rig.stop().await;
}

/// What a push says of where its code is, is shown, and nothing is asked of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn urls_of_a_delivery_lead_nowhere() {
    let rig = Rig::start();
    let hook = Hook::of(&rig);
    for (n, url) in [
        "file:///etc/passwd",
        "http://169.254.169.254/",
        "ext::sh -c id",
        "--upload-pack=id",
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({
            "ref": "refs/heads/b",
            "head_commit": {"id": "0123456789abcdef", "url": url, "message": format!("{n}")},
            "repository": {"clone_url": url, "ssh_url": url, "git_url": url, "default_branch": url},
        });
        let body = body.to_string().into_bytes();
        let signature = hook.sha256(&body);
        let bytes = delivery(
            &hook.path,
            url,
            &[("x-hub-signature-256", &signature)],
            &body,
        );
        assert_eq!(rig.ask(&bytes).await.status, 202, "{url}");
        let order = rig.server.board().list(None).pop().unwrap().order;
        // What a runner goes by has none of it.
        assert_eq!(
            order.wanted,
            Wanted {
                branch: Some("b".to_owned()),
                commit: Some("0123456789abcdef".to_owned()),
                ..Wanted::default()
            }
        );
    }
    rig.stop().await;
}
