//! Which files and folders a script may name when it saves or restores
//! (script-api.md §10, "resolving `:path`"; security.md §3).
//!
//! A path is first worked out by its text, then by the file system: neither `..` nor a
//! symbolic link leads out of where a script may go.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Why a path is refused. The words are for the author of the script.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    #[error("the path {0:?} leaves the checkout")]
    Outside(String),
    #[error("the working folder {0:?} of the job leaves the checkout")]
    WorkDir(String),
    #[error("the path {0:?} cannot be used")]
    Unusable(String, #[source] io::Error),
}

/// Where a job works.
#[derive(Debug, Clone)]
pub(super) struct Places {
    checkout: PathBuf,
    work_dir: PathBuf,
    temp: PathBuf,
}

impl Places {
    /// The places of a job that works in `work_dir`, relative to the checkout or below it;
    /// `temp` is the system's folder for temporary files.
    pub(super) fn new(
        checkout: &Path,
        work_dir: Option<&str>,
        temp: &Path,
    ) -> Result<Self, PlaceError> {
        let checkout = std::fs::canonicalize(checkout)
            .map_err(|error| PlaceError::Unusable(checkout.display().to_string(), error))?;
        let dir = work_dir.unwrap_or_default();
        // The script may have been told the checkout by another of its names.
        let work_dir = real(&plain(&checkout.join(dir)))
            .ok()
            .filter(|path| path.starts_with(&checkout))
            .ok_or_else(|| PlaceError::WorkDir(dir.to_owned()))?;
        Ok(Self {
            checkout,
            work_dir,
            temp: temp.to_owned(),
        })
    }

    /// What is to be saved; `None` when there is nothing at this path.
    pub(super) fn to_save(&self, path: &str) -> Result<Option<PathBuf>, PlaceError> {
        let wanted = plain(&self.work_dir.join(path));
        let found = real(&wanted).map_err(|error| PlaceError::Unusable(path.to_owned(), error))?;
        if !found.starts_with(&self.checkout) {
            return Err(PlaceError::Outside(path.to_owned()));
        }
        Ok(found.exists().then_some(found))
    }

    /// Where something is to be restored: inside the checkout, or, by an absolute path, in
    /// the system's folder for temporary files (the JUnit plugin does that).
    pub(super) fn to_restore(&self, path: &str) -> Result<PathBuf, PlaceError> {
        let wanted = plain(&self.work_dir.join(path));
        let target = real(&wanted).map_err(|error| PlaceError::Unusable(path.to_owned(), error))?;
        let in_temp = || {
            Path::new(path).is_absolute()
                && std::fs::canonicalize(&self.temp)
                    .is_ok_and(|temp| target != temp && target.starts_with(temp))
        };
        if target.starts_with(&self.checkout) || in_temp() {
            Ok(target)
        } else {
            Err(PlaceError::Outside(path.to_owned()))
        }
    }
}

