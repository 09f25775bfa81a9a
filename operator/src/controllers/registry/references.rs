//! What the spec refers to: the user's certificate and the user's htpasswd file.

use entrepot_crds::RegistrySpec;
use entrepot_crds::conditions::{ConditionType, Reason};
use entrepot_registry_config::UserFile;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;

use super::finding::Finding;
use super::observe::{certificate_name, htpasswd_name};
use crate::pki::user_certificate::{UserCertificateError, check};

/// A user's certificate that can be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCertificate {
    /// The Secret that holds it.
    pub secret_name: String,
    /// The chain and the key as they are mounted; anything that changes with them.
    pub content: Vec<u8>,
    /// The end of its life.
    pub not_after: Timestamp,
}

/// A user's htpasswd file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserHtpasswd {
    /// The Secret that holds it.
    pub secret_name: String,
    /// The key in the Secret.
    pub key: &'static str,
    /// The file.
    pub content: Vec<u8>,
}

/// The keys under which an htpasswd file may stand, the first one found wins: ours, and that of ingress controllers.
const HTPASSWD_KEYS: [&str; 2] = ["htpasswd", "auth"];

/// The certificate of `tls.secretRef`, or what is wrong with it.
pub fn certificate(
    spec: &RegistrySpec,
    secret: Option<&Secret>,
    now: Timestamp,
) -> Result<Option<UserCertificate>, Finding> {
    let Some(name) = certificate_name(spec) else { return Ok(None) };
    let finding = |reason, message: String| {
        let message = format!(
            "tls.secretRef: Secret {name}: {message}. The in-cluster names go on being served with the generated certificate"
        );
        Finding::new(ConditionType::CertificateReady, reason, message)
    };
    let Some(secret) = secret else {
        let message = "it does not exist; create it with the keys tls.crt and tls.key".to_owned();
        return Err(finding(Reason::TlsSecretNotFound, message));
    };
    let part = |key: &str| {
        let message =
            format!("it has no key {key}; a Secret of type kubernetes.io/tls has tls.crt and tls.key");
        value(secret, key).ok_or_else(|| finding(Reason::TlsSecretIncomplete, message))
    };
    let (chain, key) = (part("tls.crt")?, part("tls.key")?);
    let checked = check(&String::from_utf8_lossy(chain), &String::from_utf8_lossy(key), now);
    let facts = checked.map_err(|error| finding(reason(&error), error.to_string()))?;
    let content = [chain, b"\0", key].concat();
    Ok(Some(UserCertificate { secret_name: name.to_owned(), content, not_after: facts.not_after }))
}

fn reason(error: &UserCertificateError) -> Reason {
    match error {
        UserCertificateError::EmptyChain
        | UserCertificateError::Unparseable { .. }
        | UserCertificateError::NoKey
        | UserCertificateError::EncryptedKey
        | UserCertificateError::UnsupportedKey { .. } => Reason::CertificateUnreadable,
        UserCertificateError::KeyMismatch => Reason::CertificateKeyMismatch,
        UserCertificateError::NoSubjectAltName => Reason::CertificateWithoutNames,
        UserCertificateError::Expired { .. } => Reason::CertificateExpired,
        UserCertificateError::NotYetValid { .. } => Reason::CertificateNotYetValid,
    }
}

/// The file of `auth.htpasswdSecretRef`, or what is wrong with it.
pub fn htpasswd(spec: &RegistrySpec, secret: Option<&Secret>) -> Result<Option<UserHtpasswd>, Finding> {
    let Some(name) = htpasswd_name(spec) else { return Ok(None) };
    let finding = |reason, message: &str| {
        let message = format!(
            "auth.htpasswdSecretRef: Secret {name}: {message}. Until then only the generated credentials are let in"
        );
        Finding::new(ConditionType::ConfigurationReady, reason, message)
    };
    let Some(secret) = secret else {
        return Err(finding(
            Reason::HtpasswdSecretNotFound,
            "it does not exist; create it with the key htpasswd, as `htpasswd -B` writes it",
        ));
    };
    let found = HTPASSWD_KEYS.iter().find_map(|key| value(secret, key).map(|content| (*key, content)));
    let Some((key, content)) = found else {
        return Err(finding(
            Reason::HtpasswdSecretIncomplete,
            "it has neither the key htpasswd nor auth; store the file under one of them",
        ));
    };
    // A server that is given a file it refuses does not start, for anybody.
    UserFile::parse(content)
        .map_err(|why| finding(Reason::HtpasswdUnreadable, &format!("key {key}: {why}")))?;
    Ok(Some(UserHtpasswd { secret_name: name.to_owned(), key, content: content.to_vec() }))
}

fn value<'a>(secret: &'a Secret, key: &str) -> Option<&'a [u8]> {
    let value = secret.data.as_ref()?.get(key)?;
    (!value.0.is_empty()).then_some(value.0.as_slice())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use serde_json::json;

    use super::*;

    fn read(file: &[u8]) -> Result<Option<UserHtpasswd>, Finding> {
        let spec =
            json!({"storage": {"volume": {"size": "1Gi"}}, "auth": {"htpasswdSecretRef": {"name": "users"}}});
        let data = [("htpasswd".to_owned(), ByteString(file.to_vec()))].into();
        let secret = Secret { data: Some(data), ..Secret::default() };
        htpasswd(&serde_json::from_value(spec).unwrap(), Some(&secret))
    }

    #[test]
    fn a_file_the_server_would_refuse_is_a_finding_and_not_a_server_that_does_not_start() {
        let said = |why: &str| {
            let message = format!(
                "auth.htpasswdSecretRef: Secret users: key htpasswd: {why}. Until then only the generated credentials are let in"
            );
            Err(Finding::new(ConditionType::ConfigurationReady, Reason::HtpasswdUnreadable, message))
        };
        let md5 = "line 2: the hash of `ada` is not bcrypt; make it with `htpasswd -B`";
        assert_eq!(read(b"# team\nada:$apr1$x$y\n"), said(md5));
        assert_eq!(
            read(b"\xff\xfea\0"),
            said(
                "it is UTF-16 and must be ASCII or UTF-8; in PowerShell, write it with `| Set-Content -Encoding ASCII FILE`"
            )
        );
    }

    #[test]
    fn a_file_of_bcrypt_hashes_is_mounted_as_it_is() {
        let file = b"ci:$2y$05$Iv2bj52hLQfpR/E.AKTY/OU1zwKePI80sE1E.4nnmvmlDIzrnlri2\r\n";
        let expected =
            UserHtpasswd { secret_name: "users".to_owned(), key: "htpasswd", content: file.to_vec() };
        assert_eq!(read(file), Ok(Some(expected)));
    }
}
