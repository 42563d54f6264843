//! The org, its repositories, and what is open to everybody.

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::edn::{Map, Value};

use super::jwt::Holder;
use super::reply::{self, Format};
use super::{Repo, Server};

/// `GET /version`
pub(super) async fn version() -> Response {
    reply::text(StatusCode::OK, env!("CARGO_PKG_VERSION"))
}

/// `GET /health`
pub(super) async fn health() -> Response {
    reply::text(StatusCode::OK, "ok")
}

/// `GET /auth/jwks`: always JSON.
pub(super) async fn jwks(State(server): State<Server>) -> Response {
    let kind = [(header::CONTENT_TYPE, Format::Json.media_type())];
    (kind, server.0.signer.jwks()).into_response()
}

/// `GET /whoami`: ours. A credential of a build does not come here.
pub(super) async fn whoami(
    State(server): State<Server>,
    Extension(holder): Extension<Holder>,
    format: Format,
) -> Response {
    let org = ("org-id", server.settings().org.as_str().into());
    let role = match &holder {
        Holder::Person(role) => Some(("role", Value::kw(role.as_str()))),
        Holder::Build(_) => None,
    };
    format.ok(&Value::map([org].into_iter().chain(role)))
}

/// `GET /org/ORG`
pub(super) async fn one(State(server): State<Server>, format: Format) -> Response {
    let mut org = org(&server);
    let repos = server.settings().repos.iter();
    let repos = repos.map(|repo| repo_map(&server, repo, false));
    org.insert_kw("repos", Value::List(repos.collect()));
    format.ok(&Value::Map(org))
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    name: Option<String>,
    id: Option<String>,
}

/// `GET /org?name=…`, `?id=…`: without repositories, since everybody may ask.
pub(super) async fn find(
    State(server): State<Server>,
    Query(asked): Query<Asked>,
    format: Format,
) -> Response {
    let own = &server.settings().org;
    let fits = match (&asked.id, &asked.name) {
        (Some(id), _) => id == own,
        (None, Some(name)) => own.to_lowercase().contains(&name.to_lowercase()),
        (None, None) => {
            let why = Value::map([("message", "Query must be specified".into())]);
            return format.reply(StatusCode::BAD_REQUEST, &why);
        }
    };
    let found = fits.then(|| Value::Map(org(&server)));
    format.ok(&Value::List(found.into_iter().collect()))
}

/// `GET R`
pub(super) async fn repo(
    State(server): State<Server>,
    Path((_, id)): Path<(String, String)>,
    format: Format,
) -> Response {
    match server.repo(&id) {
        Some(repo) => format.ok(&repo_map(&server, repo, true)),
        None => reply::absent(),
    }
}

fn org(server: &Server) -> Map {
    let org = server.settings().org.as_str();
    let keys = ["id", "name", "display-id"];
    keys.map(|key| (Value::kw(key), Value::from(org)))
        .into_iter()
        .collect()
}

fn repo_map(server: &Server, repo: &Repo, with_org: bool) -> Value {
    let mut map = Map::new();
    map.insert_kw("id", repo.id.as_str());
    if with_org {
        map.insert_kw("org-id", server.settings().org.as_str());
    }
    map.insert_kw("name", repo.name.as_str());
    map.insert_kw("url", repo.url.as_str());
    if let Some(branch) = &repo.main_branch {
        map.insert_kw("main-branch", branch.as_str());
    }
    map.insert_kw("public", Value::Bool(false));
    Value::Map(map)
}
