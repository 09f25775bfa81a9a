//! Objects of somebody else that have the names a Registry needs.

use entrepot_kind_tests::wait::{Seen, wait_until};
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use crate::support::{BOUND, Story, small};

#[tokio::test]
async fn a_foreign_service_is_left_alone_until_its_owner_removes_it() {
    let story = Story::begin("foreign-service").await;
    let services: Api<Service> = story.api();
    let foreign = json!({"metadata": {"name": "main"}, "spec": {"ports": [{"port": 80}], "selector": {"app": "theirs"}}});
    services.create(&PostParams::default(), &serde_json::from_value(foreign).unwrap()).await.unwrap();
    let before = services.get("main").await.unwrap();

    let names = story.create("main", small()).await;
    let message = story.condition(&names, "Ready", "False", "NameConflict").await;
    assert!(message.contains("Service main is not this Registry's"), "{message}");
    story.condition(&names, "Stalled", "True", "NameConflict").await;
    // The whole object, so its resource version as well: nobody wrote to it.
    assert_eq!(services.get("main").await.unwrap(), before);

    services.delete("main", &DeleteParams::default()).await.unwrap();
    story.ready(&names).await;
}

#[tokio::test]
async fn a_foreign_secret_is_left_alone_until_its_owner_removes_it() {
    let story = Story::begin("foreign-secret").await;
    let secrets: Api<Secret> = story.api();
    let foreign = json!({"metadata": {"name": "main-entrepot-ca"}, "stringData": {"mine": "yes"}});
    secrets.create(&PostParams::default(), &serde_json::from_value(foreign).unwrap()).await.unwrap();
    let before = secrets.get("main-entrepot-ca").await.unwrap();

    let names = story.create("main", small()).await;
    let message = story.condition(&names, "Ready", "False", "NameConflict").await;
    assert!(message.contains("Secret main-entrepot-ca is not this Registry's"), "{message}");
    assert_eq!(secrets.get("main-entrepot-ca").await.unwrap(), before);
    // Deleting the Registry is no reason to touch it either, not even under a policy that deletes what is kept.
    story.patch(&names, json!({"deletionPolicy": "Delete"})).await;
    story.condition(&names, "Stalled", "True", "NameConflict").await;
    story.delete(&names).await;
    assert_eq!(secrets.get("main-entrepot-ca").await.unwrap(), before);

    let names = story.create("main", small()).await;
    story.condition(&names, "Stalled", "True", "NameConflict").await;
    secrets.delete("main-entrepot-ca", &DeleteParams::default()).await.unwrap();
    story.ready(&names).await;
    let made = || async {
        let data = secrets.get("main-entrepot-ca").await?.data.unwrap_or_default();
        Ok::<_, kube::Error>(Seen::when(
            data.contains_key("tls.crt"),
            (),
            data.keys().cloned().collect::<Vec<_>>(),
        ))
    };
    wait_until("an authority of our own", BOUND, made).await.unwrap();
}
