//! Reading what a child prints, and seeing it to its end.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::group::Signal;
use super::mark::kill_marked;
use super::spawn::Running;

/// What a pipe holds on Linux; a larger buffer is never filled by one read.
const CHUNK: usize = 64 * 1024;

/// How long output is read on after the group is gone, when a process outside the group keeps a pipe open.
const DRAIN: Duration = Duration::from_millis(500);

/// Which of the child's outputs bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// The exit status of the child itself.
    pub status: ExitStatus,
    /// We asked it to end before it did by itself.
    pub stopped: bool,
    /// A process outside the group had a pipe open and could not be found, so output may be missing.
    pub output_cut: bool,
}

/// Hands over what `reader` gives, in chunks of up to 64 KiB, until its end; returns the number of bytes.
///
/// The end comes only when the last process has closed its end of a pipe: see [`Running::finish`] for children.
pub async fn pump<R: AsyncRead + Unpin>(
    mut reader: R,
    mut sink: impl FnMut(&[u8]),
) -> io::Result<u64> {
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut total = 0;
    loop {
        chunk.clear();
        let read = match reader.read_buf(&mut chunk).await {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if read == 0 {
            return Ok(total);
        }
        total += read as u64;
        sink(&chunk);
    }
}

impl Running {
    /// Reads all output and waits for the end of the child; nothing of its group is left afterwards.
    ///
    /// When `stop` is ready the group is asked to end, and killed after `grace`. Order is exact within a stream.
    ///
    /// ```text
    /// running ──leader exits──▶ group killed ──▶ drain ──pipes closed──▶ done
    ///    │ stop                                    │ somebody outside the group holds a pipe
    ///    ▼                                         ▼
    /// SIGTERM ──grace──▶ SIGKILL           marked processes killed ──▶ drain ──▶ done, perhaps cut
    /// ```
    pub async fn finish(
        mut self,
        sink: impl FnMut(Stream, &[u8]),
        stop: impl Future<Output = ()>,
        grace: Duration,
    ) -> io::Result<Finished> {
        // A lock rather than a cell, so that this may run on any thread; nobody ever waits for it.
        let sink = Mutex::new(sink);
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        // An output that cannot be read any more has ended; the exit status still counts.
        let mut reading = pin!(async {
            let _ = tokio::join!(
                pump_if_any(stdout, |bytes| sink
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)(
                    Stream::Stdout, bytes
                )),
                pump_if_any(stderr, |bytes| sink
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)(
                    Stream::Stderr, bytes
                )),
            );
        });
        let mut stop = pin!(stop);
        let mut read_all = false;
        let mut stopped = false;
        let status = loop {
            tokio::select! {
                status = self.group.wait() => break status?,
                () = &mut reading, if !read_all => read_all = true,
                () = &mut stop, if !stopped => {
                    stopped = true;
                    self.group.signal(Signal::Terminate);
                    let deadline = tokio::time::sleep(grace);
                    let mut deadline = pin!(deadline);
                    break loop {
                        tokio::select! {
                            status = self.group.wait() => break status?,
                            () = &mut reading, if !read_all => read_all = true,
                            () = &mut deadline => {
                                self.group.kill();
                                // A killed leader cannot wait for its output to be read.
                                break self.group.wait().await?;
                            }
                        }
                    };
                }
            }
        };
        if !read_all {
            read_all = tokio::time::timeout(DRAIN, &mut reading).await.is_ok();
        }
        if !read_all && let Some(mark) = self.mark.clone() {
            // A failed hand-over means the runtime is going down; its end closes the pipes.
            let _ = tokio::task::spawn_blocking(move || kill_marked(&mark)).await;
            read_all = tokio::time::timeout(DRAIN, &mut reading).await.is_ok();
        }
        Ok(Finished {
            status,
            stopped,
            output_cut: !read_all,
        })
    }
}

async fn pump_if_any<R: AsyncRead + Unpin>(
    reader: Option<R>,
    sink: impl FnMut(&[u8]),
) -> io::Result<u64> {
    match reader {
        Some(reader) => pump(reader, sink).await,
        None => Ok(0),
    }
}
