//! One suite for every store: in a folder, in a bucket that is in memory, and in one of a server.
//! `tests/e2e/storage.rs` has whole builds.

use std::os::unix::fs::PermissionsExt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use object_store::memory::InMemory;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::counted;
use crate::domain::Sid;

#[path = "../../../tests/e2e/moto.rs"]
mod moto;

const LIMIT: u64 = 20_000_000;

/// One for all tests, which have buckets of their own.
static SERVER: LazyLock<Option<moto::Moto>> =
    LazyLock::new(|| moto::Moto::start("the suite of stores with S3"));

/// A store, and a way to what it has stored.
struct Rig {
    dir: tempfile::TempDir,
    blobs: ObjectBlobs,
    /// Around it: what is really in the bucket.
    inside: Option<Arc<dyn ObjectStore>>,
    /// The bucket's name, when it is one of a server.
    bucket: Option<String>,
}

impl Rig {
    fn folder() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            blobs: ObjectBlobs::in_folder(dir.path().join("blobs"), LIMIT),
            dir,
            inside: None,
            bucket: None,
        }
    }

    fn memory() -> Self {
        Self::over(Arc::new(InMemory::new()))
    }

    fn over(store: Arc<dyn ObjectStore>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let inside = Some(Arc::clone(&store));
        let name = "the bucket b at home".to_owned();
        Self {
            blobs: ObjectBlobs::over(store, "a/b", name, dir.path().join("blobs"), LIMIT).unwrap(),
            dir,
            inside,
            bucket: None,
        }
    }

    fn server() -> Option<Self> {
        static BUCKETS: AtomicUsize = AtomicUsize::new(0);
        let server = SERVER.as_ref()?;
        let name = format!("bucket-{}", BUCKETS.fetch_add(1, Ordering::Relaxed));
        server.bucket(&name);
        let settings = BucketSettings {
            endpoint: Some(server.url()),
            bucket: name.clone(),
            ..settings()
        };
        Some(Self {
            bucket: Some(name),
            ..Self::over(bucket::open(&settings).unwrap())
        })
    }

    fn all() -> Vec<Self> {
        let mut all = vec![Self::folder(), Self::memory()];
        all.extend(Self::server());
        all
    }

    fn is_folder(&self) -> bool {
        self.inside.is_none()
    }

    /// Whether the server keeps parts of an upload that has not ended.
    fn has_parts(&self) -> bool {
        let server = self.bucket.as_ref().zip(SERVER.as_ref());
        server.is_some_and(|(bucket, server)| server.uploads(bucket).contains("<UploadId>"))
    }

    fn file(&self, key: &BlobKey) -> PathBuf {
        self.dir.path().join("blobs").join(key.as_str())
    }

    fn object(key: &BlobKey) -> Path {
        Path::parse(format!("a/b/{key}")).unwrap()
    }

    /// The bytes as they are stored.
    async fn stored(&self, key: &BlobKey) -> Vec<u8> {
        match &self.inside {
            None => std::fs::read(self.file(key)).unwrap(),
            Some(inside) => {
                let got = inside.get(&Self::object(key)).await.unwrap();
                got.bytes().await.unwrap().to_vec()
            }
        }
    }

    /// Stores bytes as an earlier version, or an accident, would have done.
    async fn store(&self, key: &BlobKey, bytes: Vec<u8>) {
        match &self.inside {
            None => {
                create_private(self.file(key).parent().unwrap()).unwrap();
                std::fs::write(self.file(key), bytes).unwrap();
            }
            Some(inside) => {
                inside
                    .put(&Self::object(key), bytes.into())
                    .await
                    .map(drop)
                    .unwrap();
            }
        }
    }

    async fn put(&self, key: &BlobKey, bytes: &[u8]) -> u64 {
        self.blobs.put(key, body(bytes)).await.unwrap()
    }

    async fn content(&self, key: &BlobKey) -> Option<Vec<u8>> {
        let mut reader = self.blobs.get(key).await.unwrap()?;
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).await.unwrap();
        Some(bytes)
    }

    /// What is being written.
    fn incoming(&self) -> usize {
        let incoming = self.dir.path().join("blobs").join(drafts::INCOMING);
        std::fs::read_dir(incoming).map_or(0, Iterator::count)
    }
}

fn key(id: &str) -> BlobKey {
    BlobKey::artifact(&Sid::new("local", "app", "b1"), id)
}

fn cache(id: &str) -> BlobKey {
    BlobKey::cache(&Sid::new("local", "app", "b1"), id)
}

fn body(bytes: &[u8]) -> BlobReader {
    Box::pin(io::Cursor::new(bytes.to_vec()))
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 % 253) as u8).collect()
}

