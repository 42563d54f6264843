//! What is fetched, whatever it comes through.

use std::sync::mpsc;

use super::web::{Answer, Web};
use super::*;

/// Both a server that can do all and a folder.
fn everywhere(test: impl Fn(&Desk, &str)) {
    let desk = Desk::new();
    let web = Web::git(&desk.root());
    test(&desk, &web.url("/repo.git"));
    let desk = Desk::new();
    let folder = desk.root().join("repo.git");
    test(&desk, folder.to_str().unwrap());
}

#[test]
fn every_kind_of_name_is_checked_out_and_described() {
    everywhere(|desk, url| {
        let fetched = desk.fetch(&request(url), "default").unwrap();
        assert_eq!(fetched.commit.id, desk.id("trunk"));
        assert_eq!(fetched.reference.as_deref(), Some("refs/heads/trunk"));
        assert_eq!(fetched.remarks, Vec::<String>::new());
        assert_eq!(desk.files("default"), ["1", "2", "3", "4"]);
        let git = describe(&desk.target("default")).unwrap().unwrap();
        assert_eq!(git.commit.as_ref().unwrap().id, desk.id("trunk"));
        assert_eq!(git.branch.as_deref(), Some("trunk"));
        assert_eq!(git.main_branch.as_deref(), Some("trunk"));
        assert_eq!(git.url.as_deref(), Some(url));
        assert_eq!(git.tag, None);
        assert!(!git.is_dirty());

        desk.fetch(&of(url, branch("a/b"), None), "branch").unwrap();
        let git = describe(&desk.target("branch")).unwrap().unwrap();
        assert_eq!(git.commit.as_ref().unwrap().id, desk.id("a/b"));
        assert_eq!(git.branch.as_deref(), Some("a/b"));
        assert_eq!(git.main_branch.as_deref(), Some("trunk"));

        desk.fetch(&of(url, RefName::Tag("v1".to_owned()), None), "tag")
            .unwrap();
        let git = describe(&desk.target("tag")).unwrap().unwrap();
        assert_eq!(git.commit.as_ref().unwrap().id, desk.id("v1"));
        assert_eq!(git.reference.as_deref(), Some("refs/tags/v1"));
        assert_eq!(git.branch, None);

        let pull = RefName::Full("refs/pull/7/head".to_owned());
        desk.fetch(&of(url, pull, None), "pull").unwrap();
        assert_eq!(desk.files("pull"), ["1"]);

        // The tag is at the commit, so it is told although nobody asked for it.
        let tagged = desk.id("v1");
        desk.fetch(&of(url, branch("trunk"), Some(&tagged)), "named")
            .unwrap();
        let git = describe(&desk.target("named")).unwrap().unwrap();
        assert_eq!(git.commit.as_ref().unwrap().id, tagged);
        assert_eq!(git.branch.as_deref(), Some("trunk"));
        assert_eq!(git.tag.as_deref(), Some("v1"));
    });
}

#[test]
fn a_commit_is_found_by_its_id_whether_or_not_the_server_gives_it_by_that() {
    for by_id in ["true", "false"] {
        let desk = Desk::new();
        let repo = "root/repo.git";
        let key = "uploadpack.allowReachableSHA1InWant";
        desk.git(repo, &["config", key, by_id]);
        let web = Web::git(&desk.root());
        let url = web.url("/repo.git");
        // No name leads to it: `work` has moved on, and so has the server.
        let commit = desk.commit("trunk", "inner");
        desk.commit("trunk", "outer");
        desk.publish();
        let fetched = desk
            .fetch(&of(&url, RefName::Default, Some(&commit)), "whole")
            .unwrap();
        assert_eq!(fetched.commit.id, commit);
        let git = describe(&desk.target("whole")).unwrap().unwrap();
        assert_eq!((git.branch, git.reference), (None, None));
        assert_eq!(desk.history("whole"), if by_id == "true" { 1 } else { 5 });

        let start = &commit[..10];
        let fetched = desk
            .fetch(&of(&url, RefName::Default, Some(start)), "part")
            .unwrap();
        assert_eq!(fetched.commit.id, commit);
    }
}

