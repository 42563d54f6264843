//! Everything that the script API serves, in one table.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::gate::{self, Needs};
use super::operation::Operation;
use super::{Api, Scope, blobs, events, info, openapi, project, reply, results, secrets};
use crate::domain::BlobKind::{Artifact, Cache};
use blobs::operations as ops;

/// One line of the table.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: Method,
    /// `{name}` stands for one percent-encoded segment.
    pub(super) path: &'static str,
    /// What the token must allow.
    pub(super) needs: Needs,
    handler: MethodRouter<Api>,
    /// What the handler does, for the OpenAPI document.
    pub(super) operation: fn() -> Operation,
}

/// The table. Paths and shapes: script-api.md §4 (flavour A), §5 (flavour B) and, below the
/// line, what we have added (decisions.md, "Script API additions").
#[rustfmt::skip]
pub(super) fn table() -> Vec<Route> {
    use Needs::{AnyToken, EvenAfterTheEnd, NotForJobs, This};
    use Scope::{ArtifactsRead, ArtifactsWrite, BuildControl, BuildRead, CachesRead, CachesWrite,
        EventsRead, EventsWrite, KeysDecrypt, ParamsRead, RepoRead, ResultsRead, ResultsWrite, SecretsRead,
        WorkspaceRead};
    let (get, put, post) = (Method::GET, Method::PUT, Method::POST);
    vec![
        route(&get,  "/test",                AnyToken,                    info::test,                     info::test_operation),
        route(&get,  "/params",              This(ParamsRead),            info::params,                   info::params_operation),
        route(&post, "/events",              This(EventsWrite),           events::post,                   events::post_operation),
        route(&get,  "/events",              EvenAfterTheEnd(EventsRead), events::stream,                 events::stream_operation),
        route(&get,  "/workspace",           This(WorkspaceRead),         info::workspace,                info::workspace_operation),
        route(&post, "/decrypt-key",         This(KeysDecrypt),           info::decrypt_key,              info::decrypt_key_operation),
        // The script library saves with POST, the protocol says PUT (README, trap 1).
        route(&put,  "/artifact/{job}/{id}", NotForJobs(ArtifactsWrite),  blobs::save_artifact_of_job,    || ops::save_of_job(Artifact)),
        route(&post, "/artifact/{job}/{id}", NotForJobs(ArtifactsWrite),  blobs::save_artifact_of_job,    || ops::save_of_job(Artifact).by_post()),
        route(&get,  "/artifact/{job}/{id}", NotForJobs(ArtifactsRead),   blobs::restore_artifact_of_job, || ops::restore_of_job(Artifact)),
        route(&put,  "/artifact/{id}",       This(ArtifactsWrite),        blobs::save_artifact,           || ops::save(Artifact)),
        route(&post, "/artifact/{id}",       This(ArtifactsWrite),        blobs::save_artifact,           || ops::save(Artifact).by_post()),
        route(&get,  "/artifact/{id}",       This(ArtifactsRead),         blobs::restore_artifact,        || ops::restore(Artifact)),
        route(&put,  "/cache/{job}/{id}",    NotForJobs(CachesWrite),     blobs::save_cache_of_job,       || ops::save_of_job(Cache)),
        route(&post, "/cache/{job}/{id}",    NotForJobs(CachesWrite),     blobs::save_cache_of_job,       || ops::save_of_job(Cache).by_post()),
        route(&get,  "/cache/{job}/{id}",    NotForJobs(CachesRead),      blobs::restore_cache_of_job,    || ops::restore_of_job(Cache)),
        route(&put,  "/cache/{id}",          This(CachesWrite),           blobs::save_cache,              || ops::save(Cache)),
        route(&post, "/cache/{id}",          This(CachesWrite),           blobs::save_cache,              || ops::save(Cache).by_post()),
        route(&get,  "/cache/{id}",          This(CachesRead),            blobs::restore_cache,           || ops::restore(Cache)),
        // ------------------------------------------------------------------------------------
        route(&get,  "/build",               This(BuildRead),             info::build,                    info::build_operation),
        route(&get,  "/repo",                This(RepoRead),              project::repo,                  project::repo_operation),
        route(&get,  "/org",                 This(RepoRead),              project::org,                   project::org_operation),
        route(&get,  "/result",              This(ResultsRead),           results::list,                  results::list_operation),
        route(&get,  "/result/{name}",       This(ResultsRead),           results::get,                   results::get_operation),
        route(&put,  "/result/{name}",       This(ResultsWrite),          results::put,                   results::put_operation),
        route(&get,  "/secret/{name}",       This(SecretsRead),           secrets::get,                   secrets::get_operation),
        route(&post, "/cancel",              This(BuildControl),          info::cancel,                   info::cancel_operation),
        route(&post, "/unblock",             This(BuildControl),          info::unblock_all,              info::unblock_all_operation),
        route(&post, "/unblock/{job}",       This(BuildControl),          info::unblock,                  info::unblock_operation),
        route(&get,  "/openapi.json",        AnyToken,                    openapi::get,                   openapi::get_operation),
    ]
}

fn route<H, T>(
    method: &Method,
    path: &'static str,
    needs: Needs,
    handler: H,
    operation: fn() -> Operation,
) -> Route
where
    H: Handler<T, Api>,
    T: 'static,
{
    let filter =
        MethodFilter::try_from(method.clone()).expect("the methods of the table are known");
    Route {
        method: method.clone(),
        path,
        needs,
        handler: on(filter, handler),
        operation,
    }
}

/// The table as a service: each route behind its gate, all else 404 (there is no 405).
pub(super) fn router(api: &Api) -> Router {
    table()
        .into_iter()
        .fold(Router::new(), |router, route| {
            let gate = middleware::from_fn_with_state((api.clone(), route.needs), gate::pass);
            router.route(route.path, route.handler.route_layer(gate))
        })
        .method_not_allowed_fallback(reply::not_found)
        .fallback(reply::not_found)
        .with_state(api.clone())
}

/// Everything that is served: method, path, and the scope a token needs for it.
pub fn served() -> impl Iterator<Item = (Method, &'static str, Option<Scope>)> {
    table()
        .into_iter()
        .map(|route| (route.method, route.path, route.needs.scope()))
}
