//! A client of the script API over its Unix socket (protocol/script-api.md).
//!
//! Two use it: the embedded script host, and other programs of the same user that watch
//! or control a build. It owns connecting, resuming a stream exactly and deciding when a
//! server is gone; it leaves to others what the events mean.
//!
//! Start reading at [`ApiClient`], then [`EventStream`]; [`WatchSource`] makes a
//! [`BuildSource`](crate::ports::BuildSource) of one, [`discover`] finds running builds.

mod client;
mod discover;
mod error;
mod stream;
mod transport;
mod watch;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

pub use client::ApiClient;
pub use discover::{LiveBuild, discover};
pub use error::ApiError;
pub use stream::{EventStream, StreamItem};
pub use watch::WatchSource;

#[cfg(test)]
pub(crate) use fake::FakeApi;
