//! The OpenAPI document: that it is one, that it is complete, and that what the service says is
//! what it says that it says. Every answer that any test here is given goes through [`check`].

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::LazyLock;

use serde_json::Value as Json;

use super::schema::{misfit, target};
use super::*;
use crate::domain::Src;
use crate::script_api::{openapi, served};
use crate::wire;

static DOCUMENT: LazyLock<Json> = LazyLock::new(openapi);

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// Every operation with its path and method.
fn operations() -> Vec<(&'static str, &'static str, &'static Json)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            let item = item.as_object().unwrap();
            item.iter()
                .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect()
}

/// The operation that a request is for.
fn operation_of(method: &Method, path: &str) -> Option<&'static Json> {
    let asked: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let segments: Vec<&str> = template.split('/').collect();
        segments.len() == asked.len()
            && segments
                .iter()
                .zip(&asked)
                .all(|(segment, asked)| segment.starts_with('{') || segment == asked)
    };
    let method = method.as_str().to_ascii_lowercase();
    operations()
        .into_iter()
        .find(|(template, its_method, _)| *its_method == method && fits(template))
        .map(|(_, _, operation)| operation)
}

/// Holds an answer against the document.
pub(super) async fn check(method: &Method, path: &str, response: Response) -> Response {
    let status = response.status();
    let place = format!("{method} {path}: {status}");
    let Some(operation) = operation_of(method, path) else {
        assert_eq!(status, 404, "{place}: only what is described is served");
        return response;
    };
    let described = &operation["responses"][status.as_str()];
    assert!(described.is_object(), "{place} is not described");
    let contents = described.get("content").and_then(Json::as_object);
    let Some(kind) = response.headers().get("content-type") else {
        assert!(contents.is_none(), "{place}: a body is described");
        return response;
    };
    let kind = kind.to_str().unwrap().split(';').next().unwrap().to_owned();
    let content = contents.and_then(|contents| contents.get(&kind).or_else(|| contents.get("*/*")));
    let Some(content) = content else {
        panic!("{place}: {kind} is not described");
    };
    if let Some(headers) = described.get("headers").and_then(Json::as_object) {
        for name in headers.keys() {
            assert!(
                response.headers().contains_key(name),
                "{place}: {name} is described"
            );
        }
    }
    if !["application/edn", "application/json"].contains(&kind.as_str()) {
        return response;
    }
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = soon("a body", response.bytes()).await.unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    let value = if kind == "application/edn" {
        wire::to_json(&read(text))
    } else {
        serde_json::from_str(text).unwrap()
    };
    if let Some(why) = misfit(&DOCUMENT, &content["schema"], &value) {
        panic!("{place}: {value} is not what is described: {why}");
    }
    let mut same = axum::http::Response::builder().status(status);
    same.headers_mut().unwrap().extend(headers);
    same.body(bytes).unwrap().into()
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let routes: HashSet<(String, &str)> = served()
        .map(|(method, path, _)| (method.as_str().to_ascii_lowercase(), path))
        .collect();
    let described: HashSet<(String, &str)> = operations()
        .into_iter()
        .map(|(path, method, _)| (method.to_owned(), path))
        .collect();
    assert_eq!(described, routes);
    assert_eq!(routes.len(), served().count());
}

#[test]
fn every_operation_says_all_there_is_to_say() {
    let mut ids = HashSet::new();
    for (method, path, scope) in served() {
        let place = format!("{method} {path}");
        let operation = operation_of(&method, path).unwrap();
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{place}: {id} is there twice");
        assert!(
            id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
            "{place}: {id} is not kebab-case"
        );
        assert!(
            !operation["summary"].as_str().unwrap().is_empty(),
            "{place}"
        );

        let scopes: Vec<&str> = scope.iter().map(|scope| scope.as_str()).collect();
        assert_eq!(
            operation["security"],
            serde_json::json!([{"token": scopes}]),
            "{place}"
        );
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.contains_key("401"), "{place}: 401");
        assert_eq!(responses.contains_key("403"), scope.is_some(), "{place}");
        assert!(
            responses.keys().any(|status| status.starts_with('2')),
            "{place}: how it goes well"
        );

        let none = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&none);
        let in_path: Vec<&str> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let in_template: Vec<&str> = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        assert_eq!(in_path, in_template, "{place}");
    }
}

#[test]
fn every_body_and_parameter_has_an_example_that_fits() {
    for (path, method, operation) in operations() {
        let place = format!("{method} {path}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = &parameter["name"];
            assert_fits(&place, &parameter["schema"], &parameter["example"]);
            assert!(parameter["description"].is_string(), "{place}: {name}");
        }
        let responses = operation["responses"].as_object().unwrap();
        let bodies = responses.values().chain(operation.get("requestBody"));
        for (kind, content) in bodies
            .filter_map(|body| body.get("content")?.as_object())
            .flatten()
        {
            let examples: Vec<&Json> = match (content.get("example"), content.get("examples")) {
                (Some(example), None) => vec![example],
                (None, Some(examples)) => {
                    let examples = examples.as_object().unwrap().values();
                    examples.map(|example| &example["value"]).collect()
                }
                _ => panic!("{place}: {kind} has no example, or two kinds of them"),
            };
            assert!(!examples.is_empty(), "{place}: {kind}");
            for example in examples {
                if kind == "application/edn" {
                    let value = wire::to_json(&read(example.as_str().unwrap()));
                    assert_fits(&place, &content["schema"], &value);
                } else {
                    assert_fits(&place, &content["schema"], example);
                }
            }
        }
    }
}

