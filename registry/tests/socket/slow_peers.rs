use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use entrepot_registry::server::{Certificates, CurrentCertificates, Speaker, Timeouts};
use entrepot_registry_config::CertificatePair;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{
    certificates::Authority,
    client::tls_with,
    process::{BOUND, Place},
};

/// A listener with little patience: for the bounds themselves nobody wants to wait.
async fn listen(tls: Option<Arc<rustls::ServerConfig>>) -> SocketAddr {
    let timeouts = Timeouts {
        handshake: Duration::from_millis(200),
        headers: Duration::from_millis(200),
        idle: Duration::from_mins(3),
    };
    let router = Router::new().route("/", get(|| async { "hello" }));
    let speaker = Speaker { router, tls, timeouts };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (_sender, stopping) = watch::channel(false);
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            tokio::spawn(speaker.clone().speak(stream, peer, stopping.clone()));
        }
    });
    address
}

/// Reads until the peer closes.
async fn closed(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    tokio::time::timeout(BOUND, stream.read_to_end(&mut all))
        .await
        .expect("the connection to be closed")
        .unwrap();
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn headers_that_trickle_in_end_the_connection() {
    let address = listen(None).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let trickle = tokio::spawn(async move {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut all = Vec::new();
    let end = tokio::time::timeout(BOUND, reading.read_to_end(&mut all))
        .await
        .expect("the connection to be closed");
    // Cut off, with or without a word.
    assert!(end.is_err() || !String::from_utf8_lossy(&all).contains("200 OK"), "{all:?}");
    trickle.await.unwrap();
}

#[tokio::test]
async fn a_silent_new_connection_is_ended() {
    let address = listen(None).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(closed(&mut stream).await, "");
}

/// With TLS, and who signed its certificate.
async fn listen_tls() -> (SocketAddr, Authority) {
    let (place, authority) = (Place::new(), Authority::new());
    authority.issue(&place, "main", &["localhost"]);
    let pair = CertificatePair { certificate: place.path("main.crt"), key: place.path("main.key") };
    let certificates = CurrentCertificates::new(Certificates::load(&pair, &[], None).unwrap());
    (listen(Some(certificates.server_config().unwrap())).await, authority)
}

#[tokio::test]
async fn a_silent_handshake_is_ended() {
    let (address, _) = listen_tls().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(closed(&mut stream).await, "");
}

#[tokio::test]
async fn a_silent_http_2_peer_is_ended() {
    let (address, authority) = listen_tls().await;
    let mut stream = tls_with(address, "localhost", &authority.certificate, &[b"h2"]).await.unwrap();
    // Not even the preface comes. How the connection ends is the same to a peer like that.
    let mut all = Vec::new();
    let _ =
        tokio::time::timeout(BOUND, stream.read_to_end(&mut all)).await.expect("the connection to be closed");
}

#[tokio::test]
async fn a_connection_in_use_may_be_idle() {
    let address = listen(None).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    for pause in [Duration::ZERO, Duration::from_millis(700)] {
        tokio::time::sleep(pause).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello") {
            let read = tokio::time::timeout(BOUND, stream.read_buf(&mut answer)).await.unwrap().unwrap();
            assert_ne!(read, 0, "closed after {pause:?}");
        }
    }
}
