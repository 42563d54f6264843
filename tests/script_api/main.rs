//! The script API against what may come: the real script library's own requests, and clients that
//! mean harm.
//!
//! - `conformance.rs`: every recorded exchange of `tests/transcripts`, sent again.
//! - `hostile.rs`: malformed, slow, large, far too many, without a good token, after what is not theirs.
//! - `traps.rs`: the traps of the protocol, each with the test that covers it.
//!
//! Everything runs against a real engine behind a real service; see `rig.rs`.

#![expect(clippy::unwrap_used, reason = "what cannot go on has failed its test")]

mod conformance;
#[path = "../shared/counted.rs"]
mod counted;
mod differences;
mod document;
mod hostile;
#[path = "../shared/http.rs"]
mod http;
#[path = "../shared/names.rs"]
mod names;
mod recording;
mod rig;
mod traps;
mod wire;
