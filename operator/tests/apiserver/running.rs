//! The controller as it runs: what it notices by itself.

use std::time::Duration;

use entrepot_crds::Registry;
use entrepot_kind_tests::wait::{Seen, wait_until};
use entrepot_operator::controllers::registry::run;
use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::world::{BOUND, Writes, context, create, namespace, recording, registries, running_client};

/// Where the nodes of every test report: operators that look at different places would contradict each other.
const AGENTS: &str = "default";

/// A running operator that ends with the test.
pub(crate) struct Operator {
    writes: Writes,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Operator {
    pub(crate) fn start(client: &Client) -> Self {
        let (recording, writes) = recording(client.clone());
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let task = tokio::spawn(run(context(&recording, AGENTS), shutdown));
        Self { writes, stop: Some(stop), task }
    }

    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap();
    }
}

pub(crate) async fn wait_for(
    client: &Client,
    namespace: &str,
    name: &str,
    kind: &str,
    expected: (&str, &str),
) {
    wait_until(&format!("{kind} of {name} to be {expected:?}"), BOUND, || async {
        let status = registries(client, namespace).get(name).await?.status.unwrap_or_default();
        let found = status.conditions.iter().find(|one| one.type_ == kind).cloned();
        let is = found.as_ref().map(|one| (one.status.as_str(), one.reason.as_str()));
        Ok::<_, kube::Error>(Seen::when(is == Some(expected), (), status.conditions))
    })
    .await
    .unwrap();
}