#[tokio::test]
async fn what_was_put_is_got_whatever_its_size() {
    for rig in Rig::all() {
        assert_eq!(rig.content(&key("a")).await, None);
        for length in [
            0,
            1,
            700_000,
            FILE_PART,
            FILE_PART * 3,
            BUCKET_PART - 27,
            BUCKET_PART + 1,
            BUCKET_PART * 2 + 5,
        ] {
            let content = bytes(length);
            for key in [key("a"), cache("a")] {
                assert_eq!(rig.put(&key, &content).await, length as u64);
                assert!(rig.content(&key).await == Some(content.clone()), "{length}");
            }
        }
        assert_eq!(rig.content(&key("b")).await, None);
        assert_eq!(rig.incoming(), 0);
    }
}

#[tokio::test]
async fn what_was_removed_is_gone_and_what_is_not_there_is_fine() {
    for rig in Rig::all() {
        rig.blobs.remove(&key("a")).await.unwrap();
        rig.put(&key("a"), b"x").await;
        rig.put(&key("b"), b"y").await;
        rig.blobs.remove(&key("a")).await.unwrap();
        rig.blobs.remove(&key("a")).await.unwrap();
        assert_eq!(rig.content(&key("a")).await, None);
        assert_eq!(rig.content(&key("b")).await, Some(b"y".to_vec()));
    }
}

#[tokio::test]
async fn blobs_of_earlier_versions_are_read() {
    for rig in Rig::all() {
        for length in [0, 5, 66, 67, 300_000] {
            for key in [key("a"), cache("a")] {
                rig.store(&key, bytes(length)).await;
                assert!(rig.content(&key).await == Some(bytes(length)), "{length}");
            }
        }
    }
}

#[tokio::test]
async fn a_damaged_artifact_is_an_error_at_its_end_and_a_damaged_cache_is_not_opened() {
    for rig in Rig::all() {
        for length in [10, 600_000] {
            for key in [key("a"), cache("a")] {
                rig.put(&key, &bytes(length)).await;
                let mut stored = rig.stored(&key).await;
                let at = stored.len() / 2;
                stored[at] ^= 0x40;
                rig.store(&key, stored).await;
                let error = match rig.blobs.get(&key).await {
                    Err(error) => {
                        assert!(key.is_cache());
                        error
                    }
                    Ok(reader) => {
                        assert!(!key.is_cache());
                        let mut all = Vec::new();
                        let read = reader.unwrap().read_to_end(&mut all).await;
                        unwrapped(&key, read.unwrap_err())
                    }
                };
                assert!(matches!(error, BlobError::Damaged { .. }), "{error:?}");
                let said = error.to_string();
                assert!(said.starts_with(&format!("{key} is damaged: ")), "{said}");
            }
        }
        assert_eq!(rig.incoming(), 0);
    }
}

#[tokio::test]
async fn a_blob_that_was_cut_off_is_damaged() {
    for rig in Rig::all() {
        rig.put(&cache("a"), &bytes(600_000)).await;
        let mut stored = rig.stored(&cache("a")).await;
        stored.truncate(400_000);
        rig.store(&cache("a"), stored).await;
        let Err(error) = rig.blobs.get(&cache("a")).await else {
            panic!("it is not whole");
        };
        assert!(error.to_string().ends_with("its end is missing"), "{error}");
    }
}

#[tokio::test]
async fn a_reader_keeps_the_old_blob_while_it_is_replaced() {
    for rig in Rig::all() {
        for key in [key("a"), cache("a")] {
            rig.put(&key, &vec![b'o'; 900_000]).await;
            let mut reader = rig.blobs.get(&key).await.unwrap().unwrap();
            let mut first = [0; 10];
            reader.read_exact(&mut first).await.unwrap();
            rig.put(&key, b"new").await;
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest.len(), 899_990);
            assert!(rest.iter().all(|byte| *byte == b'o'));
            assert_eq!(rig.content(&key).await, Some(b"new".to_vec()));
        }
    }
}

#[tokio::test]
async fn a_blob_over_the_quota_is_refused_and_leaves_nothing() {
    for rig in Rig::all() {
        rig.put(&key("a"), b"old").await;
        let endless: BlobReader = Box::pin(tokio::io::repeat(7));
        let error = rig.blobs.put(&key("a"), endless).await.unwrap_err();
        assert!(matches!(error, BlobError::TooLarge { limit: LIMIT, .. }));
        assert_eq!(rig.content(&key("a")).await, Some(b"old".to_vec()));
        assert_eq!(rig.incoming(), 0);
        let just_so: BlobReader = Box::pin(tokio::io::repeat(7).take(LIMIT));
        assert_eq!(rig.blobs.put(&key("a"), just_so).await.unwrap(), LIMIT);
    }
}

