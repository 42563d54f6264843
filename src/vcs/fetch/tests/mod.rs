//! Against real repositories, served by git itself: over HTTP, over ssh, from folders.

mod over_http;
mod over_ssh;
mod repositories;
mod web;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::counted;
use crate::vcs::describe;

/// A repository to fetch, and folders to fetch it into.
struct Desk {
    folder: TempDir,
    cancel: CancellationToken,
}

impl Desk {
    /// A bare repository `repo.git`: four commits on `trunk`, the last but one tagged `v1`, a branch `a/b`, and a
    /// reference of neither kind.
    fn new() -> Self {
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
            cancel: CancellationToken::new(),
        };
        desk.git("work", &["init", "-q", "-b", "trunk", "."]);
        for n in 1..=4 {
            desk.commit("trunk", &format!("{n}"));
        }
        desk.git("work", &["tag", "-a", "-m", "one", "v1", "HEAD~1"]);
        desk.git("work", &["branch", "a/b", "HEAD~2"]);
        desk.git("work", &["update-ref", "refs/pull/7/head", "HEAD~3"]);
        desk.git(".", &["clone", "-q", "--mirror", "work", "root/repo.git"]);
        desk
    }

    fn dir(&self) -> &Path {
        self.folder.path()
    }

    fn root(&self) -> PathBuf {
        self.dir().join("root")
    }

    fn git(&self, below: &str, args: &[&str]) -> String {
        let folder = self.dir().join(below);
        std::fs::create_dir_all(&folder).unwrap();
        let output = Command::new("git")
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
            .args(args)
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits a file of that name on a branch of the working repository, and returns the commit's id.
    fn commit(&self, branch: &str, name: &str) -> String {
        // Also one that has no commit yet.
        if self.git("work", &["symbolic-ref", "--short", "HEAD"]) != branch {
            self.git("work", &["checkout", "-q", branch]);
        }
        std::fs::write(self.dir().join("work").join(name), name).unwrap();
        self.git("work", &["add", "."]);
        self.git("work", &["commit", "-q", "-m", name]);
        self.id("HEAD")
    }

    fn publish(&self) {
        self.git("work", &["push", "-q", "--mirror", "../root/repo.git"]);
    }

    fn id(&self, revision: &str) -> String {
        self.git("work", &["rev-parse", &format!("{revision}^{{commit}}")])
    }

    fn target(&self, name: &str) -> PathBuf {
        self.dir().join("targets").join(name)
    }

    fn cache(&self) -> PathBuf {
        self.dir().join("cache")
    }

    /// The user's git: this environment, with these variables, and no settings.
    fn user(&self, env: &[(&str, &str)]) -> UserGit {
        let mut all = vec![
            ("PATH".into(), std::env::var_os("PATH").unwrap()),
            ("HOME".into(), self.dir().as_os_str().to_owned()),
            ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
        ];
        all.extend(
            env.iter()
                .map(|(name, value)| (OsString::from(name), OsString::from(value))),
        );
        UserGit::from_parts(None, all)
    }

    fn fetch(&self, request: &FetchRequest, target: &str) -> Result<Fetched, FetchError> {
        self.fetch_as(request, &self.user(&[]), target)
    }

    fn fetch_as(
        &self,
        request: &FetchRequest,
        user: &UserGit,
        target: &str,
    ) -> Result<Fetched, FetchError> {
        self.fetch_watched(request, user, target, &mut |_| ())
    }

    fn fetch_watched(
        &self,
        request: &FetchRequest,
        user: &UserGit,
        target: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Fetched, FetchError> {
        let control = Control {
            cancel: &self.cancel,
            progress,
        };
        fetch(&self.cache(), request, user, &self.target(target), control)
    }

    /// How many commits a checkout knows.
    fn history(&self, target: &str) -> usize {
        self.git(&format!("targets/{target}"), &["rev-list", "HEAD"])
            .lines()
            .count()
    }

    fn files(&self, target: &str) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.target(target))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != ".git")
            .collect();
        names.sort();
        names
    }
}

fn request(url: &str) -> FetchRequest {
    FetchRequest {
        allowed: Allowed::EVERYTHING,
        ..FetchRequest::new(url)
    }
}

fn of(url: &str, reference: RefName, commit: Option<&str>) -> FetchRequest {
    FetchRequest {
        reference,
        commit: commit.map(str::to_owned),
        ..request(url)
    }
}

fn branch(name: &str) -> RefName {
    RefName::Branch(name.to_owned())
}
