//! Heads that say several things of a body's length: what is inside of one request's body must not be run
//! as the next request (request smuggling), whatever somebody in between takes for its end.

use super::*;

/// The branch of the request that is hidden.
const HIDDEN: &str = "hidden";

/// A head of a trigger with these lines, and this behind it.
fn odd(credential: &str, lines: &str, behind: &[u8]) -> Vec<u8> {
    let path = at("builds/trigger?branch=open");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: h\r\nauthorization: {credential}\r\n\
         content-type: application/json\r\n{lines}\r\n"
    );
    [head.as_bytes(), behind].concat()
}

/// Lines of a head, what is behind it before the hidden request, and what may be answered; 0: nothing, the
/// connection is closed.
const HEADS: &[(&str, &str, &[u16])] = &[
    // Both at once: chunks count, and the connection ends.
    (
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "2\r\n{}\r\n0\r\n\r\n",
        &[202, 400],
    ),
    (
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
        "2\r\n{}\r\n0\r\n\r\n",
        &[202, 400],
    ),
    (
        "Transfer-Encoding: Chunked\r\nContent-Length: 0\r\n",
        "0\r\n\r\n",
        &[400],
    ),
    // Two lengths.
    (
        "content-length: 2\r\ncontent-length: 200\r\n",
        "{}",
        &[0, 400],
    ),
    (
        "content-length: 200\r\ncontent-length: 2\r\n",
        "{}",
        &[0, 400],
    ),
    ("content-length: 2, 200\r\n", "{}", &[0, 400]),
    ("content-length: 2, 2\r\n", "{}", &[0, 400]),
    // Lengths that are none.
    ("content-length: +2\r\n", "{}", &[0, 400]),
    ("content-length: -2\r\n", "{}", &[0, 400]),
    ("content-length: 0x2\r\n", "{}", &[0, 400]),
    ("content-length: 2 0\r\n", "{}", &[0, 400]),
    ("content-length: \r\n", "", &[0, 400]),
    ("content-length: 2\u{b}\r\n", "{}", &[0, 400]),
    ("content-length: 18446744073709551618\r\n", "{}", &[0, 400]),
    // Names that are nearly one.
    ("content-length : 2\r\n", "{}", &[0, 400]),
    (" content-length: 2\r\n", "{}", &[0, 400]),
    ("content-length\u{0}: 2\r\n", "{}", &[0, 400]),
    // Folded lines.
    ("content-length:\r\n 2\r\n", "{}", &[0, 400]),
    ("x: a\r\n content-length: 2\r\n", "{}", &[0, 400]),
    (
        "x: a\r\n\ttransfer-encoding: chunked\r\n",
        "0\r\n\r\n",
        &[0, 400],
    ),
    ("transfer-encoding:\r\n chunked\r\n", "0\r\n\r\n", &[0, 400]),
    // Codings that are not just chunks.
    ("transfer-encoding: identity\r\n", "{}", &[0, 400]),
    ("transfer-encoding: xchunked\r\n", "0\r\n\r\n", &[0, 400]),
    (
        "transfer-encoding: chunked, identity\r\n",
        "0\r\n\r\n",
        &[0, 400],
    ),
    ("transfer-encoding: chunked;x\r\n", "0\r\n\r\n", &[0, 400]),
    ("transfer-encoding: \"chunked\"\r\n", "0\r\n\r\n", &[0, 400]),
    (
        "transfer-encoding: \u{b}chunked\r\n",
        "0\r\n\r\n",
        &[0, 400],
    ),
    ("transfer-encoding : chunked\r\n", "0\r\n\r\n", &[0, 400]),
    (
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "0\r\n\r\n",
        &[0, 400],
    ),
    (
        "transfer-encoding: identity, chunked\r\n",
        "0\r\n\r\n",
        &[501],
    ),
    ("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n", &[501]),
    (
        "transfer-encoding: chunked, chunked\r\n",
        "0\r\n\r\n",
        &[501],
    ),
    (
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "0\r\n\r\n",
        &[501],
    ),
    (
        "transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n",
        "0\r\n\r\n",
        &[501],
    ),
    // Chunks that are none.
    ("transfer-encoding: chunked\r\n", "0x0\r\n\r\n", &[0, 400]),
    ("transfer-encoding: chunked\r\n", "-0\r\n\r\n", &[0, 400]),
    ("transfer-encoding: chunked\r\n", " 0\r\n\r\n", &[0, 400]),
    ("transfer-encoding: chunked\r\n", "0\n\n", &[0, 400]),
    ("transfer-encoding: chunked\r\n", "0;a\n\r\n", &[0, 400]),
    (
        "transfer-encoding: chunked\r\n",
        "2\r\n{}0\r\n\r\n",
        &[0, 400],
    ),
    (
        "transfer-encoding: chunked\r\n",
        "2\r\n{}\n0\r\n\r\n",
        &[0, 400],
    ),
    (
        "transfer-encoding: chunked\r\n",
        "10000000000000002\r\n{}\r\n0\r\n\r\n",
        &[0, 400],
    ),
    ("transfer-encoding: chunked\r\n", "\r\n0\r\n\r\n", &[0, 400]),
    // Line ends that are none.
    ("x: a\rcontent-length: 2\r\n", "{}", &[0, 400]),
    ("x: a\r\r\ncontent-length: 2\r\n", "{}", &[0, 400]),
    // A promise that the body waits for leave, and one that does not.
    (
        "expect: 100-continue\r\ncontent-length: 4096\r\n",
        "",
        &[408],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_behind_an_odd_head_is_not_run() {
    let rig = Rig::with(hasty);
    let good = rig.token(Role::Run);
    // With a credential, and refused for want of one.
    for credential in [good.as_str(), "Token 0"] {
        let all = HEADS
            .iter()
            .enumerate()
            .map(async |(n, (lines, behind, expected))| {
                let hidden = trigger(&good, &format!("{HIDDEN}-{n}"));
                let bytes = odd(credential, lines, &[behind.as_bytes(), &hidden].concat());
                let answers = rig.all_to(&bytes).await;
                let found = statuses(&answers);
                let status = found.first().copied().unwrap_or_default();
                let is_refused = credential != good && status == 401;
                assert!(
                    expected.contains(&status) || is_refused,
                    "{n} {lines:?} {behind:?}: {answers}"
                );
                assert!(found.len() <= 1, "{n} {lines:?} {behind:?}: {answers}");
            });
        futures_util::future::join_all(all).await;
    }
    let ordered = rig.ordered();
    assert!(
        !ordered.iter().any(|branch| branch.starts_with(HIDDEN)),
        "{ordered:?}"
    );
    rig.is_well().await;
    rig.stop().await;
}

/// However a length is written, what it covers is the body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_a_body_is_no_request() {
    let rig = Rig::with(hasty);
    let good = rig.token(Role::Run);
    let hidden = trigger(&good, HIDDEN);
    let length = hidden.len();
    let chunk = |size: &str| [size.as_bytes(), b"\r\n", &hidden, b"\r\n0\r\n\r\n"].concat();
    let whole = format!("Content-Length: {length}\r\n");
    let zeros = format!("CONTENT-LENGTH: 000{length}\r\n");
    let twice = whole.repeat(2);
    let chunked = "Transfer-Encoding: chunked\r\n";
    let capitals = "TRANSFER-ENCODING: CHUNKED\r\n";
    let bodies: [(&str, Vec<u8>); 9] = [
        (&whole, hidden.clone()),
        (&zeros, hidden.clone()),
        (&twice, hidden.clone()),
        (chunked, chunk(&format!("{length:x}"))),
        (capitals, chunk(&format!("{length:X}"))),
        (chunked, chunk(&format!("000{length:X}"))),
        (chunked, chunk(&format!("{length:x} "))),
        (
            chunked,
            chunk(&format!("{length:x};a=\"{}\"", "b".repeat(99))),
        ),
        (
            chunked,
            [b"1\r\n{\r\n", &chunk(&format!("{length:x}"))[..]].concat(),
        ),
    ];
    let targets = [
        ("POST", "builds/trigger?branch=open", &*good, 400),
        ("POST", "builds/trigger?branch=open", "Token 0", 401),
        ("POST", "builds/trigger?branch=open", "", 401),
        ("POST", "builds/workspace/", &good, 301),
        ("POST", "builds/build-9/retry", &good, 404),
        ("POST", "nothing", &good, 404),
        ("PUT", "", &good, 301),
        ("GET", "builds", &good, 200),
        ("HEAD", "builds", &good, 405),
    ];
    let all = bodies
        .iter()
        .flat_map(|body| targets.map(|target| (body, target)));
    let all = all.map(
        async |((lines, body), (method, path, credential, expected))| {
            let path = at(path);
            let head = format!(
                "{method} {path} HTTP/1.1\r\nhost: h\r\nauthorization: {credential}\r\n\
             content-type: application/json\r\n{lines}\r\n"
            );
            let answers = rig.all_to(&[head.as_bytes(), body].concat()).await;
            assert_eq!(
                statuses(&answers),
                [expected],
                "{method} {path} {lines}: {answers}"
            );
        },
    );
    futures_util::future::join_all(all).await;
    // Unsigned deliveries are refused before their body is read.
    let hook = request("POST", "/webhook/github/x", "", &[JSON], &hidden);
    assert_eq!(statuses(&rig.all_to(&hook).await), [401]);
    assert_eq!(rig.ordered(), Vec::<String>::new());
    rig.is_well().await;
    rig.stop().await;
}

/// A connection has no credential: each request of it shows its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_request_is_not_run_as_the_one_before() {
    let rig = Rig::with(hasty);
    let (good, read) = (rig.token(Role::Run), rig.token(Role::Read));
    let large = vec![b' '; 2 << 20];
    let first = [
        (trigger(&good, "open"), 202, false),
        (
            request("POST", &at("builds/trigger"), &good, &[JSON], b"[]"),
            400,
            false,
        ),
        (
            request("POST", &at("builds/build-9/cancel"), &good, &[], b"x"),
            404,
            false,
        ),
        (request("GET", &at("builds"), &good, &[], b""), 200, false),
        // It is not read to its end, so nothing comes after it.
        (
            request("POST", &at("builds/trigger"), &good, &[JSON], &large),
            413,
            true,
        ),
    ];
    for (before, expected, is_last) in &first {
        for (credential, refused) in [("", 401), ("Token 0", 401), (read.as_str(), 403)] {
            let bytes = [&before[..], &trigger(credential, HIDDEN)].concat();
            let answers = rig.all_to(&bytes).await;
            let expected = [*expected, refused];
            let expected = if *is_last { &expected[..1] } else { &expected };
            assert_eq!(statuses(&answers), expected, "{answers}");
        }
    }
    assert!(!rig.ordered().iter().any(|branch| branch == HIDDEN));
    // The other way round: who was refused may come again with a better one.
    let bytes = [
        trigger("Token 0", "a"),
        trigger(&good, "b"),
        trigger(&read, "c"),
    ]
    .concat();
    let answers = rig.all_to(&bytes).await;
    assert_eq!(statuses(&answers), [401, 202, 403], "{answers}");
    assert!(rig.ordered().iter().any(|branch| branch == "b"));
    rig.stop().await;
}

