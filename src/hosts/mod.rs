//! Script hosts: what runs a build's script, and how it is started (protocol/script-api.md §8).
//!
//! ```text
//! embedded     this program, `script-host`: YAML, JSON and EDN
//! clojure      a plain Clojure jar (Debian's), by way of our `launch-clojure`
//! clojure-cli  the official command line tool, `clojure -X:monkeyci/build`
//! babashka     `bb run script`
//! ```
//!
//! It owns the choice of a host, the search for its tools, the files and command lines by
//! which it is started, our script library for Clojure, and what makes plain Clojure start
//! fast. What a script does once it runs is the script API's business, what its exit status
//! means the engine's; which options a user gave comes in from `wiring`.
//!
//! Nothing secret is ever in an argument or the environment: a host reads it from its stdin,
//! or from a file that only this user may read.
//!
//! Start reading at [`choose`], then [`Orders::child`]; [`launch`] is what runs between the
//! engine and a plain Clojure.

mod choice;
mod commands;
mod config;
mod launch;
mod leftovers;
mod library;
mod merge;
mod quick;
mod run;
mod tools;

pub use choice::{Chosen, Host, Runner, ScriptFiles, Wish, choose};
pub use commands::{HostChild, Orders};
pub use launch::{Launch, launch};
pub use leftovers::Leftovers;
pub use tools::Tools;

/// Why a script cannot be run here, as a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Something is not installed, or too old.
    #[error("{0}")]
    Missing(String),
    /// What was asked for does not go together.
    #[error("{0}")]
    Refused(String),
    /// A file of the host cannot be written.
    #[error("cannot prepare the script's host: {what}")]
    File {
        /// The file, and what was to be done to it.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl HostError {
    fn file(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::File {
            what: what.into(),
            source,
        }
    }
}
