//! Blobs in an object store: a folder of this machine, or a bucket.
//!
//! ```text
//! blobs/artifacts/<org>/<repo>/<build>/<id>.tgz
//! blobs/caches/<org>/<repo>/<id>.tgz
//! blobs/workspaces/<org>/<repo>/<build>.tgz
//! blobs/results/<org>/<repo>/<build>/<name>.result
//! blobs/.incoming/<process>-<number>/         being written, locked by its writer
//! ```
//!
//! [`ObjectBlobs`] is the one implementation of [`BlobStore`]; which of the `object_store` crate's
//! stores is under it makes little difference. It streams ([`upload`]), seals what it writes with a
//! checksum and checks what it reads ([`seal`]). Whoever reads has the old blob or the new one to its
//! end, also while it is replaced. [`credentials`] finds the keys to a bucket, [`bucket`] opens one,
//! and [`SharedBlobs`] is what a user has who keeps artifacts in a bucket.
//!
//! In a folder, a blob is written below `.incoming` and then renamed, both by the crate. Its own way
//! would be to write `<name>#1` right beside the blob. That file would stay for good after a
//! `kill -9`, since nothing tells whether somebody still writes it; and the crate makes files and
//! folders as the umask says, not for this user only. So folders (`drafts`) and modes are made
//! here, and the file is flushed to the disk here before it gets its name. The crate would flush
//! three folders besides, which makes a small blob some fifty times as slow; without that a power
//! cut may bring back the old blob, but never half of one.

mod bucket;
mod credentials;
mod seal;
mod shared;
#[cfg(test)]
mod tests;
mod upload;

use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetResultPayload, ObjectStore, ObjectStoreExt};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::StreamReader;

use crate::ports::{BlobError, BlobKey, BlobReader, BlobStore};

use super::create_private;
use super::drafts::{self, Draft, remove_stale_drafts};
use seal::{Sealer, Unsealed};
use upload::Upload;

pub use bucket::BucketSettings;
pub use credentials::{CredentialsError, Keys, Profiles};
pub(super) use seal::SealedFile;
pub use shared::SharedBlobs;

/// How many bytes are taken of a body at once.
const STEP: usize = 256 * 1024;
/// Size of a part in bytes, in a folder.
const FILE_PART: usize = 1 << 20;
/// Size of a part in bytes, in a bucket: S3 wants at least 5 MiB, and takes 10,000 of them.
const BUCKET_PART: usize = 8 << 20;

/// A store for blobs.
pub struct ObjectBlobs {
    place: Place,
    /// Where drafts are made.
    dir: PathBuf,
    /// Largest blob taken, in bytes.
    limit: u64,
}

/// What is under a store.
enum Place {
    /// `dir`, which is made by the first who writes.
    Folder(OnceLock<Arc<dyn ObjectStore>>),
    Bucket {
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        /// For people: which bucket, and where.
        name: String,
    },
}

impl Place {
    /// For people.
    fn name(&self) -> &str {
        match self {
            Self::Folder(_) => "the folder",
            Self::Bucket { name, .. } => name,
        }
    }
}

impl fmt::Debug for ObjectBlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The crate's stores hold credentials.
        match &self.place {
            Place::Folder(_) => write!(f, "ObjectBlobs({})", self.dir.display()),
            Place::Bucket { name, .. } => write!(f, "ObjectBlobs({name})"),
        }
    }
}

impl ObjectBlobs {
    /// A store in that folder, which need not exist yet, shared by all processes of a user. No
    /// blob may have more than `limit` bytes. What a killed process has left half written is
    /// removed.
    pub fn in_folder(dir: impl Into<PathBuf>, limit: u64) -> Self {
        let dir = dir.into();
        remove_stale_drafts(&dir);
        Self {
            place: Place::Folder(OnceLock::new()),
            dir,
            limit,
        }
    }

