//! The command line as typed, and the two reporters that need no screen.
//!
//! [`Args`] holds what was typed and nothing more: what it means (which folder, which
//! executor) is resolved once, in `wiring`. [`plain`] and the lines of `--json` are another
//! consumer of the same events that the panes show.

mod args;
mod clean;
mod history;
mod moment;
pub mod plain;
mod remote;
mod serve;

pub use args::{
    Args, AttachArgs, BuildArgs, Command, DemoArgs, DescribedApi, ExecutorChoice, LaunchArgs,
    LibraryPart, LogsArgs, Output, PullChoice, ReplayArgs, RerunArgs, RunArgs, RunnerChoice,
    ShowArgs,
};
pub use clean::{clean, clean_lines};
pub use history::ListArgs;
pub use moment::Moment;
pub use remote::{
    ArtifactsArgs, CancelArgs, LoginArgs, LogoutArgs, RetryArgs, ServerOption, StoreChoice,
    TriggerArgs, UnblockArgs, WhoamiArgs,
};
pub use serve::{RoleChoice, ServeArgs, ServeCommand, TokenArgs};
