//! Artifacts, caches and the workspace on their way between a folder and the store.
//!
//! Nothing is kept in memory or in a file in between: the archive is made and read by a
//! blocking task at one end of a pipe, the store is at the other.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, DuplexStream, ReadBuf};
use tokio::sync::oneshot;
use tokio_util::io::SyncIoBridge;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

use crate::archive::{self, Limits, UnpackError};
use crate::executors::blobs::{NotSaved, Place};
use crate::ports::{BlobError, BlobKey, BlobReader, BlobStore, JobPorts, chain};

use super::scratch::JobScratch;

/// What is on its way between the archiver and the store at one time.
const IN_FLIGHT: usize = 256 * 1024;

impl Place for Arc<JobScratch> {
    fn restore<'a>(
        &'a self,
        ports: &'a dyn JobPorts,
        key: &'a BlobKey,
        path: &'a Path,
    ) -> BoxFuture<'a, Result<bool, String>> {
        restore(ports.blobs(), key, self, path).boxed()
    }

    fn save<'a>(
        &'a self,
        ports: &'a dyn JobPorts,
        key: &'a BlobKey,
        path: &'a Path,
    ) -> BoxFuture<'a, Result<u64, NotSaved>> {
        save(ports.blobs(), key, self, path).boxed()
    }
}

/// Fetches our own archive of the workspace and unpacks it into a folder; false when there
/// is none.
///
/// This and [`restore`] end early, with an error, when `over` is cancelled.
pub(super) async fn fetch_workspace(
    blobs: &dyn BlobStore,
    key: &BlobKey,
    to: PathBuf,
    tasks: &TaskTracker,
    over: &CancellationToken,
) -> Result<bool, String> {
    let Some(reader) = blobs.get(key).await.map_err(|error| chain(&error))? else {
        return Ok(false);
    };
    unpack(reader, to, Limits::trusted(), (), tasks, over).await?;
    Ok(true)
}

/// Restores an artifact or a cache into `path`, a directory below the job's copy of the
/// workspace; false when there is no such blob.
pub(in crate::executors) async fn restore(
    blobs: &dyn BlobStore,
    key: &BlobKey,
    job: &Arc<JobScratch>,
    path: &Path,
) -> Result<bool, String> {
    let Some(reader) = blobs.get(key).await.map_err(|error| chain(&error))? else {
        return Ok(false);
    };
    let to = make_directory(&job.work(), path)?;
    let user = Arc::clone(job);
    unpack(reader, to, Limits::default(), user, job.tasks(), &job.over).await?;
    Ok(true)
}

/// `user` is kept until nothing is written any more.
async fn unpack(
    reader: BlobReader,
    to: PathBuf,
    limits: Limits,
    user: impl Send + 'static,
    tasks: &TaskTracker,
    over: &CancellationToken,
) -> Result<(), String> {
    let reader = Until {
        reader,
        over: Box::pin(over.clone().cancelled_owned()),
    };
    let unpacking = tasks.spawn_blocking(move || {
        let mut reader = SyncIoBridge::new(reader);
        let unpacked = archive::unpack(&mut reader, &to, &limits)
            .map(drop)
            .map_err(|error| damage(&error, &mut reader).unwrap_or_else(|| chain(&error)));
        drop(user);
        unpacked
    });
    unpacking.await.map_err(|error| error.to_string())?
}

/// What the store finds wrong with a blob that cannot be unpacked, once all of it is read.
fn damage(error: &UnpackError, rest: &mut impl io::Read) -> Option<String> {
    if !matches!(error, UnpackError::Damaged(_)) {
        return None;
    }
    let error = io::copy(rest, &mut io::sink()).err()?;
    matches!(
        error.get_ref()?.downcast_ref(),
        Some(BlobError::Damaged { .. })
    )
    .then(|| error.to_string())
}

