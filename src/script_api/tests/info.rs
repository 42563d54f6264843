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
    assert_eq!(answer.text().await.unwrap(), "{\"result\":\"ok\"}\n");
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
    assert_eq!(build.get("status"), Some(&Value::kw("pending")));
    assert_eq!(
        build.get("changes"),
        Some(&read(r#"{:added #{"new"} :modified #{} :removed #{}}"#))
    );
    let previous = build.get("previous").unwrap();
    assert_eq!(previous.get("build-id"), Some(&"build-0".into()));
    assert_eq!(previous.get("status"), Some(&Value::kw("success")));
    assert_eq!(build.get("last-success"), Some(&Value::Nil));
}

#[tokio::test]
async fn what_is_read_is_noted_once_with_the_job_it_was_read_for() {
    let service = Service::start().await;
    service
        .announce(r#"{:id "unit tests" :type :action}"#)
        .await;
    let script = service.script();
    for job in ["unit%20tests", "unit%20tests", "nobody"] {
        let asked = script
            .request(&Method::GET, "/params")
            .header("MonkeyCI-Job", job);
        assert_eq!(send(asked).await.status(), 200);
    }
    service
        .event("the note without a job", |event| {
            event.type_name() == "tui/read" && event.job_id.is_none()
        })
        .await;
    let notes: Vec<Option<JobId>> = service
        .engine
        .journal()
        .events()
        .iter()
        .filter(|event| event.type_name() == "tui/read")
        .map(|event| event.job_id.clone())
        .collect();
    assert_eq!(notes, [Some("unit tests".into()), None]);
}

#[tokio::test]
async fn a_secret_is_given_by_its_name_and_audited_without_its_value() {
    let service = Service::start().await;
    let script = service.script();
    let secret = value(script.get("/secret/npm-token").await).await;
    assert_eq!(secret.get("value"), Some(&"s3cr3t-value".into()));
    assert_eq!(script.get("/secret/other").await.status(), 404);
    let audit = service
        .event("the audit", |event| event.type_name() == "tui/read")
        .await;
    let written = crate::wire::write_event(&audit);
    assert!(
        written.contains(r#":what :secret, :name "npm-token", :by "script""#),
        "{written}"
    );
    service
        .warning("the script asks for the secret \"other\"")
        .await;
    for event in service.engine.journal().events() {
        let line = crate::wire::write_event(&event);
        assert!(!line.contains("s3cr3t-value"), "{line}");
    }
    let masked = service.engine.masks().mask("say s3cr3t-value");
    assert_eq!(masked.as_deref(), Some("say ***"));
}

#[tokio::test]
async fn what_is_not_known_of_the_project_is_nil_and_said_once() {
    let service = Service::start().await;
    let script = service.script();
    for _ in 0..2 {
        let repo = value(script.get("/repo").await).await;
        assert_eq!(repo.get("name"), Some(&"App".into()));
        assert_eq!(repo.get("url"), Some(&Value::Nil));
        let labels = read(r#"[{:name "team" :value "core"}]"#);
        assert_eq!(repo.get("labels"), Some(&labels));
    }
    let org = value(script.get("/org").await).await;
    assert_eq!(org, read(r#"{:id "local" :name nil}"#));
    service
        .warning("the organisation, of which this is not known: name")
        .await;
    service
        .warning("the repository, of which this is not known: url, main-branch")
        .await;
    let said = service
        .types()
        .iter()
        .filter(|name| *name == "tui/warning")
        .count();
    assert_eq!(said, 2);
}

#[tokio::test]
async fn a_key_is_its_own_clear_text_in_the_form_the_client_reads() {
    let service = Service::start().await;
    let script = service.script();
    let untyped = script.post("/decrypt-key", "\"a key\"").await;
    assert_eq!(untyped.text().await.unwrap(), "\"a key\"\n");
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
