//! The copy of a repository in the cache folder: one a URL, from which builds get their own.
//!
//! ```text
//! <cache>/git/<hash>.lock     held while the mirror is in use, by one fetch at a time
//! <cache>/git/<hash>.git      a bare repository
//!     refs/fetched/<hash>     the last of what was asked for by one name, for the next fetch to build upon
//! ```
//!
//! Names of the server's are not those of references here: a branch `a` that has become `a/b` is in nobody's way. A
//! mirror that is damaged, or in too many pieces, is thrown away: all of it is on the server.

use std::cell::RefCell;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use git2::{
    AutotagOption, Direction, FetchOptions, ObjectType, Oid, RemoteCallbacks, Repository,
    RepositoryInitOptions,
};

use super::advertised::Advertised;
use super::error::{FetchError, plain};
use super::remote_url::{Place, RemoteUrl};
use super::session::Session;
use super::transport::{ADDRESS, Current};
use super::{Control, FetchRequest, Progress, RefName};

/// Fetches add a pack each; with more than these a new mirror is less work.
const MOST_PACKS: usize = 64;
/// Of all branches and tags so many are kept by name.
const MOST_TIPS: usize = 1000;
/// How often a lock that somebody else has is tried.
const TRY_AGAIN: Duration = Duration::from_millis(50);
/// What libgit2 takes for "all of the history, also where it was cut before".
const WHOLE: i32 = i32::MAX;

/// A mirror that nobody else uses meanwhile.
#[derive(Debug)]
pub(super) struct Mirror {
    pub path: PathBuf,
    /// Unlocked when it is closed.
    _lock: File,
}

/// What a fetch has found.
#[derive(Debug)]
pub(super) struct Found {
    pub commit: Oid,
    /// The full name of what was asked for, if it was not only a commit.
    pub reference: Option<String>,
    /// Full names of tags at the commit, and what they are.
    pub tags: Vec<(String, Oid)>,
    /// The full name of the branch that the server leads with, and where that stands.
    pub head: Option<(String, Oid)>,
}

impl Mirror {
    /// Waits for the mirror of a URL.
    pub fn lock(
        cache: &Path,
        url: &RemoteUrl,
        control: &mut Control<'_>,
    ) -> Result<Self, FetchError> {
        let folder = cache.join("git");
        let disk = |path: &Path| {
            let path = path.to_owned();
            move |source| FetchError::Disk { path, source }
        };
        // What is fetched with a login is not for others to read.
        let mut private = fs::DirBuilder::new();
        private.recursive(true).mode(0o700);
        private.create(&folder).map_err(disk(&folder))?;
        let name = hash(&url.shown);
        let lock = folder.join(format!("{name}.lock"));
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)
            .map_err(disk(&lock))?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(disk(&lock)(source)),
            }
            if !told {
                (control.progress)(Progress::Waiting);
                told = true;
            }
            if control.cancel.is_cancelled() {
                return Err(FetchError::Canceled);
            }
            // A lock that is waited for could not be given up.
            std::thread::sleep(TRY_AGAIN);
        }
        let mirror = Self {
            path: folder.join(format!("{name}.git")),
            _lock: file,
        };
        if mirror.tidy() > MOST_PACKS {
            mirror.discard()?;
        }
        Ok(mirror)
    }

    /// Tells whether there is something to start from.
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Throws the mirror away.
    pub fn discard(&self) -> Result<(), FetchError> {
        if !self.exists() {
            return Ok(());
        }
        crate::archive::remove_tree(&self.path).map_err(|error| FetchError::Disk {
            path: self.path.clone(),
            source: io::Error::other(error),
        })
    }

    /// Removes what fetches that were cut off have left, and counts the packs.
    fn tidy(&self) -> usize {
        let mut packs = 0;
        for entry in fs::read_dir(self.path.join("objects/pack"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            match name
                .strip_prefix("pack-")
                .and_then(|rest| rest.rsplit_once('.'))
            {
                Some((_, "pack")) => packs += 1,
                Some((_, "idx" | "rev" | "keep")) => {}
                // What stays is in nobody's way but the disk's.
                _ => drop(fs::remove_file(entry.path())),
            }
        }
        packs
    }

    fn open(&self) -> Result<Repository, git2::Error> {
        match Repository::open_bare(&self.path) {
            Ok(repository) => Ok(repository),
            Err(error) if error.code() == git2::ErrorCode::NotFound => {
                let mut options = RepositoryInitOptions::new();
                options.bare(true).external_template(false);
                Repository::init_opts(&self.path, &options)
            }
            Err(error) => Err(error),
        }
    }

    /// Brings what is asked for here.
    pub fn update(
        &self,
        session: &Arc<Session>,
        request: &FetchRequest,
        control: &mut Control<'_>,
    ) -> Result<Found, FetchError> {
        let result = self.try_update(session, request, control);
        // Why our own connection failed says more than what libgit2 makes of it.
        match (session.take_error(), result) {
            (Some(error), Err(_)) => Err(error),
            (_, Err(_)) if control.cancel.is_cancelled() => Err(FetchError::Canceled),
            (_, Err(FetchError::Git { url, reason })) => Err(said_by_server(request, url, reason)),
            (_, result) => result,
        }
    }

    fn try_update(
        &self,
        session: &Arc<Session>,
        request: &FetchRequest,
        control: &mut Control<'_>,
    ) -> Result<Found, FetchError> {
        let shown = &session.url.shown;
        let git = |error: git2::Error| FetchError::Git {
            url: shown.clone(),
            reason: plain(error.message()),
        };
        (control.progress)(Progress::Connecting);
        session.forget();
        let repository = self.open().map_err(git)?;
        let _current = Current::set(session).map_err(git)?;
        let mut remote = match &session.url.place {
            Place::Folder(path) => {
                let path = path.to_str().ok_or_else(|| FetchError::Url {
                    why: "it is not UTF-8".to_owned(),
                })?;
                repository.remote_anonymous(path)
            }
            Place::Web { .. } | Place::Ssh(_) => repository.remote_anonymous(ADDRESS),
        }
        .map_err(git)?;
        let mut connection = remote
            .connect_auth(Direction::Fetch, None, None)
            .map_err(git)?;
        let there = match &session.url.place {
            Place::Folder(path) => Repository::open(path)
                .and_then(|repository| Advertised::of(&repository))
                .map_err(git)?,
            Place::Web { .. } | Place::Ssh(_) => session.advertised(),
        };

        let wanted = Wanted::new(&repository, &there, request, shown)?;
        let depth = depth(&repository, &there, request, &session.url, &wanted);
        let is_here = depth == 0 && wanted.is_here(&repository);
        if !wanted.specs.is_empty() && !is_here {
            let control = RefCell::new(control);
            let mut options = FetchOptions::new();
            options
                .remote_callbacks(callbacks(&control, session))
                .download_tags(AutotagOption::None)
                .depth(depth);
            connection
                .remote()
                .download(&wanted.specs, Some(&mut options))
                .map_err(git)?;
        }
        drop(connection);

        for (name, id) in &wanted.tips {
            if repository.odb().map_err(git)?.exists(*id) {
                let name = format!("refs/fetched/{}", hash(name));
                repository
                    .reference(&name, *id, true, "fetched")
                    .map_err(git)?;
            }
        }
        wanted.found(&repository, &there, shown)
    }
}

