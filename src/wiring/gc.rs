//! `gc`, `pin` and `unpin`: what of the recorded builds is kept; and what goes by itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::archive;
use crate::cli::plain::spell_size;
use crate::cli::{GcArgs, PinArgs, UnpinArgs, clean};
use crate::config::{self, Retention};
use crate::domain::retention::{Fate, Policy, Protection, fates};
use crate::domain::{Millis, Sid, file_name};
use crate::ports::{BlobKey, Clock, SystemClock};
use crate::store::{self, History, Home, RemoveError, Stocked};

use super::error::{Exit, UserError};
use super::list::{progress, repo_named};
use super::{history, pages, storage};

/// `pin`.
pub(super) fn pin(home: &Home, args: &PinArgs) -> Result<Exit, UserError> {
    let (sid, folder) = history::find(home, &args.build)?;
    let why = args.why.as_deref().unwrap_or_default();
    let pinned = store::pin(&folder, why);
    let is_new = pinned.map_err(|error| cannot("pin", &sid, &error))?;
    History::note_folder(home, &sid, &folder);
    let sid = clean(&sid.to_string());
    pages::print(if is_new {
        format!("{sid} is kept until it is unpinned\n")
    } else {
        format!("{sid} was pinned already\n")
    })
}

/// `unpin`.
pub(super) fn unpin(home: &Home, args: &UnpinArgs) -> Result<Exit, UserError> {
    let (sid, folder) = history::find(home, &args.build)?;
    let unpinned = store::unpin(&folder);
    let was_pinned = unpinned.map_err(|error| cannot("unpin", &sid, &error))?;
    History::note_folder(home, &sid, &folder);
    let sid = clean(&sid.to_string());
    pages::print(if was_pinned {
        format!("{sid} is not pinned any more\n")
    } else {
        format!("{sid} was not pinned\n")
    })
}

fn cannot(what: &str, sid: &Sid, error: &std::io::Error) -> UserError {
    UserError::new(format!("cannot {what} {sid}: {error}"))
}

/// `gc`.
pub(super) async fn gc(home: &Home, args: &GcArgs) -> Result<Exit, UserError> {
    let rules = Rules::of(home, args)?;
    let mut history = History::new(home).telling(progress);
    if !args.imported {
        history = history.of_this_machine();
    }
    if let Some(repo) = &args.repo {
        let (org, name) = repo_named(home, repo);
        history = history.of_repo(&org, &name);
    }
    let stock = history.stock().map_err(|error| {
        UserError::of(&error)
            .hint("without the index it is not known what there is; see `help history`")
    })?;
    let fates = rules.fates(&stock, args.last_green, SystemClock.now());
    let mut said = Said {
        dry_run: args.dry_run,
        ..Said::default()
    };
    let goes: Vec<&Stocked> = stock
        .iter()
        .zip(&fates)
        .filter(|(_, fate)| **fate == Fate::Goes)
        .map(|(build, _)| build)
        .collect();
    for fate in &fates {
        if let Fate::Protected(protection) = fate {
            *said.kept.entry(*protection).or_default() += 1;
        }
    }
    // Before the builds, which know what their caches are called.
    if args.caches {
        remove_caches(home, args, &history, &mut said).await?;
    }
    if !goes.is_empty() && !args.dry_run {
        let opened = storage::open(home)?;
        // The oldest first: what is cut off in the middle leaves the newest.
        for build in goes.iter().rev() {
            said.removed(build, store::remove(home, &*opened.blobs, build).await);
        }
        // The index has it from the folders; nobody waits for the next list.
        drop(history.list(0));
    } else {
        goes.iter()
            .rev()
            .for_each(|build| said.removed(build, Ok(())));
    }
    said.end()
}

/// What may go.
struct Rules {
    retention: Retention,
    /// Of all builds together.
    max_size: Option<u64>,
}

impl Rules {
    /// What was typed, or else what is configured.
    fn of(home: &Home, args: &GcArgs) -> Result<Self, UserError> {
        let typed = Policy {
            keep: args.keep,
            older_than: args
                .older_than
                .map(|age| Millis::try_from(age.as_millis()).unwrap_or(Millis::MAX)),
            max_size: args.max_size,
        };
        if !typed.keeps_all() {
            return Ok(Self::from(Retention {
                all: typed,
                repos: BTreeMap::new(),
            }));
        }
        let (config, remarks) = config::read_user(home.config()).map_err(UserError::new)?;
        for remark in remarks {
            complain!("monkeyci-tui: {}", clean(&remark));
        }
        if config.retention.keeps_all() && !args.caches {
            let message = "nothing says which builds may go";
            return Err(UserError::new(message).hint(
                "--keep N, --older-than 30d or --max-size 10GB; or [retention] in config.toml",
            ));
        }
        Ok(Self::from(config.retention))
    }

    fn fates(&self, stock: &[Stocked], last_green_too: bool, now: Millis) -> Vec<Fate> {
        let held: Vec<_> = stock.iter().map(|build| build.held.clone()).collect();
        let policy = |repo: &str| {
            let (org, name) = repo
                .trim_start_matches('/')
                .split_once('/')
                .unwrap_or_default();
            self.retention.of_repo(org, name)
        };
        fates(&held, policy, self.max_size, last_green_too, now)
    }
}

impl From<Retention> for Rules {
    fn from(retention: Retention) -> Self {
        Self {
            max_size: retention.all.max_size,
            retention,
        }
    }
}

/// What has been told, and is to be told at the end.
#[derive(Default)]
struct Said {
    dry_run: bool,
    builds: usize,
    bytes: u64,
    caches: usize,
    kept: BTreeMap<Protection, usize>,
    failed: usize,
}

