//! What a Registry leaves behind, and what it takes up again.

use std::collections::BTreeMap;

use entrepot_crds::names::Names;
use entrepot_kind_tests::{Node, crane::Crane, demo};
use k8s_openapi::{
    ByteString,
    api::core::v1::{PersistentVolumeClaim, Secret},
};
use kube::{Api, ResourceExt, api::PostParams};
use serde_json::{Value, json};

use crate::support::{Story, small};

#[tokio::test]
async fn a_registry_made_again_has_its_images_authority_and_credentials_until_it_is_told_to_delete_them() {
    let story = Story::begin("retain").await;
    let names = story.create("main", small()).await;
    let digest = push(&story, &names).await;
    let (kept, claim) = (kept(&story, &names).await, uid(&story, &names.data_claim()).await);

    story.delete(&names).await;
    assert_eq!(self::kept(&story, &names).await, kept);
    story.create("main", small()).await;
    assert_eq!(pulled(&story, &names).await, digest);
    assert_eq!(self::kept(&story, &names).await, kept);
    assert_eq!(uid(&story, &names.data_claim()).await, claim);

    story.patch(&names, json!({"deletionPolicy": "Delete"})).await;
    story.ready(&names).await;
    story.delete(&names).await;
    story.gone::<PersistentVolumeClaim>(&names.data_claim()).await;
    for secret in kept.keys() {
        story.gone::<Secret>(secret).await;
    }
}

#[tokio::test]
async fn an_existing_claim_outlives_the_registry_whatever_its_policy() {
    let story = Story::begin("existing-claim").await;
    let claim: PersistentVolumeClaim = serde_json::from_value(json!({
        "metadata": {"name": "mine"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }))
    .unwrap();
    story.api().create(&PostParams::default(), &claim).await.unwrap();
    let mine = uid(&story, "mine").await;
    let spec: Value = json!({"storage": {"volume": {"existingClaim": "mine"}}, "deletionPolicy": "Delete"});
    let names = story.create("main", spec.clone()).await;
    let digest = push(&story, &names).await;

    story.delete(&names).await;
    story.gone::<Secret>(&names.ca_secret()).await;
    let claims: Api<PersistentVolumeClaim> = story.api();
    let claim = claims.get("mine").await.unwrap();
    assert_eq!((claim.uid().unwrap(), claim.metadata.deletion_timestamp), (mine, None));
    story.create("main", spec).await;
    assert_eq!(pulled(&story, &names).await, digest);
}

/// Pushes an image and answers its digest.
async fn push(story: &Story, names: &Names) -> String {
    let access = story.usable(names).await;
    let folder = tempfile::tempdir().unwrap();
    let [image, _] = demo::images::make(&folder).unwrap();
    let crane = Crane::new(&story.cluster, Node::N1, &access, &access.admin).unwrap();
    crane.push(&image.layout, "kept/app:1").await.unwrap()
}

/// Pulls that image with every layer, and answers its digest.
async fn pulled(story: &Story, names: &Names) -> String {
    let access = story.usable(names).await;
    let crane = Crane::new(&story.cluster, Node::N1, &access, &access.admin).unwrap();
    crane.run(&["validate", "--remote", &crane.reference("kept/app:1")]).await.unwrap();
    crane.digest("kept/app:1").await.unwrap()
}

/// The Secrets that a Registry cannot make again, with their UIDs and content.
async fn kept(story: &Story, names: &Names) -> BTreeMap<String, (String, BTreeMap<String, ByteString>)> {
    let api: Api<Secret> = story.api();
    let mut kept = BTreeMap::new();
    for name in [names.ca_secret(), names.admin_secret(), names.pull_secret(), names.keys_secret()] {
        let secret = api.get(&name).await.unwrap();
        kept.insert(name, (secret.uid().unwrap(), secret.data.unwrap()));
    }
    kept
}

async fn uid(story: &Story, claim: &str) -> String {
    let claims: Api<PersistentVolumeClaim> = story.api();
    claims.get(claim).await.unwrap().uid().unwrap()
}
