//! Our script library for Clojure, which is inside this program, written to where a Clojure
//! can read it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::domain::stable_hash;

use super::HostError;

/// Path and contents of a file.
type File = (&'static str, &'static str);

macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!("../../assets/clojure/", $path)))
    };
}

/// Every file of `assets/clojure`; a test keeps this list whole.
const FILES: &[File] = &[
    file!("deps.edn"),
    file!("src/monkey/ci/api.clj"),
    file!("src/monkey/ci/build/api.clj"),
    file!("src/monkey/ci/build/archive.clj"),
    file!("src/monkey/ci/build/client.clj"),
    file!("src/monkey/ci/build/container.clj"),
    file!("src/monkey/ci/build/core.clj"),
    file!("src/monkey/ci/build/schema.clj"),
    file!("src/monkey/ci/build/shell.clj"),
    file!("src/monkey/ci/build/v2.clj"),
    file!("src/monkey/ci/containers.clj"),
    file!("src/monkey/ci/cuid.clj"),
    file!("src/monkey/ci/ext/junit.clj"),
    file!("src/monkey/ci/extensions.clj"),
    file!("src/monkey/ci/jobs.clj"),
    file!("src/monkey/ci/junit.clj"),
    file!("src/monkey/ci/script/actions.clj"),
    file!("src/monkey/ci/script/api_client.clj"),
    file!("src/monkey/ci/script/core.clj"),
    file!("src/monkey/ci/script/edn.clj"),
    file!("src/monkey/ci/script/events.clj"),
    file!("src/monkey/ci/script/http.clj"),
    file!("src/monkey/ci/script/load.clj"),
    file!("src/monkey/ci/script/main.clj"),
    file!("src/monkey/ci/script/process.clj"),
    file!("src/monkey/ci/script/report.clj"),
    file!("src/monkey/ci/script/scheduler.clj"),
    file!("src/monkey/ci/script/tee.clj"),
    file!("src/monkey/ci/test.clj"),
    file!("src/monkey/ci/test/runner.clj"),
    file!("src/monkey/ci/time.clj"),
    file!("src/monkey/ci/xml.clj"),
];

/// The folder of all that is made for Clojure, in the cache.
pub(super) fn folder(cache: &Path) -> PathBuf {
    cache.join("clojure")
}

/// Names this version of the library.
pub(super) fn version() -> u64 {
    let all: Vec<u8> = FILES
        .iter()
        .flat_map(|(path, text)| [path.as_bytes(), b"\0", text.as_bytes(), b"\0"].concat())
        .collect();
    stable_hash(&all)
}

/// The namespaces of the library.
pub(super) fn namespaces() -> impl Iterator<Item = String> {
    FILES.iter().filter_map(|(path, _)| {
        let name = path.strip_prefix("src/")?.strip_suffix(".clj")?;
        Some(name.replace('/', ".").replace('_', "-"))
    })
}

/// Writes the library into the cache and returns its folder. One that is there is used as it
/// is, if nobody has changed it; two programs may do this at once.
pub(super) fn extract(cache: &Path) -> Result<PathBuf, HostError> {
    let target = folder(cache).join(format!("library-{:016x}", version()));
    if is_whole(&target) {
        return Ok(target);
    }
    let failed = |error| HostError::file(format!("{} cannot be written", target.display()), error);
    write(&target).map_err(failed)?;
    Ok(target)
}

fn is_whole(folder: &Path) -> bool {
    FILES.iter().all(|(path, text)| {
        std::fs::read(folder.join(path)).is_ok_and(|there| there == text.as_bytes())
    })
}

/// Writes a folder beside it and moves that into place.
fn write(target: &Path) -> io::Result<()> {
    let fresh = fresh_beside(target)?;
    for (path, text) in FILES {
        let path = fresh.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, text)?;
    }
    move_into_place(&fresh, target, is_whole)
}

/// An empty folder next to the target, which no other process uses.
pub(super) fn fresh_beside(target: &Path) -> io::Result<PathBuf> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let fresh = target.with_file_name(format!("{NEW}{}-{number}-{name}", std::process::id()));
    // Left by a process that had our id.
    let _ = std::fs::remove_dir_all(&fresh);
    std::fs::create_dir_all(&fresh)?;
    Ok(fresh)
}

/// Tells the folders of one process apart.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// How folders are called that are not finished.
pub(super) const NEW: &str = "new-";

/// Renames a finished folder to its name. Another process may have been faster: then its
/// folder is taken if it is whole, and replaced if not.
pub(super) fn move_into_place(
    fresh: &Path,
    target: &Path,
    is_whole: impl Fn(&Path) -> bool,
) -> io::Result<()> {
    if std::fs::rename(fresh, target).is_ok() {
        return Ok(());
    }
    let outcome = if is_whole(target) {
        Ok(())
    } else {
        // Moved away first, so that nobody finds half a folder under the name.
        let old = fresh.with_extension("old");
        let moved = std::fs::rename(target, &old).and_then(|()| std::fs::rename(fresh, target));
        // It may be that of another process by now.
        let _ = std::fs::remove_dir_all(&old);
        moved.or_else(|error| if is_whole(target) { Ok(()) } else { Err(error) })
    };
    // Where it is not in its place it is not needed.
    let _ = std::fs::remove_dir_all(fresh);
    outcome
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn walk(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                found.insert(name.to_owned());
            }
        }
    }

    fn files_in(root: &Path) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        walk(root, root, &mut found);
        found
    }

    #[test]
    fn the_list_names_every_file_of_the_library() {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets/clojure");
        let listed: BTreeSet<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, files_in(&root));
    }

    #[test]
    fn the_library_is_written_once_and_put_right_when_somebody_has_changed_it() {
        let cache = tempfile::tempdir().unwrap();
        let target = extract(cache.path()).unwrap();
        assert_eq!(files_in(&target).len(), FILES.len());
        let first = std::fs::metadata(&target).unwrap().modified().unwrap();
        assert_eq!(extract(cache.path()).unwrap(), target);
        let second = std::fs::metadata(&target).unwrap().modified().unwrap();
        assert_eq!(first, second);
        std::fs::write(target.join("deps.edn"), "{}").unwrap();
        std::fs::remove_dir_all(target.join("src")).unwrap();
        extract(cache.path()).unwrap();
        assert!(is_whole(&target));
        // Nothing else is left there.
        assert_eq!(std::fs::read_dir(folder(cache.path())).unwrap().count(), 1);
    }

    #[test]
    fn many_may_write_it_at_once() {
        let cache = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| extract(cache.path()).unwrap());
            }
        });
        assert!(is_whole(&extract(cache.path()).unwrap()));
    }
}
