//! The extension `:junit`: test results between `job/executed` and `job/end` (events.md §4).

use crate::api_client::ApiClient;
use crate::domain::{BlobKind, Event, EventKind};
use crate::edn::Value;

use super::super::junit::{self, JunitConfig};
use super::scratch::Scratch;

/// The key of test results in a job's result.
const TESTS: &str = "monkey.ci/tests";

/// A `job/executed` with the test results that its job left behind. Without them the event
/// has a warning instead: missing results make no job fail.
pub(super) async fn with_tests(
    client: ApiClient,
    mut event: Event,
    config: Result<JunitConfig, String>,
) -> Event {
    let tests = match config {
        Ok(config) => fetch(&client, &event, config).await,
        Err(reason) => Err(reason),
    };
    if let EventKind::JobExecuted { result, .. } = &mut event.kind {
        match tests {
            Ok(tests) => {
                result.insert(Value::kw(TESTS), tests);
            }
            Err(reason) => {
                let message = format!("no test results: {reason}");
                let warning = Value::map([("message", message.into())]);
                let mut warnings = match result.remove_kw("warnings") {
                    Some(Value::Vector(items) | Value::List(items)) => items,
                    _ => Vec::new(),
                };
                warnings.push(warning);
                result.insert(Value::kw("warnings"), Value::Vector(warnings));
            }
        }
    }
    event
}

async fn fetch(client: &ApiClient, event: &Event, config: JunitConfig) -> Result<Value, String> {
    let job = event.job_id.as_ref().ok_or("the event names no job")?;
    let scratch = Scratch::new().map_err(|error| format!("no temporary folder: {error}"))?;
    let there = client
        .restore(BlobKind::Artifact, job, &config.artifact, scratch.path())
        .await
        .map_err(|error| error.to_string())?;
    if !there {
        return Err(format!("there is no artifact \"{}\"", config.artifact));
    }
    tokio::task::spawn_blocking(move || junit::collect(scratch.path(), &config))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())
}
