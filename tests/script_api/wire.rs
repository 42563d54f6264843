//! The script API on the wire: how clients come in, and what they hear.

use std::io;
use std::sync::{Arc, Mutex};

use monkeyci_tui::edn::{self, Value};
use tokio::sync::watch;

use crate::http::Wire;
use crate::http::soon;
use crate::rig::Rig;

/// How a client comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Unix,
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
