//! What an archive holds, told so that two archives can be compared.

use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;

use aws_lc_rs::digest::{Context, SHA256};

use super::entries::{EntryInfo, Limits, UnpackError, for_each};

/// Returns the entries of an archive, each with the SHA-256, in hex, of what it is: its kind, its permissions, where it
/// points to and what it holds. Times are not part of it. Reads the archive as a stream, hostile ones within the limits.
pub fn digests(
    reader: impl Read,
    limits: &Limits,
) -> Result<Vec<(EntryInfo, String)>, UnpackError> {
    let mut found = Vec::new();
    for_each(reader, limits, &mut |info, content| {
        let mut digest = Context::new(&SHA256);
        digest.update(&[info.kind as u8]);
        digest.update(&info.mode.to_le_bytes());
        let target = info
            .target
            .as_deref()
            .map(|target| target.as_os_str().as_bytes());
        let target = target.unwrap_or_default();
        digest.update(&(target.len() as u64).to_le_bytes());
        digest.update(target);
        content.copy(|chunk| {
            digest.update(chunk);
            Ok(ControlFlow::Continue(()))
        })?;
        let digest = digest.finish();
        let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
        found.push((info.clone(), hex.collect()));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}
