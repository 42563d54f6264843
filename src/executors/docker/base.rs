//! Workspaces in images: copied into the engine once for each image of a build, and shared by its jobs.
//!
//! ```text
//! image ─▶ container, never started ─▶ workspace copied ─▶ commit ─▶ image of the build ─▶ jobs
//! ```
//!
//! What the engine makes of an image it shares: a job's container takes no more room than what the job
//! writes, and needs no copying before it starts. A small workspace is worth the image when more than a few
//! jobs begin with the same one: each copying takes an engine some 40 ms, and more when it is busy.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerConfig, ContainerCreateBody, ImageInspect};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, CreateContainerOptionsBuilder, ListImagesOptionsBuilder,
    RemoveImageOptionsBuilder,
};
use tokio::sync::OnceCell;

use crate::domain::Sid;
use crate::ports::BlobReader;

use super::container::{BUILD_LABEL, OWNER_LABEL, WORK};
use super::leftovers::REMOVAL;
use super::transfer::{self, said};
use super::user::User;
use super::{Shared, random_id, remove};

/// Up to so many jobs that begin with an image get a small workspace each.
const FEW_JOBS: usize = 2;

/// A build, and the image that another one is made of for it.
type Key = (Sid, String);

/// The images that were made.
#[derive(Debug, Default)]
pub(super) struct Bases(Mutex<HashMap<Key, Arc<Entry>>>);

#[derive(Debug, Default)]
struct Entry {
    made: OnceCell<Base>,
    jobs: AtomicUsize,
}

/// An image with the workspace in it.
#[derive(Debug, Clone)]
pub(super) struct Base {
    /// Its id.
    pub(super) image: String,
    /// Whose the workspace is.
    pub(super) user: User,
}

impl Bases {
    fn entry(&self, sid: &Sid, image: &str) -> Arc<Entry> {
        let mut bases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = bases.entry((sid.clone(), image.to_owned())).or_default();
        Arc::clone(entry)
    }

    /// Counts one more job of a build that begins with an image; whether they are so many that a small
    /// workspace too is worth an image of its own.
    pub(super) fn are_worth_it(&self, sid: &Sid, image: &str) -> bool {
        let before = self.entry(sid, image).jobs.fetch_add(1, Ordering::Relaxed);
        before >= FEW_JOBS
    }

    /// Forgets the images of a build, and returns them.
    pub(super) fn of_build(&self, sid: &Sid) -> Vec<String> {
        let mut bases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_build: Vec<_> = bases.extract_if(|(of, _), _| of == sid).collect();
        let made = |entry: &Arc<Entry>| Some(entry.made.get()?.image.clone());
        of_build
            .iter()
            .filter_map(|(_, entry)| made(entry))
            .collect()
    }
}

/// Whether an image keeps what is copied to where the workspace goes: a volume of its own there does not.
pub(super) fn can_hold(image: &ImageInspect) -> bool {
    let config = image.config.as_ref();
    let volumes = config.and_then(|config| config.volumes.as_ref());
    !volumes
        .into_iter()
        .flatten()
        .any(|volume| WORK.starts_with(volume.trim_end_matches('/')) || volume.starts_with(WORK))
}

/// What an image with a workspace is made of.
pub(super) struct Recipe<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) sid: &'a Sid,
    /// The image that jobs name.
    pub(super) image: &'a str,
    pub(super) platform: Option<&'a str>,
    /// The user that the image names.
    pub(super) user: &'a str,
}

impl Recipe<'_> {
    /// The image with the build's workspace; made at its first use. The error is the end of a sentence.
    pub(super) async fn with(&self, workspace: BlobReader) -> Result<Base, String> {
        let entry = self.shared.bases.entry(self.sid, self.image);
        let make = || self.make(workspace);
        entry.made.get_or_try_init(make).await.cloned()
    }

    async fn make(&self, workspace: BlobReader) -> Result<Base, String> {
        let docker = &self.shared.engine.docker;
        let container = Draft::create(self).await?;
        let user = User::of(docker, &container.id, self.user).await;
        transfer::copy_workspace(docker, &container.id, workspace, user).await?;
        let options = CommitContainerOptionsBuilder::default()
            .container(&container.id)
            .comment("the workspace of a build")
            // Nothing runs in it.
            .pause(false)
            .build();
        let made = docker.commit_container(options, ContainerConfig::default());
        let image = made.await.map_err(|error| said(&error))?.id;
        Ok(Base { image, user })
    }
}

