//! A real TLS server on a socket, with certificates as the operator makes them.

use super::*;
use crate::pki::{Authority, San};
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::net::{IpAddr, Ipv4Addr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

fn authority() -> Authority {
    Authority::generate("a test's", Timestamp::now()).unwrap()
}

/// Answers every connection with `answer` and gives its port.
async fn serve(authority: &Authority, sans: &[San], answer: &'static str) -> u16 {
    let issued = authority.issue(sans, Timestamp::now()).unwrap();
    let chain = CertificateDer::pem_slice_iter(issued.cert_pem.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0u8; 1024];
            let length = stream.read(&mut request).await.unwrap_or(0);
            assert!(request[..length].starts_with(b"GET /v2/ HTTP/1.1\r\n"));
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

fn endpoint(port: u16, trust: &str) -> Endpoint {
    Endpoint { addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], port, trust: trust.to_owned() }
}

fn loopback() -> Vec<San> {
    vec![San::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST))]
}

const UNAUTHORIZED: &str = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const BROKEN: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn a_registry_that_answers_200_or_401_is_there() {
    let authority = authority();
    for answer in [UNAUTHORIZED, OK] {
        let port = serve(&authority, &loopback(), answer).await;
        assert_eq!(probe(&endpoint(port, authority.cert_pem())).await, Ok(()));
    }
}

#[tokio::test]
async fn anything_else_is_told_with_its_address() {
    let authority = authority();
    let port = serve(&authority, &loopback(), BROKEN).await;
    assert_eq!(
        probe(&endpoint(port, authority.cert_pem())).await,
        Err(format!("127.0.0.1:{port}: GET /v2/ answered 503 Service Unavailable, not 200 or 401"))
    );
    let port = serve(&authority, &loopback(), "nonsense").await;
    let error = probe(&endpoint(port, authority.cert_pem())).await.unwrap_err();
    assert!(error.contains("no answer"), "{error}");
}

#[tokio::test]
async fn only_the_registrys_own_certificate_for_this_very_address_counts() {
    let (ours, other) = (authority(), authority());
    let port = serve(&ours, &loopback(), OK).await;
    let error = probe(&endpoint(port, other.cert_pem())).await.unwrap_err();
    assert!(error.contains("TLS"), "{error}");
    let port = serve(&ours, &[San::Dns("localhost".to_owned())], OK).await;
    let error = probe(&endpoint(port, ours.cert_pem())).await.unwrap_err();
    assert!(error.contains("TLS"), "{error}");
    // While one authority replaces another the bundle holds both.
    let port = serve(&ours, &loopback(), OK).await;
    let both = format!("{}{}", other.cert_pem(), ours.cert_pem());
    assert_eq!(probe(&endpoint(port, &both)).await, Ok(()));
}

#[tokio::test]
async fn one_address_that_answers_is_enough() {
    let authority = authority();
    let port = serve(&authority, &loopback(), OK).await;
    let mut endpoint = endpoint(port, authority.cert_pem());
    // Loopback too, and nobody listens there.
    endpoint.addresses.insert(0, "127.0.0.2".parse().unwrap());
    assert_eq!(probe(&endpoint).await, Ok(()));
}

#[tokio::test]
async fn no_listener_and_no_trust_are_told_apart() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = probe(&endpoint(port, authority().cert_pem())).await.unwrap_err();
    assert!(error.starts_with(&format!("127.0.0.1:{port}: no connection")), "{error}");
    for trust in ["", "nonsense"] {
        let error = probe(&endpoint(port, trust)).await.unwrap_err();
        assert!(error.contains("trust bundle"), "{error}");
    }
}
