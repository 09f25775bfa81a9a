//! What happens to what a Registry leaves behind: nothing under Retain, and under Delete a finalizer that removes it.

use std::fmt::Debug;

use entrepot_crds::names::Names;
use entrepot_crds::{DeletionPolicy, Registry, labels};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::ownership::{Identity, Standing};

/// What is due for a Registry's finalizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalizerStep {
    /// It is as it should be, and the Registry lives.
    Reconcile,
    /// The policy became Delete: the finalizer goes on before anything else is made.
    Add,
    /// The policy became Retain: the finalizer goes.
    Remove,
    /// The Registry is being deleted: what it would leave behind goes, then the finalizer.
    DeleteAndRemove,
    /// The Registry is being deleted, and nothing of ours holds it.
    LetGo,
}

/// What is due for the finalizer of `registry`.
pub fn step(registry: &Registry) -> FinalizerStep {
    let held = registry.finalizers().iter().any(|name| name == labels::STORAGE_FINALIZER);
    let deleting = registry.metadata.deletion_timestamp.is_some();
    match (deleting, held, registry.spec.deletion_policy) {
        (true, true, DeletionPolicy::Delete) => FinalizerStep::DeleteAndRemove,
        (true, false, _) => FinalizerStep::LetGo,
        (false, false, DeletionPolicy::Delete) => FinalizerStep::Add,
        (_, true, DeletionPolicy::Retain) => FinalizerStep::Remove,
        (false, true, DeletionPolicy::Delete) | (false, false, DeletionPolicy::Retain) => {
            FinalizerStep::Reconcile
        }
    }
}

/// A request of the deletion failed.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {source}")]
pub struct DeletionError {
    doing: String,
    source: kube::Error,
}

impl DeletionError {
    /// Whether somebody else wrote the object meanwhile.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(&self.source, kube::Error::Api(status) if status.code == 409)
    }
}

/// Puts the finalizer on or takes it off. The resourceVersion in the patch keeps another writer's finalizers.
pub async fn set_finalizer(client: &Client, registry: &Registry, wanted: bool) -> Result<(), DeletionError> {
    let namespace = registry.namespace().unwrap_or_default();
    let mut finalizers = registry.finalizers().to_vec();
    finalizers.retain(|name| name != labels::STORAGE_FINALIZER);
    if wanted {
        finalizers.push(labels::STORAGE_FINALIZER.to_owned());
    }
    let patch = json!({"metadata": {
        "resourceVersion": registry.resource_version(),
        "uid": registry.uid(),
        "finalizers": finalizers,
    }});
    let params =
        PatchParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let patched = Api::<Registry>::namespaced(client.clone(), &namespace)
        .patch(&registry.name_any(), &params, &Patch::Merge(patch))
        .await;
    match patched {
        Ok(_) => Ok(()),
        // It is gone already, which is all that taking the finalizer off is for.
        Err(kube::Error::Api(status)) if status.code == 404 && !wanted => Ok(()),
        Err(source) => Err(DeletionError { doing: "changing the Registry's finalizer".to_owned(), source }),
    }
}

/// Deletes the claim and the Secrets that this very Registry kept.
pub async fn delete_kept(client: &Client, identity: &Identity, names: &Names) -> Result<(), DeletionError> {
    delete::<PersistentVolumeClaim>(client, identity, &names.data_claim()).await?;
    for secret in [names.admin_secret(), names.pull_secret(), names.keys_secret(), names.ca_secret()] {
        delete::<Secret>(client, identity, &secret).await?;
    }
    Ok(())
}

/// Deletes one kept object, if it is this Registry's: one that a newer Registry of the same name took over carries
/// that one's UID. The UID of what was looked at goes with the request, so that no successor is deleted in its place.
async fn delete<T>(client: &Client, identity: &Identity, name: &str) -> Result<(), DeletionError>
where
    T: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let api = Api::<T>::namespaced(client.clone(), &identity.namespace);
    let failed = |source| DeletionError { doing: format!("deleting {} {name}", T::kind(&())), source };
    let Standing::Ours(live) = identity.kept(api.get_opt(name).await.map_err(failed)?) else { return Ok(()) };
    if live.labels().get(labels::REGISTRY_UID) != Some(&identity.uid) {
        return Ok(());
    }
    let exactly = Preconditions { uid: live.uid(), resource_version: live.resource_version() };
    let deleted = api.delete(name, &DeleteParams::default().preconditions(exactly)).await;
    match deleted {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(failed(source)),
    }
}
