//! Against real repositories, made with libgit2.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use git2::{IndexAddOption, Oid, Repository, RepositoryInitOptions, Signature};
use tempfile::TempDir;

use super::*;
use crate::archive::{Limits, Source, list, unpack};

/// A repository with one branch `trunk` and whatever a test puts into it.
struct Project {
    folder: TempDir,
    repository: Repository,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = RepositoryInitOptions::new();
        options.initial_head("trunk");
        let repository = Repository::init_opts(folder.path(), &options).unwrap();
        Self { folder, repository }
    }

    fn dir(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, files: &[(&str, &str)]) -> &Self {
        write(self.dir(), files);
        self
    }

    /// Adds what is not ignored and commits.
    fn commit(&self, message: &str) -> Oid {
        let mut index = self.repository.index().unwrap();
        index.add_all(["*"], IndexAddOption::DEFAULT, None).unwrap();
        index.write().unwrap();
        self.commit_index(message)
    }

    fn commit_index(&self, message: &str) -> Oid {
        let mut index = self.repository.index().unwrap();
        let tree = self
            .repository
            .find_tree(index.write_tree().unwrap())
            .unwrap();
        let parent = self
            .repository
            .head()
            .ok()
            .map(|head| head.peel_to_commit().unwrap());
        let parents: Vec<_> = parent.iter().collect();
        self.repository
            .commit(Some("HEAD"), &author(), &author(), message, &tree, &parents)
            .unwrap()
    }

    /// Tracks a file against the ignore rules, as `git add -f` does.
    fn force_add(&self, name: &str) {
        let mut index = self.repository.index().unwrap();
        index.add_path(Path::new(name)).unwrap();
        index.write().unwrap();
    }

    fn describe(&self) -> GitInfo {
        describe(self.dir()).unwrap().unwrap()
    }

    fn names(&self) -> Vec<String> {
        names(self.dir())
    }
}

fn author() -> Signature<'static> {
    Signature::now("Ada", "ada@example.org").unwrap()
}

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, content) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// The names in a snapshot, without what is in the root's `.git`.
fn names(dir: &Path) -> Vec<String> {
    let snapshot = snapshot_files(dir).unwrap();
    let names = snapshot.items.into_iter().map(|item| item.name);
    names
        .filter(|name| !name.starts_with(".git") || name == Path::new(".git"))
        .map(|name| name.to_str().unwrap().to_owned())
        .collect()
}

/// The workspace as a job gets it.
fn unpacked(dir: &Path) -> TempDir {
    let mut bytes = Vec::new();
    write_snapshot(dir, &mut bytes).unwrap();
    let target = tempfile::tempdir().unwrap();
    unpack(&bytes[..], target.path(), &Limits::trusted()).unwrap();
    target
}

mod described {
    use super::*;

