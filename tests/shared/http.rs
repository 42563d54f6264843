//! HTTP as bytes: requests are written as they stand, answers are read as a strict client does.

#![allow(dead_code, reason = "not every crate of tests needs all of it")]

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// Nothing in these tests takes longer, unless it hangs.
const LIMIT: Duration = Duration::from_secs(90);

/// Waits for something, but not for ever.
#[track_caller]
pub fn soon<T>(what: &str, work: impl Future<Output = T>) -> impl Future<Output = T> {
    let at = std::panic::Location::caller();
    async move {
        tokio::time::timeout(LIMIT, work)
            .await
            .unwrap_or_else(|_| panic!("{at}: {what} takes too long"))
    }
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

    /// Says that nothing more is sent.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
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
