//! Files on their way into and out of a container, through the engine's archive requests.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt};
use tar::{EntryType, Header};
use tokio::io::AsyncReadExt;
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};

use crate::archive::{self, Item, Limits, Source, Unreadable};
use crate::executors::blobs::{NotSaved, Place};
use crate::executors::host::scratch::JobScratch;
use crate::executors::host::transfer;
use crate::ports::{BlobKey, BlobReader, JobPorts, chain};

use super::container::{LOGS, SCRIPTS, TOKEN, WORK};
use super::user::User;

/// Marks a path that leads to a folder, in Go's file modes.
const GO_FOLDER: u32 = 1 << 31;

/// How many bytes are moved at once.
const STEP: usize = 64 * 1024;

/// What a small workspace may have at most, packed and unpacked, to go along with the equipment.
const SMALL: usize = 1 << 20;
const SMALL_UNPACKED: u64 = 16 << 20;

/// The packed workspace of a build.
pub(super) enum Workspace {
    /// All of it.
    Small(Vec<u8>),
    /// More than is kept in memory.
    Large(BlobReader),
}

impl Workspace {
    /// Opens it. The error is the end of a sentence.
    pub(super) async fn open(ports: &dyn JobPorts, key: &BlobKey) -> Result<Self, String> {
        let stored = ports.blobs().get(key).await;
        let mut reader = stored
            .map_err(|error| chain(&error))?
            .ok_or("it is not in the store")?;
        let mut begun = Vec::new();
        (&mut reader)
            .take(SMALL as u64 + 1)
            .read_to_end(&mut begun)
            .await
            .map_err(|error| error.to_string())?;
        Ok(if begun.len() <= SMALL {
            Self::Small(begun)
        } else {
            let whole = AsyncReadExt::chain(io::Cursor::new(begun), reader);
            Self::Large(Box::pin(whole))
        })
    }
}

impl Workspace {
    /// All of it, from its beginning.
    pub(super) fn into_reader(self) -> BlobReader {
        match self {
            Self::Small(packed) => Box::pin(io::Cursor::new(packed)),
            Self::Large(packed) => packed,
        }
    }
}

/// Puts into a container what its job needs: the folders, its lines, its key to the script API, and the
/// workspace, unless its image has that. The error is the end of a sentence.
pub(super) async fn equip(
    inside: &Inside<'_>,
    lines: &[String],
    token: Option<&str>,
    workspace: Option<Workspace>,
) -> Result<(), String> {
    let (docker, id, user) = (inside.docker, &*inside.id, inside.user);
    let tools = equipment(lines, token, user).map_err(|error| error.to_string())?;
    let (tools, rest) = match workspace {
        None => (tools, None),
        // Each request takes an engine some 40 ms, however little it brings.
        Some(Workspace::Small(packed)) => match with_workspace(&tools, &packed, user) {
            Some(whole) => (whole, None),
            None => (tools, Some(Box::pin(io::Cursor::new(packed)) as BlobReader)),
        },
        Some(Workspace::Large(packed)) => (tools, Some(packed)),
    };
    send(docker, id, tools).await?;
    match rest {
        Some(packed) => upload_of(docker, id, packed, user)
            .await
            .map_err(|error| said(&error)),
        None => Ok(()),
    }
}

/// Copies the workspace into a container where nothing is to run. The error is the end of a sentence.
pub(super) async fn copy_workspace(
    docker: &Docker,
    id: &str,
    workspace: BlobReader,
    user: User,
) -> Result<(), String> {
    let folders = equipment(&[], None, user).map_err(|error| error.to_string())?;
    send(docker, id, folders).await?;
    upload_of(docker, id, workspace, user)
        .await
        .map_err(|error| said(&error))
}

async fn send(docker: &Docker, id: &str, tar: Tar) -> Result<(), String> {
    let tar = tar.into_inner().map_err(|error| error.to_string())?;
    let one = futures_util::stream::iter([Ok(Bytes::from(tar))]);
    upload(docker, id, "/", one)
        .await
        .map_err(|error| said(&error))
}

type Tar = tar::Builder<Vec<u8>>;

