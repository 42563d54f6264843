//! A recording in one file, to be sent to somebody and looked at there (`assets/docs/recordings.md`).
//!
//! ```text
//! NAME.mcirec             zstd, of a tar with these files and in this order:
//!   manifest.json         what it is, who wrote it, and the size and SHA-256 of all that follows
//!   events.edn            the journal, byte by byte
//!   logs/STEM.log, .meta  the logs; their line indexes are made again
//!   artifacts/NAME.tgz    what was chosen of the artifacts
//!   results/NAME.result   the named results, without secrets
//! ```
//!
//! [`Packing`] writes one: from the same recording always the same bytes. [`import`] takes one in for good, and
//! [`open`] unpacks one to look into it for a while; both do it by [`unpack`], which trusts nothing in the file.
//! What is taken in lies beside the builds of this machine, in a folder of its own kind, since it claims to be
//! whatever build it likes to:
//!
//! ```text
//! data/imported/<org>/<repo>/<build>/     taken in
//! cache/recordings/<sha-256>/             looked at; the oldest go when there are too many
//!   events.edn  logs/                     as for a build of this machine
//!   blobs/                                artifacts and results, as in the store for those of this machine
//!   manifest.json  origin.json            what came with it, and where from
//! ```
//!
//! Which artifacts are wanted, and what a user is told, is decided in `wiring`.

mod error;
mod import;
mod manifest;
mod open;
mod origin;
mod pack;
#[cfg(test)]
mod tests;
mod unpack;

pub use error::{Fault, PortableError};
pub use import::{Imported, Outcome, import};
#[cfg(test)]
pub(super) use manifest::VERSION;
pub use manifest::{FileEntry, Manifest};
pub use open::is_exported;
pub(super) use open::open;
pub use origin::Origin;
pub use pack::{Packing, spool_folder};
pub use unpack::Quota;

/// What the name of such a file ends with.
pub const ENDING: &str = ".mcirec";

/// A checksum, as it is written.
fn hex(digest: &aws_lc_rs::digest::Digest) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
    let halves = digest.as_ref().iter();
    halves
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(digit)
        .collect()
}
