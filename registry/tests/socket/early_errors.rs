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
