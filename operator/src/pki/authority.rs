//! The certificate authority of one Registry.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType,
};
use x509_parser::prelude::X509Certificate;

use super::{PkiError, San, pem};

/// An authority lives ten years: clients outside the cluster have its certificate copied to them.
const AUTHORITY_LIFE: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);
/// A leaf lives 90 days and is replaced at two thirds of that: a month to notice a failing renewal.
const LEAF_LIFE: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Nodes whose clocks are behind must accept what was issued this moment.
const BACKDATED: SignedDuration = SignedDuration::from_hours(1);
/// `ub-common-name` of RFC 5280 appendix A.1; openssl refuses to read longer ones.
const COMMON_NAME_MAX: usize = 64;

/// A certificate and the key that signs with it.
#[derive(Debug)]
pub struct Authority {
    cert_pem: String,
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    not_after: Timestamp,
}

/// A leaf and its key, as they are stored in a `kubernetes.io/tls` Secret.
#[derive(Clone)]
pub struct Issued {
    /// `tls.crt`: the leaf alone. The authority is what clients are given to trust, so it need not be sent.
    pub cert_pem: String,
    /// `tls.key`, PKCS#8.
    pub key_pem: String,
}

impl std::fmt::Debug for Issued {
    /// Without the key, which must reach no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("cert_pem", &self.cert_pem).finish_non_exhaustive()
    }
}

impl Authority {
    /// A new authority: ECDSA P-256, ten years, backdated by an hour, path length 0.
    ///
    /// `common_name` is what a person sees in a certificate viewer; it is cut to 64 characters.
    pub fn generate(common_name: &str, now: Timestamp) -> Result<Self, PkiError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map_err(|source| PkiError::Generate { doing: "making the authority's key", source })?;
        let mut params = params(common_name, now, later(now, AUTHORITY_LIFE)?)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params
            .self_signed(&key)
            .map_err(|source| PkiError::Generate { doing: "signing the authority's certificate", source })?;
        Self::from_pem(&certificate.pem(), &key.serialize_pem())
    }

    /// What [`Self::cert_pem`] and [`Self::key_pem`] gave, or another authority's P-256, P-384 or RSA pair.
    ///
    /// Of several certificates the first counts. An expired authority is read all the same: its
    /// leaves must still be recognised.
    pub fn from_pem(cert: &str, key: &str) -> Result<Self, PkiError> {
        let unreadable = |what| move |why| PkiError::Unreadable { what, why };
        let cert_unreadable = unreadable("the authority's certificate");
        let key =
            KeyPair::from_pem(key).map_err(|error| unreadable("the authority's key")(error.to_string()))?;
        let der = pem::certificates(cert)
            .map_err(cert_unreadable)?
            .into_iter()
            .next()
            .ok_or_else(|| cert_unreadable("no CERTIFICATE section in it".to_owned()))?;
        let parsed = pem::parse(&der).map_err(cert_unreadable)?;
        if !parsed.is_ca() {
            return Err(PkiError::NotAnAuthority);
        }
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(PkiError::KeyMismatch);
        }
        let not_after = pem::timestamp(parsed.validity().not_after).map_err(cert_unreadable)?;
        let issuer =
            Issuer::from_ca_cert_der(&der, key).map_err(|error| cert_unreadable(error.to_string()))?;
        Ok(Self { cert_pem: pem::certificate_sections(cert), der: der.to_vec(), issuer, not_after })
    }

    /// The certificate, PEM and nothing else: what a client must trust.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The private key, PKCS#8 PEM.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// End of the certificate's life.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// A server certificate for `sans` with a new ECDSA P-256 key: 90 days or the rest of the
    /// authority's life, whichever ends first.
    pub fn issue(&self, sans: &[San], now: Timestamp) -> Result<Issued, PkiError> {
        if sans.is_empty() {
            return Err(PkiError::NoName);
        }
        if self.not_after <= now {
            return Err(PkiError::AuthorityExpired { at: self.not_after });
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map_err(|source| PkiError::Generate { doing: "making the server's key", source })?;
        let mut params = params("entrepot registry", now, later(now, LEAF_LIFE)?.min(self.not_after))?;
        params.subject_alt_names = sans.iter().map(san).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Two authorities of one name stand side by side in a bundle while one replaces the other;
        // verifiers pick by this identifier.
        params.use_authority_key_identifier_extension = true;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(|source| PkiError::Generate { doing: "signing the server's certificate", source })?;
        Ok(Issued { cert_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    pub(super) fn certificate(&self) -> Result<X509Certificate<'_>, String> {
        pem::parse(&self.der)
    }
}

fn san(name: &San) -> Result<SanType, PkiError> {
    Ok(match name {
        San::Dns(dns) => {
            SanType::DnsName(dns.as_str().try_into().map_err(|_| PkiError::Name { name: dns.clone() })?)
        }
        San::Ip(ip) => SanType::IpAddress(*ip),
    })
}

fn params(common_name: &str, now: Timestamp, not_after: Timestamp) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name.chars().take(COMMON_NAME_MAX).collect::<String>());
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let since_epoch = |at: Timestamp| {
        u64::try_from(at.as_second()).map(Duration::from_secs).map_err(|_| PkiError::Clock { now })
    };
    params.not_before = epoch + since_epoch(later(now, -BACKDATED)?)?;
    params.not_after = epoch + since_epoch(not_after)?;
    Ok(params)
}

fn later(now: Timestamp, by: SignedDuration) -> Result<Timestamp, PkiError> {
    now.checked_add(by).map_err(|_| PkiError::Clock { now })
}
