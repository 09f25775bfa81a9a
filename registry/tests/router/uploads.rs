use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use serde_json::Value;

use crate::{
    answer::Answer,
    fixture::{Fixture, sha256},
};

const BYTES: &[u8] = b"0123456789";
const DIGEST: &str = "sha256:84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";

async fn start(registry: &Fixture) -> String {
    registry.ask("POST /v2/a/blobs/uploads/").await.location()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str, message: &str) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let expected = serde_json::json!({"errors": [{"code": code, "message": message}]});
    assert_eq!((answer.status, body), (status, expected), "{answer}");
}

#[tokio::test]
async fn in_chunks() {
    let registry = Fixture::open();
    let accepted = |status: &str, range: &str| {
        format!(
            "{status}
            docker-distribution-api-version: registry/2.0
            docker-upload-uuid: <token>
            location: /v2/a/blobs/uploads/<token>
            range: {range}
            x-content-type-options: nosniff
            x-request-id: <id>"
        )
    };
    let started = registry.ask("POST /v2/a/blobs/uploads/").await;
    started.is(&accepted("202", "0-0"));
    let location = started.location();
    let first = registry.send(&format!("PATCH {location}"), &["content-range: 0-3"], &BYTES[..4]).await;
    first.is(&accepted("202", "0-3"));
    let second = registry.send(&format!("PATCH {}", first.location()), &[], &BYTES[4..8]).await;
    second.is(&accepted("202", "0-7"));
    registry.ask(&format!("GET {location}")).await.is(&accepted("204", "0-7"));
    let end = format!("PUT {}?digest={DIGEST}", second.location());
    registry.send(&end, &["content-range: 8-9"], &BYTES[8..]).await.is(&format!(
        "201
        docker-content-digest: {DIGEST}
        docker-distribution-api-version: registry/2.0
        location: /v2/a/blobs/{DIGEST}
        x-content-type-options: nosniff
        x-request-id: <id>"
    ));
    assert_eq!(registry.ask(&format!("GET /v2/a/blobs/{DIGEST}")).await.body, BYTES);
    assert_eq!(registry.ask(&format!("GET {location}")).await.status, 404);
}

#[tokio::test]
async fn in_one_request_or_two() {
    let registry = Fixture::open();
    let one = registry.send(&format!("POST /v2/a/blobs/uploads/?digest={DIGEST}"), &[], BYTES).await;
    assert_eq!((one.status, one.location()), (201, format!("/v2/a/blobs/{DIGEST}")));
    let location = registry.ask("POST /v2/b/blobs/uploads/").await.location();
    let two = registry.send(&format!("PUT {location}?digest={DIGEST}"), &[], BYTES).await;
    assert_eq!((two.status, two.location()), (201, format!("/v2/b/blobs/{DIGEST}")));
    let sha512 = entrepot_oci::Digest::of(entrepot_oci::Algorithm::Sha512, BYTES);
    let long = registry.send(&format!("POST /v2/c/blobs/uploads/?digest={sha512}"), &[], BYTES).await;
    assert_eq!((long.status, long.location()), (201, format!("/v2/c/blobs/{sha512}")));
    assert_eq!(registry.push_blob("d", b"").await, sha256(b""));
    for path in [format!("a/blobs/{DIGEST}"), format!("b/blobs/{DIGEST}"), format!("c/blobs/{sha512}")] {
        assert_eq!(registry.ask(&format!("GET /v2/{path}")).await.body, BYTES, "{path}");
    }
}

#[tokio::test]
async fn a_chunk_out_of_order_changes_nothing() {
    let registry = Fixture::open();
    let location = start(&registry).await;
    registry.send(&format!("PATCH {location}"), &["content-range: 0-3"], &BYTES[..4]).await;
    let message = "the upload holds 4 bytes; the next chunk must start at 4";
    for request in [format!("PATCH {location}"), format!("PUT {location}?digest={DIGEST}")] {
        let answer = registry.send(&request, &["content-range: 5-9"], &BYTES[5..]).await;
        refused(&answer, 416, "RANGE_INVALID", message);
        assert_eq!((answer.header("range"), answer.location()), ("0-3", location.clone()));
    }
    let malformed = registry.send(&format!("PATCH {location}"), &["content-range: x"], &BYTES[4..]).await;
    let message = "Content-Range must be FIRST-LAST, the offsets of the first and the last byte";
    refused(&malformed, 416, "RANGE_INVALID", message);
    let rest =
        registry.send(&format!("PUT {location}?digest={DIGEST}"), &["content-range: 4-9"], &BYTES[4..]).await;
    assert_eq!(rest.status, 201, "{rest}");
}

