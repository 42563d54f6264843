//! Where things lie on disk (design.md, "On disk").
//!
//! | folder | by default | under `MONKEYCI_TUI_HOME` |
//! | --- | --- | --- |
//! | config | `~/.config/monkeyci-tui` | `config` |
//! | cache | `~/.cache/monkeyci-tui` | `cache` |
//! | data | `~/.local/share/monkeyci-tui` | `data` |
//! | runtime | `$XDG_RUNTIME_DIR/monkeyci-tui`, else a private folder in the temp folder | `runtime` |
//!
//! Naming a folder touches nothing; what has to exist is created by the one who writes
//! into it, for this user only.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use crate::domain::{Millis, Sid, file_name, stable_hash};

/// The environment variable that moves everything.
const HOME_VARIABLE: &str = "MONKEYCI_TUI_HOME";

/// The name of this program's folders.
const PROGRAM: &str = "monkeyci-tui";

/// The name of a build's socket.
const SOCKET: &str = "api.sock";

/// A socket's path has to be shorter, in bytes: the systems' limits are 104 and 108.
const LONGEST_SOCKET_PATH: usize = 100;

/// The org of builds that run on this machine (decisions.md, "Builds").
pub const LOCAL_ORG: &str = "local";

/// Why a folder cannot be named or used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum FolderError {
    #[error("no home folder is known; set HOME, or {HOME_VARIABLE} to a folder of your choice")]
    NoHome,
    #[error("cannot create the folder {}", path.display())]
    Create {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the folder {} belongs to somebody else, or others may write to it", .0.display())]
    NotPrivate(PathBuf),
    #[error("the path of a socket in {} is longer than the system allows", .0.display())]
    TooLong(PathBuf),
}

/// All folders of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    config: PathBuf,
    cache: PathBuf,
    data: PathBuf,
    runtime: PathBuf,
    /// Where sockets go whose path would be too long.
    short_runtime: Vec<PathBuf>,
}

/// The environment, as far as folders depend on it.
#[derive(Debug, Default)]
struct Surroundings {
    moved_to: Option<OsString>,
    /// Config, cache and data folder of all programs, and the runtime folder.
    xdg: Option<([PathBuf; 3], Option<PathBuf>)>,
    temp: PathBuf,
    user: u32,
}

impl Home {
    /// The folders that the environment names.
    pub fn from_env() -> Result<Self, FolderError> {
        let xdg = etcetera::base_strategy::Xdg::new().ok().map(|xdg| {
            let folders = [xdg.config_dir(), xdg.cache_dir(), xdg.data_dir()];
            (folders, xdg.runtime_dir())
        });
        Self::resolve(Surroundings {
            moved_to: std::env::var_os(HOME_VARIABLE).filter(|value| !value.is_empty()),
            xdg,
            temp: std::env::temp_dir(),
            user: rustix::process::getuid().as_raw(),
        })
    }

    /// All folders inside one, as with `MONKEYCI_TUI_HOME`.
    pub fn under(root: &Path) -> Self {
        let user = rustix::process::getuid().as_raw();
        Self::moved(root, &private_temp(&std::env::temp_dir(), user), user)
    }

    fn resolve(surroundings: Surroundings) -> Result<Self, FolderError> {
        let Surroundings {
            moved_to,
            xdg,
            temp,
            user,
        } = surroundings;
        let temp = private_temp(&temp, user);
        if let Some(root) = moved_to {
            let root = PathBuf::from(root);
            // Children of this program work in other folders: a relative path would move.
            let root = std::path::absolute(&root).unwrap_or(root);
            return Ok(Self::moved(&root, &temp, user));
        }
        let ([config, cache, data], runtime) = xdg.ok_or(FolderError::NoHome)?;
        Ok(Self {
            config: config.join(PROGRAM),
            cache: cache.join(PROGRAM),
            data: data.join(PROGRAM),
            runtime: runtime.map_or_else(|| temp.clone(), |runtime| runtime.join(PROGRAM)),
            short_runtime: short_folders(&temp, user),
        })
    }

