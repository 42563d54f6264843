//! The table of what is served, and of what is not (public-api.md §6).

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};

use super::gate::{self, Needs};
use super::reply::{self, Format};
use super::{Server, body, builds, jobs, metrics, orgs, stream, trigger, webhook, workspace};

/// What a MonkeyCI server has and this one has not: answered 501.
pub(super) const UNSERVED: &[&str] = &[
    "/org/{org}/repo",
    "/org/{org}/repo/github/watch",
    "/org/{org}/repo/bitbucket/watch",
    "/org/{org}/repo/{repo}/github/unwatch",
    "/org/{org}/repo/{repo}/bitbucket/unwatch",
    "/org/{org}/repo/{repo}/param",
    "/org/{org}/repo/{repo}/ssh-keys",
    "/org/{org}/repo/{repo}/webhooks",
    "/org/{org}/param",
    "/org/{org}/param/{id}",
    "/org/{org}/ssh-keys",
    "/org/{org}/webhook/bitbucket",
    "/org/{org}/token",
    "/org/{org}/token/{id}",
    "/org/{org}/crypto/decrypt-key",
    "/org/{org}/stats",
    "/org/{org}/stats/{what}",
    "/org/{org}/credits",
    "/org/{org}/plan",
    "/org/{org}/plan/{what}",
    "/org/{org}/invoice",
    "/org/{org}/invoice/{*rest}",
    "/org/{org}/join-request",
    "/org/{org}/join-request/{*rest}",
    "/webhook",
    "/webhook/{id}",
    "/webhook/bitbucket/{id}",
    "/user/{*rest}",
];

/// The same, of what is open to everybody there.
pub(super) const UNSERVED_OPEN: &[&str] = &[
    "/github/{what}",
    "/bitbucket/{what}",
    "/codeberg/{what}",
    "/webhook/github",
    "/webhook/github/app",
    "/email-registration",
    "/email-registration/{*rest}",
    "/admin/{*rest}",
    "/logs/{*rest}",
];

/// All routes.
pub(super) fn router(server: &Server) -> Router {
    let gated = |needs: Needs, route: MethodRouter<Server>| {
        route.route_layer(middleware::from_fn_with_state(
            (server.clone(), needs),
            gate::pass,
        ))
    };
    let read = |route| gated(Needs::Read, route);
    let run = |route| gated(Needs::Run, route);
    let admin = |route| gated(Needs::Admin, route);
    // What may be done to an org or a repo, besides looking at it, is not served.
    let org = read(get(orgs::one)).merge(admin(unserved_changes()));
    let repo = read(get(orgs::repo)).merge(admin(unserved_changes()));
    let base = "/org/{org}/repo/{repo}";
    let build = "/org/{org}/repo/{repo}/builds/{build}";
    let at = |base: &str, rest: &str| format!("{base}{rest}");
    let mut router = Router::new()
        .route("/version", get(orgs::version))
        .route("/health", get(orgs::health))
        .route("/webhook/health", get(orgs::health))
        .route("/metrics", get(metrics::metrics))
        .route("/auth/jwks", get(orgs::jwks))
        .route("/whoami", read(get(orgs::whoami)))
        .route("/org", get(orgs::find).merge(read(post(unserved))))
        .route("/org/{org}", org)
        .route("/org/{org}/builds/recent", read(get(builds::recent)))
        .route("/org/{org}/builds/latest", read(get(builds::latest_of_all)))
        .route("/org/{org}/events", read(get(stream::of_org)))
        .route(base, repo)
        .route(&at(base, "/builds"), read(get(builds::list)))
        .route(&at(base, "/builds/latest"), read(get(builds::latest)))
        .route(&at(base, "/builds/trigger"), run(post(trigger::trigger)))
        .route(&at(base, "/builds/workspace"), run(post(workspace::build)))
        .route(build, read(get(builds::one)))
        .route(&at(build, "/retry"), run(post(trigger::retry)))
        .route(&at(build, "/cancel"), run(post(trigger::cancel)))
        .route(&at(build, "/events"), read(get(stream::of_build)))
        .route(&at(build, "/job/{job}"), read(get(jobs::one)))
        .route(
            &at(build, "/job/{job}/unblock"),
            run(post(trigger::unblock)),
        )
        .route(&at(build, "/job/{job}/logs"), read(get(jobs::log)))
        .route(&at(build, "/artifact"), read(get(jobs::artifacts)))
        .route(&at(build, "/artifact/{id}"), read(get(jobs::artifact)))
        .route(
            &at(build, "/artifact/{id}/download"),
            read(get(jobs::download)),
        )
        .route("/webhook/github/{id}", post(webhook::github));
    for path in UNSERVED {
        // All methods are a fallback, which a layer of routes does not reach.
        let gate = middleware::from_fn_with_state((server.clone(), Needs::Read), gate::pass);
        router = router.route(path, any(unserved).layer(gate));
    }
    for path in UNSERVED_OPEN {
        router = router.route(path, any(unserved));
    }
    router
        .fallback(not_found)
        .layer(middleware::from_fn(manners))
        .with_state(server.clone())
}

fn unserved_changes() -> MethodRouter<Server> {
    axum::routing::put(unserved).delete(unserved)
}

async fn unserved(format: Format) -> Response {
    format.unserved()
}

async fn not_found() -> Response {
    reply::absent()
}

/// What holds for every request: its body is neither packed nor in a coding but chunks, a slash at the
/// end is too much, and `HEAD` is not served.
async fn manners(request: Request<Body>, next: Next) -> Response {
    if let Some(refusal) = body::refuse_codings(request.headers()) {
        return refusal;
    }
    let path = request.uri().path();
    if path.len() > 1 && path.ends_with('/') {
        // Not to another host: `//elsewhere/` is no path of ours.
        let path = format!("/{}", path.trim_matches('/'));
        let query = request.uri().query().map(|query| format!("?{query}"));
        let place = path + &query.unwrap_or_default();
        return (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, place)]).into_response();
    }
    if request.method() == Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    next.run(request).await
}
