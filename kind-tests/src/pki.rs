//! The cluster's own certificate authority and what it signs. It lives as long as the cluster does.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// Nobody keeps a test cluster for a month.
const LIFE: Duration = Duration::from_hours(30 * 24);
/// Clocks are set back now and then: a certificate from the future is refused.
const BACKDATED: Duration = Duration::from_hours(1);

/// A key or certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the certificate of {name}: {source}")]
pub struct PkiError {
    name: String,
    source: rcgen::Error,
}

/// A certificate with its private key, both PEM (the key PKCS#8).
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// Who a certificate is for.
#[derive(Debug, Clone, Default)]
pub struct Subject<'a> {
    /// The user name, for Kubernetes.
    pub common_name: &'a str,
    /// The group, for Kubernetes.
    pub organization: Option<&'a str>,
    /// The names that a server answers to.
    pub dns_names: &'a [&'a str],
    /// The addresses that a server answers at.
    pub addresses: &'a [IpAddr],
}

/// A certificate authority.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// Makes a new authority, valid from shortly before `now`.
    pub fn generate(common_name: &str, now: SystemTime) -> Result<Self, PkiError> {
        let failed = |source| PkiError { name: common_name.to_owned(), source };
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = (now - BACKDATED).into();
        params.not_after = (now + LIFE).into();
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// The authority's certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Signs a certificate that serves as a server's and as a client's.
    pub fn issue(&self, subject: &Subject<'_>, now: SystemTime) -> Result<Issued, PkiError> {
        let failed = |source| PkiError { name: subject.common_name.to_owned(), source };
        let names = subject.dns_names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).map_err(failed)?;
        params.subject_alt_names.extend(subject.addresses.iter().map(|address| SanType::IpAddress(*address)));
        params.distinguished_name.push(DnType::CommonName, subject.common_name);
        if let Some(organization) = subject.organization {
            params.distinguished_name.push(DnType::OrganizationName, organization);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = (now - BACKDATED).into();
        params.not_after = (now + LIFE).into();
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?.pem();
        Ok(Issued { certificate, key: key.serialize_pem() })
    }
}

/// A key pair that signs ServiceAccount tokens: the public half in PEM (`SubjectPublicKeyInfo`), and the private one.
///
/// The apiserver parses private keys in PKCS#8 for signing, but for verifying it wants the public half.
pub fn token_key(purpose: &str) -> Result<(String, String), PkiError> {
    let key = KeyPair::generate().map_err(|source| PkiError { name: purpose.to_owned(), source })?;
    Ok((key.public_key_pem(), key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_authorities_never_share_a_key() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let subject =
            Subject { common_name: "admin", organization: Some("system:masters"), ..Subject::default() };
        let issue = || {
            let authority = Authority::generate("test", now).unwrap();
            (authority.certificate().to_owned(), authority.issue(&subject, now).unwrap().key)
        };
        let (one, other) = (issue(), issue());
        assert_ne!(one.0, other.0);
        assert_ne!(one.1, other.1);
    }
}