/// The folders of a job, its lines, and its key to the script API, as an archive for `/`.
fn equipment(lines: &[String], token: Option<&str>, user: User) -> io::Result<Tar> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: EntryType, mode: u32, bytes: &[u8]| {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        user.own(&mut header);
        // A job may become another user.
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, path.trim_start_matches('/'), bytes)
    };
    add("/opt/monkeyci", EntryType::Directory, 0o755, b"")?;
    for folder in [WORK, SCRIPTS, LOGS] {
        add(folder, EntryType::Directory, 0o777, b"")?;
    }
    for (index, line) in lines.iter().enumerate() {
        let path = format!("{SCRIPTS}/{index}");
        add(&path, EntryType::Regular, 0o644, line.as_bytes())?;
    }
    if let Some(token) = token {
        add(TOKEN, EntryType::Regular, 0o444, token.as_bytes())?;
    }
    Ok(tar)
}

/// The same with a packed workspace; `None` when that is too large, or cannot be read here: the engine
/// will say what is wrong with it.
fn with_workspace(equipment: &Tar, packed: &[u8], user: User) -> Option<Tar> {
    let mut tar = tar::Builder::new(equipment.get_ref().clone());
    let plain = MultiGzDecoder::new(packed).take(SMALL_UNPACKED);
    copy_entries(plain, &mut tar, WORK.trim_start_matches('/'), user).ok()?;
    Some(tar)
}

/// Puts the entries of an archive below a folder of another one, as a user's.
fn copy_entries(
    from: impl io::Read,
    to: &mut tar::Builder<impl io::Write>,
    below: &str,
    user: User,
) -> io::Result<()> {
    let below = Path::new(below);
    for entry in tar::Archive::new(from).entries()? {
        let mut entry = entry?;
        let mut header = entry.header().clone();
        user.own(&mut header);
        let path = below.join(entry.path()?);
        match (header.entry_type(), entry.link_name()?) {
            (EntryType::Symlink, Some(target)) => to.append_link(&mut header, path, &target)?,
            (EntryType::Link, Some(target)) => {
                to.append_link(&mut header, path, below.join(target))?;
            }
            _ => to.append_data(&mut header, path, &mut entry)?,
        }
    }
    Ok(())
}

/// Unpacks a gzip tar in the workspace, as a user's.
async fn upload_of(docker: &Docker, id: &str, body: BlobReader, user: User) -> Result<(), Error> {
    if user == User::ROOT {
        return upload(docker, id, WORK, ReaderStream::with_capacity(body, STEP)).await;
    }
    let (reader, writer) = tokio::io::duplex(4 * STEP);
    let (body, writer) = (SyncIoBridge::new(body), SyncIoBridge::new(writer));
    let packing = tokio::task::spawn_blocking(move || {
        let plain = MultiGzDecoder::new(io::BufReader::new(body));
        let mut tar = tar::Builder::new(io::BufWriter::with_capacity(STEP, writer));
        copy_entries(plain, &mut tar, "", user)?;
        tar.into_inner()?.flush()
    });
    let sent = upload(docker, id, WORK, ReaderStream::with_capacity(reader, STEP)).await;
    match packing.await {
        Ok(Err(error)) if sent.is_ok() => Err(error.into()),
        _ => sent,
    }
}

/// Unpacks an archive, with gzip or without, in a folder of a container.
pub(super) async fn upload(
    docker: &Docker,
    id: &str,
    path: &str,
    body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Result<(), Error> {
    let options = UploadToContainerOptionsBuilder::default()
        .path(path)
        .build();
    let body = bollard::body_try_stream(body);
    docker.upload_to_container(id, Some(options), body).await
}

/// What the engine said, without the client's own words before it.
pub(super) fn said(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        error => chain(error),
    }
}

