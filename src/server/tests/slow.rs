//! Clients that take their time: heads and bodies that never come to their end, and answers that nobody takes.

use std::time::Duration;

use super::*;

const SHORT: Duration = Duration::from_millis(50);

fn impatient(settings: &mut Settings) {
    settings.head_time = SHORT;
    settings.body_time = SHORT;
    settings.answer_time = SHORT;
    settings.most_connections = 8;
}

/// Sends bytes one by one until the server has had enough; gives what it said.
async fn drip(rig: &Rig, begin: &[u8], byte: &[u8]) -> String {
    let (mut heard, mut wire) = rig.wire().await.split();
    let rest = tokio::spawn(async move { heard.rest().await });
    let drip = async {
        tokio::io::AsyncWriteExt::write_all(&mut wire, begin).await?;
        let mut often = tokio::time::interval(Duration::from_millis(5));
        loop {
            often.tick().await;
            tokio::io::AsyncWriteExt::write_all(&mut wire, byte).await?;
        }
    };
    let ended: std::io::Result<()> = soon("the end of a slow client", drip).await;
    assert!(ended.is_err());
    let said = soon("an answer", rest).await.unwrap();
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_do_not_come_to_their_end_are_given_up() {
    let rig = Rig::with(impatient);
    // More than there are places, and all of them wait to be thrown out.
    let mut silent = Vec::new();
    for n in 0..32 {
        let mut wire = rig.wire().await;
        let words: &[u8] = [&b""[..], b"G", b"GET /version HTTP/1.1\r\nHo"][n % 3];
        // One that was thrown out early need not be told.
        let _ = wire.send(words).await;
        silent.push(wire);
    }
    for mut wire in silent {
        let said = soon("the end of a silent connection", wire.rest()).await;
        assert!(!said.starts_with(b"HTTP/1.1 2"), "{said:?}");
    }
    let said = drip(&rig, b"GET /version HTTP/1.1\r\nx: ", b"a").await;
    assert!(!said.starts_with("HTTP/1.1 2"), "{said}");
    rig.is_well().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_do_not_come_to_their_end_are_given_up() {
    let rig = Rig::with(impatient);
    let token = rig.token(Role::Run);
    let (hook, secret) = make_webhook(&rig.keys(), REPO, 0).unwrap();
    assert!(!secret.expose_secret().is_empty());
    let hook = format!("/webhook/github/{hook}");
    for path in [at("builds/trigger"), at("builds/workspace"), hook] {
        let head = |length: &str| {
            format!(
                "POST {path} HTTP/1.1\r\nhost: h\r\nauthorization: {token}\r\n\
                 x-hub-signature-256: sha256=00\r\n{length}\r\n\r\n"
            )
        };
        for (length, begin) in [
            ("content-length: 1000000", ""),
            ("content-length: 1000000", "{"),
            ("transfer-encoding: chunked", "2\r\n{"),
        ] {
            let bytes = [head(length).as_bytes(), begin.as_bytes()].concat();
            let answer = rig.ask(&bytes).await;
            assert_eq!(answer.status, 408, "{path} {begin}: {answer:?}");
        }
        // A byte now and then is not enough.
        let said = drip(&rig, head("content-length: 1000000").as_bytes(), b"{").await;
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 408"),
            "{path}: {said}"
        );
    }
    assert_eq!(rig.ordered(), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(rig.server.uploads()).unwrap().count(), 0);
    rig.is_well().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_takes_are_given_up() {
    let rig = Rig::with(|settings| {
        impatient(settings);
        settings.most_connections = 1;
    });
    let mut wire = rig.wire().await;
    // Asked for until nothing fits any more on the way back, and nobody reads.
    let many = b"GET /auth/jwks HTTP/1.1\r\nhost: h\r\n\r\n".repeat(1000);
    let asking = async { while wire.send(&many).await.is_ok() {} };
    soon("the end of a connection", asking).await;
    rig.is_well().await;
    rig.stop().await;
}