/// Plays the parts of the cluster that are not there: a volume for the claim and a Pod for the Deployment.
async fn provision(client: &Client, namespace: &str, name: &str) {
    let params = PatchParams::default();
    let bound = json!({"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}});
    Api::<PersistentVolumeClaim>::namespaced(client.clone(), namespace)
        .patch_status(&format!("{name}-entrepot-data"), &params, &Patch::Merge(bound))
        .await
        .unwrap();
    let deployments = Api::<Deployment>::namespaced(client.clone(), namespace);
    let generation = deployments.get(name).await.unwrap().metadata.generation;
    let available = json!({"status": {
        "observedGeneration": generation, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
    }});
    deployments.patch_status(name, &params, &Patch::Merge(available)).await.unwrap();
}

fn tls_secret(name: &str) -> Secret {
    let file = |file: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pki/fixtures").join(file);
        ByteString(std::fs::read(path).unwrap())
    };
    let mut secret: Secret = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    let data = [("tls.crt", "ec.crt"), ("tls.key", "ec-pkcs8.key")];
    secret.data = Some(data.map(|(key, name)| (key.to_owned(), file(name))).into());
    secret
}

/// Nothing that a user forgot needs a restart, and once everything is there nothing is written.
#[tokio::test]
async fn missing_references_heal_and_then_nothing_is_written() {
    let client = running_client().await;
    let namespace = namespace(&client).await;
    let operator = Operator::start(&client);
    let class = format!("class-{namespace}");
    create(&client, &namespace, "main", |spec| {
        spec.storage =
            serde_json::from_value(json!({"volume": {"size": "1Gi", "storageClassName": class}})).unwrap();
        spec.tls = serde_json::from_value(json!({"secretRef": {"name": "public"}})).unwrap();
        spec.auth = serde_json::from_value(json!({"htpasswdSecretRef": {"name": "users"}})).unwrap();
        // The nodes are those of another test.
        spec.node_access = serde_json::from_value(json!({"mode": "None"})).unwrap();
    })
    .await;
    wait_for(&client, &namespace, "main", "CertificateReady", ("False", "TlsSecretNotFound")).await;
    wait_for(&client, &namespace, "main", "ConfigurationReady", ("False", "HtpasswdSecretNotFound")).await;
    wait_for(&client, &namespace, "main", "StorageReady", ("False", "StorageClassNotFound")).await;
    let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
    secrets.create(&PostParams::default(), &tls_secret("public")).await.unwrap();
    wait_for(&client, &namespace, "main", "CertificateReady", ("True", "CertificateValid")).await;
    let users: Secret =
        serde_json::from_value(json!({"metadata": {"name": "users"}, "stringData": {"wrong": "key"}}))
            .unwrap();
    secrets.create(&PostParams::default(), &users).await.unwrap();
    wait_for(&client, &namespace, "main", "ConfigurationReady", ("False", "HtpasswdSecretIncomplete")).await;
    let right = json!({"stringData": {"htpasswd": "ci:$2y$05$Iv2bj52hLQfpR/E.AKTY/OU1zwKePI80sE1E.4nnmvmlDIzrnlri2"}});
    secrets.patch("users", &PatchParams::default(), &Patch::Merge(right)).await.unwrap();
    wait_for(&client, &namespace, "main", "ConfigurationReady", ("True", "AsSpecified")).await;
    let storage_class: StorageClass =
        serde_json::from_value(json!({"metadata": {"name": class}, "provisioner": "example.com/none"}))
            .unwrap();
    let classes = Api::<StorageClass>::all(client.clone());
    classes.create(&PostParams::default(), &storage_class).await.unwrap();
    wait_for(&client, &namespace, "main", "StorageReady", ("False", "VolumePending")).await;
    classes.delete(&class, &DeleteParams::default()).await.unwrap();
    provision(&client, &namespace, "main").await;
    wait_for(&client, &namespace, "main", "Ready", ("True", "AsSpecified")).await;
    operator.stop().await;
    // A restarted operator looks at everything again, and writes nothing.
    let operator = Operator::start(&client);
    let canary = create(&client, &namespace, "canary", |_| {}).await;
    wait_for(&client, &namespace, "canary", "Available", ("False", "ServerStarting")).await;
    drop(canary);
    let writes = operator.writes.lock().unwrap().clone();
    let mine: Vec<&String> =
        writes.iter().filter(|write| write.contains(&namespace) && write.contains("/main")).collect();
    assert!(mine.is_empty(), "{mine:?}");
    operator.stop().await;
}

/// Deleted children come back without anybody asking.
#[tokio::test]
async fn lost_children_come_back() {
    let client = running_client().await;
    let namespace = namespace(&client).await;
    let operator = Operator::start(&client);
    create(&client, &namespace, "main", |_| {}).await;
    wait_for(&client, &namespace, "main", "Available", ("False", "ServerStarting")).await;
    let config_maps = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    config_maps.delete("main-entrepot-config", &DeleteParams::default()).await.unwrap();
    wait_until("the configuration", BOUND, || async {
        let live = config_maps.get_opt("main-entrepot-config").await?;
        Ok::<_, kube::Error>(Seen::when(live.is_some(), (), "not there"))
    })
    .await
    .unwrap();
    operator.stop().await;
}

/// What the node agents report arrives in the status.
#[tokio::test]
async fn node_reports_are_counted() {
    let client = running_client().await;
    let namespace = namespace(&client).await;
    let operator = Operator::start(&client);
    let registry = create(&client, &namespace, "main", |_| {}).await;
    wait_for(&client, &namespace, "main", "NodeAccessReady", ("False", "NoNodeReports")).await;
    let config_maps = Api::<ConfigMap>::namespaced(client.clone(), AGENTS);
    let report = json!({"node": "n1", "registries": {registry.metadata.uid.unwrap(): {"configured": true}}});
    let map: ConfigMap = serde_json::from_value(json!({
        "metadata": {"name": "node-n1", "labels": {"entrepot.dev/node-report": "true"}},
        "data": {"report.json": report.to_string()},
    }))
    .unwrap();
    config_maps.create(&PostParams::default(), &map).await.unwrap();
    wait_for(&client, &namespace, "main", "NodeAccessReady", ("True", "NodesConfigured")).await;
    let status = registries(&client, &namespace).get("main").await.unwrap().status.unwrap();
    let nodes = status.node_access.unwrap();
    assert_eq!((nodes.desired_nodes, nodes.configured_nodes), (1, 1));
    operator.stop().await;
}

/// An object that an older or newer definition let in, and that this operator cannot read, stops nobody else.
#[tokio::test]
async fn an_object_that_cannot_be_understood_stops_nobody() {
    // Its definition is changed, so it has a control plane of its own.
    let plane = entrepot_kind_tests::ControlPlane::start(entrepot_kind_tests::ControlPlaneOptions::default());
    let plane = plane.await.unwrap();
    let client = plane.client();
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    let mut open = serde_json::to_value(entrepot_crds::crd::registry()).unwrap();
    open["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let open: CustomResourceDefinition = serde_json::from_value(open).unwrap();
    definitions.create(&PostParams::default(), &open).await.unwrap();
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), "default", &ApiResource::erase::<Registry>(&()));
    let odd: Value = json!({
        "apiVersion": "entrepot.dev/v1alpha1", "kind": "Registry",
        "metadata": {"name": "odd"}, "spec": {"storage": ["not", "a", "map"]},
    });
    let odd: DynamicObject = serde_json::from_value(odd).unwrap();
    wait_until("Registries to be served", Duration::from_mins(1), || async {
        api.create(&PostParams::default(), &odd).await?;
        Ok::<_, kube::Error>(Seen::Ready(()))
    })
    .await
    .unwrap();
    let operator = Operator::start(&client);
    create(&client, "default", "main", |_| {}).await;
    wait_for(&client, "default", "main", "Available", ("False", "ServerStarting")).await;
    let writes = operator.writes.lock().unwrap().clone();
    let odd: Vec<&String> = writes.iter().filter(|write| write.contains("/odd")).collect();
    assert!(odd.is_empty(), "{odd:?}");
    operator.stop().await;
}
