//! How one object is written, by the kind of child it is.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;

use entrepot_crds::labels;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret, Service};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::build::hex;
use super::ApplyError;
use super::diff::differs;
use crate::controllers::quantity::Quantity;

/// What the writer can write.
pub(super) trait Applicable:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Serialize
{
}

impl<T> Applicable for T where
    T: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize
{
}

/// Writes the children of one namespace.
pub(super) struct Writer {
    client: Client,
    namespace: String,
}

impl Writer {
    pub(super) fn new(client: Client, namespace: String) -> Self {
        Self { client, namespace }
    }

    fn api<T: Applicable>(&self) -> Api<T> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates `wanted`. A name that was taken since it was looked up is somebody else's until it is read again.
    async fn create<T: Applicable>(&self, wanted: &T) -> Result<T, ApplyError> {
        let name = wanted.name_any();
        let created = self.api().create(&post(), wanted).await.map_err(|error| failed::<T>(&name, error))?;
        tracing::info!(kind = %T::kind(&()), namespace = self.namespace, name, "created");
        Ok(created)
    }

    /// An object that is applied: created by POST, so that nobody's object is taken over, and from then on kept by
    /// server-side apply.
    pub(super) async fn owned<T: Applicable>(
        &self,
        mut wanted: T,
        live: Option<&T>,
    ) -> Result<T, ApplyError> {
        stamp(&mut wanted)?;
        match live {
            None => self.create(&wanted).await,
            Some(live) => self.reapply(wanted, live).await,
        }
    }

    /// The data Service. It is created with `addresses` if they are still free, else with any.
    pub(super) async fn service(
        &self,
        mut wanted: Service,
        addresses: &[IpAddr],
        live: Option<&Service>,
    ) -> Result<Service, ApplyError> {
        let Some(first) = addresses.first().filter(|_| live.is_none()) else {
            return self.owned(wanted, live).await;
        };
        stamp(&mut wanted)?;
        let mut pinned = wanted.clone();
        let spec = pinned.spec.get_or_insert_default();
        spec.cluster_ip = Some(first.to_string());
        spec.cluster_ips = Some(addresses.iter().map(ToString::to_string).collect());
        match self.create(&pinned).await {
            Err(ApplyError::Refused(refusal)) => {
                tracing::warn!(%refusal.message, "the Service's earlier address is not to be had; it gets another");
                self.create(&wanted).await
            }
            other => other,
        }
    }

    async fn reapply<T: Applicable>(&self, mut wanted: T, live: &T) -> Result<T, ApplyError> {
        let name = wanted.name_any();
        if !differs(&json::<T>(&name, &wanted)?, &json::<T>(&name, live)?) {
            return Ok(live.clone());
        }
        let api = self.api::<T>();
        if let Some(fields) = taken_over_fields(live) {
            let patch = json!({"metadata": {
                "resourceVersion": live.resource_version(),
                "uid": live.uid(),
                "managedFields": fields,
            }});
            api.patch(&name, &PatchParams::default(), &Patch::Merge(patch))
                .await
                .map_err(|error| failed::<T>(&name, error))?;
        }
        // With the UID, an object that was replaced under the same name is not touched, nor made by the patch.
        wanted.meta_mut().uid = live.uid();
        let params = PatchParams::apply(labels::FIELD_MANAGER).force();
        let applied = api
            .patch(&name, &params, &Patch::Apply(&wanted))
            .await
            .map_err(|error| failed::<T>(&name, error))?;
        tracing::info!(kind = %T::kind(&()), namespace = self.namespace, name, "applied");
        Ok(applied)
    }

    /// Generated material: created by POST and changed only as it was read, never by apply, so that of two writers one
    /// loses and reads what the other made.
    pub(super) async fn generated(
        &self,
        wanted: Secret,
        live: Option<&Secret>,
    ) -> Result<Secret, ApplyError> {
        let Some(live) = live else { return self.create(&wanted).await };
        let name = wanted.name_any();
        if !differs(&json::<Secret>(&name, &wanted)?, &json::<Secret>(&name, live)?) {
            return Ok(live.clone());
        }
        let mut merged = live.clone();
        merged.metadata = merged_metadata(live, &wanted);
        merged.data.get_or_insert_default().extend(wanted.data.unwrap_or_default());
        self.replace(&name, &merged).await
    }

