//! The values of named results, as they are stored beside artifacts: to look at, and to save.
//!
//! Builds of this machine share one store, so one that runs here, one in another terminal and one
//! that is over are read alike.

use std::path::Path;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::app::doc::DocLine;
use crate::app::results;
use crate::ports::{BlobKey, BlobStore};
use crate::store::FolderBlobs;

use super::error::UserError;
use super::log_desk;

/// Longest line with a media type; what has a longer one is none of ours.
const LONGEST_HEAD: u64 = 1024;

/// Opens a value; its media type is read.
async fn open(
    blobs: &FolderBlobs,
    key: &BlobKey,
) -> Result<(String, impl AsyncBufRead + Unpin + Send + use<>), String> {
    let reader = blobs
        .get(key)
        .await
        .map_err(|error| UserError::of(&error).message)?
        .ok_or("it is not kept any more")?;
    let mut reader = BufReader::new(reader);
    let mut head = Vec::new();
    (&mut reader)
        .take(LONGEST_HEAD)
        .read_until(b'\n', &mut head)
        .await
        .map_err(|error| error.to_string())?;
    let media_type = String::from_utf8_lossy(&head).trim_end().to_owned();
    Ok((media_type, reader))
}

/// The lines of a value, for people.
pub(super) async fn read(blobs: &FolderBlobs, key: &BlobKey) -> Result<Vec<DocLine>, String> {
    let (media_type, mut reader) = open(blobs, key).await?;
    let mut bytes = Vec::new();
    (&mut reader)
        .take(results::SHOWN as u64)
        .read_to_end(&mut bytes)
        .await
        .map_err(|error| error.to_string())?;
    // The rest is counted, not kept.
    let rest = tokio::io::copy(&mut reader, &mut tokio::io::sink())
        .await
        .map_err(|error| error.to_string())?;
    let size = bytes.len() as u64 + rest;
    tokio::task::spawn_blocking(move || results::lines(&media_type, &bytes, size))
        .await
        .map_err(|error| error.to_string())
}

/// Writes a value to a new file.
pub(super) async fn save(blobs: &FolderBlobs, key: &BlobKey, to: &Path) -> Result<(), String> {
    let (_, mut reader) = open(blobs, key).await?;
    log_desk::save(&mut reader, to).await
}
