//! Certificates as users bring them, good and bad.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};

/// A certificate and its key, PEM; self-signed, so that it is its own authority.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// One that names `host` and is valid for the next decades.
pub(crate) fn valid(host: &str) -> Pair {
    sign(&CertificateParams::new([host.to_owned()]).unwrap())
}

/// One with a common name and no subject alternative name, as `openssl req -x509 -subj` makes it.
pub(crate) fn without_names(host: &str) -> Pair {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, host);
    sign(&params)
}

/// One that has expired.
pub(crate) fn expired(host: &str) -> Pair {
    let mut params = CertificateParams::new([host.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    sign(&params)
}

/// A good certificate with the key of another.
pub(crate) fn with_another_key(host: &str) -> Pair {
    Pair { key: KeyPair::generate().unwrap().serialize_pem(), ..valid(host) }
}

fn sign(params: &CertificateParams) -> Pair {
    let key = KeyPair::generate().unwrap();
    Pair { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}
