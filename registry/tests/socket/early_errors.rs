use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::process::{BOUND, Place};

const MIB: usize = 1 << 20;

/// Sends a request with a body of `size` bytes and reads only after the last of them, as a client does that
/// has no thread to spare; what it is answered.
async fn send_all_first(address: SocketAddr, head: &str, size: usize) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{head} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n");
    let sent = async {
        stream.write_all(head.as_bytes()).await?;
        let chunk = vec![b'x'; MIB];
        for _ in 0..size / MIB {
            stream.write_all(&chunk).await?;
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8(answer).unwrap())
    };
    tokio::time::timeout(BOUND, sent).await.unwrap().expect("the answer, and no broken pipe")
}

#[tokio::test]
async fn a_client_that_is_still_sending_gets_its_answer() {
    let place = Place::new();
    let server = place.serve("");
    let cases = [
        ("PATCH /v2/a/blobs/uploads/made-up", "HTTP/1.1 404 Not Found", "BLOB_UPLOAD_UNKNOWN"),
        ("PUT /v2/a/manifests/v1", "HTTP/1.1 413 Payload Too Large", "at most 4194304 are accepted"),
        ("PUT /v2/A/manifests/v1", "HTTP/1.1 400 Bad Request", "NAME_INVALID"),
    ];
    for (request, status, said) in cases {
        let answer = send_all_first(server.address(), request, 12 * MIB).await;
        assert!(answer.starts_with(status) && answer.contains(said), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_refused_user_gets_its_answer_too() {
    let place = Place::new();
    place.write("users", "");
    let server = place.serve("auth: {htpasswd: {realm: R, path: '{folder}/users'}}\n");
    let answer = send_all_first(server.address(), "PATCH /v2/a/blobs/uploads/x", 12 * MIB).await;
    assert!(answer.starts_with("HTTP/1.1 401 Unauthorized"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("www-authenticate: basic realm=\"r\""), "{answer}");
}

#[tokio::test]
async fn nobody_is_listened_to_for_ever() {
    let place = Place::new();
    let server = place.serve("");
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head =
        "PATCH /v2/a/blobs/uploads/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let endless = async {
        let chunk = vec![b'x'; MIB];
        // Ends when the server has closed the connection.
        while stream.write_all(&chunk).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(BOUND, endless).await.expect("the connection to be closed");
}

/// Reads until `end` has come.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut all = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&all).contains(end) {
            assert_ne!(stream.read_buf(&mut all).await.unwrap(), 0, "{}", String::from_utf8_lossy(&all));
        }
    };
    tokio::time::timeout(BOUND, reading).await.unwrap();
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_first() {
    let place = Place::new();
    let server = place.serve("");
    let head = |request: &str| {
        format!("{request} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
    };
    let mut refused = TcpStream::connect(server.address()).await.unwrap();
    refused.write_all(head("PUT /v2/A/manifests/v1").as_bytes()).await.unwrap();
    let answer = read_until(&mut refused, "NAME_INVALID").await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    let mut accepted = TcpStream::connect(server.address()).await.unwrap();
    let one = "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";
    let request = head(&format!("POST /v2/a/blobs/uploads/?digest={one}"));
    accepted.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(read_until(&mut accepted, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    accepted.write_all(b"1").await.unwrap();
    let answer = read_until(&mut accepted, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
}
