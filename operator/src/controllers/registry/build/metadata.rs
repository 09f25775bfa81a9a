//! Names, labels and owners of the children.

use std::collections::BTreeMap;

use entrepot_crds::{Registry, labels};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;

use super::super::validate::Validated;

/// What keeps `GitOps` tools from removing what a Registry leaves behind: they see objects that no manifest mentions.
const KEEP: [(&str, &str); 2] =
    [("argocd.argoproj.io/sync-options", "Prune=false,Delete=false"), ("helm.sh/resource-policy", "keep")];

/// Metadata of a child that lives and dies with the Registry.
pub(super) fn owned(validated: &Validated, name: String) -> ObjectMeta {
    let owner = OwnerReference {
        api_version: Registry::api_version(&()).into_owned(),
        kind: Registry::kind(&()).into_owned(),
        name: validated.identity.name.clone(),
        uid: validated.identity.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    ObjectMeta { owner_references: Some(vec![owner]), ..base(validated, name) }
}

/// Metadata of a child that outlives the Registry. It has no owner, so that no garbage collector takes it.
pub(super) fn kept(validated: &Validated, name: String) -> ObjectMeta {
    let annotations = KEEP.map(|(key, value)| (key.to_owned(), value.to_owned()));
    ObjectMeta { annotations: Some(BTreeMap::from(annotations)), ..base(validated, name) }
}

fn base(validated: &Validated, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(validated.identity.namespace.clone()),
        labels: Some(child_labels(validated)),
        ..ObjectMeta::default()
    }
}

/// The labels of every child. The Registry's own labels are not among them: a selector of somebody else's must not
/// come to hold a volume.
pub(super) fn child_labels(validated: &Validated) -> BTreeMap<String, String> {
    let identity = &validated.identity;
    let mut all = selector(validated);
    all.insert(labels::REGISTRY_UID.to_owned(), identity.uid.clone());
    all.insert(labels::APP_INSTANCE.to_owned(), identity.name.clone());
    all.insert(labels::APP_MANAGED_BY.to_owned(), labels::FIELD_MANAGER.to_owned());
    all
}

/// The labels by which Services and policies find the server's Pod. They never change: a Deployment's selector cannot.
pub(super) fn selector(validated: &Validated) -> BTreeMap<String, String> {
    BTreeMap::from([
        (labels::APP_NAME.to_owned(), labels::APP.to_owned()),
        (labels::REGISTRY.to_owned(), validated.identity.name.clone()),
    ])
}
