//! Git's protocol over the user's own `ssh`.
//!
//! Keys, known hosts, agents and aliases are those of the user. Nobody is asked anything. Where hosts are checked, ssh is
//! first asked what it makes of the host (`ssh -G`), and then told the address that was checked.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::error::{FetchError, plain};
use super::remote_url::SshPlace;
use super::session::Session;
use crate::process::{Running, Spawn, Stream};

/// How long a host may take to answer at all.
const CONNECT: &str = "ConnectTimeout=30";
/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_mins(3);
/// How long ssh may take to say what it makes of a host.
const ASKED: Duration = Duration::from_secs(20);
/// How long ssh may take to end when its connection is over.
const GRACE: Duration = Duration::from_secs(3);
/// The last of what ssh says, in bytes.
const LAST_WORDS: usize = 4096;

/// A connection: stdin and stdout of a child.
pub(super) struct SshStream {
    // The child ends before the runtime it lives on.
    child: Running,
    stdin: ChildStdin,
    stdout: ChildStdout,
    said: Arc<Mutex<Vec<u8>>>,
    /// Done when ssh has said all.
    listening: Option<JoinHandle<()>>,
    /// The references come first, up to what libgit2 writes.
    references: bool,
    session: Arc<Session>,
}

impl SshStream {
    pub fn start(session: &Arc<Session>, place: &SshPlace) -> Result<Self, FetchError> {
        let mut options = vec!["-o".to_owned(), CONNECT.to_owned(), "-T".to_owned()];
        if !session.allowed.any_host() {
            options.extend(session.wait(pinned(session, place))?);
        }
        let _guard = session.enter();
        let command = format!("git-upload-pack {}", quoted(&place.path));
        let mut child = ssh(session, place, &options, Some(&command))
            .piped_stdin()
            .start()
            .map_err(started)?;
        let pipe = || FetchError::Start {
            what: "ssh".to_owned(),
            source: io::Error::other("it has no pipes"),
        };
        let stdin = child.stdin.take().ok_or_else(pipe)?;
        let stdout = child.stdout.take().ok_or_else(pipe)?;
        let said = Arc::default();
        let listening = child.stderr.take();
        let listening = listening.map(|stderr| tokio::spawn(listen(stderr, Arc::clone(&said))));
        Ok(Self {
            child,
            stdin,
            stdout,
            said,
            listening,
            references: true,
            session: Arc::clone(session),
        })
    }

    fn receive(&mut self, into: &mut [u8]) -> Result<usize, FetchError> {
        let session = Arc::clone(&self.session);
        let lost = |reason: String| FetchError::Unreachable {
            url: session.url.shown.clone(),
            reason,
        };
        let read = session.wait(async {
            match timeout(SILENCE, self.stdout.read(into)).await {
                Ok(read) => read.map_err(|error| lost(error.to_string())),
                Err(_) => Err(lost(format!(
                    "it has said nothing for {} seconds",
                    SILENCE.as_secs()
                ))),
            }
        })?;
        if read == 0 {
            return Err(self.ended());
        }
        session.count(&into[..read], self.references)?;
        Ok(read)
    }

    /// libgit2 reads only as long as something should come.
    fn ended(&mut self) -> FetchError {
        let session = Arc::clone(&self.session);
        let ended = session.wait(async {
            let status = timeout(GRACE, self.child.group.wait()).await;
            // What is left of its group is gone, so its stderr ends too.
            if let Some(listening) = self.listening.take() {
                let _ = timeout(GRACE, listening).await;
            }
            Ok(status.ok().and_then(Result::ok))
        });
        let status = match ended {
            Ok(status) => status,
            Err(canceled) => return canceled,
        };
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = plain(&String::from_utf8_lossy(&said));
        let url = session.url.shown.clone();
        // 255 is ssh's own trouble; other statuses are those of the program over there.
        let own = status.and_then(|status| status.code()) == Some(255);
        match said.as_str() {
            "" => FetchError::Unreachable {
                url,
                reason: "the connection was lost".to_owned(),
            },
            _ if own => FetchError::Unreachable { url, reason: said },
            _ if said.contains("does not appear to be a git repository")
                || said.to_ascii_lowercase().contains("not found") =>
            {
                FetchError::NoRepository { url, reason: said }
            }
            _ => FetchError::Refused { url, reason: said },
        }
    }
}

impl Read for SshStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.receive(into).map_err(|error| self.session.fail(error))
    }
}

