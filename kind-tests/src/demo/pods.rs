//! The demo's Pods: one a node, with a container from each image, and the proof of where those came from.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};

use super::images::{BUSYBOX, MULTI_ARCH, PORT};
use crate::{Node, Pods, cluster::ClusterError, progress::Progress, wait::Seen};

const BOUND: Duration = Duration::from_mins(2);

/// A Pod that runs.
#[derive(Debug, PartialEq, Eq)]
pub struct Running {
    /// The Pod's name.
    pub name: String,
    /// The node it runs on.
    pub node: Node,
    /// What each container runs, by digest, as the kubelet reports it: `main.registries.svc/demo/busybox@sha256:…`.
    pub image_ids: BTreeMap<String, String>,
    /// What the kubelet says of its pulls.
    pub pulls: Vec<String>,
}

/// The Pod of one node.
pub fn name(node: Node) -> String {
    format!("hello-{}", node.name())
}

/// Its spec. `host` is the Registry's name in image references, `secret` what the kubelet may pull with.
fn spec(node: Node, host: &str, secret: &str) -> Value {
    let container = |name: &str, image: &str, port: u16| {
        json!({
            "name": name,
            "image": format!("{host}/{image}"),
            // The kubelet asks the registry whatever the node holds already.
            "imagePullPolicy": "Always",
            "command": ["/bin/httpd", "-f", "-p", port.to_string(), "-h", "/www"],
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            "readinessProbe": {"httpGet": {"path": "/", "port": port}, "periodSeconds": 1},
        })
    };
    json!({
        "nodeSelector": {"kubernetes.io/hostname": node.name()},
        "imagePullSecrets": [{"name": secret}],
        "terminationGracePeriodSeconds": 1,
        // The sample's namespace admits nothing less.
        "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container("busybox", BUSYBOX, PORT), container("multiarch", MULTI_ARCH, PORT + 1)],
    })
}

/// Makes a Pod on each node anew, so that its images are pulled anew.
pub async fn start(
    client: &Client,
    namespace: &str,
    (host, secret): (&str, &str),
    progress: &Progress,
) -> Result<(), ClusterError> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    for node in Node::ALL {
        delete(&api, &name(node)).await?;
    }
    for node in Node::ALL {
        let name = name(node);
        let gone = || async {
            api.get_opt(&name)
                .await
                .map(|pod| pod.map_or(Seen::Ready(()), |_| Seen::NotYet("it is ending".into())))
        };
        progress.wait(&format!("the earlier Pod {name} to go"), BOUND, gone).await?;
        Pods::of(client.clone(), namespace).create(&name, spec(node, host, secret)).await?;
    }
    Ok(())
}

/// Waits until the Pod of one node runs, and answers what it runs.
pub async fn finish(
    client: &Client,
    namespace: &str,
    node: Node,
    host: &str,
    progress: &Progress,
) -> Result<Running, ClusterError> {
    let name = name(node);
    let pods = Pods::of(client.clone(), namespace);
    progress.step(&format!("waiting for the Pod {name}"), pods.wait_ready(&name, BOUND)).await?;
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pod = api.get(&name).await.map_err(|source| failed(&format!("read the Pod {name}"), source))?;
    let pulls = pulls(client, &pod, host, progress).await?;
    Ok(Running { image_ids: image_ids(&pod), name, node, pulls })
}

async fn delete(api: &Api<Pod>, name: &str) -> Result<(), ClusterError> {
    match api.delete(name, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(failed(&format!("delete the Pod {name}"), source)),
        Ok(_) => Ok(()),
    }
}

/// What each container runs, by digest.
fn image_ids(pod: &Pod) -> BTreeMap<String, String> {
    let statuses =
        pod.status.as_ref().and_then(|status| status.container_statuses.clone()).unwrap_or_default();
    statuses.into_iter().map(|container| (container.name, container.image_id)).collect()
}

/// The kubelet's own words on the pulls of a Pod, one a container; they arrive a little after the Pod runs.
async fn pulls(
    client: &Client,
    pod: &Pod,
    host: &str,
    progress: &Progress,
) -> Result<Vec<String>, ClusterError> {
    let api: Api<Event> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let by_name = format!("Successfully pulled image \"{host}/");
    let uid = pod.uid().unwrap_or_default();
    let wanted = pod.spec.as_ref().map_or(0, |spec| spec.containers.len());
    let of_pod = ListParams::default().fields(&format!("involvedObject.uid={uid},reason=Pulled"));
    let look = || async {
        let events = api.list(&of_pod).await?;
        let messages = events.items.into_iter().filter_map(|event| event.message);
        let pulled: Vec<_> = messages.filter(|message| message.starts_with(&by_name)).collect();
        let count = pulled.len();
        Ok::<_, kube::Error>(Seen::when(count == wanted, pulled, format!("{count} of {wanted} pulls")))
    };
    let awaited = format!("the kubelet's report on {}", pod.name_any());
    Ok(progress.wait(&awaited, BOUND, look).await?)
}

fn failed(action: &str, source: kube::Error) -> ClusterError {
    ClusterError::Api { action: action.to_owned(), source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_bound_to_its_node_and_pulls_by_the_in_cluster_name() {
        let spec = spec(Node::N2, "main.registries.svc", "main-entrepot-pull");
        assert_eq!(spec["nodeSelector"], json!({"kubernetes.io/hostname": "n2"}));
        assert_eq!(spec["imagePullSecrets"], json!([{"name": "main-entrepot-pull"}]));
        let containers = spec["containers"].as_array().unwrap();
        let images: Vec<_> =
            containers.iter().map(|c| (c["image"].as_str().unwrap(), &c["imagePullPolicy"])).collect();
        let always = json!("Always");
        assert_eq!(
            images,
            [
                ("main.registries.svc/demo/busybox:1", &always),
                ("main.registries.svc/demo/multiarch:1", &always)
            ]
        );
    }
}
