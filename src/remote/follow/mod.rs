//! A build on a server, followed: [`RemoteSource`] is to it what a recording is to one that is over.
//!
//! `follower.rs` has the course of it, `numbered.rs` how a server's own journal is taken in (by the rules
//! of `numbers.rs`, and as `received.rs` says), `logs.rs` the logs (`fetched.rs`: of who does not
//! follow), and [`BuildApi`] is all that it wants of a server.

mod fetched;
mod follower;
mod logs;
mod numbered;
mod numbers;
mod received;
mod server;
mod source;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use crate::domain::{JobId, Seq};
use crate::edn::Map;
use crate::ports::Control;

use super::BuildEvent;

pub use fetched::FetchedLogs;
pub use logs::Interest;
pub use server::OnServer;
pub use source::{Recorded, RemoteSource};

/// What a server is asked about one build. The errors tell what to do.
pub trait BuildApi: Send + Sync + std::fmt::Debug {
    /// What the server knows of the build.
    fn build(&self) -> BoxFuture<'_, Result<Map, Trouble>>;

    /// One log of a job, whole: `<n>_out.log` (public-api.md §7). `None` when there is none.
    fn log<'a>(
        &'a self,
        job: &'a JobId,
        file: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Trouble>>;

    /// One connection of the stream of events. It ends at the first trouble.
    fn events(&self) -> BoxStream<'static, Result<Heard, Trouble>>;

    /// One connection of the build's own journal, after the event of that number.
    fn journal(&self, after: Seq) -> BoxStream<'static, BuildEvent>;

    /// Does something to the build. The error is a sentence.
    fn control(&self, control: Control) -> BoxFuture<'static, Result<(), String>>;
}

/// What is heard on a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// The server has accepted, or says that it is still there.
    Alive,
    /// What it knows of the build now.
    Build(Map),
    /// Something about another build.
    Other,
}

/// Why a server did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A sentence for people.
    pub reason: String,
    /// It will not be otherwise the next time.
    pub lasts: bool,
}

/// How long things take; shorter in tests.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The first wait after a break, and the longest.
    pub back_off: (Duration, Duration),
    /// How often the build is asked for where there is no stream.
    pub poll: Duration,
    /// How often the log on screen is asked for.
    pub watched_log: Duration,
    /// How often the other logs are.
    pub other_log: Duration,
    /// When the logs of a job that has ended are asked for once more.
    pub last_log: Duration,
}

impl Pace {
    /// How long something that has failed is left alone: twice as long each time.
    fn after_failures(&self, failures: u32) -> Duration {
        let (first, longest) = self.back_off;
        match failures {
            0 => Duration::ZERO,
            failures => first
                .saturating_mul(1 << failures.saturating_sub(1).min(10))
                .min(longest),
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            back_off: (Duration::from_secs(1), Duration::from_secs(30)),
            poll: Duration::from_secs(3),
            watched_log: Duration::from_secs(2),
            other_log: Duration::from_secs(10),
            last_log: Duration::from_millis(2500),
        }
    }
}