impl Write for SshStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.references = false;
        let session = Arc::clone(&self.session);
        let written = session.wait(async {
            let written = timeout(SILENCE, self.stdin.write(bytes)).await;
            Ok(written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())))
        });
        match written {
            Ok(Ok(written)) => Ok(written),
            // Why is on its stderr.
            Ok(Err(_)) => {
                let error = self.ended();
                Err(self.session.fail(error))
            }
            Err(canceled) => Err(self.session.fail(canceled)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn listen(mut stderr: ChildStderr, said: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = [0; 1024];
    while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(&chunk[..read]);
        let surplus = said.len().saturating_sub(LAST_WORDS);
        said.drain(..surplus);
    }
}

fn started(error: crate::process::SpawnError) -> FetchError {
    FetchError::Start {
        what: "the user's `ssh`".to_owned(),
        source: io::Error::other(error),
    }
}

/// The user's ssh, with our options before those of the place.
fn ssh(session: &Session, place: &SshPlace, options: &[String], command: Option<&str>) -> Spawn {
    let mut args: Vec<OsString> = Vec::new();
    args.extend(["-o", "BatchMode=yes"].map(OsString::from));
    args.extend(options.iter().map(OsString::from));
    if let Some(user) = &place.user {
        args.extend(["-l", user].map(OsString::from));
    }
    if let Some(port) = place.port {
        args.extend(["-p".into(), OsString::from(port.to_string())]);
    }
    args.push("--".into());
    args.push(OsString::from(&place.host));
    args.extend(command.map(OsString::from));
    let spawn = match session.git.ssh_command() {
        // As git has it: a command line of the user's, to which the rest is added.
        Some(mut line) => {
            let name = line.clone();
            line.push(" \"$@\"");
            Spawn::new("sh").arg("-c").arg(line).arg(name)
        }
        None => Spawn::new("ssh"),
    };
    spawn.args(args).envs(session.git.env().iter().cloned())
}

/// A word of a command for the shell over there, and nothing but a word.
fn quoted(text: &str) -> String {
    // Some shells look for `!` in single quotes too.
    let inner = text.replace('\'', r"'\''").replace('!', r"'\!'");
    format!("'{inner}'")
}

/// Options that lead ssh to the address of the host that was checked.
async fn pinned(session: &Session, place: &SshPlace) -> Result<Vec<String>, FetchError> {
    let refused = |reason: &str| FetchError::Refused {
        url: session.url.shown.clone(),
        reason: reason.to_owned(),
    };
    let asking = ssh(session, place, &["-G".to_owned()], None)
        .start()
        .map_err(started)?;
    let mut answer = Vec::new();
    let finished = asking
        .finish(
            |stream, bytes| {
                if stream == Stream::Stdout && answer.len() < 1 << 20 {
                    answer.extend_from_slice(bytes);
                }
            },
            tokio::time::sleep(ASKED),
            GRACE,
        )
        .await;
    if !finished.is_ok_and(|finished| finished.status.success()) {
        return Err(refused("ssh does not say what it makes of the host"));
    }
    let answer = String::from_utf8_lossy(&answer);
    let value = |name: &str| {
        answer.lines().find_map(|line| {
            let (key, value) = line.split_once(' ')?;
            (key.eq_ignore_ascii_case(name) && value != "none").then_some(value)
        })
    };
    if value("proxycommand")
        .or_else(|| value("proxyjump"))
        .is_some()
    {
        return Err(refused(
            "ssh would go there by way of another host, so the address cannot be checked",
        ));
    }
    let host = value("hostname").unwrap_or(&place.host);
    let port = value("port").and_then(|port| port.parse().ok());
    let port = port.unwrap_or(22);
    let found = session.resolve(host, port).await?;
    let address = found.first().ok_or_else(|| FetchError::Unreachable {
        url: session.url.shown.clone(),
        reason: format!("there is no address of {host}"),
    })?;
    let mut options = vec!["-o".to_owned(), format!("HostName={}", address.ip())];
    // The host's key is kept under its name, as ssh itself has it.
    if value("hostkeyalias").is_none() {
        let name = match port {
            22 => host.to_owned(),
            _ => format!("[{host}]:{port}"),
        };
        options.extend(["-o".to_owned(), format!("HostKeyAlias={name}")]);
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_to_a_shell() {
        for path in ["/a b", "/it's", "/$(x)`y`", "/a!b", "/a\\b;c"] {
            let line = format!("printf %s {}", quoted(path));
            let output = std::process::Command::new("sh")
                .args(["-c", &line])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), path);
        }
    }
}
