//! SHA-256 in the spelling that keys and digests use.

use sha2::{Digest, Sha256};

const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

/// The 64 hexadecimal digits of the bytes' SHA-256.
pub(crate) fn of(bytes: &[u8]) -> String {
    let digits = |byte: u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    Sha256::digest(bytes).iter().copied().flat_map(digits).collect()
}

/// 12 digits that change when any of the parts does, or where one of them ends: the key of what is made from them.
pub(crate) fn key(parts: &[&str]) -> String {
    let mut all = String::new();
    for part in parts {
        all.push_str(part);
        all.push('\0');
    }
    let mut digits = of(all.as_bytes());
    digits.truncate(12);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_are_those_of_the_standard() {
        // FIPS 180-4, appendix B.1.
        assert_eq!(of(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_key_tells_where_a_part_ends() {
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["ab", "c"]).len(), 12);
    }
}
