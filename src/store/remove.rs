//! Forgetting a build: its recording, and what its jobs have saved.
//!
//! ```text
//! claim the journal ─▶ look once more ─▶ artifacts, results ─▶ the folder goes, all at once
//!        │ in use           │ pinned, changed     │ cannot be removed
//!        └──────────────────┴─────────────────────┴──▶ it stays, and can be removed again
//! ```
//!
//! Who reads the recording just then reads it to its end: its files are only without a name. Killed
//! at any moment, this leaves a build that is there, with less of what it saved, or none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::archive;
use crate::domain::file_name;
use crate::journal::{self, JournalError};
use crate::ports::{BlobError, BlobKey, BlobStore};

use super::{Draft, Home, Stocked, pins};

/// Why a build stays.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum RemoveError {
    #[error("some process works on it")]
    InUse,
    #[error("it is pinned")]
    Pinned,
    #[error("it has changed meanwhile")]
    Changed,
    #[error("what it saved cannot be removed")]
    Saved(#[from] BlobError),
    #[error("cannot remove {}", path.display())]
    Recording {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Removes a build. One that is gone already is fine.
pub async fn remove(
    home: &Home,
    blobs: &dyn BlobStore,
    build: &Stocked,
) -> Result<(), RemoveError> {
    let folder = &build.item.folder;
    let _claim = match journal::claim(&folder.journal) {
        Ok(claim) => claim,
        Err(JournalError::Missing(_)) => return Ok(()),
        Err(JournalError::InUse(_)) => return Err(RemoveError::InUse),
        Err(error) => {
            let source = io::Error::other(error);
            let path = folder.journal.clone();
            return Err(RemoveError::Recording { path, source });
        }
    };
    if pins::is_pinned(folder) {
        return Err(RemoveError::Pinned);
    }
    if build.has_changed() {
        return Err(RemoveError::Changed);
    }
    let sid = &build.item.sid;
    for id in &build.artifacts {
        blobs.remove(&BlobKey::artifact(sid, id)).await?;
    }
    for name in &build.results {
        blobs.remove(&BlobKey::result(sid, name)).await?;
    }
    let dir = folder.dir.clone();
    let is_own = !build.item.imported;
    let base = if is_own {
        home.builds()
    } else {
        home.imported()
    };
    let parts = [&sid.org, &sid.repo, &sid.build].map(|part| file_name(part));
    let saved = ["artifacts", "results"].map(|kind| {
        let mut dir = home.blobs().join(kind);
        dir.extend(&parts);
        dir
    });
    let removing = tokio::task::spawn_blocking(move || {
        at_once(&dir, &base).map_err(|source| RemoveError::Recording { path: dir, source })?;
        if is_own {
            for dir in saved {
                // What nobody has told of, and the empty folders.
                let _ = archive::remove_tree(&dir);
            }
        }
        Ok(())
    });
    // Fails only when the runtime is going down.
    removing.await.unwrap_or(Ok(()))
}

/// Removes a folder: to everybody else it is there with all that is in it, or not at all.
fn at_once(dir: &Path, base: &Path) -> io::Result<()> {
    let draft = Draft::create(base)?;
    let gone = draft.path().join("removed");
    match fs::rename(dir, &gone) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        renamed => renamed?,
    }
    // What cannot be removed now goes with what killed programs have left.
    let _ = archive::remove_tree(&gone);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    use super::*;
    use crate::domain::{BuildStatus, Event, EventKind, JobId, Sid, TuiEvent};
    use crate::edn::Map;
    use crate::journal::Journal;
    use crate::ports::BlobReader;
    use crate::store::{History, ObjectBlobs};

    /// A build with an artifact, a result and a log.
    fn record(home: &Home, build: &str) -> Sid {
        let sid = Sid::new("local", "app", build);
        let folder = home.build(&sid);
        folder.create().unwrap();
        fs::write(folder.logs.join("job.log"), "a line\n").unwrap();
        let journal = Journal::create(&folder.journal, &sid).unwrap();
        let artifact = TuiEvent::ArtifactSaved {
            id: "out".to_owned(),
            path: "out".to_owned(),
            size: 5000,
        };
        let result = TuiEvent::ResultSaved {
            name: "report".to_owned(),
            media_type: "text/plain".to_owned(),
            size: 300,
        };
        let events = vec![
            Event::new(EventKind::BuildPending { build: Map::new() }),
            Event::new(EventKind::BuildStart),
            Event::of_job(&JobId::new("job"), EventKind::Tui(artifact)),
            Event::new(EventKind::Tui(result)),
            Event::new(EventKind::BuildEnd {
                status: Some(BuildStatus::Error),
                build: None,
            }),
        ];
        journal.append(1, events).unwrap();
        sid
    }

    async fn put(blobs: &ObjectBlobs, key: &BlobKey) {
        blobs.put(key, Box::pin(&b"bytes"[..])).await.unwrap();
    }

    fn files(dir: &Path) -> usize {
        let mut all = fs::read_dir(dir).into_iter().flatten().flatten();
        let mut count = 0;
        for entry in &mut all {
            count += if entry.file_type().unwrap().is_dir() {
                files(&entry.path())
            } else {
                1
            };
        }
        count
    }

    #[tokio::test]
    async fn a_build_goes_with_all_that_it_saved() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::under(dir.path());
        let blobs = ObjectBlobs::in_folder(home.blobs(), 1 << 20);
        let [gone, stays] = ["one", "two"].map(|build| record(&home, build));
        for sid in [&gone, &stays] {
            put(&blobs, &BlobKey::artifact(sid, "out")).await;
            put(&blobs, &BlobKey::result(sid, "report")).await;
        }
        // Killed before its journal could tell of it.
        put(&blobs, &BlobKey::artifact(&gone, "untold")).await;
        put(&blobs, &BlobKey::cache(&gone, "kept")).await;
        let stock = History::new(&home).stock().unwrap();
        let build = stock.iter().find(|build| build.item.sid == gone).unwrap();
        let journal = fs::metadata(&build.item.folder.journal).unwrap().len();
        assert_eq!(build.held.size, journal + 7 + 5300);
        // Somebody reads its log.
        let mut log = fs::File::open(build.item.folder.logs.join("job.log")).unwrap();

        remove(&home, &blobs, build).await.unwrap();
        assert!(!build.item.folder.dir.exists());
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a line\n");
        assert_eq!(files(&home.blobs()), 3, "of the other one, and the cache");
        let left = History::new(&home).list(9).items;
        assert_eq!(
            left.iter().map(|item| &item.sid).collect::<Vec<_>>(),
            [&stays]
        );
        // Twice is once.
        remove(&home, &blobs, build).await.unwrap();
    }

    #[tokio::test]
    async fn what_must_stay_is_looked_at_once_more() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::under(dir.path());
        let blobs = ObjectBlobs::in_folder(home.blobs(), 1 << 20);
        let sid = record(&home, "one");
        put(&blobs, &BlobKey::artifact(&sid, "out")).await;
        let build = History::new(&home).stock().unwrap().remove(0);
        let folder = &build.item.folder;
        let refused = async || remove(&home, &blobs, &build).await.unwrap_err();

        assert!(crate::store::pin(folder, "for the release").unwrap());
        assert!(matches!(refused().await, RemoveError::Pinned));
        assert!(crate::store::unpin(folder).unwrap());
        let (journal, _) = Journal::open(&folder.journal).unwrap();
        assert!(matches!(refused().await, RemoveError::InUse));
        journal
            .append(2, vec![Event::new(EventKind::Tui(TuiEvent::Gap))])
            .unwrap();
        drop(journal);
        assert!(matches!(refused().await, RemoveError::Changed));
        assert_eq!(files(&home.blobs()), 1, "nothing of it has gone");
    }

    /// A bucket that cannot be reached.
    #[derive(Debug)]
    struct Away;

    impl BlobStore for Away {
        fn put<'a>(
            &'a self,
            _: &'a BlobKey,
            _: BlobReader,
        ) -> BoxFuture<'a, Result<u64, BlobError>> {
            unreachable!("nothing is stored")
        }

        fn remove<'a>(&'a self, key: &'a BlobKey) -> BoxFuture<'a, Result<(), BlobError>> {
            let error = BlobError::Bucket {
                action: "remove",
                key: key.clone(),
                bucket: "ci".to_owned(),
                reason: "no answer".to_owned(),
            };
            std::future::ready(Err(error)).boxed()
        }

        fn get<'a>(
            &'a self,
            _: &'a BlobKey,
        ) -> BoxFuture<'a, Result<Option<BlobReader>, BlobError>> {
            unreachable!("nothing is read")
        }
    }

    #[tokio::test]
    async fn a_build_stays_as_long_as_what_it_saved_cannot_be_reached() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::under(dir.path());
        record(&home, "one");
        let build = History::new(&home).stock().unwrap().remove(0);
        let error = remove(&home, &Away, &build).await.unwrap_err();
        assert!(matches!(error, RemoveError::Saved(_)), "{error}");
        assert_eq!(History::new(&home).list(9).items.len(), 1);
        // Nobody holds it after that.
        Journal::open(&build.item.folder.journal).unwrap();
    }
}
