//! Who is let in, on every route.

use super::*;
use crate::domain::JobId;
use crate::script_api::{TokenError, served};

/// A path of the table with its names filled in.
fn filled(path: &str) -> String {
    path.replace("{job}", "job%201")
        .replace("{id}", "some-id")
        .replace("{name}", "some-name")
}

async fn status_of(caller: &Caller, method: &Method, path: &str) -> u16 {
    let request = caller.request(method, path).body("{:path \"x\"}");
    send(request).await.status().as_u16()
}

#[tokio::test]
async fn no_route_is_open_without_a_good_token() {
    let service = Service::start().await;
    let minute = Duration::from_mins(1);
    let other_build = Sid::new("local", "repo", "build-2");
    let callers = [
        ("no token", None),
        ("nonsense", Some("nonsense".into())),
        (
            "a stranger's",
            Some(Keys::random().unwrap().mint(&sid(), &Scope::ALL, minute)),
        ),
        (
            "another build's",
            Some(service.keys.mint(&other_build, &Scope::ALL, minute)),
        ),
        (
            "an expired one",
            Some(service.keys.mint_expired(&sid(), &Scope::ALL)),
        ),
    ];
    for (what, token) in callers {
        let caller = service.caller(token.as_ref());
        for (method, path, _) in served() {
            let answer = send(caller.request(&method, &filled(path))).await;
            assert_eq!(answer.status(), 401, "{what}: {method} {path}");
            let kind = &answer.headers()["content-type"];
            assert!(kind.to_str().unwrap().starts_with("text/plain"));
            assert!(!answer.text().await.unwrap().is_empty());
        }
    }
    assert!(service.engine.journal().last_seq() > 0);
    service.warning(&TokenError::Expired.to_string()).await;
    service.warning(&TokenError::OtherBuild.to_string()).await;
}

#[tokio::test]
async fn a_token_without_the_routes_scope_is_refused_and_shown_to_people() {
    let service = Service::start().await;
    for (method, path, needed) in served() {
        let Some(needed) = needed else { continue };
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|s| *s != needed).collect();
        let caller = service.caller(Some(&service.token(&others)));
        let status = status_of(&caller, &method, &filled(path)).await;
        assert_eq!(status, 403, "{method} {path}");
        let place = format!(
            "{method} {}: the token does not allow {needed}",
            filled(path)
        );
        service.warning(&place).await;
    }
}

#[tokio::test]
async fn a_token_with_just_the_routes_scope_is_let_in() {
    for (method, path, needed) in served() {
        // A service each: one of the routes cancels the build.
        let service = Service::start().await;
        let caller = service.caller(Some(&service.token(needed.as_slice())));
        let status = status_of(&caller, &method, &filled(path)).await;
        assert!(
            status < 500 && status != 401 && status != 403,
            "{method} {path}: {status}"
        );
        service.stop().await;
    }
}

#[tokio::test]
async fn a_refusal_in_a_loop_is_told_once() {
    let service = Service::start().await;
    let caller = service.caller(None);
    for _ in 0..20 {
        assert_eq!(caller.get("/params").await.status(), 401);
    }
    service.warning("refused GET /params").await;
    assert_eq!(service.types(), ["tui/warning"]);
}

