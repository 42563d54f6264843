//! Folders into archives and back, and folders into folders.
//!
//! Owns the gzip tar archives of artifacts, caches and workspaces (the server's format: entry names relative to the
//! folder packed, whose own entry is `.`; a single file is one entry with its bare name), the zstd tars of recordings
//! ([`ZstdTar`]), refusing hostile archives, and copying and removing trees. Leaves to others what is packed, where
//! archives are kept, and moving this blocking work off the event loop. Start reading at [`pack`] and [`unpack`].

mod digests;
mod entries;
mod pack;
mod tree;
mod unpack;
mod zst;

pub use digests::digests;
pub use entries::{Content, EntryInfo, Kind, Limits, Links, Refusal, UnpackError, list, read_file};
pub use pack::{
    Item, PackError, PackSummary, Skipped, Source, Unreadable, pack, pack_digested, pack_items,
};
pub use tree::{Temporary, TreeError, copy_items, copy_tree, remove_tree};
pub use unpack::{Summary, unpack, unpack_plain};
pub use zst::{ZstdTar, for_each_zstd};

#[cfg(test)]
mod tests;
