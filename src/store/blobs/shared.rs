//! Artifacts, caches and results in a bucket that others may share.
//!
//! Workspaces stay on this machine: nobody else needs them, they are gone when their build is over,
//! and they hold everything that lies in the project's folder. What the folder has from the time
//! before there was a bucket is still found.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::ports::{BlobError, BlobKey, BlobReader, BlobStore};

use super::ObjectBlobs;

/// A bucket, and a folder for what does not leave this machine.
#[derive(Debug)]
pub struct SharedBlobs {
    bucket: ObjectBlobs,
    folder: ObjectBlobs,
}

impl SharedBlobs {
    /// Both together.
    pub fn new(bucket: ObjectBlobs, folder: ObjectBlobs) -> Self {
        Self { bucket, folder }
    }
}

impl BlobStore for SharedBlobs {
    fn put<'a>(
        &'a self,
        key: &'a BlobKey,
        body: BlobReader,
    ) -> BoxFuture<'a, Result<u64, BlobError>> {
        if key.is_workspace() {
            self.folder.put(key, body)
        } else {
            self.bucket.put(key, body)
        }
    }

    fn remove<'a>(&'a self, key: &'a BlobKey) -> BoxFuture<'a, Result<(), BlobError>> {
        async move {
            self.folder.remove(key).await?;
            if key.is_workspace() {
                return Ok(());
            }
            self.bucket.remove(key).await
        }
        .boxed()
    }

    fn get<'a>(&'a self, key: &'a BlobKey) -> BoxFuture<'a, Result<Option<BlobReader>, BlobError>> {
        async move {
            if !key.is_workspace()
                && let Some(found) = self.bucket.get(key).await?
            {
                return Ok(Some(found));
            }
            self.folder.get(key).await
        }
        .boxed()
    }
}
