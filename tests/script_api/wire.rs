//! HTTP as bytes: requests are written as they stand, answers are read as a strict client does.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use monkeyci_tui::edn::{self, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;

use crate::rig::{Rig, soon};

/// How a client comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Unix,
}

/// A connection of either kind.
pub trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

/// The reading half of a connection.
struct ReadOnly(tokio::io::ReadHalf<Box<dyn Bytes>>);

impl AsyncRead for ReadOnly {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for ReadOnly {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A connection, and what was read too far.
pub struct Wire {
    stream: Box<dyn Bytes>,
    ahead: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Wire {
    pub async fn open(rig: &Rig, transport: Transport) -> Self {
        Self::try_open(rig, transport).await.unwrap()
    }

    pub async fn try_open(rig: &Rig, transport: Transport) -> io::Result<Self> {
        match transport {
            Transport::Tcp => Self::tcp(&rig.tcp).await,
            Transport::Unix => Self::unix(&rig.socket()).await,
        }
    }

    /// The two directions of it, for those who write without waiting for an answer.
    pub fn split(self) -> (Self, tokio::io::WriteHalf<Box<dyn Bytes>>) {
        let (reading, writing) = tokio::io::split(self.stream);
        let reader = Self {
            stream: Box::new(ReadOnly(reading)),
            ahead: self.ahead,
        };
        (reader, writing)
    }

    pub async fn tcp(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(Box::new(stream)))
    }

    pub async fn unix(path: &Path) -> io::Result<Self> {
        Ok(Self::over(Box::new(UnixStream::connect(path).await?)))
    }

    fn over(stream: Box<dyn Bytes>) -> Self {
        Self {
            stream,
            ahead: Vec::new(),
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads on; false at the end.
    async fn more(&mut self) -> io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.ahead).await? > 0)
    }

    /// Status and headers.
    pub async fn head(&mut self) -> io::Result<Answer> {
        let end = loop {
            if let Some(end) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let head: Vec<u8> = self.ahead.drain(..end + 4).collect();
        let head = String::from_utf8(head).expect("a head is text");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().expect("a status line");
        let status = status
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("no status line of HTTP/1.1: {status:?}"));
        let headers = lines
            .map(|line| {
                let (key, value) = line.split_once(':').expect("a header line");
                (key.to_ascii_lowercase(), value.trim().to_owned())
            })
            .collect();
        Ok(Answer {
            status,
            headers,
            body: Vec::new(),
        })
    }

    /// A whole answer. It has a length, as all but streams have.
    pub async fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.head().await?;
        if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk().await? {
                answer.body.extend(chunk);
            }
            return Ok(answer);
        }
        let length: usize = match answer.header("content-length") {
            Some(length) => length.parse().expect("a length is a number"),
            None if answer.status == 204 => 0,
            None => panic!("neither a length nor chunks: {answer:?}"),
        };
        while self.ahead.len() < length {
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        answer.body = self.ahead.drain(..length).collect();
        Ok(answer)
    }

    /// A request and its answer.
    pub async fn ask(&mut self, request: &[u8]) -> Answer {
        soon("an answer", async {
            self.send(request).await?;
            self.answer().await
        })
        .await
        .unwrap()
    }

    /// Whatever still comes, up to the end of the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await.unwrap_or(false) {}
        std::mem::take(&mut self.ahead)
    }

    /// The next chunk of a chunked body; `None` behind the last.
    pub async fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let end = loop {
            if let Some(end) = self.ahead.windows(2).position(|two| two == b"\r\n") {
                break end;
            }
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let line = String::from_utf8_lossy(&self.ahead[..end]).into_owned();
        let length = usize::from_str_radix(&line, 16).expect("the length of a chunk");
        let all = end + 2 + length + 2;
        while self.ahead.len() < all {
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let chunk = self.ahead[end + 2..all - 2].to_vec();
        self.ahead.drain(..all);
        Ok((length > 0).then_some(chunk))
    }
}

