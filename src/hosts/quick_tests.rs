//! With stand-ins for Java, which leave what it would; the real one is in `tests/e2e`.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// A cache, a jar of Clojure and a Java that does what a line of shell says.
struct Place {
    folder: tempfile::TempDir,
    launch: Launch,
    said: Vec<String>,
}

/// Writes the jar (its name is the only argument that ends so) and the archive, and counts.
const JAVA: &str = r#"echo "$@" >> "$0.calls"
for word; do
  case $word in
  *ArchiveClassesAtExit=*) echo classes > "${word#*=}" ;;
  */new-*.jar|*/library.jar) [ -e "$word" ] || echo jar > "$word" ;;
  esac
done"#;

impl Place {
    fn new(java: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("java"), format!("#!/bin/sh\n{java}\n")).unwrap();
        std::fs::set_permissions(at("java"), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(at("clojure.jar"), "clojure").unwrap();
        let cache = at("cache");
        let launch = Launch {
            java: at("java"),
            java_version: "17.0.1".to_owned(),
            jars: vec![at("clojure.jar")],
            library: library::extract(&cache).unwrap(),
            quick: true,
            paths: Vec::new(),
            cache,
        };
        Self {
            folder,
            launch,
            said: Vec::new(),
        }
    }

    fn prepare(&mut self) -> Result<Quick, String> {
        let said = &mut self.said;
        prepare(&self.launch, &mut |text| said.push(text.to_owned()))
    }

    fn calls(&self) -> usize {
        let calls = std::fs::read_to_string(self.folder.path().join("java.calls"));
        calls.map_or(0, |text| text.lines().count())
    }

    /// What is in the cache, beside the library.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(library::folder(&self.launch.cache))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with("library-"))
            .collect();
        names.sort();
        names
    }
}

#[test]
fn what_is_missing_is_made_once() {
    let mut place = Place::new(JAVA);
    let first = place.prepare().unwrap();
    assert!(first.jar.is_file() && first.archive.as_ref().unwrap().is_file());
    assert_eq!(place.calls(), 2);
    assert_eq!(place.said.len(), 2, "{:?}", place.said);
    assert_eq!(place.prepare().unwrap(), first);
    assert_eq!(place.calls(), 2);
    assert_eq!(place.said.len(), 2);
    // The folder holds what is used and nothing else.
    let folder = first.jar.parent().unwrap();
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2);
    assert_eq!(place.names().len(), 1);
}

#[test]
fn another_java_or_clojure_has_files_of_its_own() {
    let mut place = Place::new(JAVA);
    let first = place.prepare().unwrap().jar;
    place.launch.java_version = "21".to_owned();
    let second = place.prepare().unwrap().jar;
    std::fs::write(&place.launch.jars[0], "a newer clojure").unwrap();
    let third = place.prepare().unwrap().jar;
    assert!(first != second && second != third && first != third);
    assert_eq!(place.calls(), 6);
}

#[test]
fn a_library_that_cannot_be_compiled_is_said_and_leaves_nothing() {
    let mut place = Place::new("echo 'Syntax error at (x.clj:1:2)' >&2; exit 1");
    let why = place.prepare().unwrap_err();
    assert!(why.contains("Syntax error at (x.clj:1:2)"), "{why}");
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn an_archive_that_fails_is_said_once_and_the_jar_is_used() {
    let java = format!("case $* in *--warm-up*) exit 1 ;; esac\n{JAVA}");
    let mut place = Place::new(&java);
    let quick = place.prepare().unwrap();
    assert!(quick.jar.is_file() && quick.archive.is_none());
    assert!(place.said.last().unwrap().starts_with("warning:"));
    let said = place.said.len();
    assert_eq!(place.prepare().unwrap(), quick);
    assert_eq!(place.said.len(), said, "{:?}", place.said);
}

#[test]
fn many_may_prepare_at_once() {
    let place = Place::new(JAVA);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            let launch = &place.launch;
            scope.spawn(move || {
                let quick = prepare(launch, &mut |_| {}).unwrap();
                assert!(quick.jar.is_file());
            });
        }
    });
    assert_eq!(place.names().len(), 1);
}

#[test]
fn what_nobody_has_used_for_long_is_removed() {
    let mut place = Place::new(JAVA);
    let home = library::folder(&place.launch.cache);
    for (name, age) in [("0123", 3), ("new-1-0-x", 3), ("4567", 0)] {
        let folder = home.join(name);
        std::fs::create_dir(&folder).unwrap();
        let day = Duration::from_hours(24);
        let then = SystemTime::now() - day * age;
        File::open(&folder).unwrap().set_modified(then).unwrap();
    }
    place.prepare().unwrap();
    let names = place.names();
    assert!(names.contains(&"4567".to_owned()), "{names:?}");
    assert_eq!(names.len(), 2, "{names:?}");
}
