use axum::body::Body;

use crate::fixture::{Fixture, sha256};

const BYTES: &[u8] = b"0123456789";
const DIGEST: &str = "sha256:84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";

async fn filled() -> Fixture {
    let registry = Fixture::open();
    assert_eq!(registry.push_blob("a", BYTES).await.to_string(), DIGEST);
    registry
}

#[tokio::test]
async fn a_blob_is_served_whole() {
    let registry = filled().await;
    let headers = |length: &str| {
        format!(
            "200
        accept-ranges: bytes
        cache-control: max-age=31536000{length}
        content-type: application/octet-stream
        docker-content-digest: {DIGEST}
        docker-distribution-api-version: registry/2.0
        etag: \"{DIGEST}\"
        x-content-type-options: nosniff
        x-request-id: <id>"
        )
    };
    registry.ask(&format!("HEAD /v2/a/blobs/{DIGEST}")).await.is(&headers("\ncontent-length: 10"));
    registry.ask(&format!("GET /v2/a/blobs/{DIGEST}")).await.is(&format!("{}\n\n0123456789", headers("")));
}

#[tokio::test]
async fn a_part_is_served() {
    let registry = filled().await;
    let get = async |range: &str| {
        let headers = [format!("range: {range}")];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        registry.send(&format!("GET /v2/a/blobs/{DIGEST}"), &headers, Body::empty()).await
    };
    get("bytes=2-4").await.is(&format!(
        "206
        accept-ranges: bytes
        cache-control: max-age=31536000
        content-range: bytes 2-4/10
        content-type: application/octet-stream
        docker-content-digest: {DIGEST}
        docker-distribution-api-version: registry/2.0
        etag: \"{DIGEST}\"
        x-content-type-options: nosniff
        x-request-id: <id>

        234"
    ));
    get("bytes=10-").await.is(r#"
        416
        content-range: bytes */10
        content-type: application/json
        docker-distribution-api-version: registry/2.0
        x-content-type-options: nosniff
        x-request-id: <id>

        {"errors":[{"code":"RANGE_INVALID","message":"the range lies outside the 10 bytes of the blob"}]}
    "#);
    let bodies =
        [("bytes=8-", "89"), ("bytes=-3", "789"), ("bytes=5-100", "56789"), ("bytes=0-1,3-4", "0123456789")];
    for (range, expected) in bodies {
        assert_eq!(get(range).await.body, expected.as_bytes(), "{range}");
    }
}

#[tokio::test]
async fn conditions_are_honoured() {
    let registry = filled().await;
    let get = async |headers: &[&str]| {
        registry.send(&format!("GET /v2/a/blobs/{DIGEST}"), headers, Body::empty()).await
    };
    let current = format!("if-none-match: \"x\", \"{DIGEST}\"");
    assert_eq!(get(&[&current]).await.status, 304);
    let head = registry.send(&format!("HEAD /v2/a/blobs/{DIGEST}"), &[&current], Body::empty()).await;
    assert_eq!((head.status, head.header("content-length")), (304, "10"));
    assert_eq!(get(&["if-none-match: \"x\""]).await.status, 200);
    assert_eq!(get(&["range: bytes=0-1", &format!("if-range: \"{DIGEST}\"")]).await.status, 206);
    assert_eq!(get(&["range: bytes=0-1", "if-range: \"x\""]).await.status, 200);
}

#[tokio::test]
async fn a_blob_of_another_repository_is_absent() {
    let registry = filled().await;
    registry.ask(&format!("GET /v2/b/blobs/{DIGEST}")).await.is(&format!(
        r#"404
        content-type: application/json
        docker-distribution-api-version: registry/2.0
        x-content-type-options: nosniff
        x-request-id: <id>

        {{"errors":[{{"code":"BLOB_UNKNOWN","message":"repository b has no blob {DIGEST}"}}]}}"#
    ));
    registry.ask(&format!("HEAD /v2/b/blobs/{DIGEST}")).await.is("
        404
        content-length: 145
        content-type: application/json
        docker-distribution-api-version: registry/2.0
        x-content-type-options: nosniff
        x-request-id: <id>
    ");
}

#[tokio::test]
async fn a_deleted_blob_is_gone_at_once() {
    let registry = filled().await;
    registry.ask(&format!("DELETE /v2/a/blobs/{DIGEST}")).await.is(&format!(
        "202
        docker-content-digest: {DIGEST}
        docker-distribution-api-version: registry/2.0
        x-content-type-options: nosniff
        x-request-id: <id>"
    ));
    assert_eq!(registry.ask(&format!("GET /v2/a/blobs/{DIGEST}")).await.status, 404);
    assert_eq!(registry.ask(&format!("DELETE /v2/a/blobs/{DIGEST}")).await.status, 404);
}

#[tokio::test]
async fn a_blob_that_a_manifest_needs_is_not_deleted() {
    let registry = Fixture::open();
    let manifest = registry.push_image("a", "v1", BYTES).await;
    let answer = registry.ask(&format!("DELETE /v2/a/blobs/{DIGEST}")).await;
    let message =
        format!("blob {DIGEST} is referenced by manifest {manifest} of this repository; delete that first");
    assert_eq!(answer.status, 405, "{answer}");
    assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
    assert!(String::from_utf8_lossy(&answer.body).contains(&message), "{answer}");
    assert_eq!(registry.ask(&format!("GET /v2/a/blobs/{DIGEST}")).await.body, BYTES);
}

#[tokio::test]
async fn deleting_can_be_switched_off() {
    let registry = Fixture::with(|app| app.delete_enabled = false);
    registry.push_image("a", "v1", BYTES).await;
    for target in ["manifests/v1".into(), format!("blobs/{DIGEST}"), format!("blobs/{}", sha256(b"absent"))] {
        registry.ask(&format!("DELETE /v2/a/{target}")).await.is(r#"
            405
            allow: GET, HEAD, OPTIONS
            content-type: application/json
            docker-distribution-api-version: registry/2.0
            x-content-type-options: nosniff
            x-request-id: <id>

            {"errors":[{"code":"UNSUPPORTED","message":"deleting is disabled in this registry's configuration (storage.delete.enabled)"}]}
        "#);
    }
    assert_eq!(registry.ask("GET /v2/a/manifests/v1").await.status, 200);
}
