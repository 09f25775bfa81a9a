//! What the node agent of one node says of every Registry: one `ConfigMap` per node in the agent's namespace, labelled
//! [`crate::labels::NODE_REPORT`]`=true`, whose key [`DATA_KEY`] holds a [`NodeReport`] as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The key of the `ConfigMap` that holds the report.
pub const DATA_KEY: &str = "report.json";

/// The report of one node.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NodeReport {
    /// The node's name.
    pub node: String,
    /// What the agent did for each Registry, by the Registry's UID.
    #[serde(default)]
    pub registries: BTreeMap<String, RegistryReport>,
}

/// What the agent did for one Registry on one node.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RegistryReport {
    /// Whether the node's runtime is configured for the Registry.
    pub configured: bool,
    /// Why not, as a condition's reason; empty when configured.
    #[serde(default)]
    pub reason: String,
    /// Why not and what to do about it, for a person; empty when configured.
    #[serde(default)]
    pub message: String,
}
