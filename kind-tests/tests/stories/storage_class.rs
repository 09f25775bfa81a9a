//! A `StorageClass` that is not there yet.

use entrepot_kind_tests::Node;
use k8s_openapi::api::{core::v1::PersistentVolume, storage::v1::StorageClass};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use crate::support::Story;

#[tokio::test]
async fn a_registry_waits_for_its_storage_class_and_is_ready_once_it_appears() {
    let story = Story::begin("storage-class").await;
    // Classes and volumes have no namespace.
    let class = story.namespace.name().to_owned();
    let spec = json!({"storage": {"volume": {"size": "1Gi", "storageClassName": class}}});
    let names = story.create("main", spec).await;
    let message = story.condition(&names, "StorageReady", "False", "StorageClassNotFound").await;
    assert!(message.contains(&format!("StorageClass {class} does not exist; create it")), "{message}");

    let folder = format!("/var/lib/kubelet/{class}");
    story.cluster.exec_on(Node::N1, "mkdir", &[&folder]).await.unwrap();
    let volume: PersistentVolume = serde_json::from_value(json!({
        "metadata": {"name": class},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": class,
            "local": {"path": folder}, "persistentVolumeReclaimPolicy": "Delete",
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [Node::N1.name()]},
            ]}]}},
        },
    }))
    .unwrap();
    let (volumes, classes) = (Api::all(story.client.clone()), Api::<StorageClass>::all(story.client.clone()));
    volumes.create(&PostParams::default(), &volume).await.unwrap();
    let made = json!({
        "metadata": {"name": class}, "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    });
    classes.create(&PostParams::default(), &serde_json::from_value(made).unwrap()).await.unwrap();
    story.condition(&names, "StorageReady", "True", "VolumeBound").await;
    story.ready(&names).await;

    classes.delete(&class, &DeleteParams::default()).await.unwrap();
    volumes.delete(&class, &DeleteParams::default()).await.unwrap();
}
