//! `GET /secret/{name}`: one credential at a time, and the journal says who has read it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use secrecy::ExposeSecret;

use super::Api;
use super::asker::Asker;
use super::extract::InPath;
use super::operation::Operation;
use super::reply::Format;
use super::shapes::Secret;

pub(super) async fn get(
    State(api): State<Api>,
    asker: Asker,
    format: Format,
    InPath(name): InPath<String>,
) -> Response {
    match api.engine().surroundings().secrets.get(&name).await {
        Ok(Some(value)) => {
            let value = value.expose_secret();
            // Before anybody can print it.
            api.engine().masks().add([value]);
            api.note_read(&asker, "secret", Some(&name));
            format.ok(&Secret {
                name,
                value: value.to_owned(),
            })
        }
        Ok(None) => {
            let shown: String = name.chars().take(100).collect();
            api.warn_once(
                asker.job.as_ref(),
                format!(
                    "the script asks for the secret {shown:?}, and there is none of that name: \
                     --secret NAME or --secrets-file FILE gives it one"
                ),
            );
            format.error(StatusCode::NOT_FOUND, "there is no secret of that name")
        }
        Err(reason) => {
            api.warn_once(None, format!("a secret could not be had: {reason}"));
            format.error(StatusCode::INTERNAL_SERVER_ERROR, reason)
        }
    }
}

pub(super) fn get_operation() -> Operation {
    Operation::new("get-secret", "A named credential")
        .describe("Who has read which one is in the build's journal; its value never is.")
        .path("name", "The credential's name.", "npm-token")
        .asker()
        .answers(
            200,
            "The credential.",
            &Secret {
                name: "npm-token".to_owned(),
                value: "not a real one".to_owned(),
            },
        )
        .error(404, "There is no credential of that name.")
        .error(500, "The credential could not be had.")
}
