//! Credentials that somebody has made up, changed, or got for something else.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value as Json, json};

use super::*;

/// A JSON web token of any head and claims, signed with the server's own key.
fn signed(rig: &Rig, head: &Json, claims: &Json) -> String {
    let der = std::fs::read(rig.keys().join("jwt-key.der")).unwrap();
    let pair = KeyPair::from_pkcs8(&der).unwrap();
    let [head, claims] = [head, claims].map(|part| BASE64.encode(part.to_string()));
    let text = format!("{head}.{claims}");
    let mut signature = vec![0; pair.public_modulus_len()];
    let scheme = &signature::RSA_PKCS1_SHA256;
    let random = SystemRandom::new();
    pair.sign(scheme, &random, text.as_bytes(), &mut signature)
        .unwrap();
    format!("{text}.{}", BASE64.encode(signature))
}

async fn status(rig: &Rig, credential: &str, path: &str) -> u16 {
    rig.ask(&request("GET", path, credential, &[], b""))
        .await
        .status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_that_are_not_as_they_should_be_let_nobody_in() {
    let rig = Rig::start();
    let now = SystemClock.now();
    let (seconds, later) = (now / 1000, now / 1000 + 1000);
    let head = json!({"alg": "RS256", "typ": "JWT"});
    let with = |key: &str, value: Json| {
        let mut claims = json!({"role": "sysadmin", "sub": "sysadmin/x", "exp": later});
        claims[key] = value;
        claims
    };
    let path = format!("/org/{ORG}");
    for claims in [
        with("exp", json!(later)),
        with("exp", json!(now + 60_000)),
        with("aud", json!("x")),
    ] {
        let token = signed(&rig, &head, &claims);
        assert_eq!(
            status(&rig, &format!("Bearer {token}"), &path).await,
            200,
            "{claims}"
        );
    }
    for claims in [
        // Over: in seconds, in milliseconds as MonkeyCI has it, and in what is neither.
        with("exp", json!(seconds - 1)),
        with("exp", json!(now - 1)),
        with("exp", json!(0)),
        with("exp", json!(-1)),
        with("exp", json!(later.to_string())),
        with("exp", json!(1e300)),
        with("exp", json!([later])),
        with("exp", Json::Null),
        json!({"role": "sysadmin", "sub": "sysadmin/x"}),
        json!({"role": "sysadmin", "exp": later}),
        json!({"sub": "sysadmin/x", "exp": later}),
        with("role", json!("admin")),
        with("role", json!("")),
        with("role", json!(["sysadmin"])),
        json!({"role": "user", "sub": "u", "access": "king", "exp": later}),
        json!({"role": "build", "sub": "no-build", "exp": later}),
        json!([]),
    ] {
        let token = signed(&rig, &head, &claims);
        assert_eq!(
            status(&rig, &format!("Bearer {token}"), &path).await,
            401,
            "{claims}"
        );
    }
    // Who says nothing of what they may do may look, and nothing else.
    let user = signed(
        &rig,
        &head,
        &json!({"role": "user", "sub": "u", "exp": later}),
    );
    assert_eq!(status(&rig, &format!("Bearer {user}"), &path).await, 200);
    let refused = rig.ask(&trigger(&format!("Bearer {user}"), "b")).await;
    assert_eq!(refused.status, 403);
    rig.is_well().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_does_not_choose_how_it_is_checked() {
    let rig = Rig::start();
    let jwks = rig.ask(&request("GET", "/auth/jwks", "", &[], b"")).await;
    let jwks: Json = serde_json::from_str(&jwks.text()).unwrap();
    let key = &jwks["keys"][0];
    assert_eq!(key.as_object().unwrap().len(), 6, "nothing private: {key}");
    let modulus = BASE64.decode(key["n"].as_str().unwrap()).unwrap();
    let claims = json!({"role": "sysadmin", "sub": "sysadmin/x", "exp": 99_999_999_999_u64});
    let path = format!("/org/{ORG}");
    let mut forged = Vec::new();
    // With what everybody knows as if it were a secret.
    let known = [
        &modulus[..],
        key["n"].as_str().unwrap().as_bytes(),
        jwks.to_string().as_bytes(),
        b"",
    ]
    .map(<[u8]>::to_vec);
    for secret in known {
        for algorithm in ["HS256", "HS384", "HS512"] {
            let head = jsonwebtoken::Header::new(algorithm.parse().unwrap());
            let secret = jsonwebtoken::EncodingKey::from_secret(&secret);
            forged.push(jsonwebtoken::encode(&head, &claims, &secret).unwrap());
        }
    }
    // With the good key, under another name; and with heads that bring a key of their own.
    for head in [
        json!({"alg": "none"}),
        json!({"alg": "None"}),
        json!({"alg": ""}),
        json!({}),
        json!({"alg": "rs256"}),
        json!({"alg": "RS512"}),
        json!({"alg": "PS256"}),
        json!({"alg": "ES256"}),
        json!({"alg": ["RS256"]}),
    ] {
        let token = signed(&rig, &head, &claims);
        let unsigned = token.rsplit_once('.').unwrap().0.to_owned();
        forged.extend([format!("{unsigned}."), unsigned, token]);
    }
    let other = Rig::start();
    let head =
        json!({"alg": "RS256", "jwk": key, "jku": "http://127.0.0.1:1/", "kid": "../../dev/null"});
    forged.push(signed(&other, &head, &claims));
    let good = signed(&rig, &json!({"alg": "RS256"}), &claims);
    let parts: Vec<&str> = good.split('.').collect();
    forged.extend([
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{}=", parts[0], parts[1], parts[2]),
        format!("{good}.{}", parts[2]),
        format!("{}.{}.{}", parts[0], BASE64.encode("{}"), parts[2]),
        format!("{}.{}", parts[1], parts[2]),
        good.to_uppercase(),
        "..".to_owned(),
        String::new(),
    ]);
    for token in &forged {
        assert_eq!(
            status(&rig, &format!("Bearer {token}"), &path).await,
            401,
            "{token}"
        );
        let query = format!("{path}?authorization={token}");
        assert_eq!(status(&rig, "", &query).await, 401, "{token}");
    }
    assert_eq!(status(&rig, &format!("Bearer {good}"), &path).await, 200);
    // A credential in the query does not make up for one that is not good.
    let both = format!("{path}?authorization={good}");
    assert_eq!(status(&rig, "Bearer x", &both).await, 401);
    assert_eq!(status(&rig, "", &both).await, 200);
    other.stop().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_good_where_it_was_made_and_as_it_was_made() {
    let rig = Rig::start();
    let other = Rig::start();
    let good = rig.token(Role::Admin);
    let text = good.strip_prefix("Token ").unwrap();
    let path = format!("/org/{ORG}");
    for credential in [
        other.token(Role::Admin),
        format!("Token {}", text.to_uppercase()),
        format!("Token {}", &text[1..]),
        format!("Token {text}0"),
        format!("Token {text} {text}"),
        format!("Token {text}, Token {text}"),
        format!("Token{text}"),
        format!("Basic {text}"),
        text.to_owned(),
        // What is kept of it.
        format!("Token {}", private::sha256(text.as_bytes())),
        "Token ".to_owned(),
        "Token \u{e9}".to_owned(),
    ] {
        assert_eq!(status(&rig, &credential, &path).await, 401, "{credential}");
    }
    let query = format!("{path}?authorization={text}");
    assert_eq!(
        status(&rig, "", &query).await,
        401,
        "an API token is for the header"
    );
    assert_eq!(
        status(&rig, &good.replace("Token", "token"), &path).await,
        200
    );
    // The first counts, whatever comes behind it.
    for (first, second, expected) in [(good.as_str(), "Token 0", 200), ("Token 0", &good, 401)] {
        let twice = [("authorization", second)];
        let answer = rig.ask(&request("GET", &path, first, &twice, b"")).await;
        assert_eq!(answer.status, expected);
    }
    // Another org, however its name is written; and one that is called nearly so.
    for org in [
        "other",
        "Acme",
        "acme%20",
        "acme%00",
        "acm%65x",
        "%2e%2e",
        "acme%2f..%2fother",
    ] {
        for below in [
            "",
            "/repo/app",
            "/repo/app/builds",
            "/builds/recent",
            "/events",
            "/param",
        ] {
            let path = format!("/org/{org}{below}");
            assert_eq!(status(&rig, &good, &path).await, 403, "{path}");
        }
    }
    assert_eq!(status(&rig, &good, "/org/acm%65").await, 200);
    // A build's own is for that build of that org, however the name is written.
    let until = SystemClock.now() + 60_000;
    let of = |org: &str, repo: &str, build: &str| {
        let holder = Holder::Build(Sid::new(org, repo, build));
        let token = make_jwt(&rig.keys(), &holder, until).unwrap();
        format!("Bearer {}", token.expose_secret())
    };
    let own = of(ORG, REPO, "build-1");
    for (credential, build, expected) in [
        (&own, "build-1", 404),
        (&own, "%62uild-1", 404),
        (&own, "build-2", 403),
        (&own, "build-01", 403),
        (&own, "build-1%2f..%2fbuild-2", 403),
        (&own, "latest", 403),
        (&of("other", REPO, "build-1"), "build-1", 403),
        (&of(ORG, "other", "build-1"), "build-1", 403),
        (&of(ORG, REPO, "latest"), "latest", 403),
    ] {
        let path = at(&format!("builds/{build}"));
        assert_eq!(status(&rig, credential, &path).await, expected, "{build}");
    }
    for (method, below) in [
        ("POST", "cancel"),
        ("POST", "retry"),
        ("POST", "job/j/unblock"),
    ] {
        let path = at(&format!("builds/build-1/{below}"));
        let answer = rig.ask(&request(method, &path, &own, &[], b"")).await;
        assert_eq!(answer.status, 403, "{below}");
    }
    other.stop().await;
    rig.stop().await;
}
