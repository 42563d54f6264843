//! What runs that are over have left in an engine: those that were killed, and those whose engine
//! went away.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{
    KillContainerOptions, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};

use super::owner::{self, Dead};
use super::{Engine, base, container, enter};

/// Longer no removal is waited for: an engine that does not answer must not keep anybody.
pub(super) const REMOVAL: Duration = Duration::from_secs(15);

/// When a removal is tried again that an engine was not ready for.
const AGAIN: Duration = Duration::from_millis(100);

/// Removes what runs have left that noted themselves in `owners` and are over. Asks no engine for
/// anything when there are none. What cannot be removed now is for the next start.
pub async fn remove_leftovers(owners: &Path, env: impl Fn(&str) -> Option<String>) {
    let dead = owner::dead(owners);
    if dead.is_empty() {
        return;
    }
    let Ok(engine) = Engine::find(env).await else {
        return;
    };
    for run in dead {
        if run.was_in(&engine.identity) && remove_all(&engine.docker, &run).await {
            run.forget();
        }
    }
}

/// Removes the containers of a run with their volumes, then its images; networks are not made. False
/// when something of it may be left.
async fn remove_all(docker: &Docker, run: &Dead) -> bool {
    let label = format!("{}={}", container::OWNER_LABEL, run.id);
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&HashMap::from([("label", vec![label.as_str()])]))
        .build();
    let all = docker.list_containers(Some(options));
    let Ok(Ok(all)) = tokio::time::timeout(REMOVAL, all).await else {
        return false;
    };
    let mut is_gone = true;
    for container in all {
        let names = container.names.unwrap_or_default();
        let is_kept = names.iter().any(|name| enter::is_kept(name));
        if let Some(id) = container.id.filter(|_| !is_kept) {
            kill(docker, &id).await;
            is_gone &= remove(docker, &id).await.is_ok();
        }
    }
    is_gone && base::remove_all(docker, &run.id).await
}

/// Kills a container that may run: asked to remove it, Podman waits ten seconds for it to end by itself.
async fn kill(docker: &Docker, id: &str) {
    let killing = docker.kill_container(id, None::<KillContainerOptions>);
    // One that has ended needs it not, and the removal says what is wrong with the engine.
    let _ = tokio::time::timeout(REMOVAL, killing).await;
}

/// Removes a container, whatever it does.
pub(super) async fn remove(docker: &Docker, id: &str) -> Result<(), Error> {
    let removing = async {
        loop {
            let options = RemoveContainerOptionsBuilder::default()
                .force(true)
                .v(true)
                .build();
            match docker.remove_container(id, Some(options)).await {
                Err(Error::DockerResponseServerError {
                    status_code: 404, ..
                }) => return Ok(()),
                // It is just ending, or somebody else is at it; Podman calls that its own fault.
                Err(Error::DockerResponseServerError {
                    status_code: 409 | 500,
                    ..
                }) => tokio::time::sleep(AGAIN).await,
                result => return result,
            }
        }
    };
    let removed = tokio::time::timeout(REMOVAL, removing).await;
    removed.unwrap_or(Err(Error::RequestTimeoutError))
}