#[tokio::test]
async fn bytes_that_are_not_what_they_should_be_are_refused() {
    let registry = Fixture::open();
    let before = registry.files();
    let wrong = sha256(b"something else");
    let message = format!("the content has the digest {DIGEST}, not {wrong}");
    let one = registry.send(&format!("POST /v2/a/blobs/uploads/?digest={wrong}"), &[], BYTES).await;
    refused(&one, 400, "DIGEST_INVALID", &message);
    let location = start(&registry).await;
    let two = registry.send(&format!("PUT {location}?digest={wrong}"), &[], BYTES).await;
    refused(&two, 400, "DIGEST_INVALID", &message);
    let short =
        registry.send(&format!("PATCH {}", start(&registry).await), &["content-range: 0-9"], "01234").await;
    refused(&short, 400, "SIZE_INVALID", "the request announced 10 bytes and its body has 5");
    let missing = registry.ask(&format!("PUT {}", start(&registry).await)).await;
    refused(
        &missing,
        400,
        "DIGEST_INVALID",
        "the query must carry the digest of the upload, as in ?digest=sha256:…",
    );
    for digest in [DIGEST.to_owned(), wrong.to_string()] {
        assert_eq!(registry.ask(&format!("HEAD /v2/a/blobs/{digest}")).await.status, 404);
    }
    let blobs = |files: Vec<String>| files.into_iter().filter(|file| file.contains("/blobs/")).count();
    assert_eq!(blobs(registry.files()), blobs(before));
}

#[tokio::test]
async fn a_body_that_breaks_off_can_be_gone_on_with() {
    let registry = Fixture::open();
    let location = start(&registry).await;
    let parts = [Ok(Bytes::from_static(&BYTES[..4])), Err(std::io::Error::other("gone"))];
    let answer =
        registry.send(&format!("PATCH {location}"), &[], Body::from_stream(stream::iter(parts))).await;
    assert_eq!(answer.status, 400, "{answer}");
    let status = registry.ask(&format!("GET {location}")).await;
    assert_eq!((status.status, status.header("range")), (204, "0-3"));
    let end =
        registry.send(&format!("PUT {location}?digest={DIGEST}"), &["content-range: 4-9"], &BYTES[4..]).await;
    assert_eq!(end.status, 201, "{end}");
}

#[tokio::test]
async fn a_cancelled_or_made_up_upload_is_unknown() {
    let registry = Fixture::open();
    let location = start(&registry).await;
    registry.send(&format!("PATCH {location}"), &[], BYTES).await;
    registry.ask(&format!("DELETE {location}")).await.is("
        204
        docker-distribution-api-version: registry/2.0
        x-content-type-options: nosniff
        x-request-id: <id>
    ");
    for target in [location.as_str(), "/v2/a/blobs/uploads/made-up"] {
        let answer = registry.ask(&format!("GET {target}")).await;
        refused(&answer, 404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload here; start a new one");
    }
}

#[tokio::test]
async fn a_blob_is_mounted_from_where_it_is() {
    let registry = Fixture::open();
    registry.push_blob("a", BYTES).await;
    registry.ask(&format!("POST /v2/b/blobs/uploads/?mount={DIGEST}&from=a")).await.is(&format!(
        "201
        docker-content-digest: {DIGEST}
        docker-distribution-api-version: registry/2.0
        location: /v2/b/blobs/{DIGEST}
        x-content-type-options: nosniff
        x-request-id: <id>"
    ));
    assert_eq!(registry.ask(&format!("GET /v2/b/blobs/{DIGEST}")).await.body, BYTES);
    // Where it is not, the client uploads it itself.
    for query in
        [format!("mount={DIGEST}&from=c"), format!("mount={DIGEST}"), format!("mount={DIGEST}&from=X")]
    {
        let answer = registry.ask(&format!("POST /v2/d/blobs/uploads/?{query}")).await;
        assert_eq!((answer.status, answer.header("range")), (202, "0-0"), "{query}");
    }
    assert_eq!(registry.ask(&format!("HEAD /v2/d/blobs/{DIGEST}")).await.status, 404);
}

#[tokio::test]
async fn a_whole_upload_that_breaks_off_leaves_nothing_for_nobody_has_its_name() {
    let registry = Fixture::open();
    let whole = format!("POST /v2/a/blobs/uploads/?digest={DIGEST}");
    let short = registry.send(&whole, &["content-range: 0-9"], &BYTES[..4]).await;
    assert_eq!((short.status, short.optional("location")), (400, None), "{short}");
    assert_eq!(registry.files(), [""; 0]);
}
