//! What only bare connections show: upgrades, halves, garbage, and the end of the service.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::*;

/// Headers as the JDK's client sends them with every request (script-api.md §2).
fn jdk_request(service: &Service, method: &str, path: &str, body: &str) -> String {
    let token = service.token(Scope::script_default());
    format!(
        "{method} {path} HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\n\
         Content-Length: {}\r\nHost: localhost:1\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n\
         Upgrade: h2c\r\nUser-Agent: babashka.http-client/0.4.22\r\naccept: */*\r\n\
         accept-encoding: gzip\r\naccept-encoding: deflate\r\n\
         authorization: Bearer {}\r\n\r\n{body}",
        body.len(),
        token.expose_secret(),
    )
}

/// Reads until `wanted` is there, or the other end closes.
async fn read_until(stream: &mut UnixStream, wanted: &str) -> String {
    let mut text = Vec::new();
    soon(wanted, async {
        let mut buffer = [0; 4096];
        loop {
            let read = stream.read(&mut buffer).await.unwrap_or(0);
            text.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8_lossy(&text).into_owned();
            if read == 0 || text.contains(wanted) {
                return text;
            }
        }
    })
    .await
}

#[tokio::test]
async fn an_upgrade_to_http_2_is_ignored_and_the_connection_lives_on() {
    let service = Service::start().await;
    let mut stream = UnixStream::connect(service.socket()).await.unwrap();
    for n in 0..3 {
        let body = format!(r#"[{{:type :job/start :job-id "{n}"}}]"#);
        let request = jdk_request(&service, "POST", "/events", &body);
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_until(&mut stream, "\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    }
    let request = jdk_request(&service, "GET", "/events", "");
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "data: {:type :ping}\n\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        !answer.to_lowercase().contains("content-encoding"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_half_sent_post_is_harmless() {
    let service = Service::start().await;
    let body = "[{:type :script/end :status :success}]";
    let whole = jdk_request(&service, "POST", "/events", body);
    for cut in [
        10,
        whole.len() / 2,
        whole.len() - body.len(),
        whole.len() - 1,
    ] {
        let mut stream = UnixStream::connect(service.socket()).await.unwrap();
        stream.write_all(&whole.as_bytes()[..cut]).await.unwrap();
        drop(stream);
    }
    let answer = service.script().post("/events", body).await;
    assert_eq!(answer.status(), 202);
    assert_eq!(service.types(), ["script/end"]);
    service.stop().await;
}

#[tokio::test]
async fn a_request_that_stands_still_is_given_up() {
    let service = Service::with(Settings {
        body_idle: Duration::from_millis(50),
        ..Settings::default()
    })
    .await;
    let whole = jdk_request(&service, "POST", "/events", "[{:type :job/start}]");
    let mut stream = UnixStream::connect(service.socket()).await.unwrap();
    let half = &whole.as_bytes()[..whole.len() - 5];
    stream.write_all(half).await.unwrap();
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_before_it_comes() {
    let service = Service::with(Settings {
        body_limit: 1000,
        blob_quota: 2000,
        ..Settings::default()
    })
    .await;
    let token = service.token(Scope::script_default());
    // An archive is known by its first bytes when its type is not announced.
    for (path, media, announced, begin) in [
        ("/events", "application/edn", 1001, ""),
        ("/events", "application/json", 1_u64 << 40, ""),
        ("/result/x", "application/edn", 1001, ""),
        ("/result/x", "text/plain", 2001, ""),
        ("/artifact/x", "application/octet-stream", 2001, ""),
        ("/artifact/x", "application/edn", 1001, "{:"),
        ("/cache/x", "application/edn", 2001, "\u{1f}\u{8b}"),
    ] {
        let method = if path == "/events" { "POST" } else { "PUT" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
             content-type: {media}\r\ncontent-length: {announced}\r\n\r\n",
            token.expose_secret()
        );
        let begin: Vec<u8> = begin.chars().map(|c| u8::try_from(c).unwrap()).collect();
        let mut stream = UnixStream::connect(service.socket()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&begin).await.unwrap();
        let answer = read_until(&mut stream, "\r\n\r\n").await;
        assert!(
            answer.starts_with("HTTP/1.1 413 "),
            "{path} {media}: {answer}"
        );
    }
}

#[tokio::test]
async fn nothing_that_a_client_leaves_open_holds_up_the_end() {
    let service = Service::with(Settings {
        grace: Duration::from_millis(200),
        ..Settings::default()
    })
    .await;
    let whole = jdk_request(&service, "POST", "/events", "[{:type :job/start}]");
    let stream_request = jdk_request(&service, "GET", "/events", "");
    let mut open = Vec::new();
    for start in [
        "",
        "GET /te",
        &whole[..60],
        &whole[..whole.len() - 5],
        &stream_request,
    ] {
        let mut stream = UnixStream::connect(service.socket()).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        open.push(stream);
    }
    // The service has seen them all once it answers one that came later.
    service.script().get("/test").await;
    let socket = service.socket();
    service.stop().await;
    assert!(!socket.exists());
    for stream in &mut open {
        read_until(stream, "never").await;
    }
}

#[tokio::test]
async fn a_service_that_is_dropped_serves_nobody() {
    let service = Service::start().await;
    let mut stream = UnixStream::connect(service.socket()).await.unwrap();
    let request = jdk_request(&service, "GET", "/events", "");
    stream.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut stream, "ping").await;
    service.serving.abort();
    read_until(&mut stream, "never").await;
    assert!(UnixStream::connect(service.socket()).await.is_err());
}

/// Anything from bytes at random to events that are nearly right.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop::sample::select(vec![
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        "#{",
        "#",
        "\"",
        "\\",
        ":type",
        ":job/start",
        ":job-id",
        ":path",
        "\"a\"",
        "nil",
        "#error",
        "#inst",
        "#:a{",
        "#_",
        "^",
        "'",
        ":",
        "/",
        "1/0",
        "##Inf",
        "0x",
        " ",
        "\n",
        ",",
        ";",
        "\u{0}",
        "é",
        "\u{1F600}",
        "{:type :job/start :job-id \"a\"}",
        "{\"type\":\"job/end\"}",
        "{:path \"x\"}",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(fragment, 0..40).prop_map(|parts| parts.concat().into_bytes()),
        // Deep, and never closed.
        (0..3000_usize).prop_map(|depth| "[".repeat(depth).into_bytes()),
    ]
}

#[test]
fn malformed_bodies_never_break_the_service() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let service = runtime.block_on(Service::start());
    let script = service.script();
    let routes = [
        (Method::POST, "/events"),
        (Method::PUT, "/artifact/a/x"),
        (Method::POST, "/cache/x"),
        (Method::POST, "/decrypt-key"),
    ];
    let types = [
        "",
        "application/edn",
        "application/json",
        "application/octet-stream",
        "x",
    ];
    let mut runner = TestRunner::new(Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    });
    let cases = (bodies(), 0..routes.len(), 0..types.len());
    runner
        .run(&cases, |(body, route, kind)| {
            let (method, path) = &routes[route];
            let mut request = script.request(method, path).body(body);
            if !types[kind].is_empty() {
                request = request.header("content-type", types[kind]);
            }
            let status = runtime.block_on(send(request)).status().as_u16();
            prop_assert!(status < 500, "{method} {path}: {status}");
            Ok(())
        })
        .unwrap();
    assert_eq!(runtime.block_on(script.get("/test")).status(), 200);
}

