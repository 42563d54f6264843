//! The folders of the host executor: made when needed, gone when a build is over.
//!
//! ```text
//! <scratch>/<build>-<hash of sid>/   one a build, for its user only
//!     workspace/                     what the archive holds, unpacked once
//!     jobs/<job>-<attempt>/          one a job: deleted when it is over
//!         work/                      its copy of the workspace
//!         api-token                  its key to the script API, while it runs, if it has one
//!         script/  logs/             where `MONKEYCI_SCRIPT_DIR` and `_LOG_DIR` point
//! ```
//!
//! Every blocking task that uses a folder holds on to its owner, so a folder is deleted
//! only when nobody writes into it any more; [`BuildScratch::end`] waits for all of it.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::archive;
use crate::domain::{Sid, file_name, stable_hash};
use crate::ports::{BlobKey, JobPorts, chain};

use super::transfer;

/// The unpacked workspace, or a sentence why there is none.
type Workspace = Shared<BoxFuture<'static, Result<Arc<Path>, String>>>;

/// The folders of one build.
#[derive(Debug)]
pub(in crate::executors) struct BuildScratch {
    base: PathBuf,
    name: String,
    keep: bool,
    dir: Mutex<Option<PathBuf>>,
    workspace: Mutex<Option<Workspace>>,
    /// Everything that still uses the folder.
    tasks: TaskTracker,
    over: CancellationToken,
}

/// The folders of one job. Dropping it deletes them.
#[derive(Debug)]
pub(in crate::executors) struct JobScratch {
    build: Arc<BuildScratch>,
    root: PathBuf,
    /// Where the deletion runs; it may be asked for on any thread.
    runtime: Handle,
    /// Cancelled when nobody waits for what is on its way into the folder any more.
    pub(in crate::executors) over: CancellationToken,
}

/// The name of a build's folder: its id, for people, and a hash of its whole sid, since builds
/// of other projects may have the same id.
pub fn scratch_name(sid: &Sid) -> String {
    let whole = stable_hash(sid.to_string().as_bytes());
    format!("{}-{:08x}", file_name(&sid.build), whole & 0xffff_ffff)
}

impl BuildScratch {
    pub(in crate::executors) fn new(base: PathBuf, sid: &Sid, keep: bool) -> Self {
        Self {
            base,
            name: scratch_name(sid),
            keep,
            dir: Mutex::default(),
            workspace: Mutex::default(),
            tasks: TaskTracker::new(),
            over: CancellationToken::new(),
        }
    }

    /// The build's folder, made at first use.
    fn dir(&self) -> io::Result<PathBuf> {
        let mut dir = self.dir.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dir) = &*dir {
            return Ok(dir.clone());
        }
        std::fs::create_dir_all(&self.base)?;
        // Absolute and without symlinks, since jobs run elsewhere and paths are compared.
        let made = create_fresh(&self.base.canonicalize()?, &self.name)?;
        std::fs::create_dir(made.join("jobs"))?;
        *dir = Some(made.clone());
        Ok(made)
    }

    /// The workspace of the build: the first who asks gets it fetched and unpacked.
    pub(super) fn workspace(
        self: &Arc<Self>,
        ports: &Arc<dyn JobPorts>,
        key: &BlobKey,
    ) -> Workspace {
        let mut workspace = self
            .workspace
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        workspace
            .get_or_insert_with(|| {
                // A task of its own: the job that came first may be stopped.
                let unpacking = self.tasks.spawn(unpack_workspace(
                    Arc::clone(self),
                    Arc::clone(ports),
                    key.clone(),
                ));
                async {
                    unpacking
                        .await
                        .unwrap_or_else(|error| Err(error.to_string()))
                }
                .boxed()
                .shared()
            })
            .clone()
    }

    /// Makes the folders of a job.
    pub(in crate::executors) fn job(
        self: &Arc<Self>,
        id: &str,
        attempt: u32,
    ) -> io::Result<JobScratch> {
        let name = format!("{}-{attempt}", file_name(id));
        let root = create_fresh(&self.dir()?.join("jobs"), &name)?;
        let job = JobScratch {
            build: Arc::clone(self),
            root,
            runtime: Handle::current(),
            over: CancellationToken::new(),
        };
        for dir in [job.script_dir(), job.log_dir()] {
            std::fs::create_dir(dir)?;
        }
        Ok(job)
    }

    /// Waits for everything that uses the folder, and deletes it.
    pub(in crate::executors) async fn end(&self) {
        self.over.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let dir = self
            .dir
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(dir) = dir
            && !self.keep
        {
            // What cannot be deleted is left to the next clean-up: the build is over.
            let _ = tokio::task::spawn_blocking(move || archive::remove_tree(&dir)).await;
        }
    }
}

async fn unpack_workspace(
    build: Arc<BuildScratch>,
    ports: Arc<dyn JobPorts>,
    key: BlobKey,
) -> Result<Arc<Path>, String> {
    let to = build
        .dir()
        .map(|dir| dir.join("workspace"))
        .map_err(|error| format!("cannot make a folder in {}: {error}", build.base.display()))?;
    let got = transfer::fetch_workspace(ports.blobs(), &key, to.clone(), &build.tasks, &build.over)
        .await?;
    if !got {
        return Err("it is not in the store".to_owned());
    }
    Ok(to.into())
}

impl JobScratch {
    /// Where the job's copy of the workspace is. It does not exist before it is copied.
    pub(in crate::executors) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    pub(super) fn script_dir(&self) -> PathBuf {
        self.root.join("script")
    }

    pub(super) fn log_dir(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Where the job finds its token.
    pub(super) fn token_file(&self) -> PathBuf {
        self.root.join("api-token")
    }

    /// Writes the job's token for its user only.
    pub(super) fn write_token(&self, token: &str) -> io::Result<()> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.token_file())?
            .write_all(token.as_bytes())
    }

    /// What blocking tasks of this job are run with, so that the build's end waits for them.
    pub(in crate::executors) fn tasks(&self) -> &TaskTracker {
        &self.build.tasks
    }

    /// Copies the workspace.
    pub(super) async fn fill(self: &Arc<Self>, workspace: Arc<Path>) -> Result<(), String> {
        let job = Arc::clone(self);
        self.tasks()
            .spawn_blocking(move || archive::copy_tree(&workspace, &job.work()))
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| chain(&error))
    }
}

impl Drop for JobScratch {
    fn drop(&mut self) {
        if !self.build.keep {
            let root = std::mem::take(&mut self.root);
            // What cannot be deleted now is tried again with the build's whole folder.
            self.build
                .tasks
                .spawn_blocking_on(move || archive::remove_tree(&root), &self.runtime);
        }
    }
}

/// Makes a folder that was not there before, for its user only. Another run, or a file
/// system that does not tell upper from lower case, may have taken the name.
fn create_fresh(parent: &Path, name: &str) -> io::Result<PathBuf> {
    let mut path = parent.join(name);
    for number in 2..1000 {
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                path = parent.join(format!("{name}.{number}"));
            }
            Ok(()) => return Ok(path),
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
