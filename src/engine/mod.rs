//! The build runner: one dispatcher per build owns what is true about it, from checkout
//! to `build/end`.
//!
//! - [`core`]: the rules, without any waiting. One message in, orders out.
//! - [`Engine::run`] in `dispatcher.rs`: the loop that feeds the core and carries out its
//!   orders. Start reading there.
//! - `closing.rs`: how the jobs have ended that a script left open.
//! - `filter.rs`: `--job` for scripts that know no filter.
//! - `units.rs`: a running container job; `child.rs`: the script child; `logbook.rs`: logs
//!   on their way to disk; [`masks`]: what keeps secrets out of everything written.
//! - [`EngineHandle`]: what others may do with a running build; [`LocalSource`]: the same
//!   build as a source for panes and reporters.
//!
//! The engine serves no HTTP and knows no container library: `script_api` serves a handle,
//! executors stand behind [`ports::Executor`](crate::ports::Executor).

mod child;
mod closing;
pub mod core;
mod dispatcher;
mod filter;
mod handle;
mod logbook;
pub mod masks;
pub mod orders;
mod source;
mod spoken;
mod stop;
#[cfg(test)]
mod tests;
mod units;

pub use child::ChildCommand;

pub use dispatcher::{BuildPlan, Engine, EngineError};
pub use handle::{EngineGone, EngineHandle, LogGrowth, NotTaken};
pub use orders::{Approvals, BuildSummary, GraphRule, Limits};
pub use source::LocalSource;
pub use stop::StopReason;
