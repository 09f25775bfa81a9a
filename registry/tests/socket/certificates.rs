use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;

use crate::process::Place;

/// Somebody who signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: CertificateDer<'static>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::from(None)
    }

    /// One that `self` vouches for.
    pub(crate) fn intermediate(&self) -> Self {
        Self::from(Some(self))
    }

    fn from(parent: Option<&Self>) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, if parent.is_some() { "below" } else { "root" });
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = match parent {
            Some(parent) => params.signed_by(&key, &parent.issuer),
            None => params.self_signed(&key),
        };
        let certificate = certificate.unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), certificate: der, pem }
    }

    /// Writes `<file>.crt` and `<file>.key` (PKCS#8) for `names`.
    pub(crate) fn issue(&self, place: &Place, file: &str, names: &[&str]) {
        let key = KeyPair::generate().unwrap();
        place.write(&format!("{file}.key"), key.serialize_pem());
        self.certify(place, file, names, &key);
    }

    /// Writes `<file>.crt` for a key that is there already; the authority's own certificate follows in the chain.
    pub(crate) fn certify(&self, place: &Place, file: &str, names: &[&str], key: &KeyPair) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        place.write(&format!("{file}.crt"), certificate.pem() + &self.pem);
    }
}

/// Runs openssl in the place's folder.
pub(crate) fn openssl(place: &Place, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(place.path("")).output();
    let output = output.expect("openssl is installed");
    assert!(output.status.success(), "{output:?}");
}
