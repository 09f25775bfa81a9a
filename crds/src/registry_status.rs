//! The status of a `Registry`: what the operator found and made.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::LocalObjectReference;

/// What the operator found and made. Nothing in it ticks: byte counts and times of day are metrics.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RegistryStatus {
    /// The `metadata.generation` this status speaks of; -1 until the operator has seen the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The conditions, one of each type; [`crate::conditions`] lists types and reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// Where clients reach the Registry, for example `https://main.registries.svc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,

    /// Where clients inside the cluster reach the Registry.
    #[serde(rename = "internalURL", skip_serializing_if = "Option::is_none")]
    pub internal_url: Option<String>,

    /// The addresses of the Registry's Service.
    #[serde(rename = "clusterIPs", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    pub cluster_ips: Vec<String>,

    /// The release of the operator that last wrote the Registry's objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,

    /// The Secret with the generated admin's `username`, `password` and `.dockerconfigjson`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_credentials_secret_ref: Option<LocalObjectReference>,

    /// The Secret with the pull-only identity's `username`, `password` and `.dockerconfigjson`, for imagePullSecrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_credentials_secret_ref: Option<LocalObjectReference>,

    /// The certificates that clients must trust.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_bundle: Option<TrustBundle>,

    /// The volume in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageStatus>,

    /// How many nodes can pull.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_access: Option<NodeAccessStatus>,
}

/// The certificates that clients must trust to connect by an in-cluster name.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TrustBundle {
    /// The `ConfigMap` whose key `ca.crt` holds the bundle.
    pub config_map_ref: LocalObjectReference,
    /// The bundle: PEM certificates.
    pub pem: String,
    /// SHA-256 of `pem`, in lower-case hexadecimal.
    pub sha256: String,
    /// When the first certificate of the bundle expires.
    pub not_after: Time,
}

/// The volume in use.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct StorageStatus {
    /// The claim's name.
    pub claim_name: String,
    /// The bound volume's capacity, a quantity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<String>,
}

/// How many nodes can pull.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NodeAccessStatus {
    /// Nodes that run the node agent.
    pub desired_nodes: i32,
    /// Of those, nodes whose runtime is configured for this Registry.
    pub configured_nodes: i32,
}
