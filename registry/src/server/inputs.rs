use std::{fs, io, path::PathBuf, sync::Arc};

use entrepot_registry_config::{Config, UserFile, UserFileError};

use super::tls::{Certificates, CurrentCertificates, TlsError};
use crate::auth::Authenticator;

/// Why a file that the configuration names cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A file cannot be read.
    #[error("cannot read {}, which {key} names: {source}", path.display())]
    Read {
        /// Dotted path of the key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A user file is malformed.
    #[error("{}: {source}", path.display())]
    Htpasswd {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: UserFileError,
    },
    /// A secret of no length protects nothing.
    #[error("{}, which entrepot.http.secretFile names, is empty", path.display())]
    EmptySecret {
        /// The file.
        path: PathBuf,
    },
    /// A certificate cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What the server reads besides its configuration.
pub(super) struct Inputs {
    pub(super) authenticator: Arc<Authenticator>,
    /// Absent: in the clear.
    pub(super) certificates: Option<Arc<CurrentCertificates>>,
    /// Signs upload sessions.
    pub(super) secret: Vec<u8>,
}

/// The user files, read and checked.
pub(super) struct UserFiles {
    pub(super) users: UserFile,
    pub(super) managed: UserFile,
}

impl Inputs {
    /// Reads everything, so that a server with a broken input never starts.
    pub(super) fn load(config: &Config) -> Result<Self, InputError> {
        Ok(Self {
            authenticator: authenticator(config)?,
            certificates: load_certificates(config, None)?.map(CurrentCertificates::new),
            secret: secret(config)?,
        })
    }
}

fn authenticator(config: &Config) -> Result<Arc<Authenticator>, InputError> {
    if config.auth.is_none() && config.entrepot.auth.managed.is_none() {
        tracing::warn!("no users are configured (auth.htpasswd): anybody may pull, push and delete");
        return Ok(Arc::new(Authenticator::open()));
    }
    let realm = config.auth.as_ref().map_or("Registry", |auth| &auth.htpasswd.realm).to_owned();
    let UserFiles { users, managed } = load_users(config)?;
    Ok(Arc::new(Authenticator::htpasswd(realm, users, managed, pull_only(config))))
}

/// Users of the managed file that may only pull.
pub(super) fn pull_only(config: &Config) -> &[String] {
    config.entrepot.auth.managed.as_ref().map_or(&[], |managed| &managed.pull_only)
}

/// Reads both user files; one that the configuration does not name is empty.
pub(super) fn load_users(config: &Config) -> Result<UserFiles, InputError> {
    let users = config.auth.as_ref().map(|auth| &auth.htpasswd.path);
    let managed = config.entrepot.auth.managed.as_ref().map(|managed| &managed.path);
    Ok(UserFiles {
        users: load_htpasswd("auth.htpasswd.path", users)?,
        managed: load_htpasswd("entrepot.auth.managed.path", managed)?,
    })
}

fn load_htpasswd(key: &'static str, path: Option<&PathBuf>) -> Result<UserFile, InputError> {
    let Some(path) = path else { return Ok(UserFile::default()) };
    let bytes = read(key, path)?;
    UserFile::parse(bytes).map_err(|source| InputError::Htpasswd { path: path.clone(), source })
}

/// The certificates that the configuration names; `None` without any.
/// `before`: those in force until now, see [`Certificates::load`].
pub(super) fn load_certificates(
    config: &Config,
    before: Option<&Certificates>,
) -> Result<Option<Certificates>, TlsError> {
    let Some(default) = &config.http.tls else { return Ok(None) };
    Certificates::load(default, &config.entrepot.tls.certificates, before).map(Some)
}

fn secret(config: &Config) -> Result<Vec<u8>, InputError> {
    if let Some(secret) = &config.http.secret {
        return Ok(secret.expose().as_bytes().to_vec());
    }
    let Some(path) = &config.entrepot.http.secret_file else {
        tracing::warn!(
            "neither http.secret nor entrepot.http.secretFile is set: an upload begun before a restart cannot be gone on with"
        );
        return Ok(rand::random::<[u8; 32]>().to_vec());
    };
    let mut secret = read("entrepot.http.secretFile", path)?;
    while secret.pop_if(|last| matches!(last, b'\r' | b'\n')).is_some() {}
    if secret.is_empty() {
        return Err(InputError::EmptySecret { path: path.clone() });
    }
    Ok(secret)
}

fn read(key: &'static str, path: &PathBuf) -> Result<Vec<u8>, InputError> {
    fs::read(path).map_err(|source| InputError::Read { key, path: path.clone(), source })
}
