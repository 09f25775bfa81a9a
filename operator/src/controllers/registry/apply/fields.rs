//! Which fields are ours: what server-side apply must know to remove one that is no longer wanted.

use entrepot_crds::labels;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::super::build::hex;

/// Puts a hash of the object into it. A field that is no longer wanted is in the live object and in nothing else that
/// could be compared; the hash tells.
pub(super) fn stamp<T: Resource + Serialize>(wanted: &mut T) -> Result<(), serde_json::Error> {
    let hash = hex(&Sha256::digest(serde_json::to_vec(wanted)?));
    wanted.annotations_mut().insert(labels::APPLIED.to_owned(), hash);
    Ok(())
}

/// The live object's field ownership with what we created counted as applied, unless it is so already: else
/// server-side apply could never remove a field that the POST set.
pub(super) fn taken_over_fields<T: Resource>(live: &T) -> Option<Value> {
    let mut entries = live.managed_fields().to_vec();
    let written = entries.iter().position(|entry| is_ours(entry, "Update"))?;
    if entries.iter().any(|entry| is_ours(entry, "Apply")) {
        entries.remove(written);
    } else {
        entries.get_mut(written)?.operation = Some("Apply".to_owned());
    }
    serde_json::to_value(entries).ok()
}

fn is_ours(entry: &ManagedFieldsEntry, operation: &str) -> bool {
    entry.manager.as_deref() == Some(labels::FIELD_MANAGER)
        && entry.operation.as_deref() == Some(operation)
        && entry.subresource.as_deref().unwrap_or_default().is_empty()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::{Value, json};

    use super::{stamp, taken_over_fields};

    fn config_map(entries: &Value) -> ConfigMap {
        serde_json::from_value(json!({"metadata": {"name": "a", "managedFields": entries}})).unwrap()
    }

    fn entry(manager: &str, operation: &str) -> Value {
        json!({"manager": manager, "operation": operation, "fieldsV1": {"f:data": {}}})
    }

    #[test]
    fn what_was_created_counts_as_applied() {
        let live = config_map(&json!([entry("theirs", "Update"), entry("entrepot-operator", "Update")]));
        let expected = json!([entry("theirs", "Update"), entry("entrepot-operator", "Apply")]);
        assert_eq!(taken_over_fields(&live), Some(expected));
    }

    #[test]
    fn what_was_put_in_place_beside_it_is_ours_no_longer() {
        let live =
            config_map(&json!([entry("entrepot-operator", "Apply"), entry("entrepot-operator", "Update")]));
        assert_eq!(taken_over_fields(&live), Some(json!([entry("entrepot-operator", "Apply")])));
    }

    #[test]
    fn nothing_is_taken_over_twice() {
        let live = config_map(&json!([entry("entrepot-operator", "Apply"), entry("theirs", "Update")]));
        assert_eq!(taken_over_fields(&live), None);
    }

    #[test]
    fn the_stamp_follows_the_content() {
        let stamped = |text: &str| {
            let mut map: ConfigMap =
                serde_json::from_value(json!({"metadata": {"name": "a"}, "data": {"key": text}})).unwrap();
            stamp(&mut map).unwrap();
            map.metadata.annotations.unwrap()["entrepot.dev/applied"].clone()
        };
        assert_eq!(stamped("x"), stamped("x"));
        assert_ne!(stamped("x"), stamped("y"));
    }
}
