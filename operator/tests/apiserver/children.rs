//! The rules by which children are written.

use entrepot_crds::names::Names;
use entrepot_crds::{Registry, labels};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::world::{children, client, create, namespace, recording, registries, round, settle};

pub(crate) async fn condition(client: &Client, registry: &Registry, kind: &str) -> (String, String, String) {
    let namespace = registry.namespace().unwrap();
    let live = registries(client, &namespace).get(&registry.name_any()).await.unwrap();
    let conditions = live.status.unwrap().conditions;
    let found = conditions.into_iter().find(|condition| condition.type_ == kind).unwrap();
    (found.status, found.reason, found.message)
}

#[tokio::test]
async fn a_registry_gets_every_child_and_then_nothing_is_written() {
    let client = client().await;
    let namespace = namespace(&client).await;
    let registry = create(&client, &namespace, "main", |_| {}).await;
    settle(&client, &registry).await;
    let made: Vec<String> = children(&client, &namespace).await.into_keys().collect();
    assert_eq!(
        made,
        [
            "configmaps/main-entrepot-config",
            "configmaps/main-entrepot-trust",
            "deployments/main",
            "networkpolicies/main-entrepot",
            "persistentvolumeclaims/main-entrepot-data",
            "secrets/main-entrepot-admin",
            "secrets/main-entrepot-ca",
            "secrets/main-entrepot-htpasswd",
            "secrets/main-entrepot-keys",
            "secrets/main-entrepot-pull",
            "secrets/main-entrepot-tls",
            "services/main",
            "services/main-entrepot",
        ]
    );
    let (recording, writes) = recording(client.clone());
    for _ in 0..5 {
        round(&recording, &registry).await.unwrap();
    }
    assert_eq!(*writes.lock().unwrap(), Vec::<String>::new());
    let status = registries(&client, &namespace).get("main").await.unwrap().status.unwrap();
    let service = Api::<Service>::namespaced(client.clone(), &namespace).get("main").await.unwrap();
    assert_eq!(Some(status.cluster_ips), service.spec.unwrap().cluster_ips);
    assert_eq!(status.url, Some(format!("https://main.{namespace}.svc")));
}

/// Every change of what is ours is undone; what others add stays.
#[tokio::test]
async fn drift_is_repaired_and_what_others_add_is_left_alone() {
    let client = client().await;
    let namespace = namespace(&client).await;
    let registry = create(&client, &namespace, "main", |_| {}).await;
    settle(&client, &registry).await;
    let deployments = Api::<Deployment>::namespaced(client.clone(), &namespace);
    let drift = json!({
        "metadata": {"annotations": {"example.com/theirs": "stays"}, "labels": {labels::APP_NAME: "theirs"}},
        "spec": {"replicas": 2, "template": {"spec": {"enableServiceLinks": true, "terminationGracePeriodSeconds": 20}}},
    });
    deployments.patch("main", &PatchParams::default(), &Patch::Strategic(drift)).await.unwrap();
    let config_maps = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    let drift = json!({"data": {"config.yml": "version: 0.1", "theirs": "stays"}});
    config_maps.patch("main-entrepot-config", &PatchParams::default(), &Patch::Merge(drift)).await.unwrap();
    let services = Api::<Service>::namespaced(client.clone(), &namespace);
    let drift = json!({"spec": {"selector": {"app": "theirs"}, "ports": [{"port": 80}]}});
    services.patch("main", &PatchParams::default(), &Patch::Merge(drift)).await.unwrap();
    settle(&client, &registry).await;
    let deployment = deployments.get("main").await.unwrap();
    assert_eq!(deployment.annotations()["example.com/theirs"], "stays");
    assert_eq!(deployment.labels()[labels::APP_NAME], "entrepot");
    let spec = deployment.spec.unwrap();
    assert_eq!(spec.replicas, Some(1));
    let pod = spec.template.spec.unwrap();
    assert_eq!((pod.enable_service_links, pod.termination_grace_period_seconds), (Some(false), Some(40)));
    let data = config_maps.get("main-entrepot-config").await.unwrap().data.unwrap();
    assert!(data["config.yml"].contains("/var/lib/registry"));
    assert_eq!(data["theirs"], "stays");
    let spec = services.get("main").await.unwrap().spec.unwrap();
    assert_eq!(spec.selector.unwrap()[labels::REGISTRY], "main");
    assert_eq!(spec.ports.unwrap().iter().map(|port| port.port).collect::<Vec<_>>(), [443]);
}

