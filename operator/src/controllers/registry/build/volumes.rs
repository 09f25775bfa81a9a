//! What the server's container has mounted.

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, KeyToPath, PersistentVolumeClaimVolumeSource, SecretVolumeSource, Volume,
    VolumeMount,
};

use super::super::validate::{Storage, Validated};
use super::paths;

/// Readable by the server's group and nobody else.
const SECRET_MODE: i32 = 0o440;

/// A volume and where it is mounted: always both, or the Pod is refused.
pub(super) struct Mounted {
    /// The volume.
    pub(super) volume: Volume,
    /// Its mount.
    pub(super) mount: VolumeMount,
}

/// Every volume of the server of `validated`, in a fixed order.
pub(super) fn of(validated: &Validated) -> Vec<Mounted> {
    let names = &validated.names;
    let mut all = vec![
        data(validated),
        config(names.config_map()),
        secret("keys", names.keys_secret(), paths::KEYS_DIR, None),
        secret("managed", names.htpasswd_secret(), paths::MANAGED_DIR, None),
        secret("tls", names.tls_secret(), paths::TLS_DIR, None),
    ];
    if let Some(user) = &validated.certificate {
        all.push(secret("tls-extra", user.secret_name.clone(), paths::EXTRA_TLS_DIR, None));
    }
    if let Some(user) = &validated.htpasswd {
        let item = item(user.key, paths::HTPASSWD_KEY);
        all.push(secret("users", user.secret_name.clone(), paths::USERS_DIR, Some(vec![item])));
    }
    all
}

fn data(validated: &Validated) -> Mounted {
    let claim_name = match &validated.storage {
        Storage::New { .. } => validated.names.data_claim(),
        Storage::Existing { name, .. } => name.clone(),
    };
    let volume = Volume {
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource { claim_name, read_only: None }),
        ..named("data")
    };
    Mounted { volume, mount: mount("data", paths::DATA_DIR, None) }
}

fn config(name: String) -> Mounted {
    let volume = Volume {
        config_map: Some(ConfigMapVolumeSource { name, ..ConfigMapVolumeSource::default() }),
        ..named("config")
    };
    Mounted { volume, mount: mount("config", paths::CONFIG_DIR, Some(true)) }
}

fn secret(name: &str, secret_name: String, path: &str, items: Option<Vec<KeyToPath>>) -> Mounted {
    let volume = Volume {
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret_name),
            default_mode: Some(SECRET_MODE),
            items,
            optional: None,
        }),
        ..named(name)
    };
    Mounted { volume, mount: mount(name, path, Some(true)) }
}

fn named(name: &str) -> Volume {
    Volume { name: name.to_owned(), ..Volume::default() }
}

fn item(key: &str, path: &str) -> KeyToPath {
    KeyToPath { key: key.to_owned(), path: path.to_owned(), mode: None }
}

fn mount(name: &str, path: &str, read_only: Option<bool>) -> VolumeMount {
    VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), read_only, ..VolumeMount::default() }
}
