//! The kind `Registry`: what a user asks for.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{PodTemplate, RegistryStatus};

/// A private OCI registry: storage, TLS, credentials, and nodes that can pull from it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "entrepot.dev",
    version = "v1alpha1",
    kind = "Registry",
    plural = "registries",
    namespaced,
    status = "RegistryStatus",
    derive = "PartialEq",
    shortname = "oreg",
    category = "entrepot",
    doc = "A private OCI registry: storage, TLS, credentials, and nodes that can pull from it.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Capacity", type_ = "string", json_path = ".status.storage.capacity", priority = 1),
    printcolumn(name = "Nodes", type_ = "integer", json_path = ".status.nodeAccess.configuredNodes", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name becomes a host name: use at most 40 characters, lower-case letters, digits and '-', starting with a letter and ending with a letter or a digit"),
    validation = Rule::new("self.metadata.name != 'kubernetes'")
        .message("metadata.name must not be 'kubernetes': its Service would take the place of the API server's; choose another name"),
    validation = Rule::new("!self.metadata.name.endsWith('-entrepot') && !self.metadata.name.contains('-entrepot-')")
        .message("metadata.name must not end in '-entrepot' or contain '-entrepot-': the objects of other Registries are named so; choose another name"),
)]
#[serde(rename_all = "camelCase")]
pub struct RegistrySpec {
    /// Stops changes to the Registry's objects, but not certificate renewal, status or deletion.
    #[serde(default)]
    pub suspend: bool,

    /// What happens to the volume, the CA and the generated credentials when this Registry is deleted. Retain keeps
    /// them, and a Registry of the same name takes them up again; Delete removes them.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// The image of the registry server. Absent: the one the operator was released with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,

    /// Where the images are kept: exactly one member.
    pub storage: Storage,

    /// A certificate beside the generated one, which always serves the in-cluster names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// Users beside the generated admin and the generated pull-only identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,

    /// The Service that clients and nodes connect to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,

    /// How the nodes' container runtimes come to pull from this Registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_access: Option<NodeAccess>,

    /// Merged into the Pod that runs the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
}

/// What happens to what a Registry cannot make again.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// Keep the volume, the CA and the credentials: a pruned manifest must not lose images.
    #[default]
    Retain,
    /// Delete them with the Registry; an existing claim is never deleted.
    Delete,
}

/// Where the images are kept: exactly one member.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.volume)")
    .message("storage needs exactly one member: set storage.volume"))]
pub struct Storage {
    /// A volume of the cluster, read and written by one Pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeStorage>,
}

/// A volume of the cluster. The size may grow; the rest is fixed at creation, as it is for the claim behind it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.existingClaim) != has(self.size)")
        .message("set either size, for a new volume, or existingClaim, for one that is there"),
    validation = Rule::new("!has(self.existingClaim) || !(has(self.storageClassName) || has(self.accessModes))")
        .message("storageClassName and accessModes describe a new volume: remove them, or remove existingClaim"),
    validation = Rule::new("!has(self.size) || (isQuantity(self.size) && quantity(self.size).isGreaterThan(quantity('0')))")
        .message("size must be a positive quantity such as 20Gi"),
    validation = Rule::new("!has(self.size) || !has(oldSelf.size) || !isQuantity(self.size) || quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0")
        .message("size may grow but not shrink: volumes cannot be made smaller"),
    validation = Rule::new("has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)")
        .message("storageClassName cannot be changed: create another Registry and copy the images"),
    validation = Rule::new("has(self.accessModes) == has(oldSelf.accessModes) && (!has(self.accessModes) || self.accessModes == oldSelf.accessModes)")
        .message("accessModes cannot be changed: create another Registry and copy the images"),
    validation = Rule::new("has(self.existingClaim) == has(oldSelf.existingClaim) && (!has(self.existingClaim) || self.existingClaim == oldSelf.existingClaim)")
        .message("existingClaim cannot be set, changed or removed later: create another Registry and copy the images"),
)]
pub struct VolumeStorage {
    /// The volume's size as a quantity, for example 20Gi. Required unless existingClaim is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub size: Option<String>,

    /// The `StorageClass`. Absent: the cluster's default one; empty: a volume without a class.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub storage_class_name: Option<String>,

    /// Absent: `ReadWriteOnce`. `ReadWriteOncePod` also keeps other Pods of the namespace off the volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4), inner(length(min = 1, max = 32)))]
    pub access_modes: Option<Vec<String>>,

    /// A `PersistentVolumeClaim` of this namespace to use as it is. It is never changed and never deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub existing_claim: Option<String>,
}

/// A certificate of the user's: exactly one member.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secretRef)")
    .message("tls needs exactly one member: set tls.secretRef, or remove tls"))]
pub struct Tls {
    /// A Secret of type kubernetes.io/tls in this namespace. Its certificate serves the hosts that its subject
    /// alternative names list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
}

/// Who may use the Registry.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// A Secret in this namespace whose key `htpasswd` (or `auth`) holds lines of `user:bcrypt hash`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub htpasswd_secret_ref: Option<LocalObjectReference>,
}

/// The name of an object in the Registry's namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LocalObjectReference {
    /// The object's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The Service that clients and nodes connect to.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// How the Service is reached. Health and metrics stay inside the cluster whatever this is.
    #[serde(rename = "type", default)]
    pub type_: ServiceType,

    /// The port clients connect to. With 443, image names need no port.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,

    /// Annotations for the Service, as cloud load balancers ask for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: Option<BTreeMap<String, String>>,
}

impl Default for Service {
    fn default() -> Self {
        Self { type_: ServiceType::default(), port: default_port(), annotations: None }
    }
}

const fn default_port() -> u16 {
    443
}

/// The types of a Service that give a Registry a cluster address.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceType {
    /// Reachable inside the cluster.
    #[default]
    ClusterIP,
    /// Also on a port of every node.
    NodePort,
    /// Also through the load balancer of the cluster's cloud.
    LoadBalancer,
}

impl ServiceType {
    /// The word Kubernetes uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIP => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}

/// How the nodes' container runtimes come to pull from this Registry.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NodeAccess {
    /// The way nodes are configured.
    #[serde(default)]
    pub mode: NodeAccessMode,
}

/// The ways nodes are configured.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeAccessMode {
    /// The node agent writes containerd's certs.d folder for the Registry's in-cluster names.
    #[default]
    ContainerdHosts,
    /// Nodes are left alone.
    None,
}