    /// A store in a bucket; `dir` is for what has to lie on this machine for a while. Nothing is
    /// sent yet. The error is the end of a sentence.
    pub fn in_bucket(
        settings: &BucketSettings,
        dir: impl Into<PathBuf>,
        limit: u64,
    ) -> Result<Self, String> {
        let store = bucket::open(settings)?;
        Self::over(store, &settings.prefix, settings.name(), dir, limit)
    }

    fn over(
        store: Arc<dyn ObjectStore>,
        prefix: &str,
        name: String,
        dir: impl Into<PathBuf>,
        limit: u64,
    ) -> Result<Self, String> {
        let dir = dir.into();
        remove_stale_drafts(&dir);
        let prefix = Path::parse(prefix).map_err(|error| error.to_string())?;
        Ok(Self {
            place: Place::Bucket {
                store,
                prefix,
                name,
            },
            dir,
            limit,
        })
    }

    /// Where a blob is, and under which name; `None` when the folder is not there.
    fn locate(&self, key: &BlobKey) -> io::Result<Option<(Arc<dyn ObjectStore>, Path)>> {
        let (store, name) = match &self.place {
            Place::Folder(opened) => match opened.get() {
                Some(store) => (store, key.as_str().to_owned()),
                None if !self.dir.exists() => return Ok(None),
                None => {
                    let folder =
                        LocalFileSystem::new_with_prefix(&self.dir).map_err(io::Error::other)?;
                    let store = opened.get_or_init(|| Arc::new(folder));
                    (store, key.as_str().to_owned())
                }
            },
            Place::Bucket { store, prefix, .. } if prefix.as_ref().is_empty() => {
                (store, key.as_str().to_owned())
            }
            Place::Bucket { store, prefix, .. } => (store, format!("{prefix}/{key}")),
        };
        let path = Path::parse(name).map_err(io::Error::other)?;
        Ok(Some((Arc::clone(store), path)))
    }

    /// What went wrong, for people.
    fn failed(
        &self,
        action: &'static str,
        key: &BlobKey,
        error: &object_store::Error,
    ) -> BlobError {
        match &self.place {
            Place::Folder(_) => BlobError::Store {
                action,
                key: key.clone(),
                source: innermost(error),
            },
            Place::Bucket { name, .. } => bucket_failed(action, key, name, error),
        }
    }

    async fn store(&self, key: &BlobKey, body: BlobReader) -> Result<u64, BlobError> {
        match self.place {
            Place::Folder(_) => self.store_in_folder(key, body).await,
            Place::Bucket { .. } => {
                let (store, path) = self.located(key)?;
                self.send(key, body, Upload::new(store, path), BUCKET_PART)
                    .await
            }
        }
    }

    /// As [`Self::locate`], for a place that is there.
    fn located(&self, key: &BlobKey) -> Result<(Arc<dyn ObjectStore>, Path), BlobError> {
        self.locate(key)
            .and_then(|found| found.ok_or_else(|| io::ErrorKind::NotFound.into()))
            .map_err(failed("write", key))
    }

    async fn store_in_folder(&self, key: &BlobKey, body: BlobReader) -> Result<u64, BlobError> {
        let dir = self.dir.clone();
        let draft = blocking(move || Draft::create(&dir))
            .await
            .map_err(failed("write", key))?;
        let (store, path) = self.located(key)?;
        let number = draft.path().file_name().unwrap_or_default();
        let draft_path = Path::from_iter([drafts::INCOMING, &*number.to_string_lossy(), "blob"]);
        let upload = Upload::new(Arc::clone(&store), draft_path.clone());
        let size = self.send(key, body, upload, FILE_PART).await?;
        let file = draft.path().join("blob");
        let folder = self.dir.join(key.as_str());
        blocking(move || {
            let file = std::fs::File::open(file)?;
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
            // Without this a power cut could leave the new name with nothing behind it.
            file.sync_all()?;
            match folder.parent() {
                Some(folder) => create_private(folder).map_err(io::Error::other),
                None => Ok(()),
            }
        })
        .await
        .map_err(failed("write", key))?;
        store
            .rename(&draft_path, &path)
            .await
            .map_err(|error| self.failed("write", key, &error))?;
        Ok(size)
    }

