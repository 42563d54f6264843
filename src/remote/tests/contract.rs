//! What a real server has answered, good and bad.

use secrecy::{ExposeSecret, SecretString};

use super::*;
use crate::domain::{BuildStatus, JobId, JobStatus};
use crate::edn::{self, Value};
use crate::remote::{RemoteError, Trigger};

#[tokio::test]
async fn an_org_and_its_repos_are_read_in_every_form() {
    let server = Playback::start();
    let client = client(&server);
    let org = client.org(ORG).await.unwrap();
    assert_eq!(org.name, "Seed Org");
    assert_eq!(org.display_id.as_deref(), Some("seed-org"));
    let ids: Vec<&str> = org.repos.iter().map(|repo| repo.id.as_str()).collect();
    assert_eq!(ids, ["demo-repo", "public-repo"]);
    // Entries of an org do not say whose they are.
    assert_eq!(org.repos[0].org, ORG);
    assert!(org.repos[1].public && !org.repos[0].public);
    // Here the repos are a map.
    let orgs = client.orgs_of("SeedUserAAAAAAAAAAAAAAAA").await.unwrap();
    assert_eq!(orgs[0].repos, org.repos);
    let repo = client.repo(ORG, "demo-repo").await.unwrap();
    assert_eq!(repo, org.repos[0]);
    let user = client.user("github", "1234").await.unwrap();
    assert_eq!(user.id, "SeedUserAAAAAAAAAAAAAAAA");
    assert_eq!(user.orgs, [ORG]);
}

#[tokio::test]
async fn builds_are_read_newest_first_with_all_that_was_said() {
    let server = Playback::start();
    let client = client(&server);
    let builds = client.builds(ORG, "demo-repo").await.unwrap();
    let ids: Vec<&str> = builds.iter().map(|b| b.build_id.as_str()).collect();
    assert_eq!(ids, ["build-3", "build-2", "build-1"]);
    assert_eq!(builds[0].status, BuildStatus::Running);
    assert_eq!(builds[1].status, BuildStatus::Error);
    assert_eq!(builds[1].message.as_deref(), Some("Something failed"));
    assert_eq!(builds[2].credits, Some(1));
    assert_eq!(builds[0].git.branch.as_deref(), Some("main"));
    assert_eq!(builds[0].source.as_deref(), Some("api"));
    assert_eq!(builds[0].start, Some(1_795_458_911_751));

    let latest = client.latest(ORG, "demo-repo").await.unwrap().unwrap();
    let detail = client.build(&sid("build-3")).await.unwrap();
    assert_eq!(latest, detail);
    assert_eq!(detail.sid(), sid("build-3"));
    let jobs = detail.jobs();
    let states: Vec<(&str, &JobStatus)> = jobs
        .iter()
        .map(|job| (job.id.as_str(), &job.status))
        .collect();
    assert_eq!(
        states,
        [
            ("action", &JobStatus::Success),
            ("slow", &JobStatus::Running),
            ("gate", &JobStatus::Pending),
        ]
    );
    assert_eq!(jobs[1].commands, 1);
    let credit = detail.map.get_kw("credit-multiplier");
    assert_eq!(credit, Some(&Value::Int(1)), "nothing is lost");

    // In the raw form jobs are a map, and a repo without a build is nil.
    let recent = client.recent(ORG, None, Some(1)).await.unwrap();
    assert_eq!(recent[0].jobs().len(), 3);
    let latest = client.latest_of_org(ORG).await.unwrap();
    assert_eq!(latest.len(), 1);

    assert!(client.latest(ORG, "public-repo").await.unwrap().is_none());
    assert!(client.builds(ORG, "public-repo").await.unwrap().is_empty());
}

#[tokio::test]
async fn jobs_logs_and_artifacts_are_read() {
    let server = Playback::start();
    let client = client(&server);
    let test = JobId::new("test");
    let job = client.job(&sid("build-1"), &test).await.unwrap();
    assert_eq!(job.status, JobStatus::Success);
    assert_eq!(job.message().as_deref(), Some("all fine"));
    // This server keeps logs as files, and sends them as they are.
    let log = client
        .logs(&sid("build-1"), &test, "0_out.log")
        .await
        .unwrap();
    assert!(log.unwrap().starts_with(b"log of [\"SeedOrg"));
    let none = client.logs(&sid("build-1"), &test, "none").await.unwrap();
    assert_eq!(none, None);
    let artifacts = client.artifacts(&sid("build-1")).await.unwrap();
    assert_eq!(artifacts.len(), 1);
    assert_eq!(artifacts[0].id, "report");
    assert_eq!(artifacts[0].path.as_deref(), Some("report.txt"));
    assert!(client.artifacts(&sid("build-2")).await.unwrap().is_empty());
}

#[tokio::test]
async fn entries_of_a_log_are_put_together() {
    let server = Playback::start();
    let path = format!(
        "{}/repo/demo-repo/builds/build-1/job/a%20b/logs?file=0_out.log",
        org_path()
    );
    server.will(
        "GET",
        &path,
        Answer::edn(
            200,
            r#"{:entries [{:ts 1 :contents "line 1\npart"} {:ts "2" :contents "ial\u001b[0m\n"} {:ts 3}]}"#,
        ),
    );
    let log = client(&server)
        .logs(&sid("build-1"), &JobId::new("a b"), "0_out.log")
        .await
        .unwrap();
    assert_eq!(log.unwrap(), b"line 1\npartial\x1b[0m\n");
}

