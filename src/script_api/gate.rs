//! Lets requests in: checks the token and what it allows.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;

use crate::domain::JobId;

use super::asker::named_job;
use super::{Api, Grant, Scope, TokenError, reply};

/// What a route asks of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// That it is good.
    AnyToken,
    /// That it has this scope.
    This(Scope),
    /// The same, of a token that is not a container job's: what is asked for is done in the
    /// checkout, where only the script works.
    NotForJobs(Scope),
    /// As [`Needs::This`]; and watchers are served after the build's end, too: someone who was cut
    /// off comes back for the last events.
    EvenAfterTheEnd(Scope),
}

impl Needs {
    /// The scope, if one is needed.
    pub(super) fn scope(self) -> Option<Scope> {
        match self {
            Self::AnyToken => None,
            Self::This(scope) | Self::NotForJobs(scope) | Self::EvenAfterTheEnd(scope) => {
                Some(scope)
            }
        }
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("a token is needed: Authorization: Bearer …")]
    NoToken,
    #[error(transparent)]
    Token(TokenError),
    #[error("the build is over")]
    Over,
    #[error("the job that the token is for is not at work")]
    JobOver,
    #[error("the token does not allow {0}")]
    Scope(Scope),
    #[error("a job's token moves archives only: name the artifact or cache without a job")]
    Job,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::Scope(_) | Self::Job => StatusCode::FORBIDDEN,
            Self::NoToken | Self::Token(_) | Self::Over | Self::JobOver => StatusCode::UNAUTHORIZED,
        }
    }
}

/// The middleware before every route. Handlers find the [`Grant`] among the extensions.
pub(super) async fn pass(
    State((api, needs)): State<(Api, Needs)>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    match admit(&api, needs, request.headers()) {
        Ok(grant) => {
            request.extensions_mut().insert(grant);
            next.run(request).await
        }
        Err(refusal) => {
            // A script that tries more than it may is shown to people. Old news of a build
            // that is over are not.
            if refusal != Refusal::Over {
                let (method, path) = (request.method(), request.uri().path());
                let path: String = path.chars().take(100).collect();
                let job = asking_job(&api, request.headers()).await;
                api.warn_once(job.as_ref(), format!("refused {method} {path}: {refusal}"));
            }
            refuse(refusal)
        }
    }
}

fn admit(api: &Api, needs: Needs, headers: &HeaderMap) -> Result<Grant, Refusal> {
    let token = bearer(headers).ok_or(Refusal::NoToken)?;
    let grant = api
        .keys()
        .verify(api.engine().sid(), &token)
        .map_err(Refusal::Token)?;
    let over = api.is_over() && !(matches!(needs, Needs::EvenAfterTheEnd(_)) && grant.is_watcher());
    let job_over = grant.job().is_some_and(|job| !api.engine().is_at_work(job));
    match needs.scope() {
        _ if over => Err(Refusal::Over),
        _ if job_over => Err(Refusal::JobOver),
        Some(scope) if !grant.has(scope) => Err(Refusal::Scope(scope)),
        _ if grant.job().is_some() && matches!(needs, Needs::NotForJobs(_)) => Err(Refusal::Job),
        _ => Ok(grant),
    }
}

/// The job that a refused request comes from, so that people see who it was: the one whose token
/// it has, or the one that a good token's owner names. What others say counts for nothing.
async fn asking_job(api: &Api, headers: &HeaderMap) -> Option<JobId> {
    let grant = api
        .keys()
        .verify(api.engine().sid(), &bearer(headers)?)
        .ok()?;
    match grant.job() {
        Some(job) => Some(job.clone()),
        None => named_job(api, headers).await,
    }
}

fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().into())
}

fn refuse(refusal: Refusal) -> Response {
    let mut response = reply::text(refusal.status(), format!("{refusal}\n"));
    if refusal.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            header::HeaderValue::from_static("Bearer"),
        );
    }
    response.into_response()
}
