//! The Secrets of the generated identities: a password, and what docker, podman and the kubelet read.

use entrepot_crds::conditions::{ConditionType, Reason};
use entrepot_crds::names::Use;
use k8s_openapi::api::core::v1::Secret;
use rand::CryptoRng;

use super::super::finding::Finding;
use super::super::validate::Validated;
use super::certificate::addresses;
use super::{BuildError, metadata, secret};
use crate::credentials::{docker_config_json, password};

/// The identity that may do everything.
pub(super) const ADMIN: &str = "admin";
/// The identity that may only pull.
pub(super) const PULL: &str = "pull";

/// The credentials of `user`, with the password that the live Secret holds. A password that is gone is not replaced
/// silently: Pods and pipelines use it.
pub(super) fn build(
    validated: &Validated,
    user: &str,
    live: Option<&Secret>,
    rng: &mut impl CryptoRng,
) -> Result<Result<Secret, Finding>, BuildError> {
    let name = match user {
        ADMIN => validated.names.admin_secret(),
        _ => validated.names.pull_secret(),
    };
    if let Err(finding) = addresses(validated) {
        return Ok(Err(finding));
    }
    let secret_value = match live {
        None => password(rng),
        Some(live) => match secret::text(live, "password") {
            Some(current) => current.to_owned(),
            None => return Ok(Err(unusable(&name))),
        },
    };
    let hosts: Vec<String> = validated
        .names
        .hosts(&validated.network)
        .iter()
        .filter(|host| host.serves(Use::Credentials))
        .map(ToString::to_string)
        .collect();
    let docker = docker_config_json(hosts.iter().map(String::as_str), user, &secret_value)
        .map_err(|error| BuildError::Text { what: ".dockerconfigjson", why: error.to_string() })?;
    let values = [(".dockerconfigjson", docker.as_str()), ("username", user), ("password", &secret_value)];
    Ok(Ok(secret::secret(metadata::kept(validated, name), secret::DOCKER_CONFIG, values)))
}

fn unusable(name: &str) -> Finding {
    let message = format!(
        "Secret {name} has no key password; put the password back, or delete the Secret to have a new one made"
    );
    Finding::new(ConditionType::ConfigurationReady, Reason::CredentialUnusable, message)
}
