//! An engine by TCP with TLS: it shows a certificate, and so do we.
//!
//! As with Docker's own client, the engine's certificate must be of the authority in `ca.pem`, and
//! of no other: what the system trusts for web sites is not asked.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::connect::bottom;

/// An engine at `host:port`, with the certificates of a folder. Nothing is connected yet. The error
/// is the end of a sentence.
pub(super) fn connect(host: &str, dir: &Path, seconds: u64) -> Result<Docker, String> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    let connector = HttpsConnector::from((connector, config(dir)?));
    // A connection of its own for each request, as by the other ways: an engine may close one that
    // is idle at the moment when it is used.
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build(connector);
    let transport = move |request: BollardRequest| {
        let answer = client.request(request);
        async move { answer.await.map_err(Into::into) }
    };
    let at = Some(format!("https://{host}"));
    Docker::connect_with_custom_transport(transport, at, seconds, API_DEFAULT_VERSION)
        .map_err(|error| bottom(&error))
}

fn config(dir: &Path) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(&dir.join("ca.pem"))? {
        roots
            .add(authority)
            .map_err(|error| format!("{}: {error}", dir.join("ca.pem").display()))?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    // An engine that asks for none says so if it does.
    if !certificate.exists() && !key.exists() {
        return Ok(config.with_no_client_auth());
    }
    let chain = certificates(&certificate)?;
    let private = PrivateKeyDer::from_pem_file(&key)
        .map_err(|error| format!("{}: {}", key.display(), why(error)))?;
    config
        .with_client_auth_cert(chain, private)
        .map_err(|error| format!("{}: {error}", certificate.display()))
}

/// All certificates in a file, at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(format!(
            "{}: {}",
            file.display(),
            why(PemError::NoItemsFound)
        )),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("{}: {}", file.display(), why(error))),
    }
}

fn why(error: PemError) -> String {
    match error {
        PemError::Io(error) if error.kind() == ErrorKind::NotFound => {
            "there is no such file".to_owned()
        }
        PemError::Io(error) => error.to_string(),
        PemError::NoItemsFound => "there is none in it".to_owned(),
        _ => "it is no PEM file".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_missing_or_no_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        let said = || config(folder.path()).unwrap_err();
        assert_eq!(said(), format!("{}: there is no such file", ca.display()));
        std::fs::write(&ca, "hello").unwrap();
        assert_eq!(said(), format!("{}: there is none in it", ca.display()));
        std::fs::write(
            &ca,
            "-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n",
        )
        .unwrap();
        assert_eq!(said(), format!("{}: it is no PEM file", ca.display()));
    }
}
