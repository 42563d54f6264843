//! Where the script API listens: a Unix socket that only its owner can reach, and
//! loopback TCP for clients that cannot open one (script-api.md §2).

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use tokio::net::{TcpListener, UnixListener, UnixStream};

/// Name of the socket inside its folder.
pub const SOCKET_NAME: &str = "api.sock";
/// Name of the file with the watchers' token, beside the socket.
pub const TOKEN_NAME: &str = "watch.token";
/// Longest path of a socket in bytes. Systems allow a little more (104 on macOS).
pub const LONGEST_PATH: usize = 99;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The system would cut the path off or refuse it.
    #[error(
        "the path of the socket is {length} bytes long, and {LONGEST_PATH} are allowed: \
         set XDG_RUNTIME_DIR to a shorter folder ({path})"
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// The folder could not be made private.
    #[error("the folder {path} cannot be used for the socket")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The folder belongs to another user, who could replace the socket.
    #[error("the folder {0} belongs to another user")]
    ForeignFolder(PathBuf),
    /// Somebody answers there.
    #[error("another program listens at {0}")]
    InUse(PathBuf),
    /// The socket could not be made.
    #[error("no socket can be made at {path}")]
    Bind {
        /// The socket.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
}

/// A bound Unix socket. Its files go when it is dropped.
#[derive(Debug)]
pub struct ApiSocket {
    listener: Option<UnixListener>,
    path: PathBuf,
    /// Device and inode, so that only this very socket is removed, never a successor's.
    identity: Option<(u64, u64)>,
}

/// Makes the socket `api.sock` (0600) in `dir` (0700, created when missing). A stale one,
/// where nobody answers, is replaced.
pub async fn bind(dir: &Path) -> Result<ApiSocket, SocketError> {
    let path = dir.join(SOCKET_NAME);
    let length = path.as_os_str().len();
    if length > LONGEST_PATH {
        return Err(SocketError::TooLong { path, length });
    }
    make_private(dir)?;
    let failed = |source| SocketError::Bind {
        path: path.clone(),
        source,
    };
    match UnixStream::connect(&path).await {
        Ok(_) => return Err(SocketError::InUse(path)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => {}
            // Its owner is gone, or it never was a socket: in the way, and the folder is ours.
            io::ErrorKind::ConnectionRefused => fs::remove_file(&path).map_err(failed)?,
            // Too busy to answer at once.
            io::ErrorKind::WouldBlock => return Err(SocketError::InUse(path)),
            _ => return Err(failed(error)),
        },
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
    let identity = identity(&path);
    Ok(ApiSocket {
        listener: Some(listener),
        path,
        identity,
    })
}

/// A listener on a free port of an address of this machine: of the loopback interface, or of a
/// network that only containers share.
pub async fn bind_tcp(address: IpAddr) -> io::Result<TcpListener> {
    TcpListener::bind((address, 0)).await
}

fn make_private(dir: &Path) -> Result<(), SocketError> {
    let failed = |source| SocketError::Folder {
        path: dir.to_owned(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(failed)?;
    let found = fs::symlink_metadata(dir).map_err(failed)?;
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(SocketError::ForeignFolder(dir.to_owned()));
    }
    fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(failed)
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path)
        .ok()
        .map(|found| (found.dev(), found.ino()))
}

impl ApiSocket {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves a token beside the socket, for other shells of the same user (0600).
    pub fn write_watch_token(&self, token: &SecretString) -> io::Result<()> {
        let path = self.token_path();
        // A fresh file each time: the mode of one that exists would stay as it is.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?
            .write_all(token.expose_secret().as_bytes())
    }

    fn token_path(&self) -> PathBuf {
        self.path.with_file_name(TOKEN_NAME)
    }

    pub(super) fn take_listener(&mut self) -> UnixListener {
        self.listener.take().expect("a socket is served once")
    }
}

impl Drop for ApiSocket {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // Nobody is left to be told when they cannot be removed; the next start does it.
            let _ = fs::remove_file(&self.path);
            let _ = fs::remove_file(self.token_path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn socket_token_and_folder_are_private_and_go_together() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("b");
        let socket = bind(&dir).await.unwrap();
        socket.write_watch_token(&"first".into()).unwrap();
        socket.write_watch_token(&"second".into()).unwrap();
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(socket.path()), 0o600);
        assert_eq!(mode(&dir.join(TOKEN_NAME)), 0o600);
        assert_eq!(fs::read(dir.join(TOKEN_NAME)).unwrap(), b"second");
        drop(socket);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_folder_open_to_others_is_closed() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("b");
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
        let _socket = bind(&dir).await.unwrap();
        assert_eq!(mode(&dir), 0o700);
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let home = tempfile::tempdir().unwrap();
        let stale = std::os::unix::net::UnixListener::bind(home.path().join(SOCKET_NAME)).unwrap();
        drop(stale);
        let socket = bind(home.path()).await.unwrap();
        assert!(matches!(
            bind(home.path()).await.unwrap_err(),
            SocketError::InUse(_)
        ));
        drop(socket);
        assert!(bind(home.path()).await.is_ok());
    }

    #[tokio::test]
    async fn a_successors_socket_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let first = bind(home.path()).await.unwrap();
        fs::rename(first.path(), home.path().join("aside")).unwrap();
        let second = bind(home.path()).await.unwrap();
        drop(first);
        assert!(second.path().exists());
    }

    #[tokio::test]
    async fn a_long_path_is_refused_with_advice() {
        let home = tempfile::tempdir().unwrap();
        let error = bind(&home.path().join("x".repeat(100))).await.unwrap_err();
        assert!(error.to_string().contains("XDG_RUNTIME_DIR"), "{error}");
    }
}
