//! Clients that take their time: heads and bodies that never come to their end.

use std::time::Duration;

use monkeyci_tui::script_api::Settings;

use super::*;

const CLIENTS: usize = 300;

fn impatient() -> Setup {
    Setup {
        settings: Settings {
            head_time: Duration::from_millis(500),
            body_idle: Duration::from_millis(500),
            most_connections: 100,
            ..Settings::default()
        },
        ..Setup::default()
    }
}

/// Sends a text a byte at a time until the service has had enough; gives what it said.
async fn drip(rig: &Rig, transport: Transport, text: Vec<u8>) -> Vec<u8> {
    let Ok(mut wire) = Wire::try_open(rig, transport).await else {
        return Vec::new();
    };
    let mut often = tokio::time::interval(Duration::from_millis(100));
    for byte in text {
        often.tick().await;
        if wire.send(&[byte]).await.is_err() {
            break;
        }
    }
    wire.rest().await
}

/// More slow clients than there are places, of all kinds, and others are served meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_given_up_and_others_are_served() {
    for transport in [Transport::Tcp, Transport::Unix] {
        let mut rig = rig(impatient()).await;
        let token = rig.script_token();
        let head = |rest: &str| {
            let head = format!("POST /events HTTP/1.1\r\nhost: localhost\r\n{rest}");
            head.into_bytes()
        };
        let mut silent = Vec::new();
        for n in 0..CLIENTS {
            // Some never say a word; some stop within the head, with a good token or without.
            let words = match n % 3 {
                0 => Vec::new(),
                1 => b"P".to_vec(),
                _ => head(&format!("authorization: Bearer {token}\r\n")),
            };
            // Whoever waits longest has to leave for who comes.
            if let Ok(mut wire) = Wire::try_open(&rig, transport).await
                && wire.send(&words).await.is_ok()
            {
                silent.push(wire);
            }
        }
        is_well(&rig).await;
        let dripping = futures_util::future::join_all((0..20).map(|_| {
            let request =
                head("content-length: 1000\r\nx-long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
            drip(&rig, transport, request)
        }));
        let said = soon("the end of slow heads", dripping).await;
        assert!(
            said.iter().all(|said| !said.starts_with(b"HTTP/1.1 2")),
            "{said:?}"
        );
        is_well(&rig).await;
        // A body that stands still is refused with a word.
        let mut half = Wire::open(&rig, transport).await;
        let words = head(&format!(
            "authorization: Bearer {token}\r\ncontent-length: 100\r\n\r\n[{{"
        ));
        let answer = half.ask(&words).await;
        assert_eq!(answer.status, 408, "{answer:?}");
        // Those that began a head are gone by now.
        let gone = async {
            for (n, wire) in silent.iter_mut().enumerate() {
                if n % 3 != 0 {
                    wire.rest().await;
                }
            }
        };
        soon("the end of half heads", gone).await;
        is_well(&rig).await;
        rig.exit(0).await;
        rig.stop().await;
    }
}