    fn moved(root: &Path, temp: &Path, user: u32) -> Self {
        Self {
            config: root.join("config"),
            cache: root.join("cache"),
            data: root.join("data"),
            runtime: root.join("runtime"),
            short_runtime: short_folders(temp, user),
        }
    }

    /// Where `config.toml` is.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// What may be deleted at any time.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// What is kept.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The recorded builds, as `org/repo/build`.
    pub fn builds(&self) -> PathBuf {
        self.data.join("builds")
    }

    /// The recordings that were made elsewhere, as `org/repo/build`.
    pub fn imported(&self) -> PathBuf {
        self.data.join("imported")
    }

    /// What was unpacked to be looked at.
    pub fn recordings(&self) -> PathBuf {
        self.cache.join("recordings")
    }

    /// Artifacts, caches and workspaces.
    pub fn blobs(&self) -> PathBuf {
        self.data.join("blobs")
    }

    /// The folder of a build's recording.
    pub fn build(&self, sid: &Sid) -> BuildFolder {
        BuildFolder::below(&self.builds(), sid)
    }

    /// The folder of a recording that was made elsewhere. It may have the sid of any build.
    pub fn imported_build(&self, sid: &Sid) -> BuildFolder {
        BuildFolder::below(&self.imported(), sid)
    }

    /// Finds an id for a new build of this machine and creates its folder:
    /// `local-build-<ms>`, later when there is one already (decisions.md, "Builds").
    pub fn new_build(
        &self,
        org: &str,
        repo: &str,
        now: Millis,
    ) -> Result<(Sid, BuildFolder), FolderError> {
        let mut ms = now;
        loop {
            let sid = Sid::new(org, repo, format!("local-build-{ms}"));
            let folder = self.build(&sid);
            // Before there is a build: who cannot be reached safely is not started.
            self.runtime(&sid)?.secure_parent()?;
            if let Some(parent) = folder.dir.parent() {
                create_private(parent)?;
            }
            match DirBuilder::new().mode(0o700).create(&folder.dir) {
                Ok(()) => {
                    create_private(&folder.logs)?;
                    return Ok((sid, folder));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => ms += 1,
                Err(source) => {
                    return Err(FolderError::Create {
                        path: folder.dir,
                        source,
                    });
                }
            }
        }
    }

    /// Creates the folder of a build that somebody else has named. One that is there is taken when
    /// it has no journal: its program was killed before it began.
    pub fn named_build(&self, sid: &Sid) -> Result<BuildFolder, FolderError> {
        self.runtime(sid)?.secure_parent()?;
        let folder = self.build(sid);
        create_private(&folder.logs)?;
        Ok(folder)
    }

    /// The folder for a running build's socket and token; the same for every process of
    /// this user. The name begins with the build's id, or is a hash of it where the
    /// socket's path would grow too long.
    pub fn runtime(&self, sid: &Sid) -> Result<RuntimeFolder, FolderError> {
        let whole_sid = stable_hash(sid.to_string().as_bytes());
        // Build ids are unique in a repository only.
        let name = format!("{}-{:08x}", file_name(&sid.build), whole_sid >> 32);
        // In a folder shared by several homes, their builds must not meet.
        let home = stable_hash(self.runtime.as_os_str().as_bytes());
        let short = format!("{:016x}", whole_sid ^ home.rotate_left(1));
        let candidates = [self.runtime.join(name), self.runtime.join(&short)]
            .into_iter()
            .chain(self.short_runtime.iter().map(|base| base.join(&short)));
        for dir in candidates {
            if dir.join(SOCKET).as_os_str().len() < LONGEST_SOCKET_PATH {
                return Ok(RuntimeFolder { dir });
            }
        }
        Err(FolderError::TooLong(self.runtime.clone()))
    }
}

fn private_temp(temp: &Path, user: u32) -> PathBuf {
    temp.join(format!("{PROGRAM}-{user}"))
}

/// The temp folder, then the one that every Unix has, for when that is long too.
fn short_folders(temp: &Path, user: u32) -> Vec<PathBuf> {
    vec![temp.to_owned(), private_temp(Path::new("/tmp"), user)]
}

/// The folder of one build's recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildFolder {
    /// The folder.
    pub dir: PathBuf,
    /// The journal.
    pub journal: PathBuf,
    /// The folder with the jobs' logs.
    pub logs: PathBuf,
}

