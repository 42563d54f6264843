//! Artifacts into files: streamed beside their place, taken up again where a connection broke,
//! checked, and put in place when they are whole.

use std::io::{Read, SeekFrom};
use std::path::{Path, PathBuf};

use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, LAST_MODIFIED};
use reqwest::{StatusCode, Url};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use crate::domain::Sid;

use super::client::Client;
use super::error::RemoteError;

/// Largest artifact that is taken, in bytes.
const LARGEST: u64 = 64 << 30;

/// What a download came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Downloaded {
    /// It is there, with this many bytes.
    Saved(u64),
    /// The server has nothing stored under that id.
    Nothing,
}

impl Client {
    /// Saves an artifact as a file: a gzip archive, as it is stored. What has come is in `FILE.part`
    /// until it is whole; what an earlier try left there is gone on with where the server can do
    /// that.
    pub async fn download(
        &self,
        sid: &Sid,
        artifact: &str,
        to: &Path,
    ) -> Result<Downloaded, RemoteError> {
        let url = self.build_url(sid, &["artifact", artifact, "download"])?;
        let part = part_of(to);
        loop {
            let (what, resumed) = match self.fetch(&url, &part).await? {
                Fetched::Nothing => return Ok(Downloaded::Nothing),
                Fetched::All { what, resumed } => (what, resumed),
            };
            let checked = {
                let part = part.clone();
                tokio::task::spawn_blocking(move || check(&part)).await
            };
            match checked.map_err(std::io::Error::other).flatten() {
                Ok(length) => {
                    std::fs::rename(&part, to).map_err(|error| file_error(to, &error))?;
                    return Ok(Downloaded::Saved(length));
                }
                Err(error) => {
                    // Going on with it would never make it whole.
                    let _ = std::fs::remove_file(&part);
                    if !resumed {
                        let reason = error.to_string();
                        return Err(RemoteError::Damaged { what, reason });
                    }
                    // The two ends may be of different archives: once more, from the beginning.
                }
            }
        }
    }

    /// Brings all of it into the file beside its place.
    async fn fetch(&self, url: &Url, part: &Path) -> Result<Fetched, RemoteError> {
        let failed = |error: std::io::Error| file_error(part, &error);
        // A link that somebody put there would lead the bytes elsewhere.
        if std::fs::symlink_metadata(part).is_ok_and(|found| !found.is_file()) {
            return Err(failed(std::io::Error::other(
                "something that is no file has its name",
            )));
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(part)
            .await
            .map_err(failed)?;
        let mut stamp: Option<String> = None;
        let mut tried = 0;
        let (what, resumed) = loop {
            tried += 1;
            let have = file.seek(SeekFrom::End(0)).await.map_err(failed)?;
            let (what, mut response) = match self.open(url, have).await {
                Ok(opened) => opened,
                // There is nothing after what is there already: it may be whole.
                Err(RemoteError::Invalid {
                    status: 416, what, ..
                }) if have > 0 => break (what, true),
                Err(error) => {
                    discard_empty(&file, part).await;
                    return Err(error);
                }
            };
            if response.status() == StatusCode::NO_CONTENT {
                // Nothing that is worth anything is in it.
                let _ = std::fs::remove_file(part);
                return Ok(Fetched::Nothing);
            }
            let now = stamp_of(response.headers());
            let is_part = response.status() == StatusCode::PARTIAL_CONTENT;
            let goes_on = is_part
                && have > 0
                && starts_at(response.headers()) == Some(have)
                && (stamp.is_none() || stamp == now);
            let mut length = have;
            if !goes_on {
                file.set_len(0).await.map_err(failed)?;
                length = file.seek(SeekFrom::Start(0)).await.map_err(failed)?;
                if is_part && tried > 1 && have == 0 {
                    let reason = "a part came where all was asked for".to_owned();
                    return Err(self.unreadable(&what, reason));
                }
                if is_part {
                    // A part of something else: once more, from the beginning.
                    stamp = None;
                    continue;
                }
            }
            stamp = now;
            let broken = loop {
                match response.chunk().await {
                    Ok(Some(chunk)) => {
                        length += chunk.len() as u64;
                        if length > LARGEST {
                            let limit = LARGEST;
                            return Err(RemoteError::TooLarge { what, limit });
                        }
                        file.write_all(&chunk).await.map_err(failed)?;
                    }
                    Ok(None) => break None,
                    Err(error) => break Some(self.broken(&what, &error)),
                }
            };
            file.flush().await.map_err(failed)?;
            let Some(error) = broken else {
                break (what, goes_on);
            };
            match self.pause(&reqwest::Method::GET, tried, &error) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
        };
        file.sync_all().await.map_err(failed)?;
        Ok(Fetched::All { what, resumed })
    }
}

/// What the file beside its place has come to.
enum Fetched {
    Nothing,
    All {
        /// Method and path.
        what: String,
        /// Not all of it came over one connection.
        resumed: bool,
    },
}

fn file_error(path: &Path, error: &std::io::Error) -> RemoteError {
    RemoteError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// Beside the file, with `.part` at the end of its name.
fn part_of(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Removes what a try that got nowhere has made.
async fn discard_empty(file: &File, part: &Path) {
    if file.metadata().await.is_ok_and(|found| found.len() == 0) {
        // It is empty: nobody misses it, and nobody is hindered by it.
        let _ = std::fs::remove_file(part);
    }
}

/// The first byte of a part, as the server says.
fn starts_at(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (start, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    start.trim().parse().ok()
}

/// What tells one content from another.
fn stamp_of(headers: &HeaderMap) -> Option<String> {
    let stamp = headers.get(ETAG).or_else(|| headers.get(LAST_MODIFIED))?;
    stamp.to_str().ok().map(str::to_owned)
}

/// Reads a gzip file to its end, checksums and all; its size. What it unpacks to is thrown away, so
/// its size does not matter.
fn check(path: &Path) -> std::io::Result<u64> {
    let file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    if length == 0 {
        return Err(std::io::Error::other("it is empty"));
    }
    let mut unpacked = flate2::read::MultiGzDecoder::new(std::io::BufReader::new(file));
    let mut buffer = vec![0; 64 * 1024];
    while unpacked.read(&mut buffer)? > 0 {}
    Ok(length)
}
