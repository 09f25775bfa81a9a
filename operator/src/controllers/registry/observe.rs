//! Step one: reads what is there. Every read is live, so that no decision rests on a cache that a write has overtaken.

use std::fmt::Debug;

use entrepot_crds::names::Names;
use entrepot_crds::{Registry, RegistrySpec};
use futures::try_join;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::nodes::OnNode;

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
    /// What each node says of the Registry, as far as that is known.
    pub nodes: Option<Vec<OnNode>>,
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
    /// The cluster's `StorageClass`es; read while the claim in use has no volume.
    pub storage_classes: Option<Vec<StorageClassFacts>>,
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

/// Reads the children and the references of `registry`; what `nodes` say of it is known already.
pub async fn observe(
    client: &Client,
    registry: &Registry,
    names: &Names,
    nodes: Option<Vec<OnNode>>,
) -> Result<Observed, ObserveError> {
    let read = Reader { client, namespace: names.namespace() };
    let (claim, ca, keys, admin, pull, htpasswd, tls) = try_join!(
        read.one::<PersistentVolumeClaim>(names.data_claim()),
        read.one(names.ca_secret()),
        read.one(names.keys_secret()),
        read.one(names.admin_secret()),
        read.one(names.pull_secret()),
        read.one(names.htpasswd_secret()),
        read.one(names.tls_secret()),
    )?;
    let (service, internal_service, network_policy, config_map, trust, deployment, references) = try_join!(
        read.one(names.service()),
        read.one(names.internal_service()),
        read.one(names.network_policy()),
        read.one(names.config_map()),
        read.one(names.trust_config_map()),
        read.one(names.deployment()),
        read.references(&registry.spec, claim.as_ref()),
    )?;
    Ok(Observed {
        claim,
        ca,
        keys,
        admin,
        pull,
        htpasswd,
        tls,
        service,
        internal_service,
        network_policy,
        config_map,
        trust,
        deployment,
        references,
        nodes,
    })
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

/// Reads from one namespace.
struct Reader<'a> {
    client: &'a Client,
    namespace: &'a str,
}

impl Reader<'_> {
    async fn one<K>(&self, name: String) -> Result<Option<K>, ObserveError>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let answer = Api::<K>::namespaced(self.client.clone(), self.namespace).get_opt(&name).await;
        answer.map_err(|source| ObserveError { kind: K::kind(&()).into_owned(), name, source })
    }

    async fn named<K>(&self, name: Option<&str>) -> Result<Option<K>, ObserveError>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        match name {
            Some(name) => self.one(name.to_owned()).await,
            None => Ok(None),
        }
    }

    async fn references(
        &self,
        spec: &RegistrySpec,
        claim: Option<&PersistentVolumeClaim>,
    ) -> Result<References, ObserveError> {
        let (existing_claim, certificate, htpasswd) = try_join!(
            self.named(existing_claim_name(spec)),
            self.named(certificate_name(spec)),
            self.named(htpasswd_name(spec)),
        )?;
        // Only a claim without a volume makes anybody ask why; one that is still to be made will be without.
        let storage_classes = match existing_claim.as_ref().or(claim) {
            Some(claim) if is_bound(claim) => None,
            Some(_) | None => Some(self.storage_classes().await?),
        };
        Ok(References { existing_claim, certificate, htpasswd, storage_classes })
    }

    async fn storage_classes(&self) -> Result<Vec<StorageClassFacts>, ObserveError> {
        let api = Api::<StorageClass>::all(self.client.clone());
        let listed = api.list_metadata(&ListParams::default()).await;
        let classes = listed.map_err(|source| ObserveError {
            kind: "the list of".to_owned(),
            name: "StorageClasses".to_owned(),
            source,
        })?;
        Ok(classes
            .iter()
            .map(|class| StorageClassFacts {
                name: class.name_any(),
                is_default: class.annotations().get(DEFAULT_CLASS).is_some_and(|value| value == "true"),
            })
            .collect())
    }
}

fn is_bound(claim: &PersistentVolumeClaim) -> bool {
    claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound")
}
