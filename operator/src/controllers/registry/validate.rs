//! Step two: turns what was read into values that cannot be wrong, and says what of it is.

use std::net::IpAddr;

use entrepot_crds::conditions::{ConditionType, Reason};
use entrepot_crds::names::{Names, Network};
use entrepot_crds::{
    NodeAccessMode, PodTemplate, Registry, RegistrySpec, Service as ServiceSpec, VolumeStorage,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Service};

use super::finding::Finding;
use super::live::Live;
use super::nodes::OnNode;
use super::observe::{Observed, StorageClassFacts};
use super::ownership::Identity;
use super::references::{self, UserCertificate, UserHtpasswd};
use crate::context::Settings;
use crate::controllers::quantity::Quantity;

/// A Registry and its surroundings, checked.
#[derive(Clone, Debug)]
pub struct Validated {
    /// Whose children these are.
    pub identity: Identity,
    /// What they are called.
    pub names: Names,
    /// What the host names follow from; without addresses until the Service has any.
    pub network: Network,
    /// The volume.
    pub storage: Storage,
    /// The Service.
    pub service: ServiceSpec,
    /// The server's image.
    pub image: String,
    /// What the user adds to the Pod.
    pub pod_template: PodTemplate,
    /// How nodes are configured.
    pub node_access: NodeAccessMode,
    /// The user's certificate, if it can be served.
    pub certificate: Option<UserCertificate>,
    /// The user's htpasswd file, if there is one.
    pub htpasswd: Option<UserHtpasswd>,
    /// Where each child stands.
    pub live: Live,
    /// Why children must be left as they are: the Registry is suspended, or a name it needs is taken.
    pub hold: Option<Finding>,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// The cluster's `StorageClass`es, if they were read.
    pub storage_classes: Option<Vec<StorageClassFacts>>,
    /// What each node says of the Registry, as far as that is known.
    pub nodes: Option<Vec<OnNode>>,
}

/// The volume that the server keeps its images on.
#[derive(Clone, Debug, PartialEq)]
pub enum Storage {
    /// A claim that is made for the Registry.
    New {
        /// Its size, as the user wrote it.
        size: String,
        /// The same as a number.
        quantity: Quantity,
        /// Its `StorageClass`; absent: the default one; empty: none.
        storage_class_name: Option<String>,
        /// Its access modes, at least one.
        access_modes: Vec<String>,
    },
    /// A claim that is there.
    Existing {
        /// Its name.
        name: String,
        /// The claim, if it is there indeed.
        claim: Option<Box<PersistentVolumeClaim>>,
    },
}

/// The spec cannot work, in a way that the API server's rules should have refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Neither a size nor a claim.
    #[error(
        "spec.storage.volume needs either size, for a new volume, or existingClaim, for one that is there"
    )]
    NoVolume,
    /// A size that is no positive quantity.
    #[error("spec.storage.volume.size: {size:?} is no positive quantity such as 20Gi")]
    Size {
        /// The size as given.
        size: String,
    },
    /// An object that the API server never returns.
    #[error("the Registry has no {field} in its metadata")]
    Metadata {
        /// The missing field.
        field: &'static str,
    },
}

/// Whose children `registry`'s are.
pub fn identity(registry: &Registry) -> Result<Identity, SpecError> {
    let meta = &registry.metadata;
    Ok(Identity {
        name: meta.name.clone().ok_or(SpecError::Metadata { field: "name" })?,
        namespace: meta.namespace.clone().ok_or(SpecError::Metadata { field: "namespace" })?,
        uid: meta.uid.clone().ok_or(SpecError::Metadata { field: "uid" })?,
    })
}

/// Checks `registry` against what was `observed` of its surroundings.
pub fn validate(
    registry: &Registry,
    mut observed: Observed,
    settings: &Settings,
    now: Timestamp,
) -> Result<Validated, SpecError> {
    let identity = identity(registry)?;
    let names = Names::new(&identity.name, &identity.namespace);
    let spec = &registry.spec;
    let mut findings = Vec::new();
    let certificate = references::certificate(spec, observed.references.certificate.as_ref(), now)
        .unwrap_or_else(|finding| {
            findings.push(finding);
            None
        });
    let htpasswd =
        references::htpasswd(spec, observed.references.htpasswd.as_ref()).unwrap_or_else(|finding| {
            findings.push(finding);
            None
        });
    let storage = storage(spec, observed.references.existing_claim.clone())?;
    if matches!(storage, Storage::Existing { .. }) {
        // None is made beside it, so that its name may be anybody's.
        observed.claim = None;
    }
    let storage_classes = observed.references.storage_classes.clone();
    let nodes = observed.nodes.clone();
    let live = Live::of(&identity, observed);
    let conflicts = live.conflicts(&names);
    let hold = conflicts.first().cloned().or_else(|| suspended(spec));
    findings.extend(conflicts);
    let service = spec.service.clone().unwrap_or_default();
    let network = Network {
        cluster_domain: settings.cluster_domain.clone(),
        port: service.port,
        cluster_ips: live.service.ours().map(cluster_ips).unwrap_or_default(),
    };
    Ok(Validated {
        names,
        network,
        storage,
        service,
        image: spec.image.clone().unwrap_or_else(|| settings.registry_image.clone()),
        pod_template: spec.pod_template.clone().unwrap_or_default(),
        node_access: spec.node_access.clone().unwrap_or_default().mode,
        certificate,
        htpasswd,
        live,
        hold,
        findings,
        storage_classes,
        nodes,
        identity,
    })
}

fn suspended(spec: &RegistrySpec) -> Option<Finding> {
    spec.suspend.then(|| {
        Finding::new(
            ConditionType::Reconciling,
            Reason::Suspended,
            "spec.suspend is set: nothing but an expiring certificate is changed; unset it to go on",
        )
    })
}

fn storage(spec: &RegistrySpec, claim: Option<PersistentVolumeClaim>) -> Result<Storage, SpecError> {
    let VolumeStorage { size, storage_class_name, access_modes, existing_claim } =
        spec.storage.volume.clone().ok_or(SpecError::NoVolume)?;
    if let Some(name) = existing_claim {
        return Ok(Storage::Existing { name, claim: claim.map(Box::new) });
    }
    let size = size.ok_or(SpecError::NoVolume)?;
    let quantity: Quantity = size.parse().map_err(|_| SpecError::Size { size: size.clone() })?;
    if quantity <= Quantity::ZERO {
        return Err(SpecError::Size { size });
    }
    let access_modes = access_modes.unwrap_or_else(|| vec!["ReadWriteOnce".to_owned()]);
    Ok(Storage::New { size, quantity, storage_class_name, access_modes })
}

/// The addresses of a Service, without those of a headless one.
pub fn cluster_ips(service: &Service) -> Vec<IpAddr> {
    let ips = service.spec.as_ref().and_then(|spec| spec.cluster_ips.as_ref());
    ips.into_iter().flatten().filter_map(|ip| ip.parse().ok()).collect()
}
