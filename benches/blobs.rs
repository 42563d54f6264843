//! How fast blobs are stored in a folder and read again, checksums and the flush to the disk
//! included.
//!
//! ```text
//! cargo bench --bench blobs
//! ```

#![expect(clippy::unwrap_used, reason = "what cannot go on has failed")]

use divan::Bencher;
use divan::counter::BytesCount;
use monkeyci_tui::domain::Sid;
use monkeyci_tui::ports::{BlobKey, BlobReader, BlobStore};
use monkeyci_tui::store::ObjectBlobs;
use tokio::io::AsyncReadExt;
use tokio::runtime::Runtime;

/// A gigabyte.
const LARGE: u64 = 1 << 30;
/// What an archive of a few sources has.
const SMALL: u64 = 20_000;

fn main() {
    divan::main();
}

fn body(size: u64) -> BlobReader {
    Box::pin(tokio::io::repeat(7).take(size))
}

struct Rig {
    runtime: Runtime,
    blobs: ObjectBlobs,
    _dir: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Self {
            runtime: Runtime::new().unwrap(),
            blobs: ObjectBlobs::in_folder(dir.path(), LARGE),
            _dir: dir,
        }
    }

    fn put(&self, key: &BlobKey, size: u64) {
        let put = self.blobs.put(key, body(size));
        assert_eq!(self.runtime.block_on(put).unwrap(), size);
    }

    fn read(&self, key: &BlobKey) -> u64 {
        self.runtime.block_on(async {
            let mut reader = self.blobs.get(key).await.unwrap().unwrap();
            let mut buffer = vec![0; 64 * 1024];
            let mut size = 0;
            loop {
                match reader.read(&mut buffer).await.unwrap() {
                    0 => return size,
                    read => size += read as u64,
                }
            }
        })
    }
}

fn sid() -> Sid {
    Sid::new("local", "app", "b1")
}

#[divan::bench(args = [LARGE, SMALL], sample_count = 5)]
fn put(bencher: Bencher<'_, '_>, size: u64) {
    let (rig, key) = (Rig::new(), BlobKey::artifact(&sid(), "a"));
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| rig.put(&key, size));
}

#[divan::bench(args = [LARGE, SMALL], sample_count = 5)]
fn get(bencher: Bencher<'_, '_>, size: u64) {
    let (rig, key) = (Rig::new(), BlobKey::artifact(&sid(), "a"));
    rig.put(&key, size);
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| assert_eq!(rig.read(&key), size));
}

#[divan::bench(args = [LARGE, SMALL], sample_count = 5)]
fn get_cache(bencher: Bencher<'_, '_>, size: u64) {
    let (rig, key) = (Rig::new(), BlobKey::cache(&sid(), "a"));
    rig.put(&key, size);
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| assert_eq!(rig.read(&key), size));
}
