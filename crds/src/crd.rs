//! The `CustomResourceDefinition`s as they are installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSON};
use kube::CustomResourceExt;
use serde_json::json;

use crate::Registry;

/// Every definition, in the order in which they are installed.
pub fn all() -> Vec<CustomResourceDefinition> {
    vec![registry()]
}

/// The definition of [`Registry`].
pub fn registry() -> CustomResourceDefinition {
    let mut crd = Registry::crd();
    for version in &mut crd.spec.versions {
        let status = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
            .and_then(|root| root.properties.as_mut())
            .and_then(|properties| properties.get_mut("status"));
        if let Some(status) = status {
            // Without it, tools that read status by kstatus's rules call an object current that nobody has looked at.
            status.default = Some(JSON(json!({"observedGeneration": -1})));
        }
    }
    crd
}

/// The definition as the committed YAML holds it.
pub fn to_yaml(crd: &CustomResourceDefinition) -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(crd)
}
