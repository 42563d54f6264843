//! The values of named results, as they are stored beside artifacts: to look at, and to save.
//!
//! Builds of this machine share one store, so one that runs here, one in another terminal and one
//! that is over are read alike.

use std::path::Path;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::app::doc::DocLine;
use crate::app::results;
use crate::ports::{BlobKey, BlobReader, BlobStore};
use crate::wire::{LONGEST_HEAD, ResultHead, SHOWN};

use super::error::UserError;
use super::log_desk;

/// Opens a value; the line about it is read.
async fn open(
    blobs: &dyn BlobStore,
    key: &BlobKey,
) -> Result<(ResultHead, impl AsyncBufRead + Unpin + Send + use<>), String> {
    let reader = find(blobs, key).await?.ok_or("it is not kept any more")?;
    opened(reader).await
}

async fn find(blobs: &dyn BlobStore, key: &BlobKey) -> Result<Option<BlobReader>, String> {
    let found = blobs.get(key).await;
    found.map_err(|error| UserError::of(&error).message)
}

/// A value, of which the line about it was read.
async fn opened(
    reader: BlobReader,
) -> Result<(ResultHead, impl AsyncBufRead + Unpin + Send + use<>), String> {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    (&mut reader)
        .take(LONGEST_HEAD)
        .read_until(b'\n', &mut line)
        .await
        .map_err(|error| error.to_string())?;
    Ok((ResultHead::read(&line), reader))
}

/// A value as it is shown: its first bytes, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) media_type: String,
    pub(super) bytes: Vec<u8>,
    /// How many bytes it has.
    pub(super) size: u64,
}

/// Reads the first bytes of a value, and counts the rest.
pub(super) async fn shown(blobs: &dyn BlobStore, key: &BlobKey) -> Result<Shown, String> {
    let (head, mut reader) = open(blobs, key).await?;
    let mut bytes = Vec::new();
    (&mut reader)
        .take(SHOWN as u64)
        .read_to_end(&mut bytes)
        .await
        .map_err(|error| error.to_string())?;
    // The rest is counted, not kept.
    let rest = tokio::io::copy(&mut reader, &mut tokio::io::sink())
        .await
        .map_err(|error| error.to_string())?;
    let size = bytes.len() as u64 + rest;
    let mask = move || {
        // A word of another length does not make it a longer or a shorter one.
        let shown = head.masked(&bytes);
        Shown {
            size: (size - bytes.len() as u64) + shown.len() as u64,
            media_type: head.media_type,
            bytes: shown,
        }
    };
    tokio::task::spawn_blocking(mask)
        .await
        .map_err(|error| error.to_string())
}

/// The lines of a value, for people: without secrets.
pub(super) async fn read(blobs: &dyn BlobStore, key: &BlobKey) -> Result<Vec<DocLine>, String> {
    let shown = shown(blobs, key).await?;
    tokio::task::spawn_blocking(move || results::lines(&shown.media_type, &shown.bytes, shown.size))
        .await
        .map_err(|error| error.to_string())
}

/// Writes a value to a new file, whole and as it was stored.
pub(super) async fn save(blobs: &dyn BlobStore, key: &BlobKey, to: &Path) -> Result<(), String> {
    let (_, mut reader) = open(blobs, key).await?;
    log_desk::save(&mut reader, to).await
}

/// Writes a value to a new file as it is kept, but without the secrets that are known to be in it. False, if it is
/// not kept any more.
pub(super) async fn save_masked(
    blobs: &dyn BlobStore,
    key: &BlobKey,
    to: &Path,
) -> Result<bool, String> {
    let Some(reader) = find(blobs, key).await? else {
        return Ok(false);
    };
    let (head, mut reader) = opened(reader).await?;
    let mut bytes = Vec::new();
    (&mut reader)
        .take(SHOWN as u64)
        .read_to_end(&mut bytes)
        .await
        .map_err(|error| error.to_string())?;
    let shown = ResultHead::new(&*head.media_type, Vec::new()).line();
    let start = [shown.as_bytes(), &head.masked(&bytes)].concat();
    log_desk::save(&mut (&*start).chain(reader), to).await?;
    Ok(true)
}
