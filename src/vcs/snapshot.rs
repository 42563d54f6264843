//! The files of a workspace.
//!
//! The dirty tree as git sees it: what is tracked, also against an ignore rule, and what is new and not ignored, with
//! the whole of `.git`. A `.monkeyciignore` in any folder has the last word, over tracked files too. Without a
//! repository the same rules hold.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use git2::Repository;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::{Match, WalkBuilder};

use crate::archive::{
    Item, PackSummary, Skipped, Source, TreeError, Unreadable, copy_items, pack_digested,
};

use super::git_folder::{Items, add_inner, add_root};
use super::{VcsError, open};

/// The name of our own ignore file.
const IGNORE_FILE: &str = ".monkeyciignore";

/// Git's mode for a submodule in the index.
const SUBMODULE: u32 = 0o160_000;

/// The files, folders and links of a workspace, folders before what is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Names are relative to the folder that was looked at.
    pub items: Vec<Item>,
    /// What could not be read.
    pub skipped: Vec<Skipped>,
}

impl Snapshot {
    /// Copies the workspace to a folder that is missing or empty; returns all that was left out.
    pub fn copy_to(&self, target: &Path) -> Result<Vec<Skipped>, TreeError> {
        let mut skipped = self.skipped.clone();
        skipped.extend(copy_items(&self.items, target)?);
        Ok(skipped)
    }
}

/// Lists what belongs to the workspace of a folder, which need not be in a repository.
pub fn snapshot_files(dir: &Path) -> Result<Snapshot, VcsError> {
    fs::read_dir(dir).map_err(|source| VcsError::Folder {
        path: dir.to_owned(),
        source,
    })?;
    let mut items = Items::default();
    // A repository that cannot be opened is copied as files; `describe` is the one to fail.
    let repository = open(dir).unwrap_or_else(|error| {
        items.skip(
            dir,
            format!("{error}; tracked files that are ignored are left out"),
        );
        None
    });
    add_unignored(&mut items, dir, repository.as_ref());
    if let Some(repository) = &repository {
        add_tracked(&mut items, dir, repository);
    }
    add_root(&mut items, dir);
    let skipped = std::mem::take(&mut items.skipped);
    Ok(Snapshot {
        items: items.into_list(),
        skipped,
    })
}

/// Writes the workspace of a folder as a gzip tar; the summary names what was left out.
pub fn write_snapshot(dir: &Path, writer: impl Write) -> Result<PackSummary, VcsError> {
    let snapshot = snapshot_files(dir)?;
    let own = Item {
        name: ".".into(),
        source: Source::Path(dir.to_owned()),
    };
    let items = std::iter::once(own).chain(snapshot.items);
    // What version control keeps changes with every look at it.
    let counts = |name: &Path| !name.starts_with(".git");
    let mut summary = pack_digested(items, Unreadable::Skip, counts, writer)?;
    summary.skipped.splice(0..0, snapshot.skipped);
    Ok(summary)
}

fn add_unignored(items: &mut Items, dir: &Path, repository: Option<&Repository>) {
    // Only within a repository do the folders above have a say.
    let is_below_root = repository
        .and_then(Repository::workdir)
        .is_some_and(|root| root.canonicalize().ok() != dir.canonicalize().ok());
    let walk = WalkBuilder::new(dir)
        .hidden(false)
        .ignore(false)
        .require_git(false)
        .parents(is_below_root)
        .follow_links(false)
        .add_custom_ignore_filename(IGNORE_FILE)
        // Added whole, whatever the rules say about names in it.
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    for entry in walk {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = path_of(&error).unwrap_or(dir).to_owned();
                items.skip(&path, cause_of(&error));
                continue;
            }
        };
        let Ok(name) = entry.path().strip_prefix(dir) else {
            continue;
        };
        if name.as_os_str().is_empty() {
            continue;
        }
        items.add(name, entry.path());
        if entry.file_type().is_some_and(|kind| kind.is_dir()) {
            add_inner(items, name, entry.path(), dir);
        }
    }
}

/// Ignore rules say nothing about files that git already knows.
fn add_tracked(items: &mut Items, dir: &Path, repository: &Repository) {
    use std::os::unix::ffi::OsStrExt as _;

    let (Some(root), Ok(index)) = (repository.workdir(), repository.index()) else {
        return;
    };
    let (Ok(root), Ok(real_dir)) = (root.canonicalize(), dir.canonicalize()) else {
        return;
    };
    let mut rules = OwnRules::new(dir);
    for entry in index.iter().filter(|entry| entry.mode != SUBMODULE) {
        let path = root.join(std::ffi::OsStr::from_bytes(&entry.path));
        let Ok(name) = path.strip_prefix(&real_dir) else {
            continue;
        };
        if items.has(name) || rules.leave_out(name) || !is_there(dir, name) {
            continue;
        }
        for part in name.ancestors().filter(|part| !part.as_os_str().is_empty()) {
            if !items.has(part) {
                items.add(part, dir.join(part));
            }
        }
    }
}

/// Deleted files are not there, nor are those of a folder that has become a link.
fn is_there(dir: &Path, name: &Path) -> bool {
    let kind = |part: &Path| Some(fs::symlink_metadata(dir.join(part)).ok()?.file_type());
    let mut above = name.ancestors().skip(1);
    kind(name).is_some_and(|kind| !kind.is_dir())
        && above
            .all(|part| part.as_os_str().is_empty() || kind(part).is_some_and(|kind| kind.is_dir()))
}

/// The rules of our own ignore files, for files that the walk did not come to.
struct OwnRules<'a> {
    dir: &'a Path,
    by_folder: HashMap<PathBuf, Option<Gitignore>>,
}

impl<'a> OwnRules<'a> {
    fn new(dir: &'a Path) -> Self {
        Self {
            dir,
            by_folder: HashMap::new(),
        }
    }

    /// The innermost file that says something about a name decides.
    fn leave_out(&mut self, name: &Path) -> bool {
        let path = self.dir.join(name);
        for folder in name.ancestors().skip(1) {
            let folder = self.dir.join(folder);
            let rules = self.by_folder.entry(folder).or_insert_with_key(|folder| {
                let file = folder.join(IGNORE_FILE);
                let mut builder = GitignoreBuilder::new(folder);
                if !file.is_file() || builder.add(file).is_some() {
                    return None;
                }
                builder.build().ok()
            });
            match rules
                .as_ref()
                .map(|rules| rules.matched_path_or_any_parents(&path, false))
            {
                Some(Match::Ignore(_)) => return true,
                Some(Match::Whitelist(_)) => return false,
                Some(Match::None) | None => {}
            }
        }
        false
    }
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            path_of(err)
        }
        _ => None,
    }
}

fn cause_of(error: &ignore::Error) -> String {
    match error.io_error() {
        Some(error) => error.to_string(),
        None => error.to_string(),
    }
}
