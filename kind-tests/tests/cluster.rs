//! The cluster itself: that what the other stories stand on holds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

use std::{fs, path::PathBuf, sync::OnceLock, time::Duration};

use entrepot_kind_tests::{
    Capability, Cluster, Node, Pods, busybox,
    oci_layout::Layout,
    wait::{Seen, wait_until},
};
use k8s_openapi::api::core::v1::{
    Namespace as NamespaceObject, Node as NodeObject, PersistentVolume, PersistentVolumeClaim, Service,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

const IMAGE: &str = "localhost/stories/busybox:1";
const A_MINUTE: Duration = Duration::from_mins(1);

/// The cluster, with the stories' image on both nodes.
async fn cluster() -> Cluster {
    static ARCHIVE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let cluster = Cluster::connect().await.unwrap();
    for capability in Capability::ALL {
        assert!(cluster.can(capability), "these stories need the built cluster: unset ENTREPOT_KUBECONFIG");
    }
    let (_, archive) = ARCHIVE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("busybox.tar");
        let mut layout = Layout::default();
        layout.add(IMAGE, &[busybox::image(vec![], &["/bin/sh"])]).unwrap();
        layout.write_archive(&archive).unwrap();
        (folder, archive)
    });
    cluster.load_image(archive).await.unwrap();
    cluster
}

fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// A container of the stories' image that runs a shell script.
fn shell(script: &str) -> Value {
    json!({"name": "main", "image": IMAGE, "imagePullPolicy": "Never", "command": ["/bin/sh", "-ec", script]})
}

#[tokio::test]
async fn two_nodes_are_ready() {
    let nodes: Api<NodeObject> = Api::all(cluster().await.client());
    let nodes = nodes.list(&ListParams::default()).await.unwrap();
    let ready: Vec<_> = nodes
        .iter()
        .map(|node| (node.name_any(), entrepot_kind_tests::cluster::start::readiness(node)))
        .collect();
    assert_eq!(ready, [("n1".into(), "Ready".into()), ("n2".into(), "Ready".to_owned())]);
}

