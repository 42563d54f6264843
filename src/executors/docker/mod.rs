//! The Docker executor: container jobs in containers of an engine.
//!
//! ```text
//! order ─▶ plan ─▶ create (pull) ─▶ upload ─▶ caches, artifacts ─▶ attach, start ─▶ output ─▶ save ─▶ remove
//! ```
//!
//! - `engines.rs`: where an engine may be, and why there.
//! - `connect.rs`, `tls.rs`, `ssh.rs`: the way there, and the version of its API.
//! - `container.rs`: what an order comes to as a container.
//! - `course.rs`: one job from its order to its outcome. Start reading there.
//! - `pull.rs`, `layers.rs`, `credentials.rs`: getting images.
//! - `driver.sh`, `stream.rs`, `listener.rs`: the first process of a container, what it says between
//!   commands, and what is made of that.
//! - `transfer.rs`: files on their way into and out of a container, through the engine.
//! - `enter.rs`: keeping containers of jobs that failed, and shells in containers.
//! - `base.rs`: large workspaces, copied once for all jobs of an image.
//! - `user.rs`: whose files those are inside.
//! - `usage.rs`: how much of the machine a container uses.
//! - `owner.rs`, `leftovers.rs`: who removes what a killed program left, and how.
//!
//! Nothing but mounts and the script API's socket needs the engine to see our files.

mod base;
mod connect;
mod container;
mod course;
mod credentials;
mod engines;
mod enter;
mod layers;
mod leftovers;
mod listener;
mod owner;
mod pull;
mod ssh;
mod stream;
mod tls;
mod transfer;
mod usage;
mod user;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bollard::Docker;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio_util::task::TaskTracker;

use crate::domain::Sid;
use crate::ports::{Executor, JobOrder, JobOutcome, JobPorts, StopToken};

use super::host::scratch::BuildScratch;
use engines::Address;
use leftovers::remove;
use owner::Owner;

pub use enter::{Keeping, Shell};
pub use leftovers::remove_leftovers;

/// When images are pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pull {
    /// Before every job.
    Always,
    /// When the engine does not have them.
    #[default]
    Missing,
    /// Never.
    Never,
}

/// What may be chosen about the Docker executor.
#[derive(Debug, Clone, Default)]
pub struct DockerOptions {
    /// Leave the containers of jobs where they are (`--no-clean`).
    pub keep: bool,
    /// Leave those of jobs that fail (`--keep-failed`).
    pub keep_failed: bool,
    /// When images are pulled.
    pub pull: Pull,
    /// The folder that is built: mounts lead into it, and nowhere else …
    pub checkout: PathBuf,
    /// … but into these (`--allow-mount`).
    pub mountable: Vec<PathBuf>,
    /// Variables that every job has, unless it says otherwise.
    pub env: Vec<(String, String)>,
}

/// An engine that answers.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    address: Address,
    /// What no other engine is called, by whatever address it is reached.
    identity: String,
    cpus: Option<i64>,
    /// It does not tell what ran out of memory.
    is_podman: bool,
    /// This machine's address on the network of the containers; only of an engine that runs here.
    gateway: Option<IpAddr>,
    /// Which it is and why, for people.
    pub reason: String,
}

impl Engine {
    /// Finds the engine that Docker's own client would use. The error is a sentence.
    pub async fn find(env: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut reasons = Vec::new();
        for candidate in engines::candidates(env)? {
            let what = format!("{} ({})", candidate.address, candidate.why);
            match tokio::time::timeout(
                connect::patience(&candidate.address),
                Self::ask_well(&candidate),
            )
            .await
            {
                Ok(Ok(engine)) => return Ok(engine),
                Ok(Err(reason)) => reasons.push(format!("{what}: {reason}")),
                Err(_) => reasons.push(format!("{what}: it does not answer")),
            }
        }
        Err(format!(
            "no container engine answers: {}",
            reasons.join("; ")
        ))
    }

    /// Asks again where the connection had ended before it was used: what was said about that is lost
    /// then, and the next one says it.
    async fn ask_well(candidate: &engines::Candidate) -> Result<Self, String> {
        const UNUSED: &str = "connection was not ready";
        for _ in 0..3 {
            match Self::ask(candidate).await {
                Err(reason) if reason.contains(UNUSED) => {}
                answer => return answer,
            }
        }
        Self::ask(candidate).await
    }

    async fn ask(candidate: &engines::Candidate) -> Result<Self, String> {
        let docker = connect::connect(&candidate.address)?;
        let version = docker.version().await;
        let version = version.map_err(|error| connect::bottom(&error))?;
        let parts = version.components.as_deref().unwrap_or_default();
        let is_podman = parts.iter().any(|part| part.name.contains("Podman"));
        let docker = connect::negotiate(docker, &version, is_podman)?;
        let info = docker.info().await.unwrap_or_default();
        // Podman makes another id up whenever it is asked.
        let id = info.id.filter(|id| !id.is_empty() && !is_podman);
        let gateway = match candidate.address {
            Address::Socket(_) => gateway(&docker).await,
            Address::Tcp { .. } | Address::Ssh(_) => None,
        };
        let reason = format!(
            "{} {} at {}, {}",
            if is_podman { "Podman" } else { "Docker Engine" },
            version.version.unwrap_or_default(),
            candidate.address,
            candidate.why
        );
        Ok(Self {
            docker,
            address: candidate.address.clone(),
            identity: id.unwrap_or_else(|| candidate.address.to_string()),
            cpus: info.ncpu,
            is_podman,
            gateway,
            reason,
        })
    }