    #[test]
    fn a_folder_in_no_repository_is_nothing_git_knows() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(describe(folder.path()).unwrap(), None);
        assert_eq!(describe(&folder.path().join("missing")).unwrap(), None);
    }

    #[test]
    fn a_repository_without_a_commit_has_a_branch_all_the_same() {
        let project = Project::new();
        project.write(&[("new", "")]);
        let info = project.describe();
        assert_eq!(info.commit, None);
        assert_eq!(info.branch.as_deref(), Some("trunk"));
        assert_eq!(info.reference.as_deref(), Some("refs/heads/trunk"));
        assert_eq!(info.changes.untracked, 1);
    }

    #[test]
    fn commit_branch_author_and_remote_are_told() {
        let project = Project::new();
        let id = project
            .write(&[("sub/a", "1")])
            .commit("Say hello\n\nAnd why.\n");
        project
            .repository
            .remote("zebra", "git@h.org:z.git")
            .unwrap();
        let info = project.describe();
        assert_eq!(info.url.as_deref(), Some("git@h.org:z.git"));
        project
            .repository
            .remote("origin", "https://u:p@h.org/o/r.git")
            .unwrap();
        // From a folder below the root, too.
        let info = describe(&project.dir().join("sub")).unwrap().unwrap();
        assert_eq!(info.url.as_deref(), Some("https://h.org/o/r.git"));
        let commit = info.commit.as_ref().unwrap();
        assert_eq!(commit.id, id.to_string());
        assert_eq!(commit.summary, "Say hello");
        assert_eq!(commit.message, "Say hello\n\nAnd why.\n");
        assert_eq!(
            (commit.author.name.as_str(), commit.author.email.as_str()),
            ("Ada", "ada@example.org")
        );
        assert_eq!(info.branch.as_deref(), Some("trunk"));
        assert_eq!(info.reference.as_deref(), Some("refs/heads/trunk"));
        assert_eq!(
            (info.tag.as_deref(), info.main_branch.as_deref()),
            (None, None)
        );
        assert!(!info.is_dirty());
        assert_eq!(
            info.workdir.as_ref().unwrap().canonicalize().unwrap(),
            project.dir().canonicalize().unwrap()
        );
    }

    #[test]
    fn changes_are_counted_by_kind() {
        let project = Project::new();
        project
            .write(&[
                (".gitignore", "ignored\n"),
                ("a", "1"),
                ("b", "1"),
                ("c", "1"),
            ])
            .commit("x");
        project.write(&[
            ("a", "2"),
            ("new", ""),
            ("folder/x", ""),
            ("folder/y", ""),
            ("ignored", ""),
        ]);
        fs::remove_file(project.dir().join("b")).unwrap();
        project.write(&[("c", "3")]).force_add("c");
        let info = project.describe();
        let wanted = Changes {
            staged: 1,
            modified: 2,
            untracked: 2,
            conflicted: 0,
        };
        assert_eq!(info.changes, wanted);
        assert!(info.is_dirty());
    }

    #[test]
    fn a_tagged_commit_checked_out_by_itself_has_the_tag_as_reference() {
        let project = Project::new();
        let id = project.write(&[("a", "1")]).commit("x");
        let object = project.repository.find_object(id, None).unwrap();
        for tag in ["v1.9", "v1.10", "zz"] {
            project
                .repository
                .tag_lightweight(tag, &object, false)
                .unwrap();
        }
        assert_eq!(project.describe().tag.as_deref(), Some("zz"));
        for tag in ["v1.2", "v1.11", "v1.3"] {
            project
                .repository
                .tag(tag, &object, &author(), "release", false)
                .unwrap();
        }
        project.repository.set_head_detached(id).unwrap();
        let info = project.describe();
        assert_eq!(info.branch, None);
        assert_eq!(info.tag.as_deref(), Some("v1.11"));
        assert_eq!(info.reference.as_deref(), Some("refs/tags/v1.11"));
    }

    #[test]
    fn the_main_branch_is_the_remotes_or_has_a_usual_name() {
        let project = Project::new();
        let id = project.write(&[("a", "1")]).commit("x");
        let commit = project.repository.find_commit(id).unwrap();
        project.repository.branch("master", &commit, false).unwrap();
        assert_eq!(project.describe().main_branch.as_deref(), Some("master"));
        let repository = &project.repository;
        repository
            .reference("refs/remotes/origin/main", id, false, "")
            .unwrap();
        assert_eq!(project.describe().main_branch.as_deref(), Some("main"));
        let (head, main) = ("refs/remotes/origin/HEAD", "refs/remotes/origin/dev/next");
        repository
            .reference_symbolic(head, main, false, "")
            .unwrap();
        assert_eq!(project.describe().main_branch.as_deref(), Some("dev/next"));
    }

    #[test]
    fn a_bare_repository_has_no_checkout() {
        let folder = tempfile::tempdir().unwrap();
        Repository::init_bare(folder.path()).unwrap();
        let info = describe(folder.path()).unwrap().unwrap();
        assert_eq!((info.workdir, info.commit), (None, None));
        assert!(info.branch.is_some());
    }

    #[test]
    fn a_broken_repository_is_an_error_that_names_the_folder() {
        let project = Project::new();
        project.write(&[("a", "1")]).commit("x");
        fs::write(project.dir().join(".git/config"), "[core\nbroken").unwrap();
        let error = describe(project.dir()).unwrap_err();
        assert!(matches!(error, VcsError::Unreadable { .. }), "{error:?}");
        assert!(error.to_string().contains(project.dir().to_str().unwrap()));
    }

    #[test]
    fn another_owner_is_told_what_to_do() {
        let source = git2::Error::new(
            git2::ErrorCode::Owner,
            git2::ErrorClass::Config,
            "repository path is not owned by current user",
        );
        let error = unreadable(Path::new("/some/where"))(source).to_string();
        assert!(
            error.ends_with("git config --global --add safe.directory '/some/where'"),
            "{error}"
        );
    }

    #[test]
    fn the_repo_id_is_the_remotes_name_or_the_folders_with_a_hash() {
        let project = Project::new();
        project.write(&[("sub/a", "")]);
        let without_remote = repo_id(project.dir()).unwrap();
        let folder = project.dir().file_name().unwrap().to_str().unwrap();
        let hash = without_remote.strip_prefix(folder).unwrap();
        assert_eq!(hash.len(), 9);
        // The checkout is one repository wherever one stands in it.
        assert_eq!(repo_id(&project.dir().join("sub")).unwrap(), without_remote);
        project
            .repository
            .remote("origin", "https://t@h.org/o/my-repo.git")
            .unwrap();
        assert_eq!(repo_id(project.dir()).unwrap(), "my-repo");

        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(one.path(), &[("same/a", "")]);
        write(other.path(), &[("same/a", "")]);
        let ids = [&one, &other].map(|folder| repo_id(&folder.path().join("same")).unwrap());
        assert!(ids.iter().all(|id| id.starts_with("same-")));
        assert_ne!(ids[0], ids[1]);
        assert_eq!(repo_id(&one.path().join("same/../same")).unwrap(), ids[0]);
    }
}

