//! The generated server certificate.

use std::collections::BTreeSet;
use std::net::IpAddr;

use entrepot_crds::conditions::{ConditionType, Reason};
use entrepot_crds::names::{Host, Use};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;

use super::super::finding::Finding;
use super::super::validate::Validated;
use super::{BuildError, Child, authority, metadata, secret};
use crate::pki::{Authority, Leaf, PkiError, San, user_certificate};

/// The live certificate as long as it is good, or a new one.
pub(super) fn build(
    validated: &Validated,
    ca: &Child<Secret>,
    live: Option<&Secret>,
    now: Timestamp,
) -> Result<Result<Secret, Finding>, BuildError> {
    let (authority, sans) = match (authority::planned(ca), wanted(validated)) {
        (Ok(authority), Ok(sans)) => (authority, sans),
        (Err(finding), _) | (_, Err(finding)) => return Ok(Err(finding)),
    };
    let current = live.and_then(pair).filter(|(chain, key)| is_good(chain, key, &authority, &sans, now));
    let (chain, key) = if let Some(pair) = current {
        pair
    } else {
        let sans: Vec<San> = sans.into_iter().collect();
        match authority.issue(&sans, now) {
            Ok(issued) => (issued.cert_pem, issued.key_pem),
            Err(error @ PkiError::AuthorityExpired { .. }) => {
                let name = validated.names.ca_secret();
                return Ok(Err(authority::unusable(&name, &error.to_string())));
            }
            Err(source) => return Err(BuildError::Certificate { what: "server certificate", source }),
        }
    };
    let meta = metadata::owned(validated, validated.names.tls_secret());
    Ok(Ok(secret::secret(meta, secret::TLS, [("tls.crt", &chain), ("tls.key", &key)])))
}

fn pair(live: &Secret) -> Option<(String, String)> {
    Some((secret::text(live, "tls.crt")?.to_owned(), secret::text(live, "tls.key")?.to_owned()))
}

/// Whether the pair is ours, for exactly these names, and not due for renewal.
fn is_good(chain: &str, key: &str, authority: &Authority, sans: &BTreeSet<San>, now: Timestamp) -> bool {
    let Ok(leaf) = Leaf::from_pem(chain) else { return false };
    let names = leaf.dns_names.iter().cloned().map(San::Dns);
    let current: BTreeSet<San> = names.chain(leaf.ip_addresses.iter().copied().map(San::Ip)).collect();
    current == *sans
        && leaf.is_signed_by(authority)
        // One that ends with its authority would be renewed by one that ends no later.
        && (!leaf.renewal_due(now) || leaf.not_after >= authority.not_after())
        && user_certificate::check(chain, key, now).is_ok()
}

/// The names that the certificate must hold.
fn wanted(validated: &Validated) -> Result<BTreeSet<San>, Finding> {
    addresses(validated)?;
    let hosts = validated.names.hosts(&validated.network);
    Ok(hosts
        .into_iter()
        .filter(|host| host.serves(Use::Certificate))
        .map(|host| match host.host {
            Host::Dns(name) => San::Dns(name),
            Host::Ip(address) => San::Ip(address),
        })
        .collect())
}

/// The Service's addresses, without which neither a certificate nor credentials name every host.
pub(super) fn addresses(validated: &Validated) -> Result<&[IpAddr], Finding> {
    match validated.network.cluster_ips.as_slice() {
        [] => Err(Finding::new(
            ConditionType::CertificateReady,
            Reason::ServiceAddressPending,
            format!("waits for the address of Service {}", validated.names.service()),
        )),
        addresses => Ok(addresses),
    }
}
