//! Where a container engine may be, and why there: what Docker's own client would use first.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::ssh::Target;

/// How an engine is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket of this machine.
    Socket(PathBuf),
    /// TCP, in clear text or with the certificates of a folder (`ca.pem`, `cert.pem`, `key.pem`).
    Tcp {
        /// `host:port`.
        host: String,
        /// The folder with the certificates.
        tls: Option<PathBuf>,
    },
    /// The user's `ssh`.
    Ssh(Target),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, .. } => write!(f, "tcp://{host}"),
            Self::Ssh(target) => write!(f, "{target}"),
        }
    }
}

/// An engine that may be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// How it is spoken to.
    pub address: Address,
    /// What names it, for people: `DOCKER_HOST`, `the default socket`.
    pub why: String,
}

/// Names the engines that may be there, the first one first. Where the user has named one,
/// there is no other. The error is a sentence about what was named.
pub fn candidates(env: impl Fn(&str) -> Option<String>) -> Result<Vec<Candidate>, String> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let certificates = |folder: Option<String>| folder.map(PathBuf::from);
    let home = set("HOME").map(PathBuf::from);
    let config = set("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| Some(home.as_ref()?.join(".docker")));
    if let Some(host) = set("DOCKER_HOST") {
        let tls = set("DOCKER_TLS_VERIFY")
            .and_then(|_| certificates(set("DOCKER_CERT_PATH")).or_else(|| config.clone()));
        return one(&host, tls, "DOCKER_HOST");
    }
    let named = match set("DOCKER_CONTEXT") {
        Some(name) => Some((name, "DOCKER_CONTEXT")),
        None => config
            .as_deref()
            .and_then(current_context)
            .map(|name| (name, "the current Docker context")),
    };
    if let Some((name, source)) = named.filter(|(name, _)| name != "default") {
        let why = format!("{source}, {name}");
        let found = config.as_deref().and_then(|dir| context(dir, &name));
        let (host, tls) = found.ok_or_else(|| format!("{why}: there is no such context"))?;
        return one(&host, tls, &why);
    }
    let mut found = vec![Candidate {
        address: Address::Socket("/var/run/docker.sock".into()),
        why: "the default socket".to_owned(),
    }];
    if let Some(dir) = set("XDG_RUNTIME_DIR") {
        found.push(Candidate {
            address: Address::Socket(Path::new(&dir).join("docker.sock")),
            why: "the socket of a rootless Docker".to_owned(),
        });
        found.push(Candidate {
            address: Address::Socket(Path::new(&dir).join("podman/podman.sock")),
            why: "Podman's socket".to_owned(),
        });
    }
    Ok(found)
}

