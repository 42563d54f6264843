//! What runs the container jobs of a build, and why that.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::cli::{ExecutorChoice, PullChoice, RunArgs};
use crate::executors::docker::{self, Engine, Pull};
use crate::executors::{DockerExecutor, DockerOptions, HostExecutor, HostOptions};
use crate::ports::Executor;
use crate::store::Home;

use super::local;

/// What was chosen.
#[derive(Debug)]
pub(super) enum Choice {
    /// The shell of this machine.
    Host,
    /// An engine that answers.
    Docker(Box<Engine>),
}

/// Chooses. The host is never chosen unless somebody says so: it means running the project's code as
/// the user. The error is a sentence that names what there is to do.
pub(super) async fn choose(choice: ExecutorChoice) -> Result<Choice, String> {
    let look = || Engine::find(|name| std::env::var(name).ok());
    match choice {
        ExecutorChoice::Host => Ok(Choice::Host),
        ExecutorChoice::Docker => look().await.map(|engine| Choice::Docker(Box::new(engine))),
        ExecutorChoice::Auto => match look().await {
            Ok(engine) => Ok(Choice::Docker(Box::new(engine))),
            Err(reason) => Err(format!(
                "{reason}. Without one, --executor host runs container jobs in the shell of this \
                 machine, each in a private copy of the project"
            )),
        },
    }
}

impl Choice {
    /// Why this one, for people.
    pub(super) fn reason(&self, choice: ExecutorChoice) -> String {
        match self {
            Self::Host if choice == ExecutorChoice::Host => {
                "asked for; jobs run in the shell of this machine".to_owned()
            }
            Self::Host => "jobs run in the shell of this machine".to_owned(),
            Self::Docker(engine) => engine.reason.clone(),
        }
    }

    /// Where container jobs reach what this program serves; `None` when they do not.
    pub(super) fn reached_at(&self) -> Option<IpAddr> {
        match self {
            Self::Host => Some(Ipv4Addr::LOCALHOST.into()),
            Self::Docker(engine) => engine.gateway(),
        }
    }

    /// The executor. The error is a sentence.
    pub(super) fn executor(
        self,
        home: &Home,
        run: &RunArgs,
        checkout: &Path,
    ) -> Result<Arc<dyn Executor>, String> {
        let scratch = local::scratch(home);
        match self {
            Self::Host => Ok(host(home, run)),
            Self::Docker(engine) => {
                let options = DockerOptions {
                    keep: run.no_clean,
                    keep_failed: run.keep_failed,
                    pull: match run.pull {
                        PullChoice::Always => Pull::Always,
                        PullChoice::Missing => Pull::Missing,
                        PullChoice::Never => Pull::Never,
                    },
                    checkout: checkout.to_owned(),
                    mountable: run.allow_mounts.clone(),
                    env: named_variables(run),
                };
                let owners = owners(home);
                let made = DockerExecutor::new(*engine, scratch, &owners, options);
                let made =
                    made.map_err(|error| format!("cannot write to {}: {error}", owners.display()))?;
                Ok(Arc::new(made))
            }
        }
    }
}

/// Where runs note that they have something in an engine.
fn owners(home: &Home) -> PathBuf {
    home.cache().join("engine-owners")
}

/// Begins to remove what killed runs have left in an engine, whatever this one is going to use.
pub(super) fn remove_leftovers(home: &Home) -> JoinHandle<()> {
    let owners = owners(home);
    tokio::spawn(async move {
        docker::remove_leftovers(&owners, |name| std::env::var(name).ok()).await;
    })
}

/// What `--env` names, as far as it is set.
fn named_variables(run: &RunArgs) -> Vec<(String, String)> {
    let value = |name: &String| Some((name.clone(), std::env::var(name).ok()?));
    run.env.iter().filter_map(value).collect()
}

/// The shell of this machine.
pub(super) fn host(home: &Home, run: &RunArgs) -> Arc<dyn Executor> {
    Arc::new(HostExecutor::new(
        local::scratch(home),
        HostOptions {
            keep: run.no_clean,
            env: run.env.clone(),
        },
    ))
}
