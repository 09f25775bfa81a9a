//! What triggers a round.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use entrepot_crds::{Registry, labels};
use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::core::{DeserializeGuard, DynamicObject, PartialObjectMeta};
use kube::runtime::controller::{Action, Config, Controller, Error as ControllerError};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::misunderstood::Misunderstood;
use super::nodes::{Affected, NodeReports};
use super::retry::Failures;
use super::secret_watches::SecretWatches;
use super::{ReconcileError, reconcile};
use crate::context::Context;
use crate::metrics::Outcome;

type Guarded = DeserializeGuard<Registry>;

/// What every round shares.
pub struct Reconciler {
    /// The outside world.
    pub context: Context,
    /// The watches of referenced Secrets.
    pub(super) secrets: SecretWatches,
    /// What the node agents report.
    pub(super) nodes: Arc<NodeReports>,
    pub(super) misunderstood: Misunderstood,
    failures: Failures,
}

impl Reconciler {
    /// What rounds with `context` share, and the Registries whose referenced Secrets change: each is due for a round.
    pub fn new(context: Context) -> (Self, impl Stream<Item = ObjectRef<Guarded>> + Send + 'static) {
        let (secrets, changes) = SecretWatches::new(context.client.clone());
        let reconciler = Self {
            context,
            secrets,
            nodes: Arc::default(),
            misunderstood: Misunderstood::default(),
            failures: Failures::default(),
        };
        (reconciler, changes)
    }

    /// Lets go of what is kept for a Registry that is gone. Its own deletion is no reason for a round, but that of its
    /// children is, and then the Registry is not found.
    fn forget(&self, gone: &ObjectRef<DynamicObject>) {
        let namespace = gone.namespace.as_deref().unwrap_or_default();
        self.secrets.forget(namespace, &gone.name);
        self.failures.forget(&key(namespace, &gone.name));
    }
}

/// Reconciles every Registry of the cluster until `shutdown` resolves; rounds that have begun are finished.
pub async fn run(context: Context, shutdown: impl Future<Output = ()> + Send + Sync + 'static) {
    let client = context.client.clone();
    let config = Config::default().concurrency(context.settings.concurrency);
    let reports = Api::<ConfigMap>::namespaced(client.clone(), &context.settings.node_agent_namespace);
    let (reconciler, secret_changes) = Reconciler::new(context);
    let controller = Controller::new(Api::<Guarded>::all(client.clone()), watcher::Config::default())
        .with_config(config)
        .graceful_shutdown_on(shutdown)
        .reconcile_on(secret_changes)
        .reconcile_all_on(changes(
            Api::<PartialObjectMeta<StorageClass>>::all(client.clone()),
            watcher::Config::default(),
        ));
    let reported = reported(reports, Arc::clone(&reconciler.nodes), controller.store());
    let controller = controller.reconcile_on(reported);
    let controller = children::<PersistentVolumeClaim>(controller, &client);
    let controller = children::<Secret>(controller, &client);
    let controller = children::<ConfigMap>(controller, &client);
    let controller = children::<Service>(controller, &client);
    let controller = children::<Deployment>(controller, &client);
    let controller = children::<NetworkPolicy>(controller, &client);
    let reconciler = Arc::new(reconciler);
    controller
        .run(timed, error_policy, Arc::clone(&reconciler))
        .for_each(|result| {
            if let Err(error) = result {
                tracing::debug!(%error, "a round or a watch failed");
                if let ControllerError::ObjectNotFound(gone) = error {
                    reconciler.forget(&gone);
                }
            }
            std::future::ready(())
        })
        .await;
}

/// Watches the metadata of every child of one kind. Kept children have no owner, so the label leads to the Registry;
/// a name that comes from nowhere leads to a Registry that is not there, which costs one read.
fn children<K>(controller: Controller<Guarded>, client: &Client) -> Controller<Guarded>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + Sync + 'static,
{
    let api = Api::<PartialObjectMeta<K>>::all(client.clone());
    let config = watcher::Config::default().labels(labels::REGISTRY);
    controller.watches(api, config, |child| {
        let registry = child.labels().get(labels::REGISTRY)?;
        Some(ObjectRef::new(registry).within(&child.namespace()?))
    })
}

