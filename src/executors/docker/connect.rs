//! Speaking to an engine: the way there, and the version of its API.

use std::time::Duration;

use bollard::errors::Error;
use bollard::models::SystemVersion;
use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion, Docker};
use http::Uri;

use super::engines::Address;
use super::{ssh, tls};

/// How long an engine that is looked for may take to answer.
const ANSWER: Duration = Duration::from_secs(3);
/// No single request takes longer: uploads of large workspaces are requests too.
const LONGEST_REQUEST: u64 = 6 * 60 * 60;

/// The first that has all that is asked of an engine: that of Docker Engine 20.10.
const OLDEST: ClientVersion = ClientVersion {
    major_version: 1,
    minor_version: 41,
};

/// How long the engine at an address may take to answer when it is looked for.
pub(super) fn patience(address: &Address) -> Duration {
    match address {
        Address::Ssh(_) => ssh::ANSWER,
        _ => ANSWER,
    }
}

/// A client for the engine at an address. Nothing is connected yet. The error is the end of a
/// sentence.
pub(super) fn connect(address: &Address) -> Result<Docker, String> {
    let made = match address {
        Address::Socket(path) => {
            let path = path.to_string_lossy();
            Docker::connect_with_unix(&path, LONGEST_REQUEST, API_DEFAULT_VERSION)
        }
        Address::Tcp { host, tls: None } => {
            Docker::connect_with_http(host, LONGEST_REQUEST, API_DEFAULT_VERSION)
        }
        Address::Tcp {
            host,
            tls: Some(dir),
        } => return tls::connect(host, dir, LONGEST_REQUEST),
        Address::Ssh(target) => ssh::connect(target, LONGEST_REQUEST),
    };
    made.map_err(|error| bottom(&error))
}

/// Makes a client speak the version of the API that both know, and that an engine which is newer
/// keeps for those who do not know its own. The client itself names none in its requests, so that
/// every engine would take them for requests of its newest.
///
/// The error is the end of a sentence.
pub(super) fn negotiate(
    docker: Docker,
    engine: &SystemVersion,
    is_podman: bool,
) -> Result<Docker, String> {
    let version = agreed(engine, is_podman)?;
    let (major, minor) = (version.major_version, version.minor_version);
    Ok(
        docker.with_request_modifier(move |mut request: BollardRequest| {
            if let Some(uri) = versioned(request.uri(), major, minor) {
                *request.uri_mut() = uri;
            }
            request
        }),
    )
}

fn agreed(engine: &SystemVersion, is_podman: bool) -> Result<ClientVersion, String> {
    let newest = engine.api_version.as_deref().and_then(parse);
    let newest = newest.ok_or("it does not say which API it has")?;
    let oldest = engine.min_api_version.as_deref().and_then(parse);
    let spell =
        |version: &ClientVersion| format!("{}.{}", version.major_version, version.minor_version);
    // Podman has had all of it before it said so.
    if newest < OLDEST && !is_podman {
        return Err(format!(
            "its API is {}, and this program needs {} (Docker Engine 20.10) or newer",
            spell(&newest),
            spell(&OLDEST)
        ));
    }
    let ours = ClientVersion {
        ..*API_DEFAULT_VERSION
    };
    if let Some(oldest) = oldest.filter(|oldest| *oldest > ours) {
        return Err(format!(
            "the oldest API it has is {}, and this program knows {}",
            spell(&oldest),
            spell(&ours)
        ));
    }
    Ok(if newest < ours { newest } else { ours })
}

fn parse(text: &str) -> Option<ClientVersion> {
    let (major, minor) = text.split_once('.')?;
    Some(ClientVersion {
        major_version: major.parse().ok()?,
        minor_version: minor.parse().ok()?,
    })
}

/// The same request, of a version of the API.
fn versioned(uri: &Uri, major: usize, minor: usize) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    let path = parts.path_and_query.as_ref()?;
    parts.path_and_query = Some(format!("/v{major}.{minor}{path}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// What is at the bottom of an error: why there is no connection, and not what came of that.
pub(super) fn bottom(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed_with(newest: &str, oldest: &str, is_podman: bool) -> Result<String, String> {
        let engine = SystemVersion {
            api_version: Some(newest.to_owned()).filter(|text| !text.is_empty()),
            min_api_version: Some(oldest.to_owned()).filter(|text| !text.is_empty()),
            ..SystemVersion::default()
        };
        let version = agreed(&engine, is_podman)?;
        Ok(format!(
            "{}.{}",
            version.major_version, version.minor_version
        ))
    }

    #[test]
    fn both_speak_the_newest_version_that_both_know() {
        let ours = format!("1.{}", API_DEFAULT_VERSION.minor_version);
        assert_eq!(agreed_with("1.41", "1.12", false).as_deref(), Ok("1.41"));
        assert_eq!(agreed_with("1.999", "1.44", false), Ok(ours.clone()));
        assert_eq!(agreed_with("2.0", "", false), Ok(ours));
        assert_eq!(agreed_with("1.40", "1.24", true).as_deref(), Ok("1.40"));
    }

    #[test]
    fn an_engine_that_is_too_old_or_too_new_is_told_from_one_that_is_not_there() {
        let said = agreed_with("1.40", "1.12", false).unwrap_err();
        assert!(
            said.contains("its API is 1.40") && said.contains("1.41 (Docker"),
            "{said}"
        );
        let said = agreed_with("1.999", "1.998", false).unwrap_err();
        assert!(said.contains("the oldest API it has is 1.998"), "{said}");
        for odd in ["", "1", "x.y", "1.4x"] {
            assert!(agreed_with(odd, "", false).is_err());
        }
    }

    #[test]
    fn requests_name_the_version() {
        let of = |uri: &'static str| {
            versioned(&Uri::from_static(uri), 1, 41)
                .unwrap()
                .to_string()
        };
        assert_eq!(of("http://h:1/info"), "http://h:1/v1.41/info");
        assert_eq!(of("unix://6162/a/b?c=%2F"), "unix://6162/v1.41/a/b?c=%2F");
    }
}
