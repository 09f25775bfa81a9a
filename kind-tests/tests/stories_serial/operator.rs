//! The operator's Pods, and what they made for a Registry.

use std::collections::{BTreeMap, BTreeSet};

use entrepot_crds::{labels, names::Names};
use entrepot_kind_tests::{
    Node,
    installation::OPERATOR,
    wait::{Seen, wait_until},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ListParams},
    core::NamespaceResourceScope,
};
use serde::de::DeserializeOwned;

use crate::{
    audit,
    support::{BOUND, Story},
};

/// The user that the operator is to the API server.
pub(crate) const USER: &str = "system:serviceaccount:entrepot-system:entrepot-operator";

/// The operator's Pods that are not ending.
pub(crate) async fn pods(story: &Story) -> Vec<Pod> {
    let api: Api<Pod> = Api::namespaced(story.client.clone(), OPERATOR.0);
    let of_operator = ListParams::default().labels(&format!("{}=operator", labels::APP_COMPONENT));
    let listed = api.list(&of_operator).await.unwrap().items;
    listed.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect()
}

/// Kills an operator as a crash would, and deletes its Pod, whose own restarts come later and later.
pub(crate) async fn kill(story: &Story, pod: &Pod) {
    let status = pod.status.as_ref().unwrap();
    let container = status.container_statuses.as_ref().unwrap()[0].container_id.clone().unwrap();
    let node = pod.spec.as_ref().unwrap().node_name.clone().unwrap();
    let node = Node::ALL.into_iter().find(|one| one.name() == node).unwrap();
    let id = container.strip_prefix("containerd://").unwrap();
    story
        .cluster
        .exec_on(node, "ctr", &["-n", "k8s.io", "task", "kill", "--signal", "SIGKILL", id])
        .await
        .unwrap();
    let api: Api<Pod> = Api::namespaced(story.client.clone(), OPERATOR.0);
    api.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await.unwrap();
}

/// Sets the number of operators and waits until that many run.
pub(crate) async fn scale(story: &Story, replicas: i32) {
    let (namespace, name) = OPERATOR;
    let replicas_flag = format!("--replicas={replicas}");
    let deployment = format!("deployment/{name}");
    story.kubectl.run(&["scale", &deployment, "--namespace", namespace, &replicas_flag]).await.unwrap();
    let api: Api<Deployment> = Api::namespaced(story.client.clone(), namespace);
    let look = || async {
        let status = api.get(name).await?.status.unwrap_or_default();
        let counts = [status.ready_replicas, status.replicas].map(Option::unwrap_or_default);
        let ready = counts == [replicas; 2] && pods(story).await.len() == usize::try_from(replicas).unwrap();
        Ok::<_, kube::Error>(Seen::when(ready, (), counts))
    };
    wait_until(&format!("{replicas} operators"), BOUND, look).await.unwrap();
}

/// Who holds the Lease.
pub(crate) async fn leader(story: &Story) -> String {
    let api: Api<Lease> = Api::namespaced(story.client.clone(), OPERATOR.0);
    let lease = api.get(OPERATOR.1).await.unwrap();
    lease.spec.unwrap_or_default().holder_identity.unwrap_or_default()
}

/// Everything that carries a Registry's label, by kind and name.
pub(crate) async fn children(story: &Story, names: &Names) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect::<Service>(story, names, &mut found).await;
    collect::<Deployment>(story, names, &mut found).await;
    collect::<NetworkPolicy>(story, names, &mut found).await;
    collect::<PersistentVolumeClaim>(story, names, &mut found).await;
    collect::<Secret>(story, names, &mut found).await;
    collect::<ConfigMap>(story, names, &mut found).await;
    found
}

async fn collect<K>(story: &Story, names: &Names, found: &mut BTreeSet<String>)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let of_registry = ListParams::default().labels(&format!("{}={}", labels::REGISTRY, names.name()));
    let listed = story.api::<K>().list_metadata(&of_registry).await.unwrap();
    found.extend(listed.iter().map(|object| format!("{} {}", K::plural(&()), object.name_any())));
}

/// What they must be, no more and no less.
pub(crate) fn expected(names: &Names) -> BTreeSet<String> {
    let secrets = [
        names.ca_secret(),
        names.tls_secret(),
        names.admin_secret(),
        names.pull_secret(),
        names.htpasswd_secret(),
        names.keys_secret(),
    ];
    let others = [
        format!("services {}", names.service()),
        format!("services {}", names.internal_service()),
        format!("deployments {}", names.deployment()),
        format!("networkpolicies {}", names.network_policy()),
        format!("persistentvolumeclaims {}", names.data_claim()),
        format!("configmaps {}", names.config_map()),
        format!("configmaps {}", names.trust_config_map()),
    ];
    secrets.into_iter().map(|name| format!("secrets {name}")).chain(others).collect()
}

/// Asserts that a Registry has exactly its children, that each was made once and by nobody twice, and that what nodes trust
/// is the one authority.
pub(crate) async fn assert_made_once(story: &Story, names: &Names) {
    assert_eq!(children(story, names).await, expected(names));
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    let mut removed = Vec::new();
    for write in audit::writes(&story.cluster.audit_log().unwrap(), 0) {
        let object = write.object();
        if write.user.username != USER || object.namespace != names.namespace() || !write.succeeded() {
            continue;
        }
        let name = format!("{} {}", object.resource, object.name);
        match write.verb.as_str() {
            "create" => *made.entry(name).or_default() += 1,
            "delete" | "deletecollection" => removed.push(name),
            _ => {}
        }
    }
    assert_eq!(removed, Vec::<String>::new());
    // Events are made as often as there is something to tell.
    made.retain(|name, _| expected(names).contains(name));
    let once: BTreeMap<_, _> = expected(names).into_iter().map(|name| (name, 1)).collect();
    assert_eq!(made, once);
    let secrets: Api<Secret> = story.api();
    let authority = secrets.get(&names.ca_secret()).await.unwrap().data.unwrap().remove("tls.crt").unwrap();
    let trusted = story.registry(names).await.status.unwrap().trust_bundle.unwrap().pem;
    assert_eq!(trusted.into_bytes(), authority.0);
}