/// A field that the spec no longer asks for goes, although nothing wanted mentions it any more.
#[tokio::test]
async fn what_is_no_longer_asked_for_is_removed() {
    let client = client().await;
    let namespace = namespace(&client).await;
    let registry = create(&client, &namespace, "main", |spec| {
        spec.pod_template = serde_json::from_value(json!({
            "metadata": {"annotations": {"example.com/a": "b"}},
            "spec": {"nodeSelector": {"disk": "ssd"}, "resources": {"requests": {"cpu": "0.5"}}},
        }))
        .unwrap();
        spec.service = serde_json::from_value(json!({"annotations": {"example.com/a": "b"}})).unwrap();
    })
    .await;
    settle(&client, &registry).await;
    let address = Api::<Service>::namespaced(client.clone(), &namespace)
        .get("main")
        .await
        .unwrap()
        .spec
        .unwrap()
        .cluster_ip;
    let patch = json!({"spec": {"podTemplate": null, "service": {"annotations": null, "port": 5000}}});
    registries(&client, &namespace)
        .patch("main", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    settle(&client, &registry).await;
    let deployment = Api::<Deployment>::namespaced(client.clone(), &namespace).get("main").await.unwrap();
    let template = deployment.spec.unwrap().template;
    assert!(!template.metadata.unwrap().annotations.unwrap().contains_key("example.com/a"));
    let pod = template.spec.unwrap();
    assert_eq!(pod.node_selector.unwrap_or_default().len(), 0);
    assert_eq!(pod.containers[0].resources.clone().unwrap_or_default().requests, None);
    let service = Api::<Service>::namespaced(client.clone(), &namespace).get("main").await.unwrap();
    assert!(!service.annotations().contains_key("example.com/a"));
    let spec = service.spec.unwrap();
    assert_eq!(spec.ports.unwrap().iter().map(|port| port.port).collect::<Vec<_>>(), [5000]);
    assert_eq!(spec.cluster_ip, address);
}

/// The volume grows with the spec, and a retained one is never made smaller.
#[tokio::test]
async fn the_claim_only_grows() {
    let client = client().await;
    let namespace = namespace(&client).await;
    let registry = create(&client, &namespace, "main", |_| {}).await;
    settle(&client, &registry).await;
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
    let size = |claim: PersistentVolumeClaim| {
        claim.spec.unwrap().resources.unwrap().requests.unwrap()["storage"].0.clone()
    };
    // No StorageClass allows it to grow, and the apiserver says so; the Registry says it on.
    let patch = json!({"spec": {"storage": {"volume": {"size": "2Gi"}}}});
    registries(&client, &namespace)
        .patch("main", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    round(&client, &registry).await.unwrap();
    assert_eq!(size(claims.get("main-entrepot-data").await.unwrap()), "1Gi");
    let (status, reason, message) = condition(&client, &registry, "StorageReady").await;
    assert_eq!((status.as_str(), reason.as_str()), ("False", "VolumeResizeRefused"), "{message}");
    let status = registries(&client, &namespace).get("main").await.unwrap().status.unwrap();
    assert_eq!(status.storage.unwrap().claim_name, "main-entrepot-data");
}

#[tokio::test]
async fn a_foreign_object_is_reported_and_left_untouched() {
    let client = client().await;
    for (kind, object) in [
        (
            "Service",
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "main"}, "spec": {"ports": [{"port": 80}]}}),
        ),
        ("Secret", json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "main-entrepot-ca"}})),
    ] {
        let namespace = namespace(&client).await;
        let plural = format!("{}s", kind.to_lowercase());
        let uri = format!("/api/v1/namespaces/{namespace}/{plural}");
        let post = http::Request::post(&uri)
            .header("content-type", "application/json")
            .body(object.to_string().into_bytes())
            .unwrap();
        let before: Value = client.request(post).await.unwrap();
        let registry = create(&client, &namespace, "main", |_| {}).await;
        settle(&client, &registry).await;
        let name = before["metadata"]["name"].as_str().unwrap();
        let get = http::Request::get(format!("{uri}/{name}")).body(Vec::new()).unwrap();
        let after: Value = client.request(get).await.unwrap();
        assert_eq!(after, before);
        assert_eq!(children(&client, &namespace).await.len(), 0);
        let (status, reason, message) = condition(&client, &registry, "Stalled").await;
        assert_eq!((status.as_str(), reason.as_str()), ("True", "NameConflict"));
        assert!(message.starts_with(&format!("{kind} {name} is not this Registry's")), "{message}");
        // It heals once the name is free.
        let delete = http::Request::delete(format!("{uri}/{name}")).body(Vec::new()).unwrap();
        let _: Value = client.request(delete).await.unwrap();
        settle(&client, &registry).await;
        assert_eq!(children(&client, &namespace).await.len(), 13);
        assert_eq!(condition(&client, &registry, "Stalled").await.0, "False");
    }
}

