//! `/artifact` and `/cache`, in both flavours (script-api.md §4, §5, §10).
//!
//! | | flavour A: the runner moves the files | flavour B: the client moves an archive |
//! | --- | --- | --- |
//! | save | body `{:path "…"}` | body: the `.tgz` |
//! | restore | `?path=…` | body of the answer: the `.tgz` |
//! | unknown artifact | 204, and a remark in the journal | 404 |
//! | unknown cache | 204 | 204 |
//!
//! An error status fails the script's job (README, trap 2). So what may be missing is
//! answered 204, or 200 with `:path nil`, and a cache never fails anybody.

pub(super) mod operations;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio_util::io::ReaderStream;

use crate::domain::{BlobKind, JobId};
use crate::edn::Value;
use crate::ports::{BlobError, BlobKey, Transfer};

use super::asker::Asker;
use super::body::{self, ArchiveBody, Upload};
use super::extract::{InPath, InQuery};
use super::places::{PlaceError, Places};
use super::reply::{self, Format};
use super::shapes::{Moved, SavedArtifact, SavedCache};
use super::{Api, transfer};

#[derive(Debug, Deserialize)]
pub(super) struct Restore {
    /// Where to put it; `+` is a space.
    path: Option<String>,
}

/// Why a container job has to move archives: the files that a path names are the checkout's.
const NOT_THERE: &str = "a job with a token of its own sends and gets the archive itself: the runner \
                         does not see the files of its container";

type OfJob = InPath<(String, String)>;
type OfBuild = InPath<String>;

pub(super) async fn save_artifact_of_job(
    State(api): State<Api>,
    asker: Asker,
    format: Format,
    InPath((job, id)): OfJob,
    request: Request,
) -> Response {
    Blob::new(&api, asker, format, BlobKind::Artifact, Some(job), id)
        .save(request)
        .await
}

pub(super) async fn save_artifact(
    State(api): State<Api>,
    asker: Asker,
    format: Format,
    InPath(id): OfBuild,
    request: Request,
) -> Response {
    Blob::new(&api, asker, format, BlobKind::Artifact, None, id)
        .save(request)
        .await
}

pub(super) async fn restore_artifact_of_job(
    State(api): State<Api>,
    asker: Asker,
    format: Format,
    InPath((job, id)): OfJob,
    InQuery(restore): InQuery<Restore>,
) -> Response {
    Blob::new(&api, asker, format, BlobKind::Artifact, Some(job), id)
        .restore(restore)
        .await
}

pub(super) async fn restore_artifact(
    State(api): State<Api>,
    asker: Asker,
    format: Format,
    InPath(id): OfBuild,
    InQuery(restore): InQuery<Restore>,
) -> Response {
    Blob::new(&api, asker, format, BlobKind::Artifact, None, id)
        .restore(restore)
        .await
}

pub(super) async fn save_cache_of_job(
    State(api): State<Api>,
    asker: Asker,
    format: Format,
    InPath((job, id)): OfJob,
    request: Request,
) -> Response {
    Blob::new(&api, asker, format, BlobKind::Cache, Some(job), id)
        .save(request)
        .await
}

pub(super) async fn save_cache(
    State(api): State<Api>,
    asker: Asker,
    format: Format,
    InPath(id): OfBuild,
    request: Request,
) -> Response {
    Blob::new(&api, asker, format, BlobKind::Cache, None, id)
        .save(request)
        .await
}

pub(super) async fn restore_cache_of_job(
    State(api): State<Api>,
    asker: Asker,
    format: Format,
    InPath((job, id)): OfJob,
    InQuery(restore): InQuery<Restore>,
) -> Response {
    Blob::new(&api, asker, format, BlobKind::Cache, Some(job), id)
        .restore(restore)
        .await
}

pub(super) async fn restore_cache(
    State(api): State<Api>,
    asker: Asker,
    format: Format,
    InPath(id): OfBuild,
    InQuery(restore): InQuery<Restore>,
) -> Response {
    Blob::new(&api, asker, format, BlobKind::Cache, None, id)
        .restore(restore)
        .await
}