/// What is at a path in a container: `None` when nothing is; else whether it is a folder, and
/// where a link leads.
pub(super) async fn look(
    docker: &Docker,
    id: &str,
    path: &str,
) -> Result<Option<(bool, String)>, String> {
    let options = ContainerArchiveInfoOptionsBuilder::default()
        .path(path)
        .build();
    match docker.get_container_archive_info(id, Some(options)).await {
        Ok(info) => Ok(Some((info.file_mode & GO_FOLDER != 0, info.link_target))),
        Err(Error::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(None),
        Err(error) => Err(said(&error)),
    }
}

/// A container whose files are reached through the engine. What passes is unpacked and packed
/// in between, so that nothing gets in or out that means harm.
#[derive(Debug)]
pub(super) struct Inside<'a> {
    pub(super) docker: &'a Docker,
    pub(super) id: Arc<str>,
    /// Whose the files in there are to be.
    pub(super) user: User,
    /// Where it is unpacked.
    pub(super) folder: Arc<JobScratch>,
}

impl Inside<'_> {
    async fn put(&self, ports: &dyn JobPorts, key: &BlobKey, path: &Path) -> Result<bool, String> {
        // Archives are unpacked into what is there; each gets a folder of its own.
        let own = PathBuf::from(crate::domain::file_name(key.as_str()));
        let _ = tokio::fs::create_dir(self.folder.work()).await;
        if !transfer::restore(ports.blobs(), key, &self.folder, &own).await? {
            return Ok(false);
        }
        let from = self.folder.work().join(&own);
        let to = path.to_owned();
        let packed = tokio::task::spawn_blocking(move || {
            let mut items = Vec::new();
            list(&from, &to, &mut items)?;
            if items.is_empty() && !to.as_os_str().is_empty() {
                items.push(Item {
                    name: to,
                    source: Source::Path(from.clone()),
                });
            }
            let packed = from.with_extension("packed");
            let mut file = std::fs::File::create(&packed)?;
            archive::pack_items(items, Unreadable::Refuse, &mut file)
                .map_err(|error| io::Error::other(chain(&error)))?;
            std::fs::File::open(&packed)
        });
        let file = packed
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        let file = Box::pin(tokio::fs::File::from_std(file));
        upload_of(self.docker, &self.id, file, self.user)
            .await
            .map_err(|error| said(&error))?;
        Ok(true)
    }

    async fn take(
        &self,
        ports: &dyn JobPorts,
        key: &BlobKey,
        path: &Path,
    ) -> Result<u64, NotSaved> {
        let mut inside = Path::new(WORK).join(path).to_string_lossy().into_owned();
        let there = look(self.docker, &self.id, inside.trim_end_matches('/')).await;
        match there.map_err(NotSaved::Failed)? {
            None => return Err(NotSaved::Missing),
            Some((_, link)) if !link.is_empty() => {
                if !Path::new(&link).starts_with(WORK) {
                    let failed = format!("its path leads out of the workspace, to {link}");
                    return Err(NotSaved::Failed(failed));
                }
                inside = link;
            }
            Some(_) => {}
        }
        let inside = inside.trim_end_matches('/').to_owned();
        let options = DownloadFromContainerOptionsBuilder::default()
            .path(&inside)
            .build();
        let stream = self.docker.download_from_container(&self.id, Some(options));
        let stream = stream
            .map_err(|error| io::Error::other(said(&error)))
            .boxed();
        let own = PathBuf::from(format!("save-{}", crate::domain::file_name(key.as_str())));
        let _ = tokio::fs::create_dir(self.folder.work()).await;
        let to = self.folder.work().join(&own);
        let reader = SyncIoBridge::new(StreamReader::new(stream));
        let limits = Limits {
            links: archive::Links::Any,
            ..Limits::default()
        };
        let unpacking = self
            .folder
            .tasks()
            .spawn_blocking(move || archive::unpack_plain(reader, &to, &limits));
        unpacking
            .await
            .map_err(|error| NotSaved::Failed(error.to_string()))?
            .map_err(|error| NotSaved::Failed(chain(&error)))?;
        // The engine names the entries after what was asked for.
        let name = Path::new(&inside).file_name().unwrap_or_default();
        transfer::save(ports.blobs(), key, &self.folder, &own.join(name)).await
    }
}

