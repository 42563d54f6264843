//! What a Clojure host is told: one EDN map, in one shape for all of them
//! (protocol/script-api.md §8.2).

use crate::domain::Job;
use crate::edn::{Map, Value};
use crate::wire;

use super::commands::Orders;

/// `{:config {…}}`. It holds the token: show it to nobody.
pub(super) fn config(orders: &Orders<'_>) -> Value {
    let mut config = Map::new();
    let mut put = |key: &str, value: Value| {
        config.insert(Value::kw(&format!("monkey.ci.script.config/{key}")), value);
    };
    put("build", build(orders));
    put("api", api(orders));
    // The real library knows neither, and reads the files itself.
    if orders.lib_version.is_none() {
        if !orders.filter.is_empty() {
            let ids = orders.filter.iter().map(|id| Value::from(id.as_str()));
            put("filter", ids.collect());
        }
        if let Some(arch) = arch() {
            put("archs", [Value::kw(arch)].into_iter().collect());
        }
        if !orders.declared.is_empty() {
            put("declared", orders.declared.iter().map(declared).collect());
        }
    }
    Value::map([("config", Value::Map(config))])
}

/// The build as the script sees it.
fn build(orders: &Orders<'_>) -> Value {
    let mut build = orders.build.clone();
    // A revision is not built where the project is.
    build.insert_kw("checkout-dir", text(orders.checkout_dir));
    build.insert_kw(
        "script",
        Value::map([("script-dir", text(orders.script_dir))]),
    );
    Value::Map(build)
}

fn api(orders: &Orders<'_>) -> Value {
    let mut api = Map::new();
    // The real library does not know what a socket is.
    if orders.lib_version.is_none() {
        api.insert_kw("socket", text(orders.socket));
    }
    if let Some(url) = orders.url {
        api.insert_kw("url", url);
    }
    api.insert_kw("token", orders.token);
    Value::Map(api)
}

/// A job of a declarative file. Its environment has the names that were written.
fn declared(job: &Job) -> Value {
    Value::Map(wire::job_to_map(job))
}

/// This machine's architecture in MonkeyCI's words.
fn arch() -> Option<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Some("amd"),
        "aarch64" => Some("arm"),
        _ => None,
    }
}

/// A path; those that are no text were refused before.
pub(super) fn text(path: &std::path::Path) -> Value {
    path.to_string_lossy().as_ref().into()
}
