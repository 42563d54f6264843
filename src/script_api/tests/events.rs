//! What a script posts.

use super::*;
use crate::domain::Src;

async fn post(service: &Service, body: impl Into<reqwest::Body>) -> u16 {
    service
        .script()
        .post("/events", body)
        .await
        .status()
        .as_u16()
}

#[tokio::test]
async fn a_vector_a_list_and_a_single_map_are_events() {
    let service = Service::start().await;
    for body in [
        r#"[{:type :job/start :job-id "a"}]"#,
        r#"({:type :job/start, :job-id "b"} {:type :job/start, :job-id "c"})"#,
        r#"{:type :job/start :job-id "d"}"#,
    ] {
        assert_eq!(post(&service, body).await, 202, "{body}");
    }
    assert_eq!(service.types(), ["job/start"; 4]);
}

#[tokio::test]
async fn no_events_are_fine_too() {
    let service = Service::start().await;
    for body in ["[]", "nil", "()"] {
        assert_eq!(post(&service, body).await, 202, "{body}");
    }
    assert!(service.types().is_empty());
}

#[tokio::test]
async fn an_answer_means_that_the_event_is_in_the_journal() {
    let service = Service::start().await;
    for n in 1..=50 {
        assert_eq!(
            post(&service, r#"[{:type :job/start :job-id "a"}]"#).await,
            202
        );
        assert_eq!(service.engine.journal().len(), n);
    }
}

#[tokio::test]
async fn events_belong_to_the_tokens_build_whatever_they_say() {
    let service = Service::start().await;
    let body = r#"[{:type :job/start :job-id "a" :sid ["evil" "other" "build"] :src :engine}]"#;
    assert_eq!(post(&service, body).await, 202);
    let event = &service.engine.journal().events()[0];
    assert_eq!(event.sid, Some(sid()));
    assert_eq!(event.src, Some(Src::Script));
}

#[tokio::test]
async fn what_a_script_may_not_say_is_dropped_with_one_remark_a_type() {
    let service = Service::start().await;
    let body = r#"[{:type :build/end :status :success} {:type :build/end}
                   {:type :tui/warning :message "fake"} {:type :container/end :job-id "a"}
                   {:type :job/start :job-id "a"} {:type :command/start}]"#;
    assert_eq!(post(&service, body).await, 202);
    for dropped in ["build/end", "tui/warning", "container/end", "command/start"] {
        service.warning(&format!("may not post {dropped}")).await;
    }
    let mut types = service.types();
    types.sort();
    assert_eq!(
        types,
        [
            "job/start",
            "tui/warning",
            "tui/warning",
            "tui/warning",
            "tui/warning"
        ]
    );
}

#[tokio::test]
async fn one_odd_value_costs_no_event() {
    let service = Service::start().await;
    let body = "[{:type :job/end :job-id \"a\" :result {:error #error {\n :cause \"x\"\n :via []}\n \
                :re #\"a.b\" :o #object[X 0x1 \"x\"] :f 1.0E-4 :d 100M}} 17 \"what?\"]";
    assert_eq!(post(&service, body).await, 202);
    service.warning("no events").await;
    assert!(service.types().contains(&"job/end".to_owned()));
}

#[tokio::test]
async fn a_body_that_is_no_edn_at_all_is_refused_in_a_sentence_and_remarked() {
    let service = Service::start().await;
    let answer = service.script().post("/events", "[{:type :job/start").await;
    assert_eq!(answer.status(), 400);
    let said = value(answer).await;
    assert!(
        said.get("message")
            .unwrap()
            .as_str()
            .unwrap()
            .contains("EDN")
    );
    service.warning("were refused").await;
    assert_eq!(post(&service, vec![0xff, 0xfe]).await, 400);
}

#[tokio::test]
async fn json_is_read_when_it_is_announced() {
    let service = Service::start().await;
    let request = service
        .script()
        .request(&Method::POST, "/events")
        .header("content-type", "application/json; charset=utf-8")
        .body(r#"[{"type":"job/start","jobId":"a"}]"#);
    assert_eq!(send(request).await.status(), 202);
    let event = &service.engine.journal().events()[0];
    assert_eq!(event.kind, EventKind::JobStart);
    assert_eq!(event.job_id, Some("a".into()));
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let service = Service::with(Settings {
        body_limit: 1000,
        ..Settings::default()
    })
    .await;
    assert_eq!(post(&service, " ".repeat(999) + "[").await, 400);
    assert_eq!(post(&service, " ".repeat(2000)).await, 413);
    assert_eq!(
        post(&service, "[{:type :job/start :job-id \"a\"}]").await,
        202
    );
}

#[tokio::test]
async fn megabytes_in_one_body_are_fine() {
    let service = Service::start().await;
    let text = "x".repeat(9 << 20);
    let body = format!(r#"[{{:type :job/end :job-id "a" :result {{:output "{text}"}}}}]"#);
    assert_eq!(post(&service, body).await, 202);
    assert_eq!(service.types(), ["job/end"]);
}
