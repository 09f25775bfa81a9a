use std::{path::Path, sync::Arc, time::Duration};

use entrepot_oci::{Algorithm, Digest, Hasher};
use entrepot_registry_config::Config;

use super::{
    inputs::{InputError, UserFiles, load_certificates, load_users, pull_only},
    tls::CurrentCertificates,
};
use crate::auth::Authenticator;

/// How often the files are looked at. By their content: a Secret's volume changes by swapping a folder behind symbolic
/// links, others change in place, and no event tells of both on every filesystem.
const PERIOD: Duration = Duration::from_secs(5);

/// What follows the files that the configuration names.
pub(super) struct Reloader {
    config: Config,
    authenticator: Arc<Authenticator>,
    certificates: Option<Arc<CurrentCertificates>>,
    users_seen: Option<Digest>,
    certificates_seen: Option<Digest>,
}

impl Reloader {
    /// Nothing has been seen yet: the first look loads everything again, for it may have changed since the start.
    pub(super) fn new(
        config: Config,
        authenticator: Arc<Authenticator>,
        certificates: Option<Arc<CurrentCertificates>>,
    ) -> Self {
        Self { config, authenticator, certificates, users_seen: None, certificates_seen: None }
    }

    /// Follows them until the end of the process.
    pub(super) async fn run(mut self) {
        loop {
            let looked = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            match looked.await {
                Ok(reloader) => self = reloader,
                Err(error) => return tracing::error!(%error, "files are not followed any more"),
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Loads what has changed. What cannot be loaded changes nothing, and is logged once.
    fn look(&mut self) {
        if changed(&mut self.users_seen, user_files(&self.config)) {
            report("the users", self.reload_users());
        }
        if changed(&mut self.certificates_seen, certificate_files(&self.config)) {
            report("the certificates", self.reload_certificates());
        }
    }

    fn reload_users(&self) -> Result<(), InputError> {
        let UserFiles { users, managed } = load_users(&self.config)?;
        self.authenticator.replace(users, managed, pull_only(&self.config));
        Ok(())
    }

    fn reload_certificates(&self) -> Result<(), InputError> {
        let Some(current) = &self.certificates else { return Ok(()) };
        if let Some(loaded) = load_certificates(&self.config, Some(&current.get()))? {
            current.replace(loaded);
        }
        Ok(())
    }
}

fn report(what: &str, loaded: Result<(), InputError>) {
    match loaded {
        Ok(()) => tracing::debug!("loaded {what}"),
        Err(error) => {
            tracing::error!(%error, "could not load {what} again; those loaded before stay in force");
        }
    }
}

fn user_files(config: &Config) -> impl Iterator<Item = &Path> {
    let users = config.auth.iter().map(|auth| auth.htpasswd.path.as_path());
    users.chain(config.entrepot.auth.managed.iter().map(|managed| managed.path.as_path()))
}

fn certificate_files(config: &Config) -> impl Iterator<Item = &Path> {
    let pairs = config.http.tls.iter().chain(&config.entrepot.tls.certificates);
    pairs.flat_map(|pair| [pair.certificate.as_path(), pair.key.as_path()])
}

fn changed<'a>(seen: &mut Option<Digest>, files: impl Iterator<Item = &'a Path>) -> bool {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    for file in files {
        // A file that cannot be read is a state of its own.
        let content = std::fs::read(file).unwrap_or_default();
        hasher.update(&content.len().to_be_bytes());
        hasher.update(&content);
    }
    let found = Some(hasher.finish());
    let changed = *seen != found;
    *seen = found;
    changed
}