/// The container that an image is made of. It goes away with this.
struct Draft {
    id: String,
    shared: Arc<Shared>,
}

impl Draft {
    async fn create(recipe: &Recipe<'_>) -> Result<Self, String> {
        let name = format!("monkeyci-workspace-{}", random_id());
        let options = CreateContainerOptionsBuilder::default().name(&name);
        let options = match recipe.platform {
            Some(platform) => options.platform(platform),
            None => options,
        };
        let shared = recipe.shared;
        let body = ContainerCreateBody {
            image: Some(recipe.image.to_owned()),
            // An image may have none, and an engine wants one.
            cmd: Some(vec!["true".to_owned()]),
            labels: Some(HashMap::from([
                (BUILD_LABEL.to_owned(), recipe.sid.to_string()),
                (OWNER_LABEL.to_owned(), shared.owner.id.clone()),
            ])),
            ..ContainerCreateBody::default()
        };
        let docker = &shared.engine.docker;
        let made = docker.create_container(Some(options.build()), body).await;
        Ok(Self {
            id: made.map_err(|error| said(&error))?.id,
            shared: Arc::clone(shared),
        })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let (shared, id) = (Arc::clone(&self.shared), self.id.clone());
        self.shared.tasks.spawn(async move {
            // What stays is removed by a later start: it is labelled.
            if remove(&shared.engine.docker, &id).await.is_err() {
                shared.owner.leaves();
            }
        });
    }
}

/// Whether an image was made here, for a build.
pub(super) fn is_ours(image: &ImageInspect) -> bool {
    let config = image.config.as_ref();
    let labels = config.and_then(|config| config.labels.as_ref());
    labels.is_some_and(|labels| labels.contains_key(OWNER_LABEL))
}

/// Removes an image of ours; false when it may be left. One that a kept container was made of stays
/// with it.
pub(super) async fn remove_image(docker: &Docker, image: &str) -> bool {
    let options = RemoveImageOptionsBuilder::default().build();
    let removed = docker.remove_image(image, Some(options), None);
    match tokio::time::timeout(REMOVAL, removed).await {
        // It is not there, or it stays.
        Ok(Err(Error::DockerResponseServerError {
            status_code: 404 | 409,
            ..
        })) => true,
        Ok(result) => result.is_ok(),
        Err(_) => false,
    }
}

/// Removes the images of a run; false when something of it may be left.
pub(super) async fn remove_all(docker: &Docker, owner: &str) -> bool {
    let label = format!("{OWNER_LABEL}={owner}");
    let options = ListImagesOptionsBuilder::default()
        .all(true)
        .filters(&HashMap::from([("label", vec![label.as_str()])]))
        .build();
    let all = docker.list_images(Some(options));
    let Ok(Ok(all)) = tokio::time::timeout(REMOVAL, all).await else {
        return false;
    };
    let mut is_gone = true;
    for image in all {
        is_gone &= remove_image(docker, &image.id).await;
    }
    is_gone
}

#[cfg(test)]
mod tests {
    use bollard::models::ImageConfig;

    use super::*;

    #[test]
    fn an_image_with_a_volume_in_the_way_cannot_hold_a_workspace() {
        let with = |volumes: &[&str]| ImageInspect {
            config: Some(ImageConfig {
                volumes: Some(volumes.iter().map(|&it| it.to_owned()).collect()),
                ..ImageConfig::default()
            }),
            ..ImageInspect::default()
        };
        assert!(can_hold(&ImageInspect::default()));
        assert!(can_hold(&with(&["/var/lib/data"])));
        for volume in [
            "/home",
            "/home/monkeyci",
            "/home/monkeyci/",
            "/home/monkeyci/x",
            "/",
        ] {
            assert!(!can_hold(&with(&[volume])), "{volume}");
        }
    }
}
