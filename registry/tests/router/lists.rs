use crate::fixture::Fixture;

async fn filled() -> Fixture {
    let registry = Fixture::open();
    for (repository, tag) in
        [("a", "v1"), ("a", "v2"), ("a", "V3"), ("a-b", "v1"), ("a/b", "v1"), ("b", "v1")]
    {
        registry.push_image(repository, tag, b"layer").await;
    }
    registry
}

#[tokio::test]
async fn tags_are_sorted() {
    filled().await.ask("GET /v2/a/tags/list").await.is(r#"
        200
        content-type: application/json
        docker-distribution-api-version: registry/2.0
        x-content-type-options: nosniff
        x-request-id: <id>

        {"name":"a","tags":["V3","v1","v2"]}
    "#);
}

#[tokio::test]
async fn tags_come_in_parts() {
    let registry = filled().await;
    registry.ask("GET /v2/a/tags/list?n=2").await.is(r#"
        200
        content-type: application/json
        docker-distribution-api-version: registry/2.0
        link: </v2/a/tags/list?n=2&last=v1>; rel="next"
        x-content-type-options: nosniff
        x-request-id: <id>

        {"name":"a","tags":["V3","v1"]}
    "#);
    let bodies = [
        ("n=2&last=v1", r#"{"name":"a","tags":["v2"]}"#),
        ("last=V3", r#"{"name":"a","tags":["v1","v2"]}"#),
        ("last=v", r#"{"name":"a","tags":["v1","v2"]}"#),
        ("n=0", r#"{"name":"a","tags":[]}"#),
    ];
    for (query, expected) in bodies {
        let answer = registry.ask(&format!("GET /v2/a/tags/list?{query}")).await;
        assert_eq!(String::from_utf8_lossy(&answer.body), expected, "{query}");
        assert!(!answer.to_string().contains("link:"), "{answer}");
    }
}

#[tokio::test]
async fn a_repository_without_manifests_has_no_list() {
    let registry = Fixture::open();
    registry.push_blob("a", b"layer").await;
    registry.ask("GET /v2/a/tags/list").await.is(r#"
        404
        content-type: application/json
        docker-distribution-api-version: registry/2.0
        x-content-type-options: nosniff
        x-request-id: <id>

        {"errors":[{"code":"NAME_UNKNOWN","message":"there is no repository a"}]}
    "#);
}

#[tokio::test]
async fn repositories_come_in_parts_that_miss_none() {
    let registry = filled().await;
    registry.ask("GET /v2/_catalog").await.is(r#"
        200
        content-type: application/json
        docker-distribution-api-version: registry/2.0
        x-content-type-options: nosniff
        x-request-id: <id>

        {"repositories":["a","a-b","a/b","b"]}
    "#);
    let (mut next, mut found) = (Some("/v2/_catalog?n=1".to_owned()), Vec::new());
    while let Some(path) = next {
        let answer = registry.ask(&format!("GET {path}")).await;
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        found.extend(body["repositories"].as_array().unwrap().clone());
        next = answer.optional("link").map(|link| {
            let link = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
            link.unwrap().to_owned()
        });
    }
    assert_eq!(found, ["a", "a-b", "a/b", "b"]);
}

#[tokio::test]
async fn a_repository_leaves_the_catalog_with_its_last_manifest() {
    let registry = filled().await;
    let digest = registry.push_image("b", "v1", b"layer").await;
    assert_eq!(registry.ask(&format!("DELETE /v2/b/manifests/{digest}")).await.status, 202);
    let catalog = registry.ask("GET /v2/_catalog").await;
    assert_eq!(String::from_utf8_lossy(&catalog.body), r#"{"repositories":["a","a-b","a/b"]}"#);
    assert_eq!(registry.ask("GET /v2/b/tags/list").await.status, 404);
}
