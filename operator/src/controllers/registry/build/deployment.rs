//! The Deployment of the server.

use entrepot_crds::conditions::{ConditionType, Reason};
use entrepot_crds::labels;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::{ConfigMap, PodTemplateSpec, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::super::finding::Finding;
use super::super::validate::{Storage, Validated};
use super::checksum::Checksum;
use super::{Child, metadata, pod};

/// The children that the server reads.
pub(super) struct Inputs<'a> {
    /// Its keys.
    pub(super) keys: &'a Child<Secret>,
    /// The generated users.
    pub(super) htpasswd: &'a Child<Secret>,
    /// Its certificate.
    pub(super) tls: &'a Child<Secret>,
    /// Its configuration.
    pub(super) config_map: &'a Child<ConfigMap>,
}

/// One Pod, replaced rather than rolled: two servers cannot have one volume.
pub(super) fn build(validated: &Validated, inputs: &Inputs) -> Result<Deployment, Finding> {
    claim_is_there(validated)?;
    let checksum = checksum(validated, inputs)?;
    Ok(Deployment {
        metadata: metadata::owned(validated, validated.names.deployment()),
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            strategy: Some(DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None }),
            revision_history_limit: Some(2),
            selector: LabelSelector {
                match_labels: Some(metadata::selector(validated)),
                match_expressions: None,
            },
            template: PodTemplateSpec {
                metadata: Some(template_metadata(validated, checksum)),
                spec: Some(pod::spec(validated)),
            },
            ..DeploymentSpec::default()
        }),
        status: None,
    })
}

/// The user's labels and annotations, and ours where both name the same.
fn template_metadata(validated: &Validated, checksum: String) -> ObjectMeta {
    let user = validated.pod_template.metadata.clone().unwrap_or_default();
    let mut labels = user.labels.unwrap_or_default();
    labels.extend(metadata::child_labels(validated));
    let mut annotations = user.annotations.unwrap_or_default();
    annotations.insert(labels::CHECKSUM.to_owned(), checksum);
    ObjectMeta { labels: Some(labels), annotations: Some(annotations), ..ObjectMeta::default() }
}

fn claim_is_there(validated: &Validated) -> Result<(), Finding> {
    match &validated.storage {
        Storage::Existing { name, claim: None } => Err(Finding::new(
            ConditionType::StorageReady,
            Reason::ClaimNotFound,
            format!("storage.volume.existingClaim: PersistentVolumeClaim {name} does not exist; create it"),
        )),
        Storage::Existing { .. } | Storage::New { .. } => Ok(()),
    }
}

fn checksum(validated: &Validated, inputs: &Inputs) -> Result<String, Finding> {
    let mut checksum = Checksum::default();
    for (key, text) in inputs.config_map.ready()?.data.iter().flatten() {
        checksum.add(key, text.as_bytes());
    }
    for (name, input) in [("keys", inputs.keys), ("managed", inputs.htpasswd), ("tls", inputs.tls)] {
        for (key, value) in input.ready()?.data.iter().flatten() {
            checksum.add(&format!("{name}/{key}"), &value.0);
        }
    }
    if let Some(user) = &validated.certificate {
        checksum.add("tls-extra", &user.content);
    }
    if let Some(user) = &validated.htpasswd {
        checksum.add("users", &user.content);
    }
    Ok(checksum.finish())
}
