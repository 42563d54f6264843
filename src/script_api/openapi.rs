//! The OpenAPI document of everything in the table of `routes.rs`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value as Json;
use utoipa::openapi::path::{HttpMethod, Paths};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, OpenApiVersion,
    ServerBuilder,
};

use crate::edn::Value;
use crate::wire;

use super::operation::Operation;
use super::reply::Format;
use super::routes::{self, Route};
use super::{Api, Scope};

/// What tokens are called among the security schemes.
const TOKEN: &str = "token";

const ABOUT: &str = "\
What a build script, its jobs and those who watch a build ask of the program that runs it.

It is served on a private Unix socket per build and on loopback TCP; to containers also on \
the address that this machine has in their network. Every \
request needs the build's token. Values are written as EDN unless `Accept` names \
`application/json`; EDN has keywords where JSON has the keys and words as strings. Bodies are read \
as EDN unless `Content-Type` says `application/json`, whose keys may be `kebab-case`, `snake_case` or \
`camelCase`.";

/// Describes everything that is served.
pub(super) fn document() -> OpenApi {
    let mut paths = Paths::new();
    let mut components = ComponentsBuilder::new().security_scheme(TOKEN, token_scheme());
    for route in routes::table() {
        let mut operation = with_the_gates_answers((route.operation)(), &route);
        for (name, schema) in operation.take_schemas() {
            components = components.schema(name, schema);
        }
        let scope = route.needs.scope();
        let operation = operation
            .build()
            .tag(tag(scope))
            .security(SecurityRequirement::new(TOKEN, scope.map(Scope::as_str)));
        paths.add_path_operation(route.path, vec![method(&route)], operation);
    }
    OpenApiBuilder::new()
        .openapi(OpenApiVersion::Version31)
        .info(
            InfoBuilder::new()
                .title("monkeyci-tui script API")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(ABOUT))
                .license(Some(
                    LicenseBuilder::new()
                        .name(env!("CARGO_PKG_LICENSE"))
                        .identifier(Some(env!("CARGO_PKG_LICENSE")))
                        .build(),
                )),
        )
        .servers(Some([ServerBuilder::new()
            .url("/")
            .description(Some("The service that this document is from."))
            .build()]))
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

/// The OpenAPI 3.1 document of the script API.
pub fn openapi() -> Json {
    serde_json::to_value(document()).expect("a description is plain data")
}

/// The gate's part of an operation.
fn with_the_gates_answers(operation: Operation, route: &Route) -> Operation {
    let operation = operation
        .text(
            401,
            "There is no token, or it is not good here: it has expired, it is for another build, \
             or the build is over.",
            "the token has expired\n",
        )
        .with_header(401, "WWW-Authenticate", "Which tokens are meant.", "Bearer");
    match route.needs.scope() {
        Some(scope) => operation.text(
            403,
            "The token does not have the scope.",
            &format!("the token does not allow {scope}\n"),
        ),
        None => operation,
    }
}

/// Operations are grouped by what their scope is about.
fn tag(scope: Option<Scope>) -> &'static str {
    scope
        .and_then(|scope| scope.as_str().split_once(':'))
        .map_or("service", |(what, _)| what)
}

fn method(route: &Route) -> HttpMethod {
    use axum::http::Method;
    match route.method {
        Method::GET => HttpMethod::Get,
        Method::PUT => HttpMethod::Put,
        Method::POST => HttpMethod::Post,
        Method::DELETE => HttpMethod::Delete,
        Method::PATCH => HttpMethod::Patch,
        ref other => unreachable!("no route has the method {other}"),
    }
}

fn token_scheme() -> SecurityScheme {
    let mut description = String::from(
        "The token of one build. It ends with the build, and has some of these scopes:\n\n\
         | scope | lets its holder |\n| --- | --- |\n",
    );
    for scope in Scope::ALL {
        description.push_str(&format!("| `{scope}` | {} |\n", scope.allows()));
    }
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(description));
    SecurityScheme::Http(scheme.build())
}

/// `GET /openapi.json`: JSON, or EDN when that is asked for.
pub(super) async fn get(State(_): State<Api>, headers: HeaderMap) -> Response {
    let format = Format::wished_or(&headers, Format::Json);
    let document = openapi();
    let body = match format {
        Format::Edn => format.write(&verbatim(document)),
        Format::Json => document.to_string(),
    } + "\n";
    let kind = [(header::CONTENT_TYPE, format.media_type())];
    (StatusCode::OK, kind, body).into_response()
}

/// JSON as EDN, with keys that stay strings, for they are names of other people's making.
pub(super) fn verbatim(json: Json) -> Value {
    wire::from_json(json, &Value::Str)
}

pub(super) fn get_operation() -> Operation {
    Operation::new("get-openapi", "This description")
        .describe(
            "JSON unless `Accept` names `application/edn`. In EDN, too, all keys are strings.",
        )
        .answers(
            200,
            "The OpenAPI document.",
            &super::shapes::Document::example(),
        )
}
