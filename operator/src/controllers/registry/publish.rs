//! Reads the Registry itself and writes its status.

use entrepot_crds::{Registry, RegistryStatus, labels};
use kube::api::PostParams;
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use kube::{Api, ResourceExt};

use super::events;
use crate::context::Context;

/// The Registry could not be read or its status not be written.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {source}")]
pub struct PublishError {
    doing: &'static str,
    source: kube::Error,
}

impl PublishError {
    /// Whether somebody else wrote the Registry meanwhile.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(&self.source, kube::Error::Api(status) if status.code == 409)
    }
}

/// What the API server has under a Registry's name.
pub(super) enum Found {
    /// The Registry.
    Registry(Box<Registry>),
    /// A Registry that cannot be understood.
    Invalid(Box<InvalidObject>),
    /// Nothing, or a successor, which has rounds of its own.
    Gone,
}

/// The Registry that `cached` was, as the API server has it now.
pub(super) async fn read(
    context: &Context,
    cached: &DeserializeGuard<Registry>,
) -> Result<Found, PublishError> {
    let (name, namespace) = (cached.name_any(), cached.namespace().unwrap_or_default());
    let api = Api::<DeserializeGuard<Registry>>::namespaced(context.client.clone(), &namespace);
    let live = api.get_opt(&name).await;
    let live = live.map_err(|source| PublishError { doing: "reading the Registry", source })?;
    Ok(match live {
        Some(live) if live.uid() == cached.uid() => match live.0 {
            Ok(registry) => Found::Registry(Box::new(registry)),
            Err(invalid) => Found::Invalid(Box::new(invalid)),
        },
        Some(_) | None => Found::Gone,
    })
}

/// Writes `next` if it differs from the Registry's status, and tells of what changed.
pub(super) async fn status(
    context: &Context,
    registry: &Registry,
    next: RegistryStatus,
) -> Result<(), PublishError> {
    if registry.status.as_ref() == Some(&next) {
        return Ok(());
    }
    let events = events::transitions(registry.status.as_ref(), &next);
    // With the resourceVersion that the round began with: a status of an older spec must not hide a newer one's.
    let updated = Registry { status: Some(next), ..registry.clone() };
    let params = PostParams { dry_run: false, field_manager: Some(labels::FIELD_MANAGER.to_owned()) };
    Api::<Registry>::namespaced(context.client.clone(), &registry.namespace().unwrap_or_default())
        .replace_status(&registry.name_any(), &params, &updated)
        .await
        .map_err(|source| PublishError { doing: "writing the Registry's status", source })?;
    events::publish(context, registry, events).await;
    Ok(())
}
