//! Connections: how many there are at once, how long a head may take, and TLS.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::service::{self, Reading};

use super::{Server, files, routes};

/// Most bytes of a head, and of what is read or written ahead, for each connection.
const BUFFER: usize = 64 << 10;

/// So long a client that goes on writing may take to look at its answer, and no longer than its body might.
const LINGER: Duration = Duration::from_secs(5);

/// So many connections may wait to be accepted: as many as there are places.
const BACKLOG: u32 = 1024;

/// Requests at work may finish for so long after the end of the service.
const GRACE: Duration = Duration::from_secs(5);

/// How long a listener rests that cannot accept: too many files are open.
const REST: Duration = Duration::from_millis(100);

/// What makes connections private.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// Reads a certificate with those that vouch for it, and its key, both PEM. The error is a
/// sentence. Blocks.
pub fn tls(certificate: &Path, key: &Path) -> Result<Tls, String> {
    let cannot = |path: &Path, what: &str, why: &dyn std::fmt::Display| {
        format!("there is no {what} to be read in {}: {why}", path.display())
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|why| cannot(certificate, "certificate", &why))?;
    if chain.is_empty() {
        return Err(cannot(certificate, "certificate", &"no PEM in it is one"));
    }
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|why| cannot(key, "private key", &why))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| {
            config
                .with_no_client_auth()
                .with_single_cert(chain, private)
        })
        .map_err(|why| format!("certificate and key do not fit: {why}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls(TlsAcceptor::from(Arc::new(config))))
}

/// Listens on an address, and says on which port that came to be.
pub fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A server that is started again finds its port, though connections of the one before are not gone.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// Who is at the other end; among the extensions of every request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// What all connections have in common.
#[derive(Clone)]
struct Manner {
    router: TowerToHyperService<Router>,
    tls: Option<Tls>,
    /// For the handshake, and for every head.
    head_time: Duration,
    /// For those who are told that they have sent too much to notice it.
    linger: Duration,
    stop: CancellationToken,
}

/// Serves until `stop` fires; returns when the last request is done with, or has been cut.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    server: Server,
    stop: CancellationToken,
) {
    let settings = server.settings();
    let manner = Manner {
        router: TowerToHyperService::new(routes::router(&server)),
        tls,
        head_time: settings.head_time,
        linger: LINGER.min(settings.body_time),
        stop: stop.clone(),
    };
    let places = Arc::new(Semaphore::new(files::places(settings.most_connections)));
    let at_work = TaskTracker::new();
    let cut = CancellationToken::new();
    let _cut_at_last = cut.clone().drop_guard();
    let accept = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let Ok((stream, peer)) = listener.accept().await else {
                tokio::time::sleep(REST).await;
                continue;
            };
            // Events are small and should not wait for company.
            let _ = stream.set_nodelay(true);
            let stream = Reading::new(stream, settings.answer_time);
            let (manner, cut) = (manner.clone(), cut.clone());
            at_work.spawn(async move {
                tokio::select! {
                    () = manner.connection(stream, Peer(peer)) => {}
                    () = cut.cancelled() => {}
                }
                drop(place);
            });
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = accept => {}
    }
    drop(listener);
    // Event streams end with this.
    server.shutdown().cancel();
    at_work.close();
    // What takes longer is cut when this returns.
    let _ = tokio::time::timeout(GRACE, at_work.wait()).await;
}

impl Manner {
    async fn connection(self, stream: Reading<TcpStream>, peer: Peer) {
        let Some(Tls(acceptor)) = &self.tls else {
            return self.answer(stream, peer).await;
        };
        // Who does not come to an agreement in time, or at all, has nobody to blame.
        let agreed = tokio::time::timeout(self.head_time, acceptor.accept(stream)).await;
        if let Ok(Ok(stream)) = agreed {
            self.answer(stream, peer).await;
        }
    }

    async fn answer<S>(&self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let has_unread = Arc::new(AtomicBool::new(false));
        let (router, unread) = (self.router.clone(), Arc::clone(&has_unread));
        let service = service_fn(move |mut request: Request<Incoming>| {
            let (router, unread) = (router.clone(), Arc::clone(&unread));
            request.extensions_mut().insert(peer);
            Box::pin(async move {
                let (response, is_read) = service::answer(&router, request).await;
                unread.fetch_or(!is_read, Ordering::Relaxed);
                Ok::<_, Infallible>(response)
            })
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_time)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(stream), service);
        let Some(mut stream) = service::requests(connection, &self.stop).await else {
            return;
        };
        if has_unread.load(Ordering::Relaxed) {
            service::linger(stream, self.linger).await;
        } else {
            // Whoever has gone already need not be told.
            let _ = stream.shutdown().await;
        }
    }
}
