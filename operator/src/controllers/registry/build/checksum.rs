//! A hash of everything the server reads at start: a Pod whose template carries another one is replaced.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Hashes named inputs in the order they are given.
#[derive(Default)]
pub(super) struct Checksum(Sha256);

impl Checksum {
    /// Adds one input. Lengths go in too, so that no two lists of inputs run together into one.
    pub(super) fn add(&mut self, name: &str, content: &[u8]) {
        for part in [name.as_bytes(), content] {
            self.0.update((part.len() as u64).to_be_bytes());
            self.0.update(part);
        }
    }

    /// The hash in lower-case hexadecimal.
    pub(super) fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Lower-case hexadecimal.
pub(in super::super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::Checksum;

    fn of(inputs: &[(&str, &str)]) -> String {
        let mut checksum = Checksum::default();
        for (name, content) in inputs {
            checksum.add(name, content.as_bytes());
        }
        checksum.finish()
    }

    #[test]
    fn inputs_do_not_run_together() {
        assert_ne!(of(&[("a", "bc")]), of(&[("ab", "c")]));
        assert_ne!(of(&[("a", "b"), ("c", "d")]), of(&[("a", "bcd")]));
        assert_eq!(of(&[("a", "b")]), of(&[("a", "b")]));
    }
}