mod snapshots {
    use super::*;

    #[test]
    fn ignored_files_are_left_out_and_hidden_and_new_ones_are_in() {
        let project = Project::new();
        project
            .write(&[
                (".gitignore", "*.log\ntarget/\n"),
                ("a", ""),
                ("sub/.gitignore", "x\n"),
            ])
            .commit("x");
        project.write(&[
            ("new.log", ""),
            ("target/deep/file", ""),
            (".hidden", ""),
            ("sub/x", ""),
            ("sub/y", ""),
            (".monkeyciignore", "big\n"),
            ("big/file", ""),
            (".git/info/exclude", "excluded\n"),
            ("excluded", ""),
        ]);
        let wanted = [
            ".git",
            ".gitignore",
            ".hidden",
            ".monkeyciignore",
            "a",
            "sub",
            "sub/.gitignore",
            "sub/y",
        ];
        let names = project.names();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        // Names that begin with `.git` are dropped by the helper if they are below it.
        assert_eq!(names, wanted);
    }

    #[test]
    fn a_tracked_file_is_in_even_if_an_ignore_rule_names_it() {
        let project = Project::new();
        project.write(&[
            (".gitignore", "dist/\n*.env\n"),
            ("dist/deep/kept", ""),
            ("dist/other", ""),
            ("ci.env", ""),
        ]);
        project.write(&[
            ("dist/gone", ""),
            ("dist/unwanted", ""),
            (".monkeyciignore", "unwanted\n"),
        ]);
        for name in ["dist/deep/kept", "ci.env", "dist/gone", "dist/unwanted"] {
            project.force_add(name);
        }
        fs::remove_file(project.dir().join("dist/gone")).unwrap();
        let names = project.names();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                ".git",
                ".gitignore",
                ".monkeyciignore",
                "ci.env",
                "dist",
                "dist/deep",
                "dist/deep/kept"
            ]
        );
    }

    #[test]
    fn our_own_ignore_file_can_bring_back_what_git_ignores() {
        let project = Project::new();
        project.write(&[
            (".gitignore", "*.jar\n"),
            (".monkeyciignore", "!lib.jar\n"),
            ("lib.jar", ""),
            ("x.jar", ""),
        ]);
        assert!(project.names().contains(&"lib.jar".to_owned()));
        assert!(!project.names().contains(&"x.jar".to_owned()));
    }

    #[test]
    fn git_is_there_whole_whatever_the_rules_say() {
        let project = Project::new();
        project
            .write(&[
                (".gitignore", ".*\n*.idx\nlogs\nobjects\nconfig\n"),
                ("a", "1"),
            ])
            .commit("x");
        project.write(&[
            (".git/index.lock", ""),
            (".git/refs/heads/trunk.lock", ""),
            (".git/logs/own.lock", ""),
        ]);
        let workspace = unpacked(project.dir());
        let copy = Repository::open(workspace.path()).unwrap();
        assert_eq!(
            copy.head().unwrap().target(),
            project.repository.head().unwrap().target()
        );
        assert!(workspace.path().join(".git/logs/own.lock").exists());
        assert!(!workspace.path().join(".git/index.lock").exists());
        assert!(!workspace.path().join(".git/refs/heads/trunk.lock").exists());
        // Unchanged files are unchanged in the copy, too.
        assert_eq!(
            describe(workspace.path()).unwrap().unwrap().changes,
            project.describe().changes
        );
    }

    #[test]
    fn the_rules_hold_without_a_repository_too() {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            &[
                (".gitignore", "out\n"),
                ("proj/.gitignore", "x\n"),
                ("proj/x", ""),
                ("proj/out", ""),
                ("proj/y", ""),
            ],
        );
        // The folders above are nobody's business.
        let snapshot = snapshot_files(&folder.path().join("proj")).unwrap();
        let names: Vec<_> = snapshot
            .items
            .iter()
            .map(|item| item.name.to_str().unwrap())
            .collect();
        assert_eq!(names, [".gitignore", "out", "y"]);
    }

    #[test]
    fn a_folder_below_the_root_obeys_the_rules_above_it() {
        let project = Project::new();
        project.write(&[(".gitignore", "*.log\n"), ("sub/a.log", ""), ("sub/a", "")]);
        assert_eq!(names(&project.dir().join("sub")), ["a"]);
    }

    #[test]
    fn links_stay_links_wherever_they_lead() {
        let project = Project::new();
        project.write(&[("real/file", "")]);
        symlink("real", project.dir().join("inside")).unwrap();
        symlink("/nonexistent", project.dir().join("outside")).unwrap();
        let workspace = unpacked(project.dir());
        let target = |name| fs::read_link(workspace.path().join(name)).unwrap();
        assert_eq!(target("inside"), Path::new("real"));
        assert_eq!(target("outside"), Path::new("/nonexistent"));

        let copy = tempfile::tempdir().unwrap();
        let skipped = snapshot_files(project.dir())
            .unwrap()
            .copy_to(copy.path())
            .unwrap();
        assert!(skipped.is_empty());
        assert!(copy.path().join("real/file").is_file());
        assert_eq!(
            fs::read_link(copy.path().join("inside")).unwrap(),
            Path::new("real")
        );
    }

    #[test]
    fn a_tracked_folder_that_became_a_link_is_only_the_link() {
        let project = Project::new();
        project
            .write(&[("was/file", "1"), ("now/file", "2")])
            .commit("x");
        fs::remove_dir_all(project.dir().join("was")).unwrap();
        symlink("now", project.dir().join("was")).unwrap();
        assert_eq!(project.names(), [".git", "now", "now/file", "was"]);
        unpacked(project.dir());
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_said() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[("a", "1"), ("b", "2"), ("closed/c", "3")]);
        let snapshot = snapshot_files(folder.path()).unwrap();
        fs::remove_file(folder.path().join("b")).unwrap();
        let mut bytes = Vec::new();
        let unreadable = crate::archive::Unreadable::Skip;
        let summary =
            crate::archive::pack_items(snapshot.items.clone(), unreadable, &mut bytes).unwrap();
        assert_eq!(summary.skipped.len(), 1);
        assert_eq!(summary.skipped[0].path, folder.path().join("b"));
        assert_eq!(list(&bytes[..]).unwrap().len(), 3);
        let copy = tempfile::tempdir().unwrap();
        let skipped = snapshot.copy_to(copy.path()).unwrap();
        assert_eq!(skipped[0].path, folder.path().join("b"));

        let closed = folder.path().join("closed");
        let mode = |mode| fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).unwrap();
        mode(0);
        let may_read_all = fs::read_dir(&closed).is_ok();
        let summary = write_snapshot(folder.path(), std::io::sink());
        mode(0o700);
        if may_read_all {
            eprintln!("SKIPPED: no folder is closed to this user");
        } else {
            assert_eq!(summary.unwrap().skipped[0].path, closed);
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let error = snapshot_files(Path::new("/no/such/folder")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the folder `/no/such/folder`"
        );
    }

    /// In a linked worktree a job gets a repository of its own, on the worktree's branch.
    #[test]
    fn a_linked_worktree_becomes_a_repository_of_its_own() {
        let project = Project::new();
        let id = project.write(&[("a", "1")]).commit("x");
        let outer = tempfile::tempdir().unwrap();
        let linked = outer.path().join("linked");
        project
            .repository
            .worktree("linked", &linked, None)
            .unwrap();
        // A worktree of a bare repository is the harder case.
        let mut config = project.repository.config().unwrap();
        config.set_bool("core.bare", true).unwrap();
        write(&linked, &[("new", "")]);
        let original = describe(&linked).unwrap().unwrap();
        assert_eq!(original.branch.as_deref(), Some("linked"));

        let workspace = unpacked(&linked);
        assert!(workspace.path().join(".git").is_dir());
        assert!(!workspace.path().join(".git/worktrees").exists());
        let copy = Repository::open(workspace.path()).unwrap();
        assert!(!copy.is_bare() && !copy.is_worktree());
        assert!(
            copy.path()
                .starts_with(workspace.path().canonicalize().unwrap())
        );
        let info = describe(workspace.path()).unwrap().unwrap();
        assert_eq!(info.branch.as_deref(), Some("linked"));
        assert_eq!(info.commit.unwrap().id, id.to_string());
        assert_eq!(info.changes, original.changes);
        assert_eq!(
            info.changes,
            Changes {
                untracked: 1,
                ..Changes::default()
            }
        );
    }

    #[test]
    fn repositories_inside_come_along_unless_they_lead_outside() {
        let project = Project::new();
        project.write(&[(".gitignore", ".*\n"), ("inner/file", "")]);
        Repository::init(project.dir().join("inner")).unwrap();
        project.write(&[
            (".git/modules/sub/HEAD", ""),
            ("sub/.git", "gitdir: ../.git/modules/sub\n"),
        ]);
        project.write(&[("out/.git", "gitdir: /srv/elsewhere\n")]);
        let names = project.names();
        let has = |name: &str| names.iter().any(|other| other == name);
        assert!(has("inner/.git/HEAD") && has("sub/.git") && !has("out/.git"));
        let skipped = snapshot_files(project.dir()).unwrap().skipped;
        assert_eq!(skipped.len(), 1);
        assert_eq!(skipped[0].path, project.dir().join("out/.git"));
    }

    #[test]
    fn folders_come_before_what_is_in_them() {
        let project = Project::new();
        project.write(&[("a/b/c", ""), ("a-b", ""), ("a.b", ""), ("a/b.c", "")]);
        let items = snapshot_files(project.dir()).unwrap().items;
        for (at, item) in items.iter().enumerate() {
            let parent = item.name.parent().unwrap();
            let before = items[..at].iter().any(|other| other.name == parent);
            assert!(before || parent.as_os_str().is_empty(), "{item:?}");
            assert!(matches!(item.source, Source::Path(_)));
        }
    }
}

