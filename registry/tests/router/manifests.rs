use axum::body::Body;
use entrepot_oci::{Algorithm, Digest};
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    fixture::{CONFIG, Fixture, INDEX, LAYER, MANIFEST, image, sha256},
};

async fn put(registry: &Fixture, target: &str, media_type: &str, body: &Value) -> Answer {
    let request = format!("PUT /v2/{target}");
    registry.send(&request, &[&format!("content-type: {media_type}")], body.to_string()).await
}

fn codes(answer: &Answer) -> (u16, Vec<String>) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let code = |error: &Value| error["code"].as_str().unwrap().to_owned();
    (answer.status, body["errors"].as_array().unwrap().iter().map(code).collect())
}

fn message(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    body["errors"][0]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn is_stored_and_served_byte_for_byte() {
    let registry = Fixture::open();
    registry.push_image("a", "v0", b"layer").await;
    // Unusual spacing is part of what the digest is of.
    let bytes = image(b"layer").to_string().replace("\"layers\"", "  \"layers\"");
    let digest = sha256(bytes.as_bytes());
    let headers = [format!("content-type: {MANIFEST}")];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    registry.send("PUT /v2/a/manifests/v1", &headers, bytes.clone()).await.is(&format!(
        "201
        docker-content-digest: {digest}
        docker-distribution-api-version: registry/2.0
        location: /v2/a/manifests/{digest}
        x-content-type-options: nosniff
        x-request-id: <id>"
    ));
    let expected = |length: &str| {
        format!(
            "200{length}
        content-type: {MANIFEST}
        docker-content-digest: {digest}
        docker-distribution-api-version: registry/2.0
        etag: \"{digest}\"
        x-content-type-options: nosniff
        x-request-id: <id>"
        )
    };
    let length = format!("\ncontent-length: {}", bytes.len());
    for reference in ["v1".to_owned(), digest.to_string()] {
        registry.ask(&format!("HEAD /v2/a/manifests/{reference}")).await.is(&expected(&length));
        registry
            .ask(&format!("GET /v2/a/manifests/{reference}"))
            .await
            .is(&format!("{}\n\n{bytes}", expected("")));
    }
}

/// Distribution specification, "Pushing Manifests": `?tag=` beside a digest.
#[tokio::test]
async fn gets_several_tags_in_one_request() {
    let registry = Fixture::open();
    let old = registry.push_image("a", "latest", b"old").await;
    registry.push_blob("a", b"new").await;
    let bytes = image(b"new").to_string();
    let digest = Digest::of(Algorithm::Sha512, bytes.as_bytes());
    let target = format!("a/manifests/{digest}?tag=v1&tag=latest&tag=v1");
    put(&registry, &target, MANIFEST, &image(b"new")).await.is(&format!(
        "201
        docker-content-digest: {digest}
        docker-distribution-api-version: registry/2.0
        location: /v2/a/manifests/{digest}
        oci-tag: latest
        oci-tag: v1
        x-content-type-options: nosniff
        x-request-id: <id>"
    ));
    for (reference, expected) in [("v1", &digest), ("latest", &digest), (old.to_string().as_str(), &old)] {
        let answer = registry.ask(&format!("GET /v2/a/manifests/{reference}")).await;
        assert_eq!(
            (answer.status, answer.header("docker-content-digest")),
            (200, expected.to_string().as_str())
        );
    }
    let malformed =
        put(&registry, &format!("a/manifests/{digest}?tag=v2&tag=-"), MANIFEST, &image(b"new")).await;
    assert_eq!(codes(&malformed), (400, vec!["TAG_INVALID".to_owned()]));
    assert_eq!(registry.ask("GET /v2/a/manifests/v2").await.status, 404);
}

#[tokio::test]
async fn is_served_whatever_is_accepted() {
    let registry = Fixture::open();
    let digest = registry.push_image("a", "v1", b"layer").await;
    for accept in [
        "accept: */*",
        "accept: text/html",
        "accept: application/vnd.docker.distribution.manifest.v1+json",
        "accept:  ",
    ] {
        let answer = registry.send("GET /v2/a/manifests/v1", &[accept], Body::empty()).await;
        assert_eq!(
            (answer.status, answer.header("content-type"), sha256(&answer.body)),
            (200, MANIFEST, digest.clone())
        );
    }
    let known = format!("if-none-match: \"{digest}\"");
    assert_eq!(registry.send("GET /v2/a/manifests/v1", &[&known], Body::empty()).await.status, 304);
    let head = registry.send("HEAD /v2/a/manifests/v1", &[&known], Body::empty()).await;
    let whole = registry.ask("HEAD /v2/a/manifests/v1").await;
    assert_eq!((head.status, head.header("content-length")), (304, whole.header("content-length")));
}

#[tokio::test]
async fn an_index_and_the_images_in_it() {
    let registry = Fixture::open();
    let child = registry.push_image("a", "amd64", b"layer").await;
    let absent = sha256(b"an image that is elsewhere");
    let entry = |digest: &Digest, size: usize| json!({"mediaType": MANIFEST, "digest": digest, "size": size});
    let manifests = json!([entry(&child, image(b"layer").to_string().len()), entry(&absent, 5)]);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    let digest = sha256(index.to_string().as_bytes());
    let answer = put(&registry, &format!("a/manifests/{digest}"), INDEX, &index).await;
    assert_eq!((answer.status, answer.location()), (201, format!("/v2/a/manifests/{digest}")), "{answer}");
    let answer = put(&registry, "a/manifests/multi", INDEX, &index).await;
    assert_eq!(answer.header("docker-content-digest"), digest.to_string());
    let got = registry.ask("GET /v2/a/manifests/multi").await;
    assert_eq!((got.header("content-type"), got.body.as_slice()), (INDEX, index.to_string().as_bytes()));
}

#[tokio::test]
async fn what_it_refers_to_must_be_there() {
    let registry = Fixture::open();
    registry.push_blob("a", b"{}").await;
    registry.push_blob("a", b"layer").await;
    let (missing, wrong_size) = (sha256(b"missing"), sha256(b"layer"));
    let mut manifest = image(b"layer");
    manifest["layers"] = json!([
        {"mediaType": LAYER, "digest": missing, "size": 7},
        {"mediaType": LAYER, "digest": wrong_size, "size": 6},
    ]);
    let before = registry.files();
    let answer = put(&registry, "a/manifests/v1", MANIFEST, &manifest).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let expected = json!({"errors": [
        {
            "code": "MANIFEST_BLOB_UNKNOWN",
            "message": format!("blob {missing} is not in this repository"),
            "detail": {"digest": missing},
        },
        {
            "code": "MANIFEST_INVALID",
            "message": format!("blob {wrong_size} has 5 bytes, not the 6 that the manifest declares"),
            "detail": {"digest": wrong_size},
        },
    ]});
    assert_eq!((answer.status, body), (400, expected));
    // A blob of another repository does not count: its digest alone would grant reading it.
    assert_eq!(
        codes(&put(&registry, "b/manifests/v1", MANIFEST, &image(b"layer")).await),
        (400, vec!["MANIFEST_BLOB_UNKNOWN".into(), "MANIFEST_BLOB_UNKNOWN".into()])
    );
    assert_eq!(registry.files(), before);
    assert_eq!(registry.ask("GET /v2/a/manifests/v1").await.status, 404);
}

#[tokio::test]
async fn what_is_no_manifest_is_refused() {
    let registry = Fixture::open();
    registry.push_blob("a", b"{}").await;
    registry.push_blob("a", b"layer").await;
    let mut both = image(b"layer");
    both["manifests"] = json!([]);
    let schema_one = json!({"schemaVersion": 1, "name": "a", "tag": "v1", "fsLayers": [], "history": []});
    let cases = [
        (MANIFEST, json!("text"), "the manifest cannot be read: "),
        (MANIFEST, schema_one, "this is a Docker schema 1 manifest, which is no longer accepted"),
        (MANIFEST, both, "the manifest has both `manifests` and `layers` or `config`"),
        (INDEX, image(b"layer"), "Content-Type says `application/vnd.oci.image.index.v1+json`"),
        (MANIFEST, json!({"schemaVersion": 2}), "the manifest has neither"),
    ];
    for (media_type, body, expected) in cases {
        let answer = put(&registry, "a/manifests/v1", media_type, &body).await;
        assert_eq!(codes(&answer), (400, vec!["MANIFEST_INVALID".into()]), "{answer}");
        assert!(message(&answer).starts_with(expected), "{answer}");
    }
    let answer = put(&registry, &format!("a/manifests/{}", sha256(b"x")), MANIFEST, &image(b"layer")).await;
    assert_eq!(codes(&answer), (400, vec!["DIGEST_INVALID".into()]));
    assert_eq!(registry.ask("GET /v2/a/manifests/v1").await.status, 404);
}

#[tokio::test]
async fn four_mebibytes_are_accepted_and_no_more() {
    let registry = Fixture::open();
    registry.push_blob("a", b"{}").await;
    let padded = |size: usize| {
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": sha256(b"{}"), "size": 2},
            "layers": [],
            "annotations": {"padding": ""},
        });
        let padding = size - manifest.to_string().len();
        manifest["annotations"]["padding"] = "x".repeat(padding).into();
        manifest.to_string()
    };
    let limit = 4 * 1024 * 1024;
    let put = async |size: usize, headers: &[&str]| {
        registry.send("PUT /v2/a/manifests/big", headers, padded(size)).await
    };
    assert_eq!(put(limit, &[]).await.status, 201);
    // Told by its length, and, where there is none, by its bytes.
    for headers in [vec![], vec!["content-length: 4194305"]] {
        let answer = put(limit + 1, &headers).await;
        assert_eq!(codes(&answer), (413, vec!["MANIFEST_INVALID".into()]), "{answer}");
        assert_eq!(message(&answer), "the manifest has 4194305 bytes; at most 4194304 are accepted");
    }
}

