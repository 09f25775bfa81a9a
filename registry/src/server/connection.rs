use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::patience::{Counted, Patience};
use crate::http::Peer;

/// How long a peer may take; there is no limit on a whole request, for a layer may be large and a line thin.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the headers of a request, from their first byte; on a new connection, from its start.
    pub headers: Duration,
    /// Between two requests; longer than the 90 seconds that Go's clients keep a connection, so that they close first.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let (handshake, headers) = (Duration::from_secs(10), Duration::from_secs(10));
        Self { handshake, headers, idle: Duration::from_mins(3) }
    }
}

/// How the connections of a listener are spoken to.
#[derive(Clone)]
pub struct Speaker {
    /// What answers.
    pub router: Router,
    /// Absent: in the clear.
    pub tls: Option<Arc<ServerConfig>>,
    /// Patience.
    pub timeouts: Timeouts,
}

/// What one h2 connection may hold, so that many cannot fill the memory.
const H2_STREAMS: u32 = 64;
const H2_CONNECTION_WINDOW: u32 = 1 << 20;
const H2_SEND_BUFFER: usize = 64 << 10;

impl Speaker {
    /// Speaks until the peer or `stopping` (true: end after the answers under way) ends it.
    pub async fn speak(self, stream: TcpStream, peer: SocketAddr, stopping: watch::Receiver<bool>) {
        // Answers are written whole; waiting to fill a packet only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %peer, "TCP_NODELAY");
        }
        let Some(tls) = self.tls.clone() else { return self.http1(stream, peer, stopping).await };
        let handshake = TlsAcceptor::from(tls).accept(stream);
        match tokio::time::timeout(self.timeouts.handshake, handshake).await {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                self.http2(stream, peer, stopping).await;
            }
            Ok(Ok(stream)) => self.http1(stream, peer, stopping).await,
            Ok(Err(error)) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
        }
    }

    async fn http1<S>(self, stream: S, peer: SocketAddr, stopping: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let router = self.router;
        let service = service_fn(move |request| answer(router.clone(), request, peer));
        // A connection that was made while stopping gets one answer, which says that it is the last.
        let late = *stopping.borrow();
        let mut builder = http1::Builder::new();
        builder.keep_alive(!late);
        let (stream, received) = Counted::new(stream);
        let timer = Patience { timeouts: self.timeouts, received };
        builder.timer(timer).header_read_timeout(self.timeouts.headers);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = told(stopping), if !late => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        log_end(ended, peer);
    }

    async fn http2<S>(self, stream: S, peer: SocketAddr, stopping: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let router = self.router;
        let (asked, asking) = watch::channel(0_u64);
        let service = service_fn(move |request| {
            asked.send_modify(|asked| *asked += 1);
            answer(router.clone(), request, peer)
        });
        // A connection that was made while stopping gets an answer to what it asks first.
        let late = *stopping.borrow();
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(H2_STREAMS)
            .initial_connection_window_size(H2_CONNECTION_WINDOW)
            .max_send_buf_size(H2_SEND_BUFFER)
            .keep_alive_interval(self.timeouts.headers)
            .keep_alive_timeout(self.timeouts.headers);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let stop = async { if late { reached(asking.clone(), 1).await } else { told(stopping).await } };
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            asked = quiet(asking.clone(), self.timeouts) => {
                if asked == 0 {
                    // Maybe not even the preface has come, and a graceful end would wait for it.
                    return tracing::debug!(%peer, "a connection asked for nothing");
                }
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = stop => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        log_end(ended, peer);
    }
}

async fn answer(
    router: Router,
    mut request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<axum::response::Response, std::convert::Infallible> {
    request.extensions_mut().insert(Peer(peer));
    router.oneshot(request).await
}

/// Returns when the server stops; if it never says, never.
async fn told(mut stopping: watch::Receiver<bool>) {
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Returns when so many requests have come.
async fn reached(mut asking: watch::Receiver<u64>, requests: u64) {
    if asking.wait_for(|asked| *asked >= requests).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Returns, with the number of its requests, when a peer has none for too long: HTTP/2 has no limit of its own for that. Answers under way are not
/// cut short by what follows.
async fn quiet(asking: watch::Receiver<u64>, timeouts: Timeouts) -> u64 {
    let mut seen = 0;
    loop {
        let patience = if seen == 0 { timeouts.headers } else { timeouts.idle };
        if tokio::time::timeout(patience, reached(asking.clone(), seen + 1)).await.is_err() {
            return seen;
        }
        seen = *asking.borrow();
    }
}

/// Peers leave in the middle of things all the time: nothing that needs somebody's attention.
fn log_end(ended: Result<(), hyper::Error>, peer: SocketAddr) {
    if let Err(error) = ended {
        tracing::debug!(error = %Chain(&error), %peer, "a connection ended early");
    }
}

/// An error with its causes on one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
