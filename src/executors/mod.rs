//! What runs container jobs, behind [`ports::Executor`](crate::ports::Executor).
//!
//! - [`HostExecutor`]: the shell of this machine, in a private copy of the workspace.
//! - [`DockerExecutor`]: containers of Docker Engine or Podman.
//! - [`ReusingExecutor`] and [`RepeatingExecutor`]: stand before one of these, for builds that are run again.
//! - [`FakeExecutor`]: for tests of those who use an executor.
//!
//! An executor decides nothing about a build: it gets one order for one job, tells what
//! happens through its ports, and answers with how the job ended. Start reading at
//! [`host`].

mod blobs;
pub mod docker;
mod fake;
pub mod host;
mod outcome;
mod plan;
mod repeat;
mod reuse;

pub use docker::{DockerExecutor, DockerOptions};
pub use fake::FakeExecutor;
pub use host::{HostExecutor, HostOptions, scratch_name};
pub use repeat::RepeatingExecutor;
pub use reuse::{Earlier, ReusingExecutor};
