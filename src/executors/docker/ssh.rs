//! An engine on another machine, by the user's own `ssh` program, as Docker's own client has it.
//!
//! ```text
//! bollard ─▶ a connection ─▶ ssh HOST docker system dial-stdio ─▶ the engine's socket over there
//! ```
//!
//! Each connection is a child process, whose stdin and stdout it is. Connections are kept for a
//! while when a request is done, since making one takes a second or so. What ssh says on its stderr
//! becomes the reason when a connection fails.
//!
//! A program that is killed closes the stdin of its children, and with that their connections. One
//! that listens to a container that says nothing ends with that container, which the next start of
//! this program removes.
//!
//! Nobody is asked anything: the terminal is the program's own. Where the user has named a program
//! that asks (`SSH_ASKPASS`), ssh uses that.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::ports::chain;
use crate::process::{Group, Running, Spawn};

/// How long a host may take to answer at all.
const CONNECT: &str = "ConnectTimeout=30";
/// How long an engine that is reached like this may take: the above, and what follows.
pub(super) const ANSWER: Duration = Duration::from_secs(40);
/// How many connections are made at a time: sshd turns away the eleventh that is not through yet
/// (`MaxStartups`).
const AT_A_TIME: usize = 8;
/// How long a connection is kept that nothing passes through.
const IDLE: Duration = Duration::from_secs(30);
/// How long ssh has to end by itself when its connection is over: it may serve others
/// (`ControlMaster`).
const GRACE: Duration = Duration::from_secs(3);
/// The last of what ssh says, in bytes.
const LAST_WORDS: usize = 4096;

/// A host, as in `ssh://user@host:port/path/of/a.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// A name, an address, or what the user's own configuration of ssh makes something of.
    pub host: String,
    user: Option<String>,
    port: Option<u16>,
    /// The engine's socket over there, if it is not the usual one.
    socket: Option<String>,
}

impl Target {
    /// Reads what stands behind `ssh://`. None of it can become an option of ssh, or a command of
    /// the shells on the way. The error says what is wrong with it, without repeating it: there may
    /// be a password in it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (place, path) = match text.split_once('/') {
            Some((place, path)) => (place, Some(path).filter(|path| !path.is_empty())),
            None => (text, None),
        };
        let (user, place) = match place.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, place),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or("its host is none")?;
                (host, port)
            }
            None => place.split_at(place.find(':').unwrap_or(place.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => Some(port.parse().map_err(|_| "its port is none")?),
            None if port.is_empty() => None,
            None => return Err("its host is none"),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err("it has a password in it, which ssh does not take");
        }
        if !is_word(host) {
            return Err("its host is none");
        }
        if user.is_some_and(|user| !is_word(user)) {
            return Err("its user is none");
        }
        // The other machine's shell reads it.
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,".contains(c);
        if path.is_some_and(|path| !path.chars().all(plain)) {
            return Err("its path is none of a socket");
        }
        Ok(Self {
            host: host.to_owned(),
            user: user.map(str::to_owned),
            port,
            socket: path.map(|path| format!("/{path}")),
        })
    }

    fn args(&self) -> Vec<String> {
        let mut args: Vec<&str> = vec!["-o", CONNECT, "-T"];
        let port = self.port.map(|port| port.to_string());
        if let Some(user) = &self.user {
            args.extend(["-l", user]);
        }
        if let Some(port) = &port {
            args.extend(["-p", port]);
        }
        args.extend(["--", &self.host, "docker"]);
        let socket = self.socket.as_ref();
        let socket = socket.map(|path| format!("--host=unix://{path}"));
        args.extend(socket.as_deref());
        args.extend(["system", "dial-stdio"]);
        args.into_iter().map(str::to_owned).collect()
    }

    /// The child leads a group of its own: ctrl-c is for the program, which needs its connections to
    /// tidy up. All of the group ends with it.
    fn spawn(&self) -> Spawn {
        let mut spawn = Spawn::new("ssh").envs(std::env::vars_os()).piped_stdin();
        spawn = if std::env::var_os("SSH_ASKPASS").is_none_or(|program| program.is_empty()) {
            spawn.args(["-o", "BatchMode=yes"])
        } else {
            spawn.env("SSH_ASKPASS_REQUIRE", "force")
        };
        spawn.args(self.args())
    }
}

