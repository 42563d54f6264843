//! A web server that speaks git, by git's own `http-backend`, and can be told to do something else.

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// What came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// As in the first line: a proxy is asked for whole URLs.
    pub target: String,
    pub headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Asked {
    pub fn path(&self) -> &str {
        let path = match self.target.split_once("://") {
            Some((_, rest)) => &rest[rest.find('/').unwrap()..],
            None => &self.target,
        };
        path.split('?').next().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What to do about it.
#[derive(Debug)]
pub enum Answer {
    /// What git's own server does.
    Git,
    /// A status, headers, a body.
    Plain(&'static str, Vec<String>, String),
    /// What git's own server does, cut after so many bytes.
    Cut(usize),
    /// The beginning of what git's own server does, then nothing until the other side goes away.
    Stall(usize),
}

impl Answer {
    pub fn redirect(to: &str) -> Self {
        Self::Plain("302 Found", vec![format!("Location: {to}")], String::new())
    }
}

type Behaviour = dyn Fn(&Asked) -> Answer + Send + Sync;

/// The server; its thread ends with the test process.
pub struct Web {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Web {
    /// Serves the repositories below a folder.
    pub fn start(
        root: &Path,
        behaviour: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (root, log) = (root.to_owned(), Arc::clone(&asked));
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (root, log, behaviour) =
                    (root.clone(), Arc::clone(&log), Arc::clone(&behaviour));
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    serve(&mut reader, &root, &log, &*behaviour);
                });
            }
        });
        Self { port, asked }
    }

    pub fn git(root: &Path) -> Self {
        Self::start(root, |_| Answer::Git)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Something to read from and write to.
pub trait Both: Read + Write {}
impl<T: Read + Write> Both for T {}

pub fn serve<S: Both>(
    reader: &mut BufReader<S>,
    root: &Path,
    log: &Mutex<Vec<Asked>>,
    behaviour: &Behaviour,
) {
    let Some(asked) = read(reader) else { return };
    log.lock().unwrap().push(asked.clone());
    let answer = behaviour(&asked);
    let (reply, stall) = match answer {
        Answer::Git => (backend(root, &asked), false),
        Answer::Plain(status, headers, body) => {
            let mut reply = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
            for header in headers {
                reply.push_str(&format!("{header}\r\n"));
            }
            reply.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
            (reply.into_bytes(), false)
        }
        Answer::Cut(length) => (backend(root, &asked)[..length].to_vec(), false),
        Answer::Stall(length) => (backend(root, &asked)[..length].to_vec(), true),
    };
    // The other side may be gone.
    let _ = reader.get_mut().write_all(&reply);
    let _ = reader.get_mut().flush();
    if stall {
        let _ = reader.read(&mut [0]);
    }
}

fn read(reader: &mut impl std::io::BufRead) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length");
    let length = length.map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        method,
        target,
        headers,
        body,
    })
}

/// The answer of git's own server, headers and all.
fn backend(root: &Path, asked: &Asked) -> Vec<u8> {
    let query = asked.target.split_once('?').map_or("", |(_, query)| query);
    let kind = asked.header("content-type").unwrap_or_default();
    let mut git = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", &asked.method)
        .env("PATH_INFO", asked.path())
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", kind)
        .env("CONTENT_LENGTH", asked.body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It may end without reading.
    let _ = git.stdin.take().unwrap().write_all(&asked.body);
    let output = git.wait_with_output().unwrap().stdout;
    let end = output
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let headers = String::from_utf8(output[..end].to_vec()).unwrap();
    let status = headers
        .lines()
        .find_map(|line| line.strip_prefix("Status: "))
        .unwrap_or("200 OK");
    let mut reply =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n\r\n").into_bytes();
    reply.extend_from_slice(&output[end + 4..]);
    reply
}

/// The same over TLS, with the certificate of an authority of its own. `None` without the openssl program.
pub fn with_tls(root: &Path, folder: &Path) -> Option<(Web, PathBuf)> {
    let made = Command::new("sh")
        .current_dir(folder)
        .args(["-ec", MAKE_CERTIFICATES])
        .output()
        .unwrap();
    if !made.status.success() {
        return None;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificates = pem(&folder.join("cert.pem"));
    let key = std::fs::read(folder.join("key.pem")).unwrap();
    let key = <rustls::pki_types::PrivateKeyDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_slice(&key).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::<Mutex<Vec<Asked>>>::default();
    let (root, log) = (root.to_owned(), Arc::clone(&asked));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let stream: rustls::StreamOwned<_, TcpStream> =
                rustls::StreamOwned::new(connection, stream);
            let mut reader = BufReader::new(stream);
            serve(&mut reader, &root, &log, &|_| Answer::Git);
            reader.get_mut().conn.send_close_notify();
            let _ = reader.get_mut().flush();
        }
    });
    Some((Web { port, asked }, folder.join("ca.pem")))
}

fn pem(file: &Path) -> Vec<rustls::pki_types::CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject as _;
    rustls::pki_types::CertificateDer::pem_file_iter(file)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

const MAKE_CERTIFICATES: &str = r#"
key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }
key ca-key.pem
key key.pem
openssl req -x509 -key ca-key.pem -subj "/CN=an authority" -days 2 -out ca.pem
openssl req -new -key key.pem -subj "/CN=server" -out csr
printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\n' >ext
openssl x509 -req -in csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile ext -out cert.pem
"#;