#[tokio::test]
async fn an_unknown_one_is_named() {
    let registry = Fixture::open();
    registry.ask("GET /v2/team/app/manifests/v1").await.is(r#"
        404
        content-type: application/json
        docker-distribution-api-version: registry/2.0
        x-content-type-options: nosniff
        x-request-id: <id>

        {"errors":[{"code":"MANIFEST_UNKNOWN","message":"repository team/app has no manifest v1"}]}
    "#);
}

#[tokio::test]
async fn a_deleted_one_takes_its_tags_along_and_a_tag_no_other() {
    let registry = Fixture::open();
    let digest = registry.push_image("a", "v1", b"layer").await;
    registry.push_image("a", "v2", b"layer").await;
    registry.push_image("a", "other", b"other").await;
    let accepted = "
        202
        docker-distribution-api-version: registry/2.0
        x-content-type-options: nosniff
        x-request-id: <id>
    ";
    registry.ask("DELETE /v2/a/manifests/v1").await.is(accepted);
    let statuses = async || {
        let mut statuses = Vec::new();
        for reference in ["v1", "v2", "other", &digest.to_string()] {
            statuses.push(registry.ask(&format!("GET /v2/a/manifests/{reference}")).await.status);
        }
        statuses
    };
    assert_eq!(statuses().await, [404, 200, 200, 200]);
    registry.ask(&format!("DELETE /v2/a/manifests/{digest}")).await.is(accepted);
    assert_eq!(statuses().await, [404, 404, 200, 404]);
    let again = registry.ask(&format!("DELETE /v2/a/manifests/{digest}")).await;
    assert_eq!(codes(&again), (404, vec!["MANIFEST_UNKNOWN".into()]));
}
