//! The server's configuration. It names files and holds no secret: anybody in the namespace may read a `ConfigMap`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use entrepot_crds::names::ports;
use entrepot_registry_config::{
    AccessLog, Auth, CertificatePair, Config, DebugListener, Delete, Entrepot, EntrepotAuth, EntrepotHttp,
    EntrepotTls, Filesystem, Formatter, Htpasswd, Http, Level, ListenAddress, Log, ManagedUsers, Prometheus,
    Storage, Version,
};
use k8s_openapi::api::core::v1::ConfigMap;

use super::super::validate::Validated;
use super::credentials::PULL;
use super::{BuildError, metadata, paths};

pub(super) fn build(validated: &Validated) -> Result<ConfigMap, BuildError> {
    let text = serde_saphyr::to_string(&config(validated))
        .map_err(|error| BuildError::Text { what: paths::CONFIG_KEY, why: error.to_string() })?;
    Ok(ConfigMap {
        metadata: metadata::owned(validated, validated.names.config_map()),
        data: Some(BTreeMap::from([(paths::CONFIG_KEY.to_owned(), text)])),
        ..ConfigMap::default()
    })
}

/// The configuration of the server of `validated`.
fn config(validated: &Validated) -> Config {
    Config {
        version: Version,
        log: Log { level: Level::Info, formatter: Formatter::Json, accesslog: AccessLog::default() },
        storage: Storage {
            filesystem: Filesystem { rootdirectory: PathBuf::from(paths::DATA_DIR) },
            delete: Delete { enabled: true },
        },
        auth: validated.htpasswd.as_ref().map(|_| Auth {
            htpasswd: Htpasswd {
                realm: validated.names.name().to_owned(),
                path: PathBuf::from(paths::USERS_HTPASSWD),
            },
        }),
        http: Http {
            // Both families: a Service of a cluster with two has an address in each, and nodes may pull from either.
            addr: ListenAddress::any(ports::DATA),
            host: None,
            secret: None,
            relativeurls: false,
            draintimeout: Http::DEFAULT_DRAIN_TIMEOUT,
            tls: Some(pair(paths::TLS_CERTIFICATE, paths::TLS_KEY)),
            debug: Some(DebugListener {
                addr: ListenAddress::any(ports::HEALTH),
                prometheus: Prometheus { enabled: true, path: "/metrics".to_owned() },
            }),
        },
        entrepot: Entrepot {
            http: EntrepotHttp { secret_file: Some(PathBuf::from(paths::HTTP_SECRET)) },
            tls: EntrepotTls {
                certificates: validated
                    .certificate
                    .iter()
                    .map(|_| pair(paths::EXTRA_TLS_CERTIFICATE, paths::EXTRA_TLS_KEY))
                    .collect(),
            },
            auth: EntrepotAuth {
                managed: Some(ManagedUsers {
                    path: PathBuf::from(paths::MANAGED_HTPASSWD),
                    pull_only: vec![PULL.to_owned()],
                }),
            },
        },
    }
}

fn pair(certificate: &str, key: &str) -> CertificatePair {
    CertificatePair { certificate: PathBuf::from(certificate), key: PathBuf::from(key) }
}
