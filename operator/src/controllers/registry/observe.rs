//! Step one: reads what is there. Every read is live, so that no decision rests on a cache that a write has overtaken.

use std::fmt::Debug;

use entrepot_crds::names::Names;
use entrepot_crds::node_report::{DATA_KEY, NodeReport};
use entrepot_crds::{NodeAccessMode, Registry, RegistrySpec, labels};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

/// The annotation that makes a `StorageClass` the default one.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// Everything a Registry's state follows from, as it was read.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The claim made for the Registry.
    pub claim: Option<PersistentVolumeClaim>,
    /// The CA's Secret.
    pub ca: Option<Secret>,
    /// The Secret of the server's keys.
    pub keys: Option<Secret>,
    /// The admin's Secret.
    pub admin: Option<Secret>,
    /// The pull-only identity's Secret.
    pub pull: Option<Secret>,
    /// The generated htpasswd Secret.
    pub htpasswd: Option<Secret>,
    /// The generated certificate's Secret.
    pub tls: Option<Secret>,
    /// The data Service.
    pub service: Option<Service>,
    /// The Service of health and metrics.
    pub internal_service: Option<Service>,
    /// The network policy.
    pub network_policy: Option<NetworkPolicy>,
    /// The configuration.
    pub config_map: Option<ConfigMap>,
    /// The trust bundle.
    pub trust: Option<ConfigMap>,
    /// The server's Deployment.
    pub deployment: Option<Deployment>,
    /// What the spec refers to.
    pub references: References,
    /// The reports of the node agents; none are read when node access is off.
    pub node_reports: Vec<NodeReport>,
}

/// The objects that the spec names and the operator never writes.
#[derive(Clone, Debug, Default)]
pub struct References {
    /// `storage.volume.existingClaim`.
    pub existing_claim: Option<PersistentVolumeClaim>,
    /// `tls.secretRef`.
    pub certificate: Option<Secret>,
    /// `auth.htpasswdSecretRef`.
    pub htpasswd: Option<Secret>,
    /// The cluster's `StorageClass`es.
    pub storage_classes: Vec<StorageClassFacts>,
}

/// What matters of a `StorageClass`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClassFacts {
    /// Its name.
    pub name: String,
    /// Whether claims without a class get it.
    pub is_default: bool,
}

/// A read failed.
#[derive(Debug, thiserror::Error)]
#[error("reading {kind} {name}: {source}")]
pub struct ObserveError {
    kind: String,
    name: String,
    source: kube::Error,
}

/// Reads the children and the references of `registry`.
pub async fn observe(
    client: &Client,
    registry: &Registry,
    names: &Names,
    node_agent_namespace: &str,
) -> Result<Observed, ObserveError> {
    let namespace = names.namespace();
    Ok(Observed {
        claim: get(client, namespace, &names.data_claim()).await?,
        ca: get(client, namespace, &names.ca_secret()).await?,
        keys: get(client, namespace, &names.keys_secret()).await?,
        admin: get(client, namespace, &names.admin_secret()).await?,
        pull: get(client, namespace, &names.pull_secret()).await?,
        htpasswd: get(client, namespace, &names.htpasswd_secret()).await?,
        tls: get(client, namespace, &names.tls_secret()).await?,
        service: get(client, namespace, &names.service()).await?,
        internal_service: get(client, namespace, &names.internal_service()).await?,
        network_policy: get(client, namespace, &names.network_policy()).await?,
        config_map: get(client, namespace, &names.config_map()).await?,
        trust: get(client, namespace, &names.trust_config_map()).await?,
        deployment: get(client, namespace, &names.deployment()).await?,
        references: references(client, namespace, &registry.spec).await?,
        node_reports: node_reports(client, node_agent_namespace, &registry.spec).await?,
    })
}

async fn references(
    client: &Client,
    namespace: &str,
    spec: &RegistrySpec,
) -> Result<References, ObserveError> {
    let existing_claim = match existing_claim_name(spec) {
        Some(name) => get(client, namespace, name).await?,
        None => None,
    };
    let certificate = match certificate_name(spec) {
        Some(name) => get(client, namespace, name).await?,
        None => None,
    };
    let htpasswd = match htpasswd_name(spec) {
        Some(name) => get(client, namespace, name).await?,
        None => None,
    };
    Ok(References { existing_claim, certificate, htpasswd, storage_classes: storage_classes(client).await? })
}

/// The name in `storage.volume.existingClaim`.
pub fn existing_claim_name(spec: &RegistrySpec) -> Option<&str> {
    spec.storage.volume.as_ref()?.existing_claim.as_deref()
}

/// The name in `tls.secretRef`.
pub fn certificate_name(spec: &RegistrySpec) -> Option<&str> {
    Some(&spec.tls.as_ref()?.secret_ref.as_ref()?.name)
}

/// The name in `auth.htpasswdSecretRef`.
pub fn htpasswd_name(spec: &RegistrySpec) -> Option<&str> {
    Some(&spec.auth.as_ref()?.htpasswd_secret_ref.as_ref()?.name)
}

async fn get<K>(client: &Client, namespace: &str, name: &str) -> Result<Option<K>, ObserveError>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    Api::<K>::namespaced(client.clone(), namespace).get_opt(name).await.map_err(|source| ObserveError {
        kind: K::kind(&()).into_owned(),
        name: name.to_owned(),
        source,
    })
}

async fn storage_classes(client: &Client) -> Result<Vec<StorageClassFacts>, ObserveError> {
    let listed = Api::<StorageClass>::all(client.clone()).list_metadata(&ListParams::default()).await;
    let classes = listed.map_err(|source| failed_list("StorageClasses", source))?;
    Ok(classes
        .iter()
        .map(|class| StorageClassFacts {
            name: class.name_any(),
            is_default: class.annotations().get(DEFAULT_CLASS).is_some_and(|value| value == "true"),
        })
        .collect())
}

async fn node_reports(
    client: &Client,
    namespace: &str,
    spec: &RegistrySpec,
) -> Result<Vec<NodeReport>, ObserveError> {
    if spec.node_access.clone().unwrap_or_default().mode == NodeAccessMode::None {
        return Ok(Vec::new());
    }
    let selector = format!("{}=true", labels::NODE_REPORT);
    let listed = Api::<ConfigMap>::namespaced(client.clone(), namespace)
        .list(&ListParams::default().labels(&selector))
        .await
        .map_err(|source| failed_list("node reports", source))?;
    Ok(listed.into_iter().filter_map(|map| parse_report(&map)).collect())
}

/// A report that cannot be read is that of a node which is not configured as far as anybody knows.
fn parse_report(map: &ConfigMap) -> Option<NodeReport> {
    let text = map.data.as_ref()?.get(DATA_KEY)?;
    match serde_json::from_str(text) {
        Ok(report) => Some(report),
        Err(error) => {
            tracing::warn!(config_map = map.name_any(), %error, "a node's report cannot be read");
            Some(NodeReport { node: map.name_any(), ..NodeReport::default() })
        }
    }
}

fn failed_list(what: &str, source: kube::Error) -> ObserveError {
    ObserveError { kind: "the list of".to_owned(), name: what.to_owned(), source }
}
