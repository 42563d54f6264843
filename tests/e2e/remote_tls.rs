//! A server behind TLS, with a certificate of its owner's own.

use std::path::Path;
use std::process::Command;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::containers::relay::{Relay, To};
use super::harness::{Project, Running};
use super::playback::{ORG, Playback, TOKEN};

/// An authority, and a certificate for this machine that it has signed; `false` without openssl.
pub(crate) fn make_certificates(folder: &Path) -> bool {
    let make = r#"
        set -e
        command -v openssl >/dev/null || exit 9
        key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }
        key ca-key.pem
        openssl req -x509 -key ca-key.pem -subj /CN=authority -days 2 -out ca.pem
        key key.pem
        openssl req -new -key key.pem -subj /CN=server -out server.csr
        printf '%s\n' "subjectAltName=IP:127.0.0.1" "extendedKeyUsage=serverAuth" >ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile ext -out cert.pem
    "#;
    let made = Command::new("sh")
        .args(["-c", make])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        made.status.success() || made.status.code() == Some(9),
        "{made:?}"
    );
    made.status.success()
}

#[test]
fn a_server_with_a_certificate_of_its_own_is_trusted_by_its_ca_file_only() {
    let project = Project::empty();
    let config = project.home().join("config");
    std::fs::create_dir_all(&config).unwrap();
    if !make_certificates(&config) {
        let test =
            "remote_tls::a_server_with_a_certificate_of_its_own_is_trusted_by_its_ca_file_only";
        super::counted::not_run(test, "there is no openssl program");
        return;
    }
    let certificate = CertificateDer::from_pem_file(config.join("cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(config.join("key.pem")).unwrap();
    let tls = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let server = Playback::start();
    let port = server.url().rsplit(':').next().unwrap().parse().unwrap();
    let relay = Relay::with_tls(To::Port(port), tls);
    let url = format!("https://127.0.0.1:{}", relay.port);
    let login = |more: &[&str]| {
        let mut args = vec!["login", "--token-stdin", "--store", "file", "--org", ORG];
        args.extend(more);
        let mut command = project.command(&args);
        let token = project.dir().join("token");
        std::fs::write(&token, TOKEN).unwrap();
        command
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/bus")
            .stdin(std::fs::File::open(token).unwrap());
        Running::start(command).wait()
    };
    login(&[&url, "--name", "own"])
        .exits(2)
        .complains("certificate");
    assert!(server.came().is_empty(), "nothing was said to it");
    // Written by hand first, as the manual says.
    let table = format!("[servers.own]\nurl = \"{url}\"\nca-file = \"ca.pem\"\n");
    std::fs::write(config.join("config.toml"), table).unwrap();
    login(&["--name", "own"]).exits(0).says("org: seed-org");
    // Another authority is not it.
    let table = format!("[servers.own]\nurl = \"{url}\"\nca-file = \"none.pem\"\n");
    std::fs::write(config.join("config.toml"), table).unwrap();
    login(&["--name", "own"]).exits(2).complains("none.pem");
}
