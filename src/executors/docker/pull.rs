//! Getting images: when, with whose credentials, and what is told of it.

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

use crate::domain::PullProgress;
use crate::ports::{JobPorts, JobReport, LogStream};

use super::Pull;
use super::credentials;
use super::layers::{COUNT, Layers};
use super::transfer::said;

/// No registry needs more to say why.
const LONGEST_WORDS: usize = 2_000;

/// Sees to it that the engine has an image. The error is a sentence with the registry's words.
pub(super) async fn ensure(
    docker: &Docker,
    image: &str,
    platform: Option<&str>,
    when: Pull,
    ports: &dyn JobPorts,
) -> Result<(), String> {
    if !is_image(image) {
        return Err(format!("the image {image:?} is no image's name"));
    }
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
    let say = |line: &str| {
        let line = format!("{line}\n");
        ports.log(LogStream::System, None, line.as_bytes());
    };
    say(&format!("pulling {image}"));
    ports.report(JobReport::Pulling(PullProgress::default()));
    let credentials = credentials::of_image(image).await?;
    let (name, tag) = split(image);
    // Without a tag the engine would pull all of them.
    let options = CreateImageOptionsBuilder::default()
        .from_image(name)
        .tag(tag.unwrap_or("latest"));
    let options = match platform {
        Some(platform) => options.platform(platform),
        None => options,
    };
    let mut layers = Layers::new(Instant::now());
    let mut stream = docker.create_image(Some(options.build()), None, credentials);
    loop {
        // Also when the engine is silent, so that its last words are told.
        let news = match timeout(COUNT, stream.next()).await {
            Ok(Some(news)) => Some(news.map_err(|error| words(&said(&error)))?),
            Ok(None) => break,
            Err(_) => None,
        };
        if let Some(news) = news {
            if let Some(error) = news.error_detail {
                return Err(words(&error.message.unwrap_or_default()));
            }
            if let Some(line) = layers.take(&news, Instant::now()) {
                say(&line);
            }
        }
        if let Some(progress) = layers.count(Instant::now()) {
            ports.report(JobReport::Pulling(progress));
        }
    }
    say(&format!("pulled {image}"));
    ports.report(JobReport::Pulled);
    Ok(())
}

/// A registry's words, as far as they are words.
fn words(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let words: String = text.trim().chars().take(LONGEST_WORDS).map(plain).collect();
    if words.is_empty() {
        "the engine does not say why".to_owned()
    } else {
        words
    }
}

/// Whether it may be part of a request's path.
fn is_image(image: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._:/@-+[]".contains(c);
    image.chars().all(fine)
        && image
            .split('/')
            .all(|part| !matches!(part, "" | "." | ".."))
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

    #[test]
    fn what_would_lead_elsewhere_in_the_engine_is_no_image() {
        for fine in [
            "alpine",
            "a.b:5000/c/d:1.2-x_y",
            "[::1]:5000/a@sha256:0a",
            "A/b+c",
        ] {
            assert!(is_image(fine), "{fine}");
        }
        for wrong in [
            "../containers",
            "a/./b",
            "a//b",
            "a?b",
            "a#b",
            "a%2fb",
            "/a",
            "\u{e9}",
        ] {
            assert!(!is_image(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_registrys_words_are_bounded() {
        assert_eq!(words(" no\u{1b}[31m \n"), "no [31m");
        assert_eq!(words(&"x".repeat(1 << 20)).len(), LONGEST_WORDS);
        assert_eq!(words("\n"), "the engine does not say why");
    }
}
