//! What every story stands on: the cluster with the operator installed, and a namespace of its own.

use std::time::Duration;

use entrepot_crds::{Registry, names::Names};
use entrepot_kind_tests::{
    Capability, Cluster, Namespace,
    access::{self, Access},
    cache::Cache,
    demo, installation,
    kubectl::Kubectl,
    progress::Progress,
    tools::{self, Tool},
};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// For everything that takes a Pod to start or an operator to act.
pub(crate) const BOUND: Duration = Duration::from_mins(3);

pub(crate) const API_VERSION: &str = "entrepot.dev/v1alpha1";

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

    /// Makes a Registry with this spec.
    pub(crate) async fn create(&self, name: &str, spec: Value) -> Names {
        let object =
            json!({"apiVersion": API_VERSION, "kind": "Registry", "metadata": {"name": name}, "spec": spec});
        let registry: Registry = serde_json::from_value(object).unwrap();
        self.api().create(&PostParams::default(), &registry).await.unwrap();
        Names::new(name, self.namespace.name())
    }

    /// A Registry as it is.
    pub(crate) async fn registry(&self, names: &Names) -> Registry {
        self.api::<Registry>().get(names.name()).await.unwrap()
    }

    /// Waits until clients and both nodes can use a Registry.
    pub(crate) async fn usable(&self, names: &Names) -> Access {
        demo::usable(&self.cluster, names, &self.progress).await.unwrap()
    }

    /// Waits until a Registry is Ready, whatever the nodes are.
    pub(crate) async fn ready(&self, names: &Names) -> Registry {
        access::wait_ready(&self.client, names, BOUND, &self.progress).await.unwrap()
    }
}

/// A Registry that needs nothing but a little space.
pub(crate) fn small() -> Value {
    json!({"storage": {"volume": {"size": "1Gi"}}})
}
