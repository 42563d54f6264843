//! What the interface knows and decides: [`State`], [`Msg`], [`Effect`], and [`update`], which
//! turns one message into a changed state and a list of effects.
//!
//! Nothing here reads a clock, a file or the environment, and nothing waits: time comes with
//! [`Msg::Tick`], everything else is asked for as an [`Effect`] and comes back as a message. Drawing
//! is left to `ui`, the terminal to `tui`, carrying out effects to `wiring`.
//!
//! ```text
//!  keys, sizes, events, answers ──▶ Msg ──▶ update(State) ──▶ Effect ──▶ wiring, the loop
//!                                              │
//!                                              ▼
//!                                        ui::render(State)
//! ```
//!
//! Start reading at [`State`], then [`update`].

pub mod action;
pub mod build_view;
pub mod comparison;
#[cfg(test)]
mod comparison_tests;
pub mod doc;
pub mod events;
#[cfg(test)]
mod events_tests;
#[doc(hidden)]
pub mod fixtures;
pub mod help;
pub mod keys;
pub mod layout;
pub mod log_text;
pub mod log_view;
mod moment;
pub mod msg;
pub mod outline;
pub mod page;
pub mod playback;
#[cfg(test)]
mod playback_tests;
pub mod results;
#[cfg(test)]
mod results_tests;
#[cfg(test)]
mod script_tests;
pub mod shell;
#[cfg(test)]
pub(crate) mod shell_tests;
pub mod state;
mod summary;
#[cfg(test)]
mod tests;
pub mod text;
mod tree;
pub mod trigger;
mod update;
pub mod usage;
pub mod why;

pub use action::{ACTIONS, Action, ActionInfo, Context, Group};
pub use build_view::{BuildView, Selected};
pub use events::{Events, OpenEvent, Tone};
pub use keys::{Bindings, Key, KeyCode};
pub use layout::{Areas, Pane};
pub use log_view::{Geometry, LogView, Row};
pub use msg::{
    BuildInfo, BuildRequest, Edit, Effect, FindRequest, HistoryItem, LogLine, LogPlace, LogRequest,
    LogRows, Msg, Needle, Notice, Origin, QuitManner,
};
pub use outline::{Heading, Item, Outline};
pub use shell::{ShellScreen, ShellView};
pub use state::{Project, Script, Setup, State};
pub use summary::summary;
pub use update::update;
