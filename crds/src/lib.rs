//! The kinds of entrepot.dev and what follows from them alone: names, conditions, schemas.
//!
//! Nothing here talks to a cluster. The operator, the node agent and the cluster tests all read a Registry's names,
//! labels and condition reasons from this crate, so that no two of them can disagree.

pub mod conditions;
pub mod crd;
pub mod labels;
pub mod names;
pub mod node_report;
mod pod_template;
// `KubeSchema` puts a copy of each struct inside a function, where `pub` reaches nobody.
#[allow(unreachable_pub)]
mod registry;
#[allow(unreachable_pub)]
mod registry_status;

pub use pod_template::{PodTemplate, PodTemplateMetadata, PodTemplateSpec};
pub use registry::{
    Auth, DeletionPolicy, LocalObjectReference, NodeAccess, NodeAccessMode, Registry, RegistrySpec, Service,
    ServiceType, Storage, Tls, VolumeStorage,
};
pub use registry_status::{NodeAccessStatus, RegistryStatus, StorageStatus, TrustBundle};
