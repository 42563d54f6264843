//! Where a recording that was not made here comes from.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::domain::Millis;
use crate::store::BuildFolder;

use super::error::PortableError;
use super::manifest::{self, Manifest};
use super::unpack::Unpacked;

/// Its name beside the journal.
const NAME: &str = "origin.json";

/// Where a recording comes from. The journal has no word about that: it stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The file, as it was named.
    pub file: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// The program that wrote it, and its version.
    pub program: String,
    /// When it was imported; one that was only opened was not.
    pub imported: Option<Millis>,
}

impl Origin {
    /// Where the recording in a folder comes from; nothing for one that was made here, or whose folder somebody
    /// has put there.
    pub fn of(folder: &BuildFolder) -> Option<Self> {
        let bytes = fs::read(folder.dir.join(NAME)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    pub(super) fn new(file: &Path, unpacked: &Unpacked, imported: Option<Millis>) -> Self {
        Self {
            file: file.display().to_string(),
            sha256: unpacked.sha256.clone(),
            program: unpacked.manifest.shown_program(),
            imported,
        }
    }

    /// Writes what is known of a recording beside it.
    pub(super) fn write(&self, manifest: &Manifest, dir: &Path) -> Result<(), PortableError> {
        let origin = serde_json::to_vec_pretty(self).expect("text and numbers can be written");
        for (name, bytes) in [(NAME, origin), (manifest::NAME, manifest.to_bytes())] {
            let path = dir.join(name);
            fs::write(&path, bytes).map_err(PortableError::io("write", &path))?;
        }
        Ok(())
    }
}

/// The manifest that came with a recording.
pub(super) fn manifest_of(folder: &BuildFolder) -> Option<Manifest> {
    let bytes = fs::read(folder.dir.join(manifest::NAME)).ok()?;
    serde_json::from_slice(&bytes).ok()
}