    /// Sends a sealed blob, and returns the size of what is in it.
    async fn send(
        &self,
        key: &BlobKey,
        body: BlobReader,
        mut upload: Upload,
        part: usize,
    ) -> Result<u64, BlobError> {
        let mut sealed = SealedParts::new(body, part);
        loop {
            let step = match sealed.next().await {
                Err(source) => Err(failed("write", key)(source)),
                Ok(_) if sealed.size() > self.limit => Err(BlobError::TooLarge {
                    key: key.clone(),
                    limit: self.limit,
                }),
                Ok(Some(part)) => upload
                    .part(part)
                    .await
                    .map_err(|error| self.failed("write", key, &error)),
                Ok(None) => {
                    let (last, size) = sealed.last();
                    upload
                        .end(last)
                        .await
                        .map_err(|error| self.failed("write", key, &error))?;
                    return Ok(size);
                }
            };
            if let Err(error) = step {
                upload.give_up().await;
                return Err(error);
            }
        }
    }

    /// What is stored under a key.
    async fn fetch(&self, key: &BlobKey) -> Result<Option<GetResultPayload>, BlobError> {
        let Some((store, path)) = self.locate(key).map_err(failed("read", key))? else {
            return Ok(None);
        };
        match store.get(&path).await {
            Ok(got) => Ok(Some(got.payload)),
            Err(error) if bucket::is_missing_key(&error) => Ok(None),
            Err(error) => Err(self.failed("read", key, &error)),
        }
    }

    async fn open(&self, key: &BlobKey) -> Result<Option<BlobReader>, BlobError> {
        let reader = |fetched| self.unsealed(key, fetched);
        Ok(self.fetch(key).await?.map(reader))
    }

    /// A cache is a favour: it is there as it was stored, or it is not there. So all of it is
    /// checked before anybody gets a byte.
    async fn open_checked(&self, key: &BlobKey) -> Result<Option<BlobReader>, BlobError> {
        let checked = match self.fetch(key).await? {
            None => return Ok(None),
            Some(GetResultPayload::File(file, path)) => self.check_file(key, file, path).await,
            Some(fetched) => self.keep_checked(self.unsealed(key, fetched)).await,
        };
        checked.map(Some).map_err(|error| unwrapped(key, error))
    }

    /// Reads a file twice; it is the same one also when it is replaced meanwhile.
    async fn check_file(
        &self,
        key: &BlobKey,
        file: std::fs::File,
        path: PathBuf,
    ) -> io::Result<BlobReader> {
        // The two share one place to read at.
        let mut again = tokio::fs::File::from_std(file.try_clone()?);
        let mut unchecked = self.unsealed(key, GetResultPayload::File(file, path.clone()));
        let mut buffer = vec![0; STEP];
        while unchecked.read(&mut buffer).await? > 0 {}
        again.rewind().await?;
        let again = again.into_std().await;
        Ok(self.unsealed(key, GetResultPayload::File(again, path)))
    }

    /// Keeps what comes from elsewhere in a file until all of it is there.
    async fn keep_checked(&self, mut unchecked: BlobReader) -> io::Result<BlobReader> {
        let dir = self.dir.clone();
        let file = blocking(move || {
            let draft = Draft::create(&dir)?;
            // Without its draft it has no name, and goes with its reader.
            std::fs::File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(draft.path().join("checked"))
        });
        let mut file = tokio::fs::File::from_std(file.await?);
        let mut buffer = vec![0; STEP];
        loop {
            let read = unchecked.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            file.write_all(&buffer[..read]).await?;
        }
        file.rewind().await?;
        Ok(Box::pin(file))
    }