/// What the server itself says through libgit2 is no trouble with the mirror.
fn said_by_server(request: &FetchRequest, url: String, reason: String) -> FetchError {
    match &request.commit {
        Some(commit) if reason.contains("not our ref") => FetchError::NoSuchRevision {
            url,
            what: format!("commit `{commit}`"),
        },
        _ if reason.starts_with("remote error") => FetchError::Refused { url, reason },
        _ => FetchError::Git { url, reason },
    }
}

/// How much of the history is asked for; 0 is what there is to build upon, and all that is new.
fn depth(
    repository: &Repository,
    there: &Advertised,
    request: &FetchRequest,
    url: &RemoteUrl,
    wanted: &Wanted,
) -> i32 {
    if matches!(url.place, Place::Folder(_)) || !there.shallow {
        // Reading a folder takes no part of a history.
        return 0;
    }
    let cut = repository.is_shallow();
    let begun = repository
        .references()
        .is_ok_and(|mut all| all.next().is_some());
    match request.depth {
        Some(depth) if !wanted.all && (cut || !begun) => {
            i32::try_from(depth.get()).unwrap_or(WHOLE)
        }
        // Of a whole history, all that is new is little.
        _ if cut => WHOLE,
        _ => 0,
    }
}

/// What to ask the server for.
#[derive(Debug)]
struct Wanted {
    specs: Vec<String>,
    /// All branches and tags, since the server gives no commit by its id.
    all: bool,
    /// By what name each is kept.
    tips: Vec<(String, Oid)>,
    reference: Option<String>,
    /// A commit's id, perhaps only its beginning.
    commit: Option<String>,
    tip: Option<Oid>,
}

