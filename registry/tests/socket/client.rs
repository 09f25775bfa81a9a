use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::process::{BOUND, Server};

/// An answer: status, headers, body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn read(response: Response<hyper::body::Incoming>) -> Result<Self, hyper::Error> {
        let (parts, body) = response.into_parts();
        let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let headers = parts.headers.iter().map(pair).collect();
        let body = body.collect().await?.to_bytes().to_vec();
        Ok(Self { status: parts.status.as_u16(), headers, body })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// A name and a password.
pub(crate) type User<'a> = Option<(&'a str, &'a str)>;

/// `request` is a method and a path.
pub(crate) fn request(request: &str, user: User<'_>, body: impl Into<Body>) -> Request<Body> {
    let (method, uri) = request.split_once(' ').unwrap();
    let mut builder = Request::builder().method(method).uri(uri).header(header::HOST, "localhost");
    if let Some((name, password)) = user {
        let token = STANDARD.encode(format!("{name}:{password}"));
        builder = builder.header(header::AUTHORIZATION, format!("Basic {token}"));
    }
    builder.body(body.into()).unwrap()
}

/// One request on a connection of its own.
pub(crate) async fn try_send(address: SocketAddr, request: Request<Body>) -> Result<Answer, String> {
    let sent = async {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        Answer::read(response).await.map_err(|error| error.to_string())
    };
    tokio::time::timeout(BOUND, sent).await.expect("an answer in time")
}

pub(crate) async fn send(address: SocketAddr, request: Request<Body>) -> Answer {
    try_send(address, request).await.unwrap()
}

/// `GET` of the debug listener: status and body.
pub(crate) async fn health(server: &Server, path: &str) -> (u16, String) {
    let answer = send(server.debug_address(), request(&format!("GET {path}"), None, Body::empty())).await;
    (answer.status, answer.text())
}

/// Asks until `done` says so.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    let asked = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(BOUND, asked).await.unwrap_or_else(|_| panic!("{what}: not in time"));
}

/// A TLS connection as `name`, trusting `authority`.
pub(crate) async fn tls(
    address: SocketAddr,
    name: &str,
    authority: &CertificateDer<'static>,
) -> Result<TlsStream<TcpStream>, std::io::Error> {
    tls_with(address, name, authority, &[]).await
}

/// And offering `protocols`.
pub(crate) async fn tls_with(
    address: SocketAddr,
    name: &str,
    authority: &CertificateDer<'static>,
    protocols: &[&[u8]],
) -> Result<TlsStream<TcpStream>, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// The first certificate of the server's chain, as `name` sees it.
pub(crate) async fn shown(
    address: SocketAddr,
    name: &str,
    authority: &CertificateDer<'static>,
) -> Result<CertificateDer<'static>, std::io::Error> {
    let stream = tls(address, name, authority).await?;
    Ok(stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
}

/// One request over TLS.
pub(crate) async fn send_tls(
    address: SocketAddr,
    name: &str,
    authority: &CertificateDer<'static>,
    request: Request<Body>,
) -> Answer {
    let stream = tls(address, name, authority).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    Answer::read(sender.send_request(request).await.unwrap()).await.unwrap()
}
