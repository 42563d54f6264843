//! Files on their way into and out of a container, through the engine's archive requests.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt};
use tar::{EntryType, Header};
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};

use crate::archive::{self, Item, Limits, Source, Unreadable};
use crate::executors::blobs::{NotSaved, Place};
use crate::executors::host::scratch::JobScratch;
use crate::executors::host::transfer;
use crate::ports::{BlobKey, JobPorts, chain};

use super::container::{LOGS, SCRIPTS, TOKEN, WORK};

/// Marks a path that leads to a folder, in Go's file modes.
const GO_FOLDER: u32 = 1 << 31;

/// The folders of a job, its lines, and its key to the script API, as an archive for `/`.
pub(super) fn equipment(lines: &[String], token: Option<&str>) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: EntryType, mode: u32, bytes: &[u8]| {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        // Images whose user is not root have to write here too.
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
    tar.into_inner()
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

/// Unpacks the workspace; false when it is not in the store.
pub(super) async fn workspace(
    docker: &Docker,
    id: &str,
    ports: &dyn JobPorts,
    key: &BlobKey,
) -> Result<bool, String> {
    let Some(reader) = ports
        .blobs()
        .get(key)
        .await
        .map_err(|error| chain(&error))?
    else {
        return Ok(false);
    };
    let body = ReaderStream::with_capacity(reader, 64 * 1024);
    upload(docker, id, WORK, body)
        .await
        .map_err(|error| said(&error))?;
    Ok(true)
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
        let stream = ReaderStream::with_capacity(tokio::fs::File::from_std(file), 64 * 1024);
        upload(self.docker, &self.id, WORK, stream)
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
