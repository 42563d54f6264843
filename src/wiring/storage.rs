//! Where artifacts and caches are kept: what a user has chosen, opened.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::config::{self, Storage};
use crate::ports::BlobStore;
use crate::store::{BucketSettings, BuildFolder, Home, ObjectBlobs, Origin, Profiles, SharedBlobs};

use super::error::UserError;

/// Largest artifact, cache or workspace in bytes, packed.
const LARGEST_BLOB: u64 = 8 << 30;

/// Where no region is named.
const REGION: &str = "us-east-1";

/// A store, and what came up when it was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) blobs: Arc<dyn BlobStore>,
    /// What opens it, for masking.
    pub(super) secrets: Vec<SecretString>,
    /// Sentences about the configuration.
    pub(super) remarks: Vec<String>,
}

impl Opened {
    /// The folder of this machine.
    pub(super) fn folder(home: &Home) -> Self {
        Self {
            blobs: Arc::new(folder(home)),
            secrets: Vec::new(),
            remarks: Vec::new(),
        }
    }
}

fn folder(home: &Home) -> ObjectBlobs {
    ObjectBlobs::in_folder(home.blobs(), LARGEST_BLOB)
}

/// What keeps the artifacts and results of a build: those of a recording that was made elsewhere have come
/// with it, and are looked for nowhere else. Blocks.
pub(super) fn of_build(home: &Home, folder: &BuildFolder) -> Result<Arc<dyn BlobStore>, UserError> {
    if Origin::of(folder).is_some() {
        return Ok(Arc::new(ObjectBlobs::in_folder(
            folder.blobs(),
            LARGEST_BLOB,
        )));
    }
    Ok(open(home)?.blobs)
}

/// The store of a user. Nothing is sent yet: a bucket that cannot be reached shows when it is
/// needed. Blocks.
pub(super) fn open(home: &Home) -> Result<Opened, UserError> {
    let (config, remarks) = config::read_user(home.config()).map_err(UserError::new)?;
    let Storage::S3(bucket) = config.storage else {
        return Ok(Opened {
            remarks,
            ..Opened::folder(home)
        });
    };
    let profiles = Profiles::new(|name| std::env::var(name).ok());
    let (keys, region) = profiles
        .find(bucket.profile.as_deref())
        .map_err(|error| UserError::of(&error))?;
    let secrets = std::iter::once(&keys.secret)
        .chain(&keys.token)
        .map(|secret| secret.expose_secret().into())
        .collect();
    let settings = BucketSettings {
        endpoint: bucket.endpoint,
        bucket: bucket.bucket,
        prefix: bucket.prefix,
        region: bucket
            .region
            .or(region)
            .unwrap_or_else(|| REGION.to_owned()),
        path_style: bucket.path_style,
        timeout: bucket.timeout,
        keys,
    };
    let bucket = ObjectBlobs::in_bucket(&settings, home.blobs(), LARGEST_BLOB)
        .map_err(|why| UserError::new(format!("the storage cannot be opened: {why}")))?;
    Ok(Opened {
        blobs: Arc::new(SharedBlobs::new(bucket, folder(home))),
        secrets,
        remarks,
    })
}
