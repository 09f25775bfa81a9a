//! What the agent says of its node: one ConfigMap, which goes when the Node does.

use std::collections::BTreeMap;

use entrepot_crds::labels;
use entrepot_crds::node_report::{DATA_KEY, NodeReport};
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};

/// The agent's name as the API server records it beside the fields that it owns.
pub const FIELD_MANAGER: &str = "entrepot-node-agent";

/// Why a report was not published.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The report cannot be written as JSON.
    #[error("writing the report")]
    Serialize(#[from] serde_json::Error),
    /// The API server refused.
    #[error("publishing the report {name}")]
    Apply {
        /// The ConfigMap.
        name: String,
        /// What it answered.
        source: kube::Error,
    },
}

/// Publishes reports, and nothing when nothing changed.
pub struct Reporter {
    config_maps: Api<ConfigMap>,
    published: Option<NodeReport>,
}

impl Reporter {
    /// Reports go to `namespace`.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { config_maps: Api::namespaced(client, namespace), published: None }
    }

    /// Publishes `report` unless it is what was published last.
    pub async fn publish(&mut self, node: &Node, report: &NodeReport) -> Result<(), ReportError> {
        if self.published.as_ref() == Some(report) {
            return Ok(());
        }
        let desired = config_map(node, report)?;
        let name = desired.name_any();
        let failed = |source| ReportError::Apply { name: name.clone(), source };
        let live = self.config_maps.get_opt(&name).await.map_err(failed)?;
        if !live.is_some_and(|live| says_the_same(&live, &desired)) {
            let params = PatchParams::apply(FIELD_MANAGER).force();
            self.config_maps.patch(&name, &params, &Patch::Apply(&desired)).await.map_err(failed)?;
        }
        self.published = Some(report.clone());
        Ok(())
    }

    /// Has the next [`Self::publish`] look whether the report is still there.
    pub fn forget(&mut self) {
        self.published = None;
    }
}

fn says_the_same(live: &ConfigMap, desired: &ConfigMap) -> bool {
    live.data == desired.data
        && live.metadata.owner_references == desired.metadata.owner_references
        && live.labels().get(labels::NODE_REPORT) == desired.labels().get(labels::NODE_REPORT)
}

fn config_map(node: &Node, report: &NodeReport) -> Result<ConfigMap, serde_json::Error> {
    let owner = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: node.name_any(),
        uid: node.uid().unwrap_or_default(),
        ..OwnerReference::default()
    };
    Ok(ConfigMap {
        metadata: ObjectMeta {
            name: Some(format!("node-{}", report.node)),
            labels: Some(BTreeMap::from([(labels::NODE_REPORT.to_owned(), "true".to_owned())])),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(DATA_KEY.to_owned(), serde_json::to_string(report)?)])),
        ..ConfigMap::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use entrepot_crds::node_report::RegistryReport;
    use serde_json::json;

    #[test]
    fn a_report_belongs_to_its_node() {
        let node: Node =
            serde_json::from_value(json!({"metadata": {"name": "n1", "uid": "node-uid"}})).unwrap();
        let registries = BTreeMap::from([(
            "u1".to_owned(),
            RegistryReport { configured: true, ..RegistryReport::default() },
        )]);
        let map = config_map(&node, &NodeReport { node: "n1".to_owned(), registries }).unwrap();
        assert_eq!(
            serde_json::to_value(map).unwrap(),
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {
                    "name": "node-n1",
                    "labels": {"entrepot.dev/node-report": "true"},
                    "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "node-uid"}],
                },
                "data": {"report.json": r#"{"node":"n1","registries":{"u1":{"configured":true,"reason":"","message":""}}}"#},
            })
        );
    }
}
