//! The file of the index: opened, made anew, replaced.
//!
//! | file | |
//! | --- | --- |
//! | `index.db` | the index; while it is open SQLite has `-wal` and `-shm` beside it |
//! | `index.lock` | locked by all who have the index open, and alone by who replaces it |
//! | `index.db.new` | one that is being made; locked by its maker with `index.new.lock` |
//!
//! SQLite does not bear that its files are replaced under its feet: what one process still writes
//! to the old files would end up in the new ones. Hence the lock. A process that is killed at any
//! moment leaves a usable index, an old one or none.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use super::IndexError;
use super::schema::{APPLICATION, VERSION, create};

/// How long others may have the index while somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The files of an index.
#[derive(Debug, Clone)]
pub(super) struct Files {
    db: PathBuf,
    lock: PathBuf,
    draft: PathBuf,
    draft_lock: PathBuf,
}

/// An open connection. The lock goes last: closing the connection may still write.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) db: Connection,
    _lock: Lock,
}

impl Files {
    pub(super) fn of(db: PathBuf) -> Self {
        Self {
            lock: db.with_extension("lock"),
            draft: db.with_extension("db.new"),
            draft_lock: db.with_extension("new.lock"),
            db,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.db
    }

    /// Opens the index. `None`: there is none, or it is no use and has to be made anew.
    pub(super) fn open(&self) -> Result<Option<Opened>, IndexError> {
        match fs::metadata(&self.db) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(io_error("look at", &self.db)(source)),
            // A pipe would never open.
            Ok(found) if !found.is_file() => return Err(IndexError::NotAFile(self.db.clone())),
            Ok(_) => {}
        }
        let lock = Lock::shared(&self.lock)?;
        let opened = connect(&self.db).and_then(|db| {
            let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
            Ok((pragma("application_id")?, pragma("user_version")?, db))
        });
        let (application, version, db) = match opened.map_err(self.failed()) {
            Ok(found) => found,
            Err(error) if error.is_damage() => return Ok(None),
            Err(error) => return Err(error),
        };
        match (application, version) {
            (APPLICATION, VERSION) => Ok(Some(Opened { db, _lock: lock })),
            // It may have been left empty by a killed program.
            (APPLICATION | 0, _) if application == APPLICATION || is_empty(&db) => Ok(None),
            _ => Err(IndexError::Foreign(self.db.clone())),
        }
    }

    /// Makes the index anew from nothing: `fill` puts everything in. The old one stays as it is
    /// until then. With patience it waits for others; without, they are an error.
    pub(super) fn replace<T>(
        &self,
        patient: bool,
        fill: impl FnOnce(&mut Connection) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        // What is not ours stays.
        drop(self.open()?);
        let patience = if patient { PATIENCE } else { Duration::ZERO };
        // For as long as it takes: two who make one at a time would make it no sooner.
        let _alone = Lock::alone(&self.draft_lock, patience)?;
        let filled = self.fill(fill).inspect_err(|_| remove(&self.draft))?;
        let _alone = Lock::alone(&self.lock, PATIENCE).inspect_err(|_| remove(&self.draft))?;
        // In this order: beside what is left of the old one SQLite would take the new one's
        // pages for changed, and without the file itself it throws the rest away.
        for path in family(&self.db) {
            remove_file(&path).map_err(io_error("replace", &path))?;
        }
        fs::rename(&self.draft, &self.db).map_err(io_error("replace", &self.db))?;
        Ok(filled)
    }

    fn fill<T>(
        &self,
        fill: impl FnOnce(&mut Connection) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        for path in family(&self.draft) {
            remove_file(&path).map_err(io_error("write", &path))?;
        }
        let private = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.draft);
        drop(private.map_err(io_error("create", &self.draft))?);
        let mut db = connect(&self.draft).map_err(self.failed())?;
        let mode = |mode: &str| db.pragma_update_and_check(None, "journal_mode", mode, |_| Ok(()));
        // Until it is done it may break at any time: then it is thrown away.
        mode("memory").map_err(self.failed())?;
        db.pragma_update(None, "synchronous", "off")
            .map_err(self.failed())?;
        create(&db).map_err(self.failed())?;
        let filled = fill(&mut db)?;
        // Kept in the file. A file system that cannot have it keeps another mode.
        let mode = |mode: &str| db.pragma_update_and_check(None, "journal_mode", mode, |_| Ok(()));
        mode("wal").map_err(self.failed())?;
        db.close().map_err(|(_, error)| self.failed()(error))?;
        let written = File::open(&self.draft).and_then(|file| file.sync_all());
        written.map_err(io_error("write", &self.draft))?;
        Ok(filled)
    }

    pub(super) fn failed(&self) -> impl Fn(rusqlite::Error) -> IndexError + use<> {
        let path = self.db.clone();
        move |source| IndexError::Database {
            path: path.clone(),
            source,
        }
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(PATIENCE)?;
    // What a power cut takes of the newest is read again.
    db.pragma_update(None, "synchronous", "normal")?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

fn is_empty(db: &Connection) -> bool {
    let tables = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
        row.get::<_, i64>(0)
    });
    tables == Ok(0)
}

/// A database and what SQLite has beside it.
fn family(db: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|ending| {
        let mut name = db.as_os_str().to_owned();
        name.push(ending);
        name.into()
    })
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn remove(db: &Path) {
    for path in family(db) {
        // What stays is removed by the next who makes one.
        let _ = fs::remove_file(path);
    }
}

fn io_error(action: &'static str, path: &Path) -> impl Fn(io::Error) -> IndexError + use<> {
    let path = path.to_owned();
    move |source| IndexError::Io {
        action,
        path: path.clone(),
        source,
    }
}

/// A lock on a file that has nothing in it.
#[derive(Debug)]
struct Lock(File);

impl Lock {
    /// Together with others.
    fn shared(path: &Path) -> Result<Self, IndexError> {
        Self::take(path, PATIENCE, File::try_lock_shared)
    }

    /// Alone, once all others are gone.
    fn alone(path: &Path, patience: Duration) -> Result<Self, IndexError> {
        Self::take(path, patience, File::try_lock)
    }

    fn take(
        path: &Path,
        patience: Duration,
        lock: fn(&File) -> Result<(), TryLockError>,
    ) -> Result<Self, IndexError> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            // Whatever lies there: a pipe is not waited for.
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
            .map_err(io_error("open", path))?;
        let until = Instant::now() + patience;
        loop {
            match lock(&file) {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::Error(source)) => return Err(io_error("lock", path)(source)),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                    return Err(IndexError::InUse(path.to_owned()));
                }
                // Nobody says when a lock becomes free; these are held for moments.
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that was started a moment ago shares the file, and the
        // lock, until it runs its own program.
        let _ = self.0.unlock();
    }
}
