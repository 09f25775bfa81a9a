use std::sync::Arc;

use axum::body::Body;

use crate::fixture::{Fixture, MANIFEST, basic, image};

const LAYER: &[u8] = b"layer";

/// Requests of every permission, and what is answered when they are allowed.
const REQUESTS: [(&str, u16); 9] = [
    ("GET /v2/", 200),
    ("GET /v2/_catalog", 200),
    ("GET /v2/a/tags/list", 200),
    ("GET /v2/a/manifests/v1", 200),
    ("HEAD /v2/a/manifests/absent", 404),
    ("POST /v2/a/blobs/uploads/", 202),
    ("PUT /v2/b/manifests/v1", 400),
    ("DELETE /v2/a/manifests/absent", 404),
    ("GET /v2/a/blobs/uploads/made-up", 404),
];

async fn statuses(registry: &Fixture, headers: &[&str]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for (request, _) in REQUESTS {
        statuses.push(registry.send(request, headers, Body::empty()).await.status);
    }
    statuses
}

async fn filled() -> Fixture {
    let registry = Fixture::with_users();
    let ada = basic("ada", "a");
    for blob in [b"{}".as_slice(), LAYER] {
        let request = format!("POST /v2/a/blobs/uploads/?digest={}", crate::fixture::sha256(blob));
        assert_eq!(registry.send(&request, &[&ada], blob.to_vec()).await.status, 201);
    }
    let headers = [ada.as_str(), &format!("content-type: {MANIFEST}")];
    let answer = registry.send("PUT /v2/a/manifests/v1", &headers, image(LAYER).to_string()).await;
    assert_eq!(answer.status, 201, "{answer}");
    registry
}

#[tokio::test]
async fn users_may_do_what_is_theirs() {
    let registry = filled().await;
    let allowed: Vec<u16> = REQUESTS.iter().map(|(_, status)| *status).collect();
    assert_eq!(statuses(&registry, &[&basic("ada", "a")]).await, allowed);
    let pull = [200, 200, 200, 200, 404, 403, 403, 403, 403];
    assert_eq!(statuses(&registry, &[&basic("pull", "p")]).await, pull);
}

#[tokio::test]
async fn nobody_learns_anything() {
    let registry = filled().await;
    let before = registry.files();
    let wrong = [basic("ada", "b"), basic("eve", "a"), basic("", ""), "authorization: Bearer x".into()];
    for header in wrong.iter().map(|header| vec![header.as_str()]).chain([vec![]]) {
        assert_eq!(statuses(&registry, &header).await, [401; 9], "{header:?}");
        // Not even which paths there are.
        assert_eq!(registry.send("GET /v2/A/tags/list", &header, Body::empty()).await.status, 401);
        assert_eq!(registry.send("BREW /v2/x", &header, Body::empty()).await.status, 401);
    }
    assert_eq!(registry.files(), before);
}

#[tokio::test]
async fn a_refusal_carries_the_challenge() {
    let registry = Fixture::with_users();
    registry.ask("GET /v2/").await.is(r#"
        401
        content-type: application/json
        docker-distribution-api-version: registry/2.0
        www-authenticate: Basic realm="Team registry"
        x-content-type-options: nosniff
        x-request-id: <id>

        {"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}
    "#);
    registry.send("GET /v2/a/manifests/v1", &[&basic("ada", "b")], Body::empty()).await.is(r#"
        401
        content-type: application/json
        docker-distribution-api-version: registry/2.0
        www-authenticate: Basic realm="Team registry"
        x-content-type-options: nosniff
        x-request-id: <id>

        {"errors":[{"code":"UNAUTHORIZED","message":"the user name or the password is wrong"}]}
    "#);
}

#[tokio::test]
async fn a_pull_only_user_is_told_why_it_may_not_push() {
    let registry = Fixture::with_users();
    let answer =
        registry.send("POST /v2/team/app/blobs/uploads/", &[&basic("pull", "p")], Body::empty()).await;
    answer.is(r#"
        403
        content-type: application/json
        docker-distribution-api-version: registry/2.0
        x-content-type-options: nosniff
        x-request-id: <id>

        {"errors":[{"code":"DENIED","message":"user `pull` may only pull; to push to team/app use the credentials of another user"}]}
    "#);
}

#[tokio::test]
async fn an_upload_belongs_to_who_began_it() {
    let registry = Fixture::with_users();
    let ada = basic("ada", "a");
    let location = registry.send("POST /v2/a/blobs/uploads/", &[&ada], Body::empty()).await.location();
    assert_eq!(registry.send(&format!("GET {location}"), &[&ada], Body::empty()).await.status, 204);
    let elsewhere = location.replace("/v2/a/", "/v2/b/");
    assert_eq!(registry.send(&format!("GET {elsewhere}"), &[&ada], Body::empty()).await.status, 404);
}

#[tokio::test]
async fn many_requests_with_one_password_are_all_let_in() {
    let registry = Arc::new(Fixture::with_users());
    // More than may wait at once: only one of them has its password checked, and the others learn the result.
    let asked: Vec<_> = (0..200)
        .map(|_| {
            let registry = Arc::clone(&registry);
            tokio::spawn(async move {
                registry.send("GET /v2/", &[&basic("ada", "a")], Body::empty()).await.status
            })
        })
        .collect();
    for answered in asked {
        assert_eq!(answered.await.unwrap(), 200);
    }
}
