//! Whether a Registry answers from this node's own network.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::claim::Endpoint;

/// For one address: connection, handshake and answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Why an address is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The certificates to verify with cannot be used.
    #[error("the Registry's trust bundle cannot be used: {0}")]
    Trust(String),
    /// Nobody listens, or nothing leads there.
    #[error("no connection: {0}")]
    Connect(#[source] std::io::Error),
    /// The certificate is not the Registry's, or not for this address.
    #[error("TLS: {0}")]
    Tls(#[source] std::io::Error),
    /// No HTTP came back.
    #[error("no answer: {0}")]
    Http(#[source] hyper::Error),
    /// HTTP came back, but not a registry's.
    #[error("GET /v2/ answered {0}, not 200 or 401")]
    Status(StatusCode),
    /// It took too long.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
}

/// Asks every address in turn until one answers `GET /v2/` with 200 or 401 over TLS that verifies with
/// the endpoint's certificates. The error names each address and what came of it.
pub async fn probe(endpoint: &Endpoint) -> Result<(), String> {
    let config = client_config(&endpoint.trust).map_err(|error| error.to_string())?;
    let mut failures = Vec::new();
    for address in &endpoint.addresses {
        let address = SocketAddr::new(*address, endpoint.port);
        let answer = timeout(TIMEOUT, ask(address, Arc::clone(&config)));
        match answer.await.unwrap_or(Err(ProbeError::Timeout)) {
            Ok(()) => return Ok(()),
            Err(error) => failures.push(format!("{address}: {error}")),
        }
    }
    Err(failures.join("; "))
}

async fn ask(address: SocketAddr, config: Arc<ClientConfig>) -> Result<(), ProbeError> {
    let stream = TcpStream::connect(address).await.map_err(ProbeError::Connect)?;
    let name = ServerName::IpAddress(address.ip().into());
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(ProbeError::Tls)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(ProbeError::Http)?;
    let request = Request::get("/v2/")
        .header(hyper::header::HOST, address.to_string())
        .header(hyper::header::USER_AGENT, concat!("entrepot-node-agent/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| ProbeError::Trust(error.to_string()))?;
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(ProbeError::Http);
    driver.abort();
    match response?.status() {
        StatusCode::OK | StatusCode::UNAUTHORIZED => Ok(()),
        other => Err(ProbeError::Status(other)),
    }
}

fn client_config(trust: &str) -> Result<Arc<ClientConfig>, ProbeError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(trust.as_bytes()) {
        let certificate = certificate.map_err(|error| ProbeError::Trust(error.to_string()))?;
        roots.add(certificate).map_err(|error| ProbeError::Trust(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(ProbeError::Trust("it holds no certificate".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ProbeError::Trust(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
