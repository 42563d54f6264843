//! The demo project that is inside the program.

use std::io;
use std::path::Path;

/// Path and contents of a file.
type File = (&'static str, &'static str);

macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!("../../assets/demo/", $path)))
    };
}

/// Every file of `assets/demo`; a test keeps this list whole.
const FILES: &[File] = &[
    file!(".monkeyci/build.yaml"),
    file!("README.md"),
    file!("ci/compile.sh"),
    file!("ci/corpus.sh"),
    file!("ci/coverage.sh"),
    file!("ci/docs.sh"),
    file!("ci/lcov.awk"),
    file!("ci/lib.sh"),
    file!("ci/lint.sh"),
    file!("ci/package.sh"),
    file!("ci/smoke.sh"),
    file!("src/main.c"),
    file!("src/reflow.h"),
    file!("src/render.c"),
    file!("src/words.c"),
    file!("src/wrap.c"),
    file!("tests/bench.c"),
    file!("tests/check.c"),
    file!("tests/check.h"),
    file!("tests/fuzz.c"),
    file!("tests/test_render.c"),
    file!("tests/test_words.c"),
    file!("tests/test_wrap.c"),
    file!("variants/failing/src/wrap.c"),
];

/// What the failing variant replaces.
const FAILING: &str = "variants/failing/";

/// Writes the demo into a folder; files that are there already are replaced.
pub(super) fn write(to: &Path, failing: bool) -> io::Result<()> {
    let plain = FILES
        .iter()
        .filter(|(path, _)| !path.starts_with("variants/"));
    let changed = FILES
        .iter()
        .filter_map(|(path, text)| Some((path.strip_prefix(FAILING)?, *text)))
        .filter(|_| failing);
    for (path, text) in plain.copied().chain(changed) {
        let path = to.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // Unchanged files keep their times, so that a second build finds its cache.
        if std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

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

    #[test]
    fn the_list_names_every_file_of_the_demo() {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets/demo");
        let mut there = BTreeSet::new();
        walk(&root, &root, &mut there);
        let listed: BTreeSet<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, there);
    }

    #[test]
    fn the_failing_variant_differs_in_what_its_folder_names() {
        let (good, bad) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(good.path(), false).unwrap();
        write(bad.path(), true).unwrap();
        let read = |root: &Path, path: &str| std::fs::read_to_string(root.join(path)).unwrap();
        assert_ne!(
            read(good.path(), "src/wrap.c"),
            read(bad.path(), "src/wrap.c")
        );
        assert_eq!(
            read(good.path(), "src/main.c"),
            read(bad.path(), "src/main.c")
        );
        assert!(!good.path().join("variants").exists());
    }
}