/// One request about one artifact or cache.
struct Blob<'a> {
    api: &'a Api,
    format: Format,
    kind: BlobKind,
    /// Named in the path by flavour A only.
    asked_for: Option<JobId>,
    /// The job that asks, as far as that is known.
    job: Option<JobId>,
    /// It asks with a token of its own, from a container.
    is_job: bool,
    id: String,
    key: BlobKey,
}

impl<'a> Blob<'a> {
    fn new(
        api: &'a Api,
        asker: Asker,
        format: Format,
        kind: BlobKind,
        named: Option<String>,
        id: String,
    ) -> Self {
        let sid = api.engine().sid();
        Self {
            api,
            format,
            kind,
            key: match kind {
                BlobKind::Artifact => BlobKey::artifact(sid, &id),
                BlobKind::Cache => BlobKey::cache(sid, &id),
            },
            is_job: asker.is_job(),
            asked_for: named.map(JobId::new),
            job: asker.job,
            id,
        }
    }

    async fn save(self, request: Request) -> Response {
        match body::upload(request, self.api.settings()).await {
            Ok(Upload::Archive(archive)) => self.save_archive(archive).await,
            Ok(Upload::Value(value)) => match path_in(&value) {
                Some(_) if self.is_job => self.refuse(NOT_THERE),
                Some(path) => self.save_path(&path).await,
                None => self.refuse("the body is no map with a :path"),
            },
            Ok(Upload::Empty) => self.refuse("a body is needed: a map with a :path, or an archive"),
            Err(error) => error.reply(self.format),
        }
    }

    /// Flavour B.
    async fn save_archive(self, archive: ArchiveBody) -> Response {
        let (reader, fault) = archive.into_reader();
        match self.api.engine().blobs().put(&self.key, reader).await {
            Ok(size) => {
                self.saved("", size);
                self.archive_saved()
            }
            Err(error) => match fault.take() {
                Some(fault) => fault.reply(self.format),
                None => self.store_failed(&error),
            },
        }
    }

    fn archive_saved(self) -> Response {
        match self.kind {
            BlobKind::Artifact => self.format.ok(&SavedArtifact {
                artifact_id: self.id,
            }),
            BlobKind::Cache => self.format.ok(&SavedCache { cache_id: self.id }),
        }
    }

    /// Tells of it, if it is known whose it is.
    fn saved(&self, path: &str, size: u64) {
        let Some(job) = self.owner() else { return };
        let transfer = Transfer {
            kind: self.kind,
            id: self.id.clone(),
            path: path.to_owned(),
            key: self.key.clone(),
        };
        self.api.engine().saved(job, transfer, size);
    }

    /// The job that it is for.
    fn owner(&self) -> Option<&JobId> {
        self.asked_for.as_ref().or(self.job.as_ref())
    }

    /// Flavour A.
    async fn save_path(self, path: &str) -> Response {
        let found = match self.places().await.and_then(|places| places.to_save(path)) {
            Ok(found) => found,
            Err(error) => return self.refuse_place(&error),
        };
        let Some(found) = found else {
            // A cache that is not there yet is no news.
            if self.kind == BlobKind::Artifact {
                self.remark(format!(
                    "nothing to save at {path:?} as artifact {:?}",
                    self.id
                ));
            }
            return self.done(None);
        };
        match transfer::save(self.api.engine().blobs(), &self.key, found).await {
            Ok(size) => {
                self.saved(path, size);
                self.done(Some(path))
            }
            Err(error) => self.could_not("save", &error),
        }
    }

    async fn restore(self, restore: Restore) -> Response {
        match (restore.path, &self.asked_for) {
            (Some(_), _) if self.is_job => self.refuse(NOT_THERE),
            (Some(path), _) => self.restore_path(&path).await,
            (None, None) => self.restore_archive().await,
            (None, Some(_)) => self.refuse("a query parameter path is needed"),
        }
    }