#[test]
fn only_as_much_of_the_history_comes_as_is_asked_for() {
    let desk = Desk::new();
    let web = Web::git(&desk.root());
    let url = web.url("/repo.git");
    let with_depth = |depth| FetchRequest {
        depth: NonZeroU32::new(depth),
        ..request(&url)
    };
    desk.fetch(&with_depth(1), "one").unwrap();
    assert_eq!(desk.history("one"), 1);
    desk.fetch(&with_depth(2), "two").unwrap();
    assert_eq!(desk.history("two"), 2);
    // The next commit builds upon what is there.
    desk.commit("trunk", "5");
    desk.publish();
    desk.fetch(&with_depth(1), "next").unwrap();
    assert_eq!(desk.history("next"), 1);
    assert_eq!(desk.files("next"), ["1", "2", "3", "4", "5"]);
    // All of it, also where it was cut before.
    desk.fetch(&with_depth(0), "all").unwrap();
    assert_eq!(desk.history("all"), 5);
    // What is whole is not cut again.
    desk.commit("trunk", "6");
    desk.publish();
    desk.fetch(&with_depth(1), "more").unwrap();
    assert_eq!(desk.history("more"), 6);
    for target in ["one", "two", "next", "all", "more"] {
        desk.git(&format!("targets/{target}"), &["fsck", "--strict"]);
    }
}

#[test]
fn what_is_there_already_is_not_fetched_again() {
    let desk = Desk::new();
    let web = Web::git(&desk.root());
    let url = web.url("/repo.git");
    let whole = FetchRequest {
        depth: None,
        ..request(&url)
    };
    desk.fetch(&whole, "first").unwrap();
    let before = web.asked().len();
    desk.fetch(&whole, "second").unwrap();
    let methods: Vec<_> = web.asked()[before..]
        .iter()
        .map(|asked| asked.method.clone())
        .collect();
    assert_eq!(methods, ["GET"]);
    assert_eq!(desk.files("second"), desk.files("first"));
}

#[test]
fn a_checkout_shares_nothing_that_git_changes() {
    everywhere(|desk, url| {
        desk.fetch(&request(url), "one").unwrap();
        desk.git(
            "targets/one",
            &["commit", "-q", "--allow-empty", "-m", "mine"],
        );
        desk.git("targets/one", &["gc", "-q", "--prune=now"]);
        desk.git("targets/one", &["branch", "-q", "mine"]);
        desk.fetch(&request(url), "two").unwrap();
        assert_eq!(
            desk.git("targets/two", &["branch", "--format=%(refname)"]),
            "refs/heads/trunk"
        );
        assert_eq!(desk.git("targets/two", &["status", "--porcelain"]), "");
        desk.git("targets/two", &["fsck", "--strict"]);
    });
}

#[test]
fn history_that_was_rewritten_and_names_that_changed_kind_are_no_trouble() {
    everywhere(|desk, url| {
        desk.fetch(&of(url, branch("a/b"), None), "before").unwrap();
        desk.git("work", &["branch", "-D", "a/b"]);
        desk.git("work", &["checkout", "-q", "--orphan", "a"]);
        let commit = desk.commit("a", "rewritten");
        desk.git("work", &["branch", "-f", "trunk", "a"]);
        desk.publish();
        let fetched = desk.fetch(&of(url, branch("a"), None), "after").unwrap();
        assert_eq!(fetched.commit.id, commit);
        let fetched = desk
            .fetch(&of(url, branch("trunk"), None), "trunk")
            .unwrap();
        assert_eq!(fetched.commit.id, commit);
    });
}

#[test]
fn what_is_not_there_is_named() {
    everywhere(|desk, url| {
        let said = |request: &FetchRequest| desk.fetch(request, "none").unwrap_err().to_string();
        assert_eq!(
            said(&of(url, branch("no"), None)),
            format!("there is no branch `no` in `{url}`")
        );
        assert_eq!(
            said(&of(url, RefName::Tag("no".to_owned()), None)),
            format!("there is no tag `no` in `{url}`")
        );
        let commit = "0123456789012345678901234567890123456789";
        assert_eq!(
            said(&of(url, RefName::Default, Some(commit))),
            format!("there is no commit `{commit}` in `{url}`")
        );
        assert_eq!(
            said(&of(url, RefName::Default, Some("0123456"))),
            format!("there is no commit `0123456` in `{url}`")
        );
    });
    let desk = Desk::new();
    desk.git("root", &["init", "-q", "--bare", "empty.git"]);
    let web = Web::git(&desk.root());
    let error = desk
        .fetch(&request(&web.url("/empty.git")), "none")
        .unwrap_err();
    assert!(
        error.to_string().contains("the repository is empty"),
        "{error}"
    );
}

