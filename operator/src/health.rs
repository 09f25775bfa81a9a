//! `/metrics`, `/healthz` and `/readyz` over plain HTTP.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tracing::error;

/// Whether the process can do its work: false until the API server has answered it once. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// From now on `/readyz` answers 200.
    pub fn set_ready(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

#[derive(Clone)]
struct Shared {
    metrics: Arc<Registry>,
    readiness: Readiness,
}

/// The three pages.
pub fn router(metrics: Arc<Registry>, readiness: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(metrics_page))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(Shared { metrics, readiness })
}

/// Listens on every address of the machine, IPv6 and IPv4; on IPv4 alone where the kernel has no IPv6.
pub async fn listen(port: u16) -> std::io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await,
    }
}

async fn readyz(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    if shared.readiness.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the API server has not answered yet\n")
    }
}

async fn metrics_page(State(shared): State<Shared>) -> Response {
    let mut text = String::new();
    if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &shared.metrics) {
        error!(%error, "metrics could not be written");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt as _, Empty};
    use hyper::body::Bytes;
    use hyper_util::rt::TokioIo;

    async fn fetch(address: std::net::SocketAddr, path: &str) -> (u16, String) {
        let stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, address.port())).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::get(path).header("host", "x").body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_pages_answer_on_a_socket() {
        let mut registry = Registry::default();
        crate::metrics::Metrics::register(&mut registry).set_leader(true);
        let readiness = Readiness::default();
        let listener = listen(0).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = axum::serve(listener, router(Arc::new(registry), readiness.clone()));
        tokio::spawn(async move { server.await });

        assert_eq!(fetch(address, "/healthz").await, (200, "ok\n".to_owned()));
        assert_eq!(fetch(address, "/readyz").await.0, 503);
        readiness.set_ready();
        assert_eq!(fetch(address, "/readyz").await.0, 200);
        let (status, text) = fetch(address, "/metrics").await;
        assert_eq!(status, 200);
        assert!(text.contains("entrepot_operator_leader 1\n") && text.ends_with("# EOF\n"), "{text}");
    }
}
