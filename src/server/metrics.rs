//! `GET /metrics`: what Prometheus reads.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::wire;

use super::Server;
use super::reply::Format;

/// `GET /metrics`
pub(super) async fn metrics(State(server): State<Server>, format: Format) -> Response {
    let shorts = match server.shorts(server.entries()).await {
        Ok(shorts) => shorts,
        Err(why) => return format.broken(&why),
    };
    let names = [
        "pending",
        "initializing",
        "running",
        "success",
        "error",
        "canceled",
    ];
    let mut by_status: BTreeMap<&str, usize> = names.map(|name| (name, 0)).into();
    for short in &shorts {
        let status = wire::public_status(&short.status);
        // A journal may name a status that this version does not know.
        if let Some(count) = by_status.get_mut(status) {
            *count += 1;
        }
    }
    let (queued, running) = server.load();
    let mut text = String::from(
        "# HELP monkeyci_builds Builds that are known, by status.\n# TYPE monkeyci_builds gauge\n",
    );
    for (status, count) in by_status {
        text.push_str(&format!("monkeyci_builds{{status=\"{status}\"}} {count}\n"));
    }
    for (name, help, value) in [
        ("queued", "Builds that wait for a place.", queued),
        ("running", "Builds that are being started or run.", running),
    ] {
        text.push_str(&format!(
            "# HELP monkeyci_builds_{name} {help}\n# TYPE monkeyci_builds_{name} gauge\n\
             monkeyci_builds_{name} {value}\n"
        ));
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, text).into_response()
}