/// Some bytes, then an error.
fn broken_off(bytes: Vec<u8>) -> BlobReader {
    let chunks = [
        Ok(Bytes::from(bytes)),
        Err(io::Error::other("the connection is gone")),
    ];
    let stream = futures_util::stream::iter(chunks);
    Box::pin(StreamReader::new(stream))
}

#[tokio::test]
async fn a_body_that_breaks_off_replaces_nothing() {
    for rig in Rig::all() {
        rig.put(&key("a"), b"old").await;
        for length in [4, BUCKET_PART * 2] {
            let broken = broken_off(bytes(length));
            let error = rig.blobs.put(&key("a"), broken).await.unwrap_err();
            let said = crate::ports::chain(&error);
            assert!(said.ends_with(": the connection is gone"), "{said}");
            assert_eq!(rig.content(&key("a")).await, Some(b"old".to_vec()));
            assert_eq!(rig.incoming(), 0);
            assert!(!rig.has_parts());
        }
    }
}

#[tokio::test]
async fn an_abandoned_upload_leaves_nothing() {
    for rig in Rig::all() {
        let (mut feed, end) = tokio::io::duplex(64 * 1024);
        let key = key("a");
        let mut upload = rig.blobs.put(&key, Box::pin(end));
        // Two parts of the larger kind, of which one has arrived before the next is taken.
        let sent = bytes(BUCKET_PART * 2 + FILE_PART);
        tokio::select! {
            _ = &mut upload => panic!("the body has not ended"),
            // More than the pipe holds: when all of it is in, the store has taken some.
            sent = feed.write_all(&sent) => sent.unwrap(),
        }
        assert_eq!(rig.incoming(), usize::from(rig.is_folder()));
        assert_eq!(rig.has_parts(), rig.bucket.is_some());
        drop(upload);
        assert_eq!(rig.incoming(), 0);
        // Giving up goes on by itself.
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while rig.has_parts() {
            assert!(std::time::Instant::now() < end, "it was not given up");
            tokio::task::yield_now().await;
        }
        assert_eq!(rig.content(&key).await, None);
    }
}

#[tokio::test]
async fn hostile_ids_stay_inside() {
    for rig in Rig::all() {
        for id in [
            "../../../../../../up",
            "/etc/passwd",
            "..",
            "",
            "a#1",
            "%2e%2e",
        ] {
            rig.put(&key(id), id.as_bytes()).await;
            assert_eq!(rig.content(&key(id)).await, Some(id.as_bytes().to_vec()));
            // Under the very name that the key has.
            assert!(!rig.stored(&key(id)).await.is_empty());
        }
        let entries = std::fs::read_dir(rig.dir.path()).unwrap().count();
        assert_eq!(entries, usize::from(rig.is_folder()));
    }
}