    fn unsealed(&self, key: &BlobKey, fetched: GetResultPayload) -> BlobReader {
        let stored: BlobReader = match (fetched, &self.place) {
            (GetResultPayload::File(file, _), _) => Box::pin(tokio::fs::File::from_std(file)),
            (GetResultPayload::Stream(stream), place) => {
                let (key, name) = (key.clone(), place.name().to_owned());
                let stream = stream.map_err(move |error| {
                    let error = bucket_failed("read", &key, &name, &error);
                    io::Error::other(error)
                });
                Box::pin(StreamReader::new(stream))
            }
        };
        Box::pin(Unsealed::new(key.clone(), stored))
    }
}

impl BlobStore for ObjectBlobs {
    fn put<'a>(
        &'a self,
        key: &'a BlobKey,
        body: BlobReader,
    ) -> BoxFuture<'a, Result<u64, BlobError>> {
        self.store(key, body).boxed()
    }

    fn remove<'a>(&'a self, key: &'a BlobKey) -> BoxFuture<'a, Result<(), BlobError>> {
        async move {
            let Some((store, path)) = self.locate(key).map_err(failed("remove", key))? else {
                return Ok(());
            };
            match store.delete(&path).await {
                Err(error) if !bucket::is_missing_key(&error) => {
                    Err(self.failed("remove", key, &error))
                }
                _ => Ok(()),
            }
        }
        .boxed()
    }

    fn get<'a>(&'a self, key: &'a BlobKey) -> BoxFuture<'a, Result<Option<BlobReader>, BlobError>> {
        if key.is_cache() {
            self.open_checked(key).boxed()
        } else {
            self.open(key).boxed()
        }
    }
}

/// A body and its seal, cut into parts of one size and a last one of what is left.
struct SealedParts {
    body: BlobReader,
    sealer: Sealer,
    part: BytesMut,
    size: usize,
}

impl SealedParts {
    fn new(body: BlobReader, size: usize) -> Self {
        Self {
            body,
            sealer: Sealer::new(),
            part: BytesMut::from(&*Sealer::head()),
            size,
        }
    }

    /// Bytes of the body so far.
    fn size(&self) -> u64 {
        self.sealer.size()
    }

    /// A full part, or `None` when the body has ended.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while self.part.len() < self.size {
            let before = self.part.len();
            let room = (self.size - before).min(STEP);
            self.part.reserve(room);
            let read = (&mut self.body)
                .take(room as u64)
                .read_buf(&mut self.part)
                .await?;
            if read == 0 {
                return Ok(None);
            }
            self.sealer.add(&self.part[before..]);
        }
        // The first part grows with a small blob; of a large one the next will be full too.
        let next = BytesMut::with_capacity(self.size);
        Ok(Some(std::mem::replace(&mut self.part, next).freeze()))
    }

    /// The last part, once [`Self::next`] has said that it is, and the size of the body.
    fn last(mut self) -> (Bytes, u64) {
        let size = self.sealer.size();
        self.part.extend(self.sealer.tail());
        (self.part.freeze(), size)
    }
}

fn failed(action: &'static str, key: &BlobKey) -> impl Fn(io::Error) -> BlobError {
    move |source| BlobError::Store {
        action,
        key: key.clone(),
        source,
    }
}

fn bucket_failed(
    action: &'static str,
    key: &BlobKey,
    name: &str,
    error: &object_store::Error,
) -> BlobError {
    BlobError::Bucket {
        action,
        key: key.clone(),
        bucket: name.to_owned(),
        reason: bucket::reason(error),
    }
}

/// Our own error, where a reader had to wrap it.
fn unwrapped(key: &BlobKey, error: io::Error) -> BlobError {
    match error.downcast::<BlobError>() {
        Ok(ours) => ours,
        Err(source) => failed("read", key)(source),
    }
}

/// What the system said, without what the crate says around it.
fn innermost(error: &object_store::Error) -> io::Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut said = error.to_string();
    while let Some(error) = cause {
        if let Some(system) = error.downcast_ref::<io::Error>() {
            return io::Error::new(system.kind(), system.to_string());
        }
        said = error.to_string();
        cause = error.source();
    }
    io::Error::other(said)
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
