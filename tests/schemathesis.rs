//! Requests that a stranger makes up from the OpenAPI document, sent to the script API: whatever
//! it is asked, it answers as the document says that it does, and never with a server error.
//!
//! The stranger is [Schemathesis](https://schemathesis.io), which `tests/run` installs into
//! `target/schemathesis`; `SCHEMATHESIS` may name another one. The event stream is left out, for
//! it does not end: `src/script_api/tests/stream.rs` follows it.

#![expect(clippy::unwrap_used, reason = "what cannot go on has failed its test")]

#[path = "shared/counted.rs"]
mod counted;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use monkeyci_tui::domain::Sid;
use monkeyci_tui::engine::EngineHandle;
use monkeyci_tui::ports::{Param, ParamSource};
use monkeyci_tui::script_api::{
    Api, Keys, Listeners, Scope, Settings, bind, bind_tcp, openapi, serve,
};
use monkeyci_tui::store::ObjectBlobs;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

/// A run that takes longer is given up.
const LIMIT: Duration = Duration::from_mins(1);

#[derive(Debug)]
struct Params;

impl ParamSource for Params {
    fn params(&self) -> BoxFuture<'_, Result<Vec<Param>, String>> {
        let param = Param {
            name: "user".to_owned(),
            value: "ключ \"quoted\" \\ \u{1b}[0m".into(),
            plain: false,
        };
        std::future::ready(Ok(vec![param])).boxed()
    }
}

fn schemathesis() -> Option<PathBuf> {
    let installed =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/schemathesis/bin/schemathesis");
    let named = std::env::var_os("SCHEMATHESIS").map(PathBuf::from);
    named.or_else(|| installed.exists().then_some(installed))
}

async fn ask(
    program: &Path,
    folder: &Path,
    url: &str,
    token: &SecretString,
    more: &[&str],
) -> Output {
    let mut command = tokio::process::Command::new(program);
    command
        .current_dir(folder)
        .env("HOME", folder)
        .env("NO_COLOR", "1")
        .env(
            "PYTHONPATH",
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis"),
        )
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "edn_bodies")
        .kill_on_drop(true)
        .args(["run", "openapi.json", "--url", url])
        .arg("--header")
        .arg(format!("Authorization: Bearer {}", token.expose_secret()))
        .args(["--exclude-operation-id", "get-events"])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,\
             response_schema_conformance,response_headers_conformance",
        ])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args([
            "--max-examples",
            "40",
            "--seed",
            "3",
            "--request-timeout",
            "10",
        ])
        .args([
            "--warnings",
            "off",
            "--suppress-health-check",
            "all",
            "--continue-on-failure",
        ])
        .args(more);
    tokio::time::timeout(LIMIT, command.output())
        .await
        .expect("it takes no longer than a minute")
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_answers_strangers_as_it_is_described() {
    let Some(program) = schemathesis() else {
        return counted::not_run(
            "schemathesis",
            "it is not installed; tests/run installs it where python3 has venv and pip",
        );
    };
    let home = tempfile::tempdir().unwrap();
    let checkout = home.path().join("checkout");
    std::fs::create_dir_all(checkout.join("target/report")).unwrap();
    std::fs::write(checkout.join("target/report/index.html"), "<p>").unwrap();
    let document = home.path().join("openapi.json");
    std::fs::write(&document, openapi().to_string()).unwrap();

    let sid = Sid::new("local", "repo", "build-1");
    let engine = EngineHandle::for_tests(
        sid.clone(),
        checkout,
        Arc::new(ObjectBlobs::in_folder(home.path().join("blobs"), 1 << 30)),
        Arc::new(Params),
    );
    let keys = Keys::random().unwrap();
    let token = keys.mint(&sid, &Scope::ALL, Duration::from_mins(10));
    let tcp = bind_tcp(std::net::Ipv4Addr::LOCALHOST.into())
        .await
        .unwrap();
    let url = format!("http://{}", tcp.local_addr().unwrap());
    let listeners = Listeners {
        unix: bind(&home.path().join("run")).await.unwrap(),
        tcp: vec![tcp],
    };
    let shutdown = CancellationToken::new();
    let api = Api::new(engine, keys, Settings::default());
    let serving = tokio::spawn(serve(listeners, api, shutdown.clone()));

    for accept in ["Accept: application/json", "Accept: application/edn"] {
        let asked = ask(&program, home.path(), &url, &token, &["--header", accept]).await;
        let said = String::from_utf8_lossy(&asked.stdout);
        assert!(
            asked.status.success(),
            "{accept}: {said}\n{}",
            String::from_utf8_lossy(&asked.stderr)
        );
        // It also ends well when there was nothing that it could do.
        let cases = cases(&said).unwrap_or_else(|| panic!("{said}"));
        assert!(cases > 500, "{accept}: {said}");
    }
    shutdown.cancel();
    serving.await.unwrap();
}

/// How many requests it says that it has made up.
fn cases(said: &str) -> Option<u32> {
    let (before, _) = said.split_once(" generated")?;
    before.split_whitespace().last()?.parse().ok()
}
