//! Passes connections on: from a port of this machine to an engine's socket, or to a registry; with
//! TLS, if that is wanted. What goes there is kept, what comes back can be held, or cut off.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// Where connections lead.
#[derive(Debug, Clone)]
pub enum To {
    Socket(PathBuf),
    Port(u16),
}

/// A port that leads elsewhere; everything that passes through it ends with it.
pub struct Relay {
    pub port: u16,
    passes: Passes,
    /// How many bytes may come back, over all connections.
    allowed: watch::Sender<u64>,
    /// Dropped with all its connections.
    runtime: Option<Runtime>,
}

/// What all connections share.
#[derive(Clone)]
struct Passes {
    to: To,
    tls: Option<TlsAcceptor>,
    /// What has gone there.
    heard: Arc<Mutex<Vec<u8>>>,
    /// How many bytes have come back.
    back: Arc<AtomicU64>,
    limit: watch::Receiver<u64>,
}

impl Relay {
    pub fn start(to: To) -> Self {
        Self::with(to, None)
    }

    pub fn with_tls(to: To, config: ServerConfig) -> Self {
        Self::with(to, Some(Arc::new(config).into()))
    }

    fn with(to: To, tls: Option<TlsAcceptor>) -> Self {
        let runtime = Runtime::new().unwrap();
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = runtime.block_on(TcpListener::bind(anywhere)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (allowed, limit) = watch::channel(u64::MAX);
        let passes = Passes {
            to,
            tls,
            heard: Arc::default(),
            back: Arc::default(),
            limit,
        };
        let each = passes.clone();
        runtime.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let each = each.clone();
                tokio::spawn(async move {
                    // One that cannot be passed on is closed, which its other end sees.
                    let _ = each.accept(near).await;
                });
            }
        });
        Self {
            port,
            passes,
            allowed,
            runtime: Some(runtime),
        }
    }

    /// The first lines of all requests.
    pub fn requests(&self) -> Vec<String> {
        let heard = self.passes.heard.lock().unwrap();
        String::from_utf8_lossy(&heard)
            .lines()
            .filter_map(|line| line.trim_end().strip_suffix(" HTTP/1.1"))
            .map(str::to_owned)
            .collect()
    }

    /// Lets that many bytes come back in all, and then none.
    pub fn hold_after(&self, bytes: u64) {
        self.allowed.send_replace(bytes);
    }

    /// Lets so many more come back.
    pub fn allow(&self, bytes: u64) {
        self.allowed
            .send_modify(|all| *all = all.saturating_add(bytes));
    }

    /// Lets everything pass.
    pub fn release(&self) {
        self.hold_after(u64::MAX);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Passes {
    async fn accept(self, near: TcpStream) -> std::io::Result<()> {
        match self.tls.clone() {
            Some(tls) => {
                let near = tls.accept(near).await?;
                self.connect(near).await
            }
            None => self.connect(near).await,
        }
    }

    async fn connect(self, near: impl AsyncRead + AsyncWrite) -> std::io::Result<()> {
        match self.to.clone() {
            To::Socket(path) => self.pass(near, UnixStream::connect(path).await?).await,
            To::Port(port) => {
                let far = TcpStream::connect(("127.0.0.1", port)).await?;
                self.pass(near, far).await
            }
        }
    }

    /// Both ways, each to its own end: an engine reads on when it is told no more.
    async fn pass(
        mut self,
        near: impl AsyncRead + AsyncWrite,
        far: impl AsyncRead + AsyncWrite,
    ) -> std::io::Result<()> {
        let (mut near_in, mut near_out) = tokio::io::split(near);
        let (mut far_in, mut far_out) = tokio::io::split(far);
        let there = async {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                let read = near_in.read(&mut buffer).await?;
                if read == 0 {
                    return far_out.shutdown().await;
                }
                self.heard
                    .lock()
                    .unwrap()
                    .extend_from_slice(&buffer[..read]);
                far_out.write_all(&buffer[..read]).await?;
            }
        };
        let back = async {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                let read = far_in.read(&mut buffer).await?;
                if read == 0 {
                    return near_out.shutdown().await;
                }
                let all = self.back.fetch_add(read as u64, Ordering::SeqCst) + read as u64;
                // The other end is there as long as the relay is.
                let _ = self.limit.wait_for(|limit| all <= *limit).await;
                near_out.write_all(&buffer[..read]).await?;
            }
        };
        tokio::try_join!(there, back).map(drop)
    }
}
