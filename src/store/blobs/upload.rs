//! A blob on its way into a store, in parts of one size, a few at a time: what is in memory does
//! not depend on the blob's size.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, Result};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// How long giving up an upload may take.
const GIVE_UP: Duration = Duration::from_secs(20);
/// Parts under way at one time.
const AT_ONCE: usize = 2;

/// An upload. Nothing shows at its place before it has ended; dropped before, it is given up, and
/// so are the parts that the store has.
pub(super) struct Upload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// Begun with the first full part: what fits into one is put at once.
    parts: Option<Box<dyn MultipartUpload>>,
    under_way: JoinSet<Result<()>>,
}

impl Upload {
    pub(super) fn new(store: Arc<dyn ObjectStore>, path: Path) -> Self {
        Self {
            store,
            path,
            parts: None,
            under_way: JoinSet::new(),
        }
    }

    /// Sends a part; all but the last have to be of one size.
    pub(super) async fn part(&mut self, bytes: Bytes) -> Result<()> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => none.insert(self.store.put_multipart(&self.path).await?),
        };
        self.under_way.spawn(parts.put_part(bytes.into()));
        self.wait_for_fewer_than(AT_ONCE).await
    }

    /// Sends the last part, and puts the blob in its place.
    pub(super) async fn end(mut self, bytes: Bytes) -> Result<()> {
        if self.parts.is_none() {
            return self
                .store
                .put(&self.path, bytes.into())
                .await
                .map(|_done| ());
        }
        let ended = self.end_parts(bytes).await;
        match &ended {
            // There is nothing left to give up.
            Ok(()) => self.parts = None,
            Err(_) => self.give_up().await,
        }
        ended
    }

    async fn end_parts(&mut self, bytes: Bytes) -> Result<()> {
        self.part(bytes).await?;
        self.wait_for_fewer_than(1).await?;
        match &mut self.parts {
            Some(parts) => parts.complete().await.map(|_done| ()),
            None => Ok(()),
        }
    }

    async fn wait_for_fewer_than(&mut self, count: usize) -> Result<()> {
        while self.under_way.len() >= count {
            match self.under_way.join_next().await {
                Some(sent) => sent??,
                None => break,
            }
        }
        Ok(())
    }

    /// Removes what has been sent. A store that does not answer keeps it.
    pub(super) async fn give_up(&mut self) {
        self.under_way.shutdown().await;
        if let Some(parts) = self.parts.take() {
            abort(parts).await;
        }
    }
}

async fn abort(mut parts: Box<dyn MultipartUpload>) {
    // Nobody waits for these parts; a bucket's own rules remove them in the end.
    let _ = tokio::time::timeout(GIVE_UP, parts.abort()).await;
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.under_way.abort_all();
        // Without a runtime the program ends: as if it had been killed.
        if let (Some(parts), Ok(runtime)) = (self.parts.take(), Handle::try_current()) {
            runtime.spawn(abort(parts));
        }
    }
}