    /// Where containers reach what this machine serves, if they do.
    pub fn gateway(&self) -> Option<IpAddr> {
        self.gateway
    }

    /// Where ports of containers are reached, by the script and by other containers; and the
    /// address that they are published on, so that nobody else reaches them.
    fn published(&self) -> (String, String) {
        match (&self.address, self.gateway) {
            (_, Some(gateway)) => (gateway.to_string(), gateway.to_string()),
            (Address::Socket(_), None) => ("127.0.0.1".to_owned(), "127.0.0.1".to_owned()),
            (Address::Tcp { host, .. }, None) => {
                let name = host.rsplit_once(':').map_or(&**host, |(name, _)| name);
                (name.to_owned(), "0.0.0.0".to_owned())
            }
            (Address::Ssh(target), None) => (target.host.clone(), "0.0.0.0".to_owned()),
        }
    }

    fn is_local(&self) -> bool {
        matches!(self.address, Address::Socket(_))
    }
}

/// The address of this machine on the engine's own network, if it has one that can be bound to.
async fn gateway(docker: &Docker) -> Option<IpAddr> {
    let network = docker.inspect_network("bridge", None).await.ok()?;
    let configs = network.ipam?.config?;
    let addresses = configs.into_iter().filter_map(|config| {
        let named = config.gateway.and_then(|at| at.parse().ok());
        // An engine that has just made its network does not name it yet.
        named.or_else(|| first_of(&config.subnet?))
    });
    let mut ours = addresses.filter(|at: &IpAddr| std::net::TcpListener::bind((*at, 0)).is_ok());
    ours.next()
}

/// The first address of a network like `172.17.0.0/16`, which engines take for themselves.
fn first_of(subnet: &str) -> Option<IpAddr> {
    let (base, _) = subnet.split_once('/')?;
    let base: Ipv4Addr = base.parse().ok()?;
    Some(Ipv4Addr::from(u32::from(base).checked_add(1)?).into())
}

/// Runs container jobs in an engine.
pub struct DockerExecutor {
    shared: Arc<Shared>,
}

/// What all jobs of an executor have in common.
struct Shared {
    engine: Engine,
    options: DockerOptions,
    owner: Owner,
    scratch: PathBuf,
    builds: Mutex<HashMap<Sid, Arc<BuildScratch>>>,
    /// Images with the workspaces of builds.
    bases: base::Bases,
    /// Containers on their way out.
    tasks: TaskTracker,
}

impl DockerExecutor {
    /// An executor that works below `scratch`, and notes in `owners` that it is alive: what it
    /// leaves is removed by [`remove_leftovers`] of a later start.
    pub fn new(
        engine: Engine,
        scratch: PathBuf,
        owners: &std::path::Path,
        options: DockerOptions,
    ) -> std::io::Result<Self> {
        let owner = Owner::register(owners, random_id(), &engine.identity)?;
        let shared = Arc::new(Shared {
            engine,
            options,
            owner,
            scratch,
            builds: Mutex::default(),
            bases: base::Bases::default(),
            tasks: TaskTracker::new(),
        });
        Ok(Self { shared })
    }
}

/// 128 bits that no other run has, as text.
fn random_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    let part = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", part(), part())
}

impl Shared {
    fn build(&self, sid: &Sid) -> Arc<BuildScratch> {
        let mut builds = self.builds.lock().unwrap_or_else(PoisonError::into_inner);
        let build = builds
            .entry(sid.clone())
            .or_insert_with(|| Arc::new(BuildScratch::new(self.scratch.clone(), sid, false)));
        Arc::clone(build)
    }
}

/// Without what is not ours.
impl fmt::Debug for DockerExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerExecutor")
            .field("engine", &self.shared.engine.reason)
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl Executor for DockerExecutor {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn run(
        &self,
        order: JobOrder,
        ports: Arc<dyn JobPorts>,
        stop: StopToken,
    ) -> BoxFuture<'static, JobOutcome> {
        course::run(Arc::clone(&self.shared), order, ports, stop).boxed()
    }

    fn build_ended<'a>(&'a self, sid: &'a Sid) -> BoxFuture<'a, ()> {
        async move {
            self.shared.tasks.close();
            self.shared.tasks.wait().await;
            self.shared.tasks.reopen();
            if !self.shared.options.keep {
                for image in self.shared.bases.of_build(sid) {
                    if !base::remove_image(&self.shared.engine.docker, &image).await {
                        self.shared.owner.leaves();
                    }
                }
            }
            let build = self
                .shared
                .builds
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(sid);
            if let Some(build) = build {
                build.end().await;
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_address_of_a_network_is_the_engines() {
        let first = |subnet| first_of(subnet).map(|at| at.to_string());
        assert_eq!(first("172.17.0.0/16").as_deref(), Some("172.17.0.1"));
        for odd in ["172.17.0.0", "fd00::/64", "255.255.255.255/32", "", "/"] {
            assert_eq!(first(odd), None, "{odd}");
        }
    }
}