#[test]
fn names_that_are_none_are_refused_before_anything_is_asked() {
    let desk = Desk::new();
    for (reference, commit) in [
        (branch("a..b"), None),
        (branch("a\u{1b}[31m"), None),
        (branch(""), None),
        (branch("*"), None),
        (RefName::Tag("a b".to_owned()), None),
        (RefName::Full("HEAD".to_owned()), None),
        (RefName::Full("refs/../x".to_owned()), None),
        (RefName::Default, Some("HEAD")),
        (RefName::Default, Some("abc")),
        (RefName::Default, Some("--upload-pack=x")),
    ] {
        let request = of("https://h.invalid/x", reference, commit);
        let error = desk.fetch(&request, "none").unwrap_err();
        assert!(matches!(error, FetchError::Name { .. }), "{error:?}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
    assert!(!desk.cache().exists());
}

#[test]
fn a_mirror_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let desk = Desk::new();
    let url = desk.root().join("repo.git");
    desk.fetch(&request(url.to_str().unwrap()), "x").unwrap();
    let mirrors = std::fs::metadata(desk.cache().join("git")).unwrap();
    assert_eq!(mirrors.permissions().mode() & 0o077, 0);
}

#[test]
fn a_commit_that_is_here_is_checked_out_where_the_server_gives_none_by_id() {
    let desk = Desk::new();
    let web = Web::git(&desk.root());
    let url = web.url("/repo.git");
    let first = desk.id("trunk");
    desk.fetch(&request(&url), "first").unwrap();
    desk.commit("trunk", "5");
    desk.publish();
    let fetched = desk.fetch(&of(&url, branch("trunk"), Some(&first)), "again");
    assert_eq!(fetched.unwrap().commit.id, first);
    let whole = FetchRequest {
        depth: None,
        ..of(&url, branch("trunk"), Some(&first))
    };
    desk.fetch(&whole, "whole").unwrap();
    assert_eq!(desk.history("whole"), 4);
}

#[test]
fn a_target_with_something_in_it_is_left_alone() {
    let desk = Desk::new();
    let url = desk.root().join("repo.git");
    let target = desk.target("mine");
    std::fs::create_dir_all(&target).unwrap();
    std::fs::write(target.join("1"), "precious").unwrap();
    let error = desk
        .fetch(&request(url.to_str().unwrap()), "mine")
        .unwrap_err();
    assert!(matches!(error, FetchError::Occupied { .. }), "{error:?}");
    assert_eq!(
        std::fs::read_to_string(target.join("1")).unwrap(),
        "precious"
    );
}

#[test]
fn a_damaged_mirror_is_made_anew() {
    let desk = Desk::new();
    let web = Web::git(&desk.root());
    let request = request(&web.url("/repo.git"));
    desk.fetch(&request, "first").unwrap();
    let mirror = std::fs::read_dir(desk.cache().join("git"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    std::fs::write(mirror.join("HEAD"), "nonsense").unwrap();
    std::fs::write(mirror.join("config"), "[core\n").unwrap();
    // What a fetch that was cut off leaves.
    std::fs::write(mirror.join("objects/pack/pack_git2_x"), "half").unwrap();
    desk.fetch(&request, "second").unwrap();
    assert_eq!(desk.files("second"), desk.files("first"));
    assert!(!mirror.join("objects/pack/pack_git2_x").exists());
}

#[test]
fn submodules_and_large_files_are_said_to_be_missing() {
    let desk = Desk::new();
    std::fs::write(desk.dir().join("work/.gitmodules"), "").unwrap();
    std::fs::write(desk.dir().join("work/.gitattributes"), "*.bin filter=lfs\n").unwrap();
    desk.commit("trunk", "5");
    desk.publish();
    let url = desk.root().join("repo.git");
    let fetched = desk.fetch(&request(url.to_str().unwrap()), "x").unwrap();
    assert_eq!(fetched.remarks.len(), 2, "{:?}", fetched.remarks);
}

#[test]
fn a_tree_that_stands_for_very_many_files_is_not_written() {
    let desk = Desk::new();
    // Eight levels with ten entries each, all of them the same object.
    let mut object = desk.git("work", &["hash-object", "-w", "1"]);
    let mut kind = "100644 blob";
    for _ in 0..8 {
        let lines: Vec<_> = (0..10).map(|n| format!("{kind} {object}\t{n}\n")).collect();
        std::fs::write(desk.dir().join("tree"), lines.concat()).unwrap();
        let made = Command::new("sh")
            .args(["-c", "git mktree <../tree"])
            .current_dir(desk.dir().join("work"))
            .output()
            .unwrap();
        object = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        kind = "040000 tree";
    }
    let commit = desk.git("work", &["commit-tree", "-m", "bomb", &object]);
    desk.git("work", &["update-ref", "refs/heads/bomb", &commit]);
    desk.publish();
    let url = desk.root().join("repo.git");
    let error = desk
        .fetch(&of(url.to_str().unwrap(), branch("bomb"), None), "x")
        .unwrap_err();
    assert!(matches!(error, FetchError::Tree { .. }), "{error:?}");
    assert_eq!(desk.files("x"), Vec::<String>::new());
}

#[test]
fn two_fetches_of_one_repository_take_turns() {
    let desk = Desk::new();
    let (arrived, waits) = mpsc::channel();
    let (go, gate) = mpsc::channel();
    let gate = std::sync::Mutex::new(Some(gate));
    let web = Web::start(&desk.root(), move |_| {
        // The first request stops here until the other fetch waits.
        if let Some(gate) = gate.lock().unwrap().take() {
            arrived.send(()).unwrap();
            gate.recv().unwrap();
        }
        Answer::Git
    });
    let url = web.url("/repo.git");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| desk.fetch(&request(&url), "first"));
        waits.recv().unwrap();
        let second = scope.spawn(|| {
            let mut seen = Vec::new();
            let user = desk.user(&[]);
            let result = desk.fetch_watched(&request(&url), &user, "second", &mut |progress| {
                if progress == Progress::Waiting {
                    go.send(()).unwrap();
                }
                seen.push(progress);
            });
            (result, seen)
        });
        first.join().unwrap().unwrap();
        let (result, seen) = second.join().unwrap();
        result.unwrap();
        assert_eq!(seen[0], Progress::Waiting);
        assert_eq!(seen[1], Progress::Connecting);
    });
    assert_eq!(desk.files("first"), desk.files("second"));
}

