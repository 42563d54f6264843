//! What a script asks, as calls of a client.

use secrecy::ExposeSecret;

use super::*;
use crate::ports::Upstream;
use crate::remote::forward::{Cached, OfServer, Whose};

fn whose(repo: Option<&str>, url: Option<&str>, typed: bool) -> Whose {
    Whose {
        org: ORG.to_owned(),
        repo: repo.map(str::to_owned),
        typed,
        url: url.map(str::to_owned),
    }
}

fn forward(server: &Playback, whose: Whose) -> Cached {
    let of_server = OfServer::new(client(server), whose, |one, other| one == other);
    Cached::new(std::sync::Arc::new(of_server))
}

/// The URL of a repo of the recorded org.
async fn recorded_url(server: &Playback) -> String {
    let org = client(server).org(ORG).await.unwrap();
    let repo = org.repos.iter().find(|repo| repo.id == "demo-repo");
    repo.unwrap().url.clone().unwrap()
}

#[tokio::test]
async fn a_repo_is_found_by_the_url_of_the_checkout_or_by_its_name_with_it() {
    let server = Playback::start();
    let url = recorded_url(&server).await;
    for repo in [None, Some("demo-repo")] {
        let known = forward(&server, whose(repo, Some(&url), false));
        assert_eq!(known.repo().await.unwrap().url.as_deref(), Some(&*url));
        let org = known.org().await.unwrap();
        assert_eq!(org.id.as_deref(), Some(ORG));
    }
    let typed = forward(&server, whose(Some("demo-repo"), None, true));
    typed.repo().await.unwrap();
}

#[tokio::test]
async fn a_repo_of_another_url_is_none_unless_it_was_typed() {
    let server = Playback::start();
    let said = async |whose: Whose| forward(&server, whose).params().await.unwrap_err().reason;
    for url in [None, Some("https://elsewhere.example/x")] {
        let text = said(whose(Some("demo-repo"), url, false)).await;
        assert!(text.contains("has another URL for that"), "{text}");
        let text = said(whose(None, url, false)).await;
        assert!(text.contains("no repo of the org"), "{text}");
    }
    let text = said(whose(Some("nope"), None, true)).await;
    assert!(text.contains("has no repo \"nope\""), "{text}");
    // Nothing was asked but which repos there are.
    assert!(
        server
            .lines()
            .iter()
            .all(|line| line == &format!("GET {}", org_path()))
    );
}

#[tokio::test]
async fn a_key_is_decrypted_with_the_key_of_the_org() {
    let server = Playback::start();
    let path = format!("{}/crypto/decrypt-key", org_path());
    server.will("POST", &path, Answer::edn(200, "{:key \"AAECAw==\"}"));
    let known = forward(&server, whose(Some("demo-repo"), None, true));
    for _ in 0..3 {
        let key = known.decrypt_key("c2VhbGVk").await.unwrap();
        assert_eq!(key.expose_secret(), "AAECAw==");
    }
    let asked = server.came();
    let posts: Vec<_> = asked.iter().filter(|came| came.method == "POST").collect();
    assert_eq!(posts.len(), 1);
    assert!(posts[0].body.contains("c2VhbGVk"), "{:?}", posts[0].body);
}
