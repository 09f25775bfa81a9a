//! Step five: what to tell. Pure: from what was found and what was written to the status.

mod available;
mod conditions;
mod node_access;
mod storage;
mod summary;

use entrepot_crds::conditions::{ConditionType, Reason};
use entrepot_crds::{LocalObjectReference, NodeAccessMode, RegistryStatus, TrustBundle};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use sha2::{Digest, Sha256};

pub use self::conditions::{Verdict, VerdictStatus};
use super::apply::Applied;
use super::build::hex;
use super::finding::Finding;
use super::validate::{Validated, cluster_ips};
use crate::pki::{Leaf, certificate_sections};

/// The release that writes the objects.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Everything that one round found out.
pub struct Round<'a> {
    /// The status before it.
    pub previous: Option<&'a RegistryStatus>,
    /// The generation of the spec that it worked on.
    pub generation: Option<i64>,
    /// What was validated.
    pub validated: &'a Validated,
    /// What could not be built yet.
    pub pending: &'a [Finding],
    /// What was written.
    pub applied: &'a Applied,
}

/// The status after a round that ended at `now`.
pub fn status(round: &Round, now: Timestamp) -> RegistryStatus {
    let Round { previous, generation, validated, pending, applied } = *round;
    let mut findings = validated.findings.clone();
    findings.extend(pending.iter().filter(|one| !validated.findings.contains(one)).cloned());
    let claim_is_there = validated.live.claim.ours().is_some();
    findings.extend(applied.refusals.iter().map(|refusal| summary::refusal(refusal, claim_is_there)));
    let mut verdicts = vec![
        (ConditionType::StorageReady, storage::verdict(validated, applied, &findings)),
        (ConditionType::CertificateReady, certificate(applied, &findings)),
        (ConditionType::ConfigurationReady, configuration(&findings)),
        (ConditionType::Available, available::verdict(applied.deployment.as_ref())),
    ];
    let mut all = summary::verdicts(&verdicts, &findings, validated.hold.as_ref());
    all.append(&mut verdicts);
    let nodes =
        validated.nodes.as_deref().filter(|_| validated.node_access == NodeAccessMode::ContainerdHosts);
    all.extend(nodes.map(|nodes| (ConditionType::NodeAccessReady, node_access::verdict(nodes))));
    let mut conditions = conditions::merge(previous, all, generation, now);
    let mut node_access = nodes.map(node_access::status);
    if validated.nodes.is_none() {
        // No report has been read since the operator started: what was last found still stands.
        conditions.extend(previous.and_then(node_access::condition));
        node_access = previous.and_then(|status| status.node_access);
    }
    let service = applied.service.as_ref();
    let url = service.map(|_| validated.names.url(&validated.network));
    RegistryStatus {
        observed_generation: generation,
        conditions,
        url: url.clone(),
        internal_url: url,
        cluster_ips: service.map(cluster_ips).into_iter().flatten().map(|ip| ip.to_string()).collect(),
        version: Some(VERSION.to_owned()),
        admin_credentials_secret_ref: applied.admin.as_ref().map(reference),
        pull_credentials_secret_ref: applied.pull.as_ref().map(reference),
        trust_bundle: applied.ca.as_ref().and_then(|ca| trust_bundle(validated, ca)),
        storage: storage::status(validated, applied),
        node_access,
    }
}

/// The status of a Registry whose spec cannot work: what earlier rounds found stays, the conditions say why.
pub fn invalid(
    previous: Option<&RegistryStatus>,
    generation: Option<i64>,
    message: &str,
    now: Timestamp,
) -> RegistryStatus {
    let verdicts = vec![
        (ConditionType::Ready, Verdict::no(Reason::InvalidSpec, message)),
        (ConditionType::Reconciling, Verdict::no(Reason::InvalidSpec, "waits for the spec to change")),
        (ConditionType::Stalled, Verdict::yes(Reason::InvalidSpec, message)),
    ];
    RegistryStatus {
        observed_generation: generation,
        conditions: conditions::merge(previous, verdicts, generation, now),
        ..previous.cloned().unwrap_or_default()
    }
}

fn certificate(applied: &Applied, findings: &[Finding]) -> Verdict {
    if let Some(finding) = first(findings, ConditionType::CertificateReady) {
        return Verdict::of(finding);
    }
    match applied.tls {
        Some(_) => Verdict::yes(Reason::CertificateValid, "the certificates are valid"),
        None => Verdict::no(Reason::Progressing, "the certificate is being made"),
    }
}

fn configuration(findings: &[Finding]) -> Verdict {
    match first(findings, ConditionType::ConfigurationReady) {
        Some(finding) => Verdict::of(finding),
        None => Verdict::yes(Reason::AsSpecified, "everything that the configuration refers to is there"),
    }
}

fn first(findings: &[Finding], condition: ConditionType) -> Option<&Finding> {
    findings.iter().find(|finding| finding.condition == condition)
}

fn reference(secret: &Secret) -> LocalObjectReference {
    LocalObjectReference { name: secret.name_any() }
}

/// The bundle, unless the CA cannot be read, which is a finding of its own.
fn trust_bundle(validated: &Validated, ca: &Secret) -> Option<TrustBundle> {
    let pem = certificate_sections(std::str::from_utf8(&ca.data.as_ref()?.get("tls.crt")?.0).ok()?);
    let not_after = Leaf::from_pem(&pem).ok()?.not_after;
    Some(TrustBundle {
        config_map_ref: LocalObjectReference { name: validated.names.trust_config_map() },
        sha256: hex(&Sha256::digest(pem.as_bytes())),
        pem,
        not_after: Time(not_after),
    })
}
