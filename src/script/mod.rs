//! Build scripts: the declarative files (YAML, JSON, EDN), the rules by which their jobs
//! are scheduled, and the script host that is inside this program.
//!
//! It knows nothing of engines: the host is a child process and a client of the script
//! API like any other script. Scripts in Clojure are for other hosts (`hosts`); here they are only
//! noticed ([`Script::clojure`]).
//!
//! Start reading at [`load`], then [`Scheduler`] (pure), then [`host`].

mod definition;
mod edn_file;
mod error;
pub mod host;
mod json;
mod junit;
mod keys;
mod load;
mod node;
mod pattern;
mod scheduler;
mod yaml;

pub use error::{ContentError, LoadError, Place};
pub use keys::kebab_case;
pub use load::{Script, ScriptFault, load};
pub use scheduler::Scheduler;

/// The folder of a project that holds its script.
pub const SCRIPT_DIR: &str = ".monkeyci";
