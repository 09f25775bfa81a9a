//! The certificates that clients must trust, where everybody may read them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use super::super::finding::Finding;
use super::super::validate::Validated;
use super::{Child, authority, metadata};

/// The key of the bundle, as `kube-root-ca.crt` has it.
pub(super) const KEY: &str = "ca.crt";

pub(super) fn build(validated: &Validated, ca: &Child<Secret>) -> Result<ConfigMap, Finding> {
    let authority = authority::planned(ca)?;
    Ok(ConfigMap {
        metadata: metadata::owned(validated, validated.names.trust_config_map()),
        data: Some(BTreeMap::from([(KEY.to_owned(), authority.cert_pem().to_owned())])),
        ..ConfigMap::default()
    })
}