/// Everything in a folder, under the names it is to have.
fn list(from: &Path, name: &Path, items: &mut Vec<Item>) -> io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = name.join(entry.file_name());
        items.push(Item {
            name: name.clone(),
            source: Source::Path(entry.path()),
        });
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &name, items)?;
        }
    }
    Ok(())
}

impl Place for Inside<'_> {
    fn restore<'a>(
        &'a self,
        ports: &'a dyn JobPorts,
        key: &'a BlobKey,
        path: &'a Path,
    ) -> BoxFuture<'a, Result<bool, String>> {
        self.put(ports, key, path).boxed()
    }

    fn save<'a>(
        &'a self,
        ports: &'a dyn JobPorts,
        key: &'a BlobKey,
        path: &'a Path,
    ) -> BoxFuture<'a, Result<u64, NotSaved>> {
        self.take(ports, key, path).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    const USER: User = User { uid: 7, gid: 8 };

    #[test]
    fn a_small_workspace_goes_along_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        let long = "a-long-name/".repeat(20);
        std::fs::create_dir_all(from.join(&long)).unwrap();
        std::fs::write(from.join(&long).join("file"), "deep").unwrap();
        std::fs::write(from.join("run"), "#!/bin/sh\n").unwrap();
        let program = std::fs::Permissions::from_mode(0o750);
        std::fs::set_permissions(from.join("run"), program).unwrap();
        std::fs::hard_link(from.join("run"), from.join("same")).unwrap();
        std::os::unix::fs::symlink("../../etc/passwd", from.join("out")).unwrap();
        std::os::unix::fs::symlink(format!("{long}file"), from.join("in")).unwrap();
        let mut items = Vec::new();
        list(&from, Path::new(""), &mut items).unwrap();
        let mut packed = Vec::new();
        archive::pack_items(items, Unreadable::Refuse, &mut packed).unwrap();

        let lines = ["echo one".to_owned()];
        let tar = equipment(&lines, Some("secret"), USER).unwrap();
        let whole = with_workspace(&tar, &packed, USER)
            .unwrap()
            .into_inner()
            .unwrap();
        for entry in tar::Archive::new(&*whole).entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (7, 8));
        }
        let to = folder.path().join("to");
        archive::unpack_plain(&*whole, &to, &Limits::trusted()).unwrap();

        let read = |path: &str| std::fs::read_to_string(to.join(path)).unwrap();
        assert_eq!(read("opt/monkeyci/script/0"), "echo one");
        assert_eq!(read("opt/monkeyci/api-token"), "secret");
        let work = to.join("home/monkeyci");
        assert_eq!(read(&format!("home/monkeyci/{long}file")), "deep");
        let run = std::fs::metadata(work.join("run")).unwrap();
        let before = std::fs::metadata(from.join("run")).unwrap();
        assert_eq!((run.mode(), run.mtime()), (before.mode(), before.mtime()));
        assert_eq!(read("home/monkeyci/same"), "#!/bin/sh\n");
        let link = |name: &str| std::fs::read_link(work.join(name)).unwrap();
        assert_eq!(link("out"), Path::new("../../etc/passwd"));
        assert_eq!(link("in"), Path::new(&format!("{long}file")));
    }

    #[test]
    fn a_workspace_that_is_cut_off_or_unpacks_to_too_much_does_not_go_along() {
        let tar = equipment(&[], None, USER).unwrap();
        assert!(with_workspace(&tar, b"no archive", USER).is_none());
        let mut large = tar::Builder::new(flate2::write::GzEncoder::new(
            Vec::new(),
            flate2::Compression::fast(),
        ));
        let mut header = Header::new_gnu();
        header.set_size(SMALL_UNPACKED + 1);
        header.set_mode(0o644);
        let zeros = io::repeat(0).take(SMALL_UNPACKED + 1);
        large.append_data(&mut header, "zeros", zeros).unwrap();
        let large = large.into_inner().unwrap().finish().unwrap();
        assert!(large.len() < SMALL);
        assert!(with_workspace(&tar, &large, USER).is_none());
        let cut = &large[..large.len() / 2];
        assert!(with_workspace(&tar, cut, USER).is_none());
    }
}
