//! What is refused, missing or changed while a round is under way spoils nothing else.

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::children::condition;
use crate::world::{client, create, interrupted, namespace, recording, refused, registries, round, settle};

async fn patch_secret(client: &Client, namespace: &str, name: &str, patch: &Value) {
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    secrets.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

/// Else the server would be restarted every round, for a certificate that it never gets.
#[tokio::test]
async fn a_certificate_that_cannot_be_stored_restarts_nothing() {
    let client = client().await;
    let namespace = namespace(&client).await;
    let registry = create(&client, &namespace, "main", |_| {}).await;
    settle(&client, &registry).await;
    patch_secret(&client, &namespace, "main-entrepot-tls", &json!({"stringData": {"tls.crt": "scribble"}}))
        .await;
    let (recording, writes) = recording(client.clone());
    let refusing = refused(recording, |method, path| method == "PUT" && path.ends_with("/main-entrepot-tls"));
    round(&refusing, &registry).await.unwrap();
    let written = writes.lock().unwrap().clone();
    assert_eq!(written, [format!("PUT {}", status_path(&namespace))]);
    assert_eq!(condition(&client, &registry, "Ready").await.1, "WriteRefused");
}

/// Nobody is told to trust an authority that is not kept.
#[tokio::test]
async fn nothing_is_made_from_an_authority_that_cannot_be_stored() {
    let client = client().await;
    let namespace = namespace(&client).await;
    let registry = create(&client, &namespace, "main", |_| {}).await;
    settle(&client, &registry).await;
    let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
    secrets.delete("main-entrepot-ca", &DeleteParams::default()).await.unwrap();
    let (recording, writes) = recording(client.clone());
    let refusing = refused(recording, |method, path| method == "POST" && path.ends_with("/secrets"));
    round(&refusing, &registry).await.unwrap();
    let written = writes.lock().unwrap().clone();
    assert_eq!(written, [format!("PUT {}", status_path(&namespace))]);
}

/// Else the server would read the old one, and nothing would restart it when the new one is there.
#[tokio::test]
async fn a_configuration_that_cannot_be_stored_is_not_what_the_server_is_restarted_for() {
    let client = client().await;
    let namespace = namespace(&client).await;
    let file = "ci:$2y$05$Iv2bj52hLQfpR/E.AKTY/OU1zwKePI80sE1E.4nnmvmlDIzrnlri2";
    let users = json!({"metadata": {"name": "users"}, "stringData": {"htpasswd": file}});
    let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
    secrets.create(&PostParams::default(), &serde_json::from_value(users).unwrap()).await.unwrap();
    let registry = create(&client, &namespace, "main", |_| {}).await;
    settle(&client, &registry).await;
    let patch = json!({"spec": {"auth": {"htpasswdSecretRef": {"name": "users"}}}});
    let api = registries(&client, &namespace);
    api.patch("main", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    let (recording, writes) = recording(client.clone());
    let config_map = |path: &str| path.ends_with("/main-entrepot-config");
    round(&refused(recording, move |method, path| method == "PATCH" && config_map(path)), &registry)
        .await
        .unwrap();
    let written = writes.lock().unwrap().clone();
    assert_eq!(written, [format!("PUT {}", status_path(&namespace))]);
}

fn status_path(namespace: &str) -> String {
    format!("/apis/entrepot.dev/v1alpha1/namespaces/{namespace}/registries/main/status")
}

/// Who owns which field is part of an object, and somebody else may be writing it.
#[tokio::test]
async fn what_others_write_meanwhile_is_still_theirs() {
    let client = client().await;
    let namespace = namespace(&client).await;
    let registry = create(&client, &namespace, "main", |_| {}).await;
    settle(&client, &registry).await;
    let config_maps = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    let drift = json!({"data": {"config.yml": "drifted"}});
    config_maps.patch("main-entrepot-config", &PatchParams::default(), &Patch::Merge(drift)).await.unwrap();
    let theirs = namespace.clone();
    let interrupting = interrupted(
        client.clone(),
        |method, path| method == "PATCH" && path.ends_with("/main-entrepot-config"),
        move |client| {
            let namespace = theirs.clone();
            Box::pin(async move {
                let params =
                    PatchParams { field_manager: Some("theirs".to_owned()), ..PatchParams::default() };
                let patch = Patch::Merge(json!({"metadata": {"labels": {"theirs": "yes"}}}));
                let config_maps = Api::<ConfigMap>::namespaced(client, &namespace);
                config_maps.patch("main-entrepot-config", &params, &patch).await.unwrap();
            })
        },
    );
    // A lost race ends the round; the next ones finish it.
    let _ = round(&interrupting, &registry).await;
    settle(&client, &registry).await;
    let live = config_maps.get("main-entrepot-config").await.unwrap();
    assert_ne!(live.data.as_ref().unwrap()["config.yml"], "drifted");
    let owners: Vec<&str> =
        live.managed_fields().iter().filter_map(|entry| entry.manager.as_deref()).collect();
    assert!(owners.contains(&"theirs"), "{owners:?}");
}

/// What is told of a claim's class is told of the claim in use, from the first round on.
#[tokio::test]
async fn a_missing_class_is_told_of_and_one_that_is_there_is_not() {
    let client = client().await;
    let namespace = namespace(&client).await;
    let class = format!("class-{namespace}");
    let claim = json!({"metadata": {"name": "old"}, "spec": {
        "storageClassName": class, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
    }});
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
    claims.create(&PostParams::default(), &serde_json::from_value(claim).unwrap()).await.unwrap();
    let storage = |volume: Value| serde_json::from_value(json!({"volume": volume})).unwrap();
    let old = create(&client, &namespace, "old", |spec| {
        spec.storage = storage(json!({"existingClaim": "old"}));
    })
    .await;
    round(&client, &old).await.unwrap();
    assert_eq!(condition(&client, &old, "StorageReady").await.1, "StorageClassNotFound");
    let made: StorageClass =
        serde_json::from_value(json!({"metadata": {"name": class}, "provisioner": "example.com/none"}))
            .unwrap();
    Api::all(client.clone()).create(&PostParams::default(), &made).await.unwrap();
    round(&client, &old).await.unwrap();
    assert_eq!(condition(&client, &old, "StorageReady").await.1, "VolumePending");
    let new = create(&client, &namespace, "new", |spec| {
        spec.storage = storage(json!({"size": "1Gi", "storageClassName": class}));
    })
    .await;
    round(&client, &new).await.unwrap();
    assert_eq!(condition(&client, &new, "StorageReady").await.1, "VolumePending");
}

/// What cannot be changed, such as a Secret's type, is no reason to write it with every round.
#[tokio::test]
async fn a_kept_secret_of_another_type_is_taken_as_it_is() {
    let client = client().await;
    let namespace = namespace(&client).await;
    let secret = json!({
        "metadata": {"name": "main-entrepot-admin", "labels": {"entrepot.dev/registry": "main"}},
        "stringData": {"password": "from a backup"},
    });
    let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
    secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    let registry = create(&client, &namespace, "main", |_| {}).await;
    settle(&client, &registry).await;
    let live = secrets.get("main-entrepot-admin").await.unwrap();
    assert_eq!(live.type_.as_deref(), Some("Opaque"));
    assert!(live.data.unwrap().contains_key(".dockerconfigjson"));
}
