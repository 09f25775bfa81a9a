//! What stories do to their Registries, and what they wait for.

use entrepot_crds::{Registry, labels, names::Names};
use entrepot_kind_tests::{
    Pods,
    wait::{Seen, wait_until},
};
use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, ObjectList, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::support::{API_VERSION, BOUND, Story};

impl Story {
    /// The Pods of the story's namespace.
    pub(crate) fn pods(&self) -> Pods {
        Pods::of(self.client.clone(), self.namespace.name())
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
        self.gone::<Deployment>(&names.deployment()).await;
        let look = || async {
            let left = self.server_pods(names).await?.items.len();
            Ok::<_, kube::Error>(Seen::when(left == 0, (), left))
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

    /// Waits until a condition of a Registry's current generation has this status and reason; answers its message.
    pub(crate) async fn condition(&self, names: &Names, kind: &str, status: &str, reason: &str) -> String {
        self.says(names, (kind, status, reason), "").await
    }

    /// The same for a message with `part` in it.
    pub(crate) async fn says(
        &self,
        names: &Names,
        (kind, status, reason): (&str, &str, &str),
        part: &str,
    ) -> String {
        let api: Api<Registry> = self.api();
        let look = || async {
            let registry = api.get(names.name()).await?;
            let generation = registry.metadata.generation;
            let conditions = registry.status.unwrap_or_default().conditions;
            let wanted = |condition: &&Condition| {
                (condition.type_.as_str(), condition.observed_generation) == (kind, generation)
                    && (condition.status.as_str(), condition.reason.as_str()) == (status, reason)
                    && condition.message.contains(part)
            };
            Ok::<_, kube::Error>(match conditions.iter().find(wanted) {
                Some(condition) => Seen::Ready(condition.message.clone()),
                None => Seen::NotYet(format!("{conditions:#?}")),
            })
        };
        wait_until(&format!("{kind}={status} {reason} {part}"), BOUND, look).await.unwrap()
    }
}
