use axum::body::Body;
use bytes::Bytes;
use futures::{SinkExt as _, channel::mpsc};
use nix::sys::signal::Signal;

use crate::{
    client::{Answer, health, request, send, until},
    process::{Place, Server},
};

/// A PATCH whose body comes when the test says so.
struct Upload {
    body: mpsc::Sender<Result<Bytes, std::io::Error>>,
    answer: tokio::task::JoinHandle<Answer>,
}

async fn begin(server: &Server) -> Upload {
    let asked = request("POST /v2/a/blobs/uploads/", None, Body::empty());
    let location = send(server.address(), asked).await.headers["location"].clone();
    let (mut body, chunks) = mpsc::channel(1);
    let patch = request(&format!("PATCH {location}"), None, Body::from_stream(chunks));
    let answer = tokio::spawn(send(server.address(), patch));
    body.send(Ok(Bytes::from_static(b"01234"))).await.unwrap();
    until("the upload to have begun", async || {
        let (_, metrics) = health(server, "/metrics").await;
        metrics.contains("registry_http_in_flight_requests{handler=\"blob_upload_chunk\"} 1")
    })
    .await;
    Upload { body, answer }
}

#[tokio::test]
async fn what_is_under_way_ends_and_nothing_new_begins() {
    let place = Place::new();
    let server = place.serve("");
    let mut upload = begin(&server).await;
    server.signal(Signal::SIGTERM);
    server.line("stopping; a second signal ends the server at once");
    // A new connection may read, as one that has not heard of the end yet will.
    let read = send(server.address(), request("GET /v2/", None, Body::empty())).await;
    assert_eq!((read.status, read.headers["connection"].as_str()), (200, "close"));
    let write = send(server.address(), request("POST /v2/a/blobs/uploads/", None, Body::empty())).await;
    assert_eq!((write.status, write.headers["retry-after"].as_str()), (503, "5"));
    assert_eq!(health(&server, "/readyz").await, (503, r#"{"stopping":"the server is stopping"}"#.into()));
    assert_eq!(health(&server, "/livez").await.0, 200);
    upload.body.send(Ok(Bytes::from_static(b"56789"))).await.unwrap();
    drop(upload.body);
    let answer = upload.answer.await.unwrap();
    assert_eq!((answer.status, answer.headers["range"].as_str()), (202, "0-9"));
    assert_eq!(server.end().code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let place = Place::new();
    let server = place.serve("");
    let _upload = begin(&server).await;
    server.signal(Signal::SIGINT);
    server.line("stopping; a second signal ends the server at once");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.end().code(), Some(1));
}

#[tokio::test]
async fn patience_has_an_end() {
    let place = Place::new();
    let server = place.serve("http: {draintimeout: 300ms}\n");
    let _upload = begin(&server).await;
    server.signal(Signal::SIGTERM);
    server.line("not everything was answered in time");
    assert_eq!(server.end().code(), Some(0));
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_it() {
    let place = Place::new();
    let server = place.serve("");
    let stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Body>(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request("GET /v2/", None, Body::empty())).await.unwrap();
    assert_eq!(Answer::read(response).await.unwrap().status, 200);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.end().code(), Some(0));
    connection.await.unwrap().unwrap();
}
