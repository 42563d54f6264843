//! Bodies that are not what they should be: packed, nested, large, far too many of something.

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// Nothing is unpacked that somebody says is packed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packed_bodies_are_refused_as_such() {
    let rig = Rig::start();
    let token = rig.token(Role::Run);
    let (hook, _) = make_webhook(&rig.keys(), REPO, 0).unwrap();
    let hook = format!("/webhook/github/{hook}");
    let bomb = gzip(&vec![b' '; 64 << 20]);
    for path in [
        at("builds/trigger"),
        at("builds/workspace"),
        hook,
        "/version".to_owned(),
    ] {
        for coding in [
            "gzip",
            "GZIP",
            "x-gzip",
            "zstd",
            "br",
            "deflate",
            "identity, gzip",
            "nonsense",
        ] {
            let headers = [
                JSON,
                ("content-encoding", coding),
                ("x-hub-signature-256", "sha256=00"),
            ];
            let answer = rig
                .ask(&request("POST", &path, &token, &headers, &bomb))
                .await;
            assert_eq!(answer.status, 415, "{path} {coding}: {answer:?}");
            assert_eq!(answer.header("accept-encoding"), Some("identity"));
        }
    }
    // Not said to be packed, it is what it looks like: nothing that can be read.
    let answer = rig
        .ask(&request(
            "POST",
            &at("builds/trigger"),
            &token,
            &[JSON],
            &bomb,
        ))
        .await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let plain = [JSON, ("content-encoding", "identity")];
    let answer = rig
        .ask(&request(
            "POST",
            &at("builds/trigger"),
            &token,
            &plain,
            b"{}",
        ))
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(rig.ordered().len(), 1);
    rig.is_well().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_without_a_bottom_are_refused() {
    let rig = Rig::start();
    let token = rig.token(Role::Run);
    for (kind, opening) in [
        (EDN, "["),
        (EDN, "("),
        (EDN, "{:a "),
        (EDN, "{:params {:a "),
        (EDN, "#{"),
        (EDN, "#a "),
        (EDN, "#_"),
        (EDN, "^{"),
        (EDN, "#:a{:b "),
        (JSON, "["),
        (JSON, "{\"a\":"),
        (JSON, "{\"params\":{\"a\":"),
    ] {
        for times in [200, 1 << 10, (1 << 20) / opening.len()] {
            let body = opening.repeat(times);
            let bytes = request(
                "POST",
                &at("builds/trigger"),
                &token,
                &[kind],
                body.as_bytes(),
            );
            let answer = rig.ask(&bytes).await;
            assert_eq!(answer.status, 400, "{opening} {times}: {answer:?}");
        }
    }
    assert_eq!(rig.ordered(), Vec::<String>::new());
    rig.is_well().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_of_something_are_taken_or_refused_and_do_no_harm() {
    let rig = Rig::start();
    let token = rig.token(Role::Run);
    let path = at("builds/trigger");
    // As many parameters as fit into a body, and names that all look alike.
    let params: Vec<String> = (0..60_000).map(|n| format!("\"p{n}\":\"\"")).collect();
    let body = format!("{{\"params\":{{{}}}}}", params.join(","));
    let answer = rig
        .ask(&request("POST", &path, &token, &[JSON], body.as_bytes()))
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let params: Vec<String> = (0..60_000).map(|n| format!(":p{n} \"\"")).collect();
    let body = format!("{{:params {{{}}}}}", params.join(" "));
    let answer = rig
        .ask(&request("POST", &path, &token, &[EDN], body.as_bytes()))
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    // The same key again and again.
    let body = format!("{{{}}}", ":branch \"b\" ".repeat(50_000));
    let answer = rig
        .ask(&request("POST", &path, &token, &[EDN], body.as_bytes()))
        .await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let many_keys: Vec<String> = (0..6_000).map(|n| format!("a{n}=b&")).collect();
    for (query, expected) in [
        ("&".repeat(40_000), &[202][..]),
        ("branch=b&".repeat(5_000), &[400]),
        (many_keys.concat(), &[202]),
        ("%00".repeat(10_000), &[202, 400]),
        (format!("branch={}", "b".repeat(60_000)), &[400]),
        ("a".repeat(200_000), &[414, 431]),
    ] {
        let path = format!("{path}?{query}");
        let answer = rig
            .ask(&request("POST", &path, &token, &[JSON], b"{}"))
            .await;
        let start: String = query.chars().take(20).collect();
        assert!(expected.contains(&answer.status), "{start}: {answer:?}");
    }
    rig.is_well().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_without_an_end_are_refused() {
    let rig = Rig::start();
    let token = rig.token(Role::Run);
    let long = "a".repeat(200_000);
    let many: Vec<(String, &str)> = (0..200).map(|n| (format!("x-{n}"), "a")).collect();
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    let get = |path: &str, headers: &[(&str, &str)]| request("GET", path, &token, headers, b"");
    for (bytes, expected) in [
        (get("/version", &[("x", &long)]), &[431][..]),
        (get("/version", &[(&long, "x")]), &[400, 431]),
        (get("/version", &many), &[431]),
        (get(&format!("/{long}"), &[]), &[414, 431]),
        (get(&format!("/version?{long}"), &[]), &[414, 431]),
        (request(&long, "/version", &token, &[], b""), &[400, 431]),
        (
            request("GET", "/org/acme", &format!("Token {long}"), &[], b""),
            &[431],
        ),
    ] {
        let answer = rig.ask(&bytes).await;
        assert!(expected.contains(&answer.status), "{answer:?}");
    }
    // What fits is a token that is not good.
    let long = format!("Token {}", "a".repeat(30_000));
    let answer = rig.ask(&request("GET", "/org/acme", &long, &[], b"")).await;
    assert_eq!(answer.status, 401);
    rig.is_well().await;
    rig.stop().await;
}
