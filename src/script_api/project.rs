//! `GET /repo` and `GET /org`: what is known of where a build belongs. That is what git and
//! `.monkeyci/tui.toml` say, and what a server knows besides, if one is set up for the build.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::ports::UpstreamError;

use super::Api;
use super::operation::Operation;
use super::reply::Format;
use super::shapes::{Label, Org, Repo};

/// `GET /repo`.
pub(super) async fn repo(State(api): State<Api>, format: Format) -> Response {
    let known = match api.engine().surroundings().whole_repo().await {
        Ok(known) => known,
        Err(error) => return failed(&api, format, "repository", &error),
    };
    let unknown = [
        ("name", known.name.is_none()),
        ("url", known.url.is_none()),
        ("main-branch", known.main_branch.is_none()),
        ("labels", known.labels.is_none()),
    ];
    say_unknown(&api, "repository", "repo", &unknown);
    let sid = api.engine().sid();
    let label = |(name, value): &(String, String)| Label {
        name: name.clone(),
        value: value.clone(),
    };
    format.ok(&Repo {
        id: sid.repo.clone(),
        org_id: sid.org.clone(),
        name: known.name.clone(),
        url: known.url.clone(),
        main_branch: known.main_branch.clone(),
        labels: known
            .labels
            .as_ref()
            .map(|labels| labels.iter().map(label).collect()),
    })
}

pub(super) fn repo_operation() -> Operation {
    Operation::new("get-repo", "What is known of the repository")
        .describe(
            "From git's remote and the project's `.monkeyci/tui.toml`; what they do not say, from \
             the server that is set up for the build. What nobody knows is `nil`, and a remark in \
             the journal names it.",
        )
        .error(500, "The server did not say.")
        .answers(
            200,
            "The repository.",
            &Repo {
                id: "my-app".to_owned(),
                org_id: "local".to_owned(),
                name: Some("My app".to_owned()),
                url: Some("https://git.example.com/me/my-app.git".to_owned()),
                main_branch: Some("main".to_owned()),
                labels: Some(vec![Label {
                    name: "team".to_owned(),
                    value: "core".to_owned(),
                }]),
            },
        )
}

/// `GET /org`.
pub(super) async fn org(State(api): State<Api>, format: Format) -> Response {
    let known = match api.engine().surroundings().whole_org().await {
        Ok(known) => known,
        Err(error) => return failed(&api, format, "organisation", &error),
    };
    say_unknown(
        &api,
        "organisation",
        "org",
        &[("name", known.name.is_none())],
    );
    format.ok(&Org {
        id: (known.id.clone()).unwrap_or_else(|| api.engine().sid().org.clone()),
        name: known.name.clone(),
    })
}

pub(super) fn org_operation() -> Operation {
    Operation::new("get-org", "What is known of the organisation")
        .describe(
            "From the project's `.monkeyci/tui.toml`; what it does not say, from the server that is \
             set up for the build. What nobody knows is `nil`.",
        )
        .error(500, "The server did not say.")
        .answers(
            200,
            "The organisation.",
            &Org {
                id: "local".to_owned(),
                name: None,
            },
        )
}

/// What a server did not say is told to the script and to people.
fn failed(api: &Api, format: Format, what: &str, error: &UpstreamError) -> Response {
    api.warn_once(
        None,
        format!("what the server knows of the {what} could not be had: {error}"),
    );
    format.error(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// Says once what is not known.
fn say_unknown(api: &Api, what: &str, section: &str, fields: &[(&str, bool)]) {
    let unknown: Vec<&str> = (fields.iter())
        .filter_map(|(name, unknown)| unknown.then_some(*name))
        .collect();
    if !unknown.is_empty() {
        let unknown = unknown.join(", ");
        api.warn_once(
            None,
            format!(
                "the script asks for the {what}, of which this is not known: {unknown}; \
                 [{section}] in .monkeyci/tui.toml can say it"
            ),
        );
    }
}