#[tokio::test]
async fn the_last_of_many_writers_wins_as_a_whole() {
    for rig in Rig::all() {
        let key = cache("deps");
        let puts = (0..16_u8).map(|n| rig.blobs.put(&key, body(&vec![n; 100_000])));
        for result in futures_util::future::join_all(puts).await {
            assert_eq!(result.unwrap(), 100_000);
        }
        let left = rig.content(&key).await.unwrap();
        assert_eq!(left.len(), 100_000);
        assert!(left.iter().all(|byte| *byte == left[0]));
        assert_eq!(rig.incoming(), 0);
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let blobs = ObjectBlobs::in_folder(&file, 10);
    let error = blobs.put(&key("a"), body(b"x")).await.unwrap_err();
    let said = error.to_string();
    assert!(said.starts_with("the store cannot write"), "{said}");
}

#[tokio::test]
async fn what_is_in_a_folder_is_for_its_user_only() {
    let rig = Rig::folder();
    for length in [3, FILE_PART * 2] {
        rig.put(&key("a"), &bytes(length)).await;
        let mut path = rig.file(&key("a"));
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        while path.pop() && path != rig.dir.path() {
            assert_eq!(mode(&path), 0o700, "{}", path.display());
        }
    }
}

#[tokio::test]
async fn with_a_bucket_workspaces_stay_here_and_what_was_here_is_found() {
    let (bucket, folder) = (Rig::memory(), Rig::folder());
    let sid = Sid::new("local", "app", "b1");
    folder.put(&cache("old"), b"from before").await;
    let (inside, files) = (bucket.inside.clone().unwrap(), folder.file(&key("a")));
    let shared = SharedBlobs::new(bucket.blobs, folder.blobs);
    for key in [key("a"), BlobKey::workspace(&sid)] {
        shared.put(&key, body(b"x")).await.unwrap();
        assert!(shared.get(&key).await.unwrap().is_some());
        let in_bucket = inside.head(&Rig::object(&key)).await.is_ok();
        assert_eq!(in_bucket, !key.is_workspace());
    }
    assert!(!files.exists());
    assert!(shared.get(&cache("old")).await.unwrap().is_some());
    for key in [key("a"), BlobKey::workspace(&sid), cache("old")] {
        shared.remove(&key).await.unwrap();
        assert!(shared.get(&key).await.unwrap().is_none());
    }
}

fn settings() -> BucketSettings {
    BucketSettings {
        endpoint: None,
        bucket: "ci".to_owned(),
        prefix: String::new(),
        region: "eu-west-1".to_owned(),
        path_style: true,
        timeout: Duration::from_secs(20),
        keys: Keys {
            id: "ID1".to_owned(),
            secret: "secret1".into(),
            token: Some("token1".into()),
        },
    }
}

#[test]
fn no_secret_shows_in_a_store() {
    let blobs = ObjectBlobs::in_bucket(&settings(), "/nowhere", 1).unwrap();
    assert_eq!(
        format!("{blobs:?}"),
        "ObjectBlobs(the bucket ci at Amazon S3, eu-west-1)"
    );
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_no_missing_blob() {
    let Some(server) = SERVER.as_ref() else {
        return;
    };
    let settings = BucketSettings {
        endpoint: Some(server.url()),
        ..settings()
    };
    let dir = tempfile::tempdir().unwrap();
    let blobs = ObjectBlobs::in_bucket(&settings, dir.path(), LIMIT).unwrap();
    let place = format!(
        "artifacts/local/app/b1/a.tgz in the bucket ci at {}: there is no such bucket \
         (NoSuchBucket)",
        server.url()
    );
    let Err(error) = blobs.get(&key("a")).await else {
        panic!("there is no bucket");
    };
    assert_eq!(error.to_string(), format!("cannot read {place}"));
    for length in [3, BUCKET_PART * 2] {
        let error = blobs
            .put(&key("a"), body(&bytes(length)))
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), format!("cannot write {place}"));
    }
}

#[tokio::test]
async fn who_does_not_answer_is_given_up() {
    // Connections are made, and nobody ever reads.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (deaf_at, gone_at) = (deaf.local_addr().unwrap(), gone.local_addr().unwrap());
    drop(gone);
    for (address, said) in [(deaf_at, "timed out"), (gone_at, "Connection refused")] {
        let settings = BucketSettings {
            endpoint: Some(format!("http://{address}")),
            timeout: Duration::from_secs(1),
            ..settings()
        };
        let dir = tempfile::tempdir().unwrap();
        let blobs = ObjectBlobs::in_bucket(&settings, dir.path(), LIMIT).unwrap();
        for length in [3, BUCKET_PART * 2] {
            let error = blobs
                .put(&key("a"), body(&bytes(length)))
                .await
                .unwrap_err();
            let shown = error.to_string();
            assert!(
                shown.contains(&format!("the bucket ci at http://{address}: ")),
                "{shown}"
            );
            assert!(shown.contains(said), "{shown}");
        }
    }
    drop(deaf);
}

#[tokio::test]
async fn who_goes_away_in_the_middle_of_a_blob_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let half = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        // Nobody else is let in.
        drop(listener);
        let asked = io::Read::read(&mut client, &mut [0; 4096]).unwrap();
        assert!(asked > 0);
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nETag: \"a\"\r\n\
                    Last-Modified: Fri, 27 Nov 2026 09:00:00 GMT\r\n\r\n";
        io::Write::write_all(&mut client, head.as_bytes()).unwrap();
        io::Write::write_all(&mut client, &bytes(1000)).unwrap();
    });
    let settings = BucketSettings {
        endpoint: Some(format!("http://{address}")),
        timeout: Duration::from_secs(1),
        ..settings()
    };
    let dir = tempfile::tempdir().unwrap();
    let blobs = ObjectBlobs::in_bucket(&settings, dir.path(), LIMIT).unwrap();
    let mut reader = blobs.get(&key("a")).await.unwrap().unwrap();
    let mut all = Vec::new();
    let error = reader.read_to_end(&mut all).await.unwrap_err().to_string();
    let said = format!(
        "cannot read {} in the bucket ci at http://{address}: ",
        key("a")
    );
    assert!(error.starts_with(&said), "{error}");
    half.join().unwrap();
}