fn one(host: &str, tls: Option<PathBuf>, why: &str) -> Result<Vec<Candidate>, String> {
    let address = match host.split_once("://") {
        Some(("unix", path)) if path.starts_with('/') => Address::Socket(path.into()),
        Some(("tcp" | "http", host)) if !host.is_empty() => Address::Tcp {
            host: host.trim_end_matches('/').to_owned(),
            tls,
        },
        Some(("https", host)) if !host.is_empty() && tls.is_some() => Address::Tcp {
            host: host.trim_end_matches('/').to_owned(),
            tls,
        },
        Some(("ssh", target)) => match Target::parse(target) {
            Ok(target) => Address::Ssh(target),
            Err(reason) => {
                return Err(format!("{why} names an engine over ssh, but {reason}"));
            }
        },
        _ => {
            return Err(format!(
                "{why} names {host:?}, which is no engine's address"
            ));
        }
    };
    Ok(vec![Candidate {
        address,
        why: why.to_owned(),
    }])
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn current_context(config: &Path) -> Option<String> {
    let json = json(&config.join("config.json"))?;
    let name = json.get("currentContext")?.as_str()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// The host of a context, and its certificates. Contexts are kept under hashes of their names,
/// which the files in there hold too.
fn context(config: &Path, name: &str) -> Option<(String, Option<PathBuf>)> {
    let all = std::fs::read_dir(config.join("contexts/meta")).ok()?;
    all.flatten().find_map(|entry| {
        let meta = json(&entry.path().join("meta.json"))?;
        if meta.get("Name")?.as_str()? != name {
            return None;
        }
        let host = meta.pointer("/Endpoints/docker/Host")?.as_str()?.to_owned();
        let tls = config.join("contexts/tls").join(entry.file_name());
        let tls = Some(tls.join("docker")).filter(|dir| dir.is_dir());
        Some((host, tls))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        let env = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let found = candidates(env)?;
        let said = |it: Candidate| (it.address.to_string(), it.why);
        Ok(found.into_iter().map(said).collect())
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "it is compared with what may fail"
    )]
    fn only(address: &str, why: &str) -> Result<Vec<(String, String)>, String> {
        Ok(vec![(address.to_owned(), why.to_owned())])
    }

    #[test]
    fn what_the_user_names_is_the_only_one() {
        let host = |host| found(&[("DOCKER_HOST", host), ("DOCKER_CONTEXT", "other")]);
        assert_eq!(
            host("unix:///run/d.sock"),
            only("unix:///run/d.sock", "DOCKER_HOST")
        );
        assert_eq!(host("tcp://h:2375/"), only("tcp://h:2375", "DOCKER_HOST"));
        for wrong in ["h:2375", "unix://d.sock", "tcp://", "npipe:////./pipe/d"] {
            assert!(host(wrong).unwrap_err().contains("no engine's address"));
        }
        assert_eq!(host("ssh://me@h"), only("ssh://me@h", "DOCKER_HOST"));
        assert_eq!(
            host("ssh://me:secret@h").unwrap_err(),
            "DOCKER_HOST names an engine over ssh, but it has a password in it, which ssh does not take"
        );
    }

    #[test]
    fn sockets_of_this_machine_come_without_being_named() {
        let names = found(&[("XDG_RUNTIME_DIR", "/run/user/7"), ("DOCKER_HOST", "")]).unwrap();
        let addresses: Vec<&str> = names.iter().map(|(address, _)| address.as_str()).collect();
        assert_eq!(
            addresses,
            [
                "unix:///var/run/docker.sock",
                "unix:///run/user/7/docker.sock",
                "unix:///run/user/7/podman/podman.sock"
            ]
        );
        assert_eq!(found(&[]).unwrap().len(), 1);
    }

    #[test]
    fn certificates_come_from_the_folder_that_is_named_or_from_dockers_own() {
        let tls = |variables: &[(&str, &str)]| {
            let env = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            match candidates(env).unwrap().remove(0).address {
                Address::Tcp { tls, .. } => tls,
                other => panic!("{other}"),
            }
        };
        let host = ("DOCKER_HOST", "tcp://h:2376");
        let verify = ("DOCKER_TLS_VERIFY", "1");
        assert_eq!(tls(&[host]), None);
        assert_eq!(
            tls(&[host, verify, ("HOME", "/home/me")]),
            Some("/home/me/.docker".into())
        );
        assert_eq!(
            tls(&[host, verify, ("DOCKER_CERT_PATH", "/certs")]),
            Some("/certs".into())
        );
    }

    #[test]
    fn contexts_are_found_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let meta = folder.path().join("contexts/meta/0a1b");
        std::fs::create_dir_all(&meta).unwrap();
        std::fs::create_dir_all(folder.path().join("contexts/tls/0a1b/docker")).unwrap();
        let text = r#"{"Name":"far","Endpoints":{"docker":{"Host":"tcp://far:2376"}}}"#;
        std::fs::write(meta.join("meta.json"), text).unwrap();
        let config = ("DOCKER_CONFIG", folder.path().to_str().unwrap());

        assert_eq!(
            found(&[config, ("DOCKER_CONTEXT", "far")]),
            only("tcp://far:2376", "DOCKER_CONTEXT, far")
        );
        assert_eq!(
            found(&[config, ("DOCKER_CONTEXT", "near")]),
            Err("DOCKER_CONTEXT, near: there is no such context".to_owned())
        );
        assert_eq!(found(&[config, ("DOCKER_CONTEXT", "default")]), found(&[]));

        let current = |name: &str| {
            let text = format!(r#"{{"currentContext":"{name}"}}"#);
            std::fs::write(folder.path().join("config.json"), text).unwrap();
            found(&[config])
        };
        assert_eq!(
            current("far"),
            only("tcp://far:2376", "the current Docker context, far")
        );
        assert_eq!(current(""), found(&[]));
    }
}
