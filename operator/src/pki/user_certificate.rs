//! A certificate that a user brings for hosts of their own.

use std::net::IpAddr;

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::Error as PemError};

use super::pem;

/// What a certificate that passed [`check`] is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCertificate {
    /// Host names that it serves, in its own order.
    pub dns_names: Vec<String>,
    /// Addresses that it serves, in its own order.
    pub ip_addresses: Vec<IpAddr>,
    /// End of the leaf's life.
    pub not_after: Timestamp,
}

/// Why a certificate cannot be served, and what its owner can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserCertificateError {
    /// `tls.crt` holds no certificate.
    #[error(
        "tls.crt holds no CERTIFICATE section: put the server's certificate first and the intermediate ones after it, all in PEM"
    )]
    EmptyChain,
    /// A part is not what it is stored as.
    #[error("{what} cannot be read ({why}): it must be PEM, as openssl writes it")]
    Unparseable {
        /// Which part: `tls.key`, or `tls.crt` and the certificate's place in the chain.
        what: String,
        /// What the parser answered.
        why: String,
    },
    /// `tls.key` holds no private key.
    #[error(
        "tls.key holds no private key: it must hold a PRIVATE KEY (PKCS#8), RSA PRIVATE KEY (PKCS#1) or EC PRIVATE KEY (SEC1) section"
    )]
    NoKey,
    /// `tls.key` is protected by a passphrase, and nobody can type one.
    #[error(
        "tls.key is encrypted: store it without a passphrase, as `openssl pkey -in tls.key -out plain.key` writes it"
    )]
    EncryptedKey,
    /// A key that no TLS library here signs with.
    #[error(
        "tls.key holds a key that is not supported ({why}): use ECDSA P-256, P-384 or P-521, Ed25519, or RSA of 2048 to 8192 bits"
    )]
    UnsupportedKey {
        /// What the library answered.
        why: String,
    },
    /// The key is not the first certificate's.
    #[error(
        "tls.key does not belong to the first certificate in tls.crt: put the server's own certificate first, or store the key that it was made with"
    )]
    KeyMismatch,
    /// No host name and no address in it.
    #[error(
        "the certificate names no host: it has no subject alternative name, and no client looks at its common name; make it anew with `openssl req -addext subjectAltName=DNS:registry.example.com` (and `openssl x509 -req -copy_extensions copy`)"
    )]
    NoSubjectAltName,
    /// Its life is over.
    #[error("the certificate expired at {at}: renew it")]
    Expired {
        /// End of its life.
        at: Timestamp,
    },
    /// Its life has not begun.
    #[error(
        "the certificate is not valid before {at}: wait, or correct the clock of the machine that made it"
    )]
    NotYetValid {
        /// Start of its life.
        at: Timestamp,
    },
}

/// Reads `cert_pem` (the leaf first, intermediates after it) and `key_pem` as the server will, and
/// says what is wrong with the pair at `now`.
///
/// A certificate that does not name the in-cluster hosts is normal: another one serves those.
pub fn check(cert_pem: &str, key_pem: &str, now: Timestamp) -> Result<UserCertificate, UserCertificateError> {
    let chain = chain(cert_pem)?;
    let leaf = chain.first().ok_or(UserCertificateError::EmptyChain)?;
    let leaf = pem::parse(leaf).map_err(|why| unparseable(0, why))?;
    let key = any_supported_type(&key(key_pem)?)
        .map_err(|error| UserCertificateError::UnsupportedKey { why: error.to_string() })?;
    if key.public_key().as_deref() != Some(leaf.public_key().raw) {
        return Err(UserCertificateError::KeyMismatch);
    }
    let names = pem::names(&leaf).map_err(|why| unparseable(0, why))?;
    if names.dns.is_empty() && names.ip.is_empty() {
        return Err(UserCertificateError::NoSubjectAltName);
    }
    // What this module reads with one parser the server reads with another; both must accept it.
    CertifiedKey::new(chain.clone(), key).keys_match().map_err(|error| unparseable(0, error.to_string()))?;
    let not_before = pem::timestamp(leaf.validity().not_before).map_err(|why| unparseable(0, why))?;
    let not_after = pem::timestamp(leaf.validity().not_after).map_err(|why| unparseable(0, why))?;
    if now > not_after {
        return Err(UserCertificateError::Expired { at: not_after });
    }
    if now < not_before {
        return Err(UserCertificateError::NotYetValid { at: not_before });
    }
    Ok(UserCertificate { dns_names: names.dns, ip_addresses: names.ip, not_after })
}

fn chain(cert_pem: &str) -> Result<Vec<CertificateDer<'static>>, UserCertificateError> {
    let chain = pem::certificates(cert_pem)
        .map_err(|why| UserCertificateError::Unparseable { what: "tls.crt".to_owned(), why })?;
    for (index, certificate) in chain.iter().enumerate() {
        pem::parse(certificate).map_err(|why| unparseable(index, why))?;
    }
    Ok(chain)
}

fn key(key_pem: &str) -> Result<PrivateKeyDer<'static>, UserCertificateError> {
    // "Proc-Type: 4,ENCRYPTED" is the traditional form; the PEM reader takes its headers for base64.
    if key_pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || key_pem.contains("Proc-Type: 4,ENCRYPTED")
    {
        return Err(UserCertificateError::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|error| match error {
        PemError::NoItemsFound => UserCertificateError::NoKey,
        other => UserCertificateError::Unparseable { what: "tls.key".to_owned(), why: other.to_string() },
    })
}

fn unparseable(index: usize, why: String) -> UserCertificateError {
    UserCertificateError::Unparseable { what: format!("certificate {} in tls.crt", index + 1), why }
}

#[cfg(test)]
mod tests;