impl Wanted {
    fn new(
        repository: &Repository,
        there: &Advertised,
        request: &FetchRequest,
        url: &str,
    ) -> Result<Self, FetchError> {
        let missing = |what: String| FetchError::NoSuchRevision {
            url: url.to_owned(),
            what,
        };
        let named = match (&request.reference, &request.commit) {
            (RefName::Default, Some(_)) => None,
            (RefName::Default, None) => {
                let head = there.head.clone();
                // One that stands on no branch, or does not say.
                let head = head.filter(|head| there.id(head).is_some());
                Some(head.unwrap_or_else(|| "HEAD".to_owned()))
            }
            (name, _) => name.full(),
        };
        let mut wanted = Self {
            specs: Vec::new(),
            all: false,
            tips: Vec::new(),
            reference: named.clone().filter(|name| name != "HEAD"),
            commit: request.commit.clone(),
            tip: None,
        };
        if let Some(name) = &named
            && request.commit.is_none()
        {
            let id = there.id(name);
            let id = id.ok_or_else(|| missing(request.reference.to_string()))?;
            if !git2::Reference::is_valid_name(name) {
                return Err(missing("reference that can be fetched".to_owned()));
            }
            wanted.specs.push(spec(name, name));
            wanted.tips.push((name.clone(), id));
            wanted.tip = Some(id);
            return Ok(wanted);
        }
        let Some(text) = &request.commit else {
            return Ok(wanted);
        };
        let whole = Some(text).filter(|text| text.len() == 40);
        let id = whole.and_then(|text| Oid::from_str(text).ok());
        let key = named.unwrap_or_else(|| "commit".to_owned());
        match id {
            Some(id) => {
                let tip = there.tip_at(id);
                let tip = tip.filter(|name| git2::Reference::is_valid_name(name));
                let is_here = repository.odb().is_ok_and(|odb| odb.exists(id))
                    && (request.depth.is_some() || !repository.is_shallow());
                match tip {
                    Some(name) => wanted.specs.push(spec(name, &key)),
                    None if there.by_id => wanted.specs.push(spec(&id.to_string(), &key)),
                    None if is_here => {}
                    None => wanted.everything(there),
                }
                wanted.tips.push((key, id));
                wanted.tip = Some(id);
            }
            None => wanted.everything(there),
        }
        Ok(wanted)
    }

    fn everything(&mut self, there: &Advertised) {
        self.all = true;
        let specs = ["refs/heads/*", "refs/tags/*"];
        self.specs = specs
            .map(|name| format!("+{name}:refs/fetched/all/{name}"))
            .to_vec();
        // Enough to build upon.
        self.tips = there
            .branches_and_tags()
            .take(MOST_TIPS)
            .map(|(name, id)| (name.to_owned(), id))
            .collect();
    }

    fn is_here(&self, repository: &Repository) -> bool {
        let tip = self.tip.zip(repository.odb().ok());
        tip.is_some_and(|(tip, odb)| odb.exists(tip))
    }

    fn found(
        self,
        repository: &Repository,
        there: &Advertised,
        url: &str,
    ) -> Result<Found, FetchError> {
        let missing = || FetchError::NoSuchRevision {
            url: url.to_owned(),
            what: match (&self.commit, &self.reference) {
                (Some(commit), _) => format!("commit `{commit}`"),
                (None, Some(name)) => format!("commit at `{name}`"),
                (None, None) => "commit".to_owned(),
            },
        };
        let object = match (&self.commit, self.tip) {
            (_, Some(tip)) => repository.find_object(tip, None),
            (Some(commit), None) => repository.revparse_single(commit),
            (None, None) => return Err(missing()),
        };
        let commit = object
            .and_then(|object| object.peel(ObjectType::Commit))
            .map_err(|_| missing())?
            .id();
        let tags = there.tags_at(commit).into_iter();
        Ok(Found {
            commit,
            tags: tags
                .take(100)
                .map(|(name, id)| (name.to_owned(), id))
                .collect(),
            head: there
                .head
                .as_ref()
                .and_then(|name| Some((name.clone(), there.id(name)?))),
            reference: self.reference,
        })
    }
}

fn spec(from: &str, key: &str) -> String {
    format!("+{from}:refs/fetched/{}", hash(key))
}

/// A short name for a long one.
fn hash(text: &str) -> String {
    Oid::hash_object(ObjectType::Blob, text.as_bytes())
        .map_or_else(|_| "none".to_owned(), |id| id.to_string())
}

fn callbacks<'a, 'c: 'a>(
    control: &'a RefCell<&'a mut Control<'c>>,
    session: &'a Session,
) -> RemoteCallbacks<'a> {
    let mut callbacks = RemoteCallbacks::new();
    callbacks.transfer_progress(move |progress| {
        let mut control = control.borrow_mut();
        let bytes = progress.received_bytes() as u64;
        (control.progress)(if progress.received_objects() < progress.total_objects() {
            Progress::Receiving {
                objects: progress.received_objects(),
                total: progress.total_objects(),
                bytes,
            }
        } else {
            Progress::Resolving {
                deltas: progress.indexed_deltas(),
                total: progress.total_deltas(),
            }
        });
        // Of a folder, nothing passes through a connection of ours.
        if bytes > session.most_bytes {
            session.fail(FetchError::TooLarge {
                url: session.url.shown.clone(),
                limit: session.most_bytes,
            });
            return false;
        }
        !control.cancel.is_cancelled()
    });
    callbacks.sideband_progress(move |text| {
        let mut control = control.borrow_mut();
        let text = plain(&String::from_utf8_lossy(text));
        if !text.is_empty() {
            (control.progress)(Progress::Server(text));
        }
        !control.cancel.is_cancelled()
    });
    callbacks
}