/// Certificates and nodes know the Service by its address.
#[tokio::test]
async fn a_lost_service_comes_back_under_its_address() {
    let client = client().await;
    let namespace = namespace(&client).await;
    let registry = create(&client, &namespace, "main", |_| {}).await;
    settle(&client, &registry).await;
    let services = Api::<Service>::namespaced(client.clone(), &namespace);
    let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
    let before = services.get("main").await.unwrap();
    let certificate = secrets.get("main-entrepot-tls").await.unwrap().data;
    services.delete("main", &DeleteParams::default()).await.unwrap();
    settle(&client, &registry).await;
    let after = services.get("main").await.unwrap();
    assert_ne!(after.uid(), before.uid());
    let address = before.spec.unwrap().cluster_ip;
    assert_eq!(after.spec.unwrap().cluster_ip, address);
    assert_eq!(secrets.get("main-entrepot-tls").await.unwrap().data, certificate);
    // Somebody else has the address now: the Registry goes on under another, with a certificate for it.
    services.delete("main", &DeleteParams::default()).await.unwrap();
    let thief: Service = serde_json::from_value(json!({
        "metadata": {"name": "thief"}, "spec": {"clusterIP": address, "ports": [{"port": 80}]},
    }))
    .unwrap();
    services.create(&PostParams::default(), &thief).await.unwrap();
    settle(&client, &registry).await;
    let moved = services.get("main").await.unwrap().spec.unwrap().cluster_ip;
    assert_ne!(moved, address);
    assert_ne!(secrets.get("main-entrepot-tls").await.unwrap().data, certificate);
    let ca = secrets.get(&Names::new("main", &namespace).ca_secret()).await.unwrap();
    assert_eq!(Some(&ca.annotations()[labels::CLUSTER_IPS]), moved.as_ref());
}

/// Writes of another's between our reading and our writing are never overwritten.
#[tokio::test]
async fn the_kept_secrets_are_never_applied() {
    let client = client().await;
    let namespace = namespace(&client).await;
    let registry = create(&client, &namespace, "main", |_| {}).await;
    settle(&client, &registry).await;
    let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
    for name in ["ca", "admin", "pull", "keys", "tls", "htpasswd"] {
        let secret = secrets.get(&format!("main-entrepot-{name}")).await.unwrap();
        assert!(
            secret.managed_fields().iter().all(|entry| entry.operation.as_deref() == Some("Update")),
            "{name}"
        );
    }
}