impl BuildFolder {
    /// The recording that lies in a folder.
    pub fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            journal: dir.join("events.edn"),
            logs: dir.join("logs"),
        }
    }

    /// The recording of a build below the folder of all.
    pub(super) fn below(builds: &Path, sid: &Sid) -> Self {
        let parts = [&sid.org, &sid.repo, &sid.build].map(|part| file_name(part));
        Self::at(&builds.join(parts.iter().collect::<PathBuf>()))
    }

    /// Where artifacts and results are that came with it: with a recording that was made elsewhere.
    pub fn blobs(&self) -> PathBuf {
        self.dir.join("blobs")
    }

    /// The recording that a path names: its folder, or its journal under whatever name.
    pub fn of_path(path: &Path) -> Self {
        if path.is_dir() {
            return Self::at(path);
        }
        let dir = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Self {
            journal: path.to_owned(),
            ..Self::at(dir)
        }
    }

    /// Creates the folders, for this user only.
    pub fn create(&self) -> Result<(), FolderError> {
        create_private(&self.logs)
    }
}

/// Where a running build can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeFolder {
    /// The folder.
    pub dir: PathBuf,
}

impl RuntimeFolder {
    /// The script API's socket: a path of less than 100 bytes.
    pub fn socket(&self) -> PathBuf {
        self.dir.join(SOCKET)
    }

    /// The token for other shells of the same user.
    pub fn watch_token(&self) -> PathBuf {
        self.dir.join("watch.token")
    }

    /// Creates the folder, for this user only. Refuses one that somebody else could have
    /// prepared, which in the temp folder anybody can.
    pub fn create(&self) -> Result<(), FolderError> {
        self.secure_parent()?;
        secure(&self.dir)
    }

    fn secure_parent(&self) -> Result<(), FolderError> {
        self.dir.parent().map_or(Ok(()), secure)
    }

