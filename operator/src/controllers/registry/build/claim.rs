//! The claim of the volume.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::super::validate::{Storage, Validated};
use super::{Child, metadata, slot};

/// The claim that the spec asks for; none beside a claim that is there.
pub(super) fn build(validated: &Validated) -> Child<PersistentVolumeClaim> {
    let Storage::New { size, storage_class_name, access_modes, .. } = &validated.storage else {
        return Child::Absent;
    };
    slot(&validated.live.claim, |_| {
        Ok(PersistentVolumeClaim {
            metadata: metadata::kept(validated, validated.names.data_claim()),
            spec: Some(PersistentVolumeClaimSpec {
                access_modes: Some(access_modes.clone()),
                storage_class_name: storage_class_name.clone(),
                resources: Some(VolumeResourceRequirements {
                    requests: Some(BTreeMap::from([("storage".to_owned(), Quantity(size.clone()))])),
                    limits: None,
                }),
                ..PersistentVolumeClaimSpec::default()
            }),
            status: None,
        })
    })
}