    /// The claim. Of a live one only the size may change, and only grow.
    pub(super) async fn claim(
        &self,
        wanted: PersistentVolumeClaim,
        live: Option<&PersistentVolumeClaim>,
    ) -> Result<PersistentVolumeClaim, ApplyError> {
        let Some(live) = live else { return self.create(&wanted).await };
        let mut merged = live.clone();
        merged.metadata = merged_metadata(live, &wanted);
        if let Some(size) = larger(&wanted, live) {
            let spec = merged.spec.get_or_insert_default();
            let requests = spec.resources.get_or_insert_default().requests.get_or_insert_default();
            requests.insert("storage".to_owned(), size);
        }
        if merged == *live { Ok(live.clone()) } else { self.replace(&wanted.name_any(), &merged).await }
    }

    /// Writes an object over the one it was made from: the resourceVersion and the UID in it must still be current.
    async fn replace<T: Applicable>(&self, name: &str, merged: &T) -> Result<T, ApplyError> {
        let written =
            self.api().replace(name, &post(), merged).await.map_err(|error| failed::<T>(name, error))?;
        tracing::info!(kind = %T::kind(&()), namespace = self.namespace, name, "updated");
        Ok(written)
    }
}

fn post() -> PostParams {
    PostParams { dry_run: false, field_manager: Some(labels::FIELD_MANAGER.to_owned()) }
}

/// Puts a hash of the object into it. A field that is no longer wanted is in the live object and in nothing else that
/// could be compared; the hash tells.
fn stamp<T: Applicable>(wanted: &mut T) -> Result<(), ApplyError> {
    let name = wanted.name_any();
    let text = serde_json::to_vec(wanted).map_err(|source| json_error::<T>(&name, source))?;
    let hash = hex(&Sha256::digest(text));
    wanted.annotations_mut().insert(labels::APPLIED.to_owned(), hash);
    Ok(())
}

/// The live object's field ownership with what we created counted as applied, if it is not yet: else server-side apply
/// could never remove a field that the POST set.
fn taken_over_fields<T: Resource>(live: &T) -> Option<Value> {
    let mut fields = live.managed_fields().to_vec();
    let ours = |operation: &'static str| {
        move |entry: &ManagedFieldsEntry| {
            entry.manager.as_deref() == Some(labels::FIELD_MANAGER)
                && entry.operation.as_deref() == Some(operation)
                && entry.subresource.as_deref().unwrap_or_default().is_empty()
        }
    };
    if fields.iter().any(ours("Apply")) {
        return None;
    }
    let created = fields.iter().position(ours("Update"))?;
    fields.get_mut(created)?.operation = Some("Apply".to_owned());
    serde_json::to_value(fields).ok()
}

/// The live object's metadata with our labels and annotations in it.
fn merged_metadata<T: Resource>(live: &T, wanted: &T) -> ObjectMeta {
    let mut meta = live.meta().clone();
    let add = |mine: &mut Option<BTreeMap<String, String>>, theirs: &BTreeMap<String, String>| {
        if !theirs.is_empty() {
            mine.get_or_insert_default().extend(theirs.clone());
        }
    };
    add(&mut meta.labels, wanted.labels());
    add(&mut meta.annotations, wanted.annotations());
    meta
}

/// The wanted size, if it is larger than the live one: a retained claim may be larger than a new Registry asks for.
fn larger(wanted: &PersistentVolumeClaim, live: &PersistentVolumeClaim) -> Option<ApiQuantity> {
    let size = |claim: &PersistentVolumeClaim| {
        claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage").cloned()
    };
    let number = |size: &ApiQuantity| size.0.parse::<Quantity>().ok();
    let wanted = size(wanted)?;
    let live = size(live).as_ref().and_then(number);
    (number(&wanted) > live).then_some(wanted)
}

fn json<T: Applicable>(name: &str, object: &T) -> Result<Value, ApplyError> {
    serde_json::to_value(object).map_err(|source| json_error::<T>(name, source))
}

fn json_error<T: Applicable>(name: &str, source: serde_json::Error) -> ApplyError {
    ApplyError::Json { kind: T::kind(&()).into_owned(), name: name.to_owned(), source }
}

fn failed<T: Applicable>(name: &str, error: kube::Error) -> ApplyError {
    ApplyError::of(&T::kind(&()), name, error)
}