#[tokio::test]
async fn what_an_org_uses_is_read() {
    let server = Playback::start();
    let client = client(&server);
    assert!((client.credits(ORG).await.unwrap().available - 999.0).abs() < 0.001);
    let stats = client.stats(ORG, Some(1_795_400_000_000)).await.unwrap();
    assert_eq!(stats.consumed_credits, [(1_795_392_000_000, 1.0)]);
    assert_eq!(stats.period.0, Some(1_795_400_000_000));
    let names = client.param_names(ORG, "demo-repo").await.unwrap();
    assert_eq!(names, ["API_KEY"]);
    let params = client.params(ORG, "demo-repo").await.unwrap();
    assert_eq!(params[0].value.expose_secret(), "secret value");
    assert!(!format!("{params:?}").contains("secret value"));
}

#[tokio::test]
async fn a_trigger_says_in_edn_what_is_to_be_built() {
    let server = Playback::start();
    let client = client(&server);
    let trigger = Trigger {
        branch: Some("dev".to_owned()),
        commit: Some("abc".to_owned()),
        params: vec![("KEY_One".to_owned(), SecretString::from("va\"lue"))],
        ..Trigger::default()
    };
    client.trigger(ORG, "demo-repo", &trigger).await.unwrap();
    let came = server.came().pop().unwrap();
    assert_eq!(came.headers["content-type"], "application/edn");
    assert_eq!(came.headers["accept"], "application/edn");
    let expected = Value::map([
        ("branch", "dev".into()),
        ("commit-id", "abc".into()),
        (
            "params",
            Value::Map(
                [(Value::from("KEY_One"), Value::from("va\"lue"))]
                    .into_iter()
                    .collect(),
            ),
        ),
    ]);
    assert_eq!(edn::read_str(&came.body).unwrap(), expected);

    client
        .trigger(ORG, "demo-repo", &Trigger::default())
        .await
        .unwrap();
    assert_eq!(server.came().pop().unwrap().body, "{}", "a body is needed");
}

#[tokio::test]
async fn builds_are_driven_and_what_is_not_there_is_said() {
    let server = Playback::start();
    let client = client(&server);
    client.cancel(&sid("build-3")).await.unwrap();
    client.retry(&sid("build-1")).await.unwrap();
    let gate = JobId::new("gate");
    client.unblock(&sid("build-3"), &gate).await.unwrap();
    let trigger = Trigger::default();
    let refused = [
        client.cancel(&sid("build-99")).await,
        client.retry(&sid("build-99")).await,
        client.unblock(&sid("build-3"), &JobId::new("nope")).await,
        client.trigger(ORG, "nope", &trigger).await,
        client.build(&sid("build-99")).await.map(drop),
        client
            .job(&sid("build-1"), &JobId::new("nope"))
            .await
            .map(drop),
        client.repo(ORG, "nope").await.map(drop),
        client.artifacts(&sid("build-99")).await.map(drop),
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        assert!(error.is_not_found(), "{error}");
    }
    let error = client.cancel(&sid("build-99")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "POST {}/repo/demo-repo/builds/build-99/cancel found nothing: Build not found; check \
             the names of org, repo, build and job",
            org_path()
        )
    );
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let server = Playback::start();
    let error = client(&server).org("NOPE").await.unwrap_err();
    assert!(matches!(error, RemoteError::Forbidden { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("Credentials do not grant access")
    );
    let error = stranger(&server).org(ORG).await.unwrap_err();
    assert!(matches!(error, RemoteError::LoginNeeded { .. }), "{error}");
    let wrong = options(&server, Credential::Token("wrong".into()));
    let wrong = Client::new(wrong).unwrap();
    let error = wrong.org(ORG).await.unwrap_err();
    assert!(matches!(error, RemoteError::LoginRefused { .. }), "{error}");
    assert!(!error.to_string().contains("Token wrong"), "{error}");
    // What is public answers whoever asks; recorded is the form that nobody asked for.
    for client in [&wrong, &stranger(&server)] {
        let error = client.repo(ORG, "public-repo").await.unwrap_err();
        assert!(matches!(error, RemoteError::Answer { .. }), "{error}");
    }

    let mut url = server.url();
    url.push_str("/nope");
    let mut options = options(&server, Credential::None);
    options.base = BaseUrl::parse(&url).unwrap();
    let error = Client::new(options).unwrap().org("x").await.unwrap_err();
    assert!(error.to_string().contains("/nope/org/x"), "{error}");
}

#[tokio::test]
async fn the_api_is_found_with_and_without_a_version_in_its_path() {
    let server = Playback::start();
    let probe = |path: &str| {
        let mut options = options(&server, Credential::Token(TOKEN.into()));
        options.base = BaseUrl::parse(&format!("{}{path}", server.url())).unwrap();
        async move { Client::probe(options).await }
    };
    let found = probe("").await.unwrap();
    assert_eq!(found.version, "0.1.0-SNAPSHOT");
    assert_eq!(found.base.to_string(), server.url());
    server.will("GET", "/v1/version", Answer::bare(404, None));
    assert_eq!(probe("/v1/").await.unwrap().base.to_string(), server.url());

    server.will("GET", "/version", Answer::bare(404, None));
    let version = Answer::Whole(200, Vec::new(), "0.27.0".into());
    server.will("GET", "/v1/version", version);
    let found = probe("/").await.unwrap();
    assert_eq!(found.base.to_string(), format!("{}/v1", server.url()));

    // A web app answers whatever is asked with its page.
    for path in ["/app/version", "/app/v1/version"] {
        let page = Answer::Whole(200, Vec::new(), "<!doctype html><title>x</title>".into());
        server.will("GET", path, page);
    }
    let error = probe("/app").await.unwrap_err();
    assert!(matches!(error, RemoteError::NoServer { .. }), "{error}");
    for came in server.came() {
        assert!(!came.headers.contains_key("authorization"), "{came:?}");
    }
}
