use entrepot_registry::http::Locations;

use crate::fixture::Fixture;

#[tokio::test]
async fn the_version_check_answers_as_distribution_does() {
    let registry = Fixture::open();
    registry.ask("GET /v2/").await.is("
        200
        content-type: application/json
        docker-distribution-api-version: registry/2.0
        x-content-type-options: nosniff
        x-request-id: <id>

        {}
    ");
    registry.ask("HEAD /v2/").await.is("
        200
        content-length: 2
        content-type: application/json
        docker-distribution-api-version: registry/2.0
        x-content-type-options: nosniff
        x-request-id: <id>
    ");
}

#[tokio::test]
async fn the_root_says_that_a_server_is_there() {
    Fixture::with_users().ask("GET /").await.is("
        200
        x-content-type-options: nosniff
        x-request-id: <id>
    ");
}

#[tokio::test]
async fn what_is_not_served_says_so() {
    let registry = Fixture::open();
    registry.ask("GET /v1/search").await.is(r#"
        404
        content-type: application/json
        x-content-type-options: nosniff
        x-request-id: <id>

        {"errors":[{"code":"UNSUPPORTED","message":"nothing is served at this path; the API begins at /v2/"}]}
    "#);
    registry.ask("POST /v2/a/tags/list").await.is(r#"
        405
        allow: GET, HEAD, OPTIONS
        content-type: application/json
        docker-distribution-api-version: registry/2.0
        x-content-type-options: nosniff
        x-request-id: <id>

        {"errors":[{"code":"UNSUPPORTED","message":"this method is not supported here; use GET, HEAD, OPTIONS"}]}
    "#);
    registry.ask("OPTIONS /v2/a/manifests/v1").await.is("
        204
        allow: GET, HEAD, PUT, DELETE, OPTIONS
        docker-distribution-api-version: registry/2.0
        x-content-type-options: nosniff
        x-request-id: <id>
    ");
}

#[tokio::test]
async fn malformed_names_are_refused_with_the_rule_they_break() {
    let registry = Fixture::open();
    let cases = [
        ("GET /v2/A/tags/list", "NAME_INVALID"),
        ("GET /v2/a/../b/manifests/v1", "NAME_INVALID"),
        ("GET /v2/a/manifests/.v1", "TAG_INVALID"),
        ("GET /v2/a/manifests/sha256:abc", "DIGEST_INVALID"),
        ("GET /v2/a/blobs/md5:abc", "DIGEST_INVALID"),
        ("POST /v2/a/blobs/uploads/?digest=x", "DIGEST_INVALID"),
        ("GET /v2/_catalog?n=many", "PAGINATION_NUMBER_INVALID"),
    ];
    for (request, code) in cases {
        let answer = registry.ask(request).await;
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, &body["errors"][0]["code"]), (400, &code.into()), "{request}\n{answer}");
    }
    let name = "a/".repeat(127) + "bb";
    let answer = registry.ask(&format!("GET /v2/{name}/tags/list")).await;
    assert!(String::from_utf8_lossy(&answer.body).contains("at most 255 characters"), "{answer}");
}

#[tokio::test]
async fn a_host_makes_locations_absolute() {
    let host = "https://registry.example.com".parse().unwrap();
    let registry = Fixture::with(|app| app.locations = Locations::new(Some(&host)));
    let answer = registry.ask("POST /v2/a/blobs/uploads/").await;
    assert!(
        answer.header("location").starts_with("https://registry.example.com/v2/a/blobs/uploads/"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_stopping_server_reads_and_changes_nothing() {
    let registry = Fixture::open();
    registry.push_image("a", "v1", b"layer").await;
    registry.gate.shut().await;
    assert_eq!(registry.ask("GET /v2/a/manifests/v1").await.status, 200);
    let before = registry.files();
    for request in ["POST /v2/a/blobs/uploads/", "PUT /v2/a/manifests/v2", "DELETE /v2/a/manifests/v1"] {
        registry.ask(request).await.is(r#"
            503
            content-type: application/json
            docker-distribution-api-version: registry/2.0
            retry-after: 5
            x-content-type-options: nosniff
            x-request-id: <id>

            {"errors":[{"code":"UNAVAILABLE","message":"this registry is stopping and takes no more changes; try again in a few seconds"}]}
        "#);
    }
    assert_eq!(registry.files(), before);
}

#[tokio::test]
async fn every_answer_is_counted() {
    let registry = Fixture::open();
    registry.ask("GET /v2/").await;
    registry.ask("GET /v2/a/manifests/v1").await;
    let text = registry.metrics.encode();
    for line in [
        "registry_http_requests_total{code=\"200\",handler=\"base\",method=\"get\"} 1",
        "registry_http_requests_total{code=\"404\",handler=\"manifest\",method=\"get\"} 1",
        "registry_http_in_flight_requests{handler=\"manifest\"} 0",
        "registry_http_response_size_bytes_sum{handler=\"base\"} 2.0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}
