//! More builds than may wait, and what the operator hears of those that may.

use super::*;
use crate::domain::BuildStatus;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_so_many_builds_wait_and_the_others_are_told_to_come_again() {
    let rig = Rig::with(|settings| settings.queue = 2);
    let token = rig.token(Role::Run);
    for branch in ["a", "b"] {
        assert_eq!(rig.ask(&trigger(&token, branch)).await.status, 202);
    }
    let full = |answer: &Answer| {
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.header("retry-after"), Some("60"));
        let text = answer.text();
        assert!(text.contains("as many builds wait as may: 2"), "{text}");
    };
    full(&rig.ask(&trigger(&token, "c")).await);
    full(
        &rig.ask(&request(
            "POST",
            &at("builds/build-1/retry"),
            &token,
            &[],
            b"",
        ))
        .await,
    );
    // Of a tree nothing is taken before it is known that it has to wait.
    let path = at("builds/workspace");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: h\r\nauthorization: {token}\r\ncontent-length: 1000000000\r\n\r\n"
    );
    full(&rig.ask(head.as_bytes()).await);
    assert!(!rig.server.uploads().exists());
    // A delivery that is turned away can come again.
    let (hook, secret) = make_webhook(&rig.keys(), REPO, 0).unwrap();
    let delivery = || hooks::signed(&hook, secret.expose_secret(), "d");
    full(&rig.ask(&delivery()).await);
    let cancel = request("POST", &at("builds/build-1/cancel"), &token, &[], b"");
    assert_eq!(rig.ask(&cancel).await.status, 202);
    assert_eq!(rig.ask(&delivery()).await.status, 202);
    full(&rig.ask(&trigger(&token, "e")).await);
    assert_eq!(rig.ordered(), ["a", "b", "d"]);
    let told = rig.news();
    let queued: Vec<_> = told
        .iter()
        .filter(|news| matches!(news, News::Queued { .. }))
        .collect();
    assert_eq!(queued.len(), 3, "{told:?}");
    let canceled = |news: &News| {
        matches!(
            news,
            News::Ended {
                status: BuildStatus::Canceled,
                ..
            }
        )
    };
    assert!(told.iter().any(canceled), "{told:?}");
    let turned_away = |news: &News| {
        matches!(
            news,
            News::DeliveryRefused { why, .. } if why.contains("as many builds wait")
        )
    };
    assert!(told.iter().any(turned_away), "{told:?}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_is_told_from_its_trigger_to_its_end() {
    let rig = Rig::start();
    let token = rig.token(Role::Run);
    let server = rig.server.clone();
    let working = tokio::spawn(async move { server.work().await });
    let mut changes = rig.server.board().changes();
    assert_eq!(rig.ask(&trigger(&token, "b")).await.status, 202);
    let over = async {
        while rig.server.load() != (0, 0) {
            changes.changed().await.unwrap();
        }
    };
    soon("the end of a build", over).await;
    let sid = Sid::new(ORG, REPO, "build-1");
    let told = rig.news();
    assert_eq!(
        told[0],
        News::Queued {
            sid: sid.clone(),
            source: "api".to_owned(),
            of: vec!["branch b".to_owned()],
        }
    );
    let ended = |news: &News| {
        matches!(
            news,
            News::Ended { sid: of, status: BuildStatus::Error, message: Some(why), .. }
                if *of == sid && why == "nothing is built here"
        )
    };
    assert!(ended(&told[1]) && told.len() == 2, "{told:?}");
    // It ends with the service.
    rig.stop().await;
    working.await.unwrap();
}