/// Whether it is one word to ssh and to every shell that its configuration hands it to.
fn is_word(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "'\"`$\\;&<>|(){}*?#!".contains(c);
    !text.is_empty() && !text.starts_with('-') && !text.contains(odd)
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ssh://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(self.socket.as_deref().unwrap_or_default())
    }
}

/// An engine at a host. Nothing is connected yet.
pub(super) fn connect(target: &Target, seconds: u64) -> Result<Docker, bollard::errors::Error> {
    let dialer = Dialer {
        target: Arc::new(target.clone()),
        starting: Arc::new(Semaphore::new(AT_A_TIME)),
    };
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(dialer);
    let transport = move |request: BollardRequest| {
        let answer = client.request(request);
        async move { answer.await.map_err(|error| explain(error.into())) }
    };
    // The name is not looked up: it is for the head of requests.
    let at = Some("http://docker.example.com");
    Docker::connect_with_custom_transport(transport, at, seconds, API_DEFAULT_VERSION)
}

/// Why ssh has ended.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot reach the engine over ssh: {0}")]
struct Failed(String);

/// Says what ssh said, if that is behind an error, and not what came of it on its way.
fn explain(error: bollard::errors::Error) -> bollard::errors::Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(at) = cause {
        let inner = at.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let failed = inner.and_then(|inner| inner.downcast_ref::<Failed>());
        if let Some(failed) = failed.or_else(|| at.downcast_ref()) {
            return io::Error::other(failed.clone()).into();
        }
        cause = at.source();
    }
    error
}

/// Makes connections.
#[derive(Debug, Clone)]
struct Dialer {
    target: Arc<Target>,
    starting: Arc<Semaphore>,
}

impl tower_service::Service<Uri> for Dialer {
    type Response = TokioIo<Line>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { target, starting } = self.clone();
        Box::pin(async move {
            // Never closed.
            let starting = starting.acquire_owned().await.ok();
            let ssh = target.spawn().start();
            let ssh = ssh.map_err(|error| failed(chain(&error)))?;
            Line::new(ssh, starting).map(TokioIo::new)
        })
    }
}

fn failed(words: String) -> io::Error {
    io::Error::other(Failed(words))
}

/// A connection: the stdin and stdout of an ssh.
struct Line {
    /// Until nothing more is said.
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    /// Until it has ended.
    process: Option<(Group, JoinHandle<String>)>,
    /// It ends; what comes out is why.
    ending: Option<BoxFuture<'static, io::Result<()>>>,
    /// Until the other end has said something.
    starting: Option<OwnedSemaphorePermit>,
}

impl Line {
    fn new(ssh: Running, starting: Option<OwnedSemaphorePermit>) -> io::Result<Self> {
        let (Some(stdin), Some(stdout), Some(stderr)) = (ssh.stdin, ssh.stdout, ssh.stderr) else {
            return Err(failed("ssh has no pipes".to_owned()));
        };
        Ok(Self {
            stdin: Some(stdin),
            stdout,
            process: Some((ssh.group, tokio::spawn(last_words(stderr)))),
            ending: None,
            starting,
        })
    }

    /// Waits for the end of ssh; an error is why it ended, if it was not well.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.starting = None;
        if let Some((group, words)) = self.process.take() {
            self.stdin = None;
            self.ending = Some(Box::pin(end(group, words)));
        }
        match &mut self.ending {
            Some(ending) => {
                let ended = ready!(ending.as_mut().poll(cx));
                self.ending = None;
                Poll::Ready(ended)
            }
            None => Poll::Ready(Ok(())),
        }
    }
}

