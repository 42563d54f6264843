//! A server that speaks S3: [moto](https://docs.getmoto.org), which `tests/run` installs into
//! `target/moto`; `MOTO_SERVER` may name another one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::counted;

/// Runs the server, and ends it when nobody holds the other end of stdin any more: also when a
/// test is killed.
const SCRIPT: &str = r#"
"$0" -H 127.0.0.1 -p 0 </dev/null 2>&1 &
read -r _
kill -9 $!
"#;

/// A server; ended when dropped.
pub struct Moto {
    child: Child,
    /// `127.0.0.1:<port>`.
    pub address: String,
}

impl Moto {
    /// Starts a server on a free port; `None`, and a line for the check of this repository, when
    /// there is none here.
    pub fn start(test: &str) -> Option<Self> {
        Self::start_with(test, &[])
    }

    /// As [`Self::start`], with variables for the server.
    pub fn start_with(test: &str, variables: &[(&str, &str)]) -> Option<Self> {
        let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/moto/bin/moto_server");
        let named = std::env::var_os("MOTO_SERVER").map(PathBuf::from);
        let Some(program) = named.or_else(|| installed.exists().then_some(installed)) else {
            counted::not_run(
                test,
                "moto is not installed; tests/run installs it where python3 has venv and pip",
            );
            return None;
        };
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT])
            .arg(program)
            .envs(variables.iter().copied())
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut address = None;
        let mut line = String::new();
        while address.is_none() && said.read_line(&mut line).unwrap() > 0 {
            address = line
                .split_once("Running on http://")
                .map(|(_, address)| address.trim().to_owned());
            line.clear();
        }
        // Whoever writes much must be read.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Some(Self {
            child,
            address: address.expect("the server says where it listens"),
        })
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bucket.
    pub fn bucket(&self, name: &str) {
        let answer = self.ask("PUT", &format!("/{name}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Uploads of a bucket that have begun and not ended, as XML.
    #[allow(dead_code, reason = "not everybody who has this module asks")]
    pub fn uploads(&self, bucket: &str) -> String {
        self.ask("GET", &format!("/{bucket}?uploads"))
    }

    /// One request that nobody has signed.
    fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.address
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Ends it, as a crash would.
    pub fn end(&mut self) {
        drop(self.child.stdin.take());
        // It may have ended by itself.
        let _ = self.child.wait();
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.end();
    }
}