/// Requests that name another host, or none, are for this server all the same; tunnels are not opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_no_proxy() {
    let rig = Rig::with(hasty);
    for (line, expected) in [
        ("GET http://169.254.169.254/version HTTP/1.1", &[200][..]),
        (
            "GET http://169.254.169.254/latest/meta-data HTTP/1.1",
            &[404],
        ),
        ("CONNECT 169.254.169.254:80 HTTP/1.1", &[400, 404, 405]),
        ("OPTIONS * HTTP/1.1", &[400, 404, 405]),
        ("GET //169.254.169.254/ HTTP/1.1", &[301]),
        ("GET version HTTP/1.1", &[404]),
        ("GET /version HTTP/2.0", &[0, 400, 505]),
        ("PRI * HTTP/2.0", &[0, 400, 505]),
        ("GET /version", &[0, 400]),
        ("\u{16}\u{3}\u{1}", &[0, 400]),
    ] {
        let answers = rig
            .all_to(format!("{line}\r\nhost: h\r\n\r\n").as_bytes())
            .await;
        let status = statuses(&answers).first().copied().unwrap_or_default();
        assert!(expected.contains(&status), "{line}: {answers}");
        let place = answers.lines().find(|line| line.starts_with("location: "));
        assert!(
            place.is_none_or(|place| place == "location: /169.254.169.254"),
            "{place:?}"
        );
    }
    rig.is_well().await;
    rig.stop().await;
}