async fn end(mut group: Group, words: JoinHandle<String>) -> io::Result<()> {
    let Ok(status) = timeout(GRACE, group.wait()).await else {
        return Ok(());
    };
    let status = status?;
    if status.success() {
        return Ok(());
    }
    // Its children may hold the pipe open.
    let words = timeout(GRACE, words).await;
    let words = words.ok().and_then(Result::ok).unwrap_or_default();
    Err(failed(if words.is_empty() {
        format!("ssh has ended with {status}")
    } else {
        words
    }))
}

/// The last line that ssh says, when it has said all. More is read than is kept, so that it can
/// go on.
async fn last_words(mut stderr: ChildStderr) -> String {
    let mut said = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        said.extend_from_slice(&buffer[..read]);
        let surplus = said.len().saturating_sub(LAST_WORDS);
        said.drain(..surplus);
    }
    let said = String::from_utf8_lossy(&said);
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    lines
        .next_back()
        .unwrap_or_default()
        .chars()
        .map(plain)
        .collect()
}

impl Drop for Line {
    fn drop(&mut self) {
        // Its stdin is closed by now, which tells it to end. It is killed when this is dropped,
        // also with the runtime.
        self.stdin = None;
        if let (Some((mut group, _)), Ok(runtime)) =
            (self.process.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(async move {
                // Killed if it does not end.
                let _ = timeout(GRACE, group.wait()).await;
            });
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stdout).poll_read(cx, buffer))?;
        if buffer.filled().len() == before {
            return self.poll_end(cx);
        }
        self.starting = None;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.stdin {
            Some(stdin) => ready!(Pin::new(stdin).poll_write(cx, bytes)),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        match written {
            // It has ended before it was told anything; why is more than that it has.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                ready!(self.poll_end(cx))?;
                Poll::Ready(Err(error))
            }
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Closing the pipe is what the other end sees.
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> String {
        Target::parse(text).unwrap().args().join(" ")
    }

    #[test]
    fn the_command_is_that_of_dockers_client() {
        let before = "-o ConnectTimeout=30 -T";
        assert_eq!(
            args("host"),
            format!("{before} -- host docker system dial-stdio")
        );
        assert_eq!(
            args("me@host:2222/"),
            format!("{before} -l me -p 2222 -- host docker system dial-stdio")
        );
        assert_eq!(
            args("[fe80::1]/run/user/7/d.sock"),
            format!(
                "{before} -- fe80::1 docker --host=unix:///run/user/7/d.sock system dial-stdio"
            )
        );
    }

    #[test]
    fn what_is_no_host_reaches_no_command_line() {
        for (text, reason) in [
            ("", "its host"),
            ("/var/run/docker.sock", "its host"),
            ("-oProxyCommand=x", "its host"),
            ("me@-oProxyCommand=x", "its host"),
            ("[-oProxyCommand=x]", "its host"),
            ("-lme@host", "its user"),
            ("@host", "its user"),
            ("a b", "its host"),
            ("$(id)", "its host"),
            ("host\n", "its host"),
            ("[::1", "its host"),
            ("[::1]x", "its host"),
            ("host:", "its port"),
            ("host:ssh", "its port"),
            ("host:70000", "its port"),
            ("host/a;id", "its path"),
            ("host/a b", "its path"),
            ("host/a?b", "its path"),
            ("me:secret@host", "a password"),
        ] {
            let said = Target::parse(text).unwrap_err();
            assert!(
                said.contains(reason) && !said.contains("secret"),
                "{text}: {said}"
            );
        }
    }

    #[test]
    fn a_target_reads_as_it_was_written() {
        for text in ["h", "me@h:22", "[::1]:22/a/b.sock", "me@h/x"] {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.to_string(), format!("ssh://{text}"));
        }
    }
}