impl Said {
    fn verb(&self) -> &'static str {
        if self.dry_run {
            "would remove"
        } else {
            "removed"
        }
    }

    fn removed(&mut self, build: &Stocked, outcome: Result<(), RemoveError>) {
        let sid = clean(&build.item.sid.to_string());
        match outcome {
            Ok(()) => {
                self.builds += 1;
                self.bytes = self.bytes.saturating_add(build.held.size);
                let (verb, size) = (self.verb(), spell_size(build.held.size));
                // Who goes away (`| head`) ends it all; what is removed by then is removed.
                let _ = pages::print(format!("{verb} {sid} ({}, {size})\n", build.item.status));
            }
            Err(RemoveError::InUse) => *self.kept.entry(Protection::Running).or_default() += 1,
            Err(RemoveError::Pinned) => *self.kept.entry(Protection::Pinned).or_default() += 1,
            Err(error) => {
                self.failed += 1;
                complain!("monkeyci-tui: {sid} stays: {}", UserError::of(&error));
            }
        }
    }

    fn end(self) -> Result<Exit, UserError> {
        let mut text = match (self.builds, self.caches) {
            (0, 0) => "nothing to remove\n".to_owned(),
            (0, _) => String::new(),
            (count, _) => format!(
                "{} {count} {}: {}\n",
                self.verb(),
                if count == 1 { "build" } else { "builds" },
                spell_size(self.bytes)
            ),
        };
        for (protection, count) in &self.kept {
            let why = match protection {
                Protection::Pinned => "pinned",
                Protection::Running => "running",
                Protection::Unfinished => "without an end",
                Protection::LastGreen => "the last of a branch that succeeded (--last-green)",
            };
            text.push_str(&format!("kept {count}: {why}\n"));
        }
        let _ = pages::print(text);
        match self.failed {
            0 => Ok(Exit::Success),
            1 => Err(UserError::new("one build could not be removed")),
            count => Err(UserError::new(format!(
                "{count} builds could not be removed"
            ))),
        }
    }
}

/// Removes the caches of the repositories that are meant, by the names that their builds tell; in a
/// folder also those that no build tells of any more.
async fn remove_caches(
    home: &Home,
    args: &GcArgs,
    history: &History,
    said: &mut Said,
) -> Result<(), UserError> {
    let folder = home.blobs().join("caches");
    let folder_of = |org: &str, repo: &str| folder.join(file_name(org)).join(file_name(repo));
    let mut caches: BTreeMap<PathBuf, Vec<BlobKey>> = BTreeMap::new();
    let known = history.caches().map_err(|error| UserError::of(&error))?;
    for (org, repo, id) in known {
        let key = BlobKey::cache(&Sid::new(&*org, &*repo, ""), &id);
        caches.entry(folder_of(&org, &repo)).or_default().push(key);
    }
    for org in folders_in(&folder) {
        for repo in folders_in(&org) {
            caches.entry(repo).or_default();
        }
    }
    if let Some(repo) = &args.repo {
        let (org, repo) = repo_named(home, repo);
        let meant = folder_of(&org, &repo);
        caches.retain(|dir, _| *dir == meant);
    }
    let opened = storage::open(home)?;
    for (dir, keys) in caches {
        let bytes = store::size_of(&dir);
        if !said.dry_run {
            for key in &keys {
                let removed = opened.blobs.remove(key).await;
                removed.map_err(|error| UserError::of(&error))?;
            }
        }
        said.caches += 1;
        let verb = said.verb();
        let name = dir
            .strip_prefix(&folder)
            .unwrap_or(&dir)
            .display()
            .to_string();
        let size = match bytes {
            0 => String::new(),
            bytes => format!(" ({})", spell_size(bytes)),
        };
        if !said.dry_run {
            remove_dir(dir).await;
        }
        pages::print(format!("{verb} the caches of {}{size}\n", clean(&name)))?;
    }
    Ok(())
}

fn folders_in(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

async fn remove_dir(dir: PathBuf) {
    // What cannot be removed is there the next time.
    let _ = tokio::task::spawn_blocking(move || archive::remove_tree(&dir)).await;
}

/// Removes what may go by the configuration, now that a build has ended. Says nothing: what cannot
/// be removed is tried again after the next build, and told by `gc`.
pub(super) async fn after_build(home: &Home, sid: &Sid) {
    let (home, sid) = (home.clone(), sid.clone());
    let of_home = home.clone();
    let decided = tokio::task::spawn_blocking(move || {
        // What is wrong with it was told when the build began.
        let (config, _) = config::read_user(of_home.config()).ok()?;
        let rules = Rules::from(config.retention);
        if rules.retention.keeps_all() {
            return None;
        }
        let mut history = History::new(&of_home).of_this_machine();
        if rules.max_size.is_none() {
            history = history.of_repo(&sid.org, &sid.repo);
        }
        let stock = history.stock().ok()?;
        let fates = rules.fates(&stock, false, SystemClock.now());
        let fates = stock.into_iter().zip(fates);
        let goes: Vec<Stocked> = fates
            .filter(|(_, fate)| *fate == Fate::Goes)
            .map(|(build, _)| build)
            .collect();
        if goes.is_empty() {
            return None;
        }
        let blobs = storage::open(&of_home).ok()?.blobs;
        Some((history, goes, blobs))
    });
    let Ok(Some((history, goes, blobs))) = decided.await else {
        return;
    };
    for build in goes.iter().rev() {
        // As said.
        let _ = store::remove(&home, &*blobs, build).await;
    }
    // The next list need not look for what is gone.
    drop(tokio::task::spawn_blocking(move || history.list(0)).await);
}
