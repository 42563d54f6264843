//! Blobs as files in a folder.
//!
//! ```text
//! blobs/artifacts/<org>/<repo>/<build>/<id>.tgz
//! blobs/caches/<org>/<repo>/<id>.tgz
//! blobs/workspaces/<org>/<repo>/<build>.tgz
//! blobs/.incoming/<process>-<number>         being written, locked by its writer
//! ```
//!
//! A blob is written under `.incoming`, flushed to the disk, and then renamed: whoever
//! reads has the old one or the new one to its end, also while it is replaced. No key has
//! a part that begins with a dot, so none can meet `.incoming`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::ports::{BlobError, BlobKey, BlobReader, BlobStore};

use super::create_private;

const INCOMING: &str = ".incoming";

/// How many bytes are moved at once.
const STEP: usize = 256 * 1024;

/// A store in a folder, shared by all processes of a user.
#[derive(Debug)]
pub struct FolderBlobs {
    dir: PathBuf,
    /// Largest blob taken, in bytes.
    limit: u64,
}

impl FolderBlobs {
    /// A store in that folder, which need not exist yet. No blob may have more than `limit`
    /// bytes. What a killed process has left half written is removed.
    pub fn new(dir: impl Into<PathBuf>, limit: u64) -> Self {
        let store = Self {
            dir: dir.into(),
            limit,
        };
        store.remove_stale();
        store
    }

    /// The file of a blob, whether it is there or not.
    pub fn path(&self, key: &BlobKey) -> PathBuf {
        self.dir.join(key.as_str())
    }

    /// Removes half written blobs that nobody writes any more: their lock is free.
    fn remove_stale(&self) {
        let Ok(entries) = std::fs::read_dir(self.dir.join(INCOMING)) else {
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
                // If it cannot be removed now, the next start tries again.
                let _ = std::fs::remove_file(&path);
            }
        }
    }

    async fn store(&self, key: &BlobKey, mut body: BlobReader) -> Result<u64, BlobError> {
        let failed = |source| BlobError::Store {
            action: "write",
            key: key.clone(),
            source,
        };
        let incoming = self.dir.join(INCOMING);
        let (draft, file) = blocking(move || Draft::create(&incoming))
            .await
            .map_err(failed)?;
        let mut file = tokio::fs::File::from_std(file);
        let mut buffer = vec![0; STEP];
        let mut size = 0;
        loop {
            let step = body.read(&mut buffer).await.map_err(failed)?;
            if step == 0 {
                break;
            }
            size += step as u64;
            if size > self.limit {
                return Err(BlobError::TooLarge {
                    key: key.clone(),
                    limit: self.limit,
                });
            }
            file.write_all(&buffer[..step]).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        let file = file.into_std().await;
        let path = self.path(key);
        blocking(move || {
            // Without this a power cut could leave the new name with nothing behind it.
            file.sync_all()?;
            draft.publish(&path)
        })
        .await
        .map_err(failed)?;
        Ok(size)
    }
}

impl BlobStore for FolderBlobs {
    fn put<'a>(
        &'a self,
        key: &'a BlobKey,
        body: BlobReader,
    ) -> BoxFuture<'a, Result<u64, BlobError>> {
        self.store(key, body).boxed()
    }

    fn remove<'a>(&'a self, key: &'a BlobKey) -> BoxFuture<'a, Result<(), BlobError>> {
        async move {
            match tokio::fs::remove_file(self.path(key)).await {
                Err(source) if source.kind() != io::ErrorKind::NotFound => Err(BlobError::Store {
                    action: "remove",
                    key: key.clone(),
                    source,
                }),
                _ => Ok(()),
            }
        }
        .boxed()
    }

    fn get<'a>(&'a self, key: &'a BlobKey) -> BoxFuture<'a, Result<Option<BlobReader>, BlobError>> {
        async move {
            match tokio::fs::File::open(self.path(key)).await {
                Ok(file) => Ok(Some(Box::pin(file) as BlobReader)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(source) => Err(BlobError::Store {
                    action: "read",
                    key: key.clone(),
                    source,
                }),
            }
        }
        .boxed()
    }
}

