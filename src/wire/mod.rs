//! EDN and JSON ⇄ domain, and the framing of event streams.
//!
//! Slashed wire names live here and nowhere else (but for `EventKind::type_name`).
//! Reading is lenient, writing is strict: protocol/README, "EDN as it really appears on
//! the wire". What has no typed place in the domain is carried in `extra` and written back.
//!
//! Start reading at [`event_from`] and [`edn_event`]; [`sse`] frames streams, [`json_event`]
//! makes the lines of `--json`, [`public_build`] and its kin what a server of ours answers.

mod accept;
mod event;
mod fields;
mod job;
mod json;
mod public;
mod result;
pub mod sse;
#[cfg(test)]
pub(crate) mod tests;
mod updated;

pub use accept::wished;
pub use event::{WireError, edn_event, event_from, events_from_body, write_event};
pub use job::{job_from, job_to_map};
pub use json::{from_json, json_event, to_json};
pub use public::{
    Jobs, PublicBuild, build_updated, public_artifact, public_build, public_job, public_json,
    public_status,
};
pub use result::{LONGEST_HEAD, ResultHead, SHOWN};
pub use updated::{updated, updated_map};
