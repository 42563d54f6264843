//! What is asked of the server that is set up for a build.

use super::*;
use crate::ports::{Upstream, UpstreamError};

/// Knows one repository and decrypts one key, with a credential of its own.
#[derive(Debug)]
struct Server {
    /// Says so instead of answering.
    refuses: Option<&'static str>,
    asked: Mutex<Vec<String>>,
}

impl Server {
    fn answer<T: Send + 'static>(
        &self,
        what: &str,
        answer: T,
    ) -> BoxFuture<'_, Result<T, UpstreamError>> {
        self.asked.lock().unwrap().push(what.to_owned());
        std::future::ready(match self.refuses {
            Some(why) => Err(UpstreamError::new(why)),
            None => Ok(answer),
        })
        .boxed()
    }
}

impl Upstream for Server {
    fn params(&self) -> BoxFuture<'_, Result<Vec<Param>, UpstreamError>> {
        self.answer("params", Vec::new())
    }

    fn repo(&self) -> BoxFuture<'_, Result<RepoInfo, UpstreamError>> {
        let repo = RepoInfo {
            name: Some("Of the server".to_owned()),
            url: Some("https://h.org/app".to_owned()),
            main_branch: Some("trunk".to_owned()),
            labels: Some(Vec::new()),
        };
        self.answer("repo", repo)
    }

    fn org(&self) -> BoxFuture<'_, Result<OrgInfo, UpstreamError>> {
        let org = OrgInfo {
            id: Some("acme".to_owned()),
            name: Some("Acme".to_owned()),
        };
        self.answer("org", org)
    }

    fn decrypt_key<'a>(
        &'a self,
        encrypted: &'a str,
    ) -> BoxFuture<'a, Result<SecretString, UpstreamError>> {
        self.answer(&format!("key {encrypted}"), "the-clear-key".into())
    }
}

async fn with_server(refuses: Option<&'static str>) -> (Service, Arc<Server>) {
    let server = Arc::new(Server {
        refuses,
        asked: Mutex::default(),
    });
    let surroundings = Surroundings {
        upstream: Some(Arc::clone(&server) as Arc<dyn Upstream>),
        ..surroundings()
    };
    let service = Service::within(Settings::default(), surroundings).await;
    (service, server)
}

#[tokio::test]
async fn what_is_known_here_goes_before_what_the_server_knows() {
    let (service, server) = with_server(None).await;
    let repo = value(service.script().get("/repo").await).await;
    assert_eq!(repo.get("name"), Some(&"App".into()));
    assert_eq!(repo.get("main-branch"), Some(&"trunk".into()));
    assert_eq!(repo.get("url"), Some(&"https://h.org/app".into()));
    let org = value(service.script().get("/org").await).await;
    assert_eq!(org, read(r#"{:id "acme" :name "Acme"}"#));
    assert_eq!(*server.asked.lock().unwrap(), ["repo", "org"]);
    let remarks = service.engine.journal().events();
    let unknown = |event: &&Arc<Event>| {
        event
            .message
            .as_deref()
            .is_some_and(|m| m.contains("not known"))
    };
    assert_eq!(remarks.iter().find(unknown), None);
}

#[tokio::test]
async fn a_key_is_decrypted_by_the_server_and_never_printed() {
    let (service, server) = with_server(None).await;
    let script = service.script();
    let untyped = script.post("/decrypt-key", "\"AAEC+/=\"").await;
    assert_eq!(untyped.text().await.unwrap().trim(), "\"the-clear-key\"");
    let typed = script
        .request(&Method::POST, "/decrypt-key")
        .header("content-type", "application/edn")
        .body("\"AAEC+/=\"");
    assert_eq!(send(typed).await.text().await.unwrap(), "the-clear-key");
    let asked = server.asked.lock().unwrap().clone();
    assert_eq!(asked, ["key AAEC+/=", "key AAEC+/="]);
    let masked = service.engine.masks().mask("it is the-clear-key").unwrap();
    assert!(!masked.contains("the-clear-key"));
    service
        .event("the audit", |event| event.type_name() == "tui/read")
        .await;
    let long = script.post("/decrypt-key", "x".repeat(5000)).await;
    assert_eq!(long.status(), 400);
    assert_eq!(server.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn why_the_server_did_not_answer_is_the_scripts_error() {
    let why = "the credential does not allow it";
    let (service, _) = with_server(Some(why)).await;
    let script = service.script();
    for answer in [
        script.get("/repo").await,
        script.get("/org").await,
        script.post("/decrypt-key", "AAEC").await,
    ] {
        assert_eq!(answer.status(), 500);
        let text = answer.text().await.unwrap();
        assert!(text.contains(why), "{text}");
    }
    // People are told too.
    let told = |event: &Event| {
        let message = event.message.as_deref().unwrap_or_default();
        message.contains("a key could not be decrypted") && message.contains(why)
    };
    service.event("the remark", told).await;
}