/// A file that is being written. It is removed when it is dropped before it was published,
/// so that an abandoned upload leaves nothing behind.
#[derive(Debug)]
struct Draft {
    path: PathBuf,
    published: bool,
}

impl Draft {
    fn create(incoming: &Path) -> io::Result<(Self, File)> {
        static DRAFTS: AtomicU64 = AtomicU64::new(0);
        create_private(incoming).map_err(io::Error::other)?;
        loop {
            let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
            let path = incoming.join(format!("{}-{number}", std::process::id()));
            let created = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path);
            let file = match created {
                Ok(file) => file,
                // Left by a process that had our number; its turn comes at the next start.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            let draft = Self {
                path,
                published: false,
            };
            file.lock()?;
            // Between creating and locking, another process that starts may have taken it
            // for a stale one.
            if file.metadata()?.nlink() > 0 {
                return Ok((draft, file));
            }
        }
    }

    fn publish(mut self, path: &Path) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            create_private(parent).map_err(io::Error::other)?;
        }
        std::fs::rename(&self.path, path)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            // The next start removes what cannot be removed now.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Does file work away from the event loop.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(io::Error::other(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Sid;

    fn store() -> (tempfile::TempDir, FolderBlobs) {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FolderBlobs::new(dir.path().join("blobs"), 1_000_000);
        (dir, blobs)
    }

    fn key(id: &str) -> BlobKey {
        BlobKey::artifact(&Sid::new("local", "app", "b1"), id)
    }

    fn body(bytes: &[u8]) -> BlobReader {
        Box::pin(io::Cursor::new(bytes.to_vec()))
    }

    async fn content(blobs: &FolderBlobs, key: &BlobKey) -> Option<Vec<u8>> {
        let mut reader = blobs.get(key).await.unwrap()?;
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).await.unwrap();
        Some(bytes)
    }

    fn incoming(blobs: &FolderBlobs) -> usize {
        std::fs::read_dir(blobs.dir.join(INCOMING)).map_or(0, Iterator::count)
    }

    #[tokio::test]
    async fn what_was_put_is_got() {
        let (_dir, blobs) = store();
        let bytes: Vec<u8> = (0..700_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        assert_eq!(content(&blobs, &key("a")).await, None);
        assert_eq!(blobs.put(&key("a"), body(&bytes)).await.unwrap(), 700_000);
        assert_eq!(content(&blobs, &key("a")).await, Some(bytes));
        assert_eq!(content(&blobs, &key("b")).await, None);
        assert_eq!(incoming(&blobs), 0);
    }

    #[tokio::test]
    async fn an_empty_blob_is_a_blob() {
        let (_dir, blobs) = store();
        assert_eq!(blobs.put(&key("a"), body(b"")).await.unwrap(), 0);
        assert_eq!(content(&blobs, &key("a")).await, Some(Vec::new()));
    }

    #[tokio::test]
    async fn a_reader_keeps_the_old_blob_while_it_is_replaced() {
        let (_dir, blobs) = store();
        blobs
            .put(&key("a"), body(&vec![b'o'; 500_000]))
            .await
            .unwrap();
        let mut reader = blobs.get(&key("a")).await.unwrap().unwrap();
        let mut first = [0; 10];
        reader.read_exact(&mut first).await.unwrap();
        blobs.put(&key("a"), body(b"new")).await.unwrap();
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest.len(), 499_990);
        assert!(rest.iter().all(|byte| *byte == b'o'));
        assert_eq!(content(&blobs, &key("a")).await, Some(b"new".to_vec()));
    }

    #[tokio::test]
    async fn a_blob_over_the_quota_is_refused_and_leaves_nothing() {
        let (_dir, blobs) = store();
        blobs.put(&key("a"), body(b"old")).await.unwrap();
        let endless: BlobReader = Box::pin(tokio::io::repeat(7));
        let error = blobs.put(&key("a"), endless).await.unwrap_err();
        assert!(matches!(
            error,
            BlobError::TooLarge {
                limit: 1_000_000,
                ..
            }
        ));
        assert_eq!(content(&blobs, &key("a")).await, Some(b"old".to_vec()));
        assert_eq!(incoming(&blobs), 0);
        let just_so: BlobReader = Box::pin(tokio::io::repeat(7).take(1_000_000));
        assert_eq!(blobs.put(&key("a"), just_so).await.unwrap(), 1_000_000);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_replaces_nothing() {
        let (_dir, blobs) = store();
        blobs.put(&key("a"), body(b"old")).await.unwrap();
        let broken = broken_off(b"half");
        assert!(blobs.put(&key("a"), broken).await.is_err());
        assert_eq!(content(&blobs, &key("a")).await, Some(b"old".to_vec()));
        assert_eq!(incoming(&blobs), 0);
    }

    /// Some bytes, then an error.
    fn broken_off(bytes: &'static [u8]) -> BlobReader {
        let chunks = [
            Ok(bytes::Bytes::from_static(bytes)),
            Err(io::Error::other("the connection is gone")),
        ];
        let stream = futures_util::stream::iter(chunks);
        Box::pin(tokio_util::io::StreamReader::new(stream))
    }

    #[tokio::test]
    async fn an_abandoned_upload_leaves_nothing() {
        let (_dir, blobs) = store();
        let (mut feed, end) = tokio::io::duplex(64);
        let key = key("a");
        let mut upload = blobs.put(&key, Box::pin(end));
        tokio::select! {
            _ = &mut upload => panic!("the body has not ended"),
            // More than the pipe holds: when all of it is in, the store has taken some.
            sent = feed.write_all(&[1; 10_000]) => sent.unwrap(),
        }
        assert_eq!(incoming(&blobs), 1);
        drop(upload);
        assert_eq!(incoming(&blobs), 0);
        assert_eq!(content(&blobs, &key).await, None);
    }

    #[test]
    fn a_start_removes_what_nobody_writes_any_more_and_only_that() {
        let (_dir, blobs) = store();
        let incoming_dir = blobs.dir.join(INCOMING);
        let (alive, _file) = Draft::create(&incoming_dir).unwrap();
        let stale = incoming_dir.join("1-0");
        std::fs::write(&stale, b"half").unwrap();
        FolderBlobs::new(&blobs.dir, 1);
        assert!(alive.path.exists());
        assert!(!stale.exists());
    }

    #[tokio::test]
    async fn hostile_ids_stay_inside_the_folder() {
        let (dir, blobs) = store();
        for id in ["../../../../../../up", "/etc/passwd", "..", ""] {
            blobs.put(&key(id), body(id.as_bytes())).await.unwrap();
            assert_eq!(
                content(&blobs, &key(id)).await,
                Some(id.as_bytes().to_vec())
            );
            assert!(blobs.path(&key(id)).starts_with(&blobs.dir));
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn the_last_of_many_writers_wins_as_a_whole() {
        let (_dir, blobs) = store();
        let key = BlobKey::cache(&Sid::new("local", "app", "b1"), "deps");
        let puts = (0..16_u8).map(|n| blobs.put(&key, body(&vec![n; 100_000])));
        for result in futures_util::future::join_all(puts).await {
            assert_eq!(result.unwrap(), 100_000);
        }
        let left = content(&blobs, &key).await.unwrap();
        assert_eq!(left.len(), 100_000);
        assert!(left.iter().all(|byte| *byte == left[0]));
        assert_eq!(incoming(&blobs), 0);
    }

    #[tokio::test]
    async fn a_store_that_cannot_write_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let blobs = FolderBlobs::new(&file, 10);
        let error = blobs.put(&key("a"), body(b"x")).await.unwrap_err();
        assert!(
            error.to_string().starts_with("the store cannot write"),
            "{error}"
        );
    }
}