#[tokio::test]
async fn pods_find_the_other_nodes_pods_by_the_names_of_their_services() {
    let cluster = cluster().await;
    let namespace = cluster.namespace("dns").await.unwrap();
    let pods = Pods::of(cluster.client(), namespace.name());
    let services: Api<Service> = Api::namespaced(cluster.client(), namespace.name());
    for node in Node::ALL {
        let name = format!("web-{}", node.name());
        let mut container =
            shell("cd /tmp; echo \"served by $HOSTNAME\" > index.html; exec httpd -f -p 8080");
        container["readinessProbe"] = json!({"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1});
        pods.create(&name, json!({"nodeName": node.name(), "containers": [container]})).await.unwrap();
        let service: Service = object(json!({
            "metadata": {"name": name},
            "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
        }));
        services.create(&PostParams::default(), &service).await.unwrap();
    }
    for node in Node::ALL {
        pods.wait_ready(&format!("web-{}", node.name()), A_MINUTE).await.unwrap();
    }
    for node in Node::ALL {
        let url = format!("http://web-{}.{}.svc/", node.other().name(), namespace.name());
        // Never `wget -T`: Debian's build of it crashes. kube-proxy learns of a Pod's readiness a moment after the apiserver does.
        let script = format!("until wget -q -O - {url}; do sleep 0.2; done");
        let spec = json!({"nodeName": node.name(), "restartPolicy": "Never", "containers": [shell(&script)]});
        pods.create(&format!("client-{}", node.name()), spec).await.unwrap();
    }
    for node in Node::ALL {
        let finished = pods.wait_finished(&format!("client-{}", node.name()), A_MINUTE).await.unwrap();
        assert!(finished.0, "{}", finished.1);
        let served = format!("served by web-{}", node.other().name());
        assert!(finished.1.contains(&served), "{}", finished.1);
    }
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_refused_at_once_and_by_the_cluster() {
    let cluster = cluster().await;
    let namespace = cluster.namespace("nxdomain").await.unwrap();
    let pods = Pods::of(cluster.client(), namespace.name());
    let script = "nslookup registry.example.com. 2>&1 || true; nslookup nothing.default.svc.cluster.local. 2>&1 || true";
    pods.create("asks", json!({"restartPolicy": "Never", "containers": [shell(script)]})).await.unwrap();
    let (_, answers) = pods.wait_finished("asks", A_MINUTE).await.unwrap();
    assert_eq!(answers.matches("NXDOMAIN").count(), 4, "{answers}");
}

#[tokio::test]
async fn a_restricted_pod_writes_to_its_volume_and_a_released_volume_comes_back_empty() {
    let cluster = cluster().await;
    let namespace = cluster.namespace("volumes").await.unwrap();
    let namespaces: Api<NamespaceObject> = Api::all(cluster.client());
    let restricted = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    namespaces.patch(namespace.name(), &PatchParams::default(), &Patch::Merge(restricted)).await.unwrap();
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(cluster.client(), namespace.name());
    let claim: PersistentVolumeClaim = object(json!({
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }));
    claims.create(&PostParams::default(), &claim).await.unwrap();

    let pods = Pods::of(cluster.client(), namespace.name());
    let mut container = shell("echo kept > /data/file; stat -c '%u:%g' /data/file; cat /data/file");
    container["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    container["securityContext"] = json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]}});
    let spec = json!({
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
            "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    });
    pods.create("writer", spec).await.unwrap();
    assert_eq!(
        pods.wait_finished("writer", A_MINUTE).await.unwrap(),
        (true, "65532:65532\nkept\n".to_owned())
    );

    let volume = claims.get("data").await.unwrap().spec.unwrap().volume_name.unwrap();
    let volumes: Api<PersistentVolume> = Api::all(cluster.client());
    let bound = volumes.get(&volume).await.unwrap();
    let folder = PathBuf::from(bound.spec.as_ref().unwrap().local.as_ref().unwrap().path.clone());
    assert!(folder.join("file").exists());
    namespaces.delete(namespace.name(), &DeleteParams::default()).await.unwrap();
    let replaced = || async {
        cluster.recycle_volumes().await.map_err(|error| error.to_string())?;
        let live = volumes.get(&volume).await.map_err(|error| error.to_string())?;
        let phase = live.status.as_ref().and_then(|status| status.phase.clone());
        let new = live.uid() != bound.uid();
        Ok::<_, String>(Seen::when(new && phase.as_deref() == Some("Available"), (), phase))
    };
    wait_until("the volume to be replaced", A_MINUTE, replaced).await.unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test]
async fn nothing_for_the_cluster_leaves_the_machine() {
    let cluster = cluster().await;
    for node in Node::ALL {
        let out = cluster.exec_on(node, "ip", &["route", "get", "192.0.2.77"]).await.unwrap_err();
        assert!(out.to_string().contains("unreachable"), "{out}");
        let service = cluster.exec_on(node, "ip", &["route", "get", "10.96.12.34"]).await.unwrap();
        assert!(service.contains("dev lo"), "{service}");
    }
    for address in ["10.96.12.34", "10.244.2.2", "10.201.0.2"] {
        let host = std::process::Command::new("ip").args(["route", "get", address]).output().unwrap();
        assert!(!host.status.success(), "{}", String::from_utf8_lossy(&host.stdout));
    }
}

#[tokio::test]
async fn the_audit_log_tells_who_wrote_what() {
    let cluster = cluster().await;
    let namespace = cluster.namespace("audit").await.unwrap();
    let log = cluster.audit_log().unwrap();
    let written = wait_until("the namespace in the audit log", A_MINUTE, || async {
        let text = fs::read_to_string(&log).map_err(|error| error.to_string())?;
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ours = |event: &Value| {
            event["verb"] == "create"
                && event["objectRef"]["resource"] == "namespaces"
                && event["objectRef"]["name"] == namespace.name()
        };
        Ok::<_, String>(events.into_iter().find(ours).map_or(Seen::NotYet("no event".into()), Seen::Ready))
    });
    assert_eq!(written.await.unwrap()["user"]["username"], "admin");
    // A read is no event.
    assert!(!fs::read_to_string(&log).unwrap().contains("\"verb\":\"get\""));
}
