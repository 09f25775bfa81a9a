//! What the definition accepts and refuses, and whether a person can read why.

use entrepot_crds::Registry;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::world::{client, namespace};

fn registry(name: &str, spec: &Value) -> DynamicObject {
    let object = json!({
        "apiVersion": "entrepot.dev/v1alpha1",
        "kind": "Registry",
        "metadata": {"name": name},
        "spec": spec,
    });
    serde_json::from_value(object).unwrap()
}

fn volume(volume: &Value) -> Value {
    json!({"storage": {"volume": volume}})
}

/// The least spec with `extra` beside the storage.
fn with(extra: &Value) -> Value {
    let mut spec = volume(&json!({"size": "1Gi"}));
    spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    spec
}

#[tokio::test]
async fn creation() {
    let client = client().await;
    let namespace = namespace(&client).await;
    let api: Api<DynamicObject> =
        Api::namespaced_with(client, &namespace, &ApiResource::erase::<Registry>(&()));
    let size = volume(&json!({"size": "1Gi"}));
    let long = "a".repeat(41);
    let cases: &[(&str, Value, Option<&str>)] = &[
        ("main", size.clone(), None),
        ("a", size.clone(), None),
        (&long[..40], size.clone(), None),
        (&long, size.clone(), Some("at most 40 characters")),
        ("1main", size.clone(), Some("starting with a letter")),
        ("main.a", size.clone(), Some("lower-case letters, digits and '-'")),
        ("kubernetes", size.clone(), Some("choose another name")),
        ("main-entrepot", size.clone(), Some("must not end in '-entrepot'")),
        ("a-entrepot-ca", size.clone(), Some("must not end in '-entrepot'")),
        ("entrepot", size.clone(), None),
        ("main", json!({}), Some("spec.storage: Required value")),
        ("main", json!({"storage": {}}), Some("exactly one member")),
        ("main", volume(&json!({})), Some("set either size")),
        ("main", volume(&json!({"size": "1Gi", "existingClaim": "a"})), Some("set either size")),
        ("main", volume(&json!({"existingClaim": "a"})), None),
        (
            "main",
            volume(&json!({"existingClaim": "a", "accessModes": ["ReadWriteOnce"]})),
            Some("remove existingClaim"),
        ),
        (
            "main",
            volume(&json!({"existingClaim": "a", "storageClassName": "b"})),
            Some("remove existingClaim"),
        ),
        ("main", volume(&json!({"size": "0"})), Some("positive quantity")),
        ("main", volume(&json!({"size": "-1Gi"})), Some("positive quantity")),
        ("main", volume(&json!({"size": "big"})), Some("positive quantity")),
        ("main", volume(&json!({"size": "1Gi", "storageClassName": ""})), None),
        ("main", with(&json!({"tls": {}})), Some("set tls.secretRef")),
        ("main", with(&json!({"tls": {"secretRef": {"name": "a"}}})), None),
        ("main", with(&json!({"tls": {"secretRef": {}}})), Some("spec.tls.secretRef.name")),
        ("main", with(&json!({"auth": {}})), None),
        ("main", with(&json!({"deletionPolicy": "Keep"})), Some("supported values: \"Retain\", \"Delete\"")),
        ("main", with(&json!({"nodeAccess": {"mode": "HostsFile"}})), Some("supported values")),
        ("main", with(&json!({"service": {"type": "ExternalName"}})), Some("supported values")),
        ("main", with(&json!({"service": {"port": 0}})), Some("spec.service.port")),
        ("main", with(&json!({"service": {"port": 65_536}})), Some("spec.service.port")),
        ("main", with(&json!({"image": ""})), Some("spec.image")),
    ];
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    for (name, spec, refusal) in cases {
        let answer = api.create(&dry, &registry(name, spec)).await;
        match (answer, refusal) {
            (Ok(_), None) => {}
            (Err(kube::Error::Api(status)), Some(words)) => {
                assert!(status.message.contains(words), "{name} {spec}: {}", status.message);
            }
            (answer, _) => panic!("{name} {spec}: {answer:?}, expected {refusal:?}"),
        }
    }
}

#[tokio::test]
async fn changes() {
    let client = client().await;
    let namespace = namespace(&client).await;
    let api: Api<DynamicObject> =
        Api::namespaced_with(client, &namespace, &ApiResource::erase::<Registry>(&()));
    let new = json!({"size": "2Gi", "storageClassName": "fast", "accessModes": ["ReadWriteOnce"]});
    api.create(&PostParams::default(), &registry("new", &volume(&new))).await.unwrap();
    api.create(&PostParams::default(), &registry("old", &volume(&json!({"existingClaim": "a"}))))
        .await
        .unwrap();
    let size = json!({"size": "2Gi"});
    api.create(&PostParams::default(), &registry("plain", &volume(&size))).await.unwrap();
    let cases: &[(&str, Value, Option<&str>)] = &[
        ("new", volume(&json!({"size": "3Gi"})), None),
        ("new", volume(&json!({"size": "2048Mi"})), None),
        ("new", volume(&json!({"size": "1Gi"})), Some("may grow but not shrink")),
        ("new", volume(&json!({"storageClassName": "slow"})), Some("storageClassName cannot be changed")),
        ("new", volume(&json!({"storageClassName": null})), Some("storageClassName cannot be changed")),
        ("new", volume(&json!({"accessModes": ["ReadWriteMany"]})), Some("accessModes cannot be changed")),
        ("new", volume(&json!({"accessModes": null})), Some("accessModes cannot be changed")),
        ("new", volume(&json!({"size": null, "existingClaim": "a"})), Some("existingClaim cannot be set")),
        ("plain", volume(&json!({"storageClassName": "fast"})), Some("storageClassName cannot be changed")),
        ("plain", json!({"storage": {"volume": null}}), Some("exactly one member")),
        (
            "old",
            volume(&json!({"existingClaim": "b"})),
            Some("existingClaim cannot be set, changed or removed"),
        ),
        ("old", volume(&json!({"existingClaim": null, "size": "1Gi"})), Some("existingClaim cannot be set")),
    ];
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    for (name, spec, refusal) in cases {
        let answer = api.patch(name, &dry, &Patch::Merge(json!({"spec": spec}))).await;
        match (answer, refusal) {
            (Ok(_), None) => {}
            (Err(kube::Error::Api(status)), Some(words)) => {
                assert!(status.message.contains(words), "{name} {spec}: {}", status.message);
            }
            (answer, _) => panic!("{name} {spec}: {answer:?}, expected {refusal:?}"),
        }
    }
}

/// An object that no operator has seen is not current to anything that reads status by kstatus's rules.
#[tokio::test]
async fn an_unseen_object_says_so() {
    let client = client().await;
    let namespace = namespace(&client).await;
    let created = crate::world::create(&client, &namespace, "main", |_| {}).await;
    assert_eq!(created.status.unwrap().observed_generation, Some(-1));
}