/// The Registries of which a node agent says something else than before.
fn reported(
    api: Api<ConfigMap>,
    nodes: Arc<NodeReports>,
    registries: Store<Guarded>,
) -> impl Stream<Item = ObjectRef<Guarded>> + Send + 'static {
    let config = watcher::Config::default().labels(&format!("{}=true", labels::NODE_REPORT));
    watcher(api, config).default_backoff().flat_map(move |event| {
        let affected = match event {
            Ok(event) => nodes.observe(event),
            Err(error) => {
                tracing::warn!(%error, "watching the node agents' reports failed; it is tried again");
                Affected::These(BTreeSet::new())
            }
        };
        let is_affected = |registry: &Arc<Guarded>| match &affected {
            Affected::Everybody => true,
            Affected::These(uids) => registry.uid().is_some_and(|uid| uids.contains(&uid)),
        };
        let due = registries.state().into_iter().filter(is_affected);
        let due: Vec<ObjectRef<Guarded>> = due.map(|registry| ObjectRef::from_obj(&*registry)).collect();
        futures::stream::iter(due)
    })
}

/// One item for each change of any of these objects.
fn changes<K>(api: Api<K>, config: watcher::Config) -> impl Stream<Item = ()> + Send
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
{
    watcher(api, config).default_backoff().touched_objects().filter_map(|event| async move {
        match event {
            Ok(_) => Some(()),
            Err(error) => {
                tracing::warn!(%error, "a watch failed; it is tried again");
                None
            }
        }
    })
}

async fn timed(registry: Arc<Guarded>, reconciler: Arc<Reconciler>) -> Result<Action, ReconcileError> {
    let started = Instant::now();
    let result = Box::pin(reconcile(&registry, &reconciler)).await;
    let outcome = if result.is_ok() { Outcome::Success } else { Outcome::Error };
    reconciler.context.metrics.reconciled("Registry", outcome, started.elapsed());
    if result.is_ok() {
        reconciler.failures.forget(&key_of(&registry));
    }
    result
}

/// `Fn` takes what the controller gives it by value.
#[allow(clippy::needless_pass_by_value)]
fn error_policy(registry: Arc<Guarded>, error: &ReconcileError, reconciler: Arc<Reconciler>) -> Action {
    let wait = reconciler.failures.again(&key_of(&registry));
    if error.is_lost_race() {
        tracing::debug!(registry = key_of(&registry), %error, ?wait, "a round is repeated");
    } else {
        tracing::warn!(registry = key_of(&registry), %error, ?wait, "a round failed; it is tried again");
    }
    Action::requeue(wait)
}

fn key_of(registry: &Guarded) -> String {
    key(&registry.namespace().unwrap_or_default(), &registry.name_any())
}

fn key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::context::Settings;
    use crate::metrics::Metrics;

    #[tokio::test]
    async fn nothing_is_kept_for_a_registry_that_is_gone() {
        let silent = tower::service_fn(|_: http::Request<kube::client::Body>| {
            std::future::pending::<Result<http::Response<kube::client::Body>, kube::Error>>()
        });
        let settings = Settings {
            registry_image: "registry".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
            node_agent_namespace: "entrepot-nodes".to_owned(),
            concurrency: 1,
        };
        let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
        let client = Client::new(silent, "default");
        let (reconciler, _changes) = Reconciler::new(Context::new(client, metrics, settings, "test"));
        let registry: Registry = serde_json::from_value(json!({
            "apiVersion": "entrepot.dev/v1alpha1", "kind": "Registry",
            "metadata": {"name": "main", "namespace": "registries"},
            "spec": {"storage": {"volume": {"size": "1Gi"}}, "tls": {"secretRef": {"name": "public"}}},
        }))
        .unwrap();
        reconciler.secrets.watch(&registry);
        reconciler.failures.again("registries/main");
        assert_eq!(reconciler.secrets.registries(), 1);
        reconciler.forget(&ObjectRef::<Registry>::from_obj(&registry).erase());
        assert_eq!(reconciler.secrets.registries(), 0);
        assert_eq!(reconciler.failures.again("registries/main"), Failures::default().again("a"));
    }
}