fn assert_fits(place: &str, schema: &Json, example: &Json) {
    let why = misfit(&DOCUMENT, schema, example);
    assert_eq!(why, None, "{place}: the example {example}");
}

/// The shape of OpenAPI 3.1 as far as the document uses it.
#[test]
fn the_document_is_openapi_3_1() {
    assert_eq!(DOCUMENT["openapi"], "3.1.0");
    let info = &DOCUMENT["info"];
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert!(info["title"].is_string() && info["license"]["name"].is_string());
    assert!(DOCUMENT["servers"][0]["url"].is_string());
    let scheme = &DOCUMENT["components"]["securitySchemes"]["token"];
    assert_eq!(scheme["type"], "http");
    assert_eq!(scheme["scheme"], "bearer");
    assert_eq!(scheme["bearerFormat"], "JWT");
    for scope in Scope::ALL {
        let listed = format!("`{scope}`");
        assert!(scheme["description"].as_str().unwrap().contains(&listed));
    }
    for (path, method, operation) in operations() {
        let place = format!("{method} {path}");
        assert!(
            path.starts_with('/') && METHODS.contains(&method),
            "{place}"
        );
        let mut seen = HashSet::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let (name, place_of) = (&parameter["name"], &parameter["in"]);
            assert!(seen.insert((name, place_of)), "{place}: {name} twice");
            assert!(["path", "query", "header"].contains(&place_of.as_str().unwrap()));
            assert!(place_of != "path" || parameter["required"] == true);
            assert!(parameter["schema"].is_object());
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(
                status.len() == 3 && status.parse::<u16>().is_ok(),
                "{place}: {status}"
            );
            assert!(
                response["description"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{place}: {status}"
            );
        }
        if let Some(body) = operation.get("requestBody") {
            assert!(!body["content"].as_object().unwrap().is_empty(), "{place}");
            assert_ne!(method, "get", "{place}: a GET has no body");
        }
    }
    every_reference_leads_somewhere(&DOCUMENT);
}

fn every_reference_leads_somewhere(part: &Json) {
    match part {
        Json::Object(fields) => {
            if let Some(reference) = fields.get("$ref") {
                target(&DOCUMENT, reference);
            }
            fields.values().for_each(every_reference_leads_somewhere);
        }
        Json::Array(items) => items.iter().for_each(every_reference_leads_somewhere),
        _ => {}
    }
}

#[test]
fn the_operations_at_a_glance() {
    let mut glance = String::new();
    for (path, method, operation) in operations() {
        let scope = operation["security"][0]["token"][0].as_str();
        let id = operation["operationId"].as_str().unwrap();
        let statuses: Vec<&String> = operation["responses"].as_object().unwrap().keys().collect();
        let statuses: Vec<&str> = statuses.into_iter().map(String::as_str).collect();
        writeln!(
            glance,
            "{:<4} {path:<21} {id:<29} {:<16} {}",
            method.to_uppercase(),
            scope.unwrap_or("any token"),
            statuses.join(" ")
        )
        .unwrap();
    }
    insta::assert_snapshot!("operations", glance);
}

#[tokio::test]
async fn the_document_is_served_as_json_or_as_edn_with_text_for_keys() {
    let service = Service::start().await;
    let bare = service.caller(Some(&service.token(&[])));
    let json = bare.get("/openapi.json").await;
    assert_eq!(json.headers()["content-type"], "application/json");
    let json: Json = serde_json::from_str(&json.text().await.unwrap()).unwrap();
    assert_eq!(json, *DOCUMENT);

    let asked = bare
        .request(&Method::GET, "/openapi.json")
        .header("accept", "application/edn");
    let edn = value(send(asked).await).await;
    assert!(
        edn.as_map()
            .unwrap()
            .iter()
            .all(|(key, _)| key.as_str().is_some())
    );
    assert_eq!(wire::to_json(&edn), *DOCUMENT);
}

#[tokio::test]
async fn a_script_may_post_just_the_types_that_are_listed() {
    let schemas = &DOCUMENT["components"]["schemas"];
    let listed: Vec<&str> = schemas["PostedType"]["enum"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let service = Service::start().await;
    // Whatever else MonkeyCI knows is the runner's to say.
    let others = [
        "build/pending",
        "build/initializing",
        "build/start",
        "build/end",
        "build/canceled",
        "build/updated",
        "job/unblocked",
        "container/pending",
        "container/start",
        "container/end",
    ];
    for name in others.iter().chain(&listed) {
        let event = format!("[{{:type :{name} :job-id \"a\" :jobs [] :message \"m\"}}]");
        assert_eq!(service.script().post("/events", event).await.status(), 202);
    }
    service
        .event("the last one", |event| {
            event.type_name() == *listed.last().unwrap()
        })
        .await;
    let events = service.engine.journal().events();
    let said: Vec<&str> = events
        .iter()
        .filter(|event| event.src == Some(Src::Script))
        .map(|event| event.type_name())
        .collect();
    assert_eq!(said, listed);
}

#[tokio::test]
async fn what_cannot_be_read_of_a_path_or_a_query_is_refused_as_all_else_is() {
    let service = Service::start().await;
    let (get, post) = (Method::GET, Method::POST);
    for (caller, method, path) in [
        (service.script(), &get, "/artifact/%ff"),
        (service.script(), &get, "/artifact/job/%ff?path=x"),
        (service.script(), &get, "/cache/a?path=x&path=y"),
        (service.watcher(), &post, "/unblock/%ff"),
    ] {
        let answer = send(caller.request(method, path)).await;
        assert_eq!(answer.status(), 400, "{path}");
        assert!(value(answer).await.get("message").is_some(), "{path}");
    }
}
