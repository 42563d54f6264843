//! What a build *is*: ids, events, statuses, jobs, and the fold that turns a
//! journal of events into a [`Build`].
//!
//! Everything here is plain data and small rules. There is no clock, no file, no
//! network and no async in it: time comes with the events. How events are spelled
//! on the wire is the business of `wire`; of the codec only its generic
//! [`Value`](crate::edn::Value) is used, to keep what this version does not know.
//!
//! Start reading at [`Event`], then [`Build::apply`] (the fold), then [`JobGraph`]
//! (who waits for whom).

mod build;
pub mod compare;
mod event;
mod fold;
mod graph;
mod ids;
mod job;
mod pull;
mod rerun;
mod resources;
pub mod retention;
mod snapshots;
mod status;
mod test_results;
#[cfg(test)]
mod tests;

pub use build::{
    BlobKind, Build, Chosen, CommandState, Exposed, GitInfo, JobState, OpenJob, Phase, ReadBy,
    StoredBlob, StoredResult, Warning,
};
pub use event::{Access, Event, EventKind, JobUpdate, Src, TuiEvent};
pub use graph::{GraphFault, JobGraph};
pub use ids::{JobId, LogId, Millis, Seq, Sid, SidError, file_name, id_of_file_name, stable_hash};
pub use job::{BlobRef, Job, JobKind};
pub use pull::PullProgress;
pub use rerun::{Again, RerunError, RerunPlan};
pub use resources::Resources;
pub use snapshots::Snapshots;
pub use status::{BuildStatus, JobStatus};
pub use test_results::{TestCase, TestStatus, TestTotals};