    /// Removes the folder with all that is in it; one that is gone already is fine.
    pub fn remove(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// Makes sure that a folder is there, belongs to this user, and is closed to all others.
fn secure(dir: &Path) -> Result<(), FolderError> {
    create_private(dir)?;
    let refused = || FolderError::NotPrivate(dir.to_owned());
    // Not followed: a link may have been put there by somebody else.
    let known = std::fs::symlink_metadata(dir).map_err(|_| refused())?;
    if !known.is_dir() || known.uid() != rustix::process::getuid().as_raw() {
        return Err(refused());
    }
    if known.permissions().mode() & 0o077 != 0 {
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(dir, private).map_err(|_| refused())?;
    }
    Ok(())
}

/// Creates a folder and what is missing above it, for this user only. One that is there
/// stays as it is.
pub fn create_private(dir: &Path) -> Result<(), FolderError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| FolderError::Create {
            path: dir.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings() -> Surroundings {
        let home = Path::new("/home/mo");
        let folders = [".config", ".cache", ".local/share"].map(|name| home.join(name));
        Surroundings {
            moved_to: None,
            xdg: Some((folders, Some("/run/user/1000".into()))),
            temp: "/tmp".into(),
            user: 1000,
        }
    }

    fn sid() -> Sid {
        Sid::new("local", "app", "local-build-1")
    }

    #[test]
    fn folders_are_where_xdg_says() {
        let home = Home::resolve(surroundings()).unwrap();
        assert_eq!(home.config(), Path::new("/home/mo/.config/monkeyci-tui"));
        assert_eq!(home.cache(), Path::new("/home/mo/.cache/monkeyci-tui"));
        assert_eq!(
            home.build(&sid()).journal,
            Path::new(
                "/home/mo/.local/share/monkeyci-tui/builds/local/app/local-build-1/events.edn"
            )
        );
        let socket = home.runtime(&sid()).unwrap().socket();
        assert!(
            socket.starts_with("/run/user/1000/monkeyci-tui"),
            "{socket:?}"
        );
        assert!(
            socket.to_str().unwrap().contains("local-build-1"),
            "{socket:?}"
        );
    }

    #[test]
    fn one_variable_moves_all_folders() {
        let home = Home::resolve(Surroundings {
            moved_to: Some("/x".into()),
            xdg: None,
            ..surroundings()
        })
        .unwrap();
        for dir in [home.config(), home.cache(), home.data(), &home.runtime] {
            assert!(dir.starts_with("/x"), "{dir:?}");
        }
    }

    #[test]
    fn a_relative_home_does_not_move_with_the_process() {
        let home = Home::resolve(Surroundings {
            moved_to: Some("state".into()),
            ..surroundings()
        })
        .unwrap();
        assert!(home.data().is_absolute());
    }

    #[test]
    fn without_any_home_the_error_says_what_to_set() {
        let error = Home::resolve(Surroundings {
            xdg: None,
            ..surroundings()
        })
        .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("HOME") && text.contains(HOME_VARIABLE),
            "{text}"
        );
    }

    #[test]
    fn without_a_runtime_folder_a_private_one_in_temp_is_used() {
        let mut surroundings = surroundings();
        surroundings.xdg.as_mut().unwrap().1 = None;
        let home = Home::resolve(surroundings).unwrap();
        assert_eq!(home.runtime, Path::new("/tmp/monkeyci-tui-1000"));
    }

    #[test]
    fn socket_paths_stay_short_and_different() {
        let mut seen = std::collections::HashSet::new();
        for length in [1, 20, 40, 60, 80, 200, 3000] {
            let root = format!("/{}", "r".repeat(length));
            let home = Home::resolve(Surroundings {
                moved_to: Some(root.into()),
                temp: format!("/{}", "t".repeat(length)).into(),
                ..surroundings()
            })
            .unwrap();
            for build in ["b", "local-build-1763930000000", &"ü".repeat(300)] {
                for repo in ["one", "two"] {
                    let folder = home.runtime(&Sid::new("local", repo, build)).unwrap();
                    let socket = folder.socket();
                    assert!(socket.as_os_str().len() < LONGEST_SOCKET_PATH, "{socket:?}");
                    assert!(seen.insert(socket.clone()), "{socket:?} twice");
                }
            }
        }
    }

    #[test]
    fn hostile_ids_stay_inside_the_data_folder() {
        let home = Home::under(Path::new("/x"));
        for id in ["..", ".", "", "a/../..", "/etc", "\0", "a\nb"] {
            let folder = home.build(&Sid::new(id, id, id));
            let inside = folder.dir.strip_prefix(home.builds()).unwrap();
            let plain = inside
                .components()
                .all(|part| matches!(part, std::path::Component::Normal(_)));
            assert!(
                plain && inside.components().count() == 3,
                "{id:?}: {inside:?}"
            );
        }
    }

    #[test]
    fn build_ids_are_bumped_on_collision() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::under(root.path());
        let (first, folder) = home.new_build(LOCAL_ORG, "app", 1000).unwrap();
        let (second, _) = home.new_build(LOCAL_ORG, "app", 1000).unwrap();
        assert_eq!(first.build, "local-build-1000");
        assert_eq!(second.build, "local-build-1001");
        assert!(folder.logs.is_dir());
        let mode = std::fs::metadata(&folder.dir).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_runtime_folder_is_private_or_refused() {
        let root = tempfile::tempdir().unwrap();
        let base = root.path().join("runtime");
        let folder = RuntimeFolder {
            dir: base.join("build"),
        };
        std::fs::create_dir(&base).unwrap();
        std::fs::set_permissions(&base, std::fs::Permissions::from_mode(0o777)).unwrap();
        folder.create().unwrap();
        for dir in [&base, &folder.dir] {
            let mode = std::fs::metadata(dir).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{dir:?}");
        }
        folder.remove().unwrap();
        folder.remove().unwrap();
        // Somebody has put a link where the folder should be.
        std::os::unix::fs::symlink(root.path(), &folder.dir).unwrap();
        assert!(matches!(folder.create(), Err(FolderError::NotPrivate(_))));
    }
}
