//! What goes wrong between here and a server.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use secrecy::ExposeSecret;

use super::*;
use crate::remote::credential::tests::jwt;
use crate::remote::{Jwt, OnRefresh, RemoteError, Trigger};

/// A login of the recorded user that has run out.
fn expired(refresh: Option<&str>) -> Credential {
    Credential::Jwt(Jwt {
        jwt: jwt(r#"{"sub":"github/1234","exp":1700000000000}"#),
        refresh: refresh.map(Into::into),
    })
}

#[tokio::test]
async fn a_busy_server_is_asked_again_when_it_says_so() {
    let server = Playback::start();
    server
        .will(
            "GET",
            &org_path(),
            Answer::bare(429, Some(("retry-after", "1"))),
        )
        .will("GET", &org_path(), Answer::bare(503, None));
    let began = Instant::now();
    client(&server).org(ORG).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "obeyed");
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn a_server_that_stays_busy_or_asks_too_much_is_left_alone() {
    let server = Playback::start();
    for _ in 0..9 {
        server.will("GET", &org_path(), Answer::bare(502, None));
    }
    let error = client(&server).org(ORG).await.unwrap_err();
    assert!(
        matches!(error, RemoteError::Busy { status: 502, .. }),
        "{error}"
    );
    assert_eq!(server.lines().len(), 3, "as often as was said");

    let server = Playback::start();
    server.will(
        "GET",
        &org_path(),
        Answer::bare(429, Some(("retry-after", "3600"))),
    );
    let error = client(&server).org(ORG).await.unwrap_err();
    assert!(error.to_string().contains("come back in 3600 s"), "{error}");
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn what_changes_something_is_never_sent_twice() {
    let server = Playback::start();
    let path = format!("{}/repo/demo-repo/builds/trigger", org_path());
    server.will("POST", &path, Answer::bare(503, None)).will(
        "POST",
        &path,
        Answer::Cut(Vec::new(), "{".into()),
    );
    let client = client(&server);
    for _ in 0..2 {
        let error = client
            .trigger(ORG, "demo-repo", &Trigger::default())
            .await
            .unwrap_err();
        assert!(error.is_transient(), "{error}");
    }
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn a_failure_and_a_wrong_request_are_not_tried_again() {
    let server = Playback::start();
    let failure = r#"{:type "exception" :class "java.lang.NullPointerException"}"#;
    server
        .will("GET", &org_path(), Answer::edn(500, failure))
        .will(
            "GET",
            &org_path(),
            Answer::edn(
                400,
                "{:errors {:file missing-required-key} :value {:x \"hunter2\"}}",
            ),
        );
    let client = client(&server);
    let error = client.org(ORG).await.unwrap_err();
    assert!(matches!(error, RemoteError::Failed { status: 500, .. }));
    assert!(
        error.to_string().contains("NullPointerException"),
        "{error}"
    );
    let error = client.org(ORG).await.unwrap_err().to_string();
    assert!(error.contains("file: missing-required-key"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn no_redirect_takes_a_credential_elsewhere() {
    let elsewhere = Playback::start();
    let server = Playback::start();
    let there = format!("{}{}", elsewhere.url(), org_path());
    let slash = format!("{}/", org_path());
    let userinfo = format!("http://x:y@127.0.0.1{slash}");
    for to in [there.as_str(), "/login", "//evil.example/x", "", &userinfo] {
        server.will(
            "GET",
            &org_path(),
            Answer::bare(302, Some(("location", to))),
        );
        let error = client(&server).org(ORG).await.unwrap_err();
        assert!(
            matches!(error, RemoteError::Redirected { .. }),
            "{to}: {error}"
        );
        assert!(!error.to_string().contains("x:y"), "{error}");
    }
    assert!(elsewhere.came().is_empty());

    // The one about a slash is what a MonkeyCI server sends.
    server.will(
        "GET",
        &org_path(),
        Answer::bare(301, Some(("location", &slash))),
    );
    server.will("GET", &slash, Answer::edn(200, r#"{:id "x" :name "y"}"#));
    assert_eq!(client(&server).org(ORG).await.unwrap().name, "y");
    // But not for ever.
    server.will(
        "GET",
        &org_path(),
        Answer::bare(301, Some(("location", &slash))),
    );
    let back = format!("{}{}", server.url(), org_path());
    server.will("GET", &slash, Answer::bare(301, Some(("location", &back))));
    assert!(client(&server).org(ORG).await.is_err());
}

#[tokio::test]
async fn garbage_is_an_error_that_names_the_server() {
    let server = Playback::start();
    let client = client(&server);
    for body in ["{:id", "\u{0}\u{1b}", "[]", "nil", "{:name 1}", "#=(evil)"] {
        server.will("GET", &org_path(), Answer::edn(200, body));
        let error = client.org(ORG).await.unwrap_err();
        assert!(
            matches!(error, RemoteError::Answer { .. }),
            "{body}: {error}"
        );
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
    let deep = "[".repeat(100_000);
    server.will("GET", &org_path(), Answer::edn(200, &deep));
    assert!(client.org(ORG).await.is_err());
    let html = Answer::Whole(
        200,
        vec![("content-type", "text/html".to_owned())],
        "<html>".into(),
    );
    server.will("GET", &org_path(), html);
    let error = client.org(ORG).await.unwrap_err();
    assert!(error.to_string().contains("it is not EDN"), "{error}");
    // A list with odd things in it keeps what can be read.
    let list = format!("{}/repo/demo-repo/builds", org_path());
    let builds = r#"(nil 1 {} {:org-id "o" :repo-id "r" :build-id "b" :status "odd" :idx "x"})"#;
    server.will("GET", &list, Answer::edn(200, builds));
    let builds = client.builds(ORG, "demo-repo").await.unwrap();
    assert_eq!(builds.len(), 1);
    assert_eq!(builds[0].status.as_str(), "odd");
}

#[tokio::test]
async fn what_is_no_http_is_an_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let greeting = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            // The client may hang up before.
            let _ = socket.write_all(b"220 mail.example ESMTP\r\n").await;
        }
    });
    let base = BaseUrl::parse(&format!("http://{address}")).unwrap();
    let options = ClientOptions {
        retry: Retry {
            tries: 1,
            ..Retry::default()
        },
        ..ClientOptions::new(base, Credential::None)
    };
    let error = Client::new(options).unwrap().org("x").await.unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}");
    greeting.abort();
}

#[tokio::test]
async fn an_endless_answer_is_not_read_for_ever() {
    let server = Playback::start();
    server.will("GET", &org_path(), Answer::Endless);
    let error = client(&server).org(ORG).await.unwrap_err();
    assert!(matches!(error, RemoteError::TooLarge { .. }), "{error}");
    assert!(error.to_string().contains("64 MB"), "{error}");
    // One that says so is not even begun.
    let length = ("content-length", (65_u64 << 20).to_string());
    server.will("GET", &org_path(), Answer::Cut(vec![length], "{".into()));
    let error = client(&server).org(ORG).await.unwrap_err();
    assert!(matches!(error, RemoteError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn a_cut_answer_is_asked_for_again_and_never_taken_for_a_whole() {
    let server = Playback::start();
    let whole = r#"{:id "x" :name "y"}"#;
    for _ in 0..2 {
        server.will("GET", &org_path(), Answer::Cut(Vec::new(), whole.into()));
    }
    let org = client(&server).org(ORG).await.unwrap();
    assert_eq!(org.name, "Seed Org", "the third, whole one");
    for _ in 0..3 {
        server.will("GET", &org_path(), Answer::Cut(Vec::new(), whole.into()));
    }
    let error = client(&server).org(ORG).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let server = Playback::start();
    let mut options = options(&server, Credential::Token(TOKEN.into()));
    options.timeout = Duration::from_millis(200);
    let client = Client::new(options).unwrap();
    server.will("GET", &org_path(), Answer::Mute);
    let error = client.org(ORG).await.unwrap_err();
    assert!(matches!(error, RemoteError::Silent { .. }), "{error}");
    server.will("GET", &org_path(), Answer::Silent(Vec::new(), "{".into()));
    let error = client.org(ORG).await.unwrap_err();
    assert!(matches!(error, RemoteError::Silent { .. }), "{error}");
    assert_eq!(server.lines().len(), 2, "waiting four times helps nobody");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let server = Playback::start();
    let client = client(&server);
    let url = server.url();
    drop(server);
    let error = client.org(ORG).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}");
    let host = url.trim_start_matches("http://");
    assert!(error.to_string().contains(host), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn an_expired_login_is_renewed_once_for_all_who_need_it() {
    let server = Playback::start();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let mut options = options(&server, expired(Some("refresh-1")));
    options.on_refresh = Some(OnRefresh(Arc::new({
        let kept = Arc::clone(&kept);
        move |login: &Jwt| {
            let refresh = login.refresh.as_ref().unwrap().expose_secret().to_owned();
            kept.lock()
                .unwrap()
                .push((login.jwt.expose_secret().to_owned(), refresh));
        }
    })));
    for _ in 0..2 {
        server.will(
            "GET",
            &org_path(),
            Answer::edn(401, "{:error \"Unauthenticated\"}"),
        );
    }
    for _ in 0..2 {
        server.will(
            "GET",
            &org_path(),
            Answer::edn(200, r#"{:id "x" :name "y"}"#),
        );
    }
    let renewed = r#"{:id "u" :type :github :token "new-jwt" :refresh-token "refresh-2"}"#;
    server.will("POST", "/github/refresh", Answer::edn(200, renewed));
    let client = Client::new(options).unwrap();
    let (one, other) = tokio::join!(client.org(ORG), client.org(ORG));
    one.unwrap();
    other.unwrap();
    let pair = ("new-jwt".to_owned(), "refresh-2".to_owned());
    assert_eq!(*kept.lock().unwrap(), [pair]);
    let came = server.came();
    let renewals: Vec<_> = came.iter().filter(|came| came.method == "POST").collect();
    assert_eq!(renewals.len(), 1);
    assert_eq!(renewals[0].body, r#"{:refresh-token "refresh-1"}"#);
    assert!(!renewals[0].headers.contains_key("authorization"));
    assert_eq!(
        came.last().unwrap().headers["authorization"],
        "Bearer new-jwt"
    );
}

#[tokio::test]
async fn a_login_that_cannot_be_renewed_says_so() {
    let server = Playback::start();
    let unauthenticated = || Answer::edn(401, "{:error \"Unauthenticated\"}");
    server.will("GET", &org_path(), unauthenticated());
    let client = Client::new(options(&server, expired(None))).unwrap();
    let error = client.org(ORG).await.unwrap_err().to_string();
    assert!(error.contains("it has expired"), "{error}");

    server.will("GET", &org_path(), unauthenticated());
    server.will("POST", "/github/refresh", Answer::bare(400, None));
    let client = Client::new(options(&server, expired(Some("hunter2")))).unwrap();
    let error = client.org(ORG).await.unwrap_err();
    assert!(matches!(error, RemoteError::Renewal { .. }), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");

    // Refused once more, also with the new one: that is the end of it.
    server.will("GET", &org_path(), unauthenticated());
    server.will("GET", &org_path(), unauthenticated());
    server.will(
        "POST",
        "/github/refresh",
        Answer::edn(200, r#"{:token "new"}"#),
    );
    let client = Client::new(options(&server, expired(Some("r")))).unwrap();
    let error = client.org(ORG).await.unwrap_err();
    assert!(matches!(error, RemoteError::LoginRefused { .. }), "{error}");
}

#[tokio::test]
async fn a_credential_does_not_travel_in_the_clear() {
    let base = BaseUrl::parse("http://monkey.example").unwrap();
    let with = |credential| Client::new(ClientOptions::new(base.clone(), credential));
    let error = with(Credential::Token("t".into())).unwrap_err();
    assert!(matches!(error, RemoteError::Clear { .. }), "{error}");
    with(Credential::None).unwrap();
    let mut options = ClientOptions::new(base.clone(), Credential::Token("t".into()));
    options.allow_http = true;
    Client::new(options).unwrap();
    let loopback = BaseUrl::parse("https://127.0.0.1").unwrap();
    let mut options = ClientOptions::new(loopback, Credential::Token("t".into()));
    options.events = Some(base);
    assert!(Client::new(options).is_err(), "to the event stream neither");
}

#[tokio::test]
async fn a_credential_that_no_header_carries_is_not_shown() {
    let server = Playback::start();
    let odd = options(&server, Credential::Token("hunter2\nx".into()));
    let error = Client::new(odd).unwrap().org(ORG).await.unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert!(server.came().is_empty());
}
