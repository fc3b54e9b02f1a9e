//! Listening sockets: HTTP/1.1 and HTTP/2 in plain or over TLS, with bounds on whoever connects,
//! and an orderly end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::certificate::Shown;
use crate::fresh::Fresh;
use crate::http::CompleteRefusals;

/// See [`Bounds::connections`] and [`Bounds::sockets`]; together with the files of the database they stay
/// below LimitNOFILE of packaging/systemd/cloud-api.service.
const CONNECTIONS_MAX: usize = 2_048;
const SOCKETS_MAX: usize = 20_000;
/// See [`Bounds::grace`].
const GRACE: Duration = Duration::from_secs(10);
/// Bytes of a request's head (hyper answers 431 beyond).
const HEAD_MAX: usize = 64 * 1_024;
/// Streams that one HTTP/2 connection may have open.
const STREAMS_MAX: u32 = 100;
/// How long a client may take for the head of a request, and how long a connection may idle before it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// An HTTP/2 peer that is silent is asked for a sign of life, and left when it gives none.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after the system refused to accept, for instance because no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Protocols offered by ALPN.
pub const HTTP_PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why nobody can connect.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program listens there.
    #[error("port {} on {} is taken: stop the other program or set {key}", address.port(), address.ip())]
    Taken {
        /// Where.
        address: SocketAddr,
        /// The key of the configuration that says so.
        key: &'static str,
    },
    /// The system refuses.
    #[error("cannot listen on {address}: {source}; check {key}")]
    Refused {
        /// Where.
        address: SocketAddr,
        /// The key of the configuration that says so.
        key: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl ListenError {
    /// The sentence for an error of binding to `address`, which the configuration's `key` asked for.
    #[must_use]
    pub fn new(address: SocketAddr, key: &'static str, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::AddrInUse {
            Self::Taken { address, key }
        } else {
            Self::Refused {
                address,
                key,
                source,
            }
        }
    }
}

/// Binds a TCP socket; `key` is where the configuration says so.
///
/// # Errors
/// [`ListenError`], a sentence for the operator.
pub async fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, ListenError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| ListenError::new(address, key, source))
}

/// Bounds of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Connections of HTTP at one time; the next waits in the system's queue until one ends.
    pub connections: usize,
    /// Charge points at one time, which count no longer as connections of HTTP: neither takes the other's
    /// place. The next is refused with 503 until one leaves.
    pub sockets: usize,
    /// How long requests that are under way may take when the server stops.
    pub grace: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS_MAX,
            sockets: SOCKETS_MAX,
            grace: GRACE,
        }
    }
}

/// Serves `router` until `stop` is cancelled; then accepts nobody, lets the requests that are under
/// way finish for as long as the bounds say, and cuts off the rest.
pub async fn serve<R: Routes>(
    tcp: TcpListener,
    tls: Option<Fresh<ServerConfig>>,
    router: R,
    stop: CancellationToken,
    bounds: Bounds,
) {
    let mut connections = JoinSet::new();
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(bounds.connections));
    let server = Arc::new(Server {
        tls,
        router,
        stop: stop.clone(),
    });
    while let Some((stream, peer, place)) = accept(&tcp, &places, &stop).await {
        let watcher = graceful.watcher();
        connections.spawn(Arc::clone(&server).connection(stream, peer, watcher, place));
        // Only what ended since the last one came: what is kept stays within the bound.
        while connections.try_join_next().is_some() {}
    }
    drop(tcp);
    let finished = async {
        graceful.shutdown().await;
        while connections.join_next().await.is_some() {}
    };
    if tokio::time::timeout(bounds.grace, finished).await.is_err() {
        let left = connections.len();
        tracing::warn!(
            connections = left,
            "Requests did not finish in time and are cut off"
        );
        connections.shutdown().await;
    }
}

type Accepted = (TcpStream, SocketAddr, OwnedSemaphorePermit);

