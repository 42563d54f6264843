//! The user's credentials for registries, from where Docker's own client keeps them:
//! `config.json`, and the helper programs that it names.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Docker Hub, as its credentials are kept.
const HUB: &str = "https://index.docker.io/v1/";

/// How long a helper may take: some of them ask people.
const PATIENCE: Duration = Duration::from_mins(1);

/// The credentials for an image, if there are any. The error is the end of a sentence, without
/// any secret.
pub(super) async fn of_image(image: &str) -> Result<Option<DockerCredentials>, String> {
    let Some(config) = folder().and_then(|folder| read(&folder)) else {
        return Ok(None);
    };
    let registry = registry(image);
    match source(&config, registry) {
        Source::Kept(credentials) => Ok(Some(credentials)),
        Source::Helper(name) => ask(&name, registry).await,
        Source::None => Ok(None),
    }
}

fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&set("HOME")?).join(".docker")))
}

fn read(folder: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(folder.join("config.json")).ok()?).ok()
}

/// The registry of an image, as its credentials are kept.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => match host {
            "docker.io" | "index.docker.io" => HUB,
            host => host,
        },
        _ => HUB,
    }
}

/// Where the credentials of a registry are.
#[derive(Debug, PartialEq)]
enum Source {
    Kept(DockerCredentials),
    /// `docker-credential-NAME` knows.
    Helper(String),
    None,
}

fn source(config: &Value, registry: &str) -> Source {
    let helper = config["credHelpers"][registry].as_str();
    if let Some(name) = helper {
        return Source::Helper(name.to_owned());
    }
    let kept = kept(config, registry).unwrap_or(&Value::Null);
    let text = |key: &str| kept[key].as_str().filter(|text| !text.is_empty());
    let pair = text("auth").and_then(|auth| {
        let pair = String::from_utf8(STANDARD.decode(auth).ok()?).ok()?;
        let (user, password) = pair.split_once(':')?;
        Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
    });
    let pair = pair.or_else(|| Some((text("username")?.to_owned(), text("password")?.to_owned())));
    if let Some((username, password)) = pair {
        return Source::Kept(DockerCredentials {
            username: Some(username),
            password: Some(password),
            identitytoken: text("identitytoken").map(str::to_owned),
            serveraddress: Some(registry.to_owned()),
            ..DockerCredentials::default()
        });
    }
    match config["credsStore"].as_str() {
        Some(name) => Source::Helper(name.to_owned()),
        None => Source::None,
    }
}

/// What is kept of a registry: under its name, or under an address that some clients make of it,
/// `https://NAME/v2/`.
fn kept<'a>(config: &'a Value, registry: &str) -> Option<&'a Value> {
    let all = config["auths"].as_object()?;
    let host = |name: &str| {
        let name = name.split_once("://").map_or(name, |(_, rest)| rest);
        name.split('/').next().unwrap_or_default().to_owned()
    };
    all.get(registry).or_else(|| {
        let wanted = host(registry);
        let mut all = all.iter();
        all.find(|(name, _)| host(name) == wanted)
            .map(|(_, kept)| kept)
    })
}

/// Asks a helper program, by the protocol of Docker's credential helpers.
async fn ask(name: &str, registry: &str) -> Result<Option<DockerCredentials>, String> {
    let program = format!("docker-credential-{name}");
    if name.contains('/') {
        return Err(format!("{program} is no credential helper"));
    }
    let failed = |error: std::io::Error| format!("the credential helper {program}: {error}");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let talk = async {
        if let Some(mut stdin) = child.stdin.take() {
            // One that has no need to know has ended by now; what it says counts.
            match stdin.write_all(registry.as_bytes()).await {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error),
                _ => {}
            }
        }
        child.wait_with_output().await
    };
    let said = tokio::time::timeout(PATIENCE, talk)
        .await
        .map_err(|_| format!("the credential helper {program} does not answer"))?
        .map_err(failed)?;
    let answer: Option<Value> = serde_json::from_slice(&said.stdout).ok();
    let text = |key: &str| Some(answer.as_ref()?[key].as_str()?.to_owned());
    // It says so in words of its own when it has none.
    let (Some(user), Some(secret)) = (text("Username"), text("Secret")) else {
        return Ok(None);
    };
    let mut credentials = DockerCredentials {
        serveraddress: Some(registry.to_owned()),
        ..DockerCredentials::default()
    };
    if user == "<token>" {
        credentials.identitytoken = Some(secret);
    } else {
        credentials.username = Some(user);
        credentials.password = Some(secret);
    }
    Ok(Some(credentials))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_name_their_registry_or_mean_docker_hub() {
        for (image, wanted) in [
            ("alpine", HUB),
            ("library/alpine:3", HUB),
            ("docker.io/alpine", HUB),
            ("ghcr.io/a/b", "ghcr.io"),
            ("localhost:5000/a", "localhost:5000"),
            ("localhost/a", "localhost"),
        ] {
            assert_eq!(registry(image), wanted, "{image}");
        }
    }

    #[test]
    fn credentials_are_kept_or_a_helper_has_them() {
        let config: Value = serde_json::from_str(
            r#"{"auths": {"r.example.com": {"auth": "bWU6c2VjOnJldA=="}, "broken": {"auth": "%"}},
                "credHelpers": {"h.example.com": "gcloud"}, "credsStore": "pass"}"#,
        )
        .unwrap();
        let Source::Kept(kept) = source(&config, "r.example.com") else {
            panic!("they are kept")
        };
        assert_eq!(kept.username.as_deref(), Some("me"));
        assert_eq!(kept.password.as_deref(), Some("sec:ret"));
        assert_eq!(
            source(&config, "h.example.com"),
            Source::Helper("gcloud".into())
        );
        assert_eq!(source(&config, "broken"), Source::Helper("pass".into()));
        assert_eq!(source(&Value::Null, "r.example.com"), Source::None);
    }

    #[test]
    fn credentials_are_found_under_an_address_of_the_registry_too() {
        let of = |name: &str, registry: &str| {
            let auth = serde_json::json!({"username": "me", "password": "it"});
            let config = serde_json::json!({"auths": {name: auth}});
            matches!(source(&config, registry), Source::Kept(_))
        };
        assert!(of("https://r.example.com/v2/", "r.example.com"));
        assert!(of("r.example.com:5000/", "r.example.com:5000"));
        assert!(of("index.docker.io", HUB));
        assert!(!of("https://r.example.com.evil.org", "r.example.com"));
        assert!(!of("r.example.com", "r.example.com:5000"));
    }
}
