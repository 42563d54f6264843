//! Getting images: when, with whose credentials, and what is told of it.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use tokio::time::Instant;

use crate::ports::{JobPorts, LogStream};

use super::Pull;
use super::credentials;
use super::transfer::said;

/// How often the progress of a layer is told.
const TELL: Duration = Duration::from_secs(1);

/// Sees to it that the engine has an image. The error is a sentence with the registry's words.
pub(super) async fn ensure(
    docker: &Docker,
    image: &str,
    platform: Option<&str>,
    when: Pull,
    ports: &dyn JobPorts,
) -> Result<(), String> {
    let there = match docker.inspect_image(image).await {
        Ok(_) => true,
        Err(Error::DockerResponseServerError {
            status_code: 404, ..
        }) => false,
        Err(error) => return Err(format!("cannot look for image {image}: {}", said(&error))),
    };
    match (when, there) {
        (Pull::Missing | Pull::Never, true) => return Ok(()),
        (Pull::Never, false) => {
            return Err(format!(
                "the engine has no image {image}, and --pull is never"
            ));
        }
        (Pull::Missing, false) | (Pull::Always, _) => {}
    }
    match pull(docker, image, platform, ports).await {
        Ok(()) => Ok(()),
        Err(reason) => Err(format!("image {image} cannot be pulled: {reason}")),
    }
}

async fn pull(
    docker: &Docker,
    image: &str,
    platform: Option<&str>,
    ports: &dyn JobPorts,
) -> Result<(), String> {
    let credentials = credentials::of_image(image).await?;
    let (name, tag) = split(image);
    let options = CreateImageOptionsBuilder::default().from_image(name);
    let options = match tag {
        // Without a tag the engine would pull all of them.
        Some(tag) => options.tag(tag),
        None => options.tag("latest"),
    };
    let options = match platform {
        Some(platform) => options.platform(platform),
        None => options,
    };
    let mut progress = Progress::new(ports);
    progress.say(&format!("pulling {image}"));
    let mut stream = docker.create_image(Some(options.build()), None, credentials);
    while let Some(news) = stream.next().await {
        progress.tell(&news.map_err(|error| said(&error))?)?;
    }
    progress.say(&format!("pulled {image}"));
    Ok(())
}

/// An image's name without its tag or digest, and that.
fn split(image: &str) -> (&str, Option<&str>) {
    if let Some((name, digest)) = image.split_once('@') {
        return (name, Some(digest));
    }
    match image.rsplit_once(':') {
        // A colon before a slash belongs to a registry's port.
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (image, None),
    }
}

/// What is told of a pull: each layer as it comes along.
struct Progress<'a> {
    ports: &'a dyn JobPorts,
    layers: HashMap<String, (String, Instant)>,
}

impl<'a> Progress<'a> {
    fn new(ports: &'a dyn JobPorts) -> Self {
        Self {
            ports,
            layers: HashMap::new(),
        }
    }

    fn say(&self, line: &str) {
        let line = format!("{line}\n");
        self.ports.log(LogStream::System, None, line.as_bytes());
    }

    fn tell(&mut self, news: &CreateImageInfo) -> Result<(), String> {
        if let Some(error) = &news.error_detail {
            return Err(error.message.clone().unwrap_or_default());
        }
        let (Some(id), Some(status)) = (&news.id, &news.status) else {
            return Ok(());
        };
        // `latest: Pulling from library/alpine`
        if status.starts_with("Pulling from") {
            return Ok(());
        }
        let now = Instant::now();
        let known = self.layers.get(id);
        let is_fresh =
            known.is_none_or(|(before, at)| before != status || now.duration_since(*at) >= TELL);
        if !is_fresh {
            return Ok(());
        }
        self.layers.insert(id.clone(), (status.clone(), now));
        let amount = news.progress_detail.as_ref().and_then(|detail| {
            let (done, all) = (detail.current?, detail.total.filter(|all| *all > 0)?);
            Some(format!(" {} of {}", megabytes(done), megabytes(all)))
        });
        self.say(&format!("{id}: {status}{}", amount.unwrap_or_default()));
        Ok(())
    }
}

fn megabytes(bytes: i64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_digests_and_ports_are_told_apart() {
        assert_eq!(split("alpine"), ("alpine", None));
        assert_eq!(
            split("docker.io/alpine:3.20"),
            ("docker.io/alpine", Some("3.20"))
        );
        assert_eq!(split("localhost:5000/a/b"), ("localhost:5000/a/b", None));
        assert_eq!(split("localhost:5000/a:1"), ("localhost:5000/a", Some("1")));
        assert_eq!(split("a:1@sha256:ab"), ("a:1", Some("sha256:ab")));
    }
}
