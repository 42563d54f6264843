//! What is kept on this machine: where it lies, and what of it there is.
//!
//! - [`Home`]: all folders (design.md, "On disk"); start reading here.
//! - [`ObjectBlobs`]: artifacts, caches and workspaces, in a folder or a bucket.
//! - [`History`]: the builds that were recorded, newest first, and finding the one a user
//!   means; from an index of them, which is only a cache of what the folders say.
//! - [`RecordedPast`]: the builds before one.
//! - [`Packing`], [`import`]: recordings in one file, written and taken in.
//! - [`remove`]: forgets a build; [`pin`] keeps one.
//! - [`search_logs`]: a text in the logs of many builds.
//! - [`recover_interrupted`]: puts right what a killed program has left behind.
//!
//! What a journal looks like inside is the business of `journal`, of a log that of `logs`.

mod blobs;
mod by_folder;
mod drafts;
mod filter;
mod find;
mod folders;
mod green;
mod history;
mod index;
#[cfg(test)]
mod kept_tests;
mod past;
mod pins;
mod portable;
mod recover;
mod remove;
mod search;
#[cfg(test)]
mod tests;

pub use blobs::{BucketSettings, CredentialsError, Keys, ObjectBlobs, Profiles, SharedBlobs};
pub use drafts::{Draft, remove_stale_drafts};
pub use filter::{Facts, Filter, Wanted, words};
pub use find::{BuildSpec, FindError};
pub use folders::{BuildFolder, FolderError, Home, LOCAL_ORG, RuntimeFolder, create_private};
pub use green::Green;
pub use history::{History, HistoryItem, Listing};
pub use index::{IndexError, Progress, Stocked, size_of};
pub use past::RecordedPast;
pub use pins::{pin, pinned, unpin};
pub use portable::{
    ENDING, Fault, FileEntry, Imported, Manifest, Origin, Outcome, Packing, PortableError, Quota,
    import, is_exported, spool_folder,
};
pub use recover::{Interrupted, Sweep, recover_interrupted};
pub use remove::{RemoveError, remove};
pub use search::{Found, FoundLine, Query, SearchedLog, search_logs};
