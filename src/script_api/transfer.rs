//! Moves files between a build's folders and the blob store, archived, in a stream: an
//! archive is never held in memory or in a file of our own.

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio_util::io::{StreamReader, SyncIoBridge};

use crate::archive::{self, Kind, Limits, PackError, UnpackError};
use crate::ports::{BlobError, BlobKey, BlobReader, BlobStore};

use super::beside;

/// Why something was not saved or restored.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransferError {
    #[error("the files cannot be packed")]
    Pack(#[source] PackError),
    #[error("the archive cannot be unpacked")]
    Unpack(#[source] UnpackError),
    #[error("the store failed")]
    Store(#[source] BlobError),
    #[error("{} is a file, and what was stored is not just that file", .0.display())]
    InTheWay(PathBuf),
}

impl TransferError {
    /// True when neither the script nor what it stored is to blame.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::Store(_))
    }

    /// The error with its reasons.
    pub(super) fn chain(&self) -> String {
        chain(self)
    }
}

/// An error with its reasons, in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(reason) = next {
        text.push_str(": ");
        text.push_str(&reason.to_string());
        next = reason.source();
    }
    text
}

/// Packs a file or folder into the store and returns the size of the archive in bytes.
pub(super) async fn save(
    blobs: &Arc<dyn BlobStore>,
    key: &BlobKey,
    found: PathBuf,
) -> Result<u64, TransferError> {
    let (chunks, mut archive) = mpsc::channel(CHUNKS_AHEAD);
    let archive = StreamReader::new(stream::poll_fn(move |context| archive.poll_recv(context)));
    let (packed, stored) = tokio::join!(
        beside(move || pack(&found, &chunks)),
        blobs.put(key, Box::pin(archive)),
    );
    match packed {
        // A packer that failed is why the store could not finish.
        Err(Packing::Failed(error)) => Err(TransferError::Pack(error)),
        Ok(()) | Err(Packing::NotWanted) => stored.map_err(TransferError::Store),
    }
}

/// Archive chunks that may wait for the store.
const CHUNKS_AHEAD: usize = 8;
/// Size of a chunk in bytes.
const CHUNK: usize = 64 << 10;

/// Why packing ended early.
enum Packing {
    Failed(PackError),
    /// The store has stopped reading.
    NotWanted,
}

fn pack(found: &Path, chunks: &mpsc::Sender<io::Result<Bytes>>) -> Result<(), Packing> {
    let mut out = io::BufWriter::with_capacity(CHUNK, ChunkWriter(chunks.clone()));
    let (folder, name) = match (found.parent(), found.file_name()) {
        (Some(folder), Some(name)) => (folder, Path::new(name)),
        _ => (found, Path::new(".")),
    };
    let packed = archive::pack(folder, name, &mut out);
    match packed.and_then(|_| out.flush().map_err(PackError::Write)) {
        Ok(()) => Ok(()),
        Err(_) if chunks.is_closed() => Err(Packing::NotWanted),
        Err(error) => {
            // An archive that just ends would be stored as if it were whole.
            let _ = chunks.blocking_send(Err(io::Error::other("packing failed")));
            Err(Packing::Failed(error))
        }
    }
}

/// Sends what is written to an async reader.
struct ChunkWriter(mpsc::Sender<io::Result<Bytes>>);

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .blocking_send(Ok(Bytes::copy_from_slice(bytes)))
            .map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Unpacks a blob into the folder `target`; false when there is none.
///
/// Where a file is in the folder's place, a stored single file of the same name replaces
/// it: action jobs restore what an earlier one has left at the very same path of the checkout
/// (containers.md §5, "Quirks to know").
pub(super) async fn restore(
    blobs: &Arc<dyn BlobStore>,
    key: &BlobKey,
    target: PathBuf,
) -> Result<bool, TransferError> {
    let folder = if target.is_file() {
        let Some(archive) = open(blobs, key).await? else {
            return Ok(false);
        };
        beside(move || folder_of_twin(archive, target)).await?
    } else {
        target
    };
    let Some(mut archive) = open(blobs, key).await? else {
        return Ok(false);
    };
    beside(move || {
        archive::unpack(&mut archive, &folder, &Limits::default())
            .map_err(|error| damage(&error, &mut archive).unwrap_or(TransferError::Unpack(error)))
    })
    .await?;
    Ok(true)
}

/// What the store finds wrong with a blob that cannot be unpacked, once all of it is read.
fn damage(error: &UnpackError, rest: &mut Archive) -> Option<TransferError> {
    if !matches!(error, UnpackError::Damaged(_)) {
        return None;
    }
    let error = io::copy(rest, &mut io::sink()).err()?;
    let ours = error.downcast::<BlobError>().ok()?;
    matches!(ours, BlobError::Damaged { .. }).then_some(TransferError::Store(ours))
}

type Archive = SyncIoBridge<BlobReader>;

async fn open(blobs: &Arc<dyn BlobStore>, key: &BlobKey) -> Result<Option<Archive>, TransferError> {
    let reader = blobs.get(key).await.map_err(TransferError::Store)?;
    Ok(reader.map(SyncIoBridge::new))
}

/// The folder of a file, if the archive holds that file and nothing else.
fn folder_of_twin(archive: Archive, target: PathBuf) -> Result<PathBuf, TransferError> {
    let entries = archive::list(archive).map_err(TransferError::Unpack)?;
    let is_twin = matches!(
        &entries[..],
        [entry] if entry.kind == Kind::File && target.file_name() == Some(entry.path.as_os_str())
    );
    match target.parent() {
        Some(folder) if is_twin => Ok(folder.to_owned()),
        _ => Err(TransferError::InTheWay(target)),
    }
}
