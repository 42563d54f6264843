//! Named results: values and files, of this build and of the one before.

use super::*;
use crate::domain::JobId;

#[tokio::test]
async fn a_value_is_read_as_edn_or_json_whatever_it_came_as() {
    let service = Service::start().await;
    let script = service.script();
    let stored = value(
        script
            .put("/result/a%20b", "{:lines 93.5, :files [\"x\"]}")
            .await,
    )
    .await;
    assert_eq!(stored.get("name"), Some(&"a b".into()));
    assert_eq!(stored.get("media-type"), Some(&"application/edn".into()));
    let json = script
        .request(&Method::PUT, "/result/from-json")
        .header("content-type", "application/json; charset=utf-8")
        .body(r#"{"someKey": [1, null]}"#);
    assert_eq!(send(json).await.status(), 200);

    assert_eq!(
        value(script.get("/result/a%20b").await).await,
        read("{:lines 93.5 :files [\"x\"]}")
    );
    // Its keys are somebody's names, not ours.
    assert_eq!(
        value(script.get("/result/from-json").await).await,
        read(r#"{"someKey" [1 nil]}"#)
    );
    for (name, text) in [
        ("a%20b", r#"{"lines":93.5,"files":["x"]}"#),
        ("from-json", r#"{"someKey":[1,null]}"#),
    ] {
        let wish = script
            .request(&Method::GET, &format!("/result/{name}"))
            .header("accept", "application/json");
        let answer = send(wish).await.text().await.unwrap();
        assert_eq!(answer.trim_end(), text);
    }
    let saved = service
        .event("the note", |event| event.type_name() == "tui/result-saved")
        .await;
    assert!(
        matches!(&saved.kind, EventKind::Tui(TuiEvent::ResultSaved { name, .. }) if name == "a b")
    );
}

#[tokio::test]
async fn a_file_comes_back_as_it_was() {
    let service = Service::start().await;
    service.announce(r#"{:id "docs" :type :action}"#).await;
    let script = service.script();
    let bytes: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    let put = script
        .request(&Method::PUT, "/result/report")
        .header("content-type", "text/html")
        .header("MonkeyCI-Job", "docs")
        .body(bytes.clone());
    let stored = value(send(put).await).await;
    assert_eq!(stored.get("size"), Some(&Value::Int(200_000)));
    assert_eq!(stored.get("job-id"), Some(&"docs".into()));
    let answer = script.get("/result/report").await;
    assert_eq!(answer.headers()["content-type"], "text/html");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.bytes().await.unwrap(), bytes);
    let saved = service
        .event("the note", |event| event.type_name() == "tui/result-saved")
        .await;
    assert_eq!(saved.job_id, Some(JobId::new("docs")));
    let listed = value(script.get("/result").await).await;
    let names: Vec<_> = listed
        .as_seq()
        .unwrap()
        .iter()
        .map(|r| r.get("name"))
        .collect();
    assert_eq!(names, [Some(&"report".into())]);
}

#[tokio::test]
async fn a_result_that_is_not_there_is_nothing_and_a_bad_one_is_refused() {
    let service = Service::start().await;
    let script = service.script();
    for path in [
        "/result/none",
        "/result/none?of=previous",
        "/result/x?of=last-success",
    ] {
        assert_eq!(script.get(path).await.status(), 204, "{path}");
    }
    assert_eq!(script.get("/result/none?of=next").await.status(), 400);
    assert_eq!(script.put("/result/bad", "{:a").await.status(), 400);
    let long = format!("/result/{}", "x".repeat(2000));
    assert_eq!(script.put(&long, "1").await.status(), 400);
    assert_eq!(value(script.get("/result").await).await, read("[]"));
}

#[tokio::test]
async fn results_of_the_build_before_are_read_and_that_is_noted() {
    let service = Service::start().await;
    let script = service.script();
    let before = Sid::new("local", "repo", "build-0");
    let key = BlobKey::result(&before, "old");
    let content = Box::pin(std::io::Cursor::new(b"application/edn\n42".to_vec()));
    service.blobs.put(&key, content).await.unwrap();
    assert_eq!(
        value(script.get("/result/old?of=previous").await).await,
        Value::Int(42)
    );
    let listed = value(script.get("/result?of=previous").await).await;
    assert_eq!(listed.as_seq().unwrap()[0].get("name"), Some(&"old".into()));
    let note = service
        .event("the note", |event| event.type_name() == "tui/read")
        .await;
    let written = crate::wire::write_event(&note);
    assert!(written.contains("old of build-0"), "{written}");
}
