//! Which files a push of a tree would change (events.md §3, `:changes`).

use std::collections::BTreeSet;
use std::path::Path;

use git2::{BranchType, Commit, Delta, Diff, DiffOptions, Oid, Repository, Tree};

use super::describe::main_branch;
use super::export::find;
use super::{Revision, VcsError, open, text, unreadable};

/// More changed files are not told apart one by one.
pub const MOST_CHANGES: usize = 10_000;

/// Files by what has become of them; paths relative to the repository's root, with `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedFiles {
    /// New ones, also those that git does not know yet.
    pub added: BTreeSet<String>,
    /// Those with other content than before.
    pub modified: BTreeSet<String>,
    /// Those that are gone. A file with another name is removed and added.
    pub removed: BTreeSet<String>,
    /// There are more than [`MOST_CHANGES`], and some are left out.
    pub cut: bool,
}

impl ChangedFiles {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.added.len() + self.modified.len() + self.removed.len()
    }

    /// True when nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Tells which files a push of the working tree as it is, or of a revision, would change:
///
/// | tree | compared with |
/// | --- | --- |
/// | differs from where its branch has left the upstream or main branch | that commit |
/// | is the same as there | the commit's own parent |
///
/// Nothing where there is no repository or no commit.
pub fn changed_files(
    dir: &Path,
    revision: Option<&Revision>,
) -> Result<Option<ChangedFiles>, VcsError> {
    let Some(repository) = open(dir)? else {
        return Ok(None);
    };
    let commit = match revision {
        Some(revision) => find(&repository, revision),
        None => repository
            .head()
            .ok()
            .and_then(|head| head.peel_to_commit().ok()),
    };
    let Some(commit) = commit else {
        return Ok(None);
    };
    read(&repository, &commit, revision.is_none())
        .map(Some)
        .map_err(unreadable(dir))
}

fn read(
    repository: &Repository,
    commit: &Commit<'_>,
    working_tree: bool,
) -> Result<ChangedFiles, git2::Error> {
    let base = match left_at(repository, commit) {
        Some(base) => Some(repository.find_commit(base)?.tree()?),
        None => parent_tree(commit)?,
    };
    let changed = compare(repository, base.as_ref(), commit, working_tree)?;
    if !changed.is_empty() {
        return Ok(changed);
    }
    compare(repository, parent_tree(commit)?.as_ref(), commit, false)
}

fn parent_tree<'r>(commit: &Commit<'r>) -> Result<Option<Tree<'r>>, git2::Error> {
    match commit.parents().next() {
        Some(parent) => parent.tree().map(Some),
        None => Ok(None),
    }
}

/// Where the commit's branch has left the branch that it is to be pushed to: its upstream if
/// HEAD has one, else the main branch, there or here.
fn left_at(repository: &Repository, commit: &Commit<'_>) -> Option<Oid> {
    let upstream = || {
        let head = repository.head().ok()?;
        let on_it = head.is_branch() && head.target() == Some(commit.id());
        let branch = git2::Branch::wrap(head);
        on_it.then(|| branch.upstream().ok()?.get().target())?
    };
    let main = || {
        let name = main_branch(repository)?;
        let branch = repository
            .find_branch(&format!("origin/{name}"), BranchType::Remote)
            .or_else(|_| repository.find_branch(&name, BranchType::Local));
        branch.ok()?.get().target()
    };
    let target = upstream().or_else(main)?;
    repository.merge_base(target, commit.id()).ok()
}

fn compare(
    repository: &Repository,
    base: Option<&Tree<'_>>,
    commit: &Commit<'_>,
    working_tree: bool,
) -> Result<ChangedFiles, git2::Error> {
    let mut options = DiffOptions::new();
    options
        .include_untracked(true)
        .recurse_untracked_dirs(true)
        .ignore_submodules(true)
        .skip_binary_check(true);
    let diff = if working_tree && !repository.is_bare() {
        repository.diff_tree_to_workdir_with_index(base, Some(&mut options))?
    } else {
        repository.diff_tree_to_tree(base, Some(&commit.tree()?), Some(&mut options))?
    };
    Ok(sort(&diff))
}

