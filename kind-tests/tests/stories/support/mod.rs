//! What every story stands on: the cluster with the operator installed, and a namespace of its own.

pub(crate) mod certificate;
pub(crate) mod debian;

use std::time::Duration;

use entrepot_crds::{Registry, labels, names::Names};
use entrepot_kind_tests::{
    Capability, Cluster, Namespace, Pods,
    access::{self, Access},
    cache::Cache,
    demo, installation,
    kubectl::Kubectl,
    progress::Progress,
    tools::{self, Tool},
    wait::{Seen, wait_until},
};
use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, ObjectList, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// For everything that takes a Pod to start or an operator to act.
pub(crate) const BOUND: Duration = Duration::from_mins(3);

const API_VERSION: &str = "entrepot.dev/v1alpha1";

/// A story's own corner of the cluster.
pub(crate) struct Story {
    pub(crate) cluster: Cluster,
    pub(crate) client: Client,
    pub(crate) kubectl: Kubectl,
    pub(crate) namespace: Namespace,
    pub(crate) progress: Progress,
}

impl Story {
    /// Brings the cluster up if it is down, installs the operator once a run, and makes the namespace.
    pub(crate) async fn begin(name: &str) -> Self {
        static INSTALLED: OnceCell<()> = OnceCell::const_new();
        let progress = Progress::on_stderr();
        let cluster = Cluster::connect().await.unwrap();
        for capability in Capability::ALL {
            cluster.require(capability).unwrap();
        }
        // A client belongs to the runtime of its test, so nothing of it is shared: only that it has been done.
        let install = || async {
            tools::ensure(&Cache::from_environment().unwrap(), &[Tool::Crane], &progress).await.unwrap();
            installation::install(&cluster, &progress).await.unwrap();
        };
        INSTALLED.get_or_init(install).await;
        let (client, kubectl) = (cluster.client(), Kubectl::new(cluster.kubeconfig()));
        let namespace = cluster.namespace(name).await.unwrap();
        Self { cluster, client, kubectl, namespace, progress }
    }

    /// The API of a kind in the story's namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), self.namespace.name())
    }

    pub(crate) fn pods(&self) -> Pods {
        Pods::of(self.client.clone(), self.namespace.name())
    }

    /// Makes a Registry with this spec.
    pub(crate) async fn create(&self, name: &str, spec: Value) -> Names {
        let object =
            json!({"apiVersion": API_VERSION, "kind": "Registry", "metadata": {"name": name}, "spec": spec});
        let registry: Registry = serde_json::from_value(object).unwrap();
        self.api().create(&PostParams::default(), &registry).await.unwrap();
        Names::new(name, self.namespace.name())
    }

    /// Applies a Registry with this spec by `kubectl apply`; answers what it says when it refuses.
    pub(crate) async fn apply(&self, name: &str, spec: &Value) -> Result<String, String> {
        let metadata = json!({"name": name, "namespace": self.namespace.name()});
        let object =
            json!({"apiVersion": API_VERSION, "kind": "Registry", "metadata": metadata, "spec": spec});
        self.kubectl.apply_text(&object.to_string()).await.map_err(|error| error.to_string())
    }

    /// Changes a Registry's spec by merge.
    pub(crate) async fn patch(&self, names: &Names, spec: Value) {
        let api: Api<Registry> = self.api();
        let patch = Patch::Merge(json!({"spec": spec}));
        api.patch(names.name(), &PatchParams::default(), &patch).await.unwrap();
    }

    /// Deletes a Registry and waits until it has gone, and its server with it.
    pub(crate) async fn delete(&self, names: &Names) {
        let api: Api<Registry> = self.api();
        api.delete(names.name(), &DeleteParams::default()).await.unwrap();
        self.gone::<Registry>(names.name()).await;
        self.gone::<k8s_openapi::api::apps::v1::Deployment>(&names.deployment()).await;
        let pods: Api<k8s_openapi::api::core::v1::Pod> = self.api();
        let of_registry =
            kube::api::ListParams::default().labels(&format!("entrepot.dev/registry={}", names.name()));
        let look = || async {
            pods.list(&of_registry).await.map(|left| Seen::when(left.items.is_empty(), (), left.items.len()))
        };
        wait_until("the server's Pod to go", BOUND, look).await.unwrap();
    }

    /// Waits until an object is not there.
    pub(crate) async fn gone<K>(&self, name: &str)
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
        K::DynamicType: Default,
    {
        let api: Api<K> = self.api();
        let look = || async {
            api.get_metadata_opt(name).await.map(|found| Seen::when(found.is_none(), (), "it is there"))
        };
        wait_until(&format!("{name} to go"), BOUND, look).await.unwrap();
    }

    /// A Registry as it is.
    pub(crate) async fn registry(&self, names: &Names) -> Registry {
        self.api::<Registry>().get(names.name()).await.unwrap()
    }

    /// The Pod that is a Registry's server, or is about to be: the one that is not ending.
    pub(crate) async fn server(&self, names: &Names) -> Pod {
        let look = || async {
            let pods = self.server_pods(names).await?.items;
            let found = pods.iter().find(|pod| {
                pod.metadata.deletion_timestamp.is_none()
                    && pod.status.as_ref().is_some_and(|status| status.container_statuses.is_some())
            });
            Ok::<_, kube::Error>(
                found.cloned().map_or_else(|| Seen::NotYet(format!("{} Pods", pods.len())), Seen::Ready),
            )
        };
        wait_until("the server's Pod", BOUND, look).await.unwrap()
    }

    async fn server_pods(&self, names: &Names) -> kube::Result<ObjectList<Pod>> {
        let of_registry = ListParams::default().labels(&format!("{}={}", labels::REGISTRY, names.name()));
        self.api().list(&of_registry).await
    }

    /// Waits until clients and both nodes can use a Registry.
    pub(crate) async fn usable(&self, names: &Names) -> Access {
        demo::usable(&self.cluster, names, &self.progress).await.unwrap()
    }

    /// Waits until a Registry is Ready, whatever the nodes are.
    pub(crate) async fn ready(&self, names: &Names) -> Registry {
        access::wait_ready(&self.client, names, BOUND, &self.progress).await.unwrap()
    }

    /// Waits until a condition of a Registry's current generation has this status and reason; answers its message.
    pub(crate) async fn condition(&self, names: &Names, kind: &str, status: &str, reason: &str) -> String {
        let api: Api<Registry> = self.api();
        let look = || async {
            let registry = api.get(names.name()).await?;
            let generation = registry.metadata.generation;
            let conditions = registry.status.unwrap_or_default().conditions;
            let found = conditions.iter().find(|condition| condition.type_ == kind).cloned();
            let current = found.filter(|condition| condition.observed_generation == generation);
            let wanted = |c: &Condition| c.status == status && c.reason == reason;
            Ok::<_, kube::Error>(match current.filter(wanted) {
                Some(condition) => Seen::Ready(condition.message),
                None => Seen::NotYet(format!("{conditions:#?}")),
            })
        };
        wait_until(&format!("{kind}={status} {reason}"), BOUND, look).await.unwrap()
    }
}

/// A Registry that needs nothing but a little space.
pub(crate) fn small() -> Value {
    json!({"storage": {"volume": {"size": "1Gi"}}})
}
