//! Secrets: how their values are written and read.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

pub(super) const TLS: &str = "kubernetes.io/tls";
pub(super) const DOCKER_CONFIG: &str = "kubernetes.io/dockerconfigjson";
pub(super) const OPAQUE: &str = "Opaque";

/// A Secret of `kind` that holds `values`.
pub(super) fn secret<const N: usize>(metadata: ObjectMeta, kind: &str, values: [(&str, &str); N]) -> Secret {
    let data: BTreeMap<String, ByteString> = values
        .into_iter()
        .map(|(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec())))
        .collect();
    Secret { metadata, type_: Some(kind.to_owned()), data: Some(data), ..Secret::default() }
}

/// The text under `key`, if there is any.
pub(super) fn text<'a>(secret: &'a Secret, key: &str) -> Option<&'a str> {
    let value = secret.data.as_ref()?.get(key)?;
    std::str::from_utf8(&value.0).ok().filter(|text| !text.is_empty())
}
