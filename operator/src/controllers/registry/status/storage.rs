//! The volume's condition.

use entrepot_crds::StorageStatus;
use entrepot_crds::conditions::{ConditionType, Reason};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;

use super::super::apply::Applied;
use super::super::finding::Finding;
use super::super::observe::StorageClassFacts;
use super::super::validate::{Storage, Validated};
use super::{Verdict, first};
use crate::controllers::quantity::Quantity;

/// The claim in use, wherever it comes from.
fn claim<'a>(validated: &'a Validated, applied: &'a Applied) -> Option<&'a PersistentVolumeClaim> {
    match &validated.storage {
        Storage::New { .. } => applied.claim.as_ref(),
        Storage::Existing { claim, .. } => claim.as_deref(),
    }
}

pub(super) fn verdict(validated: &Validated, applied: &Applied, findings: &[Finding]) -> Verdict {
    if let Some(finding) = first(findings, ConditionType::StorageReady) {
        return Verdict::of(finding);
    }
    let Some(claim) = claim(validated, applied) else {
        return Verdict::no(Reason::VolumePending, "the claim has not been made yet");
    };
    let name = claim.name_any();
    match claim.status.as_ref().and_then(|status| status.phase.as_deref()) {
        Some("Bound") => bound(validated, claim),
        Some("Lost") => {
            let message = format!(
                "PersistentVolumeClaim {name} has lost its volume; restore the PersistentVolume, or delete the claim to start empty"
            );
            Verdict::no(Reason::VolumeLost, message)
        }
        _ => unbound(validated, claim),
    }
}

fn bound(validated: &Validated, claim: &PersistentVolumeClaim) -> Verdict {
    let name = claim.name_any();
    let Storage::New { size, quantity, .. } = &validated.storage else {
        return Verdict::yes(Reason::VolumeBound, format!("PersistentVolumeClaim {name} is bound"));
    };
    match capacity(claim).and_then(|text| text.parse::<Quantity>().ok()) {
        Some(actual) if actual < *quantity => {
            let has = capacity(claim).unwrap_or_default();
            let message = format!("PersistentVolumeClaim {name} has {has} and is being enlarged to {size}");
            Verdict::no(Reason::VolumeResizing, message)
        }
        _ => Verdict::yes(Reason::VolumeBound, format!("PersistentVolumeClaim {name} is bound")),
    }
}

/// Why a claim may be waiting, as far as it can be told from here.
fn unbound(validated: &Validated, claim: &PersistentVolumeClaim) -> Verdict {
    let name = claim.name_any();
    let lacks = |wanted: &dyn Fn(&StorageClassFacts) -> bool| {
        validated.storage_classes.as_ref().is_some_and(|classes| !classes.iter().any(wanted))
    };
    let class = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref());
    match class {
        Some(class) if !class.is_empty() && lacks(&|known| known.name == class) => {
            let message = format!(
                "storage.volume.storageClassName: StorageClass {class} does not exist; create it, or make another Registry with one that does"
            );
            Verdict::no(Reason::StorageClassNotFound, message)
        }
        None if lacks(&|known| known.is_default) => {
            let message = "storage.volume.storageClassName is not set and the cluster has no default StorageClass; mark one as the default, or make the Registry with a class";
            Verdict::no(Reason::NoDefaultStorageClass, message)
        }
        _ => {
            let message = format!(
                "PersistentVolumeClaim {name} waits for a volume; `kubectl describe pvc {name}` has the provisioner's words"
            );
            Verdict::no(Reason::VolumePending, message)
        }
    }
}

fn capacity(claim: &PersistentVolumeClaim) -> Option<&str> {
    Some(&claim.status.as_ref()?.capacity.as_ref()?.get("storage")?.0)
}

pub(super) fn status(validated: &Validated, applied: &Applied) -> Option<StorageStatus> {
    let claim = claim(validated, applied)?;
    Some(StorageStatus { claim_name: claim.name_any(), capacity: capacity(claim).map(str::to_owned) })
}
