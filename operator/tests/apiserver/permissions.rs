//! What the installation grants the operator is enough for everything it does.

use std::path::Path;

use entrepot_crds::DeletionPolicy;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Service};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::running::{Operator, wait_for};
use crate::world::{
    children, create, namespace, registries, round, running_client, running_plane, settle, supervised,
};

const USER: &str = "system:serviceaccount:entrepot-system:entrepot-operator";

/// Installs the operator's role as the installation does.
async fn grant(client: &Client) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/install.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let params = PatchParams::apply("test").force();
    let mut granted = 0;
    for document in text.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(document).unwrap();
        if object["metadata"]["name"] != "entrepot-operator" {
            continue;
        }
        match object["kind"].as_str().unwrap() {
            "ClusterRole" => {
                let api = Api::<ClusterRole>::all(client.clone());
                api.patch("entrepot-operator", &params, &Patch::Apply(object)).await.unwrap();
                granted += 1;
            }
            "ClusterRoleBinding" => {
                let api = Api::<ClusterRoleBinding>::all(client.clone());
                api.patch("entrepot-operator", &params, &Patch::Apply(object)).await.unwrap();
                granted += 1;
            }
            _ => {}
        }
    }
    assert_eq!(granted, 2, "deploy/install.yaml has no role for the operator");
}

#[tokio::test]
async fn the_installed_role_suffices_for_a_registrys_whole_life() {
    let admin = running_client().await;
    grant(&admin).await;
    let groups = ["system:serviceaccounts", "system:authenticated"];
    let (operator, forbidden) = supervised(running_plane().await.client_as(USER, &groups).await.unwrap());
    let namespace = namespace(&admin).await;
    let registry = create(&admin, &namespace, "main", |spec| {
        spec.deletion_policy = DeletionPolicy::Delete;
        spec.tls = serde_json::from_value(json!({"secretRef": {"name": "public"}})).unwrap();
    })
    .await;
    settle(&operator, &registry).await;
    assert_eq!(children(&admin, &namespace).await.len(), 13);
    // Drift, a lost Service under its address, and a volume that grows.
    let drift = json!({"spec": {"replicas": 2}});
    let deployments = Api::<Deployment>::namespaced(admin.clone(), &namespace);
    deployments.patch("main", &PatchParams::default(), &Patch::Merge(drift)).await.unwrap();
    let services = Api::<Service>::namespaced(admin.clone(), &namespace);
    services.delete("main", &DeleteParams::default()).await.unwrap();
    settle(&operator, &registry).await;
    assert_eq!(deployments.get("main").await.unwrap().spec.unwrap().replicas, Some(1));
    // Every watch, and the events.
    let running = Operator::start(&operator);
    wait_for(&admin, &namespace, "main", "CertificateReady", ("False", "TlsSecretNotFound")).await;
    let late = create(&admin, &namespace, "late", |_| {}).await;
    wait_for(&admin, &namespace, "late", "Available", ("False", "ServerStarting")).await;
    running.stop().await;
    assert!(late.uid().is_some());
    assert_eq!(*forbidden.lock().unwrap(), Vec::<String>::new());
    let api = registries(&admin, &namespace);
    api.delete("main", &DeleteParams::default()).await.unwrap();
    round(&operator, &registry).await.unwrap();
    assert!(api.get_opt("main").await.unwrap().is_none());
    let claims = Api::<PersistentVolumeClaim>::namespaced(admin.clone(), &namespace);
    // Without its controller the claim's own finalizer holds it, but the operator has asked for its deletion.
    let claim = claims.get_opt("main-entrepot-data").await.unwrap();
    assert!(claim.is_none_or(|claim| claim.metadata.deletion_timestamp.is_some()));
    assert_eq!(*forbidden.lock().unwrap(), Vec::<String>::new());
}