/// The next connection that there is a place for; `None` when it is time to stop.
async fn accept(
    tcp: &TcpListener,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<Accepted> {
    let place = stop
        .run_until_cancelled(Arc::clone(places).acquire_owned())
        .await?;
    let place = place.expect("the semaphore is never closed");
    loop {
        match stop.run_until_cancelled(tcp.accept()).await? {
            Ok((stream, peer)) => return Some((stream, peer, place)),
            Err(error) => {
                tracing::warn!(%error, "Cannot accept a connection, trying again in 0.1 s");
                stop.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE))
                    .await?;
            }
        }
    }
}

/// What answers requests: a router, or something around one.
pub trait Routes:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Routes for S where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

struct Server<R> {
    tls: Option<Fresh<ServerConfig>>,
    router: R,
    stop: CancellationToken,
}

impl<R: Routes> Server<R> {
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        watcher: Watcher,
        place: OwnedSemaphorePermit,
    ) {
        // Answers are small and written whole; waiting to fill a segment only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "Connection ended before it began");
            return;
        }
        match &self.tls {
            None => {
                let peer = Peer {
                    address: peer,
                    shown: None,
                };
                self.exchange(stream, peer, watcher, false).await;
            }
            Some(tls) => {
                if let Some(stream) = self.handshake(tls.now(), stream).await {
                    let session = stream.get_ref().1;
                    let http2 = session.alpn_protocol() == Some(b"h2");
                    let peer = Peer {
                        address: peer,
                        shown: session.peer_certificates().and_then(Shown::new),
                    };
                    self.exchange(stream, peer, watcher, http2).await;
                }
            }
        }
        drop(place);
    }

    /// `None` if it fails, takes too long, or the server is stopping.
    async fn handshake(
        &self,
        config: Arc<ServerConfig>,
        stream: TcpStream,
    ) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
        let accepting = TlsAcceptor::from(config).accept(stream);
        let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, accepting);
        match self.stop.run_until_cancelled(handshake).await? {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tell_failed(&error);
                None
            }
            Err(_elapsed) => None,
        }
    }

    /// Requests and answers until either side has enough. In plain it is HTTP/1.1: guessing the
    /// version from the first bytes would wait for them without end.
    async fn exchange<S>(&self, stream: S, peer: Peer, watcher: Watcher, http2: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = self.router.clone();
        let builder = builder(http2);
        let io = TokioIo::new(CompleteRefusals::new(stream));
        let connection = builder.serve_connection_with_upgrades(
            io,
            TowerToHyperService::new(WithPeer { router, peer }),
        );
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(error, "Connection ended early");
        }
    }
}

/// A handshake that failed for a reason that somebody here can do something about; everything that
/// knocks at an open port fails in some way.
fn tell_failed(error: &io::Error) {
    let reason = error.get_ref().and_then(|inner| inner.downcast_ref());
    match reason {
        Some(rustls::Error::PeerIncompatible(_)) => {
            tracing::warn!(%error, "TLS was refused: {error}; a charge point that knows nothing newer (for instance TLS_RSA suites) needs a proxy in front that ends TLS");
        }
        Some(rustls::Error::InvalidCertificate(_)) => {
            tracing::warn!(%error, "TLS was refused: a client's certificate is not its own or cannot be read: {error}");
        }
        Some(_) | None => tracing::debug!(%error, "TLS handshake failed"),
    }
}

/// Who is at the other end.
#[derive(Clone)]
struct Peer {
    address: SocketAddr,
    shown: Option<Shown>,
}

/// The router, told who is at the other end.
#[derive(Clone)]
struct WithPeer<R> {
    router: R,
    peer: Peer,
}

impl<B, R> Service<Request<B>> for WithPeer<R>
where
    R: Routes,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = R::Future;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut request = request.map(Body::new);
        let extensions = request.extensions_mut();
        extensions.insert(ConnectInfo(self.peer.address));
        if let Some(shown) = &self.peer.shown {
            extensions.insert(shown.clone());
        }
        self.router.call(request)
    }
}

fn builder(http2: bool) -> Builder<TokioExecutor> {
    let builder = Builder::new(TokioExecutor::new());
    let mut builder = if http2 {
        builder.http2_only()
    } else {
        builder.http1_only()
    };
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_MAX)
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(HEAD_MAX).expect("is small"))
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

#[cfg(test)]
mod tests;
