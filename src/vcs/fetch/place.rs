//! A repository of its own for a build, made from a mirror.
//!
//! It shares nothing with the mirror but files that git never changes (packs, linked where the disk allows it), so a
//! script may do to it what it likes, and it goes into a workspace as it is.

use std::fs;
use std::io;
use std::path::Path;

use git2::build::CheckoutBuilder;
use git2::{CheckoutNotificationType, ObjectType, Oid, Repository, RepositoryInitOptions, Tree};
use tokio_util::sync::CancellationToken;

use super::error::{FetchError, plain};
use super::mirror::Found;
use super::{Control, Progress};

/// What a tree may have in it. A few objects can stand for very many files.
const MOST_FILES: u64 = 2_000_000;
const MOST_BYTES: u64 = 32 << 30;

/// Makes the repository, without its working tree yet. The mirror must be locked.
pub(super) fn link(
    mirror: &Path,
    target: &Path,
    found: &Found,
    url: &str,
) -> Result<Repository, FetchError> {
    fs::create_dir_all(target).map_err(disk(target))?;
    let mut entries = fs::read_dir(target).map_err(disk(target))?;
    if entries.next().is_some() {
        return Err(FetchError::Occupied {
            path: target.to_owned(),
        });
    }
    let mut options = RepositoryInitOptions::new();
    options
        .no_reinit(true)
        .external_template(false)
        .initial_head("main");
    let repository = Repository::init_opts(target, &options).map_err(git(url))?;
    let git_dir = repository.path().to_owned();
    share(&mirror.join("objects/pack"), &git_dir.join("objects/pack"))?;
    match fs::copy(mirror.join("shallow"), git_dir.join("shallow")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(disk(&git_dir)(error));
        }
        _ => {}
    }
    // Opened again, to see what is there now.
    let repository = Repository::open(&git_dir).map_err(git(url))?;
    name(&repository, found, url).map_err(git(url))?;
    Ok(repository)
}

/// Links files that never change, or copies them where they cannot be linked.
fn share(from: &Path, to: &Path) -> Result<(), FetchError> {
    fs::create_dir_all(to).map_err(disk(to))?;
    for entry in fs::read_dir(from).map_err(disk(from))? {
        let entry = entry.map_err(disk(from))?;
        let path = entry.path();
        let wanted = path
            .extension()
            .is_some_and(|end| end == "pack" || end == "idx");
        let there = to.join(entry.file_name());
        if wanted && fs::hard_link(&path, &there).is_err() {
            fs::copy(&path, &there).map_err(disk(&there))?;
        }
    }
    Ok(())
}

fn name(repository: &Repository, found: &Found, url: &str) -> Result<(), git2::Error> {
    repository.remote("origin", url)?;
    let odb = repository.odb()?;
    for (tag, id) in &found.tags {
        // An annotated tag that was not fetched is told as a plain one.
        let id = if odb.exists(*id) { *id } else { found.commit };
        if git2::Reference::is_valid_name(tag) {
            repository.reference(tag, id, true, "fetched")?;
        }
    }
    let branch = |name: &str| {
        let short = name.strip_prefix("refs/heads/")?;
        let remote = format!("refs/remotes/origin/{short}");
        git2::Reference::is_valid_name(&remote).then_some(remote)
    };
    // Only where it leads somewhere: git complains about what does not.
    if let Some((head, id)) = &found.head
        && let Some(head) = branch(head)
        && odb.exists(*id)
    {
        repository.reference(&head, *id, true, "fetched")?;
        repository.reference_symbolic("refs/remotes/origin/HEAD", &head, true, "fetched")?;
    }
    match found.reference.as_deref() {
        Some(name) if branch(name).is_some() => {
            let remote = branch(name).unwrap_or_default();
            repository.reference(&remote, found.commit, true, "fetched")?;
            repository.reference(name, found.commit, true, "fetched")?;
            repository.set_head(name)
        }
        Some(name) => {
            if repository.find_reference(name).is_err() {
                repository.reference(name, found.commit, true, "fetched")?;
            }
            repository.set_head_detached(found.commit)
        }
        None => repository.set_head_detached(found.commit),
    }
}

/// Writes the working tree, and returns what a user should know of it.
pub(super) fn check_out(
    repository: &Repository,
    commit: Oid,
    url: &str,
    control: &mut Control<'_>,
) -> Result<Vec<String>, FetchError> {
    let cancel = control.cancel.clone();
    let tree = repository
        .find_commit(commit)
        .and_then(|commit| commit.tree());
    let tree = tree.map_err(git(url))?;
    measure(repository, &tree, url, &cancel)?;

    let progress = &mut *control.progress;
    let mut options = CheckoutBuilder::new();
    options
        .force()
        .notify_on(CheckoutNotificationType::all())
        .notify(|_, _, _, _, _| !cancel.is_cancelled())
        .progress(|_, done, total| progress(Progress::Writing { done, total }));
    let written = repository.checkout_head(Some(&mut options));
    drop(options);
    if cancel.is_cancelled() {
        return Err(FetchError::Canceled);
    }
    written.map_err(git(url))?;
    Ok(remarks(repository, &tree))
}

/// Counts what would be written before anything is.
fn measure(
    repository: &Repository,
    tree: &Tree<'_>,
    url: &str,
    cancel: &CancellationToken,
) -> Result<(), FetchError> {
    let odb = repository.odb().map_err(git(url))?;
    let too_large = |why: String| FetchError::Tree {
        url: url.to_owned(),
        why,
    };
    let (mut files, mut bytes) = (0_u64, 0_u64);
    let mut open = vec![tree.id()];
    while let Some(id) = open.pop() {
        if cancel.is_cancelled() {
            return Err(FetchError::Canceled);
        }
        let tree = repository.find_tree(id).map_err(git(url))?;
        for entry in &tree {
            files += 1;
            match entry.kind() {
                Some(ObjectType::Tree) => open.push(entry.id()),
                Some(ObjectType::Blob) => {
                    bytes += odb.read_header(entry.id()).map_err(git(url))?.0 as u64;
                }
                _ => {}
            }
            if files > MOST_FILES {
                return Err(too_large(format!("it has more than {MOST_FILES} files")));
            }
            if bytes > MOST_BYTES {
                return Err(too_large(format!("it has more than {MOST_BYTES} bytes")));
            }
        }
    }
    Ok(())
}

/// What is not as a plain `git clone` would leave it.
fn remarks(repository: &Repository, tree: &Tree<'_>) -> Vec<String> {
    let mut remarks = Vec::new();
    if tree.get_name(".gitmodules").is_some() {
        remarks.push("submodules are not fetched; their folders are empty".to_owned());
    }
    let attributes = tree.get_name(".gitattributes");
    let attributes = attributes.and_then(|entry| repository.find_blob(entry.id()).ok());
    if attributes.is_some_and(|blob| String::from_utf8_lossy(blob.content()).contains("filter=lfs"))
    {
        remarks
            .push("files kept by Git LFS are not fetched; what is there points to them".to_owned());
    }
    remarks
}

fn git(url: &str) -> impl Fn(git2::Error) -> FetchError + use<> {
    let url = url.to_owned();
    move |error| FetchError::Git {
        url: url.clone(),
        reason: plain(error.message()),
    }
}

fn disk(path: &Path) -> impl Fn(io::Error) -> FetchError + use<> {
    let path = path.to_owned();
    move |source| FetchError::Disk {
        path: path.clone(),
        source,
    }
}
