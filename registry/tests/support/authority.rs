use std::{fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};

use super::{ADDRESS, HOST};

/// Makes an authority and a certificate of the registry that it signed: `ca.crt`, `tls.crt`, `tls.key` in `folder`.
pub(crate) fn issue(folder: &Path) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    // Left to their default the two names are equal, and OpenSSL takes the server's certificate for self-signed.
    authority.distinguished_name.push(DnType::CommonName, "An authority of tests");
    let key = KeyPair::generate().unwrap();
    fs::write(folder.join("ca.crt"), authority.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, key);

    let mut server = CertificateParams::new([HOST.to_owned()]).unwrap();
    server.distinguished_name.push(DnType::CommonName, HOST);
    server.subject_alt_names.push(SanType::IpAddress(ADDRESS.parse().unwrap()));
    let key = KeyPair::generate().unwrap();
    fs::write(folder.join("tls.crt"), server.signed_by(&key, &issuer).unwrap().pem()).unwrap();
    fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
}
