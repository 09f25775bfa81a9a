//! Deleting a Registry: what stays, what goes, and what a Registry of the same name takes up.

use entrepot_crds::{DeletionPolicy, Registry, labels};
use entrepot_kind_tests::wait::{Seen, wait_until};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::world::{
    BOUND, children, children_with, collected_client, create, namespace, registries, round, settle,
};

const KEPT: [&str; 5] = [
    "persistentvolumeclaims/main-entrepot-data",
    "secrets/main-entrepot-admin",
    "secrets/main-entrepot-ca",
    "secrets/main-entrepot-keys",
    "secrets/main-entrepot-pull",
];

/// Deletes the Registry and gives the operator a round, as the watch would.
async fn delete(client: &Client, registry: &Registry) {
    let api = registries(client, &registry.namespace().unwrap());
    api.delete(&registry.name_any(), &DeleteParams::default()).await.unwrap();
    round(client, registry).await.unwrap();
    wait_until("the Registry to be gone", BOUND, || async {
        let live = api.get_opt(&registry.name_any()).await?;
        Ok::<_, kube::Error>(Seen::when(live.is_none(), (), live.map(|live| live.metadata)))
    })
    .await
    .unwrap();
}

async fn wait_for_children(client: &Client, namespace: &str, expected: &[&str]) {
    wait_until("the garbage collector", BOUND, || async {
        let left: Vec<String> = children(client, namespace).await.into_keys().collect();
        Ok::<_, kube::Error>(Seen::when(left == expected, (), left))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn retain_keeps_the_images_the_ca_and_the_credentials() {
    let client = collected_client().await;
    let namespace = namespace(&client).await;
    let first = create(&client, &namespace, "main", |_| {}).await;
    settle(&client, &first).await;
    let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
    let kept = ["main-entrepot-ca", "main-entrepot-admin", "main-entrepot-pull", "main-entrepot-keys"];
    let mut before = Vec::new();
    for name in kept {
        before.push(secrets.get(name).await.unwrap().data);
    }
    let claim = claims.get("main-entrepot-data").await.unwrap().uid();
    delete(&client, &first).await;
    wait_for_children(&client, &namespace, &KEPT).await;
    let second = create(&client, &namespace, "main", |_| {}).await;
    settle(&client, &second).await;
    for (name, data) in kept.into_iter().zip(before) {
        let secret = secrets.get(name).await.unwrap();
        assert_eq!(secret.data, data, "{name}");
        assert_eq!(Some(&secret.labels()[labels::REGISTRY_UID]), second.uid().as_ref());
    }
    assert_eq!(claims.get("main-entrepot-data").await.unwrap().uid(), claim);
    assert_eq!(children(&client, &namespace).await.len(), 13);
}

/// Rounds until every child is that of `successor`, which is never told that it must give way.
async fn take_over(client: &Client, successor: &Registry) {
    let (namespace, uid) = (successor.namespace().unwrap(), successor.uid().unwrap());
    let selector = format!("{}={uid}", labels::REGISTRY_UID);
    wait_until("every child to be the successor's", BOUND, || async {
        // A lost race with the garbage collector is repeated.
        let result = round(client, successor).await;
        let live = registries(client, &namespace).get("main").await?;
        let conditions = live.status.map(|status| status.conditions).unwrap_or_default();
        let stalled = conditions.iter().any(|one| one.type_ == "Stalled" && one.status == "True");
        assert!(!stalled, "{conditions:?}");
        let made: Vec<String> = children_with(client, &namespace, &selector).await.into_keys().collect();
        Ok::<_, kube::Error>(Seen::when(result.is_ok() && made.len() == 13, (), (result, made)))
    })
    .await
    .unwrap();
}

/// Applied again before the garbage collector has come round: what is on its way out is waited for, not taken over.
#[tokio::test]
async fn a_successor_waits_for_what_is_still_its_predecessors() {
    let client = collected_client().await;
    let namespace = namespace(&client).await;
    let first = create(&client, &namespace, "main", |_| {}).await;
    settle(&client, &first).await;
    registries(&client, &namespace).delete("main", &DeleteParams::default()).await.unwrap();
    let second = create(&client, &namespace, "main", |_| {}).await;
    take_over(&client, &second).await;
    settle(&client, &second).await;
}

#[tokio::test]
async fn delete_removes_everything() {
    let client = collected_client().await;
    let namespace = namespace(&client).await;
    let registry =
        create(&client, &namespace, "main", |spec| spec.deletion_policy = DeletionPolicy::Delete).await;
    settle(&client, &registry).await;
    let live = registries(&client, &namespace).get("main").await.unwrap();
    assert_eq!(live.finalizers(), [labels::STORAGE_FINALIZER]);
    delete(&client, &registry).await;
    wait_for_children(&client, &namespace, &[]).await;
}

/// The policy that counts is the one at the time of deletion.
#[tokio::test]
async fn the_policy_can_change_until_the_end() {
    let client = collected_client().await;
    let namespace = namespace(&client).await;
    let registry =
        create(&client, &namespace, "main", |spec| spec.deletion_policy = DeletionPolicy::Delete).await;
    settle(&client, &registry).await;
    let patch = json!({"spec": {"deletionPolicy": "Retain"}});
    registries(&client, &namespace)
        .patch("main", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    // The operator has not seen the change when the Registry is deleted.
    delete(&client, &registry).await;
    wait_for_children(&client, &namespace, &KEPT).await;
}

#[tokio::test]
async fn an_existing_claim_is_never_deleted() {
    let client = collected_client().await;
    let namespace = namespace(&client).await;
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
    let claim: PersistentVolumeClaim = serde_json::from_value(json!({
        "metadata": {"name": "mine"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }))
    .unwrap();
    let before = claims.create(&PostParams::default(), &claim).await.unwrap();
    let registry = create(&client, &namespace, "main", |spec| {
        spec.deletion_policy = DeletionPolicy::Delete;
        spec.storage = serde_json::from_value(json!({"volume": {"existingClaim": "mine"}})).unwrap();
    })
    .await;
    settle(&client, &registry).await;
    delete(&client, &registry).await;
    wait_for_children(&client, &namespace, &[]).await;
    let after = claims.get("mine").await.unwrap();
    assert_eq!(
        (after.uid(), after.metadata.deletion_timestamp.clone(), after.labels().len()),
        (before.uid(), None, 0)
    );
}

/// A delayed deletion of an earlier Registry must not reach what its successor took over.
#[tokio::test]
async fn a_late_deletion_spares_the_successor() {
    let client = collected_client().await;
    let namespace = namespace(&client).await;
    let first = create(&client, &namespace, "main", |_| {}).await;
    settle(&client, &first).await;
    delete(&client, &first).await;
    let second = create(&client, &namespace, "main", |_| {}).await;
    take_over(&client, &second).await;
    settle(&client, &second).await;
    let identity = entrepot_operator::controllers::registry::validate::identity(&first).unwrap();
    let names = entrepot_crds::names::Names::new("main", &namespace);
    entrepot_operator::controllers::registry::deletion::delete_kept(&client, &identity, &names)
        .await
        .unwrap();
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
    assert_eq!(claims.get("main-entrepot-data").await.unwrap().metadata.deletion_timestamp, None);
    assert_eq!(children(&client, &namespace).await.len(), 13);
}