/// A request as the JDK's client sends it (script-api.md §2): the upgrade to HTTP/2 with each,
/// no content type.
pub fn jdk(method: &str, path: &str, token: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\n\
         Content-Length: {}\r\nHost: localhost:1\r\n\
         HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA\r\n\
         Upgrade: h2c\r\naccept: */*\r\naccept-encoding: gzip\r\naccept-encoding: deflate\r\n\
         authorization: Bearer {token}\r\nuser-agent: babashka.http-client/0.4.22\r\n\r\n{body}",
        body.len(),
    )
    .into_bytes()
}

/// The event stream as the script library reads it: line by line, and only `data: ` lines.
pub struct Heard {
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
    reading: tokio::task::JoinHandle<()>,
}

impl Heard {
    /// Sends the request and returns once the headers are here.
    pub async fn open(mut wire: Wire, request: &[u8]) -> Self {
        let head = soon("the headers of the stream", async {
            wire.send(request).await?;
            wire.head().await
        })
        .await
        .unwrap();
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        assert_eq!(head.header("transfer-encoding"), Some("chunked"));
        assert_eq!(head.header("content-encoding"), None);
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let (sender, count) = watch::channel(0);
        let heard = Arc::clone(&lines);
        let reading = tokio::spawn(async move {
            let mut text = Vec::new();
            while let Ok(Some(chunk)) = wire.chunk().await {
                text.extend(chunk);
                while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    let line = String::from_utf8(line).expect("the stream is text");
                    let mut lines = heard.lock().unwrap();
                    lines.push(line.trim_end_matches('\n').to_owned());
                    sender.send_replace(lines.len());
                }
            }
        });
        Self {
            lines,
            count,
            reading,
        }
    }

    /// All lines so far, empty ones too.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// All that the library would parse.
    pub fn data(&self) -> Vec<Value> {
        self.lines()
            .iter()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|line| edn::read_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// What is left when the library has dropped its own events.
    pub fn foreign(&self) -> Vec<Value> {
        let mut data = self.data();
        data.retain(|event| event.get("src") != Some(&Value::kw("script")));
        data
    }

    /// Waits until what the library acts upon has something in it.
    pub async fn until(&mut self, what: &str, is_there: impl Fn(&[Value]) -> bool) {
        self.wait(what, |heard| is_there(&heard.foreign())).await;
    }

    /// Waits until something is in the stream, whoever it is from.
    pub async fn until_any(&mut self, what: &str, is_there: impl Fn(&[Value]) -> bool) {
        self.wait(what, |heard| is_there(&heard.data())).await;
    }

    async fn wait(&mut self, what: &str, is_there: impl Fn(&Self) -> bool) {
        soon(what, async {
            loop {
                if is_there(self) {
                    return;
                }
                if self.count.changed().await.is_err() {
                    let said: Vec<String> = self.foreign().iter().map(edn::write).collect();
                    panic!("the stream ended without {what}: {said:#?}");
                }
            }
        })
        .await;
    }

    /// Waits for the end of the stream.
    pub async fn end(&mut self) {
        soon("the end of the stream", &mut self.reading)
            .await
            .unwrap();
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// What plain `clojure.edn` would not read in a line, if anything: tags but `#inst` and `#uuid`,
/// regular expressions, and whatever our own strict reader refuses (README of the protocol, "What
/// a writer on our side must produce").
pub fn not_plain_edn(line: &str) -> Option<String> {
    if line.chars().any(char::is_control) {
        return Some("a control character".to_owned());
    }
    let mut in_text = false;
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (in_text, c) {
            (true, '\\') => drop(chars.next()),
            (_, '"') => in_text = !in_text,
            // The next character stands for itself.
            (false, '\\') => drop(chars.next()),
            (false, '#') => {
                let rest = &line[at + 1..];
                let allowed = ["{", "inst \"", "uuid \"", "#Inf", "#-Inf", "#NaN", ":"];
                if !allowed.iter().any(|start| rest.starts_with(start)) {
                    return Some(format!("#{}", rest.chars().take(20).collect::<String>()));
                }
                if rest.starts_with('#') {
                    chars.next();
                }
            }
            _ => {}
        }
    }
    edn::read_str(line).err().map(|error| error.to_string())
}

/// A field of an event, as text.
pub fn text<'a>(event: &'a Value, key: &str) -> Option<&'a str> {
    event.get(key).and_then(Value::as_str)
}

/// A keyword of an event, as text.
pub fn word(event: &Value, key: &str) -> Option<String> {
    event.get(key).map(edn::write)
}
