use std::collections::HashSet;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Credentials;

/// How many credentials are remembered; 32 bytes each.
const CAPACITY: usize = 4096;

/// What stands for credentials in memory.
pub(super) type Mac = [u8; 32];

/// Credentials whose password was right, so that bcrypt runs once for each and not once a request.
///
/// What is kept is a MAC under a key that never leaves the process: neither a dump of this table nor a timing
/// of its look-ups tells a password.
pub(super) struct Verified {
    key: Hmac<Sha256>,
    known: HashSet<Mac>,
}

impl Verified {
    pub(super) fn new() -> Self {
        let secret: [u8; 32] = rand::random();
        // An HMAC takes a key of any length (RFC 2104).
        #[allow(clippy::expect_used)]
        let key = Hmac::new_from_slice(&secret).expect("an HMAC takes a key of any length");
        Self { key, known: HashSet::new() }
    }

    pub(super) fn contains(&self, mac: &Mac) -> bool {
        self.known.contains(mac)
    }

    pub(super) fn insert(&mut self, mac: Mac) {
        if self.known.len() >= CAPACITY {
            // More users than this share a server rarely; what is forgotten costs one bcrypt.
            self.known.clear();
        }
        self.known.insert(mac);
    }

    pub(super) fn mac(&self, credentials: &Credentials) -> Mac {
        let mut mac = self.key.clone();
        mac.update(credentials.name.as_bytes());
        // A name has no colon, so no two credentials give the same text.
        mac.update(b":");
        mac.update(&credentials.password);
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_exactly_what_it_was_told() {
        let credentials = |name: &str, password: &str| Credentials {
            name: name.into(),
            password: password.as_bytes().to_vec(),
        };
        let mut verified = Verified::new();
        verified.insert(verified.mac(&credentials("ci", "right")));
        let asked = [("ci", "right"), ("ci", "wrong"), ("other", "right"), ("", "ci:right")];
        let known =
            asked.map(|(name, password)| verified.contains(&verified.mac(&credentials(name, password))));
        assert_eq!(known, [true, false, false, false]);
    }
}
