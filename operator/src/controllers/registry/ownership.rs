//! Whose a live object is. Names collide; only UIDs and controllers say who made what.

use entrepot_crds::{Registry, labels};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};

/// Where a child of a Registry stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing<T> {
    /// There is no object of that name.
    Missing,
    /// The object is this Registry's.
    Ours(T),
    /// The object is on its way out, and its name will be free.
    Leaving,
    /// The object is somebody else's; the text says whose.
    Foreign(String),
}

impl<T> Standing<T> {
    /// The object, if it is this Registry's.
    pub fn ours(&self) -> Option<&T> {
        match self {
            Self::Ours(object) => Some(object),
            Self::Missing | Self::Leaving | Self::Foreign(_) => None,
        }
    }
}

/// Whose Registry it is that children are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.uid`.
    pub uid: String,
}

impl Identity {
    /// Where an object stands that lives and dies with the Registry: it is ours if the Registry is its controller.
    pub fn owned<T: Resource>(&self, live: Option<T>) -> Standing<T> {
        let Some(object) = live else { return Standing::Missing };
        match controller(&object) {
            Some(owner) if owner.uid == self.uid => leaving_or_ours(object),
            // The garbage collector removes what an earlier Registry of this name left.
            Some(owner) if self.is_predecessor(owner) => Standing::Leaving,
            Some(owner) => Standing::Foreign(format!("it is controlled by {} {}", owner.kind, owner.name)),
            None => Standing::Foreign("it has no controller".to_owned()),
        }
    }

    /// Where an object stands that outlives the Registry: it is ours if it has no controller and carries the
    /// Registry's name, whatever UID the Registry had that made it.
    pub fn kept<T: Resource>(&self, live: Option<T>) -> Standing<T> {
        let Some(object) = live else { return Standing::Missing };
        if let Some(owner) = controller(&object) {
            return Standing::Foreign(format!("it is controlled by {} {}", owner.kind, owner.name));
        }
        match object.labels().get(labels::REGISTRY) {
            Some(name) if *name == self.name => leaving_or_ours(object),
            Some(name) => Standing::Foreign(format!("its label {} says {name}", labels::REGISTRY)),
            None => Standing::Foreign(format!("it has no label {}", labels::REGISTRY)),
        }
    }

    fn is_predecessor(&self, owner: &OwnerReference) -> bool {
        let group = owner.api_version.split('/').next().unwrap_or_default();
        owner.name == self.name && owner.kind == Registry::kind(&()) && group == Registry::group(&())
    }
}

fn leaving_or_ours<T: Resource>(object: T) -> Standing<T> {
    if object.meta().deletion_timestamp.is_some() { Standing::Leaving } else { Standing::Ours(object) }
}

fn controller<T: Resource>(object: &T) -> Option<&OwnerReference> {
    object.owner_references().iter().find(|owner| owner.controller == Some(true))
}
