use axum::body::Body;
use nix::sys::signal::Signal;

use crate::{
    client::{health, request, send, until},
    process::Place,
};

const ONE: &str = "POST /v2/a/blobs/uploads/?digest=sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";
const GET_ONE: &str =
    "GET /v2/a/blobs/sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";

#[tokio::test]
async fn a_second_process_waits_for_the_first() {
    let place = Place::new();
    let first = place.serve("");
    assert_eq!(send(first.address(), request(ONE, None, "1")).await.status, 201);
    let second = place.start("");
    until("the second one to say why it waits", async || {
        let (status, reasons) = health(&second, "/readyz").await;
        assert_eq!(status, 503, "{reasons}");
        reasons.contains("waiting for the store, which is in use by process ")
    })
    .await;
    // It must not be restarted for waiting.
    assert_eq!(health(&second, "/livez").await.0, 200);
    assert!(!second.log().contains("listening for HTTP"), "{}", second.log());
    first.signal(Signal::SIGTERM);
    assert_eq!(first.end().code(), Some(0));
    let blob = send(second.address(), request(GET_ONE, None, Body::empty())).await;
    assert_eq!((blob.status, blob.body.as_slice()), (200, b"1".as_slice()));
    until("the second one to be ready", async || health(&second, "/readyz").await == (200, "{}".into()))
        .await;
}

#[tokio::test]
async fn a_killed_process_leaves_no_lock_behind() {
    let place = Place::new();
    let first = place.serve("");
    let second = place.start("");
    second.line("waiting: the store is in use");
    first.kill();
    assert_eq!(send(second.address(), request(ONE, None, "1")).await.status, 201);
}

#[tokio::test]
async fn a_waiting_process_can_be_stopped() {
    let place = Place::new();
    let _first = place.serve("");
    let second = place.start("");
    second.line("waiting: the store is in use");
    second.signal(Signal::SIGTERM);
    assert_eq!(second.end().code(), Some(0));
}
