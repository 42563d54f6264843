//! What a host writes beside the script, and what of it must not stay.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The official tool's cache of class paths in a folder with a `deps.edn`. What it keeps there
/// has the whole configuration in it, the token included; and as that is another one for every
/// build, nothing of it is ever found again.
#[derive(Debug, Default)]
pub struct Leftovers(Option<ClassPaths>);

#[derive(Debug)]
struct ClassPaths {
    folder: PathBuf,
    before: HashSet<OsString>,
    ours: bool,
}

impl Leftovers {
    /// Closes the cache to others, before something is written there.
    pub(super) fn of_class_paths(script_dir: &Path) -> Self {
        if !script_dir.join("deps.edn").exists() {
            return Self(None);
        }
        let folder = script_dir.join(".cpcache");
        // Where it can be neither made nor closed the tool cannot write, and uses CLJ_CACHE.
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        if made.is_err() {
            let private = std::fs::Permissions::from_mode(0o700);
            let _ = std::fs::set_permissions(&folder, private);
        }
        Self(Some(ClassPaths {
            before: names(&folder).collect(),
            ours: made.is_ok(),
            folder,
        }))
    }

    /// Removes what the host has left.
    pub fn remove(self) {
        let Some(cache) = self.0 else {
            return;
        };
        for name in names(&cache.folder).filter(|name| !cache.before.contains(name)) {
            // What cannot be removed names a token that nobody takes any more.
            let _ = std::fs::remove_file(cache.folder.join(name));
        }
        if cache.ours {
            // Fails where something else has come to lie there.
            let _ = std::fs::remove_dir(&cache.folder);
        }
    }
}

fn names(folder: &Path) -> impl Iterator<Item = OsString> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.flatten().map(|entry| entry.file_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_into_the_cache_goes_with_the_build_and_nothing_else() {
        let script = tempfile::tempdir().unwrap();
        let cache = script.path().join(".cpcache");
        Leftovers::of_class_paths(script.path()).remove();
        assert!(!cache.exists());
        std::fs::write(script.path().join("deps.edn"), "{}").unwrap();
        let leftovers = Leftovers::of_class_paths(script.path());
        let mode = std::fs::metadata(&cache).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        std::fs::write(cache.join("1.basis"), "token").unwrap();
        leftovers.remove();
        assert!(!cache.exists());

        std::fs::create_dir(&cache).unwrap();
        std::fs::write(cache.join("old.cp"), "").unwrap();
        std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o755)).unwrap();
        let leftovers = Leftovers::of_class_paths(script.path());
        let mode = std::fs::metadata(&cache).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        std::fs::write(cache.join("2.basis"), "token").unwrap();
        leftovers.remove();
        assert_eq!(names(&cache).collect::<Vec<_>>(), ["old.cp"]);
    }
}
