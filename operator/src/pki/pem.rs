//! PEM and X.509 read into plain values; shared by every file of this module.

use std::net::IpAddr;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

/// Every CERTIFICATE section in order; keys and comments between them are skipped.
pub(super) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// The CERTIFICATE sections of `pem` as they are written there, without what else a file may hold: people keep a key
/// beside its certificate, and what is published must not have it.
pub fn certificate_sections(pem: &str) -> String {
    let mut inside = false;
    let mut sections = String::new();
    for line in pem.lines().map(str::trim_end) {
        inside |= line == "-----BEGIN CERTIFICATE-----";
        if inside {
            sections.push_str(line);
            sections.push('\n');
        }
        inside &= line != "-----END CERTIFICATE-----";
    }
    sections
}

/// One certificate, and nothing behind it.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
    if rest.is_empty() {
        Ok(certificate)
    } else {
        Err(format!("{} bytes follow the certificate", rest.len()))
    }
}

/// Names and addresses of the certificate, in its own order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) dns: Vec<String>,
    pub(super) ip: Vec<IpAddr>,
}

pub(super) fn names(certificate: &X509Certificate<'_>) -> Result<Names, String> {
    let mut names = Names::default();
    let Some(extension) = certificate.subject_alternative_name().map_err(|error| error.to_string())? else {
        return Ok(names);
    };
    for name in &extension.value.general_names {
        match name {
            GeneralName::DNSName(dns) => names.dns.push((*dns).to_owned()),
            GeneralName::IPAddress(bytes) => names.ip.push(address(bytes)?),
            _ => {}
        }
    }
    Ok(names)
}

fn address(bytes: &[u8]) -> Result<IpAddr, String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Ok(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(bytes)
        .map(IpAddr::from)
        .map_err(|_| format!("an address of {} bytes among the subject alternative names", bytes.len()))
}

pub(super) fn timestamp(time: ASN1Time) -> Result<Timestamp, String> {
    Timestamp::from_second(time.timestamp()).map_err(|error| error.to_string())
}
