//! The `.git` of a workspace: whole, and cut off from the repository it was copied from.
//!
//! In a linked worktree or a submodule `.git` is a file that points elsewhere. A copy of that file would let a job move
//! the user's own branches, so the copy gets a folder of its own, put together from both places git keeps data in.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use git2::Repository;

use crate::archive::{Item, Skipped, Source};

/// Files that all worktrees of a repository share; every other file at its top belongs to the main checkout.
const SHARED_FILES: [&str; 4] = ["config", "packed-refs", "description", "shallow"];

/// Folders at the top of a repository that belong to one checkout, or are of no use in a copy.
const UNSHARED_FOLDERS: [&str; 5] = [
    "worktrees",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
    "bisect",
];

/// What only ties a worktree to its repository.
const TIES: [&str; 3] = ["commondir", "gitdir", "locked"];

/// Items by their names, so that later ones replace earlier ones and folders come before what is in them.
#[derive(Debug, Default)]
pub(super) struct Items {
    by_name: BTreeMap<PathBuf, Source>,
    pub skipped: Vec<Skipped>,
}

impl Items {
    pub fn add(&mut self, name: impl Into<PathBuf>, path: impl Into<PathBuf>) {
        self.by_name.insert(name.into(), Source::Path(path.into()));
    }

    pub fn has(&self, name: &Path) -> bool {
        self.by_name.contains_key(name)
    }

    pub fn skip(&mut self, path: &Path, reason: impl Into<String>) {
        self.skipped.push(Skipped {
            path: path.to_owned(),
            reason: reason.into(),
        });
    }

    pub fn into_list(self) -> Vec<Item> {
        let items = self.by_name.into_iter();
        items.map(|(name, source)| Item { name, source }).collect()
    }

    /// Adds a folder and all below it for which `wanted` holds, given the path below the folder.
    fn add_all(&mut self, name: &Path, folder: &Path, wanted: &dyn Fn(&Path) -> bool) {
        self.add(name, folder);
        let mut open = vec![PathBuf::new()];
        while let Some(below) = open.pop() {
            let path = folder.join(&below);
            let entries = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
            let entries = match entries {
                Ok(entries) => entries,
                Err(error) => {
                    self.skip(&path, error.to_string());
                    continue;
                }
            };
            for entry in entries {
                let below = below.join(entry.file_name());
                if !wanted(&below) {
                    continue;
                }
                self.add(name.join(&below), entry.path());
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    open.push(below);
                }
            }
        }
    }

    /// Replaces a configuration by one that does not say where its checkout is, or that it has none.
    fn untie_config(&mut self, name: PathBuf) {
        let Some(Source::Path(path)) = self.by_name.get(&name) else {
            return;
        };
        match fs::read(path) {
            Ok(config) => {
                self.by_name.insert(name, Source::Bytes(untied(&config)));
            }
            Err(error) => {
                let path = path.clone();
                self.skip(&path, error.to_string());
            }
        }
    }
}

/// Adds the `.git` of the workspace's own root, if it has one.
pub(super) fn add_root(items: &mut Items, dir: &Path) {
    let name = Path::new(".git");
    let path = dir.join(name);
    match fs::metadata(&path) {
        Ok(meta) if meta.is_dir() => items.add_all(name, &path, &is_settled),
        Ok(_) => match Repository::open(dir) {
            Ok(repository) => add_parts(items, name, repository.path(), repository.commondir()),
            Err(error) => items.skip(&path, error.message()),
        },
        Err(_) => {}
    }
}

/// Adds the `.git` of a repository inside the workspace, if there is one.
pub(super) fn add_inner(items: &mut Items, folder_name: &Path, folder: &Path, dir: &Path) {
    let (name, path) = (folder_name.join(".git"), folder.join(".git"));
    let Ok(meta) = fs::symlink_metadata(&path) else {
        return;
    };
    if meta.is_dir() {
        items.add_all(&name, &path, &is_settled);
    } else if points_inside(&path, folder, dir) {
        items.add(name, path);
    } else {
        items.skip(&path, "points to a repository outside the workspace");
    }
}

/// Tells whether a `.git` file leads by a relative path to somewhere in the workspace, as a submodule's does.
fn points_inside(path: &Path, folder: &Path, dir: &Path) -> bool {
    let Ok(text) = fs::read_to_string(path) else {
        return false;
    };
    let Some(target) = text.trim_end().strip_prefix("gitdir: ") else {
        return false;
    };
    let whole = |path: &Path| path.canonicalize().ok();
    Path::new(target).is_relative()
        && whole(&folder.join(target))
            .zip(whole(dir))
            .is_some_and(|(target, dir)| target.starts_with(dir))
}

fn add_parts(items: &mut Items, name: &Path, own: &Path, shared: &Path) {
    let is_linked = own != shared;
    items.add_all(name, shared, &|below| {
        let Some(first) = below.iter().next().and_then(|first| first.to_str()) else {
            return is_settled(below);
        };
        let is_top = below.components().count() == 1;
        if is_linked && is_top && shared.join(below).is_file() {
            return SHARED_FILES.contains(&first);
        }
        !UNSHARED_FOLDERS.contains(&first) && is_settled(below)
    });
    if is_linked {
        items.add_all(name, own, &|below| {
            let is_tie = TIES.iter().any(|tie| below == Path::new(tie));
            !is_tie && is_settled(below)
        });
    }
    for config in ["config", "config.worktree"] {
        items.untie_config(name.join(config));
    }
}

/// Leaves out the locks of a git command that is at work in the checkout; nobody would ever remove their copies.
fn is_settled(below: &Path) -> bool {
    let is_lock = below
        .extension()
        .is_some_and(|extension| extension == "lock");
    let where_locks_are = below.components().count() == 1 || below.starts_with("refs");
    !(is_lock && where_locks_are)
}

fn untied(config: &[u8]) -> Vec<u8> {
    let ties = |line: &&[u8]| {
        let line = String::from_utf8_lossy(line);
        let key = line.split('=').next().unwrap_or_default().trim();
        key.eq_ignore_ascii_case("worktree") || key.eq_ignore_ascii_case("bare")
    };
    config
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !ties(line))
        .collect::<Vec<_>>()
        .concat()
}
