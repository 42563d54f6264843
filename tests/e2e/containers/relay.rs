//! Passes connections on: from a port of this machine to a registry.
//! What comes back can be held, or cut off.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Where connections lead.
#[derive(Debug, Clone)]
pub enum To {
    Port(u16),
}

/// A port that leads elsewhere; everything that passes through it ends with it.
pub struct Relay {
    pub port: u16,
    /// How many bytes may come back, over all connections.
    allowed: watch::Sender<u64>,
    /// Dropped with all its connections.
    runtime: Option<Runtime>,
}

impl Relay {
    pub fn start(to: To) -> Self {
        let runtime = Runtime::new().unwrap();
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = runtime.block_on(TcpListener::bind(anywhere)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (allowed, _) = watch::channel(u64::MAX);
        let (passed, limit) = (Arc::new(AtomicU64::new(0)), allowed.clone());
        runtime.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (to, passed, limit) = (to.clone(), Arc::clone(&passed), limit.subscribe());
                tokio::spawn(async move {
                    // One that cannot be passed on is closed, which its other end sees.
                    let _ = connect(near, to, passed, limit).await;
                });
            }
        });
        Self {
            port,
            allowed,
            runtime: Some(runtime),
        }
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

async fn connect(
    near: TcpStream,
    to: To,
    passed: Arc<AtomicU64>,
    limit: watch::Receiver<u64>,
) -> std::io::Result<()> {
    match to {
        To::Port(port) => {
            let far = TcpStream::connect(("127.0.0.1", port)).await?;
            pass(near, far, passed, limit).await
        }
    }
}

/// Both ways, each to its own end: an engine reads on when it is told no more.
async fn pass(
    near: impl AsyncRead + AsyncWrite,
    far: impl AsyncRead + AsyncWrite,
    passed: Arc<AtomicU64>,
    mut limit: watch::Receiver<u64>,
) -> std::io::Result<()> {
    let (mut near_in, mut near_out) = tokio::io::split(near);
    let (mut far_in, mut far_out) = tokio::io::split(far);
    let there = async {
        tokio::io::copy(&mut near_in, &mut far_out).await?;
        far_out.shutdown().await
    };
    let back = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = far_in.read(&mut buffer).await?;
            if read == 0 {
                return near_out.shutdown().await;
            }
            let all = passed.fetch_add(read as u64, Ordering::SeqCst) + read as u64;
            // The other end is there as long as the relay is.
            let _ = limit.wait_for(|limit| all <= *limit).await;
            near_out.write_all(&buffer[..read]).await?;
        }
    };
    tokio::try_join!(there, back).map(drop)
}
