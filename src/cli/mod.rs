//! The command line as typed, and the two reporters that need no screen.
//!
//! [`Args`] holds what was typed and nothing more: what it means (which folder, which
//! executor) is resolved once, in `wiring`. [`plain`] and the lines of `--json` are another
//! consumer of the same events that the panes show. [`write_junit`] and [`document`] are what a build that is over
//! is exported as for other programs.

mod args;
mod clean;
mod compare;
mod document;
mod history;
mod junit;
mod moment;
pub mod plain;
mod portable;
mod remote;
mod search;
mod serve;

pub use args::{
    Args, AttachArgs, BuildArgs, Command, DemoArgs, DescribedApi, ExecutorChoice, LaunchArgs,
    LibraryPart, LogsArgs, Output, PullChoice, ReplayArgs, RerunArgs, RunArgs, RunnerChoice,
    ShowArgs,
};
pub use clean::{clean, clean_lines};
pub use compare::CompareArgs;
pub use document::document;
pub use history::{GcArgs, ListArgs, PinArgs, UnpinArgs};
pub use junit::write_junit;
pub use moment::Moment;
pub use portable::{ExportArgs, ExportFormat, ImportArgs};
pub use remote::{
    ArtifactsArgs, CancelArgs, LoginArgs, LogoutArgs, RetryArgs, ServerOption, StoreChoice,
    TriggerArgs, UnblockArgs, WhoamiArgs,
};
pub use search::SearchArgs;
pub use serve::{RoleChoice, ServeArgs, ServeCommand, TokenArgs};