#[test]
fn many_fetches_at_once_all_succeed() {
    let desk = Desk::new();
    let web = Web::git(&desk.root());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..6)
            .map(|n| {
                let url = web.url(["/repo.git", "/repo.git/"][n % 2]);
                let desk = &desk;
                scope.spawn(move || desk.fetch(&request(&url), &format!("{n}")))
            })
            .collect();
        for worker in workers {
            worker.join().unwrap().unwrap();
        }
    });
    for n in 0..6 {
        assert_eq!(desk.files(&n.to_string()), ["1", "2", "3", "4"]);
    }
}

#[test]
fn a_checkout_for_a_build_knows_what_it_is_and_goes_with_it() {
    use crate::ports::Checkout as _;

    let desk = Desk::new();
    let url = desk.root().join("repo.git").display().to_string();
    let target = desk.target("build");
    let check_out = |request: &FetchRequest| {
        let control = Control {
            cancel: &desk.cancel,
            progress: &mut |_| (),
        };
        let user = desk.user(&[]);
        crate::vcs::FolderCheckout::of_fetched(&desk.cache(), request, &user, &target, control)
    };
    let pull = RefName::Full("refs/pull/7/head".to_owned());
    let (checkout, _) = check_out(&of(&url, pull, None)).unwrap();
    let git = checkout.describe().unwrap();
    assert_eq!(git.r#ref.as_deref(), Some("refs/pull/7/head"));
    assert_eq!(git.commit_id, Some(desk.id("HEAD~3")));
    assert_eq!(git.main_branch.as_deref(), Some("trunk"));
    assert_eq!(git.url.as_deref(), Some(url.as_str()));
    assert!(!git.dirty && checkout.dir().join("1").exists());
    let mut workspace = Vec::new();
    assert_eq!(
        checkout.snapshot(&mut workspace).unwrap(),
        Vec::<String>::new()
    );
    // As a job gets it, it stands by itself.
    let unpacked = desk.dir().join("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    let tar = Command::new("tar")
        .args(["-xzf", "-", "-C"])
        .arg(&unpacked)
        .stdin(std::process::Stdio::piped())
        .spawn();
    let mut tar = tar.unwrap();
    std::io::Write::write_all(&mut tar.stdin.take().unwrap(), &workspace).unwrap();
    assert!(tar.wait().unwrap().success());
    drop(checkout);
    assert!(!target.exists());
    desk.git("unpacked", &["fsck", "--strict"]);
    assert_eq!(desk.git("unpacked", &["status", "--porcelain"]), "");

    check_out(&of(&url, branch("no"), None)).unwrap_err();
    assert!(!target.exists());
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join("precious"), "").unwrap();
    check_out(&request(&url)).unwrap_err();
    assert!(target.join("precious").exists());
}