/// Archives the file or directory at `path`, below the job's copy of the workspace, and
/// returns the size of the archive.
pub(in crate::executors) async fn save(
    blobs: &dyn BlobStore,
    key: &BlobKey,
    job: &Arc<JobScratch>,
    path: &Path,
) -> Result<u64, NotSaved> {
    let work = job.work();
    match work.join(path).canonicalize() {
        Ok(real) if real.starts_with(&work) => {}
        Ok(real) => return Err(NotSaved::Failed(leads_out(&real))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NotSaved::Missing),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(NotSaved::Missing);
        }
        Err(error) => return Err(NotSaved::Failed(error.to_string())),
    }
    let path = path.to_owned();
    let (writer, reader) = tokio::io::duplex(IN_FLIGHT);
    let (done, outcome) = oneshot::channel();
    let folder = Arc::clone(job);
    job.tasks().spawn_blocking(move || {
        let packed = pack(&work, &path, writer);
        drop(folder);
        // The store may have given up, and said why.
        let _ = done.send(packed);
    });
    let (reason_to, reason) = oneshot::channel();
    let archive: BlobReader = Box::pin(Packed {
        stream: reader,
        outcome: Some(outcome),
        reason: Some(reason_to),
    });
    match blobs.put(key, archive).await {
        Ok(size) => Ok(size),
        // The archiver's own reason is the better one: the store only sees that its source failed.
        Err(error) => Err(NotSaved::Failed(
            reason.await.unwrap_or_else(|_| chain(&error)),
        )),
    }
}

fn pack(work: &Path, path: &Path, writer: DuplexStream) -> Result<(), String> {
    let mut writer = SyncIoBridge::new(writer);
    archive::pack(work, path, &mut writer).map_err(|error| chain(&error))?;
    writer.shutdown().map_err(|error| error.to_string())
}

fn leads_out(real: &Path) -> String {
    format!("its path leads out of the workspace, to {}", real.display())
}

/// Symlinks may lead anywhere: nothing is made or written outside the workspace.
fn make_directory(work: &Path, path: &Path) -> Result<PathBuf, String> {
    let mut real = work.to_owned();
    for component in path.components() {
        real.push(component);
        if let Err(error) = std::fs::create_dir(&real)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(error.to_string());
        }
        real = real.canonicalize().map_err(|error| error.to_string())?;
        if !real.starts_with(work) {
            return Err(leads_out(&real));
        }
    }
    Ok(real)
}

/// Where `path` below `work` really is, when it is a directory in the workspace.
pub(super) fn directory(work: &Path, path: &Path) -> Result<PathBuf, &'static str> {
    match work.join(path).canonicalize() {
        Ok(real) if !real.starts_with(work) => Err("leads out of the workspace"),
        Ok(real) if real.is_dir() => Ok(real),
        Ok(_) => Err("is not a directory"),
        Err(_) => Err("does not exist in the workspace"),
    }
}

/// A reader that fails as soon as nobody waits for what it gives.
struct Until {
    reader: BlobReader,
    over: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl AsyncRead for Until {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.over.poll_unpin(context).is_ready() {
            return Poll::Ready(Err(io::Error::other("nobody waits for it any more")));
        }
        self.reader.as_mut().poll_read(context, buffer)
    }
}

/// An archive as it is made. A broken one ends with an error, never like a whole one: the
/// store would put it in the place of a good one.
struct Packed {
    stream: DuplexStream,
    outcome: Option<oneshot::Receiver<Result<(), String>>>,
    reason: Option<oneshot::Sender<String>>,
}

impl AsyncRead for Packed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before || buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let Some(outcome) = &mut self.outcome else {
            return Poll::Ready(Ok(()));
        };
        let outcome = ready!(outcome.poll_unpin(context));
        self.outcome = None;
        let failure = match outcome {
            Ok(Ok(())) => return Poll::Ready(Ok(())),
            Ok(Err(reason)) => reason,
            Err(_) => "the archiver has died".to_owned(),
        };
        if let Some(tell) = self.reason.take() {
            // Told for whoever asked for the archive, who may be gone.
            let _ = tell.send(failure.clone());
        }
        Poll::Ready(Err(io::Error::other(failure)))
    }
}

/// An archive with this end, as a store gets it.
#[cfg(test)]
pub(super) fn packed_for_tests(bytes: &[u8], end: Result<(), String>) -> BlobReader {
    let (mut writer, stream) = tokio::io::duplex(bytes.len());
    let written = tokio::io::AsyncWriteExt::write_all(&mut writer, bytes).now_or_never();
    assert!(matches!(written, Some(Ok(()))), "there is room for all");
    let (done, outcome) = oneshot::channel();
    done.send(end).expect("the receiver is right here");
    Box::pin(Packed {
        stream,
        outcome: Some(outcome),
        reason: None,
    })
}
