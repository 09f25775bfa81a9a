//! What a stored server certificate says about itself.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::{Authority, PkiError, pem};

/// The facts of the first certificate of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Start of its life.
    pub not_before: Timestamp,
    /// End of its life.
    pub not_after: Timestamp,
    /// Host names among its subject alternative names, in its own order.
    pub dns_names: Vec<String>,
    /// Addresses among its subject alternative names, in its own order.
    pub ip_addresses: Vec<IpAddr>,
    der: Vec<u8>,
}

impl Leaf {
    /// Reads the first certificate of `chain`, which is PEM.
    pub fn from_pem(chain: &str) -> Result<Self, PkiError> {
        let unreadable = |why| PkiError::Unreadable { what: "the server's certificate", why };
        let der = pem::certificates(chain)
            .map_err(unreadable)?
            .into_iter()
            .next()
            .ok_or_else(|| unreadable("no CERTIFICATE section in it".to_owned()))?;
        let parsed = pem::parse(&der).map_err(unreadable)?;
        let names = pem::names(&parsed).map_err(unreadable)?;
        Ok(Self {
            not_before: pem::timestamp(parsed.validity().not_before).map_err(unreadable)?,
            not_after: pem::timestamp(parsed.validity().not_after).map_err(unreadable)?,
            dns_names: names.dns,
            ip_addresses: names.ip,
            der: der.to_vec(),
        })
    }

    /// Whether `authority` signed it: issuer name and signature.
    pub fn is_signed_by(&self, authority: &Authority) -> bool {
        let (Ok(leaf), Ok(issuer)) = (pem::parse(&self.der), authority.certificate()) else {
            return false;
        };
        leaf.issuer().as_raw() == issuer.subject().as_raw()
            && leaf.verify_signature(Some(issuer.public_key())).is_ok()
    }

    /// When it is to be replaced: two thirds of its life.
    pub fn renewal_time(&self) -> Timestamp {
        let life = self.not_before.duration_until(self.not_after);
        // Two thirds of a certificate's life lie before its end, which is representable.
        self.not_before
            .checked_add(SignedDuration::from_secs(life.as_secs() / 3 * 2))
            .unwrap_or(self.not_after)
    }

    /// Whether it is to be replaced at `now`. A certificate that is not valid yet is due as well: the
    /// clock was wrong when it was made, and clients refuse it.
    pub fn renewal_due(&self, now: Timestamp) -> bool {
        now >= self.renewal_time() || now < self.not_before
    }
}
