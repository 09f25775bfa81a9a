//! How one object is written, by the kind of child it is.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;

use entrepot_crds::labels;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret, Service};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::ApplyError;
use super::diff::differs;
use super::fields::{stamp, taken_over_fields};
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
        stamp(&mut wanted).map_err(|source| json_error::<T>(&wanted.name_any(), source))?;
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
        stamp(&mut wanted).map_err(|source| json_error::<Service>(&wanted.name_any(), source))?;
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
        let taken_over;
        let live = match taken_over_fields(live) {
            Some(fields) => {
                taken_over = self.merge(live, json!({"metadata": {"managedFields": fields}})).await?;
                &taken_over
            }
            None => live,
        };
        // With the UID, an object that was replaced under the same name is not touched, nor made by the patch.
        wanted.meta_mut().uid = live.uid();
        match self.server_side_apply(&wanted).await {
            Err(ApplyError::Refused(refusal)) => {
                tracing::debug!(%refusal.message, name, "applying is refused; whole lists are put in place");
                self.merge(live, json::<T>(&name, &wanted)?).await?;
                self.server_side_apply(&wanted).await
            }
            other => other,
        }
    }

    async fn server_side_apply<T: Applicable>(&self, wanted: &T) -> Result<T, ApplyError> {
        let name = wanted.name_any();
        let params = PatchParams::apply(labels::FIELD_MANAGER).force();
        let patched = self.api::<T>().patch(&name, &params, &Patch::Apply(wanted)).await;
        let applied = patched.map_err(|error| failed::<T>(&name, error))?;
        tracing::info!(kind = %T::kind(&()), namespace = self.namespace, name, "applied");
        Ok(applied)
    }

    /// Merges `patch` into the object that `live` was read from. Lists are replaced as a whole, so this also removes an
    /// item of somebody else's that makes the object invalid together with ours. With the resourceVersion, nothing is
    /// replaced that was not read.
    async fn merge<T: Applicable>(&self, live: &T, mut patch: Value) -> Result<T, ApplyError> {
        let name = live.name_any();
        if let Some(meta) = patch.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.insert("uid".to_owned(), json!(live.uid()));
            meta.insert("resourceVersion".to_owned(), json!(live.resource_version()));
        }
        let params =
            PatchParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patched = self.api::<T>().patch(&name, &params, &Patch::Merge(patch)).await;
        patched.map_err(|error| failed::<T>(&name, error))
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
        let mut merged = live.clone();
        merged.metadata = merged_metadata(live, &wanted);
        merged.data.get_or_insert_default().extend(wanted.data.unwrap_or_default());
        if merged == *live { Ok(live.clone()) } else { self.replace(&name, &merged).await }
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