/// Maps with the keys that bodies have, and with values that these do not have.
fn odd_maps() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "nil",
        "true",
        "-1",
        "9e999",
        "1N",
        "2.50M",
        "3/4",
        "##NaN",
        "\\a",
        "\"\"",
        "\"../x\"",
        "\"a\\u0000b\"",
        ":success",
        ":job/end",
        "sym",
        "#inst \"2026-11-23T12:00:00.000-00:00\"",
        "#error {}",
        "()",
        "#{}",
        "{}",
    ])
    .prop_map(str::to_owned);
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("({})", items.join(" "))),
            inner.clone().prop_map(|item| format!("#{{{item}}}")),
            (inner.clone(), inner).prop_map(|(key, item)| format!("{{{key} {item}}}")),
        ]
    });
    let keys = [
        "type",
        "time",
        "sid",
        "src",
        "job-id",
        "message",
        "status",
        "result",
        "jobs",
        "job",
        "path",
        "local-dir",
    ];
    prop::sample::subsequence(keys.to_vec(), 0..keys.len())
        .prop_flat_map(move |keys| {
            let values = prop::collection::vec(value.clone(), keys.len());
            (Just(keys), values)
        })
        .prop_map(|(keys, values)| {
            let pairs = keys.iter().zip(values);
            let pairs: Vec<String> = pairs
                .map(|(key, value)| format!(":{key} {value}"))
                .collect();
            format!("{{{}}}", pairs.join(" "))
        })
}

#[test]
fn edn_of_any_shape_is_answered_as_it_is_described() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let service = runtime.block_on(Service::start());
    let script = service.script();
    let mut runner = TestRunner::new(Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&odd_maps(), |body| {
            // Whatever an event holds, it fails nobody.
            let posted = runtime.block_on(script.post("/events", format!("[{body}]")));
            prop_assert_eq!(posted.status(), 202, "{}", body);
            for path in ["/artifact/a/x", "/artifact/x", "/cache/a/x", "/cache/x"] {
                let status = runtime.block_on(script.put(path, body.clone())).status();
                prop_assert!(status == 200 || status == 400, "{path} {body}: {status}");
            }
            Ok(())
        })
        .unwrap();
}