mod exports {
    use super::*;

    fn exported(project: &Project, revision: &Revision) -> (Result<Export, VcsError>, TempDir) {
        let target = tempfile::tempdir().unwrap();
        (export_tree(project.dir(), revision, target.path()), target)
    }

    #[test]
    fn the_tree_of_a_revision_is_written_and_nothing_else_changes() {
        let project = Project::new();
        let first = project
            .write(&[("a", "1"), ("sub/run.sh", "#!/bin/sh\n")])
            .commit("first");
        let first_object = project.repository.find_object(first, None).unwrap();
        project
            .repository
            .tag("v1", &first_object, &author(), "release", false)
            .unwrap();
        let second = project.write(&[("a", "2"), ("b", "2")]).commit("second");
        project
            .repository
            .reference("refs/remotes/origin/far", first, false, "")
            .unwrap();
        project.write(&[("a", "dirty")]);
        let index = fs::read(project.dir().join(".git/index")).unwrap();

        let (short, first_id) = (first.to_string()[..8].to_owned(), first.to_string());
        for revision in [
            Revision::Commit(short),
            Revision::Commit("HEAD~1".into()),
            Revision::Tag("v1".into()),
            Revision::Branch("far".into()),
        ] {
            let (export, target) = exported(&project, &revision);
            let export = export.unwrap();
            assert_eq!(export.commit.id, first_id);
            assert_eq!(export.tag.as_deref(), Some("v1"));
            assert_eq!(fs::read_to_string(target.path().join("a")).unwrap(), "1");
            assert!(target.path().join("sub/run.sh").is_file());
            assert!(!target.path().join("b").exists());
        }
        let (export, target) = exported(&project, &Revision::Branch("trunk".into()));
        let export = export.unwrap();
        assert_eq!(export.commit.id, second.to_string());
        assert_eq!(export.branch.as_deref(), Some("trunk"));
        assert_eq!(export.reference.as_deref(), Some("refs/heads/trunk"));
        assert_eq!(fs::read_to_string(target.path().join("a")).unwrap(), "2");

        assert_eq!(
            fs::read_to_string(project.dir().join("a")).unwrap(),
            "dirty"
        );
        assert_eq!(fs::read(project.dir().join(".git/index")).unwrap(), index);
    }

    #[test]
    fn a_revision_that_is_not_there_is_named() {
        let project = Project::new();
        project.write(&[("a", "1")]).commit("x");
        for (revision, wanted) in [
            (Revision::Commit("deadbeef".into()), "commit `deadbeef`"),
            (Revision::Branch("../x".into()), "branch `../x`"),
            (Revision::Tag(String::new()), "tag ``"),
            // A tag is no branch, nor the other way round.
            (Revision::Tag("trunk".into()), "tag `trunk`"),
        ] {
            let error = exported(&project, &revision).0.unwrap_err();
            let VcsError::NoSuchRevision { .. } = error else {
                panic!("{error:?}");
            };
            assert!(error.to_string().contains(wanted), "{error}");
        }
        let nowhere = tempfile::tempdir().unwrap();
        let error =
            export_tree(nowhere.path(), &Revision::Tag("v".into()), nowhere.path()).unwrap_err();
        assert!(matches!(error, VcsError::NoRepository { .. }));
    }
}