fn sort(diff: &Diff<'_>) -> ChangedFiles {
    let mut changed = ChangedFiles::default();
    for delta in diff.deltas() {
        if changed.len() >= MOST_CHANGES {
            changed.cut = true;
            break;
        }
        let new = delta.new_file().path_bytes().map(text);
        let old = delta.old_file().path_bytes().map(text);
        match delta.status() {
            Delta::Added | Delta::Untracked | Delta::Copied => changed.added.extend(new),
            Delta::Deleted => changed.removed.extend(old),
            Delta::Modified | Delta::Typechange | Delta::Conflicted => {
                changed.modified.extend(new.or(old));
            }
            Delta::Renamed => {
                changed.removed.extend(old);
                changed.added.extend(new);
            }
            Delta::Unmodified | Delta::Ignored | Delta::Unreadable => {}
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use git2::{IndexAddOption, Signature};

    use super::*;

    /// A repository with an `a` and a `b` on `main`.
    struct Project(tempfile::TempDir);

    impl Project {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let mut options = git2::RepositoryInitOptions::new();
            options.initial_head("main");
            Repository::init_opts(dir.path(), &options).unwrap();
            let project = Self(dir);
            project.write("a", "1\n").write("b", "1\n").commit();
            project
        }

        fn write(&self, name: &str, content: &str) -> &Self {
            let path = self.0.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
            self
        }

        fn remove(&self, name: &str) -> &Self {
            std::fs::remove_file(self.0.path().join(name)).unwrap();
            self
        }

        fn commit(&self) -> &Self {
            let repository = Repository::open(self.0.path()).unwrap();
            let mut index = repository.index().unwrap();
            index.add_all(["*"], IndexAddOption::DEFAULT, None).unwrap();
            index.update_all(["*"], None).unwrap();
            index.write().unwrap();
            let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
            let who = Signature::now("A", "a@example.org").unwrap();
            let parent = repository
                .head()
                .ok()
                .map(|head| head.peel_to_commit().unwrap());
            let parents: Vec<&Commit<'_>> = parent.iter().collect();
            repository
                .commit(Some("HEAD"), &who, &who, "m", &tree, &parents)
                .unwrap();
            self
        }

        fn branch(&self, name: &str) -> &Self {
            let repository = Repository::open(self.0.path()).unwrap();
            let head = repository.head().unwrap().peel_to_commit().unwrap();
            repository.branch(name, &head, true).unwrap();
            repository.set_head(&format!("refs/heads/{name}")).unwrap();
            self
        }

        fn changed(&self) -> (Vec<String>, Vec<String>, Vec<String>) {
            self.changed_of(None)
        }

        fn changed_of(
            &self,
            revision: Option<&Revision>,
        ) -> (Vec<String>, Vec<String>, Vec<String>) {
            let changed = changed_files(self.0.path(), revision).unwrap().unwrap();
            assert!(!changed.cut);
            let list = |set: BTreeSet<String>| set.into_iter().collect();
            (
                list(changed.added),
                list(changed.modified),
                list(changed.removed),
            )
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_dirty_tree_on_the_main_branch_is_compared_with_its_commit() {
        let project = Project::new();
        project
            .write("a", "2\n")
            .write("deep/new", "1\n")
            .remove("b");
        let changed = (names(&["deep/new"]), names(&["a"]), names(&["b"]));
        assert_eq!(project.changed(), changed);
    }

    #[test]
    fn a_branch_is_compared_with_where_it_left_the_main_branch() {
        let project = Project::new();
        project.branch("work").write("c", "1\n").commit();
        project.write("a", "2\n");
        assert_eq!(
            project.changed(),
            (names(&["c"]), names(&["a"]), names(&[]))
        );
        // What is only in the working tree is no part of a revision.
        let revision = Revision::Branch("work".to_owned());
        let committed = (names(&["c"]), names(&[]), names(&[]));
        assert_eq!(project.changed_of(Some(&revision)), committed);
    }

    #[test]
    fn a_clean_main_branch_tells_its_last_commit() {
        let project = Project::new();
        assert_eq!(
            project.changed(),
            (names(&["a", "b"]), names(&[]), names(&[]))
        );
        project.write("a", "2\n").commit();
        assert_eq!(project.changed(), (names(&[]), names(&["a"]), names(&[])));
    }

    #[test]
    fn what_is_ignored_has_not_changed() {
        let project = Project::new();
        project.write(".gitignore", "target\n").commit();
        project.write("target/x", "1\n").write("d", "1\n");
        assert_eq!(project.changed(), (names(&["d"]), names(&[]), names(&[])));
    }

    #[test]
    fn without_a_commit_or_a_repository_nothing_is_told() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(changed_files(dir.path(), None).unwrap(), None);
        Repository::init(dir.path()).unwrap();
        assert_eq!(changed_files(dir.path(), None).unwrap(), None);
    }

    #[test]
    fn very_many_changes_are_cut() {
        let project = Project::new();
        for n in 0..=MOST_CHANGES {
            project.write(&format!("many/{n}"), "");
        }
        let changed = changed_files(project.0.path(), None).unwrap().unwrap();
        assert!(changed.cut);
        assert_eq!(changed.len(), MOST_CHANGES);
    }
}