#[tokio::test]
async fn a_refusal_names_the_action_job_that_asked() {
    let service = Service::start().await;
    service.announce(r#"{:id "publish" :type :action}"#).await;
    let ask = |token: Option<&SecretString>| {
        let caller = service.caller(token);
        let request = caller.request(&Method::GET, "/secret/npm");
        request.header("MonkeyCI-Job", "publish")
    };
    let weak = service.token(&[Scope::ParamsRead]);
    assert_eq!(send(ask(Some(&weak))).await.status(), 403);
    let refused = service.warning("does not allow secrets:read").await;
    assert_eq!(refused.job_id, Some(JobId::new("publish")));
    // Who has no token may name whom it likes.
    assert_eq!(send(ask(None)).await.status(), 401);
    let refused = service.warning("a token is needed").await;
    assert_eq!(refused.job_id, None);
}

#[tokio::test]
async fn remarks_caused_by_clients_have_an_end() {
    let service = Service::start().await;
    let caller = service.caller(None);
    for n in 0..150 {
        caller.get(&format!("/artifact/{n}")).await;
    }
    // The engine takes remarks in order, so this one closes the list.
    service.engine.warn(None, "last");
    service.warning("last").await;
    assert_eq!(service.types().len(), crate::script_api::MOST_REMARKS + 1);
}

#[tokio::test]
async fn after_the_builds_end_tokens_are_refused() {
    let service = Service::start().await;
    service.engine.journal().close();
    for (method, path, _) in served() {
        let all = service.caller(Some(&service.token(Scope::script_default())));
        let status = status_of(&all, &method, &filled(path)).await;
        assert_eq!(status, 401, "{method} {path}");
    }
    assert_eq!(service.watcher().post("/cancel", "").await.status(), 401);
    assert_eq!(service.watcher().get("/events").await.status(), 200);
}

#[tokio::test]
async fn a_service_that_is_told_of_the_end_refuses_tokens_as_well() {
    let service = Service::start().await;
    assert_eq!(service.script().get("/test").await.status(), 200);
    service.api.close();
    assert_eq!(service.script().get("/test").await.status(), 401);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_not_found() {
    let service = Service::start().await;
    let script = service.script();
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/nothing"),
        (Method::DELETE, "/events"),
        (Method::PUT, "/test"),
        (Method::GET, "/artifact"),
        (Method::GET, "/artifact/a/b/c"),
        (Method::GET, "/../etc/passwd"),
    ] {
        let answer = send(script.request(&method, path)).await;
        assert_eq!(answer.status(), 404, "{method} {path}");
    }
}

#[tokio::test]
async fn both_transports_ask_for_the_same_token() {
    let service = Service::start().await;
    let over_tcp = |token: Option<&SecretString>| Caller {
        client: reqwest::Client::new(),
        base: service.tcp.clone(),
        token: token.map(|token| token.expose_secret().to_owned()),
    };
    assert_eq!(over_tcp(None).get("/test").await.status(), 401);
    let good = service.token(&[]);
    assert_eq!(over_tcp(Some(&good)).get("/test").await.status(), 200);
}

#[tokio::test]
async fn a_jobs_token_is_good_while_its_job_is_at_work_and_moves_archives_only() {
    let service = Service::start().await;
    service.announce(r#"{:id "job 1" :type :container}"#).await;
    let job = JobId::new("job 1");
    let all: Vec<Scope> = Scope::ALL.to_vec();
    let minute = Duration::from_mins(1);
    let token = service.keys.mint_for_job(&sid(), &job, &all, minute);
    let caller = service.caller(Some(&token));
    for (method, path, _) in served() {
        let status = status_of(&caller, &method, &filled(path)).await;
        assert_eq!(status, 401, "before its job is at work: {method} {path}");
    }
    service.engine.begin_for_tests(&job);
    let refused = service
        .warning("the job that the token is for is not at work")
        .await;
    assert_eq!(refused.job_id, Some(job));
    for (method, path, _) in served() {
        if path.contains("/{job}/") {
            let status = status_of(&caller, &method, &filled(path)).await;
            assert_eq!(status, 403, "{method} {path}");
        }
    }
    assert_eq!(status_of(&caller, &Method::GET, "/test").await, 200);
    assert_eq!(status_of(&caller, &Method::GET, "/cache/none").await, 204);
    // The files that a path names are the checkout's, and none of the container's.
    std::fs::write(service.checkout().join("file"), "of the checkout").unwrap();
    let by_path = caller.put("/artifact/x", r#"{:path "file"}"#).await;
    assert_eq!(by_path.status(), 400);
    let into = status_of(&caller, &Method::GET, "/artifact/x?path=file").await;
    assert_eq!(into, 400);
    let archive = super::blobs::archive_of("file", "content");
    assert_eq!(caller.put("/artifact/x", archive).await.status(), 200);
    let saved = service
        .event("what was saved", |event| {
            event.type_name() == "tui/artifact-saved"
        })
        .await;
    assert_eq!(saved.job_id, Some(JobId::new("job 1")));
}
