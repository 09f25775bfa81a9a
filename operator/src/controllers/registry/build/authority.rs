//! The Secret of the Registry's certificate authority.

use std::net::IpAddr;

use entrepot_crds::conditions::{ConditionType, Reason};
use entrepot_crds::labels;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use super::super::finding::Finding;
use super::super::validate::Validated;
use super::{BuildError, Child, metadata, secret};
use crate::pki::Authority;

/// The live authority, or a new one. One that cannot be read is not replaced: clients trust it, so a person must
/// decide that they have to trust another.
pub(super) fn build(
    validated: &Validated,
    live: Option<&Secret>,
    now: Timestamp,
) -> Result<Result<Secret, Finding>, BuildError> {
    let identity = &validated.identity;
    let authority = match live {
        Some(live) => match read(live) {
            Ok(authority) => authority,
            Err(finding) => return Ok(Err(finding)),
        },
        None => Authority::generate(&format!("{}.{} registry CA", identity.name, identity.namespace), now)
            .map_err(|source| BuildError::Certificate { what: "certificate authority", source })?,
    };
    let mut meta = metadata::kept(validated, validated.names.ca_secret());
    let ips = match validated.network.cluster_ips.as_slice() {
        [] => live.map(remembered_ips).unwrap_or_default(),
        current => current.to_vec(),
    };
    if !ips.is_empty() {
        let joined: Vec<String> = ips.iter().map(ToString::to_string).collect();
        meta.annotations.get_or_insert_default().insert(labels::CLUSTER_IPS.to_owned(), joined.join(","));
    }
    let (certificate, key) = match live {
        // As they are stored: writing the same key in other words would be a change.
        Some(live) => (text(live, "tls.crt"), text(live, "tls.key")),
        None => (authority.cert_pem().to_owned(), authority.key_pem()),
    };
    Ok(Ok(secret::secret(meta, secret::TLS, [("tls.crt", &certificate), ("tls.key", &key)])))
}

fn text(live: &Secret, key: &str) -> String {
    secret::text(live, key).unwrap_or_default().to_owned()
}

/// The authority of a Secret.
pub(super) fn read(live: &Secret) -> Result<Authority, Finding> {
    let name = live.name_any();
    let part = |key| secret::text(live, key).ok_or_else(|| unusable(&name, &format!("it has no key {key}")));
    Authority::from_pem(part("tls.crt")?, part("tls.key")?)
        .map_err(|error| unusable(&name, &error.to_string()))
}

/// Says what is wrong with the authority in Secret `name`.
pub(super) fn unusable(name: &str, why: &str) -> Finding {
    let message = format!(
        "Secret {name} holds no usable certificate authority: {why}. Restore it from a backup, or delete it to have a new one made, which every client must then trust"
    );
    Finding::new(ConditionType::CertificateReady, Reason::AuthorityUnusable, message)
}

/// The authority that the plan has.
pub(super) fn planned(ca: &Child<Secret>) -> Result<Authority, Finding> {
    read(ca.ready()?)
}

/// The Service's addresses as the CA's Secret remembers them.
pub fn remembered_ips(live: &Secret) -> Vec<IpAddr> {
    let joined = live.annotations().get(labels::CLUSTER_IPS);
    joined.into_iter().flat_map(|ips| ips.split(',')).filter_map(|ip| ip.trim().parse().ok()).collect()
}
