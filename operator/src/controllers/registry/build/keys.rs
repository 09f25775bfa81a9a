//! The Secret of the server's own keys.

use entrepot_crds::conditions::{ConditionType, Reason};
use k8s_openapi::api::core::v1::Secret;
use rand::CryptoRng;

use super::super::finding::Finding;
use super::super::validate::Validated;
use super::{metadata, paths, secret};
use crate::credentials::http_secret;

/// The live keys, or new ones. They outlive the server's Pod, so that uploads go on after a restart.
pub(super) fn build(
    validated: &Validated,
    live: Option<&Secret>,
    rng: &mut impl CryptoRng,
) -> Result<Secret, Finding> {
    let name = validated.names.keys_secret();
    let value = match live {
        Some(live) => secret::text(live, paths::HTTP_SECRET_KEY)
            .ok_or_else(|| {
                let message = format!(
                    "Secret {name} has no key {}; delete the Secret to have it made anew",
                    paths::HTTP_SECRET_KEY
                );
                Finding::new(ConditionType::ConfigurationReady, Reason::CredentialUnusable, message)
            })?
            .to_owned(),
        None => http_secret(rng),
    };
    let meta = metadata::kept(validated, name);
    Ok(secret::secret(meta, secret::OPAQUE, [(paths::HTTP_SECRET_KEY, &value)]))
}
