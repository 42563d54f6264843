//! A client of a MonkeyCI server's public API (protocol/public-api.md).
//!
//! It owns connecting, credentials on the wire, what an answer means and what a refusal means.
//! It leaves to others where a credential is kept (`secrets`), which server is meant (`config`,
//! `wiring`), and what a build that was read comes to on screen.
//!
//! Start reading at [`Client`]; [`OrgEvents`] is the stream of an org's builds, [`BuildEvents`] the
//! journal of one, where a server offers it (both are made of `frames.rs`), `exchange.rs` has what every
//! request goes through, `error.rs` what a server may answer instead; [`follow`] makes a
//! source of a build there, [`forward`] hands on what a script asks.

mod address;
mod build_events;
mod calls;
mod client;
mod credential;
mod download;
mod error;
mod events;
mod exchange;
pub mod follow;
pub mod forward;
mod frames;
mod refusal;
mod retry;
mod started;
mod transport;
mod types;

#[cfg(test)]
mod tests;

pub use address::BaseUrl;
pub use build_events::{BuildEvent, BuildEvents};
pub use calls::{Tree, Trigger};
pub use client::{Client, ClientOptions, Probe};
pub use credential::{Credential, Jwt, OnRefresh};
pub use download::Downloaded;
pub use error::RemoteError;
pub use events::{OrgEvent, OrgEvents};
pub use retry::Retry;
pub use started::Start;
pub use types::{
    ArtifactInfo, BuildInfo, Credits, HolderInfo, JobInfo, OrgInfo, RepoInfo, Stats, UserInfo,
};
