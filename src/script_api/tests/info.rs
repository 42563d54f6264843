//! Parameters, the build, keys, the workspace, and the controls.

use super::*;
use crate::domain::JobId;

#[tokio::test]
async fn test_answers_in_both_encodings() {
    let service = Service::start().await;
    let script = service.script();
    assert_eq!(
        value(script.get("/test").await).await,
        read(r#"{:result "ok"}"#)
    );
    let json = script
        .request(&Method::GET, "/test")
        .header("accept", "application/json");
    let answer = send(json).await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.text().await.unwrap(), r#"{"result":"ok"}"#);
}

#[tokio::test]
async fn params_are_a_list_of_maps() {
    let service = Service::start().await;
    let params = value(service.script().get("/params").await).await;
    assert_eq!(
        params,
        read(r#"({:name "user" :value "a \"quoted\" secret"})"#)
    );
}

#[tokio::test]
async fn build_says_what_is_known_of_the_build() {
    let service = Service::start().await;
    let build = value(service.script().get("/build").await).await;
    assert_eq!(build.get("build-id"), Some(&"build-1".into()));
}

#[tokio::test]
async fn a_key_is_its_own_clear_text_in_the_form_the_client_reads() {
    let service = Service::start().await;
    let script = service.script();
    let untyped = script.post("/decrypt-key", "\"a key\"").await;
    assert_eq!(untyped.text().await.unwrap(), "\"a key\"");
    let typed = script
        .request(&Method::POST, "/decrypt-key")
        .header("content-type", "application/edn")
        .body("\"a key\"");
    assert_eq!(send(typed).await.text().await.unwrap(), "a key");
    let bare = script.post("/decrypt-key", "AAEC+/=").await;
    assert_eq!(bare.text().await.unwrap(), "AAEC+/=");
    assert_eq!(script.post("/decrypt-key", vec![0xff]).await.status(), 400);
}

#[tokio::test]
async fn the_workspace_is_streamed_and_204_when_there_is_none() {
    let service = Service::start().await;
    let script = service.script();
    assert_eq!(script.get("/workspace").await.status(), 204);
    let bytes = vec![7; 3 << 20];
    service
        .blobs
        .put(
            &BlobKey::workspace(&sid()),
            Box::pin(std::io::Cursor::new(bytes.clone())),
        )
        .await
        .unwrap();
    let answer = script.get("/workspace").await;
    assert_eq!(answer.headers()["content-type"], "application/octet-stream");
    assert_eq!(answer.bytes().await.unwrap(), bytes);
}

#[tokio::test]
async fn a_watcher_cancels_the_build() {
    let service = Service::start().await;
    assert_eq!(service.watcher().post("/cancel", "").await.status(), 202);
    assert_eq!(service.types(), ["build/canceled"]);
}

#[tokio::test]
async fn a_watcher_approves_jobs_by_their_ids() {
    let service = Service::start().await;
    let watcher = service.watcher();
    service
        .announce(r#"{:id "a b" :type :container} {:id "c" :type :container}"#)
        .await;
    let blocked = r#"[{:type :job/blocked :job-id "a b"} {:type :job/blocked :job-id "c"}]"#;
    service.script().post("/events", blocked).await;
    assert_eq!(watcher.post("/unblock/a%20b", "").await.status(), 202);
    let unblocked = |id: &'static str| {
        move |event: &Event| {
            event.kind == EventKind::JobUnblocked && event.job_id == Some(JobId::from(id))
        }
    };
    service.event("a b unblocked", unblocked("a b")).await;
    assert_eq!(watcher.post("/unblock", "").await.status(), 202);
    service.event("c unblocked", unblocked("c")).await;

    let typo = watcher.post("/unblock/nobody", "").await;
    assert_eq!(typo.status(), 404);
    let said = value(typo).await;
    assert!(
        said.get("message")
            .unwrap()
            .as_str()
            .unwrap()
            .contains("nobody")
    );
}

#[tokio::test]
async fn a_job_is_approved_ahead_but_not_once_it_may_run() {
    let service = Service::start().await;
    let watcher = service.watcher();
    service
        .announce(r#"{:id "later" :type :container} {:id "gone" :type :container}"#)
        .await;
    assert_eq!(watcher.post("/unblock/later", "").await.status(), 202);
    let queued = r#"[{:type :job/queued :job-id "gone"}]"#;
    service.script().post("/events", queued).await;
    for end in ["", r#"[{:type :job/end :job-id "gone" :status :success}]"#] {
        if !end.is_empty() {
            service.script().post("/events", end).await;
        }
        let answer = watcher.post("/unblock/gone", "").await;
        assert_eq!(answer.status(), 409);
        let said = value(answer).await;
        assert_eq!(said.get("message"), Some(&"job gone is not blocked".into()));
    }
}