    /// Flavour B.
    async fn restore_archive(self) -> Response {
        match self.api.engine().blobs().get(&self.key).await {
            Ok(Some(reader)) => reply::octets(Body::from_stream(ReaderStream::new(reader))),
            Ok(None) if self.kind == BlobKind::Cache => StatusCode::NO_CONTENT.into_response(),
            Ok(None) => self.format.error(StatusCode::NOT_FOUND, self.unknown()),
            Err(error) if self.kind == BlobKind::Cache => {
                self.remark(format!(
                    "could not restore {} {:?}: {}",
                    self.word(),
                    self.id,
                    transfer::chain(&error)
                ));
                StatusCode::NO_CONTENT.into_response()
            }
            Err(error) => self.store_failed(&error),
        }
    }

    /// Flavour A.
    async fn restore_path(self, path: &str) -> Response {
        let target = match self
            .places()
            .await
            .and_then(|places| places.to_restore(path))
        {
            Ok(target) => target,
            Err(error) => return self.refuse_place(&error),
        };
        match transfer::restore(self.api.engine().blobs(), &self.key, target).await {
            Ok(true) => self.done(Some(path)),
            Ok(false) => {
                if self.kind == BlobKind::Artifact {
                    self.remark(self.unknown());
                }
                StatusCode::NO_CONTENT.into_response()
            }
            Err(error) => self.could_not("restore", &error),
        }
    }

    /// Where the job works, as far as the build knows it.
    async fn places(&self) -> Result<Places, PlaceError> {
        let work_dir = match (&self.asked_for, self.api.engine().build().await) {
            (Some(job), Ok(build)) => build.job(job).and_then(|state| state.job.work_dir.clone()),
            _ => None,
        };
        let checkout = self.api.engine().checkout_dir();
        Places::new(checkout, work_dir.as_deref(), &std::env::temp_dir())
    }

    /// Flavour A's answer; the library reads only `:path`.
    fn done(&self, path: Option<&str>) -> Response {
        self.format.ok(&Moved {
            path: path.map(str::to_owned),
            id: self.id.clone(),
        })
    }

    fn refuse(&self, message: impl Into<String>) -> Response {
        self.format.error(StatusCode::BAD_REQUEST, message)
    }

    fn refuse_place(&self, error: &PlaceError) -> Response {
        self.remark(format!("{} {:?}: {error}", self.word(), self.id));
        self.refuse(error.to_string())
    }

    fn could_not(&self, what: &str, error: &transfer::TransferError) -> Response {
        let message = format!(
            "could not {what} {} {:?}: {}",
            self.word(),
            self.id,
            error.chain()
        );
        self.remark(message.clone());
        match (self.kind, error.is_ours()) {
            (BlobKind::Cache, _) if what == "save" => self.done(None),
            (BlobKind::Cache, _) => StatusCode::NO_CONTENT.into_response(),
            (BlobKind::Artifact, true) => self
                .format
                .error(StatusCode::INTERNAL_SERVER_ERROR, message),
            (BlobKind::Artifact, false) => {
                self.format.error(StatusCode::UNPROCESSABLE_ENTITY, message)
            }
        }
    }

    fn store_failed(&self, error: &BlobError) -> Response {
        let message = transfer::chain(error);
        self.remark(message.clone());
        self.format
            .error(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    fn remark(&self, message: String) {
        self.api.warn_once(self.owner(), message);
    }

    fn unknown(&self) -> String {
        format!("there is no {} {:?}", self.word(), self.id)
    }

    fn word(&self) -> &'static str {
        match self.kind {
            BlobKind::Artifact => "artifact",
            BlobKind::Cache => "cache",
        }
    }
}

/// The `:path` of a body; of JSON and of careless clients the key may be text.
fn path_in(value: &Value) -> Option<String> {
    let map = value.as_map()?;
    let path = map.get_kw("path").or_else(|| {
        map.iter()
            .find(|(key, _)| key.as_str() == Some("path"))
            .map(|(_, value)| value)
    })?;
    path.as_str().map(str::to_owned)
}