/// An absolute path without `.` and `..`, worked out by its text alone.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// The path without symbolic links, as far as it exists.
fn real(path: &Path) -> io::Result<PathBuf> {
    let mut missing: Vec<OsString> = Vec::new();
    let mut known = path;
    loop {
        match std::fs::canonicalize(known) {
            Ok(mut real) => {
                real.extend(missing.iter().rev());
                return Ok(real);
            }
            // A link that leads nowhere must not be taken for a name that is still free.
            Err(error) if is_missing(&error) && !known.is_symlink() => {
                let (Some(parent), Some(name)) = (known.parent(), known.file_name()) else {
                    return Err(error);
                };
                missing.push(name.to_owned());
                known = parent;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Nothing is there: no such name, or something that is no folder has the name of one.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// `checkout/sub/file`, `other/secret` and `temp/`, side by side.
    struct Folders(tempfile::TempDir);

    impl Folders {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            for dir in ["checkout/sub", "other", "temp"] {
                fs::create_dir_all(home.path().join(dir)).unwrap();
            }
            fs::write(home.path().join("checkout/sub/file"), "x").unwrap();
            fs::write(home.path().join("other/secret"), "x").unwrap();
            Self(home)
        }

        fn at(&self, path: &str) -> PathBuf {
            self.0.path().canonicalize().unwrap().join(path)
        }

        fn text(&self, path: &str) -> String {
            self.at(path).to_str().unwrap().to_owned()
        }

        fn places(&self, work_dir: Option<&str>) -> Result<Places, PlaceError> {
            Places::new(&self.at("checkout"), work_dir, &self.at("temp"))
        }
    }

    #[test]
    fn paths_are_relative_to_where_the_job_works() {
        let folders = Folders::new();
        let places = folders.places(Some("sub")).unwrap();
        let file = folders.at("checkout/sub/file");
        assert_eq!(places.to_save("file").unwrap(), Some(file.clone()));
        assert_eq!(places.to_save("./x/../file").unwrap(), Some(file.clone()));
        assert_eq!(places.to_save("../sub/file").unwrap(), Some(file));
        assert_eq!(
            places.to_restore("new/deep").unwrap(),
            folders.at("checkout/sub/new/deep")
        );
    }

    #[test]
    fn what_is_missing_is_no_error() {
        let folders = Folders::new();
        let places = folders.places(None).unwrap();
        assert_eq!(places.to_save("missing/deep").unwrap(), None);
        assert_eq!(places.to_save("sub/file/below-a-file").unwrap(), None);
    }

    #[test]
    fn nothing_outside_the_checkout_is_saved() {
        let folders = Folders::new();
        let places = folders.places(Some("sub")).unwrap();
        symlink(folders.at("other"), folders.at("checkout/sub/way-out")).unwrap();
        let absolute = folders.text("other/secret");
        let temporary = folders.text("temp/x");
        for path in [
            "../../other/secret",
            "../../other/missing",
            "../..",
            "way-out/secret",
            "way-out",
            &absolute,
            &temporary,
            "/etc/passwd",
            "/",
        ] {
            let refused = places.to_save(path).unwrap_err();
            assert!(
                matches!(refused, PlaceError::Outside(_)),
                "{path}: {refused}"
            );
        }
    }

    #[test]
    fn restores_stay_in_the_checkout_or_in_the_temp_folder() {
        let folders = Folders::new();
        let places = folders.places(None).unwrap();
        symlink(folders.at("other"), folders.at("checkout/way-out")).unwrap();
        symlink(folders.at("other/free"), folders.at("checkout/dangling")).unwrap();
        symlink(folders.at("other"), folders.at("temp/way-out")).unwrap();
        let temporary = folders.text("temp/junit-1");
        assert_eq!(
            places.to_restore(&temporary).unwrap(),
            folders.at("temp/junit-1")
        );
        let inside = folders.text("checkout/new");
        assert_eq!(
            places.to_restore(&inside).unwrap(),
            folders.at("checkout/new")
        );
        for path in [
            &folders.text("temp"),
            &folders.text("temp/../other/x"),
            &folders.text("temp/way-out/x"),
            &folders.text("other/x"),
            "../temp/x",
            "../other/x",
            "way-out/x",
            "dangling",
            "/etc/x",
        ] {
            assert!(places.to_restore(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_job_that_works_outside_the_checkout_has_no_places() {
        let folders = Folders::new();
        assert!(folders.places(Some("../other")).is_err());
        assert!(folders.places(Some(&folders.text("other"))).is_err());
        assert!(folders.places(Some(&folders.text("checkout/sub"))).is_ok());
    }

    #[test]
    fn impossible_names_are_refused() {
        let folders = Folders::new();
        let places = folders.places(None).unwrap();
        assert!(places.to_save("a\0b").is_err());
        assert!(places.to_restore("a\0b").is_err());
    }
}
